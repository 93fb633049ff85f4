/* The header firewall on the way in: fields that this session may not bring are left out before
 * they reach the spool, and what we say of the session stands above them. Hops and limits are
 * counted on the header as it came, by inbound.c.
 */
#include "mailrace/inbound_session_private.h"

#include "net/smtp_data.h"
#include "policy/header_firewall.h"

#include "mailrace/message_notes.h"

_Static_assert(MESSAGE_NOTE_EXCHANGE_FIELDS > 2 * SMTP_DATA_NO_FINAL_CRLF,
               "the session's notes have bits of their own");

#define TRUSTED_CLASSES (HEADER_CLASS_ORGANIZATION | HEADER_CLASS_FOREST)

static enum err append(struct inbound_message *m, struct bytes text)
{
    enum err e = spool_append(m->txn, text);
    if (e == ERR_OK)
        m->octets += text.len;
    return e;
}

static enum err append_stamps(struct inbound *in)
{
    const struct inbound_identity *who = &in->identity;
    struct inbound_message *m = in->message;
    m->meta.notes |= MESSAGE_NOTE_EXCHANGE_FIELDS;
    m->stamped = true;
    const char *text = arena_printf(spool_txn_arena(m->txn),
                                    "X-MS-Exchange-Organization-AuthAs: %s\r\n"
                                    "X-MS-Exchange-Organization-AuthSource: " BYTES_FMT "\r\n"
                                    "X-MS-Exchange-Organization-AuthMechanism: %s\r\n",
                                    header_firewall_auth_as(who->principal, who->rights),
                                    BYTES_ARG(in->connector->fqdn),
                                    header_firewall_auth_mechanism(who->principal));
    return append(m, bytes_of(text));
}

enum err inbound_header_begin(struct inbound *in)
{
    struct header_filter *filter = &in->message->filter;
    filter->classes = header_firewall_on_receive(in->identity.rights);
    filter->strips = header_class_strips;
    /* One stamp only: a client that may bring its own has made it. */
    bool stamp = in->connector->settings.auth_stamps_enabled &&
                 (filter->classes & HEADER_CLASS_ORGANIZATION);
    return stamp ? append_stamps(in) : ERR_OK;
}

enum err inbound_text_append(struct inbound *in, struct bytes text)
{
    struct inbound_message *m = in->message;
    enum err e = ERR_OK;
    if (m->stamped && text.len) {
        /* A text that begins as a folded line does would go on with our last stamp. It has no
         * header: here is where ours ends. */
        m->stamped = false;
        if (text.ptr[0] == ' ' || text.ptr[0] == '\t')
            e = append(m, BYTES("\r\n"));
        if (e != ERR_OK)
            return e;
    }
    if (m->filter.classes == 0 || m->filter.ended)
        return append(m, text);
    while (text.len && e == ERR_OK) {
        struct bytes piece = header_filter_next(&m->filter, &text);
        if (piece.len)
            e = append(m, piece);
    }
    return e;
}

enum err inbound_text_end(struct inbound *in, unsigned data_notes)
{
    struct inbound_message *m = in->message;
    struct bytes rest = header_filter_end(&m->filter);
    bool kept = (m->filter.classes & TRUSTED_CLASSES) != TRUSTED_CLASSES;
    if (kept && m->scan.exchange_fields)
        m->meta.notes |= MESSAGE_NOTE_EXCHANGE_FIELDS;
    m->meta.notes |= data_notes;
    return rest.len ? append(m, rest) : ERR_OK;
}
