/* Command lines as they go out, and what cannot go out at all. Nothing here waits or decides when.
 */
#include "net/smtp_client_private.h"

static void put(char **to, struct bytes b)
{
    memcpy(*to, b.ptr, b.len);
    *to += b.len;
}

static void command_written(struct buf *out, const char *start, const char *end)
{
    ASSERT(end - start <= SMTP_CLIENT_COMMAND_MAX);
    buf_added(out, (size_t)(end - start));
}

void smtp_client_write_line(struct buf *out, struct bytes verb, struct bytes argument)
{
    ASSERT(verb.len + argument.len + 3 <= SMTP_CLIENT_COMMAND_MAX);
    char *start = buf_reserve(out, SMTP_CLIENT_COMMAND_MAX);
    ASSERT(start);
    char *p = start;
    put(&p, verb);
    if (argument.len > 0) {
        put(&p, BYTES(" "));
        put(&p, argument);
    }
    put(&p, BYTES("\r\n"));
    command_written(out, start, p);
}

static struct smtp_params_mail announced(const struct smtp_client_message *m)
{
    return (struct smtp_params_mail){m->envelope, m->octets, m->notes};
}

/* MAIL FROM:<path> [SP parameters], RFC 5321 4.1.1.2 */
void smtp_client_write_mail(const struct smtp_client *c, const struct smtp_client_message *m,
                            struct buf *out)
{
    const struct smtp_params_mail mail = announced(m);
    char *start = buf_reserve(out, SMTP_CLIENT_COMMAND_MAX);
    ASSERT(start);
    char *p = start;
    put(&p, BYTES("MAIL FROM:<"));
    put(&p, m->envelope->sender);
    put(&p, BYTES(">"));
    p = smtp_params_write_mail(&mail, c->hop.offered, p);
    put(&p, BYTES("\r\n"));
    command_written(out, start, p);
}

/* RCPT TO:<path> [SP parameters], RFC 5321 4.1.1.3 */
void smtp_client_write_rcpt(const struct smtp_client *c, const struct mail_rcpt *rcpt,
                            struct buf *out)
{
    char *start = buf_reserve(out, SMTP_CLIENT_COMMAND_MAX);
    ASSERT(start);
    char *p = start;
    put(&p, BYTES("RCPT TO:<"));
    put(&p, rcpt->address);
    put(&p, BYTES(">"));
    p = smtp_params_write_rcpt(rcpt, c->hop.offered, p);
    put(&p, BYTES("\r\n"));
    command_written(out, start, p);
}

/* An address must stay one argument of one line: no control byte anywhere, and outside of quotes
 * nothing that ends a path. */
static bool address_safe(struct bytes address)
{
    bool quoted = false;
    for (size_t i = 0; i < address.len; i++) {
        unsigned char ch = (unsigned char)address.ptr[i];
        if (ch < 0x20 || ch == 0x7f)
            return false;
        if (ch == '"') {
            quoted = !quoted;
        } else if (quoted && ch == '\\') {
            i++;
            if (i == address.len || (unsigned char)address.ptr[i] < 0x20 || address.ptr[i] == 0x7f)
                return false;
        } else if (!quoted && (ch == ' ' || ch == '<' || ch == '>')) {
            return false;
        }
    }
    return !quoted && address.len <= SMTP_PARAMS_TEXT_MAX;
}

static bool is_ascii(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (((unsigned char)text.ptr[i] & 0x80) != 0)
            return false;
    return true;
}

const struct mail_status *smtp_client_rcpt_unfit(const struct mail_envelope *envelope, size_t rcpt)
{
    static const struct mail_status bad =
        MAIL_STATUS_INIT(553, 5, 1, 3, "Recipient address cannot be sent: malformed");
    static const struct mail_status utf8 = MAIL_STATUS_INIT(
        553, 5, 6, 7, "Recipient address is not ASCII and SMTPUTF8 was not asked for");
    const struct mail_rcpt *r = &envelope->rcpts[rcpt];
    size_t together = r->address.len + r->orcpt.len + r->orar.len;
    if (r->address.len == 0 || !address_safe(r->address) || !smtp_params_rcpt_sound(r) ||
        together > (size_t)2 * SMTP_PARAMS_TEXT_MAX)
        return &bad;
    return (envelope->options & MAIL_OPTION_SMTPUTF8) || is_ascii(r->address) ? NULL : &utf8;
}

const struct mail_status *smtp_client_message_unfit(const struct smtp_client *c,
                                                    const struct smtp_client_message *m)
{
    static const struct mail_status sender =
        MAIL_STATUS_INIT(553, 5, 1, 7, "Sender address cannot be sent: malformed");
    static const struct mail_status utf8 =
        MAIL_STATUS_INIT(553, 5, 6, 7, "The next host does not take internationalised addresses");
    static const struct mail_status off = MAIL_STATUS_INIT(
        554, 5, 6, 3, "The send connector does without CHUNKING; binary text is not converted");
    static const struct mail_status none = MAIL_STATUS_INIT(554, 5, 5, 1, "No valid recipients");
    const struct mail_envelope *e = m->envelope;
    const struct smtp_params_mail mail = announced(m);
    if (!address_safe(e->sender) || !smtp_params_mail_sound(e))
        return &sender;
    if (!(e->options & MAIL_OPTION_SMTPUTF8) && !is_ascii(e->sender))
        return &utf8;
    if (e->body == MAIL_BODY_BINARYMIME && !c->settings.chunking)
        return &off;
    const struct mail_status *unfit = smtp_params_unfit(&mail, &c->hop);
    if (unfit)
        return unfit;
    for (size_t i = 0; i < e->rcpt_count; i++)
        if (!smtp_client_rcpt_unfit(e, i))
            return NULL;
    return &none;
}
