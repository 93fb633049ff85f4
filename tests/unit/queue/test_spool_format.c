/* queue/spool_format: integers, hash in pieces, header, header rules, record rules, message
 * head, message head as ever, message options, message head limits, message head hostile,
 * outcome, done and checkpoint, walk, names. */
#include "queue/spool_walk.h"

#include "core/mem.h"
#include "unit.h"

static const struct spool_segment_header segment = {.generation = 5U << SPOOL_SLOT_BITS | 3,
                                                    .size = SPOOL_SEGMENT_MIN,
                                                    .salt = 77,
                                                    .next_id = 42,
                                                    .version = SPOOL_VERSION_ORAR};

static void test_integers(void)
{
    uint8_t b[8];
    spool_put_u64(b, 0x0123456789abcdefU);
    CHECK(memcmp(b, "\xef\xcd\xab\x89\x67\x45\x23\x01", 8) == 0);
    CHECK_U64(spool_get_u64(b), 0x0123456789abcdefU);
    CHECK_U64(spool_get_u32(b), 0x89abcdefU);
    CHECK_U64(spool_get_u16(b), 0xcdef);
    spool_put_u16(b, 0x1234);
    CHECK(memcmp(b, "\x34\x12", 2) == 0);
}

static void test_hash_in_pieces(void)
{
    uint8_t data[1000];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 31);
    struct spool_hasher *h = spool_hasher_new();
    for (size_t at = 0; at < sizeof data; at += 125)
        spool_hasher_add(h, data + at, 125);
    CHECK_U64(spool_hasher_result(h), spool_hash(data, sizeof data));
    spool_hasher_free(&h);
    CHECK(!h);
}

static void test_header(void)
{
    static const struct {
        const char *name;
        size_t len, at; /* octet AT is changed, unless SIZE_MAX */
        uint32_t slot;
        enum err err;
    } rows[] = {
        {"whole", 4096, SIZE_MAX, 3, ERR_OK},
        {"first copy damaged", 4096, 8, 3, ERR_OK},
        {"second copy damaged", 4096, 2056, 3, ERR_OK},
        {"first copy only", 64, SIZE_MAX, 3, ERR_OK},
        {"first copy only, damaged", 2111, 20, 3, ERR_CORRUPT},
        {"second copy just there", 2112, 20, 3, ERR_OK},
        {"too short", 63, SIZE_MAX, 3, ERR_CORRUPT},
        {"nothing", 0, SIZE_MAX, 3, ERR_CORRUPT},
        {"another slot", 4096, SIZE_MAX, 4, ERR_CORRUPT},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint8_t block[SPOOL_HEADER_BYTES];
        struct spool_segment_header out = {0};
        uint32_t version;
        unit_row(rows[i].name);
        spool_header_encode(&segment, block);
        if (rows[i].at != SIZE_MAX)
            block[rows[i].at] ^= 4;
        CHECK_U64(spool_header_decode(block, rows[i].len, rows[i].slot, &out, &version),
                  rows[i].err);
        if (rows[i].err != ERR_OK)
            continue;
        CHECK_U64(out.generation, segment.generation);
        CHECK_U64(out.size, segment.size);
        CHECK_U64(out.salt, segment.salt);
        CHECK_U64(out.next_id, segment.next_id);
        CHECK_U64(out.version, segment.version);
    }
}

/* Fields that are wrong although the hash fits. */
static void test_header_rules(void)
{
    static const struct {
        const char *name;
        size_t at;
        uint64_t value;
        enum err err;
    } rows[] = {
        {"as it is", 32, 42, ERR_OK},
        {"the first version", 4, 1 | 3ULL << 32, ERR_OK},
        {"newer version", 4, (SPOOL_VERSION + 1) | 3ULL << 32, ERR_LIMIT},
        {"version 0", 4, 0 | 3ULL << 32, ERR_CORRUPT},
        {"no generation", 8, 0, ERR_CORRUPT},
        {"size too small", 16, 4096, ERR_CORRUPT},
        {"size too large", 16, 1ULL << 31, ERR_CORRUPT},
        {"size uneven", 16, 65537, ERR_CORRUPT},
        {"reserved", 40, 1, ERR_CORRUPT},
        {"reserved too", 48, 1, ERR_CORRUPT},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        uint8_t block[SPOOL_HEADER_BYTES];
        struct spool_segment_header out;
        uint32_t version;
        unit_row(rows[i].name);
        spool_header_encode(&segment, block);
        spool_put_u64(block + rows[i].at, rows[i].value);
        spool_put_u64(block + 56, spool_hash(block, 56));
        CHECK_U64(spool_header_decode(block, 64, 3, &out, &version), rows[i].err);
        if (rows[i].err == ERR_LIMIT)
            CHECK_U64(version, SPOOL_VERSION + 1);
    }
}

