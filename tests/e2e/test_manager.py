# SPDX-License-Identifier: MIT
"""The manager interface as an Asterisk's clients know it. What is expected here is what an Asterisk 22 was seen to say."""
import contextlib
import hashlib
import re
import socket
import subprocess
import unittest

from harness import Extstated, Knocking, Phone, free_port, wait_for
from manager import Manager, manager_files, md5_key, trusting
from test_qualify import Desk

EXTENSIONS = """
[globals]
OFFICE=Berlin
[users]
exten => 1000,hint,Custom:lamp0,CustomPresence:lamp0
exten => 1001,hint,Custom:lamp1,CustomPresence:lamp1
exten => 1003,hint,Custom:lamp3
exten => lamp3,hint,Custom:lamp3
exten => dave,hint,MWI:dave@default
exten => _2XXX,hint,Custom:${EXTEN}
[callhints]
exten => alice,hint,PJSIP/alice(Alice)
"""

PJSIP = """
[udp]
type=transport
protocol=udp
bind=127.0.0.1:{port}
[alice]
type=endpoint
context=users
callerid="Alice Example" <alice>
[carol]
type=endpoint
context=users
aors=carol
[carol]
type=aor
max_contacts=10
contact=sip:carol@127.0.0.1:9
mailboxes=carol@default
[lamps]
type=resource_list
event=dialog
list_item=1000,1001
"""

HINT0 = "Exten: 1000\nContext: users\nHint: Custom:lamp0,CustomPresence:lamp0\n"
HINT1 = "Exten: 1001\nContext: users\nHint: Custom:lamp1,CustomPresence:lamp1\n"


def server(extra=""):
    port, files = manager_files(extra)
    return port, Extstated(dict({"extensions.conf": EXTENSIONS, "pjsip.conf": PJSIP}, **files))


class Sessions(unittest.TestCase):
    def test_login(self):
        port, daemon = server()
        with daemon, Manager(port, login=None) as m:
            self.assertRegex(m.banner, r"^Asterisk Call Manager/\d+\.\d+\.\d+$")
            self.assertEqual(m.ask("ExtensionState", Exten="1000", Context="users"),
                             "Response: Error\nActionID: a1\nMessage: Permission denied\n")
            self.assertEqual(m.ask("NoSuchAction"), "Response: Error\nActionID: a2\nMessage: Permission denied\n")
            self.assertEqual(m.ask("Login", Username="admin", Secret="secret", Events="on"),
                             "Response: Success\nActionID: a3\nMessage: Authentication accepted\n")
            self.assertRegex(m.message(), r"^Event: FullyBooted\nPrivilege: system,all\nUptime: \d+\nLastReload: \d+\n"
                                          r"Status: Fully Booted\n$")
            self.assertRegex(m.message(), r"^Event: SuccessfulAuth\nPrivilege: security,all\nEventTV: [-\dT:.]+\+0000\n"
                                          r"Severity: Informational\nService: AMI\nEventVersion: 1\nAccountID: admin\n"
                                          r"SessionID: 0x[0-9a-f]+\nLocalAddress: IPV4/TCP/127.0.0.1/\d+\n"
                                          r"RemoteAddress: IPV4/TCP/127.0.0.1/\d+\nUsingPassword: 0\n"
                                          r"SessionTV: [-\dT:.]+\+0000\n$")
            self.assertRegex(m.ask("Ping"), r"^Response: Success\nActionID: a4\nPing: Pong\nTimestamp: \d+\.\d{6}\n$")
            self.assertEqual(m.ask("NoSuchAction"),
                             "Response: Error\nActionID: a5\nMessage: Invalid/unknown command: NoSuchAction. Use Action: "
                             "ListCommands to show available commands.\n")
            self.assertEqual(m.ask(""), "Response: Error\nActionID: a6\nMessage: Missing action in request\n")
            self.assertEqual(m.ask("Logoff"), "Response: Goodbye\nActionID: a7\nMessage: Thanks for all the fish.\n")
            self.assertTrue(m.closed())

    def test_challenge(self):
        port, daemon = server()
        with daemon, Manager(port, login=None) as m:
            self.assertIn("Message: Must specify AuthType\n", m.ask("Challenge"))
            challenge = re.fullmatch(r"Response: Success\nActionID: a2\nChallenge: (\d+)\n", m.ask("Challenge", AuthType="MD5"))
            self.assertEqual(m.ask("Login", AuthType="MD5", Username="admin", Key=md5_key(challenge[1], "secret"), Events="off"),
                             "Response: Success\nActionID: a3\nMessage: Authentication accepted\n")
            m.ask("Ping")
            self.assertEqual(m.events, [])

    def test_refused(self):
        port, daemon = server()
        refused = [("admin", "wrong"), ("nobody", "x"), ("elsewhere", "secret"), ("admin", "")]
        with daemon:
            for name, secret in refused:
                with Manager(port, login=None) as m:
                    self.assertEqual(m.ask("Login", Username=name, Secret=secret),
                                     "Response: Error\nActionID: a1\nMessage: Authentication failed\n")
                    self.assertTrue(m.closed())
            with Manager(port, login=None) as m:
                m.ask("Challenge", AuthType="MD5")
                self.assertIn("Authentication failed", m.ask("Login", AuthType="MD5", Username="admin", Key="0" * 32))
            with Manager(port, login=("single", "one")), Manager(port, login=None) as m:
                self.assertIn("Message: Login Already In Use\n", m.ask("Login", Username="single", Secret="one"))
                self.assertTrue(m.closed())
                counters = wait_for("its end", lambda: next(
                    (c for c in [daemon.tool("status")[0]["manager"]] if c["sessions"] == 1), None))
                self.assertEqual((counters["logged_in"], counters["refused"]), (1, 6))

    def test_rights(self):
        port, daemon = server()
        with daemon, Manager(port, login=("viewer", "look")) as m:
            self.assertIn("Response: Success\n", m.ask("ExtensionState", Exten="1000", Context="users"))
            for action in ["Command", "Setvar", "Reload", "PJSIPShowEndpoints", "MWIUpdate", "Filter"]:
                self.assertIn("Message: Permission denied\n", m.ask(action))
            commands = m.ask("ListCommands")
            self.assertIn("\nExtensionState: Check Extension Status. (Priv: call,reporting,all)\n", commands)
            self.assertIn("\nPing: Keepalive command. (Priv: <none>)\n", commands)
            self.assertNotIn("\nCommand:", commands)

    def test_framing(self):
        port, daemon = server()
        with daemon, Manager(port, events="off") as m:
            for text, answers in [("Action: Ping\nActionID: lf-only\n\n", ["lf-only"]),
                                  ("action: ping\r\nactionid: lower\r\n\r\n", ["lower"]),
                                  ("Action: Ping\r\n\r\nAction: Ping\r\nActionID: second\r\n\r\n", [None, "second"]),
                                  ("Action:Ping\r\nActionID:no-space\r\n\r\n", ["no-space"])]:
                m.send(text)
                for answer in answers:
                    got = m.response()
                    self.assertIn("Ping: Pong\n", got)
                    self.assertEqual(f"ActionID: {answer}\n" in got, answer is not None)
            m.send("Action: Ping\r\nActionID: split")
            m.send("-in-two\r\n\r\n")
            self.assertIn("ActionID: split-in-two\n", m.response())
            m.send("Action: Ping\r\nActionID: long\r\nX: " + "x" * 2000 + "\r\n\r\n")
            self.assertEqual(m.response(), "Response: Error\nActionID: long\nMessage: Failed to parse message: line too long\n")
            m.send("Action: Ping\r\nActionID: many\r\n" + "X: y\r\n" * 200 + "\r\n")
            self.assertIn("Message: Failed to parse message: too many lines\n", m.response())
            # Many at once, most of which wait for other threads: answered in order.
            m.send("".join(f"Action: ExtensionState\r\nExten: 1000\r\nContext: users\r\nActionID: q{i}\r\n\r\n" for i in range(500)))
            for i in range(500):
                self.assertIn(f"ActionID: q{i}\n", m.response())


