/* bench/sink/smtp_sink.h - a server that takes every message and keeps none: where the
 * demonstration's mail and the load generator's end. Threads and loops of its own, one SO_REUSEPORT
 * listener each, so that it does not saturate first. An observer may see the messages, and may be
 * asked at each step whether this one goes wrong.
 */
#ifndef BENCH_SINK_SMTP_SINK_H
#define BENCH_SINK_SMTP_SINK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/err.h"
#include "core/ipaddr.h"
#include "core/mail.h"
#include "net/tls.h"

struct smtp_sink;

struct smtp_sink_counts {
    uint64_t connections, handshakes, messages, octets; /* messages: taken, answered or not */
};

/* Where something may go wrong. */
enum smtp_sink_phase {
    SMTP_SINK_CONNECT, /* accepted, nothing said */
    SMTP_SINK_STARTTLS,
    SMTP_SINK_MAIL,
    SMTP_SINK_RCPT,
    SMTP_SINK_DATA, /* or the first BDAT */
    SMTP_SINK_DOT,  /* the whole text is here */
};

enum smtp_sink_move {
    SMTP_SINK_GO_ON,
    SMTP_SINK_REPLY,          /* STATUS, not 2xx; 421 ends the connection as well */
    SMTP_SINK_CLOSE,          /* without a reply: at STARTTLS right behind its 220 */
    SMTP_SINK_TAKE_AND_CLOSE, /* DOT: the message counts as taken, without a reply */
    SMTP_SINK_RESET,          /* CONNECT: RST at once */
    SMTP_SINK_SILENCE,        /* CONNECT: stays open and never says a word */
};

struct smtp_sink_question {
    enum smtp_sink_phase phase;
    const struct endpoint *client;
    struct bytes domain; /* MAIL: the sender's; RCPT: the recipient's; later: the first one's */
};

struct smtp_sink_answer {
    enum smtp_sink_move move;
    struct mail_status status; /* what it borrows outlives the session */
    struct bytes lines_before; /* REPLY but at CONNECT: whole lines "450-...CRLF" on top of it */
    uint64_t delay_ms;         /* CONNECT: the banner comes so much later */
    uint64_t bytes_per_s;      /* CONNECT: the connection is read no faster; 0: at once */
};

/* Sees the messages: per connection it has one session, made by on_open;
 * all calls for it come on one thread. on_end comes before the sender is told 250; a message that
 * ended otherwise just begins anew. */
struct smtp_sink_observer {
    void *owner;
    void *(*on_open)(void *owner);
    void (*on_begin)(void *session);
    void (*on_text)(void *session, struct bytes text);
    void (*on_end)(void *session);
    void (*on_close)(void *session);
    /* Comes at each phase with ANSWER zeroed, which is to go on. NULL: nothing goes wrong. */
    void (*decide)(void *session, const struct smtp_sink_question *question,
                   struct smtp_sink_answer *answer);
};

struct smtp_sink_settings {
    struct endpoint at; /* port 0: the kernel picks one */
    unsigned threads;
    const struct smtp_sink_observer *observer; /* NULL: none; in place until the sink is stopped */
    struct tls_context *tls;                   /* NULL: no STARTTLS; the caller's, as OBSERVER */
    bool chunking;                             /* offers CHUNKING and BINARYMIME */
};

/* On failure nothing runs. */
MUST_USE enum err smtp_sink_start(const struct endpoint *at, unsigned threads,
                                  struct smtp_sink **out, struct err_detail *why);
MUST_USE enum err smtp_sink_start_with(const struct smtp_sink_settings *settings,
                                       struct smtp_sink **out, struct err_detail *why);
void smtp_sink_stop(struct smtp_sink **sink);
struct endpoint smtp_sink_address(const struct smtp_sink *sink);
void smtp_sink_read(const struct smtp_sink *sink, struct smtp_sink_counts *out); /* any thread */

#endif
