# SPDX-License-Identifier: MIT
"""Everybody who talks to one server for a long time: watchers, publishers, and a program that sets states over the control
socket. What was acknowledged to them they remember, so that at any moment they can say what must be true."""
import collections
import json
import random
import re
import selectors
import socket
import ssl
import time

from harness import DEFAULT_FILES, PATIENCE, Message

T1 = 0.1  # of both sides
STATES = {"NOT_INUSE": "terminated", "INUSE": "confirmed", "RINGING": "early", "ONHOLD": "held"}
PJSIP_CONF = DEFAULT_FILES["pjsip.conf"] + "[system]\ntype=system\ntimer_t1=100\ntimer_b=6400\n"
EXTSTATE_CONF = "[compositor]\ndomains=127.0.0.1\ncontext=users\npublish=any\nexpiry_grace=1\n"
FAULTS = ("subscriptions lost", "publications lost", "states lost", "contacts lost", "lamps wrong", "CSeq went back",
          "version went back", "unanswered")


def extensions_conf(n):
    """Hints of the first n devices."""
    return "[users]\n" + "".join(f"exten => {1000 + i},hint,Custom:{1000 + i}\n" for i in range(n))


class Exchange:
    """A request that is sent until it has its final answer."""

    def __init__(self, owner, start, headers, body, done):
        self.owner, self.start, self.headers, self.body, self.done = owner, start, headers, body, done
        self.branch = f"z9hG4bKpeer{random.getrandbits(60):x}"
        self.begun = self.next = time.monotonic()
        self.gap = owner.wire.gap


class Wire:
    """A UDP socket, and where it is."""

    transport, parameter, gap = "UDP", "", T1

    def __init__(self, server):
        self.server = server
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]

    def send(self, text):
        self.socket.sendto(text.encode(), ("127.0.0.1", self.server()))

    def receive(self):
        """The messages that have come."""
        for _ in range(200):
            try:
                yield self.socket.recvfrom(65535)[0]
            except BlockingIOError:
                return


class Connection:
    """The same by TCP."""

    transport, parameter, gap = "TCP", ";transport=tcp", 60  # nothing is sent twice

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server()))
        self.port = self.socket.getsockname()[1]
        self.buffer = b""

    def send(self, text):
        self.socket.sendall(text.encode())

    def receive(self):
        data = self.socket.recv(65535)
        if not data:
            raise AssertionError(f"the server has closed the connection of port {self.port}")
        self.buffer += data
        while b"\r\n\r\n" in self.buffer:
            head = self.buffer.index(b"\r\n\r\n") + 4
            end = head + int(re.search(rb"\r\nContent-Length: *(\d+)", self.buffer[:head]).group(1))
            if len(self.buffer) < end:
                return
            message, self.buffer = self.buffer[:end], self.buffer[end:]
            yield message


class WebSocket:
    """The client's end of a WebSocket (RFC 6455) with SIP on it (RFC 7118), on a connected socket. It blocks."""

    REQUEST = ("Host: pbx.example.com", "Upgrade: websocket", "Connection: keep-alive, Upgrade",
               "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: sip")
    TEXT, CLOSE, PING, PONG = 0x81, 0x88, 0x89, 0x8A

    def __init__(self, connected, request=REQUEST):
        self.socket = connected
        self.buffer = b""
        self.socket.sendall("\r\n".join(["GET /ws HTTP/1.1", *request, "", ""]).encode())
        while b"\r\n\r\n" not in self.buffer and self.more():
            pass
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        self.answer = head.decode()

    def more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return data

    def put(self, first, payload=b""):
        """One frame, which begins with this byte: FIN and opcode."""
        mask, n = random.randbytes(4), len(payload)
        length = bytes([0x80 | n]) if n < 126 else b"\xfe" + n.to_bytes(2, "big")
        self.socket.sendall(bytes([first]) + length + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))

    def take(self, n):
        while len(self.buffer) < n:
            if not self.more():
                raise EOFError
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def get(self, patience):
        """The next frame: its first byte and payload; None when none begins in time; EOFError at the end."""
        self.socket.settimeout(patience)
        try:
            if not self.buffer:
                self.more()
        except (TimeoutError, BlockingIOError, ssl.SSLWantReadError):
            return None
        self.socket.settimeout(PATIENCE)
        first, n = self.take(2)
        if n >= 126:
            n = int.from_bytes(self.take(2 if n == 126 else 8), "big")
        return first, self.take(n)


