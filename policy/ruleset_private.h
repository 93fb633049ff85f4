/* policy/ruleset_private.h - what building and checking share. */
#ifndef POLICY_RULESET_PRIVATE_H
#define POLICY_RULESET_PRIVATE_H

#include <stdbool.h>

#include "policy/iptree.h"
#include "policy/ruleset.h"

/* Everything of FROM goes into ARENA. */
void ruleset_copy_settings(struct arena *arena, const struct ruleset_settings *from,
                           struct ruleset_settings *to);

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

/* Settings that are faulty elsewhere may lack text. */
static inline const char *ruleset_text(const char *text)
{
    return text ? text : "";
}

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

/* May everybody on the Internet bring mail to C without saying who he is? */
bool ruleset_open_to_anonymous(const struct ruleset_settings *settings,
                               const struct receive_connector *c);

/* Every binding of the enabled connectors once, ordered; the caller frees. */
struct endpoint *ruleset_list_bindings(const struct ruleset_settings *settings, size_t *count);
int ruleset_endpoint_compare(const void *left, const void *right);
bool ruleset_connector_binds(const struct receive_connector *c, const struct endpoint *at);

/* A range that can match on one binding, and whose it is. */
struct ruleset_span {
    const struct iprange *range;
    uint32_t connector, index; /* in settings.receive, in its ranges */
};
/* Those of AT in the order of the settings; the caller frees. Ranges of the other family are left
 * out: no peer of theirs arrives there. */
struct ruleset_span *ruleset_list_spans(const struct ruleset_settings *settings,
                                        const struct endpoint *at, size_t *count);

#endif
