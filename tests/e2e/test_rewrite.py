#!/usr/bin/env python3
"""Internal addresses as the outside sees them, and the way back."""

import os
import subprocess

from harness import MAILRACE, RelayCase, config, main, smart_host, untraced

ENTRIES = """
address_rewrite_entries = (
    { name = "boss"; internal_address = "boss@int.test"; external_address = "Chief@ext.test"; },
    { name = "all"; internal_address = "int.test"; external_address = "ext.test"; },
    { name = "flat"; internal_address = "*.int.test"; external_address = "ext.test";
      outbound_only = true; exception_list = [ "lab.int.test" ]; },
    { name = "one way"; internal_address = "old.test"; external_address = "new.test";
      outbound_only = true; }
);
"""
OURS = '{ name = "int.test"; default = true; }, { name = "partner.test"; type = "InternalRelay"; }'
NAMES = (b"To", b"Cc", b"From", b"Sender", b"Reply-To", b"Return-Receipt-To",
         b"Disposition-Notification-To", b"Resent-From", b"Resent-Sender")
HEADER = b"".join(n + b': "boss@int.test" <boss@int.test>\r\n' for n in NAMES)
REST = (b"Message-ID: <1@int.test>\r\nSubject: boss@int.test\r\n"
        b"Content-Type: multipart/mixed; boundary=\"b@int.test\"\r\n"
        b"\r\n--b@int.test\r\nFrom: boss@int.test\r\n\r\n.boss@int.test\r\n--b@int.test--\r\n")


