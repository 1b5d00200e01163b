import Engine
import Foundation
public import Optimization

/// FP1 to FP4: a rule that stands at a minimiser stays there, at least in the limit.
///
/// A run goes its way from a start of unit scale; after k steps its state is put to the probe at x*,
/// with remembered iterates set to x*, and δ_k is how far one step leads away, relative to the
/// distance of the start. Under FP4, for rules with memory, two steps are probed, so that what the
/// first leaves in the memory shows in the second. E_j is the largest δ_k over 2ʲ ≤ k < 2ʲ⁺¹.
///
/// Numbers: `level` (the last E_j), `floor` (φ), `decay` (the factor per doubling over the last four,
/// above 1 if it falls), `horizon`, `unsettled` (the last E_j with the memory left alone), `fresh` (the
/// largest distance from x* within 100 steps of a new run started there).
public struct FixedPointCheck: TrialCheck {
  /// Which of the four.
  public let condition: Condition

  /// Creates one of the four checks.
  public init(_ condition: Condition) { self.condition = condition }

  public var claim: Claim {
    let statement =
      switch condition {
      case .smooth: "d_k(x*, 0) → 0"
      case .implicit: "d_k(x*, g*) → 0 with g* = 0"
      case .composite: "d_k(x*, ∇f(x*), x*, g*) → 0"
      case .memory: "m(x*, ..., x*) = x*"
      }
    return Claim(
      id: "FP\(condition.rawValue)", title: "a minimiser is a fixed point: \(statement)",
      source: "Liu et al., ICML 2023, condition FP\(condition.rawValue)")
  }

  public var equation: String {
    "δ_k = ‖x⁺ - x*‖ / ‖x_0 - x*‖ of one step from x*, after k real ones: δ_k → 0"
  }

  public var tolerance: String {
    "φ = max(64 eps, 10 × what proximal gradient with step 1/L shows), times 2²⁹ in single precision; "
      + "violated above 10 φ without progress over two doublings, "
      + "or with progress that dies out above half of what is left"
  }

  public var blindSpots: String {
    "drift that begins after the horizon; minimisers other than those probed; a displacement below φ"
  }

  public func objection(
    to rule: any Candidate, on kind: SolvedProblem.Kind
  ) -> String? {
    if condition == .implicit, kind == .implicit, !rule.oracles.contains(.prox) {
      return "the rule has no proximal step"
    }
    return condition.objection(to: rule, on: kind)
  }

  public func measure(_ trial: Trial) throws -> TrialResult {
    let problem = trial.problem
    var worst: (series: FixedPointSeries, finding: FixedPointSeries.Finding, place: String)?
    var steps = 0
    for (i, known) in problem.minimisers.enumerated() {
      var series = FixedPointSeries()
      try probe(trial, at: known, &series)
      steps += series.steps
      let finding = series.finding
      let place = problem.isUnique ? "x*" : "minimiser \(i + 1) of \(problem.minimisers.count)"
      if finding.rank > (worst?.finding.rank ?? -1) || series.trace > 0 {
        worst = (series, finding, place)
      }
      if series.trace > 0 { break }
    }
    if !problem.isUnique, let projection = problem.projection {
      // The limit of the run itself.
      let run = try trial.rule.start(
        on: problem.problem, from: trial.start(0, around: problem.minimisers[0]), seed: trial.seed)
      for _ in 0..<trial.leastHorizon where (try? run.advance()) == nil { break }
      steps += run.count
      if run.x.isFinite {
        var series = FixedPointSeries()
        try probe(trial, at: projection(run.x), &series)
        steps += series.steps
        let finding = series.finding
        if finding.rank > (worst?.finding.rank ?? -1) {
          worst = (series, finding, "the limit of the run")
        }
      }
    }
    guard let worst else { preconditionFailure("'\(problem.name)' has no minimiser") }
    return TrialResult(
      result(trial, worst.series, worst.finding, worst.place),
      curves: [worst.series.curve(trial.problem.name)], steps: steps)
  }

