# SPDX-License-Identifier: MIT
"""10,000 hints and watchers (or EXTSTATE_WATCHERS) while the network loses 5 % each way: no final lamp may be wrong."""
import json
import os
import random
import socket
import subprocess
import time
import unittest

import harness
from harness import BUILD, DEFAULT_FILES, Extstated, preload

WATCHERS = HINTS = int(os.environ.get("EXTSTATE_WATCHERS", 10000))
BASE = 100000
SHOWN = {"NOT_INUSE": "terminated", "INUSE": "confirmed", "RINGING": "early", "ONHOLD": "held", "BUSY": "confirmed"}


class Control:
    """The control socket, many commands at a time."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.file = self.socket.makefile("rw")

    def set_all(self, states):
        """Every change is acknowledged before this returns."""
        for start in range(0, len(states), 500):
            part = states[start:start + 500]
            for device, state in part:
                self.file.write(json.dumps({"command": "devstate.set", "device": device, "state": state}) + "\n")
            self.file.flush()
            for _ in part:
                answer = json.loads(self.file.readline())
                if not answer["ok"]:
                    raise AssertionError(answer)

    def close(self):
        self.file.close()
        self.socket.close()


class Swarm:
    def __init__(self, port, extensions, watchers):
        self.process = subprocess.Popen([BUILD / "tests/e2e/swarm", f"127.0.0.1:{port}", "alice", str(BASE), str(extensions),
                                         str(watchers)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if line != "subscribed\n":
            raise AssertionError(f"swarm said {line!r}")

    def report(self):
        self.process.stdin.write("report\n")
        self.process.stdin.flush()
        seen = {}
        for line in iter(self.process.stdout.readline, "end\n"):
            extension, *counts = line.split()
            seen[extension] = dict((c.split("=")[0], int(c.split("=")[1])) for c in counts)
        return seen

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


class Loss(unittest.TestCase):
    def run_with(self, extensions, changes, rounds):
        hints = "".join(f"exten => {BASE + i},hint,Custom:{BASE + i}\n" for i in range(HINTS))
        files = {"pjsip.conf": DEFAULT_FILES["pjsip.conf"], "extensions.conf": "[users]\n" + hints}
        environment = {"LD_PRELOAD": preload("lossy"), "LOSSY_PERCENT": "5"}
        draw = random.Random(extensions)
        with Extstated(files, environment=environment) as daemon, \
                Swarm(daemon.port, extensions, WATCHERS) as swarm:
            control = Control(daemon.socket)
            truth = {str(BASE + i): "terminated" for i in range(extensions)}
            for _ in range(rounds):
                states = []
                for _ in range(changes):
                    extension = str(BASE + draw.randrange(extensions))
                    state = draw.choice(list(SHOWN))
                    states.append((f"Custom:{extension}", state))
                    truth[extension] = SHOWN[state]
                control.set_all(states)
            each = WATCHERS // extensions
            wanted = {extension: {state: each} for extension, state in truth.items()}
            end = time.monotonic() + 80
            seen = swarm.report()
            while seen != wanted and time.monotonic() < end:
                time.sleep(0.5)
                seen = swarm.report()
            wrong = {e: s for e, s in seen.items() if s != wanted[e]}
            self.assertEqual(wrong, {}, f"{len(wrong)} extensions have stale lamps")
            control.close()
            status = daemon.tool("status")[0]
            self.assertEqual(status["notifier"]["subscriptions"], WATCHERS)
            self.assertEqual(status["state"]["hints"], HINTS)
            self.assertGreater(status["transactions"]["client_retransmissions"], 0, "nothing was lost")
            daemon.process.kill()  # the orderly end would tell thousands of watchers over a bad network
            daemon.process.wait()
            daemon.process = None

    def test_one_extension(self):
        self.run_with(extensions=1, changes=5, rounds=4)

    def test_many_extensions(self):
        self.run_with(extensions=HINTS, changes=HINTS // 2, rounds=3)


if __name__ == "__main__":
    harness.main()
