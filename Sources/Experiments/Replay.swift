public import Engine
public import Foundation
import Storage

/// Recomputes the outputs of recorded cases of one algorithm.
public protocol CaseReplayer: Sendable {
  /// Whether this replayer is for `header`'s algorithm and problem.
  func covers(_ header: ReferenceCase.Header) -> Bool
  /// Every output array that the algorithm defines, computed from the inputs of `reference`.
  ///
  /// Which of them a file must hold is said by ``isRequired(_:in:)``.
  /// - Throws: whatever is wrong with the inputs; the case is then not replayed.
  func outputs(of reference: ReferenceCase) throws -> [String: Tensor]
  /// Whether a case of this algorithm is incomplete without `array`.
  func isRequired(_ array: String, in reference: ReferenceCase) -> Bool
  /// How far `array` may be off where that is not the replay's own tolerance; else nil.
  func allowance(for array: String, in reference: ReferenceCase) -> Replay.Allowance?
}

extension CaseReplayer {
  /// All outputs are required, but that values in all go by either of two names.
  public func isRequired(_ array: String, in reference: ReferenceCase) -> Bool {
    switch array {
    case "obj_total": reference.arrays["obj_reported"] == nil
    case "obj_reported": reference.arrays["obj_total"] == nil
    default: true
    }
  }

  /// The replay's own, unless an algorithm says otherwise.
  public func allowance(for array: String, in reference: ReferenceCase) -> Replay.Allowance? {
    nil
  }
}

/// Why a case cannot be replayed.
public enum ReplayError: Error, Sendable, Equatable, CustomStringConvertible {
  /// An array is described but absent, or the algorithm defines it and the file lacks it.
  case missingArray(String)
  /// An array that the description does not mention, or that the algorithm does not define.
  case unknownArray(String)
  /// An array has a shape that does not fit the others; -1 stands for any length.
  case shape(array: String, found: [Int], expected: [Int])
  /// An input holds NaN or infinity.
  case notFinite(array: String)
  /// A setting has a value that is not understood.
  case setting(String, value: String, accepted: String)

  /// One line that names the culprit.
  public var description: String {
    switch self {
    case .missingArray(let name): "array '\(name)' is missing"
    case .unknownArray(let name): "array '\(name)' is unknown"
    case .shape(let name, let found, let expected):
      "array '\(name)' has shape \(found), expected \(expected)"
    case .notFinite(let name): "array '\(name)' holds NaN or infinity"
    case .setting(let name, let value, let accepted):
      "\(name) is \(value); accepted: \(accepted)"
    }
  }
}

/// Runs recorded cases again and compares every output.
public struct Replay: Sendable {
  /// Who replays what; the first that covers a case takes it.
  public var replayers: [any CaseReplayer]
  /// The largest relative error of an array that counts as agreement.
  public var tolerance: Double
  /// The largest magnitude that agrees with an array of zeros.
  public var zeroTolerance: Double

  /// Creates a replay.
  public init(
    replayers: [any CaseReplayer] = Replay.algorithms(), tolerance: Double = 1e-9,
    zeroTolerance: Double = 1e-12
  ) {
    self.replayers = replayers
    self.tolerance = tolerance
    self.zeroTolerance = zeroTolerance
  }

  /// How far an array may be off.
  public enum Allowance: Sendable, Hashable {
    /// In units of the array's largest magnitude.
    case relative(Double)
    /// In the array's own units.
    case absolute(Double)
  }

  /// How one array compares.
  public struct Comparison: Sendable, Hashable, Codable {
    /// The array.
    public var array: String
    /// max|ours - theirs| / max|theirs|; max|ours| where theirs is all zero; infinite where either
    /// is not finite.
    public var error: Double
    /// The largest error that counts as agreement.
    public var allowed: Double

    /// Whether the array agrees.
    public var agrees: Bool { error <= allowed }

    /// The error in units of what is allowed.
    var excess: Double { error / allowed }
  }

  /// What became of one case.
  public enum Status: String, Sendable, Hashable, Codable {
    /// Every output was compared and agrees.
    case agrees
    /// Every output was compared and some array does not agree.
    case disagrees
    /// The algorithm is not there yet.
    case notBuilt = "not built yet"
    /// Some output could not be compared, or a file is damaged; `reason` says which.
    case notReplayed = "not replayed"
  }

