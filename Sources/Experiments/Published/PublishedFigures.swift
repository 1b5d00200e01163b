public import Foundation
import Storage

/// A plot of paper A: relative improvement over gradient descent against training step, one curve per setting.
///
/// Read from the vector paths of the plots in the authors' repository; `Fixtures/Published/README.md` says more.
public struct PublishedFigure: Sendable, Hashable, Codable {
  /// The parameter in which the curves of a figure differ.
  public enum Varied: String, Sendable, Hashable, Codable {
    /// Scale of the initial weights.
    case e
    /// Step size of the training.
    case eta
  }

  /// One setting: (F_GD - F_k) / F_GD after k training steps, F taken at the last iterate T.
  public struct Curve: Sendable, Hashable, Codable {
    /// Scale of the initial weights.
    public var e: Double
    /// Step size of the training.
    public var eta: Double
    /// Training steps taken, increasing.
    public var k: [Int]
    /// Relative improvement at each `k`, dimensionless, 5 to 8 significant digits.
    public var ratio: [Double]

    /// Creates a curve.
    public init(e: Double, eta: Double, k: [Int], ratio: [Double]) {
      precondition(k.count == ratio.count, "\(k.count) steps for \(ratio.count) ratios")
      self.e = e
      self.eta = eta
      self.k = k
      self.ratio = ratio
    }

    /// The published ratio after `step` training steps; `nil` where the plot has no point.
    public func ratio(at step: Int) -> Double? {
      k.firstIndex(of: step).map { ratio[$0] }
    }
  }

  /// Number in the paper, as `5a`; `nil` for a plot that stands in the repository only.
  public var paperFigure: String?
  /// File name of the plot in the repository.
  public var plot: String
  /// Unknowns d.
  public var dimension: Int
  /// Rows m of each matrix.
  public var rows: Int
  /// Instances N in the training batch.
  public var instances: Int
  /// Hidden width of the network.
  public var width: Int
  /// Unrolled steps T.
  public var horizon: Int
  /// What the curves differ in.
  public var varied: Varied
  /// The curves, in the order of the plot's legend.
  public var curves: [Curve]

  /// Creates a figure.
  public init(
    paperFigure: String?, plot: String, dimension: Int, rows: Int, instances: Int, width: Int,
    horizon: Int, varied: Varied, curves: [Curve]
  ) {
    self.paperFigure = paperFigure
    self.plot = plot
    self.dimension = dimension
    self.rows = rows
    self.instances = instances
    self.width = width
    self.horizon = horizon
    self.varied = varied
    self.curves = curves
  }

  private enum CodingKeys: String, CodingKey {
    case paperFigure, plot, width, varied, curves
    case dimension = "d"
    case rows = "m"
    case instances = "N"
    case horizon = "T"
  }

  /// A short name fit for a file and a link, as `figure-5a` or `e100-T100`.
  public var name: String {
    if let paperFigure { return "figure-\(paperFigure)" }
    guard let first = curves.first else { return "T\(horizon)" }
    let fixed =
      varied == .eta ? "e\(Int(first.e))" : "eta\(Number.short(first.eta))"
    return "\(fixed)-T\(horizon)"
  }

  /// The words for one of its curves in a legend or a table: what is varied, as `eta = 1e-3`.
  public func label(of curve: Curve) -> String {
    varied == .eta ? "eta = \(Number.short(curve.eta))" : "e = \(Number.short(curve.e))"
  }

  /// What makes the figure unusable, in words; `nil` if nothing does.
  fileprivate var fault: String? {
    if curves.isEmpty { return "\(plot) has no curve" }
    for curve in curves {
      let which = "\(plot), e = \(curve.e), eta = \(curve.eta)"
      if curve.k.isEmpty || curve.k.count != curve.ratio.count {
        return "\(which): \(curve.k.count) steps for \(curve.ratio.count) ratios"
      }
      if zip(curve.k, curve.k.dropFirst()).contains(where: { $0 >= $1 }) {
        return "\(which): steps do not increase"
      }
      if !curve.ratio.allSatisfy(\.isFinite) { return "\(which): a ratio is not finite" }
    }
    return nil
  }
}

/// Where published numbers come from.
public struct PublishedSource: Sendable, Hashable, Codable {
  /// Title of the paper.
  public var paper: String
  /// Repository on GitHub, as `owner/name`.
  public var repository: String
  /// Commit of the repository.
  public var commit: String
  /// Number of the preprint; `nil` where not stated.
  public var arXiv: String?
  /// Authors' family names.
  public var authors: String?
  /// Conference and year.
  public var venue: String?
  /// How the numbers were read.
  public var readFrom: String?
}

/// The published figures of one problem size, with their source.
public struct PublishedFigures: Sendable, Hashable, Codable {
  /// Version of the file format; this code reads 1.
  public var schema: Int
  /// What the ratios mean, in words.
  public var quantity: String
  /// Paper, repository and commit.
  public var source: PublishedSource
  /// The plots, those of the paper first.
  public var figures: [PublishedFigure]

