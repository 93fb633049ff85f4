/* The wheel: a list of timers a slot, and slots that grow longer level by level. */
#include "core/timer.h"

#include "core/err.h"
#include "core/mem.h"

/* Eleven levels of 64 slots cover all 64 bits of a time, so that no due time is out of range and
 * nothing wraps around. A timer stands on the level of the highest bit in which its due time
 * differs from the cursor; hence whatever stands on a lower level is due before all that stands
 * on a higher one, and an occupied slot always lies ahead of the cursor on its level. */
enum { SLOT_BITS = 6, SLOTS = 1 << SLOT_BITS, LEVELS = 11 };

struct timer_wheel {
    uint64_t now_ms;           /* of the last advance */
    uint64_t cursor_ms;        /* equals now_ms but while advancing, when it runs behind */
    uint64_t occupied[LEVELS]; /* a bit a slot: set may be empty (cancelled), clear is empty */
    struct timer *overdue;     /* set at or before now_ms: for the next advance */
    struct timer *firing;      /* taken off a slot, under way */
    struct timer *slots[LEVELS][SLOTS];
};

struct timer_wheel *timer_wheel_new(uint64_t now_ms)
{
    struct timer_wheel *wheel = MEM_NEW(struct timer_wheel);

    wheel->now_ms = now_ms;
    wheel->cursor_ms = now_ms;
    return wheel;
}

static void list_push(struct timer **head, struct timer *t)
{
    t->next = *head;
    t->link = head;
    if (t->next)
        t->next->link = &t->next;
    *head = t;
}

static void list_move(struct timer **from, struct timer **to)
{
    *to = *from;
    *from = NULL;
    if (*to)
        (*to)->link = to;
}

static void list_disarm(struct timer **head)
{
    while (*head)
        timer_cancel(*head);
}

void timer_wheel_free(struct timer_wheel **wheel)
{
    if (!*wheel)
        return;
    /* Owners may outlive the wheel and cancel later. */
    for (unsigned level = 0; level < LEVELS; level++)
        for (unsigned slot = 0; slot < SLOTS; slot++)
            list_disarm(&(*wheel)->slots[level][slot]);
    list_disarm(&(*wheel)->overdue);
    mem_free(*wheel);
    *wheel = NULL;
}

/* T is due after the cursor. */
static void wheel_place(struct timer_wheel *wheel, struct timer *t)
{
    ASSERT(t->due_ms > wheel->cursor_ms);
    unsigned top = 63 - (unsigned)__builtin_clzll(t->due_ms ^ wheel->cursor_ms);
    unsigned level = top / SLOT_BITS;
    unsigned slot = (unsigned)(t->due_ms >> (level * SLOT_BITS)) & (SLOTS - 1);

    list_push(&wheel->slots[level][slot], t);
    wheel->occupied[level] |= UINT64_C(1) << slot;
}

void timer_cancel(struct timer *t)
{
    if (!t->link)
        return;
    *t->link = t->next;
    if (t->next)
        t->next->link = t->link;
    t->next = NULL;
    t->link = NULL;
}

void timer_set(struct timer_wheel *wheel, struct timer *t, uint64_t due_ms)
{
    ASSERT(t->on_due);
    if (t->link && due_ms >= t->due_ms && due_ms != TIMER_NEVER) {
        /* Later: it is met where it stands, found not yet due, and placed anew. */
        t->due_ms = due_ms;
        return;
    }
    timer_cancel(t);
    t->due_ms = due_ms;
    if (due_ms == TIMER_NEVER)
        return;
    if (due_ms <= wheel->now_ms)
        list_push(&wheel->overdue, t);
    else
        wheel_place(wheel, t);
}

static uint64_t slot_start_ms(const struct timer_wheel *wheel, unsigned level, unsigned slot)
{
    unsigned shift = (level + 1) * SLOT_BITS;
    uint64_t block = shift < 64 ? wheel->cursor_ms >> shift << shift : 0;

    return block | (uint64_t)slot << (level * SLOT_BITS);
}

/* Start of the first slot that holds a timer; TIMER_NEVER when all are empty. */
static uint64_t wheel_first(const struct timer_wheel *wheel, unsigned *level, unsigned *slot)
{
    for (*level = 0; *level < LEVELS; ++*level) {
        for (uint64_t bits = wheel->occupied[*level]; bits; bits &= bits - 1) {
            *slot = (unsigned)__builtin_ctzll(bits);
            if (wheel->slots[*level][*slot])
                return slot_start_ms(wheel, *level, *slot);
        }
    }
    return TIMER_NEVER;
}

/* Fires what is due at the cursor, in the order of the list, and places the rest anew. */
static size_t wheel_fire(struct timer_wheel *wheel)
{
    size_t fired = 0;
    struct timer *t;

    while ((t = wheel->firing)) {
        timer_cancel(t);
        if (t->due_ms > wheel->cursor_ms) {
            wheel_place(wheel, t);
        } else {
            t->on_due(t);
            fired++;
        }
    }
    return fired;
}

size_t timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ms)
{
    size_t fired;
    uint64_t start_ms;
    unsigned level, slot;

    if (now_ms > wheel->now_ms)
        wheel->now_ms = now_ms;
    /* What a callback sets at or before now_ms from here on waits for the next advance: a timer
     * that always sets itself to "now" cannot hold us here. */
    list_move(&wheel->overdue, &wheel->firing);
    fired = wheel_fire(wheel);
    while ((start_ms = wheel_first(wheel, &level, &slot)) <= wheel->now_ms) {
        wheel->cursor_ms = start_ms;
        /* All below this level was empty, and so were the slots before this one. */
        for (unsigned below = 0; below < level; below++)
            wheel->occupied[below] = 0;
        wheel->occupied[level] &= ~UINT64_C(1) << slot;
        list_move(&wheel->slots[level][slot], &wheel->firing);
        fired += wheel_fire(wheel);
    }
    wheel->cursor_ms = wheel->now_ms;
    return fired;
}

uint64_t timer_wheel_next(const struct timer_wheel *wheel)
{
    unsigned level, slot;

    return wheel->overdue ? wheel->now_ms : wheel_first(wheel, &level, &slot);
}
