/* The users file: read whole, sorted by name, then only asked. */
#include "policy/account.h"

#include <crypt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/arena.h"
#include "core/hash.h"
#include "core/mail.h"
#include "core/mem.h"
#include "policy/domain_set.h"

#define ARENA_BLOCK_BYTES ((size_t)16 * 1024)
/* The dummy of an empty users file: yescrypt at libxcrypt's own cost, of no password. */
#define DUMMY_HASH "$y$j9T$OfGSAbEza/cOCFk4ro9e40$YixPBecfnYqlitbXjpQZU1P7fhnX.hfvWbi8VK7DgkD"

struct account_set {
    atomic_uint references;
    struct arena arena;
    struct account *accounts; /* ordered by account_compare() */
    size_t count;
};

/* --- Reading --- */

struct reading {
    struct arena *arena;
    const char *file;
    unsigned line;
    account_report report;
    void *owner;
    bool faulty;
};

static void PRINTF_LIKE(3, 4) tell(struct reading *r, bool is_warning, const char *fmt, ...)
{
    char text[512], where[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    snprintf(where, sizeof where, "%s:%u", r->file, r->line);
    r->faulty = r->faulty || !is_warning;
    if (r->report)
        r->report(r->owner, where, is_warning, text);
}

static bool printable_without(struct bytes text, const char *not_these)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f ||
            strchr(not_these, text.ptr[i]))
            return false;
    return text.len > 0;
}

bool account_name_valid(struct bytes name)
{
    return name.len <= ACCOUNT_NAME_MAX && printable_without(name, ":") && name.ptr[0] != '#' &&
           bytes_trim(name).len == name.len;
}

bool account_group_valid(struct bytes group)
{
    return group.len <= ACCOUNT_NAME_MAX && printable_without(group, ":,") &&
           bytes_trim(group).len == group.len;
}

/* Its domain as a pattern: the part after the @. */
static struct bytes sender_domain(struct bytes sender)
{
    size_t at = bytes_rfind(sender, '@');
    return at == BYTES_NOT_FOUND ? BYTES_EMPTY : bytes_from(sender, at + 1);
}

bool account_sender_valid(struct bytes sender)
{
    if (!printable_without(sender, ":, "))
        return false;
    return bytes_equal(sender, BYTES("*")) || sender_domain(sender).len > 0;
}

static struct bytes take_field(struct bytes *rest)
{
    struct bytes field;
    bytes_split(*rest, ':', &field, rest);
    return bytes_trim(field);
}

/* The elements of a list, each valid; faults are told. */
static const char *const *take_list(struct reading *r, struct bytes list, const char *what,
                                    bool (*valid)(struct bytes), size_t *count)
{
    size_t most = 1;
    for (size_t i = 0; i < list.len; i++)
        most += list.ptr[i] == ',';
    const char **elements = ARENA_NEW_ARRAY(r->arena, const char *, most);
    *count = 0;
    while (list.len) {
        struct bytes one;
        char shown[128];
        bytes_split(list, ',', &one, &list);
        one = bytes_trim(one);
        if (valid(one))
            elements[(*count)++] = arena_bytes(r->arena, one).ptr;
        else
            tell(r, false, "\"%s\" is no %s", bytes_escape(one, shown, sizeof shown), what);
    }
    return elements;
}

/* DES, MD5 and their like can be guessed by any graphics card; they still serve. */
static void check_hash(struct reading *r, const struct account *a)
{
    if (a->locked)
        return;
    size_t len = strlen(a->hash);
    /* Any two letters begin a hash by DES, which has 13: a password written here is none. */
    bool formed = len < ACCOUNT_HASH_SIZE && (strchr("$_", a->hash[0]) || len == 13);
    int verdict = formed ? crypt_checksalt(a->hash) : CRYPT_SALT_INVALID;
    if (verdict == CRYPT_SALT_INVALID || verdict == CRYPT_SALT_METHOD_DISABLED)
        tell(r, false,
             "user \"%s\": what stands after the name is no hash that crypt(3) knows: set a "
             "password with `mailrace user passwd`",
             a->name);
    else if (verdict != CRYPT_SALT_OK)
        tell(r, true,
             "user \"%s\": the hash is of a kind that is easily guessed: set the password again "
             "with `mailrace user passwd`",
             a->name);
}

