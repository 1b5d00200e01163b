"""Plays the harness against the client and the rules: python3 test_client.py"""

import importlib.util
import json
import math
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import textwrap
import unittest

import misbehaving
import optcheck_rule
import rules

HERE = os.path.dirname(os.path.abspath(__file__))


class Lasso:
    """f = 1/2 ||A x - b||^2 and r = rho ||x||_1, with their oracles."""

    def __init__(self, n=4, rho=0.1, seed=1, smoothness=None):
        draw = random.Random(seed)
        self.n, self.rho, self.seed = n, rho, seed
        self.a = [[draw.gauss(0, 1) for _ in range(n)] for _ in range(n + 2)]
        if smoothness:  # The same problem in other units.
            factor = math.sqrt(smoothness / self._smoothness())
            self.a = [[factor * v for v in row] for row in self.a]
        # A planted point with entries of both signs; the shift keeps all of it away from 0.
        planted = [(-1) ** j * (1 + draw.random()) for j in range(n)]
        self.b = [sum(p * q for p, q in zip(row, planted)) for row in self.a]
        self.smoothness, self._minimiser = self._smoothness(), None
        self.x0 = [draw.gauss(0, 1) for _ in range(n)]

    def _smoothness(self):
        v = [1.0] * self.n
        for _ in range(2000):
            w = self.transposed([sum(p * q for p, q in zip(row, v)) for row in self.a])
            size = math.sqrt(sum(q * q for q in w))
            v = [q / size for q in w]
        return size

    def transposed(self, r):
        return [sum(row[j] * q for row, q in zip(self.a, r)) for j in range(self.n)]

    def residual(self, x):
        return [sum(p * q for p, q in zip(row, x)) - t for row, t in zip(self.a, self.b)]

    def gradient_at(self, x):
        return self.transposed(self.residual(x))

    def prox_at(self, v, scale):
        scale = scale if isinstance(scale, list) else [scale] * self.n
        return [rules.soft(a, self.rho * s) for a, s in zip(v, scale)]

    def subgradient_at(self, x):
        return [g + self.rho * ((a > 0) - (a < 0)) for g, a in zip(self.gradient_at(x), x)]

    def value_at(self, x):
        return sum(r * r for r in self.residual(x)) / 2 + self.rho * sum(map(abs, x))

    def reset(self, **more):
        told = {"n": self.n, "x0": self.x0, "smoothness": self.smoothness, "rho": self.rho, "seed": self.seed}
        return dict(told, **more)

    def answer(self, query):
        if "prox_at" in query:
            return {"prox": self.prox_at(query["prox_at"], query["scale"])}
        ((key, x),) = query.items()
        return {key[: -len("_at")]: getattr(self, key)(x)}

    def minimiser(self):
        if self._minimiser is None:
            x, before = [0.0] * self.n, None
            for _ in range(20000):  # fewer if it stands still
                g = self.gradient_at(x)
                x, before = self.prox_at([a - d / self.smoothness for a, d in zip(x, g)], 1 / self.smoothness), x
                if x == before:
                    break
            self._minimiser = x
        return self._minimiser


