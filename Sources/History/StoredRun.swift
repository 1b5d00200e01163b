public import Experiments
public import Foundation

/// When, how and on what a command ran; known once it has ended, without its help.
public struct RunCircumstances: Sendable, Hashable, Codable {
  /// When it began; whole seconds, so that what is read equals what was written.
  public var started: Date
  /// The words after the program's name.
  public var arguments: [String]
  /// Commit, toolchain, BLAS and processor.
  public var machine: RunRecord
  /// How long it took.
  public var seconds: Double
  /// What it told its caller; 130 where it was interrupted.
  public var exitStatus: Int32

  /// Puts the parts together; `started` is rounded.
  public init(
    started: Date, arguments: [String], machine: RunRecord, seconds: Double, exitStatus: Int32
  ) {
    self.started = Date(timeIntervalSince1970: started.timeIntervalSince1970.rounded(.down))
    self.arguments = arguments
    self.machine = machine
    self.seconds = seconds
    self.exitStatus = exitStatus
  }
}

/// A run in the history.
public struct StoredRun: Sendable, Hashable, Codable {
  /// 1 and up, in the order in which runs ended.
  public var number: Int64
  /// When, how and on what.
  public var circumstances: RunCircumstances
  /// What it told.
  public var record: HistoryRecord

  /// Puts the parts together.
  public init(number: Int64, circumstances: RunCircumstances, record: HistoryRecord) {
    self.number = number
    self.circumstances = circumstances
    self.record = record
  }
}
