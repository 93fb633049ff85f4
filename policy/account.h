/* policy/account.h - the users: their passwords, and the senders that they may use.
 *
 *   name:crypt(3) hash[:groups[:allowed senders]]
 *
 * one a line, lists with commas, blank lines and those that begin with # aside. A hash that begins
 * with ! or * is locked: no logon succeeds with it. An allowed sender is an address, @domain,
 * *@domain (the same), *@*.domain (its subdomains) or * (any); a user with an address for a name
 * may always send as that. A set never changes once built: to change it, build another and publish
 * that.
 */
#ifndef POLICY_ACCOUNT_H
#define POLICY_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/bytes.h"
#include "core/err.h"
#include "policy/rights.h"

#define ACCOUNT_NAME_MAX   255
#define ACCOUNT_GROUPS_MAX 32
#define ACCOUNT_HASH_SIZE  384 /* with its NUL */
/* A user is user:NAME, the groups, and AuthenticatedUsers. */
#define ACCOUNT_IDENTITIES_MAX (ACCOUNT_GROUPS_MAX + 2)

struct account {
    const char *name;
    const char *hash;
    const char *const *groups;
    size_t group_count;
    const char *const *senders;
    size_t sender_count;
    bool locked;
};

struct account_set;

/* WHERE is "file:line". Warnings do not make the parsing fail. */
typedef void (*account_report)(void *owner, const char *where, bool is_warning, const char *text);
/* Reports every fault; ERR_SYNTAX, and *OUT is NULL, if there was one. Copies. */
MUST_USE enum err account_set_parse(struct bytes text, const char *file, account_report report,
                                    void *owner, struct account_set **out);
/* Counted: one more holder, one less. Any thread. */
struct account_set *account_set_ref(struct account_set *set);
void account_set_unref(struct account_set **set);

size_t account_set_count(const struct account_set *set);
/* In the order of their names. */
const struct account *account_set_at(const struct account_set *set, size_t index);
/* Names compare as ASCII without case. NULL: none. SET may be NULL. Any thread. */
const struct account *account_find(const struct account_set *set, struct bytes name);
/* What to check the password of an unknown NAME against, so that it takes as long as for a known
 * one: the same each time for the same NAME. It may be another user's: a match says nothing. */
const char *account_dummy_hash(const struct account_set *set, struct bytes name);

/* How a logon as NAME is judged: the password is checked against HASH, once, for any NAME, and
 * counts only for an ACCOUNT. So a user that does not exist, or is locked, costs what the others
 * cost. */
struct account_trial {
    const char *hash;
    const struct account *account; /* NULL: refused, even where the check succeeds ... */
    const char *reason;            /* ... and why, for the log alone */
};
struct account_trial account_trial_of(const struct account_set *set, struct bytes name);

/* Writes ACCOUNT's identities, for rights_evaluate(); returns how many. Their names live as long
 * as the set. */
size_t account_identities(const struct account *account,
                          struct rights_identity out[ACCOUNT_IDENTITIES_MAX]);
/* May ACCOUNT send as ADDRESS without ms-Exch-SMTP-Accept-Any-Sender? */
bool account_may_send_as(const struct account *account, struct bytes address);

/* Does PASSWORD belong to HASH? Takes as long as the hash is meant to (tens of milliseconds): never
 * on a thread that serves. */
bool account_verify(const char *hash, const char *password);
/* A new hash (yescrypt) of PASSWORD; ERR_IO if the library has none to offer. */
MUST_USE enum err account_hash(const char *password, char to[ACCOUNT_HASH_SIZE]);

/* What may stand in the file: no colon, no comma in a list's element, nothing unprintable. */
bool account_name_valid(struct bytes name);
bool account_group_valid(struct bytes group);
bool account_sender_valid(struct bytes sender);

#endif
