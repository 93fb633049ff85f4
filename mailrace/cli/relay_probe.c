/* A plain SMTP client that says what it is given and reads replies. */
#include "mailrace/cli/relay_probe.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/mem.h"

#define REPLY_TIMEOUT_S 60

/* --- One connection --- */

bool relay_probe_connect(const struct relay_probe_settings *settings, struct relay_probe_line *line)
{
    const struct timeval patience = {.tv_sec = REPLY_TIMEOUT_S};
    struct sockaddr_storage to, from;
    socklen_t to_len = endpoint_to_sockaddr(&settings->host, &to);
    socklen_t from_len = endpoint_to_sockaddr(&settings->source, &from);
    int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *line = (struct relay_probe_line){.fd = -1};
    if (fd < 0)
        return false;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
        (settings->have_source && bind(fd, (struct sockaddr *)&from, from_len) != 0) ||
        connect(fd, (struct sockaddr *)&to, to_len) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return false;
    }
    line->fd = fd;
    return true;
}

static ssize_t receive(struct relay_probe_line *line, void *to, size_t size)
{
    return line->tls ? tls_stream_read(line->tls, to, size) : recv(line->fd, to, size, 0);
}

static bool say(struct relay_probe_line *line, struct bytes text)
{
    return line->tls ? tls_stream_write(line->tls, text.ptr, text.len)
                     : send(line->fd, text.ptr, text.len, MSG_NOSIGNAL) == (ssize_t)text.len;
}

/* RFC 5321 4.2.1: "NNN-" goes on, "NNN " is the last line. */
static bool is_last_line(const char *text, size_t len)
{
    return len < 4 || text[3] != '-';
}

static bool next_octet(struct relay_probe_line *line, char *c)
{
    if (line->in_at == line->in_len) {
        ssize_t n = receive(line, line->in, sizeof line->in);
        if (n <= 0)
            return false;
        line->in_at = 0;
        line->in_len = (size_t)n;
    }
    *c = line->in[line->in_at++];
    return true;
}

bool relay_probe_read(struct relay_probe_line *line)
{
    size_t len = 0;
    char c;
    while (next_octet(line, &c)) {
        if (c != '\n') {
            if (c != '\r' && len < sizeof line->reply - 1)
                line->reply[len++] = c;
            continue;
        }
        line->reply[len] = '\0';
        if (is_last_line(line->reply, len))
            return true;
        len = 0;
    }
    line->reply[0] = '\0';
    return false;
}

void relay_probe_leave(struct relay_probe_line *line)
{
    if (line->fd < 0)
        return;
    if (say(line, BYTES("RSET\r\nQUIT\r\n")))
        shutdown(line->fd, SHUT_WR);
    for (char rest[512]; receive(line, rest, sizeof rest) > 0;)
        ;
    tls_stream_free(&line->tls);
    close(line->fd);
    line->fd = -1;
}

/* --- Steps, the same of every session of a batch: first all speak, then all listen --- */

/* PREFIX, what may hold any octet, CRLF. */
static struct bytes command(const struct relay_probe_settings *settings, const char *prefix,
                            struct bytes argument)
{
    size_t before = strlen(prefix), len = before + argument.len + 2;
    char *text = arena_alloc(settings->arena, len);
    memcpy(text, prefix, before);
    memcpy(text + before, argument.ptr, argument.len);
    memcpy(text + len - 2, "\r\n", 2);
    return bytes_make(text, len);
}

static struct bytes ehlo_line(const struct relay_probe_settings *settings,
                              const struct relay_probe *p)
{
    (void)settings;
    (void)p;
    return BYTES("EHLO relay-test.invalid\r\n");
}

static struct bytes mail_line(const struct relay_probe_settings *settings,
                              const struct relay_probe *p)
{
    return command(settings, "MAIL FROM:", p->mail);
}

static struct bytes rcpt_line(const struct relay_probe_settings *settings,
                              const struct relay_probe *p)
{
    return command(settings, "RCPT TO:", p->rcpt);
}

