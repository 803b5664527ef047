# SPDX-License-Identifier: MIT
"""A client of the manager interface, byte by byte."""
import hashlib
import re
import socket
import ssl

from harness import PATIENCE, free_port

MANAGER_CONF = """
[general]
enabled = yes
webenabled = yes
bindaddr = 127.0.0.1
port = {manager}
displayconnects = yes
[admin]
secret = secret
read = all
write = all
[viewer]
secret = look
read = call
write = reporting
deny = 0.0.0.0/0
permit = 127.0.0.0/8
[elsewhere]
secret = secret
read = all
write = all
deny = 127.0.0.0/8
[single]
secret = one
allowmultiplelogin = no
"""


def manager_files(extra="", **files):
    """manager.conf with a port of its own, and the port."""
    port = free_port()
    return port, dict(files, **{"manager.conf": MANAGER_CONF.replace("{manager}", str(port)) + extra})


class Manager:
    """One connection; use as a context manager. Messages are texts without their CRs, as they came."""

    def __init__(self, port, login=("admin", "secret"), events=None, tls=None, receive_buffer=None):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port))
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.bytes = b""
        self.number = 0
        self.events = []  # that came while something else was waited for
        self.banner = self.line()
        if login:
            fields = {"Username": login[0], "Secret": login[1]}
            if events is not None:
                fields["Events"] = events
            answer = self.ask("Login", **fields)
            assert "Message: Authentication accepted\n" in answer, answer

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.socket.close()

    def line(self):
        while b"\r\n" not in self.bytes:
            self.more()
        line, self.bytes = self.bytes.split(b"\r\n", 1)
        return line.decode()

    def more(self):
        got = self.socket.recv(65536)
        if not got:
            raise EOFError(self.bytes)
        self.bytes += got

    def message(self):
        """The next one, whatever it is, without the empty line."""
        while b"\r\n\r\n" not in self.bytes:
            self.more()
        message, self.bytes = self.bytes.split(b"\r\n\r\n", 1)
        assert b"\n" not in message.replace(b"\r\n", b""), message
        return message.decode().replace("\r\n", "\n") + "\n"

    def send(self, text):
        self.socket.sendall(text.encode())

    def ask(self, action, **fields):
        """Send an action and return its response; events before it are kept."""
        self.number += 1
        lines = [f"Action: {action}", f"ActionID: a{self.number}", *[f"{k}: {v}" for k, v in fields.items()]]
        self.send("\r\n".join(lines) + "\r\n\r\n")
        return self.response()

    def response(self):
        while True:
            message = self.message()
            if message.startswith("Response: "):
                return message
            self.events.append(message)

    def list(self, action, **fields):
        """A list: the response, then its events, the last of which ends it."""
        messages = [self.ask(action, **fields)]
        while "EventList: Complete\n" not in messages[-1] and "EventList: start\n" in messages[0]:
            message = self.message()
            if f"ActionID: a{self.number}\n" in message:
                messages.append(message)
            else:
                self.events.append(message)
        return messages

    def event(self, pattern):
        """The next event that matches; those before it are dropped."""
        while True:
            message = self.events.pop(0) if self.events else self.message()
            if re.search(pattern, message, re.M):
                return message

    def command(self, text):
        """Output of a command, and whether it was a success."""
        answer = self.ask("Command", Command=text)
        output = [line[8:] for line in answer.splitlines() if line.startswith("Output: ")]
        return "\n".join(output), answer.startswith("Response: Success\n")

    def closed(self):
        """The other side has ended it; what came before is dropped."""
        try:
            while True:
                self.more()
        except (EOFError, ConnectionResetError):
            return True


def md5_key(challenge, secret):
    return hashlib.md5((challenge + secret).encode()).hexdigest()


def trusting():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
