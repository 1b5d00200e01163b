"""Lets OptCheck check an update rule written in Python, over the protocol optcheck-1.

    from optcheck_rule import Rule, serve

    class Descent(Rule):
        name = "descent"
        def reset(self, problem):
            self.size = 1 / problem.smoothness
        def step(self, k, x, gradient, oracle, settled):
            return [a - self.size * b for a, b in zip(x, gradient)]

    serve(Descent)

One file without dependencies, for Python 3.8 or later: copy it next to your rule. Numbers come as lists of floats;
answers may also be NumPy arrays or PyTorch tensors. Whatever the rule prints goes to standard error.
"""

import copy
import json
import os
import sys

VERSION = "optcheck-1"


class Problem:
    """What a rule is told at a reset. It cannot change, so it is shared when the state of a rule is copied."""

    __slots__ = ("n", "x0", "smoothness", "rho", "seed", "matrix", "target")

    def __init__(self, told):
        self.n = told["n"]
        self.x0 = numbers(told["x0"])
        self.smoothness = float(told["smoothness"])  # the Lipschitz constant of the gradient of f
        self.rho = float(told["rho"])  # the weight of the l1 term, 0 for smooth problems
        self.seed = told["seed"]
        self.matrix = told.get("matrix")  # None unless "data" is in needs
        self.target = told.get("target")

    def __deepcopy__(self, memo):
        return self


class Rule:
    """An update rule: override `step` and what else is needed, or pass the same as arguments.

    Functions that are passed get no `self`, so they suit rules without memory only: `Rule(name="mine", step=function)`.
    """

    name = "rule"
    needs = ["gradient"]  # of gradient, prox, subgradient, value and data
    memory = False  # keeps state between steps
    precision = "double"  # or "single"
    horizon = None  # the number of steps that it was trained for
    dimension = None  # the only n that fits
    deterministic = True  # two runs from the same seed agree

    def __init__(self, **given):
        for key, value in given.items():
            if not hasattr(Rule, key):
                raise TypeError("a rule has no %r" % key)
            setattr(self, key, value)

    def reset(self, problem):
        """Forgets all state and gets ready for `problem`."""

    def step(self, k, x, gradient, oracle, settled):
        """The iterate after `x`; k = 1, 2, ... `settled` says that `settle` was called for this probe."""
        raise NotImplementedError("a rule needs a step")

    def settle(self, x):
        """Sets every remembered iterate to `x`; counters, moments and the like stay."""

    def save(self):
        """The state that a probe must leave as it was.

        A random generator belongs on `self` too: a global one is not put back.
        """
        return copy.deepcopy(self.__dict__)

    def restore(self, saved):
        """Back to what `save` returned."""
        self.__dict__.clear()
        self.__dict__.update(saved)


class Oracle:
    """The problem, for a rule that asks more of it than the gradient that comes with each step."""

    def __init__(self, channel, needs):
        self._channel = channel
        self._needs = needs

    def gradient_at(self, x):
        """The gradient of f."""
        return self._ask("gradient", {"gradient_at": numbers(x)})

    def prox_at(self, v, scale):
        """The minimiser of r(x) + 1/2 sum_j (x_j - v_j)^2 / scale_j; one number stands for n equal scales."""
        v = numbers(v)
        scale = numbers(scale) if hasattr(scale, "__len__") else [float(scale)] * len(v)
        return self._ask("prox", {"prox_at": v, "scale": scale})

    def subgradient_at(self, x):
        """A subgradient of f + r, with sign(0) = 0."""
        return self._ask("subgradient", {"subgradient_at": numbers(x)})

    def value_at(self, x):
        """f + r."""
        return self._ask("value", {"value_at": numbers(x)})

    def _ask(self, kind, query):
        if kind not in self._needs:
            raise ValueError("to ask for a %s, the rule must have %r among its needs" % (kind, kind))
        self._channel.write(query)
        answer = self._channel.read()
        if "quit" in answer:
            sys.exit(0)
        answer = answer[kind]
        return float(answer) if kind == "value" else numbers(answer)


class Channel:
    """JSON lines on what were standard input and output; both are out of reach for the rest of the program."""

    def __init__(self):
        self._input = os.fdopen(os.dup(0), "r", encoding="utf-8")
        self._output = os.fdopen(os.dup(1), "w", encoding="utf-8")
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)  # input() would eat lines of the protocol
        os.close(nothing)
        os.dup2(2, 1)  # libraries in C print to the descriptor, not to sys.stdout
        sys.stdout.flush()  # what was printed before and still waits
        sys.stdout = sys.stderr

    def read(self):
        line = self._input.readline()
        if not line:
            sys.exit(0)
        return json.loads(line)

    def write(self, message):
        # json writes a double with repr, the shortest text that reads back to the same double.
        try:
            self._output.write(json.dumps(message) + "\n")
            self._output.flush()
        except BrokenPipeError:
            os._exit(0)  # Nobody listens, and a normal exit would try to flush again.


def numbers(values):
    """A list of floats, from a list, a NumPy array or a PyTorch tensor with one axis."""
    return [float(value) for value in (values.tolist() if hasattr(values, "tolist") else values)]


def hello(rule):
    """What a rule says about itself; what is not said has the default."""
    said = {"hello": VERSION, "name": rule.name, "needs": list(rule.needs)}
    for key in ("memory", "precision", "horizon", "dimension", "deterministic"):
        if getattr(rule, key) != getattr(Rule, key):
            said[key] = getattr(rule, key)
    return said


def serve(rule):
    """Answers the harness until it quits, then exits with code 0.

    - rule: A rule, or better a class or function that makes one: what that prints goes to standard error already, while
      what the program prints before it calls `serve` may reach the harness, which then takes it for an answer.
    """
    channel = Channel()
    rule = rule if isinstance(rule, Rule) else rule()
    oracle = Oracle(channel, rule.needs)
    while True:
        message = channel.read()
        if "hello" in message:
            channel.write(hello(rule))
        elif "reset" in message:
            rule.reset(Problem(message["reset"]))
            channel.write({"ready": True})
        elif "step" in message:
            channel.write({"x": answer(rule, message, oracle)})
        elif "quit" in message:
            sys.exit(0)
        else:
            raise ValueError("the harness sent a line without a known key: %s" % message)


def answer(rule, message, oracle):
    """The next iterate; a probe leaves the rule as it was."""
    x, gradient = numbers(message["x"]), numbers(message["gradient"])
    probe, settled = message.get("probe", False), message.get("settled", False)
    saved = rule.save() if probe else None
    if settled:
        rule.settle(list(x))
    try:
        return numbers(rule.step(message["step"], x, gradient, oracle, settled))
    finally:
        if probe:
            rule.restore(saved)
