import Catalog
public import Engine
import Foundation
public import Optimization
import Storage

/// A rule in NumPy, where it is a plain formula.
///
/// Lines see x, k (from 1), s = 1/L, `gradient` (of f), `subgradient` (of F) and `prox`; operations
/// come in the order of our own code, so that both round alike.
public struct NumPyFormula: Sendable, Hashable {
  /// What is set before the first step, from x.
  public var setup: String?
  /// One step.
  public var step: [String]
  /// Remembered iterates, which a probe sets to x*.
  public var remembered: [String] = []

  /// The formula of `rule`; nil where it has none.
  public init?(_ rule: any Candidate) {
    switch rule {
    case let it as NativeCandidate<GradientDescent> where it.rule.stepRule == .instance:
      step = ["x = x - \(it.rule.relaxation) * s * gradient(x)"]
    case let it as NativeCandidate<MomentumDescent> where it.rule.stepRule == .instance:
      setup = "w = x"
      remembered = ["w"]
      let ahead = "x + \(it.rule.momentum) * (x - w)"
      step =
        it.rule.form == .heavyBall
        ? ["x, w = prox(\(ahead) - s * gradient(x), s), x"]
        : ["z = \(ahead)", "x, w = prox(z - s * gradient(z), s), x"]
    case let it as NativeCandidate<ProximalGradient>
    where it.rule.stepRule == .instance && it.rule.metric == nil:
      step = ["x = prox(x - s * gradient(x), s)"]
    case let it as NativeCandidate<FISTA> where it.rule.stepRule == .instance:
      setup = "z, t = x, 1"
      remembered = ["z"]
      step = [
        "w, x, t, u = x, prox(z - s * gradient(z), s), (1 + (1 + 4 * t * t) ** 0.5) / 2, t",
        "z = x + (u - 1) / t * (x - w)",
      ]
    case let it as NativeCandidate<SubgradientDescent> where it.rule.stepRule == .instance:
      let factor =
        switch it.rule.schedule {
        case .constant: "s"
        case .inverseRoot: "1 / k ** 0.5 * s"
        case .inverse: "1 / k * s"
        }
      step = ["x = x - \(factor) * subgradient(x)"]
    case let it as NativeCandidate<Adam>:
      guard case .constant(let size) = it.rule.stepRule else { return nil }
      setup = "m, v, u, a = 0, 0, 0, \(size)"
      let (b1, b2) = (it.rule.beta1, it.rule.beta2)
      step = [
        "g = subgradient(x)",
        "m, v = \(b1) * m + (1 - \(b1)) * g, \(b2) * v + (1 - \(b2)) * g * g",
        "u = -(m / (1 - \(b1) ** k)) / ((v / (1 - \(b2) ** k)) ** 0.5 + \(it.rule.epsilon))",
      ]
      if let rate = it.rule.hyperDescent?.rate {
        step[0] += "; a = max(a - \(rate) * np.sum(g * u), 1e-8) if k > 1 else a"
      }
      step[2] += "; x = x + a * u"
    default: return nil
    }
  }
}

/// Python that finds a counterexample's level from the arrays beside it, with NumPy alone.
struct NumPySnippet {
  /// 15 lines at most.
  let text: String

  init(_ example: RuleCounterexample, formula: NumPyFormula?) {
    let record = example.problem
    let isProbed = example.measure == .displacement
    let probes = isProbed ? (example.check == "FP4" ? 2 : 1) : 0
    var lines = [
      "import numpy as np",
      "d = np.load(\"\(Self.placeholder).npz\")",
      "M, y, x0, x_star, rho, s = (d[k] for k in (\"M\", \"y\", \"x0\", \"x_star\", \"rho\", \"step\"))",
    ]
    lines += Self.smooth(record)
    lines += Self.proximal(record)
    lines.append("x = x0" + (formula?.setup.map { "; " + $0 } ?? ""))
    lines.append("for k in range(1, \(example.horizon + probes) + 1):")
    if isProbed {
      let names = (["x"] + (formula?.remembered ?? [])).joined(separator: " = ")
      lines.append("    if k == \(example.horizon + 1): \(names) = x_star")
    }
    let mark =
      formula == nil
      ? "  # put your rule here; this is gradient descent" : "  # the rule: put yours here"
    let step = formula?.step ?? ["x = x - s * gradient(x)"]
    let body = step.map { "    " + $0 }
    lines += body.dropLast() + [(body.last ?? "") + mark]
    lines.append("print(np.linalg.norm(x - x_star) / np.linalg.norm(x0 - x_star))")
    precondition(lines.count <= 15, "\(lines.count) lines")
    text = lines.joined(separator: "\n") + "\n"
  }

  /// What stands for the name of the files until they have one.
  static let placeholder = "counterexample"

  /// f and its gradient.
  private static func smooth(_ record: ProblemRecord) -> [String] {
    let delta = record.delta ?? 0
    let (value, slope) =
      switch record.loss {
      case .leastSquares: ("np.sum((M @ x - y) ** 2) / 2", "M.T @ (M @ x - y)")
      case .huber:
        (
          "np.sum(np.where(abs(M @ x - y) <= \(delta), (M @ x - y) ** 2 / 2, "
            + "\(delta) * (abs(M @ x - y) - \(delta) / 2)))",
          "M.T @ np.clip(M @ x - y, -\(delta), \(delta))"
        )
      case .logistic:
        (
          "np.mean(np.logaddexp(0, M @ x) - y * (M @ x))",
          "M.T @ (1 / (1 + np.exp(-(M @ x))) - y) / len(y)"
        )
      case .zero: ("0", "0 * x")
      case .absolute: ("np.sum(abs(M @ x - y))", "M.T @ np.sign(M @ x - y)")
      }
    let kinks = record.regularizer == .l1 ? "gradient(x) + rho * np.sign(x)" : "gradient(x)"
    return [
      "f = lambda x: \(value)", "gradient = lambda x: \(slope)", "subgradient = lambda x: \(kinks)",
    ]
  }

  /// The proximal operator of r.
  private static func proximal(_ record: ProblemRecord) -> [String] {
    switch record.regularizer {
    case .none: ["prox = lambda v, s: v"]
    case .l1: ["prox = lambda v, s: np.sign(v) * np.maximum(abs(v) - rho * s, 0)"]
    case .nonNegative: ["prox = lambda v, s: np.maximum(v, 0)"]
    case .simplex:
      [
        "share = lambda u: (np.cumsum(u) - 1) / np.arange(1, len(u) + 1)",
        "prox = lambda v, s: np.maximum(v - max(share(np.sort(v)[::-1])), 0)",
      ]
    }
  }
}

extension RuleCounterexample {
  /// M (b x n), y (b), x0 and x_star (n), rho, and step = 1/L.
  ///
  /// - Throws: as ``ProblemRecord/restored()``.
  public func arrays() throws -> [String: Tensor] {
    func list(_ numbers: [Double]) -> Tensor {
      Tensor(shape: [numbers.count], elements: numbers)
    }
    return [
      "M": Tensor(
        shape: [problem.matrix.count, problem.dimension],
        elements: problem.matrix.flatMap(\.self)),
      "y": list(problem.target), "x0": list(start), "x_star": list(minimiser),
      "rho": Tensor(problem.weight ?? 0),
      "step": Tensor(1 / (try problem.restored().smoothness)),
    ]
  }

  /// The snippet for files called `name`.
  public func snippet(named name: String) -> String {
    snippet.replacing(NumPySnippet.placeholder, with: name)
  }
}
