/* net/smtp_service.h - joins a server session to a connection on a loop: bytes in, replies out in
 * one write per batch, TLS, timeouts, closing. */
#ifndef NET_SMTP_SERVICE_H
#define NET_SMTP_SERVICE_H

#include "core/loop.h"
#include "net/smtp_server.h"
#include "net/tls.h"

struct smtp_service;

/* Takes FD over and greets, or says REFUSAL and closes. ON_CLOSED comes exactly once, after a
 * last on_message_abort if one was due; session and service are gone when it returns. TLS may
 * be NULL. */
struct smtp_service *smtp_service_start(
    struct loop *loop, int fd, const struct smtp_server_settings *settings,
    const struct smtp_server_facts *first_facts, struct tls_context *tls,
    const struct mail_status *refusal, const struct smtp_server_ops *ops, void *owner,
    void (*on_closed)(void *owner, enum err reason, const char *text));
struct smtp_server *smtp_service_session(struct smtp_service *s);
/* The answer that an op left for LATER; on the loop's thread, not from inside that op. */
void smtp_service_answer(struct smtp_service *s, const struct mail_status *status);
void smtp_service_shutdown(struct smtp_service *s); /* 421, then close */
void smtp_service_abort(struct smtp_service *s);    /* now; on_closed is called */

#endif
