/* tests/unit/net/smtp_server_auth_rig.h - a server session that offers AUTH, and what is said
 * there.
 */
#ifndef TESTS_SMTP_SERVER_AUTH_RIG_H
#define TESTS_SMTP_SERVER_AUTH_RIG_H

#include "smtp_server_rig.h"

#define AUTH_BITS (SMTP_EXTENSION_AUTH_PLAIN | SMTP_EXTENSION_AUTH_LOGIN)

#define ANN_SECRET  "AGFubgBzZWNyZXQ=" /* NUL ann NUL secret */
#define ANN         "YW5u"
#define SECRET      "c2VjcmV0"
#define USER_PROMPT "334 VXNlcm5hbWU6\r"
#define PASS_PROMPT "334 UGFzc3dvcmQ6\r"
#define SUCCESS     "235 2.7.0 Authentication successful\r"
#define FAILURE     "535 5.7.3 Authentication unsuccessful\r"
#define UNKNOWN     "504 5.7.4 Unrecognized authentication type\r"

enum rig_change { CHANGE_NONE, CHANGE_FAIL, CHANGE_TLS_FIRST, CHANGE_TLS_ALWAYS, CHANGE_NOT_HERE };

/* R's settings and answers, before rig_start(). */
void auth_change(struct rig *r, enum rig_change change);
/* No form of the secret stands in what a log may see, if false. */
bool auth_secret_shown(struct rig *r);

#endif
