import Engine

/// The derivative of a vector along one direction: central differences at two steps, extrapolated.
struct CentralDifference {
  /// The derivative, n entries.
  var values: Vector
  /// What extrapolation changed, n entries: the bar of the truncation.
  var change: Vector
  /// The bar of the rounding in double precision, n entries.
  var rounding: Vector

  /// Differences of `image` at `-step`, `step`, and half of them; `size` is that of what `image`
  /// computes with, n entries.
  init(step: Double, size: Vector, of image: (Double) throws -> Vector) rethrows {
    let wide = try image(step) - image(-step)
    let narrow = try image(step / 2) - image(-step / 2)
    values = Vector(zeros: wide.count)
    change = values
    rounding = values
    for i in 0..<wide.count {
      let (a, b) = (wide[i] / (2 * step), narrow[i] / step)
      values[i] = b + (b - a) / 3
      change[i] = abs(b - a)
      rounding[i] = 4 * .ulpOfOne * max(abs(size[i]), abs(wide[i])) / step
    }
  }
}
