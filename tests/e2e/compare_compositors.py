#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ask extstated and Debian's Kamailio the same, and print what each did: doc/interop/compositors.md is made of that.
compare_compositors.py [NAME...]: only the scenarios whose name has one of these in it. Status 1: some server did not do
what it did when compositors_seen.txt was written.
compare_compositors.py --write [NAME...]: writes it.
compare_compositors.py --plain NAME: one of them as plain sipp, to be run by hand against any compositor."""
import pathlib
import sqlite3
import sys

import compositors
from harness import Kamailio
from test_compositors import extstate

SCHEMA = pathlib.Path("/usr/share/kamailio/db_sqlite")


class PresenceServer(Kamailio):
    """The quickstart's, with message-summary and a minimum expiry: what our own has."""

    memory = 512  # 64, the default, is too little for a thousand watchers

    def __init__(self):
        super().__init__()
        self.configure("request_route {", 'loadmodule "presence_mwi.so"\nmodparam("presence", "min_expires", 60)\n'
                                          'modparam("presence", "min_expires_action", 1)\n\nrequest_route {')

    def configure(self, line, other):
        path = self.directory / "kamailio.cfg"
        text = path.read_text()
        assert line in text
        path.write_text(text.replace(line, other))


class TcpServer(PresenceServer):
    def __init__(self):
        super().__init__()
        self.configure("disable_tcp=yes", f"listen=tcp:127.0.0.1:{self.port}")


class DatabaseServer(PresenceServer):
    """With SQLite behind it: publications are there besides memory, subscriptions are written through."""

    def __init__(self):
        super().__init__()
        self.path = self.directory / "kamailio.sqlite"
        with self.connect() as database:
            for part in ("standard", "presence"):
                database.executescript((SCHEMA / f"{part}-create.sql").read_text())
        self.configure('loadmodule "presence.so"', 'loadmodule "db_sqlite.so"\nloadmodule "presence.so"')
        self.configure('"publ_cache", 2', f'"db_url", "sqlite:///{self.path}"')
        self.configure('"subs_db_mode", 0', '"subs_db_mode", 1')

    def connect(self):
        return sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)

    def lock(self):
        self.locker = self.connect()
        self.locker.execute("BEGIN EXCLUSIVE")

    def unlock(self):
        self.locker.close()


MAKE = {
    "extstate": extstate,
    "kamailio": lambda row: TcpServer() if row and "tcp" in row.does else PresenceServer(),
    "kamailio-sqlite": lambda row: DatabaseServer(),
}


def plain(name):
    return next(row.text for row in compositors.rows() if row.name == name)


def differs(row, server, now, former):
    return compositors.recorded(server, row) and now[row.name, server] != former.get((row.name, server))


def main():
    names = sys.argv[1:]
    if names[:1] == ["--plain"]:
        print(plain(names[1]))
        return 0
    write = names[:1] == ["--write"]
    names = names[write:]
    rows = [row for row in compositors.rows() if not names or any(name in row.name for name in names)]
    former, now, why = compositors.seen(), {}, {}
    for server, make in MAKE.items():
        asked = [row for row in rows if compositors.asked(server, row)]
        for _ in range(2):  # Kamailio's processes race: what is otherwise once is asked again
            for row, passed, fault, wire in compositors.run_all(make, asked) if asked else []:
                now[row.name, server] = compositors.seen_line(row, server, passed, wire)
                why[row.name, server] = "" if passed else fault
            asked = [row for row in asked if differs(row, server, now, former)]
    for row in rows:
        print(f"\n{row.row:>2} {row.name}: {row.asks}\n   wanted: {row.wants} (RFC {row.rfc})")
        for key in ((row.name, server) for server in MAKE if (row.name, server) in now):
            print("   " + now[key].split(" ", 1)[1])
            if why[key]:
                print("\n".join(f"      {line}" for line in why[key].splitlines() if line.strip())[:800])
            if differs(row, key[1], now, former):
                print(f"   NOT as it was: {former.get(key)}")
    changed = sum(differs(row, server, now, former) for row in rows for server in MAKE if (row.name, server) in now)
    print(f"\n{changed} not as they were when the table was written")
    if write:
        compositors.write_seen({**former, **now})
    return 1 if changed and not write else 0


if __name__ == "__main__":
    sys.exit(main())
