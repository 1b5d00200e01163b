import Checks
import Foundation

extension Recheck {
  /// The bounds of a report: a training run, a row of growth or a ladder at a time.
  static func items(_ bounds: BoundResults, isExact: Bool) -> [Item] {
    bounds.runs.map { run(bounds, $0, isExact) } + bounds.growth.compactMap { growth($0, isExact) }
      + [scales(bounds.scales, isExact), ladder(bounds.ladder, isExact)].compactMap(\.self)
  }

  private static func run(_ bounds: BoundResults, _ run: BoundResults.Run, _ isExact: Bool) -> Item
  {
    @Sendable func numbers(_ results: BoundResults) -> [Double] {
      results.curves.filter { $0.run == run.label }.flatMap(\.slack)
        + results.pairs.filter { $0.run == run.label }.flatMap {
          [$0.log10Measured, $0.log10Limit, $0.slack]
        }
    }
    // Every snapshot is unrolled some forty times beside the training itself.
    let seconds = 5 + 3 * run.setting.lossRun.seconds
    return Item(
      part: "bounds", name: "bounds, \(run.label)", seconds: seconds, reported: numbers(bounds),
      isExact: isExact
    ) {
      numbers(try BoundStudy(threads: 1, steps: run.setting.steps).train(run.label, run.setting))
    }
  }

  private static func growth(_ row: BoundResults.GrowthRow, _ isExact: Bool) -> Item? {
    @Sendable func numbers(_ row: BoundResults.GrowthRow) -> [Double] {
      row.log10Limits + row.log10Measured
        + row.numbers.sorted { $0.key < $1.key }.map(\.value)
    }
    return Item(
      part: "bounds", name: "bounds, growth, \(row.run)", seconds: 2, reported: numbers(row),
      isExact: isExact
    ) {
      let own = BoundStudy.GrowthCase(
        widths: row.widths, horizon: row.horizon, scalesLast: row.scaledLayers == row.depth)
      return numbers(try own.run().0)
    }
  }

  private static func scales(_ rows: [BoundResults.ScaleRow], _ isExact: Bool) -> Item? {
    guard !rows.isEmpty else { return nil }
    @Sendable func numbers(_ row: BoundResults.ScaleRow) -> [Double] {
      (row.exponents + row.log10Scales).map { $0 ?? .nan }
    }
    return Item(
      part: "bounds", name: "bounds, scales of Lemmas 5.1 to 5.4", seconds: 0.1,
      reported: rows.flatMap(numbers), isExact: isExact
    ) {
      rows.flatMap { numbers(BoundStudy.scaleRow(horizon: $0.horizon, depth: $0.depth)) }
    }
  }

  private static func ladder(_ rows: [BoundResults.LadderRow], _ isExact: Bool) -> Item? {
    guard !rows.isEmpty else { return nil }
    @Sendable func numbers(_ row: BoundResults.LadderRow) -> [Double] {
      [row.value] + row.slacks.sorted { $0.key < $1.key }.map(\.value)
    }
    return Item(
      part: "bounds", name: "bounds, ladder", seconds: 5, reported: rows.flatMap(numbers),
      isExact: isExact
    ) {
      let now = try BoundStudy(threads: 1).ladder().rows
      return rows.flatMap { row in
        now.first { $0.run == row.run && $0.horizon == row.horizon }.map(numbers) ?? []
      }
    }
  }
}
