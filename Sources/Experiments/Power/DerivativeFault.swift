import Catalog
import Checks
import Engine
import Foundation
import Optimization

/// A fault that can be planted in a gradient of weights, at a relative size.
public struct DerivativeFault: Sendable {
  /// A short name.
  public var name: String
  /// The relative sizes at which it makes sense.
  public var sizes: [Double]
  let change: @Sendable (_ gradient: inout Parameters, _ size: Double) -> Void

  private init(
    _ name: String, _ sizes: [Double] = [1, 1e-2, 1e-4, 1e-6],
    change: @escaping @Sendable (inout Parameters, Double) -> Void
  ) {
    self.name = name
    self.sizes = sizes
    self.change = change
  }

  /// All of them.
  public static let all: [DerivativeFault] = [
    DerivativeFault("the first block is scaled") { g, s in g.scale(0, by: 1 + s) },
    DerivativeFault("a middle block is scaled") { g, s in g.scale(g.tensors.count / 2, by: 1 - s) },
    DerivativeFault("the last block is scaled") { g, s in
      g.scale(g.tensors.count - 1, by: 1 + s)
    },
    DerivativeFault("everything is scaled") { g, s in
      for i in g.tensors.indices { g.scale(i, by: 1 + s) }
    },
    DerivativeFault("the largest entry of the first block") { g, s in g.scaleLargest(0, by: 1 + s)
    },
    DerivativeFault("the largest entry of the last block") { g, s in
      g.scaleLargest(g.tensors.count - 1, by: 1 - s)
    },
    DerivativeFault("sign of the first block", [1]) { g, _ in g.scale(0, by: -1) },
    DerivativeFault("sign of the last block", [1]) { g, _ in
      g.scale(g.tensors.count - 1, by: -1)
    },
    DerivativeFault("the first block is missing", [1]) { g, _ in g.scale(0, by: 0) },
    DerivativeFault("the last block is missing", [1]) { g, _ in
      g.scale(g.tensors.count - 1, by: 0)
    },
    DerivativeFault("the first block is transposed", [1]) { g, _ in g.transpose(0) },
    DerivativeFault("rows of a block are swapped", [1]) { g, _ in g.swapRows() },
    DerivativeFault("half of the first block is cut off", [1]) { g, _ in
      for j in 0..<(g.tensors[0].elements.count / 2) { g.tensors[0].elements[j] = 0 }
    },
    DerivativeFault("an entry is not a number", [1]) { g, _ in g.tensors[0].elements[0] = .nan },
    DerivativeFault("something is added to the first block") { g, s in
      let size = Vector(g.tensors[0].elements).norm
      let count = Double(g.tensors[0].elements.count).squareRoot()
      for j in g.tensors[0].elements.indices { g.tensors[0].elements[j] += s * size / count }
    },
  ]

  /// What the check says of a learned rule's gradient with this fault, block by block.
  func caught(
    _ rule: some LearnedUpdateRule, at parameters: Parameters, on problem: Regression,
    from start: Vector, horizon: Int, size: Double, seed: UInt64
  ) -> Bool {
    let change = change
    func subject(_ block: String?) -> GradientCheck.Subject {
      GradientCheck.Subject(
        label: "\(rule.name), \(name)", parameters: parameters, block: block, seed: seed,
        reference: {
          guard
            let made = try? rule.metaObjective(
              on: problem, from: start, horizon: horizon, loss: .last)
          else { preconditionFailure("\(rule.name) has no training loss") }
          return made
        },
        objective: {
          guard
            let made = try? rule.metaObjective(
              on: problem, from: start, horizon: horizon, loss: .last)
          else { preconditionFailure("\(rule.name) has no training loss") }
          return FaultyObjective(made) { _, gradient in change(&gradient, size) }
        })
    }
    return ([nil] + parameters.names.map(Optional.some)).contains {
      GradientCheck().run(subject($0)).verdict == .violated
    }
  }
}

extension Parameters {
  fileprivate mutating func scale(_ i: Int, by factor: Double) {
    for j in tensors[i].elements.indices { tensors[i].elements[j] *= factor }
  }

  fileprivate mutating func scaleLargest(_ i: Int, by factor: Double) {
    let all = tensors[i].elements
    guard let j = all.indices.max(by: { abs(all[$0]) < abs(all[$1]) }) else { return }
    tensors[i].elements[j] *= factor
  }

  fileprivate mutating func transpose(_ i: Int) {
    let tensor = tensors[i]
    guard tensor.shape.count == 2 else { return tensors[i].elements.reverse() }
    let m = Matrix(rows: tensor.shape[0], columns: tensor.shape[1], elements: tensor.elements)
    tensors[i].elements = m.transposed.elements
  }

  fileprivate mutating func swapRows() {
    guard let i = tensors.indices.first(where: { tensors[$0].elements.count > 1 }) else { return }
    let half = tensors[i].elements.count / 2
    for j in 0..<half { tensors[i].elements.swapAt(j, tensors[i].elements.count - half + j) }
  }
}
