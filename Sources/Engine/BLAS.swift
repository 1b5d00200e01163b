internal import CKernels
import COpenBLAS
import Foundation

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

  /// Starts the process again with the 512-bit kernels where OpenBLAS does not know the processor.
  ///
  /// Releases older than a processor fall back to its 256-bit kernels, which are 1.6 times slower in
  /// matrix products. The choice is made when the library is loaded, so only a new start can change
  /// it: call this first of all in an executable. A core that the user chose (`OPENBLAS_CORETYPE`)
  /// stands, and a start that fails changes nothing.
  public static func preferWideKernels() {
    let variable = "OPENBLAS_CORETYPE"
    guard ProcessInfo.processInfo.environment[variable] == nil,
      ["Haswell", "Zen", "Excavator"].contains(coreName), oc_has_wide_vectors() != 0
    else { return }
    setenv(variable, "SkylakeX", 1)
    execv("/proc/self/exe", CommandLine.unsafeArgv)
    unsetenv(variable)
  }

  /// Version and build options of OpenBLAS, as it words them.
  public static var configuration: String {
    openblas_get_config().map { String(cString: $0) } ?? "unknown"
  }
}
