import Engine
import Foundation
public import Optimization

/// S1 to S4: a step is P_k (∇f + g_{k+1}) + b_k with P_k bounded and b_k → 0 (Theorems 1 to 4).
///
/// On smooth problems any black box is taken apart: P_k is the mean of the Jacobian with respect to
/// the gradient on the segment from (x*, 0) to (x_k, ∇f(x_k)), by five Gauss points and central
/// differences at two steps, and b_k = d_k - P_k ∇f. With a proximal step x⁺ = prox_{r,p}(v), which the
/// rule shows by its own call, P_k = diag(p), and b_k = prox_{r,p}(x_k - p ∇f(x_k)) - x⁺: that is
/// x_k - p ∇f(x_k) - v with g_{k+1} = (v - x⁺)/p, less what another g ∈ ∂r(x⁺) absorbs.
/// A rule whose b_k does not vanish along a run that converges cannot have both FP and GC.
///
/// Numbers: `bias` (the largest ‖b_k‖ over the last doubling, in units of the start's distance),
/// `norm` (the largest ‖P_k‖_F L), `jacobianBound` (Lemma 1's √n C L, C for the integral form, row by
/// row), `decay` (of b_k per doubling), `floor`, `distance` (of the last iterate).
public struct StructureCheck: TrialCheck {
  /// Which of the four theorems.
  public let condition: Condition

  /// Creates one of the four checks.
  public init(_ condition: Condition) { self.condition = condition }

  public var claim: Claim {
    Claim(
      id: "S\(condition.rawValue)",
      title: condition == .smooth
        ? "d_k = P_k ∇f + b_k with P_k bounded and b_k → 0"
        : "d_k = P_k (∇f + g_{k+1}) + b_k with P_k bounded and b_k → 0",
      source: "Liu et al., ICML 2023, Theorem \(condition.rawValue) and Lemma 1")
  }

  public var equation: String {
    condition == .smooth
      ? "P_k = ∫ ∂d_k/∂g dt on (x*, 0) → (x, g), b_k = d_k - P_k g"
      : "p and x⁺ = prox_{r,p}(v) of the rule's own call, b_k = prox_{r,p}(x - p ∘ ∇f) - x⁺"
  }

  public var tolerance: String {
    "the bar of the differences behind P_k, and the floor of the fixed-point conditions"
  }

  public var blindSpots: String {
    "P_k off the run that was taken; rules whose step does not depend smoothly on the gradient"
  }

  public func objection(
    to rule: any Candidate, on kind: SolvedProblem.Kind
  ) -> String? {
    if let objection = condition.objection(to: rule, on: kind) { return objection }
    if rule.oracles.contains(.data) { return "the rule reads the data past the problem's oracles" }
    if kind != .smooth, !rule.oracles.contains(.prox) {
      return "the rule makes no proximal call to take apart"
    }
    return nil
  }

