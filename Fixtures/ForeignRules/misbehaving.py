"""Children that break optcheck-1, one way each, for the tests of what the harness does then.

    python3 misbehaving.py MODE

Apart from its fault every one is gradient descent. None uses the client: that would prevent most of this.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time

LONG = 1000  # seconds: longer than any time limit, and yet nothing stays for ever


def say(message):
    print(json.dumps(message), flush=True)


def greet(mode):
    if mode == "hang-at-hello":
        time.sleep(LONG)
    version = "optcheck-2" if mode == "wrong-version-hello" else "optcheck-1"
    say({"hello": version, "name": mode, "needs": ["gradient"]})


def descend(mode, message, smoothness):
    x = [a - g / smoothness for a, g in zip(message["x"], message["gradient"])]
    if mode == "hang-at-step":
        time.sleep(LONG)
    elif mode == "exits-at-step":
        sys.exit(3)
    elif mode == "rubbish-line":
        print("this is not JSON", flush=True)
        return
    elif mode == "missing-key":
        say({"y": x})
        return
    elif mode == "wrong-length":
        x.append(0.0)
    elif mode == "nan-iterate":
        x[0] = float("nan")
    elif mode == "infinity-iterate":
        x[0] = float("inf")
    elif mode == "not-deterministic":
        x = [a + 1e-3 * random.SystemRandom().random() for a in x]
    elif mode == "prints-to-stdout":
        print("step", message["step"], flush=True)
        print("loss 0.5", flush=True)
    say({"x": x})


def start(mode):
    if mode == "exits-at-start":
        sys.exit(3)
    if mode == "leaves-grandchild":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # The child inherits that, stays in the same process group and keeps both pipes open.
        child = subprocess.Popen(["sleep", str(LONG)])
        print("grandchild", child.pid, "of", os.getpid(), file=sys.stderr, flush=True)


def main(mode):
    start(mode)
    for line in iter(sys.stdin.readline, ""):
        message = json.loads(line)
        if "hello" in message:
            greet(mode)
        elif "reset" in message:
            smoothness = message["reset"]["smoothness"]
            say({"ready": True})
        elif "step" in message:
            descend(mode, message, smoothness)
        elif "quit" in message:
            if mode == "leaves-grandchild":
                time.sleep(LONG)
            return


MODES = [
    "hang-at-hello",
    "hang-at-step",
    "exits-at-start",
    "exits-at-step",
    "rubbish-line",
    "missing-key",
    "wrong-length",
    "nan-iterate",
    "infinity-iterate",
    "not-deterministic",
    "leaves-grandchild",
    "prints-to-stdout",
    "wrong-version-hello",
]

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in MODES:
        sys.exit("usage: misbehaving.py MODE, one of:\n  " + "\n  ".join(MODES))
    main(sys.argv[1])
