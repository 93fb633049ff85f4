#!/usr/bin/env python3
"""What the reference says of a key is what a reload does: it is in force at once, or the value that runs
stays in force and a warning names the key."""

import os
import ssl
import unittest

from harness import (MAILRACE, OURS, ROOT, Case, RelayCase, certificate, config, main, send_mail, smart_host,
                     wait_until)

FREE_MAX = "1048576GB"  # the most that min_free takes: no disk here has it
SAMPLE = os.path.join(ROOT, "tests", "data", "config-0.1.0", "mailrace.conf")


class ReloadKeys(RelayCase):
    def start_with(self, text):
        self.text = text
        self.restart()
        self.fixed = text.replace("127.0.0.1:0", f"127.0.0.1:{self.port}")

    def load(self, *changes):
        """Reloads what was started with each (old text, new text) changed; the events since then."""
        text = self.fixed
        for old, new in changes:
            self.assertIn(old, text)
            text = text.replace(old, new)
        seen = len(self.running.lines)
        self.assertIn(" reloaded ", self.running.reload(text))
        return self.running.lines[seen:]

    def warned(self, lines):
        """The keys that a restart is needed for."""
        return [word.partition("=")[2].strip('"') for line in lines if " reload_needs_restart " in line
                for word in line.split() if word.startswith("key=")]

    def test_hostname_stays(self):
        self.start()
        lines = self.load(("relay.test", "other.test"))
        self.assertEqual(self.warned(lines), ["hostname"])
        d = self.session()  # its greeting and its EHLO say relay.test
        self.assertRegex(self.send_raw(b"Subject: x\r\n\r\n", d=d), "^250 ")
        self.assertRegex(self.next_hop.wait(1)[0]["data"], rb"\AReceived: from [^;]*\sby relay\.test ")

    def test_hostname_that_did_not_change(self):
        self.start()
        self.assertEqual(self.warned(self.load()), [])

    def test_each_changed_key_is_named_and_no_other(self):
        self.start(extra='runtime = { workers = 2; mx_threads = 1; }; dns = { servers = [ "127.0.0.1" ]; };')
        lines = self.load(("workers = 2", "workers = 3"), ('servers = [ "127.0.0.1" ]', "servers = [ ]"))
        self.assertEqual(sorted(self.warned(lines)), ["dns.servers", "runtime.workers"])
        # It is compared with what runs, not with what was loaded last.
        self.assertEqual(sorted(self.warned(self.load(("workers = 2", "workers = 3")))), ["runtime.workers"])
        self.assertEqual(self.warned(self.load()), [])

    def test_a_place_for_protocol_logs_together_with_what_needs_it(self):
        """The file is sound: it is loaded, and what is logged waits for the restart with its place."""
        self.start()
        lines = self.load(("accepted_domains", f'log = {{ protocol_path = "{self.folder}/log"; }};\naccepted_domains'),
                          ('name = "Relay";', 'name = "Relay"; protocol_logging_level = "Verbose";'))
        self.assertEqual(self.warned(lines), ["log.protocol_path"])
        self.assertRegex(self.send_raw(b"Subject: x\r\n\r\n"), "^250 ")
        self.next_hop.wait(1)

    def test_minimum_of_free_space(self):
        self.start()
        self.assertEqual(self.warned(self.load(('min_free = "1MB"', f'min_free = "{FREE_MAX}"'))), [])
        wait_until(lambda: self.session().say("MAIL FROM:<a@src.test>")[:3] == "452", "452")
        self.load()
        wait_until(lambda: self.session().say("MAIL FROM:<a@src.test>")[:3] == "250", "250 again")

    def test_retry_interval(self):
        """A message that waits for an hour is tried every second from then on."""
        tries = []

        def answer(verb, _argument, _session):
            if verb != "RCPT":
                return None
            tries.append(verb)
            return b"450 4.2.1 later"
        self.start_with(config(self.spool, domains=OURS, send=smart_host(self.sink(answer).host)).replace(
            'message_retry_interval = "1s"', 'message_retry_interval = "1h"'))
        self.assertRegex(self.send_raw(b"Subject: x\r\n\r\n"), "^250 ")
        wait_until(lambda: tries, "the first attempt")
        self.assertEqual(self.warned(self.load(('"1h"', '"1s"'))), [])
        wait_until(lambda: len(tries) >= 4, lambda: f"more attempts than {len(tries)}")

    def test_minimum_of_tls_counts_for_deliveries(self):
        """The next hop knows TLS 1.2 alone: what waits goes out once that is allowed."""
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*certificate(self.folder))
        tls.maximum_version = ssl.TLSVersion.TLSv1_2
        self.next_hop = self.sink(tls=tls)
        self.start_with(config(self.spool, domains=OURS, extra='tls = { minimum = "1.3"; };',
                               send=smart_host(self.next_hop.host, more="require_tls = true;")))
        self.assertRegex(self.send_raw(b"Subject: x\r\n\r\n"), "^250 ")
        wait_until(lambda: b"STARTTLS\r\n" in self.next_hop.commands, self.running.output)
        self.assertEqual(self.next_hop.messages, [])
        self.assertEqual(self.warned(self.load(('"1.3"', '"1.2"'))), [])
        self.assertTrue(self.next_hop.wait(1)[0]["tls"])

    def test_live_keys_say_nothing(self):
        self.start(extra='log = { level = "info"; }; dns = { mx_port = 25; };')
        lines = self.load(('level = "info"', 'level = "debug"'), ("mx_port = 25", "mx_port = 2525"),
                          ('glitch_retry_interval = "1s"', 'glitch_retry_interval = "2s"'),
                          ("max_inbound_connection_percentage_per_source = 100",
                           "max_inbound_connection_percentage_per_source = 99"))
        self.assertEqual(self.warned(lines), [])

    def test_postmaster_of_reports(self):
        """The default accepted domain gives reports their sender's address."""
        self.start(lambda verb, argument, _session:
                   b"550 5.1.1 no" if verb == "RCPT" and b"b@dst.test" in argument else None)
        self.load((OURS, '{ name = "theirs.test"; default = true; }'))
        self.assertRegex(self.send_raw(b"Subject: x\r\n\r\n"), "^250 ")
        report = wait_until(lambda: next((m for m in list(self.next_hop.messages)
                                          if m["rcpts"] == [b"a@src.test"]), None), self.running.output)
        self.assertRegex(report["data"], rb"(?im)^From: [^\r]*postmaster@theirs\.test")


