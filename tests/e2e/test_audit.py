#!/usr/bin/env python3
"""The audit of the load generator: what it must count, and whole runs that it must find clean."""

import contextlib
import json
import os
import random
import re
import signal
import socket
import threading

from harness import LOAD, Case, Sink, config, free_port, main, smart_host, wait_until

RUN = "00000000000000aa"

# name, source's lines, sink's lines, counts that are not 0, exit status
JUDGEMENTS = [
    ("nothing at all", [], [], {}, 0),
    ("all arrived", ["acknowledged 1", "acknowledged 2"], ["arrived 2", "arrived 1"],
     {"acknowledged": 2, "delivered": 2}, 0),
    ("one was lost", ["acknowledged 1", "acknowledged 2"], ["arrived 2"],
     {"acknowledged": 2, "delivered": 1, "lost": 1}, 1),
    ("one came three times", ["acknowledged 1"], ["arrived 1"] * 3,
     {"acknowledged": 1, "delivered": 1, "duplicated": 2}, 0),
    ("a damaged copy is no delivery", ["acknowledged 1"], ["damaged 1"],
     {"acknowledged": 1, "corrupted": 1, "lost": 1}, 1),
    ("a damaged copy beside a whole one", ["acknowledged 1"], ["damaged 1", "arrived 1"],
     {"acknowledged": 1, "delivered": 1, "corrupted": 1}, 1),
    ("refused and yet delivered", ["refused 1"], ["arrived 1"], {"delivered": 1, "invented": 1}, 1),
    ("never wholly sent and yet delivered", ["unsent 1"], ["arrived 1"],
     {"delivered": 1, "invented": 1}, 1),
    ("refused and not delivered", ["refused 1", "unsent 2"], [], {}, 0),
    ("unanswered: may arrive", ["unknown 1"], ["arrived 1"], {"unknown": 1, "delivered": 1}, 0),
    ("unanswered: may be missing", ["unknown 1"], [], {"unknown": 1}, 0),
    ("nobody's", [], ["arrived 9"], {"delivered": 1, "unrecorded": 1}, 0),
]
COUNTS = ("acknowledged", "delivered", "lost", "duplicated", "corrupted", "invented", "unknown",
          "unrecorded")


