/* The sink: threads, counters, and what each session answers. */
#include "bench/sink/smtp_sink.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "core/loop.h"
#include "core/mem.h"
#include "core/rand.h"
#include "core/thread.h"
#include "net/listen.h"
#include "net/smtp_service.h"
#include "bench/sink/smtp_sink_private.h"

/* Counters have one writer, their thread; a reader elsewhere only ever sees them a little late. */
struct sink_thread {
    struct loop *loop;
    struct listener *listener;
    struct thread thread;
    int fd; /* until the thread's listener takes it over */
    const struct smtp_sink_observer *observer;
    struct tls_context *tls;
    bool chunking;
    struct cds_list_head sessions, detours;
    atomic_uint_fast64_t connections, handshakes, messages, octets;
};

struct smtp_sink {
    struct endpoint at;
    unsigned count;
    struct sink_thread threads[];
};

/* One connection. */
struct sink_session {
    struct cds_list_head link; /* in the sessions of its thread */
    struct sink_thread *thread;
    const struct smtp_sink_observer *observer; /* NULL: none */
    void *observed;
    struct smtp_service *service; /* NULL: on a detour */
    struct endpoint peer, local;
    uint64_t bytes_per_s;
};

static void count_up(atomic_uint_fast64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

/* ---- what may go wrong ------------------------------------------------------------------ */

static bool asks(const struct sink_session *s)
{
    return s->observer && s->observer->decide;
}

/* True: ANSWER is not simply to go on. */
static bool ask(struct sink_session *s, enum smtp_sink_phase phase, struct bytes domain,
                struct smtp_sink_answer *answer)
{
    const struct smtp_sink_question question = {phase, &s->peer, domain};
    *answer = (struct smtp_sink_answer){.lines_before = BYTES_EMPTY};
    s->observer->decide(s->observed, &question, answer);
    return answer->move != SMTP_SINK_GO_ON;
}

static enum smtp_server_verdict obey(struct sink_session *s, const struct smtp_sink_answer *answer,
                                     struct mail_status *status)
{
    if (answer->move != SMTP_SINK_REPLY) {
        smtp_service_abort(s->service); /* at the end of this turn: no answer, and none comes */
        return SMTP_SERVER_LATER;
    }
    struct buf *out = smtp_server_output(smtp_service_session(s->service));
    /* Without room for them the session gives up at the last line. */
    if (answer->lines_before.len && buf_append(out, answer->lines_before) != ERR_OK)
        smtp_service_abort(s->service);
    *status = answer->status;
    return SMTP_SERVER_ANSWERED;
}

static struct bytes first_domain(struct sink_session *s)
{
    const struct mail_envelope *e = smtp_server_facts(smtp_service_session(s->service))->envelope;
    return e && e->rcpt_count ? mail_domain(e->rcpts[0].address) : BYTES_EMPTY;
}

/* ---- the session's questions ------------------------------------------------------------ */

static enum smtp_server_verdict take_mail(void *owner, const struct mail_envelope *envelope,
                                          struct mail_status *status)
{
    struct sink_session *s = owner;
    struct smtp_sink_answer answer;
    if (asks(s) && ask(s, SMTP_SINK_MAIL, mail_domain(envelope->sender), &answer))
        return obey(s, &answer, status);
    return SMTP_SERVER_ANSWERED;
}

static enum smtp_server_verdict take_rcpt(void *owner, const struct mail_rcpt *rcpt,
                                          struct bytes path_domain, struct mail_status *status)
{
    struct sink_session *s = owner;
    struct smtp_sink_answer answer;
    (void)rcpt;
    if (asks(s) && ask(s, SMTP_SINK_RCPT, path_domain, &answer))
        return obey(s, &answer, status);
    return SMTP_SERVER_ANSWERED;
}

static enum smtp_server_verdict take_begin(void *owner, struct mail_status *status)
{
    struct sink_session *s = owner;
    struct smtp_sink_answer answer;
    if (asks(s) && ask(s, SMTP_SINK_DATA, first_domain(s), &answer))
        return obey(s, &answer, status);
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
    struct smtp_sink_answer answer;
    bool wrong = asks(s) && ask(s, SMTP_SINK_DOT, first_domain(s), &answer);
    if (wrong && answer.move != SMTP_SINK_TAKE_AND_CLOSE)
        return obey(s, &answer, status);
    count_up(&s->thread->messages, 1);
    if (s->observer)
        s->observer->on_end(s->observed);
    return wrong ? obey(s, &answer, status) : SMTP_SERVER_ANSWERED;
}

static void take_starttls(void *owner, struct mail_status *status)
{
    struct sink_session *s = owner;
    struct smtp_sink_answer answer;
    if (!asks(s) || !ask(s, SMTP_SINK_STARTTLS, BYTES_EMPTY, &answer))
        return;
    if (answer.move == SMTP_SINK_REPLY)
        *status = answer.status;
    else
        smtp_service_abort(s->service); /* at the end of this turn: behind the 220 */
}

static void on_tls(void *owner)
{
    struct sink_session *s = owner;
    count_up(&s->thread->handshakes, 1);
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
    .on_tls = on_tls,
    .on_starttls = take_starttls,
};

/* ---- connections ------------------------------------------------------------------------ */

static void session_free(void *owner)
{
    struct sink_session *s = owner;
    if (s->observer)
        s->observer->on_close(s->observed);
    list_remove(&s->link);
    mem_free(s);
}

static void on_closed(void *owner, enum err reason, const char *text)
{
    (void)reason, (void)text;
    session_free(owner);
}

static struct sink_session *session_new(struct sink_thread *t)
{
    struct sink_session *s = MEM_NEW(struct sink_session);
    s->thread = t;
    s->observer = t->observer;
    s->observed = s->observer ? s->observer->on_open(s->observer->owner) : NULL;
    list_add(&t->sessions, &s->link);
    return s;
}

static void serve(struct sink_session *s, int fd, const struct mail_status *refusal)
{
    struct sink_thread *t = s->thread;
    struct smtp_server_settings settings = {
        .fqdn = {"sink.example", sizeof "sink.example" - 1},
        .extensions = SMTP_EXTENSION_SIZE | SMTP_EXTENSION_PIPELINING | SMTP_EXTENSION_DSN |
                      SMTP_EXTENSION_ENHANCEDSTATUSCODES | SMTP_EXTENSION_8BITMIME |
                      SMTP_EXTENSION_SMTPUTF8 | SMTP_EXTENSION_STARTTLS |
                      (t->chunking ? SMTP_EXTENSION_CHUNKING | SMTP_EXTENSION_BINARYMIME : 0),
        .message_size_max = 1ull << 40,
        .rcpts_max = 100000,
        .protocol_errors_max = 100,
        .address_max = 571,
        .inactivity_timeout_ms = 300 * 1000,
        .connection_timeout_ms = 24 * 3600 * 1000,
    };
    struct smtp_server_facts facts = {
        .session_id = rand_u64(), .client = s->peer, .local = s->local};
    if (s->bytes_per_s)
        fd = smtp_sink_slow(&t->detours, t->loop, fd, s->bytes_per_s);
    s->service = smtp_service_start(t->loop, fd, &settings, &facts, t->tls, refusal, &SINK_OPS, s,
                                    on_closed);
}

static void serve_now(void *owner, int fd)
{
    serve(owner, fd, NULL);
}

static void detour(struct sink_session *s, int fd, const struct smtp_sink_answer *answer)
{
    struct sink_thread *t = s->thread;
    const struct smtp_sink_later later = {serve_now, session_free, s};
    switch (answer->move) {
    case SMTP_SINK_REPLY:
        serve(s, fd, &answer->status);
        break;
    case SMTP_SINK_SILENCE:
        smtp_sink_silence(&t->detours, t->loop, fd, session_free, s);
        break;
    case SMTP_SINK_GO_ON:
        s->bytes_per_s = answer->bytes_per_s;
        if (answer->delay_ms)
            smtp_sink_delay(&t->detours, t->loop, fd, answer->delay_ms, &later);
        else
            serve(s, fd, NULL);
        break;
    case SMTP_SINK_RESET:
        smtp_sink_reset(fd);
        session_free(s);
        break;
    default:
        (void)close(fd);
        session_free(s);
    }
}

static void on_accept(void *owner, int fd, const struct endpoint *peer,
                      const struct endpoint *local)
{
    struct sink_thread *t = owner;
    struct smtp_sink_answer answer = {.lines_before = BYTES_EMPTY};
    count_up(&t->connections, 1);
    struct sink_session *s = session_new(t);
    s->peer = *peer;
    s->local = *local;
    if (asks(s))
        (void)ask(s, SMTP_SINK_CONNECT, BYTES_EMPTY, &answer); /* a delay is no move */
    detour(s, fd, &answer);
}

static void sink_run(void *arg)
{
    struct sink_thread *t = arg;
    t->listener = listener_start(t->loop, t->fd, on_accept, t);
    loop_run(t->loop);
    listener_stop(&t->listener);
    smtp_sink_detour_stop_all(&t->detours);
    LIST_EACH_SAFE (s, &t->sessions, struct sink_session, link)
        smtp_service_abort(s->service);
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
    return smtp_sink_start_with(&(struct smtp_sink_settings){.at = *at, .threads = threads}, out,
                                why);
}

enum err smtp_sink_start_with(const struct smtp_sink_settings *settings, struct smtp_sink **out,
                              struct err_detail *why)
{
    unsigned threads = settings->threads;
    struct smtp_sink *sink = mem_zalloc(sizeof *sink + threads * sizeof(struct sink_thread));
    enum err e = ERR_OK;
    sink->at = settings->at;
    for (unsigned i = 0; i < threads; i++) {
        list_init(&sink->threads[i].sessions);
        list_init(&sink->threads[i].detours);
        sink->threads[i].observer = settings->observer;
        sink->threads[i].tls = settings->tls;
        sink->threads[i].chunking = settings->chunking;
    }
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
        out->handshakes += atomic_load_explicit(&t->handshakes, memory_order_relaxed);
        out->messages += atomic_load_explicit(&t->messages, memory_order_relaxed);
        out->octets += atomic_load_explicit(&t->octets, memory_order_relaxed);
    }
}
