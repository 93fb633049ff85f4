/* queue/dsn: binary original, a failure, to the field, boundaries, ENVID and ORCPT, actions and
 * statuses, hostile replies (N-04), what is returned, fields that are not returned, over blocks,
 * a long one, international addresses, three fates in one report, a thousand recipients (N-05),
 * the envelope, Message-ID, failures are told. */
#include "queue/dsn.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/rand.h"

#include "unit.h"

#define RECEIVED_MS 1381230664000 /* Tue, 08 Oct 2013 11:11:04 UTC */
#define HOUR_MS     3600000

/* The spool's one function that a report needs: the original's text. */
static struct bytes original_text;
static bool text_unreadable;

enum err spool_read_text(const struct spool_message *m, uint64_t at, char *to, size_t len)
{
    (void)m;
    if (text_unreadable || at + len > original_text.len)
        return ERR_IO;
    memcpy(to, original_text.ptr + at, len);
    return ERR_OK;
}

struct fixture {
    struct arena arena;
    struct mail_rcpt rcpts[3];
    struct spool_message original;
    struct dsn_facts facts;
    struct buf out;
};

#define RETURNED "Subject: Hello\r\nFrom: s@example.com\r\n\r\nLine\r\n.dot\r\n"
#define TEXT     "Received: from a by b\r\n" RETURNED

static void setup(struct fixture *f)
{
    *f = (struct fixture){.rcpts = {{.address = BYTES("bob@example.net")},
                                    {.address = BYTES("amy@example.org")},
                                    {.address = BYTES("joe@example.org")}}};
    arena_init(&f->arena, 0);
    buf_init(&f->out, 32 << 20);
    original_text = BYTES(TEXT);
    text_unreadable = false;
    f->original.envelope = (struct mail_envelope){
        .sender = BYTES("s@example.com"), .rcpts = f->rcpts, .rcpt_count = 3};
    f->original.meta.received_at_ms = RECEIVED_MS;
    f->original.meta.message_id = BYTES("<1@example.com>");
    for (size_t i = 0; i < 3; i++) {
        f->rcpts[i].report = MAIL_REPORT_FAILED;
        f->rcpts[i].remote = true;
        f->rcpts[i].status = MAIL_STATUS(550, 5, 1, 1, "No such user here");
    }
    f->facts = (struct dsn_facts){.hostname = "relay.example",
                                  .postmaster = "postmaster@relay.example",
                                  .id = 4711,
                                  .original = &f->original,
                                  .now_ms = RECEIVED_MS + HOUR_MS,
                                  .retry_until_ms = RECEIVED_MS + 48 * HOUR_MS,
                                  .rcpts = f->rcpts,
                                  .rcpt_count = 1,
                                  .remote_mta = BYTES("mx.example.net")};
}

static void teardown(struct fixture *f)
{
    buf_free(&f->out);
    arena_free(&f->arena);
}

static bool keep(void *owner, struct bytes piece)
{
    struct fixture *f = owner;
    return buf_append(&f->out, piece) == ERR_OK;
}

/* RFC 3464 wants 7-bit lines of text, whatever peers sent us. */
static bool is_plain_text(struct bytes text)
{
    size_t line = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool cr = i > 0 && text.ptr[i - 1] == '\r';
        if (c == 0 || c >= 0x7f || (c < ' ' && c != '\t' && c != '\r' && c != '\n'))
            return false;
        if ((c == '\n') != cr)
            return false;
        line = c == '\n' ? 0 : line + 1;
        if (line > 999) /* CR counted */
            return false;
    }
    return true;
}

static struct bytes write_it(struct fixture *f)
{
    f->original.meta.octets = original_text.len;
    CHECK(dsn_write(&f->facts, &f->arena, keep, f));
    CHECK(is_plain_text(buf_bytes(&f->out)));
    return buf_bytes(&f->out);
}

static bool has(struct bytes text, const char *part)
{
    return memmem(text.ptr, text.len, part, strlen(part));
}

