import Engine
import Foundation
import Testing

/// The quadratic problems of spec/algorithms.md §1.1, as the authors' class builds them in float32.
struct AuthorsQuadratics {
  /// b x d with unit columns, one per instance.
  var matrices: [Matrix]
  /// The points that generate the right-hand sides, d each.
  var solutions: [Vector]
  /// Right-hand sides, b each.
  var targets: [Vector]

  init(seed: UInt64, instances: Int, rows: Int, columns: Int) {
    var matrixStream = ReferenceStream(seed: seed + 1)
    let entries = matrixStream.normal(count: instances * rows * columns)
    matrices = (0..<instances).map { i in
      var m = Matrix(
        rows: rows, columns: columns,
        elements: Array(entries[(i * rows * columns)..<((i + 1) * rows * columns)]))
      for j in 0..<columns {
        // float32 holds the norm and the quotients; the sum itself is better kept in double.
        let norm = Float((0..<rows).map { m[$0, j] * m[$0, j] }.reduce(0, +).squareRoot())
        for r in 0..<rows { m[r, j] = Double(Float(m[r, j]) / norm) }
      }
      return m
    }
    var solutionStream = ReferenceStream(seed: seed + 2)
    let points = solutionStream.normal(count: instances * columns)
    solutions = (0..<instances).map { Vector(Array(points[($0 * columns)..<(($0 + 1) * columns)])) }
    targets = zip(matrices, solutions).map { $0.times($1) }
  }

  /// The objective at the origin, summed over instances.
  var objectiveAtZero: Double { targets.map { $0.dot($0) / 2 }.reduce(0, +) }

  /// The summed objective after `steps` steps of gradient descent from 0 with step 0.9999 / L.
  func objective(afterSteps steps: Int) throws -> Double {
    try zip(matrices, targets).map { m, y in
      let l = try m.spectralNorm() * m.spectralNorm()
      var x = Vector(zeros: m.columns)
      for _ in 0..<steps { x.add(-0.9999 / l, m.times(m.times(x) - y, .transposed)) }
      let residual = m.times(x) - y
      return residual.dot(residual) / 2
    }.reduce(0, +)
  }
}

/// Sources: spec/algorithms.md gives values of PyTorch 2.15; where a comment says numpy, they come
/// from `numpy.random.RandomState(seed).randint(0, 2**32, dtype=uint32)`, the same MT19937, put
/// through the formulas of §1.0 in numpy.
@Suite struct ReferenceStreamTests {
  /// Words 0...3, 623...625 and 999 by numpy; 3499211612 is also the classic first output of 5489.
  @Test(arguments: [
    5489: [
      3_499_211_612, 581_869_302, 3_890_346_734, 3_586_334_585, 4_020_325_887, 4_178_893_912,
      610_818_241, 1_341_017_984,
    ],
    0: [
      2_357_136_044, 2_546_248_239, 3_071_714_933, 3_626_093_760, 3_791_854_820, 341_544_762,
      1_076_416_385, 3_043_451_800,
    ],
    4_294_967_295: [
      419_326_371, 479_346_978, 3_918_654_476, 2_416_749_639, 1_027_084_080, 3_860_652_269,
      657_474_326, 2_673_539_693,
    ],
  ])
  func twisterMatchesNumpy(seed: UInt32, expected: [UInt32]) {
    var twister = MersenneTwister(seed: seed)
    let words = (0..<1000).map { _ in twister.next() }
    #expect(Array(words[0...3] + words[623...625]) + [words[999]] == expected)
  }

  @Test func onlyTheLowHalfOfASeedCounts() {
    var low = ReferenceStream(seed: 118)
    var high = ReferenceStream(seed: 118 + 1 << 32)
    #expect(low.rawWord() == 4_048_657_664)  // numpy
    #expect(high.rawWord() == 4_048_657_664)
  }

  @Test func uniformsTakeTheLowBits() {
    var stream = ReferenceStream(seed: 895)
    #expect(stream.uniform() == 0.345_199_286_937_713_6)  // numpy, exact in binary
    #expect(stream.uniform() == 0.868_138_492_107_391_4)
    var pair = ReferenceStream(seed: 895)
    let word = (2_522_373_883 as UInt64) << 32 | 1_037_975_123
    #expect(pair.uniformDouble() == Double(word & (1 << 53 - 1)) / 0x1p53)
  }

  @Test func uniformsOnAnIntervalTakeOneWordEach() {
    var stream = ReferenceStream(seed: 895)
    let values = stream.uniform(from: -2, to: 2, count: 2)
    #expect(values == [Double(Float(0.345_199_286_937_713_6) * 4 - 2), 1.472_553_968_429_565_4])
    var words = ReferenceStream(seed: 895)
    _ = words.rawWord()
    _ = words.rawWord()
    #expect(stream == words)
  }

  /// 20 draws: one block, then a tail that overwrites its last 12.
  ///
  /// By numpy in double precision.
  @Test func normalBlocksMatchNumpy() {
    var stream = ReferenceStream(seed: 42)
    let expected = [
      1.926_915_12, 1.487_284_12, 0.900_717_2, -2.105_521_21, -0.758_131_16, 1.078_317_66,
      0.800_800_47, 1.680_620_49, 0.355_859_83, -0.686_623_04, -0.493_356_32, 0.241_487_85,
      -0.231_624_26, 0.041_759_49, -0.251_575_39, 0.859_858_48, -0.309_726_88, -0.395_710_43,
      0.803_409_4, -0.621_595_34,
    ]
    // Rounding 2 pi u2 to float32 turns the angle by up to 2^-22; radii here are below 2.8, and
    // the other roundings are smaller than that one.
    for (value, reference) in zip(stream.normal(count: 20), expected) {
      #expect(abs(value - reference) <= 2 * 2.8 * 0x1p-22)
      #expect(value == Double(Float(value)))
    }
    var words = ReferenceStream(seed: 42)
    for _ in 0..<36 { _ = words.rawWord() }
    #expect(stream == words, "20 uniforms and 16 fresh ones for the tail")
  }

