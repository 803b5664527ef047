# SPDX-License-Identifier: MIT
"""Contacts that are asked whether they are there, and the lamps that say so."""
import contextlib
import queue
import threading
import unittest

import harness
from harness import Extstated, Phone, Subscription, wait_for
from test_connections import Stream, connect

PHONES = 6


class Desk(Phone):
    """A telephone that answers OPTIONS in the background, while it is on."""

    def __init__(self, user, server=0):
        super().__init__(server, user)
        self.on, self.asked, self.ends = True, 0, False
        self.answers = queue.SimpleQueue()
        self.thread = threading.Thread(target=self.run)

    def register(self, expires):
        self.request("REGISTER", f"sip:127.0.0.1:{self.server}", [
            ("To", f"<sip:{self.user}@127.0.0.1>"), ("Call-ID", self.user), ("Expires", expires)])
        answer = self.answers.get(timeout=harness.PATIENCE)
        if answer.status != 200:
            raise AssertionError(answer)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends = True
        self.thread.join()
        super().__exit__()

    def run(self):
        while not self.ends:
            message = self.receive(0.05)
            if message and message.method == "OPTIONS" and self.on:
                self.asked += 1
                self.reply(message, "200 OK")
            elif message and message.status:
                self.answers.put(message)


class Line(Stream):
    """A connection by which both sides ask and answer."""

    def __init__(self, port):
        super().__init__(connect(port).socket)
        self.requests = []

    def response(self):
        while True:
            message = self.receive()
            if not message or message.status:
                return message
            self.requests.append(message)

    def request(self):
        return self.requests.pop(0) if self.requests else self.receive()


def pjsip_conf(phones, frequency=1, more=""):
    text = (f"[global]\ntype=global\nmax_initial_qualify_time=1\n[udp]\ntype=transport\nbind=127.0.0.1:{{port}}\n"
            f"[tcp]\ntype=transport\nprotocol=tcp\nbind=127.0.0.1:{{port}}\n[watcher]\ntype=endpoint\ncontext=users\n")
    for i, phone in enumerate(phones):
        host = "localhost" if i == len(phones) - 1 else phone.host
        text += (f"[{phone.user}]\ntype=endpoint\ncontext=users\naors={phone.user}\n"
                 f"[{phone.user}]\ntype=aor\nqualify_frequency={frequency}\nqualify_timeout=3\n"
                 f"contact=sip:{phone.user}@{host}:{phone.port}\n")
    return text + more


FILES = {"extstate.conf": "[journal]\nenabled=yes\n[registrar]\nenabled=yes\n",
         "extensions.conf": "[users]\n" + "".join(f"exten => 10{i},hint,PJSIP/p{i}\n" for i in range(PHONES))}


def states(daemon):
    return {row["device"]: row["state"] for row in daemon.tool("devstate", "list", "PJSIP/p")}


def statuses(daemon):
    return {row["aor"]: row["status"] for row in daemon.tool("contacts")}


