/* Compares two journals: what was lost, damaged, doubled or invented. */
#include "bench/load_audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "core/rand.h"

enum { NAMED_MAX = 20 }; /* ids that are printed */

/* ---- sorting ---------------------------------------------------------------------------- */

/* qsort(3) would need as much memory again. Pivots are drawn: journals are sorted already, or made
 * of a few sorted pieces, which is the worst for any pivot of a fixed place. */
enum { SMALL = 16 };

typedef int (*record_order)(const struct load_record *x, const struct load_record *y);

static void swap(struct load_record *a, struct load_record *b)
{
    struct load_record kept = *a;
    *a = *b;
    *b = kept;
}

static void sort_small(struct load_record *list, size_t count, record_order compare)
{
    for (size_t i = 1; i < count; i++) {
        struct load_record moved = list[i];
        size_t to = i;
        for (; to > 0 && compare(&list[to - 1], &moved) > 0; to--)
            list[to] = list[to - 1];
        list[to] = moved;
    }
}

/* How many stand in the left part, of 1 to COUNT - 1: none of them is above any of the others. */
static size_t part(struct load_record *list, size_t count, record_order compare)
{
    swap(&list[0], &list[(size_t)rand_below(count)]);
    const struct load_record pivot = list[0];
    size_t left = 0, right = count - 1;
    for (;;) {
        while (compare(&list[right], &pivot) > 0)
            right--;
        while (compare(&list[left], &pivot) < 0)
            left++;
        if (left >= right)
            return right + 1;
        swap(&list[left++], &list[right--]);
    }
}

/* The smaller part is done by a call, so that these go no deeper than the bits of COUNT. */
static void sort(struct load_record *list, size_t count, record_order compare)
{
    while (count > SMALL) {
        size_t left = part(list, count, compare);
        if (left < count - left) {
            sort(list, left, compare);
            list += left;
            count -= left;
        } else {
            sort(list + left, count - left, compare);
            count = left;
        }
    }
    sort_small(list, count, compare);
}

/* ---- what became of each ---------------------------------------------------------------- */

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

/* The first arrival of a message stands before its others. */
static int compare_ids(const struct load_record *x, const struct load_record *y)
{
    if (x->run != y->run)
        return compare_numbers(x->run, y->run);
    if (x->seq != y->seq)
        return compare_numbers(x->seq, y->seq);
    if (x->fate != y->fate)
        return (int)x->fate - (int)y->fate;
    return compare_numbers(x->at_us, y->at_us);
}

static void name_it(const char *what, const struct load_record *r, uint64_t count, bool named)
{
    if (named && count <= NAMED_MAX)
        fprintf(stderr, "%s: run=%016" PRIx64 " seq=%" PRIu64 "\n", what, r->run, r->seq);
}

/* All that is known of one id: COUNTS by fate. */
static void judge(const struct load_record *id, const uint64_t *counts, bool named,
                  struct load_audit *a)
{
    uint64_t arrived = counts[LOAD_ARRIVED];
    bool acknowledged = counts[LOAD_ACKNOWLEDGED] > 0, unknown = counts[LOAD_UNKNOWN] > 0;
    bool forbidden = counts[LOAD_REFUSED] > 0 || counts[LOAD_UNSENT] > 0;
    a->acknowledged += acknowledged;
    a->unknown += unknown;
    a->delivered += arrived > 0;
    a->duplicated += arrived > 1 ? arrived - 1 : 0;
    a->corrupted += counts[LOAD_DAMAGED];
    if (counts[LOAD_DAMAGED])
        name_it("corrupted", id, a->corrupted, named);
    if (acknowledged && !arrived)
        name_it("lost", id, ++a->lost, named);
    if (arrived && forbidden && !acknowledged && !unknown)
        name_it("invented", id, ++a->invented, named);
    if (arrived && !forbidden && !acknowledged && !unknown)
        a->unrecorded++;
}

