#!/usr/bin/env python3
"""A disk that is full, and a disk that has lost its memory: nothing acknowledged is lost, the relay says
what is wrong, and goes on without a restart once it can."""

import glob
import os
import re
import resource
import smtplib
import subprocess
import unittest
from unittest import mock

from harness import MAILRACE, PATIENCE_S, Case, config, main, smart_host, untraced, wait_until

MB = 1 << 20


class Disk(Case):
    def start(self, spool, min_free, closed=False):
        self.closed = closed
        self.next_hop = self.sink(lambda verb, *_: b"451 4.3.0 later" if verb == "MAIL" and self.closed
                                  else None)
        self.text = config(spool, send=smart_host(self.next_hop.host)).replace(
            'min_free = "1MB";', f'min_free = "{min_free}"; segment_size = "1MB"; inline_max = "64KB";')
        self.restart()

    def restart(self):
        self.running = self.relay(self.text)

    def message(self, i, size):
        return b"Subject: number %d\r\n\r\n" % i + (b"%d-" % i * 200)[:70] * (size // 70) + b"\r\n"

    def send(self, i, size):
        """The code of the last reply: 250, or why not."""
        with smtplib.SMTP("127.0.0.1", self.running.port(), timeout=PATIENCE_S) as smtp:
            try:
                smtp.sendmail("a@src.test", [f"b{i}@dst.test"], self.message(i, size))
                return 250
            except smtplib.SMTPSenderRefused as refused:
                return refused.smtp_code
            except smtplib.SMTPDataError as refused:
                return refused.smtp_code

    def arrived_numbers(self):
        return {int(re.match(rb"b(\d+)@", m["rcpts"][0]).group(1)) for m in list(self.next_hop.messages)}


@unittest.skipUnless(os.geteuid() == 0, "only root can mount a small disk")
class Full(Disk):
    def setUp(self):
        super().setUp()
        self.disk = os.path.join(self.folder, "disk")
        os.mkdir(self.disk)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m,mode=0755", "none", self.disk],
                              stderr=subprocess.PIPE, check=False)
        if done.returncode != 0:
            self.skipTest("nothing can be mounted here: " + done.stderr.decode().strip())
        self.addCleanup(subprocess.run, ["umount", "-l", self.disk], check=True)
        self.spool = os.path.join(self.disk, "spool")

    def fill(self, leave):
        """Another file takes all of the disk but LEAVE octets."""
        self.filler = os.path.join(self.disk, "filler")
        free = os.statvfs(self.disk)
        with open(self.filler, "ab") as out:
            os.posix_fallocate(out.fileno(), 0, max(1, free.f_bavail * free.f_frsize - leave))

    def send_until_refused(self, first, size):
        """(numbers that were acknowledged, the code that ended it)"""
        taken = []
        for i in range(first, first + 3000):
            code = self.send(i, size)
            if code != 250:
                return taken, code
            taken.append(i)
        self.fail("a full disk takes everything")

    def service_is_back(self, number):
        wait_until(lambda: self.send(number, 1000) == 250, self.running.output)

    def test_R05_little_space_is_refused_before_the_disk_is_full(self):
        self.start(self.spool, "8MB")
        self.assertEqual(self.send(0, 1000), 250)
        self.fill(leave=4 * MB)
        wait_until(lambda: self.send(1, 1000) == 452, self.running.output)
        os.unlink(self.filler)
        self.service_is_back(2)
        wait_until(lambda: {0, 2} <= self.arrived_numbers(), self.running.output)

    def full_disk(self, size):
        self.start(self.spool, "0", closed=True)
        self.assertEqual(self.send(0, size), 250)
        self.fill(leave=3 * MB)
        taken, code = self.send_until_refused(1, size)
        self.assertEqual(code, 452)
        self.assertEqual(self.send(5000, size), 452, "it stays so")
        os.unlink(self.filler)
        self.service_is_back(6000)
        self.closed = False
        wanted = {0, 6000, *taken}
        wait_until(lambda: wanted <= self.arrived_numbers(), self.running.output)
        for m in self.next_hop.messages:
            i = int(re.match(rb"b(\d+)@", m["rcpts"][0]).group(1))
            self.assertIn(i, wanted | ({6000} if i == 6000 else set()), "refused, yet delivered")
            self.assertEqual(untraced(m["data"])[1], self.message(i, 1000 if i == 6000 else size))

    def test_R05_full_disk_small_messages(self):
        self.full_disk(30000)

    def test_R05_full_disk_messages_with_a_file_of_their_own(self):
        self.full_disk(300000)

    def test_R05_full_disk_and_a_crash(self):
        self.start(self.spool, "0", closed=True)
        self.fill(leave=3 * MB)
        taken, code = self.send_until_refused(0, 50000)
        self.assertEqual(code, 452)
        self.running.kill()
        os.unlink(self.filler)
        self.closed = False
        self.restart()
        wait_until(lambda: set(taken) <= self.arrived_numbers(), self.running.output)
        self.assertEqual(self.arrived_numbers(), set(taken))

    def test_R05_delivery_goes_on_while_the_disk_is_full(self):
        self.start(self.spool, "0", closed=True)
        self.fill(leave=3 * MB)
        taken, _ = self.send_until_refused(0, 50000)
        self.closed = False
        wait_until(lambda: set(taken) <= self.arrived_numbers(), self.running.output)
        # What was delivered makes room again: nobody has to help.
        self.service_is_back(7000)


