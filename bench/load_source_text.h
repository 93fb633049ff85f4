/* bench/load_source_text.h - the source's messages, put on the wire from where they lie: all that
 * it knows of bench/load_shape.h is here.
 */
#ifndef BENCH_LOAD_SOURCE_TEXT_H
#define BENCH_LOAD_SOURCE_TEXT_H

#include "bench/load_client.h"
#include "bench/load_shape.h"

struct source_text {
    struct load_shape shape;
    bool data; /* with the dots that DATA wants */
};

/* DATA: for DATA, not for BDAT. */
MUST_USE enum err source_text_init(struct source_text *t,
                                   const struct load_shape_settings *settings, bool data,
                                   struct err_detail *why);
void source_text_free(struct source_text *t);
/* Fills the pieces of M, the message TAG->SEQ. TOP is the message's, in place while it is sent.
 * Any thread. */
void source_text_make(const struct source_text *t, const struct load_tag *tag,
                      char top[LOAD_TEXT_TOP_BYTES], struct load_client_message *m);

#endif
