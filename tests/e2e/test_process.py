# SPDX-License-Identifier: MIT
"""The process: configuration that is wrong, plugins that are, the background, and who may be asked."""
import contextlib
import ctypes
import json
import os
import pathlib
import re
import shlex
import signal
import socket
import stat
import subprocess
import time
import unittest

import harness
from harness import BUILD, DEFAULT_FILES, EXTSTATED, Extstated, Phone, wait_for

HINT_WITH_NAME = "[users]\nexten => 1000,hint,Custom:1000(Alice Smith)\n"


def plugin(name, directory="plugins", more=""):
    return f"[general]\nplugin_directory={BUILD / directory}\n[plugins]\nload = {name}\n{more}"


class Check(unittest.TestCase):
    def check(self, status, **files):
        """Run --check on these files and return what it prints."""
        daemon = Extstated({name.replace("_conf", ".conf"): text for name, text in files.items()})
        try:
            done = subprocess.run([EXTSTATED, "--check", "--config-dir", daemon.config, "--state-dir", daemon.directory],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=harness.PATIENCE)
            self.assertEqual(done.returncode, status, done.stdout + done.stderr)
            return done.stdout
        finally:
            daemon.end()

    def test_fine(self):
        self.assertIn("0 errors, 0 warnings", self.check(0))

    def test_every_problem_with_its_place(self):
        text = self.check(1, pjsip_conf=DEFAULT_FILES["pjsip.conf"] + """
[esc]
type=outbound-publish
server_uri=http://nowhere
event=dialog
@body=application/dialog-info+xml
[esc2]
type=outbound-publish
server_uri=sip:127.0.0.1
event=dialog
@body=application/nonsense+xml
""", extstate_conf="[general]\nworkerz=2\n")
        self.assertRegex(text, r"pjsip\.conf:\d+: error: .*server_uri")
        self.assertRegex(text, r"pjsip\.conf:\d+: error: .*application/nonsense\+xml")
        self.assertRegex(text, r"extstate\.conf:2: warning: .*workerz.*workers")

    def test_no_such_directory(self):
        done = subprocess.run([EXTSTATED, "--check", "--config-dir", "/nonexistent"], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=harness.PATIENCE)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no such directory", done.stdout)

    def test_file_that_does_not_parse(self):
        text = self.check(1, extensions_conf="exten => 1000,hint,Custom:1000\n")
        self.assertRegex(text, r"extensions\.conf:1: error:")

    def test_what_does_not_parse_hides_nothing(self):
        text = self.check(1, pjsip_conf="""x=1
[udp]
type=transport
bind=127.0.0.1
[alice](phone)
type=endpoint
sub_min_expiry=soon
[esc]
type=outbound-publish
server_uri=sip:127.0.0.1
event=dialog
multi_user=yes
@body=application/nonsense+xml
#include gone.conf
""", extstate_conf="[general](+)\nworkers=many\n[plugins]\nload=missing\n",
                          extensions_conf="exten => 1000,hint,Custom:1000\n[users]\nexten => 1000,hint,1000\n")
        found = re.findall(r"/(\w+\.conf:\d+: \w+): ", text)
        self.assertEqual(found, ["extensions.conf:1: error", "extensions.conf:3: warning",
                                 "extstate.conf:1: error", "extstate.conf:2: error", "extstate.conf:4: error",
                                 "pjsip.conf:1: error", "pjsip.conf:5: error", "pjsip.conf:7: error",
                                 "pjsip.conf:8: error", "pjsip.conf:14: error"], text)
        self.assertIn("unless it is a plugin that is not loaded", text)
        self.assertIn("9 errors, 1 warnings", text)

    def test_plugin(self):
        self.assertIn("cannot be loaded", self.check(1, extstate_conf=plugin("missing")))


