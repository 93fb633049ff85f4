#!/usr/bin/env python3
"""A next hop that goes wrong in every way that `mailrace-load sink` knows, behind one relay: whatever
was acknowledged is delivered, reported as failed, or still queued."""

import contextlib
import json
import os
import re
import signal
import smtplib
import socket
import ssl

from harness import LOAD, PATIENCE_S, Case, certificate, config, main, wait_until

MESSAGES = 60

# name, rules of one sink, options of it, and whether every message must arrive in the end. Those
# of connections are drawn by the number of the connection alone: this seed has them strike early.
# All others have 60 draws or more: enough that to miss them all is no more likely than one in 10^5.
SEED = "20"
FAULTS = [
    ("refused", ["refuse 40%"], [], True),
    ("late", ["slow-banner 40% 200ms"], [], True),
    ("slow", ["slow-read 60KB/s"], [], True),
    ("capped", ["cap 1", "slow-read 60KB/s"], [], True),
    ("short", ["421 after 3"], [], True),
    ("greeting", ["reply 40% at connect provider=any"], [], True),
    ("sender", ["reply 20% at mail cause=4xx"], [], True),
    ("recipient", ["reply 20% at rcpt cause=4xx"], [], True),
    ("unknown", ["reply 30% at rcpt provider=gmail cause=unknown"], [], False),
    ("data", ["reply 20% at data provider=any"], [], True),
    ("text-later", ["reply 20% at dot cause=4xx"], [], True),
    ("text-never", ["reply 30% at dot cause=policy"], [], False),
    ("lines", [r"reply 20% at rcpt 450 4.2.1 one\ntwo\nthree"], [], True),
    ("by-domain", ["reply at rcpt domain=nobody.test 550 5.1.1 never met",
                   "reply 30% at rcpt domain=*.test 450 4.2.1 later"], [], True),
    ("no-tls", ["tls-fail 50%"], ["--tls"], True),
    ("tls-later", ["tls-fail 50% 454"], ["--tls"], True),
    ("unanswered", ["close-after-dot 20%"], [], True),
    ("cut-greeting", ["drop 40% at connect"], [], True),
    ("cut-sender", ["drop 25% at mail"], [], True),
    ("cut-recipient", ["drop 25% at rcpt"], [], True),
    ("cut-data", ["drop 25% at data"], [], True),
    ("cut-text", ["drop 25% at dot"], [], True),
]
NEVER_STRIKES = {"reply at rcpt domain=nobody.test 550 5.1.1 never met"}


def open_sockets(process):
    folder = f"/proc/{process.process.pid}/fd"
    count = 0
    for n in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            count += os.readlink(f"{folder}/{n}").startswith("socket:")
    return count


class FaultySink:
    """`mailrace-load sink` with RULES, and a journal in FOLDER."""

    def __init__(self, case, name, rules, options=(), seed=SEED):
        self.name, self.rules = name, rules
        self.journal = os.path.join(case.folder, f"{name}.arrived")
        args = [LOAD, "sink", "--listen", "127.0.0.1:0", "--quiet", "--threads", "1", "--seed", seed,
                "--journal", self.journal, *options]
        for rule in rules:
            args += ["--fault", rule]
        self.process = case.program(args)
        self.port = int(self.process.wait_line(r"listening on \S+:(\d+)").group(1))

    def arrived(self):
        """How many messages of the source, each counted once."""
        with open(self.journal, encoding="ascii") as lines:
            return len({line.split()[2] for line in lines if line.startswith("arrived ")})

    def hits(self):
        """Ends it; how often each rule struck."""
        self.process.signal(signal.SIGTERM)
        assert self.process.wait() == 0, self.process.output()
        found = {rule: int(n) for rule, n in
                 re.findall(r"(?m)^fault: (.*): (\d+)$", self.process.output())}
        assert set(found) == set(self.rules), self.process.output()
        return found

    def connector(self):
        return (f'{{ name = "{self.name}"; address_spaces = [ "{self.name}.test" ]; '
                f'dns_routing_enabled = false; smart_hosts = [ "[127.0.0.1]:{self.port}" ]; '
                'connection_inactivity_timeout = "1s"; smtp_max_messages_per_connection = 5; '
                "max_connections = 4; }")


