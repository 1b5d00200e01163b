/// A matrix on a ``Tape``; what is written with it is computed and recorded.
///
/// Arithmetic is entry by entry. A side of length 1 is stretched to the other operand's length, so
/// that numbers (1 x 1), rows (1 x n) and columns (m x 1) combine with m x n matrices.
public struct Traced {
  let tape: Tape
  let index: Int32
  /// Number of rows.
  public let rows: Int
  /// Number of columns.
  public let columns: Int

  /// The matrix itself.
  public var value: Matrix { tape.value(index) }

  /// The entries, row by row, as a vector.
  public var vector: Vector { Vector(value.elements) }

  /// The only entry of a 1 x 1 matrix.
  public var number: Double {
    precondition(rows == 1 && columns == 1, "\(rows) x \(columns) is no number")
    return tape.block(index).base[0]
  }

  /// Whether it depends on a variable.
  public var isActive: Bool { tape.isActive(index) }

  /// A value of the same tape that does not change.
  public func constant(_ matrix: Matrix) -> Traced { tape.constant(matrix) }

  /// A number of the same tape that does not change.
  public func constant(_ number: Double) -> Traced { tape.constant(number) }
}

// MARK: Shape

extension Traced {
  /// The same entries in another shape; costs nothing.
  public func reshaped(_ rows: Int, _ columns: Int) -> Traced {
    precondition(rows * columns == self.rows * self.columns, "reshape changes the count")
    return tape.view(self, offset: 0, rows: rows, columns: columns)
  }

  /// Rows `range`; costs nothing.
  public func rows(_ range: Range<Int>) -> Traced {
    precondition(range.lowerBound >= 0 && range.upperBound <= rows, "rows \(range) of \(rows)")
    return tape.view(
      self, offset: range.lowerBound * columns, rows: range.count, columns: columns)
  }

  /// Row `i`, 1 x n; costs nothing.
  public func row(_ i: Int) -> Traced { rows(i..<(i + 1)) }

  /// The transpose.
  public var transposed: Traced {
    rows == 1 || columns == 1
      ? reshaped(columns, rows)
      : tape.record(Transpose(), self, rows: columns, columns: rows)
  }

  /// `parts` one above the other; all have the same number of columns.
  public static func stack(_ parts: [Traced]) -> Traced {
    guard let first = parts.first else { preconditionFailure("nothing to stack") }
    precondition(parts.allSatisfy { $0.columns == first.columns }, "stacked widths differ")
    return first.tape.record(
      Stack(), parts, rows: parts.reduce(0) { $0 + $1.rows }, columns: first.columns)
  }
}

// MARK: Arithmetic

extension Traced {
  private static func binary(
    _ kind: Combination.Kind, _ a: Traced, _ b: Traced
  ) -> Traced {
    func length(_ m: Int, _ n: Int) -> Int {
      precondition(
        m == n || m == 1 || n == 1,
        "\(kind) of \(a.rows) x \(a.columns) and \(b.rows) x \(b.columns)")
      return m == 1 ? n : m
    }
    return a.tape.record(
      Combination(kind: kind), a, b, rows: length(a.rows, b.rows),
      columns: length(a.columns, b.columns))
  }

  /// The sum.
  public static func + (a: Traced, b: Traced) -> Traced { binary(.sum, a, b) }
  /// The difference.
  public static func - (a: Traced, b: Traced) -> Traced { binary(.difference, a, b) }
  /// The entry-wise product.
  public static func * (a: Traced, b: Traced) -> Traced { binary(.product, a, b) }
  /// The entry-wise quotient.
  public static func / (a: Traced, b: Traced) -> Traced { binary(.quotient, a, b) }

  /// `scale · self + shift`, entry by entry.
  public func affine(_ scale: Double, _ shift: Double = 0) -> Traced {
    map(.affine(scale: scale, shift: shift))
  }

  /// The negative.
  public static prefix func - (a: Traced) -> Traced { a.affine(-1) }
  /// A multiple.
  public static func * (scale: Double, a: Traced) -> Traced { a.affine(scale) }
  /// The sum with a number.
  public static func + (a: Traced, shift: Double) -> Traced { a.affine(1, shift) }
  /// The difference to a number.
  public static func - (a: Traced, shift: Double) -> Traced { a.affine(1, -shift) }
  /// A number minus every entry.
  public static func - (number: Double, a: Traced) -> Traced { a.affine(-1, number) }
  /// The quotient by a number.
  public static func / (a: Traced, number: Double) -> Traced { a.affine(1 / number) }
}

// MARK: Functions of every entry

extension Traced {
  func map(_ function: Function) -> Traced {
    tape.record(Map(function: function), self, rows: rows, columns: columns)
  }

  /// The square.
  public var squared: Traced { map(.square) }
  /// The square root of positive entries.
  public var squareRoot: Traced { map(.squareRoot) }
  /// The exponential.
  public var exponential: Traced { map(.exponential) }
  /// The natural logarithm of positive entries.
  public var logarithm: Traced { map(.logarithm) }
  /// The logistic function σ.
  public var sigmoid: Traced { map(.sigmoid) }
  /// The hyperbolic tangent.
  public var tanh: Traced { map(.tanh) }
  /// The output map of a learned rule.
  public func mapped(by map: OutputMap) -> Traced {
    tape.record(OutputMapping(map: map), self, rows: rows, columns: columns)
  }
}

// MARK: Kinks

