/* What the crash campaigns share: time, seed, and what is told of a failure. */
#include "campaign.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

enum { CASE_MAX_S = 60, COMPLAINTS_MAX = 100, COMPLAINTS_CASE_MAX = 4 };

static struct {
    const char *name;
    char row[400];
    double time_s, begun_s;
    uint64_t seed, state, passed, failed, complaints, case_complaints;
    bool open, bad;
} c;

/* Not core/clock: tests turn that one. */
static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_alarm(int number)
{
    (void)number;
    static const char words[] = "\ncase hangs: ";
    (void)!write(STDOUT_FILENO, words, sizeof words - 1);
    (void)!write(STDOUT_FILENO, c.row, strlen(c.row));
    (void)!write(STDOUT_FILENO, "\n0 passed, 1 failed\n", 20);
    _exit(EXIT_FAILURE);
}

void campaign_begin(const char *name)
{
    const char *seed = getenv("SEED"), *time_text = getenv("TIME");
    c.name = name;
    c.time_s = time_text && *time_text ? strtod(time_text, NULL) : 20;
    if (seed && *seed)
        c.seed = strtoull(seed, NULL, 10);
    else if (getrandom(&c.seed, 4, 0) != 4)
        c.seed = 1;
    c.state = c.seed;
    c.begun_s = now_s();
    signal(SIGALRM, on_alarm);
    /* Nothing here asks whether the disk under the tests keeps its word: memory is quicker. */
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", false);
    printf("%s: TIME=%g SEED=%llu\n", name, c.time_s, (unsigned long long)c.seed);
    fflush(stdout);
}

uint64_t campaign_random_seed(void)
{
    uint64_t x = c.state += 0x9e3779b97f4a7c15U;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27) * 0x94d049bb133111ebU;
    return x ^ x >> 31;
}

uint64_t campaign_random(uint64_t below)
{
    return campaign_random_seed() % below;
}

bool campaign_share_is_up(unsigned share)
{
    return now_s() - c.begun_s > c.time_s * share / 100;
}

bool campaign_time_is_up(void)
{
    return campaign_share_is_up(100);
}

static void case_close(void)
{
    c.passed += c.open && !c.bad;
    c.failed += c.open && c.bad;
    c.open = c.bad = false;
    c.case_complaints = 0;
}

void campaign_case(const char *format, ...)
{
    va_list args;
    case_close();
    va_start(args, format);
    vsnprintf(c.row, sizeof c.row / 2, format, args);
    va_end(args);
    c.open = true;
    alarm(CASE_MAX_S);
}

bool campaign_check(bool good, const char *format, ...)
{
    va_list args;
    if (good)
        return true;
    c.bad = true;
    if (c.complaints >= COMPLAINTS_MAX || c.case_complaints >= COMPLAINTS_CASE_MAX)
        return false;
    c.complaints++;
    c.case_complaints++;
    printf("%s: FAILED (SEED=%llu): %s: ", c.name, (unsigned long long)c.seed, c.row);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
    return false;
}

void campaign_detail(const char *format, ...)
{
    va_list args;
    size_t len = strlen(c.row);
    va_start(args, format);
    vsnprintf(c.row + len, sizeof c.row - len, format, args);
    va_end(args);
}

bool campaign_case_failed(void)
{
    return c.bad;
}

void campaign_note(const char *format, ...)
{
    va_list args;
    printf("%s: ", c.name);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

int campaign_end(void)
{
    case_close();
    alarm(0);
    printf("%llu passed, %llu failed\n", (unsigned long long)c.passed,
           (unsigned long long)c.failed);
    return c.failed || !c.passed ? EXIT_FAILURE : EXIT_SUCCESS;
}
