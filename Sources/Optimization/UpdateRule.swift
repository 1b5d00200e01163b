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
  /// Replaces every iterate that `state` remembers (the one before, an extrapolated one) by `x`.
  ///
  /// Counters, moments and recurrent states stay. A rule with momentum has to say here what it
  /// remembers, or a check that asks whether it rests at a minimiser mistakes memory for motion.
  /// - Returns: whether the rule remembers iterates at all.
  @discardableResult
  func settle(_ state: inout State, at x: Vector) -> Bool
  /// The iterates that `state` remembers, n entries each: they have to converge as x does (GC4).
  func remembered(in state: State) -> [Vector]
  /// The number of steps that the rule was trained for; nil for a rule without horizon.
  var trainedHorizon: Int? { get }
  /// Why the rule cannot run on `problem`; nil if it can.
  func objection(to problem: any Problem) -> String?
  /// What a step asks of its problem; nil if that can be found by watching one step.
  var oracles: Set<Oracle>? { get }
  /// About how many steps of gradient descent one of its steps takes the time of; checks that are given
  /// a minute take fewer steps of a rule that costs more.
  var cost: Double { get }
}

extension UpdateRule {
  /// Nothing is remembered, unless a rule says otherwise.
  @discardableResult
  public func settle(_ state: inout State, at x: Vector) -> Bool { false }

  /// None are shown, unless a rule says otherwise.
  public func remembered(in state: State) -> [Vector] { [] }

  /// None, unless a rule says otherwise.
  public var trainedHorizon: Int? { nil }

  /// It can, unless a rule says otherwise.
  public func objection(to problem: any Problem) -> String? { nil }

  /// Found by watching, unless a rule says otherwise.
  public var oracles: Set<Oracle>? { nil }

  /// 1, unless a rule says otherwise.
  public var cost: Double { 1 }
}

/// What a rule can ask of a problem F = f + r.
public enum Oracle: String, Sendable, Hashable, Codable, CaseIterable {
  /// ∇f.
  case gradient
  /// The proximal operator of r.
  case prox
  /// ∇f plus the subgradient of r of least norm.
  case subgradient
  /// F.
  case value
  /// The matrix and the target of a linear model.
  case data
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
