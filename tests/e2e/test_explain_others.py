#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Why what is no lamp is as it is: resource lists, messages, what is published; and why nothing of it is shown."""
import json
import socket
import time

import harness
from harness import DEFAULT_FILES, Extstated, Phone, Subscription, main, unittest, wait_for
from test_explain import JOURNAL, kinds, part, parts

EXTENSIONS = """
[users]
exten => 1000,hint,Custom:1000
exten => 1001,hint,Custom:1001
exten => 1002,hint,Custom:1002
"""
PJSIP = """
[lamps]
type=resource_list
event=dialog
list_item=1000,1001,nobody
[all]
type=resource_list
event=dialog
list_item=1002,lamps
[nowhere]
type=resource_list
event=dialog
list_item=nobody,nothing
[boxes]
type=resource_list
event=message-summary
list_item=alice,bob
[alice]
type=aor
mailboxes=100@default,101@default
[bob]
type=aor
mailboxes=200@default
[carol](phone)
context=office
"""
UNDERSTOOD = [("Supported", "eventlist")]


class Control:
    """The control socket, where extstatectl's answer is too late: it says when it follows."""

    def __init__(self, daemon):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(harness.PATIENCE)
        self.socket.connect(str(daemon.socket))
        self.lines = self.socket.makefile()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lines.close()
        self.socket.close()

    def ask(self, command, **fields):
        """Its rows, and the end of the answer."""
        self.socket.sendall(json.dumps({"id": 1, "command": command, **fields}).encode() + b"\n")
        rows = []
        while "row" in (answer := json.loads(self.lines.readline())):
            rows.append(answer["row"])
        assert answer["ok"], answer
        return rows, answer


class Others(unittest.TestCase):
    def daemon(self, extstate=JOURNAL, pjsip=""):
        return Extstated({"extensions.conf": EXTENSIONS, "extstate.conf": extstate,
                          "pjsip.conf": DEFAULT_FILES["pjsip.conf"] + PJSIP + pjsip})

    def explained(self, d, what, condition, name, *words):
        """What explain says, once it has that."""
        return wait_for(what, lambda: [r for r in [d.tool("explain", name, *words)] if condition(r)])[0]

    def told(self, d, name, cseq, *words):
        """What explain says once the journal has the answer to that NOTIFY."""
        return self.explained(d, "the answer in the chain", lambda rows: [
            r for r in parts(rows, "chain") if r["kind"] == "notify" and r["cseq"] == cseq], name, *words)

    def watch(self, phone, name, event="dialog", headers=UNDERSTOOD):
        answer = phone.subscribe(name, event, headers=headers)
        self.assertEqual(answer.status, 200)
        return Subscription(answer), phone.notify().cseq


