# SPDX-License-Identifier: MIT
"""Resource lists, RFC 4662, as somebody else's parsers read them; over reloads and the end of the process; and with sipp."""
import email
import email.policy
import re
import unittest
import xml.etree.ElementTree as ET

import harness
from harness import DEFAULT_FILES, Extstated, Phone, Subscription, sipp, wait_for

QUIET = 0.2  # seconds in which nothing comes
RLMI = "{urn:ietf:params:xml:ns:rlmi}"
UNDERSTOOD = [("Supported", "eventlist")]
LISTS = """
[lamps]
type=resource_list
event=dialog
list_item=1000,1001,nobody
[all]
type=resource_list
event=dialog
list_item=2000,lamps,2001
[many]
type=resource_list
event=presence
list_item=""" + ",".join(f"3{n:03}" for n in range(90)) + "\n"
FILES = {"pjsip.conf": DEFAULT_FILES["pjsip.conf"] + LISTS,
         "extensions.conf": "[users]\nexten => _X.,hint,Custom:${EXTEN}\n"}


def read_list(part):
    """(uri, version, full, {user: state or list}) of a multipart/related, after looking at what must be so in any."""
    assert part.get_content_type() == "multipart/related", part.get_content_type()
    assert part.get_param("type") == "application/rlmi+xml"
    parts = {p["Content-ID"]: p for p in part.iter_parts()}
    root = next(iter(parts.values()))
    assert root["Content-ID"] == part.get_param("start") and root.get_content_type() == "application/rlmi+xml"
    meta = ET.fromstring(root.get_payload(decode=True))
    items, told = {}, {root["Content-ID"]}
    for resource in meta.findall(RLMI + "resource"):
        user = re.match("sip:([^@]*)@", resource.get("uri"))[1]
        (instance,) = resource.findall(RLMI + "instance")
        if instance.get("cid") is None:
            items[user] = instance.get("state") + ";" + instance.get("reason", "")
            continue
        assert instance.get("state") == "active"
        told.add(f"<{instance.get('cid')}>")
        body = parts[f"<{instance.get('cid')}>"]
        if body.get_content_maintype() == "multipart":
            items[user] = read_list(body)[3]
        else:
            document = ET.fromstring(body.get_payload(decode=True))
            assert re.match(f"sip:{user}@", document.get("entity")), document.get("entity")
            items[user] = next(e.text for name in ("state", "note") for e in document.iterfind(f".//{{*}}{name}"))
    assert told == set(parts), (told, parts.keys())
    return meta.get("uri"), int(meta.get("version")), meta.get("fullState") == "true", items


def told(notify):
    assert notify["Require"] == "eventlist"
    text = f"Content-Type: {notify['Content-Type']}\r\n\r\n{notify.body}"
    message = email.message_from_string(text, policy=email.policy.HTTP)
    assert not message.defects and not any(part.defects for part in message.walk())
    return read_list(message)


class Lists(unittest.TestCase):
    def test_as_others_read_it(self):
        with Extstated(FILES) as daemon, Phone(daemon.port) as phone:
            daemon.set("Custom:1001", "INUSE")
            answer = phone.subscribe("all", headers=UNDERSTOOD)
            self.assertEqual((answer.status, answer["Require"]), (200, "eventlist"))
            idle = "terminated"
            inner = {"1000": idle, "1001": "confirmed", "nobody": "terminated;noresource"}
            self.assertEqual(told(phone.notify()), (f"sip:all@127.0.0.1:{daemon.port}", 0, True,
                                                    {"2000": idle, "lamps": inner, "2001": idle}))
            daemon.set("Custom:2001", "RINGING")
            self.assertEqual(told(phone.notify())[1:], (1, False, {"2001": "early"}))
            daemon.set("Custom:1000", "INUSE")
            inner["1000"] = "confirmed"
            self.assertEqual(told(phone.notify())[1:], (2, False, {"lamps": inner}))
            row = daemon.tool("subscriptions")[0]
            self.assertEqual((row["resource"], row["list"], row["content_type"]), ("all", True, "application/dialog-info+xml"))
            self.assertEqual(phone.subscribe("lamps").status, 421)

    def test_many(self):
        """Ninety items in one NOTIFY, and one of them in the next; both workers' subscribers share what is rendered."""
        with Extstated(FILES) as daemon:
            phones = [Phone(daemon.port) for _ in range(6)]
            for phone in phones:
                self.addCleanup(phone.__exit__)
                phone.subscribe("many", "presence", accept="application/pidf+xml", headers=UNDERSTOOD)
                self.assertEqual(told(phone.notify())[3], {f"3{n:03}": "Ready" for n in range(90)})
            daemon.set("Custom:3050", "INUSE")
            for phone in phones:
                self.assertEqual(told(phone.notify())[1:], (1, False, {"3050": "On the phone"}))

    def test_reload_and_kill(self):
        with Extstated(FILES) as daemon, Phone(daemon.port) as phone:
            dialog = Subscription(phone.subscribe("lamps", headers=UNDERSTOOD))
            told(phone.notify())
            wait_for("its answer", lambda: daemon.tool("subscriptions")[0]["told_sequence"] > 0)
            pjsip = FILES["pjsip.conf"].replace("list_item=1000,1001,nobody", "list_item=1001,1002")
            daemon.write("pjsip.conf", pjsip)
            self.assertIn("resource_list lamps changed: list_item\n", daemon.tool("reload", "--dry-run", plain=True))
            daemon.reload()
            self.assertEqual(told(phone.notify())[1:], (1, True, {"1001": "terminated", "1002": "terminated"}))
            wait_for("its answer", lambda: not daemon.tool("subscriptions")[0]["outstanding"])
            daemon.kill()
            daemon.start()
            self.assertIsNone(phone.notify(QUIET))
            daemon.set("Custom:1002", "INUSE")
            _, version, _, items = told(phone.notify())
            self.assertGreater(version, 1)
            self.assertEqual(items["1002"], "confirmed")
            self.assertEqual(phone.subscribe(None, headers=UNDERSTOOD, dialog=dialog).status, 200)
            self.assertEqual(told(phone.notify())[2:], (True, {"1001": "terminated", "1002": "confirmed"}))
            daemon.reload(pjsip_conf=DEFAULT_FILES["pjsip.conf"])
            last = phone.notify()
            self.assertEqual(last["Subscription-State"], "terminated;reason=noresource")
            self.assertEqual(told(last)[2:], (True, {}))

    def test_sipp(self):
        with Extstated(FILES) as daemon:
            sipp("list.xml", daemon.port, **{"from": "alice", "change": daemon.command("devstate", "change", "Custom:1000", "RINGING")})


if __name__ == "__main__":
    harness.main()
