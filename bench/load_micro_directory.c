/* A directory of its own for what a micro benchmark leaves on the disk. */
#include "bench/load_micro_directory.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
    (void)st;
    (void)type;
    (void)where;
    return remove(path);
}

enum err micro_directory_make(char *to, size_t size, struct err_detail *why)
{
    const char *where = getenv("TMPDIR");
    int n = snprintf(to, size, "%s/mailrace-micro-XXXXXX", where && *where ? where : "/var/tmp");
    if (n < 0 || (size_t)n >= size)
        return err_set(why, ERR_LIMIT, "TMPDIR is too long");
    return mkdtemp(to) ? ERR_OK : err_set(why, ERR_IO, "%s: %s", to, strerror(errno));
}

enum err micro_directory_remove(const char *path, struct err_detail *why)
{
    if (nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
        return err_set(why, ERR_IO, "%s stays: %s", path, strerror(errno));
    return ERR_OK;
}
