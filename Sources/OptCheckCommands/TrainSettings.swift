import Foundation
import OptCheck
import Yams

/// One setting of a training run, under the name that the reference code gives it.
struct Setting: Sendable {
  /// What values it takes.
  enum Kind: Sendable {
    case integer(ClosedRange<Int>)
    case number(from: Double)
    case flag
    case choice([String])
    case widths
    case text
  }

  let name: String
  let kind: Kind
  /// The value if nobody gives one; nil if there is none.
  let fallback: String?
  /// Whether another value makes another run.
  let isPartOfRun: Bool

  init(_ name: String, _ kind: Kind, _ fallback: String? = nil, isPartOfRun: Bool = true) {
    self.name = name
    self.kind = kind
    self.fallback = fallback
    self.isPartOfRun = isPartOfRun
  }

  /// What `text` means in one spelling; nil if it is none of the accepted values.
  func canonical(_ text: String) -> String? {
    switch kind {
    case .integer(let range): Int(text).flatMap { range.contains($0) ? "\($0)" : nil }
    case .number(let least):
      Double(text).flatMap { $0.isFinite && $0 >= least ? "\($0)" : nil }
    case .flag:
      switch text.lowercased() {
      case "true", "yes", "on": "true"
      case "false", "no", "off": "false"
      default: nil
      }
    case .choice(let choices): choices.contains(text) ? text : nil
    case .widths:
      text.split(separator: ",").map { Int($0.trimmingCharacters(in: .whitespaces)) ?? 0 }
        .reduce([Int]?.some([])) { list, next in next >= 1 ? list.map { $0 + [next] } : nil }
        .flatMap { $0.isEmpty ? nil : $0.map(String.init).joined(separator: ",") }
    case .text: text.isEmpty ? nil : text
    }
  }

  /// The accepted values, for messages.
  var accepted: String {
    switch kind {
    case .integer(let range): "whole numbers from \(range.lowerBound) to \(range.upperBound)"
    case .number(-.infinity): "finite numbers"
    case .number(let least): "finite numbers from \(Int(least))"
    case .flag: "true, false"
    case .choice(let choices): choices.joined(separator: ", ")
    case .widths: "widths of the hidden layers, such as 2,1024"
    case .text: "any text"
    }
  }
}

/// What is wrong with a setting.
enum SettingError: Error, CustomStringConvertible {
  case unknownKey(String, nearest: String, file: String)
  case badValue(String, value: String, accepted: String, source: String)
  case missing(String, accepted: String)
  case notYAML(file: String, reason: String)

  var description: String {
    switch self {
    case .unknownKey(let key, let nearest, let file):
      "\(file)unknown key '\(key)'; the nearest known key is '\(nearest)'"
    case .badValue(let name, let value, let accepted, let source):
      "\(source)\(name) cannot be '\(value)'; accepted: \(accepted)"
    case .missing(let name, let accepted):
      "\(name) is not set; give --\(name) or a line in the config; accepted: \(accepted)"
    case .notYAML(let file, let reason): "\(file): not a YAML mapping: \(reason)"
    }
  }
}

/// The settings of a training run: command line before config file before default.
struct TrainSettings: Sendable {
  /// Large enough for any run; two of them multiply without overflow.
  private static let counts = 1...1_000_000_000

