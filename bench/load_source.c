/* mailrace-load source: closed loop. Each session sends the next message when the last one has been
 * answered; what is timed is a whole transaction, MAIL to the answer to the final dot.
 *
 * A session is a destination of its own to the courier that delivers for the relay as well: the
 * generator speaks with the client that is measured elsewhere.
 */
#include "load.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/thread.h"
#include "net/courier.h"

#include "load_histogram.h"

static const char HELP[] =
    "usage: mailrace-load source [OPTION...]\n"
    "\n"
    "Sends messages in a closed loop and prints totals, rate and latencies.\n"
    "\n"
    "  --to IP:PORT      default 127.0.0.1:2525\n"
    "  --sessions N      default 50\n"
    "  --messages N      in all; default 10000\n"
    "  --length OCTETS   of a message; default 4096\n"
    "  --rcpts N         recipients of a message; default 1\n"
    "  --from ADDRESS    default a@src.test\n"
    "  --rcpt ADDRESS    default b@dst.test; with several: b1@dst.test, b2@dst.test, ...\n"
    "  --threads N       default: one a CPU\n"
    "  --reconnect       a connection for each message\n"
    "  --ahead           each session keeps one message ahead in its pipeline\n"
    "  --json            for programs\n";

struct source_args {
    struct endpoint to;
    unsigned long sessions, messages, length, rcpts, threads;
    const char *from, *rcpt;
    bool reconnect, ahead, json;
};

struct source {
    const struct source_args *args;
    struct mail_envelope envelope;
    const char *text;          /* LENGTH octets */
    atomic_uint_fast64_t left; /* messages that nobody has begun */
    const char *hosts[1];
};

struct source_thread {
    struct source *source;
    struct loop *loop;
    struct courier *courier;
    struct thread thread;
    unsigned first, count; /* of its sessions */
    unsigned under_way;    /* jobs */
    uint64_t accepted, refused, failed;
    char first_failure[256];
    struct load_histogram latency;
};

struct source_job {
    struct courier_job job;
    struct source_thread *thread;
    struct courier_route route;
    struct arena arena;
    uint64_t started_ns;
    char key[32];
};