class States(unittest.TestCase):
    def test_set_and_events(self):
        port, daemon = server()
        with daemon, Manager(port, events="call") as m:
            self.assertEqual(m.ask("Setvar", Variable="DEVICE_STATE(Custom:lamp1)", Value="RINGING"),
                             "Response: Success\nActionID: a2\nMessage: Variable Set\n")
            self.assertEqual(m.events, [])
            self.assertEqual([m.message(), m.message()],
                             ["Event: DeviceStateChange\nPrivilege: call,all\nDevice: Custom:lamp1\nState: RINGING\n",
                              f"Event: ExtensionStatus\nPrivilege: call,all\n{HINT1}Status: 8\nStatusText: Ringing\n"])
            m.ask("Setvar", Variable="DEVICE_STATE(Custom:lamp1)", Value="RINGING")  # nothing new
            self.assertEqual(m.ask("Setvar", Variable="PRESENCE_STATE(CustomPresence:lamp1)", Value="dnd,sub,Do not disturb"),
                             "Response: Success\nActionID: a4\nMessage: Variable Set\n")
            self.assertEqual(
                [m.message(), m.message()],
                ["Event: PresenceStateChange\nPrivilege: call,all\nPresentity: CustomPresence:lamp1\nStatus: dnd\nSubtype: sub\n"
                 "Message: Do not disturb\n",
                 f"Event: PresenceStatus\nPrivilege: call,all\n{HINT1}Status: dnd\nSubtype: sub\nMessage: Do not disturb\n"])
            m.ask("Setvar", Variable="PRESENCE_STATE(CustomPresence:lamp1)", Value="dnd,c3Vi,RG8gbm90,e")
            self.assertIn("Subtype: sub\nMessage: Do not\n", m.message())
            m.message()
            for variable, value in [("PRESENCE_STATE(CustomPresence:lamp1)", "bogus"), ("DEVICE_STATE(Custom:lamp1)", "UNKNOWN"),
                                    ("DEVICE_STATE(Custom:lamp1)", "LOUD"), ("DEVICE_STATE(PJSIP/alice)", "INUSE"),
                                    ("NOSUCH(x)", "1"), ("DB(other/key)", "1")]:
                self.assertIn("Response: Error\n", m.ask("Setvar", Variable=variable, Value=value))
            self.assertEqual(daemon.tool("devstate", "list", "Custom:lamp1")[0]["state"], "RINGING")

    def test_all_states(self):
        port, daemon = server()
        states = [("INUSE", 1, "InUse"), ("BUSY", 2, "Busy"), ("UNAVAILABLE", 4, "Unavailable"), ("RINGING", 8, "Ringing"),
                  ("RINGINUSE", 9, "InUse&Ringing"), ("ONHOLD", 16, "Hold"), ("INVALID", 4, "Unavailable"), ("NOT_INUSE", 0, "Idle")]
        with daemon, Manager(port, events="call") as m:
            for state, number, text in states:
                m.ask("Setvar", Variable="DEVICE_STATE(Custom:lamp0)", Value=state)
                self.assertIn("Message: Extension Status\n" + HINT0 + f"Status: {number}\nStatusText: {text}\n",
                              m.ask("ExtensionState", Exten="1000", Context="users"))

    def test_extension_state(self):
        port, daemon = server()
        with daemon, Manager(port, events="off") as m:
            self.assertEqual(m.ask("ExtensionState", Exten="1000", Context="users"),
                             f"Response: Success\nActionID: a2\nMessage: Extension Status\n{HINT0}Status: 0\nStatusText: Idle\n")
            self.assertEqual(m.ask("ExtensionState", Exten="7777", Context="users"),
                             "Response: Success\nActionID: a3\nMessage: Extension Status\nExten: 7777\nContext: users\nHint: \n"
                             "Status: -1\nStatusText: Unknown\n")
            self.assertEqual(m.ask("ExtensionState", Exten="1000"),
                             "Response: Success\nActionID: a4\nMessage: Extension Status\nExten: 1000\nContext: default\nHint: \n"
                             "Status: -1\nStatusText: Unknown\n")
            self.assertEqual(m.ask("ExtensionState", Context="users"),
                             "Response: Error\nActionID: a5\nMessage: Extension not specified\n")
            self.assertIn("Hint: Custom:2001\nStatus: 0\n", m.ask("ExtensionState", Exten="2001", Context="users"))

    def test_lists(self):
        port, daemon = server()
        with daemon, Manager(port, events="off") as m:
            messages = m.list("ExtensionStateList")
            self.assertEqual(messages[0],
                             "Response: Success\nActionID: a2\nEventList: start\nMessage: Extension Statuses will follow\n")
            self.assertEqual(messages[1], f"Event: ExtensionStatus\nActionID: a2\n{HINT0}Status: 0\nStatusText: Idle\n")
            self.assertEqual(messages[-1],
                             "Event: ExtensionStateListComplete\nActionID: a2\nEventList: Complete\nListItems: 6\n")
            self.assertEqual(len(messages), 8)
            m.ask("Setvar", Variable="DEVICE_STATE(Custom:lamp0)", Value="BUSY")
            messages = m.list("DeviceStateList")
            self.assertEqual(messages[0], f"Response: Success\nActionID: a4\nEventList: start\n"
                                          "Message: Device State Changes will follow\n")
            self.assertIn("Event: DeviceStateChange\nActionID: a4\nDevice: Custom:lamp0\nState: BUSY\n", messages)
            self.assertIn("Event: DeviceStateChange\nActionID: a4\nDevice: PJSIP/alice\nState: UNAVAILABLE\n", messages)
            self.assertEqual(messages[-1], f"Event: DeviceStateListComplete\nActionID: a4\nEventList: Complete\n"
                                           f"ListItems: {len(messages) - 2}\n")
            self.assertEqual(m.list("PresenceStateList"),
                             ["Response: Success\nActionID: a5\nEventList: start\nMessage: Presence State Changes will follow\n",
                              "Event: PresenceStateListComplete\nActionID: a5\nEventList: Complete\nListItems: 0\n"])
            m.ask("Setvar", Variable="PRESENCE_STATE(CustomPresence:lamp1)", Value="away,,out")
            self.assertEqual(m.list("PresenceStateList")[1], "Event: PresenceStateChange\nActionID: a7\nPresentity: "
                                                             "CustomPresence:lamp1\nStatus: away\nSubtype: \nMessage: out\n")
            self.assertEqual(m.ask("PresenceState", Provider="CustomPresence:lamp1"),
                             "Response: Success\nActionID: a8\nMessage: Presence State\nState: away\nMessage: out\n"
                             "PresenceMessage: out\n")
            self.assertEqual(m.ask("PresenceState", Provider="CustomPresence:nosuch"),
                             "Response: Success\nActionID: a9\nMessage: Presence State\nState: not_set\n")
            self.assertIn("Message: No provider specified\n", m.ask("PresenceState"))
            self.assertIn("Message: Invalid provider X or provider in invalid state\n", m.ask("PresenceState", Provider="X"))

    def test_variables(self):
        port, daemon = server()
        with daemon, Manager(port, events="off") as m:
            def value(variable):
                answer = m.ask("Getvar", Variable=variable)
                return re.fullmatch(rf"Response: Success\nActionID: \w+\nVariable: {re.escape(variable)}\nValue: (.*)\n", answer)[1]
            m.ask("Setvar", Variable="DEVICE_STATE(Custom:lamp0)", Value="NOT_INUSE")
            m.ask("Setvar", Variable="PRESENCE_STATE(CustomPresence:lamp1)", Value="xa,sub,gone")
            m.ask("Setvar", Variable="MINE", Value="a value")
            for variable, want in [("DEVICE_STATE(Custom:lamp0)", "NOT_INUSE"), ("DEVICE_STATE(Custom:nosuch)", "UNKNOWN"),
                                   ("DEVICE_STATE(PJSIP/alice)", "UNAVAILABLE"), ("DEVICE_STATE(PJSIP/nosuch)", "INVALID"),
                                   ("DEVICE_STATE(SIP/x)", "INVALID"), ("EXTENSION_STATE(1000@users)", "NOT_INUSE"),
                                   ("EXTENSION_STATE(7777@users)", "UNKNOWN"), ("HINT(alice@callhints)", "PJSIP/alice"),
                                   ("HINT(alice@callhints,n)", "Alice"), ("HINT(7777@users)", ""),
                                   ("PRESENCE_STATE(CustomPresence:lamp0,value)", "not_set"),
                                   ("PRESENCE_STATE(CustomPresence:lamp1,value)", "xa"),
                                   ("PRESENCE_STATE(CustomPresence:lamp1,subtype)", "sub"),
                                   ("PRESENCE_STATE(CustomPresence:lamp1,message,e)", "Z29uZQ=="),
                                   ("OFFICE", "Berlin"), ("MINE", "a value"), ("NOTHING", ""), ("NOSUCH(1)", ""),
                                   ("DB(CustomDevstate/lamp0)", "NOT_INUSE"), ("DB(CustomPresence/lamp1)", "xa,sub,gone"),
                                   ("DB(CustomDevstate/nosuch)", "")]:
                self.assertEqual(value(variable), want, variable)
            self.assertIn("Message: No variable specified\n", m.ask("Getvar"))
            self.assertIn("Message: No such channel\n", m.ask("Getvar", Variable="X", Channel="PJSIP/alice-1"))

    def test_database(self):
        port, daemon = server()
        with daemon, Manager(port, events="off") as m:
            self.assertIn("Message: Updated database successfully\n", m.ask("DBPut", Family="CustomDevstate", Key="lamp0", Val="INUSE"))
            self.assertIn("Status: 1\n", m.ask("ExtensionState", Exten="1000", Context="users"))
            self.assertEqual(m.list("DBGet", Family="CustomDevstate", Key="lamp0"),
                             ["Response: Success\nActionID: a4\nEventList: start\nMessage: Result will follow\n",
                              "Event: DBGetResponse\nFamily: CustomDevstate\nKey: lamp0\nVal: INUSE\nActionID: a4\n",
                              "Event: DBGetComplete\nActionID: a4\nEventList: Complete\nListItems: 1\n"])
            m.ask("DBPut", Family="CustomDevstate", Key="lamp1", Val="BUSY")
            m.ask("DBPut", Family="CustomPresence", Key="lamp1", Val="away")
            self.assertEqual(len(m.list("DBGetTree", Family="CustomDevstate")), 4)
            self.assertIn("Message: Database entry not found\n", m.ask("DBGet", Family="other", Key="x"))
            self.assertIn("Message: Failed to update entry\n", m.ask("DBPut", Family="other", Key="x", Val="y"))
            self.assertIn("Message: No key specified.\n", m.ask("DBGet", Family="CustomDevstate"))
            self.assertIn("Message: Key deleted successfully\n", m.ask("DBDel", Family="CustomDevstate", Key="lamp0"))
            self.assertIn("Message: Database entry not found\n", m.ask("DBDel", Family="CustomDevstate", Key="lamp0"))
            self.assertIn("Message: Key tree deleted successfully\n", m.ask("DBDelTree", Family="CustomDevstate"))
            self.assertEqual(daemon.tool("devstate", "list", "Custom:lamp1", status=4), [])

    def test_a_list_of_mailboxes(self):
        port, daemon = server()
        with daemon, Manager(port, events="off") as m:
            m.ask("MWIUpdate", Mailbox="dave@default", NewMessages="2", OldMessages="1")
            m.ask("MWIUpdate", Mailbox="55@default", NewMessages="1", OldMessages="3")
            self.assertIn("Mailbox: nobody@default,55\nWaiting: 1\n", m.ask("MailboxStatus", Mailbox="nobody@default,55"))
            self.assertIn("UrgMessages: 0\nNewMessages: 3\nOldMessages: 4\n",
                          m.ask("MailboxCount", Mailbox="dave, 55@default,nobody"))
            m.ask("MWIUpdate", Mailbox="55@default", NewMessages="0", OldMessages="3")
            self.assertIn("Waiting: 0\n", m.ask("MailboxStatus", Mailbox="nobody@default,55"))

    def test_mailboxes(self):
        port, daemon = server()
        with daemon, Manager(port, events="call") as m:
            self.assertEqual(m.ask("MWIUpdate", Mailbox="dave@default", NewMessages="2", OldMessages="1"),
                             "Response: Success\nActionID: a2\n")
            self.assertEqual([m.message() for _ in range(3)],
                             ["Event: MessageWaiting\nPrivilege: call,all\nMailbox: dave@default\nWaiting: 1\nNew: 2\nOld: 1\n",
                              "Event: DeviceStateChange\nPrivilege: call,all\nDevice: MWI:dave@default\nState: INUSE\n",
                              "Event: ExtensionStatus\nPrivilege: call,all\nExten: dave\nContext: users\nHint: MWI:dave@default\n"
                              "Status: 1\nStatusText: InUse\n"])
            self.assertEqual(m.list("MWIGet", Mailbox="dave@default"),
                             ["Response: Success\nActionID: a3\nEventList: start\nMessage: Mailboxes will follow\n",
                              "Event: MWIGet\nMailbox: dave@default\nOldMessages: 1\nNewMessages: 2\nActionID: a3\n",
                              "Event: MWIGetComplete\nActionID: a3\nEventList: Complete\nListItems: 1\n"])
            self.assertEqual(len(m.list("MWIGet", Mailbox="/^da/")), 3)
            self.assertIn("Mailbox: dave\nWaiting: 1\n", m.ask("MailboxStatus", Mailbox="dave"))
            self.assertIn("UrgMessages: 0\nNewMessages: 2\nOldMessages: 1\n", m.ask("MailboxCount", Mailbox="dave@default"))
            self.assertEqual(m.ask("MWIDelete", Mailbox="dave@default"), "Response: Success\nActionID: a7\n")
            self.assertEqual({m.message() for _ in range(3)},
                             {"Event: MessageWaiting\nPrivilege: call,all\nMailbox: dave@default\nWaiting: 0\nNew: 0\nOld: 0\n",
                              "Event: DeviceStateChange\nPrivilege: call,all\nDevice: MWI:dave@default\nState: NOT_INUSE\n",
                              "Event: ExtensionStatus\nPrivilege: call,all\nExten: dave\nContext: users\nHint: MWI:dave@default\n"
                              "Status: 0\nStatusText: Idle\n"})
            self.assertIn("Message: Invalid NewMessages count\n", m.ask("MWIUpdate", Mailbox="x@y", NewMessages="many"))
            self.assertIn("Message: Missing mailbox parameter in request\n", m.ask("MWIUpdate"))


