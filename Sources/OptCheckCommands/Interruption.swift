@preconcurrency import Dispatch
import Foundation
import Synchronization

/// Turns the first SIGINT or SIGTERM into a request to finish; the second ends the process.
final class Interruption: Sendable {
  private let isRequestedFlag = Atomic(false)
  private let sources: [any DispatchSourceSignal]

  /// Starts listening.
  init() {
    // A queue of its own has a thread at once, where the shared ones wait while all cores compute.
    let queue = DispatchQueue(label: "interruption")
    sources = [SIGINT, SIGTERM].map { number in
      signal(number, SIG_IGN)
      return DispatchSource.makeSignalSource(signal: number, queue: queue)
    }
    for source in sources {
      source.setEventHandler { [weak self] in
        guard let self else { return }
        if isRequestedFlag.exchange(true, ordering: .relaxed) {
          _exit(ExitStatus.interrupted.rawValue)
        }
      }
      source.resume()
    }
  }

  /// Whether somebody asked for the end.
  var isRequested: Bool { isRequestedFlag.load(ordering: .relaxed) }
}
