/* The statements of RFC 5321 about a server. */
#include <stdio.h>
#include <ctype.h>

#include "smtp_server_statements.h"

static void banner(struct rig *r)
{
    rig_start_refused(r, NULL);
    CHECK(bytes_starts_nocase(rig_output(r),
                              BYTES("220 relay.example ESMTP Mailrace service ready at ")));
    CHECK(bytes_ends_nocase(rig_output(r), BYTES("\r\n")));
}

static void early_talker(struct rig *r)
{
    struct smtp_server_facts facts = {.session_id = 1};
    r->s = smtp_server_new(&r->settings, &facts, &rig_ops, r);
    rig_say(r, "EHLO x\r\nMAIL FROM:<a@b>\r\n", "554 5.5.0");
    CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE);
    smtp_server_greet(r->s, NULL);
    rig_expect(r, "");
    CHECK_U64(r->mails, 0);
}

static void banner_554(struct rig *r)
{
    struct mail_status no = rig_status(554, 5, 7, 1, "No service");
    rig_start_refused(r, &no);
    rig_expect(r, "554 No service");
    rig_say(r, RIG_EHLO, "503 ");
    rig_say(r, RIG_MAIL, "503 ");
    CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_INPUT);
    rig_say(r, "QUIT\r\n", "221 ");
    CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE);
}

static void banner_521(struct rig *r)
{
    struct mail_status no = rig_status(521, 5, 3, 2, "Never");
    rig_start_refused(r, &no);
    rig_expect(r, "521 Never");
    CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE);
}

static void banner_421(struct rig *r)
{
    struct mail_status busy = rig_status(421, 4, 3, 2, "Busy");
    rig_start_refused(r, &busy);
    rig_expect(r, "421 Busy");
    CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE);
}

static void ehlo_lines(struct rig *r)
{
    rig_start(r);
    rig_send(r, BYTES(RIG_EHLO));
    CHECK_BYTES(rig_output(r),
                BYTES("250-relay.example Hello [192.0.2.1]\r\n250-SIZE 1000000\r\n"
                      "250-PIPELINING\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n250-STARTTLS\r\n"
                      "250-8BITMIME\r\n250-CHUNKING\r\n250 SMTPUTF8\r\n"));
}

static void helo_line(struct rig *r)
{
    rig_start(r);
    rig_send(r, BYTES("HELO client.example\r\n"));
    CHECK_BYTES(rig_output(r), BYTES("250 relay.example Hello [192.0.2.1]\r\n"));
}

static void local_part_case(struct rig *r)
{
    rig_start(r);
    rig_say(r, "eHlO x.example\r\n", "*");
    rig_say(r, "mAiL fRoM:<MiXed@b.example> sIzE=10\r\n", "250 ");
    rig_say(r, "rcpt to:<\"Quo ted\"@D.example>\r\n", "250 ");
    rig_say(r, "data\r\n", "354 ");
    rig_say(r, "x\r\n.\r\n", "250 ");
    CHECK_BYTES(r->envelope.sender, BYTES("MiXed@b.example"));
    CHECK_BYTES(r->envelope.rcpts[0].address, BYTES("\"Quo ted\"@D.example"));
    CHECK_U64(r->envelope.size_declared, 10);
}

static void source_route(struct rig *r)
{
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    rig_say(r, "MAIL FROM:<@x.example,@y.example:a@b.example>\r\n", "250 ");
    rig_say(r, "RCPT TO:<@z.example:c@d.example>\r\n", "250 ");
    CHECK_BYTES(r->last_domain, BYTES("d.example"));
    rig_say(r, "DATA\r\n", "354 ");
    rig_say(r, ".\r\n", "250 ");
    CHECK_BYTES(r->envelope.sender, BYTES("a@b.example"));
    CHECK_BYTES(r->envelope.rcpts[0].address, BYTES("c@d.example"));
}

