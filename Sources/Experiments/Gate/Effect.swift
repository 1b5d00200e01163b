import Checks
import Foundation

/// How much more (positive) or less a rule needs than before, as a logarithm, and its error bar.
public struct Effect: Sendable, Hashable, Codable {
  /// log of new over old: of steps to a gap, or of losses.
  public var size: Double
  /// What rounding alone may make of it.
  public var bar: Double

  /// Creates an effect.
  public init(size: Double, bar: Double) {
    self.size = size
    self.bar = bar
  }

  /// No difference, for bits that agree.
  static let none = Effect(size: 0, bar: 0)

  /// In percent: 1 for one percent more steps.
  public var percent: Double { 100 * (exp(size) - 1) }
  /// The ends of the interval in percent.
  public var interval: ClosedRange<Double> {
    100 * (exp(size - bar) - 1)...100 * (exp(size + bar) - 1)
  }

  /// Whether it is beyond its bar and beyond `margin`, and where.
  func answer(margin: Double) -> GateAnswer {
    guard abs(size) > max(bar, margin) else { return .same }
    return size > 0 ? .worse : .better
  }

  /// The least effect that would be seen.
  func limit(margin: Double) -> Double { max(bar, margin) }

  /// The mean of independent effects.
  static func mean(_ effects: [Effect]) -> Effect {
    guard !effects.isEmpty else { return .none }
    let n = Double(effects.count)
    return Effect(
      size: effects.reduce(0) { $0 + $1.size } / n,
      bar: effects.reduce(0) { $0 + $1.bar * $1.bar }.squareRoot() / n)
  }
}

/// What became of a rule.
public enum GateAnswer: String, Sendable, Hashable, Codable, CaseIterable {
  /// It is not in the baseline.
  case new
  /// It is in the baseline only.
  case gone
  /// No difference beyond rounding and margin.
  case same
  /// It needs more steps, ends farther off, or breaks a claim that it kept.
  case worse
  /// The opposite.
  case better
}

extension Effect {
  /// The probability with which rounding alone goes beyond a bar, both sides together.
  ///
  /// With 12 families of 5 seeds, and two cells of a family needed for an answer, that makes less
  /// than one false answer in 10¹⁰ comparisons where spreads are those of a normal law.
  static let risk = 1e-6

  /// What the standard deviations of the two logarithms allow them to differ by, from `twins` twins.
  ///
  /// Each is estimated from as many degrees of freedom as there are twins; that the two go together
  /// makes the quantile smaller, so it is left out. 64 ulp are for the logarithm itself.
  static func bar(_ first: Double, _ second: Double, twins: Int) -> Double {
    let deviation = (first * first + second * second).squareRoot()
    return StudentT.quantile(1 - risk / 2, freedom: Double(max(twins, 1))) * deviation
      + 64 * .ulpOfOne
  }

  /// Of the steps to gaps: log(new / old) of their mean over all gaps down to a level.
  ///
  /// The level is the lowest that one of the two comes to with all its twins and at which rounding stays
  /// below `margin`; where there is none, that at which it matters least. Nil where neither comes to
  /// any.
  init?(from old: PaceCell, to new: PaceCell, twins: Int, margin: Double) {
    if old.hash == new.hash {
      self = .none
      return
    }
    let effects = (0..<max(old.means.count, new.means.count)).compactMap { j -> Effect? in
      guard old.reachesSurely(j) || new.reachesSurely(j) else { return nil }
      let (a, b) = (old.mean(j), new.mean(j))
      return Effect(
        size: log(b.value / a.value), bar: Self.bar(a.spread, b.spread, twins: twins))
    }
    guard
      let effect = effects.last(where: { $0.bar <= margin })
        ?? effects.min(by: { $0.bar < $1.bar })
    else { return nil }
    self = effect
  }

  /// Of the losses of a training: the mean of log(new / old) over its second half.
  init?(from old: TrainingCell, to new: TrainingCell, twins: Int) {
    if old.hash == new.hash {
      self = .none
      return
    }
    let count = min(old.losses.count, new.losses.count)
    let steps = (count / 2)..<count
    let pairs = steps.map { k in
      Effect(
        size: log(new.losses[k] / old.losses[k]),
        bar: Self.bar(old.spreads[k], new.spreads[k], twins: twins))
    }
    let n = Double(pairs.count)
    size = pairs.reduce(0) { $0 + $1.size } / n
    bar = pairs.reduce(0) { $0 + $1.bar } / n
    // One of the two left the finite numbers.
    if !size.isFinite {
      guard new.losses.count != old.losses.count else { return nil }
      size = new.losses.count < old.losses.count ? .infinity : -.infinity
      bar = 0
    }
    if new.losses.count < old.losses.count { (size, bar) = (.infinity, 0) }
  }
}
