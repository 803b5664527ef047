# SPDX-License-Identifier: MIT
"""What a reload does to sockets: transports that are added, moved, renamed and removed while others are in use."""
import socket
import unittest

import harness
from harness import BUILD, DEFAULT_FILES, Extstated, Phone, Subscription, free_port, wait_for
from test_connections import StreamPhone

QUIET = 0.2  # seconds in which nothing comes
HINT = "[users]\nexten => 1000,hint,Custom:1000(Alice Smith)\n"


def transport(name, bind, more=""):
    return f"[{name}]\ntype=transport\nprotocol=udp\nbind={bind}\n{more}"


def pjsip(*transports, more=""):
    endpoints = DEFAULT_FILES["pjsip.conf"].split("[phone](!)")[1]
    return "".join(transports) + "[phone](!)" + endpoints + more


class Transports(unittest.TestCase):
    def listeners(self, daemon):
        return [(row["transport"], row["address"]) for row in daemon.tool("status")[0]["listeners"]]

    def test_added(self):
        with Extstated() as daemon, Phone(daemon.port) as phone, Phone(free_port()) as other:
            phone.subscribe("1000")
            phone.notify()
            first = transport("udp", f"127.0.0.1:{daemon.port}")
            daemon.reload(pjsip_conf=pjsip(first, transport("second", f"127.0.0.1:{other.server}")))
            self.assertEqual(other.subscribe("1000").status, 200)
            other.notify()
            self.assertIsNone(phone.notify(QUIET))
            daemon.set("Custom:1000", "INUSE")
            self.assertEqual([p.notify().peer[1] for p in (phone, other)], [daemon.port, other.server])

    def test_moved(self):
        """Subscribers, and those to whom we publish, are told from where we are now."""
        new = free_port()
        with Phone(server=None) as esc:
            publish = f"""
[esc]
type=outbound-publish
server_uri=sip:127.0.0.1:{esc.port}
event=dialog
multi_user=yes
@exten=^1000$
@body=application/dialog-info+xml
"""
            with Extstated({"pjsip.conf": DEFAULT_FILES["pjsip.conf"] + publish}) as daemon, Phone(daemon.port) as phone:
                dialog = Subscription(phone.subscribe("1000"))
                phone.notify()
                request = esc.receive()
                self.assertEqual((request.method, request.peer[1]), ("PUBLISH", daemon.port))
                esc.reply(request, "200 OK\r\nSIP-ETag: 1\r\nExpires: 600")
                wait_for("the tag", lambda: daemon.tool("publications")[0]["entity_tag"] == "1")
                daemon.reload(pjsip_conf=pjsip(transport("udp", f"127.0.0.1:{new}"), more=publish))
                self.assertEqual(self.listeners(daemon), [("udp", f"127.0.0.1:{new}")])
                moved = phone.notify()
                self.assertEqual((moved.peer[1], moved["Contact"]), (new, f"<sip:127.0.0.1:{new}>"))
                daemon.set("Custom:1000", "INUSE")
                self.assertEqual(phone.notify().peer[1], new)
                request = esc.receive()
                self.assertEqual((request["SIP-If-Match"], request.peer[1]), ("1", new))
                esc.reply(request, "200 OK\r\nSIP-ETag: 2\r\nExpires: 600")
                phone.server = new
                dialog.target = moved["Contact"].strip("<>")
                self.assertEqual(phone.subscribe("1000", dialog=dialog).status, 200)
                self.assertEqual(phone.notify().peer[1], new)
                phone.server = daemon.port  # what was on its way there is still answered
                self.assertEqual(phone.subscribe("1000", dialog=dialog).status, 200)
                self.assertEqual(phone.notify().peer[1], new)
                self.assertEqual(len(daemon.tool("subscriptions")), 1)

    def test_connections_come_back(self):
        """To an address that was given up a moment ago, and to one within another: none meets the transport that ends."""
        with Extstated() as daemon:
            udp = transport("udp", f"127.0.0.1:{daemon.port}")
            for address in ("127.0.0.1", None, "127.0.0.1", "0.0.0.0", "127.0.0.1"):
                tcp = transport("tcp", f"{address}:{daemon.port}").replace("=udp", "=tcp") if address else ""
                daemon.reload(pjsip_conf=pjsip(udp, tcp))
                for _ in range(12 if address else 0):
                    phone = StreamPhone(daemon.port, 9)
                    self.assertEqual(phone.subscribe().status, 200)
                    phone.stream.close()

    def test_same_address(self):
        """Another name, other options: the sockets stay, and nobody is told anything."""
        with Extstated() as daemon, Phone(daemon.port) as phone:
            phone.subscribe("1000")
            phone.notify()
            daemon.reload(pjsip_conf=pjsip(transport("renamed", f"127.0.0.1:{daemon.port}", "tos=cs3\n")))
            self.assertEqual(self.listeners(daemon), [("renamed", f"127.0.0.1:{daemon.port}")])
            self.assertIsNone(phone.notify(QUIET))
            daemon.set("Custom:1000", "INUSE")
            self.assertEqual(phone.notify().peer[1], daemon.port)

    def test_stays(self):
        """With allow_reload = no a transport is where it was until it may move."""
        new = free_port()
        with Extstated() as daemon, Phone(daemon.port) as phone:
            phone.subscribe("1000")
            phone.notify()
            daemon.write("pjsip.conf", pjsip(transport("udp", f"127.0.0.1:{new}", "allow_reload=no\n")))
            told = "pjsip.conf:5: warning: transport [udp] goes on as it is, as allow_reload = no asks"
            dry = daemon.tool("reload", "--dry-run", plain=True)
            self.assertIn(told, dry)
            self.assertIn(told, daemon.tool("reload", plain=True))
            self.assertEqual(self.listeners(daemon), [("udp", f"127.0.0.1:{daemon.port}")])
            self.assertIsNone(phone.notify(QUIET))
            daemon.reload(pjsip_conf=pjsip(transport("udp", f"127.0.0.1:{new}", "allow_reload=yes\n")))
            self.assertEqual(phone.notify().peer[1], new)
            self.assertEqual(self.listeners(daemon), [("udp", f"127.0.0.1:{new}")])

    def test_wider_and_narrower(self):
        """The same port with and without the address: one of ours is no obstacle to another."""
        for workers in (1, 2):
            with self.subTest(workers), Extstated(workers=workers) as daemon, Phone(daemon.port) as phone:
                phone.subscribe("1000")
                phone.notify()
                for address in ("0.0.0.0", "127.0.0.1", "0.0.0.0"):
                    daemon.reload(pjsip_conf=pjsip(transport("udp", f"{address}:{daemon.port}")))
                    self.assertEqual(phone.notify().peer, ("127.0.0.1", daemon.port))

    def test_taken(self):
        """What cannot be had leaves everything as it was, and is had by the next reload that finds it free."""
        with Extstated() as daemon, Phone(daemon.port) as phone:
            phone.subscribe("1000")
            phone.notify()
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
                taken.bind(("127.0.0.1", free_port()))
                new = taken.getsockname()[1]
                daemon.write("pjsip.conf", pjsip(transport("udp", f"127.0.0.1:{new}"), transport("more", f"127.0.0.1:{new}")))
                text = daemon.tool("reload", status=1, plain=True)
                self.assertIn(f"pjsip.conf:4: error: bind = 127.0.0.1:{new}: Address already in use; what was loaded before "
                              "goes on", text)
                self.assertIn(f"pjsip.conf:8: error: bind = 127.0.0.1:{new}: Address already in use; nothing listens there",
                              text)
                self.assertEqual(self.listeners(daemon), [("udp", f"127.0.0.1:{daemon.port}")])
                self.assertIsNone(phone.notify(QUIET))
            text = daemon.tool("reload", status=1, plain=True)
            self.assertNotIn("pjsip.conf:4: error", text)
            self.assertEqual(self.listeners(daemon), [("udp", f"127.0.0.1:{new}")])
            self.assertEqual(phone.notify().peer[1], new)

    def test_refused_reload_opens_nothing(self):
        with Extstated() as daemon:
            new = free_port()
            daemon.write("pjsip.conf", pjsip(transport("udp", f"127.0.0.1:{new}"), more="[broken\n"))
            self.assertIn("nothing has changed", daemon.tool("reload", status=1, plain=True))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
                free.bind(("127.0.0.1", new))

    def test_removed(self):
        """Without another transport the subscribers are sent away, and the log says why."""
        with Extstated() as daemon, Phone(daemon.port) as phone:
            phone.subscribe("1000")
            phone.notify()
            daemon.reload(pjsip_conf=pjsip())
            last = phone.notify()
            self.assertEqual(last["Subscription-State"], "terminated;reason=deactivated")
            self.assertIn("dialog.stranded", daemon.log())
            self.assertEqual(self.listeners(daemon), [])
            daemon.reload(pjsip_conf=pjsip(transport("udp", f"127.0.0.1:{daemon.port}")))
            self.assertEqual(phone.subscribe("1000").status, 200)
            phone.notify()


