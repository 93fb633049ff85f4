/* The tables of the parameters of MAIL and RCPT, and how they are read and written. */
#include "net/smtp_params.h"

#include <inttypes.h>
#include <stdio.h>

#include "net/smtp_data.h"
#include "net/smtp_syntax.h"

#define ENVID_OCTETS_MAX 100 /* RFC 3461 4.4 */
#define AUTH_OCTETS_MAX  500 /* RFC 4954 3 */
#define SIZE_DIGITS_MAX  20  /* RFC 1870 3 */

/* What the parameters are read into or written from: the envelope for MAIL, the recipient for RCPT.
 */
union target {
    struct mail_envelope *envelope;
    struct mail_rcpt *rcpt;
    char *object; /* either, for the place of a text */
};
struct source {
    const struct smtp_params_mail *mail;
    const struct mail_rcpt *rcpt;
    const char *object; /* MAIL->envelope or RCPT */
};

struct param_row {
    struct bytes keyword;
    unsigned extensions; /* one of them must be offered */
    /* Exactly one of three kinds. A bit of the envelope's options, without a value: */
    unsigned option;                   /* enum mail_option */
    const struct mail_status *refusal; /* what a message gets where it is not offered; NULL: it goes
                                          without */
    /* a text, stored as it comes: */
    bool (*valid)(struct bytes value);
    size_t text_at; /* of its struct bytes in the envelope or recipient */
    bool kept_here; /* never passed on */
    /* or anything else. READ: ERR_SYNTAX, or ERR_NOTFOUND where this value is not offered. WRITE
     * returns the end. UNFIT: why a message cannot go where HOP is offered; NULL: it goes without.
     */
    enum err (*read)(struct bytes value, unsigned offered, union target to);
    char *(*write)(const struct source *from, char *to);
    const struct mail_status *(*unfit)(const struct smtp_params_mail *mail,
                                       const struct smtp_extensions *hop);
};

static char *put(char *to, struct bytes text)
{
    memcpy(to, text.ptr, text.len);
    return to + text.len;
}

/* ---- SIZE=1*20DIGIT, RFC 1870 3 ---------------------------------------------------------- */

static enum err read_size(struct bytes value, unsigned offered, union target to)
{
    (void)offered;
    enum err e = bytes_to_u64(value, UINT64_MAX, &to.envelope->size_declared);
    return e == ERR_OK && value.len <= SIZE_DIGITS_MAX ? ERR_OK : ERR_SYNTAX;
}

static char *write_size(const struct source *from, char *to)
{
    return to + snprintf(to, 28, " SIZE=%" PRIu64, from->mail->octets);
}

static const struct mail_status *size_unfit(const struct smtp_params_mail *mail,
                                            const struct smtp_extensions *hop)
{
    static const struct mail_status too_large =
        MAIL_STATUS_INIT(552, 5, 3, 4, "Message is larger than the next host takes");
    return hop->size_max > 0 && mail->octets > hop->size_max ? &too_large : NULL;
}

/* ---- BODY=7BIT / 8BITMIME, RFC 6152 2; BINARYMIME, RFC 3030 3 ---------------------------- */

static const struct {
    struct bytes word;
    unsigned needs;
} bodies[] = {
    [MAIL_BODY_7BIT] = {BYTES("7BIT"), 0},
    [MAIL_BODY_8BITMIME] = {BYTES("8BITMIME"), SMTP_EXTENSION_8BITMIME},
    [MAIL_BODY_BINARYMIME] = {BYTES("BINARYMIME"), SMTP_EXTENSION_BINARYMIME},
};

static enum err read_body(struct bytes value, unsigned offered, union target to)
{
    for (size_t i = 0; i < ARRAY_SIZE(bodies); i++) {
        if (!bytes_equal_nocase(value, bodies[i].word))
            continue;
        to.envelope->body = (enum mail_body)i;
        return bodies[i].needs & ~offered ? ERR_NOTFOUND : ERR_OK;
    }
    return ERR_SYNTAX;
}

