import Engine
import Foundation
public import Optimization

/// D1 for proximal steps: every one falls by the certified amount.
///
/// x⁺ = prox_{r,p}(x - p ∇f(x)) with 0 < p < 2/L falls by Σⱼ (1/pⱼ - L/2) (x⁺ⱼ - xⱼ)² at least. Without
/// r it is D1 with p read off the step.
///
/// p is taken from the rule's own call of the proximal operator; a call from another point than
/// x - p ∇f(x) means that the rule is of another form, which is no fault.
///
/// Numbers: `minStep` and `maxStep` (of p L), `worstSlack` (in units of F(x₀) - F*), `rises`, `steps`.
public struct ProximalDescentCheck: TrialCheck {
  /// Creates the check.
  public init() {}

  public let claim = Claim(
    id: "D1P", title: "every proximal step falls by the certified amount", source: "derived")

  public let equation =
    "F(x⁺) ≤ F(x) - Σ_j (1/p_j - L/2) (x⁺_j - x_j)²"

  public let tolerance =
    "rounding of F, of the step and of the certified amount, relative to the largest F of the run"
  public let blindSpots = "steps that the run did not take; rules of another form"

  public func objection(
    to rule: any Candidate, on kind: SolvedProblem.Kind
  ) -> String? {
    if kind == .nonsmooth { return "f is not smooth" }
    if rule.oracles.contains(.data) { return "the rule reads the data past the problem's oracles" }
    if kind == .smooth, rule.remembersIterates {
      return "the rule remembers iterates: its steps are not x - p ∇f(x)"
    }
    if kind != .smooth, !rule.oracles.contains(.prox) {
      return "the rule makes no proximal call"
    }
    return nil
  }

  public func measure(_ trial: Trial) throws -> TrialResult {
    let problem = trial.problem
    let log = OracleLog()
    let start = trial.start(0, around: problem.minimisers[0])
    let run = try WatchedRun(
      rule: trial.rule, problem: problem.problem, log: log, seed: trial.seed
    ).run(from: start)
    let smoothness = problem.smoothness
    let regularizer = problem.problem.regularizer
    var audit = Audit(
      scale: max(abs(problem.problem.value(at: start)), abs(problem.minimumValue)))
    let horizon = min(trial.leastHorizon, 1000)
    for k in 1...horizon {
      let x = run.x
      let g = problem.problem.gradient(at: x)
      log.clearProx()
      do { try run.advance() } catch CandidateError.nonFinite { break }
      let next = run.x
      let rounding = 64 * Double.ulpOfOne * (x.norm + next.norm + g.norm / smoothness)
      var p = Vector(zeros: x.count)
      if problem.kind == .smooth {
        guard let steps = audit.steps(from: x, to: next, along: g, rounding, smoothness) else {
          continue
        }
        p = steps
      } else {
        guard let call = log.lastProx else { continue }
        audit.hasCall = true
        var foreseen = x
        for j in 0..<x.count { foreseen[j] -= call.steps[j] * g[j] }
        audit.isOtherForm =
          audit.isOtherForm || (foreseen - call.point).norm > rounding
          || (call.result - next).norm > rounding
        p = call.steps
      }
      guard !audit.isOtherForm else { break }
      audit.note(steps: p, smoothness)
      var decrease = 0.0
      for j in 0..<x.count where p[j] != 0 {
        let move = next[j] - x[j]
        decrease += (1 / p[j] - smoothness / 2) * move * move
      }
      // Values outside the domain of r are infinite; the start may be, no later iterate.
      let old = problem.problem.value(at: x)
      guard old.isFinite else { continue }
      let slopes = g.norm + (regularizer is NoRegularizer ? 0 : smoothness * problem.length)
      audit.judge(
        k, old: old, new: problem.problem.value(at: next), decrease: decrease,
        bar: slopes * rounding)
    }
    return TrialResult(result(trial, audit, horizon), steps: horizon)
  }

