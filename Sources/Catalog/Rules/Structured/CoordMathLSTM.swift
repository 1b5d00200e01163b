public import Engine
public import Optimization

/// Math-L2O of paper B: scheme (18) with parts that an LSTM chooses, coordinate by coordinate.
public typealias CoordMathLSTM = StructuredScheme<RecurrentParts>

/// The learned parts of ``CoordMathLSTM``.
///
/// The LSTM sees (∇f(x), x), both behind a stop-gradient; o = ReLU(W h + b); every part is
/// scale · map(w·o + b). L2O-P learns p, L2O-PA p and a, L2O-PBA12 all five.
public struct RecurrentParts: SchemeParts {
  /// One of the five parts.
  public enum Part: String, Sendable, Hashable, CaseIterable {
    case p, b, b1, b2, a
  }

  /// How a part follows from the network's output.
  public struct Head: Sendable, Hashable {
    /// What turns the raw output into the part.
    public var map: OutputMap
    /// The factor on it, or its initial value where it is learned.
    public var scale: Double
    /// Whether the factor is a weight, `p_scale` for p.
    public var learnsScale: Bool

    /// Creates a head.
    public init(_ map: OutputMap = .twiceSigmoid, scale: Double = 1, learnsScale: Bool = false) {
      self.map = map
      self.scale = scale
      self.learnsScale = learnsScale
    }
  }

  /// What a rule looks like without its weights.
  public struct Architecture: Sendable, Hashable {
    /// The LSTM.
    public var network: RecurrentNetwork
    /// The parts in use; the others are 1 (p and b) or 0.
    public var heads: [Part: Head]
    /// Where a run's first state comes from.
    public var initialState: RecurrentNetwork.InitialState

    /// Creates an architecture.
    public init(
      network: RecurrentNetwork = RecurrentNetwork(), heads: [Part: Head],
      initialState: RecurrentNetwork.InitialState = .normal(scale: 1)
    ) {
      self.network = network
      self.heads = heads
      self.initialState = initialState
    }

    /// The parts of a variant's name: A, P, PA, PBA, PBA1, PBA2, PBA12; all heads alike.
    public static func variant(
      _ name: String, head: Head = Head(), network: RecurrentNetwork = RecurrentNetwork()
    ) -> Architecture? {
      let parts: [String: [Part]] = [
        "A": [.a], "P": [.p], "PA": [.p, .a], "PBA": [.p, .b, .a], "PBA1": [.p, .b, .a, .b1],
        "PBA2": [.p, .b, .a, .b2], "PBA12": [.p, .b, .a, .b1, .b2],
      ]
      return parts[name].map { parts in
        Architecture(
          network: network,
          heads: Dictionary(
            uniqueKeysWithValues: parts.map { part in
              // Biases may have either sign.
              let isBias = part == .b1 || part == .b2
              return (part, isBias ? Head(.identity, scale: head.scale) : head)
            }))
      }
    }

    /// The baseline "Math-L2O" of paper A's code.
    ///
    /// Beside `heads`, the parts b, b₁ and b₂ are on with identity maps and learned scales, since
    /// the script leaves their defaults in place. The published comparison is with this rule and not
    /// with paper B's.
    public static func paperABaseline(
      _ heads: [Part: Head], network: RecurrentNetwork = RecurrentNetwork()
    ) -> Architecture {
      let extra = Head(.identity, scale: 1, learnsScale: true)
      return Architecture(
        network: network,
        heads: heads.merging([.b: extra, .b1: extra, .b2: extra]) { own, _ in own })
    }

    /// As the reference code computes it: the map of b serves b₁ and b₂ as well, whatever theirs
    /// is declared to be, so biases lie in (0, 2) instead of being small.
    public var asReference: Architecture {
      var result = self
      let map = heads[.b]?.map ?? heads[.b1]?.map ?? .twiceSigmoid
      for part in [Part.b1, .b2] where heads[part] != nil { result.heads[part]?.map = map }
      return result
    }

    var linear: Dense {
      Dense(name: "linear", inputs: network.hidden, outputs: network.hidden)
    }

    func head(_ part: Part) -> Dense {
      Dense(name: "linear_\(part.rawValue)", inputs: network.hidden, outputs: 1)
    }

    /// Names and shapes of the weights, as PyTorch has them: all five heads, in use or not.
    public var weights: [(name: String, shape: [Int])] {
      network.weights + linear.weights + Part.allCases.flatMap { head($0).weights }
        + learnedScales.map { ("\($0.rawValue)_scale", []) }
    }

    var learnedScales: [Part] { Part.allCases.filter { heads[$0]?.learnsScale == true } }

    /// PyTorch's initial weights for `seed`, in the reference code's order of modules.
    public func initialParameters(seed: UInt64) -> Parameters {
      var stream = ReferenceStream(seed: seed)
      return initialParameters(&stream)
    }

    /// The next weights of PyTorch's `stream`, in the reference code's order of modules.
    public func initialParameters(_ stream: inout ReferenceStream) -> Parameters {
      var entries = network.draw(&stream) + linear.draw(&stream)
      for part in Part.allCases { entries += head(part).draw(&stream) }
      for part in learnedScales {
        entries.append(("\(part.rawValue)_scale", Tensor(heads[part]?.scale ?? 1)))
      }
      return Parameters(entries)
    }
  }

  public let name = "CoordMathLSTM"
  /// Network and heads.
  public let architecture: Architecture
  public var parameters: Parameters

  /// Creates parts with the given weights; others in `parameters` are left out.
  ///
  /// - Throws: ``RuleError`` when a weight is missing or has the wrong shape.
  public init(_ architecture: Architecture, parameters: Parameters) throws(RuleError) {
    self.architecture = architecture
    self.parameters = try parameters.picked(architecture.weights)
  }

  public func initialCarry(for problem: any Problem, seed: UInt64) -> [Carry] {
    [architecture.network.carry(architecture.initialState, for: problem, seed: seed)]
  }

  public func choose(
    at point: Traced, gradient: Traced, carry: [Traced], _ context: FormulaContext
  ) -> (step: SchemeStep, carry: [Traced]) {
    let n = point.rows * point.columns
    let features = Traced.stack([gradient.reshaped(1, n), point.reshaped(1, n)]).stopped
    let network = architecture.network
    let state = network.step(features, carry[0], context)
    let o = architecture.linear(network.output(state), context).relu
    func part(_ part: Part) -> Traced? {
      guard let head = architecture.heads[part] else {
        if context.isObserved {
          context.observe("raw_\(part)", architecture.head(part)(o, context))
        }
        return nil
      }
      let raw = architecture.head(part)(o, context)
      context.observe("raw_\(part)", raw)
      let value = raw.mapped(by: head.map).reshaped(point.rows, point.columns)
      if head.learnsScale { return context["\(part.rawValue)_scale"] * value }
      return head.scale == 1 ? value : head.scale * value
    }
    let p = part(.p).map { $0 * context.stepSizes } ?? context.stepSizes
    let step = SchemeStep(
      step: p, mixing: part(.b), momentum: part(.a), innerBias: part(.b1), outerBias: part(.b2))
    return (step, [state])
  }
}
