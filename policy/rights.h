/* policy/rights.h - extended rights, permission groups, principals: Exchange's model as bit masks.
 *
 * A check in the session is one AND. Pure.
 */
#ifndef POLICY_RIGHTS_H
#define POLICY_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/choice.h"
#include "core/err.h"

typedef uint32_t rights_mask;

enum rights_right {                                       /* ms-Exch-... */
                    RIGHTS_SUBMIT = 1 << 0,               /* SMTP-Submit */
                    RIGHTS_ACCEPT_ANY_RECIPIENT = 1 << 1, /* SMTP-Accept-Any-Recipient */
                    RIGHTS_ACCEPT_ANY_SENDER = 1 << 2,
                    RIGHTS_ACCEPT_AUTHORITATIVE_DOMAIN_SENDER = 1 << 3,
                    RIGHTS_ACCEPT_AUTHENTICATION_FLAG = 1 << 4,
                    RIGHTS_ACCEPT_HEADERS_ROUTING = 1 << 5, /* Accept-Headers-Routing */
                    RIGHTS_ACCEPT_HEADERS_ORGANIZATION = 1 << 6,
                    RIGHTS_ACCEPT_HEADERS_FOREST = 1 << 7,
                    RIGHTS_ACCEPT_EXCH50 = 1 << 8,
                    RIGHTS_BYPASS_ANTI_SPAM = 1 << 9,
                    RIGHTS_BYPASS_MESSAGE_SIZE_LIMIT = 1 << 10,
                    RIGHTS_SEND_HEADERS_ROUTING = 1 << 11,
                    RIGHTS_SEND_HEADERS_ORGANIZATION = 1 << 12,
                    RIGHTS_SEND_HEADERS_FOREST = 1 << 13,
                    RIGHTS_SEND_EXCH50 = 1 << 14,
};
#define RIGHTS_COUNT 15
extern const struct choice RIGHTS[]; /* in the order of their bits: Exchange's display names */

enum rights_group { /* PermissionGroups, as bits */
                    RIGHTS_GROUP_ANONYMOUS_USERS = 1,
                    RIGHTS_GROUP_EXCHANGE_USERS = 2,
                    RIGHTS_GROUP_EXCHANGE_SERVERS = 4,
                    RIGHTS_GROUP_EXCHANGE_LEGACY_SERVERS = 8,
                    RIGHTS_GROUP_PARTNERS = 16,
                    RIGHTS_GROUP_CUSTOM = 32, /* read-only marker */
};

enum rights_principal { /* well-known ones; users, groups and certificates go by name */
                        RIGHTS_ANONYMOUS,
                        RIGHTS_AUTHENTICATED_USERS,
                        RIGHTS_EXTERNALLY_SECURED_SERVERS,
                        RIGHTS_EXCHANGE_SERVERS,
                        RIGHTS_PARTNER_SERVERS,
                        RIGHTS_LEGACY_SERVERS,
                        RIGHTS_PRINCIPAL_COUNT,
                        RIGHTS_USER = RIGHTS_PRINCIPAL_COUNT, /* user:NAME */
                        RIGHTS_GROUP,                         /* group:NAME */
                        RIGHTS_CERTIFICATE,                   /* cert:NAME */
};

/* "ms-Exch-SMTP-Accept-Any-Recipient"; parsed with or without "ms-Exch-" and "SMTP-", any case. */
const char *rights_name(enum rights_right right);
MUST_USE enum err rights_parse(struct bytes text, enum rights_right *out);
/* "SMTPSubmit SMTPAcceptAnySender ...": the short names of Exchange's session permissions line. */
char *rights_format_short(rights_mask mask, char *to, size_t size);

/* "None" is 0. The first is Custom, which is only ever shown: what may be set begins behind it. */
extern const struct choice RIGHTS_GROUPS[];
/* Exchange's own spellings too: "NT AUTHORITY\ANONYMOUS LOGON", "MS Exchange\Partner Servers". NAME
 * is set for user:, group: and cert:. */
MUST_USE enum err rights_principal_parse(struct bytes text, enum rights_principal *out,
                                         struct bytes *name);
const char *rights_principal_name(enum rights_principal principal);

/* What GROUPS give PRINCIPAL. */
rights_mask rights_of_groups(unsigned groups, enum rights_principal principal);

/* One entry of a connector's `permissions`. */
struct rights_entry {
    enum rights_principal principal;
    const char *name; /* for RIGHTS_USER, _GROUP, _CERTIFICATE */
    rights_mask allow, deny;
};
/* An access control list: what the groups give counts as explicit allow entries. */
struct rights_acl {
    unsigned groups;
    const struct rights_entry *entries;
    size_t entry_count;
};
/* One of the principals that a session is at the same time: a user is user:NAME, the groups
 * and AuthenticatedUsers. NAME as in struct rights_entry. */
struct rights_identity {
    enum rights_principal principal;
    const char *name;
};
/* What gives a principal rights, or takes them: a group, or an entry. */
struct rights_source {
    enum rights_group group;          /* 0: the entry */
    const struct rights_entry *entry; /* NULL: the group */
    rights_mask allow, deny;
};
/* Each that counts for one of the session's COUNT identities, identity by identity. */
void rights_each_source(const struct rights_acl *acl, const struct rights_identity *who,
                        size_t count, void (*each)(void *owner, const struct rights_source *source),
                        void *owner);
/* Explicit deny over explicit allow over inherited deny over inherited allow, whichever of the
 * session's COUNT identities they name. INHERITED may be NULL. */
rights_mask rights_evaluate(const struct rights_acl *own, const struct rights_acl *inherited,
                            const struct rights_identity *who, size_t count);
/* The same for one principal. */
rights_mask rights_compile(unsigned groups, const struct rights_entry *entries, size_t count,
                           const struct rights_entry *inherited, size_t inherited_count,
                           enum rights_principal principal, const char *name);

#endif
