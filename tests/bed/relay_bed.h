/* tests/bed/relay_bed.h - the real inbound and outbound with the real scheduler and spool, on one
 * thread, a network in memory (fake_net.h) and a virtual clock.
 *
 * It takes connections at BED_AT. Mail goes out by the real outbound, or is only taken from the
 * spool and noted in `kept`. A failed step of the bed itself ends the program.
 */
#ifndef TESTS_RELAY_BED_H
#define TESTS_RELAY_BED_H

#include <stdatomic.h>

#include "core/buf.h"
#include "core/io.h"
#include "core/loop.h"
#include "mailrace/auth_pool.h"
#include "mailrace/inbound.h"
#include "mailrace/outbound.h"
#include "mailrace/rules.h"
#include "queue/sched.h"
#include "queue/spool.h"

#include "faulty_io.h"
#include "fake_net.h"

#define BED_AT       "192.0.2.1:25"
#define BED_START_MS 1700000000000

struct bed_mail {         /* one message, as it came out of the spool */
    char *sender, *rcpts; /* recipients with a blank behind each */
    char *text;
    uint64_t id;
};

struct relay_bed {
    char dir[TEMP_DIR_SIZE];
    struct io io;
    bool disk_dead; /* nothing reaches the disk */
    bool delivers;  /* by the real outbound; else into KEPT */
    struct loop *loop;
    struct rules_place *rules;
    struct spool *spool;
    struct sched *sched;
    struct source_table *sources;
    struct auth_pool *auth_pool;
    struct outbound *outbound;
    struct inbound_services in;
    struct outbound_services out;
    atomic_uint_fast64_t sessions;
    struct bed_mail *kept;
    size_t kept_count;
    int log_fd;
};

/* CONFIG is the text of a configuration without spool. The clock stands at BED_START_MS. */
void relay_bed_start(struct relay_bed *bed, const char *config, bool delivers);
void relay_bed_stop(struct relay_bed *bed);
/* As a reload does it. */
void relay_bed_publish(struct relay_bed *bed, const char *config);
/* The process dies: sessions are cut, and nothing more reaches the disk. Then it starts again. */
void relay_bed_crash(struct relay_bed *bed);
/* One turn of everything; false: there was nothing to do. */
bool relay_bed_turn(struct relay_bed *bed);
void relay_bed_settle(struct relay_bed *bed); /* until there is nothing to do */
/* Time passes up to the next timer, at most MS. */
void relay_bed_wait(struct relay_bed *bed, uint64_t ms);
void relay_bed_forget(struct relay_bed *bed); /* what was kept */
/* What was logged since it was asked last; valid until then. */
const char *relay_bed_log(struct relay_bed *bed);

/* A client that says and hears plain text. */
struct bed_client {
    struct relay_bed *bed;
    struct conn *conn; /* NULL: closed */
    struct buf heard;
    char text[8192]; /* what bed_say() returned last */
};

/* FROM: an address. */
void bed_connect(struct relay_bed *bed, struct bed_client *client, const char *from);
/* Says TEXT, waiting for the reply behind each DATA, and lets the relay work: all that was heard
 * since the last time. */
const char *bed_say(struct bed_client *client, const char *text);
/* The same in one piece. */
const char *bed_say_bytes(struct bed_client *client, struct bytes text);
void bed_leave(struct bed_client *client);

#endif
