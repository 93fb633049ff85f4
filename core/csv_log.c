/* A log of CSV lines: gathered by any thread, written by one of its own. */
#include "core/csv_log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/csv_log_private.h"
#include "core/log.h"
#include "core/mailbox.h"
#include "core/mem.h"
#include "core/thread.h"

#define WAITING_MAX  (4u << 20)
#define BATCH_OCTETS (64u * 1024)
#define GATHER_MS    20 /* bounds writes a second, whatever the rate of lines */

struct csv_log {
    struct mailbox *mailbox;
    struct thread thread;
    char name[16]; /* of the thread */
    atomic_bool stopping;
    _Atomic size_t waiting;
    _Atomic uint64_t dropped;
    /* The log's thread only. */
    struct csv_log_files files;
    bool failing;
    uint64_t retry_at_ms, tell_at_ms, tidy_at_ms;
    size_t batch_len, batch_lines;
    char batch[BATCH_OCTETS];
};

/* A line on its way. */
struct line_node {
    struct mailbox_item item;
    struct csv_log *log;
    size_t len;
    char text[];
};

struct limit_node {
    struct mailbox_item item;
    struct csv_log *log;
    struct csv_log_limits limits;
};

enum err csv_log_new(const struct csv_log_settings *settings, int directory, struct csv_log **out,
                     struct err_detail *why)
{
    struct mailbox *mailbox = mailbox_new();
    if (!mailbox) {
        enum err e = err_set_errno(why, errno, "the %s log has no descriptor", settings->prefix);
        close(directory);
        return e;
    }
    struct csv_log *log = MEM_NEW(struct csv_log);
    log->mailbox = mailbox;
    log->files.settings = *settings;
    log->files.directory = directory;
    log->files.fd = -1;
    *out = log;
    return ERR_OK;
}

/* --- The log's thread --- */

static void begin_failing(struct csv_log *log, int failed)
{
    const struct csv_log_settings *s = &log->files.settings;
    if (!log->failing)
        LOG(LOG_ERROR, "csv_log_failed", LOG_STR("log", s->prefix), LOG_STR("path", s->path),
            LOG_STR("reason", strerror(failed)),
            LOG_STR("effect", "its lines are dropped until it can be written again"));
    log->failing = true;
    log->retry_at_ms = clock_mono_ms() + CSV_LOG_RETRY_MS;
}

/* Of a batch that failed halfway all lines count as dropped. */
static void write_batch(struct csv_log *log)
{
    struct bytes text = bytes_make(log->batch, log->batch_len);
    bool wait = log->failing && clock_mono_ms() < log->retry_at_ms;
    if (text.len == 0)
        return;
    if (!wait && csv_log_files_write(&log->files, text, clock_wall_ms())) {
        log->failing = false;
    } else {
        int failed = errno;
        if (!wait)
            begin_failing(log, failed);
        atomic_fetch_add_explicit(&log->dropped, log->batch_lines, memory_order_relaxed);
    }
    log->batch_len = log->batch_lines = 0;
}

static void line_run(struct mailbox_item *item)
{
    struct line_node *node = CONTAINER_OF(item, struct line_node, item);
    struct csv_log *log = node->log;
    if (node->len > BATCH_OCTETS - log->batch_len)
        write_batch(log);
    memcpy(log->batch + log->batch_len, node->text, node->len);
    log->batch_len += node->len;
    log->batch_lines++;
    atomic_fetch_sub_explicit(&log->waiting, sizeof *node + node->len, memory_order_relaxed);
    mem_free(node);
}

static void limit_run(struct mailbox_item *item)
{
    struct limit_node *node = CONTAINER_OF(item, struct limit_node, item);
    node->log->files.settings.limits = node->limits;
    mem_free(node);
}

static void tell_dropped(struct csv_log *log, bool last)
{
    uint64_t now_ms = clock_mono_ms();
    if (!last && (log->failing || now_ms < log->tell_at_ms))
        return;
    uint64_t dropped = atomic_exchange_explicit(&log->dropped, 0, memory_order_relaxed);
    if (dropped == 0)
        return;
    log->tell_at_ms = now_ms + CSV_LOG_TELL_MS;
    LOG(LOG_WARNING, "csv_log_dropped", LOG_STR("log", log->files.settings.prefix),
        LOG_U64("lines", dropped));
}

