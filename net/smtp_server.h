/* net/smtp_server.h - one SMTP server session: order, syntax, pipelining, limits, timeouts.
 *
 * The session knows the protocol and asks its owner everything else through one struct of
 * callbacks: may this sender, this recipient; where do the bytes go; is it safe on disk. It does
 * no input or output itself: smtp_server_input() eats bytes, replies gather in an output buffer
 * (so that the tests and the fuzzer need no socket), and net/smtp_service.h joins it to a
 * connection. States and verbs are tables in the .c files. One thread: that of its loop.
 *
 * RFC 5321, 1870, 2034, 2920, 3030, 3207, 3461, 4954, 6152, 6531.
 */
#ifndef NET_SMTP_SERVER_H
#define NET_SMTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/arena.h"
#include "core/buf.h"
#include "core/ipaddr.h"
#include "core/mail.h"
#include "net/smtp_data.h"
#include "net/smtp_extension.h"
#include "net/tls.h"

struct smtp_server;

#define SMTP_SERVER_ADDRESS_MAX      571  /* 315 local + "@" + 255 domain */
#define SMTP_SERVER_LONG_ADDRESS_MAX 1860 /* with XLONGADDR */

/* Copied into the session when it starts: text too. */
struct smtp_server_settings {
    struct bytes fqdn;
    struct bytes banner;         /* empty: "220 <fqdn> ESMTP ..." ; else begins with "220" */
    struct bytes default_domain; /* completes paths without a domain; empty: they are malformed */
    /* What EHLO offers (enum smtp_extension), but for what cannot be had at the moment: STARTTLS
     * once there is TLS, mechanisms of AUTH without ops.on_auth. */
    unsigned extensions;
    bool size_without_value;        /* SIZE is offered, its limit not said */
    uint64_t message_size_max;      /* octets; UINT64_MAX: no limit */
    size_t rcpts_max;               /* per message; beyond: 452 4.5.3 */
    size_t protocol_errors_max;     /* then 421 4.7.0 and close; SIZE_MAX: never */
    size_t address_max;             /* octets: SMTP_SERVER_ADDRESS_MAX, or _LONG_ADDRESS_MAX */
    uint64_t inactivity_timeout_ms; /* between commands, and between pieces of data */
    uint64_t connection_timeout_ms; /* whole session */
    uint64_t min_data_rate_bytes_s; /* in DATA and BDAT after the first 30 s; 0: none */
    size_t logon_failures_max;      /* then 421 4.7.0 and close; 0: never */
    bool require_tls;               /* 530 5.7.0 before STARTTLS */
    bool auth_require_tls;          /* AUTH is not offered before STARTTLS: 504 5.7.4 */
    bool require_ehlo_domain;
    bool normalize_bare_linefeed; /* false: 550 5.5.2 (bare_linefeed_rejection_enabled) */
};

/* What the session knows; fields are filled as it goes. Valid during a callback and between. */
struct smtp_server_facts {
    uint64_t session_id;
    struct endpoint client, local;
    struct bytes helo; /* empty before HELO and for a bare one */
    bool esmtp;
    struct bytes user;          /* the name that logged on; empty: none, and after STARTTLS */
    const struct tls_info *tls; /* NULL: in clear */
    const struct mail_envelope *envelope; /* of the current transaction, rcpts accepted so far */
    unsigned data_notes;                  /* enum smtp_data_note, at on_message_end */
    uint64_t message_octets;
    struct bytes phrase; /* of the state, for logs: "awaiting DATA" */
};

/* An owner answers at once by filling STATUS, or later with exactly one smtp_server_answer(). */
enum smtp_server_verdict { SMTP_SERVER_ANSWERED, SMTP_SERVER_LATER };

