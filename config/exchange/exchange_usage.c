/* What the usages of New-ReceiveConnector bring at creation. */
#include "config/exchange/exchange_usage_private.h"

struct usage {
    const char *name;
    const char *bindings, *ranges, *groups, *auth;
};

/* New-ReceiveConnector -Usage: what each sets at creation; NULL must be given. */
static const struct usage USAGES[] = {
    {"Custom", NULL, NULL, "None", "Tls"},
    {"Internet", NULL, "0.0.0.0-255.255.255.255", "AnonymousUsers", "Tls"},
    {"Internal", "0.0.0.0:25", NULL, "ExchangeServers,ExchangeLegacyServers", "Tls,ExchangeServer"},
    {"Client", "0.0.0.0:587", NULL, "ExchangeUsers",
     "Tls,BasicAuth,BasicAuthRequireTLS,Integrated"},
    {"Partner", NULL, NULL, "Partners", "Tls"},
};

static const struct usage *find_usage(const char *name)
{
    for (size_t i = 0; name && i < ARRAY_SIZE(USAGES); i++)
        if (exchange_same(USAGES[i].name, name))
            return &USAGES[i];
    return NULL;
}

static const struct usage *chosen_usage(struct exchange_importer *im,
                                        struct exchange_object *object,
                                        const struct exchange_command *c)
{
    const struct usage *usage = NULL;
    for (size_t i = 0; i < c->count; i++) {
        const struct exchange_argument *a = &c->items[i];
        const char *other;
        const struct exchange_property *p =
            exchange_property_guess(EXCHANGE_RECEIVE, a->name, &other);
        if (!p || p->form != EXCHANGE_USAGE)
            continue;
        const char *text =
            exchange_same(p->name, "Usage") ? (a->values.count ? a->values.items[0] : "") : p->name;
        const struct usage *found = find_usage(text);
        if (!found)
            exchange_note(im, &object->notes, a->where,
                          "-Usage %s: one of Custom, Internet, Internal, Client, Partner is "
                          "allowed; Custom is assumed",
                          exchange_printable(&im->arena, text));
        else if (usage && usage != found)
            exchange_note(im, &object->notes, a->where, "-%s: %s is said already; this one counts",
                          p->name, usage->name);
        usage = found ? found : usage;
    }
    return usage ? usage : &USAGES[0];
}

static void preset(struct exchange_importer *im, struct exchange_object *object,
                   const char *property, const char *text, const char *origin, const char *where)
{
    const struct exchange_property *p = exchange_property_find(EXCHANGE_RECEIVE, property);
    struct exchange_argument a = {.name = property, .where = where};
    if (!text)
        return;
    exchange_texts_add(&im->arena, &a.values, text);
    exchange_setting_take(im, object, p, &a, false);
    exchange_setting_find(object, p)->origin = origin;
}

void exchange_usage_apply(struct exchange_importer *im, struct exchange_object *object,
                          const struct exchange_command *command)
{
    const struct usage *usage = chosen_usage(im, object, command);
    const char *origin = arena_printf(&im->arena, "usage %s", usage->name);
    preset(im, object, "Bindings", usage->bindings, origin, command->where);
    preset(im, object, "RemoteIPRanges", usage->ranges, origin, command->where);
    preset(im, object, "PermissionGroups", usage->groups, origin, command->where);
    preset(im, object, "AuthMechanism", usage->auth, origin, command->where);
}
