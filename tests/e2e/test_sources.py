# SPDX-License-Identifier: MIT
"""PBXs whose states are followed: what they tell becomes NOTIFY and PUBLISH, whatever becomes of the connection."""
import pathlib
import subprocess
import tempfile
import unittest

import harness
from harness import DEFAULT_FILES, Extstated, Phone, wait_for
from eventsocket import EventSocket
from manager_server import Manager
from test_dns import NameServer

QUIET = 0.3  # seconds in which nothing comes
EXTENSIONS = "[users]\nexten => 1000,hint,PJSIP/alice,CustomPresence:alice\nexten => 1001,hint,PJSIP/bob\n"


def source(name, manager, more="", host="127.0.0.1"):
    return f"""
[{name}]
type=source
protocol=ami
host={host}
port={manager.port}
username=extstate
secret=s3cret
grace=1s
retry_interval=1s
{more}
"""


def files(*sources, **more):
    return {"extensions.conf": EXTENSIONS, "extstate.conf": DEFAULT_FILES.get("extstate.conf", "") + "".join(sources), **more}


def row(daemon, name):
    return next(r for r in daemon.tool("sources") if r.get("source") == name)


def following(daemon, *names):
    for name in names:
        wait_for(f"{name} to be followed", lambda name=name: row(daemon, name)["state"] == "following")


def hint(daemon, extension="1000", context="users"):
    hints = daemon.tool("hints", extension, status=None)
    return next((h for h in hints if h["extension"] == extension and h["context"] == context), {})


def lamp(daemon, extension="1000", context="users"):
    return hint(daemon, extension, context).get("state")


def device(daemon, name):
    return next((d for d in daemon.tool("devstate", "list", name, status=None) if d["device"] == name), None)


def certificate_of(directory):
    """A certificate for 127.0.0.1 that signs itself, and its key."""
    files = directory / "cert.pem", directory / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=pbx", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


def in_use(daemon, phone):
    """pbx-a is followed, and the telephone has been told that 1000 is in use."""
    following(daemon, "pbx-a")
    wait_for("the list", lambda: lamp(daemon) == "InUse")
    phone.subscribe("1000")
    phone.notify()