static size_t count(struct bytes text, const char *part)
{
    size_t n = 0;
    const char *at;
    while ((at = memmem(text.ptr, text.len, part, strlen(part)))) {
        n++;
        text = bytes_from(text, (size_t)(at - text.ptr) + 1);
    }
    return n;
}

static void test_failed(void)
{
    struct fixture f;
    setup(&f);
    struct bytes text = write_it(&f);
    CHECK(has(text, "From: Mail Delivery System <postmaster@relay.example>\r\n"));
    CHECK(has(text, "\r\nTo: <s@example.com>\r\n"));
    CHECK(has(text, "\r\nReferences: <1@example.com>\r\n"));
    CHECK(has(text, "\r\nAuto-Submitted: auto-replied\r\n")); /* C-152 */
    CHECK(has(text, "\r\nMIME-Version: 1.0\r\n"));
    CHECK(has(text, "multipart/report; report-type=delivery-status;"));
    CHECK(has(text, "\r\nReporting-MTA: dns; relay.example\r\n"));
    CHECK(has(text, "\r\nFinal-Recipient: rfc822; bob@example.net\r\n"));
    CHECK(has(text, "\r\nAction: failed\r\nStatus: 5.1.1\r\n"));
    CHECK(has(text, "\r\nRemote-MTA: dns; mx.example.net\r\n"));
    CHECK(has(text, "\r\nDiagnostic-Code: smtp; 550 5.1.1 No such user here\r\n"));
    CHECK(has(text, "\r\nLast-Attempt-Date: "));
    CHECK(has(text, "\r\nArrival-Date: "));
    CHECK(!has(text, "Will-Retry-Until"));
    CHECK(!has(text, "Original-Envelope-Id") && !has(text, "Original-Recipient"));
    CHECK(has(text, "This address does not exist at the receiving mail system."));
    CHECK(has(text, "Content-Type: message/rfc822\r\n\r\n" RETURNED "\r\n--"));
    teardown(&f);
}

/* Three parts, each between the boundary of the header, the last one closed. */
static void test_boundaries(void)
{
    struct fixture f;
    setup(&f);
    struct bytes text = write_it(&f);
    const char *at = memmem(text.ptr, text.len, "boundary=\"", 10);
    CHECK(at);
    size_t len = strcspn(at + 10, "\"");
    char line[200];
    snprintf(line, sizeof line, "\r\n--%.*s\r\n", (int)len, at + 10);
    CHECK_U64(count(text, line), 3);
    snprintf(line, sizeof line, "\r\n--%.*s--\r\n", (int)len, at + 10);
    CHECK_U64(count(text, line), 1);
    CHECK(bytes_ends_nocase(text, bytes_of(line)));
    CHECK(len <= 70); /* RFC 2046 5.1.1 */
    teardown(&f);
}

static const struct id_row {
    const char *name, *envid, *orcpt, *wanted, *unwanted;
} id_rows[] = {
    {"neither", "", "", "Final-Recipient: rfc822; bob@example.net", "Original-"},
    {"ENVID", "QQ314159", "", "\r\nOriginal-Envelope-Id: QQ314159\r\n", "Original-Recipient"},
    {"ENVID is xtext", "a+2Bb+3Dc", "", "\r\nOriginal-Envelope-Id: a+b=c\r\n", "+2B"},
    {"ENVID with a line end in xtext", "a+0D+0AEvil: 1", "", "-Id: a Evil: 1\r\n", "\r\nEvil"},
    {"xtext cut short", "a+2", "", "\r\nOriginal-Envelope-Id: a+2\r\n", "\r\nOriginal-R"},
    {"ORCPT", "", "rfc822;a+2Bb@example.org", "\r\nOriginal-Recipient: rfc822; a+b@example.org\r\n",
     "Original-Envelope"},
    {"ORCPT without a type", "", "a@b", "Final-Recipient", "Original-Recipient"},
    {"ORCPT with a line end in xtext", "", "rfc822;a+0A+0DAction: delivered",
     "rfc822; a Action:", "\r\nAction: delivered"},
    {"ORCPT of RFC 6533", "", "utf-8;\\x{E4}b@example.org",
     "\r\nOriginal-Recipient: utf-8; \\x{E4}b@example.org\r\n", "x5C"},
};