static bool read_text(struct smtp_client_message *m, uint64_t at, char *to, size_t len)
{
    struct courier_job *job = CONTAINER_OF(m, struct courier_job, message);
    struct source_job *j = CONTAINER_OF(job, struct source_job, job);
    memcpy(to, j->thread->source->text + at, len);
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

static void job_start(struct source_job *j)
{
    struct source_thread *t = j->thread;
    if (!take_one(t->source)) {
        if (--t->under_way == 0)
            loop_stop(t->loop);
        return;
    }
    arena_reset(&j->arena);
    j->job.results = ARENA_NEW_ARRAY(&j->arena, struct mail_status, t->source->envelope.rcpt_count);
    j->started_ns = clock_mono_ns();
    courier_deliver(t->courier, &j->job);
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
    count_result(j);
    job_start(j);
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
        .octets = args->length,
        .read = read_text,
    };
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

/* A header, then lines of 78 letters, CRLF at the end. */
static char *make_text(const struct source_args *args)
{
    char *text = mem_alloc(args->length + 512);
    int n = snprintf(
        text, 512,
        "From: <%s>\r\nTo: <%s>\r\nSubject: load\r\nMessage-ID: <load@source.test>\r\n\r\n",
        args->from, args->rcpt);
    size_t at = n > 0 ? (size_t)n : 0;
    for (size_t column = 0; at + 2 < args->length; at++, column++) {
        if (column == 78 && at + 4 < args->length) {
            text[at++] = '\r';
            text[at++] = '\n';
            column = 0;
        }
        text[at] = (char)('a' + column % 26);
    }
    text[args->length - 2] = '\r';
    text[args->length - 1] = '\n';
    return text;
}

/* --- Totals --- */

struct source_totals {
    uint64_t accepted, refused, failed;
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
    bool ok = e == ERR_OK && total->accepted == args->messages;
    for (unsigned long i = 0; i < args->threads; i++) {
        courier_free(&threads[i].courier);
        loop_free(&threads[i].loop);
    }
    mem_free(threads);
    mem_free(total);
    return ok ? LOAD_DONE : LOAD_FAILED;
}

/* --- Options --- */

static int take_number(const char *name, const char *text, unsigned long min, unsigned long max,
                       unsigned long *out)
{
    if (load_number(text, min, max, out))
        return LOAD_DONE;
    return load_usage("source", "--%s %s: a number from %lu to %lu is wanted", name, text, min,
                      max);
}

static int take_option(struct source_args *args, int opt, const char *name, const char *value)
{
    switch (opt) {
    case 't':
        if (endpoint_parse(bytes_of(value), &args->to) != ERR_OK)
            return load_usage("source", "--to %s: IP:PORT or [IPv6]:PORT is wanted", value);
        return LOAD_DONE;
    case 's':
        return take_number(name, value, 1, 100000, &args->sessions);
    case 'm':
        return take_number(name, value, 1, 1000000000, &args->messages);
    case 'l':
        return take_number(name, value, 256, 1ul << 30, &args->length);
    case 'r':
        return take_number(name, value, 1, 100000, &args->rcpts);
    case 'T':
        return take_number(name, value, 1, 256, &args->threads);
    case 'f':
        args->from = value;
        return LOAD_DONE;
    case 'R':
        args->rcpt = value;
        return LOAD_DONE;
    case 'c':
        args->reconnect = true;
        return LOAD_DONE;
    case 'a':
        args->ahead = true;
        return LOAD_DONE;
    case 'j':
        args->json = true;
        return LOAD_DONE;
    default:
        return load_usage("source", "an option is wrong");
    }
}

int load_source(int argc, char **argv)
{
    static const struct option options[] = {
        {"to", required_argument, NULL, 't'},
        {"sessions", required_argument, NULL, 's'},
        {"messages", required_argument, NULL, 'm'},
        {"length", required_argument, NULL, 'l'},
        {"rcpts", required_argument, NULL, 'r'},
        {"threads", required_argument, NULL, 'T'},
        {"from", required_argument, NULL, 'f'},
        {"rcpt", required_argument, NULL, 'R'},
        {"reconnect", no_argument, NULL, 'c'},
        {"ahead", no_argument, NULL, 'a'},
        {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct source_args args = {
        .sessions = 50,
        .messages = 10000,
        .length = 4096,
        .rcpts = 1,
        .threads = thread_cpu_count(),
        .from = "a@src.test",
        .rcpt = "b@dst.test",
    };
    enum err e = endpoint_parse(BYTES("127.0.0.1:2525"), &args.to);
    ASSERT(e == ERR_OK);
    int opt, at = 0;
    while ((opt = getopt_long(argc, argv, "h", options, &at)) != -1) {
        if (opt == 'h') {
            fputs(HELP, stdout);
            return LOAD_DONE;
        }
        int bad = take_option(&args, opt, options[at].name, optarg);
        if (bad)
            return bad;
    }
    if (optind != argc)
        return load_usage("source", "it takes no argument");
    struct source source = {.args = &args};
    struct arena arena;
    char host[ENDPOINT_TEXT_SIZE], text[IPADDR_TEXT_SIZE];
    arena_init(&arena, 0);
    snprintf(host, sizeof host, "[%s]:%u", ipaddr_format(&args.to.addr, text), args.to.port);
    source.hosts[0] = host;
    source.text = make_text(&args);
    atomic_init(&source.left, args.messages);
    make_envelope(&args, &arena, &source.envelope);
    thread_main_init();
    int exit_code = run(&source);
    thread_main_exit();
    arena_free(&arena);
    return exit_code;
}
