# SPDX-License-Identifier: MIT
"""The page in a headless Chromium: the board, a lamp's panel, setting a state that a telephone then shows, the lamp by SIP over
WebSocket, who is logged in, and an audit of its accessibility. EXTSTATE_SCREENSHOTS names a directory that pictures are left in."""
import json
import os
import pathlib
import shutil
import subprocess
import unittest

import compositors
import harness
import test_explain
import test_http
import test_sources
from harness import DEFAULT_FILES, TOP, Phone, free_port
from manager_server import Manager
from test_who import caller

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
# Numbers that there is no room for.
CUT = """return page.evaluate(() => [...document.querySelectorAll('.lamp b, .lamp span')].filter(e => e.scrollWidth > e.clientWidth)
    .map(e => e.textContent))"""


def extensions():
    lines = ["[support]", *[f"exten => {n},hint,Custom:{n}" for n in range(200, 230)], "[users]",
             *[f"exten => {n},hint,Custom:{n}({NAMES[n % len(NAMES)]}),CustomPresence:{n}" for n in range(1000, 1060)]]
    return "\n".join(lines) + "\n"


# States that are not wholly within their lamp.
BEYOND = """return page.evaluate(() => [...document.querySelectorAll('.lamp span')].filter(e => {
    const [word, lamp] = [e, e.parentElement].map(x => x.getBoundingClientRect());
    return e.scrollWidth > e.clientWidth || word.bottom > lamp.bottom || word.top < lamp.top || word.right > lamp.right || word.left < lamp.left; })
    .map(e => e.parentElement.textContent))"""
# Whose panel is open, as the board and the address say.
OPENED = """return page.evaluate(() => [[...document.querySelectorAll('.lamp[aria-pressed=true]')].map(e => e.dataset.key),
    location.hash])"""


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


AUDIT = """
    await page.evaluate(axe.source);
    const found = await page.evaluate(() => axe.run(document, {resultTypes: ["violations"]}));
    faults.length = 0; // the policy refuses the audit's script before it is run by the debugger
    return found.violations.map(v => [v.impact, v.id, v.nodes.slice(0, 3).map(n => n.html.slice(0, 200))])"""


@unittest.skipUnless(CHROMIUM and NODE and (MODULES / "playwright-core").is_dir() and (MODULES / "axe-core").is_dir(),
                     "npm fetched no playwright-core here, or there is no Chromium")
class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.end)

    def setUp(self):
        self.browser.run("faults.expected = null; faults.length = 0")

    def tearDown(self):
        self.browser.run("faults.expected = /ERR_/; await page.goto('about:blank')")  # nothing is asked of a server that has gone

    def expect(self, what):
        """The browser writes that to its console by itself."""
        self.browser.run("faults.expected = new RegExp($what$)", what=what)

    def server(self, more="", hints="", pjsip=None):
        s = test_http.Server(more, files={"pjsip.conf": pjsip or PJSIP % free_port(), "extensions.conf": extensions() + hints})
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

    def audit(self):
        self.assertEqual([v for v in self.browser.run(AUDIT) if v[0] in ("serious", "critical", "moderate")], [])

    def log_in(self):
        self.browser.run("""
            await page.click("#login");
            await page.fill("#who input[name=name]", "desk");
            await page.fill("#who input[name=secret]", $secret$);
            await page.click("#who button[type=submit]")""", secret=test_http.WRITER)
        self.browser.text("#login", "Log out desk")