static const struct {
    const char *name;
    enum spool_type type;
    uint32_t head_len, body_len, offset, group;
    uint64_t id, generation, at;
    bool valid;
} record_rows[] = {
#define GOOD (5U << SPOOL_SLOT_BITS | 3)
    {"message", SPOOL_MESSAGE, 9, 7, 8192, 8000, 1, GOOD, 8192, true},
    {"no body", SPOOL_MESSAGE, 9, 0, 8192, 8192, 1, GOOD, 8192, true},
    {"big", SPOOL_BIG, 9, 0, 8192, 8000, 1, GOOD, 8192, true},
    {"done", SPOOL_DONE, 9, 0, 8192, 8000, 0, GOOD, 8192, true},
    {"up to the end", SPOOL_MESSAGE, 64, 0, 65408, 4096, 1, GOOD, 65408, true},
    {"beyond the end", SPOOL_MESSAGE, 65, 0, 65408, 4096, 1, GOOD, 65408, false},
    {"lengths overflow", SPOOL_MESSAGE, UINT32_MAX, UINT32_MAX, 8192, 8000, 1, GOOD, 8192, false},
    {"in the header", SPOOL_MESSAGE, 9, 0, 4088, 4096, 1, GOOD, 4088, false},
    {"odd place", SPOOL_MESSAGE, 9, 0, 8196, 8000, 1, GOOD, 8196, false},
    {"elsewhere", SPOOL_MESSAGE, 9, 0, 8200, 8000, 1, GOOD, 8192, false},
    {"group behind it", SPOOL_MESSAGE, 9, 0, 8192, 8200, 1, GOOD, 8192, false},
    {"group in the header", SPOOL_MESSAGE, 9, 0, 8192, 0, 1, GOOD, 8192, false},
    {"earlier generation", SPOOL_MESSAGE, 9, 0, 8192, 8000, 1, GOOD - 4096, 8192, false},
    {"message without id", SPOOL_MESSAGE, 9, 0, 8192, 8000, 0, GOOD, 8192, false},
    {"big with a body", SPOOL_BIG, 9, 1, 8192, 8000, 1, GOOD, 8192, false},
    {"outcome with a body", SPOOL_OUTCOME, 9, 1, 8192, 8000, 1, GOOD, 8192, false},
    {"done with an id", SPOOL_DONE, 9, 0, 8192, 8000, 1, GOOD, 8192, false},
    {"no head", SPOOL_DONE, 0, 0, 8192, 8000, 0, GOOD, 8192, false},
    {"type 0", (enum spool_type)0, 9, 0, 8192, 8000, 1, GOOD, 8192, false},
    {"type 6", (enum spool_type)6, 9, 0, 8192, 8000, 1, GOOD, 8192, false},
};

static void test_record_rules(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(record_rows); i++) {
        uint8_t data[SPOOL_RECORD_BYTES];
        struct spool_record r = {.type = record_rows[i].type,
                                 .head_len = record_rows[i].head_len,
                                 .body_len = record_rows[i].body_len,
                                 .generation = record_rows[i].generation,
                                 .id = record_rows[i].id,
                                 .offset = record_rows[i].offset,
                                 .group = record_rows[i].group};
        struct spool_record out;
        unit_row(record_rows[i].name);
        spool_record_encode(&r, segment.salt, data);
        CHECK(spool_record_decode(data, sizeof data, record_rows[i].at, segment.size, &segment,
                                  &out) == record_rows[i].valid);
        if (!record_rows[i].valid)
            continue;
        CHECK_U64(out.head_len, r.head_len);
        CHECK_U64(out.id, r.id);
        CHECK(!spool_record_decode(data, 63, record_rows[i].at, segment.size, &segment, &out));
        for (size_t at = 0; at < sizeof data; at++) {
            data[at] ^= 16;
            CHECK(!spool_record_decode(data, sizeof data, record_rows[i].at, segment.size, &segment,
                                       &out));
            data[at] ^= 16;
        }
        struct spool_segment_header other = segment;
        other.salt++;
        CHECK(
            !spool_record_decode(data, sizeof data, record_rows[i].at, segment.size, &other, &out));
    }
}

