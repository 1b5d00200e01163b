public import Engine
import Foundation
public import Optimization
import Synchronization

/// A rule in another process, which speaks optcheck-1 over its standard input and output.
///
/// One JSON object a line. The harness plays the oracle; the rule asks for what it needs. All runs
/// share one process, so they come one after the other: starting a run ends the one before.
public final class ForeignRule: Candidate {
  /// How long the rule may take.
  public struct Limits: Sendable, Hashable {
    /// Seconds for hello: importing a framework takes its time.
    public var hello: Double
    /// Seconds for any other line.
    public var line: Double

    /// Creates limits.
    public init(hello: Double = 120, line: Double = 30) {
      self.hello = hello
      self.line = line
    }
  }

  public let name: String
  public let oracles: Set<Oracle>
  public let remembersIterates: Bool
  public let trainedHorizon: Int?
  public let precision: Precision
  public let dimension: Int?
  public let isDeterministic: Bool
  /// Whether it leaves r to the oracle: a rule that says it needs a proximal operator and never asks
  /// computes its own threshold from ρ, and knows of no constraint.
  public let asksForProx: Bool
  public var speed: Double { 1 / 64.0 }
  public var isConcurrent: Bool { false }

  private let session: Mutex<Session>

  /// Starts `command` with the shell and waits for its hello.
  ///
  /// - Throws: `CandidateError.failedToSpeak` naming the line at fault.
  public init(command: String, limits: Limits = Limits()) throws {
    let session = try Session(command, limits)
    let hello = try session.greet()
    name = hello.name
    oracles = hello.oracles
    remembersIterates = hello.remembersIterates
    trainedHorizon = hello.horizon
    precision = hello.precision
    dimension = hello.dimension
    isDeterministic = hello.isDeterministic
    let mayAsk = hello.oracles.contains(.prox)
    let isShown = mayAsk && !hello.oracles.contains(.data)
    asksForProx =
      isShown ? try session.asksForProx(dimension: hello.dimension ?? 2) : mayAsk
    self.session = Mutex(session)
  }

  public func objection(to problem: any Problem) -> String? {
    if let dimension, dimension != problem.dimension {
      return "the rule fits \(dimension) unknowns only"
    }
    let isKnown = problem.regularizer is NoRegularizer || problem.regularizer.l1Weight > 0
    return isKnown || asksForProx ? nil : "the rule never asks for the proximal operator of r"
  }

  public func start(
    on problem: any Problem, from start: Vector, seed: UInt64
  ) throws -> any CandidateRun {
    let run = ForeignRun(problem, start, of: self)
    run.id = try withSession { try $0.reset(run, seed: seed, needsData: oracles.contains(.data)) }
    return run
  }

  /// Ends the process and all that it started.
  public func close() { session.withLock { $0.close() } }

  func withSession<Result: Sendable>(_ body: (Session) throws -> Result) throws -> Result {
    try session.withLock { try body($0) }
  }
}

/// The conversation with one process.
final class Session {
  struct Hello {
    var name: String
    var oracles: Set<Oracle>
    var remembersIterates: Bool
    var horizon: Int?
    var precision: Precision
    var dimension: Int?
    var isDeterministic: Bool
  }

  private let channel: ChildChannel
  private let limits: ForeignRule.Limits
  private var name: String
  private var currentRun = 0

  init(_ command: String, _ limits: ForeignRule.Limits) throws {
    name = command
    self.limits = limits
    do { channel = try ChildChannel(command) } catch {
      throw CandidateError.failedToSpeak(rule: command, line: 0, text: "it could not be started")
    }
  }

  func close() { channel.close() }

  private func failure(_ text: String) -> CandidateError {
    .failedToSpeak(rule: name, line: channel.lineCount, text: text)
  }

  private func ask(_ line: String, seconds: Double) throws -> Message {
    do {
      try channel.send(line, seconds: seconds)
      return try receive(seconds: seconds)
    } catch let error as ChildChannel.Failure {
      throw explained(error)
    }
  }

