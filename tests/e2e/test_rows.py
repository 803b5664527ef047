# SPDX-License-Identifier: MIT
"""sipp/row_*.xml: what only extstate has, or only with its own configuration, one behaviour in each. They are written in
the elements of compositors.py and these:

<file>       of a `name`, before all else: what its configuration has beyond FILES
<ctl>        commands of extstatectl, a line each. What comes before all messages is done before them; later ones are only
             begun, so that what they change has to be seen
<reload>     its <file>s take the place of the former, and `extstatectl reload`; by="SIGHUP": that signal
<published>  a PUBLISH that comes, and the answer to it. shows, hides: in its body; match: its SIP-If-Match, "none": it has
             none; tag: the entity-tag it is answered; answer: the status
<report>     a NOTIFY outside a dialog that tells messages, `by` whom, and its answer
<either>     the first PUBLISH that comes: it shows this and is answered with `tag`, or it is of another publication, which
             ends at once. Both come, in either order

A scenario that begins with what comes from extstate waits when extstate starts; calls: that many are like it, at once.
Its own port is [peer].

What is shown of the event state compositor by which of them (* is row_); each has a scenario in tests/scenario, too.

PUBLISH, its life, errors, races, expiry   esc_01 to esc_09, esc_13, test_compositor.py
who may publish what, quotas               *publish_*
conditional SUBSCRIBE (RFC 5839)           esc_26
partial publication (RFC 5264)             *diff
multipart/related                          *multipart
dialog: composed                           esc_14 to esc_18
dialog: idle, one dialog for simple phones *idle_dialog, *single_dialog
one form published, another watched        *convert_*
presence: tuples, person, devices          esc_17_presence, *person
message-summary: sums, Message-Account     esc_28_*, *messages_*
a hint and a publication                   *order_*
opaque packages                            *opaque
XML that means harm                        esc_04_*, *xml_*
Asterisk's packages                        *asterisk_in*, *asterisk_out*, test_asterisk.py
presence.winfo, dialog.winfo               *winfo_*
authorization                              *auth_*
reasons, drain                             *reason_*
"""
import pathlib
import unittest
from concurrent.futures import ThreadPoolExecutor
from xml.sax.saxutils import escape

import harness
from compositors import TYPES, Expansion, Row, text_of
from harness import HERE, Extstated, free_port, wait_for
from test_compositors import FILES as COMPOSITORS

FILES = {
    "pjsip.conf": COMPOSITORS["pjsip.conf"] + "[w2](phone)\n[w3](phone)\n",
    "extensions.conf": "[users]\n",
    "extstate.conf": "[compositor]\ndomains=example.com\ncontext=users\npublish=any\n",
}


class OwnExpansion(Expansion):
    requests = (*Expansion.requests, "report")
    incoming = ("notify", "published")

    def __init__(self, root):
        self.reloads = []  # the files of each
        steps = [step for step in root if step.tag != "file"]
        self.begin = []
        while steps[0].tag == "ctl":
            self.begin += commands(steps.pop(0))
        self.waits = steps[0].tag in ("notify", "published", "either")
        self.end = None
        super().__init__(steps)
        if self.end:
            self.element(f'<label id="{self.end}"/>')

    def execute(self, command):
        command = escape(command, {'"': "&quot;"})
        self.element(f'<nop>\n<action>\n<exec command="{command}"/>\n</action>\n</nop>')

    def ctl(self, step):
        self.execute("; ".join(f"[ctl] {command}" for command in commands(step)))

    def reload(self, step):
        tell = "kill -HUP [daemon]" if step.get("by") == "SIGHUP" else "[ctl] reload"
        self.execute(f"cp [reloads]/{len(self.reloads)}/* [config]; {tell}")
        self.reloads.append(files_of(step))

    def expected(self, step):
        if step.tag == "notify":
            return super().expected(step)
        checks = self.header_checks(step) + self.body_checks(step) + self.answer_headers()
        match = step.get("match")
        if match:
            checks.append(self.ereg("." if match == "none" else f"^ *{match} *$", "SIP-If-Match", match == "none"))
        return 'request="PUBLISH"', checks, lambda step: self.answer_published(step, step.get("tag"))

    def published(self, step):
        what, checks, reply = self.expected(step)
        self.receive(what, checks)
        reply(step)

    def answer_published(self, step, tag):
        self.answer(step, *([f"SIP-ETag: {tag}", "Expires: 3600"] if tag else []))

    def report(self, step, notify):
        self.cseq += 1
        lines = self.request("NOTIFY", step, step.get("by"), self.cseq)
        more = ["Subscription-State: active", f"Content-Type: {step.get('type', TYPES['message-summary'])}"]
        self.message(self.branch([*lines, *more]), text_of(step))
        self.answer_and_notify(step.get("expect", "200"), self.header_checks(step), notify)

    def either(self, step):
        """Each is a call of sipp's."""
        first, self.end = next(self.serial), next(self.serial)
        mine = self.variable()
        which = f'<ereg regexp="{escape(step.get("shows"))}" search_in="body" assign_to="{mine}"/>'
        self.receive('request="PUBLISH"', [which, *self.answer_headers()], f' next="{first}" test="{mine}"')
        self.answer_published(step, "other")
        self.receive('request="PUBLISH"', [self.ereg("^ *other *$", "SIP-If-Match"), self.ereg("^ *0 *$", "Expires"),
                                           *self.answer_headers()])
        self.answer_published(step, None)
        self.element(f'<nop next="{self.end}"/>\n<label id="{first}"/>')
        self.answer_published(step, step.get("tag"))


