/* mailrace-load micro: work handed from thread to thread. */
#include "bench/load_micro.h"

#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "core/clock.h"
#include "core/mailbox.h"
#include "core/mem.h"
#include "core/thread.h"

#include "bench/load_histogram.h"

/* How many items a producer has under way; then it waits, as a session does for its answer. */
enum { ITEMS = 1024, PRODUCERS_MAX = 16 };

struct flow_item {
    struct mailbox_item item;
    atomic_bool under_way;
    uint64_t *received; /* the receiver's count */
};

struct flow_producer {
    struct thread thread;
    struct mailbox *to;
    atomic_bool *over;
    uint64_t *received;
};

static void on_item(struct mailbox_item *item)
{
    struct flow_item *i = CONTAINER_OF(item, struct flow_item, item);
    (*i->received)++;
    atomic_store_explicit(&i->under_way, false, memory_order_release);
}

static void wait_until_back(struct flow_item *item)
{
    while (atomic_load_explicit(&item->under_way, memory_order_acquire))
        (void)sched_yield();
}

static void produce(void *arg)
{
    struct flow_producer *p = arg;
    struct flow_item *items = MEM_NEW_ARRAY(struct flow_item, ITEMS);
    for (size_t i = 0; !atomic_load_explicit(p->over, memory_order_relaxed); i = (i + 1) % ITEMS) {
        wait_until_back(&items[i]);
        items[i].item.run = on_item;
        items[i].received = p->received;
        atomic_store_explicit(&items[i].under_way, true, memory_order_relaxed);
        mailbox_send(p->to, &items[i].item);
    }
    for (size_t i = 0; i < ITEMS; i++)
        wait_until_back(&items[i]);
    mem_free(items);
}

/* As a loop does: sleeps only when it has announced it. */
static void receive_some(struct mailbox *mb)
{
    if (mailbox_run(mb))
        return;
    if (!mailbox_sleep_begin(mb))
        return;
    struct pollfd fd = {.fd = mailbox_fd(mb), .events = POLLIN};
    (void)poll(&fd, 1, 20);
    mailbox_sleep_end(mb);
}

struct flow {
    struct thread receiver;
    struct mailbox *mb;
    atomic_bool ended; /* no producer is left */
    uint64_t received; /* the receiver's, read after its end */
};

static void receive(void *arg)
{
    struct flow *f = arg;
    while (!atomic_load(&f->ended))
        receive_some(f->mb);
    (void)mailbox_run(f->mb);
}

static void pause_ns(uint64_t ns)
{
    struct timespec time = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
}

static enum err measure_flow(const struct micro_row *row, uint64_t ns, struct micro_figures *out,
                             struct err_detail *why)
{
    struct flow flow = {.mb = mailbox_new()};
    struct flow_producer producers[PRODUCERS_MAX] = {0};
    atomic_bool over = false;
    if (!flow.mb)
        return err_set(why, ERR_LIMIT, "no descriptor is left");
    uint64_t began = clock_mono_ns();
    enum err e = thread_start(&flow.receiver, "receiver", receive, &flow, why);
    for (unsigned i = 0; i < row->threads && e == ERR_OK; i++) {
        producers[i] =
            (struct flow_producer){.to = flow.mb, .over = &over, .received = &flow.received};
        e = thread_start(&producers[i].thread, "producer", produce, &producers[i], why);
    }
    if (e == ERR_OK)
        pause_ns(ns);
    atomic_store(&over, true);
    for (unsigned i = 0; i < row->threads; i++)
        thread_join(&producers[i].thread);
    atomic_store(&flow.ended, true);
    thread_join(&flow.receiver);
    out->value = micro_rate(flow.received, clock_mono_ns() - began);
    mailbox_free(&flow.mb);
    return e;
}

/* --- Waking up: two threads that sleep until the other has sent --- */

struct wake_side {
    struct thread thread;
    struct mailbox *own, *other;
    struct mailbox_item ball;
    struct wake_side *opposite;
    uint64_t until_ns, sent_ns;
    bool serves; /* sends first, and counts */
    bool back;   /* a ball has come; of the side's own thread */
    struct load_histogram *round_trips_ns;
};

/* Runs on the side that it was sent to. */
static void on_ball(struct mailbox_item *item)
{
    struct wake_side *sender = CONTAINER_OF(item, struct wake_side, ball);
    sender->opposite->back = true;
}

static void play(void *arg)
{
    struct wake_side *s = arg;
    bool over = false;
    while (!over) {
        if (s->serves) {
            s->sent_ns = clock_mono_ns();
            over = s->sent_ns >= s->until_ns;
            s->opposite->until_ns = over ? 0 : s->until_ns; /* read after the ball has come */
            mailbox_send(s->other, &s->ball);
        }
        while (!s->back)
            receive_some(s->own);
        s->back = false;
        if (s->serves) {
            load_histogram_add(s->round_trips_ns, clock_mono_ns() - s->sent_ns);
        } else {
            over = s->until_ns == 0;
            mailbox_send(s->other, &s->ball);
        }
    }
}

static enum err measure_wake(const struct micro_row *row, uint64_t ns, struct micro_figures *out,
                             struct err_detail *why)
{
    struct load_histogram *h = MEM_NEW(struct load_histogram);
    struct wake_side sides[2] = {{.own = mailbox_new()}, {.own = mailbox_new()}};
    enum err e =
        sides[0].own && sides[1].own ? ERR_OK : err_set(why, ERR_LIMIT, "no descriptor is left");
    (void)row;
    for (size_t i = 0; i < 2; i++) {
        sides[i].other = sides[1 - i].own;
        sides[i].opposite = &sides[1 - i];
        sides[i].ball.run = on_ball;
        sides[i].until_ns = clock_mono_ns() + ns;
        sides[i].serves = i == 0;
        sides[i].round_trips_ns = h;
    }
    if (e == ERR_OK)
        e = thread_start(&sides[1].thread, "answers", play, &sides[1], why);
    if (e == ERR_OK) {
        play(&sides[0]);
        thread_join(&sides[1].thread);
        out->value = (double)load_histogram_percentile(h, 50) / 2000;
        out->extra = (double)load_histogram_percentile(h, 99) / 2000;
    }
    for (size_t i = 0; i < 2; i++)
        if (sides[i].own)
            mailbox_free(&sides[i].own);
    mem_free(h);
    return e;
}

static const struct micro_row ROWS[] = {
    {.name = "mailbox-1",
     .unit = "messages/s",
     .about = "one producer, one receiver",
     .measure = measure_flow,
     .threads = 1},
    {.name = "mailbox-4",
     .unit = "messages/s",
     .about = "four producers, one receiver",
     .measure = measure_flow,
     .threads = 4},
    {.name = "mailbox-wake",
     .unit = "us, median",
     .extra = "mailbox-wake-p99",
     .extra_unit = "us",
     .about = "from one sleeping thread to another: half a round trip",
     .measure = measure_wake},
};
const struct micro_rows micro_mailbox = {ROWS, ARRAY_SIZE(ROWS)};
