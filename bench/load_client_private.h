/* bench/load_client_private.h - a session from inside. Each file calls those below it, never one
 * above:
 *
 *   load_client.c       what its owner wants of it
 *   load_client_step.c  the table of the states
 *   load_client_conn.c  the one writer of the state, the connection, what is written, the end
 */
#ifndef BENCH_LOAD_CLIENT_PRIVATE_H
#define BENCH_LOAD_CLIENT_PRIVATE_H

#include "bench/load_client.h"

struct load_client_row {
    const char *phrase;                  /* what it is doing, for "timed out while ..." */
    unsigned timeout_s;                  /* 0: none */
    void (*send)(struct load_client *c); /* on entering; NULL: nothing */
    void (*on_reply)(struct load_client *c, const struct mail_status *status); /* NULL: none due */
};
extern const struct load_client_row LOAD_CLIENT_TABLE[LOAD_CLIENT_STATES]; /* load_client_step.c */

/* --- load_client_conn.c --- */

/* The only writer of the state: arms its timeout and does its SEND. */
void load_client_enter(struct load_client *c, enum load_client_state state);
/* Adds to what is written next; load_client_flush() writes. */
void load_client_put(struct load_client *c, struct bytes bytes);
/* What was put last ends the current message. */
void load_client_put_end(struct load_client *c);
void load_client_flush(struct load_client *c);
/* The phase that began at SINCE_NS ends now. Returns now. */
uint64_t load_client_timed(struct load_client *c, enum load_phase phase, uint64_t since_ns);
/* TLS begins, in the place of the reply that was just read or of the banner. */
void load_client_start_tls(struct load_client *c);
/* The connection is over, with all its messages. REFUSED: STATUS is the peer's word on the current
 * one. */
void load_client_fail(struct load_client *c, const struct mail_status *status, bool refused);
void load_client_fail_with(struct load_client *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
void load_client_close(struct load_client *c);

/* M is now the current message, or the one ahead. */
void load_client_take(struct load_client *c, struct load_client_message *m);
/* Without a connection, and without a word about messages: the owner may have it again. */
void load_client_closed(struct load_client *c);
/* Of a session without a connection: what is set once, and the connection. */
void load_client_unconnected(struct load_client *c);
void load_client_connect(struct load_client *c);

#endif
