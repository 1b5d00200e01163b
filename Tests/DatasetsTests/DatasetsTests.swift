import Datasets
import Foundation
import OptCheck
import TestSupport
import Testing

private let folder = Fixtures.packageFolder.appendingPathComponent("Fixtures/Data")

private func file(_ name: String) -> URL { folder.appendingPathComponent(name) }

/// M and y of the fixtures, from their description.
private let matrix = (0..<12).map { Double($0) / 4 - 1 }
private let labels: [Double] = [1, 0, 0, 1]

/// A scratch folder that goes away with the test.
private func withScratch<Result>(_ body: (URL) throws -> Result) throws -> Result {
  let scratch = FileManager.default.temporaryDirectory
    .appendingPathComponent("datasets-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(at: scratch) }
  return try body(scratch)
}

@Suite struct ForeignFiles {
  @Test func npzStored() throws {
    let arrays = try NpzFile.read(from: file("problem.npz"))
    #expect(arrays["M"] == Tensor(shape: [2, 2, 3], elements: matrix))
    #expect(arrays["y"] == Tensor(shape: [2, 2], elements: labels))
    #expect(arrays["rho"] == Tensor(0.25))
  }

  /// Written in one module, read by another that shares no code with it.
  @Test func npzComesBack() throws {
    let arrays = [
      "M": Tensor(shape: [2, 3], elements: [1, -0.0, .infinity, 1e-308, 0.1, 3]),
      "y": Tensor(shape: [0], elements: []), "rho": Tensor(0.25),
    ]
    try withScratch { folder in
      let url = folder.appendingPathComponent("arrays.npz")
      try NpzArchive.write(arrays, to: url)
      #expect(try NpzFile.read(from: url) == arrays)
      #expect(try Data(contentsOf: url) == NpzArchive.encoded(arrays))
      // Python's own reader checks the checksums.
      let test = try ChildProcess.run("python3", ["-m", "zipfile", "-t", url.path])
      #expect(test.status == 0 || test.status == 127, "\(test.standardError)")
    }
  }

  @Test func npzDeflatedInFortranOrder() throws {
    let arrays = try NpzFile.read(from: file("deflated.npz"))
    #expect(arrays["M"] == Tensor(shape: [2, 2, 3], elements: matrix))
    #expect(arrays["y"]?.elements == labels)
    #expect(arrays["u"]?.elements == [0, 1, 2, 3, 4])
    #expect(arrays["i"]?.elements == [-1, 0, 1])
  }

  @Test func matOfMixedClasses() throws {
    let arrays = try MatFile.read(from: file("problem.mat"))
    #expect(arrays["W"] == Tensor(shape: [2, 2, 3], elements: matrix))
    #expect(arrays["Y"]?.elements == labels)
    #expect(arrays["rho"]?.elements == [0.25])
  }

  /// The layout of the reference code: W (B, m, d), Y (B, m, 1), rho, and fstar (1, B).
  @Test(arguments: [false, true])
  func matBothWays(_ isSingle: Bool) throws {
    try withScratch { scratch in
      let arrays = [
        "W": Tensor(shape: [2, 2, 3], elements: matrix),
        "Y": Tensor(shape: [2, 2, 1], elements: labels),
        "fstar": Tensor(shape: [1, 2], elements: [0.5, 0.25]),
        "rho": Tensor(shape: [1, 1], elements: [0.5]),
      ]
      let place = scratch.appendingPathComponent("0.mat")
      try MatFile.write(arrays, to: place, isSingle: isSingle)
      let read = try MatFile.read(from: place)
      #expect(read["W"] == arrays["W"])
      // MATLAB drops trailing sides of length 1.
      #expect(read["Y"]?.elements == labels)
      #expect(read["fstar"] == arrays["fstar"])
      #expect(read["rho"] == arrays["rho"])
      #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["0.mat"])
    }
  }

  @Test func idxInGzip() throws {
    let (shape, bytes) = try IdxFile.read(from: file("two-images-idx3-ubyte.gz"))
    #expect(shape == [2, 28, 28])
    #expect(bytes == (0..<1568).map { UInt8($0 % 251) })
  }

  /// Every prefix of a file and every kind of wrong file gives one line that names it.
  @Test func damageIsNamed() throws {
    try withScratch { scratch in
      for name in ["problem.npz", "deflated.npz", "problem.mat", "two-images-idx3-ubyte.gz"] {
        let whole = try Data(contentsOf: file(name))
        for part in [0.0, 0.3, 0.7, 0.9] {
          let place = scratch.appendingPathComponent(name)
          try whole.prefix(Int(part * Double(whole.count))).write(to: place)
          let error = #expect(throws: (any Error).self, "\(name) \(part)") {
            switch place.pathExtension {
            case "npz": _ = try NpzFile.read(from: place)
            case "gz": _ = try IdxFile.read(from: place)
            default:
              let arrays = try MatFile.read(from: place)
              // matio stops where the file does: what is missing must then be noticed by name.
              if arrays.count < 3 {
                throw DatasetError.missing(path: place.path, variable: "rho", present: [])
              }
            }
          }
          let text = error.map { "\($0)" } ?? ""
          #expect(text.contains(name) && !text.contains("\n"), "\(text)")
        }
      }
    }
  }
}

