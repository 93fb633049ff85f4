/* net/smtp_server_private.h - what the files of the server session share.
 *
 * Each calls those below it, never one above:
 *
 *   smtp_server.c        the table of states, input, deadlines, beginning and end of a session
 *   smtp_server_cmd.c    the table of verbs, what is checked before each, and the short ones
 *   smtp_server_mail.c   MAIL and RCPT
 *   smtp_server_data.c   DATA, BDAT and the end of a message
 *   smtp_server_auth.c   AUTH: its exchange, and what of it must not be shown
 *   smtp_server_state.c  the one writer of the state, replies, refusals
 */
#ifndef NET_SMTP_SERVER_PRIVATE_H
#define NET_SMTP_SERVER_PRIVATE_H

#include "net/smtp_auth.h"
#include "net/smtp_server.h"
#include "net/smtp_syntax.h"

/* RFC 5321 4.5.3.1.4 with what SIZE, BODY, AUTH=, DSN, SMTPUTF8 add comes to 1,800 or so. */
#define SMTP_SERVER_LINE_MAX      2048
#define SMTP_SERVER_LONG_LINE_MAX 8000 /* with XLONGADDR */
/* Of a longer line, or of a chunk that is refused, so much is read to keep in step. */
#define SMTP_SERVER_LINE_DROP_MAX  (64 * 1024)
#define SMTP_SERVER_CHUNK_DROP_MAX (1024 * 1024)
#define SMTP_SERVER_OUTPUT_MAX     (1024 * 1024)
#define SMTP_SERVER_JUNK_MAX       100 /* commands that bring no mail, between two messages */
#define SMTP_SERVER_HANDSHAKE_MS   30000
#define SMTP_SERVER_REFUSED_MS     30000 /* for QUIT after a 554 banner */
#define SMTP_SERVER_RATE_AFTER_MS  30000 /* min_data_rate_bytes_s begins to count */

#define SMTP_SERVER_TOO_LARGE                                                                      \
    MAIL_STATUS(552, 5, 3, 4, "Message size exceeds fixed maximum message size")

enum smtp_server_state {
    SERVER_CONNECTED, /* nothing was said yet */
    SERVER_REFUSED,   /* 554 banner: only QUIT (RFC 5321 3.1) */
    SERVER_HELLO,
    SERVER_READY,
    SERVER_MAIL,
    SERVER_RCPT,
    SERVER_TEXT,
    SERVER_CHUNKS, /* between two chunks */
    SERVER_CHUNK,
    SERVER_CHUNKS_FAILED, /* RFC 3030 2: later chunks are read and dropped until RSET */
    SERVER_AUTH,          /* 334 was said */
    SERVER_ASK_AUTH,      /* the owner owes an answer */
    SERVER_ASK_MAIL,
    SERVER_ASK_RCPT,
    SERVER_ASK_BEGIN,
    SERVER_ASK_END,
    SERVER_HANDSHAKE,
    SERVER_CLOSING, /* never left */
    SERVER_STATE_COUNT,
};

enum smtp_server_timeout {
    SERVER_TIMEOUT_NONE,    /* the owner's turn: the session cannot end before its answer */
    SERVER_TIMEOUT_COMMAND, /* a whole command, however its bytes trickle in */
    SERVER_TIMEOUT_TEXT,    /* each piece of it, and the data rate */
    SERVER_TIMEOUT_REFUSED,
    SERVER_TIMEOUT_HANDSHAKE,
};

/* What belongs to a state; the table of all stands in smtp_server.c. */
struct smtp_server_row {
    const char *phrase;
    enum smtp_server_timeout timeout;
    enum smtp_server_want want;
    size_t (*read)(struct smtp_server *s, struct bytes in); /* NULL: input waits */
    void (*answered)(struct smtp_server *s, const struct mail_status *status);
};

struct smtp_server {
    const struct smtp_server_row *rows;
    enum smtp_server_state state; /* written by smtp_server_enter() alone */
    uint64_t since_ms;            /* the state was entered */
    uint64_t now_ms;              /* when the transport last called */
    uint64_t ends_at_ms;          /* connection_timeout_ms */
    const struct smtp_server_ops *ops;
    void *owner;
    struct smtp_server_settings settings; /* text behind the struct */
    struct smtp_server_facts facts;
    struct tls_info *tls; /* a copy of what came with the handshake */
    char *helo;
    bool shutting_down;

    /* input */
    struct buf line;       /* a command line without its end so far; else without memory */
    size_t line_max;       /* its octets, but for AUTH */
    size_t dropped_octets; /* of a line that is too long; 0: none */
    struct bytes rest;     /* behind what is handled now, in this piece of input */
    struct smtp_command current;
    size_t errors, junk;
    struct buf output;

