/* One measurement: starts the threads, prints a line a second, waits for the end. */
#include "bench/load_source_measure.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"

#include "bench/load.h"
#include "bench/load_source_thread.h"

/* --- A line a second --- */

struct progress {
    const struct source_thread *threads;
    unsigned long thread_count;
    struct source_counts *now, *before;
    uint64_t next_ns, begun_ns;
    bool wanted, headed;
};

enum { SECOND_NS = 1000000000 };

static void progress_print(struct progress *p, uint64_t at_ns)
{
    struct load_histogram *last = MEM_NEW(struct load_histogram);
    struct source_counts *now = p->now, *before = p->before;
    *now = (struct source_counts){0};
    for (unsigned long i = 0; i < p->thread_count; i++)
        source_thread_add(&p->threads[i], now);
    load_histogram_since(&now->latency, &before->latency, last);
    if (!p->headed)
        fprintf(stderr, "%7s %12s %9s %9s %9s %9s %9s\n", "s", "messages/s", "p50 ms", "p99 ms",
                "max ms", "refused", "failed");
    p->headed = true;
    fprintf(stderr, "%7.0f %12" PRIu64 " %9.3f %9.3f %9.3f %9" PRIu64 " %9" PRIu64 "\n",
            (double)(at_ns - p->begun_ns) / 1e9, now->accepted - before->accepted,
            (double)load_histogram_percentile(last, 50) / 1000.0,
            (double)load_histogram_percentile(last, 99) / 1000.0, (double)last->max_us / 1000.0,
            now->refused - before->refused, now->failed - before->failed);
    p->now = before;
    p->before = now;
    mem_free(last);
}

/* Milliseconds until the next line is due; one that is due is printed. */
static int progress_wait_ms(struct progress *p)
{
    uint64_t now_ns = clock_mono_ns();
    if (!p->wanted)
        return -1;
    if (now_ns >= p->next_ns) {
        progress_print(p, p->next_ns);
        while (p->next_ns <= now_ns)
            p->next_ns += SECOND_NS;
    }
    return (int)((p->next_ns - now_ns) / 1000000 + 1);
}

/* --- Waiting for the end --- */

static void signals_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
}

/* Nothing more is begun; the next signal does what it does without us. */
static void interrupt(struct source *s, int signals)
{
    struct signalfd_siginfo info;
    sigset_t set;
    if (read(signals, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    atomic_store(&s->until_ns, clock_mono_ns());
    signals_set(&set);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* True if a signal came first. */
static bool wait_for_threads(struct source *s, struct progress *p, int signals)
{
    struct pollfd list[] = {{.fd = s->ended, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    bool interrupted = false;
    uint64_t count;
    while (atomic_load(&s->running) > 0) {
        int n = poll(list, 2, progress_wait_ms(p));
        if (n > 0 && list[0].revents && read(s->ended, &count, sizeof count) < 0 && errno != EINTR)
            break;
        if (n > 0 && list[1].revents) {
            interrupt(s, signals);
            interrupted = true;
            list[1].fd = -1;
        }
    }
    return interrupted;
}

/* --- One measurement --- */

static enum err threads_start(struct source *s, struct source_thread *threads,
                              struct err_detail *why)
{
    unsigned long count = s->args->threads;
    enum err e = ERR_OK;
    for (unsigned long i = 0; i < count && e == ERR_OK; i++)
        e = source_thread_prepare(&threads[i], s, i, why);
    s->start_ns = clock_mono_ns();
    s->start_cpu_seconds = source_cpu_seconds();
    atomic_store(&s->until_ns,
                 s->seconds && s->rate == 0 ? s->start_ns + s->seconds * SECOND_NS : UINT64_MAX);
    atomic_store(&s->left, s->messages);
    atomic_store(&s->running, (unsigned)count);
    for (unsigned long i = 0; i < count && e == ERR_OK; i++) {
        e = thread_start(&threads[i].thread, "source", source_thread_run, &threads[i], why);
        if (e != ERR_OK) { /* those that run may wait for this one */
            fprintf(stderr, "mailrace-load source: %s\n", why->text);
            exit(LOAD_FAILED);
        }
    }
    return e;
}

static void add_up(const struct source *s, const struct source_thread *threads,
                   struct source_totals *total)
{
    uint64_t last_ns = s->start_ns;
    total->cpu_seconds = source_cpu_seconds() - s->start_cpu_seconds;
    total->open_loop = s->rate > 0;
    for (unsigned long i = 0; i < s->args->threads; i++) {
        source_thread_add(&threads[i], &total->counts);
        if (threads[i].last_ns > last_ns)
            last_ns = threads[i].last_ns;
        if (threads[i].first_failure[0])
            memcpy(total->first_failure, threads[i].first_failure, sizeof total->first_failure);
    }
    total->seconds = (double)(last_ns - s->start_ns) / 1e9;
}

static enum err measure(struct source *s, struct source_totals *total, bool *interrupted,
                        struct err_detail *why)
{
    struct source_thread *threads = MEM_NEW_ARRAY(struct source_thread, s->args->threads);
    struct progress progress = {
        .threads = threads,
        .thread_count = s->args->threads,
        .now = MEM_NEW(struct source_counts),
        .before = MEM_NEW(struct source_counts),
        .begun_ns = clock_mono_ns(),
        .wanted = s->args->progress,
    };
    sigset_t set;
    signals_set(&set);
    int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    progress.next_ns = progress.begun_ns + SECOND_NS;
    enum err e = signals < 0 ? err_set_errno(why, errno, "cannot watch signals")
                             : threads_start(s, threads, why);
    if (e == ERR_OK)
        *interrupted = wait_for_threads(s, &progress, signals);
    for (unsigned long i = 0; i < s->args->threads; i++)
        thread_join(&threads[i].thread);
    add_up(s, threads, total);
    for (unsigned long i = 0; i < s->args->threads; i++)
        source_thread_free(&threads[i]);
    if (signals >= 0)
        close(signals);
    mem_free(progress.now);
    mem_free(progress.before);
    mem_free(threads);
    return e;
}

enum err source_measure(struct source *s, struct source_totals *total, bool *interrupted,
                        struct err_detail *why)
{
    *interrupted = false;
    s->ended = eventfd(0, EFD_CLOEXEC);
    if (s->ended < 0)
        return err_set_errno(why, errno, "cannot make an eventfd");
    int e = pthread_barrier_init(&s->warm, NULL, (unsigned)s->args->threads);
    ASSERT(e == 0);
    enum err result = measure(s, total, interrupted, why);
    (void)pthread_barrier_destroy(&s->warm);
    close(s->ended);
    return result;
}
