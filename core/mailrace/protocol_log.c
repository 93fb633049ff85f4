#include "protocol_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mailbox.h"
#include "core/mem.h"
#include "core/thread.h"

#include "privdrop.h"
#include "protocol_log_private.h"

#define WAITING_MAX   (4u << 20)
#define BATCH_OCTETS  (64u * 1024)
#define DATA_MAX      1024 /* octets of a line before escaping */
#define LINE_SIZE     8192 /* all of it: what is in it has its own bound */
#define GATHER_MS     20   /* bounds writes a second, whatever the rate of lines */
#define COMPLAINT_MS  60000
#define ESCAPED_SIZE  (4 * DATA_MAX + 1)
#define CONNECTOR_MAX 64

struct protocol_log {
    char *path, *server;
    struct mailbox *mailbox;
    struct thread thread;
    atomic_bool stopping;
    _Atomic size_t waiting;
    _Atomic uint64_t dropped;
    /* The log's thread only. */
    struct protocol_log_files files;
    uint64_t complained_at_ms;
    size_t batch_len, batch_lines;
    char batch[BATCH_OCTETS];
};

/* A formatted line on its way. */
struct node {
    struct mailbox_item item;
    struct protocol_log *log;
    size_t len;
    char text[];
};

/* --- The directory --- */

static enum err make_directory(const char *path, const char *user, struct err_detail *why)
{
    struct privdrop_user id;
    if (mkdir(path, 0750) != 0)
        return errno == EEXIST ? ERR_OK : err_set_errno(why, errno, "%s: cannot be made", path);
    if (!user || geteuid() != 0)
        return ERR_OK;
    enum err e = privdrop_lookup(user, &id, why);
    if (e == ERR_OK && chown(path, id.uid, id.gid) != 0)
        e = err_set_errno(why, errno, "%s: cannot be given to user \"%s\"", path, user);
    return e;
}

enum err protocol_log_open(const char *path, const char *user, const char *server,
                           struct protocol_log **out, struct err_detail *why)
{
    enum err e = make_directory(path, user, why);
    if (e != ERR_OK)
        return e;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(why, errno, "log.protocol_path: %s: cannot be opened", path);
    struct protocol_log *log = MEM_NEW(struct protocol_log);
    log->path = mem_strdup(path);
    log->server = mem_strdup(server);
    log->files.directory = fd;
    log->files.fd = -1;
    *out = log;
    return ERR_OK;
}

/* --- The log's thread --- */

static void complain(struct protocol_log *log, int failed)
{
    uint64_t now_ms = clock_mono_ms();
    if (log->complained_at_ms && now_ms - log->complained_at_ms < COMPLAINT_MS)
        return;
    log->complained_at_ms = now_ms;
    LOG(LOG_ERROR, "protocol_log_failed", LOG_STR("path", log->path),
        LOG_STR("reason", strerror(failed)));
}

static void write_batch(struct protocol_log *log)
{
    if (log->batch_len &&
        !protocol_log_files_write(&log->files, log->batch, log->batch_len, clock_wall_ms())) {
        complain(log, errno);
        atomic_fetch_add_explicit(&log->dropped, log->batch_lines, memory_order_relaxed);
    }
    log->batch_len = log->batch_lines = 0;
}

static void node_run(struct mailbox_item *item)
{
    struct node *node = CONTAINER_OF(item, struct node, item);
    struct protocol_log *log = node->log;
    if (node->len > BATCH_OCTETS - log->batch_len)
        write_batch(log);
    memcpy(log->batch + log->batch_len, node->text, node->len);
    log->batch_len += node->len;
    log->batch_lines++;
    atomic_fetch_sub_explicit(&log->waiting, sizeof *node + node->len, memory_order_relaxed);
    mem_free(node);
}

static size_t drain(struct protocol_log *log)
{
    size_t count = mailbox_run(log->mailbox);
    write_batch(log);
    uint64_t dropped = atomic_exchange_explicit(&log->dropped, 0, memory_order_relaxed);
    if (dropped)
        LOG(LOG_WARNING, "protocol_log_dropped", LOG_U64("lines", dropped));
    return count;
}

static void thread_run(void *arg)
{
    struct protocol_log *log = arg;
    while (!atomic_load(&log->stopping)) {
        (void)drain(log);
        if (!mailbox_sleep_begin(log->mailbox))
            continue;
        struct pollfd p = {.fd = mailbox_fd(log->mailbox), .events = POLLIN};
        ASSERT(poll(&p, 1, -1) >= 0 || errno == EINTR);
        mailbox_sleep_end(log->mailbox);
        if (!atomic_load(&log->stopping))
            (void)poll(NULL, 0, GATHER_MS);
    }
    while (drain(log) > 0)
        continue;
}

