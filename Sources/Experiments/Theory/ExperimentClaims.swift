import Checks
import Foundation
import Storage

/// What the papers say of their experiments, held against our runs of them.
///
/// Stable means: every loss finite, the last ratio positive and within 0.01 of the best.
enum ExperimentClaims {
  /// Ratios (F_GD - F_k) / F_GD of one training run at k = 0, 100, ...
  struct Curve: Sendable {
    var label: String
    var parameter: Double
    var ratios: [Double]

    var isStable: Bool {
      guard ratios.allSatisfy(\.isFinite), let last = ratios.last, let best = ratios.max() else {
        return false
      }
      return last > 0 && last >= best - 0.01
    }

    var last: Double { ratios.last ?? .nan }
  }

  /// Claim by claim; those whose experiment was not run are left out.
  static func all(_ results: TheoryResults) -> [CheckResult] {
    let large = results.experiments.first { $0.name == "e100-T100-512x400" }
    let horizons = results.experiments.first { $0.name == "figure-4b" }
    return [
      large.map {
        improvement($0.curves.map { Curve(label: $0.label, parameter: 0, ratios: $0.y) })
      },
      horizons.map(everyHorizon),
      figure("5a", results).map { stability($0) },
      results.experiments.first { $0.name == "rows-20" }.map { experiment in
        stability(
          zip(experiment.curves, DescentExperiments.etas).map {
            Curve(label: $0.label, parameter: $1, ratios: $0.y)
          }, subject: "d = 32, b = 20, N = 32, as the text has it",
          replay: "optcheck experiment rows-20")
      },
      figure("5b", results).map(growthWithScale),
    ].compactMap(\.self)
      + ["figure-2a", "figure-2b"].compactMap { name in
        results.experiments.first { $0.name == name }.map { baseline($0, results.experiments) }
      }
      + results.experiments.filter { InferenceExperiment.names.contains($0.name) }.map(inference)
      + [
        results.experiments.first { $0.name == "biases" }.map(biases),
        results.experiments.first { $0.name == "sign-consistency" }.map(consistency),
      ].compactMap(\.self)
      + (results.learned?.comparisons.compactMap(comparison) ?? []) + gaps(results.experiments)
  }

  private static func figure(_ number: String, _ results: TheoryResults) -> [Curve]? {
    results.convergence.figures.first { $0.figure.paperFigure == number }.map { figure in
      zip(figure.figure.curves, figure.curves).map { published, curve in
        Curve(
          label: curve.label, parameter: figure.figure.varied == .eta ? published.eta : published.e,
          ratios: curve.steps.map { $0 < curve.run.ratios.count ? curve.run.ratios[$0] : .nan })
      }
    }
  }

  // MARK: Claims

  /// E1 at d = 512: stable for all η, and over one half better than gradient descent.
  static func improvement(_ curves: [Curve]) -> CheckResult {
    let unstable = curves.filter { !$0.isStable }
    let short = curves.filter { !($0.last > 0.5) }
    return result(
      "E1", "at T = 100 training is stable for η from 1e-7 to 1e-3 and improves by over 50 %",
      "paper A, section 6", subject: "d = 512, b = 400, N = 10, e = 100",
      reason: "final improvement "
        + curves.map { "\(brief($0.last)) (\($0.label))" }.joined(separator: ", "),
      failures: unstable.map {
        Evidence($0.label, actual: $0.last, reference: $0.ratios.max() ?? 0, allowed: 0.01)
      }
        + short.map { Evidence($0.label, actual: $0.last, reference: 0.5, allowed: 0) },
      numbers: [
        "least": curves.map(\.last).min() ?? .nan, "best": curves.map(\.last).max() ?? .nan,
        "stated": 0.5,
      ], replay: "optcheck experiment e100-T100-512x400")
  }