/* --- Heads: what goes in comes out, and nothing shorter or longer is taken for it --- */

static struct mail_rcpt two_rcpts[] = {
    {.address = BYTES("a@example.net"), .orcpt = BYTES("rfc822;a+2Bb@c"), .notify = 10},
    {.address = BYTES("\0\xff\r\n@x")},
};
static struct mail_rcpt orar_rcpts[] = {
    {.address = BYTES("a@x"), .orar = BYTES("rfc822;b@x"), .notify = 15},
    {.address = BYTES("\0\xff\r\n@x")},
};

static struct spool_head full_head(bool big)
{
    return (struct spool_head){
        .envelope = {.sender = BYTES("s@example.com"),
                     .envid = BYTES("QQ314159"),
                     .auth = BYTES("<>"),
                     .body = MAIL_BODY_BINARYMIME,
                     .ret = MAIL_RET_FULL,
                     .options = MAIL_OPTION_SMTPUTF8,
                     .size_declared = UINT64_MAX,
                     .rcpts = two_rcpts,
                     .rcpt_count = 2},
        .meta = {.received_at_ms = -5,
                 .session_id = 99,
                 .octets = 1234567,
                 .notes = 0x80000001U,
                 .client = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
                 .connector = BYTES("Default Frontend"),
                 .message_id = BYTES("<1@x>"),
                 .is_dsn = true},
        .big = big,
        .big_octets = big ? 1234567 : 0,
        .big_hash = big ? 0xfedcba9876543210U : 0,
    };
}

static void check_head(const struct spool_head *a, const struct spool_head *b)
{
    CHECK_BYTES(a->envelope.sender, b->envelope.sender);
    CHECK_BYTES(a->envelope.envid, b->envelope.envid);
    CHECK_BYTES(a->envelope.auth, b->envelope.auth);
    CHECK_U64(a->envelope.body, b->envelope.body);
    CHECK_U64(a->envelope.ret, b->envelope.ret);
    CHECK_U64(a->envelope.options, b->envelope.options);
    CHECK_U64(a->envelope.size_declared, b->envelope.size_declared);
    if (CHECK(a->envelope.rcpt_count == b->envelope.rcpt_count))
        for (size_t i = 0; i < a->envelope.rcpt_count; i++) {
            CHECK_BYTES(a->envelope.rcpts[i].address, b->envelope.rcpts[i].address);
            CHECK_BYTES(a->envelope.rcpts[i].orcpt, b->envelope.rcpts[i].orcpt);
            CHECK_BYTES(a->envelope.rcpts[i].orar, b->envelope.rcpts[i].orar);
            CHECK_U64(a->envelope.rcpts[i].notify, b->envelope.rcpts[i].notify);
        }
    CHECK(a->meta.received_at_ms == b->meta.received_at_ms);
    CHECK_U64(a->meta.session_id, b->meta.session_id);
    CHECK_U64(a->meta.octets, b->meta.octets);
    CHECK_U64(a->meta.notes, b->meta.notes);
    CHECK(ipaddr_equal(&a->meta.client, &b->meta.client));
    CHECK_BYTES(a->meta.connector, b->meta.connector);
    CHECK_BYTES(a->meta.message_id, b->meta.message_id);
    CHECK_U64(a->meta.is_dsn, b->meta.is_dsn);
    CHECK_U64(a->big_octets, b->big_octets);
    CHECK_U64(a->big_hash, b->big_hash);
}