def unclaimed_port():
    """A free port that the kernel gives to no client: else one that tries it while nobody listens may
    connect to itself."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as limits:
        lowest = int(limits.read().split()[0])
    for port in random.SystemRandom().sample(range(10000, lowest), 100):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no free port")


class Audit(Case):
    def journal(self, name, lines, run=RUN):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="ascii") as out:
            for line in lines:
                fate, seq = line.split()
                out.write(f"{fate} {run} {seq} 1700000000000000\n")
        return path

    def audit(self, source, sink, code):
        return self.run_program([LOAD, "audit", "--source", source, "--sink", sink, "--json"],
                                code=code)

    def test_judgements(self):
        for name, source, sink, counts, code in JUDGEMENTS:
            with self.subTest(name):
                output = self.audit(self.journal("source", source), self.journal("sink", sink), code)
                found = json.loads(output[output.index("{"):])
                self.assertEqual({count: found[count] for count in COUNTS},
                                 {count: counts.get(count, 0) for count in COUNTS})

    def test_lost_ones_are_named(self):
        output = self.audit(self.journal("source", ["acknowledged 77"]), self.journal("sink", []), 1)
        self.assertIn(f"lost: run={RUN} seq=77", output)

    def test_runs_are_told_apart(self):
        source = self.journal("source", ["acknowledged 1"])
        sink = self.journal("sink", ["arrived 1"], run="00000000000000bb")
        output = self.audit(source, sink, 1)
        self.assertEqual(json.loads(output[output.index("{"):])["lost"], 1)

    def test_several_journals_add_up(self):
        one, two = (self.journal(f"source{n}", [f"acknowledged {n}"]) for n in (1, 2))
        sink = self.journal("sink", ["arrived 1", "arrived 2"])
        output = self.run_program([LOAD, "audit", "--source", one, "--source", two, "--sink", sink])
        self.assertIn("acknowledged 2, delivered 2, lost 0", output)

    def timed(self, *lines):
        """A sink's journal of (number, arrival, when it was sent), in microseconds."""
        path = os.path.join(self.folder, "timed")
        with open(path, "w", encoding="ascii") as out:
            out.writelines(f"arrived {RUN} {seq} {at} sent={sent}\n" for seq, at, sent in lines)
        return path

    def test_latency_and_order(self):
        source = self.journal("source", [f"acknowledged {n}" for n in range(1, 5)])
        sink = self.timed((2, 1000, 990), (1, 1010, 980), (4, 1020, 1050), (3, 1030, 1020), (3, 2000, 1020))
        found = json.loads(self.audit(source, sink, 0))
        self.assertEqual(found["latency_us"], {"messages": 3, "p50": 10, "p90": 30, "p99": 30, "p99.9": 30,
                                               "max": 30, "untimed": 0, "early": 1, "early_max": 30})
        self.assertEqual(found["order"], {"inversions": 2, "overtaken": 2, "distance_max": 1})
        self.assertEqual(found["duplicated"], 1)
        output = self.run_program([LOAD, "audit", "--source", source, "--sink", sink])
        self.assertIn("latency us, 3 messages: p50 10 p90 30 p99 30 p99.9 30 max 30; untimed 0, "
                      "arrived before sent 1 (by up to 30 us)", output)
        self.assertIn("order: inversions 2, overtaken 2, by up to 1", output)

    def test_a_line_cut_off_at_the_end_was_not_written(self):
        source = self.journal("source", ["acknowledged 1"])
        with open(source, "a", encoding="ascii") as out:
            out.write(f"acknowledged {RUN} 2")
        output = self.audit(source, self.journal("sink", ["arrived 1"]), 0)
        self.assertEqual(json.loads(output)["acknowledged"], 1)

    def test_what_is_no_journal(self):
        for text in ("x\n", "arrived\n", f"arrived {RUN} -1 1\n", f"arrived {RUN} 1\n", "arrived zz 1 1\n",
                     f"lost {RUN} 1 1\n", f"arrived {RUN} 1 1 1\n", "a" * 1000 + "\n"):
            with self.subTest(text[:40]):
                path = os.path.join(self.folder, "bad")
                with open(path, "w", encoding="ascii") as out:
                    out.write(text)
                self.assertIn("bad:1 ", self.audit(path, self.journal("sink", []), 1))
        self.audit("/nonexistent", self.journal("sink", []), 1)
        self.run_program([LOAD, "audit"], code=2)
        self.run_program([LOAD, "audit", "--source", self.journal("source", [])], code=2)

    def test_a_million(self):
        count = 1000000
        source, sink = (os.path.join(self.folder, name) for name in ("source", "sink"))
        with open(source, "w", encoding="ascii") as out:
            out.writelines(f"acknowledged {RUN} {i} 1\n" for i in range(count))
        with open(sink, "w", encoding="ascii") as out:
            out.writelines(f"arrived {RUN} {i * 7 % count} 1\n" for i in range(count) if i != 12345)
        output = self.audit(source, sink, 1)
        counts = json.loads(output[output.index("{"):])
        self.assertEqual((counts["delivered"], counts["lost"]), (count - 1, 1))
        self.assertIn(f"seq={12345 * 7 % count}", output)


