/* policy/ruleset_check_private.h - the checks of settings, and what they share. */
#ifndef POLICY_RULESET_CHECK_PRIVATE_H
#define POLICY_RULESET_CHECK_PRIVATE_H

#include "policy/ruleset_settings_private.h"

/* One run of all checks: every fault is reported, and remembered. */
struct ruleset_check {
    const struct ruleset_settings *settings;
    ruleset_report report;
    void *owner;
    bool faulty;
};
void ruleset_fault(struct ruleset_check *check, const char *where, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void ruleset_warn(struct ruleset_check *check, const char *where, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Names must be there, fit, and differ without regard to case. KIND: "receive connector". */
struct ruleset_name {
    const char *name;
    const char *origin;
    size_t order;
};
void ruleset_check_names(struct ruleset_check *check, const char *kind, struct ruleset_name *names,
                         size_t count);
/* The last of the three only. Sorts NAMES. */
void ruleset_check_duplicates(struct ruleset_check *check, const char *kind,
                              struct ruleset_name *names, size_t count);

void ruleset_check_receive(struct ruleset_check *check);
void ruleset_check_domains(struct ruleset_check *check);
void ruleset_check_send(struct ruleset_check *check);
void ruleset_check_rewrites(struct ruleset_check *check);
void ruleset_check_overlaps(struct ruleset_check *check);

/* May all clients of the Internet bring mail to C without a logon? */
bool ruleset_open_to_anonymous(const struct ruleset_settings *settings,
                               const struct receive_connector *c);

#endif
