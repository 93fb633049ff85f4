/* tests/support/spool_bed.h - a spool in a temporary directory, worked step by step on the test's
 * thread, and messages that can be told from their number alone.
 */
#ifndef TESTS_SPOOL_BED_H
#define TESTS_SPOOL_BED_H

#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "faulty_io.h"
#include "queue/spool.h"
#include "unit.h"

#define BED_MESSAGES_MAX 8192

struct bed_message { /* what became of message NUMBER */
    unsigned options;
    bool answered, doubtful;
    enum err err;
    struct spool_ref ref;
    /* by the last bed_recover() */
    bool found;
    uint32_t attempts;
};

struct bed {
    char dir[TEMP_DIR_SIZE];
    char path[TEMP_DIR_SIZE + 32];
    struct spool_settings settings;
    struct io *io;
    unsigned options; /* of messages sent from now on */
    struct mailbox *home;
    /* As 0.1.0 with so many writers: from the first bed_open() on message NUMBER goes to log
     * NUMBER % LOGS, if it is there. 0 and 1: one log. */
    unsigned logs;
    bool logs_made;
    struct spool *spool;
    struct bed_message messages[BED_MESSAGES_MAX];
    size_t damaged; /* found by the last bed_recover() with anything but what was put in */
    size_t found;
};

struct bed *bed_new(void);

void bed_free(struct bed **bed);

void bed_answers(struct bed *b);

void bed_work(struct bed *b);

char bed_octet(unsigned number, size_t at);

void bed_append(struct spool_txn *txn, unsigned number, size_t octets);

void bed_on_done(void *owner, const struct spool_committed *result);

/* Now and then a message needs a segment of version 2; none of those that are kept in tests/data.
 */
#define BED_ORAR BYTES("rfc822;other+2Bwise@example.net")
bool bed_has_orar(unsigned number);

/* Message NUMBER, OCTETS long; the answer comes with bed_work(). */
void bed_send(struct bed *b, unsigned number, size_t octets);

bool bed_text_right(const struct spool_message *m, unsigned number);

bool bed_envelope_right(const struct spool_message *m, unsigned number);

/* Which message is it? BED_MESSAGES_MAX: none of ours. */
unsigned bed_number(const struct spool_message *m);

void bed_on_recovered(void *owner, const struct spool_message *m,
                      const struct spool_outcome *outcome);

enum err bed_open(struct bed *b, struct err_detail *why);

void bed_recover(struct bed *b);

/* The process dies, and starts again. */
bool bed_restart(struct bed *b);

void bed_outcome(struct bed *b, unsigned number, uint32_t attempts);

#endif
