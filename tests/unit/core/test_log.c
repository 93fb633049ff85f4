/* core/log: values, types, levels, limits, round trip, thread, blocked pipe. */
#include "core/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/rand.h"
#include "core/thread.h"
#include "unit.h"

/* Lines go to a file in memory. */
static int sink = -1;

static void sink_open(enum log_level level, enum log_format format)
{
    sink = memfd_create("log", MFD_CLOEXEC);
    CHECK(sink >= 0);
    log_redirect(sink);
    log_configure(&(struct log_settings){level, format});
}

/* All that was written; the caller frees. */
static struct bytes sink_close(void)
{
    off_t size = lseek(sink, 0, SEEK_END);
    CHECK(size >= 0);
    char *text = mem_alloc((size_t)size + 1);
    CHECK(pread(sink, text, (size_t)size, 0) == size);
    text[size] = '\0';
    close(sink);
    log_redirect(STDERR_FILENO);
    return bytes_make(text, (size_t)size);
}

static void check_line(const struct log_field *field, enum log_format format, struct bytes wanted)
{
    sink_open(LOG_INFO, format);
    log_event(LOG_INFO, "e", field, 1);
    struct bytes line = sink_close();
    CHECK_BYTES(line, wanted);
    mem_free((void *)line.ptr);
}

static const char *const text_head = "2013-10-08T11:11:04.123Z info e k=";
static const char *const json_head =
    "{\"time\":\"2013-10-08T11:11:04.123Z\",\"level\":\"info\",\"event\":\"e\",\"k\":";

static void test_values(void)
{
    static const struct {
        const char *name;
        struct bytes value;
        const char *text, *json;
    } rows[] = {
        {"plain", BYTES("abc"), "abc", "\"abc\""},
        {"empty", BYTES(""), "\"\"", "\"\""},
        {"blank", BYTES("a b"), "\"a b\"", "\"a b\""},
        {"equals sign", BYTES("a=b"), "\"a=b\"", "\"a=b\""},
        {"quotes", BYTES("a\"b"), "\"a\\\"b\"", "\"a\\\"b\""},
        {"backslash", BYTES("a\\b"), "\"a\\\\b\"", "\"a\\\\b\""},
        {"a forged line", BYTES("x\n2026-01-02T03:04:05.678Z info sent"),
         "\"x\\x0a2026-01-02T03:04:05.678Z info sent\"",
         "\"x\\u000a2026-01-02T03:04:05.678Z info sent\""},
        {"carriage return", BYTES("\r"), "\"\\x0d\"", "\"\\u000d\""},
        {"terminal commands", BYTES("\x1b[2J"), "\"\\x1b[2J\"", "\"\\u001b[2J\""},
        {"NUL and DEL", BYTES("\0\x7f"), "\"\\x00\\x7f\"", "\"\\u0000\\u007f\""},
        {"percent", BYTES("%s%n"), "%s%n", "\"%s%n\""},
        {"UTF-8 of 2, 3 and 4", BYTES("\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xa7"),
         "\"\\xc3\\xa4\\xe2\\x82\\xac\\xf0\\x9f\\x93\\xa7\"",
         "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xa7\""},
        {"UTF-8 control", BYTES("\xc2\x9b"), "\"\\xc2\\x9b\"", "\"\\u00c2\\u009b\""},
        {"UTF-8 cut", BYTES("\xe2\x82"), "\"\\xe2\\x82\"", "\"\\u00e2\\u0082\""},
        {"UTF-8 overlong 2", BYTES("\xc0\xaf"), "\"\\xc0\\xaf\"", "\"\\u00c0\\u00af\""},
        {"UTF-8 overlong 3", BYTES("\xe0\x80\xaf"), "\"\\xe0\\x80\\xaf\"",
         "\"\\u00e0\\u0080\\u00af\""},
        {"UTF-8 overlong 4", BYTES("\xf0\x80\x80\xaf"), "\"\\xf0\\x80\\x80\\xaf\"",
         "\"\\u00f0\\u0080\\u0080\\u00af\""},
        {"UTF-8 surrogate", BYTES("\xed\xa0\x80"), "\"\\xed\\xa0\\x80\"",
         "\"\\u00ed\\u00a0\\u0080\""},
        {"UTF-8 too high", BYTES("\xf4\x90\x80\x80"), "\"\\xf4\\x90\\x80\\x80\"",
         "\"\\u00f4\\u0090\\u0080\\u0080\""},
        {"Latin-1", BYTES("\xe4 b"), "\"\\xe4 b\"", "\"\\u00e4 b\""},
        {"bad after the second", BYTES("\xe2\x82Z"), "\"\\xe2\\x82Z\"", "\"\\u00e2\\u0082Z\""},
    };
    clock_virtual_start(0, 1381230664123);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char wanted[400];
        struct log_field field = LOG_BYTES("k", rows[i].value);
        unit_row(rows[i].name);
        snprintf(wanted, sizeof wanted, "%s%s\n", text_head, rows[i].text);
        check_line(&field, LOG_FORMAT_TEXT, bytes_of(wanted));
        snprintf(wanted, sizeof wanted, "%s%s}\n", json_head, rows[i].json);
        check_line(&field, LOG_FORMAT_JSON, bytes_of(wanted));
    }
    clock_virtual_end();
}

