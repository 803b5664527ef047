# SPDX-License-Identifier: MIT
"""Softphones that PUBLISH their presence to extstated and watch that of others, as they come from Debian: baresip and Linphone. Neither
has a sound device, and both talk to 127.0.0.1 only."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest

import harness
from harness import DEFAULT_FILES, Extstated, Phone, free_port, wait_for
from test_tls import Authority

MODULES = next(pathlib.Path("/usr/lib").glob("**/baresip/modules"), None)
FILES = {
    "pjsip.conf": DEFAULT_FILES["pjsip.conf"] + "[carol](phone)\n",
    "extstate.conf": "[compositor]\ndomains=example.com\ncontext=users\npublish=own\nminimum_expiry=1\nexpiry_grace=2\n",
    "extensions.conf": "",
}
EXPIRES = 3  # seconds; both refresh after nine tenths of them
BARESIP = """
sip_listen 127.0.0.1:{port}
net_interface 127.0.0.1
ctrl_tcp_listen 127.0.0.1:{control}
module_path {modules}
module_app account.so
module_app contact.so
module_app ctrl_tcp.so
module_app menu.so
module_app presence.so
"""
LINPHONE = """
[sip]
sip_port={port}
sip_tcp_port=0
sip_tls_port={tls}
root_ca={authority}
verify_server_cn=0
bind_address=127.0.0.1
contact=sip:carol@127.0.0.1
default_proxy=0
use_ipv6=0
[proxy_0]
reg_identity=sip:carol@example.com
reg_proxy=<sip:127.0.0.1:{registrar};lr>
reg_route=<sip:127.0.0.1:{esc}{transport};lr>
reg_expires=600
reg_sendregister=1
publish=1
publish_expires={expires}
[friend_0]
url=<sip:alice@example.com>
pol=accept
subscribe=1
"""


class Softphone:
    """A program with a directory, in which it is at home."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="extstate-softphone-"))
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.kill()
        if kind:
            print((self.directory / "log").read_text(errors="replace")[-6000:])
        shutil.rmtree(self.directory, ignore_errors=True)

    def write(self, name, text):
        (self.directory / name).write_text(text)

    def start(self, *command):
        environment = dict(os.environ, HOME=str(self.directory), ALSA_CONFIG_PATH="/dev/null", PULSE_SERVER="none")
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment)

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.communicate()
        self.process = None


class Baresip(Softphone):
    """It publishes, and with other `parameters` of its account registers."""

    def __init__(self, esc, parameters=f"regint=0;pubint={EXPIRES}", authority=None, contacts=""):
        super().__init__()
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.control = s.getsockname()[1]
        secure = f"sip_cafile {authority.directory}/ca.pem\n" if authority else ""
        self.write("config", BARESIP.format(port=free_port(), control=self.control, modules=MODULES) + secure)
        transport = ";transport=tls" if authority else ""
        self.write("accounts", f'<sip:bob@example.com{transport}>;outbound="sip:127.0.0.1:{esc}{transport}";{parameters}\n')
        self.write("contacts", contacts)
        self.start("baresip", "-4", "-f", self.directory)

    def say(self, command):
        """Something of its menu, as a netstring; what it says."""
        text = json.dumps({"command": command, "params": ""})
        with socket.create_connection(("127.0.0.1", self.control), harness.PATIENCE) as s:
            s.sendall(f"{len(text)}:{text},".encode())
            length, _, answer = s.recv(65536).partition(b":")
            answer = json.loads(answer[:int(length)])
        if not answer["ok"]:
            raise AssertionError(f"baresip does not know {command}")
        return answer["data"]

    def quit(self):
        self.process.terminate()


class Linphone(Softphone):
    def __init__(self, esc, authority=None):
        super().__init__()
        self.registrar = Registrar(esc)
        self.registrar.start()
        (self.directory / ".local/share/linphone").mkdir(parents=True)
        self.write("linphonerc", LINPHONE.format(port=free_port(), registrar=self.registrar.phone.port, esc=esc,
                                                 expires=EXPIRES, tls=-1 if authority else 0,
                                                 transport=";transport=tls" if authority else "",
                                                 authority=authority.directory / "ca.pem" if authority else ""))
        self.start("linphonec", "-c", self.directory / "linphonerc")

    def quit(self):
        self.process.stdin.write(b"quit\n")
        self.process.stdin.flush()

    def __exit__(self, *how):
        super().__exit__(*how)
        self.registrar.end()


class Registrar(threading.Thread):
    """Linphone publishes when it is registered, so somebody has to say that it is."""

    def __init__(self, esc):
        super().__init__()
        self.phone = Phone(esc)
        self.ended = threading.Event()

    def run(self):
        while not self.ended.is_set():
            message = self.phone.receive(0.1)
            if message and message.method == "REGISTER":
                self.phone.reply(message, f"200 OK\r\nExpires: {message['Expires']}")

    def end(self):
        self.ended.set()
        self.join()
        self.phone.socket.close()


