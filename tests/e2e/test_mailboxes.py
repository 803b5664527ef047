# SPDX-License-Identifier: MIT
"""Mailboxes that telephones are told without a subscription, across workers."""
import contextlib
import unittest

import harness
import test_tls
from harness import Extstated, Phone, Subscription, wait_for
from test_nat import TcpPhone
from test_registrar import Linphone
from test_websocket import WebStream

PHONES = 8
BODY = "Messages-Waiting: yes\r\nVoice-Message: {} (0/0)\r\n"


def pjsip_conf(phones, more=""):
    """Endpoint p0, p1, ... with a mailbox of its own; the contact of the last is a name."""
    text = "[udp]\ntype=transport\nbind=127.0.0.1:{port}\n[pbx]\ntype=endpoint\nincoming_mwi_mailbox=box0@default\n"
    for i, phone in enumerate(phones):
        host = "localhost" if i == len(phones) - 1 else phone.host
        text += (f"[{phone.user}]\ntype=endpoint\naors={phone.user}\nmailboxes=box{i}@default\nmwi_from_user=voicemail\n"
                 f"mwi_subscribe_replaces_unsolicited=yes\n"
                 f"[{phone.user}]\ntype=aor\nmailboxes=box{i}@default\ncontact=sip:{phone.user}@{host}:{phone.port}\n")
    return text + more


class Mailboxes(unittest.TestCase):
    def assert_told(self, phone, counts, state="active"):
        notify = phone.notify()
        self.assertIsNotNone(notify, f"{phone.user} was not told")
        self.assertEqual(notify["Subscription-State"], state)
        self.assertIn(f"Voice-Message: {counts} (0/0)", notify.body)
        return notify

    def test_unsolicited(self):
        with contextlib.ExitStack() as stack:
            phones = [stack.enter_context(Phone(0, f"p{i}")) for i in range(PHONES)]
            daemon = stack.enter_context(Extstated({"pjsip.conf": pjsip_conf(phones)}, workers=4))
            for phone in phones:
                phone.server = daemon.port
                first = self.assert_told(phone, "0/0")
                self.assertRegex(first["From"], r"^<sip:voicemail@127\.0\.0\.1:\d+>;tag=")
            for i, phone in enumerate(phones):
                daemon.tool("mailbox", "change", f"box{i}@default", str(i + 1), "1")
                self.assert_told(phone, f"{i + 1}/1")

            expected = {(phone.user, "told", 2) for phone in phones}
            wait_for("the last answer", lambda: expected == {
                (r["endpoint"], r["state"], r["cseq"]) for r in daemon.tool("mailbox", "told")})
            self.assertIn("all", daemon.tool("mailbox", "told", "p3", plain=True))

            # A subscription takes the place, whichever worker has it, and gives it back when it ends.
            dialogs = []
            for i, phone in enumerate(phones):
                answer = phone.subscribe(phone.user, event="message-summary")
                self.assertEqual(answer.status, 200)
                dialogs.append(Subscription(answer))
                self.assertRegex(phone.notify()["Subscription-State"], "^active;expires=")
                daemon.tool("mailbox", "change", f"box{i}@default", "0", "2")
                self.assertRegex(phone.notify()["Subscription-State"], "^active;expires=")
            for phone in phones:
                self.assertIsNone(phone.notify(0.1), "told both ways")
            for phone, dialog in zip(phones, dialogs):
                self.assertEqual(phone.subscribe(phone.user, event="message-summary", expires=0, dialog=dialog).status, 200)
                self.assert_told(phone, "0/2", "terminated;reason=timeout")
                self.assert_told(phone, "0/2")

            # Another PBX tells a mailbox.
            with Phone(daemon.port, "pbx") as pbx:
                pbx.request("NOTIFY", f"sip:127.0.0.1:{daemon.port}",
                            [("Event", "message-summary"), ("Subscription-State", "active"),
                             ("Content-Type", "application/simple-message-summary")], BODY.format("5/0"))
                self.assertEqual(pbx.response().status, 200)
            self.assert_told(phones[0], "5/0")

            # A telephone that a reload adds; those that were there hear nothing of it.
            with Phone(daemon.port, "late") as late:
                more = ("[late]\ntype=endpoint\naors=late\nmailboxes=box0@default,box1@default\n"
                        f"[late]\ntype=aor\ncontact=sip:late@127.0.0.1:{late.port}\n")
                daemon.reload(pjsip_conf=pjsip_conf(phones, more))
                self.assert_told(late, "5/2")
            for phone in phones:
                self.assertIsNone(phone.notify(0.1))
            # Ends with subscriptions that are alive: nobody waits for anything.
            for phone in phones:
                self.assertEqual(phone.subscribe(phone.user, event="message-summary").status, 200)


class TlsPhone(TcpPhone):
    def __init__(self, server, **more):
        super().__init__(server, **more)
        self.socket = test_tls.client_context().wrap_socket(self.socket)

    def send(self, text):
        super().send(text.replace("SIP/2.0/UDP", "SIP/2.0/TLS"))


class WebPhone(TcpPhone):
    def __init__(self, server, **more):
        super().__init__(server, **more)
        self.stream = WebStream(self.socket)

    def send(self, text):
        self.stream.send(text.replace("SIP/2.0/UDP", "SIP/2.0/WS"))

    def receive(self, patience=harness.PATIENCE):
        return self.stream.receive(patience)

    def reply(self, message, answer):
        self.stream.reply(message, answer)


