"""What every end-to-end test needs: the real program on free ports, mail servers and a name server
that we did not write, and waiting for a condition instead of sleeping for a time.

Everything that is started here is stopped here. Ports are picked by the kernel; files live in one
temporary directory a test.
"""

import contextlib
import email
import os
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("MAILRACE_BUILD") or os.path.join(ROOT, "build", "release"))
MAILRACE = os.path.join(BUILD, "bin", "mailrace")
LOAD = os.path.join(BUILD, "bin", "mailrace-load")
# Generous: sanitizer builds, a busy machine. What passes never waits for it.
PATIENCE_S = float(os.environ.get("MAILRACE_PATIENCE_S", 60))


def wait_until(condition, what, patience=PATIENCE_S):
    """Polls CONDITION; returns its first true value. WHAT: text, or a function that makes it."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience} s in vain for: "
                                 f"{what() if callable(what) else what}")
        time.sleep(0.01)


def free_port(kind=socket.SOCK_STREAM, host="127.0.0.1"):
    """A port that was free a moment ago; for programs that cannot pick one themselves."""
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind((host, 0))
        return s.getsockname()[1]


class Process:
    """A program in the background, its output gathered line by line."""

    def __init__(self, args, **kwargs):
        self.args = args
        self.lines = []
        self.process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, **kwargs)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.decode(errors="replace").rstrip("\n"))

    def output(self):
        return "\n".join(self.lines)

    def wait_line(self, pattern):
        def look():
            for line in list(self.lines):
                found = re.search(pattern, line)
                if found:
                    return found
            if self.process.poll() is not None:
                self.reader.join(5)
                for line in list(self.lines):
                    found = re.search(pattern, line)
                    if found:
                        return found
                raise AssertionError(f"{self.args[0]} ended with {self.process.returncode} before "
                                     f"{pattern!r}:\n{self.output()}")
            return None
        return wait_until(look, lambda: f"{pattern!r} from {self.args[0]}:\n{self.output()}")

    def running(self):
        return self.process.poll() is None

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, patience=PATIENCE_S):
        code = self.process.wait(patience)
        self.reader.join(5)
        return code

    def stop(self):
        if self.running():
            self.process.terminate()
            try:
                self.process.wait(45)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.reader.join(5)
        self.process.stdout.close()
        return self.process.returncode


SANITIZER_WORDS = ("ERROR: AddressSanitizer", "runtime error:", "WARNING: ThreadSanitizer",
                   "ERROR: LeakSanitizer", "ASSERT")


class Relay(Process):
    """`mailrace run` with the text of a configuration; ports by the name of a connector's binding."""

    def __init__(self, config, folder, start=True):
        self.folder = folder
        self.file = os.path.join(folder, "relay.conf")
        self.write(config)
        super().__init__([MAILRACE, "run", "-c", self.file])
        if start:
            self.wait_line(r"\bstarted\b")

    def write(self, config):
        with open(self.file, "w", encoding="utf-8") as out:
            out.write(config)
        os.chmod(self.file, 0o644)

    def ports(self):
        """Ports in the order in which they were opened."""
        return [int(m.group(1)) for line in list(self.lines)
                if (m := re.search(r"\blistening at=\S*:(\d+)", line))]

    def port(self, n=0):
        return wait_until(lambda: len(self.ports()) > n and self.ports()[n], "a listening port")

    def reload(self, config):
        self.write(config)
        seen = len(self.lines)
        self.signal(signal.SIGHUP)

        def answered():
            return next((l for l in self.lines[seen:] if " reloaded " in l or "reload_refused" in l), None)
        return wait_until(answered, "an answer to SIGHUP")

    def events(self, name):
        return [line for line in list(self.lines) if re.search(rf" {name}( |$)", line)]

    def wait_event(self, name, pattern=""):
        """The first line of event NAME that has PATTERN."""
        return wait_until(lambda: next((l for l in self.events(name) if re.search(pattern, l)), None),
                          lambda: f"{name} with {pattern!r} from the relay:\n{self.output()}")

    def kill(self):
        """As a crash does: no warning, no last word."""
        self.process.kill()
        self.process.wait()
        self.reader.join(5)

    def stop(self):
        was_running = self.running()
        code = super().stop()
        for word in SANITIZER_WORDS:
            if word in self.output():
                raise AssertionError(f"the relay said {word}:\n{self.output()}")
        if was_running and code != 0:
            raise AssertionError(f"the relay ended with {code} at SIGTERM:\n{self.output()}")
        return code


# One address plays many clients here.
MANY = ('max_inbound_connection_per_source = "unlimited"; '
        "max_inbound_connection_percentage_per_source = 100;")


