# SPDX-License-Identifier: MIT
"""A stand-in for FreeSWITCH's event socket: its framing, its login, `event json`, `api show ... as json`, and the events of
calls and registrations with the headers that mod_event_socket and mod_sofia give them."""
import json
import socket
import threading


class EventSocket:
    def __init__(self, password="ClueCon"):
        self.password = password
        self.registrations = {}  # Call-ID: (profile, user)
        self.channels = {}  # uuid: dict
        self.table = {}  # what `show channels` reads: a database, written behind what happens
        self.table_is_behind = False
        self.lock = threading.RLock()
        self.sessions, self.all_sessions, self.commands = {}, [], []
        self.deny = False
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
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.all_sessions.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def stop(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for connection in self.all_sessions:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()
        with self.lock:
            self.sessions.clear()
        self.thread.join(5)

    def send(self, connection, text):
        try:
            connection.sendall(text.encode())
        except OSError:
            pass

    def message(self, connection, kind, body):
        self.send(connection, f"Content-Length: {len(body.encode())}\nContent-Type: {kind}\n\n{body}")

    def reply(self, connection, text):
        self.send(connection, f"Content-Type: command/reply\nReply-Text: {text}\n\n")

    def serve(self, connection):
        if self.deny:
            self.message(connection, "text/rude-rejection", "Access Denied, go away.\n")
            connection.close()
            return
        self.send(connection, "Content-Type: auth/request\n\n")
        waiting, authenticated = b"", False
        while True:
            try:
                data = connection.recv(65536)
            except OSError:
                return
            if not data:
                return
            waiting += data
            while b"\n\n" in waiting:
                command, waiting = waiting.split(b"\n\n", 1)
                command = command.decode().strip()
                self.commands.append(command)
                word, _, rest = command.partition(" ")
                if word == "auth":
                    authenticated = rest == self.password
                    self.reply(connection, "+OK accepted" if authenticated else "-ERR invalid")
                    if not authenticated:
                        self.message(connection, "text/disconnect-notice", "Disconnected, goodbye.\n")
                        connection.close()
                        return
                elif not authenticated:
                    self.reply(connection, "-ERR command not found")
                elif word == "event":
                    with self.lock:
                        self.sessions[connection] = set(rest.split()[1:])
                    self.reply(connection, f"+OK event listener enabled {rest.split()[0]}")
                elif word == "api":
                    with self.lock:
                        self.message(connection, "api/response", self.api(rest))
                elif word == "exit":
                    self.reply(connection, "+OK bye")
                else:
                    self.reply(connection, "-ERR command not found")

    def api(self, command):
        if command == "show registrations as json":
            rows = [{"reg_user": user, "realm": "example.com", "token": call_id, "url": f"sofia/{profile}/sip:{user}@127.0.0.1:5060",
                     "expires": "1764000000", "network_ip": "127.0.0.1", "network_port": "5060", "network_proto": "udp",
                     "hostname": "fs", "metadata": ""} for call_id, (profile, user) in self.registrations.items()]
        elif command == "show channels as json":
            rows = [{key: value for key, value in channel.items() if key != "variables"} for channel in self.rows().values()]
        elif command.startswith("uuid_dump ") and command.endswith(" json"):
            channel = self.channels.get(command.split()[1])
            if not channel:
                return "-ERR No such channel!\n"
            return json.dumps({"Event-Name": "CHANNEL_DATA", "Unique-ID": channel["uuid"], "Channel-Name": channel["name"],
                               "Channel-State": channel["state"], "Channel-Call-State": channel["callstate"],
                               "Call-Direction": channel["direction"],
                               **{f"variable_{key}": value for key, value in channel["variables"].items()}})
        else:
            return "-ERR command not found\n"
        return json.dumps({"row_count": len(rows), **({"rows": rows} if rows else {})})

    def rows(self):
        if not self.table_is_behind:
            self.table = {uuid: dict(channel) for uuid, channel in self.channels.items()}
        return self.table

    def event(self, name, subclass=None, **headers):
        body = json.dumps({"Event-Name": name, **({"Event-Subclass": subclass} if subclass else {}), "Core-UUID": "x",
                           **{key.replace("_", "-"): value for key, value in headers.items()}})
        with self.lock:
            for connection, wanted in list(self.sessions.items()):
                if (subclass or name) in wanted:
                    self.message(connection, "text/event-json", body)

    def register(self, user, call_id, profile="internal"):
        with self.lock:
            self.registrations[call_id] = (profile, user)
            self.event("CUSTOM", "sofia::register", **{"profile-name": profile, "from-user": user, "from-host": "example.com",
                                                       "call-id": call_id, "status": "Registered(UDP)", "expires": "3600"})

    def unregister(self, call_id, subclass="sofia::unregister"):
        with self.lock:
            profile, user = self.registrations.pop(call_id)
            self.event("CUSTOM", subclass, **{"profile-name": profile, "from-user": user, "from-host": "example.com",
                                              "call-id": call_id})

    def call(self, uuid, user, direction, state, profile="internal", caller=("200", "Bob"), callee=("", ""), **variables):
        """A leg: inbound, which the user has begun, or outbound, by which she is called."""
        with self.lock:
            former = self.channels.get(uuid, {})
            name = f"sofia/{profile}/{user}@127.0.0.1:5060"
            callee = callee[0] or (user if direction == "outbound" else ""), callee[1] or ("Outbound Call" if direction == "outbound" else "")
            self.channels[uuid] = {"uuid": uuid, "direction": direction, "name": name, "state": "CS_EXECUTE", "callstate": state,
                                   "cid_num": caller[0], "cid_name": caller[1], "callee_num": callee[0], "callee_name": callee[1],
                                   "dest": user, "variables": {**former.get("variables", {}), **variables}}
            self.event("CHANNEL_CALLSTATE", **{
                "Unique-ID": uuid, "Channel-Name": name, "Call-Direction": direction,
                "Original-Channel-Call-State": former.get("callstate", "DOWN"), "Channel-Call-State": state,
                "Caller-Caller-ID-Number": caller[0], "Caller-Caller-ID-Name": caller[1], "Caller-Callee-ID-Number": callee[0],
                "Caller-Callee-ID-Name": callee[1], "Caller-Destination-Number": user})
            if state == "HANGUP":
                self.channels.pop(uuid)
                self.event("CHANNEL_DESTROY", **{"Unique-ID": uuid, "Channel-Name": name})
