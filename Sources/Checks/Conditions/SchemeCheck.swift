public import Engine
public import Optimization

/// S5: an explicit form, filled with closed formulas, is the algorithm that it is said to contain.
///
/// Two runs from one start are compared step by step: the scheme, with parts that are formulas in the
/// direct algorithm's own parameters, and the direct algorithm. Nothing is solved for: with b₁ at
/// will, every method would be a special case. Parts that a run makes up as it goes (a network's
/// outputs, the lengths of a line search) are taken from a record of the direct run.
///
/// The tolerance is given by the claim. How far it is above rounding is measured: the direct algorithm
/// runs again from a start that is off by an ulp of the largest entry, and what becomes of
/// that ulp, times the number of steps, is what rounding can do.
///
/// Numbers: `difference`, the largest of all iterates, relative to the largest entry of any;
/// `ulps`, the same in units of 2⁻⁵²; `horizon`; `firstStep`, the first whose iterates are not the
/// same bit for bit (absent if all are); `rounding`, what rounding can do; `headroom`, the tolerance
/// in units of that.
public struct SchemeCheck: Check {
  /// One special case, on one problem, from one start.
  public struct Subject: Sendable {
    /// Case and problem.
    public var label: String
    /// The general form with the case's formulas.
    public var scheme: any UpdateRule
    /// The direct algorithm.
    public var direct: any UpdateRule
    /// What both minimise.
    public var problem: any Problem
    /// x_0, n entries.
    public var start: Vector
    /// Number of steps compared.
    public var horizon: Int
    /// The formulas in words, and where f is replaced.
    public var formulas: String

    /// Creates a subject.
    public init(
      label: String, scheme: any UpdateRule, direct: any UpdateRule, problem: any Problem,
      start: Vector, horizon: Int, formulas: String
    ) {
      precondition(horizon >= 1, "horizon \(horizon)")
      self.label = label
      self.scheme = scheme
      self.direct = direct
      self.problem = problem
      self.start = start
      self.horizon = horizon
      self.formulas = formulas
    }
  }

  /// The largest difference allowed, relative to the largest entry of the iterates.
  public static let allowed = 1e-12

  public let claim = Claim(
    id: "S5", title: "the explicit form with p, a, b, b₁, b₂ contains the direct algorithm",
    source:
      "Liu et al., ICML 2023, scheme (18) and its special cases; scheme (6) with a full matrix")

  public let equation =
    "x⁺ = prox_{r,p}((1 - b) ∘ x̂ + b ∘ ŷ - b₁), y⁺ = x⁺ + a ∘ (x⁺ - x) + b₂"

  public let tolerance =
    "1e-12 of the largest entry of the iterates, as the claim has it; the result says how many times "
    + "what rounding can do that is, and nothing is called violated where it is less"

  public let blindSpots =
    "parts that the runs never use, such as a where b = 0; starts, problems and steps not tried; "
    + "a fault that the scheme and the direct algorithm share"

  /// Creates the check.
  public init() {}

  public func run(_ subject: Subject) -> CheckResult {
    let mine = iterates(subject.scheme, subject, from: subject.start)
    let theirs = iterates(subject.direct, subject, from: subject.start)
    let scale = max(
      theirs.reduce(0) { max($0, $1.maxMagnitude) }, .leastNormalMagnitude)
    let rounding = rounding(subject, theirs, scale: scale)
    var result = CheckResult(
      claim: claim, subject: subject.label, verdict: .inconclusive, reason: "",
      numbers: [
        "horizon": Double(subject.horizon), "rounding": rounding,
        "headroom": Self.allowed / rounding,
      ])
    var worst = 0.0
    for (k, (a, b)) in zip(mine, theirs).enumerated() where a != b {
      let difference = (a - b).maxMagnitude / scale
      worst = max(worst, difference)
      if result.numbers["firstStep"] == nil { result.numbers["firstStep"] = Double(k) }
      guard !(difference <= Self.allowed) else { continue }
      let j = a.elements.indices.max { abs(a[$0] - b[$0]) < abs(a[$1] - b[$1]) } ?? 0
      result.evidence.append(
        Evidence(
          "k=\(k)/coordinate=\(j)", actual: a[j], reference: b[j], allowed: Self.allowed * scale))
    }
    if mine.count != theirs.count {
      result.evidence.append(
        Evidence(
          "finite steps", actual: Double(mine.count - 1), reference: Double(theirs.count - 1),
          allowed: 0))
    }
    result.numbers["difference"] = worst
    result.numbers["ulps"] = worst / .ulpOfOne
    let first = result.evidence.first
    result.evidence = result.evidence.worst()
    if let first {
      let isHidden = !(rounding < Self.allowed)
      result.verdict = .decide([], isHidden ? .undecided : .isFalse)
      result.reason =
        "first beyond 1e-12 at \(first.path): \(first.actual), directly \(first.reference)"
        + (isHidden ? "; rounding alone can make \(rounding.brief)" : "")
    } else if theirs.count <= subject.horizon {
      result.reason = "both stop being finite at step \(theirs.count)"
    } else {
      result.verdict = .decide([], .isTrue(slack: nil))
      let isExact = result.numbers["firstStep"] == nil
      result.qualifier = isExact ? "exact" : nil
      result.reason =
        (isExact
          ? "\(subject.horizon) steps, all equal"
          : "\(subject.horizon) steps agree to \(worst.brief)")
        + "; 1e-12 is \((Self.allowed / rounding).brief) times what rounding can do; \(subject.formulas)"
    }
    return result
  }