/* To the byte what version 0.1.0 wrote, where nothing asks for a later version of the format. */
static void test_message_head_as_ever(void)
{
    enum { OPTIONS_AT = 47 };
    static const uint8_t as_ever[] = {
        0xfb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x63, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x87, 0xd6, 0x12, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x80, 0x01, 0x02,
        0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x01,
        0x02, 0x01, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0d, 0x00, 0x73, 0x40,
        0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x63, 0x6f, 0x6d, 0x08, 0x00, 0x51, 0x51,
        0x33, 0x31, 0x34, 0x31, 0x35, 0x39, 0x02, 0x00, 0x3c, 0x3e, 0x10, 0x00, 0x44, 0x65, 0x66,
        0x61, 0x75, 0x6c, 0x74, 0x20, 0x46, 0x72, 0x6f, 0x6e, 0x74, 0x65, 0x6e, 0x64, 0x05, 0x00,
        0x3c, 0x31, 0x40, 0x78, 0x3e, 0x02, 0x00, 0x00, 0x00, 0x0a, 0x0d, 0x00, 0x61, 0x40, 0x65,
        0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x6e, 0x65, 0x74, 0x0e, 0x00, 0x72, 0x66, 0x63,
        0x38, 0x32, 0x32, 0x3b, 0x61, 0x2b, 0x32, 0x42, 0x62, 0x40, 0x63, 0x00, 0x06, 0x00, 0x00,
        0xff, 0x0d, 0x0a, 0x40, 0x78, 0x00, 0x00};
    for (unsigned options = 0; options <= MAIL_OPTION_SMTPUTF8; options++) {
        struct spool_head head = full_head(false);
        uint8_t data[sizeof as_ever], wanted[sizeof as_ever];
        head.envelope.options = options;
        memcpy(wanted, as_ever, sizeof wanted);
        wanted[OPTIONS_AT] = (uint8_t)options;
        if (!CHECK_U64(spool_head_encode(&head, NULL), sizeof data))
            return;
        spool_head_encode(&head, data);
        CHECK(memcmp(data, wanted, sizeof data) == 0);
        CHECK_U64(spool_head_version(&head.envelope), SPOOL_VERSION_PLAIN);
    }
}

/* The spool knows no bit of them: each comes back, and what an older program would take for damage
 * wants a segment that it refuses. */
static void test_message_options(void)
{
    static const struct {
        const char *name;
        unsigned options;
        bool orar;
        uint32_t version;
    } rows[] = {
        {"none", 0, false, SPOOL_VERSION_PLAIN},
        {"SMTPUTF8", MAIL_OPTION_SMTPUTF8, false, SPOOL_VERSION_PLAIN},
        {"SMTPUTF8, orar", MAIL_OPTION_SMTPUTF8, true, SPOOL_VERSION_ORAR},
        {"the next bit", 2, false, SPOOL_VERSION_OPTIONS},
        {"the last bit", 128, false, SPOOL_VERSION_OPTIONS},
        {"all, orar", 255, true, SPOOL_VERSION_OPTIONS},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct spool_head in = full_head(false), out;
        struct arena arena;
        uint8_t data[1024];
        arena_init(&arena, 0);
        unit_row(rows[i].name);
        in.envelope.options = rows[i].options;
        if (rows[i].orar)
            in.envelope.rcpts = orar_rcpts;
        CHECK_U64(spool_head_version(&in.envelope), rows[i].version);
        size_t len = spool_head_encode(&in, NULL);
        if (CHECK(len <= sizeof data)) {
            spool_head_encode(&in, data);
            CHECK(spool_head_decode(data, len, false, &arena, &out));
            check_head(&out, &in);
        }
        arena_free(&arena);
    }
}

static void test_message_head(void)
{
    static const char *const names[] = {"inline", "big", "inline, orar", "big, orar"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        bool big = i % 2 != 0;
        struct spool_head in = full_head(big), out;
        struct arena arena;
        arena_init(&arena, 0);
        unit_row(names[i]);
        if (i >= 2)
            in.envelope.rcpts = orar_rcpts;
        CHECK_U64(spool_head_version(&in.envelope),
                  i >= 2 ? SPOOL_VERSION_ORAR : SPOOL_VERSION_PLAIN);
        size_t len = spool_head_encode(&in, NULL);
        uint8_t *data = mem_alloc(len + 1);
        CHECK_U64(spool_head_encode(&in, data), len);
        data[len] = 0;
        CHECK(spool_head_decode(data, len, big, &arena, &out));
        check_head(&out, &in);
        CHECK(!spool_head_decode(data, len, !big, &arena, &out));
        CHECK(!spool_head_decode(data, len + 1, big, &arena, &out));
        for (size_t cut = 0; cut < len; cut++)
            CHECK(!spool_head_decode(data, cut, big, &arena, &out));
        arena_free(&arena);
        mem_free(data);
    }
}