  /// Every setting that has an effect, in the order of the help.
  static let known: [Setting] =
    [
      Setting("optimizer", .text, "CoordMathDNN"),
      Setting("optimizee-type", .text, "QuadraticUnconstrained"),
      Setting("meta-optimizer", .choice(["SGD", "Adam"]), "SGD"),
      Setting("input-dim", .integer(counts)),
      Setting("output-dim", .integer(counts)),
      Setting("train-batch-size", .integer(counts), "128"),
      Setting("lstm-hidden-size", .integer(counts), "256"),
      Setting("widths", .widths),
      Setting("e", .number(from: 1), "100"),
      Setting("init", .choice(["qr", "qrNonnegative", "orthogonal"]), "orthogonal"),
      Setting("weight-layout", .choice(["in-out", "out-in"]), "in-out"),
      Setting("p-use", .flag, "false"),
      Setting("p-norm", .choice(OutputMap.allCases.map(\.rawValue))),
      Setting("p-scale", .number(from: -.infinity), "1"),
      Setting("p-scale-learned", .flag, "false"),
      Setting("step-size", .number(from: 0)),
      Setting("step-rule", .choice(["reference", "theory", "instance"]), "reference"),
      Setting("backward", .choice(CoordMathDNN.Backward.allCases.map(\.rawValue)), "detached"),
      Setting("evaluator", .choice(CoordMathDNN.Evaluator.allCases.map(\.rawValue)), "automatic"),
      Setting("grad-method", .choice(["smooth_grad", "subgrad", "bp_grad"]), "subgrad"),
      Setting("seed", .integer(0...Int(UInt32.max)), "118"),
      Setting("global-training-steps", .integer(counts), "1000"),
      Setting("optimizer-training-steps", .integer(counts), "100"),
      Setting("unroll-length", .integer(counts), "1000"),
      Setting("init-lr", .number(from: 0), "0.1"),
      Setting("scheduler", .choice(["constant", "step", "cosine"]), "constant"),
      Setting("epochs", .integer(counts), "5"),
      Setting("clip-grad", .flag, "false"),
      Setting("loss-func", .choice(MetaLoss.allCases.map(\.rawValue))),
      Setting("script", .choice(Script.allCases.map(\.rawValue))),
      Setting("reference", .flag, "false"),
      Setting("rho", .number(from: 0), "0.1"),
      Setting("sparsity", .integer(counts), "5"),
      Setting("lstm-layers", .integer(1...16), "2"),
      Setting("state-scale", .number(from: 0), "0.01"),
      Setting("rnnprop-beta1", .number(from: 0), "0.95"),
      Setting("rnnprop-beta2", .number(from: 0), "0.95"),
    ]
    + ["a", "b", "b1", "b2"].flatMap { head in
      [
        Setting("\(head)-use", .flag, "false"),
        Setting("\(head)-norm", .choice(OutputMap.allCases.map(\.rawValue))),
        Setting("\(head)-scale", .number(from: -.infinity), head.count == 1 ? "1" : "0.01"),
        Setting("\(head)-scale-learned", .flag, "false"),
      ]
    } + [
      Setting("w-shared", .flag, "false"),
      Setting("s-shared", .flag, "false"),
      Setting("theta-shared", .flag, "false"),
      Setting("lamb", .number(from: 0), "0.4"),
      Setting("p", .number(from: 0), "0.012"),
      Setting("max-p", .number(from: 0), "0.13"),
      Setting("momentum1", .number(from: 0)),
      Setting("momentum2", .number(from: 0)),
      Setting("eps", .number(from: 0)),
      Setting("hyper-step", .number(from: 0)),
      Setting("layers", .integer(1...10_000), "20"),
      Setting("train-size", .integer(counts), "32000"),
      Setting("lr-decay-layer", .number(from: 0), "0.3"),
      Setting("lr-decay-stage2", .number(from: 0), "0.2"),
      Setting("lr-decay-stage3", .number(from: 0), "0.02"),
      Setting("best-wait", .integer(counts), "5"),
      Setting("val-size", .integer(counts), "2048"),
      Setting("val-length", .integer(counts), "100"),
      Setting("eval-metric", .choice(["obj", "nmse"]), "obj", isPartOfRun: false),
      Setting("gap", .flag, "false", isPartOfRun: false),
      Setting("tensorboard", .flag, "false", isPartOfRun: false),
      Setting("data", .text),
      Setting("problem", .text),
      Setting("optimizee-dir", .text, isPartOfRun: false),
      Setting("load-mat", .flag, "false", isPartOfRun: false),
      Setting("save-to-mat", .flag, "false", isPartOfRun: false),
      Setting("load-sol", .flag, "false", isPartOfRun: false),
      Setting("save-sol", .flag, "false", isPartOfRun: false),
      Setting("ood", .flag, "false", isPartOfRun: false),
      Setting("ood-s", .number(from: -.infinity), "0", isPartOfRun: false),
      Setting("ood-t", .number(from: -.infinity), "0", isPartOfRun: false),
      Setting("save-dir", .text, "temp", isPartOfRun: false),
      Setting("ckpt-path", .text, isPartOfRun: false),
      Setting("loss-save-path", .text, isPartOfRun: false),
      Setting("threads", .integer(counts), "1", isPartOfRun: false),
      Setting("val-freq", .integer(counts), "200", isPartOfRun: false),
      Setting("checkpoint-every", .integer(counts), isPartOfRun: false),
      Setting("test", .flag, "false", isPartOfRun: false),
      Setting("test-size", .integer(counts), "2048", isPartOfRun: false),
      Setting("test-batch-size", .integer(counts), isPartOfRun: false),
      Setting("test-length", .integer(counts), "100", isPartOfRun: false),
    ]

  /// Keys of the reference code that have no effect in any of its programs, or none here.
  static let dead: Set<String> = [
    "cpu", "device", "B-step-size", "C-step-size", "val-batch-size", "print-freq", "debug",
    "W-cond-factor", "W-cond-rand", "x-mag", "pb", "symm",
    "train-objective",
  ]