class Rewrite(RelayCase):
    def begin(self, entries=ENTRIES, send="", **kwargs):
        self.next_hop = self.sink()
        self.text = config(self.spool, send=smart_host(self.next_hop.host, more=send), domains=OURS,
                           **kwargs) + entries
        self.running = self.relay(self.text)
        self.port = self.running.port()

    def passed(self, data, sender="<a@int.test>", rcpts=("<b@dst.test>",), count=1):
        stuffed = data.replace(b"\r\n.", b"\r\n..")
        self.assertRegex(self.send_raw(stuffed, sender=sender, rcpts=rcpts), "^250 ")
        return self.next_hop.wait(count)

    def sender_of(self, address):
        seen = getattr(self, "seen", 0) + 1
        self.seen = seen
        return self.passed(b"Subject: x\r\n\r\n", sender=f"<{address}>", count=seen)[-1]["mail"]

    def test_the_whole_message_outbound(self):
        self.begin()
        m = self.passed(HEADER + REST, sender="<boss@int.test>")[0]
        wanted = HEADER.replace(b"<boss@int.test>", b"<Chief@ext.test>") + REST
        self.assertEqual(untraced(m["data"])[1], wanted)
        self.assertIn(b"<Chief@ext.test>", m["mail"])
        self.assertIn(b"SIZE=%d" % len(m["data"]), m["mail"])
        self.assertEqual(m["rcpts"], [b"b@dst.test"])

    def test_senders(self):
        self.begin()
        for internal, external in ((b"BOSS@Int.Test", b"Chief@ext.test"),
                                   (b"Any.One+tag@int.test", b"Any.One+tag@ext.test"),
                                   (b"x@a.b.int.test", b"x@ext.test"),
                                   (b"x@lab.int.test", b"x@lab.int.test"),
                                   (b"x@a.lab.int.test", b"x@ext.test"),
                                   (b"x@old.test", b"x@new.test"),
                                   (b"x@other.test", b"x@other.test"),
                                   (b"", b"")):
            self.assertIn(b"<" + external + b">", self.sender_of(internal.decode()), internal)

    def test_folded_and_long_fields(self):
        self.begin(connector="max_header_size = \"512KB\";")
        folded = b"To: x@int.test,\r\n\tB <y@lab.int.test>,\r\n (z@int.test) z@q.int.test\r\n"
        wanted = b"To: x@ext.test,\r\n\tB <y@lab.int.test>,\r\n (z@int.test) z@ext.test\r\n"
        many = b"Cc: " + b",\r\n ".join(b"user%d@int.test" % i for i in range(2500)) + b"\r\n"
        more = b"Cc: " + b",\r\n ".join(b"user%d@int.test" % i for i in range(4000)) + b"\r\n"
        self.assertLess(len(many), 65536)
        self.assertGreater(len(more), 65536)
        for i, size in enumerate((10, 400000)):
            body = b"\r\n" + b"line\r\n" * (size // 6)
            m = self.passed(folded + many + more + REST[:27] + body, count=i + 1)[i]
            self.assertEqual(untraced(m["data"])[1],
                             wanted + many.replace(b"@int", b"@ext") + more + REST[:27] + body)
            self.assertIn(b"SIZE=%d" % len(m["data"]), m["mail"])

    def test_not_towards_accepted_domains(self):
        self.begin()
        m = self.passed(HEADER + REST, sender="<boss@int.test>",
                        rcpts=["<b@partner.test>", "<c@int.test>"])[0]
        self.assertEqual(untraced(m["data"])[1], HEADER + REST)
        self.assertIn(b"<boss@int.test>", m["mail"])

    def test_both_kinds_of_recipients_in_one_message(self):
        self.begin()
        taken = self.passed(HEADER + REST, sender="<boss@int.test>", count=2,
                            rcpts=["<b@dst.test>", "<b@partner.test>", "<c@dst2.test>"])
        seen = {tuple(m["rcpts"]): m for m in taken}
        self.assertEqual(set(seen), {(b"b@dst.test", b"c@dst2.test"), (b"b@partner.test",)})
        for rcpts, m in seen.items():
            inside = rcpts == (b"b@partner.test",)
            self.assertIn(b"<boss@int.test>" if inside else b"<Chief@ext.test>", m["mail"])
            self.assertEqual(b"<boss@int.test>" in m["data"], inside)

    def test_with_fields_left_out(self):
        self.begin(send='permissions = ( { user = "Anonymous"; deny = [ '
                        '"ms-Exch-Send-Headers-Routing" ]; } );')
        text = (b"To: x@int.test\r\nReceived: from x by y\r\n\tfor <x@int.test>\r\n"
                b"Resent-From: y@int.test\r\nFrom: z@int.test\r\n\r\n.body\r\n")
        m = self.passed(text)[0]
        self.assertEqual(m["data"], b"To: x@ext.test\r\nFrom: z@ext.test\r\n\r\n.body\r\n")
        self.assertIn(b"SIZE=%d" % len(m["data"]), m["mail"])

    def test_recipients_inbound(self):
        self.begin(relay_hosts=())
        text = b"To: chief@ext.test\r\nFrom: a@src.test\r\n\r\nbody\r\n"
        m = self.passed(text, sender="<a@src.test>",
                        rcpts=["<chief@EXT.test>", "<Some.One@ext.test>", "<d@int.test>"])[0]
        self.assertEqual(m["rcpts"], [b"boss@int.test", b"Some.One@int.test", b"d@int.test"])
        self.assertEqual(untraced(m["data"])[1], text)
        d = self.session()
        self.assertRegex(d.say("MAIL FROM:<a@src.test>"), "^250 ")
        # One way only, and what was rewritten is not open to everybody by that.
        for address in ("x@new.test", "x@a.ext.test", "x@old.test"):
            self.assertRegex(d.say(f"RCPT TO:<{address}>"), "^550 5.7.1 ", address)

    def test_a_reload_adds_and_takes_away(self):
        self.begin(entries="")
        fixed = self.text.replace("127.0.0.1:0", f"127.0.0.1:{self.port}")
        self.assertIn(b"<x@int.test>", self.sender_of("x@int.test"))
        self.running.reload(fixed + ENTRIES)
        self.assertIn(b"<x@ext.test>", self.sender_of("x@int.test"))
        self.running.reload(fixed)
        self.assertIn(b"<x@int.test>", self.sender_of("x@int.test"))

    # --- The program's word on it ---

    def run_on(self, entries, *words):
        path = os.path.join(self.folder, "relay.conf")
        with open(path, "w", encoding="utf-8") as out:
            out.write(config(self.spool, send=smart_host("[127.0.0.1]:25"), domains=OURS) + entries)
        done = subprocess.run([MAILRACE, words[0], "-c", path, *words[1:]], check=False, timeout=60,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout.decode()

    def test_check_names_the_line(self):
        entry = 'address_rewrite_entries = (\n{ name = "a"; %s } );\n'
        for keys, fault in (
                ('internal_address = "*.a.test"; external_address = "b.test";', "outbound_only"),
                ('internal_address = "u@a.test"; external_address = "b.test";', "external_address"),
                ('internal_address = "a.test"; external_address = "b.test"; '
                 'exception_list = [ "c.a.test" ];', "exception_list"),
                ('internal_address = "a.test"; external_address = "b.test"; }, { name = "b"; '
                 'internal_address = "A.test"; external_address = "c.test";', "is rewritten already"),
                ('external_address = "b.test";', "internal_address")):
            code, said = self.run_on(entry % keys, "check")
            self.assertEqual(code, 1, said)
            lines = config(self.spool, send=smart_host("[127.0.0.1]:25"), domains=OURS).count("\n")
            self.assertRegex(said, rf"relay\.conf:{lines + 2}: .*{fault}")
        self.assertEqual(self.run_on(ENTRIES, "check")[0], 0)

    def test_explain_shows_both(self):
        code, said = self.run_on(ENTRIES, "explain", "--from", "127.0.0.1", "--sender",
                                 "boss@int.test", "--rcpt", "x@dst.test")
        self.assertEqual(code, 0, said)
        self.assertRegex(said, r'rewritten +<Chief@ext\.test> by "boss" \(.*relay\.conf:\d+\)')
        code, said = self.run_on(ENTRIES, "explain", "--from", "192.0.2.1", "--sender",
                                 "boss@int.test", "--rcpt", "u@ext.test", "--json")
        self.assertEqual(code, 0, said)
        self.assertIn('"rewritten":{"address":"u@int.test","by":"all"}', said)
        self.assertNotIn("Chief", said)


if __name__ == "__main__":
    main()
