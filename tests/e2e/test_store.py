# SPDX-License-Identifier: MIT
"""What is kept on disk: states that were set are there after a kill, and what the operator can do about the file."""
import fcntl
import json
import os
import random
import re
import shutil
import sqlite3
import stat
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import harness
from harness import Extstated, Phone, Subscription, preload, wait_for

ROUNDS = int(os.environ.get("EXTSTATE_KILLS", 6))
DURABLE = {"extstate.conf": "[general]\ndurability=full\n"}


def states(daemon):
    return {row["device"]: row["state"] for row in daemon.tool("devstate", "list", status=None)}


def in_order(rows):
    """Rows, and the sources in them, have no order that matters."""
    return sorted(json.dumps({k: in_order(v) if isinstance(v, list) else v for k, v in row.items()}) for row in rows)


def store_status(daemon):
    return daemon.tool("status")[0]["store"]


class Kept(unittest.TestCase):
    def test_what_was_set_is_there_after_a_kill(self):
        with Extstated(DURABLE) as daemon:
            daemon.set("Custom:1000", "INUSE")
            daemon.set("Custom:1000", "RINGING", source="cti")
            daemon.set("Custom:2000", "BUSY")
            daemon.tool("devstate", "forget", "Custom:2000")
            daemon.set("PJSIP/alice", "ONHOLD")
            daemon.tool("presencestate", "change", "CustomPresence:1001", "away,lunch,dW50aWwgdHdvLCBwZXJoYXBz,e", status=2)
            daemon.tool("presencestate", "change", "CustomPresence:1001", "away,bHVuY2g=,dW50aWwgdHdvLCBwZXJoYXBz,e")
            daemon.tool("mailbox", "change", "100@default", "3", "1")
            daemon.tool("mailbox", "change", "101@default", "1")
            daemon.tool("mailbox", "forget", "101@default")
            before = daemon.tool("devstate", "list", "Custom"), daemon.tool("presencestate", "list"), daemon.tool("mailbox", "list")
            daemon.kill()
            daemon.start()
            after = daemon.tool("devstate", "list", "Custom"), daemon.tool("presencestate", "list"), daemon.tool("mailbox", "list")
            for one, other in zip(before, after):
                self.assertEqual(in_order(one), in_order(other))
            self.assertEqual([states(daemon)[d] for d in ("Custom:1000", "PJSIP/alice", "MWI:100@default")],
                             ["RINGINUSE", "ONHOLD", "INUSE"])
            self.assertNotIn("Custom:2000", states(daemon))
            hint = daemon.tool("hints", "1001")[0]
            self.assertEqual((hint["presence"], hint["presence_subtype"], hint["presence_message"]),
                             ("away", "lunch", "until two, perhaps"))

    def test_no_acknowledged_state_is_lost(self):
        """Killed while several set states, again and again. Whatever was acknowledged is there; of the last one that was
        under way for each device nobody knows."""
        said = {f"Custom:{i}": ("UNKNOWN", None) for i in range(8)}  # acknowledged, or perhaps
        names = ["INUSE", "NOT_INUSE", "RINGING", "BUSY", "ONHOLD", "UNAVAILABLE"]

        def talk(daemon, device, seed, ended):
            rng = random.Random(seed)
            while not ended.is_set():
                state = rng.choice(names)
                said[device] = said[device][0], state
                done = subprocess.run([*daemon.command("devstate", "change", device, state).split()], capture_output=True,
                                      stdin=subprocess.DEVNULL)
                if done.returncode != 0:
                    return
                said[device] = state, None

        with Extstated(DURABLE) as daemon:
            for turn in range(ROUNDS):
                ended = threading.Event()
                talkers = [threading.Thread(target=talk, args=(daemon, device, f"{turn}{device}", ended)) for device in said]
                for talker in talkers:
                    talker.start()
                time.sleep(random.uniform(0.05, 0.4))
                daemon.kill()
                ended.set()
                for talker in talkers:
                    talker.join()
                daemon.start()
                now = states(daemon)
                for device, (acknowledged, perhaps) in said.items():
                    self.assertIn(now.get(device, "UNKNOWN"), (acknowledged, perhaps), f"{device} in turn {turn}")
                    said[device] = now.get(device, "UNKNOWN"), None
            self.assertEqual(store_status(daemon)["starts"], ROUNDS + 1)

    def test_the_clock_is_set_meanwhile(self):
        with Extstated(DURABLE, environment={"LD_PRELOAD": preload("wall")}) as daemon:
            daemon.set("Custom:1000", "INUSE")
            before = daemon.tool("devstate", "list", "Custom:1000")
            for wrong_s in (3 * 3600, -3 * 3600):
                daemon.kill()
                daemon.environment["EXTSTATE_WALL"] = str(wrong_s)
                daemon.start()
                after = daemon.tool("devstate", "list", "Custom:1000")
                if wrong_s > 0:
                    self.assertEqual(after, before)
                else:  # nothing has changed in the future
                    self.assertLess(after[0]["changed_ms"], (time.time() + wrong_s + 60) * 1000)
                self.assertEqual(after[0]["state"], "INUSE")
                daemon.set("Custom:1001", ("BUSY", "INUSE")[wrong_s > 0])

    def test_the_clock_is_set_while_it_runs(self):
        """What is kept ends by the new one."""
        with tempfile.NamedTemporaryFile("w") as wrong, \
                Extstated(DURABLE, environment={"LD_PRELOAD": preload("wall"), "EXTSTATE_WALL": wrong.name}) as daemon, \
                Phone(daemon.port) as phone:
            self.assertEqual(phone.subscribe("1000", expires=600).status, 200)
            phone.notify()
            for turn, wrong_s in enumerate((3 * 3600, -3 * 3600), 1):
                wrong.seek(0)
                wrong.truncate()
                wrong.write(str(wrong_s))
                wrong.flush()
                commits = 2 + store_status(daemon)["commits"]
                wait_for("writing again", lambda: daemon.set("Custom:1001", "INUSE") or daemon.set("Custom:1001", "BUSY") or
                         daemon.log().count("store.clock_set") == turn and store_status(daemon)["commits"] > commits)
                daemon.kill()
                daemon.start()
                daemon.set("Custom:1000", ("NOT_INUSE", "BUSY")[turn % 2])
                self.assertRegex(phone.notify()["Subscription-State"], r"active;expires=(5[0-9][0-9]|600)")

    def test_the_address_stays(self):
        """A telephone that has asked another address of ours than the first is told from there, since a NAT before it lets
        nothing else through: after a crash, and after an upgrade."""
        files = dict(DURABLE, **{"pjsip.conf": harness.DEFAULT_FILES["pjsip.conf"].replace("127.0.0.1:{port}", "0.0.0.0:{port}")})
        with Extstated(files) as daemon, Phone(daemon.port, server_host="127.0.0.5") as phone:
            self.assertEqual(phone.subscribe("1000").status, 200)
            phone.notify()
            for again, state in ((lambda: (daemon.kill(), daemon.start()), "INUSE"), (lambda: daemon.tool("upgrade"), "RINGING")):
                again()
                daemon.set("Custom:1000", state)
                told = phone.notify()
                self.assertEqual(told.peer, ("127.0.0.5", daemon.port))
                self.assertEqual(told["Contact"], f"<sip:127.0.0.5:{daemon.port}>")

    def test_another_address(self):
        """The transport is elsewhere after the restart: its telephones are told where, once."""
        with Extstated(DURABLE) as daemon, Phone(daemon.port) as phone:
            dialog = Subscription(phone.subscribe("1000"))
            phone.notify()
            daemon.kill()
            daemon.port = harness.free_port()
            daemon.write("pjsip.conf", harness.DEFAULT_FILES["pjsip.conf"])
            daemon.start()
            told = phone.notify()
            self.assertEqual(told.peer, ("127.0.0.1", daemon.port))
            daemon.settle()
            daemon.kill()
            daemon.start()
            daemon.set("Custom:1000", "INUSE")
            self.assertIn("<state>confirmed</state>", phone.notify().body)
            phone.server, dialog.target = daemon.port, told["Contact"].strip("<>")
            self.assertEqual(phone.subscribe("1000", dialog=dialog).status, 200)

    def test_nothing_is_kept_without(self):
        with Extstated({"extstate.conf": "[general]\ndurability=none\n"}) as daemon:
            daemon.set("Custom:1000", "INUSE")
            self.assertEqual(store_status(daemon), {"durability": "none"})
            for words in (("backup", daemon.directory / "copy"), ("verify",)):
                self.assertIn("durability is none", daemon.tool(*words, status=1, plain=True))
            daemon.kill()
            daemon.start()
            self.assertEqual(states(daemon), {"PJSIP/alice": "UNAVAILABLE", "PJSIP/bob": "UNAVAILABLE"})
            self.assertFalse((daemon.directory / "state/extstate.db").exists())


