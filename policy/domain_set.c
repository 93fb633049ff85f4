#include "policy/domain_set.h"

#include "core/arena.h"
#include "core/mem.h"

#define NAME_MAX_OCTETS  255 /* RFC 5321 4.5.3.1.2 */
#define LABEL_MAX_OCTETS 63  /* RFC 1035 2.3.4 */
#define SCORE_EXACT      1000

static const char *const type_names[] = {
    [DOMAIN_AUTHORITATIVE] = "Authoritative",
    [DOMAIN_INTERNAL_RELAY] = "InternalRelay",
    [DOMAIN_EXTERNAL_RELAY] = "ExternalRelay",
};

const char *domain_type_name(enum domain_type type)
{
    return (unsigned)type < ARRAY_SIZE(type_names) ? type_names[type] : "";
}

enum err domain_type_parse(struct bytes text, enum domain_type *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(type_names); i++) {
        if (bytes_equal_nocase(bytes_trim(text), bytes_of(type_names[i]))) {
            *out = (enum domain_type)i;
            return ERR_OK;
        }
    }
    return ERR_SYNTAX;
}

static struct bytes without_final_dot(struct bytes name)
{
    return name.len > 0 && name.ptr[name.len - 1] == '.' ? bytes_sub(name, 0, name.len - 1) : name;
}

static bool is_wildcard(struct bytes pattern)
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
    return name_check(without_final_dot(is_wildcard(pattern) ? bytes_from(pattern, 2) : pattern),
                      why);
}

unsigned domain_match(struct bytes pattern, struct bytes domain, bool subtree)
{
    pattern = without_final_dot(pattern);
    domain = without_final_dot(domain);
    if (bytes_equal(pattern, BYTES("*")))
        return 1;
    if (!is_wildcard(pattern))
        return bytes_equal_nocase(pattern, domain) ? SCORE_EXACT : 0;
    struct bytes suffix = bytes_from(pattern, 1); /* with its dot */
    bool below = domain.len > suffix.len && bytes_ends_nocase(domain, suffix);
    bool itself = subtree && bytes_equal_nocase(domain, bytes_from(suffix, 1));
    return below || itself ? (unsigned)suffix.len + 1 : 0;
}

/* An open hash table; a domain with MatchSubDomains has two places in it. */
struct slot {
    struct bytes name; /* without "*." */
    const struct accepted_domain *domain;
    bool wildcard;
};

struct domain_set {
    struct arena arena;
    struct accepted_domain *domains;
    size_t count;
    const struct accepted_domain *fallback; /* what domain_set_default() answers */
    struct slot *slots;
    size_t slot_mask;
};

/* FNV-1a. Names come from the administrator; a peer can only ask. */
static size_t name_hash(struct bytes name, bool wildcard)
{
    uint64_t hash = 0xcbf29ce484222325u ^ (wildcard ? '*' : 0);
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (uint8_t)bytes_lower(name.ptr[i])) * 0x100000001b3u;
    return (size_t)(hash ^ hash >> 32);
}

static struct slot *slot_of(const struct domain_set *set, struct bytes name, bool wildcard)
{
    size_t at = name_hash(name, wildcard) & set->slot_mask;
    for (;; at = (at + 1) & set->slot_mask) {
        struct slot *slot = &set->slots[at];
        if (!slot->domain || (slot->wildcard == wildcard && bytes_equal_nocase(slot->name, name)))
            return slot;
    }
}

static bool insert(struct domain_set *set, struct bytes name, bool wildcard,
                   const struct accepted_domain *domain)
{
    struct slot *slot = slot_of(set, name, wildcard);
    if (slot->domain)
        return false;
    *slot = (struct slot){name, domain, wildcard};
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
    to->name = arena_bytes(&set->arena, without_final_dot(pattern)).ptr;
    to->origin = from->origin ? arena_strdup(&set->arena, from->origin) : "";
    bool wildcard = is_wildcard(pattern);
    struct bytes name = bytes_from(bytes_of(to->name), wildcard ? 2 : 0);
    if (!insert(set, name, wildcard, to))
        return err_set(why, ERR_EXISTS, "%s: accepted domain \"%s\" is there already, at %s",
                       to->origin, to->name, slot_of(set, name, wildcard)->domain->origin);
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
        if (d->match_subdomains && !is_wildcard(bytes_of(d->name)))
            (void)insert(set, bytes_of(d->name), true, d);
    }
}

enum err domain_set_build(const struct accepted_domain *domains, size_t count,
                          struct domain_set **out, struct err_detail *why)
{
    struct domain_set *set = MEM_NEW(struct domain_set);
    size_t slots = 4;
    while (slots < 4 * count)
        slots *= 2;
    arena_init(&set->arena, 0);
    set->domains = ARENA_NEW_ARRAY(&set->arena, struct accepted_domain, count + 1);
    set->slots = ARENA_NEW_ARRAY(&set->arena, struct slot, slots);
    set->slot_mask = slots - 1;
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
    if (*set)
        arena_free(&(*set)->arena);
    mem_free(*set);
    *set = NULL;
}

const struct accepted_domain *domain_set_find(const struct domain_set *set, struct bytes domain)
{
    domain = without_final_dot(domain);
    if (domain.len == 0 || domain.len > NAME_MAX_OCTETS)
        return NULL;
    const struct accepted_domain *found = slot_of(set, domain, false)->domain;
    size_t dot = bytes_find(domain, '.', 0);
    /* From the longest suffix to the shortest: the first wildcard met is the longest. */
    while (!found && dot != BYTES_NOT_FOUND && dot > 0) {
        domain = bytes_from(domain, dot + 1);
        found = domain.len > 0 ? slot_of(set, domain, true)->domain : NULL;
        dot = bytes_find(domain, '.', 0);
    }
    return found;
}

const struct accepted_domain *domain_set_default(const struct domain_set *set)
{
    return set->fallback;
}
