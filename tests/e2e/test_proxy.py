# SPDX-License-Identifier: MIT
"""Debian's Kamailio in front, as a proxy: telephones on UDP, extstated behind it on TLS with certificates both ways. What it
writes into Record-Route is the way of every later request."""
import unittest

import harness
from harness import DEFAULT_FILES, HERE, Extstated, Kamailio, Phone, Subscription, free_port
from test_tls import TRANSPORT, Authority


class Proxy(Kamailio):
    def __init__(self, authority, next_port):
        super().__init__()
        text = (HERE / "kamailio_proxy.cfg").read_text()
        self.tls_port = free_port()
        for name, value in (("PORT", self.port), ("SECURE", self.tls_port), ("NEXT", next_port), ("DIRECTORY", authority.directory)):
            text = text.replace(name, str(value))
        (self.directory / "kamailio.cfg").write_text(text)


class BehindProxy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        cls.addClassCleanup(cls.authority.end)
        for name in ("server", "proxy"):
            cls.authority.make(name, "IP:127.0.0.1")
        directory = cls.authority.directory
        cls.daemon = Extstated({"pjsip.conf": DEFAULT_FILES["pjsip.conf"] + TRANSPORT % (directory, directory) +
                                f"ca_list_file={directory}/ca.pem\nverify_client=yes\nrequire_client_cert=yes\nverify_server=yes\n"})
        cls.addClassCleanup(cls.daemon.end)
        cls.daemon.start()
        cls.proxy = Proxy(cls.authority, cls.daemon.port)
        cls.addClassCleanup(cls.proxy.__exit__)
        cls.proxy.start()

    def routes(self, message):
        return [route.strip() for value in message.all("Record-Route") for route in value.split(",")]

    def all_answered(self):
        counts = self.daemon.tool("status")[0]["notifier"]
        return counts["notify_sent"] == counts["notify_acknowledged"] + counts["notify_failed"]

    def test_life(self):
        with Phone(self.proxy.port) as phone:
            answer = phone.subscribe("1000")
            self.assertEqual(answer.status, 200)
            # The proxy's two sides, the one towards us first.
            routes = self.routes(answer)
            self.assertRegex(routes[0], rf"^<sip:127\.0\.0\.1:{self.proxy.tls_port};transport=tls;r2=on;lr")
            self.assertRegex(routes[1], rf"^<sip:127\.0\.0\.1:{self.proxy.port};r2=on;lr")
            first = phone.notify()
            self.assertIn("terminated", first.body)
            self.assertEqual(len(first.all("Via")), 2)
            self.assertTrue(first.all("Via")[1].startswith(f"SIP/2.0/TLS 127.0.0.1:{self.daemon.port};"), first.all("Via"))
            self.assertTrue(first.start.startswith(f"NOTIFY sip:alice@127.0.0.1:{phone.port} "), first.start)
            self.assertEqual(first.all("Route"), [])  # each of its sides took its own
            self.daemon.set("Custom:1000", "INUSE")
            self.assertIn("confirmed", phone.notify().body)
            route = [("Route", route) for route in reversed(routes)]
            dialog = Subscription(answer)
            self.assertEqual(phone.subscribe("1000", dialog=dialog, headers=route).status, 200)
            self.assertIn("confirmed", phone.notify().body)
            self.daemon.set("Custom:1000", "RINGING")
            self.assertIn("early", phone.notify().body)
            self.assertEqual(phone.subscribe("1000", dialog=dialog, headers=route, expires=0).status, 200)
            self.assertIn("terminated", phone.notify()["Subscription-State"])
        self.assertEqual(self.daemon.tool("status")[0]["network"]["opened"], 0)  # its connection served both ways

    def test_proxy_restarted(self):
        """Its connection has gone with it: the next NOTIFY opens one to what it had written into Record-Route."""
        with Phone(self.proxy.port) as phone:
            self.assertEqual(phone.subscribe("1001").status, 200)
            phone.notify()
            harness.wait_for("its answer", self.all_answered)
            self.proxy.stop()
            self.proxy.start()
            self.daemon.set("Custom:1001", "INUSE")
            self.assertIn("confirmed", phone.notify().body)
            self.assertEqual(self.daemon.tool("status")[0]["network"]["opened"], 1)

    def test_phone_is_gone(self):
        """What the proxy answers for a telephone that is not there ends its subscription."""
        with Phone(self.proxy.port) as phone:
            answer = phone.subscribe("1001")
            self.assertEqual(answer.status, 200)
            phone.notify()
            phone.answer = "481 Subscription does not exist"
            self.daemon.set("Custom:1001", "RINGING")
            phone.notify()
            harness.wait_for("its end", lambda: answer["Call-ID"] not in {s["call_id"] for s in self.daemon.tool("subscriptions", status=None)})


if __name__ == "__main__":
    harness.main()
