/* The Received line of a message. */
#include "net/smtp_trace.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/clock.h"

#define HELO_KEPT_MAX 255
#define FOR_KEPT_MAX  900 /* the line must stay below 998 octets */

static bool is_printable(char c)
{
    return c > ' ' && c < 0x7F;
}

/* TEXT as one token: what would end the clause, open a comment or begin a line is written "?". */
static char *token_clean(struct bytes text, char to[HELO_KEPT_MAX + 1])
{
    text = bytes_sub(text, 0, HELO_KEPT_MAX);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        to[i] = is_printable(c) && !strchr("()<>;,\\\"", c) ? c : '?';
    }
    to[text.len] = '\0';
    return to;
}

/* RFC 3848, RFC 6531 4.3. There is no registered name for HELO inside TLS: the comment shows it. */
static const char *with_protocol(const struct smtp_trace *t)
{
    static const char *const names[2][2][2] = {
        {{"ESMTP", "ESMTPA"}, {"ESMTPS", "ESMTPSA"}},
        {{"UTF8SMTP", "UTF8SMTPA"}, {"UTF8SMTPS", "UTF8SMTPSA"}},
    };
    return t->esmtp ? names[t->smtputf8][t->tls ? 1 : 0][t->authenticated] : "SMTP";
}

/* The FOR clause shows one path, and only what may stand in any header: an address beyond ASCII
 * would make this message undeliverable to hosts that could take the rest of it. */
static struct bytes for_address(struct bytes rcpt)
{
    if (rcpt.len > FOR_KEPT_MAX)
        return BYTES_EMPTY;
    for (size_t i = 0; i < rcpt.len; i++)
        if (!is_printable(rcpt.ptr[i]) && rcpt.ptr[i] != ' ')
            return BYTES_EMPTY;
    return rcpt;
}

/* Time-stamp-line, RFC 5321 4.4: From-domain By-domain With ID [For] ";" date-time. */
struct bytes smtp_trace_received(struct arena *arena, const struct smtp_trace *t)
{
    char address[IPADDR_TEXT_SIZE];
    char literal[IPADDR_TEXT_SIZE + 8];
    char helo[HELO_KEPT_MAX + 1];
    char by[HELO_KEPT_MAX + 1];
    char date[CLOCK_RFC5322_SIZE];
    char tls[sizeof t->tls->version + sizeof t->tls->cipher + 32] = "";

    snprintf(literal, sizeof literal, "[%s%s]",
             ipaddr_is_v4(&t->client) ? "" : "IPv6:", ipaddr_format(&t->client, address));
    token_clean(t->helo.len > 0 ? t->helo : bytes_of(literal), helo);
    if (t->tls)
        snprintf(tls, sizeof tls, "\r\n\t(version=%s cipher=%s)", t->tls->version, t->tls->cipher);
    struct bytes rcpt = for_address(t->single_rcpt);
    return bytes_of(arena_printf(arena,
                                 "Received: from %s (%s)\r\n\tby %s with %s%s\r\n\tid %" PRIu64
                                 "%s" BYTES_FMT "%s;\r\n\t%s\r\n",
                                 helo, literal, token_clean(t->by, by), with_protocol(t), tls,
                                 t->id, rcpt.len > 0 ? "\r\n\tfor <" : "", BYTES_ARG(rcpt),
                                 rcpt.len > 0 ? ">" : "", clock_rfc5322(t->received_at_ms, date)));
}
