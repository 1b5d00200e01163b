import MyRules
import OptCheck
import Testing

@Suite struct MyRulesTests {
  private func run(_ rule: some UpdateRule, on problem: some Problem) -> ScaledGradientRun {
    let start = Vector(zeros: problem.dimension)
    let run = unroll(rule, on: problem, from: start, horizon: 30, recordingIterates: true)
    return ScaledGradientRun(
      label: rule.name, problem: problem, stepSizes: problem.smoothness.map { 1 / $0 },
      iterates: run.iterates)
  }

  /// D1 speaks of steps between 0 and 2/β; every one must fall by the certified amount.
  @Test(arguments: [0.5, 1, 1.9]) func learnedStepDescends(theta: Double) {
    let result = DescentCheck().run(run(LearnedStep(theta: theta), on: LogisticRegression()))
    #expect(result.verdict == .holds, "\(result)")
  }

  /// Momentum is not covered by D1, and the check says so instead of judging.
  @Test func heavyBallIsBeyondTheClaim() {
    let result = DescentCheck().run(
      run(HeavyBall(momentum: 0.9), on: LogisticRegression()))
    #expect(result.verdict == .premiseFails || result.verdict == .holdsVacuously, "\(result)")
  }

  @Test(arguments: MetaLoss.allCases) func trainingGradientIsRight(loss: MetaLoss) {
    let rule = LearnedStep(theta: 0.7)
    let result = GradientCheck().run(
      GradientCheck.Subject(label: rule.name, parameters: rule.parameters) {
        let problem = LogisticRegression()
        return rule.metaObjective(
          on: problem, from: Vector(zeros: problem.dimension), horizon: 10, loss: loss)
      })
    #expect(result.verdict == .holds, "\(result)")
  }

  @Test func problemHasTheGradientItSays() {
    let problem = LogisticRegression()
    var rng = SplitMix64(seed: 2)
    let (x, direction) = (rng.vector(problem.dimension), rng.vector(problem.dimension))
    let slope = FiniteDifference(of: { problem.value(at: x.moved($0, direction)) }).slope
    let found = problem.gradient(at: x).dot(direction)
    #expect(abs(found - slope.value) <= slope.error, "\(found) and \(slope)")
  }
}