class Harness:
    """One child and the lines to and from it."""

    def __init__(self, *command):
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [sys.executable, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            cwd=HERE,
            start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.errors.close()

    def send(self, message):
        self.process.stdin.write((message if isinstance(message, str) else json.dumps(message)) + "\n")
        self.process.stdin.flush()

    def read(self):
        return json.loads(self.process.stdout.readline())

    def ask(self, message):
        self.send(message)
        return self.read()

    def hello(self):
        return self.ask({"hello": "optcheck-1"})

    def step(self, k, x, problem, gradient=None, **more):
        """The next iterate and the queries on the way to it."""
        gradient = problem.gradient_at(x) if gradient is None else gradient
        answer, queries = self.ask(dict({"step": k, "x": x, "gradient": gradient}, **more)), []
        while "x" not in answer:
            queries.append(answer)
            answer = self.ask(problem.answer(answer))
        return answer["x"], queries

    def probe(self, k, x, problem, **more):
        return self.step(k, x, problem, probe=True, **more)[0]

    def run(self, problem, steps):
        """The iterates of a run from x0."""
        assert self.ask({"reset": problem.reset()}) == {"ready": True}
        x = [problem.x0]
        for k in range(1, steps + 1):
            x.append(self.step(k, x[-1], problem)[0])
        return x

    def quit(self):
        """The exit code, and what was written to standard error."""
        self.send({"quit": True})
        return self.finish()

    def finish(self):
        self.process.stdin.close()
        code = self.process.wait(timeout=30)
        self.errors.seek(0)
        return code, self.errors.read()


def rule_of(body):
    """A child that serves the class Mine of `body`."""
    text = "from optcheck_rule import Rule, serve\n" + textwrap.dedent(body)
    return Harness("-c", text + ("" if "serve(" in body else "\nserve(Mine)"))


def stepping(result):
    """The class Mine whose step is `result`."""
    return "class Mine(Rule):\n  def step(self, k, x, gradient, oracle, settled):\n    return " + result


class Protocol(unittest.TestCase):
    def test_doubles_come_and_go_unchanged(self):
        draw = random.Random(5)
        x = [0.1, -0.0, 1 / 3, 2**53 + 2.0, 1e16, 1e22, 5e-324, sys.float_info.min, sys.float_info.max]
        x += [draw.gauss(0, 1) * 10.0 ** draw.randint(-300, 300) for _ in range(1000)]
        with rule_of(
            """
            class Mine(Rule):
                def step(self, k, x, gradient, oracle, settled):
                    return [*x, *gradient, *oracle.gradient_at(x)]
            """
        ) as harness:
            harness.hello()
            harness.ask({"reset": Lasso().reset()})
            query = harness.ask({"step": 1, "x": x, "gradient": x[::-1]})
            answer = harness.ask({"gradient": x})
        for found, expected in ((query["gradient_at"], x), (answer["x"], x + x[::-1] + x)):
            self.assertEqual([v.hex() for v in found], [v.hex() for v in expected])

    def test_whole_numbers_in_the_input_are_floats_for_the_rule(self):
        with rule_of(stepping("[float(type(v) is float) for v in x + gradient]")) as harness:
            harness.ask({"reset": Lasso().reset(x0=[0, 1, 2, 3])})
            self.assertEqual(harness.ask({"step": 1, "x": [0, 1], "gradient": [2, 3]}), {"x": [1.0] * 4})

    def test_hello_says_only_what_differs_from_the_default(self):
        with rule_of("class Mine(Rule): pass") as harness:
            self.assertEqual(harness.hello(), {"hello": "optcheck-1", "name": "rule", "needs": ["gradient"]})
        with rule_of(
            """
            class Mine(Rule):
                name, needs, memory, precision = "mine é", ("gradient", "prox"), True, "single"
                horizon, dimension, deterministic = 100, 8, False
            """
        ) as harness:
            expected = {"hello": "optcheck-1", "name": "mine é", "needs": ["gradient", "prox"], "memory": True}
            expected.update(precision="single", horizon=100, dimension=8, deterministic=False)
            self.assertEqual(harness.hello(), expected)

    def test_reset_tells_all_about_the_problem(self):
        problem = Lasso()
        with rule_of(
            """
            class Mine(Rule):
                needs = ["data"]
                def reset(self, p):
                    self.known = [p.n, *p.x0, p.smoothness, p.rho, p.seed, *p.matrix[1], *p.target]
                def step(self, k, x, gradient, oracle, settled):
                    return self.known
            """
        ) as harness:
            harness.ask({"reset": problem.reset(matrix=problem.a, target=problem.b)})
            known = [4, *problem.x0, problem.smoothness, 0.1, 1, *problem.a[1], *problem.b]
            self.assertEqual(harness.step(1, problem.x0, problem)[0], known)

    def test_every_query_is_answered_within_a_step(self):
        problem, x = Lasso(), [1.0, -2.0, 0.0, 3.0]
        with rule_of(
            """
            class Mine(Rule):
                needs = ["gradient", "prox", "subgradient", "value"]
                def step(self, k, x, gradient, oracle, settled):
                    answers = oracle.gradient_at(x) + oracle.prox_at(x, 0.5) + oracle.prox_at(x, [1, 2, 3, 4])
                    return answers + oracle.subgradient_at(x) + [oracle.value_at(x)]
            """
        ) as harness:
            harness.hello()
            harness.ask({"reset": problem.reset()})
            found, queries = harness.step(1, x, problem)
        asked = [next(iter(query)) for query in queries]
        self.assertEqual(asked, ["gradient_at", "prox_at", "prox_at", "subgradient_at", "value_at"])
        self.assertEqual(queries[1]["scale"], [0.5] * 4)
        expected = problem.gradient_at(x) + problem.prox_at(x, 0.5) + problem.prox_at(x, [1, 2, 3, 4])
        self.assertEqual(found, expected + problem.subgradient_at(x) + [problem.value_at(x)])

    def test_asking_for_what_is_not_among_the_needs_is_an_error(self):
        with rule_of(stepping("oracle.prox_at(x, 1)")) as harness:
            harness.ask({"reset": Lasso().reset()})
            harness.send({"step": 1, "x": [1.0], "gradient": [1.0]})
            code, errors = harness.finish()
        self.assertEqual(code, 1)
        self.assertIn("must have 'prox' among its needs", errors)

    def test_a_harness_that_went_away_is_no_error(self):
        with rule_of(stepping("x")) as harness:
            harness.hello()
            harness.process.stdout.close()
            harness.send({"step": 1, "x": [1.0], "gradient": [1.0]})
            self.assertEqual(harness.finish(), (0, ""))

    def test_quit_and_end_of_input_exit_with_0(self):
        for last in ("quit", "end of input", "quit in the middle of a step", "end in the middle of a step"):
            with self.subTest(last), Harness("rules.py", "proximal-gradient") as harness:
                harness.hello()
                harness.ask({"reset": Lasso().reset()})
                if "step" in last:
                    self.assertIn("prox_at", harness.ask({"step": 1, "x": [1.0] * 4, "gradient": [1.0] * 4}))
                self.assertEqual(harness.quit() if "quit" in last else harness.finish(), (0, ""))

    def test_what_a_rule_prints_goes_to_standard_error(self):
        with rule_of(
            """
            import ctypes, os, subprocess, sys
            class Mine(Rule):
                def __init__(self):
                    print("from the constructor", flush=True)
                def step(self, k, x, gradient, oracle, settled):
                    print("from print")
                    print("from stdout of old", file=sys.__stdout__, flush=True)
                    os.write(1, b"from the descriptor\\n")
                    c = ctypes.CDLL(None)
                    c.puts(b"from C")
                    c.fflush(None)
                    subprocess.call([sys.executable, "-c", "print('from a child', flush=True); input()"])
                    return x
            """
        ) as harness:
            harness.hello()
            harness.ask({"reset": Lasso().reset()})
            for k in (1, 2):
                self.assertEqual(harness.ask({"step": k, "x": [1.0], "gradient": [k]}), {"x": [1.0]})
            code, errors = harness.quit()
        self.assertEqual(code, 0)
        for part in ("the constructor", "print", "stdout of old", "the descriptor", "C", "a child"):
            self.assertIn("from " + part, errors)
        self.assertIn("EOFError", errors)  # The child finds its input empty instead of eating our lines.

    def test_an_error_in_the_rule_is_told_on_standard_error(self):
        with rule_of(stepping("x[99]")) as harness:
            harness.ask({"reset": Lasso().reset()})
            harness.send({"step": 1, "x": [1.0], "gradient": [1.0]})
            code, errors = harness.finish()
        self.assertEqual(code, 1)
        self.assertIn("IndexError", errors)

    def test_numbers_that_are_not_finite_are_written_as_python_does(self):
        with rule_of(stepping("[1e999, -1e999, 1e999 - 1e999]")) as harness:
            harness.ask({"reset": Lasso().reset()})
            harness.send({"step": 1, "x": [1.0], "gradient": [1.0]})
            self.assertEqual(harness.process.stdout.readline(), '{"x": [Infinity, -Infinity, NaN]}\n')

    def test_rules_from_functions_and_answers_with_tolist(self):
        with rule_of(
            """
            import array
            def step(k, x, gradient, oracle, settled):
                return array.array("d", x)  # has .tolist(), as NumPy and PyTorch have
            serve(Rule(name="plain", step=step, horizon=7))
            """
        ) as harness:
            expected = {"hello": "optcheck-1", "name": "plain", "needs": ["gradient"], "horizon": 7}
            self.assertEqual(harness.hello(), expected)
            harness.ask({"reset": Lasso().reset()})
            self.assertEqual(harness.ask({"step": 1, "x": [0.1], "gradient": [1]}), {"x": [0.1]})
        with self.assertRaisesRegex(TypeError, "a rule has no 'stpe'"):
            optcheck_rule.Rule(stpe=None)


class Probes(unittest.TestCase):
    def test_probes_leave_every_rule_as_it_was(self):
        problem = Lasso()
        for name in rules.MADE_BY:
            with Harness("rules.py", name) as harness:
                plain = harness.run(problem, 4)
            with self.subTest(name), Harness("rules.py", name) as harness:
                harness.hello()
                harness.ask({"reset": problem.reset()})
                x = [problem.x0]
                for k in range(1, 5):
                    harness.probe(k, [3.0, -1.0, 0.5, 7.0], problem, gradient=[1.0, 2.0, -3.0, 0.25])
                    x.append(harness.step(k, x[-1], problem)[0])
                    harness.probe(k + 1, [-2.0, 1.0, 0.0, 1.0], problem, settled=True)
                if name == "leaking-probes" or not rules.MADE_BY[name].deterministic:
                    self.assertNotEqual(x, plain)
                else:
                    self.assertEqual(str(x), str(plain))  # As text, NaN equals NaN.

    def test_a_settled_probe_finds_the_remembered_iterates_at_x(self):
        problem = Lasso()
        for name in rules.CLEAN:
            at = problem if "prox" in rules.MADE_BY[name].needs else Lasso(rho=0.0)
            x = at.minimiser()
            with self.subTest(name), Harness("rules.py", name) as harness:
                harness.hello()
                harness.run(at, 7)
                moved = max(abs(a - b) for a, b in zip(harness.probe(8, x, at, settled=True), x))
                self.assertLess(moved, 1e-6 if rules.MADE_BY[name].precision == "single" else 1e-13)
                if rules.MADE_BY[name].memory:
                    moved = max(abs(a - b) for a, b in zip(harness.probe(8, x, at), x))
                    self.assertGreater(moved, 1e-3)

    def test_state_can_be_saved_in_a_way_of_ones_own(self):
        with rule_of(
            """
            class Mine(Rule):
                def reset(self, problem):
                    self.lock = (i for i in range(9))  # cannot be copied
                    self.count = 0
                def save(self):
                    return self.count
                def restore(self, saved):
                    self.count = saved
                def step(self, k, x, gradient, oracle, settled):
                    self.count += 1
                    return [self.count]
            """
        ) as harness:
            harness.ask({"reset": Lasso().reset()})
            step = {"step": 1, "x": [1.0], "gradient": [1.0]}
            answers = [harness.ask(dict(step, probe=probe)) for probe in (True, True, False, True, False)]
        self.assertEqual([a["x"][0] for a in answers], [1, 1, 1, 2, 2])


class Rules(unittest.TestCase):
    def test_every_rule_answers_five_steps_the_same_in_two_runs(self):
        problem = Lasso()
        for name, made in rules.MADE_BY.items():
            with self.subTest(name), Harness("rules.py", name) as harness:
                hello = harness.hello()
                self.assertEqual((hello["name"], hello["needs"]), (name, made.needs))
                first, second = harness.run(problem, 5), harness.run(problem, 5)
                self.assertTrue(all(len(x) == problem.n for x in first))
                if name == "reset-keeps-memory" or not made.deterministic:
                    self.assertNotEqual(first, second)
                else:
                    self.assertEqual(str(first), str(second))
                self.assertEqual(harness.quit(), (0, ""))

    def test_clean_rules_reach_the_minimum(self):
        for name in rules.CLEAN:
            made = rules.MADE_BY[name]
            problem = Lasso(rho=0.1 if "prox" in made.needs else 0.0)
            with self.subTest(name), Harness("rules.py", name) as harness:
                harness.hello()
                x = harness.run(problem, 1000)[-1]
                self.assertLess(distance(x, problem.minimiser()), 1e-5 if made.precision == "single" else 1e-11)

    def test_the_list(self):
        listed = json.loads(subprocess.check_output([sys.executable, "rules.py", "--list"], cwd=HERE))
        self.assertEqual(set(listed), {"clean", "faults"})
        self.assertGreaterEqual(len(listed["faults"]), 30)
        for entry in listed["faults"]:
            self.assertEqual(set(entry), {"name", "twin", "what"})
            self.assertIn(entry["twin"], listed["clean"])
            self.assertTrue(issubclass(rules.MADE_BY[entry["name"]], rules.MADE_BY[entry["twin"]]), entry["name"])

    def test_every_fault_shows_and_no_clean_rule_does(self):
        shows = {name: signs(name) for name in rules.MADE_BY}
        sound = [name for name in rules.CLEAN if rules.MADE_BY[name].deterministic]
        self.assertEqual({name: shows[name] for name in sound if shows[name]}, {})
        self.assertEqual([name for name in rules.FAULTS if not shows[name]], [])


def distance(x, y):
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(x, y)))