  /// One line of the result.
  public struct Row: Sendable, Hashable, Codable {
    /// The name of the case.
    public var name: String
    /// Its algorithm and problem; nil if the description cannot be read.
    public var subject: String?
    /// What became of it.
    public var status: Status
    /// Number of arrays compared.
    public var compared: Int
    /// The array that agrees least; nil if none was compared.
    public var worst: Comparison?
    /// Why the case does not agree; nil if it does.
    public var reason: String?

    /// Whether every output was compared.
    public var isReplayed: Bool { status == .agrees || status == .disagrees }
  }

  /// Replays the case called `name` in `folder`; whatever is wrong with it ends up in the row.
  public func row(_ name: String, in folder: URL) -> Row {
    do { return row(for: try ReferenceCase(named: name, in: folder)) } catch {
      return Row(name: name, status: .notReplayed, compared: 0, reason: "\(error)")
    }
  }

  /// Replays `reference`.
  public func row(for reference: ReferenceCase) -> Row {
    let header = reference.header
    let subject = "\(header.algorithm) on \(header.problem)"
    var row = Row(name: reference.name, subject: subject, status: .notReplayed, compared: 0)
    guard let replayer = replayers.first(where: { $0.covers(header) }) else {
      row.status = .notBuilt
      row.reason = "no replay of \(subject) yet"
      return row
    }
    let ours: [String: Tensor]
    do { ours = try replayer.outputs(of: reference) } catch {
      row.reason = "\(error)"
      return row
    }
    var faults: [ReplayError] = []
    var comparisons: [Comparison] = []
    for (name, theirs) in reference.arrays.sorted(by: { $0.key < $1.key })
    where !ReferenceCase.isInput(name) {
      guard let mine = ours[name] else {
        faults.append(.unknownArray(name))
        continue
      }
      guard mine.shape == theirs.shape else {
        faults.append(.shape(array: name, found: theirs.shape, expected: mine.shape))
        continue
      }
      comparisons.append(
        compare(name, mine, theirs, replayer.allowance(for: name, in: reference)))
    }
    faults += ours.keys.sorted()
      .filter { reference.arrays[$0] == nil && replayer.isRequired($0, in: reference) }
      .map { .missingArray($0) }
    row.compared = comparisons.count
    row.worst = comparisons.max { $0.excess < $1.excess }
    if let first = faults.first {
      let more = faults.count > 1 ? " (and \(faults.count - 1) more)" : ""
      row.reason = "\(first)\(more)"
    } else if let worst = comparisons.filter({ !$0.agrees }).max(by: { $0.excess < $1.excess }) {
      row.status = .disagrees
      row.reason = "array '\(worst.array)' is off"
    } else {
      row.status = .agrees
    }
    return row
  }

  private func compare(
    _ name: String, _ ours: Tensor, _ theirs: Tensor, _ allowance: Allowance?
  ) -> Comparison {
    let size = Vector(theirs.elements).maxMagnitude
    let distance = (Vector(ours.elements) - Vector(theirs.elements)).maxMagnitude
    guard size.isFinite, distance.isFinite else {
      return Comparison(array: name, error: .infinity, allowed: tolerance)
    }
    if size == 0 { return Comparison(array: name, error: distance, allowed: zeroTolerance) }
    return switch allowance {
    case .absolute(let allowed): Comparison(array: name, error: distance, allowed: allowed)
    case .relative(let allowed):
      Comparison(array: name, error: distance / size, allowed: allowed)
    case nil: Comparison(array: name, error: distance / size, allowed: tolerance)
    }
  }
}

extension Replay {
  /// Rows with their totals.
  public struct Summary: Sendable, Hashable, Codable {
    /// One row per case, by name.
    public var rows: [Row]

    /// Collects rows.
    public init(rows: [Row]) { self.rows = rows }

    /// R, the cases with every output compared.
    public var replayed: Int { rows.count(where: \.isReplayed) }
    /// A, the cases that agree.
    public var agreeing: Int { rows.count { $0.status == .agrees } }
    /// E, the largest error among replayed cases; 0 if there is none.
    public var worstError: Double {
      rows.filter(\.isReplayed).compactMap(\.worst?.error).max() ?? 0
    }
  }
}
