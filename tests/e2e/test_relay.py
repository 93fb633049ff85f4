#!/usr/bin/env python3
"""The relay between raw clients and scripted servers: refusals, reload, drain, crash, retries, reports."""

import email
import random
import re
import signal
import smtplib
import threading

from harness import (Case, Dialogue, Sink, config, main, send_mail, smart_host, untraced, wait_until)

OURS = '{ name = "ours.test"; default = true; }'


class Base(Case):
    def start(self, answer=None, sink=None, **kwargs):
        """A next hop and a relay in front of it."""
        self.next_hop = self.sink(answer, **(sink or {}))
        self.text = config(self.spool, send=smart_host(self.next_hop.host), domains=OURS, **kwargs)
        self.running = self.relay(self.text)
        self.port = self.running.port()

    def restart(self):
        self.running = self.relay(self.text)
        self.port = self.running.port()

    def session(self, **kwargs):
        d = self.dialogue(self.port, **kwargs)
        self.assertRegex(d.read(), "^220 relay.test ")
        d.ehlo = d.say("EHLO client.test")
        self.assertRegex(d.ehlo, "^250-relay.test ")
        return d

    def send_raw(self, data, sender="<a@src.test>", rcpts=("<b@dst.test>",), d=None):
        """The reply to the end of DATA; DATA: as it goes over the wire, without the final dot."""
        d = d or self.session()
        self.assertRegex(d.say(f"MAIL FROM:{sender}"), "^250 ")
        for rcpt in rcpts:
            self.assertRegex(d.say(f"RCPT TO:{rcpt}"), "^250 ")
        self.assertRegex(d.say("DATA"), "^354 ")
        d.send(data + b".\r\n")
        return d.read()

    def marker(self):
        """A message that arrives after everything else: what has not come by then does not come."""
        self.assertRegex(self.send_raw(b"Subject: marker\r\n\r\n", rcpts=["<marker@dst.test>"]), "^250 ")
        wait_until(lambda: any(m["rcpts"] == [b"marker@dst.test"] for m in self.next_hop.messages),
                   self.running.output)
        return [m for m in self.next_hop.messages if m["rcpts"] != [b"marker@dst.test"]]


def parse_report(message):
    """(text, fields of the message, [fields of each recipient], what is returned)"""
    report = email.message_from_bytes(message["data"])
    assert report.get_content_type() == "multipart/report", message["data"]
    assert report.get_param("report-type") == "delivery-status"
    text, status, original = report.get_payload()
    assert status.get_content_type() == "message/delivery-status"
    blocks = status.get_payload()
    return report, text, blocks[0], blocks[1:], original


class Refusals(Base):
    def test_refusal_is_logged_with_connector_range_and_missing_right(self):
        self.start(relay_hosts='"127.0.0.9"', ranges='"127.0.0.0/24", "::/0"')
        d = self.session()
        self.assertRegex(d.say("MAIL FROM:<a@src.test>"), "^250 ")
        self.assertEqual(d.say("RCPT TO:<b@ext.test>"), "550 5.7.1 Unable to relay")
        line = self.running.wait_event("command_refused", "b@ext.test")
        for word in ("connector=Default", "127.0.0.0/24", "Accept-Any-Recipient", "127.0.0.1", "RCPT",
                     "550 5.7.1"):
            self.assertIn(word, line)
        self.assertRegex(d.say("RCPT TO:<b@ours.test>"), "^250 ")

    def test_no_matching_connector(self):
        self.start(relay_hosts="", ranges='"127.0.0.7"')
        d = self.dialogue(self.port)
        self.assertRegex(d.read(), r"^421 4\.3\.2 ")
        self.assertTrue(d.closed())
        self.assertIn("127.0.0.1", self.running.wait_event("connection_refused", "no receive connector"))
        self.session(source="127.0.0.7")

    def test_peers_bytes_cannot_forge_a_log_line(self):
        self.start(relay_hosts="")
        d = self.session()
        d.say("MAIL FROM:<a@src.test>")
        d.say('RCPT TO:<"x\x1b[2J\ty"@ext.test> evil=1')
        d.say("RCPT TO:<b@ext.test>")
        self.running.wait_event("command_refused", "b@ext.test")
        self.assertNotIn("\x1b", self.running.output())

    def test_C053_O63_pipelined_foreign_recipient_is_left_out(self):
        self.start(relay_hosts="")
        d = self.session()
        d.send("MAIL FROM:<a@src.test>\r\nRCPT TO:<good@ours.test>\r\nRCPT TO:<b@ext.test>\r\nDATA\r\n")
        self.assertEqual([d.read()[:3] for _ in range(4)], ["250", "250", "550", "354"])
        self.assertRegex(d.say("Subject: x\r\n\r\n."), "^250 ")
        self.assertEqual(self.next_hop.wait(1)[0]["rcpts"], [b"good@ours.test"])


