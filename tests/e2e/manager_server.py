# SPDX-License-Identifier: MIT
"""A stand-in for the manager interface of an Asterisk, byte for byte as one speaks it (22.10, of which recordings were
made): greeting, framing, login by secret or challenge, masks of classes, lists, and events as they happen.

What a test breaks on purpose is said to be broken: `dribble` cuts what is sent into pieces, `list_limit` hangs up in
the middle of a list, `mute` answers nothing."""
import hashlib
import random
import socket
import ssl
import threading
import time

CLASSES = ("system call log verbose command agent user config command dtmf reporting cdr dialplan originate agi cc aoc "
           "test security message").split()
LINE_MAX, LINES_MAX = 1024, 128
EXTENSION_STATES = {"UNKNOWN": (0, "Idle"), "NOT_INUSE": (0, "Idle"), "INUSE": (1, "InUse"), "BUSY": (2, "Busy"),
                    "INVALID": (4, "Unavailable"), "UNAVAILABLE": (4, "Unavailable"), "RINGING": (8, "Ringing"),
                    "RINGINUSE": (9, "InUse&Ringing"), "ONHOLD": (16, "Hold")}


def escaped(text):
    """As PresenceStateChange has it: the escapes of C."""
    letters = {"\a": "a", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v", "\\": "\\", "'": "'", '"': '"',
               "?": "?"}
    return "".join("\\" + letters[c] if c in letters else c for c in text)


def message(*lines):
    return "".join(f"{name}: {value}\r\n" for name, value in lines if value is not None) + "\r\n"


