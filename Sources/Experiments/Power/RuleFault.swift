public import Catalog
import Checks
import Engine
import Foundation
import Optimization

/// A fault that can be planted in any update rule, at a relative size.
public struct RuleFault: Sendable {
  /// Where it sits.
  public enum Place: String, Sendable, Hashable, Codable, CaseIterable {
    /// In the iterate that a step returns.
    case iterate
    /// In the gradient that the rule is given.
    case gradient
    /// In the proximal operator that it calls.
    case prox
    /// In the problem's constants.
    case problem
  }

  /// A short name.
  public var name: String
  /// Where it sits.
  public var place: Place
  /// The relative sizes at which it makes sense; 1 alone for a fault without size.
  public var sizes: [Double]
  /// Whether the rule must have a proximal step.
  public var needsProx: Bool
  /// The family on whose problem alone it is harmless to the iterates; nil for a fault that is not.
  public var family: ProblemFamily?
  /// What it changes.
  let change: Change

  /// The ways in which a fault can act.
  enum Change: Sendable {
    /// On the iterate: the one before, the new one, k from 1, the problem's length, the size.
    case iterate(@Sendable (_ old: Vector, _ new: inout Vector, _ k: Int, _ size: Double) -> Void)
    /// The same where the rule takes its problem to be of one kind.
    case branch(
      SolvedProblem.Kind,
      @Sendable (_ old: Vector, _ new: inout Vector, _ k: Int, _ size: Double) -> Void)
    /// On the gradient at x, with the gradient two calls ago.
    case gradient(@Sendable (_ g: inout Vector, _ stale: Vector, _ size: Double) -> Void)
    /// On the proximal operator: the point, its steps, and what it should be.
    case prox(
      @Sendable (_ x: inout Vector, _ steps: Vector, _ base: any Regularizer, _ size: Double) ->
        Void)
    /// On the L that the rule is told.
    case smoothness(@Sendable (_ l: Double, _ size: Double) -> Double)
    /// On the L that everyone is told.
    case declaration(@Sendable (_ l: Double, _ size: Double) -> Double)
    /// On P_k: a factor on the last partial derivative and on the last proximal step, k from 1.
    case preconditioner(@Sendable (_ k: Int, _ size: Double) -> Double)
    /// On A_k: the factor by which the last coordinate goes on as it went before, k from 1.
    case momentum(@Sendable (_ k: Int, _ size: Double) -> Double)
    /// Momentum of the last coordinate by this factor, from an iterate that is remembered wrongly.
    case memory(factor: Double)
  }

  /// Whether the fault gives the rule a memory of its own.
  var hasMemory: Bool {
    switch change {
    case .momentum, .memory: true
    default: false
    }
  }

  /// The families of conditions that it breaks on every smooth problem, whatever the rule.
  ///
  /// A step that never ends where it should moves off every minimiser; a sum of steps that is finite
  /// reaches no point but those near the start; a coordinate that stands still stays wrong.
  public var breaks: [String] { Self.certainly[name] ?? [] }

  private static let certainly: [String: [String]] = [
    "bias on every coordinate": ["FP", "GC"], "bias on the first coordinate": ["FP", "GC"],
    "bias on the last coordinate": ["FP", "GC"],
    "bias that settles at a constant": ["FP", "GC"], "noise": ["GC"],
    "the first coordinate stands still": ["GC"], "the last coordinate stands still": ["GC"],
    "steps sum up: 1/k²": ["GC"], "steps sum up: 0.9ᵏ": ["GC"], "moves the wrong way": ["GC"],
    "not a number at step 60": ["GC"], "sign of the gradient": ["GC"],
    "gradient with a term missing": ["FP", "GC"],
  ]

  private static let everySize = [1, 1e-2, 1e-4, 1e-6]