enum err protocol_log_start(struct protocol_log *log, struct err_detail *why)
{
    if (faccessat(log->files.directory, ".", R_OK | W_OK | X_OK, AT_EACCESS) != 0)
        return err_set_errno(why, errno, "log.protocol_path: %s: cannot be written to", log->path);
    log->mailbox = mailbox_new();
    if (!log->mailbox)
        return err_set_errno(why, errno, "the protocol log has no descriptor");
    return thread_start(&log->thread, "protocol-log", thread_run, log, why);
}

static void wake_run(struct mailbox_item *item)
{
    mem_free(item);
}

void protocol_log_stop(struct protocol_log **log_at)
{
    struct protocol_log *log = *log_at;
    if (!log)
        return;
    if (log->thread.started) {
        atomic_store(&log->stopping, true);
        struct mailbox_item *wake = MEM_NEW(struct mailbox_item);
        wake->run = wake_run;
        mailbox_send(log->mailbox, wake);
        thread_join(&log->thread);
        (void)drain(log);
    }
    if (log->mailbox)
        mailbox_free(&log->mailbox);
    protocol_log_files_close(&log->files);
    close(log->files.directory);
    mem_free(log->path);
    mem_free(log->server);
    mem_free(log);
    *log_at = NULL;
}

/* --- A line: RFC 4180, but for what cannot be printed --- */

struct line {
    size_t len;
    char text[LINE_SIZE];
};

static void put(struct line *line, const char *text, size_t len)
{
    ASSERT(len <= sizeof line->text - line->len);
    memcpy(line->text + line->len, text, len);
    line->len += len;
}

static void put_field(struct line *line, struct bytes value, size_t max)
{
    char escaped[ESCAPED_SIZE];
    bytes_escape(bytes_sub(value, 0, max), escaped, sizeof escaped);
    size_t len = strlen(escaped);
    bool quoted = strpbrk(escaped, ",\"") != NULL;
    if (quoted)
        put(line, "\"", 1);
    for (size_t i = 0; i < len; i++)
        put(line, escaped[i] == '"' ? "\"\"" : &escaped[i], escaped[i] == '"' ? 2 : 1);
    if (value.len > max)
        put(line, "...", 3);
    if (quoted)
        put(line, "\"", 1);
}

static void format_line(const struct protocol_log *log, const struct protocol_log_line *from,
                        struct line *to)
{
    char date[CLOCK_RFC3339_SIZE], local[ENDPOINT_TEXT_SIZE], remote[ENDPOINT_TEXT_SIZE];
    char name[2 * CONNECTOR_MAX + 300], middle[200];
    to->len = 0;
    clock_rfc3339(clock_wall_ms(), date);
    put(to, date, strlen(date));
    put(to, ",", 1);
    snprintf(name, sizeof name, "%.255s\\" BYTES_FMT, log->server,
             BYTES_ARG(bytes_sub(from->connector, 0, CONNECTOR_MAX)));
    put_field(to, bytes_of(name), sizeof name);
    int len = snprintf(middle, sizeof middle, ",%016" PRIX64 ",%" PRIu64 ",%s,%s,%c,",
                       from->session_id, from->sequence, endpoint_format(from->local, local),
                       endpoint_format(from->remote, remote), from->event);
    put(to, middle, (size_t)len);
    put_field(to, from->data, DATA_MAX);
    put(to, ",", 1);
    put_field(to, from->context, 100);
    put(to, "\r\n", 2);
}

void protocol_log_write(struct protocol_log *log, const struct protocol_log_line *from)
{
    struct line line;
    format_line(log, from, &line);
    size_t size = sizeof(struct node) + line.len;
    size_t before = atomic_fetch_add_explicit(&log->waiting, size, memory_order_relaxed);
    if (before + size > WAITING_MAX) {
        atomic_fetch_sub_explicit(&log->waiting, size, memory_order_relaxed);
        atomic_fetch_add_explicit(&log->dropped, 1, memory_order_relaxed);
        return;
    }
    struct node *node = mem_alloc(size);
    node->item.run = node_run;
    node->log = log;
    node->len = line.len;
    memcpy(node->text, line.text, line.len);
    mailbox_send(log->mailbox, &node->item);
}
