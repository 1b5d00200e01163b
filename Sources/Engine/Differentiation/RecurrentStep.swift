extension Traced {
  /// One step of a stacked LSTM, feature-major, in PyTorch's gate order i, f, g, o.
  ///
  /// - Parameters:
  ///   - input: F x n.
  ///   - state: h of all L layers over c of all layers, 2 L H x n.
  ///   - weights: W_ih (4H x F or H), W_hh (4H x H), b_ih, b_hh (4H x 1) of every layer in turn.
  ///   - hidden: H.
  /// - Returns: the next state, 2 L H x n.
  public static func recurrentStep(
    _ input: Traced, _ state: Traced, weights: [Traced], hidden: Int
  ) -> Traced {
    let layers = weights.count / 4
    precondition(
      state.rows == 2 * layers * hidden && state.columns == input.columns,
      "state of \(state.rows) x \(state.columns) for \(layers) layers of \(hidden)")
    return input.tape.record(
      FusedRecurrentStep(hidden: hidden, layers: layers), [input, state] + weights,
      rows: state.rows, columns: state.columns)
  }

  /// The same from elementary operations: the oracle of the fused one.
  static func composedRecurrentStep(
    _ input: Traced, _ state: Traced, weights: [Traced], hidden: Int
  ) -> Traced {
    let layers = weights.count / 4
    var below = input
    var (outputs, cells): ([Traced], [Traced]) = ([], [])
    for layer in 0..<layers {
      let w = weights[(4 * layer)..<(4 * layer + 4)].map { $0 }
      let h = state.rows((layer * hidden)..<((layer + 1) * hidden))
      let c = state.rows(((layers + layer) * hidden)..<((layers + layer + 1) * hidden))
      let a = w[0].times(below) + w[2] + (w[1].times(h) + w[3])
      func gate(_ k: Int) -> Traced { a.rows((k * hidden)..<((k + 1) * hidden)) }
      let cell = gate(1).sigmoid * c + gate(0).sigmoid * gate(2).tanh
      let output = gate(3).sigmoid * cell.tanh
      outputs.append(output)
      cells.append(cell)
      below = output
    }
    return stack(outputs + cells)
  }
}
