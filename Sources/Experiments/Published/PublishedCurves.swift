public import Foundation

/// Curves of plots whose quantity is not a relative improvement at d = 32, with their source.
public struct PublishedCurves: Sendable, Hashable, Codable {
  /// One curve.
  public struct Curve: Sendable, Hashable, Codable {
    /// Its words in the legend.
    public var label: String
    /// Step size of the training; nil for a curve that was not trained.
    public var eta: Double?
    /// Where, increasing.
    public var x: [Int]
    /// The values there, 5 to 8 significant digits.
    public var y: [Double]
  }

  /// One plot.
  public struct Plot: Sendable, Hashable, Codable {
    /// The name of the experiment that computes it.
    public var name: String
    /// File name of the plot in the authors' repository.
    public var plot: String
    /// Number in the paper; nil for a plot that stands in the repository only.
    public var paperFigure: String?
    /// What is drawn.
    public var quantity: String
    /// Over what.
    public var abscissa: String
    /// The curves, in the order of the legend.
    public var curves: [Curve]
  }

  /// Version of the file format; this code reads 1.
  public var schema: Int
  /// Paper, repository and commit.
  public var source: PublishedSource
  /// Plot by plot.
  public var plots: [Plot]

  /// The plot of an experiment; nil if none was published.
  public subscript(name: String) -> Plot? { plots.first { $0.name == name } }

  /// Reads the curves from `folder`, which is `Fixtures/Published`.
  ///
  /// - Throws: `PublishedError` naming the file, if it is missing, damaged or of another version.
  public static func load(from folder: URL) throws(PublishedError) -> PublishedCurves {
    let file = folder.appendingPathComponent("curves.json")
    let read: PublishedCurves = try decodePublished(file)
    for plot in read.plots {
      for curve in plot.curves where curve.x.count != curve.y.count || curve.x.isEmpty {
        throw .damaged(
          file: file.path,
          reason:
            "\(plot.name), \(curve.label): \(curve.x.count) places for \(curve.y.count) values")
      }
    }
    return read
  }
}
