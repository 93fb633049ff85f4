/* The printed dialogues, TLS, time, and what the owner may do. */
#include "smtp_server_rig.h"

/* ---- the printed dialogues -------------------------------------------------------------- */

static void test_dialogue(void)
{
    struct rig *r = rig_new();
    rig_start(r);
    rig_send(r, BYTES("helo\r\n"));
    CHECK_BYTES(rig_output(r), BYTES("250 relay.example Hello [192.0.2.1]\r\n"));
    buf_clear(smtp_server_output(r->s));
    rig_send(r, BYTES("mail from: test@hotmail.example\r\n"));
    CHECK_BYTES(rig_output(r), BYTES("250 2.1.0 Sender OK\r\n"));
    buf_clear(smtp_server_output(r->s));
    rig_send(r, BYTES("rcpt to: administrator@exchange.example\r\n"));
    CHECK_BYTES(rig_output(r), BYTES("250 2.1.5 Recipient OK\r\n"));
    buf_clear(smtp_server_output(r->s));
    rig_send(r, BYTES("data\r\n"));
    CHECK_BYTES(rig_output(r), BYTES("354 Start mail input; end with <CRLF>.<CRLF>\r\n"));
    buf_clear(smtp_server_output(r->s));
    r->on_end = rig_status(250, 2, 6, 0, "<x@y> [InternalId=1] Queued mail for delivery");
    rig_send(r, BYTES(".\r\n"));
    CHECK_BYTES(rig_output(r),
                BYTES("250 2.6.0 <x@y> [InternalId=1] Queued mail for delivery\r\n"));
    buf_clear(smtp_server_output(r->s));
    rig_say(r, "mail from: test@hotmail.example\r\n", "250 2.1.0 Sender OK");
    r->on_rcpt = rig_status(550, 5, 7, 1, "Unable to relay");
    rig_send(r, BYTES("rcpt to: someone@else.example\r\n"));
    CHECK_BYTES(rig_output(r), BYTES("550 5.7.1 Unable to relay\r\n"));
    CHECK_U64(r->refusals, 0); /* its own refusals the owner knows */
    rig_done(r);
}

static void test_greetings(void)
{
    struct rig *r = rig_new();
    r->settings.banner = BYTES("220 mail.example at your service");
    rig_start_refused(r, NULL);
    CHECK_BYTES(rig_output(r), BYTES("220 mail.example at your service\r\n"));
    rig_done(r);

    r = rig_new();
    r->settings.require_ehlo_domain = true;
    rig_start(r);
    rig_say(r, "EHLO\r\n", "501 5.5.4 Invalid domain name");
    CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE);
    rig_done(r);

    r = rig_new();
    r->settings.extensions = 0;
    r->settings.message_size_max = UINT64_MAX;
    rig_start(r);
    rig_send(r, BYTES("EHLO x\r\n"));
    CHECK_BYTES(rig_output(r), BYTES("250 relay.example Hello [192.0.2.1]\r\n"));
    rig_send(r, BYTES("FOO\r\n"));
    CHECK(bytes_ends_nocase(rig_output(r), BYTES("]\r\n500 Unrecognized command\r\n")));
    rig_done(r);
}

/* ---- T: TLS ----------------------------------------------------------------------------- */

static const struct tls_info info = {.version = "TLSv1.3", .cipher = "X", .bits = 256};

/* T-01 */
static void test_starttls_injection(void)
{
    struct rig *r = rig_new();
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    rig_say(r, "STARTTLS\r\nRSET\r\n", "554 5.5.0");
    CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE);
    rig_done(r);

    unit_row("what came later, before the handshake");
    r = rig_new();
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    CHECK_U64(rig_send(r, BYTES("STARTTLS\r\n")), 0);
    CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_HANDSHAKE);
    CHECK_U64(smtp_server_input(r->s, BYTES("RSET\r\n")), 0);
    smtp_server_tls_refused(r->s);
    rig_expect(r, "554 5.5.0");
    CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE);
    rig_done(r);
}

/* T-05, T-06, C-127, C-128 */
static void test_starttls(void)
{
    struct rig *r = rig_new();
    rig_start(r);
    rig_say(r, "STARTTLS\r\n", "503 5.5.2");
    rig_to_rcpt(r);
    rig_say(r, "STARTTLS\r\n", "503 5.5.1");
    rig_say(r, "DATA\r\n", "354");
    rig_say(r, ".\r\n", "250");
    rig_say(r, "STARTTLS now\r\n", "501 5.5.4");
    rig_say(r, "STARTTLS\r\n", "220 2.0.0 SMTP server ready");
    smtp_server_tls_started(r->s, &info);
    CHECK_U64(r->tls, 1);
    const struct smtp_server_facts *facts = smtp_server_facts(r->s);
    CHECK_STR(facts->tls->version, "TLSv1.3");
    CHECK_U64(facts->helo.len, 0);
    CHECK(!facts->esmtp);
    rig_say(r, RIG_MAIL, "503 5.5.2 Send hello first");
    rig_send(r, BYTES(RIG_EHLO));
    CHECK(!memmem(rig_output(r).ptr, rig_output(r).len, "STARTTLS", 8));
    buf_clear(smtp_server_output(r->s));
    rig_say(r, "STARTTLS\r\n", "503 5.5.1 TLS is already active");
    rig_say(r, RIG_MAIL, "250");
    rig_done(r);

    unit_row("not offered");
    r = rig_new();
    r->settings.extensions &= ~(unsigned)SMTP_EXTENSION_STARTTLS;
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    rig_say(r, "STARTTLS\r\n", "502 5.5.1");
    rig_done(r);
}

