/* bench/load_knee.h - the search for the highest rate that a relay holds: doubled while it holds,
 * then halved between the highest that held and the lowest that did not. Pure: who measures says
 * how it went.
 */
#ifndef BENCH_LOAD_KNEE_H
#define BENCH_LOAD_KNEE_H

#include <stdbool.h>

struct load_knee {
    unsigned long low;  /* the highest that held; 0: none yet */
    unsigned long high; /* the lowest that did not; 0: none yet */
    unsigned long rate; /* to be measured next; 0: the search is over, and LOW its result */
};

/* What LOW and HIGH may differ by in the end, in per cent of LOW, and the highest rate tried. */
enum { LOAD_KNEE_PERCENT = 4, LOAD_KNEE_RATE_MAX = 10000000 };

void load_knee_start(struct load_knee *k, unsigned long first);
/* The rate k->rate was measured. */
void load_knee_note(struct load_knee *k, bool held);

#endif
