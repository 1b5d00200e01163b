import Engine
import Foundation
public import Optimization

/// GC1 to GC4: from any start the iterates converge to one minimiser.
///
/// D_k is the distance of x_k to the minimiser nearest to the last iterate, relative to that of x_0,
/// or the relative gap of F where the minimisers are not known. M(K) is the largest D_k over
/// [K/2, K]; K doubles until the budget ends. What M(K) does decides (``ConvergenceSeries``). A
/// Under GC4 the iterates that a rule remembers, y_k, count like x_k, where the rule shows them. A
/// certificate is stronger: with Δ = x_{t-1} - x_t, γ_t = L (Δ·∇f - L/2 ‖Δ‖²) / ‖∇f‖² bounded away
/// from 0 and ½ ‖∇f‖² ≥ β₀ (f - f*), f - f* falls by 1 - 2 β₀ γ / L at least in every step.
///
/// Numbers: `level` (M at the end, the worst start's), `horizon` (its K), `starts`, `decay` (M(K/2) / M(K)
/// at the end), `margin` (the least γ_t, where a certificate was tried), `certifiedRate`.
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
          let remembered = condition == .memory ? run.remembered : []
          distance.add(run.count, run.x, and: remembered, horizon: horizon)
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

  public var mutants: [Mutant<Trial>] {
    guard condition == .smooth else {
      let problem = condition == .implicit ? SmallComposite.implicit : SmallComposite.composite
      func mutant(_ fault: String, size: Double = 1, _ rule: ProximalStep) -> Mutant<Trial> {
        var rule = rule
        rule.remembers = condition == .memory
        return Mutant(fault, size: size, Trial(NativeCandidate(rule), on: problem))
      }
      var result = [
        mutant(
          "a bias after the proximal step", size: 1e-4, ProximalStep(name: "biased", bias: 1e-4)),
        mutant("steps that sum up", ProximalStep(name: "summable", summable: true)),
      ]
      if condition == .memory {
        let ground = DiagonalQuadratic(dimension: 3, seed: 4).solved
        result.append(
          Mutant(
            "what is remembered never arrives",
            Trial(NativeCandidate(SwingingDescent(name: "astray", offset: 0.1)), on: ground)))
      }
      if condition != .implicit {
        result.append(mutant("steps of 2.1/L", size: 0.05, ProximalStep(name: "long", step: 2.1)))
        result.append(mutant("no proximal step", ProximalStep(name: "missing-prox", scale: 0)))
      }
      return result
    }
    let ground = DiagonalQuadratic(dimension: 3, seed: 4).solved
    func trial(_ name: String, _ change: @escaping @Sendable (inout Vector, Int) -> Void) -> Trial {
      Trial(NativeCandidate(SpoiledDescent(name: name, spoil: change)), on: ground)
    }
    func scaled(_ name: String, _ factor: @escaping @Sendable (Int, Int) -> Double) -> Trial {
      Trial(NativeCandidate(ScaledDescent(name: name, factor: factor)), on: ground)
    }
    return [
      Mutant("steps of 2.1/β", size: 0.05, scaled("long") { _, _ in 2.1 }),
      Mutant("steps 1/k²", scaled("summable") { t, _ in 1 / Double(t * t) }),
      Mutant("one coordinate goes uphill", scaled("uphill") { _, j in j == 1 ? -0.01 : 1 }),
      Mutant("one coordinate stands still", scaled("frozen") { _, j in j == 1 ? 0 : 1 }),
      Mutant("a bias", size: 1e-4, trial("biased") { x, _ in x[0] += 1e-4 }),
      Mutant(
        "iterates are rounded", size: 1e-3,
        trial("rounded") { x, _ in
          for j in 0..<x.count { x[j] = (x[j] * 1e3).rounded() / 1e3 }
        }),
      Mutant("not a number at step 50", trial("nan") { x, k in if k == 50 { x[0] = .nan } }),
    ]
  }

  public var cleanCases: [CleanCase<Trial>] {
    guard condition == .smooth else {
      var rule = ProximalStep(name: "clean")
      rule.remembers = condition == .memory
      let problem = condition == .implicit ? SmallComposite.implicit : SmallComposite.composite
      return [CleanCase("proximal gradient", Trial(NativeCandidate(rule), on: problem))]
    }
    let ground = DiagonalQuadratic(dimension: 3, seed: 4).solved
    func scaled(_ name: String, _ factor: @escaping @Sendable (Int, Int) -> Double) -> Trial {
      Trial(NativeCandidate(ScaledDescent(name: name, factor: factor)), on: ground, budget: 200_000)
    }
    return [
      CleanCase("gradient descent", Trial(NativeCandidate(PlainDescent()), on: ground)),
      CleanCase("steps of 1.99/β", scaled("long") { _, _ in 1.99 }),
      CleanCase("slow: steps of 0.003/β", scaled("slow") { _, _ in 0.003 }),
      CleanCase(
        "steps 1/√k", expected: .holds, scaled("root") { t, _ in 1 / Double(t).squareRoot() }),
    ]
  }
}

