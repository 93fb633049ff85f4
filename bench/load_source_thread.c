/* One thread of the source: its sessions, and when each sends what. Closed loop, in which a session
 * sends the next message when the last one has been answered; or, with a rate, open loop, in which
 * messages are started when they are meant to be, whatever was answered, and one that finds no
 * session free waits, its clock running. What is timed is a whole transaction, intended start or
 * MAIL to the answer to the final dot; and each phase of it.
 */
#include "bench/load_source_thread.h"

#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/rand.h"

/* Before the next try after one that went wrong: short, since a relay is back in a moment. */
enum { PAUSE_MS = 20 };

static bool take_one(struct source *s)
{
    uint64_t left = atomic_load_explicit(&s->left, memory_order_relaxed);
    while (left && !atomic_compare_exchange_weak_explicit(
                       &s->left, &left, left - 1, memory_order_relaxed, memory_order_relaxed))
        continue;
    return left != 0;
}

static uint64_t until_ns(const struct source *s)
{
    return atomic_load_explicit(&s->until_ns, memory_order_relaxed);
}

static void session_end(struct source_session *s)
{
    load_client_end(&s->client);
}

/* One message, to which the session has a right. */
static struct load_client_message *message_make(struct source_session *session, uint64_t started_ns)
{
    struct source_thread *t = session->thread;
    struct source *s = t->source;
    struct source_message *m = &session->messages[session->messages[0].busy];
    ASSERT(!m->busy);
    m->busy = true;
    m->started_ns = started_ns;
    m->tag = (struct load_tag){
        .run = s->run,
        .seq = atomic_fetch_add_explicit(&s->next_seq, 1, memory_order_relaxed),
        .sent_us = load_wall_us(),
    };
    source_text_make(&s->text, &m->tag, m->top, &m->wire);
    load_count(&t->counts.begun, 1);
    return &m->wire;
}

/* --- Open loop --- */

static void pace_end(struct source_thread *t, bool time_over)
{
    t->over = true;
    for (; time_over && t->pace.due_ns < until_ns(t->source); source_pace_advance(&t->pace))
        load_count(&t->counts.unstarted, 1);
}

/* The next message is begun at NOW_NS: was it late, and was that our fault? */
static void count_lateness(struct source_thread *t, uint64_t now_ns, bool waited)
{
    if (waited)
        load_count(&t->counts.waited, 1);
    else if (now_ns - t->pace.due_ns > SOURCE_LATE_US * 1000u)
        load_count(&t->counts.generator_late, 1);
}

/* Begins every message that is due while a session is there for it. WAITED: none was until
 * one came free just now, so that the first message to begin, with its time passed, waited. */
static void pace_run(struct source_thread *t, bool waited)
{
    struct source *s = t->source;
    struct source_session *session;
    while ((session = LIST_FIRST(&t->idle, struct source_session, idle))) {
        uint64_t now_ns = clock_mono_ns();
        if (!t->over && (t->pace.due_ns >= until_ns(s) || now_ns >= until_ns(s)))
            pace_end(t, true);
        if (!t->over && t->pace.due_ns > now_ns) {
            source_pace_wait(&t->pace);
            return;
        }
        if (!t->over && !take_one(s))
            pace_end(t, false);
        list_remove(&session->idle);
        if (t->over) {
            session_end(session);
            continue;
        }
        uint64_t due_ns = t->pace.due_ns;
        count_lateness(t, now_ns, waited);
        source_pace_advance(&t->pace);
        waited = false;
        load_client_send(&session->client, message_make(session, due_ns));
    }
}

static void on_pace_due(struct source_pace *p)
{
    pace_run(CONTAINER_OF(p, struct source_thread, pace), false);
}

/* --- What a session does next --- */

/* Closed loop: NULL when there is no more to send. */
static struct load_client_message *next_message(struct source_session *session)
{
    struct source *s = session->thread->source;
    uint64_t now_ns = clock_mono_ns();
    return now_ns < until_ns(s) && take_one(s) ? message_make(session, now_ns) : NULL;
}

