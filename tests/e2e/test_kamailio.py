# SPDX-License-Identifier: MIT
"""Debian's Kamailio as the event state compositor: it accepts every state, its watchers see it, and it may die."""
import unittest

import harness
from harness import DEFAULT_FILES, Extstated, Kamailio, Phone, sipp, wait_for

PUBLISHERS = """
[esc]
type=outbound-publish
server_uri=sip:127.0.0.1:{esc}
from_uri=sip:127.0.0.1
event=dialog
multi_user=yes
@body=application/dialog-info+xml
@context=^users
[esc-presence]
type=outbound-publish
server_uri=sip:127.0.0.1:{esc}
from_uri=sip:127.0.0.1
event=presence
multi_user=yes
@body=application/pidf+xml
@context=^users
"""
# device state, what a dialog watcher sees at Kamailio, what a presence watcher sees
STATES = [
    ("INUSE", "<state>confirmed</state>", "On the phone"),
    ("RINGING", "<state>early</state>", "Ringing"),
    ("NOT_INUSE", None, "Ready"),
    ("BUSY", "<state>confirmed</state>", "On the phone"),
    ("UNAVAILABLE", None, "Unavailable"),
    ("RINGINUSE", "<state>confirmed</state>", "Ringing"),
    ("ONHOLD", "+sip.rendering", "On hold"),
    ("INVALID", None, "Unavailable"),
    ("UNKNOWN", None, "Ready"),
    ("INUSE", "<state>confirmed</state>", "On the phone"),
]
LIVE = ("<state>confirmed", "<state>early")


def shows(message, part):
    """An idle lamp is a document without a live dialog."""
    return part in message.body if part else not any(state in message.body for state in LIVE)


def until(phone, part):
    """Answer NOTIFYs until one shows it: Kamailio repeats and may say the former state once more."""
    for _ in range(20):
        message = phone.notify(10)
        if message is None:
            break
        if shows(message, part):
            return message
    raise AssertionError(f"no NOTIFY showed {part}")