  /// E1b: for every T and η the learned loss ends below that of gradient descent.
  static func everyHorizon(_ experiment: ExperimentResult) -> CheckResult {
    let descent = experiment.curves[0]
    let learned = experiment.curves.dropFirst()
    var failures: [Evidence] = []
    var worst = 0.0
    for curve in learned {
      for (i, t) in curve.x.enumerated() {
        let ratio = curve.y[i] / descent.y[i]
        worst = max(worst, ratio.isNaN ? .infinity : ratio)
        if !(ratio < 1) {
          failures.append(
            Evidence(
              "\(curve.label)/T=\(Int(t))", actual: curve.y[i], reference: descent.y[i], allowed: 0)
          )
        }
      }
    }
    return result(
      "E1b", "for T in 5..100 and η in 1e-7..1e-3 training converges and beats gradient descent",
      "paper A, figure 4b", subject: "d = 512, b = 400, N = 10, e = 100, after 400 steps",
      reason:
        "of \(learned.reduce(0) { $0 + $1.x.count }) settings \(failures.count) do not end below gradient "
        + "descent; the largest quotient is \(brief(worst))",
      failures: failures, numbers: ["largestQuotient": worst],
      replay: "optcheck experiment figure-4b")
  }

  /// E2: at e = 50 the largest η is unstable, smaller ones are stable, and of these a larger is faster.
  static func stability(
    _ curves: [Curve], subject: String = "d = 32, b = 25, N = 32, as the scripts have it",
    replay: String = "optcheck report --only figure-5a"
  ) -> CheckResult {
    let large = curves.filter { $0.parameter > 5e-4 }
    let small = curves.filter { $0.parameter < 5e-4 }.sorted { $0.parameter > $1.parameter }
    var failures = large.filter(\.isStable).map {
      Evidence("\($0.label) stable", actual: $0.last, reference: 0, allowed: 0)
    }
    failures += small.filter { !$0.isStable }.map {
      Evidence(
        "\($0.label) unstable", actual: $0.last, reference: $0.ratios.max() ?? 0, allowed: 0.01)
    }
    for (fast, slow) in zip(small, small.dropFirst()) where fast.ratios.count > 1 {
      if !(fast.ratios[1] >= slow.ratios[1]) {
        failures.append(
          Evidence(
            "k=100: \(fast.label) behind \(slow.label)", actual: fast.ratios[1],
            reference: slow.ratios[1], allowed: 0))
      }
    }
    return result(
      "E2", "at e = 50, T = 20, η = 1e-3 is unstable, η <= 1e-4 is stable, and larger η are faster",
      "paper A, figure 5a", subject: subject,
      reason: "at k = 100 and at the end "
        + curves.map {
          "\(brief($0.ratios.count > 1 ? $0.ratios[1] : .nan)), \(brief($0.last)) (\($0.label))"
        }
        .joined(separator: "; "),
      failures: failures, numbers: [:], replay: replay)
  }

  /// E3: at η = 1e-7 the improvement grows with e.
  static func growthWithScale(_ curves: [Curve]) -> CheckResult {
    let ordered = curves.sorted { $0.parameter < $1.parameter }
    let failures = zip(ordered, ordered.dropFirst()).flatMap { small, large in
      zip(small.ratios, large.ratios).enumerated().dropFirst().compactMap { i, pair in
        pair.1 >= pair.0
          ? nil
          : Evidence(
            "k=\(100 * i): \(large.label) below \(small.label)", actual: pair.1,
            reference: pair.0, allowed: 0)
      }
    }
    return result(
      "E3", "at η = 1e-7 the relative improvement grows with e", "paper A, figure 5b",
      subject: "d = 32, b = 25, N = 32, T = 20",
      reason: "final improvement "
        + ordered.map { "\(brief($0.last)) (\($0.label))" }.joined(separator: ", "),
      failures: failures, numbers: [:], replay: "optcheck report --only figure-5b")
  }