class Plugins(unittest.TestCase):
    def setUp(self):
        self.empty = f"[general]\nplugin_directory={BUILD / 'plugins'}\n"
        self.loaded = self.empty + "[plugins]\nload=snom_lamp\n[snom_lamp]\nmax_length=5\n"

    def mapped(self, daemon):
        with open(f"/proc/{daemon.process.pid}/maps", encoding="utf-8") as maps:
            return "snom_lamp.so" in maps.read()

    def test_loaded_changed_and_removed(self):
        """Whose body it changes is told, nobody else; what is gone is not even mapped any more."""
        with Extstated({"extensions.conf": HINT, "extstate.conf": self.empty}) as daemon, \
             Phone(daemon.port) as snom, Phone(daemon.port) as other:
            daemon.set("Custom:1000", "INUSE")
            for phone, agent in ((snom, "snomD785/10.1"), (other, "Yealink T54W")):
                phone.subscribe("1000", headers=[("User-Agent", agent)])
                self.assertNotIn("display=", phone.notify().body)
            daemon.write("extstate.conf", self.loaded)
            self.assertEqual(daemon.tool("reload", "--dry-run", plain=True), "plugin snom_lamp added\n")
            self.assertFalse(self.mapped(daemon))
            daemon.reload()
            self.assertIn('display="Alice"', snom.notify().body)
            self.assertEqual(daemon.tool("reload", "--dry-run", plain=True), "nothing would change\n")
            daemon.write("extstate.conf", self.loaded.replace("=5", "=3"))
            self.assertEqual(daemon.tool("reload", "--dry-run", plain=True), "plugin snom_lamp changed\n")
            daemon.reload()
            self.assertIn('display="Ali"', snom.notify().body)
            self.assertIn("snom_lamp", [row["plugin"] for row in daemon.tool("status")[0]["bodies"]])
            self.assertTrue(self.mapped(daemon))
            daemon.write("extstate.conf", self.empty)
            self.assertEqual(daemon.tool("reload", "--dry-run", plain=True), "plugin snom_lamp removed\n")
            daemon.reload()
            self.assertNotIn("display=", snom.notify().body)
            wait_for("its end", lambda: not self.mapped(daemon))
            self.assertIsNone(other.notify(QUIET))

    def test_one_that_cannot_be_loaded(self):
        """The plugins stay as they are, and are tried again."""
        with Extstated({"extensions.conf": HINT, "extstate.conf": self.loaded}) as daemon, Phone(daemon.port) as phone:
            daemon.set("Custom:1000", "INUSE")
            phone.subscribe("1000", headers=[("User-Agent", "snomD785/10.1")])
            phone.notify()
            daemon.write("extstate.conf", self.loaded.replace("=5", "=many").replace("load=", "load=missing\nload="))
            for words in (["reload", "--dry-run"], ["reload"], ["reload"]):
                text = daemon.tool(*words, status=1, plain=True)
                self.assertIn("plugin missing cannot be loaded: there is no file", text)
                self.assertIn("plugin snom_lamp cannot be loaded: option max_length is 'many'", text)
                self.assertIn("[plugins] goes on as it was before the reload", text)
                self.assertNotIn("plugin missing added", text)
            daemon.set("Custom:1000", "RINGING")
            self.assertIn('display="Alice"', phone.notify().body)
            daemon.write("extstate.conf", self.loaded)
            self.assertEqual(daemon.tool("reload", plain=True), "reloaded\n")
            self.assertIsNone(phone.notify(QUIET))


