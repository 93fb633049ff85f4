#!/usr/bin/env python3
"""Mail through the relay from and to programs that we did not write: what they hand over arrives at
the next hop byte for byte, below one trace header."""

import glob
import os
import re
import smtplib
import ssl
import subprocess
import unittest
from email.message import EmailMessage

from harness import (Case, PATIENCE_S, certificate, config, find_program, free_port, main, send_mail,
                     smart_host, untraced, wait_until)

PLAIN = (b"From: a@src.test\r\nTo: b@dst.test\r\nSubject: a letter\r\nMessage-ID: <letter@src.test>\r\n"
         b"Date: Mon, 2 Jan 2023 10:00:00 +0100\r\n"
         b"\r\nOne line.\r\n.two begins with a dot\r\n..three with two\r\n \r\n\tand a tab  \r\n")


def needs(name):
    return unittest.skipUnless(find_program(name), f"{name} is not installed")


def swaks_has_tls():
    if not find_program("swaks"):
        return False
    done = subprocess.run(["swaks", "--support"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    return b"*** TLS not available" not in done.stdout


class Clients(Case):
    def start(self, tls=False, **sink):
        self.next_hop = self.sink(**sink)
        extra = ""
        if tls:
            extra = 'tls = { certificate = "%s"; key = "%s"; };' % certificate(self.folder)
        self.running = self.relay(config(self.spool, send=smart_host(self.next_hop.host), extra=extra))
        self.port = self.running.port()

    def save(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as out:
            out.write(data)
        os.chmod(path, 0o600)
        return path

    def arrived(self, count=1):
        return self.next_hop.wait(count)

    # --- smtplib ---

    def test_smtplib_plain(self):
        self.start()
        self.assertEqual(send_mail(self.port, data=PLAIN), {})
        message = self.arrived()[0]
        self.assertEqual(untraced(message["data"])[1], PLAIN)
        self.assertEqual((message["sender"], message["rcpts"]), (b"a@src.test", [b"b@dst.test"]))

    def test_smtplib_starttls(self):
        self.start(tls=True)
        context = ssl._create_unverified_context()
        with smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE_S) as smtp:
            smtp.ehlo("client.test")
            self.assertTrue(smtp.has_extn("starttls"))
            smtp.starttls(context=context)
            smtp.ehlo("client.test")
            self.assertFalse(smtp.has_extn("starttls"))
            smtp.sendmail("a@src.test", ["b@dst.test"], PLAIN)
            smtp.sendmail("a@src.test", ["c@dst.test"], PLAIN)
        for message in self.arrived(2):
            trace, rest = untraced(message["data"])
            self.assertEqual(rest, PLAIN)
            self.assertIn(b" with ESMTPS", trace)

    def test_smtplib_mime_with_attachment(self):
        self.start()
        letter = EmailMessage()
        letter["From"], letter["To"], letter["Subject"] = "a@src.test", "b@dst.test", "Größe"
        letter.set_content("Grüße\n.\n..\n")
        letter.add_attachment(bytes(range(256)) * 40, maintype="application", subtype="octet-stream",
                              filename="all.bytes")
        sent = letter.as_bytes(policy=letter.policy.clone(linesep="\r\n"))
        with smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE_S) as smtp:
            smtp.sendmail("a@src.test", ["b@dst.test"], sent)
        self.assertEqual(untraced(self.arrived()[0]["data"])[1], sent)

    def test_next_hop_with_starttls_is_spoken_to_in_tls(self):
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(*certificate(self.folder, "sink.test"))
        next_hop = self.sink(tls=server)
        relay = self.relay(config(self.spool, send=smart_host(next_hop.host)))
        for i in range(3):
            send_mail(relay.port(), rcpts=[f"b{i}@dst.test"], data=PLAIN)
        for message in next_hop.wait(3):
            self.assertTrue(message["tls"], "STARTTLS was offered and not used")
            self.assertEqual(untraced(message["data"])[1], PLAIN)

    def test_next_hop_with_chunking_gets_the_same_bytes(self):
        self.start(extensions=(b"PIPELINING", b"CHUNKING", b"8BITMIME"))
        send_mail(self.port, data=PLAIN)
        self.assertEqual(untraced(self.arrived()[0]["data"])[1], PLAIN)

    def test_next_hop_without_pipelining(self):
        self.start(extensions=(b"8BITMIME",))
        for i in range(5):
            send_mail(self.port, rcpts=[f"b{i}@dst.test", f"c{i}@dst.test"], data=PLAIN)
        for message in self.arrived(5):
            self.assertEqual(untraced(message["data"])[1], PLAIN)
            self.assertEqual(len(message["rcpts"]), 2)

    # --- swaks ---

    def letter_for_swaks(self):
        """It puts an end of line after what it reads."""
        return self.save("letter", PLAIN.replace(b"\r\n", b"\n").removesuffix(b"\n"))

    @needs("swaks")
    def test_swaks(self):
        self.start()
        self.run_program(["swaks", "--server", f"127.0.0.1:{self.port}", "--from", "a@src.test",
                          "--to", "b@dst.test,c@dst.test", "--ehlo", "client.test",
                          "--data", "@" + self.letter_for_swaks()])
        message = self.arrived()[0]
        trace, rest = untraced(message["data"])
        self.assertEqual(rest, PLAIN)
        self.assertEqual(sorted(message["rcpts"]), [b"b@dst.test", b"c@dst.test"])
        self.assertIn(b"Received: from client.test ([127.0.0.1])", trace)

    @unittest.skipUnless(swaks_has_tls(), "swaks is not installed or has no TLS")
    def test_swaks_pipelined_over_tls(self):
        self.start(tls=True)
        output = self.run_program(["swaks", "--server", f"127.0.0.1:{self.port}", "--tls", "--pipeline",
                                   "--from", "a@src.test", "--to", "b@dst.test",
                                   "--data", "@" + self.letter_for_swaks()])
        self.assertIn("TLS started", output)
        trace, rest = untraced(self.arrived()[0]["data"])
        self.assertEqual(rest, PLAIN)
        self.assertIn(b" with ESMTPS", trace)

    # --- msmtp ---

    def msmtp(self, tls):
        settings = self.save("msmtprc", f"""
account default
host 127.0.0.1
port {self.port}
domain client.test
from a@src.test
auth off
tls {"on" if tls else "off"}
tls_starttls {"on" if tls else "off"}
{"tls_certcheck off" if tls else ""}
""".encode())
        done = subprocess.run(["msmtp", "-C", settings, "--", "b@dst.test"],
                              input=PLAIN.replace(b"\r\n", b"\n"), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=PATIENCE_S)
        self.assertEqual(done.returncode, 0, done.stdout)
        trace, rest = untraced(self.arrived()[0]["data"])
        self.assertEqual(rest, PLAIN)
        return trace

    @needs("msmtp")
    def test_msmtp_plain(self):
        self.start()
        self.assertIn(b" with ESMTP\r\n", self.msmtp(tls=False))

    @needs("msmtp")
    def test_msmtp_starttls(self):
        self.start(tls=True)
        self.assertIn(b" with ESMTPS\r\n", self.msmtp(tls=True))

    # --- Postfix's smtp-source ---

    def smtp_source(self, *options, sessions=5, messages=100, length=3000, rcpts=1):
        self.run_program([find_program("smtp-source"), *options, "-s", str(sessions),
                          "-m", str(messages), "-l", str(length), "-r", str(rcpts),
                          "-f", "a@src.test", "-t", "b@dst.test", f"127.0.0.1:{self.port}"])
        arrived = self.arrived(messages)
        self.assertEqual(len(arrived), messages)
        bodies = [untraced(m["data"])[1].partition(b"\r\n\r\n")[2] for m in arrived]
        self.assertEqual(len(set(bodies)), 1, "the same message was sent every time")
        self.assertGreaterEqual(len(bodies[0]), length - 200)
        self.assertEqual({len(m["rcpts"]) for m in arrived}, {rcpts})
        ids = [re.search(rb"\sid (\d+)", untraced(m["data"])[0]).group(1) for m in arrived]
        self.assertEqual(len(set(ids)), messages, "every message has an id of its own")

    @needs("smtp-source")
    def test_smtp_source_a_connection_a_message(self):
        self.start()
        self.smtp_source(sessions=10, messages=200)

    @needs("smtp-source")
    def test_smtp_source_many_messages_a_connection(self):
        self.start()
        self.smtp_source("-d", sessions=10, messages=500)

    @needs("smtp-source")
    def test_smtp_source_large_messages_to_many(self):
        self.start()
        self.smtp_source("-d", sessions=4, messages=12, length=300000, rcpts=20)

    # --- Postfix's smtp-sink as the smart host ---

    def smtp_sink(self, *options):
        port = free_port()
        args = [find_program("smtp-sink"), *options]
        if os.geteuid() == 0:
            args += ["-u", "nobody"]
        sink = self.program([*args, f"127.0.0.1:{port}", "100"])

        def listens():
            self.assertTrue(sink.running(), sink.output())
            try:
                with smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE_S):
                    return True
            except OSError:
                return False
        wait_until(listens, "smtp-sink")
        return port

    @needs("smtp-sink")
    def test_smtp_sink_gets_every_message(self):
        dumps = os.path.join(self.folder, "dumps")
        os.mkdir(dumps)
        os.chmod(dumps, 0o777)
        port = self.smtp_sink("-d", f"{dumps}/m.")
        relay = self.relay(config(self.spool, send=smart_host(f"[127.0.0.1]:{port}")))
        with smtplib.SMTP("127.0.0.1", relay.port(), timeout=PATIENCE_S) as smtp:
            for i in range(40):
                smtp.sendmail("a@src.test", [f"b{i}@dst.test"], PLAIN + b"number %d\r\n" % i)
        wait_until(lambda: len(relay.events("message_delivered")) >= 40, relay.output)

        def texts():
            found = []
            for name in glob.glob(f"{dumps}/m.*"):
                with open(name, "rb") as dump:
                    text = dump.read().replace(b"\r\n", b"\n")
                if b"\nnumber " in text:
                    found.append(text)
            return found if len(found) == 40 else None
        for text in wait_until(texts, "40 dumped messages"):
            head, received, rest = text.partition(b"Received: from ")
            number = re.search(rb"\nnumber (\d+)\n", rest).group(1)
            self.assertIn(b"b%s@dst.test" % number, head)  # smtp-sink's own lines: X-Rcpt-Args
            body = re.sub(rb"\A.*\n(?:[ \t].*\n)*", b"", received + rest)
            wanted = (PLAIN + b"number %s\r\n" % number).replace(b"\r\n", b"\n")
            self.assertTrue(body.rstrip(b"\n").endswith(wanted.rstrip(b"\n")), body)

    @needs("smtp-sink")
    def test_smtp_sink_without_esmtp(self):
        port = self.smtp_sink("-e")  # no EHLO: HELO, no PIPELINING
        relay = self.relay(config(self.spool, send=smart_host(f"[127.0.0.1]:{port}")))
        for i in range(5):
            send_mail(relay.port(), rcpts=[f"b{i}@dst.test"], data=PLAIN)
        wait_until(lambda: len(relay.events("message_delivered")) >= 5, relay.output)

    @needs("smtp-sink")
    @needs("smtp-source")
    def test_smtp_source_to_smtp_sink(self):
        port = self.smtp_sink("-c")
        relay = self.relay(config(self.spool, send=smart_host(f"[127.0.0.1]:{port}")))
        self.run_program([find_program("smtp-source"), "-d", "-s", "20", "-m", "1000", "-l", "4000",
                          f"127.0.0.1:{relay.port()}"])
        wait_until(lambda: len(relay.events("message_delivered")) >= 1000, relay.output)
        self.assertEqual(len(relay.events("message_accepted")), 1000)


if __name__ == "__main__":
    main()
