import Foundation

/// How reports write numbers: as many digits as are known, never more.
///
/// All functions are pure and independent of the locale. A value that is not finite prints as `nan`, `inf` or `-inf`.
public enum Number {
  /// The mark for a number that does not apply.
  public static let dash = "–"

  /// `value` with `digits` significant digits, trailing zeros kept: 0.5 with 4 is `0.5000`.
  ///
  /// Scientific below 1e-4 and where the digits end before the decimal point: 123456 with 3 is `1.23e+05`.
  public static func significant(_ value: Double, digits: Int) -> String {
    precondition(digits >= 1, "a number has at least one digit, not \(digits)")
    guard value.isFinite else { return text(value) }
    if value == 0 { return "0" }
    // Rounding comes first: 9.9996 with 4 digits has exponent 1.
    let exponent = decimalExponent(value, digits: digits)
    if exponent < -4 || exponent >= digits { return scientific(value, digits: digits) }
    return fixed(value, decimals: digits - 1 - exponent)
  }

  /// `value` in scientific notation with `digits` significant digits: `1.2e-07`.
  public static func scientific(_ value: Double, digits: Int) -> String {
    precondition(digits >= 1, "a number has at least one digit, not \(digits)")
    guard value.isFinite else { return text(value) }
    return value == 0 ? "0" : String(format: "%.*e", digits - 1, value)
  }

  /// `value` as people write a setting, all its digits and no more: `50`, `0.25`, `1e-3`, `2.5e-7`.
  public static func short(_ value: Double) -> String {
    guard value.isFinite else { return text(value) }
    if value == 0 { return "0" }
    let size = abs(value)
    if size >= 0.01 && size < 1e6 { return "\(value)".replacing(/\.0$/, with: "") }
    let digits = (1...17).first { Double(String(format: "%.*e", $0 - 1, value)) == value } ?? 17
    let parts = String(format: "%.*e", digits - 1, value).split(separator: "e")
    return "\(parts[0])e\(Int(parts[1]) ?? 0)"
  }

  /// `value` with `decimals` digits after the point; a rounded zero has no sign.
  public static func fixed(_ value: Double, decimals: Int) -> String {
    precondition(decimals >= 0, "decimals: \(decimals)")
    guard value.isFinite else { return text(value) }
    let printed = String(format: "%.*f", decimals, value)
    return printed.contains { ("1"..."9").contains($0) }
      ? printed : String(printed.drop { $0 == "-" })
  }

  /// The number 10^`log10`, far beyond the range of a double if need be: `10^-1234.6`.
  public static func power(log10: Double, decimals: Int = 1) -> String {
    if log10 == -.infinity { return "0" }
    return "10^" + fixed(log10, decimals: decimals)
  }

  /// `value` with its uncertainty, both to the uncertainty's first digit: `0.418 ± 0.003`.
  ///
  /// The uncertainty is rounded up. An uncertainty of 0 leaves the value's shortest exact form; one that is not finite prints as `?`.
  public static func measured(_ value: Double, plusMinus uncertainty: Double) -> String {
    precondition(!(uncertainty < 0), "uncertainty \(uncertainty) is negative")
    guard value.isFinite else { return text(value) }
    guard uncertainty.isFinite else { return "\(significant(value, digits: 2)) ± ?" }
    if uncertainty == 0 { return "\(value)" }
    let (digit, place) = leadingDigit(roundingUp: uncertainty)
    if place < -6 || place > 6 {
      let width = max(1, decimalExponent(value, digits: 17) - place + 1)
      return scientific(value, digits: value == 0 ? 1 : width) + " ± \(digit)e"
        + String(format: "%+03d", place)
    }
    return rounded(value, toPlace: place) + " ± "
      + rounded(Double(digit) * pow(10, Double(place)), toPlace: place)
  }

