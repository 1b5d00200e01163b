import Foundation

/// Norms along a run with their error bars, to tell whether they stay bounded.
///
/// The run is cut into windows (K/2ⁱ⁺¹, K/2ⁱ] back from its end K, and the largest norm of each is
/// compared with that of the one before: growth is a factor of 1.25 at least over each of the last four
/// doublings, the factor by which the fixed-point conditions tell what falls from what stands still.
/// It has to exceed the bars, and the limit that steps of a sound rule may reach: below it a rule
/// may still be warming up.
struct GrowthSeries {
  /// Whether the norms stay bounded, as far as one run tells.
  enum Trend {
    case bounded, undecided, growing
  }

  private static let doublings = 4
  private static let factor = 1.25

  private var samples: [(k: Int, norm: Double, error: Double)] = []

  /// Adds the norm at step `k`, 1 and up, which is `error` off at most.
  mutating func add(_ k: Int, _ norm: Double, error: Double = 0) {
    samples.append((k, norm, error))
  }

  var largest: Double { samples.map(\.norm).max() ?? 0 }

  /// What the norms do until step `end`, where nothing up to `limit` counts as growth.
  func trend(until end: Int, past limit: Double) -> Trend {
    guard let windows = windows(until: end) else { return .undecided }
    let pairs = zip(windows.dropFirst(), windows)
    guard windows[0].most > limit, pairs.allSatisfy({ $1.most >= Self.factor * $0.least })
    else { return .bounded }
    guard windows[0].least > limit, pairs.allSatisfy({ $1.least >= Self.factor * $0.most })
    else { return .undecided }
    return .growing
  }

  /// The mean factor per doubling over the last four; nil for a run without as many.
  func growth(until end: Int) -> Double? {
    guard let windows = windows(until: end), let last = windows.last, last.norm > 0 else {
      return nil
    }
    return pow(windows[0].norm / last.norm, 1 / Double(Self.doublings))
  }

  /// What was seen of `name`, in words.
  func words(_ name: String, _ trend: Trend, until end: Int, unit: String = "") -> String {
    switch trend {
    case .bounded: "\(name) ≤ \(largest.brief)\(unit)"
    case .undecided: "\(name) ≤ \(largest.brief)\(unit) (too short or too coarse to see it grow)"
    case .growing:
      "\(name) grows \((growth(until: end) ?? .nan).brief)-fold per doubling, to "
        + "\(largest.brief)\(unit)"
    }
  }

  /// Where growth shows: the largest norm of the last doubling beside the one before it, whose growth
  /// by a quarter would not count yet.
  func evidence(_ name: String, until end: Int) -> Evidence? {
    guard let windows = windows(until: end) else { return nil }
    let most = windows[1].most
    return Evidence(
      "\(name)/k=\(windows[0].k)", actual: windows[0].norm, reference: most,
      allowed: (Self.factor - 1) * most)
  }

  /// The largest norm between two steps, and between which bounds it lies.
  private struct Window {
    var k = 0
    var norm = 0.0
    var least = 0.0
    var most = 0.0
  }

  /// The last window first, one more than there are doublings; nil where one has no sample.
  private func windows(until end: Int) -> [Window]? {
    var windows = [Window](repeating: Window(), count: Self.doublings + 1)
    for (k, norm, error) in samples where k <= end {
      let quotient = end / k
      let i = Int.bitWidth - 1 - quotient.leadingZeroBitCount
      guard i < windows.count else { continue }
      if norm > windows[i].norm || windows[i].k == 0 { (windows[i].k, windows[i].norm) = (k, norm) }
      windows[i].least = max(windows[i].least, norm - error)
      windows[i].most = max(windows[i].most, norm + error)
    }
    return windows.allSatisfy { $0.k > 0 } ? windows : nil
  }
}
