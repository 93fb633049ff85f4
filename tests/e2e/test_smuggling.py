#!/usr/bin/env python3
"""Where a message ends, for us and for the next hop: nothing is smuggled in, nothing goes out."""

import re

from harness import RelayCase, main, untraced

SEQUENCES = {
    "S01": b"\n.\n", "S02": b"\n.\r\n", "S03": b"\r\n.\n", "S04": b"\r.\r", "S05": b"\r.\n", "S06": b"\n.\r",
    "S07": b"\r.\r\n", "S08": b"\r\n.\r", "S09": b"\r\n\0.\r\n", "S10": b"\r\n.\0\r\n", "S11": b"\r\n.\r\r\n",
    "S12": b"\r\r\n.\r\r\n", "S13": b"\r\n .\r\n", "S14": b"\r\n. \r\n", "S15": b"\r\n.\t\r\n",
    "S16a": b"\r\n\x0b.\r\n", "S16b": b"\r\n\x0c.\r\n", "S16c": b"\r\n\x1a.\r\n", "S16d": b"\r\n\x85.\x85\r\n",
    "S16e": b"\r\n\xe2\x80\xa8.\xe2\x80\xa8\r\n", "S17": b"\xff\xf4\r\n\xff.\r\n",
}
CLEAN = {"S13", "S14", "S15", "S16a", "S16b", "S16c", "S16d", "S16e", "S17"}  # odd, but whole lines
SMUGGLED = b"MAIL FROM:<admin@victim.test>\r\nRCPT TO:<t@ours.test>\r\nDATA\r\nSubject: b\r\n\r\ny\r\n"


