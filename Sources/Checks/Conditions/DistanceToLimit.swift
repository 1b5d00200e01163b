import Engine
import Optimization

/// D_k along a run: the distance to the minimiser nearest to the last iterate, or the gap.
struct DistanceToLimit {
  private let problem: SolvedProblem
  private let start: Vector
  private let initialGap: Double
  /// ‖x_0 - P(x_0)‖, or the gap at x_0.
  let initial: Double
  /// Distances of the window where the limit is known beforehand.
  private var maximum = 0.0
  /// Iterates of the window where it is not.
  private var window: [Vector] = []
  private(set) var samples: [(k: Int, distance: Double)] = []
  private let unique: Vector?

  init(_ problem: SolvedProblem, from start: Vector) {
    self.problem = problem
    self.start = start
    let nearest = problem.projection?(start)
    unique = problem.isUnique && nearest != nil ? problem.minimisers[0] : nil
    initialGap = problem.problem.value(at: start) - problem.minimumValue
    initial = nearest.map { (start - $0).norm } ?? initialGap
  }

  private var scale: Double { max(initial, .leastNormalMagnitude) }

  /// Takes x_k, and what else has to converge with it.
  mutating func add(
    _ k: Int, _ x: Vector, and remembered: @autoclosure () -> [Vector], horizon: Int
  ) {
    let isSampled = StepSchedule.contains(k)
    let isCounted = 2 * k >= horizon
    guard isCounted || isSampled else { return }
    // The last of the window is the iterate, whose limit is the one that counts.
    let points = remembered() + [x]
    if unique == nil, problem.projection != nil {
      if isCounted { window += points }
      if isSampled { samples.append((k, largest(points))) }
    } else {
      let distance = largest(points)
      if isCounted { maximum = Swift.max(maximum, distance) }
      if isSampled { samples.append((k, distance)) }
    }
  }

  /// The largest D of `points`, each against its own nearest minimiser where the limit is unknown.
  private func largest(_ points: [Vector]) -> Double {
    points.reduce(0) { largest, point in
      let distance =
        if let nearest = unique ?? problem.projection?(point) {
          (point - nearest).norm
        } else {
          abs(problem.problem.value(at: point) - problem.minimumValue)
        }
      return Swift.max(largest, distance.isNaN ? .infinity : distance / scale)
    }
  }

  /// M(K); call once at the end of a window.
  func windowMaximum() -> Double {
    guard unique == nil, let projection = problem.projection, let last = window.last else {
      return maximum
    }
    let limit = projection(last)
    return window.reduce(0) { Swift.max($0, ($1 - limit).norm) } / scale
  }

  mutating func closeWindow() {
    maximum = 0
    window.removeAll(keepingCapacity: true)
  }
}
