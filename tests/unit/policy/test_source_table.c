/* policy/source_table: limit, slots change hands, message rate, many threads keep the limit. */
#include "policy/source_table.h"

#include <pthread.h>

#include "unit.h"

static struct ipaddr address(const char *text)
{
    struct ipaddr a = IPADDR_V4_ANY;
    CHECK(ipaddr_parse(bytes_of(text), &a) == ERR_OK);
    return a;
}

static void test_limit(void)
{
    struct source_table *t = source_table_new(64);
    struct ipaddr a = address("192.0.2.1"), b = address("192.0.2.2");
    uint32_t slots[3];
    for (int i = 0; i < 3; i++) {
        slots[i] = source_table_enter(t, 7, &a, 3);
        CHECK(slots[i] != SOURCE_TABLE_NONE);
    }
    CHECK_U64(source_table_sessions(t, slots[0]), 3);
    CHECK(source_table_enter(t, 7, &a, 3) == SOURCE_TABLE_NONE);
    unit_row("another source, another connector");
    CHECK(source_table_enter(t, 7, &b, 3) != SOURCE_TABLE_NONE);
    CHECK(source_table_enter(t, 8, &a, 3) != SOURCE_TABLE_NONE);
    unit_row("one left");
    source_table_leave(t, slots[1]);
    CHECK(source_table_enter(t, 7, &a, 3) != SOURCE_TABLE_NONE);
    source_table_leave(t, SOURCE_TABLE_NONE);
    source_table_free(&t);
}

static void test_slots_change_hands(void)
{
    struct source_table *t = source_table_new(16);
    for (unsigned i = 0; i < 10000; i++) {
        struct ipaddr a = address("10.0.0.0");
        a.octets[14] = (uint8_t)(i >> 8);
        a.octets[15] = (uint8_t)i;
        uint32_t slot = source_table_enter(t, 1, &a, 1);
        if (!CHECK(slot != SOURCE_TABLE_NONE))
            break;
        CHECK_U64(source_table_sessions(t, slot), 1);
        source_table_leave(t, slot);
    }
    source_table_free(&t);
}

static void test_message_rate(void)
{
    struct source_table *t = source_table_new(16);
    struct ipaddr a = address("2001:db8::1");
    uint32_t slot = source_table_enter(t, 1, &a, UINT64_MAX);
    CHECK(source_table_message(t, slot, 2, 1000));
    CHECK(source_table_message(t, slot, 2, 30000));
    CHECK(!source_table_message(t, slot, 2, 59999));
    CHECK(source_table_message(t, slot, 2, 60000));
    CHECK(source_table_message(t, slot, UINT64_MAX, 60001));
    source_table_free(&t);
}

struct crowd {
    struct source_table *table;
    unsigned most;
};

static void *come_and_go(void *arg)
{
    struct crowd *crowd = arg;
    struct ipaddr a = IPADDR_V4_ANY;
    for (int i = 0; i < 20000; i++) {
        uint32_t slot = source_table_enter(crowd->table, 1, &a, 3);
        uint32_t sessions = source_table_sessions(crowd->table, slot);
        if (sessions > crowd->most)
            crowd->most = sessions;
        source_table_leave(crowd->table, slot);
    }
    return NULL;
}

static void test_many_threads_keep_the_limit(void)
{
    struct source_table *t = source_table_new(16);
    struct crowd crowds[4];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        crowds[i] = (struct crowd){t, 0};
        CHECK(pthread_create(&threads[i], NULL, come_and_go, &crowds[i]) == 0);
    }
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CHECK(crowds[i].most <= 3);
    }
    struct ipaddr a = IPADDR_V4_ANY;
    CHECK_U64(source_table_sessions(t, source_table_enter(t, 1, &a, 3)), 1);
    source_table_free(&t);
}

UNIT_MAIN("policy/source_table", {"limit", test_limit},
          {"slots change hands", test_slots_change_hands}, {"message rate", test_message_rate},
          {"many threads keep the limit", test_many_threads_keep_the_limit})
