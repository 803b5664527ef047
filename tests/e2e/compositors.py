# SPDX-License-Identifier: MIT
"""sipp/esc_*.xml: what an event state compositor is asked, whoever it is. They are sipp scenarios in a few elements of
their own, each of them a message and its checks; this makes plain sipp of them, runs it, and tells what went over the
wire.

<publish>    a PUBLISH and its answer. expect: the status, or several, a|b; match: an entity-tag saved before, or text;
             save: the new one; same: it must be one saved before; expires; dialogs: "ID:STATE ...", a dialog-info
             document with them (state: full or partial, version); its text, of a type: any other body; by: who
             publishes; call: which of its Call-IDs; user: another resource; repeat: the former once more, to the byte.
             In its text <times> is n times the same, and [open] a bracket
<subscribe>  a SUBSCRIBE and its answer; by: who watches; call: which of the Call-IDs; user: another resource; in: in the
             dialog of that Call-ID, or in one of another tag; cseq: by how much it grows; branch: the former once more,
             come by another way
<notify>     a NOTIFY, before or after the answer to what precedes it. of: the Call-ID it belongs to, where there are
             several; shows, hides: in its body; state: Subscription-State; version, cseq: "any", "+1" or "higher" than the former;
             etag: save its SIP-ETag; same: it is one saved before; within: ms in which it comes; answer: what it is
             answered, "later" by <answer>
<silence>    ms in which nothing comes
<differ>     tags: saved ones, no two of which are equal
<server>     does: what is done to the server, which this scenario then has for itself: "kill" or "stop", and it is started
             again; "lock", "unlock": its store. What is sent after it is sent until it is answered
<header>     in a request or the answer to a NOTIFY: one more
<check>      in an answer or a NOTIFY: this header is like that
"""
import contextlib
import errno
import itertools
import json
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import threading
import time
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from xml.sax.saxutils import escape

from harness import BUILD, HERE, Message, Phone, Subscription, run_sipp

TYPES = {"dialog": "application/dialog-info+xml", "presence": "application/pidf+xml",
         "message-summary": "application/simple-message-summary",
         "asterisk-devicestate": "application/json", "asterisk-mwi": "application/json"}
SERVERS = ("extstate", "kamailio", "kamailio-sqlite")
SEEN = HERE / "compositors_seen.txt"
ANSWER_HEADERS = ("Via", "From", "To", "Call-ID", "CSeq")
IDLE = r"<state>(confirmed|early|trying|proceeding)"  # what an idle document does not have


def dialog_info(dialogs, state="full", version="0"):
    rows = "".join(f'<dialog id="{name}"><state>{at}</state></dialog>'
                   for name, _, at in (dialog.partition(":") for dialog in dialogs.split()))
    return (f'<?xml version="1.0"?>\n<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="{version}" '
            f'state="{state}" entity="sip:[user]@[domain]">{rows}</dialog-info>')


def text_of(step):
    repeated = ((times.text * int(times.get("n")), times.tail or "") for times in step.findall("times"))
    return ((step.text or "") + "".join(itertools.chain.from_iterable(repeated))).strip()


def within(step):
    return f' timeout="{step.get("within")}"' if step.get("within") else ""


