/* mailrace/reload.h - the configuration read again by a running relay. Main thread. */
#ifndef MAILRACE_RELOAD_H
#define MAILRACE_RELOAD_H

#include "core/err.h"

struct relay;

/* Reads the relay's file again and swaps the rules; a faulty file changes nothing. Logs what it
 * did. */
MUST_USE enum err reload(struct relay *relay);

#endif
