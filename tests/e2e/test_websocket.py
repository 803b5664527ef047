# SPDX-License-Identifier: MIT
"""SIP over WebSocket: what a page in a browser does, by a client of our own; test_jssip.py has a stack of browsers."""
import re
import socket
import time
import unittest

import harness
import test_tls
from harness import DEFAULT_FILES, Extstated, Message, free_port, wait_for
from peers import WebSocket
from test_connections import Stream, StreamPhone

FILES = {
    "pjsip.conf": DEFAULT_FILES["pjsip.conf"] + """
[ws]
type=transport
protocol=ws
bind=127.0.0.1:{port}
[carol](phone)
rewrite_contact=yes
""",
}


class WebStream(Stream):
    """Messages in frames. `pieces` cuts what is sent into so many."""

    def __init__(self, connected, pieces=1, **more):
        super().__init__(connected)
        self.web = WebSocket(connected, **more)
        self.pieces = pieces

    def send(self, text):
        data = text.encode()
        step = -(-len(data) // self.pieces)
        for at in range(0, len(data), step):
            self.web.put((0 if at else 1) | (0x80 if at + step >= len(data) else 0), data[at:at + step])

    def receive(self, patience=harness.PATIENCE):
        end = time.monotonic() + patience
        while True:
            try:
                frame = self.web.get(max(0, end - time.monotonic()))
            except EOFError:
                return b""
            if not frame or frame[0] == WebSocket.TEXT:
                return frame and Message(frame[1])
            if frame[0] == WebSocket.PING:
                self.web.put(WebSocket.PONG, frame[1])


def connect(port, host="127.0.0.1", context=None, **more):
    plain = socket.create_connection((host, port), timeout=harness.PATIENCE)
    return WebStream(context.wrap_socket(plain) if context else plain, **more)


class Page(StreamPhone):
    """Nobody can reach its Contact, nor its Via; its requests have no Content-Length."""

    def __init__(self, server, stream, user="alice", host="127.0.0.1", transport="WS"):
        StreamPhone.count += 1
        self.server, self.user, self.host, self.transport = server, user, host, transport
        self.call_id, self.cseq, self.dialog = f"page-{StreamPhone.count}@x.invalid", 0, None
        self.stream = stream

    def subscribe(self, extension="1000", expires=600):
        self.cseq += 1
        uri = self.dialog.target if self.dialog else f"sip:{extension}@{self.host}:{self.server}"
        to = self.dialog.to if self.dialog else f"<{uri}>"
        self.stream.send(f"SUBSCRIBE {uri} SIP/2.0\r\nVia: SIP/2.0/{self.transport} x.invalid;"
                         f"branch=z9hG4bK{self.call_id}{self.cseq}\r\nMax-Forwards: 70\r\n"
                         f"From: <sip:{self.user}@x.invalid>;tag=a\r\nTo: {to}\r\nCall-ID: {self.call_id}\r\n"
                         f"CSeq: {self.cseq} SUBSCRIBE\r\nContact: <sip:{self.user}@x.invalid;transport=ws>\r\n"
                         f"Event: dialog\r\nExpires: {expires}\r\n\r\n")
        answer = self.stream.receive()
        if not self.dialog and answer.status == 200:
            self.dialog = harness.Subscription(answer)
        return answer


class WebSockets(unittest.TestCase):
    def start(self, files=None, **more):
        daemon = Extstated(files or FILES, **more)
        self.addCleanup(daemon.end)
        daemon.start()
        return daemon

    def page(self, daemon, user="alice", **more):
        page = Page(daemon.port, connect(daemon.port, **more), user)
        self.addCleanup(lambda: page.stream.close())
        return page

    def network(self, daemon):
        return daemon.tool("status")[0]["network"]

    def check_life(self, daemon, page, here):
        answer = page.subscribe()
        self.assertEqual(answer.status, 200)
        self.assertIn(f"Via: SIP/2.0/{page.transport} x.invalid;", str(answer))
        self.assertEqual(answer["Contact"], f"<sip:{here};transport={page.transport}>")
        first = page.notify()
        self.assertEqual(first.start, f"NOTIFY sip:{page.user}@x.invalid;transport=ws SIP/2.0")
        self.assertRegex(first["Via"], rf"^SIP/2\.0/{page.transport} {re.escape(here)};rport;branch=")
        daemon.set("Custom:1000", "INUSE")
        self.assertIn("confirmed", page.notify().body)
        daemon.set("Custom:1000", "NOT_INUSE")
        self.assertIn("terminated", page.notify().body)
        self.assertEqual(page.subscribe(expires=0).status, 200)
        self.assertIn("terminated", page.notify()["Subscription-State"])

    def test_lamp(self):
        daemon = self.start()
        for pieces in (1, 2, 7):
            self.check_life(daemon, self.page(daemon, pieces=pieces), f"127.0.0.1:{daemon.port}")
        page = self.page(daemon, "carol")
        self.assertEqual(page.subscribe().status, 200)
        port = page.stream.socket.getsockname()[1]
        self.assertEqual(page.notify().start, f"NOTIFY sip:carol@127.0.0.1:{port};transport=WS SIP/2.0")
        self.assertEqual(self.network(daemon)["websockets"], 4)
        daemon.stop()
        frame = page.stream.web.get(harness.PATIENCE)
        while frame[0] == WebSocket.TEXT:  # its subscription
            frame = page.stream.web.get(harness.PATIENCE)
        self.assertEqual(frame, (WebSocket.CLOSE, b"\x03\xe9"))

    def test_ipv6_and_tls(self):
        authority = test_tls.Authority()
        self.addCleanup(authority.end)
        authority.make("server", "IP:::1,IP:127.0.0.1")
        directory, tls, tls6 = authority.directory, free_port(), free_port()
        text = DEFAULT_FILES["pjsip.conf"]
        for name, bind in (("wss", f"127.0.0.1:{tls}"), ("wss6", f"[::1]:{tls6}")):
            text += (f"[{name}]\ntype=transport\nprotocol=wss\nbind={bind}\ncert_file={directory}/server.pem\n"
                     f"priv_key_file={directory}/server.key\n")
        text += "[ws6]\ntype=transport\nprotocol=ws\nbind=[::1]:{port}\n"
        daemon = self.start({"pjsip.conf": text})
        context = test_tls.client_context(authority)
        for host, here, port, transport in (("127.0.0.1", "127.0.0.1", tls, "WSS"), ("::1", "[::1]", tls6, "WSS"),
                                            ("::1", "[::1]", daemon.port, "WS")):
            with self.subTest(here=here, transport=transport):
                stream = connect(port, host, context if transport == "WSS" else None)
                self.addCleanup(stream.close)
                self.check_life(daemon, Page(port, stream, host=here, transport=transport), f"{here}:{port}")
        network = self.network(daemon)
        self.assertEqual((network["handshakes"], network["websockets"]), (2, 3))
        daemon.stop()

    def test_end(self):
        """Nobody can be called back: the subscription ends with its connection, however that ends."""
        daemon = self.start()
        ends = (lambda page: page.stream.close(), lambda page: page.stream.web.put(WebSocket.CLOSE, b"\x03\xe8"),
                lambda page: page.stream.web.put(0x83))
        for count, end in enumerate(ends, 1):
            page = self.page(daemon)
            self.assertEqual(page.subscribe().status, 200)
            page.notify()
            end(page)
            daemon.set("Custom:1000", "INUSE" if count % 2 else "NOT_INUSE")
            wait_for("the end", lambda: daemon.tool("status")[0]["subscriptions"] == 0)
            self.assertEqual(daemon.log().count("its connection has ended"), count)
        self.assertIn("net.websocket_broken transport=ws peer=127.0.0.1:", daemon.log())
        daemon.stop()

    def test_page_comes_back(self):
        """With the dialog that it had, by a connection of whichever worker."""
        daemon = self.start()
        page = self.page(daemon)
        self.assertEqual(page.subscribe().status, 200)
        page.notify()
        for state in ("INUSE", "NOT_INUSE", "RINGING", "NOT_INUSE", "INUSE", "NOT_INUSE"):
            former, page.stream = page.stream, connect(daemon.port)
            self.assertEqual(page.subscribe().status, 200)
            page.notify()
            daemon.set("Custom:1000", state)
            page.notify()
            self.assertIsNone(former.receive(0))
            former.close()
        daemon.stop()

    def test_upgrade(self):
        """Between two frames a connection goes on in the new program."""
        daemon = self.start()
        pages = [self.page(daemon) for _ in range(4)]
        half = self.page(daemon)
        for page in (*pages, half):
            self.assertEqual(page.subscribe().status, 200)
            page.notify()
        half.stream.web.put(0x01, b"SUBSCRIBE ")
        half.stream.web.put(WebSocket.PING)
        self.assertEqual(half.stream.web.get(harness.PATIENCE), (WebSocket.PONG, b""))
        for state in ("confirmed", "terminated"):
            daemon.tool("upgrade")
            daemon.set("Custom:1000", "INUSE" if state == "confirmed" else "NOT_INUSE")
            for page in pages:
                self.assertIn(state, page.notify().body)
                self.assertEqual(page.subscribe().status, 200)
                page.notify()
        self.assertEqual(half.stream.receive(), b"")
        network = self.network(daemon)
        self.assertEqual((network["connections"], network["accepted"]), (4, 0))
        daemon.stop()

    def test_who_is_refused(self):
        daemon = self.start(dict(FILES, **{"extstate.conf": "[general]\nwebsocket_origins=https://a.example\n"}))

        def answer(*more, without=""):
            request = [line for line in WebSocket.REQUEST if not without or not line.startswith(without)]
            stream = connect(daemon.port, request=[*request, *more])
            self.addCleanup(stream.close)
            return stream.web.answer

        self.assertRegex(answer(), "^HTTP/1.1 101 ")
        self.assertRegex(answer("Origin: https://a.example"), "^HTTP/1.1 101 ")
        self.assertRegex(answer("Origin: https://b.example"), "^HTTP/1.1 403 ")
        self.assertRegex(answer(without="Upgrade"), "(?s)^HTTP/1.1 426 .*\nSec-WebSocket-Version: 13\r")
        self.assertRegex(answer(without="Sec-WebSocket-Protocol"), "^HTTP/1.1 400 ")
        self.assertRegex(answer("X: " + "y" * 9000), "^HTTP/1.1 431 ")
        self.assertEqual(self.network(daemon)["websockets_refused"], 4)
        self.assertRegex(daemon.log(), r'net\.websocket_refused transport=ws peer=127\.0\.0\.1:\d+ why="The Origin is not ')
        daemon.reload(extstate_conf="")
        wait_for("the reload", lambda: "101" in answer("Origin: https://b.example"))
        daemon.stop()


if __name__ == "__main__":
    harness.main()