class Lists(Others):
    def test_a_list_from_its_member_to_its_watcher(self):
        with self.daemon() as d, Phone(d.port) as alice, Phone(d.port, user="bob") as bob:
            self.watch(alice, "lamps")
            self.watch(bob, "1001")
            d.set("Custom:1000", "INUSE", source="pbx-a")
            cseq = alice.notify().cseq
            rows = self.told(d, "lamps@users", cseq)
            resource = part(rows, "resource")
            self.assertEqual((resource["package"], resource["event"], resource["members"], resource["watched"], resource["source"]),
                             ("dialog list", "dialog", 3, True, "pbx-a"))
            self.assertEqual([(m["item"], m["known"], m.get("resource"), m.get("state")) for m in parts(rows, "member")],
                             [("1000", True, "1000@users", "InUse"), ("1001", True, "1001@users", "Idle"),
                              ("nobody", False, None, None)])
            watcher = part(rows, "watcher")
            self.assertEqual((watcher["endpoint"], watcher["cseq"], watcher["outstanding"], watcher["shows"]),
                             ("alice", cseq, False, "3 members"))
            self.assertEqual(watcher["told_sequence"], watcher["current_sequence"])
            # One cause from the source's word to the list's NOTIFY; the list says which member it was.
            chain = parts(rows, "chain")
            self.assertEqual([(r["kind"], r.get("device", r.get("resource"))) for r in chain],
                             [("device", "Custom:1000"), ("snapshot", "1000@users"), ("snapshot", "lamps@users"),
                              ("notify", "lamps@users")])
            self.assertEqual({(r["cause"], r["source"]) for r in chain}, {(resource["cause"], "pbx-a")})
            self.assertEqual((chain[2]["changed"], chain[3]["status"]), (["1000"], 200))
            self.assertEqual([t["what"] for t in parts(rows, "trouble")], ["unknown_member"])
            text = d.tool("explain", "lamps@users", plain=True)
            self.assertRegex(text, r"(?m)^lamps@users is a resource list of 3 for dialog, as it is since ")
            self.assertRegex(text, r"(?m)^    1000@users       InUse since .*, change #\d+ of pbx-a$")
            self.assertRegex(text, r"(?m)^  ! nobody           there is nothing of that name$")
            self.assertRegex(text, rf"dialog of list lamps@users, active: shows 3 members, acknowledged CSeq {cseq} in \d+ ms")
            self.assertRegex(text, r"snapshot     lamps@users a list of 3, changed in 1000  \[pbx-a #\d+\]")
            # A member that changes tells nothing of the other one's watchers.
            d.set("Custom:1001", "INUSE", source="pbx-b")
            of_bob, of_list = bob.notify().cseq, alice.notify().cseq
            chain = parts(self.told(d, "lamps@users", of_list), "chain")
            self.assertEqual([r["cseq"] for r in chain if r["kind"] == "notify"], [of_list])
            wait_for("both in the member's", lambda: {of_bob, of_list} == {
                r["cseq"] for r in parts(d.tool("explain", "1001@users"), "chain") if r["kind"] == "notify"})

    def test_a_member_says_who_is_told_by_lists(self):
        with self.daemon() as d, Phone(d.port) as alice:
            self.watch(alice, "lamps")
            self.watch(alice, "all")
            d.set("Custom:1000", "RINGING", source="pbx-a")
            told = {alice.notify().cseq, alice.notify().cseq}
            rows = self.explained(d, "both answers", lambda rows: told == {
                r["cseq"] for r in parts(rows, "chain") if r["kind"] == "notify"}, "1000@users")
            self.assertEqual({r["resource"] for r in parts(rows, "list")}, {"lamps@users", "all@users"})
            self.assertEqual({(w["resource"], w["list"], w["shows"]) for w in parts(rows, "watcher")},
                             {("lamps", True, "Ringing"), ("all", True, "Ringing")})
            self.assertEqual(parts(rows, "trouble"), [])  # somebody shows it
            self.assertEqual({r["resource"] for r in parts(rows, "chain") if r["kind"] != "device"},
                             {"1000@users", "lamps@users", "all@users"})
            self.assertEqual(parts(d.tool("explain", "1000@users", "--for", "bob"), "watcher"), [])
            # One of another list shows nothing of that.
            self.assertEqual([w["resource"] for w in parts(d.tool("explain", "1002@users"), "watcher")], ["all"])
            self.assertNotIn("notify", kinds(parts(d.tool("explain", "1002@users"), "chain")))
            members = parts(d.tool("explain", "all@users"), "member")
            self.assertEqual([(m["item"], m["level"], m.get("is_list", False)) for m in members],
                             [("1002", 0, False), ("lamps", 0, True), ("1000", 1, False), ("1001", 1, False), ("nobody", 1, False)])

    def test_as_it_was_and_as_it_goes_on(self):
        with self.daemon() as d, Phone(d.port) as alice:
            self.watch(alice, "lamps")
            d.set("Custom:1000", "INUSE", source="pbx-a")
            cseq = alice.notify().cseq
            self.told(d, "lamps@users", cseq)
            then = int(time.time())
            time.sleep(1.1)  # times are told in seconds
            d.set("Custom:1000", "NOT_INUSE", source="pbx-a")
            self.told(d, "lamps@users", alice.notify().cseq)
            at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(then))
            rows = d.tool("explain", "lamps@users", "--at", at)
            self.assertEqual(part(rows, "resource")["changed"], ["1000"])
            self.assertIn(("1000@users", "InUse"), [(m["resource"], m["state"]) for m in parts(rows, "member")])
            self.assertEqual(kinds(parts(rows, "chain")), ["device", "snapshot", "snapshot", "notify"])
            self.assertEqual(part(rows, "watcher")["cseq"], cseq)
            text = d.tool("explain", "lamps@users", "--at", at, plain=True)
            self.assertRegex(text, r"(?m)^lamps@users had a list of 3 since ")
            self.assertIn("What its members of today showed:", text)
            self.assertIn("has no change of this", d.tool("explain", "lamps@users", "--at", "2020-01-01", plain=True, status=4))
            self.assertEqual([r["changed"] for r in d.tool("history", "lamps@users") if "changed" in r], [["1000"], ["1000"]])
            # What happens from now on, with its members' devices, and nothing of others.
            for name, state in (("lamps@users", "INUSE"), ("1000@users", "NOT_INUSE")):
                with self.subTest(name):
                    rows = self.follow(d, name, alice, state)
                    self.assertEqual(kinds(rows), ["device", "snapshot", "snapshot", "notify", "notify"])
                    self.assertEqual(len({r["cause"] for r in rows}), 1)
                    self.assertEqual([r["resource"] for r in rows[1:]], ["1000@users", "lamps@users", "lamps@users", "lamps@users"])

    def follow(self, d, name, phone, state):
        """A change of 1000, and what one who follows is told of it; of another lamp's nothing."""
        with Control(d) as control:
            number = control.ask("follow", resource=name)[1]["follow"]
            d.set("Custom:1002", state)
            d.set("Custom:1000", state, source="pbx-a")
            phone.notify()
            rows = []

            def answered():
                rows.extend(control.ask("follow.next", follow=number)[0])
                return rows and rows[-1].get("what") == "answered"
            wait_for("the answer", answered)
            return rows

    def test_why_nothing_of_it_is_shown(self):
        with self.daemon() as d, Phone(d.port) as alice:
            text = d.tool("explain", "lampz@users", plain=True, status=4)
            self.assertIn("there is no hint lampz in context users", text)
            self.assertIn("no resource list", text)
            self.assertIn("perhaps lamps@users", text)
            # One that nobody watches is explained all the same, and leaves nothing behind.
            rows = d.tool("explain", "lamps@users")
            self.assertEqual((part(rows, "resource")["watched"], len(parts(rows, "member"))), (False, 3))
            self.assertEqual([t["what"] for t in parts(rows, "trouble")], ["unknown_member", "no_watcher"])
            self.assertIn("lamps@users is a resource list of 3 for dialog, which nobody watches",
                          d.tool("explain", "lamps@users", plain=True))
            self.assertEqual(d.tool("history", status=None), [])
            self.assertEqual([t["what"] for t in parts(d.tool("explain", "nowhere@users"), "trouble")], ["empty_list", "no_watcher"])
            # In another context it has other members; and one who looks there is told so.
            self.assertEqual([t["what"] for t in parts(d.tool("explain", "lamps@office"), "trouble")], ["empty_list", "no_watcher"])
            troubles = [t["what"] for t in parts(d.tool("explain", "lamps@users", "--for", "carol"), "trouble")]
            self.assertIn("unreachable", troubles)
            # One who does not understand lists is refused, and so is one who asks for none.
            self.assertEqual(alice.subscribe("lamps").status, 421)
            refusal = part(self.explained(d, "the refusal", lambda rows: parts(rows, "refusal"), "lamps@users"), "refusal")
            self.assertEqual((refusal["endpoint"], refusal["status"], refusal["event"]), ("alice", 421, "dialog"))
            self.assertTrue(refusal["why"])
            self.assertEqual(alice.subscribe("lampz", headers=UNDERSTOOD).status, 404)
            refusal = part(self.explained(d, "the refusal", lambda rows: parts(rows, "refusal"), "lampz@users"), "refusal")
            self.assertEqual(refusal["status"], 404)

    def test_a_member_that_is_kept_from_the_watcher(self):
        with self.daemon("[authorization]\nblock=., ^1000@, dialog\npolite-block=., ^1001@, dialog\n") as d, Phone(d.port) as alice:
            self.watch(alice, "lamps")
            self.watch(alice, "all")
            d.settle()
            for name, shows in (("1000", {None}), ("1001", {None}), ("1002", {"Idle"})):
                self.assertEqual({w.get("shows") for w in parts(d.tool("explain", f"{name}@users"), "watcher")}, shows, name)
            self.assertIn("shows nothing of it, acknowledged", d.tool("explain", "1000@users", plain=True))

    def test_a_notify_without_an_answer(self):
        with self.daemon() as d, Phone(d.port) as alice:
            self.watch(alice, "lamps")
            alice.answer = None
            d.set("Custom:1000", "INUSE")
            alice.notify()
            self.assertTrue(part(d.tool("explain", "lamps@users"), "watcher")["outstanding"])
            self.assertRegex(d.tool("explain", "1000@users", plain=True),
                             r"dialog of list lamps@users, active: shows InUse, NOTIFY CSeq \d+ has no answer yet")
            alice.answer = "481 Subscription Does Not Exist"
            alice.notify()
            rows = self.explained(d, "the end", lambda rows: parts(rows, "refusal"), "lamps@users")
            self.assertEqual((part(rows, "refusal")["what"], part(rows, "refusal")["resource"]), ("given-up", "lamps@users"))