static bool take_account(struct reading *r, struct bytes line, struct account *a)
{
    struct bytes rest = line;
    struct bytes name = take_field(&rest), hash = take_field(&rest);
    struct bytes groups = take_field(&rest), senders = take_field(&rest);
    if (!account_name_valid(name) || bytes_find(line, ':', 0) == BYTES_NOT_FOUND) {
        tell(r, false, "name:hash[:groups[:allowed senders]] is wanted");
        return false;
    }
    a->name = arena_bytes(r->arena, name).ptr;
    if (rest.len)
        tell(r, false, "user \"%s\": more than four fields", a->name);
    a->hash = arena_bytes(r->arena, hash).ptr;
    a->locked = hash.len > 0 && (hash.ptr[0] == '!' || hash.ptr[0] == '*');
    a->groups = take_list(r, groups, "name of a group", account_group_valid, &a->group_count);
    a->senders = take_list(r, senders, "allowed sender: an address, @domain, *@domain or *",
                           account_sender_valid, &a->sender_count);
    if (a->group_count > ACCOUNT_GROUPS_MAX)
        tell(r, false, "user \"%s\": at most %d groups are allowed", a->name, ACCOUNT_GROUPS_MAX);
    check_hash(r, a);
    return true;
}

static int name_compare(struct bytes a, struct bytes b)
{
    size_t least = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < least; i++) {
        int difference =
            (unsigned char)bytes_lower(a.ptr[i]) - (unsigned char)bytes_lower(b.ptr[i]);
        if (difference)
            return difference;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

static int account_compare(const void *left, const void *right)
{
    const struct account *a = left, *b = right;
    return name_compare(bytes_of(a->name), bytes_of(b->name));
}

static void read_lines(struct reading *r, struct bytes text, struct account_set *set)
{
    size_t lines = 1;
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    set->accounts = ARENA_NEW_ARRAY(&set->arena, struct account, lines);
    while (text.len) {
        struct bytes line;
        bytes_split(text, '\n', &line, &text);
        r->line++;
        line = bytes_trim(bytes_ends_nocase(line, BYTES("\r")) ? bytes_sub(line, 0, line.len - 1)
                                                               : line);
        if (line.len && line.ptr[0] != '#' && take_account(r, line, &set->accounts[set->count]))
            set->count++;
    }
}

static void check_duplicates(struct reading *r, struct account_set *set)
{
    qsort(set->accounts, set->count, sizeof *set->accounts, account_compare);
    for (size_t i = 1; i < set->count; i++)
        if (account_compare(&set->accounts[i - 1], &set->accounts[i]) == 0)
            tell(r, false, "user \"%s\" stands there twice (names compare without case)",
                 set->accounts[i].name);
}

enum err account_set_parse(struct bytes text, const char *file, account_report report, void *owner,
                           struct account_set **out)
{
    struct account_set *set = MEM_NEW(struct account_set);
    struct reading r = {.arena = &set->arena, .file = file, .report = report, .owner = owner};
    atomic_init(&set->references, 1);
    arena_init(&set->arena, ARENA_BLOCK_BYTES);
    read_lines(&r, text, set);
    check_duplicates(&r, set);
    *out = set;
    if (r.faulty)
        account_set_unref(out);
    return r.faulty ? ERR_SYNTAX : ERR_OK;
}

struct account_set *account_set_ref(struct account_set *set)
{
    if (set)
        atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    return set;
}

void account_set_unref(struct account_set **at)
{
    struct account_set *set = *at;
    *at = NULL;
    if (!set || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1)
        return;
    arena_free(&set->arena);
    mem_free(set);
}

/* --- Asking --- */

size_t account_set_count(const struct account_set *set)
{
    return set ? set->count : 0;
}

const struct account *account_set_at(const struct account_set *set, size_t index)
{
    ASSERT(index < set->count);
    return &set->accounts[index];
}

const struct account *account_find(const struct account_set *set, struct bytes name)
{
    size_t low = 0, high = account_set_count(set);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = name_compare(name, bytes_of(set->accounts[middle].name));
        if (order == 0)
            return &set->accounts[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

/* Where hashes of several costs stand beside each other, those who do not exist share them out in
 * the same way. */
const char *account_dummy_hash(const struct account_set *set, struct bytes name)
{
    size_t count = account_set_count(set);
    uint64_t which = hash_mix(hash_bytes_nocase(HASH_START, name));
    for (size_t i = 0; i < count; i++) {
        const struct account *a = &set->accounts[(which % count + i) % count];
        if (!a->locked)
            return a->hash;
    }
    return DUMMY_HASH;
}

struct account_trial account_trial_of(const struct account_set *set, struct bytes name)
{
    const struct account *account = account_find(set, name);
    if (account && !account->locked)
        return (struct account_trial){account->hash, account, NULL};
    return (struct account_trial){account_dummy_hash(set, name), NULL,
                                  account ? "the users file locks this user" : "no such user"};
}

size_t account_identities(const struct account *account,
                          struct rights_identity out[ACCOUNT_IDENTITIES_MAX])
{
    size_t count = 0;
    out[count++] = (struct rights_identity){RIGHTS_AUTHENTICATED_USERS, NULL};
    out[count++] = (struct rights_identity){RIGHTS_USER, account->name};
    for (size_t i = 0; i < account->group_count && count < ACCOUNT_IDENTITIES_MAX; i++)
        out[count++] = (struct rights_identity){RIGHTS_GROUP, account->groups[i]};
    ASSERT(count <= ACCOUNT_IDENTITIES_MAX);
    return count;
}

/* Local parts compare without case too, as Exchange's do. */
static bool sender_covers(struct bytes sender, struct bytes address)
{
    struct bytes domain = mail_domain(address), pattern = sender_domain(sender);
    if (bytes_equal(sender, BYTES("*")) || bytes_equal_nocase(sender, address))
        return true;
    bool any_local = sender.ptr[0] == '@' || bytes_starts_nocase(sender, BYTES("*@"));
    return any_local && domain.len && domain_match(pattern, domain, false) > 0;
}

bool account_may_send_as(const struct account *account, struct bytes address)
{
    if (address.len == 0)
        return false;
    if (bytes_equal_nocase(bytes_of(account->name), address) && mail_domain(address).len)
        return true;
    for (size_t i = 0; i < account->sender_count; i++)
        if (sender_covers(bytes_of(account->senders[i]), address))
            return true;
    return false;
}

/* --- Hashes --- */

/* In a time that does not depend on where they differ. */
static bool equal_constant_time(const char *a, const char *b)
{
    size_t len = strlen(a);
    volatile unsigned char difference = 0;
    if (strlen(b) != len) /* the length is that of the method, and no secret */
        return false;
    for (size_t i = 0; i < len; i++)
        difference = (unsigned char)(difference | (a[i] ^ b[i]));
    return difference == 0;
}

bool account_verify(const char *hash, const char *password)
{
    struct crypt_data *data = MEM_NEW(struct crypt_data);
    const char *made = crypt_rn(password, hash, data, (int)sizeof *data);
    bool matches = made && made[0] != '*' && equal_constant_time(made, hash);
    explicit_bzero(data, sizeof *data);
    mem_free(data);
    return matches;
}

enum err account_hash(const char *password, char to[ACCOUNT_HASH_SIZE])
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    if (!crypt_gensalt_rn("$y$", 0, NULL, 0, setting, (int)sizeof setting))
        return ERR_IO;
    struct crypt_data *data = MEM_NEW(struct crypt_data);
    const char *made = crypt_rn(password, setting, data, (int)sizeof *data);
    bool ok = made && made[0] != '*' && bytes_to_cstr(bytes_of(made), to, ACCOUNT_HASH_SIZE);
    explicit_bzero(data, sizeof *data);
    mem_free(data);
    return ok ? ERR_OK : ERR_IO;
}