class Journals(Case):
    """Real sources and sinks, straight or with something in between."""

    def setUp(self):
        super().setUp()
        self.sent, self.taken = (os.path.join(self.folder, n) for n in ("sent", "taken"))

    def start_sink(self):
        self.taker = self.program([LOAD, "sink", "--listen", "127.0.0.1:0", "--journal", self.taken,
                                   "--quiet"])
        return int(self.taker.wait_line(r"listening on \S+:(\d+)").group(1))

    def send(self, port, *options, code=0):
        output = self.run_program([LOAD, "source", "--to", f"127.0.0.1:{port}", "--json", "--journal",
                                   self.sent, *options], code=code)
        return json.loads(output[output.rindex("{\"accepted"):])

    def arrivals(self):
        with open(self.taken, encoding="ascii") as lines:
            return sum(1 for _ in lines)

    def audit(self, code=0):
        output = self.run_program([LOAD, "audit", "--source", self.sent, "--sink", self.taken,
                                   "--json"], code=code)
        return json.loads(output[output.index("{"):])

    def test_straight(self):
        port = self.start_sink()
        for length in ("256", "300", "369", "370", "4096", "100000"):
            self.send(port, "--messages", "50", "--sessions", "5", "--length", length)
        counts = self.audit()
        self.assertEqual((counts["acknowledged"], counts["delivered"], counts["unrecorded"]),
                         (300, 300, 0))

    def test_through_the_relay(self):
        port = self.start_sink()
        relay = self.relay(config(self.spool, send=smart_host(f"[127.0.0.1]:{port}")))
        self.send(relay.port(), "--messages", "500", "--sessions", "10")
        wait_until(lambda: self.arrivals() >= 500, "500 arrivals")
        counts = self.audit()
        self.assertEqual((counts["acknowledged"], counts["delivered"], counts["duplicated"]),
                         (500, 500, 0))

    def test_a_damaged_octet_is_noticed(self):
        """Something between them changes one letter of the third message."""
        port = self.start_sink()
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def pump(a, b, spoil):
            seen = b""
            while data := a.recv(65536):
                seen += data
                if spoil and seen.count(b"Subject: load") == 3:
                    data = data.replace(b"Subject: load", b"Subject: lord")
                    spoil = False
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)

        def between():
            client, _ = listener.accept()
            server = socket.create_connection(("127.0.0.1", port))
            back = threading.Thread(target=pump, args=(server, client, False), daemon=True)
            back.start()
            pump(client, server, True)
            back.join()
            client.close()
            server.close()

        thread = threading.Thread(target=between, daemon=True)
        thread.start()
        self.send(listener.getsockname()[1], "--messages", "10", "--sessions", "1", "--threads", "1",
                  "--length", "2000")
        thread.join(10)
        counts = self.audit(code=1)
        self.assertEqual((counts["corrupted"], counts["lost"], counts["delivered"]), (1, 1, 9))

    def test_what_was_answered(self):
        """Each kind of end leaves its own word."""
        def answer(verb, _argument, session):
            if verb == "DOT":
                n = session["messages"]
                if n == 2:
                    return b"554 5.6.0 no"
                if n == 3:
                    raise Sink.Hangup
            return None

        sink = self.sink(answer)
        self.send(sink.port, "--messages", "3", "--sessions", "1", "--threads", "1", code=1)
        self.send(free_port(), "--messages", "1", "--sessions", "1", "--threads", "1", code=1)
        with open(self.sent, encoding="ascii") as lines:
            words = [line.split()[0] for line in lines]
        self.assertEqual(words, ["acknowledged", "refused", "unknown", "unsent"])

    def test_persists_while_nobody_is_there(self):
        """The source is there before the sink, and goes on until all was taken."""
        port = unclaimed_port()
        source = self.program([LOAD, "source", "--to", f"127.0.0.1:{port}", "--persist", "--messages",
                               "50", "--sessions", "4", "--journal", self.sent])
        wait_until(lambda: os.path.exists(self.sent) and os.path.getsize(self.sent) > 0, "a failure")
        taker = self.program([LOAD, "sink", "--listen", f"127.0.0.1:{port}", "--journal", self.taken])
        self.assertEqual(source.wait(), 0)
        taker.signal(signal.SIGTERM)
        self.assertEqual(taker.wait(), 0)
        counts = self.audit()
        self.assertEqual((counts["acknowledged"], counts["lost"]), (50, 0))

    def test_ends_when_the_time_is_over(self):
        port = self.start_sink()
        result = self.send(port, "--seconds", "1", "--sessions", "2")
        self.assertGreater(result["accepted"], 10)
        self.assertLess(result["seconds"], 10)

    def test_other_messages_are_tolerated(self):
        port = self.start_sink()
        d = self.dialogue(port)
        d.read()
        d.say("EHLO c.test")
        for text in ("X-Mailrace-Load: run=1\r\n\r\nx\r\n", "\r\n", "Subject: s\r\n" + "a" * 300 + "\r\n\r\n",
                     "\r\nX-Mailrace-Load: run=0000000000000001 seq=000000000001 "
                     "sent_us=0000000000000001 sum=0000000000000001\r\n"):
            d.say("MAIL FROM:<>")
            d.say("RCPT TO:<b@dst.test>")
            d.say("DATA")
            self.assertRegex(d.say(text + "."), "^250 ")
        self.assertEqual(os.path.getsize(self.taken), 0)


class Spool(Case):
    def test_lists_what_is_queued(self):
        """Nobody takes the relay's mail; it is killed; the spool has it, every octet."""
        sent = os.path.join(self.folder, "sent")
        relay = self.relay(config(self.spool, send=smart_host(f"[127.0.0.1]:{free_port()}")))
        for length, count in (("2000", "20"), ("300000", "3")):
            self.run_program([LOAD, "source", "--to", f"127.0.0.1:{relay.port()}", "--messages", count,
                              "--length", length, "--journal", sent])
        relay.kill()
        output = self.run_program([LOAD, "spool", "--path", self.spool])
        found = re.findall(r"^(\w{16} \d+) ok$", output, re.MULTILINE)
        with open(sent, encoding="ascii") as lines:
            promised = [" ".join(line.split()[1:3]) for line in lines]
        self.assertEqual(sorted(found), sorted(promised))
        self.assertIn("queued 23, of a source 23, bad 0, set aside 0", output)

    def test_a_spool_in_use_is_left_alone(self):
        self.relay(config(self.spool))
        self.assertIn("in use", self.run_program([LOAD, "spool", "--path", self.spool], code=1))
        self.run_program([LOAD, "spool"], code=2)
        self.run_program([LOAD, "spool", "--path", self.spool, "--segment-size", "1"], code=2)


if __name__ == "__main__":
    main()