class Expansion:
    """Plain sipp for one scenario."""

    requests = ("publish", "subscribe")
    incoming = ("notify",)  # what may come before the answer to what precedes it

    def __init__(self, root):
        self.lines = []
        self.variables = []  # every one of them has to be used once more
        self.serial = itertools.count(1)
        self.cseq = 0
        self.subscription = None  # the text of the last SUBSCRIBE, without its branch
        self.publication = None
        self.again = ""  # how requests are sent: with what repeats them
        steps = list(root)
        while steps:
            step = steps.pop(0)
            if step.tag in self.requests:
                notify = steps.pop(0) if steps and steps[0].tag in self.incoming else None
                getattr(self, step.tag)(step, notify)
            else:
                getattr(self, step.tag)(step)
        self.lines.append(f'<Reference variables="{",".join(self.variables)}"/>' if self.variables else "")

    def text(self, name):
        return "\n".join([f'<?xml version="1.0"?>\n<scenario name="{name}">', *self.lines, "</scenario>"])

    def variable(self, name=None):
        name = name or f"v{next(self.serial)}"
        if name not in self.variables:
            self.variables.append(name)
        return name

    def element(self, text):
        self.lines.append(text)

    def message(self, lines, body="", again=""):
        text = "\n".join([*lines, f"Content-Length: {'[len]' if body else 0}", "", body])
        self.element(f"<send{again}>\n<![CDATA[\n{text}\n]]>\n</send>")

    # ---- checks ----

    def ereg(self, regexp, header=None, negate=False, save=None):
        where = f'search_in="hdr" header="{header}:"' if header else 'search_in="body"'
        check = "check_it_inverse" if negate else "check_it"
        regexp = escape(regexp, {'"': "&quot;"})
        return f'<ereg regexp="{regexp}" {where} {check}="true" assign_to="{save or self.variable()}"/>'

    def receive(self, what, actions, more=""):
        self.element(f'<recv {what}{more}>\n<action>\n' + "\n".join(actions) + "\n</action>\n</recv>"
                     if actions else f"<recv {what}{more}/>")

    def header_checks(self, step):
        return [self.ereg(check.get("is"), check.get("header")) for check in step.findall("check")]

    def body_checks(self, step):
        checks = [(step.get("shows"), False), (step.get("hides"), True)]
        return [self.ereg(regexp.replace("IDLE", IDLE), negate=negate) for regexp, negate in checks if regexp]

    def answer_headers(self):
        return [self.ereg(".*", header, save=self.variable("last" + header.replace("-", "")))
                for header in ANSWER_HEADERS]

    def equal(self, first, second, wanted):
        compared, result = self.variable(), self.variable()
        check = "check_it" if wanted else "check_it_inverse"
        return [f'<strcmp assign_to="{compared}" variable="{first}" variable2="{second}"/>',
                f'<test assign_to="{result}" variable="{compared}" compare="equal" value="0" {check}="true"/>']

    def differ(self, step):
        pairs = itertools.combinations(step.get("tags").split(), 2)
        actions = [line for a, b in pairs for line in self.equal(a, b, False)]
        self.element("<nop>\n<action>\n" + "\n".join(actions) + "\n</action>\n</nop>")

    def silence(self, step):
        self.element(f'<pause milliseconds="{step.get("ms", "300")}"/>')

    def server(self, step):
        command = f"echo {step.get('does')} | tee [server]"  # sipp would take &gt; as it stands there
        # sipp waits for no command, and a server under the thread sanitizer takes a while to be ended.
        pause = 1000 if "lock" in step.get("does") else 3000
        self.element(f'<nop>\n<action>\n<exec command="{command}"/>\n</action>\n</nop>\n<pause milliseconds="{pause}"/>')
        self.again = ' retrans="500"'

    # ---- messages ----

    def request(self, method, step, who, cseq, to=""):
        target = f"sip:{step.get('user', '[user]')}@[domain]"
        lines = [f"{method} {target if not to else 'sip:[remote_ip]:[remote_port]'} SIP/2.0",
                 "Via: SIP/2.0/UDP [local_ip]:[local_port];rport;branch=[BRANCH]",
                 "Max-Forwards: 70",
                 f"From: <sip:{who}@[local_ip]>;tag=[pid]{who}",
                 f"To: <{target}>{to}",
                 f"Call-ID: {step.get('call', who)}///[call_id]",
                 f"CSeq: {cseq} {method}"]
        event = step.get("event", "dialog")
        lines += [f"Event: {event}"] if event != "none" else []
        if method == "SUBSCRIBE":
            lines += [f"Contact: <sip:{who}@[local_ip]:[local_port]>"]
        if step.get("accept"):
            lines.append(f"Accept: {step.get('accept')}")
        if step.get("expires", "600") != "none":
            lines.append(f"Expires: {step.get('expires', '600')}")
        return lines + [header.text for header in step.findall("header")]

    def publish(self, step, notify):
        if not step.get("repeat"):
            self.cseq += 1
            lines = self.request("PUBLISH", step, step.get("by", "p1"), self.cseq)
            match = step.get("match")
            if match:
                lines.append(f"SIP-If-Match: {f'[${match}]' if match in self.variables else match}")
            body = text_of(step)
            if step.get("dialogs") is not None:
                body = dialog_info(step.get("dialogs"), step.get("state", "full"), step.get("version", "0"))
            if body:
                lines.append(f"Content-Type: {step.get('type') or TYPES[step.get('event', 'dialog')]}")
            self.publication = self.branch(lines), body
        self.message(*self.publication, self.again)
        actions = self.header_checks(step)
        if step.get("expect", "200") == "200":
            saved = self.variable(step.get("save"))
            actions.append(self.ereg(r"[^ ]+", "SIP-ETag", save=saved))
            if step.get("same"):
                actions += self.equal(saved, step.get("same"), True)
        self.answer_and_notify(step.get("expect", "200"), actions, notify)

    def branch(self, lines):
        return [line.replace("[BRANCH]", f"z9hG4bK[pid]x[call_number]y{next(self.serial)}") for line in lines]

    def subscribe(self, step, notify):
        who, to = step.get("by", "w1"), ""
        dialog = f"dialog{step.get('call', who)}"
        if step.get("in"):
            to = step.get("in") if step.get("in").startswith(";") else f"[${dialog}]"
        if step.get("branch") is None:
            self.cseq += int(step.get("cseq", "1"))
            self.subscription = self.request("SUBSCRIBE", step, who, self.cseq, to)
        self.message(self.branch(self.subscription), again=self.again)
        actions = self.header_checks(step)
        if step.get("expect", "200") == "200" and not to:
            actions.append(self.ereg(";tag=[^;]+", "To", save=self.variable(dialog)))
        self.answer_and_notify(step.get("expect", "200"), actions, notify)

    def answer_and_notify(self, status, actions, notify):
        """Nothing says which of the two comes first."""
        if notify is None:
            return self.answer_only(status, actions)
        early, done = next(self.serial), next(self.serial)
        what, checks, reply = self.expected(notify)
        self.receive(what, checks, f' optional="true" next="{early}"')
        self.answer_only(status, actions)
        self.receive(what, checks, f'{within(notify)} next="{done}"')
        self.element(f'<label id="{early}"/>')
        self.answer_only(status, actions)
        self.element(f'<label id="{done}"/>')
        reply(notify)

    def expected(self, step):
        return 'request="NOTIFY"', self.notify_checks(step), self.reply

    def answer_only(self, status, actions):
        """One of several: all but the last are optional."""
        *others, last = status.split("|")
        if not others:
            return self.receive(f'response="{last}"', actions)
        done = next(self.serial)
        for other in others:
            self.receive(f'response="{other}"', actions, f' optional="true" next="{done}"')
        self.receive(f'response="{last}"', actions)
        self.element(f'<label id="{done}"/>')

    def notify_checks(self, step):
        actions = self.header_checks(step) + self.body_checks(step)
        actions.append(self.ereg(step.get("state", "active"), "Subscription-State"))
        if step.get("of"):
            actions.append(self.ereg(f"^ *{step.get('of')}///", "Call-ID"))
        for name, where in (("version", None), ("cseq", "CSeq")):
            if step.get(name):
                actions += self.counted(name, step.get(name), where)
        if step.get("etag"):
            actions.append(self.ereg("[^ ]+", "SIP-ETag", save=self.variable(step.get("etag"))))
        if step.get("same"):
            actions.append(self.ereg("[^ ]+", "SIP-ETag", save=self.variable("again")))
            actions += self.equal("again", step.get("same"), True)
        return actions + self.answer_headers()

    def counted(self, name, value, header):
        number, now, following, one = (self.variable(name + part) for part in ("text", "now", "next", "all"))
        actions = [self.ereg("([0-9]+) NOTIFY" if header else r'<dialog-info[^>]* version="([0-9]+)', header,
                             save=f"{one},{number}"),
                   f'<todouble assign_to="{now}" variable="{number}"/>']
        compare = {"+1": "equal", "higher": "greater_than_equal"}.get(value)
        if compare:
            actions.append(f'<test assign_to="{self.variable()}" variable="{now}" compare="{compare}" '
                           f'variable2="{following}" check_it="true"/>')
        return [*actions, f'<todouble assign_to="{following}" variable="{number}"/>',
                f'<add assign_to="{following}" value="1"/>']

    def notify(self, step):
        self.receive('request="NOTIFY"', self.notify_checks(step), within(step))
        self.reply(step)

    def reply(self, step):
        if step.get("answer") != "later":
            self.answer(step)

    def answer(self, step, *more):
        """To the last request, whatever came after it."""
        lines = [f"SIP/2.0 {step.get('answer', '200 OK')}", "Contact: <sip:w1@[local_ip]:[local_port]>"]
        lines += [f"{header}: [$last{header.replace('-', '')}]" for header in ANSWER_HEADERS]
        self.message([*lines, *more, *(header.text for header in step.findall("header"))])


