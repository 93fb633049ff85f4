/* tests/support/unit.h - a CUnit suite in one table, and checks that name the row they failed in.
 *
 * A file ends with UNIT_MAIN("net/smtp_syntax", {"paths", test_paths}, ...). Its closing line is
 * "N passed, N failed", which tests/run adds up, as it does lines of "skip NAME: reason".
 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bytes.h"

struct unit_test {
    const char *name;
    void (*run)(void);
};

int unit_main(const char *suite, const struct unit_test *tests, size_t count);
#define UNIT_MAIN(suite, ...)                                                                      \
    int main(void)                                                                                 \
    {                                                                                              \
        static const struct unit_test tests_[] = {__VA_ARGS__};                                    \
        return unit_main((suite), tests_, sizeof tests_ / sizeof *tests_);                         \
    }

/* Names the row of a table that the following checks are about; printed when one fails. */
void unit_row(const char *name);
/* This test, or this row of it, cannot run here, and why: "only root can mount". The test returns,
 * or goes on to its next row. A test that skips and checks nothing counts neither as passed nor as
 * failed; one that checks nothing and does not say why has failed. */
void unit_skip(const char *why);
/* The name of the test that runs: a table with one CUnit test a row looks itself up by it. */
const char *unit_test_name(void);

#define CHECK(expr) unit_check((expr), #expr, __FILE__, __LINE__)
#define CHECK_U64(actual, wanted)                                                                  \
    unit_check_u64((uint64_t)(actual), (uint64_t)(wanted), #actual, __FILE__, __LINE__)
#define CHECK_STR(actual, wanted)                                                                  \
    unit_check_bytes(bytes_of(actual), bytes_of(wanted), #actual, __FILE__, __LINE__)
#define CHECK_BYTES(actual, wanted)                                                                \
    unit_check_bytes((actual), (wanted), #actual, __FILE__, __LINE__)

bool unit_check(bool ok, const char *expr, const char *file, int line);
bool unit_check_u64(uint64_t actual, uint64_t wanted, const char *expr, const char *file, int line);
bool unit_check_bytes(struct bytes actual, struct bytes wanted, const char *expr, const char *file,
                      int line);

#endif
