/* queue/spool_recovered_private.h - what recovery found and was not asked for yet: 12 bytes a
 * message, given back segment by segment. The opener's, then of the one thread that asks for it.
 */
#ifndef QUEUE_SPOOL_RECOVERED_PRIVATE_H
#define QUEUE_SPOOL_RECOVERED_PRIVATE_H

#include "queue/spool_log_private.h"

struct spool_found {
    uint32_t at;         /* of its item in the footer; without a footer: of its record */
    uint32_t outcome_at; /* 0: none */
    uint16_t outcome_slot;
};
struct spool_found_segment {
    uint32_t slot;
    bool has_footer;
    uint64_t generation;
    struct spool_found *messages;
    size_t count;
};

void spool_recovered_free(struct spool_log *log);
/* Takes MESSAGES over; the segment is kept from being used again until they were asked for. */
void spool_recovered_add(struct spool_log *log, const struct spool_found_segment *found);
/* The outcome in ENTRY was found after its message. */
void spool_recovered_late(struct spool_log *log, const struct spool_entry *entry);
/* Those with the latest generation were added first; they are handed over last. */
void spool_recovered_begin(struct spool_log *log);
bool spool_recovered_some(struct spool_log *log, size_t max, spool_each each, void *owner);
void spool_recovered_all(struct spool_log *log, spool_each each, void *owner);

#endif
