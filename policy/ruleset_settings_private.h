/* policy/ruleset_settings_private.h - lists over the settings, and their copy. */
#ifndef POLICY_RULESET_SETTINGS_PRIVATE_H
#define POLICY_RULESET_SETTINGS_PRIVATE_H

#include <stdbool.h>

#include "policy/ruleset_settings.h"

/* Everything of FROM goes into ARENA. */
void ruleset_copy_settings(struct arena *arena, const struct ruleset_settings *from,
                           struct ruleset_settings *to);

/* Settings that are faulty elsewhere may lack text. */
static inline const char *ruleset_text(const char *text)
{
    return text ? text : "";
}

/* Every binding of the enabled connectors once, ordered; the caller frees. */
struct endpoint *ruleset_list_bindings(const struct ruleset_settings *settings, size_t *count);
int ruleset_endpoint_compare(const void *left, const void *right);
bool ruleset_connector_binds(const struct receive_connector *c, const struct endpoint *at);

/* A range that can match on one binding, and its connector. */
struct ruleset_span {
    const struct iprange *range;
    uint32_t connector, index; /* in settings.receive, in its ranges */
};
/* Those of AT in the order of the settings; the caller frees. Ranges of the other family are left
 * out: no peer of theirs arrives there. */
struct ruleset_span *ruleset_list_spans(const struct ruleset_settings *settings,
                                        const struct endpoint *at, size_t *count);

#endif
