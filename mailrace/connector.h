/* mailrace/connector.h - a receive connector as its sessions see it: an immutable block, built with
 * the rules and counted by reference.
 *
 * A session holds a reference and reads names and limits from the block; a limit needs no copy
 * anywhere. The block owns its texts and nothing of the ruleset: an old session keeps its block
 * alive, not the rules of then.
 */
#ifndef MAILRACE_CONNECTOR_H
#define MAILRACE_CONNECTOR_H

#include <stdatomic.h>

#include "core/arena.h"
#include "core/list.h"
#include "net/smtp_server.h"
#include "net/tls.h"
#include "policy/receive_connector.h"

/* Sessions on the connectors of one name: a reload goes on counting where the old rules were. */
struct connector_count {
    struct cds_list_head link;
    atomic_uint_fast64_t sessions;
    char name[];
};

struct connector {
    atomic_uint references;
    struct arena texts;
    struct receive_connector settings; /* without bindings, ranges and permissions */
    struct smtp_server_settings smtp;  /* of clients that have just connected */
    struct bytes name, fqdn;
    struct tls_context *tls; /* NULL: STARTTLS is not offered */
    struct connector_count *count;
};

/* FIRST_RIGHTS: of a client that has just connected. HOSTNAME: for connectors without fqdn. TLS:
 * NULL without a certificate; the block takes a reference of its own. */
struct connector *connector_new(const struct receive_connector *settings, rights_mask first_rights,
                                const char *hostname, struct tls_context *tls,
                                struct connector_count *count);
/* Any thread; in a read section too. */
struct connector *connector_ref(struct connector *c);
void connector_unref(struct connector **c);

/* The largest message that RIGHTS allow, and the most recipients of one message. Exchange does not
 * bind trusted servers by MaxRecipientsPerMessage: a message that one of them has accepted for many
 * must not be cut up by the next. A trusted server shows in two rights together. Bypassing the size
 * limit alone is also given to Externally Secured and legacy servers, which Exchange does not count
 * among them, and to applications by hand; our organization's headers are taken only from our own
 * servers. Beyond SPOOL_RCPTS_MAX no spool record goes. */
uint64_t connector_message_size_max(const struct connector *c, rights_mask rights);
size_t connector_rcpts_max(const struct connector *c, rights_mask rights);

#endif
