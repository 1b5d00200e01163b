public import Catalog
import Engine
public import Foundation
public import Optimization
import Storage

/// A trained rule with its provenance, as `Fixtures/Trained` keeps it: `<name>.json` beside
/// `<name>.safetensors`, which holds the weights under PyTorch's names.
public struct TrainedRule: Sendable {
  /// Where the weights come from, and how training went.
  public struct Record: Sendable, Hashable, Codable {
    /// The rule's variant, such as `PA`.
    public var variant: String
    /// What it was trained on, in words.
    public var problem: String
    /// Maps and scales of the parts, by part.
    public var heads: [String: Head]
    /// Which sequence counts as the iterate.
    public var form: String
    /// The command that makes these weights.
    public var command: String
    /// The seed of all draws.
    public var seed: UInt64
    /// The commit that they were made at.
    public var commit: String
    /// The machine that they were made on.
    public var machine: String
    /// The day.
    public var date: String
    /// Wall-clock time of training, in seconds.
    public var seconds: Double
    /// The mean of the segments' losses of every training problem.
    public var losses: [Double]
    /// What validation said.
    public var validations: [TruncatedTraining.Validation]

    /// Map and scale of a part.
    public struct Head: Sendable, Hashable, Codable {
      /// The map's name in configurations.
      public var map: String
      /// The factor on it.
      public var scale: Double

      /// Creates it.
      public init(map: String, scale: Double) {
        self.map = map
        self.scale = scale
      }
    }

    /// Creates a record.
    public init(
      variant: String, problem: String, heads: [String: Head], form: String, command: String,
      seed: UInt64, commit: String, machine: String, date: String, seconds: Double,
      losses: [Double], validations: [TruncatedTraining.Validation]
    ) {
      self.variant = variant
      self.problem = problem
      self.heads = heads
      self.form = form
      self.command = command
      self.seed = seed
      self.commit = commit
      self.machine = machine
      self.date = date
      self.seconds = seconds
      self.losses = losses
      self.validations = validations
    }
  }

  /// Variant, heads and form of `rule`, beside what is known about its training.
  ///
  /// - Parameter losses: of every training problem.
  public static func record(
    of rule: any LearnedUpdateRule, problem: String, command: String, seed: UInt64, commit: String,
    machine: String, date: String, seconds: Double, losses: [Double],
    validations: [TruncatedTraining.Validation] = []
  ) -> Record {
    let scheme = rule as? CoordMathLSTM
    let heads = scheme?.parts.architecture.heads ?? [:]
    // P, B, A, then the numbers of the biases: PBA12.
    let letters: [(part: RecurrentParts.Part, letter: String)] = [
      (.p, "P"), (.b, "B"), (.a, "A"), (.b1, "1"), (.b2, "2"),
    ]
    let variant = letters.filter { heads[$0.part] != nil }.map(\.letter).joined()
    return Record(
      variant: scheme == nil ? rule.name : variant, problem: problem,
      heads: Dictionary(
        uniqueKeysWithValues: heads.map {
          ($0.key.rawValue, Record.Head(map: $0.value.map.rawValue, scale: $0.value.scale))
        }),
      form: (scheme?.form ?? .paper).rawValue, command: command, seed: seed, commit: commit,
      machine: machine, date: date, seconds: seconds, losses: losses, validations: validations)
  }

  /// The file's name without ending.
  public var name: String
  /// Its provenance.
  public var record: Record
  /// The rule.
  public var rule: CoordMathLSTM