class Plugin(unittest.TestCase):
    def test_one_vendor_gets_its_body(self):
        files = {"extensions.conf": HINT_WITH_NAME, "extstate.conf": plugin("snom_lamp", more="[snom_lamp]\nmax_length=5\n")}
        with Extstated(files) as daemon:
            daemon.set("Custom:1000", "INUSE")
            for agent, named in (("snomD785/10.1", True), ("Yealink T54W", False)):
                with self.subTest(agent), Phone(daemon.port) as phone:
                    phone.subscribe("1000", headers=[("User-Agent", agent)])
                    self.assertEqual('display="Alice"' in phone.notify().body, named)

    def test_failing_plugin_is_left_out(self):
        with Extstated({"extstate.conf": plugin("fixture_failing", "src/body")}) as daemon, Phone(daemon.port) as phone:
            phone.subscribe("1000")
            self.assertIn("<state>terminated</state>", phone.notify().body)
            daemon.set("Custom:1000", "RINGING")
            self.assertIn("<state>early</state>", phone.notify().body)

    def test_unusable_plugins_stop_the_start(self):
        for name in ("fixture_wrong_abi", "fixture_no_symbol", "missing"):
            with self.subTest(name):
                with self.assertRaises(AssertionError) as caught:
                    with Extstated({"extstate.conf": plugin(name, "src/body")}):
                        pass
                self.assertRegex(str(caught.exception), rf"extstate\.conf:4: error: plugin {name}")


@contextlib.contextmanager
def held(thread):
    """One thread of a process stands still, the others go on: as a debugger does it."""
    seize, interrupt, detach, wall = 0x4206, 0x4207, 17, 0x40000000
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    for request in (seize, interrupt):
        if libc.ptrace(request, thread, None, None):
            raise unittest.SkipTest(f"ptrace: {os.strerror(ctypes.get_errno())}")
    os.waitpid(thread, wall)
    try:
        yield
    finally:
        libc.ptrace(detach, thread, None, None)


