/* An explanation for a program: one object, strings escaped as RFC 8259 section 7 wants. */
#include "policy/explain_facts_private.h"

/* Length of the well-formed UTF-8 sequence at the front (RFC 3629 section 4), or 0. */
static size_t utf8_sequence(struct bytes b)
{
    static const struct {
        uint8_t first, last, second_first, second_last;
        size_t length;
    } forms[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    const uint8_t *p = (const uint8_t *)b.ptr;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        if (p[0] < forms[i].first || p[0] > forms[i].last || b.len < forms[i].length)
            continue;
        bool good = p[1] >= forms[i].second_first && p[1] <= forms[i].second_last;
        for (size_t k = 2; k < forms[i].length; k++)
            good = good && (p[k] & 0xc0) == 0x80;
        return good ? forms[i].length : 0;
    }
    return 0;
}

/* Bytes that are no UTF-8 become U+FFFD: the output must be valid for any input. */
static void write_bytes(FILE *out, struct bytes text)
{
    fputc('"', out);
    for (size_t i = 0; i < text.len;) {
        uint8_t c = (uint8_t)text.ptr[i];
        size_t length = 1;
        if (c == '"' || c == '\\') {
            fprintf(out, "\\%c", c);
        } else if (c < 0x20 || c == 0x7f) {
            fprintf(out, "\\u%04x", c);
        } else if (c < 0x80) {
            fputc(c, out);
        } else if ((length = utf8_sequence(bytes_from(text, i))) > 0) {
            fwrite(text.ptr + i, 1, length, out);
        } else {
            fputs("\\ufffd", out);
            length = 1;
        }
        i += length;
    }
    fputc('"', out);
}

static void write_text(FILE *out, const char *text)
{
    write_bytes(out, bytes_of(text));
}

/* MEMBER names a string; the caller has written what stands before. */
static void write_member(FILE *out, const char *member, const char *text)
{
    fprintf(out, "\"%s\":", member);
    write_text(out, text);
}

struct list {
    FILE *out;
    const char *before; /* the next element */
};

static void write_range(FILE *out, const struct receive_connector_range *r)
{
    char range[IPRANGE_TEXT_SIZE];
    write_member(out, "range", iprange_format(&r->range, range));
    fputc(',', out);
    write_member(out, "text", r->text);
    fputc(',', out);
    write_member(out, "origin", r->origin);
}

static void write_connector(FILE *out, const char *member, const char *name, const char *origin)
{
    fprintf(out, "\"%s\":{", member);
    write_member(out, "name", name);
    fputc(',', out);
    write_member(out, "origin", origin);
    fputc('}', out);
}

static void write_holder(void *owner, const struct explain_holder *h)
{
    struct list *list = owner;
    char at[ENDPOINT_TEXT_SIZE];
    fprintf(list->out, "%s{", list->before);
    write_range(list->out, h->range);
    fputc(',', list->out);
    write_member(list->out, "binding", endpoint_format(h->binding, at));
    fputc(',', list->out);
    write_connector(list->out, "connector", h->connector->name, h->connector->origin);
    fputc('}', list->out);
    list->before = ",";
}

static void write_selection(const struct explanation *x, FILE *out)
{
    char peer[IPADDR_TEXT_SIZE], local[ENDPOINT_TEXT_SIZE];
    write_member(out, "client", ipaddr_format(&x->query->from, peer));
    fputc(',', out);
    write_member(out, "local", endpoint_format(&x->local, local));
    fprintf(out, ",\"tls\":%s,", x->query->tls ? "true" : "false");
    if (!x->match.connector) {
        fputs("\"connector\":null,\"range\":null,", out);
        return;
    }
    write_connector(out, "connector", x->match.connector->name, x->match.connector->origin);
    fputs(",\"range\":{", out);
    write_range(out, x->match.range);
    fputs("},\"also\":[", out);
    struct list list = {out, ""};
    explain_each_holder(x, write_holder, &list);
    fputs("],", out);
}

static void write_source(void *owner, const struct explain_source *source)
{
    struct list *list = owner;
    char text[256];
    fprintf(list->out, "%s{%s", list->before, source->inherited ? "\"inherited\":true," : "");
    if (source->source->entry)
        write_member(list->out, "entry",
                     explain_principal(source->source->entry->principal,
                                       source->source->entry->name, text, sizeof text));
    else
        write_member(list->out, "group", choice_name(RIGHTS_GROUPS, source->source->group));
    fputc('}', list->out);
    list->before = ",";
}

