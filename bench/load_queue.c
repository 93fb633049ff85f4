/* mailrace-load queue: a spool full of messages that wait, made as the relay makes it but with
 * thousands of messages a sync.
 */
#include "bench/load.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/thread.h"
#include "queue/spool.h"

static const char HELP[] =
    "usage: mailrace-load queue --path DIR [OPTION...]\n"
    "\n"
    "Makes a spool for a relay that does not run, or adds to it, and writes N messages to it, to "
    "one\n"
    "recipient each, at d0.test, d1.test and so on. The last line has the count.\n"
    "\n"
    "  --messages N           default 1000\n"
    "  --length OCTETS        of a text; default 2048\n"
    "  --destinations D       recipient domains, in turn; default 1\n"
    "  --attempts A           each has been tried A times before, and waits; default 0\n"
    "  --wait SECONDS         until the next attempt, with --attempts; default 3600\n"
    "  --segment-size OCTETS  default 32 MiB\n"
    "  --list                 write nothing: say how many wait, after how many attempts, until "
    "when\n";

enum { OUTSTANDING = 4096 };

struct queue_options {
    struct spool_settings settings;
    unsigned long messages, length, destinations, attempts, wait_s;
};

struct queue_run {
    const struct queue_options *options;
    struct spool *spool;
    struct mailbox *home;
    char *text;
    int64_t now_ms;
    unsigned long outstanding, written;
    enum err failed;
};

static void on_written(void *owner, const struct spool_committed *result)
{
    struct queue_run *run = owner;
    const struct queue_options *o = run->options;
    run->outstanding--;
    if (result->err != ERR_OK) {
        run->failed = result->err;
        return;
    }
    run->written++;
    if (o->attempts == 0)
        return;
    struct mail_rcpt rcpt = {
        .state = MAIL_RCPT_PENDING,
        .status = MAIL_STATUS(450, 4, 2, 0, "Mailbox is busy, try again later"),
    };
    struct spool_outcome outcome = {
        .attempts = (uint32_t)o->attempts,
        .next_attempt_at_ms = run->now_ms + (int64_t)o->wait_s * 1000,
        .rcpts = &rcpt,
        .rcpt_count = 1,
    };
    spool_outcome_write(run->spool, &result->ref, &outcome);
}

/* --- What a start would find --- */

struct queue_listing {
    uint64_t messages;
    uint32_t attempts_min, attempts_max;
    int64_t next_min_ms, next_max_ms;
};

static void list_one(void *owner, const struct spool_message *m,
                     const struct spool_outcome *outcome)
{
    struct queue_listing *l = owner;
    (void)m;
    bool first = l->messages++ == 0;
    if (first || outcome->attempts < l->attempts_min)
        l->attempts_min = outcome->attempts;
    if (first || outcome->attempts > l->attempts_max)
        l->attempts_max = outcome->attempts;
    if (first || outcome->next_attempt_at_ms < l->next_min_ms)
        l->next_min_ms = outcome->next_attempt_at_ms;
    if (first || outcome->next_attempt_at_ms > l->next_max_ms)
        l->next_max_ms = outcome->next_attempt_at_ms;
}

static int list(const struct spool_settings *settings)
{
    struct err_detail why;
    struct spool *spool;
    struct queue_listing l = {0};
    if (spool_open(settings, io_system, &spool, &why) != ERR_OK) {
        fprintf(stderr, "mailrace-load queue: %s\n", why.text);
        return LOAD_FAILED;
    }
    while (spool_recovered_next(spool, SIZE_MAX, list_one, &l))
        ;
    spool_free(&spool);
    printf("queued %" PRIu64 ", attempts %u to %u, next %" PRId64 " to %" PRId64 "\n", l.messages,
           (unsigned)l.attempts_min, (unsigned)l.attempts_max, l.next_min_ms, l.next_max_ms);
    return LOAD_DONE;
}

/* --- Filling --- */

/* A header, then lines of 70 octets. */
static char *make_text(unsigned long length)
{
    static const char header[] = "From: <bench@source.test>\r\nSubject: queued\r\n\r\n";
    char *text = mem_alloc(length + 1);
    for (unsigned long i = 0; i < length; i++)
        text[i] = i % 72 == 70 ? '\r' : i % 72 == 71 ? '\n' : 'x';
    memcpy(text, header, length < sizeof header - 1 ? length : sizeof header - 1);
    return text;
}

