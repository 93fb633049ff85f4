/* policy/iptree: examples, empty and single, prefix borders, random nested ranges, random
 * overlapping ranges, clusters, memory per range. */
#include "policy/iptree.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/mem.h"
#include "core/rand.h"
#include "unit.h"

static struct iptree_entry entry(const char *text, uint32_t value)
{
    struct iptree_entry e = {.value = value};
    CHECK(iprange_parse(bytes_of(text), false, &e.range, NULL) == ERR_OK);
    return e;
}

static uint32_t ask(const struct iptree *tree, const char *text)
{
    struct ipaddr a = IPADDR_V4_ANY;
    CHECK(ipaddr_parse(bytes_of(text), &a) == ERR_OK);
    return iptree_lookup(tree, &a);
}

static void test_examples(void)
{
    struct iptree_entry entries[] = {
        entry("0.0.0.0-255.255.255.255", 1),
        entry("192.168.1.0-192.168.1.255", 2),
        entry("192.168.1.75", 3),
        entry("::/0", 4),
        entry("fd00:10::/64", 5),
        entry("2001:db8::1-2001:db8::ff", 6),
        entry("192.168.1.110-192.168.1.119", 7),
    };
    static const struct {
        const char *address;
        uint32_t value;
    } rows[] = {
        {"192.168.1.75", 3},
        {"192.168.1.74", 2},
        {"192.168.1.76", 2},
        {"192.168.1.100", 2},
        {"192.168.1.109", 2},
        {"192.168.1.110", 7},
        {"192.168.1.119", 7},
        {"192.168.1.120", 2},
        {"192.168.0.255", 1},
        {"192.168.2.0", 1},
        {"0.0.0.0", 1},
        {"255.255.255.255", 1},
        {"::ffff:192.168.1.75", 3},
        {"::", 4},
        {"fd00:10::", 5},
        {"fd00:10::ffff:ffff:ffff:ffff", 5},
        {"fd00:10:0:1::", 4},
        {"fd00:f:ffff:ffff:ffff:ffff:ffff:ffff", 4},
        {"2001:db8::", 4},
        {"2001:db8::1", 6},
        {"2001:db8::ff", 6},
        {"2001:db8::100", 4},
        {"::fffe:ffff:ffff", 4},
        {"::1:0:0:0", 4},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 4},
    };
    struct iptree *tree = iptree_build(entries, ARRAY_SIZE(entries));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].address);
        CHECK_U64(ask(tree, rows[i].address), rows[i].value);
    }
    CHECK(iptree_memory_bytes(tree) > 0);
    iptree_free(&tree);
    CHECK(!tree);
    iptree_free(&tree);
}

static void test_empty_and_single(void)
{
    struct iptree *tree = iptree_build(NULL, 0);
    CHECK_U64(ask(tree, "0.0.0.0"), IPTREE_NONE);
    CHECK_U64(ask(tree, "255.255.255.255"), IPTREE_NONE);
    CHECK_U64(ask(tree, "::1"), IPTREE_NONE);
    iptree_free(&tree);
    struct iptree_entry last = entry("255.255.255.255", 9);
    tree = iptree_build(&last, 1);
    CHECK_U64(ask(tree, "255.255.255.254"), IPTREE_NONE);
    CHECK_U64(ask(tree, "255.255.255.255"), 9);
    CHECK_U64(ask(tree, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), IPTREE_NONE);
    iptree_free(&tree);
}

