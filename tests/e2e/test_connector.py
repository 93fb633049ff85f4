#!/usr/bin/env python3
"""Properties of a receive connector, each as a client meets it and as `check` and `explain` tell it."""

import json
import os
import re
import subprocess
import time

from harness import (MAILRACE, MANY, OURS, Case, RelayCase, certificate, config, main, smart_host,
                     wait_until)


class OnTheWire(RelayCase):
    def delivered(self, count):
        return [(m["sender"], m["rcpts"]) for m in self.next_hop.wait(count)]

    def test_default_domain(self):
        self.start(connector='default_domain = "ours.test";', relay_hosts="", ranges='"127.0.0.0/8"')
        d = self.session()
        self.assertRegex(self.send_raw(b"Subject: x\r\n\r\n", sender="<bob>",
                                       rcpts=["<ann>", "<postmaster>", "carl", "<dora@ours.test>"], d=d), "^250 ")
        self.assertEqual(self.delivered(1), [(b"bob@ours.test", [
            b"ann@ours.test", b"postmaster@ours.test", b"carl@ours.test", b"dora@ours.test"])])
        d.say("MAIL FROM:<bob>")
        for rcpt in ('<"ann@ext.test">', "<ann%ext.test>", "<ext.test!ann>"):  # no way around the rights
            self.assertEqual(d.say(f"RCPT TO:{rcpt}"), "550 5.7.1 Unable to relay")
        for rcpt in ("<>", "<ann@>", "<@ours.test:ann>", "<a b>"):
            self.assertRegex(d.say(f"RCPT TO:{rcpt}"), "^501 5.1.3 ")

    def test_postmaster_is_that_of_the_default_accepted_domain(self):
        self.start(relay_hosts="", ranges='"127.0.0.0/8"')
        self.assertRegex(self.send_raw(b"Subject: x\r\n\r\n", rcpts=["<PostMaster>", "<b@ours.test>"]), "^250 ")
        self.assertEqual(self.delivered(1), [(b"a@src.test", [b"postmaster@ours.test", b"b@ours.test"])])

    def test_postmaster_without_an_accepted_domain(self):
        self.next_hop = self.sink()
        self.running = self.relay(config(self.spool, send=smart_host(self.next_hop.host)))
        self.port = self.running.port()
        self.assertRegex(self.send_raw(b"Subject: x\r\n\r\n", rcpts=["<postmaster>"]), "^250 ")
        self.assertEqual(self.delivered(1), [(b"a@src.test", [b"postmaster"])])

    def test_default_domain_counts_as_the_senders(self):
        """Whoever may not send as our domain may not leave it out either."""
        self.start(connector='default_domain = "ours.test"; permissions = ( { user = "Anonymous"; deny = [ '
                             '"Accept-Authoritative-Domain-Sender" ]; } );', relay_hosts="", ranges='"127.0.0.0/8"')
        d = self.session()
        self.assertEqual(d.say("MAIL FROM:<bob>"),
                         "550 5.7.1 Anonymous client does not have permissions to send as this sender")

    def test_without_default_domain(self):
        self.start(relay_hosts="")
        d = self.session()
        self.assertRegex(d.say("MAIL FROM:<bob>"), "^501 5.1.7 ")
        self.assertRegex(d.say("MAIL FROM:<bob@src.test>"), "^250 ")
        self.assertRegex(d.say("RCPT TO:<ann>"), "^501 5.1.3 ")

    def test_explain_completes_too(self):
        self.start(connector='default_domain = "ours.test";', relay_hosts="", ranges='"127.0.0.0/8"')
        out = json.loads(self.run_program([MAILRACE, "explain", "-c", self.running.file, "--from", "127.0.0.1",
                                           "--sender", "bob", "--rcpt", "<ann>", "--json"]))
        self.assertIn("bob@ours.test", json.dumps(out))
        self.assertIn("ann@ours.test", json.dumps(out))

    def test_explain_looks_at_the_header_too(self):
        self.start(connector='permissions = ( { user = "Anonymous"; deny = [ '
                             '"Accept-Authoritative-Domain-Sender" ]; } );', relay_hosts="", ranges='"127.0.0.0/8"')
        for address, refused in (("ceo@ours.test", True), ("ceo@src.test", False)):
            out = json.loads(self.run_program(
                [MAILRACE, "explain", "-c", self.running.file, "--from", "127.0.0.1", "--sender", "a@src.test",
                 "--rcpt", "b@ours.test", "--header-from", address, "--json"], code=int(refused)))
            self.assertEqual(out["header_from"]["accepted"], not refused)
            reply = self.send_raw(b"From: <%s>\r\n\r\n" % address.encode(), rcpts=["<b@ours.test>"])
            self.assertEqual(reply == out["header_from"]["reply"], refused, (reply, out["header_from"]))

    def test_a_handshake_that_fails_is_logged(self):
        cert, key = certificate(self.folder)
        self.start(extra=f'tls = {{ certificate = "{cert}"; key = "{key}"; }};')
        d = self.session()
        self.assertRegex(d.say("STARTTLS"), "^220 ")
        d.send(b"\x16\x03\x01\x00\x05hello" + b"x" * 50)
        self.running.wait_event("tls_failed", r"session=\w{16} client=127\.0\.0\.1:\d+ connector=Relay "
                                              r"range=127\.0\.0\.1 verb=STARTTLS reason=")

    def test_tarpit_of_an_unknown_mechanism(self):
        """As long as the refusal of a recipient, and only until the client has logged on."""
        path = os.path.join(self.folder, "users")
        subprocess.run([MAILRACE, "user", "add", "bob", "-f", path], input=b"secret\n", check=True,
                       stdout=subprocess.DEVNULL)
        self.next_hop = self.sink()
        text = config(self.spool, send=smart_host(self.next_hop.host), domains=OURS, relay_hosts="",
                      extra=f'users = {{ file = "{path}"; }};', connector='auth_mechanism = [ "BasicAuth" ];')
        self.running = self.relay(text.replace('tarpit_interval = "0s"', 'tarpit_interval = "1s"'))
        self.port = self.running.port()
        d = self.session()
        started = time.monotonic()
        self.assertEqual(d.say("AUTH NTLM TlRMTVNTUAABAAAA"), "504 5.7.4 Unrecognized authentication type")
        self.assertGreaterEqual(time.monotonic() - started, 0.99)
        self.running.wait_event("command_refused", 'verb=AUTH argument=NTLM reply="504 5.7.4')
        self.assertRegex(d.say("AUTH PLAIN AGJvYgBzZWNyZXQ="), "^235 ")

    def test_an_alternate_recipient(self):
        """ORAR= goes to a next hop that asks for it, over a restart too, and is lost without a word on
        the way to others."""
        text = "Bob+2B1@dst.test"
        for extensions, passed in ((b"PIPELINING", False), (b"XORAR", True)):
            self.start(lambda verb, argument, session: b"450 4.2.1 busy" if verb == "RCPT" else None,
                       connector="orar_enabled = true;", sink={"extensions": (extensions, b"DSN")})
            self.assertRegex(self.send_raw(b"Subject: x\r\n\r\n", rcpts=[
                f"<b@dst.test> ORAR=rfc822;{text} NOTIFY=NEVER", "<c@dst.test>"]), "^250 ")
            wait_until(lambda: any(c.startswith(b"RCPT") for c in self.next_hop.commands), self.running.output)
            self.running.kill()
            self.next_hop.answer = lambda verb, argument, session: None
            self.restart()
            message = self.next_hop.wait(1)[0]
            self.assertEqual(sorted(message["rcpt_args"]), [
                b"TO:<b@dst.test> NOTIFY=NEVER" + (b" ORAR=rfc822;" + text.encode() if passed else b""),
                b"TO:<c@dst.test>"])
            self.running.stop()

    def test_long_addresses(self):
        self.start(connector="long_addresses_enabled = true;")
        d = self.session()
        self.assertIn("\n250 XLONGADDR", d.ehlo)
        long = "x" * 1851 + "@dst.test"
        self.assertEqual(len(long), 1860)
        self.assertRegex(self.send_raw(b"Subject: x\r\n\r\n", sender=f"<{long}>", rcpts=[f"<{long}>"], d=d), "^250 ")
        self.assertEqual(self.delivered(1), [(long.encode(), [long.encode()])])
        self.assertRegex(d.say(f"MAIL FROM:<x{long}>"), "^501 5.1.7 ")

    def test_a_report_about_a_long_address(self):
        long = "x" * 1851 + "@dst.test"

        def answer(verb, argument, session):
            return b"550 5.1.1 nobody" if verb == "RCPT" and b"xxx" in argument else None
        self.start(answer, connector="long_addresses_enabled = true;")
        self.assertRegex(self.send_raw(b"Subject: x\r\n\r\n", rcpts=[f"<{long}>"]), "^250 ")
        self.assertEqual(self.delivered(1), [(b"", [b"a@src.test"])])
        lines = self.next_hop.messages[0]["data"].split(b"\r\n")
        self.assertTrue(any(b"xxx" in l for l in lines))
        self.assertLessEqual(max(map(len, lines)), 998)  # RFC 5321 4.5.3.1.6

    def test_addresses_are_not_long_by_default(self):
        self.start()
        d = self.session()
        self.assertNotIn("XLONGADDR", d.ehlo)
        self.assertRegex(d.say("MAIL FROM:<" + "x" * 563 + "@dst.test>"), "^501 5.1.7 ")
        self.assertRegex(d.say("MAIL FROM:<" + "x" * 562 + "@dst.test>"), "^250 ")


