import History
import OptCheck

/// What the history keeps of reports, experiments and measurements; their names are the subjects.
extension HistoryRecord {
  // MARK: Reports

  /// Keeps how far the figures are from the published ones, and the verdicts.
  mutating func note(_ results: ConvergenceResults, as report: String) {
    let distances = results.figures.map { figure in
      (figure.figure.name, figure.curves.map(\.largestDifference).max())
    }
    if let worst = distances.compactMap(\.1).max() {
      figures.append(Figure("largest distance", worst, of: report))
    }
    figures += distances.map { Figure("largest distance", $1, of: report, in: $0) }
    let byClaim = Dictionary(grouping: results.checks, by: \.claim.id)
    let counts = byClaim.sorted { $0.key < $1.key }.map { claim, checks in
      (claim: claim, verdicts: Dictionary(grouping: checks, by: \.verdict).mapValues(\.count))
    }
    note(counts, of: report)
  }

  /// Keeps the verdict of every claim that matters most, and how many there are of each.
  mutating func note(_ counts: [(claim: String, verdicts: [Verdict: Int])], of report: String) {
    for verdict in Verdict.allCases {
      let total = counts.reduce(0) { $0 + ($1.verdicts[verdict] ?? 0) }
      figures.append(Figure(verdict.name, Double(total), of: report))
    }
    for (claim, found) in counts {
      for verdict in Verdict.allCases {
        guard let count = found[verdict] else { continue }
        figures.append(Figure(verdict.name, Double(count), of: report, in: claim))
      }
      let order: [Verdict] = [.violated, .premiseFails, .inconclusive, .holdsVacuously, .holds]
      if let worst = order.first(where: { found[$0] != nil }) {
        verdicts.append(Judgement(claim, worst, on: report))
      }
    }
  }

  /// Keeps the mean gap at which every rule ended, problem by problem.
  mutating func note(_ results: LearnedResults, as report: String) {
    for comparison in results.comparisons {
      figures += comparison.curves.map {
        Figure("final gap", $0.mean.last, of: report, in: "\(comparison.id), \($0.label),")
      }
    }
  }

  // MARK: Experiments

  /// Keeps how far every curve is from the published one.
  mutating func note(_ result: ExperimentResult) {
    let distances = result.curves.map { ($0.label, $0.worst(result.closeness)?.distance) }
    figures.append(Figure("largest distance", distances.compactMap(\.1).max(), of: result.name))
    figures += distances.map { Figure("largest distance", $1, of: result.name, in: $0) }
    let agreements = result.curves.compactMap { $0.agrees(result.closeness) }
    guard !agreements.isEmpty else { return }
    let differing = agreements.count { !$0 }
    verdicts.append(
      Judgement(
        "published", differing == 0 ? .holds : .violated, on: result.name,
        reason: "\(differing) of \(agreements.count) curves differ"))
  }

  // MARK: Measurements

  /// Keeps how many cells of the calibration meet each target.
  mutating func note(_ record: RateRecord, as report: String) {
    for (target, what, met, of) in record.targets {
      let share = of == 0 ? nil : Double(met) / Double(of)
      figures.append(Figure("share met", share, of: report, in: "\(target) \(what),"))
    }
  }

  /// Keeps what was caught, and the false alarms.
  mutating func note(_ record: PowerRecord, as report: String) {
    let (cells, alarms) = record.study.falseAlarms
    let caught = record.study.faults.count { !$0.caughtBy.isEmpty }
    figures += [
      Figure("faults caught", Double(caught), of: report),
      Figure("faults planted", Double(record.study.faults.count), of: report),
      Figure("false alarms", Double(alarms), of: report),
      Figure("clean cells", Double(cells), of: report),
    ]
  }

  /// Keeps what the targets limit.
  mutating func note(_ result: Benchmarks) {
    figures += result.targets.map {
      Figure(
        "measured", $0.measured, of: "bench", in: $0.name + ",",
        unit: $0.unit.isEmpty ? "1" : $0.unit)
    }
  }

  /// Keeps the times of training steps on the tape.
  mutating func note(_ result: LearnedBenchmarks) {
    figures += result.rows.map {
      Figure(
        "minimum", $0.timing.minimum, of: "bench", in: "\($0.name), \($0.threads) threads,",
        unit: "ms")
    }
  }
}