class Test(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.esc = self.stack.enter_context(Extstated(FILES))
        self.watcher = self.stack.enter_context(Phone(self.esc.port))

    def secure(self):
        """A transport with TLS: its port, and whose certificate it has."""
        authority = Authority()
        self.stack.callback(authority.end)
        cert, key = authority.make("server", "IP:127.0.0.1")
        port = free_port()
        self.esc.write("pjsip.conf", FILES["pjsip.conf"] + f"[tls]\ntype=transport\nprotocol=tls\nbind=127.0.0.1:{port}\n"
                       f"cert_file={cert}\npriv_key_file={key}\n")
        self.esc.tool("reload")
        return port, authority

    def check_watches(self, publisher, sees):
        """What is published for its friend it shows, with each change."""
        wait_for("its subscription", lambda: any(row["resource"] == "alice" for row in self.esc.tool("subscriptions", status=None)))
        for basic in ("open", "closed", "open"):
            publisher.request("PUBLISH", "sip:alice@example.com", [
                ("Event", "presence"), ("Expires", 600), ("Content-Type", "application/pidf+xml")],
                '<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:alice@example.com"><tuple id="t"><status>'
                f"<basic>{basic}</basic></status></tuple></presence>")
            self.assertEqual(publisher.response().status, 200)
            wait_for(basic, lambda basic=basic: sees(basic))

    def came_by_tls(self):
        self.assertGreater(self.esc.tool("status")[0]["network"]["handshakes"], 0)

    def publications(self):
        return self.esc.tool("publications", "inbound", status=None)

    def watch(self, user):
        """Who comes when it is published already is shown it at once."""
        wait_for("the publication", self.publications)
        self.watcher.request("SUBSCRIBE", f"sip:{user}@example.com", [
            ("Event", "presence"), ("Expires", 600), ("Accept", "application/pidf+xml")])
        self.assertEqual(self.watcher.response().status, 200)

    def sees(self, *shown):
        message = self.watcher.notify()
        self.assertIsNotNone(message, shown)
        for text in shown:
            self.assertIn(text, message.body)

    def refreshes(self):
        """For more than what it was granted, it is one publication that nobody is told of again."""
        tags = set()
        wait_for("refreshes", lambda: tags.update(p["entity_tag"] for p in self.publications()) or len(tags) == 4)
        self.assertEqual(len(self.publications()), 1)
        self.assertIsNone(self.watcher.notify(0))


class Baresips(Test):
    def test_life(self):
        with Baresip(self.esc.port) as bob:
            self.watch("bob")
            # It begins with a basic status that is none: "unknown".
            self.sees("<contact>sip:bob@example.com</contact>")
            for status, basic in (("online", "open"), ("offline", "closed"), ("online", "open")):
                bob.say(f"presence_{status}")
                self.sees(f"<basic>{basic}</basic>", "<contact>sip:bob@example.com</contact>")
            self.refreshes()
            bob.quit()
            self.sees("<basic>closed</basic>")
            self.assertEqual(self.publications(), [])

    def test_watches(self):
        shown = {"open": "Online", "closed": "Offline"}
        with Baresip(self.esc.port, contacts='"Friend" <sip:alice@example.com>;presence=p2p\n') as bob:
            self.check_watches(self.watcher, lambda basic: shown[basic] in bob.say("contacts"))

    def test_tls(self):
        port, authority = self.secure()
        with Baresip(port, authority=authority) as bob:
            self.watch("bob")
            self.sees("<contact>")
            bob.say("presence_online")
            self.sees("<basic>open</basic>")
            self.refreshes()
            self.came_by_tls()
            bob.quit()
            self.sees("<basic>closed</basic>")

    def test_falls_silent(self):
        with Baresip(self.esc.port) as bob:
            self.watch("bob")
            self.sees("<contact>")
            bob.say("presence_online")
            self.sees("<basic>open</basic>")
            bob.kill()
            self.sees("<basic>closed</basic>")
            self.assertEqual(self.publications(), [])


class Linphones(Test):
    def test_life(self):
        with Linphone(self.esc.port) as carol:
            self.watch("carol")
            self.sees("<basic>open</basic>", "sip:carol@example.com</contact>")
            self.refreshes()
            carol.quit()
            self.sees("<basic>closed</basic>")
            self.assertEqual(self.publications(), [])

    def test_watches(self):
        shown = {"open": "Online", "closed": "Offline"}
        with Linphone(self.esc.port) as carol:
            self.check_watches(self.watcher, lambda basic: re.findall(
                r'Friend .* is (\w+)', (carol.directory / "log").read_text(errors="replace"))[-1:] == [shown[basic]])

    def test_tls(self):
        with Linphone(*self.secure()) as carol:
            self.watch("carol")
            self.sees("<basic>open</basic>")
            self.refreshes()
            self.came_by_tls()
            carol.quit()
            self.sees("<basic>closed</basic>")


if __name__ == "__main__":
    harness.main()