class DryRun(unittest.TestCase):
    def test_words(self):
        """What would change, in words; nothing does."""
        publish = """
[esc]
type=outbound-publish
server_uri=sip:127.0.0.1:9
event=dialog
multi_user=yes
@context=^users$
@exten=^100
@body=application/dialog-info+xml
"""
        with Extstated() as daemon, Phone(daemon.port) as phone:
            phone.subscribe("1000")
            phone.notify()
            self.assertEqual(daemon.tool("reload", "--dry-run", plain=True), "nothing would change\n")
            new = free_port()
            text = pjsip(transport("udp", f"127.0.0.1:{new}"), more="[carol](phone)\n[alice](+)\nsub_min_expiry=70\n" + publish)
            daemon.write("pjsip.conf", text)
            daemon.write("extensions.conf", """
[users]
exten => 1000,hint,Custom:1000&Custom:more
exten => 1002,hint,Custom:1002
exten => _2XXX,hint,Custom:${EXTEN}
""")
            expected = ["transport udp changed: bind", "endpoint carol added", "endpoint alice changed: sub_min_expiry",
                        "outbound-publish esc added", "[global] changed: user_agent",
                        "hint 1000@users changed: Custom:1000 -> Custom:1000&Custom:more",
                        "hint 1002@users added: Custom:1002", "hint 1001@users removed: Custom:1001,CustomPresence:1001",
                        "publications of outbound-publish esc: 2 start"]
            self.assertEqual(sorted(daemon.tool("reload", "--dry-run", plain=True).splitlines()), sorted(expected))
            rows = daemon.tool("reload", "--dry-run")
            self.assertIn({"kind": "endpoint", "name": "carol", "change": "added"}, rows)
            self.assertEqual(len(rows), len(expected) + 1)
            self.assertEqual(daemon.tool("status")[0]["listeners"][0]["address"], f"127.0.0.1:{daemon.port}")
            self.assertEqual(len(daemon.tool("hints")), 3)
            self.assertIsNone(phone.notify(QUIET))
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
                free.bind(("127.0.0.1", new))
                problem = daemon.tool("reload", "--dry-run", status=1, plain=True)
                self.assertIn(f"pjsip.conf:4: error: bind = 127.0.0.1:{new}: Address already in use", problem)
                self.assertNotIn("transport udp", problem)
                self.assertIn("would be refused", problem)
            daemon.write("pjsip.conf", "[broken\n")
            self.assertIn("a reload would change nothing", daemon.tool("reload", "--dry-run", status=1, plain=True))
            daemon.write("pjsip.conf", text)
            daemon.tool("reload", plain=True)
            self.assertEqual(daemon.tool("reload", "--dry-run", plain=True), "nothing would change\n")
            daemon.write("pjsip.conf", text.replace("127.0.0.1:9\n", "127.0.0.2:9\n"))
            words = daemon.tool("reload", "--dry-run", plain=True)
            self.assertIn("publications of outbound-publish esc: 2 restart\n", words)


if __name__ == "__main__":
    harness.main()
