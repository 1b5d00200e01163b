public import Engine
import Foundation

/// T5: the tangent kernel H = M J Jᵀ Mᵀ is what moves the residual r_T of a training run.
///
/// Four identities: ∇F = Jᵀ Mᵀ r_T with ∇F from backpropagation; u·(J v) = (Jᵀ u)·v; the two small
/// forms E Eᵀ and Eᵀ E have the same eigenvalues; and as η → 0 the first training step gains
/// η ‖∇F‖² and moves r_T by -η H r_T. Numbers: `gradientDefect`, `adjointDefect`, `formDefect` (each
/// relative), `decreaseRatio` ((F(W^0) - F(W^1)) / (η ‖∇F‖²), extrapolated), `decreaseBar`,
/// `moveDefect` (of the extrapolated -(r - r')/η, over ‖H r‖), `moveBar`, `gradientNorm`.
public struct TangentKernelCheck: Check {
  /// A training run's first step beside what the kernel says of it.
  public struct Subject: Sendable {
    /// Rule, problem and setting.
    public var label: String
    /// ∇F(W^0) by backpropagation, all weights.
    public var gradient: Vector
    /// Jᵀ Mᵀ r_T, in the same order.
    public var kernelGradient: Vector
    /// u·(J v), (Jᵀ u)·v and ‖J v‖ ‖u‖ for some u and v.
    public var adjoints: [Adjoint]
    /// The eigenvalues of E Eᵀ, largest first.
    public var eigenvalues: [Double]
    /// Those of Eᵀ E, largest first; the shorter list is as if filled up with zeros.
    public var smallForm: [Double]
    /// r_T at W^0, Nb entries.
    public var residual: Vector
    /// H r_T.
    public var kernelMove: Vector
    /// First steps with a step size η, η/4, η/16 and so on.
    public var firstSteps: [FirstStep]
    /// The rounding to expect in the norm of a residual.
    public var residualRounding: Double

    /// One inner product both ways.
    public struct Adjoint: Sendable, Hashable {
      /// u·(J v).
      public var direct: Double
      /// (Jᵀ u)·v.
      public var adjoint: Double
      /// ‖J v‖ ‖u‖.
      public var size: Double

      /// Creates a pair.
      public init(direct: Double, adjoint: Double, size: Double) {
        self.direct = direct
        self.adjoint = adjoint
        self.size = size
      }
    }

    /// The residual after one training step.
    public struct FirstStep: Sendable, Hashable {
      /// η.
      public var stepSize: Double
      /// r_T at W^1 = W^0 - η ∇F.
      public var residual: Vector

      /// Creates a step.
      public init(stepSize: Double, residual: Vector) {
        self.stepSize = stepSize
        self.residual = residual
      }
    }

    /// Creates a subject.
    public init(
      label: String, gradient: Vector, kernelGradient: Vector, adjoints: [Adjoint],
      eigenvalues: [Double], smallForm: [Double], residual: Vector, kernelMove: Vector,
      firstSteps: [FirstStep], residualRounding: Double
    ) {
      precondition(
        gradient.count == kernelGradient.count && residual.count == kernelMove.count,
        "gradients of \(gradient.count) and \(kernelGradient.count) weights")
      precondition(
        firstSteps.count >= 3
          && zip(firstSteps, firstSteps.dropFirst()).allSatisfy { $1.stepSize == $0.stepSize / 4 },
        "three step sizes at least, each a quarter of the one before")
      self.label = label
      self.gradient = gradient
      self.kernelGradient = kernelGradient
      self.adjoints = adjoints
      self.eigenvalues = eigenvalues
      self.smallForm = smallForm
      self.residual = residual
      self.kernelMove = kernelMove
      self.firstSteps = firstSteps
      self.residualRounding = residualRounding
    }
  }

  public let claim = Claim(
    id: "T5", title: "the tangent kernel H = M J Jᵀ Mᵀ gives the gradient and the first step",
    source: "derived: chain rule")

  public let equation =
    "∇F = Jᵀ Mᵀ r_T; u·(J v) = (Jᵀ u)·v; (F(W^0) - F(W^1)) / η → ‖∇F‖², (r - r') / η → H r"

  public let tolerance =
    "1e-12 of the largest entry, or of ‖J v‖ ‖u‖; the first step to its extrapolation in η: the change "
    + "by the last refinement, and rounding of r over η"

  public let blindSpots =
    "network inputs are constants in J; away from W_L = 0 that is another derivative than F's own"

