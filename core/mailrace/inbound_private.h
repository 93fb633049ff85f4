/* core/mailrace/inbound_private.h - the session's record, between accepting (inbound_accept.c) and
 * serving it (inbound.c). Owned by its worker.
 */
#ifndef MAILRACE_INBOUND_PRIVATE_H
#define MAILRACE_INBOUND_PRIVATE_H

#include "core/metrics.h"
#include "core/timer.h"
#include "net/header_scan.h"
#include "net/smtp_service.h"
#include "policy/rights.h"
#include "queue/spool.h"

#include "inbound.h"

/* What selection found, copied out of the rules: the session keeps no pointer into them. */
struct inbound_connector {
    struct bytes name, fqdn, banner, range;
    enum rights_principal principal;
    rights_mask rights;
    uint64_t header_octets_max;
    uint64_t hops_max, local_hops_max;
    uint64_t tarpit_ms;
    struct relay_count *count;
    char text[]; /* name, fqdn, banner, range */
};

struct inbound_message {
    struct spool_txn *txn;
    struct header_scan scan;
    uint64_t id;
    uint64_t octets;               /* with our trace header */
    struct mail_envelope envelope; /* a copy that outlives the session */
    struct spool_meta meta;
};

struct inbound {
    struct inbound_link link;
    struct worker *worker;
    struct smtp_service *service; /* NULL once closed */
    struct inbound_connector *connector;
    struct inbound_message *message; /* in its transaction's arena */
    struct timer tarpit;
    struct mail_status tarpitted; /* static text */
    rights_mask missing;          /* of the last refusal */
    const char *reason;
    bool committing, shutting_down;
};

struct inbound_counters {
    metrics_id connections, refused_connections, accepted, accepted_octets, refused, failed;
};
extern struct inbound_counters inbound_counters;
extern const struct smtp_server_ops INBOUND_SESSION_OPS;

void inbound_tarpit_over(struct timer *t);
void inbound_closed(void *owner, enum err reason, const char *text);

#endif