@Suite struct ProblemFiles {
  @Test(arguments: ["problem.npz", "problem.mat", "deflated.npz"])
  func arrays(_ name: String) throws {
    let problem = try ProblemFile.read(file(name), as: .logisticL1, rho: 0.5)
    #expect(problem.instanceCount == 2 && problem.dimension == 6)
    #expect(problem.map.matrix(1).elements == Array(matrix[6...]))
    #expect(problem.target.elements == labels)
    #expect((problem.regularizer as? L1Norm)?.weight == 0.5)
  }

  @Test func rhoOfTheFile() throws {
    let lasso = try #require(try ProblemFile.read(file("problem.npz"), as: .lasso) as? Lasso)
    #expect(lasso.weight == 0.25)
  }

  @Test func commaSeparated() throws {
    let problem = try ProblemFile.read(file("problem.csv"), as: .logisticL1, rho: 0.1)
    #expect(problem.map.matrix(0).elements == Array(matrix[..<6]))
    #expect(problem.target.elements == [1, 0])
  }

  @Test func oneDictionaryForMany() throws {
    try withScratch { scratch in
      let place = scratch.appendingPathComponent("shared.safetensors")
      try Safetensors([
        "A": Tensor(shape: [2, 3], elements: Array(matrix[..<6])),
        "b": Tensor(shape: [4, 2], elements: (0..<8).map(Double.init)),
      ]).write(to: place)
      let problem = try ProblemFile.read(place, as: .lasso)
      #expect(problem.map.isShared && problem.instanceCount == 4)
    }
  }

