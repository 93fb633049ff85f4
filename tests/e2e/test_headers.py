#!/usr/bin/env python3
"""Which header fields pass in either direction, what we say of a session, and who exists here."""

import os
import re
import subprocess
import time

from harness import MAILRACE, RelayCase, config, main, smart_host, untraced, wait_until

FIELDS = (b"Received: from x by y; Thu, 1 Jan 2026 00:00:00 +0000\r\n"
          b"Resent-From: r@src.test\r\n"
          b"X-MS-Exchange-Organization-SCL: -1\r\n"
          b"X-MS-Exchange-Forest-RulesExecuted: none\r\n\tfolded\r\n")
PLAIN = b"From: a@src.test\r\nSubject: x\r\n folded\r\n"
BODY = b"\r\nReceived: no field\r\nX-MS-Exchange-Organization-SCL: 9\r\n"
MESSAGE = FIELDS + PLAIN + BODY

ROUTING = re.compile(rb"(?m)^(?:Received|Resent-[A-Za-z-]+):.*\r\n(?:[ \t].*\r\n)*")
ORGANIZATION = re.compile(rb"(?m)^X-MS-Exchange-Organization-.*\r\n(?:[ \t].*\r\n)*")
FOREST = re.compile(rb"(?m)^X-MS-Exchange-Forest-.*\r\n(?:[ \t].*\r\n)*")


def without(data, *classes):
    header, empty, body = data.partition(b"\r\n\r\n")
    header += b"\r\n"
    for pattern in classes:
        header = pattern.sub(b"", header)
    return header + b"\r\n" + body if empty else header


ANYBODY = 'permissions = ( { user = "Anonymous"; allow = [ %s ]; } );'
SEND_ALL = ('permissions = ( { user = "Anonymous"; allow = [ "ms-Exch-Send-Headers-Organization", '
            '"ms-Exch-Send-Headers-Forest" ]; } );')
SUBMIT = '"SMTP-Submit", "Accept-Any-Sender"'


