/* mailrace-load tree: how fast a client's connector is found among very many ranges, while the
 * rules are replaced again and again.
 */
#include "load.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/rand.h"
#include "core/snapshot.h"
#include "core/thread.h"
#include "policy/iptree.h"

static const char HELP[] =
    "usage: mailrace-load tree [--ranges N] [--connectors N] [--seconds N]\n"
    "\n"
    "Builds a tree of random remote IP ranges, half of them IPv4, and looks addresses up in it on\n"
    "one thread, hits and misses mixed, while another builds and publishes new ones, one every\n"
    "100 ms or as fast as it can. Prints build time, octets a range and look-ups a second.\n"
    "\n"
    "  --ranges N      2 to 10000000; default 1000000\n"
    "  --connectors N  they belong to; default 1000\n"
    "  --seconds N     for each family; default 2\n";

#define PUBLISH_EVERY_US 100000
#define PROBES           (1u << 16) /* addresses, made before the clock starts */

struct tree_bench {
    unsigned long ranges, connectors, seconds;
    struct iptree_entry *entries;
    struct ipaddr *probes;
    struct snapshot *published;
    atomic_bool over;
    uint64_t rebuilt, build_ns; /* publisher's, read after its end */
};

/* --- Ranges and addresses --- */

/* 10.0.0.0/8 and 2001:db8::/32 hold most of what is asked for: dense where hosts are. */
static struct ipaddr random_address(bool v4)
{
    static const uint8_t heads[2][12] = {
        {0x20, 0x01, 0x0d, 0xb8},
        {[10] = 0xff, [11] = 0xff},
    };
    struct ipaddr a;
    memcpy(a.octets, heads[v4], sizeof heads[v4]);
    for (size_t i = v4 ? 12 : 4; i < sizeof a.octets; i += 4) {
        uint32_t r = (uint32_t)rand_u64();
        memcpy(a.octets + i, &r, sizeof r);
    }
    return a;
}

/* A single host, a network, or first and last with odd borders. */
static struct iprange random_range(bool v4)
{
    struct iprange r = {.first = random_address(v4)};
    unsigned kind = (unsigned)rand_below(3);
    r.last = r.first;
    if (kind == 1) {
        r.first.octets[15] = 0;
        r.last.octets[15] = 0xff;
    } else if (kind == 2) {
        r.first.octets[15] &= 0x7f;
        r.last.octets[15] = (uint8_t)(r.first.octets[15] + rand_below(100));
    }
    return r;
}

static void make_entries(struct tree_bench *b)
{
    b->entries = MEM_NEW_ARRAY(struct iptree_entry, b->ranges);
    for (unsigned long i = 0; i < b->ranges; i++) {
        b->entries[i].range = random_range(i % 2);
        b->entries[i].value = (uint32_t)(i % b->connectors);
    }
}

/* Every other one within a range; the rest anywhere, of which few are. */
static void make_probes(struct tree_bench *b, bool v4)
{
    for (size_t i = 0; i < PROBES; i++) {
        b->probes[i] = random_address(v4);
        if (i % 2 == 0)
            b->probes[i] = b->entries[(rand_below(b->ranges) & ~1ul) + v4].range.last;
    }
}

/* --- Building and looking up --- */

static struct iptree *build(struct tree_bench *b, uint64_t *ns)
{
    uint64_t started = clock_mono_ns();
    struct iptree *tree = iptree_build(b->entries, b->ranges);
    *ns += clock_mono_ns() - started;
    return tree;
}

static void free_tree(void *object)
{
    struct iptree *tree = object;
    iptree_free(&tree);
}

static void publish_trees(void *arg)
{
    struct tree_bench *b = arg;
    while (!atomic_load_explicit(&b->over, memory_order_relaxed)) {
        snapshot_publish(b->published, build(b, &b->build_ns));
        b->rebuilt++;
        usleep(PUBLISH_EVERY_US);
    }
}

static void look_up(struct tree_bench *b, bool v4)
{
    make_probes(b, v4);
    uint64_t count = 0, hits = 0, until = clock_mono_ns() + b->seconds * 1000000000u;
    uint64_t started = clock_mono_ns(), now;
    do {
        for (size_t i = 0; i < PROBES; i++) {
            snapshot_read_begin(); /* as a session does: a section for each */
            hits += iptree_lookup(snapshot_get(b->published), &b->probes[i]) != IPTREE_NONE;
            snapshot_read_end();
        }
        count += PROBES;
        now = clock_mono_ns();
    } while (now < until);
    double seconds = (double)(now - started) / 1e9;
    printf("%s: %.2f million look-ups a second (%.0f ns each), %.0f %% of them hits\n",
           v4 ? "IPv4" : "IPv6", (double)count / seconds / 1e6, seconds * 1e9 / (double)count,
           100.0 * (double)hits / (double)count);
}

static int bench(struct tree_bench *b)
{
    struct thread publisher = {0};
    struct err_detail why;
    uint64_t first_ns = 0;
    make_entries(b);
    b->probes = MEM_NEW_ARRAY(struct ipaddr, PROBES);
    b->published = snapshot_new(free_tree);
    struct iptree *first = build(b, &first_ns);
    size_t octets = iptree_memory_bytes(first);
    printf("%lu ranges of %lu connectors: built in %.2f s, %.1f MiB, %.1f octets a range\n",
           b->ranges, b->connectors, (double)first_ns / 1e9, (double)octets / (1 << 20),
           (double)octets / (double)b->ranges);
    snapshot_publish(b->published, first);
    bool ok = thread_start(&publisher, "publisher", publish_trees, b, &why) == ERR_OK;
    if (!ok)
        fprintf(stderr, "mailrace-load tree: %s\n", why.text);
    for (int v4 = 1; v4 >= 0 && ok; v4--)
        look_up(b, v4);
    atomic_store_explicit(&b->over, true, memory_order_relaxed);
    thread_join(&publisher);
    if (b->rebuilt)
        printf("meanwhile %" PRIu64 " new trees were published, built in %.2f s each\n", b->rebuilt,
               (double)b->build_ns / 1e9 / (double)b->rebuilt);
    snapshot_free(&b->published);
    mem_free(b->probes);
    mem_free(b->entries);
    return ok ? LOAD_DONE : LOAD_FAILED;
}

int load_tree(int argc, char **argv)
{
    static const struct option options[] = {
        {"ranges", required_argument, NULL, 'r'},
        {"connectors", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 's'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct tree_bench b = {.ranges = 1000000, .connectors = 1000, .seconds = 2};
    bool good = true;
    int opt;
    while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (opt) {
        case 'r':
            good = load_number(optarg, 2, 10000000, &b.ranges) && good;
            break;
        case 'c':
            good = load_number(optarg, 1, 1000000, &b.connectors) && good;
            break;
        case 's':
            good = load_number(optarg, 1, 3600, &b.seconds) && good;
            break;
        case 'h':
            fputs(HELP, stdout);
            return LOAD_DONE;
        default:
            return load_usage("tree", "an option is wrong");
        }
    }
    if (!good || optind != argc)
        return load_usage("tree", "an option is wrong");
    b.ranges &= ~1ul; /* half of each family */
    thread_main_init();
    int exit_code = bench(&b);
    thread_main_exit();
    return exit_code;
}