  /// Creates the check.
  public init() {}

  /// What 1e-12 of the largest entry means for every identity.
  static let relative = 1e-12

  /// The error, relative to λ_max, up to which an eigenvalue by Lanczos can be compared so.
  public static let resolved = 2e-13

  public func run(_ subject: Subject) -> CheckResult {
    var result = CheckResult(
      claim: claim, subject: subject.label, verdict: .inconclusive, reason: "",
      premises: [
        Premise(
          "r_T and ∇F are finite and not 0",
          met: subject.residual.isFinite && subject.gradient.isFinite
            && subject.gradient.norm > 0,
          "‖∇F‖ = \(subject.gradient.norm.brief)")
      ], numbers: ["gradientNorm": subject.gradient.norm])
    compareGradients(subject, &result)
    compareForms(subject, &result)
    compareFirstSteps(subject, &result)
    let wrong = result.evidence.filter { !($0.excess <= 1) }
    result.evidence = wrong.worst()
    result.verdict = .decide(result.premises, wrong.isEmpty ? .isTrue(slack: nil) : .isFalse)
    let worst = wrong.worst(1).first.map { "\($0.path): \($0.actual) against \($0.reference); " }
    let numbers = result.numbers
    result.reason = result.premises.explain(
      (worst ?? "")
        + "gradient to \((numbers["gradientDefect"] ?? .nan).brief), adjoint to "
        + "\((numbers["adjointDefect"] ?? .nan).brief), forms to "
        + "\((numbers["formDefect"] ?? .nan).brief); first step gains "
        + "\((numbers["decreaseRatio"] ?? .nan).precise) ± \((numbers["decreaseBar"] ?? .nan).brief) "
        + "of η ‖∇F‖²")
    return result
  }

  private func compareGradients(_ subject: Subject, _ result: inout CheckResult) {
    let size = subject.gradient.maxMagnitude
    let defects = (subject.gradient - subject.kernelGradient).elements.map(abs)
    result.numbers["gradientDefect"] = Vector(defects).maxMagnitude / size
    for (j, defect) in defects.enumerated() where !(defect <= Self.relative * size) {
      result.evidence.append(
        Evidence(
          "weight \(j)", actual: subject.kernelGradient[j], reference: subject.gradient[j],
          allowed: Self.relative * size))
    }
    result.numbers["adjointDefect"] = 0
    for (k, pair) in subject.adjoints.enumerated() {
      let evidence = Evidence(
        "inner product \(k)", actual: pair.adjoint, reference: pair.direct,
        allowed: Self.relative * pair.size)
      result.evidence.append(evidence)
      result.numbers["adjointDefect"] = max(
        result.numbers["adjointDefect"] ?? 0, evidence.excess * Self.relative)
    }
  }

  private func compareForms(_ subject: Subject, _ result: inout CheckResult) {
    let largest = max(subject.eigenvalues.first ?? 0, subject.smallForm.first ?? 0)
    var defect = 0.0
    for k in 0..<max(subject.eigenvalues.count, subject.smallForm.count) {
      let a = k < subject.eigenvalues.count ? subject.eigenvalues[k] : 0
      let b = k < subject.smallForm.count ? subject.smallForm[k] : 0
      defect = max(defect, abs(a - b) / largest)
      guard !(abs(a - b) <= Self.relative * largest) else { continue }
      result.evidence.append(
        Evidence("eigenvalue \(k)", actual: b, reference: a, allowed: Self.relative * largest))
    }
    result.numbers["formDefect"] = defect
  }

  private func compareFirstSteps(_ subject: Subject, _ result: inout CheckResult) {
    let square = subject.gradient.dot(subject.gradient)
    let rounding = 2 * subject.residualRounding
    // ½ (r - r')·(r + r'), since the difference of losses would be rounding.
    let ratios = subject.firstSteps.map { step in
      let sum = subject.residual.moved(1, step.residual)
      return (subject.residual - step.residual).dot(sum) / (2 * step.stepSize * square)
    }
    let finest = subject.firstSteps[subject.firstSteps.count - 1].stepSize
    let limit = Extrapolation(ratios.map { [$0] })
    let bar = limit.change + 2 * rounding * subject.residual.norm / (finest * square)
    result.numbers["decreaseRatio"] = limit.value[0]
    result.numbers["decreaseBar"] = bar
    result.evidence.append(
      Evidence("first decrease", actual: limit.value[0], reference: 1, allowed: bar))
    let size = subject.kernelMove.norm
    let move = Extrapolation(
      subject.firstSteps.map { step in
        (subject.residual - step.residual).scaled(by: 1 / step.stepSize).elements
      })
    let defect = (Vector(move.value) - subject.kernelMove).norm / size
    let moveBar = (move.change + 2 * rounding / finest) / size
    result.numbers["moveDefect"] = defect
    result.numbers["moveBar"] = moveBar
    result.evidence.append(
      Evidence("first move of r", actual: defect, reference: 0, allowed: moveBar))
  }
}

