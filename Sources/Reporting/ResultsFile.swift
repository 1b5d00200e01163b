import Checks
import Experiments
import Foundation
import Optimization

/// `results.json`: everything that a report prints, with all digits.
///
/// Its keys are described in the article <doc:results-json>.
struct ResultsFile: Sendable, Encodable {
  /// Version of the format.
  static let schema = 1

  let schema = ResultsFile.schema
  let report: String
  let command: String
  let seed: UInt64
  let study: Study
  let summary: Summary
  let claims: [Finding]
  let figures: [Figure]
  let descentValues: [Descent]
  let constantSteps: [ConstantStep]
  let theorem: [Theorem]
  let widths: [Width]
  let reproducibility: [ReproducibilitySection.Entry]
  let machine: Machine

  init(_ results: ConvergenceResults, record: RunRecord, report: String) {
    self.report = report
    command = results.study.command
    seed = results.study.seed
    study = Study(results.study)
    summary = Summary(results)
    claims = results.checks.map(Finding.init)
    figures = results.figures.map(Figure.init)
    descentValues = results.descentValues.map(Descent.init)
    constantSteps = results.constantSteps.map(ConstantStep.init)
    theorem = results.theorem.map(Theorem.init)
    widths = results.widths.map(Width.init)
    reproducibility = ReproducibilitySection.card(results)
    machine = Machine(
      record: record,
      seconds: results.seconds.map { Stage(stage: $0.stage, seconds: $0.seconds) })
  }

  struct Study: Encodable {
    let steps, theorySteps, instances, rows, columns, width, runCount: Int
    let problemSeed: UInt64

    init(_ study: StudyDescription) {
      steps = study.steps
      theorySteps = study.theorySteps
      instances = study.instances
      rows = study.rows
      columns = study.columns
      width = study.width
      runCount = study.runCount
      problemSeed = study.seed + 777
    }
  }

  struct Summary: Encodable {
    let curves, settings, within, insideBand, near, differs, banded: Int
    let tolerance, looseTolerance, sensitivity: Double
    let largestWithin: Double
    let descentError: Double?
    let draws: [Draw]
    let verdicts: [ClaimCount]
    let answers: [String]

    init(_ results: ConvergenceResults) {
      let found = Findings(results)
      (curves, settings, banded) = (found.curves, found.settings, found.banded)
      (within, insideBand, near, differs) = (
        found.within, found.insideBand, found.near, found.different
      )
      tolerance = CurveComparison.tolerance
      looseTolerance = CurveComparison.looseTolerance
      sensitivity = CurveComparison.sensitivity
      largestWithin = found.largestWithin
      descentError = found.descentError
      draws = found.draws.map { Draw(draw: $0.name, curves: $0.count) }
      verdicts = found.claims.map(ClaimCount.init)
      answers = SummarySection.answers(results)
    }
  }

  struct Draw: Encodable {
    let draw: String
    let curves: Int
  }

  struct ClaimCount: Encodable {
    let id: String
    let holds, holdsVacuously, premiseFails, violated, inconclusive, notApplicable: Int

    init(_ claim: ClaimSummary) {
      id = claim.claim.id
      holds = claim.count(.holds)
      holdsVacuously = claim.count(.holdsVacuously)
      premiseFails = claim.count(.premiseFails)
      violated = claim.count(.violated)
      inconclusive = claim.count(.inconclusive)
      notApplicable = claim.count(.notApplicable)
    }
  }

  struct Finding: Encodable {
    let id, title, source, subject, verdict, reason: String
    let qualifier: String?
    let premises: Premises
    let numbers: [String: Double]
    let evidence: [Evidence]
    let seed: UInt64?
    let replay: String?

    init(_ result: CheckResult) {
      id = result.claim.id
      title = result.claim.title
      source = result.claim.source
      subject = result.subject
      verdict = result.verdict.name
      reason = result.reason
      qualifier = result.qualifier
      premises = Premises(result.premises)
      numbers = result.numbers
      evidence = result.evidence
      seed = result.seed
      replay = result.replay
    }
  }

  struct Premises: Encodable {
    let met, notMet, unknown: [Statement]

    init(_ premises: [Premise]) {
      func own(_ status: Premise.Status) -> [Statement] {
        premises.filter { $0.status == status }
          .map { Statement(statement: $0.statement, evidence: $0.evidence) }
      }
      (met, notMet, unknown) = (own(.met), own(.notMet), own(.unknown))
    }
  }

  struct Statement: Encodable {
    let statement, evidence: String
  }

