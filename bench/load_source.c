/* mailrace-load source: closed loop. Each session sends the next message when the last one has been
 * answered; what is timed is a whole transaction, MAIL to the answer to the final dot.
 *
 * A session is a destination of its own to the courier that delivers for the relay as well: the
 * generator speaks with the client that is measured elsewhere.
 */
#include "load_source.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/rand.h"
#include "core/thread.h"
#include "net/courier.h"

#include "load_histogram.h"
#include "load_journal.h"
#include "load_text.h"

/* Between two tries while nobody is there: short, since a relay is back in a moment. */
enum { PERSIST_PAUSE_MS = 20 };

struct source {
    const struct source_args *args;
    struct mail_envelope envelope;
    struct load_text text;
    uint64_t run;
    int journal;                   /* -1: none */
    uint64_t until_ms;             /* then nothing more is begun */
    atomic_uint_fast64_t left;     /* messages that nobody has begun */
    atomic_uint_fast64_t next_seq; /* a message that is tried again is another one */
    const char *hosts[1];
};

struct source_thread {
    struct source *source;
    struct loop *loop;
    struct courier *courier;
    struct thread thread;
    unsigned first, count; /* of its sessions */
    unsigned under_way;    /* jobs */
    uint64_t begun, accepted, refused, failed;
    char first_failure[256];
    struct load_histogram latency;
};

struct source_job {
    struct courier_job job;
    struct source_thread *thread;
    struct courier_route route;
    struct arena arena;
    struct load_tag tag;
    struct timer timer;
    uint64_t started_ns;
    char key[32];
    char top[LOAD_TEXT_TOP_BYTES];
};

static bool read_text(struct smtp_client_message *m, uint64_t at, char *to, size_t len)
{
    struct courier_job *job = CONTAINER_OF(m, struct courier_job, message);
    struct source_job *j = CONTAINER_OF(job, struct source_job, job);
    load_text_read(&j->thread->source->text, j->top, j->tag.seq, at, to, len);
    return true;
}

static bool take_one(struct source *s)
{
    uint64_t left = atomic_load_explicit(&s->left, memory_order_relaxed);
    while (left && !atomic_compare_exchange_weak_explicit(
                       &s->left, &left, left - 1, memory_order_relaxed, memory_order_relaxed))
        continue;
    return left != 0;
}

static void job_end(struct source_job *j)
{
    struct source_thread *t = j->thread;
    if (--t->under_way == 0)
        loop_stop(t->loop);
}

/* One message, to which the job has a right. */
static void job_send(struct source_job *j)
{
    struct source_thread *t = j->thread;
    struct source *s = t->source;
    if (loop_now_ms(t->loop) >= s->until_ms) {
        job_end(j);
        return;
    }
    j->tag = (struct load_tag){
        .run = s->run,
        .seq = atomic_fetch_add_explicit(&s->next_seq, 1, memory_order_relaxed),
        .sent_us = load_wall_us(),
    };
    load_text_top(&s->text, &j->tag, j->top);
    arena_reset(&j->arena);
    j->job.results = ARENA_NEW_ARRAY(&j->arena, struct mail_status, s->envelope.rcpt_count);
    j->started_ns = clock_mono_ns();
    t->begun++;
    courier_deliver(t->courier, &j->job);
}

static void job_start(struct source_job *j)
{
    if (take_one(j->thread->source))
        job_send(j);
    else
        job_end(j);
}

static void on_pause_over(struct timer *t)
{
    job_send(CONTAINER_OF(t, struct source_job, timer));
}

static enum load_fate fate_of(const struct source_job *j)
{
    if (mail_status_ok(&j->job.results[0]))
        return LOAD_ACKNOWLEDGED;
    if (j->job.ambiguous)
        return LOAD_UNKNOWN;
    /* RFC 3463: X.4.X is the network. Either way it must not arrive. */
    return j->job.results[0].enhanced[1] == 4 ? LOAD_UNSENT : LOAD_REFUSED;
}

static void count_result(struct source_job *j)
{
    struct source_thread *t = j->thread;
    const struct mail_status *status = &j->job.results[0];
    if (mail_status_ok(status)) {
        t->accepted++;
        load_histogram_add(&t->latency, (clock_mono_ns() - j->started_ns) / 1000);
        return;
    }
    if (j->job.host_failed)
        t->failed++;
    else
        t->refused++;
    if (!t->first_failure[0])
        mail_status_format(status, t->first_failure, sizeof t->first_failure);
}

