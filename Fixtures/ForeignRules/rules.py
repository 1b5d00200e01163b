"""Rules that are right, and rules with one fault each, for the tests of optcheck-1.

    python3 rules.py NAME      answers the harness as that rule
    python3 rules.py --list    prints all names as JSON

Every fault is a small class over its clean twin that overrides the one thing that is wrong.
"""

import json
import math
import random
import struct
import sys

from optcheck_rule import Rule, serve

CLEAN = {}  # name -> what it does
FAULTS = {}  # name -> (the clean twin's name, what is wrong)
MADE_BY = {}  # name -> class


def clean(name, what):
    def register(made):
        CLEAN[name], MADE_BY[name] = what, made
        made.name = name
        return made

    return register


def fault(name, twin, what):
    def register(made):
        FAULTS[name], MADE_BY[name] = (twin, what), made
        made.name = name
        return made

    return register


# Clean rules.


@clean("gradient-descent", "x - g / L")
class GradientDescent(Rule):
    def reset(self, problem):
        self.problem = problem

    def step_size(self, k):
        return 1 / self.problem.smoothness

    def scaling(self, x, gradient):
        """P, by which the step is multiplied in each coordinate."""
        return [1.0] * len(x)

    def direction(self, k, x, gradient, oracle):
        """The gradient as the rule uses it."""
        return gradient

    def finish(self, k, x):
        """What becomes of the new iterate before it is returned."""
        return x

    def step(self, k, x, gradient, oracle, settled):
        direction, size = self.direction(k, x, gradient, oracle), self.step_size(k)
        return self.finish(k, [a - size * p * d for a, p, d in zip(x, self.scaling(x, gradient), direction)])


def single(value):
    """Rounded to single precision."""
    try:
        return struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


@clean("gradient-descent-single", "x - g / L, every intermediate result rounded to single precision")
class GradientDescentSingle(Rule):
    precision = "single"
    rounded = staticmethod(single)

    def reset(self, problem):
        self.step_size = self.rounded(1 / self.rounded(problem.smoothness))

    def step(self, k, x, gradient, oracle, settled):
        rounded = self.rounded
        return [rounded(rounded(a) - rounded(self.step_size * rounded(g))) for a, g in zip(x, gradient)]


@clean("random-steps", "x - u g / L, u uniform in [0.5, 1.5] and new in every step of every run")
class RandomSteps(GradientDescent):
    deterministic = False

    def step_size(self, k):
        return random.uniform(0.5, 1.5) / self.problem.smoothness


@clean("proximal-gradient", "prox(x - g / L) with scale 1 / L")
class ProximalGradient(GradientDescent):
    needs = ["gradient", "prox"]

    def prox(self, k, point, scale, oracle):
        return oracle.prox_at(point, scale)

    def step(self, k, x, gradient, oracle, settled):
        size, scaling = self.step_size(k), self.scaling(x, gradient)
        direction = self.direction(k, x, gradient, oracle)
        point = [a - size * p * d for a, p, d in zip(x, scaling, direction)]
        return self.finish(k, self.prox(k, point, [size * p for p in scaling], oracle))


def soft(value, threshold):
    return math.copysign(max(abs(value) - threshold, 0.0), value)


@clean("proximal-gradient-own-threshold", "proximal gradient that computes its own soft threshold from rho")
class OwnThreshold(ProximalGradient):
    def prox(self, k, point, scale, oracle):
        return [soft(v, self.problem.rho * s) for v, s in zip(point, scale)]


def bounded_scaling(x, gradient):
    """2 sigmoid(z) with z between -1.5 and 1.5, so that P lies in (0.36, 1.64)."""
    z = [g / (1 + abs(g)) + 0.5 * a / (1 + abs(a)) for a, g in zip(x, gradient)]
    return [2 / (1 + math.exp(-v)) for v in z]


@clean("diagonal-scaled", "x - P g / L, P = 2 sigmoid(z), z a bounded function of g and x")
class DiagonalScaled(GradientDescent):
    def scaling(self, x, gradient):
        return bounded_scaling(x, gradient)


