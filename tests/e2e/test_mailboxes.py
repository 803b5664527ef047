# SPDX-License-Identifier: MIT
"""Mailboxes that telephones are told without a subscription, across workers."""
import contextlib
import unittest

import harness
from harness import Extstated, Phone, Subscription, wait_for

PHONES = 8
BODY = "Messages-Waiting: yes\r\nVoice-Message: {} (0/0)\r\n"


def pjsip_conf(phones, more=""):
    """Endpoint p0, p1, ... with a mailbox of its own; the contact of the last is a name."""
    text = "[udp]\ntype=transport\nbind=127.0.0.1:{port}\n[pbx]\ntype=endpoint\nincoming_mwi_mailbox=box0@default\n"
    for i, phone in enumerate(phones):
        host = "localhost" if i == len(phones) - 1 else phone.host
        text += (f"[{phone.user}]\ntype=endpoint\naors={phone.user}\nmailboxes=box{i}@default\nmwi_from_user=voicemail\n"
                 f"mwi_subscribe_replaces_unsolicited=yes\n"
                 f"[{phone.user}]\ntype=aor\nmailboxes=box{i}@default\ncontact=sip:{phone.user}@{host}:{phone.port}\n")
    return text + more


class Mailboxes(unittest.TestCase):
    def assert_told(self, phone, counts, state="active"):
        notify = phone.notify()
        self.assertIsNotNone(notify, f"{phone.user} was not told")
        self.assertEqual(notify["Subscription-State"], state)
        self.assertIn(f"Voice-Message: {counts} (0/0)", notify.body)
        return notify

    def test_unsolicited(self):
        with contextlib.ExitStack() as stack:
            phones = [stack.enter_context(Phone(0, f"p{i}")) for i in range(PHONES)]
            daemon = stack.enter_context(Extstated({"pjsip.conf": pjsip_conf(phones)}, workers=4))
            for phone in phones:
                phone.server = daemon.port
                first = self.assert_told(phone, "0/0")
                self.assertRegex(first["From"], r"^<sip:voicemail@127\.0\.0\.1:\d+>;tag=")
            for i, phone in enumerate(phones):
                daemon.tool("mailbox", "change", f"box{i}@default", str(i + 1), "1")
                self.assert_told(phone, f"{i + 1}/1")

            expected = {(phone.user, "told", 2) for phone in phones}
            wait_for("the last answer", lambda: expected == {
                (r["endpoint"], r["state"], r["cseq"]) for r in daemon.tool("mailbox", "told")})
            self.assertIn("all", daemon.tool("mailbox", "told", "p3", plain=True))

            # A subscription takes the place, whichever worker has it, and gives it back when it ends.
            dialogs = []
            for i, phone in enumerate(phones):
                answer = phone.subscribe(phone.user, event="message-summary")
                self.assertEqual(answer.status, 200)
                dialogs.append(Subscription(answer))
                self.assertRegex(phone.notify()["Subscription-State"], "^active;expires=")
                daemon.tool("mailbox", "change", f"box{i}@default", "0", "2")
                self.assertRegex(phone.notify()["Subscription-State"], "^active;expires=")
            for phone in phones:
                self.assertIsNone(phone.notify(0.1), "told both ways")
            for phone, dialog in zip(phones, dialogs):
                self.assertEqual(phone.subscribe(phone.user, event="message-summary", expires=0, dialog=dialog).status, 200)
                self.assert_told(phone, "0/2", "terminated;reason=timeout")
                self.assert_told(phone, "0/2")

            # Another PBX tells a mailbox.
            with Phone(daemon.port, "pbx") as pbx:
                pbx.request("NOTIFY", f"sip:127.0.0.1:{daemon.port}",
                            [("Event", "message-summary"), ("Subscription-State", "active"),
                             ("Content-Type", "application/simple-message-summary")], BODY.format("5/0"))
                self.assertEqual(pbx.response().status, 200)
            self.assert_told(phones[0], "5/0")

            # A telephone that a reload adds; those that were there hear nothing of it.
            with Phone(daemon.port, "late") as late:
                more = ("[late]\ntype=endpoint\naors=late\nmailboxes=box0@default,box1@default\n"
                        f"[late]\ntype=aor\ncontact=sip:late@127.0.0.1:{late.port}\n")
                daemon.reload(pjsip_conf=pjsip_conf(phones, more))
                self.assert_told(late, "5/2")
            for phone in phones:
                self.assertIsNone(phone.notify(0.1))
            # Ends with subscriptions that are alive: nobody waits for anything.
            for phone in phones:
                self.assertEqual(phone.subscribe(phone.user, event="message-summary").status, 200)


if __name__ == "__main__":
    harness.main()
