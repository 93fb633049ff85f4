/* `usage` of a receive connector: the template that New-ReceiveConnector -Usage starts from. What
 * the connector says itself comes on top, in any order. Integrated and ExchangeServer, which
 * Exchange adds for Client and Internal, are not offered here and left out.
 */
#include "config/conf_private.h"

const struct choice CONF_USAGES[] = {
    {"Internet", CONF_USAGE_INTERNET}, {"Internal", CONF_USAGE_INTERNAL},
    {"Client", CONF_USAGE_CLIENT},     {"Partner", CONF_USAGE_PARTNER},
    {"Custom", CONF_USAGE_CUSTOM},     {NULL, 0}};

static const struct conf_usage USAGES[] = {
    [CONF_USAGE_CUSTOM] = {0, RECEIVE_AUTH_TLS, NULL, false},
    [CONF_USAGE_INTERNET] = {RIGHTS_GROUP_ANONYMOUS_USERS, RECEIVE_AUTH_TLS, NULL, true},
    [CONF_USAGE_INTERNAL] = {RIGHTS_GROUP_EXCHANGE_SERVERS | RIGHTS_GROUP_EXCHANGE_LEGACY_SERVERS,
                             RECEIVE_AUTH_TLS, "0.0.0.0:25", false},
    [CONF_USAGE_CLIENT] = {RIGHTS_GROUP_EXCHANGE_USERS,
                           RECEIVE_AUTH_TLS | RECEIVE_AUTH_BASIC | RECEIVE_AUTH_BASIC_REQUIRE_TLS,
                           "0.0.0.0:587", false},
    [CONF_USAGE_PARTNER] = {RIGHTS_GROUP_PARTNERS, RECEIVE_AUTH_TLS, NULL, false},
};

const struct conf_usage *conf_usage_of(const struct conf_value *group)
{
    for (size_t i = 0; group->type == CONF_VALUE_GROUP && i < group->count; i++) {
        const struct conf_value *v = &group->items[i];
        if (strcmp(v->name, "usage") == 0 && v->type == CONF_VALUE_TEXT) {
            const struct choice *usage = choice_find(CONF_USAGES, bytes_of(v->text));
            return usage ? &USAGES[usage->value] : NULL;
        }
    }
    return NULL;
}
