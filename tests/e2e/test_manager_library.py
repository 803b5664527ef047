# SPDX-License-Identifier: MIT
"""A client library of Asterisk's manager interface, as switchboards use it: asterisk-manager under Node. scripts/setup has npm
fetch it."""
import json
import os
import shutil
import subprocess
import unittest

from harness import TOP, Extstated
from manager import manager_files

NODE = shutil.which("node")
MODULES = TOP / "build-node/node_modules"


class Board:
    def __init__(self, port, user="admin", secret="secret"):
        environment = dict(os.environ, NODE_PATH=str(MODULES))
        self.process = subprocess.Popen([NODE, TOP / "tests/e2e/node/manager.js", str(port), user, secret], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind:
            self.process.kill()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(20)

    def expect(self, what, **fields):
        """The next line of that kind with these fields; others are passed over."""
        for line in self.process.stdout:
            kind, value = line.split(" ", 1)
            value = json.loads(value)
            if kind == what and all(value.get(k) == v for k, v in fields.items()):
                return value
        raise AssertionError(f"{what} {fields} never came")

    def action(self, action, **fields):
        self.process.stdin.write(json.dumps(dict(action=action, **fields)) + "\n")
        self.process.stdin.flush()


@unittest.skipUnless(NODE and (MODULES / "asterisk-manager").is_dir(), "npm has fetched no asterisk-manager")
class Library(unittest.TestCase):
    def test_switchboard(self):
        port, files = manager_files()
        with Extstated(files) as daemon, Board(port) as board:
            board.expect("booted", status="Fully Booted")
            daemon.set("Custom:1000", "RINGING")
            board.expect("extensionstatus", exten="1000", context="users", status="8", statustext="Ringing")
            board.action("setvar", variable="DEVICE_STATE(Custom:1001)", value="BUSY")
            board.expect("answer", response="Success", message="Variable Set")
            board.expect("devicestatechange", device="Custom:1001", state="BUSY")
            board.action("extensionstate", exten="1001", context="users")
            board.expect("answer", exten="1001", status="2", hint="Custom:1001,CustomPresence:1001")
            board.action("mwiupdate", mailbox="dave@default", newmessages=1)
            board.expect("messagewaiting", mailbox="dave@default", new="1")
            board.action("getvar", variable="EXTENSION_STATE(1000@users)")
            board.expect("answer", value="RINGING")
            board.action("nosuchaction")
            board.expect("failed", response="Error")
            board.action("command", command="core show hints")
            board.expect("answer", message="Command output follows")


if __name__ == "__main__":
    unittest.main()
