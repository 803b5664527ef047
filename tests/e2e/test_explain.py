#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Why a lamp is as it is: extstatectl explain, history and follow, beside telephones and a compositor."""
import base64
import json
import re
import select
import signal
import sqlite3
import subprocess
import time

import test_sources
from harness import DEFAULT_FILES, EXTSTATECTL, Extstated, Phone, Subscription, free_port, main, unittest, wait_for
from manager_server import Manager
from test_who import caller

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
PUBLISH = """
[esc]
type=outbound-publish
server_uri=sip:127.0.0.1:%d
from_uri=sip:127.0.0.1
event=dialog
multi_user=yes
@body=application/dialog-info+xml
@exten=^1000
"""
LOCKED = """
[carol](phone)
auth=carol
[carol]
type=auth
username=carol
password=sesame
[far](phone)
deny=0.0.0.0/0
"""


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
            self.assertRegex(d.tool("explain", "1000@users", plain=True), r"(?s)Refused or given up lately:\n[^\n]*alice")

    def test_one_that_was_told_before_the_start(self):
        with self.daemon() as d, Phone(d.port) as alice:
            alice.subscribe("1000")
            alice.notify()
            d.settle()
            d.kill()
            d.start()
            self.assertIn("shows Idle, told before the last start;", d.tool("explain", "1000@users", plain=True))

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

    def refused(self, d, status, *arguments, about="1000@users"):
        """The refusal that explain tells, once it is there."""
        return wait_for(f"the refusal by {status}", lambda: [
            r for r in parts(d.tool("explain", about, *arguments), "refusal") if r["status"] == status])[0]

    def test_refused_before_anybody_looked_what_for(self):
        """By credentials, addresses, rates: who, with which code, why and when."""
        with self.daemon(pjsip=LOCKED) as d, caller(d.port, "carol", "guess") as carol, \
                Phone(d.port, user="far") as far, Phone(d.port, user="eve") as eve:
            began = int(time.time() * 1000) - 1
            challenge = carol.subscribe("1000")["WWW-Authenticate"]
            self.assertEqual(parts(d.tool("explain", "1000@users"), "refusal"), [])  # she may still come with a password
            self.assertEqual(carol.ask(challenge).status, 401)
            refusal = self.refused(d, 401, "--for", "carol")
            self.assertEqual((refusal["endpoint"], refusal["why"], refusal["resource"], refusal["event"], refusal["remote"]),
                             ("carol", "the user name or password is wrong", "1000@users", "dialog", f"127.0.0.1:{carol.port}"))
            self.assertTrue(began <= refusal["at_ms"] <= time.time() * 1000 + 1)
            self.assertEqual(carol.ask(carol.subscribe("1000")["WWW-Authenticate"]).status, 401)
            wait_for("the second", lambda: self.refused(d, 401, "--for", "carol").get("times") == 2)
            text = d.tool("explain", "1000@users", plain=True)
            self.assertRegex(text, rf"! \S+ \(\d+s ago\): carol \(127.0.0.1:{carol.port}\) refused: dialog of 1000@users 401, the user "
                             r"name or password is wrong; 2 times")
            # One from where the endpoint may not be, and one whom nobody knows: strangers are challenged here.
            self.assertEqual(far.subscribe("1000").status, 401)
            refusal = self.refused(d, 401, "--for", "far")
            self.assertEqual((refusal["endpoint"], refusal["why"]), ("far", "the endpoint does not permit this address"))
            uri = f"sip:1000@127.0.0.1:{d.port}"
            eve.request("SUBSCRIBE", uri, [("Event", "dialog"), ("Authorization", "Digest username=eve")])
            self.assertEqual(eve.response().status, 400)
            refusal = self.refused(d, 400)
            self.assertEqual((refusal["endpoint"], refusal["from"]), ("", "sip:eve@127.0.0.1"))
            self.assertEqual(parts(d.tool("explain", "1500@shared"), "refusal"), [])
            # And how often one may ask.
            d.reload(extstate_conf="[general]\nrequests_per_endpoint=1\n")
            with Phone(d.port, user="bob") as bob:
                while bob.subscribe("1000").status == 200:
                    pass
                refusal = self.refused(d, 503, "--for", "bob")
                self.assertEqual(refusal["why"], "there are too many requests in a second")

    def test_refusals_are_in_the_journal(self):
        with self.daemon(JOURNAL, LOCKED) as d, caller(d.port, "carol", "guess") as carol:
            carol.ask(carol.subscribe("1000")["WWW-Authenticate"])
            row = wait_for("the refusal", lambda: [
                r for r in d.tool("history", "1000@users") if r["kind"] == "refusal"])[0]
            self.assertEqual((row["endpoint"], row["status"]), ("carol", 401))
            self.assertIn("refused: dialog of 1000@users 401, the user name or password is wrong",
                          d.tool("history", "1000@users", plain=True))

    def test_a_publication_from_its_cause_to_its_acknowledgement(self):
        with Phone(0) as esc, self.daemon(JOURNAL, PUBLISH % esc.port) as d:
            seen = set()

            def publish():
                """The next PUBLISH; what is sent again is not."""
                while True:
                    message = esc.receive()
                    self.assertIsNotNone(message)
                    if message.cseq not in seen:
                        seen.add(message.cseq)
                        return message

            def publisher(**wanted):
                return wait_for(f"the publication to have {wanted}", lambda: [
                    p for p in parts(d.tool("explain", "1000@users"), "publisher") if wanted.items() <= p.items()])[0]
            first = publish()
            publisher(last_status=0, told_sequence=0)
            self.assertIn("! esc", d.tool("explain", "1000@users", plain=True))
            esc.reply(first, "200 OK\r\nSIP-ETag: first\r\nExpires: 600")
            publisher(last_status=200, entity_tag="first", cseq=first.cseq)
            d.set("Custom:1000", "INUSE", source="pbx-a")
            changed = publish()
            self.assertIn("confirmed", changed.body)
            publisher(entity_tag="first", cseq=changed.cseq)
            esc.reply(changed, "200 OK\r\nSIP-ETag: second\r\nExpires: 600")
            told = publisher(last_status=200, entity_tag="second", cseq=changed.cseq)
            self.assertEqual(told["told_sequence"], told["current_sequence"])
            text = d.tool("explain", "1000@users", plain=True)
            self.assertRegex(text, rf"(?m)^    esc .*dialog, published, entity-tag second, CSeq {changed.cseq} answered 200 OK$")
            chain = wait_for("the answer in the chain", lambda: [
                r for r in parts(d.tool("explain", "1000@users"), "chain") if r["kind"] == "publish" and r["what"] == "answered"])
            self.assertEqual((chain[-1]["cseq"], chain[-1]["status"], chain[-1]["section"], chain[-1]["source"]),
                             (changed.cseq, 200, "esc", "pbx-a"))
            self.assertIn("took_ms", chain[-1])
            # One that is refused.
            d.set("Custom:1000", "NOT_INUSE", source="pbx-a")
            refused = publish()
            esc.reply(refused, "403 Forbidden")
            publisher(last_status=403, last_reason="Forbidden")
            self.assertRegex(d.tool("explain", "1000@users", plain=True), r"(?m)^  ! esc .* answered 403 Forbidden$")

    def test_what_strangers_send(self):
        """Nothing that anybody sends steers a terminal, or turns the order of what is shown: control characters, C1 among them, what
        is no UTF-8, and marks of direction are shown as escapes. Programs get them as they are."""
        steering = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
        agent, escaped = "Phone\u009b31m\u202egnp", r"Phone\u009b31m\u202egnp"
        body = "\x1b[2J\0\r\u2066end"
        with self.daemon(JOURNAL) as d, Phone(d.port) as alice:
            d.tool("pjsip", "set", "history", "on")
            self.assertEqual(alice.subscribe("1000", headers=[("User-Agent", agent)]).status, 200)
            alice.notify()
            alice.request("OPTIONS", f"sip:1000@127.0.0.1:{d.port}", body=body)
            alice.response()
            message = base64.b64encode("until two\n\x1b]0;x\x07\u202e".encode()).decode()
            d.tool("presencestate", "change", "CustomPresence:1000", f"away,,{message},e", status=0)
            wait_for("the journal", lambda: any(r.get("message") for r in d.tool("history", status=None)))
            number = next(str(r["number"]) for r in d.tool("pjsip", "show", "history") if body in r["message"])
            for words, shown in (("explain 1000@users", escaped), ("explain 1000@users", r"until two\n\x1b]0;x\x07\u202e"),
                                 ("presencestate list", r"until two\n\x1b]0;x\x07\u202e"), ("hints", "1000@users"),
                                 ("history", r"until two\n\x1b]0;x\x07\u202e"), ("pjsip show history", "OPTIONS"),
                                 ("pjsip show history entry " + number, "\n\n\\x1b[2J\\x00\\r\\u2066end\n"),
                                 ("pjsip show history entry 0", "\nUser-Agent: " + escaped + "\n")):
                with self.subTest(words):
                    text = d.tool(*words.split(), plain=True)
                    self.assertIn(shown, text)
                    self.assertNotRegex(text, steering)
            self.assertEqual(part(d.tool("explain", "1000@users"), "watcher")["user_agent"], agent)
            self.assertTrue(d.tool("presencestate", "list")[0]["message"].startswith("until two\n\x1b]0;x\x07"))
        with Phone(None) as server:
            watch = subprocess.Popen([EXTSTATECTL, "watch", "1000", "--server", f"127.0.0.1:{server.port}", "--from", "alice"],
                                     stderr=subprocess.PIPE, text=True)
            server.reply(server.receive(), f"404 {agent}")
            self.assertIn(f"the server answered 404 {escaped}\n", watch.communicate(timeout=20)[1])

    def test_since_when(self):
        """A lamp has been busy since it is, whatever has become of its presence."""
        with self.daemon(JOURNAL) as d:
            d.set("Custom:1000", "BUSY")
            busy = part(d.tool("explain", "1000@users"), "resource")
            d.tool("presencestate", "change", "CustomPresence:1000", "away", status=0)
            away = part(d.tool("explain", "1000@users"), "resource")
            self.assertEqual((away["state"], away["presence"], away["since_ms"]), ("Busy", "away", busy["changed_ms"]))
            self.assertGreater(away["sequence"], busy["sequence"])
            self.assertEqual(d.tool("hints", "1000")[0]["since_ms"], busy["changed_ms"])
            wait_for("the journal", lambda: d.tool("history", "1000@users", status=None)[-1:] and
                     d.tool("history", "1000@users")[-1].get("presence") == "away")
            then = part(d.tool("explain", "1000@users", "--at", "0s"), "resource")
            self.assertEqual((then["presence"], then["since_ms"]), ("away", busy["changed_ms"]))
            d.set("Custom:1000", "INUSE")
            now = part(d.tool("explain", "1000@users"), "resource")
            self.assertEqual(now["since_ms"], now["changed_ms"])

    def test_a_source_that_is_killed_and_comes_back(self):
        with Manager({"PJSIP/zoe": "INUSE"}) as pbx:
            more = test_sources.source("pbx-a", pbx) + JOURNAL
            d = Extstated({"extensions.conf": EXTENSIONS + "exten => 2001,hint,PJSIP/zoe\n", "extstate.conf": more})
            self.enterContext(d)
            test_sources.following(d, "pbx-a")

            def sources():
                return parts(d.tool("explain", "2001@office"), "source")
            device = wait_for("the list", lambda: [
                r for r in parts(d.tool("explain", "2001@office"), "device") if r["state"] == "INUSE"])[0]
            self.assertEqual([s["source"] for s in device["sources"]], ["pbx-a"])
            self.assertEqual(sources(), [])
        away = wait_for("it to be away", lambda: [s for s in sources() if s["stale"]])[0]
        self.assertEqual((away["source"], away["protocol"], away["up"]), ("pbx-a", "ami", False))
        self.assertTrue(away["why"])
        wait_for("the lamp", lambda: part(d.tool("explain", "2001@office"), "resource")["state"] == "Unavailable")
        said = wait_for("the journal", lambda: [r for r in [d.tool("history", "PJSIP/zoe", status=None)] if len(r) > 1])[0]
        self.assertEqual([(r["said"], r.get("away_s")) for r in said], [("INUSE", None), ("UNAVAILABLE", 1)])
        text = d.tool("explain", "2001@office", plain=True)
        self.assertRegex(text, r"(?m)^2001@office is Unavailable \(stale\) since ")
        self.assertRegex(text, r"(?m)^  snapshot \d+, made by change #\d+: pbx-a is away for longer than its grace of 1s$")
        self.assertRegex(text, r"PJSIP/zoe UNAVAILABLE, was INUSE: pbx-a counts as UNAVAILABLE  \[pbx-a is away for longer than "
                               r"its grace of 1s, #\d+\]\n")
        self.assertRegex(d.tool("history", "2001@office", plain=True),
                         r"2001@office Unavailable \(stale\), was InUse  \[pbx-a is away for longer than its grace of 1s, #\d+\]\n")
        self.assertRegex(text, r"(?m)^    pbx-a counts as UNAVAILABLE since .*  \(stale: the source is away\)$")
        self.assertNotIn("pbx-a says", text.split("! source")[0])
        self.assertRegex(text, r"! source pbx-a \(ami\) is down since \S+ \(\d+s ago\): \S+")
        pbx.start()
        self.addCleanup(pbx.stop)
        wait_for("it to be back", lambda: not sources())
        wait_for("the lamp", lambda: part(d.tool("explain", "2001@office"), "resource")["state"] == "InUse")
        pbx.stop()
        wait_for("it to be away again", sources)
        d.reload(extstate_conf="")  # one that is nobody's any more is not away
        self.assertEqual(sources(), [])

    def test_a_time_before_anything_changed(self):
        """The first change after it says what was before; without one it is as it is."""
        with self.daemon() as d:
            d.set("Custom:1000", "INUSE")
            time.sleep(1.1)  # times are told in seconds
            d.reload(extstate_conf=JOURNAL)
            d.set("Custom:2000", "INUSE")
            wait_for("the journal to begin", lambda: d.tool("history", "2000@office", status=None))
            time.sleep(1.1)
            then = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime())
            resource = part(d.tool("explain", "1000@users", "--at", then), "resource")
            self.assertEqual((resource["state"], resource["hint"]), ("InUse", "Custom:1000&Custom:other,CustomPresence:1000"))
            time.sleep(1.1)
            d.set("Custom:1000", "BUSY")
            resource = wait_for("the change", lambda: [
                r for r in parts(d.tool("explain", "1000@users", "--at", then), "resource") if "until_ms" in r])[0]
            self.assertEqual(resource["state"], "InUse")
            self.assertRegex(d.tool("explain", "1000@users", "--at", then, plain=True),
                             r"(?m)^1000@users was InUse until .* by the first change that the journal has of it$")
            # By the name of another context, which leads to the same.
            d.set("Custom:1500", "INUSE")
            now = wait_for("its change", lambda: [
                r for r in parts(d.tool("explain", "1500@users", "--at", "0s"), "resource") if r["state"] == "InUse"])[0]
            self.assertEqual(now["resource"], "1500@shared")
            self.assertIn("has not been yet", d.tool("explain", "1000@users", "--at", "2100-01-01", plain=True, status=2))
            self.assertIn("is no time", d.tool("explain", "1000@users", "--at", "2026-02-31", plain=True, status=2))

    def test_the_journal(self):
        esc = free_port()
        with self.daemon(JOURNAL, PUBLISH % esc) as d, Phone(d.port) as alice:
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

    def test_what_a_hint_names_however_it_is_written(self):
        """In any spelling, and in a long hint, too."""
        names = ["custom:first ", *(f" Custom:other{i:03}" for i in range(120)), "CUSTOM:last"]
        with self.daemon(JOURNAL) as d:
            d.set("Custom:first", "INUSE")
            d.set("Custom:last", "RINGING")
            d.tool("presencestate", "change", "CustomPresence:p", "away")
            d.reload(extensions_conf=EXTENSIONS + f"[more]\nexten => 1000,hint,{'&'.join(names)},custompresence:p\n")
            said = wait_for("the past", lambda: [
                s for s in [parts(d.tool("explain", "1000@more", "--at", "0s"), "said")] if len(s) == 3])[0]
            self.assertEqual([r.get("device", r.get("provider")) for r in said], ["Custom:first", "Custom:last", "CustomPresence:p"])

    def test_what_each_source_said(self):
        """Of a device about which two disagree: the last of both, but not of one that has taken it back."""
        with self.daemon(JOURNAL) as d:
            for state, source in (("INUSE", "a"), ("BUSY", "a"), ("RINGING", "b"), ("ONHOLD", "c")):
                d.tool("devstate", "change", "Custom:1000", state, "--source", source)
            d.tool("devstate", "forget", "Custom:1000", "--source", "c")
            said = wait_for("the past", lambda: [
                s for s in [parts(d.tool("explain", "1000@users", "--at", "0s"), "said")] if s[-1]["said"] is None])[0]
            self.assertEqual([(r["by"], r["said"]) for r in said], [("a", "BUSY"), ("b", "RINGING"), ("c", None)])

    def test_other_lamps_of_the_same_cause(self):
        """A reload makes many lamps at once: each has its own."""
        with self.daemon(JOURNAL) as d:
            d.set("Custom:many", "INUSE")
            d.reload(extensions_conf=EXTENSIONS + "[more]\n" + "".join(
                f"exten => {i},hint,Custom:many\n" for i in range(3000, 3020)))
            chain = wait_for("its snapshot", lambda: parts(d.tool("explain", "3007@more"), "chain"))
            self.assertEqual({(r["kind"], r["resource"]) for r in chain}, {("snapshot", "3007@more")})
            d.set("Custom:many", "BUSY")
            resource = wait_for("the change in the journal", lambda: [
                r for r in [d.tool("explain", "3019@more")] if "device" in kinds(parts(r, "chain"))])[0]
            self.assertEqual([(r["kind"], r.get("device", r.get("resource"))) for r in parts(resource, "chain")],
                             [("device", "Custom:many"), ("snapshot", "3019@more")])
            then = wait_for("the past", lambda: [
                c for c in [parts(d.tool("explain", "3019@more", "--at", "0s"), "chain")] if "device" in kinds(c)])[0]
            self.assertEqual(kinds(then), ["device", "snapshot"])

    def test_more_changes_than_are_shown(self):
        with self.daemon(JOURNAL) as d:
            d.set("Custom:1000", "INUSE")
            rows = wait_for("the journal", lambda: [
                r for r in [d.tool("explain", "1000@users")] if len(parts(r, "chain")) == 2])[0]
            self.assertNotIn("more_changes", [t["what"] for t in parts(rows, "trouble")])
            with sqlite3.connect(d.directory / "state" / "journal.db", timeout=20) as journal:
                journal.execute("INSERT INTO change (at_ms, run, cause, kind, name, detail) "
                                "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200) "
                                "SELECT at_ms, run, cause, kind, name, detail FROM change, n WHERE change.id = ?",
                                (parts(rows, "chain")[0]["number"],))
            rows = d.tool("explain", "1000@users")
            chain = parts(rows, "chain")
            self.assertEqual((len(chain), kinds(chain).count("snapshot")), (1000, 1))
            self.assertEqual([t["more"] for t in parts(rows, "trouble") if t["what"] == "more_changes"], [202])
            self.assertIn("! 202 more changes of the same cause are not shown", d.tool("explain", "1000@users", plain=True))

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