static void on_done(struct courier_job *job)
{
    struct source_job *j = CONTAINER_OF(job, struct source_job, job);
    struct source_thread *t = j->thread;
    load_journal_note(t->source->journal, fate_of(j), &j->tag);
    count_result(j);
    if (mail_status_ok(&job->results[0]) || !t->source->args->persist)
        job_start(j);
    else
        timer_set(loop_timers(t->loop), &j->timer, loop_now_ms(t->loop) + PERSIST_PAUSE_MS);
}

static void job_prepare(struct source_job *j, struct source_thread *t, unsigned session)
{
    const struct source_args *args = t->source->args;
    j->thread = t;
    arena_init(&j->arena, 1024);
    snprintf(j->key, sizeof j->key, "session:%u", session);
    j->route = (struct courier_route){
        .key = j->key,
        .connector = "source",
        .smart_hosts = t->source->hosts,
        .smart_host_count = 1,
        .port = args->to.port,
        .tls = SMTP_CLIENT_TLS_NEVER,
        .source = IPADDR_V4_ANY,
        .messages_max = args->reconnect ? 1 : SIZE_MAX,
        .connections_max = 1,
        .inactivity_timeout_ms = 600 * 1000,
    };
    j->job.route = &j->route;
    j->job.arena = &j->arena;
    j->job.on_done = on_done;
    j->job.message = (struct smtp_client_message){
        .envelope = &t->source->envelope,
        .octets = t->source->text.octets,
        .read = read_text,
    };
    j->timer.on_due = on_pause_over;
}

static void thread_run(void *arg)
{
    struct source_thread *t = arg;
    unsigned each = t->source->args->ahead ? 2 : 1;
    unsigned jobs = t->count * each;
    struct source_job *list = MEM_NEW_ARRAY(struct source_job, jobs);
    t->under_way = jobs;
    for (unsigned i = 0; i < jobs; i++)
        job_prepare(&list[i], t, t->first + i / each);
    for (unsigned i = 0; i < jobs; i++)
        job_start(&list[i]);
    loop_run(t->loop);
    while (!courier_drain(t->courier))
        loop_turn(t->loop, 100);
    courier_free(&t->courier);
    while (loop_turn(t->loop, 0))
        continue;
    for (unsigned i = 0; i < jobs; i++)
        arena_free(&list[i].arena);
    mem_free(list);
}

/* --- What is sent --- */

static void make_envelope(const struct source_args *args, struct arena *arena,
                          struct mail_envelope *out)
{
    struct bytes local = mail_local_part(bytes_of(args->rcpt));
    struct bytes domain = mail_domain(bytes_of(args->rcpt));
    out->sender = bytes_of(args->from);
    out->rcpts = ARENA_NEW_ARRAY(arena, struct mail_rcpt, args->rcpts);
    out->rcpt_count = args->rcpts;
    for (unsigned long i = 0; i < args->rcpts; i++)
        out->rcpts[i].address =
            args->rcpts == 1 ? bytes_of(args->rcpt)
                             : bytes_of(arena_printf(arena, BYTES_FMT "%lu@" BYTES_FMT,
                                                     BYTES_ARG(local), i + 1, BYTES_ARG(domain)));
}

/* --- Totals --- */

struct source_totals {
    uint64_t begun, accepted, refused, failed;
    double seconds, cpu_seconds;
    struct load_histogram latency;
    const char *first_failure;
};

