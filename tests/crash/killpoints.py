#!/usr/bin/env python3
"""The relay dies at every kill point of core/kill_point.h, under load. What was answered 250 must arrive.

usage: TIME=seconds SEED=number tests/crash/killpoints.py      (after: make crash)

First every point has its turn: a life that dies when it first comes there. Then each dies at one chosen
point, by its odds, or at any; the points that were hit least come first. Some are only passed when something else goes wrong, which is then arranged: the kernel refuses writes, a
file is damaged, a client hangs up.
"""

import contextlib
import glob
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def names_of(build):
    """The kill points of a build, or none."""
    program = os.path.join(build, "bin", "mailrace")
    with contextlib.suppress(OSError):
        done = subprocess.run([program, "--kill-points"], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=20)
        if done.returncode == 0:
            return done.stdout.decode().split()
    return []


BUILDS = [os.environ.get("MAILRACE_BUILD") or "", os.path.join(HERE, "..", "..", "build", "crash")]
os.environ["MAILRACE_BUILD"] = next((b for b in BUILDS if b and names_of(b)), BUILDS[1])

# The harness looks for the programs when it is imported.
from campaign import LOAD, MAILRACE, TIME_S, Campaign, Process, Relay, audit, config_text, \
    port_for_restarts, spool_of_four_logs, wait_until  # noqa: E402
from harness import Sink, free_port  # noqa: E402

KILLED = 137       # core/kill_point.h
LEAST = 25         # points there must be
LIFE_S = 2.5       # without having come to its point
FIRST_LIFE_S = 1.5 # the same, when every point has its turn
TRIES_MAX = 12     # in vain
DRAIN_S = 120
ANY_SHARE = 0.25   # of the lives: any point
REFUSES, DEFERS = "refused.test", "deferred.test"
SOURCES = [("small", 2500, 8), ("large", 150000, 2)]
WHEN_WRITES_FAIL = {"spool_group_failed", "spool_segment_poisoned", "spool_unhealthy", "spool_healed",
                    "spool_txn_refused"}
WHEN_DAMAGED = ["spool_aside_written", "spool_aside_big_moved", "spool_aside_message"]
WHEN_NEW = ["spool_root_made", "spool_segment_begun", "spool_segment_prewritten",
            "spool_segment_created", "spool_segment_named"]  # later segments are used again instead
WHEN_OLD = ["spool_log_renamed", "spool_ended_file_removed"]
OLD_MESSAGES = 56  # in spool_of_four_logs()


class MortalRelay(Relay):
    def start(self, kill=None):  # pylint: disable=arguments-differ
        env = dict(os.environ, MAILRACE_KILL=kill or "")
        with open(self.log, "ab") as log:
            self.said = log.tell()
            # Signals that are ignored here stay so: SIGXFSZ, when writes are refused.
            self.process = subprocess.Popen([MAILRACE, "run", "-c", self.file], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, env=env, restore_signals=False)

    def died_at(self):
        """The points that its output names, since it was started."""
        with open(self.log, "rb") as log:
            log.seek(self.said)
            return re.findall(r"^killed at (\w+)$", log.read().decode(errors="replace"), re.MULTILINE)

    def writes_fail(self, fail):
        limit = 0 if fail else resource.RLIM_INFINITY
        with contextlib.suppress(OSError):
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


class Nuisance:
    """Clients with mail that the next hop refuses or puts off, or that hang up within a message."""

    def __init__(self, port):
        self.port = port
        self.stopping = False
        self.sink = Sink(self.answer)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    @staticmethod
    def answer(verb, argument, _session):
        if verb == "RCPT":
            return b"550 5.1.1 nobody" if REFUSES.encode() in argument else b"451 4.7.1 later"
        return None

    def converse(self, domain, whole):
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as s:
            lines = s.makefile("rb")
            for command in (b"", b"HELO client.test\r\n", b"MAIL FROM:<a@src.test>\r\n",
                            b"RCPT TO:<b@%s>\r\n" % domain.encode(), b"DATA\r\n"):
                s.sendall(command)
                if lines.readline()[:1] not in (b"2", b"3"):
                    return
            s.sendall(b"Subject: nuisance\r\n\r\n" + b"text\r\n" * (30 if whole else 20000))
            if whole:
                s.sendall(b".\r\n")
                lines.readline()

    def run(self):
        turn = 0
        while not self.stopping:
            turn += 1
            with contextlib.suppress(OSError):
                self.converse((REFUSES, DEFERS)[turn % 2], turn % 3 != 0)
            time.sleep(0.02)

    def stop(self):
        self.stopping = True
        self.thread.join(10)
        self.sink.close()


