/// What checks are about, in the order of the documentation.
enum CheckFamily: String, CaseIterable {
  case fixedPoints = "Fixed points of a rule"
  case convergence = "Convergence of a rule"
  case structure = "Structure of a rule"
  case descent = "Descent of gradient steps"
  case problems = "Problems and proximal operators"
  case derivatives = "Derivatives"
  case initialization = "Initialisation of a learned rule"
  case training = "Training of a learned rule"
  /// Of checks whose ids no family knows; their families are to be added below.
  case other = "Others"

  /// The family that a check's id belongs to, by the capitals that the id starts with.
  init(of id: String) {
    switch id.prefix(while: \.isUppercase) {
    case "FP": self = .fixedPoints
    case "GC": self = .convergence
    case "S": self = .structure
    case "D": self = .descent
    case "F", "PROX": self = .problems
    case "G": self = .derivatives
    case "I": self = .initialization
    case "T": self = .training
    default: self = .other
    }
  }
}
