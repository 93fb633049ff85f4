/* Writes values as one line of CSV, quoted where RFC 4180 wants it. */
#include "core/csv_line.h"

#define OCTET_MAX 4                         /* of a value's octet: \xHH */
#define TAIL      (sizeof "...\",\r\n" - 1) /* what may follow any octet */

static void put(struct csv_line *line, const char *text, size_t len)
{
    ASSERT(len <= sizeof line->text - line->len);
    memcpy(line->text + line->len, text, len);
    line->len += len;
}

static void put_octet(struct csv_line *line, char c)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char u = (unsigned char)c;
    if (c == '"') {
        put(line, "\"\"", 2);
    } else if (u >= ' ' && u < 0x7f) {
        put(line, &c, 1);
    } else {
        const char code[OCTET_MAX] = {'\\', 'x', hex[u >> 4], hex[u & 15]};
        put(line, code, sizeof code);
    }
}

static bool room(const struct csv_line *line, size_t len)
{
    return sizeof line->text - line->len >= len + TAIL;
}

void csv_line_add(struct csv_line *line, struct bytes value, size_t max)
{
    bool quoted = bytes_find(value, ',', 0) < max || bytes_find(value, '"', 0) < max;
    if (line->fields++ && room(line, 1))
        put(line, ",", 1);
    if (!room(line, 1 + OCTET_MAX)) {
        if (value.len > 0 && sizeof line->text - line->len >= sizeof "...\r\n" - 1)
            put(line, "...", 3);
        return;
    }
    if (quoted)
        put(line, "\"", 1);
    size_t i = 0;
    for (; i < value.len && i < max && room(line, OCTET_MAX); i++)
        put_octet(line, value.ptr[i]);
    if (i < value.len)
        put(line, "...", 3);
    if (quoted)
        put(line, "\"", 1);
}

struct bytes csv_line_end(struct csv_line *line)
{
    put(line, "\r\n", 2);
    return bytes_make(line->text, line->len);
}