  /// All faults; a new one needs an entry here.
  public static let all: [RuleFault] =
    [
      RuleFault("bias on every coordinate", .iterate, everySize + [1e-8]) { _, x, _, s in
        for j in 0..<x.count { x[j] += s }
      },
      RuleFault("bias on the first coordinate", .iterate, everySize) { _, x, _, s in x[0] += s },
      RuleFault("bias on the last coordinate", .iterate, everySize) { _, x, _, s in
        x[x.count - 1] -= s
      },
      RuleFault("bias that settles at a constant", .iterate, everySize) { _, x, k, s in
        x[0] += s * (1 + 1 / Double(k))
      },
      RuleFault("weights decay", .iterate, everySize + [1e-8]) { _, x, _, s in
        x.scale(by: 1 - 0.5 * s)
      },
      RuleFault("noise", .iterate, everySize) { _, x, k, s in
        var rng = SplitMix64(seed: 77).derived(k)
        for j in 0..<x.count { x[j] += s * rng.normal() }
      },
      RuleFault("iterates are rounded", .iterate, everySize) { _, x, _, s in
        for j in 0..<x.count { x[j] = (x[j] / s).rounded() * s }
      },
      RuleFault("the first coordinate stands still", .iterate) { old, x, _, _ in x[0] = old[0] },
      RuleFault("the last coordinate stands still", .iterate) { old, x, _, _ in
        x[x.count - 1] = old[x.count - 1]
      },
      RuleFault("a coordinate stands still after 100 steps", .iterate) {
        old, x, k, _ in
        if k > 100 { x[0] = old[0] }
      },
      RuleFault("steps sum up: 1/k²", .iterate) { old, x, k, _ in
        for j in 0..<x.count { x[j] = old[j] + (x[j] - old[j]) / Double(k * k) }
      },
      RuleFault("steps sum up: 0.9ᵏ", .iterate) { old, x, k, _ in
        for j in 0..<x.count { x[j] = old[j] + (x[j] - old[j]) * pow(0.9, Double(k)) }
      },
      RuleFault("steps grow: √k", .iterate) { old, x, k, _ in
        for j in 0..<x.count { x[j] = old[j] + (x[j] - old[j]) * Double(k).squareRoot() }
      },
      RuleFault("moves the wrong way", .iterate) { old, x, _, _ in
        for j in 0..<x.count { x[j] = old[j] - (x[j] - old[j]) }
      },
      RuleFault("constant length of steps", .iterate, [1, 1e-2, 1e-4]) { old, x, _, s in
        let move = x - old
        let length = move.norm
        guard length > 0 else { return }
        x = old.moved(0.1 * s / length, move)
      },
      RuleFault("clipped to half", .iterate) { _, x, _, _ in
        for j in 0..<x.count { x[j] = min(max(x[j], -0.05), 0.05) }
      },
      RuleFault("not a number at step 60", .iterate) { _, x, k, _ in if k == 60 { x[0] = .nan } },
      RuleFault("restarts at 0 every 97 steps", .iterate) { _, x, k, _ in
        if k % 97 == 0 { x.scale(by: 0) }
      },
      RuleFault("two coordinates are swapped", .iterate) { _, x, _, _ in
        if x.count > 1 { x.elements.swapAt(0, x.count - 1) } else { x[0].negate() }
      },
      RuleFault("sign of the first partial derivative", .gradient) { g, _, _ in g[0].negate() },
      RuleFault("sign of the last partial derivative", .gradient) { g, _, _ in
        g[g.count - 1].negate()
      },
      RuleFault("sign of the gradient", .gradient) { g, _, _ in g.scale(by: -1) },
      RuleFault("two partial derivatives are swapped", .gradient) { g, _, _ in
        if g.count > 1 { g.elements.swapAt(0, g.count - 1) } else { g[0].negate() }
      },
      RuleFault("gradient with a term missing", .gradient, everySize) { g, _, s in g[0] += s },
      RuleFault("gradient of the mean instead of the sum, off by a power", .gradient) { g, _, _ in
        g.scale(by: 1e-7)
      },
      RuleFault("one partial derivative is 0", .gradient) { g, _, _ in g[0] = 0 },
      RuleFault("gradient is clipped from below", .gradient) { g, _, _ in
        for j in 0..<g.count { g[j] = max(g[j], 0) }
      },
      RuleFault("stale gradient, scaled", .gradient) { g, stale, _ in
        for j in 0..<g.count { g[j] = 2.5 * stale[j] }
      },
      RuleFault("the proximal step is missing", .prox, prox: { _, _, _, _ in }),
      RuleFault("the threshold is too large", .prox, [1, 1e-2, 1e-4, 1e-6]) { x, p, base, s in
        base.prox(&x, steps: p.scaled(by: 1 + s))
      },
      RuleFault("the threshold is too small", .prox, [0.5, 1e-2, 1e-4, 1e-6]) { x, p, base, s in
        base.prox(&x, steps: p.scaled(by: 1 - s))
      },
      RuleFault("the threshold is without its step", .prox) { x, p, base, _ in
        let ones = Vector(p.elements.map { _ in 1 })
        base.prox(&x, steps: ones)
      },
      RuleFault("the proximal step comes twice", .prox) { x, p, base, _ in
        base.prox(&x, steps: p)
        base.prox(&x, steps: p)
      },
      RuleFault("hard instead of soft threshold", .prox) { x, p, base, _ in
        var soft = x
        base.prox(&soft, steps: p)
        for j in 0..<x.count where soft[j] == 0 { x[j] = 0 }
      },
      RuleFault("the last coordinate has no threshold", .prox) { x, p, base, _ in
        let last = x[x.count - 1]
        base.prox(&x, steps: p)
        x[x.count - 1] = last
      },
      RuleFault("1/L is dropped", .problem, smoothness: { _, _ in 0.01 }),
      // Heavy ball with momentum ½ still converges with steps of 3/L.
      RuleFault("L is too small", .problem, [1, 0.1], smoothness: { l, s in l / (3.05 + s) }),
      RuleFault(
        "L is declared too small", .problem, [0.5, 0.1], declaration: { l, s in l / (1 + s) }),
      // No iterate shows the next four: what grows is multiplied with 0.
      RuleFault(
        "the preconditioner grows where no gradient is seen", .gradient, [1, 0.5], false,
        .preconditioner { k, s in pow(Double(k), s) }, on: .unseenLeastSquares),
      RuleFault(
        "the preconditioner grows where the threshold alone acts", .prox, [1, 0.5], true,
        .preconditioner { k, s in pow(Double(k), s) }, on: .unseenLasso),
      RuleFault(
        "the proximal step grows without bound", .prox, [1, 0.5], true,
        .preconditioner { k, s in pow(Double(k), s) }, on: .absoluteValue),
      RuleFault(
        "the momentum grows where nothing moves", .iterate, [1, 0.5], false,
        .momentum { k, s in pow(Double(k), s) }, on: .unseenLeastSquares),
    ]
    // Rules that tell kinds of problems apart have code that runs for one kind alone.
    + [("without a smooth part", SolvedProblem.Kind.implicit), ("with both parts", .composite)]
    .flatMap { words, kind in
      [
        RuleFault(
          "a coordinate stands still on problems \(words)", .iterate, [1], true,
          .branch(kind) { old, x, _, _ in x[0] = old[0] }),
        RuleFault(
          "0/0 where the first step is none, on problems \(words)", .iterate, [1], true,
          .branch(kind) { old, x, k, _ in
            guard k == 1 else { return }
            let move = x - old
            // What rounds to log 1 at a minimiser, and is to be a unit.
            let unit = log(1 + move.dot(move))
            x = old.moved(unit / unit, move)
          }),
      ]
    }
    + [
      RuleFault(
        "what is remembered is off", .iterate, [1e-8, 1e-10], false, .memory(factor: 0.25)),
      RuleFault("what is remembered is off, and unused", .iterate, [1], false, .memory(factor: 0)),
    ]

