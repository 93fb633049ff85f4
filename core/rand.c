/* A generator a thread (xoshiro256**), seeded by the kernel or by a test. */
#include "core/rand.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>

#include "core/err.h"

/* xoshiro256** (Blackman and Vigna): 256 bits of state, never all zero. */
static _Thread_local struct {
    uint64_t s[4];
    bool seeded;
} rand_state;

static uint64_t rotate_left(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

/* splitmix64 spreads one number over the whole state; four successive values are never all 0. */
void rand_seed(uint64_t seed)
{
    for (size_t i = 0; i < ARRAY_SIZE(rand_state.s); i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        rand_state.s[i] = z ^ (z >> 31);
    }
    rand_state.seeded = true;
}

static void rand_seed_from_kernel(void)
{
    ssize_t n;
    do
        n = getrandom(rand_state.s, sizeof rand_state.s, 0);
    while (n < 0 && errno == EINTR);
    ASSERT(n == (ssize_t)sizeof rand_state.s);
    rand_state.s[0] |= 1;
    rand_state.seeded = true;
}

uint64_t rand_u64(void)
{
    if (!rand_state.seeded)
        rand_seed_from_kernel();
    uint64_t *s = rand_state.s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t rand_below(uint64_t bound)
{
    ASSERT(bound > 0);
    /* 2^64 mod BOUND values at the bottom would favour small results: draw again. */
    uint64_t reject_below = (0 - bound) % bound;
    uint64_t x;
    do
        x = rand_u64();
    while (x < reject_below);
    return x % bound;
}
