/* bench/load_micro.h - mailrace-load micro: the relay's parts measured alone, each a row of a
 * table.
 *
 * A row is measured several times; what is printed is the median, with the least and the most. The
 * machine's other work moves these figures: compare those of one run.
 */
#ifndef BENCH_LOAD_MICRO_H
#define BENCH_LOAD_MICRO_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

struct micro_figures {
    double value, extra;
};

struct micro_row {
    const char *name, *unit;
    const char *extra, *extra_unit; /* name and unit of the second figure; NULL: there is none */
    const char *about;
    /* One repetition that lasts about NS, in which nothing of the work may be optimised away:
     * every result ends in micro_keep(). Sets up and clears up outside of what it times. */
    enum err (*measure)(const struct micro_row *row, uint64_t ns, struct micro_figures *out,
                        struct err_detail *why);
    unsigned kind, threads, window; /* what rows of one measure() differ in */
};

struct micro_rows {
    const struct micro_row *rows;
    size_t count;
};
extern const struct micro_rows micro_parse, micro_mailbox, micro_spool, micro_sched, micro_list,
    micro_tls;

/* P and all that it points to are used here, whatever the compiler knows. */
static inline void micro_keep(const void *p)
{
    __asm__ volatile("" : : "r"(p) : "memory");
}

/* COUNT within NS, a second. */
static inline double micro_rate(uint64_t count, uint64_t ns)
{
    return ns ? (double)count * 1e9 / (double)ns : 0;
}

#endif
