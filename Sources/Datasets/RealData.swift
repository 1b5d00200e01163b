public import Catalog
import Engine
public import Foundation
import Storage

/// The real data of the published experiments, with the published preprocessing.
public enum RealData {
  /// What there is.
  public static let names = [patches, "ionosphere", "spambase"]

  /// What paper B's rule is tested on as a LASSO that is no random one.
  public static let patches = "image-patches"

  /// What the network is trained on.
  public static let mnist = "mnist"

  /// Refuses a folder that lacks a file of `names`, before minutes are spent on the rest.
  ///
  /// - Throws: ``DatasetError`` naming what is missing.
  public static func expect(_ names: [String], in folder: URL) throws {
    if let choice = missing(names, in: folder) {
      throw DatasetError.unreadable(
        path: folder.path, reason: "no \(choice.joined(separator: " or ")) there")
    }
  }

  /// Whether `folder` holds the files of what is called `name`.
  public static func has(_ name: String, in folder: URL) -> Bool {
    missing([name], in: folder) == nil
  }

  /// The names of a file of `names` that is not there under any of them; nil if all are.
  private static func missing(_ names: [String], in folder: URL) -> [String]? {
    names.flatMap(files).first {
      !$0.contains { isThere(folder.appendingPathComponent($0)) }
    }
  }

  /// The files of what is called `name`, each under any of its names.
  private static func files(_ name: String) -> [[String]] {
    switch name {
    case patches: [[imagePatchesFile]]
    case mnist: ["images-idx3", "labels-idx1"].map(mnistNames)
    default: [["\(name).data"]]
    }
  }

  private static func isThere(_ file: URL) -> Bool {
    FileManager.default.fileExists(atPath: file.path)
  }

  private static let imagePatchesFile = "bsds500_lasso.safetensors"

  /// The names that a part of MNIST may have, best first.
  private static func mnistNames(_ part: String) -> [String] {
    ["train", "t10k"].flatMap { set in ["", ".gz"].map { "\(set)-\(part)-ubyte\($0)" } }
  }

  /// The problem called `name` from the files in `folder`.
  ///
  /// - Throws: ``DatasetError``, `StorageError` or `ProblemError` naming what is wrong.
  public static func problem(
    _ name: String, from folder: URL
  ) throws -> any CertifiableProblem {
    switch name {
    case patches: return try imagePatches(from: folder)
    case "ionosphere": return try ionosphere(from: folder)
    case "spambase": return try spambase(from: folder)
    default:
      throw DatasetError.value(
        path: folder.path, name: "data", found: "'\(name)'",
        accepted: names.joined(separator: ", "))
    }
  }

  /// UCI Ionosphere: 351 x 34, label g is 1, b is 0; ρ = 0.1.
  public static func ionosphere(from folder: URL) throws -> LogisticL1 {
    try table("ionosphere", folder) { $0 == "g" ? 1 : $0 == "b" ? 0 : nil }
  }

  /// UCI Spambase: 4601 x 57, label 0 or 1; ρ = 0.1. (The paper's text says 4,061 samples.)
  public static func spambase(from folder: URL) throws -> LogisticL1 {
    try table("spambase", folder) { $0 == "1" ? 1 : $0 == "0" ? 0 : nil }
  }

  /// All columns but the last as features, each with mean 0 and population deviation 1.
  ///
  /// A constant column is centred only. No intercept.
  private static func table(
    _ name: String, _ folder: URL, label: (String) -> Double?
  ) throws -> LogisticL1 {
    let file = folder.appendingPathComponent("\(name).data")
    let rows = try CSVFile.rows(from: file)
    let d = rows[0].count - 1
    var m = Matrix(zeros: rows.count, d)
    var labels = Vector(zeros: rows.count)
    for (i, row) in rows.enumerated() {
      for j in 0..<d {
        guard let number = Double(row[j]), number.isFinite else {
          throw DatasetError.entry(
            path: file.path, line: i + 1, column: j + 1, found: row[j],
            expected: "a finite number")
        }
        m[i, j] = number
      }
      guard let value = label(row[d]) else {
        throw DatasetError.entry(
          path: file.path, line: i + 1, column: d + 1, found: row[d],
          expected: name == "ionosphere" ? "g or b" : "0 or 1")
      }
      labels[i] = value
    }
    let count = Double(m.rows)
    for j in 0..<d {
      var (mean, square) = (0.0, 0.0)
      for i in 0..<m.rows { mean += m[i, j] / count }
      for i in 0..<m.rows { square += (m[i, j] - mean) * (m[i, j] - mean) / count }
      let deviation = square == 0 ? 1 : square.squareRoot()
      for i in 0..<m.rows { m[i, j] = (m[i, j] - mean) / deviation }
    }
    return try LogisticL1(
      name: name, map: .blocks(BlockDiagonal([m])), target: labels, weight: 0.1)
  }

  /// LASSO on 8 x 8 image patches with one learned dictionary of 64 x 128; ρ = 0.5.
  public static func imagePatches(from folder: URL) throws -> Lasso {
    let file = folder.appendingPathComponent(imagePatchesFile)
    let arrays = try Safetensors.read(from: file).tensors
    func array(_ name: String) throws -> Tensor {
      guard let tensor = arrays[name] else {
        throw DatasetError.missing(
          path: file.path, variable: name, present: arrays.keys.sorted())
      }
      guard tensor.shape.count == 2 else {
        throw DatasetError.shape(
          path: file.path, variable: name, found: tensor.shape, expected: "two axes")
      }
      return tensor
    }
    let (a, b) = (try array("A"), try array("b"))
    return try Lasso(
      name: patches, map: .shared(a.matrix, copies: b.shape[0]),
      target: Vector(b.elements), weight: 0.5)
  }

  /// The network on the first `count` images of MNIST's test set, or of its training set where
  /// that is there, in the order of the file.
  public static func mnist(from folder: URL, count: Int) throws -> MnistCNN {
    func file(_ part: String) throws -> URL {
      let places = mnistNames(part).map { folder.appendingPathComponent($0) }
      guard
        let place = places.first(where: isThere)
      else {
        throw DatasetError.unreadable(
          path: folder.path,
          reason: "no MNIST \(part); accepted: "
            + places.map(\.lastPathComponent).joined(separator: ", "))
      }
      return place
    }
    let (imageFile, labelFile) = (try file("images-idx3"), try file("labels-idx1"))
    let (images, labels) = (
      try IdxFile.read(from: imageFile), try IdxFile.read(from: labelFile)
    )
    guard images.shape.count == 3, images.shape[1] == 28, images.shape[2] == 28 else {
      throw DatasetError.shape(
        path: imageFile.path, variable: "images", found: images.shape, expected: "[n, 28, 28]")
    }
    guard labels.shape == [images.shape[0]] else {
      throw DatasetError.shape(
        path: labelFile.path, variable: "labels", found: labels.shape,
        expected: "[\(images.shape[0])]")
    }
    guard (1...images.shape[0]).contains(count) else {
      throw DatasetError.value(
        path: imageFile.path, name: "train-batch-size", found: "\(count)",
        accepted: "1...\(images.shape[0])")
    }
    let grey = Matrix(
      rows: count, columns: 784, elements: images.bytes.prefix(count * 784).map { Double($0) / 255 }
    )
    return try MnistCNN(
      images: MnistCNN.normalized(grey), labels: labels.bytes.prefix(count).map(Int.init))
  }
}
