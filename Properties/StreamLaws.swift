import OptCheck

private let normalPrefix = Law(
  "normal-prefix",
  purpose: "from 16 draws on, in whole blocks, a longer draw of the authors' stream begins alike",
  of: { seed, count in
    var stream = ReferenceStream(seed: seed)
    return stream.normal(count: count)
  } as @Sendable (UInt64, Int) -> [Double],
  mutants: [
    "Box and Muller over the halves of the whole draw": { seed, count in
      var stream = ReferenceStream(seed: seed)
      let block = stream.normal(count: count)
      return (0..<count).map { block[$0 % 2 == 0 ? $0 / 2 : count / 2 + $0 / 2] }
    },
    "a ragged tail": { seed, count in
      var stream = ReferenceStream(seed: seed)
      return Array(stream.normal(count: count + 1).prefix(count))
    },
  ],
  cases: 1000,
  generate: { rng in
    let short = 16 * Int.random(in: 1...8, using: &rng)
    return (seed: rng.next(), short: short, long: short + 16 * Int.random(in: 0...8, using: &rng))
  },
  violation: { draw, input in
    let (short, long) = (draw(input.seed, input.short), draw(input.seed, input.long))
    let place = short.indices.first { short[$0].bitPattern != long[$0].bitPattern }
    return place.map {
      "draw \($0) of \(input.short) is \(short[$0]), of \(input.long) \(long[$0])"
    }
  })

private let derivedStreams = Law(
  "derived-streams", purpose: "work spread over threads draws what it draws alone",
  of: { rng, index in rng.derived(index) } as @Sendable (SplitMix64, Int) -> SplitMix64,
  mutants: [
    "neighbours are one stream, a step apart": { rng, index in
      var next = rng
      for _ in 0..<index { _ = next.next() }
      return next
    },
    "the index is lost": { rng, _ in rng.derived(0) },
  ],
  cases: 1000,
  generate: { rng in (SplitMix64(seed: rng.next()), Int.random(in: 0...20, using: &rng)) },
  violation: { derive, input in
    let (rng, index) = input
    func words(_ index: Int) -> [UInt64] {
      var stream = derive(rng, index)
      return (0..<16).map { _ in stream.next() }
    }
    // 2 x 16 words of 64 bits meet by chance once in 1e17 cases.
    let both = Set(words(index) + words(index + 1))
    return both.count == 32
      ? nil : "streams \(index) and \(index + 1) share \(32 - both.count) words"
  })

let streamLaws = [normalPrefix, derivedStreams]