  struct Figure: Encodable {
    let name, plot: String
    let paperFigure: String?
    let curves: [Curve]
    let replay: String

    init(_ comparison: FigureComparison) {
      name = comparison.figure.name
      plot = comparison.figure.plot
      paperFigure = comparison.figure.paperFigure
      curves = comparison.curves.map(Curve.init)
      replay = "optcheck report --only \(comparison.figure.name)"
    }
  }

  struct Curve: Encodable {
    let label: String
    let setting: Setting
    let steps: [Int]
    let ours, published: [Double]
    let band: Edges?
    let probeDeviation, largestDifference: Double
    let worstStep: Int
    let draw, agreement, stop, replay: String
    let otherDraw: OtherDraw?

    init(_ curve: CurveComparison) {
      label = curve.label
      setting = Setting(curve.run.setting)
      steps = curve.steps
      let ratios = curve.run.ratios
      ours = curve.steps.map { $0 < ratios.count ? ratios[$0] : .nan }
      published = curve.published
      band = curve.band.map { band in
        func at(_ edge: [Double]) -> [Double] {
          curve.steps.map { $0 < edge.count ? edge[$0] : .nan }
        }
        return Edges(low: at(band.low), high: at(band.high))
      }
      probeDeviation = curve.probeDeviation
      largestDifference = curve.largestDifference
      worstStep = curve.worstStep
      draw = curve.drawName
      agreement = curve.agreement.key
      stop =
        switch curve.run.stop {
        case .horizonReached: "finished"
        case .nonFinite(let step): "not finite at step \(step)"
        }
      otherDraw = curve.otherDrawName.flatMap { name in
        curve.otherDraw.map { OtherDraw(draw: name, difference: $0.difference) }
      }
      replay = curve.run.setting.command
    }
  }

  struct Edges: Encodable {
    let low, high: [Double]
  }

  struct OtherDraw: Encodable {
    let draw: String
    let difference: Double
  }

  struct Setting: Encodable {
    let instances, rows, columns, width, horizon, steps: Int
    let scale, metaStepSize: Double
    let stepRule: String
    let seed, problemSeed: UInt64

    init(_ setting: TrainingSetting) {
      (instances, rows, columns) = (setting.instances, setting.rows, setting.columns)
      (width, horizon, steps) = (setting.width, setting.horizon, setting.steps)
      (scale, metaStepSize) = (setting.scale, setting.metaStepSize)
      stepRule = setting.stepRule.name
      (seed, problemSeed) = (setting.seed, setting.problemSeed)
    }
  }

  struct Descent: Encodable {
    let horizon: Int
    let value, published, theoryStep: Double

    init(_ row: DescentValue) {
      horizon = row.horizon
      (value, published, theoryStep) = (row.value, row.published, row.theoryStep)
    }
  }

  struct ConstantStep: Encodable {
    let horizon: Int
    let factor, ratio: Double
    let published, bestLearned: Double?

    init(_ row: ConstantStepRow) {
      horizon = row.horizon
      (factor, ratio) = (row.factor, row.ratio)
      (published, bestLearned) = (row.published, row.bestLearned)
    }
  }

  struct Theorem: Encodable {
    let run, stepRule, verdict, replay: String
    let horizon, rank, neededRank: Int
    let scale, metaStepSize, alpha, deadFraction, boundLogGap, measuredLogGap, lossRatio: Double
    let slack: Double?

    init(_ row: TheoremRow) {
      (run, stepRule, verdict, replay) = (row.run, row.stepRule, row.verdict.name, row.replay)
      (horizon, rank, neededRank) = (row.horizon, row.rank, row.neededRank)
      (scale, metaStepSize, alpha) = (row.scale, row.metaStepSize, row.alpha)
      deadFraction = row.deadFraction
      (boundLogGap, measuredLogGap) = (row.boundLogGap, row.measuredLogGap)
      lossRatio = row.lossRatio
      slack = row.slack
    }
  }

  struct Width: Encodable {
    let width, neededWidth, rank: Int
    let largestSingularValue, alpha: Double
    let steps: [Int]
    let ratios: [Double]

    init(_ row: WidthRow) {
      (width, neededWidth, rank) = (row.width, row.neededWidth, row.rank)
      (largestSingularValue, alpha) = (row.largestSingularValue, row.alpha)
      (steps, ratios) = (row.steps, row.ratios)
    }
  }

  struct Machine: Encodable {
    let record: RunRecord
    let seconds: [Stage]
  }

  struct Stage: Encodable {
    let stage: String
    let seconds: Double
  }
}