/// The limit for η → 0 of what was seen at η, η/4, η/16 and so on, with an error O(η).
///
/// Richardson: (4 a(η/4) - a(η)) / 3 leaves O(η²). `change` is the last change of that: the error of
/// the last but one, and so more than that of the last, by a factor of about 16.
private struct Extrapolation {
  var value: [Double]
  var change: Double

  init(_ samples: [[Double]]) {
    let refined = zip(samples, samples.dropFirst()).map { coarse, fine in
      Vector(zip(coarse, fine).map { (4 * $1 - $0) / 3 })
    }
    value = refined[refined.count - 1].elements
    change = (refined[refined.count - 1] - refined[refined.count - 2]).norm
  }
}

extension TangentKernelCheck {
  public var mutants: [Mutant<Subject>] {
    [
      Mutant("H times 1.001", size: 1e-3, .synthetic { $0.kernelMove.scale(by: 1.001) }),
      Mutant(
        "the gradient lacks one step's part", size: 1e-2,
        .synthetic { $0.kernelGradient[3] *= 0.99 }),
      Mutant(
        "a weight of the gradient off by 1e-11 of the largest", size: 1e-11,
        .synthetic { $0.kernelGradient[1] += 1e-11 * $0.gradient.maxMagnitude }),
      Mutant(
        "the adjoint has another sign", .synthetic { $0.adjoints[1].adjoint *= -1 }),
      Mutant(
        "the small form has one eigenvalue too many", size: 1e-9,
        .synthetic { $0.smallForm.append(1e-9 * $0.eigenvalues[0]) }),
      Mutant(
        "the first step is one of half the size",
        .synthetic { subject in
          for k in subject.firstSteps.indices { subject.firstSteps[k].stepSize *= 2 }
        }),
      Mutant("a residual is NaN", .synthetic { $0.firstSteps[1].residual[0] = .nan }),
      Mutant(
        "no gradient", expected: .premiseFails,
        .synthetic {
          $0.gradient = Vector(zeros: $0.gradient.count)
          $0.kernelGradient = $0.gradient
        }),
    ]
  }

  public var cleanCases: [CleanCase<Subject>] {
    [
      CleanCase("r(W) linear in W", .synthetic(curvature: 0) { _ in }),
      CleanCase("r(W) curved", .synthetic { _ in }),
    ]
  }
}

extension TangentKernelCheck.Subject {
  /// r(w) = r + E w + c w·w r with a 3 x 5 matrix E: everything in closed form.
  fileprivate static func synthetic(
    curvature: Double = 0.3, _ fault: (inout TangentKernelCheck.Subject) -> Void
  ) -> TangentKernelCheck.Subject {
    var rng = SplitMix64(seed: 31)
    let (factor, residual) = (rng.matrix(3, 5), rng.vector(3))
    let gradient = factor.times(residual, .transposed)
    let steps = (0..<4).map { k in
      let step = 0.01 / pow(4, Double(k))
      let w = gradient.scaled(by: -step)
      let moved = residual.moved(1, factor.times(w)).moved(curvature * w.dot(w), residual)
      return FirstStep(stepSize: step, residual: moved)
    }
    let adjoints = (0..<3).map { _ in
      let (u, v) = (rng.vector(3), rng.vector(5))
      let image = factor.times(v)
      return Adjoint(
        direct: u.dot(image), adjoint: factor.times(u, .transposed).dot(v),
        size: u.norm * image.norm)
    }
    let squares = ((try? factor.singularValues()) ?? [0]).elements.map { $0 * $0 }
    let small = ((try? factor.gram().symmetricEigenvalues()) ?? [0]).elements.reversed()
    var subject = TangentKernelCheck.Subject(
      label: "3 x 5", gradient: gradient, kernelGradient: gradient, adjoints: adjoints,
      eigenvalues: squares, smallForm: Array(small), residual: residual,
      kernelMove: factor.times(gradient), firstSteps: steps, residualRounding: 1e-15)
    fault(&subject)
    return subject
  }
}