/* What its text needs, whatever the sender said: octets above 127 are told. */
static enum mail_body body_needed(const struct smtp_params_mail *mail)
{
    enum mail_body said = mail->envelope->body;
    return said == MAIL_BODY_7BIT && (mail->notes & SMTP_DATA_8BIT) ? MAIL_BODY_8BITMIME : said;
}

static char *write_body(const struct source *from, char *to)
{
    enum mail_body body = body_needed(from->mail);
    return body == MAIL_BODY_7BIT ? to : put(put(to, BYTES(" BODY=")), bodies[body].word);
}

/* Text without lines goes nowhere but by BDAT to a peer that offers both (RFC 3030 3). Nothing is
 * converted. */
static const struct mail_status *body_unfit(const struct smtp_params_mail *mail,
                                            const struct smtp_extensions *hop)
{
    static const struct mail_status binary = MAIL_STATUS_INIT(
        554, 5, 6, 3, "The next host does not offer BINARYMIME; binary text is not converted");
    static const struct mail_status chunks = MAIL_STATUS_INIT(
        554, 5, 6, 3, "The next host does not offer CHUNKING; binary text is not converted");
    static const struct mail_status eight =
        MAIL_STATUS_INIT(554, 5, 6, 3, "The next host does not take 8-bit text; not converted");
    switch (body_needed(mail)) {
    case MAIL_BODY_7BIT:
        return NULL;
    case MAIL_BODY_8BITMIME:
        return hop->offered & SMTP_EXTENSION_8BITMIME ? NULL : &eight;
    case MAIL_BODY_BINARYMIME:
        break;
    }
    if (!(hop->offered & SMTP_EXTENSION_CHUNKING))
        return &chunks;
    return hop->offered & SMTP_EXTENSION_BINARYMIME ? NULL : &binary;
}

/* ---- RET=FULL / HDRS, RFC 3461 4.3 ------------------------------------------------------- */

static enum err read_ret(struct bytes value, unsigned offered, union target to)
{
    (void)offered;
    if (bytes_equal_nocase(value, BYTES("FULL")))
        to.envelope->ret = MAIL_RET_FULL;
    else if (bytes_equal_nocase(value, BYTES("HDRS")))
        to.envelope->ret = MAIL_RET_HDRS;
    else
        return ERR_SYNTAX;
    return ERR_OK;
}

static char *write_ret(const struct source *from, char *to)
{
    enum mail_ret ret = from->mail->envelope->ret;
    if (ret == MAIL_RET_NONE)
        return to;
    return put(to, ret == MAIL_RET_FULL ? BYTES(" RET=FULL") : BYTES(" RET=HDRS"));
}

/* ---- NOTIFY="NEVER" / 1#("SUCCESS" / "FAILURE" / "DELAY"), none twice, RFC 3461 4.1 ------- */

static const struct {
    struct bytes word;
    uint8_t bit;
} notifies[] = {
    {BYTES("NEVER"), MAIL_NOTIFY_NEVER},
    {BYTES("SUCCESS"), MAIL_NOTIFY_SUCCESS},
    {BYTES("FAILURE"), MAIL_NOTIFY_FAILURE},
    {BYTES("DELAY"), MAIL_NOTIFY_DELAY},
};

static enum err read_notify(struct bytes value, unsigned offered, union target to)
{
    unsigned seen = 0;
    bool more = true;
    (void)offered;
    while (more) {
        struct bytes word;
        unsigned bit = 0;
        more = bytes_split(value, ',', &word, &value);
        for (size_t i = 0; i < ARRAY_SIZE(notifies); i++)
            if (bytes_equal_nocase(word, notifies[i].word))
                bit = notifies[i].bit;
        if (bit == 0 || (seen & bit))
            return ERR_SYNTAX;
        seen |= bit;
    }
    if ((seen & MAIL_NOTIFY_NEVER) && seen != MAIL_NOTIFY_NEVER)
        return ERR_SYNTAX;
    to.rcpt->notify = (uint8_t)seen;
    return ERR_OK;
}

