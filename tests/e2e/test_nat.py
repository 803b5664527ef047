# SPDX-License-Identifier: MIT
"""Behind a NAT: three network namespaces, a router between an office (10.0.0.0/24) and the world (192.0.2.0/24) that hides the
office behind its address, as home routers do. The telephones are in the office and extstated in the world, or the other
way round. Needs root, iproute2 and nftables."""
import contextlib
import ctypes
import os
import re
import socket
import subprocess
import time
import unittest

import harness
from harness import Extstated, Phone, Subscription

CLONE_NEWNET = 0x40000000
ROUTER, OFFICE, OTHER, WORLD = "192.0.2.254", "10.0.0.2", "10.0.0.3", "192.0.2.1"
SIP = 5060  # nobody else is there

RULES = f"""
table ip nat {{
  chain post {{
    type nat hook postrouting priority 100
    oifname "world" masquerade random
  }}
  chain pre {{
    type nat hook prerouting priority -100
    iifname "world" udp dport {SIP} dnat to {OFFICE}
  }}
}}
table ip filter {{
  chain forward {{
    type filter hook forward priority 0
    iifname "world" ct state new ip daddr != {OFFICE} drop
  }}
}}
"""

CONFIG = """
[udp]
type=transport
protocol=udp
bind=%(bind)s
%(more)s
[tcp]
type=transport
protocol=tcp
bind=%(bind)s
%(more)s
[phone](!)
type=endpoint
context=users
%(endpoint)s
[alice](phone)
[carol](phone)
"""