  public func measure(_ trial: Trial) throws -> TrialResult {
    let problem = trial.problem
    let minimiser = problem.minimisers[0]
    let start = trial.start(0, around: minimiser)
    let reach = max((start - minimiser).norm, .leastNormalMagnitude)
    let log = OracleLog()
    let run = try watched(trial, log).run(from: start)
    var series = FixedPointSeries()
    series.floor = trial.floor(problem.stationarity(at: minimiser) / reach)
    series.accuracy = problem.accuracy / reach
    var (norm, bound, steps) = (0.0, 0.0, 0)
    let nearest = problem.projection ?? { _ in minimiser }
    // Slow runs get more time: what has not arrived says nothing about the limit of b_k.
    let limit = min(32 * trial.leastHorizon, max(trial.leastHorizon, trial.budget))
    for k in 1...limit {
      let isSampled = k & (k - 1) == 0 || (k <= 1000 && k % 97 == 0) || k % 1000 == 0
      let x = run.x
      if k > trial.leastHorizon, k % 1000 == 1, (x - nearest(x)).norm <= 1e-6 * reach { break }
      if isSampled, problem.kind == .smooth {
        let part = try SmoothStep(run, at: x, of: problem, near: nearest(x))
        norm = max(norm, part.norm * problem.smoothness)
        bound = max(bound, part.bound * problem.smoothness)
        series.floor = max(series.floor, trial.floor(0) + part.error / reach)
        series.add(k, part.bias / reach)
        steps += part.probes
      }
      log.clearProx()
      // A run that leaves the finite numbers does not converge, which is a premise here.
      do { try run.advance() } catch CandidateError.nonFinite { break }
      if isSampled, problem.kind != .smooth {
        guard let call = log.lastProx else { continue }
        // The point nearest to v that ∂r at x⁺ absorbs is prox(x - p ∇f): where a threshold hides a
        // bias, it is none.
        var plain = x
        let g = problem.problem.gradient(at: x)
        for j in 0..<x.count { plain[j] -= call.steps[j] * g[j] }
        problem.problem.regularizer.prox(&plain, steps: call.steps)
        let bias = plain - run.x
        norm = max(norm, call.steps.norm * problem.smoothness)
        bound = norm
        series.add(k, bias.norm / reach)
      }
    }
    series.end = run.count
    guard !series.isEmpty else {
      let reason = "the rule made no proximal call to take apart"
      return TrialResult(
        CheckResult(
          claim: claim, subject: trial.label, verdict: .notApplicable, reason: reason,
          seed: trial.seed), steps: steps + run.count)
    }
    let distance = (run.x - nearest(run.x)).norm / reach
    return TrialResult(
      result(trial, series, norm: norm, bound: bound, distance: distance),
      curves: [series.curve(problem.name)], steps: steps + run.count)
  }

  private func watched(_ trial: Trial, _ log: OracleLog) -> WatchedRun {
    WatchedRun(rule: trial.rule, problem: trial.problem.problem, log: log, seed: trial.seed)
  }

  private func result(
    _ trial: Trial, _ series: FixedPointSeries, norm: Double, bound: Double, distance: Double
  ) -> CheckResult {
    let finding = series.finding
    let hasConverged = distance <= max(1e-3, 10 * series.floor)
    let hasDiverged = !(distance <= 1e3)
    let premises = [
      Premise(
        "the run converges", hasConverged ? .met : hasDiverged ? .notMet : .unknown,
        "distance \(distance.brief) of the start's after \(series.end) steps")
    ]
    let conclusion: Conclusion =
      switch finding {
      case .exact, .asymptotic: .isTrue(slack: nil)
      case .undecided: .undecided
      case .violated: .isFalse
      }
    var result = CheckResult(
      claim: claim, subject: trial.label, verdict: .decide(premises, conclusion),
      qualifier: finding.qualifier, reason: "", premises: premises,
      numbers: [
        "bias": series.level, "norm": norm, "jacobianBound": bound, "decay": series.decay,
        "floor": series.floor, "distance": distance,
      ], seed: trial.seed)
    if finding.isViolated {
      result.evidence = [
        Evidence(
          "b_k/k=\(series.worstStep)", actual: series.level, reference: 0,
          allowed: 10 * series.floor)
      ]
    }
    let sizes = "‖P‖ ≤ \(norm.brief)/L"
    result.reason =
      switch finding {
      case .exact: "b_k = 0 to \(series.floor.brief), \(sizes)"
      case .asymptotic: "b_k at \(series.level.brief) and falling, \(sizes)"
      case .violated, .undecided:
        "b_k stays at \(series.level.brief), \(sizes); " + premises[0].evidence
      }
    return result
  }

  public var mutants: [Mutant<Trial>] {
    if condition == .smooth {
      let ground = DiagonalQuadratic(dimension: 3, seed: 4).solved
      return [
        Mutant(
          "a bias", size: 1e-4,
          Trial(
            NativeCandidate(
              SpoiledDescent(name: "biased") { x, _ in x[0] += 1e-4 }), on: ground))
      ]
    }
    let problem = condition == .implicit ? SmallComposite.implicit : SmallComposite.composite
    var rule = ProximalStep(name: "shifted", remembers: condition == .memory)
    rule.shift = 1e-4
    var biased = ProximalStep(name: "biased", remembers: condition == .memory)
    biased.bias = 1e-4
    let after = Mutant(
      "a bias after the proximal step", size: 1e-4, Trial(NativeCandidate(biased), on: problem))
    // Where f = 0 the threshold takes it away, and the rule converges to the minimiser.
    guard condition != .implicit else { return [after] }
    return [
      Mutant(
        "a bias before the proximal step", size: 1e-4, Trial(NativeCandidate(rule), on: problem)),
      after,
    ]
  }