static void test_types(void)
{
    struct ipaddr v4, v6;
    struct endpoint at;
    CHECK_U64(ipaddr_parse(BYTES("192.0.2.1"), &v4), ERR_OK);
    CHECK_U64(ipaddr_parse(BYTES("2001:db8::1"), &v6), ERR_OK);
    CHECK_U64(endpoint_parse(BYTES("[2001:db8::1]:25"), &at), ERR_OK);
    const struct log_field fields[] = {LOG_STR("s", "x"),       LOG_U64("u", UINT64_MAX),
                                       LOG_I64("i", INT64_MIN), LOG_IP("a", &v4),
                                       LOG_IP("b", &v6),        LOG_ENDPOINT("c", &at)};
    clock_virtual_start(0, 0);
    sink_open(LOG_INFO, LOG_FORMAT_TEXT);
    log_event(LOG_ERROR, "e", fields, ARRAY_SIZE(fields));
    log_configure(&(struct log_settings){LOG_INFO, LOG_FORMAT_JSON});
    log_event(LOG_WARNING, "e", fields, ARRAY_SIZE(fields));
    log_event(LOG_WARNING, "none", NULL, 0);
    struct bytes lines = sink_close();
    CHECK_BYTES(
        lines, BYTES("1970-01-01T00:00:00.000Z error e s=x u=18446744073709551615 "
                     "i=-9223372036854775808 a=192.0.2.1 b=2001:db8::1 c=[2001:db8::1]:25\n"
                     "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"warning\",\"event\":\"e\","
                     "\"s\":\"x\",\"u\":18446744073709551615,\"i\":-9223372036854775808,"
                     "\"a\":\"192.0.2.1\",\"b\":\"2001:db8::1\",\"c\":\"[2001:db8::1]:25\"}\n"
                     "{\"time\":\"1970-01-01T00:00:00.000Z\",\"level\":\"warning\","
                     "\"event\":\"none\"}\n"));
    mem_free((void *)lines.ptr);
    clock_virtual_end();
}

static void test_levels(void)
{
    sink_open(LOG_WARNING, LOG_FORMAT_TEXT);
    int evaluated = 0;
    CHECK(log_enabled(LOG_ERROR) && log_enabled(LOG_WARNING));
    CHECK(!log_enabled(LOG_INFO) && !log_enabled(LOG_DEBUG));
    LOG(LOG_INFO, "off", LOG_I64("n", ++evaluated));
    CHECK(evaluated == 0);
    LOG(LOG_ERROR, "on", LOG_I64("n", ++evaluated));
    CHECK(evaluated == 1);
    log_event(LOG_DEBUG, "off", NULL, 0);
    struct bytes lines = sink_close();
    CHECK(bytes_ends_nocase(lines, BYTES("error on n=1\n")));
    CHECK_U64(bytes_find(lines, '\n', 0), lines.len - 1);
    mem_free((void *)lines.ptr);
}

