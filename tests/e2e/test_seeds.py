#!/usr/bin/env python3
"""The two dialogues of an application server with Exchange, word for word: refused through the default
connector, relayed through the relay connector, and nothing but the client's address differs."""

from harness import Case, config, main, smart_host

SERVER = "e15mb1.exchange2013demo.com"
INTERNAL = '{ name = "exchange2013demo.com"; default = true; }'


class Seeds(Case):
    def start(self):
        self.next_hop = self.sink()
        text = config(self.spool, relay_hosts='"127.0.0.181"', domains=INTERNAL,
                      send=smart_host(self.next_hop.host)).replace("relay.test", SERVER)
        self.port = self.relay(text).port()

    def say(self, source, lines):
        d = self.dialogue(self.port, source=source)
        replies = [d.read()]
        replies += [d.say(line) for line in lines]
        return replies

    def test_internal_recipient_needs_no_relay_permission(self):
        self.start()
        replies = self.say("127.0.0.180", [
            "helo", "mail from: test@hotmail.com", "rcpt to: administrator@exchange2013demo.com",
            "data", "."])
        self.assertRegex(replies[0], rf"^220 {SERVER} ")
        self.assertEqual(replies[1], f"250 {SERVER} Hello [127.0.0.180]")
        self.assertEqual(replies[2], "250 2.1.0 Sender OK")
        self.assertEqual(replies[3], "250 2.1.5 Recipient OK")
        self.assertEqual(replies[4], "354 Start mail input; end with <CRLF>.<CRLF>")
        self.assertRegex(replies[5], r"^250 2\.6\.0 <.+> \[InternalId=\d+, Hostname="
                                     rf"{SERVER}\] Queued mail for delivery$")
        self.assertEqual(self.next_hop.wait(1)[0]["rcpts"], [b"administrator@exchange2013demo.com"])

    def test_external_recipient_is_refused_by_the_default_connector(self):
        self.start()
        replies = self.say("127.0.0.180", [
            "helo", "mail from: administrator@exchange2013demo.com"])
        # The default group includes Accept-Authoritative-Domain-Sender: the sender stands.
        self.assertEqual(replies[2], "250 2.1.0 Sender OK")
        replies = self.say("127.0.0.180", [
            "helo", "mail from: administrator@exchange2013demo.com",
            "rcpt to: exchangeserverpro@gmail.com"])
        self.assertEqual(replies[3], "550 5.7.1 Unable to relay")

    def test_external_recipient_is_relayed_by_the_relay_connector(self):
        self.start()
        replies = self.say("127.0.0.181", [
            "helo", "mail from: administrator@exchange2013demo.com",
            "rcpt to: exchangeserverpro@gmail.com", "data",
            "Message-ID: <3fe0353b@e15mb1>\r\nSubject: relayed\r\n\r\nHello\r\n."])
        self.assertEqual(replies[1], f"250 {SERVER} Hello [127.0.0.181]")
        self.assertEqual(replies[2], "250 2.1.0 Sender OK")
        self.assertEqual(replies[3], "250 2.1.5 Recipient OK")
        self.assertRegex(replies[5], r"^250 2\.6\.0 <3fe0353b@e15mb1> \[InternalId=\d+, Hostname="
                                     rf"{SERVER}\] Queued mail for delivery$")
        message = self.next_hop.wait(1)[0]
        self.assertEqual(message["rcpts"], [b"exchangeserverpro@gmail.com"])
        self.assertTrue(message["data"].endswith(
            b"Message-ID: <3fe0353b@e15mb1>\r\nSubject: relayed\r\n\r\nHello\r\n"))


if __name__ == "__main__":
    main()
