/* mailrace-load source: closed loop, in which each session sends the next message when the last one
 * has been answered; or, with a rate, open loop, in which messages are started when they are meant
 * to be, whatever was answered, and one that finds no session free waits, its clock running. What
 * is timed is a whole transaction, intended start or MAIL to the answer to the final dot, and of it
 * the part from that dot on.
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

#include "load_journal.h"
#include "load_source_pace.h"
#include "load_source_totals.h"
#include "load_text.h"

/* Between two tries while nobody is there: short, since a relay is back in a moment. */
enum { PERSIST_PAUSE_MS = 20 };

struct source {
    const struct source_args *args;
    struct mail_envelope envelope;
    struct load_text text;
    uint64_t run;
    int journal; /* -1: none */
    uint64_t start_ns;
    uint64_t until_ns;             /* then nothing more is begun */
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
    struct source_counts counts;
    char first_failure[256];
    struct source_pace pace; /* open loop; and the sessions that wait for a message's time, */
    struct source_job *idle; /* first the one that has waited longest: all take their turn */
    struct source_job **idle_end;
    bool over; /* open loop: no more messages */
};

struct source_job {
    struct courier_job job;
    struct source_thread *thread;
    struct courier_route route;
    struct arena arena;
    struct load_tag tag;
    struct timer timer;
    struct source_job *next_idle;
    uint64_t started_ns; /* open loop: when it was meant to start */
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
    uint64_t now_ns = clock_mono_ns();
    if (now_ns >= s->until_ns) {
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
    if (s->args->rate == 0)
        j->started_ns = now_ns;
    t->counts.begun++;
    courier_deliver(t->courier, &j->job);
}

/* --- Open loop --- */

static void idle_push(struct source_thread *t, struct source_job *j)
{
    j->next_idle = NULL;
    if (!t->idle)
        t->idle_end = &t->idle;
    *t->idle_end = j;
    t->idle_end = &j->next_idle;
}

static struct source_job *idle_pop(struct source_thread *t)
{
    struct source_job *j = t->idle;
    t->idle = j->next_idle;
    return j;
}

static void pace_end(struct source_thread *t, bool time_over)
{
    t->over = true;
    for (; time_over && t->pace.due_ns < t->source->until_ns; source_pace_advance(&t->pace))
        t->counts.unstarted++;
}

/* Begins every message whose time has come while a session is there for it. WAITED: none was until
 * one came free just now, so that the first message to begin, whose time had passed, is late. */
static void pace_run(struct source_thread *t, bool waited)
{
    struct source *s = t->source;
    while (t->idle) {
        uint64_t now_ns = clock_mono_ns();
        if (!t->over && (t->pace.due_ns >= s->until_ns || now_ns >= s->until_ns))
            pace_end(t, true);
        if (!t->over && t->pace.due_ns > now_ns) {
            source_pace_wait(&t->pace);
            return;
        }
        if (!t->over && !take_one(s))
            pace_end(t, false);
        struct source_job *j = idle_pop(t);
        if (t->over) {
            job_end(j);
            continue;
        }
        j->started_ns = t->pace.due_ns;
        source_pace_advance(&t->pace);
        t->counts.late += waited;
        waited = false;
        job_send(j);
    }
}

static void on_pace_due(struct source_pace *p)
{
    pace_run(CONTAINER_OF(p, struct source_thread, pace), false);
}

/* --- What a session does next --- */

static void job_start(struct source_job *j)
{
    struct source_thread *t = j->thread;
    if (t->source->args->rate > 0) {
        bool waited = !t->idle;
        idle_push(t, j);
        pace_run(t, waited);
    } else if (take_one(t->source)) {
        job_send(j);
    } else {
        job_end(j);
    }
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
        uint64_t now_ns = clock_mono_ns();
        t->counts.accepted++;
        load_histogram_add(&t->counts.latency, (now_ns - j->started_ns) / 1000);
        load_histogram_add(&t->counts.ack, (now_ns - j->job.message.dot_at_ns) / 1000);
        return;
    }
    if (j->job.host_failed)
        t->counts.failed++;
    else
        t->counts.refused++;
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
        .timed = true,
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
    if (t->source->args->rate > 0)
        source_pace_start(&t->pace, t->source->start_ns,
                          (double)t->first / (double)t->source->args->sessions);
    for (unsigned i = 0; i < jobs; i++)
        if (t->source->args->rate > 0)
            idle_push(t, &list[i]);
        else
            job_start(&list[i]);
    pace_run(t, false);
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

static double cpu_seconds(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void add_up(const struct source_thread *threads, unsigned long count,
                   struct source_totals *total)
{
    for (unsigned long i = 0; i < count; i++) {
        source_counts_merge(&total->counts, &threads[i].counts);
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
    if (e == ERR_OK)
        e = courier_new(t->loop, &settings, &t->courier, why);
    if (e == ERR_OK && args->rate > 0 && t->count) {
        double share = (double)t->count / (double)args->sessions;
        t->pace.on_due = on_pace_due;
        e = source_pace_init(&t->pace, t->loop, (double)args->rate * share, args->poisson, why);
    }
    return e;
}

/* All that was wanted; or, when it was a time that ran out, all that was begun. */
static bool succeeded(const struct source_args *args, const struct source_counts *counts)
{
    if (args->seconds == 0)
        return counts->accepted == args->messages;
    return counts->accepted > 0 && (args->persist || counts->accepted == counts->begun);
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
    s->start_ns = clock_mono_ns();
    s->until_ns = args->seconds ? s->start_ns + args->seconds * 1000000000u : UINT64_MAX;
    for (unsigned long i = 0; i < args->threads && e == ERR_OK; i++)
        if (threads[i].count)
            e = thread_start(&threads[i].thread, "source", thread_run, &threads[i], &why);
    for (unsigned long i = 0; i < args->threads; i++)
        thread_join(&threads[i].thread);
    total->seconds = (double)(clock_mono_ns() - s->start_ns) / 1e9;
    total->cpu_seconds = cpu_seconds();
    total->open_loop = args->rate > 0;
    add_up(threads, args->threads, total);
    if (e == ERR_OK)
        source_totals_print(total, args->json);
    else
        fprintf(stderr, "mailrace-load source: %s\n", why.text);
    bool ok = e == ERR_OK && succeeded(args, &total->counts);
    for (unsigned long i = 0; i < args->threads; i++) {
        courier_free(&threads[i].courier);
        source_pace_free(&threads[i].pace);
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
