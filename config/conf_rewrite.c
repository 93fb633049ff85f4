/* Address rewriting entries. */
#include <stddef.h>

#include "config/conf_private.h"

static enum err parse_name(struct conf_reading *r, const char *text, void *to,
                           struct err_detail *why)
{
    (void)r, (void)why;
    *(const char **)to = text; /* policy/ruleset.h judges it */
    return ERR_OK;
}
static const struct conf_element NAME = {
    .type = "domain", .size = sizeof(const char *), .parse = parse_name};

#define AT(member) CONF_AT(struct rewrite_entry, member)
static const struct conf_option OPTIONS[] = {
    {.key = "name",
     .type = CONF_TEXT,
     AT(name),
     .min = 1,
     .max = 64,
     .standard = "",
     .help = "unique"},
    {.key = "internal_address",
     .type = CONF_TEXT,
     AT(internal_address),
     .min = 1,
     .max = 320,
     .standard = "",
     .help = "user@int.contoso.com, int.contoso.com or *.int.contoso.com; the closest entry wins"},
    {.key = "external_address",
     .type = CONF_TEXT,
     AT(external_address),
     .min = 1,
     .max = 320,
     .standard = "",
     .help = "what domains that are not accepted see in its place: an address for an address, else "
             "a domain"},
    {.key = "outbound_only",
     .type = CONF_FLAG,
     AT(outbound_only),
     .standard = "false",
     .help = "false: recipients of the external form are turned into the internal one again; *. "
             "needs true"},
    {.key = "exception_list",
     .type = CONF_LIST,
     CONF_ARRAY_AT(struct rewrite_entry, exceptions, exception_count),
     .element = &NAME,
     .standard = "[]",
     .help = "of *. only: domains below it that are not rewritten"},
};

static void rewrite_start(struct conf_reading *r, const struct conf_value *group, void *element)
{
    (void)r;
    ((struct rewrite_entry *)element)->origin = group->where;
}

const struct conf_section CONF_REWRITE = {
    .name = "address_rewrite_entries[]",
    .options = OPTIONS,
    .count = ARRAY_SIZE(OPTIONS),
    .size = sizeof(struct rewrite_entry),
    .start = rewrite_start,
};
