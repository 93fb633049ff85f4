/* mailrace/cli/relay_probe.h - the sessions of `mailrace relay-test`: one a pattern, several of
 * them in lockstep. They block, each call at most REPLY_TIMEOUT_S a reply; no message is ever sent.
 */
#ifndef MAILRACE_CLI_RELAY_PROBE_H
#define MAILRACE_CLI_RELAY_PROBE_H

#include "core/arena.h"
#include "core/ipaddr.h"
#include "net/tls_stream.h"

#include "mailrace/cli/relay_patterns.h"

#define RELAY_PROBE_REPLY_OCTETS 1024 /* of a reply's last line */

struct relay_probe_settings {
    struct endpoint host, source;
    bool have_source;
    struct tls_context *tls; /* of a client */
    struct arena *arena;     /* for what is said */
};

/* A connection, read line by line. */
struct relay_probe_line {
    int fd; /* -1: none */
    struct tls_stream *tls;
    char reply[RELAY_PROBE_REPLY_OCTETS]; /* last line, "" when the connection ended instead */
    char in[512];                         /* read, not looked at yet */
    size_t in_at, in_len;
};

struct relay_probe {
    const struct relay_pattern *pattern;
    struct bytes mail, rcpt, before, between, after_tls, beside;
    struct relay_probe_line line;
    struct relay_probe_line other; /* the session beside it */
    bool over, asked;
    bool no_tls;       /* STARTTLS was asked for and is not to be had */
    const char *stage; /* of the reply */
};

/* False: no server there, errno. */
bool relay_probe_connect(const struct relay_probe_settings *settings,
                         struct relay_probe_line *line);
/* Reads a whole reply and keeps its last line. False: there was none. */
bool relay_probe_read(struct relay_probe_line *line);
/* Forgets what was accepted, whatever comes back. */
void relay_probe_leave(struct relay_probe_line *line);
/* From connecting to the reply to RCPT, and away. */
void relay_probe_run(const struct relay_probe_settings *settings, struct relay_probe *probes,
                     size_t count);

#endif