  private func receive(seconds: Double) throws -> Message {
    let line: String
    do { line = try channel.receive(seconds: seconds) } catch let error as ChildChannel.Failure {
      throw explained(error)
    }
    guard let message = Message(line) else {
      throw failure("not a JSON object: \(Self.brief(line))")
    }
    return message
  }

  private func explained(_ error: ChildChannel.Failure) -> CandidateError {
    switch error {
    case .timeout(let seconds):
      failure("no answer within \(seconds.formatted()) s")
    case .ended(let status): failure("the process ended with status \(status)")
    case .failed: failure("its pipe broke")
    case .tooLong: failure("a line without end")
    }
  }

  /// The beginning of a line, made safe for a terminal.
  private static func brief(_ line: String) -> String {
    let clean = line.unicodeScalars.prefix(200).map { scalar -> Character in
      scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value) ? "." : Character(scalar)
    }
    return String(clean) + (line.unicodeScalars.count > 200 ? "..." : "")
  }

  // MARK: Hello and reset

  func greet() throws -> Hello {
    let answer = try ask("{\"hello\": \"optcheck-1\"}", seconds: limits.hello)
    guard answer.string("hello") == "optcheck-1" else {
      throw failure(
        "want {\"hello\": \"optcheck-1\", ...}, found \(Self.brief(answer.text))")
    }
    guard let said = answer.string("name"), !said.isEmpty else {
      throw failure("hello has no name: \(Self.brief(answer.text))")
    }
    name = Self.brief(said)
    guard let needs = answer.strings("needs") else {
      throw failure("hello has no list 'needs': \(Self.brief(answer.text))")
    }
    var oracles: Set<Oracle> = []
    for need in needs {
      guard let oracle = Oracle(rawValue: need) else {
        throw failure(
          "needs '\(Self.brief(need))'; accepted: "
            + Oracle.allCases.map(\.rawValue).joined(separator: ", "))
      }
      oracles.insert(oracle)
    }
    let precision = answer.string("precision") ?? "double"
    guard let precision = Precision(rawValue: precision) else {
      throw failure("precision '\(Self.brief(precision))'; accepted: double, single")
    }
    for key in ["horizon", "dimension"] where answer.has(key) {
      guard let value = answer.integer(key), value >= 1 else {
        throw failure("\(key) is not a positive integer: \(Self.brief(answer.text))")
      }
    }
    return Hello(
      name: name, oracles: oracles, remembersIterates: answer.flag("memory") ?? false,
      horizon: answer.integer("horizon"), precision: precision,
      dimension: answer.integer("dimension"),
      isDeterministic: answer.flag("deterministic") ?? true)
  }

  func reset(_ run: ForeignRun, seed: UInt64, needsData: Bool) throws -> Int {
    let problem = run.problem
    var fields = [
      "\"n\": \(problem.dimension)", Message.field("x0", run.x.elements),
      "\"smoothness\": \(Message.number(problem.largestSmoothness))",
      "\"rho\": \(Message.number(problem.regularizer.l1Weight))",
      "\"seed\": \(seed)",
    ]
    if needsData, let model = problem as? any LinearModelProblem {
      let m = model.map.matrix(0)
      let rows = (0..<m.rows).map { i in
        "[" + (0..<m.columns).map { Message.number(m[i, $0]) }.joined(separator: ", ") + "]"
      }
      fields.append("\"matrix\": [\(rows.joined(separator: ", "))]")
      fields.append(Message.field("target", model.target.elements))
    }
    let answer = try ask(
      "{\"reset\": {\(fields.joined(separator: ", "))}}", seconds: limits.line)
    guard answer.flag("ready") == true else {
      throw failure("want {\"ready\": true}, found \(Self.brief(answer.text))")
    }
    currentRun += 1
    return currentRun
  }

  /// Whether two steps on a small problem with an l1 term bring a query for its proximal operator.
  func asksForProx(dimension n: Int) throws -> Bool {
    let log = OracleLog()
    let problem = WatchedProblem(Touchstone(dimension: n), log)
    let run = ForeignRun(problem, Vector([Double](repeating: 1, count: n)))
    run.id = try reset(run, seed: 0, needsData: false)
    for k in 1...2 {
      let next = try step(run, from: run.x, gradient: nil, probe: false, settled: false)
      // What is not finite is for the checks to say.
      guard next.isFinite else { break }
      run.accept(next, k)
    }
    return log.seen.contains(.prox)
  }

  // MARK: Steps

  /// One step or probe of `run` from `x`, with all that the rule asks in between.
  func step(
    _ run: ForeignRun, from x: Vector, gradient pretended: Vector?, probe: Bool, settled: Bool
  ) throws -> Vector {
    precondition(run.id == currentRun, "a run of '\(name)' went on after another began")
    let problem = run.problem
    let n = problem.dimension
    let gradient = pretended ?? problem.gradient(at: x)
    var line =
      "{\"step\": \(run.count + 1), " + Message.field("x", x.elements) + ", "
      + Message.field("gradient", gradient.elements)
    if probe { line += ", \"probe\": true" }
    if settled { line += ", \"settled\": true" }
    var answer = try ask(line + "}", seconds: limits.line)
    while !answer.has("x") {
      answer = try ask(
        reply(to: answer, on: problem, n, pretended), seconds: limits.line)
    }
    return Vector(try numbers(answer, "x", n))
  }

  private func numbers(_ message: Message, _ key: String, _ n: Int) throws -> [Double] {
    guard let values = message.numbers(key) else {
      throw failure("'\(key)' is not a list of numbers: \(Self.brief(message.text))")
    }
    guard values.count == n else {
      throw failure("'\(key)' has \(values.count) numbers, want \(n): \(Self.brief(message.text))")
    }
    return values
  }

  private func reply(
    to query: Message, on problem: any Problem, _ n: Int, _ pretended: Vector?
  ) throws -> String {
    if query.has("gradient_at") {
      let point = Vector(try numbers(query, "gradient_at", n))
      let g = pretended ?? problem.gradient(at: point)
      return "{" + Message.field("gradient", g.elements) + "}"
    }
    if query.has("prox_at") {
      var point = Vector(try numbers(query, "prox_at", n))
      problem.regularizer.prox(&point, steps: Vector(try numbers(query, "scale", n)))
      return "{" + Message.field("prox", point.elements) + "}"
    }
    if query.has("subgradient_at") {
      let point = Vector(try numbers(query, "subgradient_at", n))
      var v = Vector(zeros: n)
      problem.subgradient(at: point, into: &v)
      return "{" + Message.field("subgradient", v.elements) + "}"
    }
    if query.has("value_at") {
      let point = Vector(try numbers(query, "value_at", n))
      return "{\"value\": \(Message.number(problem.value(at: point)))}"
    }
    throw failure(
      "want 'x' or one of gradient_at, prox_at, subgradient_at, value_at, found "
        + Self.brief(query.text))
  }
}

