/* queue/spool_index_private.h - live messages: an open-addressing table of 16 bytes an entry, a
 * quarter to a half of it free. The writer's.
 */
#ifndef QUEUE_SPOOL_INDEX_PRIVATE_H
#define QUEUE_SPOOL_INDEX_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

struct spool_entry {
    uint64_t id;         /* 0: free */
    uint32_t outcome_at; /* offset of the latest OUTCOME; 0: there is none */
    uint16_t outcome_slot;
    uint16_t slot : 12;
    uint16_t big : 1;
    uint16_t moving : 1;  /* its copy is in the group that is being written */
    uint16_t moved : 1;   /* the table of moved messages knows where it is */
    uint16_t missing : 1; /* recovery: there is an OUTCOME, the message was not met so far */
};
_Static_assert(sizeof(struct spool_entry) == 16, "a queued message costs RAM");

struct spool_index {
    struct spool_entry *entries;
    size_t count, capacity;
};
void spool_index_free(struct spool_index *index);
struct spool_entry *spool_index_find(const struct spool_index *index, uint64_t id);
/* Of several with this id the one of SLOT. */
struct spool_entry *spool_index_find_in(const struct spool_index *index, uint64_t id,
                                        uint32_t slot);
/* One more, even if there is one. The pointer is good until the next change. */
struct spool_entry *spool_index_add(struct spool_index *index, uint64_t id, uint32_t slot);
void spool_index_remove(struct spool_index *index, struct spool_entry *entry);

#endif
