/* The configuration: libconfig text, each part under a comment that says where it came from. */
#include "config/exchange/exchange_emit_private.h"

#include "config/exchange/exchange_emit_connector_private.h"
#include "config/exchange/exchange_key_private.h"
#include "config/exchange/exchange_value_private.h"

#define NAME_OCTETS_MAX 64
#define SOURCES_SHOWN   6

static void write_sources(const struct exchange_emitter *e)
{
    size_t shown = 0;
    const char *separator = "    # ";
    LIST_EACH (n, &e->object->sources, struct exchange_note, link) {
        if (shown++ == SOURCES_SHOWN) {
            fputs(", ...", e->out);
            break;
        }
        fprintf(e->out, "%s%s at %s", separator, n->text, n->where);
        separator = ", ";
    }
    if (shown)
        putc('\n', e->out);
}

static void write_notes(const struct cds_list_head *notes, const char *indent, FILE *out)
{
    LIST_EACH (n, notes, struct exchange_note, link)
        fprintf(out, "%s# %s: %s\n", indent, n->where, n->text);
}

static const char *name_of(const struct exchange_emitter *e)
{
    const struct exchange_setting *domain =
        e->object->kind == EXCHANGE_DOMAIN ? exchange_setting_named(e->object, "DomainName") : NULL;
    const char *name = domain && domain->values.count ? domain->values.items[0] : e->object->name;
    size_t len = strlen(name);
    if (e->object->kind == EXCHANGE_DOMAIN || len <= NAME_OCTETS_MAX)
        return name;
    len = exchange_whole_characters(name, NAME_OCTETS_MAX);
    exchange_note(e->im, &e->object->notes, e->im->file, "the name is cut to %d octets",
                  NAME_OCTETS_MAX);
    return arena_bytes(&e->im->arena, bytes_make(name, len)).ptr;
}

static void write_object(const struct exchange_emitter *e, const char *name)
{
    const struct exchange_setting *enabled = exchange_setting_named(e->object, "Enabled");
    bool made_up = false;
    write_sources(e);
    fputs("    {\n", e->out);
    exchange_emit_key(e, "name", exchange_quote(&e->im->arena, name), NULL);
    if (e->object->kind == EXCHANGE_RECEIVE)
        made_up = exchange_emit_receive(e);
    else if (e->object->kind == EXCHANGE_SEND)
        made_up = exchange_emit_send(e);
    else
        exchange_emit_settings(e);
    if (made_up) {
        exchange_note(e->im, &e->object->notes, e->im->file,
                      "%s \"%s\" is not complete: it is disabled; complete it and remove `enabled`",
                      exchange_kind_name(e->object->kind), name);
        exchange_emit_key(e, "enabled", "false", "until it is complete");
    } else if (enabled) {
        (void)exchange_emit_setting(e, enabled);
    }
    write_notes(&e->object->notes, "        ", e->out);
    fputs("    }", e->out);
}

static bool is_whole_entry(const struct exchange_object *o)
{
    const struct exchange_setting *internal = exchange_setting_named(o, "InternalAddress");
    const struct exchange_setting *external = exchange_setting_named(o, "ExternalAddress");
    return internal && internal->values.count && external && external->values.count;
}

/* A name that check would refuse cannot be made up, nor can addresses. */
static bool is_nameable(const struct exchange_emitter *e, const char *name)
{
    struct err_detail why = {""};
    bool ok = *name != '\0';
    if (e->object->kind == EXCHANGE_DOMAIN) {
        ok = domain_pattern_check(bytes_of(name), &why) == ERR_OK;
    } else if (e->object->kind == EXCHANGE_REWRITE && !is_whole_entry(e->object)) {
        ok = false;
        (void)err_set(&why, ERR_SYNTAX, "-InternalAddress and -ExternalAddress are wanted");
    }
    if (!ok)
        exchange_note(e->im, NULL, e->im->file, "%s \"%s\": left out: %s",
                      exchange_kind_name(e->object->kind), exchange_printable(&e->im->arena, name),
                      *why.text ? why.text : "no name");
    return ok;
}

static void write_kind(struct exchange_importer *im, enum exchange_kind kind, FILE *out)
{
    const char *separator = NULL;
    EXCHANGE_OBJECTS_EACH (o, im) {
        struct exchange_emitter e = {im, o, out};
        const char *name = o->kind == kind ? name_of(&e) : NULL;
        if (!name || !is_nameable(&e, name))
            continue;
        if (separator)
            fputs(separator, out);
        else
            fprintf(out, "\n%s = (\n", exchange_key_list(kind));
        write_object(&e, name);
        separator = ",\n\n";
    }
    if (separator)
        fputs("\n);\n", out);
}

/* Verbose is nothing without a place to write to: check would refuse it. */
static void write_log(struct exchange_importer *im, FILE *out)
{
    EXCHANGE_OBJECTS_EACH (o, im) {
        const struct exchange_setting *s = exchange_setting_named(o, "ProtocolLoggingLevel");
        if (!s || !exchange_texts_hold(&s->values, "Verbose"))
            continue;
        fputs(
            "\n# ProtocolLoggingLevel Verbose. This directory must exist and belong to the relay, "
            "unless it may make it.\n"
            "log = { protocol_path = \"" EXCHANGE_PROTOCOL_PATH "\"; };\n",
            out);
        exchange_note(
            im, NULL, s->where,
            "log.protocol_path is set to %s for the protocol logs: see that it exists and "
            "belongs to the relay",
            EXCHANGE_PROTOCOL_PATH);
        return;
    }
}

void exchange_emit(struct exchange_importer *im, FILE *out)
{
    fprintf(
        out,
        "# Made by `mailrace import` from %s. What was not taken over stands as a comment where "
        "it belongs.\n"
        "# Read it, complete it, and ask `mailrace check -c FILE` and `mailrace explain -c "
        "FILE --from IP`.\n"
        "\n"
        "#hostname = \"relay.example.com\";            # default: the machine's own name\n"
        "#spool = { path = \"/var/spool/mailrace\"; };\n"
        "#tls = { certificate = \"...\"; key = \"...\"; };  # Tls in auth_mechanism needs both\n",
        im->file);
    write_log(im, out);
    write_kind(im, EXCHANGE_DOMAIN, out);
    write_kind(im, EXCHANGE_RECEIVE, out);
    write_kind(im, EXCHANGE_SEND, out);
    write_kind(im, EXCHANGE_REWRITE, out);
    if (!list_empty(&im->notes))
        fputs("\n# Of no part of it:\n", out);
    write_notes(&im->notes, "", out);
}
