/* net/smtp_client_private.h - what the files of the client session share. Each calls those below
 * it, never one above:
 *
 *   smtp_client.c          beginning and end of a session, input, output, time
 *   smtp_client_step.c     the table of states: what each sends, and what it does with its reply
 *   smtp_client_text.c     the text of a message
 *   smtp_client_state.c    the one writer of the states, the messages held, how a session ends
 *   smtp_client_command.c  command lines, and what cannot go out at all
 *
 * Everything turns on two cursors that walk the same states: SENT is what goes out next, ANSWERED
 * is what the next reply belongs to, and UNANSWERED counts the commands between them. At most two
 * messages live in a session: the one that waits for the answer to its end, and the one ahead of
 * it. A text that goes by BDAT may be out before any of its envelope was answered, as may the
 * message behind it: that one begins with RSET, for what a peer does after a failed chunk is left
 * to it (RFC 3030 2), and recipients must never meet another message's sender.
 */
#ifndef NET_SMTP_CLIENT_PRIVATE_H
#define NET_SMTP_CLIENT_PRIVATE_H

#include "net/smtp_client.h"
#include "net/smtp_data.h"
#include "net/smtp_params.h"
#include "net/smtp_reply.h"

enum smtp_client_state {
    SMTP_CLIENT_STATE_BANNER,
    SMTP_CLIENT_STATE_EHLO,
    SMTP_CLIENT_STATE_HELO,
    SMTP_CLIENT_STATE_STARTTLS,
    SMTP_CLIENT_STATE_HANDSHAKE,
    SMTP_CLIENT_STATE_READY,
    SMTP_CLIENT_STATE_RSET,
    SMTP_CLIENT_STATE_MAIL,
    SMTP_CLIENT_STATE_RCPT,
    SMTP_CLIENT_STATE_DATA,
    SMTP_CLIENT_STATE_TEXT,
    SMTP_CLIENT_STATE_BDAT, /* has no reply of its own */
    SMTP_CLIENT_STATE_CHUNK,
    SMTP_CLIENT_STATE_END,
    SMTP_CLIENT_STATE_QUIT,
    SMTP_CLIENT_STATE_ENDED,
    SMTP_CLIENT_STATES,
};

/* Octets: larger than any command that we build. An address and one other text fit. */
#define SMTP_CLIENT_COMMAND_MAX   (2 * SMTP_PARAMS_TEXT_MAX + SMTP_PARAMS_ROOM)
#define SMTP_CLIENT_PIECE_BYTES   (64 * 1024)
#define SMTP_CLIENT_HANDSHAKE_MS  30000
#define SMTP_CLIENT_SESSION_AHEAD 2 /* messages: one being answered, one ahead */
/* Octets: a chunk this small goes out with its envelope. A larger one waits for the replies, as it
 * would have to be sent to its end even where no recipient was accepted. */
#define SMTP_CLIENT_CHUNK_AHEAD (64 * 1024)
/* Unanswered commands at most: their replies, 512 octets each at the worst, then fit the 64 KiB
 * that any receive buffer has, so that neither side waits for the other (RFC 2920 3.1). */
#define SMTP_CLIENT_WINDOW 120
/* A peer that answers each command a moment before its timeout must end as well: one message may
 * take an hour and a millisecond per octet; greeting, EHLO and TLS together a quarter of that. */
#define SMTP_CLIENT_MESSAGE_MAX_MS (60 * 60 * 1000)
#define SMTP_CLIENT_OPEN_MAX_MS    (15 * 60 * 1000)

struct smtp_client_cursor {
    enum smtp_client_state state; /* written by smtp_client_enter_*() alone */
    size_t rcpt;
};

struct smtp_client_transaction {
    struct smtp_client_message *message;
    uint64_t deadline_ms; /* of the whole transaction */
    uint64_t text_at;     /* octets of the text already in the output */
    char last[2];         /* of the text so far: does it end in CRLF? */
    struct smtp_data_writer stuffing;
    bool normal_cr;   /* normalising: a CR is held back until its LF is seen */
    bool chunked;     /* by BDAT */
    bool patient;     /* the chunk waits for the replies to the envelope */
    bool reset_first; /* RSET went ahead of MAIL */
    bool dot_sent;    /* or the chunk's last octet */
    bool mail_refused;
    struct mail_status refusal; /* of MAIL, text below */
    char refusal_text[SMTP_REPLY_TEXT_MAX];
};

