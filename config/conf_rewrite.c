/* Address rewriting entries. */
#include "config/conf_private.h"

#include <stddef.h>

static void take_exceptions(struct conf_reading *r, const struct conf_option *option,
                            const struct conf_value *value, const char *path, void *target)
{
    struct rewrite_entry *entry = target;
    (void)option;
    if (!conf_texts(r, value, path))
        return;
    const char **names = ARENA_NEW_ARRAY(r->arena, const char *, value->count);
    for (size_t i = 0; i < value->count; i++)
        names[i] = value->items[i].text;
    entry->exceptions = names;
    entry->exception_count = value->count;
}

static const struct conf_option REWRITE_OPTIONS[] = {
    {.key = "name",
     .type = CONF_TEXT,
     .offset = offsetof(struct rewrite_entry, name),
     .min = 1,
     .max = 64,
     .standard = "",
     .help = "unique"},
    {.key = "internal_address",
     .type = CONF_TEXT,
     .offset = offsetof(struct rewrite_entry, internal_address),
     .min = 1,
     .max = 320,
     .standard = "",
     .help = "user@int.contoso.com, int.contoso.com or *.int.contoso.com; the closest entry wins"},
    {.key = "external_address",
     .type = CONF_TEXT,
     .offset = offsetof(struct rewrite_entry, external_address),
     .min = 1,
     .max = 320,
     .standard = "",
     .help = "what it becomes towards domains that are not accepted: an address for an address, "
             "else a domain"},
    {.key = "outbound_only",
     .type = CONF_FLAG,
     .offset = offsetof(struct rewrite_entry, outbound_only),
     .standard = "false",
     .help = "false: recipients of the external form become the internal one again; *. needs true"},
    {.key = "exception_list",
     .type = CONF_CUSTOM,
     .custom = take_exceptions,
     .standard = "[]",
     .help = "of *. only: domains below it that are not rewritten"},
};
const struct conf_section CONF_REWRITE = {"address_rewrite_entries[]", REWRITE_OPTIONS,
                                          ARRAY_SIZE(REWRITE_OPTIONS)};

static void rewrite_start(struct conf_reading *r, const struct conf_value *group, void *element)
{
    (void)r;
    ((struct rewrite_entry *)element)->origin = group->where;
}

void conf_take_rewrites(struct conf_reading *r, const struct conf_option *option,
                        const struct conf_value *value, const char *path, void *target)
{
    static const struct conf_list kind = {&CONF_REWRITE, sizeof(struct rewrite_entry),
                                          rewrite_start, NULL};
    struct conf *conf = target;
    (void)option;
    conf->rules.rewrites = conf_take_list(r, value, path, &kind, &conf->rules.rewrite_count);
}