class Operator(unittest.TestCase):
    def test_status(self):
        with Extstated(DURABLE) as daemon:
            begun = store_status(daemon)
            daemon.set("Custom:1000", "INUSE")
            now = store_status(daemon)
            self.assertEqual((now["durability"], now["failing"], now["waiting_bytes"]), ("full", False, 0))
            self.assertEqual(now["file"], str(daemon.directory / "state/extstate.db"))
            self.assertEqual((now["commits"], now["records"]), (begun["commits"] + 1, begun["records"] + 1))
            self.assertLess(abs(now["last_commit_ms"] / 1000 - time.time()), 60)

    def test_backup_and_restore(self):
        with Extstated(DURABLE) as daemon, Phone(daemon.port) as phone:
            copy = daemon.directory / "copy.db"
            daemon.set("Custom:1000", "INUSE")
            self.assertEqual(phone.subscribe("1000").status, 200)
            cseq = phone.notify().cseq
            self.assertIn("Written to", daemon.tool("backup", copy, plain=True))
            self.assertEqual(stat.S_IMODE(copy.stat().st_mode), 0o640)
            self.assertIn("exists", daemon.tool("backup", copy, status=1, plain=True))
            self.assertIn("No such file", daemon.tool("backup", daemon.directory / "no/copy", status=1, plain=True))
            daemon.tool("backup", status=2)
            daemon.set("Custom:1000", "BUSY")
            daemon.set("Custom:1001", "BUSY")
            starts = 1000  # the numbers of then are left behind, and with the second time those of the first
            for _ in range(2):
                daemon.stop()
                for file in (daemon.directory / "state").glob("extstate.db*"):
                    file.unlink()
                shutil.copy(copy, daemon.directory / "state/extstate.db")
                daemon.start()
                self.assertEqual(states(daemon)["Custom:1000"], "INUSE")
                self.assertNotIn("Custom:1001", states(daemon))
                self.assertGreater(store_status(daemon)["starts"], starts)
                starts = store_status(daemon)["starts"]
                told = []
                wait_for("the state of then", lambda: told.append(phone.notify()) or
                         ("confirmed" in told[-1].body and told[-1].cseq != cseq))  # the former may have been repeated
                self.assertGreater(told[-1].cseq, cseq + 1000)
                cseq = told[-1].cseq

    def test_verify(self):
        with Extstated(DURABLE) as daemon:
            daemon.set("Custom:1000", "INUSE")
            daemon.tool("presencestate", "change", "CustomPresence:1001", "away")
            with Phone(daemon.port) as phone:
                self.assertEqual(phone.subscribe("1000").status, 200)
            tables = {row["table"]: row for row in daemon.tool("verify")}
            self.assertEqual([tables[t]["records"] for t in ("subscription", "device", "presence", "mailbox", "self")],
                             [1, 1, 1, 0, 3])
            self.assertEqual(sum(row["wrong"] for row in tables.values()), 0)
            with sqlite3.connect(daemon.directory / "state/extstate.db") as db:
                db.execute("insert into device values ('Custom:9\tctl', x'0103414243')")
                db.execute("insert into device values ('Custom:8\tctl', x'01')")
                db.execute("insert into subscription values (64000, x'010203')")
                db.execute("insert into sent_publication values (64000, x'0103')")
            db.close()
            self.assertRegex(daemon.tool("verify", status=1, plain=True), r"device +3 +2 +Custom:8 ctl")
            self.assertRegex(daemon.tool("verify", status=1, plain=True), r"subscription +2 +1 +64000")
            self.assertRegex(daemon.tool("verify", status=1, plain=True), r"sent_publication +1 +1 +64000")
            self.assertIn("a restart forgets them", daemon.tool("verify", status=1, plain=True))
            daemon.stop()
            daemon.start()
            self.assertEqual(daemon.log().count("state.restore"), 2)
            wait_for("forgotten", lambda: daemon.tool("verify", status=None)[0] and
                     daemon.tool("verify", status=None, plain=True).find("a restart") < 0)
            self.assertEqual(states(daemon)["Custom:1000"], "INUSE")


