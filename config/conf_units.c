/* Sizes and durations as they are written. */
#include "config/conf.h"

#define SECOND_MS 1000ull
#define DAY_MS    (24 * 3600 * SECOND_MS)

/* number [B|KB|MB|GB|TB], any case, blanks between allowed; powers of 1024 (exchange: 36 MB is
 * SIZE 37748736). */
enum err conf_parse_size(struct bytes text, uint64_t *bytes)
{
    static const struct {
        struct bytes name;
        unsigned shift;
    } units[] = {
        {{"KB", 2}, 10}, {{"MB", 2}, 20}, {{"GB", 2}, 30}, {{"TB", 2}, 40}, {{"B", 1}, 0},
    };
    unsigned shift = 0;
    text = bytes_trim(text);
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (bytes_ends_nocase(text, units[i].name)) {
            shift = units[i].shift;
            text = bytes_trim(bytes_sub(text, 0, text.len - units[i].name.len));
            break;
        }
    uint64_t number;
    enum err e = bytes_to_u64(text, UINT64_MAX >> 1, &number);
    if (e != ERR_OK)
        return e;
    if (number > (UINT64_MAX >> 1) >> shift)
        return ERR_LIMIT;
    *bytes = number << shift;
    return ERR_OK;
}

/* [d.]hh:mm[:ss], as Exchange writes time spans. */
static enum err parse_span(struct bytes text, uint64_t *ms)
{
    struct bytes days, rest, part[3];
    uint64_t number[4] = {0};
    if (bytes_split(text, '.', &days, &rest)) {
        if (bytes_to_u64(days, 100000, &number[0]) != ERR_OK)
            return ERR_SYNTAX;
        text = rest;
    }
    if (!bytes_split(text, ':', &part[0], &rest))
        return ERR_SYNTAX;
    part[2] = BYTES("0");
    if (bytes_split(rest, ':', &part[1], &text))
        part[2] = text;
    static const uint64_t limit[] = {23, 59, 59};
    for (int i = 0; i < 3; i++)
        if (bytes_to_u64(part[i], limit[i], &number[i + 1]) != ERR_OK)
            return ERR_SYNTAX;
    *ms = number[0] * DAY_MS + (number[1] * 3600 + number[2] * 60 + number[3]) * SECOND_MS;
    return ERR_OK;
}

/* number (ms|s|m|h|d), or a span. A bare number has no unit: refused. */
enum err conf_parse_duration(struct bytes text, uint64_t *ms)
{
    static const struct {
        struct bytes name;
        uint64_t ms;
    } units[] = {
        {{"ms", 2}, 1},
        {{"s", 1}, SECOND_MS},
        {{"m", 1}, 60 * SECOND_MS},
        {{"h", 1}, 3600 * SECOND_MS},
        {{"d", 1}, DAY_MS},
    };
    text = bytes_trim(text);
    if (bytes_find(text, ':', 0) != BYTES_NOT_FOUND)
        return parse_span(text, ms);
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        uint64_t number;
        if (!bytes_ends_nocase(text, units[i].name))
            continue;
        text = bytes_trim(bytes_sub(text, 0, text.len - units[i].name.len));
        enum err e = bytes_to_u64(text, 1000000000, &number);
        *ms = e == ERR_OK ? number * units[i].ms : 0;
        return e;
    }
    return ERR_SYNTAX;
}