class Page(Pages):
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
        self.assertEqual(b.run(OPENED)[1], "#lamps/1059%40users")
        b.run("await page.keyboard.press('Escape')")
        self.assertEqual(b.run(OPENED), [[], "#lamps"])
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
            told = phone.notify()
            self.assertIn("early", str(told))
            b.text(".now", "Ringing")
            b.text("#panel .chain", "ctl says Custom:1000 is Ringing")
            b.text("#panel table td", str(told.cseq))
            b.text("#panel table", f"alice 127.0.0.1:{phone.port}")  # which of her telephones it is
            b.text("#panel table", "the newest state")
            b.picture("lamp-light")
            b.run("await page.click('#history summary')")
            b.text("#history li", "the lamp is Ringing, was In use (by ctl")
            b.text("#history li", "NOTIFY to alice answered, 200")
            b.run("await page.click('#login')")
            b.text("#panel", "Log in with the right to set states.")

    def test_as_a_telephone_sees_it(self):
        s, b = self.server(), self.browser
        if s.status("GET", "/jssip.js") == 404:
            self.skipTest("this build has no JsSIP: npm had fetched none when it was configured")
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
        b.text("#panel h3", "Watchers (1)")
        b.run("await page.click('#sip-end')")
        harness.wait_for("the end of the subscription", lambda: not s.daemon.tool("subscriptions", status=None))
        b.text("#panel h3", "Watchers (0)")

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
        b.run("await page.keyboard.press('Escape'); await page.click('#login')")  # nothing stays for who has not the right
        b.text("#live", "log in to see anything")
        self.assertEqual(b.run("return page.locator('.lamp').count()"), 0)

    def test_an_address_that_is_none(self):
        s, b = self.server(), self.browser
        for hash_ in ("#lamps/100%", "#constructor"):
            self.visit(s, "/" + hash_)
            b.text("#live", "live")

    def test_a_list_that_fails_is_asked_for_again(self):
        s, b = self.server(), self.browser
        self.expect("503")
        b.run("""
            let times = 0;
            await page.route("**/v1/hints", route => times++ ? route.continue() : route.fulfill({status: 503, json: {error: "busy"}}));
            await page.goto($url$)""", url=f"http://127.0.0.1:{s.http_port}/")
        b.text("#live", "live")
        s.daemon.set("Custom:1005", "BUSY")
        b.text(self.lamp("1005@users"), "Busy")
        b.run("await page.unroute('**/v1/hints')")

    def test_it_comes_back(self):
        s, b = self.server(), self.browser
        self.visit(s)
        b.text("#live", "live")
        self.expect("ERR_")
        s.daemon.stop()
        b.text("#live", "no connection")
        s.daemon.start()
        b.text("#live", "live")
        s.daemon.set("Custom:1005", "BUSY")
        b.text(self.lamp("1005@users"), "Busy")