# What EHLO lists when everything is as it comes, and what goes with each switch.
ALL = ["SIZE 37748736", "PIPELINING", "DSN", "ENHANCEDSTATUSCODES", "8BITMIME", "BINARYMIME", "CHUNKING",
       "SMTPUTF8"]
SWITCHES = {
    "": ALL,
    'size_enabled = "Disabled";': ALL[1:],
    'size_enabled = "EnabledWithoutValue";': ["SIZE"] + ALL[1:],
    'max_message_size = "64KB";': ["SIZE 65536"] + ALL[1:],
    "pipelining_enabled = false;": [e for e in ALL if e != "PIPELINING"],
    "delivery_status_notification_enabled = false;": [e for e in ALL if e != "DSN"],
    "enhanced_status_codes_enabled = false;": [e for e in ALL if e != "ENHANCEDSTATUSCODES"],
    "eight_bit_mime_enabled = false;": [e for e in ALL if e != "8BITMIME"],
    "chunking_enabled = false;": [e for e in ALL if e not in ("CHUNKING", "BINARYMIME")],
    "binary_mime_enabled = false;": [e for e in ALL if e != "BINARYMIME"],
    "smtp_utf8_enabled = false;": [e for e in ALL if e != "SMTPUTF8"],
    "long_addresses_enabled = true;": ALL + ["XLONGADDR"],
    "orar_enabled = true;": ALL + ["XORAR"],
}


