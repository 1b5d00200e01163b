public import Catalog
import Engine
import Optimization

/// Trains unfolded rules at a small size and compares each with ISTA of the same depth, on fresh
/// instances, instance by instance.
public struct ListaStudy: Sendable, Hashable, Codable {
  /// What is trained on, and compared by.
  public enum Measure: String, Sendable, Hashable, Codable, CaseIterable {
    /// (F(x_T) - F*) / F*; trained without solutions, on the mean of F(x_T).
    case objectiveGap = "relative gap of F"
    /// ‖x_T - x°‖² / ‖x°‖² to the sparse point behind the data; trained on ‖x_T - x°‖².
    case recoveryError = "NMSE"
  }

  /// A rule and what it is trained on.
  public enum Subject: String, Sendable, Hashable, Codable, CaseIterable {
    case lista = "LISTA"
    case listaCPSS = "LISTACPSS"
    case adaLISTA = "AdaLISTA"

    /// Whether all instances have the same dictionary; only AdaLISTA is made for changing ones.
    public var sharesDictionary: Bool { self != .adaLISTA }
  }

  /// b, d, sparsity; `instances` are those of the test.
  public var size: SparseRegressionSize
  /// ρ.
  public var weight: Double
  /// T.
  public var layers: Int
  /// Instances trained on, a multiple of ``batch``.
  public var trainingInstances: Int
  /// Instances in a batch.
  public var batch: Int
  /// Epochs of every stage of a layer.
  public var epochs: Int
  /// η of the first stage.
  public var stepSize: Double
  /// Of data and training.
  public var seed: UInt64

  /// Creates a study.
  public init(
    size: SparseRegressionSize = SparseRegressionSize(
      instances: 256, rows: 50, columns: 100, sparsity: 5),
    weight: Double = 0.1, layers: Int = 6, trainingInstances: Int = 512, batch: Int = 64,
    epochs: Int = 8, stepSize: Double = 2e-3, seed: UInt64 = 1
  ) {
    precondition(trainingInstances % batch == 0, "\(trainingInstances) is no multiple of \(batch)")
    self.size = size
    self.weight = weight
    self.layers = layers
    self.trainingInstances = trainingInstances
    self.batch = batch
    self.epochs = epochs
    self.stepSize = stepSize
    self.seed = seed
  }

  /// How a rule compares.
  public struct Row: Sendable, Hashable, Codable {
    /// The rule.
    public var subject: Subject
    /// What it was trained on and is compared by.
    public var measure: Measure
    /// The median over test instances after training.
    public var trained: Double
    /// The same before training.
    public var untrained: Double
    /// The same of ISTA with steps 1/βᵢ after as many steps as the rule has layers.
    public var ista: Double
    /// Trained against ISTA, instance by instance, in decades.
    public var comparison: PairedComparison
    /// Training steps taken.
    public var trainingSteps: Int

    /// Whether the whole interval of the median lies on the trained rule's side.
    public var isBetter: Bool { comparison.interval.upperBound < 0 }
  }

  /// Trains and compares one rule.
  ///
  /// - Throws: `ProblemError` for sizes out of range.
  public func row(_ subject: Subject, _ measure: Measure) throws -> Row {
    let data = try Data(self, subject)
    func row(_ rule: some InitializedUnfoldedRule) throws -> Row {
      var trained = rule
      let plan = StagedTraining(stepSize: stepSize, length: .epochs(epochs), seed: seed)
      let outcome = try plan.train(rule.parameters, layers: 1...layers) { layer in
        try rule.training(
          of: layer, on: data.batches,
          target: measure == .recoveryError ? { $0.generatingPoint } : { _ in nil })
      }
      trained.parameters = outcome.parameters
      let numbers = data.numbers(trained, measure, layers)
      let ista = data.numbers(ProximalGradient(stepRule: .instance), measure, layers)
      return Row(
        subject: subject, measure: measure, trained: numbers.median,
        untrained: data.numbers(rule, measure, layers).median, ista: ista.median,
        comparison: PairedComparison(numbers, ista),
        trainingSteps: outcome.epochs.reduce(0) { $0 + $1.losses.count })
    }
    let first = data.batches[0]
    switch subject {
    case .lista:
      return try row(
        LISTA(layers: layers, parameters: LISTA.initialParameters(for: first, layers: layers)))
    case .listaCPSS:
      return try row(
        LISTACPSS(
          layers: layers, parameters: LISTACPSS.initialParameters(for: first, layers: layers)))
    case .adaLISTA:
      return try row(
        AdaLISTA(layers: layers, parameters: AdaLISTA.initialParameters(for: first, layers: layers))
      )
    }
  }

  /// What LISTA-CPSS's theorem asks of every layer, in percent of how often it is violated.
  public struct Consistency: Sendable, Hashable, Codable {
    /// Entries that are 0 in x° and not in x_t, of those that are 0 in x°; layer by layer.
    public var falsePositives: [Double] = []
    /// Diagonal entries of We M off 1 by more than 1 %; layer by layer.
    public var diagonal: [Double] = []
    /// max |We M| off the diagonal, over the same of MᵀM; layer by layer, no percentage.
    public var coherence: [Double] = []
  }

