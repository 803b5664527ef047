# SPDX-License-Identifier: MIT
"""extstated as the event state compositor, and the publishers of the field: Kamailio's pua modules with a real call,
another extstated, and two publishers of one line."""
import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import unittest

import harness
from harness import DEFAULT_FILES, HERE, KAMAILIO, Extstated, Phone, Subscription, free_port, sipp, wait_for

COMPOSITOR = """
[compositor]
domains=example.com
context=users
publish=any
expiry_grace=1
"""
# Whoever sends from this machine and is nobody else: proxies and PBXs.
SERVERS = """
[servers]
type=endpoint
context=users
[servers]
type=identify
endpoint=servers
match=127.0.0.1
"""
LIVE = ("<state>confirmed", "<state>early", "<state>trying")


class Lamp(threading.Thread):
    """A phone that answers every NOTIFY at once, and remembers what it was shown."""

    def __init__(self, phone):
        super().__init__()
        self.phone = phone
        self.shown = []
        self.ended = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()

    def run(self):
        while not self.ended.is_set():
            message = self.phone.notify(0.1)
            if message:
                self.shown.append(message.body)

    def saw(self, *conditions):
        """Was it shown what meets them, in this order?"""
        shown = iter(list(self.shown))
        return all(any(condition(body) for body in shown) for condition in conditions)


def subscribe(phone, user, event="dialog", accept=None):
    phone.request("SUBSCRIBE", f"sip:{user}@example.com", [("Event", event), ("Expires", 600), ("Accept", accept)])
    response = phone.response()
    if response.status != 200:
        raise AssertionError(response)


def until(phone, shown, what):
    """Answer NOTIFYs until one is as it should be; all that came, that one included."""
    seen = []
    for _ in range(20):
        message = phone.notify(10)
        if message is None:
            break
        seen.append(message.body)
        if shown(message.body):
            return seen
    raise AssertionError(f"no NOTIFY showed {what}:\n" + "\n".join(seen))


def idle(body):
    return not any(state in body for state in LIVE)


class PuaKamailio(harness.Kamailio):
    """A proxy and registrar that publishes to `esc`."""

    def __init__(self, esc):
        self.port = free_port()
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="extstate-pua-"))
        shutil.copytree("/usr/share/kamailio/dbtext/kamailio", self.directory / "db")
        text = (HERE / "kamailio_pua.cfg").read_text()
        for name, value in (("PORT", self.port), ("ESC", esc), ("DIRECTORY", self.directory)):
            text = text.replace(name, str(value))
        (self.directory / "kamailio.cfg").write_text(text)
        self.process = None


