/* net/courier_job.h - what a courier is given: its settings, and jobs. */
#ifndef NET_COURIER_JOB_H
#define NET_COURIER_JOB_H

#include <stdbool.h>
#include <stddef.h>

#include "core/arena.h"
#include "core/list.h"
#include "core/mail.h"
#include "core/route.h"
#include "net/dns.h"
#include "net/smtp_client.h"
#include "net/tls.h"

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
    struct cds_list_head link; /* this, RETURNED, TAKEN_MS: the courier's own */
    bool returned;             /* had a connection that was closed before any reply about it */
    uint64_t taken_ms;         /* by a session */
    struct smtp_client_message message;
    struct route *route; /* good until on_done */
    uint64_t id;         /* for a protocol log, with the Message-ID of its header */
    struct bytes message_id;
    struct arena *arena;                      /* the job's: status text is copied here */
    struct mail_attempt *attempt;             /* filled before on_done; results are in the arena */
    void (*on_done)(struct courier_job *job); /* exactly once, from the loop */
};

/* For the courier's own files: no answer yet; and the end: recipients without one get STATUS. */
void courier_job_start(struct courier_job *job);
void courier_job_finish(struct courier_job *job, const struct mail_status *status);

#endif
