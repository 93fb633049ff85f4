/* The users file as lines: found, changed, and written anew beside the old one. */
#include "mailrace/cli/users_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"

#define FILE_BYTES_MAX ((size_t)16 << 20)
#define PATH_SIZE      4096

static enum err read_all(struct users_file *f, int fd, struct err_detail *why)
{
    for (;;) {
        char *to = buf_reserve(&f->text, 65536);
        if (!to)
            return err_set(why, ERR_LIMIT, "%s: larger than 16 MB", f->path);
        ssize_t n = read(fd, to, 65536);
        if (n < 0)
            return err_set_errno(why, errno, "cannot read %s", f->path);
        if (n == 0)
            return ERR_OK;
        buf_added(&f->text, (size_t)n);
    }
}

static enum err open_folder(struct users_file *f, struct err_detail *why)
{
    struct bytes path = bytes_of(f->path);
    size_t slash = bytes_rfind(path, '/');
    char name[PATH_SIZE] = ".";
    if (slash != BYTES_NOT_FOUND &&
        !bytes_to_cstr(bytes_sub(path, 0, slash ? slash : 1), name, sizeof name))
        return err_set(why, ERR_LIMIT, "%s: the name is too long", f->path);
    f->folder = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->folder < 0 || flock(f->folder, LOCK_EX) != 0)
        return err_set_errno(why, errno, "cannot open and lock %s", name);
    return ERR_OK;
}

enum err users_file_open(const char *path, struct users_file *f, struct err_detail *why)
{
    *f = (struct users_file){.path = path, .folder = -1};
    buf_init(&f->text, FILE_BYTES_MAX);
    enum err e = open_folder(f, why);
    if (e != ERR_OK) {
        users_file_close(f);
        return e;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return ERR_OK;
    f->exists = fd >= 0;
    e = f->exists ? read_all(f, fd, why) : err_set_errno(why, errno, "cannot open %s", path);
    if (fd >= 0)
        close(fd);
    if (e != ERR_OK)
        users_file_close(f);
    return e;
}

static bool line_is_of(struct bytes line, struct bytes name)
{
    struct bytes first, rest;
    line = bytes_trim(line);
    return line.len && line.ptr[0] != '#' && bytes_split(line, ':', &first, &rest) &&
           bytes_equal_nocase(bytes_trim(first), name);
}

static void add_line(struct buf *to, struct bytes line)
{
    enum err e = buf_append(to, line);
    if (e == ERR_OK)
        e = buf_append(to, BYTES("\n"));
    ASSERT(e == ERR_OK); /* a buffer without a maximum */
}

void users_file_replace(struct users_file *f, struct bytes name, struct bytes line)
{
    struct bytes rest = buf_bytes(&f->text);
    struct buf made;
    bool done = line.len == 0;
    buf_init(&made, SIZE_MAX);
    while (rest.len) {
        struct bytes old;
        bytes_split(rest, '\n', &old, &rest);
        if (!line_is_of(old, name)) {
            add_line(&made, old);
        } else if (!done) {
            add_line(&made, line);
            done = true;
        }
    }
    if (!done)
        add_line(&made, line);
    buf_free(&f->text);
    f->text = made;
}

static enum err write_all(int fd, struct bytes text, const char *path, struct err_detail *why)
{
    while (text.len) {
        ssize_t n = write(fd, text.ptr, text.len);
        if (n < 0)
            return err_set_errno(why, errno, "cannot write %s", path);
        text = bytes_from(text, (size_t)n);
    }
    if (fsync(fd) != 0)
        return err_set_errno(why, errno, "cannot write %s", path);
    return ERR_OK;
}

/* As the file was: its readers must go on reading it. */
static enum err keep_rights(const struct users_file *f, int fd, struct err_detail *why)
{
    struct stat old = {.st_mode = 0640};
    if (f->exists && stat(f->path, &old) != 0)
        return err_set_errno(why, errno, "cannot look at %s", f->path);
    if (f->exists && fchown(fd, old.st_uid, old.st_gid) != 0)
        return err_set_errno(why, errno, "cannot keep the owner of %s", f->path);
    if (fchmod(fd, old.st_mode & 0660) != 0)
        return err_set_errno(why, errno, "cannot keep the mode of %s", f->path);
    return ERR_OK;
}

enum err users_file_write(struct users_file *f, struct err_detail *why)
{
    char name[PATH_SIZE];
    if ((size_t)snprintf(name, sizeof name, "%s.XXXXXX", f->path) >= sizeof name)
        return err_set(why, ERR_LIMIT, "%s: the name is too long", f->path);
    int fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(why, errno, "cannot make %s", name);
    enum err e = keep_rights(f, fd, why);
    if (e == ERR_OK)
        e = write_all(fd, buf_bytes(&f->text), name, why);
    close(fd); /* its bytes are on disk, or it is removed */
    if (e == ERR_OK && rename(name, f->path) != 0)
        e = err_set_errno(why, errno, "cannot put %s in place", f->path);
    else if (e == ERR_OK && fsync(f->folder) != 0)
        return err_set_errno(why, errno, "cannot sync the folder of %s", f->path);
    if (e != ERR_OK)
        unlink(name);
    return e;
}

void users_file_close(struct users_file *f)
{
    if (f->folder >= 0)
        close(f->folder);
    f->folder = -1;
    buf_free(&f->text);
}
