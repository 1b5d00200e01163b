import Engine
import Foundation
import Storage
import Testing

@Suite struct SafetensorsTests {
  @Test func roundTripKeepsEveryBit() throws {
    let negativeNaN = Double(bitPattern: 0xFFF8_0000_0000_0123)
    let file = Safetensors(
      [
        "awkward": Tensor(shape: [2, 7], elements: awkwardDoubles + [.nan, negativeNaN]),
        "empty": Tensor(zeros: [3, 0, 2]),
        "alone": Tensor(-2.5),
        "quote\" back\\slash \u{1} \u{1F600}": Tensor(zeros: [1]),
      ], metadata: ["seed": "118", "note": "two\nlines"])
    let back = try withScratchFolder { folder in
      let url = folder.appendingPathComponent("a.safetensors")
      try file.write(to: url)
      return try Safetensors.read(from: url)
    }
    #expect(back.metadata == file.metadata)
    #expect(back.names == file.names)
    for name in file.names {
      #expect(back[name]?.shape == file[name]?.shape)
      #expect(back[name]?.elements.bitPatterns == file[name]?.elements.bitPatterns)
    }
  }

  /// The whole file, written out by hand from the format's description.
  @Test func bytesAreThoseOfTheFormat() {
    let file = Safetensors(
      ["b": [2], "a": [1, -0.0]].mapValues { Tensor(shape: [$0.count], elements: $0) })
    let header =
      #"{"a":{"data_offsets":[0,16],"dtype":"F64","shape":[2]},"#
      + #""b":{"data_offsets":[16,24],"dtype":"F64","shape":[1]}}"#
    let padded = header + String(repeating: " ", count: 112 - header.utf8.count)
    var expected: [UInt8] = [112, 0, 0, 0, 0, 0, 0, 0]
    expected += Array(padded.utf8)
    expected += [0, 0, 0, 0, 0, 0, 0xF0, 0x3F]  // 1
    expected += [0, 0, 0, 0, 0, 0, 0, 0x80]  // -0
    expected += [0, 0, 0, 0, 0, 0, 0, 0x40]  // 2
    #expect(Array(file.encoded()) == expected)
    #expect(file.encoded() == file.encoded())
  }

