import OptCheck
import Testing

@testable import Engine
@testable import Optimization

/// A small rule with everything that can go wrong: a carry along each axis, a stop-gradient, a kink,
/// a prox, a step index.
struct ToyRule: FormulaRule {
  let name = "toy"
  var parameters: Parameters
  var stepRule = StepRule.instance

  init(seed: UInt64 = 1) {
    var rng = SplitMix64(seed: seed)
    parameters = Parameters([
      ("mix", Tensor(rng.matrix(2, 2) { 0.3 * $0.normal() })),
      ("bias", Tensor(shape: [2], elements: rng.vector(2).elements)),
      ("momentum", Tensor(0.3)),
    ])
  }

  func initialCarry(for problem: any Problem, seed: UInt64) -> [Carry] {
    var rng = SplitMix64(seed: seed)
    return [
      Carry(rng.matrix(2, problem.dimension), along: .columns),
      Carry(
        Matrix(zeros: problem.instanceCount, problem.coordinatesPerInstance), along: .rows),
    ]
  }

  func step(
    _ x: Traced, _ carry: [Traced], _ context: FormulaContext
  ) -> (x: Traced, carry: [Traced]) {
    let n = x.rows * x.columns
    let g = context.problem.gradient(at: x)
    let features = Traced.stack([g.reshaped(1, n).stopped, x.reshaped(1, n)])
    let hidden = (context["mix"].times(features + carry[0]) + context["bias"]).relu
    let scale = hidden.columnSums.sigmoid.reshaped(x.rows, x.columns)
    let move = context["momentum"] * carry[1] - scale * context.stepSizes * g
    let next = context.problem.prox(x + move, steps: scale * context.stepSizes)
    return (next, [hidden.tanh, move / Double(context.index + 1)])
  }
}

@Suite struct FormulaObjectives {
  /// A step of an unfolded rule needs the weights of one layer, and copies no others.
  @Test func onlyWeightsThatAreAskedForAreCopied() {
    let parameters = Parameters(
      (0..<100).map {
        ("We.\($0)", Tensor(shape: [1, 3, 4], elements: .init(repeating: Double($0), count: 12)))
      })
    let tape = Tape()
    let weights = TracedWeights(parameters, on: tape)
    let one = weights["We.7"]
    #expect(one?.value.elements == Array(repeating: 7, count: 12))
    let bytes = tape.byteCount
    #expect(tape.count == 1 && bytes < 3 * 12 * 8)
    // Asked for again it is the same variable, so that its cotangent is one.
    #expect(weights["We.7"]?.index == one?.index && tape.byteCount == bytes)
    #expect(weights.has("We.99") && !weights.has("We.100") && weights["We.100"] == nil)
    #expect(weights.all.map { $0.value.elements[0] } == (0..<100).map(Double.init))
    #expect(tape.count == 100)
  }

  static func problem(instances: Int = 5) throws -> Lasso {
    try Lasso.generated(
      seed: 3, size: .init(instances: instances, rows: 40, columns: 90, sparsity: 4), weight: 0.05)
  }

  func objective(
    _ rule: ToyRule, _ problem: Lasso, horizon: Int = 7, loss: MetaLoss = .mean
  ) -> FormulaObjective<ToyRule> {
    FormulaObjective(
      rule, on: problem, from: Vector(zeros: problem.dimension), horizon: horizon,
      loss: .objective(loss.weights(horizon: horizon)))
  }

  @Test(arguments: ["mix", "bias", "momentum", nil] as [String?])
  func gradientHolds(_ block: String?) throws {
    let (rule, problem) = (ToyRule(), try Self.problem(instances: 2))
    let result = GradientCheck().run(
      .init(label: "toy", parameters: rule.parameters, block: block) {
        FormulaObjective(
          rule, on: problem, from: Vector(zeros: problem.dimension), horizon: 6,
          loss: .objective(MetaLoss.weightedSum.weights(horizon: 6)))
      })
    #expect(result.verdict == .holds, "\(result.reason)")
  }

  /// The gradient of the distance to a point, against differences of the loss itself.
  @Test func distanceToAPoint() throws {
    let (rule, problem) = (ToyRule(), try Self.problem(instances: 2))
    let target = try #require(problem.generatingPoint)
    let result = GradientCheck().run(
      .init(label: "toy", parameters: rule.parameters) {
        FormulaObjective(
          rule, on: problem, from: Vector(zeros: problem.dimension), horizon: 4,
          loss: .distance(to: target))
      })
    #expect(result.verdict == .holds, "\(result.reason)")
  }