def astdb(path, rows):
    db = sqlite3.connect(path)
    db.execute("create table astdb(key varchar(256), value varchar(256), primary key(key))")
    db.executemany("insert into astdb values (?, ?)", rows)
    db.commit()
    db.close()


class Import(unittest.TestCase):
    ROWS = [
        ("/CustomDevstate/1000", "INUSE"),
        ("/CustomDevstate/lamp/of bob", "RINGING"),
        ("/CustomDevstate/wrong", "RINGINGINUSE"),
        ("/CustomDevstate/" + "x" * 90, "INUSE"),
        ("/CustomPresence/1001", "away,lunch,until two"),
        ("/CustomPresence/coded", "dnd,,dW50aWwgdHdvLCBwZXJoYXBz,e"),
        ("/CustomPresence/wrong", "asleep,,"),
        ("/StasisDeviceState/queue", "BUSY"),
        ("/mwi_external/mailboxes/100@default", '{"msgs_new":"3","msgs_old":"1"}'),
        ("/mwi_external/mailboxes/101@default", '{"msgs_new":3}'),
        ("/subscription_persistence/subscription_persistence/1", '{"expires":"4000000000","cseq":"7","transport_key":"TLS"}'),
        ("/subscription_persistence/subscription_persistence/2", '{"expires":"1000000000","cseq":"7","tag":"y"}'),
        ("/subscription_persistence/subscription_persistence/3", "{"),
        ("/registrar/contact/alice;@1", '{"uri":"sip:alice@127.0.0.1"}'),
        ("/dundi/secret", "x"),
    ]

    def test_what_an_asterisk_kept(self):
        with Extstated(DURABLE) as daemon:
            file = daemon.directory / "astdb.sqlite3"
            astdb(file, self.ROWS)
            text = daemon.tool("import", "astdb", file, "--dry-run", status=1, plain=True)
            self.assertIn("Would be imported: 4 device states, 2 presences, 1 mailboxes, 0 subscriptions; 4 skipped", text)
            self.assertNotIn("Custom:1000", states(daemon))
            text = daemon.tool("import", "astdb", file, status=1, plain=True)
            for key in ("CustomDevstate/wrong", "CustomDevstate/xxxx", "CustomPresence/wrong", "mailboxes/101@default",
                        "subscription_persistence/3"):
                self.assertRegex(text, rf"extstatectl: /[^\n]*{key}[^\n]*; skipped\n")
            self.assertIn("Imported: 3 device states, 2 presences, 1 mailboxes, 0 subscriptions; 5 skipped", text)
            self.assertRegex(text, r"\n1 subscriptions came by a connection .*\n1 subscriptions have expired\n")
            self.assertEqual(daemon.tool("import", "astdb", file, status=1)[-1],
                             {"devices": 3, "presences": 2, "mailboxes": 1, "skipped": 5, "subscriptions": 0,
                              "subscriptions_expired": 1, "subscriptions_connected": 1})
            daemon.kill()
            daemon.start()
            now = states(daemon)
            self.assertEqual([now[f"Custom:{n}"] for n in ("1000", "lamp/of bob")], ["INUSE", "RINGING"])
            self.assertEqual(now["Stasis:queue"], "BUSY")
            presences = {row["provider"]: row for row in daemon.tool("presencestate", "list")}
            self.assertEqual(presences["CustomPresence:1001"]["message"], "until two")
            self.assertEqual(presences["CustomPresence:coded"]["message"], "until two, perhaps")
            self.assertEqual(daemon.tool("mailbox", "list")[0]["new"], 3)

    TAGS = [f"{i}f0c2b7e-5d1e-4d0a-9a3b-0c9d8e7f6a5{i}" for i in range(6)]  # in both workers

    def kept(self, daemon, phone, i):
        """As Asterisk writes one."""
        packet = [f"SUBSCRIBE sip:1000@127.0.0.1:{daemon.port} SIP/2.0",
                  f"Via: SIP/2.0/UDP 127.0.0.1:{phone.port};rport;branch=z9hG4bKold{i}", "Max-Forwards: 70",
                  f"From: <sip:alice@127.0.0.1>;tag=f{phone.port}", "To: <sip:1000@127.0.0.1>", f"Call-ID: old-{i}",
                  "CSeq: 1 SUBSCRIBE", "Contact: <sip:alice@192.0.2.99>", "Event: dialog", "Expires: 3600",
                  "Accept: application/dialog-info+xml", "Content-Length: 0", "", ""]
        row = {"packet": "\r\n".join(packet), "src_name": "127.0.0.1", "src_port": str(phone.port), "transport_key": "UDP",
               "local_name": "127.0.0.1", "local_port": str(daemon.port), "cseq": "4711", "tag": self.TAGS[i],
               "endpoint": "alice", "expires": str(int(time.time()) + 600), "prune_on_boot": "no",
               "contact_uri": f"sip:alice@127.0.0.1:{phone.port}", "generator_data": '{"1000":{"version":7}}'}
        return f"/subscription_persistence/subscription_persistence/{i}", json.dumps(row)

    def refresh(self, phone, daemon, i, cseq):
        phone.request("SUBSCRIBE", f"sip:127.0.0.1:{daemon.port}",
                      [("Event", "dialog"), ("Expires", 600), ("To", f"<sip:1000@127.0.0.1>;tag={self.TAGS[i]}"),
                       ("Call-ID", f"old-{i}"), ("CSeq", f"{cseq} SUBSCRIBE")])
        self.assertEqual(phone.response().status, 200)
        while f"tag={self.TAGS[i]}" not in phone.notify()["From"]:
            pass  # one whose answer had not come when the daemon was killed is owed another

    def test_subscriptions_go_on(self):
        """Told once, with numbers that rise; refreshed in the dialog that was Asterisk's, also after a restart."""
        with Extstated(DURABLE) as daemon, Phone(daemon.port) as phone:
            file = daemon.directory / "astdb.sqlite3"
            indices = range(len(self.TAGS))
            astdb(file, [("/CustomDevstate/1000", "INUSE"), *(self.kept(daemon, phone, i) for i in indices)])
            self.assertIn("Imported: 1 device states, 0 presences, 0 mailboxes, 6 subscriptions; 0 skipped",
                          daemon.tool("import", "astdb", file, plain=True))
            told = [phone.notify() for _ in indices]
            self.assertEqual({re.search("tag=(.*)", n["From"]).group(1) for n in told}, set(self.TAGS))
            for n in told:
                self.assertGreater(n.cseq, 4711)
                self.assertGreater(int(re.search(r'version="(\d+)"', n.body).group(1)), 7)
                self.assertRegex(n["Subscription-State"], r"active;expires=(59\d|600)")
                self.assertIn("confirmed", n.body)
            for i in indices:
                self.refresh(phone, daemon, i, 2)
            daemon.kill()
            daemon.start()
            for i in indices:
                self.refresh(phone, daemon, i, 3)
            self.assertEqual(daemon.tool("import", "astdb", file, status=1, plain=True).count("it is here already; skipped"), 6)

    def test_many(self):
        with Extstated(DURABLE) as daemon:
            file = daemon.directory / "astdb.sqlite3"
            astdb(file, [(f"/CustomDevstate/{i}", "INUSE") for i in range(3000)])
            daemon.tool("import", "astdb", file)
            self.assertEqual(sum(state == "INUSE" for state in states(daemon).values()), 3000)

    def test_what_is_none(self):
        with Extstated(DURABLE) as daemon:
            self.assertIn("unable to open", daemon.tool("import", "astdb", daemon.directory / "no", status=1, plain=True))
            self.assertIn("not a database", daemon.tool("import", "astdb", daemon.directory / "log", status=1, plain=True))
            sqlite3.connect(daemon.directory / "empty").close()
            self.assertIn("no such table", daemon.tool("import", "astdb", daemon.directory / "empty", status=1, plain=True))


