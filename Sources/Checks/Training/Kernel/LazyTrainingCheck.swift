import Foundation

/// T5k: up to which training step a run is its own linearisation, r_T^k = (I - ηH)^k r_T^0.
///
/// The departure is ‖r_T^k - r_lin(k)‖ / ‖r_T^0‖; training stops being lazy at the first k at which
/// it exceeds 0.1. A run that hardly moves never departs, so the motion ‖r_T^k - r_T^0‖ / ‖r_T^0‖ stands
/// beside it, and the first k at which the departure exceeds a tenth of the motion. Numbers:
/// `departure` (that k; absent if never), `relativeDeparture` (the other one), `steps` (K), `motion`,
/// `finalDeparture`, `lossRatio` and `lazyLossRatio` (F(W^K) / F(W^0) of the run and of the linear model).
public struct LazyTrainingCheck: Check {
  /// A run beside its linearisation.
  public struct Subject: Sendable, Hashable, Codable {
    /// One training step that was looked at.
    public struct Sample: Sendable, Hashable, Codable {
      /// k.
      public var step: Int
      /// ‖r_T^k - r_lin(k)‖ / ‖r_T^0‖.
      public var departure: Double
      /// ‖r_T^k - r_T^0‖ / ‖r_T^0‖.
      public var motion: Double
      /// ‖r_T^k‖² / ‖r_T^0‖².
      public var lossRatio: Double
      /// ‖r_lin(k)‖² / ‖r_T^0‖².
      public var lazyLossRatio: Double

      /// Creates a sample.
      public init(
        step: Int, departure: Double, motion: Double, lossRatio: Double, lazyLossRatio: Double
      ) {
        self.step = step
        self.departure = departure
        self.motion = motion
        self.lossRatio = lossRatio
        self.lazyLossRatio = lazyLossRatio
      }
    }

    /// Rule, problem and setting.
    public var label: String
    /// η.
    public var stepSize: Double
    /// λ_max(H).
    public var largest: Double
    /// Training steps in order, the first after the first step.
    public var samples: [Sample]

    /// Creates a subject.
    public init(label: String, stepSize: Double, largest: Double, samples: [Sample]) {
      precondition(!samples.isEmpty, "no training step")
      self.label = label
      self.stepSize = stepSize
      self.largest = largest
      self.samples = samples
    }

    /// The first sampled k at which the departure exceeds `limit`, by itself or over the motion.
    ///
    /// A departure that is not finite exceeds everything.
    public func departure(beyond limit: Double = 0.1, relative: Bool = false) -> Int? {
      samples.first { !($0.departure <= limit * (relative ? $0.motion : 1)) }?.step
    }
  }

  public let claim = Claim(
    id: "T5k",
    title: "training is lazy: r_T^k = (I - ηH)^k r_T^0 to 10 % of ‖r_T^0‖ for all k <= K",
    source: "derived: linearisation at W^0")

  public let equation =
    "‖r_T^k - (I - ηH)^k r_T^0‖ <= 0.1 ‖r_T^0‖"

  public let tolerance =
    "none: 10 % is the claim's own"

  public let blindSpots =
    "steps between the sampled ones; a run that hardly moves is lazy whatever its kernel"

  /// Creates the check.
  public init() {}

  public func run(_ subject: Subject) -> CheckResult {
    let last = subject.samples[subject.samples.count - 1]
    let departure = subject.departure()
    let relative = subject.departure(relative: true)
    let product = subject.stepSize * subject.largest
    let premises = [
      Premise("η < 2/λ_max(H)", met: product < 2, "η λ_max = \(product.brief)"),
      Premise(
        "the first step is small, η λ_max <= 1e-3", product <= 1e-3 ? .met : .unknown,
        "η λ_max = \(product.brief); how small it must be is not known"),
    ]
    var numbers = [
      "steps": Double(last.step), "motion": last.motion, "finalDeparture": last.departure,
      "lossRatio": last.lossRatio, "lazyLossRatio": last.lazyLossRatio,
    ]
    numbers["departure"] = departure.map(Double.init)
    numbers["relativeDeparture"] = relative.map(Double.init)
    let evidence = subject.samples.first { $0.step == departure }.map {
      [Evidence("k=\($0.step)", actual: $0.departure, reference: 0, allowed: 0.1)]
    }
    let verdict = Verdict.decide(premises, departure == nil ? .isTrue(slack: nil) : .isFalse)
    return CheckResult(
      claim: claim, subject: subject.label, verdict: verdict,
      qualifier: verdict == .holds ? "tested to k=\(last.step)" : nil,
      reason: premises.explain(
        (departure.map { "departs by 10 % of ‖r‖ at k=\($0)" } ?? "never departs by 10 % of ‖r‖")
          + (relative.map { ", by 10 % of the motion at k=\($0)" } ?? ", nor of the motion")
          + "; at k=\(last.step) F/F_0 is \(last.lossRatio.precise), of the linear model "
          + last.lazyLossRatio.precise),
      premises: premises, numbers: numbers, evidence: evidence ?? [])
  }

  public var mutants: [Mutant<Subject>] {
    var broken = Self.subject(stepSize: 1e-4, error: 0)
    broken.samples[9].departure = .nan
    return [
      Mutant(
        "H too large by half, at a small step", size: 0.5, Self.subject(stepSize: 1e-4, error: 0.5)),
      Mutant("a step whose residual is NaN", broken),
      Mutant(
        "the same at a step that may be too large", size: 0.5, expected: .inconclusive,
        Self.subject(stepSize: 0.1, error: 0.5)),
      Mutant(
        "η beyond 2/λ_max", expected: .premiseFails, Self.subject(stepSize: 2.1, error: 1e-2)),
    ]
  }

  public var cleanCases: [CleanCase<Subject>] {
    [
      CleanCase("a linear run", Self.subject(stepSize: 0.1, error: 0)),
      CleanCase("a nearly linear run", Self.subject(stepSize: 1e-4, error: 1e-3)),
    ]
  }

  /// One eigenvalue 1, so r^k = (1 - η)^k; the prediction has it wrong by a relative `error`.
  private static func subject(stepSize: Double, error: Double) -> Subject {
    let reach = Int(max(10, 3 / stepSize))
    let samples = (1...20).map { index -> Subject.Sample in
      let k = max(index, index * reach / 20)
      let (exact, lazy) = (
        pow(1 - stepSize, Double(k)), pow(1 - (1 + error) * stepSize, Double(k))
      )
      return .init(
        step: k, departure: abs(exact - lazy), motion: abs(1 - exact), lossRatio: exact * exact,
        lazyLossRatio: lazy * lazy)
    }
    return Subject(label: "one eigenvalue", stepSize: stepSize, largest: 1, samples: samples)
  }
}
