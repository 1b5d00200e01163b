import Foundation

/// A ``CurveModel`` with a corner, seen from a given place κ of it: there it is a line in all other
/// parameters, or nearly one.
///
/// A short series tells little of κ, and curves are anything but linear in it. So intervals of slopes
/// are those of the mixture over all κ, weighted by the likelihood with everything else integrated out,
/// all places alike beforehand.
///
/// The weight of the errors' correlation φ needs care. Integrated over κ, too, it grows towards φ = 1,
/// where κ may stray far; linearised in κ it is that of the one place where errors look plainest. At
/// K = 200, σ = 0.3, φ = 0.9 the first makes intervals of two phases 1.65 times as wide as those of one who
/// knows φ, of which he needs no more than 1.5; the second covers a point too little. So it is their
/// geometric mean, with ``linearity`` for the second.
struct CornerModel {
  /// Two lines, or a line down to a floor.
  let model: CurveModel
  /// Parameters of the best curve.
  let parameters: [Double]

  /// κ of the best curve: where its lines meet.
  var place: Double {
    model == .broken ? parameters[1] : (parameters[1] - parameters[0]) / parameters[2]
  }

  init?(_ model: CurveModel, _ parameters: [Double]) {
    guard model == .broken || model == .floor && parameters[2] > 0 else { return nil }
    (self.model, self.parameters) = (model, parameters)
  }

  /// The best curve with its corner moved to `place`, and its slopes as they are.
  private func moved(to place: Double) -> [Double] {
    var a = parameters
    if model == .broken {
      // The value at the old corner stays.
      a[0] += (a[2] - a[3]) * (place - a[1])
      a[1] = place
    } else {
      a[1] = a[0] + a[2] * place
    }
    return a
  }

  /// The derivatives at `a` of all parameters but κ, slope `index` last; κ's own behind them.
  private func columns(
    _ a: [Double], _ k: [Double], last index: Int
  ) -> (given: [[Double]], place: [Double]) {
    let all = model.columns(a, k)
    if model == .broken {
      return ([all[0], all[index == 2 ? 3 : 2], all[index]], all[1])
    }
    // Of f, c and λ to f, λ and κ: c = f + λ κ.
    let place = (a[1] - a[0]) / a[2]
    return (
      [zip(all[0], all[1]).map { $0 + $1 }, zip(all[2], all[1]).map { $0 + place * $1 }],
      all[1].map { a[2] * $0 }
    )
  }

  /// The distribution of slope `index` of the series `y` at the steps `k`, both of which the best curve
  /// was fitted to under the errors' `correlation`.
  func distribution(
    of index: Int, _ k: [Double], _ y: [Double], correlation: Double, floor: Double
  ) -> StudentMixture {
    func residuals(_ a: [Double]) -> [Double] { zip(y, model.values(a, k)).map { $0 - $1 } }
    let best = columns(parameters, k, last: index)
    let linear = AutoregressiveFit(
      columns: best.given + [best.place], y: residuals(parameters), floor: floor)
    let deviation = (linear.quantile(0.841) - linear.quantile(0.159)) / 2
    // Dense around the best place and down to the ends of what can be a corner.
    let (start, end) = (k[0], k[k.count - 1])
    let first = start + min(Self.least, (place - start) / 2)
    let last = end - min(Self.least, (end - place) / 2)
    let reach = max(10 * deviation, (last - first) / 4)
    let half = asinh(reach / deviation)
    let freedom = Double(y.count - best.given.count)
    // One row for each place, one column for each φ.
    var table: [[StudentMixture.Part?]] = []
    for step in -Self.half...Self.half {
      let s = half * Double(step) / Double(Self.half)
      let place = place + deviation * sinh(s)
      guard place >= first, place <= last else { continue }
      var a = moved(to: place)
      // Two lines are linear in the rest, so that the fits below need no start.
      for _ in 0..<(model == .broken ? 0 : Self.corrections) {
        guard
          let change = AutoregressiveFit.leastSquares(
            columns(a, k, last: index).given, residuals(a), correlation: correlation)
        else { break }
        a[0] += change[0]
        a[2] += change[1]
        a[1] = a[0] + a[2] * place
      }
      let fits = AutoregressiveFit.Fits(
        columns: columns(a, k, last: index).given, y: residuals(a), floor: floor)
      table.append(
        linear.components.map { component in
          fits.at(component.angle).map {
            .init(
              centre: a[index] + $0.coefficient, error: $0.error,
              logWeight: $0.logWeight + log(cosh(s)))
          }
        })
    }
    var mixture = StudentMixture(parts: [], freedom: freedom)
    for (column, component) in linear.components.enumerated() {
      let parts = table.compactMap { $0[column] }
      guard let top = parts.map(\.logWeight).max() else { continue }
      let total = top + log(parts.reduce(0) { $0 + exp($1.logWeight - top) })
      let change = Self.linearity * (component.logWeight - total)
      mixture.parts += parts.map {
        .init(centre: $0.centre, error: $0.error, logWeight: $0.logWeight + change)
      }
    }
    return mixture
  }

  /// How much of φ's weight is that of the curve linearised in κ, too.
  private static let linearity = 0.75
  /// Steps that a phase has at least, unless the best one is hardly longer: on fewer nobody would look
  /// for a rate.
  private static let least = Double(RateAnalysis.leastCount) / 2
  /// Places on either side of the best.
  private static let half = 30
  /// Gauss-Newton steps of the other parameters of a line with a floor once κ has moved.
  private static let corrections = 3
}