class RemovedKeys(Case):
    def test_the_relay_starts_with_a_warning(self):
        text = config(self.spool).replace("spool = { ", "spool = { writers = 4; ")
        relay = self.relay(text)  # waits until it has started
        path = relay.file
        said = self.run_program([MAILRACE, "check", "-c", path])
        self.assertRegex(said, r"relay\.conf:\d+: warning: spool\.writers: .*one writer")
        self.assertIn(" reloaded ", relay.reload(text.replace("127.0.0.1:0", f"127.0.0.1:{relay.port()}")))
        relay.wait_event("config_warning", r"spool\.writers")

    def test_sample_configuration_of_0_1_0(self):
        with open(SAMPLE, encoding="utf-8") as sample:
            path = os.path.join(self.folder, "mailrace.conf")
            with open(path, "w", encoding="utf-8") as out:
                out.write(sample.read())
        os.chmod(path, 0o644)
        said = self.run_program([MAILRACE, "check", "-c", path])
        self.assertIn(": sound: 3 receive connectors", said)
        self.assertNotIn("warning", said)
        for client, connector in (("192.168.1.115", "Application servers"), ("192.168.5.77", "From gateway"),
                                  ("203.0.113.9", "Default")):
            said = self.run_program([MAILRACE, "explain", "-c", path, "--from", client, "--sender", "a@x.test",
                                     "--rcpt", "b@example.com"])
            self.assertIn(f'"{connector}"', said)
            self.assertIn("To our mail servers", said)


class SizeOfWhatGoesOut(RelayCase):
    def test_a_send_connector_does_not_bound_what_was_taken(self):
        """Taken by a receive connector of 36 MB, a message of 37,000,137 octets is delivered."""
        self.start()
        head = b"Subject: large\r\n\r\n"
        line = b"x" * 76 + b"\r\n"
        body = line * ((37_000_137 - len(head)) // len(line))
        body += b"y" * (37_000_137 - len(head) - len(body) - 2) + b"\r\n"
        send_mail(self.port, data=head + body)
        message = self.next_hop.wait(1)[0]
        self.assertEqual(message["rcpts"], [b"b@dst.test"])
        self.assertTrue(message["data"].endswith(head + body))


if __name__ == "__main__":
    main()
