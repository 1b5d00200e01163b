import Engine
import Foundation
public import Optimization

/// GC1 to GC4: from any start the iterates converge to one minimiser.
///
/// D_k is the distance of x_k to the minimiser nearest to the last iterate, relative to that of x_0,
/// or the relative gap of F where the minimisers are not known. M(K) is the largest D_k over
/// [K/2, K]; K doubles until the budget ends. What M(K) does decides (``ConvergenceSeries``).
/// Under GC4 the iterates that a rule remembers, y_k, count like x_k, where the rule shows them. A
/// certificate is stronger: with Δ = x_{t-1} - x_t, γ_t = L (Δ·∇f - L/2 ‖Δ‖²) / ‖∇f‖² bounded away
/// from 0 and ½ ‖∇f‖² ≥ β₀ (f - f*), f - f* falls by 1 - 2 β₀ γ / L at least in every step.
///
/// Numbers: `level` (M at the end, the worst start's), `horizon` (its K), `starts`, `decay` (M(K/2) / M(K)
/// at the end), `margin` (the least γ_t, where a certificate was tried), `certifiedRate`, and under GC4
/// `remembered` (how many iterates the rule shows beside x_k).
public struct ConvergenceCheck: TrialCheck {
  /// Which of the four.
  public let condition: Condition

  /// Creates one of the four checks.
  public init(_ condition: Condition) { self.condition = condition }

  public var claim: Claim {
    let kind =
      switch condition {
      case .smooth: "smooth problems"
      case .implicit: "problems with a proximal operator alone"
      case .composite: "composite problems"
      case .memory: "rules with memory"
      }
    return Claim(
      id: "GC\(condition.rawValue)", title: "iterates converge from any start: \(kind)",
      source: "Liu et al., ICML 2023, condition GC\(condition.rawValue)")
  }

  public var equation: String {
    "M(K) = max over [K/2, K] of ‖x_k - P(x_K)‖ / ‖x_0 - P(x_0)‖, K doubling: M(K) → 0"
      + (condition == .memory ? "; of y_k too" : "")
  }

  public var tolerance: String {
    "holds at M(K) ≤ max(10 floors, 1e-6) without rising to ten times that afterwards; violated above 100 floors "
      + "without progress over two doublings, or where progress and steps die together"
  }

  public var blindSpots: String {
    "starts that were not tried; slower than the budget; limits closer to a minimiser than 1e-6"
      + (condition == .memory ? "; y_k of a rule that does not show it, or in another process" : "")
  }

  public func objection(
    to rule: any Candidate, on kind: SolvedProblem.Kind
  ) -> String? {
    condition.objection(to: rule, on: kind)
  }

  public func measure(_ trial: Trial) throws -> TrialResult {
    var worst: ConvergenceSeries?
    var steps = 0
    var tried = 0
    for i in 0..<trial.starts {
      let share = (trial.budget - steps) / (trial.starts - i)
      // A start that cannot get four doublings decides nothing.
      guard i == 0 || share >= 8 * trial.leastHorizon else { break }
      let series = try follow(trial, start: i, budget: max(share, 8 * trial.leastHorizon))
      steps += series.steps
      tried += 1
      if series.finding.rank > worst?.finding.rank ?? -1 { worst = series }
      if series.finding.isViolated { break }
    }
    guard let worst else { preconditionFailure("no start was tried") }
    return TrialResult(
      result(trial, worst, tried), curves: [worst.curve(trial.problem.name)], steps: steps)
  }

  /// One run.
  func follow(_ trial: Trial, start i: Int, budget: Int) throws -> ConvergenceSeries {
    let problem = trial.problem
    let start = trial.start(i, around: problem.minimisers[i % problem.minimisers.count])
    let run = try trial.rule.start(on: problem.problem, from: start, seed: trial.seed)
    var series = ConvergenceSeries(start: trial.startName(i), smoothness: problem.smoothness)
    let shown = max(
      problem.stationarity(at: problem.minimisers[0]), problem.accuracy)
    var distance = DistanceToLimit(problem, from: start)
    series.floor = trial.floor(shown / max(distance.initial, .leastNormalMagnitude))
    var certificate =
      problem.gradientDominance != nil && problem.kind == .smooth
        && trial.rule.precision == .double
      ? DescentCertificate(problem, at: start) : nil
    var horizon = trial.leastHorizon
    do {
      while horizon <= budget {
        var stepRatio = 0.0
        while run.count < horizon {
          let before = run.x
          try run.advance()
          distance.add(
            run.count, run.x, and: condition == .memory ? run.remembered : [], horizon: horizon)
          certificate?.add(from: before, to: run.x, step: run.count)
          if 2 * run.count > horizon, StepSchedule.contains(run.count) {
            let residual = problem.stationarity(at: before)
            if residual > 0 { stepRatio = max(stepRatio, (run.x - before).norm / residual) }
          }
        }
        series.add(horizon, distance.windowMaximum(), stepRatio: stepRatio)
        // Iterates can be finite where their distance, F or what is remembered is not.
        if !series.level.isFinite {
          series.nonFinite = run.count
          break
        }
        distance.closeWindow()
        certificate?.closeWindow()
        series.margins = certificate?.margins ?? []
        series.certifiedRate = certificate?.rate
        if series.isDecided { break }
        horizon *= 2
      }
    } catch CandidateError.nonFinite(let step) {
      series.nonFinite = step
    }
    series.steps = run.count
    series.remembered = run.remembered.count
    series.samples = distance.samples
    return series
  }

  private func result(
    _ trial: Trial, _ series: ConvergenceSeries, _ tried: Int
  ) -> CheckResult {
    let finding = series.finding
    var result = CheckResult(
      claim: claim, subject: trial.label, verdict: finding.verdict,
      qualifier: finding.qualifier, reason: "",
      numbers: [
        "level": series.level, "horizon": Double(series.steps), "starts": Double(tried),
        "decay": series.decay, "floor": series.floor,
      ],
      evidence: finding.isViolated
        ? [
          Evidence(
            "\(series.start)/k=\(series.steps)",
            actual: series.nonFinite == nil ? series.level : .infinity,
            reference: 0, allowed: max(100 * series.floor, 1e-6))
        ] : [],
      seed: trial.seed)
    if let margin = series.margins.min() { result.numbers["margin"] = margin }
    if let rate = series.certifiedRate { result.numbers["certifiedRate"] = rate }
    if condition == .memory { result.numbers["remembered"] = Double(series.remembered) }
    let horizon = "\(series.steps) steps"
    switch finding {
    case .certified:
      result.reason =
        "every step falls by a certified part: rate \((series.certifiedRate ?? 1).precise) or better"
        + " from \(tried) starts"
    case .tested:
      result.reason =
        "distance \(series.level.brief) of the start's after \(horizon), \(tried) starts"
    case .nonFinite:
      result.reason = "\(series.start): not finite at step \(series.nonFinite ?? 0)"
    case .stuck:
      result.reason =
        "\(series.start): stays at \(series.level.brief) of the start's distance, "
        + "no progress from step \(series.steps / 4) to \(series.steps)"
    case .dying:
      result.reason =
        "\(series.start): progress and steps die out at \(series.level.brief) of the start's distance"
    case .undecided:
      result.reason =
        "\(series.start): distance \(series.level.brief) after \(horizon), falling "
        + "\(series.decay.brief)-fold per doubling: budget too small to decide"
    }
    return result
  }
}
