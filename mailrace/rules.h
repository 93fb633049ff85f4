/* mailrace/rules.h - the rules in force: one immutable object, replaced as a whole by a reload and
 * kept as long as a reference is held.
 *
 * Threads reach it through rules_get() in a read section (core/snapshot.h), or hold it for longer.
 */
#ifndef MAILRACE_RULES_H
#define MAILRACE_RULES_H

#include <stdatomic.h>

#include "config/conf.h"
#include "core/snapshot.h"
#include "policy/ruleset.h"

#include "mailrace/connector.h"

struct rules {
    atomic_uint references;
    uint64_t generation; /* differs from that of all others */
    struct conf *conf;
    struct ruleset *ruleset;
    struct connector **connectors; /* by connector index; the rules hold one reference each */
};

/* Where the rules in force are published; it counts sessions by connector name over all rules. */
struct rules_place;

struct rules_place *rules_place_new(void);
/* When no session and no thread is left. */
void rules_place_free(struct rules_place **place);

/* Main thread. CONF and RULESET are taken over, also when it fails: WHY names the certificate. */
MUST_USE enum err rules_make(struct rules_place *place, struct conf *conf, struct ruleset *ruleset,
                             struct rules **out, struct err_detail *why);
/* Main thread. Takes the reference over; the rules before are released when no reader is left. */
void rules_publish(struct rules_place *place, struct rules *rules);

/* Inside a read section only. */
const struct rules *rules_get(const struct rules_place *place);
/* For more than a read section: the rules as they are now, until released. Any thread. */
struct rules *rules_hold(const struct rules_place *place);
void rules_release(struct rules **rules);

#endif
