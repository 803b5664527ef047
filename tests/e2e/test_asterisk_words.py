# SPDX-License-Identifier: MIT
"""Asterisk's words print Asterisk's text to the letter: scripts cut it at its columns. With --json they print rows."""
import re
import unittest

import harness
from harness import DEFAULT_FILES, Extstated, Phone

FILES = {
    "pjsip.conf": DEFAULT_FILES["pjsip.conf"].replace("[alice](phone)", '[alice](phone)\ncallerid="Alice Example" <6001>')
    + "[carol](phone)\ncallerid=<6003>\n[dave](phone)\ncallerid=Dave\n",
    "extensions.conf": """
[users]
exten => 1000,hint,Custom:1000
exten => 1001,hint,Custom:1001,CustomPresence:1001
exten => 100,hint,Custom:with-a-name-that-is-longer-than-the-sixty-bytes-of-its-column
[a-context-with-a-rather-long-name]
exten => 1000,hint,PJSIP/nobody
""",
}
LIST_LEGEND = """\
Endpoint/CLI                   Resource/Event                 Expiry Call-id
==============================================================================
"""
SHOW_LEGEND = """\
Endpoint: <Endpoint/Caller-ID.............................................>
Resource: <Resource/Event.................................................>
  Expiry: <Expiry>  <Call-id..............................................>
===========================================================================
"""


def hint_line(name, hint, state, presence, watchers):
    return f"{name:30.30}: {hint:60.60}  State:{state:15.15} Presence:{presence:15.15} Watchers {watchers:>2}\n"


class Hints(unittest.TestCase):
    def test_line(self):
        """One of Asterisk 22, so that hint_line is right."""
        self.assertEqual(hint_line("1001@users", "Custom:lamp1,CustomPresence:lamp1", "Idle", "not_set", 0),
                         "1001@users                    : Custom:lamp1,CustomPresence:lamp1                             "
                         "State:Idle            Presence:not_set         Watchers  0\n")

    def test_core_show_hints(self):
        with Extstated(FILES) as daemon, Phone(daemon.port) as phone:
            phone.subscribe("1001")
            phone.notify()
            daemon.set("Custom:1001", "RINGINUSE")
            phone.notify()
            daemon.tool("presencestate", "change", "CustomPresence:1001", "dnd")
            one, two = (hint_line("1000@a-context-with-a-rather-long-name", "PJSIP/nobody", "Unavailable", "not_set", 0),
                        hint_line("1000@users", "Custom:1000", "Idle", "not_set", 0))
            # Sorted by the whole name: '@' comes behind the digits.
            lines = [one, two, hint_line("1001@users", "Custom:1001,CustomPresence:1001", "InUse&Ringing", "dnd", 1),
                     hint_line("100@users", "Custom:with-a-name-that-is-longer-than-the-sixty-bytes-of-its-column",
                               "Idle", "not_set", 0)]
            self.assertEqual(daemon.tool("core", "show", "hints", plain=True),
                             "\n    -= Registered Asterisk Dial Plan Hints =-\n" + "".join(lines)
                             + "----------------\n- 4 hints registered\n")
            self.assertEqual(daemon.tool("core", "show", "hint", "1000", plain=True),
                             one + two + "2 hints matching extension 1000\n")
            self.assertEqual(daemon.tool("core", "show", "hint", "1000@U", plain=True),
                             two + "1 hint matching extension 1000@U\n")
            self.assertEqual(daemon.tool("core", "show", "hint", "7", status=4, plain=True),
                             "No hints matching extension 7\n")
            rows = daemon.tool("core", "show", "hints")
            self.assertEqual([row["extension"] for row in rows], ["1000", "1000", "1001", "100"])
            self.assertEqual([row["context"] for row in daemon.tool("core", "show", "hint", "1000@users")], ["users"])
            self.assertEqual(daemon.tool("core", "show", "hint", "7", status=4), [])
            daemon.reload(extensions_conf="[users]\n")
            self.assertEqual(daemon.tool("core", "show", "hints", plain=True), "There are no registered dialplan hints\n")
            self.assertEqual(daemon.tool("core", "show", "hints"), [])


