/* policy/header_firewall.h - which header fields a session may bring in, or a next hop may see:
 * Exchange's header firewall.
 *
 * Each of their three classes (core/header_class.h) has a right of its own in either direction
 * (ms-Exch-Accept-Headers-*, ms-Exch-Send-Headers-*): whoever has it keeps them all, whoever lacks
 * it loses all of them. Pure.
 */
#ifndef POLICY_HEADER_FIREWALL_H
#define POLICY_HEADER_FIREWALL_H

#include "core/header_class.h"
#include "policy/rights.h"

/* The classes that whoever has RIGHTS loses when he sends to us. 0: look at nothing. */
unsigned header_firewall_on_receive(rights_mask rights);
/* The classes that a next hop with RIGHTS does not get to see. */
unsigned header_firewall_on_send(rights_mask rights);

/* What X-MS-Exchange-Organization-AuthAs says of a session: "Internal" for whoever has
 * ms-Exch-Accept-Authentication-Flag and said who he is, "Partner", or "Anonymous". */
const char *header_firewall_auth_as(enum rights_principal principal, rights_mask rights);
/* ...-AuthMechanism: two hexadecimal digits, which are ours where Exchange publishes none: 00
 * nothing was proved, 02 AUTH, 06 certificate, 0A externally secured. */
const char *header_firewall_auth_mechanism(enum rights_principal principal);

#endif
