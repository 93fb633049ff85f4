/* bench/load_micro_directory.h - where a micro benchmark puts its spool. */
#ifndef BENCH_LOAD_MICRO_DIRECTORY_H
#define BENCH_LOAD_MICRO_DIRECTORY_H

#include <stddef.h>

#include "core/err.h"

/* A new directory under TMPDIR, and its end with all that is in it. */
MUST_USE enum err micro_directory_make(char *to, size_t size, struct err_detail *why);
MUST_USE enum err micro_directory_remove(const char *path, struct err_detail *why);

#endif
