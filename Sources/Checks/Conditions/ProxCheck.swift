public import Optimization

/// PROX: a proximal operator is the one that its definition asks for, in any diagonal metric.
///
/// u = prox_{r,p}(v) minimises r(u) + ½ Σⱼ (uⱼ - vⱼ)² / pⱼ. At every probe (v, p) it is checked
///
/// - by the variational inequality r(z) - r(u) + Σⱼ (uⱼ - vⱼ)(zⱼ - uⱼ)/pⱼ ≥ 0 at points z of the
///   domain: images of other probes, u with entries moved, set to 0 or traded against each other;
/// - against an independent oracle, where there is one: bisection in one dimension;
/// - by firm nonexpansiveness, ‖u - u'‖² ≤ ⟨u - u', v - v'⟩ in the norm of 1/p (not the Euclidean one);
/// - by Moreau's identity v = u + p prox_{r*,1/p}(v/p), with the conjugate's operator by a formula of its
///   own;
/// - for leaving coordinates with pⱼ = 0 alone, and the others where they would be without them;
/// - and its formula on a tape against the plain operator.
///
/// A user's own `Regularizer` needs no reference: the laws that need one are left out, and the result says so.
///
/// Numbers: the worst of each law in units of its error bar, at most 1 where it holds: `optimality`,
/// `oracle`, `nonexpansive`, `moreau`, `fixed`, `tape`, `domain` (0 or infinite); `error`, the largest difference
/// from the oracle, relative to the largest entry of v and u; `probes`.
public struct ProxCheck: Check {
  /// A regularizer, and the points and metrics to try it at.
  public struct Subject: Sendable {
    /// Regularizer and metric.
    public var label: String
    /// What is checked.
    public var regularizer: any Regularizer
    /// v and p, any number.
    public var probes: [ProxProbe]
    /// What the operator is compared with; nil if nothing is known.
    public var reference: ProxReference?
    /// Whether r is a sum over coordinates, so that error bars are each coordinate's own.
    public var isSeparable: Bool

    /// Creates a subject; without `probes`, those of ``ProxProbe/standard(dimension:seed:)`` with 6 unknowns.
    public init(
      label: String? = nil, _ regularizer: any Regularizer, probes: [ProxProbe]? = nil,
      reference: ProxReference? = nil, isSeparable: Bool = false
    ) {
      self.label = label ?? regularizer.name
      self.regularizer = regularizer
      self.probes = probes ?? ProxProbe.standard(dimension: 6)
      self.reference = reference
      self.isSeparable = isSeparable
    }
  }

  public let claim = Claim(
    id: "PROX", title: "u = prox_{r,p}(v) minimises r(u) + ½ Σⱼ (uⱼ - vⱼ)² / pⱼ",
    source: "definition; Moreau 1965 in the metric of 1/p")

  public let equation =
    "prox_{r,p}(v) = argmin r(x) + ½ Σ (x_j - v_j)² / p_j; v = prox_{r,p}(v) + p ∘ prox_{r*,1/p}(v/p)"

  public let tolerance =
    "a few roundings of the sizes that meet in an entry (of all entries where r couples them), "
    + "carried through each law"

  public let blindSpots =
    "points and metrics that were not tried; differences below the error bar; directions that leave the "
    + "domain of r, where r has no value to compare"

  /// Creates the check.
  public init() {}

  public func run(_ subject: Subject) -> CheckResult {
    precondition(!subject.probes.isEmpty, "no probe")
    var audit = ProxAudit(subject)
    audit.run()
    var result = CheckResult(
      claim: claim, subject: subject.label, verdict: .inconclusive, reason: "",
      numbers: audit.worst.mapValues(\.excess).merging(
        ["probes": Double(subject.probes.count)]
      ) { own, _ in own }, evidence: audit.evidence)
    if subject.reference != nil { result.numbers["error"] = audit.error }
    let broken = audit.worst.filter { !($0.value.excess <= 1) }.map(\.key).sorted()
    result.verdict = .decide([], broken.isEmpty ? .isTrue(slack: nil) : .isFalse)
    if let worst = result.evidence.first {
      result.reason =
        "\(broken.joined(separator: ", ")): worst \(worst.path), \(worst.actual.brief), "
        + "allowed \(worst.reference.brief) ± \(worst.allowed.brief)"
    } else {
      let laws = audit.worst.keys.sorted().joined(separator: ", ")
      result.reason =
        "\(laws) at \(subject.probes.count) probes"
        + (subject.reference == nil ? "; without oracle and conjugate" : "")
    }
    return result
  }

  public var mutants: [Mutant<Subject>] {
    func sized(
      _ fault: String, _ make: (Double) -> PlainRegularizer
    ) -> [Mutant<Subject>] {
      [1, 1e-2, 1e-4, 1e-6].map { Mutant(fault, size: $0, make($0).subject) }
    }
    return sized("a share of the threshold is not multiplied by p") { size in
      .l1 { v, p, weight in soft(v, weight * ((1 - size) * p + size)) }
    }
      + sized("a share of the threshold is missing") { size in
        .l1 { v, p, weight in soft(v, (1 - size) * weight * p) }
      }
      + sized("clips below a positive number") { size in .orthant(bound: size) }
      + sized("entries sum to more than 1") { size in .simplex(total: 1 + size) }
      + sized("a Euclidean share in the metric") { size in .simplex(flattened: size) }
      + sized("pⱼ below a number counts as that number") { size in
        .l1 { v, p, weight in soft(v, weight * max(p, 1e-3 * size)) }
      }
      + [
        Mutant("the sign is lost", PlainRegularizer.l1 { abs(soft($0, $2 * $1)) }.subject),
        Mutant(
          "a hard threshold", PlainRegularizer.l1 { abs($0) > $1 * $2 ? $0 : 0 }.subject),
        Mutant(
          "pⱼ = 0 sends an entry to 0",
          PlainRegularizer.l1 { $1 == 0 ? 0 : soft($0, $2 * $1) }.subject),
        Mutant(
          "pⱼ = 0 divides by 0", PlainRegularizer.l1 { $1 * soft($0 / $1, $2) }.subject),
        Mutant(
          "shrinks where r = 0", size: 1e-6, PlainRegularizer.zero(factor: 1 - 1e-6).subject),
        Mutant(
          "pⱼ = 0 is not left out of the sum", PlainRegularizer.simplex(forgetsFixed: true).subject),
        Mutant(
          "a user's prox of half its weight",
          PlainRegularizer.l1 { soft($0, 0.5 * $2 * $1) }.withoutReference),
        Mutant(
          "a formula that is not the operator", size: 1e-6,
          PlainRegularizer.l1({ soft($0, $2 * $1) }, tapeError: 1e-6).subject),
      ]
  }

  public var cleanCases: [CleanCase<Subject>] {
    let own = [
      PlainRegularizer.l1 { soft($0, $2 * $1) }, .orthant(bound: 0), .simplex(), .zero(factor: 1),
    ]
    return own.map { CleanCase($0.name + " in plain loops", $0.subject) }
      + own.map { CleanCase($0.name + " without reference", $0.withoutReference) }
      + [
        CleanCase(
          "L1Norm",
          Subject(L1Norm(weight: 0.7), reference: .l1(weight: 0.7), isSeparable: true)),
        CleanCase(
          "NoRegularizer", Subject(NoRegularizer(), reference: .zero, isSeparable: true)),
      ]
  }
}
