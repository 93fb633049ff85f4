#include "net/smtp_sink.h"

#include <stdatomic.h>
#include <stdio.h>

#include "core/loop.h"
#include "core/mem.h"
#include "core/rand.h"
#include "core/thread.h"
#include "net/listen.h"
#include "net/smtp_service.h"

/* Counters have one writer, their thread; a reader elsewhere only ever sees them a little late. */
struct sink_thread {
    struct loop *loop;
    struct listener *listener;
    struct thread thread;
    int fd; /* until the thread's listener takes it over */
    const struct smtp_sink_observer *observer;
    struct sink_session *sessions;
    atomic_uint_fast64_t connections, messages, octets;
};

struct smtp_sink {
    struct endpoint at;
    unsigned count;
    struct sink_thread threads[];
};

/* One connection. */
struct sink_session {
    struct sink_session *next, **link;
    struct sink_thread *thread;
    const struct smtp_sink_observer *observer; /* NULL: none */
    void *observed;
    struct smtp_service *service;
};

static void count_up(atomic_uint_fast64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static enum smtp_server_verdict take_mail(void *owner, const struct mail_envelope *envelope,
                                          struct mail_status *status)
{
    (void)owner, (void)envelope, (void)status;
    return SMTP_SERVER_ANSWERED;
}

static enum smtp_server_verdict take_rcpt(void *owner, const struct mail_rcpt *rcpt,
                                          struct bytes path_domain, struct mail_status *status)
{
    (void)owner, (void)rcpt, (void)path_domain, (void)status;
    return SMTP_SERVER_ANSWERED;
}

static enum smtp_server_verdict take_begin(void *owner, struct mail_status *status)
{
    struct sink_session *s = owner;
    (void)status;
    if (s->observer)
        s->observer->on_begin(s->observed);
    return SMTP_SERVER_ANSWERED;
}

static bool take_text(void *owner, struct bytes text, struct mail_status *status)
{
    struct sink_session *s = owner;
    (void)status;
    count_up(&s->thread->octets, text.len);
    if (s->observer)
        s->observer->on_text(s->observed, text);
    return true;
}

static enum smtp_server_verdict take_end(void *owner, struct mail_status *status)
{
    struct sink_session *s = owner;
    (void)status;
    count_up(&s->thread->messages, 1);
    if (s->observer)
        s->observer->on_end(s->observed);
    return SMTP_SERVER_ANSWERED;
}

static void on_nothing(void *owner)
{
    (void)owner;
}

static void on_refused(void *owner, struct bytes verb, struct bytes argument,
                       const struct mail_status *status)
{
    (void)owner, (void)verb, (void)argument, (void)status;
}

static const struct smtp_server_ops SINK_OPS = {
    .on_mail = take_mail,
    .on_rcpt = take_rcpt,
    .on_message_begin = take_begin,
    .on_message_text = take_text,
    .on_message_end = take_end,
    .on_message_abort = on_nothing,
    .on_refused = on_refused,
    .on_tls = on_nothing,
};

static void on_closed(void *owner, enum err reason, const char *text)
{
    struct sink_session *s = owner;
    (void)reason, (void)text;
    if (s->observer)
        s->observer->on_close(s->observed);
    *s->link = s->next;
    if (s->next)
        s->next->link = s->link;
    mem_free(s);
}

static struct sink_session *session_new(struct sink_thread *t)
{
    struct sink_session *s = MEM_NEW(struct sink_session);
    s->thread = t;
    s->observer = t->observer;
    s->observed = s->observer ? s->observer->on_open(s->observer->owner) : NULL;
    s->next = t->sessions;
    s->link = &t->sessions;
    if (s->next)
        s->next->link = &s->next;
    t->sessions = s;
    return s;
}

static void on_accept(void *owner, int fd, const struct endpoint *peer,
                      const struct endpoint *local)
{
    struct sink_thread *t = owner;
    struct smtp_server_settings settings = {
        .fqdn = BYTES("sink.example"),
        .extensions = SMTP_SERVER_SIZE | SMTP_SERVER_PIPELINING | SMTP_SERVER_DSN |
                      SMTP_SERVER_ENHANCEDSTATUSCODES | SMTP_SERVER_8BITMIME |
                      SMTP_SERVER_CHUNKING | SMTP_SERVER_SMTPUTF8,
        .message_size_max = 1ull << 40,
        .rcpts_max = 100000,
        .protocol_errors_max = 100,
        .address_max = 571,
        .inactivity_timeout_ms = 300 * 1000,
        .connection_timeout_ms = 24 * 3600 * 1000,
    };
    struct smtp_server_facts facts = {.session_id = rand_u64(), .client = *peer, .local = *local};
    count_up(&t->connections, 1);
    struct sink_session *s = session_new(t);
    s->service =
        smtp_service_start(t->loop, fd, &settings, &facts, NULL, NULL, &SINK_OPS, s, on_closed);
}

static void sink_run(void *arg)
{
    struct sink_thread *t = arg;
    t->listener = listener_start(t->loop, t->fd, on_accept, t);
    loop_run(t->loop);
    listener_stop(&t->listener);
    while (t->sessions)
        smtp_service_abort(t->sessions->service);
    while (loop_turn(t->loop, 0))
        continue;
}

static enum err thread_open(struct smtp_sink *sink, struct sink_thread *t, struct err_detail *why)
{
    char name[16];
    enum err e = loop_new(&t->loop, why);
    if (e == ERR_OK)
        e = listen_open(&sink->at, &t->fd, why);
    if (e != ERR_OK)
        return e;
    sink->at = listen_address(t->fd);
    snprintf(name, sizeof name, "sink %u", (unsigned)(t - sink->threads) % 1000);
    return thread_start(&t->thread, name, sink_run, t, why);
}

enum err smtp_sink_start(const struct endpoint *at, unsigned threads, struct smtp_sink **out,
                         struct err_detail *why)
{
    return smtp_sink_start_observed(at, threads, NULL, out, why);
}

enum err smtp_sink_start_observed(const struct endpoint *at, unsigned threads,
                                  const struct smtp_sink_observer *observer, struct smtp_sink **out,
                                  struct err_detail *why)
{
    struct smtp_sink *sink = mem_zalloc(sizeof *sink + threads * sizeof(struct sink_thread));
    enum err e = ERR_OK;
    sink->at = *at;
    for (unsigned i = 0; i < threads; i++)
        sink->threads[i].observer = observer;
    for (sink->count = 0; sink->count < threads && e == ERR_OK; sink->count++)
        e = thread_open(sink, &sink->threads[sink->count], why);
    if (e == ERR_OK)
        *out = sink;
    else
        smtp_sink_stop(&sink);
    return e;
}

void smtp_sink_stop(struct smtp_sink **sink_at)
{
    struct smtp_sink *sink = *sink_at;
    if (!sink)
        return;
    for (unsigned i = 0; i < sink->count; i++) {
        if (sink->threads[i].thread.started)
            loop_stop(sink->threads[i].loop);
        thread_join(&sink->threads[i].thread);
        loop_free(&sink->threads[i].loop);
    }
    mem_free(sink);
    *sink_at = NULL;
}

struct endpoint smtp_sink_address(const struct smtp_sink *sink)
{
    return sink->at;
}

void smtp_sink_read(const struct smtp_sink *sink, struct smtp_sink_counts *out)
{
    *out = (struct smtp_sink_counts){0};
    for (unsigned i = 0; i < sink->count; i++) {
        const struct sink_thread *t = &sink->threads[i];
        out->connections += atomic_load_explicit(&t->connections, memory_order_relaxed);
        out->messages += atomic_load_explicit(&t->messages, memory_order_relaxed);
        out->octets += atomic_load_explicit(&t->octets, memory_order_relaxed);
    }
}