def config(spool, *, bindings='"127.0.0.1:0"', ranges='"0.0.0.0/0", "::/0"', relay_hosts='"127.0.0.1"',
           send="", domains="", extra="", connector=""):
    """A whole configuration: a default connector, a relay connector for RELAY_HOSTS, SEND."""
    relay = f"""
  , {{ name = "Relay"; bindings = [ {bindings} ]; remote_ip_ranges = [ {relay_hosts} ];
    permission_groups = [ "AnonymousUsers" ]; tarpit_interval = "0s"; {MANY} {connector}
    permissions = ( {{ user = "Anonymous"; allow = [ "ms-Exch-SMTP-Accept-Any-Recipient" ]; }} ); }}
""" if relay_hosts else ""
    return f"""
hostname = "relay.test";
spool = {{ path = "{spool}"; min_free = "1MB"; }};
queue = {{ glitch_retry_interval = "1s"; message_retry_interval = "1s";
          transient_failure_retry_interval = "1s"; outbound_connection_failure_retry_interval = "1s"; }};
{extra}
accepted_domains = ( {domains} );
receive_connectors = (
  {{ name = "Default"; bindings = [ {bindings} ]; remote_ip_ranges = [ {ranges} ];
    permission_groups = [ "AnonymousUsers" ]; tarpit_interval = "0s"; {MANY} {connector} }}
  {relay}
);
send_connectors = ( {send} );
"""


def smart_host(*hosts, name="Out", more=""):
    listed = ", ".join(f'"{h}"' for h in hosts)
    return (f'{{ name = "{name}"; address_spaces = [ "*" ]; dns_routing_enabled = false; '
            f'smart_hosts = [ {listed} ]; {more} }}')


