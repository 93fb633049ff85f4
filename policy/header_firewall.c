/* Rights to header classes, and the stamps of Exchange's header fields. */
#include "policy/header_firewall.h"

/* One row a class; the order of the bits. */
static const struct class_row {
    unsigned class;
    rights_mask accept, send;
} class_rows[] = {
    {HEADER_CLASS_ORGANIZATION, RIGHTS_ACCEPT_HEADERS_ORGANIZATION,
     RIGHTS_SEND_HEADERS_ORGANIZATION},
    {HEADER_CLASS_FOREST, RIGHTS_ACCEPT_HEADERS_FOREST, RIGHTS_SEND_HEADERS_FOREST},
    {HEADER_CLASS_ROUTING, RIGHTS_ACCEPT_HEADERS_ROUTING, RIGHTS_SEND_HEADERS_ROUTING},
};

unsigned header_firewall_on_receive(rights_mask rights)
{
    unsigned classes = 0;
    for (size_t i = 0; i < ARRAY_SIZE(class_rows); i++)
        classes |= rights & class_rows[i].accept ? 0 : class_rows[i].class;
    return classes;
}

unsigned header_firewall_on_send(rights_mask rights)
{
    unsigned classes = 0;
    for (size_t i = 0; i < ARRAY_SIZE(class_rows); i++)
        classes |= rights & class_rows[i].send ? 0 : class_rows[i].class;
    return classes;
}

const char *header_firewall_auth_as(enum rights_principal principal, rights_mask rights)
{
    if (principal == RIGHTS_ANONYMOUS)
        return "Anonymous";
    if (rights & RIGHTS_ACCEPT_AUTHENTICATION_FLAG)
        return "Internal";
    return principal == RIGHTS_PARTNER_SERVERS ? "Partner" : "Anonymous";
}

const char *header_firewall_auth_mechanism(enum rights_principal principal)
{
    switch (principal) {
    case RIGHTS_AUTHENTICATED_USERS:
    case RIGHTS_USER:
    case RIGHTS_GROUP:
        return "02";
    case RIGHTS_EXTERNALLY_SECURED_SERVERS:
        return "0A";
    case RIGHTS_EXCHANGE_SERVERS:
    case RIGHTS_PARTNER_SERVERS:
    case RIGHTS_LEGACY_SERVERS:
    case RIGHTS_CERTIFICATE:
        return "06";
    default:
        return "00";
    }
}
