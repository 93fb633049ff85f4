/* What is sound and may still surprise. */
#include "policy/ruleset.h"

#include <stdio.h>

#include "policy/ruleset_check_private.h"

/* Room for some names of connectors; more of them make no other point. */
#define NAMES_SIZE 400

static size_t list_open_connectors(const struct ruleset_settings *settings, char names[NAMES_SIZE])
{
    size_t len = 0, count = 0;
    names[0] = '\0';
    for (size_t i = 0; i < settings->receive_count; i++) {
        const struct receive_connector *c = &settings->receive[i];
        if (!ruleset_open_to_anonymous(settings, c))
            continue;
        if (len + 70 < NAMES_SIZE)
            len += (size_t)snprintf(names + len, NAMES_SIZE - len, "%s\"%.64s\"", count ? ", " : "",
                                    ruleset_text(c->name));
        count++;
    }
    return count;
}

void ruleset_notes(const struct ruleset_settings *settings, ruleset_report report, void *owner)
{
    char names[NAMES_SIZE], text[2 * NAMES_SIZE];
    size_t count = list_open_connectors(settings, names);
    for (size_t i = 0; i < settings->domain_count && count > 0; i++) {
        const struct accepted_domain *d = &settings->domains[i];
        struct ruleset_fault note = {ruleset_text(d->origin), text, 1};
        snprintf(text, sizeof text,
                 "accepted domain \"%.256s\" (%s) is open to anonymous clients from everywhere, "
                 "through receive connector%s %s",
                 ruleset_text(d->name), choice_name(DOMAIN_TYPES, d->type), count > 1 ? "s" : "",
                 names);
        report(owner, &note);
    }
}
