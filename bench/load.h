/* bench/load.h - mailrace-load: the bundled load generator. Subcommands and what they share. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "core/err.h"

enum load_exit { LOAD_DONE = 0, LOAD_FAILED = 1, LOAD_USAGE = 2 };

int load_source(int argc, char **argv);
int load_sink(int argc, char **argv);
int load_audit(int argc, char **argv);
int load_spool(int argc, char **argv);
int load_files(int argc, char **argv);
int load_queue(int argc, char **argv);
int load_tree(int argc, char **argv);
int load_micro(int argc, char **argv);

/* "mailrace-load COMMAND: what (see ... --help)"; returns LOAD_USAGE. */
int load_usage(const char *command, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A whole number from MIN to MAX, or a usage error. */
bool load_number(const char *text, unsigned long min, unsigned long max, unsigned long *out);

#endif