class NoWrites(Disk):
    def setUp(self):
        super().setUp()
        # Writes beyond the limit fail, and no signal ends the relay.
        wrapper = os.path.join(self.folder, "mailrace")
        with open(wrapper, "w", encoding="ascii") as out:
            out.write(f"#!/bin/sh\ntrap '' XFSZ\nexec {MAILRACE} \"$@\"\n")
        os.chmod(wrapper, 0o755)
        patch = mock.patch("harness.MAILRACE", wrapper)
        patch.start()
        self.addCleanup(patch.stop)

    def writes(self, allowed):
        most = resource.RLIM_INFINITY if allowed else 0
        resource.prlimit(self.running.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    def test_no_reply_when_it_is_not_known_what_the_disk_has(self):
        self.start(os.path.join(self.folder, "spool"), "1MB")
        self.assertEqual(self.send(1, 500), 250)
        self.writes(False)
        with self.assertRaises(smtplib.SMTPServerDisconnected):
            self.send(2, 500)
        self.running.wait_event("message_unanswered")
        self.assertIn(self.send(3, 500), (451, 452))
        self.writes(True)
        wait_until(lambda: self.send(4, 500) == 250, "the spool")
        self.running.kill()
        self.restart()
        self.assertEqual(self.send(5, 500), 250)
        wait_until(lambda: self.arrived_numbers() >= {1, 4, 5}, "deliveries")
        self.assertEqual(self.arrived_numbers(), {1, 4, 5})


class Damaged(Disk):
    def queue(self, count, size=2000):
        self.start(self.spool, "1MB", closed=True)
        for i in range(count):
            self.assertEqual(self.send(i, size), 250)
        self.running.wait_event("message_deferred")
        self.running.stop()

    def damage(self, number):
        """Turns a few bits of the stored text of message NUMBER around."""
        needle = b"Subject: number %d\r\n" % number
        for path in glob.glob(f"{self.spool}/segments/*") + glob.glob(f"{self.spool}/big/*"):
            with open(path, "r+b") as file:
                text = file.read()
                at = text.find(needle)
                if at >= 0:
                    file.seek(at + 40)
                    was = file.read(4)
                    file.seek(at + 40)
                    file.write(bytes(b ^ 0x55 for b in was))
                    return path
        raise AssertionError(f"message {number} is nowhere in the spool")

    def arrives_without(self, lost, count):
        self.closed = False
        self.restart()
        self.running.wait_line(r"quarantined|damaged")
        wanted = set(range(count)) - lost
        wait_until(lambda: wanted <= self.arrived_numbers(), self.running.output)
        self.assertEqual(self.send(count, 1000), 250)
        wait_until(lambda: count in self.arrived_numbers(), self.running.output)
        for m in self.next_hop.messages:
            i = int(re.match(rb"b(\d+)@", m["rcpts"][0]).group(1))
            self.assertNotIn(i, lost)
            self.assertEqual(untraced(m["data"])[1], self.message(i, 1000 if i == count else 2000))
        self.assertTrue(os.listdir(f"{self.spool}/quarantine"), "the damaged record is kept for a human")

    def test_one_damaged_record_is_set_aside(self):
        self.queue(20)
        self.damage(10)
        self.arrives_without({10}, 20)

    def test_first_and_last_record_damaged(self):
        self.queue(20)
        self.damage(0)
        self.damage(19)
        self.arrives_without({0, 19}, 20)

    def test_damaged_big_message_is_set_aside(self):
        self.start(self.spool, "1MB", closed=True)
        for i, size in enumerate((2000, 300000, 2000)):
            self.assertEqual(self.send(i, size), 250)
        self.running.wait_event("message_deferred")
        self.running.stop()
        self.assertIn("/big/", self.damage(1))
        self.arrives_without({1}, 3)

    def test_rubbish_in_the_spool_is_no_message(self):
        self.queue(5)
        with open(f"{self.spool}/segments/rubbish", "wb") as out:
            out.write(b"MESSAGE" * 1000)
        with open(f"{self.spool}/big/rubbish", "wb") as out:
            out.write(b"x" * 1000)
        self.closed = False
        self.restart()
        wait_until(lambda: self.arrived_numbers() == set(range(5)), self.running.output)

    def test_cut_segment(self):
        """The file ends in the middle of a record, as after a crash of the file system."""
        self.queue(5)
        path = self.damage(4)
        with open(path, "r+b") as file:
            file.truncate(file.read().find(b"Subject: number 4\r\n") + 100)
        self.closed = False
        self.restart()
        wait_until(lambda: self.arrived_numbers() >= set(range(4)), self.running.output)
        self.assertNotIn(4, self.arrived_numbers())


if __name__ == "__main__":
    main()
