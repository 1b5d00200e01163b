public import Engine

/// Checks that the last hidden layer separates all coordinates: α₀ > 0 (I4).
///
/// α₀ = σ_min(G_{L-1,T}) over its Nd columns at initialisation. Paper A has it guaranteed by width
/// n_{L-1} >= Nd and QR factors; its training theorem divides by it. It is zero as soon as one
/// coordinate is *dead* (all its units inactive; its P then stays 1 whatever is learnt) or the
/// layer before is too narrow. Zero means up to max(n_{L-1}, Nd) 2^-52 σ_max.
///
/// Numbers: `alpha0`; `largest`, σ_max; `threshold`; `rank`; `coordinates`, Nd; `width`, n_{L-1};
/// `dead`, the number of dead coordinates; `deadFraction`.
public struct FullRankCheck: Check {
  /// The last hidden layer at initialisation.
  public struct Subject: Sendable {
    /// Rule, problem and setting.
    public var label: String
    /// The activations, Nd coordinates by n_{L-1} units: the transpose of paper A's G_{L-1,T}.
    public var activations: Matrix

    /// Creates a subject.
    public init(label: String, activations: Matrix) {
      self.label = label
      self.activations = activations
    }
  }

  public let claim = Claim(
    id: "I4", title: "α₀ = σ_min(G_{L-1,T}) > 0 at initialisation, once n_{L-1} >= Nd",
    source: "paper A, premise of Theorem 4.3")

  public let equation =
    "α₀ = σ_min(G_{L-1,T}) > 0"

  public let tolerance =
    "max(n_{L-1}, Nd) 2⁻⁵² σ_max counts as zero"

  public let blindSpots =
    "whether α₀ stays positive in training"

  /// Creates the check.
  public init() {}

  public func run(_ subject: Subject) -> CheckResult {
    let g = subject.activations
    let (coordinates, width) = (g.rows, g.columns)
    var result = CheckResult(
      claim: claim, subject: subject.label, verdict: .inconclusive, reason: "",
      premises: [
        Premise("n_{L-1} >= Nd", met: width >= coordinates, "\(width) and \(coordinates)")
      ])
    guard let values = try? g.singularValues().elements, let largest = values.first else {
      result.premises.append(Premise("G is finite and not empty", met: false, "measured"))
      result.verdict = .decide(result.premises, .meaningless)
      result.reason = "G of \(coordinates) x \(width) is empty or not finite"
      return result
    }
    // With fewer units than coordinates the last columns depend on the first by dimension.
    let alpha = width >= coordinates ? values.last ?? 0 : 0
    let threshold = g.rankTolerance * largest
    let dead = (0..<coordinates).filter { row in (0..<width).allSatisfy { g[row, $0] == 0 } }
    let rank = values.count { $0 > threshold }
    result.numbers = [
      "alpha0": alpha, "largest": largest, "threshold": threshold, "rank": Double(rank),
      "coordinates": Double(coordinates), "width": Double(width), "dead": Double(dead.count),
      "deadFraction": Double(dead.count) / Double(coordinates),
    ]
    let measured =
      "σ_min \(alpha.brief), σ_max \(largest.brief), rank \(rank) of \(coordinates), "
      + "\(dead.count) dead coordinates, width \(width)"
    if alpha > threshold {
      result.verdict = .decide(result.premises, .isTrue(slack: nil))
      result.reason = measured
    } else {
      result.verdict = .decide(result.premises, .isFalse)
      result.reason = "\(measured); \(threshold.brief) counts as zero"
      result.evidence =
        [
          Evidence(
            "rank", actual: Double(rank), reference: Double(coordinates), allowed: 0)
        ]
        + dead.prefix(9).map {
          Evidence("coordinate=\($0)/active units", actual: 0, reference: 1, allowed: 0)
        }
    }
    return result
  }

  public var mutants: [Mutant<Subject>] {
    [
      Mutant("two coordinates alike", subject { for j in 0..<$0.columns { $0[5, j] = $0[2, j] } }),
      Mutant(
        "two proportional to rounding",
        subject { for j in 0..<$0.columns { $0[5, j] = 3.3 * $0[2, j] } }),
      Mutant("a dead coordinate", subject { for j in 0..<$0.columns { $0[7, j] = 0 } }),
      Mutant(
        "rank 2, as with n_1 = 2 and non-negative weights",
        Subject(
          label: "rank 2",
          activations: Matrix.product(Self.positive(8, 2), .plain, Self.positive(2, 32)))),
      Mutant("all zero", Subject(label: "zeros", activations: Matrix(zeros: 8, 32))),
      Mutant(
        "fewer units than coordinates", expected: .premiseFails,
        Subject(label: "narrow", activations: Self.positive(32, 8))),
      Mutant("an entry is NaN", expected: .premiseFails, subject { $0[0, 0] = .nan }),
    ]
  }

  public var cleanCases: [CleanCase<Subject>] {
    [
      CleanCase("Gaussian", subject { _ in }),
      CleanCase("as wide as needed", Subject(label: "square", activations: Matrix(identity: 8))),
      CleanCase(
        "nearly alike",
        subject { for j in 0..<$0.columns { $0[5, j] = $0[2, j] + 1e-9 * $0[5, j] } }),
    ]
  }

  private static func positive(_ rows: Int, _ columns: Int) -> Matrix {
    var rng = SplitMix64(seed: 17)
    return rng.matrix(rows, columns) { abs($0.normal()) }
  }

  private func subject(_ fault: (inout Matrix) -> Void) -> Subject {
    var rng = SplitMix64(seed: 19)
    var g = rng.matrix(8, 32)
    fault(&g)
    return Subject(label: "Gaussian", activations: g)
  }
}
