#!/usr/bin/env python3
"""`mailrace relay-test`: it finds a closed relay closed and an open one open, and sends nothing."""

import contextlib
import json
import socket
import threading
import time

from harness import MAILRACE, OURS, Case, certificate, config, free_port, main, smart_host


class RelayTest(Case):
    def start(self, relay_hosts="", **kwargs):
        self.next_hop = self.sink()
        self.running = self.relay(config(self.spool, send=smart_host(self.next_hop.host), domains=OURS,
                                         relay_hosts=relay_hosts, **kwargs))
        self.at = f"127.0.0.1:{self.running.port()}"

    def run_test(self, *args, code=0, at=None):
        return self.run_program([MAILRACE, "relay-test", "--host", at or self.at, *args], code=code)

    def json(self, *args, code=0):
        return json.loads(self.run_test("--ours", "ours.test", "--json", *args, code=code))

    def tls(self):
        return 'tls = { certificate = "%s"; key = "%s"; };' % certificate(self.folder)

    def nothing_was_sent(self):
        self.assertEqual(self.running.events("message_accepted"), [])
        self.assertEqual(self.next_hop.commands, [])

    OPEN = dict(connector='permissions = ( { user = "Anonymous"; allow = [ '
                          '"ms-Exch-SMTP-Accept-Any-Recipient" ]; } ); open_relay = true;')

    def test_closed_relay(self):
        self.start(extra=self.tls())
        result = self.json()
        self.assertEqual((result["wrong"], result["left_out"]), (0, 0))
        self.assertEqual(result["refused"] + result["accepted"], len(result["patterns"]))
        self.assertTrue(all(p["good"] for p in result["patterns"]))
        verdicts = {p["id"]: (p["verdict"], p["reply"]) for p in result["patterns"]}
        self.assertEqual(verdicts["O-01"], ("refused", "550 5.7.1 Unable to relay"))
        self.assertEqual(verdicts["O-77"], ("accepted", "250 2.1.5 Recipient OK"))
        self.assertEqual(verdicts["O-65"], ("refused", "503 5.5.2 Send hello first"))
        self.assertEqual(verdicts["O-65b"], ("refused", "550 5.7.1 Unable to relay"))
        self.nothing_was_sent()

    def test_without_starttls(self):
        """What cannot be tried counts for nothing; the rest is tried."""
        self.start()
        result = self.json()
        self.assertEqual({p["id"] for p in json.loads(self.run_test("--list", "--json", "--ours", "ours.test"))["patterns"]}
                         - {p["id"] for p in result["patterns"]}, {"O-65", "O-65b", "O-65c", "O-65d"})
        self.assertEqual((result["wrong"], result["left_out"]), (0, 4))

    def test_open_relay(self):
        self.start(extra=self.tls(), **self.OPEN)
        result = self.json(code=1)
        verdicts = {p["id"]: p for p in result["patterns"]}
        for open_to in ("O-01", "O-02", "O-06", "O-26", "O-33", "O-37", "O-54", "O-62", "O-63", "O-64", "O-65b", "O-66",
                        "O-68", "O-70", "O-72", "O-78", "O-78b", "O-78c"):
            self.assertEqual((verdicts[open_to]["verdict"], verdicts[open_to]["good"]), ("accepted", False))
        for closed in ("O-11", "O-44", "O-58", "O-65", "O-77"):
            self.assertTrue(verdicts[closed]["good"], closed)
        self.assertEqual(result["wrong"], sum(not p["good"] for p in result["patterns"]))
        self.nothing_was_sent()

    def test_text(self):
        self.start(extra=self.tls(), **self.OPEN)
        output = self.run_test("--ours", "ours.test", code=1)
        self.assertRegex(output, r"(?m)^WRONG O-02 +accepted +foreign sender +<relaytest@ext\.example>$")
        self.assertRegex(output, r"(?m)^ok    O-44 +refused ")
        self.assertRegex(output, r"\d+ refused, \d+ accepted, 0 left out .*; [1-9]\d* wrong\n$")

    def test_source(self):
        """The same relay: closed to one address, open to another."""
        self.start(relay_hosts='"127.0.0.3"')
        self.json()
        self.json("--source", "127.0.0.2")
        self.json("--source", "127.0.0.3", code=1)

    def test_without_a_domain_of_ours(self):
        self.start()
        result = json.loads(self.run_test("--json"))
        self.assertGreater(result["left_out"], 0)
        self.assertEqual([p["id"] for p in result["patterns"] if "ours" in p["rcpt"]], [])
        self.assertEqual(result["wrong"], 0)

    def test_what_must_stay_open_is_closed(self):
        """A domain that is not relayed for, said to be ours: the test says so."""
        self.start()
        result = json.loads(self.run_test("--ours", "theirs.test", "--json", code=1))
        self.assertEqual({p["id"] for p in result["patterns"] if not p["good"]},
                         {"O-35", "O-52", "O-52b", "O-76c", "O-77"})

    def test_a_tarpit_is_waited_for_together(self):
        """Each of some forty refusals takes a second; a session more than one."""
        text = config(self.spool, domains=OURS, relay_hosts="")
        self.running = self.relay(text.replace('tarpit_interval = "0s"', 'tarpit_interval = "1s"'))
        self.at = f"127.0.0.1:{self.running.port()}"
        started = time.monotonic()
        result = self.json()
        self.assertEqual(result["wrong"], 0)
        slow = sum(p["reply"].startswith("550") for p in result["patterns"])
        self.assertLess(time.monotonic() - started, slow * 0.8)

    def test_list_is_what_is_tried(self):
        self.start(extra=self.tls())
        listed = json.loads(self.run_test("--list", "--json", "--ours", "ours.test"))["patterns"]
        tried = self.json()["patterns"]
        self.assertEqual([(p["id"], p["mail"], p["rcpt"]) for p in listed],
                         [(p["id"], p["mail"], p["rcpt"]) for p in tried])
        self.assertEqual(len({p["id"] for p in listed}), len(listed))
        text = self.run_program([MAILRACE, "relay-test", "--list"])
        self.assertEqual(len(text.splitlines()), len(listed))

    def test_no_relay_answers(self):
        at = f"127.0.0.1:{free_port()}"
        self.assertIn("no relay answers", self.run_test(at=at, code=3))

    def stranger(self, *said):
        """Something that listens, says SAID (one a line it gets) and hangs up. Its address."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.addCleanup(listener.close)

        def serve(conn):
            with contextlib.suppress(OSError), conn, conn.makefile("rb") as lines:
                for line in said[:-1]:
                    conn.sendall(line)
                    lines.readline()
                conn.sendall(b"".join(said[-1:]))
                conn.shutdown(socket.SHUT_WR)
                lines.read()

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    conn, _ = listener.accept()
                    threading.Thread(target=serve, args=(conn,), daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()
        return "127.0.0.1:%d" % listener.getsockname()[1]

    def test_something_that_says_nothing(self):
        self.assertIn("no relay answers", self.run_test(at=self.stranger(), code=3))

    def test_a_relay_that_puts_off(self):
        """4xx is no refusal: nothing is known."""
        at = self.stranger(b"220 x.test\r\n", b"250-x.test\r\n250 PIPELINING\r\n", b"451 later\r\n")
        result = json.loads(self.run_test("--json", at=at, code=1))
        self.assertEqual({(p["verdict"], p["stage"]) for p in result["patterns"] if not p["before"]},
                         {("undecided", "MAIL")})
        self.assertEqual({(p["verdict"], p["good"]) for p in result["patterns"]}, {("undecided", False)})

    def test_hostile_replies(self):
        long = b"550-" + b"x" * 100000 + b"\r\n550 \x1b[31m\"\\\xff\0" + b"y" * 100000 + b"\r\n"
        for last in (long, b"2", b"\n", b"\r\n\r\n\r\n", b"999\r\n", b""):
            at = self.stranger(b"220 \"\\\xff\x1b\r\n", b"250 ok\r\n", b"250 ok\r\n", last)
            json.loads(self.run_test("--json", "--ours", "ours.test", at=at, code=1))
            self.assertNotIn("\x1b", self.run_test("--ours", "ours.test", at=at, code=1))

    def test_usage(self):
        for args in (["--host", "x"], ["--host", "127.0.0.1:0"], ["--source", "x"], ["--source", "::1"],
                     ["--parallel", "0"], ["--parallel", "257"], ["--nonsense"], ["more"]):
            with self.subTest(args):
                self.run_program([MAILRACE, "relay-test", *args], code=2)
        self.assertIn("usage: mailrace relay-test", self.run_program([MAILRACE, "relay-test", "--help"]))


if __name__ == "__main__":
    main()
