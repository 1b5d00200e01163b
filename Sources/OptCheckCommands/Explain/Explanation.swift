import Foundation
import OptCheck

/// What a check says about itself.
struct Explanation: Encodable {
  var id: String
  var claim: String
  var equation: String
  var source: String
  var tolerance: String
  var blindSpots: String
  /// Faults that it must catch, each once whatever its sizes.
  var mutants: [String]
  /// Sound subjects that it must pass.
  var cleanCases: [String]

  init(_ check: some Check) {
    id = check.claim.id
    claim = check.claim.title
    equation = check.equation
    source = check.claim.source
    tolerance = check.tolerance
    blindSpots = check.blindSpots
    mutants = check.mutants.map(\.fault).reduce(into: []) { faults, fault in
      if faults.last != fault { faults.append(fault) }
    }
    cleanCases = check.cleanCases.map(\.name)
  }

  /// As the terminal shows it.
  var plain: String {
    let lines = [
      ("claim", claim), ("equation", equation), ("source", source), ("tolerance", tolerance),
      ("cannot see", blindSpots), ("must catch", mutants.joined(separator: "; ")),
      ("must pass", cleanCases.joined(separator: "; ")),
    ]
    return
      ([id]
      + lines.map { name, text in
        "  " + name.padding(toLength: 12, withPad: " ", startingAt: 0) + text
      }).joined(separator: "\n")
  }
}
