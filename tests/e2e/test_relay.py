#!/usr/bin/env python3
"""The life of the relay: refusals, reload, drain, and crashes with a full queue and under load."""

import contextlib
import os
import random
import signal
import smtplib
import socket
import threading

from harness import (OURS, Dialogue, RelayCase, config, free_port, main, send_mail, untraced, wait_until)


class Refusals(RelayCase):
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

    def test_refusals_are_logged_at_every_level(self):
        port = free_port()
        running = self.relay(config(self.spool, bindings=f'"127.0.0.1:{port}"', ranges='"127.0.0.0/29"',
                                    relay_hosts="", domains=OURS, extra='log = { level = "error"; };',
                                    connector='connection_inactivity_timeout = "3s"; '
                                              'max_inbound_connection = 1;'), start=False)

        def connect():
            with contextlib.suppress(OSError):
                return Dialogue(port)
        d = wait_until(connect, running.output)
        self.addCleanup(d.close)
        self.assertRegex(d.read(), "^220 ")
        more = self.dialogue(port)
        self.assertRegex(more.read(), r"^421 4\.3\.2 ")
        self.assertRegex(self.dialogue(port, source="127.0.0.77").read(), r"^421 4\.3\.2 ")
        d.say("EHLO client.test")
        d.say("MAIL FROM:<a@src.test>")
        self.assertEqual(d.say("RCPT TO:<b@ext.test>"), "550 5.7.1 Unable to relay")
        self.assertEqual(d.read(), "451 4.7.0 Timeout waiting for client input")
        running.wait_event("connection_refused", r"session=\w{16} .*connector=Default range=127\.0\.0\.0/29 "
                                                 r"reply=.*limit=max_inbound_connection value=1$")
        running.wait_event("connection_refused", r"127\.0\.0\.77.* reply=.*no receive connector")
        running.wait_event("command_refused", "argument=b@ext.test")
        running.wait_event("command_refused", r'range=127\.0\.0\.0/29 verb=timeout argument="awaiting RCPT" '
                                              r'reply="451 4\.7\.0 ')
        self.assertEqual([l for l in running.lines if " error " not in l and "_refused" not in l and
                          " warning: " not in l], [])

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


class Life(RelayCase):
    def policies(self):
        """Scheduling policies of all threads of the relay that are its own."""
        tasks = f"/proc/{self.running.process.pid}/task"
        found = set()
        for task in os.listdir(tasks):
            with open(f"{tasks}/{task}/stat", encoding="ascii") as stat:
                found.add(int(stat.read().rsplit(")", 1)[1].split()[38]))
        return found

    def test_batch_scheduling(self):
        self.start()
        self.session()
        self.assertEqual(self.policies(), {os.SCHED_BATCH})
        self.running.stop()
        self.start(extra="runtime = { batch_scheduling = false; };")
        self.session()
        self.assertEqual(self.policies(), {os.SCHED_OTHER})

    def test_reload_keeps_the_open_session(self):
        self.start()
        d = self.session()
        self.assertRegex(d.say("MAIL FROM:<a@src.test>"), "^250 ")
        stricter = self.fixed.replace("ms-Exch-SMTP-Accept-Any-Recipient", "ms-Exch-Bypass-Anti-Spam")
        self.assertNotEqual(stricter, self.fixed)
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
        self.assertIn("reload_refused", self.running.reload(self.fixed + "\nrubbish = 1;\n"))
        self.assertIn("rubbish", "".join(self.running.events("config_fault")))
        self.assertRegex(d.say("NOOP"), "^250 ")
        send_mail(self.port, rcpts=["b@ext.test"])
        self.next_hop.wait(1)

    def test_reload_moves_the_queue_to_another_next_hop(self):
        self.start(answer=lambda verb, *_: b"421 4.3.2 not now" if verb == "CONNECT" else None)
        send_mail(self.port, rcpts=["b@ext.test"])
        self.running.wait_event("destination_waiting")
        second = self.sink()
        self.assertIn(" reloaded ", self.running.reload(
            self.fixed.replace(self.next_hop.host, second.host)))
        self.assertEqual(second.wait(1)[0]["rcpts"], [b"b@ext.test"])

    def test_reload_opens_and_closes_ports(self):
        self.start()
        held, first = self.session(), self.port
        # No client of another test uses 127.0.8.2: its TIME_WAIT would hold a port there.
        both = self.fixed.replace(f'"127.0.0.1:{first}"', f'"127.0.0.1:{first}", "127.0.8.2:{first}"')
        self.assertIn(" reloaded ", self.running.reload(both))
        self.session(host="127.0.8.2")
        self.session()
        self.assertIn(" reloaded ", self.running.reload(
            self.fixed.replace(f"127.0.0.1:{first}", f"127.0.8.2:{first}")))
        wait_until(lambda: not self.answers("127.0.0.1"), "the old port to be closed")
        self.session(host="127.0.8.2")
        self.assertRegex(held.say("NOOP"), "^250 ", "who is connected stays connected")

    def answers(self, host):
        try:
            with Dialogue(self.port, host=host) as d:
                return d.read()
        except OSError:
            return ""

    def test_reload_that_cannot_have_a_port_changes_nothing(self):
        self.start()
        with socket.create_server(("127.0.0.3", 0)) as held:
            taken = "127.0.0.3:%d" % held.getsockname()[1]
            text = self.fixed.replace(f'"127.0.0.1:{self.port}"', f'"127.0.8.2:{self.port}", "{taken}"')
            self.assertIn(taken, self.running.reload(text))
        self.session()
        wait_until(lambda: not self.answers("127.0.8.2"), "what was opened in vain to be closed")

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


class Crash(RelayCase):
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


if __name__ == "__main__":
    main()
