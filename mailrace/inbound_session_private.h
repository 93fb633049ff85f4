/* mailrace/inbound_session_private.h - the session's record, and what the files of inbound ask of
 * each other. Owned by its worker.
 *
 * Calls go down this list: inbound.c (connections, and the table of the session's questions), then
 * inbound_message.c and inbound_auth.c, then inbound_ask.c (what the rules say), then the parts:
 * inbound_admit.c, inbound_rights.c, inbound_header.c, inbound_rate.c, inbound_protocol.c and
 * inbound_session.c.
 */
#ifndef MAILRACE_INBOUND_SESSION_PRIVATE_H
#define MAILRACE_INBOUND_SESSION_PRIVATE_H

#include "core/header_filter.h"
#include "core/metrics.h"
#include "core/timer.h"
#include "net/header_scan.h"
#include "net/smtp_service.h"
#include "policy/decide.h"
#include "queue/spool.h"

#include "mailrace/connector.h"
#include "mailrace/inbound.h"
#include "mailrace/rules.h"

/* Who the client is and what it may do. Written by inbound_rights.c alone. */
struct inbound_identity {
    enum rights_principal principal, first_principal; /* now; from the first byte, and after
                                                       * STARTTLS */
    rights_mask rights, first_rights;
    uint64_t generation; /* of the rules that these are from */
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
    struct cds_list_head link; /* in services->sessions */
    struct inbound_services *services;
    struct smtp_service *service; /* NULL once closed */
    struct connector *connector;  /* a reference */
    struct inbound_identity identity;
    uint32_t source; /* slot in services->sources */
    bool committing, shutting_down;
    struct inbound_message *message;   /* in its transaction's arena */
    struct inbound_logon *logon;       /* under way in the auth pool */
    struct inbound_protocol *protocol; /* NULL: no protocol log */
    struct timer tarpit;
    struct mail_status tarpitted; /* static text */
    rights_mask missing;          /* of the last refusal */
    const char *reason;
    char range[]; /* that holds the client, as it is written */
};

/* --- inbound_session.c: the record, and what is logged of it --- */

struct inbound_counters {
    metrics_id connections, refused_connections, accepted, accepted_octets, refused, failed;
    metrics_id logons, failed_logons;
};
extern struct inbound_counters inbound_counters;

struct inbound *inbound_session_new(struct inbound_services *services, const char *range);
/* The service is gone, and no commit is under way. */
void inbound_session_free(struct inbound *in);

static inline struct smtp_server *inbound_smtp(const struct inbound *in)
{
    return smtp_service_session(in->service);
}

static inline const struct smtp_server_facts *inbound_facts(const struct inbound *in)
{
    return smtp_server_facts(inbound_smtp(in));
}

/* A session's id as the log writes it. */
#define INBOUND_SESSION_TEXT 17
const char *inbound_session_text(uint64_t session_id, char to[INBOUND_SESSION_TEXT]);
/* Every refusal is logged: who, where, what, and in->missing and in->reason, which are then
 * forgotten. */
void inbound_refuse(struct inbound *in, struct bytes verb, struct bytes argument,
                    const struct mail_status *status);

/* --- inbound_protocol.c: all but the first do nothing for a session without a protocol log --- */

void inbound_protocol_start(struct inbound *in, const struct smtp_server_facts *facts);
void inbound_protocol_rights(struct inbound *in); /* the identity has changed */
void inbound_protocol_tarpit(struct inbound *in, uint64_t ms);
void inbound_protocol_tls(struct inbound *in, const struct tls_info *tls);
void inbound_protocol_end(struct inbound *in, bool by_us);
void inbound_on_protocol(void *owner, char direction, struct bytes line);

/* --- inbound_rate.c --- */

/* One more connection under max_connection_rate_per_minute? */
bool inbound_rate_connection(struct inbound_services *services, uint64_t per_minute);
/* One more message of this client or SENDER? */
bool inbound_rate_message(struct inbound *in, struct bytes sender);

/* --- inbound_header.c: below our trace header, then the text, then its end --- */

MUST_USE enum err inbound_header_begin(struct inbound *in);
MUST_USE enum err inbound_text_append(struct inbound *in, struct bytes text);
MUST_USE enum err inbound_text_end(struct inbound *in, unsigned data_notes);

/* --- inbound_rights.c --- */

/* Of a client that has just connected. In a read section. */
struct inbound_identity inbound_rights_first(const struct rules *rules, uint32_t connector_index);
/* The session's rights, RULES being those in force; BEGINS: a transaction does. In a read section.
 */
rights_mask inbound_rights_now(struct inbound *in, const struct rules *rules, bool begins);
/* The session is USER from now on; false: the account or the connector is gone meanwhile. */
bool inbound_rights_logon(struct inbound *in, struct bytes user);
/* The session is what it was at first (RFC 3207 4.2). */
void inbound_rights_reset(struct inbound *in);
/* Do the user's allowed senders cover SENDER? In a read section. */
bool inbound_may_send_as(const struct inbound *in, const struct ruleset *ruleset,
                         struct bytes sender);

/* --- inbound_admit.c --- */

/* What selection found for a new connection. */
struct inbound_choice {
    struct connector *connector; /* a reference; NULL: none serves this client */
    struct inbound_identity identity;
    uint64_t rate_per_minute; /* max_connection_rate_per_minute */
    char range[IPRANGE_WRITTEN_MAX + 1];
};
void inbound_choose(struct inbound_choice *choice, const struct inbound_services *services,
                    const struct endpoint *peer, const struct endpoint *local);
/* Counts the session in; false and REFUSAL: it is one more than a limit allows. */
bool inbound_admit(struct inbound *in, uint64_t rate_per_minute,
                   const struct smtp_server_facts *facts, struct mail_status *refusal);

/* --- inbound_ask.c --- */

/* STATUS goes out when MS are over; false: there are none to wait. */
bool inbound_tarpit(struct inbound *in, uint64_t ms, const struct mail_status *status);
/* One decision on the rules as they are now; a refusal is logged, and may wait. */
enum smtp_server_verdict inbound_ask(struct inbound *in, enum decide_stage stage,
                                     struct decide_facts *facts, struct mail_status *status);
enum smtp_server_verdict inbound_on_mail(void *owner, const struct mail_envelope *envelope,
                                         struct mail_status *status);
enum smtp_server_verdict inbound_on_rcpt(void *owner, const struct mail_rcpt *rcpt,
                                         struct bytes path_domain, struct mail_status *status);

/* --- inbound_auth.c --- */

enum smtp_server_verdict inbound_on_auth(void *owner, struct bytes user, struct bytes password,
                                         struct mail_status *status);
/* The session ends before the answer. */
void inbound_auth_abandon(struct inbound *in);

/* --- inbound_message.c --- */

enum smtp_server_verdict inbound_on_message_begin(void *owner, struct mail_status *status);
bool inbound_on_message_text(void *owner, struct bytes text, struct mail_status *status);
enum smtp_server_verdict inbound_on_message_end(void *owner, struct mail_status *status);
void inbound_on_message_abort(void *owner);

#endif
