import Foundation
import OptCheck
import TestSupport
import Testing

/// Runs of the published setting against figures that the shipped PyTorch classes printed.
///
/// Those are float32: losses are good to about 1e-6 relative, and a norm to about 1e-5.
@Suite struct AuthorsTraining {
  /// A run of d = 32, m = 25, N = 32, H = 1024 in the shipped draw.
  func run(
    horizon: Int, scale: Double, metaStepSize: Double, steps: Int
  ) throws -> (losses: [Double], norms: [[Double]], weights: CoordMathDNN) {
    var setting = TrainingSetting(horizon: horizon, scale: scale, metaStepSize: metaStepSize)
    setting.layout = .inOut
    setting.steps = steps
    var rule = try setting.rule()
    let problem = try setting.problem()
    let objective = try rule.metaObjective(
      on: problem, from: Vector(zeros: problem.dimension), horizon: horizon, loss: .last)
    var state = setting.plan.initialState(rule.parameters)
    var memory = MetaTraining.Memory(for: rule.parameters)
    var norms: [[Double]] = []
    while !state.isFinished(setting.plan) {
      setting.plan.advance(&state, objective, memory: &memory)
      norms.append(memory.gradient.tensors.map { Vector($0.elements).norm })
    }
    rule.parameters = state.parameters
    return (state.losses, norms, rule)
  }

  struct Printed: Sendable, CustomTestStringConvertible {
    var horizon: Int
    var scale: Double
    var metaStepSize: Double
    var losses: [Double]
    var lastLayerNorms: [Double]
    var testDescription: String { "T=\(horizon) e=\(scale) eta=\(metaStepSize)" }
  }

  static let printed = [
    Printed(
      horizon: 20, scale: 50, metaStepSize: 1e-7,
      losses: [3.05966735, 2.85946226, 2.75219250, 2.67929792],
      lastLayerNorms: [1541.4073, 1085.8989]),
    Printed(
      horizon: 100, scale: 100, metaStepSize: 1e-3,
      losses: [0.18593217, 0.09012713, 0.09012718, 0.09012721], lastLayerNorms: [592.94434]),
    Printed(
      horizon: 100, scale: 50, metaStepSize: 1e-7, losses: [0.18593217],
      lastLayerNorms: [148.23610]),
    Printed(
      horizon: 5, scale: 100, metaStepSize: 1e-3, losses: [22.1163673, 42.8187637, 42.8187637],
      lastLayerNorms: [68350.055, 0]),
    Printed(
      horizon: 10, scale: 100, metaStepSize: 1e-3, losses: [8.3847914, 18.4479542, 18.4479542],
      lastLayerNorms: [19273.498]),
    Printed(
      horizon: 20, scale: 100, metaStepSize: 1e-3, losses: [3.0596673, 3.1164393, 3.1164315],
      lastLayerNorms: [6165.6294]),
  ]

  @Test("losses and gradient norms that the shipped classes printed", arguments: printed)
  func printedFigures(_ row: Printed) throws {
    let ours = try run(
      horizon: row.horizon, scale: row.scale, metaStepSize: row.metaStepSize,
      steps: row.losses.count)
    for (k, (a, b)) in zip(ours.losses, row.losses).enumerated() {
      #expect(abs(a - b) <= 1e-6 * b, "loss \(k): \(a), printed \(b)")
    }
    for (k, (norms, b)) in zip(ours.norms, row.lastLayerNorms).enumerated() {
      #expect(abs(norms[2] - b) <= 1e-5 * b, "|dF/dw3| \(k): \(norms[2]), printed \(b)")
    }
    #expect(ours.norms[0][0] == 0 && ours.norms[0][1] == 0, "inner layers wait for w3")
  }

  @Test func innerGradientsAfterOneStep() throws {
    let norms = try run(horizon: 20, scale: 50, metaStepSize: 1e-7, steps: 2).norms[1]
    #expect(abs(norms[0] - 2.54099e-3) <= 1e-4 * 2.54099e-3, "W1: \(norms[0])")
    #expect(abs(norms[1] - 4.35742e-3) <= 1e-4 * 4.35742e-3, "W2: \(norms[1])")
  }

  @Test func hundredSteps() throws {
    let losses = try run(horizon: 20, scale: 50, metaStepSize: 1e-7, steps: 101).losses
    #expect(abs(losses[99] - 2.07062125) <= 1e-5 * 2.07062125)
    #expect(abs(losses[100] - 2.06934476) <= 1e-5 * 2.06934476)
  }

  @Test func stepScalesAfterThreeSteps() throws {
    let rule = try run(horizon: 20, scale: 50, metaStepSize: 1e-7, steps: 3).weights
    let problem = try LeastSquares.authors(seed: 895, instances: 32, rows: 25, columns: 32)
    let iterates = unroll(
      rule, on: problem, from: Vector(zeros: 1024), horizon: 20, recordingIterates: true
    ).iterates
    func scales(_ t: Int) -> [Double] {
      rule.network.output(gradient: problem.gradient(at: iterates[t]), x: iterates[t]).elements
        .map(rule.architecture.map.value)
    }
    for (t, mean) in [(0, 1.1971), (1, 1.0898), (19, 1.0934)] {
      let ours = scales(t).reduce(0, +) / 1024
      #expect(abs(ours - mean) <= 6e-5, "mean P at t = \(t): \(ours), printed \(mean)")
    }
    let dead = Double(scales(19).count { $0 == 1 }) / 1024
    #expect(abs(dead - 0.482) <= 6e-4, "dead share \(dead)")
  }

  @Test(
    "loss curves of the authors' training script",
    .enabled(if: Fixtures.sharedFolder != nil, "needs ../shared"),
    arguments: [1e-6, 1e-7])
  func trainingScript(metaStepSize: Double) throws {
    let folder = try #require(Fixtures.sharedFolder)
    let text = try String(
      contentsOf: folder.appendingPathComponent(
        "reference/training/official3225_N32T20_e50.csv"), encoding: .utf8)
    let rows = text.split(whereSeparator: \.isNewline).map { $0.split(separator: ",") }
    let column = try #require(
      rows[0].firstIndex { $0.hasSuffix(metaStepSize == 1e-6 ? "lr0.000001" : "lr0.0000001") })
    let published = rows.dropFirst().compactMap { Double($0[column]) }
    let losses = try run(
      horizon: 20, scale: 50, metaStepSize: metaStepSize, steps: published.count
    ).losses
    for (k, (a, b)) in zip(losses, published).enumerated() {
      #expect(abs(a - b) <= 1e-4 * b, "k = \(k): \(a), script \(b)")
    }
  }
}