class Events(unittest.TestCase):
    def test_masks_and_filters(self):
        port, daemon = server()
        with daemon, Manager(port, events="off") as m, Manager(port, events="off") as other:
            def change(state):
                other.ask("Setvar", Variable="DEVICE_STATE(Custom:lamp3)", Value=state)
            change("INUSE")
            self.assertEqual(m.ask("Events", EventMask="call"), "Response: Success\nActionID: a2\nEvents: On\n")
            change("NOT_INUSE")
            self.assertEqual(len({m.event("StatusText: Idle"), m.event("StatusText: Idle")}), 2)  # 1003 and lamp3
            self.assertEqual(m.ask("Events", EventMask="off"), "Response: Success\nActionID: a3\nEvents: Off\n")
            m.events.clear()
            change("INUSE")
            self.assertEqual(m.ask("Filter", Operation="Add", Filter="Event: ExtensionStatus"),
                             "Response: Success\nActionID: a4\nMessage: Success\n")
            self.assertEqual(m.events, [])
            self.assertIn("Events: On\n", m.ask("Events", EventMask="on"))
            change("BUSY")
            for _ in range(2):
                self.assertRegex(m.message(), "^Event: ExtensionStatus\n")
            self.assertIn("Response: Error\n", m.ask("Filter", Operation="Add", Filter="("))
            self.assertIn("Message: Unknown operation\n", m.ask("Filter", Operation="Remove"))
            self.assertIn("Message: Invalid event mask\n", m.ask("Events", EventMask="nothing"))
            self.assertIn("Response: Success\n", m.ask("Filter", Operation="Add", MatchCriteria="action(exclude),header(Exten)",
                                                       Filter="lamp"))
            change("RINGING")
            self.assertIn("Exten: 1003\n", m.message())
            m.ask("Ping")
            self.assertEqual(m.events, [])

    def test_configured(self):
        port, daemon = server("[wall]\nsecret=x\nread=call\neventfilter=!Event: Device\n[blind]\nsecret=x\nread=\n")
        with daemon, Manager(port, ("wall", "x")) as wall, Manager(port, ("blind", "x")) as blind, Manager(port) as m:
            m.ask("Setvar", Variable="DEVICE_STATE(Custom:lamp0)", Value="INUSE")
            self.assertIn("Event: ExtensionStatus\n", wall.message())
            wall.ask("Ping")
            blind.ask("Ping")
            self.assertEqual(wall.events + blind.events, [])

    def test_reload(self):
        port, daemon = server("[wall]\nsecret=x\nread=call\n")
        with daemon, Manager(port, ("wall", "x")) as wall, Manager(port, ("viewer", "look")) as viewer:
            _, files = manager_files()
            text = files["manager.conf"]
            daemon.write("manager.conf", re.sub(r"port = \d+", f"port = {port}", text).replace("secret = look", "secret = see"))
            daemon.tool("reload")
            self.assertTrue(wall.closed())
            self.assertTrue(viewer.closed())
            with Manager(port, ("viewer", "see")):
                pass
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", 0))
                taken.listen()
                daemon.write("manager.conf", re.sub(r"port = \d+", f"port = {taken.getsockname()[1]}", text))
                report = daemon.tool("reload", status=None, plain=True)
                self.assertIn("manager.conf:6: error: the manager interface cannot listen at 127.0.0.1:", report)
            with Manager(port):
                pass
            elsewhere = free_port()
            daemon.write("manager.conf", re.sub(r"port = \d+", f"port = {elsewhere}", text))
            daemon.tool("reload")
            with Manager(elsewhere):
                pass
            wait_for("the former port to be closed", lambda: not connects(port))
            daemon.write("manager.conf", text.replace("enabled = yes", "enabled = no"))
            daemon.tool("reload")
            wait_for("it to be closed", lambda: not connects(elsewhere))


