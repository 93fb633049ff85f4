/* tests/unit/net/conn_rig.h - an owner of a connection that writes down all it is told and does
 * what its test wants, and the bare socket at the other end. */
#ifndef TESTS_CONN_RIG_H
#define TESTS_CONN_RIG_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/loop.h"
#include "net/conn.h"

#include "unit.h"

struct conn_rig {
    struct loop *loop;
    struct conn *c;
    int peer; /* non-blocking, the test's */
    struct buf got;
    size_t take_max; /* of one on_input */
    unsigned inputs, connected, writable, handshakes, handshake_failures, closed;
    enum err reason;
    char text[96];
    bool inside; /* a call of the test's into conn: no callback may come */
    unsigned inside_callbacks;
    void (*then)(struct conn_rig *r); /* run inside on_input */
    bool abort_when_closed;
};

void conn_rig_called(struct conn_rig *r);

void conn_rig_handshake(void *owner, bool ok);

void conn_rig_closed(void *owner, enum err reason, const char *text);

extern const struct conn_ops conn_rig_ops;

void conn_rig_prepare(struct conn_rig *r);

void conn_rig_open(struct conn_rig *r);

void conn_rig_close(struct conn_rig *r);

/* Turns until nothing happens. */
void conn_rig_settle(struct conn_rig *r);

void conn_rig_send(struct conn_rig *r, const char *text);

enum err conn_rig_write(struct conn_rig *r, struct bytes b);

/* What lies at the peer's, up to SIZE-1 octets; -1 at the end of file. */
ssize_t conn_rig_peer_read(struct conn_rig *r, char *to, size_t size);

/* Octets in which a lost, doubled or swapped one shows. */
char *conn_rig_pattern(size_t len);

#endif