static void postmaster(struct rig *r)
{
    rig_start(r);
    rig_say(r, RIG_EHLO RIG_MAIL, "*");
    rig_say(r, "RCPT TO:<PostMaster>\r\n", "250 ");
    CHECK_BYTES(r->last_domain, BYTES(""));
    rig_say(r, "RCPT TO:<postmaster@d.example>\r\n", "250 ");
    CHECK_BYTES(r->last_domain, BYTES("d.example"));
}

static void verbs_502(struct rig *r)
{
    static const char *const known[] = {
        "EXPN x\r\n",          "TURN\r\n",   "SEND FROM:<a@b>\r\n", "SOML FROM:<a@b>\r\n",
        "SAML FROM:<a@b>\r\n", "ETRN x\r\n", "AUTH PLAIN\r\n"};
    r->settings.protocol_errors_max = SIZE_MAX;
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        rig_say(r, known[i], "502 5.5.1 Command not implemented");
    rig_say(r, "FOO bar\r\n", "500 5.3.3 Unrecognized command");
    rig_say(r, "\r\n", "500 5.3.3");
}

static void reply_form(struct rig *r)
{
    char *longest = repeat('y', 2000);
    r->settings.protocol_errors_max = SIZE_MAX;
    rig_start_refused(r, NULL);
    r->on_rcpt = rig_status(550, 5, 7, 1, longest);
    rig_send(r, BYTES(RIG_EHLO RIG_MAIL RIG_RCPT "NOOP\r\nHELP\r\nVRFY x\r\nFOO\r\nEXPN x\r\n"
                                                 "DATA\r\n"));
    rig_send(r, BYTES("RSET\r\nQUIT\r\n"));
    struct bytes out = rig_output(r), line;
    size_t lines = 0;
    char code[4] = "";
    while (bytes_split(out, '\n', &line, &out)) {
        CHECK(line.len + 1 <= 512 && line.len >= 5 && line.ptr[line.len - 1] == '\r');
        CHECK(line.ptr[0] >= '2' && line.ptr[0] <= '5' && isdigit((unsigned char)line.ptr[1]) &&
              isdigit((unsigned char)line.ptr[2]));
        CHECK(line.ptr[3] == ' ' || line.ptr[3] == '-');
        CHECK(!code[0] || !memcmp(code, line.ptr, 3));
        memcpy(code, line.ptr, 3);
        if (line.ptr[3] == ' ')
            code[0] = '\0';
        lines++;
    }
    CHECK(lines > 20 && !code[0]);
    mem_free(longest);
}

static void shutdown_says_421(struct rig *r)
{
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    smtp_server_shutdown(r->s);
    rig_expect(r, "421 4.3.2 Service not available, closing transmission channel");
    CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE);
}

static void shutdown_after_commit(struct rig *r)
{
    rig_start(r);
    rig_to_data(r);
    r->later = r->hold = true;
    rig_send(r, BYTES("x\r\n.\r\n"));
    smtp_server_shutdown(r->s);
    rig_expect(r, "");
    r->open = false; /* the answer to come is 250 */
    rig_answer(r);
    rig_expect(r, "250 2.6.0\n421 4.3.2");
    CHECK_U64(r->aborts, 0);
}

static void five_minutes(struct rig *r)
{
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    uint64_t now = clock_mono_ms();
    CHECK_U64(smtp_server_deadline_ms(r->s), now + 300000);
    clock_virtual_advance(299999);
    smtp_server_timeout(r->s);
    rig_expect(r, "");
    clock_virtual_advance(1);
    smtp_server_timeout(r->s);
    rig_expect(r, "451 4.7.0 Timeout waiting for client input");
    CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE);
}

