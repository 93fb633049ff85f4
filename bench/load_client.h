/* bench/load_client.h - one SMTP session of the source, made to measure with.
 *
 * Where net/smtp_client does what is best, this one does what it is told: it waits for each reply
 * or puts MAIL, RCPT and DATA in one write, takes BDAT or DATA, is kept open or not. It times its
 * phases, and writes a text from where it lies. A table of states {phrase, timeout, send, on_reply}
 * on net/conn; a connection that is gone is made again for the next message.
 *
 * All calls on its loop's thread; the ops are called from the loop, never from inside a call here,
 * except where it says so.
 */
#ifndef BENCH_LOAD_CLIENT_H
#define BENCH_LOAD_CLIENT_H

#include <sys/uio.h>

#include "core/loop.h"
#include "net/conn.h"
#include "net/smtp_params.h"
#include "net/smtp_reply.h"

#include "bench/load_histogram.h"
#include "bench/load_journal.h"

enum load_phase {
    LOAD_PHASE_CONNECT, /* connect() to connected */
    LOAD_PHASE_BANNER,  /* to the 220 */
    LOAD_PHASE_TLS,     /* the handshake alone */
    LOAD_PHASE_EHLO,
    LOAD_PHASE_AUTH,
    LOAD_PHASE_MAIL, /* MAIL to 354; with BDAT to the reply to the last RCPT */
    LOAD_PHASE_DOT,  /* the end of the text, as it is written, to 250 */
    LOAD_PHASE_QUIT,
    LOAD_PHASES
};
extern const char *const LOAD_PHASE_NAMES[LOAD_PHASES];

enum load_client_pipelining {
    LOAD_CLIENT_PIPELINING_MAY, /* where it is offered */
    LOAD_CLIENT_PIPELINING_MUST,
    LOAD_CLIENT_PIPELINING_NEVER
};

enum load_client_security {
    LOAD_CLIENT_SECURITY_NONE,
    LOAD_CLIENT_SECURITY_STARTTLS,
    LOAD_CLIENT_SECURITY_IMPLICIT
};

enum { LOAD_CLIENT_AUTH_LINES = 3, LOAD_CLIENT_PIECES = 4 };

/* Of all sessions; stays in place and unchanged. Lines with their CRLF. */
struct load_client_settings {
    struct endpoint to;
    struct bytes mail;         /* "MAIL FROM:<a@src.test>", without CRLF: SIZE= may follow */
    const struct bytes *rcpts; /* each lies right behind the one before */
    size_t rcpt_count;
    enum load_client_pipelining pipelining;
    enum load_client_security security;
    bool chunking;
    bool reconnect; /* QUIT after each message */
    bool ahead;     /* the next message's MAIL, RCPT and DATA in the write that ends this one */
    /* What is said one after the other to log in: PLAIN needs one line, LOGIN three. */
    struct bytes auth[LOAD_CLIENT_AUTH_LINES];
    size_t auth_count;
};

/* Of a thread's sessions. */
struct load_client_shared {
    const struct load_client_settings *settings;
    const struct load_client_ops *ops;
    struct loop *loop;
    struct tls_context *tls;
    struct tls_session *tls_session; /* to be resumed; the newest */
    unsigned resume_percent, resume_sum;
    uint64_t connections, handshakes, resumed;
    struct load_histogram phases[LOAD_PHASES];
};
void load_client_shared_free(struct load_client_shared *shared); /* what it holds */

/* A message to be sent: its owner's, in place until on_done. */
struct load_client_message {
    /* As it is on the wire, final CRLF included: with the dots that DATA wants and BDAT does not.
     */
    struct bytes pieces[LOAD_CLIENT_PIECES];
    size_t piece_count;
    uint64_t octets;    /* of the pieces */
    unsigned notes;     /* enum smtp_data_note of the text */
    uint64_t end_at_ns; /* out: when its end went out */
    /* The rest is the session's. */
    uint64_t mail_at_ns;
    size_t rcpts_sent, rcpts_answered, rcpts_accepted;
    bool mail_refused, data_sent, text_put, end_sent;
    char parameters[SMTP_PARAMS_ROOM], bdat[40];
};

struct load_client_result {
    enum load_fate fate;
    bool lost;                        /* the connection failed, or was ended by 421 */
    size_t rcpts_refused;             /* of a message that was acknowledged too */
    const struct mail_status *status; /* the first refusal, or else the last reply */
};

struct load_client;

struct load_client_ops {
    /* Once for each message that was sent. Nothing may be sent from inside. */
    void (*on_done)(struct load_client *c, struct load_client_message *m,
                    const struct load_client_result *result);
    /* It may be given a message, now or later: after load_client_open(), and after each on_done
     * (reconnect: when the connection is closed; ahead: when the next one is done as well). */
    void (*on_free)(struct load_client *c);
    /* AHEAD: the next message; NULL: none. Called from inside load_client_send() too. */
    struct load_client_message *(*next)(struct load_client *c);
    /* A connection failed that had no message. */
    void (*on_failure)(struct load_client *c, const struct mail_status *status);
    /* The address of the next connection; false: any. */
    bool (*source_address)(struct load_client *c, struct ipaddr *out);
    void (*on_end)(struct load_client *c); /* after load_client_end(): maybe from inside it */
};

enum load_client_state {
    LOAD_CLIENT_NONE, /* no connection, nothing to do */
    LOAD_CLIENT_CONNECT,
    LOAD_CLIENT_BANNER,
    LOAD_CLIENT_HANDSHAKE,
    LOAD_CLIENT_EHLO,
    LOAD_CLIENT_STARTTLS,
    LOAD_CLIENT_AUTH,
    LOAD_CLIENT_READY,
    LOAD_CLIENT_RSET,
    LOAD_CLIENT_MAIL,
    LOAD_CLIENT_RCPT,
    LOAD_CLIENT_DATA,
    LOAD_CLIENT_END, /* writing the text, or waiting for the reply to its end */
    LOAD_CLIENT_QUIT,
    LOAD_CLIENT_CLOSING,
    LOAD_CLIENT_STATES
};

enum { LOAD_CLIENT_OUTPUT_MAX = 16 };

struct load_client { /* its owner embeds it, and reads none of it */
    struct load_client_shared *shared;
    const struct load_client_row *rows; /* of the states */
    struct conn *conn;
    enum load_client_state state; /* written by load_client_enter() alone */
    struct load_client_message *current, *ahead;
    uint64_t phase_at_ns;
    struct timer timer;
    struct iovec out[LOAD_CLIENT_OUTPUT_MAX]; /* what is to be written, from OUT_AT on */
    int out_at, out_count, out_end;           /* OUT_END: where the current text ends, or -1 */
    struct smtp_extensions peer;              /* what it offers */
    unsigned auth_at;
    size_t input_left; /* behind the reply that is looked at */
    bool encrypted, reset_needed, ending;
    struct mail_status refusal; /* the current message's first; code 0: none */
    char refusal_text[256];
    struct smtp_reply_parser parser;
};

void load_client_init(struct load_client *c, struct load_client_shared *shared);
/* Connects, if it is not connected, and sends M. Only when it is free. */
void load_client_send(struct load_client *c, struct load_client_message *m);
/* Connects; then on_free. Only when it is free and was never used. */
void load_client_open(struct load_client *c);
/* Says QUIT, if it is connected, then on_end. Only when it is free. */
void load_client_end(struct load_client *c);

#endif