static double cpu_seconds(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void print_totals(const struct source_totals *t, bool json)
{
    static const double percents[] = {50, 90, 99, 99.9};
    static const char *const names[] = {"p50", "p90", "p99", "p99.9"};
    double rate = t->seconds > 0 ? (double)t->accepted / t->seconds : 0;
    printf(
        json ? "{\"accepted\": %" PRIu64 ", \"refused\": %" PRIu64 ", \"failed\": %" PRIu64
               ", \"seconds\": %.3f, \"per_second\": %.1f, \"cpu_seconds\": %.3f, \"latency_us\": {"
             : "accepted %" PRIu64 ", refused %" PRIu64 ", failed %" PRIu64
               " in %.3f s: %.1f messages/s, own CPU %.3f s\nlatency us:",
        t->accepted, t->refused, t->failed, t->seconds, rate, t->cpu_seconds);
    for (size_t i = 0; i < ARRAY_SIZE(percents); i++)
        printf(json ? "\"%s\": %" PRIu64 ", " : " %s %" PRIu64, names[i],
               load_histogram_percentile(&t->latency, percents[i]));
    printf(json ? "\"max\": %" PRIu64 "}}\n" : " max %" PRIu64 "\n", t->latency.max_us);
    if (t->first_failure && !json)
        printf("first failure: %s\n", t->first_failure);
}

static void add_up(const struct source_thread *threads, unsigned long count,
                   struct source_totals *total)
{
    for (unsigned long i = 0; i < count; i++) {
        total->begun += threads[i].begun;
        total->accepted += threads[i].accepted;
        total->refused += threads[i].refused;
        total->failed += threads[i].failed;
        load_histogram_merge(&total->latency, &threads[i].latency);
        if (threads[i].first_failure[0])
            total->first_failure = threads[i].first_failure;
    }
}

static enum err thread_prepare(struct source_thread *t, struct source *s, unsigned long number,
                               struct err_detail *why)
{
    const struct source_args *args = s->args;
    static const struct dns_settings dns = {0};
    struct courier_settings settings = {
        .helo = "source.test",
        .dns = &dns,
        .timeouts = SMTP_CLIENT_TIMEOUTS_DEFAULT,
        .connect_timeout_ms = 30 * 1000,
        .idle_timeout_ms = 30 * 1000,
        .allow_special_targets = true,
    };
    t->source = s;
    t->first = (unsigned)(args->sessions * number / args->threads);
    t->count = (unsigned)(args->sessions * (number + 1) / args->threads) - t->first;
    enum err e = loop_new(&t->loop, why);
    return e == ERR_OK ? courier_new(t->loop, &settings, &t->courier, why) : e;
}

/* All that was wanted; or, when it was a time that ran out, all that was begun. */
static bool succeeded(const struct source_args *args, const struct source_totals *total)
{
    if (args->seconds == 0)
        return total->accepted == args->messages;
    return total->accepted > 0 && (args->persist || total->accepted == total->begun);
}

static int run(struct source *s)
{
    const struct source_args *args = s->args;
    struct err_detail why = {""};
    struct source_thread *threads = MEM_NEW_ARRAY(struct source_thread, args->threads);
    struct source_totals *total = MEM_NEW(struct source_totals);
    enum err e = ERR_OK;
    for (unsigned long i = 0; i < args->threads && e == ERR_OK; i++)
        e = thread_prepare(&threads[i], s, i, &why);
    uint64_t started_ns = clock_mono_ns();
    s->until_ms = args->seconds ? started_ns / 1000000 + args->seconds * 1000 : UINT64_MAX;
    for (unsigned long i = 0; i < args->threads && e == ERR_OK; i++)
        if (threads[i].count)
            e = thread_start(&threads[i].thread, "source", thread_run, &threads[i], &why);
    for (unsigned long i = 0; i < args->threads; i++)
        thread_join(&threads[i].thread);
    total->seconds = (double)(clock_mono_ns() - started_ns) / 1e9;
    total->cpu_seconds = cpu_seconds();
    add_up(threads, args->threads, total);
    if (e == ERR_OK)
        print_totals(total, args->json);
    else
        fprintf(stderr, "mailrace-load source: %s\n", why.text);
    bool ok = e == ERR_OK && succeeded(args, total);
    for (unsigned long i = 0; i < args->threads; i++) {
        courier_free(&threads[i].courier);
        loop_free(&threads[i].loop);
    }
    mem_free(threads);
    mem_free(total);
    return ok ? LOAD_DONE : LOAD_FAILED;
}

int source_run(const struct source_args *args)
{
    struct source source = {.args = args, .run = rand_u64(), .journal = -1};
    struct err_detail why;
    struct arena arena;
    char host[ENDPOINT_TEXT_SIZE], text[IPADDR_TEXT_SIZE];
    if (args->journal && load_journal_open(args->journal, &source.journal, &why) != ERR_OK) {
        fprintf(stderr, "mailrace-load source: %s\n", why.text);
        return LOAD_FAILED;
    }
    arena_init(&arena, 0);
    snprintf(host, sizeof host, "[%s]:%u", ipaddr_format(&args->to.addr, text), args->to.port);
    source.hosts[0] = host;
    load_text_init(&source.text, args->from, args->rcpt, args->length);
    atomic_init(&source.left, args->messages);
    make_envelope(args, &arena, &source.envelope);
    int exit_code = run(&source);
    load_text_free(&source.text);
    arena_free(&arena);
    if (source.journal >= 0)
        close(source.journal);
    return exit_code;
}