class Row:
    """One scenario: what is asked, and what the RFC wants."""

    expansion = Expansion
    patience = 12  # seconds

    def __init__(self, path):
        self.root = ET.parse(path).getroot()
        self.name = path.stem
        self.row, self.asks, self.wants, self.rfc = (self.root.get(key) for key in ("row", "asks", "wants", "rfc"))
        self.does = {step.get("does") for step in self.root.iter("server")}
        self.slow = self.root.get("patience") is not None
        self.alone = self.slow or bool(self.does)  # on a server of its own
        self.patience = int(self.root.get("patience", self.patience))
        self.text = self.named(self.expansion(self.root).text(self.name))

    def named(self, text):
        return text.replace("[user]", self.name.replace("_", "-")).replace("[domain]",
                                                                           self.root.get("domain", "example.com"))

    def run(self, port, own=None, calls=1, **words):
        """Did it pass, why not, and what went over the wire. `words` replace [name] in it."""
        text = self.text
        for word, value in words.items():
            text = text.replace(f"[{word}]", escape(str(value), {'"': "&quot;"}))
        with tempfile.TemporaryDirectory(prefix="extstate-sipp-") as directory:
            path = pathlib.Path(directory) / f"{self.name}.xml"
            path.write_text(text)
            done = run_sipp(path, port, self.patience, ["-key", "open", "[", "-m", str(calls)], own)
            logs = {kind: "".join(p.read_text(errors="replace") for p in pathlib.Path(directory).glob(f"*_{kind}.log"))
                    for kind in ("errors", "messages")}
        return done.returncode == 0, logs["errors"] or done.stderr, wire(logs["messages"])


