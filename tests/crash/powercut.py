#!/usr/bin/env python3
"""The power goes at every block write, with real file systems. What was answered 250 before must be
queued or have arrived.

usage: TIME=seconds SEED=number tests/crash/powercut.py     (root only)

First a relay works on a disk that logs its writes. Then, for one cut after another, a disk is made as
that cut leaves it, its file system is mounted, which replays its journal, and the spool is recovered.
Two kinds of cuts take turns: after K writes in the order in which they were made; and since the last
flush any of them, one perhaps in part.
"""

import json
import os
import subprocess
import tempfile
import time

import block_device
from block_log import BlockLog, prefix_cut, reordered_cut
from campaign import LOAD, SEED, TIME_S, Campaign, Process, Relay, config_text, port_for_restarts, \
    wait_until
from powercut_record import Recording

RECORD_SHARE = 0.25  # of the time, at most
WRITES_MAX = 4000
SEGMENT = 1 << 20
PASS_MAX = 400     # cuts, spread all over the log
TWICE_EVERY = 40   # recover a second time: it must find the same
DRAINS = 3         # a file system: the relay itself starts and delivers


class FileSystem:
    def __init__(self, kind, octets, mkfs, options, tear_octets):
        self.kind, self.octets, self.mkfs, self.options = kind, octets, mkfs, options
        self.tear_octets = tear_octets  # a sector of the file system is written wholly or not

    def make(self, path):
        with open(path, "wb") as image:
            image.truncate(self.octets)
        subprocess.run([block_device.tool(self.mkfs[0]), *self.mkfs[1:], path], check=True,
                       env=dict(os.environ, **SMALL_XFS), stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)


# How the tests of XFS tell mkfs.xfs that less than 300 MB is meant.
SMALL_XFS = {"TEST_DIR": "1", "TEST_DEV": "1", "QA_CHECK_FS": "1"}

# Without delayed allocation's safety net, and with data and metadata in any order.
FILE_SYSTEMS = [
    FileSystem("ext4", 96 << 20, ["mkfs.ext4", "-q", "-b", "4096"], "noauto_da_alloc", 512),
    FileSystem("xfs", 96 << 20, ["mkfs.xfs", "-q", "-f", "-s", "size=4096", "-l", "size=8m"], "nouuid",
               4096),
    FileSystem("ext4", 96 << 20, ["mkfs.ext4", "-q", "-b", "4096"],
               "noauto_da_alloc,data=writeback", 512),
]


class Verdicts:
    """Compares what a cut left with what had happened by then."""

    def __init__(self, campaign, recording, name):
        self.campaign, self.recording, self.name = campaign, recording, name
        self.cuts = self.queued = self.due = self.set_aside = 0

    def judge(self, cut, listing):
        r, live, bad = self.recording, set(), []
        lines = listing.split("\n")
        for line in lines:
            words = line.split()
            if len(words) == 3 and int(words[0], 16) == r.run:
                live.add(int(words[1]))
                if words[2] != "ok":
                    bad.append(int(words[1]))
        due = [seq for seq, at in r.acknowledged.items() if at <= cut.safe]
        lost = [seq for seq in due
                if seq not in live and r.arrived.get(seq, cut.end + 1) > cut.end]
        invented = [seq for seq in live if r.refused.get(seq, cut.safe + 1) <= cut.safe]
        self.cuts += 1
        self.queued += len(live)
        self.due += len(due)
        self.set_aside += int(listing.rsplit("set aside ", 1)[1])
        self.campaign.check(not lost and not bad and not invented,
                            f"{self.name}: {cut}: lost {lost[:10]} ({len(lost)}), damaged {bad[:10]}, "
                            f"invented {invented[:10]}", "\n".join(lines[-2:]))
        return live