/// A run of a ``ForeignRule``.
final class ForeignRun: CandidateRun {
  private let rule: ForeignRule?
  let problem: any Problem
  private(set) var x: Vector
  private(set) var count = 0
  var id = 0

  init(_ problem: any Problem, _ start: Vector, of rule: ForeignRule? = nil) {
    self.rule = rule
    self.problem = problem
    x = start
  }

  /// Takes `next` for the iterate of step `k`.
  func accept(_ next: Vector, _ k: Int) { (x, count) = (next, k) }

  private func step(
    from point: Vector, gradient: Vector?, probe: Bool, settled: Bool
  ) throws -> Vector {
    guard let rule else { preconditionFailure("the run belongs to no rule") }
    let next = try rule.withSession {
      try $0.step(self, from: point, gradient: gradient, probe: probe, settled: settled)
    }
    guard next.isFinite else { throw CandidateError.nonFinite(step: count + 1) }
    return next
  }

  func advance() throws {
    accept(try step(from: x, gradient: nil, probe: false, settled: false), count + 1)
  }

  func probe(
    at point: Vector, gradient: Vector?, settled: Bool, steps: Int
  ) throws -> [Vector] {
    precondition(steps == 1, "a rule in another process is probed one step deep")
    return [try step(from: point, gradient: gradient, probe: true, settled: settled)]
  }
}
