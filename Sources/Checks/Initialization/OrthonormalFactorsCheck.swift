public import Engine

/// Checks that hidden weights start as e times a sign-fixed orthonormal factor (I2).
///
/// With Q = W/e (its transpose if W is wide) every entry of QᵀQ - I is at most 100 n u in
/// magnitude, n the longer side of W and u = 2^-52: the bound on Householder's Q times a modest
/// constant, and the rounding of QᵀQ itself. If the Gaussian draw G is given, QᵀG must be upper
/// triangular with a positive diagonal, which fixes all signs. Of |Q| orthonormality cannot be
/// asked: checked are its entries' signs and the unit norms, and the defect is reported.
///
/// Numbers, worst over layers: `defect`, max |QᵀQ - I|; `normDefect`, max | ‖q‖² - 1 |;
/// `allowed`; `smallestEntry` of all Q; `belowDiagonal`, max |QᵀG| below the diagonal over ‖G‖;
/// `smallestDiagonal` of QᵀG.
public struct OrthonormalFactorsCheck: Check {
  /// Weights before training.
  public struct Subject: Sendable {
    /// Rule and setting.
    public var label: String
    /// W_1 to W_{L-1}.
    public var weights: [Matrix]
    /// e.
    public var scale: Double
    /// Whether the entries are claimed to be magnitudes, as paper A's text has it.
    public var isNonNegative: Bool
    /// The Gaussian draws behind the weights, of the same shapes; nil where not known.
    public var draws: [Matrix?]

    /// Creates a subject.
    public init(
      label: String, weights: [Matrix], scale: Double, isNonNegative: Bool = false,
      draws: [Matrix?]? = nil
    ) {
      precondition(scale != 0, "e = 0")
      precondition((draws ?? []).count <= weights.count, "more draws than weights")
      self.label = label
      self.weights = weights
      self.scale = scale
      self.isNonNegative = isNonNegative
      self.draws = (draws ?? []) + weights.dropFirst(draws?.count ?? 0).map { _ in nil }
    }
  }

  public let claim = Claim(
    id: "I2", title: "hidden weights start as e times orthonormal QR factors with diag R > 0",
    source: "paper A, initialisation")

  public let equation =
    "QᵀQ = I, Q = W/e; QᵀG upper triangular with positive diagonal"

  public let tolerance =
    "100 n 2⁻⁵², Householder's bound with a modest constant and the rounding of QᵀQ"

  public let blindSpots =
    "signs, where the Gaussian draw is not given; orthonormality of magnitudes, which "
    + "they do not have"

  /// Creates the check.
  public init() {}

  public func run(_ subject: Subject) -> CheckResult {
    var result = CheckResult(
      claim: claim, subject: subject.label, verdict: .inconclusive, reason: "",
      numbers: [
        "defect": 0, "normDefect": 0, "allowed": 0, "smallestEntry": .infinity,
      ])
    func raise(_ key: String, _ value: Double) {
      // NaN must not get lost in a maximum.
      let old = result.numbers[key] ?? 0
      result.numbers[key] = value.isNaN || old.isNaN ? .nan : max(old, value)
    }
    for (l, (weight, draw)) in zip(subject.weights, subject.draws).enumerated() {
      let place = "W\(l + 1)"
      let isWide = weight.rows < weight.columns
      var q = isWide ? weight.transposed : weight
      q.elements = q.elements.map { $0 / subject.scale }
      let allowed = 100 * Double(q.rows) * Double.ulpOfOne
      raise("allowed", allowed)
      let gram = Matrix.product(q, .transposed, q)
      for i in 0..<gram.rows {
        for j in 0...i {
          let isDiagonal = i == j
          let defect = abs(gram[i, j] - (isDiagonal ? 1 : 0))
          raise("defect", defect)
          if isDiagonal { raise("normDefect", defect) }
          guard isDiagonal || !subject.isNonNegative, !(defect <= allowed) else { continue }
          result.evidence.append(
            Evidence(
              "\(place)/QᵀQ[\(i),\(j)]", actual: gram[i, j], reference: isDiagonal ? 1 : 0,
              allowed: allowed))
        }
      }
      let smallest = q.elements.min() ?? 0
      result.numbers["smallestEntry"] = min(result.numbers["smallestEntry"] ?? smallest, smallest)
      if subject.isNonNegative {
        if smallest < 0 {
          result.evidence.append(
            Evidence("\(place)/smallest entry", actual: smallest, reference: 0, allowed: 0))
        }
      } else if let draw {
        checkSigns(q, isWide ? draw.transposed : draw, place, allowed, &result)
      }
    }
    judge(subject, &result)
    return result
  }

