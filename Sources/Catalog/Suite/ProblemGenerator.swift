public import Engine
public import Optimization

/// Random problems with known minimisers, and the way from one of them to the simplest like it.
///
/// For property tests: draw until something fails, then shrink.
///
///     let generator = ProblemGenerator(dimensions: 1...8)
///     let found = try generator.smallest { try !myLawHolds(on: $0) }
///     #expect(found == nil, "\(found?.problem.name ?? "")")
public struct ProblemGenerator: Sendable {
  /// A problem and where it came from.
  public struct Sample: Sendable {
    /// Its family.
    public var family: ProblemFamily
    /// Which of the family's problems; shrinking may have dropped rows and digits since.
    public var draw: ProblemFamily.Draw
    /// The problem.
    public var problem: SolvedProblem

    /// Creates a sample.
    public init(family: ProblemFamily, draw: ProblemFamily.Draw, problem: SolvedProblem) {
      self.family = family
      self.draw = draw
      self.problem = problem
    }
  }

  /// The families to draw from.
  public var families: [ProblemFamily]
  /// The scales of the data.
  public var scales: [Double]
  /// The numbers of unknowns; nil for every family's own, which shrinking may go below.
  public var dimensions: ClosedRange<Int>?

  /// Creates a generator.
  ///
  /// - Precondition: a family, a scale and, where there are bounds, a family that fits them.
  public init(
    families: [ProblemFamily] = ProblemSuite.families, scales: [Double] = ProblemSuite.scales,
    dimensions: ClosedRange<Int>? = nil
  ) {
    let fitting = families.filter { $0.leastDimension <= dimensions?.upperBound ?? .max }
    precondition(!fitting.isEmpty && !scales.isEmpty, "nothing to draw from")
    self.families = fitting
    self.scales = scales
    self.dimensions = dimensions
  }

  /// The next problem; `rng` moves on by three words or more.
  ///
  /// Draws that cannot be solved to rounding, one in some hundreds, are passed over.
  ///
  /// - Throws: ``SuiteError`` when 100 draws in a row could not be solved.
  public func sample(using rng: inout SplitMix64) throws -> Sample {
    var failure: (any Error)?
    for _ in 0..<100 {
      let family = families[Int(rng.next() % UInt64(families.count))]
      let scale = scales[Int(rng.next() % UInt64(scales.count))]
      let seed = 1 + rng.next() % 1_000_000
      let dimension = dimensions.map { range in
        let least = max(range.lowerBound, family.leastDimension)
        return least + Int(rng.next() % UInt64(range.upperBound - least + 1))
      }
      let draw = ProblemFamily.Draw(seed: seed, scale: scale, dimension: dimension)
      do {
        return Sample(family: family, draw: draw, problem: try family.problem(draw))
      } catch { failure = error }
    }
    throw failure ?? SuiteError.unsolvable(problem: "sample", reason: "no draw")
  }

  /// `count` problems from `seed`, the same every time.
  ///
  /// - Throws: as ``sample(using:)``.
  public func problems(seed: UInt64, count: Int) throws -> [SolvedProblem] {
    var rng = SplitMix64(seed: seed)
    return try (0..<count).map { _ in try sample(using: &rng).problem }
  }

  /// The simplest problem found on which `fails` is true; nil if it never is.
  ///
  /// - Parameter count: how many problems are drawn, unless one fails before.
  /// - Throws: as ``sample(using:)``, and what `fails` throws.
  public func smallest(
    seed: UInt64 = 1, count: Int = 100, failing fails: (SolvedProblem) throws -> Bool
  ) throws -> Sample? {
    var rng = SplitMix64(seed: seed)
    for _ in 0..<count {
      let sample = try sample(using: &rng)
      if try fails(sample.problem) { return try shrunk(sample, failing: fails) }
    }
    return nil
  }

  /// The simplest problem like `sample` on which `fails` stays true.
  ///
  /// Fewest unknowns first, in one or two of them from any family; then the plain scale, fewer rows,
  /// and numbers of few digits, each with its minimisers found anew.
  ///
  /// - Throws: what `fails` throws.
  public func shrunk(
    _ sample: Sample, failing fails: (SolvedProblem) throws -> Bool
  ) rethrows -> Sample {
    var best = sample
    for smaller in smaller(than: sample) {
      guard let problem = try? smaller.family.problem(smaller.draw), try fails(problem) else {
        continue
      }
      best = Sample(family: smaller.family, draw: smaller.draw, problem: problem)
      break
    }
    if best.draw.scale != 1, scales.contains(1) {
      var draw = best.draw
      draw.scale = 1
      if let plain = try? best.family.problem(draw), try fails(plain) {
        (best.draw, best.problem) = (draw, plain)
      }
    }
    guard var record = ProblemRecord(best.problem) else { return best }
    func accepts(_ other: ProblemRecord) throws -> Bool {
      guard other != record, let problem = try? other.solved(), try fails(problem) else {
        return false
      }
      (best.problem, record) = (problem, other)
      return true
    }
    for i in record.matrix.indices.reversed() where record.matrix.count > 1 {
      _ = try accepts(record.withoutRow(i))
    }
    for digits in 1...3 where try accepts(record.rounded(digits: digits)) { break }
    return best
  }

  /// Draws of fewer unknowns, the fewest first.
  private func smaller(
    than sample: Sample
  ) -> [(family: ProblemFamily, draw: ProblemFamily.Draw)] {
    let n = sample.problem.problem.dimension
    let least = dimensions?.lowerBound ?? 1
    guard least < n else { return [] }
    let others = families.filter { $0.name != sample.family.name }
    var seeds: [UInt64] = [sample.draw.seed]
    for seed in UInt64(1)...3 where seed != sample.draw.seed { seeds.append(seed) }
    let shared = sample.draw.scale == 1 ? [1] : [sample.draw.scale, 1].filter(scales.contains)
    return (least..<n).flatMap { n in
      ([sample.family] + (n <= 2 ? others : [])).filter { $0.leastDimension <= n }
        .flatMap { family in
          seeds.flatMap { seed in
            shared.map { scale in
              (family, ProblemFamily.Draw(seed: seed, scale: scale, dimension: n))
            }
          }
        }
    }
  }
}