static void test_limits(void)
{
    char huge[5000];
    memset(huge, '\n', sizeof huge);
    struct log_field fields[40];
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        fields[i] = LOG_BYTES("k", bytes_make(huge, sizeof huge));
    for (int format = LOG_FORMAT_TEXT; format <= LOG_FORMAT_JSON; format++) {
        bool json = format == LOG_FORMAT_JSON;
        unit_row(json ? "JSON value cut at 1,024 bytes" : "text value cut at 1,024 bytes");
        sink_open(LOG_INFO, (enum log_format)format);
        log_event(LOG_INFO, "e", fields, 1);
        struct bytes one = sink_close();
        size_t frame = json ? strlen(json_head) + 4 : strlen(text_head) + 3;
        CHECK_U64(one.len, frame + 1024 * (json ? 6u : 4u));
        mem_free((void *)one.ptr);

        unit_row(json ? "JSON fields left out" : "text fields left out");
        sink_open(LOG_INFO, (enum log_format)format);
        log_event(LOG_INFO, "e", fields, ARRAY_SIZE(fields));
        struct bytes line = sink_close();
        CHECK(line.len <= 16384);
        CHECK_U64(bytes_find(line, '\n', 0), line.len - 1);
        CHECK(bytes_ends_nocase(line, json ? BYTES(",\"fields_left_out\":1}\n")
                                           : BYTES(" fields_left_out=1\n")));
        mem_free((void *)line.ptr);
    }
}

static int hex_value(char c)
{
    return c >= 'a' ? c - 'a' + 10 : c - '0';
}

/* Reads the value of " k=" back as a log reader would. */
static bool read_back(struct bytes line, char *to, size_t *len)
{
    struct bytes v = bytes_from(line, strlen(text_head));
    *len = 0;
    if (v.ptr[0] != '"') {
        *len = v.len - 1;
        memcpy(to, v.ptr, *len);
        return v.ptr[v.len - 1] == '\n' && bytes_find(v, ' ', 0) == BYTES_NOT_FOUND;
    }
    size_t i = 1;
    for (; i < v.len && v.ptr[i] != '"'; i++) {
        char c = v.ptr[i];
        if ((unsigned char)c < 0x20 || (unsigned char)c > 0x7e)
            return false;
        if (c == '\\' && v.ptr[i + 1] == 'x') {
            c = (char)(hex_value(v.ptr[i + 2]) * 16 + hex_value(v.ptr[i + 3]));
            i += 3;
        } else if (c == '\\') {
            c = v.ptr[++i];
        }
        to[(*len)++] = c;
    }
    return i + 2 == v.len && v.ptr[i + 1] == '\n';
}

/* Bytes, most of them of the kinds that matter: whatever they are, one line, and the same bytes
 * back. */
static void test_round_trip(void)
{
    static const char hard[] = " \"\\=\n\r\0\x1b\x7f\xc3\xa4%x0a";
    rand_seed(11);
    clock_virtual_start(0, 1381230664123);
    for (int round = 0; round < 2000; round++) {
        char value[40], back[400];
        size_t len = (size_t)rand_below(sizeof value), back_len;
        for (size_t i = 0; i < len; i++)
            value[i] = rand_below(3) ? hard[rand_below(sizeof hard - 1)] : (char)rand_below(256);
        sink_open(LOG_INFO, LOG_FORMAT_TEXT);
        log_event(LOG_INFO, "e", &LOG_BYTES("k", bytes_make(value, len)), 1);
        struct bytes line = sink_close();
        CHECK(read_back(line, back, &back_len));
        CHECK_BYTES(bytes_make(back, back_len), bytes_make(value, len));
        mem_free((void *)line.ptr);
    }
    clock_virtual_end();
}