class Watcher:
    user = "alice"

    def __init__(self, number, extension, wire, event="dialog"):
        self.number, self.extension, self.wire, self.event = number, extension, wire, event
        self.end()

    def end(self):
        self.call_id = f"w{self.number}-{random.getrandbits(48):x}"
        self.cseq = 0
        self.to = self.target = self.exchange = None
        self.told = {}  # by the server's tag: the last CSeq, version, and lamp
        self.doubtful = False  # the server may have had reason to end it

    @property
    def tag(self):
        return self.to.rpartition("tag=")[2] if self.to else None

    def lamp(self):
        return self.told.get(self.tag, (0, -1, None))


class Publisher:
    user = "alice"

    def __init__(self, number, wire):
        self.extension, self.wire = str(5000 + number), wire
        self.call_id = f"p{number}-{random.getrandbits(48):x}"
        self.cseq = 0
        self.tag = self.exchange = None
        self.state = "terminated"  # acknowledged
        self.possible = {"terminated"}


class Registrant:
    """One AOR, with two telephones that take turns. Its endpoint has to be in pjsip.conf: registrants_conf."""

    def __init__(self, number, wire):
        self.user, self.wire = f"r{number}", wire
        self.call_id = f"r{number}-{random.getrandbits(48):x}"
        self.cseq = 0
        self.exchange = None
        self.contacts = frozenset()  # acknowledged, as they are called
        self.possible = {self.contacts}

    def contact(self, telephone):
        return f"<sip:{self.user}-{telephone}@127.0.0.1:{self.wire.port}{self.wire.parameter}>"


def registrants_conf(n):
    return "".join(f"[r{i}](phone)\naors=r{i}\n[r{i}]\ntype=aor\nmax_contacts=2\n" for i in range(n))


class Device:
    def __init__(self, number):
        self.extension = str(1000 + number)
        self.name = f"Custom:{self.extension}"
        self.state = "NOT_INUSE"
        self.asked = None  # not acknowledged yet
        self.possible = {"NOT_INUSE"}


def lamp_of(body):
    """What a telephone shows that is told this."""
    waiting = re.search(r"Voice-Message: (\d+/\d+)", body)
    state = re.search(r"<state>(\w+)</state>", body)
    if waiting:
        return waiting.group(1)
    return "held" if "+sip.rendering" in body else state.group(1) if state else "terminated"


