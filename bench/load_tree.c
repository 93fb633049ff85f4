/* mailrace-load tree: how fast a client's connector is found among very many ranges, while the
 * rules are replaced again and again.
 */
#include "bench/load.h"

#include <errno.h>
#include <getopt.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
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
    "Builds trees of random remote IP ranges, half of them IPv4, and looks addresses up on one\n"
    "thread while another publishes a new tree every 100 ms. Every range is asked for once in\n"
    "random order, then again; between them stand as many addresses from anywhere, nearly all of\n"
    "them misses. The trees are built before the clock starts: a tree a publication, in each some\n"
    "ranges belong to another connector than before. Prints build time, octets a range, look-ups "
    "a\n"
    "second and how often a tree was published.\n"
    "\n"
    "  --ranges N      2 to 10000000; default 1000000\n"
    "  --connectors N  they belong to; default 1000\n"
    "  --seconds N     for each family; default 2. All the trees must fit into half of the "
    "memory\n";

#define PUBLISH_EVERY_NS 100000000u
#define LATE_NS          110000000u /* a mean interval that is worth a warning */
#define BLOCK            (1u << 14) /* look-ups between two glances at the clock */
#define MOVED_RANGES     1000       /* from one tree to the next */

struct tree_bench {
    unsigned long ranges, connectors, seconds;
    struct iptree_entry *entries;
    struct ipaddr *probes; /* as many as there are ranges */
    struct snapshot *published;
    struct iptree **trees; /* built, not published yet; NULL: published */
    size_t tree_count, per_family;
    uint64_t build_ns;
    atomic_bool over;
    /* The publisher's; read after its end. */
    size_t next, published_count;
    uint64_t interval_ns, longest_ns, intervals;
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

static void shuffle(struct ipaddr *a, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t other = (size_t)rand_below(i);
        struct ipaddr held = a[i - 1];
        a[i - 1] = a[other];
        a[other] = held;
    }
}

/* One within each range of the family, and as many from anywhere, of which few are. */
static void make_probes(struct tree_bench *b, bool v4)
{
    size_t half = b->ranges / 2;
    for (size_t i = 0; i < half; i++) {
        b->probes[i] = b->entries[2 * i + v4].range.last;
        b->probes[half + i] = random_address(v4);
    }
    shuffle(b->probes, 2 * half);
}

/* --- Trees --- */

static struct iptree *build(struct tree_bench *b)
{
    uint64_t started = clock_mono_ns();
    struct iptree *tree = iptree_build(b->entries, b->ranges);
    b->build_ns += clock_mono_ns() - started;
    return tree;
}

static void free_tree(void *object)
{
    struct iptree *tree = object;
    iptree_free(&tree);
}

static void free_trees(struct tree_bench *b)
{
    for (size_t i = 0; i < b->tree_count; i++)
        iptree_free(&b->trees[i]);
    mem_free(b->trees);
}

/* Nothing that is built while the clock runs would be ready every 100 ms. */
static bool build_trees(struct tree_bench *b)
{
    size_t most = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE) / 2;
    b->trees[0] = build(b);
    size_t octets = iptree_memory_bytes(b->trees[0]);
    printf("%lu ranges of %lu connectors: built in %.2f s, %.1f MiB, %.1f octets a range\n",
           b->ranges, b->connectors, (double)b->build_ns / 1e9, (double)octets / (1 << 20),
           (double)octets / (double)b->ranges);
    if (octets > most / b->tree_count) {
        fprintf(stderr,
                "mailrace-load tree: %zu trees would take %.1f GiB, more than half of the memory: "
                "ask for fewer seconds or ranges\n",
                b->tree_count, (double)octets * (double)b->tree_count / (1u << 30));
        return false;
    }
    fflush(stdout);
    for (size_t i = 1; i < b->tree_count; i++) {
        for (size_t moved = 0; moved < MOVED_RANGES; moved++)
            b->entries[rand_below(b->ranges)].value = (uint32_t)rand_below(b->connectors);
        b->trees[i] = build(b);
    }
    printf("%zu trees, built in %.2f s each\n", b->tree_count,
           (double)b->build_ns / 1e9 / (double)b->tree_count);
    return true;
}