  /// Reads the seven plots at d = 32, m = 25, N = 32 from `folder`, which is `Fixtures/Published`.
  ///
  /// - Throws: `PublishedError` naming the file, if it is missing, damaged or of another version.
  public static func load(from folder: URL) throws(PublishedError) -> PublishedFigures {
    let file = folder.appendingPathComponent("relative-improvement-32x25.json")
    let read: PublishedFigures = try decodePublished(file)
    if read.figures.isEmpty { throw .damaged(file: file.path, reason: "it holds no figure") }
    for figure in read.figures {
      if let fault = figure.fault { throw .damaged(file: file.path, reason: fault) }
    }
    return read
  }
}

/// Values of gradient descent that anyone can recompute, as the authors' own classes gave them.
public struct PublishedValues: Sendable, Hashable, Codable {
  /// Objective of plain gradient descent, summed over the instances.
  public struct Descent: Sendable, Hashable, Codable {
    /// Steps taken.
    public var horizon: Int
    /// Objective there, all printed digits known.
    public var objective: Double

    private enum CodingKeys: String, CodingKey {
      case horizon = "T"
      case objective = "F"
    }
  }

  /// Relative improvement over gradient descent of the same method with its step times P.
  public struct ConstantStep: Sendable, Hashable, Codable {
    /// Factor P on the step.
    public var factor: Double
    /// Steps taken, increasing.
    public var horizons: [Int]
    /// (F_GD - F_P) / F_GD at each horizon, dimensionless.
    public var ratio: [Double]

    private enum CodingKeys: String, CodingKey {
      case factor = "P"
      case horizons = "T"
      case ratio
    }
  }

  /// Version of the file format; this code reads 1.
  public var schema: Int
  /// Unknowns d.
  public var dimension: Int
  /// Rows m of each matrix.
  public var rows: Int
  /// Instances N.
  public var instances: Int
  /// Seed of the authors' data.
  public var problemSeed: UInt64
  /// The step size, in words.
  public var step: String
  /// How the numbers were made, in words.
  public var provenance: String
  /// Paper, repository and commit.
  public var source: PublishedSource
  /// Plain gradient descent, by horizon.
  public var gradientDescent: [Descent]
  /// Gradient descent with a constant factor on its step, by factor.
  public var constantStep: [ConstantStep]

  private enum CodingKeys: String, CodingKey {
    case schema, problemSeed, step, provenance, source, gradientDescent, constantStep
    case dimension = "d"
    case rows = "m"
    case instances = "N"
  }

  /// Reads the values at d = 32, m = 25, N = 32 from `folder`, which is `Fixtures/Published`.
  ///
  /// - Throws: `PublishedError` naming the file, if it is missing, damaged or of another version.
  public static func load(from folder: URL) throws(PublishedError) -> PublishedValues {
    let file = folder.appendingPathComponent("reference-values-32x25.json")
    let read: PublishedValues = try decodePublished(file)
    for row in read.constantStep where row.horizons.count != row.ratio.count {
      throw .damaged(
        file: file.path,
        reason: "P = \(row.factor): \(row.horizons.count) horizons for \(row.ratio.count) ratios")
    }
    return read
  }
}

/// Why published numbers could not be read.
public enum PublishedError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The file is not there or cannot be opened.
  case missing(file: String)
  /// The file is not what this code reads.
  case damaged(file: String, reason: String)
  /// The file is of a format version that this code does not know.
  case unknownSchema(file: String, schema: Int)

  /// One line naming the file.
  public var description: String {
    switch self {
    case .missing(let file): "published numbers are missing: \(file)"
    case .damaged(let file, let reason): "published numbers are damaged: \(file): \(reason)"
    case .unknownSchema(let file, let schema):
      "published numbers have schema \(schema), want 1: \(file)"
    }
  }
}

private struct Versioned: Decodable { var schema: Int }

func decodePublished<Value: Decodable>(_ file: URL) throws(PublishedError) -> Value {
  guard let data = try? Data(contentsOf: file) else { throw .missing(file: file.path) }
  do {
    let schema = try JSONDecoder().decode(Versioned.self, from: data).schema
    guard schema == 1 else { throw PublishedError.unknownSchema(file: file.path, schema: schema) }
    return try JSONDecoder().decode(Value.self, from: data)
  } catch let error as PublishedError {
    throw error
  } catch let error as DecodingError {
    throw .damaged(file: file.path, reason: error.place)
  } catch {
    throw .damaged(file: file.path, reason: "\(error)")
  }
}

extension DecodingError {
  /// What is wrong and at which key, in one line.
  fileprivate var place: String {
    func path(_ context: Context, _ last: (any CodingKey)? = nil) -> String {
      let keys = context.codingPath + (last.map { [$0] } ?? [])
      let text = keys.map { $0.intValue.map { "[\($0)]" } ?? ".\($0.stringValue)" }.joined()
      return text.isEmpty ? "the top level" : String(text.drop { $0 == "." })
    }
    switch self {
    case .keyNotFound(let key, let context): return "\(path(context, key)) is missing"
    case .typeMismatch(let type, let context): return "\(path(context)) is not a \(type)"
    case .valueNotFound(let type, let context): return "\(path(context)) is null, want a \(type)"
    case .dataCorrupted(let context): return "\(path(context)): \(context.debugDescription)"
    @unknown default: return "\(self)"
    }
  }
}
