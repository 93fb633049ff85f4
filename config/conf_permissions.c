/* Entries of rights, as connectors and `server_permissions` have them. */
#include "config/conf_private.h"

struct permission_draft {
    struct rights_entry entry;
    bool have_user;
};

static rights_mask take_rights(struct conf_reading *r, const struct conf_value *value,
                               const char *path)
{
    rights_mask mask = 0;
    if (!conf_texts(r, value, path))
        return 0;
    for (size_t i = 0; i < value->count; i++) {
        enum rights_right right;
        if (rights_parse(bytes_of(value->items[i].text), &right) == ERR_OK)
            mask |= (rights_mask)right;
        else
            conf_fault(r, value->items[i].where, path,
                       "\"%s\" is no right: see ms-Exch-SMTP-Accept-Any-Recipient and its like in "
                       "docs/configuration.md",
                       value->items[i].text);
    }
    return mask;
}

static void take_allow(struct conf_reading *r, const struct conf_option *option,
                       const struct conf_value *value, const char *path, void *target)
{
    (void)option;
    ((struct permission_draft *)target)->entry.allow = take_rights(r, value, path);
}

static void take_deny(struct conf_reading *r, const struct conf_option *option,
                      const struct conf_value *value, const char *path, void *target)
{
    (void)option;
    ((struct permission_draft *)target)->entry.deny = take_rights(r, value, path);
}

static void take_principal(struct conf_reading *r, const struct conf_option *option,
                           const struct conf_value *value, const char *path, void *target)
{
    struct permission_draft *draft = target;
    struct bytes name = BYTES_EMPTY;
    (void)option;
    draft->have_user = true;
    if (value->type != CONF_VALUE_TEXT ||
        rights_principal_parse(bytes_of(value->text), &draft->entry.principal, &name) != ERR_OK)
        conf_fault(
            r, value->where, path,
            "allowed are Anonymous, AuthenticatedUsers, ExternallySecuredServers, "
            "ExchangeServers, PartnerServers, LegacyServers, user:NAME, group:NAME, cert:NAME");
    draft->entry.name = name.len ? arena_bytes(r->arena, name).ptr : NULL;
}

static const struct conf_option PERMISSION_OPTIONS[] = {
    {.key = "user",
     .type = CONF_CUSTOM,
     .custom = take_principal,
     .standard = "",
     .help = "the principal: Anonymous, ExternallySecuredServers, user:NAME, ..."},
    {.key = "allow",
     .type = CONF_CUSTOM,
     .custom = take_allow,
     .standard = "[]",
     .help = "rights, with or without ms-Exch- and SMTP-, any case"},
    {.key = "deny",
     .type = CONF_CUSTOM,
     .custom = take_deny,
     .standard = "[]",
     .help = "rights; a deny beats every allow"},
};
const struct conf_section CONF_PERMISSION = {"permissions[]", PERMISSION_OPTIONS,
                                             ARRAY_SIZE(PERMISSION_OPTIONS)};

const struct conf_section CONF_SERVER_PERMISSION = {"server_permissions[]", PERMISSION_OPTIONS,
                                                    ARRAY_SIZE(PERMISSION_OPTIONS)};

static void permission_end(struct conf_reading *r, const struct conf_value *group, const char *path,
                           void *element)
{
    struct permission_draft *draft = element;
    if (!draft->have_user)
        conf_fault(r, group->where, path, "`user` is missing: to whom is this granted?");
}

const struct rights_entry *conf_read_permissions(struct conf_reading *r,
                                                 const struct conf_value *value, const char *path,
                                                 size_t *count)
{
    static const struct conf_list kind = {&CONF_PERMISSION, sizeof(struct permission_draft), NULL,
                                          permission_end};
    const struct permission_draft *drafts = conf_take_list(r, value, path, &kind, count);
    struct rights_entry *entries = ARENA_NEW_ARRAY(r->arena, struct rights_entry, *count);
    for (size_t i = 0; i < *count; i++)
        entries[i] = drafts[i].entry;
    return entries;
}
