# SPDX-License-Identifier: MIT
"""Two extstateds that are each other's Asterisk: device states and mailboxes both ways, a restart, and an end."""
import contextlib
import unittest

import harness
from harness import DEFAULT_FILES, Extstated, Phone, wait_for

BOTH = """
[servers]
type=endpoint
context=users
[servers]
type=identify
endpoint=servers
match=127.0.0.1
[from-other]
type=inbound-publication
endpoint=servers
event_asterisk-devicestate=other
event_asterisk-mwi=other
[other]
type=asterisk-publication
device_state=yes
mailbox_state=yes
devicestate_publish=to-other
mailboxstate_publish=mwi-to-other
[to-other]
type=outbound-publish
server_uri=sip:from-other@127.0.0.1:{other}
event=asterisk-devicestate
expiration=2
[mwi-to-other]
type=outbound-publish
server_uri=sip:from-other@127.0.0.1:{other}
event=asterisk-mwi
expiration=2
"""
CONF = """
[general]
source_grace=1
publish_retry_interval=1
[compositor]
minimum_expiry=1
expiry_grace=0
"""


def busy(body):
    return "<state>confirmed</state>" in body


def idle(body):
    return "<state>terminated</state>" in body


class Servers(unittest.TestCase):
    @contextlib.contextmanager
    def pair(self):
        hub, far = (Extstated({"extstate.conf": CONF}) for _ in range(2))
        for server, other in ((hub, far), (far, hub)):
            server.write("pjsip.conf", DEFAULT_FILES["pjsip.conf"] + BOTH.replace("{other}", str(other.port)))
        with hub, far:
            yield hub, far

    def lamp(self, phone, extension):
        self.assertEqual(phone.subscribe(extension).status, 200)
        return phone.notify().body

    def until(self, phone, shown):
        for _ in range(20):
            message = phone.notify(10)
            if message is None:
                break
            if shown(message.body):
                return
        raise AssertionError("no NOTIFY showed it")

    def sources(self, server, device):
        rows = server.tool("devstate", "list", device, status=None)
        return {s["source"].partition(":")[0] for row in rows for s in row["sources"]}

    def test_both_ways(self):
        with self.pair() as (hub, far), Phone(hub.port) as here, Phone(far.port) as there:
            self.assertTrue(idle(self.lamp(here, "1000")))
            self.assertTrue(idle(self.lamp(there, "1001")))
            far.set("Custom:1000", "INUSE")
            self.until(here, busy)
            hub.set("Custom:1001", "INUSE")
            self.until(there, busy)
            far.tool("mailbox", "change", "7@default", "2", "1")
            wait_for("the mailbox", lambda: [r["new"] for r in hub.tool("mailbox", "list", status=None)] == [2])
            self.assertEqual(self.sources(hub, "Custom:1000"), {"eid"})
            self.assertEqual(self.sources(hub, "Custom:1001"), {"ctl"})  # no echo
            # The mailbox is a device, too: by the other publication, which comes when it comes.
            wait_for("both devices", lambda: [(s["devices"], s["mailboxes"]) for s in hub.tool("sources")] == [(2, 1)])
            (source,) = hub.tool("sources")
            self.assertRegex(source["eid"], "^02:")
            self.assertNotEqual(source["eid"], far.tool("sources")[0]["eid"])

    def test_restart(self):
        """Who comes back asks for what it has missed; the states of one that was away for a moment have not moved."""
        with self.pair() as (hub, far), Phone(far.port) as there:
            hub.set("Custom:1001", "INUSE")
            far.set("Custom:1000", "INUSE")
            wait_for("the state", lambda: self.sources(hub, "Custom:1000") == {"eid"})
            self.assertTrue(wait_for("the lamp", lambda: busy(self.lamp(there, "1001"))))
            hub.kill()
            hub.start()
            wait_for("the state again", lambda: self.sources(hub, "Custom:1000") == {"eid"})
            far.set("Custom:1000", "NOT_INUSE")
            wait_for("the change", lambda: hub.tool("devstate", "list", "Custom:1000")[0]["state"] == "NOT_INUSE")

    def test_killed(self):
        with self.pair() as (hub, far), Phone(hub.port) as here:
            far.set("Custom:1000", "INUSE")
            wait_for("the state", lambda: self.sources(hub, "Custom:1000") == {"eid"})
            self.assertTrue(busy(self.lamp(here, "1000")))
            far.kill()
            self.until(here, idle)
            self.assertEqual(hub.tool("sources", status=None), [])
            self.assertIn("source.withdrawn", hub.log())


if __name__ == "__main__":
    harness.main()
