/* The log: its level, its line, and where it goes. */
#include "core/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log_private.h"
#include "core/mailbox.h"
#include "core/mem.h"
#include "core/thread.h"

#define LOG_WAITING_MAX  (4u * 1024 * 1024)
#define LOG_BATCH_BYTES  (64u * 1024)
#define LOG_STOP_WAIT_MS 5000 /* for a pipe that is not read, at the end */
#define LOG_POLL_MS      100
#define LOG_GATHER_MS    5 /* bounds wake-ups and writes a second, whatever the rate of lines */

/* A formatted line on its way to the log's thread. */
struct log_node {
    struct mailbox_item item;
    size_t len;
    char text[];
};

static struct {
    _Atomic int level;
    _Atomic int format;
    atomic_int fd;
    atomic_bool threaded;
    atomic_bool stopping;
    _Atomic uint64_t stop_at_ms;
    _Atomic size_t waiting_bytes;
    _Atomic uint64_t dropped;
    /* Never freed, so that a line that comes while we stop finds a place to go. */
    struct mailbox *mailbox;
    struct thread thread;
    /* The log's thread only. */
    char *batch;
    size_t batch_len;
    size_t batch_lines;
} log_state = {.level = LOG_INFO, .fd = STDERR_FILENO};

void log_configure(const struct log_settings *settings)
{
    atomic_store_explicit(&log_state.level, (int)settings->level, memory_order_relaxed);
    atomic_store_explicit(&log_state.format, (int)settings->format, memory_order_relaxed);
}

bool log_enabled(enum log_level level)
{
    return (int)level <= atomic_load_explicit(&log_state.level, memory_order_relaxed);
}

void log_redirect(int fd)
{
    atomic_store(&log_state.fd, fd);
}

static bool log_gave_up(void)
{
    return atomic_load(&log_state.stopping) &&
           clock_mono_ms() >= atomic_load(&log_state.stop_at_ms);
}

/* Waits for room; false when it is not to come before we must end. */
static bool log_wait_writable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    for (;;) {
        int n = poll(&p, 1, LOG_POLL_MS);
        if (n > 0)
            return true;
        if ((n < 0 && errno != EINTR) || log_gave_up())
            return false;
    }
}

/* All of it, waiting for room where the other end is slow. A pipe that reports room takes
 * PIPE_BUF bytes without blocking (pipe(7)), which keeps the deadline of log_stop() true. */
static bool log_write_all(int fd, struct bytes text, bool wait)
{
    struct stat st;
    bool known = fstat(fd, &st) == 0;
    bool is_pipe = known && S_ISFIFO(st.st_mode), is_socket = known && S_ISSOCK(st.st_mode);
    while (text.len > 0) {
        if (wait && (is_pipe || is_socket) && !log_wait_writable(fd))
            return false;
        size_t len = wait && is_pipe && text.len > PIPE_BUF ? PIPE_BUF : text.len;
        ssize_t n = is_socket ? send(fd, text.ptr, len, MSG_NOSIGNAL | (wait ? MSG_DONTWAIT : 0))
                              : write(fd, text.ptr, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN && log_wait_writable(fd))
            continue;
        if (n < 0)
            return false;
        text = bytes_from(text, (size_t)n);
    }
    return true;
}

static void log_write_batch(void)
{
    struct bytes text = bytes_make(log_state.batch, log_state.batch_len);
    if (!log_write_all(atomic_load(&log_state.fd), text, true))
        atomic_fetch_add(&log_state.dropped, log_state.batch_lines);
    log_state.batch_len = 0;
    log_state.batch_lines = 0;
}

static void log_batch_line(struct bytes line)
{
    if (line.len > LOG_BATCH_BYTES - log_state.batch_len)
        log_write_batch();
    memcpy(log_state.batch + log_state.batch_len, line.ptr, line.len);
    log_state.batch_len += line.len;
    log_state.batch_lines++;
}

/* On the log's thread. */
static void log_node_run(struct mailbox_item *item)
{
    struct log_node *node = CONTAINER_OF(item, struct log_node, item);
    log_batch_line(bytes_make(node->text, node->len));
    atomic_fetch_sub_explicit(&log_state.waiting_bytes, sizeof *node + node->len,
                              memory_order_relaxed);
    mem_free(node);
}

