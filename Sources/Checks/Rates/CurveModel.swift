import Foundation

/// A shape that log F_k may follow, with its parameters; the rate or exponent comes last.
enum CurveModel: CaseIterable {
  /// c.
  case flat
  /// c - λ k.
  case line
  /// log (e^(c - λ k) + F_∞) with log F_∞ = f; parameters f, c, λ.
  case floor
  /// c - p log (k + e^s); parameters c, s, p.
  case power

  /// The value at step `k`.
  func value(_ a: [Double], _ k: Double) -> Double {
    switch self {
    case .flat: a[0]
    case .line: a[0] - a[1] * k
    case .floor: a[0] + Self.softplus(a[1] - a[2] * k - a[0])
    case .power: a[0] - a[2] * log(k + exp(a[1]))
    }
  }

  /// The derivatives by the parameters, one column each, at the steps `k`.
  func columns(_ a: [Double], _ k: [Double]) -> [[Double]] {
    let ones = [Double](repeating: 1, count: k.count)
    switch self {
    case .flat: return [ones]
    case .line: return [ones, k.map { -$0 }]
    case .floor:
      let share = k.map { 1 / (1 + exp(a[0] - a[1] + a[2] * $0)) }
      return [share.map { 1 - $0 }, share, zip(k, share).map { -$0 * $1 }]
    case .power:
      let shift = exp(a[1])
      return [ones, k.map { -a[2] * shift / ($0 + shift) }, k.map { -log($0 + shift) }]
    }
  }

  /// Where to start for the series `y` at `k`.
  func starts(_ k: [Double], _ y: [Double]) -> [[Double]] {
    let n = y.count
    switch self {
    case .flat: return [[y.reduce(0, +) / Double(n)]]
    case .line: return [[y[0], (y[0] - y[n - 1]) / max(1, k[n - 1] - k[0])]]
    case .floor:
      let tail = y.suffix(max(1, n / 10))
      let floor = tail.reduce(0, +) / Double(tail.count)
      return [0.1, 0.25, 0.5, 0.8].compactMap { part in
        let end = max(3, Int(part * Double(n)))
        guard
          let line = AutoregressiveFit.leastSquares(
            CurveModel.line.columns([], Array(k[..<end])), Array(y[..<end])),
          line[1] > 0
        else { return nil }
        return [floor, line[0], line[1]]
      }
    case .power:
      return [1e-3, 0.02, 0.2, 1].compactMap { part in
        let shift = max(0.5, part * (k[n - 1] - k[0]))
        let columns = [[Double](repeating: 1, count: n), k.map { -log($0 + shift) }]
        return AutoregressiveFit.leastSquares(columns, y).map { [$0[0], log(shift), $0[1]] }
      }
    }
  }

  private static func softplus(_ u: Double) -> Double { max(u, 0) + log1p(exp(-abs(u))) }
}

/// A ``CurveModel`` fitted to a series with AR(1) errors.
struct CurveFit {
  var model: CurveModel
  /// The parameters of least squares.
  var parameters: [Double]
  /// Series minus curve.
  var residuals: [Double]
  /// The fit of the residuals by the derivatives: corrections with their distribution.
  var fit: AutoregressiveFit

  /// Gauss-Newton with halved steps from every start, then the errors' correlation; nil if no start
  /// leads anywhere.
  init?(_ model: CurveModel, steps k: [Double], logs y: [Double], floor: Double) {
    // Every tenth point or so is enough to tell which start leads where.
    let stride = max(1, y.count / 400)
    let (coarseK, coarseY) = (Self.thinned(k, stride), Self.thinned(y, stride))
    let ends = model.starts(coarseK, coarseY).map { Self.descend(model, $0, coarseK, coarseY) }
    guard let end = ends.min(by: { $0.square < $1.square }), end.square.isFinite else {
      return nil
    }
    let best = Self.descend(model, end.parameters, k, y)
    self.model = model
    parameters = best.parameters
    residuals = zip(k, y).map { $1 - model.value(best.parameters, $0) }
    fit = AutoregressiveFit(
      columns: model.columns(best.parameters, k), y: residuals, floor: floor)
  }

  /// The last parameter's 95% interval around its median.
  var interval: (lower: Double, median: Double, upper: Double) {
    let value = parameters[parameters.count - 1]
    return (
      value + fit.quantile(0.025), value + fit.quantile(0.5), value + fit.quantile(0.975)
    )
  }

  private static func thinned(_ values: [Double], _ stride: Int) -> [Double] {
    Swift.stride(from: 0, to: values.count, by: stride).map { values[$0] }
  }

  private static func descend(
    _ model: CurveModel, _ start: [Double], _ k: [Double], _ y: [Double]
  ) -> (square: Double, parameters: [Double]) {
    func residuals(_ a: [Double]) -> [Double] { zip(k, y).map { $1 - model.value(a, $0) } }
    func square(_ r: [Double]) -> Double { r.reduce(0) { $0 + $1 * $1 } }
    var a = start
    var r = residuals(a)
    var current = square(r)
    for _ in 0..<25 {
      guard let step = AutoregressiveFit.leastSquares(model.columns(a, k), r) else { break }
      var length = 1.0
      var next = (a, r, Double.infinity)
      while length > 0.02 {
        let trial = zip(a, step).map { $0 + length * $1 }
        let left = residuals(trial)
        next = (trial, left, square(left))
        if next.2 < current { break }
        length /= 2
      }
      guard next.2 < current else { break }
      let gain = (current - next.2) / current
      (a, r, current) = next
      if gain < 1e-6 { break }
    }
    return (current.isFinite ? current : .infinity, a)
  }
}
