/* The compiled rules: built from sound settings, then only asked. */
#include "policy/ruleset.h"

#include "core/mem.h"
#include "policy/iptree.h"
#include "policy/ruleset_check_private.h"

#define ARENA_BLOCK_BYTES ((size_t)64 * 1024)

struct ruleset_binding {
    struct endpoint at;
    struct iptree *tree; /* its values are indices of ruleset.places */
};

struct place {
    uint32_t connector, range;
};

struct ruleset {
    struct arena arena;
    struct ruleset_settings settings; /* ours, in the arena */
    struct domain_set *domains;
    struct rewrite_set *rewrites;                  /* NULL: there are no entries */
    rights_mask (*rights)[RIGHTS_PRINCIPAL_COUNT]; /* by connector */
    struct ruleset_binding *bindings;              /* ordered by ruleset_endpoint_compare() */
    size_t binding_count;
    struct place *places;  /* every range of every connector */
    uint32_t *first_place; /* by connector */
};

/* --- Building --- */

static void compile_rights(struct ruleset *rules)
{
    const struct ruleset_settings *s = &rules->settings;
    rules->rights = arena_alloc_array(&rules->arena, sizeof *rules->rights, s->receive_count);
    for (size_t i = 0; i < s->receive_count; i++) {
        const struct receive_connector *c = &s->receive[i];
        for (unsigned p = 0; p < RIGHTS_PRINCIPAL_COUNT; p++)
            rules->rights[i][p] = rights_compile(
                c->permission_groups, c->permissions, c->permission_count, s->server_permissions,
                s->server_permission_count, (enum rights_principal)p, NULL);
    }
}

static void number_ranges(struct ruleset *rules)
{
    const struct ruleset_settings *s = &rules->settings;
    size_t all = 0;
    rules->first_place = ARENA_NEW_ARRAY(&rules->arena, uint32_t, s->receive_count);
    for (size_t i = 0; i < s->receive_count; i++) {
        rules->first_place[i] = (uint32_t)all;
        all += s->receive[i].range_count;
    }
    ASSERT(all < IPTREE_NONE);
    rules->places = ARENA_NEW_ARRAY(&rules->arena, struct place, all);
    for (size_t i = 0; i < s->receive_count; i++)
        for (size_t j = 0; j < s->receive[i].range_count; j++)
            rules->places[rules->first_place[i] + j] = (struct place){(uint32_t)i, (uint32_t)j};
}

static struct iptree *build_tree(const struct ruleset *rules, const struct endpoint *at)
{
    size_t count;
    struct ruleset_span *spans = ruleset_list_spans(&rules->settings, at, &count);
    struct iptree_entry *entries = MEM_NEW_ARRAY(struct iptree_entry, count + 1);
    for (size_t i = 0; i < count; i++)
        entries[i] = (struct iptree_entry){*spans[i].range,
                                           rules->first_place[spans[i].connector] + spans[i].index};
    struct iptree *tree = iptree_build(entries, count);
    mem_free(entries);
    mem_free(spans);
    return tree;
}

static void build_bindings(struct ruleset *rules)
{
    size_t count;
    struct endpoint *list = ruleset_list_bindings(&rules->settings, &count);
    rules->bindings = ARENA_NEW_ARRAY(&rules->arena, struct ruleset_binding, count);
    rules->binding_count = count;
    for (size_t i = 0; i < count; i++)
        rules->bindings[i] = (struct ruleset_binding){list[i], build_tree(rules, &list[i])};
    mem_free(list);
}

static bool check_all(const struct ruleset_settings *settings, ruleset_report report, void *owner)
{
    struct ruleset_check check = {settings, report, owner, false};
    ruleset_check_receive(&check);
    ruleset_check_overlaps(&check);
    ruleset_check_domains(&check);
    ruleset_check_send(&check);
    ruleset_check_rewrites(&check);
    return !check.faulty;
}

enum err ruleset_build(const struct ruleset_settings *settings, ruleset_report report, void *owner,
                       struct ruleset **out)
{
    *out = NULL;
    if (!check_all(settings, report, owner))
        return ERR_SYNTAX;
    struct ruleset *rules = MEM_NEW(struct ruleset);
    arena_init(&rules->arena, ARENA_BLOCK_BYTES);
    ruleset_copy_settings(&rules->arena, settings, &rules->settings);
    enum err e = domain_set_build(rules->settings.domains, rules->settings.domain_count,
                                  &rules->domains, NULL);
    size_t which;
    if (e == ERR_OK && rules->settings.rewrite_count > 0)
        e = rewrite_set_build(rules->settings.rewrites, rules->settings.rewrite_count,
                              &rules->rewrites, &which, NULL);
    if (e != ERR_OK) {
        ruleset_free(&rules);
        return e;
    }
    compile_rights(rules);
    number_ranges(rules);
    build_bindings(rules);
    *out = rules;
    return ERR_OK;
}

void ruleset_free(struct ruleset **rules)
{
    struct ruleset *r = *rules;
    if (r) {
        for (size_t i = 0; i < r->binding_count; i++)
            iptree_free(&r->bindings[i].tree);
        domain_set_free(&r->domains);
        rewrite_set_free(&r->rewrites);
        account_set_unref(&r->settings.accounts);
        for (size_t i = 0; i < r->settings.domain_count; i++) {
            struct recipient_set *recipients = r->settings.domains[i].recipients;
            recipient_set_unref(&recipients);
        }
        arena_free(&r->arena);
    }
    mem_free(r);
    *rules = NULL;
}