static void publish_next(struct tree_bench *b)
{
    snapshot_publish(b->published, b->trees[b->next]);
    b->trees[b->next++] = NULL;
    b->published_count++;
}

static void publish_trees(void *arg)
{
    struct tree_bench *b = arg;
    size_t end = b->next + b->per_family;
    uint64_t due = clock_mono_ns(), before = 0;
    while (!atomic_load_explicit(&b->over, memory_order_relaxed) && b->next < end) {
        uint64_t now = clock_mono_ns(), passed = before ? now - before : 0;
        publish_next(b);
        b->intervals += before != 0;
        b->interval_ns += passed;
        b->longest_ns = passed > b->longest_ns ? passed : b->longest_ns;
        before = now;
        due += PUBLISH_EVERY_NS;
        const struct timespec until = {.tv_sec = (time_t)(due / 1000000000u),
                                       .tv_nsec = (long)(due % 1000000000u)};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
            ;
    }
}

/* --- Looking up --- */

static uint64_t look_up_block(struct tree_bench *b, size_t from, size_t to)
{
    uint64_t hits = 0;
    for (size_t i = from; i < to; i++) {
        snapshot_read_begin(); /* as a session does: a section for each */
        hits += iptree_lookup(snapshot_get(b->published), &b->probes[i]) != IPTREE_NONE;
        snapshot_read_end();
    }
    return hits;
}

static void look_up(struct tree_bench *b, bool v4)
{
    uint64_t count = 0, hits = 0, started = clock_mono_ns(), now = started;
    uint64_t until = started + b->seconds * 1000000000u;
    size_t at = 0;
    do {
        size_t end = at + BLOCK < b->ranges ? at + BLOCK : b->ranges;
        hits += look_up_block(b, at, end);
        count += end - at;
        at = end < b->ranges ? end : 0;
        now = clock_mono_ns();
    } while (now < until);
    double seconds = (double)(now - started) / 1e9;
    printf("%s: %.2f million look-ups a second (%.0f ns each), %.0f %% of them hits\n",
           v4 ? "IPv4" : "IPv6", (double)count / seconds / 1e6, seconds * 1e9 / (double)count,
           100.0 * (double)hits / (double)count);
}

static bool run_family(struct tree_bench *b, bool v4)
{
    struct thread publisher = {0};
    struct err_detail why;
    make_probes(b, v4);
    atomic_store_explicit(&b->over, false, memory_order_relaxed);
    if (thread_start(&publisher, "publisher", publish_trees, b, &why) != ERR_OK) {
        fprintf(stderr, "mailrace-load tree: %s\n", why.text);
        return false;
    }
    look_up(b, v4);
    atomic_store_explicit(&b->over, true, memory_order_relaxed);
    thread_join(&publisher);
    return true;
}

static void print_publications(const struct tree_bench *b)
{
    double mean = b->intervals ? (double)b->interval_ns / (double)b->intervals : 0;
    printf("meanwhile %zu new trees were published, one every %.1f ms, the longest wait %.1f ms\n",
           b->published_count, mean / 1e6, (double)b->longest_ns / 1e6);
    if (mean > LATE_NS)
        printf("warning: that is less often than every 100 ms: the machine is too busy for these "
               "figures\n");
}

static int bench(struct tree_bench *b)
{
    b->per_family = b->seconds * 1000000000u / PUBLISH_EVERY_NS + 1;
    b->tree_count = 2 * b->per_family + 1;
    make_entries(b);
    b->trees = MEM_NEW_ARRAY(struct iptree *, b->tree_count);
    b->probes = MEM_NEW_ARRAY(struct ipaddr, b->ranges);
    b->published = snapshot_new(free_tree);
    bool ok = build_trees(b);
    if (ok) {
        publish_next(b); /* there is one before the first look-up */
        b->published_count = 0;
        ok = run_family(b, true) && run_family(b, false);
    }
    if (ok)
        print_publications(b);
    snapshot_free(&b->published);
    free_trees(b);
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
