# SPDX-License-Identifier: MIT
"""Telephones that say themselves what they do: they are subscribed to, and lamps follow."""
import contextlib
import hashlib
import re
import threading
import time
import unittest

import harness
from harness import Extstated, Phone, free_port, sipp, wait_for
from manager import Manager, manager_files
from test_qualify import Line

PHONES = 6  # of those that come by connections, over the workers
PJSIP = """
[udp]
type=transport
protocol=udp
bind=127.0.0.1:{port}
[tcp]
type=transport
protocol=tcp
bind=127.0.0.1:{port}
[phone](!)
type=endpoint
context=users
[aor](!)
type=aor
max_contacts=2
[alice](phone)
[dave](phone)
auth=dave
aors=dave
outbound_auth=dave
[dave]
type=auth
username=dave
password=secret
[dave](aor)
""" + "".join(f"[t{i}](phone)\naors=t{i}\n[t{i}](aor)\n" for i in range(PHONES))
FILES = {
    "pjsip.conf": PJSIP,
    "extensions.conf": "[users]\nexten => 1000,hint,PJSIP/dave\n" + "".join(f"exten => 20{i},hint,PJSIP/t{i}\n" for i in range(PHONES)),
    "extstate.conf": "[registrar]\nenabled=yes\nwatch_dialogs=yes\n",
}
INFO = ('<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="{}" state="full" entity="sip:dave@127.0.0.1">{}'
        "</dialog-info>")


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def dialog(state, direction="recipient"):
    return (f'<dialog id="1" call-id="call-1" local-tag="lt" remote-tag="rt" direction="{direction}"><state>{state}</state>'
            '<remote><identity display="Carol">sip:carol@example.com</identity></remote></dialog>')


class Desk(Phone):
    """A telephone that registers, is subscribed to, and tells what it does in the newest of these dialogs."""

    def __init__(self, server):
        super().__init__(server, "dave")
        self.asked, self.version, self.responses = None, 0, []

    def register(self, expires=600):
        """Challenged, and with the answer to that."""
        uri, line = f"sip:127.0.0.1:{self.server}", None
        for _ in range(2):
            self.request("REGISTER", uri, [("To", "<sip:dave@127.0.0.1>"), ("Call-ID", f"{self.port}-register"), ("Expires", expires),
                                           ("Authorization", line)])
            answer = self.next(lambda m: m.status)
            if answer.status == 200:
                return answer
            nonce = re.search('nonce="([^"]*)"', answer["WWW-Authenticate"])[1]
            line = self.authorization("REGISTER", uri, nonce)
        raise AssertionError(answer)

    def authorization(self, method, uri, nonce, cnonce="c"):
        digest = md5(f"{md5('dave:asterisk:secret')}:{nonce}:00000001:{cnonce}:auth:{md5(f'{method}:{uri}')}")
        return (f'Digest username="dave",realm="asterisk",nonce="{nonce}",uri="{uri}",qop=auth,nc=00000001,cnonce="{cnonce}",'
                f'response="{digest}"')

    def next(self, wanted, patience=harness.PATIENCE):
        """The next message that is; others are left out, as what is repeated since the machine was slow."""
        end = time.monotonic() + patience
        while True:
            message = self.receive(max(0, end - time.monotonic()))
            if message is None or wanted(message):
                return message

    def subscribed(self, patience=harness.PATIENCE):
        """The next SUBSCRIBE that is no repetition."""
        former = self.asked
        return self.next(lambda m: m.method == "SUBSCRIBE" and not (former and (m["Call-ID"], m["CSeq"]) == (former["Call-ID"], former["CSeq"])),
                         patience)

    def take(self, answer="200 OK", headers=""):
        """The next SUBSCRIBE, answered."""
        message = self.subscribed()
        assert message, "nobody subscribes"
        self.asked = message
        tag = "" if ";tag=" in message["To"] else f";tag=d{self.port}"
        lines = [f"{name}: {value}" for name in ("Via", "From", "Call-ID", "CSeq") for value in message.all(name)]
        self.socket.sendto((f"SIP/2.0 {answer}\r\n" + "\r\n".join(lines) + f"\r\nTo: {message['To']}{tag}\r\n"
                            f"Contact: <sip:dave@127.0.0.1:{self.port}>\r\n{headers}Content-Length: 0\r\n\r\n").encode(), message.peer)
        return message

    def tell(self, dialogs="", state="active;expires=600", asked=None):
        """A NOTIFY; the status of its answer."""
        asked = asked or self.asked
        self.version += 1
        serial = self.serial + 1
        self.request("NOTIFY", f"sip:127.0.0.1:{self.server}", [
            ("From", f"<sip:dave@127.0.0.1>;tag=d{self.port}"), ("To", asked["From"]), ("Call-ID", asked["Call-ID"]),
            ("CSeq", f"{serial} NOTIFY"), ("Event", "dialog"), ("Subscription-State", state),
            ("Content-Type", "application/dialog-info+xml")], INFO.format(self.version, dialogs))
        return self.next(lambda m: m.status and m.cseq == serial).status


