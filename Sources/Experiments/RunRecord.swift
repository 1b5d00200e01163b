/// On what and with what a report was made: the facts that may differ between two runs.
public struct RunRecord: Sendable, Hashable, Codable {
  /// Version of OptCheck.
  public var version: String
  /// Commit of the checkout.
  public var commit: String
  /// Swift's version.
  public var toolchain: String
  /// The kernel family that OpenBLAS chose.
  public var blasCore: String
  /// Version and build options of OpenBLAS.
  public var blas: String
  /// The processor's name.
  public var processor: String
  /// Cores used.
  public var cores: Int
  /// Name and version of the operating system.
  public var system: String

  /// Creates a record.
  public init(
    version: String, commit: String, toolchain: String, blasCore: String, blas: String,
    processor: String, cores: Int, system: String
  ) {
    self.version = version
    self.commit = commit
    self.toolchain = toolchain
    self.blasCore = blasCore
    self.blas = blas
    self.processor = processor
    self.cores = cores
    self.system = system
  }
}