# Smooth and composite, with L below 1, above 2, and as it comes.
PROBLEMS = [
    [Lasso(n, rho * (size or 1), seed=n, smoothness=size) for n, size in ((4, 0.3), (6, 7.0), (5, None))]
    for rho in (0.0, 0.2)
]


def signs(name):
    """What can be seen of a fault from outside: where the iterates go, and what probes find.

    The rule runs in this process, since thousands of steps through a pipe would take long. The first problem where
    anything shows is the last.
    """
    made, found = rules.MADE_BY[name], set()
    slack = 1e-5 if made.precision == "single" else 1e-10
    composite = "prox" in made.needs
    for problem in PROBLEMS[composite]:
        n = problem.n
        best, rule = problem.minimiser(), made()
        zero = [0.0] * n

        def step(k, x, gradient=None, **more):
            gradient = problem.gradient_at(x) if gradient is None else gradient
            return optcheck_rule.answer(rule, dict({"step": k, "x": x, "gradient": gradient}, **more), problem)

        def run(steps, probes=False):
            rule.reset(optcheck_rule.Problem(problem.reset()))
            x = [problem.x0]
            for k in range(1, steps + 1):
                if probes:
                    step(k, zero, zero, probe=True)
                x.append(step(k, x[-1]))
                if not all(abs(v) < 1e100 for v in x[-1]):
                    break
            return x

        x = run(20)
        if str(run(20)) != str(x):
            found.add("reset")
        if str(run(20, probes=True)) != str(x):
            found.add("probes")
        x = run(3000)  # FISTA swings long
        if not all(distance(v, best) < slack for v in x[-150:]):
            found.add("limit")
        at_best = zero if not composite else problem.gradient_at(best)
        if not distance(step(len(x), best, at_best, probe=True, settled=True), best) < slack:
            found.add("fixed point")
        if not composite:
            # P of a rule that is x - P g / L, at points that have nothing to do with the run.
            p = [a * -problem.smoothness for a in step(len(x), zero, [1.0] * n, probe=True, settled=True)]
            if not all(0 < v < 2 for v in p):
                found.add("P")
        if found:
            break
    return found


