#!/usr/bin/env python3
"""The measuring programs themselves: that they run, and say what they have seen in the form they promise."""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as xml

from harness import BUILD, LOAD, MAILRACE, PATIENCE_S, ROOT, Case, main

sys.path[:0] = [os.path.join(ROOT, "bench"), os.path.join(ROOT, "bench", "compare")]
# pylint: disable=wrong-import-position
import group
import measure
import plot
import report
import scenario

SVG = "{http://www.w3.org/2000/svg}"
FIGURES = ("accepted", "relayed", "straight", "ratio", "p50", "p99", "dot_p50", "dot_p99", "cpu_us",
           "rss_mib")


def left_over(folder, prefix):
    return [entry for entry in os.listdir(folder) if entry.startswith(prefix)]


class Bench(Case):
    def run_bench(self, *args):
        self.json = os.path.join(self.folder, "bench.json")
        done = subprocess.run([os.path.join(ROOT, "bench", "run"), BUILD, "--json", self.json, *args],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                              env=dict(os.environ, TMPDIR=self.folder), timeout=10 * PATIENCE_S)
        return done.returncode, done.stdout

    def test_one_scenario(self):
        code, out = self.run_bench("--messages", "200", "--rounds", "2", "--no-micro", "one-session")
        self.assertEqual(code, 0, out)
        with open(self.json, encoding="utf-8") as text:
            result = json.load(text)
        self.assertEqual(list(result["scenarios"]), ["one-session"])
        found = result["scenarios"]["one-session"]
        self.assertIsNone(found["failed"])
        self.assertEqual(len(found["rounds"]), 2)
        for figures in found["rounds"]:
            self.assertEqual(figures["messages"], 20)
            for name in FIGURES:
                self.assertGreaterEqual(figures[name], 0, name)
            self.assertGreater(figures["relayed"], 0)
        header, row = out.splitlines()[:2]
        self.assertRegex(header, r"^scenario +straight/s +accepted/s +relayed/s +ratio ")
        self.assertRegex(row, r"^4 KiB, one session( +[\d.]+){10}$")
        self.assertEqual(left_over(self.folder, "mailrace-bench-"), [])

    def test_scenario_that_is_compared(self):
        """What a scenario is measured against runs too, and a bar is judged either way."""
        code, out = self.run_bench("--messages", "100", "--rounds", "1", "--no-micro", "worker-2")
        with open(self.json, encoding="utf-8") as text:
            result = json.load(text)
        self.assertEqual(sorted(result["scenarios"]), ["worker-1", "worker-2"])
        bar = next(b for b in result["bars"] if b["scenario"] == "worker-2")
        self.assertEqual((bar["figure"], bar["against"]), ("cpu_us", "worker-1"))
        if bar["met"] is not None:  # so few messages may take no tick of the clock
            self.assertRegex(out, r"two workers: cpu_us to worker-1 <= 1.1: [\d.]+ (met|MISSED)\n")
            self.assertEqual(code, 0 if bar["met"] else 1)

    def test_unknown_scenario(self):
        code, out = self.run_bench("nonsense")
        self.assertNotEqual(code, 0)
        self.assertIn("there is no scenario nonsense", out)

    def run_ratio(self, *args):
        done = subprocess.run([os.path.join(ROOT, "bench", "ratio"), BUILD, BUILD, *args],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                              env=dict(os.environ, TMPDIR=self.folder), timeout=10 * PATIENCE_S)
        return done.returncode, done.stdout

    def test_two_builds_in_turn(self):
        """A build beside itself; the bounds decide the exit status."""
        few = ("--messages", "2000", "--rounds", "2")
        for bound, verdict, status in (("0.001", "met", 0), ("1000", "MISSED", 1)):
            with self.subTest(verdict):
                code, out = self.run_ratio(*few, "--relayed", bound, "--cpu", "1000")
                self.assertEqual(code, status, out)
                self.assertEqual(len(re.findall(r"(?m)^ +[12]( +[\d.]+){6}$", out)), 2, out)
                self.assertRegex(out, rf"(?m)^median: relayed [\d.]+ .*: {verdict}$")
        self.assertEqual(left_over(self.folder, "mailrace-bench-"), [])
        self.assertEqual(self.run_ratio("nonsense")[0], 1)

    def test_everything_that_is_configured(self):
        """The relay takes the configuration of each scenario."""
        for name, one in scenario.read_all().items():
            with self.subTest(name):
                path = os.path.join(self.folder, f"{name}.conf")
                measure.write(path, measure.configuration(one, self.folder, 2526))
                done = subprocess.run([MAILRACE, "check", "-c", path], stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, text=True, check=False)
                self.assertEqual(done.returncode, 0, done.stdout)