static void session_go(struct source_session *s)
{
    struct source_thread *t = s->thread;
    if (t->source->rate > 0) {
        bool waited = list_empty(&t->idle);
        list_add(&t->idle, &s->idle);
        pace_run(t, waited);
        return;
    }
    struct load_client_message *m = next_message(s);
    if (m)
        load_client_send(&s->client, m);
    else
        session_end(s);
}

static void on_pause_over(struct timer *timer)
{
    session_go(CONTAINER_OF(timer, struct source_session, pause));
}

static struct source_session *session_of(struct load_client *c)
{
    return CONTAINER_OF(c, struct source_session, client);
}

static void on_free(struct load_client *c)
{
    struct source_session *s = session_of(c);
    struct source_thread *t = s->thread;
    if (t->cold > 0) {
        list_add(&t->idle, &s->idle);
        if (--t->cold == 0)
            loop_stop(t->loop);
    } else if (s->pauses) {
        s->pauses = false;
        timer_set(loop_timers(t->loop), &s->pause, loop_now_ms(t->loop) + PAUSE_MS);
    } else {
        session_go(s);
    }
}

static struct load_client_message *on_next(struct load_client *c)
{
    return next_message(session_of(c));
}

static void keep_first_failure(struct source_thread *t, const struct mail_status *status)
{
    if (!t->first_failure[0])
        mail_status_format(status, t->first_failure, sizeof t->first_failure);
}

static void count_result(struct source_thread *t, const struct source_message *m,
                         const struct load_client_result *r)
{
    t->last_ns = clock_mono_ns();
    if (r->fate == LOAD_ACKNOWLEDGED) {
        load_count(&t->counts.accepted, 1);
        load_count(&t->counts.rcpts_refused, r->rcpts_refused);
        load_histogram_add(&t->counts.latency, (t->last_ns - m->started_ns) / 1000);
    } else {
        load_count(r->lost ? &t->counts.failed : &t->counts.refused, 1);
    }
    if (r->fate != LOAD_ACKNOWLEDGED || r->rcpts_refused > 0)
        keep_first_failure(t, r->status);
}

static void on_done(struct load_client *c, struct load_client_message *wire,
                    const struct load_client_result *result)
{
    struct source_session *s = session_of(c);
    struct source *source = s->thread->source;
    struct source_message *m = CONTAINER_OF(wire, struct source_message, wire);
    load_journal_note(source->journal, result->fate, &m->tag);
    count_result(s->thread, m, result);
    m->busy = false;
    s->pauses |= result->lost;
    if (source->args->persist && result->fate != LOAD_ACKNOWLEDGED) {
        s->pauses = true;
        atomic_fetch_add_explicit(&source->left, 1, memory_order_relaxed);
    }
}

static void on_failure(struct load_client *c, const struct mail_status *status)
{
    struct source_session *s = session_of(c);
    load_count(&s->thread->counts.connections_failed, 1);
    keep_first_failure(s->thread, status);
    s->pauses = true;
}

/* Each session walks over the addresses that its neighbours do not take. */
static bool on_source(struct load_client *c, struct ipaddr *out)
{
    struct source_session *s = session_of(c);
    const struct source_args *args = s->thread->source->args;
    if (args->addresses.count == 0)
        return false;
    *out = source_addresses_get(&args->addresses, s->next_address);
    s->next_address += args->sessions;
    return true;
}

static void on_end(struct load_client *c)
{
    struct source_thread *t = session_of(c)->thread;
    if (--t->under_way == 0)
        loop_stop(t->loop);
}

static const struct load_client_ops CLIENT_OPS = {
    .on_done = on_done,
    .on_free = on_free,
    .next = on_next,
    .on_failure = on_failure,
    .source_address = on_source,
    .on_end = on_end,
};

/* --- The thread --- */

static void sessions_make(struct source_thread *t)
{
    t->sessions = MEM_NEW_ARRAY(struct source_session, t->count);
    for (unsigned long i = 0; i < t->count; i++) {
        struct source_session *s = &t->sessions[i];
        load_client_init(&s->client, &t->shared);
        s->thread = t;
        s->next_address = t->first + i;
        s->pause.on_due = on_pause_over;
    }
}

