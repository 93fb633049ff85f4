#!/usr/bin/env python3
"""CHUNKING and BINARYMIME (RFC 3030) from client to next hop: bit for bit, or back to the sender."""

import json
import os
import random

from harness import LOAD, RelayCase, config, main, smart_host, untraced, wait_until

OFFERS = (b"PIPELINING", b"SIZE 100000000", b"8BITMIME", b"BINARYMIME", b"CHUNKING", b"DSN")
HEADER = (b"From: a@src.test\r\nSubject: all octets\r\nMIME-Version: 1.0\r\n"
          b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n")
OCTETS = bytes(range(256)) + b"\0\n\r\r\n.\r\n.\n\n\0" + bytes(range(255, -1, -1)) + b"\r"
BINARY = HEADER + OCTETS


class BinaryCase(RelayCase):
    def start_with(self, extensions, **kwargs):
        self.start(sink={"extensions": extensions}, **kwargs)

    def send_binary(self, data=BINARY, chunks=1, rcpts=("b@dst.test",), sender="a@src.test"):
        """The reply to the last chunk."""
        d = self.session()
        self.assertRegex(d.say(f"MAIL FROM:<{sender}> BODY=BINARYMIME"), "^250 ")
        for rcpt in rcpts:
            self.assertRegex(d.say(f"RCPT TO:<{rcpt}>"), "^250 ")
        size = len(data) // chunks
        for _ in range(chunks - 1):
            d.send(b"BDAT %d\r\n" % size + data[:size])
            data = data[size:]
            self.assertRegex(d.read(), "^250 ")
        d.send(b"BDAT %d LAST\r\n" % len(data) + data)
        return d.read()


class Through(BinaryCase):
    def test_bit_for_bit(self):
        self.start_with(OFFERS)
        for chunks in (1, 2, 7):
            self.assertRegex(self.send_binary(chunks=chunks), "^250 2.6.0 ")
        for message in self.next_hop.wait(3):
            self.assertEqual(untraced(message["data"])[1], BINARY)
            self.assertIn(b" BODY=BINARYMIME", message["mail"])
        self.assertNotIn(b"DATA\r\n", self.next_hop.commands)

    def test_large(self):
        """More than stays in memory, or fits one write."""
        self.start_with(OFFERS)
        data = HEADER + random.Random(3).randbytes(3_000_000)
        self.assertRegex(self.send_binary(data, chunks=3), "^250 2.6.0 ")
        self.assertEqual(untraced(self.next_hop.wait(1)[0]["data"])[1], data)

    def test_without_pipelining(self):
        self.start_with(OFFERS[1:])
        self.assertRegex(self.send_binary(rcpts=("b@dst.test", "c@dst.test")), "^250 2.6.0 ")
        message = self.next_hop.wait(1)[0]
        self.assertEqual(untraced(message["data"])[1], BINARY)
        self.assertEqual(len(message["rcpts"]), 2)

    def test_some_recipients(self):
        def answer(verb, argument, _session):
            return b"550 5.1.1 nobody" if verb == "RCPT" and b"<c@" in argument else None
        self.start(answer, sink={"extensions": OFFERS})
        self.assertRegex(self.send_binary(rcpts=("b@dst.test", "c@dst.test")), "^250 ")
        mail, report = sorted(self.next_hop.wait(2), key=lambda m: m["sender"] == b"")
        self.assertEqual((untraced(mail["data"])[1], mail["rcpts"]), (BINARY, [b"b@dst.test"]))
        self.assertEqual((report["sender"], report["rcpts"]), (b"", [b"a@src.test"]))
        self.assertNotIn(b"\0", report["data"])

    def test_every_recipient_and_then_none(self):
        """What is refused leaves no trace on the next message of its connection."""
        def answer(verb, argument, _session):
            return b"550 5.1.1 nobody" if verb == "RCPT" and b"<no" in argument else None
        self.start(answer, sink={"extensions": OFFERS})
        for i in range(10):
            d = self.session()
            rcpt = f"no{i}@dst.test" if i % 2 else f"b{i}@dst.test"
            for line in (f"MAIL FROM:<a{i}@src.test>", f"RCPT TO:<{rcpt}>"):
                self.assertRegex(d.say(line), "^250 ")
            d.send(b"BDAT 16 LAST\r\nSubject: %03d\r\n\r\n" % i)
            self.assertRegex(d.read(), "^250 ")
        mails = self.next_hop.wait(10)
        self.assertEqual(sorted((m["sender"], m["rcpts"][0]) for m in mails if m["sender"]),
                         [(b"a%d@src.test" % i, b"b%d@dst.test" % i) for i in range(0, 10, 2)])
        self.assertEqual(sorted(m["rcpts"][0] for m in mails if not m["sender"]),
                         [b"a%d@src.test" % i for i in range(1, 10, 2)])

    def test_a_chunk_cut_short_is_sent_again(self):
        """A connection that ends within the chunk: nothing has arrived, and nothing is in doubt."""
        self.start_with(OFFERS)
        cut = []

        def answer(verb, _argument, _session):
            if verb == "MAIL" and not cut:
                cut.append(1)
                raise self.next_hop.Hangup
            return None
        self.next_hop.answer = answer
        data = HEADER + random.Random(4).randbytes(500_000)
        self.assertRegex(self.send_binary(data), "^250 ")
        self.assertEqual(untraced(self.next_hop.wait(1)[0]["data"])[1], data)
        self.assertEqual(len(self.next_hop.messages), 1)

    def test_mail_of_lines_goes_by_bdat_too(self):
        self.start_with(OFFERS)
        text = b"Subject: x\r\n\r\n.\r\n..\r\nGr\xc3\xbc\xc3\x9fe\r\n"
        self.assertRegex(self.send_raw(text.replace(b"\r\n.", b"\r\n..")), "^250 ")
        message = self.next_hop.wait(1)[0]
        self.assertEqual(untraced(message["data"])[1], text)
        self.assertNotIn(b"DATA\r\n", self.next_hop.commands)
        self.assertNotIn(b"BINARYMIME", message["mail"])

    def test_chunking_switched_off(self):
        self.next_hop = self.sink(extensions=OFFERS)
        self.running = self.relay(config(self.spool, send=smart_host(
            self.next_hop.host, more="chunking_enabled = false;")))
        self.port = self.running.port()
        self.assertRegex(self.send_raw(b"Subject: x\r\n\r\n"), "^250 ")
        self.next_hop.wait(1)
        self.assertIn(b"DATA\r\n", self.next_hop.commands)
        self.assertRegex(self.send_binary(), "^250 ")
        self.assertIn(b"does without CHUNKING", self.next_hop.wait(2)[1]["data"])


class Returned(BinaryCase):
    def report(self, extensions, says):
        self.start_with(extensions)
        self.assertRegex(self.send_binary(rcpts=("b@dst.test", "c@dst.test")), "^250 2.6.0 ")
        report = self.next_hop.wait(1)[0]
        self.assertEqual((report["sender"], report["rcpts"]), (b"", [b"a@src.test"]))
        data = report["data"]
        self.assertEqual(data.count(b"\r\nStatus: 5.6.3\r\n"), 2)
        self.assertIn(says, data.replace(b"\r\n ", b" "))
        # RFC 3461 lets the header do; a report with the text in it would be no mail.
        self.assertIn(b"Content-Type: text/rfc822-headers\r\n", data)
        self.assertIn(b"\r\nSubject: all octets\r\n", data)
        self.assertNotIn(b"\0", data)
        self.assertNotRegex(data, rb"(?<!\r)\n|\r(?!\n)")
        self.assertEqual(len(self.next_hop.messages), 1)

    def test_next_hop_without_binarymime(self):
        self.report((b"PIPELINING", b"8BITMIME", b"CHUNKING"), b"BINARYMIME")

    def test_next_hop_without_chunking(self):
        self.report((b"PIPELINING", b"8BITMIME", b"BINARYMIME"), b"CHUNKING")

    def test_next_hop_with_neither(self):
        self.report((), b"CHUNKING")


class Receiving(BinaryCase):
    def test_by_data(self):
        """RFC 3030 3; and the transaction goes on."""
        self.start_with(OFFERS)
        d = self.session()
        self.assertIn("BINARYMIME", d.ehlo)
        self.assertRegex(d.say("MAIL FROM:<a@src.test> BODY=BINARYMIME"), "^250 ")
        self.assertRegex(d.say("RCPT TO:<b@dst.test>"), "^250 ")
        self.assertRegex(d.say("DATA"), "^503 ")
        d.send(b"BDAT %d LAST\r\n" % len(BINARY) + BINARY)
        self.assertRegex(d.read(), "^250 ")
        self.assertEqual(untraced(self.next_hop.wait(1)[0]["data"])[1], BINARY)

    def test_switched_off(self):
        self.start_with(OFFERS, connector="binary_mime_enabled = false;")
        d = self.session()
        self.assertNotIn("BINARYMIME", d.ehlo)
        self.assertIn("CHUNKING", d.ehlo)
        self.assertRegex(d.say("MAIL FROM:<a@src.test> BODY=BINARYMIME"), "^555 5.5.4 ")

    def test_a_header_that_is_no_lines(self):
        """No field may hide from the firewall behind what only some readers take for a line end."""
        self.start_with(OFFERS)
        for header in (b"A: b\nX-MS-Exchange-Organization-SCL: -1\r\n\r\n", b"A: b\rC: d\r\n\r\n",
                       b"A: \0\r\n\r\n", b"A: b\r\n\nbody"):
            self.assertRegex(self.send_binary(header + OCTETS), "^550 5.6.0 ")
        self.assertRegex(self.send_binary(b"\r\n" + OCTETS), "^250 ")
        self.assertEqual(untraced(self.next_hop.wait(1)[0]["data"])[1], b"\r\n" + OCTETS)

    def test_firewall_and_hops(self):
        self.start_with(OFFERS)
        fields = b"X-MS-Exchange-Organization-SCL: -1\r\n"
        self.assertRegex(self.send_binary(fields + BINARY), "^250 ")
        self.assertEqual(untraced(self.next_hop.wait(1)[0]["data"])[1], BINARY)
        self.assertRegex(self.send_binary(b"Received: x\r\n" * 31 + BINARY), "^554 5.4.6 ")

    def test_normalising_leaves_it_alone(self):
        self.start_with(OFFERS, connector="bare_linefeed_rejection_enabled = false;")
        self.assertRegex(self.send_binary(), "^250 ")
        self.assertEqual(untraced(self.next_hop.wait(1)[0]["data"])[1], BINARY)


class LoadSink(BinaryCase):
    """`mailrace-load sink --chunking` as next hop: the journals say that every text is intact."""

    def test_what_is_offered(self):
        for options in ((), ("--chunking",)):
            taker = self.program([LOAD, "sink", "--listen", "127.0.0.1:0", "--quiet", *options])
            d = self.dialogue(int(taker.wait_line(r"listening on \S+:(\d+)").group(1)))
            d.read()
            offers = d.say("EHLO x")
            for word in ("CHUNKING", "BINARYMIME"):
                self.assertEqual(word in offers, bool(options))

    def test_sink_with_chunking(self):
        sent, taken = (os.path.join(self.folder, name) for name in ("sent", "taken"))
        taker = self.program([LOAD, "sink", "--listen", "127.0.0.1:0", "--journal", taken, "--quiet",
                              "--chunking"])
        port = taker.wait_line(r"listening on \S+:(\d+)").group(1)
        running = self.relay(config(self.spool, send=smart_host(f"[127.0.0.1]:{port}")))
        for length in ("4096", "300000"):
            self.run_program([LOAD, "source", "--to", f"127.0.0.1:{running.port()}", "--sessions",
                              "4", "--messages", "100", "--length", length, "--journal", sent])

        def delivered():
            with open(taken, encoding="ascii") as lines:
                return sum(line.startswith("arrived") for line in lines) >= 200
        wait_until(delivered, "200 messages at the sink")
        output = self.run_program([LOAD, "audit", "--source", sent, "--sink", taken, "--json"])
        self.assertEqual(json.loads(output[output.index("{"):])["delivered"], 200)


if __name__ == "__main__":
    main()
