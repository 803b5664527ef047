# SPDX-License-Identifier: MIT
"""SIP over connections: a phone on TCP, its reconnection, a restart of ours, and a compositor on TCP."""
import re
import select
import socket
import time
import unittest

import harness
from harness import DEFAULT_FILES, Extstated, Message, Phone, Subscription, free_port, sipp, wait_for

FILES = {
    "pjsip.conf": DEFAULT_FILES["pjsip.conf"] + """
[tcp]
type=transport
protocol=tcp
bind=127.0.0.1:{port}
[carol](phone)
rewrite_contact=yes
[system]
type=system
timer_t1=100
timer_b=6400
""",
}


class Stream:
    """Messages on a connected socket."""

    def __init__(self, connected):
        self.socket = connected
        self.bytes = b""

    def send(self, text):
        self.socket.sendall(text.encode())

    def receive(self, patience=harness.PATIENCE):
        """The next message; None when there is none in time, b"" at the end."""
        end = time.monotonic() + patience
        while True:
            self.bytes = self.bytes.lstrip(b"\r\n")
            head, found, rest = self.bytes.partition(b"\r\n\r\n")
            if found:
                length = int(re.search(rb"^Content-Length: *(\d+)", head, re.M | re.I)[1])
                if len(rest) >= length:
                    self.bytes = rest[length:]
                    return Message(head + found + rest[:length])
            if not select.select([self.socket], [], [], max(0, end - time.monotonic()))[0]:
                return None
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                return b""
            self.bytes += more

    def reply(self, message, answer="200 OK", more=""):
        lines = [f"{name}: {value}" for name in ("Via", "From", "To", "Call-ID", "CSeq") for value in message.all(name)]
        self.send(f"SIP/2.0 {answer}\r\n" + "".join(f"{line}\r\n" for line in lines) + more + "Content-Length: 0\r\n\r\n")

    def close(self):
        self.socket.close()


def connect(port):
    return Stream(socket.create_connection(("127.0.0.1", port), timeout=harness.PATIENCE))


def listen(backlog=8, port=0):
    """A socket that listens, and its port."""
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port))
    s.listen(backlog)
    s.settimeout(harness.PATIENCE)
    return s, s.getsockname()[1]


class StreamPhone:
    """A subscriber whose Contact names a port of its own."""

    count = 0

    def __init__(self, server, contact_port, user="alice", host="127.0.0.1"):
        StreamPhone.count += 1
        self.server, self.contact_port, self.user, self.host = server, contact_port, user, host
        self.call_id = f"stream-{StreamPhone.count}@test"
        self.cseq = 0
        self.dialog = None
        self.stream = connect(server)

    def subscribe(self, extension="1000", expires=600):
        self.cseq += 1
        uri = self.dialog.target if self.dialog else f"sip:{extension}@127.0.0.1:{self.server}"
        to = self.dialog.to if self.dialog else f"<{uri}>"
        self.stream.send(f"SUBSCRIBE {uri} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:{self.contact_port};rport;"
                         f"branch=z9hG4bK{self.call_id}{self.cseq}\r\nMax-Forwards: 70\r\n"
                         f"From: <sip:{self.user}@127.0.0.1>;tag=a\r\nTo: {to}\r\nCall-ID: {self.call_id}\r\n"
                         f"CSeq: {self.cseq} SUBSCRIBE\r\n"
                         f"Contact: <sip:{self.user}@{self.host}:{self.contact_port};transport=tcp>\r\nEvent: dialog\r\n"
                         f"Expires: {expires}\r\nContent-Length: 0\r\n\r\n")
        answer = self.stream.receive()
        if not self.dialog and answer.status == 200:
            self.dialog = Subscription(answer)
        return answer

    def notify(self, stream=None, answer=True):
        stream = stream or self.stream
        message = stream.receive()
        if not message or message.method != "NOTIFY":
            raise AssertionError(f"expected a NOTIFY, got\n{message}")
        if answer:
            stream.reply(message)
        return message


