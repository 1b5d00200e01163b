/// MT19937, the 32-bit Mersenne twister that PyTorch and numpy draw from.
///
/// Source: Matsumoto & Nishimura, ACM TOMACS 8 (1998), with the seeding of 2002.
public struct MersenneTwister: Sendable, Hashable {
  private var words: [UInt32]
  private var position: Int

  /// Seeds all 624 words from one, as `init_genrand` does.
  public init(seed: UInt32) {
    words = [seed]
    words.reserveCapacity(Self.length)
    for i in 1..<Self.length {
      let last = words[i - 1]
      words.append(1_812_433_253 &* (last ^ (last >> 30)) &+ UInt32(i))
    }
    position = Self.length
  }

  /// The next 32 random bits.
  public mutating func next() -> UInt32 {
    if position == Self.length { refill() }
    var y = words[position]
    position += 1
    y ^= y >> 11
    y ^= (y << 7) & 0x9D2C_5680
    y ^= (y << 15) & 0xEFC6_0000
    return y ^ (y >> 18)
  }

  private static let length = 624

  /// Replaces the state by the next 624 words of the recurrence.
  private mutating func refill() {
    let n = Self.length
    for i in 0..<n {
      let y = (words[i] & 0x8000_0000) | (words[(i + 1) % n] & 0x7FFF_FFFF)
      words[i] = words[(i + 397) % n] ^ (y >> 1) ^ (y & 1 == 0 ? 0 : 0x9908_B0DF)
    }
    position = 0
  }
}
