import Foundation
import OptCheck
import Testing

@Suite struct NumberTests {
  @Test(arguments: [
    (0.41789962, 4, "0.4179"), (0.5, 4, "0.5000"), (9.9996, 4, "10.00"), (-9.9994, 4, "-9.999"),
    (123_456, 3, "1.23e+05"), (1234, 4, "1234"), (0.0001, 2, "0.00010"), (0.00009999, 2, "0.00010"),
    (0.000012, 2, "1.2e-05"), (0, 3, "0"), (535.76285, 7, "535.7628"), (0.999999, 3, "1.00"),
  ])
  func significantDigits(value: Double, digits: Int, expected: String) {
    #expect(Number.significant(value, digits: digits) == expected)
  }

  /// Whatever is printed reads back to within half a unit of its last significant digit.
  @Test func significantReadsBack() throws {
    var random = SplitMix(state: 1)
    for _ in 0..<2000 {
      let value = (random.unit() - 0.5) * pow(10, (random.unit() * 24 - 12).rounded())
      for digits in 1...9 {
        let printed = Number.significant(value, digits: digits)
        let back = try #require(Double(printed), "\(printed) is not a number")
        // Half a unit of the last digit is at most 5 * 10^-digits of the value; the rest is the double's rounding.
        #expect(
          abs(back - value) <= abs(value) * (5 * pow(10, -Double(digits)) + 1e-15), "\(printed)")
      }
    }
  }

  @Test func scientificFixedAndPowers() {
    #expect(Number.scientific(1.23e-7, digits: 2) == "1.2e-07")
    #expect(Number.scientific(-1, digits: 1) == "-1e+00")
    #expect(Number.fixed(-0.0004, decimals: 3) == "0.000")
    #expect(Number.fixed(-0.0005001, decimals: 3) == "-0.001")
    #expect(Number.power(log10: -1234.56) == "10^-1234.6")
    #expect(Number.power(log10: -0.04) == "10^0.0")
    #expect(Number.power(log10: -.infinity) == "0")
    #expect(Number.short(50) == "50")
    #expect(Number.short(1e-3) == "1e-3")
    #expect(Number.short(2.5e-7) == "2.5e-7")
    #expect(Number.short(0.25) == "0.25")
    #expect(Number.short(-1e6) == "-1e6")
  }

  @Test func whatIsNotFiniteSaysSo() {
    for print in [
      { Number.significant($0, digits: 3) }, { Number.scientific($0, digits: 3) },
      { Number.fixed($0, decimals: 3) }, { Number.measured($0, plusMinus: 0.1) }, Number.short,
    ] as [(Double) -> String] {
      #expect(print(.nan) == "nan")
      #expect(print(.infinity) == "inf")
      #expect(print(-.infinity) == "-inf")
    }
    #expect(Number.orDash(nil, Number.short) == "–")
    #expect(Number.orDash(2, Number.short) == "2")
  }

  @Test(arguments: [
    (0.41789962, 0.003, "0.418 ± 0.003"), (0.41789962, 0.0031, "0.418 ± 0.004"),
    (12_345, 600, "12300 ± 600"), (0.3, 0.5, "0.3 ± 0.5"), (1, 0.095, "1.0 ± 0.1"),
    (1.5e-9, 2e-11, "1.50e-09 ± 2e-11"), (-0.01570, 0.00021, "-0.0157 ± 0.0003"),
  ])
  func measuredValues(value: Double, uncertainty: Double, expected: String) {
    #expect(Number.measured(value, plusMinus: uncertainty) == expected)
  }

  @Test func onlySupportedDigits() {
    #expect(Number.supported(0.41790, by: 0.4150...0.4193) == "0.42")
    #expect(Number.supported(0.41790, by: 0.41789...0.41791) == "0.4179")
    #expect(Number.supported(0.41790, by: 0.4179...0.4179) == "0.4179")
    #expect(Number.supported(0.41790, by: 0.4179...0.4179, digits: 6) == "0.417900")
    // Not one digit holds, so the reader sees why.
    #expect(Number.supported(-0.0157, by: (-0.02)...0.05) == "-0.02 ± 0.07")
    #expect(Number.supported(0, by: 0...0) == "0")
    #expect(Number.supported(0.3, by: 0.1...Double.infinity) == "0.3 ± ?")
  }

  /// The promise itself: everything in the band lies within one and a half units of the last printed digit.
  @Test func supportedDigitsHoldAllOverTheBand() throws {
    var random = SplitMix(state: 2)
    for _ in 0..<2000 {
      let value = random.unit() * 2 - 1
      let width = pow(10, -1 - 6 * random.unit())
      let band = (value - width * random.unit())...(value + width * random.unit())
      let printed = Number.supported(value, by: band, digits: 9)
      guard !printed.contains("±"), !printed.contains("e") else { continue }
      let decimals = try #require(printed.split(separator: ".").last).count
      let unit = pow(10, -Double(decimals))
      let shown = try #require(Double(printed))
      // One unit for the band and half a unit for rounding the value.
      #expect(abs(shown - band.lowerBound) <= 1.5 * unit * (1 + 1e-6), "\(printed) in \(band)")
      #expect(abs(shown - band.upperBound) <= 1.5 * unit * (1 + 1e-6), "\(printed) in \(band)")
    }
  }

  @Test func bandsAreRoundedOutward() {
    #expect(Number.band(0.4151, 0.4193) == "[0.4151, 0.4193]")
    #expect(Number.band(-0.0161, 0.0487) == "[-0.017, 0.049]")
    #expect(Number.band(1234.5, 5678.9) == "[1200, 5700]")
    #expect(Number.band(0.25, 0.25) == "[0.2500, 0.2500]")
    #expect(Number.band(0.1, .infinity) == "[0.1, inf]")
  }
}

/// Vigna's SplitMix64, here so that these tests need nothing that they do not test.
private struct SplitMix {
  var state: UInt64

  mutating func unit() -> Double {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return Double((z ^ (z >> 31)) >> 11) * 0x1p-53
  }
}
