#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Why a lamp is as it is: extstatectl explain, history and follow, beside telephones and a compositor."""
import json
import select
import signal
import sqlite3
import subprocess
import time

from harness import DEFAULT_FILES, Extstated, Phone, Subscription, free_port, main, unittest, wait_for

EXTENSIONS = """
[users]
exten => 1000,hint,Custom:1000&Custom:other,CustomPresence:1000(Alice Smith)
exten => 1001,hint,PJSIP/nobody
include => shared
[shared]
exten => 1500,hint,Custom:1500
[office]
exten => 2000,hint,Custom:2000
"""
JOURNAL = "[journal]\nenabled=yes\n"


def parts(rows, name):
    return [r for r in rows if r.get("part") == name]


def part(rows, name):
    found = parts(rows, name)
    assert len(found) == 1, (name, rows)
    return found[0]


def kinds(rows):
    return [r["kind"] for r in rows]


class Explain(unittest.TestCase):
    def daemon(self, extstate="", pjsip=""):
        return Extstated({"extensions.conf": EXTENSIONS, "extstate.conf": extstate,
                          "pjsip.conf": DEFAULT_FILES["pjsip.conf"] + pjsip})

    def test_a_lamp_from_its_sources_to_its_watcher(self):
        with self.daemon() as d, Phone(d.port) as alice:
            d.set("Custom:1000", "INUSE", source="pbx-a")
            d.set("Custom:1000", "NOT_INUSE", source="pbx-b")
            self.assertEqual(alice.subscribe("1000").status, 200)
            alice.notify()
            d.set("Custom:1000", "NOT_INUSE", source="pbx-a")
            cseq = alice.notify().cseq
            rows = wait_for("the answer", lambda: [
                r for r in [d.tool("explain", "1000@users")] if not parts(r, "watcher")[0]["outstanding"]])[0]
            resource = part(rows, "resource")
            self.assertEqual((resource["state"], resource["source"], resource["hint"]),
                             ("Idle", "pbx-a", "Custom:1000&Custom:other,CustomPresence:1000"))
            device = parts(rows, "device")[0]
            self.assertEqual([(s["source"], s["state"]) for s in device["sources"]],
                             [("pbx-a", "NOT_INUSE"), ("pbx-b", "NOT_INUSE")])
            watcher = part(rows, "watcher")
            self.assertEqual((watcher["endpoint"], watcher["shows"], watcher["cseq"]), ("alice", "Idle", cseq))
            self.assertEqual(watcher["told_sequence"], watcher["current_sequence"])
            text = d.tool("explain", "1000@users", plain=True)
            self.assertRegex(text, r"(?m)^1000@users is Idle since ")
            self.assertRegex(text, r"pbx-b says NOT_INUSE since ")
            self.assertRegex(text, rf"shows Idle, acknowledged CSeq {cseq} in \d+ ms")

    def test_one_that_does_not_answer(self):
        with self.daemon() as d, Phone(d.port) as alice:
            alice.subscribe("1000")
            alice.notify()
            alice.answer = None
            d.set("Custom:1000", "INUSE")
            alice.notify()
            watcher = part(d.tool("explain", "1000@users"), "watcher")
            self.assertTrue(watcher["outstanding"])
            self.assertIn("has no answer yet", d.tool("explain", "1000@users", plain=True))
            alice.answer = "481 Subscription Does Not Exist"
            alice.notify()
            rows = wait_for("the end", lambda: [r for r in [d.tool("explain", "1000@users")] if parts(r, "refusal")])[0]
            self.assertEqual(part(rows, "refusal")["what"], "given-up")
            self.assertEqual(parts(rows, "trouble")[-1]["what"], "no_watcher")

    def test_why_nothing_is_shown(self):
        with self.daemon(pjsip="[mute](phone)\nallow_subscribe=no\n") as d, Phone(d.port, user="mute") as mute:
            rows = d.tool("explain", "1003@users", status=0)
            trouble = part(rows, "trouble")
            self.assertEqual((trouble["what"], trouble["nearest"][0]), ("no_hint", "1000@users"))
            self.assertIn("perhaps 1000@users", d.tool("explain", "1003@users", plain=True, status=4))
            troubles = [t["what"] for t in parts(d.tool("explain", "2000@office", "--for", "alice"), "trouble")]
            self.assertIn("unreachable", troubles)
            troubles = [t["what"] for t in parts(d.tool("explain", "1500", "--for", "alice"), "trouble")]
            self.assertNotIn("unreachable", troubles)  # its context includes that one
            troubles = [t["what"] for t in parts(d.tool("explain", "1001@users"), "trouble")]
            self.assertEqual(troubles, ["unknown_device", "no_watcher"])
            self.assertEqual(mute.subscribe("1000").status, 603)
            rows = wait_for("the refusal", lambda: [
                r for r in [d.tool("explain", "1000@users", "--for", "mute")] if parts(r, "refusal")])[0]
            self.assertEqual(parts(rows, "trouble")[0]["what"], "may_not_subscribe")
            self.assertEqual((part(rows, "refusal")["endpoint"], part(rows, "refusal")["status"]), ("mute", 603))
            self.assertIn("no endpoint", d.tool("explain", "1000", "--for", "eve", plain=True, status=4))
            self.assertIn("EXTENSION@CONTEXT", d.tool("explain", "1000", plain=True, status=2))
            self.assertIn("no journal is kept", d.tool("history", "1000@users", plain=True, status=4))

    def test_the_journal(self):
        esc = free_port()
        publish = f"[esc]\ntype=outbound-publish\nserver_uri=sip:127.0.0.1:{esc}\nfrom_uri=sip:127.0.0.1\n" \
            "event=dialog\nmulti_user=yes\n@body=application/dialog-info+xml\n@exten=^1000\n"
        with self.daemon(JOURNAL, publish) as d, Phone(d.port) as alice:
            dialog = Subscription(alice.subscribe("1000"))
            alice.notify()
            d.set("Custom:1000", "INUSE", source="pbx-a")
            cseq = alice.notify().cseq
            rows = wait_for("the answer in the journal", lambda: [
                h for h in [d.tool("history", "1000@users")]
                if any(r["kind"] == "notify" and r["cseq"] == cseq for r in h)])[0]
            made = [r for r in rows if r["kind"] == "snapshot" and r["state"] == "InUse"][-1]
            told = [r for r in rows if r["kind"] == "notify" and r["cseq"] == cseq][0]
            self.assertEqual((made["cause"], made["source"], made["former"]), (told["cause"], "pbx-a", "Idle"))
            self.assertEqual((told["what"], told["status"], told["state"]), ("answered", 200, "InUse"))
            chain = [r["kind"] for r in parts(d.tool("explain", "1000@users"), "chain")]
            self.assertEqual(chain[:2], ["device", "snapshot"])
            self.assertIn("notify", chain)
            device = d.tool("history", "Custom:1000")[-1]
            self.assertEqual((device["by"], device["said"], device["cause"]), ("pbx-a", "INUSE", made["cause"]))
            before = int(time.time())
            time.sleep(1.1)  # the journal's times are told in seconds
            d.set("Custom:1000", "NOT_INUSE", source="pbx-a")
            alice.notify()
            d.set("Custom:1000", "UNAVAILABLE", source="pbx-a")
            then = d.tool("explain", "1000@users", "--at", time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(before)))
            self.assertEqual(part(then, "resource")["state"], "InUse")
            self.assertEqual(part(then, "watcher")["cseq"], cseq)
            text = d.tool("explain", "1000@users", plain=True, *["--at", time.strftime("%H:%M:%S", time.localtime(before))])
            self.assertRegex(text, r"(?m)^1000@users was InUse since ")
            self.assertIn("has no change of this lamp up to then",
                          d.tool("explain", "1000@users", "--at", "2020-01-01 00:00", plain=True, status=4))
            alice.answer = "200 OK"
            alice.subscribe("1000", expires=0, dialog=dialog)
            wait_for("the end", lambda: "ended" in [r.get("what") for r in d.tool("history", "1000@users")])
            d.tool("history", "1000@users", "--limit", "0", plain=True, status=2)

    def test_the_journal_outlives_the_process(self):
        with self.daemon(JOURNAL) as d:
            d.set("Custom:1000", "INUSE")
            wait_for("the first", lambda: d.tool("history", "1000@users", status=None))
            d.stop()
            d.start()
            d.set("Custom:1000", "BUSY")
            rows = wait_for("both", lambda: [
                h for h in [d.tool("history", "1000@users")] if [r["state"] for r in h if r["kind"] == "snapshot"][-1] == "Busy"])[0]
            self.assertIn("InUse", [r["state"] for r in rows if r["kind"] == "snapshot"])
            self.assertGreater(rows[-1]["run"], rows[0]["run"])
            with sqlite3.connect(d.directory / "state" / "journal.db") as journal:
                self.assertEqual(journal.execute("SELECT count(*) FROM run").fetchone()[0], 2)
            self.assertEqual((d.directory / "state" / "journal.db").stat().st_mode & 0o777, 0o640)

    def test_an_upgrade_and_a_reload(self):
        with self.daemon(JOURNAL) as d:
            d.set("Custom:1000", "INUSE")
            wait_for("the first", lambda: d.tool("history", "Custom:1000", status=None))
            d.tool("upgrade", patience=60)
            d.set("Custom:1000", "BUSY")
            wait_for("the second", lambda: len(d.tool("history", "Custom:1000")) == 2)
            d.reload(extstate_conf="")
            self.assertIn("no journal is kept", d.tool("history", plain=True, status=4))
            d.set("Custom:1000", "INUSE")
            d.reload(extstate_conf=JOURNAL)
            d.set("Custom:1000", "RINGING")
            rows = wait_for("the third", lambda: [h for h in [d.tool("history", "Custom:1000")] if len(h) == 3])[0]
            self.assertEqual([r["said"] for r in rows], ["INUSE", "BUSY", "RINGING"])

    def test_a_damaged_journal_is_no_obstacle(self):
        with self.daemon(JOURNAL) as d:
            d.set("Custom:1000", "INUSE")
            wait_for("the first", lambda: d.tool("history", "1000@users", status=None))
            d.stop()
            (d.directory / "state" / "journal.db").write_bytes(b"nothing that SQLite knows" * 1000)
            d.start()
            d.set("Custom:1000", "BUSY")
            rows = wait_for("a new one", lambda: d.tool("history", "1000@users", status=None))
            self.assertNotIn("InUse", [r.get("state") for r in rows])
            self.assertTrue((d.directory / "state" / "journal.db.damaged").exists())
            self.assertIn("journal.damaged", d.log())

    def test_follow(self):
        with self.daemon() as d, Phone(d.port) as alice:
            alice.subscribe("1000")
            alice.notify()
            command = d.command("--json", "follow", "1000@users")
            follower = subprocess.Popen(["sh", "-c", "exec " + command], stdout=subprocess.PIPE, text=True)
            try:
                seen = []

                def device_change():
                    """A change for each look: nobody says when it has begun to follow."""
                    d.set("Custom:1000", "NOT_INUSE" if len(seen) % 2 else "INUSE", source="pbx-a")
                    d.set("Custom:2000", "NOT_INUSE" if len(seen) % 2 else "INUSE")
                    alice.notify()
                    seen.append(1)
                    while line := read_line(follower):
                        if (row := json.loads(line))["kind"] == "device":
                            return [row]
                    return []

                rows = wait_for("a change", device_change)
                while rows[-1]["kind"] != "notify" or rows[-1]["what"] != "answered":
                    rows.append(json.loads(follower.stdout.readline()))
                self.assertEqual(kinds(rows)[:3], ["device", "snapshot", "notify"])
                self.assertEqual(len({r["cause"] for r in rows}), 1)
                self.assertFalse([r for r in rows if r.get("device") == "Custom:2000"])
                follower.send_signal(signal.SIGINT)
                self.assertEqual(follower.wait(20), 0)
            finally:
                follower.kill()
                follower.wait()
                follower.stdout.close()


def read_line(process):
    """What stands there within half a second."""
    if select.select([process.stdout], [], [], 0.5)[0]:
        return process.stdout.readline()
    return ""


if __name__ == "__main__":
    main()
