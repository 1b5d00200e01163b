import Foundation

/// A chart as a value: axes, series and legend; `Gnuplot` draws it.
///
/// Texts are gnuplot's enhanced text, so `F(X_{20})` and `10^{-3}` have a subscript and a superscript; `Plot.literal`
/// takes words as they are. Series with the same label share one line of the legend and should share their hue.
public struct Plot: Sendable, Hashable {
  /// Large, above the chart.
  public var title: String
  /// Small, under the title: how to read the marks; empty for none.
  public var subtitle: String
  /// Horizontal axis.
  public var x: Axis
  /// Vertical axis.
  public var y: Axis
  /// What is drawn: bands lie under lines and lines under points, else in this order.
  public var series: [Series]
  /// Horizontal lines at fixed values.
  public var levels: [Level]

  /// A chart of `series`, with horizontal lines at `levels`.
  public init(
    title: String, subtitle: String = "", x: Axis, y: Axis, series: [Series], levels: [Level] = []
  ) {
    self.title = title
    self.subtitle = subtitle
    self.x = x
    self.y = y
    self.series = series
    self.levels = levels
  }

  /// What an axis shows and how far it reaches.
  public struct Axis: Sendable, Hashable {
    /// How values are laid out along an axis.
    public enum Scale: String, Sendable, Hashable {
      /// Equal differences are equally long.
      case linear
      /// Equal ratios are equally long; values that are not positive are left out.
      case logarithmic
    }

    /// The quantity's name and symbol.
    public var label: String
    /// The quantity's unit, `1` if it has none, printed in brackets; words have none.
    public var unit: String
    /// Linear or logarithmic.
    public var scale: Scale
    /// From one end to the other; `nil` to hold all data.
    public var range: ClosedRange<Double>?
    /// Words at places of their own; empty for numbers where gnuplot puts them.
    public var ticks: [Tick]

    /// An axis for the quantity `label`, measured in `unit`.
    public init(
      _ label: String, unit: String, scale: Scale = .linear, range: ClosedRange<Double>? = nil,
      ticks: [Tick] = []
    ) {
      self.ticks = ticks
      self.label = label
      self.unit = unit
      self.scale = scale
      self.range = range
    }

    /// What stands beside the axis.
    var heading: String { ticks.isEmpty ? "\(label)\u{a0} [\(unit)]" : label }
  }

  /// Words at one place of an axis.
  public struct Tick: Sendable, Hashable {
    /// Where, on the axis.
    public var place: Double
    /// The words.
    public var label: String

    /// `label` at `place`.
    public init(at place: Double, _ label: String) {
      self.place = place
      self.label = label
    }
  }

  /// A colour together with a dash pattern and a point shape of its own.
  ///
  /// After the palette of Okabe and Ito (2008), which people with any kind of colour vision can tell apart, darkened
  /// where it would be pale on a light ground. Dashes and shapes serve those who see no colours, and let one line
  /// show through the gaps of another.
  public enum Hue: Int, Sendable, Hashable, CaseIterable {
    /// Solid line, circles.
    case blue
    /// Long dashes, triangles.
    case vermillion
    /// Dash and dot, squares.
    case green
    /// Medium dashes, diamonds.
    case purple
    /// Dash and two dots, triangles on their tip.
    case orange
    /// Short dashes, pentagons.
    case sky
    /// Solid line, crosses.
    case black
    /// Solid line, plus signs; for what stands in the background.
    case grey

    /// The hue of the curve at `index`, in order and over again after the seven that are not grey.
    public static func cycled(_ index: Int) -> Hue {
      precondition(index >= 0, "curve \(index)")
      return Hue.allCases[index % lapCount]
    }

    /// Hues that curves go through, all but grey.
    static var lapCount: Int { allCases.count - 1 }

    var colour: String {
      ["#0072b2", "#d55e00", "#009e73", "#b0578d", "#c98a00", "#3a9bd9", "#222222", "#777777"][
        rawValue]
    }

