# SPDX-License-Identifier: MIT
"""test_nomem.py [every N] - memory runs out in a daemon: at one place of the program after the other the first allocation fails, each in
a process of its own, from the start over subscriptions, publications, connections, commands and a reload to the end. It may refuse to start, and
somebody may have no answer; it never crashes or hangs, keeps what it has said is set, and ends when it is told to. With `every 1` none is left out."""
import contextlib
import functools
import http.client
import multiprocessing
import os
import re
import signal
import socket
import ssl
import sys
import unittest

import harness
from eventsocket import EventSocket
from harness import Extstated, Phone, preload, wait_for
from manager_server import Manager
from test_connections import connect
from test_tls import Authority, client_context
from test_upgrade import late

FILES = {
    "pjsip.conf": harness.DEFAULT_FILES["pjsip.conf"] + """
[tcp]
type=transport
protocol=tcp
bind=127.0.0.1:{port}
[tls]
type=transport
protocol=tls
bind=127.0.0.1:{tls}
cert_file={certificate}
priv_key_file={key}
[carol](phone)
aors=carol
mailboxes=carol@default
mwi_subscribe_replaces_unsolicited=yes
incoming_mwi_mailbox=carol@other
[carol]
type=aor
max_contacts=9
[esc]
type=outbound-publish
server_uri=sip:esc@127.0.0.9:9
event=dialog
multi_user=yes
@body=application/dialog-info+xml
@exten=^1000$
[named]
type=outbound-publish
server_uri=sip:esc@esc.example
event=presence
multi_user=yes
@body=application/pidf+xml
@exten=^1000$
""",
    "extstate.conf": """
[general]
nameservers=127.0.0.9:9
plugin_directory={plugins}
[plugins]
load=snom_lamp
[compositor]
publish=any
[registrar]
enabled=yes
[http]
enabled=yes
bind=127.0.0.1:{http}
tls_cert_file={certificate}
tls_key_file={key}
token=desk, write, desk-0123456789abcdef
[asterisk]
type=source
protocol=ami
host=127.0.0.1
port={asterisk}
username=extstate
secret=s3cret
grace=1s
[freeswitch]
type=source
protocol=esl
host=127.0.0.1
port={freeswitch}
secret=ClueCon
""",
    "manager.conf": """
[general]
enabled=yes
bindaddr=127.0.0.1
port={manager}
[admin]
secret=secret
read=all
write=all
""",
}
SAMPLE = 16
PATIENCE = 0.5
PIDF = ('<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:1001@x"><tuple id="t"><status><basic>open</basic></status>'
        "</tuple></presence>")


TOKEN = "desk-0123456789abcdef"


