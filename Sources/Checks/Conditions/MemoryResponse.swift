import Engine
import Optimization

/// How a step answers to its memory: A_k, what x - x_{k-1} is multiplied with.
///
/// The iterate is shifted against its memory, and together with it, with the gradient held: what the
/// two derivatives differ by is due to the memory. A rule of another form (with y_k for x_{k-1})
/// shows another matrix that is bounded as long as A_k and B_k are.
struct MemoryResponse {
  /// ‖A_k‖_F.
  var norm = 0.0
  /// The error that differences leave in it.
  var error = 0.0
  var probes = 0

  /// Differences at `x`, with shifts of `step`; nil where `image` is.
  ///
  /// - Parameter image: where a point leads to, before the proximal step; with remembered iterates
  ///   set to the point or left alone.
  init?(
    at x: Vector, step: Double, _ precision: Precision,
    image: (_ point: Vector, _ isSettled: Bool) throws -> Vector?
  ) throws {
    var (squares, errors) = (0.0, 0.0)
    var isSilent = false
    for j in 0..<x.count {
      let column = try CentralDifference(step: step, size: x) { h in
        var point = x
        point[j] += h
        probes += 2
        guard let left = try image(point, false), let moved = try image(point, true) else {
          isSilent = true
          return Vector(zeros: x.count)
        }
        return left - moved
      }
      if isSilent { return nil }
      for i in 0..<x.count {
        squares += column.values[i] * column.values[i]
        // Two images make one difference here.
        let bar = column.change[i] + 2 * column.rounding[i] * precision.factor
        errors += bar * bar
      }
    }
    norm = squares.squareRoot()
    error = errors.squareRoot()
  }
}
