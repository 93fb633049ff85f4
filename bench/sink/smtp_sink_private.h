/* bench/sink/smtp_sink_private.h - what the files of the sink share.
 *
 *   smtp_sink.c         threads, counters, and the session's answers
 *   smtp_sink_detour.c  connections that do not go straight to a session: silent, late, slow
 */
#ifndef BENCH_SINK_SMTP_SINK_PRIVATE_H
#define BENCH_SINK_SMTP_SINK_PRIVATE_H

#include "core/list.h"
#include "core/loop.h"

/* A connection that has no session yet, or none of its own, in a list of its thread's: what is left
 * when the thread ends is stopped from there. */
struct smtp_sink_detour {
    struct cds_list_head link;
    void (*stop)(struct smtp_sink_detour *d); /* closes, tells the owner, and D is gone */
};
void smtp_sink_detour_stop_all(struct cds_list_head *list);

/* Holds FD without a word until the peer leaves, then calls GONE. */
void smtp_sink_silence(struct cds_list_head *list, struct loop *loop, int fd,
                       void (*gone)(void *owner), void *owner);
/* Holds FD for DELAY_MS and hands it back by GO; or GONE when stopped before. */
struct smtp_sink_later {
    void (*go)(void *owner, int fd);
    void (*gone)(void *owner);
    void *owner;
};
void smtp_sink_delay(struct cds_list_head *list, struct loop *loop, int fd, uint64_t delay_ms,
                     const struct smtp_sink_later *then);
/* Another descriptor that talks to FD's peer and is fed BYTES_PER_S of what that one sends; FD
 * itself when there is no other one to be had. */
int smtp_sink_slow(struct cds_list_head *list, struct loop *loop, int fd, uint64_t bytes_per_s);

/* Ends FD with RST. */
void smtp_sink_reset(int fd);

#endif
