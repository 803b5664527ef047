# SPDX-License-Identifier: MIT
"""SIP over TLS: telephones with and without certificates, sessions taken up again, a certificate that is renewed, and whom a
compositor's certificate has to name."""
import pathlib
import re
import select
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

import harness
from harness import DEFAULT_FILES, Extstated, sipp, wait_for
from test_connections import Stream, StreamPhone, listen


class Authority:
    """Certificates in a directory of its own: NAME.pem with NAME.key, signed by ca.pem."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="extstate-tls-"))
        self.serial = 0
        self.run("req", "-x509", *self.key("ca"), "-out", "ca.pem", "-days", "2", "-subj", "/CN=test authority")

    def key(self, name, kind="ec"):
        kinds = {"ec": ("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), "rsa": ("rsa:2048",)}
        return "-newkey", *kinds[kind], "-nodes", "-keyout", f"{name}.key"

    def run(self, *words):
        subprocess.run(["openssl", *words], cwd=self.directory, check=True, stdin=subprocess.DEVNULL, capture_output=True)

    def make(self, name, names, file=None, kind="ec"):
        """One for these subjectAltNames, as `file`."""
        file = file or name
        self.serial += 1
        (self.directory / "ext").write_text(f"subjectAltName={names}\n")
        self.run("req", "-new", *self.key(file, kind), "-out", "request", "-subj", f"/CN={name}")
        self.run("x509", "-req", "-in", "request", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", str(self.serial),
                 "-days", "2", "-extfile", "ext", "-out", f"{file}.pem")
        return self.directory / f"{file}.pem", self.directory / f"{file}.key"

    def end(self):
        shutil.rmtree(self.directory)


def client_context(authority=None, certificate=None, version=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED if authority else ssl.CERT_NONE
    if authority:
        context.load_verify_locations(authority.directory / "ca.pem")
    if certificate:
        context.load_cert_chain(*certificate)
    if version:
        context.minimum_version = context.maximum_version = version
    return context


class TlsStream(Stream):
    """Whole messages come in whole records here, and are not looked for in the kernel before TLS has none left."""

    def receive(self, patience=harness.PATIENCE):
        self.socket.settimeout(patience)
        try:
            while not self.bytes.strip():
                more = self.socket.recv(65536)
                if not more:
                    return b""
                self.bytes += more
        except TimeoutError:
            return None
        except OSError:
            return b""
        return super().receive(patience)


def connect(port, context, session=None, host="127.0.0.1"):
    plain = socket.create_connection((host, port), timeout=harness.PATIENCE)
    return TlsStream(context.wrap_socket(plain, session=session))


def network(daemon):
    return daemon.tool("status")[0]["network"]


class TlsPhone(StreamPhone):
    def __init__(self, server, stream, **more):
        self.server, self.contact_port, self.user, self.host = server, 9, more.get("user", "alice"), "127.0.0.1"
        StreamPhone.count += 1
        self.call_id, self.cseq, self.dialog = f"tls-{StreamPhone.count}@test", 0, None
        self.stream = stream


TRANSPORT = """
[tls]
type=transport
protocol=tls
bind=127.0.0.1:{port}
cert_file=%s/server.pem
priv_key_file=%s/server.key
"""


class Tunnel(threading.Thread):
    """TLS for one connection of a program that has none of its own: Debian's SIPp."""

    def __init__(self, port, context):
        super().__init__()
        self.server, self.context = port, context
        self.listening, self.port = listen()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.join()
        self.listening.close()

    def run(self):
        with self.listening.accept()[0] as plain, connect(self.server, self.context).socket as secure:
            secure.setblocking(False)  # what has come may be TLS's own
            while True:
                ready = [secure] if secure.pending() else select.select([plain, secure], [], [])[0]
                for s in ready:
                    try:
                        piece = s.recv(65536)
                    except ssl.SSLWantReadError:
                        continue
                    if not piece:
                        return
                    (plain if s is secure else secure).sendall(piece)


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        cls.addClassCleanup(cls.authority.end)
        cls.authority.make("server", "DNS:one.example")
        cls.alice = cls.authority.make("alice", "URI:sip:example.com")

    def start(self, more="", **rest):
        directory = self.authority.directory
        text = DEFAULT_FILES["pjsip.conf"] + TRANSPORT % (directory, directory) + more
        daemon = Extstated({"pjsip.conf": text}, **rest)
        self.addCleanup(daemon.end)
        daemon.start()
        return daemon

    def check_life(self, daemon, stream, here="127.0.0.1"):
        phone = TlsPhone(daemon.port, stream)
        answer = phone.subscribe()
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer["Contact"], f"<sip:{here}:{daemon.port};transport=TLS>")
        first = phone.notify()
        self.assertRegex(first["Via"], rf"^SIP/2\.0/TLS {re.escape(here)}:{daemon.port};rport;branch=")
        daemon.set("Custom:1000", "INUSE")
        self.assertIn("confirmed", phone.notify().body)
        daemon.set("Custom:1000", "NOT_INUSE")
        self.assertIn("terminated", phone.notify().body)
        self.assertEqual(phone.subscribe(expires=0).status, 200)
        phone.notify()

    def test_lamp(self):
        daemon = self.start()
        for version in (None, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            stream = connect(daemon.port, client_context(self.authority, version=version))
            self.check_life(daemon, stream)
            stream.close()
        with self.assertRaises(OSError):
            connect(daemon.port, client_context(version=ssl.TLSVersion.TLSv1_1))
        plain = Stream(socket.create_connection(("127.0.0.1", daemon.port)))
        plain.send("OPTIONS sip:a SIP/2.0\r\nContent-Length: 0\r\n\r\n")
        try:
            while plain.socket.recv(1000):  # an alert
                pass
        except ConnectionResetError:
            pass
        plain.close()
        wait_for("both", lambda: network(daemon)["lost_tls"] == 2)
        daemon.stop()

    def test_ipv6(self):
        daemon = self.start((TRANSPORT % (self.authority.directory, self.authority.directory))
                            .replace("[tls]", "[tls6]").replace("127.0.0.1", "[::1]"))
        for here in "127.0.0.1", "[::1]":
            stream = connect(daemon.port, client_context(self.authority), host=here.strip("[]"))
            self.check_life(daemon, stream, here)
            stream.close()
        daemon.stop()

    def test_sipp(self):
        daemon = self.start()
        change = daemon.command("devstate", "change", "Custom:2001", "RINGING")
        with Tunnel(daemon.port, client_context(self.authority)) as tunnel:
            sipp("subscribe.xml", tunnel.port, arguments=("-t", "t1"), transport="TLS", **{
                "from": "alice", "extension": "2001", "event": "dialog", "accept": "application/dialog-info+xml",
                "first": "<state>terminated</state>", "second": "<state>early</state>", "change": change})
        daemon.stop()

    def test_versions_and_ciphers(self):
        """`method` is the oldest version, `cipher` what is offered; one that OpenSSL does not know is a fault of its section."""
        strong, weak = "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"
        daemon = self.start(f"cipher={strong},TLS_AES_256_GCM_SHA384\n")

        def offers(name, version=ssl.TLSVersion.TLSv1_2):
            context = client_context(self.authority, version=version)
            context.set_ciphers(name)
            try:
                stream = connect(daemon.port, context)
            except OSError:
                return None
            with stream.socket as s:
                return s.cipher()[0]

        self.assertEqual(offers(strong), strong)
        self.assertEqual(offers(f"{weak}:{strong}"), strong)
        self.assertIsNone(offers(weak))
        self.assertEqual(offers("DEFAULT", ssl.TLSVersion.TLSv1_3), "TLS_AES_256_GCM_SHA384")
        text = (daemon.config / "pjsip.conf").read_text()
        daemon.write("pjsip.conf", text + "method=tlsv1_3\n")
        daemon.tool("reload")
        self.assertIsNone(offers(strong))
        self.assertIsNotNone(offers("DEFAULT", ssl.TLSVersion.TLSv1_3))
        self.assertIsNone(offers("DEFAULT:@SECLEVEL=0", ssl.TLSVersion.TLSv1))
        daemon.write("pjsip.conf", re.sub("cipher=.*", "", text) + "method=tlsv1\n")  # for telephones that have nothing newer
        daemon.tool("reload")
        for old in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            self.assertIsNotNone(offers("DEFAULT:@SECLEVEL=0", old))
        self.assertEqual(offers("DEFAULT", ssl.TLSVersion.TLSv1_3), "TLS_AES_256_GCM_SHA384")
        daemon.write("pjsip.conf", text + "method=tlsv1_3\n")
        daemon.tool("reload")
        daemon.write("pjsip.conf", text.replace(strong, "NO-SUCH-CIPHER"))
        self.assertRegex(daemon.tool("reload", status=None, plain=True), r"pjsip\.conf:\d+: error: .*cipher")
        self.assertIsNotNone(offers("DEFAULT", ssl.TLSVersion.TLSv1_3))  # the section goes on as it was
        daemon.stop()

    def test_session_is_taken_up_again(self):
        """By whichever worker."""
        daemon = self.start()
        context = client_context(self.authority)
        stream = connect(daemon.port, context)
        self.check_life(daemon, stream)
        session = stream.socket.session
        stream.close()
        for _ in range(4):
            stream = connect(daemon.port, context, session)
            self.assertTrue(stream.socket.session_reused)
            self.check_life(daemon, stream)
            session = stream.socket.session
            stream.close()
        self.assertEqual(network(daemon)["resumed"], 4)
        daemon.stop()

    def test_renewed_certificate(self):
        daemon = self.start()
        stream = connect(daemon.port, client_context(self.authority))
        phone = TlsPhone(daemon.port, stream)
        self.assertEqual(phone.subscribe().status, 200)
        phone.notify()
        before = stream.socket.getpeercert(True)
        self.assertEqual(daemon.tool("reload", "--dry-run", plain=True), "nothing would change\n")
        self.authority.make("renewed", "DNS:one.example", file="server")
        self.assertEqual(daemon.tool("reload", "--dry-run", plain=True), "certificate of transport tls changed\n")
        daemon.tool("reload")

        def shown():
            other = connect(daemon.port, client_context(self.authority))
            certificate = other.socket.getpeercert(True)
            other.close()
            return certificate
        wait_for("the new certificate", lambda: shown() != before)
        daemon.set("Custom:1000", "RINGING")
        self.assertIn("early", phone.notify().body)
        # One that is no good changes nothing, and says where it is written.
        (self.authority.directory / "server.pem").write_text("nonsense")
        done = daemon.tool("reload", status=None, plain=True)
        self.assertRegex(done, r"pjsip\.conf:\d+: error: cert_file = .*server\.pem: ")
        self.assertTrue(shown())
        self.authority.make("server", "DNS:one.example")
        daemon.stop()

    def test_upgrade(self):
        """The port goes on listening, the connection ends, and its subscription goes on by the next one."""
        daemon = self.start()
        phone = TlsPhone(daemon.port, connect(daemon.port, client_context(self.authority)))
        self.assertEqual(phone.subscribe().status, 200)
        self.assertIn("terminated", phone.notify().body)
        upgrade = subprocess.Popen([harness.EXTSTATECTL, "--socket", daemon.socket, "upgrade"], stdout=subprocess.DEVNULL)
        while upgrade.poll() is None:
            socket.create_connection(("127.0.0.1", daemon.port)).close()
        self.assertEqual(upgrade.returncode, 0)
        self.assertEqual(phone.stream.receive(), b"")
        phone.stream.close()
        daemon.set("Custom:1000", "INUSE")
        phone.stream = connect(daemon.port, client_context(self.authority))
        self.assertEqual(phone.subscribe().status, 200)
        self.assertIn("confirmed", phone.notify().body)
        daemon.set("Custom:1000", "RINGING")
        self.assertIn("early", phone.notify().body)
        phone.stream.close()
        daemon.stop()

    def test_known_by_a_certificate(self):
        """Whatever From says, whichever worker has the dialog, and with a session that is taken up again."""
        ca = self.authority.directory / "ca.pem"
        peers = {name: self.authority.make(name, names) for name, names in (
            ("bob", "URI:sip:bob@lamps.example"), ("sbc", "DNS:sbc.example"), ("nobody", "DNS:other.example"))}
        identify = "[%s](phone)\n[%s]\ntype=identify\nendpoint=%s\n@match_certificate=%s\n"
        daemon = self.start(f"ca_list_file={ca}\nverify_client=yes\n" + identify % ("sip", "i1", "sip", "bob@lamps.example")
                            + identify % ("trunk", "i2", "trunk", "sip:sbc.example"), workers=2)

        def endpoints(stream, user):
            phone = TlsPhone(daemon.port, stream, user=user)
            answer = phone.subscribe()
            if answer.status != 200:
                return answer.status
            phone.notify()
            known = {row["endpoint"] for row in daemon.tool("subscriptions")}
            for other in range(3):  # refreshed by connections of other workers
                phone.stream = connect(daemon.port, context)
                self.assertEqual(phone.subscribe().status, 200)
                phone.notify()
            self.assertEqual(phone.subscribe(expires=0).status, 200)
            phone.notify()
            return known
        for name, user, expected in (("bob", "alice", {"sip"}), ("sbc", "whoever", {"trunk"}), ("nobody", "alice", {"alice"}),
                                     ("nobody", "whoever", 403), (None, "alice", {"alice"}), (None, "whoever", 403)):
            context = client_context(self.authority, name and peers[name])
            with self.subTest(name=name, user=user):
                stream = connect(daemon.port, context)
                self.assertEqual(endpoints(stream, user), expected)
                if name == "bob":
                    stream = connect(daemon.port, context, stream.socket.session)
                    self.assertTrue(stream.socket.session_reused)
                    self.assertEqual(endpoints(stream, user), expected)
        daemon.stop()

    def test_client_certificates(self):
        ca = self.authority.directory / "ca.pem"
        daemon = self.start(f"ca_list_file={ca}\nverify_client=yes\nrequire_client_cert=yes\n")
        stream = connect(daemon.port, client_context(self.authority, self.alice))
        self.check_life(daemon, stream)
        stream.close()
        stranger = Authority()
        self.addCleanup(stranger.end)
        for certificate in (None, stranger.make("alice", "URI:sip:example.com")):
            with self.assertRaises(OSError):
                stream = connect(daemon.port, client_context(self.authority, certificate))
                if stream.receive() == b"":  # with TLS 1.3 the client is ready before it is refused
                    raise ConnectionError
        daemon.stop()


class Compositors(unittest.TestCase):
    """RFC 5922 sections 7.1 to 7.3."""

    CASES = [
        # host in server_uri, names in the certificate, is it the one?
        ("127.0.0.1", "IP:127.0.0.1", True),
        ("127.0.0.1", "DNS:localhost", False),
        ("localhost", "DNS:localhost", True),
        ("localhost", "URI:sip:LOCALHOST,DNS:other", True),
        ("localhost", "URI:sip:other,DNS:localhost", False),
        ("localhost", "URI:sip:user@other,DNS:localhost", True),
        ("localhost", "DNS:*.localhost,IP:127.0.0.1", False),
    ]

    def serve(self, listening, certificate, met):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        try:
            stream = TlsStream(context.wrap_socket(listening.accept()[0], server_side=True))
            publish = stream.receive()
            if publish:
                stream.reply(publish, more="SIP-ETag: a\r\nExpires: 3600\r\n")
            met.append(bool(publish))
            stream.receive()  # it stays until the other side ends
            stream.close()
        except OSError:
            met.append(False)

    def verifying(self):
        """An authority, and a transport that looks at the certificates of others."""
        authority = Authority()
        self.addCleanup(authority.end)
        authority.make("server", "DNS:one.example")
        directory = authority.directory
        text = DEFAULT_FILES["pjsip.conf"] + TRANSPORT % (directory, directory)
        text += f"ca_list_file={directory}/ca.pem\nverify_server=yes\n"
        return authority, text

    def test_whom_the_certificate_names(self):
        authority, text = self.verifying()
        met, threads = [[] for _ in self.CASES], []
        for i, (host, names, _) in enumerate(self.CASES):
            listening, port = listen()
            self.addCleanup(listening.close)
            certificate = authority.make(f"case{i}", names)
            threads.append(threading.Thread(target=self.serve, args=(listening, certificate, met[i])))
            threads[-1].start()
            text += (f"[esc{i}]\ntype=outbound-publish\nserver_uri=sip:esc@{host}:{port}\\;transport=tls\nevent=dialog\n"
                     "multi_user=yes\n@body=application/dialog-info+xml\n@exten=^1000$\n")
        with Extstated({"pjsip.conf": text}, workers=1) as daemon:
            wait_for("all", lambda: all(met))
            for case, answer in zip(self.CASES, met):
                with self.subTest(case=case):
                    self.assertEqual(answer[0], case[2])
            self.assertIn("the certificate is for somebody else", daemon.log())
        for thread in threads:
            thread.join()

    def test_session_is_taken_up_again(self):
        """Each PUBLISH finds its connection closed; the next one does without certificates, and still looks at whose they are."""
        authority, text = self.verifying()
        certificate = authority.make("compositor", "DNS:localhost")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            context.maximum_version = version
            listening, port = listen()
            self.addCleanup(listening.close)
            listening.settimeout(harness.PATIENCE)
            section = (f"[esc]\ntype=outbound-publish\nserver_uri=sip:esc@localhost:{port}\\;transport=tls\nevent=dialog\n"
                       "multi_user=yes\n@body=application/dialog-info+xml\n@exten=^1000$\n")
            with Extstated({"pjsip.conf": text + section}, workers=1) as daemon:
                for i in range(3):
                    if i:
                        daemon.tool("devstate", "change", "Custom:1000", ("NOT_INUSE", "INUSE")[i % 2])
                    stream = TlsStream(context.wrap_socket(listening.accept()[0], server_side=True))
                    stream.reply(stream.receive(), more=f"SIP-ETag: a{i}\r\nExpires: 3600\r\n")
                    self.assertEqual(stream.socket.session_reused, i > 0)
                    stream.close()
                    wait_for("the end", lambda: network(daemon)["connections"] == 0)
                self.assertEqual(network(daemon)["resumed"], 2)

    def test_who_came_by_itself(self):
        """Somebody at the address of a compositor has opened a connection to us, and has proved nothing by that."""
        authority, text = self.verifying()
        with Extstated({"pjsip.conf": text}, workers=1) as daemon:
            came, listening = socket.socket(), socket.socket()
            for s in (came, listening):
                self.addCleanup(s.close)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            came.bind(("127.0.0.1", 0))
            port = came.getsockname()[1]
            came.connect(("127.0.0.1", daemon.port))
            came = TlsStream(client_context(authority).wrap_socket(came))
            self.addCleanup(came.close)
            listening.bind(("127.0.0.1", port))
            listening.listen()
            listening.settimeout(harness.PATIENCE)
            daemon.reload(**{"pjsip.conf": text + f"[esc]\ntype=outbound-publish\nserver_uri=sip:esc@127.0.0.1:{port}"
                             "\\;transport=tls\nevent=dialog\nmulti_user=yes\n@body=application/dialog-info+xml\n"
                             "@exten=^1000$\n"})
            listening.accept()[0].close()
            self.assertIsNone(came.receive(0.2))


if __name__ == "__main__":
    harness.main()
