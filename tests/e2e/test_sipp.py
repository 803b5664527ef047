# SPDX-License-Identifier: MIT
"""sipp as the phone: life cycles for every body, every rejection, failures of NOTIFY."""
import concurrent.futures
import itertools
import unittest

import harness
from harness import DEFAULT_FILES, Extstated, Phone, sipp

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


# Timer F is 6.4 seconds: who does not answer is given up before the test is.
IMPATIENT = "[system]\ntype=system\ntimer_t1=100\ntimer_b=6400\n"


class Sipp(unittest.TestCase):
    """Scenarios run beside each other, each with an extension of its own."""

    extensions = itertools.count(2000)

    @classmethod
    def setUpClass(cls):
        cls.daemon = Extstated(FILES)
        cls.addClassCleanup(cls.daemon.end)
        cls.daemon.start()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.stop()

    def run_one(self, daemon, name, keys):
        extension = str(next(self.extensions))

        def change_to(state):
            return daemon.command("devstate", "change", f"Custom:{extension}", state)

        event, accept, idle, ringing = BODIES[0]
        defaults = {"from": "alice", "extension": extension, "event": event, "accept": accept, "first": idle,
                    "second": ringing, "change": change_to("RINGING"), "other": change_to("BUSY")}
        sipp(name, daemon.port, **{**defaults, **keys})

    def run_all(self, jobs, daemon=None):
        """Jobs are names of scenarios with their keys. All are run, and every failure is told."""
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            running = [(name, keys, pool.submit(self.run_one, daemon or self.daemon, name, keys)) for name, keys in jobs]
        for name, keys, job in running:
            with self.subTest(name, accept=keys.get("accept")):
                job.result()

    def run_bodies(self, *names, daemon=None, **more):
        def keys(event, accept, idle, ringing):
            versions = {f"told{n}": f'version="{n}"' if event == "dialog" else idle for n in range(4)}
            return {"event": event, "accept": accept, "first": idle, "second": ringing, **versions, **more}
        self.run_all([(name, keys(*body)) for body in BODIES for name in names], daemon)

    def test_life_of_a_subscription(self):
        self.run_bodies("subscribe.xml", "refresh.xml", "expire.xml", "fetch.xml")

    def test_duplicates_coalescing_and_retransmission(self):
        self.run_bodies("duplicate.xml", "coalesce.xml", "retransmission.xml")

    def test_rejections(self):
        self.run_all([
            ("reject_400.xml", {}), ("reject_403.xml", {"from": "stranger"}), ("reject_404.xml", {"extension": "7777"}),
            ("reject_405.xml", {}), ("reject_406.xml", {}), ("reject_416.xml", {}), ("reject_420.xml", {}),
            ("reject_423.xml", {"from": "frank"}), ("reject_481.xml", {}), ("reject_482.xml", {}), ("reject_489.xml", {}),
            ("reject_501.xml", {}), ("reject_505.xml", {}), ("reject_no_event.xml", {}),
            ("reject_603.xml", {"from": "mallory"}),
        ])

    def test_too_many(self):
        with Extstated({"extstate.conf": "[general]\nmax_subscriptions=1\n"}) as daemon, Phone(daemon.port) as phone:
            phone.subscribe("1000")
            phone.notify()
            self.run_all([("reject_503.xml", {})], daemon)

    def test_failing_notify(self):
        self.run_bodies("notify_404.xml", "notify_408.xml", "notify_481.xml", "notify_489.xml", "notify_500.xml")

    def test_unanswered_notify(self):
        with Extstated({"pjsip.conf": FILES["pjsip.conf"] + IMPATIENT}) as daemon:
            self.run_bodies("notify_timeout.xml", daemon=daemon, timeout="7000")


if __name__ == "__main__":
    harness.main()