  private func iterates(
    _ rule: any UpdateRule, _ subject: Subject, from start: Vector
  ) -> [Vector] {
    unroll(
      rule, on: subject.problem, from: start, horizon: subject.horizon, recordingIterates: true
    ).iterates
  }

  /// What an ulp at the start becomes, once for every step; an ulp a step at least.
  private func rounding(_ subject: Subject, _ run: [Vector], scale: Double) -> Double {
    var start = subject.start
    for j in 0..<start.count { start[j] += (j % 2 == 0 ? 1 : -1) * .ulpOfOne * scale }
    let other = iterates(subject.direct, subject, from: start)
    guard other.count == run.count else { return .infinity }
    let response = zip(run, other).reduce(0.0) { max($0, ($1.0 - $1.1).maxMagnitude / scale) }
    return Double(subject.horizon) * max(response, .ulpOfOne)
  }

  public var mutants: [Mutant<Subject>] {
    func sized(_ fault: String, _ make: (Double) -> Subject) -> [Mutant<Subject>] {
      [1, 1e-2, 1e-4, 1e-6].map { Mutant(fault, size: $0, make($0)) }
    }
    return [
      Mutant(
        "momentum of the next step", SchemeCase.accelerated.subject { $0.momentum(k: $1 + 1) }),
      Mutant("1 - b where b stands", SchemeCase.accelerated.subject { $0.mixing(0, $1) }),
      Mutant("b where 1 - b stands", SchemeCase.plain.subject { $0.mixing(1, $1) }),
      Mutant("steps of L in place of 1/L", SchemeCase.plain.subject { $0.stepOfL($1) }),
      Mutant("b₁ with the other sign", SchemeCase.tilted.subject { $0.innerBias(-1, $1) }),
      Mutant("b₂ with the other sign", SchemeCase.drifting.subject { $0.outerBias(-1, $1) }),
      Mutant(
        "one gradient for x and y", SchemeCase.accelerated.subject(fault: .staleGradient)),
      Mutant("diverges", SchemeCase.plain.subject { $0.scaledStep(1e200, $1) }),
    ]
      + sized("p too large") { size in
        SchemeCase.metric.subject { $0.scaledStep(1 + size, $1) }
      }
      + sized("a too large") { size in
        SchemeCase.accelerated.subject { $0.scaledMomentum(1 + size, $1) }
      }
      + sized("b off") { size in SchemeCase.accelerated.subject { $0.mixing(1 - size, $1) } }
      + sized("b₁ too large") { size in
        SchemeCase.tilted.subject { $0.innerBias(1 + size, $1) }
      }
      + sized("b₂ too large") { size in
        SchemeCase.drifting.subject { $0.outerBias(1 + size, $1) }
      }
      + sized("1 in place of p in the proximal operator") { size in
        SchemeCase.metric.subject(fault: .unitProx(size))
      }
  }

  public var cleanCases: [CleanCase<Subject>] {
    SchemeCase.all.flatMap { base in
      [true, false].map { isComposite in
        var own = base
        own.isComposite = isComposite
        return CleanCase(own.label, own.subject())
      }
    }
      + [
        CleanCase(
          "both leave the finite numbers", expected: .inconclusive,
          SchemeCase.metric.exploding)
      ]
  }
}

/// A direct algorithm on a problem with closed forms, with its place in scheme (18).
private struct SchemeCase: Sendable {
  var name: String
  var isComposite = true
  /// Whether momenta are those of FISTA, else 0.
  var isAccelerated = false
  /// Factors on the steps.
  var metric: Vector = [1, 1, 1]
  /// c: the direct algorithm minimises f + c·x.
  var tilt: Vector = [0, 0, 0]
  /// What the direct algorithm adds to every extrapolated point.
  var drift: Vector = [0, 0, 0]

  static let plain = SchemeCase(name: "proximal gradient")
  static let accelerated = SchemeCase(name: "FISTA", isAccelerated: true)
  static let metric = SchemeCase(name: "variable metric", metric: [0.4, 1.1, 0.9])
  static let tilted = SchemeCase(name: "f + c·x", tilt: [0.3, -0.1, 0.2])
  static let drifting = SchemeCase(
    name: "a drift of the extrapolated point", isAccelerated: true, drift: [1e-2, -2e-2, 3e-2])
  static let all = [plain, accelerated, metric, tilted, drifting]

