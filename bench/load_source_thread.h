/* bench/load_source_thread.h - one thread of the source with its sessions. */
#ifndef BENCH_LOAD_SOURCE_THREAD_H
#define BENCH_LOAD_SOURCE_THREAD_H

#include "bench/load_source_private.h"

MUST_USE enum err source_thread_prepare(struct source_thread *t, struct source *s,
                                        unsigned long number, struct err_detail *why);
void source_thread_free(struct source_thread *t);
void source_thread_run(void *arg);
/* Adds what it has counted. Any thread, while it runs. */
void source_thread_add(const struct source_thread *t, struct source_counts *to);
double source_cpu_seconds(void);

#endif