class Scenarios(Case):
    def test_parse(self):
        found = scenario.parse("x", "# remark\ntitle = a = b\noctets = 7\nsource = --from 'a b'\n"
                                    "relay = one;\n  two;\nrate_of = kept 0.7\n"
                                    "bar = relayed >= 0.95\n  p99 <= 3\n")
        self.assertEqual((found.name, found.title, found.octets, found.relay), ("x", "a = b", 7, "one;\ntwo;"))
        self.assertEqual((found.source, found.rate_of), (["--from", "a b"], ("kept", 0.7)))
        self.assertEqual([(b.figure, b.met(0.95), b.met(3.5)) for b in found.bar],
                         [("relayed", True, True), ("p99", True, False)])

    def test_refusals(self):
        for name, text, says in (("unknown key", "octet = 7", "x.scenario:1"),
                                 ("twice", "octets = 7\noctets = 8", "x.scenario:2"),
                                 ("no number", "octets = many", "octets = 'many'"),
                                 ("nothing to send", "octets = 0", "above 0"),
                                 ("no such figure", "bar = speed >= 1", "bar ="),
                                 ("no such sign", "bar = relayed = 1", "bar ="),
                                 ("neither yes nor no", "straight = perhaps", "straight ="),
                                 ("a value of nothing", "  7", "x.scenario:1")):
            with self.subTest(name), self.assertRaises(scenario.Bad) as caught:
                scenario.parse("x", text)
            self.assertIn(says, str(caught.exception))

    def test_order(self):
        for file, text in (("10-a", "against = b"), ("20-b", "octets = 7")):
            with open(os.path.join(self.folder, f"{file}.scenario"), "w", encoding="utf-8") as out:
                out.write(text)
        with self.assertRaisesRegex(scenario.Bad, "10-a.scenario: b is not"):
            scenario.read_all(self.folder)

    def test_growth(self):
        self.assertIsNone(measure.growth([1.0] * 9))
        self.assertEqual(measure.growth([9.0] * 10 + [10.0] * 80 + [10.0] * 9 + [12.0]), 1.2)


