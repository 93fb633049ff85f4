#!/usr/bin/env python3
"""The protocol log of receive connectors: its files, its lines, and what must never stand in it."""

import csv
import os
import re
import stat
import time

from harness import Case, MAILRACE, certificate, config, main, send_mail, smart_host, wait_until
from test_auth import Users, b64, plain

FIELDS = ["date-time", "connector-id", "session-id", "sequence-number", "local-endpoint",
          "remote-endpoint", "event", "data", "context"]


def files(folder):
    return sorted(os.listdir(folder))


def lines(folder):
    """All rows of all files, the head left out."""
    rows = []
    for name in files(folder):
        with open(os.path.join(folder, name), newline="", encoding="ascii") as f:
            rows += [row for row in csv.reader(f) if not row[0].startswith("#")]
    return rows


def session_of(folder, wanted=1):
    """The rows once WANTED sessions have ended."""
    wait_until(lambda: sum(r[6] == "-" for r in lines(folder)) >= wanted, "the end of a session")
    return lines(folder)


class ProtocolLog(Case):
    def setUp(self):
        super().setUp()
        self.logs = os.path.join(self.folder, "protocol")

    def text(self, level="Verbose", path=True):
        where = f'log = {{ protocol_path = "{self.logs}"; }};' if path else ""
        return config(self.spool, send=smart_host(self.next_hop.host), relay_hosts="", extra=where,
                      domains='{ name = "ours.test"; }',
                      connector=f'protocol_logging_level = "{level}";')

    def start(self, **kwargs):
        self.next_hop = self.sink()
        self.running = self.relay(self.text(**kwargs))
        self.port = self.running.port()

    def test_a_session(self):
        self.start()
        with self.dialogue(self.port) as d:
            d.read()
            d.say("EHLO client.test")
            d.say("MAIL FROM:<a@src.test>")
            d.say("RCPT TO:<b@ours.test>")
            d.say("DATA")
            d.say("Subject: secret text\r\n\r\nsecret body\r\n.")
            d.say('NOOP "a, b"')
            d.say("RCPT \u00e9\t")
            d.say("QUIT")
        rows = session_of(self.logs)
        self.assertTrue(all(len(r) == len(FIELDS) for r in rows))
        self.assertEqual([int(r[3]) for r in rows], list(range(len(rows))))
        self.assertEqual(len({r[2] for r in rows}), 1)
        self.assertRegex(rows[0][2], r"^[0-9A-F]{16}$")
        self.assertRegex(rows[0][0], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(rows[0][1], "relay.test\\Default")
        self.assertEqual(rows[0][4], f"127.0.0.1:{self.port}")
        self.assertEqual(rows[0][6:], ["+", "", ""])
        self.assertEqual(rows[1][6:], ["*", "SMTPSubmit SMTPAcceptAnySender "
                                            "SMTPAcceptAuthoritativeDomainSender "
                                            "AcceptRoutingHeaders", "Set Session Permissions"])
        said = [r[6] + r[7] for r in rows[2:]]
        self.assertRegex(said[0], r"^>220 relay\.test ")
        self.assertEqual(said[1], "<EHLO client.test")
        self.assertRegex(said[2], r"^>250-relay\.test Hello ")
        for wanted in ("<MAIL FROM:<a@src.test>", ">250 2.1.0 Sender OK", "<RCPT TO:<b@ours.test>",
                       "<DATA", '<NOOP "a, b"', "<RCPT \\xc3\\xa9\\x09", "<QUIT"):
            self.assertIn(wanted, said)
        self.assertEqual(rows[-1][6:], ["-", "", "Local"])
        self.assertNotIn("secret", str(rows))

    def test_head_and_names(self):
        self.start()
        for _ in range(2):
            self.dialogue(self.port).close()
        session_of(self.logs, 2)
        day = time.strftime("%Y%m%d", time.gmtime())
        self.assertEqual(files(self.logs), [f"RECV{day}-1.log"])
        with open(os.path.join(self.logs, files(self.logs)[0]), encoding="ascii") as f:
            head = [f.readline().rstrip("\r\n") for _ in range(5)]
        self.assertEqual([h.split(":")[0] for h in head],
                         ["#Software", "#Version", "#Log-Type", "#Date", "#Fields"])
        self.assertEqual(head[2], "#Log-Type: SMTP Receive Protocol Log")
        self.assertEqual(head[4], "#Fields: " + ",".join(FIELDS))
        self.assertEqual(stat.S_IMODE(os.stat(self.logs).st_mode) & 0o027, 0)

    def test_a_client_that_goes_away(self):
        self.start()
        self.dialogue(self.port).close()
        self.assertEqual(session_of(self.logs)[-1][6:], ["-", "", "Remote"])

    def test_a_restart_begins_a_file_and_old_ones_go(self):
        os.mkdir(self.logs)
        old, foreign = "RECV20200101-1.log", "RECV20200101-1.log.gz"
        for name in (old, foreign):
            path = os.path.join(self.logs, name)
            with open(path, "w", encoding="ascii"):
                pass
            os.utime(path, (time.time() - 31 * 86400,) * 2)
        self.start()
        self.dialogue(self.port).close()
        wait_until(lambda: any(r[6] == "-" for r in self.today()), "a session")
        self.running.stop()
        again = self.relay(self.text())
        self.dialogue(again.port()).close()
        wait_until(lambda: sum(r[6] == "-" for r in self.today()) == 2, "another session")
        self.assertNotIn(old, files(self.logs))
        self.assertIn(foreign, files(self.logs))
        self.assertEqual(len(files(self.logs)), 3)

    def today(self):
        rows = []
        for name in files(self.logs):
            if not name.startswith("RECV2020"):
                with open(os.path.join(self.logs, name), newline="", encoding="ascii") as f:
                    rows += [r for r in csv.reader(f) if not r[0].startswith("#")]
        return rows

    def test_room_is_made(self):
        os.mkdir(self.logs)
        for n in range(1, 31):
            with open(os.path.join(self.logs, f"RECV20990101-{n}.log"), "wb") as f:
                f.truncate(10 << 20)
        self.start()
        self.dialogue(self.port).close()
        wait_until(lambda: len(files(self.logs)) < 30, "room for another file")
        left = [f for f in files(self.logs) if f.startswith("RECV2099")]
        self.assertEqual(len(left), 24)
        self.assertNotIn("RECV20990101-1.log", left)
        self.assertIn("RECV20990101-30.log", left)

    def test_nothing_can_be_written(self):
        """Mail goes on as ever, and it is said once."""
        self.start()
        os.rmdir(self.logs)
        for n in range(1, 6):
            send_mail(self.port, rcpts=("b@ours.test",))
            self.next_hop.wait(n)
        self.assertIn("log=RECV", self.running.wait_event("csv_log_failed"))
        self.assertEqual(self.running.stop(), 0)
        self.assertEqual(len(self.running.events("csv_log_failed")), 1)
        lost = [re.search(r"lines=(\d+)", line) for line in self.running.events("csv_log_dropped")]
        self.assertEqual(len(lost), 1)
        self.assertGreater(int(lost[0].group(1)), 50)

    def test_none_by_default(self):
        self.start(level="None")
        self.dialogue(self.port).close()
        with self.dialogue(self.port) as d:
            d.read()
            d.say("QUIT")
        self.running.stop()
        self.assertEqual(files(self.logs), [])

    def test_verbose_without_a_place(self):
        self.next_hop = self.sink()
        path = os.path.join(self.folder, "relay.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write(self.text(path=False))
        said = self.run_program([MAILRACE, "check", "-c", path], code=1)
        self.assertIn("protocol_logging_level: Verbose needs a place to write to", said)

    def test_tarpit(self):
        self.next_hop = self.sink()
        text = self.text().replace('tarpit_interval = "0s";', 'tarpit_interval = "1s";')
        self.running = self.relay(text)
        with self.dialogue(self.running.port()) as d:
            d.read()
            d.say("EHLO client.test")
            d.say("MAIL FROM:<a@src.test>")
            self.assertEqual(d.say("RCPT TO:<b@else.test>")[:3], "550")
        said = [r[6] + r[7] for r in session_of(self.logs)]
        at = said.index("*Tarpit for '0.00:00:01'")
        self.assertEqual(said[at - 1], "<RCPT TO:<b@else.test>")
        self.assertEqual(said[at + 1], ">550 5.7.1 Unable to relay")


    def test_passwords_never_show(self):
        self.next_hop = self.sink()
        users = Users(self.folder)
        users.add("alice", "open sesame 1")
        cert, key = certificate(self.folder)
        text = self.text().replace(
            "log = {", f'users = {{ file = "{users.path}"; }}; '
                       f'tls = {{ certificate = "{cert}"; key = "{key}"; }};\nlog = {{')
        text = text.replace("protocol_logging_level", 'auth_tarpit_interval = "0s"; '
                            'auth_mechanism = [ "Tls", "BasicAuth" ]; protocol_logging_level')
        self.running = self.relay(text)
        wrong = b64("wrong sesame 2")
        with self.dialogue(self.running.port()) as d:
            d.read()
            d.say("EHLO client.test")
            d.say("AUTH LOGIN " + b64("alice"))
            self.assertEqual(d.say(wrong)[:3], "535")
            d.say(wrong)  # where a command belongs
            d.say("AUTH " + b64("wrong sesame 2"))
            self.assertEqual(d.say("AUTH PLAIN " + plain("alice", "open sesame 1"))[:3], "235")
            d.say("MAIL FROM:<a@src.test>")
            d.say("QUIT")
        rows = session_of(self.logs)
        said = [r[6] + r[7] for r in rows]
        for hidden in (wrong, b64("alice"), plain("alice", "open sesame 1"), "sesame"):
            self.assertNotIn(hidden, str(rows))
        for shown in ("<AUTH LOGIN", "<(hidden)", ">535 5.7.3 Authentication unsuccessful",
                      "<AUTH PLAIN", ">235 2.7.0 Authentication successful",
                      "<MAIL FROM:<a@src.test>"):
            self.assertIn(shown, said)
        rights = [r[7] for r in rows if r[8] == "Set Session Permissions"]
        self.assertEqual(len(rights), 2)
        self.assertTrue(rights[0].startswith("SMTPSubmit"))
        self.assertEqual(rights[1], "")  # what Anonymous had is lost


if __name__ == "__main__":
    main()
