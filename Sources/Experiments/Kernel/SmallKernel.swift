import Catalog
import Checks
import Engine
import Foundation
import Optimization

/// The tangent kernel of a setting with Nb up to about 1,000: all of it, by LAPACK.
struct SmallKernel {
  let setting: TrainingSetting
  let problem: LeastSquares
  let kernel: InitialKernel
  /// E, Nb x n_{L-1}.
  let factor: Matrix
  /// E = U Σ Vᵀ, so H = U Σ² Uᵀ.
  let decomposition: SingularValueDecomposition

  init(_ setting: TrainingSetting) throws {
    self.setting = setting
    problem = try setting.problem()
    kernel = try setting.kernel(on: problem)
    factor = kernel.factor()
    decomposition = try factor.thinSVD()
  }

  /// σ², largest first, as many as there are rows of H, zeros included.
  private var eigenvalues: [Double] {
    let squares = decomposition.values.elements.map { $0 * $0 }
    return squares + [Double](repeating: 0, count: factor.rows - squares.count)
  }

  private var largest: Double { eigenvalues[0] }

  /// Components of r_T^0 along the columns of U.
  private var components: Vector { decomposition.left.times(kernel.residual, .transposed) }

  /// (max(Nb, n) 2^-52 σ_max)²: what a singular value must exceed to be told from zero.
  private var resolution: Double {
    let cut = factor.rankTolerance
    return cut * cut * largest
  }

  /// All that is reported about this setting: spectrum, identities, and runs at `shares` of 2/λ_max.
  func results(shares: [Double], steps: Int) throws -> TangentKernelResults {
    let run = try ResidualRun(setting, on: problem)
    let identities = TangentKernelCheck().run(try identities(run))
    let spectrum = spectrum
    let rank = KernelRankCheck().run(spectrum)
    var results = TangentKernelResults(
      kernels: [row(spectrum, identities)], checks: [identities, rank])
    for share in shares {
      let (curve, check) = lazy(run, share: share, steps: steps)
      results.curves.append(curve)
      results.checks.append(check)
    }
    results.checks = results.checks.map { $0.replayed(by: setting.command) }
    return results
  }

  private var label: String { "\(setting.sizes) \(setting.name)" }

  private var spectrum: KernelRankCheck.Subject {
    let squares = components.elements.map { $0 * $0 }
    return KernelRankCheck.Subject(
      label: label, order: factor.rows, eigenvalues: eigenvalues,
      weights: squares + [Double](repeating: 0, count: factor.rows - squares.count),
      squaredResidual: kernel.residual.dot(kernel.residual), resolution: resolution,
      isComplete: true, stepSize: setting.metaStepSize)
  }

  private func row(_ spectrum: KernelRankCheck.Subject, _ identities: CheckResult) -> KernelRow {
    KernelRow(
      setting: setting, sizes: setting.sizes, initialization: setting.initialization.name,
      horizon: setting.horizon,
      scale: setting.scale, order: factor.rows, width: setting.width, rank: spectrum.rank,
      isComplete: true, leading: Array(eigenvalues.prefix(40)),
      smallest: spectrum.rank == factor.rows ? eigenvalues[factor.rows - 1] : 0,
      error: factor.rankTolerance * largest, critical: 2 / largest, floor: spectrum.floor,
      decreaseRatio: identities.numbers["decreaseRatio"] ?? .nan,
      decreaseBar: identities.numbers["decreaseBar"] ?? .nan, method: "LAPACK",
      replay: setting.command)
  }

  /// Backpropagation and the dense Jacobian beside E, all three of which share no product.
  private func identities(_ run: ResidualRun) throws -> TangentKernelCheck.Subject {
    let jacobian = UnrollJacobian(
      run.rule, on: problem, from: Vector(zeros: problem.dimension), horizon: setting.horizon)
    var rng = SplitMix64(seed: setting.seed)
    let adjoints = (0..<3).map { _ -> TangentKernelCheck.Subject.Adjoint in
      let u = rng.vector(problem.matrix.rows)
      let direction = run.rule.parameters.random(using: &rng)
      let last = Vector(direction.tensors[setting.widths.count].elements)
      // M J v by E, against v·(Jᵀ Mᵀ u) by the dense backward pass.
      let image = factor.times(last)
      let pulled = jacobian.transposedProduct(problem.matrix.times(u, .transposed))
      return .init(direct: u.dot(image), adjoint: pulled.dot(direction), size: u.norm * image.norm)
    }
    let residual = jacobian.residual
    let gradient = jacobian.transposedProduct(problem.matrix.times(residual, .transposed))
    let large = Matrix.product(factor, .plain, factor, .transposed)
    return TangentKernelCheck.Subject(
      label: label, gradient: run.gradient.flat, kernelGradient: gradient.flat,
      adjoints: adjoints, eigenvalues: try large.symmetricEigenvalues().elements.reversed(),
      smallForm: try factor.gram().symmetricEigenvalues().elements.reversed(),
      residual: residual, kernelMove: problem.matrix.times(jacobian.product(gradient)),
      firstSteps: run.firstSteps(below: 2 / largest),
      residualRounding: run.rounding(horizon: setting.horizon))
  }

  /// A run with η = `share` times 2/λ_max beside r_lin(k) = r_0 + U ((1 - ησ²)^k - 1) Uᵀ r_0.
  private func lazy(
    _ run: ResidualRun, share: Double, steps: Int
  ) -> (LazyCurve, CheckResult) {
    let stepSize = share * 2 / largest
    let components = components
    let predict = { (k: Int) -> Vector in
      var moved = components
      for i in 0..<moved.count {
        let square = decomposition.values[i] * decomposition.values[i]
        moved[i] *= pow(1 - stepSize * square, Double(k)) - 1
      }
      return kernel.residual.moved(1, decomposition.left.times(moved))
    }
    return run.lazy(
      setting, from: kernel.residual, stepSize: stepSize, largest: largest,
      recorded: lazySteps(to: steps), predict: predict)
  }
}

extension ResidualRun {
  /// Trains with `stepSize` and sets every recorded r_T^k beside `predict`(k).
  ///
  /// A run that breaks off leaves one sample that is not finite.
  func lazy(
    _ setting: TrainingSetting, from start: Vector, stepSize: Double, largest: Double,
    recorded: [Int], predict: (Int) -> Vector
  ) -> (LazyCurve, CheckResult) {
    typealias Sample = LazyTrainingCheck.Subject.Sample
    let size = start.norm
    var samples: [Sample] = []
    train(stepSize: stepSize, recorded: recorded) { k, residual in
      let lazy = predict(k)
      samples.append(
        Sample(
          step: k, departure: (residual - lazy).norm / size,
          motion: (residual - start).norm / size,
          lossRatio: residual.dot(residual) / (size * size),
          lazyLossRatio: lazy.dot(lazy) / (size * size)))
    }
    if samples.count < recorded.count {
      samples.append(
        Sample(
          step: recorded[samples.count], departure: .infinity, motion: .infinity,
          lossRatio: .infinity, lazyLossRatio: .infinity))
    }
    var named = setting
    named.metaStepSize = stepSize
    let subject = LazyTrainingCheck.Subject(
      label: "\(setting.sizes) \(named.name)", stepSize: stepSize, largest: largest,
      samples: samples)
    let curve = LazyCurve(
      run: subject.label, initialization: setting.initialization.name, horizon: setting.horizon,
      scale: setting.scale, metaStepSize: stepSize, share: stepSize * largest / 2,
      samples: samples, departure: subject.departure(),
      relativeDeparture: subject.departure(relative: true))
    return (curve, LazyTrainingCheck().run(subject))
  }
}