  var label: String { name + (isComposite ? " with l1" : ", smooth") }

  private var base: DiagonalQuadratic {
    DiagonalQuadratic(curvature: [2.5, 0.3, 0.5], target: [2, -0.4, 1])
  }
  private var problem: any Problem {
    isComposite
      ? SmallComposite(name: "small-composite", base: base, weight: 0.2, isImplicit: false) : base
  }
  private var smoothness: Double { base.largestSmoothness }

  /// Closed formulas for the parts of step k.
  func parts(_ k: Int) -> ExplicitScheme.Parts {
    let steps = metric.scaled(by: 1 / smoothness)
    var inner = tilt
    for j in 0..<3 { inner[j] *= steps[j] }
    // Without momentum and drift b = 0, where a has no part: it is given one to show it.
    let usesY = isAccelerated
    let a = usesY ? FistaMomentum.value(k) : 0.5
    return ExplicitScheme.Parts(
      step: steps, mixing: usesY ? [1, 1, 1] : [0, 0, 0], momentum: [a, a, a], innerBias: inner,
      outerBias: drift)
  }

  func momentum(k: Int) -> ExplicitScheme.Parts {
    var parts = parts(max(0, k - 1))
    let a = FistaMomentum.value(k)
    parts.momentum = [a, a, a]
    return parts
  }
  func mixing(_ b: Double, _ k: Int) -> ExplicitScheme.Parts {
    var parts = parts(k)
    parts.mixing = [b, b, b]
    return parts
  }
  func stepOfL(_ k: Int) -> ExplicitScheme.Parts {
    scaledStep(smoothness * smoothness, k)
  }
  func scaledStep(_ factor: Double, _ k: Int) -> ExplicitScheme.Parts {
    var parts = parts(k)
    parts.step.scale(by: factor)
    return parts
  }
  func scaledMomentum(_ factor: Double, _ k: Int) -> ExplicitScheme.Parts {
    var parts = parts(k)
    parts.momentum.scale(by: factor)
    return parts
  }
  func innerBias(_ factor: Double, _ k: Int) -> ExplicitScheme.Parts {
    var parts = parts(k)
    parts.innerBias.scale(by: factor)
    return parts
  }
  func outerBias(_ factor: Double, _ k: Int) -> ExplicitScheme.Parts {
    var parts = parts(k)
    parts.outerBias.scale(by: factor)
    return parts
  }

  func subject(
    fault: ExplicitScheme.Fault = .none,
    _ change: @escaping @Sendable (SchemeCase, Int) -> ExplicitScheme.Parts = { $0.parts($1) }
  ) -> SchemeCheck.Subject {
    var scheme = ExplicitScheme("scheme-18") { change(self, $0) }
    scheme.fault = fault
    return SchemeCheck.Subject(
      label: label, scheme: scheme,
      direct: DirectDescent(
        steps: metric.scaled(by: 1 / smoothness), isAccelerated: isAccelerated, tilt: tilt,
        drift: drift),
      problem: problem, start: [1, 2, -3], horizon: 40, formulas: "b = \(isAccelerated ? 1 : 0)")
  }

  /// The same divergence on both sides.
  var exploding: SchemeCheck.Subject {
    var own = self
    own.metric = [1e80, 1, 1]
    return own.subject()
  }
}

/// Momenta of FISTA by their recursion: (τ_k - 1)/τ_{k+1}, τ_0 = 1.
private enum FistaMomentum {
  static func value(_ k: Int) -> Double {
    var tau = 1.0
    func next(_ tau: Double) -> Double { (1 + (1 + 4 * tau * tau).squareRoot()) / 2 }
    for _ in 0..<k { tau = next(tau) }
    return (tau - 1) / next(tau)
  }
}

/// The algorithms that ``SchemeCase`` stands for, as textbooks write them.
private struct DirectDescent: UpdateRule {
  let name = "direct"
  let steps: Vector
  let isAccelerated: Bool
  let tilt: Vector
  let drift: Vector

  struct State {
    var tau = 1.0
    var extrapolated: Vector?
  }

  func initialState<P: Problem>(for problem: P) -> State { State() }

  func step<P: Problem>(_ x: inout Vector, _ state: inout State, on problem: P) {
    var z = isAccelerated ? state.extrapolated ?? x : x
    let g = problem.gradient(at: z)
    for j in 0..<x.count { z[j] -= steps[j] * (g[j] + tilt[j]) }
    problem.regularizer.prox(&z, steps: steps)
    let next = (1 + (1 + 4 * state.tau * state.tau).squareRoot()) / 2
    let momentum = (state.tau - 1) / next
    var ahead = z
    for j in 0..<x.count { ahead[j] = z[j] + momentum * (z[j] - x[j]) + drift[j] }
    x = z
    state = State(tau: next, extrapolated: ahead)
  }
}
