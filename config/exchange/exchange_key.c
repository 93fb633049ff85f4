/* What this version of our configuration knows and takes: all that the importer learns of it. */
#include "config/exchange/exchange_key_private.h"

#include "config/conf.h"
#include "config/conf_option.h"

static const struct conf_section *section_of(enum exchange_kind kind)
{
    return kind == EXCHANGE_RECEIVE  ? &CONF_RECEIVE
           : kind == EXCHANGE_SEND   ? &CONF_SEND
           : kind == EXCHANGE_DOMAIN ? &CONF_DOMAIN
                                     : &CONF_REWRITE;
}

bool exchange_key_known(enum exchange_kind kind, const char *key, const char **standard)
{
    const struct conf_option *o = conf_option_find(section_of(kind), key);
    if (o)
        *standard = o->standard;
    return o && o->type != CONF_UNAVAILABLE && o->type != CONF_REMOVED;
}

const char *exchange_key_list(enum exchange_kind kind)
{
    return kind == EXCHANGE_RECEIVE  ? "receive_connectors"
           : kind == EXCHANGE_SEND   ? "send_connectors"
           : kind == EXCHANGE_DOMAIN ? "accepted_domains"
                                     : "address_rewrite_entries";
}

struct trial {
    const char *path; /* "receive_connectors[0].banner" */
    const char *key;
    struct err_detail *why;
    bool refused;
};

/* A lone setting has many faults that are the rest's: what is about its key counts, and what
 * libconfig could not read. */
static void take_fault(void *owner, const struct conf_fault *fault)
{
    struct trial *t = owner;
    bool about = strncmp(fault->key, t->path, strlen(t->path)) == 0 ||
                 strcmp(fault->key, t->key) == 0 || (!*fault->key && strstr(fault->text, "syntax"));
    if (fault->is_warning || !about || t->refused)
        return;
    t->refused = true;
    (void)err_set(t->why, ERR_SYNTAX, "%s", fault->text);
}

bool exchange_key_takes(enum exchange_kind kind, const char *key, const char *value,
                        struct err_detail *why)
{
    const char *list = exchange_key_list(kind);
    struct conf *conf = NULL;
    struct ruleset *rules = NULL;
    struct arena arena;
    arena_init(&arena, 0);
    struct trial t = {.path = arena_printf(&arena, "%s[0].%s", list, key), .key = key, .why = why};
    const char *text =
        arena_printf(&arena,
                     "hostname = \"relay.example.com\";\nlog = { protocol_path = \"%s\"; };\n"
                     "%s = ( { %s = %s; } );\n",
                     EXCHANGE_PROTOCOL_PATH, list, key, value);
    if (conf_load_text(text, "trial", take_fault, &t, &conf, &rules) == ERR_OK) {
        ruleset_free(&rules);
        conf_free(&conf);
    }
    arena_free(&arena);
    return !t.refused;
}
