/* Another user, without a way back to root. */
#include "mailrace/privdrop.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/log.h"

enum err privdrop_lookup(const char *user, struct privdrop_user *out, struct err_detail *why)
{
    struct passwd entry, *found = NULL;
    char text[4096];
    int rc = getpwnam_r(user, &entry, text, sizeof text, &found);
    if (rc != 0)
        return err_set_errno(why, rc, "user \"%s\": cannot be looked up", user);
    if (!found)
        return err_set(why, ERR_NOTFOUND,
                       "user \"%s\": no such user; create it (useradd -r %s) or change `user`",
                       user, user);
    out->uid = found->pw_uid;
    out->gid = found->pw_gid;
    return ERR_OK;
}

static enum err switch_to(const char *user, struct err_detail *why)
{
    struct privdrop_user id;
    enum err e = privdrop_lookup(user, &id, why);
    if (e != ERR_OK)
        return e;
    if (setgroups(0, NULL) != 0 || setresgid(id.gid, id.gid, id.gid) != 0 ||
        setresuid(id.uid, id.uid, id.uid) != 0)
        return err_set_errno(why, errno, "cannot become user \"%s\"", user);
    return ERR_OK;
}

static enum err drop_capabilities(struct err_detail *why)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_set_errno(why, errno, "cannot give up new privileges");
    if (syscall(SYS_capset, &header, none) != 0)
        return err_set_errno(why, errno, "cannot drop capabilities");
    return ERR_OK;
}

/* Passwords and mail do not belong into a core file. */
static enum err forbid_core(struct err_detail *why)
{
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) != 0)
        return err_set_errno(why, errno, "cannot forbid core files");
    return ERR_OK;
}

enum err privdrop(const char *user, struct err_detail *why)
{
    bool root = geteuid() == 0;
    if (root && user) {
        enum err e = switch_to(user, why);
        if (e != ERR_OK)
            return e;
    } else if (root) {
        LOG(LOG_WARNING, "running_as_root",
            LOG_STR("advice", "set `user` in the configuration; all capabilities are dropped now"));
    }
    enum err e = forbid_core(why);
    return e == ERR_OK ? drop_capabilities(why) : e;
}