    /* AUTH */
    char *user;                         /* of facts, or LOGIN's while it is asked about */
    size_t user_len;                    /* its octets; no NUL */
    enum smtp_auth_mechanism mechanism; /* of the exchange under way */
    bool login_has_user;                /* LOGIN's first response is here */
    bool auth_seen; /* secrets may turn up in any line: of unknown ones nothing is shown */
    size_t logon_failures;
    struct bytes refused_mechanism; /* in SERVER_ASK_AUTH: 504 waits in the tarpit; static text */
    bool refused_is_error;

    /* transaction */
    struct arena arena;
    struct mail_envelope envelope;
    size_t rcpt_capacity;
    bool open;    /* MAIL was accepted: ends by on_message_end 2xx or on_message_abort */
    bool chunked; /* by BDAT */
    struct smtp_data_reader reader;
    uint64_t text_since_ms, text_at_ms, text_octets; /* on the wire, for the data rate */
    struct mail_status failed; /* code 0: nothing yet stands against the message or chunk */
    bool failed_is_error;      /* counts towards protocol_errors_max */
    bool close_after;
    struct {
        uint64_t size, left;
        bool last;
        enum smtp_server_state from; /* where BDAT was said */
    } chunk;
    uint64_t dropped_chunk_octets;
};

/* smtp_server_state.c */

/* The only writer of the state; SERVER_CLOSING is never left. */
void smtp_server_enter(struct smtp_server *s, enum smtp_server_state state);
void smtp_server_reply(struct smtp_server *s, const struct mail_status *status);
/* For on_protocol: LINE was read; the output behind its octet BEFORE was said. */
void smtp_server_heard(struct smtp_server *s, struct bytes line);
void smtp_server_said(struct smtp_server *s, size_t before);
/* Replies and tells the owner. Policy and size: not counted. */
void smtp_server_refuse(struct smtp_server *s, const struct mail_status *status);
/* Unknown, malformed or out of order: counted; 421 and the end once there are too many. */
void smtp_server_error(struct smtp_server *s, const struct mail_status *status);
/* As smtp_server_refuse(), and the session ends. */
void smtp_server_refuse_close(struct smtp_server *s, const struct mail_status *status);
/* Replies, forgets the transaction, ends. */
void smtp_server_close(struct smtp_server *s, const struct mail_status *status);
/* Ends the transaction, if any: RSET, EHLO, the end of a message. */
void smtp_server_forget(struct smtp_server *s);
/* What is offered in this session (enum smtp_extension). After HELO nothing is. */
unsigned smtp_server_offered(const struct smtp_server *s);
/* What was asked has been answered: at once, or by smtp_server_answer(). */
void smtp_server_answered(struct smtp_server *s, const struct mail_status *status);
/* A message is being made durable: its answer is near, replies may wait for it. */
bool smtp_server_committing(const struct smtp_server *s);
/* Counts a command that brings no mail; false: it was one too many and the session ends. */
bool smtp_server_junk(struct smtp_server *s);
/* 421, and the session ends. */
void smtp_server_say_shutdown(struct smtp_server *s);

/* smtp_server_auth.c */
bool smtp_server_auth_possible(const struct smtp_server *s); /* here at all, be it after STARTTLS */
bool smtp_server_auth_offered(const struct smtp_server *s);  /* now, to this client */
/* May a line that begins with the octets in s->line and IN be as long as AUTH needs? */
bool smtp_server_auth_line_long(const struct smtp_server *s, struct bytes in);
void smtp_server_verb_auth(struct smtp_server *s, struct bytes argument);
/* A response, without its CRLF. */
void smtp_server_auth_response(struct smtp_server *s, struct bytes line);
/* The exchange is over, without a word. Nothing if there is none. */
void smtp_server_auth_abandon(struct smtp_server *s);
void smtp_server_auth_answered(struct smtp_server *s, const struct mail_status *status);
/* No name is logged on any more. */
void smtp_server_auth_forget(struct smtp_server *s);
/* What the owner may be told of LINE, which was no command: nothing where it may be a secret. */
struct bytes smtp_server_auth_shown(const struct smtp_server *s, struct bytes line);

/* smtp_server_cmd.c: LINE without its CRLF, free of CR and NUL. */
void smtp_server_command(struct smtp_server *s, struct bytes line);

/* smtp_server_mail.c */
void smtp_server_verb_mail(struct smtp_server *s, struct bytes argument);
void smtp_server_verb_rcpt(struct smtp_server *s, struct bytes argument);
void smtp_server_mail_answered(struct smtp_server *s, const struct mail_status *status);
void smtp_server_rcpt_answered(struct smtp_server *s, const struct mail_status *status);

/* smtp_server_data.c */
void smtp_server_verb_data(struct smtp_server *s, struct bytes argument);
void smtp_server_verb_bdat(struct smtp_server *s, struct bytes argument);
void smtp_server_begin_answered(struct smtp_server *s, const struct mail_status *status);
void smtp_server_end_answered(struct smtp_server *s, const struct mail_status *status);
/* Take from IN, return how much. */
size_t smtp_server_read_text(struct smtp_server *s, struct bytes in);
size_t smtp_server_read_chunk(struct smtp_server *s, struct bytes in);

#endif
