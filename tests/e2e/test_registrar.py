# SPDX-License-Identifier: MIT
"""Telephones register, and lamps follow. sipp and baresip are the telephones; so is Linphone."""
import contextlib
import time
import unittest

import harness
from harness import Extstated, Phone, free_port, sipp, wait_for
from test_nat import TcpPhone
from test_softphone import Baresip, Softphone

FILES = {
    "pjsip.conf": """
[udp]
type=transport
protocol=udp
bind=127.0.0.1:{port}
[tcp]
type=transport
protocol=tcp
bind=127.0.0.1:{port}
[phone](!)
type=endpoint
context=users
[alice](phone)
[erin](phone)
aors=erin,road
[erin]
type=aor
max_contacts=2
[road]
type=aor
max_contacts=1
support_path=yes
[bob](phone)
auth=bob
aors=bob
[bob]
type=auth
username=bob
password=secret
[bob]
type=aor
max_contacts=1
minimum_expiration=1
maximum_expiration=8
[dave](phone)
auth=dave
aors=dave
[dave]
type=auth
username=dave
password=secret
[dave]
type=aor
max_contacts=1
""",
    "extensions.conf": "[users]\nexten => 1000,hint,PJSIP/dave\nexten => 1001,hint,PJSIP/erin\nexten => 1002,hint,PJSIP/bob\n",
    "extstate.conf": "[registrar]\nenabled=yes\n",
}
LINPHONE = """
[sip]
sip_port={port}
sip_tcp_port=0
sip_tls_port=0
bind_address=127.0.0.1
contact=sip:bob@127.0.0.1
default_proxy=0
use_ipv6=0
[auth_info_0]
username=bob
passwd=secret
realm=asterisk
[proxy_0]
reg_identity=sip:bob@127.0.0.1
reg_proxy=<sip:127.0.0.1:{registrar};lr>
reg_expires=600
reg_sendregister=1
publish=0
"""


class Linphone(Softphone):
    def __init__(self, registrar):
        super().__init__()
        (self.directory / ".local/share/linphone").mkdir(parents=True)
        self.write("linphonerc", LINPHONE.format(port=free_port(), registrar=registrar))
        self.start("linphonec", "-c", self.directory / "linphonerc")

    def quit(self):
        self.process.stdin.write(b"quit\n")
        self.process.stdin.flush()


class Registered(unittest.TestCase):
    """One daemon, and somebody who watches."""

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.daemon = self.stack.enter_context(Extstated(FILES))
        self.watcher = self.stack.enter_context(Phone(self.daemon.port))
        self.erin = self.stack.enter_context(Phone(self.daemon.port, "erin"))

    def watch(self, extension, shown):
        answer = self.watcher.subscribe(extension, "presence", accept="application/pidf+xml")
        self.assertEqual(answer.status, 200)
        self.sees(shown)

    def sees(self, shown):
        message = self.watcher.notify()
        self.assertIsNotNone(message, shown)
        self.assertIn(f"<basic>{shown}</basic>", message.body)

    def register(self, *contacts, aor="erin", headers=()):
        self.erin.request("REGISTER", f"sip:127.0.0.1:{self.daemon.port}", [
            ("To", f"<sip:{aor}@127.0.0.1>"), ("Call-ID", f"{self.erin.port}-{aor}"), ("Contact", ", ".join(contacts) or None),
            *headers])
        answer = self.erin.response()
        self.assertEqual(answer.status, 200, answer)
        return answer.all("Contact")

    def contacts(self, *words):
        return [row["contact"] for row in self.daemon.tool("contacts", *words, status=None)]