class Connections(unittest.TestCase):
    def setUp(self):
        self.daemon = Extstated(FILES)
        self.addCleanup(self.daemon.end)
        self.daemon.start()
        self.listening, self.port = listen()
        self.addCleanup(lambda: self.listening.close())

    def tearDown(self):
        self.daemon.stop()

    def phone(self, **more):
        phone = StreamPhone(self.daemon.port, self.port, **more)
        self.addCleanup(lambda: phone.stream.close())
        return phone

    def accept(self):
        stream = Stream(self.listening.accept()[0])
        self.addCleanup(stream.close)
        return stream

    def counter(self, name):
        return self.daemon.tool("status")[0]["network"][name]

    def test_transport_moved(self):
        """Connections of a transport that a reload takes away end in order: who can be called is told by another one, who
        cannot is sent away and told so, and nobody goes down a way that is about to end."""
        self.daemon.write("extstate.conf", "[journal]\nenabled=yes\n")
        self.daemon.stop()
        self.daemon.start()
        near, tied, new = self.phone(), self.phone(user="carol"), free_port()
        for phone in (near, tied):
            self.assertEqual(phone.subscribe().status, 200)
            phone.notify()
        text = FILES["pjsip.conf"].replace("protocol=tcp\nbind=127.0.0.1:{port}", f"protocol=tcp\nbind=127.0.0.1:{new}")
        self.daemon.reload(pjsip_conf=text)
        called = self.accept()
        moved = near.notify(called)
        self.assertEqual(moved["Contact"], f"<sip:127.0.0.1:{new};transport=TCP>")
        self.assertRegex(moved["Subscription-State"], "^active;")
        self.assertEqual(tied.notify()["Subscription-State"], "terminated;reason=deactivated")
        tied.dialog = None
        answer = tied.subscribe()
        self.assertEqual(answer.status, 503)
        self.assertIn("the transport of this connection is gone", answer["Warning"])
        near.dialog.target = moved["Contact"].strip("<>")
        self.assertEqual(near.subscribe().status, 200)
        near.notify(called)
        why = "its transport is gone, and only its connection by that led to the subscriber"
        self.assertEqual(len(re.findall(f'dialog.stranded endpoint=carol .* why="{why}"', self.daemon.log())), 1)
        wait_for("the journal", lambda: why in self.daemon.tool("history", "1000@users", plain=True))
        for phone in (near, tied):  # long before the 32 s in which an answer may come
            self.assertEqual(phone.stream.receive(), b"")
        self.daemon.set("Custom:1000", "INUSE")
        self.assertIn("confirmed", near.notify(called).body)
        again = StreamPhone(new, self.port, user="carol")
        self.addCleanup(again.stream.close)
        self.assertEqual(again.subscribe().status, 200)
        again.notify()

    def check_nothing_opened(self):
        self.listening.settimeout(0.3)
        with self.assertRaises(TimeoutError):
            self.listening.accept()

    def test_down_the_connection_it_came_by(self):
        phone = self.phone()
        answer = phone.subscribe()
        self.assertEqual(answer.status, 200)
        here = f"<sip:127.0.0.1:{self.daemon.port};transport=TCP>"
        self.assertEqual(answer["Contact"], here)
        first = phone.notify()
        self.assertRegex(first["Via"], rf"^SIP/2\.0/TCP 127\.0\.0\.1:{self.daemon.port};rport;branch=z9hG4bKes")
        self.assertEqual(first["Contact"], here)
        self.assertEqual(first.start, f"NOTIFY sip:alice@127.0.0.1:{self.port};transport=tcp SIP/2.0")
        self.daemon.set("Custom:1000", "INUSE")
        second = phone.notify(answer=False)
        self.assertIn("confirmed", second.body)
        self.assertIsNone(phone.stream.receive(0.8))  # over UDP it would have come again
        phone.stream.reply(second)
        self.assertEqual(phone.subscribe(expires=0).status, 200)
        self.assertIn("terminated", phone.notify()["Subscription-State"])
        self.check_nothing_opened()

    def test_in_pieces_and_together(self):
        phone = self.phone()
        phone.stream.send("\r\n\r\n")
        self.assertEqual(phone.stream.socket.recv(100), b"\r\n")
        options = (f"OPTIONS sip:127.0.0.1:{self.daemon.port} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK%s\r\n"
                   "From: <sip:alice@127.0.0.1>;tag=1\r\nTo: <sip:127.0.0.1>\r\nCall-ID: %s\r\nCSeq: 1 OPTIONS\r\n"
                   "Content-Length: %s\r\n\r\n")
        for byte in options % ("slow", "slow", 0):
            phone.stream.send(byte)
        self.assertEqual(phone.stream.receive().status, 200)
        phone.stream.send("".join(options % (f"all{i}", f"all{i}", 0) for i in range(20)))
        for i in range(20):
            answer = phone.stream.receive()
            self.assertEqual((answer.status, answer["Call-ID"]), (200, f"all{i}"))
        phone.stream.send(options % ("bad", "bad", -1) + options % ("never", "never", 0))
        answer = phone.stream.receive()
        self.assertEqual(answer.start, "SIP/2.0 400 Bad Content-Length")
        self.assertEqual(phone.stream.receive(), b"")

    def test_phone_comes_back(self):
        """By a connection of whichever worker: NOTIFYs leave by it."""
        phone = self.phone()
        self.assertEqual(phone.subscribe().status, 200)
        phone.notify()
        for state in ("INUSE", "NOT_INUSE", "RINGING", "BUSY", "NOT_INUSE", "INUSE", "NOT_INUSE", "RINGING"):
            former = phone.stream
            phone.stream = connect(self.daemon.port)
            self.assertEqual(phone.subscribe().status, 200)
            phone.notify()
            self.daemon.set("Custom:1000", state)
            phone.notify()
            self.assertIsNone(former.receive(0))
            former.close()
        forwarded = self.daemon.tool("status")[0]["transactions"]["forwarded"]
        self.assertGreater(forwarded, 0)
        self.check_nothing_opened()

    def test_phone_is_called(self):
        phone = self.phone()
        self.assertEqual(phone.subscribe().status, 200)
        phone.notify()
        phone.stream.close()
        self.daemon.set("Custom:1000", "INUSE")
        called = self.accept()
        self.assertIn("confirmed", phone.notify(called).body)
        self.daemon.set("Custom:1000", "NOT_INUSE")
        self.assertIn("terminated", phone.notify(called).body)
        phone.stream = called
        self.assertEqual(phone.subscribe(expires=0).status, 200)
        phone.notify()
        self.assertEqual(self.counter("opened"), 1)

    def test_connection_ends_under_way(self):
        """One that we opened: the peer is started anew and takes its time, and nothing is lost; nor is it the second time."""
        with Phone(self.daemon.port) as phone:
            answer = phone.subscribe("1000", headers=[("Contact", f"<sip:alice@127.0.0.1:{self.port};transport=tcp>")])
            self.assertEqual(answer.status, 200)
            peer = self.accept()
            peer.reply(peer.receive())
            for state, shown in (("INUSE", "confirmed"), ("NOT_INUSE", "terminated")):
                self.daemon.set("Custom:1000", state)
                self.assertIn(shown, peer.receive().body)
                self.listening.close()
                peer.close()
                wait_for("the log", lambda: "notify.no_connection" in self.daemon.log())
                if state == "INUSE":
                    row = self.daemon.tool("subscriptions")[0]
                    self.assertEqual((row["protocol"], row["unconnected"] > 0), ("tcp", True))
                    self.assertRegex(self.daemon.tool("explain", "1000@users", plain=True), r"shows .*, there is no connection to it, \d+ times in a row")
                self.listening, _ = listen(port=self.port)
                peer = self.accept()
                notify = peer.receive()
                self.assertIn(shown, notify.body)
                peer.reply(notify)
        self.assertNotIn("subscription.dropped", self.daemon.log())

    def check_dropped(self, phone):
        self.assertEqual(phone.subscribe().status, 200)
        phone.notify()
        phone.stream.close()
        self.daemon.set("Custom:1000", "INUSE")
        wait_for("the log", lambda: re.search(r"subscription\.dropped.*its connection has ended", self.daemon.log()))
        self.assertEqual(self.daemon.tool("status")[0]["subscriptions"], 0)

    def test_phone_is_gone(self):
        phone = self.phone()
        self.listening.close()
        self.check_dropped(phone)

    def test_phone_behind_a_nat_is_gone(self):
        self.check_dropped(self.phone(user="carol"))
        self.check_nothing_opened()

    def test_restart(self):
        phone, away = self.phone(), self.phone(user="carol")
        for one in (phone, away):
            self.assertEqual(one.subscribe().status, 200)
            one.notify()
        self.daemon.stop()
        phone.stream.close()
        away.stream.close()
        self.daemon.start()
        self.daemon.set("Custom:1000", "INUSE")
        called = self.accept()
        self.assertIn("confirmed", phone.notify(called).body)
        self.assertEqual(self.daemon.tool("status")[0]["subscriptions"], 2)
        away.stream = connect(self.daemon.port)
        self.assertEqual(away.subscribe().status, 200)
        self.assertIn("confirmed", away.notify().body)
        self.daemon.set("Custom:1000", "NOT_INUSE")
        self.assertIn("terminated", away.notify().body)
        phone.notify(called)
        self.assertEqual(self.counter("opened"), 1)

    def test_by_what_the_contact_says(self):
        """A mailbox that is told unasked, and a subscription that was asked for by UDP."""
        self.daemon.reload(**{"pjsip.conf": FILES["pjsip.conf"] + "[dave](phone)\naors=dave\nmailboxes=1@default\n"
                              f"[dave]\ntype=aor\ncontact=sip:dave@127.0.0.1:{self.port}\\;transport=tcp\n"})
        stream = self.accept()
        message = stream.receive()
        self.assertEqual(message.start, f"NOTIFY sip:dave@127.0.0.1:{self.port};transport=tcp SIP/2.0")
        stream.reply(message)
        listening, port = listen()
        with listening, Phone(self.daemon.port) as phone:
            answer = phone.subscribe("1000", headers=[("Contact", f"<sip:alice@127.0.0.1:{port};transport=tcp>")])
            self.assertEqual(answer["Contact"], f"<sip:127.0.0.1:{self.daemon.port};transport=TCP>")
            stream = Stream(listening.accept()[0])
            message = stream.receive()
            self.assertEqual(message.start, f"NOTIFY sip:alice@127.0.0.1:{port};transport=tcp SIP/2.0")
            stream.reply(message)
            stream.close()

    def test_limit_of_a_source(self):
        self.daemon.reload(**{"extstate.conf": "[general]\nconnections_per_source=3\n"})
        streams = [connect(self.daemon.port) for _ in range(3)]
        for stream in streams:
            self.addCleanup(stream.close)
        wait_for("three", lambda: self.counter("connections") == 3)
        other = Stream(socket.create_connection(("127.0.0.1", self.daemon.port), source_address=("127.0.0.2", 0)))
        self.addCleanup(other.close)
        more = connect(self.daemon.port)
        self.assertEqual(more.receive(), b"")
        more.close()
        wait_for("the other", lambda: self.counter("connections") == 4)
        self.assertEqual(self.counter("refused_source"), 1)
        self.assertRegex(self.daemon.log(), r"net\.source_full.*peer=127\.0\.0\.1:")
        streams[0].close()
        wait_for("room", lambda: self.counter("connections") == 3)
        phone = self.phone()
        self.assertEqual(phone.subscribe(expires=0).status, 200)
        phone.notify()

    def test_sipp(self):
        for extension, mode in (("2001", "t1"), ("2002", "tn")):
            change = self.daemon.command("devstate", "change", f"Custom:{extension}", "RINGING")
            sipp("subscribe.xml", self.daemon.port, arguments=("-t", mode, "-max_socket", "100"), **{
                "from": "alice", "extension": extension, "event": "dialog", "accept": "application/dialog-info+xml",
                "first": "<state>terminated</state>", "second": "<state>early</state>", "change": change})


