"""The load: smtp-source and smtp-sink of Postfix, programs that flatter no relay here."""

import os
import re
import socket
import subprocess
import time

from group import launch

PATIENCE_S = 90
FROM, TO = "a@src.test", "b@dst.test"


class Failed(Exception):
    """A relay did not do what was asked; the text says what."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def greeted(port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as s:
            s.settimeout(2)
            return s.recv(512).startswith(b"220")
    except OSError:
        return False


def wait_greeting(port, alive, what, patience_s=30):
    deadline = time.monotonic() + patience_s
    while not greeted(port):
        if not alive():
            raise Failed(f"{what} ended at once")
        if time.monotonic() > deadline:
            raise Failed(f"{what} did not greet on port {port}")
        time.sleep(0.05)


class Sink:
    """smtp-sink. Its running counter goes to a file of which we read the end."""

    TAIL = 64

    def __init__(self, folder):
        self.file = f"{folder}/sink"
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        for _ in range(5):
            self.port = free_port()
            with open(self.file, "wb") as out:
                self.process = launch(
                    ["smtp-sink", *user, "-c", "-m", "4000", f"127.0.0.1:{self.port}", "2000"], stdout=out,
                    stderr=subprocess.STDOUT)
            try:
                wait_greeting(self.port, lambda: self.process.poll() is None, "smtp-sink")
                return
            except Failed:
                self.stop()
        raise SystemExit(f"smtp-sink did not start: {open(self.file, encoding='utf-8').read()}")

    def taken(self):
        with open(self.file, "rb") as out:
            out.seek(max(os.fstat(out.fileno()).st_size - self.TAIL, 0))
            found = re.findall(rb"mesg=(\d+)", out.read())
        return int(found[-1]) if found else 0

    def wait(self, count, began):
        """When COUNT messages had come."""
        deadline, polls_s = time.monotonic() + PATIENCE_S, 0.002
        while (taken := self.taken()) < count:
            if time.monotonic() > deadline:
                raise Failed(f"{count - taken} messages had not arrived after {PATIENCE_S} s")
            polls_s = min(polls_s * 1.2, max(0.002, (time.monotonic() - began) / 200))
            time.sleep(polls_s)
        return time.monotonic()

    def wait_quiet(self):
        """After a failure: what was under way does not count for the next."""
        taken = -1
        while taken != self.taken():
            taken = self.taken()
            time.sleep(1)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def send(port, scenario, messages):
    """Runs smtp-source to its end; SCENARIO has octets, sessions and reconnect."""
    args = ["smtp-source", "-s", str(min(scenario.sessions, messages)), "-m", str(messages), "-l",
            str(scenario.octets), "-f", FROM, "-t", TO]
    args += [] if scenario.reconnect else ["-d"]
    process = launch([*args, f"127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                     text=True)
    try:
        error = process.communicate(timeout=PATIENCE_S)[1]
    except subprocess.TimeoutExpired:
        raise Failed(f"smtp-source had not ended after {PATIENCE_S} s") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise Failed(f"smtp-source: {error.strip().splitlines()[-1] if error.strip() else 'failed'}")
