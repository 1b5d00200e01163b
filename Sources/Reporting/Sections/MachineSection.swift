public import Experiments
import Storage

/// Machine and times: the one section that another run may change.
public struct MachineSection: ReportSection {
  public let id = "machine"
  public let title = "Machine and times"

  /// Creates the section.
  public init() {}

  public func markdown(_ context: ReportContext<ConvergenceResults>) -> String {
    let record = context.record
    var facts = Markdown.Table([("What", .left), ("Value", .left)])
    for (name, value) in [
      ("OptCheck", record.version), ("Commit", record.commit), ("Toolchain", record.toolchain),
      ("OpenBLAS kernels", record.blasCore), ("OpenBLAS", record.blas),
      ("Processor", record.processor), ("Cores", "\(record.cores)"), ("System", record.system),
    ] {
      facts.add([name, Markdown.literal(value)])
    }
    var times = Markdown.Table("Stage", numbers: ["Time [s]"])
    for (stage, seconds) in context.results.seconds {
      times.add([Markdown.literal(stage), Number.fixed(seconds, decimals: 1)])
    }
    let total = context.results.seconds.map(\.seconds).reduce(0, +)
    times.add(["**all**", Number.fixed(total, decimals: 1)])
    return
      "Same seed and same machine type: everything above is the same byte for byte; this section may "
      + "differ.\n\n" + facts.text + "\n" + times.text + "\n" + replay(context)
  }
}
