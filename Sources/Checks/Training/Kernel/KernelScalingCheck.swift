import Foundation

/// T5e: at initialisation λ_max(H) is e^{2(L-1)} times that at scale 1.
///
/// W_L = 0, so that only ∂X_T/∂W_L is left, and that is linear in features of degree L - 1 in e.
/// Numbers: `exponent` (2(L-1)), `worst` (the largest relative distance from the law), `fitted` (slope
/// of log λ_max against log e between the ends).
public struct KernelScalingCheck: Check {
  /// λ_max at several scales.
  public struct Subject: Sendable, Hashable, Codable {
    /// One scale.
    public struct Sample: Sendable, Hashable, Codable {
      /// e.
      public var scale: Double
      /// λ_max(H).
      public var largest: Double

      /// Creates a sample.
      public init(scale: Double, largest: Double) {
        self.scale = scale
        self.largest = largest
      }
    }

    /// Rule, problem and setting.
    public var label: String
    /// L.
    public var depth: Int
    /// Two or more scales; the law is taken from the first.
    public var samples: [Sample]
    /// Whether W_L = 0.
    public var isInitial: Bool

    /// Creates a subject.
    public init(label: String, depth: Int, samples: [Sample], isInitial: Bool) {
      precondition(samples.count >= 2, "\(samples.count) scales")
      self.label = label
      self.depth = depth
      self.samples = samples
      self.isInitial = isInitial
    }
  }

  public let claim = Claim(
    id: "T5e", title: "at initialisation λ_max(H) grows as e^{2(L-1)}, exactly",
    source: "derived: the features are homogeneous in e, W_L = 0")

  public let equation =
    "λ_max(H)(e) = e^{2(L-1)} λ_max(H)(1)"

  public let tolerance =
    "1e-12 of the value"

  public let blindSpots =
    "weights that are not initial; the smaller eigenvalues, but by I3"

  /// Creates the check.
  public init() {}

  public func run(_ subject: Subject) -> CheckResult {
    let exponent = Double(2 * (subject.depth - 1))
    let (first, last) = (subject.samples[0], subject.samples[subject.samples.count - 1])
    let premises = [
      Premise("W_L = 0", met: subject.isInitial, subject.isInitial ? "initial" : "trained"),
      Premise("λ_max > 0", met: first.largest > 0, "λ_max = \(first.largest.brief)"),
    ]
    let evidence = subject.samples.dropFirst().map { sample in
      let law = pow(sample.scale / first.scale, exponent) * first.largest
      return Evidence(
        "e=\(sample.scale.brief)", actual: sample.largest, reference: law, allowed: 1e-12 * law)
    }
    let wrong = evidence.filter { !($0.excess <= 1) }
    let worst = evidence.map { $0.excess * 1e-12 }.max() ?? 0
    let fitted = log(last.largest / first.largest) / log(last.scale / first.scale)
    return CheckResult(
      claim: claim, subject: subject.label,
      verdict: .decide(premises, wrong.isEmpty ? .isTrue(slack: nil) : .isFalse),
      qualifier: wrong.isEmpty ? "exact" : nil,
      reason: premises.explain(
        "λ_max follows e^\(Int(exponent)) to \(worst.brief) over e from \(first.scale.brief) to "
          + "\(last.scale.brief), fitted exponent \(String(format: "%.12g", fitted))"),
      premises: premises,
      numbers: ["exponent": exponent, "worst": worst, "fitted": fitted], evidence: wrong)
  }

  public var mutants: [Mutant<Subject>] {
    var trained = Self.subject(exponent: 4.1)
    trained.isInitial = false
    var broken = Self.subject(exponent: 4)
    broken.samples[2].largest = .nan
    return [
      Mutant("e^{L-1}, that of singular values", Self.subject(exponent: 2)),
      Mutant("e^{2L}", Self.subject(exponent: 6)),
      Mutant("the exponent is off by 1e-11", size: 1e-11, Self.subject(exponent: 4 + 1e-11)),
      Mutant("λ_max is NaN", broken),
      Mutant("another law away from W_L = 0", expected: .premiseFails, trained),
    ]
  }

  public var cleanCases: [CleanCase<Subject>] {
    [
      CleanCase("e^4 for L = 3", Self.subject(exponent: 4)),
      CleanCase(
        "a kernel that is 0", expected: .holdsVacuously, Self.subject(exponent: 4, largest: 0)),
    ]
  }

  private static func subject(exponent: Double, largest: Double = 0.37) -> Subject {
    Subject(
      label: "L = 3", depth: 3,
      samples: [1, 5, 10, 50, 100].map {
        .init(scale: $0, largest: largest * pow($0, exponent))
      }, isInitial: true)
  }
}