struct smtp_client {
    const struct smtp_client_row *rows; /* SMTP_CLIENT_TABLE */
    struct smtp_client_settings settings;
    const struct smtp_client_ops *ops;
    void *owner;
    struct smtp_client_cursor sent, answered;
    size_t unanswered;
    struct smtp_client_transaction transactions[SMTP_CLIENT_SESSION_AHEAD];
    unsigned first, live; /* of them */
    size_t taken;
    struct smtp_extensions hop, hop_next; /* NEXT: of the EHLO reply being read */
    bool tls, tls_failed;
    bool asked_none;   /* next_message() had none: not asked again before a kick */
    bool rested;       /* open without work until the last kick: the peer may have left */
    bool reset_needed; /* the peer may still hold a transaction: given up, or a chunk in doubt */
    bool quitting, quit_sent;
    uint64_t progress_at_ms;   /* the last reply, or the first command after silence */
    uint64_t open_deadline_ms; /* TIMER_NEVER once open */
    char end_text[SMTP_REPLY_TEXT_MAX];
    struct smtp_reply_parser parser;
};

/* One row a state. SEND puts it into OUT (which has room for a command) and moves the sent cursor;
 * false: nothing can be sent now. ON_REPLY moves the answered cursor; REST: input behind the
 * reply. */
struct smtp_client_row {
    const char *phrase;
    size_t timeout; /* offset in struct smtp_client_timeouts */
    bool (*send)(struct smtp_client *c, struct buf *out);
    void (*on_reply)(struct smtp_client *c, const struct mail_status *status, struct bytes rest);
    bool shown; /* SEND writes a command line without secrets: a protocol log may have it */
};
extern const struct smtp_client_row SMTP_CLIENT_TABLE[SMTP_CLIENT_STATES];

/* smtp_client_state.c */

/* The only writers of the cursors' states; the third moves both. Recipients count anew from MAIL
 * on. What is awaited has the timeout of its row, from the last progress on. */
void smtp_client_enter_sent(struct smtp_client *c, enum smtp_client_state state);
void smtp_client_enter_answered(struct smtp_client *c, enum smtp_client_state state);
void smtp_client_enter(struct smtp_client *c, enum smtp_client_state state);
bool smtp_client_ended(const struct smtp_client *c);
/* Where the peer, or its silence, finds us: what it owes, else what we were about to do. */
enum smtp_client_state smtp_client_doing(const struct smtp_client *c);
bool smtp_client_offered(const struct smtp_client *c, enum smtp_extension extension);
void smtp_client_progress(struct smtp_client *c);
/* One more reply is owed. */
void smtp_client_expect(struct smtp_client *c);
struct smtp_client_transaction *smtp_client_head(struct smtp_client *c);    /* being answered */
struct smtp_client_transaction *smtp_client_sending(struct smtp_client *c); /* being sent */
void smtp_client_tell_rcpt(struct smtp_client *c, struct smtp_client_message *m, size_t rcpt,
                           const struct mail_status *status);
/* Takes the head transaction off and tells the owner. */
void smtp_client_finish(struct smtp_client *c, const struct mail_status *status, bool ambiguous);
/* Every message that is held gets STATUS; CERTAIN: the peer said so itself, so that a message of
 * which the final dot is out is not in doubt. */
void smtp_client_fail_all(struct smtp_client *c, const struct mail_status *status, bool certain);
/* The same, and the session ends. */
void smtp_client_end(struct smtp_client *c, const struct mail_status *status, bool certain);
/* With our own words: 451 4.SUBJECT.DETAIL. */
void smtp_client_end_with(struct smtp_client *c, uint16_t subject, uint16_t detail, const char *fmt,
                          ...) PRINTF_LIKE(4, 5);
/* The peer broke the protocol: 4.5.0. */
void smtp_client_broken(struct smtp_client *c, const char *how);

/* smtp_client_text.c: text into OUT. */
/* The next piece of the head message's text, and at its end the final dot. False: no room now, or
 * the session has ended because the text could not be read. */
bool smtp_client_send_text(struct smtp_client *c, struct buf *out);
/* Can M go by BDAT: as it is, with its size known? */
bool smtp_client_message_chunked(const struct smtp_client *c, const struct smtp_client_message *m);
/* "BDAT n LAST" for the message being sent, and the next piece of its text; false as above. */
void smtp_client_begin_chunk(struct smtp_client *c, struct buf *out);
bool smtp_client_send_chunk(struct smtp_client *c, struct buf *out);

/* smtp_client_command.c: command lines into OUT. */
void smtp_client_write_mail(const struct smtp_client *c, const struct smtp_client_message *m,
                            struct buf *out);
void smtp_client_write_rcpt(const struct smtp_client *c, const struct mail_rcpt *rcpt,
                            struct buf *out);
void smtp_client_write_line(struct buf *out, struct bytes verb, struct bytes argument);
/* Why M, or this recipient of it, cannot be handed to this peer at all; NULL: it can. */
const struct mail_status *smtp_client_message_unfit(const struct smtp_client *c,
                                                    const struct smtp_client_message *m);
const struct mail_status *smtp_client_rcpt_unfit(const struct mail_envelope *envelope, size_t rcpt);

#endif
