import Checks
import Foundation
import OptCheck
import Testing

/// Bounds as values, against other formulas and on rules of the catalogue.
@Suite struct BoundTests {
  @Test func slackBeyondTheRangeOfDoubles() throws {
    let bound = Bound(
      "b", .value, source: "test", premises: [],
      points: [
        .init("k=0", index: 0, logLimit: 5000 * log(10), logMeasured: -5000 * log(10)),
        .init("k=1", index: 1, logLimit: log(2), logMeasured: log(1)),
        .init("k=2", index: 2, logLimit: -.infinity, logMeasured: -.infinity),
        .init("k=3", index: 3, logLimit: -45, logMeasured: -50, logAllowed: -40),
      ])
    let slacks = bound.slacks()
    #expect(slacks.map(\.index) == [0, 1], "0 <= 0 and what rounding hides have no slack")
    #expect(abs(slacks[0].slack - 10_000) <= 1e-9)
    let sharpest = try #require(bound.sharpest)
    #expect(sharpest.point.path == "k=1" && abs(sharpest.slack - log10(2)) <= 1e-15)
    #expect(bound.faults.isEmpty)
    var broken = bound
    broken.points[1].logLimit = -.infinity
    #expect(broken.faults.map(\.path) == ["k=1"])
    broken.points[1].logMeasured = .nan
    #expect(broken.faults.map(\.path) == ["k=1"])
  }

  /// A rate is bounded from below: twice the promised decay is log10 2 of slack.
  @Test func ratesFaceTheOtherWay() throws {
    var bound = Bound(
      "r", .rate, source: "test", premises: [],
      points: [.init("k=5", index: 5, logLimit: log(1e-3), logMeasured: log(2e-3))])
    #expect(abs(try #require(bound.sharpest).slack - log10(2)) <= 1e-12)
    #expect(bound.faults.isEmpty)
    bound.points[0].logMeasured = log(0.9e-3)
    #expect(bound.faults.count == 1)
  }

  @Test func sumsOfPowers() {
    #expect(abs(logSum(log(3), log(4)) - log(7)) <= 1e-15)
    #expect(logSum(-.infinity, -.infinity) == -.infinity)
    #expect(logSum(1e4, 0) == 1e4 && logSum(0, 1e4) == 1e4)
    #expect(logSum(.nan, 1).isNaN && logSum(1, .nan).isNaN)
  }

  /// The logarithmic recursion against the same sums in plain numbers.
  @Test func recursionInPlainNumbers() {
    let (norms, moves, rows) = ([2.0, 0.5, 3], [1e-2, 2e-2, 5e-3], [1.5, 0.7, 0.9, 0.2])
    let record = SemiSmoothnessRecord(
      label: "", stepRule: .theory, widths: [2, 4], unknowns: 4, smoothness: 2.25,
      effectiveSmoothness: 1.44, startResidual: 1.7, reach: 1, pairs: [])
    let logs = record.logLimits(
      WeightPair(
        "", index: 0, layerBounds: norms, layerDistances: moves, inputRows: rows,
        differences: rows))
    let direct =
      moves[0] * norms[1] * norms[2] + norms[0] * moves[1] * norms[2]
      + norms[0] * norms[1] * moves[2]
    let product = norms.reduce(1, *)
    var (dx, dr) = (0.0, 0.0)
    for (t, u) in rows.enumerated() {
      let dp = (direct * u + product * (1.5 * dr + dx)) / 2
      (dx, dr) = (dx + (dp * 1.7 + 2 * dr) / 1.2, dr + dp * 1.7)
      #expect(abs(exp(logs[t]) - dx) <= 1e-13 * dx, "t = \(t + 1)")
    }
  }