  /// Keys of the reference code that would change the run and are not built yet: only off.
  static let unbuilt: Set<String> = [
    "identical-dict", "fixed-dict", "dist-rand",
  ]

  /// The canonical values by name; what is not set is absent.
  private(set) var values: [String: String]
  /// The reference program whose defaults and rules apply.
  let script: Script
  /// The settings that somebody gave.
  let given: Set<String>
  /// Keys that were accepted without effect, with their source.
  private var idle: [(source: String, key: String)] = []

  /// One line that names the keys without effect; nil if there are none.
  var note: String? {
    guard !idle.isEmpty else { return nil }
    let names = idle.map { $0.source == "--" ? "--\($0.key)" : $0.key }
    return "no effect on this rule and problem: \(names.joined(separator: ", "))"
  }

  /// Puts settings together.
  ///
  /// Which of the five programs' defaults apply is said by `script`, else by rule and problem.
  /// - Parameters:
  ///   - config: the YAML file, if any.
  ///   - flags: names and values from the command line.
  init(config: String?, flags: [(name: String, value: String)]) throws {
    var given: [(key: String, value: String?, source: String)] = []
    if let config {
      given = try Self.pairs(in: config).map { ($0.0, $0.1, "\(config): ") }
    }
    given += flags.map { ($0.name, $0.value, "--") }
    self.given = Set(given.filter { $0.value != nil }.map(\.key))
    func last(_ key: String) -> (value: String, source: String)? {
      given.last { $0.key == key }.flatMap { entry in
        entry.value.map { ($0, entry.source) }
      }
    }
    if let (name, source) = last("script") {
      guard let script = Script(rawValue: name) else {
        throw SettingError.badValue(
          "script", value: name,
          accepted: Script.allCases.map(\.rawValue).joined(separator: ", "), source: source)
      }
      self.script = script
    } else {
      script = .following(
        optimizer: last("optimizer")?.value ?? "CoordMathDNN",
        problem: last("optimizee-type")?.value ?? "QuadraticUnconstrained",
        keys: Set(given.map(\.key)))
    }
    values = [:]
    for setting in Self.known { values[setting.name] = fallback(setting) }
    for (key, value, source) in given { try take(key, value, source: source) }
    values["script"] = script.rawValue
    let live = script.live(values["optimizer"] ?? "")
    for (key, _, source) in given
    where Self.known.contains(where: { $0.name == key }) && !live.contains(key) {
      idle.append((source, key))
    }
  }

  /// The value of a setting that nobody gives.
  private func fallback(_ setting: Setting) -> String? {
    script.defaults[setting.name].flatMap(setting.canonical)
      ?? setting.fallback.flatMap(setting.canonical)
  }

  private mutating func take(_ key: String, _ value: String?, source: String) throws {
    if let setting = Self.known.first(where: { $0.name == key }) {
      guard let value else {
        values[key] = fallback(setting)
        return
      }
      guard let canonical = setting.canonical(value) else {
        throw SettingError.badValue(
          key, value: value, accepted: setting.accepted, source: source)
      }
      values[key] = canonical
    } else if Self.unbuilt.contains(key) {
      guard value == nil || value?.lowercased() == "false" else {
        throw SettingError.badValue(
          key, value: value ?? "", accepted: "false, since it is not built yet", source: source)
      }
    } else if Self.dead.contains(key) {
      idle.append((source, key))
    } else {
      let names = Self.known.map(\.name) + Self.dead + Self.unbuilt
      throw SettingError.unknownKey(key, nearest: nearest(key, among: names), file: source)
    }
  }

  /// The keys and values of a YAML file in order; nil for null.
  private static func pairs(in file: String) throws -> [(String, String?)] {
    let data = try AtomicFile.read(URL(fileURLWithPath: file))
    guard let text = String(data: data, encoding: .utf8) else {
      throw SettingError.notYAML(file: file, reason: "not UTF-8")
    }
    let node: Node?
    do { node = try Yams.compose(yaml: text) } catch {
      throw SettingError.notYAML(file: file, reason: "\(error)")
    }
    guard let node else { return [] }
    guard let mapping = node.mapping else {
      throw SettingError.notYAML(file: file, reason: "the top level has no keys")
    }
    return try mapping.map { key, value in
      guard let key = key.string else {
        throw SettingError.notYAML(file: file, reason: "a key is no text")
      }
      if let sequence = value.sequence {
        return (key, sequence.map { $0.string ?? "?" }.joined(separator: ","))
      }
      guard let text = value.scalar?.string else {
        throw SettingError.badValue(
          key, value: "a mapping", accepted: "one value", source: "\(file): ")
      }
      let isNull = ["", "null", "~", "None"].contains(text)
      return (key, isNull ? nil : text)
    }
  }