  /// ``Consistency`` of LISTA-CPSS before and after training.
  ///
  /// - Throws: `ProblemError` for sizes out of range, `RuleError`.
  public func consistency(
    _ measure: Measure
  ) throws -> (before: Consistency, after: Consistency) {
    let data = try Data(self, .listaCPSS)
    var rule = try LISTACPSS(
      layers: layers,
      parameters: LISTACPSS.initialParameters(for: data.batches[0], layers: layers))
    let before = try data.consistency(rule)
    let plan = StagedTraining(stepSize: stepSize, length: .epochs(epochs), seed: seed)
    rule.parameters = try plan.train(rule.parameters, layers: 1...layers) { [rule] layer in
      try rule.training(
        of: layer, on: data.batches,
        target: measure == .recoveryError ? { $0.generatingPoint } : { _ in nil })
    }.parameters
    return (before, try data.consistency(rule))
  }

  /// Trains and compares every rule by every measure.
  ///
  /// - Throws: `ProblemError` for sizes out of range.
  public func rows(progress: (Row) -> Void = { _ in }) throws -> [Row] {
    try Subject.allCases.flatMap { subject in
      try Measure.allCases.map { measure in
        let row = try row(subject, measure)
        progress(row)
        return row
      }
    }
  }

  /// Instances for training and for the test, drawn together so that they may share a dictionary.
  private struct Data {
    var batches: [Lasso]
    var test: Lasso
    var minima: [Double]

    init(_ study: ListaStudy, _ subject: Subject) throws {
      var size = study.size
      size.instances += study.trainingInstances
      let all = try Lasso.generated(
        seed: study.seed, size: size, weight: study.weight, isShared: subject.sharesDictionary)
      func part(_ range: Range<Int>) throws -> Lasso {
        let part = all.instances(range)
        // Made anew, for a mean over the part alone.
        return try Lasso(
          name: part.name, map: part.map, target: part.target, weight: part.weight,
          generatingPoint: part.generatingPoint)
      }
      batches = try stride(from: 0, to: study.trainingInstances, by: study.batch).map {
        try part($0..<($0 + study.batch))
      }
      test = try part(study.trainingInstances..<size.instances)
      // At these sizes 3000 steps leave a gap of rounding only.
      minima = run(FISTA(stepRule: .instance), on: test, steps: 3000).values
    }

    /// How often a trained LISTA-CPSS violates its theorem's conditions, layer by layer.
    func consistency(_ rule: LISTACPSS) throws -> Consistency {
      guard let truth = test.generatingPoint, let matrix = test.map.distinctMatrices.first else {
        return Consistency()
      }
      let zeros = truth.elements.indices.filter { truth[$0] == 0 }
      let plain = Self.coherence(Matrix.product(matrix, .transposed, matrix))
      var result = Consistency()
      var x = Vector(zeros: test.dimension)
      var state = rule.initialState(for: test)
      for layer in 0..<rule.layers {
        rule.step(&x, &state, on: test)
        let wrong = zeros.count { x[$0] != 0 }
        result.falsePositives.append(100 * Double(wrong) / Double(max(1, zeros.count)))
        guard let we = rule.parameters["We.\(layer)"] ?? rule.parameters["We"] else { continue }
        let (d, b) = (matrix.columns, matrix.rows)
        let product = Matrix.product(Matrix(rows: d, columns: b, elements: we.elements), matrix)
        let off = (0..<d).count { abs(product[$0, $0] - 1) > 0.01 }
        result.diagonal.append(100 * Double(off) / Double(d))
        result.coherence.append(Self.coherence(product) / plain)
      }
      return result
    }

    /// max |aᵢⱼ| over i ≠ j.
    private static func coherence(_ a: Matrix) -> Double {
      (0..<a.rows).reduce(0) { largest, i in
        (0..<a.columns).reduce(largest) { i == $1 ? $0 : max($0, abs(a[i, $1])) }
      }
    }

    /// What a rule reaches on every test instance.
    func numbers(_ rule: some UpdateRule, _ measure: Measure, _ layers: Int) -> [Double] {
      let end = run(rule, on: test, steps: layers)
      switch measure {
      case .objectiveGap:
        return end.values.indices.map { (end.values[$0] - minima[$0]) / minima[$0] }
      case .recoveryError:
        guard let point = test.generatingPoint else { return [] }
        let d = test.coordinatesPerInstance
        return (0..<test.instanceCount).map { i in
          var (error, size) = (0.0, 0.0)
          for j in (i * d)..<((i + 1) * d) {
            error += (end.x[j] - point[j]) * (end.x[j] - point[j])
            size += point[j] * point[j]
          }
          return error / size
        }
      }
    }
  }
}

/// The iterate after `steps` steps from 0, and F there.
private func run(
  _ rule: some UpdateRule, on problem: Lasso, steps: Int
) -> (x: Vector, values: [Double]) {
  var x = Vector(zeros: problem.dimension)
  var state = rule.initialState(for: problem)
  for _ in 0..<steps { rule.step(&x, &state, on: problem) }
  return (x, problem.values(at: x))
}

extension [Double] {
  fileprivate var median: Double {
    let sorted = sorted()
    return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
  }
}