  private func result(_ trial: Trial, _ audit: Audit, _ horizon: Int) -> CheckResult {
    var result = CheckResult(
      claim: claim, subject: trial.label, verdict: .notApplicable, reason: "",
      numbers: [
        "minStep": audit.least, "maxStep": audit.most, "worstSlack": audit.slack,
        "rises": Double(audit.evidence.count), "steps": Double(audit.count),
      ], evidence: audit.evidence, seed: trial.seed)
    if trial.problem.kind != .smooth, !audit.hasCall {
      result.reason = "the rule made no proximal call"
      return result
    }
    if audit.isOtherForm {
      result.reason = "steps are not prox(x - p ∇f(x)) with p on the diagonal"
      return result
    }
    result.premises = [
      Premise(
        "0 < p < 2/L, closed in floating point",
        met: audit.least >= -1e-9 && audit.most <= 2 * (1 + 1e-9),
        "p L in [\(audit.least.brief), \(audit.most.brief)]")
    ]
    result.verdict = .decide(
      result.premises,
      audit.count == 0 ? .undecided : audit.evidence.isEmpty ? .isTrue(slack: nil) : .isFalse)
    let worst = audit.evidence.max { $0.excess < $1.excess }
    result.reason = result.premises.explain(
      worst.map { "\($0.path): F is \($0.actual.precise), at most \($0.reference.precise)" }
        ?? (audit.count == 0 ? "no step could be read off" : "\(audit.count) steps fall"))
    return result
  }

  /// What a pass over a run finds.
  private struct Audit {
    let scale: Double
    var least = Double.infinity
    var most = -Double.infinity
    var slack = Double.infinity
    var count = 0
    var isOtherForm = false
    var hasCall = false
    var evidence: [Evidence] = []

    init(scale: Double) { self.scale = max(scale, .leastNormalMagnitude) }

    /// p of a smooth step, coordinate by coordinate; nil where rounding hides it.
    func steps(
      from x: Vector, to next: Vector, along g: Vector, _ rounding: Double, _ smoothness: Double
    ) -> Vector? {
      var p = Vector(zeros: x.count)
      for j in 0..<x.count {
        let move = x[j] - next[j]
        guard abs(g[j]) / smoothness > 1e4 * rounding else {
          // A coordinate without gradient should not move.
          if abs(move) > 4e4 * rounding {
            return Vector([Double](repeating: .infinity, count: p.count))
          }
          continue
        }
        p[j] = move / g[j]
      }
      return p
    }

    mutating func note(steps p: Vector, _ smoothness: Double) {
      for v in p.elements where v != 0 {
        least = min(least, v * smoothness)
        most = max(most, v * smoothness)
      }
    }

    mutating func judge(_ k: Int, old: Double, new: Double, decrease: Double, bar: Double) {
      guard decrease.isFinite else { return }
      count += 1
      let allowed = bar + 32 * Double.ulpOfOne * max(scale, abs(old))
      slack = min(slack, (old - decrease - new) / scale)
      if !(new <= old - decrease + allowed) {
        evidence.append(
          Evidence("k=\(k)", actual: new, reference: old - decrease, allowed: allowed))
      }
    }
  }

  public var mutants: [Mutant<Trial>] {
    func mutant(_ fault: String, size: Double = 1, expected: Verdict, _ rule: ProximalStep)
      -> Mutant<Trial>
    {
      Mutant(
        fault, size: size, expected: expected,
        Trial(NativeCandidate(rule), on: SmallComposite.composite))
    }
    var lying = SmallComposite.composite
    lying.problem = AlteredProblem(
      base: SmallComposite.composite.problem, changeGradient: { _, g in g[0].negate() })
    return [
      mutant(
        "steps of 2.1/L", size: 0.05, expected: .holdsVacuously,
        ProximalStep(name: "long", step: 2.1, scale: 1)),
      Mutant(
        "one partial derivative has the wrong sign",
        Trial(NativeCandidate(ProximalStep(name: "flipped")), on: lying)),
    ]
  }

  public var cleanCases: [CleanCase<Trial>] {
    [
      CleanCase(
        "proximal gradient",
        Trial(NativeCandidate(ProximalStep(name: "clean")), on: SmallComposite.composite)),
      CleanCase(
        "gradient descent",
        Trial(
          NativeCandidate(PlainDescent()), on: DiagonalQuadratic(dimension: 3, seed: 4).solved)),
    ]
  }
}
