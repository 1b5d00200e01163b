import Checks
import Testing

/// Every check of this family sees each of its faulty subjects and accepts each sound one.
func expectPower(_ check: some Check) {
  #expect(!check.mutants.isEmpty, "\(check.claim.id) proves nothing")
  for mutant in check.mutants {
    let result = check.run(mutant.subject)
    #expect(result.verdict == mutant.expected, "\(mutant.fault): \(result)")
    if result.verdict == .violated {
      #expect(!result.evidence.isEmpty, "\(mutant.fault): no evidence")
    }
  }
  for clean in check.cleanCases {
    let result = check.run(clean.subject)
    #expect(result.verdict == clean.expected, "\(clean.name): \(result)")
  }
}

@Suite struct DescentTests {
  @Test func powerOfDescent() { expectPower(DescentCheck()) }
  @Test func powerOfBound() { expectPower(GradientDescentBoundCheck()) }
  @Test func powerOfAlignment() { expectPower(LossAlignmentCheck()) }
  @Test func powerOfTheorem() { expectPower(TrainingBoundCheck()) }
  @Test func powerOfRate() { expectPower(TrainingRateCheck()) }
}