class Peers:
    """`watchers` and `publishers` are the heir's to make; so is `daemon`, which has a port and, for states, a socket."""

    life = 3600  # seconds that are asked for

    def __init__(self):
        self.count = collections.Counter({fault: 0 for fault in FAULTS})
        self.poll = selectors.DefaultSelector()
        self.loss = 0
        self.watchers, self.publishers = [], []
        self.by_call = {}
        self.exchanges = {}
        self.control, self.buffer = None, b""
        self.commands = {}  # id -> what is to be done with the answer
        self.serial = 0

    def fault(self, kind, text):
        self.count[kind] += 1
        if self.count[kind] <= 5:
            print(f"FAULT {kind}: {text}", flush=True)

    # ---- what goes out and comes in ----

    def open(self, kind=Wire):
        wire = kind(lambda: self.daemon.port)
        self.poll.register(wire.socket, selectors.EVENT_READ, lambda: self.receive(wire))
        return wire

    def close(self, wire):
        self.poll.unregister(wire.socket)
        wire.socket.close()

    def transmit(self, wire, text):
        if random.random() >= self.loss:
            wire.send(text)

    def request(self, owner, method, uri, to, headers, body, done):
        owner.cseq += 1
        lines = [("From", f"<sip:{owner.user}@127.0.0.1>;tag={owner.call_id}"), ("To", to), ("Call-ID", owner.call_id),
                 ("CSeq", f"{owner.cseq} {method}"), ("Max-Forwards", "70"), *headers]
        if method != "REGISTER":
            lines.append(("Contact", f"<sip:alice@127.0.0.1:{owner.wire.port}{owner.wire.parameter}>"))
        owner.exchange = Exchange(owner, f"{method} {uri} SIP/2.0", lines, body, done)
        self.exchanges[owner.exchange.branch] = owner.exchange
        self.count[method] += 1
        self.send(owner.exchange)

    def send(self, exchange):
        wire = exchange.owner.wire
        via = f"Via: SIP/2.0/{wire.transport} 127.0.0.1:{wire.port};rport;branch={exchange.branch}"
        lines = [exchange.start, via, *(f"{n}: {v}" for n, v in exchange.headers if v is not None)]
        self.transmit(wire, "\r\n".join(lines) + f"\r\nContent-Length: {len(exchange.body)}\r\n\r\n{exchange.body}")
        exchange.next = time.monotonic() + exchange.gap
        exchange.gap = max(wire.gap, min(2 * exchange.gap, 0.4))

    def abandon(self, owner):
        """Whatever the answer will be, nobody waits for it."""
        if owner.exchange:
            del self.exchanges[owner.exchange.branch]
            owner.exchange = None

    def retransmit(self):
        now = time.monotonic()
        for exchange in list(self.exchanges.values()):
            if now - exchange.begun > 15:
                self.abandon(exchange.owner)
                self.fault("unanswered", f"{exchange.start} of {exchange.owner.call_id}")
            elif now >= exchange.next:
                self.send(exchange)

    def receive(self, wire):
        for data in wire.receive():
            if random.random() < self.loss:
                continue
            message = Message(data)
            if message.method == "NOTIFY":
                self.on_notify(wire, message)
            elif message.method:
                self.on_publish(wire, message)
            elif message.status >= 200:
                branch = message["Via"].rpartition("branch=")[2].split(";")[0]
                exchange = self.exchanges.pop(branch, None)
                if exchange:
                    exchange.owner.exchange = None
                    exchange.done(message)

    def answer(self, wire, message, *lines):
        lines = [f"SIP/2.0 {lines[0]}", *lines[1:]]
        lines += [f"{n}: {v}" for n in ("Via", "From", "To", "Call-ID", "CSeq") for v in message.all(n)]
        self.transmit(wire, "\r\n".join(lines) + "\r\nContent-Length: 0\r\n\r\n")

    def turn(self, seconds=0.005):
        for key, _ in self.poll.select(seconds):
            key.data()
        self.retransmit()

    # ---- watchers ----

    def forget(self, w):
        """It begins anew, with another Call-ID."""
        self.by_call.pop(w.call_id, None)
        w.end()

    def subscribe(self, w, expires=None):
        expires = self.life if expires is None else expires
        self.by_call[w.call_id] = w
        was = w.to
        uri = w.target or f"sip:{w.extension}@127.0.0.1"
        kills = self.count["kills"]

        def done(answer):
            # It was on its way when the server was killed: it may have been done.
            ended = not expires and answer.status == 481 and self.count["kills"] != kills
            if answer.status == 200 and expires:
                w.to, w.target, w.doubtful = answer["To"], answer["Contact"].strip("<>"), False
                self.count["refreshes acknowledged" if was else "subscriptions acknowledged"] += 1
            elif answer.status == 200 or ended:
                self.forget(w)
            elif was and answer.status == 481:
                if w.doubtful:
                    self.count["subscriptions that had ended meanwhile"] += 1
                else:
                    self.fault("subscriptions lost", f"{w.extension} {w.call_id}: {answer.start}")
                self.forget(w)
            else:
                self.count[f"SUBSCRIBE answered {answer.status}"] += 1
        accept = {"dialog": "application/dialog-info+xml", "message-summary": "application/simple-message-summary"}[w.event]
        self.request(w, "SUBSCRIBE", uri, was or f"<{uri}>",
                     [("Event", w.event), ("Expires", expires), ("Accept", accept)], "", done)

    def on_notify(self, wire, message):
        """The watcher who was told something new, if one was."""
        w = self.by_call.get(message["Call-ID"])
        tag = message["From"].rpartition("tag=")[2]
        known = w and (not w.to or tag == w.tag)
        self.answer(wire, message, "200 OK" if known else "481 Call/Transaction Does Not Exist")
        if not known:
            self.count["NOTIFYs of subscriptions whose 200 was not heard"] += 1
            return None
        self.count["NOTIFYs"] += 1
        cseq, version, _ = w.told.get(tag, (0, -1, None))
        found = re.search(r'version="(\d+)" state="full"', message.body)
        if message["Subscription-State"].startswith("terminated"):
            if not w.doubtful and not (w.exchange and ("Expires", 0) in w.exchange.headers):
                self.fault("subscriptions lost", f"{w.extension} {w.call_id}: {message['Subscription-State']}")
                if not w.exchange:
                    self.forget(w)
            return None
        now = int(found.group(1)) if found else version + 1
        if message.cseq < cseq:
            self.fault("CSeq went back", f"{w.call_id}: {cseq} {message.cseq}")
        elif message.cseq > cseq and now <= version:
            self.fault("version went back", f"{w.call_id}: {version} {now}")
        w.told[tag] = (message.cseq, now, lamp_of(message.body))
        return w if message.cseq > cseq else None

    # ---- publishers ----

    def publish(self, p, state=None, expires=None):
        """state: initial or modify; without one a refresh, or with expires 0 a removal."""
        expires = self.life if expires is None else expires
        was, body = p.tag, ""
        if state:
            dialog = f'<dialog id="d"><state>{state}</state></dialog>'
            body = ('<?xml version="1.0"?><dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="0" state="full" '
                    f'entity="sip:{p.extension}@127.0.0.1">{dialog}</dialog-info>')
        after = state or ("terminated" if expires == 0 else p.state)
        if after != p.state:
            p.possible = {p.state, after}
        kills = self.count["kills"]

        def done(answer):
            if answer.status == 200:
                p.tag = answer["SIP-ETag"] if expires else None
                p.state, p.possible = after, {after}
                self.count["publications acknowledged"] += 1
            elif answer.status == 412 and was:
                if self.count["kills"] == kills:
                    self.fault("publications lost", f"{p.extension} {was}: {answer.start}")
                else:  # it was on its way when the server was killed: it may have been done
                    self.count["publications done, but the answer lost with the server"] += 1
                p.tag = None
                self.publish(p, state or p.state)
            else:
                self.count[f"PUBLISH answered {answer.status}"] += 1
        self.request(p, "PUBLISH", f"sip:{p.extension}@127.0.0.1", f"<sip:{p.extension}@127.0.0.1>",
                     [("Event", "dialog"), ("Expires", expires), ("SIP-If-Match", was),
                      ("Content-Type", "application/dialog-info+xml" if state else None)], body, done)

    def publish_something(self, p):
        """What a publisher does that nobody has asked anything yet."""
        how = random.random()
        if not p.tag or how < 0.6:
            self.publish(p, random.choice(["early", "confirmed"]))
        else:
            self.publish(p, expires=0 if how > 0.9 else None)

    # ---- registrants ----

    def register(self, r, telephone=None, expires=None):
        """Without a telephone it only asks which are there."""
        expires = self.life if expires is None else expires
        after = r.contacts
        if telephone is not None:
            contact = r.contact(telephone)
            after = r.contacts | {contact} if expires else r.contacts - {contact}
        r.possible = {*r.possible, after}

        def done(answer):
            if answer.status != 200:
                self.count[f"REGISTER answered {answer.status}"] += 1
                return
            there = frozenset(re.findall("<[^>]*>", ",".join(answer.all("Contact"))))
            if there not in ({after} if telephone is not None else r.possible):
                self.fault("contacts lost", f"{r.user}: {sorted(there)}, not {sorted(map(sorted, r.possible))}")
            r.contacts, r.possible = there, {there}
            self.count["registrations acknowledged"] += telephone is not None
        self.request(r, "REGISTER", "sip:127.0.0.1", f"<sip:{r.user}@127.0.0.1>",
                     [] if telephone is None else [("Contact", f"{contact};expires={expires}")], "", done)

    # ---- the control socket ----

    def connect(self):
        self.control = socket.socket(socket.AF_UNIX)
        self.control.connect(str(self.daemon.socket))
        self.control.setblocking(False)
        self.poll.register(self.control, selectors.EVENT_READ, self.on_control)
        self.commands, self.buffer = {}, b""

    def disconnect(self):
        if self.control:
            self.poll.unregister(self.control)
            self.control.close()
        self.control = None

    def command(self, done, **fields):
        """done is called when it is acknowledged. Answers that never come belong to a connection that is closed."""
        self.serial += 1
        self.commands[self.serial] = done
        try:
            self.control.sendall(json.dumps({"id": self.serial, **fields}).encode() + b"\n")
        except OSError:
            self.disconnect()

    def on_control(self):
        try:
            data = self.control.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.disconnect()
            return
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        for line in lines:
            answer = json.loads(line)
            if "ok" in answer:
                done = self.commands.pop(answer["id"])
                if answer["ok"]:
                    done()
                else:
                    self.count[f"commands refused: {answer['error']}"] += 1

    def change(self, device, state):
        """Unless nobody listens, or the last one is not acknowledged yet."""
        if not self.control or device.asked:
            return
        device.asked, device.possible = state, {device.state, state}

        def done():
            device.state, device.asked = state, None
            device.possible = {state}
            self.count["states acknowledged"] += 1
        self.command(done, command="devstate.set", device=device.name, state=state)

    # ---- time ----

    def until(self, condition, patience=20):
        end = time.monotonic() + patience
        while not condition() and time.monotonic() < end:
            self.turn()
        return condition()

    def quiet(self, seconds=0.15, patience=10):
        """Until no NOTIFY has come for so long, and nobody waits."""
        last, at, end = None, time.monotonic(), time.monotonic() + patience
        while time.monotonic() < end:
            self.turn()
            if last != (self.count["NOTIFYs"], len(self.exchanges)):
                last, at = (self.count["NOTIFYs"], len(self.exchanges)), time.monotonic()
            elif time.monotonic() - at > seconds and not self.exchanges:
                return

    def compare_lamps(self, truth, when, patience=2):
        """truth: extension -> the lamps that are right."""
        def wrong():
            return [w for w in self.watchers if w.to and w.lamp()[2] not in truth[w.extension]]
        self.until(lambda: not wrong(), patience)
        for w in wrong():
            self.fault("lamps wrong", f"{when}: {w.extension} {w.call_id} shows {w.lamp()}, not {truth[w.extension]}")
