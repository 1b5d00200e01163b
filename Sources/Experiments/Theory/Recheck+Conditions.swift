import Catalog
import Checks
import Foundation

extension Recheck {
  /// The conditions of a report, rule by rule: every verdict, and on the same kernels every reason.
  static func items(
    _ conditions: [TheoryResults.Condition], trained: URL?, isExact: Bool
  ) -> [Item] {
    // In the order of the report.
    var candidates: [String] = []
    for condition in conditions where !candidates.contains(condition.candidate) {
      candidates.append(condition.candidate)
    }
    return candidates.map { candidate in
      let own = conditions.filter { $0.candidate == candidate }
      return Item(
        part: "conditions", name: "conditions of \(candidate)", seconds: 90,
        // Another verdict or reason counts as 1; reasons have digits, which may differ on other kernels.
        reported: own.flatMap { _ in [0, 0] }, allowed: own.flatMap { _ in [0, isExact ? 0 : 1] }
      ) {
        let now = try TheoryResults.conditions(of: candidate, trained: trained)
        return own.flatMap { condition -> [Double] in
          guard let same = now.first(where: { $0.claim.id == condition.claim.id }) else {
            return [.nan, .nan]
          }
          return [
            same.verdict == condition.verdict ? 0 : 1, same.reason == condition.reason ? 0 : 1,
          ]
        }
      }
    }
  }
}
