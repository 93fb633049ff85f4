/* core/thread: start, mask_is_restored, never_started, cpu_count, main. */
#include "core/thread.h"

#include <sched.h>
#include <signal.h>
#include <string.h>

#include "core/snapshot.h"

#include "unit.h"

struct seen {
    char name[16];
    bool term_blocked, hup_blocked, fault_blocked;
};

static void thread_look(void *arg)
{
    struct seen *seen = arg;
    sigset_t set;

    (void)pthread_getname_np(pthread_self(), seen->name, sizeof seen->name);
    (void)pthread_sigmask(SIG_BLOCK, NULL, &set);
    seen->term_blocked = sigismember(&set, SIGTERM) == 1;
    seen->hup_blocked = sigismember(&set, SIGHUP) == 1;
    seen->fault_blocked = sigismember(&set, SIGSEGV) == 1;
    snapshot_read_begin(); /* must be registered */
    snapshot_read_end();
}

static void test_start(void)
{
    static const struct {
        const char *given, *shown;
    } rows[] = {
        {"worker-0", "worker-0"},
        {"a name that is too long for the kernel", "a name that is "},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct thread t = {0};
        struct seen seen = {0};
        struct err_detail why;

        unit_row(rows[i].given);
        CHECK(thread_start(&t, rows[i].given, thread_look, &seen, &why) == ERR_OK);
        thread_join(&t);
        thread_join(&t); /* nothing left to wait for */
        CHECK_STR(seen.name, rows[i].shown);
        CHECK(seen.term_blocked && seen.hup_blocked && !seen.fault_blocked);
    }
}

static void test_mask_is_restored(void)
{
    struct thread t = {0};
    struct seen seen = {0};
    sigset_t set;

    CHECK(thread_start(&t, "brief", thread_look, &seen, NULL) == ERR_OK);
    thread_join(&t);
    (void)pthread_sigmask(SIG_BLOCK, NULL, &set);
    CHECK(sigismember(&set, SIGTERM) == 0);
}

static void test_never_started(void)
{
    struct thread t = {0};

    thread_join(&t);
    CHECK(!t.started);
}

static void test_cpu_count(void)
{
    cpu_set_t all, one;
    size_t cpu = 0;

    CHECK(sched_getaffinity(0, sizeof all, &all) == 0);
    CHECK_U64(thread_cpu_count(), CPU_COUNT(&all));
    while (!CPU_ISSET(cpu, &all))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    CHECK(sched_setaffinity(0, sizeof one, &one) == 0);
    CHECK_U64(thread_cpu_count(), 1);
    CHECK(sched_setaffinity(0, sizeof all, &all) == 0);
}

static void test_main(void)
{
    sigset_t before, set;

    (void)pthread_sigmask(SIG_BLOCK, NULL, &before);
    thread_main_init();
    (void)pthread_sigmask(SIG_BLOCK, NULL, &set);
    CHECK(sigismember(&set, SIGTERM) == 1 && sigismember(&set, SIGPIPE) == 1);
    thread_main_exit();
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

UNIT_MAIN("core/thread", {"start", test_start}, {"mask_is_restored", test_mask_is_restored},
          {"never_started", test_never_started}, {"cpu_count", test_cpu_count}, {"main", test_main})