KINDS = {"udp": Phone, "tcp": TcpPhone, "tls": TlsPhone, "ws": WebPhone}
REGISTERED = "".join(f"[{kind}]\ntype=transport\nprotocol={kind}\nbind=127.0.0.1:{{port}}\n" for kind in ("udp", "tcp")) + """
[tls]
type=transport
protocol=tls
bind=127.0.0.1:{other}
cert_file=%s/server.pem
priv_key_file=%s/server.key
[ws]
type=transport
protocol=ws
bind=127.0.0.1:{web}
[bob]
type=endpoint
auth=bob
aors=bob
mailboxes=bob@default
[bob]
type=auth
username=bob
password=secret
[bob]
type=aor
max_contacts=1
"""


class Registered(unittest.TestCase):
    """Telephones that register are told by the way that they came."""

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        authority = test_tls.Authority()
        self.stack.callback(authority.end)
        authority.make("server", "IP:127.0.0.1")
        self.ports = {"other": harness.free_port(), "web": harness.free_port()}
        names = [f"{kind}{i}" for kind in KINDS for i in range(4)]
        text = REGISTERED.replace("%s", str(authority.directory)).replace("{other}", str(self.ports["other"]))
        text = text.replace("{web}", str(self.ports["web"]))
        for name in names:
            text += (f"[{name}]\ntype=endpoint\naors={name}\nmailboxes={name}@default\nrewrite_contact=yes\n"
                     f"[{name}]\ntype=aor\nmax_contacts=1\n")
        self.daemon = self.stack.enter_context(Extstated(
            {"pjsip.conf": text, "extstate.conf": "[registrar]\nenabled=yes\n", "extensions.conf": ""}, workers=4))
        port = {"udp": self.daemon.port, "tcp": self.daemon.port, "tls": self.ports["other"], "ws": self.ports["web"]}
        self.phones = {name: self.stack.enter_context(KINDS[name[:-1]](port[name[:-1]], user=name)) for name in names}

    def change(self, name, new, old):
        self.daemon.tool("mailbox", "change", f"{name}@default", str(new), str(old))

    def register(self, name, uri, **more):
        phone = self.phones[name]
        phone.request("REGISTER", f"sip:127.0.0.1:{self.daemon.port}", [
            ("To", f"<sip:{name}@127.0.0.1>"), ("Contact", f"<{uri}>"), ("Call-ID", name), ("Expires", more.get("expires", 600))])
        self.assertEqual(phone.response().status, 200)

    def assert_told(self, name, counts):
        message = self.phones[name].notify()
        self.assertIsNotNone(message, f"{name} was not told")
        self.assertEqual(message["Subscription-State"], "active")
        self.assertIn(f"Voice-Message: {counts} (0/0)", message.body)
        return message

    def told(self):
        return {row["endpoint"]: row["state"] for row in self.daemon.tool("mailbox", "told", status=None)}

    def test_ways(self):
        # What they call themselves leads nowhere: they are told by what they came by.
        for i, name in enumerate(self.phones):
            self.change(name, i, 1)
            self.register(name, f"sip:{name}@192.0.2.{i + 1}:5060")
        for i, name in enumerate(self.phones):
            self.assert_told(name, f"{i}/1")
        self.assertEqual(set(self.told()), set(self.phones))
        wait_for("the last answer", lambda: set(self.told().values()) == {"told"})
        for i, name in enumerate(self.phones):
            self.change(name, i + 1, 2)
        for i, name in enumerate(self.phones):
            self.assertEqual(self.assert_told(name, f"{i + 1}/2")["CSeq"], "2 NOTIFY")

        # Once more, since it may have been switched off; and then it is gone.
        self.register("udp0", "sip:udp0@192.0.2.1:5060")
        self.assert_told("udp0", "1/2")
        self.register("udp0", "sip:udp0@192.0.2.1:5060", expires=0)
        self.phones["tcp0"].socket.close()
        self.phones["ws0"].stream.close()
        wait_for("their end", lambda: set(self.phones) - set(self.told()) == {"udp0", "tcp0", "ws0"})

        # What is not told yet when the process is killed is told by the next one.
        self.phones["udp1"].answer = None
        self.change("udp1", 9, 9)
        self.assert_told("udp1", "9/9")
        self.daemon.settle()
        self.daemon.kill()
        self.phones["udp1"].answer = "200 OK"
        self.daemon.start()
        while self.assert_told("udp1", "9/9")["CSeq"] != "1 NOTIFY":
            pass  # repeated by the former process
        wait_for("its answer", lambda: self.told()["udp1"] == "told")

    def test_linphone(self):
        self.change("bob", 3, 1)
        with Linphone(self.daemon.port) as bob:
            wait_for("it to be told", lambda: self.told().get("bob") == "told")
            self.change("bob", 0, 4)
            wait_for("the change", lambda: [(r["state"], r["cseq"]) for r in self.daemon.tool("mailbox", "told")] == [("told", 2)])
            bob.quit()
            wait_for("its end", lambda: "bob" not in self.told())


if __name__ == "__main__":
    harness.main()
