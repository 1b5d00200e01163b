public import Engine
import Synchronization

/// What a rule asked a ``WatchedProblem`` for.
public final class OracleLog: Sendable {
  /// A call of the proximal operator: what it was given, with which steps.
  public struct ProxCall: Sendable, Hashable {
    /// v, n entries.
    public var point: Vector
    /// p, n entries.
    public var steps: Vector
    /// What came out, n entries.
    public var result: Vector
  }

  private let state = Mutex<(seen: Set<Oracle>, prox: ProxCall?)>(([], nil))

  /// Creates an empty log.
  public init() {}

  /// All oracles that were asked so far.
  public var seen: Set<Oracle> { state.withLock { $0.seen } }

  /// The last call of the proximal operator since the log was cleared.
  public var lastProx: ProxCall? { state.withLock { $0.prox } }

  /// Forgets the last call of the proximal operator.
  public func clearProx() { state.withLock { $0.prox = nil } }

  func note(_ oracle: Oracle) { _ = state.withLock { $0.seen.insert(oracle) } }

  func note(_ call: ProxCall) {
    state.withLock {
      $0.seen.insert(.prox)
      $0.prox = call
    }
  }
}

/// A problem that keeps a log of what it is asked for; its numbers are those of the base.
public struct WatchedProblem<Base: Problem>: TwiceDifferentiableProblem {
  /// The problem itself.
  public let base: Base
  /// What was asked.
  public let log: OracleLog

  /// Watches `base`.
  public init(_ base: Base, _ log: OracleLog) {
    self.base = base
    self.log = log
  }

  public var name: String { base.name }
  public var dimension: Int { base.dimension }
  public var instanceCount: Int { base.instanceCount }
  public var smoothness: [Double] { base.smoothness }
  public var minimumValue: Double? { base.minimumValue }
  public var reportedScale: Double { base.reportedScale }
  public var regularizer: any Regularizer { WatchedRegularizer(base: base.regularizer, log: log) }

  public func values(at x: Vector) -> [Double] {
    log.note(.value)
    return base.values(at: x)
  }

  public func gradient(at x: Vector, into g: inout Vector) {
    log.note(.gradient)
    base.gradient(at: x, into: &g)
  }

  public func smoothValuesAndGradient(at x: Vector) -> (values: [Double], gradient: Vector) {
    log.note(.gradient)
    return (base.smoothValues(at: x), base.gradient(at: x))
  }

  public func hessianProduct(_ v: Vector, at x: Vector, into h: inout Vector) {
    guard let base = base as? any TwiceDifferentiableProblem else {
      preconditionFailure("'\(base.name)' has no second derivatives")
    }
    base.hessianProduct(v, at: x, into: &h)
  }
}

private struct WatchedRegularizer: Regularizer {
  let base: any Regularizer
  let log: OracleLog

  var name: String { base.name }
  var l1Weight: Double { base.l1Weight }

  func value(at x: ArraySlice<Double>) -> Double { base.value(at: x) }

  func addSubgradient(at x: Vector, to g: inout Vector) {
    log.note(.subgradient)
    base.addSubgradient(at: x, to: &g)
  }

  func prox(_ x: inout Vector, steps: Vector) {
    let point = x
    base.prox(&x, steps: steps)
    log.note(OracleLog.ProxCall(point: point, steps: steps, result: x))
  }

  func value(of x: Traced) -> Traced { base.value(of: x) }

  func subgradient(of x: Traced) -> Traced {
    log.note(.subgradient)
    return base.subgradient(of: x)
  }

  func prox(of x: Traced, steps: Traced) -> Traced {
    let result = base.prox(of: x, steps: steps)
    let n = x.rows * x.columns
    let p = steps.vector
    log.note(
      OracleLog.ProxCall(
        point: x.vector, steps: p.count == n ? p : stretched(p, steps, like: x),
        result: result.vector))
    return result
  }

  /// The steps of every coordinate, where one stands for a row or for all.
  private func stretched(_ p: Vector, _ steps: Traced, like x: Traced) -> Vector {
    Vector(
      (0..<(x.rows * x.columns)).map { k in
        let (i, j) = (k / x.columns, k % x.columns)
        return p[(steps.rows == 1 ? 0 : i) * steps.columns + (steps.columns == 1 ? 0 : j)]
      })
  }
}
