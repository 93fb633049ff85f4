/* bench/load_fault.h - what goes wrong at the sink: a table of rules, each with the odds that it
 * strikes, drawn from one seed.
 *
 * A draw depends on nothing but the seed, the rule, the number of the connection and the numbers
 * of message and recipient on it: connections that come in the same order fare the same. The rules
 * of a phase are tried in their order and the first that strikes ends it; a late banner and slow
 * reading do not.
 */
#ifndef BENCH_LOAD_FAULT_H
#define BENCH_LOAD_FAULT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/err.h"
#include "bench/sink/smtp_sink.h"

struct load_faults;

struct load_faults *load_faults_new(void);
void load_faults_free(struct load_faults **faults);
void load_faults_seed(struct load_faults *f, uint64_t seed);
/* One rule, as LOAD_FAULTS_HELP tells. WHY names the rule and what would be right. */
MUST_USE enum err load_faults_add(struct load_faults *f, struct bytes rule, struct err_detail *why);
/* A rule a line; empty lines and those that begin with '#' are none. */
MUST_USE enum err load_faults_read(struct load_faults *f, const char *path, struct err_detail *why);
size_t load_faults_count(const struct load_faults *f);
bool load_faults_want_tls(const struct load_faults *f); /* some rule is about STARTTLS */
uint64_t load_faults_hits(const struct load_faults *f, size_t rule);
/* A line a rule; JSON: ', "seed": N, "faults": [{"rule": "...", "hits": N}, ...]'. */
void load_faults_print(const struct load_faults *f, bool json);

extern const char LOAD_FAULTS_HELP[];

/* One connection; the calls for it come on one thread. */
struct load_fault_session {
    struct load_faults *faults;
    uint64_t connection, message, rcpt; /* numbers, from 1 */
    uint64_t taken;                     /* messages */
    uint32_t source;                    /* in a source_table, or SOURCE_TABLE_NONE */
};
void load_fault_open(struct load_faults *f, struct load_fault_session *s);
/* As smtp_sink_observer's decide. */
void load_fault_decide(struct load_fault_session *s, const struct smtp_sink_question *question,
                       struct smtp_sink_answer *answer);
void load_fault_close(struct load_fault_session *s);

#endif
