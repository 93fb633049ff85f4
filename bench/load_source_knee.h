/* bench/load_source_knee.h - the highest rate that is held, by several measurements. */
#ifndef BENCH_LOAD_SOURCE_KNEE_H
#define BENCH_LOAD_SOURCE_KNEE_H

#include "bench/load_source_private.h"

/* Searches the knee and prints it; the program's exit status. */
int source_knee_run(struct source *s);

#endif