/* On time although the peer may use all of the same CPUs: what it is offered must not depend on how
 * it fares. It takes no more than the load needs. Where it is not allowed, lateness will tell. */
static void ask_for_priority(void)
{
    struct sched_param lowest = {.sched_priority = sched_get_priority_min(SCHED_RR)};
    if (sched_setscheduler(0, SCHED_RR, &lowest) != 0) /* 0: on Linux, the calling thread */
        (void)setpriority(PRIO_PROCESS, 0, -10);
}

/* The clock starts for all threads at once, when every session is open. */
static void open_loop_start(struct source_thread *t)
{
    struct source *s = t->source;
    ask_for_priority();
    for (unsigned long i = 0; i < t->count && s->args->reconnect; i++)
        list_add(&t->idle, &t->sessions[i].idle);
    t->cold = s->args->reconnect ? 0 : t->count;
    for (unsigned long i = 0; i < t->cold; i++)
        load_client_open(&t->sessions[i].client);
    if (t->cold)
        loop_run(t->loop);
    if (pthread_barrier_wait(&s->warm) == PTHREAD_BARRIER_SERIAL_THREAD) {
        s->start_ns = clock_mono_ns();
        s->start_cpu_seconds = source_cpu_seconds();
        uint_fast64_t never = UINT64_MAX; /* unless a signal came */
        if (s->seconds)
            atomic_compare_exchange_strong(&s->until_ns, &never,
                                           s->start_ns + s->seconds * 1000000000u);
    }
    (void)pthread_barrier_wait(&s->warm);
    source_pace_start(&t->pace, s->start_ns, (double)t->first / (double)s->args->sessions);
    pace_run(t, false);
}

void source_thread_run(void *arg)
{
    struct source_thread *t = arg;
    sessions_make(t);
    t->under_way = t->count;
    if (t->source->rate > 0)
        open_loop_start(t);
    else
        for (unsigned long i = 0; i < t->count; i++)
            session_go(&t->sessions[i]);
    loop_run(t->loop);
    while (loop_turn(t->loop, 0))
        continue;
    mem_free(t->sessions);
    uint64_t one = 1;
    atomic_fetch_sub(&t->source->running, 1);
    ssize_t n = write(t->source->ended, &one, sizeof one);
    ASSERT(n == (ssize_t)sizeof one);
}

enum err source_thread_prepare(struct source_thread *t, struct source *s, unsigned long number,
                               struct err_detail *why)
{
    const struct source_args *args = s->args;
    t->source = s;
    list_init(&t->idle);
    t->first = args->sessions * number / args->threads;
    t->count = args->sessions * (number + 1) / args->threads - t->first;
    enum err e = loop_new(&t->loop, why);
    t->shared = (struct load_client_shared){
        .settings = &s->client,
        .ops = &CLIENT_OPS,
        .loop = t->loop,
        .tls = s->tls ? tls_context_ref(s->tls) : NULL,
        .resume_percent = (unsigned)args->resume_percent,
    };
    if (e == ERR_OK && s->rate > 0) {
        t->pace.on_due = on_pace_due;
        double share = (double)t->count / (double)args->sessions;
        e = source_pace_init(&t->pace, t->loop, (double)s->rate * share, args->poisson, why);
    }
    return e;
}

void source_thread_free(struct source_thread *t)
{
    load_client_shared_free(&t->shared);
    source_pace_free(&t->pace);
    loop_free(&t->loop);
}

void source_thread_add(const struct source_thread *t, struct source_counts *to)
{
    source_counts_merge(to, &t->counts);
    to->connections += load_counted(&t->shared.connections);
    to->handshakes += load_counted(&t->shared.handshakes);
    to->resumed += load_counted(&t->shared.resumed);
    for (size_t i = 0; i < LOAD_PHASES; i++)
        load_histogram_merge(&to->phases[i], &t->shared.phases[i]);
}

double source_cpu_seconds(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}