static void test_message_head_limits(void)
{
    static const char long_text[SPOOL_TEXT_MAX + 1];
    struct spool_head head = full_head(false);
    CHECK(spool_head_encode(&head, NULL) > 0);
    head.envelope.rcpt_count = 0;
    CHECK_U64(spool_head_encode(&head, NULL), 0);
    head.envelope.rcpt_count = (size_t)SPOOL_RCPTS_MAX + 1;
    CHECK_U64(spool_head_encode(&head, NULL), 0);
    head = full_head(false);
    head.envelope.sender = bytes_make(long_text, SPOOL_TEXT_MAX);
    CHECK(spool_head_encode(&head, NULL) > SPOOL_TEXT_MAX);
    head.envelope.sender = bytes_make(long_text, SPOOL_TEXT_MAX + 1);
    CHECK_U64(spool_head_encode(&head, NULL), 0);
}

/* An orar is announced and empty, or cut short; a bit stands for nothing. */
static void hostile_orar(struct arena *arena)
{
    static const struct {
        const char *name;
        uint8_t flags, length;
        bool valid;
    } rows[] = {
        {"orar as it is", 16 | 15, 10, true},  {"orar empty", 16 | 15, 0, false},
        {"orar cut", 16 | 15, 9, false},       {"orar overlong", 16 | 15, 11, false},
        {"orar not announced", 15, 10, false}, {"unknown bit", 32 | 16, 10, false},
    };
    struct spool_head in = full_head(false), out;
    uint8_t data[1024];
    in.envelope.rcpts = orar_rcpts;
    in.envelope.rcpt_count = 1;
    size_t len = spool_head_encode(&in, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        spool_head_encode(&in, data);
        CHECK_U64(data[len - 20], 16 | 15); /* u8, text of 3, text of 0, text of 10 */
        data[len - 20] = rows[i].flags;
        data[len - 12] = rows[i].length;
        CHECK_U64(spool_head_decode(data, len, false, arena, &out), rows[i].valid);
    }
}

/* Values a sound encoder never writes. */
static void test_message_head_hostile(void)
{
    enum { FLAGS_AT = 8 + 8 + 8 + 4 + 16, SENDER_AT = FLAGS_AT + 4 + 8 };
    static const struct {
        const char *name;
        size_t at;
        uint8_t value;
    } rows[] = {
        {"is_dsn", FLAGS_AT, 2},
        {"body", FLAGS_AT + 1, 3},
        {"ret", FLAGS_AT + 2, 3},
        {"text length", SENDER_AT, 255},
        {"text length high", SENDER_AT + 1, 255},
    };
    struct spool_head in = full_head(false), out;
    struct arena arena;
    uint8_t data[1024];
    arena_init(&arena, 0);
    size_t len = spool_head_encode(&in, NULL);
    if (!CHECK(len < sizeof data))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        spool_head_encode(&in, data);
        data[rows[i].at] = rows[i].value;
        CHECK(!spool_head_decode(data, len, false, &arena, &out));
    }
    hostile_orar(&arena);
    unit_row("a count that the bytes cannot hold takes no memory");
    size_t count_at = len - (1 + 2 + 13 + 2 + 14) - (1 + 2 + 6 + 2) - 4;
    spool_head_encode(&in, data);
    CHECK_U64(spool_get_u32(data + count_at), 2);
    arena_free(&arena);
    spool_put_u32(data + count_at, SPOOL_RCPTS_MAX);
    CHECK(!spool_head_decode(data, len, false, &arena, &out));
    CHECK_U64(arena.used_bytes, 0);
    arena_free(&arena);
}

static void test_outcome(void)
{
    static char text[600];
    memset(text, 'x', sizeof text);
    struct mail_rcpt rcpts[] = {
        {.index = 0, .state = MAIL_RCPT_DELIVERED, .status = MAIL_STATUS(250, 2, 0, 0, "ok")},
        {.index = 7,
         .state = MAIL_RCPT_FAILED,
         .status = {.code = 550, .enhanced = {5, 1, 1}, .text = {text, sizeof text}}},
    };
    struct spool_outcome in = {.attempts = 3,
                               .next_attempt_at_ms = 1234567890123,
                               .delay_notified = true,
                               .rcpts = rcpts,
                               .rcpt_count = 2};
    struct spool_outcome out;
    struct arena arena;
    uint64_t generation;
    uint8_t data[1024];
    arena_init(&arena, 0);
    size_t len = spool_outcome_encode(12345, &in, data);
    if (CHECK(spool_outcome_decode(data, len, &arena, &generation, &out))) {
        CHECK_U64(generation, 12345);
        CHECK_U64(out.attempts, 3);
        CHECK_U64(out.next_attempt_at_ms, 1234567890123);
        CHECK(out.delay_notified);
        CHECK_U64(out.rcpt_count, 2);
        CHECK_U64(out.rcpts[1].index, 7);
        CHECK_U64(out.rcpts[1].state, MAIL_RCPT_FAILED);
        CHECK_U64(out.rcpts[1].status.code, 550);
        CHECK_U64(out.rcpts[1].status.enhanced[2], 1);
        CHECK_U64(out.rcpts[1].status.text.len, SPOOL_STATUS_TEXT_MAX);
        CHECK_BYTES(out.rcpts[0].status.text, BYTES("ok"));
    }
    for (size_t cut = 0; cut < len; cut++)
        CHECK(!spool_outcome_decode(data, cut, &arena, &generation, &out));
    data[8 + 4 + 8 + 1 + 4 + 4] = MAIL_RCPT_FAILED + 1;
    CHECK(!spool_outcome_decode(data, len, &arena, &generation, &out));
    arena_free(&arena);
}

