#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Ask extstated and Debian's Kamailio the same, and print what each did: doc/interop/compositors.md is made of that.
compare_compositors.py [NAME...]: only the scenarios whose name has one of these in it.
compare_compositors.py --plain NAME: one of them as plain sipp, to be run by hand against any compositor."""
import sys

import compositors
from harness import Extstated, Kamailio
from test_compositors import FILES


class PresenceServer(Kamailio):
    """The quickstart's, with message-summary and a minimum expiry: what our own has."""

    def __init__(self):
        super().__init__()
        path = self.directory / "kamailio.cfg"
        more = ('loadmodule "presence_mwi.so"\nmodparam("presence", "min_expires", 60)\n'
                'modparam("presence", "min_expires_action", 1)\n\nrequest_route {')
        path.write_text(path.read_text().replace("request_route {", more))


def plain(name):
    return next(row.text for row in compositors.rows() if row.name == name)


def main():
    names = sys.argv[1:]
    if names[:1] == ["--plain"]:
        print(plain(names[1]))
        return
    rows = [row for row in compositors.rows() if not names or any(name in row.name for name in names)]
    with Extstated(FILES) as ours, PresenceServer() as theirs:
        results = [compositors.run_all(server.port, rows) for server in (ours, theirs)]
    for row, *both in zip(rows, *results):
        print(f"\n{row.row:>2} {row.name}: {row.asks}\n   wanted: {row.wants} (RFC {row.rfc})")
        for name, (_, passed, why, wire) in zip(("extstate", "kamailio"), both):
            print(f"   {name}: {'as wanted' if passed else 'NOT as wanted'}: {wire}")
            if not passed:
                print("      " + "\n      ".join(line for line in why.splitlines() if line.strip())[:800])
    for name, result in zip(("extstate", "kamailio"), results):
        print(f"\n{name}: {sum(passed for _, passed, _, _ in result)} of {len(rows)} as wanted")


if __name__ == "__main__":
    main()
