import Foundation
import OptCheck
import TestSupport
import Testing

/// `recheck` on bounds, tangent kernel and conditions.
@Suite struct RecheckParts {
  /// A report of these parts, as `results.json` holds them.
  private func recheck(_ parts: String, core: String = BLAS.coreName) throws -> Recheck {
    let file = FileManager.default.temporaryDirectory
      .appendingPathComponent("optcheck-recheck-\(UUID().uuidString).json")
    defer { try? FileManager.default.removeItem(at: file) }
    try Data("{\"machine\": {\"blasCore\": \"\(core)\"}, \(parts)}".utf8).write(to: file)
    return try Recheck(file, known: [], trained: Fixtures.trained, blasCore: BLAS.coreName)
  }

  private func text(_ value: some Encodable) -> String {
    String(decoding: JSONFile.encoded(value), as: UTF8.self)
  }

  /// Lemmas 5.1 to 5.4 at T = 5, L = 3, by hand: 1/2, 21/4, 2, 5/2, and a factor √3 on the last.
  private func lemmas(_ second: Double) -> String {
    let exponents = [0.5, second, 2, 2.5]
    var scales = exponents.map { $0 * log10(5) }
    scales[3] += log10(3) / 2
    return """
      "bounds": {"runs": [], "curves": [], "pairs": [], "growth": [], "ladder": [], "checks": [], "scales": [
        {"horizon": 5, "depth": 3, "exponents": \(exponents), "log10Scales": \(scales), "strictest": "5.2"}]}
      """
  }

  @Test func scalesOfLemmasAgreeWithTheirFormulas() throws {
    // Other kernels than ours: rounding is forgiven, a wrong exponent is not.
    let right = try recheck(lemmas(5.25), core: "other").items
    #expect(right.map(\.part) == ["bounds"])
    #expect(try Recheck.outcome(#require(right.first)).differing == 0)
    let wrong = try recheck(lemmas(5.26), core: "other").items
    #expect(try Recheck.outcome(#require(wrong.first)).differing == 2)
  }

  @Test func aKernelIsComputedFromItsOwnSetting() throws {
    var kernel = try TangentKernelStudy(threads: 1, parts: [.fullRank]).run()
    let smallest = try #require(kernel.kernels.first).setting
    kernel.kernels.removeAll { $0.setting != smallest }
    func outcome(_ kernel: TangentKernelResults) throws -> Recheck.Outcome {
      let items = try recheck("\"kernel\": \(text(kernel))").items
      #expect(items.map(\.part) == ["kernel"])
      return try Recheck.outcome(#require(items.first))
    }
    let same = try outcome(kernel)
    #expect(same.differing == 0 && same.numbers > 60, "\(same)")
    var moved = kernel
    moved.kernels[0].critical = moved.kernels[0].critical.nextUp
    #expect(try outcome(moved).differing == 1, "one bit, on the same kernels")
    var other = kernel
    let curve = try #require(other.curves.firstIndex { $0.horizon == smallest.horizon })
    other.curves[curve].samples[0].motion *= 1.001
    #expect(try outcome(other).differing == 1)
    var another = kernel
    another.kernels[0].setting.scale = 2
    let scaled = try outcome(another)
    // All eigenvalues, the critical step and what follows from them; the runs are e = 1's no more.
    #expect(
      scaled.differing > smallest.instances * smallest.rows,
      "another e has another spectrum: \(scaled)")
  }

  @Test func conditionsAreRecheckedRuleByRule() throws {
    let claim = Claim(id: "FP1", title: "stays", source: "paper B")
    func condition(_ rule: String, _ candidate: String) -> TheoryResults.Condition {
      .init(rule: rule, candidate: candidate, claim: claim, verdict: .holds, reason: "")
    }
    let conditions = [
      condition("CoordMathLSTM-PA@x", "CoordMathLSTM@x"), condition("adam", "adam"),
      condition("adam", "adam"), condition("nobody", "nobody"),
    ]
    let items = try recheck("\"conditions\": \(text(conditions))").items
    #expect(
      items.map(\.name)
        == ["CoordMathLSTM@x", "adam", "nobody"].map { "conditions of \($0)" })
    #expect(throws: RuleError.self) { try Recheck.outcome(#require(items.last)) }
  }

  @Test func aSampleDrawsFromEveryPart() throws {
    let conditions = (0..<40).map {
      TheoryResults.Condition(
        rule: "rule \($0)", claim: Claim(id: "FP1", title: "", source: ""), verdict: .holds,
        reason: "")
    }
    let recheck = try recheck("\(lemmas(5.25)), \"conditions\": \(text(conditions))")
    for seed in 1...5 as ClosedRange<UInt64> {
      let parts = recheck.sample(3, seconds: 1000, seed: seed).map(\.part)
      #expect(Set(parts) == ["bounds", "conditions"] && parts.count == 3, "seed \(seed)")
    }
    #expect(recheck.sample(50, seconds: 1e9, seed: 1).count == 41)
    #expect(recheck.sample(50, seconds: 1, seed: 1).map(\.part) == ["bounds"])
  }

  @Test func aFileThatIsNoReportIsRefused() throws {
    let file = Fixtures.published.appendingPathComponent("curves.json")
    #expect(throws: StorageError.self) { try Recheck(file, known: [], blasCore: "X") }
  }
}
