import Engine
import Foundation

/// The displacements of one run's probes.
struct FixedPointSeries {
  /// What they show.
  enum Finding {
    case exact, asymptotic, undecided, violated

    var isViolated: Bool { self == .violated }
    /// The worse, the larger.
    var rank: Int {
      switch self {
      case .exact: 0
      case .asymptotic: 1
      case .undecided: 2
      case .violated: 3
      }
    }
    var verdict: Verdict {
      switch self {
      case .exact, .asymptotic: .holds
      case .undecided: .inconclusive
      case .violated: .violated
      }
    }
    var qualifier: String? {
      switch self {
      case .exact: "exact"
      case .asymptotic: "asymptotic"
      case .undecided, .violated: nil
      }
    }
  }

  var floor = 0.0
  /// How far the point of the probes may be from a minimiser.
  var accuracy = 0.0
  var unsettled = 0.0
  /// The iterate after some probes, and how far it is from that of a run without any.
  var probed: Vector?
  var trace = 0.0
  var fresh = 0.0
  var end = 0
  var steps = 0
  private(set) var ks: [Int] = []
  private(set) var deltas: [Double] = []
  /// E_j.
  private(set) var maxima: [Double] = []

  mutating func add(_ k: Int, _ delta: Double) {
    ks.append(k)
    deltas.append(delta)
    let octave = Int.bitWidth - 1 - k.leadingZeroBitCount
    while maxima.count <= octave { maxima.append(0) }
    maxima[octave] = max(maxima[octave], delta)
  }

  var isEmpty: Bool { maxima.isEmpty }

  var level: Double { maxima.last ?? .nan }

  var worstStep: Int {
    let first = 1 << max(maxima.count - 1, 0)
    return zip(ks, deltas).filter { $0.0 >= first }.max { $0.1 < $1.1 }?.0 ?? 0
  }

  /// The mean factor per doubling over the last four.
  var decay: Double {
    let tail = maxima.suffix(4)
    guard let first = tail.first, let last = tail.last, tail.count > 1, last > 0 else {
      return .infinity
    }
    return pow(first / last, 1 / Double(tail.count - 1))
  }

  var finding: Finding {
    let last = level
    // Nothing was measured: nothing holds.
    if isEmpty { return .undecided }
    if maxima.allSatisfy({ $0 <= floor }) { return .exact }
    let tail = maxima.suffix(4)
    if last <= max(floor, 1e-6) && maxima.count >= 4 {
      // A level that stands still above the floor is a level, however low.
      let isStuck =
        last > 10 * (floor + accuracy) && maxima.count >= 3
        && last >= maxima[maxima.count - 3] * (1 - 1e-6)
      if !isStuck { return .asymptotic }
    }
    if tail.count == 4, zip(tail, tail.dropFirst()).allSatisfy({ $0 >= 1.25 * $1 }) {
      return .asymptotic
    }
    guard maxima.count >= 3, last > 10 * (floor + accuracy) else { return .undecided }
    if last >= maxima[maxima.count - 3] * (1 - 1e-6) || settles { return .violated }
    return .undecided
  }

  /// Progress that dies: three decreases, each at most 0.6 of the one before, towards a limit that
  /// is at least half of what is left.
  private var settles: Bool {
    let tail = Array(maxima.suffix(4))
    guard tail.count == 4 else { return false }
    let falls = zip(tail, tail.dropFirst()).map { $0 - $1 }
    guard falls.allSatisfy({ $0 > 0 }), falls[1] <= 0.6 * falls[0], falls[2] <= 0.6 * falls[1]
    else { return false }
    let ratio = falls[2] / falls[1]
    return tail[3] - falls[2] * ratio / (1 - ratio) >= tail[3] / 2
  }

  func curve(_ name: String) -> Curve {
    Curve(name, steps: ks.map(Double.init), values: deltas)
  }
}
