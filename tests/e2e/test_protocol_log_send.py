#!/usr/bin/env python3
"""The protocol log of send connectors, and what of a session a reload changes in either log."""

import csv
import os
import ssl
import time

from harness import Case, MAILRACE, certificate, config, free_port, main, send_mail, smart_host, wait_until
from test_protocol_log import FIELDS, files

VERBOSE = 'protocol_logging_level = "Verbose";'
SECRET = b"Message-ID: <1@src.test>\r\nSubject: secret text\r\n\r\nQUIT\r\nsecret body\r\n"


class SendLog(Case):
    def setUp(self):
        super().setUp()
        self.logs = os.path.join(self.folder, "protocol")

    def text(self, hosts, *, send=VERBOSE, connector="", log="", extra=""):
        return config(self.spool, send=smart_host(*hosts, more=send), relay_hosts="", connector=connector,
                      extra=f'log = {{ protocol_path = "{self.logs}"; {log} }}; {extra}',
                      domains='{ name = "ours.test"; }')

    def start(self, *hosts, answer=None, **kwargs):
        self.next_hop = self.sink(answer)
        self.running = self.relay(self.text(hosts or (self.next_hop.host,), **kwargs))
        self.port = self.running.port()

    def rows(self, prefix="SEND"):
        found = []
        for name in files(self.logs):
            if name.startswith(prefix) and "2099" not in name:
                with open(os.path.join(self.logs, name), newline="", encoding="ascii") as f:
                    whole, _, _ = f.read().rpartition("\r\n")
                found += [row for row in csv.reader(whole.split("\r\n"))
                          if row and not row[0].startswith("#")]
        return found

    def ended(self, wanted=1, prefix="SEND"):
        """The rows once WANTED sessions have ended."""
        wait_until(lambda: sum(r[6] == "-" for r in self.rows(prefix)) >= wanted, "the end of a session")
        return self.rows(prefix)

    def send(self, data=SECRET):
        send_mail(self.port, rcpts=("b@ours.test",), data=data)

    def test_a_session(self):
        self.start(send=VERBOSE + " smtp_max_messages_per_connection = 1;")
        self.send()
        rows = self.ended()
        self.assertTrue(all(len(r) == len(FIELDS) for r in rows))
        self.assertEqual([int(r[3]) for r in rows], list(range(len(rows))))
        self.assertEqual(len({r[2] for r in rows}), 1)
        self.assertRegex(rows[0][2], r"^[0-9A-F]{16}$")
        self.assertRegex(rows[0][0], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual({r[1] for r in rows}, {"relay.test\\Out"})
        self.assertEqual({r[5] for r in rows}, {f"127.0.0.1:{self.next_hop.port}"})
        self.assertEqual(rows[0][4], "")
        self.assertRegex(rows[1][4], r"^127\.0\.0\.1:\d+$")
        self.assertEqual({r[4] for r in rows[1:]}, {rows[1][4]})
        self.assertEqual(rows[0][6:], ["*", "", "attempting to connect"])
        self.assertEqual(rows[1][6:], ["+", "", ""])
        accepted = self.running.wait_event("message_accepted")
        about = [r[8] for r in rows if r[8].startswith("sending message")]
        self.assertRegex(about[0], r"^sending message with RecordId \d+ and InternetMessageId <1@src\.test>$")
        self.assertIn("id=" + about[0].split()[4] + " ", accepted + " ")
        said = [r[6] + r[7] for r in rows]
        for wanted in (">EHLO relay.test", "<250-PIPELINING", ">RCPT TO:<b@ours.test>", ">DATA", ">QUIT"):
            self.assertEqual(said.count(wanted), 1, wanted)
        self.assertTrue(any(s.startswith(">MAIL FROM:<a@src.test>") for s in said))
        self.assertTrue(any(s.startswith("<354") for s in said))
        self.assertTrue(any(s.startswith("<221") for s in said))
        self.assertEqual(rows[-1][6:], ["-", "", "Local"])
        self.assertNotIn("secret", str(rows))
        day = time.strftime("%Y%m%d", time.gmtime())
        self.assertEqual([f for f in files(self.logs) if f.startswith("RECV")], [])
        with open(os.path.join(self.logs, files(self.logs)[0]), encoding="ascii") as f:
            head = f.read().split("\n")[:5]
        self.assertRegex(files(self.logs)[0], r"^SEND\d{8}-1\.log$")
        self.assertLessEqual(files(self.logs)[0], f"SEND{day}-1.log")
        self.assertEqual(head[2].strip(), "#Log-Type: SMTP Send Protocol Log")
        self.assertEqual(head[4].strip(), "#Fields: " + ",".join(FIELDS))

    def test_each_side_has_files_of_its_own(self):
        self.start(connector=VERBOSE, send=VERBOSE + " smtp_max_messages_per_connection = 1;")
        self.send()
        self.assertEqual({r[1] for r in self.ended()}, {"relay.test\\Out"})
        self.assertEqual({r[1] for r in self.ended(prefix="RECV")}, {"relay.test\\Default"})
        self.assertEqual({f[:4] for f in files(self.logs)}, {"RECV", "SEND"})

    def test_none_by_default(self):
        self.start(send="")
        self.send()
        self.next_hop.wait(1)
        self.running.stop()
        self.assertEqual(files(self.logs), [])

    def test_no_connection(self):
        closed = f"[127.0.0.1]:{free_port()}"
        self.start(closed)
        self.send()
        wait_until(lambda: len(self.rows()) >= 4, "two attempts")
        rows = self.rows()
        self.assertEqual([r[6] for r in rows[:4]], ["*"] * 4)
        self.assertEqual([r[3] for r in rows[:4]], ["0", "1", "0", "1"])
        self.assertNotEqual(rows[0][2], rows[2][2])
        self.assertEqual({r[4] for r in rows}, {""})
        self.assertEqual({r[5] for r in rows}, {closed.replace("[", "").replace("]", "")})
        self.assertEqual(rows[0][8], "attempting to connect")
        self.assertEqual(rows[1][8], "Failed to connect: Connection refused")

    def test_hostile_replies(self):
        def answer(verb, argument, session):
            return b'550 "no", she said\x1b[2J\xff\rforged,line' if verb == "RCPT" and b"<b@" in argument else None
        self.start(answer=answer, send=VERBOSE + " smtp_max_messages_per_connection = 1;")
        self.send()
        rows = self.ended()
        self.assertIn(r'550 "no", she said\x1b[2J\xff\x0dforged,line', [r[7] for r in rows if r[6] == "<"])
        self.assertTrue(all(len(r) == len(FIELDS) for r in rows))

    def test_tls(self):
        cert, key = certificate(self.folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.next_hop = self.sink(tls=context)
        self.running = self.relay(self.text((self.next_hop.host,),
                                            send=VERBOSE + " smtp_max_messages_per_connection = 1;"))
        self.port = self.running.port()
        self.send()
        rows = self.ended()
        said = [r[6] + r[7] for r in rows]
        self.assertEqual([s for s in said if s.startswith((">EHLO", ">STARTTLS"))],
                         [">EHLO relay.test", ">STARTTLS", ">EHLO relay.test"])
        self.assertEqual([r[7][:6] for r in rows if r[8] == "TLS negotiated"], ["TLSv1."])
        self.assertNotIn("secret", str(rows))

    def test_a_reload_counts_for_new_connections(self):
        once = " smtp_max_messages_per_connection = 1;"
        self.start(send=once)
        self.send()
        self.next_hop.wait(1)
        bindings = f"127.0.0.1:{self.port}"
        hosts = (self.next_hop.host,)
        self.running.reload(self.text(hosts, send=VERBOSE + once).replace("127.0.0.1:0", bindings))
        self.send()
        self.ended()
        self.running.reload(self.text(hosts, send=once).replace("127.0.0.1:0", bindings))
        self.send()
        self.next_hop.wait(3)
        self.assertEqual(len({r[2] for r in self.rows()}), 1)

    def test_verbose_without_a_place(self):
        self.next_hop = self.sink()
        path = os.path.join(self.folder, "relay.conf")
        text = self.text((self.next_hop.host,)).replace(f'protocol_path = "{self.logs}";', "")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        said = self.run_program([MAILRACE, "check", "-c", path], code=1)
        self.assertRegex(said, r"relay\.conf:\d+: protocol_logging_level: Verbose needs a place to write to")
        with open(path, "w", encoding="utf-8") as f:
            f.write(self.text((self.next_hop.host,)).replace('"Verbose"', '"All"'))
        said = self.run_program([MAILRACE, "check", "-c", path], code=1)
        self.assertRegex(said, r'send_connectors\[0\]\.protocol_logging_level: one of "None", "Verbose" is allowed')
        with open(path, "w", encoding="utf-8") as f:
            f.write(self.text((self.next_hop.host,), log='protocol_max_file_size = "20MB"; '
                                                         'protocol_max_directory_size = "10MB";'))
        said = self.run_program([MAILRACE, "check", "-c", path], code=1)
        self.assertIn("protocol_max_file_size is beyond protocol_max_directory_size", said)

    def test_smaller_limits_by_reload(self):
        """Ten files of another day, and room for three of them from now on."""
        os.mkdir(self.logs)
        self.start(send=VERBOSE + " smtp_max_messages_per_connection = 1;")
        for n in range(1, 11):
            with open(os.path.join(self.logs, f"SEND20990101-{n}.log"), "wb") as f:
                f.truncate(1 << 20)
        text = self.text((self.next_hop.host,), send=VERBOSE + " smtp_max_messages_per_connection = 1;",
                         log='protocol_max_file_size = "1MB"; protocol_max_directory_size = "4MB"; '
                             'protocol_max_age = "unlimited";')
        self.running.reload(text.replace("127.0.0.1:0", f"127.0.0.1:{self.port}"))
        self.send()
        self.ended()
        self.assertEqual([f for f in files(self.logs) if f.startswith("SEND2099")],
                         [f"SEND20990101-{n}.log" for n in (10, 8, 9)])

    def test_a_session_keeps_the_connector_of_its_connect(self):
        self.start(connector=VERBOSE)
        nearer = (f'receive_connectors = (\n  {{ name = "Nearer"; bindings = [ "127.0.0.1:{self.port}" ]; '
                  f'remote_ip_ranges = [ "127.0.0.1" ]; permission_groups = [ "AnonymousUsers" ]; {VERBOSE} }},')
        text = self.text((self.next_hop.host,), connector=VERBOSE).replace("receive_connectors = (", nearer)
        with self.dialogue(self.port) as old:
            old.read()
            old.say("EHLO old.test")
            self.running.reload(text.replace("127.0.0.1:0", f"127.0.0.1:{self.port}"))
            old.say("MAIL FROM:<a@src.test>")
            self.assertEqual(old.say("RCPT TO:<b@else.test>")[:3], "550")
            old.say("QUIT")
        with self.dialogue(self.port) as new:
            new.read()
            new.say("EHLO new.test")
            new.say("QUIT")
        rows = self.ended(2, prefix="RECV")
        first = {r[2] for r in rows if r[7] == "EHLO old.test"}.pop()
        self.assertEqual({r[1] for r in rows if r[2] == first}, {"relay.test\\Default"})
        self.assertEqual({r[1] for r in rows if r[2] != first}, {"relay.test\\Nearer"})
        refused = self.running.wait_event("command_refused")
        self.assertIn("connector=Default", refused)
        self.assertIn("range=0.0.0.0/0", refused)


if __name__ == "__main__":
    main()
