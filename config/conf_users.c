/* The users file: read when its key is, checked line by line by policy/account.h. */
#include "config/conf_private.h"
#include "core/mem.h"

/* Hashes are worth an attacker's time: only we and the administrators may see them. */
static const struct conf_file_rules RULES = {
    .size_max = 16 << 20, .size_max_text = "16 MB", .not_readable = true};

static void report_account(void *owner, const char *where, bool is_warning, const char *text)
{
    struct conf_reading *r = owner;
    if (is_warning)
        conf_warn(r, where, "", "%s", text);
    else
        conf_fault(r, where, "", "%s", text);
}

void conf_read_users(struct conf_reading *r, const struct conf_value *value, const char *path,
                     void *target)
{
    struct conf *conf = target;
    size_t len = 0;
    char *text = conf_file_read(r, value->where, path, conf->users_file, &RULES, &len);
    if (text && account_set_parse(bytes_make(text, len), conf->users_file, report_account, r,
                                  &conf->rules.accounts) != ERR_OK)
        r->faulty = true;
    mem_free(text);
}