static void write_rights(const struct explanation *x, FILE *out, rights_mask mask, bool denial)
{
    const char *before = "";
    fprintf(out, "\"%s\":[", denial ? "denied" : "rights");
    for (unsigned i = 0; i < RIGHTS_COUNT; i++) {
        if (!(mask & 1u << i))
            continue;
        struct list list = {out, ""};
        fprintf(out, "%s{", before);
        write_member(out, "name", rights_name((enum rights_right)(1u << i)));
        fprintf(out, ",\"%s\":[", denial ? "by" : "from");
        explain_each_source(x, 1u << i, denial, write_source, &list);
        fputs("]}", out);
        before = ",";
    }
    fputs("],", out);
}

static void write_identity(const struct explanation *x, FILE *out)
{
    fputs("\"identity\":[", out);
    for (size_t i = 0; i < x->who_count; i++) {
        char text[256];
        fputs(i > 0 ? "," : "", out);
        write_text(out, explain_principal(x->who[i].principal, x->who[i].name, text, sizeof text));
    }
    fputs("],", out);
    write_rights(x, out, x->rights, false);
    write_rights(x, out, explain_denied(x), true);
}

static void write_rewritten(const struct rewrite_result *r, FILE *out)
{
    char address[EXPLAIN_ADDRESS_MAX];
    if (!r->entry)
        return;
    fputs(",\"rewritten\":{\"address\":", out);
    write_bytes(out, rewrite_address(r, address, sizeof address));
    fputc(',', out);
    write_member(out, "by", r->entry->name);
    fputc('}', out);
}

static void write_verdict(const struct explain_verdict *v, FILE *out, const char *member)
{
    char reply[512];
    const char *before = "";
    if (!v->asked)
        return;
    fprintf(out, "\"%s\":{\"address\":", member);
    write_bytes(out, v->address);
    write_rewritten(&v->rewritten, out);
    fprintf(out, ",\"accepted\":%s,", v->verdict.accepted ? "true" : "false");
    write_member(out, "reply", mail_status_format(&v->verdict.status, reply, sizeof reply));
    fputc(',', out);
    write_member(out, "reason", v->verdict.reason);
    fprintf(out, ",\"tarpit\":%s,\"missing\":[", v->verdict.tarpit ? "true" : "false");
    for (unsigned i = 0; i < RIGHTS_COUNT; i++) {
        if (!(v->verdict.missing & 1u << i))
            continue;
        fputs(before, out);
        write_text(out, rights_name((enum rights_right)(1u << i)));
        before = ",";
    }
    fputs("]},", out);
}

static void write_route(const struct explanation *x, FILE *out)
{
    const struct send_connector *c = x->route.connector;
    if (!x->route_asked)
        return;
    if (!c) {
        fputs("\"route\":null,", out);
        return;
    }
    fputs("\"route\":{", out);
    write_connector(out, "connector", c->name, c->origin);
    fputc(',', out);
    write_member(out, "address_space", x->route.space->space);
    fprintf(out, ",\"cost\":%u,\"mx\":%s,\"smart_hosts\":[", x->route.space->cost,
            c->dns_routing_enabled ? "true" : "false");
    for (size_t i = 0; i < c->smart_host_count; i++) {
        fputs(i > 0 ? "," : "", out);
        write_text(out, c->smart_hosts[i]);
    }
    fputs("]},", out);
}

void explain_write_json(const struct explanation *x, FILE *out)
{
    fputc('{', out);
    write_selection(x, out);
    if (x->match.connector)
        write_identity(x, out);
    write_verdict(&x->mail, out, "mail");
    write_verdict(&x->rcpt, out, "rcpt");
    write_verdict(&x->from, out, "header_from");
    write_route(x, out);
    fputs("\"notes\":[", out);
    for (size_t i = 0; i < x->note_count; i++) {
        fputs(i > 0 ? "," : "", out);
        write_text(out, x->notes[i]);
    }
    fprintf(out, "],\"accepted\":%s}\n", x->accepted ? "true" : "false");
}