static void test_ids(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(id_rows); i++) {
        struct fixture f;
        unit_row(id_rows[i].name);
        setup(&f);
        f.original.envelope.envid = bytes_of(id_rows[i].envid);
        f.rcpts[0].orcpt = bytes_of(id_rows[i].orcpt);
        struct bytes text = write_it(&f);
        CHECK(has(text, id_rows[i].wanted));
        CHECK(!has(text, id_rows[i].unwanted));
        teardown(&f);
    }
}

static const struct status_row {
    const char *name;
    struct mail_status status;
    enum mail_report report;
    bool ours;
    const char *wanted, *unwanted;
} status_rows[] = {
    {"no enhanced code",
     {554, {0, 0, 0}, {"No", 2}},
     MAIL_REPORT_FAILED,
     false,
     "Status: 5.0.0\r\n",
     "Will-"},
    {"class of another reply",
     {550, {2, 1, 1}, {"No", 2}},
     MAIL_REPORT_FAILED,
     false,
     "Status: 5.0.0\r\n",
     "Status: 2"},
    {"expired",
     {550, {4, 4, 7}, {"QUEUE.Expired; message expired", 30}},
     MAIL_REPORT_FAILED,
     true,
     "Status: 4.4.7\r\n",
     "Diagnostic-Code"},
    {"expired, for a person",
     {550, {4, 4, 7}, {"QUEUE.Expired; message expired", 30}},
     MAIL_REPORT_FAILED,
     true,
     "relay.example said: 550 4.4.7 QUEUE.Expired; message expired\r\n",
     "Remote-MTA"},
    {"delayed",
     {451, {4, 7, 1}, {"Wait", 4}},
     MAIL_REPORT_DELAYED,
     false,
     "Action: delayed\r\nStatus: 4.7.1\r\n",
     "message/rfc822"},
    {"delayed until",
     {451, {4, 7, 1}, {"Wait", 4}},
     MAIL_REPORT_DELAYED,
     false,
     "\r\nWill-Retry-Until: Thu, 10 Oct 2013",
     "It will not be tried again"},
    {"relayed",
     {250, {0, 0, 0}, {"Ok", 2}},
     MAIL_REPORT_RELAYED,
     false,
     "Action: relayed\r\nStatus: 2.0.0\r\n",
     "message/rfc822"},
};

static void test_statuses(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(status_rows); i++) {
        struct fixture f;
        unit_row(status_rows[i].name);
        setup(&f);
        f.rcpts[0].status = status_rows[i].status;
        f.rcpts[0].report = (uint8_t)status_rows[i].report;
        if (status_rows[i].ours)
            f.rcpts[0].remote = false;
        struct bytes text = write_it(&f);
        CHECK(has(text, status_rows[i].wanted));
        CHECK(!has(text, status_rows[i].unwanted));
        teardown(&f);
    }
}

/* N-04: whatever the remote server says, the fields stay ours. */
static void test_hostile_reply(void)
{
    struct fixture f;
    size_t len = 1 << 20;
    char *noise = malloc(len);
    CHECK(noise);
    rand_seed(7);
    for (int kind = 0; kind < 3; kind++) {
        setup(&f);
        for (size_t i = 0; i < len; i++)
            noise[i] = kind == 0 ? (char)rand_below(256) : kind == 1 ? 'x' : "\r\n.\r\n-- "[i % 8];
        f.rcpts[0].status.text = bytes_make(noise, len);
        struct bytes text = write_it(&f);
        CHECK(text.len < 20000);
        CHECK_U64(count(text, "\r\nAction: "), 1);
        teardown(&f);
    }
    setup(&f);
    f.rcpts[0].status.text = BYTES("no\r\n\r\nFinal-Recipient: rfc822; eve@x\r\nAction: failed");
    f.facts.remote_mta = BYTES("mx\r\nAction: delivered\0\xff");
    struct bytes text = write_it(&f);
    CHECK_U64(count(text, "\r\nFinal-Recipient:"), 1);
    CHECK_U64(count(text, "\r\nAction:"), 1);
    teardown(&f);
    free(noise);
}

