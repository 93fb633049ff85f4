/* queue/spool_health_private.h - may a log take messages in, and how much room has its disk? */
#ifndef QUEUE_SPOOL_HEALTH_PRIVATE_H
#define QUEUE_SPOOL_HEALTH_PRIVATE_H

#include <stdatomic.h>

#include "queue/spool_directory_private.h"

struct spool_health {
    const struct spool_directory *dir;
    /* Written by the writer, read by all. */
    _Atomic int err; /* enum err; not ERR_OK: takes nothing in */
    _Atomic uint64_t disk_free_bytes;
    /* The writer's. */
    unsigned failures; /* in a row */
    uint64_t heal_at_ms, space_at_ms;
};
bool spool_is_healthy(const struct spool_health *health);
/* Takes nothing in until it has been mended; to be tried again in a while. */
void spool_health_fail(struct spool_health *health, enum err err);
void spool_health_mend(struct spool_health *health);
/* Asks the disk, if it is time. */
void spool_space_refresh(struct spool_health *health);

#endif