static void owner_refuses(struct rig *r)
{
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    r->on_mail = rig_status(451, 4, 3, 0, "Not now");
    rig_say(r, RIG_MAIL, "451 4.3.0 Not now");
    r->on_mail = rig_status(550, 5, 1, 8, "Never");
    rig_say(r, RIG_MAIL, "550 5.1.8 Never");
    r->on_mail = rig_status(0, 0, 0, 0, "");
    rig_say(r, RIG_MAIL, "250 ");
    r->on_rcpt = rig_status(450, 4, 2, 1, "Not now");
    rig_say(r, RIG_RCPT, "450 4.2.1 Not now");
    r->on_rcpt = rig_status(550, 5, 7, 1, "Unable to relay");
    rig_say(r, RIG_RCPT, "550 5.7.1 Unable to relay");
    rig_say(r, "DATA\r\n", "503 ");
}

static void long_local_part(struct rig *r)
{
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    say_long(r, "MAIL FROM:<", 'a', 64, "@b.example>\r\n", "250 ");
    say_long(r, "RCPT TO:<", 'a', 64, "@b.example>\r\n", "250 ");
}

static void say_domain(struct rig *r, const char *before, size_t last, const char *reply)
{
    char text[600], label[64] = "";
    memset(label, 'd', 63);
    snprintf(text, sizeof text, "%s%s.%s.%s.%.*s>\r\n", before, label, label, label, (int)last,
             label);
    rig_say(r, text, reply);
}

static void long_domain(struct rig *r)
{
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    say_domain(r, "MAIL FROM:<a@", 63, "250 ");
    say_domain(r, "RCPT TO:<c@", 63, "250 ");
}

static void long_path(struct rig *r)
{
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    say_domain(r, "MAIL FROM:<a@", 60, "250 "); /* 254 octets and its brackets: a path of 256 */
    say_long(r, "RCPT TO:<", 'c', 600, "@d.example>\r\n", "501 5.1.3");
}

static void long_command(struct rig *r)
{
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    char *auth = repeat('x', 490), *envid = repeat('e', 100), *orcpt = repeat('o', 480);
    char text[2000];
    snprintf(text, sizeof text,
             "MAIL FROM:<a@b.example> AUTH=%s ENVID=%s RET=HDRS BODY=8BITMIME SMTPUTF8 "
             "SIZE=1000\r\n",
             auth, envid);
    rig_say(r, text, "250 ");
    snprintf(text, sizeof text,
             "RCPT TO:<c@d.example> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;%s\r\n", orcpt);
    rig_say(r, text, "250 ");
    mem_free(auth);
    mem_free(envid);
    mem_free(orcpt);
    rig_say(r, "DATA\r\n", "354 ");
    rig_say(r, "x\r\n.\r\n", "250 ");
    CHECK_U64(r->envelope.envid.len, 100);
    CHECK_U64(r->envelope.auth.len, 490);
    CHECK(r->envelope.options == MAIL_OPTION_SMTPUTF8 && r->envelope.ret == MAIL_RET_HDRS &&
          r->envelope.body == MAIL_BODY_8BITMIME);
    CHECK_U64(r->envelope.rcpts[0].notify,
              MAIL_NOTIFY_SUCCESS | MAIL_NOTIFY_FAILURE | MAIL_NOTIFY_DELAY);
    CHECK_U64(r->envelope.rcpts[0].orcpt.len, 487);
}

static void send_text_lines(struct rig *r, size_t octets, size_t count)
{
    char *line = repeat('t', octets);
    struct buf all;
    buf_init(&all, SIZE_MAX / 2);
    for (size_t i = 0; i < count; i++)
        CHECK(buf_printf(&all, "%s\r\n", line) == ERR_OK);
    CHECK(rig_send(r, buf_bytes(&all)) == 0);
    rig_expect(r, "");
    rig_say(r, ".\r\n", "250 2.6.0");
    CHECK_BYTES(buf_bytes(&r->text), buf_bytes(&all));
    CHECK_U64(r->octets, buf_len(&all));
    buf_free(&all);
    mem_free(line);
}

static void text_line_1000(struct rig *r)
{
    rig_start(r);
    rig_to_data(r);
    send_text_lines(r, 998, 3);
    CHECK(!(r->notes & SMTP_DATA_LONG_LINE));
}

