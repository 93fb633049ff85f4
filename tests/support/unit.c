/* Runs the table of a suite by CUnit, and prints what failed or was skipped, and in which row. */
#include "unit.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <CUnit/CUnit.h>
#include <CUnit/TestRun.h>

static const char *current_row = "";
static atomic_uint checks; /* of the test that runs; threads of a test check too */
static unsigned skips;
static unsigned left_out, hollow; /* tests that did nothing: with a reason, without */

void unit_row(const char *name)
{
    current_row = name;
}

const char *unit_test_name(void)
{
    return CU_get_current_test()->pName;
}

void unit_skip(const char *why)
{
    skips++;
    printf("skip %s%s%s: %s\n", unit_test_name(), *current_row ? ": " : "", current_row, why);
    fflush(stdout);
}

static void fail(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s%s%s: %s\n", file, line, unit_test_name(), *current_row ? ": " : "",
            current_row, what);
    CU_assertImplementation(CU_FALSE, (unsigned)line, what, file, "", CU_FALSE);
}

bool unit_check(bool ok, const char *expr, const char *file, int line)
{
    atomic_fetch_add_explicit(&checks, 1, memory_order_relaxed);
    if (ok)
        CU_assertImplementation(CU_TRUE, (unsigned)line, expr, file, "", CU_FALSE);
    else
        fail(expr, file, line);
    return ok;
}

bool unit_check_u64(uint64_t actual, uint64_t wanted, const char *expr, const char *file, int line)
{
    char text[512];
    snprintf(text, sizeof text, "%s is %" PRIu64 ", wanted %" PRIu64, expr, actual, wanted);
    return unit_check(actual == wanted, text, file, line);
}

bool unit_check_bytes(struct bytes actual, struct bytes wanted, const char *expr, const char *file,
                      int line)
{
    char a[400], w[400], text[1000];
    snprintf(text, sizeof text, "%s is \"%s\", wanted \"%s\"", expr,
             bytes_escape(actual, a, sizeof a), bytes_escape(wanted, w, sizeof w));
    return unit_check(bytes_equal(actual, wanted), text, file, line);
}

static void on_test_start(const CU_pTest test, const CU_pSuite suite)
{
    (void)test;
    (void)suite;
    current_row = "";
    atomic_store(&checks, 0);
    skips = 0;
}

static void on_test_complete(const CU_pTest test, const CU_pSuite suite,
                             const CU_pFailureRecord failure)
{
    bool empty = !failure && atomic_load(&checks) == 0;
    left_out += empty && skips > 0;
    hollow += empty && skips == 0;
    if (empty && skips == 0)
        fprintf(stderr, "%s: checks nothing\n", test->pName);
    if (!empty || skips == 0)
        printf("%s %s: %s\n", failure || empty ? "FAIL" : "ok  ", suite->pName, test->pName);
    fflush(stdout);
}

int unit_main(const char *suite_name, const struct unit_test *tests, size_t count)
{
    if (CU_initialize_registry() != CUE_SUCCESS)
        return EXIT_FAILURE;
    CU_pSuite suite = CU_add_suite(suite_name, NULL, NULL);
    for (size_t i = 0; suite && i < count; i++)
        if (!CU_add_test(suite, tests[i].name, tests[i].run))
            suite = NULL;
    if (!suite) {
        fprintf(stderr, "%s: %s\n", suite_name, CU_get_error_msg());
        return EXIT_FAILURE;
    }
    CU_set_test_start_handler(on_test_start);
    CU_set_test_complete_handler(on_test_complete);
    if (CU_run_all_tests() != CUE_SUCCESS)
        return EXIT_FAILURE;
    unsigned failed = CU_get_number_of_tests_failed() + hollow;
    printf("%u passed, %u failed\n", CU_get_number_of_tests_run() - left_out - failed, failed);
    CU_cleanup_registry();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