static size_t take(struct csv_log *log)
{
    size_t count = mailbox_run(log->mailbox);
    write_batch(log);
    tell_dropped(log, false);
    return count;
}

size_t csv_log_drain(struct csv_log *log)
{
    size_t count = take(log);
    if (clock_mono_ms() >= log->tidy_at_ms) {
        csv_log_files_tidy(&log->files, clock_wall_ms());
        log->tidy_at_ms = clock_mono_ms() + CSV_LOG_TIDY_MS;
    }
    return count;
}

/* Until there is a line, or the files want looking after. */
static void wait_for_work(struct csv_log *log)
{
    uint64_t now_ms = clock_mono_ms();
    uint64_t wait_ms = log->tidy_at_ms > now_ms ? log->tidy_at_ms - now_ms : 0;
    struct pollfd p = {.fd = mailbox_fd(log->mailbox), .events = POLLIN};
    ASSERT(poll(&p, 1, (int)wait_ms) >= 0 || errno == EINTR);
}

static void thread_run(void *arg)
{
    struct csv_log *log = arg;
    while (!atomic_load(&log->stopping)) {
        (void)csv_log_drain(log);
        if (!mailbox_sleep_begin(log->mailbox))
            continue;
        wait_for_work(log);
        mailbox_sleep_end(log->mailbox);
        if (!atomic_load(&log->stopping))
            (void)poll(NULL, 0, GATHER_MS);
    }
    while (csv_log_drain(log) > 0)
        continue;
}

enum err csv_log_start(struct csv_log *log, struct err_detail *why)
{
    const struct csv_log_settings *s = &log->files.settings;
    if (faccessat(log->files.directory, ".", R_OK | W_OK | X_OK, AT_EACCESS) != 0)
        return err_set_errno(why, errno, "%s: cannot be written to", s->path);
    size_t len = strnlen(s->prefix, sizeof log->name - sizeof "-log");
    memcpy(log->name, s->prefix, len);
    memcpy(log->name + len, "-log", sizeof "-log");
    for (size_t i = 0; i < len; i++)
        log->name[i] = bytes_lower(log->name[i]);
    return thread_start(&log->thread, log->name, thread_run, log, why);
}

static void wake_run(struct mailbox_item *item)
{
    mem_free(item);
}

void csv_log_free(struct csv_log **log_at)
{
    struct csv_log *log = *log_at;
    if (!log)
        return;
    if (log->thread.started) {
        atomic_store(&log->stopping, true);
        struct mailbox_item *wake = MEM_NEW(struct mailbox_item);
        wake->run = wake_run;
        mailbox_send(log->mailbox, wake);
        thread_join(&log->thread);
    }
    while (take(log) > 0)
        continue;
    tell_dropped(log, true);
    mailbox_free(&log->mailbox);
    csv_log_files_close(&log->files);
    close(log->files.directory);
    mem_free(log);
    *log_at = NULL;
}

/* --- Other threads --- */

void csv_log_write(struct csv_log *log, struct bytes line)
{
    size_t size = sizeof(struct line_node) + line.len;
    size_t before = atomic_fetch_add_explicit(&log->waiting, size, memory_order_relaxed);
    ASSERT(line.len <= BATCH_OCTETS);
    if (before + size > WAITING_MAX) {
        atomic_fetch_sub_explicit(&log->waiting, size, memory_order_relaxed);
        atomic_fetch_add_explicit(&log->dropped, 1, memory_order_relaxed);
        return;
    }
    struct line_node *node = mem_alloc(size);
    node->item.run = line_run;
    node->log = log;
    node->len = line.len;
    memcpy(node->text, line.ptr, line.len);
    mailbox_send(log->mailbox, &node->item);
}

void csv_log_limit(struct csv_log *log, const struct csv_log_limits *limits)
{
    struct limit_node *node = MEM_NEW(struct limit_node);
    node->item.run = limit_run;
    node->log = log;
    node->limits = *limits;
    mailbox_send(log->mailbox, &node->item);
}
