public import Catalog
public import Foundation

/// Every experiment of the papers that a command runs; a new family needs a file and a line here.
///
/// - Parameters:
///   - trained: the folder with trained rules, `Fixtures/Trained`.
///   - network: the network on 200 images, for the experiment that needs it.
///   - patches: image patches, for the experiment that needs them.
///   - tables: real logistic regressions by name, for the experiments that need them.
public func allExperiments(
  _ published: PublishedCurves, trained: URL, network: MnistCNN? = nil, patches: Lasso? = nil,
  tables: [String: LogisticL1] = [:]
) -> [Experiment] {
  DescentExperiments(published: published).all
    + BaselineExperiments(published: published).all
    + AblationExperiment(trained: trained, patches: patches).all
    + [AdaptiveLISTAExperiment(trained: trained).experiment]
    + LogisticExperiments(trained: trained, tables: tables).all
    + UnrolledExperiment(published: published).all
    + [ScriptExperiment().experiment, ScriptInferenceExperiment().experiment]
    + InferenceExperiment(published: published).all
    + [
      LargeBatchExperiment(published: published).experiment
    ] + SeparateLayersExperiment(published: published).all + [
      BiasExperiment().experiment,
      ConsistencyExperiment().experiment,
      TransferExperiment(trained: trained).experiment,
      LongHorizonExperiment(trained: trained).experiment,
      LargeLassoExperiment(trained: trained).experiment,
      NetworkExperiment(published: published, network: network).experiment,
    ]
}
