public import Engine

/// Checks that the last hidden layer scales with e^(L-1) at initialisation (I3).
///
/// A network without biases is homogeneous in each weight, and at initialisation no iterate
/// depends on e. If e is a power of two, every entry of G(e) is e^(L-1) G(1) bit for bit; else to
/// 4 ulp of the sum of magnitudes behind it, since an entry may be what is left of a cancellation
/// (without magnitudes: of the entry). Singular values to 1e-12 σ_max.
///
/// Numbers: `factor`, e^(L-1); `worstUlp`, the largest distance in units of the last place allowed
/// for; `singularDefect`, the largest difference of singular values over σ_max.
public struct HomogeneityCheck: Check {
  /// The last hidden layer, twice.
  public struct Subject: Sendable {
    /// Rule, problem and setting.
    public var label: String
    /// G_{L-1,T} at scale e, coordinates by units.
    public var scaled: Matrix
    /// G_{L-1,T} at scale 1, of the same shape.
    public var unit: Matrix
    /// e.
    public var scale: Double
    /// L.
    public var depth: Int
    /// The product of all magnitudes, |u| to |W_{L-1}|, at scale 1: what entries are sums of.
    public var magnitudes: Matrix?

    /// Creates a subject.
    public init(
      label: String, scaled: Matrix, unit: Matrix, scale: Double, depth: Int,
      magnitudes: Matrix? = nil
    ) {
      for other in [unit, magnitudes ?? unit] {
        precondition(
          scaled.rows == other.rows && scaled.columns == other.columns,
          "\(scaled.rows) x \(scaled.columns) beside \(other.rows) x \(other.columns)")
      }
      precondition(depth >= 2, "depth \(depth)")
      self.label = label
      self.scaled = scaled
      self.unit = unit
      self.scale = scale
      self.depth = depth
      self.magnitudes = magnitudes
    }
  }

  public let claim = Claim(
    id: "I3", title: "at initialisation G_{L-1,T}(e) = e^(L-1) G_{L-1,T}(1)",
    source: "derived: the network is homogeneous, P = 1")

  public let equation =
    "G_{L-1,T}(e) = e^(L-1) G_{L-1,T}(1)"

  public let tolerance =
    "none if e is a power of two, else 4 ulp of the sum of magnitudes behind an entry; "
    + "1e-12 σ_max for singular values"

  public let blindSpots =
    "weights that are not initial"

  /// Creates the check.
  public init() {}

  public func run(_ subject: Subject) -> CheckResult {
    let factor = (1..<subject.depth).reduce(1.0) { product, _ in product * subject.scale }
    let isPower = subject.scale.significandWidth == 0
    var result = CheckResult(
      claim: claim, subject: subject.label, verdict: .inconclusive, reason: "",
      premises: [
        Premise(
          "G(1) is finite and not 0",
          met: subject.unit.isFinite && subject.unit.frobeniusNorm > 0,
          "norm \(subject.unit.frobeniusNorm.brief)")
      ], numbers: ["factor": factor])
    var worst = 0.0
    var differing = 0
    for i in subject.scaled.elements.indices {
      let expected = factor * subject.unit.elements[i]
      let size = subject.magnitudes.map { factor * $0.elements[i] } ?? expected
      let ulp = max(size.ulp, expected.ulp)
      let allowed = isPower ? 0 : 4 * ulp
      let distance = abs(subject.scaled.elements[i] - expected)
      worst = distance.isNaN || worst.isNaN ? .nan : max(worst, distance / ulp)
      guard !(distance <= allowed) else { continue }
      differing += 1
      let (row, column) = (i / subject.scaled.columns, i % subject.scaled.columns)
      result.evidence.append(
        Evidence(
          "coordinate=\(row)/unit=\(column)", actual: subject.scaled.elements[i],
          reference: expected, allowed: allowed))
    }
    result.numbers["worstUlp"] = worst
    compareSingularValues(subject, factor, &result)
    result.evidence.sort { $0.excess > $1.excess }
    let kind = isPower ? "bit for bit" : "within 4 ulp"
    if let first = result.evidence.first {
      result.verdict = .decide(result.premises, .isFalse)
      result.reason =
        "\(differing) entries not \(kind), worst \(first.path): \(first.actual), want "
        + "\(first.reference)"
    } else {
      result.verdict = .decide(result.premises, .isTrue(slack: nil))
      result.qualifier = isPower ? "exact" : nil
      result.reason =
        "all entries \(kind), worst \(worst.brief) ulp; singular values to "
        + "\((result.numbers["singularDefect"] ?? .nan).brief) σ_max"
    }
    result.evidence = Array(result.evidence.prefix(10))
    return result
  }