/// M(K) and what goes with it, along one run.
struct ConvergenceSeries {
  /// What it shows.
  enum Finding {
    case certified, tested, undecided, stuck, dying, nonFinite

    var isViolated: Bool { rank >= 3 }
    /// The worse, the larger.
    var rank: Int {
      switch self {
      case .certified: 0
      case .tested: 1
      case .undecided: 2
      case .stuck: 3
      case .dying: 4
      case .nonFinite: 5
      }
    }
    var verdict: Verdict { isViolated ? .violated : self == .undecided ? .inconclusive : .holds }
    var qualifier: String? {
      self == .certified ? "certified" : self == .tested ? "tested" : nil
    }
  }

  let start: String
  let smoothness: Double
  var floor = 0.0
  /// K and M(K).
  private(set) var horizons: [Int] = []
  private(set) var maxima: [Double] = []
  /// The largest ‖x_{k+1} - x_k‖ / residual of each window.
  private(set) var stepRatios: [Double] = []
  /// The least γ_t of each window.
  var margins: [Double] = []
  var certifiedRate: Double?
  var nonFinite: Int?
  var steps = 0
  var samples: [(k: Int, distance: Double)] = []

  init(start: String, smoothness: Double) {
    self.start = start
    self.smoothness = smoothness
  }

  mutating func add(_ horizon: Int, _ maximum: Double, stepRatio: Double) {
    horizons.append(horizon)
    maxima.append(maximum)
    stepRatios.append(stepRatio)
  }

  var level: Double { maxima.last ?? .infinity }

  /// M(K/2) / M(K).
  var decay: Double {
    guard maxima.count >= 2, level > 0 else { return .infinity }
    return maxima[maxima.count - 2] / level
  }

  private var tolerance: Double { max(10 * floor, 1e-6) }

  /// Whether more steps would change nothing.
  var isDecided: Bool {
    guard maxima.count >= 4 else { return false }
    return finding != .undecided
  }

  var finding: Finding {
    if nonFinite != nil { return .nonFinite }
    guard maxima.count >= 4 else { return .undecided }
    if isCertified { return .certified }
    if let first = maxima.firstIndex(where: { $0 <= tolerance }), level <= tolerance,
      maxima[first...].allSatisfy({ $0 <= 10 * tolerance })
    {
      return .tested
    }
    if level > 100 * floor {
      if !progressed(over: 0), !progressed(over: 1) { return .stuck }
      if isDying { return .dying }
    }
    return .undecided
  }

  /// Whether M fell over the two doublings that end `back` windows before the last.
  private func progressed(over back: Int) -> Bool {
    let last = maxima.count - 1 - back
    return maxima[last] < maxima[last - 2] * (1 - 1e-9)
  }

  /// Progress that dies with the steps: three decreases, each 0.6 of the one before, towards a limit
  /// that is at least half of M, while steps shrink against the residual.
  private var isDying: Bool {
    let tail = Array(maxima.suffix(4))
    let falls = zip(tail, tail.dropFirst()).map { $0 - $1 }
    guard falls.allSatisfy({ $0 > 0 }), falls[1] <= 0.6 * falls[0], falls[2] <= 0.6 * falls[1]
    else { return false }
    let ratio = falls[2] / falls[1]
    guard level - falls[2] * ratio / (1 - ratio) >= level / 2 else { return false }
    let steps = stepRatios.suffix(4)
    return zip(steps, steps.dropFirst()).allSatisfy { $0 >= 2.2 * $1 }
  }

