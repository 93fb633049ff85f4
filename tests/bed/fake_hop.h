/* tests/bed/fake_hop.h - a next hop on the network in memory: a real server session that takes what
 * its owner lets it take.
 */
#ifndef TESTS_FAKE_HOP_H
#define TESTS_FAKE_HOP_H

#include "core/list.h"
#include "core/loop.h"
#include "core/mail.h"
#include "net/smtp_server.h"

struct fake_hop {
    /* Set by the owner. STATUS comes as a success, and is answered. NULL: everything is taken. */
    void (*on_rcpt)(void *owner, struct bytes address, struct mail_status *status);
    void (*on_message)(void *owner, const struct mail_envelope *envelope, struct bytes text,
                       struct mail_status *status);
    void *owner;
    unsigned extensions; /* enum smtp_extension */
    /* The hop's own. */
    struct loop *loop;
    struct endpoint at;
    struct smtp_server_settings settings;
    struct cds_list_head sessions;
    unsigned connections; /* accepted so far */
};

/* Listens at "ADDRESS:PORT". */
void fake_hop_open(struct fake_hop *hop, struct loop *loop, const char *at);
/* Listens no longer, and cuts its sessions. */
void fake_hop_close(struct fake_hop *hop);

#endif
