/* A server session that offers AUTH as a row says, and whether it shows a secret. */
#include "smtp_server_auth_rig.h"

void auth_change(struct rig *r, enum rig_change change)
{
    r->settings.extensions |= change == CHANGE_NOT_HERE ? 0 : AUTH_BITS;
    r->settings.logon_failures_max = 3;
    r->settings.auth_require_tls = change == CHANGE_TLS_FIRST;
    r->settings.require_tls = change == CHANGE_TLS_ALWAYS;
    if (change == CHANGE_FAIL)
        r->on_auth = rig_status(535, 5, 7, 3, "Authentication unsuccessful");
}

bool auth_secret_shown(struct rig *r)
{
    static const char *const forms[] = {ANN_SECRET, SECRET, "secret", "AGFubgBzZWMAcmV0"};
    CHECK(buf_append(&r->told, bytes_make("", 1)) == ERR_OK);
    const char *told = buf_bytes(&r->told).ptr;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
        if (strstr(told, forms[i]))
            return true;
    return false;
}
