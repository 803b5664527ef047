# SPDX-License-Identifier: MIT
"""The edge cases of event state compositors against extstated. compare_compositors.py asks others the same."""
import re
import sqlite3
import time
import unittest

import compositors
import harness
from compositors import SERVERS, recorded
from harness import DEFAULT_FILES, TOP, Extstated

TABLE = TOP / "doc/interop/compositors.md"

FILES = {
    # sipp takes what comes once more for something new, where other messages came between.
    "pjsip.conf": DEFAULT_FILES["pjsip.conf"] + """
[system]
timer_t1=2000
[tcp]
type=transport
protocol=tcp
bind=127.0.0.1:{port}
[p1](phone)
[p2](phone)
[w1](phone)
sub_min_expiry=60
""",
    "extensions.conf": "",
    "extstate.conf": """
[compositor]
domains=example.com
context=users
publish=any
minimum_expiry=60
[short]
type=compositor
domains=short.example.com
context=short
publish=any
minimum_expiry=1
expiry_grace=0
""",
}


class Durable(Extstated):
    def lock(self):
        self.locker = sqlite3.connect(self.directory / "state/extstate.db", isolation_level=None, check_same_thread=False)
        self.locker.execute("BEGIN IMMEDIATE")

    def unlock(self):
        self.locker.close()

    def kill(self):
        """Who watches is owed nothing: what was answered has been heard, unless it is meant not to be."""
        end = time.monotonic() + 1
        while any(row["outstanding"] for row in self.tool("subscriptions", status=None)) and time.monotonic() < end:
            time.sleep(0.02)
        super().kill()


def extstate(row):
    """One for a row that takes its time is as phones find it. Only one that is killed has to wait for the disk, which others
    may keep busy."""
    files = dict(FILES)
    if not (row and row.does):
        files["extstate.conf"] = "[general]\ndurability=normal\n" + FILES["extstate.conf"]
    if row and row.slow:
        files["pjsip.conf"] = FILES["pjsip.conf"].replace("timer_t1=2000", "timer_t1=500")
    return Durable(files)


class Compositors(unittest.TestCase):
    def test_edge_cases(self):
        """Each does what it did when the table was written, whether it is as wanted or not."""
        seen = compositors.seen()
        rows = [row for row in compositors.rows() if recorded("extstate", row) and not row.slow]
        self.assertGreater(len(rows), 70)
        for row, passed, why, wire in compositors.run_all(extstate, rows):
            with self.subTest(row.name, asks=row.asks):
                now = compositors.seen_line(row, "extstate", passed, wire)
                self.assertEqual(now, seen.get((row.name, "extstate")), f"wanted: {row.wants} (RFC {row.rfc})\n{why}\n"
                                 f"If this is meant: compare_compositors.py --write {row.name}, and its row of {TABLE}")

    def test_table(self):
        """Each scenario is a row of doc/interop/compositors.md, each row a scenario; bold is what was not as wanted."""
        lines = re.findall(r"^\| (\d.*) \|$", TABLE.read_text().replace("`", ""), re.M)
        table = {tuple(cells[:3]): cells[3:] for cells in (line.split(" | ") for line in lines)}
        rows = {(row.row, row.asks, f"{row.wants} ({row.rfc})"): row for row in compositors.rows()}
        self.assertEqual(len(table), len(lines))
        self.assertEqual(set(table) ^ set(rows), set())
        seen = compositors.seen()
        self.assertEqual(set(seen), {(row.name, s) for row in rows.values() for s in SERVERS if recorded(s, row)})
        for what, row in rows.items():
            for servers, cell in zip((SERVERS[:1], SERVERS[1:]), table[what]):
                keys = [(row.name, server) for server in servers if recorded(server, row)]
                if keys:
                    bad = any(" NOT as wanted: " in seen[key] for key in keys)
                    self.assertEqual("**" in cell, bad, f"{what}: {cell}")


if __name__ == "__main__":
    harness.main()