  /// Reads `<name>` in `folder`.
  ///
  /// - Throws: `StorageError`, or `RuleError` naming what does not fit.
  public init(named name: String, in folder: URL) throws {
    let file = folder.appendingPathComponent(name)
    record = try JSONFile.read(Record.self, from: file.appendingPathExtension("json"))
    self.name = name
    let stored = try Safetensors.read(from: file.appendingPathExtension("safetensors")).tensors
    let weights = Parameters(stored.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
    rule = try Self.rule(record, weights)
  }

  private static func rule(_ record: Record, _ weights: Parameters) throws -> CoordMathLSTM {
    guard let hidden = weights["linear.weight"]?.shape.first,
      let first = weights["lstm.weight_ih_l0"]?.shape.last
    else { throw RuleError.missingParameter("lstm.weight_ih_l0 or linear.weight") }
    let layers = (0...).lazy.prefix { weights["lstm.weight_ih_l\($0)"] != nil }.count
    let network = RecurrentNetwork(inputWidth: first, hidden: hidden, layers: layers)
    var architecture = RecurrentParts.Architecture(network: network, heads: [:])
    for (part, head) in record.heads {
      guard let part = RecurrentParts.Part(rawValue: part), let map = OutputMap(rawValue: head.map)
      else {
        throw RuleError.unsupported(
          setting: "head \(part)", value: head.map,
          accepted: OutputMap.allCases.map(\.rawValue).joined(separator: ", "))
      }
      architecture.heads[part] = RecurrentParts.Head(map, scale: head.scale)
    }
    guard let form = CoordMathLSTM.Form(rawValue: record.form) else {
      throw RuleError.unsupported(
        setting: "form", value: record.form, accepted: "paper, reference")
    }
    return CoordMathLSTM(
      try RecurrentParts(architecture, parameters: weights), form: form,
      stateSeed: record.seed)
  }

  /// What determines the rule called `name` in `folder`, its weights included, in words.
  static func words(_ name: String, in folder: URL) -> String {
    let weights = folder.appendingPathComponent(name).appendingPathExtension("safetensors")
    return "\(name), weights \(ResultCache.hash((try? Data(contentsOf: weights)) ?? Data()))"
  }

  /// Whether `folder` holds weights called `name`.
  static func isThere(_ name: String, in folder: URL) -> Bool {
    let file = folder.appendingPathComponent(name).appendingPathExtension("safetensors")
    return FileManager.default.fileExists(atPath: file.path)
  }

  /// The rule called `name` in `folder`, of whichever class its record says.
  ///
  /// - Parameter stepRule: of scheme (18); the other classes move by what their networks say.
  /// - Throws: as ``init(named:in:)``.
  static func learned(
    _ name: String, in folder: URL, stepRule: StepRule
  ) throws -> any LearnedUpdateRule {
    let weights = CandidateCatalog.Weights(checkpoint: name, folder: folder)
    let file = folder.appendingPathComponent(name).appendingPathExtension("json")
    switch try JSONFile.read(Record.self, from: file).variant {
    case "CoordBlackboxLSTM": return try blackbox(weights.parameters())
    case "RNNprop": return try rnnprop(weights.parameters())
    default:
      var rule = try TrainedRule(named: name, in: folder).rule
      rule.stepRule = stepRule
      return rule
    }
  }

  /// L2O-DM with `weights`, or at its first ones.
  static func blackbox(_ weights: Parameters?) throws -> CoordBlackboxLSTM {
    let isReference = weights?["lstm.weight_ih_l0"]?.shape.last == 2
    let features = isReference ? CoordBlackboxLSTM.Features.reference : .paper
    return try CoordBlackboxLSTM(
      hidden: weights?["linear.weight"]?.shape.last ?? 20, features: features,
      parameters: weights ?? CoordBlackboxLSTM.initialParameters(features: features, seed: 1),
      initialState: .zeros)
  }

  /// RNNprop with `weights`, or at its first ones.
  static func rnnprop(_ weights: Parameters?) throws -> RNNprop {
    try RNNprop(
      hidden: weights?["linear_out.weight"]?.shape.last ?? 20,
      parameters: weights ?? RNNprop.initialParameters(seed: 1), initialState: .zeros)
  }

  /// The trained rules of scheme (18) in `folder`, in order of their names; others lie there too.
  ///
  /// - Throws: as ``init(named:in:)``.
  public static func all(in folder: URL) throws -> [TrainedRule] {
    let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return try files.filter { $0.hasSuffix(".safetensors") }.map { String($0.dropLast(12)) }
      .sorted()
      .filter { name in
        let file = folder.appendingPathComponent(name).appendingPathExtension("json")
        return try !JSONFile.read(Record.self, from: file).heads.isEmpty
      }
      .map { try TrainedRule(named: $0, in: folder) }
  }
}
