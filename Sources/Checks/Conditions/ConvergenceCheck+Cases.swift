import Engine
import Optimization

extension ConvergenceCheck {
  public var mutants: [Mutant<Trial>] {
    guard condition == .smooth else {
      let problem = condition == .implicit ? SmallComposite.implicit : SmallComposite.composite
      func mutant(_ fault: String, size: Double = 1, _ rule: ProximalStep) -> Mutant<Trial> {
        var rule = rule
        rule.remembers = condition == .memory
        return Mutant(fault, size: size, Trial(NativeCandidate(rule), on: problem))
      }
      var result = [
        mutant(
          "a bias after the proximal step", size: 1e-4, ProximalStep(name: "biased", bias: 1e-4)),
        mutant("steps that sum up", ProximalStep(name: "summable", summable: true)),
      ]
      if condition == .memory {
        let ground = DiagonalQuadratic(dimension: 3, seed: 4).solved
        result.append(
          Mutant(
            "what is remembered never arrives",
            Trial(NativeCandidate(SwingingDescent(name: "astray", offset: 0.1)), on: ground)))
      }
      if condition != .implicit {
        result.append(mutant("steps of 2.1/L", size: 0.05, ProximalStep(name: "long", step: 2.1)))
        result.append(mutant("no proximal step", ProximalStep(name: "missing-prox", scale: 0)))
      }
      return result
    }
    let ground = DiagonalQuadratic(dimension: 3, seed: 4).solved
    func trial(_ name: String, _ change: @escaping @Sendable (inout Vector, Int) -> Void) -> Trial {
      Trial(NativeCandidate(SpoiledDescent(name: name, spoil: change)), on: ground)
    }
    func scaled(_ name: String, _ factor: @escaping @Sendable (Int, Int) -> Double) -> Trial {
      Trial(NativeCandidate(ScaledDescent(name: name, factor: factor)), on: ground)
    }
    return [
      Mutant("steps of 2.1/β", size: 0.05, scaled("long") { _, _ in 2.1 }),
      Mutant("steps 1/k²", scaled("summable") { t, _ in 1 / Double(t * t) }),
      Mutant("one coordinate goes uphill", scaled("uphill") { _, j in j == 1 ? -0.01 : 1 }),
      Mutant("one coordinate stands still", scaled("frozen") { _, j in j == 1 ? 0 : 1 }),
      Mutant("a bias", size: 1e-4, trial("biased") { x, _ in x[0] += 1e-4 }),
      Mutant(
        "iterates are rounded", size: 1e-3,
        trial("rounded") { x, _ in
          for j in 0..<x.count { x[j] = (x[j] * 1e3).rounded() / 1e3 }
        }),
      Mutant("not a number at step 50", trial("nan") { x, k in if k == 50 { x[0] = .nan } }),
    ]
  }

  public var cleanCases: [CleanCase<Trial>] {
    guard condition == .smooth else {
      var rule = ProximalStep(name: "clean")
      rule.remembers = condition == .memory
      let problem = condition == .implicit ? SmallComposite.implicit : SmallComposite.composite
      return [CleanCase("proximal gradient", Trial(NativeCandidate(rule), on: problem))]
    }
    let ground = DiagonalQuadratic(dimension: 3, seed: 4).solved
    func scaled(_ name: String, _ factor: @escaping @Sendable (Int, Int) -> Double) -> Trial {
      Trial(NativeCandidate(ScaledDescent(name: name, factor: factor)), on: ground, budget: 200_000)
    }
    return [
      CleanCase("gradient descent", Trial(NativeCandidate(PlainDescent()), on: ground)),
      CleanCase("steps of 1.99/β", scaled("long") { _, _ in 1.99 }),
      CleanCase("slow: steps of 0.003/β", scaled("slow") { _, _ in 0.003 }),
      CleanCase(
        "steps 1/√k", expected: .holds, scaled("root") { t, _ in 1 / Double(t).squareRoot() }),
    ]
  }
}
