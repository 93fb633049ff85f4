/* Reads whole files: the configuration, and what it names. A file that others may change, or read
 * where it holds secrets, is refused. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/conf_private.h"
#include "core/mem.h"

const char *conf_file_name(const struct conf_reading *r, const char *name)
{
    bool as_it_is = !name || !*name || *name == '/';
    return as_it_is ? name : arena_printf(r->arena, "%s/%s", r->directory, name);
}

/* What is wrong with the file itself; NULL: nothing. */
static const char *objection(const struct conf_reading *r, const struct conf_file_rules *rules,
                             const struct stat *st)
{
    if (!S_ISREG(st->st_mode))
        return "not a plain file";
    if (rules->not_readable && (st->st_mode & (S_IROTH | S_IWOTH)))
        return "every user may read or write it: chmod o= it first";
    if (rules->not_writable && (st->st_mode & S_IWOTH))
        return "every user may write to it: chmod o-w it first";
    if (rules->owned && st->st_uid != 0 && st->st_uid != geteuid())
        return arena_printf(r->arena,
                            "it belongs to another user (uid %u): chown it to root or to yourself",
                            (unsigned)st->st_uid);
    if ((uint64_t)st->st_size > rules->size_max)
        return arena_printf(r->arena, "larger than %s", rules->size_max_text);
    return NULL;
}

/* NULL with ERRNO. */
static char *read_all(int fd, size_t size, size_t *len)
{
    char *text = mem_alloc(size + 1);
    ssize_t n = 1;
    *len = 0;
    while (*len < size && (n = read(fd, text + *len, size - *len)) > 0)
        *len += (size_t)n;
    text[*len] = '\0';
    if (n >= 0)
        return text;
    int kept = errno;
    mem_free(text);
    errno = kept;
    return NULL;
}

char *conf_file_read(struct conf_reading *r, const char *where, const char *key, const char *name,
                     const struct conf_file_rules *rules, size_t *len)
{
    struct stat st;
    char *text = NULL;
    /* O_NONBLOCK: a FIFO must not make us wait. */
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        conf_fault(r, where, key, "%s: cannot be opened: %s", name, strerror(errno));
    } else {
        const char *wrong = objection(r, rules, &st);
        if (wrong)
            conf_fault(r, where, key, "%s: %s", name, wrong);
        else if (!(text = read_all(fd, (size_t)st.st_size, len)))
            conf_fault(r, where, key, "%s: cannot be read: %s", name, strerror(errno));
    }
    if (fd >= 0)
        (void)close(fd);
    return text;
}
