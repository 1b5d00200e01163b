/// Every experiment of the papers that a command runs; a new family needs a file and a line here.
public func allExperiments(_ published: PublishedCurves) -> [Experiment] {
  DescentExperiments(published: published).all
    + BaselineExperiments(published: published).all
    + RecurrentExperiments().all
    + [InferenceExperiment(published: published).experiment, ConsistencyExperiment().experiment]
}