extension Traced {
  /// The value without its derivative (`detach`).
  public var stopped: Traced {
    tape.choice(Copy(), [self], rows: rows, columns: columns)
  }

  /// 1 where positive, 0 elsewhere: locally constant.
  public var isPositive: Traced {
    tape.choice(Side(kind: .positive), [self], rows: rows, columns: columns)
  }

  /// -1, 0 or 1: locally constant.
  public var sign: Traced {
    tape.choice(Side(kind: .sign), [self], rows: rows, columns: columns)
  }

  /// max(x, 0), with derivative 0 at 0.
  public var relu: Traced { self * isPositive }

  /// |x|, with derivative 0 at 0.
  public var magnitude: Traced { self * sign }

  /// x where positive, e^x - 1 elsewhere.
  public var elu: Traced {
    // The exponential is taken where its argument is not positive only, so it cannot overflow.
    let isPositive = isPositive
    let below = (self * (1 - isPositive)).map(.exponentialMinusOne)
    return self * isPositive + below
  }

  /// sign(x) max(|x| - θ, 0); θ = `threshold` may be negative, as in the reference code.
  ///
  /// Where the result is zero both derivatives are.
  public func softThreshold(_ threshold: Traced) -> Traced {
    precondition(
      (threshold.rows == rows || threshold.rows == 1)
        && (threshold.columns == columns || threshold.columns == 1),
      "threshold of \(threshold.rows) x \(threshold.columns) for \(rows) x \(columns)")
    let side = tape.choice(
      Side(kind: .beyond), [self, threshold], rows: rows, columns: columns)
    return tape.record(
      SoftThreshold(), self, threshold, side, rows: rows, columns: columns)
  }

  /// 1 in each row of every column at the entries whose magnitude exceeds `threshold` and the
  /// `1 - fraction` quantile of the magnitudes of its group: locally constant.
  ///
  /// The quantile interpolates linearly. Groups are the columns (over the rows) or the rows.
  public func support(
    fraction: Double, threshold: Traced, acrossRows: Bool
  ) -> Traced {
    precondition((0...1).contains(fraction), "fraction \(fraction)")
    precondition(
      (threshold.rows == rows || threshold.rows == 1)
        && (threshold.columns == columns || threshold.columns == 1),
      "threshold of \(threshold.rows) x \(threshold.columns) for \(rows) x \(columns)")
    return tape.choice(
      Support(fraction: fraction, acrossRows: acrossRows), [self, threshold], rows: rows,
      columns: columns)
  }
}

// MARK: Sums and products

extension Traced {
  /// The sum of all entries, 1 x 1.
  public var sum: Traced { tape.record(Sum(axis: .all), self, rows: 1, columns: 1) }
  /// The sums of the rows, m x 1.
  public var rowSums: Traced { tape.record(Sum(axis: .row), self, rows: rows, columns: 1) }
  /// The sums of the columns, 1 x n.
  public var columnSums: Traced {
    tape.record(Sum(axis: .column), self, rows: 1, columns: columns)
  }

  /// `op(self) op(other)`, by `dgemm`.
  public func times(
    _ other: Traced, _ operation: Matrix.Operation = .plain,
    _ otherOperation: Matrix.Operation = .plain
  ) -> Traced {
    let (m, k) = operation == .plain ? (rows, columns) : (columns, rows)
    let (k2, n) =
      otherOperation == .plain ? (other.rows, other.columns) : (other.columns, other.rows)
    precondition(k == k2, "product of \(m) x \(k) and \(k2) x \(n)")
    return tape.record(
      MatrixProduct(left: operation, right: otherOperation), self, other, rows: m, columns: n)
  }

  /// A constant linear map, or its transpose, applied to N x d (or N x b) with a row per instance.
  public func mapped(
    by map: LinearMap, _ operation: Matrix.Operation = .plain
  ) -> Traced {
    let (n, m) =
      operation == .plain
      ? (map.blockColumns, map.blockRows) : (map.blockRows, map.blockColumns)
    precondition(
      rows == map.instanceCount && columns == n,
      "map of \(map.instanceCount) x \(n) applied to \(rows) x \(columns)")
    return tape.record(
      LinearMapping(map: map, operation: operation), self, rows: rows, columns: m)
  }

  /// An operation with derivatives of its own, of `inputs`, at least one.
  public static func custom(_ operation: any CustomOperation, _ inputs: [Traced])
    -> Traced
  {
    guard let first = inputs.first else { preconditionFailure("\(operation.name): no inputs") }
    let shape = operation.shape(inputs.map { ($0.rows, $0.columns) })
    return first.tape.record(
      CustomNode(operation: operation), inputs, rows: shape.rows, columns: shape.columns)
  }
}

/// An operation from outside the engine, with its derivatives: a problem's gradient, say.
public protocol CustomOperation: Sendable {
  /// What messages call it.
  var name: String { get }
  /// The shape of the value for inputs of the given shapes.
  func shape(_ inputs: [(rows: Int, columns: Int)]) -> (rows: Int, columns: Int)
  /// The value.
  func value(at inputs: [Matrix]) -> Matrix
  /// The cotangents of the inputs, one each, for the cotangent of the value.
  func pullback(_ cotangent: Matrix, at inputs: [Matrix], value: Matrix) -> [Matrix]
  /// The tangent of the value for the tangents of the inputs.
  func pushforward(_ tangents: [Matrix], at inputs: [Matrix], value: Matrix) -> Matrix
}
