import Checks
import Experiments
import Foundation

/// Verdicts as JUnit XML, for the dashboards of CI systems.
public enum JUnit {
  /// One suite for each rule, one case for each check.
  ///
  /// Violated is a failure; inconclusive, a failed premise and not applicable are skipped, with reason.
  public static func text(_ records: [VerificationRecord]) -> String {
    let suites = records.map(suite)
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
      + suites.joined() + "</testsuites>\n"
  }

  private static func suite(_ record: VerificationRecord) -> String {
    let findings = record.verification.findings
    let failures = findings.count { $0.verdict == .violated }
    let skipped = findings.count { ![.violated, .holds, .holdsVacuously].contains($0.verdict) }
    let name = escaped(record.verification.rule)
    let cases = findings.map { finding -> String in
      let head =
        "    <testcase classname=\"\(name)\" name=\"\(escaped(finding.claim.id)): "
        + "\(escaped(finding.claim.title))\""
      let reason = escaped(finding.reason)
      switch finding.verdict {
      case .holds, .holdsVacuously: return head + "/>\n"
      case .violated:
        return head
          + ">\n      <failure message=\"\(reason)\">\(escaped(record.command))</failure>\n"
          + "    </testcase>\n"
      case .premiseFails, .inconclusive, .notApplicable:
        return head + ">\n      <skipped message=\"\(finding.verdict.name): \(reason)\"/>\n"
          + "    </testcase>\n"
      }
    }
    return "  <testsuite name=\"\(name)\" tests=\"\(findings.count)\" failures=\"\(failures)\" "
      + "errors=\"0\" skipped=\"\(skipped)\">\n" + cases.joined() + "  </testsuite>\n"
  }

  /// Text that XML takes as text; characters that it cannot hold are left out.
  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "\n", "\t": result += " "
      default:
        if scalar.value >= 0x20, scalar.value != 0xFFFE { result.unicodeScalars.append(scalar) }
      }
    }
    return result
  }
}