  /// Margins that do not die: none below nine tenths of the least before it, and none near 0.
  ///
  /// They speak of x_k; M, which speaks of remembered iterates too, must not contradict them.
  private var isCertified: Bool {
    guard let rate = certifiedRate, rate < 1, margins.count >= 2,
      let least = margins.dropLast().min(), let last = margins.last
    else { return false }
    return min(least, last) >= 1e-6 && last >= 0.9 * least
      && (level <= tolerance || progressed(over: 0))
  }

  func curve(_ name: String) -> Curve {
    Curve(
      name, steps: samples.map { Double($0.k) }, values: samples.map(\.distance))
  }
}

/// D_k along a run: the distance to the minimiser nearest to the last iterate, or the gap.
struct DistanceToLimit {
  private let problem: SolvedProblem
  private let start: Vector
  private let initialGap: Double
  /// ‖x_0 - P(x_0)‖, or the gap at x_0.
  let initial: Double
  /// Distances of the window where the limit is known beforehand.
  private var maximum = 0.0
  /// Iterates of the window where it is not.
  private var window: [Vector] = []
  private(set) var samples: [(k: Int, distance: Double)] = []
  private let unique: Vector?

  init(_ problem: SolvedProblem, from start: Vector) {
    self.problem = problem
    self.start = start
    let nearest = problem.projection?(start)
    unique = problem.isUnique && nearest != nil ? problem.minimisers[0] : nil
    initialGap = problem.problem.value(at: start) - problem.minimumValue
    initial = nearest.map { (start - $0).norm } ?? initialGap
  }

  private var scale: Double { max(initial, .leastNormalMagnitude) }

  /// Takes x_k, and what else has to converge with it.
  mutating func add(_ k: Int, _ x: Vector, and remembered: [Vector], horizon: Int) {
    let isSampled = StepSchedule.contains(k)
    let isCounted = 2 * k >= horizon
    guard isCounted || isSampled else { return }
    // The last of the window is the iterate, whose limit is the one that counts.
    let points = remembered + [x]
    if unique == nil, problem.projection != nil {
      if isCounted { window += points }
      if isSampled { samples.append((k, largest(points))) }
    } else {
      let distance = largest(points)
      if isCounted { maximum = Swift.max(maximum, distance) }
      if isSampled { samples.append((k, distance)) }
    }
  }

  /// The largest D of `points`, each against its own nearest minimiser where the limit is unknown.
  private func largest(_ points: [Vector]) -> Double {
    points.reduce(0) { largest, point in
      let distance =
        if let nearest = unique ?? problem.projection?(point) {
          (point - nearest).norm
        } else {
          abs(problem.problem.value(at: point) - problem.minimumValue)
        }
      return Swift.max(largest, distance.isNaN ? .infinity : distance / scale)
    }
  }

  /// M(K); call once at the end of a window.
  func windowMaximum() -> Double {
    guard unique == nil, let projection = problem.projection, let last = window.last else {
      return maximum
    }
    let limit = projection(last)
    return window.reduce(0) { Swift.max($0, ($1 - limit).norm) } / scale
  }

  mutating func closeWindow() {
    maximum = 0
    window.removeAll(keepingCapacity: true)
  }
}

/// The certificate of linear convergence on smooth problems, step by step.
struct DescentCertificate {
  private let problem: SolvedProblem
  private let smoothness: Double
  private let initialGradient: Double
  private var least = Double.infinity
  private var worst = Double.infinity
  /// The least γ_t of every window.
  private(set) var margins: [Double] = []

  init(_ problem: SolvedProblem, at start: Vector) {
    self.problem = problem
    smoothness = problem.smoothness
    initialGradient = problem.problem.gradient(at: start).norm
  }

  mutating func add(from x: Vector, to next: Vector, step: Int) {
    let g = problem.problem.gradient(at: x)
    let size = g.norm
    // Below this the step is rounding, and the gap 1e-14 of what it was.
    guard size > 1e-7 * initialGradient else { return }
    let move = x - next
    let margin =
      smoothness * (move.dot(g) - smoothness / 2 * move.dot(move)) / (size * size)
    least = min(least, margin.isNaN ? -.infinity : margin)
    worst = min(worst, least)
  }

  mutating func closeWindow() {
    if least < .infinity { margins.append(least) } else { margins.append(worst) }
    least = .infinity
  }

  /// 1 - 2 β₀ γ / L with the least γ so far.
  var rate: Double? {
    guard let dominance = problem.gradientDominance, worst < .infinity else { return nil }
    return 1 - 2 * dominance * worst / smoothness
  }
}