class KillPoints:
    def __init__(self, campaign, names):
        c = self.campaign = campaign
        self.hits = dict.fromkeys(names, 0)
        self.tries = dict.fromkeys(names, 0)
        self.lives = 0
        self.journals = [c.path(f"{name}.journal") for name, _, _ in SOURCES]
        self.arrivals = c.path("sink.journal")
        self.sink = Process([LOAD, "sink", "--listen", "127.0.0.1:0", "--quiet", "--journal",
                             self.arrivals])
        hop = self.sink.wait_line(r"listening on (\S+):(\d+)")
        self.hop = f"[{hop.group(1)}]:{hop.group(2)}"
        self.sources = []
        self.nuisance = None

    def relay(self, name, port, hop, segment_size="1MB", more=""):
        folder = self.campaign.path(name)
        os.makedirs(folder, exist_ok=True)
        text = config_text(os.path.join(folder, "spool"), port, hop, segment_size, more)
        return MortalRelay(folder, text, port)

    def took(self, point):
        self.hits[point] = self.hits.get(point, 0) + 1

    # --- what happens to one life ---

    def disturb(self, relay, point, began):
        """What POINT needs to be passed, a little each time."""
        age = time.monotonic() - began
        if point in WHEN_WRITES_FAIL:
            relay.writes_fail(0.3 < age < 0.8)
        elif point.startswith("reload_") or (not point and age > 0.5):
            relay.reload()

    def live(self, relay, kill, point, most=LIFE_S):
        """A life that is to end at POINT (any: ""). True when it did."""
        relay.start(kill)
        began = time.monotonic()
        while not relay.ended() and time.monotonic() - began < most:
            self.disturb(relay, point, began)
            time.sleep(0.01)
        self.lives += 1
        if not relay.ended():
            relay.kill()
            return False
        good = relay.process.returncode == KILLED
        self.campaign.check(good, f"the relay ended by itself with {relay.process.returncode}, "
                                  f"MAILRACE_KILL={kill}", "" if good else relay.tail())
        for name in ([point] if point and good else relay.died_at() if good else []):
            self.took(name)
        return good

    # --- points that need a spool of their own ---

    def new_spools(self):
        for point in WHEN_NEW:
            if point not in self.hits:
                continue
            relay = self.relay(f"new-{point}", port_for_restarts(), self.hop)
            self.live(relay, f"1/1::{point}", point, 10)
            relay.start()
            self.campaign.check(wait_until(relay.answers, "the relay's banner"), point)
            self.campaign.check(relay.stop() == 0, f"after {point} it did not end well", relay.tail())

    def older_logs(self):
        """Logs that 0.1.0 made are delivered, and end at the next start."""
        for point in WHEN_OLD:
            if point not in self.hits:
                continue
            sink = Sink()
            relay = self.relay(f"old-{point}", port_for_restarts(), sink.host)
            spool = os.path.join(relay.folder, "spool")
            spool_of_four_logs(spool)
            relay.start()
            wait_until(lambda s=sink: len(s.messages) >= OLD_MESSAGES, "what is in the logs")
            self.campaign.check(relay.stop() == 0, f"before {point} it did not end well", relay.tail())
            self.live(relay, f"1/1::{point}", point, 10)
            relay.start()
            self.campaign.check(wait_until(relay.answers, "the relay's banner"), point)
            self.campaign.check(relay.stop() == 0, f"after {point} it did not end well", relay.tail())
            self.campaign.check(not glob.glob(f"{spool}/log-*"), f"after {point} a log is left")
            self.campaign.check(len(sink.messages) == OLD_MESSAGES, f"{len(sink.messages)} deliveries")
            sink.close()

    def damaged_spool(self):
        """One message in a segment and one in a file are damaged: its folder and its journal."""
        port = port_for_restarts()
        relay = self.relay("damaged", port, f"[127.0.0.1]:{free_port()}")
        journal = self.campaign.path("damaged.journal")
        relay.start()
        wait_until(relay.answers, "the relay's banner")
        for count, octets in ((12, 3000), (4, 100000)):
            subprocess.run([LOAD, "source", "--to", f"127.0.0.1:{port}", "--messages", str(count),
                            "--sessions", "1", "--threads", "1", "--length", str(octets),
                            "--journal", journal], check=True, stdout=subprocess.DEVNULL)
        relay.kill()
        spool = os.path.join(relay.folder, "spool")
        with open(sorted(glob.glob(f"{spool}/big/*"))[1], "r+b") as big:
            big.truncate(10)
        for name in sorted(glob.glob(f"{spool}/segments/seg-*")):
            with open(name, "r+b") as segment:
                texts = [m.start() for m in re.finditer(b"X-Mailrace-Load", segment.read())]
                if len(texts) > 5:
                    segment.seek(texts[5] + 400)
                    segment.write(b"\0")
        with open(os.path.join(spool, "segments", "seg-ffe"), "wb") as segment:
            segment.write(b"rubbish" * 1000)
        os.chmod(os.path.join(spool, "segments", "seg-ffe"), 0o600)
        return spool, journal

    def damaged(self):
        spool, journal = self.damaged_spool()
        for point in WHEN_DAMAGED + ["spool_recover_file_aside"]:
            if point not in self.hits:
                continue
            arrivals = self.campaign.path(f"{point}.journal")
            sink = Process([LOAD, "sink", "--listen", "127.0.0.1:0", "--quiet", "--journal", arrivals])
            hop = sink.wait_line(r"listening on (\S+):(\d+)")
            relay = self.relay(f"damaged-{point}", port_for_restarts(),
                               f"[{hop.group(1)}]:{hop.group(2)}")
            shutil.copytree(spool, os.path.join(relay.folder, "spool"), copy_function=shutil.copy)
            self.live(relay, f"1/1::{point}", point, 10)
            relay.start()
            counts = self.drained(relay, [journal], arrivals, 2)
            self.campaign.check((counts["lost"], counts["delivered"], counts["corrupted"]) == (2, 14, 0),
                                f"after {point} the undamaged 14 of 16 are not all delivered",
                                f"{counts}\n{relay.tail()}")
            relay.stop()
            sink.stop()

    # --- under load ---

    def choose(self):
        """The point that was hit least, and odds that let it be passed a few times first."""
        dice = self.campaign.random
        apart = set(WHEN_DAMAGED + WHEN_NEW + WHEN_OLD)
        names = [n for n in self.hits if n not in apart and self.tries[n] < TRIES_MAX + self.hits[n]]
        fresh = [n for n in names if not self.hits[n] and not self.tries[n]]
        if fresh:
            return dice.choice(fresh), 1
        if not names or dice.random() < ANY_SHARE:
            return "", dice.choice([30, 300, 3000])
        least = min(self.hits[n] + self.tries[n] for n in names)
        point = dice.choice([n for n in names if self.hits[n] + self.tries[n] == least])
        return point, 1 if self.tries[point] else dice.choice([1, 3, 10])

    def plant_rubbish(self, relay):
        path = os.path.join(relay.folder, "spool", "segments", "seg-ffe")
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))

    def under_load(self, deadline):
        c = self.campaign
        port = port_for_restarts()
        self.nuisance = Nuisance(port)
        more = f''', {{ name = "Refuse"; address_spaces = [ "{REFUSES}", "{DEFERS}" ];
    dns_routing_enabled = false; smart_hosts = [ "{self.nuisance.sink.host}" ]; }}'''
        relay = self.relay("load", port, self.hop, "1MB", more)
        relay.start()
        wait_until(relay.answers, "the relay's banner")
        self.start_sources(port, max(1, int(deadline - time.monotonic())))
        relay.kill()
        while time.monotonic() < deadline and not c.failed:
            point, odds = self.choose()
            if point == "spool_recover_file_aside":
                self.plant_rubbish(relay)
            if point == "spool_segment_unlinked":  # segments of another size are not used again
                relay.write(config_text(os.path.join(relay.folder, "spool"), port, self.hop,
                                        c.random.choice(["1MB", "2MB", "3MB"]), more))
            kill = f"1/{odds}:{c.random.getrandbits(32)}" + (f":{point}" if point else "")
            fresh = point and not self.hits[point] and not self.tries[point]
            hit = self.live(relay, kill, point, FIRST_LIFE_S if fresh else LIFE_S)
            if point and not hit:
                self.tries[point] += 1
        relay.start()
        wait_until(relay.answers, "the relay's banner")
        for source in self.sources:
            source.wait(120)
        self.judge(relay, self.drained(relay, self.journals, self.arrivals, 0))

    def start_sources(self, port, seconds):
        for (_, octets, sessions), journal in zip(SOURCES, self.journals):
            self.sources.append(Process(
                [LOAD, "source", "--to", f"127.0.0.1:{port}", "--persist", "--seconds", str(seconds),
                 "--sessions", str(sessions), "--length", str(octets), "--threads", "1", "--journal",
                 journal]))
        wait_until(lambda: all(os.path.exists(j) for j in self.journals), "the sources")

    def drained(self, relay, journals, arrivals, lost):
        """What the audit says when no more than LOST messages are missing, or time is up."""
        deadline = time.monotonic() + DRAIN_S
        while True:
            counts, _ = audit(journals, [arrivals])
            if counts["lost"] <= lost or time.monotonic() > deadline or relay.ended():
                return counts
            time.sleep(0.25)

    def judge(self, relay, counts):
        c = self.campaign
        print(f"killpoints: {self.lives} lives, {counts['acknowledged']} acknowledged, "
              f"{counts['delivered']} delivered, {counts['duplicated']} duplicates", flush=True)
        c.check(counts["acknowledged"] > 0, "nothing was acknowledged")
        for fault in ("lost", "corrupted", "invented", "unrecorded"):
            c.check(counts[fault] == 0, f"{counts[fault]} {fault}", relay.tail())
        c.check(relay.stop() == 0, "the relay did not end well at SIGTERM", relay.tail())

    def report(self):
        missed = sorted(n for n, hits in self.hits.items() if hits == 0)
        print(f"killpoints: {len(self.hits) - len(missed)} of {len(self.hits)} points were hit"
              + (f", not: {' '.join(missed)}" if missed else ""), flush=True)
        for name in missed:  # in a short run not every point has its turn
            self.campaign.check(self.tries[name] < TRIES_MAX, f"{name} was never hit, though tried "
                                                              f"{self.tries[name]} times")

    def stop(self):
        if self.nuisance:
            self.nuisance.stop()
        for source in self.sources:
            source.stop()
        self.sink.stop()


def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    campaign = Campaign("killpoints")
    names = names_of(os.environ["MAILRACE_BUILD"])
    if not names:
        campaign.skip("no build has kill points: make crash")
        campaign.finish()
    deadline = time.monotonic() + TIME_S
    campaign.check(len(names) >= LEAST, f"only {len(names)} kill points")
    campaign.check(len(set(names)) == len(names), "a kill point's name is used twice")
    kills = KillPoints(campaign, names)
    try:
        kills.new_spools()
        kills.older_logs()
        kills.damaged()
        kills.under_load(deadline)
        kills.report()
    except Exception as error:  # pylint: disable=broad-except
        campaign.check(False, repr(error))
    kills.stop()
    campaign.finish()


if __name__ == "__main__":
    main()
