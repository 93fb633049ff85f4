#!/usr/bin/env python3
"""The open-relay battery against a live relay: nobody whom it does not trust gets mail to strangers
through it, whatever the address looks like and whatever was said before; what must stay open is.

Patterns of addresses are the program's own list (`mailrace relay-test --list`); each is a test here,
over a plain session, after STARTTLS, after a failed AUTH, and, where it makes sense, from a trusted
address."""

import base64
import contextlib
import ipaddress
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import unittest

from harness import (MAILRACE, OURS, Case, Dialogue, Relay, Sink, certificate, config, main, smart_host,
                     wait_until)

TRUSTED, UNTRUSTED = "127.0.0.1", "127.0.0.2"
FOREIGN = "<relaytest@ext.example>"
SENDERS = ("<>", "<antispam@ext.example>", "<antispam@relay.test>", "<antispam@[127.0.0.1]>")
MAIL = b"Subject: relayed\r\n\r\nx\r\n.\r\n"


def patterns():
    out = subprocess.run([MAILRACE, "relay-test", "--list", "--json", "--ours", "ours.test", "--foreign",
                          "ext.example", "--name", "relay.test", "--host", "127.0.0.1:25"],
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True).stdout
    listed = json.loads(out)["patterns"]
    # Of the others 69 needs a name server, 73 and 74 addresses of their own: they are below. 75 is the reload's.
    missing = {f"O-{n:02}" for n in [*range(1, 69), *range(70, 73), *range(76, 79)]} - {p["id"] for p in listed}
    assert not missing, f"no pattern for {missing}"
    return listed


def octets(text):
    return text.encode("latin-1")


def canonical(rcpt):
    """The address of a path that is accepted: no brackets, no route, no final dot, domain in lower case;
    the postmaster is that of the default domain."""
    address = re.sub(rb"^@[^:]*:", b"", rcpt.strip(b"<>"))
    local, at, domain = address.rpartition(b"@")
    return local + at + domain.lower().rstrip(b".") if at else address.lower() + b"@ours.test"