  /// numpy in double precision; the values are then held in float32.
  @Test func scalarNormalsMatchNumpyAndKeepTheSpare() {
    let expected = [
      0.336_690_354_383_858_86, 0.128_809_405_136_589_7, 0.234_462_363_361_531_73,
      0.230_333_027_914_611_9, -1.122_856_376_738_170_1,
    ].map { Double(Float($0)) }
    var whole = ReferenceStream(seed: 42)
    #expect(whole.normal(count: 5) == expected)
    var parts = ReferenceStream(seed: 42)
    #expect(parts.normal(count: 3) + parts.normal(count: 2) == expected)
    #expect(parts == whole, "both hold the sine half of the third pair")
  }

  @Test func normalsOfABatchBeginLikeThoseOfALargerOne() {
    var small = ReferenceStream(seed: 1)
    var large = ReferenceStream(seed: 1)
    #expect(small.normal(count: 160) == Array(large.normal(count: 512)[0..<160]))
  }

  @Test func aCopyReplaysTheOriginal() {
    var stream = ReferenceStream(seed: 118)
    _ = stream.normal(count: 7)
    var copy = stream
    #expect(stream.normal(count: 33) == copy.normal(count: 33))
  }

  @Test func kaimingFillsItsInterval() throws {
    var stream = ReferenceStream(seed: 2)
    let bound = (6.0 / 8).squareRoot()
    let values = stream.kaimingUniform(rows: 100, columns: 8).elements
    let largest = try #require(values.map(abs).max())
    // 800 draws all miss the outer 1/64 with probability (63/64)^800 < 4e-6.
    #expect(largest <= bound * (1 + 0x1p-23) && largest > bound * 63 / 64)
  }

  /// §1.1, d = 32, m = 25, N = 32.
  ///
  /// "float64 of float32 data": entries agree to a rounding of 2^-24.
  @Test func smallProblemOfSeed895() throws {
    let data = AuthorsQuadratics(seed: 895, instances: 32, rows: 25, columns: 32)
    #expect(abs(data.objectiveAtZero / 535.76285 - 1) < 2 * 0x1p-24)
    // k steps amplify the roundings of the data; the printed digits alone allow 2.7e-6 at k = 100.
    #expect(abs(try data.objective(afterSteps: 20) / 3.059668 - 1) < 2e-6)
    #expect(abs(try data.objective(afterSteps: 100) / 0.185932 - 1) < 2.7e-6)
  }

  /// §1.1, d = 512, m = 400, N = 10; half a unit of the last printed digit, and 2^-23 of the value.
  @Test func largeProblemOfSeed895() throws {
    let data = AuthorsQuadratics(seed: 895, instances: 10, rows: 400, columns: 512)
    #expect(abs(data.objectiveAtZero - 2537.4354) < 0.5e-4 + 2537 * 0x1p-23)
    for (value, printed) in zip(
      data.matrices[0].elements, [-0.00435173, -0.00556736, 0.01332593])
    {
      #expect(abs(value - printed) < 0.5e-8 + 0x1p-23 * abs(printed))
    }
    // By numpy: the same data through its own float32 logarithm and cosine, then a float64 SVD. They
    // print as in §1.1 but for the first, which stands there as 4.29323.
    for (m, reference) in zip(data.matrices, [4.293_222_318, 4.566_442_038, 4.418_981_275]) {
      let norm = try m.spectralNorm()
      #expect(abs(norm * norm / reference - 1) < 0x1p-23)
    }
  }

  /// §2.6 and §2.6b: W1 and W2 of seed 118, in both layouts.
  @Test func orthogonalWeightsOfSeed118() {
    var stream = ReferenceStream(seed: 118)
    _ = stream.kaimingUniform(rows: 2, columns: 2)
    let q1 = stream.orthogonal(rows: 2, columns: 2)
    _ = stream.kaimingUniform(rows: 2, columns: 1024)
    var other = stream
    let inOut = stream.orthogonal(rows: 2, columns: 1024)
    let outIn = other.orthogonal(rows: 1024, columns: 2).transposed
    func expect(_ q: Matrix, _ printed: [[Double]], _ digits: Double) {
      for (i, row) in printed.enumerated() {
        for (j, value) in row.enumerated() {
          // Printed digits, and a float32 factorization at its unit round-off.
          #expect(abs(q[i, j] - value) < 0.5 * digits + 0x1p-23, "entry \(i), \(j)")
        }
      }
    }
    expect(q1, [[0.8298479, -0.5579897], [-0.5579897, -0.8298479]], 1e-7)
    expect(
      inOut,
      [[-0.00846744, -0.00671590, -0.03946836], [0.02941184, 0.02670011, -0.02304182]], 1e-8)
    expect(
      outIn,
      [[-0.00838077, -0.03906445, 0.05450427], [-0.00709319, -0.00857938, -0.04962778]], 1e-8)
    #expect(stream == other, "the layouts take the same words")
  }
}
