#!/usr/bin/env python3
"""Reload under fire: each reply is right under one of the two configurations, no session is dropped, and
what is faulty changes nothing."""

import os
import threading

from harness import Case, Dialogue, config, main, smart_host, wait_until

RELOADS = int(os.environ.get("MAILRACE_RELOADS", 1000))
RCPTS_MIN = 10 * RELOADS

# Who may relay anywhere, and what is relayed for everybody, under A and under B.
CLIENTS = {"127.0.0.10": "A", "127.0.0.11": "B", "127.0.0.12": "AB", "127.0.0.13": ""}
DOMAINS = {"a.test": "A", "b.test": "B", "ours.test": "AB", "ext.test": ""}


def verdict(which, client, domain):
    return "250" if which in CLIENTS[client] or which in DOMAINS[domain] else "550"


def text_of(which, spool, port, send):
    """Configuration A or B."""
    domains = ", ".join('{ name = "%s"; }' % d for d, where in DOMAINS.items() if which in where)
    hosts = ", ".join(f'"{c}"' for c, where in CLIENTS.items() if which in where)
    return config(spool, bindings=f'"127.0.0.1:{port}"', domains=domains, relay_hosts=hosts, send=send,
                  connector='max_protocol_errors = "unlimited";')  # who only tries recipients annoys


