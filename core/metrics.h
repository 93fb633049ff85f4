/* core/metrics.h - counters that cost one add on the thread's own cache line, summed when read.
 *
 * A module names its metrics once at start (before threads) and adds to them by handle. Names
 * are Prometheus's: mailrace_messages_accepted_total.
 */
#ifndef CORE_METRICS_H
#define CORE_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define METRICS_MAX 256

enum metrics_kind { METRICS_COUNTER, METRICS_GAUGE };

typedef uint16_t metrics_id;

/* NAME and HELP must live for ever. The same name gives the same id. */
metrics_id metrics_counter(const char *name, const char *help);
/* A gauge is the sum of what all threads added and took away. */
metrics_id metrics_gauge(const char *name, const char *help);

void metrics_add(metrics_id id, int64_t n); /* any thread */
int64_t metrics_read(metrics_id id);        /* any thread; sums, ended threads included */

struct metrics_info {
    const char *name, *help;
    enum metrics_kind kind;
};
size_t metrics_count(void);
struct metrics_info metrics_describe(metrics_id id);

#endif
