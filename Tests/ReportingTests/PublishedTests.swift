import Foundation
import OptCheck
import TestSupport
import Testing

@Suite struct PublishedTests {
  @Test func sevenPlotsThirtyFiveCurves() throws {
    let read = try PublishedFigures.load(from: Fixtures.published)
    #expect(read.source.arXiv == "2501.18092")
    #expect(read.source.commit == "60a4ea4")
    #expect(
      read.figures.map(\.name) == [
        "figure-5a", "figure-5b", "figure-9a", "figure-9b", "figure-10a", "figure-10b", "e100-T100",
      ])
    #expect(read.figures.flatMap(\.curves).count == 35)
    for figure in read.figures {
      #expect(figure.dimension == 32 && figure.rows == 25)
      #expect(figure.instances == 32 && figure.width == 1024)
      #expect(figure.curves.allSatisfy { $0.k == Array(stride(from: 0, through: 4900, by: 100)) })
      #expect(Set(figure.curves.map(figure.label)).count == 5)
      // Untrained, the network is gradient descent: the ratio is 0 up to the plot's coordinates.
      #expect(figure.curves.allSatisfy { abs($0.ratio[0]) < 1e-8 })
    }
  }

  /// The table that somebody typed from the same plots, to four decimals: k = 100, 1000, 4900.
  @Test func agreesWithTheTypedTable() throws {
    let read = try PublishedFigures.load(from: Fixtures.published)
    func expect(_ name: String, _ typed: [[Double]], _ place: SourceLocation = #_sourceLocation)
      throws
    {
      let figure = try #require(read.figures.first { $0.name == name })
      for (curve, row) in zip(figure.curves, typed) {
        for (k, value) in zip([100, 1000, 4900], row) {
          let ratio = try #require(curve.ratio(at: k))
          // Half a unit of the typed digit, which is the fourth decimal.
          #expect(
            abs(ratio - value) <= 0.500_1e-4, "\(name) \(figure.label(of: curve)) k = \(k)",
            sourceLocation: place)
        }
      }
    }
    try expect(
      "figure-9a",
      [
        [0.0277, 0.3813, 0.4175], [0.4034, 0.4128, 0.4158], [0.3845, 0.4041, 0.4104],
        [0.3039, 0.3832, 0.4017], [0.1666, 0.3035, 0.3632],
      ])
    try expect(
      "figure-5a",
      [
        [-0.0180, -0.0176, -0.0173], [0.0012, 0.0467, 0.4179], [0.4053, 0.4139, 0.4165],
        [0.3962, 0.4060, 0.4120], [0.3240, 0.3955, 0.4032],
      ])
    try expect(
      "figure-9b",
      [
        [-0.0179, -0.0179, -0.0179], [-0.0181, -0.0181, -0.0180], [-0.0070, -0.0047, -0.0157],
        [0.3992, 0.4147, 0.4170], [0.3995, 0.4079, 0.4133],
      ])
    try expect(
      "e100-T100",
      [
        [0.5153, 0.5153, 0.5154], [0.5148, 0.5148, 0.5150], [0.5000, 0.5018, 0.5028],
        [0.4695, 0.4936, 0.4983], [0.4078, 0.4674, 0.4894],
      ])
    try expect(
      "figure-10b",
      [
        [0.0001, 0.0012, 0.0059], [0.0573, 0.1981, 0.2925], [0.3845, 0.4041, 0.4104],
        [0.4053, 0.4139, 0.4165], [-0.0070, -0.0047, -0.0157],
      ])
    try expect("figure-10a", [[0.0118, 0.1019, 0.3150], [0.3239, 0.3966, 0.4052]])
    try expect("figure-5b", [[0, 0.0000, 0.0001], [0.0008, 0.0075, 0.0325]])
  }

  /// Every number against the file that it was taken from, read by other code.
  @Test(.enabled(if: Fixtures.sharedFolder != nil, "needs ../shared"))
  func agreesWithItsSource() throws {
    let shared = try #require(Fixtures.sharedFolder)
    let file = shared.appendingPathComponent("reference/published_curves.json")
    let json = try JSONSerialization.jsonObject(with: Data(contentsOf: file))
    let plots = try #require(json as? [[String: Any]])
    for figure in try PublishedFigures.load(from: Fixtures.published).figures {
      let plot = try #require(plots.first { $0["plot"] as? String == figure.plot })
      let curves = try #require(plot["curves"] as? [[String: Any]])
      #expect(curves.count == figure.curves.count)
      for (ours, theirs) in zip(figure.curves, curves) {
        #expect(theirs["y"] as? [Double] == ours.ratio)
        #expect(theirs["x"] as? [Double] == ours.k.map(Double.init))
        let words = try #require(theirs["label"] as? String).split(separator: "=")
        #expect(Double(words[1]) == (words[0] == "e" ? ours.e : ours.eta))
        #expect(String(words[0]) == figure.varied.rawValue)
        let fixed = figure.varied == .eta ? plot["e"] : plot["eta"]
        #expect(fixed as? Double == (figure.varied == .eta ? ours.e : ours.eta))
      }
    }
  }

  @Test func valuesOfGradientDescent() throws {
    let values = try PublishedValues.load(from: Fixtures.published)
    #expect(values.gradientDescent.map(\.horizon) == [0, 20, 100])
    #expect(values.gradientDescent.map(\.objective) == [535.76285, 3.059668, 0.185932])
    let relaxed = try #require(values.constantStep.first { $0.factor == 1.8 })
    #expect(zip(relaxed.horizons, relaxed.ratio).first { $0.0 == 20 }?.1 == 0.5912)
    #expect(values.problemSeed == 895)
  }

  @Test func eachFaultIsNamed() throws {
    let folder = FileManager.default.temporaryDirectory
      .appendingPathComponent("optcheck-published-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let name = "relative-improvement-32x25.json"
    let file = folder.appendingPathComponent(name)
    let good = try String(
      contentsOf: Fixtures.published.appendingPathComponent(name), encoding: .utf8)

    func complaint(_ text: String?) -> String {
      do {
        try text?.write(to: file, atomically: true, encoding: .utf8)
        _ = try PublishedFigures.load(from: folder)
        return "no complaint"
      } catch {
        return "\(error)"
      }
    }
    #expect(complaint(nil).hasPrefix("published numbers are missing: "))
    #expect(complaint(good) == "no complaint")
    #expect(complaint("{").contains("damaged"))
    #expect(complaint(good.replacing("\"schema\": 1", with: "\"schema\": 2")).contains("schema 2"))
    #expect(
      complaint(good.replacing("\"width\"", with: "\"breadth\""))
        .contains("figures[0].width is missing"))
    #expect(
      complaint(good.replacing("4800, 4900", with: "4800")).contains("49 steps for 50 ratios"))
    #expect(
      complaint(good.replacing("4800, 4900", with: "4900, 4800")).contains("do not increase"))
  }

  @Test func packageFolderIsFoundFromInsideAndFromNowhere() throws {
    let root = Fixtures.packageFolder.standardizedFileURL.path
    let inside = Fixtures.published
    let nowhere = URL(fileURLWithPath: "/")
    #expect(try PackageFolder.locate(home: nil, startingFrom: [nowhere, inside]).path == root)
    #expect(try PackageFolder.locate(home: root, startingFrom: []).path == root)
    #expect(try PackageFolder.locate(home: "", startingFrom: [inside]).path == root)
    #expect(
      try PackageFolder.locate().lastPathComponent == URL(fileURLWithPath: root).lastPathComponent)
    #expect(throws: PackageFolderError.notFound(lookedIn: ["/ and above"])) {
      try PackageFolder.locate(home: nil, startingFrom: [nowhere])
    }
    // A wrong OPTCHECK_HOME is not passed over.
    #expect(throws: PackageFolderError.notFound(lookedIn: ["OPTCHECK_HOME=/"])) {
      try PackageFolder.locate(home: "/", startingFrom: [inside])
    }
  }
}
