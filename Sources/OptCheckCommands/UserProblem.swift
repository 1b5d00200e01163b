import Datasets
import Foundation
import OptCheck

/// A problem of the user's, with its minimum.
enum UserProblem {
  /// The instances of the file, each by itself.
  ///
  /// - Throws: what the file's reader throws; ``UsageError`` where no minimum can be certified.
  static func solved(
    _ file: URL, as kind: ProblemFile.Kind, rho: Double?
  ) throws -> [SolvedProblem] {
    try instances(try ProblemFile.read(file, as: kind, rho: rho))
  }

  private static func instances<P: CertifiableProblem>(_ problem: P) throws -> [SolvedProblem] {
    let minima = try problem.certifiedMinima()
    return try minima.indices.map { i in
      let part = problem.instances(i..<(i + 1))
      guard minima[i].isCertified else {
        throw UsageError("instance \(i): the minimum has a gap of \(minima[i].gap)")
      }
      var solved = SolvedProblem(
        name: problem.instanceCount == 1 ? problem.name : "\(problem.name)-\(i)", problem: part,
        kind: part.regularizer is NoRegularizer ? .smooth : .composite,
        minimumValue: minima[i].value, minimisers: [minima[i].point], projection: nil, residual: 0,
        certificate: "duality gap \(minima[i].gap)")
      solved.residual = solved.stationarity(at: minima[i].point)
      return solved
    }
  }
}
