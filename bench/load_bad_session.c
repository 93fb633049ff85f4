/* What bad sessions do. A row of the table is one connection; the replies are awaited in the order
 * of enum load_bad_state whatever was sent when, and the first one that is none of its class ends
 * the connection, as does the last.
 */
#include "bench/load_bad_private.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* It goes to no recipient: a relay that takes the octets before it for an end would serve this one.
 */
#define SMUGGLED                                                                                   \
    "MAIL FROM:<smuggled@bad.test>\r\nRCPT TO:<smuggled@bad.test>\r\nDATA\r\n"                     \
    "Subject: smuggled\r\n\r\nb\r\n.\r\n"
#define WHOLE "Subject: bad\r\n\r\nFrom a client that is odd, but says all that it should.\r\n.\r\n"

enum {
    DRIP_COMMANDS = 1,
    DRIP_TEXT = 2,
    EARLY = 4,      /* everything at once, before the banner */
    DATA_FIRST = 8, /* and that out of its turn */
    SHUT = 16,      /* behind the text */
    WRONG = 32,     /* a 250 is not what it should get */
};

static const struct bad_script {
    enum load_bad_kind kind;
    unsigned how;
    struct bytes text;
} SCRIPTS[] = {
#define TEXT(literal)                                                                              \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }
    {LOAD_BAD_SLOW, DRIP_COMMANDS | DRIP_TEXT, TEXT(WHOLE)},
    {LOAD_BAD_SLOW, DRIP_TEXT, TEXT(WHOLE)},
    {LOAD_BAD_BARE_LF, WRONG, TEXT("Subject: bad\r\n\r\na\n.\n" SMUGGLED)},
    {LOAD_BAD_BARE_LF, WRONG, TEXT("Subject: bad\r\n\r\na\n.\r\n" SMUGGLED)},
    {LOAD_BAD_BARE_LF, WRONG, TEXT("Subject: bad\r\n\r\na\r\n.\n" SMUGGLED)},
    {LOAD_BAD_BARE_LF, WRONG, TEXT("Subject: bad\n\nLines that\nend in LF\r\n.\r\n")},
    {LOAD_BAD_EARLY_TALK, EARLY | WRONG, TEXT(WHOLE)},
    {LOAD_BAD_EARLY_TALK, EARLY | DATA_FIRST | WRONG, TEXT(WHOLE)},
    {LOAD_BAD_HALF_CLOSE, SHUT, TEXT(WHOLE)},
    {LOAD_BAD_HALF_CLOSE, SHUT | WRONG, TEXT("Subject: bad\r\n\r\nThis line has no e")},
    {LOAD_BAD_HALF_CLOSE, SHUT | WRONG, TEXT("Subject: bad\r\n\r\nThis text has no end\r\n.")},
#undef TEXT
};

/* The kind's scripts take their turns. */
static const struct bad_script *script_of(const struct load_bad_session *s)
{
    unsigned count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(SCRIPTS); i++)
        count += SCRIPTS[i].kind == s->kind;
    unsigned wanted = s->turn % count;
    for (size_t i = 0;; i++)
        if (SCRIPTS[i].kind == s->kind && wanted-- == 0)
            return &SCRIPTS[i];
}

static struct load_bad_counts *counts_of(struct load_bad_session *s)
{
    return &s->bad->counts[s->kind];
}

/* --- The end of a connection --- */

static void pause_for(struct load_bad_session *s, uint64_t ms)
{
    s->state = LOAD_BAD_PAUSED;
    timer_set(loop_timers(s->bad->loop), &s->timer, loop_now_ms(s->bad->loop) + ms);
}

static void hang_up(struct load_bad_session *s)
{
    timer_cancel(&s->timer);
    loop_watch_remove(s->bad->loop, &s->watch);
    close(s->watch.fd);
    s->turn++;
    pause_for(s, s->bad->settings.interval_ms);
}

