import Foundation
import OptCheck
import TestSupport
import Testing

@testable import Experiments

/// Rules by name, with what stands after it.
@Suite struct Candidates {
  private struct Own: UpdateRule {
    let name = "own"
    func initialState<P: Problem>(for problem: P) -> Int { 1 }
    func step<P: Problem>(_ x: inout Vector, _ k: inout Int, on problem: P) {}
  }

  private func message(_ text: String) -> String {
    do {
      let found = try CandidateCatalog.candidate(
        text, trained: Fixtures.trained, others: [Own()])
      return "found \(found.name)"
    } catch { return "\(error)" }
  }

  /// What a rule does not take is refused, not ignored.
  @Test(arguments: [
    ("fista@x.safetensors", "weights of fista"), ("gradient-descent:0.5@x", "weights of"),
    ("own@x", "weights of own"), ("own:2", "option of own"), ("fista:2", "option of fista"),
    ("gradient-descent:half", "a number"), ("fist", "proximal-gradient"),
  ])
  func whatIsNotTakenIsRefused(_ text: String, _ culprit: String) {
    let message = message(text)
    #expect(!message.hasPrefix("found") && message.contains(culprit), "\(message)")
  }

  /// A file that is missing is named as it was asked for; a name stands for one of the package.
  @Test(arguments: [
    ("RNNprop@/nowhere/x.safetensors", " /nowhere/x.safetensors:"),
    ("CoordMathLSTM@/nowhere/x", " /nowhere/x.json:"),
    ("RNNprop@x.safetensors", "\(FileManager.default.currentDirectoryPath)/x.safetensors:"),
    ("RNNprop@x", "\(Fixtures.trained.path)/x.safetensors:"),
  ])
  func whatIsMissingIsNamed(_ text: String, _ file: String) {
    #expect(message(text).contains(file), "\(message(text))")
  }

  @Test func namesAndPathsLeadToTheSameWeights() throws {
    let name = try #require(TrainedRule.all(in: Fixtures.trained).first?.name)
    let path = Fixtures.trained.appendingPathComponent(name).path
    let found = message("CoordMathLSTM@\(name)")
    #expect(found.hasPrefix("found CoordMathLSTM") && found.hasSuffix("@\(name)"))
    #expect(message("CoordMathLSTM@\(path)") == found)
    #expect(message("CoordMathLSTM@\(path).safetensors") == found)
    #expect(message("own") == "found own" && message("gradient-descent:0.5").hasPrefix("found"))
  }
}
