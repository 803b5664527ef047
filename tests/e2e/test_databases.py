# SPDX-License-Identifier: MIT
"""A database of each schema version there ever was is opened by today's program, and everything in it is there again.

`test_databases.py make` makes the one of today's version, tests/databases/vN.db, and vN.json with what is in it. That is
done once for each version, by the program that is released with it, and never again."""
import json
import os
import pathlib
import re
import shutil
import sqlite3
import sys
import threading
import time
import unittest

import harness
from harness import Extstated, Phone, preload

DATABASES = harness.TOP / "tests/databases"
FILES = {
    "pjsip.conf": """
[udp]
type=transport
protocol=udp
bind=127.0.0.1:{port}
[phone](!)
type=endpoint
context=users
[alice](phone)
aors=alice
[alice]
type=aor
mailboxes=100@default
max_contacts=1
[gone](phone)
aors=gone
[gone]
type=aor
contact=sip:gone@127.0.0.1:9
qualify_frequency=1
qualify_timeout=0.1
[pbx](phone)
incoming_mwi_mailbox=101@default
inbound_publication=pbx
[pbx]
type=inbound-publication
endpoint=pbx
event_asterisk-devicestate=states
[states]
type=asterisk-publication
device_state=yes
[esc]
type=outbound-publish
server_uri=sip:127.0.0.1:{esc}
event=dialog
@body=application/dialog-info+xml
@context=users
@exten=1000
""",
    "extensions.conf": "[users]\nautohints=yes\nexten => 1000,hint,Custom:1000,CustomPresence:1000\n",
    "extstate.conf": "[compositor]\ndomains=127.0.0.1\ncontext=users\n[registrar]\nenabled=yes\n",
}
PIDF = ('<?xml version="1.0"?><presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:alice@127.0.0.1"><tuple id="t">'
        '<status><basic>open</basic></status></tuple></presence>')
# What is compared, by the command that lists it: those members that have to be the same.
KINDS = {
    "devstate list": ("device", "state", "sources"),
    "presencestate list": ("provider", "state", "subtype", "message", "changed_ms"),
    "mailbox list": ("mailbox", "new", "old", "source", "sources"),
    "hints": ("extension", "context", "hint", "state", "presence", "presence_message", "autohint"),
    "sources": ("eid", "devices", "mailboxes"),
    "subscriptions": ("resource", "context", "event", "event_id", "content_type", "endpoint", "call_id", "local_tag",
                      "remote_tag", "remote_uri", "contact", "remote", "state"),
    "publications inbound": ("extension", "context", "event", "publisher", "entity_tag", "call_id", "content_type",
                             "body_len", "published_ms"),
    "publications": ("section", "extension", "event", "content_type", "entity_tag"),
    "contacts": ("aor", "contact", "target", "endpoint", "static", "registered_ms", "user_agent", "path", "transport",
                 "source", "call_id", "cseq"),
}


class Compositor(Phone):
    """Takes what is published to it."""

    def __init__(self):
        super().__init__(0)
        self.requests = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                message = self.receive()
            except (OSError, ValueError):
                return
            if message and message.method == "PUBLISH":
                self.requests.append(message)
                tag = f"theirs{len(self.requests)}"
                lines = ["SIP/2.0 200 OK", *(f"{name}: {value}" for name in ("Via", "From", "To", "Call-ID", "CSeq")
                                             for value in message.all(name)), f"SIP-ETag: {tag}", "Expires: 3600",
                         "Content-Length: 0"]
                self.socket.sendto(("\r\n".join(lines) + "\r\n\r\n").encode(), message.peer)


def listed(daemon):
    """All that is kept, in an order of its own."""
    everything = {}
    for words, members in KINDS.items():
        rows = [{m: row.get(m) for m in members} for row in daemon.tool(*words.split(), status=None)]
        rows = [row for row in rows if row.get("entity_tag", "x") and row.get("hint", "x")]  # what others made of it
        for row in rows:  # what a mailbox says of a device is said anew, and what another server said begins anew
            if isinstance(row.get("sources"), list):
                row["sources"] = sorted(({k: v for k, v in s.items() if k != "changed_ms" or "eid:" not in s["source"]}
                                         for s in row["sources"] if s["source"] != "mwi"), key=lambda s: s["source"])
        everything[words] = sorted(rows, key=json.dumps)
    return everything


def numbers(daemon):
    return {row["local_tag"]: (row["cseq"], row["version"]) for row in daemon.tool("subscriptions", status=None)}


