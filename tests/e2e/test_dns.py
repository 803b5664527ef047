# SPDX-License-Identifier: MIT
"""Compositors and telephones that are called by a name: a name server of our own, and who is found by it."""
import os
import pathlib
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

import harness
from harness import DEFAULT_FILES, Extstated, Phone, wait_for
from test_connections import Stream, StreamPhone, listen

SYSTEM = "[system]\ntype=system\ntimer_t1=100\ntimer_b=6400\n"


def section(uri, name="esc", more=""):
    return (f"[{name}]\ntype=outbound-publish\nserver_uri={uri}\nevent=dialog\nmulti_user=yes\n"
            f"@body=application/dialog-info+xml\n@exten=^1000$\n{more}")


class NameServer:
    """dnsmasq on a port of its own; what it knows is options, and a file of hosts."""

    def __init__(self, *options, address="127.0.0.1", port=None):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="extstate-dns-"))
        self.options = options
        self.address, self.port = address, port or harness.free_port()
        self.hosts("")

    def hosts(self, text):
        (self.directory / "hosts").write_text(text)

    def __enter__(self):
        log = (self.directory / "log").open("wb")
        self.process = subprocess.Popen(
            ["/usr/sbin/dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", f"--port={self.port}", "--no-resolv",
             "--no-hosts", f"--listen-address={self.address}", "--bind-interfaces", "--pid-file", "--user=", "--group=", "--local=/test/",
             f"--addn-hosts={self.directory}/hosts", "--local-ttl=1", "--log-queries", "--log-facility=-", *self.options],
            stderr=log, stdin=subprocess.DEVNULL)
        log.close()
        wait_for("the name server", lambda: "started" in self.log())
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.directory)

    def log(self):
        return (self.directory / "log").read_text()

    def change(self, text):
        self.hosts(text)
        before = self.log().count("read ")
        os.kill(self.process.pid, signal.SIGHUP)
        wait_for("the new hosts", lambda: self.log().count("read ") > before)

    def files(self, *sections):
        return {"pjsip.conf": DEFAULT_FILES["pjsip.conf"] + SYSTEM + "".join(sections),
                "extstate.conf": DEFAULT_FILES.get("extstate.conf", "") + f"[general]\nnameservers=127.0.0.1:{self.port}\n"}


def accept(esc, tag="a"):
    publish = esc.receive()
    assert publish and publish.method == "PUBLISH", publish
    esc.reply(publish, f"200 OK\r\nSIP-ETag: {tag}\r\nExpires: 600")
    return publish


@unittest.skipUnless(os.geteuid() == 0, "what the system asks is changed in a namespace, which takes root")
class Match(unittest.TestCase):
    """Names in `match` of identify sections, which the system looks up: it asks a name server of ours here."""

    def test_servers(self):
        """Of a domain its servers, for each of the three services; its own address where it has none, or is not asked for them."""
        answers = ["--srv-host=_sip._udp.pbx.test,h1.test,5062", "--srv-host=_sip._tcp.pbx.test,h2.test,5060",
                   "--srv-host=_sips._tcp.pbx.test,h3.test,5061", "--srv-host=_sip._udp.bare.test",
                   "--host-record=pbx.test,127.0.1.9", "--host-record=bare.test,127.0.1.5"]
        answers += [f"--host-record=h{n}.test,127.0.1.{n}" for n in (1, 2, 3)]
        sections = "".join(f"[{name}](phone)\n[{name}]\ntype=identify\nendpoint={name}\n{more}\n" for name, more in (
            ("domain", "match=pbx.test"), ("own", "match=pbx.test\nsrv_lookups=no"), ("bare", "match=bare.test")))
        pjsip = DEFAULT_FILES["pjsip.conf"].replace("bind=127.0.0.1", "bind=0.0.0.0") + sections
        with NameServer(*answers, address="127.0.0.153", port=53), tempfile.TemporaryDirectory() as directory:
            conf = pathlib.Path(directory, "resolv.conf")
            conf.write_text("nameserver 127.0.0.153\n")
            daemon = Extstated({"pjsip.conf": pjsip})
            daemon.within = ["unshare", "--mount", "sh", "-c", f'mount --bind {conf} /etc/resolv.conf && exec "$@"', "sh"]
            with daemon:
                for host, name in (("127.0.1.1", "domain"), ("127.0.1.2", "domain"), ("127.0.1.3", "domain"), ("127.0.1.9", "own"),
                                   ("127.0.1.5", "bare")):
                    with Phone(daemon.port, "nobody", host=host) as phone:
                        answer = phone.subscribe("1000")
                        self.assertEqual(answer.status, 200, host)
                        phone.notify()
                        found = [row["endpoint"] for row in daemon.tool("subscriptions") if row["call_id"] == answer["Call-ID"]]
                        self.assertEqual(found, [name])
                self.assertNotIn("cannot be looked up", daemon.log())