def browse(port):
    """By HTTP: a stream, a login, states that are asked for and set, an application of ARI's."""
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
        server = http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE, context=client_context())
        bearer = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        login = f'{{"name":"desk","secret":"{TOKEN}"}}'
        change = '{"changes":[{"device":"Custom:1000","state":"RINGING"}]}'
        for method, path, body in (("GET", "/v1/hints", None), ("POST", "/v1/session", login), ("POST", "/v1/changes", change),
                                   ("PUT", "/ari/deviceStates/Stasis:1?deviceState=BUSY", None), ("GET", "/metrics", None),
                                   ("GET", "/", None)):
            server.request(method, path, body, bearer)
            server.getresponse().read()
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain, client_context().wrap_socket(plain) as application:
            application.sendall(f"GET /ari/events?app=one&api_key=desk:{TOKEN} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
            application.recv(4096)
            server.request("POST", "/ari/applications/one/subscription?eventSource=deviceState:Custom:1000", None, bearer)
            server.getresponse().read()
        server.request("GET", "/v1/events", headers=bearer)
        server.getresponse().readline()
        server.close()


ACTIONS = ["PJSIPShowEndpoints", "PJSIPShowContacts", "Setvar\r\nVariable: LAMP\r\nValue: 1", "Getvar\r\nVariable: LAMP",
           *(f"Command\r\nCommand: {command}" for command in ("pjsip set history on", "pjsip show history", "core show hints", "pjsip show aors")),
           "Logoff"]


def manage(port, *actions):
    """By the manager interface, until that ends."""
    actions = ["Login\r\nUsername: admin\r\nSecret: secret", *actions]
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
        client.sendall("".join(f"Action: {action}\r\n\r\n" for action in actions).encode())
        while client.recv(65536):
            pass


def restart(daemon, port):
    """Into the same program, unless it says that it does not: a signal that comes while one gives way to the other ends it at once."""
    before = len(daemon.log())
    manage(port, "Command\r\nCommand: core restart now")

    def is_over():
        said = daemon.log()[before:]
        return daemon.process.poll() is not None or "ami.restart" not in said or re.search("^ready$|upgrade_(refused|failed)", said, re.M)

    with contextlib.suppress(AssertionError):
        wait_for("one or the other", is_over)


def encrypt(port, message):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain:
        with client_context().wrap_socket(plain) as client:
            client.sendall(message.encode())
            client.recv(4096)


def register(daemon):
    """A telephone that is told its mailbox, another server that says what is in one, and connections one of which is another worker's."""
    uri = f"sip:carol@127.0.0.1:{daemon.port}"
    with Phone(daemon.port, "carol") as phone, contextlib.suppress(AssertionError):
        phone.request("REGISTER", f"sip:127.0.0.1:{daemon.port}", [("To", f"<{uri}>"), ("Expires", "600")])
        phone.response(PATIENCE)
        phone.subscribe("carol", event="message-summary")
        phone.request("NOTIFY", uri, [("Event", "message-summary"), ("Subscription-State", "active"),
                                      ("Content-Type", "application/simple-message-summary")], "Messages-Waiting: yes\r\nVoice-Message: 2/1\r\n")
        phone.response(PATIENCE)
    with contextlib.ExitStack() as stack, contextlib.suppress(OSError, AttributeError, TypeError):
        streams = [stack.enter_context(contextlib.closing(connect(daemon.port))) for _ in range(4)]
        to = f"<sip:1000@127.0.0.1:{daemon.port}>"
        for cseq, stream in enumerate(streams, 1):
            stream.send(f"SUBSCRIBE sip:1000@127.0.0.1:{daemon.port} SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;rport;branch=z9hG4bKmany{cseq}\r\n"
                        f"From: <sip:alice@127.0.0.1>;tag=many\r\nTo: {to}\r\nCall-ID: many\r\nCSeq: {cseq} SUBSCRIBE\r\nEvent: dialog\r\n"
                        f"Contact: <sip:alice@127.0.0.1:9;transport=tcp>\r\nContent-Length: 0\r\n\r\n")
            to = stream.receive(PATIENCE)["To"]


def done(daemon, *words):
    """What a command answers, or None."""
    with contextlib.suppress(AssertionError):
        return daemon.tool(*words)
    return None


def live(daemon, ports):
    """What a daemon does in its life. Whatever of it does not work is left. False: a state that was acknowledged is not there at its end."""
    uri = f"sip:1001@127.0.0.1:{daemon.port}"
    with Phone(daemon.port) as phone:
        with contextlib.suppress(AssertionError):
            phone.request("SUBSCRIBE", f"sip:1000@127.0.0.1:{daemon.port}", [("Event", "dialog"), ("Expires", "600")])
            phone.response(PATIENCE)
            phone.notify(PATIENCE)
        with contextlib.suppress(AssertionError):
            phone.request("PUBLISH", uri, [("Event", "presence"), ("Content-Type", "application/pidf+xml")], PIDF)
            phone.response(PATIENCE)
        with contextlib.suppress(OSError, AttributeError):
            with contextlib.closing(connect(daemon.port)) as stream:
                stream.send(phone.last.replace("z9hG4bK", "z9hG4bKt").replace("UDP", "TCP"))
                stream.receive(PATIENCE)
        encrypt(ports["tls"], phone.last.replace("z9hG4bK", "z9hG4bKs").replace("UDP", "TLS"))
        register(daemon)
        browse(ports["http"])
        manage(ports["manager"], *ACTIONS)
        acknowledged = done(daemon, "devstate", "change", "Custom:1000", "INUSE") is not None
        for words in (("status",), ("trace", "127.0.0.1"), ("reload",), ("subscriptions",),
                      ("verify",), ("upgrade",), ("contacts",)):
            daemon.tool(*words, status=None, plain=True)
        phone.notify(PATIENCE)
        restart(daemon, ports["manager"])
        rows = done(daemon, "devstate", "list", "Custom:1000")  # by the program that has begun
        return not acknowledged or rows is None or [row["state"] for row in rows] == ["INUSE"]


def give_way(daemon, _ports):
    done(daemon, "upgrade")
    done(daemon, "status")
    return True


def go_back(daemon, _ports):
    """A program that could start, as it said, and then does not: the former one serves again."""
    done(daemon, "upgrade", "--binary", late(daemon, "--log-file", "/proc/none"))
    done(daemon, "status")
    return True


def run(certificate, life=live, **how):
    """A daemon's life: its exit status, negative being the signal that ended it, whether it kept its word, and what it said."""
    with Manager(devices={"PJSIP/alice": "INUSE"}) as asterisk, EventSocket() as freeswitch:
        ports = {name: harness.free_port() for name in ("http", "manager", "tls")}
        values = {**ports, "asterisk": asterisk.port, "freeswitch": freeswitch.port, "certificate": certificate[0], "key": certificate[1],
                  "plugins": harness.BUILD / "plugins"}
        files = {name: re.sub(r"{(\w+)}", lambda m: str(values.get(m[1], m[0])), text) for name, text in FILES.items()}
        daemon = Extstated(files, arguments=["--set", "general.stop_grace=0"], environment={"LD_PRELOAD": preload("nomem"), **how})
        kept = True
        try:
            with contextlib.suppress(AssertionError):
                daemon.start()
            if daemon.process.poll() is None:
                kept = life(daemon, ports)
                daemon.process.send_signal(signal.SIGTERM)
            daemon.process.wait(harness.PATIENCE)
            return daemon.process.returncode, kept, daemon.log()
        finally:
            daemon.end()


def run_without(certificate, life, place):
    return run(certificate, life, NOMEM_AT=place)


class NoMemory(unittest.TestCase):
    every = None

    @classmethod
    def setUpClass(cls):
        authority = Authority()
        cls.addClassCleanup(authority.end)
        cls.certificate = authority.make("server", "DNS:one.example")

    def places(self, life, begin, end):
        """Those that are come to first between two lines of the log."""
        status, kept, log = run(self.certificate, life, NOMEM_PLACES="1")
        self.assertEqual((status, kept), (0, True))
        before, _, log = log.partition(begin) if begin else ("", "", log)
        found = set(re.findall(r"^place ([0-9a-f]+)$", log.partition(end)[0], re.M)) - set(re.findall(r"^place ([0-9a-f]+)$", before, re.M))
        if not found:
            self.skipTest("a sanitizer has memory of its own")
        return sorted(found)

    def check(self, life, places, processes):
        """How many failed: threads do not always come to all."""
        failed = 0
        # A process keeps the ports it was given.
        with multiprocessing.Pool(processes, maxtasksperchild=50) as pool:
            for place, (status, kept, log) in zip(places, pool.imap(functools.partial(run_without, self.certificate, life), places)):
                failed += "no memory at" in log
                with self.subTest(place=place):
                    self.assertGreaterEqual(status, 0, log[-3000:])
                    self.assertTrue(kept, log[-3000:])
        print(f"{failed} of {len(places)} places failed")

    def check_some(self, life, places):
        """Where every place counts they take turns to wait."""
        self.check(life, places[::self.every or max(1, len(places) // SAMPLE)], 2 * os.cpu_count() if self.every else 1)

    def test_each(self):
        places = self.places(live, "", "\0")
        self.assertGreater(len(places), 200)
        self.check_some(live, places)

    def test_giving_way(self):
        """From the question whether the next program could start to its answer."""
        self.check_some(give_way, self.places(give_way, "daemon.ready", "daemon.giving_way"))

    def test_going_back(self):
        """From the start of a program that fails to that of the former one."""
        self.check_some(go_back, self.places(go_back, "daemon.gives_way", "daemon.took_over"))


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "every":
        NoMemory.every = int(sys.argv[2])
        del sys.argv[1:]
    harness.main()
