/* tests/support/faulty_io.h - a disk that fails when told to, and remembers what was synced.
 *
 * Every call goes to the kernel and is counted; the n-th can be made to fail, once or for good.
 * At any time power_cut() writes down what a power failure would leave of the directory: file
 * contents as of the last sync of each file, names as of the last sync of each directory. One
 * thread at a time.
 */
#ifndef TESTS_FAULTY_IO_H
#define TESTS_FAULTY_IO_H

#include <stdbool.h>
#include <stdint.h>

#include "core/io.h"

struct faulty_io;

/* ROOT: the directory that is remembered, with those below it. */
struct faulty_io *faulty_io_new(const char *root);
void faulty_io_free(struct faulty_io **f);
struct io *faulty_io_of(struct faulty_io *f);

enum faulty_mode {
    FAULTY_ONCE,           /* the n-th call fails */
    FAULTY_FOR_GOOD,       /* and all that follow */
    FAULTY_EVERY_OTHER,    /* and every other of those that follow */
    FAULTY_SHORT,          /* the n-th call, if it is a write, does half of it; fails otherwise */
    FAULTY_SHORT_FOR_GOOD, /* and all that follow */
};
enum faulty_kind {
    FAULTY_READS = 1,
    FAULTY_WRITES = 2,
    FAULTY_SYNCS = 4, /* fsync and fdatasync */
    FAULTY_OTHERS = 8,
    FAULTY_ANY = 15,
};
/* Of the calls of KINDS the N-th from now: 1 is the next. It replaces what was told before. */
void faulty_io_fail_kinds(struct faulty_io *f, unsigned kinds, uint64_t n, int errnum,
                          enum faulty_mode mode);
/* Of all calls. */
void faulty_io_fail(struct faulty_io *f, uint64_t n, int errnum, enum faulty_mode mode);
/* The n-th sync (fsync, fdatasync) instead of the n-th call. */
void faulty_io_fail_sync(struct faulty_io *f, uint64_t n, int errnum);
void faulty_io_heal(struct faulty_io *f);
bool faulty_io_has_failed(const struct faulty_io *f); /* since told to */
/* The name of the last call that was made to fail, or NULL. */
const char *faulty_io_failed_call(const struct faulty_io *f);
/* Calls of the kinds that were to fail, since told to. */
uint64_t faulty_io_seen(const struct faulty_io *f);
uint64_t faulty_io_calls(const struct faulty_io *f);
uint64_t faulty_io_syncs(const struct faulty_io *f);
/* Writes to or syncs of a file on which one of them had failed: must stay 0. */
uint64_t faulty_io_second_tries(const struct faulty_io *f);
/* Another process takes over, which does not know what has failed. */
void faulty_io_new_process(struct faulty_io *f);
/* What fstatvfs() says is free from now on. */
void faulty_io_set_free(struct faulty_io *f, uint64_t bytes);

/* Called before every sync: the moment at which most is at stake. */
void faulty_io_before_sync(struct faulty_io *f, void (*call)(void *owner), void *owner);

enum faulty_cut {
    FAULTY_CUT_SYNCED,  /* nothing but what was synced */
    FAULTY_CUT_LOTTERY, /* and of the rest each sector of 512 octets and each name by lot */
};
/* Into TO, which must not exist. */
void faulty_io_power_cut(struct faulty_io *f, const char *to, enum faulty_cut cut, uint64_t seed);

/* A fresh directory in $TMPDIR or /tmp; its name into TO. */
#define TEMP_DIR_SIZE 256
char *temp_dir_new(char to[TEMP_DIR_SIZE]);
void temp_dir_remove(const char *path);

#endif