  private func checkSigns(
    _ q: Matrix, _ draw: Matrix, _ place: String, _ allowed: Double, _ result: inout CheckResult
  ) {
    precondition(q.rows == draw.rows && q.columns == draw.columns, "\(place): shape of its draw")
    let r = Matrix.product(q, .transposed, draw)
    let size = draw.frobeniusNorm
    for i in 0..<r.rows {
      result.numbers["smallestDiagonal"] = min(
        result.numbers["smallestDiagonal"] ?? .infinity, r[i, i])
      if !(r[i, i] > 0) {
        result.evidence.append(
          Evidence("\(place)/R[\(i),\(i)]", actual: r[i, i], reference: abs(r[i, i]), allowed: 0))
      }
      for j in 0..<i {
        result.numbers["belowDiagonal"] = max(
          result.numbers["belowDiagonal"] ?? 0, abs(r[i, j]) / size)
        guard !(abs(r[i, j]) <= allowed * size) else { continue }
        result.evidence.append(
          Evidence("\(place)/R[\(i),\(j)]", actual: r[i, j], reference: 0, allowed: allowed * size)
        )
      }
    }
  }

  private func judge(_ subject: Subject, _ result: inout CheckResult) {
    result.evidence.sort { $0.excess > $1.excess }
    let defect = (result.numbers["defect"] ?? .nan).brief
    let normDefect = (result.numbers["normDefect"] ?? .nan).brief
    let allowed = (result.numbers["allowed"] ?? .nan).brief
    if let worst = result.evidence.first {
      result.verdict = .decide([], .isFalse)
      result.reason =
        "\(worst.path) is \(worst.actual), want \(worst.reference) within \(worst.allowed.brief)"
    } else {
      result.verdict = .decide([], .isTrue(slack: nil))
      result.reason =
        subject.isNonNegative
        ? "|Q|: entries >= 0, squared norms 1 within \(normDefect) (\(allowed) allowed); "
          + "not orthonormal, max |QᵀQ - I| = \(defect)"
        : "max |QᵀQ - I| = \(defect), \(allowed) allowed"
    }
  }

  public var mutants: [Mutant<Subject>] {
    [
      Mutant("a column scaled", size: 1e-10, subject { $0[0].scaleColumn(0, by: 1 + 1e-10) }),
      Mutant(
        "a row of a wide one scaled", size: 1e-10, subject { $0[1].scaleRow(1, by: 1 + 1e-10) }),
      Mutant("a column's sign", subject { $0[0].scaleColumn(1, by: -1) }),
      Mutant("e², not e", subject { w in w[0].elements = w[0].elements.map { 50 * $0 } }),
      Mutant("Gaussian, not orthonormal", subject { $0[1] = Self.draws[1] }),
      Mutant("an entry off", size: 1e-8, subject { $0[1][1, 7] *= 1 + 1e-8 }),
      Mutant("an entry is NaN", subject { $0[1][0, 3] = .nan }),
      Mutant("magnitudes claimed, signs kept", subject(isNonNegative: true) { _ in }),
      Mutant(
        "a row of magnitudes scaled", size: 1e-10,
        subject(isNonNegative: true) {
          $0 = $0.map(Self.magnitudes)
          $0[1].scaleRow(0, by: 1 + 1e-10)
        }),
    ]
  }

  public var cleanCases: [CleanCase<Subject>] {
    [
      CleanCase("square and wide, with draws", subject { _ in }),
      CleanCase("magnitudes", subject(isNonNegative: true) { $0 = $0.map(Self.magnitudes) }),
      CleanCase(
        "without draws the sign is open",
        subject(knowsDraws: false) { $0[0].scaleColumn(1, by: -1) }),
    ]
  }

  private static let draws: [Matrix] = {
    var rng = SplitMix64(seed: 11)
    return [rng.matrix(2, 2), rng.matrix(2, 64), rng.matrix(64, 16)]
  }()

  private static func magnitudes(_ w: Matrix) -> Matrix {
    Matrix(rows: w.rows, columns: w.columns, elements: w.elements.map(abs))
  }

  /// Factors by Gram and Schmidt, twice: another road than the Householder one on trial.
  private func subject(
    isNonNegative: Bool = false, knowsDraws: Bool = true, _ fault: (inout [Matrix]) -> Void
  ) -> Subject {
    var weights = Self.draws.map { draw in
      let isWide = draw.rows < draw.columns
      var q = isWide ? draw.transposed : draw
      for _ in 0..<2 { q.orthonormalizeColumns() }
      q.elements = q.elements.map { 50 * $0 }
      return isWide ? q.transposed : q
    }
    fault(&weights)
    return Subject(
      label: "own factors", weights: weights, scale: 50, isNonNegative: isNonNegative,
      draws: knowsDraws ? Self.draws : nil)
  }
}

extension Matrix {
  fileprivate mutating func scaleColumn(_ j: Int, by factor: Double) {
    for i in 0..<rows { self[i, j] *= factor }
  }

  fileprivate mutating func scaleRow(_ i: Int, by factor: Double) {
    for j in 0..<columns { self[i, j] *= factor }
  }

  /// One pass of Gram and Schmidt over the columns, in order.
  fileprivate mutating func orthonormalizeColumns() {
    for j in 0..<columns {
      for k in 0..<j {
        let part = (0..<rows).reduce(0) { $0 + self[$1, k] * self[$1, j] }
        for i in 0..<rows { self[i, j] -= part * self[i, k] }
      }
      let norm = (0..<rows).reduce(0) { $0 + self[$1, j] * self[$1, j] }.squareRoot()
      for i in 0..<rows { self[i, j] /= norm }
    }
  }
}
