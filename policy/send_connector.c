/* What a send connector is, and which one takes the mail for a domain. */
#include "policy/send_connector.h"

#include <strings.h>

#define COST_MAX           100
#define ALL_ACCEPTED       BYTES("--")
#define SPACE_TYPE_DEFAULT BYTES("smtp")

static enum err parse_cost(struct bytes text, unsigned *cost, struct err_detail *why)
{
    uint64_t n;
    if (bytes_to_u64(bytes_trim(text), COST_MAX, &n) != ERR_OK || n == 0)
        return err_set(why, ERR_SYNTAX, "the cost behind \";\" is a number from 1 to %d", COST_MAX);
    *cost = (unsigned)n;
    return ERR_OK;
}

enum err address_space_parse(struct bytes text, struct bytes *space, unsigned *cost,
                             struct err_detail *why)
{
    struct bytes name, rest, type, after;
    *cost = 1;
    if (bytes_split(text, ';', &name, &rest)) {
        enum err e = parse_cost(rest, cost, why);
        if (e != ERR_OK)
            return e;
    }
    name = bytes_trim(name);
    if (bytes_split(name, ':', &type, &after)) {
        if (!bytes_equal_nocase(bytes_trim(type), SPACE_TYPE_DEFAULT))
            return err_set(why, ERR_SYNTAX, "only address spaces of type SMTP are routed");
        name = bytes_trim(after);
    }
    *space = name;
    if (bytes_equal(name, BYTES("*")) || bytes_equal(name, ALL_ACCEPTED))
        return ERR_OK;
    return domain_pattern_check(name, why);
}

enum rights_principal send_connector_principal(const struct send_connector *c)
{
    return c->externally_secured && !c->dns_routing_enabled ? RIGHTS_EXTERNALLY_SECURED_SERVERS
                                                            : RIGHTS_ANONYMOUS;
}

rights_mask send_connector_rights(const struct send_connector *c)
{
    static const struct rights_entry standard[] = {
        {RIGHTS_ANONYMOUS, NULL, RIGHTS_SEND_HEADERS_ROUTING, 0},
        {RIGHTS_EXTERNALLY_SECURED_SERVERS, NULL, RIGHTS_SEND_HEADERS_ROUTING | RIGHTS_SEND_EXCH50,
         0},
    };
    return rights_compile(0, c->permissions, c->permission_count, standard, ARRAY_SIZE(standard),
                          send_connector_principal(c), NULL);
}

/* How specific SPACE is for DOMAIN, 0: no match. "--" stands right below a space that is the
 * accepted domain itself: a more specific one still goes first, a wider one after it. */
static unsigned space_score(struct bytes space, const struct accepted_domain *accepted,
                            struct bytes domain)
{
    if (!bytes_equal(space, ALL_ACCEPTED))
        return 2 * domain_match(space, domain, true);
    if (!accepted)
        return 0;
    struct bytes name = bytes_of(accepted->name);
    unsigned own = domain_match(name, domain, false);
    if (own == 0) /* a subdomain by MatchSubDomains: as if "*." stood in front */
        own = (unsigned)name.len + 2;
    return 2 * own - 1;
}

struct candidate {
    struct send_choice choice;
    unsigned score;
};

static bool candidate_is_better(const struct candidate *a, const struct candidate *b)
{
    if (!b->choice.connector || a->score != b->score)
        return !b->choice.connector || a->score > b->score;
    if (a->choice.space->cost != b->choice.space->cost)
        return a->choice.space->cost < b->choice.space->cost;
    return strcasecmp(a->choice.connector->name, b->choice.connector->name) < 0;
}

struct send_choice send_connector_find(const struct send_connector *connectors, size_t count,
                                       const struct domain_set *domains, struct bytes domain,
                                       uint64_t octets)
{
    struct candidate best = {.score = 0};
    const struct accepted_domain *accepted = domains ? domain_set_find(domains, domain) : NULL;
    bool size_excluded = false;
    for (size_t i = 0; i < count; i++) {
        const struct send_connector *c = &connectors[i];
        for (size_t j = 0; c->enabled && j < c->space_count; j++) {
            struct candidate this = {{.connector = c, .space = &c->spaces[j]}, 0};
            this.score = space_score(bytes_of(c->spaces[j].space), accepted, domain);
            if (this.score == 0)
                continue;
            if (octets > c->max_message_size_bytes)
                size_excluded = true;
            else if (candidate_is_better(&this, &best))
                best = this;
        }
    }
    ASSERT(!best.choice.connector == !best.choice.space);
    best.choice.too_big = !best.choice.connector && size_excluded;
    return best.choice;
}