  /// Lemmas 4.1 and 4.2 on a network of the catalogue, away from its initialisation.
  @Test(arguments: [1e-3, 0.1, 10]) func catalogueNetwork(spread: Double) throws {
    let problem = try LeastSquares.generated(seed: 4, instances: 3, rows: 5, columns: 8)
    let architecture = CoordMathDNN.Architecture(widths: [2, 16])
    var weights = try CoordMathDNN.initialParameters(architecture, .qr, scale: 2, seed: 5)
    var rng = SplitMix64(seed: 6)
    weights.tensors[2].elements = weights.tensors[2].elements.map { _ in spread * rng.normal() }
    let rule = try CoordMathDNN(architecture: architecture, parameters: weights)
    let start = Vector(zeros: 24)
    let horizon = 6
    let objective = try rule.metaObjective(on: problem, from: start, horizon: horizon, loss: .last)
    var gradient = weights.zeros
    let loss = objective.evaluate(weights, gradient: &gradient).loss
    let run = objective.unroll(weights)
    let inputs = run.iterates.dropLast().map { x in
      CoordinatewiseNetwork.features(gradient: problem.gradient(at: x), x: x)
    }
    let norms = try rule.network.weights.map { try $0.spectralNorm() }
    let r0 = problem.residual(at: start).norm
    let squares = try problem.squaredDistances(from: start).reduce(0, +)
    let reach = (problem.largestSmoothness * squares).squareRoot()
    let gradients = GradientBoundCheck().run(
      GradientBoundRecord(
        label: "catalogue", stepRule: .theory, widths: [2, 16], unknowns: 8, startResidual: r0,
        reach: reach,
        snapshots: [
          .init(
            step: 0, loss: loss, gradientNorms: gradient.tensors.map { Vector($0.elements).norm },
            layerNorms: norms, inputNorms: inputs.map(\.frobeniusNorm))
        ]))
    #expect([.holds, .holdsVacuously].contains(gradients.verdict), "\(gradients)")
    #expect(gradients.numbers["points"] == 3)
    // The same slack from plain numbers, at the last layer.
    let plain =
      r0 / 2 * (2 * loss).squareRoot() * norms[0] * norms[1]
      * inputs.map(\.frobeniusNorm).reduce(0, +)
    let slack = log10(plain / Vector(gradient.tensors[2].elements).norm)
    #expect(abs(try #require(gradients.numbers["layer3Slack"]) - slack) <= 1e-10)

    var other = weights
    other.tensors[1].elements = other.tensors[1].elements.map { $0 + 1e-3 * rng.normal() }
    let second = objective.unroll(other)
    let move = other.moved(-1, weights).tensors[1].matrix
    let distances = SemiSmoothnessCheck().run(
      SemiSmoothnessRecord(
        label: "catalogue", stepRule: .theory, widths: [2, 16], unknowns: 8,
        smoothness: problem.largestSmoothness, effectiveSmoothness: problem.largestSmoothness,
        startResidual: r0, reach: reach,
        pairs: [
          WeightPair(
            "pair", index: 0,
            layerBounds: [norms[0], norms[1] + (try move.spectralNorm()), norms[2]],
            layerDistances: [0, try move.spectralNorm(), 0],
            inputRows: inputs.map { u in
              (0..<24).map { hypot(u[$0, 0], u[$0, 1]) }.reduce(0, max)
            },
            differences: zip(run.iterates, second.iterates).dropFirst().map { ($0 - $1).norm })
        ]))
    #expect([.holds, .holdsVacuously].contains(distances.verdict), "\(distances)")
  }

  /// T = 100, L = 3: 10, 1.4e3, 1e4 and 1.7e5, as computed by hand from the lemmas.
  @Test func publishedThresholds() throws {
    let scales = try ScaleThreshold.all.map {
      pow(10, try #require($0.log10Scale(horizon: 100, depth: 3)))
    }
    let byHand = [10, pow(100, 306 / 194.0), 1e4, 1e5 * 3.0.squareRoot()]
    for (scale, value) in zip(scales, byHand) {
      #expect(abs(scale - value) <= 1e-10 * value)
    }
    #expect(ScaleThreshold.all[1].exponent(horizon: 3, depth: 3) == nil, "the singular case")
    #expect(ScaleThreshold.all[1].exponent(horizon: 4, depth: 3) == 9)
    let limits: [Double?] = ScaleThreshold.all.map { $0.limitingExponent(depth: 4) }
    let expected: [Double?] = [1 / 3.0, 1, 4 / 3.0, 5 / 3.0]
    #expect(limits == expected)
  }

  /// What is true of the lemmas and what only remarks say.
  @Test func statementsOnThresholds() {
    let verdicts = ScaleStatement.all.map { ScaleThresholdCheck().run($0).verdict }
    #expect(
      verdicts == [.holds, .holds, .holds, .violated, .holds, .violated, .inconclusive])
  }

  /// The ladder's factor for quadratics falls from 4/9 to 1/e.
  @Test(arguments: [1, 5, 20, 100]) func ladderFactors(horizon: Int) throws {
    let ladders = DescentLadderCheck.attained.filter { $0.run.horizon == horizon }
    #expect(ladders.count == 2)
    let quadratic = try #require(ladders.first { $0.attains == .quadratic }).run
    let t = Double(horizon)
    let factor = pow(2 * t / (2 * t + 1), 2 * t)
    let convex = DescentRung.smoothConvex.value(quadratic, steps: horizon)
    #expect(
      abs(DescentRung.quadratic.value(quadratic, steps: horizon) - factor * convex)
        <= 1e-14 * convex)
    #expect(factor <= 4 / 9.0 + 1e-15 && factor > exp(-1))
    #expect(DescentRung.paper.value(quadratic, steps: horizon) == 1 / t)
    for ladder in ladders {
      let rung = try #require(ladder.attains)
      let slack = try #require(
        ladder.slacks(step: horizon).first { $0.rung == rung }
      ).slack
      #expect(abs(slack) <= 1e-13, "\(ladder.run.label)")
    }
  }

  /// Plain descent's losses below the bound of claim D3, at the slack that r_k says.
  @Test func ladderOfAlignment() throws {
    let setting = TrainingSetting(horizon: 5, scale: 50, metaStepSize: 1e-7)
    var small = setting
    (small.instances, small.rows, small.columns, small.width) = (2, 3, 4, 16)
    (small.stepRule, small.steps) = (.theory, 5)
    let problem = try small.problem()
    let run = try TrainingRun.run(small, on: problem, measuringTravel: true)
    let record = try run.record(InitialFeatures(small, on: problem), on: problem)
    let result = LossAlignmentCheck().run(record)
    let slacks = record.alignmentBound.slacks()
    #expect(slacks.count == record.losses.count)
    #expect(abs(slacks[0].slack + log10(try #require(result.numbers["first"]))) <= 1e-12)
  }
}
