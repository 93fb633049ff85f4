/* The statements of RFC 5321, 1870, 2920 and 3030 about a server, one named test each. */
#include <ctype.h>

#include "smtp_server_rig.h"

#define STEPS_MAX 12

struct step {
    const char *send, *reply; /* beginnings of the reply's lines, split by LF */
};

struct row {
    const char *name;
    void (*run)(struct rig *r); /* NULL: the steps */
    struct step steps[STEPS_MAX];
    const char *message; /* committed last; NULL: none was */
    unsigned commits, aborts;
    bool closed;
    unsigned flags;
};
enum { ONE_BLOCK = 1, PLAIN_HELO = 2 }; /* ONE_BLOCK: the pieces' borders are the point */

#define EHLO     {RIG_EHLO, "*"}
#define MAIL     {RIG_MAIL, "250 2.1.0"}
#define RCPT     {RIG_RCPT, "250 2.1.5"}
#define TO_MAIL  EHLO, MAIL
#define TO_RCPT  TO_MAIL, RCPT
#define TO_DATA  TO_RCPT, {"DATA\r\n", "354 "}
#define EXT(bit) ((unsigned)RIG_EXTENSIONS & ~(unsigned)(bit))

static char *repeat(char c, size_t count)
{
    char *text = mem_zalloc(count + 1);
    memset(text, c, count);
    return text;
}

/* ---- statements that need more than a dialogue ------------------------------------------ */

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
    static const char *const known[] = {"EXPN x\r\n", "TURN\r\n", "SEND FROM:<a@b>\r\n",
                                        "SOML FROM:<a@b>\r\n", "SAML FROM:<a@b>\r\n",
                                        "ETRN x\r\n", "AUTH PLAIN\r\n"};
    r->settings.protocol_errors_max = SIZE_MAX;
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        rig_say(r, known[i], "502 5.5.1 Command not implemented");
    rig_say(r, "FOO bar\r\n", "500 5.3.3 Unrecognized command");
    rig_say(r, "\r\n", "500 5.3.3");
}

/* Codes, one code a reply, and length: over all replies of a session with long texts. */
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

static void say_long(struct rig *r, const char *before, char fill, size_t count, const char *after,
                     const char *reply)
{
    char *middle = repeat(fill, count);
    struct buf line;
    buf_init(&line, 1 << 20);
    CHECK(buf_printf(&line, "%s%s%s", before, middle, after) == ERR_OK);
    rig_send(r, buf_bytes(&line));
    rig_expect(r, reply);
    buf_free(&line);
    mem_free(middle);
}

static void long_local_part(struct rig *r)
{
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    say_long(r, "MAIL FROM:<", 'a', 64, "@b.example>\r\n", "250 ");
    say_long(r, "RCPT TO:<", 'a', 64, "@b.example>\r\n", "250 ");
}

