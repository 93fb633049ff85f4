/* policy/decide.h - may the client? One pure function from facts and rules to a verdict with its
 * reply and its reason. `mailrace explain` prints this very path.
 */
#ifndef POLICY_DECIDE_H
#define POLICY_DECIDE_H

#include <stdbool.h>

#include "core/mail.h"
#include "policy/ruleset.h"

/* DECIDE_FROM: for each address in the message's header From. */
enum decide_stage { DECIDE_MAIL, DECIDE_RCPT, DECIDE_FROM };

struct decide_facts {
    rights_mask rights;
    enum rights_principal principal;
    struct bytes sender; /* MAIL: empty for <>; FROM: empty for a field that holds no address */
    struct bytes sender_domain;
    struct bytes rcpt;        /* RCPT */
    struct bytes rcpt_domain; /* empty: <postmaster> */
    /* The account's allowed senders, or the certificate's domain, cover SENDER. Without
     * Accept-Any-Sender a client may use no other. */
    bool sender_entitled;
    unsigned rejected_domains; /* RCPT: enum receive_connector_reject */
    bool sender_hidden;        /* FROM: the field is too long to be read to its end */
};

struct decide_verdict {
    bool accepted;
    struct mail_status status; /* the reply; static text */
    rights_mask missing;       /* the right that would have made it pass, 0 if none would */
    const char *reason;        /* for log and explain: static text */
    bool tarpit;               /* delay the reply to unauthenticated clients */
};

/* Any thread, inside a read section; allocates nothing, takes no lock. */
struct decide_verdict decide(enum decide_stage stage, const struct decide_facts *facts,
                             const struct ruleset *rules);
/* Is there anything that DECIDE_FROM could refuse to a client with RIGHTS? False: do not look. */
bool decide_from_matters(rights_mask rights);

#endif
