public import Engine
import Foundation
public import Optimization

/// RNNprop (Lv, Jiang and Li 2017): an LSTM on Adam's normalised gradients,
/// x ← x - 0.1 tanh(w·h + b), coordinate by coordinate.
public struct RNNprop: FormulaRule {
  public let name = "RNNprop"
  /// The LSTM; its input is ELU of a dense layer on (g/s, m̂/s).
  public let network: RecurrentNetwork
  /// Decay of the mean of subgradients.
  public var beta1: Double
  /// Decay of the mean of their squares.
  public var beta2: Double
  /// Which derivative m and v are means of.
  ///
  /// Under `reference` it is that of the reported objective, which for a mean over instances is 1/N
  /// of a subgradient. Only ε = 1e-8 notices.
  public var features: CoordBlackboxLSTM.Features
  /// Where a run's first state comes from.
  public var initialState: RecurrentNetwork.InitialState
  public var parameters: Parameters
  public var stepRule = StepRule.instance
  public var stateSeed: UInt64 = 0

  /// Creates a rule with the given weights; others in `parameters` are left out.
  ///
  /// - Throws: ``RuleError`` when a weight is missing or has the wrong shape.
  public init(
    hidden: Int = 20, layers: Int = 2, beta1: Double = 0.95, beta2: Double = 0.95,
    features: CoordBlackboxLSTM.Features = .paper, parameters: Parameters,
    initialState: RecurrentNetwork.InitialState = .normal(scale: 0.01)
  ) throws(RuleError) {
    network = RecurrentNetwork(inputWidth: hidden, hidden: hidden, layers: layers)
    self.beta1 = beta1
    self.beta2 = beta2
    self.features = features
    self.initialState = initialState
    self.parameters = try parameters.picked(
      Self.input(hidden).weights + network.weights + Self.output(hidden).weights)
  }

  private static func input(_ hidden: Int) -> Dense {
    Dense(name: "linear_in", inputs: 2, outputs: hidden)
  }

  private static func output(_ hidden: Int) -> Dense {
    Dense(name: "linear_out", inputs: hidden, outputs: 1)
  }

  /// PyTorch's initial weights for `seed`.
  public static func initialParameters(
    hidden: Int = 20, layers: Int = 2, seed: UInt64
  ) -> Parameters {
    var stream = ReferenceStream(seed: seed)
    let network = RecurrentNetwork(inputWidth: hidden, hidden: hidden, layers: layers)
    return Parameters(
      input(hidden).draw(&stream) + network.draw(&stream) + output(hidden).draw(&stream))
  }

  public func initialCarry(for problem: any Problem, seed: UInt64) -> [Carry] {
    let zero = Matrix(zeros: problem.instanceCount, problem.coordinatesPerInstance)
    return [
      network.carry(initialState, for: problem, seed: seed), Carry(zero, along: .rows),
      Carry(zero, along: .rows),
    ]
  }

  public func step(
    _ x: Traced, _ carry: [Traced], _ context: FormulaContext
  ) -> (x: Traced, carry: [Traced]) {
    let n = x.rows * x.columns
    let scale = features == .paper ? 1 : context.problem.problem.reportedScale
    let v = context.problem.subgradient(at: x).stopped
    let g = scale == 1 ? v : scale * v
    let first = beta1 * carry[1] + (1 - beta1) * g
    let second = beta2 * carry[2] + (1 - beta2) * g.squared
    let t = Double(context.index + 1)
    let s = (second / (1 - pow(beta2, t))).squareRoot + 1e-8
    let input = Traced.stack([
      (g / s).reshaped(1, n), (first / (1 - pow(beta1, t)) / s).reshaped(1, n),
    ])
    let inner = Self.input(network.hidden)(input, context).elu
    let state = network.step(inner, carry[0], context)
    let raw = Self.output(network.hidden)(network.output(state), context)
    context.observe("raw_out", raw)
    return (x - 0.1 * raw.tanh.reshaped(x.rows, x.columns), [state, first, second])
  }
}
