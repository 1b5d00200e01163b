/// M(K) and what goes with it, along one run.
struct ConvergenceSeries {
  /// What it shows.
  enum Finding {
    case certified, tested, undecided, stuck, dying, nonFinite

    var isViolated: Bool { rank >= 3 }
    /// The worse, the larger.
    var rank: Int {
      switch self {
      case .certified: 0
      case .tested: 1
      case .undecided: 2
      case .stuck: 3
      case .dying: 4
      case .nonFinite: 5
      }
    }
    var verdict: Verdict { isViolated ? .violated : self == .undecided ? .inconclusive : .holds }
    var qualifier: String? {
      self == .certified ? "certified" : self == .tested ? "tested" : nil
    }
  }

  let start: String
  let smoothness: Double
  var floor = 0.0
  /// K and M(K).
  private(set) var horizons: [Int] = []
  private(set) var maxima: [Double] = []
  /// The largest ‖x_{k+1} - x_k‖ / residual of each window.
  private(set) var stepRatios: [Double] = []
  /// The least γ_t of each window.
  var margins: [Double] = []
  var certifiedRate: Double?
  var nonFinite: Int?
  /// Iterates that the rule shows beside x_k.
  var remembered = 0
  var steps = 0
  var samples: [(k: Int, distance: Double)] = []

  init(start: String, smoothness: Double) {
    self.start = start
    self.smoothness = smoothness
  }

  mutating func add(_ horizon: Int, _ maximum: Double, stepRatio: Double) {
    horizons.append(horizon)
    maxima.append(maximum)
    stepRatios.append(stepRatio)
  }

  var level: Double { maxima.last ?? .infinity }

  /// M(K/2) / M(K).
  var decay: Double {
    guard maxima.count >= 2, level > 0 else { return .infinity }
    return maxima[maxima.count - 2] / level
  }

  private var tolerance: Double { max(10 * floor, 1e-6) }

  /// Whether more steps would change nothing.
  var isDecided: Bool {
    guard maxima.count >= 4 else { return false }
    return finding != .undecided
  }

  var finding: Finding {
    if nonFinite != nil { return .nonFinite }
    guard maxima.count >= 4 else { return .undecided }
    if isCertified { return .certified }
    if let first = maxima.firstIndex(where: { $0 <= tolerance }), level <= tolerance,
      maxima[first...].allSatisfy({ $0 <= 10 * tolerance })
    {
      return .tested
    }
    if level > 100 * floor {
      if !progressed(over: 0), !progressed(over: 1) { return .stuck }
      if isDying { return .dying }
    }
    return .undecided
  }

  /// Whether M fell over the two doublings that end `back` windows before the last.
  private func progressed(over back: Int) -> Bool {
    let last = maxima.count - 1 - back
    return maxima[last] < maxima[last - 2] * (1 - 1e-9)
  }

  /// Progress that dies with the steps: three decreases, each 0.6 of the one before, towards a limit
  /// that is at least half of M, while steps shrink against the residual.
  private var isDying: Bool {
    let tail = Array(maxima.suffix(4))
    let falls = zip(tail, tail.dropFirst()).map { $0 - $1 }
    guard falls.allSatisfy({ $0 > 0 }), falls[1] <= 0.6 * falls[0], falls[2] <= 0.6 * falls[1]
    else { return false }
    let ratio = falls[2] / falls[1]
    guard level - falls[2] * ratio / (1 - ratio) >= level / 2 else { return false }
    let steps = stepRatios.suffix(4)
    return zip(steps, steps.dropFirst()).allSatisfy { $0 >= 2.2 * $1 }
  }

  /// Margins that do not die: none below nine tenths of the least before it, and none near 0.
  ///
  /// They speak of x_k; M, which speaks of remembered iterates too, must not contradict them.
  private var isCertified: Bool {
    guard let rate = certifiedRate, rate < 1, margins.count >= 2,
      let least = margins.dropLast().min(), let last = margins.last
    else { return false }
    return min(least, last) >= 1e-6 && last >= 0.9 * least
      && (level <= tolerance || progressed(over: 0))
  }

  func curve(_ name: String) -> Curve {
    Curve(
      name, steps: samples.map { Double($0.k) }, values: samples.map(\.distance))
  }
}