class World(unittest.TestCase):
    """One relay in front of one next hop for all tests of a class. At its end the next hop has got what
    was accepted and nothing else."""

    connector, extra, tls = "", "", False

    @classmethod
    def make_config(cls, send):
        extra = cls.extra
        if cls.tls:
            extra += 'tls = { certificate = "%s"; key = "%s"; };' % certificate(cls.folder)
        return config(os.path.join(cls.folder, "spool"), send=send, domains=OURS, extra=extra,
                      connector=cls.connector)

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="mailrace-test-")
        os.chmod(cls.folder, 0o755)
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.next_hop = Sink()
        cls.addClassCleanup(cls.next_hop.close)
        cls.running = Relay(cls.make_config(smart_host(cls.next_hop.host)), cls.folder)
        cls.addClassCleanup(cls.running.stop)
        cls.port = cls.running.port()
        cls.expected = []

    @classmethod
    def tearDownClass(cls):
        with Dialogue(cls.port, source=TRUSTED) as d:
            d.read()
            for line in ("EHLO marker.test", "MAIL FROM:<m@src.test>", "RCPT TO:<marker@dst.test>", "DATA"):
                assert d.say(line)[:1] in "23", d.transcript
            d.send(b"Subject: marker\r\n\r\n.\r\n")
            assert d.read().startswith("250 "), d.transcript
        cls.expected.append(b"marker@dst.test")
        wait_until(lambda: len(cls.next_hop.messages) >= len(cls.expected),
                   lambda: f"{len(cls.expected)} messages at the next hop")
        got = sorted(canonical(r) for m in cls.next_hop.messages for r in m["rcpts"])
        assert got == sorted(cls.expected), f"the next hop got {got}, not {sorted(cls.expected)}"

    # --- Sessions ---

    def open(self, source=UNTRUSTED):
        """Up to EHLO, from SOURCE."""
        d = Dialogue(self.port, source=source)
        self.addCleanup(d.close)
        self.assertRegex(d.read(), "^220 relay.test ")
        self.assertRegex(d.say("EHLO client.test"), "^250-relay.test ")
        self.prepare(d)
        return d

    def prepare(self, d):
        """What comes before the mail in this class."""

    def tell(self, d, *lines):
        """Says LINES (bytes or text), each answered; the first reply that is no success, or the last."""
        reply = ""
        for line in lines:
            d.send((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
            reply = d.read()
            if reply[:1] not in ("2", "3"):
                return reply
        return reply

    def start_tls(self, d):
        self.assertRegex(d.say("STARTTLS"), "^220 ")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        d.socket = context.wrap_socket(d.socket)
        d.file = d.socket.makefile("rb")

    def scene(self, d, lines):
        """Whatever is answered."""
        for line in filter(None, lines.split("\n")):
            d.send(octets(line) + b"\r\n")
            d.read()

    def refuse(self, d, *lines):
        self.assertRegex(self.tell(d, *lines), r"^5\d\d ", d.transcript)

    def refuse_foreign(self, d, sender="<antispam@ext.example>", rcpt=FOREIGN):
        """A whole attempt: no recipient, and so no message."""
        reply = self.tell(d, f"MAIL FROM:{sender}", f"RCPT TO:{rcpt}")
        self.assertRegex(reply, r"^(550 5\.7\.1|501 5\.1\.[37]|553 5\.1\.3) ", d.transcript)
        self.refuse(d, "DATA")

    def deliver(self, d, rcpt, sender="<antispam@ext.example>"):
        """A whole message that is taken and arrives."""
        self.assertRegex(self.tell(d, b"MAIL FROM:" + sender.encode("latin-1"), b"RCPT TO:" + rcpt, b"DATA"),
                         "^354 ", d.transcript)
        d.send(MAIL)
        self.assertRegex(d.read(), "^250 ", d.transcript)
        self.expected.append(canonical(rcpt))


class Battery:
    """The tests; what precedes the mail is the class's."""

    def check_pattern(self, pattern):
        want, rcpt = pattern["want"], octets(pattern["rcpt"])
        if want == "accepted":
            self.deliver(self.open(), rcpt, sender=pattern["mail"])
        elif want == "either":
            d = self.open()
            reply = self.tell(d, b"MAIL FROM:" + octets(pattern["mail"]), b"RCPT TO:" + rcpt)
            if reply.startswith("5"):
                return
            self.assertRegex(self.tell(d, "DATA"), "^354 ", d.transcript)
            d.send(MAIL)
            self.assertRegex(d.read(), "^250 ", d.transcript)
            self.expected.append(canonical(rcpt))
        else:
            parameters = pattern["mail"].partition(" ")
            for sender in [pattern["mail"]] + [s + "".join(parameters[1:]) for s in SENDERS]:
                if "beside" in pattern:
                    self.scene(self.open(), pattern["beside"])
                d = self.open()
                self.scene(d, pattern["before"])
                if "after_tls" in pattern:
                    self.start_tls(d)
                    self.scene(d, pattern["after_tls"])
                reply = self.tell(d, b"MAIL FROM:" + octets(sender))
                if reply.startswith("2"):
                    self.scene(d, pattern["between"])
                    reply = self.tell(d, b"RCPT TO:" + rcpt)
                self.assertRegex(reply, r"^(550 5\.7\.1|50[013] 5\.|553 5\.)", d.transcript)
                if pattern["between"]:
                    d.say("RSET")  # the good recipient was one
                self.refuse(d, "DATA")

    # --- O-62 to O-72: the state of the session ---

    def test_O62_after_reset(self):
        d = self.open()
        self.assertRegex(self.tell(d, "MAIL FROM:<a@src.test>", "RCPT TO:<b@ours.test>", "RSET"), "^250 ")
        self.refuse(d, "RCPT TO:" + FOREIGN)
        self.refuse_foreign(d)

    def test_O63_beside_a_good_recipient_pipelined(self):
        d = self.open()
        d.send("MAIL FROM:<a@src.test>\r\nRCPT TO:<pipelined@ours.test>\r\n"
               f"RCPT TO:{FOREIGN}\r\nRCPT TO:<user%ext.example@ours.test>\r\nDATA\r\n")
        self.assertEqual([d.read()[:3] for _ in range(5)], ["250", "250", "550", "550", "354"])
        d.send(MAIL)
        self.assertRegex(d.read(), "^250 ")
        self.expected.append(b"pipelined@ours.test")

    def test_O66_second_transaction(self):
        d = self.open()
        self.deliver(d, b"<second@ours.test>")
        self.refuse(d, "RCPT TO:" + FOREIGN)
        self.refuse_foreign(d)

    def test_O67_after_a_chunk_that_failed(self):
        d = self.open()
        self.refuse(d, "MAIL FROM:<a@src.test>", "RCPT TO:" + FOREIGN)
        d.send(b"BDAT 8 LAST\r\nx: y\r\n\r\n")
        self.assertRegex(d.read(), r"^5\d\d ")
        self.refuse(d, "RCPT TO:" + FOREIGN)
        d.say("RSET")
        self.assertRegex(self.tell(d, "MAIL FROM:<a@src.test>", "RCPT TO:<b@ours.test>"), "^250 ")
        d.send(b"BDAT 4\r\nx: \0BDAT x LAST\r\n")
        d.read()
        self.assertRegex(d.read(), r"^5\d\d ")
        self.refuse(d, "RCPT TO:" + FOREIGN)
        d.say("RSET")
        self.refuse_foreign(d)

    def test_O68_greeting_with_a_trusted_name(self):
        for verb in ("EHLO", "HELO"):
            for name in ("relay.test", "ours.test", "localhost", "[127.0.0.1]", "127.0.0.1",
                         "[IPv6:::ffff:127.0.0.1]"):
                d = self.open()
                self.assertRegex(d.say(f"{verb} {name}"), r"^250[ -]")
                self.refuse_foreign(d)

    def test_O70_sender_who_is_trusted(self):
        for sender in ("<postmaster@ours.test>", "<root@relay.test>", "<admin@ours.test>", "<u@[127.0.0.1]>",
                       "<u@localhost>"):
            d = self.open()
            self.refuse(d, f"MAIL FROM:{sender}", "RCPT TO:" + FOREIGN)
            self.refuse(d, "DATA")

    def test_O71_auth_parameter(self):
        for value in ("<>", "admin@ours.test", "postmaster+40ours.test"):
            self.refuse_foreign(self.open(), sender=f"<a@src.test> AUTH={value}")

    def test_O72_xclient_xforward(self):
        for line in ("XCLIENT ADDR=127.0.0.1 NAME=relay.test LOGIN=admin", "XFORWARD ADDR=127.0.0.1",
                     "XCLIENT ADDR=127.0.0.1+0D+0ARSET", "PROXY TCP4 127.0.0.1 127.0.0.1 1025 25"):
            d = self.open()
            self.refuse(d, line)
            self.refuse_foreign(d)


def add_patterns(cls, wanted, tls=False):
    """A test for each pattern: test_O12_route_relay_s_address. TLS: for those that have STARTTLS in them."""
    for pattern in patterns():
        if ("after_tls" in pattern) != tls:
            continue
        name = re.sub(r"\W+", "_", f"test_{pattern['id'].replace('-', '')}_{pattern['what']}").rstrip("_")
        assert not hasattr(cls, name), name
        if pattern["want"] in wanted:
            setattr(cls, name, lambda self, p=pattern: Battery.check_pattern(self, p))


add_patterns(Battery, ("refused", "malformed", "accepted", "either"))


class Plain(Battery, World):
    def test_O72_proxy_header_in_front(self):
        version_2 = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + socket.inet_aton("127.0.0.1") * 2 + b"\x04\x01\0\x19")
        for header in (b"PROXY TCP4 127.0.0.1 127.0.0.1 1025 25\r\n", b"PROXY UNKNOWN\r\n", version_2):
            with Dialogue(self.port, source=UNTRUSTED) as d:
                d.send(header + b"EHLO x.test\r\nMAIL FROM:<a@src.test>\r\n"
                       b"RCPT TO:" + FOREIGN.encode() + b"\r\nDATA\r\n")
                replies = []
                with contextlib.suppress(OSError):
                    d.socket.shutdown(socket.SHUT_WR)
                    while reply := d.read():
                        replies.append(reply)
                self.assertRegex(replies[0], r"^[245]\d\d[ -]")
                self.assertEqual([r for r in replies if r.startswith("354")], [], replies)
                self.assertEqual([r for r in replies if "Recipient OK" in r], [], replies)


class AfterTls(Battery, World):
    """STARTTLS says who the server is: it makes nobody trusted."""
    tls = True

    def prepare(self, d):
        self.start_tls(d)
        self.assertRegex(d.say("EHLO client.test"), "^250-relay.test ")

    def test_O65_without_a_new_greeting(self):
        with Dialogue(self.port, source=UNTRUSTED) as d:
            d.read()
            d.say("EHLO client.test")
            self.start_tls(d)
            self.refuse(d, "MAIL FROM:<a@src.test>", "RCPT TO:" + FOREIGN)
            self.refuse(d, "DATA")

    def test_O65_transaction_from_before(self):
        with Dialogue(self.port, source=UNTRUSTED) as d:
            d.read()
            self.assertRegex(self.tell(d, "EHLO client.test", "MAIL FROM:<a@src.test>", "RCPT TO:<b@ours.test>",
                                       "RSET"), "^250 ")
            self.start_tls(d)
            self.refuse(d, "RCPT TO:" + FOREIGN)
            self.refuse(d, "DATA")


class StartTls(World):
    """The program's own patterns with STARTTLS in them."""
    tls = True


add_patterns(StartTls, ("refused",), tls=True)


def auth_is_offered():
    """Whether this build lets anybody log on."""
    with tempfile.TemporaryDirectory(prefix="mailrace-test-") as folder:
        path = os.path.join(folder, "relay.conf")
        AfterFailedAuth.write_users(folder)
        with open(path, "w", encoding="utf-8") as out:
            out.write(config(os.path.join(folder, "spool"), extra=AfterFailedAuth.users(folder),
                             connector=AfterFailedAuth.connector, bindings='"127.0.0.1:2525"'))
        os.chmod(path, 0o644)
        done = subprocess.run([MAILRACE, "check", "-c", path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        return done.returncode == 0 and b"AUTH is not offered" not in done.stdout


class AfterFailedAuth(Battery, World):
    """O-64: who could not say who he is stays who he was."""
    connector = 'auth_mechanism = [ "Tls", "BasicAuth" ]; auth_tarpit_interval = "0s";'

    @staticmethod
    def users(folder):
        return 'users = { file = "%s"; };' % os.path.join(folder, "users")

    @staticmethod
    def write_users(folder):
        crypted = subprocess.run(["openssl", "passwd", "-6", "-salt", "saltsalt", "right"], check=True,
                                 stdout=subprocess.PIPE, stdin=subprocess.DEVNULL).stdout.decode().strip()
        path = os.path.join(folder, "users")
        with open(path, "w", encoding="utf-8") as out:
            out.write(f"bob:{crypted}\n")
        os.chmod(path, 0o600)

    @classmethod
    def make_config(cls, send):
        cls.write_users(cls.folder)
        cls.extra = cls.users(cls.folder)
        return super().make_config(send)

    @classmethod
    def setUpClass(cls):
        if not auth_is_offered():
            raise unittest.SkipTest("this build offers no AUTH")
        super().setUpClass()

    def prepare(self, d):
        self.assertRegex(d.transcript[-1], r"\n250[ -]AUTH ")
        wrong = base64.b64encode(b"\0bob\0wrong").decode()
        # 454: after many of them it is not even tried.
        self.assertRegex(d.say(f"AUTH PLAIN {wrong}"), r"^(535 5\.7\.|454 4\.7\.)", d.transcript)

    def test_O64_wrong_password(self):
        d = self.open("127.0.0.77")  # which has not failed before
        self.assertEqual([line[:3] for line in d.transcript if line.startswith("S: 535")], ["S: "])
        self.refuse_foreign(d)

    def test_O64_login_broken_off(self):
        d = self.open()
        self.assertRegex(d.say("AUTH PLAIN"), "^334")
        self.assertRegex(d.say("*"), "^501 ")
        self.refuse_foreign(d)


class FromTrusted(World):
    """Who may relay may not do everything: what is malformed stays so, what is open stays open."""

    def open(self, source=TRUSTED):
        return super().open(source)

    def test_relays(self):
        self.deliver(self.open(), FOREIGN.encode())


add_patterns(FromTrusted, ("malformed", "accepted"))


class Names(Case):
    def test_O69_the_name_of_the_address_is_never_asked(self):
        """No name server is asked about a client: what it would say cannot matter."""
        asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(asked.close)
        asked.bind(("127.0.0.1", 0))
        asked.setblocking(False)
        next_hop = self.sink()
        relay = self.relay(config(self.spool, send=smart_host(next_hop.host), domains=OURS,
                                  extra='dns = { servers = [ "127.0.0.1:%d" ]; };' % asked.getsockname()[1]))
        d = self.dialogue(relay.port(), source=UNTRUSTED)
        d.read()
        for line, reply in (("EHLO relay.test", "250"), ("MAIL FROM:<a@src.test>", "250"),
                            ("RCPT TO:" + FOREIGN, "550"), ("RCPT TO:<b@ours.test>", "250"), ("DATA", "354")):
            self.assertEqual(d.say(line)[:3], reply)
        d.send(MAIL)
        self.assertRegex(d.read(), "^250 ")
        next_hop.wait(1)
        with self.assertRaises(BlockingIOError):
            asked.recv(512)


class Borders(Case):
    """O-73, O-74: who is inside a range relays, who is one bit or one address outside does not."""

    RANGES = {  # as written: (first, last)
        "127.1.0.0/16": ("127.1.0.0", "127.1.255.255"),
        "127.2.7.0/24": ("127.2.7.0", "127.2.7.255"),
        "127.3.16.0/20": ("127.3.16.0", "127.3.31.255"),
        "127.4.0.16/28": ("127.4.0.16", "127.4.0.31"),
        "127.5.0.9/31": ("127.5.0.8", "127.5.0.9"),  # host bits are masked
        "127.6.6.6": ("127.6.6.6", "127.6.6.6"),
        "127.7.0.10-127.7.0.20": ("127.7.0.10", "127.7.0.20"),
        "127.7.0.250-127.7.1.5": ("127.7.0.250", "127.7.1.5"),
        "127.8.0.0(255.255.255.240)": ("127.8.0.0", "127.8.0.15"),
        "127.128.0.0/9": ("127.128.0.0", "127.255.255.254"),  # the last is the broadcast address
    }
    # Inside the ranges above, and not trusted: the smallest range decides.
    HOLES = {"127.1.2.0/24": ("127.1.2.0", "127.1.2.255"), "127.200.0.1": ("127.200.0.1", "127.200.0.1")}

    def start(self):
        def quoted(ranges):
            return ", ".join(f'"{r}"' for r in ranges)
        self.next_hop = self.sink()
        text = config(self.spool, send=smart_host(self.next_hop.host), domains=OURS,
                      relay_hosts=quoted(self.RANGES))
        hole = ('  , { name = "Hole"; bindings = [ "127.0.0.1:0" ]; remote_ip_ranges = [ %s ];\n'
                '  permission_groups = [ "AnonymousUsers" ]; tarpit_interval = "0s"; }\n);\nsend_connectors'
                % quoted(self.HOLES))
        self.running = self.relay(text.replace(");\nsend_connectors", hole, 1))
        self.port = self.running.port()

    @staticmethod
    def numbers(ranges):
        return [tuple(int(ipaddress.IPv4Address(a)) for a in pair) for pair in ranges.values()]

    def trusted(self, number):
        def inside(ranges):
            return any(first <= number <= last for first, last in self.numbers(ranges))
        return inside(self.RANGES) and not inside(self.HOLES)

    def probes(self):
        """Both ends of each range, their neighbours, and each with one bit of it turned."""
        found = set()
        for first, last in self.numbers(self.RANGES) + self.numbers(self.HOLES):
            for end in (first, last):
                found |= {end, end - 1, end + 1} | {end ^ (1 << bit) for bit in range(24)}
        usable = range(int(ipaddress.IPv4Address("127.0.0.1")), int(ipaddress.IPv4Address("127.255.255.255")))
        return sorted(n for n in found if n in usable)

    def reply_to(self, source):
        with Dialogue(self.port, source=source) as d:
            for line in ("EHLO client.test", "MAIL FROM:<a@src.test>"):
                d.read()
                d.send(line + "\r\n")
            d.read()
            return d.say("RCPT TO:" + FOREIGN)

    def test_O74_one_bit_outside_each_border(self):
        self.start()
        probes = self.probes()
        self.assertGreater(sum(map(self.trusted, probes)), 100)
        self.assertGreater(sum(not self.trusted(n) for n in probes), 100)
        for number in probes:
            source = str(ipaddress.IPv4Address(number))
            with self.subTest(source):
                self.assertRegex(self.reply_to(source), "^250 2.1.5 " if self.trusted(number)
                                 else r"^550 5\.7\.1 Unable to relay$")

    def mapped(self, source):
        """From an IPv6 socket with the address mapped."""
        s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        self.addCleanup(s.close)
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.bind((f"::ffff:{source}", 0))
        s.connect(("::ffff:127.0.0.1", self.port))
        lines = s.makefile("rb")
        replies = [lines.readline()]
        s.sendall(b"HELO client.test\r\n")
        replies.append(lines.readline())
        s.sendall(b"MAIL FROM:<a@src.test>\r\n")
        replies.append(lines.readline())
        s.sendall(b"RCPT TO:" + FOREIGN.encode() + b"\r\n")
        replies.append(lines.readline())
        lines.close()
        self.assertEqual([r[:3] for r in replies[:3]], [b"220", b"250", b"250"])
        return replies[3]

    def test_O73_mapped_client_is_its_IPv4_address(self):
        self.start()
        for source, trusted in (("127.4.0.16", True), ("127.4.0.31", True), ("127.4.0.15", False),
                                ("127.4.0.32", False), ("127.1.2.3", False), ("127.6.6.6", True)):
            self.assertRegex(self.mapped(source), b"^250 " if trusted else b"^550 5.7.1 ", source)

    def test_O73_mapped_notation_in_a_range(self):
        self.next_hop = self.sink()
        self.running = self.relay(config(self.spool, send=smart_host(self.next_hop.host), domains=OURS,
                                         relay_hosts='"::ffff:127.4.0.16/124"'))
        self.port = self.running.port()
        for source, trusted in (("127.4.0.16", True), ("127.4.0.31", True), ("127.4.0.15", False),
                                ("127.4.0.32", False)):
            self.assertRegex(self.reply_to(source), "^250 " if trusted else r"^550 5\.7\.1 ", source)


if __name__ == "__main__":
    main()
