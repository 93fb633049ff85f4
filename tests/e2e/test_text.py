#!/usr/bin/env python3
"""What is relayed comes out as it went in: text, addresses and parameters, below one trace header."""

import random
import re

from harness import RelayCase, config, main, parse_report, untraced, wait_until


class Text(RelayCase):
    def relayed(self, data, **kwargs):
        """DATA (as text, not yet stuffed) arrives the same."""
        stuffed = re.sub(rb"(?m)^\.", b"..", data)
        self.assertRegex(self.send_raw(stuffed, **kwargs), "^250 ")
        count = len(self.next_hop.messages)
        message = wait_until(lambda: next((m for m in self.next_hop.messages
                                           if untraced(m["data"])[1] == data), None),
                             lambda: f"the same bytes; {count} messages arrived")
        return message

    def test_C055_big_messages_come_unchanged(self):
        self.start()
        rng = random.Random(5)
        line = rng.randbytes(36).hex().encode()
        for size in (100000, 131072, 140000, 5 << 20):
            body = b"Subject: big %d\r\n\r\n" % size + b".".join([line, b"\r\n"]) * (size // 75)
            self.relayed(body)

    def test_C055_big_message_with_dots_at_line_starts(self):
        self.start()
        self.relayed(b"Subject: dots\r\n\r\n" + b".\r\n..\r\n...x\r\n \r\n" * 20000)

    def test_C125_eight_bit_body(self):
        self.start()
        body = b"Subject: 8 bit\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" + bytes(range(128, 256)) + \
            "Grüße\r\n".encode()
        message = self.relayed(body, sender="<a@src.test> BODY=8BITMIME")
        self.assertIn(b"BODY=8BITMIME", message["mail"])

    def test_C125_eight_bit_body_where_the_next_hop_cannot(self):
        self.start(sink={"extensions": (b"PIPELINING",)})
        self.send_raw(b"Subject: x\r\n\r\n\xe4\r\n", sender="<a@src.test> BODY=8BITMIME")
        report = parse_report(self.next_hop.wait(1)[0])
        self.assertEqual(report[3][0]["Status"], "5.6.3")

    def test_C153_smtputf8(self):
        self.start(sink={"extensions": (b"PIPELINING", b"8BITMIME", b"SMTPUTF8")})
        body = "From: jürgen@src.test\r\nSubject: Grüße\r\n\r\nß\r\n".encode()
        message = self.relayed(body, sender="<jürgen@src.test> SMTPUTF8 BODY=8BITMIME",
                               rcpts=["<用户@dst.test>"])
        self.assertEqual(message["sender"], "jürgen@src.test".encode())
        self.assertEqual(message["rcpts"], ["用户@dst.test".encode()])
        self.assertIn(b"SMTPUTF8", message["mail"])
        self.assertIn(b" with UTF8SMTP\r\n", untraced(message["data"])[0])

    def test_C155_smtputf8_where_the_next_hop_cannot(self):
        self.start()
        self.send_raw(b"Subject: x\r\n\r\n", sender="<a@src.test> SMTPUTF8", rcpts=["<用户@dst.test>"])
        report = parse_report(self.next_hop.wait(1)[0])
        self.assertEqual(report[3][0]["Status"], "5.6.7")

    def test_C147_dsn_parameters_pass_unchanged(self):
        self.start()
        self.send_raw(b"Subject: x\r\n\r\n", sender="<a@src.test> RET=HDRS ENVID=QQ+2BaB3",
                      rcpts=["<b@dst.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob+2B+3D@Dst.test",
                             "<c@dst.test> NOTIFY=NEVER", "<d@dst.test>"])
        message = self.next_hop.wait(1)[0]
        self.assertIn(b" ENVID=QQ+2BaB3", message["mail"])
        self.assertIn(b" RET=HDRS", message["mail"])
        self.assertEqual(sorted(message["rcpt_args"][0].split(b" ")[1:]),
                         [b"NOTIFY=SUCCESS,FAILURE", b"ORCPT=rfc822;Bob+2B+3D@Dst.test"])
        self.assertEqual(message["rcpt_args"][1:], [b"TO:<c@dst.test> NOTIFY=NEVER", b"TO:<d@dst.test>"])

    def test_C051_C052_trace_header(self):
        self.start()
        self.relayed(b"Subject: x\r\n\r\n")
        trace, rest = untraced(self.next_hop.messages[0]["data"])
        self.assertNotIn(b"Received:", rest)
        unfolded = re.sub(rb"\r\n[ \t]+", b" ", trace)
        self.assertRegex(unfolded, rb"^Received: from client\.test \(\[127\.0\.0\.1\]\) by relay\.test "
                                   rb"with ESMTP id \d+ for <b@dst\.test>; [A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} "
                                   rb"\d{4} \d\d:\d\d:\d\d [+-]\d{4}\r\n$")
        number = re.search(rb" id (\d+)", unfolded).group(1).decode()
        self.running.wait_event("message_accepted", rf"\bid={number}\b")

    def test_C052_trace_header_after_helo(self):
        self.start()
        d = self.dialogue(self.port)
        d.read()
        self.assertNotIn("\n", d.say("HELO client.test"))
        self.send_raw(b"Subject: x\r\n\r\n", d=d)
        self.assertIn(b" with SMTP\r\n", untraced(self.next_hop.wait(1)[0]["data"])[0])

    def test_C053_for_only_with_one_recipient(self):
        self.start()
        self.send_raw(b"Subject: x\r\n\r\n", rcpts=["<b@dst.test>", "<bcc@dst.test>"])
        message = self.next_hop.wait(1)[0]
        self.assertEqual(len(message["rcpts"]), 2)
        self.assertNotIn(b"for <", message["data"])

    def test_C053_bcc_leaks_in_no_part(self):
        """Also where each recipient goes another way at another time."""
        self.start(lambda verb, argument, session:
                   b"450 4.2.1 busy" if verb == "RCPT" and b"<bcc" in argument and not session["messages"]
                   else None)
        self.send_raw(b"Subject: x\r\n\r\n", rcpts=["<b@dst.test>", "<bcc@dst.test>"])
        for message in self.next_hop.wait(2):
            self.assertNotIn(b"bcc", message["data"])

    def test_C054_received_fields_are_kept(self):
        self.start()
        self.relayed(b"Received: from x by y;\r\n\tMon, 1 Jan 2024 00:00:00 +0000\r\n"
                     b"received:  bare\r\nSubject: x\r\nReceived: late\r\n\r\n")

    def test_C055_odd_headers_are_kept(self):
        self.start()
        for body in (b"Subject: no end of header", b"\r\nno header", b"not a header\r\n\r\nx",
                     b"X:\r\n folded\r\n\t more \r\n : \r\n\r\n", b"From \r\n\r\nmbox", b""):
            self.relayed(body + b"\r\n" if body else b"")

    def test_C056_return_path_is_neither_read_nor_made(self):
        self.start()
        self.relayed(b"Return-Path: <spoof@ext.test>\r\nSubject: x\r\n\r\n")
        self.assertEqual(self.next_hop.messages[0]["sender"], b"a@src.test")
        self.relayed(b"Subject: y\r\n\r\n")
        self.assertNotIn(b"Return-Path", self.next_hop.messages[1]["data"])

    def test_C057_local_parts_are_kept(self):
        self.start()
        names = ['"quoted \\" part"@dst.test', "Mixed.Case+tag@dst.test", "a!b%c@dst.test"]
        self.send_raw(b"Subject: x\r\n\r\n", sender="<CaSe@src.test>", rcpts=[f"<{n}>" for n in names])
        message = self.next_hop.wait(1)[0]
        self.assertEqual(message["sender"], b"CaSe@src.test")
        self.assertEqual(message["rcpts"], [n.encode() for n in names])

    def test_C058_source_route_is_stripped(self):
        self.start()
        self.send_raw(b"Subject: x\r\n\r\n", sender="<@one.test,@two.test:a@src.test>",
                      rcpts=["<@one.test:b@dst.test>"])
        message = self.next_hop.wait(1)[0]
        self.assertEqual((message["sender"], message["rcpts"]), (b"a@src.test", [b"b@dst.test"]))

    def test_C070_null_sender_is_kept(self):
        self.start()
        self.send_raw(b"Subject: x\r\n\r\n", sender="<>")
        self.assertEqual(self.next_hop.wait(1)[0]["sender"], b"")

    def test_C059_loop(self):
        self.start()
        hop = b"Received: from a.test by b.test; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
        self.assertRegex(self.send_raw(hop * 31 + b"\r\n"), r"^554 5\.4\.6 ")
        self.assertRegex(self.send_raw(hop * 200), r"^554 5\.4\.6 ")
        self.assertRegex(self.send_raw(hop * 30 + b"\r\n"), "^250 ")
        self.next_hop.wait(1)
        own = b"Received: from a.test by relay.test; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
        self.assertRegex(self.send_raw(own * 9 + b"\r\n"), r"^554 5\.4\.6 ")
        self.assertEqual(len(self.marker()), 1)

    def test_C059_relay_that_delivers_to_itself_ends(self):
        """A message that goes round comes back to its sender as a report, and that one is let go."""
        self.start()
        send = ('{ name = "Loop"; address_spaces = [ "*" ]; dns_routing_enabled = false; '
                'smart_hosts = [ "[127.0.0.1]:%d" ]; }, '
                '{ name = "Home"; address_spaces = [ "src.test" ]; dns_routing_enabled = false; '
                'smart_hosts = [ "%s" ]; }' % (self.port, self.next_hop.host))
        self.assertIn(" reloaded ", self.running.reload(
            config(self.spool, bindings=f'"127.0.0.1:{self.port}"', send=send)))
        self.send_raw(b"Subject: round and round\r\n\r\n")
        report = parse_report(self.next_hop.wait(1)[0])
        self.assertEqual(report[3][0]["Status"], "5.4.6")
        self.assertLess(len(self.running.events("message_accepted")), 15)

    def test_C102_too_big(self):
        self.start(connector='max_message_size = "64KB";')
        d = self.session()
        self.assertIn("SIZE 65536", d.ehlo)
        self.assertRegex(d.say("MAIL FROM:<a@src.test> SIZE=65537"), r"^552 5\.3\.4 ")
        self.assertRegex(self.send_raw(b"Subject: x\r\n\r\n" + b"x" * 998 * 70 + b"\r\n", d=d), r"^552 5\.3\.4 ")
        exact = b"Subject: x\r\n\r\n" + b"x" * (65536 - 16) + b"\r\n"
        self.assertEqual(len(exact), 65536)
        self.assertRegex(self.send_raw(exact, d=d), "^250 ")
        self.next_hop.wait(1)
        self.assertEqual(len(self.marker()), 1)


if __name__ == "__main__":
    main()
