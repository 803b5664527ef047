# SPDX-License-Identifier: MIT
"""HTTP: who may what, states set and asked for, metrics that promtool and a parser of OpenMetrics take, and what is told as it happens."""
import base64
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import unittest
import urllib.parse

try:
    from prometheus_client.openmetrics import parser as openmetrics
except ImportError:
    openmetrics = None

import harness
import test_explain
import test_sources
import test_tls
from harness import Extstated, Knocking, Phone, free_port, wait_for
from manager_server import Manager

WRITER = "desk-0123456789abcdef"
READER = "wall-0123456789abcdef"
CONF = """
[http]
enabled = yes
bind = 127.0.0.1:%d
token = desk, write, desk-0123456789abcdef
token = wall, read, wall-0123456789abcdef
%s
"""


class Server:
    """An extstated with [http], and requests to it."""

    def __init__(self, more="", files=None, **options):
        self.http_port = free_port()
        self.daemon = Extstated(dict(files or {}, **{"extstate.conf": CONF % (self.http_port, more)}), **options)

    def __enter__(self):
        self.daemon.__enter__()
        wait_for("http.listens", lambda: "http.listens" in self.daemon.log())
        return self

    def __exit__(self, *what):
        self.daemon.__exit__(*what)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=harness.PATIENCE)

    def ask(self, method, path, body=None, token=None, headers=None):
        """The status, the body (read as JSON where it is) and the header."""
        connection = self.connect()
        fields = dict(headers or {})
        if token:
            fields["Authorization"] = f"Bearer {token}"
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            fields.setdefault("Content-Type", "application/json")
        connection.request(method, path, body, fields)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.getheader("Content-Type", "").startswith("application/json"):
            text = json.loads(text)
        return answer.status, text, answer

    def status(self, *arguments, **options):
        return self.ask(*arguments, **options)[0]


class Events:
    """A client of /v1/events."""

    def __init__(self, server, query=""):
        self.connection = server.connect()
        self.connection.request("GET", f"/v1/events{query}")
        self.answer = self.connection.getresponse()

    def next(self):
        """Its next event: its name and what it says."""
        name = None
        while True:
            line = self.answer.readline().decode().rstrip("\n")
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: ") and name:
                return name, json.loads(line[6:])
            elif not line and self.answer.closed:
                raise AssertionError("the stream has ended")

    def until(self, name, **members):
        while True:
            got, what = self.next()
            if got == name and members.items() <= what.items():
                return what

    def close(self):
        self.answer.close()
        self.connection.close()


