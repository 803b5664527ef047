# SPDX-License-Identifier: MIT
"""extstate-bench against extstated, and over TCP and TLS against Kamailio: every phase ends complete, and what is not is
found. Nothing is timed."""
import json
import pathlib
import re
import shlex
import socket
import subprocess
import tempfile
import threading
import unittest

import harness
from harness import BUILD, TOP, Extstated, Kamailio, Message

BENCH = BUILD / "tools/extstate-bench"
WATCHERS, RESOURCES = 300, 30
COMPOSITOR = """
[compositor]
domains=127.0.0.1
context=users
publish=any
"""


def bench_on(port, *words, status=0):
    """Run it; its JSON lines by phase, the last one of each, and what it complained of."""
    command = [BENCH, "--server", f"127.0.0.1:{port}", "--json", "-", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
    if done.returncode != status:
        raise AssertionError(f"exit {done.returncode}, not {status}\n{done.stdout}{done.stderr}")
    return ({row["phase"]: row for row in map(json.loads, done.stdout.splitlines())},
            [line for line in done.stderr.splitlines() if line.startswith("extstate-bench: ")])


def bench(daemon, *words, status=0):
    """On the extensions 2000 to 2029."""
    return bench_on(daemon.port, "--from", "alice", "--base", "2000", "--resources", str(RESOURCES), "--watchers",
                    str(WATCHERS), "--server-pid", str(daemon.process.pid), *words, status=status)[0]


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

    def test_compositor(self):
        """What extstated publishes of its hints; the last ten resources have none, which must be seen."""
        port = harness.free_port()
        publisher = (f"[meter]\ntype=outbound-publish\nserver_uri=sip:127.0.0.1:{port}\nfrom_uri=sip:127.0.0.1\nevent=dialog\n"
                     "multi_user=yes\n@body=application/dialog-info+xml\n@context=^users\n")
        hints = "[users]\n" + "".join(f"exten => {n},hint,Custom:{n}\n" for n in range(2000, 2030))
        us = ("--compositor", "--local", f"127.0.0.1:{port}", "--sockets", "1", "--watchers", "0")
        with Extstated({"extensions.conf": hints,
                        "pjsip.conf": harness.DEFAULT_FILES["pjsip.conf"] + publisher}) as daemon:
            rows = bench(daemon, *us, "--change", f"ctl:{daemon.socket}", "fanout:n=90")
            self.assertEqual((rows["fanout"]["operation"], rows["fanout"]["operations"]), ("PUBLISH", 90))
            self.assertEqual(rows["fanout"]["latency_us"]["count"], 90)
            self.assertGreater(rows["fanout"]["server_cpu_ns_by_thread"]["state"], 0)
            self.assertEqual(sum(rows["fanout"]["server_cpu_ns_by_thread"].values()), rows["fanout"]["server_cpu_ns"])
        with Extstated({"extensions.conf": hints,
                        "pjsip.conf": harness.DEFAULT_FILES["pjsip.conf"] + publisher}) as daemon:
            rows = bench(daemon, *us, "--change", f"ctl:{daemon.socket}", "--resources", "40", "--patience", "1", "fanout",
                         status=1)
            self.assertEqual((rows["fanout"]["wrong"], rows["fanout"]["undone"]), (10, 10))

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

    def restart(self, durability, subscribed_again):
        with Extstated({"extstate.conf": f"[general]\ndurability={durability}\n"}) as daemon, tempfile.TemporaryDirectory() as directory:
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
            self.assertEqual(rows["restart"]["subscribed_again"], subscribed_again)
            self.assertGreater(rows["unsubscribe"]["server_cpu_ns"], 0)
            daemon.process.wait()
            daemon.process = None
            subprocess.run(["kill", pid.read_text().strip()], check=True)
            harness.wait_for("its end", lambda: "daemon.stopped" in log.read_text())

    def test_restart(self):
        """Killed: the phones find that they are still there when they refresh."""
        self.restart("normal", 0)

    def test_restart_without_a_store(self):
        """All it knew is lost: the phones find out when they refresh."""
        self.restart("none", WATCHERS)

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


class StreamKamailio(Kamailio):
    """scripts/bench's, with TCP and TLS beside UDP."""

    memory = 256

    def __init__(self):
        super().__init__()
        self.tls_port = harness.free_port()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem",
                        "-days", "2", "-subj", "/CN=127.0.0.1"], cwd=self.directory, check=True, capture_output=True)
        tls = "".join(f'modparam("tls", "{name}", "{value}")\n' for name, value in {
            "private_key": self.directory / "key.pem", "certificate": self.directory / "cert.pem",
            "tls_method": "TLSv1.2+"}.items())
        text = (TOP / "bench/kamailio.cfg").read_text().replace("CHILDREN", "2")
        text = text.replace("disable_tcp=yes", "tcp_children=1\nenable_tls=yes")
        text = text.replace("listen=udp:127.0.0.1:PORT", f"listen=udp:127.0.0.1:{self.port}\nlisten=tcp:127.0.0.1:{self.port}\n"
                            f"listen=tls:127.0.0.1:{self.tls_port}")
        text = text.replace("\nrequest_route", f'\nloadmodule "tls.so"\n{tls}\nrequest_route')
        (self.directory / "kamailio.cfg").write_text(text.replace("PORT", str(self.port)))