/* All get the owner given at start. STATUS comes filled with the ordinary success reply. */
struct smtp_server_ops {
    /* MAIL: ENVELOPE has sender and parameters. A 2xx opens the transaction. To this and all that
     * follow a 421 also ends the session. */
    enum smtp_server_verdict (*on_mail)(void *owner, const struct mail_envelope *envelope,
                                        struct mail_status *status);
    /* RCPT: a 2xx adds it. PATH_DOMAIN is its domain, empty for <postmaster>. */
    enum smtp_server_verdict (*on_rcpt)(void *owner, const struct mail_rcpt *rcpt,
                                        struct bytes path_domain, struct mail_status *status);
    /* DATA or the first BDAT, at least one recipient: 354 in STATUS for go. */
    enum smtp_server_verdict (*on_message_begin)(void *owner, struct mail_status *status);
    /* Message text, unstuffed. Refusing text does not end the message: it is read to its end and
     * then answered with this status (a 4xx or 5xx; it comes filled with 451). True: go on. */
    bool (*on_message_text)(void *owner, struct bytes text, struct mail_status *status);
    /* The end of the message was read and the session has no objection. A 2xx means: durable. */
    enum smtp_server_verdict (*on_message_end)(void *owner, struct mail_status *status);
    /* The transaction ended without on_message_end() having been answered 2xx: forget it. Also
     * when the session itself refuses at the end (size, bare LF). */
    void (*on_message_abort)(void *owner);
    /* The session itself refused a verb (the owner knows its own refusals): always logged by the
     * owner. VERB may be empty; ARGUMENT is the peer's. NULL: not told. */
    void (*on_refused)(void *owner, struct bytes verb, struct bytes argument,
                       const struct mail_status *status);
    /* TLS is up (facts.tls); what the owner knew from before is void (RFC 3207 4.2). NULL: not
     * told. */
    void (*on_tls)(void *owner);
    /* A logon. A 2xx: facts.user is USER from now on; 535: one more of
     * logon_failures_max. USER and PASSWORD are gone when this returns; an empty USER stands for
     * credentials that cannot exist, and is to be treated like any unknown one. NULL: no AUTH.
     */
    enum smtp_server_verdict (*on_auth)(void *owner, struct bytes user, struct bytes password,
                                        struct mail_status *status);
    /* For a protocol log: each command line as it is read ('<') and each line of a reply as it is
     * queued ('>'), without CRLF (a wrong line end stays). Of AUTH only the mechanism, of its
     * responses nothing, message text never. May come before smtp_service_start() returns. NULL:
     * costs nothing. */
    void (*on_protocol)(void *owner, char direction, struct bytes line);
    /* STARTTLS that could go on. 220 in STATUS for go; a 454 instead leaves the session in clear
     * (RFC 3207 4). NULL: always go. */
    void (*on_starttls)(void *owner, struct mail_status *status);
    /* The session itself is about to refuse something that abuse looks like: an unknown mechanism
     * of AUTH. LATER: it waits, and smtp_server_answer() with this very STATUS ends that. NULL:
     * never waits. */
    enum smtp_server_verdict (*on_tarpit)(void *owner, const struct mail_status *status);
};

/* SETTINGS are copied. FACTS' client, local and session_id are taken from FIRST_FACTS. */
struct smtp_server *smtp_server_new(const struct smtp_server_settings *settings,
                                    const struct smtp_server_facts *first_facts,
                                    const struct smtp_server_ops *ops, void *owner);
/* Aborts an open transaction (on_message_abort). */
void smtp_server_free(struct smtp_server **s);
const struct smtp_server_facts *smtp_server_facts(const struct smtp_server *s);
/* The identity has changed, and with it what it may: for messages from now on. */
void smtp_server_message_size_set(struct smtp_server *s, uint64_t octets_max);
void smtp_server_rcpts_max_set(struct smtp_server *s, size_t rcpts_max);
/* Within on_message_text or on_message_end: once this message was answered, the session ends. */
void smtp_server_close_after(struct smtp_server *s);
/* Within on_rcpt only: the recipient is another one, to the envelope and to all who read it. */
void smtp_server_rcpt_rewrite(struct smtp_server *s, struct bytes address);

/* Writes the banner; or REFUSAL in its place, and the session closes: at once, but after 554 only
 * at QUIT or 30 s later, and says 503 meanwhile (RFC 5321 3.1). */
void smtp_server_greet(struct smtp_server *s, const struct mail_status *refusal);
/* Eats from IN and returns how much: less than all only while it waits for an answer, a
 * handshake, or has ended. IN should be all that is here: what stands behind DATA, STARTTLS or an
 * end of data is looked at (RFC 2920 3.1). */
size_t smtp_server_input(struct smtp_server *s, struct bytes in);
/* The awaited answer; then feed what was left. */
void smtp_server_answer(struct smtp_server *s, const struct mail_status *status);
/* Replies to send: the caller consumes them. */
struct buf *smtp_server_output(struct smtp_server *s);

/* What the transport must do once the output has gone. */
enum smtp_server_want {
    SMTP_SERVER_WANT_INPUT,
    SMTP_SERVER_WANT_ANSWER,    /* the owner owes one */
    SMTP_SERVER_WANT_HANDSHAKE, /* start TLS; any unread input: smtp_server_tls_refused() */
    SMTP_SERVER_WANT_CLOSE,
};
enum smtp_server_want smtp_server_want(const struct smtp_server *s);
void smtp_server_tls_started(struct smtp_server *s, const struct tls_info *info);
void smtp_server_tls_refused(struct smtp_server *s); /* bytes after STARTTLS: 554 5.5.0, close */

/* When smtp_server_timeout() must be called, monotonic ms; NOW as well. */
uint64_t smtp_server_deadline_ms(const struct smtp_server *s);
void smtp_server_timeout(struct smtp_server *s);
/* Says 421 4.3.2 as soon as no transaction is being committed, and closes (SIGTERM). */
void smtp_server_shutdown(struct smtp_server *s);
const char *smtp_server_state_phrase(const struct smtp_server *s);
/* STARTTLS was answered 220 and the handshake has not come to its end. */
bool smtp_server_negotiating(const struct smtp_server *s);

#endif
