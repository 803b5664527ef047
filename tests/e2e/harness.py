# SPDX-License-Identifier: MIT
"""What the end-to-end tests share: a daemon, its tool, a phone, sipp, a Kamailio; all on 127.0.0.1, all ended."""
import contextlib
import json
import os
import pathlib
import random
import re
import select
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from xml.sax.saxutils import escape

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
BUILD = pathlib.Path(os.environ.get("EXTSTATE_BUILD_DIR", TOP / "build"))
BRIEF = "EXTSTATE_BRIEF" in os.environ  # under a sanitizer: not what measures, and less of what takes chance
EXTSTATED = BUILD / "src/daemon/extstated"
EXTSTATECTL = BUILD / "tools/extstatectl"
KAMAILIO = shutil.which("kamailio") or "/usr/sbin/kamailio"
PATIENCE = 20  # seconds; only what never comes takes that long
claims = []  # on the ports of free_port


def free_port():
    """A port of UDP and TCP nobody has and none of our tests is given while this process lives: a name that the kernel
    forgets with us stands for it. It is below those that the kernel chooses for sockets that want any. A connection of
    another test's peer may have ended on it a moment ago and keep it from being listened on."""
    while True:
        port = random.randrange(20000, 32768)
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0extstate-test-port-{port}")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.bind(("127.0.0.1", port))
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            claim.close()
            continue
        claims.append(claim)
        return port


def wait_for(what, condition, patience=PATIENCE):
    """Poll until condition() is true, and return what it returned."""
    end = time.monotonic() + patience
    while True:
        got = condition()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience} s in vain for {what}")
        time.sleep(0.02)


DEFAULT_FILES = {
    "pjsip.conf": """
[global]
type=global
user_agent=extstate test
[udp]
type=transport
protocol=udp
bind=127.0.0.1:{port}
[phone](!)
type=endpoint
context=users
[alice](phone)
[bob](phone)
""",
    "extensions.conf": """
[users]
exten => 1000,hint,Custom:1000
exten => 1001,hint,Custom:1001,CustomPresence:1001
exten => _2XXX,hint,Custom:${EXTEN}
""",
    "extstate.conf": "",
}


# sd_listen_fds(3): the descriptors named, from 3 on.
PASS_SOCKETS = """
import fcntl, os, sys
end = sys.argv.index("--")
for number, fd in enumerate([fcntl.fcntl(int(word), fcntl.F_DUPFD, 100) for word in sys.argv[1:end]]):
    os.dup2(fd, 3 + number)
os.environ.update(LISTEN_FDS=str(end - 1), LISTEN_PID=str(os.getpid()))
os.closerange(3 + end - 1, 256)
os.execv(sys.argv[end + 1], sys.argv[end + 1:])
"""