/* NEVER stands alone, whatever else the mask says. */
static char *write_notify(const struct source *from, char *to)
{
    unsigned notify = from->rcpt->notify;
    struct bytes before = BYTES(" NOTIFY=");
    if (notify & MAIL_NOTIFY_NEVER)
        notify = MAIL_NOTIFY_NEVER;
    for (size_t i = 0; i < ARRAY_SIZE(notifies); i++) {
        if (notify & notifies[i].bit) {
            to = put(put(to, before), notifies[i].word);
            before = BYTES(",");
        }
    }
    return to;
}

/* ---- texts ------------------------------------------------------------------------------- */

/* ENVID=xtext, RFC 3461 4.4 */
static bool envid_valid(struct bytes value)
{
    return value.len && value.len <= ENVID_OCTETS_MAX && smtp_syntax_xtext_valid(value);
}

/* AUTH=xtext, "<>" among it, RFC 4954 5 */
static bool auth_valid(struct bytes value)
{
    return value.len && value.len <= AUTH_OCTETS_MAX && smtp_syntax_xtext_valid(value);
}

static const struct bytes *text_of(const struct param_row *row, const char *object)
{
    return (const struct bytes *)(const void *)(object + row->text_at);
}

/* ---- the tables -------------------------------------------------------------------------- */

#define ENVELOPE_TEXT(member) offsetof(struct mail_envelope, member)
#define RCPT_TEXT(member)     offsetof(struct mail_rcpt, member)

static const struct mail_status no_utf8 =
    MAIL_STATUS_INIT(553, 5, 6, 7, "The next host does not take internationalised addresses");

/* In the order in which a client writes them. */
static const struct param_row mail_rows[] = {
    {.keyword = BYTES("SIZE"),
     .extensions = SMTP_EXTENSION_SIZE,
     .read = read_size,
     .write = write_size,
     .unfit = size_unfit},
    {.keyword = BYTES("BODY"),
     .extensions = SMTP_EXTENSION_8BITMIME | SMTP_EXTENSION_BINARYMIME,
     .read = read_body,
     .write = write_body,
     .unfit = body_unfit},
    {.keyword = BYTES("SMTPUTF8"), /* RFC 6531 3.4 */
     .extensions = SMTP_EXTENSION_SMTPUTF8,
     .option = MAIL_OPTION_SMTPUTF8,
     .refusal = &no_utf8},
    {.keyword = BYTES("RET"),
     .extensions = SMTP_EXTENSION_DSN,
     .read = read_ret,
     .write = write_ret},
    {.keyword = BYTES("ENVID"),
     .extensions = SMTP_EXTENSION_DSN,
     .valid = envid_valid,
     .text_at = ENVELOPE_TEXT(envid)},
    /* Passed on it would be our word for a sender that we did not authenticate. */
    {.keyword = BYTES("AUTH"),
     .extensions = SMTP_EXTENSION_ESMTP,
     .valid = auth_valid,
     .text_at = ENVELOPE_TEXT(auth),
     .kept_here = true},
};

static const struct param_row rcpt_rows[] = {
    {.keyword = BYTES("NOTIFY"),
     .extensions = SMTP_EXTENSION_DSN,
     .read = read_notify,
     .write = write_notify},
    {.keyword = BYTES("ORCPT"), /* RFC 3461 4.2 */
     .extensions = SMTP_EXTENSION_DSN,
     .valid = smtp_syntax_orcpt_valid,
     .text_at = RCPT_TEXT(orcpt)},
    {.keyword = BYTES("ORAR"), /* the originator's alternate recipient, written like ORCPT */
     .extensions = SMTP_EXTENSION_XORAR,
     .valid = smtp_syntax_orcpt_valid,
     .text_at = RCPT_TEXT(orar)},
};

struct param_table {
    const struct param_row *rows;
    size_t count;
};
static const struct param_table mail_table = {mail_rows, ARRAY_SIZE(mail_rows)};
static const struct param_table rcpt_table = {rcpt_rows, ARRAY_SIZE(rcpt_rows)};

/* ---- reading ----------------------------------------------------------------------------- */

static const struct param_row *row_find(const struct param_table *table, struct bytes keyword,
                                        unsigned offered)
{
    for (size_t i = 0; i < table->count; i++)
        if ((table->rows[i].extensions & offered) &&
            bytes_equal_nocase(keyword, table->rows[i].keyword))
            return &table->rows[i];
    return NULL;
}

