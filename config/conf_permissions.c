/* Entries of rights, as connectors and `server_permissions` have them. */
#include <stddef.h>

#include "config/conf_private.h"

static enum err find_right(struct bytes name, uint32_t *value)
{
    enum rights_right right;
    enum err e = rights_parse(name, &right);
    if (e == ERR_OK)
        *value = (uint32_t)right;
    return e;
}

static enum err parse_principal(struct conf_reading *r, const char *text, void *to,
                                struct err_detail *why)
{
    struct rights_entry *entry = to;
    struct bytes name = BYTES_EMPTY;
    (void)why;
    enum err e = rights_principal_parse(bytes_of(text), &entry->principal, &name);
    entry->name = name.len ? arena_bytes(r->arena, name).ptr : NULL;
    return e;
}
static const struct conf_element PRINCIPAL = {
    .type = "principal",
    .allowed = "allowed are Anonymous, AuthenticatedUsers, ExternallySecuredServers, "
               "ExchangeServers, PartnerServers, LegacyServers, user:NAME, group:NAME, cert:NAME",
    .size = sizeof(struct rights_entry),
    .parse = parse_principal,
};

static const struct conf_option OPTIONS[] = {
    {.key = "user",
     .type = CONF_PARSED,
     .size = sizeof(struct rights_entry), /* it sets the principal and its name */
     .required = true,
     .element = &PRINCIPAL,
     .standard = "",
     .help = "the principal that these rights are for: Anonymous, ExternallySecuredServers, "
             "user:NAME, ..."},
    {.key = "allow",
     .type = CONF_BITS,
     CONF_AT(struct rights_entry, allow),
     .choices = RIGHTS,
     .find = find_right,
     .standard = "[]",
     .help = "rights, with or without ms-Exch- and SMTP-, any case"},
    {.key = "deny",
     .type = CONF_BITS,
     CONF_AT(struct rights_entry, deny),
     .choices = RIGHTS,
     .find = find_right,
     .standard = "[]",
     .help = "rights; a deny beats every allow"},
};

const struct conf_section CONF_PERMISSION = {
    .name = "permissions[]",
    .options = OPTIONS,
    .count = ARRAY_SIZE(OPTIONS),
    .size = sizeof(struct rights_entry),
};

const struct conf_section CONF_SERVER_PERMISSION = {
    .name = "server_permissions[]",
    .options = OPTIONS,
    .count = ARRAY_SIZE(OPTIONS),
    .size = sizeof(struct rights_entry),
};
