#!/usr/bin/env python3
"""tests/run with programs made for the purpose: what it prints, when, what it counts, how it ends."""

import os
import pty
import re
import subprocess
import tempfile
import unittest

from harness import PATIENCE_S, ROOT, Process, main

RUN = os.path.join(ROOT, "tests", "run")


class RunnerTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="mailrace-test-")
        self.addCleanup(folder.cleanup)
        self.build = folder.name
        os.makedirs(os.path.join(self.build, "tests", "unit"))

    def add(self, name, script):
        path = os.path.join(self.build, "tests", "unit", f"fake_{name}")
        with open(path, "w", encoding="utf-8") as out:
            out.write("#!/bin/sh\n" + script)
        os.chmod(path, 0o755)

    @staticmethod
    def environment(ci):
        env = {name: value for name, value in os.environ.items() if name != "CI"}
        return dict(env, CI="true") if ci else env

    def run_all(self, code, ci=False):
        """The last two lines, and all of the output."""
        done = subprocess.run([RUN, self.build, "fake_"], env=self.environment(ci), timeout=PATIENCE_S,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
        self.assertEqual(done.returncode, code, done.stdout)
        return done.stdout.splitlines()[-2:], done.stdout

    def test_sums(self):
        self.add("one", 'echo "3 passed, 0 failed"')
        self.add("two", 'echo "4 passed, 0 failed"')
        last, output = self.run_all(0)
        self.assertEqual(last, ["0 skipped", "7 passed, 0 failed"])
        self.assertRegex(output, r"(?m)^ok   .*fake_one: 3 passed, 0 failed \(\d+\.\d s\)$")

    def test_failed(self):
        """What a program that failed has said is printed; what the others said is not."""
        self.add("good", 'echo "said by the good one"; echo "1 passed, 0 failed"')
        self.add("bad", 'echo "said by the bad one"; echo "1 passed, 2 failed"; exit 1')
        last, output = self.run_all(1)
        self.assertEqual(last, ["0 skipped", "2 passed, 2 failed"])
        self.assertIn("said by the bad one", output)
        self.assertNotIn("said by the good one", output)

    def test_has_failed_whatever_it_counted(self):
        for name, script in (("died", 'echo "2 passed, 0 failed"; exit 3'), ("silent", "true"),
                             ("hollow", 'echo "0 passed, 0 failed"'), ("killed", "kill -9 $$")):
            with self.subTest(name):
                self.add("it", script)
                self.assertRegex(self.run_all(1)[0][-1], "^[02] passed, 1 failed$")

    def test_nothing_to_run(self):
        self.assertEqual(self.run_all(1)[0], ["0 skipped", "0 passed, 0 failed"])

    def test_skipped(self):
        self.add("some", 'echo "skip mounts: only root can"; echo "2 passed, 0 failed"')
        self.add("all", 'echo "skip a: no tool"; echo "skip b: no tool"; echo "0 passed, 0 failed"')
        last, output = self.run_all(0)
        self.assertEqual(last, ["3 skipped", "2 passed, 0 failed"])
        self.assertRegex(output, r"(?m)^ok   .*fake_some: 2 passed, 0 failed, 1 skipped \(")
        self.assertIn("skip mounts: only root can", output)

    def test_skipped_in_ci(self):
        self.add("some", 'echo "skip mounts: only root can"; echo "2 passed, 0 failed"')
        last, output = self.run_all(1, ci=True)
        self.assertEqual(last, ["1 skipped", "2 passed, 1 failed"])
        self.assertRegex(output, "(?m)^FAIL .*fake_some")

    def test_printed_as_it_comes(self):
        """The second program waits for what the first one is said to have done."""
        gate = os.path.join(self.build, "gate")
        self.add("first", 'echo "1 passed, 0 failed"')
        self.add("second", f'while [ ! -e {gate} ]; do sleep 0.01; done; echo "1 passed, 0 failed"')
        runner = Process([RUN, self.build, "fake_"], env=self.environment(ci=False))
        self.addCleanup(runner.stop)
        runner.wait_line("^ok   .*fake_first: ")
        with open(gate, "w", encoding="utf-8"):
            pass
        runner.wait_line("^2 passed, 0 failed$")
        self.assertEqual(runner.wait(), 0)

    def test_progress_on_a_terminal(self):
        self.add("good", 'echo "1 passed, 0 failed"')
        self.add("bad", 'echo "0 passed, 1 failed"; exit 1')
        ours, theirs = pty.openpty()
        with subprocess.Popen([RUN, self.build, "fake_"], env=self.environment(ci=False),
                              stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs):
            os.close(theirs)
            output = b""
            try:
                while piece := os.read(ours, 4096):
                    output += piece
            except OSError:  # how the other end of a terminal says that it is closed
                pass
        os.close(ours)
        text = output.decode()
        self.assertRegex(text, r"0/2 done, 0 failed; now .*fake_")
        self.assertRegex(text, r"1/2 done, [01] failed; now ")
        self.assertTrue(re.search(r"\x1b\[K1 passed, 1 failed\r\n$|\n1 passed, 1 failed\r\n$", text), text)


if __name__ == "__main__":
    main()