class Learned(unittest.TestCase):
    WEIGHTS = {
        "dnn.0.weight": [[0.5, -1.0], [1.5, 0.75]],
        "linear.weight": [[1.0, -0.5, 2.0], [-0.25, 1.0, 0.5]],
        "linear_p.weight": [[0.3], [-0.7], [0.2]],
    }

    @unittest.skipUnless(importlib.util.find_spec("torch"), "PyTorch is not installed")
    def test_the_network_follows_its_formula(self):
        header, data = {}, b""
        for name, rows in self.WEIGHTS.items():
            part = struct.pack("<%dd" % (len(rows) * len(rows[0])), *(v for row in rows for v in row))
            entry = {"dtype": "F64", "shape": [len(rows), len(rows[0])]}
            header[name] = dict(entry, data_offsets=[len(data), len(data) + len(part)])
            data += part
        header["__metadata__"] = {"format": "pt"}
        text = json.dumps(header).encode()
        problem = Lasso(rho=0.0)
        with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
            file.write(struct.pack("<Q", len(text)) + text + data)
            file.flush()
            with Harness("coord_math_dnn.py", file.name) as harness:
                self.assertEqual(harness.hello()["needs"], ["gradient"])
                x = harness.run(problem, 3)
                self.assertEqual(harness.quit()[0], 0)
        for before, after in zip(x, x[1:]):
            expected = [self.moved(a, g, problem.smoothness) for a, g in zip(before, problem.gradient_at(before))]
            self.assertLess(distance(after, expected), 1e-14)

    def moved(self, x, gradient, smoothness):
        row = [gradient, x]
        for weight in self.WEIGHTS.values():
            row = [sum(a * b for a, b in zip(row, column)) for column in zip(*weight)]
            row = row if len(row) == 1 else [max(a, 0.0) for a in row]
        return x - gradient / smoothness * 2 / (1 + math.exp(-row[0]))

    @unittest.skipUnless(importlib.util.find_spec("torch"), "PyTorch is not installed")
    def test_a_seed_draws_weights_that_are_not_gradient_descent(self):
        problem = Lasso(rho=0.0)
        runs = []
        for seed in ("7", "7", "8"):
            with Harness("coord_math_dnn.py", seed) as harness:
                runs.append(harness.run(problem, 2)[-1])
                probe = harness.probe(3, problem.minimiser(), problem, gradient=[0.0] * problem.n, settled=True)
                self.assertEqual(probe, problem.minimiser())
        with Harness("rules.py", "gradient-descent") as harness:
            runs.append(harness.run(problem, 2)[-1])
        self.assertEqual(runs[0], runs[1])
        self.assertNotEqual(runs[0], runs[2])
        self.assertNotEqual(runs[0], runs[3])

    def test_without_pytorch_one_line_says_so(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "torch.py"), "w") as file:
                file.write("raise ImportError")
            command = [sys.executable, "coord_math_dnn.py"]
            done = subprocess.run(
                command, cwd=HERE, env=dict(os.environ, PYTHONPATH=folder), input="", capture_output=True, text=True
            )
        text = "coord_math_dnn.py needs PyTorch, which is not installed: pip install torch\n"
        self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", text))