class Extstated:
    """One daemon with a configuration of its own. Use as a context manager."""

    def __init__(self, files=None, arguments=(), environment=None, workers=2):
        self.port = free_port()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="extstate-e2e-"))
        self.config = self.directory / "config"
        self.config.mkdir()
        self.arguments = ["--set", f"general.workers={workers}", "--set", "general.stop_grace=1", *arguments]
        self.environment = dict(os.environ, **(environment or {}))
        for name, text in dict(DEFAULT_FILES, **(files or {})).items():
            self.write(name, text)
        self.program = EXTSTATED
        self.within = []  # a command that runs it somewhere else
        self.sockets = []  # passed as a service manager does it
        self.process = None

    def write(self, name, text):
        (self.config / name).write_text(text.replace("{port}", str(self.port)))

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is None:
                self.stop()
        finally:
            if kind is not None:
                print(self.log()[-6000:])
            self.end()

    def start(self):
        log = open(self.directory / "log", "ab")
        former = len(self.log())
        passed = [sys.executable, "-c", PASS_SOCKETS, *[str(s.fileno()) for s in self.sockets], "--"] if self.sockets else []
        self.process = subprocess.Popen(
            [*passed, *self.within, self.program, "--foreground", "--config-dir", self.config, "--state-dir", self.directory / "state",
             *self.arguments],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment,
            pass_fds=[s.fileno() for s in self.sockets])
        log.close()
        wait_for("ready", lambda: re.search(r"^ready$", self.log()[former:], re.M) or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise AssertionError(f"extstated ended with {self.process.returncode}:\n{self.log()}")

    def log(self):
        return (self.directory / "log").read_text(errors="replace")

    def stop(self):
        """End it in order; sanitizers speak through the exit status."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE)
        if self.process and self.process.returncode != 0:
            raise AssertionError(f"extstated ended with {self.process.returncode}:\n{self.log()[-6000:]}")
        self.process = None

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def settle(self):
        """Its NOTIFYs have been answered, and that is on the disk: an OK leaves with the commit of what came before it."""
        wait_for("answers", lambda: not any(row["outstanding"] for row in self.tool("subscriptions", status=None)))
        self.set("Custom:settle", "INUSE")
        self.set("Custom:settle", "NOT_INUSE")

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def socket(self):
        return self.directory / "state" / "extstated.sock"

    def tool(self, *words, status=0, plain=False, patience=PATIENCE):
        """Run extstatectl; rows as a list of dicts, or the text as it is printed with plain=True."""
        command = [EXTSTATECTL, "--socket", self.socket, *([] if plain else ["--json"]), *words]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=patience)
        if status is not None and done.returncode != status:
            raise AssertionError(f"{words}: exit {done.returncode}, not {status}\n{done.stdout}{done.stderr}")
        if plain:
            return done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def command(self, *words):
        """The same as a line for a shell."""
        return shlex.join([str(EXTSTATECTL), "--socket", str(self.socket), *words])

    def set(self, device, state, **options):
        self.tool("devstate", "change", device, state, *[w for k, v in options.items() for w in (f"--{k}", v)])

    def reload(self, **files):
        for name, text in files.items():
            self.write(name.replace("_conf", ".conf"), text)
        return self.tool("reload")


class Message:
    """A SIP message, taken apart just enough."""

    def __init__(self, data, peer=None):
        text = data.decode("utf-8", "replace")
        head, _, self.body = text.partition("\r\n\r\n")
        lines = head.split("\r\n")
        self.start = lines[0]
        self.headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
        self.peer = peer
        self.raw = data

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def __getitem__(self, name):
        values = self.all(name)
        return values[0] if values else None

    @property
    def status(self):
        return int(self.start.split()[1]) if self.start.startswith("SIP/2.0") else None

    @property
    def method(self):
        return None if self.status else self.start.split()[0]

    @property
    def cseq(self):
        return int(self["CSeq"].split()[0])

    def __str__(self):
        return self.raw.decode("utf-8", "replace")


class Phone:
    """A subscriber on a socket of its own. It answers NOTIFYs with what `answer` holds; None: not at all."""

    count = 0

    def __init__(self, server, user="alice", host="127.0.0.1", server_host="127.0.0.1"):
        Phone.count += 1
        self.server, self.server_host = server, server_host
        self.user = user
        self.host = host
        self.answer = "200 OK"
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.port = self.socket.getsockname()[1]
        self.serial = 0
        self.answered = set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, text):
        self.socket.sendto(text.encode(), (self.server_host, self.server))

    def receive(self, patience=PATIENCE):
        if not select.select([self.socket], [], [], patience)[0]:
            return None
        data, peer = self.socket.recvfrom(65535)
        return Message(data, peer)

    def request(self, method, uri, headers=(), body="", branch=None):
        """Send one; default headers are left out where `headers` names them."""
        self.serial += 1
        given = {name.lower() for name, _ in headers}
        lines = [f"{method} {uri} SIP/2.0"]
        defaults = [
            ("Via", f"SIP/2.0/UDP {self.host}:{self.port};rport;branch={branch or f'z9hG4bK{self.port}x{self.serial}'}"),
            ("Max-Forwards", "70"),
            ("From", f"<sip:{self.user}@127.0.0.1>;tag=f{self.port}"),
            ("To", f"<{uri}>"),
            ("Call-ID", f"{self.port}-{self.serial}@test"),
            ("CSeq", f"{self.serial} {method}"),
            ("Contact", f"<sip:{self.user}@{self.host}:{self.port}>"),
        ]
        lines += [f"{name}: {value}" for name, value in defaults if name.lower() not in given]
        lines += [f"{name}: {value}" for name, value in headers if value is not None]
        self.last = "\r\n".join(lines) + f"\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        self.send(self.last)

    def subscribe(self, extension, event="dialog", expires=600, accept=None, headers=(), dialog=None):
        """Send a SUBSCRIBE, in `dialog` (a Subscription) or a new one, and return the final answer."""
        extra = [("Event", event), ("Expires", expires), ("Accept", accept)]
        extra = [(n, v) for n, v in extra if n.lower() not in {h.lower() for h, _ in headers}]
        if dialog:
            extra += [("To", dialog.to), ("Call-ID", dialog.call_id)]
            uri = dialog.target
        else:
            uri = f"sip:{extension}@{self.server_host}:{self.server}"
        self.request("SUBSCRIBE", uri, [*headers, *extra])
        return self.response()

    def reply(self, message, answer):
        lines = [f"SIP/2.0 {answer}"]
        for name in ("Via", "From", "To", "Call-ID", "CSeq"):
            lines += [f"{name}: {value}" for value in message.all(name)]
        lines.append(f"Contact: <sip:{self.user}@{self.host}:{self.port}>")
        self.socket.sendto(("\r\n".join(lines) + "\r\nContent-Length: 0\r\n\r\n").encode(), message.peer)

    def response(self, patience=PATIENCE):
        """The next response; NOTIFYs that come first are kept for notify()."""
        self.early = getattr(self, "early", [])
        end = time.monotonic() + patience
        while True:
            message = self.receive(max(0, end - time.monotonic()))
            if message is None:
                raise AssertionError("no response came")
            if message.status:
                return message
            self.early.append(message)

    def notify(self, patience=PATIENCE):
        """The next NOTIFY, answered; None when none comes in time. One that was answered and comes once more, since the
        machine was slow, is answered once more."""
        end = time.monotonic() + patience
        while True:
            message = self.early.pop(0) if getattr(self, "early", []) else self.receive(max(0, end - time.monotonic()))
            if message is None:
                return None
            if message.method != "NOTIFY":
                raise AssertionError(f"expected a NOTIFY, got\n{message}")
            key = message["Call-ID"], message["CSeq"], message["Via"]
            if self.answer:
                self.reply(message, self.answer)
            if key not in self.answered:
                if self.answer:
                    self.answered.add(key)
                return message


class Subscription:
    """The dialog a 200 to SUBSCRIBE made."""

    def __init__(self, response):
        self.to = response["To"]
        self.call_id = response["Call-ID"]
        self.target = response["Contact"].strip("<>")


class Knocking:
    """Somebody who connects again and again, and must never be refused. Use as a context manager."""

    def __init__(self, port):
        self.port, self.over, self.times, self.refused = port, threading.Event(), 0, []
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.over.wait(0.005):
            with socket.socket() as s:
                result = s.connect_ex(("127.0.0.1", self.port))
            self.times += 1
            if result:
                self.refused.append(os.strerror(result))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.over.set()
        self.thread.join()
        if kind is None and (self.refused or not self.times):
            raise AssertionError(f"of {self.times} connections these failed: {self.refused}")


class Kamailio:
    """Debian's Kamailio as an event state compositor, all in memory."""

    memory = 64  # MB

    def __init__(self):
        self.port = free_port()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="extstate-kam-"))
        text = (TOP / "examples/quickstart/kamailio.cfg").read_text()
        (self.directory / "kamailio.cfg").write_text(text.replace("PORT", str(self.port)))
        self.process = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self):
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                [KAMAILIO, "-DD", "-f", self.directory / "kamailio.cfg", "-Y", self.directory, "-m", str(self.memory),
                 "-M", "8"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        wait_for("Kamailio", self.answers)

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError((self.directory / "log").read_text())
        with Phone(self.port) as phone:
            phone.request("OPTIONS", f"sip:127.0.0.1:{self.port}")
            return phone.receive(0.2) is not None

    def stop(self):
        """In order."""
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.kill()

    def kill(self):
        """All its processes at once, as a power cut would."""
        if not self.process:
            return
        try:
            os.killpg(self.process.pid, 9)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process = None


def run_sipp(path, port, patience, arguments=(), own=None):
    """Run a scenario once against 127.0.0.1:port, from a free port or its `own`; what it logs is left beside it. A port that
    somebody has taken in between (a swarm takes many in a row) is replaced by another one."""
    for attempts_left in (2, 1, 0):
        command = ["sipp", f"127.0.0.1:{port}", "-sf", path, "-i", "127.0.0.1", "-p", str(own or free_port()), "-m", "1",
                   "-nostdin", "-trace_err", "-trace_msg", "-timeout", f"{patience}s", "-timeout_error", *arguments]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=path.parent,
                              timeout=patience + 10, env=dict(os.environ, TERM="dumb"))
        errors = "".join(p.read_text(errors="replace") for p in path.parent.glob("*_errors.log"))
        if own or not attempts_left or "Unable to bind main socket" not in done.stderr + errors:
            return done
        for log in path.parent.glob("*.log"):
            log.unlink()


