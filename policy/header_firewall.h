/* policy/header_firewall.h - which header fields a session may bring in, or a next hop may see:
 * Exchange's header firewall.
 *
 * Each of their three classes (core/header_class.h) has a right of its own in either direction
 * (ms-Exch-Accept-Headers-*, ms-Exch-Send-Headers-*): with it all of them are kept, without it all
 * are removed. Pure.
 */
#ifndef POLICY_HEADER_FIREWALL_H
#define POLICY_HEADER_FIREWALL_H

#include "core/header_class.h"
#include "policy/rights.h"

/* The classes that are removed from what a client with RIGHTS sends. 0: look at nothing. */
unsigned header_firewall_on_receive(rights_mask rights);
/* The classes that a next hop with RIGHTS does not get to see. */
unsigned header_firewall_on_send(rights_mask rights);

/* What X-MS-Exchange-Organization-AuthAs says of a session: "Internal" for a client with
 * ms-Exch-Accept-Authentication-Flag that is not anonymous, "Partner", or "Anonymous". */
const char *header_firewall_auth_as(enum rights_principal principal, rights_mask rights);
/* ...-AuthMechanism: two hexadecimal digits, which are ours where Exchange publishes none: 00
 * nothing was proved, 02 AUTH, 06 certificate, 0A externally secured. */
const char *header_firewall_auth_mechanism(enum rights_principal principal);

#endif
