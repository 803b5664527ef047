# SPDX-License-Identifier: MIT
"""The crash campaign: extstated under load is killed at random moments, or at each write of its store, and whoever talks
to it has written down what was acknowledged. After each restart nothing of that may be missing. See README.md."""
import argparse
import collections
import os
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
import peers  # noqa: E402
from harness import BUILD, Extstated, Phone  # noqa: E402
from peers import STATES, Device, Publisher, Registrant, Watcher  # noqa: E402

DEVICES = PUBLISHERS = REGISTRANTS = 8
FILES = {
    "pjsip.conf": peers.PJSIP_CONF + peers.registrants_conf(REGISTRANTS), "extensions.conf": peers.extensions_conf(DEVICES),
    "extstate.conf": peers.EXTSTATE_CONF + "[registrar]\nenabled=yes\n",
}
FAULTS = (*peers.FAULTS, "NOTIFYs in excess", "did not start")


class Pings(threading.Thread):
    """OPTIONS every 5 ms until one is answered: `seconds` after it began."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.seconds, self.ended = port, None, threading.Event()
        self.begun = time.monotonic()
        self.start()

    def run(self):
        with Phone(self.port) as phone:
            while not self.ended.is_set():
                phone.request("OPTIONS", f"sip:127.0.0.1:{self.port}")
                if phone.receive(0.005):
                    self.seconds = time.monotonic() - self.begun
                    return

    def stop(self):
        """Seconds, or None when there was no answer."""
        self.join(1)
        self.ended.set()
        self.join()
        return self.seconds


class Campaign(peers.Peers):
    def __init__(self, options):
        super().__init__()
        self.options = options
        self.count.update({fault: 0 for fault in FAULTS})
        wire = self.open()
        self.devices = [Device(i) for i in range(options.devices)]
        self.publishers = [Publisher(i, wire) for i in range(PUBLISHERS)]
        self.registrants = [Registrant(i, wire) for i in range(options.registrants)]
        extensions = [s.extension for s in (*self.devices, *self.publishers)]
        self.watchers = [Watcher(i, extensions[i % len(extensions)], wire) for i in range(options.watchers)]
        self.after_restart = None  # NOTIFYs since, for each watcher
        self.start_s = []

    def on_notify(self, wire, message):
        w = super().on_notify(wire, message)
        if w and self.after_restart is not None:
            self.after_restart[w.number] += 1

    # ---- load ----

    def step(self):
        """One thing that somebody wants."""
        dice = random.random()
        if dice < 0.35 and self.devices:
            self.change(random.choice(self.devices), random.choice(list(STATES)))
        elif dice < 0.45 and self.registrants:
            r = random.choice(self.registrants)
            if not r.exchange:
                self.register(r, random.randrange(2), 0 if random.random() < 0.4 else None)
        elif dice < 0.65:
            p = random.choice(self.publishers)
            if not p.exchange:
                self.publish_something(p)
        else:
            w = random.choice(self.watchers)
            if not w.exchange:
                self.subscribe(w, 0 if w.to and random.random() < 0.1 else None)

    def load(self, seconds):
        self.loss = self.options.loss / 100
        if not self.control:
            self.connect()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.step()
            self.turn(1 / self.options.rate)
            if self.daemon.process.poll() is not None:  # at a write
                break
        self.loss = 0

    # ---- killing, and looking ----

    def kill(self):
        if self.daemon.process.poll() is None:
            self.daemon.kill()
        else:
            self.daemon.process = None
        self.disconnect()
        self.count["kills"] += 1

    def restart(self, environment=None):
        """False: it was killed while it started."""
        self.daemon.environment = dict(os.environ, **(environment or {}))
        pings = Pings(self.daemon.port)
        try:
            self.daemon.start()
        except AssertionError as error:
            if not environment:
                self.fault("did not start", str(error)[-500:])
                raise SystemExit(1) from error
            return False
        finally:
            seconds = pings.stop()
            self.start_s += [seconds] if seconds else []
        return True

    def truth(self):
        """What each extension shows now. States are asked for; what was not acknowledged may be either."""
        now = {p.extension: {p.state} for p in self.publishers}
        rows = {row["device"]: row["state"] for row in self.daemon.tool("devstate", "list", "Custom:", status=None)}
        for d in self.devices:
            found = rows.get(d.name, "NOT_INUSE")
            if found not in d.possible:
                self.fault("states lost", f"{d.name}: {found}, not {d.possible}")
            d.state, d.asked, d.possible = found, None, {found}
            now[d.extension] = {STATES[found]}
        return now

    def verify(self, settled):
        """`settled`: watchers to whom nothing was owed, and what each showed."""
        self.quiet()
        truth = self.truth()
        self.compare_lamps(truth, "before a refresh")
        self.count["watchers to whom nothing was owed"] += len(settled)
        for w in self.watchers:
            n = self.after_restart[w.number]
            self.count["NOTIFYs at restarts"] += n
            if w.number in settled and n > (w.lamp()[2] != settled[w.number]):
                self.fault("NOTIFYs in excess", f"{w.extension} {w.call_id}: {n}, and it showed {settled[w.number]}")
        self.after_restart = None
        for w in self.watchers:
            if w.to and not w.exchange:
                self.subscribe(w)
        for p in self.publishers:
            if p.tag and not p.exchange:
                self.publish(p)
        for r in self.registrants:
            if not r.exchange:
                self.register(r)
        self.quiet()
        self.compare_lamps(truth, "after a refresh")

    def settled(self):
        """Nobody asks for anything. Which answers have not got lost on their way to the server it alone knows."""
        self.quiet(0.06, 1)
        asked = {s.extension for s in (*self.devices, *self.publishers) if len(s.possible) > 1}
        heard = {row["local_tag"] for row in self.daemon.tool("subscriptions", status=None)
                 if not row["outstanding"] and row["told_sequence"] == row["current_sequence"]}
        self.turn(0)
        return {w.number: w.lamp()[2] for w in self.watchers
                if w.tag in heard and not w.exchange and w.extension not in asked}

    def at_a_moment(self, number):
        """Who was owed nothing, and what he showed. Every other time that is not known."""
        self.load(random.uniform(0.2, 1.8) * self.options.seconds_between)
        return self.settled() if number % 2 else {}

    def at_a_write(self, number):
        """Those of before, if it ends while it starts. If later, when is not known."""
        self.load(0.1)
        settled = self.settled()
        self.kill()
        self.after_restart = collections.Counter()
        if not self.restart({"EXTSTATE_KILL_AT": str(number)}):
            self.count["of them while it started"] += 1
            return settled
        self.after_restart = None
        self.load(3)
        return {}

    def one_kill(self, number):
        settled = self.at_a_write(number) if self.options.boundaries else self.at_a_moment(number)
        self.kill()
        self.after_restart = self.after_restart or collections.Counter()
        self.restart()
        self.connect()
        self.verify(settled)

    def server(self):
        daemon = Extstated(FILES, workers=2)
        if self.options.boundaries:
            daemon.program = BUILD / "tests/crash/extstated_faulty"
        return daemon

    def run(self):
        options = self.options
        with self.server() as self.daemon:
            begun = time.monotonic()
            try:
                for number in range(1, options.kills + 1):
                    self.one_kill(number)
            except BaseException:
                self.report(begun)
                raise
            self.disconnect()
            self.report(begun)
        return any(self.count[fault] for fault in FAULTS)

    def report(self, begun):
        starts = sorted(self.start_s)
        print(f"{self.count['kills']} kills in {time.monotonic() - begun:.0f} s, seed {self.options.seed}, "
              f"{self.options.loss} % lost each way")
        print(f"  {'serving again after':58} {starts[len(starts) // 2] * 1000:.0f} ms (median), {starts[-1] * 1000:.0f} ms at most")
        for name, n in sorted(self.count.items(), key=lambda item: (item[0] in FAULTS, item[0])):
            print(f"  {name:58} {n}")


def main(campaign=Campaign, extra=()):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--seconds-between", type=float, default=0.4)
    parser.add_argument("--watchers", type=int, default=64)
    parser.add_argument("--devices", type=int, default=DEVICES, help="whose states are set, at most as many as there are")
    parser.add_argument("--registrants", type=int, default=REGISTRANTS, help="AORs with two telephones, at most as many")
    parser.add_argument("--loss", type=int, default=5, help="of 100 datagrams, each way")
    parser.add_argument("--rate", type=int, default=400, help="things that somebody wants, a second")
    parser.add_argument("--boundaries", action="store_true", help="killed at the 1st, 2nd, ... write of the store instead")
    for name, keys in extra:
        parser.add_argument(name, **keys)
    options = parser.parse_args()
    options.seed = options.seed if options.seed is not None else random.getrandbits(32)
    random.seed(options.seed)
    sys.exit(campaign(options).run())


if __name__ == "__main__":
    main()