static void message_64k(struct rig *r)
{
    rig_start(r);
    rig_to_data(r);
    send_text_lines(r, 78, 65536 / 80 + 1);
}

static void rcpts(struct rig *r)
{
    r->settings.rcpts_max = 100;
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    rig_say(r, RIG_MAIL, "250 ");
    for (unsigned i = 0; i < 100; i++) {
        char text[64];
        snprintf(text, sizeof text, "RCPT TO:<r%u@d.example>\r\n", i);
        rig_say(r, text, "250 ");
    }
    rig_say(r, RIG_RCPT, "452 4.5.3 Too many recipients");
    rig_say(r, "DATA\r\n", "354 ");
    rig_say(r, ".\r\n", "250 ");
    CHECK_U64(r->envelope.rcpt_count, 100);
    CHECK_BYTES(r->envelope.rcpts[0].address, BYTES("r0@d.example"));
    CHECK_BYTES(r->envelope.rcpts[99].address, BYTES("r99@d.example"));
}

static void durable_first(struct rig *r)
{
    rig_start(r);
    rig_to_data(r);
    r->later = r->hold = true;
    CHECK_U64(rig_send(r, BYTES("x\r\n.\r\nMAIL FROM:<n@b.example>\r\n")), 25);
    rig_expect(r, ""); /* neither 250 nor the next command before the owner has answered */
    CHECK(smtp_server_want(r->s) == SMTP_SERVER_WANT_ANSWER);
    r->open = false;
    rig_answer(r);
    rig_expect(r, "250 2.6.0 Queued mail for delivery");
}

static void refused_at_end(struct rig *r)
{
    rig_start(r);
    r->on_end = rig_status(451, 4, 3, 0, "Disk");
    rig_to_data(r);
    rig_say(r, "x\r\n.\r\n", "451 4.3.0 Disk");
    CHECK_U64(r->aborts, 1);
    rig_say(r, RIG_RCPT, "503 5.5.1");
    rig_say(r, "DATA\r\n", "503 5.5.1");
    r->on_end = rig_status(550, 5, 7, 1, "No");
    rig_say(r, RIG_MAIL, "250 ");
    rig_say(r, RIG_RCPT, "250 ");
    rig_say(r, "DATA\r\n", "354 ");
    rig_say(r, "x\r\n.\r\n", "550 5.7.1 No");
    CHECK_U64(r->aborts, 2);
    CHECK_U64(r->commits, 0);
}

static void lost_in_text(struct rig *r)
{
    rig_start(r);
    rig_to_data(r);
    rig_say(r, "first\r\n.\r\n", "250 ");
    rig_say(r, RIG_MAIL, "250 ");
    rig_say(r, RIG_RCPT, "250 ");
    rig_say(r, "DATA\r\n", "354 ");
    rig_say(r, "cut off\r\n.", "");
    smtp_server_free(&r->s);
    CHECK_U64(r->commits, 1);
    CHECK_U64(r->aborts, 1);
}

static void high_octets(struct rig *r)
{
    r->settings.extensions &= ~(unsigned)SMTP_EXTENSION_SMTPUTF8;
    r->settings.protocol_errors_max = SIZE_MAX;
    rig_start(r);
    rig_say(r, "EHLO \xc3\xa4.example\r\n", "501 ");
    rig_say(r, RIG_EHLO, "*");
    rig_say(r, "MAIL FROM:<\xc3\xa4@b.example>\r\n", "501 5.1.7");
    rig_say(r, RIG_MAIL, "250 ");
    rig_say(r, "RCPT TO:<\xc3\xa4@b.example>\r\n", "501 5.1.3");
    rig_say(r, "VRFY \xff\r\n", "501 ");
    rig_say(r, "\xff\xfe\r\n", "500 ");
}

