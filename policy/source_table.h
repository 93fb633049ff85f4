/* policy/source_table.h - how many sessions each source has on each connector, and how many
 * messages it sent this minute: max_inbound_connection_per_source, message_rate_limit (Exchange).
 *
 * One table for all workers, of fixed size, without locks: a slot is one atomic word that holds
 * both its owner and how many sessions it counts, so that it changes hands only when it counts
 * none. Any thread.
 */
#ifndef POLICY_SOURCE_TABLE_H
#define POLICY_SOURCE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/ipaddr.h"

struct source_table;

#define SOURCE_TABLE_NONE UINT32_MAX

/* SLOTS is rounded up to a power of two; 16 octets each. */
struct source_table *source_table_new(size_t slots);
void source_table_free(struct source_table **table);

/* One more session of ADDR on CONNECTOR (any number that stands for it), unless there are MAX
 * already: then SOURCE_TABLE_NONE. Also when no slot can be had: closed is safer than uncounted. */
uint32_t source_table_enter(struct source_table *table, uint64_t connector,
                            const struct ipaddr *addr, uint64_t max);
/* SLOT from enter; NONE is ignored. */
void source_table_leave(struct source_table *table, uint32_t slot);
uint32_t source_table_sessions(const struct source_table *table, uint32_t slot);
/* One more message this minute, at most PER_MINUTE. NOW: monotonic ms. Windows of whole minutes. */
bool source_table_message(struct source_table *table, uint32_t slot, uint64_t per_minute,
                          uint64_t now_ms);

#endif
