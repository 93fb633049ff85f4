/* When messages are due: evenly spaced or at random times, by a timerfd. */
#include "bench/load_source_pace.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/rand.h"

static double uniform(void)
{
    return (double)(rand_u64() >> 11) / 9007199254740992.0; /* 2^53 */
}

/* Exponentially distributed with mean 1, by comparisons alone (von Neumann 1951): the length of a
 * falling run of uniform numbers is odd with probability e^-x, x its first. */
static double exponential(void)
{
    for (double whole = 0;; whole += 1) {
        double first = uniform(), last = first, next;
        unsigned length = 1;
        while ((next = uniform()) < last) {
            last = next;
            length++;
        }
        if (length % 2 == 1)
            return whole + first;
    }
}

static void on_timer(struct loop_watch *w, uint32_t events)
{
    struct source_pace *p = CONTAINER_OF(w, struct source_pace, watch);
    uint64_t times;
    (void)events;
    if (read(w->fd, &times, sizeof times) != (ssize_t)sizeof times)
        return;
    p->armed_ns = 0;
    p->on_due(p);
}

enum err source_pace_init(struct source_pace *p, struct loop *loop, double per_second, bool poisson,
                          struct err_detail *why)
{
    p->interval_ns = 1e9 / per_second;
    p->poisson = poisson;
    p->watch.on_ready = on_timer;
    p->watch.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (p->watch.fd < 0)
        return err_set_errno(why, errno, "cannot make a timer");
    enum err e = loop_watch_add(loop, &p->watch);
    if (e != ERR_OK) {
        close(p->watch.fd);
        return err_set(why, e, "cannot watch a timer");
    }
    p->loop = loop;
    return ERR_OK;
}

static void set_due(struct source_pace *p, double due)
{
    p->due = due;
    p->due_ns = p->start_ns + (uint64_t)due;
}

void source_pace_start(struct source_pace *p, uint64_t start_ns, double phase)
{
    p->start_ns = start_ns;
    set_due(p, p->interval_ns * (p->poisson ? exponential() : phase));
}

void source_pace_free(struct source_pace *p)
{
    if (!p->loop)
        return;
    loop_watch_remove(p->loop, &p->watch);
    close(p->watch.fd);
    p->loop = NULL;
}

void source_pace_advance(struct source_pace *p)
{
    set_due(p, p->due + p->interval_ns * (p->poisson ? exponential() : 1));
}

void source_pace_wait(struct source_pace *p)
{
    struct itimerspec at = {
        .it_value = {.tv_sec = (time_t)(p->due_ns / 1000000000u),
                     .tv_nsec = (long)(p->due_ns % 1000000000u)},
    };
    if (p->armed_ns == p->due_ns)
        return;
    p->armed_ns = p->due_ns;
    int e = timerfd_settime(p->watch.fd, TFD_TIMER_ABSTIME, &at, NULL);
    ASSERT(e == 0);
}