class TooLarge(unittest.TestCase):
    """Requests that are too large for a datagram, with disable_tcp_switch = no (RFC 3261 section 18.1.1)."""

    def phone(self):
        """By UDP, and the same port of TCP, where nobody listens yet."""
        phone = Phone(server=None)
        while True:
            reserved = socket.socket()
            reserved.bind(("127.0.0.1", 0))
            phone.port = reserved.getsockname()[1]
            phone.socket.close()
            phone.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                phone.socket.bind(("127.0.0.1", phone.port))
            except OSError:
                reserved.close()
                continue
            self.addCleanup(reserved.close)
            self.addCleanup(phone.socket.close)
            return phone, reserved

    def publish(self, phone, note):
        phone.request("PUBLISH", f"sip:1001@127.0.0.1:{phone.server}", [
            ("Event", "presence"), ("Expires", 600), ("Content-Type", "application/pidf+xml")],
            '<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:1001@example.com"><tuple id="t"><status><basic>open</basic>'
            f"</status><note>{note}</note></tuple></presence>")
        self.assertEqual(phone.response().status, 200)

    def test_by_tcp_as_long_as_somebody_is_there(self):
        (esc, to_esc), (phone, to_phone) = self.phone(), self.phone()
        with Phone(server=None, user="bob") as bob:
            files = {"extstate.conf": "[compositor]\npublish=any\ncontext=users\n", "pjsip.conf": FILES["pjsip.conf"] + f"""disable_tcp_switch=no
[esc]
type=outbound-publish
server_uri=sip:esc@127.0.0.1:{esc.port}
event=presence
multi_user=yes
@body=application/pidf+xml
@exten=^1001$
"""}
            with Extstated(files, workers=1) as daemon:
                phone.server = bob.server = daemon.port
                esc.reply(esc.receive(), "200 OK\r\nSIP-ETag: a\r\nExpires: 3600")
                self.assertEqual(phone.subscribe("1001", "presence", accept="application/pidf+xml").status, 200)
                phone.notify()
                for s in (to_esc, to_phone):
                    s.listen()
                self.publish(bob, "x" * 1200)
                streams = []
                for s, method in ((to_esc, "PUBLISH"), (to_phone, "NOTIFY")):
                    s.settimeout(harness.PATIENCE)
                    streams.append(Stream(s.accept()[0]))
                    message = streams[-1].receive()
                    self.assertEqual(message.method, method)
                    self.assertRegex(message["Via"], rf"^SIP/2\.0/TCP 127\.0\.0\.1:{daemon.port};rport;branch=")
                    self.assertIn("x" * 1200, message.body)
                    streams[-1].reply(message, more="SIP-ETag: b\r\nExpires: 3600\r\n" if method == "PUBLISH" else "")
                wait_for("the answer", lambda: daemon.tool("status")[0]["publisher"]["acknowledged"] == 2)
                for s in (*streams, to_esc, to_phone):
                    s.close()
                self.publish(bob, "y" * 1200)
                message = esc.receive()
                self.assertEqual((message["SIP-If-Match"], message["Via"][:12]), ("b", "SIP/2.0/UDP "))
                self.assertIn("y" * 1200, message.body)
                esc.reply(message, "200 OK\r\nSIP-ETag: c\r\nExpires: 3600")
                self.assertIn("y" * 1200, phone.notify().body)
                self.publish(bob, "z" * 1200)
                esc.reply(esc.receive(), "200 OK\r\nSIP-ETag: d\r\nExpires: 3600")
                self.assertIn("z" * 1200, phone.notify().body)


