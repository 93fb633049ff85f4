/* Test builds: at each kill point the process may die, by the odds that MAILRACE_KILL gives. */
#include "core/kill_point.h"

#ifdef MAILRACE_KILL_POINTS

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/err.h"

/* Set before main() runs, never changed. */
static uint64_t one_in; /* 0: none dies */
static uint64_t seed = 1;
static const char *only; /* NULL: any */
static _Atomic uint64_t passages;

/* Laid down by the linker around the names of all points. */
extern const char *const __start_kill_points[] __attribute__((weak));
extern const char *const __stop_kill_points[] __attribute__((weak));

static _Noreturn void usage(const char *text)
{
    fprintf(stderr, "MAILRACE_KILL=%s: 1/N[:SEED[:NAME]] is wanted\n", text);
    exit(EXIT_FAILURE);
}

__attribute__((constructor)) static void read_environment(void)
{
    const char *text = getenv("MAILRACE_KILL");
    if (!text || !*text)
        return;
    if (strncmp(text, "1/", 2) != 0)
        usage(text);
    const char *odds = text + 2;
    const char *colon = strchrnul(odds, ':');
    if (bytes_to_u64(bytes_make(odds, (size_t)(colon - odds)), UINT32_MAX, &one_in) != ERR_OK ||
        one_in == 0)
        usage(text);
    if (!*colon)
        return;
    const char *end = strchrnul(colon + 1, ':');
    size_t len = (size_t)(end - colon - 1);
    if (len > 0 && bytes_to_u64(bytes_make(colon + 1, len), UINT64_MAX, &seed) != ERR_OK)
        usage(text);
    if (*end)
        only = end + 1;
}

/* Threads take turns as they like; given the turn, the seed alone decides. */
static bool dies(void)
{
    uint64_t x = seed + atomic_fetch_add(&passages, 1) * 0x9e3779b97f4a7c15U;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27) * 0x94d049bb133111ebU;
    return (x ^ x >> 31) % one_in == 0;
}

void kill_point_pass(const char *name)
{
    if (one_in == 0 || (only && strcmp(only, name) != 0) || !dies())
        return;
    char line[128];
    int len = snprintf(line, sizeof line, "killed at %s\n", name);
    (void)!write(STDERR_FILENO, line, (size_t)len);
    _exit(KILL_POINT_STATUS);
}

void kill_point_list(void)
{
    for (const char *const *name = __start_kill_points; name < __stop_kill_points; name++)
        puts(*name);
}

#endif
