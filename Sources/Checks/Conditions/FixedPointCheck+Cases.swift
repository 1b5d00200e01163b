import Engine
import Foundation
import Optimization

extension FixedPointCheck {
  public var mutants: [Mutant<Trial>] {
    let ground = DiagonalQuadratic(dimension: 3, seed: 4).solved
    func trial(_ name: String, _ change: @escaping @Sendable (inout Vector, Int) -> Void) -> Trial {
      Trial(NativeCandidate(SpoiledDescent(name: name, spoil: change)), on: ground)
    }
    guard condition == .smooth else { return conditionMutants }
    return [
      Mutant(
        "a bias on every coordinate", size: 1e-4,
        trial("biased") { x, _ in
          for j in 0..<x.count { x[j] += 1e-4 }
        }),
      Mutant(
        "a bias on one coordinate", size: 1e-10,
        trial("slightly-biased") { x, _ in
          x[1] += 1e-10
        }),
      Mutant("weights decay", size: 1e-3, trial("decaying") { x, _ in x.scale(by: 1 - 1e-3) }),
      Mutant(
        "a bias that decays to a constant", size: 1e-4,
        trial("settling") { x, k in
          x[0] += 1e-4 * (1 + 1 / Double(k))
        }),
      Mutant("not a number", trial("nan") { x, k in if k == 40 { x[0] = .nan } }),
    ]
  }

  /// The same rules with the shapes that the other conditions ask for.
  private var conditionMutants: [Mutant<Trial>] {
    let problem = condition == .implicit ? SmallComposite.implicit : SmallComposite.composite
    let bias = ProximalStep(name: "biased", bias: 1e-4, remembers: condition == .memory)
    let small = ProximalStep(name: "slightly-biased", bias: 1e-10, remembers: condition == .memory)
    let wrong = ProximalStep(name: "wrong-prox", scale: 2, remembers: condition == .memory)
    var result = [
      Mutant(
        "a bias after the proximal step", size: 1e-4, Trial(NativeCandidate(bias), on: problem)),
      Mutant(
        "a small bias after the proximal step", size: 1e-10,
        Trial(NativeCandidate(small), on: problem)),
    ]
    if condition != .implicit {
      result.append(
        Mutant("a threshold twice as large", Trial(NativeCandidate(wrong), on: problem)))
    }
    return result
  }

  public var cleanCases: [CleanCase<Trial>] {
    switch condition {
    case .smooth:
      let ground = DiagonalQuadratic(dimension: 3, seed: 4).solved
      return [
        CleanCase("gradient descent", Trial(NativeCandidate(PlainDescent()), on: ground)),
        CleanCase(
          "a bias that dies like 1/k²",
          Trial(
            NativeCandidate(
              SpoiledDescent(name: "fading") { x, k in x[0] += 1e-3 / Double(k * k) }),
            on: ground)),
      ]
    case .implicit:
      return [
        CleanCase(
          "proximal point",
          Trial(NativeCandidate(ProximalStep(name: "clean")), on: SmallComposite.implicit))
      ]
    case .composite, .memory:
      return [
        CleanCase(
          "proximal gradient",
          Trial(
            NativeCandidate(ProximalStep(name: "clean", remembers: condition == .memory)),
            on: SmallComposite.composite))
      ]
    }
  }
}