  /// The text of `config.yaml`: every setting that has a value, in the order of the help.
  var yaml: String {
    let live = script.live(values["optimizer"] ?? "")
    return Self.known.filter { live.contains($0.name) }.compactMap { setting in
      values[setting.name].map { value in
        let text: String
        if case .text = setting.kind {
          text = "'" + value.replacingOccurrences(of: "'", with: "''") + "'"
        } else if case .widths = setting.kind {
          text = "[\(value)]"
        } else {
          text = value
        }
        return "\(setting.name): \(text)\n"
      }
    }.joined()
  }

  /// The settings that determine the run.
  var identity: [String: String] {
    let live = script.live(values["optimizer"] ?? "")
    let names = Set(Self.known.filter(\.isPartOfRun).map(\.name)).intersection(live)
    return values.filter { names.contains($0.key) }
  }

  /// The settings that determine the figures of the run, a test's too.
  var comparable: [String: String] {
    guard isOn("test") else { return identity }
    let idle: Set = ["save-dir", "loss-save-path", "threads"]
    return values.filter { !idle.contains($0.key) }
  }

  /// The text of a setting.
  func text(_ name: String) throws -> String {
    guard let value = values[name] else {
      let setting = Self.known.first { $0.name == name }
      throw SettingError.missing(name, accepted: setting?.accepted ?? "")
    }
    return value
  }

  /// The value of a whole number.
  func integer(_ name: String) throws -> Int {
    guard let value = Int(try text(name)) else {
      preconditionFailure("\(name) is no whole number")
    }
    return value
  }

  /// The value of a number.
  func number(_ name: String) throws -> Double {
    guard let value = Double(try text(name)) else { preconditionFailure("\(name) is no number") }
    return value
  }

  /// Whether a flag is on.
  func isOn(_ name: String) -> Bool { values[name] == "true" }

  /// Whether a setting has a value.
  func has(_ name: String) -> Bool { values[name] != nil }
}

/// The one of `names` that takes the fewest edits to become `word`; ties go to the first by name.
func nearest(_ word: String, among names: [String]) -> String {
  names.map { (editDistance(word, $0), $0) }.min { $0 < $1 }?.1 ?? ""
}

/// The least number of inserted, deleted or replaced characters from `a` to `b`.
func editDistance(_ a: String, _ b: String) -> Int {
  let (a, b) = (Array(a.lowercased()), Array(b.lowercased()))
  var row = Array(0...b.count)
  for i in a.indices {
    var diagonal = row[0]
    row[0] = i + 1
    for j in b.indices {
      let change = diagonal + (a[i] == b[j] ? 0 : 1)
      diagonal = row[j + 1]
      row[j + 1] = min(change, min(row[j], row[j + 1]) + 1)
    }
  }
  return row[b.count]
}

extension TrainSettings {
  /// Names and values out of arguments such as `--rho 0.1`, `--a-use`, `--no-b-use`, `--eps=1e-8`.
  ///
  /// - Throws: ``SettingError`` for a key that nobody knows, or one without its value.
  static func flags(in arguments: [String]) throws -> [(name: String, value: String)] {
    var result: [(name: String, value: String)] = []
    var rest = arguments[...]
    while let word = rest.popFirst() {
      guard word.hasPrefix("--"), word.count > 2 else {
        throw UsageError("'\(word)' is no setting; settings look like --rho 0.1 or --a-use")
      }
      let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1).map(String.init)
      let key = parts[0]
      let isFlag = { (name: String) in
        unbuilt.contains(name) || ["cpu", "debug", "symm", "train-objective"].contains(name)
          || known.contains { setting in
            if case .flag = setting.kind { setting.name == name } else { false }
          }
      }
      if parts.count == 2 {
        result.append((key, parts[1]))
      } else if isFlag(key) {
        result.append((key, "true"))
      } else if key.hasPrefix("no-"), isFlag(String(key.dropFirst(3))) {
        result.append((String(key.dropFirst(3)), "false"))
      } else if known.contains(where: { $0.name == key }) || dead.contains(key) {
        guard let value = rest.popFirst() else {
          throw UsageError("--\(key) needs a value")
        }
        result.append((key, value))
      } else {
        let names = known.map(\.name) + dead + unbuilt
        throw SettingError.unknownKey(key, nearest: nearest(key, among: names), file: "--")
      }
    }
    return result
  }
}
