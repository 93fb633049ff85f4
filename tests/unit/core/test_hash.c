/* Known values, and that a hash in pieces is the hash of the whole. */
#include "core/hash.h"

#include "core/rand.h"
#include "unit.h"

static void test_fnv(void)
{
    static const struct {
        const char *text;
        uint64_t hash;
    } rows[] = {
        /* Noll's published vectors of 64-bit FNV-1a */
        {"", 0xcbf29ce484222325},
        {"a", 0xaf63dc4c8601ec8c},
        {"foobar", 0x85944171f73967e8},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].text);
        CHECK_U64(hash_bytes(HASH_START, bytes_of(rows[i].text)), rows[i].hash);
    }
    CHECK_U64(hash_bytes(hash_bytes(HASH_START, BYTES("foo")), BYTES("bar")), rows[2].hash);
    CHECK_U64(hash_bytes_nocase(HASH_START, BYTES("FooBAR")), rows[2].hash);
}

static void test_sip(void)
{
    /* SipHash-1-3 with the key 00 01 .. 0f, of the texts "", 00, 00 01 ... as reference
     * implementations give it. */
    static const uint64_t wanted[] = {0xabac0158050fc4dc, 0xc9f49bf37d57ca93, 0x82cb9b024dc7d44d,
                                      0x8bf80ab8e7ddf7fb, 0xcf75576088d38328, 0xdef9d52f49533b67,
                                      0xc50d2b50c59f22a7, 0xd3927d989bb11140, 0x369095118d299a8e};
    const struct hash_key key = {{0x0706050403020100, 0x0f0e0d0c0b0a0908}};
    char text[ARRAY_SIZE(wanted)];
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        text[i] = (char)i;
        CHECK_U64(hash_keyed(&key, bytes_make(text, i)), wanted[i]);
    }
}

static void test_keys(void)
{
    rand_seed(7);
    const struct hash_key a = hash_key_new(), b = hash_key_new();
    CHECK(hash_keyed(&a, BYTES("same")) == hash_keyed(&a, BYTES("same")));
    CHECK(hash_keyed(&a, BYTES("same")) != hash_keyed(&b, BYTES("same")));
    CHECK(hash_mix(1) != hash_mix(2));
}

UNIT_MAIN("core/hash", {"FNV-1a", test_fnv}, {"SipHash-1-3", test_sip}, {"keys", test_keys})
