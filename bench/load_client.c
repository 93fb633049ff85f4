/* One session of the source: what its owner wants of it. */
#include "bench/load_client.h"

#include "net/tls.h"

#include "bench/load_client_private.h"

const char *const LOAD_PHASE_NAMES[LOAD_PHASES] = {"connect", "banner", "tls", "ehlo",
                                                   "auth",    "mail",   "dot", "quit"};

void load_client_shared_free(struct load_client_shared *shared)
{
    tls_session_free(&shared->tls_session);
    tls_context_unref(&shared->tls);
}

void load_client_init(struct load_client *c, struct load_client_shared *shared)
{
    *c = (struct load_client){.shared = shared, .rows = LOAD_CLIENT_TABLE};
    load_client_unconnected(c);
}

void load_client_open(struct load_client *c)
{
    ASSERT(c->state == LOAD_CLIENT_NONE && !c->conn);
    load_client_connect(c);
}

void load_client_send(struct load_client *c, struct load_client_message *m)
{
    ASSERT(!c->current && (c->state == LOAD_CLIENT_NONE || c->state == LOAD_CLIENT_READY));
    load_client_take(c, m);
    if (c->state == LOAD_CLIENT_NONE)
        load_client_open(c);
    else
        load_client_enter(c, c->reset_needed ? LOAD_CLIENT_RSET : LOAD_CLIENT_MAIL);
}

void load_client_end(struct load_client *c)
{
    ASSERT(!c->current && (c->state == LOAD_CLIENT_NONE || c->state == LOAD_CLIENT_READY));
    c->ending = true;
    if (c->state == LOAD_CLIENT_READY)
        load_client_enter(c, LOAD_CLIENT_QUIT);
    else
        load_client_closed(c);
}
