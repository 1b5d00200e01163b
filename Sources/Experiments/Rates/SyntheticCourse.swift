import Engine
import Foundation

/// What log F_k of a synthetic series is, without its noise.
public enum SyntheticCourse: String, Sendable, Hashable, Codable, CaseIterable {
  /// a - λ k.
  case linear
  /// log (e^(a - λ k) + F_∞), level from between 30% and 70% of the steps on.
  case linearWithFloor = "linear with floor"
  /// Two lines that meet between 30% and 70% of the steps, their rates at least a factor 2 apart.
  case twoPhase = "two-phase"
  /// a - λ k + A cos (ω k + ψ), A from 0.5 to 1, period from 8 steps to an eighth of the series.
  case oscillating
  /// a - p log (k + s), p from 0.5 to 2, s from 1 to a tenth of the series.
  case sublinear
  /// a + λ k.
  case diverging
  /// a.
  case none

  /// The courses that have a rate.
  public static let rated: [SyntheticCourse] = [.linear, .linearWithFloor, .twoPhase, .oscillating]

  /// Draws parameters for steps 0 to `steps`; rates are 1 - 10^u, u uniform in [-4, -1].
  func drawn(_ steps: Int, _ rng: inout SplitMix64) -> CourseCurve {
    let level = 2 * rng.uniform() - 1
    let length = Double(steps)
    func rate(_ rng: inout SplitMix64) -> Double { -log1p(-pow(10, -4 + 3 * rng.uniform())) }
    switch self {
    case .linear: return CourseCurve(course: self, parameters: [level, rate(&rng)])
    case .diverging: return CourseCurve(course: .linear, parameters: [level, -rate(&rng)])
    case .none: return CourseCurve(course: self, parameters: [level])
    case .linearWithFloor:
      let decay = rate(&rng)
      let depth = decay * length * (0.3 + 0.4 * rng.uniform())
      return CourseCurve(course: self, parameters: [level - depth, level, decay])
    case .twoPhase:
      let corner = length * (0.3 + 0.4 * rng.uniform())
      let first = rate(&rng)
      var second = rate(&rng)
      while abs(log(first / second)) < log(2) { second = rate(&rng) }
      return CourseCurve(course: self, parameters: [level, corner, first, second])
    case .oscillating:
      let decay = rate(&rng)
      let frequency = 2 * .pi / (8 * pow(length / 64, rng.uniform()))
      let amplitude = 0.5 + 0.5 * rng.uniform()
      let phase = 2 * .pi * rng.uniform()
      return CourseCurve(
        course: self,
        parameters: [level, frequency, amplitude * cos(phase), -amplitude * sin(phase), decay])
    case .sublinear:
      let power = 0.5 + 1.5 * rng.uniform()
      return CourseCurve(
        course: self, parameters: [level, pow(length / 10, rng.uniform()), power])
    }
  }
}

/// A course with its parameters: the truth about a series, and what the oracle fits.
struct CourseCurve {
  /// The shape; growth is a line with a negative rate.
  var course: SyntheticCourse
  /// The numbers in the order in which the course's formula has them.
  var parameters: [Double]

  /// The parameters that are rates, one for each phase.
  var rates: [Int] {
    switch course {
    case .twoPhase: [2, 3]
    case .sublinear, .none: []
    default: [parameters.count - 1]
    }
  }

  /// The value at step `k`.
  func value(_ k: Double) -> Double { value(parameters, k) }

  private func value(_ a: [Double], _ k: Double) -> Double {
    switch course {
    case .none: return a[0]
    case .linear, .diverging: return a[0] - a[1] * k
    case .linearWithFloor:
      let (top, bottom) = (max(a[0], a[1] - a[2] * k), min(a[0], a[1] - a[2] * k))
      return top + log1p(exp(bottom - top))
    case .twoPhase: return a[0] - a[2] * min(k, a[1]) - a[3] * max(k - a[1], 0)
    case .oscillating: return a[0] + a[2] * cos(a[1] * k) + a[3] * sin(a[1] * k) - a[4] * k
    case .sublinear: return a[0] - a[2] * log(k + a[1])
    }
  }

  /// The derivatives by the parameters at step `k`.
  func gradient(_ k: Double) -> [Double] {
    let a = parameters
    switch course {
    case .none: return [1]
    case .linear, .diverging: return [1, -k]
    case .linearWithFloor:
      let share = 1 / (1 + exp(a[0] - a[1] + a[2] * k))
      return [1 - share, share, -k * share]
    case .twoPhase: return [1, k > a[1] ? a[3] - a[2] : 0, -min(k, a[1]), -max(k - a[1], 0)]
    case .oscillating:
      let (c, s) = (cos(a[1] * k), sin(a[1] * k))
      return [1, k * (a[3] * c - a[2] * s), c, s, -k]
    case .sublinear: return [1, -a[2] / (k + a[1]), -log(k + a[1])]
    }
  }

  /// Plainer shapes with starts for a fit, which a series may not be told from.
  ///
  /// For a line no flat one: its rate's interval is asked for anyway and may contain 0.
  func plainer(_ steps: Int) -> [CourseCurve] {
    let a = parameters
    let end = value(Double(steps))
    let chord = [value(0), (value(0) - end) / Double(steps)]
    var shapes = [CourseCurve(course: .linear, parameters: chord)]
    let shift = Double(steps) / 5
    let power = (value(0) - end) / log(6)
    let curve = CourseCurve(
      course: .sublinear, parameters: [value(0) + power * log(shift), shift, power])
    switch course {
    case .linearWithFloor: shapes += [curve]
    case .sublinear:
      shapes += [
        CourseCurve(
          course: .linearWithFloor,
          parameters: [end, value(0), 4 * (value(0) - end) / Double(steps)])
      ]
    case .twoPhase:
      shapes += [curve, CourseCurve(course: .linearWithFloor, parameters: [end, a[0], a[2]])]
    default: break
    }
    return shapes
  }
}
