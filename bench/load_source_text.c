/* A message of the shape, as the session's pieces. */
#include "bench/load_source_text.h"

#include "net/smtp_data.h"

enum err source_text_init(struct source_text *t, const struct load_shape_settings *settings,
                          bool data, struct err_detail *why)
{
    *t = (struct source_text){.data = data};
    return load_shape_init(&t->shape, settings, why);
}

void source_text_free(struct source_text *t)
{
    load_shape_free(&t->shape);
}

void source_text_make(const struct source_text *t, const struct load_tag *tag,
                      char top[LOAD_TEXT_TOP_BYTES], struct load_client_message *m)
{
    _Static_assert((int)LOAD_TEXT_PIECES == (int)LOAD_CLIENT_PIECES, "as many");
    size_t which = load_shape_next(&t->shape, tag->seq);
    load_shape_top(&t->shape, which, tag, top);
    m->notes = load_shape_notes(&t->shape, which);
    m->octets = load_shape_octets(&t->shape, which);
    m->piece_count = load_shape_pieces(&t->shape, which, top, tag->seq, t->data, m->pieces);
}
