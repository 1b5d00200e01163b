import OptCheck
import Testing

/// What the gradient check asks beside central differences.
@Suite struct SecondOpinions {
  /// f(w) = 2 max(w₀, 0) + w₁² / 2, with a slope of one's choice at w₀ = 0.
  private final class Ramp: MetaObjective {
    let slopeAtKink: Double
    let forwardFactor: Double

    init(slopeAtKink: Double, forwardFactor: Double = 1) {
      self.slopeAtKink = slopeAtKink
      self.forwardFactor = forwardFactor
    }

    func slope(_ w: Double) -> Double { w > 0 ? 2 : w < 0 ? 0 : slopeAtKink }

    func loss(_ w: Parameters, slope: Double) -> Double {
      let (a, b) = (w.tensors[0].elements[0], w.tensors[0].elements[1])
      return slope * a + b * b / 2
    }

    func evaluate(_ w: Parameters, gradient: inout Parameters) -> MetaEvaluation {
      let slope = slope(w.tensors[0].elements[0])
      gradient.tensors[0].elements = [slope, w.tensors[0].elements[1]]
      let value = loss(w, slope: slope)
      return MetaEvaluation(loss: value, finalValue: value)
    }

    func unroll(_ w: Parameters) -> Trajectory {
      Trajectory(values: [], iterates: [], stop: .horizonReached(0))
    }

    func surrogate(at base: Parameters) -> any SurrogateLoss {
      Piece(ramp: self, slope: slope(base.tensors[0].elements[0]))
    }

    func forwardDerivative(at w: Parameters, along direction: Parameters) -> Double? {
      let dot = direction.tensors[0].elements
      return forwardFactor * slope(w.tensors[0].elements[0]) * dot[0]
        + w.tensors[0].elements[1] * dot[1]
    }

    struct Piece: SurrogateLoss {
      let ramp: Ramp
      let slope: Double
      func loss(at w: Parameters) -> Double { ramp.loss(w, slope: slope) }
    }
  }

  private func check(
    at w: [Double], slopeAtKink: Double = 0, forwardFactor: Double = 1
  ) -> CheckResult {
    GradientCheck().run(
      .init(
        label: "ramp", parameters: Parameters([("w", Tensor(shape: [2], elements: w))])
      ) { Ramp(slopeAtKink: slopeAtKink, forwardFactor: forwardFactor) })
  }

  /// Any slope in [0, 2] will do at the kink, and no other.
  @Test(arguments: [(0, true), (0.7, true), (2, true), (2.01, false), (-0.01, false), (5, false)])
  func atAKinkTheSlopeLiesBetweenTheSides(slope: Double, isSound: Bool) throws {
    let result = check(at: [0, 0.5], slopeAtKink: slope)
    #expect(result.verdict == (isSound ? .holds : .violated), "\(result)")
    let sides = [result.numbers["leftSlope"], result.numbers["rightSlope"]].compactMap(\.self)
    let (low, high) = (try #require(sides.min()), try #require(sides.max()))
    // Along a unit vector v the sides differ by 2 |v₀|.
    #expect(high > low)
    if !isSound { #expect(result.reason.contains("between the slopes")) }
  }

  @Test func awayFromKinksThereIsOneSlope() {
    let result = check(at: [0.3, 0.5])
    #expect(result.verdict == .holds && result.numbers["leftSlope"] == nil, "\(result)")
  }

  @Test(arguments: [1e-2, 1e-6, 1e-11]) func forwardModeIsHeldAgainstTheGradient(fault: Double) {
    let result = check(at: [0.3, 0.5], forwardFactor: 1 + fault)
    #expect(result.verdict == .violated && result.reason.contains("forward mode"), "\(result)")
    #expect(check(at: [0.3, 0.5]).numbers["forwardMode"].map { $0 <= 1e-15 } ?? false)
  }

  /// a ∘ b whose pullback is off by a factor.
  private struct FaultyProduct: CustomOperation {
    let name = "faulty-product"
    var factor: Double

    func shape(_ inputs: [(rows: Int, columns: Int)]) -> (rows: Int, columns: Int) { inputs[1] }
    private func times(_ a: Matrix, _ b: Matrix) -> Matrix {
      Matrix(rows: b.rows, columns: b.columns, elements: b.elements.map { a.elements[0] * $0 })
    }
    func value(at inputs: [Matrix]) -> Matrix { times(inputs[0], inputs[1]) }
    func pullback(_ cotangent: Matrix, at inputs: [Matrix], value: Matrix) -> [Matrix] {
      let sum = zip(cotangent.elements, inputs[1].elements).reduce(0) { $0 + $1.0 * $1.1 }
      return [
        Matrix(rows: 1, columns: 1, elements: [factor * sum]), times(inputs[0], cotangent),
      ]
    }
    func pushforward(_ tangents: [Matrix], at inputs: [Matrix], value: Matrix) -> Matrix {
      let (a, b) = (times(tangents[0], inputs[1]), times(inputs[0], tangents[1]))
      return Matrix(
        rows: a.rows, columns: a.columns, elements: zip(a.elements, b.elements).map { $0 + $1 })
    }
  }

  /// A learned step size whose derivative is wrong from step `faultyFrom` on.
  private struct LearnedStep: FormulaRule {
    let name = "learned-step"
    let stepRule = StepRule.instance
    var parameters = Parameters([("p", Tensor(0.7)), ("q", Tensor(0.2))])
    var faultyFrom: Int

    func initialCarry(for problem: any Problem, seed: UInt64) -> [Carry] { [] }

    func step(
      _ x: Traced, _ carry: [Traced], _ context: FormulaContext
    ) -> (x: Traced, carry: [Traced]) {
      let g = context.problem.gradient(at: x)
      let factor = context.index + 1 >= faultyFrom ? 1.05 : 1
      let move = Traced.custom(FaultyProduct(factor: factor), [context["p"], g])
      return (x - context.stepSizes * (move + context["q"] * g), [])
    }
  }

  @Test(arguments: [1, 4, 100]) func theFirstWrongStepAndTheBlockAreNamed(step: Int) throws {
    let solved = try #require(
      try ProblemSuite.families.first { $0.name == "quadratic-rotated" }?.problem())
    let results = try DerivativeStudy(LearnedStep(faultyFrom: step), horizon: 10).run(on: [solved])
    let broken = results.checks.filter { $0.verdict == .violated }
    guard step <= 10 else {
      #expect(broken.isEmpty && (results.forwardMode.map { $0 <= 1e-13 } ?? false))
      return
    }
    #expect(!broken.isEmpty && broken.allSatisfy { !$0.subject.hasSuffix(", q") })
    #expect(broken.contains { $0.subject.hasSuffix(", p") })
    #expect(
      results.checks.contains { $0.reason.hasSuffix("first wrong in F(x_\(step))") },
      "\(results.checks.map(\.reason))")
  }
}
