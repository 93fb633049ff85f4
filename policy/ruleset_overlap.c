/* Ranges of two connectors on one binding may nest; every pair that overlaps in part or is equal is
 * a fault. One sweep over the sorted ranges finds them: the cost beyond sorting is the number of
 * overlapping pairs.
 */
#include "policy/ruleset_check_private.h"

#include <stdlib.h>

#include "core/mem.h"

struct sweep {
    struct ruleset_check *check;
    const struct endpoint *binding;
    /* Ranges that reach the sweep's position; the lowest end is on top. */
    const struct ruleset_span **open;
    size_t open_count;
};

/* The wider of two ranges with the same start comes first, so that what encloses is open before
 * what is enclosed. */
static int span_compare(const void *left, const void *right)
{
    const struct ruleset_span *a = left, *b = right;
    int by_first = ipaddr_compare(&a->range->first, &b->range->first);
    if (by_first != 0)
        return by_first;
    int by_last = ipaddr_compare(&b->range->last, &a->range->last);
    if (by_last != 0)
        return by_last;
    if (a->connector != b->connector)
        return a->connector < b->connector ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* A conflict is told of the connector that comes later in the file. */
static void report_pair(struct sweep *s, const struct ruleset_span *a, const struct ruleset_span *b)
{
    if (a->connector > b->connector) {
        const struct ruleset_span *kept = a;
        a = b;
        b = kept;
    }
    const struct receive_connector *x = &s->check->settings->receive[a->connector];
    const struct receive_connector *y = &s->check->settings->receive[b->connector];
    const struct receive_connector_range *p = &x->ranges[a->index], *q = &y->ranges[b->index];
    struct iprange common;
    enum iprange_relation relation = iprange_relation(a->range, b->range, &common);
    char at[ENDPOINT_TEXT_SIZE], shared[IPRANGE_TEXT_SIZE];
    ruleset_fault(
        s->check, q->origin,
        "receive connector \"%.64s\" (%s): remote_ip_ranges: %.100s conflicts on binding %s with "
        "receive connector \"%.64s\" (%s) with the range %.100s (%s), which %s: both hold %s; of "
        "two ranges "
        "one must lie wholly inside the other",
        ruleset_text(y->name), ruleset_text(y->origin), ruleset_text(q->text),
        endpoint_format(s->binding, at), ruleset_text(x->name), ruleset_text(x->origin),
        ruleset_text(p->text), ruleset_text(p->origin),
        relation == IPRANGE_EQUAL ? "is equal" : "overlaps it in part",
        iprange_format(&common, shared));
}

static void report_duplicate(struct sweep *s, const struct ruleset_span *a,
                             const struct ruleset_span *b)
{
    const struct receive_connector *c = &s->check->settings->receive[b->connector];
    const struct receive_connector_range *first = &c->ranges[a->index], *r = &c->ranges[b->index];
    ruleset_warn(s->check, r->origin,
                 "receive connector \"%.64s\": remote_ip_ranges: %.100s is there already, at %s",
                 ruleset_text(c->name), ruleset_text(r->text), ruleset_text(first->origin));
}

static bool spans_equal(const struct ruleset_span *a, const struct ruleset_span *b)
{
    return ipaddr_equal(&a->range->first, &b->range->first) &&
           ipaddr_equal(&a->range->last, &b->range->last);
}

/* Partly overlapping ones end between NEXT's start and end; they are on top. Equal ones follow. */
static void sweep_add(struct sweep *s, const struct ruleset_span *next)
{
    while (s->open_count > 0 &&
           ipaddr_compare(&s->open[s->open_count - 1]->range->last, &next->range->first) < 0)
        s->open_count--;
    size_t at = s->open_count;
    for (; at > 0 && ipaddr_compare(&s->open[at - 1]->range->last, &next->range->last) < 0; at--)
        if (s->open[at - 1]->connector != next->connector)
            report_pair(s, s->open[at - 1], next);
    for (size_t i = at; i > 0 && spans_equal(s->open[i - 1], next); i--)
        report_pair(s, s->open[i - 1], next);
    for (size_t i = s->open_count++; i > at; i--)
        s->open[i] = s->open[i - 1];
    s->open[at] = next;
    ASSERT(at < s->open_count);
}

/* Exact repeats of one connector stand side by side; only the first takes part. */
static void check_binding(struct ruleset_check *check, const struct endpoint *binding)
{
    size_t count;
    struct ruleset_span *spans = ruleset_list_spans(check->settings, binding, &count);
    struct sweep s = {check, binding, NULL, 0};
    s.open = MEM_NEW_ARRAY(const struct ruleset_span *, count + 1);
    qsort(spans, count, sizeof *spans, span_compare);
    const struct ruleset_span *before = NULL;
    for (size_t i = 0; i < count; i++) {
        if (before && before->connector == spans[i].connector && spans_equal(before, &spans[i])) {
            report_duplicate(&s, before, &spans[i]);
            continue;
        }
        sweep_add(&s, &spans[i]);
        before = &spans[i];
    }
    mem_free(s.open);
    mem_free(spans);
}

void ruleset_check_overlaps(struct ruleset_check *check)
{
    size_t count;
    struct endpoint *bindings = ruleset_list_bindings(check->settings, &count);
    for (size_t i = 0; i < count; i++)
        check_binding(check, &bindings[i]);
    mem_free(bindings);
}
