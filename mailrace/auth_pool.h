/* mailrace/auth_pool.h - the threads that check passwords, so that no worker ever does.
 *
 * A check costs tens of milliseconds of a CPU on purpose. The pool has few threads, of lower
 * priority than those that serve, and a bounded number of checks waiting: beyond it the client is
 * told to come back. A job goes from its worker to the pool and back again by mailbox; in between
 * it is the pool's, but for `abandoned`.
 */
#ifndef MAILRACE_AUTH_POOL_H
#define MAILRACE_AUTH_POOL_H

#include <stdatomic.h>
#include <stdbool.h>

#include "core/err.h"
#include "core/mailbox.h"
#include "net/smtp_auth.h"
#include "policy/account.h"

#define AUTH_POOL_WAITING_MAX 1000

struct auth_pool;

/* Embedded in what the worker remembers of a logon. */
struct auth_job {
    struct mailbox_item item; /* the pool's */
    struct auth_pool *pool;   /* the pool's */
    struct mailbox *reply_to;
    void (*on_done)(struct auth_job *job); /* on the receiver of REPLY_TO, exactly once */
    char hash[ACCOUNT_HASH_SIZE];
    char password[SMTP_AUTH_PASSWORD_MAX + 1];
    bool matches;          /* the answer; hash and password are wiped by then */
    atomic_bool abandoned; /* the client has gone: do not bother. Any thread */
};

/* THREADS 0: half the CPUs, at least one. */
MUST_USE enum err auth_pool_new(unsigned threads, struct auth_pool **out, struct err_detail *why);
MUST_USE enum err auth_pool_start(struct auth_pool *pool, struct err_detail *why);
/* Any thread. False: too many wait; the job is the caller's as before. */
bool auth_pool_submit(struct auth_pool *pool, struct auth_job *job);
/* Ends the threads; what still waits comes back as no match. No job may be submitted any more. */
void auth_pool_stop(struct auth_pool *pool);
void auth_pool_free(struct auth_pool **pool);

#endif
