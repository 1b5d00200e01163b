import Catalog
import Engine
import Optimization

/// The hidden states that the authors' runs begin with: drawn anew for every training step, from the stream
/// that the weights came from.
struct DrawnStates {
  private let network: RecurrentNetwork
  private let coordinates: Int
  private var stream: ReferenceStream
  /// Training steps whose states have been drawn.
  private var drawn = 0

  /// States of `coordinates` coordinates, the first of which `stream` draws next.
  init(_ network: RecurrentNetwork, coordinates: Int, _ stream: ReferenceStream) {
    self.network = network
    self.coordinates = coordinates
    self.stream = stream
  }

  /// Puts the states of training step `step` among what a run carries; those of earlier ones are passed over
  /// and not to be had again.
  mutating func draw(for step: Int, into carry: inout [Carry]) {
    precondition(step >= drawn, "step \(step) after \(drawn)")
    while drawn <= step {
      carry[network.place(in: carry)] = network.carry(&stream, coordinates: coordinates)
      drawn += 1
    }
  }
}
