/* Who exists in an authoritative domain: the file is read when its key is, line by line by
 * policy/recipient_set.h. */
#include "config/conf_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"

struct recipients_reading {
    struct conf_reading *r;
    const char *path; /* of the key */
};

static void report_line(void *owner, const char *where, const char *text)
{
    struct recipients_reading *reading = owner;
    conf_fault(reading->r, where, reading->path, "%s", text);
}

/* All of it, or NULL with ERRNO. */
static char *read_whole(int fd, size_t size, size_t *len)
{
    char *text = mem_alloc(size + 1);
    ssize_t n = 1;
    *len = 0;
    while (*len < size && (n = read(fd, text + *len, size - *len)) > 0)
        *len += (size_t)n;
    if (n >= 0)
        return text;
    int kept = errno;
    mem_free(text);
    errno = kept;
    return NULL;
}

/* WHERE is that of the key: a file that is not there has no lines. */
static void read_recipients(struct recipients_reading *reading, const char *where, int fd,
                            const char *name, struct recipient_set **out)
{
    struct stat st;
    size_t len = 0;
    char *text = NULL;
    if (fstat(fd, &st) != 0)
        conf_fault(reading->r, where, reading->path, "%s: cannot be read: %s", name,
                   strerror(errno));
    else if (!S_ISREG(st.st_mode))
        conf_fault(reading->r, where, reading->path, "%s: not a plain file", name);
    else if ((uint64_t)st.st_size > RECIPIENT_SET_TEXT_MAX)
        conf_fault(reading->r, where, reading->path, "%s: larger than 512 MB", name);
    else if (!(text = read_whole(fd, (size_t)st.st_size, &len)))
        conf_fault(reading->r, where, reading->path, "%s: cannot be read: %s", name,
                   strerror(errno));
    if (text && recipient_set_parse(bytes_make(text, len), name, report_line, reading, out))
        reading->r->faulty = true;
    mem_free(text);
}

void conf_take_recipients_file(struct conf_reading *r, const struct conf_option *option,
                               const struct conf_value *value, const char *path, void *target)
{
    struct accepted_domain *d = target;
    struct recipients_reading reading = {r, path};
    (void)option;
    if (value->type != CONF_VALUE_TEXT || !*value->text) {
        conf_fault(r, value->where, path, "a file name in quotes is allowed");
        return;
    }
    const char *name = value->text[0] == '/'
                           ? value->text
                           : arena_printf(r->arena, "%s/%s", r->directory, value->text);
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        conf_fault(r, value->where, path, "%s: cannot be opened: %s", name, strerror(errno));
        return;
    }
    read_recipients(&reading, value->where, fd, name, &d->recipients);
    close(fd);
}

void conf_free_recipients(struct conf *conf)
{
    for (size_t i = 0; i < conf->rules.domain_count; i++) {
        struct recipient_set *recipients = conf->rules.domains[i].recipients;
        recipient_set_unref(&recipients);
    }
}
