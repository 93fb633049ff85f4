/* core/err: errno, names, detail, memory. */
#include "core/err.h"

#include <errno.h>
#include <string.h>

#include "core/mem.h"
#include "unit.h"

static void test_errno(void)
{
    static const struct {
        int errnum;
        enum err e;
    } rows[] = {
        {0, ERR_OK},
        {EAGAIN, ERR_AGAIN},
        {ENOSPC, ERR_NOSPACE},
        {EDQUOT, ERR_NOSPACE},
        {EFBIG, ERR_NOSPACE},
        {ENOENT, ERR_NOTFOUND},
        {EEXIST, ERR_EXISTS},
        {EACCES, ERR_DENIED},
        {ELOOP, ERR_DENIED},
        {EPIPE, ERR_CLOSED},
        {ECONNRESET, ERR_CLOSED},
        {EMFILE, ERR_LIMIT},
        {ETIMEDOUT, ERR_TIMEOUT},
        {EIO, ERR_IO},
        {EINVAL, ERR_IO},
        {99999, ERR_IO},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(strerror(rows[i].errnum));
        CHECK_U64(err_from_errno(rows[i].errnum), rows[i].e);
        CHECK_U64(err_set_errno(NULL, rows[i].errnum, "x"), rows[i].e);
    }
}

static void test_names(void)
{
    for (int e = ERR_OK; e <= ERR_SHUTDOWN; e++) {
        CHECK(strcmp(err_name((enum err)e), "unknown error") != 0);
        for (int other = ERR_OK; other < e; other++)
            CHECK(strcmp(err_name((enum err)e), err_name((enum err)other)) != 0);
    }
    CHECK_STR(err_name((enum err)1000), "unknown error");
}

static void test_detail(void)
{
    struct err_detail why;
    char name[600];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    CHECK_U64(err_set(&why, ERR_LIMIT, "%s has %d", "it", 7), ERR_LIMIT);
    CHECK_STR(why.text, "it has 7");
    CHECK_U64(err_set(NULL, ERR_LIMIT, "%s", name), ERR_LIMIT);
    CHECK_U64(err_set_errno(&why, ENOENT, "cannot open %s", "f"), ERR_NOTFOUND);
    CHECK_STR(why.text, "cannot open f: No such file or directory");
    CHECK_U64(err_set(&why, ERR_IO, "%s", name), ERR_IO);
    CHECK_U64(strlen(why.text), sizeof why.text - 1);
    CHECK_U64(err_set_errno(&why, ENOENT, "%s", name), ERR_NOTFOUND);
    CHECK_U64(strlen(why.text), sizeof why.text - 1);
}

static void test_mem(void)
{
    struct mem_stats stats;
    unsigned char *p = mem_zalloc_lines(100);
    CHECK((uintptr_t)p % MEM_CACHE_LINE == 0);
    for (size_t i = 0; i < 100; i++)
        CHECK(p[i] == 0);
    mem_free(p);
    mem_free(NULL);
    void *none = mem_alloc(0);
    CHECK(none);
    none = mem_realloc(none, 0);
    CHECK(none);
    mem_free(none);
    char *copy = mem_strdup("text");
    CHECK_STR(copy, "text");
    mem_free(copy);
    mem_stats_read(&stats);
    CHECK(stats.resident_bytes > 100000);
    CHECK(stats.allocated_bytes < stats.resident_bytes);
}

UNIT_MAIN("core/err", {"errno", test_errno}, {"names", test_names}, {"detail", test_detail},
          {"memory", test_mem})
