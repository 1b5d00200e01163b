import Foundation
import OptCheck

/// Doubles of every kind: any bits, so NaN with payloads, infinities, subnormals, both zeros too.
private func wildDouble(_ rng: inout SplitMix64) -> Double {
  switch rng.pick(7) {
  case 0: Double(nan: rng.next() >> 14, signaling: false)
  case 1: [0, -0.0, .infinity, -.infinity, .nan, .leastNonzeroMagnitude][rng.pick(6)]
  case 2: Double(bitPattern: rng.next())
  default: rng.normal() * pow(10, 20 * rng.normal())
  }
}

private func wildName(_ rng: inout SplitMix64) -> String {
  let characters = Array("abzAZ09._-/\\\"'{}[]:, \t\u{1}é✓🧮")
  return String((0..<Int.random(in: 1...12, using: &rng)).map { _ in characters[rng.pick(25)] })
}

extension SplitMix64 {
  /// A number in 0 ..< count.
  mutating func pick(_ count: Int) -> Int { Int.random(in: 0..<count, using: &self) }
}

private typealias Pairs = @Sendable (Safetensors) throws -> Safetensors

private let weightsFile = Law(
  "weights-through-a-file", purpose: "a resumed or published run has the very same weights",
  of: { try Safetensors(decoding: $0.encoded(), path: "file") } as Pairs,
  mutants: [
    "single precision": { file in
      file.mapping { Double(Float($0)) }
    },
    "-0 becomes 0": { file in file.mapping { $0 == 0 ? 0 : $0 } },
    "a NaN loses its payload": { file in file.mapping { $0.isNaN ? .nan : $0 } },
    "metadata are dropped": { Safetensors($0.tensors) },
  ],
  cases: 1500,
  generate: { rng -> Safetensors in
    var file = Safetensors()
    for _ in 0..<rng.pick(5) {
      let shape = (0..<rng.pick(4)).map { _ in rng.pick(4) }
      let count = shape.reduce(1, *)
      file[wildName(&rng)] = Tensor(
        shape: shape, elements: (0..<count).map { _ in wildDouble(&rng) })
    }
    for _ in 0..<rng.pick(3) { file.metadata[wildName(&rng)] = wildName(&rng) }
    return file
  },
  violation: { roundTrip, file in
    let back = try roundTrip(file)
    guard back.names == file.names else { return "names \(back.names), were \(file.names)" }
    guard back.metadata == file.metadata else { return "metadata \(back.metadata)" }
    for name in file.names {
      guard let (ours, theirs) = back[name].flatMap({ a in file[name].map { (a, $0) } }),
        ours.shape == theirs.shape
      else { return "\(name): shapes differ" }
      for (a, b) in zip(ours.elements, theirs.elements) where a.bitPattern != b.bitPattern {
        return "\(name): \(a) was \(b)"
      }
    }
    return back.encoded() == file.encoded() ? nil : "equal contents, unequal bytes"
  })

extension Safetensors {
  /// The same with every entry changed.
  fileprivate func mapping(_ change: (Double) -> Double) -> Safetensors {
    Safetensors(
      tensors.mapValues { Tensor(shape: $0.shape, elements: $0.elements.map(change)) },
      metadata: metadata)
  }
}

private let canonicalJSON = Law(
  "canonical-json", purpose: "same results, same bytes: reports can be compared with diff",
  of: { JSONFile.encoded($0) } as @Sendable (CheckResult) -> Data,
  mutants: [
    "fifteen digits": { result in
      var rounded = result
      rounded.numbers = result.numbers.mapValues { Double(String(format: "%.14e", $0)) ?? $0 }
      return JSONFile.encoded(rounded)
    },
    "keys as the dictionary has them": { result in
      let encoder = JSONEncoder()
      encoder.nonConformingFloatEncodingStrategy = .convertToString(
        positiveInfinity: "Infinity", negativeInfinity: "-Infinity", nan: "NaN")
      return (try? encoder.encode(result)) ?? Data()
    },
  ],
  cases: 1500,
  generate: { rng -> CheckResult in
    let verdicts: [Verdict] = [.holds, .violated, .premiseFails, .inconclusive]
    var result = CheckResult(
      claim: Claim(id: wildName(&rng), title: wildName(&rng), source: wildName(&rng)),
      subject: wildName(&rng), verdict: verdicts[rng.pick(4)], reason: wildName(&rng),
      seed: rng.pick(2) == 0 ? nil : rng.next())
    for _ in 0..<rng.pick(6) { result.numbers[wildName(&rng)] = wildDouble(&rng) }
    for _ in 0..<rng.pick(3) {
      result.evidence.append(
        Evidence(
          wildName(&rng), actual: wildDouble(&rng), reference: wildDouble(&rng),
          allowed: wildDouble(&rng)))
    }
    return result
  },
  violation: { encode, result in
    let data = encode(result)
    let back = try JSONFile.decode(CheckResult.self, from: data, path: "file")
    for (name, value) in result.numbers {
      let found = back.numbers[name]
      // JSON has one NaN; everything else comes back bit for bit.
      guard let found, found.bitPattern == value.bitPattern || (found.isNaN && value.isNaN) else {
        return "\(name) is \(String(describing: found)), was \(value)"
      }
    }
    guard back.claim == result.claim, back.seed == result.seed, back.reason == result.reason else {
      return "texts or seed: \(back)"
    }
    return JSONFile.encoded(back) == data ? nil : "decoded and encoded again, other bytes"
  })

let storageLaws = [weightsFile, canonicalJSON]
