/* core/buf: queue, limit, reserve, long printf, random. */
#include "core/buf.h"

#include "core/rand.h"
#include "unit.h"

static void test_queue(void)
{
    struct buf b;
    buf_init(&b, 100);
    CHECK_U64(buf_len(&b), 0);
    CHECK_BYTES(buf_bytes(&b), BYTES_EMPTY);
    CHECK_U64(buf_append(&b, BYTES("hello ")), ERR_OK);
    CHECK_U64(buf_append(&b, BYTES("world")), ERR_OK);
    CHECK_BYTES(buf_bytes(&b), BYTES("hello world"));
    buf_consume(&b, 6);
    CHECK_BYTES(buf_bytes(&b), BYTES("world"));
    CHECK_U64(buf_printf(&b, "-%d", 7), ERR_OK);
    CHECK_BYTES(buf_bytes(&b), BYTES("world-7"));
    buf_clear(&b);
    CHECK_U64(buf_len(&b), 0);
    buf_free(&b);
    CHECK(!b.data);
    CHECK_U64(b.max, 100);
    CHECK_U64(buf_append(&b, BYTES("again")), ERR_OK);
    CHECK_BYTES(buf_bytes(&b), BYTES("again"));
    buf_free(&b);
}

static void test_limit(void)
{
    static const struct {
        const char *name;
        size_t max, before, consumed, added;
        enum err e;
    } rows[] = {
        {"exactly", 10, 4, 0, 6, ERR_OK},
        {"one too many", 10, 4, 0, 7, ERR_LIMIT},
        {"what was read makes room", 10, 10, 3, 3, ERR_OK},
        {"but no more than that", 10, 10, 3, 4, ERR_LIMIT},
        {"all was read", 10, 10, 10, 10, ERR_OK},
        {"at once too much", 10, 0, 0, 11, ERR_LIMIT},
        {"above the first block", 5000, 600, 600, 5000, ERR_OK},
        {"nothing allowed", 0, 0, 0, 1, ERR_LIMIT},
        {"nothing asked", 0, 0, 0, 0, ERR_OK},
    };
    static const char text[6000];
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        struct buf b;
        buf_init(&b, rows[i].max);
        CHECK_U64(buf_append(&b, bytes_make(text, rows[i].before)), ERR_OK);
        buf_consume(&b, rows[i].consumed);
        size_t len = buf_len(&b);
        CHECK_U64(buf_append(&b, bytes_make(text, rows[i].added)), rows[i].e);
        CHECK_U64(buf_len(&b), rows[i].e == ERR_OK ? len + rows[i].added : len);
        CHECK(b.capacity <= (rows[i].max > 512 ? rows[i].max : 512));
        buf_free(&b);
    }
}

static void test_reserve(void)
{
    struct buf b;
    buf_init(&b, 64);
    char *to = buf_reserve(&b, 10);
    CHECK(to);
    memcpy(to, "abcdefghij", 10);
    CHECK_U64(buf_len(&b), 0);
    buf_added(&b, 4);
    CHECK_BYTES(buf_bytes(&b), BYTES("abcd"));
    CHECK(!buf_reserve(&b, 61));
    CHECK(!buf_reserve(&b, SIZE_MAX));
    CHECK_BYTES(buf_bytes(&b), BYTES("abcd"));
    buf_free(&b);
}

static void test_printf_long(void)
{
    struct buf b;
    char text[1001];
    memset(text, 'x', 1000);
    text[1000] = '\0';
    buf_init(&b, 1500);
    CHECK_U64(buf_printf(&b, "<%s>", text), ERR_OK);
    CHECK_U64(buf_len(&b), 1002);
    CHECK(buf_bytes(&b).ptr[0] == '<' && buf_bytes(&b).ptr[1001] == '>');
    CHECK_U64(buf_printf(&b, "<%s>", text), ERR_LIMIT);
    CHECK_U64(buf_printf(&b, "%499s", "y"), ERR_LIMIT);
    CHECK_U64(buf_len(&b), 1002);
    buf_free(&b);
}

/* Against counting: byte k of all that ever went in is k modulo 251. */
static void test_random(void)
{
    struct buf b;
    uint64_t in = 0, out = 0;
    bool same = true, refused = false;
    buf_init(&b, 3000);
    rand_seed(1);
    for (int round = 0; round < 20000; round++) {
        char chunk[900];
        size_t len = (size_t)rand_below(sizeof chunk);
        for (size_t k = 0; k < len; k++)
            chunk[k] = (char)((in + k) % 251);
        if (buf_append(&b, bytes_make(chunk, len)) == ERR_OK)
            in += len;
        else
            refused = true;
        same = same && buf_len(&b) == in - out && buf_len(&b) <= 3000;
        size_t take = (size_t)rand_below(buf_len(&b) + 1);
        for (size_t k = 0; k < take; k++)
            same = same && buf_bytes(&b).ptr[k] == (char)((out + k) % 251);
        buf_consume(&b, take);
        out += take;
    }
    CHECK(same);
    CHECK(refused);
    CHECK(in > 1000000);
    buf_free(&b);
}

UNIT_MAIN("core/buf", {"queue", test_queue}, {"limit", test_limit}, {"reserve", test_reserve},
          {"long printf", test_printf_long}, {"random", test_random})
