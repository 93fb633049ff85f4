/* The statements of RFC 1870, 2920, 3030 and 6531 about a server. */
#include "smtp_server_statements.h"

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

/* Exchange: DefaultDomain. Only a path that is sound but for its domain is completed. */
static void default_domain(struct rig *r)
{
    r->settings.default_domain = BYTES("ours.example");
    r->settings.address_max = 24;
    rig_start(r);
    rig_say(r, RIG_EHLO, "*");
    rig_say(r, "MAIL FROM:<>\r\n", "250 ");
    CHECK_BYTES(smtp_server_facts(r->s)->envelope->sender, BYTES_EMPTY);
    rig_say(r, "RSET\r\n", "250 ");
    rig_say(r, "MAIL FROM:<bob@>\r\nMAIL FROM:<@a:bob>\r\n", "501 5.1.7\n501 5.1.7");
    rig_say(r, "MAIL FROM:bob SIZE=5\r\n", "250 ");
    CHECK_BYTES(smtp_server_facts(r->s)->envelope->sender, BYTES("bob@ours.example"));
    rig_say(r, "RCPT TO:<ann>\r\n", "250 ");
    rig_say(r, "RCPT TO:<PostMaster> NOTIFY=NEVER\r\n", "250 ");
    rig_say(r, "RCPT TO:<\"a@x\">\r\n", "250 ");
    rig_say(r, "RCPT TO:<c@d.example>\r\n", "250 ");
    const struct mail_envelope *e = smtp_server_facts(r->s)->envelope;
    CHECK_U64(e->rcpt_count, 4);
    CHECK_BYTES(e->rcpts[0].address, BYTES("ann@ours.example"));
    CHECK_BYTES(e->rcpts[1].address, BYTES("PostMaster@ours.example"));
    CHECK_BYTES(e->rcpts[2].address, BYTES("\"a@x\"@ours.example"));
    CHECK_BYTES(e->rcpts[3].address, BYTES("c@d.example"));
    rig_say(r, "RCPT TO:<twelve_signs>\r\nRCPT TO:<>\r\n", "501 5.1.3\n501 5.1.3");
    rig_say(r, "RCPT TO:<ann\r\n", "501 5.1.3");
}

