#!/usr/bin/env python3
"""A spool of an earlier version: what it holds is delivered."""

import glob
import os
import shutil

from harness import ROOT, RelayCase, main, wait_until

LOGS, COUNT = 4, 160
FOUR_LOGS = os.path.join(ROOT, "tests", "data", "spool-v1-four-logs")


def settled(number):
    """As tests/unit/queue/test_spool_four_logs.c has it."""
    turn = number // LOGS
    return turn % 5 != 2 if number < 120 else turn % 5 == 1


def recipients(number):
    """How many are still to get it."""
    return 1 if number // LOGS % 4 == 3 else 2


class OldSpool(RelayCase):
    def test_several_logs_are_delivered_and_end(self):
        shutil.copytree(FOUR_LOGS, self.spool, copy_function=shutil.copy)
        wanted = {f"{n}@example.com".encode(): recipients(n) for n in range(COUNT) if not settled(n)}
        self.start()
        wait_until(lambda: len(self.next_hop.messages) >= len(wanted), "what 0.1.0 had accepted")
        self.assertEqual(self.running.stop(), 0)
        taken = {m["sender"]: len(m["rcpts"]) for m in self.next_hop.messages}
        self.assertEqual(taken, wanted)
        self.restart()
        self.assertEqual(glob.glob(os.path.join(self.spool, "log-*")), [])
        self.assertEqual(len(self.running.events("spool_log_ended")), LOGS - 1)
        self.assertEqual(self.running.stop(), 0)
        self.assertEqual(len(self.next_hop.messages), len(wanted))


if __name__ == "__main__":
    main()