class Misbehaving(unittest.TestCase):
    def test_every_mode_breaks_the_protocol_as_it_says(self):
        problem = Lasso()
        for mode in misbehaving.MODES:
            with self.subTest(mode), Harness("misbehaving.py", mode) as harness:
                self.check(mode, harness, problem)

    def check(self, mode, harness, problem):
        if mode == "exits-at-start":
            return self.assertEqual(harness.process.wait(timeout=30), 3)
        harness.send({"hello": "optcheck-1"})
        if mode == "hang-at-hello":
            return self.assert_hangs(harness)
        self.assertEqual(harness.read()["hello"], "optcheck-2" if mode == "wrong-version-hello" else "optcheck-1")
        self.assertEqual(harness.ask({"reset": problem.reset()}), {"ready": True})
        message = {"step": 1, "x": problem.x0, "gradient": problem.gradient_at(problem.x0)}
        harness.send(message)
        if mode == "hang-at-step":
            return self.assert_hangs(harness)
        if mode == "exits-at-step":
            return self.assertEqual(harness.process.wait(timeout=30), 3)
        line = harness.process.stdout.readline()
        if mode in ("rubbish-line", "prints-to-stdout"):
            return self.assertRaises(ValueError, json.loads, line)
        answer = json.loads(line)
        if mode == "missing-key":
            return self.assertNotIn("x", answer)
        x = answer["x"]
        self.assertEqual(len(x), problem.n + (mode == "wrong-length"))
        self.assertEqual(math.isnan(x[0]), mode == "nan-iterate")
        self.assertEqual(math.isinf(x[0]), mode == "infinity-iterate")
        if mode == "not-deterministic":
            self.assertNotEqual(harness.ask(message)["x"], x)
        if mode == "leaves-grandchild":
            harness.send({"quit": True})
            harness.process.terminate()
            self.assert_hangs(harness)
            harness.errors.seek(0)
            grandchild = int(harness.errors.read().split()[1])
            self.assertEqual(os.getpgid(grandchild), harness.process.pid)

    def assert_hangs(self, harness):
        with self.assertRaises(subprocess.TimeoutExpired):
            harness.process.wait(timeout=0.5)


if __name__ == "__main__":
    unittest.main()