class Session:
    def __init__(self, manager, connection):
        self.manager = manager
        self.socket = connection
        self.user = None
        self.mask = set()
        self.challenge = None
        self.lock = threading.Lock()
        self.alive = True

    def send(self, text):
        data = text.encode("utf-8", "surrogateescape")
        piece = self.manager.dribble or len(data)
        try:
            with self.lock:
                for at in range(0, len(data), piece):
                    self.socket.sendall(data[at:at + piece])
        except OSError:
            self.alive = False

    def event(self, cls, name, *fields):
        if self.user and cls in self.mask & self.manager.read:
            self.send(message(("Event", name), ("Privilege", f"{cls},all"), *fields))

    def close(self):
        self.alive = False
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    # ---- requests ----

    def requests(self):
        """Each request as a list of (name, value), or None where it was too long."""
        waiting, lines, bad = b"", [], False
        while self.alive:
            try:
                data = self.socket.recv(65536)
            except OSError:
                return
            if not data:
                return
            waiting += data
            while b"\n" in waiting:
                line, waiting = waiting.split(b"\n", 1)
                line = line.rstrip(b"\r").decode("utf-8", "surrogateescape")
                if line:
                    bad |= len(line) > LINE_MAX or len(lines) >= LINES_MAX
                    name, _, value = line.partition(":")
                    lines.append((name, value.removeprefix(" ")))
                elif lines:
                    yield None if bad else lines
                    lines, bad = [], False

    def serve(self):
        self.send(f"Asterisk Call Manager/{self.manager.version}\r\n")
        for request in self.requests():
            if request is None:
                self.send(message(("Response", "Error"), ("Message", "Failed to parse message: line too long")))
                continue
            self.request(request)
        with self.manager.lock:
            if self in self.manager.sessions:
                self.manager.sessions.remove(self)
        self.close()

    def request(self, lines):
        def get(name):
            return next((value for key, value in lines if key.lower() == name.lower()), None)

        def answer(response, *more):
            self.send(message(("Response", response), ("ActionID", action_id), *more))

        manager, action, action_id = self.manager, (get("Action") or "").strip().lower(), get("ActionID")
        manager.requests.append(lines)
        if manager.mute:
            return
        if not action:
            answer("Error", ("Message", "Missing action in request"))
        elif action == "challenge":
            self.do_challenge(get, answer)
        elif action == "login":
            self.do_login(get, answer)
        elif action == "logoff":
            answer("Goodbye", ("Message", "Thanks for all the fish."))
            self.close()
        elif not self.user:
            answer("Error", ("Message", "Permission denied"))
        elif action == "ping":
            answer("Success", ("Ping", "Pong"), ("Timestamp", f"{time.time():.6f}"))
        elif action in manager.refused:
            answer("Error", ("Message", "Permission denied"))
        elif hasattr(self, "do_" + action):
            getattr(self, "do_" + action)(get, answer)
        else:
            answer("Error", ("Message", f"Invalid/unknown command: {get('Action')}. Use Action: ListCommands to show "
                                        "available commands."))

    def do_challenge(self, get, answer):
        if (get("AuthType") or "").upper() != "MD5" or not self.manager.md5:
            answer("Error", ("Message", "Must specify AuthType"))
            return
        self.challenge = str(random.randrange(10**8, 10**9))
        answer("Success", ("Challenge", self.challenge))

    def do_login(self, get, answer):
        manager, secret = self.manager, self.manager.users.get(get("Username"))
        if (get("AuthType") or "").upper() == "MD5":
            right = secret is not None and self.challenge is not None and \
                get("Key") == hashlib.md5((self.challenge + secret).encode()).hexdigest()
        else:
            right = secret is not None and get("Secret") == secret
        if not right:
            time.sleep(1)
            answer("Error", ("Message", "Authentication failed"))
            self.close()
            return
        events = get("Events")
        self.mask = set(CLASSES) if events is None or events in ("on", "all") else \
            set() if events in ("off", "none") else {name.strip() for name in events.split(",")}
        answer("Success", ("Message", "Authentication accepted"))
        with manager.lock:
            self.user = get("Username")
            manager.sessions.append(self)
            manager.logins += 1
        if manager.booted:
            self.event("system", "FullyBooted", ("Uptime", 2), ("LastReload", 2), ("Status", "Fully Booted"))
        self.event("security", "SuccessfulAuth", ("Severity", "Informational"), ("Service", "AMI"))

    def list(self, get, answer, text, complete, entries, *, id_last=False):
        """`entries`: (event, fields)."""
        action_id = get("ActionID")
        answer("Success", ("EventList", "start"), ("Message", text))
        for i, (name, fields) in enumerate(entries):
            if self.manager.list_limit is not None and i == self.manager.list_limit:
                self.manager.list_limit = None
                self.close()
                return
            identity = [("ActionID", action_id)]
            self.send(message(("Event", name), *([*fields, *identity] if id_last else [*identity, *fields])))
        self.send(message(("Event", complete), ("ActionID", action_id), ("EventList", "Complete"),
                          ("ListItems", len(entries))))

    def do_devicestatelist(self, get, answer):
        with self.manager.lock:
            entries = [("DeviceStateChange", [("Device", d), ("State", s)]) for d, s in self.manager.devices.items()]
        self.list(get, answer, "Device State Changes will follow", "DeviceStateListComplete", entries)

    def do_presencestatelist(self, get, answer):
        with self.manager.lock:
            entries = [("PresenceStateChange", self.manager.presence_fields(p)) for p in self.manager.presences]
        self.list(get, answer, "Presence State Changes will follow", "PresenceStateListComplete", entries)

    def do_extensionstatelist(self, get, answer):
        with self.manager.lock:
            entries = [("ExtensionStatus", self.manager.hint_fields(h)) for h in self.manager.hints]
        if entries:
            self.list(get, answer, "Extension Statuses will follow", "ExtensionStateListComplete", entries)
        else:
            answer("Error", ("Message", "No dialplan hints are available"))

    def do_mwiget(self, get, answer):
        if not self.manager.external_mwi:
            answer("Error", ("Message", f"Invalid/unknown command: {get('Action')}. Use Action: ListCommands to show "
                                        "available commands."))
            return
        with self.manager.lock:
            entries = [("MWIGet", [("Mailbox", m), ("OldMessages", old), ("NewMessages", new)])
                       for m, (new, old) in self.manager.mailboxes.items()]
        self.list(get, answer, "Mailboxes will follow", "MWIGetComplete", entries, id_last=True)

    def do_voicemailuserslist(self, get, answer):
        if self.manager.external_mwi:
            answer("Error", ("Message", f"Invalid/unknown command: {get('Action')}. Use Action: ListCommands to show "
                                        "available commands."))
            return
        with self.manager.lock:
            entries = [("VoicemailUserEntry", [("VMContext", m.partition("@")[2]), ("VoiceMailbox", m.partition("@")[0]),
                                               ("Fullname", "x"), ("NewMessageCount", new), ("OldMessageCount", old)])
                       for m, (new, old) in self.manager.mailboxes.items()]
        if entries:
            self.list(get, answer, "Voicemail user list will follow", "VoicemailUserEntryComplete", entries)
        else:
            answer("Success", ("Message", "There are no voicemail users currently defined."))

    def do_coreshowchannels(self, get, answer):
        with self.manager.lock:
            entries = [("CoreShowChannel", c.fields()) for c in self.manager.channels.values()]
        self.list(get, answer, "Channels will follow", "CoreShowChannelsComplete", entries)

    def do_getvar(self, get, answer):
        channel = next((c for c in self.manager.channels.values() if c.name == get("Channel")), None)
        if get("Channel") and not channel:
            answer("Error", ("Message", "No such channel"))
            return
        answer("Success", ("Variable", get("Variable")), ("Value", (channel.variables if channel else {}).get(get("Variable"), "")))


