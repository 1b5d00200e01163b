import Foundation

/// A small fast random generator for everything this project draws on its own account.
///
/// The state is one word, so a seed or a saved `state` replays everything drawn after it.
/// Source: Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
public struct SplitMix64: RandomNumberGenerator, Sendable, Hashable, Codable {
  /// All there is to remember: a generator seeded with this word goes on where this one stands.
  public private(set) var state: UInt64

  /// Starts the stream of `seed`; every seed is good, 0 included.
  public init(seed: UInt64) { state = seed }

  /// The next 64 random bits.
  public mutating func next() -> UInt64 {
    state &+= Self.increment
    return Self.mixed(state)
  }

  /// A double in [0, 1): a multiple of 2^-53, each equally likely.
  public mutating func uniform() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// A standard normal double, by Box and Muller.
  ///
  /// Always takes two words and drops the sine half, so that no value waits in a cache and the
  /// state stays one word. Magnitudes end near 8.6, since 1 - u is at least 2^-53.
  public mutating func normal() -> Double {
    let radius = (-2 * log(1 - uniform())).squareRoot()
    return radius * cos(2 * .pi * uniform())
  }

  /// `count` standard normal doubles at half the price: both halves of every Box-Muller pair.
  ///
  /// For large data; the stream differs from that of single ``normal()`` draws.
  public mutating func normals(_ count: Int) -> [Double] {
    [Double](unsafeUninitializedCapacity: count) { buffer, filled in
      for i in stride(from: 0, to: count, by: 2) {
        let radius = (-2 * log(1 - uniform())).squareRoot()
        let angle = 2 * .pi * uniform()
        buffer[i] = radius * cos(angle)
        if i + 1 < count { buffer[i + 1] = radius * sin(angle) }
      }
      filled = count
    }
  }

  /// A multiple of 1/64 in [-4, 4]: exact in binary, and short enough to be retyped by hand.
  public mutating func shortDouble() -> Double {
    Double(Int.random(in: -256...256, using: &self)) / 64
  }

  /// A vector of `count` draws, standard normal unless `draw` says otherwise.
  public mutating func vector(
    _ count: Int, by draw: (inout SplitMix64) -> Double = { $0.normal() }
  ) -> Vector {
    Vector((0..<count).map { _ in draw(&self) })
  }

  /// A matrix of draws, row by row, standard normal unless `draw` says otherwise.
  public mutating func matrix(
    _ rows: Int, _ columns: Int, by draw: (inout SplitMix64) -> Double = { $0.normal() }
  ) -> Matrix {
    Matrix(
      rows: rows, columns: columns, elements: vector(rows * columns, by: draw).elements)
  }

  /// An independent generator; this one moves on by a word.
  public mutating func split() -> SplitMix64 { SplitMix64(seed: Self.mixed(next() ^ Self.fork)) }

  /// The independent generator number `index` of this state, in any order and without moving on.
  ///
  /// For work that is spread over threads: the draws of item `index` depend on nothing else.
  public func derived(_ index: Int) -> SplitMix64 {
    let key = Self.mixed(UInt64(bitPattern: Int64(index)) &+ Self.increment)
    return SplitMix64(seed: Self.mixed(Self.mixed(state ^ Self.fork) ^ key))
  }

  /// 2^64 divided by the golden ratio, made odd.
  private static let increment: UInt64 = 0x9E37_79B9_7F4A_7C15

  /// Keeps split streams apart from the outputs they are made of: digits of pi.
  private static let fork: UInt64 = 0x243F_6A88_85A3_08D3

  /// Stafford's variant 13 of the MurmurHash3 finaliser.
  private static func mixed(_ word: UInt64) -> UInt64 {
    var z = word
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
