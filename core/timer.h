/* core/timer.h - a hierarchical timing wheel: set, move and cancel in constant time.
 *
 * Time is whatever the owner says it is (core/loop.h feeds the monotonic clock, the simulation a
 * virtual one), in milliseconds. A timer never fires early. One owner thread per wheel.
 */
#ifndef CORE_TIMER_H
#define CORE_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMER_NEVER UINT64_MAX

/* Embedded in the object that waits; zeroed it is not armed. */
struct timer {
    struct timer *next, **link; /* link: the pointer that points to us, NULL when not armed */
    uint64_t due_ms;
    void (*on_due)(struct timer *t); /* disarmed by then; may set it again or free the object */
};

struct timer_wheel;
struct timer_wheel *timer_wheel_new(uint64_t now_ms);
void timer_wheel_free(struct timer_wheel **wheel);

/* Arms or moves. A due time in the past fires at the next advance. Moving a timer later is cheap:
 * it stays where it is and is queued again when its old slot comes up. TIMER_NEVER disarms. */
void timer_set(struct timer_wheel *wheel, struct timer *t, uint64_t due_ms);
void timer_cancel(struct timer *t);
static inline bool timer_armed(const struct timer *t)
{
    return t->link != 0;
}

/* Fires all that is due at NOW; returns how many fired. */
size_t timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ms);
/* When to advance next: never later than the first due time; TIMER_NEVER when empty. */
uint64_t timer_wheel_next(const struct timer_wheel *wheel);

#endif