class Peer(threading.Thread):
    """A server of events over TCP whose only lamp is dark; it answers in parts of its own choice, and hangs up after
    `lives` messages; `stays`: then it listens on."""

    def __init__(self, lives=None, stays=True):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.lives = lives
        self.stays = stays
        self.answered = []  # NOTIFYs that had a 2xx
        self.transports = set()

    def run(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        kept, part = b"", 0
        with connection:
            while data := connection.recv(65536):
                kept, out = kept + data, b""
                while b"\r\n\r\n" in (kept := kept.lstrip(b"\r\n")):  # keep-alives before a message
                    head, _, rest = kept.partition(b"\r\n\r\n")
                    length = int(re.search(rb"Content-Length: (\d+)", head)[1])
                    if len(rest) < length:
                        break
                    kept = rest[length:]
                    out += self.answer(Message(head + b"\r\n\r\n" + rest[:length]))
                    if self.lives is not None:
                        self.lives -= 1
                        if self.lives == 0:
                            if not self.stays:
                                self.close()
                            return
                while out:  # one byte, two, ... up to what is more than a message
                    part = part % 1500 + 1
                    connection.sendall(out[:part])
                    out = out[part:]

    def answer(self, message):
        if message.status:
            self.answered.append(message["Call-ID"])
            return b""
        self.transports |= {message["Via"].split()[0], message["Contact"].rstrip(">").partition(";")[2]}
        copied = "".join(f"{name}: {message[name]}\r\n" for name in ("Via", "From", "Call-ID", "CSeq"))
        to = message["To"] if "tag=" in message["To"] else message["To"] + ";tag=peer"
        target = message["Contact"].strip("<>")
        state = "active;expires=600" if int(message["Expires"]) else "terminated;reason=timeout"
        return ("\r\n\r\n"  # a keep-alive
                f"SIP/2.0 200 OK\r\n{copied}To: {to}\r\nContact: <sip:peer@127.0.0.1>\r\nl: 0\r\n\r\n"
                f"NOTIFY {target} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bKn{message.cseq}{message['Call-ID']}\r\n"
                f"From: {to}\r\nTo: {message['From']}\r\nCall-ID: {message['Call-ID']}\r\nCSeq: {message.cseq} NOTIFY\r\n"
                f"Event: dialog\r\nSubscription-State: {state}\r\nContent-Length: 4\r\n\r\n\r\n\r\n").encode()

    def close(self):
        if self.listener.fileno() >= 0:
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Streams(unittest.TestCase):
    def peer(self, **options):
        peer = Peer(**options)
        self.addCleanup(peer.close)
        peer.start()
        return peer

    def with_kamailio(self, transport, port, process, *words):
        rows, complaints = bench_on(port, "--transport", transport, "--domain", "127.0.0.1", "--watchers", str(WATCHERS),
                                    "--resources", str(RESOURCES), "--server-pid", str(process), *words, "subscribe",
                                    "fanout:n=60", "publish:n=50", "refresh", "unsubscribe")
        self.assertEqual(complaints, [])
        self.assertEqual(list(rows), ["connect", "prime", "subscribe", "initial", "fanout", "publish", "refresh",
                                      "unsubscribe"])
        for phase in ("subscribe", "initial", "refresh", "unsubscribe"):
            self.assertEqual(rows[phase]["operations"], WATCHERS)
        self.assertGreaterEqual(rows["fanout"]["operations"], WATCHERS)
        self.assertEqual(sum(row["sent_again"] + row["connections_lost"] for row in rows.values()), 0)
        return rows

    @unittest.skipIf(harness.BRIEF, "most of the time is Kamailio's")
    def test_kamailio(self):
        """Its lamps are right over both. One connection for each watcher is for TCP: it has died of 300 handshakes."""
        with StreamKamailio() as kamailio:
            for transport, port, n in (("tcp", kamailio.port, 16), ("tcp", kamailio.port, WATCHERS),
                                       ("tls", kamailio.tls_port, 16)):
                rows = self.with_kamailio(transport, port, kamailio.process.pid, "--connections", str(n))
                self.assertEqual(rows["connect"]["operations"], n)
                self.assertEqual(rows["connect"]["latency_us"]["count"], n)

    def test_parts(self):
        """Messages cut anywhere, and several in one part."""
        peer = self.peer()
        rows, _ = bench_on(peer.port, "--transport", "tcp", "--change", "none", "--watchers", "200", "--connections", "3",
                           "subscribe", "refresh", "unsubscribe")
        self.assertEqual(rows["connect"]["operations"], 3)
        for phase in ("subscribe", "refresh", "unsubscribe"):
            self.assertEqual(rows[phase]["operations"], 200)
        harness.wait_for("the answers", lambda: len(peer.answered) == 600)
        self.assertEqual(len(set(peer.answered)), 200)
        self.assertEqual(peer.transports, {"SIP/2.0/TCP", "transport=tcp"})

    def test_hanging_up(self):
        """A connection that ends is made again, and its phones subscribe anew; that is told, and counted."""
        peer = self.peer(lives=150)
        rows, complaints = bench_on(peer.port, "--transport", "tcp", "--change", "none", "--watchers", "100",
                                    "--connections", "2", "subscribe", "refresh", "unsubscribe")
        del rows["initial"]  # has the counts of subscribe once more
        self.assertEqual(sum(row["connections_lost"] for row in rows.values()), 1)
        self.assertEqual(len(complaints), 1)
        self.assertRegex(complaints[0], "connection [12] of 2, to 127.0.0.1:.*, has ended: ")
        again = sum(row["subscribed_again"] for row in rows.values())
        self.assertTrue(0 < again <= 50, again)
        self.assertEqual(rows["unsubscribe"]["operations"], 100)

    def test_gone(self):
        """It hangs up, and does not come back: what is still to be done is not, and nobody waits for ever."""
        peer = self.peer(lives=50, stays=False)
        rows, complaints = bench_on(peer.port, "--transport", "tcp", "--change", "none", "--watchers", "100",
                                    "--connections", "1", "--patience", "1", "subscribe", "refresh", status=1)
        self.assertEqual(rows["subscribe"]["connections_lost"], 1)
        self.assertEqual(rows["refresh"]["operations"], 0)
        self.assertEqual(rows["refresh"]["undone"], 101)  # and the connection
        self.assertEqual(len(complaints), 1)

    def test_nobody_there(self):
        port = harness.free_port()
        rows, complaints = bench_on(port, "--transport", "tcp", "--connections", "2", "subscribe", status=3)
        self.assertEqual(complaints, [f"extstate-bench: connection {k} of 2, to 127.0.0.1:{port}, cannot be made: "
                                      "Connection refused" for k in (1, 2)])
        self.assertEqual(list(rows), ["connect"])
        self.assertEqual((rows["connect"]["operations"], rows["connect"]["undone"]), (0, 2))

    def test_no_tls_there(self):
        peer = self.peer()
        rows, complaints = bench_on(peer.port, "--transport", "tls", "--connections", "1", "--patience", "1", "subscribe",
                                    status=3)
        self.assertEqual(rows["connect"]["undone"], 1)


class Comparison(unittest.TestCase):
    @unittest.skipIf(harness.BRIEF, "it measures")
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
            for row in ("state change that nobody watches", "PUBLISH sent and acknowledged"):
                self.assertRegex(table, rf"\| {row}[^|]* \| [\d.,]+ \| – \| – \| CPU-µs \|")
            self.assertRegex(table, r"\| NOTIFY sent and acknowledged, 1,000 watchers \| [\d.,]+ \| [\d.,]+ \| [\d.,]+ \|")
            self.assertEqual((results / "cost.svg").read_text().count("<polyline"), 2)


if __name__ == "__main__":
    harness.main()
