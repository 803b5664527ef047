# SPDX-License-Identifier: MIT
"""A phone, a daemon, and the operator's tool: the first lamps."""
import contextlib
import re
import socket
import subprocess
import time
import unittest

import harness
from harness import Extstated, Phone, Subscription, wait_for


NOTHING_IS_KEPT = "[general]\ndurability=none\n"

class Lamp(unittest.TestCase):
    def test_change_lights_the_lamp(self):
        with Extstated() as daemon, Phone(daemon.port) as phone:
            answer = phone.subscribe("1000")
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer["Expires"], "600")
            first = phone.notify()
            self.assertIn("<state>terminated</state>", first.body)
            self.assertIn('version="0"', first.body)
            self.assertTrue(first["Subscription-State"].startswith("active;expires="))
            daemon.set("Custom:1000", "INUSE")
            second = phone.notify()
            self.assertIn("<state>confirmed</state>", second.body)
            self.assertIn('version="1"', second.body)
            self.assertEqual(second.cseq, first.cseq + 1)
            daemon.set("Custom:1000", "INUSE")
            self.assertIsNone(phone.notify(0.3), "a duplicate was told")

    def test_every_body(self):
        expected = {
            "application/dialog-info+xml": "<state>early</state>",
            "application/pidf+xml": "<note>Ringing</note>",
            "application/xpidf+xml": '<status status="inuse" />',
            "application/cpim-pidf+xml": '<status status="inuse" />',
        }
        with Extstated() as daemon:
            daemon.set("Custom:1000", "RINGING")
            for accept, part in expected.items():
                for event in ("dialog", "presence"):
                    with self.subTest(accept=accept, event=event), Phone(daemon.port) as phone:
                        self.assertEqual(phone.subscribe("1000", event=event, accept=accept).status, 200)
                        notify = phone.notify()
                        self.assertEqual(notify["Content-Type"], accept)
                        self.assertIn(part, notify.body)
                        self.assertEqual(notify["Event"], event)

    def test_coalescing(self):
        with Extstated() as daemon, Phone(daemon.port) as phone:
            phone.subscribe("1000")
            first = phone.notify()
            phone.answer = None
            daemon.set("Custom:1000", "RINGING")
            outstanding = phone.notify()
            for state in ("INUSE", "BUSY", "NOT_INUSE", "ONHOLD"):
                daemon.set("Custom:1000", state)
            repeated = phone.notify(2)  # the retransmission, the same bytes
            self.assertEqual(repeated.raw, outstanding.raw)
            phone.answer = "200 OK"
            phone.reply(repeated, "200 OK")
            newest = phone.notify()
            while newest.cseq == outstanding.cseq:
                newest = phone.notify()
            self.assertIn("+sip.rendering", newest.body)
            self.assertEqual(newest.cseq, first.cseq + 2)
            self.assertIn('version="2"', newest.body)
            self.assertIsNone(phone.notify(0.3))

    def test_refresh_and_unsubscribe(self):
        with Extstated() as daemon, Phone(daemon.port) as phone:
            dialog = Subscription(phone.subscribe("1000"))
            first = phone.notify()
            self.assertEqual(phone.subscribe("1000", expires=300, dialog=dialog).status, 200)
            second = phone.notify()
            self.assertIn('version="1"', second.body)
            self.assertEqual(second.cseq, first.cseq + 1)
            answer = phone.subscribe("1000", expires=0, dialog=dialog)
            self.assertEqual((answer.status, answer["Expires"]), (200, "0"))
            last = phone.notify()
            self.assertEqual(last["Subscription-State"], "terminated;reason=timeout")
            self.assertEqual(phone.subscribe("1000", dialog=dialog).status, 481)

    def test_expiry(self):
        with Extstated() as daemon, Phone(daemon.port) as phone:
            phone.subscribe("1000", expires=2)
            phone.notify()
            start = time.monotonic()
            last = phone.notify()
            self.assertEqual(last["Subscription-State"], "terminated;reason=timeout")
            self.assertGreater(time.monotonic() - start, 1.5)
            wait_for("the subscription's end", lambda: daemon.tool("subscriptions", status=None) == [])

    def test_pattern_presence_and_digium(self):
        with Extstated() as daemon, Phone(daemon.port) as phone:
            self.assertEqual(phone.subscribe("2345").status, 200)
            phone.notify()
            daemon.set("Custom:2345", "BUSY")
            self.assertIn("confirmed", phone.notify().body)
            with Phone(daemon.port, "bob") as digium:
                digium.subscribe("1001", event="presence", headers=[("User-Agent", "Digium D40")])
                digium.notify()
                daemon.tool("presencestate", "change", "CustomPresence:1001", "dnd,busy,back <soon>")
                self.assertIn('type="dnd" subtype="busy">back &lt;soon&gt;</digium_presence>', digium.notify().body)

    def test_reload(self):
        with Extstated() as daemon, Phone(daemon.port) as kept, Phone(daemon.port) as gone, Phone(daemon.port) as moved:
            kept.subscribe("1000")
            kept.notify()
            gone.subscribe("1001")
            gone.notify()
            moved.subscribe("2000")
            moved.notify()
            daemon.set("Custom:other", "INUSE")
            daemon.tool("reload", status=0)
            self.assertIsNone(kept.notify(0.3))
            answer = daemon.reload(extensions_conf="[users]\nexten => 1000,hint,Custom:1000\nexten => _2XXX,hint,Custom:other\n")
            self.assertTrue(answer[0]["ok"])
            self.assertEqual(gone.notify()["Subscription-State"], "terminated;reason=noresource")
            self.assertIn("confirmed", moved.notify().body)
            self.assertIsNone(kept.notify(0.3))
            daemon.write("extensions.conf", "exten => outside,hint,Custom:1\n")
            daemon.tool("reload", status=1)
            self.assertEqual({h["extension"] for h in daemon.tool("hints")}, {"1000", "2000", "_2XXX"})
            daemon.set("Custom:1000", "INUSE")
            self.assertIn("confirmed", kept.notify().body)

    def test_killed_and_started_nobody_is_told_what_he_knows(self):
        """kill -9: what was granted and set is there again, and one NOTIFY is sent: to whom the lamp is another one."""
        with Extstated(workers=2) as daemon, Phone(daemon.port) as same, Phone(daemon.port) as other:
            daemon.set("Custom:1000", "INUSE")
            dialogs = [Subscription(phone.subscribe("1000")) for phone in (same, other)]
            self.assertIn("confirmed", same.notify().body)
            before = other.notify()
            other.answer = None  # it is owed this one
            daemon.set("Custom:1001", "RINGING")
            subscribed = Subscription(other.subscribe("1001"))
            self.assertIn("early", other.notify().body)
            daemon.kill()
            daemon.start()
            other.answer = "200 OK"
            owed = other.notify()
            self.assertEqual(owed["Call-ID"], subscribed.call_id)
            self.assertIn("early", owed.body)
            self.assertIsNone(same.notify(0.3))
            daemon.set("Custom:1000", "ONHOLD")
            after = other.notify()
            self.assertEqual(after["Call-ID"], before["Call-ID"])
            self.assertGreater(after.cseq, before.cseq)
            self.assertIn("+sip.rendering", after.body)
            self.assertIn("+sip.rendering", same.notify().body)
            answer = same.subscribe("1000", dialog=dialogs[0], headers=[("CSeq", "100 SUBSCRIBE")])
            self.assertEqual(answer.status, 200)

    def test_started_with_fewer_workers(self):
        """The dialogs of workers that are no more are found where they live now, and back again."""
        with Extstated(workers=4) as daemon, contextlib.ExitStack() as stack:
            phones = [stack.enter_context(Phone(daemon.port)) for _ in range(8)]
            dialogs = [Subscription(phone.subscribe("1000")) for phone in phones]
            for phone in phones:
                phone.notify()
            for cseq, workers in enumerate((3, 1, 4), 100):
                daemon.kill()
                daemon.arguments[1] = f"general.workers={workers}"
                daemon.start()
                for phone, dialog in zip(phones, dialogs):
                    answer = phone.subscribe("1000", dialog=dialog, headers=[("CSeq", f"{cseq} SUBSCRIBE")])
                    self.assertEqual(answer.status, 200)
                    phone.notify()

    def test_stopped_and_started_nobody_is_told(self):
        with Extstated() as daemon, Phone(daemon.port) as phone:
            phone.subscribe("1000")
            phone.notify()
            daemon.stop()
            daemon.start()
            self.assertIsNone(phone.notify(0.3))
            daemon.set("Custom:1000", "INUSE")
            self.assertIn("confirmed", phone.notify().body)

    def test_orderly_end_tells_everyone(self):
        with Extstated({"extstate.conf": NOTHING_IS_KEPT}) as daemon, Phone(daemon.port) as phone:
            phone.subscribe("1000")
            phone.notify()
            daemon.process.terminate()
            self.assertEqual(phone.notify()["Subscription-State"], "terminated;reason=deactivated")
            daemon.process.wait(harness.PATIENCE)

    def test_orderly_end_hears_every_answer(self):
        """Subscriptions of one worker, whose phones answer from where the kernel gives most to the other three."""
        with Extstated({"extstate.conf": NOTHING_IS_KEPT}, workers=4) as daemon, Phone(daemon.port) as proxy, contextlib.ExitStack() as stack:
            phones = [stack.enter_context(Phone(daemon.port)) for _ in range(8)]
            for phone in phones:
                proxy.subscribe("1000", headers=[("Contact", f"<sip:alice@127.0.0.1:{phone.port}>")])
                phone.notify()
            daemon.process.terminate()
            ends = [phone.receive() for phone in phones]
            time.sleep(0.2)  # idle workers have said that they are done
            for phone, end in zip(phones, ends):
                self.assertEqual(end["Subscription-State"], "terminated;reason=deactivated")
                phone.reply(end, "200 OK")
            daemon.process.wait(harness.PATIENCE)
            self.assertNotIn("worker.stop_unanswered", daemon.log())

    def test_two_workers_and_a_phone_that_moves(self):
        """A phone whose port changes reaches the other worker's socket; its dialog is found all the same."""
        with Extstated(workers=4) as daemon:
            phones = [Phone(daemon.port) for _ in range(16)]
            dialogs = []
            for phone in phones:
                dialogs.append(Subscription(phone.subscribe("1000")))
                phone.notify()
            for phone, dialog in zip(phones, reversed(dialogs)):
                serial = phone.serial
                phone.serial = 10
                answer = phone.subscribe("1000", expires=0, dialog=dialog,
                                         headers=[("From", f"<sip:alice@127.0.0.1>;tag=f{dialog.call_id.split('-')[0]}")])
                self.assertEqual(answer.status, 200)
                phone.serial = serial
            for phone in phones:
                self.assertIn("terminated", phone.notify()["Subscription-State"])
                phone.socket.close()


