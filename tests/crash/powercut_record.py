"""The recording half of powercut.py: a relay on a disk that logs its writes, clients that note how long
the log was when they were answered, and a next hop that does so when a message arrived."""

import contextlib
import os
import socket
import threading
import time

from block_device import LoggedDisk
from campaign import Relay, config_text, port_for_restarts, wait_until
from harness import Sink, free_port

TAG = b"X-Mailrace-Load: "
SESSIONS = 8
DEFER_SHARE = 0.15  # answered 451 at first
HOLD_SHARE = 0.1    # to a host that is down: they stay
BACKLOG_MAX = 150   # so that segments become free and are used again
LENGTHS = [(200, 3000, 0.85), (10000, 50000, 0.11), (70000, 150000, 0.04)]  # the last: files


def fnv(state, text):
    for octet in text:
        state = (state ^ octet) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return state


class Texts:
    """Bodies with their checksums, made once: the checksum is slow here."""

    def __init__(self, dice):
        self.groups = []
        for low, high, share in LENGTHS:
            bodies = []
            for _ in range(6):
                line = bytes(dice.choice(b"abcdefghijklmnopqrstuvwxyz.") for _ in range(78)) + b"\r\n"
                text = (b"Subject: power\r\n\r\n" + line * (dice.randrange(low, high) // 80))
                bodies.append((text, fnv(0xCBF29CE484222325, text)))
            self.groups.append(bodies)
        self.shares = [share for _, _, share in LENGTHS]

    def message(self, run, seq, dice):
        text, state = dice.choice(dice.choices(self.groups, self.shares)[0])
        signed = b"run=%016x seq=%012d sent_us=%016d" % (run, seq, time.time_ns() // 1000)
        return TAG + signed + b" sum=%016x\r\n" % fnv(state, signed) + text


def tag_of(text):
    """(run, seq) in a message."""
    at = text.index(TAG) + len(TAG)
    run, seq = text[at:at + 60].split()[:2]
    return int(run[4:], 16), int(seq[4:])


class Recording:
    """What happened, with the log's length at that moment."""

    def __init__(self, campaign, folder, disk, kind, options):
        self.campaign = campaign
        self.run = campaign.random.getrandbits(64)
        self.acknowledged = {}  # seq: entries in the log when its 250 had been read
        self.refused = {}
        self.arrived = {}       # seq: entries in the log before it was told 250
        self.lock = threading.Lock()
        self.next_seq = self.held = 0
        self.stopping = False
        self.log = os.path.join(folder, "log.img")
        self.disk = LoggedDisk(folder, disk, self.log, kind, options)
        self.seen = set()

    # --- the next hop ---

    def answer(self, verb, text, _session):
        if verb != "DOT":
            return None
        run, seq = tag_of(text)
        with self.lock:
            first = seq not in self.seen
            self.seen.add(seq)
            if first and seq % 100 < DEFER_SHARE * 100:
                return b"451 4.7.1 later"
            self.arrived.setdefault(seq, self.disk.watermark())
        return None if run == self.run else b"554 5.0.0 not of this run"

    # --- a client ---

    def converse(self, session, dice):
        session.settimeout(60)
        lines = session.makefile("rb")

        def replies(count):
            for _ in range(count):
                while (line := lines.readline())[3:4] == b"-":
                    pass
                if not line.endswith(b"\n"):
                    raise OSError("closed")
            return line

        replies(1)
        session.sendall(b"EHLO client.test\r\n")
        replies(1)
        while not self.stopping:
            with self.lock:
                seq, self.next_seq = self.next_seq, self.next_seq + 1
            hold = dice.random() < HOLD_SHARE
            domain = b"hold.test" if hold else b"dst.test"
            session.sendall(b"MAIL FROM:<>\r\nRCPT TO:<b@" + domain + b">\r\nDATA\r\n")
            if replies(3)[:1] != b"3":
                raise OSError("refused")
            text = self.texts.message(self.run, seq, dice).replace(b"\n.", b"\n..")
            session.sendall(text + b".\r\n")
            code = replies(1)[:1]
            (self.acknowledged if code == b"2" else self.refused)[seq] = self.disk.watermark()
            self.held += hold
            while self.backlog() > BACKLOG_MAX and not self.stopping:
                time.sleep(0.005)

    def backlog(self):
        return len(self.acknowledged) - self.held - len(self.arrived)

    def client(self, port, dice):
        while not self.stopping:
            with contextlib.suppress(OSError):
                with socket.create_connection(("127.0.0.1", port), timeout=60) as session:
                    self.converse(session, dice)
            time.sleep(0.02)

    # --- all together ---

    def record(self, seconds, writes_max):
        """Runs for SECONDS or until the log has WRITES_MAX entries, killing the relay now and then
        so that recovery is recorded too. Every other life has two logs."""
        dice = self.campaign.random
        self.texts = Texts(dice)
        port = port_for_restarts()
        sink = Sink(self.answer)
        hold = f'''  , {{ name = "Hold"; address_spaces = [ "hold.test" ]; dns_routing_enabled = false;
    smart_hosts = [ "[127.0.0.1]:{free_port()}" ]; }}'''
        relay = Relay(self.campaign.folder, config_text(
            os.path.join(self.disk.mnt, "spool"), port, sink.host, more_send=hold), port)
        clients = [threading.Thread(target=self.client, daemon=True,
                                    args=(port, type(dice)(dice.random())))
                   for _ in range(SESSIONS)]
        try:
            relay.start()
            wait_until(relay.answers, "the relay's banner")
            for c in clients:
                c.start()
            return self.live_and_die(relay, dice, time.monotonic() + seconds, writes_max)
        finally:
            self.stopping = True
            if relay.process and not relay.ended():
                relay.kill()
            for c in clients:
                if c.is_alive():
                    c.join(70)
            sink.close()

    def live_and_die(self, relay, dice, deadline, writes_max):
        lives = 0
        while time.monotonic() < deadline and self.disk.watermark() < writes_max:
            life = time.monotonic() + dice.uniform(0.3, 2)
            while time.monotonic() < min(life, deadline) and self.disk.watermark() < writes_max:
                time.sleep(0.01)
            if relay.ended():
                raise AssertionError(f"the relay ended by itself:\n{relay.tail()}")
            relay.kill()
            lives += 1
            relay.start()
        return lives
