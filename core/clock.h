/* core/clock.h - two clocks: one to measure with, one to stamp with. Virtual in tests.
 *
 * Timers and timeouts use the monotonic clock only; the wall clock may jump (RFC 5321 stamps,
 * persisted retry times). Any thread.
 */
#ifndef CORE_CLOCK_H
#define CORE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

uint64_t clock_mono_ns(void);
uint64_t clock_mono_ms(void);
int64_t clock_wall_ms(void); /* since 1970-01-01 UTC */

/* From here on both clocks stand still until moved: tests only, before any thread starts. */
void clock_virtual_start(uint64_t mono_ms, int64_t wall_ms);
void clock_virtual_advance(uint64_t ms);
void clock_virtual_set_wall(int64_t wall_ms);
void clock_virtual_end(void);

/* RFC 5322 3.3 date-time with the local numeric zone: "Tue, 08 Oct 2013 21:11:04 +1000". */
#define CLOCK_RFC5322_SIZE 40
char *clock_rfc5322(int64_t wall_ms, char to[CLOCK_RFC5322_SIZE]);
/* RFC 3339 in UTC with milliseconds: "2013-10-08T11:11:04.123Z". */
#define CLOCK_RFC3339_SIZE 32
char *clock_rfc3339(int64_t wall_ms, char to[CLOCK_RFC3339_SIZE]);

#endif
