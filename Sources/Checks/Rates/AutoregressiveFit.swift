import Foundation

/// Least squares on a series whose errors are AR(1) with unknown correlation φ, integrated out.
///
/// For given φ the prewhitened (Prais-Winsten) problem is ordinary least squares. Its cross products
/// are A₀ + φ² (A₀ - E) - φ A₁ with A₀, A₁ the sums over lag 0 and 1 and E the two ends, so that after
/// one pass over the data every φ costs nothing. A coefficient's interval is the quantile range of
/// the mixture of its t distributions, weighted by the restricted likelihood of φ, all φ in (-1, 1)
/// alike beforehand. Unlike a plug-in of an estimated φ this knows how little a short correlated
/// series tells; unlike the reference prior of Berger and Yang (1994), dφ / √(1 - φ²), it does not
/// take every short series for a random walk, whose intervals are 1.7 times too wide at φ = 0.9.
struct AutoregressiveFit {
  /// The fit for one φ.
  struct Component {
    /// sin θ = φ.
    var angle: Double
    var coefficient: Double
    var error: Double
    var logWeight: Double
    fileprivate var deviance: Double
    fileprivate var promise: Double

    var correlation: Double { sin(angle) }
  }

  /// Number of points.
  let count: Int
  /// The fits on a grid of φ around the one of greatest weight.
  let components: [Component]
  /// φ of greatest weight.
  private(set) var correlation = 0.0
  /// Bayes' information criterion, up to a constant: smaller is better.
  ///
  /// Errors that wander can explain any curve by a plainer one, so φ has the weight √(1 - φ²) here.
  private(set) var criterion = Double.infinity
  /// The same after the linearised correction.
  private(set) var promisedCriterion = Double.infinity
  /// The last coefficient's distribution.
  let distribution: StudentMixture

  /// Fits `y` by `columns` of the same length; the coefficient that intervals are for is that of the
  /// last column.
  ///
  /// `floor` is the standard deviation below which residuals are rounding.
  init(columns: [[Double]], y: [Double], floor: Double) {
    let (p, n) = (columns.count, y.count)
    count = n
    let fits = Fits(columns: columns, y: y, floor: floor)
    let span = 1.52  // φ up to 0.9987
    // The grid is even in θ with φ = sin θ, so a weight by φ has a factor cos θ = √(1 - φ²).
    let rough = (-20...20).compactMap { fits.at(Double($0) * span / 20) }
    guard let mode = rough.max(by: { $0.logWeight < $1.logWeight }) else {
      (components, distribution) = ([], StudentMixture(parts: [], freedom: fits.freedom))
      return
    }
    // The weight is nearly normal in θ with deviation 1/√n: a grid of its own, but not a narrow one.
    let width = max(6 / Double(n).squareRoot(), 1.1 * span / 20)
    components = (-30...30).compactMap { step in
      let angle = mode.angle + Double(step) * width / 30
      return abs(angle) <= span ? fits.at(angle) : nil
    }
    distribution = StudentMixture(
      parts: components.map {
        .init(centre: $0.coefficient, error: $0.error, logWeight: $0.logWeight)
      }, freedom: fits.freedom)
    guard let best = components.max(by: { $0.logWeight < $1.logWeight }) else { return }
    correlation = best.correlation
    let penalty = Double(p + 2) * log(Double(n))
    criterion = (components.map(\.deviance).min() ?? .infinity) + penalty
    promisedCriterion = (components.map(\.promise).min() ?? .infinity) + penalty
  }

  /// The quantile `probability` of the last coefficient.
  func quantile(_ probability: Double) -> Double { distribution.quantile(probability) }

  /// Least squares of one series by the same columns under any φ, from one pass over the data.
  struct Fits {
    /// Degrees of freedom.
    let freedom: Double
    private let columns: Int
    private let points: Double
    private let products: CrossProducts
    private let rounding: Double

    init(columns: [[Double]], y: [Double], floor: Double) {
      self.columns = columns.count
      points = Double(y.count)
      freedom = Double(y.count - columns.count)
      products = CrossProducts(columns + [y])
      rounding = Double(y.count) * floor * floor
    }