static void refused(struct load_bad_session *s)
{
    counts_of(s)->refused++;
    hang_up(s);
}

static void taken(struct load_bad_session *s)
{
    if (script_of(s)->how & WRONG)
        counts_of(s)->accepted++;
    else
        counts_of(s)->served++;
    hang_up(s);
}

/* The peer closed, or the socket has failed. */
static void lost(struct load_bad_session *s)
{
    if (s->state == LOAD_BAD_CONNECTING) {
        counts_of(s)->failed++;
        hang_up(s);
    } else {
        refused(s);
    }
}

/* --- Sending --- */

static bool drips(const struct load_bad_session *s)
{
    unsigned how = script_of(s)->how;
    return (how & (s->state == LOAD_BAD_TEXT ? DRIP_TEXT : DRIP_COMMANDS)) != 0;
}

/* What may go now. A failure shows when it is read; behind the text, half of it is closed. */
static void push(struct load_bad_session *s, size_t most)
{
    if (s->out.len == 0)
        return;
    size_t len = s->out.len < most ? s->out.len : most;
    ssize_t n = send(s->watch.fd, s->out.ptr, len, MSG_NOSIGNAL);
    if (n > 0)
        s->out = bytes_from(s->out, (size_t)n);
    if (s->out.len == 0 && s->state == LOAD_BAD_TEXT && (script_of(s)->how & SHUT))
        (void)shutdown(s->watch.fd, SHUT_WR); /* fails only if the peer has gone */
}

static void drip(struct load_bad_session *s)
{
    push(s, 1);
    if (s->out.len)
        timer_set(loop_timers(s->bad->loop), &s->timer,
                  loop_now_ms(s->bad->loop) + s->bad->settings.interval_ms);
}

static void say(struct load_bad_session *s, struct bytes text)
{
    s->out = text;
    if (drips(s))
        drip(s);
    else
        push(s, SIZE_MAX);
}

/* One piece, so that all of it is there before the banner. */
static void say_everything(struct load_bad_session *s)
{
    const struct bytes *c = s->bad->commands;
    const struct bad_script *script = script_of(s);
    bool first = (script->how & DATA_FIRST) != 0;
    const struct bytes pieces[] = {
        c[LOAD_BAD_HELLO], first ? c[LOAD_BAD_DATA] : BYTES_EMPTY, c[LOAD_BAD_MAIL],
        c[LOAD_BAD_RCPT],  first ? BYTES_EMPTY : c[LOAD_BAD_DATA], script->text,
    };
    struct iovec iov[ARRAY_SIZE(pieces)];
    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++)
        iov[i] = (struct iovec){(void *)(uintptr_t)pieces[i].ptr, pieces[i].len};
    struct msghdr message = {.msg_iov = iov, .msg_iovlen = ARRAY_SIZE(pieces)};
    if (sendmsg(s->watch.fd, &message, MSG_NOSIGNAL) < 0)
        lost(s); /* a new socket's buffer holds it */
}

/* --- Replies --- */

/* The final line of a reply with this class. */
static void on_reply(struct load_bad_session *s, char class)
{
    const struct bad_script *script = script_of(s);
    char wanted = s->state == LOAD_BAD_DATA ? '3' : '2';
    if (class != wanted) {
        refused(s);
        return;
    }
    if (s->state == LOAD_BAD_TEXT) {
        taken(s);
        return;
    }
    if (s->out.len) /* half a line gets no 2xx: it is not for what we say */
        return;
    s->state++;
    if (!(script->how & EARLY))
        say(s, s->state == LOAD_BAD_TEXT ? script->text : s->bad->commands[s->state]);
}

static bool connected(const struct load_bad_session *s)
{
    return s->state > LOAD_BAD_CONNECTING;
}

