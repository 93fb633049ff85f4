#!/usr/bin/env python3
"""SIGKILL at random times, under load, also while it recovers; reloads in between. What was answered
250 must arrive.

usage: TIME=seconds SEED=number tests/crash/kill.py

It shows that nothing is answered before it is written, and that recovery finds it; the page cache
survives a SIGKILL, so nothing here shows that anything was synced: that is powercut.py's.
"""

import os
import time

from campaign import LOAD, TIME_S, Campaign, Process, Relay, audit, config_text, port_for_restarts, \
    wait_until

MEAN_S = 0.3
YOUNG_SHARE, YOUNG_S = 0.25, 0.03  # killed while it starts and recovers
RELOAD_SHARE = 0.3
DRAIN_S = 120
SOURCES = [  # name, octets, sessions: inline bodies, and bodies with a file of their own
    ("small", 2500, 16),
    ("large", 150000, 2),
]


class Kills:
    def __init__(self):
        self.campaign = Campaign("kill")
        self.kills = self.young = self.reloads = 0
        c = self.campaign
        self.journals = [c.path(f"{name}.journal") for name, _, _ in SOURCES]
        self.arrivals = c.path("sink.journal")
        self.sink = Process([LOAD, "sink", "--listen", "127.0.0.1:0", "--quiet", "--journal",
                             self.arrivals])
        next_hop = self.sink.wait_line(r"listening on (\S+):(\d+)")
        port = port_for_restarts()
        text = config_text(c.path("spool"), port, f"[{next_hop.group(1)}]:{next_hop.group(2)}",
                           c.random.choice(["1MB", "2MB", "8MB"]))
        self.relay = Relay(c.folder, text, port)
        self.sources = []

    def start_sources(self):
        for (_, octets, sessions), journal in zip(SOURCES, self.journals):
            self.sources.append(Process(
                [LOAD, "source", "--to", f"127.0.0.1:{self.relay.port}", "--persist", "--seconds",
                 str(int(TIME_S) + 1), "--sessions", str(sessions), "--length", str(octets),
                 "--threads", "1", "--journal", journal]))

    def once(self):
        """Start, live for a while, die. False when it died by itself."""
        dice = self.campaign.random
        young = dice.random() < YOUNG_SHARE
        life = dice.uniform(0, YOUNG_S) if young else dice.expovariate(1 / MEAN_S)
        reload_at = dice.uniform(0, life) if dice.random() < RELOAD_SHARE else None
        self.relay.start()
        if reload_at is not None:
            time.sleep(reload_at)
            self.reloads += self.relay.reload()
            life -= reload_at
        time.sleep(life)
        if not self.campaign.check(not self.relay.ended(), "the relay ended by itself",
                                   self.relay.tail()):
            return False
        self.relay.kill()
        self.kills += 1
        self.young += young
        return True

    def drain(self):
        """All that was acknowledged has arrived, or time is up. What the audit says in the end."""
        deadline = time.monotonic() + DRAIN_S
        while True:
            counts, named = audit(self.journals, [self.arrivals])
            if counts["lost"] == 0 or time.monotonic() > deadline or self.relay.ended():
                return counts, named
            time.sleep(0.25)

    def run(self):
        c = self.campaign
        self.relay.start()
        wait_until(self.relay.answers, "the relay's banner")
        self.start_sources()
        wait_until(lambda: all(os.path.exists(j) for j in self.journals), "the sources")
        self.relay.kill()
        started = time.monotonic()
        while time.monotonic() - started < TIME_S and self.once():
            pass
        self.relay.start()
        wait_until(self.relay.answers, "the relay's banner")
        for source in self.sources:
            source.wait(TIME_S + 120)
        counts, named = self.drain()
        self.judge(counts, named)

    def judge(self, counts, named):
        c = self.campaign
        per_kill = counts["duplicated"] / self.kills if self.kills else 0
        print(f"kill: {self.kills} kills ({self.young} while starting), "
              f"{self.reloads} reloads, "
              f"{counts['acknowledged']} acknowledged, {counts['delivered']} delivered, "
              f"{counts['unknown']} unanswered, {counts['duplicated']} duplicates "
              f"({per_kill:.2f} a kill)", flush=True)
        if counts["lost"] == 0 and self.kills:
            print(f"kill: the chance that a kill loses anything is below {3 / self.kills:.4f} (95 %)")
        c.check(counts["acknowledged"] > 0, "nothing was acknowledged")
        for fault in ("lost", "corrupted", "invented", "unrecorded"):
            c.check(counts[fault] == 0, f"{counts[fault]} {fault}", named)
        c.check(self.relay.stop() == 0, "the relay did not end well at SIGTERM", self.relay.tail())

    def stop(self):
        self.relay.stop()
        for source in self.sources:
            source.stop()
        self.sink.stop()


def main():
    kills = Kills()
    try:
        kills.run()
    except Exception as error:  # pylint: disable=broad-except
        kills.campaign.check(False, repr(error), kills.relay.tail() if kills.relay.process else "")
    kills.stop()
    kills.campaign.finish()


if __name__ == "__main__":
    main()
