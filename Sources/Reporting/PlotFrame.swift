import Foundation

/// The data window of a chart, in which lengths can be compared with pixels.
struct PlotFrame {
  var x: ClosedRange<Double>
  var y: ClosedRange<Double>
  var xScale: Plot.Axis.Scale
  var yScale: Plot.Axis.Scale

  /// The points of a polyline that are needed to draw it to a sixth of a pixel (Douglas and Peucker 1973).
  ///
  /// Keeps gaps: a point that cannot be drawn is kept as it is.
  func thinned(_ xs: [Double], _ ys: [Double]) -> [(Double, Double)] {
    let at = zip(xs, ys).map { pixel($0, $1) }
    var result: [(Double, Double)] = []
    var start = 0
    while start < at.count {
      guard at[start].isDrawn else {
        result.append((xs[start], .nan))
        start += 1
        continue
      }
      let end = at[start...].firstIndex { !$0.isDrawn } ?? at.count
      result += kept(at[start..<end]).map { (xs[$0], ys[$0]) }
      start = end
    }
    return result
  }

  private struct Pixel {
    var x: Double
    var y: Double
    var isDrawn: Bool { x.isFinite && y.isFinite }
  }

  private func pixel(_ px: Double, _ py: Double) -> Pixel {
    func share(_ value: Double, _ range: ClosedRange<Double>, _ scale: Plot.Axis.Scale) -> Double {
      let f: (Double) -> Double = scale == .linear ? { $0 } : { log10($0) }
      return (f(value) - f(range.lowerBound)) / (f(range.upperBound) - f(range.lowerBound))
    }
    return Pixel(
      x: share(px, x, xScale) * Double(Plot.size.width),
      y: share(py, y, yScale) * Double(Plot.size.height))
  }

  private func kept(_ run: ArraySlice<Pixel>) -> [Int] {
    let (first, last) = (run.startIndex, run.endIndex - 1)
    var keep: Set<Int> = [first, last]
    var open = [(first, last)]
    while let (a, b) = open.popLast() {
      guard b > a + 1 else { continue }
      let (dx, dy) = (run[b].x - run[a].x, run[b].y - run[a].y)
      let length = (dx * dx + dy * dy).squareRoot()
      var (worst, offset) = (a, 1.0 / 6)
      for i in (a + 1)..<b {
        let (ex, ey) = (run[i].x - run[a].x, run[i].y - run[a].y)
        let away = length > 0 ? abs(ex * dy - ey * dx) / length : (ex * ex + ey * ey).squareRoot()
        if away > offset { (worst, offset) = (i, away) }
      }
      if worst != a {
        keep.insert(worst)
        open += [(a, worst), (worst, b)]
      }
    }
    return keep.sorted()
  }
}
