/* core/snapshot: one_thread, readers. */
#include "core/snapshot.h"

#include <stdatomic.h>

#include "core/mem.h"
#include "core/thread.h"

#include "unit.h"

enum { READERS = 3, PUBLICATIONS = 200 };

/* Both halves are always the same number; a freed one has neither. */
struct pair {
    unsigned first, second;
};

static atomic_uint freed;

static void pair_free(void *object)
{
    struct pair *p = object;

    p->first = 0;
    p->second = ~0U;
    mem_free(p);
    atomic_fetch_add(&freed, 1);
}

static struct pair *pair_new(unsigned n)
{
    struct pair *p = MEM_NEW(struct pair);

    p->first = n;
    p->second = n;
    return p;
}

static void test_one_thread(void)
{
    struct snapshot *s;
    const struct pair *p;

    thread_main_init();
    atomic_store(&freed, 0);
    s = snapshot_new(pair_free);
    snapshot_read_begin();
    CHECK(!snapshot_get(s));
    snapshot_read_end();
    snapshot_publish(s, pair_new(1));
    snapshot_read_begin();
    snapshot_read_begin(); /* sections nest */
    p = snapshot_get(s);
    CHECK(p->first == 1 && p->second == 1);
    snapshot_publish(s, pair_new(2)); /* the old one stays while we look at it */
    snapshot_read_end();
    CHECK(p->first == 1 && p->second == 1);
    CHECK_U64(atomic_load(&freed), 0);
    snapshot_read_end();
    snapshot_barrier();
    CHECK_U64(atomic_load(&freed), 1);
    snapshot_free(&s);
    CHECK(!s);
    CHECK_U64(atomic_load(&freed), 2);
    thread_main_exit();
}

struct reader {
    struct thread thread;
    struct snapshot *snapshot;
    unsigned torn, backwards, reads;
};

static void reader_run(void *arg)
{
    struct reader *r = arg;
    unsigned last = 0;

    while (last < PUBLICATIONS) {
        unsigned first, second;
        const struct pair *p;

        snapshot_read_begin();
        p = snapshot_get(r->snapshot);
        first = p->first;
        second = p->second;
        snapshot_read_end();
        r->torn += first != second;
        r->backwards += first < last;
        r->reads++;
        last = first;
    }
}

static void test_readers(void)
{
    struct reader readers[READERS] = {0};
    struct snapshot *s;

    thread_main_init();
    atomic_store(&freed, 0);
    s = snapshot_new(pair_free);
    snapshot_publish(s, pair_new(0));
    for (unsigned i = 0; i < READERS; i++) {
        readers[i].snapshot = s;
        CHECK(thread_start(&readers[i].thread, "reader", reader_run, &readers[i], NULL) == ERR_OK);
    }
    for (unsigned n = 1; n <= PUBLICATIONS; n++) {
        snapshot_publish(s, pair_new(n));
        if (n % 16 == 0)
            snapshot_barrier();
    }
    for (unsigned i = 0; i < READERS; i++) {
        thread_join(&readers[i].thread);
        CHECK_U64(readers[i].torn, 0);
        CHECK_U64(readers[i].backwards, 0);
        CHECK(readers[i].reads > 0);
    }
    snapshot_barrier();
    CHECK_U64(atomic_load(&freed), PUBLICATIONS);
    snapshot_free(&s);
    CHECK_U64(atomic_load(&freed), PUBLICATIONS + 1);
    thread_main_exit();
}

UNIT_MAIN("core/snapshot", {"one_thread", test_one_thread}, {"readers", test_readers})