static char *repeat(const char *head, const char *line, size_t times)
{
    size_t head_len = strlen(head), len = strlen(line);
    char *text = malloc(head_len + len * times + 1);
    if (!text)
        abort();
    memcpy(text, head, head_len + 1);
    for (size_t i = 0; i < times; i++)
        memcpy(text + head_len + i * len, line, len + 1);
    return text;
}

static const struct return_row {
    const char *name;
    enum mail_ret ret;
    const char *head, *line;
    size_t lines;
    const char *type, *wanted, *unwanted;
} return_rows[] = {
    {"small", MAIL_RET_NONE, "A: 1\r\n\r\n", "text\r\n", 9, "message/rfc822", "\r\ntext\r\n",
     "7qx"},
    {"RET=HDRS", MAIL_RET_HDRS, "A: 1\r\n\r\n", "text\r\n", 9, "text/rfc822-headers",
     "\r\nA: 1\r\n", "\r\ntext"},
    {"over 50 KiB", MAIL_RET_NONE, "A: 1\r\n\r\n", "text\r\n", 9000, "text/rfc822-headers",
     "\r\nA: 1\r\n", "\r\ntext"},
    {"over 50 KiB, RET=FULL", MAIL_RET_FULL, "A: 1\r\n\r\n", "text\r\n", 9000, "message/rfc822",
     "\r\ntext\r\n", "7qx"},
    {"8-bit body", MAIL_RET_FULL, "A: 1\r\n\r\n", "t\xc3\xa4xt\r\n", 9, "text/rfc822-headers",
     "\r\nA: 1\r\n", "quoted-printable"},
    {"8-bit header", MAIL_RET_FULL, "A: \xc3\xa4=\r\nB: 2 \r\n\r\n", "text\r\n", 9,
     "text/rfc822-headers\r\nContent-Transfer-Encoding: quoted-printable",
     "\r\nA: =C3=A4=3D\r\nB: 2=20\r\n", "text\r\n"},
    {"header line of 2000", MAIL_RET_NONE, "A: ", "0123456789", 200, "quoted-printable", "=\r\n",
     "message/rfc822"},
    {"no header end", MAIL_RET_NONE, "A: 1\r\nB: 2\r\n", "C: 3\r\n", 9, "message/rfc822",
     "\r\nC: 3\r\n", "7qx"},
    {"endless header", MAIL_RET_NONE, "A: 1\r\n", "C: 3\r\n", 50000, "text/rfc822-headers",
     "\r\nC: 3\r\n", "7qx"},
    {"bare LF", MAIL_RET_NONE, "A: 1\r\n\r\n", "te\nxt\r\n", 9, "text/rfc822-headers", "A: 1",
     "te"
     "\n"},
    {"NUL-free but controls in the header", MAIL_RET_NONE, "A: 1\n.\r\n.B\r\n\r\n", "x\r\n", 1,
     "quoted-printable", "=0A.\r\n=2EB\r\n", "\r\n."},
    {"empty", MAIL_RET_NONE, "", "", 0, "message/rfc822", "--\r\n", "7qx"},
};

static void test_returned(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(return_rows); i++) {
        const struct return_row *row = &return_rows[i];
        struct fixture f;
        unit_row(row->name);
        setup(&f);
        char *source = repeat(row->head, row->line, row->lines);
        original_text = bytes_of(source);
        f.original.envelope.ret = row->ret;
        struct bytes text = write_it(&f);
        const char *part = memmem(text.ptr, text.len, "Content-Type: message/delivery-status", 37);
        CHECK(part);
        text = bytes_from(text, (size_t)(part - text.ptr));
        CHECK(has(text, row->type));
        CHECK(has(text, row->wanted));
        CHECK(!has(text, row->unwanted));
        CHECK(text.len < 70000);
        free(source);
        teardown(&f);
    }
}

