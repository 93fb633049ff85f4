/* Spools that released programs wrote, kept in tests/data: every later program reads them. */
#ifndef TESTS_SPOOL_GOLDEN_H
#define TESTS_SPOOL_GOLDEN_H

#include "spool_bed.h"

/* A bed whose spool, not opened yet, is a copy of tests/data/NAME. */
struct bed *golden_bed(const char *name);

#endif