class Sources(unittest.TestCase):
    def test_notify_and_publish(self):
        """An event of the PBX is a NOTIFY and a PUBLISH."""
        with Phone(server=None) as esc, Manager({"PJSIP/alice": "NOT_INUSE"}) as pbx:
            publish = f"""
[esc]
type=outbound-publish
server_uri=sip:127.0.0.1:{esc.port}
event=dialog
multi_user=yes
@exten=^1000$
@body=application/dialog-info+xml
"""
            with Extstated(files(source("pbx-a", pbx), **{"pjsip.conf": DEFAULT_FILES["pjsip.conf"] + publish})) as daemon, \
                    Phone(daemon.port) as phone:
                following(daemon, "pbx-a")
                wait_for("the list", lambda: lamp(daemon) == "Idle")
                phone.subscribe("1000")
                self.assertIn("terminated", phone.notify().body)
                request = esc.receive()
                while request:
                    esc.reply(request, "200 OK\r\nSIP-ETag: 1\r\nExpires: 600")
                    request = esc.receive(QUIET)
                pbx.device("PJSIP/alice", "RINGING")
                self.assertIn("early", phone.notify().body)
                request = esc.receive()
                self.assertEqual(request.method, "PUBLISH")
                self.assertIn("early", request.body)
                esc.reply(request, "200 OK\r\nSIP-ETag: 2\r\nExpires: 600")
                shown = row(daemon, "pbx-a")
                self.assertEqual((shown["protocol"], shown["stale"], shown["server"]), ("ami", False, "Asterisk Call Manager/11.0.0"))
                self.assertIn("pbx-a", daemon.tool("sources", plain=True))
                self.assertNotIn("s3cret", daemon.log())

    def test_pieces(self):
        """However the stream is cut."""
        with Manager({f"Custom:{i}": "INUSE" for i in range(50)}, dribble=7) as pbx, \
                Extstated(files(source("pbx-a", pbx))) as daemon:
            following(daemon, "pbx-a")
            pbx.device("PJSIP/alice", "INUSE")
            wait_for("the event", lambda: lamp(daemon) == "InUse")
            self.assertEqual(len(daemon.tool("devstate", "list", "Custom:")), 50)

    def test_resync(self):
        """Nobody is told what has not changed while the PBX was away, and what is gone is forgotten."""
        with Manager({"PJSIP/alice": "INUSE", "PJSIP/bob": "INUSE", "PJSIP/carol": "INUSE"}) as pbx, \
                Extstated(files(source("pbx-a", pbx, "grace=1h\n"))) as daemon, Phone(daemon.port) as phone:
            following(daemon, "pbx-a")
            wait_for("the list", lambda: lamp(daemon) == "InUse")
            phone.subscribe("1000")
            phone.subscribe("1001")
            for _ in range(2):
                phone.notify()
            pbx.stop()
            wait_for("the loss", lambda: row(daemon, "pbx-a")["state"] != "following")
            del pbx.devices["PJSIP/carol"]
            pbx.devices["PJSIP/bob"] = "RINGING"
            pbx.list_limit = 1  # the first attempt ends in the middle of the list
            pbx.start()
            following(daemon, "pbx-a")
            self.assertIn("early", phone.notify().body)
            self.assertIsNone(phone.notify(QUIET))
            wait_for("the sweep", lambda: device(daemon, "PJSIP/carol") is None)
            self.assertGreaterEqual(pbx.logins, 3)

    def test_stale(self):
        """One that is away for longer than its grace counts no more; then it is back."""
        with Manager({"PJSIP/alice": "INUSE"}) as pbx, Extstated(files(source("pbx-a", pbx))) as daemon, \
                Phone(daemon.port) as phone:
            following(daemon, "pbx-a")
            wait_for("the list", lambda: lamp(daemon) == "InUse")
            phone.subscribe("1000", event="presence", accept="application/pidf+xml")
            phone.notify()
            pbx.stop()
            wait_for("the end of its grace", lambda: row(daemon, "pbx-a")["stale"])
            phone.notify()
            self.assertEqual(lamp(daemon), "Unavailable")
            said = device(daemon, "PJSIP/alice")["sources"][0]
            self.assertEqual((said["source"], said["state"], said["stale"]), ("pbx-a", "UNAVAILABLE", True))
            self.assertRegex(daemon.tool("devstate", "list", "PJSIP/alice", plain=True),
                             r"PJSIP/alice +UNAVAILABLE \(stale\) .*pbx-a=UNAVAILABLE \(stale\)")
            self.assertTrue(hint(daemon)["stale"])
            self.assertRegex(daemon.tool("hints", "1000", plain=True), r"1000@users +Unavailable \(stale\) ")
            self.assertNotIn("stale", hint(daemon, "1001"))
            self.assertTrue(row(daemon, "pbx-a")["complaint"])
            pbx.start()
            following(daemon, "pbx-a")
            phone.notify()
            self.assertEqual(lamp(daemon), "InUse")
            self.assertNotIn("stale", hint(daemon))
            self.assertFalse(row(daemon, "pbx-a")["stale"])

    def test_stale_over_restarts(self):
        """What was stale is that after a kill, since when it was; and after a reload that has the PBX elsewhere. Nobody is told."""
        with Manager({"PJSIP/alice": "INUSE"}) as pbx, Extstated(files(source("pbx-a", pbx, "stale=keep\n"))) as daemon, \
                Phone(daemon.port) as phone:
            in_use(daemon, phone)
            pbx.stop()
            wait_for("the end of its grace", lambda: row(daemon, "pbx-a")["stale"])
            since = row(daemon, "pbx-a")["since_ms"]
            daemon.kill()
            daemon.start()
            self.assertEqual((row(daemon, "pbx-a")["stale"], row(daemon, "pbx-a")["since_ms"]), (True, since))
            wait_for("its mark", lambda: device(daemon, "PJSIP/alice")["sources"][0].get("stale"))
            self.assertEqual(lamp(daemon), "InUse")
            daemon.write("extstate.conf", DEFAULT_FILES.get("extstate.conf", "") + source("pbx-a", pbx, "stale=keep\n", host="127.0.0.2"))
            daemon.tool("reload")
            self.assertEqual((row(daemon, "pbx-a")["stale"], row(daemon, "pbx-a")["since_ms"]), (True, since))
            self.assertIsNone(phone.notify(QUIET))
            daemon.write("extstate.conf", DEFAULT_FILES.get("extstate.conf", "") + source("pbx-a", pbx, "stale=keep\n"))
            daemon.tool("reload")
            pbx.start()
            following(daemon, "pbx-a")
            self.assertFalse(row(daemon, "pbx-a")["stale"])
            self.assertGreater(row(daemon, "pbx-a")["since_ms"], since)
            wait_for("the end of its mark", lambda: not device(daemon, "PJSIP/alice")["sources"][0].get("stale"))
            daemon.kill()
            daemon.start()
            self.assertFalse(row(daemon, "pbx-a")["stale"])

    def test_kept(self):
        """`stale = keep`: the last that was known."""
        with Manager({"PJSIP/alice": "INUSE"}) as pbx, Extstated(files(source("pbx-a", pbx, "stale=keep\n"))) as daemon:
            following(daemon, "pbx-a")
            wait_for("the list", lambda: lamp(daemon) == "InUse")
            pbx.stop()
            wait_for("the end of its grace", lambda: row(daemon, "pbx-a")["stale"])
            self.assertEqual(lamp(daemon), "InUse")
            wait_for("its mark", lambda: device(daemon, "PJSIP/alice")["sources"][0].get("stale"))
            self.assertTrue(hint(daemon)["stale"])
            self.assertRegex(daemon.tool("explain", "1000@users", plain=True),
                             r"(?m)^    pbx-a counts as INUSE since .*  \(stale: the source is away\)$")

    def test_what_is_marked(self):
        """Presence and mailboxes of one that is away are marked as devices are, and no more when it is back or another says so."""
        with Manager({"PJSIP/alice": "INUSE"}, mailboxes={"1000@default": (2, 1)}, external_mwi=True) as pbx, \
                Extstated(files(source("pbx-a", pbx, "stale=keep\n"))) as daemon:
            def presence():
                return daemon.tool("presencestate", "list", status=None)[:1]

            def mailbox():
                return daemon.tool("mailbox", "list", status=None)[:1]

            following(daemon, "pbx-a")
            wait_for("the mailbox", mailbox)
            pbx.presence("CustomPresence:alice", "away", "", "")
            wait_for("the presence", presence)
            self.assertNotIn("stale", presence()[0])
            self.assertNotIn("stale", mailbox()[0])
            pbx.stop()
            wait_for("the mark", lambda: presence()[0].get("stale"))
            self.assertEqual((presence()[0]["state"], mailbox()[0]["new"], mailbox()[0]["stale"]), ("away", 2, True))
            self.assertRegex(daemon.tool("presencestate", "list", plain=True), r"CustomPresence:alice +away \(stale\)")
            self.assertRegex(daemon.tool("mailbox", "list", plain=True), r"1000@default .*pbx-a \(stale\)")
            self.assertRegex(daemon.tool("explain", "1000@users", plain=True),
                             r"(?m)^  CustomPresence:alice +away since .*  \(stale: the source is away\)$")
            daemon.tool("mailbox", "change", "1000@default", "5", "0", status=0)
            self.assertNotIn("stale", mailbox()[0])
            pbx.start()
            following(daemon, "pbx-a")
            wait_for("the end of the mark", lambda: presence() and "stale" not in presence()[0])

    def test_restart(self):
        """What was known before the restart is shown until the PBX says otherwise: no NOTIFY tells anything else."""
        with Manager({"PJSIP/alice": "INUSE"}) as pbx, Extstated(files(source("pbx-a", pbx, "grace=1h\n"))) as daemon, \
                Phone(daemon.port) as phone:
            in_use(daemon, phone)
            pbx.stop()
            daemon.settle()
            daemon.kill()
            daemon.start()
            self.assertEqual(lamp(daemon), "InUse")
            pbx.start()
            following(daemon, "pbx-a")
            self.assertIsNone(phone.notify(QUIET))
            pbx.device("PJSIP/alice", "NOT_INUSE")
            self.assertIn("terminated", phone.notify().body)

    def test_renamed_while_stopped(self):
        """A section that goes, or gets another name, while extstate does not run takes along what it has told, and only that."""
        with Manager({"PJSIP/alice": "INUSE", "PJSIP/bob": "INUSE"}, mailboxes={"1000@default": (2, 1)}, external_mwi=True) as pbx, \
                Extstated(files(source("pbx-a", pbx))) as daemon:
            pbx.presence("CustomPresence:alice", "away", "", "lunch")
            following(daemon, "pbx-a")
            wait_for("the mailbox", lambda: daemon.tool("mailbox", "list", status=None))
            daemon.tool("devstate", "change", "PJSIP/bob", "RINGING", status=0)
            daemon.settle()
            daemon.stop()
            del pbx.devices["PJSIP/alice"]
            pbx.mailboxes.clear()
            pbx.presences.clear()
            daemon.write("extstate.conf", files(source("pbx-b", pbx))["extstate.conf"])
            for end in (daemon.kill, daemon.stop):
                daemon.start()
                following(daemon, "pbx-b")
                wait_for("the devices to go", lambda: device(daemon, "PJSIP/alice")["sources"] == [] and
                         sorted(s["source"] for s in device(daemon, "PJSIP/bob")["sources"]) == ["ctl", "pbx-b"])
                wait_for("the rest to go", lambda: not daemon.tool("mailbox", "list", status=None) and
                         not daemon.tool("presencestate", "list", status=None))
                daemon.settle()
                end()
            daemon.write("extstate.conf", files()["extstate.conf"])
            daemon.start()
            wait_for("the other, too", lambda: [s["source"] for s in device(daemon, "PJSIP/bob")["sources"]] == ["ctl"])

    def test_two(self):
        """Two PBXs that disagree about a device are combined, and one that is gone counts no more."""
        with Manager({"PJSIP/alice": "NOT_INUSE"}) as a, Manager({"PJSIP/alice": "INUSE"}) as b, \
                Extstated(files(source("pbx-a", a), source("pbx-b", b))) as daemon, Phone(daemon.port) as phone:
            following(daemon, "pbx-a", "pbx-b")
            wait_for("both lists", lambda: len((device(daemon, "PJSIP/alice") or {"sources": []})["sources"]) == 2)
            self.assertEqual(lamp(daemon), "InUse")
            phone.subscribe("1000")
            phone.notify()
            a.device("PJSIP/alice", "RINGING")
            phone.notify()
            self.assertEqual(lamp(daemon), "InUse&Ringing")
            b.stop()
            wait_for("b to be stale", lambda: row(daemon, "pbx-b")["stale"])
            phone.notify()
            self.assertEqual(lamp(daemon), "Ringing")

    def test_reload(self):
        """A source comes, changes and goes by a reload."""
        with Manager({"PJSIP/alice": "INUSE"}) as pbx, Extstated(files()) as daemon:
            base = files()["extstate.conf"]
            daemon.write("extstate.conf", base + source("pbx-a", pbx))
            text = daemon.tool("reload", "--dry-run", plain=True)
            self.assertRegex(text, r"source pbx-a")
            self.assertNotIn("s3cret", text)
            self.assertEqual(daemon.tool("sources", status=4), [])
            daemon.reload()
            following(daemon, "pbx-a")
            wait_for("the list", lambda: lamp(daemon) == "InUse")
            daemon.reload(extstate_conf=base + source("pbx-a", pbx, "devices=Custom:\n"))
            wait_for("the device to go", lambda: device(daemon, "PJSIP/alice")["sources"] == [])
            daemon.reload(extstate_conf=base + source("pbx-a", pbx))
            wait_for("the device", lambda: lamp(daemon) == "InUse")
            logins = pbx.logins
            daemon.reload(extstate_conf=base + "; nothing else\n" + source("pbx-a", pbx))
            self.assertEqual((pbx.logins, row(daemon, "pbx-a")["state"]), (logins, "following"))
            daemon.reload(extstate_conf=base)
            self.assertEqual(daemon.tool("sources", status=4), [])
            wait_for("the device to go", lambda: device(daemon, "PJSIP/alice")["sources"] == [])

    def test_login(self):
        """By challenge, and by the secret itself; a wrong one is said to be, and tried less often."""
        with Manager({"PJSIP/alice": "INUSE"}) as pbx, Manager({"PJSIP/alice": "INUSE"}, md5=False) as plain, \
                Manager(users={"extstate": "other"}) as wrong, \
                Extstated(files(source("md5", pbx), source("plain", plain, "login=plain\n"), source("refused", plain),
                                source("wrong", wrong))) as daemon:
            following(daemon, "md5", "plain")
            self.assertFalse(any(name == "Secret" for request in pbx.requests for name, _ in request))
            wait_for("the refusal", lambda: "Authentication failed" in row(daemon, "wrong")["complaint"])
            wait_for("the other", lambda: "challenge" in row(daemon, "refused")["complaint"])
            self.assertNotIn("s3cret", daemon.log())

    def test_rights(self):
        """What its user may not ask for is told, and the rest goes on."""
        with Manager({"PJSIP/alice": "INUSE"}, refused={"presencestatelist", "coreshowchannels"}) as pbx, \
                Extstated(files(source("pbx-a", pbx, "calls=yes\n"))) as daemon:
            following(daemon, "pbx-a")
            wait_for("the list", lambda: lamp(daemon) == "InUse")
            self.assertIn("CoreShowChannels is refused: Permission denied", row(daemon, "pbx-a")["complaint"])

    def test_silent(self):
        """One that gives no sign of life is left."""
        with Manager({"PJSIP/alice": "INUSE"}) as pbx, \
                Extstated(files(source("pbx-a", pbx, "ping_interval=1s\n"))) as daemon:
            following(daemon, "pbx-a")
            pbx.mute = True
            wait_for("the loss", lambda: "no sign of life" in daemon.log())
            pbx.mute = False
            wait_for("another session", lambda: pbx.logins == 2)
            following(daemon, "pbx-a")

    def test_presence_and_mailboxes(self):
        for external in (True, False):
            with self.subTest(external=external), \
                    Manager({"PJSIP/alice": "NOT_INUSE"}, mailboxes={"1000@default": (2, 1)}, external_mwi=external) as pbx, \
                    Extstated(files(source("pbx-a", pbx))) as daemon:
                following(daemon, "pbx-a")
                wait_for("the mailbox", lambda: [(m["mailbox"], m["new"], m["old"]) for m in daemon.tool("mailbox", "list", status=None)] ==
                         [("1000@default", 2, 1)])
                pbx.mailbox("1000@default", 0, 3)
                wait_for("the mailbox", lambda: [(m["new"], m["old"]) for m in daemon.tool("mailbox", "list", status=None)] == [(0, 3)])
                pbx.presence("CustomPresence:alice", "away", "lunch", 'back "soon"\r\nX: y')
                wait_for("presence", lambda: daemon.tool("presencestate", "list", status=None)[:1])
                said = daemon.tool("presencestate", "list")[0]
                self.assertEqual((said["state"], said["subtype"], said["message"], said["source"]),
                                 ("away", "lunch", 'back "soon"\r\nX: y', "pbx-a"))

    def test_hints(self):
        """Its hints become resources, come and go with it, and outlive a restart; what is written here comes first."""
        hints = {("2000", "sales"): "PJSIP/dora", ("1000", "users"): "PJSIP/other"}
        with Manager({"PJSIP/dora": "INUSE", "PJSIP/alice": "RINGING"}, hints=hints) as pbx, \
                Extstated(files(source("pbx-a", pbx, "hints=import\ngrace=1h\n"))) as daemon:
            following(daemon, "pbx-a")
            wait_for("the hint", lambda: lamp(daemon, "2000", "sales") == "InUse")
            self.assertEqual(lamp(daemon), "Ringing")
            self.assertEqual(daemon.tool("hints", "2000")[0]["file"], "pbx-a")
            self.assertRegex(daemon.tool("hints", "2000", plain=True), r" pbx-a\n$")
            self.assertRegex(daemon.tool("explain", "2000@sales", plain=True), r"  hint .*  \(of pbx-a\)\n")
            pbx.hint("2001", "sales", "PJSIP/alice&PJSIP/dora")
            wait_for("another", lambda: lamp(daemon, "2001", "sales") == "InUse&Ringing")
            pbx.hint("2000", "sales", None)
            wait_for("the end of one", lambda: lamp(daemon, "2000", "sales") is None)
            del pbx.hints["1000", "users"]
            pbx.hints["2002", "sales"] = "PJSIP/dora"
            pbx.reload()
            wait_for("the reload", lambda: lamp(daemon, "2002", "sales") == "InUse")
            pbx.stop()
            daemon.stop()
            daemon.start()
            self.assertEqual(lamp(daemon, "2002", "sales"), "InUse")
            daemon.reload(extensions_conf=EXTENSIONS + "exten => 3000,hint,PJSIP/dora\n")
            self.assertEqual([lamp(daemon, "3000"), lamp(daemon, "2002", "sales")], ["InUse", "InUse"])
            daemon.reload(extstate_conf=files()["extstate.conf"])
            wait_for("their end", lambda: lamp(daemon, "2002", "sales") is None)
            self.assertEqual(list((daemon.directory / "state").glob("hints-*")), [])

    def test_calls(self):
        """Who calls whom, and by which Call-ID a ringing call can be picked up."""
        variables = {"CHANNEL(pjsip,call-id)": "abc@pbx", "CHANNEL(pjsip,local_tag)": "server",
                     "CHANNEL(pjsip,remote_tag)": "phone"}
        with Manager({"PJSIP/alice": "NOT_INUSE", "PJSIP/bob": "NOT_INUSE"}) as pbx, \
                Extstated(files(source("pbx-a", pbx, "calls=yes\ndomain=example.com\n"))) as daemon, \
                Phone(daemon.port) as phone:
            following(daemon, "pbx-a")
            wait_for("the list", lambda: lamp(daemon) == "Idle")
            phone.subscribe("1000")
            phone.notify()
            bob = pbx.channel("PJSIP/bob-00000001", "1.1", 4, "200", display="Bob <B>", exten="1000")
            alice = pbx.channel("PJSIP/alice-00000002", "1.2", 0, "1000", connected="200", connected_display="Bob <B>",
                                variables=variables)
            pbx.dial(bob, alice)
            pbx.state(alice, 5)
            wait_for("the questions", lambda: sum(("Action", "Getvar") in r for r in pbx.requests) >= 3)
            pbx.device("PJSIP/alice", "RINGING")

            def until(*parts):
                """What is asked of a call comes in several answers, and a state beside the calls: each may be told."""
                body = phone.notify().body
                while not all(part in body for part in parts):
                    body = phone.notify().body
                return body
            body = until('call-id="abc@pbx"', 'local-tag="phone"', 'remote-tag="server"')
            self.assertRegex(body, r'<dialog id="1.2" call-id="abc@pbx" local-tag="phone" remote-tag="server" direction="recipient">')
            self.assertRegex(body, r'<remote>\s*<identity display="Bob &lt;B&gt;">sip:200@example.com</identity>')
            self.assertRegex(body, r"<local>\s*<identity>sip:1000@example.com</identity>")
            self.assertEqual(body.count("<dialog "), 1)
            pbx.state(alice, 6)
            pbx.device("PJSIP/alice", "INUSE")
            self.assertIn("sip:200@example.com", until("confirmed"))
            pbx.hangup(alice)
            pbx.device("PJSIP/alice", "NOT_INUSE")
            self.assertNotIn("sip:200", until("terminated"))
            self.assertIsNone(phone.notify(QUIET))

    def test_calls_over_a_restart(self):
        """Whose call goes on is told nothing by a restart, nor by a reload that has its PBX read anew; then what becomes of it."""
        variables = {"CHANNEL(pjsip,call-id)": "abc@pbx", "CHANNEL(pjsip,local_tag)": "server", "CHANNEL(pjsip,remote_tag)": "phone"}
        with Manager({"PJSIP/alice": "NOT_INUSE", "PJSIP/bob": "NOT_INUSE"}) as pbx, \
                Extstated(files(source("pbx-a", pbx, "calls=yes\n"))) as daemon, Phone(daemon.port) as phone:
            following(daemon, "pbx-a")
            bob = pbx.channel("PJSIP/bob-00000001", "1.1", 4, "200", display="Bob", exten="1000")
            alice = pbx.channel("PJSIP/alice-00000002", "1.2", 0, "1000", connected="200", connected_display="Bob", variables=variables)
            pbx.dial(bob, alice)
            for state, said in ((5, "RINGING"), (6, "INUSE")):
                pbx.state(alice, state)
                pbx.device("PJSIP/alice", said)
            wait_for("the questions", lambda: sum(("Action", "Getvar") in r for r in pbx.requests) >= 3)
            wait_for("the call", lambda: lamp(daemon) == "InUse")
            phone.subscribe("1000")
            body = phone.notify().body
            while not all(part in body for part in ("abc@pbx", 'local-tag="phone"', 'remote-tag="server"', "confirmed", "sip:200@", "recipient")):
                body = phone.notify().body

            def again(session):
                """It is followed by another session, which has asked all that it asks."""
                wait_for("another session", lambda: pbx.logins == session)
                wait_for("its questions", lambda: sum(("Action", "Getvar") in r for r in pbx.requests) >= 3 * session)
                following(daemon, "pbx-a")
                self.assertIsNone(phone.notify(QUIET))
            daemon.settle()
            for session, end in enumerate((daemon.kill, daemon.stop, daemon.kill), 2):
                end()
                daemon.start()
                again(session)
                daemon.settle()
            daemon.reload(extstate_conf=files(source("pbx-a", pbx, "calls=yes\nping_interval=20s\n"))["extstate.conf"])
            again(5)
            daemon.reload(extstate_conf=files(source("pbx-a", pbx))["extstate.conf"])
            self.assertNotIn("sip:200@", phone.notify().body)  # calls are not wanted any more
            pbx.hangup(alice)
            pbx.device("PJSIP/alice", "NOT_INUSE")
            self.assertIn("terminated", phone.notify().body)

    def test_flood(self):
        """5,000 events a second, and more: the last of each device counts."""
        names = [f"PJSIP/9{i}" for i in range(500)]
        with Manager({name: "NOT_INUSE" for name in names}) as pbx, Extstated(files(source("pbx-a", pbx))) as daemon:
            following(daemon, "pbx-a")
            states = ("RINGING", "INUSE", "ONHOLD", "NOT_INUSE")
            for turn in range(40):
                pbx.flood([(name, states[turn % 4]) for name in names])
            pbx.flood([(name, "BUSY") for name in names])
            wait_for("the last", lambda: all(d["state"] == "BUSY" for d in daemon.tool("devstate", "list", "PJSIP/9")))
            self.assertEqual(pbx.logins, 1)
            self.assertGreaterEqual(row(daemon, "pbx-a")["events"], 41 * len(names))

    def test_by_name(self):
        """Its addresses are asked for by DNS, before each connection, and tried one after the other."""
        with Manager({"PJSIP/alice": "INUSE"}) as pbx, NameServer() as server:
            server.change("127.0.0.9 pbx.test\n127.0.0.1 pbx.test\n")
            general = {"extstate.conf": server.files()["extstate.conf"] + source("pbx-a", pbx, host="PBX.test.") +
                       source("pbx-b", pbx, host="no.test")}
            with Extstated({**files(), **general}) as daemon:
                following(daemon, "pbx-a")
                wait_for("the list", lambda: lamp(daemon) == "InUse")
                wait_for("the answer", lambda: row(daemon, "pbx-b")["complaint"] ==
                         "AAAA no.test: no such name; A no.test: no such name")
                server.change("127.0.0.1 pbx.test\n127.0.0.1 no.test\n")
                following(daemon, "pbx-b")

    def test_tls(self):
        """By TLS the secret is told, to nobody but the host whose certificate it is."""
        with tempfile.TemporaryDirectory() as directory:
            certificate = certificate_of(pathlib.Path(directory))
            with Manager({"PJSIP/alice": "INUSE"}, certificate=certificate) as pbx, \
                    Extstated(files(source("pbx-a", pbx, f"tls=yes\nca_list_file={certificate[0]}\n"),
                                    source("stranger", pbx, "tls=yes\n"))) as daemon:
                following(daemon, "pbx-a")
                wait_for("the list", lambda: lamp(daemon) == "InUse")
                self.assertTrue(any(("Secret", "s3cret") in request for request in pbx.requests))
                wait_for("the refusal", lambda: "certificate" in row(daemon, "stranger")["complaint"])