  private func compareSingularValues(
    _ subject: Subject, _ factor: Double, _ result: inout CheckResult
  ) {
    guard let a = try? subject.scaled.singularValues(), let b = try? subject.unit.singularValues()
    else { return }
    let largest = factor * (b.elements.first ?? 0)
    guard largest > 0 else { return }
    var defect = 0.0
    for k in 0..<a.count {
      let expected = factor * b[k]
      defect = max(defect, abs(a[k] - expected) / largest)
      guard !(abs(a[k] - expected) <= 1e-12 * largest) else { continue }
      result.evidence.append(
        Evidence(
          "singular value \(k)", actual: a[k], reference: expected, allowed: 1e-12 * largest))
    }
    result.numbers["singularDefect"] = defect
  }

  public var mutants: [Mutant<Subject>] {
    [
      Mutant(
        "e^L, not e^(L-1)", subject(scale: 50) { g in g.elements = g.elements.map { 50 * $0 } }),
      Mutant(
        "an entry off by an ulp, e = 64", size: .ulpOfOne,
        subject(scale: 64) { $0[2, 3] = $0[2, 3].nextUp }),
      Mutant(
        "something added", size: 1e-10,
        subject(scale: 50) { g in g.elements = g.elements.map { $0 + 1e-10 } }),
      Mutant("an entry is NaN", subject(scale: 50) { $0[0, 0] = .nan }),
      Mutant("a zero entry comes alive", size: 1e-300, subject(scale: 2) { $0[4, 0] = 1e-300 }),
    ]
  }

  public var cleanCases: [CleanCase<Subject>] {
    [
      CleanCase("e = 64", subject(scale: 64) { _ in }),
      CleanCase("e = 50", subject(scale: 50) { _ in }),
      CleanCase(
        "a dead layer", expected: .holdsVacuously,
        Subject(
          label: "zeros", scaled: Matrix(zeros: 3, 4), unit: Matrix(zeros: 3, 4), scale: 50,
          depth: 3)),
    ]
  }

  /// L = 3: ReLU(e W2 ReLU(e W1 u)) with products formed entry by entry.
  private func subject(scale: Double, _ fault: (inout Matrix) -> Void) -> Subject {
    var rng = SplitMix64(seed: 13)
    var inputs = rng.matrix(8, 2)
    (inputs[4, 0], inputs[4, 1]) = (0, 0)
    let (first, second) = (rng.matrix(2, 2), rng.matrix(2, 12))
    func layer(_ g: Matrix, _ w: Matrix, _ e: Double) -> Matrix {
      var result = Matrix(zeros: g.rows, w.columns)
      for i in 0..<g.rows {
        for j in 0..<w.columns {
          result[i, j] = max(0, (0..<w.rows).reduce(0) { $0 + g[i, $1] * (e * w[$1, j]) })
        }
      }
      return result
    }
    func magnitude(_ m: Matrix) -> Matrix {
      Matrix(rows: m.rows, columns: m.columns, elements: m.elements.map(abs))
    }
    var scaled = layer(layer(inputs, first, scale), second, scale)
    fault(&scaled)
    return Subject(
      label: "three layers, e = \(scale.brief)", scaled: scaled,
      unit: layer(layer(inputs, first, 1), second, 1), scale: scale, depth: 3,
      magnitudes: layer(layer(magnitude(inputs), magnitude(first), 1), magnitude(second), 1))
  }
}
