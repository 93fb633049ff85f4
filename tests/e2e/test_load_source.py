#!/usr/bin/env python3
"""The options of `mailrace-load source`: what each puts on the wire, and what it counts."""

import contextlib
import json
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import threading
import time

from harness import LOAD, MAILRACE, Case, Sink, certificate, config, free_port, main, smart_host, wait_until

PHASES = ("connect", "banner", "tls", "ehlo", "auth", "mail", "dot", "quit")
ALL = (b"PIPELINING", b"SIZE 100000000", b"8BITMIME", b"CHUNKING")


class TlsSink(Sink):
    """TLS from the first octet."""

    def _serve(self, conn):
        try:
            conn = self.context.wrap_socket(conn, server_side=True)
        except (OSError, ssl.SSLError):
            return
        self.sockets.add(conn)
        super()._serve(conn)


class SourceCase(Case):
    def source(self, port, *options, code=0, text=False):
        output = self.run_program([LOAD, "source", "--to", f"127.0.0.1:{port}", "--threads", "1",
                                   *([] if text else ["--json"]), *options], code=code)
        return output if text else json.loads(output)

    def one(self, port, messages, *options, **kwargs):
        """By one session, so that what comes has an order."""
        return self.source(port, "--sessions", "1", "--messages", str(messages), *options, **kwargs)

    def open_loop(self, port, *options):
        """Again while the machine is so busy that the generator itself was late."""
        def try_it():
            output = self.run_program([LOAD, "source", "--to", f"127.0.0.1:{port}", "--json", *options],
                                      code=None)
            result = json.loads(output)
            return None if "accepted" not in result else result
        return wait_until(try_it, "a run in which the generator was on time")

    def counts(self, result):
        return {name: result["phases_us"][name]["count"] for name in PHASES}

    def context(self):
        cert, key = certificate(self.folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        return context

    def start_relay(self, **kwargs):
        """A relay that offers STARTTLS, and its next hop."""
        self.next_hop = self.sink()
        cert, key = certificate(self.folder)
        self.running = self.relay(config(
            self.spool, send=smart_host(self.next_hop.host),
            extra=f'tls = {{ certificate = "{cert}"; key = "{key}"; }};', **kwargs))
        return self.running.port()


class Phases(SourceCase):
    def test_kept_open(self):
        result = self.one(self.sink().port, 7)
        self.assertEqual(self.counts(result), {"connect": 1, "banner": 1, "tls": 0, "ehlo": 1, "auth": 0,
                                               "mail": 7, "dot": 7, "quit": 1})
        self.assertEqual((result["accepted"], result["connections"], result["latency_us"]["count"]),
                         (7, 1, 7))
        for histogram in (*result["phases_us"].values(), result["latency_us"]):
            values = [histogram[name] for name in ("p50", "p90", "p99", "p99.9", "max")]
            self.assertEqual(values, sorted(values))
        self.assertEqual(result["ack_us"], result["phases_us"]["dot"])
        self.assertGreaterEqual(result["latency_us"]["max"], result["ack_us"]["p50"])
        self.assertGreater(result["cpu_us_per_message"], 0)

    def test_reconnect(self):
        result = self.one(self.sink().port, 5, "--reconnect")
        self.assertEqual(self.counts(result), {"connect": 5, "banner": 5, "tls": 0, "ehlo": 5, "auth": 0,
                                               "mail": 5, "dot": 5, "quit": 5})
        self.assertEqual(result["connections"], 5)

    def test_the_table_in_words(self):
        output = self.one(self.sink().port, 3, text=True)
        self.assertRegex(output, r"(?m)^accepted 3, refused 0, failed 0 in \d+\.\d+ s: [\d.]+ messages/s$")
        self.assertRegex(output, r"(?m)^  ms +count +p50 +p90 +p99 +p99\.9 +max$")
        for phase, count in (("connect", 1), ("mail", 3), ("dot", 3), ("message", 3)):
            self.assertRegex(output, rf"(?m)^  {phase} +{count}( +\d+\.\d{{3}}){{5}}$")
        self.assertNotRegex(output, r"(?m)^  tls ")
        self.assertRegex(output, r"own CPU \d+\.\d+ s, \d+\.\d us a message")


class Wire(SourceCase):
    """What is written when."""

    def server(self, dialogue):
        """A port at which DIALOGUE(socket) speaks with one client behind EHLO."""
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        self.seen, self.failure = [], None

        def serve():
            conn, _ = listener.accept()
            with conn:
                conn.sendall(b"220 s.test\r\n")
                self.assertRegex(conn.recv(1000), rb"^EHLO \S+\r\n$")
                conn.sendall(b"250-s.test\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 SIZE\r\n")
                dialogue(conn)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        self.addCleanup(thread.join, 10)
        return listener.getsockname()[1]

    def receive(self, conn, replies, end=None):
        """One read, or all up to END; noted; then the REPLIES."""
        data = conn.recv(1 << 20)
        while end and not data.endswith(end):
            more = conn.recv(1 << 20)
            if not more:
                break
            data += more
        self.seen.append(data)
        conn.sendall(replies)

    def test_no_pipelining(self):
        def dialogue(conn):
            for _ in range(3):  # MAIL, two RCPT
                self.receive(conn, b"250 ok\r\n")
            self.receive(conn, b"354 go\r\n")
            self.receive(conn, b"250 ok\r\n", b"\r\n.\r\n")
            self.receive(conn, b"221 bye\r\n")
        result = self.one(self.server(dialogue), 1, "--no-pipelining", "--rcpts", "2", "--length", "1000")
        self.assertEqual(result["accepted"], 1)
        self.assertEqual(self.seen[:4], [b"MAIL FROM:<a@src.test> SIZE=1000\r\n",
                                         b"RCPT TO:<b1@dst.test>\r\n", b"RCPT TO:<b2@dst.test>\r\n",
                                         b"DATA\r\n"])
        self.assertEqual(len(self.seen[4]), 1003)
        self.assertEqual(self.seen[5], b"QUIT\r\n")

    def test_pipelining(self):
        """Nothing is answered before the last command of the group is there."""
        def dialogue(conn):
            self.receive(conn, b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n", b"DATA\r\n")
            self.receive(conn, b"250 ok\r\n", b"\r\n.\r\n")
            self.receive(conn, b"221 bye\r\n")
        result = self.one(self.server(dialogue), 1, "--pipelining", "--rcpts", "2")
        self.assertEqual(result["accepted"], 1)
        self.assertRegex(self.seen[0], rb"^MAIL FROM:.*\r\nRCPT TO:.*\r\nRCPT TO:.*\r\nDATA\r\n$")

    def test_ahead(self):
        """The second message's envelope comes with the end of the first one's text."""
        def dialogue(conn):
            self.receive(conn, b"250 ok\r\n250 ok\r\n354 go\r\n", b"DATA\r\n")
            self.receive(conn, b"250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n", b"DATA\r\n")
            self.receive(conn, b"250 ok\r\n", b"\r\n.\r\n")
            self.receive(conn, b"221 bye\r\n")
        result = self.one(self.server(dialogue), 2, "--ahead", "--length", "1000")
        self.assertEqual(result["accepted"], 2)
        self.assertRegex(self.seen[1], rb"\r\n\.\r\nMAIL FROM:.*\r\nRCPT TO:.*\r\nDATA\r\n$")

    def test_chunking(self):
        def dialogue(conn):
            self.receive(conn, b"250 ok\r\n")
            self.receive(conn, b"250 ok\r\n")
            data = b""
            while len(data) < len(b"BDAT 5000 LAST\r\n") + 5000:
                data += conn.recv(1 << 20)
            self.seen.append(data)
            conn.sendall(b"250 ok\r\n")
            self.receive(conn, b"221 bye\r\n")
        result = self.one(self.server(dialogue), 1, "--chunking", "--no-pipelining", "--length", "5000")
        self.assertEqual(result["accepted"], 1)
        self.assertTrue(self.seen[2].startswith(b"BDAT 5000 LAST\r\n"))
        self.assertEqual(len(self.seen[2]), len(b"BDAT 5000 LAST\r\n") + 5000)
        self.assertEqual(self.counts(result)["mail"], 1)

    def test_what_is_not_offered(self):
        port = self.sink(extensions=()).port
        for option, word in (("--pipelining", "PIPELINING"), ("--chunking", "CHUNKING"),
                             ("--starttls", "STARTTLS")):
            with self.subTest(option):
                output = self.one(port, 1, option, code=1, text=True)
                self.assertIn(f"first failure: 451 4.4.2 {word} is not offered", output)

    def test_texts_with_dots_arrive_as_they_were(self):
        """Through DATA, which wants one dot more, and BDAT, which does not."""
        folder = os.path.join(self.folder, "mails")
        os.mkdir(folder)
        with open(os.path.join(folder, "one"), "wb") as out:
            out.write(b"Subject: x\r\n\r\n.\r\n..\r\n.a\r\nb.\r\n.\r\n")
        for option in ("--pipelining", "--no-pipelining", "--chunking"):
            with self.subTest(option):
                sink = self.sink(extensions=ALL)
                self.assertEqual(self.one(sink.port, 2, option, "--bodies", folder)["accepted"], 2)
                for message in sink.messages:
                    self.assertTrue(message["data"].endswith(b"\r\n\r\n.\r\n..\r\n.a\r\nb.\r\n.\r\n"))

    def test_large_texts(self):
        """More than socket and connection take at once."""
        for options in ((), ("--chunking",), ("--chunking", "--ahead"), ("--ahead",)):
            with self.subTest(options):
                sent, taken = (os.path.join(self.folder, name) for name in ("sent", "taken"))
                taker = self.program([LOAD, "sink", "--listen", "127.0.0.1:0", "--journal", taken,
                                      "--quiet", "--chunking"])
                port = taker.wait_line(r"listening on \S+:(\d+)").group(1)
                result = self.source(port, "--messages", "6", "--sessions", "2", "--length", "5000000",
                                     "--journal", sent, *options)
                self.assertEqual(result["accepted"], 6)
                output = self.run_program([LOAD, "audit", "--source", sent, "--sink", taken, "--json"])
                self.assertEqual(json.loads(output[output.index("{"):])["delivered"], 6)
                for path in (sent, taken):
                    os.remove(path)
                taker.stop()

    def test_thousands_of_recipients(self):
        sink = self.sink()
        for option in ("--pipelining", "--no-pipelining"):
            self.assertEqual(self.one(sink.port, 1, option, "--rcpts", "1700")["accepted"], 1)
        for message in sink.messages:
            self.assertEqual(len(set(message["rcpts"])), 1700)


class Refusals(SourceCase):
    def test_some_recipients(self):
        def answer(verb, argument, _session):
            return b"450 4.2.1 later" if verb == "RCPT" and b"<b2@" in argument else None
        for options in (("--pipelining",), ("--no-pipelining",), ("--chunking",)):
            with self.subTest(options):
                result = self.one(self.sink(answer, extensions=ALL).port, 2, "--rcpts", "3", *options,
                                  code=1)
                self.assertEqual((result["accepted"], result["refused"], result["rcpts_refused"]),
                                 (2, 0, 2))

    def test_every_recipient_and_then_none(self):
        """The envelope that was refused is taken back before the next one."""
        for options in (("--pipelining",), ("--no-pipelining",), ("--chunking",), ("--ahead",),
                        ("--ahead", "--chunking")):
            with self.subTest(options):
                refused = []

                def answer(verb, _argument, _session):
                    if verb == "RCPT" and len(refused) < 2:
                        refused.append(1)
                        return b"550 5.1.1 nobody"
                    return None
                sink = self.sink(answer, extensions=ALL)
                result = self.one(sink.port, 3, "--rcpts", "2", *options, code=1)
                self.assertEqual((result["accepted"], result["refused"], result["failed"]), (2, 1, 0))
                self.assertIn(b"RSET\r\n", sink.commands)
                self.assertEqual(result["connections"], 1)

    def test_mail_is_refused(self):
        for options in (("--pipelining",), ("--no-pipelining",), ("--chunking",)):
            with self.subTest(options):
                refused = []

                def answer(verb, _argument, _session):
                    if verb == "MAIL" and not refused:
                        refused.append(1)
                        return b"452 4.3.1 full"
                    return None
                output = self.one(self.sink(answer, extensions=ALL).port, 2, *options, code=1, text=True)
                self.assertRegex(output, r"(?m)^accepted 1, refused 1, failed 0 ")
                self.assertRegex(output, r"(?m)^first failure: 452 4\.3\.1 full$")

    def test_a_421_and_a_hangup_make_another_connection(self):
        said = []

        def answer(verb, _argument, _session):
            said.append(verb)
            if said.count("MAIL") == 2 and verb == "MAIL":
                return b"421 4.3.2 closing"
            if said.count("DATA") == 3 and verb == "DATA":
                raise Sink.Hangup
            return None
        sent = os.path.join(self.folder, "sent")
        result = self.one(self.sink(answer).port, 5, "--no-pipelining", "--journal", sent, code=1)
        self.assertEqual((result["accepted"], result["failed"], result["connections"]), (3, 2, 3))
        with open(sent, encoding="ascii") as lines:
            self.assertEqual([line.split()[0] for line in lines],
                             ["acknowledged", "refused", "acknowledged", "unsent", "acknowledged"])

    def test_banner_and_nobody(self):
        def answer(verb, _argument, _session):
            return b"554 5.3.2 not today" if verb == "CONNECT" else None
        output = self.one(self.sink(answer).port, 1, code=1, text=True)
        self.assertRegex(output, r"(?m)^accepted 0, refused 0, failed 1 ")
        self.assertIn("first failure: 554 5.3.2 not today", output)
        output = self.one(free_port(), 1, code=1, text=True)
        self.assertIn("Connection lost while connecting: Connection refused", output)

    def test_replies_that_make_no_sense(self):
        for replies in (b"hello", b"250 ok\n250 more", b"250 ok\r\n250 and\r\n250 more\r\n250 of it"):
            with self.subTest(replies):
                def answer(verb, _argument, _session, replies=replies):
                    return replies if verb == "MAIL" else None
                result = self.one(self.sink(answer, extensions=()).port, 1, code=1)
                self.assertEqual((result["accepted"], result["refused"] + result["failed"]), (0, 1))


class Nonsense(SourceCase):
    WORDS = (b"250 ok", b"250-ok", b"354 go", b"220 hi", b"221 bye", b"334 x", b"235 ok", b"421 no", b"450 no",
             b"550 no", b"250-PIPELINING", b"250 CHUNKING", b"999 what", b"", b"x" * 5000)

    def test_whatever_it_is_told(self):
        """Replies at random, too many and too few of them: every message gets a fate, and it ends."""
        for seed, options in enumerate((("--ahead",), ("--chunking",), ("--chunking", "--ahead"),
                                        ("--no-pipelining",), ("--reconnect",), ("--rcpts", "3"))):
            with self.subTest(options):
                dice = random.Random(seed)
                listener = socket.create_server(("127.0.0.1", 0))
                self.addCleanup(listener.close)

                def serve(listener=listener, dice=dice):
                    while True:
                        try:
                            conn, _ = listener.accept()
                        except OSError:
                            return
                        with conn, contextlib.suppress(OSError):
                            conn.settimeout(0.03)  # when both wait for each other, it hangs up
                            conn.sendall(b"220 s.test\r\n")
                            conn.recv(1000)
                            conn.sendall(b"250-s.test\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 SIZE\r\n")
                            while conn.recv(1 << 16):
                                right = dice.random() < 0.7
                                words = [b"250 ok"] * dice.randrange(4) + [b"354 go"] if right else \
                                    dice.choices(self.WORDS, k=dice.randrange(1, 6))
                                conn.sendall(b"\r\n".join(words) + b"\r\n")
                                if dice.random() < 0.05:
                                    break
                thread = threading.Thread(target=serve, daemon=True)
                thread.start()
                result = self.one(listener.getsockname()[1], 40, "--length", "100000", *options, code=1)
                self.assertEqual(result["accepted"] + result["refused"] + result["failed"], 40)
                listener.shutdown(socket.SHUT_RDWR)
                thread.join(10)


class Tls(SourceCase):
    def test_starttls(self):
        port = self.start_relay()
        result = self.source(port, "--messages", "20", "--sessions", "4", "--starttls")
        self.assertEqual((result["accepted"], result["connections"], result["tls_handshakes"],
                          result["tls_resumed"]), (20, 4, 4, 0))
        self.assertEqual((self.counts(result)["tls"], self.counts(result)["ehlo"]), (4, 8))

    def test_resumed_sessions(self):
        port = self.start_relay()
        for percent, resumed in (("100", 9), ("50", 5), ("10", 1), ("0", 0)):
            with self.subTest(percent):
                result = self.one(port, 10, "--starttls", "--reconnect", "--resume", percent)
                self.assertEqual((result["tls_handshakes"], result["tls_resumed"]), (10, resumed))

    def test_implicit(self):
        context = self.context()
        sink = TlsSink()
        sink.context = context
        self.addCleanup(sink.close)
        result = self.one(sink.port, 4, "--tls", "--reconnect", "--resume", "100")
        self.assertEqual((result["accepted"], result["tls_handshakes"], result["tls_resumed"]), (4, 4, 3))
        self.assertEqual((self.counts(result)["tls"], self.counts(result)["ehlo"]), (4, 4))
        self.assertEqual(len(sink.messages), 4)

    def test_large_and_ahead_under_tls(self):
        port = self.start_relay()
        result = self.source(port, "--messages", "6", "--sessions", "2", "--starttls", "--ahead",
                             "--length", "3000000")
        self.assertEqual(result["accepted"], 6)
        self.next_hop.wait(6)

    def test_a_handshake_that_fails(self):
        """What answers STARTTLS with no TLS, and a clear server where TLS was wanted at once."""
        def answer(verb, _argument, _session):
            return b"220 go" if verb == "STARTTLS" else None
        port = self.sink(answer, extensions=(b"STARTTLS",)).port
        for options in (("--starttls",), ("--tls",)):
            with self.subTest(options):
                output = self.one(port, 1, *options, code=1, text=True)
                self.assertRegex(output, r"first failure: 451 4\.4\.2 Connection lost while shaking hands")


class Auth(SourceCase):
    def start_relay(self, **_kwargs):
        file = os.path.join(self.folder, "users")
        subprocess.run([MAILRACE, "user", "add", "ann", "-f", file], input=b"sesame\n", check=True,
                       stdout=subprocess.DEVNULL)
        self.next_hop = self.sink()
        cert, key = certificate(self.folder)
        self.running = self.relay(f"""
hostname = "relay.test";
spool = {{ path = "{self.spool}"; min_free = "1MB"; }};
tls = {{ certificate = "{cert}"; key = "{key}"; }};
users = {{ file = "users"; }};
receive_connectors = (
  {{ name = "Clients"; bindings = [ "127.0.0.1:0" ]; remote_ip_ranges = [ "127.0.0.0/8" ];
    permission_groups = [ "ExchangeUsers" ];
    permissions = ( {{ user = "AuthenticatedUsers"; allow = [ "ms-Exch-SMTP-Accept-Any-Sender" ]; }} );
    auth_mechanism = [ "Tls", "BasicAuth", "BasicAuthRequireTLS" ]; tarpit_interval = "0s";
    auth_tarpit_interval = "0s"; }} );
send_connectors = ( {smart_host(self.next_hop.host)} );
""")
        return self.running.port()

    def password(self, text):
        path = os.path.join(self.folder, "password")
        with open(path, "w", encoding="ascii") as out:
            out.write(text)
        return path

    def test_plain_and_login(self):
        port = self.start_relay()
        for options in ((), ("--auth-login",)):
            with self.subTest(options):
                result = self.one(port, 3, "--starttls", "--reconnect", "--user", "ann", "--password-file",
                                  self.password("sesame\n"), *options)
                self.assertEqual((result["accepted"], self.counts(result)["auth"]), (3, 3))
        wait_until(lambda: len(self.running.events("logon")) >= 6, "six log-ons")

    def test_what_is_said(self):
        """To a server that does not insist on TLS: the very lines."""
        def answer(verb, argument, _session):
            if verb == "AUTH":
                return b"334 VXNlcm5hbWU6" if argument == b"LOGIN" else b"235 2.7.0 ok"
            return {"YW5U": b"334 UGFzc3dvcmQ6", "C2VZYW1L": b"235 2.7.0 ok"}.get(verb)  # in capitals
        for options, lines in (((), [b"AUTH PLAIN AGFubgBzZXNhbWU=\r\n"]),
                               (("--auth-login",), [b"AUTH LOGIN\r\n", b"YW5u\r\n", b"c2VzYW1l\r\n"])):
            with self.subTest(options):
                sink = self.sink(answer, extensions=(b"AUTH PLAIN LOGIN",))
                result = self.one(sink.port, 1, "--user", "ann", "--password-file",
                                  self.password("sesame\r\nmore\n"), *options)
                self.assertEqual(result["accepted"], 1)
                self.assertEqual(sink.commands[1:1 + len(lines)], lines)

    def test_a_wrong_password(self):
        port = self.start_relay()
        output = self.one(port, 1, "--starttls", "--user", "ann", "--password-file", self.password("no"),
                          code=1, text=True)
        self.assertRegex(output, r"(?m)^accepted 0, refused 0, failed 1 ")
        self.assertIn("first failure: 535 5.7.3", output)

    def test_no_password(self):
        for path in (self.password(""), os.path.join(self.folder, "none")):
            self.one(1, 1, "--user", "ann", "--password-file", path, code=1, text=True)


class Sources(SourceCase):
    def peers(self, *options):
        addresses = []
        sink = self.sink()

        def serve(conn, inner=sink._serve):
            addresses.append(conn.getpeername()[0])
            inner(conn)
        sink._serve = serve
        result = self.source(sink.port, *options)
        self.assertEqual((result["refused"], result["failed"]), (0, 0))
        return addresses

    def test_spread(self):
        addresses = self.peers("--messages", "200", "--sessions", "1", "--reconnect", "--sources", "40")
        self.assertEqual(len(set(addresses)), 40)
        self.assertEqual({addresses.count(a) for a in addresses}, {5})
        self.assertGreater(len({a.split(".")[1] for a in addresses}), 30)

    def test_a_network(self):
        addresses = self.peers("--messages", "20", "--sessions", "10", "--reconnect", "--sources",
                               "6@127.1.2.0/29")
        self.assertEqual(sorted(set(addresses)), [f"127.1.2.{n}" for n in range(1, 7)])


class OpenLoop(SourceCase):
    def test_rate(self):
        result = self.open_loop(self.sink().port, "--rate", "200", "--messages", "150", "--sessions", "20")
        self.assertEqual((result["accepted"], result["latency_us"]["count"]), (150, 150))
        self.assertEqual(self.counts(result)["connect"], 20, "all sessions are opened beforehand")
        self.assertGreaterEqual(result["seconds"], 0.7)
        self.assertLessEqual(result["generator_late_share"], 0.01)
        for key in ("late", "late_share", "unstarted"):
            self.assertIn(key, result)

    def test_poisson_on_new_connections(self):
        result = self.open_loop(self.sink().port, "--rate", "100", "--poisson", "--messages", "50",
                                "--sessions", "20", "--reconnect", "--threads", "2")
        self.assertEqual((result["accepted"], result["connections"]), (50, 50))

    def test_what_waits_for_a_session_is_the_peers_slowness(self):
        """One session, whose peer holds each message back until the next one is due."""
        def answer(verb, _argument, _session):
            if verb == "DOT":
                until = time.monotonic() + 0.025
                wait_until(lambda: time.monotonic() > until, "the answer's time")
            return None
        result = self.open_loop(self.sink(answer).port, "--rate", "100", "--seconds", "1", "--sessions", "1")
        self.assertGreater(result["late"], 20)
        self.assertGreater(result["latency_us"]["p99"], 100000)
        self.assertEqual(result["accepted"] + result["unstarted"], 100)

    def test_no_figures_when_the_generator_was_late(self):
        """It is stopped for a while, as by a machine that has no time for it."""
        port = self.sink().port
        for options, words in ((("--json",), '{"no_result": "the generator itself began '),
                               ((), "no result: the generator itself began ")):
            with self.subTest(options):
                source = self.program([LOAD, "source", "--to", f"127.0.0.1:{port}", "--rate", "200", "--progress",
                                       "--sessions", "100", "--seconds", "1000", *options])
                source.wait_line(r"^ +1 +\d+ ")
                source.signal(signal.SIGSTOP)
                until = time.monotonic() + 0.5
                wait_until(lambda: time.monotonic() > until, "the pause")
                lines = len(source.lines)
                source.signal(signal.SIGCONT)
                wait_until(lambda: len(source.lines) > lines + 1, "two more lines")
                source.signal(signal.SIGINT)
                self.assertEqual(source.wait(), 1)
                self.assertIn(words, source.output())
                self.assertNotRegex(source.output(), r'(?m)^accepted |"p99"')


class Knee(SourceCase):
    def test_steps(self):
        """Until two steps held, which they do once the machine is not too busy."""
        port = self.sink().port

        def try_it():
            source = self.program([LOAD, "source", "--to", f"127.0.0.1:{port}", "--knee", "--rate", "40",
                                   "--seconds", "1", "--sessions", "10", "--knee-p99", "500"])
            wait_until(lambda: not source.running() or len(re.findall(r"/s wanted: ", source.output())) >= 2,
                       "two steps")
            source.signal(signal.SIGINT)
            source.wait()
            found = re.search(r"(?m)^knee: (\d+) messages/s are held with a p99 of at most 500 ms",
                              source.output())
            return found and int(found.group(1)) >= 80 and source.output()
        output = wait_until(try_it, "two steps that held")
        self.assertRegex(output, r"(?m)^ +40/s wanted: +\d+\.\d/s, p99 +\d+\.\d{3} ms, .*: held$")
        self.assertRegex(output, r"(?m)^ +80/s wanted: ")
        self.assertRegex(output, r"(?m)^accepted \d+, refused 0, failed 0 ")

    def test_nothing_holds(self):
        """A rate that cannot be halved any more, at nobody's port."""
        result = self.source(free_port(), "--knee", "--rate", "1", "--seconds", "1", "--sessions", "1", code=1)
        self.assertEqual((result["knee"]["rate"], result["knee"]["limited_by"]), (0, "not accepted"))
        self.assertEqual([step["held"] for step in result["knee"]["steps"]], [False])


class Output(SourceCase):
    def test_a_line_a_second(self):
        port = self.sink().port
        output = self.source(port, "--seconds", "2", "--sessions", "2", text=True)
        self.assertRegex(output, r"(?m)^ +s +messages/s +p50 ms +p99 ms +max ms +refused +failed$")
        self.assertRegex(output, r"(?m)^ +1 +[1-9]\d* +\d+\.\d{3} +\d+\.\d{3} +\d+\.\d{3} +0 +0$")
        quiet = self.source(port, "--seconds", "2", "--sessions", "2", "--quiet", text=True)
        self.assertNotIn("p50 ms", quiet)

    def test_a_signal_ends_it_with_its_totals(self):
        source = self.program([LOAD, "source", "--to", f"127.0.0.1:{self.sink().port}", "--seconds", "1000",
                               "--sessions", "2"])
        source.wait_line(r"^ +1 +[1-9]")
        source.signal(signal.SIGINT)
        self.assertEqual(source.wait(), 0)
        self.assertRegex(source.output(), r"(?m)^accepted [1-9]\d*, refused 0, failed 0 ")

    def test_help_names_every_option(self):
        text = self.run_program([LOAD, "source", "--help"])
        for word in ("closed loop", "open loop", "not verified", "1 %"):
            self.assertIn(word, text)
        for option in re.findall(r"(?m)^  (--[a-z0-9-]+)", text):
            with self.subTest(option):
                output = self.run_program([LOAD, "source", option, "x", "--to", "x"], code=2)
                self.assertNotIn("unrecognized", output)

    def test_what_does_not_go_together(self):
        for args in (("--poisson",), ("--rate", "1", "--ahead"), ("--ahead", "--no-pipelining"),
                     ("--ahead", "--reconnect"), ("--knee", "--messages", "5"), ("--user", "a"),
                     ("--password-file", "x"), ("--auth-login",), ("--resume", "50"),
                     ("--resume", "101", "--tls"), ("--sources", "0"), ("--sources", "9@127.0.0.0/29"),
                     ("--sources", "2@::1/8"), ("--sources", "2@127.0.0.1/7"), ("--rate", "0"),
                     ("--to", "[::1]:25", "--sources", "2"), ("--to", "x"), ("--seed", "-1"), ("more",)):
            with self.subTest(args):
                self.run_program([LOAD, "source", *args], code=2)


if __name__ == "__main__":
    main()
