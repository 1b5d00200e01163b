import Foundation
import OptCheck

/// The training loss of any learned rule, without its type.
protocol RunObjective: MetaObjective {
  var threads: Int { get set }
  var storedSteps: Int { get set }
  var start: RunState { get set }
  func segment(
    _ parameters: Parameters, gradient: inout Parameters
  ) -> (evaluation: MetaEvaluation, end: RunState)
  func value(_ parameters: Parameters) -> (evaluation: MetaEvaluation, end: RunState)
  func derivative(at parameters: Parameters, along direction: Parameters) -> Double
}

extension FormulaObjective: RunObjective {}

func makeObjective<R: FormulaRule, P: TwiceDifferentiableProblem>(
  _ rule: R, _ problem: P, from start: Vector, horizon: Int, loss: UnrollLoss
) -> any RunObjective {
  FormulaObjective(rule, on: problem, from: start, horizon: horizon, loss: loss)
}

/// A learned rule with weights of its own on a problem, to be trained.
struct Learner: Sendable {
  var data: ProblemData
  var start: Vector
  var rule: any FormulaRule
  /// w_t of Σ w_t F(x_t), as many as steps.
  var weights: [Double]

  var horizon: Int { weights.count }
  var parameters: Parameters { rule.parameters }

  /// The loss, or that of the steps in `range` alone.
  func objective(_ range: Range<Int>? = nil) throws -> any RunObjective {
    let part = Array(weights[range ?? 0..<horizon])
    return makeObjective(
      rule, try data.problem(), from: start, horizon: part.count, loss: .objective(part))
  }

  func gradient(threads: Int? = nil, storedSteps: Int? = nil) throws -> LossSlope {
    let objective = try objective()
    if let threads { objective.threads = threads }
    if let storedSteps { objective.storedSteps = storedSteps }
    var gradient = parameters.zeros
    let loss = objective.segment(parameters, gradient: &gradient).evaluation.loss
    return LossSlope(loss: loss, gradient: gradient)
  }

  /// Gradients of segments of `length` steps, which do not reach into the segments before.
  func truncatedGradient(_ length: Int) throws -> LossSlope {
    var sum = LossSlope(loss: 0, gradient: parameters.zeros)
    var state: RunState?
    for first in stride(from: 0, to: horizon, by: length) {
      let objective = try objective(first..<min(horizon, first + length))
      if let state { objective.start = state }
      var gradient = parameters.zeros
      let (evaluation, end) = objective.segment(parameters, gradient: &gradient)
      sum.loss += evaluation.loss
      sum.gradient.add(1, gradient)
      state = end
    }
    return sum
  }

  /// The same with every number of data and weights off by a relative 1e-12: rounding does no more.
  func twin(_ seed: UInt64) -> Learner {
    var rng = SplitMix64(seed: seed)
    var other = self
    other.data = data.perturbed(by: 1e-12, seed: seed)
    other.rule.parameters = parameters.mapping { $0 * (1 + 1e-12 * rng.normal()) }
    return other
  }

  /// How far `quantity` moves from learner to twin, at most.
  func sensitivity(_ quantity: (Learner) throws -> [Double]) rethrows -> Double {
    let here = try quantity(self)
    return try (1...3).map { (seed: UInt64) in
      largestDifference(try quantity(twin(seed)), here)
    }.reduce(0, max)
  }
}

func largestDifference(_ a: [Double], _ b: [Double]) -> Double {
  (Vector(a) - Vector(b)).maxMagnitude
}

/// A loss with its gradient.
struct LossSlope: Sendable {
  var loss: Double
  var gradient: Parameters

  var numbers: [Double] { [loss] + gradient.tensors.flatMap(\.elements) }
  var bits: [UInt64] { numbers.map(\.bitPattern) }
}

extension Parameters {
  func mapping(_ change: (Double) -> Double) -> Parameters {
    var other = self
    for i in other.tensors.indices {
      other.tensors[i].elements = other.tensors[i].elements.map(change)
    }
    return other
  }

  /// A direction in the space of the weights.
  func direction(_ rng: inout SplitMix64) -> Parameters {
    mapping { _ in rng.normal() }
  }

  var single: Parameters { mapping { Double(Float($0)) } }
}

extension SplitMix64 {
  /// A small rule of any kind with weights away from their initial values.
  mutating func learnedRule(
    _ problem: any CertifiableProblem, layers: Int
  ) throws -> any FormulaRule {
    let seed = UInt64(pick(1000))
    func moved(_ parameters: Parameters) -> Parameters {
      parameters.mapping { $0 * (1 + 0.2 * normal()) }
    }
    switch pick(5) {
    case 0, 1:
      let network = RecurrentNetwork(hidden: integer(1...4), layers: integer(1...2))
      let name = choose(["A", "P", "PA", "PBA", "PBA1", "PBA2", "PBA12"])
      let head = RecurrentParts.Head(
        choose([.twiceSigmoid, .identity]), scale: choose([1, 0.5]), learnsScale: pick(2) == 0)
      guard
        let architecture = RecurrentParts.Architecture.variant(name, head: head, network: network)
      else { preconditionFailure("no variant is called \(name)") }
      return CoordMathLSTM(
        try RecurrentParts(
          architecture, parameters: moved(architecture.initialParameters(seed: seed))),
        form: choose([.paper, .reference]), stateSeed: seed)
    case 2:
      let weights = moved(RNNprop.initialParameters(hidden: 3, layers: 1, seed: seed))
      return try RNNprop(hidden: 3, layers: 1, parameters: weights)
    case 3:
      let shared: Set<String> = pick(2) == 0 ? ["S"] : []
      let weights = try LISTA.initialParameters(for: problem, layers: layers, shared: shared)
      return try LISTA(layers: layers, parameters: moved(weights))
    default:
      let weights = try StepLISTA.initialParameters(for: problem, layers: layers)
      return try StepLISTA(layers: layers, parameters: moved(weights))
    }
  }

  mutating func learner(_ data: ProblemData? = nil) throws -> Learner {
    let data = data ?? problemData()
    let horizon = integer(1...6)
    return Learner(
      data: data, start: point(data.dimension),
      rule: try learnedRule(data.problem(), layers: integer(1...horizon)),
      weights: choose(MetaLoss.allCases).weights(horizon: horizon))
  }
}
