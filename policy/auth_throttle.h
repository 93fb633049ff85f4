/* policy/auth_throttle.h - remembers failed logons for a while: by source, and by account.
 *
 * A table of fixed size a worker, no lock: a worker sees the failures of its own connections. Each
 * failure fills a bucket that leaks; a bucket that is full keeps further attempts from being
 * checked at all. An account's bucket only counts against sources that have failed themselves:
 * a user cannot be shut out by failures from other sources.
 */
#ifndef POLICY_AUTH_THROTTLE_H
#define POLICY_AUTH_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bytes.h"
#include "core/ipaddr.h"

struct auth_throttle;

struct auth_throttle *auth_throttle_new(void);
void auth_throttle_free(struct auth_throttle **t);
/* False: not now. */
bool auth_throttle_allows(const struct auth_throttle *t, const struct ipaddr *source,
                          struct bytes account, uint64_t now_ms);
void auth_throttle_failed(struct auth_throttle *t, const struct ipaddr *source,
                          struct bytes account, uint64_t now_ms);

#endif