    var dash: String {
      ["solid", "(18,4)", "(18,4,3,4)", "(9,4)", "(14,4,3,4,3,4)", "(5,3)", "solid", "solid"][
        rawValue]
    }

    var pointType: Int { [6, 8, 4, 12, 10, 14, 2, 1][rawValue] }

    /// The filled shape that covers the hollow one; crosses have none.
    var groundType: Int? { pointType < 4 ? nil : pointType + 1 }
  }

  /// One thing drawn from data.
  public struct Series: Sendable, Hashable {
    /// What it is drawn as.
    public enum Shape: Sendable, Hashable {
      /// A line in the hue's dash pattern.
      case line
      /// A thin line of short dashes.
      case dashed
      /// Hollow marks.
      case points
      /// The area between the series' values and these.
      case band(upper: [Double])
    }

    /// Its words in the legend; empty for none.
    public var label: String
    /// Colour, dash pattern and point shape.
    public var hue: Hue
    /// Line, dashed line, points or band.
    public var shape: Shape
    /// Horizontal coordinates.
    public var x: [Double]
    /// Vertical coordinates, as many as horizontal ones; the lower edge of a band.
    ///
    /// What is not finite leaves a gap.
    public var y: [Double]
    /// How often all hues had been used before; from the second time on lines are thinner and marks full.
    public var lap = 0

    /// A line through the points (x, y).
    public static func line(_ label: String, _ hue: Hue, x: [Double], y: [Double]) -> Series {
      Series(label: label, hue: hue, shape: .line, x: x, y: y)
    }

    /// A thin dashed line through the points (x, y), for a baseline or a bound.
    public static func dashed(_ label: String, _ hue: Hue, x: [Double], y: [Double]) -> Series {
      Series(label: label, hue: hue, shape: .dashed, x: x, y: y)
    }

    /// Marks at the points (x, y), for numbers that somebody else published.
    public static func points(_ label: String, _ hue: Hue, x: [Double], y: [Double]) -> Series {
      Series(label: label, hue: hue, shape: .points, x: x, y: y)
    }

    /// The area between `low` and `high`.
    public static func band(
      _ label: String, _ hue: Hue, x: [Double], low: [Double], high: [Double]
    ) -> Series {
      precondition(high.count == low.count, "\(low.count) low values, \(high.count) high ones")
      return Series(label: label, hue: hue, shape: .band(upper: high), x: x, y: low)
    }

    /// The curve at `index` of many, whose hue is ``Hue/cycled(_:)``.
    public func onLap(of index: Int) -> Series {
      var copy = self
      copy.lap = index / Hue.lapCount
      return copy
    }

    /// The hue's mark; from the second lap on it is full, and a star for a cross.
    var pointType: Int { lap > 0 ? hue.groundType ?? 3 : hue.pointType }

    /// In the words of the script.
    var lineWidth: String {
      switch shape {
      case .line: lap > 0 ? "1.2" : "2"
      default: "1.5"
      }
    }

    private init(label: String, hue: Hue, shape: Shape, x: [Double], y: [Double]) {
      precondition(x.count == y.count, "\(x.count) horizontal values, \(y.count) vertical ones")
      self.label = label
      self.hue = hue
      self.shape = shape
      self.x = x
      self.y = y
    }
  }

  /// A horizontal line at one value.
  public struct Level: Sendable, Hashable {
    /// Its words in the legend; empty for none.
    public var label: String
    /// Where it lies on the vertical axis.
    public var value: Double

    /// A line at `value`.
    public init(_ label: String, at value: Double) {
      self.label = label
      self.value = value
    }
  }

  /// `text` made literal: every character that enhanced text would take as markup is escaped.
  public static func literal(_ text: String) -> String {
    text.reduce(into: "") { result, character in
      if "_^{}@&~\\".contains(character) { result.append("\\") }
      result.append(character)
    }
  }

  /// A light ground, painted, since a page in dark mode would swallow dark text.
  static let ground = "#fcfcfa"

  /// Width and height of one chart in pixels, before anyone scales it.
  static let size = (width: 820, height: 440)
}
