import Foundation

/// T6: Corollary C.1, the larger the initial weights the smaller the training step must be.
///
/// η_crit,lin = 2/λ_max(H) falls as e^{-2(L-1)} exactly. η_max is the largest step with a loss that
/// never rises over the run and ends below gradient descent's. Numbers: `exactSlope` of
/// log η_crit,lin against log e, `slope` of log η_max with `slopeLow` and `slopeHigh` (95 %, Student, and
/// never less than the bisection's brackets allow), `ratioLow` and `ratioHigh` (η_max / η_crit,lin).
public struct CriticalStepCheck: Check {
  /// Critical steps over scales.
  public struct Subject: Sendable, Hashable, Codable {
    /// One scale.
    public struct Sample: Sendable, Hashable, Codable {
      /// e.
      public var scale: Double
      /// 2/λ_max(H).
      public var critical: Double
      /// The largest η that was seen to be stable, and the next above it, which was not.
      public var stable: Double
      /// The least η above `stable` that was not; nil where all up to the end of the search were.
      public var unstable: Double?

      /// Creates a sample.
      public init(scale: Double, critical: Double, stable: Double, unstable: Double?) {
        self.scale = scale
        self.critical = critical
        self.stable = stable
        self.unstable = unstable
      }

      /// The middle of the bracket on a log scale.
      public var largestStable: Double { (stable * (unstable ?? stable)).squareRoot() }
    }

    /// Rule, problem and setting.
    public var label: String
    /// L.
    public var depth: Int
    /// Three or more scales.
    public var samples: [Sample]

    /// Creates a subject.
    public init(label: String, depth: Int, samples: [Sample]) {
      precondition(samples.count >= 3, "\(samples.count) scales")
      self.label = label
      self.depth = depth
      self.samples = samples
    }
  }

  public let claim = Claim(
    id: "T6", title: "the largest stable η falls as e grows; 2/λ_max(H) as e^{-2(L-1)}, exactly",
    source: "paper A, Corollary C.1; the exponent derived")

  public let equation =
    "η_crit,lin = 2/λ_max(H) ∝ e^{-2(L-1)}; d log η_max / d log e < 0"

  public let tolerance =
    "1e-12 over log e for the exact slope; a 95 % interval for the measured one"

  public let blindSpots =
    "a run that turns unstable after its last step; stable steps above an unstable one"

  /// Creates the check.
  public init() {}

  public func run(_ subject: Subject) -> CheckResult {
    let exponent = Double(-2 * (subject.depth - 1))
    let x = subject.samples.map { log($0.scale) }
    let exact = LineFit(x, subject.samples.map { log($0.critical) })
    let fit = LineFit(x, subject.samples.map { log($0.largestStable) })
    let bracketed = subject.samples.allSatisfy { $0.unstable != nil && $0.stable > 0 }
    // What the brackets alone leave open: every point may move by half its bracket.
    let widths = subject.samples.map { log(($0.unstable ?? .infinity) / $0.stable) / 2 }
    let half = max(fit.halfWidth, fit.shift(widths))
    let allowed = 1e-12 / ((x.max() ?? 0) - (x.min() ?? 0)) * 2
    let premises = [
      Premise(
        "an unstable step above every stable one", met: bracketed,
        bracketed ? "bracketed at every e" : "the search ended in stable steps, or found none")
    ]
    let evidence = [
      Evidence("exact slope", actual: exact.slope, reference: exponent, allowed: allowed),
      Evidence(
        "upper end of the slope", actual: max(0, fit.slope + half), reference: 0, allowed: 0),
    ].filter { !($0.excess <= 1) }
    let ratios = subject.samples.map { $0.largestStable / $0.critical }
    let interval =
      "\(fit.slope.precise), 95 % from \((fit.slope - half).brief) to \((fit.slope + half).brief)"
    let verdict = Verdict.decide(premises, evidence.isEmpty ? .isTrue(slack: nil) : .isFalse)
    return CheckResult(
      claim: claim, subject: subject.label, verdict: verdict,
      qualifier: verdict == .holds ? "tested" : nil,
      reason: premises.explain(
        "2/λ_max falls as e^\(String(format: "%.12g", exact.slope)), the largest stable η as e to the power "
          + "\(interval); it is \((ratios.min() ?? .nan).brief) to \((ratios.max() ?? .nan).brief) times 2/λ_max"
      ),
      premises: premises,
      numbers: [
        "exactSlope": exact.slope, "slope": fit.slope, "slopeLow": fit.slope - half,
        "slopeHigh": fit.slope + half, "ratioLow": ratios.min() ?? .nan,
        "ratioHigh": ratios.max() ?? .nan,
      ], evidence: evidence)
  }

  public var mutants: [Mutant<Subject>] {
    var open = Self.subject(exact: -4, measured: -4)
    open.samples[0].unstable = nil
    return [
      Mutant("2/λ_max falls as e^{-(L-1)}", Self.subject(exact: -2, measured: -4)),
      Mutant(
        "the exponent is off by 1e-11", size: 1e-11, Self.subject(exact: -4 + 1e-11, measured: -4)),
      Mutant("η_max grows with e", Self.subject(exact: -4, measured: 1)),
      Mutant("η_max does not depend on e", Self.subject(exact: -4, measured: 0)),
      Mutant(
        "no unstable step was found, and a wrong law", expected: .premiseFails,
        {
          var subject = open
          for k in subject.samples.indices { subject.samples[k].critical = 1 }
          return subject
        }()),
    ]
  }

  public var cleanCases: [CleanCase<Subject>] {
    [
      CleanCase("both as e^-4", Self.subject(exact: -4, measured: -4)),
      CleanCase("η_max as e^-3", Self.subject(exact: -4, measured: -3)),
    ]
  }

  /// L = 3; the measured steps scatter by 5 %.
  private static func subject(exact: Double, measured: Double) -> Subject {
    let samples = [1, 2, 5, 10, 25, 50, 100].enumerated().map { k, e -> Subject.Sample in
      let stable = 3 * pow(e, measured) * (k.isMultiple(of: 2) ? 1.05 : 1)
      return .init(
        scale: e, critical: 2 * pow(e, exact), stable: stable, unstable: 1.02 * stable)
    }
    return Subject(label: "L = 3", depth: 3, samples: samples)
  }
}

/// A least-squares line with the 95 % interval of its slope, errors independent and normal.
struct LineFit {
  var slope = 0.0
  /// Half the interval's width; infinite for two points.
  var halfWidth = Double.infinity
  private var offsets: [Double] = []
  private var spread = 0.0

  init(_ x: [Double], _ y: [Double]) {
    precondition(x.count == y.count && x.count >= 2, "\(x.count) and \(y.count) points")
    let n = Double(x.count)
    let (meanX, meanY) = (x.reduce(0, +) / n, y.reduce(0, +) / n)
    offsets = x.map { $0 - meanX }
    spread = offsets.reduce(0) { $0 + $1 * $1 }
    slope = zip(offsets, y).reduce(0) { $0 + $1.0 * ($1.1 - meanY) } / spread
    let squares = zip(offsets, y).reduce(0) {
      let rest = $1.1 - meanY - slope * $1.0
      return $0 + rest * rest
    }
    if x.count > 2 {
      halfWidth =
        StudentT.quantile(0.975, freedom: n - 2) * (squares / (n - 2) / spread).squareRoot()
    }
  }

  /// How far the slope moves at most when point i moves by `widths[i]`.
  func shift(_ widths: [Double]) -> Double {
    zip(offsets, widths).reduce(0) { $0 + abs($1.0) * $1.1 } / spread
  }
}
