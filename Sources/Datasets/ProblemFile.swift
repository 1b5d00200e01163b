public import Catalog
import Engine
public import Foundation
import Storage

/// A user's own problem from a file: M, y and ρ.
public enum ProblemFile {
  /// What the data are taken for.
  public enum Kind: String, Sendable, Hashable, CaseIterable {
    /// ½ ‖M x - y‖².
    case leastSquares = "least-squares"
    /// The same with ρ ‖x‖₁.
    case lasso
    /// Logistic regression with ρ ‖x‖₁; labels y are 0 or 1.
    case logisticL1 = "logistic-l1"
  }

  /// Reads a problem from .safetensors, .npz, .mat or .csv.
  ///
  /// M (or W, or A) is N x b x d or b x d; y (or Y, or b) holds N b numbers, b of them each; ρ is
  /// `rho`, else the one in the file, else 0. In a .csv the last column is y, the others are M.
  /// - Throws: ``DatasetError``, `StorageError` or `ProblemError` naming what is wrong.
  public static func read(
    _ url: URL, as kind: Kind, rho: Double? = nil
  ) throws -> any CertifiableProblem {
    let arrays = try arrays(in: url)
    let (m, y) = (try find(["M", "W", "A"], arrays, url), try find(["y", "Y", "b"], arrays, url))
    let weight = rho ?? arrays["rho"]?.elements.first ?? 0
    guard weight.isFinite, weight >= 0 else {
      throw DatasetError.value(
        path: url.path, name: "rho", found: "\(weight)", accepted: "finite numbers from 0")
    }
    guard (2...3).contains(m.tensor.shape.count), m.tensor.elements.count > 0 else {
      throw DatasetError.shape(
        path: url.path, variable: m.name, found: m.tensor.shape, expected: "[N, b, d] or [b, d]")
    }
    let sides = Array(m.tensor.shape.suffix(2))
    let (b, d) = (sides[0], sides[1])
    let count = y.tensor.elements.count
    let matrices = m.tensor.shape.count == 3 ? m.tensor.shape[0] : 1
    let isShared = matrices == 1 && count > b
    guard count > 0, count.isMultiple(of: b), isShared || count == matrices * b else {
      throw DatasetError.shape(
        path: url.path, variable: y.name, found: y.tensor.shape,
        expected: matrices > 1 ? "[\(matrices), \(b)]" : "[\(b)] or [N, \(b)], for b = \(b) rows")
    }
    if let i = y.tensor.elements.firstIndex(where: { !$0.isFinite }) {
      throw DatasetError.value(
        path: url.path, name: "\(y.name)[\(i)]", found: "\(y.tensor.elements[i])",
        accepted: kind == .logisticL1 ? "0, 1" : "finite numbers")
    }
    let blocks = (0..<matrices).map { i in
      Matrix(
        rows: b, columns: d,
        elements: Array(m.tensor.elements[(i * b * d)..<((i + 1) * b * d)]))
    }
    let map: LinearMap =
      isShared ? .shared(blocks[0], copies: count / b) : .blocks(BlockDiagonal(blocks))
    let name = url.deletingPathExtension().lastPathComponent
    let target = Vector(y.tensor.elements)
    switch kind {
    case .lasso: return try Lasso(name: name, map: map, target: target, weight: weight)
    case .logisticL1:
      return try LogisticL1(name: name, map: map, target: target, weight: weight)
    case .leastSquares:
      let copies = isShared ? Array(repeating: blocks[0], count: count / b) : blocks
      return try LeastSquares(name: name, matrices: copies, target: target)
    }
  }

  private static func arrays(in url: URL) throws -> [String: Tensor] {
    switch url.pathExtension {
    case "safetensors": return try Safetensors.read(from: url).tensors
    case "npz": return try NpzFile.read(from: url)
    case "mat": return try MatFile.read(from: url)
    case "csv":
      let rows = try CSVFile.numbers(from: url)
      let d = (rows.first?.count ?? 1) - 1
      guard d >= 1 else {
        throw DatasetError.unreadable(path: url.path, reason: "one column; y and M need two")
      }
      return [
        "M": Tensor(shape: [rows.count, d], elements: rows.flatMap { $0.dropLast() }),
        "y": Tensor(shape: [rows.count], elements: rows.compactMap(\.last)),
      ]
    default:
      throw DatasetError.value(
        path: url.path, name: "ending", found: "'\(url.pathExtension)'",
        accepted: "safetensors, npz, mat, csv")
    }
  }

  private static func find(
    _ names: [String], _ arrays: [String: Tensor], _ url: URL
  ) throws -> (name: String, tensor: Tensor) {
    for name in names {
      if let tensor = arrays[name] { return (name, tensor) }
    }
    throw DatasetError.missing(
      path: url.path, variable: names.joined(separator: "' or '"),
      present: arrays.keys.sorted())
  }
}
