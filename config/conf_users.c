/* The users file: read when its key is, checked line by line by policy/account.h. */
#include "config/conf_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"

#define USERS_BYTES_MAX (16 << 20)

static void report_account(void *owner, const char *where, bool is_warning, const char *text)
{
    struct conf_reading *r = owner;
    if (is_warning)
        conf_warn(r, where, "", "%s", text);
    else
        conf_fault(r, where, "", "%s", text);
}

/* Hashes are worth an attacker's time: nobody but us and the administrators may see them. */
static bool file_allowed(struct conf_reading *r, const char *name, const struct stat *st)
{
    if (!S_ISREG(st->st_mode))
        conf_fault(r, name, "", "not a plain file");
    else if (st->st_mode & (S_IROTH | S_IWOTH))
        conf_fault(r, name, "", "anybody may read or write it: chmod o= it first");
    else if (st->st_size > USERS_BYTES_MAX)
        conf_fault(r, name, "", "larger than 16 MB");
    else
        return true;
    return false;
}

static void read_users(struct conf_reading *r, int fd, const char *name, struct conf *conf)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        conf_fault(r, name, "", "cannot be read: %s", strerror(errno));
        return;
    }
    if (!file_allowed(r, name, &st))
        return;
    size_t size = (size_t)st.st_size, len = 0;
    char *text = mem_alloc(size + 1);
    ssize_t n = 1;
    while (len < size && (n = read(fd, text + len, size - len)) > 0)
        len += (size_t)n;
    if (n < 0)
        conf_fault(r, name, "", "cannot be read: %s", strerror(errno));
    else if (account_set_parse(bytes_make(text, len), name, report_account, r,
                               &conf->rules.accounts) != ERR_OK)
        r->faulty = true;
    mem_free(text);
}

void conf_take_users_file(struct conf_reading *r, const struct conf_option *option,
                          const struct conf_value *value, const char *path, void *target)
{
    struct conf *conf = target;
    (void)option;
    if (value->type != CONF_VALUE_TEXT || !*value->text) {
        conf_fault(r, value->where, path, "a file name in quotes is allowed");
        return;
    }
    conf->users_file = value->text[0] == '/'
                           ? value->text
                           : arena_printf(r->arena, "%s/%s", r->directory, value->text);
    int fd = open(conf->users_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        conf_fault(r, value->where, path, "%s: cannot be opened: %s", conf->users_file,
                   strerror(errno));
        return;
    }
    read_users(r, fd, conf->users_file, conf);
    close(fd);
}