class Tool(unittest.TestCase):
    def test_watch(self):
        with Extstated() as daemon:
            daemon.set("Custom:1000", "INUSE")
            line = daemon.tool("watch", "1000@users", "--once")[0]
            self.assertIn("<state>confirmed</state>", line["body"])
            self.assertEqual(line["subscription_state"], "terminated;reason=timeout")
            daemon.tool("watch", "nobody@users", "--once", status=4)
            daemon.tool("watch", "1000@nowhere", "--once", status=1)

    def watch(self, daemon, *words, status):
        """Both streams, and how long it took."""
        started = time.monotonic()
        done = subprocess.run([harness.EXTSTATECTL, "--socket", daemon.socket, "watch", *words], capture_output=True,
                              text=True, stdin=subprocess.DEVNULL, timeout=harness.PATIENCE)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout, done.stderr, time.monotonic() - started

    def test_watch_says_what_it_does(self):
        with Extstated() as daemon:
            out, err, _ = self.watch(daemon, "1000@users", "--once", status=0)
            self.assertEqual(err, f"asking 127.0.0.1:{daemon.port} as alice ...\n")
            self.assertIn("<state>terminated</state>", out)
            dead = f"127.0.0.1:{harness.free_port()}"
            _, err, took = self.watch(daemon, "1000@users", "--server", dead, status=1)
            self.assertEqual(err, f"asking {dead} as alice ...\nextstatectl: nobody listens at that address\n")
            self.assertLess(took, 3)
            hint = "no context was given, so that it is \"default\"; for another one: extstatectl watch 1000@CONTEXT"
            self.assertIn(hint, self.watch(daemon, "1000", "--once", status=1)[1])
            self.assertNotIn(hint, self.watch(daemon, "1000@elsewhere", "--once", status=1)[1])
            daemon.reload(pjsip_conf=harness.DEFAULT_FILES["pjsip.conf"] + "[carol]\ntype=endpoint\ncontext=default\n")
            _, err, _ = self.watch(daemon, "1000", "--once", status=4)
            self.assertIn("answered 404", err)
            self.assertIn(hint, err)

    def test_watch_of_silence(self):
        with Extstated() as daemon, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            address = "127.0.0.1:%d" % silent.getsockname()[1]
            tool = subprocess.Popen([harness.EXTSTATECTL, "--socket", daemon.socket, "watch", "1000@users", "--server",
                                     address], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
            try:
                self.assertEqual(tool.stderr.readline(), f"asking {address} as alice ...\n")
                self.assertIn("no answer yet; is that the right address", tool.stderr.readline())
            finally:
                tool.terminate()
                tool.wait(harness.PATIENCE)
                tool.stderr.close()

    def test_listings(self):
        with Extstated() as daemon, Phone(daemon.port) as phone:
            phone.subscribe("1000")
            phone.notify()
            daemon.set("Custom:1000", "BUSY", source="pbx-a")
            daemon.set("Custom:1000", "NOT_INUSE", source="pbx-b")
            phone.notify()
            hint = daemon.tool("hints", "1000@")[0]
            self.assertEqual((hint["state"], hint["watchers"]), ("Busy", 1))
            row = wait_for("the answer", lambda: [r for r in daemon.tool("subscriptions") if not r["outstanding"]])[0]
            self.assertEqual(row["told_sequence"], row["current_sequence"])
            device = daemon.tool("devstate", "list", "Custom:")[0]
            self.assertEqual(len(device["sources"]), 2)
            text = daemon.tool("core", "show", "hints", plain=True)
            self.assertRegex(text, r"1000@users +: Custom:1000 +State:Busy +Presence:not_set +Watchers +1")
            self.assertIn("hints registered", text)
            self.assertIn("1 active subscriptions", daemon.tool("pjsip", "show", "subscriptions", "inbound", plain=True))
            daemon.tool("devstate", "change", "Custom:1000", "NONSENSE", status=2)
            daemon.tool("nonsense", status=2)
            daemon.tool("publications", status=4)
            daemon.tool("log", "debug")
            daemon.tool("trace", "127.0.0.1")
            daemon.tool("devstate", "forget", "Custom:1000", "--source", "pbx-a")
            phone.notify()
            wait_for("the trace", lambda: re.search("NOTIFY sip:alice", daemon.log()))

    def test_like(self):
        with Extstated() as daemon, Phone(daemon.port) as phone, Phone(daemon.port, "bob") as other:
            call_id = phone.subscribe("1000")["Call-ID"]
            phone.notify()
            other.subscribe("1001", event="presence")
            other.notify()
            for like, expected in (
                    ("^1000", {"1000"}), ("^1000  users  dialog", {"1000"}), ("presence  application/pidf", {"1001"}),
                    ("bob", {"1001"}), (f"^{call_id}$", {"1000"}), ("users", {"1000", "1001"}),
                    ("resource", set()), ("told_sequence", set()), ('"', set()), ("{", None)):
                with self.subTest(like):
                    rows = daemon.tool("subscriptions", like, status=2 if expected is None else 0 if expected else 4)
                    self.assertEqual({row["resource"] for row in rows}, expected or set())

    def test_presence_values(self):
        """The value is Asterisk's: state,subtype,message,options."""
        with Extstated() as daemon:
            def change(value, status=0):
                return daemon.tool("presencestate", "change", "CustomPresence:x", value, status=status, plain=True)

            def shown():
                row = daemon.tool("presencestate", "list")[0]
                return row["state"], row["subtype"], row["message"]

            for value, expected in (
                    ("dnd", ("dnd", "", "")), ("away,a,b", ("away", "a", "b")), ("away,a,b,", ("away", "a", "b")),
                    ("away,YQ==,Yg==,e", ("away", "a", "b")), ("xa,,YSwgYg,e", ("xa", "", "a, b")),
                    ("chat,w7w=,,e", ("chat", "\u00fc", ""))):
                with self.subTest(value):
                    change(value)
                    self.assertEqual(shown(), expected)
            for value in ("away,a,b,c", "away,a,b,E", "away,a,b,e,", "away,%,Yg==,e", "away,YQ=,Yg==,e", "away,Y,,e",
                          "away,YQ==YQ==,,e", "away,AA==,,e", "away,/w==,,e", "asleep", "", "away," + "x" * 1301):
                with self.subTest(value):
                    change(value, status=2)
                    self.assertEqual(shown(), ("chat", "\u00fc", ""))
            self.assertIn("base64", change("away,a,b, and c", status=2))
            self.assertIn('"subtype" is longer than 1300 bytes', change("away," + "x" * 1301, status=2))

    def test_unreachable(self):
        with Extstated() as daemon:
            daemon.stop()
            daemon.tool("status", status=3)


if __name__ == "__main__":
    harness.main()