class Health(Pages):
    def test_a_pbx(self):
        """An event of a PBX: the telephone, the compositor, the page, its panel, explain and the metrics have it; and they say when
        the PBX is gone, and when it is there again."""
        b = self.browser
        with Manager({"PJSIP/zoe": "NOT_INUSE"}) as pbx, Phone(0) as esc:
            pjsip = PJSIP % free_port() + (test_explain.PUBLISH % esc.port).replace("^1000", "^1999")
            s = self.server(test_sources.source("pbx-a", pbx) + test_explain.JOURNAL, "exten => 1999,hint,PJSIP/zoe\n", pjsip)
            with Phone(s.daemon.port) as phone:
                test_sources.following(s.daemon, "pbx-a")
                harness.wait_for("the list", lambda: test_sources.lamp(s.daemon, "1999") == "Idle")
                phone.subscribe("1999")
                phone.notify()
                self.visit(s, "/#lamps/1999@users")
                b.text(".now", "Idle")
                pbx.device("PJSIP/zoe", "RINGING")
                self.assertIn("early", phone.notify().body)
                self.published(esc, "early")
                b.text(".now", "Ringing")
                b.text("#panel .chain", "pbx-a says PJSIP/zoe is Ringing")
                why = s.daemon.tool("explain", "1999@users", plain=True)
                self.assertRegex(why, r"made by change #\d+ of pbx-a")
                self.assertIn("pbx-a says RINGING since", why)
                metrics = s.ask("GET", "/metrics")[1].decode()
                self.assertIn('extstate_source_up{source="pbx-a"} 1\n', metrics)
                self.assertRegex(metrics, r'extstate_source_events_total\{source="pbx-a"\} [1-9]')
                self.assertRegex(metrics, r"(?m)^extstate_notify_sent_seconds_count [1-9]")
                self.assertRegex(metrics, r"(?m)^extstate_publish_sent_total [1-9]")
                b.run("await page.click('nav a[href=\"#sources\"]')")
                b.text("#table td", "following")
        # The PBX is gone.
        b.text("#table td.bad", "its states are stale")
        harness.wait_for("the metric", lambda: 'extstate_source_up{source="pbx-a"} 0\n' in s.ask("GET", "/metrics")[1].decode())
        b.run("await page.click('nav a[href=\"#lamps\"]'); await page.fill('#search', '1999')")
        b.text(self.lamp("1999@users"), "Unavailable")
        b.text(self.lamp("1999@users") + '[data-stale="true"]', "stale: PJSIP/zoe")
        b.run("await page.click($lamp$)", lamp=self.lamp("1999@users"))
        b.text('.now[data-stale="true"]', "Unavailable, stale")
        b.text("#panel .chain", "because pbx-a is away for longer than its grace of 1 s")
        b.run("await page.click('#history summary')")
        b.text("#panel .chain", "PJSIP/zoe counts as Unavailable for pbx-a; together Unavailable (because pbx-a is away for longer than")
        b.text("#history li", "the lamp is Unavailable, stale, was Ringing (because pbx-a is away for longer than its grace of 1 s, #")
        b.text("#panel .chain li.bad", "pbx-a is away")
        b.text("#panel .chain", "pbx-a is away, so PJSIP/zoe counts as Unavailable for it (stale)")
        # And back.
        pbx.start()
        self.addCleanup(pbx.stop)
        b.text(self.lamp("1999@users") + '[data-stale="false"]', "Ringing")
        harness.wait_for("the metric", lambda: 'extstate_source_up{source="pbx-a"} 1\n' in s.ask("GET", "/metrics")[1].decode())

    def test_what_is_kept(self):
        """A lamp that goes on as it was while its PBX is away is stale on the page at once, and told so by more than a colour; the
        telephone is told nothing."""
        b = self.browser
        with Manager({"PJSIP/zoe": "INUSE"}) as pbx:
            s = self.server(test_sources.source("pbx-a", pbx, "stale=keep\n"), "exten => 1999,hint,PJSIP/zoe,CustomPresence:zoe(Zoe)\n")
            phone = self.enterContext(Phone(s.daemon.port))
            test_sources.following(s.daemon, "pbx-a")
            harness.wait_for("the list", lambda: test_sources.lamp(s.daemon, "1999") == "InUse")
            phone.subscribe("1999")
            phone.notify()
            self.visit(s, "/#lamps/1999@users")
            b.run("await page.fill('#search', '1999')")
            b.text(self.lamp("1999@users") + '[data-stale="false"]', "In use")
        b.text(self.lamp("1999@users") + '[data-stale="true"]', "stale: Zoe")
        b.text('.now[data-stale="true"]', "In use, stale")
        b.text("#panel .chain", "so the lamp is In use, stale since")
        self.assertIn('button "1999 In use stale: Zoe"', b.run("return page.locator('body').ariaSnapshot()"))
        for scheme in ("light", "dark"):
            b.run("await page.emulateMedia({colorScheme: $scheme$})", scheme=scheme)
            self.audit()
        b.run("await page.emulateMedia({colorScheme: 'light'}); await page.fill('#search', 'stale')")
        b.text("#summary", "1 of 91 lamps")
        # A page that comes now is told by the list.
        b.run("await page.reload(); await page.fill('#search', '1999')")
        b.text(self.lamp("1999@users") + '[data-stale="true"]', "stale: Zoe")
        pbx.start()
        self.addCleanup(pbx.stop)
        b.text(self.lamp("1999@users") + '[data-stale="false"]', "In use")
        self.assertIsNone(phone.notify(test_sources.QUIET))

    def published(self, esc, word):
        """Until a PUBLISH says so; each is acknowledged."""
        for n in range(100):
            message = esc.receive()
            esc.reply(message, f"200 OK\r\nSIP-ETag: tag{n}\r\nExpires: 600")
            if word in message.body:
                return
        self.fail(f"no PUBLISH says {word}")

    def test_views(self):
        s, b = self.server(), self.browser
        with Phone(s.daemon.port) as phone:
            phone.subscribe("1000")
            phone.notify()
            self.visit(s, "/#subscriptions")
            b.text("#table", "1000@users")
            b.picture("subscriptions-light")
            for view, words in (("sources", "No other server"), ("publishers", "Nothing is published"), ("publications", "Nothing"),
                                ("received", "Nobody publishes")):
                b.run("await page.click(`nav a[href=\"#${$view$}\"]`)", view=view)
                b.text("#empty", words)
            # What cannot be asked for any more is not "nothing", and what is still shown is said to be old.
            b.run("await page.click('nav a[href=\"#subscriptions\"]')")
            b.text("#table", "1000@users")
            self.expect("ERR_")
            s.daemon.stop()
            b.text("#empty.fault", "the server does not answer")
            b.text("#table", "1000@users")
            s.daemon.start()
            b.run("await page.locator('#empty').waitFor({state: 'hidden'})")

    def test_publications_and_their_health(self):
        """One sent, which is refused in the end, and one received."""
        b = self.browser
        with Phone(0) as esc:
            s = test_http.Server("[compositor]\ndomains=127.0.0.1\ncontext=users\npublish=any\n", files={
                "pjsip.conf": PJSIP % free_port() + test_explain.PUBLISH % esc.port, "extensions.conf": extensions()})
            self.enterContext(s)
            first = esc.receive()
            self.visit(s, "/#publications")
            b.text("#table td", "1000@users")
            b.text("#table td", "an older state")
            esc.reply(first, "200 OK\r\nSIP-ETag: first\r\nExpires: 600")
            b.text("#table td", "200 OK")
            b.text("#table td", "the newest state")
            b.run("await page.click('nav a[href=\"#publishers\"]')")
            b.text("#table td", "up")
            s.daemon.set("Custom:1000", "INUSE")
            while (changed := esc.receive()).cseq == first.cseq:
                pass
            esc.reply(changed, "403 Forbidden")
            b.run("await page.click('nav a[href=\"#publications\"]')")
            b.text("#table td.bad", "403 Forbidden")
            b.run("await page.click('nav a[href=\"#received\"]')")
            b.text("#empty", "Nobody publishes")
            with Phone(s.daemon.port) as phone:
                body = compositors.dialog_info("d1:confirmed").replace("[user]@[domain]", "1001@127.0.0.1")
                phone.request("PUBLISH", f"sip:1001@127.0.0.1:{s.daemon.port}", [
                    ("Event", "dialog"), ("Expires", 600), ("Content-Type", "application/dialog-info+xml")], body)
                self.assertEqual(phone.response().status, 200)
            b.text("#table td", "1001@users")
            b.text("#table td", "application/dialog-info+xml")

    def test_a_subscription_that_was_refused(self):
        """The panel tells who was refused, and why."""
        s, b = self.server(), self.browser
        with caller(s.daemon.port, "page", "guess") as phone:
            self.assertEqual(phone.ask(phone.subscribe("1000")["WWW-Authenticate"]).status, 401)
        self.visit(s, "/#lamps/1000@users")
        b.text("#panel .chain li.bad", f"page's subscription (127.0.0.1:{phone.port}) is refused, 401 the user name or password is wrong")

    def test_what_is_no_lamp(self):
        """A resource list and the messages of an AOR, from the table of subscriptions."""
        lists = ("[desk]\ntype=resource_list\nevent=dialog\nlist_item=1002,nobody\n"
                 "[alice]\ntype=aor\nmailboxes=100@default\n")
        s, b = self.server("[journal]\nenabled = yes\n", pjsip=PJSIP % free_port() + lists), self.browser
        with Phone(s.daemon.port) as phone:
            for name, event in (("desk", "dialog"), ("alice", "message-summary")):
                self.assertEqual(phone.subscribe(name, event, headers=[("Supported", "eventlist")]).status, 200)
                phone.notify()
            s.daemon.set("Custom:1002", "RINGING", source="pbx-a")
            cseq = phone.notify().cseq
            harness.wait_for("the journal", lambda: f'"cseq": {cseq}' in json.dumps(s.daemon.tool("explain", "desk@users")))
            self.visit(s, "/#subscriptions")
            b.run("await page.click('#table a[href=\"#lamps/desk%40users\"]')")
            b.text("#panel .now, #panel p", "a resource list of 2")
            b.text("#panel .chain", "1002@users is Ringing since")
            b.text("#panel .chain", "there is nothing of the name nobody")
            b.text("#panel .chain", "desk@users has a resource list of 2, changed in 1002 (by pbx-a, #")
            b.text("#panel table td", str(cseq))
            self.assertTrue(b.run("return page.evaluate(() => document.querySelector('#by-sip').hidden)"))
            self.visit(s, "/#lamps/1002@users")
            b.text("#panel .chain", "it is in the resource list desk@users")
            b.text("#panel table td", "dialog, by the list desk")
            s.daemon.tool("mailbox", "change", "100@default", "3", "1")
            self.visit(s, "/#lamps/alice")
            b.text("#panel p", "3 new, 1 old messages")
            b.text("#panel .chain", "ctl says mailbox 100@default has 3 new, 1 old")

    def test_why_nothing_is_shown(self):
        """To one endpoint, at a time, and for a name that is none."""
        s, b = self.server("[journal]\nenabled = yes\n", "[elsewhere]\nexten => 9,hint,Custom:9\n"), self.browser
        self.visit(s, "/#lamps/9@elsewhere")
        b.text(".now", "Idle")
        self.expect("status of 404")
        b.run("await page.click('#question summary'); await page.fill('#question-endpoint', 'page'); await page.click('#question-ask')")
        b.text("#question-answer li.bad", "page looks in context users, where nothing leads to 9@elsewhere")
        b.run("await page.fill('#question-endpoint', 'nobody'); await page.click('#question-ask')")
        b.text("#question-answer .fault", 'there is no endpoint "nobody"')
        s.daemon.set("Custom:9", "BUSY")
        b.text(".now", "Busy")
        harness.wait_for("the journal", lambda: "Busy" in str(s.daemon.tool("history", "9@elsewhere", status=None)))
        b.run("""await page.evaluate(() => {
            const now = new Date(Date.now() - new Date().getTimezoneOffset() * 60000);
            document.getElementById('question-when').value = now.toISOString().slice(0, 19);
        }); await page.click('#question-ask')""")
        b.text("#question-answer", "the lamp was Busy since")
        b.text("#question-answer", "ctl says Custom:9 is Busy")
        self.visit(s, "/#lamps/100@users")
        b.text("#panel .chain li.bad", "there is no hint 100 in context users, or in what it includes; perhaps ")