class Dns(unittest.TestCase):
    def remote(self, daemon, phone):
        wait_for("the server", lambda: f"udp 127.0.0.1:{phone.port}" in [row["remote"] for row in daemon.tool("publications")])

    def test_services(self):
        """By NAPTR to SRV; of one priority the one with the weight; when nobody answers there the next priority."""
        with Phone(server=None) as dead, Phone(server=None) as light, Phone(server=None) as esc:
            with NameServer("--naptr-record=esc.test,10,1,S,SIP+D2X,,no.test", "--naptr-record=esc.test,20,1,S,SIP+D2U,,_udp.esc.test",
                            f"--srv-host=_udp.esc.test,h.test,{dead.port},1,65000", f"--srv-host=_udp.esc.test,h.test,{esc.port},2,65000",
                            f"--srv-host=_udp.esc.test,h.test,{light.port},2,0", "--host-record=h.test,127.0.0.1") as server:
                with Extstated(server.files(section("sip:esc.test"))) as daemon:
                    self.assertEqual(dead.receive().method, "PUBLISH")
                    accept(esc)
                    self.remote(daemon, esc)
                    daemon.set("Custom:1000", "INUSE")
                    self.assertIn("confirmed", accept(esc, "b").body)  # it goes on where it was answered
                    daemon.stop()

    def test_unavailable(self):
        """503 is one more reason; and an explicit port is asked for addresses alone, IPv6 before IPv4."""
        with Phone(server=None) as busy, Phone(server=None) as esc:
            with NameServer(f"--srv-host=_sip._udp.esc.test,h.test,{busy.port},1,0", f"--srv-host=_sip._udp.esc.test,h.test,{esc.port},2,0",
                            "--host-record=h.test,127.0.0.1", "--host-record=both.test,127.0.0.1,::1") as server:
                files = server.files(section("sip:esc.test"), section(f"sip:both.test:{esc.port}", "both"))
                with Extstated(files) as daemon:
                    busy.reply(busy.receive(), "503 Service Unavailable")
                    for _ in range(2):  # `both` is reached by IPv4: there is no other transport
                        accept(esc)
                    self.remote(daemon, esc)
                    self.assertIn("publish.server_moved", daemon.log())
                    daemon.stop()

    def test_another_address(self):
        """When the lifetime of an answer is over it is asked again, and whoever is there now is told."""
        with Phone(server=None) as first, NameServer() as server, Phone(server=None) as second:
            second.socket.close()
            second.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            second.socket.bind(("127.0.0.2", first.port))
            server.change("127.0.0.1 esc.test\n")
            with Extstated(server.files(section(f"sip:esc.test:{first.port}"))) as daemon:
                accept(first)
                server.change("127.0.0.2 esc.test\n")
                time.sleep(1.1)  # its lifetime
                daemon.set("Custom:1000", "INUSE")  # asks, while it goes where it is used to go
                self.assertIn("confirmed", accept(second).body)
                daemon.stop()

    def test_other_name_servers(self):
        """A reload names others: what the former ones have not answered is asked again there."""
        with Phone(server=None) as silent, Phone(server=None) as esc, NameServer("--host-record=esc.test,127.0.0.1") as server:
            files = server.files(section(f"sip:esc.test:{esc.port}"))
            with Extstated(dict(files, **{"extstate.conf": f"[general]\nnameservers=127.0.0.1:{silent.port}\n"})) as daemon:
                self.assertTrue(select.select([silent.socket], [], [], harness.PATIENCE)[0])
                daemon.reload(extstate_conf=files["extstate.conf"])
                accept(esc)
                daemon.stop()

    def test_no_such_name(self):
        """What was asked and what was answered, once."""
        with NameServer() as server, Extstated(server.files(section("sip:no.test"))) as daemon:
            why = ("NAPTR no.test: no such name; SRV _sip._udp.no.test: no such name; AAAA no.test: no such name; "
                   "A no.test: no such name")
            wait_for("the log", lambda: why in daemon.log())
            wait_for("a second try", lambda: server.log().count("query[A] no.test") > 1)
            self.assertEqual(daemon.log().count("publish.no_address"), 1)
            self.assertEqual(daemon.tool("publications")[0]["last_reason"], why)