class Watch(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.daemon = self.stack.enter_context(Extstated(FILES, workers=4))
        self.watcher = self.stack.enter_context(Phone(self.daemon.port))

    def watch(self, extension, *shown):
        self.assertEqual(self.watcher.subscribe(extension, accept="application/dialog-info+xml").status, 200)
        return self.sees(*shown)

    def sees(self, *shown):
        message = self.watcher.notify()
        self.assertIsNotNone(message, shown)
        for text in shown:
            self.assertIn(text, message.body)
        return message

    def desk(self):
        desk = self.stack.enter_context(Desk(self.daemon.port))
        desk.register()
        return desk

    def contact(self):
        row, = self.daemon.tool("contacts", "dave")
        return row

    def state(self, device="PJSIP/dave"):
        return {row["device"]: row["state"] for row in self.daemon.tool("devstate", "list", "PJSIP/")}[device]

    def test_sipp(self):
        """SIPp registers, takes the subscription, and rings, talks and puts down."""
        port = free_port()
        self.watch("1000", "<state>terminated</state>")
        with contextlib.ExitStack() as stack:
            sipp("watch_register.xml", self.daemon.port, arguments=["-p", str(port)], **{"from": "dave", "password": "secret"})
            phone = threading.Thread(target=sipp, args=("watch_phone.xml", self.daemon.port),
                                     kwargs={"arguments": ["-p", str(port)], "from": "dave"})
            phone.start()
            stack.callback(phone.join)
            self.sees("<state>early</state>", "sip:carol@example.com", "Carol", 'call-id="call-1"', 'remote-tag="rt"')
            self.sees("<state>confirmed</state>")
            self.sees("<state>terminated</state>")
        counters = self.daemon.tool("status")[0]["watch"]
        self.assertEqual(counters, {"watched": 1, "trying": 0, "refused": 0, "subscribed": 1, "failed": 0, "notified": 4,
                                    "notify_refused": 0})

    def test_life(self):
        """What is shown of it, and its end."""
        desk = self.desk()
        asked = desk.take(headers="Expires: 600\r\n")
        self.assertEqual((asked["Event"], asked["Expires"]), ("dialog", "3600"))
        self.assertEqual(desk.tell(), 200)
        self.watch("1000", "<state>terminated</state>")
        self.assertEqual(desk.tell(dialog("early")), 200)
        self.sees("<state>early</state>", "Carol")
        text = self.daemon.tool("explain", "1000@users", plain=True)
        self.assertIn("notify:dave", text)
        self.assertIn("phone says RINGING", text)
        row = self.contact()
        self.assertEqual((row["watch"], row["watch_status"], row["dialogs"]), ("watched", 200, 1))
        self.assertIn("watched", self.daemon.tool("contacts", plain=True))
        # A PBX is heard, too.
        self.daemon.set("PJSIP/dave", "INUSE", source="pbx")
        self.assertEqual(self.state(), "RINGINUSE")
        self.daemon.tool("devstate", "forget", "PJSIP/dave", "--source", "pbx")
        # Nobody but it can say so.
        self.assertEqual(desk.tell(dialog("confirmed"), asked={"From": "<sip:x>;tag=no", "Call-ID": asked["Call-ID"]}), 481)
        with Phone(self.daemon.port, "dave", host="127.0.0.2") as other:
            other.request("NOTIFY", f"sip:127.0.0.1:{self.daemon.port}", [
                ("From", f"<sip:dave@127.0.0.1>;tag=d{desk.port}"), ("To", asked["From"]), ("Call-ID", asked["Call-ID"]),
                ("CSeq", "9999 NOTIFY"), ("Event", "dialog"), ("Subscription-State", "active")])
            self.assertEqual(other.response().status, 403)
        # It is there no more.
        desk.register(expires=0)
        self.sees("<state>terminated</state>")
        self.assertEqual(self.state(), "UNAVAILABLE")
        self.assertEqual(desk.take()["Expires"], "0")
        self.assertEqual(desk.tell(state="terminated;reason=timeout"), 200)

    def test_shown_in_asterisks_words(self):
        """Which subscriptions of ours there are: by its manager interface and its words, and what is behind them."""
        port, files = manager_files(**FILES)
        with Extstated(files, workers=2) as daemon, Desk(daemon.port) as desk, Manager(port, events="off") as m:
            self.assertEqual(daemon.tool("pjsip", "list", "subscriptions", "outbound", status=None), [])
            desk.register()
            asked = desk.take(headers="Expires: 600\r\n")
            self.assertEqual(desk.tell(dialog("early"), state="active;expires=500"), 200)
            row, = wait_for("it", lambda: daemon.tool("pjsip", "list", "subscriptions", "outbound", status=None))
            self.assertEqual({key: row[key] for key in ("resource", "event", "endpoint", "call_id", "state", "dialogs")},
                             {"resource": "dave", "event": "dialog", "endpoint": "dave", "call_id": asked["Call-ID"],
                              "state": "active", "dialogs": 1})
            self.assertTrue(490 <= row["expires_s"] <= 500, row)
            messages = m.list("PJSIPShowSubscriptionsOutbound")
            self.assertEqual(re.sub(r"ActionID: \w+\n", "", messages[1]), (
                "Event: OutboundSubscriptionDetail\nRole: Subscriber\nEndpoint: dave\n"
                f"Callid: {asked['Call-ID']}\nState: ACTIVE\nCallerid: Unknown\nSubscriptionType: extension_state\n"
                "Extension: dave\nExtensionStates: Unknown\n"))
            self.assertIn("ListItems: 1\n", messages[2])
            output = m.command("pjsip show subscriptions outbound")[0]
            self.assertRegex(output, rf"\nEndpoint: dave/Unknown\nResource: dave/dialog\n  Expiry: +\d+  {asked['Call-ID']}\n")
            self.assertTrue(output.endswith("\n1 active subscriptions"), output)
            self.assertIn("Role                : Subscriber\n", m.command(f"pjsip show subscription outbound {asked['Call-ID']}")[0])
            self.assertIn("0 active subscriptions", m.command("pjsip list subscriptions inbound")[0])
            self.assertIn("\n1 active subscriptions\n",
                          daemon.tool("pjsip", "show", "subscriptions", "outbound", plain=True))

    def test_not_supported(self):
        desk = self.desk()
        desk.take("489 Bad Event")
        wait_for("that to be known", lambda: self.contact()["watch"] == "not supported")
        self.assertIn("not supported: 489", self.daemon.tool("contacts", plain=True))
        self.assertEqual(self.state(), "NOT_INUSE")
        desk.register()
        self.assertIsNone(desk.subscribed(1))
        self.daemon.reload(pjsip_conf=PJSIP + "[other](phone)\n")
        desk.take()
        self.assertEqual(desk.tell(dialog("confirmed")), 200)
        wait_for("it to be watched", lambda: self.state() == "INUSE")

    def test_challenge(self):
        desk = self.desk()
        desk.take("401 Unauthorized", 'WWW-Authenticate: Digest realm="asterisk",nonce="n1",algorithm=MD5,qop="auth"\r\n')
        line = desk.take()["Authorization"]
        uri, cnonce = (re.search(f'{name}="([^"]*)"', line)[1] for name in ("uri", "cnonce"))
        response = re.search('response="([^"]*)"', desk.authorization("SUBSCRIBE", uri, "n1", cnonce))[1]
        self.assertIn(f'response="{response}"', line)
        self.assertEqual(desk.tell(dialog("confirmed")), 200)
        wait_for("it to be watched", lambda: self.state() == "INUSE")
        self.assertNotIn("secret", self.daemon.log())

    def test_restart(self):
        """The lamp stays, and the telephone is asked anew; its former dialog is none any more."""
        desk = self.desk()
        desk.take()
        self.assertEqual(desk.tell(dialog("confirmed")), 200)
        self.watch("1000", "<state>confirmed</state>")
        self.daemon.settle()
        for again in (lambda: self.daemon.tool("upgrade"), lambda: (self.daemon.stop(), self.daemon.start()),
                      lambda: (self.daemon.kill(), self.daemon.start())):
            former = desk.asked
            again()
            self.assertEqual(self.state(), "INUSE")
            desk.take()
            self.assertEqual(desk.tell(dialog("confirmed"), asked=former), 481)
            self.assertEqual(desk.tell(dialog("confirmed")), 200)
            self.assertEqual(self.state(), "INUSE")
        desk.tell()
        end = time.monotonic() + harness.PATIENCE
        while "<state>terminated</state>" not in self.sees("dialog-info").body:  # who calls may be told before
            self.assertLess(time.monotonic(), end)

    def test_turned_off(self):
        desk = self.desk()
        desk.take()
        self.assertEqual(desk.tell(dialog("confirmed")), 200)
        self.watch("1000", "<state>confirmed</state>")
        self.daemon.reload(extstate_conf="[registrar]\nenabled=yes\n")
        self.sees("<state>terminated</state>")
        former = desk.asked
        last = desk.take()
        self.assertEqual((last["Expires"], last["Call-ID"], last["From"]), ("0", former["Call-ID"], former["From"]))
        self.assertIn(";tag=", last["From"])
        self.assertIn(f"tag=d{desk.port}", last["To"])
        self.assertEqual(self.contact()["watch"], "off")
        self.daemon.reload(extstate_conf=FILES["extstate.conf"])
        desk.take()
        self.assertEqual(desk.tell(dialog("early")), 200)
        self.sees("<state>early</state>")

    def test_connections(self):
        """By the connections that they registered by, whichever workers those belong to."""
        lines = []
        for i in range(PHONES):
            line = Line(self.daemon.port)
            self.stack.callback(line.close)
            lines.append(line)
            line.send(f"REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bKr{i}\r\n"
                      f"Max-Forwards: 70\r\nFrom: <sip:t{i}@127.0.0.1>;tag=a\r\nTo: <sip:t{i}@127.0.0.1>\r\n"
                      f"Call-ID: register-{i}\r\nCSeq: 1 REGISTER\r\n"
                      f"Contact: <sip:t{i}@192.0.2.{i + 1}:5060;transport=tcp>\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n")
            self.assertEqual(line.response().status, 200)
        for i, line in enumerate(lines):
            asked = line.request()
            self.assertIn(f"SUBSCRIBE sip:t{i}@192.0.2.{i + 1}:5060", str(asked))
            line.reply(asked, more="Expires: 600\r\n")
            body = INFO.format(0, dialog("confirmed"))
            line.send(f"NOTIFY sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bKn{i}\r\nMax-Forwards: 70\r\n"
                      f"From: {asked['To']};tag=d{i}\r\nTo: {asked['From']}\r\nCall-ID: {asked['Call-ID']}\r\nCSeq: 1 NOTIFY\r\n"
                      f"Contact: <sip:t{i}@192.0.2.{i + 1}:5060;transport=tcp>\r\nEvent: dialog\r\nSubscription-State: active\r\n"
                      f"Content-Type: application/dialog-info+xml\r\nContent-Length: {len(body)}\r\n\r\n{body}")
            self.assertEqual(line.response().status, 200)
            wait_for("it to be heard", lambda i=i: self.state(f"PJSIP/t{i}") == "INUSE")


if __name__ == "__main__":
    harness.main()