class Screens(Pages):
    def test_built_without_jssip(self):
        """The page says what it lacks before anybody types a password."""
        s, b = self.server(), self.browser
        b.run("await page.route('**/jssip.js', route => route.fulfill({status: 404, body: ''}))")
        self.addCleanup(b.run, "await page.unroute('**/jssip.js')")
        self.expect("status of 404")
        self.visit(s, "/#lamps/1000@users")
        b.text("#sip-missing", "built without JsSIP")

    def test_a_wall(self):
        """A screen of 4K: larger letters, and as many lamps as there is room for."""
        s, b = self.server(), self.browser
        b.run("await page.setViewportSize({width: 3840, height: 2160})")
        self.addCleanup(b.run, "await page.setViewportSize({width: 1280, height: 800})")
        self.visit(s)
        b.text("#summary", "90 lamps in 2 contexts")
        self.assertEqual(b.run("return page.evaluate(() => document.querySelectorAll('.lamp').length)"), 90)
        self.assertGreater(b.run("return page.evaluate(() => parseFloat(getComputedStyle(document.body).fontSize))"), 20)
        self.assertEqual(b.run(CUT), [])
        b.picture("board-wall")

    def test_what_a_lamp_shows_is_not_cut(self):
        """Neither the longest state nor one beside a long number, whatever room there is."""
        s, b = self.server(hints="[mail]\nexten => voicemail-of-alice,hint,Custom:mail\nexten => 1,hint,Custom:mail\n"), self.browser
        s.daemon.set("Custom:mail", "RINGINUSE")
        s.daemon.set("Custom:1000", "RINGINUSE")
        s.daemon.set("Custom:1002", "UNAVAILABLE")
        self.addCleanup(b.run, "await page.setViewportSize({width: 1280, height: 800})")
        for width, height in ((320, 568), (390, 844), (480, 800), (1280, 800), (1366, 768), (2400, 1350), (7680, 4320)):
            with self.subTest(width=width):
                b.run("await page.setViewportSize({width: $width$, height: $height$})", width=width, height=height)
                self.visit(s)
                b.text(self.lamp("1@mail"), "In use, ringing")
                self.assertEqual(b.run(BEYOND), [])

    def test_an_address_is_kept(self):
        """What is open is so again after a reload, and closing leads to its lamp."""
        s, b = self.server(), self.browser
        self.visit(s)
        b.run("await page.click($lamp$)", lamp=self.lamp("1003@users"))
        b.text("#panel .chain", "the hint")
        b.run("await page.reload()")
        b.text("#panel .chain", "the hint")
        b.text(self.lamp("1003@users"), "On hold")
        self.assertEqual(b.run(OPENED), [["1003@users"], "#lamps/1003%40users"])
        b.run("await page.click('#panel-close')")
        self.assertEqual(b.run("return page.evaluate(() => document.activeElement.dataset.key)"), "1003@users")
        self.assertEqual(b.run(OPENED), [[], "#lamps"])

    def test_what_is_cut_off(self):
        """Nothing needs sideways scrolling on a telephone's screen, in no view."""
        s, b = self.server(), self.browser
        b.run("await page.setViewportSize({width: 360, height: 640})")
        self.addCleanup(b.run, "await page.setViewportSize({width: 1280, height: 800})")
        self.visit(s, "/#lamps/1000@users")
        b.text("#panel .chain", "the hint")
        b.picture("lamp-telephone")
        wide = "return page.evaluate(() => document.documentElement.scrollWidth - innerWidth)"
        self.assertLessEqual(b.run(wide), 0)
        self.assertEqual(b.run(CUT), [])
        for view in ("lamps", "sources", "publishers", "subscriptions", "publications", "received"):
            with self.subTest(view):
                b.run("await page.goto($url$)", url=f"http://127.0.0.1:{s.http_port}/#{view}")
                self.assertLessEqual(b.run(wide), 0)

    def test_with_the_keyboard_alone(self):
        """From the address bar to a state that is set, and back: no mouse, and the focus is never lost."""
        s, b = self.server(), self.browser
        self.visit(s)
        b.text("#live", "live")
        self.log_in()
        where = "return page.evaluate(() => document.activeElement.id || document.activeElement.dataset.key || document.activeElement.hash)"

        def keys(*names):
            for name in names:
                b.run("await page.keyboard.press($key$)", key=name)
            return b.run(where)
        b.run("await page.reload()")
        b.text("#live", "live")
        b.text(self.lamp("200@support"), "In use")
        self.assertEqual(keys("Tab"), "#main")  # skips to the lamps
        seen = []
        while not seen or "@" not in seen[-1]:
            seen.append(keys("Tab"))
            self.assertLess(len(seen), 20, seen)
        self.assertEqual(seen, ["#lamps", "#sources", "#publishers", "#subscriptions", "#publications", "#received", "search", "theme",
                                "login", "200@support"])
        keys("ArrowDown", "Enter")
        b.text("#panel-title", "20")
        self.assertEqual(b.run(where), "panel-title")
        keys("Escape")
        self.assertIn("@support", b.run(where))
        b.run("await page.goto($url$)", url=f"http://127.0.0.1:{s.http_port}/#lamps/1002@users")
        b.run("await page.locator('[id=\"set-Custom:1002-BUSY\"]').waitFor()")
        b.run("await page.focus('#panel-close')")
        for _ in range(10):
            if keys("Tab") == "set-Custom:1002-BUSY":
                break
        self.assertEqual(keys("Enter"), "set-Custom:1002-BUSY")
        b.text(".now", "Busy")
        b.run("await page.waitForFunction(() => document.getElementById('set-Custom:1002-BUSY').getAttribute('aria-pressed') === 'true')")
        self.assertEqual(b.run(where), "set-Custom:1002-BUSY")  # what was drawn anew has not taken it away

    def test_what_a_screen_reader_is_told(self):
        """Names and roles of what is there, and each change of the lamp that is looked at."""
        s, b = self.server(), self.browser
        self.visit(s, "/#lamps/1001@users")
        b.text(".now", "Ringing")
        s.daemon.set("Custom:1001", "INUSE")
        b.run("await page.waitForFunction(() => document.getElementById('announce').textContent === '1001: In use')")
        tree = b.run("return page.locator('body').ariaSnapshot()")
        for words in ('navigation "Views"', 'searchbox "Search"', 'region "Context users"', 'list "Lamps of users"', 'complementary "One lamp"',
                      'button "1001 In use', 'heading "1001@users', 'status: live'):
            self.assertIn(words, tree)

    def test_accessibility(self):
        s, b = self.server(), self.browser
        self.visit(s, "/#lamps/1000@users")
        b.text("#live", "live")
        self.log_in()
        b.text("#panel .chain", "the hint")
        for scheme in ("light", "dark"):
            b.run("await page.emulateMedia({colorScheme: $scheme$})", scheme=scheme)
            for view in ("lamps", "subscriptions"):
                b.run("await page.click(`nav a[href=\"#${$view$}\"]`)", view=view)
                with self.subTest(scheme=scheme, view=view):
                    self.audit()
        b.run("await page.click('nav a[href=\"#lamps\"]')")
        b.picture("board-dark")
        b.run("await page.emulateMedia({colorScheme: 'light'})")


if __name__ == "__main__":
    harness.main()