static void test_done_and_checkpoint(void)
{
    uint8_t data[SPOOL_DONE_LENGTH(3)];
    uint64_t generation;
    uint32_t count;
    spool_done_encode(9, 3, data);
    for (uint32_t i = 0; i < 3; i++)
        spool_done_put(data, i, 100 + i);
    CHECK(spool_done_decode(data, sizeof data, &generation, &count));
    CHECK_U64(generation, 9);
    CHECK_U64(count, 3);
    CHECK_U64(spool_done_id(data, 2), 102);
    CHECK(!spool_done_decode(data, sizeof data - 1, &generation, &count));
    spool_put_u32(data + 8, UINT32_MAX);
    CHECK(!spool_done_decode(data, sizeof data, &generation, &count));
    spool_put_u32(data + 8, 0);
    CHECK(!spool_done_decode(data, 12, &generation, &count));

    uint8_t bytes[SPOOL_CHECKPOINT_LENGTH];
    struct spool_checkpoint in = {7, 8192, SPOOL_CHECKPOINT_VOID}, out;
    spool_checkpoint_encode(&in, bytes);
    CHECK(spool_checkpoint_decode(bytes, sizeof bytes, &out));
    CHECK_U64(out.generation, 7);
    CHECK_U64(out.end, 8192);
    CHECK_U64(out.kind, SPOOL_CHECKPOINT_VOID);
    CHECK(!spool_checkpoint_decode(bytes, sizeof bytes - 1, &out));
    bytes[16] = 2;
    CHECK(!spool_checkpoint_decode(bytes, sizeof bytes, &out));
    in.end = 8196;
    spool_checkpoint_encode(&in, bytes);
    CHECK(!spool_checkpoint_decode(bytes, sizeof bytes, &out));
    in.end = 4088;
    spool_checkpoint_encode(&in, bytes);
    CHECK(!spool_checkpoint_decode(bytes, sizeof bytes, &out));
}

/* --- The walk --- */

enum { STRIDE = 88 }; /* 64 and 17, up to the next multiple of 8 */

/* Three records; the last two are one group. */
static void build(uint8_t *block)
{
    memset(block, 0, 8192);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t at = 4096 + i * STRIDE;
        struct spool_checkpoint c = {4096, 8192, SPOOL_CHECKPOINT_SEALED};
        spool_checkpoint_encode(&c, block + at + SPOOL_RECORD_BYTES);
        struct spool_record r = {
            .type = SPOOL_CHECKPOINT,
            .head_len = SPOOL_CHECKPOINT_LENGTH,
            .generation = segment.generation,
            .head_hash = spool_hash(block + at + SPOOL_RECORD_BYTES, SPOOL_CHECKPOINT_LENGTH),
            .body_hash = spool_hash("", 0),
            .offset = at,
            .group = i ? 4096 + STRIDE : 4096,
        };
        spool_record_encode(&r, segment.salt, block + at);
    }
}

