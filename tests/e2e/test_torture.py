# SPDX-License-Identifier: MIT
"""The messages of tests/torture by UDP and TCP, and what else can be done to somebody who listens to strangers."""
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import unittest

import harness
from harness import Extstated, Phone, Subscription, wait_for
from test_connections import connect
from test_tls import Authority

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "torture"))
import torture  # noqa: E402

FILES = {
    "pjsip.conf": """
[global]
endpoint_identifier_order=username,ip
user_agent=extstate test
[udp]
type=transport
bind=127.0.0.1:{port}
[tcp]
type=transport
protocol=tcp
bind=127.0.0.1:{port}
[alice]
type=endpoint
context=office
aors=alice
[alice]
type=aor
max_contacts=20
[dave]
type=endpoint
auth=dave
aors=dave
[dave]
type=aor
max_contacts=20
[dave]
type=auth
username=dave
password=secret
[peer]
type=identify
endpoint=alice
match=127.0.0.0/8
""",
    "extensions.conf": "[office]\nexten => 1000,hint,Custom:1000\n",
    "extstate.conf": "[compositor]\npublish=any\n[registrar]\nenabled=yes\n",
}
LAST = ("OPTIONS sip:1000@lamps.example SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKlast%s\r\n"
        "From: <sip:alice@lamps.example>;tag=1\r\nTo: <sip:1000@lamps.example>\r\nCall-ID: last%s\r\nCSeq: 1 OPTIONS\r\n"
        "%sContent-Length: %s\r\n\r\n%s")


def last(name="", more="", length=0, body=""):
    return LAST % (name, name, more, length, body)


class Server(unittest.TestCase):
    def setUp(self):
        self.daemon = Extstated(FILES, workers=1)
        self.addCleanup(self.daemon.end)
        self.daemon.start()

    def tearDown(self):
        """It goes on as if nothing had been."""
        with Phone(self.daemon.port) as phone:
            phone.send(last("tear"))
            self.assertEqual(phone.response().status, 200)
        self.daemon.stop()

    def network(self, name):
        return self.daemon.tool("status")[0]["network"][name]


class Torture(Server):
    def check(self, message, receive, expected):
        """What comes is the answer, and that to what was sent behind it, which may be sooner."""
        last_call, wanted, others, last_came = f"last{message.name}", f"SIP/2.0 {expected}", {}, False
        ends = expected.endswith(("Content-Length", "Content-Lengths"))  # nobody knows where the next message begins
        while not (last_came or ends) or (expected != "nothing" and wanted not in others):
            answer = receive()
            self.assertTrue(answer, f"{message.name}: {list(others)}")
            last_came |= answer["Call-ID"] == last_call
            if answer.status and answer["Call-ID"] != last_call:
                others[answer.start] = str(answer)
        if expected == "nothing":
            self.assertEqual(others, {}, message.name)
        else:
            for part in message.notes.get("with", "").split("\n"):
                self.assertIn(part, others[wanted])

    def of(self, message):
        """Contacts on this machine, where nobody is."""
        return message.bytes.replace(b"@192.0.2.7", b"@127.0.0.99")

    def test_datagrams(self):
        for message in torture.load():
            with Phone(self.daemon.port) as phone:
                phone.socket.sendto(self.of(message), ("127.0.0.1", self.daemon.port))
                phone.send(last(message.name))
                self.check(message, phone.receive, message.notes["answer"])

    def test_streams(self):
        for message in torture.load():
            expected = message.notes.get("stream", message.notes["answer"])
            stream = connect(self.daemon.port)
            stream.socket.sendall(self.of(message))
            if message.notes.get("stream") == "nothing":  # it is not whole yet
                self.assertIsNone(stream.receive(0.1))
            else:
                stream.send(last(message.name))
                self.check(message, stream.receive, expected)
            stream.close()