def connects(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Connections(unittest.TestCase):
    def test_tls(self):
        port, tls_port = free_port(), free_port()
        daemon = Extstated({"extensions.conf": EXTENSIONS, "pjsip.conf": PJSIP, "manager.conf": f"""
[general]
port = {port}
tlsenable = yes
tlsbindaddr = 127.0.0.1:{tls_port}
tlscertfile = pbx.pem
[admin]
secret = secret
read = all
write = all
"""})
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-keyout", daemon.config / "key.pem", "-out", daemon.config / "cert.pem"], check=True, capture_output=True)
        (daemon.config / "pbx.pem").write_text((daemon.config / "key.pem").read_text() + (daemon.config / "cert.pem").read_text())
        with daemon:
            self.assertFalse(connects(port))
            with Manager(tls_port, tls=trusting(), events="call") as m:
                for i in range(300):
                    m.ask("Setvar", Variable=f"DEVICE_STATE(Custom:{i})", Value="INUSE")
                self.assertEqual(len(m.list("DeviceStateList")), 304)
                m.event("Device: Custom:299\n")
            with socket.create_connection(("127.0.0.1", tls_port)) as s:  # who speaks no TLS is let go
                s.sendall(b"Action: Ping\r\n\r\n" * 20)
                s.settimeout(20)
                with contextlib.suppress(ConnectionResetError):
                    while s.recv(4096):
                        pass
            daemon.write("pbx.pem", "nonsense")
            self.assertIn("tlscertfile: ", daemon.tool("reload", status=None, plain=True))
            with Manager(tls_port, tls=trusting()):
                pass

    def test_slow_client(self):
        port, daemon = server("[slow]\nsecret=x\nread=all\nwrite=all\nwritetimeout=500\n")
        with daemon, Manager(port, events="off") as m, Manager(port, ("slow", "x"), receive_buffer=4096) as slow:
            phone = Phone(daemon.port)
            self.assertEqual(phone.subscribe("1000").status, 200)
            n = 0
            while "ami.client_cut_off" not in daemon.log():
                for _ in range(50):
                    n += 1
                    m.ask("Setvar", Variable="DEVICE_STATE(Custom:lamp0)", Value=["INUSE", "NOT_INUSE"][n % 2])
            self.assertTrue(slow.closed())
            m.ask("Setvar", Variable="DEVICE_STATE(Custom:lamp0)", Value="BUSY")
            self.assertEqual(daemon.tool("hints", "1000")[0]["state"], "Busy")
            self.assertIn("Ping: Pong\n", m.ask("Ping"))
            phone.socket.close()

    def test_strangers(self):
        port, daemon = server()
        text = open(daemon.config / "manager.conf").read().replace("webenabled = yes", "authlimit = 3\nauthtimeout = 2")
        daemon.write("manager.conf", text)
        with daemon, Manager(port) as m:
            strangers = [Manager(port, login=None) for _ in range(3)]
            with socket.create_connection(("127.0.0.1", port)) as s:
                s.settimeout(20)
                self.assertEqual(s.recv(100), b"")
            for stranger in strangers:
                self.assertTrue(stranger.closed())
                stranger.socket.close()
            self.assertIn("Ping: Pong\n", m.ask("Ping"))
            with Manager(port, login=None):
                pass

    def test_upgrade(self):
        port, daemon = server()
        with daemon, Knocking(port):
            with Manager(port, events="system") as m:
                daemon.tool("upgrade")
                self.assertIn("Shutdown: Cleanly\nRestart: True\n", m.event("^Event: Shutdown$"))
                self.assertTrue(m.closed())
            with Manager(port) as m:  # the socket has listened all the time
                self.assertIn("Ping: Pong\n", m.ask("Ping"))
            self.assertNotIn("inherited", daemon.log())

    def test_many_hints(self):
        port, daemon = server()
        daemon.write("extensions.conf", "[users]\n" + "".join(f"exten => {i},hint,Custom:{i}\n" for i in range(10000, 30000)))
        with daemon, Manager(port, events="off") as m:
            self.assertEqual(m.list("ExtensionStateList")[-1],
                             "Event: ExtensionStateListComplete\nActionID: a2\nEventList: Complete\nListItems: 20000\n")
            self.assertIn("- 20000 hints registered", m.command("core show hints")[0])


class Commands(unittest.TestCase):
    def test_core_show_hints(self):
        port, daemon = server()
        with daemon, Manager(port, events="off") as m:
            output, good = m.command("core show hints")
            self.assertTrue(good)
            self.assertEqual(output.splitlines()[:3], [
                "", "    -= Registered Asterisk Dial Plan Hints =-",
                "1000@users                    : Custom:lamp0,CustomPresence:lamp0                             State:Idle      "
                "      Presence:not_set         Watchers  0"])
            self.assertEqual(output.splitlines()[-2:], ["----------------", "- 7 hints registered"])
            output, good = m.command("core  show hint 1000")
            self.assertEqual(output.splitlines()[1], "1 hint matching extension 1000")
            self.assertEqual(m.command("core show hint 77")[0], "No hints matching extension 77")
            for words, told in (("verbose", "enabled"), ("verbose off", "disabled"), ("verbose on", "enabled"), ("off", "disabled")):
                self.assertEqual(m.command("pjsip set logger " + words), ("PJSIP Logging " + told, True))
            for words in ("verbose loud", "on off", "verbose on off"):
                self.assertIn("pjsip set logger {on|off|", m.command("pjsip set logger " + words)[0])
            self.assertEqual(m.command("pjsip show publications inbound"),
                             ("No such command 'pjsip show publications inbound' (type 'core show help pjsip show publications "
                              "inbound' for other possible commands)", False))
            self.assertEqual(m.command("no such command"), ("No such command 'no such command' (type 'core show help no such' for "
                                                            "other possible commands)", False))

    def test_devstate(self):
        port, daemon = server()
        with daemon, Manager(port, events="call") as m:
            self.assertEqual(m.command("devstate change Custom:lamp0 INUSE"), ("Changing lamp0 to INUSE", True))
            m.event("DeviceStateChange")
            line = "-" * 69
            title = "--- Custom Device States "
            self.assertEqual(m.command("devstate list")[0], "\n".join([
                "", line, title + "-" * (69 - len(title)), line, "---", "--- Name: 'Custom:lamp0'  State: 'INUSE'", "---", line,
                line, ""]))
            output, good = m.command("devstate change Custom:lamp0 UNKNOWN")
            self.assertFalse(good)
            self.assertEqual(output.splitlines()[0], "Usage: devstate change <device> <state>")
            self.assertEqual(len(output.split("\n")), 10)
            self.assertEqual(m.command('presencestate change CustomPresence:lamp1 "dnd,sub,Do not disturb"'),
                             ("Changing lamp1 to dnd,sub,Do not disturb", True))
            self.assertIn("    --- Message: 'Do not disturb'", m.command("presencestate list")[0])
            self.assertIn("dnd,sub,Do not disturb", m.command("database show CustomPresence")[0])
            self.assertIn("2 results found.", m.command("database show")[0])
            self.assertEqual(m.command("database get CustomDevstate lamp0")[0], "Value: INUSE")
            self.assertEqual(m.command("database showkey lamp0"),
                             ("%-50s: %-25s\n1 results found." % ("/CustomDevstate/lamp0", "INUSE"), True))
            self.assertEqual(m.command("database showkey /lamp0")[0], "0 results found.")
            self.assertEqual(m.command("database query \"SELECT key, value FROM astdb WHERE key LIKE '/CustomPres%'\""),
                             ("%-5s: %-50s\n%-5s: %-50s\n" % ("key", "/CustomPresence/lamp1", "value", "dnd,sub,Do not disturb"), True))
            self.assertEqual(m.command("database query \"UPDATE astdb SET value='BUSY' WHERE value='INUSE'\""), ("", True))
            self.assertIn("\nState: BUSY\n", m.event("DeviceStateChange"))
            self.assertEqual(m.command("database query \"INSERT INTO astdb VALUES('/cidname/1', 'x')\""),
                             ("Failed to update entry", False))
            self.assertEqual(m.command('database query "DROP TABLE astdb"'),
                             ("SQL failed: there is one table, astdb, and nothing else to be done", False))
            self.assertEqual(m.command("database query SELECT 1")[0].splitlines()[0], 'Usage: database query "<SQL Statement>"')
            self.assertEqual(m.command("database deltree CustomDevstate")[0], "1 database entries removed.")

    def test_history(self):
        """Messages that are kept while somebody wants that, as Asterisk shows them."""
        port, daemon = server()
        head = "%-5s %-10s %-30s %s\n%s %s %s %s" % ("No.", "Timestamp", "(Dir) Address", "SIP Message", "=" * 5, "=" * 10, "=" * 30,
                                                    "=" * 35)
        with daemon, Manager(port, events="off") as m, Phone(daemon.port) as phone:
            self.assertEqual(m.command("pjsip show history"), (head, True))
            self.assertEqual(m.command("pjsip set history on"), ("PJSIP History enabled", True))
            phone.subscribe("1000")
            notify = phone.notify()
            lines = wait_for("the answer to NOTIFY", lambda: next((
                lines for lines in [m.command("pjsip show history")[0].splitlines()[2:]]
                if any("* <== " in line and line.endswith(" SIP/2.0 200 OK") for line in lines)), None))
            want = [("<==", "SUBSCRIBE sip:1000"), ("==>", "SIP/2.0 200 OK"), ("==>", "NOTIFY sip:")]  # which may come once more
            for number, (line, (arrow, first)) in enumerate(zip(lines, want)):
                self.assertRegex(line, rf"^{number:05d} \d{{10}} \* {arrow} 127\.0\.0\.1:\d+ +{first}")
                self.assertEqual(line.index(first), 48)
            entry, good = m.command("pjsip show history entry 2")
            self.assertTrue(good)
            self.assertRegex(entry, r"^<--- History Entry 2 Sent to 127\.0\.0\.1:\d+ at \d+ --->\nNOTIFY sip:")
            self.assertIn(f"\nCall-ID: {notify['Call-ID']}\n", entry)
            self.assertTrue(entry.endswith("</dialog-info>\n"), entry)
            tool = daemon.tool("pjsip", "show", "history", plain=True).splitlines()
            self.assertEqual(tool[:2 + len(lines)], head.splitlines() + lines)
            self.assertTrue(daemon.tool("pjsip", "show", "history", "entry", "2", plain=True).startswith(entry.splitlines()[0]))
            self.assertEqual([row["number"] for row in daemon.tool("pjsip", "show", "history")][:3], [0, 1, 2])
            self.assertFalse(m.command("pjsip show history entry 99999")[1])
            phone.request("OPTIONS", f"sip:1000@127.0.0.1:{daemon.port}", body="a\r\nResponse: Success\r\n\x1b[2J\0\u009b1m\r\n\tb")
            phone.response()
            number = next(row["number"] for row in daemon.tool("pjsip", "show", "history") if "\x1b" in row["message"])
            entry, good = m.command(f"pjsip show history entry {number}")  # shown as escapes, and each line as output
            self.assertTrue(good and entry.endswith("\n\na\nResponse: Success\n\\x1b[2J\\x00\\u009b1m\nb"), entry)
            self.assertIn("Usage: pjsip show history", m.command("pjsip show history where x")[0])
            self.assertIn("Usage: pjsip set history", m.command("pjsip set history maybe")[0])
            self.assertEqual(m.command("pjsip set history off"), ("PJSIP History disabled", True))
            kept = m.command("pjsip show history")
            daemon.set("Custom:lamp0", "BUSY")
            self.assertIsNotNone(phone.notify())
            self.assertEqual(m.command("pjsip show history"), kept)
            self.assertEqual(daemon.tool("pjsip", "set", "history", "clear", plain=True), "PJSIP History cleared\n")
            self.assertEqual(m.command("pjsip show history"), (head, True))

    def test_contacts(self):
        """Registered contacts, one that answers and one that nobody asks, beside a static one."""
        port, files = manager_files()
        pjsip = PJSIP.replace("max_contacts=10\n", "max_contacts=10\nqualify_frequency=60\n") + (
            "[erin]\ntype=endpoint\naors=erin\n[erin]\ntype=aor\nmax_contacts=1\nqualify_frequency=60\n")
        files = dict(files, **{"pjsip.conf": pjsip, "extensions.conf": EXTENSIONS, "extstate.conf": "[registrar]\nenabled=yes\n"})
        with Extstated(files) as daemon, Manager(port, events="off") as m, Phone(daemon.port, "erin") as phone:
            uri = f"sip:erin@127.0.0.1:{phone.port}"
            digest = hashlib.md5(uri.encode()).hexdigest()
            phone.request("REGISTER", f"sip:127.0.0.1:{daemon.port}", [
                ("To", "<sip:erin@127.0.0.1>"), ("Call-ID", "reg-1"), ("Contact", f"<{uri}>;expires=600"), ("User-Agent", "Desk 1")])
            message = phone.receive()
            while message.method != "OPTIONS":  # behind the answer
                message = phone.receive()
            phone.reply(message, "200 OK")
            wait_for("a contact that answers", lambda: daemon.tool("contacts", "erin")[0]["status"] == "reachable")
            self.assertIn(f"\nContacts: erin/{uri},\n", m.list("PJSIPShowEndpoints")[3])
            self.assertIn("\nDeviceState: Not in use\n", m.list("PJSIPShowEndpoints")[3])
            answer = m.list("PJSIPShowContacts")
            self.assertIn("Message: A listing of Contacts follows, presented as ContactList events\n", answer[0])
            self.assertTrue(answer[-1].startswith("Event: ContactListComplete\n"))
            self.assertRegex(answer[2], (
                rf"^Event: ContactList\nActionID: \w+\nObjectType: contact\nObjectName: erin;@{digest}\nViaAddr: 127\.0\.0\.1\n"
                rf"ViaPort: {phone.port}\nQualifyTimeout: 3\.000000\nCallID: reg-1\nRegServer: \nPruneOnBoot: no\nPath: \n"
                rf"Endpoint: erin\nAuthenticateQualify: no\nUri: {re.escape(uri)}\nQualifyFrequency: 60\nUserAgent: Desk 1\n"
                r"ExpirationTime: \d{10}\nOutboundProxy: \nStatus: Reachable\nRoundtripUsec: \d+\n$"))
            self.assertIn("\nObjectName: carol@@", answer[1])
            head = ("\n      Contact:  <Aor/ContactUri..........................> <Hash....> <Status> <RTT(ms)..>\n" + "=" * 90 + "\n\n")
            line = r"      Contact:  %s %s %-7s %s\n"
            mine = line % (re.escape(f"erin/{uri}".ljust(42)), digest[:10], "Avail", r" *\d+\.000")
            hers = line % (re.escape("carol/sip:carol@127.0.0.1:9".ljust(42)), "[0-9a-f]{10}", "(Unknown|Unavail)", " +nan")
            self.assertRegex(m.command("pjsip show contacts")[0], f"^{re.escape(head)}{hers}{mine}\nObjects found: 2\n$")
            self.assertRegex(m.command("pjsip show aor erin")[0],
                             rf"(?s)\n        Aor:  {'erin'.ljust(50)}1\n{mine}\n.*Objects found: 1\n$")
            self.assertRegex(m.command("pjsip show endpoint erin")[0], rf"\n        Aor:  {'erin'.ljust(50)}1\n{mine}\n")
            self.assertEqual(m.command("pjsip list aors")[0], (
                "\n        Aor:  <Aor............................................>  <MaxContact>\n" + "=" * 90 + "\n\n"
                f"        Aor:  {'carol'.ljust(50)}10\n        Aor:  {'erin'.ljust(50)}1\n\nObjects found: 2\n"))

    def test_others(self):
        port, daemon = server()
        with daemon, Manager(port, events="off") as m:
            self.assertIn("0 active subscriptions", m.command("pjsip show subscriptions inbound")[0])
            self.assertEqual(m.command("pjsip show subscription outbound x"), ("Unable to find subscription x", False))
            self.assertIn('0 active subscriptions matched "x"', m.command("pjsip list subscriptions outbound like x")[0])
            output = m.command("pjsip show endpoints")[0]
            self.assertIn(" Endpoint:  alice/alice                                          Unavailable   0 of inf", output)
            self.assertIn("\n        Aor:  carol                                             10\n", output)
            self.assertIn("Objects found: 2", output)
            output = m.command("pjsip show identifiers")[0]
            self.assertEqual([line.strip() for line in output.splitlines()],
                             ["Identifier Names:", "ip", "username", "anonymous", "auth_username", "header", "request_uri"])
            output = m.command("pjsip show settings")[0]
            self.assertRegex(output, r"(?s)^\nGlobal Settings:\n\n ParameterName +: ParameterValue\n.*\nSystem Settings:\n")
            self.assertRegex(output, r"\n max_forwards +: 70\n")
            self.assertIn("Unable to find object nobody.", m.command("pjsip show endpoint nobody")[0])
            self.assertIn("Objects found: 1\n", m.command("pjsip show contacts")[0])
            output = m.command("pjsip show transports")[0]
            self.assertIn(f"Transport:  udp                       udp      0      0  127.0.0.1:{daemon.port}\n", output)
            self.assertIn("Objects found: 1", output)
            for words in ["core show uptime", "core show version", "core show settings", "dialplan show users", "pjsip show aors",
                          "pjsip list contacts", "pjsip show auths", "pjsip show identifies", "pjsip show endpoint carol",
                          "mwi list mailboxes", "core reload", "dialplan reload", "module reload res_pjsip.so"]:
                output, good = m.command(words)
                self.assertTrue(good, words + output)
            self.assertRegex(m.command("core show settings")[0], r"\n +Entity ID: +[0-9a-f]{2}(:[0-9a-f]{2}){5}\n")
            for words in ["devstate", "devstate change x", "pjsip show subscriptions inbound like", "module reload chan_dahdi.so"]:
                self.assertFalse(m.command(words)[1], words)
            self.assertIn("Message: No command provided\n", m.ask("Command"))


class System(unittest.TestCase):
    def test_core(self):
        port, daemon = server()
        with daemon, Manager(port, events="user") as m:
            self.assertRegex(m.ask("CoreStatus"),
                             r"^Response: Success\nActionID: a2\nCoreStartupDate: \d{4}-\d\d-\d\d\nCoreStartupTime: \d\d:\d\d:\d\d\n"
                             r"CoreReloadDate: \d{4}-\d\d-\d\d\nCoreReloadTime: \d\d:\d\d:\d\d\nCoreCurrentCalls: 0\n"
                             r"CoreProcessedCalls: 0\n$")
            self.assertRegex(m.ask("CoreSettings"),
                             r"^Response: Success\nActionID: a3\nAMIversion: [\d.]+\nAsteriskVersion: \d+\..*\nSystemName: \n"
                             r"CoreMaxCalls: 0\nCoreMaxLoadAvg: 0.000000\nCoreRunUser: \nCoreRunGroup: \nCoreMaxFilehandles: 0\n"
                             r"CoreRealTimeEnabled: No\nCoreCDRenabled: No\nCoreHTTPenabled: No\nSoundsSearchCustomDir: No\n$")
            self.assertEqual(m.ask("UserEvent", UserEvent="Foo", Bar="baz"),
                             "Response: Success\nActionID: a4\nMessage: Event Sent\n")
            self.assertEqual(m.message(), "Event: UserEvent\nPrivilege: user,all\nUserEvent: Foo\nActionID: a4\nBar: baz\n")

    def test_objects(self):
        port, daemon = server()
        with daemon, Manager(port, events="off") as m:
            self.assertEqual(m.list("PJSIPShowEndpoints"), [
                "Response: Success\nActionID: a2\nEventList: start\nMessage: A listing of Endpoints follows, presented as "
                "EndpointList events\n",
                "Event: EndpointList\nActionID: a2\nObjectType: endpoint\nObjectName: alice\nTransport: \nAor: \nAuths: \n"
                "OutboundAuths: \nContacts: \nDeviceState: Unavailable\nActiveChannels: 0\n",
                "Event: EndpointList\nActionID: a2\nObjectType: endpoint\nObjectName: carol\nTransport: \nAor: carol\nAuths: \n"
                "OutboundAuths: \nContacts: carol/sip:carol@127.0.0.1:9,\nDeviceState: Not in use\nActiveChannels: 0\n",
                "Event: EndpointListComplete\nActionID: a2\nEventList: Complete\nListItems: 2\n"])
            contacts = m.list("PJSIPShowContacts")  # there is no registrar, and nobody asks
            self.assertEqual(len(contacts), 3)
            self.assertIn("\nUri: sip:carol@127.0.0.1:9\n", contacts[1])
            self.assertIn("\nStatus: NonQualified\nRoundtripUsec: N/A\n", contacts[1])
            self.assertEqual(m.list("PJSIPShowResourceLists"), [
                "Response: Success\nActionID: a4\nEventList: start\nMessage: A listing of resource lists follows, presented as "
                "ResourceListDetail events\n",
                "Event: ResourceListDetail\nActionID: a4\nObjectType: resource_list\nObjectName: lamps\nEvent: dialog\n"
                "ResourceDisplayName: false\nNotificationBatchInterval: 0\nListItem: 1000,1001\nFullState: false\n",
                "Event: ResourceListDetailComplete\nActionID: a4\nEventList: Complete\nListItems: 1\n"])
            self.assertEqual(m.list("PJSIPShowSubscriptionsOutbound"), [
                "Response: Success\nActionID: a5\nEventList: start\nMessage: Following are Events for each outbound Subscription\n",
                "Event: OutboundSubscriptionDetailComplete\nActionID: a5\nEventList: Complete\nListItems: 0\n"])

    def test_subscriptions(self):
        port, daemon = server()
        with daemon, Manager(port, events="off") as m:
            alice, carol = Phone(daemon.port, "alice"), Phone(daemon.port, "carol")
            call_ids = {}
            for phone, extension, event in [(alice, "1000", "dialog"), (carol, "1001", "presence")]:
                answer = phone.subscribe(extension, event)
                self.assertEqual(answer.status, 200)
                call_ids[extension] = answer["Call-ID"]
            m.ask("Setvar", Variable="DEVICE_STATE(Custom:lamp0)", Value="RINGING")
            messages = m.list("PJSIPShowSubscriptionsInbound")
            self.assertEqual(messages[0], "Response: Success\nActionID: a3\nEventList: start\nMessage: Following are Events for each "
                                          "inbound Subscription\n")
            self.assertEqual(set(messages[1:3]), {
                f"Event: InboundSubscriptionDetail\nActionID: a3\nRole: Notifier\nEndpoint: alice\nCallid: {call_ids['1000']}\n"
                "State: ACTIVE\nCallerid: \"Alice Example\" <alice>\nSubscriptionType: extension_state\nExtension: 1000\n"
                "ExtensionStates: Ringing\n",
                f"Event: InboundSubscriptionDetail\nActionID: a3\nRole: Notifier\nEndpoint: carol\nCallid: {call_ids['1001']}\n"
                "State: ACTIVE\nCallerid: Unknown\nSubscriptionType: extension_state\nExtension: 1001\nExtensionStates: Idle\n"})
            self.assertEqual(messages[3], "Event: InboundSubscriptionDetailComplete\nActionID: a3\nEventList: Complete\nListItems: 2\n")
            output = m.command("pjsip show subscriptions inbound")[0]
            self.assertIn('Endpoint: alice/"Alice Example" <alice>\nResource: 1000/dialog\n  Expiry: ', output)
            self.assertIn("2 active subscriptions", output)
            self.assertIn("1 active subscriptions matched", m.command("pjsip list subscriptions inbound like ^carol")[0])
            text = m.command(f"pjsip show subscription inbound {call_ids['1000']}")[0]
            self.assertRegex(text, f"^ParameterName       : ParameterValue\n={{64}}\nResource            : 1000\n"
                                   "Event               : dialog\nExpiry              : (600|59\\d)\n")
            self.assertEqual(text[text.index("Role"):], f"""\
Role                : Notifier
Endpoint            : alice
Callid              : {call_ids['1000']}
State               : ACTIVE
Callerid            : "Alice Example" <alice>
SubscriptionType    : extension_state
Extension           : 1000
ExtensionStates     : Ringing
""")
            self.assertRegex(m.command("core show hint 1000")[0], "Watchers  1\n")
            alice.socket.close()
            carol.socket.close()

    def test_other_subscriptions(self):
        """Mailboxes are those of the AOR; of a list Asterisk tells no kind."""
        port, daemon = server()
        with daemon, Manager(port, events="off") as m, Phone(daemon.port, "alice") as alice, Phone(daemon.port, "carol") as carol:
            of_list = alice.subscribe("lamps", headers=[("Supported", "eventlist")])["Call-ID"]
            of_box = carol.subscribe("carol", "message-summary")["Call-ID"]
            messages = m.list("PJSIPShowSubscriptionsInbound")
            self.assertEqual(set(messages[1:3]), {
                f"Event: InboundSubscriptionDetail\nActionID: a2\nRole: Notifier\nEndpoint: alice\nCallid: {of_list}\nState: ACTIVE\n"
                "Callerid: \"Alice Example\" <alice>\n",
                f"Event: InboundSubscriptionDetail\nActionID: a2\nRole: Notifier\nEndpoint: carol\nCallid: {of_box}\nState: ACTIVE\n"
                "Callerid: Unknown\nSubscriptionType: mwi\nMailboxes: carol@default\n"})
            self.assertRegex(m.command(f"pjsip show subscription inbound {of_list}")[0], r'Callerid +: "Alice Example" <alice>\n$')
            self.assertRegex(m.command(f"pjsip show subscription inbound {of_box}")[0],
                             r"SubscriptionType +: mwi\nMailboxes +: carol@default\n$")
            self.assertEqual(m.command("pjsip show subscription inbound nobody"), ("Unable to find subscription nobody", False))

    def test_hints_at_run_time(self):
        port, daemon = server()
        hint = {"Context": "more", "Extension": "3000", "Priority": "hint", "Application": "Custom:lamp0,CustomPresence:lamp0"}
        with daemon, Manager(port, events="call") as m:
            m.ask("Setvar", Variable="DEVICE_STATE(Custom:lamp0)", Value="BUSY")
            m.event("Device: Custom:lamp0")
            self.assertIn("Message: Added requested extension\n", m.ask("DialplanExtensionAdd", **hint))
            self.assertIn("Context: more\nHint: Custom:lamp0,CustomPresence:lamp0\nStatus: 2\n", m.event("Exten: 3000"))
            self.assertIn("Message: That extension and priority already exist at that context\n", m.ask("DialplanExtensionAdd", **hint))
            self.assertIn("Message: Added requested extension\n",
                          m.ask("DialplanExtensionAdd", **dict(hint, Application="Custom:lamp1", Replace="yes")))
            self.assertIn("Status: 0\n", m.event("Exten: 3000"))
            self.assertEqual(m.command("dialplan add extension _4XXX,hint,Custom:${EXTEN} into more")[0],
                             "Extension '_4XXX,hint,Custom:${EXTEN}' added into 'more' context")
            self.assertIn("Hint: Custom:4001\n", m.ask("ExtensionState", Exten="4001", Context="more"))
            self.assertTrue(m.command("dialplan remove extension _4XXX@more hint")[1])
            self.assertIn("Message: Removed the requested extension\n", m.ask("DialplanExtensionRemove", Context="users", Extension="1000"))
            self.assertIn("Status: -2\n", m.event("Exten: 1000\n"))
            self.assertIn("Message: Failed to remove requested extension\n",
                          m.ask("DialplanExtensionRemove", Context="users", Extension="1000"))
            self.assertIn("Message: The priority specified was invalid.\n", m.ask("DialplanExtensionAdd", **dict(hint, Priority="1")))
            daemon.tool("reload")
            self.assertIn("Status: -2\n", m.event("Exten: 3000\n"))
            self.assertIn("Status: 2\n", m.ask("ExtensionState", Exten="1000", Context="users"))

    def test_includes_at_run_time(self):
        port, daemon = server()
        with daemon, Manager(port, events="off") as m:
            def found():
                return "Hint: PJSIP/alice\n" in m.ask("ExtensionState", Exten="alice", Context="users")
            phone = Phone(daemon.port)
            self.assertEqual(phone.subscribe("alice").status, 404)
            self.assertEqual(m.command("dialplan add include callhints into users"),
                             ("Context 'callhints' included in 'users' context", True))
            self.assertEqual(phone.subscribe("alice").status, 200)
            self.assertIsNotNone(phone.notify())
            self.assertEqual(m.command("dialplan add include callhints into users"), ("users includes callhints already", False))
            output = m.command("dialplan show")[0]
            self.assertIn("[ Context 'callhints' created by 'pbx_config' ]\n  'alice' =>      hint: PJSIP/alice", output)
            self.assertIn("\n  Include =>        'callhints'                                   [pbx_config]\n", output)
            self.assertRegex(output, r"-= 7 extensions \(7 priorities\) in 2 contexts. =-$")
            self.assertRegex(m.command("dialplan show alice@callhints")[0], r"-= 1 extension \(1 priority\) in 1 context. =-$")
            self.assertIn("There is no existence of 'nowhere'", m.command("dialplan show nowhere")[0])
            self.assertEqual(m.command("dialplan remove include callhints from users"),
                             ("We are not including 'callhints' into 'users' now", True))
            self.assertIn("terminated", phone.receive()["Subscription-State"])
            self.assertEqual(m.command("dialplan remove include callhints from users"), ("users does not include callhints", False))
            self.assertFalse(m.command("dialplan add include callhints to users")[1])
            self.assertFalse(m.command("dialplan add include callhints,25:00-1 into users")[1])
            phone.socket.close()

    def test_stop(self):
        port, daemon = server()
        with daemon, Manager(port, events="system") as m:
            self.assertIn("Usage: core stop", m.command("core stop later")[0])
            self.assertEqual(m.command("core stop gracefully")[1], True)
            self.assertIn("Shutdown: Cleanly\nRestart: False\n", m.event("^Event: Shutdown$"))
            self.assertEqual(daemon.process.wait(20), 0)
            daemon.start()

    def test_restart(self):
        """It is an upgrade to the same program: no telephone notices."""
        port, daemon = server()
        with daemon, Phone(daemon.port) as phone:
            phone.subscribe("1000")
            phone.notify()
            with Manager(port, events="system") as m:
                m.event("^Event: FullyBooted$")
                m.send("Action: Command\r\nCommand: core restart when convenient\r\n\r\n")
                self.assertIn("Shutdown: Cleanly\nRestart: True\n", m.message())
                self.assertTrue(m.closed())
            wait_for("the successor", lambda: "daemon.took_over" in daemon.log())
            self.assertIsNone(phone.notify(0.3))
            with Manager(port, events="call") as m:
                m.ask("Setvar", Variable="DEVICE_STATE(Custom:lamp0)", Value="RINGING")
                self.assertIn("early", phone.notify().body)

    def test_restart_refused(self):
        port, daemon = server()
        daemon.write("extstate.conf", "[general]\ndurability = none\n")
        with daemon, Manager(port, events="call") as m:
            output, good = m.command("core restart now")
            self.assertIn("durability is none", output)
            self.assertFalse(good)
            self.assertIn("Ping: Pong\n", m.ask("Ping"))

    def test_reload(self):
        port, daemon = server()
        with daemon, Manager(port, events="on") as m:
            m.event("FullyBooted")
            daemon.write("extensions.conf", EXTENSIONS.replace("1003,hint,Custom:lamp3", "1003,hint,Custom:lamp0"))
            m.ask("Setvar", Variable="DEVICE_STATE(Custom:lamp0)", Value="INUSE")
            m.event("Exten: 1000")
            self.assertEqual(m.ask("Reload", Module="pbx_config.so"),
                             "Response: Success\nActionID: a3\nMessage: Module Reloaded\n")
            self.assertEqual(m.event("^Exten: 1003$"), "Event: ExtensionStatus\nPrivilege: call,all\nExten: 1003\nContext: users\n"
                                                       "Hint: Custom:lamp0\nStatus: 1\nStatusText: InUse\n")
            self.assertEqual(m.event("^Event: Reload$"), "Event: Reload\nPrivilege: system,all\nModule: pbx_config.so\nStatus: 0\n")
            self.assertIn("Message: No such module\n", m.ask("Reload", Module="chan_dahdi.so"))
            daemon.tool("reload")
            self.assertIn("Module: All\n", m.event("^Event: Reload$"))
            daemon.write("extensions.conf", EXTENSIONS.replace("exten => lamp3,hint,Custom:lamp3\n", ""))
            daemon.tool("reload")
            self.assertIn("Hint: \nStatus: -2\nStatusText: Unknown\n", m.event("^Exten: lamp3$"))
            daemon.stop()
            self.assertEqual(m.event("^Event: Shutdown$"),
                             "Event: Shutdown\nPrivilege: system,all\nShutdown: Cleanly\nRestart: False\n")


class Contacts(unittest.TestCase):
    """A telephone registers, falls silent, comes back and leaves."""

    def test_events(self):
        port, files = manager_files()
        files |= {"extensions.conf": EXTENSIONS, "extstate.conf": "[registrar]\nenabled=yes\n[journal]\nenabled=yes\n",
                  "pjsip.conf": PJSIP + "[erin]\ntype=endpoint\naors=erin\n"
                                        "[erin]\ntype=aor\nmax_contacts=1\nqualify_frequency=1\nqualify_timeout=3\n"}
        with Extstated(files) as daemon, Desk("erin", daemon.port) as erin, Manager(port, events="system") as m:
            uri = f"sip:erin@127.0.0.1:{erin.port}"
            head = f"Event: ContactStatus\nPrivilege: system,all\nURI: {uri}\nContactStatus: "
            tail = "\nAOR: erin\nEndpointName: erin\nRoundtripUsec: "
            peer = "Event: PeerStatus\nPrivilege: system,all\nChannelType: PJSIP\nPeer: PJSIP/erin\nPeerStatus: "

            def told():
                return m.event("^Event: (ContactStatus|PeerStatus)$")

            erin.register(600)
            self.assertEqual(told(), f"{head}Unknown{tail}0\n")
            self.assertEqual(told(), f"{peer}Reachable\n")
            self.assertRegex(told(), f"^{re.escape(head)}Reachable{tail}\\d+000\n|^{re.escape(head)}Reachable{tail}0\n")
            erin.on = False
            self.assertEqual(told(), f"{peer}Unreachable\n")
            self.assertEqual(told(), f"{head}Unreachable{tail}0\n")
            erin.on = True
            self.assertEqual(told(), f"{peer}Reachable\n")
            self.assertRegex(told(), f"^{re.escape(head)}Reachable{tail}")
            erin.register(0)
            self.assertEqual(told(), f"{head}Removed{tail}0\n")
            self.assertEqual(told(), f"{peer}Unreachable\n")
            lines = daemon.tool("history", "erin", plain=True)
            for line in (f"erin {uri} added, unknown", "erin is reachable", f"erin {uri} unreachable", f"erin {uri} removed",
                         "erin is UNREACHABLE"):
                self.assertIn(line, lines)


if __name__ == "__main__":
    unittest.main()