@clean("diagonal-scaled-prox", "prox(x - P g / L) with scale P / L and the P of diagonal-scaled")
class DiagonalScaledProx(ProximalGradient):
    def scaling(self, x, gradient):
        return bounded_scaling(x, gradient)


@clean("heavy-ball", "prox(x - g / L + 0.5 (x - x_prev)) with scale 1 / L")
class HeavyBall(ProximalGradient):
    memory = True
    momentum = 0.5

    def reset(self, problem):
        super().reset(problem)
        self.previous = problem.x0

    def settle(self, x):
        self.previous = x

    def step(self, k, x, gradient, oracle, settled):
        size = self.step_size(k)
        moves = zip(x, self.previous, gradient)
        point = [a - size * g + self.momentum * (a - b) for a, b, g in moves]
        self.previous = x
        return self.finish(k, self.prox(k, point, [size] * len(x), oracle))


@clean("nesterov", "prox(y - g(y) / L) with scale 1 / L, y = x + 0.5 (x - x_prev)")
class Nesterov(HeavyBall):
    def momentum_at(self, k):
        return 0.5

    def step(self, k, x, gradient, oracle, settled):
        size, momentum = self.step_size(k), self.momentum_at(k)
        y = [a + momentum * (a - b) for a, b in zip(x, self.previous)]
        if y != x:  # Else the gradient at y is at hand, and a settled probe sees no other.
            gradient = oracle.gradient_at(y)
        self.previous = x
        point = [a - size * g for a, g in zip(y, gradient)]
        return self.finish(k, self.prox(k, point, [size] * len(x), oracle))


@clean("fista", "nesterov with momentum (tau - 1) / tau+, tau+ = (1 + sqrt(1 + 4 tau^2)) / 2, from tau = 1")
class Fista(Nesterov):
    def reset(self, problem):
        super().reset(problem)
        self.tau = 1.0

    def momentum_at(self, k):
        if k == 1:
            return 0.0
        tau = self.tau
        self.tau = (1 + math.sqrt(1 + 4 * tau * tau)) / 2
        return (tau - 1) / self.tau


# Faults of gradient descent: the size of the step.


def with_step(name, what, size, twin=GradientDescent):
    """A fault whose step is size(k, L)."""

    @fault(name, twin.name, what)
    class Wrong(twin):
        def step_size(self, k):
            return size(k, self.problem.smoothness)


with_step("step-2.1", "the step is 2.1 / L", lambda k, smoothness: 2.1 / smoothness)
with_step("step-10", "the step is 10 / L", lambda k, smoothness: 10 / smoothness)
with_step("step-summable", "the steps 1 / (L k^2) have a finite sum", lambda k, smoothness: 1 / (smoothness * k * k))
with_step("step-grows", "the step is 0.5 sqrt(k) / L", lambda k, smoothness: 0.5 * math.sqrt(k) / smoothness)
with_step("step-without-l", "the step is 1, whatever L (harmless where L < 2)", lambda k, smoothness: 1.0)
with_step("step-times-l", "the step is L, not 1 / L (harmless where L^2 < 2)", lambda k, smoothness: smoothness)
with_step("step-doubles", "the step is 2^k / L, until x overflows", lambda k, size: 2.0 ** min(k, 99) / size)
with_step("step-zero", "the step is 0, so that every point is fixed", lambda k, smoothness: 0.0)
with_step("step-stops", "no step after the 30th", lambda k, smoothness: 1 / smoothness if k <= 30 else 0.0)
with_step("prox-step-2.1", "the step is 2.1 / L", lambda k, smoothness: 2.1 / smoothness, ProximalGradient)


# Faults of gradient descent: the gradient.


def with_direction(name, what, change):
    """A fault that uses change(gradient) in place of the gradient."""

    @fault(name, "gradient-descent", what)
    class Wrong(GradientDescent):
        def direction(self, k, x, gradient, oracle):
            return change(gradient)


