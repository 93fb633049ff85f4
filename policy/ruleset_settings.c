/* Lists over the settings: bindings, and the ranges of each. */
#include "policy/ruleset_settings_private.h"

#include <stdlib.h>

#include "core/mem.h"

int ruleset_endpoint_compare(const void *left, const void *right)
{
    const struct endpoint *a = left, *b = right;
    int by_address = ipaddr_compare(&a->addr, &b->addr);
    if (by_address != 0)
        return by_address;
    if (a->port != b->port)
        return a->port < b->port ? -1 : 1;
    return a->scope < b->scope ? -1 : a->scope > b->scope;
}

bool ruleset_connector_binds(const struct receive_connector *c, const struct endpoint *at)
{
    for (size_t i = 0; i < c->binding_count && c->enabled; i++)
        if (ruleset_endpoint_compare(&c->bindings[i], at) == 0)
            return true;
    return false;
}

struct endpoint *ruleset_list_bindings(const struct ruleset_settings *settings, size_t *count)
{
    size_t all = 0, kept = 0;
    for (size_t i = 0; i < settings->receive_count; i++)
        all += settings->receive[i].binding_count;
    struct endpoint *list = MEM_NEW_ARRAY(struct endpoint, all + 1);
    all = 0;
    for (size_t i = 0; i < settings->receive_count; i++) {
        const struct receive_connector *c = &settings->receive[i];
        for (size_t j = 0; j < c->binding_count && c->enabled; j++)
            list[all++] = c->bindings[j];
    }
    qsort(list, all, sizeof *list, ruleset_endpoint_compare);
    for (size_t i = 0; i < all; i++)
        if (kept == 0 || ruleset_endpoint_compare(&list[kept - 1], &list[i]) != 0)
            list[kept++] = list[i];
    *count = kept;
    return list;
}

struct ruleset_span *ruleset_list_spans(const struct ruleset_settings *settings,
                                        const struct endpoint *at, size_t *count)
{
    bool v4 = ipaddr_is_v4(&at->addr);
    size_t all = 0;
    for (size_t i = 0; i < settings->receive_count; i++)
        if (ruleset_connector_binds(&settings->receive[i], at))
            all += settings->receive[i].range_count;
    struct ruleset_span *spans = MEM_NEW_ARRAY(struct ruleset_span, all + 1);
    *count = 0;
    for (size_t i = 0; i < settings->receive_count; i++) {
        const struct receive_connector *c = &settings->receive[i];
        if (!ruleset_connector_binds(c, at))
            continue;
        for (size_t j = 0; j < c->range_count; j++)
            if (ipaddr_is_v4(&c->ranges[j].range.first) == v4)
                spans[(*count)++] =
                    (struct ruleset_span){&c->ranges[j].range, (uint32_t)i, (uint32_t)j};
    }
    ASSERT(*count <= all);
    return spans;
}