class Sink:
    """A scripted SMTP server on a thread: records what it gets, answers what it is told.

    ANSWER(verb, argument, session) may return a reply line (bytes) or None for the usual one, or
    raise Hangup to close without a word.
    """

    class Hangup(Exception):
        pass

    def __init__(self, answer=None, extensions=(b"PIPELINING", b"SIZE 100000000", b"8BITMIME", b"DSN"),
                 host="127.0.0.1", port=0, tls=None):
        self.answer = answer or (lambda verb, argument, session: None)
        self.extensions = tuple(extensions) + ((b"STARTTLS",) if tls else ())
        self.tls = tls  # an ssl.SSLContext
        self.address = host
        self.messages = []  # {"sender", "rcpts", "data", "wire", "mail", "rcpt_args", "tls"}
        self.commands = []
        self.lock = threading.Lock()
        self.listener = socket.create_server((host, port), backlog=512)
        self.port = self.listener.getsockname()[1]
        self.closing = False
        self.sockets = set()
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    @property
    def host(self):
        return f"[{self.address}]:{self.port}"

    def _accept(self):
        while not self.closing:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            self.sockets.add(conn)
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        with contextlib.suppress(OSError, ssl.SSLError, Sink.Hangup):
            self._session(conn, conn.makefile("rb"))
        with contextlib.suppress(OSError):
            conn.close()
        self.sockets.discard(conn)

    def _reply(self, conn, session, verb, argument, usual):
        line = self.answer(verb, argument, session)
        line = usual if line is None else line
        conn.sendall(line + b"\r\n")
        return line[:1]

    def _ehlo(self, session):
        names = (b"sink.test",) + tuple(e for e in self.extensions
                                        if not (e == b"STARTTLS" and session["tls"]))
        last = len(names) - 1
        return b"\r\n".join(b"250" + (b" " if i == last else b"-") + n
                             for i, n in enumerate(names))

    @staticmethod
    def _read_text(lines):
        """(the text, the very bytes that came), or None where the connection ended in it."""
        wire, data = bytearray(), bytearray()
        for line in lines:
            wire += line
            if line == b".\r\n" and (len(wire) == 3 or wire[-5:-3] == b"\r\n"):
                return bytes(data), bytes(wire)
            data += line[1:] if line.startswith(b".") else line
        return None

    def _take(self, conn, session, mail, data, wire):
        mail.update(data=data, wire=wire, tls=session["tls"],
                    sender=re.match(rb"(?i)from:\s*<(.*?)>", mail["mail"]).group(1))
        session["messages"] += 1
        usual = b"250 2.0.0 taken"
        line = self.answer("DOT", data, session)
        line = usual if line is None else line
        if line[:1] == b"2":  # before the reply: who has read it finds the message here
            with self.lock:
                self.messages.append(mail)
        conn.sendall(line + b"\r\n")

    def _session(self, conn, lines):
        session = {"commands": 0, "messages": 0, "tls": False}
        if self._reply(conn, session, "CONNECT", b"", b"220 sink.test ESMTP") != b"2":
            return
        mail = None
        while line := lines.readline():
            verb, _, argument = line.rstrip(b"\r\n").partition(b" ")
            verb = verb.upper().decode("latin-1")
            with self.lock:
                self.commands.append(line)
            session["commands"] += 1
            if verb == "EHLO":
                self._reply(conn, session, verb, argument, self._ehlo(session))
            elif verb == "STARTTLS" and self.tls:
                if self._reply(conn, session, verb, argument, b"220 2.0.0 go") == b"2":
                    conn = self.tls.wrap_socket(conn, server_side=True)
                    self.sockets.add(conn)
                    lines = conn.makefile("rb")
                    session["tls"] = True
                    mail = None
            elif verb == "MAIL":
                mail = {"mail": argument, "rcpts": [], "rcpt_args": [], "chunks": b""}
                if self._reply(conn, session, verb, argument, b"250 2.1.0 ok") != b"2":
                    mail = None
            elif verb == "RCPT":
                if self._reply(conn, session, verb, argument,
                               b"250 2.1.5 ok" if mail else b"503 5.5.1 no") == b"2" and mail:
                    mail["rcpts"].append(re.match(rb"(?i)to:\s*<(.*?)>", argument).group(1))
                    mail["rcpt_args"].append(argument)
            elif verb == "DATA":
                usual = b"354 go" if mail and mail["rcpts"] else b"554 5.5.1 no recipients"
                if self._reply(conn, session, verb, argument, usual) != b"3":
                    continue
                text = self._read_text(lines)
                if text is None:
                    return
                if mail and mail["rcpts"]:
                    self._take(conn, session, mail, *text)
                else:
                    conn.sendall(b"554 5.5.1 no recipients\r\n")
                mail = None
            elif verb == "BDAT":
                size, _, last = argument.partition(b" ")
                chunk = lines.read(int(size))
                if len(chunk) < int(size):
                    return
                if not mail or not mail["rcpts"]:
                    self._reply(conn, session, verb, argument, b"503 5.5.1 no recipients")
                    continue
                mail["chunks"] += chunk
                if last.upper() == b"LAST":
                    self._take(conn, session, mail, mail["chunks"], mail["chunks"])
                    mail = None
                else:
                    self._reply(conn, session, verb, argument, b"250 2.0.0 chunk")
            elif verb == "RSET":
                mail = None
                self._reply(conn, session, verb, argument, b"250 2.0.0 ok")
            elif verb == "QUIT":
                self._reply(conn, session, verb, argument, b"221 2.0.0 bye")
                return
            else:
                self._reply(conn, session, verb, argument, b"250 2.0.0 ok")

    def wait(self, count):
        return wait_until(lambda: len(self.messages) >= count and list(self.messages),
                          lambda: f"{count} messages at the sink (there are {len(self.messages)})")

    def close(self):
        self.closing = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for conn in list(self.sockets):
            with contextlib.suppress(OSError):
                conn.shutdown(socket.SHUT_RDWR)
        self.thread.join(5)


class Dialogue:
    """A raw client: says lines, reads replies."""

    def __init__(self, port, host="127.0.0.1", source=None):
        self.socket = socket.create_connection((host, port), timeout=PATIENCE_S,
                                               source_address=(source, 0) if source else None)
        self.file = self.socket.makefile("rb")
        self.transcript = []

    def read(self):
        """One whole reply as text, lines joined by \\n, "" at the end."""
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                break
            lines.append(line.rstrip(b"\r\n").decode("utf-8", "replace"))
            if line[3:4] != b"-":
                break
        reply = "\n".join(lines)
        self.transcript.append("S: " + reply)
        return reply

    def send(self, data):
        if isinstance(data, str):
            data = data.encode("utf-8")
        self.transcript.append("C: " + data.decode("utf-8", "replace"))
        self.socket.sendall(data)

    def say(self, line):
        self.send(line + "\r\n")
        return self.read()

    def closed(self):
        return self.file.readline() == b""

    def close(self):
        with contextlib.suppress(OSError):
            self.file.close()
            self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


