#!/usr/bin/env python3
"""Delivery by MX to names in a zone that NSD serves on loopback. All mail servers of the zone listen on
one port of different addresses 127.0.0.x; on 127.0.0.2 nobody does."""

import email
import os
import socket
import struct
import threading
import unittest

from harness import Case, Sink, config, find_program, free_port, main, send_mail, wait_until

ZONE = """
$ORIGIN example.
$TTL 60
@               SOA ns hostmaster 1 3600 600 86400 60
                NS  ns
ns              A   127.0.0.1
dead            A   127.0.0.2
alive           A   127.0.0.3
other           A   127.0.0.4
relay           A   127.0.0.1
both            A   127.0.0.2
                A   127.0.0.3

preferred       MX  20 other
                MX  10 alive
second          MX  10 dead
                MX  20 alive
second          A   127.0.0.4
implicit        A   127.0.0.3
nullmx          MX  0 .
                A   127.0.0.3
nowhere         MX  10 absent
                A   127.0.0.3
alias           CNAME preferred
addresses       MX  10 both
one             MX  10 alive
two             MX  10 other
loop            MX  10 relay
behind          MX  10 alive
                MX  20 relay
                MX  30 other
empty           TXT "neither MX nor A"
down            MX  10 dead
equal           MX  10 alive
                MX  10 other
*.wild          MX  10 alive
"""


NSD = """
server:
    ip-address: 127.0.0.1
    port: {port}
    server-count: 1
    do-ip6: no
    username: ""
    chroot: ""
    database: ""
    zonesdir: "{folder}"
    pidfile: "{folder}/nsd.pid"
    xfrdfile: "{folder}/xfrd.state"
    xfrdir: "{folder}"
    zonelistfile: "{folder}/zone.list"
    logfile: "{folder}/nsd.log"
remote-control:
    control-enable: no
zone:
    name: "example"
    zonefile: "example.zone"
"""


