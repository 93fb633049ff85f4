/* Rewriting entries: their form, and a table of them for each direction. */
#include "policy/rewrite.h"

#include "core/arena.h"
#include "core/mail.h"
#include "core/mem.h"
#include "core/table.h"
#include "policy/domain_set.h"

#define LOCAL_PART_MAX    64  /* RFC 5321 4.5.3.1.1 */
#define DOMAIN_OCTETS_MAX 255 /* RFC 5321 4.5.3.1.2 */

/* What a table is asked for. Of "user@d" both; of a domain only that; of "*.d" the domain is ".d".
 */
struct key {
    struct bytes local, domain;
};

struct row {
    struct table_node node;
    struct key key;
    const struct rewrite_entry *entry;
};

struct rewrite_set {
    struct arena arena;
    struct table outbound, inbound; /* struct row */
};

static struct key key_of(struct bytes text)
{
    bool address = bytes_find(text, '@', 0) != BYTES_NOT_FOUND;
    struct bytes domain = address ? mail_domain(text) : text;
    if (domain_is_wildcard(domain) && !address)
        domain = bytes_from(domain, 1);
    return (struct key){address ? mail_local_part(text) : BYTES_EMPTY,
                        domain_without_final_dot(domain)};
}

/* --- Checking --- */

/* Dot-string, RFC 5321 4.1.2: an entry needs no quoted local part. */
static bool local_valid(struct bytes local)
{
    bool dot = true; /* none at either end, none beside another */
    for (size_t i = 0; i < local.len; i++) {
        char c = bytes_lower(local.ptr[i]);
        bool text = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                    (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
        if (!text && (c != '.' || dot))
            return false;
        dot = c == '.';
    }
    return local.len > 0 && local.len <= LOCAL_PART_MAX && !dot;
}

static enum err text_check(const char *key, const char *text, struct err_detail *why)
{
    struct err_detail reason;
    if (!text || !*text)
        return err_set(why, ERR_SYNTAX, "%s: is missing", key);
    struct bytes all = bytes_of(text), domain = all;
    if (bytes_find(all, '@', 0) != BYTES_NOT_FOUND) {
        domain = mail_domain(all);
        if (!local_valid(mail_local_part(all)) || domain_is_wildcard(domain))
            return err_set(why, ERR_SYNTAX, "%s: \"%.100s\" is no address", key, text);
    }
    if (domain_pattern_check(domain, &reason) != ERR_OK)
        return err_set(why, ERR_SYNTAX, "%s: \"%.100s\": %s", key, text, reason.text);
    return ERR_OK;
}

static enum err exceptions_check(const struct rewrite_entry *e, struct err_detail *why)
{
    struct bytes internal = bytes_of(e->internal_address);
    for (size_t i = 0; i < e->exception_count; i++) {
        struct bytes name = bytes_of(e->exceptions[i]);
        if (domain_is_wildcard(name) || domain_pattern_check(name, NULL) != ERR_OK ||
            domain_match(internal, name, false) == 0)
            return err_set(why, ERR_SYNTAX, "exception_list: \"%.100s\" is no domain below %.100s",
                           e->exceptions[i] ? e->exceptions[i] : "", e->internal_address);
    }
    return ERR_OK;
}

enum err rewrite_entry_check(const struct rewrite_entry *e, struct err_detail *why)
{
    enum err err = text_check("internal_address", e->internal_address, why);
    if (err == ERR_OK)
        err = text_check("external_address", e->external_address, why);
    if (err != ERR_OK)
        return err;
    struct bytes internal = bytes_of(e->internal_address), external = bytes_of(e->external_address);
    bool wildcard = domain_is_wildcard(internal);
    bool address = bytes_find(internal, '@', 0) != BYTES_NOT_FOUND;
    if (domain_is_wildcard(external) ||
        address != (bytes_find(external, '@', 0) != BYTES_NOT_FOUND))
        return err_set(why, ERR_SYNTAX,
                       "external_address: \"%.100s\": an address becomes an address, a domain or "
                       "\"*.\" one domain",
                       e->external_address);
    if (wildcard && !e->outbound_only)
        return err_set(why, ERR_SYNTAX,
                       "outbound_only: \"%.100s\" needs true: there is no way back from one domain "
                       "to many",
                       e->internal_address);
    if (!wildcard && e->exception_count > 0)
        return err_set(why, ERR_SYNTAX,
                       "exception_list: only \"*.\" in internal_address has exceptions");
    return exceptions_check(e, why);
}

/* --- Building --- */

/* Keys come from the administrator; a peer can only ask. */
static uint64_t hash_of(const struct key *key)
{
    uint64_t local = hash_octet(hash_bytes_nocase(HASH_START, key->local), '@');
    return hash_mix(hash_bytes_nocase(local, key->domain));
}

static const struct rewrite_entry *find(const struct table *table, const struct key *key)
{
    TABLE_EACH (node, table, hash_of(key)) {
        const struct row *row = CONTAINER_OF(node, struct row, node);
        if (bytes_equal_nocase(row->key.domain, key->domain) &&
            bytes_equal_nocase(row->key.local, key->local))
            return row->entry;
    }
    return NULL;
}

static bool insert(struct rewrite_set *set, struct table *table, struct bytes text,
                   const struct rewrite_entry *entry, struct err_detail *why)
{
    struct key key = key_of(text);
    const struct rewrite_entry *before = find(table, &key);
    if (before) {
        (void)err_set(why, ERR_EXISTS, "\"" BYTES_FMT "\" is rewritten already, at %s",
                      BYTES_ARG(text), before->origin ? before->origin : "");
        return false;
    }
    struct row *row = ARENA_NEW(&set->arena, struct row);
    row->key = key;
    row->entry = entry;
    table_add(table, &row->node, hash_of(&key));
    return true;
}

enum err rewrite_set_build(const struct rewrite_entry *entries, size_t count,
                           struct rewrite_set **out, size_t *which, struct err_detail *why)
{
    struct rewrite_set *set = MEM_NEW(struct rewrite_set);
    arena_init(&set->arena, 0);
    table_init(&set->outbound);
    table_init(&set->inbound);
    for (size_t i = 0; i < count; i++) {
        const struct rewrite_entry *e = &entries[i];
        *which = i;
        if (!insert(set, &set->outbound, bytes_of(e->internal_address), e, why) ||
            (!e->outbound_only &&
             !insert(set, &set->inbound, bytes_of(e->external_address), e, why))) {
            rewrite_set_free(&set);
            *out = NULL;
            return ERR_EXISTS;
        }
    }
    *out = set;
    return ERR_OK;
}

void rewrite_set_free(struct rewrite_set **set)
{
    if (*set) {
        table_free(&(*set)->outbound);
        table_free(&(*set)->inbound);
        arena_free(&(*set)->arena);
    }
    mem_free(*set);
    *set = NULL;
}

/* --- Asking --- */

static bool excepted(const struct rewrite_entry *entry, struct bytes domain)
{
    for (size_t i = 0; i < entry->exception_count; i++)
        if (bytes_equal_nocase(domain_without_final_dot(bytes_of(entry->exceptions[i])), domain))
            return true;
    return false;
}

/* The closest "*." above DOMAIN; one that excepts it ends the search. */
static const struct rewrite_entry *find_above(const struct table *table, struct bytes domain)
{
    struct bytes rest = domain;
    size_t dot = bytes_find(rest, '.', 0);
    while (dot != BYTES_NOT_FOUND && rest.len > 1) {
        rest = bytes_from(rest, dot);
        struct key key = {BYTES_EMPTY, rest};
        const struct rewrite_entry *found = find(table, &key);
        if (found)
            return excepted(found, domain) ? NULL : found;
        dot = bytes_find(rest, '.', 1);
    }
    return NULL;
}

static struct rewrite_result look_up(const struct table *table, struct bytes address, bool outbound)
{
    struct rewrite_result result = {.entry = NULL, .local = mail_local_part(address)};
    struct bytes domain = domain_without_final_dot(mail_domain(address));
    if (domain.len == 0 || domain.len > DOMAIN_OCTETS_MAX || domain.ptr[0] == '.')
        return result;
    struct key exact = {result.local, domain}, whole = {BYTES_EMPTY, domain};
    bool is_exact = true;
    if (result.local.len > 0 && result.local.len <= LOCAL_PART_MAX)
        result.entry = find(table, &exact);
    if (!result.entry) {
        is_exact = false;
        result.entry = find(table, &whole);
    }
    if (!result.entry && outbound)
        result.entry = find_above(table, domain);
    if (!result.entry)
        return result;
    struct key to = key_of(
        bytes_of(outbound ? result.entry->external_address : result.entry->internal_address));
    result.domain = to.domain;
    ASSERT(to.domain.len > 0); /* both addresses of an entry were checked */
    if (is_exact)
        result.local = to.local;
    return result;
}

struct rewrite_result rewrite_outbound(const struct rewrite_set *set, struct bytes address)
{
    return look_up(&set->outbound, address, true);
}

struct rewrite_result rewrite_inbound(const struct rewrite_set *set, struct bytes address)
{
    return look_up(&set->inbound, address, false);
}

struct bytes rewrite_address(const struct rewrite_result *result, char *to, size_t size)
{
    size_t local = result->local.len, domain = result->domain.len;
    if (!result->entry || local + 1 + domain > size)
        return BYTES_EMPTY;
    memcpy(to, result->local.ptr, local);
    to[local] = '@';
    memcpy(to + local + 1, result->domain.ptr, domain);
    return bytes_make(to, local + 1 + domain);
}
