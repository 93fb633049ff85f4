#!/usr/bin/env python3
"""What becomes of each recipient: retried, delivered, reported to the sender."""

import re

from harness import RelayCase, Sink, config, main, parse_report, smart_host, untraced, wait_until


class Outcomes(RelayCase):
    def test_C082_retry_after_4xx_at_every_stage(self):
        said = set()

        def answer(verb, argument, session):
            if verb in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "DOT") and verb not in said:
                said.add(verb)
                return b"421 4.3.2 gone" if verb in ("CONNECT", "EHLO") else b"451 4.3.0 later"
            return None
        self.start(answer)
        self.send_raw(b"Subject: x\r\n\r\n.. \r\n")
        self.assertEqual(untraced(self.next_hop.wait(1)[0]["data"])[1], b"Subject: x\r\n\r\n. \r\n")
        self.assertEqual(said, {"CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "DOT"})
        self.assertEqual(len(self.marker()), 1, "once")

    def test_connection_lost_at_every_stage(self):
        said = set()

        def answer(verb, argument, session):
            if verb in ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA") and verb not in said:
                said.add(verb)
                raise Sink.Hangup
            return None
        self.start(answer)
        self.send_raw(b"Subject: x\r\n\r\n")
        self.next_hop.wait(1)
        self.assertEqual(said, {"CONNECT", "EHLO", "MAIL", "RCPT", "DATA"})
        self.assertEqual(len(self.marker()), 1, "once")

    def test_C062_C150_5xx_is_reported_to_the_sender(self):
        self.start(lambda verb, argument, session:
                   b"550-5.1.1 no such user here,\r\n550 5.1.1 none" if verb == "RCPT" and b"<b@" in argument
                   else None)
        self.send_raw(b"Message-ID: <1@src.test>\r\nSubject: x\r\n\r\nthe body\r\n",
                      sender="<a@src.test> ENVID=QQ+2B314159", rcpts=["<b@dst.test> ORCPT=rfc822;B+2Bb@dst.test"])
        message = self.next_hop.wait(1)[0]
        self.assertEqual((message["sender"], message["rcpts"]), (b"", [b"a@src.test"]))
        self.assertNotRegex(message["mail"], rb"RET=|ENVID=")
        self.assertRegex(message["rcpt_args"][0], rb"NOTIFY=NEVER")
        report, text, about, rcpts, original = parse_report(message)
        self.assertEqual(report["Auto-Submitted"], "auto-replied")
        self.assertEqual(report["To"], "<a@src.test>")
        self.assertIn("postmaster@ours.test", report["From"])
        self.assertTrue(report["Message-ID"] and report["Date"] and report["MIME-Version"])
        self.assertEqual(about["Reporting-MTA"], "dns; relay.test")
        self.assertEqual(about["Original-Envelope-Id"], "QQ+314159")
        self.assertEqual(len(rcpts), 1)
        self.assertEqual(rcpts[0]["Final-Recipient"], "rfc822; b@dst.test")
        self.assertEqual(rcpts[0]["Original-Recipient"], "rfc822; B+b@dst.test")
        self.assertEqual(rcpts[0]["Action"], "failed")
        self.assertEqual(rcpts[0]["Status"], "5.1.1")
        self.assertRegex(rcpts[0]["Diagnostic-Code"], r"(?s)^smtp; 550.*no such user here")
        self.assertTrue(rcpts[0]["Remote-MTA"])
        self.assertIn("b@dst.test", text.get_payload())
        self.assertIn("<1@src.test>", original.as_string())
        message["data"].decode("ascii")
        self.assertEqual([m["rcpts"] for m in self.marker()], [[b"a@src.test"]])

    def test_C063_nothing_is_reported_to_nobody(self):
        self.start(lambda verb, argument, session:
                   b"550 5.1.1 none" if verb == "RCPT" and b"<b@" in argument else None)
        self.send_raw(b"Subject: x\r\n\r\n", sender="<>")
        self.send_raw(b"Subject: x\r\n\r\n", rcpts=["<b@dst.test> NOTIFY=NEVER"])
        wait_until(lambda: len([c for c in self.next_hop.commands if b"<b@" in c]) == 2,
                   self.running.output)
        self.assertEqual(self.marker(), [])

    def test_C063_a_report_that_cannot_be_delivered_is_let_go(self):
        self.start(lambda verb, argument, session:
                   b"550 5.1.1 none" if re.search(rb"<[ab]@", argument) and verb == "RCPT" else None)
        self.send_raw(b"Subject: x\r\n\r\n")
        wait_until(lambda: any(b"RCPT TO:<a@" in c for c in self.next_hop.commands), self.running.output)
        self.assertEqual(self.marker(), [])
        self.running.wait_event("message_discarded")

    def test_C086_each_recipient_for_himself(self):
        tries = {}

        def answer(verb, argument, session):
            if verb != "RCPT":
                return None
            tries[argument] = tries.get(argument, 0) + 1
            if b"<later@" in argument and tries[argument] < 3:
                return b"450 4.2.1 busy"
            return b"550 5.1.1 none" if b"<never@" in argument else None
        self.start(answer)
        self.send_raw(b"Subject: x\r\n\r\n", rcpts=["<now@dst.test>", "<later@dst.test>", "<never@dst.test>"])
        arrived = self.next_hop.wait(3)
        by = {m["rcpts"][0]: m for m in arrived}
        self.assertEqual(set(by), {b"now@dst.test", b"later@dst.test", b"a@src.test"})
        rcpts = parse_report(by[b"a@src.test"])[3]
        self.assertEqual([r["Final-Recipient"] for r in rcpts], ["rfc822; never@dst.test"])
        counts = {re.match(rb"(?i)to:<(\w+)@", a).group(1): n for a, n in tries.items()}
        self.assertEqual((counts[b"now"], counts[b"never"], counts[b"later"]), (1, 1, 3))

    def test_C061_expired_message_is_reported(self):
        self.closed = True
        self.next_hop = self.sink(lambda verb, argument, session:
                                  b"450 4.2.1 busy" if verb == "RCPT" and b"<b@" in argument else None)
        self.text = config(self.spool, send=smart_host(self.next_hop.host)).replace(
            "queue = {", 'queue = { message_expiration_timeout = "3s"; delay_notification_timeout = "1s";')
        self.restart()
        self.send_raw(b"Subject: x\r\n\r\n")
        reports = [parse_report(m) for m in self.next_hop.wait(2)]
        self.assertEqual([r[3][0]["Action"] for r in reports], ["delayed", "failed"])
        self.assertTrue(reports[0][3][0]["Will-Retry-Until"])
        self.assertRegex(reports[1][3][0]["Status"], r"^4\.4\.7$|^5\.4\.7$")

    def test_C148_relayed_report_where_the_next_hop_has_no_dsn(self):
        self.start(sink={"extensions": (b"PIPELINING", b"8BITMIME")})
        self.send_raw(b"Subject: x\r\n\r\n", rcpts=["<b@dst.test> NOTIFY=SUCCESS ORCPT=rfc822;o@dst.test"])
        arrived = self.next_hop.wait(2)
        self.assertEqual(arrived[0]["rcpt_args"], [b"TO:<b@dst.test>"])
        rcpts = parse_report(arrived[1])[3]
        self.assertEqual((rcpts[0]["Action"], rcpts[0]["Original-Recipient"]), ("relayed", "rfc822; o@dst.test"))

    def test_C147_no_relayed_report_where_the_next_hop_has_dsn(self):
        self.start()
        self.send_raw(b"Subject: x\r\n\r\n", rcpts=["<b@dst.test> NOTIFY=SUCCESS"])
        self.next_hop.wait(1)
        self.assertEqual([m["rcpts"] for m in self.marker()], [[b"b@dst.test"]])

    def test_C039_C069_many_recipients(self):
        self.start(connector="max_recipients_per_message = 300;")
        names = [f"b{i}@dst.test" for i in range(301)]
        d = self.session()
        self.assertRegex(d.say("MAIL FROM:<a@src.test>"), "^250 ")
        d.send("".join(f"RCPT TO:<{n}>\r\n" for n in names))
        replies = [d.read() for _ in names]
        self.assertEqual({r[:3] for r in replies[:300]}, {"250"})
        self.assertRegex(replies[300], r"^452 4\.5\.3 ")
        self.assertRegex(d.say("DATA"), "^354 ")
        self.assertRegex(d.say("Subject: to all\r\n\r\n."), "^250 ")
        wait_until(lambda: sum(len(m["rcpts"]) for m in self.next_hop.messages) >= 300, self.running.output)
        got = [r for m in self.next_hop.messages for r in m["rcpts"]]
        self.assertEqual(sorted(got), sorted(n.encode() for n in names[:300]))
        self.assertLessEqual(len(self.next_hop.messages), 3, "one copy, many recipients")


if __name__ == "__main__":
    main()
