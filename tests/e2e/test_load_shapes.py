#!/usr/bin/env python3
"""What the load generator sends, lengths of many kinds and real messages, arrives as it was sent; and
clients that behave badly beside it are refused what they must be and disturb nobody."""

import json
import os

from harness import LOAD, Case, config, main, smart_host, wait_until

HISTOGRAM = """\
# octets  how often
<=1000    20     # from 1: the header alone is longer than the shortest
<=4096    60
8192      10
<=100000  9
300000    1      # to the relay's other kind of body, in a file of its own
"""
MAILS = {
    "plain": b"From: <a@src.test>\r\nSubject: plain\r\n\r\nHello\r\n",
    "from-a-unix": b"From: <a@src.test>\nSubject: LF\n\nHello\n.\n..\n.stuffed\n",
    "no-end": b"From: <a@src.test>\r\n\r\nThis line has no end",
    "eight-bits": "From: <a@src.test>\r\n\r\nGrüße\r\n".encode(),
    "long": b"From: <a@src.test>\r\n\r\n" + b"x" * 5000 + b"\r\n",
    "large": b"From: <a@src.test>\r\n\r\n" + b".A line that begins with a dot.\r\n" * 10000,
    "text-only": b"No header at all\r\n",
    "empty": b"",
    "own-id": b"Message-ID: <mine@src.test>\r\nX-MS-Exchange-Organization-SCL: -1\r\n"
              b"From: <a@src.test>\r\n\r\nHello\r\n",
}
KINDS = ("slow", "bare_lf", "early_talk", "half_close")
COUNTS = ("connections", "refused", "served", "accepted", "open")