class Race:
    """A hundred sockets are more than a scenario has."""

    name, row, rfc = "race", "9", "3903 6"
    does, slow, alone = (), False, False
    asks, wants = "a hundred PUBLISHes with one entity-tag at once", "one 200, 99 times 412"

    def run(self, port):
        phones = [Phone(port, "p1") for _ in range(100)]
        try:
            statuses = self.race(phones)
        finally:
            for phone in phones:
                phone.socket.close()
        seen = ", ".join(f"{statuses.count(status)} times {status}" for status in sorted(set(statuses)))
        return statuses.count(200) == 1 and statuses.count(412) == 99, seen, seen

    def race(self, phones):
        tag = self.publish(phones[0], None).response()["SIP-ETag"]
        for phone in phones:
            self.publish(phone, tag)
        return [phone.response(8).status for phone in phones]

    def publish(self, phone, tag):
        body = dialog_info(f"d{phone.port}:confirmed").replace("[user]@[domain]", "race@example.com")
        headers = [("Event", "dialog"), ("Expires", 600), ("SIP-If-Match", tag), ("Content-Type", TYPES["dialog"])]
        phone.request("PUBLISH", "sip:race@example.com", headers, body)
        return phone


class Crowd:
    """A thousand watchers are, too."""

    name, row, rfc = "crowd", "29", "none"
    does, slow, alone = (), False, True
    asks = "a thousand watchers of one resource: five changes one by one, then twenty at once"
    wants = "each is told each of the five, and the last of the twenty"

    def run(self, port, **_):
        words = ("--domain example.com --from p1 --watchers 1000 --resources 1 --patience 10 --json - "
                 "subscribe fanout:n=5,window=1 fanout:n=20,rate=200")
        done = subprocess.run([BUILD / "tools/extstate-bench", "--server", f"127.0.0.1:{port}", *words.split()],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        one_by_one, at_once = map(json.loads, done.stdout.splitlines()[-2:])
        seen = f"{one_by_one['operations']} NOTIFYs, then {1000 - at_once['wrong']} are right"
        return seen == "5000 NOTIFYs, then 1000 are right", done.stderr, seen


class Stuck:
    """How long somebody else waits is no step of a scenario."""

    name, row, rfc = "stuck", "29", "none"
    does, slow, alone = (), False, True
    asks = "a large body for a thousand watchers who then answer nothing; another resource changes meanwhile, five times"
    wants = "its watcher is told each time within half a second"
    limit = 0.5

    def run(self, port, **_):
        with Phone(port, "p1") as publisher, Phone(port, "w1") as crowd, Phone(port, "w1") as other:
            crowd.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            for _ in range(1000):
                self.watch(crowd, "stuck")
            self.watch(other, "spry")
            many = " ".join(f"d{i}:confirmed" for i in range(200))
            self.publish(publisher, "stuck", many)
            waits = [self.change(publisher, other, state) for state in ("early", "confirmed") * 2 + ("early",)]
            told = crowd.receive(1)
        late = sum(wait > self.limit for wait in waits)
        seen = f"{len(told.body) // 10000}0 kB to the thousand, {late} of 5 late" if told else "nothing to the thousand"
        return bool(told) and not late, f"{[round(1000 * wait, 1) for wait in waits]} ms", seen

    def change(self, publisher, other, state):
        """Seconds until the watcher is told."""
        begin = time.monotonic()
        self.publish(publisher, "spry", f"a{time.monotonic_ns()}:{state}")
        while True:
            told = other.notify(8)
            if not told or state in told.body:
                return time.monotonic() - begin

    def watch(self, phone, user):
        phone.request("SUBSCRIBE", f"sip:{user}@example.com", [("Event", "dialog"), ("Expires", 600)])
        phone.response()
        phone.notify()

    def publish(self, phone, user, dialogs):
        body = dialog_info(dialogs).replace("[user]@[domain]", f"{user}@example.com")
        headers = [("Event", "dialog"), ("Expires", 600), ("Content-Type", TYPES["dialog"])]
        phone.request("PUBLISH", f"sip:{user}@example.com", headers, body)
        phone.response()


class TcpPhone(Phone):
    """Over TCP until hang_up(), and over UDP from then on."""

    def __init__(self, server, user):
        self.stream = None
        while not self.stream:
            super().__init__(server, user)
            try:
                self.stream = socket.create_connection(("127.0.0.1", server), 8, ("127.0.0.1", self.port))
            except OSError as error:
                self.socket.close()
                if error.errno != errno.EADDRINUSE:  # free for UDP, but not for TCP: then another one
                    raise
        self.lines = self.stream.makefile("rb")

    def hang_up(self):
        self.lines.close()
        self.stream.close()
        self.stream = None

    def send(self, text):
        if self.stream:
            self.stream.sendall(text.encode())
        else:
            super().send(text)

    def receive(self, patience=8):
        if not self.stream:
            return super().receive(patience)
        self.stream.settimeout(patience)
        head = b"".join(iter(self.lines.readline, b"\r\n")) + b"\r\n"
        return Message(head + self.lines.read(int(Message(head)["Content-Length"])))

    def reply(self, message, answer):
        names = ("Via", "From", "To", "Call-ID", "CSeq")
        headers = "".join(f"{name}: {value}\r\n" for name in names for value in message.all(name))
        self.send(f"SIP/2.0 {answer}\r\n{headers}Content-Length: 0\r\n\r\n")


class HungUp:
    """sipp keeps its connections."""

    name, row, rfc = "hung_up", "30", "none; 3261 8.1.3.1, 6665 4.2.2"
    asks = "the TCP connection of a watcher is closed; a change"
    wants = "the subscription is gone at once, nothing comes over UDP"
    does, slow, alone = ("tcp",), False, True

    def run(self, port, **_):
        seen = self.hang_up(port)
        return seen == "nothing over UDP, SUBSCRIBE 481", seen, seen

    def hang_up(self, port):
        with Phone(port, "p1") as publisher, TcpPhone(port, "w1") as watcher:
            contact = ("Contact", f"<sip:w1@127.0.0.1:{watcher.port};transport=tcp>")
            via = ("Via", f"SIP/2.0/TCP 127.0.0.1:{watcher.port};rport;branch=z9hG4bK{watcher.port}")
            event = [("Event", "dialog"), ("Expires", 600)]
            watcher.request("SUBSCRIBE", "sip:hung_up@example.com", [via, contact, *event])
            dialog = Subscription(watcher.response())
            watcher.notify()
            watcher.hang_up()
            publisher.request("PUBLISH", "sip:hung_up@example.com", [*event, ("Content-Type", TYPES["dialog"])],
                              dialog_info("a:early").replace("[user]@[domain]", "hung_up@example.com"))
            publisher.response()
            stray = watcher.receive(1)
            watcher.request("SUBSCRIBE", dialog.target, [*event, ("To", dialog.to), ("Call-ID", dialog.call_id)])
            return f"{'NOTIFY' if stray else 'nothing'} over UDP, SUBSCRIBE {watcher.response().status}"


def wire(log):
    """What a trace of sipp says, in a few words: PUBLISH 200 NOTIFY[active v1 a early] ..."""
    words = []
    for message in re.split(r"^-{20,}.*\n", log, flags=re.M):
        sent, _, text = message.partition(":\n\n")
        start = text.split("\n", 1)[0].split()
        if not start or re.search("^CSeq: .* BYE", text, re.M):  # sipp's own, when it gives up
            continue
        if start[0] == "NOTIFY":
            words.append(f"NOTIFY[{notified(text)}]")
        elif "received" in sent and start[0] == "SIP/2.0":
            told = re.findall(r"^(?:Min-Expires|Accept|Allow-Events): *[^\r\n]*", text, re.M | re.I)
            words.insert(answered(words), start[1] + (f"[{' '.join(told)}]" if told and start[1] >= "300" else ""))
        elif start[0] != "SIP/2.0":
            words.append(start[0])
    # What ends a scenario is in its trace twice, and what is sent again more often.
    return " ".join(word for word, former in zip(words, [None, *words]) if word != former)


def answered(words):
    """Where an answer belongs: no matter which is first, it or the NOTIFYs."""
    return len(words) - sum(1 for _ in itertools.takewhile(lambda word: word.startswith("NOTIFY"), reversed(words)))


def notified(text):
    state = re.search(r"^Subscription-State: *([^;\r\n]*(?:;reason=\w+)?)", text, re.M | re.I)
    body = re.split(r"\r?\n\r?\n", text, maxsplit=1)[-1].strip()
    version = re.findall(r'<dialog-info[^>]* version="(\d+)', body)
    shown = re.findall(r'<(?:dialog|tuple) [^>]*?id="([^"]*)|<state>(\w+)|<basic>(\w+)', body)
    shown = [re.sub(r"^(\w)-[0-9a-f]+$", r"\1-N", "".join(one)) for one in shown]  # any number makes an id unique
    words = [state.group(1) if state else "", *(f"v{number}" for number in version), *shown]
    return " ".join(words if version or shown else [*words, ", ".join(body.split("\n"))[:60] or "no body"])


def rows():
    return sorted([*(Row(path) for path in (HERE / "sipp").glob("esc_*.xml")), Race(), Crowd(), Stuck(), HungUp()],
                  key=lambda row: (int(row.row), row.name))


def run_all(make, all_rows):
    """All of them at once, each on a resource of its own; (row, passed, why not, wire) in order. make(row) is a server
    for this row alone, make(None) one for all the others."""
    def run(row):
        if not row.alone:
            return row, *row.run(shared.port)
        with make(row) as server, obedient(server) as orders:
            return row, *row.run(server.port, server=orders)

    with make(None) as shared, ThreadPoolExecutor(12) as pool:
        return list(pool.map(run, all_rows))


@contextlib.contextmanager
def obedient(server):
    """It does what is written into this file."""
    def obey():
        with open(path) as orders:
            for order in iter(orders.readline, "end\n"):
                getattr(server, order.strip())()
                if not server.process:
                    server.start()

    path = server.directory / "orders"
    os.mkfifo(path)
    thread = threading.Thread(target=obey)
    thread.start()
    with open(path, "w") as orders:  # open as long as the scenario runs: those that write close it
        try:
            yield path
        finally:
            orders.write("end\n")
            orders.flush()
            thread.join()


def asked(server, row):
    """Not what it does not have; and Kamailio with a database only what is done to servers."""
    lacks = {"extstate": set(), "kamailio": {"lock"}, "kamailio-sqlite": {"tcp"}}[server]
    return not lacks.intersection(row.does) and (bool(row.does) or server != "kamailio-sqlite")


def recorded(server, row):
    """When Kamailio tells what has expired depends on where its clean_period stands, and which of many changes it tells
    first on its processes. Of extstate's NOTIFY and its 503 when the disk begins to fail either may be the first."""
    return asked(server, row) and row.row not in (("10",) if server == "extstate" else ("13", "23"))


def seen():
    """What each server did when doc/interop/compositors.md was written: a line for each scenario and server."""
    return {tuple(line.split()[:2]): line for line in SEEN.read_text().splitlines()}


def write_seen(lines):
    order = [(row.name, server) for row in rows() for server in SERVERS if recorded(server, row)]
    SEEN.write_text("".join(f"{lines[key]}\n" for key in order if key in lines))


def seen_line(row, server, passed, what):
    return f"{row.name} {server} {'as wanted' if passed else 'NOT as wanted'}: {what}"