  /// `value` with only those digits that hold all over `band`: the last one is off by one unit at most.
  ///
  /// 0.41790 in 0.4150...0.4193 is `0.42`. Where not even one digit holds, the value comes with its uncertainty.
  /// A band without width leaves at most `digits` significant digits.
  public static func supported(_ value: Double, by band: ClosedRange<Double>, digits: Int = 4)
    -> String
  {
    guard value.isFinite, band.lowerBound.isFinite, band.upperBound.isFinite else {
      return value.isFinite ? "\(significant(value, digits: 1)) ± ?" : text(value)
    }
    let uncertainty = max(abs(value - band.lowerBound), abs(value - band.upperBound))
    if value == 0 && uncertainty == 0 { return "0" }
    let finest = value == 0 ? -digits : decimalExponent(value, digits: digits) - digits + 1
    let place = max(finest, uncertainty == 0 ? finest : supportedPlace(uncertainty))
    if place > (value == 0 ? 0 : decimalExponent(value, digits: 17)) {
      return measured(value, plusMinus: uncertainty)
    }
    if place < -9 || place > 6 {
      return scientific(value, digits: max(1, decimalExponent(value, digits: 17) - place + 1))
    }
    return rounded(value, toPlace: place)
  }

  /// A band from `low` to `high`, rounded outward to `digits` significant digits of its width: `[0.415, 0.420]`.
  public static func band(_ low: Double, _ high: Double, digits: Int = 2) -> String {
    precondition(!(low > high), "band from \(low) to \(high)")
    guard low.isFinite, high.isFinite else { return "[\(text(low)), \(text(high))]" }
    if low == high { return "[\(significant(low, digits: 4)), \(significant(high, digits: 4))]" }
    let place = decimalExponent(high - low, digits: 17) - digits + 1
    if place < -9 || place > 6 {
      let width = { (x: Double) in x == 0 ? 1 : max(1, decimalExponent(x, digits: 17) - place + 1) }
      return "[\(scientific(low, digits: width(low))), \(scientific(high, digits: width(high)))]"
    }
    let unit = pow(10, Double(place))
    return "[\(rounded((low / unit).rounded(.down) * unit, toPlace: place)), "
      + "\(rounded((high / unit).rounded(.up) * unit, toPlace: place))]"
  }

  /// `format` of the value, or a dash where there is none.
  public static func orDash(_ value: Double?, _ format: (Double) -> String) -> String {
    value.map(format) ?? dash
  }

  private static func text(_ value: Double) -> String {
    value.isNaN ? "nan" : value.isFinite ? "\(value)" : value < 0 ? "-inf" : "inf"
  }

  /// Exponent of `value` after rounding to `digits` significant digits; `value` is finite and not 0.
  private static func decimalExponent(_ value: Double, digits: Int) -> Int {
    let printed = String(format: "%.*e", digits - 1, value)
    return printed.split(separator: "e").last.flatMap { Int($0) } ?? 0
  }

  /// First digit and its place, so that digit * 10^place is the smallest such number not below `x` > 0.
  private static func leadingDigit(roundingUp x: Double) -> (digit: Int, place: Int) {
    let place = decimalExponent(x, digits: 17)
    // A part in 1e9 is forgiven: 0.003 is not exact in binary and must not become 0.004.
    let digit = Int((x / pow(10, Double(place)) * (1 - 1e-9)).rounded(.up))
    return digit >= 10 ? (1, place + 1) : (max(1, digit), place)
  }

  /// The finest place 10^p with 10^p >= `uncertainty`.
  private static func supportedPlace(_ uncertainty: Double) -> Int {
    let (digit, place) = leadingDigit(roundingUp: uncertainty)
    return digit == 1 ? place : place + 1
  }

  private static func rounded(_ value: Double, toPlace place: Int) -> String {
    if place <= 0 { return fixed(value, decimals: -place) }
    let unit = pow(10, Double(place))
    return fixed((value / unit).rounded() * unit, decimals: 0)
  }
}