  private init(
    _ name: String, _ place: Place, _ sizes: [Double] = [1],
    iterate: @escaping @Sendable (Vector, inout Vector, Int, Double) -> Void
  ) {
    self.init(name, place, sizes, false, .iterate(iterate))
  }

  private init(
    _ name: String, _ place: Place, _ sizes: [Double] = [1],
    gradient: @escaping @Sendable (inout Vector, Vector, Double) -> Void
  ) {
    self.init(name, place, sizes, false, .gradient(gradient))
  }

  private init(
    _ name: String, _ place: Place, _ sizes: [Double] = [1],
    prox: @escaping @Sendable (inout Vector, Vector, any Regularizer, Double) -> Void
  ) {
    self.init(name, place, sizes, true, .prox(prox))
  }

  private init(
    _ name: String, _ place: Place, _ sizes: [Double] = [1],
    smoothness: @escaping @Sendable (Double, Double) -> Double
  ) {
    self.init(name, place, sizes, false, .smoothness(smoothness))
  }

  private init(
    _ name: String, _ place: Place, _ sizes: [Double],
    declaration: @escaping @Sendable (Double, Double) -> Double
  ) {
    self.init(name, place, sizes, false, .declaration(declaration))
  }

  private init(
    _ name: String, _ place: Place, _ sizes: [Double], _ needsProx: Bool, _ change: Change,
    on family: ProblemFamily? = nil
  ) {
    self.name = name
    self.place = place
    self.sizes = sizes
    self.needsProx = needsProx
    self.change = change
    self.family = family
  }
}

extension RuleFault {
  /// The problems that a faulty rule is checked on: as they are, unless the fault is in what they say
  /// or has a problem of its own.
  ///
  /// - Throws: what the solution of that problem throws.
  func ground(_ suite: [SolvedProblem], size: Double) throws -> [SolvedProblem] {
    if let family { return [try family.problem()] }
    guard case .declaration(let change) = change else { return suite }
    return suite.map { solved in
      var twin = solved
      twin.problem = DeclaredProblem(
        base: solved.problem, smoothness: solved.problem.smoothness.map { change($0, size) })
      return twin
    }
  }
}

/// A problem that says another L.
private struct DeclaredProblem: Problem {
  let base: any Problem
  let smoothness: [Double]

  var name: String { base.name }
  var dimension: Int { base.dimension }
  var minimumValue: Double? { base.minimumValue }
  var regularizer: any Regularizer { base.regularizer }
  func values(at x: Vector) -> [Double] { base.values(at: x) }
  func gradient(at x: Vector, into g: inout Vector) { base.gradient(at: x, into: &g) }
}