class Networks:
    """The three namespaces; they end with it."""

    def __init__(self):
        self.names = {name: f"extstate-{os.getpid()}-{name}" for name in ("office", "router", "world")}

    def run(self, *words, where=None, **options):
        within = ["ip", "netns", "exec", self.names[where]] if where else []
        subprocess.run([*within, *words], check=True, capture_output=True, text=True, **options)

    def make(self):
        for name in self.names.values():
            self.run("ip", "netns", "add", name)
        for side, host, router in (("office", [OFFICE, OTHER], "10.0.0.1"), ("world", [WORLD], ROUTER)):
            self.run("ip", "link", "add", "eth0", "netns", self.names[side], "type", "veth", "peer", "name", side, "netns",
                     self.names["router"])
            for where, device, addresses in ((side, "eth0", host), ("router", side, [router])):
                for address in addresses:
                    self.run("ip", "address", "add", f"{address}/24", "dev", device, where=where)
                self.run("ip", "link", "set", device, "up", where=where)
                self.run("ip", "link", "set", "lo", "up", where=where)
        self.run("ip", "route", "add", "default", "via", "10.0.0.1", where="office")
        self.run("nft", "-f", "-", where="router", input=RULES)
        self.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; cd /proc/sys/net/netfilter;"
                 "echo 1 >nf_conntrack_udp_timeout; echo 1 >nf_conntrack_udp_timeout_stream", where="router")

    def end(self):
        for name in self.names.values():
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)

    @contextlib.contextmanager
    def inside(self, name):
        """Sockets that this thread makes are there, and stay there."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open("/proc/thread-self/ns/net") as here, open(f"/run/netns/{self.names[name]}") as there:
            if libc.setns(there.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
            try:
                yield
            finally:
                if libc.setns(here.fileno(), CLONE_NEWNET):
                    os.abort()  # what comes next would be in the wrong place


class TcpPhone(Phone):
    """The same over a connection."""

    def __init__(self, server, **more):
        super().__init__(server, **more)
        self.socket.close()
        self.socket = socket.create_connection((self.server_host, server), timeout=harness.PATIENCE)
        self.port = self.socket.getsockname()[1]
        self.bytes = b""

    def send(self, text):
        self.socket.sendall(text.replace("SIP/2.0/UDP", "SIP/2.0/TCP").encode())

    def receive(self, patience=harness.PATIENCE):
        self.socket.settimeout(patience)
        while True:
            head, end, rest = self.bytes.lstrip().partition(b"\r\n\r\n")
            length = re.search(rb"^Content-Length: *(\d+)", head, re.M)
            if end and length and len(rest) >= int(length[1]):
                body, self.bytes = rest[:int(length[1])], rest[int(length[1]):]
                return harness.Message(head + end + body)
            try:
                more = self.socket.recv(65536)
            except TimeoutError:
                return None
            if not more:
                return None
            self.bytes += more

    def reply(self, message, answer):
        lines = [f"SIP/2.0 {answer}"]
        lines += [f"{name}: {value}" for name in ("Via", "From", "To", "Call-ID", "CSeq") for value in message.all(name)]
        self.socket.sendall(("\r\n".join(lines) + "\r\nContent-Length: 0\r\n\r\n").encode())


class Nat(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.networks = Networks()
        cls.addClassCleanup(cls.networks.end)
        try:
            cls.networks.make()
        except (OSError, subprocess.CalledProcessError) as error:
            raise unittest.SkipTest(f"no namespaces here: {error}") from error

    def daemon(self, where, bind, more="", endpoint=""):
        config = CONFIG % {"bind": f"{bind}:{SIP}", "more": more, "endpoint": endpoint}
        daemon = Extstated({"pjsip.conf": config})
        daemon.within = ["nsenter", f"--net=/run/netns/{self.networks.names[where]}"]
        return daemon

    def phone(self, where, host, server_host, kind=Phone, user="alice"):
        with self.networks.inside(where):
            return kind(SIP, user=user, host=host, server_host=server_host)

    def test_phones_in_the_office(self):
        """They are told where they were seen, when that has changed too."""
        with self.daemon("world", WORLD, endpoint="force_rport=yes\nrewrite_contact=yes") as daemon, \
                self.phone("office", OFFICE, WORLD) as phone:
            answer = phone.subscribe("1000")
            self.assertEqual(answer.status, 200)
            self.assertRegex(answer["Via"], rf"received={re.escape(ROUTER)}")
            seen = re.search(r"rport=(\d+)", answer["Via"])[1]
            self.assertNotEqual(seen, str(phone.port))
            self.assertEqual(phone.notify().start, f"NOTIFY sip:alice@{ROUTER}:{seen} SIP/2.0")
            daemon.set("Custom:1000", "INUSE")
            self.assertIn("confirmed", phone.notify().body)
            time.sleep(2.5)  # the router forgets it
            answer = phone.subscribe("1000", dialog=Subscription(answer))
            self.assertEqual(answer.status, 200)
            other = re.search(r"rport=(\d+)", answer["Via"])[1]
            self.assertNotEqual(other, seen)
            self.assertEqual(phone.notify().start, f"NOTIFY sip:alice@{ROUTER}:{other} SIP/2.0")
            daemon.set("Custom:1000", "RINGING")
            self.assertIn("early", phone.notify().body)

    def test_private_contact(self):
        """Asks for no rport, and its Contact may not be rewritten: NOTIFYs name it, but go where it was seen."""
        with self.daemon("world", WORLD, endpoint="rewrite_contact=no") as daemon, self.phone("office", OFFICE, WORLD) as phone:
            via = ("Via", f"SIP/2.0/UDP {OFFICE}:{phone.port};branch=z9hG4bKnat{phone.port}")
            self.assertEqual(phone.subscribe("1000", headers=[via]).status, 200)
            self.assertEqual(phone.notify().start, f"NOTIFY sip:alice@{OFFICE}:{phone.port} SIP/2.0")
            daemon.set("Custom:1000", "INUSE")
            self.assertIn("confirmed", phone.notify().body)

    def test_connection_out_of_the_office(self):
        """Its way back is the connection, whatever Contact says."""
        for endpoint in ("rewrite_contact=yes", "rewrite_contact=no"):
            with self.subTest(endpoint), self.daemon("world", WORLD, endpoint=endpoint) as daemon, \
                    self.phone("office", OFFICE, WORLD, TcpPhone) as phone:
                self.assertEqual(phone.subscribe("1000").status, 200)
                phone.notify()
                time.sleep(1.2)  # longer than the router keeps what is UDP
                daemon.set("Custom:1000", "INUSE")
                self.assertIn("confirmed", phone.notify().body)
                self.assertEqual(daemon.tool("status")[0]["network"]["opened"], 0)

    def test_server_in_the_office(self):
        """The world is told the router's address, the office the server's own."""
        more = f"external_signaling_address={ROUTER}\nexternal_signaling_port={SIP}\nlocal_net=10.0.0.0/24"
        with self.daemon("office", OFFICE, more) as daemon, self.phone("world", WORLD, ROUTER) as away, \
                self.phone("office", OTHER, OFFICE, user="carol") as near:
            for phone, shown in ((away, ROUTER), (near, OFFICE)):
                answer = phone.subscribe("1000")
                self.assertEqual(answer.status, 200)
                self.assertEqual(Subscription(answer).target, f"sip:{shown}:{SIP}")
                first = phone.notify()
                self.assertRegex(first["Via"], rf"^SIP/2\.0/UDP {re.escape(shown)}:{SIP};rport;branch=")
                self.assertEqual(first["Contact"], f"<sip:{shown}:{SIP}>")
                phone.dialog = Subscription(answer)
            daemon.set("Custom:1000", "INUSE")
            for phone in (away, near):
                self.assertIn("confirmed", phone.notify().body)
                self.assertEqual(phone.subscribe("1000", dialog=phone.dialog).status, 200)
                self.assertIn("confirmed", phone.notify().body)


if __name__ == "__main__":
    harness.main()