/* Every prefix length: inside its borders, and one address outside of them. */
static void test_prefix_borders(void)
{
    for (unsigned bits = 1; bits <= 128; bits++) {
        struct iptree_entry e = {.value = bits};
        char row[16];
        snprintf(row, sizeof row, "/%u", bits);
        unit_row(row);
        for (unsigned b = 0; b < 128; b++) {
            uint8_t bit = (uint8_t)(0x80 >> b % 8);
            if (b < bits ? b == 0 || b == bits - 1 : false)
                e.range.first.octets[b / 8] |= bit, e.range.last.octets[b / 8] |= bit;
            else if (b >= bits)
                e.range.last.octets[b / 8] |= bit;
        }
        struct iptree *tree = iptree_build(&e, 1);
        struct ipaddr outside = e.range.first;
        outside.octets[(bits - 1) / 8] ^= (uint8_t)(0x80 >> (bits - 1) % 8);
        CHECK_U64(iptree_lookup(tree, &e.range.first), bits);
        CHECK_U64(iptree_lookup(tree, &e.range.last), bits);
        CHECK_U64(iptree_lookup(tree, &outside), IPTREE_NONE);
        iptree_free(&tree);
    }
}

/* --- Against a model that looks at every range --- */

struct model {
    struct iptree_entry *entries;
    size_t count;
};

/* How many addresses it has, less one. */
static unsigned __int128 size_of_range(const struct iprange *r)
{
    unsigned __int128 size = 0;
    for (size_t i = 0; i < sizeof r->first.octets; i++)
        size = (size << 8) + r->last.octets[i] - r->first.octets[i];
    return size;
}

/* The rule as it is written: among all prefixes that hold the address the longest wins, and of two
 * equal ones that of the smaller range, and of two equal ranges the first. */
static uint32_t model_by_prefixes(const struct model *m, const struct ipaddr *a)
{
    const struct iptree_entry *best = NULL;
    unsigned best_bits = 0;
    for (size_t i = 0; i < m->count; i++) {
        struct iprange_prefix prefixes[IPRANGE_PREFIXES_MAX];
        const struct iptree_entry *e = &m->entries[i];
        if (!iprange_contains(&e->range, a))
            continue;
        size_t count = iprange_to_prefixes(&e->range, prefixes), p = count;
        while (p > 0 && ipaddr_compare(&prefixes[p - 1].addr, a) > 0)
            p--;
        unsigned bits = prefixes[p - 1].bits;
        if (!best || bits > best_bits ||
            (bits == best_bits && size_of_range(&e->range) < size_of_range(&best->range))) {
            best = e;
            best_bits = bits;
        }
    }
    return best ? best->value : IPTREE_NONE;
}

static uint32_t model_by_size(const struct model *m, const struct ipaddr *a)
{
    const struct iptree_entry *best = NULL;
    for (size_t i = 0; i < m->count; i++)
        if (iprange_contains(&m->entries[i].range, a) &&
            (!best || size_of_range(&m->entries[i].range) < size_of_range(&best->range)))
            best = &m->entries[i];
    return best ? best->value : IPTREE_NONE;
}

static struct ipaddr random_between(const struct iprange *r)
{
    struct ipaddr a;
    for (int tries = 0; tries < 64; tries++) {
        bool free_below = false, free_above = false;
        for (size_t i = 0; i < 16; i++) {
            uint8_t low = free_below ? 0 : r->first.octets[i];
            uint8_t high = free_above ? 255 : r->last.octets[i];
            if (low > high)
                break;
            a.octets[i] = (uint8_t)(low + rand_below((uint64_t)(high - low) + 1));
            free_below = free_below || a.octets[i] > low;
            free_above = free_above || a.octets[i] < high;
        }
        if (iprange_contains(r, &a))
            return a;
    }
    return r->first;
}

/* N ranges inside OUTER, each with more inside it: nothing overlaps in part. */
static void add_nested(struct model *m, size_t max, struct iprange outer, unsigned depth)
{
    struct ipaddr at = outer.first;
    for (int i = 0; i < 4 && m->count < max; i++) {
        struct iprange rest = {at, outer.last};
        struct ipaddr a = random_between(&rest);
        rest.first = a;
        struct ipaddr b = rand_below(4) == 0 ? a : random_between(&rest);
        struct iprange r = {a, b};
        m->entries[m->count] = (struct iptree_entry){r, (uint32_t)m->count};
        m->count++;
        if (depth > 0 && !ipaddr_equal(&a, &b))
            add_nested(m, max, r, depth - 1);
        at = b;
        for (size_t k = 16; k-- > 0 && ++at.octets[k] == 0;)
            ;
        if (ipaddr_compare(&at, &outer.last) > 0 || ipaddr_compare(&at, &b) < 0)
            return;
    }
}

