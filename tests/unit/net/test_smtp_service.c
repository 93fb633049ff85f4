/* The session on a real socket: batches, waiting for answers, time, and every way to end. */
#include "smtp_service_rig.h"

#include <malloc.h>
#include <sys/socket.h>
#include <unistd.h>

static void test_message(void)
{
    service_new();
    service_start(NULL);
    service_hello();
    service_say("MAIL FROM:<a@b>\r\n", 1, "250 2.1.0");
    service_say("RCPT TO:<c@d>\r\n", 1, "250 2.1.5");
    service_say("DATA\r\n", 1, "354 ");
    service_say("Subject: x\r\n\r\ny\r\n.\r\n", 1, "250 2.6.0");
    CHECK_U64(rig.octets, 17);
    service_say("QUIT\r\n", 1, "221 2.0.0");
    service_turn(0);
    CHECK(rig.eof && rig.closed == 1);
    CHECK(rig.helo_seen_at_close);
    CHECK_U64(rig.aborts, 0);
    service_done();
}

static void test_refusal(void)
{
    struct mail_status busy = MAIL_STATUS(421, 4, 3, 2, "Service not available");
    service_new();
    service_start(&busy);
    service_turn(0);
    CHECK_STR(rig.got, "421 Service not available\r\n");
    CHECK(rig.eof && rig.closed == 1);
    service_done();
}

static void test_pipelined_while_waiting(void)
{
    service_new();
    rig.later = QUESTION_END;
    service_start(NULL);
    service_ehlo();
    service_say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", 3, "250 2.1.0");
    service_forget();
    service_send("x\r\n.\r\nMAIL FROM:<e@f>\r\nRCPT TO:<g@h>\r\nDATA\r\n");
    service_turn(0);
    CHECK_STR(rig.got, "");
    CHECK_U64(rig.commits, 1);
    CHECK_U64(rig.mails, 1);
    smtp_service_answer(rig.service, &rig.waiting);
    service_turn(4);
    CHECK_STR(rig.got, "250 2.6.0 Queued mail for delivery\r\n250 2.1.0 Sender OK\r\n"
                       "250 2.1.5 Recipient OK\r\n"
                       "354 Start mail input; end with <CRLF>.<CRLF>\r\n");
    CHECK_U64(rig.mails, 2);
    service_forget();
    service_send("y\r\n.\r\n");
    service_turn(0);
    smtp_service_answer(rig.service, &rig.waiting);
    service_turn(1);
    CHECK_STR(rig.got, "250 2.6.0 Queued mail for delivery\r\n");
    service_done();
    CHECK_U64(rig.aborts, 0);
}

static void test_answer_later(void)
{
    service_new();
    rig.later = QUESTION_MAIL;
    service_start(NULL);
    service_hello();
    service_forget();
    service_send("MAIL FROM:<a@b>\r\n");
    service_turn(0);
    CHECK_STR(rig.got, "");
    smtp_service_answer(rig.service, &rig.waiting);
    service_turn(1);
    CHECK_STR(rig.got, "250 2.1.0 Sender OK\r\n");
    service_say("RCPT TO:<c@d>\r\n", 1, "250 2.1.5");
    service_done();
    CHECK_U64(rig.aborts, 1);
}

static void test_lost(void)
{
    service_new();
    service_start(NULL);
    service_hello();
    service_say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", 3, "250 2.1.0");
    service_send("half");
    CHECK(close(rig.client) == 0);
    rig.client = -1;
    service_turn(0);
    CHECK_U64(rig.closed, 1);
    CHECK_U64(rig.aborts, 1);
    CHECK_U64(rig.commits, 0);
    CHECK(rig.reason != ERR_OK);
    service_done();
}

static void test_lost_while_waiting(void)
{
    service_new();
    rig.later = QUESTION_END;
    service_start(NULL);
    service_hello();
    service_say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", 3, "250 2.1.0");
    service_send(".\r\n");
    service_turn(0);
    CHECK_U64(rig.commits, 1);
    CHECK(close(rig.client) == 0);
    rig.client = -1;
    service_turn(0);
    CHECK_U64(rig.closed, 1);
    CHECK_U64(rig.aborts, 1);
    service_done();
}

static void test_timeouts(void)
{
    unit_row("inactivity");
    service_new();
    service_start(NULL);
    service_hello();
    clock_virtual_advance(200000);
    service_say("NOOP\r\n", 1, "250");
    service_forget();
    clock_virtual_advance(200000); /* the timer fires where it stood: too early, and waits on */
    service_turn(0);
    CHECK_STR(rig.got, "");
    clock_virtual_advance(100001);
    service_turn(0);
    CHECK_STR(rig.got, "451 4.7.0 Timeout waiting for client input\r\n");
    CHECK(rig.eof && rig.closed == 1);
    service_done();

    unit_row("in the text");
    service_new();
    service_start(NULL);
    service_hello();
    service_say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", 3, "250 2.1.0");
    service_forget();
    clock_virtual_advance(300001);
    service_turn(0);
    CHECK_STR(rig.got, "451 4.7.0 Timeout waiting for client input\r\n");
    CHECK_U64(rig.aborts, 1);
    service_done();

    unit_row("never while a message is being committed");
    service_new();
    rig.later = QUESTION_END;
    service_start(NULL);
    service_hello();
    service_say("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n", 3, "250 2.1.0");
    service_forget();
    service_send(".\r\n");
    service_turn(0);
    clock_virtual_advance(900000);
    service_turn(0);
    CHECK_STR(rig.got, "");
    smtp_service_answer(rig.service, &rig.waiting);
    service_turn(0);
    CHECK_STR(rig.got, "250 2.6.0 Queued mail for delivery\r\n"
                       "421 4.4.2 Connection timeout, closing transmission channel\r\n");
    CHECK(rig.eof && rig.closed == 1);
    service_done();
}

