"""All processes of one relay, whatever it forks: their CPU time, memory and system calls, and their end.

A control group holds them where the kernel lets us make one. Every orphan becomes a child of ours (prctl): we
wait for it at the end, and without a control group the descendants of what was started are found by that in
/proc; time of children that their parent never waits for is lost there.
"""

import ctypes
import os
import re
import signal
import subprocess
import time

PR_SET_CHILD_SUBREAPER = 36
SYNCS = ("fsync", "fdatasync", "sync_file_range", "syncfs", "sync")
TICKS = os.sysconf("SC_CLK_TCK")
LAUNCHED = set()


def read(path):
    with open(path, encoding="utf-8", errors="replace") as text:
        return text.read()


def control_group_roots():
    """Where groups may be made: (folder, its own file of CPU time, unit in seconds), best first."""
    mounts = [line.split() for line in read("/proc/mounts").splitlines()]
    own = {line.split(":")[1]: line.split(":", 2)[2] for line in read("/proc/self/cgroup").splitlines()}
    for fields in mounts:
        if fields[2] == "cgroup2" and "" in own:
            yield fields[1] + own[""].rstrip("/"), "cpu.stat", 1e-6
    for fields in mounts:
        if fields[2] == "cgroup" and "cpuacct" in fields[3].split(","):
            path = next((path for names, path in own.items() if "cpuacct" in names.split(",")), "/")
            yield fields[1] + path.rstrip("/"), "cpuacct.usage", 1e-9


def parent_of(pid):
    return int(read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[1])


def seconds_of(pid):
    """User and system time, with that of children that it waited for."""
    return sum(int(ticks) for ticks in read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[11:15]) / TICKS


def memory_of(pid):
    """Bytes, pages that processes share counted once among them."""
    found = re.search(r"^Pss:\s+(\d+)", read(f"/proc/{pid}/smaps_rollup"), re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def launch(args, **more):
    """A process, closed to our keyboard: Ctrl-C is ours to answer."""
    process = subprocess.Popen(args, stdin=subprocess.DEVNULL, start_new_session=True, **more)
    LAUNCHED.add(process.pid)
    return process


def reap():
    """Waits for orphans that have ended; what was launched, its owner waits for."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if int(name) not in LAUNCHED and parent_of(name) == os.getpid():
                os.waitpid(int(name), os.WNOHANG)
        except OSError:
            pass


class Group:
    def __init__(self, name):
        self.folder, self.clock, self.unit, self.first = None, None, 1, None
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        for root, clock, unit in control_group_roots():
            folder = f"{root}/mailrace-compare-{os.getpid()}-{name}"
            try:
                os.mkdir(folder)
                read(f"{folder}/{clock}")
            except OSError:
                continue
            self.folder, self.clock, self.unit = folder, clock, unit
            return

    def _enter(self):
        with open(f"{self.folder}/cgroup.procs", "w", encoding="ascii") as procs:
            procs.write(str(os.getpid()))

    def start(self, args, **more):
        process = launch(args, preexec_fn=self._enter if self.folder else None, **more)
        self.first = self.first or process.pid
        return process

    def pids(self):
        if self.folder:
            return [int(pid) for pid in read(f"{self.folder}/cgroup.procs").split()]
        parents = {}
        for name in filter(str.isdigit, os.listdir("/proc")):
            try:
                parents[int(name)] = parent_of(name)
            except OSError:
                pass
        found = [self.first]
        for pid in found:  # grows while it is walked
            found += [child for child, parent in parents.items() if parent == pid]
        return [pid for pid in found if pid in parents]

    def _sum(self, what):
        total = 0
        for pid in self.pids():
            try:
                total += what(pid)
            except OSError:  # it has just ended
                pass
        return total

    def cpu_seconds(self):
        if not self.folder:
            return self._sum(seconds_of)
        text = read(f"{self.folder}/{self.clock}")
        return int(re.search(r"(?:usage_usec )?(\d+)", text).group(1)) * self.unit

    def memory_mib(self):
        return self._sum(memory_of) / (1 << 20)

    def end(self):
        """Ends whatever is left."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + 5
            pids = self.pids() if self.folder or self.first else []
            for pid in pids:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
            while pids and self._alive() and time.monotonic() < deadline:
                time.sleep(0.02)
        reap()
        if self.folder:
            for _ in range(100):
                try:
                    os.rmdir(self.folder)
                    break
                except OSError:
                    time.sleep(0.02)

    def _alive(self):
        def state(pid):
            return read(f"/proc/{pid}/stat").rsplit(")", 1)[1].split()[0] not in "ZX"
        return self._sum(state) > 0


class Tracer:
    """Counts system calls of a group while it runs. Everything is slower then: no rates are taken."""

    def __init__(self, group, folder, only=None):
        self.file = f"{folder}/strace"
        args = ["strace", "-f", "-o", self.file]
        args += ["-e", "trace=" + ",".join(only)] if only else ["-c"]
        pids = group.pids()
        for pid in pids:
            args += ["-p", str(pid)]
        self.process = launch(args, stderr=subprocess.PIPE, text=True)
        for _ in pids:
            if "attach" not in self.process.stderr.readline():
                break
        time.sleep(0.3)  # threads of each are attached after it

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=30)
        return read(self.file)


def calls_in_summary(text):
    """{call: how often} of strace -c."""
    counts = {}
    for line in text.splitlines():
        found = re.match(r"\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", line)
        if found and found.group(2) != "total":
            counts[found.group(2)] = int(found.group(1))
    return counts


def syncs_in_trace(text):
    """(syncs, files opened so that each write is synced) of a full strace."""
    syncs = len(re.findall(r"^\d+\s+(?:" + "|".join(SYNCS) + r")\(", text, re.MULTILINE))
    return syncs, len(re.findall(r"\bopen(?:at)?\(.*\bO_D?SYNC\b", text))
