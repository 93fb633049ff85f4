/* What a person reads in a report: the reason, and what can be done. */
#include "queue/dsn_private.h"

#include "core/clock.h"

#define RCPTS_SHOWN 50 /* to a person; the second part has them all */

struct row {
    uint16_t subject, detail; /* RFC 3463 */
    struct dsn_words words;
};

static const struct row rows[] = {
    {1,
     1,
     {"This address does not exist at the receiving mail system.",
      "Check the address for typing errors, or ask the recipient for the right one."}},
    {1,
     2,
     {"The domain of this address does not accept mail or does not exist.",
      "Check the part after the @ sign for typing errors."}},
    {1, 3, {"This address is not written correctly.", "Check the address and send again."}},
    {1,
     6,
     {"The recipient has moved and left no new address.",
      "Ask the recipient for the new address by other means."}},
    {1,
     7,
     {"The receiving mail system does not accept your address as a sender.",
      "Check the sender address that your mail program uses."}},
    {1,
     8,
     {"The receiving mail system does not accept your address as a sender.",
      "Ask your administrator to check the sender address and its domain."}},
    {1,
     10,
     {"The domain of this address has declared that it accepts no mail.",
      "Check the part after the @ sign for typing errors."}},
    {2,
     1,
     {"The mailbox is disabled or accepts no mail at present.",
      "Reach the recipient by other means."}},
    {2,
     2,
     {"The recipient's mailbox is full.",
      "Send again later, or tell the recipient by other means."}},
    {2,
     3,
     {"The message is too large for this recipient.",
      "Send it in smaller parts, or share the large files in another way."}},
    {3,
     4,
     {"The message is too large for the receiving mail system.",
      "Send it in smaller parts, or share the large files in another way."}},
    {3,
     5,
     {"The receiving mail system is not set up correctly.",
      "Tell the administrator of the receiving domain."}},
    {4,
     1,
     {"The receiving mail system could not be reached.",
      "Send again later. If it goes on, tell the administrator of the receiving domain."}},
    {4,
     2,
     {"The connection to the receiving mail system broke.",
      "Send again later. If it goes on, tell the administrator of the receiving domain."}},
    {4,
     3,
     {"The receiving domain could not be looked up in the DNS.",
      "Check the part after the @ sign, and send again later."}},
    {4,
     4,
     {"No way to the receiving domain is known.",
      "Check the part after the @ sign for typing errors."}},
    {4,
     6,
     {"The message went round in a circle between mail systems.",
      "Tell the administrator of the receiving domain."}},
    {4,
     7,
     {"The message could not be delivered for so long that we have given up.",
      "The receiving mail system may be out of order. Send again later, or reach the "
      "recipient by other means."}},
    {6,
     7,
     {"The receiving mail system cannot take addresses with international characters.",
      "Ask the recipient for an address in plain letters."}},
    {7,
     0,
     {"The receiving mail system refused the message by its own rules.",
      "The text below says more. Your administrator can take it up with them."}},
    {7,
     1,
     {"The receiving mail system refused the message: it is not allowed to be sent there.",
      "The text below says more. Your administrator can take it up with them."}},
    {7,
     23,
     {"The receiving mail system could not confirm that the mail came from your domain.",
      "Ask your administrator to check the SPF record of your domain."}},
    {7,
     26,
     {"The receiving mail system could not confirm that the mail came from your domain.",
      "Ask your administrator to check SPF and DKIM of your domain."}},
};

static const struct dsn_words by_report[] = {
    [MAIL_REPORT_FAILED] =
        {"The receiving mail system refused the message.",
         "What it answered stands below. Your administrator can help you with it."},
    [MAIL_REPORT_DELAYED] = {"The receiving mail system does not take the message at present.",
                             "You need not send it again."},
    [MAIL_REPORT_RELAYED] = {"The receiving mail system has taken the message.",
                             "It sends no confirmation of its own."},
};

struct dsn_words dsn_words_for(const struct mail_status *status, enum mail_report report)
{
    for (size_t i = 0; report != MAIL_REPORT_RELAYED && i < ARRAY_SIZE(rows); i++) {
        if (rows[i].subject != status->enhanced[1] || rows[i].detail != status->enhanced[2])
            continue;
        struct dsn_words words = rows[i].words;
        if (report == MAIL_REPORT_DELAYED)
            words.advice = by_report[MAIL_REPORT_DELAYED].advice;
        return words;
    }
    return by_report[report];
}

static void write_rcpt(struct dsn_out *out, const struct dsn_facts *facts,
                       const struct mail_rcpt *rcpt, struct arena *arena)
{
    const char *type;
    char said[DSN_REMOTE_MAX];
    struct bytes address = dsn_address(arena, rcpt->address, &type);
    struct dsn_words words = dsn_words_for(&rcpt->status, rcpt->report);
    struct bytes host = rcpt->remote ? facts->remote_mta : bytes_of(facts->hostname);
    struct bytes reply = dsn_clean(
        arena, bytes_of(mail_status_format(&rcpt->status, said, sizeof said)), sizeof said);

    dsn_out_paragraph(out, "  ", bytes_of(arena_printf(arena, "<%.*s>", BYTES_ARG(address))));
    dsn_out_paragraph(out, "    ", bytes_of(words.reason));
    dsn_out_paragraph(out, "    ", bytes_of(words.advice));
    dsn_out_paragraph(
        out, "    ",
        bytes_of(arena_printf(arena, "%.*s said: %.*s", BYTES_ARG(dsn_clean(arena, host, 255)),
                              BYTES_ARG(reply))));
    dsn_out_text(out, "\r\n");
}

static void write_group(struct dsn_out *out, const struct dsn_facts *facts, enum mail_report report,
                        const char *opening, struct arena *arena)
{
    size_t shown = 0, more = 0;
    if (!dsn_has_report(facts, report))
        return;
    dsn_out_paragraph(out, "", bytes_of(opening));
    dsn_out_text(out, "\r\n");
    for (size_t i = 0; i < facts->rcpt_count; i++) {
        if (facts->rcpts[i].report != report)
            continue;
        if (shown < RCPTS_SHOWN)
            write_rcpt(out, facts, &facts->rcpts[i], arena);
        else
            more++;
        shown++;
    }
    if (more > 0)
        dsn_out_text(
            out,
            arena_printf(arena, "  and %zu more, all named in the attached report.\r\n\r\n", more));
}

void dsn_write_words(struct dsn_out *out, const struct dsn_facts *facts, struct arena *arena)
{
    char date[CLOCK_RFC5322_SIZE];
    clock_rfc5322(facts->retry_until_ms, date);
    write_group(out, facts, MAIL_REPORT_FAILED,
                "Your message could not be delivered to the recipients named here. It will not be "
                "tried again.",
                arena);
    write_group(out, facts, MAIL_REPORT_DELAYED,
                arena_printf(arena,
                             "Your message has not been delivered yet to the recipients named "
                             "here. It is only late: it will be tried again until %s.",
                             date),
                arena);
    write_group(out, facts, MAIL_REPORT_RELAYED,
                "Your message has been handed to the mail system of the recipients named here.",
                arena);
    clock_rfc5322(facts->original->meta.received_at_ms, date);
    dsn_out_paragraph(
        out, "",
        dsn_clean(arena,
                  bytes_of(arena_printf(arena,
                                        "We received the message on %s. This report was made by "
                                        "the mail system at %s. If you need help, send it to %s.",
                                        date, facts->hostname, facts->postmaster)),
                  DSN_REMOTE_MAX));
}