class Disk:
    """A small file system where the state directory is to be. Use as a context manager."""

    def __init__(self, daemon):
        self.path = daemon.directory / "state"

    def __enter__(self):
        self.path.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", self.path], capture_output=True, text=True)
        if done.returncode:
            raise unittest.SkipTest(f"no file system can be mounted here: {done.stderr.strip()}")
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=True)

    def fill(self):
        with open(self.path / "filler", "wb", buffering=0) as filler:
            try:
                while filler.write(bytes(4096)):
                    pass
            except OSError:
                pass

    def make_room(self):
        (self.path / "filler").unlink()

    def remount(self, how):
        subprocess.run(["mount", "-o", f"remount,{how}", self.path], check=True)


class Beside(Extstated):
    """One whose control socket is not in its state directory."""

    socket = property(lambda self: self.directory / "socket")

    def __init__(self, files):
        super().__init__(files)
        self.arguments += ["--set", f"general.control_socket={self.socket}"]


class Xfs(Disk):
    """One that gives up all access when it fails; then whoever writes into the memory of a file of it gets a signal."""

    def __enter__(self):
        image = self.path.parent / "xfs"
        self.path.mkdir()
        with open(image, "wb") as file:
            file.truncate(400 << 20)
        for command in (["mkfs.xfs", "-q", image], ["mount", "-o", "loop", image, self.path]):
            if not shutil.which(command[0]) or subprocess.run(command, capture_output=True).returncode:
                raise unittest.SkipTest(f"{command[0]} is not possible here")
        return self

    def fail(self):
        directory = os.open(self.path, os.O_RDONLY)
        fcntl.ioctl(directory, 0x8004587D, struct.pack("I", 2))  # FS_IOC_SHUTDOWN, and what is not written yet is lost
        os.close(directory)


