/* net/smtp_trace.h - the Received line that we put above a message (RFC 5321 4.4). Pure. */
#ifndef NET_SMTP_TRACE_H
#define NET_SMTP_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/bytes.h"
#include "core/ipaddr.h"
#include "net/tls.h"

struct smtp_trace {
    struct bytes helo; /* as the client said it; empty: none given */
    struct ipaddr client;
    struct bytes by;            /* our FQDN */
    uint64_t id;                /* InternalId */
    const struct tls_info *tls; /* NULL: in clear */
    bool esmtp, authenticated, smtputf8;
    struct bytes single_rcpt; /* empty unless there is exactly one recipient (C-053) */
    int64_t received_at_ms;   /* wall clock */
};

/* "Received: from helo ([192.0.2.1])\r\n by ... with ESMTPS id 17 for <a@b>; date\r\n": each line
 * at most 998 octets and free of control bytes whatever the client said. In ARENA. */
struct bytes smtp_trace_received(struct arena *arena, const struct smtp_trace *t);

#endif
