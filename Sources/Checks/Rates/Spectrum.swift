import Foundation

/// Where the spectrum of a series stands out.
enum Spectrum {
  /// The frequency in radians per step of the largest ordinate, at least three periods long, and
  /// that ordinate over the mean one; of white noise about log (n / 2).
  ///
  /// The series is extended by zeros to a power of two of at least twice its length, so that the
  /// maximum lies within an eighth of the width of a spectral line.
  static func peak(_ values: [Double]) -> (frequency: Double, ratio: Double)? {
    let n = values.count
    guard n >= 8 else { return nil }
    var size = 16
    while size < 4 * n { size *= 2 }
    var re = values + [Double](repeating: 0, count: size - n)
    var im = [Double](repeating: 0, count: size)
    transform(&re, &im)
    let first = (3 * size + n - 1) / n
    guard first < size / 2 else { return nil }
    func power(_ i: Int) -> Double { re[i] * re[i] + im[i] * im[i] }
    guard let best = (first..<(size / 2)).max(by: { power($0) < power($1) }), power(best) > 0
    else { return nil }
    let mean = values.reduce(0) { $0 + $1 * $1 }
    return (2 * .pi * Double(best) / Double(size), power(best) / mean)
  }

  /// Cooley and Tukey's transform in place; the length is a power of two.
  private static func transform(_ re: inout [Double], _ im: inout [Double]) {
    let n = re.count
    var reversed = 0
    for i in 1..<n {
      var bit = n >> 1
      while reversed & bit != 0 {
        reversed ^= bit
        bit >>= 1
      }
      reversed |= bit
      if i < reversed {
        re.swapAt(i, reversed)
        im.swapAt(i, reversed)
      }
    }
    let roots = (0..<(n / 2)).map { -2 * .pi * Double($0) / Double(n) }.map { (cos($0), sin($0)) }
    var length = 2
    while length <= n {
      let (half, stride) = (length / 2, n / length)
      for start in Swift.stride(from: 0, to: n, by: length) {
        for j in 0..<half {
          let (c, s) = roots[j * stride]
          let (a, b) = (start + j, start + j + half)
          let (x, y) = (re[b] * c - im[b] * s, re[b] * s + im[b] * c)
          (re[b], im[b]) = (re[a] - x, im[a] - y)
          (re[a], im[a]) = (re[a] + x, im[a] + y)
        }
      }
      length *= 2
    }
  }
}
