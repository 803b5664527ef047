# SPDX-License-Identifier: MIT
"""The same campaign against Debian's Kamailio with db_sqlite, for comparison: publications and subscriptions, as it has no states."""
import sqlite3
import time

import campaign
from harness import Kamailio

MODES = {  # publ_cache, subs_db_mode, db_update_period (s) of its module presence
    "write-through": (0, 1, 100),
    "write-back": (1, 2, 100),
    "write-back-1s": (1, 2, 1),
    "database": (0, 3, 100),
}
TABLES = "/usr/share/kamailio/db_sqlite"


class DurableKamailio(Kamailio):
    def __init__(self, mode):
        super().__init__()
        file = self.directory / "presence.db"
        with sqlite3.connect(file) as database:
            for name in ("standard", "presence"):
                with open(f"{TABLES}/{name}-create.sql", encoding="utf-8") as text:
                    database.executescript(text.read())
        publ_cache, subs_db_mode, db_update_period = MODES[mode]
        config = self.directory / "kamailio.cfg"
        text = config.read_text()
        settings = [f'modparam("{module}", "db_url", "sqlite:///{file}")\n' for module in ("presence", "presence_xml")]
        settings.append(f'modparam("presence", "db_update_period", {db_update_period})\n')
        settings.append(f'modparam("db_sqlite", "db_set_journal_mode", "{file}=WAL")\n')
        for old, new in (("children=2", "children=1"),  # two of them find the file locked and answer 500
                         ('loadmodule "kex.so"', 'loadmodule "kex.so"\nloadmodule "db_sqlite.so"'),
                         ("request_route {", "".join(settings) + "request_route {"),
                         ('"publ_cache", 2', f'"publ_cache", {publ_cache}'),
                         ('"subs_db_mode", 0', f'"subs_db_mode", {subs_db_mode}')):
            assert old in text
            text = text.replace(old, new)
        config.write_text(text)


    def start(self):
        """As whoever looks after it would: it is started once more when it ends while it starts."""
        self.failed_starts = 0
        while True:
            try:
                super().start()
                return
            except AssertionError as error:
                self.kill()
                self.failed_starts += 1
                if self.failed_starts == 3:
                    raise
                print("a start failed:", "".join(line for line in str(error).splitlines(True)[-40:] if "INFO" not in line))


class Campaign(campaign.Campaign):
    def __init__(self, options):
        options.devices = options.registrants = 0
        super().__init__(options)

    def server(self):
        return DurableKamailio(self.options.mode)

    def restart(self, environment=None):
        super().restart(environment)
        self.count["starts that failed"] += self.daemon.failed_starts
        return True

    def connect(self):
        pass

    def truth(self):
        return {p.extension: {p.state} for p in self.publishers}

    def settled(self):
        """It does not say what it has heard: who shows the truth, and has been told nothing for a while, without loss."""
        self.quiet(0.5, 5)
        truth = self.truth()
        return {w.number: w.lamp()[2] for w in self.watchers
                if w.to and not w.exchange and w.lamp()[2] in truth[w.extension]}


campaign.main(Campaign, [("--mode", {"choices": MODES, "default": "write-through"})])