class Replay:
    """Makes the disks. Cuts must come in the order of their BASE."""

    def __init__(self, campaign, recording, fs, folder):
        self.campaign, self.recording, self.fs, self.folder = campaign, recording, fs, folder
        self.log = BlockLog(recording.log)
        self.mnt = os.path.join(folder, "cut")
        os.makedirs(self.mnt, exist_ok=True)
        self.verdicts = Verdicts(campaign, recording, f"{fs.kind} {fs.options}")

    def begin(self):
        """A disk on which nothing has been written yet."""
        grown, self.cut_image = (os.path.join(self.folder, n) for n in ("base.img", "cut.img"))
        sparse(os.path.join(self.folder, "first.img"), grown)
        self.disk = block_device.DiskCopy(grown, self.cut_image)
        self.applied = 0

    def close(self):
        self.log.close()

    def list(self):
        done = subprocess.run([LOAD, "spool", "--path", os.path.join(self.mnt, "spool"),
                               "--segment-size", str(SEGMENT)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120)
        return done.stdout.decode(errors="replace")

    def try_cut(self, cut, twice=False, drain=False):
        self.log.apply(self.disk.source, self.applied, cut.base)
        self.applied = cut.base
        self.disk.refresh()
        cut.make(self.log, self.disk.target)
        with block_device.mounted(self.cut_image, self.fs.kind, self.fs.options, self.mnt):
            listing = self.list()
            if "set aside " not in listing:
                self.campaign.check(False, f"{self.verdicts.name}: {cut}: the spool does not open",
                                    listing)
                return
            live = self.verdicts.judge(cut, listing)
            if twice:
                again = self.list()
                self.campaign.check(again == listing, f"{cut}: recovered twice, found another thing",
                                    f"{listing[-200:]}\n{again[-200:]}")
            if drain:
                self.drain(cut, live)

    def drain(self, cut, live):
        """The relay itself on what is left: everything queued must arrive."""
        c = self.campaign
        journal = os.path.join(self.folder, "drain.journal")
        open(journal, "wb").close()
        sink = Process([LOAD, "sink", "--listen", "127.0.0.1:0", "--quiet", "--journal", journal])
        at = sink.wait_line(r"listening on (\S+):(\d+)")
        port = port_for_restarts()
        relay = Relay(c.folder, config_text(os.path.join(self.mnt, "spool"), port,
                                            f"[{at.group(1)}]:{at.group(2)}"), port)

        def arrived():
            with open(journal, encoding="ascii") as lines:
                return {int(line.split()[2]) for line in lines if line.startswith("arrived ")}

        try:
            relay.start()
            wait_until(lambda: live <= arrived() or relay.ended(), "deliveries", 30)
        except AssertionError:
            pass
        ended = relay.stop()
        sink.stop()
        missing = sorted(live - arrived())
        c.check(ended == 0 and not missing, f"{self.verdicts.name}: {cut}: the relay ended with {ended} "
                f"and did not deliver {missing[:10]} ({len(missing)})", relay.tail())

    def plan(self, count):
        """COUNT cuts all over the log, in order; every entry is as likely as any other."""
        dice = self.campaign.random
        total = len(self.log)
        ends = range(1, total + 1)
        ends = sorted(dice.sample(ends, count) if count < total else
                      list(ends) + dice.choices(ends, k=count - total))
        epochs, n = self.log.epochs(), 0
        for i, end in enumerate(ends):
            while n + 1 < len(epochs) and epochs[n + 1] <= end:
                n += 1
            base = epochs[n]
            if i % 2 and base < end:
                yield reordered_cut(self.log, base, end, self.fs.tear_octets, dice)
            else:
                yield prefix_cut(base, end)

    def run(self, seconds):
        """Passes over the log, each with other cuts, until the time is over."""
        v, until, started = self.verdicts, time.monotonic() + seconds, time.monotonic()
        dice, each, drains = self.campaign.random, 0.1, 0
        while (left := until - time.monotonic()) > 0 or not v.cuts:
            count = max(30, min(PASS_MAX, int(left / each)))
            drain_at = dice.randrange(count) if drains < DRAINS else None
            self.begin()
            for i, cut in enumerate(self.plan(count)):
                self.try_cut(cut, twice=i % TWICE_EVERY == 0, drain=i == drain_at)
            self.disk.close()
            drains += 1
            each = (time.monotonic() - started) / v.cuts
        print(f"powercut: {v.name}: {v.cuts} cuts in {len(self.log)} writes "
              f"({len(self.log.epochs()) - 1} flushes, {self.log.octets >> 20} MiB), "
              f"{v.queued / v.cuts:.0f} messages queued and {v.due / v.cuts:.0f} promised at a cut, "
              f"{v.set_aside} set aside, {each * 1000:.0f} ms a cut", flush=True)


def sparse(source, target):
    copy = block_device.DiskCopy(source, target)
    copy.refresh()
    copy.close()


def keep(campaign, recording, folder):
    """What is needed to make the cuts again, beside the relay's log."""
    for name in ("first.img", os.path.basename(recording.log)):
        subprocess.run(["cp", "--sparse=always", os.path.join(folder, name), campaign.folder],
                       check=False, stdin=subprocess.DEVNULL)
    with open(campaign.path("recording.json"), "w", encoding="ascii") as out:
        json.dump({"run": f"{recording.run:016x}", "acknowledged": recording.acknowledged,
                   "arrived": recording.arrived, "refused": recording.refused}, out)


def campaign_on(campaign, fs, seconds, folder):
    first = os.path.join(folder, "first.img")
    fs.make(first)
    subprocess.run(["fallocate", "--dig-holes", first], check=False, stdin=subprocess.DEVNULL)
    sparse(first, os.path.join(folder, "disk.img"))
    started = time.monotonic()
    recording = Recording(campaign, folder, os.path.join(folder, "disk.img"), fs.kind, fs.options)
    try:
        lives = recording.record(seconds * RECORD_SHARE, WRITES_MAX)
    finally:
        recording.disk.close()
    print(f"powercut: {fs.kind} {fs.options}: {len(recording.acknowledged)} acknowledged, "
          f"{len(recording.refused)} refused, {len(recording.arrived)} arrived, in {lives} lives",
          flush=True)
    campaign.check(len(recording.acknowledged) > 100, "hardly anything was acknowledged")
    replay, failed = Replay(campaign, recording, fs, folder), campaign.failed
    try:
        replay.run(seconds - (time.monotonic() - started))
    finally:
        replay.close()
        if campaign.failed > failed:
            keep(campaign, recording, folder)


def main():
    campaign = Campaign("powercut")
    why = block_device.missing()
    if why:
        campaign.skip(why)
        campaign.finish()
    room = os.statvfs("/dev/shm")
    where = "/dev/shm" if room.f_bavail * room.f_frsize > 4 << 30 else campaign.folder
    # With little time one file system after the other gets its turn, by the seed.
    systems = FILE_SYSTEMS if TIME_S >= 90 else [FILE_SYSTEMS[SEED % len(FILE_SYSTEMS)]]
    for fs in systems:
        with tempfile.TemporaryDirectory(prefix="mailrace-powercut-", dir=where) as folder:
            try:
                campaign_on(campaign, fs, TIME_S / len(systems), folder)
            except Exception as error:  # pylint: disable=broad-except
                campaign.check(False, f"{fs.kind}: {error!r}")
    campaign.finish()


if __name__ == "__main__":
    main()
