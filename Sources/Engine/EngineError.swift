public import Foundation

/// What can go wrong in the linear algebra through no fault of the program: it depends on numbers.
public enum EngineError: Error, Sendable, Equatable {
  /// The leading minor of that order, counted from 1, is not positive.
  case notPositiveDefinite(leadingMinor: Int)
  /// An iteration of LAPACK's `routine` gave up; `info` is what it returned.
  case notConverged(routine: String, info: Int)
  /// The argument called `what` holds a NaN or an infinity.
  case notFinite(what: String)
}

extension EngineError: CustomStringConvertible, LocalizedError {
  /// One line for a person.
  public var description: String {
    switch self {
    case .notPositiveDefinite(let order):
      "matrix is not positive definite: its leading minor of order \(order) is not positive"
    case .notConverged(let routine, let info):
      "\(routine) did not converge (info \(info))"
    case .notFinite(let what):
      "\(what) holds a NaN or an infinity"
    }
  }

  /// The same line, for Foundation.
  public var errorDescription: String? { description }
}
