public import Catalog
public import Foundation

/// Every experiment of the papers that a command runs; a new family needs a file and a line here.
///
/// - Parameters:
///   - trained: the folder with trained rules, `Fixtures/Trained`.
///   - network: the network on 200 images, for the experiment that needs it.
public func allExperiments(
  _ published: PublishedCurves, trained: URL, network: MnistCNN? = nil
) -> [Experiment] {
  DescentExperiments(published: published).all
    + BaselineExperiments(published: published).all
    + RecurrentExperiments().all
    + [
      InferenceExperiment(published: published).experiment, ConsistencyExperiment().experiment,
      TransferExperiment(trained: trained).experiment,
      LongHorizonExperiment(trained: trained).experiment,
      LargeLassoExperiment(trained: trained).experiment,
      NetworkExperiment(published: published, network: network).experiment,
    ]
}