  public var cleanCases: [CleanCase<Trial>] {
    if condition == .smooth {
      return [
        CleanCase(
          "gradient descent",
          Trial(
            NativeCandidate(PlainDescent()), on: DiagonalQuadratic(dimension: 3, seed: 4).solved))
      ]
    }
    let problem = condition == .implicit ? SmallComposite.implicit : SmallComposite.composite
    func clean(_ name: String, _ rule: ProximalStep) -> CleanCase<Trial> {
      CleanCase(name, Trial(NativeCandidate(rule), on: problem))
    }
    var hidden = ProximalStep(name: "hidden", remembers: condition == .memory)
    hidden.shift = 1e-4
    return [
      clean(
        "proximal gradient", ProximalStep(name: "clean", remembers: condition == .memory))
    ] + (condition == .implicit ? [clean("a bias that the threshold takes away", hidden)] : [])
  }
}

/// A run on a problem that keeps a log.
struct WatchedRun {
  let rule: any Candidate
  let problem: any Problem
  let log: OracleLog
  let seed: UInt64

  func run(from start: Vector) throws -> any CandidateRun {
    func watched<P: Problem>(_ base: P) throws -> any CandidateRun {
      try rule.start(on: WatchedProblem(base, log), from: start, seed: seed)
    }
    return try watched(problem)
  }
}

/// One step of a black box on a smooth problem, taken apart.
private struct SmoothStep {
  /// ‖b_k‖.
  var bias = 0.0
  /// ‖P_k‖_F.
  var norm = 0.0
  /// √n times the largest norm of a row of the Jacobian, summed as in Lemma 1.
  var bound = 0.0
  /// The error that differences leave in b_k.
  var error = 0.0
  var probes = 0

  /// Nodes and weights of Gauss and Legendre on [0, 1].
  private static let nodes = [
    (0.046910077030668, 0.118463442528095), (0.230765344947158, 0.239314335249683),
    (0.5, 0.284444444444444), (0.769234655052841, 0.239314335249683),
    (0.953089922969332, 0.118463442528095),
  ]

  init(
    _ run: any CandidateRun, at x: Vector, of problem: SolvedProblem, near minimiser: Vector
  ) throws {
    let n = x.count
    let g = problem.problem.gradient(at: x)
    let move = x - (try run.probe(at: x, gradient: g, settled: false, steps: 1)[0])
    let size = g.norm
    guard size > 0 else {
      bias = move.norm
      return
    }
    var mean = Vector(zeros: n)
    var squares = 0.0
    let step = 1e-3 * size / Double(n).squareRoot()
    for (t, weight) in Self.nodes {
      let point = minimiser.moved(t, x - minimiser)
      let slope = g.scaled(by: t)
      var jacobian = Matrix(zeros: n, n)
      for j in 0..<n {
        func image(_ h: Double) throws -> Vector {
          var shifted = slope
          shifted[j] += h
          probes += 1
          return try run.probe(at: point, gradient: shifted, settled: false, steps: 1)[0]
        }
        let wide = try image(-step) - image(step)
        let narrow = try image(-step / 2) - image(step / 2)
        for i in 0..<n {
          let (a, b) = (wide[i] / (2 * step), narrow[i] / step)
          jacobian[i, j] = b + (b - a) / 3
          // What extrapolation changed, and the rounding of an iterate of this size.
          error += weight * abs(b - a) * abs(g[j])
          error += weight * 4 * .ulpOfOne * max(abs(point[i]), abs(wide[i])) / step * abs(g[j])
        }
      }
      let product = jacobian.times(g)
      mean.add(weight, product)
      let rows = (0..<n).map { i in
        Vector((0..<n).map { jacobian[i, $0] }).norm
      }
      squares += weight * jacobian.frobeniusNorm
      bound = max(bound, Double(n).squareRoot() * (rows.max() ?? 0))
    }
    norm = squares
    bias = (move - mean).norm
  }
}