/* Of the original that goes back, what the header firewall knows goes, whoever brought it. */
static const struct strip_row {
    const char *name, *header, *wanted;
} strip_rows[] = {
    {"nothing to strip", "A: 1\r\nB: 2\r\n", "A: 1\r\nB: 2\r\n"},
    {"Received", "Received: from a by b\r\nA: 1\r\n", "A: 1\r\n"},
    {"every one", "Received: x\r\nA: 1\r\nReceived: y\r\nReceived: z\r\n", "A: 1\r\n"},
    {"no other name that begins so", "Received-SPF: none\r\nX-Received: x\r\n",
     "Received-SPF: none\r\nX-Received: x\r\n"},
    {"Resent-*", "Resent-Date: x\r\nResent-Reply-To: x\r\nResent-Bcc: x\r\nA: 1\r\n", "A: 1\r\n"},
    {"organization", "A: 1\r\nX-MS-Exchange-Organization-SCL: -1\r\n", "A: 1\r\n"},
    {"forest", "X-MS-Exchange-Forest-RulesExecuted: x\r\nA: 1\r\n", "A: 1\r\n"},
    {"other fields of Exchange stay", "X-MS-Exchange-CrossTenant-Id: x\r\nX-MS-Has-Attach: x\r\n",
     "X-MS-Exchange-CrossTenant-Id: x\r\nX-MS-Has-Attach: x\r\n"},
    {"folded", "Received: from a\r\n\tby b\r\n  id c\r\nA: 1\r\n 2\r\nReceived: y\r\n z\r\n",
     "A: 1\r\n 2\r\n"},
    {"folded to a blank line", "Received: x\r\n \r\n\t\r\nA: 1\r\n", "A: 1\r\n"},
    {"case", "rEcEiVeD: x\r\nRESENT-from: x\r\nx-ms-exchange-organization-a: x\r\nA: 1\r\n",
     "A: 1\r\n"},
    {"blanks before the colon", "Received : x\r\nResent-To\t \t: x\r\nA: 1\r\n", "A: 1\r\n"},
    {"name without colon is no field", "Received\r\nA: 1\r\n", "Received\r\nA: 1\r\n"},
    {"behind a line that is no field", "A: 1\r\nno field\r\nReceived: x\r\nB: 2\r\n",
     "A: 1\r\nno field\r\nB: 2\r\n"},
    {"a name in a value", "A: Received: x\r\n Received: y\r\n",
     "A: Received: x\r\n Received: y\r\n"},
    {"nothing else", "Received: x\r\nResent-To: y\r\n", ""},
};

/* What stands between the third part's own header and the boundary. */
static struct bytes returned_part(struct fixture *f, const char *type)
{
    struct bytes text = write_it(f);
    const char *at = memmem(text.ptr, text.len, type, strlen(type));
    if (!CHECK(at))
        return BYTES_EMPTY;
    text = bytes_from(text, (size_t)(at - text.ptr) + strlen(type));
    const char *end = memmem(text.ptr, text.len, "\r\n--=_report_", 13);
    CHECK(end);
    return bytes_sub(text, 0, end ? (size_t)(end - text.ptr) : 0);
}

/* Whatever RET= says, a report holds no text that is not lines (RFC 3030 3). */
static void test_binary_original(void)
{
    static const enum mail_ret rets[] = {MAIL_RET_NONE, MAIL_RET_FULL, MAIL_RET_HDRS};
    for (size_t i = 0; i < ARRAY_SIZE(rets); i++) {
        struct fixture f;
        setup(&f);
        original_text = BYTES("A: 1\r\n\r\nlooks like lines\r\n");
        f.original.envelope.ret = rets[i];
        f.original.envelope.body = MAIL_BODY_BINARYMIME;
        CHECK_BYTES(returned_part(&f, "Content-Type: text/rfc822-headers\r\n\r\n"),
                    BYTES("A: 1\r\n"));
        original_text = BYTES("A: 1\r\n\r\nab\0\n\r\xff");
        CHECK_BYTES(returned_part(&f, "Content-Type: text/rfc822-headers\r\n\r\n"),
                    BYTES("A: 1\r\n"));
        teardown(&f);
    }
}

