public import Engine
public import Optimization

/// L2O-DM: an LSTM whose output is the displacement, coordinate by coordinate.
///
/// x ← x + 0.1 ELU(w·h + b), after Andrychowicz et al. 2016.
public struct CoordBlackboxLSTM: FormulaRule {
  /// What the network sees.
  public enum Features: String, Sendable, Hashable, CaseIterable {
    /// The subgradient of F alone: the paper.
    case paper
    /// The derivative of the reported objective, which for a mean over N instances is a subgradient
    /// divided by N, so that a rule depends on the size of its batch; and x, through which gradients
    /// flow, while the paper has no such input.
    case reference
  }

  public let name = "CoordBlackboxLSTM"
  /// The LSTM; two inputs under ``Features/reference``, else one.
  public let network: RecurrentNetwork
  /// What it sees.
  public let features: Features
  /// Where a run's first state comes from.
  public var initialState: RecurrentNetwork.InitialState
  public var parameters: Parameters
  public var stepRule = StepRule.instance
  public var stateSeed: UInt64 = 0

  /// Creates a rule with the given weights; others in `parameters` are left out.
  ///
  /// - Throws: ``RuleError`` when a weight is missing or has the wrong shape.
  public init(
    hidden: Int = 20, layers: Int = 2, features: Features = .paper, parameters: Parameters,
    initialState: RecurrentNetwork.InitialState = .normal(scale: 1)
  ) throws(RuleError) {
    network = RecurrentNetwork(
      inputWidth: features == .paper ? 1 : 2, hidden: hidden, layers: layers)
    self.features = features
    self.initialState = initialState
    self.parameters = try parameters.picked(network.weights + Self.linear(hidden).weights)
  }

  private static func linear(_ hidden: Int) -> Dense {
    Dense(name: "linear", inputs: hidden, outputs: 1)
  }

  /// PyTorch's initial weights for `seed`.
  public static func initialParameters(
    hidden: Int = 20, layers: Int = 2, features: Features = .paper, seed: UInt64
  ) -> Parameters {
    var stream = ReferenceStream(seed: seed)
    let network = RecurrentNetwork(
      inputWidth: features == .paper ? 1 : 2, hidden: hidden, layers: layers)
    return Parameters(network.draw(&stream) + linear(hidden).draw(&stream))
  }

  public func initialCarry(for problem: any Problem, seed: UInt64) -> [Carry] {
    [network.carry(initialState, for: problem, seed: seed)]
  }

  public func step(
    _ x: Traced, _ carry: [Traced], _ context: FormulaContext
  ) -> (x: Traced, carry: [Traced]) {
    let n = x.rows * x.columns
    let v = context.problem.subgradient(at: x).stopped.reshaped(1, n)
    let input =
      switch features {
      case .paper: v
      case .reference:
        Traced.stack([context.problem.problem.reportedScale * v, x.reshaped(1, n)])
      }
    let state = network.step(input, carry[0], context)
    let raw = Self.linear(network.hidden)(network.output(state), context)
    context.observe("raw_out", raw)
    return (x + 0.1 * raw.elu.reshaped(x.rows, x.columns), [state])
  }
}
