public import Foundation

/// What can go wrong with a file; every case names the file.
public enum StorageError: Error, Sendable, Equatable {
  /// The file cannot be read; `reason` is the system's.
  case unreadable(path: String, reason: String)
  /// The file cannot be written; `reason` is the system's. What stood there before still does.
  case unwritable(path: String, reason: String)
  /// The file's contents are not what its format promises; `culprit` is the offending part.
  case malformed(path: String, culprit: String, reason: String)
}

extension StorageError: CustomStringConvertible, LocalizedError {
  /// One line for a person.
  public var description: String {
    switch self {
    case .unreadable(let path, let reason): "cannot read \(path): \(reason)"
    case .unwritable(let path, let reason): "cannot write \(path): \(reason)"
    case .malformed(let path, let culprit, let reason): "\(path): \(culprit): \(reason)"
    }
  }

  /// The same line, for Foundation.
  public var errorDescription: String? { description }
}

/// The text of the last failed system call.
func systemReason() -> String { String(cString: strerror(errno)) }

/// The system's word for a failed Foundation call, without Foundation's preamble.
func systemReason(_ error: any Error) -> String {
  let error = error as NSError
  let cause = error.userInfo[NSUnderlyingErrorKey] as? NSError ?? error
  guard cause.domain == NSPOSIXErrorDomain else { return error.localizedDescription }
  return String(cString: strerror(Int32(cause.code)))
}
