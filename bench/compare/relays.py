"""The relays that are compared: how each is started, found out about and stopped.

Each takes from a free port of 127.0.0.1 and hands everything to one smart host, the sink. What it is told
beyond that, in its own favour, stands in conf/. Its queue lies in a folder of its own under that of the run,
all of them on one disk, except where a program's queue has a fixed place.
"""

import os
import pwd
import re
import shutil
import subprocess

from group import Group
from smtp import Failed, free_port, wait_greeting

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CONF = os.path.join(HERE, "conf")
PEERS = os.path.abspath(os.environ.get("PEERS") or os.path.join(ROOT, "build", "peers"))
BUILD = os.path.abspath(os.environ.get("MAILRACE_BUILD") or os.path.join(ROOT, "build", "release"))


def version_line(args):
    lines = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           text=True, check=False).stdout.strip().splitlines() or ["version unknown"]
    return next((line for line in lines if "version" in line.lower()), lines[0]).strip()


class Relay:
    """One that can be started again and again: each time with an empty queue and another port."""

    name = None
    keeps = None  # where mail is between 250 and delivery, as the report says it
    config = None  # the file in conf/ that is shown in the report

    def __init__(self, folder):
        self.folder = os.path.join(folder, self.name)
        self.group, self.port, self.process, self.shown = None, None, None, {}

    @classmethod
    def missing(cls):
        """Why it cannot take part here, or None."""
        return None

    @classmethod
    def version(cls):
        return ""

    def start(self, sink_port):
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder, mode=0o755)
        os.chmod(self.folder, 0o755)
        self.port = free_port()
        self.group = Group(self.name)
        self.values = {"PORT": self.port, "SINK": sink_port, "FOLDER": self.folder, "CPUS": os.cpu_count()}
        self.prepare()
        with open(f"{self.folder}/output", "wb") as out:
            self.process = self.group.start(self.command(), stdout=out, stderr=out)
        try:
            wait_greeting(self.port, self.alive, self.name)
        except Failed as why:
            raise Failed(f"{why}: {self.output()[:600]}") from None

    def alive(self):
        return self.process.poll() is None

    def output(self):
        with open(f"{self.folder}/output", encoding="utf-8", errors="replace") as text:
            return " ".join(text.read().split())

    def write(self, source, target, **more):
        """A file of conf/ with this run's ports and folders."""
        with open(os.path.join(CONF, source), encoding="utf-8") as text:
            template = text.read()
        made = re.sub(r"@([A-Z]+)@", lambda m: str({**self.values, **more}[m.group(1)]), template)
        path = os.path.join(self.folder, target)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(made)
        os.chmod(path, 0o644)
        self.shown[source] = made
        return path

    def prepare(self):
        self.write(self.config, self.config)

    def command(self):
        raise NotImplementedError

    def ask_to_stop(self):
        self.process.terminate()

    def stop(self):
        if self.process is not None:
            self.ask_to_stop()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.group is not None:
            self.group.end()
        self.process = self.group = None
        shutil.rmtree(self.folder, ignore_errors=True)


class Mailrace(Relay):
    name, config = "mailrace", "mailrace.conf"
    keeps = "a log, synced for many messages at once"
    program = f"{BUILD}/bin/mailrace"

    @classmethod
    def missing(cls):
        return None if os.access(cls.program, os.X_OK) else f"no {cls.program}: make"

    @classmethod
    def version(cls):
        return version_line([cls.program, "--version"])

    def command(self):
        return [self.program, "run", "-c", f"{self.folder}/{self.config}"]


class Haproxy(Relay):
    name, config = "haproxy", "haproxy.cfg"
    keeps = "nothing: forwards octets"

    @classmethod
    def missing(cls):
        return None if shutil.which("haproxy") else "no haproxy: bench/compare/setup"

    @classmethod
    def version(cls):
        return version_line(["haproxy", "-v"])

    def command(self):
        return ["haproxy", "-db", "-f", f"{self.folder}/{self.config}"]


