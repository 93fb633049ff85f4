/* tests/unit/net/courier_rig.h - a courier, its letters, and servers that do as they are told.
 */
#ifndef TESTS_COURIER_RIG_H
#define TESTS_COURIER_RIG_H

#include "core/buf.h"
#include "core/clock.h"
#include "net/conn.h"
#include "net/courier.h"
#include "unit.h"

/* The courier and its scripted servers share one loop: nothing here waits for a thread. */

struct script {
    const char *banner;    /* NULL: 220 */
    bool lock_step;        /* no PIPELINING */
    bool starttls, broken; /* BROKEN: no TLS behind the 220 */
    unsigned mail_421;     /* the n-th MAIL of a connection is answered by 421 and the end */
    unsigned close_after;  /* the n-th message of a connection is answered, then it closes */
    bool close_at_dot;     /* no answer to the final dot */
    bool silent;           /* no answer to the final dot, and the connection stays */
};

struct server {
    struct loop_watch watch;
    struct endpoint at;
    char name[ENDPOINT_TEXT_SIZE];
    struct script script;
    unsigned connections, open, open_max, messages, inputs, tls;
    struct peer *peers;
};

struct peer {
    struct peer *next;
    struct server *server;
    struct conn *conn;
    struct buf in, out;
    unsigned mails, messages;
    bool data, closing, want_tls;
};

extern struct loop *loop;

void server_start(struct server *s, struct script script);

/* Nobody listens there any more. */
void server_deafen(struct server *s);

void server_hang_up(struct server *s);

void server_stop(struct server *s);

/* -------------------------------------------------------------------------------------- jobs */

struct letter {
    struct courier_job job;
    struct mail_attempt attempt;
    struct arena arena;
    struct mail_envelope envelope;
    struct mail_rcpt rcpts[4];
    unsigned done;
};

extern unsigned done_count;
extern unsigned routes_held; /* by jobs, destinations and sessions */

/* By a copy of ROUTE, whose texts must live as long as the courier. */
void deliver(struct courier *c, struct letter *l, const struct route *route, const char *rcpts);

void letters_free(struct letter *list, size_t count);

/* The loop runs until COUNT letters are done, or for ten seconds. */
bool run_until(unsigned count);

bool run_until_closed(struct courier *c);

struct courier_settings settings_of(struct tls_context *tls);

struct courier *courier_start(struct courier_settings settings);

struct route route_to(const char *const *hosts, size_t count);

/* COUNT letters through one server of the given kind; the caller looks at what came of them. */
void send_through(struct server *server, struct route route, struct letter *list, unsigned count,
                  struct tls_context *tls);

unsigned count_ok(const struct letter *list, unsigned count);

extern struct letter letters[1000];

/* -------------------------------------------------------------------------------- preparation */

void at_loop(void (*test)(void));

#define AT_LOOP(name)                                                                              \
    static void name##_at_loop(void)                                                               \
    {                                                                                              \
        at_loop(name);                                                                             \
    }

void test_clean(void);

#endif
