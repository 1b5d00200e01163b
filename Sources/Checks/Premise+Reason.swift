extension [Premise] {
  /// `reason`, after the premises that are measured false, if any.
  func explain(_ reason: String) -> String {
    let failed = filter { $0.status == .notMet }.map { "\($0.statement) fails (\($0.evidence))" }
    return (failed + [reason]).joined(separator: "; ")
  }
}