class Channel:
    """`number` is whose it is, `connected` whom it talks to."""

    def __init__(self, manager, name, unique, state, number, *, display="<unknown>", connected="<unknown>",
                 connected_display="<unknown>", exten="", variables=()):
        self.manager, self.name, self.unique, self.state = manager, name, unique, state
        self.number, self.display, self.connected, self.connected_display = number, display, connected, connected_display
        self.exten, self.variables = exten, dict(variables)

    def fields(self, prefix=""):
        words = {0: "Down", 4: "Ring", 5: "Ringing", 6: "Up"}
        return [(prefix + name, value) for name, value in (
            ("Channel", self.name), ("ChannelState", self.state), ("ChannelStateDesc", words[self.state]),
            ("CallerIDNum", self.number), ("CallerIDName", self.display), ("ConnectedLineNum", self.connected),
            ("ConnectedLineName", self.connected_display), ("Language", "en"), ("AccountCode", ""), ("Context", "users"),
            ("Exten", self.exten), ("Priority", 1), ("Uniqueid", self.unique), ("Linkedid", self.unique))]


class Manager:
    """Use as a context manager; `stop` and `start` are a server that goes and comes back."""

    def __init__(self, devices=(), *, users=None, hints=(), mailboxes=(), certificate=None, **options):
        self.devices = dict(devices)
        self.presences = {}
        self.hints = dict(hints)  # (exten, context): text
        self.mailboxes = dict(mailboxes)  # name: (new, old)
        self.channels = {}
        self.users = users or {"extstate": "s3cret"}
        self.certificate = certificate
        self.version = "11.0.0"
        self.read = {"system", "call", "reporting"}
        self.refused = set()  # actions, in lower case
        self.booted = self.md5 = self.external_mwi = True
        self.mute = False
        self.dribble = self.list_limit = None
        for name, value in options.items():
            setattr(self, name, value)
        self.lock = threading.RLock()
        self.sessions, self.requests, self.logins = [], [], 0
        self.listener = None
        self.port = 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=16)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, args=(self.listener,), daemon=True)
        self.thread.start()

    def accept(self, listener):
        context = None
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.begin, args=(connection, context), daemon=True).start()

    def begin(self, connection, context):
        try:
            if context:
                connection = context.wrap_socket(connection, server_side=True)
        except (OSError, ssl.SSLError):
            connection.close()
            return
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.all_sessions = getattr(self, "all_sessions", [])
        session = Session(self, connection)
        self.all_sessions.append(session)
        session.serve()

    def stop(self):
        """As when its process ends."""
        try:
            self.listener.shutdown(socket.SHUT_RDWR)  # closing it alone leaves it to who accepts
        except OSError:
            pass
        self.listener.close()
        for session in getattr(self, "all_sessions", []):
            session.close()
        self.thread.join(5)

    def event(self, cls, name, *fields):
        with self.lock:
            for session in list(self.sessions):
                session.event(cls, name, *fields)

    # ---- what happens ----

    def device(self, name, state):
        with self.lock:
            self.devices[name] = state
            for (exten, context), text in self.hints.items():
                if name in text.split(",")[0].split("&"):
                    self.event("call", "ExtensionStatus", *self.hint_fields((exten, context)))
            self.event("call", "DeviceStateChange", ("Device", name), ("State", state))

    def flood(self, changes):
        """Many events as fast as they go, in large pieces."""
        text = "".join(message(("Event", "DeviceStateChange"), ("Privilege", "call,all"), ("Device", d), ("State", s))
                       for d, s in changes)
        with self.lock:
            self.devices.update(changes)
            for session in list(self.sessions):
                session.send(text)

    def presence(self, provider, status, subtype="", text=""):
        with self.lock:
            self.presences[provider] = (status, subtype, text)
            self.event("call", "PresenceStateChange", *self.presence_fields(provider))

    def presence_fields(self, provider):
        status, subtype, text = self.presences[provider]
        return [("Presentity", provider), ("Status", status), ("Subtype", escaped(subtype)), ("Message", escaped(text))]

    def hint_fields(self, key):
        exten, context = key
        text = self.hints.get(key)
        if text is None:
            return [("Exten", exten), ("Context", context), ("Hint", ""), ("Status", -1), ("StatusText", "Unknown")]
        device = text.split(",")[0].split("&")[0]
        number, word = EXTENSION_STATES[self.devices.get(device, "INVALID")]
        return [("Exten", exten), ("Context", context), ("Hint", text), ("Status", number), ("StatusText", word)]

    def hint(self, exten, context, text):
        """None: it is taken away."""
        with self.lock:
            if text is None:
                self.hints.pop((exten, context), None)
            else:
                self.hints[exten, context] = text
            self.event("call", "ExtensionStatus", *self.hint_fields((exten, context)))

    def reload(self):
        with self.lock:
            for key in self.hints:
                self.event("call", "ExtensionStatus", *self.hint_fields(key))
            self.event("system", "Reload", ("Module", "pbx_config.so"), ("Status", 0))

    def mailbox(self, name, new, old):
        with self.lock:
            self.mailboxes[name] = (new, old)
            self.event("call", "MessageWaiting", ("Mailbox", name), ("Waiting", int(new > 0)), ("New", new), ("Old", old))

    # ---- calls ----

    def channel(self, name, unique, state, number, **more):
        with self.lock:
            channel = self.channels[unique] = Channel(self, name, unique, state, number, **more)
            self.event("call", "Newchannel", *channel.fields())
            return channel

    def dial(self, caller, called):
        self.event("call", "DialBegin", *caller.fields(), *called.fields("Dest"), ("DialString", called.number))

    def state(self, channel, state):
        with self.lock:
            channel.state = state
            self.event("call", "Newstate", *channel.fields())

    def hangup(self, channel):
        with self.lock:
            self.channels.pop(channel.unique)
            self.event("call", "Hangup", *channel.fields(), ("Cause", 16), ("Cause-txt", "Normal Clearing"))