static void measure(const struct load_record *first, struct load_audit *a)
{
    if (!first->sent_us) {
        a->untimed++;
    } else if (first->at_us >= first->sent_us) {
        load_histogram_add(&a->latency, first->at_us - first->sent_us);
    } else {
        uint64_t us = first->sent_us - first->at_us;
        a->early++;
        a->early_max_us = us > a->early_max_us ? us : a->early_max_us;
    }
}

/* The first arrivals gather at the front of the list, which has been read there: how many. */
static size_t judge_all(struct load_records *records, bool named, struct load_audit *a)
{
    struct load_record *list = records->items;
    size_t kept = 0;
    for (size_t i = 0, end; i < records->count; i = end) {
        const struct load_record id = list[i];
        uint64_t counts[LOAD_DAMAGED + 1] = {0};
        size_t first = SIZE_MAX;
        for (end = i; end < records->count && list[end].run == id.run && list[end].seq == id.seq;
             end++) {
            counts[list[end].fate]++;
            if (list[end].fate == LOAD_ARRIVED && first == SIZE_MAX)
                first = end;
        }
        judge(&id, counts, named, a);
        if (first == SIZE_MAX)
            continue;
        measure(&list[first], a);
        list[kept++] = list[first];
    }
    return kept;
}

/* ---- order ------------------------------------------------------------------------------ */

static int compare_arrivals(const struct load_record *x, const struct load_record *y)
{
    if (x->at_us != y->at_us)
        return compare_numbers(x->at_us, y->at_us);
    return compare_numbers(x->seq, y->seq);
}

/* Merges two sorted halves into TO. How many pairs had the greater number in the left one. */
static uint64_t merge(const uint64_t *left, size_t left_count, const uint64_t *right,
                      size_t right_count, uint64_t *to)
{
    uint64_t inversions = 0;
    while (left_count && right_count) {
        if (*left <= *right) {
            *to++ = *left++;
            left_count--;
        } else {
            inversions += left_count;
            *to++ = *right++;
            right_count--;
        }
    }
    if (left_count)
        memcpy(to, left, left_count * sizeof *to);
    if (right_count)
        memcpy(to, right, right_count * sizeof *to);
    return inversions;
}

/* Counts while it sorts, from the bottom up. NUMBERS and SPARE are both used up. */
static uint64_t count_inversions(uint64_t *numbers, uint64_t *spare, size_t count)
{
    uint64_t inversions = 0;
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t at = 0; at < count; at += 2 * width) {
            size_t left = count - at < width ? count - at : width;
            size_t right = count - at - left < width ? count - at - left : width;
            inversions += merge(numbers + at, left, numbers + at + left, right, spare + at);
        }
        uint64_t *other = numbers;
        numbers = spare;
        spare = other;
    }
    return inversions;
}

static void order_run(struct load_record *list, size_t count, struct load_audit *a)
{
    uint64_t highest = 0;
    uint64_t *numbers = MEM_NEW_ARRAY(uint64_t, count), *spare = MEM_NEW_ARRAY(uint64_t, count);
    sort(list, count, compare_arrivals);
    for (size_t i = 0; i < count; i++) {
        uint64_t seq = numbers[i] = list[i].seq;
        if (seq >= highest) {
            highest = seq;
            continue;
        }
        a->overtaken++;
        if (highest - seq > a->distance_max)
            a->distance_max = highest - seq;
    }
    if (a->overtaken)
        a->inversions += count_inversions(numbers, spare, count);
    mem_free(numbers);
    mem_free(spare);
}

void load_audit_compute(struct load_records *records, bool named, struct load_audit *out)
{
    *out = (struct load_audit){0};
    if (!records->count)
        return;
    sort(records->items, records->count, compare_ids);
    size_t kept = judge_all(records, named, out);
    for (size_t i = 0, end; i < kept; i = end) {
        for (end = i; end < kept && records->items[end].run == records->items[i].run; end++)
            continue;
        order_run(records->items + i, end - i, out);
    }
    records->count = 0;
}

bool load_audit_clean(const struct load_audit *a)
{
    return !a->lost && !a->corrupted && !a->invented;
}