  /// What users get wrong: one line with the file, the culprit and what is accepted.
  @Test func badInput() throws {
    try withScratch { scratch in
      func refusal(
        _ name: String, _ arrays: [String: Tensor], _ kind: ProblemFile.Kind = .lasso,
        naming words: [String]
      ) throws {
        let place = scratch.appendingPathComponent(name)
        if place.pathExtension == "mat" {
          try MatFile.write(arrays, to: place)
        } else {
          try Safetensors(arrays).write(to: place)
        }
        let error = #expect(throws: (any Error).self) {
          _ = try ProblemFile.read(place, as: kind)
        }
        let text = error.map { "\($0)" } ?? ""
        for word in words { #expect(text.contains(word), "\(text)") }
        #expect(!text.contains("\n"))
      }
      let m = Tensor(shape: [2, 3], elements: Array(matrix[..<6]))
      try refusal(
        "a.safetensors", ["M": m, "y": Tensor(shape: [3], elements: [1, 2, 3])],
        naming: ["a.safetensors", "'y'", "[3]", "b = 2"])
      try refusal(
        "b.safetensors", ["M": m, "y": Tensor(shape: [2], elements: [1, .nan])], .logisticL1,
        naming: ["y[1]", "nan", "0, 1"])
      try refusal(
        "c.safetensors", ["M": m, "y": Tensor(shape: [2], elements: [1, 2])], .logisticL1,
        naming: ["label 1", "2.0", "0, 1"])
      try refusal(
        "d.mat", ["W": m, "rho": Tensor(0.1)], naming: ["d.mat", "'y' or 'Y'", "W, rho"])
      try refusal(
        "e.safetensors",
        ["M": m, "y": Tensor(shape: [2], elements: [1, 2]), "rho": Tensor(-0.1)],
        naming: ["rho", "-0.1", "from 0"])
      try refusal(
        "f.safetensors",
        ["M": Tensor(shape: [6], elements: Array(matrix[..<6])), "y": Tensor(1)],
        naming: ["'M'", "[6]", "[b, d]"])
      let text = scratch.appendingPathComponent("g.csv")
      try Data("1,2,3\n4,x,6\n".utf8).write(to: text)
      #expect(
        throws: DatasetError.entry(
          path: text.path, line: 2, column: 2, found: "x", expected: "a finite number")
      ) { _ = try ProblemFile.read(text, as: .lasso) }
      #expect(throws: DatasetError.self) {
        _ = try ProblemFile.read(scratch.appendingPathComponent("h.xlsx"), as: .lasso)
      }
      #expect(throws: (any Error).self) {
        _ = try ProblemFile.read(scratch.appendingPathComponent("absent.npz"), as: .lasso)
      }
    }
  }
}

@Suite(.enabled(if: Fixtures.sharedFolder != nil, "needs ../shared"))
struct PublishedData {
  private func data() throws -> URL {
    try #require(Fixtures.sharedFolder).appendingPathComponent("data")
  }

  @Test(arguments: [("ionosphere", 351, 34, 225.0), ("spambase", 4601, 57, 1813.0)])
  func tables(_ name: String, _ rows: Int, _ columns: Int, _ positives: Double) throws {
    let problem = try #require(try RealData.problem(name, from: try data()) as? LogisticL1)
    #expect(problem.map.blockRows == rows && problem.map.blockColumns == columns)
    #expect(problem.target.elements.reduce(0, +) == positives)
    let m = problem.map.matrix(0)
    for j in 0..<columns {
      let column = Vector((0..<rows).map { m[$0, j] })
      // Sums of `rows` numbers near 1.
      let slack = Double(rows) * 1e-14
      #expect(abs(column.elements.reduce(0, +)) <= slack * 10)
      let square = column.dot(column) / Double(rows)
      #expect(square == 0 || abs(square - 1) <= slack)
    }
    if name == "ionosphere" {
      // The second column is constant and only centred.
      #expect((0..<rows).allSatisfy { m[$0, 1] == 0 })
    }
  }

  @Test func imagePatches() throws {
    let problem = try RealData.imagePatches(from: try data())
    #expect(problem.instanceCount == 1000 && problem.map.isShared)
    let a = problem.map.matrix(0)
    #expect(a.rows == 64 && a.columns == 128)
    for j in 0..<128 {
      let column = Vector((0..<64).map { a[$0, j] })
      #expect(abs(column.norm - 1) <= 1e-6)
    }
  }

  @Test func mnist() throws {
    let problem = try RealData.mnist(from: try data(), count: 20)
    #expect(problem.images.rows == 20)
    #expect(Array(problem.labels.prefix(5)) == [7, 2, 1, 0, 4])
    // Background is (0 - 0.1307) / 0.3081.
    #expect(abs(problem.images[0, 0] - (-0.1307 / 0.3081)) <= 1e-15)
    #expect(throws: DatasetError.self) { _ = try RealData.mnist(from: try data(), count: 10_001) }
  }
}
