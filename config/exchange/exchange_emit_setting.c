/* Settings: live, as a comment with the reason, or left out where they say nothing. */
#include "config/exchange/exchange_emit_setting_private.h"

#include "config/exchange/exchange_key_private.h"
#include "config/exchange/exchange_value_private.h"

void exchange_emit_key(const struct exchange_emitter *e, const char *key, const char *value,
                       const char *comment)
{
    fprintf(e->out, "        %s = %s;%s%s\n", key, value, comment ? "    # " : "",
            comment ? comment : "");
}

void exchange_emit_commented_key(const struct exchange_emitter *e, const char *key,
                                 const char *value)
{
    fprintf(e->out, "        #%s = ", key);
    for (; *value; value++) {
        putc(*value, e->out);
        if (*value == '\n')
            fputs("        #", e->out);
    }
    fputs(";\n", e->out);
}

bool exchange_emit_is_standard(const struct exchange_emitter *e, const char *key, const char *value)
{
    const char *standard = NULL;
    if (!exchange_key_known(e->object->kind, key, &standard) || !standard)
        return false;
    struct bytes text = bytes_of(value);
    if (text.len >= 2 && text.ptr[0] == '"')
        text = bytes_sub(text, 1, text.len - 2);
    return bytes_equal(text, bytes_of(standard));
}

bool exchange_emit_checked(const struct exchange_emitter *e, const struct exchange_setting *s,
                           const char *key, const char *value)
{
    struct err_detail why = {""};
    const char *standard, *reason = why.text;
    bool known = exchange_key_known(e->object->kind, key, &standard);
    if (known && exchange_key_takes(e->object->kind, key, value, &why)) {
        exchange_emit_key(e, key, value, s->origin);
        return true;
    }
    if (!known)
        reason = arena_printf(&e->im->arena, "this version has no %s", key);
    exchange_note(e->im, &e->object->notes, s->where, "-%s %s: %s", s->name,
                  exchange_printable(&e->im->arena, value), reason);
    exchange_emit_commented_key(e, key, value);
    return false;
}

/* To log on needs more than the connector: where that is missing the other mechanisms stand. */
static void write_auth(const struct exchange_emitter *e, const struct exchange_setting *s,
                       const char *value)
{
    struct exchange_setting rest = *s;
    if (exchange_emit_checked(e, s, s->property->key, value))
        return;
    rest.values = (struct exchange_texts){0};
    for (size_t i = 0; i < s->values.count; i++)
        if (exchange_same(s->values.items[i], "Tls") ||
            exchange_same(s->values.items[i], "ExternalAuthoritative"))
            exchange_texts_add(&e->im->arena, &rest.values, s->values.items[i]);
    if (rest.values.count)
        exchange_emit_key(e, s->property->key, exchange_value_format(e->im, e->object, &rest),
                          s->origin);
}

static bool is_special(const struct exchange_property *p)
{
    return p->form == EXCHANGE_CREDENTIAL || p->form == EXCHANGE_SMART_AUTH ||
           (p->key &&
            (strcmp(p->key, "dns_routing_enabled") == 0 || strcmp(p->key, "name") == 0 ||
             strcmp(p->key, "enabled") == 0 || strcmp(p->key, "bindings") == 0 ||
             strcmp(p->key, "remote_ip_ranges") == 0 || strcmp(p->key, "address_spaces") == 0));
}

bool exchange_emit_setting(const struct exchange_emitter *e, const struct exchange_setting *s)
{
    const char *key = s->property->key;
    const char *value = s->values.count ? exchange_value_format(e->im, e->object, s) : NULL;
    if (!value)
        return false;
    if (s->from_export && exchange_emit_is_standard(e, key, value))
        return true;
    if (strcmp(key, "auth_mechanism") == 0) {
        write_auth(e, s, value);
        return true;
    }
    if (s->property->form != EXCHANGE_BINDINGS && s->property->form != EXCHANGE_RANGES &&
        s->property->form != EXCHANGE_SPACES)
        return exchange_emit_checked(e, s, key, value);
    exchange_emit_key(e, key, value, s->origin);
    return true;
}

bool exchange_emit_named(const struct exchange_emitter *e, const char *property)
{
    const struct exchange_setting *s = exchange_setting_named(e->object, property);
    return s && exchange_emit_setting(e, s);
}

void exchange_emit_settings(const struct exchange_emitter *e)
{
    const char *last_key = "";
    for (size_t i = 0; i < EXCHANGE_PROPERTY_COUNT; i++) {
        const struct exchange_property *p = &EXCHANGE_PROPERTIES[i];
        const struct exchange_setting *s = exchange_setting_find(e->object, p);
        if (!s || !p->key || is_special(p) || strcmp(p->key, last_key) == 0)
            continue;
        if (exchange_emit_setting(e, s))
            last_key = p->key;
    }
}