def esl(name, server, more=""):
    return f"[{name}]\ntype=source\nprotocol=esl\nhost=127.0.0.1\nport={server.port}\nsecret=ClueCon\ngrace=1s\n" \
           f"retry_interval=1s\n{more}\n"


class FreeSwitches(unittest.TestCase):
    EXTENSIONS = "[users]\nexten => 1000,hint,sofia/internal/1000\n"

    def test_notify(self):
        """Registrations and calls are lamps; what has changed while it was away is told, and nothing else."""
        with EventSocket() as fs:
            fs.register("1000", "r1")
            with Extstated({**files(esl("fs", fs)), "extensions.conf": self.EXTENSIONS}) as daemon, \
                    Phone(daemon.port) as phone:
                following(daemon, "fs")
                wait_for("the list", lambda: lamp(daemon) == "Idle")
                phone.subscribe("1000")
                phone.notify()
                fs.call("u1", "1000", "outbound", "RINGING")
                self.assertIn("early", phone.notify().body)
                fs.call("u1", "1000", "outbound", "ACTIVE")
                self.assertIn("confirmed", phone.notify().body)
                fs.stop()
                wait_for("the end of its grace", lambda: row(daemon, "fs")["stale"])
                self.assertEqual(lamp(daemon), "Unavailable")
                phone.notify()
                fs.start()
                following(daemon, "fs")
                self.assertIn("confirmed", phone.notify().body)
                fs.call("u1", "1000", "outbound", "HANGUP")
                self.assertIn("terminated", phone.notify().body)
                fs.unregister("r1", "sofia::expire")
                wait_for("her absence", lambda: lamp(daemon) == "Unavailable")

    def test_calls(self):
        """Who calls her, and by which Call-ID the call can be picked up; also of one that was there before."""
        with EventSocket() as fs:
            fs.register("1000", "r1")
            with Extstated({**files(esl("fs", fs, "calls=yes\ndomain=example.com\ngrace=1h\n")), "extensions.conf": self.EXTENSIONS}) as daemon, \
                    Phone(daemon.port) as phone:
                following(daemon, "fs")
                wait_for("the list", lambda: lamp(daemon) == "Idle")
                phone.subscribe("1000")
                phone.notify()
                fs.call("aaaa-01", "1000", "outbound", "RINGING", sip_call_id="abc@fs", sip_from_tag="server", sip_to_tag="phone")

                def until(text):
                    body = phone.notify().body
                    while text not in body:
                        body = phone.notify().body
                    return body
                body = until('call-id="abc@fs"')
                self.assertIn('<dialog id="aaaa-01" call-id="abc@fs" local-tag="phone" remote-tag="server" direction="recipient">', body)
                self.assertRegex(body, r'<remote>\s*<identity display="Bob">sip:200@example.com</identity>')
                self.assertRegex(body, r"<local>\s*<identity>sip:1000@example.com</identity>")
                self.assertIn("early", body)
                fs.stop()
                wait_for("the loss", lambda: row(daemon, "fs")["state"] != "following")
                fs.start()
                following(daemon, "fs")
                fs.call("aaaa-01", "1000", "outbound", "ACTIVE")
                self.assertIn("sip:200@example.com", until("confirmed"))
                fs.call("aaaa-01", "1000", "outbound", "HANGUP")
                self.assertNotIn("sip:200", until("terminated"))
                self.assertIsNone(phone.notify(QUIET))

    def test_calls_over_a_restart(self):
        """Whose call goes on is told nothing; the one that has ended meanwhile is over."""
        with EventSocket() as fs:
            fs.register("1000", "r1")
            fs.register("1001", "r2")
            extensions = self.EXTENSIONS + "exten => 1001,hint,sofia/internal/1001\n"
            with Extstated({**files(esl("fs", fs, "calls=yes\n").replace("grace=1s", "grace=1h")), "extensions.conf": extensions}) as daemon, \
                    Phone(daemon.port) as phone:
                following(daemon, "fs")
                for user, uuid in (("1000", "aaaa-01"), ("1001", "aaaa-02")):
                    for state in ("RINGING", "ACTIVE"):
                        fs.call(uuid, user, "outbound", state, sip_call_id=f"{uuid}@fs", sip_from_tag="server", sip_to_tag="phone")
                    phone.subscribe(user)
                seen = set()
                while len(seen) < 2:
                    body = phone.notify().body
                    seen |= {uuid for uuid in ("aaaa-01", "aaaa-02") if f'call-id="{uuid}@fs"' in body and "confirmed" in body}
                daemon.settle()
                fs.stop()
                daemon.stop()
                fs.channels.pop("aaaa-02")
                fs.start()
                daemon.start()
                following(daemon, "fs")
                body = phone.notify().body
                self.assertIn(">terminated<", body)
                self.assertIn("1001", body)
                self.assertIsNone(phone.notify(QUIET))
                fs.call("aaaa-01", "1000", "outbound", "HELD")
                body = phone.notify().body
                self.assertIn('call-id="aaaa-01@fs"', body)
                self.assertIn("+sip.rendering", body)

    def test_its_table_is_behind(self):
        """A call that has ended, and one that was answered, before anybody followed, but not yet in the table that is read."""
        with EventSocket() as fs:
            fs.register("1000", "r1")
            fs.register("1001", "r2")
            fs.call("aaaa-01", "1000", "outbound", "RINGING")
            fs.call("aaaa-02", "1001", "outbound", "RINGING")
            fs.rows()
            fs.table_is_behind = True
            fs.call("aaaa-01", "1000", "outbound", "HANGUP")
            fs.call("aaaa-02", "1001", "outbound", "ACTIVE")
            extensions = self.EXTENSIONS + "exten => 1001,hint,sofia/internal/1001\n"
            with Extstated({**files(esl("fs", fs)), "extensions.conf": extensions}) as daemon:
                following(daemon, "fs")
                wait_for("its end", lambda: lamp(daemon) == "Idle")
                wait_for("the answer", lambda: lamp(daemon, "1001") == "InUse")
                self.assertIn("api uuid_dump aaaa-02 json", fs.commands)

    def test_refused(self):
        with EventSocket("other") as wrong, EventSocket() as denies:
            denies.deny = True
            with Extstated({**files(esl("wrong", wrong), esl("denies", denies))}) as daemon:
                wait_for("the refusal", lambda: "invalid" in row(daemon, "wrong")["complaint"])
                wait_for("the other", lambda: "access list" in row(daemon, "denies")["complaint"])
                self.assertNotIn("ClueCon", daemon.log())


if __name__ == "__main__":
    harness.main()
