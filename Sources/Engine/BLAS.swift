import COpenBLAS

/// The BLAS underneath: what it is, and how it is set up.
public enum BLAS {
  /// One thread per call: sums are then reproducible and cores are left to independent instances.
  private static let oneThread: Void = openblas_set_num_threads(1)

  /// Sets the library up once; every call into it goes through here first.
  static func start() { _ = oneThread }

  /// The kernel family that OpenBLAS chose for this processor, such as `SkylakeX`.
  public static var coreName: String {
    start()
    return openblas_get_corename().map { String(cString: $0) } ?? "unknown"
  }

  /// Version and build options of OpenBLAS, as it words them.
  public static var configuration: String {
    openblas_get_config().map { String(cString: $0) } ?? "unknown"
  }
}