/* A line of 8000 octets, an address of 1860; elsewhere 2048 and 571. */
static void long_addresses(struct rig *r)
{
    static const struct {
        bool offered;
        size_t local;
        const char *reply;
    } rows[] = {
        {true, 1850, "250 "},       {true, 1851, "501 5.1.7"}, {true, 7900, "501 5.1.7"},
        {true, 8000, "500 5.5.2"},  {false, 561, "250 "},      {false, 562, "501 5.1.7"},
        {false, 2048, "500 5.5.2"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        r->settings.extensions = RIG_EXTENSIONS | (rows[i].offered ? SMTP_EXTENSION_XLONGADDR : 0);
        r->settings.address_max =
            rows[i].offered ? SMTP_SERVER_LONG_ADDRESS_MAX : SMTP_SERVER_ADDRESS_MAX;
        smtp_server_free(&r->s);
        rig_start(r);
        rig_send(r, BYTES(RIG_EHLO));
        CHECK((bytes_find(rig_output(r), 'X', 0) != BYTES_NOT_FOUND) == rows[i].offered);
        buf_clear(smtp_server_output(r->s));
        say_long(r, "MAIL FROM:<", 'x', rows[i].local, "@b.example>\r\n", rows[i].reply);
    }
}

/* Exchange's ORAR=, for those who were offered XORAR: written like ORCPT. */
static void alternate_recipient(struct rig *r)
{
    r->settings.extensions |= SMTP_EXTENSION_XORAR;
    rig_start(r);
    rig_send(r, BYTES(RIG_EHLO));
    CHECK(memmem(rig_output(r).ptr, rig_output(r).len, "XORAR\r\n", 7));
    buf_clear(smtp_server_output(r->s));
    rig_say(r, RIG_MAIL, "250 ");
    rig_say(r, "RCPT TO:<c@d> ORAR=rfc822;Bob+2B@x NOTIFY=NEVER ORCPT=rfc822;c@d\r\n", "250 ");
    rig_say(r, "RCPT TO:<e@f>\r\n", "250 ");
    rig_say(r, "RCPT TO:<c@d> orar=x@y\r\nRCPT TO:<c@d> ORAR=\r\n", "501 5.5.4\n501 5.5.4");
    rig_say(r, "RCPT TO:<c@d> ORAR=rfc822;x+0D+0A\r\n", "501 5.5.4");
    rig_say(r, "RCPT TO:<c@d> ORAR=rfc822;x ORAR=rfc822;y\r\n", "501 5.5.4");
    const struct mail_envelope *e = smtp_server_facts(r->s)->envelope;
    CHECK_U64(e->rcpt_count, 2);
    CHECK_BYTES(e->rcpts[0].orar, BYTES("rfc822;Bob+2B@x"));
    CHECK_BYTES(e->rcpts[0].orcpt, BYTES("rfc822;c@d"));
    CHECK_U64(e->rcpts[1].orar.len, 0);
    say_long(r, "RCPT TO:<c@d> ORAR=rfc822;", 'x', 493, "\r\n", "250 ");
    say_long(r, "RCPT TO:<c@d> ORAR=rfc822;", 'x', 494, "\r\n", "501 5.5.4");
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

static void any_split(struct rig *r)
{
    static const char group[] = RIG_EHLO RIG_MAIL RIG_RCPT
        "RCPT TO:<bad\r\n" RIG_RCPT "RSET\r\n" RIG_MAIL "NOOP x\r\nFOO\r\nQUIT\r\n";
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
    rig_say(r,
            "BDAT 6\r\nab\r\ncdBDAT 30\r\nRSET\r\nRSET\r\nRSET\r\nRSET\r\nRSET\r\n"
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

/* Every octet that there is, with all that is no line end: in two chunks, cut in a CR LF. */
static void binary_text(struct rig *r)
{
    char all[3 * 256];
    for (size_t i = 0; i < 256; i++) {
        all[i] = (char)i;
        all[256 + i] = (char)(i % 3 ? i : '\n');
        all[512 + i] = (char)(i % 2 ? '\n' : '\r');
    }
    r->settings.extensions |= SMTP_EXTENSION_BINARYMIME;
    for (int normalize = 0; normalize < 2; normalize++) {
        r->settings.normalize_bare_linefeed = normalize;
        smtp_server_free(&r->s);
        rig_start(r);
        rig_say(r, RIG_EHLO, "*");
        rig_say(r, "MAIL FROM:<a@b> BODY=BINARYMIME\r\n", "250 ");
        rig_say(r, RIG_RCPT, "250 ");
        rig_say(r, "BDAT 513\r\n", "");
        rig_send(r, bytes_make(all, 513));
        rig_expect(r, "250 ");
        rig_say(r, "BDAT 255 LAST\r\n", "");
        rig_send(r, bytes_make(all + 513, 255));
        rig_expect(r, "250 ");
        CHECK_BYTES(buf_bytes(&r->text), bytes_make(all, sizeof all));
        CHECK_U64(r->octets, sizeof all);
        CHECK(r->envelope.body == MAIL_BODY_BINARYMIME);
        CHECK((r->notes & SMTP_DATA_NUL) && (r->notes & SMTP_DATA_BARE_CR) &&
              (r->notes & SMTP_DATA_BARE_LF));
        /* It does not rub off on the next one. */
        rig_say(r, RIG_MAIL RIG_RCPT "BDAT 5 LAST\r\na\nb\r\n",
                normalize ? "250 \n250 \n250 " : "250 \n250 \n550 5.5.2");
        if (normalize)
            CHECK_BYTES(buf_bytes(&r->text), BYTES("a\r\nb\r\n"));
    }
}

static bool was_said(struct rig *r, const char *text)
{
    struct bytes out = rig_output(r);
    return memmem(out.ptr, out.len, text, strlen(text));
}

static void binary_offered(struct rig *r)
{
    rig_start(r);
    rig_send(r, BYTES(RIG_EHLO));
    CHECK(!was_said(r, "BINARYMIME"));
    smtp_server_free(&r->s);
    r->settings.extensions |= SMTP_EXTENSION_BINARYMIME;
    r->settings.extensions &= ~(unsigned)SMTP_EXTENSION_8BITMIME;
    rig_start(r);
    rig_send(r, BYTES(RIG_EHLO));
    CHECK(was_said(r, "250-BINARYMIME\r\n250-CHUNKING\r\n"));
    buf_clear(smtp_server_output(r->s));
    rig_say(r, "MAIL FROM:<a@b> BODY=8BITMIME\r\n", "555 5.5.4");
    rig_say(r, "MAIL FROM:<a@b> BODY=BINARY\r\n", "501 5.5.4");
    rig_say(r, "MAIL FROM:<a@b> BODY=BINARYMIME BODY=BINARYMIME\r\n", "501 5.5.4");
    rig_say(r, "HELO x\r\n", "250 ");
    rig_say(r, "MAIL FROM:<a@b> BODY=BINARYMIME\r\n", "555 5.5.4");
    rig_say(r, RIG_EHLO, "*");
    rig_say(r, "MAIL FROM:<a@b> BODY=binarymime\r\n", "250 ");
    rig_say(r, RIG_RCPT, "250 ");
    rig_say(r, "DATA\r\n", "503 5.5.1");
    rig_say(r, "BDAT 3 LAST\r\na\nb", "250 ");
    CHECK_BYTES(buf_bytes(&r->text), BYTES("a\nb"));
}

static void no_lone_354(struct rig *r)
{
    rig_start(r);
    r->on_rcpt = rig_status(550, 5, 7, 1, "Unable to relay");
    rig_say(r, RIG_EHLO, "*");
    rig_say(r, RIG_MAIL RIG_RCPT RIG_RCPT "DATA\r\n", "250 2.1.0\n550 5.7.1\n550 5.7.1\n503 5.5.1");
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
    CHECK(strstr(rig_output(r).ptr, "250-SIZE 1000000\r\n"));
    smtp_server_free(&r->s);
    r->settings.size_without_value = true;
    rig_start(r);
    rig_send(r, BYTES(RIG_EHLO));
    CHECK(strstr(rig_output(r).ptr, "250-SIZE\r\n"));
}

static const struct row rows[] = {
    {"C-100 SIZE n in EHLO", .run = size_forms},
    {"C-101 SIZE above the limit is 552 at MAIL",
     .steps = {EHLO,
               {"MAIL FROM:<a@b> SIZE=1000001\r\n",
                "552 5.3.4 Message size exceeds fixed maximum message size"},
               {"MAIL FROM:<a@b> SIZE=1000000\r\n", "250"}},
     .aborts = 1},
    {"C-102 too much text is 552 at the end", .run = size_over_data, .commits = 1, .aborts = 1},
    {"C-103 SIZE says nothing about the end",
     .steps = {EHLO,
               {"MAIL FROM:<a@b> SIZE=3\r\n", "250"},
               RCPT,
               {"DATA\r\n", "354"},
               {"much longer than three\r\n", ""},
               {".\r\n", "250"}},
     .message = "much longer than three\r\n", .commits = 1},
    {"C-104 size without stuffing and final dot", .run = size_counts_unstuffed, .commits = 1},
    {"C-107 replies in order however the input is split", .run = any_split, .closed = true},
    {"C-108 no input is lost behind a message",
     .steps = {TO_DATA,
               {"x\r\n.\r\n" RIG_MAIL RIG_RCPT "DATA\r\n", "250 2.6.0\n250 2.1.0\n250 2.1.5\n354"},
               {"y\r\n.\r\nQUIT\r\n", "250 2.6.0\n221"}},
     .message = "y\r\n", .commits = 2, .closed = true},
    {"C-109 each reply is there when the input ends",
     .steps = {EHLO,
               MAIL,
               RCPT,
               {"NOOP\r\n", "250"},
               {"FOO\r\n", "500"},
               {"VRFY x\r\n", "252"},
               {"EXPN x\r\n", "502"},
               {"DATA\r\n", "354"},
               {".\r\n", "250"},
               {"QUIT\r\n", "221"}},
     .message = "", .commits = 1, .closed = true},
    {"C-110 354 only with a recipient", .run = no_lone_354, .aborts = 2},
    {"C-111 no message without a recipient", .run = no_lone_354, .aborts = 2},
    {"C-114 DATA in the middle of a group ends the session",
     .steps = {EHLO, {RIG_MAIL RIG_RCPT "DATA\r\nNOOP\r\n", "250\n250\n554 5.5.0"}}, .aborts = 1,
     .closed = true, .one_block = true},
    {"C-114 STARTTLS in the middle of a group ends the session",
     .steps = {EHLO, {"STARTTLS\r\nNOOP\r\n", "554 5.5.0"}}, .closed = true, .one_block = true},
    {"C-114 nothing behind QUIT is heard", .steps = {EHLO, {"QUIT\r\nNOOP\r\n", "221"}},
     .closed = true},
    {"C-116 250 for each chunk",
     .steps = {TO_RCPT,
               {"BDAT 3\r\nabc", "250 2.6.0 CHUNK received OK, 3 octets"},
               {"BDAT 3\r\nd\r\n", "250 2.6.0 CHUNK received OK, 3 octets"},
               {"BDAT 3 LAST\r\ne\r\n", "250 2.6.0 Queued"}},
     .message = "abcd\r\ne\r\n", .commits = 1},
    {"C-117 exactly the octets announced", .run = chunk_octets_exact, .commits = 1},
    {"C-118 BDAT after LAST is 503",
     .steps = {TO_RCPT,
               {"BDAT 3 LAST\r\na\r\n", "250"},
               {"BDAT 6\r\nRSET\r\n", "503 5.5.1"},
               {"NOOP\r\n", "250"}},
     .message = "a\r\n", .commits = 1},
    {"C-119 a failed chunk is read, and those behind it", .run = failed_chunk_swallowed,
     .aborts = 2},
    {"C-120 DATA after BDAT is 503",
     .steps = {TO_RCPT,
               {"BDAT 3\r\na\r\n", "250"},
               {"DATA\r\n", "503 5.5.1"},
               {"BDAT 3 LAST\r\nb\r\n", "250"}},
     .message = "a\r\nb\r\n", .commits = 1},
    {"C-121 BDAT 0 LAST ends it",
     .steps = {TO_RCPT, {"BDAT 3\r\na\r\n", "250"}, {"BDAT 0 LAST\r\n", "250 2.6.0 Queued"}},
     .message = "a\r\n", .commits = 1},
    {"C-122 DATA works where CHUNKING is offered", .steps = {TO_DATA, {"a\r\n.\r\n", "250"}},
     .message = "a\r\n", .commits = 1},
    {"C-123 RSET between chunks clears",
     .steps = {TO_RCPT,
               {"BDAT 3\r\na\r\n", "250"},
               {"RSET\r\n", "250"},
               {"BDAT 3 LAST\r\nb\r\n", "503"},
               MAIL,
               RCPT,
               {"BDAT 3 LAST\r\nc\r\n", "250"}},
     .message = "c\r\n", .commits = 1, .aborts = 1},
    {"C-124 BINARYMIME is not offered: 555",
     .steps = {EHLO, {"MAIL FROM:<a@b> BODY=BINARYMIME\r\n", "555 5.5.4"}}},
    {"C-124 BINARYMIME where it is offered, and not by DATA", .run = binary_offered, .commits = 1},
    {"C-124 binary text octet for octet", .run = binary_text, .commits = 3, .aborts = 1},
    {"C-124 all bits preserved in a chunk", .run = bits_preserved, .commits = 1},
    {"DefaultDomain completes an address", .run = default_domain, .aborts = 2},
    {"XLONGADDR", .run = long_addresses, .aborts = 2},
    {"XORAR", .run = alternate_recipient, .aborts = 1},
    {"ORAR= that is not offered: 555",
     .steps = {EHLO, MAIL, {"RCPT TO:<c@d> ORAR=rfc822;x\r\n", "555 5.5.4"}}, .aborts = 1},
    {"C-154 addresses beyond ASCII only with SMTPUTF8", .run = utf8_needs_parameter, .aborts = 2},
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
    return unit_main("net/smtp_server extensions", tests, ARRAY_SIZE(rows));
}