class Several(Case):
    """One relay with a connector for each of several clients."""

    def start(self, keys, groups='"AnonymousUsers"', more=""):
        """Connector N, with the N-th of KEYS, takes 127.0.1.N."""
        self.next_hop = self.sink()
        connectors = ", ".join(
            f'{{ name = "C{n}"; bindings = [ "127.0.0.1:0" ]; remote_ip_ranges = [ "127.0.1.{n}" ]; '
            f'permission_groups = [ {groups} ]; tarpit_interval = "0s"; {MANY} {k} }}' for n, k in enumerate(keys, 1))
        self.running = self.relay(
            f'hostname = "relay.test"; spool = {{ path = "{self.spool}"; min_free = "1MB"; }}; {more}\n'
            f'accepted_domains = ( {OURS}, {{ name = "*.example.com"; }}, {{ name = "box"; }} );\n'
            f'receive_connectors = ( {connectors} );\nsend_connectors = ( {smart_host(self.next_hop.host)} );')
        self.port = self.running.port()

    def client(self, n, *lines):
        """A dialogue after the greeting and LINES, and the last reply."""
        d = self.dialogue(self.port, source=f"127.0.1.{n}")
        reply = d.read()
        for line in lines:
            reply = d.say(line)
        return d, reply

    def message(self, n, text, rcpts=("<b@ours.test>",)):
        d, _ = self.client(n, "EHLO client.test", "MAIL FROM:<a@src.test>", *(f"RCPT TO:{r}" for r in rcpts), "DATA")
        d.send(text + b"\r\n.\r\n")
        return d, d.read()

    def test_each_extension_has_its_switch(self):
        self.start(SWITCHES)
        parameters = (("SIZE=10", "SIZE"), ("BODY=8BITMIME", "8BITMIME"), ("RET=HDRS", "DSN"), ("SMTPUTF8", "SMTPUTF8"))
        for n, (keys, extensions) in enumerate(SWITCHES.items(), 1):
            with self.subTest(keys):
                d, hello = self.client(n, "EHLO client.test")
                self.assertEqual([l[4:] for l in hello.split("\n")[1:]], extensions)
                names = [e.split()[0] for e in extensions]
                for parameter, name in parameters:
                    reply = d.say(f"MAIL FROM:<a@src.test> {parameter}")
                    self.assertEqual(reply[:3], "250" if name in names else "555", (parameter, reply))
                    plain = d.say("RSET")
                    self.assertEqual(plain, "250 2.0.0 Resetting" if "ENHANCEDSTATUSCODES" in names
                                     else "250 Resetting")
                d.say("MAIL FROM:<a@src.test>")
                self.assertEqual(d.say("RCPT TO:<b@ours.test> NOTIFY=NEVER")[:3], "250" if "DSN" in names else "555")
                self.assertEqual(d.say("RCPT TO:<b@ours.test> ORAR=rfc822;c@ours.test")[:3],
                                 "250" if "XORAR" in names else "555")
                d.say("RCPT TO:<b@ours.test>")
                d.send(b"BDAT 4 LAST\r\nx\r\n\n")
                self.assertEqual(d.read()[:3], "550" if "CHUNKING" in names else "502")  # a bare LF is in it

    def test_recipients_of_trusted_servers(self):
        """Exchange: MaxRecipientsPerMessage binds all but those."""
        path = os.path.join(self.folder, "users")
        subprocess.run([MAILRACE, "user", "add", "bob", "-f", path], input=b"secret\n", check=True,
                       stdout=subprocess.DEVNULL)
        size, headers = '"Bypass-Message-Size-Limit"', '"Accept-Headers-Organization"'

        def connector(rights, user="Anonymous"):
            return (f'max_recipients_per_message = 2; permissions = ( {{ user = "{user}"; '
                    f'allow = [ "Accept-Any-Sender", {rights} ]; }} );')
        self.start([connector(size), connector(headers), connector(f"{size}, {headers}"),
                    'auth_mechanism = [ "BasicAuth" ]; ' + connector(f"{size}, {headers}", "user:bob")],
                   groups='"AnonymousUsers", "ExchangeUsers"', more=f'users = {{ file = "{path}"; }};')
        for n, trusted in ((1, False), (2, False), (3, True), (4, False)):
            d, reply = self.client(n, "EHLO client.test", "MAIL FROM:<a@src.test>",
                                   *(f"RCPT TO:<{i}@ours.test>" for i in range(3)))
            self.assertEqual(reply, "250 2.1.5 Recipient OK" if trusted else "452 4.5.3 Too many recipients")
            if n == 4:  # who logs on is somebody else
                for line in ("RSET", "AUTH PLAIN AGJvYgBzZWNyZXQ=", "MAIL FROM:<a@src.test>"):
                    self.assertRegex(d.say(line), "^2")
                for i in range(500):
                    self.assertEqual(d.say(f"RCPT TO:<{i}@ours.test>"), "250 2.1.5 Recipient OK")

    def test_limits(self):
        self.start(['max_header_size = 200;', 'max_hop_count = 2;', 'max_local_hop_count = 1;',
                    'max_local_hop_count = 0;', 'max_recipients_per_message = 2;', 'max_protocol_errors = 2;',
                    'max_protocol_errors = "unlimited";', 'require_ehlo_domain = true;', 'max_message_size = "64KB";'])
        self.assertRegex(self.message(1, b"Subject: " + b"x" * 180 + b"\r\n")[1], "^250 ")
        d, reply = self.message(1, b"Subject: " + b"x" * 200 + b"\r\n\r\nx")
        self.assertEqual(reply, "552 5.3.4 Header size exceeds fixed maximum size")
        self.assertTrue(d.closed())
        d, _ = self.client(1, "EHLO client.test", "MAIL FROM:<a@src.test>", "RCPT TO:<b@ours.test>")
        d.send(b"BDAT 300\r\nSubject: " + b"x" * 291)
        self.assertEqual(d.read(), "552 5.3.4 Header size exceeds fixed maximum size")
        self.assertTrue(d.closed())
        hop, ours = b"Received: by other.test; x\r\n", b"Received: by relay.test; x\r\n"
        loop = "554 5.4.6 Hop count exceeded - possible mail loop"
        self.assertRegex(self.message(2, 2 * hop)[1], "^250 ")
        self.assertEqual(self.message(2, 3 * hop)[1], loop)
        self.assertRegex(self.message(3, ours + 9 * hop)[1], "^250 ")
        self.assertEqual(self.message(3, 2 * ours)[1], loop)
        self.assertRegex(self.message(4, 9 * ours)[1], "^250 ")
        d, reply = self.client(5, "EHLO client.test", "MAIL FROM:<a@src.test>", "RCPT TO:<1@ours.test>",
                               "RCPT TO:<2@ours.test>", "RCPT TO:<3@ours.test>")
        self.assertEqual(reply, "452 4.5.3 Too many recipients")
        self.assertRegex(d.say("DATA"), "^354 ")  # the first two stand
        self.assertRegex(d.say("Subject: x\r\n\r\n."), "^250 ")
        d, reply = self.client(6, "EHLO client.test", "FLY", "FLY", "FLY")
        self.assertEqual(reply, "421 4.7.0 Too many errors")
        self.assertTrue(d.closed())
        self.assertEqual(self.client(7, *["FLY"] * 50)[1], "500 5.3.3 Unrecognized command")
        d, reply = self.client(8, "EHLO")
        self.assertEqual(reply, "501 5.5.4 Invalid domain name")
        self.assertTrue(d.closed())
        self.assertRegex(self.client(7, "HELO")[1], r"^250 relay\.test Hello \[127\.0\.1\.7\]$")
        self.assertEqual(self.client(9, "EHLO client.test", "MAIL FROM:<a@src.test> SIZE=65537")[1],
                         "552 5.3.4 Message size exceeds fixed maximum message size")
        self.assertEqual(self.message(9, b"\r\n" + b"x" * 65537)[1],
                         "552 5.3.4 Message size exceeds fixed maximum message size")

    def test_names(self):
        self.start(["", 'fqdn = "mail.test";', 'banner = "220 nobody is at home";'])
        self.assertRegex(self.client(1)[1], "^220 relay.test ")
        self.assertRegex(self.client(2)[1], "^220 mail.test ")
        self.assertRegex(self.client(2, "EHLO client.test")[1], r"^250-mail.test Hello \[127\.0\.1\.2\]")
        self.assertRegex(self.message(2, b"")[1], "Hostname=mail.test")
        self.assertIn(b"by mail.test with ESMTP", self.next_hop.wait(1)[0]["data"])
        self.assertEqual(self.client(3)[1], "220 nobody is at home")

    def test_timeouts(self):
        self.start(['connection_inactivity_timeout = "1s"; connection_timeout = "2s";'])
        d, _ = self.client(1, "EHLO client.test")
        self.assertEqual(d.read(), "451 4.7.0 Timeout waiting for client input")
        self.assertTrue(d.closed())
        d, reply = self.client(1)
        while reply[:3] in ("220", "250"):  # busy all the time
            time.sleep(0.05)
            reply = d.say("NOOP")
        self.assertRegex(reply, r"^(421 4\.4\.2 Connection timeout|421 4\.7\.0|451 4\.7\.0)")

    def test_domains_that_are_rejected(self):
        self.start(["reject_reserved_top_level_recipient_domains = true;",
                    "reject_reserved_second_level_recipient_domains = true;",
                    "reject_single_label_recipient_domains = true;", ""])
        for rcpt, refused_by, code in (("u@ours.test", 1, "5.1.4"), ("u@ours.test.", 1, "5.1.4"),
                                       ("u@x.EXAMPLE.com", 2, "5.1.5"), ("u@box", 3, "5.1.6"), ("postmaster", 0, "")):
            for n in (1, 2, 3, 4):
                _, reply = self.client(n, "EHLO client.test", "MAIL FROM:<a@src.test>", f"RCPT TO:<{rcpt}>")
                self.assertRegex(reply, f"^550 {code} " if n == refused_by else "^250 ", (rcpt, n))

    def test_server_permissions_are_inherited(self):
        """A connector's own word comes first, whichever it is; the server's deny before its allow."""
        deny, allow = ('permissions = ( { user = "Anonymous"; %s = [ "Accept-Any-Recipient" ]; } );' % word
                       for word in ("deny", "allow"))
        for server, replies in (("allow", "250 550 250"), ("deny", "550 550 250"),
                                ('allow = [ "Accept-Any-Recipient" ]; deny', "550 550 250")):
            self.spool = os.path.join(self.folder, f"spool-{len(server)}")
            self.start(["", deny, allow], more='server_permissions = ( { user = "Anonymous"; '
                       f'{server} = [ "Accept-Any-Recipient" ]; }} );')
            got = [self.client(n, "EHLO client.test", "MAIL FROM:<a@src.test>", "RCPT TO:<u@ext.test>")[1][:3]
                   for n in (1, 2, 3)]
            self.assertEqual(" ".join(got), replies, server)


