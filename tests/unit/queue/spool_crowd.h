/* A spool with several logs, as 0.1.0 made it, and as many homes as a machine has workers. */
#ifndef TESTS_SPOOL_CROWD_H
#define TESTS_SPOOL_CROWD_H

#include "queue/spool_private.h"
#include "spool_bed.h"

enum { HOMES = 6, EACH = 5, MESSAGES = HOMES * EACH };

/* As many homes as a machine has workers; message NUMBER comes from home NUMBER % HOMES. */
struct crowd {
    struct bed *bed;
    struct faulty_io *disk;
    struct mailbox *homes[HOMES];
};

struct crowd crowd_new(unsigned logs);

void crowd_free(struct crowd *c);

void answers_take(struct crowd *c);

void send_from(struct crowd *c, unsigned number, size_t octets);

void send_all(struct crowd *c);

unsigned log_of(const struct crowd *c, unsigned number);

bool there(const struct bed *b, const char *sub);

#endif
