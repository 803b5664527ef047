# SPDX-License-Identifier: MIT
"""test_nomem.py [every N] - memory runs out in a daemon: one allocation after the other fails, each in a process of its own, from the
start over subscriptions, publications, connections, commands and a reload to the end. It may refuse to start, and somebody may
have no answer; it never crashes or hangs, and ends when it is told to. With `every 1` none is left out."""
import contextlib
import http.client
import os
import pathlib
import signal
import sys
import unittest

import harness
from harness import Extstated, Phone, preload
from test_connections import connect

HTTP_PORT = harness.free_port()
FILES = {
    "pjsip.conf": harness.DEFAULT_FILES["pjsip.conf"] + """
[tcp]
type=transport
protocol=tcp
bind=127.0.0.1:{port}
[esc]
type=outbound-publish
server_uri=sip:esc@127.0.0.9:9
event=dialog
multi_user=yes
@body=application/dialog-info+xml
@exten=^1000$
""",
    "extstate.conf": """
[compositor]
publish=any
[http]
enabled=yes
bind=127.0.0.1:%d
token=desk, write, desk-0123456789abcdef
""" % HTTP_PORT,
}
SAMPLE = 24
PATIENCE = 0.5
PIDF = ('<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:1001@x"><tuple id="t"><status><basic>open</basic></status>'
        "</tuple></presence>")


def browse():
    """By HTTP: a stream, a login, states that are asked for and set."""
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        server = http.client.HTTPConnection("127.0.0.1", HTTP_PORT, timeout=PATIENCE)
        bearer = {"Authorization": "Bearer desk-0123456789abcdef", "Content-Type": "application/json"}
        login = '{"name":"desk","secret":"desk-0123456789abcdef"}'
        change = '{"changes":[{"device":"Custom:1000","state":"RINGING"}]}'
        for method, path, body in (("GET", "/v1/hints", None), ("POST", "/v1/session", login), ("POST", "/v1/changes", change),
                                   ("PUT", "/ari/deviceStates/Stasis:1?deviceState=BUSY", None), ("GET", "/metrics", None),
                                   ("GET", "/", None)):
            server.request(method, path, body, bearer)
            server.getresponse().read()
        server.request("GET", "/v1/events", headers=bearer)
        server.getresponse().readline()
        server.close()


def live(daemon):
    """What a daemon does in its life. Whatever of it does not work is left."""
    uri = f"sip:1001@127.0.0.1:{daemon.port}"
    with Phone(daemon.port) as phone:
        with contextlib.suppress(AssertionError):
            phone.request("SUBSCRIBE", f"sip:1000@127.0.0.1:{daemon.port}", [("Event", "dialog"), ("Expires", "600")])
            phone.response(PATIENCE)
            phone.notify(PATIENCE)
        with contextlib.suppress(AssertionError):
            phone.request("PUBLISH", uri, [("Event", "presence"), ("Content-Type", "application/pidf+xml")], PIDF)
            phone.response(PATIENCE)
        with contextlib.suppress(OSError, AttributeError):
            stream = connect(daemon.port)
            stream.send(phone.last.replace("z9hG4bK", "z9hG4bKt").replace("UDP", "TCP"))
            stream.receive(PATIENCE)
            stream.close()
        browse()
        for words in (("devstate", "change", "Custom:1000", "INUSE"), ("status",), ("reload",), ("subscriptions",)):
            daemon.tool(*words, status=None, plain=True)
        phone.notify(PATIENCE)


class NoMemory(unittest.TestCase):
    every = None

    def run_one(self, nth, count=None):
        """The exit status of a daemon without this allocation; negative: the signal that ended it."""
        environment = {"LD_PRELOAD": preload("nomem"), "NOMEM_AT": str(nth)}
        if count:
            environment["NOMEM_COUNT"] = str(count)
        daemon = Extstated(FILES, arguments=["--set", "general.stop_grace=0"], environment=environment)
        try:
            with contextlib.suppress(AssertionError):
                daemon.start()
            if daemon.process.poll() is None:
                live(daemon)
                daemon.process.send_signal(signal.SIGTERM)
            daemon.process.wait(harness.PATIENCE)
            if daemon.process.returncode < 0:
                print(f"allocation {nth}:\n{daemon.log()[-3000:]}")
            return daemon.process.returncode
        finally:
            daemon.end()

    def test_each(self):
        file = pathlib.Path(os.environ.get("TMPDIR", "/tmp")) / f"extstate-nomem-{os.getpid()}"
        self.addCleanup(file.unlink)
        self.assertEqual(self.run_one(2 ** 62, file), 0)
        n = int(file.read_text())
        if n == 0:
            self.skipTest("a sanitizer has memory of its own")
        self.assertGreater(n, 200)
        for nth in range(0, n, self.every or n // SAMPLE):
            with self.subTest(allocation=nth):
                self.assertGreaterEqual(self.run_one(nth), 0)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "every":
        NoMemory.every = int(sys.argv[2])
        del sys.argv[1:]
    harness.main()