class Abuse(Server):
    def expect_broken(self, text, start):
        stream = connect(self.daemon.port)
        try:
            stream.socket.sendall(text if isinstance(text, bytes) else text.encode())
        except OSError:  # it has heard enough
            pass
        answer = stream.receive()
        if start:
            self.assertEqual(answer.start, start)
            answer = stream.receive()
        self.assertEqual(answer, b"")
        stream.close()

    def test_broken_streams(self):
        self.expect_broken(last("giant", length=2 ** 31), "SIP/2.0 513 Message Too Large")
        self.expect_broken(last("larger", length=10 ** 30), "SIP/2.0 400 Bad Content-Length")
        self.expect_broken(last("plus", length="+0"), "SIP/2.0 400 Bad Content-Length")
        self.expect_broken(last("none", length=""), "SIP/2.0 400 Bad Content-Length")
        self.expect_broken(last("flood", more="X: y\r\n" * 20000), None)
        self.expect_broken(b"\0" * 100000, None)
        self.expect_broken("GET / HTTP/1.1\r\nHost: lamps.example\r\n\r\n", None)
        self.assertEqual(self.network("lost_broken"), 7)

    def test_many_headers(self):
        """As many as a message has room for, and one more."""
        for n, status in ((100, 200), (2000, 400)):
            stream = connect(self.daemon.port)
            stream.send(last(more="X: y\r\n" * n))
            self.assertEqual(stream.receive().status, status)
            stream.close()

    def test_odd_bytes(self):
        """UTF-8 in pieces, and what is none; NULs are no part of any message."""
        stream = connect(self.daemon.port)
        stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for subject, start in ((b"\xe9\x80", "SIP/2.0 200 OK"), (b"a\0b", "SIP/2.0 400 Control character in a header field")):
            text = last("odd", "Subject: %s\r\n").encode().replace(b"%s", subject)
            text = text.replace(b"From: <", 'From: "лампа 💡" <'.encode())
            for i in range(len(text)):
                stream.socket.sendall(text[i:i + 1])
            answer = stream.receive()
            self.assertEqual(answer.start, start)
            self.assertIn("лампа 💡", answer["From"])
        stream.close()

    def test_pipelined_and_half_closed(self):
        """Whoever has asked all gets all, and then the end."""
        stream = connect(self.daemon.port)
        stream.send("".join(last(str(i)) for i in range(200)))
        stream.socket.shutdown(socket.SHUT_WR)
        for i in range(200):
            self.assertEqual(stream.receive()["Call-ID"], f"last{i}")
        self.assertEqual(stream.receive(), b"")
        stream.close()

    def test_large_datagrams(self):
        with Phone(self.daemon.port) as phone:
            room = 65507 - len(last("large", length=60000))
            phone.send(last("large", length=room - 1, body="x" * (room - 1)))
            self.assertEqual(phone.receive().status, 200)
            phone.socket.sendto(b"\0" * 65507, ("127.0.0.1", self.daemon.port))
            phone.socket.sendto(b"", ("127.0.0.1", self.daemon.port))
            phone.send(last("long", more="X: " + "y" * 65000 + "\r\n"))
            self.assertEqual(phone.receive()["Call-ID"], "lastlong")

    def test_injected_headers(self):
        """What strangers write comes back as they wrote it, and never as a line of its own."""
        with Phone(self.daemon.port) as phone:
            for name, value in (("From", '"a\\\r\nEvil: 1" <sip:alice@lamps.example>;tag=1'),
                                ("From", '"a\\\r\n Evil: 1" <sip:alice@lamps.example>;tag=1'),
                                ("From", "<sip:alice%0d%0aEvil:1@lamps.example>;tag=1"),
                                ("To", "<sip:1000%0D%0AEvil:1@lamps.example>"),
                                ("Call-ID", "a\rEvil: 1"), ("Via", "SIP/2.0/UDP 127.0.0.1;rport;branch=z9hG4bKi\rEvil: 1")):
                phone.request("SUBSCRIBE", "sip:1000@lamps.example", [(name, value), ("Event", "dialog"), ("Expires", "0")])
                phone.send(last("inject"))
                while True:
                    message = phone.receive()
                    self.assertNotIn("\nEvil", str(message).replace("\r", "\n"))
                    if message["Call-ID"] == "lastinject":
                        break

    def reload_with(self, text):
        """What is told of it; `text` is pjsip.conf, with line ends as they are."""
        (self.daemon.config / "pjsip.conf").write_bytes(text.encode())
        return self.daemon.tool("reload", status=None, plain=True)

    def test_control_characters_configured(self):
        text = (self.daemon.config / "pjsip.conf").read_text()
        text += "[bob]\r\ntype=endpoint\r\ncontext=office\r\ncontact_user=a\rEvil: 1\r\n"
        self.assertIn("a control character", self.reload_with(text.replace("extstate test", "a\\r\\nEvil: 1")))
        with Phone(self.daemon.port, "bob") as phone:
            answer = phone.subscribe("1000", expires=0)
            for message in (answer, phone.receive()):
                self.assertNotRegex(str(message), "[\r\n]Evil")
                self.assertIn(r": a\r\nEvil: 1", str(message))  # a backslash is one

    def test_hosts_configured(self):
        """What cannot stand in a URI as a host is told with its line, and stands in none."""
        text = (self.daemon.config / "pjsip.conf").read_text().replace(
            "user_agent=extstate test", "user_agent=extstate test\ndefault_from_user=x")
        lines = text.count("\n")
        hosts = ('a b', 'a>', '<a', 'a,b', 'a\\;b', '"a"', 'a@b', 'a:5060', '192.0.2.1:5060', '192.0.2.256', '[::1]:5060',
                 '[192.0.2.1]', '[::1', '::g', 'a..b', '.a', '-a', 'a-', 'bücher.example', 'a/b', 'a%2eb', 'a' * 256)
        for i, host in enumerate(hosts):
            text += f"[e{i}]\ntype=endpoint\nfrom_domain={host}\n"
        text = text.replace("[tcp]", 'external_signaling_hostname=a>,"\n[tcp]\ndomain=a b\nexternal_signaling_address=a@b')
        told = self.reload_with(text)
        for i in range(len(hosts)):
            self.assertIn(f"pjsip.conf:{lines + 3 + 3 * (i + 1)}: error: from_domain = ", told)
        for line, name in ((9, "external_signaling_hostname"), (11, "domain"), (12, "external_signaling_address")):
            self.assertIn(f"pjsip.conf:{line}: error: {name} = ", told)
        self.assertEqual(told.count("not a host name or an address without a port"), len(hosts) + 3)

    def test_configured_values(self):
        """Whatever is configured stands in a message as what it is: no bracket, quote or comma of it ends anything."""
        user = 'a b<>,\\;"@\t%\u00e9'  # of the configuration, where \; is a semicolon
        escaped = "a%20b%3C%3E,;%22%40%09%25%C3%A9"
        with Phone(self.daemon.port, "bob") as phone, Phone(self.daemon.port, "dave") as dave:
            text = (self.daemon.config / "pjsip.conf").read_text()
            text = text.replace("extstate test", 'extstate "<test>", a@b').replace("user_agent", 'default_realm=a"b\\c, d\nmax_initial_qualify_time=1\nuser_agent')
            text += (f"[bob]\ntype=endpoint\ncontext=office\ncontact_user={user}\nfrom_user=f{user}\nmwi_from_user=m{user}\n"
                     f"voicemail_extension=v{user}\nfrom_domain=[2001:db8::1]\naors=bob\nmailboxes=1@default\n"
                     f"[bob]\ntype=aor\ncontact=sip:bob@127.0.0.1:{phone.port}\nqualify_frequency=60\n"
                     f"voicemail_extension=v{user}\nmailboxes=2@default\n")
            (self.daemon.config / "extstate.conf").write_text("[registrar]\nenabled=yes\n")
            self.assertNotIn("error", self.reload_with(text))
            contact = f"<sip:{escaped}@127.0.0.1:{self.daemon.port}>"
            told = {}
            while len(told) < 2:
                message = phone.receive()
                told[message.method] = message
                phone.reply(message, "200 OK")
                self.assertEqual(message["Contact"], contact)
                self.assertEqual(message["User-Agent"], 'extstate "<test>", a@b')
            self.assertRegex(told["OPTIONS"]["From"], rf"^<sip:f{re.escape(escaped)}@\[2001:db8::1\]>;tag=\w+$")
            self.assertRegex(told["NOTIFY"]["From"], rf"^<sip:m{re.escape(escaped)}@\[2001:db8::1\]>;tag=\w+$")
            self.assertIn(f"\r\nMessage-Account: sip:v{escaped}@", told["NOTIFY"].body)

            answer = phone.subscribe("1000")
            self.assertEqual(answer["Contact"], contact)
            self.assertEqual(answer["Server"], 'extstate "<test>", a@b')
            self.assertEqual(phone.notify()["Contact"], contact)
            dialog = Subscription(answer)
            self.assertEqual(phone.subscribe("1000", expires=0, dialog=dialog).status, 200)
            self.assertEqual(phone.notify()["Subscription-State"], "terminated;reason=timeout")
            answer = phone.subscribe("bob", event="message-summary", expires=0)
            self.assertIn(f"\r\nMessage-Account: sip:v{escaped}@", phone.notify().body)

            self.assertRegex(dave.subscribe("1000")["WWW-Authenticate"], r'^Digest realm="a\\"b\\\\c, d", nonce="')

    def test_xml(self):
        """Entities, external and ever more of them, and what never ends."""
        bombs = ('<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa">' + "".join(f'<!ENTITY {b} "{("&" + a + ";") * 10}">'
                                                                  for a, b in zip("abcdefgh", "bcdefghi")) + "]>", "&i;")
        secret = self.daemon.directory / "secret"
        secret.write_text("swordfish")
        outside = (f'<!DOCTYPE d [<!ENTITY i SYSTEM "file://{secret}">]>', "&i;")
        with Phone(self.daemon.port) as phone:
            for doctype, note in (bombs, outside, ("", "<x>" * 5000 + "</x>" * 5000), ("", "<x a='1' a='2'/>")):
                body = (f'<?xml version="1.0"?>{doctype}<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:1000@x">'
                        f'<tuple id="t"><status><basic>open</basic></status><note>{note}</note></tuple></presence>')
                phone.request("PUBLISH", "sip:1000@lamps.example",
                              [("Event", "presence"), ("Expires", "60"), ("Content-Type", "application/pidf+xml")], body)
                self.assertIn(phone.response().status, (400, 413))
        self.assertNotIn("swordfish", self.daemon.log())


@unittest.skipUnless(shutil.which("openssl"), "no openssl")
class Renegotiation(unittest.TestCase):
    def test_refused(self):
        """Who asks for another handshake within the first (TLS 1.2) gets none."""
        authority = Authority()
        self.addCleanup(authority.end)
        cert, key = authority.make("server", "DNS:one.example")
        text = f"[tls]\ntype=transport\nprotocol=tls\nbind=127.0.0.1:{{port}}\ncert_file={cert}\npriv_key_file={key}\n"
        with Extstated({"pjsip.conf": text}, workers=1) as daemon:
            client = subprocess.Popen(["openssl", "s_client", "-tls1_2", "-legacy_renegotiation", "-connect",
                                       f"127.0.0.1:{daemon.port}"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT)
            wait_for("the handshake", lambda: daemon.tool("status")[0]["network"]["handshakes"] == 1)
            client.stdin.write(b"R\n")
            client.stdin.flush()
            told = client.communicate(timeout=harness.PATIENCE)[0]
            self.assertIn(b"RENEGOTIATING", told)
            self.assertIn(b"no renegotiation", told)
            self.assertEqual(daemon.tool("status")[0]["network"]["handshakes"], 1)


if __name__ == "__main__":
    harness.main()
