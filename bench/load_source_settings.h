/* bench/load_source_settings.h - from the options to what is said and with what. */
#ifndef BENCH_LOAD_SOURCE_SETTINGS_H
#define BENCH_LOAD_SOURCE_SETTINGS_H

#include "bench/load_source_private.h"

/* Makes S from its arguments: what is said, and what it is said with. */
MUST_USE enum err source_settings_make(struct source *s, struct err_detail *why);
void source_settings_free(struct source *s);

#endif
