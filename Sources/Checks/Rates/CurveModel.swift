import Foundation

/// A shape that log F_k may follow, with its parameters; the rate or exponent comes last.
enum CurveModel: Hashable {
  /// c.
  case flat
  /// c - λ k.
  case line
  /// log (e^(c - λ k) + F_∞) with log F_∞ = f; parameters f, c, λ.
  case floor
  /// c - p log (k + e^s); parameters c, s, p.
  case power
  /// Two lines that meet at κ: c - λ₁ min(k, κ) - λ₂ max(k - κ, 0); parameters c, κ, λ₁, λ₂.
  case broken
  /// A line with `harmonics` of a periodic part; parameters c, ω, b₁, c₁, b₂, ... and λ.
  case wave(harmonics: Int)

  /// The shapes without a period, from plain to rich.
  static let smooth: [CurveModel] = [.flat, .line, .floor, .power, .broken]

  /// The values at the steps `k`.
  func values(_ a: [Double], _ k: [Double]) -> [Double] {
    switch self {
    case .flat: return k.map { _ in a[0] }
    case .line: return k.map { a[0] - a[1] * $0 }
    case .floor: return k.map { a[0] + Self.softplus(a[1] - a[2] * $0 - a[0]) }
    case .power:
      let shift = exp(a[1])
      return k.map { a[0] - a[2] * log($0 + shift) }
    case .broken: return k.map { a[0] - a[2] * min($0, a[1]) - a[3] * max($0 - a[1], 0) }
    case .wave(let harmonics):
      let rate = a[a.count - 1]
      return k.map { step in
        let (c, s) = (cos(a[1] * step), sin(a[1] * step))
        var (re, im, sum) = (1.0, 0.0, a[0] - rate * step)
        for j in 0..<harmonics {
          (re, im) = (re * c - im * s, re * s + im * c)
          sum += a[2 + 2 * j] * re + a[3 + 2 * j] * im
        }
        return sum
      }
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
    case .broken:
      return [
        ones, k.map { $0 > a[1] ? a[3] - a[2] : 0 }, k.map { -min($0, a[1]) },
        k.map { -max($0 - a[1], 0) },
      ]
    case .wave(let harmonics):
      var parts = [[Double]](repeating: [], count: 2 * harmonics)
      var slope = [Double](repeating: 0, count: k.count)
      for (t, step) in k.enumerated() {
        let (c, s) = (cos(a[1] * step), sin(a[1] * step))
        var (re, im) = (1.0, 0.0)
        for j in 0..<harmonics {
          (re, im) = (re * c - im * s, re * s + im * c)
          parts[2 * j].append(re)
          parts[2 * j + 1].append(im)
          slope[t] += step * Double(j + 1) * (a[3 + 2 * j] * re - a[2 + 2 * j] * im)
        }
      }
      return [ones, slope] + parts + [k.map { -$0 }]
    }
  }

  /// Where to start for the series `y` at `k`; a wave starts at `frequency`.
  func starts(_ k: [Double], _ y: [Double], frequency: Double? = nil) -> [[Double]] {
    let n = y.count
    switch self {
    case .flat: return [[y.reduce(0, +) / Double(n)]]
    case .line:
      return [AutoregressiveFit.leastSquares(columns([], k), y)].compactMap { $0 }
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
        return [min(floor, line[0] - line[1] * k[n - 1] / 2), line[0], line[1]]
      }
    case .power:
      return [1e-3, 0.02, 0.2, 1].compactMap { part in
        let shift = max(0.5, part * (k[n - 1] - k[0]))
        let columns = [[Double](repeating: 1, count: n), k.map { -log($0 + shift) }]
        return AutoregressiveFit.leastSquares(columns, y).map { [$0[0], log(shift), $0[1]] }
      }
    case .broken:
      // Of a grid of corners the best three.
      let ones = [Double](repeating: 1, count: n)
      let trials = (1..<20).compactMap { part -> (Double, [Double])? in
        let corner = k[0] + (k[n - 1] - k[0]) * Double(part) / 20 + 0.5
        let columns = [ones, k.map { -min($0, corner) }, k.map { -max($0 - corner, 0) }]
        guard let a = AutoregressiveFit.leastSquares(columns, y) else { return nil }
        let start = [a[0], corner, a[1], a[2]]
        let square = zip(values(start, k), y).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        return (square, start)
      }
      return trials.sorted { $0.0 < $1.0 }.prefix(3).map(\.1)
    case .wave(let harmonics):
      guard let frequency else { return [] }
      let amplitudes = [Double](repeating: 0, count: 2 * harmonics)
      var fixed = columns([0, frequency] + amplitudes + [0], k)
      fixed.remove(at: 1)
      return [AutoregressiveFit.leastSquares(fixed, y)].compactMap { $0 }.map {
        [$0[0], frequency] + $0.dropFirst()
      }
    }
  }

  private static func softplus(_ u: Double) -> Double { max(u, 0) + log1p(exp(-abs(u))) }
}
