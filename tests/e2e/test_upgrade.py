# SPDX-License-Identifier: MIT
"""Sockets that outlive the process: passed by a service manager, and from one extstated to the next."""
import contextlib
import json
import os
import re
import resource
import select
import shlex
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest

import harness
import test_connections
from harness import Extstated, Message, Phone, Subscription
from test_connections import StreamPhone


def bound(port, shared):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    if shared:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind(("127.0.0.1", port))
    return s


def can_be_bound(port):
    try:
        bound(port, False).close()
    except OSError:
        return False
    return True


class Activation(unittest.TestCase):
    @contextlib.contextmanager
    def activated(self, workers, sockets, shared=True):
        """A daemon that is passed so many, and not started yet."""
        daemon = Extstated(workers=workers)
        daemon.sockets = [bound(daemon.port, shared) for _ in range(sockets)]
        with contextlib.ExitStack() as stack:
            stack.callback(daemon.end)
            for s in daemon.sockets:
                stack.enter_context(s)
            yield daemon
            daemon.stop()

    def check_lamps(self, daemon):
        """From so many places that each socket has some."""
        with contextlib.ExitStack() as stack:
            phones = [stack.enter_context(Phone(daemon.port)) for _ in range(12)]
            for phone in phones:
                dialog = Subscription(phone.subscribe("1000"))
                self.assertIn("terminated", phone.notify().body)
                self.assertEqual(phone.subscribe("1000", dialog=dialog).status, 200)
                phone.notify()
            daemon.set("Custom:1000", "INUSE")
            for phone in phones:
                self.assertIn("confirmed", phone.notify().body)

    def test_what_came_before(self):
        """Requests wait for the process; no other socket is opened."""
        with self.activated(workers=2, sockets=2) as daemon, contextlib.ExitStack() as stack:
            phones = [stack.enter_context(Phone(daemon.port)) for _ in range(20)]
            for phone in phones:
                phone.request("OPTIONS", f"sip:127.0.0.1:{daemon.port}")
            daemon.start()
            for phone in phones:
                self.assertEqual(phone.response().status, 200)
            self.assertIn("daemon.backlog datagrams=20", daemon.log())
            self.check_lamps(daemon)
            self.assertNotIn("few_sockets", daemon.log())
            daemon.stop()
            for phone in phones:  # and the next one
                phone.request("OPTIONS", f"sip:127.0.0.1:{daemon.port}")
            daemon.start()
            for phone in phones:
                self.assertEqual(phone.response().status, 200)

    def test_very_much_came_before(self):
        """More than a worker may have waiting otherwise; the start takes until what the configuration runs has ended."""
        n = 66000
        with self.activated(workers=1, sockets=1) as daemon, Phone(daemon.port) as phone:
            (daemon.directory / "wait").write_text("for i in 1 2 3 4 5 6 7 8 9; do [ -e $0.no-more ] || sleep 0.1; done; echo\n")
            daemon.write("extstate.conf", "[general]\nexecincludes=yes\n")
            daemon.write("extensions.conf", harness.DEFAULT_FILES["extensions.conf"] + f"#exec sh {daemon.directory}/wait\n" * 30)
            starts = threading.Thread(target=daemon.start)
            starts.start()
            for i in range(n):
                while i % 100 == 0 and select.select(daemon.sockets, [], [], 0)[0]:
                    pass
                phone.socket.sendto(b"OPTIONS sip:a SIP/2.0\r\n\r\n", ("127.0.0.1", daemon.port))
            harness.wait_for("the thread that reads", lambda: not select.select(daemon.sockets, [], [], 0)[0])
            (daemon.directory / "wait.no-more").touch()
            starts.join()
            self.assertIn(f"daemon.backlog datagrams={n} lost=0", daemon.log())
            harness.wait_for("the worker", lambda: daemon.tool("status", status=None, plain=True).startswith("version"))
            self.assertEqual(daemon.tool("status")[0]["transactions"]["unanswerable"], n)

    def test_more_sockets_than_workers(self):
        with self.activated(workers=2, sockets=5) as daemon:
            daemon.start()
            self.check_lamps(daemon)

    def test_more_workers_than_sockets(self):
        for shared, few in ((True, False), (False, True)):
            with self.subTest(shared=shared), self.activated(workers=3, sockets=1, shared=shared) as daemon:
                daemon.start()
                self.assertEqual("transport.few_sockets transport=udp sockets=1 workers=3" in daemon.log(), few)
                self.check_lamps(daemon)

    def test_of_no_use(self):
        with self.activated(workers=1, sockets=1) as daemon, bound(harness.free_port(), False) as other:
            daemon.sockets.append(other)
            daemon.start()
            port = other.getsockname()[1]
            self.assertRegex(daemon.log(), rf"inherited\.not_used .*address=127\.0\.0\.1:{port} ")
            other.close()
            bound(port, False).close()  # nobody has it open
            daemon.sockets.pop()

    def test_not_understood(self):
        daemon = Extstated(environment={"LISTEN_FDS": "many"})
        with self.assertRaises(AssertionError) as caught, daemon:
            pass
        self.assertRegex(str(caught.exception), re.escape("LISTEN_FDS does not say which sockets are open"))


