/* policy/header_firewall.h - which header fields a session may bring in, or a next hop may see:
 * Exchange's header firewall.
 *
 * Fields fall in three classes, each with a right of its own in either direction
 * (ms-Exch-Accept-Headers-*, ms-Exch-Send-Headers-*): whoever has it keeps them all, whoever lacks
 * it loses all of them. Pure.
 */
#ifndef POLICY_HEADER_FIREWALL_H
#define POLICY_HEADER_FIREWALL_H

#include <stdbool.h>

#include "core/bytes.h"
#include "policy/rights.h"

enum header_firewall_class {                                   /* as bits */
                             HEADER_FIREWALL_ORGANIZATION = 1, /* X-MS-Exchange-Organization-* */
                             HEADER_FIREWALL_FOREST = 2,       /* X-MS-Exchange-Forest-* */
                             HEADER_FIREWALL_ROUTING = 4,      /* Received, Resent-* */
};

/* The classes that whoever has RIGHTS loses when he sends to us. 0: look at nothing. */
unsigned header_firewall_on_receive(rights_mask rights);
/* The classes that a next hop with RIGHTS does not get to see. */
unsigned header_firewall_on_send(rights_mask rights);
/* The class of the field NAME (no blanks, no colon; what begins a long name is enough of it), or 0.
 */
unsigned header_firewall_class(struct bytes name);
/* Does a field of this NAME go, when CLASSES go? */
bool header_firewall_strips(unsigned classes, struct bytes name);

/* What X-MS-Exchange-Organization-AuthAs says of a session: "Internal" for whoever has
 * ms-Exch-Accept-Authentication-Flag and said who he is, "Partner", or "Anonymous". */
const char *header_firewall_auth_as(enum rights_principal principal, rights_mask rights);
/* ...-AuthMechanism: two hexadecimal digits, which are ours where Exchange publishes none: 00
 * nothing was proved, 02 AUTH, 06 certificate, 0A externally secured. */
const char *header_firewall_auth_mechanism(enum rights_principal principal);

#endif
