/* The report as a whole: its header, and what a machine reads of each recipient. */
#include "queue/dsn.h"

#include <inttypes.h>

#include "core/clock.h"
#include "core/rand.h"
#include "queue/dsn_private.h"

bool dsn_has_report(const struct dsn_facts *facts, enum mail_report report)
{
    for (size_t i = 0; i < facts->rcpt_count; i++)
        if (facts->rcpts[i].report == report)
            return true;
    return false;
}

struct bytes dsn_message_id(const struct dsn_facts *facts, struct arena *arena)
{
    const char *id = arena_printf(arena, "<report-%" PRIu64 "-%" PRIx64 "@%s>", facts->id,
                                  (uint64_t)facts->now_ms, facts->hostname);
    return dsn_clean(arena, bytes_of(id), DSN_WORD_MAX);
}

static const char *subject(const struct dsn_facts *facts)
{
    if (dsn_has_report(facts, MAIL_REPORT_FAILED))
        return "Undelivered mail: your message did not reach everyone";
    if (dsn_has_report(facts, MAIL_REPORT_DELAYED))
        return "Delayed mail: your message is late, you need not send it again";
    return "Your message has been passed on";
}

static void write_date(struct dsn_out *out, const char *name, int64_t wall_ms)
{
    char date[CLOCK_RFC5322_SIZE];
    dsn_out_field(out, name, bytes_of(clock_rfc5322(wall_ms, date)));
}

static void write_header(struct dsn_out *out, const struct dsn_facts *facts, const char *boundary,
                         struct arena *arena)
{
    const char *type;
    struct bytes to = dsn_address(arena, facts->original->envelope.sender, &type);
    struct bytes from = dsn_clean(arena, bytes_of(facts->postmaster), DSN_WORD_MAX);
    struct bytes about = dsn_clean(arena, facts->original->meta.message_id, DSN_WORD_MAX);

    write_date(out, "Date", facts->now_ms);
    dsn_out_field(out, "From",
                  bytes_of(arena_printf(arena, "Mail Delivery System <%.*s>", BYTES_ARG(from))));
    /* An address that ASCII cannot say is in the envelope only: RFC 5322 has an empty group. */
    bool sayable = bytes_equal(bytes_of(type), BYTES("rfc822"));
    dsn_out_field(out, "To",
                  sayable ? bytes_of(arena_printf(arena, "<%.*s>", BYTES_ARG(to)))
                          : BYTES("undisclosed-recipients:;"));
    dsn_out_field(out, "Subject", bytes_of(subject(facts)));
    dsn_out_field(out, "Message-ID", dsn_message_id(facts, arena));
    if (about.len > 2 && about.ptr[0] == '<' && bytes_find(about, ' ', 0) == BYTES_NOT_FOUND)
        dsn_out_field(out, "References", about);
    dsn_out_text(out, "Auto-Submitted: auto-replied\r\n" /* RFC 3834 5 */
                      "MIME-Version: 1.0\r\n"
                      "Content-Type: multipart/report; report-type=delivery-status;\r\n"
                      " boundary=\"");
    dsn_out_text(out, boundary);
    dsn_out_text(out, "\"\r\n\r\nThis is a report about a message in the format of RFC 3464.\r\n");
}

/* RFC 3464 2.2 */
static void write_message_fields(struct dsn_out *out, const struct dsn_facts *facts,
                                 struct arena *arena)
{
    struct bytes envid = facts->original->envelope.envid;
    struct bytes host = dsn_clean(arena, bytes_of(facts->hostname), 255);
    if (envid.len > 0)
        dsn_out_field(out, "Original-Envelope-Id",
                      dsn_clean(arena, dsn_xtext_decode(arena, envid), DSN_WORD_MAX));
    dsn_out_field(out, "Reporting-MTA",
                  bytes_of(arena_printf(arena, "dns; %.*s", BYTES_ARG(host))));
    write_date(out, "Arrival-Date", facts->original->meta.received_at_ms);
}

/* RFC 3464 2.3.1; "type;xtext" as RFC 3461 4.2 has it, or nothing. */
static void write_original_rcpt(struct dsn_out *out, struct bytes orcpt, struct arena *arena)
{
    struct bytes type, coded;
    const char *unused;
    if (!bytes_split(orcpt, ';', &type, &coded))
        return;
    struct bytes clean_type = dsn_clean(arena, type, 64);
    bool utf8 = bytes_equal_nocase(type, BYTES("utf-8")); /* RFC 6533 3: not xtext */
    struct bytes plain = utf8 ? coded : dsn_xtext_decode(arena, coded);
    struct bytes value = dsn_address(arena, plain, &unused);
    dsn_out_field(
        out, "Original-Recipient",
        bytes_of(arena_printf(arena, "%.*s; %.*s", BYTES_ARG(clean_type), BYTES_ARG(value))));
}