class Postfix(Relay):
    name, config = "postfix", "postfix-main.cf"
    keeps = "a file a message"
    MASTER = "/usr/share/postfix/master.cf.dist"

    @classmethod
    def missing(cls):
        if not shutil.which("postfix") or not os.path.exists(cls.MASTER):
            return "no postfix: bench/compare/setup"
        return None if os.geteuid() == 0 else "it must be started by root"

    @classmethod
    def version(cls):
        return "Postfix " + version_line(["postconf", "-d", "-h", "mail_version"])

    def prepare(self):
        self.write(self.config, "conf/main.cf")
        with open(self.MASTER, encoding="utf-8") as dist:
            text = dist.read()
        text = re.sub(r"(?m)^smtp\s+inet\s.*$", f"127.0.0.1:{self.port} inet n - n - - smtpd", text)
        text = re.sub(r"(?m)^(\S+\s+unix\s+\S+\s+\S+\s+)y", r"\1n", text)  # no chroot to fill
        with open(f"{self.folder}/conf/master.cf", "w", encoding="utf-8") as out:
            out.write(text)
        os.mkdir(f"{self.folder}/queue", 0o755)
        os.mkdir(f"{self.folder}/data", 0o755)
        os.chown(f"{self.folder}/data", pwd.getpwnam("postfix").pw_uid, -1)

    def command(self):
        return ["postfix", "-c", f"{self.folder}/conf", "start"]

    def alive(self):  # `start` leaves the master behind
        return self.process.poll() in (None, 0)

    def ask_to_stop(self):
        subprocess.run(["postfix", "-c", f"{self.folder}/conf", "stop"], stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=30)


class Opensmtpd(Relay):
    name, config = "opensmtpd", "opensmtpd.conf"
    keeps = "files"
    QUEUE = "/var/spool/smtpd"  # compiled in

    @classmethod
    def missing(cls):
        if not os.access("/usr/sbin/smtpd", os.X_OK):
            return "no /usr/sbin/smtpd: bench/compare/setup"
        return None if os.geteuid() == 0 else "it must be started by root"

    @classmethod
    def version(cls):
        return version_line(["/usr/sbin/smtpd", "-h"]).removeprefix("version: ")

    def command(self):
        return ["/usr/sbin/smtpd", "-F", "-f", f"{self.folder}/{self.config}"]

    def stop(self):
        super().stop()
        for what in ("queue", "incoming", "corrupt", "temporary"):  # the next start makes them
            shutil.rmtree(f"{self.QUEUE}/{what}", ignore_errors=True)


class Exim(Relay):
    name, config = "exim", "exim.conf"
    keeps = "two files a message"

    @classmethod
    def missing(cls):
        if not shutil.which("exim4"):
            return "no exim4: bench/compare/setup"
        return None if os.geteuid() == 0 else "it must be started by root"

    @classmethod
    def version(cls):
        return version_line(["exim4", "-bV", "-C", "/dev/null"])

    def prepare(self):
        super().prepare()
        user = pwd.getpwnam("Debian-exim")
        for name in ("", "/spool", "/log"):
            if name:
                os.mkdir(self.folder + name, 0o750)
            os.chown(self.folder + name, user.pw_uid, user.pw_gid)
        os.chown(f"{self.folder}/{self.config}", 0, 0)

    def command(self):
        """Exim gives its privileges up where the file is not the one it was built for, and then starts itself
        anew for each delivery: so it sees ours in that place."""
        own = "/etc/exim4/exim4.conf"
        os.makedirs(os.path.dirname(own), exist_ok=True)
        with open(own, "a", encoding="ascii"):  # something to mount upon
            pass
        mount = f"mount --bind '{self.folder}/{self.config}' {own} && exec exim4 -bdf -q5m"
        return ["unshare", "--mount", "sh", "-c", mount]


class Haraka(Relay):
    name, config = "haraka", "haraka/smtp.ini"
    keeps = "a file a message"
    PACKAGE = f"{PEERS}/haraka/node_modules"

    @classmethod
    def missing(cls):
        return None if os.path.exists(f"{cls.PACKAGE}/.bin/haraka") else "no Haraka: bench/compare/setup"

    @classmethod
    def version(cls):
        with open(f"{cls.PACKAGE}/Haraka/package.json", encoding="utf-8") as text:
            return "Haraka " + re.search(r'"version":\s*"(.*?)"', text.read()).group(1)

    def prepare(self):
        for name in os.listdir(f"{CONF}/haraka"):
            self.write(f"haraka/{name}", f"plugins/{name}" if name.endswith(".js") else f"config/{name}")
        os.mkdir(f"{self.folder}/queue")

    def command(self):
        return ["node", f"{self.PACKAGE}/.bin/haraka", "-c", self.folder]


class Straight(Relay):
    """No relay at all: source to sink."""

    name = "straight"
    keeps = "no relay"

    def start(self, sink_port):
        self.port = sink_port

    def alive(self):
        return True

    def stop(self):
        pass


ALL = {kind.name: kind for kind in (Straight, Haproxy, Mailrace, Postfix, Opensmtpd, Exim, Haraka)}