class LoadCase(Case):
    """A source, a relay and a sink, with a journal at either end."""

    def start(self, **kwargs):
        self.sent, self.taken = (os.path.join(self.folder, name) for name in ("sent", "taken"))
        self.taker = self.program([LOAD, "sink", "--listen", "127.0.0.1:0", "--journal", self.taken,
                                   "--quiet"])
        port = self.taker.wait_line(r"listening on \S+:(\d+)").group(1)
        self.running = self.relay(config(self.spool, send=smart_host(f"[127.0.0.1]:{port}"), **kwargs))

    def source(self, *options, code=0, text=False):
        """What it prints: an object, or TEXT."""
        output = self.run_program(
            [LOAD, "source", "--to", f"127.0.0.1:{self.running.port()}", "--sessions", "8",
             *([] if text else ["--json", "--journal", self.sent]), *options], code=code)
        return output if text else json.loads(output[output.index("{"):])

    def arrivals(self):
        with open(self.taken, encoding="ascii") as lines:
            return sum(1 for _ in lines)

    def nothing_is_lost(self, count):
        """All of the good messages arrived, every octet, and nothing that none of them is."""
        wait_until(lambda: self.arrivals() >= count, f"{count} arrivals")
        output = self.run_program([LOAD, "audit", "--source", self.sent, "--sink", self.taken, "--json"])
        counts = json.loads(output[output.index("{"):])
        self.assertEqual((counts["acknowledged"], counts["delivered"]), (count, count))
        for word in ("lost", "duplicated", "corrupted", "invented", "unknown", "unrecorded"):
            self.assertEqual(counts[word], 0, word)

    def write(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as out:
            out.write(data)
        return path

    def mails(self, **more):
        folder = os.path.join(self.folder, "mails")
        os.mkdir(folder)
        for name, data in {**MAILS, **more}.items():
            self.write(os.path.join("mails", name), data)
        return folder


class Shapes(LoadCase):
    def test_uniform_lengths(self):
        self.start()
        result = self.source("--messages", "300", "--length", "256-20000", "--seed", "5")
        sent = result["sent"]
        self.assertEqual((sent["lengths"], sent["seed"]), (1024, 5))
        self.assertTrue(256 <= sent["min"] < 300 and 19900 < sent["max"] <= 20000, sent)
        self.nothing_is_lost(300)

    def test_lengths_of_a_histogram(self):
        self.start()
        lengths = self.write("lengths", HISTOGRAM.encode())
        result = self.source("--messages", "400", "--lengths", lengths, "--seed", "1")
        self.assertEqual(result["accepted"], 400)
        self.assertEqual(result["sent"]["max"], 300000)
        self.nothing_is_lost(400)

    def test_a_folder_of_messages(self):
        """Over DATA with its dots and over BDAT without, in one write or in many."""
        self.start()
        folder = self.mails()
        ways = ((), ("--chunking",), ("--ahead",), ("--no-pipelining", "--reconnect"))
        for seed, way in enumerate(ways, 1):
            sent = self.source("--messages", "60", "--bodies", folder, "--seed", str(seed), *way)["sent"]
            self.assertEqual({name: count for name, count in sent.items() if count and name != "octets"},
                             {"bodies": len(MAILS), "bare_lf": 1, "no_end": 1, "no_header": 2,
                              "fields_dropped": 1, "8bit": 1, "long_lines": 1, "seed": seed})
        self.nothing_is_lost(60 * len(ways))

    def test_what_a_relay_must_refuse_is_sent_and_told(self):
        self.start()
        folder = self.mails(nul=b"From: <a@src.test>\r\n\r\n\0\r\n", cr=b"From: <a@src.test>\r\n\r\na\rb\r\n")
        result = self.source("--messages", "150", "--bodies", folder, "--seed", "3", code=1)
        self.assertEqual((result["sent"]["nul"], result["sent"]["bare_cr"]), (1, 1))
        self.assertGreater(result["refused"], 0)
        self.assertEqual(result["accepted"] + result["refused"], 150)
        self.nothing_is_lost(result["accepted"])

    def test_the_seed_is_printed_and_sends_the_same_again(self):
        self.start()
        options = ("--messages", "20", "--length", "256-1000000")
        first = self.source(*options)["sent"]
        self.assertEqual(self.source(*options, "--seed", str(first["seed"]))["sent"], first)
        self.assertNotEqual(self.source(*options, "--seed", str(first["seed"] + 1))["sent"], first)
        output = self.source(*options, "--seed", "77", text=True)
        self.assertRegex(output, r"(?m)^sent: lengths: 1024, from \d+ to \d+ octets, mean [\d.]+; seed 77$")

    def test_what_cannot_be_sent(self):
        self.start()
        wrong = self.write("wrong", b"100 1\n\nmany 2\n")
        empty = os.path.join(self.folder, "nothing")
        os.mkdir(empty)
        for options, code, words in (
                (("--lengths", wrong), 1, f'{wrong}:3: "many"'),
                (("--lengths", "/nonexistent"), 1, "/nonexistent: "),
                (("--bodies", empty), 1, f"{empty}: there is no file in it"),
                (("--length", "20-10"), 1, "20-10: a number from 256"),
                (("--lengths", wrong, "--bodies", empty), 2, "one of them"),
                (("--length", "300", "--bodies", empty), 2, "one of them"),
                (("--bad", "0"), 2, "--bad 0: a number from 1"),
                (("--bad-kinds", "slow,fast"), 2, "--bad-kinds slow,fast"),
                (("--bad", "10", "--bad-kinds", ""), 2, "--bad-kinds")):
            with self.subTest(options):
                self.assertIn(words, self.source(*options, code=code, text=True))

    def test_more_than_fits_in_memory(self):
        self.start()
        folder = self.mails(huge=b"x" * (1 << 20))
        output = self.source("--bodies", folder, "--bodies-memory", "1", code=1, text=True)
        self.assertRegex(output, r"mails/\S+: with it the messages take more than 1048576 octets of memory")


class Bad(LoadCase):
    """Bad clients connect for as long as the good load runs, which is one session: so there is time
    for them, and runs are repeated until they have done what is looked for."""

    def disturb(self, enough, *options):
        """(accepted good messages, the bad ones' counts by kind), added up over the runs."""
        accepted, sums = 0, {}

        def again():
            nonlocal accepted
            result = self.source("--sessions", "1", "--seconds", "1", "--bad-interval", "3", *options)
            self.assertEqual((result["refused"], result["failed"]), (0, 0))
            self.assertGreater(result["accepted"], 0)
            accepted += result["accepted"]
            bad = result["bad"]
            for kind in [k for k in KINDS if k in bad] + [None]:
                counts = bad[kind] if kind else bad
                self.assertEqual(counts["connections"], sum(counts[name] for name in (
                    "refused", "served", "accepted", "open")), counts)
                self.assertEqual(counts["failed"], 0)
                if kind:
                    mine = sums.setdefault(kind, dict.fromkeys(COUNTS, 0))
                    for name in COUNTS:
                        mine[name] += counts[name]
            return enough(sums)
        wait_until(again, lambda: f"the bad clients; so far {sums}")
        return accepted, sums

    def test_they_disturb_nobody(self):
        self.start()

        def enough(sums):
            return (sums["slow"]["served"] > 0 and sums["bare_lf"]["refused"] >= 4
                    and sums["early_talk"]["refused"] > 0 and sums["half_close"]["refused"] >= 2)
        accepted, sums = self.disturb(enough, "--bad", "800")
        self.assertEqual(list(sums), list(KINDS))
        for kind in ("slow", "bare_lf", "half_close"):
            self.assertEqual(sums[kind]["accepted"], 0, kind)
        self.assertEqual(sums["bare_lf"]["served"], 0)
        self.nothing_is_lost(accepted)
        self.assertNotIn("smuggled@bad.test", self.running.output())

    def test_bare_lf_alone(self):
        self.start()
        accepted, sums = self.disturb(lambda sums: sums["bare_lf"]["refused"] >= 8,
                                      "--bad", "1", "--bad-kinds", "bare-lf")
        self.assertEqual(list(sums), ["bare_lf"])
        self.assertEqual(sums["bare_lf"]["accepted"], 0)
        self.nothing_is_lost(accepted)

    def test_a_relay_that_takes_a_bare_lf_is_found_out(self):
        self.start(connector="bare_linefeed_rejection_enabled = false;")
        accepted, sums = self.disturb(lambda sums: sums["bare_lf"]["accepted"] > 0,
                                      "--bad", "400", "--bad-kinds", "bare-lf")
        self.assertGreater(sums["bare_lf"]["accepted"], 0)
        self.nothing_is_lost(accepted)

    def test_it_is_told_in_words(self):
        self.start()
        output = self.source("--messages", "10", "--bad", "25", "--bad-kinds", "bare-lf,slow", text=True)
        self.assertRegex(output, r"(?m)^bad clients: sessions 2, connections \d+, refused \d+, ")
        self.assertRegex(output, r"(?m)^bare LF accepted: 0$")
        self.assertNotIn("half close", output)


if __name__ == "__main__":
    main()
