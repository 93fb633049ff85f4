/* Copies of envelopes, parts of addresses, and statuses as text. */
#include "core/mail.h"

#include <stdio.h>

/* The index of the '@' that parts local part and domain. In a quoted local part (RFC 5321 4.1.2)
 * an '@' is text, and a backslash there keeps the next character from ending it. */
static size_t mail_at(struct bytes address)
{
    size_t at = BYTES_NOT_FOUND;
    bool quoted = false;
    for (size_t i = 0; i < address.len; i++) {
        char c = address.ptr[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (c == '@' && !quoted)
            at = i;
    }
    return at;
}

struct bytes mail_domain(struct bytes address)
{
    size_t at = mail_at(address);
    return at == BYTES_NOT_FOUND ? BYTES_EMPTY : bytes_from(address, at + 1);
}

struct bytes mail_local_part(struct bytes address)
{
    size_t at = mail_at(address);
    return at == BYTES_NOT_FOUND ? address : bytes_sub(address, 0, at);
}

static struct bytes copy_text(struct arena *arena, struct bytes from)
{
    return from.len == 0 ? BYTES_EMPTY : arena_bytes(arena, from);
}

struct mail_rcpt mail_rcpt_copy(struct arena *arena, const struct mail_rcpt *from)
{
    return (struct mail_rcpt){
        .address = copy_text(arena, from->address),
        .orcpt = copy_text(arena, from->orcpt),
        .orar = copy_text(arena, from->orar),
        .notify = from->notify,
    };
}

void mail_envelope_copy(struct arena *arena, const struct mail_envelope *from,
                        struct mail_envelope *to)
{
    struct mail_envelope copy = *from;
    copy.sender = copy_text(arena, from->sender);
    copy.envid = copy_text(arena, from->envid);
    copy.auth = copy_text(arena, from->auth);
    copy.rcpts = NULL;
    if (from->rcpt_count > 0)
        copy.rcpts = ARENA_NEW_ARRAY(arena, struct mail_rcpt, from->rcpt_count);
    for (size_t i = 0; i < from->rcpt_count; i++)
        copy.rcpts[i] = mail_rcpt_copy(arena, &from->rcpts[i]);
    *to = copy;
}

struct mail_status mail_status_copy(struct arena *arena, const struct mail_status *from)
{
    struct mail_status copy = *from;
    copy.text = copy_text(arena, from->text);
    return copy;
}

char *mail_status_format(const struct mail_status *s, char *to, size_t size)
{
    ASSERT(size > 0);
    int n = s->enhanced[0] ? snprintf(to, size, "%u %u.%u.%u ", s->code, s->enhanced[0],
                                      s->enhanced[1], s->enhanced[2])
                           : snprintf(to, size, "%u ", s->code);
    ASSERT(n > 0);
    if ((size_t)n >= size)
        return to;
    bytes_to_cstr(s->text, to + n, size - (size_t)n);
    return to;
}