class Process(unittest.TestCase):
    def fails(self, *arguments):
        """Run a daemon that cannot start, and return the last line it prints."""
        done = subprocess.run([EXTSTATED, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                              timeout=harness.PATIENCE)
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        return done.stderr.splitlines()[-1]

    def test_last_line_of_a_failed_start(self):
        with Extstated() as daemon:
            state = ["--state-dir", daemon.directory / "state"]
            config = ["--config-dir", daemon.config]
            for mode in ([], ["--foreground"]):
                with self.subTest(mode):
                    self.assertRegex(self.fails(*mode, *config, *state),
                                     rf'error daemon.not_started why="another extstated is running on {daemon.socket}"')
                    other = ["--state-dir", daemon.directory / "other"]
                    self.assertIn("the transports of pjsip.conf cannot all be opened: Address already in use",
                                  self.fails(*mode, *config, *other))
                    self.assertIn(f'the configuration in {daemon.directory}/none cannot be used: the errors are above"',
                                  self.fails(*mode, "--config-dir", daemon.directory / "none", *other))
                    self.assertIn(f"the state directory {daemon.config}/pjsip.conf/x cannot be made: Not a directory; "
                                  "name another one with --state-dir",
                                  self.fails(*mode, *config, "--state-dir", daemon.config / "pjsip.conf/x"))
                    self.assertFalse((daemon.directory / "other/extstated.sock").exists())

    def is_gone(self, pid):
        """Also when the init of a container does not care for it."""
        try:
            with open(f"/proc/{pid}/stat") as file:
                return file.read().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    def test_background(self):
        """Nothing of the caller is kept: not its pipes, on which it would wait for ever, nor its directory."""
        daemon = Extstated()
        state = daemon.directory / "a/new/state"
        log = state / "extstated.log"
        daemon.arguments += ["--set", f"general.control_socket={daemon.socket}"]
        daemon.socket.parent.mkdir()
        try:
            done = subprocess.run([EXTSTATED, "--config-dir", "config", "--state-dir", "a/new/state", *daemon.arguments],
                                  cwd=daemon.directory, stdin=subprocess.PIPE, capture_output=True, text=True, check=True,
                                  timeout=harness.PATIENCE)
            self.assertEqual(done.stdout, "")
            pid = daemon.tool("status")[0]["pid"]  # it accepts by the time the command has returned
            try:
                self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), "/")
                self.assertEqual([os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)],
                                 ["/dev/null", "/dev/null", str(log)])
                self.assertEqual(stat.S_IMODE(state.stat().st_mode) & 0o027, 0)
                self.assertIn(" info daemon.ready ", log.read_text())
                daemon.write("extensions.conf", "[users]\nexten => 1000,hint,Custom:1000\nexten => 1000,hint\n")
                log.rename(state / "old")
                os.kill(pid, signal.SIGHUP)
                wait_for("a new log", lambda: log.exists() and "extensions.conf:3: " in log.read_text())
                self.assertIn("daemon.reloaded", log.read_text())
                self.assertEqual(len(daemon.tool("hints")), 1)
            finally:
                os.kill(pid, signal.SIGTERM)
            wait_for("its end", lambda: self.is_gone(pid))
            self.assertIn("daemon.stopped", log.read_text())
            self.assertNotIn("Sanitizer", log.read_text())
        finally:
            daemon.end()

    def test_log_file(self):
        daemon = Extstated()
        log = daemon.directory / "its.log"
        daemon.arguments += ["--log-file", log]
        process = subprocess.Popen([EXTSTATED, "--foreground", "--config-dir", daemon.config, "--state-dir",
                                    daemon.directory / "state", *daemon.arguments], stdin=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        try:
            wait_for("ready", lambda: log.exists() and re.search("^ready$", log.read_text(), re.M))
        finally:
            process.terminate()
            self.assertEqual(process.wait(harness.PATIENCE), 0)
            daemon.end()
        daemon = Extstated()
        self.assertIn(f"the log file {daemon.directory} cannot be opened: Is a directory",
                      self.fails("--config-dir", daemon.config, "--state-dir", daemon.directory / "state", "--log-file",
                                 daemon.directory))
        daemon.end()

    def test_help_names_the_directories(self):
        text = subprocess.run([EXTSTATED, "--help"], capture_output=True, text=True, check=True).stdout
        config, state = re.findall(r"^ +\((/\S+)\)$", text, re.M)
        binary = EXTSTATED.read_bytes()
        for path in (config, state):
            self.assertTrue(path.endswith("/extstate"))
            self.assertIn(path.encode() + b"\0", binary)

    def test_address_in_use(self):
        with Extstated() as first:
            second = Extstated()
            second.write("pjsip.conf", DEFAULT_FILES["pjsip.conf"].replace("{port}", str(first.port)))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
                taken.bind(("127.0.0.1", 0))
                text = DEFAULT_FILES["pjsip.conf"].replace("{port}", str(taken.getsockname()[1]))
                second.write("pjsip.conf", text)
                with self.assertRaises(AssertionError) as caught:
                    second.start()
                second.end()
        self.assertIn("transport.bind", str(caught.exception))
        self.assertIn("Address already in use", str(caught.exception))

    def test_two_daemons_do_not_share_a_port(self):
        """Several workers use SO_REUSEPORT, with which the kernel would let two daemons in."""
        with Extstated(workers=2) as first:
            second = Extstated({"pjsip.conf": DEFAULT_FILES["pjsip.conf"].replace("{port}", str(first.port))}, workers=2)
            with self.assertRaises(AssertionError) as caught:
                second.start()
            second.end()
        self.assertIn("Address already in use", str(caught.exception))

    def test_control_socket_is_no_other_file(self):
        daemon = Extstated()
        path = daemon.directory / "precious"
        path.write_text("text")
        daemon.arguments += ["--set", f"general.control_socket={path}"]
        with self.assertRaises(AssertionError):
            daemon.start()
        self.assertEqual(path.read_text(), "text")
        daemon.end()

    def test_reload_says_what_it_does_not_do(self):
        with Extstated() as daemon:
            (daemon.config / "extensions.conf").rename(daemon.config / "away")
            text = daemon.tool("reload", status=1, plain=True)
            self.assertIn("extensions.conf: error: the file was there before", text)
            self.assertEqual(len(daemon.tool("hints")), 3)
            (daemon.config / "away").rename(daemon.config / "extensions.conf")
            daemon.write("extstate.conf", "[general]\nlog_level=debug\nworkers=7\ndurability=none\n")
            text = daemon.tool("reload", plain=True)
            self.assertIn("[general] durability changes only at a restart", text)
            self.assertEqual(daemon.tool("status")[0]["log_level"], "debug")
            daemon.write("extstate.conf", "[general]\nlog_level=debug\nworkers=2\n")
            self.assertEqual(daemon.tool("reload", plain=True), "reloaded\n")  # what runs, whatever was read meanwhile

    def reload(self, daemon, status, *words):
        tool = [harness.EXTSTATECTL, "--socket", daemon.socket, *(words or ["reload"])]
        done = subprocess.run(tool, capture_output=True, text=True, timeout=harness.PATIENCE)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def test_reload_with_errors_fails(self):
        with Extstated() as daemon:
            self.assertEqual(self.reload(daemon, 0).stdout, "reloaded\n")
            daemon.write("extstate.conf", "[general]\nworkers=abc\n")
            daemon.write("extensions.conf", DEFAULT_FILES["extensions.conf"] + "exten => 1002,hint,Custom:1002\n")
            done = self.reload(daemon, 1)
            self.assertEqual(done.stdout, "")
            self.assertRegex(done.stderr, r"\A/.*/extstate\.conf:2: error: .*workers.*\n"
                                          r"extstatectl: what these errors are about was refused; the rest is applied\n\Z")
            self.assertEqual(len(daemon.tool("hints")), 4)
            self.assertEqual(self.reload(daemon, 1, "dialplan", "reload").stdout, "")
            row = json.loads(self.reload(daemon, 1, "--json", "reload").stdout)
            self.assertEqual((row["ok"], row["partly"]), (True, True))
            daemon.write("extensions.conf", "exten => 1000,hint,Custom:1000\n")
            done = self.reload(daemon, 1)
            self.assertEqual(done.stdout, "")
            self.assertRegex(done.stderr, r"\A/.*/extensions\.conf:1: error: .*\n/.*/extstate\.conf:2: error: .*\n"
                                          r"extstatectl: nothing has changed\n\Z")
            self.assertEqual(len(daemon.tool("hints")), 4)

    def test_trace_of_one_peer(self):
        """Both peers speak from 127.0.0.0/8, each from an address of its own."""
        with Extstated({"pjsip.conf": DEFAULT_FILES["pjsip.conf"].replace("127.0.0.1:{port}", "0.0.0.0:{port}")}) as daemon:
            with Phone(daemon.port, host="127.0.0.2") as seen, Phone(daemon.port, "bob", host="127.0.0.3") as unseen:
                daemon.tool("trace", "127.0.0.2")
                for phone in (unseen, seen):
                    self.assertEqual(phone.subscribe("1000").status, 200)
                    phone.notify()
                daemon.set("Custom:1000", "INUSE")
                for phone in (unseen, seen):
                    phone.notify()
                wait_for("the trace", lambda: daemon.log().count("    NOTIFY sip:alice@127.0.0.2:") == 2)
                self.assertIn(f"    SUBSCRIBE sip:1000@127.0.0.1:{daemon.port} ", daemon.log())
                heads = re.findall(r" trace \d+ bytes [a-z ]+ ([0-9.]+):", daemon.log())
                self.assertEqual(set(heads), {"127.0.0.2"})
                self.assertNotIn("sip:bob@", daemon.log())
                daemon.tool("trace", "off")
                length = len(daemon.log())
                daemon.set("Custom:1000", "ONHOLD")
                seen.notify()
                seen.subscribe("1001")
                self.assertNotIn(" trace ", daemon.log()[length:])

    def test_trace_steers_no_terminal(self):
        with Extstated() as daemon, Phone(daemon.port) as phone:
            daemon.tool("trace", "all")
            phone.request("OPTIONS", f"sip:127.0.0.1:{daemon.port}", [("Subject", "\x1b[2J")])
            phone.response()
            wait_for("the trace", lambda: "Subject: \\x1b[2J" in daemon.log())
            self.assertNotIn("\x1b", daemon.log())

    def test_log_level(self):
        with Extstated() as daemon:
            for level, word, expected in (("info", "device.changed", False), ("debug", "device.changed", True),
                                          ("info", "device.changed", False), ("info", "daemon.reloaded", True),
                                          ("error", "daemon.reloaded", False)):
                with self.subTest(level, word=word):
                    daemon.tool("log", level)
                    self.assertEqual(daemon.tool("status")[0]["log_level"], level)
                    length = len(daemon.log())
                    for state in ("INUSE", "NOT_INUSE"):
                        daemon.set("Custom:1000", state)
                    daemon.tool("reload")
                    self.assertEqual(word in daemon.log()[length:], expected)
            daemon.tool("log", "loud", status=2)

    def test_reload_keeps_what_it_refuses(self):
        with Extstated() as daemon:
            endpoints = daemon.tool("status")[0]["endpoints"]
            daemon.write("pjsip.conf", DEFAULT_FILES["pjsip.conf"].replace("type=endpoint", "type=endpoint\nsub_min_expiry=x"))
            self.assertIn("what was loaded before goes on", self.reload(daemon, 1).stderr)
            self.assertEqual(daemon.tool("status")[0]["endpoints"], endpoints)

    def test_words_of_the_tool(self):
        with Extstated() as daemon:
            tool = [harness.EXTSTATECTL, "--socket", daemon.socket]
            done = subprocess.run([*tool, "hints", "--json"], capture_output=True, text=True, timeout=harness.PATIENCE)
            self.assertEqual(len([json.loads(line) for line in done.stdout.splitlines()]), 3)
            done = subprocess.run([*tool, "devstate", "change", b"Custom:\xff", "INUSE"], capture_output=True, text=True,
                                  timeout=harness.PATIENCE)
            self.assertEqual(done.returncode, 2)
            self.assertIn("not UTF-8", done.stderr)
            for words in (["reload", "everything"], ["hints", "1", "2"], ["watch", "1000@users", "--count", "x"]):
                daemon.tool(*words, status=2)

    def test_notify_socket(self):
        with harness.service_manager() as (manager, path):
            with Extstated(environment={"NOTIFY_SOCKET": path}) as daemon:
                self.assertEqual(manager.recv(200), b"READY=1\nSTATUS=Serving")
                before = time.monotonic_ns() // 1000
                daemon.process.send_signal(signal.SIGHUP)
                self.assertIn(int(re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=(\d+)", manager.recv(200))[1]),
                              range(before, time.monotonic_ns() // 1000 + 1))
                self.assertEqual(manager.recv(200), b"READY=1\nSTATUS=Serving")
                daemon.stop()
                self.assertTrue(manager.recv(200).startswith(b"STOPPING=1\n"))

    def test_watchdog(self):
        """It is fed while every thread answers, and not by a process of which one hangs."""
        with harness.service_manager() as (manager, path):
            with Extstated(environment={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "80000"}) as daemon:
                self.assertEqual(manager.recv(200), b"READY=1\nSTATUS=Serving")
                for _ in range(3):
                    self.assertEqual(manager.recv(200), b"WATCHDOG=1")
                pid = daemon.process.pid
                threads = {(t / "comm").read_text().strip(): int(t.name) for t in pathlib.Path(f"/proc/{pid}/task").iterdir()}
                # The store's threads and the journal's wait for the disk: a new process would do the same.
                self.assertEqual({*threads} - {"extstated"},
                                 {"state", "worker-0", "worker-1", "edge", "store", "checkpoint", "journal"})
                for thread in (threads[name] for name in ("state", "worker-0", "worker-1", "edge")):
                    with self.subTest(thread), held(thread):
                        manager.settimeout(0.3)
                        with self.assertRaises(TimeoutError):
                            for _ in range(10):
                                manager.recv(200)
                    manager.settimeout(harness.PATIENCE)
                    self.assertEqual(manager.recv(200), b"WATCHDOG=1")

    def test_asterisk_compatibility(self):
        with Extstated(arguments=["--set", "compatibility.asterisk=yes"]) as daemon, Phone(daemon.port) as phone:
            self.assertEqual(phone.subscribe("1000", accept="application/nonsense").status, 489)
            daemon.set("Custom:1000", "RINGING")
            phone.subscribe("1000", expires=0)
            last = phone.notify()
            self.assertEqual(last["Subscription-State"], "terminated")
            self.assertLess(last.body.index("<local>"), last.body.index("<state>"))
            switches = daemon.tool("status")[0]["compatibility"]
            self.assertEqual((len(switches), set(switches.values())), (13, {True}))

    def test_debug(self):
        """Whose messages are in the log, and that a reload follows."""
        def pjsip(debug):
            return DEFAULT_FILES["pjsip.conf"].replace("[global]", f"[global]\ndebug={debug}").replace("{port}", str(daemon.port))

        with Extstated() as daemon, Phone(daemon.port) as phone:
            for debug, shown in (("127.0.0.2", False), ("127.0.0.1", True), ("no", False), ("yes", True)):
                with self.subTest(debug):
                    daemon.write("pjsip.conf", pjsip(debug))
                    daemon.tool("reload")
                    call_id = f"debug-{debug}"
                    phone.subscribe("1000", expires=0, headers=[("X-Mark", call_id)])
                    phone.notify()
                    if shown:
                        wait_for("the trace", lambda: call_id in daemon.log())
                    self.assertEqual(call_id in daemon.log(), shown)

    def test_compact_headers(self):
        pjsip = DEFAULT_FILES["pjsip.conf"] + "[system]\ntype=system\ncompact_headers=yes\n"
        with Extstated({"pjsip.conf": pjsip}) as daemon, Phone(daemon.port) as phone:
            phone.answer = None
            self.assertIn(b"\r\nv: SIP/2.0/UDP", phone.subscribe("1000").raw)
            notify = phone.notify().raw
            for name in (b"v: ", b"f: ", b"t: ", b"m: ", b"i: ", b"o: dialog", b"u: ", b"c: application/dialog-info+xml", b"l: "):
                self.assertIn(b"\r\n" + name, notify)

    def test_limit_of_subscriptions(self):
        with Extstated({"extstate.conf": "[general]\nmax_subscriptions=1\n"}) as daemon, Phone(daemon.port) as phone:
            self.assertEqual(phone.subscribe("1000").status, 200)
            phone.notify()
            answer = phone.subscribe("1001")
            self.assertEqual(answer.status, 503)
            self.assertIsNotNone(answer["Retry-After"])

    def test_identification(self):
        pjsip = DEFAULT_FILES["pjsip.conf"] + """
[trunk]
type=endpoint
context=other
identify_by=ip
[trunk-address]
type=identify
endpoint=trunk
match=127.0.0.0/8
"""
        extensions = DEFAULT_FILES["extensions.conf"] + "[other]\nexten => 3000,hint,Custom:3000\n"
        with Extstated({"pjsip.conf": pjsip, "extensions.conf": extensions}) as daemon:
            with Phone(daemon.port, "nobody") as phone:
                self.assertEqual(phone.subscribe("3000").status, 200)
                phone.notify()
        pjsip = DEFAULT_FILES["pjsip.conf"] + "[anonymous]\ntype=endpoint\ncontext=users\n"
        with Extstated({"pjsip.conf": pjsip}) as daemon, Phone(daemon.port, "nobody") as phone:
            self.assertEqual(phone.subscribe("1000").status, 200)
            phone.notify()

    def test_first_publish_section_comes_by_reload(self):
        """Until then the state thread told no worker what nobody watches."""
        with Phone(server=None) as esc, Extstated() as daemon:
            daemon.set("Custom:1000", "INUSE")
            daemon.reload(pjsip_conf=DEFAULT_FILES["pjsip.conf"] + f"""
[esc]
type=outbound-publish
server_uri=sip:127.0.0.1:{esc.port}
event=dialog
multi_user=yes
@body=application/dialog-info+xml
""")
            bodies = {}
            while len(bodies) < 2:
                publish = esc.receive()
                bodies[publish.start] = publish.body
            self.assertEqual(len([body for body in bodies.values() if "confirmed" in body]), 1)

    def test_garbage_is_survived(self):
        with Extstated() as daemon, Phone(daemon.port) as phone:
            for text in ("", "\r\n\r\n", "GARBAGE", "SUBSCRIBE sip:1000 SIP/2.0\r\n\r\n", "\0" * 100, "x" * 60000):
                phone.send(text)
            phone.request("INVITE", f"sip:1000@127.0.0.1:{daemon.port}")
            answer = phone.response()
            self.assertEqual((answer.status, "SUBSCRIBE" in answer["Allow"]), (405, True))
            phone.request("NONSENSE", f"sip:1000@127.0.0.1:{daemon.port}")
            self.assertEqual(phone.response().status, 501)
            phone.request("OPTIONS", f"sip:127.0.0.1:{daemon.port}")
            answer = phone.response()
            self.assertEqual(answer.status, 200)
            self.assertIn("application/pidf+xml", answer["Accept"])
            self.assertEqual(phone.subscribe("1000").status, 200)
            phone.notify()


class Words(unittest.TestCase):
    """What the tool says of its own words; no daemon is needed."""

    def complete(self, *words):
        """What bash offers for the last of these words."""
        script = f"""
            source {shlex.quote(str(harness.TOP / 'tools/extstatectl/completion.bash'))}
            COMP_WORDS=({shlex.join(['extstatectl', *words])})
            COMP_CWORD=$(({len(words)}))
            _extstatectl {shlex.quote(str(harness.EXTSTATECTL))}
            printf '%s\\n' "${{COMPREPLY[@]}}"
            complete -p extstatectl
        """
        done = subprocess.run(["bash", "-u", "-c", script], capture_output=True, text=True, cwd="/", check=True,
                              stdin=subprocess.DEVNULL, timeout=harness.PATIENCE)
        self.assertEqual(done.stderr, "")
        *offered, registered = done.stdout.splitlines()
        self.assertEqual(registered, "complete -F _extstatectl extstatectl")
        return [word for word in offered if word]

    def test_completion(self):
        first = self.complete("")
        self.assertEqual(len(first), len(set(first)))
        self.assertLessEqual({"devstate", "hints", "watch", "core", "pjsip"}, set(first))
        for words, expected in (
                (["dev"], ["devstate"]),
                (["devstate", ""], ["list", "change", "forget"]),
                (["devstate", "c"], ["change"]),
                (["devstate", "change", ""], []),
                (["--socket", "/tmp/s", "dev"], ["devstate"]),
                (["--json", "--socket", "/tmp/s", "devstate", "f"], ["forget"]),
                (["devstate", "--json", "f"], ["forget"]),
                (["--socket", "/tm"], ["/tmp"]),
                (["pjsip", "show", ""], ["subscriptions", "subscription", "history"]),
                (["pjsip", "show", "subscriptions", ""], ["inbound", "outbound"]),
                (["nonsense", ""], [])):
            with self.subTest(words):
                self.assertEqual(self.complete(*words), expected)

    def test_unfinished_and_unknown(self):
        for words, expected in (
                (["devstate"], '"devstate" must be followed by one of: list, change, forget'),
                (["devstate", "nonsense"], '"devstate" must be followed by one of: list, change, forget'),
                (["core", "show"], '"core show" must be followed by one of: hints, hint, uptime, version'),
                (["pjsip", "show", "subscriptions"],
                 '"pjsip show subscriptions" must be followed by one of: inbound, outbound'),
                (["nonsense"], 'there is no command "nonsense"; see extstatectl --help')):
            with self.subTest(words):
                done = subprocess.run([harness.EXTSTATECTL, *words], capture_output=True, text=True,
                                      timeout=harness.PATIENCE)
                self.assertEqual((done.returncode, done.stdout), (2, ""))
                self.assertEqual(done.stderr, f"extstatectl: {expected}\n")


class Autohint(unittest.TestCase):
    def test_a_device_brings_its_lamp(self):
        extensions = "[users]\nautohints=yes\nexten => 1000,hint,Custom:1000\n"
        with Extstated({"extensions.conf": extensions}) as daemon, Phone(daemon.port) as phone:
            self.assertEqual(phone.subscribe("lamp").status, 404)
            daemon.set("Custom:lamp", "INUSE")
            self.assertEqual(phone.subscribe("lamp").status, 200)
            self.assertIn("<state>confirmed</state>", phone.notify().body)
            rows = json.loads(json.dumps(daemon.tool("hints", "lamp@")))
            self.assertTrue(rows[0]["autohint"])


if __name__ == "__main__":
    harness.main()