/* a@ + 3 labels of 63 and their dots + LAST octets + CRLF */
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
    CHECK(r->envelope.smtputf8 && r->envelope.ret == MAIL_RET_HDRS &&
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
    r->settings.extensions = EXT(SMTP_SERVER_SMTPUTF8);
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

static void utf8_needs_parameter(struct rig *r)
{
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    rig_say(r, "MAIL FROM:<\xc3\xa4@b.example>\r\n", "553 5.6.7");
    rig_say(r, RIG_MAIL, "250 ");
    rig_say(r, "RCPT TO:<\xc3\xa4@b.example>\r\n", "553 5.6.7");
    rig_say(r, "RSET\r\n", "250 ");
    rig_say(r, "MAIL FROM:<\xc3\xa4@b.example> SMTPUTF8\r\n", "250 ");
    rig_say(r, "RCPT TO:<\xc3\xa4@b.example>\r\n", "250 ");
}

static void size_over_data(struct rig *r)
{
    r->settings.message_size_max = 100;
    rig_start(r);
    rig_to_data(r);
    say_long(r, "", 'x', 99, "\r\n.\r\n",
             "552 5.3.4 Message size exceeds fixed maximum message size");
    CHECK_U64(r->aborts, 1);
    rig_say(r, RIG_MAIL, "250 ");
    rig_say(r, RIG_RCPT, "250 ");
    rig_say(r, "DATA\r\n", "354 ");
    say_long(r, "", 'x', 98, "\r\n.\r\n", "250 ");
}

static void size_counts_unstuffed(struct rig *r)
{
    r->settings.message_size_max = 8;
    rig_start(r);
    rig_to_data(r);
    rig_say(r, "..a\r\n..b\r\n.\r\n", "250 ");
    CHECK_U64(r->octets, 8);
    CHECK_BYTES(buf_bytes(&r->text), BYTES(".a\r\n.b\r\n"));
}

/* Every beginning of a pipelined group, fed in every split: the same replies in the same order. */
static void any_split(struct rig *r)
{
    static const char group[] = RIG_EHLO RIG_MAIL RIG_RCPT "RCPT TO:<bad\r\n" RIG_RCPT
                                         "RSET\r\n" RIG_MAIL "NOOP x\r\nFOO\r\nQUIT\r\n";
    rig_start(r);
    rig_send(r, BYTES(group));
    char *wanted = mem_zalloc(buf_len(smtp_server_output(r->s)) + 1);
    memcpy(wanted, rig_output(r).ptr, rig_output(r).len);
    for (size_t cut = 1; cut < sizeof group - 1; cut++) {
        smtp_server_free(&r->s);
        rig_start(r);
        rig_send(r, bytes_sub(BYTES(group), 0, cut));
        rig_send(r, bytes_from(BYTES(group), cut));
        if (!CHECK_BYTES(rig_output(r), bytes_of(wanted)))
            break;
    }
    mem_free(wanted);
    smtp_server_free(&r->s);
    CHECK(r->aborts > 0 && r->commits == 0);
    r->aborts = 0; /* two in each run; what was said is the point */
}

static void chunk_octets_exact(struct rig *r)
{
    rig_start(r);
    rig_to_rcpt(r);
    rig_say(r, "BDAT 10\r\nNOOP\r\nQUITNOOP\r\n", "250 2.6.0 CHUNK received OK, 10 octets\n250 ");
    rig_say(r, "BDAT 2 LAST\r\n\r\nNOOP\r\n", "250 2.6.0 Queued\n250 2.0.0");
    CHECK_BYTES(buf_bytes(&r->text), BYTES("NOOP\r\nQUIT\r\n"));
}

static void failed_chunk_swallowed(struct rig *r)
{
    r->settings.message_size_max = 20;
    rig_start(r);
    rig_to_rcpt(r);
    rig_say(r, "BDAT 6\r\nab\r\ncdBDAT 30\r\nRSET\r\nRSET\r\nRSET\r\nRSET\r\nRSET\r\n"
               "BDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<x@y>\r\nNOOP\r\n",
            "250 2.6.0\n552 5.3.4\n503 5.5.1\n503 5.5.1\n250 ");
    CHECK_U64(r->commits, 0);
    CHECK_U64(r->aborts, 1);
    rig_say(r, "RSET\r\n", "250 ");
    rig_say(r, RIG_MAIL, "250 ");
}

static void bits_preserved(struct rig *r)
{
    char all[256 + 2];
    for (size_t i = 0; i < 256; i++)
        all[i] = (char)(i ? i : 'x');
    all['\r'] = all['\n'] = 'x';
    memcpy(all + 256, "\r\n", 2);
    rig_start(r);
    rig_to_rcpt(r);
    rig_say(r, "BDAT 258 LAST\r\n", "");
    rig_send(r, bytes_make(all, sizeof all));
    rig_expect(r, "250 ");
    CHECK_BYTES(buf_bytes(&r->text), bytes_make(all, sizeof all));
    CHECK(r->notes & SMTP_DATA_8BIT);
}

static void no_lone_354(struct rig *r)
{
    rig_start(r);
    r->on_rcpt = rig_status(550, 5, 7, 1, "Unable to relay");
    rig_say(r, RIG_EHLO, "*");
    rig_say(r, RIG_MAIL RIG_RCPT RIG_RCPT "DATA\r\n",
            "250 2.1.0\n550 5.7.1\n550 5.7.1\n503 5.5.1");
    CHECK_U64(r->begins, 0);
    rig_say(r, "RSET\r\n", "250 ");
    r->on_rcpt = rig_status(0, 0, 0, 0, "");
    rig_say(r, RIG_MAIL RIG_RCPT "DATA\r\n", "250 \n250 \n354 ");
    CHECK_U64(r->begins, 1);
}

static void size_forms(struct rig *r)
{
    rig_start(r);
    rig_send(r, BYTES(RIG_EHLO));
    CHECK(strstr(rig_output(r).ptr, "250-SIZE 1000000\r\n") != NULL);
    smtp_server_free(&r->s);
    r->settings.extensions |= SMTP_SERVER_SIZE_WITHOUT_VALUE;
    rig_start(r);
    rig_send(r, BYTES(RIG_EHLO));
    CHECK(strstr(rig_output(r).ptr, "250-SIZE\r\n") != NULL);
}

/* ---- the statements --------------------------------------------------------------------- */

static const struct row rows[] = {
    {"C-001 220 with our name is the first thing said", banner, {{0}}, 0, 0, 0, false, 0},
    {"C-001 nothing is acted on before the banner", early_talker, {{0}}, 0, 0, 0, true, 0},
    {"C-002 after a 554 banner only QUIT", banner_554, {{0}}, 0, 0, 0, true, 0},
    {"C-003 521 banner closes", banner_521, {{0}}, 0, 0, 0, true, 0},
    {"C-003 421 banner closes", banner_421, {{0}}, 0, 0, 0, true, 0},
    {"C-004 EHLO: own name first, one keyword a line", ehlo_lines, {{0}}, 0, 0, 0, false, 0},
    {"C-005 HELO gets no extension lines", helo_line, {{0}}, 0, 0, 0, false, 0},
    {"C-005 no extension parameters after HELO",
     NULL,
     {{"HELO x.example\r\n", "250 relay.example"}, {"MAIL FROM:<a@b> SIZE=1\r\n", "555 5.5.4"}},
     NULL, 0, 0, false, 0},
    {"C-006 EHLO again clears the transaction",
     NULL, {TO_RCPT, EHLO, {"DATA\r\n", "503 5.5.1"}, {RIG_RCPT, "503 5.5.1"}, MAIL},
     NULL, 0, 2, false, 0},
    {"C-006 HELO again clears the transaction",
     NULL, {TO_RCPT, {"HELO x\r\n", "250 relay"}, {"DATA\r\n", "503 5.5.1"}},
     NULL, 0, 1, false, 0},
    {"C-007 any EHLO name may send",
     NULL, {{"EHLO not.the.client.example\r\n", "*"}, MAIL, RCPT}, NULL, 0, 1, false, 0},
    {"C-008 EHLO with an illegal name is 501, the session goes on",
     NULL, {{"EHLO a..b\r\n", "501 5.5.4 Invalid domain name"}, {"EHLO [1.2.3\r\n", "501 5.5.4"},
            EHLO, MAIL}, NULL, 0, 1, false, 0},
    {"C-008 a refused EHLO leaves the transaction",
     NULL, {TO_RCPT, {"EHLO a b\r\n", "501 5.5.4"}, {"DATA\r\n", "354"}}, NULL, 0, 1, false, 0},
    {"C-009 verbs and keywords in any case, local parts as they are", local_part_case, {{0}},
     "x\r\n", 1, 0, false, 0},
    {"C-010 blanks before CRLF",
     NULL, {{"EHLO x.example  \r\n", "*"}, {"MAIL FROM:<a@b> \t\r\n", "250"},
            {"RCPT TO:<c@d>  \r\n", "250"}, {"DATA \r\n", "354"}, {".\r\n", "250"},
            {"RSET \r\n", "250"}, {"QUIT  \r\n", "221"}}, "", 1, 0, true, 0},
    {"C-011 a blank behind FROM: and TO: is taken",
     NULL, {EHLO, {"MAIL FROM: <a@b>\r\n", "250"}, {"RCPT TO: c@d\r\n", "250"}},
     NULL, 0, 1, false, 0},
    {"C-012 RCPT before MAIL is 503",
     NULL, {EHLO, {RIG_RCPT, "503 5.5.1"}}, NULL, 0, 0, false, 0},
    {"C-012 RCPT and MAIL before EHLO are 503",
     NULL, {{RIG_RCPT, "503 5.5.2 Send hello first"}, {RIG_MAIL, "503 5.5.2 Send hello first"},
            {"DATA\r\n", "503 5.5.2"}}, NULL, 0, 0, false, 0},
    {"C-013 DATA without RCPT is 503",
     NULL, {EHLO, {"DATA\r\n", "503 5.5.1"}, MAIL, {"DATA\r\n", "503 5.5.1"}, RCPT},
     NULL, 0, 1, false, 0},
    {"C-014 MAIL in a transaction is 503, which goes on",
     NULL, {TO_RCPT, {"MAIL FROM:<z@z>\r\n", "503 5.5.1"}, {"DATA\r\n", "354"},
            {"x\r\n.\r\n", "250"}}, "x\r\n", 1, 0, false, 0},
    {"C-015 RSET clears and stays",
     NULL, {TO_RCPT, {"RSET\r\n", "250 2.0.0"}, {"DATA\r\n", "503 5.5.1"}, MAIL},
     NULL, 0, 2, false, 0},
    {"C-016 NOOP with anything changes nothing",
     NULL, {TO_RCPT, {"NOOP\r\n", "250 2.0.0"}, {"NOOP (a(b \"c\r\n", "250 2.0.0"},
            {"DATA\r\n", "354"}}, NULL, 0, 1, false, 0},
    {"C-017 QUIT is 221 and the end",
     NULL, {EHLO, {"QUIT\r\n", "221 2.0.0 Service closing transmission channel"}},
     NULL, 0, 0, true, 0},
    {"C-017 QUIT cancels what was not finished",
     NULL, {TO_RCPT, {"QUIT\r\n", "221"}}, NULL, 0, 1, true, 0},
    {"C-018 unknown is 500, not implemented 502", verbs_502, {{0}}, 0, 0, 0, false, 0},
    {"C-019 DATA, RSET, QUIT, STARTTLS with an argument are 501",
     NULL, {TO_RCPT, {"DATA x\r\n", "501 5.5.4"}, {"RSET x\r\n", "501 5.5.4"},
            {"QUIT x\r\n", "501 5.5.4"}, {"STARTTLS x\r\n", "501 5.5.4"}, {"DATA\r\n", "354"}},
     NULL, 0, 1, false, 0},
    {"C-020 unknown parameter is 555",
     NULL, {EHLO, {"MAIL FROM:<a@b> FOO=1\r\n", "555 5.5.4"}, {"MAIL FROM:<a@b> FOO\r\n", "555"},
            {"MAIL FROM:<a@b> BODY=BINARYMIME\r\n", "555 5.5.4"}, MAIL,
            {"RCPT TO:<c@d> SIZE=1\r\n", "555 5.5.4"}}, NULL, 0, 1, false, 0},
    {"C-020 malformed parameter is 501",
     NULL, {EHLO, {"MAIL FROM:<a@b> SIZE=x\r\n", "501 5.5.4"}, {"MAIL FROM:<a@b> RET=NO\r\n", "501"},
            {"MAIL FROM:<a@b> =x\r\n", "501"}, MAIL, {"RCPT TO:<c@d> NOTIFY=NEVER,DELAY\r\n", "501"},
            {"RCPT TO:<c@d> ORCPT=c@d\r\n", "501"}}, NULL, 0, 1, false, 0},
    {"C-020 repeated parameter is 501",
     NULL, {EHLO, {"MAIL FROM:<a@b> SIZE=1 SIZE=1\r\n", "501 5.5.4"}, MAIL,
            {"RCPT TO:<c@d> NOTIFY=DELAY NOTIFY=DELAY\r\n", "501 5.5.4"}}, NULL, 0, 1, false, 0},
    {"C-021 one reply a command, in order",
     NULL, {EHLO, {RIG_MAIL "FOO\r\n" RIG_RCPT "RCPT TO:<x\r\nRSET\r\nDATA\r\n",
                   "250 2.1.0\n500\n250 2.1.5\n501\n250 2.0.0\n503"}}, NULL, 0, 1, false, 0},
    {"C-022 codes are three digits, 2 to 5", reply_form, {{0}}, 0, 0, 1, true, 0},
    {"C-023 one code in all lines of a reply", reply_form, {{0}}, 0, 0, 1, true, 0},
    {"C-024 reply lines of at most 512 octets", reply_form, {{0}}, 0, 0, 1, true, 0},
    {"C-025 NOOP, HELP, EXPN, VRFY, RSET before EHLO",
     NULL, {{"NOOP\r\n", "250"}, {"HELP\r\n", "214"}, {"EXPN x\r\n", "502"}, {"VRFY x\r\n", "252"},
            {"RSET\r\n", "250"}, {RIG_MAIL, "503 5.5.2"}}, NULL, 0, 0, false, 0},
    {"C-026 VRFY is 252", NULL, {EHLO, {"VRFY user\r\n", "252 2.1.5 Cannot VRFY user"}},
     NULL, 0, 0, false, 0},
    {"C-027 HELP is 214", NULL, {EHLO, {"HELP\r\n", "214 2.0.0"}, {"HELP MAIL\r\n", "214"}},
     NULL, 0, 0, false, 0},
    {"C-028 postmaster without a domain, any case", postmaster, {{0}}, 0, 0, 1, false, 0},
    {"C-029 shutdown says 421", shutdown_says_421, {{0}}, 0, 0, 0, true, 0},
    {"C-029 shutdown waits for a commit", shutdown_after_commit, {{0}}, 0, 0, 0, true, 0},
    {"C-030 five minutes for the next command", five_minutes, {{0}}, 0, 0, 0, true, 0},
    {"C-031 4xx and 5xx of the owner arrive as they are", owner_refuses, {{0}}, 0, 0, 1, false, 0},
    {"C-032 a refusal to relay is 550 5.7.1", owner_refuses, {{0}}, 0, 0, 1, false, 0},
    {"C-033 local part of 64 octets", long_local_part, {{0}}, 0, 0, 1, false, 0},
    {"C-034 domain of 255 octets", long_domain, {{0}}, 0, 0, 1, false, 0},
    {"C-035 path of 256 octets", long_path, {{0}}, 0, 0, 1, false, 0},
    {"C-036 command lines as long as the extensions make them", long_command, {{0}}, "x\r\n", 1, 0,
     false, 0},
    {"C-037 text lines of 1,000 octets unchanged", text_line_1000, {{0}}, 0, 1, 0, false, 0},
    {"C-038 a message of 64 KiB", message_64k, {{0}}, 0, 1, 0, false, 0},
    {"C-039 100 recipients, then 452", rcpts, {{0}}, "", 1, 0, false, 0},
    {"C-040 every recipient accepted is in the envelope", rcpts, {{0}}, "", 1, 0, false, 0},
    {"C-041 only CRLF.CRLF ends it, LF.LF is text",
     NULL, {TO_DATA, {"a\n.\nMAIL FROM:<x@y>\r\n", ""}, {".\r\n", "550 5.5.2"}, MAIL},
     NULL, 0, 2, false, 0},
    {"C-042 no other line end is known",
     NULL, {EHLO, {"NOOP\n", "500 5.5.2"}, {"NOOP\rNOOP\r\n", "501 5.5.2"}}, NULL, 0, 0, false, 0},
    {"C-043 one leading dot is taken off",
     NULL, {TO_DATA, {"..\r\n...a\r\n.b\r\n.\r\n", "250"}}, ".\r\n..a\r\nb\r\n", 1, 0, false, 0},
    {"C-044 no line is added at the end",
     NULL, {TO_DATA, {"a\r\n.\r\n", "250"}}, "a\r\n", 1, 0, false, 0},
    {"C-044 an empty message stays empty", NULL, {TO_DATA, {".\r\n", "250"}}, "", 1, 0, false, 0},
    {"C-045 250 only when the owner has it safe", durable_first, {{0}}, 0, 0, 0, false, 0},
    {"C-046 after 4xx or 5xx at the end nothing is left", refused_at_end, {{0}}, 0, 0, 2, false, 0},
    {"C-047 a lost connection cancels only what is open", lost_in_text, {{0}}, 0, 1, 1, true, 0},
    {"C-048 no header is needed",
     NULL, {TO_DATA, {"no header\r\n:\r\nReceived\r\n.\r\n", "250"}},
     "no header\r\n:\r\nReceived\r\n", 1, 0, false, 0},
    {"C-049 8-bit commands without SMTPUTF8 are 5xx", high_octets, {{0}}, 0, 0, 1, false, 0},
    {"C-050 text before 354 is an error",
     NULL, {TO_RCPT, {"DATA\r\nSubject: x\r\n.\r\nMAIL FROM:<x@y>\r\n", "554 5.5.0"}},
     NULL, 0, 1, true, ONE_BLOCK},
    {"C-055 text goes through unchanged",
     NULL, {TO_DATA, {"A: b\r\n\tc\r\n\r\n \r\n\r\nx \t\r\n.\r\n", "250"}},
     "A: b\r\n\tc\r\n\r\n \r\n\r\nx \t\r\n", 1, 0, false, 0},
    {"C-057 local parts are never interpreted", local_part_case, {{0}}, "x\r\n", 1, 0, false, 0},
    {"C-058 source routes are read and dropped", source_route, {{0}}, "", 1, 0, false, 0},
    {"C-100 SIZE n in EHLO", size_forms, {{0}}, 0, 0, 0, false, 0},
    {"C-101 SIZE above the limit is 552 at MAIL",
     NULL, {EHLO, {"MAIL FROM:<a@b> SIZE=1000001\r\n",
                   "552 5.3.4 Message size exceeds fixed maximum message size"},
            {"MAIL FROM:<a@b> SIZE=1000000\r\n", "250"}}, NULL, 0, 1, false, 0},
    {"C-102 too much text is 552 at the end", size_over_data, {{0}}, 0, 1, 1, false, 0},
    {"C-103 SIZE says nothing about the end",
     NULL, {EHLO, {"MAIL FROM:<a@b> SIZE=3\r\n", "250"}, RCPT, {"DATA\r\n", "354"},
            {"much longer than three\r\n", ""}, {".\r\n", "250"}},
     "much longer than three\r\n", 1, 0, false, 0},
    {"C-104 size without stuffing and final dot", size_counts_unstuffed, {{0}}, 0, 1, 0, false, 0},
    {"C-107 replies in order however the input is split", any_split, {{0}}, 0, 0, 0, true, 0},
    {"C-108 no input is lost behind a message",
     NULL, {TO_DATA, {"x\r\n.\r\n" RIG_MAIL RIG_RCPT "DATA\r\n", "250 2.6.0\n250 2.1.0\n250 2.1.5\n354"},
            {"y\r\n.\r\nQUIT\r\n", "250 2.6.0\n221"}}, "y\r\n", 2, 0, true, 0},
    {"C-109 each reply is there when the input ends",
     NULL, {EHLO, MAIL, RCPT, {"NOOP\r\n", "250"}, {"FOO\r\n", "500"}, {"VRFY x\r\n", "252"},
            {"EXPN x\r\n", "502"}, {"DATA\r\n", "354"}, {".\r\n", "250"}, {"QUIT\r\n", "221"}},
     "", 1, 0, true, 0},
    {"C-110 354 only with a recipient", no_lone_354, {{0}}, 0, 0, 2, false, 0},
    {"C-111 no message without a recipient", no_lone_354, {{0}}, 0, 0, 2, false, 0},
    {"C-114 DATA in the middle of a group ends the session",
     NULL, {EHLO, {RIG_MAIL RIG_RCPT "DATA\r\nNOOP\r\n", "250\n250\n554 5.5.0"}},
     NULL, 0, 1, true, ONE_BLOCK},
    {"C-114 STARTTLS in the middle of a group ends the session",
     NULL, {EHLO, {"STARTTLS\r\nNOOP\r\n", "554 5.5.0"}}, NULL, 0, 0, true, ONE_BLOCK},
    {"C-114 nothing behind QUIT is heard",
     NULL, {EHLO, {"QUIT\r\nNOOP\r\n", "221"}}, NULL, 0, 0, true, 0},
    {"C-116 250 for each chunk",
     NULL, {TO_RCPT, {"BDAT 3\r\nabc", "250 2.6.0 CHUNK received OK, 3 octets"},
            {"BDAT 3\r\nd\r\n", "250 2.6.0 CHUNK received OK, 3 octets"},
            {"BDAT 3 LAST\r\ne\r\n", "250 2.6.0 Queued"}}, "abcd\r\ne\r\n", 1, 0, false, 0},
    {"C-117 exactly the octets announced", chunk_octets_exact, {{0}}, 0, 1, 0, false, 0},
    {"C-118 BDAT after LAST is 503",
     NULL, {TO_RCPT, {"BDAT 3 LAST\r\na\r\n", "250"}, {"BDAT 6\r\nRSET\r\n", "503 5.5.1"},
            {"NOOP\r\n", "250"}}, "a\r\n", 1, 0, false, 0},
    {"C-119 a failed chunk is read, and those behind it", failed_chunk_swallowed, {{0}}, 0, 0, 2,
     false, 0},
    {"C-120 DATA after BDAT is 503",
     NULL, {TO_RCPT, {"BDAT 3\r\na\r\n", "250"}, {"DATA\r\n", "503 5.5.1"},
            {"BDAT 3 LAST\r\nb\r\n", "250"}}, "a\r\nb\r\n", 1, 0, false, 0},
    {"C-121 BDAT 0 LAST ends it",
     NULL, {TO_RCPT, {"BDAT 3\r\na\r\n", "250"}, {"BDAT 0 LAST\r\n", "250 2.6.0 Queued"}},
     "a\r\n", 1, 0, false, 0},
    {"C-122 DATA works where CHUNKING is offered",
     NULL, {TO_DATA, {"a\r\n.\r\n", "250"}}, "a\r\n", 1, 0, false, 0},
    {"C-123 RSET between chunks clears",
     NULL, {TO_RCPT, {"BDAT 3\r\na\r\n", "250"}, {"RSET\r\n", "250"},
            {"BDAT 3 LAST\r\nb\r\n", "503"}, MAIL, RCPT, {"BDAT 3 LAST\r\nc\r\n", "250"}},
     "c\r\n", 1, 1, false, 0},
    {"C-124 BINARYMIME is not offered: 555",
     NULL, {EHLO, {"MAIL FROM:<a@b> BODY=BINARYMIME\r\n", "555 5.5.4"}}, NULL, 0, 0, false, 0},
    {"C-124 all bits preserved in a chunk", bits_preserved, {{0}}, 0, 1, 0, false, 0},
    {"C-154 addresses beyond ASCII only with SMTPUTF8", utf8_needs_parameter, {{0}}, 0, 0, 2, false,
     0},
};

static void run_steps(const struct row *row, struct rig *r, size_t (*send)(struct rig *, struct bytes))
{
    rig_start(r);
    for (const struct step *step = row->steps; step->send; step++) {
        unit_row(step->send);
        send(r, bytes_of(step->send));
        if (!rig_expect(r, step->reply))
            break;
    }
}

static void run_once(const struct row *row, bool later, size_t (*send)(struct rig *, struct bytes))
{
    struct rig r;
    clock_virtual_start(1000, 1700000000000);
    rig_init(&r);
    r.later = later;
    if (row->run)
        row->run(&r);
    else
        run_steps(row, &r, send);
    unit_row("");
    CHECK(!r.s || row->closed == (smtp_server_want(r.s) == SMTP_SERVER_WANT_CLOSE));
    CHECK_U64(r.commits, row->commits);
    if (row->message && r.commits)
        CHECK_BYTES(buf_bytes(&r.text), bytes_of(row->message));
    smtp_server_free(&r.s);
    CHECK_U64(r.aborts, row->aborts);
    rig_end(&r);
    clock_virtual_end();
}

static void run_row(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct row *row = &rows[i];
        if (strcmp(row->name, unit_test_name()) != 0)
            continue;
        run_once(row, false, rig_send);
        if (row->run)
            continue;
        run_once(row, true, rig_send);
        if (!(row->flags & ONE_BLOCK))
            run_once(row, true, rig_send_bytewise);
    }
}

int main(void)
{
    struct unit_test tests[ARRAY_SIZE(rows)];
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        tests[i] = (struct unit_test){rows[i].name, run_row};
    return unit_main("net/smtp_server conformance", tests, ARRAY_SIZE(rows));
}