class Checked(Case):
    def check(self, connector="", code=0, **kwargs):
        """What `check` says without the notes and the last line."""
        kwargs.setdefault("relay_hosts", "")
        path = os.path.join(self.folder, "relay.conf")
        with open(path, "w", encoding="utf-8") as out:
            out.write(config(self.spool, bindings='"127.0.0.1:2525"', ranges=kwargs.pop("ranges", '"10.0.0.0/8"'),
                             connector=connector, send=kwargs.pop("send", smart_host("[192.0.2.7]")), **kwargs))
        os.chmod(path, 0o644)
        lines = self.run_program([MAILRACE, "check", "-c", path], code=code).splitlines()
        return "\n".join(l.replace(path, "relay.conf") for l in lines if ": note: " not in l and ": sound: " not in l)

    def tls(self, cert, key):
        return f'tls = {{ certificate = "{cert}"; key = "{key}"; }};'

    def test_starttls_with_a_certificate_that_is_none(self):
        cert, key = certificate(self.folder)
        self.assertEqual(self.check(extra=self.tls(cert, key)), "")
        for c, k, says in ((cert + "x", key, "cert.pemx: No such file"), (cert, key + "x", "key.pemx: No such file"),
                           (key, key, "cannot load the certificate"), (cert, cert, "cannot load the private key")):
            self.assertRegex(self.check(extra=self.tls(c, k), code=1),
                             rf"^relay\.conf: tls: STARTTLS is impossible: .*{says}")
        other = os.path.join(self.folder, "other")
        os.mkdir(other)
        self.assertRegex(self.check(extra=self.tls(cert, certificate(other)[1]), code=1), "key values mismatch")

    def test_names_of_tls_files_start_where_the_file_lies(self):
        cert, key = (os.path.basename(f) for f in certificate(self.folder))
        self.assertEqual(self.check(extra=self.tls(cert, key)), "")
        self.assertRegex(self.check(extra=self.tls("absent.pem", key), code=1),
                         rf"impossible: cannot load the certificate {re.escape(self.folder)}/absent\.pem")

    def test_starttls_with_a_certificate_of_another_name(self):
        extra = self.tls(*certificate(self.folder, name="mail.other.test"))
        self.assertRegex(self.check(extra=extra), r"^relay\.conf:\d+: warning: auth_mechanism: STARTTLS is offered as "
                                                  r"relay\.test, .*: it does not have this name$")
        self.assertEqual(self.check('fqdn = "mail.other.test";', extra=extra), "")
        self.assertEqual(self.check('auth_mechanism = [ "None" ];', extra=extra), "")

    def test_starttls_with_a_certificate_that_has_expired(self):
        cert, key = certificate(self.folder)
        subprocess.run(["openssl", "x509", "-in", cert, "-signkey", key, "-days", "-1", "-out", cert + ".old"],
                       check=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not os.path.exists(cert + ".old") or not os.path.getsize(cert + ".old"):
            self.skipTest("this openssl makes no certificate that has expired")
        self.assertRegex(self.check(extra=self.tls(cert + ".old", key)), ": it has expired$")

    def test_nobody_can_be_a_partner(self):
        path = os.path.join(self.folder, "relay.conf")
        for usage in ("Partner", "Internal"):
            with open(path, "w", encoding="utf-8") as out:
                out.write(f'receive_connectors = ( {{ name = "P"; usage = "{usage}"; bindings = [ "127.0.0.1:2525" ]; '
                          'remote_ip_ranges = [ "10.0.0.1" ]; } );')
            os.chmod(path, 0o644)
            self.assertRegex(self.run_program([MAILRACE, "check", "-c", path]),
                             'receive connector "P": no client can use it: only servers and partners')

    def test_a_domain_without_a_way_out(self):
        for kind in ("Authoritative", "InternalRelay", "ExternalRelay"):
            text = self.check(domains=f'{{ name = "ours.test"; type = "{kind}"; }}',
                              send='{ name = "O"; address_spaces = [ "x.test" ]; }')
            self.assertRegex(text, rf'warning: accepted domain "ours\.test": {kind} without a send connector')
            self.assertEqual(self.check(domains=f'{{ name = "ours.test"; type = "{kind}"; }}',
                                        send='{ name = "O"; address_spaces = [ "--" ]; }'), "")

    def test_classful_masks(self):
        for classful, taken in (("false", 1), ("true", 0)):
            self.check(f"classful_masks = {classful};", ranges='"192.168.1.0"')
            self.run_program([MAILRACE, "explain", "-c", os.path.join(self.folder, "relay.conf"),
                              "--from", "192.168.1.77"], code=taken)

    def test_a_range_that_is_too_long_to_be_one(self):
        """It is copied into every session."""
        self.assertRegex(self.check(ranges='"10.0.0.1' + " " * 5000 + '- 10.0.0.2"', code=1), "is too long")
        self.assertRegex(self.check(ranges='"fe80::1%' + "1" * 5000 + '"', code=1), "is too long")


if __name__ == "__main__":
    main()