static void check_strip(const char *source, const char *wanted, enum mail_ret ret)
{
    struct fixture f;
    setup(&f);
    original_text = bytes_of(source);
    f.original.envelope.ret = ret;
    bool full = ret != MAIL_RET_HDRS;
    struct bytes part = returned_part(&f, full ? "Content-Type: message/rfc822\r\n\r\n"
                                               : "Content-Type: text/rfc822-headers\r\n\r\n");
    CHECK_BYTES(part, bytes_of(wanted));
    teardown(&f);
}

static void test_stripped(void)
{
    char source[1024], wanted[1024];
    for (size_t i = 0; i < ARRAY_SIZE(strip_rows); i++) {
        const struct strip_row *row = &strip_rows[i];
        unit_row(row->name);
        snprintf(source, sizeof source, "%s\r\nReceived: body\r\n", row->header);
        snprintf(wanted, sizeof wanted, "%s\r\nReceived: body\r\n", row->wanted);
        check_strip(source, wanted, MAIL_RET_NONE);
        check_strip(source, row->wanted, MAIL_RET_HDRS);
        check_strip(row->header, row->wanted, MAIL_RET_NONE); /* no empty line, no body */
    }
}

/* The spool's text is read in blocks: wherever one ends, the same goes. */
static void test_stripped_over_blocks(void)
{
    static const char tail[] = "Resent-Date \t: x\r\n folded\r\nB: 2\r\nReceived: y\r\nC: 3\r\n";
    enum { BLOCK = 16384 };
    for (size_t before = BLOCK - sizeof tail; before <= BLOCK + 2; before++) {
        char *text = repeat("A: 1", "\r\n 23456789", before / 11);
        size_t len = strlen(text);
        char *source = malloc(len + 256), *wanted = malloc(len + 256);
        if (!source || !wanted)
            abort();
        int fill = (int)(before % 11);
        snprintf(source, len + 256, "%s%.*s\r\n%s", text, fill, "xxxxxxxxxxx", tail);
        snprintf(wanted, len + 256, "%s%.*s\r\nB: 2\r\nC: 3\r\n", text, fill, "xxxxxxxxxxx");
        check_strip(source, wanted, MAIL_RET_NONE);
        check_strip(source, wanted, MAIL_RET_HDRS);
        free(source);
        free(wanted);
        free(text);
    }
}

/* A field that is longer than all that we return is not the end of what is. */
static void test_stripped_long(void)
{
    char *source = repeat("A: 1\r\nReceived: ", "0123456789", 6000);
    char *text = repeat(source, "\r\nB: \xc3\xa4\r\n\r\nbody\r\n", 1);
    struct fixture f;
    setup(&f);
    original_text = bytes_of(text);
    CHECK_BYTES(returned_part(&f, "quoted-printable\r\n\r\n"), BYTES("A: 1\r\nB: =C3=A4\r\n"));
    teardown(&f);
    free(text);
    free(source);
}

static void test_utf8(void)
{
    struct fixture f;
    setup(&f);
    f.original.envelope.sender = BYTES("j\xc3\xbcrgen@example.com");
    f.rcpts[0].address = BYTES("\xe4\xbd\xa0@example.net");
    f.rcpts[1].address = BYTES("\xff\xc0\xaf@example.net");
    f.facts.rcpt_count = 2;
    struct bytes text = write_it(&f);
    CHECK(has(text, "\r\nFinal-Recipient: utf-8; \\x{4F60}@example.net\r\n"));
    CHECK(has(text, "\r\nFinal-Recipient: utf-8; ???@example.net\r\n"));
    CHECK(has(text, "\r\nTo: undisclosed-recipients:;\r\n"));
    struct mail_envelope envelope;
    dsn_envelope(&f.facts, &f.arena, &envelope);
    CHECK_U64(envelope.options, MAIL_OPTION_SMTPUTF8);
    teardown(&f);
}