def fill(daemon):
    daemon.set("Custom:1000", "INUSE")
    daemon.set("Custom:1000", "RINGING", source="cti")
    daemon.set("Custom:gone", "BUSY")
    daemon.tool("devstate", "forget", "Custom:gone")  # with Asterisk's autohints its hint stays
    daemon.tool("presencestate", "change", "CustomPresence:1000", "away,lunch,until two")
    daemon.tool("mailbox", "change", "100@default", "3", "1")
    daemon.tool("mailbox", "change", "100@default", "2", "1", "--source", "voicemail")
    with Phone(daemon.port, "pbx") as pbx, Phone(daemon.port) as alice:
        pbx.request("NOTIFY", f"sip:127.0.0.1:{daemon.port}", [("Event", "message-summary"), ("Contact", None),
                    ("Content-Type", "application/simple-message-summary")], "Messages-Waiting: yes\r\nVoice-Message: 4/2\r\n")
        assert pbx.response().status == 200
        pbx.request("PUBLISH", f"sip:pbx@127.0.0.1:{daemon.port}", [("Event", "asterisk-devicestate"), ("Expires", 3600),
                    ("Content-Type", "application/json")], json.dumps(
                        {"type": "devicestate", "device": "PJSIP/far", "state": "INUSE", "cachable": 1,
                         "eid": "02:00:5e:00:53:01"}))
        assert pbx.response().status == 200
        alice.request("PUBLISH", f"sip:alice@127.0.0.1:{daemon.port}", [("Event", "presence"), ("Expires", 3600),
                      ("Content-Type", "application/pidf+xml")], PIDF)
        assert alice.response().status == 200
        alice.request("REGISTER", f"sip:127.0.0.1:{daemon.port}", [("To", "<sip:alice@127.0.0.1>"), ("User-Agent", "telephone"),
                      ("Expires", 3600)])
        assert alice.response().status == 200
        for event, user in (("dialog", "1000"), ("presence", "alice"), ("message-summary", "alice")):
            assert alice.subscribe(user, event, expires=3600).status == 200
            alice.notify()
        harness.wait_for("acknowledgements", lambda: not any(
            row["outstanding"] for row in daemon.tool("subscriptions", status=None)))
    harness.wait_for("silence", lambda: [row for row in daemon.tool("contacts", "gone") if row["status"] == "unreachable"])
    harness.wait_for("publication", lambda: [row for row in daemon.tool("publications", status=None) if row["entity_tag"]])


def daemon_of(compositor, environment=None):
    files = {name: text.replace("{esc}", str(compositor.port)) for name, text in FILES.items()}
    return Extstated(files, ["--set", "compatibility.asterisk_autohints=yes"], environment)


def make():
    with Compositor() as compositor, daemon_of(compositor) as daemon:
        fill(daemon)
        before = listed(daemon)
        held = numbers(daemon)
        made_s = int(time.time())
        daemon.kill()
        version = sqlite3.connect(daemon.directory / "state/extstate.db").execute("pragma user_version").fetchone()[0]
        for name in (f"v{version}.db", f"v{version}.db-wal"):
            (DATABASES / name).unlink(missing_ok=True)
        copy = sqlite3.connect(daemon.directory / "state/extstate.db")  # with its log
        copy.execute("vacuum into ?", [str(DATABASES / f"v{version}.db")])
        copy.close()
        daemon.start()
        after = listed(daemon)
    kept = {kind: [row for row in rows if row in after[kind]] for kind, rows in before.items()}
    for kind, rows in before.items():
        for row in rows:
            if row not in kept[kind]:
                print(f"{kind}: not there after a restart: {row}", file=sys.stderr)
    (DATABASES / f"v{version}.json").write_text(json.dumps({"made_s": made_s, "numbers": held, "kept": kept}, indent=1) + "\n")


class Databases(unittest.TestCase):
    def test_all(self):
        files = sorted(DATABASES.glob("v*.db"))
        self.assertTrue(files)
        for file in files:
            with self.subTest(file.name):
                self.check(file, json.loads(file.with_suffix(".json").read_text()))

    def check(self, file, expected):
        with Compositor() as compositor:
            # One minute after it was made, whatever the time is now.
            wall = {"LD_PRELOAD": preload("wall"), "EXTSTATE_WALL": str(expected["made_s"] + 60 - int(time.time()))}
            daemon = daemon_of(compositor, wall)
            (daemon.directory / "state").mkdir()
            shutil.copy(file, daemon.directory / "state/extstate.db")
            with daemon:
                now = listed(daemon)
                for kind, rows in expected["kept"].items():
                    for row in rows:
                        self.assertIn(row, now[kind], kind)
                later = numbers(daemon)
                for row in expected["kept"]["subscriptions"]:
                    for before, after in zip(expected["numbers"][row["local_tag"]], later[row["local_tag"]]):
                        self.assertGreaterEqual(after, before)
                daemon.tool("verify")
                self.assertNotRegex(daemon.log(), re.compile("error|damaged", re.I))
                db = sqlite3.connect(daemon.directory / "state/extstate.db")
                self.assertGreaterEqual(db.execute("pragma user_version").fetchone()[0], int(file.stem[1:]))
                db.close()


if __name__ == "__main__":
    if sys.argv[1:] == ["make"]:
        make()
    else:
        harness.main()