static void test_shutdown(void)
{
    service_new();
    service_start(NULL);
    service_hello();
    service_forget();
    smtp_service_shutdown(rig.service);
    smtp_service_shutdown(rig.service);
    service_turn(0);
    CHECK_STR(rig.got, "421 4.3.2 Service not available, closing transmission channel\r\n");
    CHECK(rig.eof && rig.closed == 1);
    service_done();

    unit_row("from within a callback");
    service_new();
    rig.shutdown_in_mail = true;
    service_start(NULL);
    service_hello();
    service_say("MAIL FROM:<a@b>\r\n", 2, "250 2.1.0 Sender OK\r\n421 4.3.2");
    service_turn(0);
    CHECK_U64(rig.closed, 1);
    CHECK_U64(rig.aborts, 1);
    service_done();
}

static void test_abort(void)
{
    unit_row("from outside: at once");
    service_new();
    service_start(NULL);
    service_hello();
    service_say("MAIL FROM:<a@b>\r\n", 1, "250");
    smtp_service_abort(rig.service);
    CHECK_U64(rig.closed, 1);
    CHECK_U64(rig.aborts, 1);
    service_turn(0);
    CHECK(rig.eof);
    service_done();

    unit_row("from within a callback: when it has returned");
    service_new();
    rig.abort_in_mail = true;
    service_start(NULL);
    service_hello();
    service_send("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n");
    service_turn(0);
    CHECK(rig.eof && rig.closed == 1);
    CHECK_U64(rig.aborts, 1);
    service_done();
}

/* A peer that sends and never reads is not read for ever either. */
static void test_peer_does_not_read(void)
{
    static char line[] = "RCPT TO:<c@d.example>\r\n";
    size_t sent = 0, idle = 0;
    service_new();
    rig.settings.rcpts_max = 1;
    service_start(NULL);
    service_hello();
    service_say("MAIL FROM:<a@b>\r\n", 1, "250");
    while (sent < 64u << 20 && idle < 100) {
        ssize_t n = send(rig.client, line, sizeof line - 1, MSG_NOSIGNAL);
        idle = n == (ssize_t)sizeof line - 1 ? 0 : idle + 1;
        sent += n > 0 ? (size_t)n : 0;
        if (n != (ssize_t)sizeof line - 1)
            while (loop_turn(rig.loop, 0))
                continue;
    }
    CHECK(sent < 64u << 20);
    CHECK_U64(rig.closed, 0);
    service_forget();
    for (unsigned i = 0; i < 20 || rig.got_len; i++) { /* it reads at last: all goes on */
        service_forget();
        service_turn(1);
    }
    clock_virtual_advance(300001);
    service_turn(0);
    CHECK_U64(rig.closed, 1);
    service_done();
}

static void test_idle_memory(void)
{
    enum { COUNT = 100 };
    static struct smtp_server *sessions[COUNT];
    struct smtp_server_facts facts = {.session_id = 1};
    service_new();
    size_t before = mallinfo2().uordblks;
    for (size_t i = 0; i < COUNT; i++) {
        sessions[i] = smtp_server_new(&rig.settings, &facts, &service_ops, NULL);
        smtp_server_greet(sessions[i], NULL);
        CHECK(smtp_server_input(sessions[i], BYTES("HELO x.example\r\n")) == 16);
        CHECK(smtp_server_input(sessions[i], BYTES("MAIL FROM:<a@b>\r\nRSET\r\n")) == 23);
        buf_free(smtp_server_output(sessions[i]));
    }
    CHECK((mallinfo2().uordblks - before) / COUNT < 1280); /* nothing counted under a sanitizer */
    for (size_t i = 0; i < COUNT; i++)
        smtp_server_free(&sessions[i]);
    service_start(NULL);
    service_done();
}

UNIT_MAIN("net/smtp_service", {"a message", test_message}, {"a refusal", test_refusal},
          {"pipelined commands wait for the answer", test_pipelined_while_waiting},
          {"an answer that comes later", test_answer_later}, {"a lost client", test_lost},
          {"a client lost while its message is committed", test_lost_while_waiting},
          {"timeouts", test_timeouts}, {"shutdown", test_shutdown}, {"abort", test_abort},
          {"a peer that does not read", test_peer_does_not_read},
          {"an idle session is small", test_idle_memory})
