/* queue/spool_directory_private.h - the directories of one log, held open.
 *
 * Made and changed by the opener alone; afterwards any thread reads it.
 */
#ifndef QUEUE_SPOOL_DIRECTORY_PRIVATE_H
#define QUEUE_SPOOL_DIRECTORY_PRIVATE_H

#include "core/err.h"
#include "core/io.h"

struct spool_directory {
    unsigned number;                     /* of the log */
    const struct spool_directory *first; /* of log 0, in which the others live; NULL: this is it */
    char *path;
    struct io *io;
    int root_fd, segments_fd, big_fd, quarantine_fd, lock_fd;
};
/* PATH: of log 0; a log in FIRST is below that. Nothing is opened. */
void spool_directory_init(struct spool_directory *dir, const char *path, struct io *io,
                          const struct spool_directory *first, unsigned number);
/* Opens or makes them, checks them, takes the lock. */
MUST_USE enum err spool_directory_open(struct spool_directory *dir, struct err_detail *why);
void spool_directory_close(struct spool_directory *dir);

#endif
