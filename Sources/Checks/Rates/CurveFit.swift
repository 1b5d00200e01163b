import Foundation

/// A ``CurveModel`` fitted to a series with AR(1) errors.
struct CurveFit {
  var model: CurveModel
  /// The parameters of least squares, under the correlation that their own errors show.
  var parameters: [Double]
  /// Series minus curve.
  var residuals: [Double]
  /// The fit of the residuals by the derivatives: corrections with their distribution.
  var fit: AutoregressiveFit
  private let steps: [Double]
  private let logs: [Double]
  private let floor: Double

  /// Gauss-Newton with halved steps from every start, then again in the metric of the errors'
  /// correlation; nil if no start leads anywhere.
  init?(
    _ model: CurveModel, steps k: [Double], logs y: [Double], floor: Double,
    frequency: Double? = nil
  ) {
    // Every tenth point or so is enough to tell which start leads where; not so with a period.
    let stride = frequency == nil ? max(1, y.count / 250) : 1
    let (coarseK, coarseY) = (Self.thinned(k, stride), Self.thinned(y, stride))
    let ends = model.starts(coarseK, coarseY, frequency: frequency).map {
      Self.descend(model, $0, coarseK, coarseY, correlation: 0)
    }
    guard var best = ends.min(by: { $0.square < $1.square }), best.square.isFinite else {
      return nil
    }
    var left = Self.residuals(model, best.parameters, k, y)
    for _ in 0..<2 {
      best = Self.descend(
        model, best.parameters, k, y, correlation: Self.correlation(left))
      left = Self.residuals(model, best.parameters, k, y)
    }
    self.model = model
    (parameters, residuals, steps, logs, self.floor) = (best.parameters, left, k, y, floor)
    fit = AutoregressiveFit(
      columns: model.columns(best.parameters, k), y: left, floor: floor)
  }

  /// The last parameter's 95% interval around its median.
  var interval: (lower: Double, median: Double, upper: Double) {
    interval(of: parameters.count - 1)
  }

  /// The 95% interval of parameter `index` around its median.
  func interval(of index: Int) -> (lower: Double, median: Double, upper: Double) {
    if !isExact, let corner = CornerModel(model, parameters) {
      let own = corner.distribution(
        of: index, steps, logs, correlation: Self.correlation(residuals), floor: floor)
      if !own.parts.isEmpty {
        return (own.quantile(0.025), own.quantile(0.5), own.quantile(0.975))
      }
    }
    var own = fit
    if index != parameters.count - 1 {
      var columns = model.columns(parameters, steps)
      columns.append(columns.remove(at: index))
      own = AutoregressiveFit(columns: columns, y: residuals, floor: floor)
    }
    let value = parameters[index]
    return (
      value + own.quantile(0.025), value + own.quantile(0.5), value + own.quantile(0.975)
    )
  }

  /// Whether no more than rounding is left.
  var isExact: Bool {
    let n = Double(residuals.count)
    return (residuals.reduce(0) { $0 + $1 * $1 } / n).squareRoot() <= 8 * floor
  }

  private static func thinned(_ values: [Double], _ stride: Int) -> [Double] {
    Swift.stride(from: 0, to: values.count, by: stride).map { values[$0] }
  }

  private static func residuals(
    _ model: CurveModel, _ a: [Double], _ k: [Double], _ y: [Double]
  ) -> [Double] {
    zip(y, model.values(a, k)).map { $0 - $1 }
  }

  /// The correlation of neighbours, within what a fit can stand.
  private static func correlation(_ r: [Double]) -> Double {
    let square = r.reduce(0) { $0 + $1 * $1 }
    guard square > 0 else { return 0 }
    return min(max(zip(r.dropFirst(), r).reduce(0) { $0 + $1.0 * $1.1 } / square, -0.95), 0.98)
  }

  private static func descend(
    _ model: CurveModel, _ start: [Double], _ k: [Double], _ y: [Double], correlation: Double
  ) -> (square: Double, parameters: [Double]) {
    func square(_ r: [Double]) -> Double {
      var sum = (1 - correlation * correlation) * r[0] * r[0]
      for t in 1..<r.count {
        let e = r[t] - correlation * r[t - 1]
        sum += e * e
      }
      return sum
    }
    var a = start
    var r = residuals(model, a, k, y)
    var current = square(r)
    for _ in 0..<25 {
      guard
        let step = AutoregressiveFit.leastSquares(
          model.columns(a, k), r, correlation: correlation)
      else { break }
      var length = 1.0
      var next = (a, r, Double.infinity)
      while length > 0.02 {
        let trial = zip(a, step).map { $0 + length * $1 }
        let left = residuals(model, trial, k, y)
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
