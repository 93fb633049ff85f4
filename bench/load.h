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

/* Of schedulers and spools that the commands make for themselves. */
#define LOAD_RETRY_SETTINGS                                                                        \
    ((struct retry_settings){.glitch_retry_count = 4,                                              \
                             .transient_failure_retry_count = 6,                                   \
                             .glitch_retry_interval_ms = 60000,                                    \
                             .transient_failure_retry_interval_ms = 300000,                        \
                             .outbound_connection_failure_retry_interval_ms = 600000,              \
                             .message_retry_interval_ms = 300000,                                  \
                             .message_expiration_timeout_ms = 172800000,                           \
                             .delay_notification_timeout_ms = 14400000})
#define LOAD_SPOOL_SETTINGS                                                                        \
    ((struct spool_settings){.segment_size_bytes = 32 << 20,                                       \
                             .inline_max_bytes = 128 << 10,                                        \
                             .min_free_bytes = 256 << 20})

#endif