def sipp(scenario, port, patience=30, status=0, arguments=(), **keys):
    """Run one of the sipp scenarios beside this file against 127.0.0.1:port; `keys` replace [name] in it."""
    with tempfile.TemporaryDirectory(prefix="extstate-sipp-") as directory:
        lines = []
        for line in (HERE / "sipp" / scenario).read_text().splitlines():
            for name, value in keys.items():
                line = line.replace(f"[{name}]", escape(re.escape(value) if "regexp=" in line else value, {'"': "&quot;"}))
            lines.append(line)
        path = pathlib.Path(directory) / scenario
        path.write_text("\n".join(lines) + "\n")
        done = run_sipp(path, port, patience, arguments)
        if done.returncode != status:
            logs = "\n".join(p.read_text(errors="replace")[-6000:] for p in pathlib.Path(directory).glob("*.log"))
            raise AssertionError(f"sipp {scenario}: exit {done.returncode}\n{done.stdout[-2000:]}\n{logs}")


@contextlib.contextmanager
def service_manager():
    """What NOTIFY_SOCKET leads to: the socket, and its path."""
    with tempfile.TemporaryDirectory(prefix="extstate-manager-") as directory, \
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        path = f"{directory}/notify"
        manager.bind(path)
        manager.settimeout(PATIENCE)
        yield manager, path


def preload(shim):
    """What LD_PRELOAD names for one of our shims; under a sanitizer its runtime must come first."""
    linked = subprocess.run(["ldd", EXTSTATED], capture_output=True, text=True).stdout
    paths = [line.split("=>")[1].split()[0] for line in linked.splitlines() if "=>" in line]
    runtimes = [path for name in ("libasan", "libtsan", "libubsan") for path in paths if name in path]
    libraries = [*runtimes, str(BUILD / f"tests/e2e/{shim}.so")]
    return ":".join(libraries)


def main():
    unittest.main(verbosity=2)
