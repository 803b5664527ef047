# SPDX-License-Identifier: MIT
"""The page in a headless Chromium: the board, a lamp's panel, setting a state that a telephone then shows, the lamp by SIP over
WebSocket, who is logged in, and an audit of its accessibility. EXTSTATE_SCREENSHOTS names a directory that pictures are left in."""
import json
import os
import pathlib
import shutil
import subprocess
import unittest

import harness
import test_http
import test_sources
from harness import DEFAULT_FILES, TOP, Phone, free_port
from manager_server import Manager

NODE = shutil.which("node")
CHROMIUM = shutil.which("chromium")
MODULES = TOP / "build-node/node_modules"
SCREENSHOTS = os.environ.get("EXTSTATE_SCREENSHOTS")
NAMES = ("Ada Byron", "Ben Okri", "Cléo Ray", "Dmitri P.", "Eva Lind", "Femi Ade", "Grace H.", "Hedy L.")
PJSIP = DEFAULT_FILES["pjsip.conf"] + """
[ws]
type=transport
protocol=ws
bind=127.0.0.1:%d
[page](phone)
auth=page
[page]
type=auth
auth_type=userpass
username=page
password=pages-word
"""


def extensions():
    lines = ["[support]", *[f"exten => {n},hint,Custom:{n}" for n in range(200, 230)], "[users]",
             *[f"exten => {n},hint,Custom:{n}({NAMES[n % len(NAMES)]}),CustomPresence:{n}" for n in range(1000, 1060)]]
    return "\n".join(lines) + "\n"


