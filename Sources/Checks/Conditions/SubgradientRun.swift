import Engine
import Optimization

/// What the largest entries of doublings do.
enum SubgradientTrend: String {
  case vanishes = "vanish"
  case stays = "stay"
  case undecided = "do neither within the horizon"

  /// Of the maxima of all doublings, at least nine.
  init(_ maxima: [Double]) {
    let n = maxima.count
    guard n >= 9, maxima.allSatisfy(\.isFinite) else {
      self = .undecided
      return
    }
    let pairs = [(maxima[n - 1], maxima[n - 5]), (maxima[n - 5], maxima[n - 9])]
    self =
      pairs.allSatisfy { $0.0 <= 0.6 * $0.1 }
      ? .vanishes : pairs.allSatisfy { $0.0 >= 0.9 * $0.1 } ? .stays : .undecided
  }

  /// The last maximum over that of four doublings before.
  static func ratio(_ maxima: [Double]) -> Double {
    guard maxima.count >= 5, let last = maxima.last, last > 0 else { return 0 }
    return last / maxima[maxima.count - 5]
  }
}

/// One run, looked at move by move.
struct SubgradientRun {
  /// Per doubling: the largest p, the sum of p, the largest ‖x_k‖ / ‖x_0‖.
  private(set) var largestSteps: [Double] = []
  private(set) var sums: [Double] = []
  private(set) var distances: [Double] = []
  /// The sum of p ‖v‖ of every doubling.
  private var paths: [Double] = []
  private var lastDistance = 0.0
  /// Of the last doubling.
  private(set) var smallestStep = Double.infinity
  private(set) var meanDistance = 0.0
  private(set) var halfStep = 0.0
  private(set) var unlawful = 0
  private(set) var kinks = 0
  private(set) var evidence: [Evidence] = []

  /// Whether Σ p is finite.
  var isSummable: Bool { Self.falls(sums) }

  /// Whether what is left of the way is too short: the sums fall on as a geometric series.
  var hasStopped: Bool {
    guard isSummable, Self.falls(paths), let last = paths.last else { return false }
    let before = paths[paths.count - 2]
    let ratio = before > 0 ? last / before : 0
    return lastDistance > 2 * last * ratio / (1 - ratio)
  }

  private static func falls(_ sums: [Double]) -> Bool {
    let tail = sums.suffix(5)
    return tail.count == 5 && zip(tail, tail.dropFirst()).allSatisfy { $0 >= 1.25 * $1 }
  }

  init(_ subject: SubgradientStepCheck.Subject, from start: Vector) {
    self.init(subject, subject.rule, from: start)
  }

  private init<R: UpdateRule>(
    _ subject: SubgradientStepCheck.Subject, _ rule: R, from start: Vector
  ) {
    let norm = AbsoluteProduct(matrix: subject.matrix)
    let n = subject.matrix.columns
    let reach = start.norm
    let unit = Double.ulpOfOne / 2
    let rows = Double(subject.matrix.rows)
    let columnSums = (0..<n).map { j in
      (0..<subject.matrix.rows).reduce(0) { $0 + abs(subject.matrix[$1, j]) }
    }
    var state = rule.initialState(for: norm)
    var x = start
    var v = Vector(zeros: n)
    var wasLawful = true
    for k in 1...subject.horizon - 1 {
      let before = x
      let isKink = norm.subgradient(at: x, into: &v)
      // A kink that an unlawful move led to is the rule's doing and not the start's.
      if isKink, wasLawful { kinks += 1 }
      rule.step(&x, &state, on: norm)
      let p = subject.steps(k)
      if !isKink {
        wasLawful = true
        for j in 0..<n {
          let expected = before[j] - p * v[j]
          // One product and one difference here and there, v from sums of |A|, p from a few roundings.
          let bar =
            4 * unit * (abs(before[j]) + abs(x[j])) + (2 * rows + 6) * unit * p * columnSums[j]
          guard !(abs(x[j] - expected) <= bar) else { continue }
          unlawful += 1
          wasLawful = false
          if evidence.count < 10 {
            evidence.append(
              Evidence("k=\(k)/coordinate=\(j)", actual: x[j], reference: expected, allowed: bar))
          }
        }
      }
      guard x.isFinite else { return }
      let octave = Int.bitWidth - 1 - k.leadingZeroBitCount
      while distances.count <= octave {
        largestSteps.append(0)
        sums.append(0)
        paths.append(0)
        distances.append(0)
      }
      let distance = x.norm
      largestSteps[octave] = max(largestSteps[octave], p)
      sums[octave] += p
      paths[octave] += p * v.norm
      lastDistance = distance
      distances[octave] = max(distances[octave], distance / reach)
      if 2 * k >= subject.horizon {
        let count = Double(subject.horizon / 2)
        smallestStep = min(smallestStep, p)
        meanDistance += distance / count
        halfStep += p * v.norm / 2 / count
      }
    }
  }
}

/// F(x) = ‖A x‖₁ with its subgradient Aᵀ sign(A x), sign(0) = 0, in plain loops.
private struct AbsoluteProduct: Problem {
  let name = "absolute-product"
  let matrix: Matrix
  var dimension: Int { matrix.columns }
  var smoothness: [Double] { [1] }
  var minimumValue: Double? { 0 }

  func values(at x: Vector) -> [Double] {
    [(0..<matrix.rows).reduce(0) { $0 + abs(product($1, x)) }]
  }

  func gradient(at x: Vector, into g: inout Vector) { subgradient(at: x, into: &g) }

  /// Also says whether a row of A x is 0 within its rounding, so that v is not unique.
  @discardableResult
  func subgradient(at x: Vector, into g: inout Vector) -> Bool {
    var isKink = false
    for j in 0..<g.count { g[j] = 0 }
    for i in 0..<matrix.rows {
      let z = product(i, x)
      var size = 0.0
      for j in 0..<g.count {
        size += abs(matrix[i, j] * x[j])
        g[j] += z > 0 ? matrix[i, j] : z < 0 ? -matrix[i, j] : 0
      }
      isKink = isKink || abs(z) <= Double(g.count + 1) * (Double.ulpOfOne / 2) * size
    }
    return isKink
  }

  private func product(_ i: Int, _ x: Vector) -> Double {
    var sum = 0.0
    for j in 0..<x.count { sum += matrix[i, j] * x[j] }
    return sum
  }
}