static const struct row rows[] = {
    {"C-001 220 with our name is the first thing said", .run = banner},
    {"C-001 nothing is acted on before the banner", .run = early_talker, .closed = true},
    {"C-002 after a 554 banner only QUIT", .run = banner_554, .closed = true},
    {"C-003 521 banner closes", .run = banner_521, .closed = true},
    {"C-003 421 banner closes", .run = banner_421, .closed = true},
    {"C-004 EHLO: own name first, one keyword a line", .run = ehlo_lines},
    {"C-005 HELO gets no extension lines", .run = helo_line},
    {"C-005 no extension parameters after HELO",
     .steps = {{"HELO x.example\r\n", "250 relay.example"},
               {"MAIL FROM:<a@b> SIZE=1\r\n", "555 5.5.4"}}},
    {"C-006 EHLO again clears the transaction",
     .steps = {TO_RCPT, EHLO, {"DATA\r\n", "503 5.5.1"}, {RIG_RCPT, "503 5.5.1"}, MAIL},
     .aborts = 2},
    {"C-006 HELO again clears the transaction",
     .steps = {TO_RCPT, {"HELO x\r\n", "250 relay"}, {"DATA\r\n", "503 5.5.1"}}, .aborts = 1},
    {"C-007 any EHLO name may send",
     .steps = {{"EHLO not.the.client.example\r\n", "*"}, MAIL, RCPT}, .aborts = 1},
    {"C-008 EHLO with an illegal name is 501, the session goes on",
     .steps = {{"EHLO a..b\r\n", "501 5.5.4 Invalid domain name"},
               {"EHLO [1.2.3\r\n", "501 5.5.4"},
               EHLO,
               MAIL},
     .aborts = 1},
    {"C-008 a refused EHLO leaves the transaction",
     .steps = {TO_RCPT, {"EHLO a b\r\n", "501 5.5.4"}, {"DATA\r\n", "354"}}, .aborts = 1},
    {"C-009 verbs and keywords in any case, local parts as they are", .run = local_part_case,
     .message = "x\r\n", .commits = 1},
    {"C-010 blanks before CRLF",
     .steps = {{"EHLO x.example \r\n", "*"},
               {"MAIL FROM:<a@b> \t\r\n", "250"},
               {"RCPT TO:<c@d> \r\n", "250"},
               {"DATA \r\n", "354"},
               {".\r\n", "250"},
               {"RSET \r\n", "250"},
               {"QUIT \r\n", "221"}},
     .message = "", .commits = 1, .closed = true},
    {"C-011 a blank behind FROM: and TO: is taken",
     .steps = {EHLO, {"MAIL FROM: <a@b>\r\n", "250"}, {"RCPT TO: c@d\r\n", "250"}}, .aborts = 1},
    {"C-012 RCPT before MAIL is 503", .steps = {EHLO, {RIG_RCPT, "503 5.5.1"}}},
    {"C-012 RCPT and MAIL before EHLO are 503", .steps = {{RIG_RCPT, "503 5.5.2 Send hello first"},
                                                          {RIG_MAIL, "503 5.5.2 Send hello first"},
                                                          {"DATA\r\n", "503 5.5.2"}}},
    {"C-013 DATA without RCPT is 503",
     .steps = {EHLO, {"DATA\r\n", "503 5.5.1"}, MAIL, {"DATA\r\n", "503 5.5.1"}, RCPT},
     .aborts = 1},
    {"C-014 MAIL in a transaction is 503, which goes on",
     .steps = {TO_RCPT,
               {"MAIL FROM:<z@z>\r\n", "503 5.5.1"},
               {"DATA\r\n", "354"},
               {"x\r\n.\r\n", "250"}},
     .message = "x\r\n", .commits = 1},
    {"C-015 RSET clears and stays",
     .steps = {TO_RCPT, {"RSET\r\n", "250 2.0.0"}, {"DATA\r\n", "503 5.5.1"}, MAIL}, .aborts = 2},
    {"C-016 NOOP with anything changes nothing",
     .steps = {TO_RCPT,
               {"NOOP\r\n", "250 2.0.0"},
               {"NOOP (a(b \"c\r\n", "250 2.0.0"},
               {"DATA\r\n", "354"}},
     .aborts = 1},
    {"C-017 QUIT is 221 and the end",
     .steps = {EHLO, {"QUIT\r\n", "221 2.0.0 Service closing transmission channel"}},
     .closed = true},
    {"C-017 QUIT cancels what was not finished", .steps = {TO_RCPT, {"QUIT\r\n", "221"}},
     .aborts = 1, .closed = true},
    {"C-018 unknown is 500, not implemented 502", .run = verbs_502},
    {"C-019 DATA, RSET, QUIT, STARTTLS with an argument are 501",
     .steps = {TO_RCPT,
               {"DATA x\r\n", "501 5.5.4"},
               {"RSET x\r\n", "501 5.5.4"},
               {"QUIT x\r\n", "501 5.5.4"},
               {"STARTTLS x\r\n", "501 5.5.4"},
               {"DATA\r\n", "354"}},
     .aborts = 1},
    {"C-020 unknown parameter is 555",
     .steps = {EHLO,
               {"MAIL FROM:<a@b> FOO=1\r\n", "555 5.5.4"},
               {"MAIL FROM:<a@b> FOO\r\n", "555"},
               {"MAIL FROM:<a@b> BODY=BINARYMIME\r\n", "555 5.5.4"},
               MAIL,
               {"RCPT TO:<c@d> SIZE=1\r\n", "555 5.5.4"}},
     .aborts = 1},
    {"C-020 malformed parameter is 501",
     .steps = {EHLO,
               {"MAIL FROM:<a@b> SIZE=x\r\n", "501 5.5.4"},
               {"MAIL FROM:<a@b> RET=NO\r\n", "501"},
               {"MAIL FROM:<a@b> =x\r\n", "501"},
               MAIL,
               {"RCPT TO:<c@d> NOTIFY=NEVER,DELAY\r\n", "501"},
               {"RCPT TO:<c@d> ORCPT=c@d\r\n", "501"}},
     .aborts = 1},
    {"C-020 repeated parameter is 501",
     .steps = {EHLO,
               {"MAIL FROM:<a@b> SIZE=1 SIZE=1\r\n", "501 5.5.4"},
               MAIL,
               {"RCPT TO:<c@d> NOTIFY=DELAY NOTIFY=DELAY\r\n", "501 5.5.4"}},
     .aborts = 1},
    {"C-021 one reply a command, in order",
     .steps = {EHLO,
               {RIG_MAIL "FOO\r\n" RIG_RCPT "RCPT TO:<x\r\nRSET\r\nDATA\r\n",
                "250 2.1.0\n500\n250 2.1.5\n501\n250 2.0.0\n503"}},
     .aborts = 1},
    {"C-022 codes are three digits, 2 to 5", .run = reply_form, .aborts = 1, .closed = true},
    {"C-023 one code in all lines of a reply", .run = reply_form, .aborts = 1, .closed = true},
    {"C-024 reply lines of at most 512 octets", .run = reply_form, .aborts = 1, .closed = true},
    {"C-025 NOOP, HELP, EXPN, VRFY, RSET before EHLO", .steps = {{"NOOP\r\n", "250"},
                                                                 {"HELP\r\n", "214"},
                                                                 {"EXPN x\r\n", "502"},
                                                                 {"VRFY x\r\n", "252"},
                                                                 {"RSET\r\n", "250"},
                                                                 {RIG_MAIL, "503 5.5.2"}}},
    {"C-026 VRFY is 252", .steps = {EHLO, {"VRFY user\r\n", "252 2.1.5 Cannot VRFY user"}}},
    {"C-027 HELP is 214", .steps = {EHLO, {"HELP\r\n", "214 2.0.0"}, {"HELP MAIL\r\n", "214"}}},
    {"C-028 postmaster without a domain, any case", .run = postmaster, .aborts = 1},
    {"C-029 shutdown says 421", .run = shutdown_says_421, .closed = true},
    {"C-029 shutdown waits for a commit", .run = shutdown_after_commit, .closed = true},
    {"C-030 five minutes for the next command", .run = five_minutes, .closed = true},
    {"C-031 4xx and 5xx of the owner arrive as they are", .run = owner_refuses, .aborts = 1},
    {"C-032 a refusal to relay is 550 5.7.1", .run = owner_refuses, .aborts = 1},
    {"C-033 local part of 64 octets", .run = long_local_part, .aborts = 1},
    {"C-034 domain of 255 octets", .run = long_domain, .aborts = 1},
    {"C-035 path of 256 octets", .run = long_path, .aborts = 1},
    {"C-036 command lines as long as the extensions make them", .run = long_command,
     .message = "x\r\n", .commits = 1},
    {"C-037 text lines of 1,000 octets unchanged", .run = text_line_1000, .commits = 1},
    {"C-038 a message of 64 KiB", .run = message_64k, .commits = 1},
    {"C-039 100 recipients, then 452", .run = rcpts, .message = "", .commits = 1},
    {"C-040 every recipient accepted is in the envelope", .run = rcpts, .message = "",
     .commits = 1},
    {"C-041 only CRLF.CRLF ends it, LF.LF is text",
     .steps = {TO_DATA, {"a\n.\nMAIL FROM:<x@y>\r\n", ""}, {".\r\n", "550 5.5.2"}, MAIL},
     .aborts = 2},
    {"C-042 no other line end is known",
     .steps = {EHLO, {"NOOP\n", "500 5.5.2"}, {"NOOP\rNOOP\r\n", "501 5.5.2"}}},
    {"C-043 one leading dot is taken off", .steps = {TO_DATA, {"..\r\n...a\r\n.b\r\n.\r\n", "250"}},
     .message = ".\r\n..a\r\nb\r\n", .commits = 1},
    {"C-044 no line is added at the end", .steps = {TO_DATA, {"a\r\n.\r\n", "250"}},
     .message = "a\r\n", .commits = 1},
    {"C-044 an empty message stays empty", .steps = {TO_DATA, {".\r\n", "250"}}, .message = "",
     .commits = 1},
    {"C-045 250 only when the owner has it safe", .run = durable_first},
    {"C-046 after 4xx or 5xx at the end nothing is left", .run = refused_at_end, .aborts = 2},
    {"C-047 a lost connection cancels only what is open", .run = lost_in_text, .commits = 1,
     .aborts = 1, .closed = true},
    {"C-048 no header is needed",
     .steps = {TO_DATA, {"no header\r\n:\r\nReceived\r\n.\r\n", "250"}},
     .message = "no header\r\n:\r\nReceived\r\n", .commits = 1},
    {"C-049 8-bit commands without SMTPUTF8 are 5xx", .run = high_octets, .aborts = 1},
    {"C-050 text before 354 is an error",
     .steps = {TO_RCPT, {"DATA\r\nSubject: x\r\n.\r\nMAIL FROM:<x@y>\r\n", "554 5.5.0"}},
     .aborts = 1, .closed = true, .one_block = true},
    {"C-055 text goes through unchanged",
     .steps = {TO_DATA, {"A: b\r\n\tc\r\n\r\n \r\n\r\nx \t\r\n.\r\n", "250"}},
     .message = "A: b\r\n\tc\r\n\r\n \r\n\r\nx \t\r\n", .commits = 1},
    {"C-057 local parts are never interpreted", .run = local_part_case, .message = "x\r\n",
     .commits = 1},
    {"C-058 source routes are read and dropped", .run = source_route, .message = "", .commits = 1},
};

static void run_row(void)
{
    statement_run(rows, ARRAY_SIZE(rows));
}

int main(void)
{
    struct unit_test tests[ARRAY_SIZE(rows)];
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        tests[i] = (struct unit_test){rows[i].name, run_row};
    return unit_main("net/smtp_server conformance", tests, ARRAY_SIZE(rows));
}
