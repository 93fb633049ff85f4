/* Domain names: their form, patterns over them, and the set of those that are accepted. */
#include "policy/domain_set.h"

#include "core/arena.h"
#include "core/mem.h"
#include "core/table.h"

#define NAME_MAX_OCTETS  255 /* RFC 5321 4.5.3.1.2 */
#define LABEL_MAX_OCTETS 63  /* RFC 1035 2.3.4 */
#define SCORE_EXACT      1000

const struct choice DOMAIN_TYPES[] = {{"Authoritative", DOMAIN_AUTHORITATIVE},
                                      {"InternalRelay", DOMAIN_INTERNAL_RELAY},
                                      {"ExternalRelay", DOMAIN_EXTERNAL_RELAY},
                                      {NULL, 0}};

struct bytes domain_without_final_dot(struct bytes name)
{
    return name.len > 0 && name.ptr[name.len - 1] == '.' ? bytes_sub(name, 0, name.len - 1) : name;
}

bool domain_is_wildcard(struct bytes pattern)
{
    return bytes_starts_nocase(pattern, BYTES("*."));
}

static bool label_char_valid(char c)
{
    char l = bytes_lower(c);
    return (l >= 'a' && l <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static enum err name_check(struct bytes name, struct err_detail *why)
{
    size_t label = 0;
    if (name.len == 0 || name.len > NAME_MAX_OCTETS)
        return err_set(why, ERR_SYNTAX, "a domain has 1 to %d characters", NAME_MAX_OCTETS);
    for (size_t i = 0; i <= name.len; i++) {
        if (i == name.len || name.ptr[i] == '.') {
            if (label == 0 || label > LABEL_MAX_OCTETS)
                return err_set(why, ERR_SYNTAX, "between dots there are 1 to %d characters",
                               LABEL_MAX_OCTETS);
            label = 0;
        } else if (name.ptr[i] == '*') {
            return err_set(why, ERR_SYNTAX,
                           "\"*\" stands only at the front and before a dot: \"*.contoso.com\"");
        } else if (!label_char_valid(name.ptr[i])) {
            return err_set(why, ERR_SYNTAX,
                           "letters, digits, \"-\", \"_\" and dots only (other scripts: their "
                           "xn-- form)");
        } else {
            label++;
        }
    }
    return ERR_OK;
}

enum err domain_pattern_check(struct bytes pattern, struct err_detail *why)
{
    return name_check(
        domain_without_final_dot(domain_is_wildcard(pattern) ? bytes_from(pattern, 2) : pattern),
        why);
}

unsigned domain_match(struct bytes pattern, struct bytes domain, bool subtree)
{
    pattern = domain_without_final_dot(pattern);
    domain = domain_without_final_dot(domain);
    if (bytes_equal(pattern, BYTES("*")))
        return 1;
    if (!domain_is_wildcard(pattern))
        return bytes_equal_nocase(pattern, domain) ? SCORE_EXACT : 0;
    struct bytes suffix = bytes_from(pattern, 1); /* with its dot */
    bool below = domain.len > suffix.len && bytes_ends_nocase(domain, suffix);
    bool itself = subtree && bytes_equal_nocase(domain, bytes_from(suffix, 1));
    return below || itself ? (unsigned)suffix.len + 1 : 0;
}

/* A name as it is looked up; a domain with MatchSubDomains has two. */
struct domain_name {
    struct table_node node;
    struct bytes name; /* without "*." */
    const struct accepted_domain *domain;
    bool wildcard;
};

struct domain_set {
    struct arena arena;
    struct accepted_domain *domains;
    size_t count;
    const struct accepted_domain *fallback; /* what domain_set_default() answers */
    struct table names;                     /* struct domain_name */
};

/* Names come from the administrator; a peer can only ask. */
static uint64_t hash_of(struct bytes name, bool wildcard)
{
    return hash_mix(hash_bytes_nocase(HASH_START ^ (wildcard ? '*' : 0), name));
}

static const struct accepted_domain *find(const struct domain_set *set, struct bytes name,
                                          bool wildcard)
{
    TABLE_EACH (node, &set->names, hash_of(name, wildcard)) {
        const struct domain_name *n = CONTAINER_OF(node, struct domain_name, node);
        if (n->wildcard == wildcard && bytes_equal_nocase(n->name, name))
            return n->domain;
    }
    return NULL;
}

/* False: it is there already. */
static bool insert(struct domain_set *set, struct bytes name, bool wildcard,
                   const struct accepted_domain *domain)
{
    if (find(set, name, wildcard))
        return false;
    ASSERT(name.len > 0 && name.len <= NAME_MAX_OCTETS);
    struct domain_name *n = ARENA_NEW(&set->arena, struct domain_name);
    n->name = name;
    n->domain = domain;
    n->wildcard = wildcard;
    table_add(&set->names, &n->node, hash_of(name, wildcard));
    return true;
}

static enum err add(struct domain_set *set, const struct accepted_domain *from,
                    struct err_detail *why)
{
    struct err_detail reason;
    struct bytes pattern = bytes_of(from->name);
    if (domain_pattern_check(pattern, &reason) != ERR_OK)
        return err_set(why, ERR_SYNTAX, "accepted domain \"%s\": %s", from->name ? from->name : "",
                       reason.text);
    struct accepted_domain *to = &set->domains[set->count++];
    *to = *from;
    to->name = arena_bytes(&set->arena, domain_without_final_dot(pattern)).ptr;
    to->origin = from->origin ? arena_strdup(&set->arena, from->origin) : "";
    bool wildcard = domain_is_wildcard(pattern);
    struct bytes name = bytes_from(bytes_of(to->name), wildcard ? 2 : 0);
    if (!insert(set, name, wildcard, to))
        return err_set(why, ERR_EXISTS, "%s: accepted domain \"%s\" is there already, at %s",
                       to->origin, to->name, find(set, name, wildcard)->origin);
    bool first = !set->fallback || (to->is_default && !set->fallback->is_default);
    if (first && !wildcard)
        set->fallback = to;
    return ERR_OK;
}

/* After all others: a wildcard that is written out wins over one that MatchSubDomains implies. */
static void add_subdomains(struct domain_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct accepted_domain *d = &set->domains[i];
        if (d->match_subdomains && !domain_is_wildcard(bytes_of(d->name)))
            (void)insert(set, bytes_of(d->name), true, d);
    }
}

enum err domain_set_build(const struct accepted_domain *domains, size_t count,
                          struct domain_set **out, struct err_detail *why)
{
    struct domain_set *set = MEM_NEW(struct domain_set);
    arena_init(&set->arena, 0);
    table_init(&set->names);
    set->domains = ARENA_NEW_ARRAY(&set->arena, struct accepted_domain, count + 1);
    for (size_t i = 0; i < count; i++) {
        enum err e = add(set, &domains[i], why);
        if (e != ERR_OK) {
            domain_set_free(&set);
            return e;
        }
    }
    add_subdomains(set);
    *out = set;
    return ERR_OK;
}

void domain_set_free(struct domain_set **set)
{
    if (*set) {
        table_free(&(*set)->names);
        arena_free(&(*set)->arena);
    }
    mem_free(*set);
    *set = NULL;
}

const struct accepted_domain *domain_set_find(const struct domain_set *set, struct bytes domain)
{
    domain = domain_without_final_dot(domain);
    if (domain.len == 0 || domain.len > NAME_MAX_OCTETS)
        return NULL;
    const struct accepted_domain *found = find(set, domain, false);
    size_t dot = bytes_find(domain, '.', 0);
    /* From the longest suffix to the shortest: the first wildcard met is the longest. */
    while (!found && dot != BYTES_NOT_FOUND && dot > 0) {
        domain = bytes_from(domain, dot + 1);
        found = domain.len > 0 ? find(set, domain, true) : NULL;
        dot = bytes_find(domain, '.', 0);
    }
    return found;
}

const struct accepted_domain *domain_set_default(const struct domain_set *set)
{
    return set->fallback;
}
