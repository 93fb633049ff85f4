/* tests/support/op_log.h - every state that a power cut could leave, on any file system.
 *
 * Every call goes to the kernel and is written down with its data. A crash may come before any of
 * them; of what had not been synced by then each piece is on the disk or not, whatever became of
 * the others: a piece is a sector of 512 octets that a write has changed, a file's new size, or
 * the coming, going or new name of one directory entry. What a failed sync was to bring to the
 * disk stays in doubt for ever. One thread.
 */
#ifndef TESTS_OP_LOG_H
#define TESTS_OP_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "core/io.h"

struct op_log;

/* ROOT: a directory that is still to be made, the only one that is written down. */
struct op_log *op_log_new(const char *root);
void op_log_free(struct op_log **log);
struct io *op_log_io(struct op_log *log);
/* The N-th sync from now fails; 0: none. */
void op_log_fail_sync(struct op_log *log, size_t n);
/* The process dies instead of the N-th sync from now: whatever it still does comes to nothing. 0:
 * another one lives. */
void op_log_die(struct op_log *log, size_t n);
bool op_log_is_dead(const struct op_log *log);
/* Called before every operation: what was answered until then was answered before it. */
void op_log_before(struct op_log *log, void (*call)(void *owner), void *owner);

/* Operations so far. */
size_t op_log_length(const struct op_log *log);
/* Is operation AT a sync? At the moment before, most is in doubt. */
bool op_log_is_sync(const struct op_log *log, size_t at);

/* Pieces that are in doubt if the power goes before operation AT. */
size_t op_log_doubts(const struct op_log *log, size_t at);
/* What is then found: of the doubtful pieces those with KEPT. Into TO, which must not exist. */
void op_log_leave(const struct op_log *log, size_t at, const bool *kept, const char *to);

#endif
