/* net/smtp_client.h - one SMTP client session: pipelined, kept open, one envelope ahead.
 *
 * Mirror of the server: a table of states {phrase, timeout, send, on_reply} and two cursors, sent
 * and answered. It does no input or output itself. When a message's text is about to be written
 * it asks the owner for the next one, and the next MAIL, RCPT and DATA leave in the same write as
 * this message's final dot: one write and one read a message in the steady state (RFC 2920).
 * Where the peer offers CHUNKING the text goes by BDAT, as one chunk: its last octet takes the
 * part of the final dot, and with its envelope in one write (RFC 3030).
 * Decides by code, never by text. Never sends a bare CR, LF or NUL but in BINARYMIME, nor a
 * parameter that the peer did not offer. One thread: that of its loop.
 *
 * RFC 5321, 1870, 2034, 2920, 3030, 3207, 3461, 6152, 6531.
 */
#ifndef NET_SMTP_CLIENT_H
#define NET_SMTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/mail.h"
#include "core/route.h"
#include "net/tls.h"

struct smtp_client;

/* One message to be sent; the owner's, in place until on_message_done. */
struct smtp_client_message {
    const struct mail_envelope *envelope; /* only the recipients for this session */
    uint64_t octets;                      /* of the text */
    unsigned notes;                       /* enum smtp_data_note of the text */
    /* Copies LEN bytes of the text from AT; false: could not be read (the session closes, 4.3.0).
     */
    bool (*read)(struct smtp_client_message *m, uint64_t at, char *to, size_t len);
    bool timed; /* measure: DOT_AT_NS is wanted, which costs a look at the clock */
    /* Filled by the session: how many the peer answered at RCPT, and with 2xx; the text is in
     * on_rcpt only. */
    size_t rcpts_answered, rcpts_accepted;
    uint64_t dot_at_ns; /* if TIMED: monotonic, when the final dot, or the chunk's last octet, went
                           into the output */
};

/* Called from inside input, fill, tls_done, lost, timeout and free; they may kick and quit the
 * session but not free it. */
struct smtp_client_ops {
    /* Asked when the session could send another message; NULL: none now (later: smtp_client_kick).
     */
    struct smtp_client_message *(*next_message)(void *owner);
    /* Each recipient's reply to RCPT, in order; also when MAIL was refused (the same status). */
    void (*on_rcpt)(void *owner, struct smtp_client_message *m, size_t rcpt,
                    const struct mail_status *status);
    /* Exactly once for every message taken: the verdict for the recipients that were accepted at
     * RCPT. AMBIGUOUS: the final dot, or the chunk's last octet, was sent and no reply came: it may
     * arrive twice, at recipients without an answer to RCPT too. */
    void (*on_message_done)(void *owner, struct smtp_client_message *m,
                            const struct mail_status *status, bool ambiguous);
    /* The session opened: EHLO (and TLS, if any) is done; it will ask for messages now. */
    void (*on_open)(void *owner);
    /* Host-level failure or the end of the session, after on_message_done for all it had; the
     * transport closes. STATUS: 221 after our QUIT. */
    void (*on_end)(void *owner, const struct mail_status *status);
    /* For a protocol log; NULL: not wanted. Each command line as it goes out ('>') and each line of
     * a reply as it came ('<'), without line ends, and why we end the session ('*'). Message text
     * is never among them. */
    void (*on_protocol)(void *owner, char event, struct bytes line);
};

struct smtp_client_timeouts { /* ms; RFC 5321 4.5.3.2 */
    uint64_t banner, hello, mail, rcpt, data, text, end, quit;
};
extern const struct smtp_client_timeouts
    SMTP_CLIENT_TIMEOUTS_DEFAULT; /* 5m 5m 5m 5m 2m 3m 10m 10s */

struct smtp_client_settings { /* copied; text is borrowed for the session's life */
    struct bytes helo;        /* our name */
    bool force_helo;
    bool chunking; /* BDAT where it is offered; without it nothing goes as BINARYMIME */
    enum route_tls tls;
    size_t messages_max; /* per connection, then QUIT: smtp_max_messages_per_connection */
    struct smtp_client_timeouts timeouts;
};

struct smtp_client *smtp_client_new(const struct smtp_client_settings *settings,
                                    const struct smtp_client_ops *ops, void *owner);
/* Messages still held get on_message_done first. */
void smtp_client_free(struct smtp_client **c);

/* Bytes from the peer; all are taken. Replies that no command waits for end the session (H-04). */
void smtp_client_input(struct smtp_client *c, struct bytes in);
/* Fills OUT with what may be written now (asks read() and next_message() as room allows). Call
 * after input, kick, handshake, and whenever the socket can take more; OUT's maximum bounds it
 * (at least 8 KiB). */
void smtp_client_fill(struct smtp_client *c, struct buf *out);
/* There may be a next message again. */
void smtp_client_kick(struct smtp_client *c);
void smtp_client_quit(struct smtp_client *c); /* after the messages it has */

enum smtp_client_want {
    SMTP_CLIENT_WANT_IO,
    SMTP_CLIENT_WANT_HANDSHAKE, /* the 220 to STARTTLS was the last byte; else it fails by itself */
    SMTP_CLIENT_WANT_CLOSE,
};
enum smtp_client_want smtp_client_want(const struct smtp_client *c);
void smtp_client_tls_done(struct smtp_client *c, bool ok);
/* STARTTLS was taken up and went wrong: another connection may do without, if the rules allow. */
bool smtp_client_tls_failed(const struct smtp_client *c);
/* The peer takes DSN parameters on, and with them the duty to report (RFC 3461 5.2). */
bool smtp_client_dsn_offered(const struct smtp_client *c);
/* The transport ended: TEXT says why ("connection reset"). */
void smtp_client_lost(struct smtp_client *c, const char *text);

uint64_t smtp_client_deadline_ms(const struct smtp_client *c); /* monotonic; TIMER_NEVER: none */
void smtp_client_timeout(struct smtp_client *c);
bool smtp_client_idle(const struct smtp_client *c); /* open, nothing sent that is not answered */
const char *smtp_client_state_phrase(const struct smtp_client *c);

#endif
