"""What the crash campaigns share: a relay that may die at any moment, a seed that repeats the
choices, and counting.

A campaign takes TIME seconds from the environment and repeats its random choices with SEED. Its last
line is "N passed, N failed"; what it cannot do on this machine it prints as "skipped".
"""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))

from harness import LOAD, MAILRACE, Process, wait_until  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
TIME_S = float(os.environ.get("TIME") or 60)
SEED = int(os.environ.get("SEED") or random.SystemRandom().getrandbits(32))


def port_for_restarts():
    """A free port that no client is given: while no program listens on one of those, a client that
    tries it long enough connects to itself, and the relay cannot come back."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as limits:
        lowest = int(limits.read().split()[0])
    for port in random.SystemRandom().sample(range(10000, lowest), 200):
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise SystemExit("no free port")


def config_text(spool, port, next_hop, segment_size="1MB", more_send=""):
    """Small segments, so that they fill, are recycled and copied within a campaign."""
    return f"""
hostname = "relay.test";
runtime = {{ workers = 2; }};
spool = {{ path = "{spool}"; min_free = "1MB"; segment_size = "{segment_size}"; inline_max = "64KB"; }};
log = {{ level = "warning"; }};
queue = {{ glitch_retry_interval = "1s"; message_retry_interval = "1s";
          transient_failure_retry_interval = "1s"; outbound_connection_failure_retry_interval = "1s"; }};
receive_connectors = (
  {{ name = "In"; bindings = [ "127.0.0.1:{port}" ]; remote_ip_ranges = [ "127.0.0.0/8" ];
    permission_groups = [ "AnonymousUsers" ];
    max_inbound_connection_per_source = "unlimited"; max_inbound_connection_percentage_per_source = 100;
    permissions = ( {{ user = "Anonymous"; allow = [ "ms-Exch-SMTP-Accept-Any-Recipient" ]; }} ); }}
);
send_connectors = (
  {{ name = "Out"; address_spaces = [ "*" ]; dns_routing_enabled = false; smart_hosts = [ "{next_hop}" ]; }}
  {more_send}
);
"""


def spool_of_four_logs(to):
    """A copy of the spool that 0.1.0 wrote with four logs, 56 messages in it."""
    shutil.copytree(os.path.join(HERE, "..", "data", "spool-v1-four-logs"), to, copy_function=shutil.copy)


class Relay:
    """A relay that can be started and killed often; it says little, and that into a file."""

    def __init__(self, folder, text, port):
        self.folder, self.port = folder, port
        self.file = os.path.join(folder, "relay.conf")
        self.log = os.path.join(folder, "relay.log")
        self.process = None
        self.write(text)

    def write(self, text):
        self.text = text
        with open(self.file, "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(self.file, 0o644)

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([MAILRACE, "run", "-c", self.file], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)

    def answers(self):
        """True once it takes connections; an error if it has ended by itself."""
        if self.ended():
            raise AssertionError(f"the relay ended with {self.process.returncode}:\n{self.tail()}")
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as s:
                return s.recv(4) == b"220 "
        except OSError:
            return False

    def ended(self):
        return self.process is None or self.process.poll() is not None

    def reload(self):
        """SIGHUP, unless it is so young that it would die of it. True if it was sent."""
        try:
            with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
                blocked = int(re.search(r"SigBlk:\s*(\w+)", status.read()).group(1), 16)
        except (OSError, AttributeError):
            return False
        if not blocked & 1 << signal.SIGHUP - 1:
            return False
        self.process.send_signal(signal.SIGHUP)
        return True

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Its exit status after SIGTERM; None if it never ran or does not end."""
        if self.process is None:
            return None
        if not self.ended():
            self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def tail(self, octets=3000):
        with open(self.log, "rb") as log:
            log.seek(max(0, os.path.getsize(self.log) - octets))
            return log.read().decode(errors="replace")


def audit(sources, sinks):
    """The counts of mailrace-load audit, and what it said besides."""
    args = [LOAD, "audit", "--json"]
    for name in sources:
        args += ["--source", name]
    for name in sinks:
        args += ["--sink", name]
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=600)
    if not done.stdout:
        raise AssertionError(done.stderr.decode(errors="replace"))
    return json.loads(done.stdout), done.stderr.decode(errors="replace")


class Campaign:
    """Counts, and keeps the folder of a campaign that failed."""

    def __init__(self, name):
        self.name = name
        self.passed = self.failed = 0
        self.random = random.Random(SEED)
        self.folder = tempfile.mkdtemp(prefix=f"mailrace-{name}-")
        os.chmod(self.folder, 0o755)
        self.started = time.monotonic()
        print(f"{name}: TIME={TIME_S:g} SEED={SEED}", flush=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def elapsed(self):
        return time.monotonic() - self.started

    def check(self, good, what, detail=""):
        """Says what was wrong; what was right is only counted."""
        if good:
            self.passed += 1
        else:
            self.failed += 1
            if self.failed <= 20:
                print(f"{self.name}: FAILED (SEED={SEED}): {what}\n{detail}".rstrip(), flush=True)
        return good

    def skip(self, why):
        print(f"{self.name}: skipped: {why}", flush=True)

    def finish(self):
        if self.failed:
            print(f"{self.name}: everything is left in {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        sys.exit(1 if self.failed else 0)