with_direction("sign-all", "climbs: the gradient has the wrong sign", lambda g: [-v for v in g])
with_direction("sign-one", "coordinate 0 of the gradient has the wrong sign", lambda g: [-g[0]] + g[1:])
with_direction("swapped", "coordinates 0 and 1 of the gradient are swapped (if n > 1)", lambda g: g[1::-1] + g[2:])
with_direction("shifted", "coordinate j uses the gradient of j + 1 (if n > 1)", lambda g: g[1:] + g[:1])
with_direction("frozen-one", "the last coordinate is never updated", lambda g: g[:-1] + [0.0])
with_direction("dead-negative", "a coordinate with negative gradient does not move", lambda g: [max(v, 0.0) for v in g])
with_direction("zero-over-zero", "g^2 / g is NaN where g is 0", lambda g: [v * v / v if v else math.nan for v in g])


@fault("sign-descent", "gradient-descent", "steps of length 1e-3 along the sign of the gradient, as Adam's first")
class SignDescent(GradientDescent):
    def step_size(self, k):
        return 1e-3

    def direction(self, k, x, gradient, oracle):
        return [math.copysign(1.0, g) if g else 0.0 for g in gradient]


@fault("stale-gradient", "gradient-descent", "uses the gradient at the point of two steps ago")
class StaleGradient(GradientDescent):
    memory = True

    def reset(self, problem):
        super().reset(problem)
        self.past = [problem.x0, problem.x0]

    def settle(self, x):
        self.past = [x, x]

    def direction(self, k, x, gradient, oracle):
        stale, self.past = self.past[0], [self.past[1], x]
        return gradient if stale == x else oracle.gradient_at(stale)


# Faults of what becomes of the new iterate.


def with_finish(name, what, change, twin=GradientDescent):
    """A fault that returns change(k, x) in place of the new iterate x."""

    @fault(name, twin.name, what)
    class Wrong(twin):
        def finish(self, k, x):
            return change(k, x)


def shifted(x, by):
    return [a + by for a in x]


def rounded_to_4(value):
    return round(value, 4) if math.isfinite(value) else value


with_finish("bias-all", "adds 1e-4 to every coordinate", lambda k, x: shifted(x, 1e-4))
with_finish("bias-one", "adds 1e-4 to coordinate 0", lambda k, x: shifted(x[:1], 1e-4) + x[1:])
with_finish("bias-decays", "adds 1e-4 + 1e-2 / k, which does not decay to 0", lambda k, x: shifted(x, 1e-4 + 1e-2 / k))
with_finish("bias-grows", "adds 1e-6 sqrt(k) to every coordinate", lambda k, x: shifted(x, 1e-6 * math.sqrt(k)))
with_finish("clipped", "clips x to [-0.5, 0.5]", lambda k, x: [min(max(a, -0.5), 0.5) for a in x])
with_finish("rounded", "rounds x to multiples of 1e-4", lambda k, x: [rounded_to_4(a) for a in x])
with_finish("weight-decay", "shrinks x by 1e-3 in every step", lambda k, x: [a * (1 - 1e-3) for a in x])
with_finish("nan-after-50", "NaN in every coordinate after 50 steps", lambda k, x: [math.nan] * len(x) if k > 50 else x)
with_finish("inf-after-20", "infinity in coordinate 0 after 20 steps", lambda k, x: [math.inf] + x[1:] if k > 20 else x)
with_finish("bias-prox", "adds 1e-4 to every coordinate", lambda k, x: shifted(x, 1e-4), ProximalGradient)
with_finish("bias-heavy-ball", "adds 1e-4 to every coordinate", lambda k, x: shifted(x, 1e-4), HeavyBall)
with_finish("bias-fista", "adds 1e-4 to every coordinate", lambda k, x: shifted(x, 1e-4), Fista)


@fault("noise-added", "gradient-descent", "adds normal noise of size 1e-5, the same in every run from the same seed")
class NoiseAdded(GradientDescent):
    memory = True  # the state of the generator

    def reset(self, problem):
        super().reset(problem)
        self.random = random.Random(problem.seed)

    def finish(self, k, x):
        return [a + self.random.gauss(0, 1e-5) for a in x]


@fault("noise-relative", "gradient-descent", "multiplies x by 1 + 1e-3 times normal noise, the same in every run")
class NoiseRelative(NoiseAdded):
    def finish(self, k, x):
        return [a * (1 + self.random.gauss(0, 1e-3)) for a in x]


