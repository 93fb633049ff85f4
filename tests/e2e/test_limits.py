#!/usr/bin/env python3
"""Limits of a receive connector on what one source, and all of them, may do at a time."""

from harness import MANY, Case, config, main, smart_host, wait_until


class Limits(Case):
    def port_with(self, settings):
        self.next_hop = self.sink()
        text = config(self.spool, send=smart_host(self.next_hop.host)).replace(MANY, settings)
        self.relay_process = self.relay(text)
        return self.relay_process.port()

    def greetings(self, port, count, source="127.0.0.1"):
        """One after the other: the workers share the connections, each in its own time."""
        return [self.dialogue(port, source=source).read() for _ in range(count)]

    def test_sessions_of_one_source(self):
        port = self.port_with("max_inbound_connection_per_source = 3;")
        replies = self.greetings(port, 4)
        self.assertEqual([r[:3] for r in replies], ["220", "220", "220", "421"])
        self.assertEqual(replies[3], "421 4.3.2 The maximum number of concurrent server connections has "
                                     "exceeded a per-source limit, closing transmission channel")
        self.assertRegex(self.relay_process.wait_line("connection_refused").string,
                         r"limit=max_inbound_connection_per_source value=3")
        # Another source has its own count, and a session that ends makes room.
        self.assertEqual(self.greetings(port, 1, "127.0.0.2")[0][:3], "220")

    def test_a_session_that_ends_makes_room(self):
        port = self.port_with("max_inbound_connection_per_source = 1;")
        first = self.dialogue(port)
        self.assertEqual(first.read()[:3], "220")
        self.assertEqual(first.say("QUIT")[:3], "221")
        self.assertTrue(first.closed())

        def again():
            d = self.dialogue(port)
            return d.read()[:3] == "220"
        wait_until(again, "room for another session")

    def test_the_default_is_twenty(self):
        replies = self.greetings(self.port_with(""), 21)
        self.assertEqual([r[:3] for r in replies], ["220"] * 20 + ["421"])

    def test_percentage_of_what_is_free(self):
        port = self.port_with("max_inbound_connection = 100; "
                              "max_inbound_connection_percentage_per_source = 5;")
        replies = self.greetings(port, 6)
        self.assertEqual([r[:3] for r in replies].count("220"), 5)
        self.assertEqual(replies[5][:3], "421")

    def test_sessions_in_all(self):
        port = self.port_with("max_inbound_connection = 2; max_inbound_connection_per_source = 2; "
                              "max_inbound_connection_percentage_per_source = 100;")
        replies = self.greetings(port, 3)
        self.assertEqual(replies[2], "421 4.3.2 The maximum number of concurrent connections has exceeded a "
                                     "limit, closing transmission channel")

    def counted(self, settings, attempts):
        """The first digit of the reply to MAIL of each (source, sender)."""
        port = self.port_with("message_rate_limit = 2; " + settings)
        replies = []
        for source, sender in attempts:
            with self.dialogue(port, source=source) as d:
                d.read()
                d.say("EHLO client.test")
                replies.append(d.say(f"MAIL FROM:<{sender}>")[:1])
        return "".join(replies)

    def test_messages_a_minute_of_a_sender(self):
        self.assertEqual(self.counted('message_rate_source = "User";',
                                      [("127.0.0.2", "a@src.test"), ("127.0.0.3", "A@src.test"),
                                       ("127.0.0.2", "a@src.test"), ("127.0.0.2", "b@src.test")]),
                         "2242")

    def test_messages_a_minute_of_all(self):
        self.assertEqual(self.counted('message_rate_source = "All";',
                                      [("127.0.0.2", "a@src.test"), ("127.0.0.3", "b@src.test"),
                                       ("127.0.0.4", "c@src.test")]), "224")

    def test_messages_a_minute_without_a_source(self):
        self.assertEqual(self.counted('message_rate_source = "None";',
                                      [("127.0.0.2", "a@src.test")] * 3), "222")

    def test_messages_a_minute(self):
        port = self.port_with("message_rate_limit = 2;")
        d = self.dialogue(port)
        d.read()
        d.say("EHLO x")
        for _ in range(2):
            self.assertEqual(d.say("MAIL FROM:<a@src.test>")[:3], "250")
            self.assertEqual(d.say("RSET")[:3], "250")
        self.assertEqual(d.say("MAIL FROM:<a@src.test>"),
                         "421 4.4.2 Message submission rate for this client has exceeded the configured "
                         "limit")
        self.assertTrue(d.closed())


if __name__ == "__main__":
    main()
