/* The parts of a line of the log: time, level, values with escapes. */
#include "core/log_private.h"

#include "core/clock.h"

/* Text is appended as long as it fits; after that OVER stays set and nothing more is taken. */
struct out {
    char *data;
    size_t len;
    size_t size;
    bool over;
};

static void put(struct out *o, const char *text, size_t len)
{
    if (o->over || len > o->size - o->len) {
        o->over = true;
        return;
    }
    memcpy(o->data + o->len, text, len);
    o->len += len;
}

static void put_text(struct out *o, const char *text)
{
    put(o, text, strlen(text));
}

static void put_char(struct out *o, char c)
{
    put(o, &c, 1);
}

static void put_hex(struct out *o, const char *prefix, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    put_text(o, prefix);
    put_char(o, hex[c >> 4]);
    put_char(o, hex[c & 15]);
}

static const char *level_name(enum log_level level)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    return (size_t)level < ARRAY_SIZE(names) ? names[level] : "info";
}

/* A value that a reader could split or mistake for several must stand in quotes. */
static bool text_needs_quotes(struct bytes b)
{
    for (size_t i = 0; i < b.len; i++) {
        unsigned char c = (unsigned char)b.ptr[i];
        if (c <= 0x20 || c >= 0x7f || c == '"' || c == '=' || c == '\\')
            return true;
    }
    return b.len == 0;
}

static void put_text_value(struct out *o, struct bytes b)
{
    if (!text_needs_quotes(b)) {
        put(o, b.ptr, b.len);
        return;
    }
    put_char(o, '"');
    for (size_t i = 0; i < b.len; i++) {
        char c = b.ptr[i];
        if (c == '"' || c == '\\')
            put_char(o, '\\');
        if (c >= 0x20 && c < 0x7f)
            put_char(o, c);
        else
            put_hex(o, "\\x", (unsigned char)c);
    }
    put_char(o, '"');
}

/* Length of the well-formed UTF-8 character at the front of B (Unicode, table 3-7), or 0. */
static size_t utf8_length(struct bytes b)
{
    const unsigned char *p = (const unsigned char *)b.ptr;
    unsigned char low = 0x80, high = 0xbf;
    size_t len;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        len = 2;
    else if ((p[0] & 0xf0) == 0xe0)
        len = 3;
    else if (p[0] >= 0xf0 && p[0] <= 0xf4)
        len = 4;
    else
        return 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    if (b.len < len || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    /* U+0080 to U+009F command some terminals: not as text. */
    return p[0] == 0xc2 && p[1] < 0xa0 ? 0 : len;
}

static void put_json_string(struct out *o, struct bytes b)
{
    put_char(o, '"');
    for (size_t i = 0, len; i < b.len; i += len) {
        unsigned char c = (unsigned char)b.ptr[i];
        len = 1;
        if (c == '"' || c == '\\') {
            put_char(o, '\\');
            put_char(o, (char)c);
        } else if (c >= 0x20 && c < 0x7f) {
            put_char(o, (char)c);
        } else if ((len = utf8_length(bytes_from(b, i))) > 0) {
            put(o, b.ptr + i, len);
        } else {
            put_hex(o, "\\u00", c);
            len = 1;
        }
    }
    put_char(o, '"');
}

static void put_string(struct out *o, enum log_format format, struct bytes b)
{
    if (format == LOG_FORMAT_JSON)
        put_json_string(o, b);
    else
        put_text_value(o, b);
}

/* Several in every line: printf() would take longer than all the rest of it. */
static void put_number(struct out *o, uint64_t n)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + n % 10);
    while ((n /= 10) > 0);
    put(o, digits + at, sizeof digits - at);
}

static void put_value(struct out *o, enum log_format format, const struct log_field *field)
{
    char text[ENDPOINT_TEXT_SIZE];
    switch (field->type) {
    case LOG_FIELD_BYTES:
        put_string(o, format, bytes_sub(field->bytes, 0, LOG_VALUE_MAX));
        break;
    case LOG_FIELD_U64:
        put_number(o, field->u64);
        break;
    case LOG_FIELD_I64:
        if (field->i64 < 0)
            put_char(o, '-');
        put_number(o, field->i64 < 0 ? 0 - (uint64_t)field->i64 : (uint64_t)field->i64);
        break;
    case LOG_FIELD_IP:
        put_string(o, format, bytes_of(ipaddr_format(field->ip, text)));
        break;
    case LOG_FIELD_ENDPOINT:
        put_string(o, format, bytes_of(endpoint_format(field->endpoint, text)));
        break;
    }
}

/* Keys and events are our own words and need no escaping. */
static void put_field(struct out *o, enum log_format format, const struct log_field *field)
{
    put_text(o, format == LOG_FORMAT_JSON ? ",\"" : " ");
    put_text(o, field->key);
    put_text(o, format == LOG_FORMAT_JSON ? "\":" : "=");
    put_value(o, format, field);
}

static void put_head(struct out *o, const struct log_line *line)
{
    char stamp[CLOCK_RFC3339_SIZE];
    bool json = line->format == LOG_FORMAT_JSON;
    put_text(o, json ? "{\"time\":\"" : "");
    put_text(o, clock_rfc3339(line->wall_ms, stamp));
    put_text(o, json ? "\",\"level\":\"" : " ");
    put_text(o, level_name(line->level));
    put_text(o, json ? "\",\"event\":\"" : " ");
    put_text(o, line->event);
    put_text(o, json ? "\"" : "");
}

size_t log_format_line(const struct log_line *line, char to[LOG_LINE_MAX])
{
    static const struct log_field cut = {.key = "fields_left_out", .type = LOG_FIELD_U64, .u64 = 1};
    enum { TAIL_BYTES = 32 }; /* for the closing field and line end, whatever came before */
    struct out o = {.data = to, .size = LOG_LINE_MAX - TAIL_BYTES};
    bool left_out = false;
    put_head(&o, line);
    for (size_t i = 0; i < line->count; i++) {
        size_t before = o.len;
        put_field(&o, line->format, &line->fields[i]);
        if (o.over) {
            o.len = before;
            o.over = false;
            left_out = true;
        }
    }
    o.size = LOG_LINE_MAX;
    if (left_out)
        put_field(&o, line->format, &cut);
    put_text(&o, line->format == LOG_FORMAT_JSON ? "}\n" : "\n");
    ASSERT(!o.over);
    return o.len;
}
