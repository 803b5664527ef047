#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The soak: extstated under a steady load for hours, with telephones that come, go, fall silent and come back elsewhere. At
the end of each minute every lamp must be right; at the end its memory, descriptors and files must not have grown. See
README.md."""
import argparse
import collections
import csv
import math
import os
import pathlib
import random
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import peers  # noqa: E402
from harness import TOP, Extstated, free_port  # noqa: E402
from peers import STATES, Connection, Device, Publisher, Watcher, Wire  # noqa: E402

LAMPS = 10  # of a telephone, the last one its mailbox's
MIB = 2 ** 20
# column -> how much more at the end than after the warm-up is nothing, whatever the error of the slope
GROWS = {"rss_bytes": MIB / 4, "anonymous_bytes": MIB / 4, "heap_bytes": MIB / 16, "fds": 0.9, "threads": 0.9, "db_bytes": MIB / 4, "wal_bytes": MIB / 4,
         "told_bytes": MIB / 4}
ERRORS = 3  # of the slope; what is nearer to 0 is noise
ENOUGH = 20  # samples after the first quarter, that a slope is judged by
TCP = "[tcp]\ntype=transport\nprotocol=tcp\nbind=127.0.0.1:{port}\n"
PUBLISH = """
[{name}]
type=outbound-publish
server_uri=sip:127.0.0.1:{port}
event={event}
multi_user=yes
@exten=^1
@body={body}
"""


class Telephone:
    def __init__(self, kind):
        self.kind = kind  # of its wire
        self.wire = None
        self.watchers = []
        self.away_until = None  # it does not answer


def slope(points):
    """Least squares: of [(x, y)] the rise of y for 1 of x, and the standard error of that."""
    n = len(points)
    mean_x, mean_y = (sum(p[i] for p in points) / n for i in (0, 1))
    xx = sum((x - mean_x) ** 2 for x, _ in points)
    rise = sum((x - mean_x) * (y - mean_y) for x, y in points) / xx
    rest = sum((y - mean_y - rise * (x - mean_x)) ** 2 for x, y in points)
    return rise, math.sqrt(rest / (n - 2) / xx)


def grows(points, nothing):
    """Is that more than noise, and more than nothing?"""
    rise, error = slope(points)
    return rise > ERRORS * error and rise * (points[-1][0] - points[0][0]) > nothing


def growth(rows):
    """The table, and the columns that grow."""
    lines = [f"| | after {rows[0]['second'] / 60:.0f} min | after {rows[-1]['second'] / 60:.0f} min | least | most "
             "| slope, per hour | its standard error |", "|---|--:|--:|--:|--:|--:|--:|"]
    grown = []
    for column, nothing in GROWS.items():
        points = [(row["second"] / 3600, row[column]) for row in rows]
        values = [value for _, value in points]
        rise, error = slope(points)
        grown += [column] if grows(points, nothing) else []
        lines.append(f"| {column.replace('_', ', ')} | {values[0]:,} | {values[-1]:,} | {min(values):,} | {max(values):,} "
                     f"| {rise:+,.1f} | {error:,.1f} |")
    lines += ["", f"Grown: {', '.join(grown) or 'nothing'}."]
    return "\n".join(lines) + "\n", grown


class Soak(peers.Peers):
    patience = 10  # seconds: a NOTIFY that was not answered for long is repeated every 4

    def __init__(self, options):
        super().__init__()
        self.options = options
        self.life = options.life
        own = self.open()
        self.devices = [Device(i) for i in range(options.phones)]
        self.publishers = [Publisher(i, own) for i in range(options.phones // 2)]
        self.mailboxes = {f"box{i}": "0/0" for i in range(max(1, options.phones // 5))}
        extensions = [s.extension for s in (*self.devices, *self.publishers)]
        self.telephones = [Telephone(Wire if i % 4 else Connection) for i in range(options.phones)]
        for i, telephone in enumerate(self.telephones):
            for lamp in range(LAMPS - 1):
                self.watch(telephone, extensions[(i + 7 * lamp) % len(extensions)])
            self.watch(telephone, list(self.mailboxes)[i % len(self.mailboxes)], "message-summary")
        self.round = []
        self.compositor = self.open()
        self.published = {}  # (package, extension) -> entity-tag and what was published
        self.answered = {}  # Call-ID -> the last Via, and the answer's lines
        self.tags = 0
        self.silent = {}  # publishers that have gone without a word -> until when what they said lives
        self.reloads = 0
        self.next_step = time.monotonic()
        self.second = free_port()
        self.rows = []

    def watch(self, telephone, extension, event="dialog"):
        w = Watcher(len(self.watchers), extension, None, event)
        w.telephone = telephone
        telephone.watchers.append(w)
        self.watchers.append(w)

    def files(self, more):
        """The configuration; `more` is what every other reload takes away again."""
        n = len(self.devices)
        boxes = "".join(f"[{box}]\ntype=aor\nmailboxes={box}@default\n" for box in self.mailboxes)
        esc = {"port": self.compositor.port}
        pjsip = peers.PJSIP_CONF + TCP + boxes + PUBLISH.format(name="esc", event="dialog", body="application/dialog-info+xml", **esc)
        if more:
            pjsip += PUBLISH.format(name="esc-presence", event="presence", body="application/pidf+xml", **esc)
            pjsip += (f"[second]\ntype=transport\nprotocol=udp\nbind=127.0.0.1:{self.second}\n"
                      "[carol](phone)\n[dave](phone)\n")
        return {"pjsip.conf": pjsip, "extensions.conf": peers.extensions_conf(n + (n if more else 0)),
                "extstate.conf": peers.EXTSTATE_CONF}

    # ---- what happens ----

    def on_notify(self, wire, message):
        w = self.by_call.get(message["Call-ID"])
        if w and w.telephone.away_until:
            self.count["NOTIFYs not answered"] += 1
            return
        super().on_notify(wire, message)

    def on_publish(self, wire, message):
        """As a compositor that forgets now and then. `published` is what it shows."""
        if self.answered.get(message["Call-ID"], (None,))[0] != message["Via"]:  # else it is sent again
            self.answered[message["Call-ID"]] = message["Via"], self.compose(message)
        self.answer(wire, message, *self.answered[message["Call-ID"]][1])

    def compose(self, message):
        """The answer's lines."""
        key = message["Event"], message.start.split("sip:")[1].split("@")[0]
        tag, shows = self.published.pop(key, (None, None))
        if message["SIP-If-Match"] and (message["SIP-If-Match"] != tag or random.random() < 0.01):
            self.count["PUBLISHes answered 412"] += 1
            return ["412 Conditional Request Failed"]
        self.count["PUBLISHes of the server"] += 1
        self.tags += 1
        if message["Expires"] != "0":
            self.published[key] = str(self.tags), message.body or shows
        return ["200 OK", f"SIP-ETag: {self.tags}", f"Expires: {min(60, int(message['Expires']))}"]

    def come_back(self, telephone):
        """After it was away or somewhere else: it asks again for all that it watches."""
        telephone.away_until = None
        for w in telephone.watchers:
            w.doubtful = True
            if w.to and not w.exchange:
                self.subscribe(w)

    def move(self, telephone, forgetful):
        """Another port; as a telephone that has lost its power it subscribes anew, and the former subscriptions are dead."""
        former, telephone.wire = telephone.wire, self.open(telephone.kind)
        for w in telephone.watchers:
            self.abandon(w)
            w.wire = telephone.wire
            if forgetful:
                self.forget(w)
                self.subscribe(w)
        if former:
            self.close(former)
        if not forgetful:
            self.come_back(telephone)

    def fall_silent(self, p):
        """Its publication ends by itself."""
        self.silent[p] = time.monotonic() + self.life + 2
        p.tag, p.possible = None, {p.state, "terminated"}

    def speak_again(self, now):
        for p, until in list(self.silent.items()):
            if now > until:
                p.state, p.possible = "terminated", {"terminated"}
                del self.silent[p]

    def set_mailbox(self):
        box, new, old = random.choice(list(self.mailboxes)), random.randrange(9), random.randrange(9)

        def done():
            self.mailboxes[box] = f"{new}/{old}"
            self.count["mailboxes acknowledged"] += 1
        if not self.commands:  # so that the last one asked for is the last one acknowledged
            self.command(done, command="mailbox.set", mailbox=f"{box}@default", new=new, old=old)

    def visit(self):
        """Each watcher in its turn, so that none expires."""
        if not self.round:
            self.round = random.sample(self.watchers, len(self.watchers))
        w = self.round.pop()
        if not w.exchange and not w.telephone.away_until:
            self.subscribe(w, 0 if w.to and random.random() < 0.08 else None)

    def step(self):
        """One thing that somebody wants."""
        dice = random.random()
        if dice < 0.33:
            self.change(random.choice(self.devices), random.choice(list(STATES)))
        elif dice < 0.47:
            p = random.choice(self.publishers)
            if p.tag and not p.exchange and random.random() < 0.01:
                self.fall_silent(p)
            elif not p.exchange and p not in self.silent:
                self.publish_something(p)
        elif dice < 0.50:
            self.set_mailbox()
        elif dice < 0.51:
            telephone = random.choice(self.telephones)
            if telephone.away_until:
                return
            self.count["telephones that moved or fell silent"] += 1
            how = random.random()
            if how < 0.5:
                telephone.away_until = time.monotonic() + random.uniform(0.1, 12)
            else:
                self.move(telephone, forgetful=how < 0.75)
        else:
            self.visit()

    def load(self, until):
        while True:
            now = time.monotonic()
            if now >= until:
                return
            if now >= self.next_step:
                self.next_step = max(self.next_step + 1 / self.options.rate, now - 0.1)
                self.speak_again(now)
                for telephone in self.telephones:
                    if telephone.away_until and now > telephone.away_until:
                        self.come_back(telephone)
                self.step()
            self.turn(max(0, self.next_step - time.monotonic()))

    def reload(self):
        self.reloads += 1
        for name, text in self.files(more=self.reloads % 2).items():
            self.daemon.write(name, text)

        def done():
            self.count["reloads"] += 1
        self.command(done, command="reload")

    # ---- looking ----

    def look(self):
        """Everybody is at home and asks for nothing: is every lamp what was acknowledged?"""
        for telephone in self.telephones:
            if telephone.away_until:
                self.come_back(telephone)
        self.until(lambda: not self.commands and not self.exchanges)
        self.quiet()
        for p in self.silent:  # one knows only when it has ended
            p.possible = {p.state, "terminated"}
        truth = {d.extension: {STATES[s] for s in d.possible} for d in self.devices}
        truth |= {p.extension: p.possible for p in self.publishers}
        truth |= {box: {counts} for box, counts in self.mailboxes.items()}
        self.compare_lamps(truth, f"minute {len(self.rows) + 1}", self.patience)
        self.count["lamps looked at"] += sum(1 for w in self.watchers if w.to)
        self.compare_published(truth)

    def compare_published(self, truth):
        def wrong():
            return [d for d in self.devices
                    if peers.lamp_of(self.published.get(("dialog", d.extension), (0, ""))[1]) not in truth[d.extension]]
        self.until(lambda: not wrong(), self.patience)
        for d in wrong():
            self.fault("lamps wrong", f"at the compositor: {self.published.get(('dialog', d.extension))}, not {truth[d.extension]}")

    def sample(self, begun):
        pid = self.daemon.process.pid
        proc = pathlib.Path("/proc") / str(pid)
        memory = (proc / "status").read_text()

        def resident(name):
            return int(re.search(rf"{name}:\s+(\d+) kB", memory).group(1)) * 1024
        fields = (proc / "stat").read_text().rpartition(")")[2].split()
        sizes = collections.Counter()
        row = {"second": round(time.monotonic() - begun),
               "rss_bytes": resident("VmRSS"), "anonymous_bytes": resident("RssAnon"),
               "fds": len(os.listdir(proc / "fd")), "threads": len(os.listdir(proc / "task"))}
        for path in (self.daemon.directory / "state").iterdir():
            kind = {"extstate.db": "db_bytes", "extstate.db-wal": "wal_bytes"}.get(path.name, "told_bytes")
            sizes[kind] += path.stat().st_size if path.name.startswith(("extstate.db", "told.")) else 0
        status = self.daemon.tool("status")[0]
        notifier = status["notifier"]
        row |= {"heap_bytes": sum(n for name, n in notifier.items() if name.endswith("_bytes")) + status["publications"]["bytes"],
                "db_bytes": sizes["db_bytes"], "wal_bytes": sizes["wal_bytes"], "told_bytes": sizes["told_bytes"],
                "subscriptions": notifier["subscriptions"], "publications": status["publications"]["publications"],
                "publications_sent": status["publisher"]["publications"],
                "commits": status["store"]["commits"], "records": status["store"]["records"],
                "notifies": notifier["notify_sent"], "timeouts": notifier["notify_timeout"],
                "lamps": self.count["lamps looked at"], "lamps_wrong": self.count["lamps wrong"],
                "server_cpu_s": sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK"),
                "peers_cpu_s": round(time.process_time(), 2), "load": round(os.getloadavg()[0], 2)}
        self.rows.append(row)

    def write_rows(self):
        with open(self.options.results / "soak.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(self.rows)

    def run(self):
        options = self.options
        options.results.mkdir(parents=True, exist_ok=True)
        with Extstated(self.files(more=False)) as self.daemon:
            self.connect()
            for telephone in self.telephones:
                self.move(telephone, forgetful=True)
                self.turn(0.01)
            begun = time.monotonic()
            minutes = max(1, round(options.seconds / options.minute))
            for minute in range(1, minutes + 1):
                end = begun + minute * options.minute
                self.load(begun + (minute - 0.5) * options.minute)
                self.reload()
                self.load(end - min(2, options.minute / 4))
                self.look()
                self.sample(begun)
                self.write_rows()
            sound = self.report(begun)
            self.disconnect()
        return 0 if sound else 1  # ended in order, which is where a sanitizer speaks

    def report(self, begun):
        last = self.rows[-1]
        seconds = time.monotonic() - begun
        print(f"{seconds:.0f} s, seed {self.options.seed}: server {last['server_cpu_s'] / seconds:.1%} of a core, peers "
              f"{last['peers_cpu_s'] / seconds:.1%}")
        for name, n in sorted(self.count.items(), key=lambda item: (item[0] in peers.FAULTS, item[0])):
            print(f"  {name:58} {n}")
        sound = not any(self.count[fault] for fault in peers.FAULTS)
        steady = [row for row in self.rows if row["second"] >= self.options.seconds / 4]
        if len(steady) < ENOUGH:
            print(f"too short to say what grows: {len(steady)} samples after the warm-up")
            return sound
        text, grown = growth(steady)
        (self.options.results / "soak.md").write_text(text)
        print("\n" + text)
        return sound and not (grown and self.options.judge)


def options_of(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=7200, help="of which the first quarter does not count for what grows")
    parser.add_argument("--minute", type=float, default=60, help="seconds between two looks")
    parser.add_argument("--phones", type=int, default=100, help="of ten lamps each")
    parser.add_argument("--rate", type=int, default=100, help="things that somebody wants, a second")
    parser.add_argument("--life", type=int, default=90, help="seconds of a subscription or publication")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--no-judge", dest="judge", action="store_false", help="growth is no failure: for a sanitizer, which "
                        "keeps what was freed")
    parser.add_argument("--results", type=pathlib.Path, default=TOP / "bench/results")
    options = parser.parse_args(arguments)
    options.seed = options.seed if options.seed is not None else random.getrandbits(32)
    random.seed(options.seed)
    return options


if __name__ == "__main__":
    sys.exit(Soak(options_of()).run())