class Smuggling(RelayCase):
    def each_sequence(self, check):
        """Calls CHECK with (name, sequence, the reply to it), in one segment and a byte at a time."""
        for name, sequence in SEQUENCES.items():
            for split in (False, True):
                with self.subTest(name, split=split):
                    check(name, sequence, self.run_sequence(sequence, split))

    def run_sequence(self, sequence, split):
        d = self.session()
        for line in ("MAIL FROM:<a@src.test>", "RCPT TO:<b@dst.test>"):
            self.assertRegex(d.say(line), "^250 ")
        self.assertRegex(d.say("DATA"), "^354 ")
        text = b"Subject: a\r\n\r\nx" + sequence + SMUGGLED + b".\r\n"
        if split:
            d.socket.setsockopt(6, 1, 1)  # TCP_NODELAY: a segment a byte
            for i in range(len(text)):
                d.send(text[i:i + 1])
        else:
            d.send(text)
        reply = d.read()
        self.assertEqual(d.say("NOOP")[:3], "250", "exactly one reply came for all of it")
        d.close()
        return reply

    def nothing_smuggled(self):
        self.marker()
        for message in self.next_hop.messages:
            self.assertNotIn(b"admin@victim.test", message["sender"])
            self.assertNotEqual(message["rcpts"], [b"t@ours.test"])
            self.check_wire(message["wire"])
            self.assertNotIn(b"\0", message["wire"])

    def check_wire(self, wire):
        """S-30: nothing leaves us that another server could take for an end."""
        self.assertTrue(wire.endswith(b"\r\n.\r\n"))
        self.assertEqual(wire.count(b"\r\n.\r\n"), 1)
        self.assertIsNone(re.search(rb"\r(?!\n)|(?<!\r)\n", wire), "a bare CR or LF goes out")
        for line in wire[:-3].split(b"\r\n"):
            self.assertFalse(re.match(rb"\.(?!\.)", line), line)

    def test_S01_to_S17_nothing_is_smuggled(self):
        self.start()

        def check(name, sequence, reply):
            self.assertRegex(reply, "^250 " if name in CLEAN else r"^550 5\.5\.2 ")
        self.each_sequence(check)
        self.nothing_smuggled()

    def test_S01_to_S17_normalised_nothing_is_smuggled(self):
        self.start(connector="bare_linefeed_rejection_enabled = false;")

        def check(name, sequence, reply):
            self.assertRegex(reply, r"^550 5\.5\.2 " if b"\0" in sequence else "^250 ")
        self.each_sequence(check)
        self.nothing_smuggled()

    def test_S19_S20_dots_on_the_first_line(self):
        self.start()
        self.assertRegex(self.send_raw(b""), "^250 ")
        self.assertRegex(self.send_raw(b"..\r\n"), "^250 ")
        self.next_hop.wait(2)
        self.assertEqual(sorted(untraced(m["data"])[1] for m in self.marker()), [b"", b".\r\n"])
        self.nothing_smuggled()

    def test_S30_stuffing_is_right_on_the_wire(self):
        self.start()
        text = b"Subject: dots\r\n\r\n.\r\n..\r\n.a\r\na.\r\n \r\n...\r\n"
        self.assertRegex(self.send_raw(re.sub(rb"(?m)^\.", b"..", text)), "^250 ")
        message = self.next_hop.wait(1)[0]
        self.assertEqual(untraced(message["wire"])[1], re.sub(rb"(?m)^\.", b"..", text) + b".\r\n")
        self.check_wire(message["wire"])

    def test_C055_long_lines_pass_unchanged(self):
        self.start()
        for length in (998, 999, 4095, 4096, 65536):
            text = b"Subject: long\r\n\r\n" + b"x" * length + b"\r\n.after\r\n"
            self.assertRegex(self.send_raw(text.replace(b"\r\n.", b"\r\n..")), "^250 ")
        for message, length in zip(self.next_hop.wait(5), (998, 999, 4095, 4096, 65536)):
            self.assertIn(b"x" * 998, message["data"])
            self.check_wire(message["wire"])

    def test_S26_bdat_is_held_to_the_same_rules(self):
        self.start()
        for chunks in ((b"Subject: a\r\n\r\nx\n.\r\n",), (b"Subject: a\r\n\r\nx\r", b".\r\n"),
                       (b"x\r\n", b".\n"), (b"a", b"\n", b".", b"\r\n")):
            d = self.session()
            self.assertRegex(d.say("MAIL FROM:<a@src.test>"), "^250 ")
            self.assertRegex(d.say("RCPT TO:<b@dst.test>"), "^250 ")
            for i, chunk in enumerate(chunks):
                d.send(b"BDAT %d%s\r\n" % (len(chunk), b" LAST" if i == len(chunks) - 1 else b"") + chunk)
            replies = [d.read() for _ in chunks]
            self.assertTrue(any(r.startswith("550 5.5.2 ") for r in replies), (chunks, replies))
            self.assertNotEqual(replies[-1][:3], "250", chunks)
        self.assertEqual(self.marker(), [])

    def test_S32_bdat_chunk_seams_are_stuffed(self):
        self.start()
        text = b"Subject: seams\r\n\r\n.\r\n..x\r\n"
        d = self.session()
        for cut in range(len(text)):
            d.say("MAIL FROM:<a@src.test>")
            d.say("RCPT TO:<b@dst.test>")
            d.send(b"BDAT %d\r\n" % cut + text[:cut] + b"BDAT %d LAST\r\n" % (len(text) - cut) + text[cut:])
            self.assertEqual([d.read()[:3], d.read()[:3]], ["250", "250"])
        for message in self.next_hop.wait(len(text)):
            self.assertEqual(untraced(message["data"])[1], text)
            self.check_wire(message["wire"])

    def test_C041_bare_lf_command_is_refused(self):
        self.start()
        d = self.session()
        self.assertRegex(self.line(d, "NOOP\n"), r"^500 ")
        self.assertRegex(d.say("NOOP"), "^250 ")

    @staticmethod
    def line(d, text):
        d.send(text)
        return d.read()


if __name__ == "__main__":
    main()