/* What comes behind the reply that ends the connection is not looked at. */
static void take(struct load_bad_session *s, const char *in, size_t len)
{
    for (size_t i = 0; i < len && connected(s); i++) {
        if (s->line_octets < sizeof s->line)
            s->line[s->line_octets] = in[i];
        s->line_octets++;
        if (in[i] != '\n')
            continue;
        bool more = s->line_octets > 4 && s->line[3] == '-';
        s->line_octets = 0;
        if (!more)
            on_reply(s, s->line[0]);
    }
}

static void read_all(struct load_bad_session *s)
{
    char in[4096];
    while (connected(s)) {
        ssize_t n = recv(s->watch.fd, in, sizeof in, 0);
        if (n > 0)
            take(s, in, (size_t)n);
        else if (n < 0 && errno == EINTR)
            continue;
        else if (n < 0 && errno == EAGAIN)
            return;
        else
            lost(s);
    }
}

/* --- A connection --- */

static void on_connected(struct load_bad_session *s)
{
    int one = 1;
    counts_of(s)->connections++;
    s->state = LOAD_BAD_BANNER;
    (void)setsockopt(s->watch.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (script_of(s)->how & EARLY)
        say_everything(s);
}

static void on_ready(struct loop_watch *w, uint32_t events)
{
    struct load_bad_session *s = CONTAINER_OF(w, struct load_bad_session, watch);
    int errnum = 0;
    socklen_t len = sizeof errnum;
    if (s->state == LOAD_BAD_CONNECTING) {
        if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) != 0 || errnum != 0) {
            lost(s);
            return;
        }
        if (!(events & EPOLLOUT))
            return;
        on_connected(s);
    }
    if (connected(s) && !drips(s))
        push(s, SIZE_MAX);
    read_all(s);
}

static void connect_again(struct load_bad_session *s)
{
    struct sockaddr_storage address;
    socklen_t len = endpoint_to_sockaddr(&s->bad->settings.to, &address);
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    s->watch = (struct loop_watch){.fd = fd, .on_ready = on_ready};
    s->out = BYTES_EMPTY;
    s->line_octets = 0;
    bool begun =
        fd >= 0 && (connect(fd, (struct sockaddr *)&address, len) == 0 || errno == EINPROGRESS);
    if (begun && loop_watch_add(s->bad->loop, &s->watch) == ERR_OK) {
        s->state = LOAD_BAD_CONNECTING;
        return;
    }
    if (fd >= 0)
        close(fd);
    counts_of(s)->failed++;
    pause_for(s, s->bad->settings.interval_ms);
}

static void on_due(struct timer *t)
{
    struct load_bad_session *s = CONTAINER_OF(t, struct load_bad_session, timer);
    if (s->state == LOAD_BAD_PAUSED)
        connect_again(s);
    else
        drip(s);
}

void load_bad_session_prepare(struct load_bad_session *s, struct load_bad *bad,
                              unsigned long number)
{
    unsigned nth = 0;
    for (unsigned kind = 0; kind < LOAD_BAD_KINDS; kind++)
        nth += (bad->settings.kinds >> kind) & 1;
    s->turn = (unsigned)(number / nth); /* sessions of a kind begin at different scripts */
    nth = (unsigned)(number % nth);
    for (unsigned kind = 0; kind < LOAD_BAD_KINDS; kind++)
        if ((bad->settings.kinds >> kind & 1) && nth-- == 0)
            s->kind = (enum load_bad_kind)kind;
    s->bad = bad;
    s->timer.on_due = on_due;
    /* They begin spread over one interval. */
    pause_for(s, bad->settings.interval_ms * number / bad->settings.sessions);
}

void load_bad_session_stop(struct load_bad_session *s)
{
    timer_cancel(&s->timer);
    if (s->state == LOAD_BAD_PAUSED)
        return;
    counts_of(s)->open += connected(s);
    loop_watch_remove(s->bad->loop, &s->watch);
    close(s->watch.fd);
    s->state = LOAD_BAD_PAUSED;
}