class Tables(Registered):
    def test_lamp(self):
        self.watch("1001", "closed")
        here, there = (f"<sip:erin@127.0.0.1:{self.erin.port};x={n}>" for n in (1, 2))
        self.assertEqual(self.register(f"{here};expires=60"), [f"{here};expires=60"])
        self.sees("open")
        self.assertEqual(len(self.register(there)), 2)
        self.register(f"{here};expires=0")
        self.assertEqual([row["static"] for row in self.daemon.tool("contacts", "er")], [False])
        text = self.daemon.tool("explain", "1001@users", plain=True)
        self.assertIn("register:erin", text)
        self.assertRegex(text, r"Contacts of its devices:\n    erin +sip:\S+  registered, unqualified since ")
        self.assertNotIn("no telephone is registered", text)
        self.assertIn("  ! no telephone is registered as dave\n", self.daemon.tool("explain", "1000@users", plain=True))
        self.register("*", headers=[("Expires", 0)])
        self.sees("closed")
        self.assertEqual(self.contacts(), [])
        status = self.daemon.tool("status")[0]
        self.assertEqual((status["contacts"]["added"], status["contacts"]["removed"]), (2, 2))
        self.assertEqual((status["registrar"]["requests"], status["registrar"]["accepted"]), (4, 4))

    def test_sipp(self):
        self.watch("1000", "closed")
        sipp("register.xml", self.daemon.port, **{"from": "dave", "aor": "dave", "password": "secret"})
        self.sees("open")
        self.sees("closed")
        sipp("register_refused.xml", self.daemon.port, **{"from": "erin", "aor": "erin", "path": "road"})
        rows = self.daemon.tool("contacts")
        self.assertEqual([(row["aor"], row["path"]) for row in rows], [("road", "<sip:edge.example.com;lr>")])

    def test_hung_up(self):
        """Who registered by a connection, and can be called by no other, is not there without it."""
        self.watch("1001", "closed")
        with TcpPhone(self.daemon.port, user="erin") as erin:
            here = f"<sip:erin@127.0.0.1:{erin.port};transport=tcp>"
            own = f"<sip:erin@127.0.0.1:{self.erin.port};transport=tcp>"
            erin.request("REGISTER", f"sip:127.0.0.1:{self.daemon.port}", [
                ("To", "<sip:erin@127.0.0.1>"), ("Contact", here), ("Contact", own)])
            self.assertEqual(len(erin.response().all("Contact")), 2)
            self.sees("open")
        wait_for("the end of one contact", lambda: len(self.daemon.tool("contacts")) == 1)
        row, = self.daemon.tool("contacts")
        self.assertEqual(f"<{row['contact']}>", own)
        self.assertIsNone(self.watcher.notify(0.2))
        with TcpPhone(self.daemon.port, user="erin") as erin:
            erin.request("REGISTER", f"sip:127.0.0.1:{self.daemon.port}", [
                ("To", "<sip:erin@127.0.0.1>"), ("Contact", own + ";expires=0"),
                ("Contact", f"<sip:erin@127.0.0.1:{erin.port};transport=tcp>")])
            self.assertEqual(len(erin.response().all("Contact")), 1)
        self.sees("closed")
        self.daemon.tool("contacts", status=4)
        self.assertEqual(self.daemon.tool("status")[0]["contacts"]["disconnected"], 2)

    def test_connection(self):
        """By TCP, and as it was after the process has ended with the connection."""
        with TcpPhone(self.daemon.port, user="erin") as erin:
            here = f"<sip:erin@127.0.0.1:{erin.port};transport=tcp>"
            erin.request("REGISTER", f"sip:127.0.0.1:{self.daemon.port}", [("To", "<sip:erin@127.0.0.1>"), ("Contact", here)])
            self.assertEqual(erin.response().all("Contact"), [f"{here};expires=3600"])
            self.daemon.stop()
            self.daemon.start()
            self.assertEqual(len(self.daemon.tool("contacts")), 1)
            self.daemon.kill()
        self.daemon.start()
        row, = self.daemon.tool("contacts")
        self.assertEqual((row["transport"], row["source"]), ("tcp", f"127.0.0.1:{erin.port}"))

    def test_kill(self):
        """What was answered is there again, as it was, and what has expired meanwhile is not."""
        self.watch("1001", "closed")
        here = f"<sip:erin@127.0.0.1:{self.erin.port}>"
        self.register(f"{here};expires=600", headers=[("User-Agent", "old telephone")])
        self.sees("open")
        self.register(f"{here};expires=61", aor="road", headers=[
            ("Supported", "path"), ("Path", "<sip:edge.example.com;lr>")])
        before = self.daemon.tool("contacts")
        self.daemon.settle()
        self.daemon.kill()
        self.daemon.start()
        after = self.daemon.tool("contacts")
        for row in before + after:
            self.assertLessEqual(row.pop("expires_s"), 600)
            del row["since_ms"]
        self.assertEqual(sorted(before, key=str), sorted(after, key=str))
        self.assertEqual(len(after), 2)
        self.assertIsNone(self.watcher.notify(0.2))
        # A lower CSeq of the same Call-ID is as old as before.
        self.erin.serial = 0
        self.erin.request("REGISTER", f"sip:127.0.0.1:{self.daemon.port}", [
            ("To", "<sip:erin@127.0.0.1>"), ("Call-ID", f"{self.erin.port}-erin"), ("CSeq", "0 REGISTER")])
        self.assertEqual(self.erin.response().status, 500)

    def test_gone_meanwhile(self):
        self.daemon.reload(pjsip_conf=FILES["pjsip.conf"].replace("[erin]\ntype=aor\n", "[erin]\ntype=aor\nminimum_expiration=1\n"))
        self.watch("1001", "closed")
        self.register(f"<sip:erin@127.0.0.1:{self.erin.port}>;expires=1")
        self.sees("open")
        self.daemon.kill()
        time.sleep(1.1)
        self.daemon.start()
        self.sees("closed")
        self.assertEqual(self.contacts(), [])

    def test_expires(self):
        self.daemon.reload(pjsip_conf=FILES["pjsip.conf"].replace("[erin]\ntype=aor\n", "[erin]\ntype=aor\nminimum_expiration=1\n"))
        self.watch("1001", "closed")
        self.register(f"<sip:erin@127.0.0.1:{self.erin.port}>;expires=1")
        self.sees("open")
        self.sees("closed")

    def test_reload(self):
        self.watch("1001", "closed")
        here = f"<sip:erin@127.0.0.1:{self.erin.port}>"
        self.register(here)
        self.sees("open")
        row = self.daemon.tool("contacts")[0]
        self.daemon.reload(pjsip_conf=FILES["pjsip.conf"].replace("max_contacts=2", "max_contacts=1\ncontact=sip:desk@127.0.0.9"))
        rows = self.daemon.tool("contacts")
        self.assertEqual([(r["contact"], r["static"]) for r in rows], [(row["contact"], False), ("sip:desk@127.0.0.9", True)])
        self.assertEqual(rows[0]["registered_ms"], row["registered_ms"])
        self.daemon.reload(extstate_conf="")
        self.assertEqual(self.contacts(), [])  # and the static one still makes her reachable
        self.assertIsNone(self.watcher.notify(0.2))
        self.daemon.reload(pjsip_conf=FILES["pjsip.conf"])
        self.sees("closed")
        self.erin.request("REGISTER", f"sip:127.0.0.1:{self.daemon.port}", [("To", "<sip:erin@127.0.0.1>")])
        self.assertEqual(self.erin.response().status, 405)


class Softphones(Registered):
    """As they come from Debian."""

    def lives(self, program):
        self.watch("1002", "closed")
        with program(self.daemon.port) as bob:
            self.sees("open")
            first = self.daemon.tool("contacts")[0]
            self.assertEqual((first["aor"], first["endpoint"]), ("bob", "bob"))
            wait_for("a refresh", lambda: [r for r in self.daemon.tool("contacts") if r["cseq"] > first["cseq"]])
            self.assertIsNone(self.watcher.notify(0))
            bob.quit()
            self.sees("closed")
            self.assertEqual(self.contacts(), [])

    def dies(self, program):
        self.watch("1002", "closed")
        with program(self.daemon.port) as bob:
            self.sees("open")
            bob.kill()
            self.sees("closed")

    def test_baresip(self):
        self.lives(lambda port: Baresip(port, "auth_user=bob;auth_pass=secret;regint=8"))

    def test_baresip_falls_silent(self):
        self.dies(lambda port: Baresip(port, "auth_user=bob;auth_pass=secret;regint=8"))

    def test_linphone(self):
        self.lives(Linphone)


if __name__ == "__main__":
    harness.main()