def ask_soa(port):
    """True once the name server answers for the zone."""
    question = struct.pack(">6H", 7, 0, 1, 0, 0, 0) + b"\x07example\0" + struct.pack(">2H", 6, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(0.2)
        try:
            s.connect(("127.0.0.1", port))
            s.send(question)
            reply = s.recv(512)
        except OSError:
            return False
    return len(reply) > 12 and reply[3] & 15 == 0 and reply[7] > 0


@unittest.skipUnless(find_program("nsd"), "nsd is not installed")
class Mx(Case):
    def setUp(self):
        super().setUp()
        self.name_server()
        self.alive, self.other = self.sinks("127.0.0.3", "127.0.0.4")
        self.running = self.relay(config(self.spool, send="""
{ name = "Internet"; address_spaces = [ "*" ]; dns_routing_enabled = true; }""", extra=f"""
dns = {{ servers = [ "127.0.0.1:{self.dns}" ]; dnssec_validation_enabled = false;
        allow_special_targets = true; mx_port = {self.alive.port}; }};""").replace(
            "relay.test", "relay.example"))

    def name_server(self):
        folder = os.path.join(self.folder, "nsd")
        os.mkdir(folder)
        with open(f"{folder}/example.zone", "w", encoding="utf-8") as out:
            out.write(ZONE)
        for _ in range(5):  # a port that was free may be taken by now
            self.dns = free_port(socket.SOCK_DGRAM)
            self.nsd_config = f"{folder}/nsd.conf"
            with open(self.nsd_config, "w", encoding="utf-8") as out:
                out.write(NSD.format(folder=folder, port=self.dns))
            if self.start_name_server():
                return
        raise AssertionError("NSD does not start: " + self.server.output())

    def start_name_server(self):
        """True once it answers."""
        self.server = self.program([find_program("nsd"), "-d", "-c", self.nsd_config])
        return wait_until(lambda: ask_soa(self.dns) or not self.server.running(), "NSD to answer") and \
            self.server.running()

    def sinks(self, *hosts):
        """A sink on each of HOSTS, all on one port, which is closed on 127.0.0.2."""
        for _ in range(20):
            made = []
            try:
                made.append(Sink(host=hosts[0]))
                made += [Sink(host=h, port=made[0].port) for h in hosts[1:]]
                with socket.create_server(("127.0.0.2", made[0].port)):
                    pass
            except OSError:
                for sink in made:
                    sink.close()
                continue
            for sink in made:
                self.addCleanup(sink.close)
            return made
        raise AssertionError("no port is free on all of " + ", ".join(hosts))

    def send(self, *rcpts, sender="a@one.example"):
        send_mail(self.running.port(), sender=sender, rcpts=rcpts,
                  data=b"Subject: by MX\r\n\r\nfor " + ",".join(rcpts).encode() + b"\r\n")

    def got(self, sink, rcpt):
        message = sink.wait(1)[0]
        self.assertEqual(message["rcpts"], [rcpt.encode()])
        return message

    def report(self, rcpt, status):
        """The sender lives at one.example: its sink gets the report."""
        message = self.alive.wait(1)[0]
        self.assertEqual((message["sender"], message["rcpts"]), (b"", [b"a@one.example"]))
        fields = email.message_from_bytes(message["data"])
        self.assertEqual(fields.get_content_type(), "multipart/report")
        about = fields.get_payload()[1].get_payload()[1]
        self.assertEqual(about["Final-Recipient"], f"rfc822; {rcpt}")
        self.assertEqual(about["Action"], "failed")
        self.assertRegex(about["Status"], status)

    def test_C092_lowest_preference_first(self):
        for i in range(3):
            self.send(f"b{i}@preferred.example")
        self.alive.wait(3)
        self.assertEqual(self.other.messages, [])

    def test_C093_first_host_dead_second_alive(self):
        self.send("b@second.example")
        self.got(self.alive, "b@second.example")
        self.assertEqual(self.other.messages, [], "C-091: the domain's own A is not used")

    def test_C093_every_address_of_a_host(self):
        self.send("b@addresses.example")
        self.got(self.alive, "b@addresses.example")

    def test_C087_cname_followed(self):
        self.send("b@alias.example")
        self.got(self.alive, "b@alias.example")

    def test_C090_implicit_mx(self):
        self.send("b@implicit.example")
        self.got(self.alive, "b@implicit.example")

    def test_C096_address_literal(self):
        self.send("b@[127.0.0.4]")
        self.got(self.other, "b@[127.0.0.4]")

    def test_wildcard_mx(self):
        self.send("b@any.where.wild.example")
        self.got(self.alive, "b@any.where.wild.example")

    def test_two_domains_to_two_servers(self):
        self.send("b@one.example", "b@two.example")
        self.got(self.alive, "b@one.example")
        self.got(self.other, "b@two.example")

    def test_C098_null_mx_is_reported(self):
        self.send("b@nullmx.example")
        self.report("b@nullmx.example", r"^5\.1\.10$")

    def test_C088_nxdomain_is_reported(self):
        self.send("b@absent.example")
        self.report("b@absent.example", r"^5\.1\.2$")

    def test_C097_mx_to_nowhere_is_reported(self):
        self.send("b@nowhere.example")
        self.report("b@nowhere.example", r"^5\.[14]\.\d+$")

    def test_neither_mx_nor_address_is_reported(self):
        self.send("b@empty.example")
        self.report("b@empty.example", r"^5\.[14]\.\d+$")

    def test_C094_mx_that_is_ourselves_is_reported(self):
        self.send("b@loop.example")
        self.report("b@loop.example", r"^5\.4\.6$")

    def test_C094_hosts_behind_ourselves_are_not_used(self):
        self.send("b@behind.example")
        self.got(self.alive, "b@behind.example")
        self.assertEqual(self.other.messages, [])

    def test_C092_equal_preferences_share(self):
        sent = 0
        while not (self.alive.messages and self.other.messages):
            self.assertLess(sent, 60, "one of two equal servers got everything")
            self.send(f"b{sent}@equal.example")
            sent += 1
            wait_until(lambda: len(self.alive.messages) + len(self.other.messages) >= sent,
                       self.running.output)
            # An idle connection would be used again: a new choice needs a new one.
            self.drop_connections()

    def drop_connections(self):
        for sink in (self.alive, self.other):
            for conn in list(sink.sockets):
                try:
                    conn.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            wait_until(lambda s=sink: not s.sockets, "the sink's connections to close")

    def test_all_hosts_dead_then_alive(self):
        self.send("b@down.example")
        self.running.wait_event("destination_waiting", "down.example")
        late = self.late_sink()
        self.got(late, "b@down.example")

    def late_sink(self):
        sink = Sink(host="127.0.0.2", port=self.alive.port)
        self.addCleanup(sink.close)
        return sink

    def test_C089_a_failing_name_server_is_not_a_refusal(self):
        self.server.stop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as failing:
            failing.bind(("127.0.0.1", self.dns))
            thread = threading.Thread(target=self.answer_servfail, args=(failing,), daemon=True)
            thread.start()
            self.send("b@one.example")
            wait_until(lambda: self.running.events("message_deferred") or
                       self.running.events("destination_waiting"), self.running.output)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
                end.sendto(b"", ("127.0.0.1", self.dns))
            thread.join(10)
        self.assertEqual(self.running.events("message_failed"), [])
        self.assertTrue(self.start_name_server())
        self.got(self.alive, "b@one.example")

    @staticmethod
    def answer_servfail(sock):
        while True:
            question, who = sock.recvfrom(4096)
            if not question:
                return
            head = question[:2] + bytes([0x80 | question[2] & 0x79, 0x82]) + question[4:6] + bytes(6)
            end = question.index(0, 12) + 5
            sock.sendto(head + question[12:end], who)


if __name__ == "__main__":
    main()