def commands(step):
    return [line.strip() for line in step.text.strip().splitlines()]


def files_of(step):
    return {file.get("name"): f"{FILES.get(file.get('name'), '')}{text_of(file)}\n" for file in step.findall("file")}


class OwnRow(Row):
    """One scenario with an extstated of its own."""

    patience = 20

    def expansion(self, root):
        self.expanded = OwnExpansion(root)
        return self.expanded

    def run(self):
        own = free_port()

        def files(texts):
            return {name: self.named(text).replace("[peer]", str(own)) for name, text in texts.items()}

        daemon = Extstated(files({**FILES, **files_of(self.root)}), ["--set", "general.stop_grace=0"])
        try:
            for number, texts in enumerate(self.expanded.reloads):
                (daemon.directory / f"reloads/{number}").mkdir(parents=True)
                for name, text in files(texts).items():
                    daemon.write(f"../reloads/{number}/{name}", text)
            if not self.expanded.waits:
                self.start(daemon)
            words = {"ctl": daemon.command(), "config": daemon.config, "reloads": daemon.directory / "reloads",
                     "daemon": daemon.process.pid if daemon.process else 0}
            with ThreadPoolExecutor(1) as pool:
                calls = 2 if self.expanded.end else int(self.root.get("calls", "1"))
                sipp = pool.submit(super().run, daemon.port, own, calls, **words)
                if self.expanded.waits:
                    wait_for("sipp", lambda: sipp.done() or listens(own))
                    self.start(daemon)
            passed, why, wire = sipp.result()
            log = "" if passed else daemon.log()[-3000:]
            daemon.stop()
            return passed, f"{why}\n{log}", wire
        finally:
            daemon.end()

    def start(self, daemon):
        daemon.start()
        for command in self.expanded.begin:
            daemon.tool(*self.named(command).split())


def listens(port):
    return f" 0100007F:{port:04X} " in pathlib.Path("/proc/net/udp").read_text()


def rows():
    return [OwnRow(path) for path in sorted((HERE / "sipp").glob("row_*.xml"), reverse=True)]  # winfo takes ten seconds


class Rows(unittest.TestCase):
    def test_rows(self):
        """All of them at once: they wait more than they work."""
        all_rows = rows()
        self.assertGreater(len(all_rows), 30)
        with ThreadPoolExecutor(12) as pool:
            results = [(row, pool.submit(row.run)) for row in all_rows]
        for row, result in results:
            with self.subTest(row.name, asks=row.asks):
                passed, why, wire = result.result()
                self.assertTrue(passed, f"wanted: {row.wants} ({row.rfc})\n{wire}\n{why}")


if __name__ == "__main__":
    harness.main()