class Case(unittest.TestCase):
    """A test with a folder of its own and a list of things to stop."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="mailrace-test-")
        os.chmod(self.folder, 0o755)
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.spool = os.path.join(self.folder, "spool")

    def relay(self, text, start=True):
        relay = Relay(text, self.folder, start=start)
        self.addCleanup(relay.stop)
        return relay

    def sink(self, *args, **kwargs):
        sink = Sink(*args, **kwargs)
        self.addCleanup(sink.close)
        return sink

    def program(self, args, **kwargs):
        process = Process(args, **kwargs)
        self.addCleanup(process.stop)
        return process

    def dialogue(self, port, **kwargs):
        d = Dialogue(port, **kwargs)
        self.addCleanup(d.close)
        return d

    def run_program(self, args, code=0, **kwargs):
        done = subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=PATIENCE_S, **kwargs)
        text = done.stdout.decode(errors="replace")
        if code is not None:
            self.assertEqual(done.returncode, code, f"{args}:\n{text}")
        return text


TRACE = re.compile(rb"\AReceived: from .*\r\n(?:[ \t].*\r\n)*")


def untraced(data):
    """(our trace header, the rest): what was put on top of a relayed message, and what came in."""
    found = TRACE.match(data)
    if not found:
        raise AssertionError(f"there is no trace header on top of {data[:200]!r}")
    return found.group(0), data[found.end():]


def certificate(folder, name="relay.test"):
    """A self-signed certificate: (certificate file, key file)."""
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", cert,
                    "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-days", "2"],
                   check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return cert, key


def find_program(name):
    """The path of a program, which may lie where only root looks."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")


def send_mail(port, sender="a@src.test", rcpts=("b@dst.test",), data=b"Subject: x\r\n\r\nbody\r\n"):
    with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE_S) as smtp:
        return smtp.sendmail(sender, list(rcpts), data)


OURS = '{ name = "ours.test"; default = true; }'


class RelayCase(Case):
    """One relay in front of one scripted next hop."""

    def start(self, answer=None, sink=None, **kwargs):
        """A next hop and a relay in front of it."""
        self.next_hop = self.sink(answer, **(sink or {}))
        self.text = config(self.spool, send=smart_host(self.next_hop.host), domains=OURS, **kwargs)
        self.running = self.relay(self.text)
        self.port = self.running.port()
        # What is loaded from now on names the port that was picked.
        self.fixed = self.text.replace("127.0.0.1:0", f"127.0.0.1:{self.port}")

    def restart(self):
        self.running = self.relay(self.text)
        self.port = self.running.port()

    def session(self, **kwargs):
        d = self.dialogue(self.port, **kwargs)
        self.assertRegex(d.read(), "^220 relay.test ")
        d.ehlo = d.say("EHLO client.test")
        self.assertRegex(d.ehlo, "^250-relay.test ")
        return d

    def send_raw(self, data, sender="<a@src.test>", rcpts=("<b@dst.test>",), d=None):
        """The reply to the end of DATA; DATA: as it goes over the wire, without the final dot."""
        d = d or self.session()
        self.assertRegex(d.say(f"MAIL FROM:{sender}"), "^250 ")
        for rcpt in rcpts:
            self.assertRegex(d.say(f"RCPT TO:{rcpt}"), "^250 ")
        self.assertRegex(d.say("DATA"), "^354 ")
        d.send(data + b".\r\n")
        return d.read()

    def marker(self):
        """A message that arrives after everything else: what has not come by then does not come."""
        self.assertRegex(self.send_raw(b"Subject: marker\r\n\r\n", rcpts=["<marker@dst.test>"]), "^250 ")
        wait_until(lambda: any(m["rcpts"] == [b"marker@dst.test"] for m in self.next_hop.messages),
                   self.running.output)
        return [m for m in self.next_hop.messages if m["rcpts"] != [b"marker@dst.test"]]


def parse_report(message):
    """(text, fields of the message, [fields of each recipient], what is returned)"""
    report = email.message_from_bytes(message["data"])
    assert report.get_content_type() == "multipart/report", message["data"]
    assert report.get_param("report-type") == "delivery-status"
    text, status, original = report.get_payload()
    assert status.get_content_type() == "message/delivery-status"
    blocks = status.get_payload()
    return report, text, blocks[0], blocks[1:], original


class Counting(unittest.TextTestResult):
    """Counts what passed: a class that is skipped as a whole has run none of its tests."""
    passed = 0

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1


def main():
    """Runs the file's tests and closes with the lines that tests/run adds up."""
    runner = unittest.TextTestRunner(resultclass=Counting, verbosity=2)
    result = unittest.main(module="__main__", exit=False, testRunner=runner).result
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    sys.stderr.flush()
    for test, why in result.skipped:
        print(f"skip {test.id().removeprefix('__main__.')}: {why}")
    print(f"{result.passed} passed, {failed} failed")
    sys.stdout.flush()
    sys.exit(1 if failed else 0)