static void test_groups(void)
{
    struct fixture f;
    setup(&f);
    f.rcpts[1].report = MAIL_REPORT_DELAYED;
    f.rcpts[2].report = MAIL_REPORT_RELAYED;
    f.facts.rcpt_count = 3;
    struct bytes text = write_it(&f);
    CHECK_U64(count(text, "\r\nFinal-Recipient:"), 3);
    CHECK(has(text, "Action: failed") && has(text, "Action: delayed") &&
          has(text, "Action: relayed"));
    CHECK(has(text, "could not be delivered to the recipients named here"));
    CHECK(has(text, "has not been delivered yet"));
    CHECK(has(text, "has been handed to the mail system"));
    teardown(&f);
}

/* N-05: a person is shown some, the machine all. */
static void test_many(void)
{
    enum { MANY = 1000 };
    struct fixture f;
    setup(&f);
    struct mail_rcpt *all = ARENA_NEW_ARRAY(&f.arena, struct mail_rcpt, MANY);
    for (size_t i = 0; i < MANY; i++)
        all[i] = f.rcpts[0];
    f.facts.rcpts = all;
    f.facts.rcpt_count = MANY;
    struct bytes text = write_it(&f);
    CHECK_U64(count(text, "\r\nFinal-Recipient:"), MANY);
    CHECK_U64(count(text, "  <bob@example.net>\r\n"), 50);
    CHECK(has(text, "and 950 more"));
    teardown(&f);
}

/* RFC 3461 6.1 */
static void test_envelope(void)
{
    struct fixture f;
    struct mail_envelope envelope;
    setup(&f);
    dsn_envelope(&f.facts, &f.arena, &envelope);
    CHECK_U64(envelope.sender.len, 0);
    CHECK_U64(envelope.rcpt_count, 1);
    CHECK_BYTES(envelope.rcpts[0].address, BYTES("s@example.com"));
    CHECK_U64(envelope.rcpts[0].notify, MAIL_NOTIFY_NEVER);
    CHECK_U64(envelope.rcpts[0].orcpt.len, 0);
    CHECK_U64(envelope.ret, MAIL_RET_NONE);
    CHECK_U64(envelope.envid.len, 0);
    CHECK_U64(envelope.options, 0);
    teardown(&f);
}

static void test_message_id(void)
{
    struct fixture f;
    setup(&f);
    struct bytes one = dsn_message_id(&f.facts, &f.arena);
    f.facts.id++;
    struct bytes two = dsn_message_id(&f.facts, &f.arena);
    CHECK(!bytes_equal(one, two));
    CHECK(has(write_it(&f), arena_printf(&f.arena, "Message-ID: " BYTES_FMT, BYTES_ARG(two))));
    teardown(&f);
}

static bool refuse(void *owner, struct bytes piece)
{
    size_t *left = owner;
    if (*left < piece.len)
        return false;
    *left -= piece.len;
    return true;
}

static void test_failures(void)
{
    struct fixture f;
    setup(&f);
    f.original.meta.octets = original_text.len;
    size_t left = 10;
    CHECK(!dsn_write(&f.facts, &f.arena, refuse, &left));
    left = 1 << 20;
    CHECK(dsn_write(&f.facts, &f.arena, refuse, &left));
    text_unreadable = true;
    CHECK(!dsn_write(&f.facts, &f.arena, keep, &f));
    teardown(&f);
}

UNIT_MAIN("queue/dsn", {"binary original", test_binary_original},
          {"a failure, to the field", test_failed}, {"boundaries", test_boundaries},
          {"ENVID and ORCPT", test_ids}, {"actions and statuses", test_statuses},
          {"hostile replies (N-04)", test_hostile_reply}, {"what is returned", test_returned},
          {"fields that are not returned", test_stripped},
          {"over blocks", test_stripped_over_blocks}, {"a long one", test_stripped_long},
          {"international addresses", test_utf8}, {"three fates in one report", test_groups},
          {"a thousand recipients (N-05)", test_many}, {"the envelope", test_envelope},
          {"Message-ID", test_message_id}, {"failures are told", test_failures})
