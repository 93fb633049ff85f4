/* `usage` of a receive connector: the template that New-ReceiveConnector -Usage starts from. What
 * the connector says itself comes on top, whatever its order. Integrated and ExchangeServer, which
 * Exchange adds for Client and Internal, are not offered here and left out.
 */
#include "config/conf_private.h"

static const struct conf_usage USAGES[] = {
    {"Custom", 0, RECEIVE_AUTH_TLS, NULL, false},
    {"Internet", RIGHTS_GROUP_ANONYMOUS_USERS, RECEIVE_AUTH_TLS, NULL, true},
    {"Internal", RIGHTS_GROUP_EXCHANGE_SERVERS | RIGHTS_GROUP_EXCHANGE_LEGACY_SERVERS,
     RECEIVE_AUTH_TLS, "0.0.0.0:25", false},
    {"Client", RIGHTS_GROUP_EXCHANGE_USERS,
     RECEIVE_AUTH_TLS | RECEIVE_AUTH_BASIC | RECEIVE_AUTH_BASIC_REQUIRE_TLS, "0.0.0.0:587", false},
    {"Partner", RIGHTS_GROUP_PARTNERS, RECEIVE_AUTH_TLS, NULL, false},
};

static const struct conf_usage *usage_find(const struct conf_value *value)
{
    struct bytes name = bytes_of(value->type == CONF_VALUE_TEXT ? value->text : "");
    for (size_t i = 0; i < ARRAY_SIZE(USAGES); i++)
        if (bytes_equal_nocase(name, bytes_of(USAGES[i].name)))
            return &USAGES[i];
    return NULL;
}

void conf_take_usage(struct conf_reading *r, const struct conf_option *option,
                     const struct conf_value *value, const char *path, void *target)
{
    (void)option, (void)target;
    if (!usage_find(value))
        conf_fault(r, value->where, path,
                   "one of \"Internet\", \"Internal\", \"Client\", \"Partner\", \"Custom\" is "
                   "allowed");
}

const struct conf_usage *conf_usage_of(const struct conf_value *group)
{
    for (size_t i = 0; group->type == CONF_VALUE_GROUP && i < group->count; i++)
        if (strcmp(group->items[i].name, "usage") == 0)
            return usage_find(&group->items[i]);
    return NULL;
}
