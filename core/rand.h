/* core/rand.h - random numbers: seeded by the kernel, or by a test that wants to repeat itself.
 *
 * Not for keys (OpenSSL makes those). State is per thread.
 */
#ifndef CORE_RAND_H
#define CORE_RAND_H

#include <stdint.h>

uint64_t rand_u64(void);
/* 0 .. BOUND-1, without bias; BOUND > 0. */
uint64_t rand_below(uint64_t bound);
/* Makes this thread's sequence repeatable: tests only. */
void rand_seed(uint64_t seed);

#endif
