import Catalog
import Checks
import Engine
import Foundation
import Optimization

/// The tangent kernel at Nb = 4,000: products alone, and Lanczos on them.
struct LargeKernel {
  let setting: TrainingSetting
  let problem: LeastSquares
  let kernel: InitialKernel
  let angular: AngularKernel
  let threads: Int
  /// Steps from r_T^0, enough for a prediction of as many training steps.
  var residualSteps = 40
  /// The rounding of a product with H over ‖H‖: sums of 4,000 terms in random order, with room.
  static let noise = 1e-13
  /// Steps from a random start, for the spectrum.
  var spectrumSteps = 100

  init(_ setting: TrainingSetting, threads: Int) throws {
    self.setting = setting
    self.threads = threads
    problem = try setting.problem()
    kernel = try setting.kernel(on: problem)
    angular = try AngularKernel(kernel)
  }

  /// All that is reported about this setting.
  func results() throws -> TangentKernelResults {
    var rng = SplitMix64(seed: setting.seed)
    let spectrum = try Lanczos(
      start: rng.vector(angular.order), steps: spectrumSteps, relativeNoise: Self.noise,
      product: angular.product)
    let small = try Lanczos(
      start: rng.vector(setting.width), steps: spectrumSteps / 2, relativeNoise: Self.noise
    ) { angular.pullback(angular.pushforward($0)) }
    let own = try Lanczos(
      start: kernel.residual, steps: residualSteps, relativeNoise: Self.noise,
      product: angular.product)
    let run = try ResidualRun(setting, on: problem, threads: threads)
    let largest = spectrum.values[0]
    let identities = TangentKernelCheck().run(
      identities(run, spectrum, small, largest: largest, &rng))
    let label = "\(setting.sizes) \(setting.name)"
    let isComplete = spectrum.isInvariant && own.isInvariant
    let resolution = Double(angular.order) * .ulpOfOne * largest
    // The rank is that of the spectrum from a random start; the components are those of r_T^0.
    let subject = KernelRankCheck.Subject(
      label: label, order: angular.order, eigenvalues: own.values, weights: own.startWeights,
      squaredResidual: kernel.residual.dot(kernel.residual), resolution: resolution,
      isComplete: isComplete, stepSize: setting.metaStepSize)
    let rank = max(subject.rank, spectrum.values.count { $0 > resolution })
    let (curve, check) = lazy(run, own, largest: largest)
    let row = KernelRow(
      setting: setting, sizes: setting.sizes, initialization: setting.initialization.name,
      horizon: setting.horizon,
      scale: setting.scale, order: angular.order, width: setting.width, rank: rank,
      isComplete: isComplete, leading: Array(spectrum.values.prefix(40)),
      smallest: isComplete ? 0 : nil, error: spectrum.errors[0], critical: 2 / largest,
      floor: subject.floor, decreaseRatio: identities.numbers["decreaseRatio"] ?? .nan,
      decreaseBar: identities.numbers["decreaseBar"] ?? .nan,
      method: "Lanczos, \(spectrum.values.count) + \(own.values.count) steps",
      replay: setting.command)
    return TangentKernelResults(
      kernels: [row], curves: [curve],
      checks: [identities, KernelRankCheck().run(subject), check].map {
        $0.replayed(by: setting.command)
      })
  }

  /// The identities by angular products; of the forms, the eigenvalues that both have found.
  private func identities(
    _ run: ResidualRun, _ spectrum: Lanczos, _ small: Lanczos, largest: Double,
    _ rng: inout SplitMix64
  ) -> TangentKernelCheck.Subject {
    let adjoints = (0..<3).map { _ -> TangentKernelCheck.Subject.Adjoint in
      let (u, v) = (rng.vector(angular.order), rng.vector(setting.width))
      let image = angular.pushforward(v)
      return .init(
        direct: u.dot(image), adjoint: angular.pullback(u).dot(v), size: u.norm * image.norm)
    }
    let pulled = angular.pullback(kernel.residual)
    var gradient = run.rule.parameters.zeros
    gradient.tensors[setting.widths.count].elements = pulled.elements
    let found = zip(spectrum.errors, small.errors).prefix {
      max($0, $1) <= TangentKernelCheck.resolved * largest
    }.count
    return TangentKernelCheck.Subject(
      label: "\(setting.sizes) \(setting.name)", gradient: run.gradient.flat,
      kernelGradient: gradient.flat, adjoints: adjoints,
      eigenvalues: Array(spectrum.values.prefix(found)),
      smallForm: Array(small.values.prefix(found)), residual: kernel.residual,
      kernelMove: angular.pushforward(pulled), firstSteps: run.firstSteps(below: 2 / largest),
      residualRounding: run.rounding(horizon: setting.horizon))
  }

  /// A run at a tenth of 2/λ_max: k training steps need k Lanczos steps from r_T^0.
  private func lazy(
    _ run: ResidualRun, _ own: Lanczos, largest: Double
  ) -> (LazyCurve, CheckResult) {
    let stepSize = 0.2 / largest
    return run.lazy(
      setting, from: kernel.residual, stepSize: stepSize, largest: largest,
      recorded: [1, 2, 3, 5, 8, 12, 18, 25, residualSteps - 1]
    ) { k in own.applying { pow(1 - stepSize * $0, Double(k)) } }
  }
}