/* C-130 */
static void test_require_tls(void)
{
    static const struct {
        const char *line, *reply;
    } rows[] = {
        {RIG_EHLO, "*"},         {RIG_MAIL, "530 5.7.0 Must issue a STARTTLS command first"},
        {RIG_RCPT, "530 5.7.0"}, {"DATA\r\n", "530 5.7.0"},
        {"VRFY x\r\n", "530"},   {"BDAT 6\r\nQUIT\r\n", "530 5.7.0"},
        {"NOOP\r\n", "250"},     {"RSET\r\n", "250"},
        {"HELP\r\n", "214"},     {"STARTTLS\r\n", "220"},
    };
    struct rig *r = rig_new();
    r->settings.require_tls = true;
    rig_start(r);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].line);
        rig_say(r, rows[i].line, rows[i].reply);
    }
    smtp_server_tls_started(r->s, &info);
    rig_say(r, RIG_EHLO, "*");
    rig_say(r, RIG_MAIL, "250");
    rig_done(r);
}

/* ---- time ------------------------------------------------------------------------------- */

static void expect_timeout(struct rig *r, uint64_t in_ms, const char *reply)
{
    CHECK_U64(smtp_server_deadline_ms(r->s), clock_mono_ms() + in_ms);
    clock_virtual_advance(in_ms);
    smtp_server_timeout(r->s);
    rig_expect(r, reply);
    CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE);
}

static void test_timeouts(void)
{
    unit_row("R-01 a command in pieces has one deadline");
    struct rig *r = rig_new();
    rig_start(r);
    for (unsigned i = 0; i < 9; i++) {
        rig_say(r, "E", "");
        clock_virtual_advance(30000);
    }
    expect_timeout(r, 30000, "451 4.7.0 Timeout waiting for client input");
    rig_done(r);

    unit_row("the whole session");
    r = rig_new();
    rig_start(r);
    for (unsigned i = 0; i < 3; i++) {
        clock_virtual_advance(190000);
        rig_say(r, "NOOP\r\n", "250");
    }
    expect_timeout(r, 30000, "421 4.4.2");
    rig_done(r);

    unit_row("text: each piece is given its time");
    r = rig_new();
    rig_start(r);
    rig_to_data(r);
    clock_virtual_advance(200000);
    rig_say(r, "x", "");
    expect_timeout(r, 300000, "451 4.7.0");
    CHECK_U64(r->aborts, 1);
    rig_done(r);

    unit_row("no deadline while the owner has the message");
    r = rig_new();
    rig_start(r);
    rig_to_data(r);
    r->later = r->hold = true;
    rig_say(r, ".\r\n", "");
    CHECK_U64(smtp_server_deadline_ms(r->s), UINT64_MAX);
    clock_virtual_advance(1000000);
    smtp_server_timeout(r->s);
    rig_expect(r, "");
    r->open = false;
    rig_answer(r);
    rig_expect(r, "250 2.6.0");
    rig_done(r);

    unit_row("T-08 the handshake, and nothing in clear after it");
    r = rig_new();
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    rig_say(r, "STARTTLS\r\n", "220");
    expect_timeout(r, 30000, "");
    rig_done(r);
}

static void test_data_rate(void)
{
    struct rig *r = rig_new();
    char *kilobyte = mem_zalloc(1000);
    memset(kilobyte, 'x', 1000);
    r->settings.min_data_rate_bytes_s = 500;
    rig_start(r);
    rig_to_data(r);
    unit_row("fast enough");
    for (unsigned i = 0; i < 50; i++) {
        rig_send(r, bytes_make(kilobyte, 1000));
        clock_virtual_advance(1000);
        smtp_server_timeout(r->s);
        rig_expect(r, "");
    }
    unit_row("50,000 octets were good for 100 s");
    expect_timeout(r, 50000, "451 4.7.0");
    rig_done(r);

    unit_row("in a chunk, one octet a second");
    r = rig_new();
    r->settings.min_data_rate_bytes_s = 500;
    rig_start(r);
    rig_to_rcpt(r);
    rig_say(r, "BDAT 1000\r\n", "");
    for (unsigned i = 0; i < 29; i++) {
        clock_virtual_advance(1000);
        rig_say(r, "x", "");
    }
    expect_timeout(r, 1000, "451 4.7.0");
    mem_free(kilobyte);
    rig_done(r);
}