class Browser:
    def __init__(self):
        self.process = subprocess.Popen([NODE, harness.HERE / "node/browser.js", CHROMIUM], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=dict(os.environ, NODE_PATH=str(MODULES)))

    def run(self, body, **values):
        """Run the body of an asynchronous function of (page, context, axe), in which $NAME$ is the JSON of a value."""
        for name, value in values.items():
            body = body.replace(f"${name}$", json.dumps(value))
        self.process.stdin.write(json.dumps(body) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError("the browser has ended")
        answer = json.loads(line)
        if "fault" in answer:
            raise AssertionError(f"{answer['fault']}\nin {body}")
        return answer["result"]

    def text(self, selector, text):
        """Wait until that element says so."""
        self.run("await page.locator($selector$).filter({hasText: $text$}).first().waitFor()", selector=selector, text=text)

    def picture(self, name):
        if SCREENSHOTS:
            self.run("await page.screenshot({path: $path$})", path=str(pathlib.Path(SCREENSHOTS).resolve() / f"{name}.png"))

    def end(self):
        self.process.stdin.close()
        self.process.wait(harness.PATIENCE)
        self.process.stdout.close()


@unittest.skipUnless(CHROMIUM and NODE and (MODULES / "playwright-core").is_dir() and (MODULES / "axe-core").is_dir(),
                     "npm fetched no playwright-core here, or there is no Chromium")
class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.end)

    def server(self, more="", hints=""):
        s = test_http.Server(more, files={"pjsip.conf": PJSIP % free_port(), "extensions.conf": extensions() + hints})
        self.enterContext(s)
        for n, state in ((1000, "INUSE"), (1001, "RINGING"), (1003, "ONHOLD"), (1004, "UNAVAILABLE"), (1007, "BUSY"), (1012, "INUSE"),
                         (200, "INUSE"), (203, "RINGING")):
            s.daemon.set(f"Custom:{n}", state)
        return s

    def visit(self, s, path="/"):
        self.browser.run("await page.goto('about:blank'); await context.clearCookies(); faults.length = 0; await page.goto($url$)",
                         url=f"http://127.0.0.1:{s.http_port}{path}")

    def lamp(self, extension):
        return f'.lamp[data-key="{extension}"]'

    def log_in(self):
        self.browser.run("""
            await page.click("#login");
            await page.fill("#who input[name=name]", "desk");
            await page.fill("#who input[name=secret]", $secret$);
            await page.click("#who button[type=submit]")""", secret=test_http.WRITER)
        self.browser.text("#login", "Log out desk")

    def test_board(self):
        s, b = self.server(), self.browser
        self.visit(s)
        b.text("#live", "live")
        b.text("#summary", "90 lamps in 2 contexts")
        b.text(self.lamp("1001@users"), "Ringing")
        b.picture("board-light")
        s.daemon.set("Custom:1002", "INUSE")
        b.text(self.lamp("1002@users"), "In use")
        b.run("await page.fill('#search', 'support ringing')")
        b.text("#summary", "1 of 90 lamps")
        b.run("await page.fill('#search', '')")
        # With the keyboard alone.
        b.run("await page.focus($first$); await page.keyboard.press('ArrowRight'); await page.keyboard.press('End')",
              first=self.lamp("200@support"))
        self.assertEqual(b.run("return page.evaluate(() => document.activeElement.dataset.key)"), "1059@users")
        b.run("await page.keyboard.press('Enter')")
        b.text("#panel-title", "1059@users")
        b.run("await page.keyboard.press('Escape')")
        self.assertEqual(b.run("return page.evaluate(() => document.activeElement.dataset.key)"), "1059@users")
        # A hint that comes and one that goes.
        s.daemon.reload(extensions_conf=extensions().replace("exten => 1059,", "exten => 1060,"))
        b.text(self.lamp("1060@users"), "1060")
        b.run("await page.locator($gone$).waitFor({state: 'detached'})", gone=self.lamp("1059@users"))
        b.run("await page.setViewportSize({width: 390, height: 800})")
        b.picture("board-telephone")
        b.run("await page.setViewportSize({width: 1280, height: 800})")

    def test_setting_a_state(self):
        s, b = self.server("[journal]\nenabled = yes\n"), self.browser
        with Phone(s.daemon.port) as phone:
            phone.subscribe("1000")
            self.assertIn("confirmed", str(phone.notify()))
            self.visit(s, "/#lamps/1000@users")
            b.text("#panel", "Log in with the right to set states.")
            self.log_in()
            b.run("await page.click('[id=\"set-Custom:1000-RINGING\"]')")
            self.assertIn("early", str(phone.notify()))
            b.text(".now", "Ringing")
            b.text("#panel .chain", "ctl says Custom:1000 is Ringing")
            b.text("#panel table", "alice")
            b.text("#panel table", "the newest state")
            b.picture("lamp-light")
            b.run("await page.click('#history summary')")
            b.text("#history li", "the lamp is Ringing, was In use (by ctl")
            b.text("#history li", "NOTIFY to alice answered, 200")
            b.run("await page.click('#login')")
            b.text("#panel", "Log in with the right to set states.")

    def test_as_a_telephone_sees_it(self):
        s, b = self.server(), self.browser
        self.visit(s, "/#lamps/1000@users")
        b.text("#live", "live")
        b.run("""
            await page.fill("#sip-user", "page");
            await page.fill("#sip-password", "pages-word");
            await page.click("#sip-begin")""")
        b.text("#sip-verdict", "Both are the same.")
        s.daemon.set("Custom:1000", "RINGING")
        b.text(".both", "Ringing")
        b.run("await page.waitForFunction(() => document.querySelectorAll('.both [data-kind=ringing]').length === 2)")
        b.text("#sip-verdict", "Both are the same.")
        b.picture("lamp-by-sip")
        self.assertEqual([row["endpoint"] for row in s.daemon.tool("subscriptions")], ["page"])
        b.run("await page.click('#sip-end')")
        harness.wait_for("the end of the subscription", lambda: not s.daemon.tool("subscriptions", status=None))

    def test_a_pbx(self):
        """An event of a PBX: the telephone, the page, its panel and the metrics have it; and they say when the PBX is gone."""
        b = self.browser
        with Manager({"PJSIP/zoe": "NOT_INUSE"}) as pbx:
            s = self.server(test_sources.source("pbx-a", pbx), "exten => 1999,hint,PJSIP/zoe\n")
            with Phone(s.daemon.port) as phone:
                test_sources.following(s.daemon, "pbx-a")
                harness.wait_for("the list", lambda: test_sources.lamp(s.daemon, "1999") == "Idle")
                phone.subscribe("1999")
                phone.notify()
                self.visit(s, "/#lamps/1999@users")
                b.text(".now", "Idle")
                pbx.device("PJSIP/zoe", "RINGING")
                self.assertIn("early", phone.notify().body)
                b.text(".now", "Ringing")
                b.text("#panel .chain", "pbx-a says PJSIP/zoe is Ringing")
                metrics = s.ask("GET", "/metrics")[1].decode()
                self.assertIn('extstate_source_up{source="pbx-a"} 1\n', metrics)
                self.assertRegex(metrics, r'extstate_source_events_total\{source="pbx-a"\} [1-9]')
                done = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                b.run("await page.click('nav a[href=\"#sources\"]')")
                b.text("#table td", "following")
        # The PBX is gone.
        b.text("#table td.bad", "")
        harness.wait_for("the metric", lambda: 'extstate_source_up{source="pbx-a"} 0\n' in s.ask("GET", "/metrics")[1].decode())

    def test_views(self):
        s, b = self.server(), self.browser
        with Phone(s.daemon.port) as phone:
            phone.subscribe("1000")
            phone.notify()
            self.visit(s, "/#subscriptions")
            b.text("#table", "1000@users")
            b.picture("subscriptions-light")
            for view, words in (("sources", "No other server"), ("publishers", "Nothing is published"), ("publications", "Nothing")):
                b.run("await page.click(`nav a[href=\"#${$view$}\"]`)", view=view)
                b.text("#empty", words)

    def test_rights(self):
        s, b = self.server("read_without_token ="), self.browser
        self.visit(s)
        b.text("#live", "log in to see anything")
        b.run("""
            await page.fill("#who input[name=name]", "wall");
            await page.fill("#who input[name=secret]", "wrong");
            await page.click("#who button[type=submit]")""")
        b.text("#who .fault", "wrong")
        b.run("""
            await page.fill("#who input[name=secret]", $secret$);
            await page.click("#who button[type=submit]")""", secret=test_http.READER)
        b.text("#live", "live")
        b.run("await page.reload()")
        b.text("#login", "Log out wall")
        b.run("await page.click($lamp$)", lamp=self.lamp("1000@users"))
        b.text("#panel", "Log in with the right to set states.")

    def test_it_comes_back(self):
        s, b = self.server(), self.browser
        self.visit(s)
        b.text("#live", "live")
        s.daemon.stop()
        b.text("#live", "no connection")
        b.run("faults.length = 0")  # the browser's own words for that
        s.daemon.start()
        b.text("#live", "live")
        b.run("faults.length = 0")
        s.daemon.set("Custom:1005", "BUSY")
        b.text(self.lamp("1005@users"), "Busy")

    def test_accessibility(self):
        s, b = self.server(), self.browser
        audit = """
            await page.evaluate(axe.source);
            const found = await page.evaluate(() => axe.run(document, {resultTypes: ["violations"]}));
            return found.violations.map(v => [v.impact, v.id, v.nodes.slice(0, 3).map(n => n.html.slice(0, 200))])"""
        self.visit(s, "/#lamps/1000@users")
        b.text("#live", "live")
        self.log_in()
        b.text("#panel .chain", "the hint")
        for scheme in ("light", "dark"):
            b.run("await page.emulateMedia({colorScheme: $scheme$})", scheme=scheme)
            for view in ("lamps", "subscriptions"):
                b.run("await page.click(`nav a[href=\"#${$view$}\"]`)", view=view)
                with self.subTest(scheme=scheme, view=view):
                    found = b.run(audit)
                    b.run("faults.length = 0")  # the policy refuses the audit's script before it is run by the debugger
                    self.assertEqual([v for v in found if v[0] in ("serious", "critical", "moderate")], [])
        b.run("await page.click('nav a[href=\"#lamps\"]')")
        b.picture("board-dark")
        b.run("await page.emulateMedia({colorScheme: 'light'})")


if __name__ == "__main__":
    unittest.main()