class Load(threading.Thread):
    """Requests at a steady rate from many places, none of them repeated; NOTIFYs are answered."""

    def __init__(self, port, phones=16, gap=0.002):
        super().__init__()
        self.port, self.gap = port, gap
        self.phones = [Phone(port) for _ in range(phones)]
        self.dialogs = []
        for phone in self.phones:
            dialog = Subscription(phone.subscribe("1000"))
            notify = phone.notify()
            dialog.phone, dialog.cseq, dialog.body, dialog.went_back = phone, notify.cseq, notify.body, 0
            dialog.refreshed = None  # by which request
            self.dialogs.append(dialog)
        self.by_call = {d.call_id: d for d in self.dialogs}
        self.sent, self.answers = 0, {}
        self.ending = threading.Event()

    def request(self):
        self.sent += 1
        dialog = self.dialogs[self.sent % len(self.dialogs)]
        branch = f"z9hG4bKload{self.sent}"
        self.answers[branch] = []
        if self.sent % 5 or not self.answers.get(dialog.refreshed, True):  # two at once might come in another order
            dialog.phone.request("OPTIONS", f"sip:127.0.0.1:{self.port}", branch=branch)
        else:
            dialog.refreshed = branch
            dialog.phone.request("SUBSCRIBE", dialog.target, branch=branch, headers=[
                ("Event", "dialog"), ("Expires", 600), ("To", dialog.to), ("Call-ID", dialog.call_id)])

    def receive(self, patience):
        sockets = {p.socket: p for p in self.phones}
        for ready in select.select(sockets, [], [], patience)[0]:
            data, peer = ready.recvfrom(65535)
            message = Message(data, peer)
            if message.status:
                self.answers[re.search(r"branch=([^;]+)", message["Via"])[1]].append(message.status)
                continue
            dialog = self.by_call[message["Call-ID"]]
            if message.cseq < dialog.cseq:
                dialog.went_back += 1
            dialog.cseq, dialog.body = message.cseq, message.body
            sockets[ready].reply(message, "200 OK")

    def run(self):
        due = time.monotonic()
        while not self.ending.is_set():
            if time.monotonic() >= due:
                due += self.gap
                self.request()
            self.receive(max(0, due - time.monotonic()))

    def end(self):
        self.ending.set()
        self.join()
        harness.wait_for("every answer", lambda: self.receive(0.05) or all(self.answers.values()), patience=5)
        self.receive(0.05)

    def close(self):
        self.ending.set()
        if self.is_alive():
            self.join()
        for phone in self.phones:
            phone.socket.close()


def program(daemon, text):
    """A script in the place of a new program; REAL is the one there is."""
    path = daemon.directory / "new"
    path.write_text("#!/bin/sh\n" + text.replace("REAL", str(daemon.program)))
    path.chmod(0o755)
    return path