class Messages(Others):
    def test_an_aor_from_its_mailbox_to_its_watcher(self):
        with self.daemon() as d, Phone(d.port) as alice:
            self.watch(alice, "alice", "message-summary")
            began = int(time.time() * 1000) - 1
            d.tool("mailbox", "change", "100@default", "3", "1", "--source", "pbx-a")
            cseq = alice.notify().cseq
            rows = self.told(d, "alice", cseq)
            resource = part(rows, "resource")
            self.assertEqual((resource["resource"], resource["package"], resource["new"], resource["old"], resource["source"]),
                             ("alice", "message-summary", 3, 1, "pbx-a"))
            told, silent = parts(rows, "mailbox")
            self.assertEqual([(told[k]) for k in ("mailbox", "known", "new", "old")], ["100@default", True, 3, 1])
            self.assertEqual([(s["source"], s["new"], s["old"]) for s in told["sources"]], [("pbx-a", 3, 1)])
            self.assertTrue(began <= told["sources"][0]["changed_ms"] <= time.time() * 1000 + 1)
            self.assertEqual((silent["mailbox"], silent["known"], silent["new"], silent["sources"]), ("101@default", False, 0, []))
            watcher = part(rows, "watcher")
            self.assertEqual((watcher["event"], watcher["shows"], watcher["cseq"]), ("message-summary", "3 new, 1 old", cseq))
            chain = parts(rows, "chain")
            self.assertEqual(kinds(chain), ["mailbox", "device", "snapshot", "notify"])
            self.assertEqual({(r["cause"], r["source"]) for r in chain}, {(resource["cause"], "pbx-a")})
            text = d.tool("explain", "alice", plain=True)
            self.assertRegex(text, r"(?m)^alice has 3 new, 1 old messages since ")
            self.assertRegex(text, r"(?m)^    pbx-a says 3 new, 1 old since ")
            self.assertRegex(text, rf"message-summary, active: shows 3 new, 1 old, acknowledged CSeq {cseq} in \d+ ms")
            # By the name of the mailbox, and in the context of whoever subscribes.
            for name in ("100@default", "alice@users"):
                self.assertEqual(part(d.tool("explain", name), "watcher")["cseq"], cseq)
            self.assertEqual(parts(d.tool("explain", "alice", "--for", "bob"), "watcher"), [])
            # A second source is newer; the other one's time stays.
            d.tool("mailbox", "change", "100@default", "0", "4", "--source", "pbx-b")
            self.assertEqual(alice.notify().body.count("0/4"), 1)
            newest, former = parts(d.tool("explain", "100@default"), "mailbox")[0]["sources"]
            self.assertEqual((newest["source"], former["source"], former["changed_ms"]), ("pbx-b", "pbx-a", told["sources"][0]["changed_ms"]))
            self.assertIn("pbx-a says 3 new, 1 old", d.tool("explain", "100@default", plain=True))

    def test_when_it_was_said_survives(self):
        with self.daemon() as d:
            d.tool("mailbox", "change", "100@default", "3", "1")
            said = parts(d.tool("explain", "100@default"), "mailbox")[0]["sources"]
            d.kill()
            d.start()
            self.assertEqual(parts(d.tool("explain", "100@default"), "mailbox")[0]["sources"], said)

    def test_a_list_of_messages(self):
        with self.daemon() as d, Phone(d.port) as alice:
            self.watch(alice, "boxes", "message-summary")
            d.tool("mailbox", "change", "200@default", "2", "0")
            cseq = alice.notify().cseq
            rows = self.told(d, "boxes", cseq)
            self.assertEqual([(m["resource"], m["package"], m["new"]) for m in parts(rows, "member")],
                             [("alice", "message-summary", 0), ("bob", "message-summary", 2)])
            self.assertEqual([(r["kind"], r.get("resource", r.get("mailbox", r.get("device")))) for r in parts(rows, "chain")],
                             [("mailbox", "200@default"), ("device", "MWI:200@default"), ("snapshot", "bob"), ("snapshot", "boxes"),
                              ("notify", "boxes")])
            # Who shows one of them by the list; and whoever follows that hears of it.
            self.assertEqual((part(d.tool("explain", "bob"), "watcher")["shows"], part(d.tool("explain", "bob"), "list")["resource"]),
                             ("2 new, 0 old", "boxes"))
            with Control(d) as control:
                number = control.ask("follow", resource="200@default")[1]["follow"]
                d.tool("mailbox", "change", "200@default", "1", "0")
                alice.notify()
                rows = []
                wait_for("the answer", lambda: rows.extend(control.ask("follow.next", follow=number)[0]) or
                         (rows and rows[-1].get("what") == "answered"))
                self.assertEqual(kinds(rows), ["mailbox", "snapshot", "snapshot", "notify", "notify"])

    def test_as_it_was(self):
        with self.daemon() as d, Phone(d.port) as alice:
            self.watch(alice, "alice", "message-summary")
            d.tool("mailbox", "change", "100@default", "1", "0")
            cseq = alice.notify().cseq
            self.told(d, "alice", cseq)
            then = int(time.time())
            time.sleep(1.1)
            d.tool("mailbox", "change", "100@default", "5", "0")
            self.told(d, "alice", alice.notify().cseq)
            at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(then))
            for name in ("alice", "100@default"):
                rows = d.tool("explain", name, "--at", at)
                self.assertEqual((part(rows, "resource")["new"], part(rows, "said")["new"], part(rows, "watcher")["cseq"]), (1, 1, cseq))
            self.assertRegex(d.tool("explain", "alice", "--at", at, plain=True), r"(?m)^alice had 1 new, 0 old since ")
            self.assertEqual([r["new"] for r in d.tool("history", "100@default")], [1, 5])
            self.assertEqual([r["new"] for r in d.tool("history", "alice") if r["kind"] == "snapshot"], [1, 5])

    def test_told_without_a_subscription(self):
        with Phone(0, user="dave") as dave:
            pjsip = (f"[dave](phone)\naors=dave\nmailboxes=300@default\n[dave]\ntype=aor\ncontact=sip:dave@127.0.0.1:{dave.port}\n"
                     "[erin](phone)\nmailboxes=301@default\naggregate_mwi=yes\n")
            with self.daemon(pjsip=pjsip) as d:
                dave.server = d.port
                dave.notify()
                d.tool("mailbox", "change", "300@default", "1", "0")
                cseq = dave.notify().cseq
                rows = self.explained(d, "its answer", lambda rows: cseq in [
                    n["cseq"] for n in parts(rows, "notice") if n["state"] == "told"], "300@default")
                notice = part(rows, "notice")
                self.assertEqual((notice["endpoint"], notice["mailbox"], notice["last_status"]), ("dave", "300@default", 200)
                                 if notice["mailbox"] else ("dave", "", 200))
                self.assertEqual(parts(rows, "trouble"), [])
                self.assertRegex(d.tool("explain", "300@default", plain=True),
                                 rf"(?s)Told without a subscription:\n    dave .*, told, CSeq {cseq} answered 200\n")
                self.assertEqual(parts(d.tool("explain", "100@default"), "notice"), [])

    def test_why_nothing_of_it_is_shown(self):
        with self.daemon() as d, Phone(d.port) as alice:
            d.tool("mailbox", "change", "999@default", "1", "0")
            rows = d.tool("explain", "999@default")
            self.assertEqual((part(rows, "mailbox")["new"], [t["what"] for t in parts(rows, "trouble")]),
                             (1, ["not_shown", "no_watcher"]))
            self.assertIn("nothing has mailbox 999@default", d.tool("explain", "999@default", plain=True))
            self.assertEqual([t["what"] for t in parts(d.tool("explain", "200@default"), "trouble")], ["unknown_mailbox", "no_watcher"])
            self.assertEqual(part(d.tool("explain", "998@default"), "trouble")["what"], "no_hint")
            self.assertIn("AOR", d.tool("explain", "nobody", plain=True, status=2))
            self.assertEqual(alice.subscribe("nobody", "message-summary").status, 404)
            refusal = part(self.explained(d, "the refusal", lambda rows: parts(rows, "refusal"), "nobody@users"), "refusal")
            self.assertEqual((refusal["status"], refusal["event"]), (404, "message-summary"))
            # Of an AOR that is there, with what it does not accept.
            alice.request("SUBSCRIBE", f"sip:alice@127.0.0.1:{d.port}", [("Event", "message-summary"), ("Accept", "text/html")])
            self.assertEqual(alice.response().status, 406)
            refusal = part(self.explained(d, "the refusal", lambda rows: parts(rows, "refusal"), "alice"), "refusal")
            self.assertEqual((refusal["status"], refusal["endpoint"]), (406, "alice"))
            self.assertEqual(part(d.tool("explain", "101@default"), "refusal")["status"], 406)


