/* mailrace/reload.h - the configuration file read again while the relay runs. */
#ifndef MAILRACE_RELOAD_H
#define MAILRACE_RELOAD_H

#include "core/err.h"

struct relay;

/* Swaps the rules and all settings that have "reload" in their row of the option table; of the
 * others the running value stays in force, and a warning names each that the file has changed. A
 * faulty file changes nothing. Logs what it did. Main thread. */
MUST_USE enum err reload(struct relay *relay);

#endif