class Subscribers(unittest.TestCase):
    """NOTIFYs whose next hop is a name."""

    def subscribe(self, phone, *headers):
        self.assertEqual(phone.subscribe("1000", headers=headers).status, 200)

    def notify(self, phone, answer="200 OK"):
        notify = phone.receive()
        self.assertIsNotNone(notify)
        self.assertEqual(notify.method, "NOTIFY")
        phone.reply(notify, answer)
        return notify

    def test_contact(self):
        """It is told where it came from as long as it answers there; then where its name leads, the next one after a 503 or silence."""
        with Phone(server=None) as phone, Phone(server=None) as busy, Phone(server=None) as dead, Phone(server=None) as other:
            with NameServer(*(f"--srv-host=_sip._udp.phone.test,h.test,{p.port},{i},0" for i, p in enumerate((busy, dead, other))),
                            "--host-record=h.test,127.0.0.1") as server, Extstated(server.files()) as daemon:
                phone.server = daemon.port
                self.subscribe(phone, ("Contact", "<sip:alice@phone.test>"))
                self.notify(phone)
                daemon.set("Custom:1000", "INUSE")
                self.notify(phone)
                self.assertNotIn("phone.test", server.log())
                daemon.set("Custom:1000", "NOT_INUSE")
                phone.receive()  # and is not there any more
                self.notify(busy, "503 Service Unavailable")
                self.assertIsNotNone(dead.receive())
                notify = self.notify(other)
                self.assertEqual(notify.start, "NOTIFY sip:alice@phone.test SIP/2.0")
                self.assertIn("terminated", notify.body)
                daemon.set("Custom:1000", "INUSE")
                self.assertIn("confirmed", self.notify(other).body)  # it stays there
                self.assertEqual(daemon.tool("status")[0]["notifier"]["subscriptions"], 1)
                daemon.stop()

    def test_no_name(self):
        """Who is neither where it came from nor has an address is given up, as before."""
        with Phone(server=None) as phone, NameServer() as server, Extstated(server.files()) as daemon:
            phone.server = daemon.port
            self.subscribe(phone, ("Contact", "<sip:alice@no.test>"))
            phone.receive()
            wait_for("the end", lambda: "subscription.dropped" in daemon.log())
            self.assertIn("dialog.no_address", daemon.log())
            self.assertIn("no such name", daemon.log())
            daemon.stop()

    def test_end_while_asking(self):
        """The name server does not answer, the subscriber does, and ends it."""
        with Phone(server=None) as silent, Phone(server=None) as phone:
            files = {"pjsip.conf": DEFAULT_FILES["pjsip.conf"] + SYSTEM,
                     "extstate.conf": DEFAULT_FILES.get("extstate.conf", "") + f"[general]\nnameservers=127.0.0.1:{silent.port}\n"}
            with Extstated(files) as daemon:
                phone.server = daemon.port
                route = ("Record-Route", "<sip:proxy.test;lr>")
                answer = phone.subscribe("1000", headers=[route])
                self.assertEqual(answer.status, 200)
                self.assertTrue(select.select([silent.socket], [], [], harness.PATIENCE)[0])
                dialog = harness.Subscription(answer)
                self.assertEqual(phone.subscribe("1000", expires=0, dialog=dialog, headers=[route]).status, 200)
                phone.early = []
                wait_for("the last NOTIFY", lambda: "terminated" in self.notify(phone)["Subscription-State"])
                wait_for("the end", lambda: daemon.tool("status")[0]["notifier"]["subscriptions"] == 0)
                daemon.stop()

    def test_connection(self):
        """Its connection has ended: one is opened to where its Contact's name leads, or the subscription ends."""
        with NameServer("--host-record=phone.test,127.0.0.1") as server:
            files = server.files("[tcp]\ntype=transport\nprotocol=tcp\nbind=127.0.0.1:{port}\n")
            with Extstated(files) as daemon:
                listening, port = listen()
                phone = StreamPhone(daemon.port, port, host="phone.test")
                gone = StreamPhone(daemon.port, port, host="no.test")
                for each in (phone, gone):
                    self.assertEqual(each.subscribe().status, 200)
                    each.notify()
                    each.stream.close()
                wait_for("their end", lambda: daemon.tool("status")[0]["network"]["connections"] == 0)
                daemon.set("Custom:1000", "INUSE")
                stream = Stream(listening.accept()[0])
                notify = phone.notify(stream)
                self.assertEqual(notify.start, f"NOTIFY sip:alice@phone.test:{port};transport=tcp SIP/2.0")
                self.assertIn("confirmed", notify.body)
                daemon.set("Custom:1000", "NOT_INUSE")
                self.assertIn("terminated", phone.notify(stream).body)
                wait_for("the other one's end", lambda: daemon.tool("status")[0]["notifier"]["subscriptions"] == 1)
                self.assertIn("dialog.no_address", daemon.log())
                stream.close()
                listening.close()
                daemon.stop()

    def test_route(self):
        """A proxy need not listen where it sends from; if it does, it is that one of its addresses."""
        with Phone(server=None) as sends, Phone(server=None) as listens:
            with NameServer(f"--srv-host=_sip._udp.apart.test,h.test,{listens.port},0,0",
                            f"--srv-host=_sip._udp.pair.test,h.test,{listens.port},0,0",
                            f"--srv-host=_sip._udp.pair.test,h.test,{sends.port},1,0",
                            "--host-record=h.test,127.0.0.1") as server, Extstated(server.files()) as daemon:
                sends.server = daemon.port
                for name, told in (("apart", listens), ("pair", sends), ("no", sends)):
                    self.subscribe(sends, ("Record-Route", f"<sip:{name}.test;lr>"))
                    notify = self.notify(told)
                    self.assertEqual(notify.start, f"NOTIFY sip:alice@127.0.0.1:{sends.port} SIP/2.0")
                    self.assertEqual(notify["Route"], f"<sip:{name}.test;lr>")
                daemon.stop()


if __name__ == "__main__":
    harness.main()
