#!/usr/bin/env python3
"""The bundled load generator against the relay, and the demonstration."""

import json
import os
import re
import signal
import tempfile

from harness import LOAD, MAILRACE, Case, config, free_port, main, smart_host, wait_until


class Load(Case):
    def start(self):
        self.taker = self.program([LOAD, "sink", "--listen", "127.0.0.1:0"])
        at = self.taker.wait_line(r"listening on (\S+)").group(1)
        host, _, port = at.rpartition(":")
        text = config(self.spool, send=smart_host(f"[{host}]:{port}"),
                      extra="runtime = { workers = 4; };")
        self.running = self.relay(text)

    def totals(self):
        """What the sink has taken, once it is told to end."""
        self.taker.signal(signal.SIGINT)
        self.assertEqual(self.taker.wait(), 0)
        return [int(n) for n in
                re.search(r"taken: (\d+) messages, (\d+) octets", self.taker.output()).groups()]

    def send(self, *options):
        return json.loads(self.run_program(
            [LOAD, "source", "--to", f"127.0.0.1:{self.running.port()}", "--json", *options]))

    def test_two_thousand_messages(self):
        self.start()
        result = self.send("--messages", "2000", "--sessions", "20", "--length", "2000")
        self.assertEqual(result["accepted"], 2000)
        self.assertEqual((result["refused"], result["failed"]), (0, 0))
        wait_until(lambda: len(self.running.events("message_delivered")) >= 2000, "2000 deliveries")
        messages, octets = self.totals()
        self.assertEqual(messages, 2000)
        self.assertGreater(octets, 2000 * 2000)

    def test_a_connection_a_message(self):
        self.start()
        result = self.send("--messages", "200", "--sessions", "10", "--reconnect")
        self.assertEqual(result["accepted"], 200)
        wait_until(lambda: len(self.running.events("message_delivered")) >= 200, "200 deliveries")
        self.assertEqual(self.totals()[0], 200)

    def test_one_message_ahead_and_many_recipients(self):
        self.start()
        result = self.send("--messages", "300", "--sessions", "5", "--ahead", "--rcpts", "10")
        self.assertEqual(result["accepted"], 300)
        wait_until(lambda: len(self.running.events("message_delivered")) >= 300, "300 deliveries")
        self.assertEqual(self.totals()[0], 300)

    def test_sink_says_json(self):
        sink = self.program([LOAD, "sink", "--listen", "127.0.0.1:0", "--json"])
        wait_until(lambda: self.listens(sink.process.pid), "the sink to listen")
        sink.signal(signal.SIGTERM)
        self.assertEqual(sink.wait(), 0)
        self.assertEqual(json.loads(sink.lines[-1])["messages"], 0)

    @staticmethod
    def listens(pid):
        """True once PID holds a socket: its signals are its own by then."""
        links = [f"/proc/{pid}/fd/{n}" for n in os.listdir(f"/proc/{pid}/fd")]
        return any(os.path.islink(l) and os.readlink(l).startswith("socket:") for l in links)

    def test_tree(self):
        output = self.run_program([LOAD, "tree", "--ranges", "2000", "--connectors", "7", "--seconds", "1"])
        self.assertRegex(output, r"(?m)^2000 ranges of 7 connectors: built in .*, [1-9]\d*\.\d octets a range$")
        for family in ("IPv4", "IPv6"):
            found = re.search(rf"(?m)^{family}: .* million look-ups a second .*, (\d+) % of them hits$", output)
            self.assertTrue(found and 50 <= int(found.group(1)) < 100, output)
        self.assertRegex(output, r"(?m)^meanwhile [1-9]\d* new trees were published")

    def test_usage(self):
        self.run_program([LOAD, "--help"])
        for args in ([], ["fly"], ["source", "--messages", "none"], ["sink", "--listen", "x"]):
            with self.subTest(args):
                self.run_program([LOAD, *args], code=2)

    def test_source_with_nobody_there_fails(self):
        output = self.run_program([LOAD, "source", "--to", f"127.0.0.1:{free_port()}", "--messages", "3",
                                   "--sessions", "1"], code=1)
        self.assertTrue(output.strip())


class Demo(Case):
    def test_once(self):
        with tempfile.TemporaryDirectory(dir="/tmp", prefix="d") as folder:
            output = self.run_program([MAILRACE, "demo", "--once", "--listen", "127.0.0.1:0"],
                                      env=dict(os.environ, TMPDIR=folder))
            self.assertEqual(os.listdir(folder), [], "its spool is gone")
        for word in ("220 ", "EHLO", "MAIL FROM", "RCPT TO", "Queued mail for delivery",
                     "the message has arrived"):
            self.assertIn(word, output)

    def test_stays_until_it_is_ended(self):
        demo = self.program([MAILRACE, "demo", "--listen", "127.0.0.1:0"])
        demo.wait_line(r"\d+ accepted \(")
        demo.signal(signal.SIGINT)
        self.assertEqual(demo.wait(), 0)

    def test_port_in_use(self):
        first = self.program([MAILRACE, "demo", "--listen", "127.0.0.1:0"])
        at = first.wait_line(r"relay on (\S+), ").group(1)
        first.wait_line("It stays up")
        output = self.run_program([MAILRACE, "demo", "--once", "--listen", at], code=1)
        self.assertRegex(output, rf"cannot listen on {at}: .*in use")


if __name__ == "__main__":
    main()