class Headers(RelayCase):
    def begin(self, connector=None, groups='"AnonymousUsers"', send=SEND_ALL, more="", answer=None):
        """A relay whose Default connector has GROUPS and CONNECTOR, whose next hop has SEND."""
        self.next_hop = self.sink(answer)
        text = config(self.spool, send=smart_host(self.next_hop.host, more=send),
                      domains='{ name = "ours.test"; default = true; }', relay_hosts=(), connector=connector or "")
        self.text = text.replace('[ "AnonymousUsers" ]', f"[ {groups} ]") + more
        self.running = self.relay(self.text)
        self.port = self.running.port()

    def passed(self, data=MESSAGE):
        """What comes out below our trace header."""
        self.assertRegex(self.send_raw(data, rcpts=["<b@ours.test>"]), "^250 ")
        count = self.count = getattr(self, "count", 0) + 1
        return untraced(self.next_hop.wait(count)[count - 1]["data"])[1]

    def rights(self, *names):
        self.begin(ANYBODY % ", ".join([SUBMIT] + [f'"ms-Exch-Accept-Headers-{n}"' for n in names]),
                   groups="")

    def test_anonymous_keeps_routing_only(self):
        self.begin()
        self.assertEqual(self.passed(), without(MESSAGE, ORGANIZATION, FOREST))

    def test_explicit_entries_without_the_rights_lose_all(self):
        self.rights()
        self.assertEqual(self.passed(), PLAIN + BODY)

    def test_organization_alone(self):
        self.rights("Organization")
        self.assertEqual(self.passed(), without(MESSAGE, ROUTING, FOREST))

    def test_forest_alone(self):
        self.rights("Forest")
        self.assertEqual(self.passed(), without(MESSAGE, ROUTING, ORGANIZATION))

    def test_all_rights_keep_all(self):
        self.rights("Organization", "Forest", "Routing")
        self.assertEqual(self.passed(), MESSAGE)

    def test_externally_secured(self):
        self.begin('auth_mechanism = [ "ExternalAuthoritative" ]; open_relay = true;',
                   groups='"ExchangeServers"')
        self.assertEqual(self.passed(), without(MESSAGE, ORGANIZATION, FOREST))

    def test_pieces_of_a_chunk_and_odd_spelling(self):
        self.begin()
        d = self.session()
        text = (b"Subject: x\r\nx-ms-exchange-ORGANIZATION-scl \t: -1\r\n more\r\n"
                b"no field\r\nX-MS-Exchange-Forest-A: 1\r\n\r\nbody\r\n")
        self.assertRegex(d.say("MAIL FROM:<a@src.test>"), "^250 ")
        self.assertRegex(d.say("RCPT TO:<b@ours.test>"), "^250 ")
        for at in range(0, len(text), 7):
            piece = text[at:at + 7]
            last = " LAST" if at + 7 >= len(text) else ""
            d.send(f"BDAT {len(piece)}{last}\r\n".encode() + piece)
            self.assertRegex(d.read(), "^250 ")
        self.assertEqual(untraced(self.next_hop.wait(1)[0]["data"])[1],
                         b"Subject: x\r\nno field\r\n\r\nbody\r\n")

    def test_hops_are_counted_where_they_are_stripped(self):
        self.rights()
        hop = b"Received: from x by y\r\n\twith ESMTP\r\n"
        self.assertRegex(self.send_raw(31 * hop + PLAIN + BODY, rcpts=["<b@ours.test>"]),
                         "^554 5.4.6 ")
        self.assertEqual(self.passed(30 * hop + PLAIN + BODY), PLAIN + BODY)

    # --- The way out ---

    def test_next_hop_sees_no_trusted_fields_by_default(self):
        self.rights_and_send("")
        self.assertEqual(self.passed(), without(MESSAGE, ORGANIZATION, FOREST))

    def rights_and_send(self, send):
        names = ("Organization", "Forest", "Routing")
        self.begin(ANYBODY % ", ".join([SUBMIT] + [f'"ms-Exch-Accept-Headers-{n}"' for n in names]),
                   groups="", send=send)

    def test_externally_secured_next_hop(self):
        self.rights_and_send('smart_host_auth_mechanism = "ExternalAuthoritative"; ' + SEND_ALL)
        self.assertEqual(self.passed(), without(MESSAGE, ORGANIZATION, FOREST))

    def test_permissions_of_an_externally_secured_next_hop(self):
        self.rights_and_send('smart_host_auth_mechanism = "ExternalAuthoritative"; ' +
                             SEND_ALL.replace("Anonymous", "ExternallySecuredServers"))
        self.assertEqual(self.passed(), MESSAGE)

    def test_next_hop_without_routing(self):
        self.rights_and_send('permissions = ( { user = "Anonymous"; deny = [ '
                             '"ms-Exch-Send-Headers-Routing" ]; } );')
        for size in (10, 100000, 300000):
            data = MESSAGE + b"line\r\n" * (size // 6)
            self.assertRegex(self.send_raw(data, rcpts=["<b@ours.test>"]), "^250 ")
            count = self.count = getattr(self, "count", 0) + 1
            message = self.next_hop.wait(count)[count - 1]
            self.assertEqual(message["data"], PLAIN + BODY + b"line\r\n" * (size // 6))
            self.assertIn(b"SIZE=%d" % len(message["data"]), message["mail"])

    def test_next_hop_without_routing_and_a_long_header(self):
        """Fields of every length at every place of the blocks in which the header is read."""
        self.rights_and_send('permissions = ( { user = "Anonymous"; deny = [ '
                             '"ms-Exch-Send-Headers-Routing" ]; } );')
        header, kept = b"", b""
        for i in range(700):
            field = b"X-A%d: %s\r\n" % (i, b"y" * (i % 61))
            header += field + b"Resent-To: %s\r\n\tz\r\n" % (b"x" * (i % 53))
            kept += field
        self.assertRegex(self.send_raw(header + BODY, rcpts=["<b@ours.test>"]), "^250 ")
        self.assertEqual(self.next_hop.wait(1)[0]["data"], kept + BODY)

    def test_only_send_rights_on_a_send_connector(self):
        self.assertRegex(self.checked(send='permissions = ( { user = "Anonymous";\n allow = [ '
                                           '"ms-Exch-SMTP-Accept-Any-Recipient" ]; } );'),
                         r"relay\.conf:\d+: send_connectors\[0\]\.permissions: only ms-Exch-Send-Headers")

    # --- The way back ---

    def test_a_returned_original_has_lost_all(self):
        """Whoever may bring and see such fields: to the sender of a failed message go none."""
        names = ("Organization", "Forest", "Routing")
        self.begin(ANYBODY % ", ".join([SUBMIT] + [f'"ms-Exch-Accept-Headers-{n}"' for n in names]),
                   groups="", answer=lambda verb, argument, session:
                   b"550 5.1.1 none" if verb == "RCPT" and b"<b@" in argument else None)
        for count, ret in enumerate(("FULL", "HDRS"), 1):
            self.assertRegex(self.send_raw(MESSAGE, sender=f"<a@src.test> RET={ret}",
                                           rcpts=["<b@ours.test>"]), "^250 ")
            report = self.next_hop.wait(count)[count - 1]
            self.assertEqual((report["sender"], report["rcpts"]), (b"", [b"a@src.test"]))
            kind, rest = ((b"message/rfc822", PLAIN + BODY) if ret == "FULL" else
                          (b"text/rfc822-headers", PLAIN))
            _, found, part = report["data"].partition(b"Content-Type: " + kind + b"\r\n\r\n")
            self.assertTrue(found, report["data"])
            self.assertEqual(part.partition(b"\r\n--=_report_")[0], rest)

    # --- Stamps ---

    STAMP = (b"X-MS-Exchange-Organization-AuthAs: %s\r\n"
             b"X-MS-Exchange-Organization-AuthSource: relay.test\r\n"
             b"X-MS-Exchange-Organization-AuthMechanism: %s\r\n")

    def test_stamps_of_an_anonymous_session(self):
        self.begin("auth_stamps_enabled = true;")
        self.assertEqual(self.passed(b"X-MS-Exchange-Organization-AuthAs: Internal\r\n" + PLAIN + BODY),
                         self.STAMP % (b"Anonymous", b"00") + PLAIN + BODY)

    def test_stamps_of_an_externally_secured_session(self):
        self.begin('auth_mechanism = [ "ExternalAuthoritative" ]; open_relay = true; '
                   "auth_stamps_enabled = true;", groups='"ExchangeServers"')
        self.assertEqual(self.passed(PLAIN + BODY), self.STAMP % (b"Internal", b"0A") + PLAIN + BODY)

    def test_no_folded_line_goes_on_with_a_stamp(self):
        self.begin("auth_stamps_enabled = true;")
        self.assertEqual(self.passed(b" 0A\r\n\r\nbody\r\n"),
                         self.STAMP % (b"Anonymous", b"00") + b"\r\n 0A\r\n\r\nbody\r\n")

    def test_stamps_do_not_leave_without_the_right(self):
        self.begin("auth_stamps_enabled = true;", send="")
        self.assertEqual(self.passed(PLAIN + BODY), PLAIN + BODY)

    # --- Who exists ---

    def names(self, text):
        path = os.path.join(self.folder, "names.txt")
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def listed(self, text, tarpit="0s"):
        self.names(text)
        self.next_hop = self.sink()
        self.text = config(self.spool, send=smart_host(self.next_hop.host),
                           domains='{ name = "ours.test"; recipients_file = "names.txt"; }').replace(
            'tarpit_interval = "0s"', f'tarpit_interval = "{tarpit}"')
        self.running = self.relay(self.text)
        self.port = self.running.port()

    def rcpt(self, address, d=None):
        d = d or self.session()
        d.say("RSET")
        d.say("MAIL FROM:<a@src.test>")
        return d.say(f"RCPT TO:<{address}>")

    def test_unknown_recipients_are_refused(self):
        self.listed("# ours\nanna@ours.test\nBerta # local\n")
        d = self.session()
        for address in ("anna@ours.test", "Anna@OURS.test", "berta@ours.test",
                        "postmaster@ours.test", "Postmaster"):
            self.assertRegex(self.rcpt(address, d), "^250 2.1.5 ", address)
        for address in ("nobody@ours.test", "ann@ours.test", "annaa@ours.test"):
            self.assertEqual(self.rcpt(address, d), "550 5.1.1 User unknown", address)
        self.running.wait_line(r"command_refused .*nobody@ours\.test.*550 5\.1\.1")

    def test_unknown_recipients_wait_in_the_tarpit(self):
        self.listed("anna\n", tarpit="1s")
        d = self.session()
        before = time.monotonic()
        self.assertEqual(self.rcpt("nobody@ours.test", d), "550 5.1.1 User unknown")
        self.assertGreaterEqual(time.monotonic() - before, 0.99)

    def test_a_reload_takes_the_file_anew_and_stands_without_it(self):
        self.listed("anna\n")
        fixed = self.text.replace("127.0.0.1:0", f"127.0.0.1:{self.port}")
        self.names("berta\n")
        self.running.reload(fixed)
        wait_until(lambda: self.rcpt("berta@ours.test").startswith("250"), "the new file")
        self.assertRegex(self.rcpt("anna@ours.test"), "^550 5.1.1 ")
        os.unlink(os.path.join(self.folder, "names.txt"))
        self.running.reload(fixed)
        self.running.wait_line(r"names\.txt: cannot be opened")
        self.assertRegex(self.rcpt("berta@ours.test"), "^250 ")
        self.assertRegex(self.rcpt("anna@ours.test"), "^550 5.1.1 ")

    def checked(self, domains='{ name = "ours.test"; }', send=""):
        path = os.path.join(self.folder, "relay.conf")
        with open(path, "w", encoding="utf-8") as out:
            out.write(config(self.spool, send=smart_host("[127.0.0.1]:25", more=send), domains=domains))
        done = subprocess.run([MAILRACE, "check", "-c", path], stdin=subprocess.DEVNULL, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        return done.stdout.decode()

    def test_check_names_the_file_and_its_lines(self):
        key = '{ name = "ours.test";\n recipients_file = "names.txt"; }'
        self.assertRegex(self.checked(key),
                         r"relay\.conf:\d+: accepted_domains\[0\]\.recipients_file: "
                         r"\S*names\.txt: cannot be opened: No such file")
        self.names("anna\nno body\n")
        self.assertRegex(self.checked(key), r'names\.txt:2: .*"no body": an address or a local part')
        self.names("anna\n")
        self.assertIn(": sound: ", self.checked(key))
        self.assertRegex(self.checked(key.replace(" }", ' type = "InternalRelay"; }')),
                         "recipients_file: only we can know")

    def test_check_notes_what_is_open(self):
        self.assertRegex(self.checked(), r'relay\.conf:\d+: note: accepted domain "ours.test" '
                                         r'\(Authoritative\) is open to anonymous clients from everywhere, '
                                         r'through receive connector "Default"')


if __name__ == "__main__":
    main()
