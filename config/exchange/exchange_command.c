/* What the name and the arguments of a command say by themselves. */
#include "config/exchange/exchange_command_private.h"

const struct exchange_argument *exchange_argument_find(const struct exchange_command *command,
                                                       const char *name, size_t shortest)
{
    for (size_t i = 0; i < command->count; i++) {
        struct bytes typed = bytes_of(command->items[i].name);
        if (typed.len >= shortest && bytes_starts_nocase(bytes_of(name), typed))
            return &command->items[i];
    }
    return NULL;
}

const char *exchange_argument_text(const struct exchange_command *command, const char *name,
                                   size_t shortest)
{
    const struct exchange_argument *a = exchange_argument_find(command, name, shortest);
    return a && a->values.count && !a->is_expression ? a->values.items[0] : NULL;
}

static bool parse_noun(const char *noun, enum exchange_kind *kind)
{
    static const struct {
        const char *noun;
        enum exchange_kind kind;
    } nouns[] = {{"ReceiveConnector", EXCHANGE_RECEIVE},
                 {"SendConnector", EXCHANGE_SEND},
                 {"AcceptedDomain", EXCHANGE_DOMAIN},
                 {"AddressRewriteEntry", EXCHANGE_REWRITE}};
    for (size_t i = 0; i < ARRAY_SIZE(nouns); i++)
        if (exchange_same(noun, nouns[i].noun)) {
            *kind = nouns[i].kind;
            return true;
        }
    return false;
}

bool exchange_command_parse(const char *name, enum exchange_verb *verb, enum exchange_kind *kind)
{
    static const char *const verbs[] = {[EXCHANGE_NEW] = "New-",
                                        [EXCHANGE_SET] = "Set-",
                                        [EXCHANGE_GET] = "Get-",
                                        [EXCHANGE_REMOVE] = "Remove-"};
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
        *verb = (enum exchange_verb)i;
        if (bytes_starts_nocase(bytes_of(name), bytes_of(verbs[i])) &&
            parse_noun(name + strlen(verbs[i]), kind))
            return true;
    }
    return false;
}

bool exchange_command_changes(const char *name)
{
    enum exchange_verb verb;
    enum exchange_kind kind;
    if (exchange_command_parse(name, &verb, &kind))
        return verb != EXCHANGE_GET;
    return exchange_same(name, "Add-ADPermission") || exchange_same(name, "Remove-ADPermission");
}

bool exchange_command_is_filter(const char *name)
{
    static const char *const names[] = {"where", "where-object", "?"};
    return exchange_is_one_of(name, names, ARRAY_SIZE(names));
}

bool exchange_command_is_loop(const char *name)
{
    static const char *const names[] = {"foreach", "foreach-object", "%"};
    return exchange_is_one_of(name, names, ARRAY_SIZE(names));
}

bool exchange_command_is_order(const char *name)
{
    static const char *const names[] = {"sort", "sort-object"};
    return exchange_is_one_of(name, names, ARRAY_SIZE(names));
}
