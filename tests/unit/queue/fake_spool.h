/* tests/unit/queue/fake_spool.h - a spool that lives in RAM. It takes the place of the functions of
 * queue/spool.h: it is linked to the programs that ask for it alone (tests/CMakeLists.txt).
 */
#ifndef TESTS_FAKE_SPOOL_H
#define TESTS_FAKE_SPOOL_H

#include "queue/spool.h"

#define KEPT_MAX  2000
#define RCPTS_MAX 8

struct kept { /* a message in the spool, its number is the id */
    struct mail_envelope envelope;
    struct spool_meta meta;
    bool used, done, quarantined;
    unsigned outcomes;
    struct spool_outcome outcome;
    struct mail_rcpt rcpts[RCPTS_MAX];
};

extern struct disk {
    struct arena arena;
    struct kept kept[KEPT_MAX];
    uint64_t next_id;
    unsigned reads, commits, dones;
    enum err commit_err, read_err;
} disk;

/* How the text of the last message committed begins. */
extern char last_report[6000];

/* ENVELOPE lies in the spool as message ID, as if it had been committed. */
struct spool_ref keep(const struct mail_envelope *envelope, const struct spool_meta *meta,
                      uint64_t id);

#endif
