# SPDX-License-Identifier: MIT
"""test_nomem.py [every N] - memory runs out in a daemon: at one place of the program after the other the first allocation fails, each in
a process of its own, from the start over subscriptions, publications, connections, commands and a reload to the end. It may refuse to start, and
somebody may have no answer; it never crashes or hangs, and ends when it is told to. With `every 1` none is left out."""
import contextlib
import http.client
import multiprocessing
import os
import re
import signal
import sys
import unittest

import harness
from harness import Extstated, Phone, preload
from test_connections import connect

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
bind=127.0.0.1:{http}
token=desk, write, desk-0123456789abcdef
""",
}
SAMPLE = 24
PATIENCE = 0.5
PIDF = ('<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:1001@x"><tuple id="t"><status><basic>open</basic></status>'
        "</tuple></presence>")


def browse(port):
    """By HTTP: a stream, a login, states that are asked for and set."""
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        server = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
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


def live(daemon, http_port):
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
            with contextlib.closing(connect(daemon.port)) as stream:
                stream.send(phone.last.replace("z9hG4bK", "z9hG4bKt").replace("UDP", "TCP"))
                stream.receive(PATIENCE)
        browse(http_port)
        for words in (("devstate", "change", "Custom:1000", "INUSE"), ("status",), ("reload",), ("subscriptions",)):
            daemon.tool(*words, status=None, plain=True)
        phone.notify(PATIENCE)


def run(**how):
    """A daemon's life: its exit status, negative being the signal that ended it, and what it said."""
    http_port = harness.free_port()
    files = {name: text.replace("{http}", str(http_port)) for name, text in FILES.items()}
    daemon = Extstated(files, arguments=["--set", "general.stop_grace=0"], environment={"LD_PRELOAD": preload("nomem"), **how})
    try:
        with contextlib.suppress(AssertionError):
            daemon.start()
        if daemon.process.poll() is None:
            live(daemon, http_port)
            daemon.process.send_signal(signal.SIGTERM)
        daemon.process.wait(harness.PATIENCE)
        return daemon.process.returncode, daemon.log()
    finally:
        daemon.end()


def run_without(place):
    return run(NOMEM_AT=place)


class NoMemory(unittest.TestCase):
    every = None

    def test_each(self):
        status, log = run(NOMEM_PLACES="1")
        self.assertEqual(status, 0)
        places = re.findall(r"^place ([0-9a-f]+)$", log, re.M)
        if not places:
            self.skipTest("a sanitizer has memory of its own")
        self.assertGreater(len(places), 200)
        chosen, failed = places[::self.every or len(places) // SAMPLE], 0
        # Where every place counts they take turns to wait. A process keeps the ports it was given.
        with multiprocessing.Pool(2 * os.cpu_count() if self.every else 1, maxtasksperchild=50) as pool:
            for place, (status, log) in zip(chosen, pool.imap(run_without, chosen)):
                failed += "no memory at" in log
                with self.subTest(place=place):
                    self.assertGreaterEqual(status, 0, log[-3000:])
        print(f"{failed} of {len(places)} places failed")  # threads do not always come to all


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "every":
        NoMemory.every = int(sys.argv[2])
        del sys.argv[1:]
    harness.main()