class Micro(Case):
    def micro(self, *args):
        return subprocess.run([LOAD, "micro", *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False, env=dict(os.environ, TMPDIR=self.folder),
                              timeout=10 * PATIENCE_S)

    def names(self):
        return [line.split()[0] for line in self.micro("--list").stdout.splitlines()]

    def test_each(self):
        for name in self.names():
            with self.subTest(name):
                done = self.micro(name, "--seconds", "0.05", "--json")
                self.assertEqual(done.returncode, 0, done.stdout)
                rows = json.loads(done.stdout)
                self.assertEqual(rows[0]["name"], name)
                for row in rows:
                    self.assertTrue(row["unit"])
                    self.assertEqual(row["repetitions"], 5)
                    self.assertGreater(row["median"], 0)
                    self.assertTrue(row["min"] <= row["median"] <= row["max"], row)
        self.assertEqual(left_over(self.folder, "mailrace-micro-"), [])

    def test_choice(self):
        names = self.names()
        for group_name in ("parse", "mailbox", "spool", "tls"):
            self.assertTrue(any(name.startswith(group_name + "-") for name in names), names)
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual(self.micro("tls", "--list").stdout.count("\n"),
                         sum(name.startswith("tls-") for name in names))
        done = self.micro("parse-replies", "--seconds", "0.05")
        self.assertRegex(done.stdout, r"^parse-replies +[\d.e+]+ +\([\d.e+]+ to [\d.e+]+\) replies/s\n$")

    def test_usage(self):
        for args, says in ((["nonsense"], 'there is no "nonsense"'), (["pars"], 'there is no "pars"'),
                           (["--seconds", "0"], "wrong"), (["--seconds", "1x"], "wrong"),
                           (["--fast"], "wrong")):
            with self.subTest(args):
                done = self.micro(*args)
                self.assertEqual(done.returncode, 2)
                self.assertIn(says, done.stdout)


def canned():
    def rounds(*rates):
        return {"rounds": [{"relayed": rate, "accepted": rate + 1, "cpu_us": 50.0, "memory_mib": 9.0}
                           for rate in rates], "failed": []}
    kept = {"straight": rounds(10000, 8000), "haproxy": rounds(5000, 4000), "mailrace": rounds(7000, 6000),
            "postfix": {"rounds": [{"relayed": 500, "accepted": 600, "cpu_us": 2000.0, "memory_mib": 99.0},
                                   None], "failed": ["took too long"]}}
    return {"machine": "2 CPUs", "titles": {"kept": "4 KiB, kept open"}, "skipped": {"exim": "not installed"},
            "relays": {name: {"version": f"{name} 1", "keeps": "x"} for name in kept},
            "scenarios": {"kept": kept}, "configurations": {"mailrace": {"mailrace.conf": "hostname"}},
            "calls": {"mailrace": {"syscalls": 12.0, "syncs": 0.1, "o_sync": 0.0}},
            "sweeps": {"sessions": {"mailrace": [[1, 900.0], [50, 7000.0], [200, 6500.0]],
                                    "a & b": [[1, 3.0], [50, 0]]},
                       "rates": {"mailrace": [{"rate": 100, "p50": 0.5, "p99": 2.0},
                                              {"rate": 1000, "p50": 0.7, "p99": 30.0}], "postfix": []}}}


class Compare(Case):
    def test_table(self):
        text = report.markdown(canned())
        self.assertIn("| mailrace | 6500 (6000-7000) | 0.72 (0.70-0.75) | 1.45 (1.40-1.50) | 14.00 | "
                      "6501 (6001-7001) | 50.0 (50.0-50.0) | 9.0 (9.0-9.0) |", text)
        self.assertIn("| postfix | 500 | 0.05 | 0.10 | 1.00 | 600 | 2000.0 | 99.0 |\n| | took too long |", text)
        self.assertIn("| exim | SKIPPED: not installed |", text)
        self.assertIn("| mailrace | mailrace 1 | x | 0.10 | 0.00 | 12.00 |", text)
        self.assertIn("### mailrace: mailrace.conf\n\n```\nhostname\n```", text)
        for line in text.splitlines():
            if line.startswith("| mailrace |"):
                self.assertIn(line.count("|"), (7, 9))

    def test_bars(self):
        judged = {(bar.scenario, bar.what, bar.than): met for bar, _, met in report.judge(canned())}
        self.assertIs(judged["kept", "relayed", "haproxy"], True)
        self.assertIs(judged["kept", "relayed", "postfix"], False)
        self.assertIs(judged["kept", "syscalls", None], True)
        self.assertIs(judged["kept", "cpu_us", None], True)
        self.assertIsNone(judged["one", "relayed", "postfix"])
        self.assertIn("relayed / postfix | at least 15 | 14.00 | **MISSED** |", report.markdown(canned()))

    def test_plots(self):
        drawn = plot.write_all(canned(), self.folder)
        self.assertEqual(sorted(drawn.values()), ["latency-p50.svg", "latency-p99.svg", "sessions.svg"])
        for file, lines in (("sessions.svg", 2), ("latency-p50.svg", 1), ("latency-p99.svg", 1)):
            root = xml.parse(os.path.join(self.folder, file)).getroot()
            self.assertEqual(root.tag, SVG + "svg")
            width, height = float(root.get("width")), float(root.get("height"))
            polylines = root.findall(SVG + "polyline")
            self.assertEqual(len(polylines), lines, file)
            for point in " ".join(line.get("points") for line in polylines).split():
                x, y = (float(number) for number in point.split(","))
                self.assertTrue(0 < x < width and 0 < y < height, point)
        root = xml.parse(os.path.join(self.folder, "sessions.svg"))
        words = {element.text for element in root.iter(SVG + "text")}
        self.assertTrue({"a & b", "mailrace", "1", "200", "sessions (logarithmic)"} <= words, words)

    def test_axes(self):
        for name, log, values, low, high, ticks in (
                ("decades", True, [1, 200], 1, 200, 8), ("one value", True, [7], 5, 10, 2),
                ("many decades", True, [0.01, 9e6], 0.01, 1e7, 10), ("linear", False, [3, 97], 0, 100, 6),
                ("nothing", False, [], 0, 1, 6), ("zero", False, [0], 0, 1, 6)):
            with self.subTest(name):
                axis = plot.Axis("x", log=log)
                axis.fit(values)
                self.assertAlmostEqual(axis.low, low)
                self.assertAlmostEqual(axis.high, high)
                self.assertEqual(len(axis.ticks), ticks, axis.ticks)
                self.assertEqual((axis.place(axis.low), axis.place(axis.high)), (0, 1))

    def test_traces(self):
        summary = ("% time     seconds  usecs/call     calls    errors syscall\n"
                   " 57.02    0.000069          69         7           fdatasync\n"
                   " 42.98    0.000052          26        20         3 recvfrom\n"
                   "------ ----------- ----------- --------- --------- ----------------\n"
                   "100.00    0.000121          40        27         3 total\n")
        self.assertEqual(group.calls_in_summary(summary), {"fdatasync": 7, "recvfrom": 20})
        trace = ('12 fsync(7) = 0\n12 openat(3, "x", O_WRONLY|O_DSYNC) = 4\n13 openat(3, "y", O_RDONLY) = 5\n'
                 "13 fdatasync(7 <unfinished ...>\n13 <... fdatasync resumed>) = 0\n"
                 "14 sync_file_range(1) = 0\n")
        self.assertEqual(group.syncs_in_trace(trace), (3, 1))

    def test_choice(self):
        """Without any relay to start: what is asked for is checked first."""
        done = subprocess.run([os.path.join(ROOT, "bench", "compare", "run"), "sendmail"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertTrue(re.search("no such relay: sendmail", done.stdout), done.stdout)


if __name__ == "__main__":
    main()
