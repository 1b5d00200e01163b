/// What the layers of an unfolded iteration do to residuals r_t = y - M x_t, and what F says of the layers.
///
/// The W_t of all layers lie behind each other, d x b each.
protocol LayerResiduals: AnyObject {
  /// r_{t+1} from r_t for the t in `layers`.
  func forward(_ layers: Range<Int>, _ weights: UnsafePointer<Double>)
  /// F(x_layer).
  func loss(_ layer: Int) -> Double
  /// What `forward` does for the t in `moved`, then ∂F(x_l)/∂W_t, d x b each and behind each other, for the t
  /// in `layers`; the last of either leads to x_l.
  func gradients(
    _ layers: Range<Int>, moved: Range<Int>, _ weights: UnsafePointer<Double>,
    into gradients: UnsafeMutablePointer<Double>)
  /// Takes note of a W_t that has changed.
  func renew(_ t: Int, _ weights: UnsafePointer<Double>)
}
