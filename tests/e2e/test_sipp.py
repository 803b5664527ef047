# SPDX-License-Identifier: MIT
"""sipp as the phone: life cycles for every body, every rejection, failures of NOTIFY."""
import unittest

import harness
from harness import DEFAULT_FILES, Extstated, sipp

FILES = {
    "pjsip.conf": DEFAULT_FILES["pjsip.conf"] + """
[frank](phone)
sub_min_expiry=60
[mallory](phone)
allow_subscribe=no
""",
}
BODIES = [
    # event, accept, idle, ringing
    ("dialog", "application/dialog-info+xml", "<state>terminated</state>", "<state>early</state>"),
    ("presence", "application/pidf+xml", "<note>Ready</note>", "<note>Ringing</note>"),
    ("presence", "application/xpidf+xml", 'status="open"', 'status="inuse"'),
    ("presence", "application/cpim-pidf+xml", 'status="open"', 'status="inuse"'),
]


class Sipp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = Extstated(FILES)
        cls.addClassCleanup(cls.daemon.end)
        cls.daemon.start()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    def setUp(self):
        self.daemon.tool("devstate", "change", "Custom:1000", "NOT_INUSE")

    def change_to(self, state):
        return self.daemon.command("devstate", "change", "Custom:1000", state)

    def run_scenario(self, name, **keys):
        change = self.change_to("RINGING")
        defaults = {
            "from": "alice", "extension": "1000", "event": "dialog", "accept": "application/dialog-info+xml",
            "first": "<state>terminated</state>", "second": "<state>early</state>", "change": change, "other": self.change_to("BUSY"),
        }
        sipp(name, self.daemon.port, **{**defaults, **keys})

    def run_bodies(self, *names):
        for event, accept, idle, ringing in BODIES:
            for name in names:
                with self.subTest(name, accept=accept):
                    self.setUp()
                    self.run_scenario(name, event=event, accept=accept, first=idle, second=ringing)

    def test_life_of_a_subscription(self):
        self.run_bodies("subscribe.xml")

    def test_duplicates_and_coalescing(self):
        self.run_bodies("duplicate.xml", "coalesce.xml")

    def test_fetch(self):
        for event, accept, idle, _ in BODIES:
            with self.subTest(accept=accept):
                self.run_scenario("fetch.xml", event=event, accept=accept, first=idle)

    def test_refresh(self):
        self.run_scenario("refresh.xml")

    def test_expire(self):
        self.run_scenario("expire.xml")

    def test_retransmission(self):
        self.run_scenario("retransmission.xml")

    def test_rejections(self):
        for name, keys in [
            ("reject_400.xml", {}), ("reject_403.xml", {"from": "stranger"}), ("reject_404.xml", {"extension": "7777"}),
            ("reject_406.xml", {}), ("reject_420.xml", {}), ("reject_423.xml", {"from": "frank"}),
            ("reject_481.xml", {}), ("reject_489.xml", {}), ("reject_no_event.xml", {}),
            ("reject_603.xml", {"from": "mallory"}),
        ]:
            with self.subTest(name):
                self.run_scenario(name, **keys)

    def test_failing_notify(self):
        self.run_bodies("notify_404.xml", "notify_481.xml", "notify_489.xml", "notify_500.xml")


if __name__ == "__main__":
    harness.main()