class Life(Base):
    def test_reload_keeps_the_open_session(self):
        self.start()
        d = self.session()
        self.assertRegex(d.say("MAIL FROM:<a@src.test>"), "^250 ")
        stricter = self.text.replace("ms-Exch-SMTP-Accept-Any-Recipient", "ms-Exch-Bypass-Anti-Spam")
        self.assertNotEqual(stricter, self.text)
        self.assertIn(" reloaded ", self.running.reload(stricter))
        # A session keeps what it was given; who comes now is under the new rules.
        self.assertRegex(d.say("RCPT TO:<b@ext.test>"), "^250 ")
        self.assertRegex(d.say("DATA"), "^354 ")
        self.assertRegex(d.say("Subject: x\r\n\r\n."), "^250 ")
        new = self.session()
        self.assertRegex(new.say("MAIL FROM:<a@src.test>"), "^250 ")
        self.assertEqual(new.say("RCPT TO:<b@ext.test>"), "550 5.7.1 Unable to relay")
        self.next_hop.wait(1)

    def test_reload_of_a_faulty_file_changes_nothing(self):
        self.start()
        d = self.session()
        self.assertIn("reload_refused", self.running.reload(self.text + "\nrubbish = 1;\n"))
        self.assertIn("rubbish", "".join(self.running.events("config_fault")))
        self.assertRegex(d.say("NOOP"), "^250 ")
        send_mail(self.port, rcpts=["b@ext.test"])
        self.next_hop.wait(1)

    def test_reload_moves_the_queue_to_another_next_hop(self):
        self.start(answer=lambda verb, *_: b"421 4.3.2 not now" if verb == "CONNECT" else None)
        send_mail(self.port, rcpts=["b@ext.test"])
        self.running.wait_event("destination_waiting")
        second = self.sink()
        self.running.reload(config(self.spool, send=smart_host(second.host), domains=OURS))
        self.assertEqual(second.wait(1)[0]["rcpts"], [b"b@ext.test"])

    def test_reload_opens_and_closes_ports(self):
        self.start()
        held = self.session()
        text = self.text.replace('bindings = [ "127.0.0.1:0" ]',
                                 f'bindings = [ "127.0.0.1:{self.port}", "127.0.0.2:0" ]')
        self.running.reload(text)
        self.port = wait_until(lambda: len(self.running.ports()) > 1 and self.running.ports()[-1],
                               self.running.output)
        self.session(host="127.0.0.2")
        self.assertRegex(held.say("NOOP"), "^250 ")

    def test_C029_drain(self):
        self.start()
        idle, talking = self.session(), self.session()
        self.assertRegex(talking.say("MAIL FROM:<a@src.test>"), "^250 ")
        self.running.signal(signal.SIGTERM)
        self.assertRegex(idle.read(), r"^421 4\.3\.2 ")
        self.assertTrue(idle.closed())
        self.assertRegex(talking.read(), r"^421 4\.3\.2 ")
        self.assertEqual(self.running.wait(), 0)
        with self.assertRaises(OSError):
            Dialogue(self.port)

    def test_drain_keeps_what_cannot_be_delivered(self):
        self.start(answer=lambda verb, *_: b"451 4.3.0 later" if verb == "MAIL" and self.closed else None)
        self.closed = True
        for i in range(10):
            send_mail(self.port, rcpts=[f"b{i}@dst.test"])
        self.running.wait_event("message_deferred")
        self.running.signal(signal.SIGTERM)
        self.assertEqual(self.running.wait(), 0)
        self.assertEqual(self.next_hop.messages, [])
        self.closed = False
        self.restart()
        self.assertEqual({m["rcpts"][0] for m in self.next_hop.wait(10)},
                         {b"b%d@dst.test" % i for i in range(10)})

    def test_drain_ends_with_a_next_hop_that_says_nothing(self):
        """A delivery that hangs does not hold up the end for ever, and the message is not lost."""
        go = threading.Event()
        self.addCleanup(go.set)
        self.start(answer=lambda verb, *_: go.wait(60) and None if verb == "DOT" else None)
        send_mail(self.port)
        wait_until(lambda: b"DATA\r\n" in self.next_hop.commands, self.running.output)
        self.running.signal(signal.SIGTERM)
        wait_until(lambda: self.running.events("stopping"), self.running.output)
        go.set()
        self.assertEqual(self.running.wait(), 0)
        self.assertEqual(len(self.next_hop.messages), 1)
        self.restart()
        self.assertEqual(self.marker(), self.next_hop.messages[:1], "delivered once, not again")