class Faults(Case):
    def send(self, relay, name, messages=MESSAGES):
        """The journal of a source that has sent MESSAGES to NAME.test."""
        journal = os.path.join(self.folder, f"{name}.sent")
        self.run_program([LOAD, "source", "--to", f"127.0.0.1:{relay.port()}", "--messages",
                          str(messages), "--sessions", "3", "--threads", "1", "--length", "2000",
                          "--rcpt", f"b@{name}.test", "--journal", journal])
        return journal

    def audit(self, sent, sink, lost):
        output = self.run_program([LOAD, "audit", "--source", sent, "--sink", sink.journal, "--json"],
                                  code=1 if lost else 0)
        counts = json.loads(output[output.index("{"):])
        self.assertEqual((counts["acknowledged"], counts["lost"]), (MESSAGES, lost))
        self.assertEqual((counts["corrupted"], counts["invented"], counts["unrecorded"]), (0, 0, 0))
        return counts

    def test_nothing_is_lost(self):
        sinks = [FaultySink(self, name, rules, options) for name, rules, options, _ in FAULTS]
        reports = FaultySink(self, "reports", [])
        relay = self.relay(config(self.spool, send=", ".join(
            [s.connector() for s in sinks] + [reports.connector().replace('"reports.test"', '"*"')])))
        sent = [self.send(relay, sink.name) for sink in sinks]

        def failed(name):
            return len(relay.events(rf"message_failed .*rcpt=b@{name}\.test"))

        def settled():
            return all(sink.arrived() + failed(sink.name) >= MESSAGES for sink in sinks)

        def unsettled():
            return [f"{s.name}: {s.arrived()} arrived, {failed(s.name)} failed" for s in sinks
                    if s.arrived() + failed(s.name) < MESSAGES]
        wait_until(settled, unsettled)
        for sink, journal, (name, _, _, all_arrive) in zip(sinks, sent, FAULTS):
            with self.subTest(name):
                self.assertEqual(failed(name) == 0, all_arrive, f"{failed(name)} failed")
                counts = self.audit(journal, sink, failed(name))
                if name == "unanswered":
                    self.assertGreater(counts["duplicated"], 0)
                self.assertEqual(counts["latency_us"]["messages"], counts["delivered"])
                self.assertLessEqual(counts["latency_us"]["p50"], counts["latency_us"]["max"])
                for rule, hits in sink.hits().items():
                    self.assertEqual(hits > 0, rule not in NEVER_STRIKES, f"{rule}: {hits}")

    def test_what_cannot_be_delivered_is_queued(self):
        """Where nobody ever speaks the relay waits for minutes: after a kill all of it is in the spool."""
        sinks = [FaultySink(self, "silent", ["blackhole"]), FaultySink(self, "late", ["slow-banner 1h"])]
        idle = [open_sockets(s.process) for s in sinks]
        relay = self.relay(config(self.spool, send=", ".join(s.connector() for s in sinks)))
        sent = [self.send(relay, s.name) for s in sinks]
        wait_until(lambda: all(open_sockets(s.process) > n for s, n in zip(sinks, idle)),
                   "connections to the sinks")
        relay.kill()
        output = self.run_program([LOAD, "spool", "--path", self.spool])
        promised = []
        for name in sent:
            with open(name, encoding="ascii") as lines:
                promised += [" ".join(line.split()[1:3]) for line in lines]
        self.assertEqual(len(promised), 2 * MESSAGES)
        self.assertEqual(sorted(re.findall(r"^(\w{16} \d+) ok$", output, re.MULTILINE)),
                         sorted(promised))
        for sink in sinks:
            self.assertGreater(sum(sink.hits().values()), 0)

    def test_everything_at_once(self):
        """As `mailrace-load sink` is meant to be used: a file of rules."""
        self.everything()

    def test_everything_at_once_by_bdat(self):
        self.everything("--chunking")

    def everything(self, *options):
        rules = os.path.join(self.folder, "rules")
        with open(rules, "w", encoding="ascii") as out:
            out.write("# what the Internet is like\nrefuse 10%\nslow-banner 10% 50ms\n\n"
                      "cap 3\n421 after 4\nreply 5% at mail cause=4xx\nreply 5% at rcpt cause=4xx\n"
                      "reply 5% at dot cause=4xx\ntls-fail 20%\nclose-after-dot 5%\n")
        sink = FaultySink(self, "all", [], ["--tls", "--faults", rules, *options])
        sink.rules = [line.strip() for line in open(rules, encoding="ascii")
                      if line.strip() and not line.startswith("#")]
        relay = self.relay(config(self.spool, send=sink.connector()))
        sent = self.send(relay, sink.name)
        wait_until(lambda: sink.arrived() >= MESSAGES, lambda: f"{sink.arrived()} arrived")
        self.audit(sent, sink, 0)
        self.assertGreater(sum(sink.hits().values()), 5)