class WithKamailio(unittest.TestCase):
    def daemon_for(self, esc, publishers=PUBLISHERS, interval=1, **options):
        files = {"pjsip.conf": DEFAULT_FILES["pjsip.conf"] + publishers.replace("{esc}", str(esc.port))}
        return Extstated(files, arguments=["--set", f"general.publish_retry_interval={interval}"], **options)

    def published(self, daemon, n):
        def all_there():
            rows = daemon.tool("publications", status=None)
            return len(rows) == n and all(r["state"] == "published" and r["entity_tag"] and
                                          r["told_sequence"] == r["current_sequence"] for r in rows)
        wait_for("the publications", all_there)

    def test_every_state_reaches_the_watchers(self):
        with Kamailio() as esc, self.daemon_for(esc) as daemon, Phone(esc.port) as lamp, Phone(esc.port) as friend:
            self.published(daemon, 4)
            self.assertEqual(lamp.subscribe("1000").status, 200)
            lamp.notify()
            self.assertEqual(friend.subscribe("1000", event="presence").status, 200)
            friend.notify()
            for state, dialog, presence in STATES:
                with self.subTest(state):
                    daemon.set("Custom:1000", state)
                    until(lamp, dialog)
                    until(friend, presence)
            self.published(daemon, 4)
            for row in daemon.tool("publications"):
                self.assertEqual((row["last_status"], row["failures"]), (200, 0))

    def watch_with_sipp(self, esc, daemon, event, accept, before, steps, extension="1000"):
        """A sipp watcher at Kamailio sees each state that `extstatectl devstate change` makes."""
        keys = {"state0": before}
        for n, (state, shown) in enumerate(steps, 1):
            keys[f"change{n}"] = daemon.command("devstate", "change", f"Custom:{extension}", state)
            keys[f"state{n}"] = shown
        # A NOTIFY that Kamailio repeats just while a command is run waits for its retransmission.
        sipp("compositor_watch.xml", esc.port, arguments=["-default_behaviors", "all,-abortunexp"], extension=extension,
             event=event, accept=accept, **keys)

    def test_sipp_watches_kamailio(self):
        idle, confirmed, early = 'entity="sip:1000@127.0.0.1"/>', "<state>confirmed</state>", "<state>early</state>"
        watches = [
            ("dialog", "application/dialog-info+xml", idle,
             (("INUSE", confirmed), ("RINGING", early), ("ONHOLD", "+sip.rendering"), ("NOT_INUSE", idle))),
            ("dialog", "application/dialog-info+xml", idle,
             (("BUSY", confirmed), ("UNAVAILABLE", idle), ("RINGINUSE", confirmed), ("UNKNOWN", idle))),
            ("presence", "application/pidf+xml", "Ready",
             (("INUSE", "On the phone"), ("RINGING", "Ringing"), ("ONHOLD", "On hold"), ("NOT_INUSE", "Ready"))),
            ("presence", "application/pidf+xml", "Ready",
             (("BUSY", "On the phone"), ("UNAVAILABLE", "Unavailable"), ("RINGINUSE", "Ringing"), ("UNKNOWN", "Ready"))),
        ]
        with Kamailio() as esc, self.daemon_for(esc) as daemon:
            self.published(daemon, 4)
            for watch in watches:
                with self.subTest(watch):
                    self.watch_with_sipp(esc, daemon, *watch)

    def test_bodies_kamailio_does_not_know(self):
        """xpidf and cpim-pidf are taken and passed on as they are, under the name of the body it knows."""
        for body in ("application/xpidf+xml", "application/cpim-pidf+xml"):
            section = PUBLISHERS[PUBLISHERS.index("[esc-presence]"):].replace("application/pidf+xml", body)
            with self.subTest(body), Kamailio() as esc, self.daemon_for(esc, section) as daemon:
                self.published(daemon, 2)
                self.assertEqual({row["content_type"] for row in daemon.tool("publications")}, {body})
                self.watch_with_sipp(esc, daemon, "presence", "application/pidf+xml", 'status="open"',
                                     (("INUSE", 'status="inuse"'), ("UNAVAILABLE", 'status="closed"'),
                                      ("RINGING", 'status="inuse"'), ("NOT_INUSE", 'status="open"')))
                with Phone(esc.port) as friend:
                    friend.subscribe("1000", event="presence", accept=body)
                    self.assertEqual(friend.notify()["Content-Type"], "application/pidf+xml")

    def test_killed_and_restarted(self):
        with Kamailio() as esc, self.daemon_for(esc) as daemon:
            self.published(daemon, 4)
            daemon.set("Custom:1000", "INUSE")
            with Phone(esc.port) as lamp:
                lamp.subscribe("1000")
                until(lamp, "<state>confirmed</state>")
            esc.kill()
            daemon.set("Custom:1001", "RINGING")  # while nobody listens
            esc.start()
            # Nobody touches a lamp: both are there again by themselves.
            for extension, part in (("1000", "<state>confirmed</state>"), ("1001", "<state>early</state>")):
                with Phone(esc.port) as lamp:
                    lamp.subscribe(extension)
                    until(lamp, part)
            self.published(daemon, 4)
            esc.kill()
            esc.start()  # forgets everything, and nothing changes meanwhile
            with Phone(esc.port) as lamp:
                lamp.subscribe("1000")
                until(lamp, "<state>confirmed</state>")

    def test_we_are_killed_and_started(self):
        """It sees no initial PUBLISH, and none but for what changed."""
        def sent(daemon):
            counters = daemon.tool("status")[0]["publisher"]
            return [counters[k] for k in ("sent", "initial", "modify", "lost_tags")]
        # Nobody is asked now and then whether he still knows.
        with Kamailio() as esc, self.daemon_for(esc, interval=600) as daemon, Phone(esc.port) as lamp:
            self.published(daemon, 4)
            daemon.set("Custom:1000", "INUSE")
            lamp.subscribe("1000")
            until(lamp, "<state>confirmed</state>")
            self.published(daemon, 4)
            daemon.settle()
            daemon.kill()
            daemon.start()
            daemon.set("Custom:1000", "RINGING")
            until(lamp, "<state>early</state>")
            self.published(daemon, 4)
            self.assertEqual(sent(daemon), [2, 0, 2, 0])
            # The order of the end makes no difference, and the number of workers not much.
            daemon.stop()
            daemon.arguments += ["--set", "general.workers=3"]
            daemon.start()
            daemon.set("Custom:1000", "INUSE")
            until(lamp, "<state>confirmed</state>")
            self.published(daemon, 4)
            self.assertEqual(sent(daemon)[1::2], [0, 0])

    def test_hint_and_section_removed(self):
        with Kamailio() as esc, self.daemon_for(esc) as daemon:
            self.published(daemon, 4)
            daemon.set("Custom:1000", "INUSE")
            with Phone(esc.port) as lamp:
                lamp.subscribe("1000")
                until(lamp, "<state>confirmed</state>")
                daemon.reload(extensions_conf="[users]\nexten => 1001,hint,Custom:1001\n")
                until(lamp, None)
            self.published(daemon, 2)
            pjsip = (daemon.config / "pjsip.conf").read_text()
            daemon.write("pjsip.conf", pjsip[:pjsip.index("[esc-presence]")])
            daemon.tool("reload")
            self.published(daemon, 1)
            daemon.write("pjsip.conf", pjsip)
            daemon.tool("reload")
            self.published(daemon, 2)


if __name__ == "__main__":
    harness.main()
