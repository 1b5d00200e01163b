import Catalog
public import Checks
import Engine
import Foundation
import Optimization

/// S5, S6 and PROX on what the catalogue has: special cases, step schedules, proximal operators.
///
/// They are about no rule that a user brings, so they run once and not rule by rule; a fraction of a second.
public enum SchemeStudy {
  /// What was found.
  public struct Results: Sendable, Hashable, Codable {
    /// S5, special case by special case.
    public var specialCases: [CheckResult]
    /// S6, schedule by schedule.
    public var subgradientSteps: [CheckResult]
    /// PROX, operator by operator and metric by metric.
    public var proximalOperators: [CheckResult]

    /// Puts results together.
    public init(
      specialCases: [CheckResult], subgradientSteps: [CheckResult],
      proximalOperators: [CheckResult]
    ) {
      self.specialCases = specialCases
      self.subgradientSteps = subgradientSteps
      self.proximalOperators = proximalOperators
    }

    /// All of them.
    public var all: [CheckResult] { specialCases + subgradientSteps + proximalOperators }
  }

  /// Runs the three checks.
  ///
  /// - Throws: what making the problems throws.
  public static func run() throws -> Results {
    Results(
      specialCases: try specialCases().map(SchemeCheck().run),
      subgradientSteps: subgradientSteps().map(SubgradientStepCheck().run),
      proximalOperators: proximalOperators().map(ProxCheck().run))
  }

  /// Step schedules on |x| and ‖A x‖₁, the catalogue's rule among them.
  public static func subgradientSteps() -> [SubgradientStepCheck.Subject] {
    let functions = [
      ("|x|", Matrix(identity: 1)),
      ("‖A x‖₁", Matrix(rows: 3, columns: 2, elements: [1, 0.3, -0.4, 1.2, 0.5, -0.8])),
    ]
    let schedules: [(String, @Sendable (Int) -> Double)] = [
      ("p = 0.1", { _ in 0.1 }),
      ("p = 0.1 (1 + ½ sin k)", { 0.1 * (1 + 0.5 * sin(Double($0))) }),
      ("p = 0.1 at k = 2ʲ, else ½/k", { $0 & ($0 - 1) == 0 ? 0.1 : 0.5 / Double($0) }),
      ("p = 0.3/√k", { 0.3 / Double($0).squareRoot() }),
      ("p = ½/k", { 0.5 / Double($0) }),
      ("p = 1/k²", { 1 / (Double($0) * Double($0)) }),
      ("p = 0.5ᵏ", { pow(0.5, Double($0)) }),
    ]
    let declared = functions.flatMap { function, matrix in
      schedules.map { name, steps in
        SubgradientStepCheck.Subject(
          label: "\(name) on \(function)", matrix: matrix, steps: steps)
      }
    }
    let rules: [(SubgradientDescent.Schedule, @Sendable (Int) -> Double)] = [
      (.constant, { _ in 0.1 }), (.inverseRoot, { 0.1 / Double($0).squareRoot() }),
      (.inverse, { 0.1 / Double($0) }),
    ]
    let ours = rules.map { schedule, steps in
      let rule = SubgradientDescent(stepRule: .constant(0.1), schedule: schedule)
      return SubgradientStepCheck.Subject(
        label: "\(rule.name), \(schedule), on ‖A x‖₁", matrix: functions[1].1, steps: steps,
        rule: rule,
        starts: SubgradientStepCheck.Subject.genericStarts(dimension: 2).map {
          // Within reach of Σ 0.1/k.
          $0.scaled(by: 0.3)
        })
    }
    let far = SubgradientStepCheck.Subject(
      label: "p = 1/k² on |x| from 3.3", matrix: functions[0].1, steps: schedules[5].1,
      starts: [[3.3]])
    return declared + ours + [far]
  }

  /// The catalogue of proximal operators in metrics of 1, of another constant, and of unequal entries.
  public static func proximalOperators() -> [ProxCheck.Subject] {
    let probes = ProxProbe.standard(dimension: 6)
    let constants = [1, 0.3]
    let metrics =
      constants.map { p in
        ("p = \(p)", probes.filter { $0.steps.elements.allSatisfy { $0 == p } })
      } + [("unequal p", probes.filter { Set($0.steps.elements).count > 1 })]
    let operators: [(any Regularizer, ProxReference, Bool)] = [
      (L1Norm(weight: 0.7), .l1(weight: 0.7), true), (NonNegative(), .nonNegative, true),
      (Simplex(size: 6), .simplex, false), (NoRegularizer(), .zero, true),
    ]
    return operators.flatMap { regularizer, reference, isSeparable in
      metrics.map { name, probes in
        ProxCheck.Subject(
          label: "\(regularizer.name), \(name)", regularizer, probes: probes,
          reference: reference, isSeparable: isSeparable)
      }
    }
  }
}