static void write_one(struct queue_run *run, unsigned long number)
{
    const struct queue_options *o = run->options;
    char address[64];
    snprintf(address, sizeof address, "user%lu@d%lu.test", number, number % o->destinations);
    struct mail_rcpt rcpt = {.address = bytes_of(address)};
    struct mail_envelope envelope = {
        .sender = BYTES("bench@source.test"), .rcpts = &rcpt, .rcpt_count = 1};
    struct spool_meta meta = {
        .received_at_ms = run->now_ms, .octets = o->length, .connector = BYTES("Bench")};
    struct spool_txn *txn = spool_begin(run->spool, run->home);
    run->outstanding++;
    /* A failure comes back at commit. */
    if (spool_append(txn, bytes_make(run->text, o->length)) != ERR_OK)
        run->failed = ERR_IO;
    spool_commit(txn, &envelope, &meta, on_written, run);
}

static void settle_all(struct queue_run *run)
{
    while (spool_step(run->spool))
        (void)mailbox_run(run->home);
    (void)mailbox_run(run->home);
}

static int fill(const struct queue_options *options)
{
    struct err_detail why;
    struct queue_run run = {.options = options, .now_ms = clock_wall_ms()};
    if (spool_open(&options->settings, io_system, &run.spool, &why) != ERR_OK) {
        fprintf(stderr, "mailrace-load queue: %s\n", why.text);
        return LOAD_FAILED;
    }
    run.home = mailbox_new();
    run.text = make_text(options->length);
    for (unsigned long i = 0; i < options->messages && run.failed == ERR_OK; i++) {
        write_one(&run, i);
        if (run.outstanding >= OUTSTANDING)
            settle_all(&run);
    }
    settle_all(&run);
    spool_stop(run.spool);
    (void)mailbox_run(run.home);
    spool_free(&run.spool);
    mailbox_free(&run.home);
    mem_free(run.text);
    printf("queued %lu\n", run.written);
    if (run.failed != ERR_OK)
        fprintf(stderr, "mailrace-load queue: %s: %s\n", options->settings.path,
                err_name(run.failed));
    return run.failed == ERR_OK ? LOAD_DONE : LOAD_FAILED;
}

static const struct {
    const char *name;
    unsigned long min, max;
    size_t at; /* in struct queue_options */
} NUMBERS[] = {
    {"messages", 1, 100000000, offsetof(struct queue_options, messages)},
    {"length", 1, 1ul << 30, offsetof(struct queue_options, length)},
    {"destinations", 1, 100000000, offsetof(struct queue_options, destinations)},
    {"attempts", 0, 1000, offsetof(struct queue_options, attempts)},
    {"wait", 0, 100000000, offsetof(struct queue_options, wait_s)},
    {"segment-size", 1ul << 16, 1ul << 30,
     offsetof(struct queue_options, settings) +
         offsetof(struct spool_settings, segment_size_bytes)},
};

static int set_number(struct queue_options *o, size_t row, const char *text)
{
    unsigned long number;
    if (!load_number(text, NUMBERS[row].min, NUMBERS[row].max, &number))
        return load_usage("queue", "--%s %s: %lu to %lu", NUMBERS[row].name, text, NUMBERS[row].min,
                          NUMBERS[row].max);
    memcpy((char *)o + NUMBERS[row].at, &number, sizeof number);
    return LOAD_DONE;
}

int load_queue(int argc, char **argv)
{
    static const struct option options[] = {
        {"path", required_argument, NULL, 'p'},
        {"messages", required_argument, NULL, 0},
        {"length", required_argument, NULL, 0},
        {"destinations", required_argument, NULL, 0},
        {"attempts", required_argument, NULL, 0},
        {"wait", required_argument, NULL, 0},
        {"segment-size", required_argument, NULL, 0},
        {"list", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    bool list_only = false;
    struct queue_options o = {.messages = 1000, .length = 2048, .destinations = 1, .wait_s = 3600};
    int opt, index, exit_code = LOAD_DONE;
    o.settings = LOAD_SPOOL_SETTINGS;
    o.settings.path = NULL;
    o.settings.min_free_bytes = 0;
    while (exit_code == LOAD_DONE && (opt = getopt_long(argc, argv, "h", options, &index)) != -1) {
        if (opt == 'p') {
            o.settings.path = optarg;
        } else if (opt == 'l') {
            list_only = true;
        } else if (opt == 'h') {
            fputs(HELP, stdout);
            return LOAD_DONE;
        } else if (opt == 0) {
            exit_code = set_number(&o, (size_t)index - 1, optarg);
        } else {
            exit_code = load_usage("queue", "an option is wrong");
        }
    }
    if (exit_code != LOAD_DONE)
        return exit_code;
    if (!o.settings.path || optind != argc)
        return load_usage("queue", "--path DIR is wanted");
    if (o.settings.inline_max_bytes > o.settings.segment_size_bytes / 4)
        o.settings.inline_max_bytes = o.settings.segment_size_bytes / 4;
    thread_main_init();
    exit_code = list_only ? list(&o.settings) : fill(&o);
    thread_main_exit();
    return exit_code;
}
