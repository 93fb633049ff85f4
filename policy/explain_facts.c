/* Lists over what was found out, for the writers. */
#include "policy/explain_facts_private.h"

#include "policy/ruleset_settings_private.h"

void explain_each_holder(const struct explanation *x,
                         void (*each)(void *owner, const struct explain_holder *holder),
                         void *owner)
{
    struct endpoint bindings[RULESET_CANDIDATES];
    const struct ruleset_settings *s = ruleset_settings_of(x->rules);
    size_t count = ruleset_candidates(x->rules, &x->local, bindings);
    for (size_t b = 0; b < count; b++) {
        for (size_t i = 0; i < s->receive_count; i++) {
            const struct receive_connector *c = &s->receive[i];
            for (size_t j = 0; j < c->range_count && ruleset_connector_binds(c, &bindings[b]);
                 j++) {
                struct explain_holder holder = {&bindings[b], c, &c->ranges[j]};
                if (&c->ranges[j] != x->match.range &&
                    iprange_contains(&c->ranges[j].range, &x->query->from))
                    each(owner, &holder);
            }
        }
    }
}

/* Those of the walk that say something about RIGHT. */
struct source_filter {
    rights_mask right;
    bool denial, inherited;
    void (*each)(void *owner, const struct explain_source *source);
    void *owner;
};

static void pass_source(void *owner, const struct rights_source *source)
{
    const struct source_filter *f = owner;
    if ((f->denial ? source->deny : source->allow) & f->right)
        f->each(f->owner, &(struct explain_source){source, f->inherited});
}

void explain_each_source(const struct explanation *x, rights_mask right, bool denial,
                         void (*each)(void *owner, const struct explain_source *source),
                         void *owner)
{
    const struct receive_connector *c = x->match.connector;
    const struct ruleset_settings *s = ruleset_settings_of(x->rules);
    struct rights_acl own = {c->permission_groups, c->permissions, c->permission_count};
    struct rights_acl inherited = {0, s->server_permissions, s->server_permission_count};
    ASSERT(c && x->who_count > 0);
    struct source_filter f = {right, denial, false, each, owner};
    for (size_t w = 0; w < x->who_count; w++) {
        f.inherited = false;
        rights_each_source(&own, &x->who[w], 1, pass_source, &f);
        f.inherited = true;
        rights_each_source(&inherited, &x->who[w], 1, pass_source, &f);
    }
}

static void add_denial(void *owner, const struct explain_source *source)
{
    rights_mask *mask = owner;
    *mask |= source->source->deny;
}

rights_mask explain_denied(const struct explanation *x)
{
    rights_mask denied = 0;
    explain_each_source(x, ~(rights_mask)0, true, add_denial, &denied);
    return denied & ~x->rights;
}

char *explain_principal(enum rights_principal principal, const char *name, char *to, size_t size)
{
    char shown[200];
    if (principal < RIGHTS_PRINCIPAL_COUNT)
        snprintf(to, size, "%s", rights_principal_name(principal));
    else
        snprintf(to, size, "%s:%s", rights_principal_name(principal),
                 bytes_escape(bytes_of(name), shown, sizeof shown));
    return to;
}
