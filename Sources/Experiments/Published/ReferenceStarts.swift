import Catalog
import Engine
import Optimization

extension LISTACPSSWOnly {
  /// The authors' start without a fixed matrix: normal entries of size 1/(rows columns)², next to nothing, drawn
  /// once from `stream` and the same in all layers.
  static func blindStart(
    _ stream: inout ReferenceStream, rows: Int, columns: Int, layers: Int
  ) -> Parameters {
    let count = rows * columns
    let size = 1 / Double(count * count)
    let draw = Tensor(
      shape: [1, columns, rows], elements: stream.normal(count: count).map { size * $0 })
    return Parameters((0..<layers).map { ("We.\($0)", draw) })
  }

  /// The authors' start with `--identical-dict`: in all layers the mean of 0.9999/σ_max(A)² Aᵀ over the
  /// matrices A as they were drawn from `seed`, since the scripts hand unscaled ones to this variant.
  static func scriptStart(
    seed: UInt64, instances: Int, rows: Int, columns: Int, layers: Int
  ) throws -> Parameters {
    var stream = ReferenceStream(seed: seed)
    let draws = stream.normal(count: instances * rows * columns)
    var mean = Tensor(zeros: [1, columns, rows])
    for i in 0..<instances {
      let matrix = Matrix(
        rows: rows, columns: columns,
        elements: Array(draws[(i * rows * columns)..<((i + 1) * rows * columns)]))
      mean.add(
        0.9999 / (try matrix.squaredSpectralNorm() * Double(instances)),
        Tensor(shape: mean.shape, elements: matrix.transposed.elements))
    }
    return Parameters((0..<layers).map { ("We.\($0)", mean) })
  }
}