  /// E4: a baseline trained by plain descent stays behind gradient descent where η is small, and at the T
  /// where its published curve ends its training fails.
  ///
  /// Fails means: loses the finite numbers, or ends no lower than it began.
  static func baseline(
    _ experiment: ExperimentResult, _ all: [ExperimentResult]
  ) -> CheckResult {
    // All three draw the same curve of gradient descent.
    let descent = all.flatMap(\.curves).first {
      $0.label == BaselineExperiments.descent && $0.x.last == 100
    }
    let figure = experiment.name.replacing("figure-", with: "")
    let ends = all.first { $0.name == BaselineExperiments.endsName }?.curves.filter {
      $0.label.hasPrefix("\(figure), ")
    }
    let slow = experiment.curves.first { $0.label != BaselineExperiments.descent }
    let own = slow?.y.last ?? .nan
    let reference = descent?.y.last ?? .nan
    var failures: [Evidence] = []
    if !(own > reference) {
      failures.append(
        Evidence("F(X_T), \(slow?.label ?? "")", actual: own, reference: reference, allowed: 0))
    }
    let survivors = (ends ?? []).filter { curve in
      guard let last = curve.y.last, last.isFinite else { return false }
      return last <= curve.y[0]
    }
    failures += survivors.map {
      Evidence($0.label, actual: $0.y.last ?? .nan, reference: $0.y[0], allowed: 0)
    }
    let lost = (ends ?? []).count { $0.y.last?.isFinite != true }
    var check = result(
      "E4", "baselines trained by plain descent are slow at small η and collapse at large η",
      experiment.source, subject: experiment.title,
      reason: "at T = \(Int(slow?.x.last ?? 0)), \(slow?.label ?? ""): \(brief(own)) against "
        + "\(brief(reference)) of gradient descent; "
        + (ends.map {
          "of \($0.count) trainings at the first T beyond a published curve \(lost) lose the finite numbers, "
            + "\($0.count - lost - survivors.count) end where they began or above"
        } ?? "nothing was run where published curves end"),
      failures: failures, numbers: ["learned": own, "gradientDescent": reference],
      replay: experiment.command)
    if ends == nil, failures.isEmpty { (check.verdict, check.qualifier) = (.inconclusive, nil) }
    return check
  }

  /// E8: on fresh instances, at T = 100 and beyond, against gradient descent and Adam.
  static func inference(_ experiment: ExperimentResult) -> CheckResult {
    // A curve that was not looked at there says nothing: it may show an earlier t only.
    func value(_ name: String, at t: Double) -> Double? {
      experiment.curves.first { $0.label == name }.flatMap { curve in
        curve.x.firstIndex(of: t).map { curve.y[$0] }
      }
    }
    let learned = experiment.curves.filter { $0.label.hasPrefix(InferenceExperiment.learned) }
    let time = 2000.0
    let relaxed = value(InferenceExperiment.relaxed, at: time) ?? .nan
    let adam =
      experiment.curves.filter { $0.label.hasPrefix(InferenceExperiment.bestAdam) }
      .compactMap { value($0.label, at: time) }.filter { !$0.isNaN }.min() ?? .nan
    let values = learned.compactMap { curve in
      value(curve.label, at: time).map { (curve.label, $0) }
    }
    let failures = values.filter { !($0.1 < adam) }.map {
      Evidence($0.0, actual: $0.1, reference: adam, allowed: 0)
    }
    return result(
      "E8", "on fresh instances the trained rule beats Adam over a grid of momenta",
      experiment.source, subject: experiment.title,
      reason:
        "at t = \(Int(time)): learned \(values.map { brief($0.1) }.joined(separator: ", ")), best Adam "
        + "\(brief(adam)), gradient descent with 1.9 of its step \(brief(relaxed))",
      failures: failures, numbers: ["adam": adam, "overRelaxed": relaxed],
      replay: experiment.command)
  }