  @Test func narrowTypesWiden() throws {
    let bytes: [UInt8] =
      [0, 0, 0x80, 0xBF, 0xFF, 0xFF, 0xFF, 0xFF] + [0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]
    let file = try decode(
      #"{"f":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#
        + #""i":{"dtype":"I32","shape":[],"data_offsets":[4,8]},"#
        + #""l":{"dtype":"I64","shape":[1,1],"data_offsets":[8,16]}}"#, bytes)
    #expect(file["f"] == Tensor(shape: [1], elements: [-1]))
    #expect(file["i"] == Tensor(-1))
    #expect(file["l"] == Tensor(shape: [1, 1], elements: [-2]))
  }

  @Test func headerMayBeSpacedAndEscaped() throws {
    let file = try decode(
      " { \"\\u0061\\ud83d\\ude00\" : {\"shape\":[ 1 , 1 ] , \"dtype\" : \"F64\",\n"
        + "\"data_offsets\":[0,8]} , \"__metadata__\":{}}  ", [UInt8](repeating: 0, count: 8))
    #expect(file.names == ["a\u{1F600}"])
  }

  /// One corruption each: header, bytes of data, and what the error must name and say.
  @Test(arguments: [
    Corruption(
      #"{"x":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}}"#, 15, "array x", "truncated"),
    Corruption(
      #"{"x":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}}"#, 17, "file", "1 bytes after"),
    Corruption(
      #"{"x":{"dtype":"F64","shape":[3],"data_offsets":[0,16]}}"#, 16, "array x", "takes 24"),
    Corruption(
      #"{"x":{"dtype":"F64","shape":[2],"data_offsets":[16,0]}}"#, 16, "array x", "ascending"),
    Corruption(
      #"{"x":{"dtype":"F64","shape":[-2],"data_offsets":[0,16]}}"#, 16, "header", "byte 29"),
    Corruption(#"{"x":{"dtype":"BF16","shape":[8],"data_offsets":[0,16]}}"#, 16, "array x", "BF16"),
    Corruption(#"{"x":{"shape":[2],"data_offsets":[0,16]}}"#, 16, "array x", "dtype"),
    Corruption(#"{"x":{"dtype":"F64","shape":[2]}}"#, 16, "array x", "data_offsets"),
    Corruption(#"{"x":{"dtype":"F64","data_offsets":[0,16]}}"#, 16, "array x", "shape"),
    Corruption(
      #"{"x":{"dtype":"F64","shape":[2],"data_offsets":[0,16],"z":1}}"#, 16, "array x", "field z"),
    Corruption(
      #"{"x":{"dtype":"F64","shape":[9223372036854775807,4],"data_offsets":[0,16]}}"#, 16,
      "array x",
      "too large"),
    Corruption(
      #"{"x":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"#
        + #""x":{"dtype":"F64","shape":[1],"data_offsets":[8,16]}}"#, 16, "array x", "twice"),
    Corruption(
      #"{"x":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},"#
        + #""y":{"dtype":"F64","shape":[1],"data_offsets":[8,16]}}"#, 16, "array y", "overlaps"),
    Corruption(
      #"{"x":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"#
        + #""y":{"dtype":"F64","shape":[1],"data_offsets":[16,24]}}"#, 24, "array y", "want 8"),
    Corruption(#"{"x":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#, 8, "array x", "integer"),
    Corruption(#"{"__metadata__":{"a":1}}"#, 0, "__metadata__ a", "string"),
    Corruption(#"{"__metadata__":{"a":"1","a":"2"}}"#, 0, "__metadata__ a", "twice"),
    Corruption("[]", 0, "header", "object"),
    Corruption("{\"x", 0, "header", "without an end"),
    Corruption("{} {}", 0, "header", "after the end"),
    Corruption("{\"x\":[[[[[1]]]]]}", 0, "header", "deep"),
    Corruption("{\"x\":12345678901234567890}", 0, "header", "byte 5"),
  ])
  func refuses(_ corruption: Corruption) {
    expectMalformed(corruption.culprit, corruption.reason) {
      try decode(corruption.header, [UInt8](repeating: 0x7F, count: corruption.dataCount))
    }
  }

  @Test func refusesEveryCut() {
    let whole = Safetensors(["x": Tensor(1)]).encoded()
    for length in 0..<whole.count {
      expectMalformed("", "truncated") {
        try Safetensors(decoding: whole.prefix(length), path: "cut.safetensors")
      }
    }
  }

  @Test func refusesHeadersTooLongToBelieve() {
    expectMalformed("header", "over 100000000") {
      try Safetensors(decoding: Data(repeating: 0xFF, count: 64), path: "cut.safetensors")
    }
  }

  @Test func namesAFileThatIsNotThere() {
    let url = URL(fileURLWithPath: "/nonexistent/a.safetensors")
    #expect(
      throws: StorageError.unreadable(path: url.path, reason: "No such file or directory")
    ) { try Safetensors.read(from: url) }
  }

  /// Every reference case: names and shapes as its JSON lists them, values finite.
  @Test(.enabled(if: Reference.isThere, "needs ../shared"))
  func readsTheReferenceCases() throws {
    let cases = try FileManager.default
      .contentsOfDirectory(at: Reference.folder, includingPropertiesForKeys: nil)
      .filter { $0.pathExtension == "safetensors" }
    #expect(cases.count == 29)
    for url in cases {
      let file = try Safetensors.read(from: url)
      let listed = try JSONFile.read(
        Reference.Listing.self, from: url.deletingPathExtension().appendingPathExtension("json"))
      #expect(file.tensors.mapValues(\.shape) == listed.arrays.mapValues(\.shape), "\(url.path)")
      let finite = file.tensors.values.allSatisfy(\.isFinite)
      #expect(finite, "\(url.path)")
    }
  }

  private func decode(_ header: String, _ body: [UInt8]) throws -> Safetensors {
    var bytes = (0..<8).map { UInt8(truncatingIfNeeded: header.utf8.count >> (8 * $0)) }
    bytes += Array(header.utf8) + body
    return try Safetensors(decoding: Data(bytes), path: "cut.safetensors")
  }

  private func expectMalformed(
    _ culprit: String, _ reason: String, sourceLocation: SourceLocation = #_sourceLocation,
    _ body: () throws -> Safetensors
  ) {
    let error = #expect(throws: StorageError.self, sourceLocation: sourceLocation) {
      _ = try body()
    }
    guard case .malformed("cut.safetensors", let actual, let text) = error else {
      Issue.record("not malformed: \(String(describing: error))", sourceLocation: sourceLocation)
      return
    }
    #expect(culprit.isEmpty || actual == culprit, sourceLocation: sourceLocation)
    #expect(text.contains(reason), sourceLocation: sourceLocation)
  }
}

struct Corruption: Sendable {
  var header: String
  var dataCount: Int
  var culprit: String
  var reason: String

  init(_ header: String, _ dataCount: Int, _ culprit: String, _ reason: String) {
    (self.header, self.dataCount, self.culprit, self.reason) = (header, dataCount, culprit, reason)
  }
}

enum Reference {
  static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("shared/reference/open")
  static var isThere: Bool { FileManager.default.fileExists(atPath: folder.path) }

  struct Listing: Decodable {
    struct Entry: Decodable { var shape: [Int] }
    var arrays: [String: Entry]
  }
}