static enum err row_read(const struct param_row *row, const struct smtp_param *param,
                         unsigned offered, union target to)
{
    if (param->has_value == (row->option != 0))
        return ERR_SYNTAX;
    if (row->option) {
        to.envelope->options |= row->option;
        return ERR_OK;
    }
    if (row->read)
        return row->read(param->value, offered, to);
    *(struct bytes *)(void *)(to.object + row->text_at) = param->value;
    return row->valid(param->value) ? ERR_OK : ERR_SYNTAX;
}

static enum err read_all(const struct param_table *table, struct bytes rest, unsigned offered,
                         union target to)
{
    struct smtp_param param;
    unsigned seen = 0;
    enum err e;
    while ((e = smtp_syntax_param(&rest, &param)) == ERR_OK) {
        const struct param_row *row = row_find(table, param.keyword, offered);
        if (!row)
            return ERR_NOTFOUND;
        unsigned bit = 1u << (row - table->rows);
        if (seen & bit)
            return ERR_SYNTAX;
        seen |= bit;
        e = row_read(row, &param, offered, to);
        if (e != ERR_OK)
            return e;
    }
    return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err smtp_params_read_mail(struct bytes rest, unsigned offered, struct mail_envelope *to)
{
    return read_all(&mail_table, rest, offered, (union target){.envelope = to});
}

enum err smtp_params_read_rcpt(struct bytes rest, unsigned offered, struct mail_rcpt *to)
{
    return read_all(&rcpt_table, rest, offered, (union target){.rcpt = to});
}

/* ---- writing ----------------------------------------------------------------------------- */

static char *row_write(const struct param_row *row, const struct source *from, char *to)
{
    if (row->write)
        return row->write(from, to);
    if (row->option) {
        if (!(from->mail->envelope->options & row->option))
            return to;
        return put(put(to, BYTES(" ")), row->keyword);
    }
    const struct bytes *text = text_of(row, from->object);
    if (!text->len || row->kept_here)
        return to;
    return put(put(put(put(to, BYTES(" ")), row->keyword), BYTES("=")), *text);
}

static char *write_all(const struct param_table *table, const struct source *from, unsigned offered,
                       char *to)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->rows[i].extensions & offered)
            to = row_write(&table->rows[i], from, to);
    return to;
}

char *smtp_params_write_mail(const struct smtp_params_mail *mail, unsigned offered, char *to)
{
    const struct source from = {.mail = mail, .object = (const char *)mail->envelope};
    return write_all(&mail_table, &from, offered, to);
}

char *smtp_params_write_rcpt(const struct mail_rcpt *rcpt, unsigned offered, char *to)
{
    const struct source from = {.rcpt = rcpt, .object = (const char *)rcpt};
    return write_all(&rcpt_table, &from, offered, to);
}

static bool text_sound(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7f)
            return false;
    return text.len <= SMTP_PARAMS_TEXT_MAX;
}

static bool all_sound(const struct param_table *table, const void *object)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct param_row *row = &table->rows[i];
        if (row->valid && !row->kept_here && !text_sound(*text_of(row, object)))
            return false;
    }
    return true;
}

bool smtp_params_mail_sound(const struct mail_envelope *envelope)
{
    return all_sound(&mail_table, envelope);
}

bool smtp_params_rcpt_sound(const struct mail_rcpt *rcpt)
{
    return all_sound(&rcpt_table, rcpt);
}

/* From the last row up: what is rarer says more about why. A message that needs SMTPUTF8 mostly
 * needs 8BITMIME too, and a next hop that lacks one lacks both. */
const struct mail_status *smtp_params_unfit(const struct smtp_params_mail *mail,
                                            const struct smtp_extensions *hop)
{
    for (size_t i = mail_table.count; i-- > 0;) {
        const struct param_row *row = &mail_rows[i];
        const struct mail_status *why = row->unfit ? row->unfit(mail, hop) : NULL;
        if ((mail->envelope->options & row->option) && !(hop->offered & row->extensions))
            why = row->refusal;
        if (why)
            return why;
    }
    return NULL;
}
