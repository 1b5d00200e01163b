public import Catalog
public import Optimization

extension Replay {
  /// Who replays what: one line per algorithm.
  ///
  /// - Parameters:
  ///   - evaluator: how ``CoordMathDNN`` computes losses and gradients.
  ///   - rules: further rules, replayed under their own names.
  public static func algorithms(
    evaluator: CoordMathDNN.Evaluator = .dense, rules: [any UpdateRule] = []
  ) -> [any CaseReplayer] {
    [
      CoordMathDNNReplayer(evaluator: evaluator),
      ClassicalReplayer(),
      LISTAReplayer(),
      AdaLISTAReplayer(),
      RecurrentReplayer(),
    ] + rules.map { RuleReplayer(rule: $0) }
  }
}
