/* mailrace/inbound_private.h - the session's record, between accepting (inbound_accept.c) and
 * serving it (inbound.c). Owned by its worker.
 */
#ifndef MAILRACE_INBOUND_PRIVATE_H
#define MAILRACE_INBOUND_PRIVATE_H

#include "core/header_filter.h"
#include "core/metrics.h"
#include "core/timer.h"
#include "net/header_scan.h"
#include "net/smtp_service.h"
#include "policy/decide.h"
#include "policy/ruleset.h"
#include "queue/spool.h"
#include "queue/spool_format.h"

#include "mailrace/inbound.h"

/* What selection found, copied out of the rules: the session keeps no pointer into them. */
struct inbound_connector {
    struct bytes name, fqdn, banner, default_domain, range;
    enum rights_principal principal, first_principal; /* now; from the first byte, and after
                                                       * STARTTLS */
    rights_mask rights, first_rights;
    uint64_t generation;         /* of the rules that these are from */
    uint64_t message_octets_max; /* without ms-Exch-Bypass-Message-Size-Limit */
    uint64_t rcpts_max;          /* of clients that are no trusted servers */
    uint64_t header_octets_max;
    uint64_t hops_max, local_hops_max;
    uint64_t tarpit_ms, auth_tarpit_ms;
    bool auth_stamps_enabled;
    struct relay_count *count;
    uint32_t source;             /* slot in the relay's source table */
    uint64_t message_rate_limit; /* a minute and source */
    enum receive_connector_rate_source message_rate_source;
    unsigned rejected_domains; /* enum decide_domains */
    bool protocol_logged;
    char text[]; /* name, fqdn, banner, default_domain, range */
};

struct inbound_message {
    struct spool_txn *txn;
    struct header_scan scan;     /* of the header as it came */
    struct header_filter filter; /* to the header that is kept */
    bool stamped;                /* our stamps stand right above the text that comes next */
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
    struct inbound_message *message;   /* in its transaction's arena */
    struct inbound_logon *logon;       /* under way in the auth pool */
    struct inbound_protocol *protocol; /* NULL: no protocol log */
    struct timer tarpit;
    struct mail_status tarpitted; /* static text */
    rights_mask missing;          /* of the last refusal */
    const char *reason;
    bool committing, shutting_down;
};

struct inbound_counters {
    metrics_id connections, refused_connections, accepted, accepted_octets, refused, failed;
    metrics_id logons, failed_logons;
};
extern struct inbound_counters inbound_counters;
/* The latter for sessions whose protocol is logged. */
extern const struct smtp_server_ops INBOUND_SESSION_OPS, INBOUND_LOGGED_SESSION_OPS;

/* To how many the identity of now may write at once: for smtp_server_rcpts_max_set(). Exchange does
 * not bind trusted servers by MaxRecipientsPerMessage: a message that one of them has accepted for
 * many must not be cut up by the next. Who is one shows in two rights together. Bypassing the size
 * limit alone is also given to Externally Secured and legacy servers, which Exchange does not count
 * among them, and to applications by hand; our organization's headers are taken only from our own
 * servers. Beyond SPOOL_RCPTS_MAX no spool record goes. */
static inline size_t inbound_rcpts_max(const struct inbound_connector *c)
{
    const rights_mask trusted =
        RIGHTS_BYPASS_MESSAGE_SIZE_LIMIT | RIGHTS_ACCEPT_HEADERS_ORGANIZATION;
    return (c->rights & trusted) == trusted || c->rcpts_max > SPOOL_RCPTS_MAX
               ? SPOOL_RCPTS_MAX
               : (size_t)c->rcpts_max;
}

/* What the identity of now may send at once: for smtp_server_message_size_set(). */
static inline uint64_t inbound_message_size(const struct inbound_connector *c)
{
    return c->rights & RIGHTS_BYPASS_MESSAGE_SIZE_LIMIT ? UINT64_MAX : c->message_octets_max;
}

/* inbound_rules.c: the session's rights, RULES being those in force; BEGINS: a transaction does. In
 * a read section. */
struct relay_rules;
rights_mask inbound_rights_now(struct inbound *in, const struct relay_rules *rules, bool begins);
/* The session's limits follow its rights. */
void inbound_limits_follow(struct inbound *in);

/* inbound_protocol.c: all but the first do nothing for a session without a protocol log. */
void inbound_protocol_start(struct inbound *in, const struct smtp_server_facts *facts);
void inbound_protocol_rights(struct inbound *in); /* the identity has changed */
void inbound_protocol_tarpit(struct inbound *in, uint64_t ms);
void inbound_protocol_tls(struct inbound *in, const struct tls_info *tls);
void inbound_protocol_end(struct inbound *in, bool by_us);
void inbound_on_protocol(void *owner, char direction, struct bytes line);

/* Whom the recipient that FACTS ask about stands for inside, by the address rewriting entries: from
 * then on he is the recipient. In a read section, within on_rcpt. */
void inbound_rcpt_rewrite(struct inbound *in, const struct rewrite_set *rewrites,
                          struct decide_facts *facts);

/* <postmaster> was accepted: he is ours, and not the next hop's, where there is a default accepted
 * domain to say so. In a read section, within on_rcpt. */
void inbound_postmaster_complete(struct inbound *in, const struct ruleset *rules);

/* inbound_rate.c: one more message of this client or SENDER? */
bool inbound_rate_allows(struct inbound *in, struct bytes sender);

/* inbound_auth.c */
enum smtp_server_verdict inbound_on_auth(void *owner, struct bytes user, struct bytes password,
                                         struct mail_status *status);
/* The session ends before the answer. */
void inbound_logon_abandon(struct inbound *in);
/* Who it was at first (RFC 3207 4.2). */
void inbound_identity_reset(struct inbound *in);
/* Do the user's allowed senders cover SENDER? In a read section. */
bool inbound_may_send_as(const struct inbound *in, const struct ruleset *rules,
                         struct bytes sender);

/* inbound_header.c: below our trace header, then the text, then its end. */
MUST_USE enum err inbound_header_begin(struct inbound *in);
MUST_USE enum err inbound_text_append(struct inbound *in, struct bytes text);
MUST_USE enum err inbound_text_end(struct inbound *in, unsigned data_notes);

void inbound_tarpit_over(struct timer *t);
void inbound_closed(void *owner, enum err reason, const char *text);

#endif