class Crash(Base):
    def test_kill_with_a_full_queue(self):
        """Nothing acknowledged is lost, nothing that was not sent comes, and each comes once: nothing
        was under way when it ended."""
        self.closed = True
        self.start(answer=lambda verb, *_: b"451 4.3.0 later" if verb == "MAIL" and self.closed else None)
        sent = {}
        with smtplib.SMTP("127.0.0.1", self.port, timeout=60) as smtp:
            for i in range(100):
                body = b"Subject: %d\r\n\r\n" % i + random.Random(i).randbytes(200).hex().encode() + b"\r\n"
                smtp.sendmail("a@src.test", [f"b{i}@dst.test", f"c{i}@dst.test"], body)
                sent[body] = {b"b%d@dst.test" % i, b"c%d@dst.test" % i}
        self.running.wait_event("message_deferred")
        self.running.kill()
        self.closed = False
        self.restart()
        got = self.next_hop.wait(100)
        self.assertEqual({untraced(m["data"])[1]: set(m["rcpts"]) for m in got}, sent)
        self.assertEqual(len(self.marker()), 100)

    def test_kill_under_load(self):
        """kill -9 again and again while clients send: acknowledged is a part of delivered, delivered a
        part of sent."""
        seed = random.randrange(1 << 32)
        print(f"seed {seed}", flush=True)
        rng = random.Random(seed)
        self.start()
        acknowledged, tried, lock = set(), set(), threading.Lock()
        over = threading.Event()
        self.addCleanup(over.set)

        def client(number):
            n = 0
            rng = random.Random(seed + number)
            while not over.is_set():
                try:
                    with smtplib.SMTP("127.0.0.1", self.port, timeout=30) as smtp:
                        while not over.is_set():
                            name = f"m{number}-{n}"
                            n += 1
                            body = f"Subject: {name}\r\n\r\n".encode() + \
                                b"x" * rng.choice((10, 1000, 20000, 200000)) + b"\r\n"
                            with lock:
                                tried.add((name, len(body)))
                            smtp.sendmail("a@src.test", [f"{name}@dst.test"], body)
                            with lock:
                                acknowledged.add(name)
                except (OSError, smtplib.SMTPException):
                    over.wait(0.01)

        threads = [threading.Thread(target=client, args=(i,), daemon=True) for i in range(4)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            goal = len(acknowledged) + rng.randrange(5, 60)
            wait_until(lambda g=goal: len(acknowledged) >= g, self.running.output)
            self.running.kill()
            self.restart()
        goal = len(acknowledged) + 10
        wait_until(lambda: len(acknowledged) >= goal, self.running.output)
        over.set()
        for thread in threads:
            thread.join(60)

        def delivered():
            return {m["rcpts"][0].decode().partition("@")[0] for m in list(self.next_hop.messages)}
        wait_until(lambda: acknowledged <= delivered(),
                   lambda: f"{len(acknowledged - delivered())} acknowledged messages")
        sizes = dict(tried)
        for m in list(self.next_hop.messages):
            name = m["rcpts"][0].decode().partition("@")[0]
            body = untraced(m["data"])[1]
            self.assertTrue(body.startswith(f"Subject: {name}\r\n".encode()))
            self.assertEqual(len(body), sizes[name])

    def test_a_client_that_dies_in_data_leaves_nothing(self):
        """C-047, also for a message beyond what is kept in memory; and over a crash of ours."""
        self.start()
        for size in (10, 1 << 20):
            d = self.session()
            d.say("MAIL FROM:<a@src.test>")
            d.say("RCPT TO:<never@dst.test>")
            d.say("DATA")
            d.send(b"Subject: never\r\n\r\n" + b"x" * 70 * (size // 70) + b"\r\n")
            d.close()
        self.assertEqual(self.marker(), [])
        self.running.kill()
        self.restart()
        self.assertEqual([m["rcpts"] for m in self.next_hop.messages], [[b"marker@dst.test"]])


class Outcomes(Base):
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
                   b"550-5.1.1 no such user here,\r\n550 5.1.1 none" if b"<b@" in argument else None)
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
        self.start(lambda verb, argument, session: b"550 5.1.1 none" if b"<b@" in argument else None)
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
                                  b"450 4.2.1 busy" if b"<b@" in argument else None)
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


class Text(Base):
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
        text = config(self.spool, bindings=f'"127.0.0.1:{self.port}"', send=send)
        self.assertIn(" reloaded ", self.running.reload(text))
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


SEQUENCES = {
    "S01": b"\n.\n", "S02": b"\n.\r\n", "S03": b"\r\n.\n", "S04": b"\r.\r", "S05": b"\r.\n", "S06": b"\n.\r",
    "S07": b"\r.\r\n", "S08": b"\r\n.\r", "S09": b"\r\n\0.\r\n", "S10": b"\r\n.\0\r\n", "S11": b"\r\n.\r\r\n",
    "S12": b"\r\r\n.\r\r\n", "S13": b"\r\n .\r\n", "S14": b"\r\n. \r\n", "S15": b"\r\n.\t\r\n",
    "S16a": b"\r\n\x0b.\r\n", "S16b": b"\r\n\x0c.\r\n", "S16c": b"\r\n\x1a.\r\n", "S16d": b"\r\n\x85.\x85\r\n",
    "S16e": b"\r\n\xe2\x80\xa8.\xe2\x80\xa8\r\n", "S17": b"\xff\xf4\r\n\xff.\r\n",
}
CLEAN = {"S13", "S14", "S15", "S16a", "S16b", "S16c", "S16d", "S16e", "S17"}  # odd, but whole lines
SMUGGLED = b"MAIL FROM:<admin@victim.test>\r\nRCPT TO:<t@ours.test>\r\nDATA\r\nSubject: b\r\n\r\ny\r\n"


class Smuggling(Base):
    def one_of_each(self, connector=""):
        self.start(connector=connector)
        for name, sequence in SEQUENCES.items():
            for split in (False, True):
                with self.subTest(name, split=split):
                    yield name, sequence, split

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
        for name, sequence, split in self.one_of_each():
            reply = self.run_sequence(sequence, split)
            self.assertRegex(reply, "^250 " if name in CLEAN else r"^550 5\.5\.2 ")
        self.nothing_smuggled()

    def test_S01_to_S17_normalised_nothing_is_smuggled(self):
        for name, sequence, split in self.one_of_each("bare_linefeed_rejection_enabled = false;"):
            reply = self.run_sequence(sequence, split)
            if b"\0" in sequence:
                self.assertRegex(reply, r"^550 5\.5\.2 ")
            else:
                self.assertRegex(reply, "^250 ")
        self.nothing_smuggled()

    def test_S19_S20_dots_on_the_first_line(self):
        self.start()
        self.assertRegex(self.send_raw(b""), "^250 ")
        self.assertRegex(self.send_raw(b"..\r\n"), "^250 ")
        self.next_hop.wait(2)
        self.assertEqual([untraced(m["data"])[1] for m in self.marker()], [b"", b".\r\n"])
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

    def test_S06_bdat_is_held_to_the_same_rules(self):
        self.start()
        for chunks in ((b"Subject: a\r\n\r\nx\n.\r\n",), (b"Subject: a\r\n\r\nx\r", b".\r\n"),
                       (b"x\r\n", b".\n"), (b"a", b"\n", b".", b"\r\n")):
            d = self.session()
            self.assertRegex(d.say("MAIL FROM:<a@src.test>"), "^250 ")
            self.assertRegex(d.say("RCPT TO:<b@dst.test>"), "^250 ")
            for i, chunk in enumerate(chunks):
                d.send(b"BDAT %d%s\r\n" % (len(chunk), b" LAST" if i == len(chunks) - 1 else b"") + chunk)
            replies = [d.read() for _ in chunks]
            self.assertRegex(replies[-1], "^550 5.5.2 |^503 |^250 " if len(chunks) > 1 else r"^550 5\.5\.2 ")
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
