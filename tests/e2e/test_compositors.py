# SPDX-License-Identifier: MIT
"""The edge cases of event state compositors against extstated. compare_compositors.py asks others the same."""
import unittest

import compositors
import harness
from harness import DEFAULT_FILES, Extstated

FILES = {
    # sipp takes what comes once more for something new, where other messages came between.
    "pjsip.conf": DEFAULT_FILES["pjsip.conf"] + """
[system]
timer_t1=2000
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


class Compositors(unittest.TestCase):
    def test_edge_cases(self):
        with Extstated(FILES) as esc:
            results = compositors.run_all(esc.port, compositors.rows())
        self.assertGreater(len(results), 40)
        for row, passed, why, wire in results:
            with self.subTest(row.name, asks=row.asks):
                self.assertTrue(passed, f"wanted: {row.wants} (RFC {row.rfc})\n{wire}\n{why}")


if __name__ == "__main__":
    harness.main()
