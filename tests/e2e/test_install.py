# SPDX-License-Identifier: MIT
"""README's chapter on installing: what it says is installed is, nothing else is, and its commands work on that."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest
import urllib.request

import harness
from harness import BUILD, TOP, wait_for

README = (TOP / "README.md").read_text()


def page(port):
    """What a browser gets there, or nothing."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=harness.PATIENCE) as answer:
            return answer.read().decode()
    except OSError:
        return ""


class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        text = subprocess.run([harness.EXTSTATED, "--help"], capture_output=True, text=True, check=True).stdout
        if "(/usr/local/etc/extstate)" not in text:
            raise unittest.SkipTest("this build is for another prefix than README's")
        temporary = tempfile.TemporaryDirectory(prefix="extstate-install-")
        cls.addClassCleanup(temporary.cleanup)
        cls.root = pathlib.Path(temporary.name)
        subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", cls.root], check=True,
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=harness.PATIENCE)

    def paths(self):
        """Those in the table of README, below the root; a directory ends with a slash."""
        chapter = README.split("## Installing it")[1].split("\n## ")[0]
        rows = [row.split("|")[1] for row in chapter.splitlines() if row.startswith("| `/")]
        return [path for row in rows for path in re.findall("`(/[^`]+)`", row)]

    def find(self, path):
        return list(self.root.glob(path.strip("/")))

    def test_installed_is_what_readme_says(self):
        paths = self.paths()
        self.assertGreater(len(paths), 8)
        for path in paths:
            with self.subTest(path):
                found = self.find(path)
                self.assertEqual(len(found), 1)
                self.assertEqual(found[0].is_dir(), path.endswith("/"))
        named = {p for path in paths for p in self.find(path)}
        for file in self.root.rglob("*"):
            if not file.is_dir():
                with self.subTest(file):
                    self.assertTrue(named & {file, *file.parents})

    def test_state_directory_is_closed(self):
        (state,) = self.find("/var/local/lib/extstate/")
        self.assertEqual(state.stat().st_mode & 0o777, 0o750)

    def test_steps(self):
        """The commands of README, on the directories under the root."""
        steps = [line.strip() for line in README.splitlines() if line.startswith("    sudo ")]
        self.assertEqual([re.sub(" +#.*", "", step) for step in steps],
                         ["sudo make install",
                          "sudo cp /usr/local/share/extstate/examples/quickstart/*.conf /usr/local/etc/extstate/",
                          "sudo extstated --check", "sudo extstated", "sudo extstatectl status"])
        root, port, http = self.root, harness.free_port(), harness.free_port()
        config, state = root / "usr/local/etc/extstate", root / "var/local/lib/extstate"
        environment = dict(os.environ, PATH=f"{root}/usr/local/sbin:{root}/usr/local/bin:{os.environ['PATH']}",
                           EXTSTATE_SOCKET=str(state / "extstated.sock"))

        def step(command):
            done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True, cwd="/",
                                  stdin=subprocess.DEVNULL, timeout=harness.PATIENCE)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            return done.stdout

        where = f"--config-dir {config} --state-dir {state}"
        step(f"cp {root}/usr/local/share/extstate/examples/quickstart/*.conf {config}/")
        step(f"sed -i -e s/127.0.0.1:5060/127.0.0.1:{port}/ -e s/127.0.0.1:8088/127.0.0.1:{http}/ {config}/*.conf")
        self.assertIn("0 errors, 0 warnings", step(f"extstated --check {where}"))
        step(f"extstated {where} --set general.stop_grace=0")
        try:
            self.assertRegex(step("extstatectl status"), rf"127\.0\.0\.1:{port}")
            self.assertIn("InUse", step("extstatectl devstate change Custom:1000 INUSE && extstatectl hints 1000"))
            self.assertIn("<title>extstate</title>", wait_for("the page", lambda: page(http)))
            wait_for("the journal", lambda: "InUse" in step("extstatectl history 1000@users || true"))
            self.assertIn("Custom:1000", step("extstatectl explain 1000@users"))
        finally:
            step("kill \"$(extstatectl status | awk '$1 == \"pid\" {print $2}')\"")
        wait_for("its end", lambda: "daemon.stopped" in (state / "extstated.log").read_text())

    def test_units(self):
        """As systemd reads them."""
        tool = shutil.which("systemd-analyze")
        if not tool:
            self.skipTest("there is no systemd")
        for path in self.find("/usr/local/lib/systemd/system/*"):
            with self.subTest(path.name), tempfile.TemporaryDirectory(prefix="extstate-units-") as directory:
                for other in path.parent.iterdir():  # what they start is elsewhere here
                    text = other.read_text().replace("/usr/local/sbin/", f"{self.root}/usr/local/sbin/")
                    (pathlib.Path(directory) / other.name).write_text(text)
                done = subprocess.run([tool, "verify", "--man=no", pathlib.Path(directory) / path.name], capture_output=True,
                                      text=True, stdin=subprocess.DEVNULL, timeout=harness.PATIENCE)
                self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))
        done = subprocess.run([tool, "security", "--offline=true", *self.find("/usr/local/lib/systemd/system/extstate.service")],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=harness.PATIENCE)
        score = re.search(r"exposure level for extstate\.service: ([0-9.]+)", done.stdout).group(1)
        self.assertLessEqual(float(score), 2.0)  # 1.6 of systemd 252; later ones look at more

    def test_directories_are_those_compiled_in(self):
        text = subprocess.run([self.find("/usr/local/sbin/extstated")[0], "--help"], capture_output=True, text=True).stdout
        self.assertIn("(/var/local/lib/extstate)", text)


if __name__ == "__main__":
    harness.main()