    /// The fit under φ = sin θ; nil if the columns are dependent.
    func at(_ angle: Double) -> Component? {
      let (p, phi) = (columns, sin(angle))
      let whitened = products.whitened(phi)
      guard let root = whitened.choleskyRows(p + 1, keeping: p) else { return nil }
      // Before the correction: far from a minimum a linearised curve promises too much.
      let uncorrected = whitened.elements[p * (p + 1) + p] + rounding
      let square = root[p * (p + 1) + p] + rounding
      let pivots = (0..<p).map { root[$0 * (p + 1) + $0] }
      let last = pivots[p - 1]
      let stationarity = log(1 - phi * phi)
      return Component(
        angle: angle, coefficient: root[(p - 1) * (p + 1) + p] / last,
        error: (square / freedom).squareRoot() / last,
        logWeight: stationarity - pivots.map { log($0) }.reduce(0, +)
          - freedom / 2 * log(square),
        deviance: points * log(uncorrected / points) - 2 * stationarity,
        promise: points * log(square / points) - 2 * stationarity)
    }
  }
}

/// The sums over a multivariate series that any AR(1) whitening is made of.
private struct CrossProducts {
  var order: Int
  var lag0: [Double]
  var lag1: [Double]
  var ends: [Double]

  /// Sums over all of `series`; without `lagged` only those that plain least squares needs.
  init(_ series: [[Double]], lagged: Bool = true) {
    order = series.count
    let n = series[0].count
    let size = order * order
    (lag0, lag1, ends) = (
      [Double](repeating: 0, count: size), [Double](repeating: 0, count: size),
      [Double](repeating: 0, count: size)
    )
    for i in 0..<order {
      for j in i..<order {
        let (a, b) = (series[i], series[j])
        lag0[i * order + j] = Self.dot(a, 0, b, 0, n)
        guard lagged else { continue }
        lag1[i * order + j] = Self.dot(a, 1, b, 0, n - 1) + Self.dot(a, 0, b, 1, n - 1)
        ends[i * order + j] = a[0] * b[0] + a[n - 1] * b[n - 1]
      }
    }
  }

  /// Σ a[i + t] b[j + t] over `count` terms, in four sums so that additions need not wait.
  private static func dot(_ a: [Double], _ i: Int, _ b: [Double], _ j: Int, _ count: Int) -> Double
  {
    var (s0, s1, s2, s3) = (0.0, 0.0, 0.0, 0.0)
    var t = 0
    while t + 4 <= count {
      s0 += a[i + t] * b[j + t]
      s1 += a[i + t + 1] * b[j + t + 1]
      s2 += a[i + t + 2] * b[j + t + 2]
      s3 += a[i + t + 3] * b[j + t + 3]
      t += 4
    }
    while t < count {
      s0 += a[i + t] * b[j + t]
      t += 1
    }
    return (s0 + s1) + (s2 + s3)
  }

  /// The upper triangle of the cross products after whitening with `phi`.
  func whitened(_ phi: Double) -> SmallSymmetric {
    SmallSymmetric(
      elements: lag0.indices.map {
        lag0[$0] + phi * phi * (lag0[$0] - ends[$0]) - phi * lag1[$0]
      })
  }
}

/// The upper triangle of a small symmetric matrix.
private struct SmallSymmetric {
  var elements: [Double]

  /// The rows R of RᵀR for the first `rows` pivots; the entries beyond hold the Schur complement.
  ///
  /// Nil where a pivot is not positive.
  func choleskyRows(_ order: Int, keeping rows: Int) -> [Double]? {
    var r = elements
    for k in 0..<rows {
      guard r[k * order + k] > 0 else { return nil }
      let pivot = r[k * order + k].squareRoot()
      for j in k..<order { r[k * order + j] /= pivot }
      for i in (k + 1)..<order {
        for j in i..<order { r[i * order + j] -= r[k * order + i] * r[k * order + j] }
      }
    }
    r[order * order - 1] = max(0, r[order * order - 1])
    return r
  }
}

extension AutoregressiveFit {
  /// The least-squares coefficients of `y` on `columns` under AR(1) errors of known correlation;
  /// nil if the columns are dependent.
  static func leastSquares(
    _ columns: [[Double]], _ y: [Double], correlation: Double = 0
  ) -> [Double]? {
    let p = columns.count
    let products = CrossProducts(columns + [y], lagged: correlation != 0).whitened(correlation)
    guard let r = products.choleskyRows(p + 1, keeping: p) else { return nil }
    var x = [Double](repeating: 0, count: p)
    for i in (0..<p).reversed() {
      var sum = r[i * (p + 1) + p]
      for j in (i + 1)..<max(i + 1, p) { sum -= r[i * (p + 1) + j] * x[j] }
      x[i] = sum / r[i * (p + 1) + i]
    }
    return x
  }
}
