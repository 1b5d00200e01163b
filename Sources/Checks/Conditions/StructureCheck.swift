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
/// P_k is unbounded where ‖P_k‖ grows by a quarter at least over each of the last four doublings of a
/// run that converges (``GrowthSeries``), past 4√n/L: with momentum a < 1 no step above 2 (1 + a)/L is
/// stable along a coordinate that the gradient sees, so what grows is multiplied with nothing, and no
/// other condition sees it. Rules with memory are asked the same of A_k (``MemoryResponse``), past √n.
/// A run too short to tell, or growth within the error bars, decides nothing against a rule.
///
/// Numbers: `bias` (the largest ‖b_k‖ over the last doubling, in units of the start's distance),
/// `norm` (the largest ‖P_k‖_F L), `growth` (its factor per doubling over the last four), `memory` and
/// `memoryGrowth` (the same of ‖A_k‖_F), `jacobianBound` (Lemma 1's √n C L, C for the integral form, row
/// by row), `decay` (of b_k per doubling), `floor`, `distance` (of the last iterate).
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
    "the bar of the differences behind P_k, and the floor of the fixed-point conditions; P_k is unbounded "
      + "if it grows by a factor of 1.25 over each of the last four doublings, beyond that bar and past 4√n/L"
  }

  public var blindSpots: String {
    "P_k off the run that was taken; rules whose step does not depend smoothly on the gradient; growth "
      + "slower than k^0.32, or hidden once the gradient is rounding; a step that would stop growing after the run"
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
    let run = try WatchedRun(
      rule: trial.rule, problem: problem.problem, log: log, seed: trial.seed
    ).run(from: start)
    var parts = Parts()
    parts.series.floor = trial.floor(problem.stationarity(at: minimiser) / reach)
    parts.series.accuracy = problem.accuracy / reach
    let nearest = problem.projection ?? { _ in minimiser }
    // Slow runs get more time: what has not arrived says nothing about the limit of b_k.
    let limit = min(32 * trial.leastHorizon, max(trial.leastHorizon, trial.budget))
    for k in 1...limit {
      let isDoubling = k & (k - 1) == 0
      let isSampled = isDoubling || (k <= 1000 && k % 97 == 0) || k % 1000 == 0
      let x = run.x
      if k > trial.leastHorizon, k % 1000 == 1, (x - nearest(x)).norm <= 1e-6 * reach { break }
      if isSampled, problem.kind == .smooth {
        let step = try SmoothStep(run, at: x, of: problem, near: nearest(x), trial.rule.precision)
        parts.add(k, step, trial, reach: reach)
      }
      if isDoubling, condition == .memory {
        try parts.addMemory(k, run, problem, log, trial.rule.precision, reach: reach)
      }
      log.clearProx()
      // A run that leaves the finite numbers does not converge, which is a premise here.
      do { try run.advance() } catch CandidateError.nonFinite { break }
      if isSampled, problem.kind != .smooth, let call = log.lastProx {
        parts.add(k, call, from: x, to: run.x, problem, reach: reach)
      }
    }
    parts.series.end = run.count
    parts.steps += run.count
    guard !parts.series.isEmpty else {
      let reason = "the rule made no proximal call to take apart"
      return TrialResult(
        CheckResult(
          claim: claim, subject: trial.label, verdict: .notApplicable, reason: reason,
          seed: trial.seed), steps: parts.steps)
    }
    let distance = (run.x - nearest(run.x)).norm / reach
    return TrialResult(
      result(trial, parts, distance: distance), curves: [parts.series.curve(problem.name)],
      steps: parts.steps)
  }

  private func result(_ trial: Trial, _ parts: Parts, distance: Double) -> CheckResult {
    let series = parts.series
    let finding = series.finding
    let hasConverged = distance <= max(1e-3, 10 * series.floor)
    let hasDiverged = !(distance <= 1e3)
    let premises = [
      Premise(
        "the run converges", hasConverged ? .met : hasDiverged ? .notMet : .unknown,
        "distance \(distance.brief) of the start's after \(series.end) steps")
    ]
    let (n, end) = (Double(trial.problem.problem.dimension), series.end)
    let norms = parts.norms.trend(until: end, past: 4 * n.squareRoot())
    let memory = parts.memory.trend(until: end, past: n.squareRoot())
    // What grows on a run that does not arrive may be what drives it away: that is for GC to say.
    let isUnbounded = hasConverged && (norms == .growing || memory == .growing)
    let conclusion: Conclusion =
      switch finding {
      case _ where isUnbounded: .isFalse
      case .exact, .asymptotic: .isTrue(slack: nil)
      case .undecided: .undecided
      case .violated: .isFalse
      }
    var result = CheckResult(
      claim: claim, subject: trial.label, verdict: .decide(premises, conclusion),
      qualifier: isUnbounded ? nil : finding.qualifier, reason: "", premises: premises,
      numbers: [
        "bias": series.level, "norm": parts.norms.largest, "jacobianBound": parts.bound,
        "decay": series.decay, "floor": series.floor, "distance": distance,
      ], seed: trial.seed)
    result.numbers["growth"] = parts.norms.growth(until: end)
    if condition == .memory {
      result.numbers["memory"] = parts.memory.largest
      result.numbers["memoryGrowth"] = parts.memory.growth(until: end)
    }
    if finding.isViolated {
      result.evidence = [
        Evidence(
          "b_k/k=\(series.worstStep)", actual: series.level, reference: 0,
          allowed: 10 * series.floor)
      ]
    }
    if isUnbounded {
      let found = [("P_k", norms, parts.norms), ("A_k", memory, parts.memory)]
      result.evidence += found.compactMap { name, trend, norms in
        trend == .growing ? norms.evidence(name, until: end) : nil
      }
    }
    var sizes = parts.norms.words("‖P‖", norms, until: end, unit: "/L")
    if memory == .growing { sizes += ", " + parts.memory.words("‖A‖", memory, until: end) }
    result.reason =
      switch finding {
      case .exact: "b_k = 0 to \(series.floor.brief), \(sizes)"
      case .asymptotic: "b_k at \(series.level.brief) and falling, \(sizes)"
      case .violated, .undecided:
        "b_k stays at \(series.level.brief), \(sizes); " + premises[0].evidence
      }
    return result
  }

  /// What the steps of a run were taken apart into.
  private struct Parts {
    /// ‖b_k‖ in units of the start's distance.
    var series = FixedPointSeries()
    /// ‖P_k‖_F L.
    var norms = GrowthSeries()
    /// ‖A_k‖_F.
    var memory = GrowthSeries()
    var bound = 0.0
    var steps = 0

    mutating func add(_ k: Int, _ step: SmoothStep, _ trial: Trial, reach: Double) {
      let smoothness = trial.problem.smoothness
      norms.add(k, step.norm * smoothness, error: step.normError * smoothness)
      bound = max(bound, step.bound * smoothness)
      series.floor = max(series.floor, trial.floor(0) + step.error / reach)
      series.add(k, step.bias / reach)
      steps += step.probes
    }

    mutating func add(
      _ k: Int, _ call: OracleLog.ProxCall, from x: Vector, to next: Vector,
      _ problem: SolvedProblem, reach: Double
    ) {
      // The point nearest to v that ∂r at x⁺ absorbs is prox(x - p ∇f): where a threshold hides a
      // bias, it is none.
      var plain = x
      let g = problem.problem.gradient(at: x)
      for j in 0..<x.count { plain[j] -= call.steps[j] * g[j] }
      problem.problem.regularizer.prox(&plain, steps: call.steps)
      norms.add(k, call.steps.norm * problem.smoothness)
      bound = norms.largest
      series.add(k, (plain - next).norm / reach)
    }

    mutating func addMemory(
      _ k: Int, _ run: any CandidateRun, _ problem: SolvedProblem, _ log: OracleLog,
      _ precision: Precision, reach: Double
    ) throws {
      let g = problem.problem.gradient(at: run.x)
      let response = try MemoryResponse(at: run.x, step: 1e-3 * reach, precision) {
        point, isSettled in
        log.clearProx()
        // An iterate against its memory is a place that no run comes to: nothing is promised there.
        do {
          let next = try run.probe(at: point, gradient: g, settled: isSettled, steps: 1)[0]
          return problem.kind == .smooth ? next : log.lastProx?.point
        } catch CandidateError.nonFinite { return nil }
      }
      guard let response else { return }
      memory.add(k, response.norm, error: response.error)
      steps += response.probes
    }
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