class UnderFire(Case):
    def start(self):
        self.next_hop = self.sink()
        first = self.relay(text_of("A", self.spool, 0, smart_host(self.next_hop.host)))
        self.running, self.port = first, first.port()
        self.seen = 0
        self.over, self.shots = False, threading.Semaphore(0)
        self.wrong, self.counts, self.lock = [], {}, threading.Lock()
        for which in "AB":
            self.put(which, text_of(which, self.spool, self.port, smart_host(self.next_hop.host)))
        self.put("faulty", 'hostname = "relay.test";\naccepted_domains = ( { nam = 5; } );\n')

    def put(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(path, 0o644)

    def load(self, name):
        """Puts file NAME in place and reloads; the line that says what came of it."""
        link = os.path.join(self.folder, "next")
        os.link(os.path.join(self.folder, name), link)
        os.replace(link, self.running.file)
        if os.path.exists(link):  # the very same file
            os.unlink(link)
        self.running.signal(1)

        def answer():
            lines = self.running.lines
            while self.seen < len(lines):
                line = lines[self.seen]
                self.seen += 1
                if " reloaded " in line or " reload_refused " in line:
                    return line
            self.assertTrue(self.running.running(), self.running.output()[-2000:])
            return None
        return wait_until(answer, "an answer to SIGHUP")

    def open(self, client):
        d = Dialogue(self.port, source=client)
        self.addCleanup(d.close)
        d.read()
        d.say("EHLO client.test")
        return d

    def ask(self, d, domains):
        """One transaction: a reply for each domain, pipelined."""
        d.send("MAIL FROM:<a@src.test>\r\n" + "".join(f"RCPT TO:<b@{x}>\r\n" for x in domains) + "RSET\r\n")
        replies = [d.read() for _ in range(len(domains) + 2)]
        d.transcript.clear()
        if not (replies[0].startswith("250 ") and replies[-1].startswith("250 ")):
            raise AssertionError(f"around the recipients: {replies}")
        return replies[1:-1]

    def check(self, client, domains, replies):
        for domain, reply in zip(domains, replies):
            allowed = {verdict(w, client, domain) for w in "AB"}
            good = reply in ("250 2.1.5 Recipient OK", "550 5.7.1 Unable to relay") and reply[:3] in allowed
            with self.lock:
                key = (client, domain, reply[:3])
                self.counts[key] = self.counts.get(key, 0) + 1
                if not good:
                    self.wrong.append((client, domain, reply))

    def fire(self, client, fresh):
        """Transactions as they are called for until it is over: in one session, or each in a new one."""
        domains = list(DOMAINS)
        try:
            d = self.open(client)
            while self.shots.acquire() and not self.over:
                self.check(client, domains, self.ask(d, domains))
                if fresh:
                    d.close()
                    d = self.open(client)
        except (AssertionError, OSError) as lost:
            with self.lock:
                self.wrong.append((client, "the session was lost", repr(lost)))

    def exactly(self, which, sessions):
        for client, d in sessions.items():
            replies = self.ask(d, list(DOMAINS))
            self.assertEqual({x: r[:3] for x, r in zip(DOMAINS, replies)},
                             {x: verdict(which, client, x) for x in DOMAINS}, (which, client))

    def test_O75_every_reply_is_of_one_configuration(self):
        self.start()
        threads = [threading.Thread(target=self.fire, args=(c, fresh)) for c in CLIENTS for fresh in (False, True)]
        sessions = {c: self.open(c) for c in CLIENTS}  # from the first to the last
        for t in threads:
            t.start()
        try:
            which = "A"
            for i in range(RELOADS):
                which = "BA"[i % 2]
                self.shots.release(len(threads))  # while this very reload goes on
                self.assertIn(" reloaded ", self.load(which))
                if i % 20 == 0:
                    self.assertIn(" reload_refused ", self.load("faulty"))
                    self.exactly(which, sessions)
            wait_until(lambda: sum(self.counts.values()) >= RCPTS_MIN or self.wrong, "enough recipients")
        finally:
            self.over = True
            self.shots.release(RELOADS * len(threads))
            for t in threads:
                t.join(60)
        self.assertEqual(self.wrong[:5], [])
        self.assertGreaterEqual(sum(self.counts.values()), RCPTS_MIN)
        for client in CLIENTS:  # both configurations were met wherever they differ
            for domain in DOMAINS:
                self.assertEqual({v for v in ("250", "550") if (client, domain, v) in self.counts},
                                 {verdict(w, client, domain) for w in "AB"}, (client, domain))
        self.exactly(which, sessions)
        self.assertEqual(len(self.running.events("reloaded")), RELOADS)
        self.assertEqual(len(self.running.events("reload_refused")), (RELOADS + 19) // 20)

    def test_a_reload_revokes_and_grants_in_open_sessions(self):
        self.start()
        sessions = {c: self.open(c) for c in CLIENTS}
        for which in "BABBA":
            self.load(which)
            self.exactly(which, sessions)

    def test_a_reload_within_a_transaction(self):
        """It keeps the rights that it began with, whatever is relayed for by now; the next one does not."""
        self.start()
        d = self.open("127.0.0.10")
        for line, reply in (("MAIL FROM:<a@src.test>", "250"), ("RCPT TO:<one@ext.test>", "250")):
            self.assertEqual(d.say(line)[:3], reply)
        self.load("B")
        self.assertEqual(d.say("RCPT TO:<two@ext.test>")[:3], "250")
        self.assertEqual(d.say("RCPT TO:<three@b.test>")[:3], "250")
        self.assertEqual(d.say("DATA")[:3], "354")
        self.assertEqual(d.say("Subject: x\r\n\r\nx\r\n.")[:3], "250")
        wait_until(lambda: sum(len(m["rcpts"]) for m in self.next_hop.messages) >= 3, self.running.output)
        self.assertEqual(sorted(r for m in self.next_hop.messages for r in m["rcpts"]),
                         [b"one@ext.test", b"three@b.test", b"two@ext.test"])
        self.assertEqual(d.say("MAIL FROM:<a@src.test>")[:3], "250")
        self.assertEqual(d.say("RCPT TO:<b@ext.test>"), "550 5.7.1 Unable to relay")

    def test_no_reply_is_of_neither_within_a_transaction(self):
        """A relays for a.test, B lets this client relay: both take the recipient."""
        self.start()
        d = self.open("127.0.0.11")
        self.assertEqual(d.say("MAIL FROM:<a@src.test>")[:3], "250")
        self.load("B")
        self.assertEqual(d.say("RCPT TO:<b@a.test>")[:3], "250")
        self.load("A")
        self.assertEqual(d.say("RCPT TO:<c@a.test>")[:3], "250")
        self.assertEqual(d.say("RCPT TO:<c@ext.test>"), "550 5.7.1 Unable to relay")


class RangesFile(Case):
    """A file of ranges that is not whole at the moment of a reload changes nothing."""

    def setUp(self):
        super().setUp()
        self.ranges = os.path.join(self.folder, "hosts.txt")
        self.put("127.0.0.10\n127.0.0.20-127.0.0.29\n")
        text = config(self.spool, relay_hosts='"127.0.0.9"', domains='{ name = "ours.test"; }')
        text = text.replace('remote_ip_ranges = [ "127.0.0.9" ];', 'remote_ip_ranges_file = "hosts.txt";')
        self.running = self.relay(text)
        self.port = self.running.port()
        self.text = text.replace("127.0.0.1:0", f"127.0.0.1:{self.port}")
        self.relays("127.0.0.10", "127.0.0.20")
        self.relays("127.0.0.30", may=False)

    def put(self, text):
        with open(self.ranges, "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(self.ranges, 0o644)

    def relays(self, *clients, may=True):
        for client in clients:
            with Dialogue(self.port, source=client) as d:
                d.read()
                for line in ("EHLO client.test", "MAIL FROM:<a@src.test>"):
                    self.assertEqual(d.say(line)[:3], "250")
                self.assertRegex(d.say("RCPT TO:<b@ext.test>"), "^250 " if may else r"^550 5\.7\.1 ", client)

    def refused(self, pattern):
        before = len(self.running.events("config_fault"))
        self.assertIn(" reload_refused ", self.running.reload(self.text))
        self.assertRegex("\n".join(self.running.events("config_fault")[before:]), pattern)
        self.relays("127.0.0.10", "127.0.0.20", "127.0.0.29")
        self.relays("127.0.0.30", "127.0.0.11", may=False)

    def recovers(self):
        self.put("127.0.0.30\n")
        self.assertIn(" reloaded ", self.running.reload(self.text))
        self.relays("127.0.0.30")
        self.relays("127.0.0.10", "127.0.0.20", may=False)

    def test_it_disappears(self):
        os.unlink(self.ranges)
        self.refused(r"hosts\.txt: cannot be opened: No such file")
        self.recovers()

    def test_it_becomes_faulty(self):
        self.put("127.0.0.30\n# more\n127.0.0.31-127.0.0\n127.0.0.40\n")
        self.refused(r"hosts\.txt:3")
        self.recovers()

    def test_it_overlaps(self):
        self.put("127.0.0.30\n127.0.0.10-127.0.0.20\n0.0.0.0/0\n")
        self.refused(r"0\.0\.0\.0/0")
        self.recovers()

    def test_it_becomes_a_directory(self):
        os.unlink(self.ranges)
        os.mkdir(self.ranges)
        self.refused(r"hosts\.txt: .*(directory|plain file)")
        os.rmdir(self.ranges)
        self.recovers()

    def test_it_is_cut_to_nothing(self):
        """As an editor leaves it for a moment: a connector without a range takes nobody."""
        self.put("")
        self.refused(r"range")
        self.recovers()

    def test_it_becomes_a_pipe(self):
        """Opening it must not hold up the thread that reads signals."""
        os.unlink(self.ranges)
        os.mkfifo(self.ranges)
        self.refused(r"hosts\.txt: not a plain file")
        os.unlink(self.ranges)
        self.recovers()

    def test_anybody_may_write_to_it(self):
        self.put("127.0.0.30\n")
        os.chmod(self.ranges, 0o646)
        self.refused(r"hosts\.txt: every user may write")
        self.recovers()

    def test_it_has_a_NUL_byte(self):
        self.put("127.0.0.30\0-127.0.0.40\n")
        self.refused(r"hosts\.txt:1 .*NUL")
        self.recovers()

    def test_it_may_not_be_read(self):
        os.chmod(self.ranges, 0)
        self.refused(r"hosts\.txt: cannot be opened: Permission denied")
        self.recovers()

    def test_it_becomes_binary(self):
        with open(self.ranges, "wb") as out:
            out.write(bytes(range(256)) * 16)
        self.refused(r"hosts\.txt:")
        self.recovers()

    def test_the_configuration_disappears(self):
        os.unlink(self.running.file)
        seen = len(self.running.lines)
        self.running.signal(1)
        wait_until(lambda: any("reload_refused" in l for l in self.running.lines[seen:]), self.running.output)
        self.relays("127.0.0.10")
        self.recovers()


if __name__ == "__main__":
    main()
