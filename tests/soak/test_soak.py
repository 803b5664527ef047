# SPDX-License-Identifier: MIT
"""The soak in some seconds: that it works, and that it would find something."""
import pathlib
import random
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import harness  # noqa: E402
import soak  # noqa: E402


class Faulty(soak.Soak):
    """Somebody sets a state and nobody is told that he did."""

    patience = 0.5

    def look(self):
        self.daemon.set(self.devices[0].name, "INUSE" if self.devices[0].state != "INUSE" else "ONHOLD")
        super().look()


class Short(unittest.TestCase):
    def run_for(self, kind, seconds):
        with tempfile.TemporaryDirectory(prefix="extstate-soak-") as results:
            one = kind(soak.options_of(["--seconds", str(seconds), "--minute", "1.5", "--phones", "12", "--results", results]))
            return one, one.run(), (pathlib.Path(results) / "soak.csv").read_text().splitlines()

    def test_sound(self):
        one, status, rows = self.run_for(soak.Soak, 3)
        self.assertEqual((status, len(rows)), (0, 1 + 2))
        self.assertGreater(one.count["lamps looked at"], 150)
        self.assertEqual(one.count["reloads"], 2)

    def test_wrong_lamp(self):
        one, status, _ = self.run_for(Faulty, 1.5)
        self.assertEqual(status, 1)
        self.assertGreater(one.count["lamps wrong"], 0)

    def test_growth(self):
        noise = random.Random(1)
        for name, expected, rise, spread in (("flat", False, 0, 0), ("noise", False, 0, 1e5), ("leak", True, 1e6, 1e5),
                                             ("little", False, 1e3, 10), ("falls", False, -1e6, 10)):
            with self.subTest(name):
                points = [(i / 60, 1e7 + rise * i / 60 + noise.gauss(0, spread)) for i in range(110)]
                self.assertAlmostEqual(soak.slope(points)[0], rise, delta=5 * soak.slope(points)[1] + 1e-6)
                self.assertEqual(soak.grows(points, soak.GROWS["rss_bytes"]), expected)


if __name__ == "__main__":
    harness.main()