  /// E5: the trained rule of paper B is ahead of FISTA, instance by instance; vacuously so where both have solved
  /// the instances as far as certificates go.
  static func comparison(_ comparison: GapComparison) -> CheckResult? {
    let mark = comparison.againstFISTA[100] != nil ? 100 : comparison.againstFISTA.keys.max() ?? 0
    guard let paired = comparison.againstFISTA[mark], let learned = comparison.curves.first,
      let fista = comparison.fista,
      mark < learned.mean.count, mark < fista.mean.count
    else { return nil }
    let (ours, theirs) = (learned.mean[mark], fista.mean[mark])
    // Below what certificates vouch for nobody is ahead.
    let isSolved = ours <= Experiment.certifiedGap
    let isAhead = isSolved || 2 * paired.wins > paired.count
    var check = result(
      "E5", "a trained L2O-PA is ahead of FISTA on LASSO and logistic problems",
      "paper B, section 5",
      subject: comparison.title,
      reason:
        "at iteration \(mark) ahead on \(paired.wins) of \(paired.count), mean gap \(brief(ours)) against "
        + "\(brief(theirs))",
      failures: isAhead
        ? [] : [Evidence("iteration \(mark)", actual: ours, reference: theirs, allowed: 0)],
      numbers: ["wins": Double(paired.wins), "instances": Double(paired.count)],
      replay: "optcheck report learned-optimizers --only \(comparison.id)")
    if isSolved, theirs <= Experiment.certifiedGap {
      (check.verdict, check.qualifier) = (.holdsVacuously, nil)
    }
    return check
  }

  /// E6: learned biases become small along a run, and do not vanish.
  static func biases(_ experiment: ExperimentResult) -> CheckResult {
    let ends = experiment.curves.map { ($0.label, $0.y.first ?? .nan, $0.y.last ?? .nan) }
    let failures = ends.filter { !($0.2 > 0 && $0.2 < $0.1) }.map {
      Evidence($0.0, actual: $0.2, reference: $0.1, allowed: 0)
    }
    return result(
      "E6", "learned biases b₁, b₂ become small along a run but not zero", "paper B, figure 2",
      subject: "PBA12, LASSO 25 x 50",
      reason:
        "mean |b| from the first to the last of \(experiment.curves.first?.x.count ?? 0) steps "
        + ends.map { "\(brief($0.1)) to \(brief($0.2)) (\($0.0))" }.joined(separator: ", "),
      failures: failures, numbers: [:], replay: experiment.command)
  }

  /// E7: training LISTA-CPSS leaves the conditions of its own convergence theorem violated.
  static func consistency(_ experiment: ExperimentResult) -> CheckResult {
    let own = experiment.curves.filter {
      $0.label.hasPrefix(ConsistencyExperiment.falsePositives + ConsistencyExperiment.trained)
        || $0.label.hasPrefix(ConsistencyExperiment.diagonal + ConsistencyExperiment.trained)
    }
    let kept = own.filter { ($0.y.max() ?? 0) == 0 }
    return result(
      "E7", "training LISTA-CPSS violates sign consistency and |W_i^T M_i| = 1 often",
      "paper A, figures 3a and 3b", subject: "LASSO 50 x 100, 6 layers",
      reason: "per cent, first and last layer: "
        + experiment.curves.filter { !$0.label.hasPrefix(ConsistencyExperiment.coherence) }.map {
          "\(brief($0.y.first ?? .nan)), \(brief($0.y.last ?? .nan)) (\($0.label))"
        }.joined(separator: "; "),
      failures: kept.map { Evidence($0.label, actual: 0, reference: 1, allowed: 0) }, numbers: [:],
      replay: experiment.command)
  }

  static func result(
    _ id: String, _ title: String, _ source: String, subject: String, reason: String,
    failures: [Evidence], numbers: [String: Double], replay: String
  ) -> CheckResult {
    CheckResult(
      claim: Claim(id: id, title: title, source: source), subject: subject,
      verdict: .decide([], failures.isEmpty ? .isTrue(slack: nil) : .isFalse),
      qualifier: failures.isEmpty ? "tested" : nil, reason: reason, numbers: numbers,
      evidence: failures, replay: replay)
  }

  static func brief(_ value: Double) -> String { Number.significant(value, digits: 3) }
}
