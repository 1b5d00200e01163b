import Engine
import Optimization

extension GradientCheck {
  private static let problem = DiagonalQuadratic(dimension: 6, seed: 3)
  private static let trained = ScalarRecursion.parameters(units: 5, seed: 4, outer: 0.4)
  private static let initial = ScalarRecursion.parameters(units: 5, seed: 4, outer: 0)

  public var mutants: [Mutant<Subject>] {
    let inside: [Mutant<Subject>] = [
      ("one time step contributes nothing", ScalarRecursion.Fault.missingStep),
      ("1/β dropped", .droppedStepSize), ("ReLU mask inverted", .invertedMask),
      ("sign of one term", .wrongSign), ("iterate of the step before", .staleIterate),
    ].map { name, fault in
      Mutant(name, subject { ScalarRecursion(Self.problem, fault: fault) })
    }
    let scaled = [1e-2, 1e-4, 1e-6].map { size in
      planted("one block scaled", size: size) { _, g in
        g.tensors[0].elements = g.tensors[0].elements.map { $0 * (1 + size) }
      }
    }
    return inside + scaled + [
      planted("sign of one block") { _, g in
        g.tensors[1].elements = g.tensors[1].elements.map { -$0 }
      },
      planted("one entry wrong", size: 1e-3) { _, g in g.tensors[0].elements[3] *= 1 + 1e-3 },
      planted("one entry missing") { _, g in g.tensors[0].elements[4] = 0 },
      planted("two entries swapped") { _, g in g.tensors[1].elements.swapAt(0, 1) },
      planted("an entry is NaN") { _, g in g.tensors[0].elements[0] = .nan },
      Mutant(
        "full gradient for the detached one",
        subject(reference: { ScalarRecursion(Self.problem) }) {
          ScalarRecursion(Self.problem, isDetached: false)
        }),
      Mutant(
        "detached gradient for the full one",
        subject(reference: { ScalarRecursion(Self.problem, isDetached: false) }) {
          ScalarRecursion(Self.problem)
        }),
      planted("loss of another function", size: 1e-9, expected: .premiseFails) { e, _ in
        e.loss *= 1 + 1e-9
      },
      planted("loss is NaN", expected: .premiseFails) { e, _ in e.loss = .nan },
    ]
  }

  public var cleanCases: [CleanCase<Subject>] {
    var cases: [CleanCase<Subject>] = []
    for isDetached in [true, false] {
      for block in [nil, "inner", "outer"] {
        let name = "\(isDetached ? "detached" : "full"), \(block ?? "all weights")"
        cases.append(
          CleanCase(
            "\(name), trained",
            subject(block: block) { ScalarRecursion(Self.problem, isDetached: isDetached) }))
        cases.append(
          CleanCase(
            "\(name), W_L = 0", expected: block == "inner" ? .inconclusive : .holds,
            subject(Self.initial, block: block) {
              ScalarRecursion(Self.problem, isDetached: isDetached)
            }))
      }
    }
    // Nothing tells the two gradients apart where W_L = 0.
    cases.append(
      CleanCase(
        "full for detached, W_L = 0",
        subject(Self.initial, reference: { ScalarRecursion(Self.problem) }) {
          ScalarRecursion(Self.problem, isDetached: false)
        }))
    return cases
  }

  private func subject(
    _ parameters: Parameters = trained, block: String? = nil,
    reference: (@Sendable () -> any MetaObjective)? = nil,
    _ objective: @escaping @Sendable () -> any MetaObjective
  ) -> Subject {
    Subject(
      label: "scalar recursion", parameters: parameters, block: block, reference: reference,
      objective: objective)
  }

  private func planted(
    _ name: String, size: Double = 1, expected: Verdict = .violated,
    _ fault: @escaping @Sendable (inout MetaEvaluation, inout Parameters) -> Void
  ) -> Mutant<Subject> {
    Mutant(
      name, size: size, expected: expected,
      subject { FaultyObjective(ScalarRecursion(Self.problem), fault: fault) })
  }
}
