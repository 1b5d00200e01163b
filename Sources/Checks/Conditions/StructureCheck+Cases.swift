import Engine
import Foundation
import Optimization

extension StructureCheck {
  public var mutants: [Mutant<Trial>] { biased + growing }

  public var cleanCases: [CleanCase<Trial>] { sound + bounded }

  /// Rules with b_k ↛ 0.
  private var biased: [Mutant<Trial>] {
    if condition == .smooth {
      let ground = DiagonalQuadratic(dimension: 3, seed: 4).solved
      return [
        Mutant(
          "a bias", size: 1e-4,
          Trial(
            NativeCandidate(
              SpoiledDescent(name: "biased") { x, _ in x[0] += 1e-4 }), on: ground))
      ]
    }
    var rule = ProximalStep(name: "shifted", remembers: condition == .memory)
    rule.shift = 1e-4
    var biased = ProximalStep(name: "biased", remembers: condition == .memory)
    biased.bias = 1e-4
    let after = Mutant(
      "a bias after the proximal step", size: 1e-4, Trial(NativeCandidate(biased), on: ground))
    // Where f = 0 the threshold takes it away, and the rule converges to the minimiser.
    guard condition != .implicit else { return [after] }
    return [
      Mutant(
        "a bias before the proximal step", size: 1e-4, Trial(NativeCandidate(rule), on: ground)),
      after,
    ]
  }

  /// Rules that converge to the right point with P_k, or A_k, growing where no gradient is seen.
  private var growing: [Mutant<Trial>] {
    let steps = [1, 0.5].map { power in
      Mutant(
        "a step that grows like kˢ", size: power,
        stretched { k, isLast in isLast ? pow(Double(k), power) : 1 })
    }
    guard condition == .memory else { return steps }
    return steps + [Mutant("momentum that grows like k", swinging { Double($0) })]
  }

  private var sound: [CleanCase<Trial>] {
    if condition == .smooth {
      return [
        CleanCase(
          "gradient descent",
          Trial(
            NativeCandidate(PlainDescent()), on: DiagonalQuadratic(dimension: 3, seed: 4).solved))
      ]
    }
    func clean(_ name: String, _ rule: ProximalStep) -> CleanCase<Trial> {
      CleanCase(name, Trial(NativeCandidate(rule), on: ground))
    }
    var hidden = ProximalStep(name: "hidden", remembers: condition == .memory)
    hidden.shift = 1e-4
    return [
      clean(
        "proximal gradient", ProximalStep(name: "clean", remembers: condition == .memory))
    ] + (condition == .implicit ? [clean("a bias that the threshold takes away", hidden)] : [])
  }

  /// Steps where no gradient is seen that may do what they like as long as they stay bounded.
  private var bounded: [CleanCase<Trial>] {
    let cases = [
      CleanCase(
        "a step that grows to a limit, 1 - 2⁻ᵏ",
        stretched { k, isLast in isLast ? 1 - pow(2, -Double(k)) : 1 }),
      CleanCase(
        "a step that grows to 100/L and stays",
        stretched { k, isLast in isLast ? Double(min(k, 100)) : 1 }),
      CleanCase(
        "a step that falls like 1/√k",
        stretched { k, isLast in isLast ? 1 / Double(k).squareRoot() : 1 }),
      CleanCase(
        "steps that warm up to 1.9/L until the end",
        stretched { k, _ in min(Double(k) / 500, 1.9) }),
    ]
    guard condition == .memory else { return cases }
    return cases + [
      CleanCase("momentum that grows to a limit, 1 - 1/k", swinging { 1 - 1 / Double($0) })
    ]
  }

  /// The problem of biased rules.
  private var ground: SolvedProblem {
    condition == .implicit ? SmallComposite.implicit : SmallComposite.composite
  }

  /// Gradient descent, or proximal gradient, with a factor on the steps.
  private func stretched(
    _ factor: @escaping @Sendable (_ k: Int, _ isLast: Bool) -> Double
  ) -> Trial {
    if condition == .smooth {
      let rule = ScaledDescent(name: "stretched") { k, j in factor(k, j == 2) }
      return Trial(NativeCandidate(rule), on: DiagonalQuadratic.unseen)
    }
    var rule = ProximalStep(name: "stretched", remembers: condition == .memory)
    let problem = condition == .implicit ? SmallComposite.implicit : SmallComposite.unseen
    let last = problem.problem.dimension - 1
    rule.stretch = { k, j in factor(k, j == last) }
    return Trial(NativeCandidate(rule), on: problem)
  }

  /// Gradient descent with momentum in the last coordinate alone.
  private func swinging(_ momentum: @escaping @Sendable (_ k: Int) -> Double) -> Trial {
    Trial(
      NativeCandidate(SwingingDescent(name: "swinging", momentum: momentum)),
      on: DiagonalQuadratic.unseen)
  }
}