class Http(unittest.TestCase):
    def test_states(self):
        with Server() as s:
            self.assertEqual(s.ask("GET", "/v1/hints/1000@users")[1]["state"], "Idle")
            self.assertEqual(s.status("PUT", "/v1/devices/Custom:1000", {"state": "INUSE"}, token=WRITER), 204)
            self.assertEqual(s.ask("GET", "/v1/hints/1000@users")[1]["state"], "InUse")
            device = s.ask("GET", "/v1/devices/Custom%3A1000")[1]
            self.assertEqual((device["state"], device["sources"][0]["source"]), ("INUSE", "ctl"))
            self.assertEqual(s.status("PUT", "/v1/devices/PJSIP%2Falice", {"state": "RINGING"}, token=WRITER), 204)
            self.assertEqual(s.ask("GET", "/v1/devices/PJSIP%2Falice")[1]["sources"][0]["source"], "desk")
            names = [row["device"] for row in s.ask("GET", "/v1/devices?prefix=PJSIP%2F")[1]["devices"]]
            self.assertEqual(names, ["PJSIP/alice", "PJSIP/bob"])  # the endpoints
            self.assertEqual(s.status("DELETE", "/v1/devices/Custom:1000", token=WRITER), 204)
            self.assertEqual(s.status("DELETE", "/v1/devices/Custom:1000", token=WRITER), 404)
            presence = {"state": "away", "subtype": "lunch", "message": "back at 2 & more"}
            self.assertEqual(s.status("PUT", "/v1/presence/CustomPresence:1001", presence, token=WRITER), 204)
            self.assertEqual(s.ask("GET", "/v1/hints/1001@users")[1]["presence_message"], "back at 2 & more")
            self.assertEqual(s.status("DELETE", "/v1/presence/CustomPresence:1001", token=WRITER), 204)
            self.assertEqual(s.ask("GET", "/v1/presence/CustomPresence:1001")[1]["state"], "not_set")
            self.assertEqual(s.status("PUT", "/v1/mailboxes/1@default", {"new": 2, "old": 1}, token=WRITER), 204)
            self.assertEqual(s.ask("GET", "/v1/mailboxes/1@default")[1]["new"], 2)
            self.assertEqual(s.status("DELETE", "/v1/mailboxes/1@default", token=WRITER), 204)
            status, answer, _ = s.ask("POST", "/v1/changes", {"changes": [
                {"device": "Custom:1000", "state": "BUSY"}, {"device": "Custom:1", "state": "ODD"},
                {"mailbox": "1@default", "new": 1, "old": 0}]}, token=WRITER)
            self.assertEqual((status, [row["index"] for row in answer["refused"]]), (207, [1]))
            self.assertEqual(s.ask("GET", "/v1/hints/1000@users")[1]["state"], "Busy")
            # What has been answered is on disk.
            s.daemon.process.kill()
            s.daemon.process.wait()
            s.daemon.start()
            wait_for("the lamp", lambda: s.ask("GET", "/v1/hints/1000@users")[1]["state"] == "Busy")

    def test_refusals(self):
        with Server() as s:
            put = ("PUT", "/v1/devices/Custom:1")
            for arguments, options, status in (
                    ((*put, {"state": "BUSY"}), {}, 401),
                    ((*put, {"state": "BUSY"}), {"token": READER}, 403),
                    ((*put, {"state": "BUSY"}), {"token": "wrong-0123456789abcdef"}, 401),
                    ((*put, {"state": "BUZY"}), {"token": WRITER}, 400),
                    ((*put, {"state": "BUSY", "stat": 1}), {"token": WRITER}, 400),
                    ((*put, "{"), {"token": WRITER, "headers": {"Content-Type": "application/json"}}, 400),
                    ((*put, "[1]"), {"token": WRITER, "headers": {"Content-Type": "application/json"}}, 400),
                    ((*put, "state=BUSY"), {"token": WRITER, "headers": {"Content-Type": "text/plain"}}, 415),
                    # Said, not sent: who is refused may lose the answer when he goes on sending.
                    (put, {"token": WRITER, "headers": {"Content-Length": str((1 << 20) + 1)}}, 413),
                    (("PUT", "/v1/devices/" + "x" * 80, {"state": "BUSY"}), {"token": WRITER}, 400),
                    (("PUT", "/v1/presence/Other:1", {"state": "away"}), {"token": WRITER}, 400),
                    (("POST", "/v1/devices/Custom:1", {}), {"token": WRITER}, 405),
                    (("GET", "/v1/devices/Custom:none"), {}, 404),
                    (("GET", "/nothing"), {}, 404),
                    (("GET", "/v1/hints"), {"headers": {"Host": "rebound.example"}}, 401),
                    (("GET", "/v1/hints"), {"headers": {"Origin": "http://other.example"}}, 403),
                    (("GET", "/v1/events?kinds=everything"), {}, 400)):
                with self.subTest(arguments=str(arguments)[:80], **options):
                    self.assertEqual(s.status(*arguments, **options), status)
            self.assertEqual(s.ask("POST", "/v1/devices/Custom:1", {}, token=WRITER)[2].getheader("Allow"),
                             "GET, HEAD, PUT, DELETE")
            for _ in range(20):
                status = s.status("GET", "/v1/hints", token="wrong-0123456789abcdef")
            self.assertEqual(status, 429)

    def test_nobody_near_is_trusted(self):
        with Server("read_without_token =\nallow = 127.0.0.0/8") as s:
            self.assertEqual(s.status("GET", "/v1/hints"), 401)
            self.assertEqual(s.status("GET", "/metrics"), 401)
            self.assertEqual(s.status("GET", "/health/live"), 200)
            self.assertEqual(s.status("GET", "/v1/hints", token=READER), 200)

    def test_explain(self):
        with Server("[journal]\nenabled = yes\n") as s:
            s.daemon.set("Custom:1000", "INUSE")
            parts = s.ask("GET", "/v1/explain/1000@users")[1]["parts"]
            resource = next(p for p in parts if p["part"] == "resource")
            self.assertEqual((resource["state"], resource["hint"]), ("InUse", "Custom:1000"))
            self.assertEqual([p["what"] for p in s.ask("GET", "/v1/explain/9@users")[1]["parts"] if p["part"] == "trouble"], ["no_hint"])

            s.daemon.tool("mailbox", "change", "100@default", "3", "1")
            parts = s.ask("GET", "/v1/explain/100%40default")[1]["parts"]
            self.assertEqual([(p["mailbox"], p["new"]) for p in parts if p["part"] == "mailbox"], [("100@default", 3)])
            self.assertEqual(s.status("GET", "/v1/explain/nobody"), 400)

            def history(query):
                return s.ask("GET", f"/v1/history?{query}")[1]["changes"]
            last = wait_for("the journal", lambda: history("resource=1000@users&kinds=snapshot&limit=1&since_ms=1"))[0]
            self.assertEqual((last["state"], last["source"]), ("InUse", "ctl"))
            self.assertEqual(history("resource=Custom:1000&kinds=device,presence")[-1]["said"], "INUSE")
            self.assertEqual(s.status("GET", "/v1/history?limit=many"), 400)
            self.assertEqual(s.status("GET", "/v1/history?kinds=everything"), 400)

    def test_sessions(self):
        with Server() as s:
            wrong = {"name": "desk", "secret": "wrong"}
            self.assertEqual(s.status("POST", "/v1/session", wrong), 401)
            status, session, answer = s.ask("POST", "/v1/session", {"name": "desk", "secret": WRITER})
            self.assertEqual((status, session["writes"]), (200, True))
            set_cookie = answer.getheader("Set-Cookie")
            for word in ("HttpOnly", "SameSite=Strict", "Path=/"):
                self.assertIn(word, set_cookie)
            cookie = {"Cookie": set_cookie.split(";")[0]}
            proof = dict(cookie, **{"X-CSRF-Token": session["csrf"]})
            put = ("PUT", "/v1/devices/Custom:1000", {"state": "BUSY"})
            self.assertEqual(s.status(*put, headers=cookie), 403)
            self.assertEqual(s.status(*put, headers=proof), 204)
            self.assertEqual(s.ask("GET", "/v1/session", headers=cookie)[1]["name"], "desk")
            self.assertEqual(s.status("DELETE", "/v1/session", headers=cookie), 403)
            self.assertEqual(s.status("DELETE", "/v1/session", headers=proof), 204)
            self.assertEqual(s.status(*put, headers=proof), 401)

    def test_what_the_page_may_do(self):
        """It loads from and talks to this server alone, no script stands in it, and it is in nobody's frame."""
        with Server() as s:
            for path in ("/", "/app.js", "/style.css"):
                status, text, answer = s.ask("GET", path)
                policy = dict(part.strip().split(" ", 1) for part in answer.getheader("Content-Security-Policy").split(";"))
                self.assertEqual((status, policy["default-src"], policy["script-src"], policy["style-src"], policy["frame-ancestors"],
                                  policy["form-action"], policy["base-uri"]), (200, "'none'", "'self'", "'self'", "'none'", "'none'", "'none'"))
                self.assertEqual(policy["connect-src"], "'self'")  # pjsip.conf has no WebSocket here
                self.assertNotIn("unsafe", str(policy))
                self.assertEqual(answer.getheader("X-Content-Type-Options"), "nosniff")
                self.assertIsNone(answer.getheader("Set-Cookie"))
                if path == "/":
                    self.assertNotRegex(text.decode(), r"(?i)<script(?![^>]* src=)|\son\w+=|(src|href)=.?(https?:)?//")
                self.assertEqual(s.status("GET", path, headers={"If-None-Match": answer.getheader("ETag")}), 304)
                self.assertEqual(s.status("HEAD", path), 200)

    def test_users_of_the_manager(self):
        manager = "[general]\n[carol]\nsecret=carols-word\nread=call\nwrite=call\n[dave]\nsecret=daves-word\nread=call\n"
        with Server(files={"manager.conf": manager}) as s:
            for name, writes in (("carol", True), ("dave", False)):
                login = {"name": name, "secret": f"{name}s-word"}
                self.assertEqual(s.ask("POST", "/v1/session", login)[1]["writes"], writes)

    def test_a_reload_takes_rights_away(self):
        with Server() as s:
            session = s.ask("POST", "/v1/session", {"name": "desk", "secret": WRITER})
            cookie = {"Cookie": session[2].getheader("Set-Cookie").split(";")[0]}
            s.daemon.write("extstate.conf", (CONF % (s.http_port, "")).replace(WRITER, "other-0123456789abcdef"))
            s.daemon.tool("reload")
            wait_for("the end of the session",
                     lambda: s.ask("GET", "/v1/session", headers=cookie)[1]["name"] == "")
            self.assertEqual(s.status("PUT", "/v1/devices/Custom:1", {"state": "BUSY"}, token=WRITER), 401)
            s.daemon.write("extstate.conf", "")
            s.daemon.tool("reload")

            wait_for("its end", lambda: not answers(s))

    def test_an_address_that_is_taken(self):
        with Server() as s:
            other = Extstated({"extstate.conf": CONF % (s.http_port, "")})
            with other:
                wait_for("the failure", lambda: "http.not_open" in other.log())
                other.set("Custom:1000", "INUSE")  # telephony goes on
                s.daemon.stop()
                wait_for("http.listens", lambda: "http.listens" in other.log())
            s.daemon.start()

    def test_stopped_while_it_is_asked(self):
        """What has been asked of one thread does not go on to the next when they have ended."""
        with Server() as s:
            requests = (b"GET /v1/explain/1000@users HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                        b"GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            for _ in range(3 if harness.BRIEF else 8):
                with contextlib.ExitStack() as stack:
                    many = [stack.enter_context(socket.create_connection(("127.0.0.1", s.http_port))) for _ in range(40)]
                    for n, connection in enumerate(many):
                        connection.sendall(requests[n % 2])
                    s.daemon.stop()  # and says by its status whether that was in order
                s.daemon.start()
                wait_for("http.listens", lambda: answers(s))

    def test_an_upgrade(self):
        with Server() as s:
            stream = Events(s)
            stream.next()

            def files():
                """Without pipes: the thread sanitizer leaves its own to the successor, where it has looked up a suppression."""
                n = 0
                for file in pathlib.Path(f"/proc/{s.daemon.process.pid}/fd").iterdir():
                    with contextlib.suppress(OSError):  # it has gone meanwhile
                        n += not os.readlink(file).startswith("pipe:")
                return n

            def upgrade():
                s.daemon.tool("upgrade")
                wait_for("the lamps", lambda: answers(s))
                return files()
            first = upgrade()
            with Knocking(s.http_port):
                for _ in range(4):
                    upgrade()
            stream.answer.read()  # to its end: EventSource comes back by itself
            stream.close()
            wait_for("no descriptor to be left over", lambda: files() <= first + 2)  # some are not there at once

    def test_a_socket_that_is_passed(self):
        """By a service manager: it is this one, since another could not be bound there."""
        s = Server()
        with socket.create_server(("127.0.0.1", s.http_port)) as listener:
            s.daemon.sockets = [listener]
            with s:
                for _ in range(2):
                    self.assertEqual(s.status("GET", "/v1/hints"), 200)
                s.daemon.tool("upgrade")
                wait_for("the lamps", lambda: answers(s))
                self.assertNotIn("inherited", s.daemon.log())
                self.assertNotIn("http.not_open", s.daemon.log())

    def test_contacts(self):
        pjsip = harness.DEFAULT_FILES["pjsip.conf"] + (
            "[erin]\ntype=endpoint\naors=erin\n[erin]\ntype=aor\ncontact=sip:erin@127.0.0.1:9\n[erik]\ntype=aor\ncontact=sip:erik@127.0.0.1:9\n")
        with Server("[registrar]\nenabled=yes\n", files={"pjsip.conf": pjsip}) as s:
            for query, aors in ("", {"erin", "erik"}), ("?prefix=er", {"erin", "erik"}), ("?name=erin", {"erin"}), ("?name=er", set()):
                status, rows, _ = s.ask("GET", "/v1/contacts" + query)
                self.assertEqual((status, {row["aor"] for row in rows["contacts"]}), (200, aors), query)
            self.assertEqual(s.status("PUT", "/v1/contacts", token=WRITER), 405)

    def test_metrics(self):
        with Server() as s, Phone(s.daemon.port) as phone:
            phone.subscribe("1000")
            self.assertIsNotNone(phone.notify())
            for state in ("INUSE", "RINGING", "NOT_INUSE"):
                s.daemon.set("Custom:1000", state)
                self.assertIsNotNone(phone.notify())

            def value(name):
                text = s.ask("GET", "/metrics")[1].decode()
                return float(re.search(rf"^{re.escape(name)} (.*)$", text, re.M)[1])
            wait_for("four acknowledged NOTIFYs", lambda: value("extstate_notify_acknowledged_total") == 4)
            self.assertEqual(value("extstate_subscriptions"), 1)
            self.assertEqual(value("extstate_notify_sent_total"), 4)
            self.assertEqual(value("extstate_notify_sent_seconds_count"), 3)  # the first one tells no change
            self.assertEqual(value("extstate_notify_acknowledged_seconds_count"), 3)
            self.assertEqual(value('extstate_notify_sent_seconds_bucket{le="+Inf"}'), 3)
            self.assertGreater(value('extstate_memory_bytes{kind="subscriptions"}'), 0)
            text = s.ask("GET", "/metrics")[1]
            self.check(text)
            self.check_open(s)
            for accept, wanted in (("*/*", "text/plain; version=0.0.4"), ("application/openmetrics-text;q=0", "text/plain"),
                                   ("text/plain, application/openmetrics-text;q=0.5", "text/plain"),
                                   ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0")):
                answer = s.ask("GET", "/metrics", headers={"Accept": accept})[2]
                self.assertTrue(answer.getheader("Content-Type").startswith(wanted), accept)
            self.assertEqual(s.ask("GET", "/health/ready")[:2], (200, b"ready\n"))
            self.assertEqual(s.ask("HEAD", "/metrics")[:2], (200, b""))

    def check(self, text):
        """As Prometheus reads it."""
        promtool = shutil.which("promtool")
        if promtool:
            done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True)
            self.assertEqual((done.returncode, done.stderr, done.stdout), (0, b"", b""))

    def check_open(self, s):
        """As whoever reads OpenMetrics does, asked for as Prometheus asks."""
        accept = ("application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                  "text/plain;version=0.0.4;q=0.5,*/*;q=0.1")
        plain = s.ask("GET", "/metrics")[1].decode()
        text, answer = s.ask("GET", "/metrics", headers={"Accept": accept})[1:]
        self.assertEqual(answer.getheader("Content-Type"), "application/openmetrics-text; version=1.0.0; charset=utf-8")
        self.assertTrue(text.endswith(b"\n# EOF\n"))
        if openmetrics is None:
            return
        families = {f.name: f for f in openmetrics.text_string_to_metric_families(text.decode())}  # raises for what is not valid
        self.assertEqual([f.name for f in families.values() if not (f.documentation and f.samples)], [])
        for name, family in families.items():
            unit = name.rsplit("_", 1)[-1]
            self.assertEqual(family.unit, unit if unit in ("seconds", "bytes") else "", name)
            for sample in family.samples:
                self.assertEqual(sample.name.endswith("_total"), family.type == "counter", sample.name)

        def samples(text):
            return {re.sub(r'(le="\d+)\.0"', r'\1"', line.rsplit(" ", 1)[0]) for line in text.splitlines() if line[0] != "#"}
        self.assertEqual(samples(text.decode()), samples(plain))  # nothing is told in one of them alone

    def test_every_metric_that_is_spoken_of(self):
        """What the dashboard asks for and what doc/http.md names is there, with a compositor, a PBX and a journal."""
        dashboard = json.loads((harness.TOP / "doc/grafana-dashboard.json").read_text())
        targets = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
        self.assertGreater(len(targets), 20)
        wanted = set()
        for expr in targets:
            found = re.findall(r"\b(?:extstate|process)_\w+", expr)
            self.assertTrue(found, expr)
            wanted.update(found)
        table = (harness.TOP / "doc/http.md").read_text().split("| metric |")[1]
        wanted.update(name for name in re.findall(r"`(extstate_\w+)", table) if not name.endswith("_"))  # extstate_sip_*
        with Manager({"PJSIP/zoe": "INUSE"}) as pbx, Phone(0) as esc:
            pjsip = harness.DEFAULT_FILES["pjsip.conf"] + test_explain.PUBLISH % esc.port
            with Server(test_sources.source("pbx-a", pbx) + test_explain.JOURNAL, files={"pjsip.conf": pjsip}) as s:
                test_sources.following(s.daemon, "pbx-a")
                first = esc.receive()
                esc.reply(first, "200 OK\r\nSIP-ETag: first\r\nExpires: 600")

                def published():
                    text = s.ask("GET", "/metrics")[1]
                    told = [rb"publish_acknowledged", rb"journal_rows"]  # neither is there at once
                    return text if all(re.search(rb"(?m)^extstate_%s_total [1-9]" % name, text) for name in told) else None
                text = wait_for("the answer", published)
                names = set(re.findall(r"(?m)^(?:# TYPE )?([a-z_]+)[ {]", text.decode()))
                self.assertGreater(len(wanted), 25)
                self.assertEqual(sorted(wanted - names), [])
                for line in (r'extstate_publisher_up{section="esc",worker="\d+"} 1', r'extstate_source_up{source="pbx-a"} 1',
                             r'extstate_queue_messages{thread="(state|edge|worker-0)"} \d+', r"extstate_journal_rows_total [1-9]\d*",
                             *(rf'extstate_memory_bytes{{kind="{kind}"}} [1-9]\d*' for kind in (
                                 "devices", "hints", "snapshots", "bodies", "publications", "published_resources", "state_tables",
                                 "publisher_tables", "transaction_tables", "tables")),
                             *(rf'extstate_memory_bytes{{kind="{kind}"}} \d+' for kind in (
                                 "subscriptions", "dialogs", "notifies", "watched_resources", "received_publications", "presences",
                                 "mailboxes", "sources", "contacts", "transactions", "connections", "history", "interned"))):
                    self.assertRegex(text.decode(), rf"(?m)^{line}$")
                self.assertNotRegex(text.decode(), r"(?m)^extstate_publisher_up.* 0$")  # nor of the worker that has nothing to send
                self.check(text)
                self.check_open(s)

    def test_events(self):
        with Server() as s:
            events, lamps = Events(s), Events(s, "?kinds=snapshot")
            self.assertEqual(events.next()[0], "hello")
            self.assertEqual(lamps.next()[0], "hello")
            for state, shown in (("INUSE", "InUse"), ("NOT_INUSE", "Idle")):
                s.daemon.set("Custom:1000", state)
                self.assertEqual(events.until("device", device="Custom:1000")["state"], state)
                self.assertEqual(events.next()[1]["state"], shown)
                name, lamp = lamps.next()
                self.assertEqual((name, lamp["extension"], lamp["context"], lamp["state"]),
                                 ("snapshot", "1000", "users", shown))
            events.close()
            s.daemon.set("Custom:1000", "BUSY")
            self.assertEqual(lamps.next()[1]["state"], "Busy")
            lamps.close()

    def test_ari(self):
        with Server() as s:
            basic = {"Authorization": "Basic " + base64.b64encode(f"desk:{WRITER}".encode()).decode()}
            device = "/ari/deviceStates/Stasis:1"
            self.assertEqual(s.ask("GET", "/ari/deviceStates", headers=basic)[1], [])
            self.assertEqual(s.status("PUT", device + "?deviceState=busy", headers=basic), 204)
            self.assertEqual(s.ask("GET", device, headers=basic)[1], {"name": "Stasis:1", "state": "BUSY"})
            self.assertEqual(s.status("PUT", device, {"deviceState": "INUSE"}, headers=basic), 204)
            form = dict(basic, **{"Content-Type": "application/x-www-form-urlencoded"})
            self.assertEqual(s.status("PUT", device, "deviceState=ON%48OLD", headers=form), 204)
            key = f"api_key=desk:{WRITER}"
            self.assertEqual(s.ask("GET", f"/ari/deviceStates?{key}")[1], [{"name": "Stasis:1", "state": "ONHOLD"}])
            for method, path, status in (("PUT", "/ari/deviceStates/Custom:1?deviceState=BUSY", 409),
                                         ("PUT", "/ari/deviceStates/?deviceState=BUSY", 404),
                                         ("PUT", device + "?deviceState=UNKNOWN", 400), ("PUT", device, 400),
                                         ("DELETE", "/ari/deviceStates/Custom:1", 409), ("DELETE", device, 204),
                                         ("DELETE", device, 404), ("GET", "/ari/mailboxes/1", 404),
                                         ("PUT", "/ari/mailboxes/1?oldMessages=x&newMessages=1", 400),
                                         ("PUT", "/ari/mailboxes/1?oldMessages=3&newMessages=1", 204)):
                with self.subTest(method=method, path=path):
                    self.assertEqual(s.status(method, path, headers=basic), status)
            self.assertEqual(s.ask("GET", device, headers=basic)[1]["state"], "UNKNOWN")
            self.assertEqual(s.ask("GET", "/ari/deviceStates/PJSIP%2Fnobody", headers=basic)[1]["state"], "INVALID")
            self.assertEqual(s.ask("GET", "/ari/mailboxes", headers=basic)[1],
                             [{"name": "1", "old_messages": 3, "new_messages": 1}])
            self.assertEqual(s.status("DELETE", "/ari/mailboxes/1", headers=basic), 204)
            self.assertEqual(s.status("DELETE", "/ari/mailboxes/1", headers=basic), 404)

    def test_ari_takes_back_its_own(self):
        """Whoever else has said something, however many they are, it stays, and the answer says so."""
        basic = {"Authorization": "Basic " + base64.b64encode(f"desk:{WRITER}".encode()).decode()}
        with Server() as s:
            for kind, name, sets, ours in (("devices", "Stasis:2", ("devstate", "change", "Stasis:2", "BUSY"), "deviceState=INUSE"),
                                           ("mailboxes", "2", ("mailbox", "change", "2", "1", "0"), "oldMessages=0&newMessages=2")):
                path = f"/ari/{'deviceStates' if kind == 'devices' else kind}/{name}"
                for others in (["pbx-a"], ["pbx-a", "pbx-b"]):
                    with self.subTest(path=path, others=others):
                        self.assertEqual(s.status("DELETE", path, headers=basic), 404)
                        for source in others:
                            s.daemon.tool(*sets, "--source", source)
                        said = s.ask("GET", f"/v1/{kind}/{name}", token=WRITER)[1]
                        status, why, _ = s.ask("DELETE", path, headers=basic)
                        self.assertEqual(status, 409)
                        self.assertIn('source "ari" says nothing about', why["message"])
                        self.assertEqual(s.ask("GET", f"/v1/{kind}/{name}", token=WRITER)[1], said)
                        self.assertEqual(s.status("PUT", f"{path}?{ours}", headers=basic), 204)
                        self.assertEqual(s.status("DELETE", path, headers=basic), 204)
                        self.assertEqual(s.ask("GET", f"/v1/{kind}/{name}", token=WRITER)[1], said)
                        for source in others:
                            s.daemon.tool(sets[0], "forget", name, "--source", source)
                        s.daemon.tool(sets[0], "forget", name, "--source", others[0], status=4)

    def test_names_by_case(self):
        """A device's name is as it is written, but for the label before a colon."""
        with Server() as s:
            for device, state in (("PJSIP/Anna", "INUSE"), ("PJSIP/anna", "BUSY"), ("Custom:Q", "INUSE")):
                s.ask("PUT", "/v1/devices/" + urllib.parse.quote(device, safe=""), {"state": state}, token=WRITER)
            s.ask("PUT", "/v1/mailboxes/Box", {"new": 1, "old": 0}, token=WRITER)
            self.assertEqual(s.ask("GET", "/v1/devices/PJSIP%2Fanna")[1]["state"], "BUSY")
            self.assertEqual(s.ask("GET", "/v1/devices/PJSIP%2FAnna")[1]["state"], "INUSE")
            self.assertEqual(s.ask("GET", "/v1/devices/CUSTOM:Q")[1]["state"], "INUSE")
            for path, status in (("devices/Custom:q", 404), ("devices/PJSIP%2FANNA", 404), ("mailboxes/box", 404),
                                 ("mailboxes/Box", 200)):
                with self.subTest(path=path):
                    self.assertEqual(s.status("GET", "/v1/" + path), status)

    def test_ari_events(self):
        with Server() as s:
            key = f"api_key=desk:{WRITER}"
            for path, status in (("/ari/events?app=a&api_key=desk:wrong", 401), (f"/ari/events?{key}", 400),
                                 (f"/ari/events?app=&{key}", 400), (f"/ari/other?app=a&{key}", 404)):
                refused, answer = websocket(s, path)
                self.assertEqual(answer.split()[1:2], [str(status).encode()], path)
                refused.read()  # it ends
                refused.close()
            one, _ = websocket(s, f"/ari/events?app=one&{key}")
            every, _ = websocket(s, f"/ari/events?app=every&subscribeAll=true&{key}")
            subscribe = f"/ari/applications/one/subscription?eventSource=deviceState:Custom:1000&{key}"
            status, app, _ = s.ask("POST", subscribe)
            self.assertEqual((status, app["device_names"]), (200, ["Custom:1000"]))
            self.assertEqual(s.status("POST", subscribe.replace("one", "none")), 404)
            self.assertEqual(s.status("POST", subscribe.replace("deviceState:", "channel:")), 422)
            s.daemon.set("Custom:7", "BUSY")
            s.daemon.set("Custom:1000", "INUSE")
            event = frame(one)
            self.assertEqual(event["device_state"], {"name": "Custom:1000", "state": "INUSE"})
            self.assertEqual((event["type"], event["application"]), ("DeviceStateChanged", "one"))
            self.assertRegex(event["asterisk_id"], r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")  # made at the start
            self.assertRegex(event["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$")
            self.assertEqual([frame(every)["device_state"]["name"] for _ in range(2)], ["Custom:7", "Custom:1000"])
            self.assertEqual(s.status("DELETE", subscribe), 200)
            self.assertEqual(s.status("DELETE", subscribe), 409)
            one.close()
            wait_for("the application's end", lambda: s.status("GET", f"/ari/applications/one?{key}") == 404)
            every.close()

    def test_tls(self):
        """A certificate is renewed under the hands of who is connected, also by one with another kind of key."""
        authority = test_tls.Authority()
        self.addCleanup(authority.end)
        certificate, key = authority.make("server", "IP:127.0.0.1", "server")
        context = ssl.create_default_context(cafile=str(authority.directory / "ca.pem"))

        def connect(server):
            return http.client.HTTPSConnection("127.0.0.1", server.http_port, context=context, timeout=harness.PATIENCE)

        def ask(connection):
            connection.request("GET", "/v1/hints")
            answer = connection.getresponse()
            answer.read()
            return answer.status, int(connection.sock.getpeercert()["serialNumber"], 16)

        def shown(server):
            connection = connect(server)
            status, number = ask(connection)
            connection.close()
            self.assertEqual(status, 200)
            return number

        def reload(server, extension):
            server.daemon.write("extensions.conf", f"[users]\nexten => {extension},hint,Custom:1000\n")
            server.daemon.tool("reload", status=None)

        with Server(f"tls_cert_file = {certificate}\ntls_key_file = {key}") as s:
            stays, stream = connect(s), connect(s)
            number = ask(stays)[1]
            stream.request("GET", "/v1/events?kinds=snapshot")
            events = stream.getresponse()
            for turn, kind in enumerate(("ec", "rsa", "ec")):
                authority.make("server", "IP:127.0.0.1", "server", kind=kind)
                reload(s, 2000 + turn)
                wait_for("the new certificate", lambda: shown(s) == authority.serial)
                self.assertEqual(ask(stays), (200, number))
            certificate.write_text("nonsense")
            conf = s.daemon.config / "extstate.conf"
            line = 1 + conf.read_text().splitlines().index(f"tls_cert_file = {certificate}")
            fault = f"{conf}:{line}: error: tls_cert_file: "
            reload(s, 1000)
            for words in ("reload", "--dry-run"), ("reload",):
                self.assertIn(fault, s.daemon.tool(*words, plain=True, status=None))
            checked = subprocess.run([s.daemon.program, "--check", "--config-dir", s.daemon.config, "--state-dir",
                                      s.daemon.directory / "state"], capture_output=True, text=True)
            self.assertEqual(checked.returncode, 1)
            self.assertIn(fault, checked.stdout + checked.stderr)
            wait_for("the complaint", lambda: "http.certificate_kept" in s.daemon.log())
            self.assertEqual(shown(s), authority.serial)
            s.daemon.set("Custom:1000", "INUSE")
            while b'"InUse"' not in events.readline():
                pass
            stays.close()
            stream.close()
            s.daemon.write("extstate.conf", CONF % (s.http_port, ""))  # TLS ends
            s.daemon.tool("reload")
            wait_for("plain HTTP", lambda: answers(s))

    def test_long_hello(self):
        """Nobody has room made for a ClientHello that there is not."""
        authority = test_tls.Authority()
        self.addCleanup(authority.end)
        certificate, key = authority.make("server", "IP:127.0.0.1")
        with Server(f"tls_cert_file = {certificate}\ntls_key_file = {key}") as s:
            stays = socket.create_connection(("127.0.0.1", s.http_port))
            self.addCleanup(stays.close)
            stays.sendall(b"\x16\x03\x01\x00\x04\x01\x00\x40\x00")
            with socket.create_connection(("127.0.0.1", s.http_port), timeout=5) as long:  # patience is 10 s
                long.sendall(b"\x16\x03\x01\x00\x04\x01\x00\x40\x01")
                self.assertEqual(long.recv(1), b"")
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                context = test_tls.client_context(authority, version=version)
                connection = http.client.HTTPSConnection("127.0.0.1", s.http_port, context=context, timeout=harness.PATIENCE)
                for _ in range(2):
                    connection.request("GET", "/health/live")
                    self.assertEqual(connection.getresponse().read() and connection.sock.version(), version.name.replace("v1_", "v1."))
                connection.close()
            stays.settimeout(0.1)
            self.assertRaises(TimeoutError, stays.recv, 1)

    def test_one_after_the_other(self):
        """The next one comes as soon as the answer is out."""
        with Server() as s:
            connection = s.connect()
            for i in range(500):
                body = '{"state":"%s"}' % ("BUSY", "RINGING")[i % 2]
                connection.request("PUT", "/v1/devices/Custom:1000", body,
                                   {"Authorization": f"Bearer {WRITER}", "Content-Type": "application/json"})
                answer = connection.getresponse()
                self.assertEqual((answer.status, answer.read()), (204, b""))
                self.assertIsNotNone(connection.sock, "it has been closed")
            connection.close()

    def test_who_hangs_up_is_found(self):
        """Whoever is told a stream, and ends or says something instead of listening, is let go at once, and not when he is written to next."""

        def connections():
            return int(re.search(rb"^extstate_http_connections (\d+)", s.ask("GET", "/metrics")[1], re.M)[1])

        with Server() as s:
            for say in (None, b"hello", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"):
                with self.subTest(say=say), socket.create_connection(("127.0.0.1", s.http_port), timeout=harness.PATIENCE) as c:
                    c.sendall(b"GET /v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                    wait_for("the first event", lambda c=c: b"event: hello" in c.recv(65536))
                    self.assertEqual(connections(), 2)
                    if say:
                        c.sendall(say)
                    else:
                        c.close()
                    wait_for("the end", lambda: connections() == 1, 10)

    def test_requests_that_do_not_wait(self):
        """Several in one piece are answered in their order; one with a body, that libwebsockets would never come back from, ends
        the connection. What nobody asked for is not done."""
        get = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        put = (b"PUT /v1/devices/Custom:1000 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
               b"Authorization: Bearer desk-0123456789abcdef\r\nContent-Length: %d\r\n\r\n%s")
        busy, ringing = (put % (len(body), body) for body in (b'{"state":"BUSY"}', b'{"state":"RINGING"}'))
        without = b"POST /v1/changes HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer desk-0123456789abcdef\r\n\r\n"

        def last(request):
            return request.replace(b"Host", b"Connection: close\r\nHost")

        with Server() as s:
            for sent, least, state in (([get + get + last(get)], 3, "Idle"), ([get + busy], 1, "Idle"), ([get + busy + get], 1, "Idle"),
                                       ([get + busy[:-9], busy[-9:]], 1, "Idle"), ([busy, last(get)], 2, "Busy"),
                                       ([last(ringing)[:-5], ringing[-5:]], 1, "Ringing"), ([busy + ringing], 0, None),
                                       ([busy + get], 0, None), ([without + get], 1, None)):
                with self.subTest(sent=sent), socket.create_connection(("127.0.0.1", s.http_port), timeout=harness.PATIENCE) as c:
                    got = b""
                    try:
                        for piece in sent:
                            while piece == last(get) and b"204" not in got:
                                got += c.recv(4096)
                            c.sendall(piece)
                        while more := c.recv(4096):
                            got += more
                    except ConnectionError:
                        pass
                    self.assertGreaterEqual(got.count(b"HTTP/1.1 "), least)
                    self.assertEqual(s.status("GET", "/health/live"), 200)
                    if state:
                        self.assertEqual(s.ask("GET", "/v1/hints/1000@users")[1]["state"], state)

    def test_what_is_no_http(self):
        with Server() as s:
            for rubbish in (b"\0" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"x" * 20000,
                            b"GET /v1/devices/a%00b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                            b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
                            b"POST /v1/changes HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999999999999999999999\r\n\r\n",
                            b"POST /v1/changes HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
                            b"GET /v1/hints HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                            b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
                            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
                with socket.create_connection(("127.0.0.1", s.http_port), timeout=harness.PATIENCE) as c:
                    try:
                        c.sendall(rubbish)
                        c.shutdown(socket.SHUT_WR)
                        while c.recv(4096):
                            pass
                    except OSError:
                        pass
            self.assertEqual(s.status("GET", "/v1/hints"), 200)


def answers(server):
    try:
        return server.status("GET", "/v1/hints") == 200
    except OSError:
        return False


def websocket(server, path):
    """A WebSocket without a library: its connection as a file, and how it was answered."""
    c = socket.create_connection(("127.0.0.1", server.http_port), timeout=harness.PATIENCE)
    c.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.http_port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    stream = c.makefile("rb")
    c.close()
    answer = stream.readline()
    while stream.readline().strip():
        pass
    return stream, answer


def frame(stream):
    """The next message, as JSON."""
    head = stream.read(2)
    length = head[1] & 127
    if length == 126:
        length = int.from_bytes(stream.read(2), "big")
    return json.loads(stream.read(length))


if __name__ == "__main__":
    unittest.main()
