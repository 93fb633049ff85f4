/* queue/sched_index.h - what the scheduler has, in order of a number: to find one, and to go on
 * where a listing stopped, whatever has come and gone meanwhile.
 *
 * Pages of 256 pairs of number and pointer in one sorted array. Numbers come about in order, so
 * that nearly every addition goes to the end of the last page and pages are full; neighbours that
 * fit into one page are joined. A pair costs 12 octets, 24 at most. One thread.
 */
#ifndef QUEUE_SCHED_INDEX_H
#define QUEUE_SCHED_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sched_index_page;
struct sched_index_place {
    uint64_t first; /* at most the first number of the page, and above all of the page before */
    uint32_t count;
    struct sched_index_page *page;
};

struct sched_index { /* zeros: empty */
    struct sched_index_place *items;
    size_t count, capacity; /* pages */
    size_t total;           /* pairs */
};

void sched_index_free(struct sched_index *index);
/* False: NUMBER is taken; nothing has changed. */
bool sched_index_add(struct sched_index *index, uint64_t number, void *thing);
/* Nothing if NUMBER is not there, or is another thing's. */
void sched_index_remove(struct sched_index *index, uint64_t number, const void *thing);
void *sched_index_find(const struct sched_index *index, uint64_t number); /* or NULL */
/* The things with the next higher numbers, in their order, at most MAX into OUT; returns how many.
 */
size_t sched_index_after(const struct sched_index *index, uint64_t number, void **out, size_t max);

#endif