static void test_walk(void)
{
    static const struct {
        const char *name;
        size_t damage; /* this octet is changed; 0: none */
        size_t len;
        const char *events; /* r: record, g: damaged gap, t: torn gap */
    } rows[] = {
        {"whole", 0, 8192, "rrr"},
        {"nothing there", 0, 4096, ""},
        {"shorter than a header", 0, 100, ""},
        {"cut in the last", 0, 4096 + 2 * STRIDE + 80, "rr"},
        {"first head damaged", 4096 + 65, 8192, "grr"},
        {"first magic damaged", 4096, 8192, "grr"},
        {"second damaged, its group may be torn", 4096 + STRIDE + 20, 8192, "rtr"},
        {"last damaged", 4096 + 2 * STRIDE + 1, 8192, "rr"},
    };
    uint8_t *block = mem_alloc(8192);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char events[16] = "";
        struct spool_walk walk;
        unit_row(rows[i].name);
        build(block);
        if (rows[i].damage)
            block[rows[i].damage] ^= 1;
        spool_walk_start(&walk, block, rows[i].len, &segment);
        for (size_t n = 0; n + 1 < sizeof events; n++) {
            enum spool_walk_event e = spool_walk_next(&walk);
            if (e == SPOOL_WALK_END)
                break;
            events[n] = e == SPOOL_WALK_RECORD ? 'r' : walk.gap_torn ? 't' : 'g';
        }
        CHECK_STR(events, rows[i].events);
        spool_walk_free(&walk);
    }
    mem_free(block);
}

/* --- Names: exactly what would be written, or none --- */

static void test_names(void)
{
    static const struct {
        const char *name;
        enum { NAME_NONE, NAME_LOG, NAME_ENDED, NAME_SEGMENT, NAME_BIG } kind;
        uint64_t number;
    } rows[] = {
        {"log-0", NAME_LOG, 0},
        {"log-15", NAME_LOG, 15},
        {"log-", NAME_NONE, 0},
        {"log-01", NAME_NONE, 0},
        {"log--1", NAME_NONE, 0},
        {"log-4294967297", NAME_NONE, 0},
        {"log-1 ", NAME_NONE, 0},
        {"ended-0100000000000001", NAME_ENDED, 0x0100000000000001U},
        {"ended-0f000000000000ab", NAME_ENDED, 0x0f000000000000abU},
        {"ended-0000000000000001", NAME_NONE, 0}, /* log 0 does not end */
        {"ended-1000000000000001", NAME_NONE, 0}, /* there is no log 16 */
        {"ended-0F000000000000AB", NAME_NONE, 0},
        {"ended-100000000000001", NAME_NONE, 0},
        {"ended-0100000000000001x", NAME_NONE, 0},
        {"seg-000", NAME_SEGMENT, 0},
        {"seg-fff", NAME_SEGMENT, 0xfff},
        {"seg-FFF", NAME_NONE, 0},
        {"seg-1000", NAME_NONE, 0},
        {"seg-00", NAME_NONE, 0},
        {"000000000000000a", NAME_BIG, 10},
        {"00000000000000a", NAME_NONE, 0},
        {"", NAME_NONE, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char again[SPOOL_NAME_SIZE];
        unsigned number;
        uint32_t slot;
        uint64_t id;
        unit_row(rows[i].name);
        CHECK(spool_log_name_parse(rows[i].name, &number) == (rows[i].kind == NAME_LOG));
        if (rows[i].kind == NAME_LOG)
            CHECK_U64(number, rows[i].number);
        CHECK(spool_ended_name_parse(rows[i].name, &id) == (rows[i].kind == NAME_ENDED));
        if (rows[i].kind == NAME_ENDED)
            CHECK(id == rows[i].number && strcmp(spool_ended_name(id, again), rows[i].name) == 0);
        CHECK(spool_segment_name_parse(rows[i].name, "seg-", &slot) ==
              (rows[i].kind == NAME_SEGMENT));
        if (rows[i].kind == NAME_SEGMENT)
            CHECK_U64(slot, rows[i].number);
        CHECK(spool_big_name_parse(rows[i].name, &id) == (rows[i].kind == NAME_BIG));
        if (rows[i].kind == NAME_BIG)
            CHECK_U64(id, rows[i].number);
    }
}

UNIT_MAIN("queue/spool_format", {"integers", test_integers},
          {"hash in pieces", test_hash_in_pieces}, {"header", test_header},
          {"header rules", test_header_rules}, {"record rules", test_record_rules},
          {"message head", test_message_head}, {"message head as ever", test_message_head_as_ever},
          {"message options", test_message_options},
          {"message head limits", test_message_head_limits},
          {"message head hostile", test_message_head_hostile}, {"outcome", test_outcome},
          {"done and checkpoint", test_done_and_checkpoint}, {"walk", test_walk},
          {"names", test_names})