static struct ipaddr neighbour(struct ipaddr a, bool up)
{
    for (size_t k = 16; k-- > 0;) {
        uint8_t before = a.octets[k];
        a.octets[k] = (uint8_t)(before + (up ? 1 : -1));
        if (before != (up ? 255 : 0))
            break;
    }
    return a;
}

static bool agree(const struct model *m, const struct iptree *tree, const struct ipaddr *a,
                  bool nested)
{
    uint32_t wanted = model_by_size(m, a);
    return iptree_lookup(tree, a) == wanted && (!nested || model_by_prefixes(m, a) == wanted);
}

/* Shares all octets with A but one. */
static struct ipaddr twist(struct ipaddr a)
{
    size_t at = ipaddr_is_v4(&a) ? 12 + rand_below(4) : rand_below(16);
    a.octets[at] = (uint8_t)rand_below(256);
    return a;
}

/* Looks at both ends of every range and just outside, inside of them, nearby, and anywhere. */
static void compare(const struct model *m, const struct iprange *world, bool nested)
{
    struct iptree *tree = iptree_build(m->entries, m->count);
    bool good = true;
    for (size_t i = 0; i < m->count; i++) {
        const struct iprange *r = &m->entries[i].range;
        struct ipaddr asked[] = {r->first,
                                 r->last,
                                 neighbour(r->first, false),
                                 neighbour(r->last, true),
                                 random_between(r),
                                 twist(r->first),
                                 twist(r->last),
                                 random_between(world)};
        for (size_t k = 0; k < ARRAY_SIZE(asked); k++)
            good = good && agree(m, tree, &asked[k], nested);
    }
    CHECK(good);
    iptree_free(&tree);
}

static void seed_and_say(uint64_t seed)
{
    static char row[64];
    snprintf(row, sizeof row, "seed %llu", (unsigned long long)seed);
    printf("%s\n", row);
    unit_row(row);
    rand_seed(seed);
}

static const char *const worlds[] = {
    "0.0.0.0/0", "10.0.0.0/16", "10.20.30.0/24", "::/0", "2001:db8::/32", "2001:db8::/120",
};

static void test_random_nested_ranges(void)
{
    enum { MAX = 400 };
    struct model m = {MEM_NEW_ARRAY(struct iptree_entry, MAX), 0};
    seed_and_say((uint64_t)time(NULL));
    for (int round = 0; round < 24; round++) {
        struct iptree_entry world = entry(worlds[(size_t)round % ARRAY_SIZE(worlds)], 0);
        size_t max = 1 + rand_below(MAX);
        m.count = 0;
        while (m.count < max && rand_below(200) > 0) {
            struct iprange outer = {random_between(&world.range), world.range.last};
            outer.last = random_between(&outer);
            size_t before = m.count;
            add_nested(&m, max, outer, 5);
            /* The next family must not overlap in part: it begins behind this one. */
            if (ipaddr_equal(&outer.last, &world.range.last) || m.count == before)
                break;
            world.range.first = neighbour(outer.last, true);
        }
        compare(&m, &world.range, true);
    }
    mem_free(m.entries);
}