enum { WRITERS = 3, LINES = 3000 };

static void write_lines(void *arg)
{
    for (int i = 0; i < LINES; i++)
        LOG(LOG_INFO, "line", LOG_STR("from", (const char *)arg), LOG_I64("n", i));
}

/* With the log's thread: every line is there, whole, and a writer's lines in order. */
static void test_thread(void)
{
    static char names[WRITERS][2] = {"0", "1", "2"};
    sink_open(LOG_INFO, LOG_FORMAT_TEXT);
    CHECK_U64(log_start(NULL), ERR_OK);
    struct thread threads[WRITERS] = {0};
    for (size_t i = 0; i < WRITERS; i++)
        CHECK_U64(thread_start(&threads[i], "writer", write_lines, names[i], NULL), ERR_OK);
    for (size_t i = 0; i < WRITERS; i++)
        thread_join(&threads[i]);
    log_stop();
    LOG(LOG_INFO, "after", LOG_STR("k", "v"));
    struct bytes rest = sink_close(), line, all = rest;
    int next[WRITERS] = {0};
    bool in_order = true, after = false;
    while (bytes_split(rest, '\n', &line, &rest)) {
        int from, n;
        char text[100];
        bytes_to_cstr(bytes_from(line, strlen("2013-10-08T11:11:04.123Z ")), text, sizeof text);
        after = strcmp(text, "info after k=v") == 0;
        if (after)
            break;
        if (sscanf(text, "info line from=%d n=%d", &from, &n) != 2 || from < 0 || from >= WRITERS)
            in_order = false;
        else
            in_order = in_order && n == next[from]++;
    }
    CHECK(in_order);
    CHECK(after);
    for (size_t i = 0; i < WRITERS; i++)
        CHECK_U64(next[i], LINES);
    mem_free((void *)all.ptr);
}

/* Reads a pipe to its end; counts lines and what the log says it dropped. */
struct drain {
    int fd;
    uint64_t lines, dropped;
};

static void drain_run(void *arg)
{
    struct drain *d = arg;
    FILE *in = fdopen(d->fd, "r");
    char *line = NULL;
    size_t size = 0;
    while (in && getline(&line, &size, in) > 0) {
        const char *dropped = strstr(line, "log_dropped lines=");
        if (dropped)
            d->dropped += strtoull(dropped + strlen("log_dropped lines="), NULL, 10);
        else
            d->lines++;
    }
    free(line);
    if (in)
        fclose(in);
}

/* Nobody reads: callers go on, what is beyond 4 MiB is dropped, and its number is told later. */
static void test_blocked_pipe(void)
{
    enum { MANY = 8000 };
    char text[1000];
    int ends[2];
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    memset(text, 'x', sizeof text);
    log_redirect(ends[1]);
    log_configure(&(struct log_settings){LOG_INFO, LOG_FORMAT_TEXT});
    CHECK_U64(log_start(NULL), ERR_OK);
    for (int i = 0; i < MANY; i++)
        LOG(LOG_INFO, "big", LOG_BYTES("k", bytes_make(text, sizeof text)));
    struct drain d = {.fd = ends[0]};
    struct thread reader = {0};
    CHECK_U64(thread_start(&reader, "reader", drain_run, &d, NULL), ERR_OK);
    log_stop();
    log_redirect(STDERR_FILENO);
    close(ends[1]);
    thread_join(&reader);
    CHECK(d.dropped > 0);
    CHECK(d.lines > 3000);
    CHECK_U64(d.lines + d.dropped, MANY);
}

UNIT_MAIN("core/log", {"values", test_values}, {"types", test_types}, {"levels", test_levels},
          {"limits", test_limits}, {"round trip", test_round_trip}, {"thread", test_thread},
          {"blocked pipe", test_blocked_pipe})
