/* A copy of a spool that is kept in tests/data, so that a test can work with it. */
#include "spool_golden.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 1024 };

static void copy_file(const char *from_path, const char *to_path)
{
    static uint8_t data[1024 * 1024];
    int from = open(from_path, O_RDONLY | O_CLOEXEC);
    int to = open(to_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t len = read(from, data, sizeof data);
    CHECK(len >= 0 && len < (ssize_t)sizeof data);
    CHECK(write(to, data, (size_t)len) == len);
    close(from);
    close(to);
}

static void copy_folder(const char *from, const char *to)
{
    DIR *dir = opendir(from);
    if (!CHECK(dir && mkdir(to, 0700) == 0))
        return;
    for (struct dirent *e; (e = readdir(dir));) {
        char below[PATH_SIZE], copy[PATH_SIZE];
        if (e->d_name[0] == '.')
            continue;
        snprintf(below, sizeof below, "%s/%s", from, e->d_name);
        snprintf(copy, sizeof copy, "%s/%s", to, e->d_name);
        if (e->d_type == DT_DIR)
            copy_folder(below, copy);
        else
            copy_file(below, copy);
    }
    closedir(dir);
}

struct bed *golden_bed(const char *name)
{
    char data[PATH_SIZE];
    struct bed *b = bed_new();
    snprintf(data, sizeof data, "%s/%s", TEST_DATA, name);
    copy_folder(data, b->path);
    return b;
}
