/* policy/ruleset_settings.h - all that rules are made of, as config reads it, and how a check tells
 * what is wrong with it.
 */
#ifndef POLICY_RULESET_SETTINGS_H
#define POLICY_RULESET_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/err.h"
#include "core/ipaddr.h"
#include "policy/account.h"
#include "policy/domain_set.h"
#include "policy/receive_connector.h"
#include "policy/rewrite.h"
#include "policy/send_connector.h"

struct ruleset_settings {
    const char *hostname;
    const struct receive_connector *receive;
    size_t receive_count;
    const struct send_connector *send;
    size_t send_count;
    const struct accepted_domain *domains;
    size_t domain_count;
    const struct rewrite_entry *rewrites;
    size_t rewrite_count;
    /* What every receive connector inherits: its own entries come before these. */
    const struct rights_entry *server_permissions;
    size_t server_permission_count;
    struct account_set *accounts; /* NULL: there is no users file. A ruleset holds it too */
};

/* One fault or warning of a whole check: WHERE is an origin "file:line". */
struct ruleset_fault {
    const char *where;
    const char *text;
    int is_warning;
};
typedef void (*ruleset_report)(void *owner, const struct ruleset_fault *fault);

#endif