/* RFC 3464 2.3.4. Digits of another class than the reply's say nothing (RFC 2034 4), but for our
 * own 4.4.7: it failed because it waited too long. */
static const char *status_text(const struct mail_rcpt *rcpt, struct arena *arena)
{
    static const char *const unknown[] = {[MAIL_REPORT_FAILED] = "5.0.0",
                                          [MAIL_REPORT_DELAYED] = "4.0.0",
                                          [MAIL_REPORT_RELAYED] = "2.0.0"};
    const uint16_t *e = rcpt->status.enhanced;
    bool known = e[0] == 2 || e[0] == 4 || e[0] == 5;
    if (!known || (rcpt->remote && e[0] != rcpt->status.code / 100))
        return unknown[rcpt->report];
    return arena_printf(arena, "%u.%u.%u", e[0], e[1], e[2]);
}

/* RFC 3464 2.3 */
static void write_rcpt_fields(struct dsn_out *out, const struct dsn_facts *facts,
                              const struct mail_rcpt *rcpt, struct arena *arena)
{
    static const char *const actions[] = {[MAIL_REPORT_FAILED] = "failed",
                                          [MAIL_REPORT_DELAYED] = "delayed",
                                          [MAIL_REPORT_RELAYED] = "relayed"};
    const char *type;
    char reply[DSN_REMOTE_MAX];
    struct bytes address = dsn_address(arena, rcpt->address, &type);
    struct bytes host = dsn_clean(arena, rcpt->remote ? facts->remote_mta : BYTES_EMPTY, 255);

    dsn_out_text(out, "\r\n");
    write_original_rcpt(out, rcpt->orcpt, arena);
    dsn_out_field(out, "Final-Recipient",
                  bytes_of(arena_printf(arena, "%s; %.*s", type, BYTES_ARG(address))));
    dsn_out_field(out, "Action", bytes_of(actions[rcpt->report]));
    dsn_out_field(out, "Status", bytes_of(status_text(rcpt, arena)));
    if (host.len > 0) {
        struct bytes said = bytes_of(mail_status_format(&rcpt->status, reply, sizeof reply));
        struct bytes clean = dsn_clean(arena, said, sizeof reply);
        dsn_out_field(out, "Remote-MTA",
                      bytes_of(arena_printf(arena, "dns; %.*s", BYTES_ARG(host))));
        dsn_out_field(out, "Diagnostic-Code",
                      bytes_of(arena_printf(arena, "smtp; %.*s", BYTES_ARG(clean))));
    }
    write_date(out, "Last-Attempt-Date", facts->now_ms);
    if (rcpt->report == MAIL_REPORT_DELAYED)
        write_date(out, "Will-Retry-Until", facts->retry_until_ms);
}

static void write_boundary(struct dsn_out *out, const char *boundary, const char *end)
{
    dsn_out_text(out, "\r\n--");
    dsn_out_text(out, boundary);
    dsn_out_text(out, end);
}

bool dsn_write(const struct dsn_facts *facts, struct arena *arena,
               bool (*write)(void *owner, struct bytes piece), void *owner)
{
    struct dsn_out *out = ARENA_NEW(arena, struct dsn_out);
    out->write = write;
    out->owner = owner;
    out->ok = true;
    /* The maker of the original may guess our next number. The rest is random, so that no text in
     * it can end the part that it is in. */
    const char *boundary =
        arena_printf(arena, "=_report_%" PRIx64 "_%016" PRIx64, facts->id, rand_u64());

    write_header(out, facts, boundary, arena);
    write_boundary(out, boundary, "\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n");
    dsn_write_words(out, facts, arena);
    write_boundary(out, boundary, "\r\nContent-Type: message/delivery-status\r\n\r\n");
    write_message_fields(out, facts, arena);
    for (size_t i = 0; i < facts->rcpt_count; i++)
        write_rcpt_fields(out, facts, &facts->rcpts[i], arena);
    write_boundary(out, boundary, "\r\n");
    bool read = dsn_write_original(out, facts, arena);
    write_boundary(out, boundary, "--\r\n");
    dsn_out_flush(out);
    return read && out->ok;
}

void dsn_envelope(const struct dsn_facts *facts, struct arena *arena, struct mail_envelope *out)
{
    const struct mail_envelope *original = &facts->original->envelope;
    struct mail_rcpt *rcpt = ARENA_NEW(arena, struct mail_rcpt);
    rcpt->address = arena_bytes(arena, original->sender);
    rcpt->notify = MAIL_NOTIFY_NEVER;
    *out = (struct mail_envelope){
        .sender = BYTES_EMPTY, .envid = BYTES_EMPTY, .auth = BYTES_EMPTY, .rcpts = rcpt};
    rcpt->orcpt = BYTES_EMPTY;
    out->rcpt_count = 1;
    for (size_t i = 0; i < rcpt->address.len; i++)
        if ((unsigned char)rcpt->address.ptr[i] >= 0x80)
            out->options |= MAIL_OPTION_SMTPUTF8;
}
