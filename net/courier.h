/* net/courier.h - delivers: takes an envelope to a destination and brings back what each
 * recipient was told.
 *
 * One courier per delivery thread, with its loop, its resolver and its open sessions
 * (net/session_pool.h, private). Knows no time of retries and no disk. A destination is known by
 * its key: jobs with the same key share connections.
 */
#ifndef NET_COURIER_H
#define NET_COURIER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/loop.h"
#include "core/mail.h"
#include "core/route.h"
#include "net/dns.h"
#include "net/smtp_client.h"
#include "net/tls.h"

struct courier;

/* For a protocol log: what happened on a connection that we made, or wanted to make, by a route
 * that is PROTOCOL_LOGGED. Good while on_note runs. */
struct courier_note {
    const char *connector;
    uint64_t session_id;                   /* differs from connection to connection */
    uint64_t sequence;                     /* from 0 */
    const struct endpoint *local, *remote; /* NULL: not known yet */
    char event; /* '+' connected, '-' ended, '>' sent, '<' received, '*' information */
    struct bytes data, context;
};

struct courier_settings {           /* copied */
    const char *helo;               /* default EHLO name */
    const struct dns_settings *dns; /* borrowed while courier_new runs */
    struct tls_context *tls;
    struct smtp_client_timeouts timeouts;
    uint64_t connect_timeout_ms;
    uint64_t idle_timeout_ms; /* an open connection without work: QUIT */
    bool allow_special_targets;
    void (*on_note)(void *owner, const struct courier_note *note); /* NULL: no protocol log */
    void *owner;
};

/* One job: embed it. In place until on_done. */
struct courier_job {
    struct courier_job *next; /* this, RETURNED, TAKEN_MS: the courier's own */
    bool returned;            /* had a connection that was closed before it said a word about it */
    uint64_t taken_ms;        /* by a session */
    struct smtp_client_message message;
    struct route *route; /* good until on_done */
    uint64_t id;         /* for a protocol log, with the Message-ID of its header */
    struct bytes message_id;
    struct arena *arena;                      /* the job's: status text is copied here */
    struct mail_attempt *attempt;             /* filled before on_done; results are in the arena */
    void (*on_done)(struct courier_job *job); /* exactly once, from the loop */
};

MUST_USE enum err courier_new(struct loop *loop, const struct courier_settings *settings,
                              struct courier **out, struct err_detail *why);
/* Jobs under way end with 4.3.2; their on_done may deliver nothing more. Not from inside on_done.
 */
void courier_free(struct courier **c);
/* Takes JOB; its arena may be used by the courier until on_done. */
void courier_deliver(struct courier *c, struct courier_job *job);
/* No new connections; sessions QUIT as they become idle. True when none is left. */
bool courier_drain(struct courier *c);
size_t courier_connections(const struct courier *c);

#endif
