import Foundation
import OptCheck

/// Real data as problems, with the published preprocessing.
enum RealProblems {
  static func load(_ name: String, from folder: URL) throws -> any CertifiableProblem {
    switch name {
    case "image-patches": return try imagePatches(folder)
    case "ionosphere": return try logistic(name, folder, positive: "g")
    default: return try logistic(name, folder, positive: "1")
    }
  }

  static func mnist(from folder: URL, count: Int) throws -> MnistCNN {
    throw UsageError("MNIST cannot be read yet")
  }

  private static func imagePatches(_ folder: URL) throws -> Lasso {
    let file = try Safetensors.read(
      from: folder.appendingPathComponent("bsds500_lasso.safetensors"))
    guard let a = file["A"], let b = file["b"] else { throw UsageError("no A, b") }
    return try Lasso(
      name: "image-patches", map: .shared(a.matrix, copies: b.shape[0]),
      target: Vector(b.elements), weight: 0.5)
  }

  private static func logistic(_ name: String, _ folder: URL, positive: String) throws -> LogisticL1
  {
    let text = try String(
      contentsOf: folder.appendingPathComponent("\(name).data"), encoding: .utf8)
    let rows = text.split(whereSeparator: \.isNewline).map { $0.split(separator: ",") }
    let d = rows[0].count - 1
    var m = Matrix(zeros: rows.count, d)
    for (i, row) in rows.enumerated() {
      for j in 0..<d { m[i, j] = Double(row[j]) ?? .nan }
    }
    for j in 0..<d {
      let column = (0..<m.rows).map { m[$0, j] }
      let mean = column.reduce(0, +) / Double(m.rows)
      let deviation = (column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(m.rows))
        .squareRoot()
      for i in 0..<m.rows { m[i, j] = (m[i, j] - mean) / (deviation == 0 ? 1 : deviation) }
    }
    let labels = Vector(rows.map { $0[d] == positive ? 1 : 0 })
    return try LogisticL1(name: name, map: .blocks(BlockDiagonal([m])), target: labels, weight: 0.1)
  }
}