static void step(const struct relay_probe_settings *settings, struct relay_probe *probes,
                 size_t count, const char *stage,
                 struct bytes (*text_of)(const struct relay_probe_settings *,
                                         const struct relay_probe *))
{
    for (size_t i = 0; i < count; i++) {
        struct relay_probe *p = &probes[i];
        if (p->over)
            continue;
        p->stage = stage;
        struct bytes text = text_of ? text_of(settings, p) : BYTES_EMPTY;
        if (text.len && !say(&p->line, text)) {
            p->over = true;
            p->line.reply[0] = '\0';
        }
    }
    for (size_t i = 0; i < count; i++)
        if (!probes[i].over &&
            (!relay_probe_read(&probes[i].line) || probes[i].line.reply[0] != '2'))
            probes[i].over = true;
}

enum scene { BEFORE_TLS, AFTER_TLS, BETWEEN };

static struct bytes lines_of(const struct relay_probe *p, enum scene scene)
{
    return scene == BETWEEN ? p->between : scene == AFTER_TLS ? p->after_tls : p->before;
}

/* Says the lines of every session of a batch one by one, and does not mind the answers. */
static void set_scene(const struct relay_probe_settings *settings, struct relay_probe *probes,
                      size_t count, enum scene scene)
{
    struct bytes *rest = MEM_NEW_ARRAY(struct bytes, count);
    for (size_t i = 0; i < count; i++)
        rest[i] = lines_of(&probes[i], scene);
    for (bool any = true; any;) {
        any = false;
        for (size_t i = 0; i < count; i++) {
            struct relay_probe *p = &probes[i];
            struct bytes line;
            p->asked = !p->over && rest[i].len > 0;
            if (!p->asked)
                continue;
            any = true;
            p->stage = "scene";
            bytes_split(rest[i], '\n', &line, &rest[i]);
            p->over = !say(&p->line, command(settings, "", line));
        }
        for (size_t i = 0; i < count; i++)
            if (probes[i].asked && !probes[i].over)
                probes[i].over = !relay_probe_read(&probes[i].line);
    }
    mem_free(rest);
}

/* What was received in clear behind the 220 is nothing (RFC 3207 4.2). */
static void start_tls(const struct relay_probe_settings *settings, struct relay_probe *p)
{
    struct relay_probe_line *line = &p->line;
    if (p->over || !p->pattern->after_tls)
        return;
    p->stage = "STARTTLS";
    bool go = say(line, BYTES("STARTTLS\r\n")) && relay_probe_read(line) &&
              strncmp(line->reply, "220", 3) == 0;
    line->in_at = line->in_len = 0;
    line->tls = go && settings->tls ? tls_stream_open(settings->tls, line->fd) : NULL;
    p->no_tls = p->over = !line->tls;
}

/* The other session from the same address: it stands there and is closed after the first. */
static void set_beside(const struct relay_probe_settings *settings, struct relay_probe *p)
{
    struct bytes line, rest = p->beside;
    if (!p->pattern->beside || !relay_probe_connect(settings, &p->other))
        return;
    bool there = relay_probe_read(&p->other) && say(&p->other, ehlo_line(settings, p)) &&
                 relay_probe_read(&p->other);
    while (there && rest.len) {
        bytes_split(rest, '\n', &line, &rest);
        there = say(&p->other, command(settings, "", line)) && relay_probe_read(&p->other);
    }
}

void relay_probe_run(const struct relay_probe_settings *settings, struct relay_probe *probes,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct relay_probe *p = &probes[i];
        p->other.fd = -1;
        set_beside(settings, p);
        p->over = !relay_probe_connect(settings, &p->line);
        p->stage = "connect";
    }
    step(settings, probes, count, "greeting", NULL);
    step(settings, probes, count, "EHLO", ehlo_line);
    set_scene(settings, probes, count, BEFORE_TLS);
    for (size_t i = 0; i < count; i++)
        start_tls(settings, &probes[i]);
    set_scene(settings, probes, count, AFTER_TLS);
    step(settings, probes, count, "MAIL", mail_line);
    set_scene(settings, probes, count, BETWEEN);
    step(settings, probes, count, "RCPT", rcpt_line);
    for (size_t i = 0; i < count; i++) {
        relay_probe_leave(&probes[i].line);
        relay_probe_leave(&probes[i].other);
    }
}
