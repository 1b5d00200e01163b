import Foundation

/// T5r: whether a linear rate to zero can follow from the tangent kernel.
///
/// (I - ηH)^k r falls to 0 for every r if and only if λ_min(H) > 0 and η < 2/λ_max(H). With
/// rank H < Nb the part of r_T^0 outside the range of H never moves: a floor under the loss of the
/// linear model. Numbers: `rank`, `order` (Nb), `largest` and `smallest` (λ), `resolution` (λ below which
/// nothing is resolved), `floor` (share of F(W^0) that the linear model leaves), `condition`,
/// `log10Rate` (log10 of 1 - q, q = max |1 - ηλ|² per step; absent without full rank).
public struct KernelRankCheck: Check {
  /// The spectrum of a kernel and the residual in its terms.
  public struct Subject: Sendable, Hashable, Codable {
    /// Rule, problem and setting.
    public var label: String
    /// Nb, the order of H.
    public var order: Int
    /// The eigenvalues that were found, largest first.
    public var eigenvalues: [Double]
    /// The squared components of r_T^0 along their eigenvectors.
    public var weights: [Double]
    /// ‖r_T^0‖².
    public var squaredResidual: Double
    /// The size below which an eigenvalue may be rounding.
    public var resolution: Double
    /// Whether these are all eigenvalues but for zeros: the spectrum from LAPACK, or an invariant
    /// Krylov space.
    public var isComplete: Bool
    /// η.
    public var stepSize: Double

    /// Creates a subject.
    public init(
      label: String, order: Int, eigenvalues: [Double], weights: [Double],
      squaredResidual: Double, resolution: Double, isComplete: Bool, stepSize: Double
    ) {
      precondition(eigenvalues.count == weights.count, "\(eigenvalues.count), \(weights.count)")
      self.label = label
      self.order = order
      self.eigenvalues = eigenvalues
      self.weights = weights
      self.squaredResidual = squaredResidual
      self.resolution = resolution
      self.isComplete = isComplete
      self.stepSize = stepSize
    }

    /// The number of eigenvalues above rounding; with an incomplete spectrum rank H is no less.
    public var rank: Int { eigenvalues.count { $0 > resolution } }

    /// The share of F(W^0) that the linear model never removes: that outside the resolved range.
    public var floor: Double {
      let removed = zip(eigenvalues, weights).filter { $0.0 > resolution }.map(\.1).reduce(0, +)
      return max(0, 1 - removed / squaredResidual)
    }
  }

  public let claim = Claim(
    id: "T5r", title: "λ_min(H) > 0, so that training can fall to zero at a linear rate",
    source: "derived: what a linear rate by the tangent kernel needs")

  public let equation =
    "rank H = Nb, η < 2/λ_max(H); else F_lin(∞) = ½ ‖(I - Π) r_T^0‖², Π on the range of H"

  public let tolerance =
    "singular values of E below max(Nb, n) 2^-52 σ_max count as zero; the floor to 4 Nb 2^-52"

  public let blindSpots =
    "what training does beyond its linearisation: the kernel itself moves"

  /// Creates the check.
  public init() {}

  public func run(_ subject: Subject) -> CheckResult {
    let (rank, floor) = (subject.rank, subject.floor)
    let (largest, smallest) = (subject.eigenvalues.first ?? 0, subject.eigenvalues.last ?? 0)
    let rounding = 4 * Double(subject.order) * .ulpOfOne
    let isFull = rank == subject.order
    let isOpen = !subject.isComplete && !isFull
    var premises = [
      Premise(
        "rank H = Nb", isFull ? .met : isOpen ? .unknown : .notMet,
        "rank \(isOpen ? "at least " : "")\(rank) of \(subject.order)"),
      Premise(
        "η < 2/λ_max(H)", met: subject.stepSize * largest < 2,
        "η λ_max = \((subject.stepSize * largest).brief)"),
    ]
    if largest == 0 { premises.append(Premise("H ≠ 0", met: false, "λ_max = 0")) }
    var numbers = [
      "rank": Double(rank), "order": Double(subject.order), "largest": largest,
      "smallest": isFull ? smallest : 0, "resolution": subject.resolution, "floor": floor,
    ]
    let isStable = premises[1].status == .met
    if isFull, isStable {
      let edge = max(abs(1 - subject.stepSize * smallest), abs(1 - subject.stepSize * largest))
      numbers["condition"] = largest / smallest
      numbers["log10Rate"] = log10(
        edge == 1 - subject.stepSize * smallest
          ? subject.stepSize * smallest * (1 + edge) : 1 - edge * edge)
    }
    let falls = floor <= rounding
    let conclusion: Conclusion = isOpen ? .undecided : falls ? .isTrue(slack: nil) : .isFalse
    let end =
      isFull
      ? "λ from \(smallest.brief) to \(largest.brief)"
      : "λ_max = \(largest.brief); \(isOpen ? "at most " : "")\(floor.precise) of F(W^0) lies outside "
        + "the range that was resolved, where the linear model never moves it"
    return CheckResult(
      claim: claim, subject: subject.label, verdict: .decide(premises, conclusion),
      reason: premises.explain(end), premises: premises, numbers: numbers,
      evidence: conclusion == .isFalse
        ? [Evidence("floor", actual: floor, reference: 0, allowed: rounding)] : [])
  }

  public var mutants: [Mutant<Subject>] {
    var thin = Subject.synthetic()
    thin.eigenvalues[3] = 0
    var blind = thin
    blind.isComplete = false
    var coarse = Subject.synthetic()
    coarse.stepSize = 2.5 / coarse.eigenvalues[0]
    coarse.squaredResidual *= 1.01
    var lost = Subject.synthetic()
    lost.weights[2] *= 0.5
    return [
      Mutant("one eigenvalue of four is 0", size: 0.25, expected: .premiseFails, thin),
      Mutant("the same from a spectrum cut short", expected: .inconclusive, blind),
      Mutant("η beyond 2/λ_max, and a residual too long", expected: .premiseFails, coarse),
      Mutant("components of r_T that do not add up", size: 0.5, lost),
    ]
  }

  public var cleanCases: [CleanCase<Subject>] {
    var aligned = Subject.synthetic()
    aligned.eigenvalues[3] = 0
    aligned.weights = [1, 1, 2, 0]
    return [
      CleanCase("four eigenvalues", .synthetic()),
      CleanCase("r_T within a smaller range", expected: .holdsVacuously, aligned),
    ]
  }
}

extension KernelRankCheck.Subject {
  /// Four eigenvalues, components 1, η = 0.1.
  fileprivate static func synthetic() -> KernelRankCheck.Subject {
    KernelRankCheck.Subject(
      label: "4 x 4", order: 4, eigenvalues: [4, 3, 2, 1e-3], weights: [1, 1, 1, 1],
      squaredResidual: 4, resolution: 1e-15, isComplete: true, stepSize: 0.1)
  }
}