static size_t log_make_line(enum log_level level, const char *event, const struct log_field *fields,
                            size_t count, char to[LOG_LINE_MAX])
{
    struct log_line line = {
        .format = (enum log_format)atomic_load_explicit(&log_state.format, memory_order_relaxed),
        .level = level,
        .wall_ms = clock_wall_ms(),
        .event = event,
        .fields = fields,
        .count = count,
    };
    return log_format_line(&line, to);
}

static void log_report_dropped(void)
{
    if (atomic_load_explicit(&log_state.dropped, memory_order_relaxed) == 0)
        return;
    char text[LOG_LINE_MAX];
    struct log_field lines = LOG_U64("lines", atomic_exchange(&log_state.dropped, 0));
    size_t len = log_make_line(LOG_WARNING, "log_dropped", &lines, 1, text);
    log_batch_line(bytes_make(text, len));
}

static void log_send(const char *text, size_t len)
{
    size_t size = sizeof(struct log_node) + len;
    size_t before = atomic_fetch_add_explicit(&log_state.waiting_bytes, size, memory_order_relaxed);
    if (before + size > LOG_WAITING_MAX) {
        atomic_fetch_sub_explicit(&log_state.waiting_bytes, size, memory_order_relaxed);
        atomic_fetch_add_explicit(&log_state.dropped, 1, memory_order_relaxed);
        return;
    }
    struct log_node *node = mem_alloc(size);
    node->item.run = log_node_run;
    node->len = len;
    memcpy(node->text, text, len);
    mailbox_send(log_state.mailbox, &node->item);
}

void log_event(enum log_level level, const char *event, const struct log_field *fields,
               size_t count)
{
    if (log_enabled(level))
        log_event_always(level, event, fields, count);
}

void log_event_always(enum log_level level, const char *event, const struct log_field *fields,
                      size_t count)
{
    char text[LOG_LINE_MAX];
    size_t len = log_make_line(level, event, fields, count, text);
    if (atomic_load_explicit(&log_state.threaded, memory_order_acquire))
        log_send(text, len);
    else if (!log_write_all(atomic_load(&log_state.fd), bytes_make(text, len), false))
        atomic_fetch_add_explicit(&log_state.dropped, 1, memory_order_relaxed);
}

/* What has come since the last write goes out in the next one: the slower the disk or the pipe,
 * the larger the batches. */
static size_t log_drain(void)
{
    size_t count = mailbox_run(log_state.mailbox);
    log_report_dropped();
    if (log_state.batch_len > 0)
        log_write_batch();
    return count;
}

static void log_thread_run(void *arg)
{
    (void)arg;
    while (!atomic_load(&log_state.stopping)) {
        (void)log_drain();
        if (!mailbox_sleep_begin(log_state.mailbox))
            continue;
        struct pollfd p = {.fd = mailbox_fd(log_state.mailbox), .events = POLLIN};
        ASSERT(poll(&p, 1, -1) >= 0 || errno == EINTR);
        mailbox_sleep_end(log_state.mailbox);
        (void)poll(NULL, 0, LOG_GATHER_MS);
    }
    while (log_drain() > 0)
        continue;
}

enum err log_start(struct err_detail *why)
{
    ASSERT(!atomic_load(&log_state.threaded));
    if (!log_state.mailbox)
        log_state.mailbox = mailbox_new();
    log_state.batch = mem_alloc(LOG_BATCH_BYTES);
    atomic_store(&log_state.stopping, false);
    enum err e = thread_start(&log_state.thread, "log", log_thread_run, NULL, why);
    if (e != ERR_OK) {
        mem_free(log_state.batch);
        log_state.batch = NULL;
        return e;
    }
    atomic_store_explicit(&log_state.threaded, true, memory_order_release);
    return ERR_OK;
}

static void log_wake_run(struct mailbox_item *item)
{
    mem_free(item);
}

void log_stop(void)
{
    if (!atomic_exchange(&log_state.threaded, false))
        return;
    atomic_store(&log_state.stop_at_ms, clock_mono_ms() + LOG_STOP_WAIT_MS);
    atomic_store(&log_state.stopping, true);
    struct mailbox_item *wake = MEM_NEW(struct mailbox_item);
    wake->run = log_wake_run;
    mailbox_send(log_state.mailbox, wake);
    thread_join(&log_state.thread);
    /* Lines of senders that saw the thread still running. */
    while (log_drain() > 0)
        continue;
    mem_free(log_state.batch);
    log_state.batch = NULL;
}
