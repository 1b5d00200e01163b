import Foundation

/// The random stream of PyTorch on a CPU, from which the authors' data and weights come.
///
/// Integer draws agree bit for bit. Values are float32, held exactly by the doubles returned; the
/// transcendental functions behind a normal draw may differ from PyTorch's vector code in the last
/// bits of a float32. Copying the value saves the state, assigning the copy back restores it.
public struct ReferenceStream: Sendable, Hashable {
  private var generator: MersenneTwister
  /// The sine half of the last scalar normal pair; `torch.manual_seed` clears it too.
  private var spareNormal: Double?

  /// The stream after `torch.manual_seed(seed)`; only the low 32 bits of `seed` count.
  public init(seed: UInt64) {
    generator = MersenneTwister(seed: UInt32(truncatingIfNeeded: seed))
  }

  /// The next 32 raw bits.
  public mutating func rawWord() -> UInt32 { generator.next() }

  /// A float32 in [0, 1), a multiple of 2^-24; takes one word.
  public mutating func uniform() -> Float { Float(generator.next() & 0xFF_FFFF) * 0x1p-24 }

  /// A double in [0, 1), a multiple of 2^-53; takes two words, high one first.
  public mutating func uniformDouble() -> Double {
    let high = UInt64(generator.next())
    let low = UInt64(generator.next())
    return Double((high << 32 | low) & 0x1F_FFFF_FFFF_FFFF) * 0x1p-53
  }

  /// `count` draws of `torch.Tensor.uniform_(lower, upper)`, in memory order.
  public mutating func uniform(from lower: Float, to upper: Float, count: Int) -> [Double] {
    (0..<count).map { _ in Double(uniform() * (upper - lower) + lower) }
  }

  /// `torch.randn` of `count` elements in all, in memory order.
  ///
  /// From 16 elements on PyTorch fills the tensor with uniforms and transforms blocks of 16; a
  /// ragged tail is covered by a last block of fresh uniforms, which overwrites what it overlaps.
  /// Fewer elements come one by one, in pairs computed in double precision.
  public mutating func normal(count: Int) -> [Double] {
    guard count >= Self.block else { return (0..<count).map { _ in scalarNormal() } }
    var buffer = (0..<count).map { _ in uniform() }
    for start in stride(from: 0, through: count - Self.block, by: Self.block) {
      Self.transformBlock(of: &buffer, at: start)
    }
    if count % Self.block != 0 {
      let start = count - Self.block
      for i in start..<count { buffer[i] = uniform() }
      Self.transformBlock(of: &buffer, at: start)
    }
    return buffer.map(Double.init)
  }

  /// `torch.randn(rows, columns)`.
  public mutating func normal(rows: Int, columns: Int) -> Matrix {
    Matrix(rows: rows, columns: columns, elements: normal(count: rows * columns))
  }

  /// `torch.nn.init.kaiming_uniform_(nonlinearity="relu")` on a tensor of `rows` x `columns`.
  ///
  /// Uniform on +-sqrt(6 / columns); one word per entry. The reference code overwrites the values
  /// by an orthogonal draw, so for it only the words taken matter.
  public mutating func kaimingUniform(rows: Int, columns: Int) -> Matrix {
    let bound = Float((6 / Double(columns)).squareRoot())
    return Matrix(
      rows: rows, columns: columns,
      elements: uniform(from: -bound, to: bound, count: rows * columns))
  }

  /// `torch.nn.init.orthogonal_` on a tensor of `rows` x `columns`.
  ///
  /// The sign-fixed orthonormal factor of a normal draw: orthonormal columns if the tensor is
  /// square or tall, orthonormal rows if it is wide. The draw is PyTorch's float32 one, while the
  /// factor is computed and kept in double precision.
  public mutating func orthogonal(rows: Int, columns: Int) -> Matrix {
    normal(rows: rows, columns: columns).signFixedOrthonormalFactor()
  }

  private static let block = 16

  /// One normal draw of the scalar path, rounded to float32.
  private mutating func scalarNormal() -> Double {
    if let spare = spareNormal {
      spareNormal = nil
      return Double(Float(spare))
    }
    let u1 = uniformDouble()
    let u2 = uniformDouble()
    let radius = (-2 * log1p(-u2)).squareRoot()
    let angle = 2 * Double.pi * u1
    spareNormal = radius * sin(angle)
    return Double(Float(radius * cos(angle)))
  }

  /// Box and Muller on 16 uniforms in place, every intermediate rounded to float32 as PyTorch does.
  private static func transformBlock(of buffer: inout [Float], at start: Int) {
    for j in start..<(start + block / 2) {
      // Functions of double precision, rounded once, are the correctly rounded float32 ones.
      let radius = (-2 * Float(log(Double(1 - buffer[j])))).squareRoot()
      let angle = Double(Float(2 * Double.pi) * buffer[j + block / 2])
      buffer[j] = radius * Float(cos(angle))
      buffer[j + block / 2] = radius * Float(sin(angle))
    }
  }
}
