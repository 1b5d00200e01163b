public import Foundation

/// Every experiment of the papers that a command runs; a new family needs a file and a line here.
///
/// - Parameter trained: the folder with trained rules, `Fixtures/Trained`.
public func allExperiments(_ published: PublishedCurves, trained: URL) -> [Experiment] {
  DescentExperiments(published: published).all
    + BaselineExperiments(published: published).all
    + RecurrentExperiments().all
    + [
      InferenceExperiment(published: published).experiment, ConsistencyExperiment().experiment,
      TransferExperiment(trained: trained).experiment,
      LongHorizonExperiment(trained: trained).experiment,
      LargeLassoExperiment(trained: trained).experiment,
    ]
}
