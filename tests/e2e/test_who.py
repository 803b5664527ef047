# SPDX-License-Identifier: MIT
"""Who may ask: digest, over sockets, with several workers, sipp and another implementation of the hashes."""
import hashlib
import itertools
import os
import re
import unittest

import harness
from harness import DEFAULT_FILES, Extstated, Phone, Subscription, sipp, wait_for

FILES = {
    "pjsip.conf": DEFAULT_FILES["pjsip.conf"] + """
[carol]
type=auth
username=carol
password=sesame
[carol](phone)
auth=carol
[dave]
type=auth
username=dave
password=shibboleth
realm=bank
supported_algorithms_uas=SHA-512-256,SHA-256,MD5
[dave](phone)
auth=dave
""",
}
HASHES = {
    "MD5": hashlib.md5, "SHA-256": hashlib.sha256,
    "SHA-512-256": lambda data: hashlib.new("sha512_256", data),
}


class Caller(Phone):
    """One that answers challenges."""

    password = ""

    def credentials(self, challenge, method, uri, nc=1):
        found = dict(re.findall(r'(\w+)="?([^",]*)"?', challenge))

        def h(*parts):
            return HASHES[found["algorithm"]](":".join(parts).encode()).hexdigest()
        count = f"{nc:08x}"
        response = h(h(self.user, found["realm"], self.password), found["nonce"], count, "c", "auth", h(method, uri))
        return (f'Digest username="{self.user}", realm="{found["realm"]}", nonce="{found["nonce"]}", uri="{uri}", '
                f'algorithm={found["algorithm"]}, qop=auth, nc={count}, cnonce="c", response="{response}"')

    def ask(self, challenge, nc=1, **how):
        """SUBSCRIBE with an answer to the challenge; the response."""
        dialog = how.get("dialog")
        uri = dialog.target if dialog else f"sip:1000@127.0.0.1:{self.server}"
        return self.subscribe("1000", headers=[("Authorization", self.credentials(challenge, "SUBSCRIBE", uri, nc))], **how)


def caller(server, user, password):
    phone = Caller(server, user)
    phone.password = password
    return phone