class Talk(Case):
    """The sink itself, to plain clients."""

    def test_the_same_seed_fares_the_same(self):
        def fates(seed):
            sink = FaultySink(self, f"seed{seed}", ["refuse 30%", "reply 30% at mail cause=4xx"], seed=seed)
            seen = []
            for _ in range(40):
                try:
                    with self.dialogue(sink.port) as d:
                        d.read()
                        d.say("EHLO c.test")
                        seen.append([d.say("MAIL FROM:<a@src.test>")[:3], d.say("RSET"),
                                     d.say("MAIL FROM:<a@src.test>")])
                except ConnectionError:
                    seen.append(["reset"])
            sink.process.stop()
            return seen
        first = fates("1")
        self.assertIn(["reset"], first)
        self.assertTrue(any(fate[0].startswith("4") for fate in first))
        self.assertEqual(fates("1"), first)
        self.assertNotEqual(fates("2"), first)

    def test_starttls(self):
        for options in (["--tls"], ["--tls-certificate", "CERT", "--tls-key", "KEY"]):
            with self.subTest(options):
                cert, key = certificate(self.folder, "sink.test")
                options = [{"CERT": cert, "KEY": key}.get(o, o) for o in options]
                sink = FaultySink(self, "tls", [], options)
                context = ssl.create_default_context()
                context.check_hostname = False
                context.verify_mode = ssl.CERT_NONE
                with smtplib.SMTP("127.0.0.1", sink.port, timeout=PATIENCE_S) as smtp:
                    self.assertEqual(smtp.starttls(context=context)[0], 220)
                    smtp.sendmail("a@src.test", ["b@dst.test"], b"Subject: x\r\n\r\n")
                sink.process.signal(signal.SIGTERM)
                sink.process.wait_line(r"taken: 1 messages, .* on 1 connections, 1 of them encrypted")

    def test_every_word_of_a_reply(self):
        sink = FaultySink(self, "words", [r"reply at rcpt 450 4.2.1 one\ntwo", "reply at connect 554 no"])
        d = self.dialogue(sink.port)
        self.assertEqual(d.read(), "554 no")
        sink = FaultySink(self, "words2", [r"reply at rcpt domain=b.test 450 4.2.1 one\ntwo"])
        d = self.dialogue(sink.port)
        d.read()
        d.say("EHLO c.test")
        d.say("MAIL FROM:<a@src.test>")
        self.assertEqual(d.say("RCPT TO:<b@b.test>"), "450-4.2.1 one\n450 4.2.1 two")
        self.assertRegex(d.say("RCPT TO:<b@c.test>"), "^250 ")

    def test_slow_reading_holds_the_sender_up(self):
        """Much more than all buffers hold is not taken at once, and what was sent arrives whole."""
        sink = FaultySink(self, "slow", ["slow-read 2MB/s"])
        with socket.create_connection(("127.0.0.1", sink.port), timeout=PATIENCE_S) as s:
            f = s.makefile("rb")
            f.readline()
            s.sendall(b"HELO c.test\r\nMAIL FROM:<a@src.test>\r\nRCPT TO:<b@dst.test>\r\n")
            for _ in range(3):
                f.readline()
            s.sendall(b"DATA\r\n")
            self.assertRegex(f.readline(), b"^354 ")
            s.setblocking(False)
            sent, block = 0, (b"x" * 70 + b"\r\n") * 1000
            with self.assertRaises(BlockingIOError):
                while sent < 256 * len(block):  # 18 MB
                    sent += s.send(block[sent % len(block):])
            s.settimeout(PATIENCE_S)
            s.sendall(b"\r\n.\r\n")
            self.assertRegex(f.readline(), b"^250 ")
        sink.process.signal(signal.SIGTERM)
        octets = int(sink.process.wait_line(r"taken: 1 messages, (\d+) octets").group(1))
        self.assertEqual(octets, sent + 2)

    def test_json(self):
        sink = self.program([LOAD, "sink", "--listen", "127.0.0.1:0", "--json", "--seed", "5", "--fault",
                             r'reply 5% at rcpt 450 "said\nso"', "--fault", "cap 7"])
        wait_until(lambda: open_sockets(sink), "the sink to listen")
        sink.signal(signal.SIGTERM)
        self.assertEqual(sink.wait(), 0)
        totals = json.loads(sink.lines[-1])
        self.assertEqual(totals["seed"], 5)
        self.assertEqual(totals["faults"], [{"rule": r'reply 5% at rcpt 450 "said\nso"', "hits": 0},
                                            {"rule": "cap 7", "hits": 0}])

    def test_usage(self):
        for args, says in ((["--fault", "explode"], "begins with none of refuse"),
                           (["--fault", "refuse 101%"], "wanted: refuse [P%]"),
                           (["--faults", "/nonexistent"], "/nonexistent"),
                           (["--seed", "x"], "--seed x"),
                           (["--fault", "tls-fail"], "--tls"),
                           (["--tls-key", "/x"], "go together"),
                           (["more"], '"more" is no option')):
            with self.subTest(args):
                self.assertIn(says, self.run_program([LOAD, "sink", *args], code=2))
        self.assertIn("cannot load", self.run_program(
            [LOAD, "sink", "--tls-certificate", "/nonexistent", "--tls-key", "/nonexistent"], code=1))
        self.assertIn("close-after-dot", self.run_program([LOAD, "sink", "--help"]))


if __name__ == "__main__":
    main()
