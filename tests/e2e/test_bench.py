# SPDX-License-Identifier: MIT
"""extstate-bench against extstated: every phase ends complete, and what is not is found. Nothing is timed."""
import json
import pathlib
import shlex
import socket
import subprocess
import tempfile
import threading
import unittest

import harness
from harness import BUILD, TOP, Extstated

BENCH = BUILD / "tools/extstate-bench"
WATCHERS, RESOURCES = 300, 30
COMPOSITOR = """
[compositor]
domains=127.0.0.1
context=users
publish=any
"""


def bench(daemon, *words, status=0):
    """Run it on the extensions 2000 to 2029; its JSON lines by phase, the last one of each."""
    command = [BENCH, "--server", f"127.0.0.1:{daemon.port}", "--from", "alice", "--base", "2000", "--resources",
               str(RESOURCES), "--watchers", str(WATCHERS), "--server-pid", str(daemon.process.pid), "--json", "-", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
    if done.returncode != status:
        raise AssertionError(f"exit {done.returncode}, not {status}\n{done.stdout}{done.stderr}")
    return {row["phase"]: row for row in map(json.loads, done.stdout.splitlines())}


class FakeManager(threading.Thread):
    """An Asterisk's manager interface, as far as Setvar; it sets the devices of an extstated."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.control = socket.socket(socket.AF_UNIX)
        self.control.connect(str(daemon.socket))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.logins = []

    def run(self):
        connection = self.listener.accept()[0]
        with connection, connection.makefile() as file, self.control.makefile("rw") as control:
            connection.sendall(b"Asterisk Call Manager/9.0.0\r\n")
            block = {}
            for line in file:
                key, _, value = line.strip().partition(": ")
                if key:
                    block[key] = value
                    continue
                connection.sendall(self.answer(control, block).encode())
                block = {}

    def answer(self, control, block):
        if block["Action"] == "Login":
            self.logins.append((block["Username"], block["Secret"]))
        else:
            device = block["Variable"].removeprefix("DEVICE_STATE(").removesuffix(")")
            control.write(json.dumps({"command": "devstate.set", "device": device, "state": block["Value"]}) + "\n")
            control.flush()
            control.readline()
        return f"Response: Success\r\nActionID: {block['ActionID']}\r\nMessage: done\r\n\r\n"

    def close(self):
        self.listener.close()
        self.control.close()


class BusyControl(threading.Thread):
    """The control socket of a daemon, behind one that is too busy for the first request of each id."""

    def __init__(self, daemon, path):
        super().__init__(daemon=True)
        self.control = socket.socket(socket.AF_UNIX)
        self.control.connect(str(daemon.socket))
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()

    def run(self):
        connection, seen = self.listener.accept()[0], set()
        with connection, connection.makefile() as lines, self.control.makefile() as answers:
            for line in lines:
                number = json.loads(line)["id"]
                if number in seen:
                    self.control.sendall(line.encode())
                    connection.sendall(answers.readline().encode())
                else:
                    seen.add(number)
                    answer = {"id": number, "ok": False, "error": "busy", "message": "later"}
                    connection.sendall(json.dumps(answer).encode() + b"\n")

    def close(self):
        self.listener.close()
        self.control.close()


class Bench(unittest.TestCase):
    def test_control_socket(self):
        with Extstated() as daemon:
            rows = bench(daemon, "--change", f"ctl:{daemon.socket}", "subscribe", "fanout:n=90", "refresh", "storm",
                         "fanout:rate=500", "unsubscribe", "limit:n=1000")
            self.assertEqual(list(rows), ["prime", "subscribe", "initial", "fanout", "refresh", "storm", "storm-lamps",
                                          "unsubscribe", "limit"])
            for phase in ("subscribe", "initial", "refresh", "storm", "storm-lamps", "unsubscribe"):
                self.assertEqual(rows[phase]["operations"], WATCHERS)
                self.assertEqual(rows[phase]["latency_us"]["count"], WATCHERS)
            self.assertEqual(rows["fanout"]["changes"], RESOURCES)
            self.assertGreaterEqual(rows["fanout"]["operations"], WATCHERS)
            self.assertEqual(rows["limit"]["operations"], 1000)
            self.assertGreater(rows["subscribe"]["server_cpu_ns_per_operation"], 0)
            self.assertGreater(rows["subscribe"]["memory_bytes"], 1000000)

    def test_what_it_ends_is_ended(self):
        with Extstated() as daemon:
            bench(daemon, "--change", "none", "subscribe")
            self.assertEqual(daemon.tool("status")[0]["notifier"]["subscriptions"], WATCHERS)
            bench(daemon, "--change", "none", "subscribe", "refresh", "unsubscribe")
            self.assertEqual(daemon.tool("status")[0]["notifier"]["subscriptions"], WATCHERS)

    def test_publish_and_loss(self):
        with Extstated({"extstate.conf": COMPOSITOR}) as daemon:
            rows = bench(daemon, "--loss", "3", "--zipf", "1", "subscribe", "fanout", "publish:n=200", "unsubscribe")
            self.assertEqual(rows["publish"]["operations"], 200)
            self.assertGreater(sum(row["lost_on_purpose"] for row in rows.values()), 0)
            self.assertGreater(sum(row["sent_again"] for row in rows.values()), 0)
            self.assertEqual(len(daemon.tool("publications", "inbound")), RESOURCES + 200)

    def test_slow_and_dead_watchers(self):
        with Extstated() as daemon:
            rows = bench(daemon, "--change", f"ctl:{daemon.socket}", "--slow", "10", "--slow-ms", "700", "--dead", "10",
                         "subscribe", "fanout", "unsubscribe")
            self.assertGreater(rows["fanout"]["received_again"] + rows["unsubscribe"]["received_again"], 0)
            living = WATCHERS * 9 // 10
            self.assertEqual(daemon.tool("status")[0]["notifier"]["subscriptions"], WATCHERS - living)
            daemon.kill()  # the orderly end would wait for the dead

    def test_manager_interface(self):
        with Extstated() as daemon:
            manager = FakeManager(daemon)
            self.addCleanup(manager.close)
            manager.start()
            rows = bench(daemon, "--change", f"ami:127.0.0.1:{manager.port}:bench:se:cret", "subscribe", "fanout",
                         "unsubscribe")
            self.assertEqual(rows["fanout"]["operations"], WATCHERS)
            self.assertEqual(manager.logins, [("bench", "se:cret")])
            manager.join(10)

    def test_busy_control_socket(self):
        with Extstated() as daemon, tempfile.TemporaryDirectory() as directory:
            control = BusyControl(daemon, pathlib.Path(directory) / "socket")
            self.addCleanup(control.close)
            control.start()
            rows = bench(daemon, "--change", f"ctl:{directory}/socket", "subscribe", "fanout", "unsubscribe")
            self.assertEqual(rows["prime"]["refused"], RESOURCES)
            self.assertEqual(rows["fanout"]["operations"], WATCHERS)
            control.join(10)

    def test_command(self):
        with Extstated() as daemon:
            command = f"while read device state; do {daemon.command('devstate', 'change')} $device $state; done"
            rows = bench(daemon, "--change", f"command:{command}", "subscribe", "fanout:n=3", "unsubscribe")
            self.assertEqual(rows["fanout"]["changes"], 3)

    def test_drain(self):
        """Sent away with a time to come back, the phones come back, and nobody's lamp is wrong."""
        with Extstated() as daemon, tempfile.TemporaryDirectory() as directory:
            pause = pathlib.Path(directory) / "drain"
            pause.write_text(f"{daemon.command('drain', '--reason', 'probation', '--retry-after', '1', '--rate', '1000')};"
                             f"sleep 1; {daemon.command('drain', '--stop')}")
            rows = bench(daemon, "--change", f"ctl:{daemon.socket}", "--restart", f"sh {pause}", "subscribe",
                         "restart:rate=1000", "fanout", "unsubscribe")
            self.assertEqual(rows["restart"]["operations"], WATCHERS)
            self.assertGreaterEqual(rows["restart"]["subscribed_again"], WATCHERS)

    def test_restart(self):
        """Killed, so that all it knew is lost: the phones find out when they refresh."""
        with Extstated() as daemon, tempfile.TemporaryDirectory() as directory:
            pid = pathlib.Path(directory) / "pid"
            pid.write_text(str(daemon.process.pid))
            start = shlex.join(map(str, daemon.process.args))
            log = daemon.directory / "log2"
            # The port is free again only when the killed process is gone, for which its parent must wait for it.
            restart = (f"kill -9 $(cat {pid}); while kill -0 $(cat {pid}); do sleep 0.01; done; "
                       f"{start} >{log} 2>&1 & echo $! >{pid}; "
                       f"until grep -q '^ready$' {log}; do sleep 0.05; kill -0 $! || exit 1; done")
            threading.Thread(target=daemon.process.wait, daemon=True).start()
            rows = bench(daemon, "--change", f"ctl:{daemon.socket}", "--server-pid", pid, "--restart", restart,
                         "subscribe", "restart:rate=1000", "fanout", "unsubscribe")
            self.assertEqual(rows["restart"]["operations"], WATCHERS)
            self.assertEqual(rows["restart"]["subscribed_again"], WATCHERS)
            self.assertGreater(rows["unsubscribe"]["server_cpu_ns"], 0)
            daemon.process.wait()
            daemon.process = None
            subprocess.run(["kill", pid.read_text().strip()], check=True)
            harness.wait_for("its end", lambda: "daemon.stopped" in log.read_text())

    def test_wrong_lamps_are_found(self):
        """Changes that nobody makes: what the watchers show is not the truth."""
        with Extstated() as daemon:
            rows = bench(daemon, "--change", "command:cat >/dev/null", "--patience", "1", "subscribe", status=1)
            self.assertFalse(rows["subscribe"]["complete"])
            self.assertEqual(rows["subscribe"]["wrong"], WATCHERS)

    def test_missing_answers_are_found(self):
        with Extstated() as daemon:
            daemon.kill()
            daemon.process = subprocess.Popen(["true"])
            rows = bench(daemon, "--change", "none", "--patience", "1", "subscribe", status=1)
            self.assertEqual(rows["subscribe"]["undone"], WATCHERS)
            self.assertEqual(rows["subscribe"]["operations"], 0)
            daemon.process.wait()

    def test_refusals_are_found(self):
        """Ten of the thirty resources are there: the watchers of the others are missed in every phase."""
        with Extstated({"extensions.conf": "[users]\nexten => _200X,hint,Custom:${EXTEN}\n"}) as daemon:
            rows = bench(daemon, "--change", f"ctl:{daemon.socket}", "--patience", "1", "subscribe", "fanout", status=1)
            self.assertEqual(rows["subscribe"]["undone"], WATCHERS * 2 // 3)
            self.assertEqual(rows["subscribe"]["operations"], WATCHERS // 3)
            self.assertEqual(rows["fanout"]["operations"], WATCHERS // 3)
            self.assertEqual(rows["fanout"]["wrong"], WATCHERS * 2 // 3)

    def test_refused_changes_are_found(self):
        """Without [compositor] nobody may publish."""
        with Extstated() as daemon:
            rows = bench(daemon, "--patience", "1", "prime", status=1)
            self.assertEqual(rows["prime"]["undone"], RESOURCES)


class Comparison(unittest.TestCase):
    def test_quick(self):
        """scripts/bench on both servers, as small as it goes."""
        with tempfile.TemporaryDirectory() as directory:
            done = subprocess.run([TOP / "scripts/bench", "--quick", "--results", directory], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, timeout=90)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            results = pathlib.Path(directory)
            for server in ("extstate", "kamailio"):
                rows = [json.loads(line) for line in (results / f"{server}-size-10000.json").read_text().splitlines()]
                self.assertEqual([row["phase"] for row in rows],
                                 ["prime", "subscribe", "initial", "fanout", "fanout", "publish", "refresh", "unsubscribe"])
            self.assertEqual(json.loads((results / "machine.json").read_text())["left_out"], [])
            table = (results / "table.md").read_text()
            self.assertRegex(table, r"\| NOTIFY sent and acknowledged, 1,000 watchers \| [\d.,]+ \| [\d.,]+ \| [\d.,]+ \|")
            self.assertEqual((results / "cost.svg").read_text().count("<polyline"), 2)


if __name__ == "__main__":
    harness.main()