class Publisher(unittest.TestCase):
    def test_compositor_on_tcp(self):
        listening, port = listen()
        self.addCleanup(listening.close)
        files = {"pjsip.conf": FILES["pjsip.conf"] + f"""
[esc]
type=outbound-publish
server_uri=sip:esc@127.0.0.1:{port}\\;transport=tcp
event=dialog
multi_user=yes
@body=application/dialog-info+xml
@exten=^1000$
"""}
        with Extstated(files, workers=1) as daemon:
            stream = Stream(listening.accept()[0])
            first = stream.receive()
            self.assertEqual(first.start, f"PUBLISH sip:1000@127.0.0.1:{port};transport=tcp SIP/2.0")
            self.assertRegex(first["Via"], rf"^SIP/2\.0/TCP 127\.0\.0\.1:{daemon.port};rport;branch=")
            self.assertIsNone(stream.receive(0.8))
            stream.reply(first, more="SIP-ETag: a\r\nExpires: 3600\r\n")
            daemon.set("Custom:1000", "INUSE")
            second = stream.receive()
            self.assertEqual(second["SIP-If-Match"], "a")
            stream.close()  # unanswered: what is told next comes by a new connection
            stream = Stream(listening.accept()[0])
            again = stream.receive()
            self.assertIn("confirmed", again.body)
            stream.reply(again, more="SIP-ETag: b\r\nExpires: 3600\r\n")
            wait_for("the answer", lambda: daemon.tool("status")[0]["publisher"]["acknowledged"] == 2)
            stream.close()


if __name__ == "__main__":
    harness.main()
