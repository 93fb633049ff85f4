/* The kernel's clocks, or the one that a test turns. */
#include "core/clock.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "core/err.h"

static struct {
    atomic_bool on;
    _Atomic uint64_t mono_ns;
    _Atomic int64_t wall_ms;
} clock_virtual;

static struct timespec clock_read(clockid_t id)
{
    struct timespec now;
    ASSERT(clock_gettime(id, &now) == 0);
    return now;
}

uint64_t clock_mono_ns(void)
{
    if (atomic_load_explicit(&clock_virtual.on, memory_order_relaxed))
        return atomic_load_explicit(&clock_virtual.mono_ns, memory_order_relaxed);
    struct timespec now = clock_read(CLOCK_MONOTONIC);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clock_mono_ms(void)
{
    return clock_mono_ns() / 1000000u;
}

int64_t clock_wall_ms(void)
{
    if (atomic_load_explicit(&clock_virtual.on, memory_order_relaxed))
        return atomic_load_explicit(&clock_virtual.wall_ms, memory_order_relaxed);
    struct timespec now = clock_read(CLOCK_REALTIME);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void clock_virtual_start(uint64_t mono_ms, int64_t wall_ms)
{
    atomic_store(&clock_virtual.mono_ns, mono_ms * 1000000u);
    atomic_store(&clock_virtual.wall_ms, wall_ms);
    atomic_store(&clock_virtual.on, true);
}

void clock_virtual_advance(uint64_t ms)
{
    atomic_fetch_add(&clock_virtual.mono_ns, ms * 1000000u);
    atomic_fetch_add(&clock_virtual.wall_ms, (int64_t)ms);
}

void clock_virtual_set_wall(int64_t wall_ms)
{
    atomic_store(&clock_virtual.wall_ms, wall_ms);
}

void clock_virtual_end(void)
{
    atomic_store(&clock_virtual.on, false);
}

/* Rounds towards the past, so that times before 1970 format as well. */
static int64_t clock_split_ms(int64_t wall_ms, unsigned *ms)
{
    int64_t seconds = wall_ms / 1000, rest = wall_ms % 1000;
    if (rest < 0) {
        rest += 1000;
        seconds--;
    }
    *ms = (unsigned)rest;
    return seconds;
}

/* Broken-down time is the expensive part (the local zone takes the C library's lock): a thread
 * formats each second once. */
struct clock_cache {
    int64_t second;
    bool filled;
    char text[CLOCK_RFC5322_SIZE];
};

static char *put_text(char *to, const char *text)
{
    size_t len = strlen(text);
    memcpy(to, text, len + 1);
    return to + len;
}

static char *put_number(char *to, int n, int digits)
{
    for (int i = digits; i-- > 0; n /= 10)
        to[i] = (char)('0' + n % 10);
    to[digits] = '\0';
    return to + digits;
}

static char *put_time(char *to, const struct tm *tm)
{
    to = put_number(to, tm->tm_hour, 2);
    to = put_number(put_text(to, ":"), tm->tm_min, 2);
    return put_number(put_text(to, ":"), tm->tm_sec, 2);
}

/* A time beyond four digits of year (a broken clock or a hostile disk) is written as 1970. */
static struct tm clock_break_down(int64_t seconds,
                                  struct tm *(*convert)(const time_t *, struct tm *))
{
    struct tm tm;
    time_t when = (time_t)seconds;
    if (!convert(&when, &tm) || tm.tm_year < -1900 || tm.tm_year > 9999 - 1900) {
        when = 0;
        ASSERT(gmtime_r(&when, &tm));
    }
    return tm;
}

static void clock_fill_rfc5322(int64_t seconds, char *to)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm = clock_break_down(seconds, localtime_r);
    int zone = (int)(tm.tm_gmtoff / 60);
    int minutes = zone < 0 ? -zone : zone;
    to = put_text(put_text(to, days[tm.tm_wday]), ", ");
    to = put_text(put_number(to, tm.tm_mday, 2), " ");
    to = put_text(put_text(to, months[tm.tm_mon]), " ");
    to = put_text(put_number(to, tm.tm_year + 1900, 4), " ");
    to = put_text(put_time(to, &tm), zone < 0 ? " -" : " +");
    put_number(put_number(to, minutes / 60, 2), minutes % 60, 2);
}

char *clock_rfc5322(int64_t wall_ms, char to[CLOCK_RFC5322_SIZE])
{
    static _Thread_local struct clock_cache cache;
    unsigned ms;
    int64_t seconds = clock_split_ms(wall_ms, &ms);
    if (!cache.filled || cache.second != seconds) {
        clock_fill_rfc5322(seconds, cache.text);
        cache.second = seconds;
        cache.filled = true;
    }
    return memcpy(to, cache.text, CLOCK_RFC5322_SIZE);
}

static void clock_fill_rfc3339(int64_t seconds, char *to)
{
    struct tm tm = clock_break_down(seconds, gmtime_r);
    to = put_number(to, tm.tm_year + 1900, 4);
    to = put_number(put_text(to, "-"), tm.tm_mon + 1, 2);
    to = put_number(put_text(to, "-"), tm.tm_mday, 2);
    put_time(put_text(to, "T"), &tm);
}

char *clock_rfc3339(int64_t wall_ms, char to[CLOCK_RFC3339_SIZE])
{
    enum { SECONDS_LEN = sizeof "2013-10-08T11:11:04" - 1 };
    static _Thread_local struct clock_cache cache;
    unsigned ms;
    int64_t seconds = clock_split_ms(wall_ms, &ms);
    if (!cache.filled || cache.second != seconds) {
        clock_fill_rfc3339(seconds, cache.text);
        cache.second = seconds;
        cache.filled = true;
    }
    memcpy(to, cache.text, SECONDS_LEN);
    to[SECONDS_LEN] = '.';
    put_number(to + SECONDS_LEN + 1, (int)ms, 3);
    memcpy(to + SECONDS_LEN + 4, "Z", 2);
    return to;
}