class Qualify(unittest.TestCase):
    def start(self, stack, phones, **more):
        daemon = Extstated(dict(FILES, **{"pjsip.conf": pjsip_conf(phones, **more)}), workers=4)
        return stack.enter_context(daemon)

    def assert_lamp(self, watcher, shows):
        notify = watcher.notify()
        self.assertIsNotNone(notify, f"not told {shows}")
        self.assertIn(f"<basic>{shows}</basic>", notify.body)

    def test_telephones(self):
        with contextlib.ExitStack() as stack:
            phones = [stack.enter_context(Desk(f"p{i}")) for i in range(PHONES)]
            daemon = self.start(stack, phones)
            watcher = stack.enter_context(Phone(daemon.port, "watcher"))
            everybody = {phone.user: "reachable" for phone in phones}
            wait_for("everybody", lambda: statuses(daemon) == everybody)
            self.assertEqual(set(states(daemon).values()), {"NOT_INUSE"})
            self.assertEqual(watcher.subscribe("101", event="presence").status, 200)
            self.assert_lamp(watcher, "open")

            # One is switched off, and on again.
            phones[1].on = False
            self.assert_lamp(watcher, "closed")
            self.assertEqual(states(daemon)["PJSIP/p1"], "UNAVAILABLE")
            self.assertEqual(statuses(daemon), dict(everybody, p1="unreachable"))
            row, = daemon.tool("contacts", "p1")
            self.assertEqual(row["last_status"], 408)
            self.assertIn("unreachable", daemon.tool("contacts", "p1", plain=True))
            text = daemon.tool("explain", "101@users", plain=True)
            self.assertRegex(text, r"Contacts of its devices:\n  ! p1 +sip:p1@127.0.0.1:\d+  static, unreachable \(OPTIONS: 408\) since ")
            self.assertNotIn("p2", text)
            self.assertRegex(text, r"What made it so[^!]*\d  contact +p1 sip:p1@\S+ unreachable")
            phones[1].on = True
            self.assert_lamp(watcher, "open")
            wait_for("it to be heard", lambda: statuses(daemon) == everybody)

            # What a PBX says counts more.
            daemon.set("PJSIP/p1", "INUSE", source="pbx")
            self.assertIsNotNone(watcher.notify())
            phones[1].on = False
            wait_for("it to go", lambda: statuses(daemon)["p1"] == "unreachable")
            self.assertEqual(states(daemon)["PJSIP/p1"], "INUSE")
            daemon.tool("devstate", "forget", "PJSIP/p1", "--source", "pbx")
            self.assert_lamp(watcher, "closed")

            # Another program, and another process: nobody is told what is as it was.
            for again in (lambda: daemon.tool("upgrade"), lambda: (daemon.stop(), daemon.start())):
                again()
                self.assertEqual(states(daemon)["PJSIP/p1"], "UNAVAILABLE")
                wait_for("everybody else", lambda: statuses(daemon) == dict(everybody, p1="unreachable"))
                self.assertIsNone(watcher.notify(0.1))

            counters = daemon.tool("status")[0]["qualify"]
            self.assertEqual((counters["reachable"], counters["unreachable"]), (PHONES - 1, 1))
            self.assertGreater(counters["answered"], 0)

            # A reload by which nobody is asked, and one that takes telephones away.
            daemon.reload(pjsip_conf=pjsip_conf(phones, frequency=0))
            self.assert_lamp(watcher, "open")
            wait_for("peace", lambda: set(statuses(daemon).values()) == {"unqualified"})
            daemon.reload(pjsip_conf=pjsip_conf(phones[:1]))
            wait_for("the first", lambda: statuses(daemon) == {"p0": "reachable"})

    def test_by_its_connection(self):
        """One that is behind a connection is asked by that, whichever worker has accepted it."""
        with contextlib.ExitStack() as stack:
            more = "".join(f"[t{i}]\ntype=endpoint\naors=t{i}\n[t{i}]\ntype=aor\nmax_contacts=1\nqualify_frequency=1\n"
                           for i in range(8))
            daemon = self.start(stack, [], more=more)
            streams = []
            for i in range(8):
                stream = Line(daemon.port)
                stack.callback(stream.close)
                streams.append(stream)
                stream.send(f"REGISTER sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bK{i}\r\n"
                            f"Max-Forwards: 70\r\nFrom: <sip:t{i}@127.0.0.1>;tag=a\r\nTo: <sip:t{i}@127.0.0.1>\r\n"
                            f"Call-ID: register-{i}\r\nCSeq: 1 REGISTER\r\n"
                            f"Contact: <sip:t{i}@192.0.2.{i + 1}:5060;transport=tcp>\r\nExpires: 600\r\n"
                            "Content-Length: 0\r\n\r\n")
                self.assertEqual(stream.response().status, 200)
            for i, stream in enumerate(streams):
                for _ in range(2):
                    asked = stream.request()
                    self.assertEqual(asked.method, "OPTIONS")
                    self.assertIn(f"OPTIONS sip:t{i}@192.0.2.{i + 1}:5060", str(asked))
                    stream.reply(asked)
            wait_for("all of them", lambda: set(statuses(daemon).values()) == {"reachable"})

    def test_from_where_it_registered(self):
        """We have two addresses, and the NAT before the telephone knows the one that it registered at: it is asked from that,
        before a restart and after it. A socket that is connected is such a NAT."""
        with contextlib.ExitStack() as stack:
            text = ("[udp]\ntype=transport\nbind=0.0.0.0:{port}\n[alice]\ntype=endpoint\naors=alice\nrewrite_contact=yes\n"
                    "[alice]\ntype=aor\nmax_contacts=1\nqualify_frequency=1\n")
            daemon = stack.enter_context(Extstated(dict(FILES, **{
                "pjsip.conf": text, "extstate.conf": FILES["extstate.conf"] + "watch_dialogs=yes\n"}), workers=4))
            phone = stack.enter_context(Phone(daemon.port, server_host="127.0.0.2"))
            phone.socket.connect(("127.0.0.2", daemon.port))
            phone.request("REGISTER", f"sip:127.0.0.2:{daemon.port}", [("To", "<sip:alice@127.0.0.2>"), ("Expires", "600"),
                                                                       ("Contact", "<sip:alice@10.0.0.1:5060>")])
            self.assertEqual(phone.response().status, 200)
            for again in (lambda: None, lambda: (daemon.kill(), daemon.start())):
                again()
                methods = set()
                while methods != {"OPTIONS", "SUBSCRIBE"}:
                    message = phone.receive()
                    self.assertIsNotNone(message, f"only {methods} came")
                    methods.add(message.method)
                    self.assertIn("sip:127.0.0.2:", message["From"])
                    phone.reply(message, "200 OK")


if __name__ == "__main__":
    harness.main()