class Trouble(unittest.TestCase):
    """Each has the daemon go on with what it has, promise nothing new, and recover without a restart."""

    def shown(self, daemon, phone, state="INUSE"):
        """The telephone watches a lamp that is so."""
        daemon.set("Custom:1000", state)
        dialog = Subscription(phone.subscribe("1000"))
        phone.notify()
        return dialog

    def fails(self, daemon, phone, dialog, why):
        """The first change is the one that finds out; the next are refused. What was said stays served."""
        text = ""
        for i in range(2000):  # a log that has room goes on for a while
            done = daemon.tool("devstate", "change", "Custom:1000", ("INUSE", "BUSY")[i % 2], status=None, plain=True)
            if "not written yet" in done:
                text = done
                break
        self.assertIn("not written yet", text)
        before = states(daemon)
        self.assertIn("nothing has changed", daemon.tool("devstate", "change", "Custom:1001", "INUSE", status=1, plain=True))
        self.assertIn("nothing has changed", daemon.tool("mailbox", "change", "1@d", "1", status=1, plain=True))
        self.assertEqual(states(daemon), before)
        refused = phone.subscribe("1001")
        self.assertEqual((refused.status, refused["Retry-After"] is not None), (503, True))
        self.assertEqual(phone.subscribe("1000", dialog=dialog).status, 200)
        wait_for("the newest state", lambda: "<state>confirmed</state>" in phone.notify().body)
        now = store_status(daemon)
        self.assertTrue(now["failing"])
        self.assertRegex(now["last_failure"], why)
        self.assertGreater(now["waiting_bytes"], 0)
        self.assertIn("store.fails", daemon.log())
        return before["Custom:1000"]

    def recovers(self, daemon, state):
        wait_for("recovery", lambda: not store_status(daemon)["failing"])
        self.assertIn("store.works_again", daemon.log())
        daemon.set("Custom:1001", "INUSE")
        daemon.kill()
        daemon.start()
        self.assertEqual([states(daemon)[f"Custom:{n}"] for n in ("1000", "1001")], [state, "INUSE"])

    def test_full_disk(self):
        daemon = Extstated(DURABLE)
        with Disk(daemon) as disk, daemon, Phone(daemon.port) as phone:
            dialog = self.shown(daemon, phone)
            disk.fill()
            state = self.fails(daemon, phone, dialog, "full|I/O")
            disk.make_room()
            self.recovers(daemon, state)
            daemon.kill()
            disk.fill()
            with self.assertRaisesRegex(AssertionError, "cannot be used: .*(full|I/O)"):
                daemon.start()
            disk.make_room()
            daemon.start()

    def faulty(self, daemon, disk):
        """Started again, with a disk that is as the file says."""
        daemon.kill()
        daemon.program = harness.BUILD / "tests/crash/extstated_faulty"
        daemon.environment = dict(os.environ, EXTSTATE_DISK=disk.name)
        daemon.start()

    def disk_is(self, disk, what):
        disk.seek(0)
        disk.truncate()
        disk.write(what)
        disk.flush()

    def test_read_only(self):
        """A file system does not become read-only under an open file because somebody asks: it does so by itself, upon an
        error of the disk."""
        with tempfile.NamedTemporaryFile("w") as disk, Extstated(DURABLE) as daemon, Phone(daemon.port) as phone:
            self.faulty(daemon, disk)
            dialog = self.shown(daemon, phone)
            self.disk_is(disk, "read-only")
            state = self.fails(daemon, phone, dialog, "Read-only file system")
            daemon.tool("verify")
            self.disk_is(disk, "")
            self.recovers(daemon, state)

    def test_a_file_system_that_ends(self):
        daemon = Beside(DURABLE)
        with Xfs(daemon) as disk, daemon, Phone(daemon.port) as phone:
            dialog = self.shown(daemon, phone)
            daemon.settle()
            subprocess.run(["sync", "-f", disk.path], check=True)  # so that each page has to be asked for again
            disk.fail()
            self.fails(daemon, phone, dialog, ".")

    def test_a_disk_that_hangs(self):
        """Nobody waits longer than 2 s, and lamps are not stale for longer."""
        with tempfile.NamedTemporaryFile("w") as disk, Extstated(DURABLE) as daemon, Phone(daemon.port) as phone:
            self.faulty(daemon, disk)
            dialog = self.shown(daemon, phone, "NOT_INUSE")
            self.disk_is(disk, "hangs")
            begun = time.monotonic()
            phone.request("SUBSCRIBE", dialog.target, [("Event", "dialog"), ("Expires", 600), ("To", dialog.to),
                                                       ("Call-ID", dialog.call_id)])
            time.sleep(0.1)  # its record is on its way
            said = daemon.tool("devstate", "change", "Custom:1000", "INUSE", status=1, plain=True)
            self.assertIn("not written yet", said)
            self.assertEqual(phone.response().status, 200)
            wait_for("the newest state", lambda: "<state>confirmed</state>" in phone.notify().body)
            self.assertLess(time.monotonic() - begun, 3.5)
            begun = time.monotonic()
            refused = phone.subscribe("1001")
            self.assertEqual((refused.status, refused["Retry-After"] is not None), (503, True))
            self.assertEqual(phone.subscribe("1000", dialog=dialog).status, 200)
            phone.notify()
            self.assertIn("nothing has changed", daemon.tool("devstate", "change", "Custom:1001", "INUSE", status=1, plain=True))
            self.assertLess(time.monotonic() - begun, 1)
            self.assertEqual(store_status(daemon)["last_failure"], "the disk does not answer")
            self.assertIn("store.fails", daemon.log())
            self.disk_is(disk, "")
            wait_for("recovery", lambda: not store_status(daemon)["failing"])
            self.assertIn("store.answers_again", daemon.log())
            daemon.set("Custom:1001", "INUSE")
            daemon.kill()
            daemon.start()
            self.assertEqual([states(daemon)[f"Custom:{n}"] for n in ("1000", "1001")], ["INUSE", "INUSE"])

    def test_the_end_while_a_disk_hangs(self):
        with tempfile.NamedTemporaryFile("w") as disk, Extstated(DURABLE) as daemon:
            self.faulty(daemon, disk)
            daemon.set("Custom:1000", "INUSE")
            self.disk_is(disk, "hangs")
            self.assertIn("not written yet", daemon.tool("devstate", "change", "Custom:1000", "BUSY", status=1, plain=True))
            begun = time.monotonic()
            daemon.process.terminate()
            self.assertEqual(daemon.process.wait(harness.PATIENCE), 1)
            self.assertLess(time.monotonic() - begun, 8)
            self.assertIn("daemon.disk_hangs", daemon.log())
            self.disk_is(disk, "")
            daemon.start()
            self.assertEqual(states(daemon)["Custom:1000"], "INUSE")

    def test_read_only_at_the_start(self):
        daemon = Extstated(DURABLE)
        with Disk(daemon) as disk, daemon:
            daemon.set("Custom:1000", "INUSE")
            daemon.stop()
            disk.remount("ro")
            with self.assertRaisesRegex(AssertionError, "[Rr]ead-only"):
                daemon.start()
            disk.remount("rw")
            daemon.start()
            self.assertEqual(states(daemon)["Custom:1000"], "INUSE")

    def test_locked(self):
        with Extstated(DURABLE) as daemon, Phone(daemon.port) as phone:
            dialog = self.shown(daemon, phone)
            other = sqlite3.connect(daemon.directory / "state/extstate.db", isolation_level=None)
            other.execute("begin exclusive")
            state = self.fails(daemon, phone, dialog, "locked")
            other.execute("rollback")
            other.close()
            self.recovers(daemon, state)

    def test_damaged_while_it_runs(self):
        """Everything is written anew into another file, by those who have it."""
        with Extstated(DURABLE) as daemon:
            for i in range(2000, 2100):
                daemon.set(f"Custom:{i}", "INUSE")
            state = daemon.directory / "state"
            with open(state / "extstate.db-shm", "r+b") as index, open(state / "extstate.db-wal", "r+b") as log, \
                    open(state / "extstate.db", "r+b") as file:
                for f in (file, log, index):
                    size = os.fstat(f.fileno()).st_size
                    f.write(b"\xff" * size)
            daemon.tool("verify", status=1)
            wait_for("another file", lambda: daemon.tool("devstate", "change", "Custom:1000", "BUSY", status=None, plain=True)
                     and store_status(daemon)["files_replaced"])
            wait_for("recovery", lambda: not store_status(daemon)["failing"])
            daemon.set("Custom:1000", "INUSE")
            self.assertEqual(len(list(state.glob("extstate.db.damaged-*"))) > 0, True)
            daemon.tool("verify")
            daemon.kill()
            daemon.start()
            self.assertEqual(sum(s == "INUSE" for s in states(daemon).values()), 101)

    def test_damaged_before_the_start(self):
        with Extstated(DURABLE) as daemon:
            daemon.set("Custom:1000", "INUSE")
            daemon.stop()
            file = daemon.directory / "state/extstate.db"
            file.write_bytes(b"\xff" * file.stat().st_size)
            daemon.start()
            self.assertIn("store.damaged_file_kept", daemon.log())
            daemon.set("Custom:1001", "INUSE")
            daemon.tool("verify")

    def root_of(self, file, table):
        db = sqlite3.connect(file)
        page = db.execute("select rootpage from sqlite_schema where name = ?", (table,)).fetchone()[0]
        db.close()
        return page

    def damage(self, file, page):
        with open(file, "r+b") as f:
            f.seek((page - 1) * 4096)
            f.write(b"no page ".ljust(4096))

    def test_what_verify_finds(self):
        """It is mended although nothing is written."""
        with Extstated(DURABLE) as daemon:
            daemon.set("Custom:1000", "INUSE")
            daemon.stop()
            daemon.start()
            file = daemon.directory / "state/extstate.db"
            self.damage(file, self.root_of(file, "silent_contact"))
            daemon.tool("verify", status=1)
            self.assertIn("store.damaged", daemon.log())
            wait_for("another file", lambda: store_status(daemon)["files_replaced"])
            daemon.tool("verify")
            daemon.kill()
            daemon.start()
            self.assertEqual(states(daemon)["Custom:1000"], "INUSE")

    def test_a_page_damaged_before_the_start(self):
        """Whichever it is, what is in the others is there."""
        for table in ("self", "device", "subscription", "publication"):
            with self.subTest(table), Extstated(DURABLE) as daemon, Phone(daemon.port) as phone:
                daemon.set("Custom:1000", "INUSE")
                phone.subscribe("1000")
                before = phone.notify().cseq
                daemon.stop()
                file = daemon.directory / "state/extstate.db"
                self.damage(file, self.root_of(file, table))
                daemon.start()
                self.assertIn("store.damaged", daemon.log())
                self.assertEqual(states(daemon).get("Custom:1000"), "INUSE" if table != "device" else None)
                daemon.set("Custom:1000", "RINGING")
                if table != "subscription":
                    wait_for("the newest state", lambda: "<state>early</state>" in self.told(phone, before))
                wait_for("another file", lambda: store_status(daemon)["files_replaced"])
                daemon.tool("verify")

    def told(self, phone, cseq):
        told = phone.notify()
        self.assertGreater(told.cseq, cseq)
        return told.body

    def test_another_daemon(self):
        with Extstated(DURABLE) as daemon:
            other = Extstated({"extstate.conf": f"[general]\ncontrol_socket={daemon.directory}/other\n"})
            try:
                shutil.rmtree(other.directory / "state", ignore_errors=True)
                (other.directory / "state").symlink_to(daemon.directory / "state")
                with self.assertRaisesRegex(AssertionError, "another extstated uses the state directory"):
                    other.start()
            finally:
                (other.directory / "state").unlink()
                other.end()


if __name__ == "__main__":
    harness.main()
