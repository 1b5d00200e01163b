import OptCheck
import Testing

/// A check that nobody saw fail is no check: one test over all of them.
@Suite struct Checks {
  @Test(arguments: allChecks.indices) func tellsItsMutantsFromItsCleanCases(_ index: Int) {
    let check = allChecks[index]
    let tests = check.selfTests()
    #expect(tests.contains { $0.size != nil }, "\(check.claim.id) has no mutant")
    #expect(tests.contains { $0.size == nil }, "\(check.claim.id) has no clean case")
    for test in tests {
      #expect(
        test.isAsExpected,
        "\(test.name), size \(test.size ?? 0): want \(test.expected.name), \(test.result)")
      #expect(!test.result.reason.isEmpty && !test.result.reason.contains("\n"))
      #expect(test.result.verdict != .violated || !test.result.evidence.isEmpty)
    }
  }

  @Test func claimsHaveIdsOfTheirOwn() {
    #expect(Set(allChecks.map(\.claim.id)).count == allChecks.count)
  }
}
