/* queue/spool_private.h - the spool: one log that takes messages in, and further ones if 0.1.0 made
 * them, which are only emptied. Each has a writer, directories and ids of its own and knows nothing
 * of the others. Never changes between spool_open() and spool_free(), but for RECOVERED.
 */
#ifndef QUEUE_SPOOL_PRIVATE_H
#define QUEUE_SPOOL_PRIVATE_H

#include "queue/spool_log_private.h"

struct spool {
    struct spool_log *logs[SPOOL_LOGS]; /* by number; 0 takes messages in. NULL: there is none */
    unsigned recovered;                 /* the log that hands over what it found */
    _Atomic uint64_t min_free_bytes;
};

#endif