class Subscriptions(unittest.TestCase):
    def words(self, daemon, *words, **options):
        return daemon.tool("pjsip", *words, plain=True, **options)

    def test_none(self):
        with Extstated(FILES) as daemon:
            for direction in ("inbound", "outbound"):
                self.assertEqual(self.words(daemon, "list", "subscriptions", direction),
                                 LIST_LEGEND + "\n0 active subscriptions\n")
                self.assertEqual(self.words(daemon, "show", "subscriptions", direction),
                                 SHOW_LEGEND + "\n0 active subscriptions\n")
                for verb in ("list", "show"):
                    self.assertEqual(daemon.tool("pjsip", verb, "subscriptions", direction), [])

    def test_columns(self):
        with Extstated(FILES, workers=1) as daemon:
            people = [("alice", "Alice Example", '"Alice Example" <6001>'), ("bob", "<none>", "<none>"),
                      ("carol", "6003", "6003"), ("dave", "Dave", "Dave")]
            phones, listed, shown = [], [], []
            for user, short, long in people:
                phone = Phone(daemon.port, user)
                self.addCleanup(phone.socket.close)
                call_id = phone.subscribe("1000")["Call-ID"]
                phone.notify()
                phones.append((phone, call_id))
                listed.append((call_id, f"{user + '/' + short:30.30} {'1000/dialog':30.30} {600:>6} {call_id}\n"))
                shown.append((call_id, f"Endpoint: {user}/{long}\nResource: 1000/dialog\n"
                                       f"  Expiry: {600:>8}  {call_id}\n\n"))

            def same(verb, legend, rows, *like, matched=""):
                """The rows in any order, and seconds may pass meanwhile."""
                text = self.words(daemon, verb, "subscriptions", "inbound", *like)
                text = re.sub(r" 59\d ", " 600 ", text)
                self.assertEqual(text[:len(legend)], legend)
                footer = f"\n{len(rows)} active subscriptions{matched}\n"
                self.assertEqual(text[-len(footer):], footer)
                body = text[len(legend):-len(footer)]
                for _, row in rows:
                    self.assertIn(row, body)
                self.assertEqual(len(body), sum(len(row) for _, row in rows))

            same("list", LIST_LEGEND, listed)
            same("show", SHOW_LEGEND, shown)
            same("list", LIST_LEGEND, listed[:1], "like", "^alice/Alice", matched=' matched "^alice/Alice"')
            same("list", LIST_LEGEND, listed[1:2], "like", phones[1][1], matched=f' matched "{phones[1][1]}"')
            same("show", SHOW_LEGEND, shown[1:2], "like", "<none>", matched=' matched "<none>"')
            same("show", SHOW_LEGEND, [], "like", "^ALICE", matched=' matched "^ALICE"')
            rows = daemon.tool("pjsip", "show", "subscriptions", "inbound", "like", "alice/")
            self.assertEqual([row["call_id"] for row in rows], [phones[0][1]])
            self.assertEqual(len(daemon.tool("pjsip", "list", "subscriptions", "inbound")), 4)
            self.words(daemon, "list", "subscriptions", "inbound", "like", "(", status=2)
            self.words(daemon, "list", "subscriptions", "inbound", "alice", status=2)

    def test_one(self):
        with Extstated(FILES) as daemon, Phone(daemon.port) as phone, Phone(daemon.port, "bob") as other:
            daemon.set("Custom:1000", "INUSE")
            call_id = phone.subscribe("1000")["Call-ID"]
            phone.notify()
            text = self.words(daemon, "show", "subscription", "inbound", call_id)
            self.assertEqual(re.sub(r": 59\d\n", ": 600\n", text), f"""\
ParameterName       : ParameterValue
================================================================
Resource            : 1000
Event               : dialog
Expiry              : 600
Role                : Notifier
Endpoint            : alice
Callid              : {call_id}
State               : ACTIVE
Callerid            : "Alice Example" <6001>
SubscriptionType    : extension_state
Extension           : 1000
ExtensionStates     : InUse
""")
            self.assertEqual(daemon.tool("pjsip", "show", "subscription", "inbound", call_id)[0]["call_id"], call_id)
            call_id = other.subscribe("1000")["Call-ID"]
            other.notify()
            self.assertIn("Callerid            : Unknown\n", self.words(daemon, "show", "subscription", "inbound", call_id))
            self.assertEqual(self.words(daemon, "show", "subscription", "inbound", "nobody", status=4),
                             "Unable to find subscription with call-id nobody\n")
            self.assertEqual(daemon.tool("pjsip", "show", "subscription", "inbound", "nobody", status=4), [])


class Others(unittest.TestCase):
    def test_text_and_json(self):
        with Extstated(FILES) as daemon:
            for words, text in (
                    ("devstate change Custom:1000 BUSY", "Changing Custom:1000 to BUSY\n"),
                    ("presencestate change CustomPresence:1 dnd", "Changing CustomPresence:1 to dnd\n"),
                    ("pjsip set logger on", "PJSIP Logging enabled\n"),
                    ("pjsip set logger host 127.0.0.1", "PJSIP Logging Enabled for host: 127.0.0.1\n"),
                    ("pjsip set logger off", "PJSIP Logging disabled\n"),
                    ("pjsip set logger verbose", "PJSIP Logging enabled\n"),
                    ("pjsip set logger verbose off", "PJSIP Logging disabled\n"),
                    ("dialplan reload", "Dialplan reloaded.\n"), ("core reload", ""), ("module reload", ""),
                    ("pjsip reload", "")):
                with self.subTest(words):
                    self.assertEqual(daemon.tool(*words.split(), plain=True), text)
                    self.assertEqual([row["ok"] for row in daemon.tool(*words.split())], [True])
            self.assertIn("Usage: extstatectl pjsip set logger verbose",
                          daemon.tool("pjsip", "set", "logger", "verbose", "loud", status=2, plain=True))
            self.assertRegex(daemon.tool("core", "show", "uptime", plain=True), r"^System uptime: \d+ seconds\n$")
            self.assertRegex(daemon.tool("core", "show", "version", plain=True), r"^extstate \d+\.\d+\.\d+\n$")
            self.assertIn("uptime_s", daemon.tool("core", "show", "uptime")[0])


if __name__ == "__main__":
    harness.main()