@fault("restarts", "gradient-descent", "goes back to its starting point in every 100th step")
class Restarts(GradientDescent):
    def finish(self, k, x):
        return x if k % 100 else self.problem.x0


# Faults of precision.


@fault("single-undeclared", "gradient-descent-single", "says that it computes in double precision")
class SingleUndeclared(GradientDescentSingle):
    precision = "double"


def half(value):
    """Rounded to half precision."""
    try:
        return struct.unpack("e", struct.pack("e", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


@fault("half-undeclared", "gradient-descent-single", "says single precision and computes in half precision")
class HalfUndeclared(GradientDescentSingle):
    rounded = staticmethod(half)


# Faults of the prox.


def with_prox(name, what, scaled, twin=ProximalGradient):
    """A fault that calls the prox with the scale scaled(s)."""

    @fault(name, twin.name, what)
    class Wrong(twin):
        def prox(self, k, point, scale, oracle):
            return oracle.prox_at(point, [scaled(s) for s in scale])


with_prox("prox-half", "the scale of the prox is half the step", lambda s: s / 2)
with_prox("prox-twice", "the scale of the prox is twice the step", lambda s: 2 * s)
with_prox("prox-without-l", "the scale of the prox is 1, not 1 / L", lambda s: 1.0)
with_prox("prox-half-fista", "the scale of the prox is half the step", lambda s: s / 2, Fista)


@fault("prox-missing", "proximal-gradient", "never calls the prox")
class ProxMissing(ProximalGradient):
    def prox(self, k, point, scale, oracle):
        return point


@fault("prox-every-other", "proximal-gradient", "calls the prox in even steps only")
class ProxEveryOther(ProximalGradient):
    def prox(self, k, point, scale, oracle):
        return point if k % 2 else oracle.prox_at(point, scale)


@fault("prox-of-x", "proximal-gradient", "applies the prox to x, not to x - g / L")
class ProxOfX(ProximalGradient):
    def direction(self, k, x, gradient, oracle):
        return [0.0] * len(x)


@fault("prox-first", "proximal-gradient", "prox(x) - g / L: the prox before the step, not after it")
class ProxFirst(ProximalGradient):
    def step(self, k, x, gradient, oracle, settled):
        size = self.step_size(k)
        return [a - size * g for a, g in zip(oracle.prox_at(x, size), gradient)]


@fault("prox-unscaled", "diagonal-scaled-prox", "the scale of the prox is 1 / L, without P")
class ProxUnscaled(DiagonalScaledProx):
    def prox(self, k, point, scale, oracle):
        return oracle.prox_at(point, self.step_size(k))


@fault("threshold-1-percent", "proximal-gradient-own-threshold", "the threshold is 1% too large")
class ThresholdTooLarge(OwnThreshold):
    def prox(self, k, point, scale, oracle):
        return super().prox(k, point, [1.01 * s for s in scale], oracle)


@fault("threshold-hard", "proximal-gradient-own-threshold", "hard threshold: what survives is not shrunk")
class ThresholdHard(OwnThreshold):
    def prox(self, k, point, scale, oracle):
        return [v if abs(v) > self.problem.rho * s else 0.0 for v, s in zip(point, scale)]


# Faults of the scaling P.


@fault("p-one-2.5", "diagonal-scaled", "P = 2.5 in coordinate 0 (diverges only where its curvature is near L)")
class OneAboveTwo(DiagonalScaled):
    def scaling(self, x, gradient):
        return [2.5] + super().scaling(x, gradient)[1:]


@fault("p-all-2.5", "diagonal-scaled", "P = 2.5 in every coordinate")
class AllAboveTwo(DiagonalScaled):
    def scaling(self, x, gradient):
        return [2.5] * len(x)


@fault("p-negative", "diagonal-scaled", "P = 2 sigmoid(z) - 1 is negative where z is")
class NegativeScaling(DiagonalScaled):
    def scaling(self, x, gradient):
        return [p - 1 for p in super().scaling(x, gradient)]


@fault("p-overflows", "diagonal-scaled", "P = 2 e^z / (1 + e^z) with z = 1000 g, which is infinity over infinity")
class OverflowingScaling(DiagonalScaled):
    def scaling(self, x, gradient):
        # math.exp raises an error where arrays would hold an infinity.
        powers = [math.exp(1000 * g) if 1000 * g < 700 else math.inf for g in gradient]
        return [2 * e / (1 + e) for e in powers]


# Faults of the memory.


@fault("momentum-1.05", "heavy-ball", "the momentum is 1.05")
class MomentumAboveOne(HeavyBall):
    momentum = 1.05


@fault("momentum-added-twice", "heavy-ball", "adds the momentum twice, 1.0 in all: it swings for ever")
class MomentumAddedTwice(HeavyBall):
    momentum = 1.0


@fault("momentum-of-start", "heavy-ball", "the momentum is measured from x0, not from the iterate before")
class MomentumOfStart(HeavyBall):
    def step(self, k, x, gradient, oracle, settled):
        if not settled:
            self.previous = self.problem.x0
        return super().step(k, x, gradient, oracle, settled)


REMEMBERED = []  # what leaking-probes keeps outside of itself


@fault("leaking-probes", "heavy-ball", "keeps x_prev in a module global, so that a probe changes the run")
class LeakingProbes(HeavyBall):
    @property
    def previous(self):
        return REMEMBERED[-1]

    @previous.setter
    def previous(self, x):
        REMEMBERED[:] = [x]


@fault("reset-keeps-memory", "heavy-ball", "a reset to the same n keeps x_prev of the problem before")
class ResetKeepsMemory(HeavyBall):
    def reset(self, problem):
        kept = getattr(self, "previous", [])
        super().reset(problem)
        if len(kept) == problem.n:
            self.previous = kept


@fault("nesterov-momentum-1.05", "nesterov", "the momentum is 1.05")
class NesterovAboveOne(Nesterov):
    def momentum_at(self, k):
        return 1.05


@fault("nesterov-backwards", "nesterov", "extrapolates backwards, y = x + 2 (x_prev - x)")
class NesterovBackwards(Nesterov):
    def momentum_at(self, k):
        return -2.0


@fault("nesterov-stale-gradient", "nesterov", "uses the gradient at x_prev, not at y")
class NesterovStaleGradient(Nesterov):
    def step(self, k, x, gradient, oracle, settled):
        size = self.step_size(k)
        if x != self.previous:
            gradient = oracle.gradient_at(self.previous)
        point = [a + 0.5 * (a - b) - size * g for a, b, g in zip(x, self.previous, gradient)]
        self.previous = x
        return self.prox(k, point, [size] * len(x), oracle)


@fault("fista-momentum-twice", "fista", "extrapolates twice as far")
class FistaMomentumTwice(Fista):
    def momentum_at(self, k):
        return 2 * super().momentum_at(k)


@fault("fista-momentum-1.02", "fista", "tau stays as it is and the momentum is 1.02 (harmless above curvature L / 51)")
class FistaFixedMomentum(Fista):
    def momentum_at(self, k):
        return 1.02


@fault("fista-z-zero", "fista", "x_prev starts at 0 and is never updated")
class FistaFromZero(Fista):
    def step(self, k, x, gradient, oracle, settled):
        if not settled:
            self.previous = [0.0] * len(x)
        return super().step(k, x, gradient, oracle, settled)


@fault("fista-momentum-1.5", "fista", "the momentum jumps to 1.5 in step 2 and stays there")
class FistaMomentumJumps(Fista):
    def momentum_at(self, k):
        return 1.5 if k > 1 else 0.0


def listed():
    faults = [{"name": name, "twin": twin, "what": what} for name, (twin, what) in FAULTS.items()]
    return {"clean": list(CLEAN), "faults": faults}


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print(json.dumps(listed(), indent=1))
    elif len(sys.argv) == 2 and sys.argv[1] in MADE_BY:
        serve(MADE_BY[sys.argv[1]])
    else:
        sys.exit("usage: rules.py NAME | --list, with NAME one of:\n  " + "\n  ".join(MADE_BY))