  @Test func recomputedIsStored() throws {
    let (rule, problem) = (ToyRule(), try Self.problem())
    let (stored, recomputed) = (
      objective(rule, problem, horizon: 23), objective(rule, problem, horizon: 23)
    )
    recomputed.storedSteps = 4
    var (a, b) = (rule.parameters.zeros, rule.parameters.zeros)
    let (first, second) = (
      stored.evaluate(rule.parameters, gradient: &a),
      recomputed.evaluate(rule.parameters, gradient: &b)
    )
    // The same operations on the same numbers; only the sums over stretches are ordered anew.
    #expect(abs(first.loss - second.loss) <= 64 * first.loss.ulp)
    #expect(first.finalValue == second.finalValue)
    b.add(-1, a)
    #expect(b.norm <= 1e-13 * a.norm, "\(b.norm) of \(a.norm)")
  }

  @Test func forwardModeAgrees() throws {
    let (rule, problem) = (ToyRule(), try Self.problem())
    let objective = objective(rule, problem)
    var gradient = rule.parameters.zeros
    _ = objective.evaluate(rule.parameters, gradient: &gradient)
    let direction = ToyRule(seed: 9).parameters
    let slope = objective.derivative(at: rule.parameters, along: direction)
    let product = gradient.dot(direction)
    #expect(abs(slope - product) <= 1e-12 * max(abs(product), gradient.norm * direction.norm))
  }

  @Test func threadsChangeNothing() throws {
    let (rule, problem) = (ToyRule(), try Self.problem(instances: 9))
    let results = [1, 2, 5].map { threads in
      let objective = objective(rule, problem)
      objective.threads = threads
      var gradient = rule.parameters.zeros
      let (evaluation, end) = objective.segment(rule.parameters, gradient: &gradient)
      return (evaluation, end, gradient)
    }
    for other in results.dropFirst() {
      #expect(other.0 == results[0].0)
      #expect(other.1 == results[0].1)
      #expect(other.2 == results[0].2)
    }
  }

  /// Two segments of 3 and 4 steps end where one of 7 does.
  @Test func segmentsChain() throws {
    let (rule, problem) = (ToyRule(), try Self.problem())
    var unused = rule.parameters.zeros
    let whole = objective(rule, problem, horizon: 7).segment(rule.parameters, gradient: &unused)
    let first = objective(rule, problem, horizon: 3)
    let middle = first.segment(rule.parameters, gradient: &unused).end
    let second = objective(rule, problem, horizon: 4)
    second.start = middle
    let end = second.segment(rule.parameters, gradient: &unused).end
    #expect(middle.index == 3)
    #expect(end == whole.end)
  }

  /// Running as an ordinary rule, in groups, and on the tape: the same iterates.
  @Test func unrollsAlike() throws {
    let (rule, problem) = (ToyRule(), try Self.problem(instances: 4))
    let objective = objective(rule, problem)
    let grouped = objective.unroll(rule.parameters)
    let plain = unroll(
      rule, on: problem, from: Vector(zeros: problem.dimension), horizon: 7,
      recordingIterates: true)
    #expect(grouped.iterates == plain.iterates)
    #expect(grouped.values == plain.values)
    var unused = rule.parameters.zeros
    #expect(
      objective.segment(rule.parameters, gradient: &unused).end.x == plain.iterates.last)
  }

  @Test func divergenceIsSeen() throws {
    var rule = ToyRule()
    rule.stepRule = .constant(1e200)
    let problem = try Self.problem()
    var gradient = rule.parameters.zeros
    let evaluation = objective(rule, problem).evaluate(rule.parameters, gradient: &gradient)
    #expect(evaluation.firstNonFinite != nil)
  }

  @Test func aCrossedKinkIsSeen() throws {
    let (rule, problem) = (ToyRule(), try Self.problem(instances: 2))
    let objective = objective(rule, problem, horizon: 1)
    // With one step nothing stopped depends on the weights, so pieces differ in kinks alone.
    let near = rule.parameters.moved(1e-12, ToyRule(seed: 2).parameters)
    let far = rule.parameters.moved(3, ToyRule(seed: 2).parameters)
    #expect(objective.pieces(at: rule.parameters) == objective.pieces(at: near))
    #expect(objective.pieces(at: rule.parameters) != objective.pieces(at: far))
  }
}