def late(daemon, *words):
    """A program that could start, as it says, and then does not, because of these words."""
    return program(daemon, f'case "$*" in *--rehearse*) ;; *) set -- "$@" {shlex.join(map(str, words))} ;; esac\nexec REAL "$@"\n')


class Upgrade(unittest.TestCase):
    def refused(self, daemon, *words):
        text = daemon.tool("upgrade", *words, status=1, plain=True)
        with Phone(daemon.port) as phone:  # and it serves
            phone.subscribe("1000", expires=0)
            self.assertTrue(phone.notify())
        return text

    def test_nothing_is_lost(self):
        """Four in a row, with other numbers of workers, under way all the time."""
        daemon = Extstated()
        daemon.arguments = ["--set", "general.stop_grace=1"]
        daemon.write("extstate.conf", "[general]\nworkers=2\n")
        with daemon, contextlib.closing(Load(daemon.port)) as load:
            pid = daemon.process.pid
            load.start()
            for workers, state in ((2, "RINGING"), (4, "INUSE"), (1, "ONHOLD"), (3, "BUSY")):
                daemon.write("extstate.conf", f"[general]\nworkers={workers}\n")
                time.sleep(0.1)
                self.assertIn("has taken the place of", daemon.tool("upgrade", plain=True))
                daemon.set("Custom:1000", state)
                status = daemon.tool("status")[0]
                self.assertEqual((status["pid"], status["workers"], status["subscriptions"]), (pid, workers, 16))
            time.sleep(0.1)
            load.end()
            self.assertEqual(daemon.process.poll(), None)
            self.assertGreater(load.sent, 200)
            self.assertEqual({tuple(a) for a in load.answers.values()}, {(200,)})
            self.assertEqual(len(load.answers), load.sent)
            self.assertEqual([d.went_back for d in load.dialogs], [0] * 16)
            harness.wait_for("the lamps", lambda: load.receive(0.05) or all("confirmed" in d.body for d in load.dialogs))
            self.assertEqual(daemon.log().count("daemon.took_over"), 4)
            self.assertNotIn("not_used", daemon.log())
            self.assertNotIn("few_sockets", daemon.log())

    def test_connections(self):
        """Telephones on TCP keep their connections, and new ones come all the time."""
        with Extstated(test_connections.FILES) as daemon, contextlib.ExitStack() as stack:
            phones = [StreamPhone(daemon.port, 9, user) for user in ("alice", "carol") * 4]
            for phone in phones:
                stack.callback(lambda phone: phone.stream.close(), phone)
                self.assertEqual(phone.subscribe().status, 200)
                phone.notify()
            for upgrade, state in enumerate(("confirmed", "terminated")):
                daemon.tool("upgrade")
                daemon.set("Custom:1000", "NOT_INUSE" if upgrade else "INUSE")
                for phone in phones:
                    self.assertIn(state, phone.notify().body)
                    self.assertEqual(phone.subscribe().status, 200)
                    phone.notify()
            network = daemon.tool("status")[0]["network"]
            self.assertEqual((network["connections"], network["accepted"], network["opened"]), (8, 0, 0))
            upgrade = subprocess.Popen([harness.EXTSTATECTL, "--socket", daemon.socket, "upgrade"], stdout=subprocess.DEVNULL)
            while upgrade.poll() is None:
                late = StreamPhone(daemon.port, 9)
                self.assertEqual(late.subscribe(expires=0).status, 200)
                late.stream.close()
            self.assertEqual(upgrade.returncode, 0)
            self.assertNotIn("not_used", daemon.log())

    def test_connections_that_take_nothing(self):
        """Who does not read loses its connection; the others wait for a moment only, and the upgrade is not refused."""
        with Extstated(test_connections.FILES) as daemon, contextlib.ExitStack() as stack:
            phone, deaf = StreamPhone(daemon.port, 9), StreamPhone(daemon.port, 9)
            for one in (phone, deaf):
                stack.callback(one.stream.close)
            self.assertEqual(phone.subscribe().status, 200)
            phone.notify()
            deaf.stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            for i in range(200):
                deaf.stream.send("".join(
                    f"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKd{i}x{k}\r\n"
                    f"From: <sip:a@127.0.0.1>;tag=a\r\nTo: <sip:127.0.0.1>\r\nCall-ID: {i}x{k}\r\nCSeq: 1 OPTIONS\r\n"
                    "Content-Length: 0\r\n\r\n" for k in range(10)))
                if daemon.tool("status")[0]["network"]["connection_bytes"] > 100000:
                    break  # more than the kernel takes waits here
            begun = time.monotonic()
            daemon.tool("upgrade")
            self.assertLess(time.monotonic() - begun, 3)
            self.assertIn(" connections=1 closed=1", daemon.log())
            daemon.set("Custom:1000", "INUSE")
            self.assertIn("confirmed", phone.notify().body)

    def test_very_many_connections(self):
        """Their names alone are more than an environment may have in one text, and hardly one descriptor more may be open."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        name = "t" * 200
        files = {"pjsip.conf": test_connections.FILES["pjsip.conf"].replace("[tcp]", f"[{name}]")}
        self.assertIn(name, files["pjsip.conf"])
        with Extstated(files) as daemon, contextlib.ExitStack() as stack:
            phones = [StreamPhone(daemon.port, 9) for _ in range(1000)]
            for phone in phones:
                stack.callback(phone.stream.close)
                phone.stream.send("\r\n\r\n")
            for phone in phones:
                phone.stream.socket.recv(2)
            most = len(os.listdir(f"/proc/{daemon.process.pid}/fd")) + 50
            resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (most, most))
            daemon.tool("upgrade")
            self.assertEqual(daemon.tool("status")[0]["network"]["connections"], 1000)
            for phone in phones[::99]:
                self.assertEqual(phone.subscribe(expires=0).status, 200)
            self.assertIn(" connections=1000 closed=0", daemon.log())

    def test_control_socket(self):
        """Who is connected stays so, and who comes meanwhile is served."""
        with Extstated() as daemon, socket.socket(socket.AF_UNIX) as client:
            client.connect(str(daemon.socket))
            lines = client.makefile("rw")

            def ask(request):
                lines.write(json.dumps(request) + "\n")
                lines.flush()
                return json.loads(lines.readline())

            self.assertEqual(ask({"id": 1, "command": "ping"}), {"id": 1, "ok": True, "rows": 0})
            ends = threading.Event()
            failed = []

            def ping():
                while not ends.is_set():
                    done = subprocess.run([harness.EXTSTATECTL, "--socket", daemon.socket, "devstate", "list"],
                                          capture_output=True, text=True, timeout=harness.PATIENCE)
                    failed.extend([done.stderr] if done.returncode not in (0, 4) else [])

            pinger = threading.Thread(target=ping)
            pinger.start()
            for _ in range(3):
                daemon.tool("upgrade")
                self.assertTrue(ask({"id": 2, "command": "ping"})["ok"])
            answer = ask({"id": 3, "command": "upgrade"})
            self.assertEqual((answer["id"], answer["ok"], answer["version"]), (3, True, answer["former"]))
            ends.set()
            pinger.join()
            self.assertEqual(failed, [])

    def test_configuration_of_now(self):
        """Transports that are new are opened, those that are gone closed, as at a start."""
        with Extstated() as daemon, Phone(daemon.port) as phone:
            dialog = Subscription(phone.subscribe("1000"))
            phone.notify()
            moved = harness.free_port()
            daemon.write("pjsip.conf", harness.DEFAULT_FILES["pjsip.conf"].replace("{port}", str(moved)))
            daemon.write("extstate.conf", f"[general]\ncontrol_socket={daemon.directory}/other\n")
            daemon.tool("upgrade")
            self.assertFalse(daemon.socket.exists())
            self.assertRegex(daemon.log(), rf"inherited\.not_used name=udp address=127\.0\.0\.1:{daemon.port} ")
            harness.wait_for("the former port", lambda: can_be_bound(daemon.port))  # the command is answered before
            phone.server = moved
            self.assertEqual(phone.subscribe("1000", dialog=dialog).status, 200)

    def test_refused(self):
        with Extstated() as daemon:
            self.assertIn("No such file", self.refused(daemon, "--binary", daemon.directory / "none"))
            self.assertIn("ended with status 0", self.refused(daemon, "--binary", program(daemon, "exit 0")))
            self.assertIn("ended with status 3", self.refused(daemon, "--binary", program(daemon, "exit 3")))
            self.assertIn("ended by signal 11", self.refused(daemon, "--binary", program(daemon, "kill -SEGV $$")))
            self.assertIn("what is this", self.refused(daemon, "--binary", program(daemon, "echo what is this")))
            path = program(daemon, "exit 0")
            path.chmod(0o757)
            self.assertIn("nobody else may write", self.refused(daemon, "--binary", path))
            path.write_text("no program")
            path.chmod(0o644)
            self.assertIn("permission denied", self.refused(daemon, "--binary", path).lower())
            hangs = program(daemon, "exec sleep 60")
            self.assertIn("within 1 s", self.refused(daemon, "--binary", hangs, "--timeout", "1"))
            shared = daemon.directory / "shared"
            shared.mkdir()
            shared.chmod(0o777)
            shutil.copy(hangs, shared / "new")
            self.assertIn(f"may write into {shared}", self.refused(daemon, "--binary", shared / "new"))
            (shared / "new").unlink()
            (shared / "new").symlink_to(daemon.program)  # what counts is where the file is
            daemon.tool("upgrade", "--binary", shared / "new")
            daemon.tool("upgrade", "--binary", daemon.program)
            daemon.write("extensions.conf", "exten => 1000,hint,Custom:1000\n")
            self.assertRegex(self.refused(daemon), r"extensions\.conf:1: error: .*\n(.*\n)*.* cannot take over: ")
            daemon.write("extensions.conf", harness.DEFAULT_FILES["extensions.conf"])
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
                taken.bind(("127.0.0.1", 0))
                daemon.write("pjsip.conf", harness.DEFAULT_FILES["pjsip.conf"].replace("{port}", str(daemon.port)) +
                             f"[more]\ntype=transport\nbind=127.0.0.1:{taken.getsockname()[1]}\n")
                self.assertIn("Address already in use", self.refused(daemon))
            daemon.write("pjsip.conf", harness.DEFAULT_FILES["pjsip.conf"])
            daemon.write("extstate.conf", "[general]\ndurability=none\n")
            self.assertIn("durability is none", self.refused(daemon))
            daemon.write("extstate.conf", "")
            self.assertEqual(daemon.log().count("daemon.took_over"), 2)
            daemon.tool("upgrade")
        with Extstated(arguments=["--set", "general.durability=none"]) as daemon:
            self.assertIn("durability is none", self.refused(daemon))

    def test_back_to_the_former(self):
        """It could start, as it said, and then does not."""
        with Extstated(test_connections.FILES) as daemon, Phone(daemon.port) as phone:
            stream = StreamPhone(daemon.port, 9, user="bob")
            self.assertEqual(stream.subscribe("1001").status, 200)
            stream.notify()
            dialog = Subscription(phone.subscribe("1000"))
            before = phone.notify().cseq
            text = self.refused(daemon, "--binary", late(daemon, "--log-file", "/proc/none"))
            self.assertRegex(text, "the former one serves again: the log file /proc/none cannot be opened")
            self.assertEqual(daemon.tool("status")[0]["pid"], daemon.process.pid)
            daemon.set("Custom:1000", "INUSE")
            notify = phone.notify()
            self.assertIn("confirmed", notify.body)
            self.assertGreater(notify.cseq, before)
            self.assertEqual(phone.subscribe("1000", dialog=dialog).status, 200)
            self.assertEqual(stream.subscribe(expires=0).status, 200)  # by the same connection
            stream.notify()
            stream.stream.close()
            daemon.tool("upgrade")  # and the next one, by its own path, goes well
            self.assertEqual(os.readlink(f"/proc/{daemon.process.pid}/exe"), str(daemon.program))

    def test_back_before_anything_has_begun(self):
        """Nobody is told again what his lamp shows."""
        with Extstated() as daemon, Phone(daemon.port) as phone, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            phone.subscribe("1000")
            phone.notify()
            taken.bind(("127.0.0.1", 0))
            other = daemon.directory / "other"
            shutil.copytree(daemon.config, other)
            with open(other / "pjsip.conf", "a") as file:
                file.write(f"[more]\ntype=transport\nbind=127.0.0.1:{taken.getsockname()[1]}\n")
            harness.wait_for("the answer", lambda: daemon.tool("status")[0]["notifier"]["notify_acknowledged"] == 1)
            text = daemon.tool("upgrade", "--binary", late(daemon, "--config-dir", other), status=1, plain=True)
            self.assertIn("the former one serves again: the transports of pjsip.conf cannot all be opened", text)
            self.assertEqual(daemon.tool("status")[0]["notifier"]["notify_sent"], 0)

    def test_killed_in_the_middle(self):
        with Extstated() as daemon, Phone(daemon.port) as phone:
            dialog = Subscription(phone.subscribe("1000"))
            before = phone.notify().cseq
            slow = program(daemon, "case \"$*\" in *--rehearse*) exec REAL \"$@\" ;; esac\n"
                           f"touch {daemon.directory}/between; sleep 60")
            upgrade = subprocess.Popen([harness.EXTSTATECTL, "--socket", daemon.socket, "upgrade", "--binary", slow],
                                       stderr=subprocess.PIPE, text=True)
            harness.wait_for("the moment", (daemon.directory / "between").exists)
            daemon.kill()
            children = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True).stdout
            for child in re.findall(r"^ *(\d+) sleep 60$", children, re.M):
                if os.readlink(f"/proc/{child}/cwd") == os.getcwd():
                    os.kill(int(child), 9)
            self.assertIn("went away", upgrade.communicate(timeout=harness.PATIENCE)[1])
            daemon.start()
            self.assertEqual(phone.subscribe("1000", dialog=dialog).status, 200)
            self.assertGreater(phone.notify().cseq, before)

    def test_killed_in_the_rehearsal(self):
        """The new program is no more, either, and keeps nobody from the addresses."""
        with Extstated() as daemon, Phone(daemon.port) as phone:
            hold, there = daemon.directory / "hold", daemon.directory / "there"
            daemon.write("waits", f"#!/bin/sh\ntest -e {hold} && touch {there}\nwhile test -e {hold}; do sleep 0.05; done\n")
            (daemon.config / "waits").chmod(0o755)
            daemon.write("extstate.conf", "[general]\nexecincludes=yes\n")
            daemon.stop()
            daemon.start()
            dialog = Subscription(phone.subscribe("1000"))
            before = phone.notify().cseq
            daemon.write("extensions.conf", f"#exec {daemon.config}/waits\n" + harness.DEFAULT_FILES["extensions.conf"])
            hold.touch()
            try:
                upgrade = subprocess.Popen([harness.EXTSTATECTL, "--socket", daemon.socket, "upgrade"], stderr=subprocess.PIPE,
                                           text=True)
                harness.wait_for("the rehearsal", there.exists)
                daemon.kill()
                self.assertIn("went away", upgrade.communicate(timeout=harness.PATIENCE)[1])
                daemon.write("extensions.conf", harness.DEFAULT_FILES["extensions.conf"])
                daemon.start()
            finally:
                hold.unlink()
            self.assertEqual(phone.subscribe("1000", dialog=dialog).status, 200)
            self.assertGreater(phone.notify().cseq, before)

    def test_service_manager(self):
        """It is told of a reload, by the process it knows, and fed by both programs."""
        with harness.service_manager() as (manager, path):
            manager.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            with Extstated(environment={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "400000"}) as daemon:
                said, pid = [], daemon.process.pid

                def hear(word):
                    while not said or not said[-1].startswith(word):
                        data, credentials, *_ = manager.recvmsg(200, socket.CMSG_SPACE(12))
                        said.append(data)
                        self.assertEqual(struct.unpack("3i", credentials[0][2])[0], pid)

                hear(b"READY=1")
                daemon.tool("upgrade")
                hear(b"RELOADING=1\nMONOTONIC_USEC=")
                hear(b"READY=1\nSTATUS=Serving")
                hear(b"WATCHDOG=1")
                self.refused(daemon, "--binary", program(daemon, "exit 1"))
                daemon.stop()
                hear(b"STOPPING=1")
                self.assertEqual([m for m in said if not m.startswith(b"WATCHDOG")][0], b"READY=1\nSTATUS=Serving")

    def test_service_manager_waits_for_a_long_start(self):
        """There are signs of life as long as something is read."""
        path = f"/tmp/extstate-long-{os.getpid()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            self.addCleanup(os.unlink, path)
            said = []
            threading.Thread(target=lambda: all(said.append(manager.recv(200)) or said[-1] for _ in iter(int, 1))).start()
            daemon = Extstated(environment={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "4000"})
            try:
                daemon.start()
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(str(daemon.socket))
                    for i in range(3000):
                        request = {"id": i, "command": "devstate.set", "device": f"Custom:{i}", "state": "INUSE"}
                        client.sendall(json.dumps(request).encode() + b"\n")
                    answers = client.makefile()
                    self.assertTrue(all(json.loads(answers.readline())["ok"] for _ in range(3000)))
                daemon.tool("upgrade")
                daemon.stop()
                daemon.start()
                daemon.stop()
            finally:
                daemon.end()
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"", path)
            for begins, sign in ((b"RELOADING=1", b"WATCHDOG=1\nEXTEND_TIMEOUT_USEC=30000000"),
                                 (b"STOPPING=1", b"EXTEND_TIMEOUT_USEC=30000000")):
                begun = next(i for i, text in enumerate(said) if text.startswith(begins))
                start = said[begun:said.index(b"READY=1\nSTATUS=Serving", begun)]
                self.assertGreater(start.count(sign), 1, start)

    def test_background(self):
        """The same process, in the background as before, with its log."""
        daemon = Extstated()
        daemon.socket.parent.mkdir()
        log = daemon.socket.parent / "extstated.log"
        try:
            subprocess.run([harness.EXTSTATED, "--config-dir", "config", "--state-dir", "state", *daemon.arguments],
                           cwd=daemon.directory, stdin=subprocess.DEVNULL, check=True, timeout=harness.PATIENCE)
            pid = daemon.tool("status")[0]["pid"]
            try:
                for _ in range(2):
                    daemon.tool("upgrade")
                    self.assertEqual(daemon.tool("status")[0]["pid"], pid)
                self.assertEqual(log.read_text().count("daemon.took_over"), 2)
                self.assertEqual(os.readlink(f"/proc/{pid}/fd/0"), "/dev/null")
            finally:
                os.kill(pid, signal.SIGTERM)
            harness.wait_for("its end", lambda: "daemon.stopped" in log.read_text())
        finally:
            daemon.end()

    def test_descriptors_do_not_pile_up(self):
        with Extstated() as daemon:
            def descriptors():
                return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))

            daemon.tool("upgrade")
            before = descriptors()
            for _ in range(5):
                daemon.tool("upgrade")
            # What was passed is closed when whoever waits has been answered.
            harness.wait_for("as many as before", lambda: descriptors() < before + 5)


if __name__ == "__main__":
    harness.main()