/* --- Asking --- */

static const struct ruleset_binding *binding_at(const struct ruleset *rules,
                                                const struct ipaddr *addr, uint16_t port,
                                                uint32_t scope)
{
    for (size_t i = 0; i < rules->binding_count; i++) {
        const struct endpoint *at = &rules->bindings[i].at;
        if (at->port == port && ipaddr_equal(&at->addr, addr) &&
            (at->scope == 0 || at->scope == scope))
            return &rules->bindings[i];
    }
    return NULL;
}

/* As the kernel does it: the listener of the very address before that of all addresses. */
static size_t find_candidates(const struct ruleset *rules, const struct endpoint *local,
                              const struct ruleset_binding *out[RULESET_CANDIDATES])
{
    const struct ipaddr *any = ipaddr_is_v4(&local->addr) ? &IPADDR_V4_ANY : &IPADDR_V6_ANY;
    const struct ipaddr *addresses[] = {&local->addr, any};
    const uint16_t ports[] = {local->port, 0};
    size_t count = 0;
    for (size_t p = 0; p < ARRAY_SIZE(ports); p++) {
        for (size_t a = 0; a < ARRAY_SIZE(addresses); a++) {
            const struct ruleset_binding *b =
                binding_at(rules, addresses[a], ports[p], local->scope);
            bool again = false;
            for (size_t i = 0; i < count; i++)
                again = again || out[i] == b;
            if (b && !again)
                out[count++] = b;
        }
    }
    return count;
}

size_t ruleset_candidates(const struct ruleset *rules, const struct endpoint *local,
                          struct endpoint out[RULESET_CANDIDATES])
{
    const struct ruleset_binding *found[RULESET_CANDIDATES];
    size_t count = find_candidates(rules, local, found);
    for (size_t i = 0; i < count; i++)
        out[i] = found[i]->at;
    return count;
}

struct ruleset_match ruleset_select(const struct ruleset *rules, const struct endpoint *local,
                                    const struct ipaddr *peer)
{
    const struct ruleset_binding *found[RULESET_CANDIDATES];
    size_t count = find_candidates(rules, local, found);
    for (size_t i = 0; i < count; i++) {
        uint32_t value = iptree_lookup(found[i]->tree, peer);
        if (value == IPTREE_NONE)
            continue;
        struct place place = rules->places[value];
        ASSERT(place.connector < rules->settings.receive_count);
        const struct receive_connector *c = &rules->settings.receive[place.connector];
        return (struct ruleset_match){c, &c->ranges[place.range], place.connector};
    }
    return (struct ruleset_match){.connector = NULL};
}

rights_mask ruleset_rights(const struct ruleset *rules, uint32_t connector_index,
                           enum rights_principal principal)
{
    ASSERT(connector_index < rules->settings.receive_count && principal < RIGHTS_PRINCIPAL_COUNT);
    return rules->rights[connector_index][principal];
}

rights_mask ruleset_identity_rights(const struct ruleset *rules, uint32_t connector_index,
                                    const struct rights_identity *who, size_t count)
{
    ASSERT(connector_index < rules->settings.receive_count);
    const struct ruleset_settings *s = &rules->settings;
    const struct receive_connector *c = &s->receive[connector_index];
    struct rights_acl inherited = {0, s->server_permissions, s->server_permission_count};
    struct rights_acl acl = {c->permission_groups, c->permissions, c->permission_count};
    return rights_evaluate(&acl, &inherited, who, count);
}

rights_mask ruleset_rights_of_user(const struct ruleset *rules, uint32_t connector_index,
                                   const struct account *account)
{
    struct rights_identity who[ACCOUNT_IDENTITIES_MAX];
    size_t count = account_identities(account, who);
    return ruleset_identity_rights(rules, connector_index, who, count);
}

bool ruleset_connector_find(const struct ruleset *rules, struct bytes name, uint32_t *index)
{
    for (size_t i = 0; i < rules->settings.receive_count; i++) {
        if (!bytes_equal(name, bytes_of(rules->settings.receive[i].name)))
            continue;
        *index = (uint32_t)i;
        return true;
    }
    return false;
}

const struct account_set *ruleset_accounts(const struct ruleset *rules)
{
    return rules->settings.accounts;
}

const struct domain_set *ruleset_domains(const struct ruleset *rules)
{
    return rules->domains;
}

const struct rewrite_set *ruleset_rewrites(const struct ruleset *rules)
{
    return rules->rewrites;
}

const struct rewrite_set *ruleset_rewrites_to(const struct ruleset *rules, struct bytes domain)
{
    bool ours = domain.len == 0 || domain_set_find(rules->domains, domain);
    return ours ? NULL : rules->rewrites;
}

const struct ruleset_settings *ruleset_settings_of(const struct ruleset *rules)
{
    return &rules->settings;
}

struct send_choice ruleset_route(const struct ruleset *rules, struct bytes domain, uint64_t octets)
{
    const struct accepted_domain *standard = domain_set_default(rules->domains);
    if (domain.len == 0 && standard)
        domain = bytes_of(standard->name);
    return send_connector_find(rules->settings.send, rules->settings.send_count, rules->domains,
                               domain, octets);
}

size_t ruleset_bindings(const struct ruleset *rules, struct endpoint *out, size_t max)
{
    for (size_t i = 0; out && i < rules->binding_count && i < max; i++)
        out[i] = rules->bindings[i].at;
    return rules->binding_count;
}
