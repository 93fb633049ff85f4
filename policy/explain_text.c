/* An explanation for a human, one fact a line, labels in a column of their own. */
#include "policy/explain_facts_private.h"

#define SHOWN_SIZE 1024

static void label(FILE *out, const char *text)
{
    fprintf(out, "%-11s ", text);
}

static void write_holder(void *owner, const struct explain_holder *h)
{
    FILE *out = owner;
    char at[ENDPOINT_TEXT_SIZE];
    label(out, "also holds");
    fprintf(out, "%s (%s) of \"%s\" (%s) on %s\n", h->range->text, h->range->origin,
            h->connector->name, h->connector->origin, endpoint_format(h->binding, at));
}

static void write_selection(const struct explanation *x, FILE *out)
{
    char peer[IPADDR_TEXT_SIZE], local[ENDPOINT_TEXT_SIZE], range[IPRANGE_TEXT_SIZE];
    label(out, "client");
    fprintf(out, "%s, connecting to %s%s\n", ipaddr_format(&x->query->from, peer),
            endpoint_format(&x->local, local), x->query->tls ? " under TLS" : "");
    label(out, "connector");
    if (!x->match.connector) {
        fprintf(out, "none\n");
        return;
    }
    fprintf(out, "\"%s\" (%s)\n", x->match.connector->name, x->match.connector->origin);
    label(out, "range");
    fprintf(out, "%s (%s): the smallest that holds the client", x->match.range->text,
            x->match.range->origin);
    iprange_format(&x->match.range->range, range);
    if (!bytes_equal(bytes_of(range), bytes_of(x->match.range->text)))
        fprintf(out, "; it is %s", range);
    fprintf(out, "\n");
    explain_each_holder(x, write_holder, out);
}

struct source_writer {
    FILE *out;
    const char *before;
};

static void write_source(void *owner, const struct explain_source *source)
{
    struct source_writer *w = owner;
    char text[256];
    if (source->source->entry)
        fprintf(w->out, "%sthe %s entry for %s", w->before,
                source->inherited ? "inherited server_permissions" : "permissions",
                explain_principal(source->source->entry->principal, source->source->entry->name,
                                  text, sizeof text));
    else
        fprintf(w->out, "%sgroup %s", w->before, choice_name(RIGHTS_GROUPS, source->source->group));
    w->before = " and ";
}

static void write_rights(const struct explanation *x, FILE *out)
{
    rights_mask denied = explain_denied(x);
    for (unsigned i = 0; i < RIGHTS_COUNT; i++) {
        enum rights_right right = (enum rights_right)(1u << i);
        bool no = denied & right;
        if (!no && !(x->rights & right))
            continue;
        struct source_writer w = {out, no ? "  denied by " : "  from "};
        label(out, no ? "denied" : "right");
        fprintf(out, "%-48s", rights_name(right));
        explain_each_source(x, right, no, write_source, &w);
        fprintf(out, "\n");
    }
    if (!x->rights) {
        label(out, "right");
        fprintf(out, "none\n");
    }
}

static void write_identity(const struct explanation *x, FILE *out)
{
    char text[256];
    label(out, "identity");
    for (size_t i = x->who_count; i-- > 0;)
        fprintf(out, "%s%s",
                explain_principal(x->who[i].principal, x->who[i].name, text, sizeof text),
                i > 0 ? ", " : "\n");
    write_rights(x, out);
}

static void write_rewritten(const struct rewrite_result *r, FILE *out)
{
    char local[SHOWN_SIZE], domain[SHOWN_SIZE];
    if (!r->entry)
        return;
    label(out, "  rewritten");
    fprintf(out, "<%s@%s> by \"%s\" (%s)\n", bytes_escape(r->local, local, sizeof local),
            bytes_escape(r->domain, domain, sizeof domain), r->entry->name, r->entry->origin);
}

static void write_verdict(const struct explain_verdict *v, FILE *out)
{
    char shown[SHOWN_SIZE];
    if (!v->asked)
        return;
    label(out, v->command);
    fprintf(out, "<%s>%s: %s\n", bytes_escape(v->address, shown, sizeof shown),
            v->implied ? " (no sender given)" : "", v->verdict.accepted ? "accepted" : "REFUSED");
    label(out, "  reply");
    fprintf(out, "%s%s\n", mail_status_format(&v->verdict.status, shown, sizeof shown),
            v->verdict.tarpit ? " (after tarpit_interval)" : "");
    write_rewritten(&v->rewritten, out);
    label(out, "  because");
    fprintf(out, "%s\n", v->verdict.reason);
    for (unsigned i = 0; i < RIGHTS_COUNT; i++) {
        if (!(v->verdict.missing & 1u << i))
            continue;
        label(out, "  missing");
        fprintf(out, "%s\n", rights_name((enum rights_right)(1u << i)));
    }
}

static void write_route(const struct explanation *x, FILE *out)
{
    const struct send_connector *c = x->route.connector;
    if (!x->route_asked)
        return;
    label(out, "route");
    if (!c) {
        fprintf(out, "none: no send connector has a matching address space; the mail would wait "
                     "as unreachable\n");
        return;
    }
    fprintf(out, "send connector \"%s\" (%s), address space %s, cost %u\n", c->name, c->origin,
            x->route.space->space, x->route.space->cost);
    label(out, "  through");
    if (c->dns_routing_enabled) {
        char shown[SHOWN_SIZE];
        bytes_escape(x->route_domain, shown, sizeof shown);
        fprintf(out, "the MX hosts of %s\n", *shown ? shown : "the default accepted domain");
        return;
    }
    for (size_t i = 0; i < c->smart_host_count; i++)
        fprintf(out, "%s%s", i > 0 ? ", " : "smart host ", c->smart_hosts[i]);
    fprintf(out, "\n");
}

void explain_write_text(const struct explanation *x, FILE *out)
{
    write_selection(x, out);
    if (x->match.connector)
        write_identity(x, out);
    for (size_t i = 0; i < x->note_count; i++) {
        label(out, "REFUSED");
        fprintf(out, "%s\n", x->notes[i]);
    }
    write_verdict(&x->mail, out);
    write_verdict(&x->rcpt, out);
    write_verdict(&x->from, out);
    write_route(x, out);
    label(out, "result");
    fprintf(out, "%s\n", x->accepted ? "accepted" : "REFUSED");
}