/* One connector's own ranges may overlap as they like: the smallest still wins. */
static void test_random_overlapping_ranges(void)
{
    enum { MAX = 300 };
    struct model m = {MEM_NEW_ARRAY(struct iptree_entry, MAX), 0};
    seed_and_say((uint64_t)time(NULL) + 1);
    for (int round = 0; round < 24; round++) {
        struct iptree_entry world = entry(worlds[(size_t)round % ARRAY_SIZE(worlds)], 0);
        m.count = 1 + rand_below(MAX);
        for (size_t i = 0; i < m.count; i++) {
            struct iprange r = {random_between(&world.range), world.range.last};
            r.last = rand_below(3) ? random_between(&r) : r.first;
            m.entries[i] = (struct iptree_entry){r, (uint32_t)i};
        }
        compare(&m, &world.range, false);
    }
    mem_free(m.entries);
}

/* Many ranges far down: nodes whose children share long stretches of the address. Half of the
 * clusters stand at the start of a range that goes on far behind them, so that an address that
 * leaves such a stretch downwards is another's than one that leaves it upwards. */
static void add_cluster(struct model *m, struct ipaddr base, bool spread, bool wide)
{
    enum { EACH = 90 };
    base.octets[15] = 0;
    for (int i = 0; i < EACH; i++) {
        struct ipaddr a = base;
        a.octets[15] = (uint8_t)(2 * i);
        a.octets[14] =
            (uint8_t)(spread && i > 0 ? base.octets[14] | rand_below(256) : a.octets[14]);
        m->entries[m->count] = (struct iptree_entry){{a, a}, (uint32_t)m->count};
        m->count++;
    }
    if (!wide)
        return;
    struct ipaddr last = base;
    for (size_t k = ipaddr_is_v4(&base) ? 13 : 6; k < 16; k++)
        last.octets[k] = 255;
    m->entries[m->count] = (struct iptree_entry){{base, last}, (uint32_t)m->count};
    m->count++;
}

static void test_clusters(void)
{
    enum { CLUSTERS = 16, MAX = CLUSTERS * 100 };
    struct model m = {MEM_NEW_ARRAY(struct iptree_entry, MAX), 0};
    seed_and_say((uint64_t)time(NULL) + 2);
    struct iptree_entry v6 = entry("2000::/3", 0), v4 = entry("0.0.0.0/0", 0);
    for (unsigned c = 0; c < CLUSTERS; c++)
        add_cluster(&m, random_between(c % 4 ? &v6.range : &v4.range), c % 3 == 0, c & 4);
    compare(&m, &v6.range, true);
    compare(&m, &v4.range, true);
    mem_free(m.entries);
}

/* What an administrator with a list of hosts pays. */
static void test_memory_per_range(void)
{
    enum { COUNT = 100000 };
    struct iptree_entry *entries = MEM_NEW_ARRAY(struct iptree_entry, COUNT);
    struct iptree_entry v4 = entry("0.0.0.0/0", 0), v6 = entry("2000::/3", 0);
    seed_and_say((uint64_t)time(NULL) + 3);
    for (int family = 0; family < 2; family++) {
        for (size_t i = 0; i < COUNT; i++) {
            struct ipaddr a = random_between(family ? &v6.range : &v4.range);
            entries[i] = (struct iptree_entry){{a, a}, (uint32_t)i};
        }
        struct iptree *tree = iptree_build(entries, COUNT);
        CHECK(iptree_memory_bytes(tree) <= (size_t)64 * COUNT);
        bool found = true;
        for (size_t i = 0; i < COUNT; i++) {
            uint32_t value = iptree_lookup(tree, &entries[i].range.first);
            found = found && value < COUNT &&
                    ipaddr_equal(&entries[value].range.first, &entries[i].range.first);
        }
        CHECK(found);
        iptree_free(&tree);
    }
    mem_free(entries);
}

UNIT_MAIN("policy/iptree", {"examples", test_examples}, {"empty and single", test_empty_and_single},
          {"prefix borders", test_prefix_borders},
          {"random nested ranges", test_random_nested_ranges},
          {"random overlapping ranges", test_random_overlapping_ranges},
          {"clusters", test_clusters}, {"memory per range", test_memory_per_range})
