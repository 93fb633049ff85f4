/* queue/spool_files_private.h - the segment files that a start finds. */
#ifndef QUEUE_SPOOL_FILES_PRIVATE_H
#define QUEUE_SPOOL_FILES_PRIVATE_H

#include "queue/spool_log_private.h"

struct spool_files {
    struct spool_log *log;
    uint32_t order[SPOOL_SLOTS]; /* slots, latest generation first */
    size_t count;
    uint64_t id_max; /* ids below have been handed out */
};
/* Adopts the segment files; sets aside those with a damaged header. */
MUST_USE enum err spool_files_find(struct spool_files *files, struct err_detail *why);

#endif
