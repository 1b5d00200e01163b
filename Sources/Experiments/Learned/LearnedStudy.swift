public import Catalog
import Dispatch
public import Engine
public import Optimization

/// Rules on one family of instances: what a comparison found.
public struct GapComparison: Sendable, Hashable, Codable {
  /// A short name, for links and for `--only`.
  public var id: String
  /// The heading.
  public var title: String
  /// What was run, in a sentence.
  public var setting: String
  /// The curves, the learned rule first.
  public var curves: [GapCurve]
  /// The learned rule against FISTA at every mark, instance by instance.
  public var againstFISTA: [Int: PairedComparison]
  /// Minima that came without a certificate.
  public var uncertified: Int

  /// Number of instances.
  public var instanceCount: Int { curves.first?.gaps.values.first?.count ?? 0 }

  static let fistaLabel = "FISTA"

  /// The curve that the learned rule is held against.
  public var fista: GapCurve? { curves.first { $0.label == Self.fistaLabel } }
}

/// Training of a rule on a neural network's weights, with and without the cut gradient.
public struct NetworkComparison: Sendable, Hashable, Codable {
  /// One of the two ways.
  public struct Row: Sendable, Hashable, Codable {
    /// `connected` or `reference`.
    public var backward: String
    /// The loss of every training step.
    public var losses: [Double]
    /// ‖W - W₀‖ / ‖W₀‖ of every weight that is not zero at first; ‖W‖ of the others.
    public var displacement: [String: Double]
    /// F(x_0) to F(x_T) in the first training step.
    public var firstCurve: [Double]
  }

  /// What was run, in a sentence.
  public var setting: String
  /// Both ways.
  public var rows: [Row]
}

/// All that the report on learned rules prints.
public struct LearnedResults: Sendable {
  /// The command that makes it.
  public var command: String
  /// Trained rules with their provenance.
  public var trained: [(name: String, record: TrainedRule.Record)]
  /// Comparisons, in order.
  public var comparisons: [GapComparison]
  /// LISTA and its kin at small size.
  public var lista: [ListaStudy.Row]
  /// The small size.
  public var listaStudy: ListaStudy
  /// Training on the MNIST network.
  public var network: NetworkComparison?
  /// Why parts are missing, by part.
  public var missing: [String: String]
  /// Wall-clock time of every stage, in order.
  public var seconds: [(stage: String, seconds: Double)]

  /// Creates results.
  public init(
    command: String, trained: [(name: String, record: TrainedRule.Record)],
    comparisons: [GapComparison], lista: [ListaStudy.Row], listaStudy: ListaStudy,
    network: NetworkComparison?, missing: [String: String],
    seconds: [(stage: String, seconds: Double)]
  ) {
    self.command = command
    self.trained = trained
    self.comparisons = comparisons
    self.lista = lista
    self.listaStudy = listaStudy
    self.network = network
    self.missing = missing
    self.seconds = seconds
  }
}

/// Learned rules against the classical ones on the same instances.
public struct LearnedStudy: Sendable {
  /// What a comparison runs on.
  public struct Case: Sendable {
    /// A short name.
    public var id: String
    /// The heading.
    public var title: String
    /// What is run, in a sentence.
    public var setting: String
    /// The instances.
    public var problem: any CertifiableProblem
    /// The learned rules by label, the one that is compared first.
    public var learned: [(label: String, rule: any UpdateRule)]
    /// Adam, with the step and the decays that paper B gives it.
    public var adam: Adam
    /// Number of iterations.
    public var horizon: Int
    /// Further rules by label.
    public var others: [(label: String, rule: any UpdateRule)]

    /// Creates a case.
    public init(
      id: String, title: String, setting: String, problem: any CertifiableProblem,
      learned: [(label: String, rule: any UpdateRule)], adam: Adam, horizon: Int,
      others: [(label: String, rule: any UpdateRule)] = []
    ) {
      self.id = id
      self.title = title
      self.setting = setting
      self.problem = problem
      self.learned = learned
      self.adam = adam
      self.horizon = horizon
      self.others = others
    }
  }

  /// Iterations at which tables stand.
  public static let marks = [10, 20, 50, 100, 200, 500, 1000]

  /// Runs one comparison.
  ///
  /// - Throws: what the certificates of the minima throw.
  public static func compare(_ subject: Case, threads: Int = Parallel.coreCount) throws
    -> GapComparison
  {
    let minima = try subject.problem.certifiedMinima()
    let study = GapStudy(
      problem: subject.problem, minima: minima.map(\.value), horizon: subject.horizon,
      marks: marks.filter { $0 <= subject.horizon }, chunk: 4, threads: threads)
    let rules =
      subject.learned
      + [
        ("ISTA", ProximalGradient() as any UpdateRule), (GapComparison.fistaLabel, FISTA()),
        ("Adam", subject.adam),
      ] + subject.others
    let curves = rules.map { study.curve($0.label, $0.rule) }
    var comparison = GapComparison(
      id: subject.id, title: subject.title, setting: subject.setting, curves: curves,
      againstFISTA: [:], uncertified: minima.count { !$0.isCertified })
    for mark in study.marks {
      if let ours = curves[0].gaps[mark], let theirs = comparison.fista?.gaps[mark] {
        comparison.againstFISTA[mark] = PairedComparison(
          ours, theirs, floor: Experiment.certifiedGap)
      }
    }
    return comparison
  }

  /// Trains paper A's rule on a network's weights for some steps, both ways.
  ///
  /// - Throws: `RuleError` if the rule does not fit.
  public static func network(
    _ problem: MnistCNN, start: Vector, horizon: Int, steps: Int, width: Int, scale: Double,
    metaStepSize: Double, seed: UInt64
  ) throws -> NetworkComparison {
    let architecture = CoordMathDNN.Architecture(widths: [2, width])
    let weights = try CoordMathDNN.initialParameters(
      architecture, .orthogonal(.inOut), scale: scale, seed: seed)
    let rule = try CoordMathDNN(
      architecture: architecture, parameters: weights, stepRule: .constant(0.01))
    let plan = MetaTraining(stepSize: metaStepSize, stepsPerEpoch: steps)
    let rows = try NetworkTraining.Backward.allCases.map { backward in
      let run = try NetworkTraining(
        rule: rule, problem: problem, start: start, horizon: horizon, loss: .last, plan: plan,
        backward: backward
      ).run(curveSteps: [0])
      var displacement: [String: Double] = [:]
      for (name, (old, new)) in zip(
        weights.names, zip(weights.tensors, run.state.parameters.tensors))
      {
        let moved = (Vector(new.elements) - Vector(old.elements)).norm
        let norm = Vector(old.elements).norm
        displacement[name] = norm > 0 ? moved / norm : moved
      }
      return NetworkComparison.Row(
        backward: backward.rawValue, losses: run.state.losses, displacement: displacement,
        firstCurve: run.curves[0] ?? [])
    }
    return NetworkComparison(
      setting:
        "TinyCNN (1557 parameters), \(problem.images.rows) images, T = \(horizon), \(steps) training "
        + "steps of SGD with η = \(metaStepSize), step 0.01, width \(width), e = \(scale), seed \(seed)",
      rows: rows)
  }
}