  /// Runs, and probes at `minimiser` on the way.
  private func probe(
    _ trial: Trial, at minimiser: Vector, _ series: inout FixedPointSeries
  ) throws {
    let problem = trial.problem
    let start = trial.distantStart(around: minimiser)
    let reach = (start - minimiser).norm
    series.floor = trial.floor(problem.stationarity(at: minimiser) / reach)
    // A rule that preconditions sees how far x* is from a minimiser, not only its residual.
    series.accuracy = problem.accuracy / reach
    let run = try trial.rule.start(on: problem.problem, from: start, seed: trial.seed)
    let count = condition == .memory ? min(2, trial.rule.probeDepth) : 1
    let limit = max(trial.leastHorizon, min(8 * trial.leastHorizon, trial.budget / 4))
    var horizon = trial.leastHorizon
    while true {
      while run.count < horizon {
        do { try run.advance() } catch CandidateError.nonFinite(let step) {
          // Where the run itself leaves the finite numbers is for the convergence check to say.
          series.end = step
          return
        }
        if run.count == Self.traceLength { series.probed = run.x }
        guard StepSchedule.contains(run.count) else { continue }
        let points = try run.probe(at: minimiser, gradient: nil, settled: true, steps: count)
        let away = points.map { ($0 - minimiser).norm / reach }.max() ?? .nan
        series.add(run.count, away)
        series.steps += 1 + count
        if run.count * 2 > horizon, trial.rule.remembersIterates {
          let left = try run.probe(at: minimiser, gradient: nil, settled: false, steps: 1)[0]
          series.unsettled = max(series.unsettled, (left - minimiser).norm / reach)
        }
      }
      series.end = horizon
      // A run on its way carries moments that a run at rest has not: it gets more time.
      guard horizon < limit, series.finding.isViolated,
        let near = problem.projection, (run.x - near(run.x)).norm > 1e-3 * reach
      else { break }
      horizon *= 2
    }
    try compare(&series, with: trial, from: start)
    let fresh = try trial.rule.start(on: problem.problem, from: minimiser, seed: trial.seed)
    for _ in 0..<100 {
      try fresh.advance()
      series.fresh = max(series.fresh, (fresh.x - minimiser).norm / reach)
    }
    series.steps += horizon + 100
  }

  /// Steps after which a run with probes is held against one without.
  private static let traceLength = 32

  /// Whether probes left a trace: the run once more without them.
  ///
  /// The state of a rule in this process is a value; another process may forget to put back what a
  /// probe changed, and then it is not the rule that is probed.
  private func compare(
    _ series: inout FixedPointSeries, with trial: Trial, from start: Vector
  ) throws {
    guard !trial.rule.isConcurrent, trial.rule.isDeterministic, let probed = series.probed else {
      return
    }
    let plain = try trial.rule.start(
      on: trial.problem.problem, from: start, seed: trial.seed)
    for _ in 0..<Self.traceLength {
      do { try plain.advance() } catch CandidateError.nonFinite { return }
    }
    series.steps += Self.traceLength
    series.trace = (plain.x - probed).norm
  }

  private func result(
    _ trial: Trial, _ series: FixedPointSeries, _ finding: FixedPointSeries.Finding,
    _ place: String
  ) -> CheckResult {
    let level = series.level
    var result = CheckResult(
      claim: claim, subject: trial.label, verdict: finding.verdict,
      qualifier: finding.qualifier, reason: "",
      numbers: [
        "level": level, "floor": series.floor, "decay": series.decay,
        "horizon": Double(series.end), "unsettled": series.unsettled, "fresh": series.fresh,
      ],
      evidence: finding.isViolated
        ? [
          Evidence(
            "\(place)/k=\(series.worstStep)", actual: level, reference: 0,
            allowed: 10 * series.floor)
        ] : [],
      seed: trial.seed)
    let words = "displacement \(level.brief) at \(place) after \(series.end) steps"
    if series.trace > 0 {
      result.verdict = .violated
      result.qualifier = nil
      result.reason =
        "a probe leaves a trace: after \(Self.traceLength) steps the run is \(series.trace.brief) from "
        + "where it is without probes"
      result.evidence = [
        Evidence("x/k=\(Self.traceLength)", actual: series.trace, reference: 0, allowed: 0)
      ]
      return result
    }
    switch finding {
    case .exact:
      result.reason = "no probe moves away by more than \(series.floor.brief)"
    case .asymptotic:
      result.reason = "\(words), falling \(series.decay.brief)-fold per doubling"
    case .violated:
      result.reason = "\(words), and no progress that lasts; floor \(series.floor.brief)"
    case .undecided:
      result.reason =
        "\(words), falling \(series.decay.brief)-fold per doubling: budget too small to decide"
    }
    return result
  }
}