class Compositor(unittest.TestCase):
    def daemon(self, **files):
        pjsip = DEFAULT_FILES["pjsip.conf"] + SERVERS
        return Extstated({"pjsip.conf": pjsip, "extstate.conf": COMPOSITOR, **files})

    def test_kamailio_publishes_a_call(self):
        with self.daemon() as esc, PuaKamailio(esc.port) as proxy, contextlib.ExitStack() as phones:
            callee = free_port()
            sipp("call_register.xml", proxy.port, callee=str(callee))
            alice, bob, buddy = (phones.enter_context(Phone(esc.port)) for _ in range(3))
            subscribe(alice, "alice")
            subscribe(bob, "bob")
            subscribe(buddy, "bob", event="presence")
            for phone in (alice, bob):
                self.assertTrue(idle(phone.notify().body))
            # pua_usrloc told that he is registered, or is about to.
            while "<basic>open</basic>" not in buddy.notify().body:
                pass
            answer = threading.Thread(target=self.answer, args=(callee,))
            answer.start()
            with Lamp(alice) as caller, Lamp(bob) as called:
                sipp("call_caller.xml", proxy.port)
                answer.join()
                wait_for("bob's lamp", lambda: called.saw(lambda b: "<state>early</state>" in b,
                                                          lambda b: "<state>confirmed</state>" in b, idle))
                wait_for("alice's lamp", lambda: caller.saw(
                    lambda b: 'direction="initiator"' in b and "<state>confirmed</state>" in b, idle))
            rings = next(body for body in called.shown if "<state>early</state>" in body)
            self.assertRegex(rings, r'<dialog id="[^"]+" call-id="[^"]+" local-tag="[^"]+" remote-tag="[^"]+" '
                                    r'direction="recipient">')
            self.assertIn("sip:alice@example.com", rings)
            self.assertEqual({r["event"] for r in esc.tool("publications", "inbound")}, {"dialog", "presence"})

    def answer(self, port):
        with tempfile.TemporaryDirectory(prefix="extstate-sipp-") as directory:
            subprocess.run(["sipp", "-sf", HERE / "sipp/call_answer.xml", "-i", "127.0.0.1", "-p", str(port), "-m", "1",
                            "-nostdin", "-timeout", "20s", "-timeout_error"],
                           stdin=subprocess.DEVNULL, capture_output=True, cwd=directory, check=True, timeout=30,
                           env=dict(os.environ, TERM="dumb"))

    def test_another_extstated_publishes(self):
        publisher = """
[esc]
type=outbound-publish
server_uri=sip:example.com
outbound_proxy=sip:127.0.0.1:{esc}\\;lr
event=dialog
multi_user=yes
@body=application/dialog-info+xml
"""
        with self.daemon(**{"extensions.conf": ""}) as esc:
            pjsip = DEFAULT_FILES["pjsip.conf"] + publisher.replace("{esc}", str(esc.port))
            files = {"pjsip.conf": pjsip, "extstate.conf": "[general]\ndurability=none\n"}
            with Extstated(files) as pbx, Phone(esc.port) as lamp, Phone(esc.port) as friend:
                wait_for("the publications", lambda: len(esc.tool("publications", "inbound", status=None)) == 2)
                subscribe(lamp, "1000")
                subscribe(friend, "1000", event="presence", accept="application/pidf+xml")
                self.assertTrue(idle(lamp.notify().body))
                friend.notify()
                for state, shown, note in (("RINGING", "<state>early</state>", "Ringing"),
                                           ("INUSE", "<state>confirmed</state>", "On the phone"),
                                           ("ONHOLD", "+sip.rendering", "On hold")):
                    pbx.set("Custom:1000", state)
                    until(lamp, lambda b, shown=shown: shown in b, state)
                    until(friend, lambda b, note=note: note in b, note)
                pbx.kill()  # and goes on with its entity-tags: there are no others beside them
                pbx.start()
                pbx.set("Custom:1000", "INUSE")
                until(lamp, lambda b: "<state>confirmed</state>" in b, "INUSE")
                self.assertEqual(len(esc.tool("publications", "inbound")), 2)
                pbx.reload(pjsip_conf=DEFAULT_FILES["pjsip.conf"])  # what it published is removed
                until(lamp, idle, "nothing")
                wait_for("the other one's end", lambda: esc.tool("publications", "inbound", status=None) == [])

    def publish(self, phone, user, state, tag=None, expires=600, call="c1"):
        body = (f'<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" '
                f'entity="sip:{user}@example.com"><dialog id="{call}"><state>{state}</state></dialog></dialog-info>')
        phone.request("PUBLISH", f"sip:{user}@example.com",
                      [("Event", "dialog"), ("Expires", expires), ("SIP-If-Match", tag), ("Contact", None),
                       ("Content-Type", "application/dialog-info+xml")], body)
        return phone.response()

    def test_too_large_to_be_told(self):
        """Who would make the lamp unsendable is refused, and its watchers see what the others publish."""
        def publish(phone, dialogs):
            body = ('<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" '
                    'entity="sip:1500@example.com">' + "".join(dialogs) + "</dialog-info>")
            phone.request("PUBLISH", "sip:1500@example.com",
                          [("Event", "dialog"), ("Expires", 600), ("Contact", None),
                           ("Content-Type", "application/dialog-info+xml")], body)
            return phone.response().status

        small = [f'<dialog id="{i}"><state>confirmed</state></dialog>' for i in range(900)]
        with self.daemon() as esc, Phone(esc.port) as good, Phone(esc.port) as bad, Phone(esc.port) as lamp:
            subscribe(lamp, "1500")
            self.assertTrue(idle(lamp.notify().body))
            self.assertEqual(publish(bad, small), 413)
            self.assertEqual(publish(good, small[:200]), 200)
            self.assertEqual(lamp.notify().body.count("<dialog "), 200)
            # A few of each more than fit together.
            self.assertEqual([publish(bad, small[i:i + 30]) for i in range(200, 320, 30)], [200, 200, 413, 413])
            self.assertTrue(until(lamp, lambda body: body.count("<dialog ") == 260, "260 dialogs"))
            self.assertEqual(self.publish(good, "1500", "early", call="one")["Expires"], "600")
            self.assertTrue(until(lamp, lambda body: body.count("<dialog ") == 261, "one more"))

    def test_one_tag_has_one_winner(self):
        """A hundred PUBLISHes race on one tag, from sockets that the kernel spreads over the workers."""
        with self.daemon() as esc, contextlib.ExitStack() as phones:
            first = phones.enter_context(Phone(esc.port))
            tag = self.publish(first, "racer", "early")["SIP-ETag"]
            racers = [phones.enter_context(Phone(esc.port)) for _ in range(100)]
            for racer in racers:
                body = ('<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="1" state="full" '
                        f'entity="sip:racer@example.com"><dialog id="p{racer.port}"><state>confirmed</state></dialog>'
                        '</dialog-info>')
                racer.request("PUBLISH", "sip:racer@example.com",
                              [("Event", "dialog"), ("Expires", 600), ("SIP-If-Match", tag),
                               ("Content-Type", "application/dialog-info+xml")], body)
            answers = {racer.port: racer.response() for racer in racers}
            winners = [port for port, answer in answers.items() if answer.status == 200]
            self.assertEqual(sorted(a.status for a in answers.values()), [200] + [412] * 99)
            with Phone(esc.port) as lamp:
                subscribe(lamp, "racer")
                self.assertIn(f'<dialog id="p{winners[0]}"', lamp.notify().body)

    def test_order_of_arrival(self):
        """A hundred PUBLISHes for several resources are under way at once. Of each resource the last one sent is the
        last word, and nobody is shown an older one after a newer."""
        users = [f"order{n}" for n in range(4)]
        with self.daemon() as esc, contextlib.ExitStack() as stack, Phone(esc.port) as pbx:
            phones = {user: stack.enter_context(Phone(esc.port)) for user in users}
            for user, phone in phones.items():
                subscribe(phone, user, event="presence", accept="application/pidf+xml")
                phone.notify()
            lamps = {user: stack.enter_context(Lamp(phone)) for user, phone in phones.items()}
            for i in range(100):
                user = f"sip:{users[i % 4]}@example.com"
                body = (f'<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="{user}"><tuple id="t{i:03}">'
                        '<status><basic>open</basic></status><contact>sip:one</contact></tuple></presence>')
                pbx.request("PUBLISH", user,
                            [("Event", "presence"), ("Expires", 600), ("Call-ID", f"order-{i}"),
                             ("Content-Type", "application/pidf+xml")], body)
            self.assertEqual([pbx.response().status for _ in range(100)], [200] * 100)
            for n, user in enumerate(users):
                wait_for(user, lambda n=n, user=user: f'"t{96 + n:03}"' in "".join(lamps[user].shown[-1:]))
                seen = [re.search(r'<tuple id="(t\d+)"', body).group(1) for body in lamps[user].shown]
                self.assertEqual(seen, sorted(seen))

    def test_order_of_several_publishers(self):
        """Ten publishers tell the same resource, one right after the other: the last one is the last word. The kernel
        spreads their addresses over the workers."""
        with self.daemon() as esc, contextlib.ExitStack() as stack, Phone(esc.port) as alice:
            publishers = [stack.enter_context(Phone(esc.port)) for _ in range(10)]
            for n in range(30):
                user = f"sip:several{n}@example.com"
                for i, publisher in enumerate(publishers):
                    body = (f'<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="{user}"><tuple id="t{i}">'
                            '<status><basic>open</basic></status><contact>sip:one</contact></tuple></presence>')
                    publisher.request("PUBLISH", user, [("Event", "presence"), ("Expires", 600),
                                                        ("Content-Type", "application/pidf+xml")], body)
                self.assertEqual([p.response().status for p in publishers], [200] * 10)
                alice.request("SUBSCRIBE", user, [("Event", "presence"), ("Expires", 0)])
                self.assertEqual(alice.response().status, 200)
                self.assertEqual(re.findall(r'<tuple id="(\w+)"', alice.notify().body), ["t9"])

    def test_expires_by_itself(self):
        with self.daemon(**{"extstate.conf": COMPOSITOR + "minimum_expiry=1\n"}) as esc, Phone(esc.port) as pbx, \
                Phone(esc.port) as lamp:
            self.assertEqual(self.publish(pbx, "1500", "confirmed", expires=1)["Expires"], "1")
            subscribe(lamp, "1500")
            self.assertIn("confirmed", lamp.notify().body)
            until(lamp, idle, "the end of the publication")

    def test_messages(self):
        with self.daemon(**{"pjsip.conf": DEFAULT_FILES["pjsip.conf"] + SERVERS + """
[carol]
type=endpoint
aors=carol
[carol]
type=aor
mailboxes=100@default,101@default
voicemail_extension=*97
"""}) as esc, Phone(esc.port, user="carol") as carol:
            self.assertEqual(carol.subscribe("carol", event="message-summary").status, 200)
            first = carol.notify().body
            self.assertIn("Messages-Waiting: no\r\n", first)
            self.assertRegex(first, r"Message-Account: sip:\*97@")
            esc.tool("mailbox", "change", "100@default", "1", "2")
            self.assertIn("Voice-Message: 1/2 (0/0)\r\n", carol.notify().body)
            esc.tool("mailbox", "change", "101@default", "2")
            self.assertIn("Voice-Message: 3/2 (0/0)\r\n", carol.notify().body)
            self.assertEqual({r["mailbox"]: r["new"] for r in esc.tool("mailbox", "list")},
                             {"100@default": 1, "101@default": 2})
            esc.tool("mailbox", "forget", "100@default")
            self.assertIn("Voice-Message: 2/0 (0/0)\r\n", carol.notify().body)

    def test_opaque(self):
        """A package that nobody here understands: served as it is published, to those who take its type."""
        reginfo = '<reginfo xmlns="urn:ietf:params:xml:ns:reginfo" version="0" state="full"/>'
        with self.daemon(**{"extstate.conf": COMPOSITOR + "opaque=reg\n"}) as esc, \
                Phone(esc.port) as pbx, Phone(esc.port) as watcher, Phone(esc.port) as reader:
            answer = watcher.subscribe("1500", event="reg")  # of the daemon's address, which is no domain of ours
            self.assertEqual(answer.status, 489)
            subscribe(watcher, "1500", event="reg", accept="application/reginfo+xml")
            self.assertEqual(watcher.notify().body, "")
            pbx.request("PUBLISH", "sip:1500@example.com",
                        [("Event", "reg"), ("Expires", 600), ("Contact", None),
                         ("Content-Type", "application/reginfo+xml;charset=utf-8")], reginfo)
            self.assertEqual(pbx.response().status, 200)
            message = watcher.notify()
            self.assertEqual((message["Content-Type"], message.body),
                             ("application/reginfo+xml;charset=utf-8", reginfo))
            reader.request("SUBSCRIBE", "sip:1500@example.com",
                           [("Event", "reg"), ("Expires", 600), ("Accept", "text/plain")])
            refused = reader.response()
            self.assertEqual((refused.status, refused["Accept"]), (406, "application/reginfo+xml"))

    def test_watchers_of_all_workers(self):
        """Whoever asks sees the subscriptions of every worker, wherever the kernel put them and her."""
        extensions = "[users]\nexten => alice,hint,Custom:1000\n"
        with Extstated({"extensions.conf": extensions}) as esc, contextlib.ExitStack() as phones:
            dialogs = {}

            def watchers(body):
                return dict(re.findall(r'<watcher id="([^"]+)" status="([^"]+)"', body))

            def ask(expires):
                alice = phones.enter_context(Phone(esc.port))
                self.assertEqual(alice.subscribe("alice", event="presence.winfo", expires=expires).status, 200)
                return alice, alice.notify().body

            for _ in range(12):
                bob = phones.enter_context(Phone(esc.port, user="bob"))
                answer = bob.subscribe("alice", event="presence")
                self.assertEqual(answer.status, 200)
                bob.notify()
                dialogs[bob] = Subscription(answer)
            for _ in range(6):
                _, body = ask(0)
                self.assertEqual(len(watchers(body)), 12, body)
            self.assertEqual({i.split("-")[0] for i in watchers(body)}, {"0", "1"})
            alice, body = ask(600)
            known = watchers(body)
            self.assertIn('version="0" state="full"', body)
            for bob, dialog in dialogs.items():
                self.assertEqual(bob.subscribe("alice", event="presence", expires=0, dialog=dialog).status, 200)
                bob.notify()
            version = 0
            while known:
                body = alice.notify(8).body
                version += 1
                self.assertIn(f'version="{version}" state="partial"', body)
                for i, status in watchers(body).items():
                    self.assertEqual(status, "terminated")
                    del known[i]
            self.assertEqual(watchers(ask(0)[1]), {})

    def test_drain(self):
        with self.daemon() as esc, contextlib.ExitStack() as phones:
            lamps = [phones.enter_context(Phone(esc.port)) for _ in range(10)]
            for lamp in lamps:
                subscribe(lamp, "1000")
                lamp.notify()
            esc.tool("drain", "--reason", "probation", "--retry-after", "90", "--rate", "1000")
            for lamp in lamps:
                self.assertEqual(lamp.notify()["Subscription-State"], "terminated;reason=probation;retry-after=90")
            wait_for("nobody left", lambda: esc.tool("subscriptions", status=None) == [])
            lamps[0].request("SUBSCRIBE", "sip:1000@example.com", [("Event", "dialog"), ("Expires", 600)])
            refused = lamps[0].response()
            self.assertEqual((refused.status, refused["Retry-After"]), (503, "90"))
            esc.tool("drain", "--stop")
            subscribe(lamps[0], "1000")


if __name__ == "__main__":
    harness.main()
