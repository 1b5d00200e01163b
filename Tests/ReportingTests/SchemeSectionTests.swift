import OptCheck
import Testing

/// S5, S6 and PROX in the report on conditions.
@Suite struct SchemeSectionTests {
  private func text(_ schemes: SchemeStudy.Results?) -> String {
    Report<ConditionTable>.conditions.markdown(
      ReportContext(
        results: ConditionTable(command: "optcheck verify", records: [], schemes: schemes),
        record: Sample.record, plotFolder: nil))
  }

  @Test func everyCaseHasARow() throws {
    let schemes = try SchemeStudy.run()
    let report = text(schemes)
    for result in schemes.all {
      #expect(
        report.contains("| \(Markdown.literal(result.subject)) | "), "\(result.subject)")
    }
    #expect(!report.contains("**violated**"))
  }

  @Test func whatWasNotRunSaysSo() { #expect(text(nil).contains("Not run.")) }
}