static void test_shutdown(void)
{
    struct rig *r = rig_new();
    rig_start(r);
    rig_to_data(r);
    rig_say(r, "half a mess", "");
    smtp_server_shutdown(r->s);
    rig_expect(r, "421 4.3.2");
    CHECK_U64(r->aborts, 1);
    rig_done(r);

    unit_row("after the answer about a recipient");
    r = rig_new();
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    rig_say(r, RIG_MAIL, "250");
    r->later = r->hold = true;
    rig_say(r, RIG_RCPT, "");
    smtp_server_shutdown(r->s);
    rig_expect(r, "");
    rig_answer(r);
    rig_expect(r, "250 2.1.5\n421 4.3.2");
    CHECK_U64(r->aborts, 1);
    rig_done(r);

    unit_row("a handshake ends in silence");
    r = rig_new();
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    rig_say(r, "STARTTLS\r\n", "220");
    smtp_server_shutdown(r->s);
    rig_expect(r, "");
    CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE);
    rig_done(r);
}

/* ---- the owner -------------------------------------------------------------------------- */

static void test_owner_says_421(void)
{
    struct rig *r = rig_new();
    r->on_mail = rig_status(421, 4, 4, 2, "Rate");
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    rig_say(r, RIG_MAIL, "421 4.4.2 Rate");
    CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE);
    CHECK_U64(r->aborts, 0);
    rig_done(r);

    r = rig_new();
    r->on_end = rig_status(421, 4, 3, 0, "Gone");
    rig_start(r);
    rig_to_data(r);
    rig_say(r, ".\r\n", "421 4.3.0 Gone");
    CHECK_U64(r->aborts, 1);
    rig_done(r);
}

static void test_text_refused(void)
{
    struct rig *r = rig_new();
    r->on_text = rig_status(554, 5, 4, 6, "Hop count exceeded - possible mail loop");
    rig_start(r);
    rig_to_data(r);
    rig_say(r, "a\r\nb\r\n", "");
    rig_say(r, "QUIT\r\n.\r\n", "554 5.4.6 Hop count exceeded");
    CHECK_U64(r->ends, 0);
    CHECK_U64(r->aborts, 1);
    CHECK_BYTES(buf_bytes(&r->text), BYTES("a\r\nb\r\n")); /* asked no more after its no */
    rig_done(r);
}

static void test_begin_refused(void)
{
    struct rig *r = rig_new();
    r->on_begin = rig_status(452, 4, 3, 1, "Insufficient system resources");
    rig_start(r);
    rig_to_rcpt(r);
    rig_say(r, "DATA\r\n", "452 4.3.1");
    CHECK_U64(r->aborts, 1);
    r->on_begin = rig_status(0, 0, 0, 0, "");
    rig_say(r, RIG_MAIL, "250");
    rig_done(r);
}

static void test_facts(void)
{
    struct rig *r = rig_new();
    rig_start(r);
    const struct smtp_server_facts *facts = smtp_server_facts(r->s);
    CHECK_U64(facts->session_id, 7);
    CHECK_STR(smtp_server_state_phrase(r->s), "awaiting EHLO");
    rig_say(r, RIG_EHLO, "*");
    CHECK_BYTES(facts->helo, BYTES("client.example"));
    CHECK(facts->esmtp && !facts->envelope);
    CHECK_BYTES(facts->phrase, BYTES("awaiting MAIL"));
    rig_say(r, RIG_MAIL, "250");
    CHECK_BYTES(facts->phrase, BYTES("awaiting RCPT"));
    rig_say(r, RIG_RCPT, "250");
    CHECK_BYTES(facts->phrase, BYTES("awaiting DATA"));
    CHECK_U64(facts->envelope->rcpt_count, 1);
    rig_say(r, "RSET\r\n", "250");
    CHECK(!facts->envelope);
    rig_say(r, "HELO\r\n", "250");
    CHECK_U64(facts->helo.len, 0);
    rig_say(r, "FOO bar\r\n", "500");
    CHECK_BYTES(buf_bytes(&r->refused), BYTES("FOO 500\n"));
    rig_done(r);
}

UNIT_MAIN("net/smtp_server", {"the printed dialogues", test_dialogue},
          {"banners and greetings", test_greetings},
          {"T-01 bytes behind STARTTLS", test_starttls_injection},
          {"T-05 T-06 STARTTLS", test_starttls}, {"C-130 TLS required", test_require_tls},
          {"timeouts", test_timeouts}, {"minimum data rate", test_data_rate},
          {"C-029 shutdown", test_shutdown}, {"421 from the owner", test_owner_says_421},
          {"text refused by the owner", test_text_refused},
          {"DATA refused by the owner", test_begin_refused}, {"facts and phrases", test_facts})