COMPOSITOR = JOURNAL + """
[compositor]
context=users
publish=any
opaque=conference
"""
PIDF = """<?xml version="1.0"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:desk@127.0.0.1"><tuple id="a"><status><basic>open</basic></status></tuple></presence>
"""


class Published(Others):
    def publish(self, phone, d, user, event, content_type, body):
        phone.request("PUBLISH", f"sip:{user}@127.0.0.1:{d.port}", [("Event", event), ("Expires", 600), ("Content-Type", content_type)], body)
        answer = phone.response()
        self.assertEqual(answer.status, 200, answer)

    def test_presence(self):
        with self.daemon(COMPOSITOR, "[desk](phone)\n") as d, Phone(d.port) as alice, Phone(d.port, user="desk") as desk:
            self.assertEqual(alice.subscribe("desk", "presence", accept="application/pidf+xml").status, 200)
            alice.notify()
            self.publish(desk, d, "desk", "presence", "application/pidf+xml", PIDF)
            cseq = alice.notify().cseq
            rows = self.told(d, "desk@users", cseq)
            self.assertEqual((part(rows, "publication")["publisher"], part(rows, "publication")["event"]), ("desk", "presence"))
            self.assertEqual((part(rows, "watcher")["cseq"], part(rows, "resource")["source"]), (cseq, "publish:desk"))
            self.assertEqual(sorted(kinds(parts(rows, "chain"))), ["notify", "publication", "snapshot"])

    def test_another_package(self):
        with self.daemon(COMPOSITOR, "[room](phone)\n") as d, Phone(d.port) as alice, Phone(d.port, user="room") as room:
            self.publish(room, d, "room", "conference", "application/conference-info+xml", "<a/>")
            self.assertEqual(alice.subscribe("room", "conference", accept="application/conference-info+xml").status, 200)
            alice.notify()
            self.publish(room, d, "room", "conference", "application/conference-info+xml", "<b/>")
            cseq = alice.notify().cseq
            rows = self.told(d, "room@users", cseq)
            self.assertEqual((part(rows, "resource")["package"], part(rows, "resource")["source"]), ("conference", "publish:room"))
            self.assertIn("conference", [p["event"] for p in parts(rows, "publication")])
            self.assertEqual(part(rows, "watcher")["cseq"], cseq)
            self.assertRegex(d.tool("explain", "room@users", plain=True), r"(?m)^room@users has conference since ")

    def test_who_watches(self):
        with self.daemon(COMPOSITOR, "[desk](phone)\n") as d, Phone(d.port) as alice, Phone(d.port, user="desk") as desk:
            self.watch(desk, "desk", "dialog.winfo")
            self.watch(alice, "desk")
            cseq = desk.notify().cseq
            rows = self.explained(d, "its answer", lambda rows: [
                w for w in parts(rows, "watcher") if w["cseq"] == cseq and not w["outstanding"]], "desk@users")
            self.assertEqual({w["event"] for w in parts(rows, "watcher")}, {"dialog", "dialog.winfo"})
            self.assertEqual({r.get("package", "") for r in parts(rows, "resource")}, {"", "dialog.winfo"})


if __name__ == "__main__":
    main()
