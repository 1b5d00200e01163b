public import Engine

/// A step x_{k-1} → x_k; the loop is not its business.
public protocol UpdateRule: Sendable {
  /// What the rule carries from step to step.
  associatedtype State: Sendable
  /// Registry key, report heading, fixture name.
  var name: String { get }
  /// The state before the first step on `problem`.
  func initialState<P: Problem>(for problem: P) -> State
  /// One step in place; `x` has n entries.
  func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P)
}

/// A rule whose step depends on learned weights.
///
/// Once its weights are set it is an ordinary rule, so whatever checks a rule checks it too.
public protocol LearnedUpdateRule: UpdateRule {
  /// The weights, under the names PyTorch gives them.
  var parameters: Parameters { get set }
  /// The training loss as a function of the weights: this rule unrolled for `horizon` steps on
  /// `problem` from `start` (n entries).
  ///
  /// - Throws: ``RuleError`` when the rule cannot be trained on this problem.
  func metaObjective<P: TwiceDifferentiableProblem>(
    on problem: P, from start: Vector, horizon: Int, loss: MetaLoss
  ) throws(RuleError) -> any MetaObjective
}

/// Why a rule cannot do what is asked of it.
public enum RuleError: Error, Sendable, Equatable, CustomStringConvertible {
  /// A setting has a value that the rule does not take.
  case unsupported(setting: String, value: String, accepted: String)
  /// A weight is absent.
  case missingParameter(String)
  /// A weight has the wrong shape.
  case wrongShape(parameter: String, found: [Int], expected: [Int])

  /// One line that names the culprit and what is accepted.
  public var description: String {
    switch self {
    case .unsupported(let setting, let value, let accepted):
      "\(setting) cannot be \(value); accepted: \(accepted)"
    case .missingParameter(let name): "weight '\(name)' is missing"
    case .wrongShape(let name, let found, let expected):
      "weight '\(name)' has shape \(found), expected \(expected)"
    }
  }
}
