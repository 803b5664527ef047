# SPDX-License-Identifier: MIT
"""JsSIP under Node, as a page in a browser would: over ws and wss, with digest. scripts/setup has npm fetch it."""
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import unittest

import harness
import test_tls
from harness import DEFAULT_FILES, TOP, Extstated, free_port

NODE = shutil.which("node")
MODULES = TOP / "build-node/node_modules"
MORE = """
[ws]
type=transport
protocol=ws
bind=127.0.0.1:{port}
[wss]
type=transport
protocol=wss
bind=127.0.0.1:%d
domain=example.com
cert_file=%s/server.pem
priv_key_file=%s/server.key
[browser]
type=endpoint
context=users
auth=browser
rewrite_contact=%s
[browser]
type=auth
auth_type=userpass
username=browser
password=secret
"""


class Page:
    def __init__(self, url, authority, password="secret"):
        environment = dict(os.environ, NODE_PATH=str(MODULES), NODE_EXTRA_CA_CERTS=str(authority.directory / "ca.pem"))
        self.process = subprocess.Popen([NODE, harness.HERE / "node/watch.js", url, "browser", password, "1000"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=lambda: [self.lines.put(line) for line in self.process.stdout])
        self.reader.start()

    def expect(self, what):
        """The next line, which has to begin with that word; what it says."""
        try:
            word, _, text = self.lines.get(timeout=harness.PATIENCE).partition(" ")
        except queue.Empty:
            raise AssertionError(f"JsSIP says nothing, where {what} should be") from None
        if word != what:
            raise AssertionError(f"JsSIP: {word} {text}, where {what} should be")
        return json.loads(text)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.reader.join()
        self.process.stdout.close()


class JsSIP(unittest.TestCase):
    def check_life(self, daemon, page):
        page.expect("accepted")
        self.assertIn("terminated", page.expect("notify"))
        for state, shown in (("INUSE", "confirmed"), ("RINGING", "early"), ("NOT_INUSE", "terminated")):
            daemon.set("Custom:1000", state)
            self.assertRegex(page.expect("notify"), f"(?s)^application/dialog-info\\+xml .*{shown}")
        page.process.stdin.close()
        page.expect("notify")
        page.expect("terminated")
        self.assertEqual(page.process.wait(harness.PATIENCE), 0)
        self.assertEqual(daemon.tool("status")[0]["subscriptions"], 0)

    def run_with(self, rewrite):
        authority = test_tls.Authority()
        self.addCleanup(authority.end)
        authority.make("server", "IP:127.0.0.1")
        tls, directory = free_port(), authority.directory
        text = DEFAULT_FILES["pjsip.conf"] + MORE % (tls, directory, directory, rewrite)
        with Extstated({"pjsip.conf": text}) as daemon:
            for url in (f"ws://127.0.0.1:{daemon.port}/ws", f"wss://127.0.0.1:{tls}/ws"):
                page = Page(url, authority)
                self.addCleanup(page.end)
                self.check_life(daemon, page)
            page = Page(f"ws://127.0.0.1:{daemon.port}/ws", authority, password="wrong")
            self.addCleanup(page.end)
            page.expect("terminated")

    def test_lamp(self):
        self.run_with("no")

    def test_lamp_with_rewritten_contact(self):
        self.run_with("yes")


if __name__ == "__main__":
    if not NODE or not MODULES.is_dir():
        print("There is no JsSIP here: scripts/setup test")
        sys.exit(77)
    harness.main()