class Who(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Extstated(FILES, workers=4)
        cls.addClassCleanup(cls.daemon.end)
        cls.daemon.start()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    def counters(self):
        return self.daemon.tool("status")[0]["requests"]

    def test_sipp(self):
        sipp("digest.xml", self.daemon.port, **{"from": "carol", "password": "sesame", "extension": "2001"})

    def test_every_algorithm(self):
        with caller(self.daemon.port, "dave", "shibboleth") as dave:
            challenges = dave.subscribe("1000").all("WWW-Authenticate")
            self.assertEqual([re.search(r"algorithm=([^,]*)", c)[1] for c in challenges], ["SHA-512-256", "SHA-256", "MD5"])
            for challenge in challenges:
                self.assertEqual(dave.ask(challenge).status, 200)
                self.assertIn("active", dave.notify()["Subscription-State"])

    def test_wrong_password(self):
        before = self.counters()["wrong_credentials"]
        with caller(self.daemon.port, "carol", "guess") as carol:
            answer = carol.ask(carol.subscribe("1000")["WWW-Authenticate"])
        self.assertEqual(answer.status, 401)
        self.assertNotIn("stale", answer["WWW-Authenticate"])
        self.assertEqual(self.counters()["wrong_credentials"], before + 1)

    def test_nothing_is_good_twice_whichever_worker_gets_it(self):
        """Sockets of their own, so that the kernel chooses among the workers; the nonce is of one of them."""
        phones = [caller(self.daemon.port, "carol", "sesame") for _ in range(16)]
        challenge = phones[0].subscribe("1000")["WWW-Authenticate"]
        for nc, first in zip(itertools.count(1), phones[:4]):
            self.assertEqual(first.ask(challenge, nc).status, 200)
            self.assertIsNotNone(first.notify())
            for other in phones:
                answer = other.ask(challenge, nc)
                self.assertEqual(answer.status, 401)
                self.assertIn("stale=true", answer["WWW-Authenticate"])
        for phone in phones:
            phone.socket.close()

    def test_a_restart_leaves_nonces_good(self):
        with Extstated(FILES) as daemon, caller(daemon.port, "dave", "shibboleth") as dave:
            challenge = dave.subscribe("1000")["WWW-Authenticate"]
            answer = dave.ask(challenge)
            self.assertEqual(answer.status, 200)
            self.assertIsNotNone(dave.notify())
            dialog = Subscription(answer)
            daemon.kill()
            daemon.start()
            self.assertIn("stale=true", dave.ask(challenge, dialog=dialog)["WWW-Authenticate"])
            self.assertEqual(dave.ask(challenge, 2, dialog=dialog).status, 200)

    def test_without_the_table_nonces_from_before_are_stale(self):
        with Extstated(FILES) as daemon, caller(daemon.port, "dave", "shibboleth") as dave:
            challenge = dave.subscribe("1000")["WWW-Authenticate"]
            daemon.kill()
            os.unlink(daemon.directory / "state/nonces")
            daemon.start()
            answer = dave.ask(challenge)
            self.assertIn("stale=true", answer["WWW-Authenticate"])
            self.assertEqual(dave.ask(answer["WWW-Authenticate"]).status, 200)
            self.assertIsNotNone(dave.notify())

    def test_a_table_that_was_away_makes_nothing_good_twice(self):
        """One start cannot have it; the next has it again, as it was before."""
        with Extstated(FILES) as daemon, caller(daemon.port, "carol", "sesame") as carol:
            table = daemon.directory / "state/nonces"
            daemon.stop()
            table.rename(daemon.directory / "away")
            table.mkdir()
            daemon.start()
            self.assertIn("nonces.not_kept", daemon.log())
            challenge = carol.subscribe("1000")["WWW-Authenticate"]
            self.assertEqual(carol.ask(challenge).status, 200)
            carol.notify()
            daemon.kill()
            table.rmdir()
            (daemon.directory / "away").rename(table)
            daemon.start()
            answer = carol.ask(challenge)
            self.assertEqual(answer.status, 401)
            self.assertIn("stale=true", answer["WWW-Authenticate"])

    def test_too_often_whichever_worker_gets_it(self):
        with Extstated({**FILES, "extstate.conf": "[general]\nrequests_per_source=20\n"}, workers=4) as daemon:
            phones = [Phone(daemon.port) for _ in range(8)]
            answers = []
            for nth in range(64):
                phones[nth % 8].request("OPTIONS", f"sip:127.0.0.1:{daemon.port}")
                answers.append(phones[nth % 8].response())
            refused = [answer for answer in answers if answer.status == 503]
            self.assertEqual(len(answers) - len(refused), sum(answer.status == 200 for answer in answers))
            self.assertGreaterEqual(len(refused), 20)
            for answer in refused:
                self.assertTrue(5 <= int(answer["Retry-After"]) < 15)
            self.assertEqual(daemon.tool("status")[0]["requests"]["too_often"], len(refused))
            self.assertLessEqual(daemon.log().count("uas.too_often"), 40)
            for phone in phones:
                phone.socket.close()

    def test_so_many_and_no_more(self):
        limits = "[general]\nsubscriptions_per_endpoint=5\n"
        with Extstated({**FILES, "extstate.conf": limits}, workers=4) as daemon:
            phones = [Phone(daemon.port, "alice") for _ in range(8)]
            statuses = [phone.subscribe("1000").status for phone in phones]
            self.assertEqual(sorted(statuses), [200] * 5 + [503] * 3)
            self.assertEqual(daemon.tool("status")[0]["notifier"]["over_quota"], 3)
            with Phone(daemon.port, "bob") as bob:
                self.assertEqual(bob.subscribe("1000").status, 200)
            for phone in phones:
                phone.socket.close()

    def test_what_is_refused_for_its_form_is_in_the_log(self):
        with Extstated(FILES) as daemon, Phone(daemon.port) as alice:
            for number, (method, header) in enumerate([("SUBSCRIBE", ("Require", "recipient-list-subscribe")),
                                                       ("PUBLISH", ("Require", "outbound")), ("INVITE", ("Allow", "INVITE"))]):
                alice.request(method, "sip:1000@example.com", [header, ("Event", "dialog"), ("Call-ID", f"form{number}")])
                status = alice.response().status
                self.assertEqual(status, 405 if method == "INVITE" else 420)
                pattern = f'info uas.refused status={status} method={method} why="[^"]+" call_id=form{number} source=127.0.0.1:{alice.port}'
                wait_for("a line about it", lambda p=pattern: re.search(p, daemon.log()))
            alice.request("SUBSCRIBE", "sip:1000@example.com;", [("Event", "dialog"), ("Call-ID", "broken")])
            self.assertEqual(alice.response().status, 400)
            pattern = f'info txn.malformed status=400 method=SUBSCRIBE why="Bad Request-URI" call_id=broken source=127.0.0.1:{alice.port}'
            wait_for("a line about it", lambda: pattern in daemon.log())

    def test_no_secret_is_told(self):
        with Extstated(FILES) as daemon, caller(daemon.port, "dave", "shibboleth") as dave:
            daemon.tool("log", "debug")
            challenge = dave.subscribe("1000")["WWW-Authenticate"]
            dave.password = "swordfish"
            self.assertEqual(dave.ask(challenge).status, 401)
            dave.password = "shibboleth"
            self.assertEqual(dave.ask(challenge).status, 200)
            dave.notify()
            wait_for("a line about it", lambda: "uas.unauthenticated" in daemon.log())
            told = daemon.log() + "".join(daemon.tool(*words.split(), plain=True) + str(daemon.tool(*words.split()))
                                          for words in ("status", "subscriptions", "reload --dry-run"))
            nonce = re.search(r'nonce="([^"]*)"', challenge)[1]
            a1 = hashlib.md5(b"dave:bank:shibboleth").hexdigest()
            for secret in ("shibboleth", "swordfish", nonce, a1):
                self.assertNotIn(secret, told)
            daemon.tool("trace", "all")
            self.assertEqual(dave.ask(challenge, 2).status, 200)
            proof = re.search(r'response="([^"]*)"', dave.last)[1]
            wait_for("the trace", lambda: "response=(not shown)" in daemon.log())
            for secret in ("shibboleth", proof, a1):
                self.assertNotIn(secret, daemon.log())

    def test_no_password_of_a_uri_is_told(self):
        """A SIP URI may have one: a telephone's, and those of the configuration. What is refused says to whom."""
        peer = harness.free_port()
        files = {**FILES, "pjsip.conf": FILES["pjsip.conf"] + f"""
[erin]
type=aor
contact=sip:c:pw-contact@127.0.0.1:{peer}
qualify_frequency=1
qualify_timeout=0.2
[erin](phone)
aors=erin
[pub]
type=outbound-publish
server_uri=sip:u:pw-server@127.0.0.1:{peer}
event=dialog
@body=application/dialog-info+xml
""", "extstate.conf": "[registrar]\nenabled=yes\n[journal]\nenabled=yes\n[compositor]\ncontext=users\nusers=known\n"}
        with Extstated(files) as daemon, Phone(daemon.port) as alice:
            daemon.tool("log", "debug")
            contact = f"<sip:alice:pw-phone@127.0.0.1:{alice.port}>"
            answer = alice.subscribe("1000", headers=[("Contact", contact), ("From", "<sip:alice:pw-from@127.0.0.1>;tag=1")])
            self.assertEqual(answer.status, 200)
            self.assertIn("pw-phone", str(alice.notify()))  # it is the telephone's own, and how it is reached
            alice.request("PUBLISH", f"sip:1000:pw-uri@127.0.0.1:{daemon.port}", [("Event", "none")])
            self.assertEqual(alice.response().status, 404)
            self.assertEqual(alice.subscribe("none").status, 404)
            wait_for("a line about the contact", lambda: "contact.unreachable" in daemon.log())
            told = daemon.log()
            for line in ("publish.refused", "subscribe.refused"):
                self.assertRegex(told, rf"{line} .*source=127.0.0.1:{alice.port}\n")
            for words in ("subscriptions", "contacts", "publications", "history", "explain 1000@users", "status",
                          "pjsip show subscriptions inbound"):
                told += daemon.tool(*words.split(), plain=True, status=None) + str(daemon.tool(*words.split(), status=None))
            self.assertIn("sip:alice:(not shown)@127.0.0.1", told)
            self.assertIn("sip:c:(not shown)@127.0.0.1", told)
            self.assertIn("sip:u:(not shown)@127.0.0.1", told)
            self.assertIn("sip:1000:(not shown)@127.0.0.1", told)
            self.assertNotIn("pw-", told)
            daemon.stop()
            for part in daemon.directory.glob("state/journal.db*"):
                self.assertNotIn(b"pw-", part.read_bytes())


if __name__ == "__main__":
    harness.main()
