import Engine
public import Optimization

extension CoordMathDNN {
  /// How the weights of the hidden layers are drawn; the last layer always starts at 0.
  public enum Initialization: Sendable, Hashable, Codable {
    /// The orthonormal QR factor of a Gaussian draw of our own, diag R > 0.
    case qr
    /// Its entries' magnitudes: what the text of paper A says.
    case qrNonnegative
    /// The authors' code: PyTorch's `orthogonal_`, no magnitudes.
    case orthogonal(WeightLayout)

    /// How configurations name it.
    public var name: String {
      switch self {
      case .qr: "qr"
      case .qrNonnegative: "qrNonnegative"
      case .orthogonal(let layout): "orthogonal, \(layout.rawValue)"
      }
    }
  }

  /// The shape in which the authors' stream draws a weight.
  ///
  /// The shipped code draws input by output; most published curves match a draw of output by
  /// input, transposed.
  public enum WeightLayout: String, Sendable, Hashable, Codable, CaseIterable {
    /// n_{l-1} x n_l, as shipped.
    case inOut = "in-out"
    /// n_l x n_{l-1}, transposed after the draw.
    case outIn = "out-in"
  }

  /// Weights at initialisation: W_l = e Q_l for l < L, W_L = 0, a learned scale 1.
  ///
  /// - Parameters:
  ///   - scale: e, at least 1.
  ///   - seed: of our generator for the `qr` variants, of PyTorch's stream for `orthogonal`
  ///     (118 in every published run).
  ///   - normals: what PyTorch's stream had yielded before, as with `--identical-dict`.
  /// - Throws: ``RuleError`` for a scale below 1, or not finite.
  public static func initialParameters(
    _ architecture: Architecture, _ initialization: Initialization, scale: Double, seed: UInt64,
    after normals: Int = 0
  ) throws -> Parameters {
    guard scale >= 1, scale.isFinite else {
      throw RuleError.unsupported(setting: "e", value: "\(scale)", accepted: "numbers >= 1")
    }
    var own = SplitMix64(seed: seed)
    var authors = ReferenceStream(seed: seed)
    if normals > 0 { _ = authors.normal(count: normals) }
    var entries: [(name: String, tensor: Tensor)] = []
    let layers = zip(architecture.weightNames, architecture.weightShapes)
    for (name, shape) in layers.dropLast() {
      var factor: Matrix
      switch initialization {
      case .qr, .qrNonnegative:
        factor = try own.matrix(shape[0], shape[1]).orthonormalFactor()
        if initialization == .qrNonnegative { factor.elements = factor.elements.map(abs) }
      case .orthogonal(.inOut):
        _ = authors.kaimingUniform(rows: shape[0], columns: shape[1])
        factor = authors.orthogonal(rows: shape[0], columns: shape[1])
      case .orthogonal(.outIn):
        _ = authors.kaimingUniform(rows: shape[1], columns: shape[0])
        factor = authors.orthogonal(rows: shape[1], columns: shape[0]).transposed
      }
      entries.append((name, Tensor(shape: shape, elements: factor.elements.map { scale * $0 })))
    }
    for (name, shape) in layers.suffix(1) { entries.append((name, Tensor(zeros: shape))) }
    if architecture.learnsScale { entries.append(("p_scale", Tensor(1))) }
    return Parameters(entries)
  }
}
