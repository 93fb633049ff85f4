/* Makes messages of given lengths that share one piece of memory. */
#include "bench/load_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/hash.h"
#include "core/mem.h"

enum { LINE_BYTES = 80 };

static size_t variant_of(uint64_t seq)
{
    return (size_t)(seq % LOAD_TEXT_VARIANTS);
}

/* Lines of 78 letters; a message begins at the line that its sequence chooses. */
static char *make_lines(size_t len)
{
    char *lines = mem_alloc(len);
    for (size_t i = 0; i < len; i++) {
        size_t line = i / LINE_BYTES, column = i % LINE_BYTES;
        lines[i] = column == 78   ? '\r'
                   : column == 79 ? '\n'
                                  : (char)('a' + (line * 7 + line / 26 + column) % 26);
    }
    return lines;
}

static void size_set(struct load_text_size *s, uint64_t length, size_t head_len)
{
    size_t around = LOAD_TEXT_TOP_BYTES + head_len + 2;
    s->view_len = length > around ? (size_t)length - around : 0;
    s->tail = BYTES("\r\n");
    if (s->view_len % LINE_BYTES == 79) { /* would end in a CR, and then come CR LF */
        s->view_len--;
        s->tail = BYTES("z\r\n");
    }
    s->octets = LOAD_TEXT_TOP_BYTES + head_len + s->view_len + s->tail.len;
}

static int compare_views(const void *a, const void *b)
{
    const struct load_text_size *const *x = a, *const *y = b;
    return (*x)->view_len < (*y)->view_len ? -1 : (*x)->view_len > (*y)->view_len;
}

/* Once over the lines for each variant, whatever the number of sizes: a sum of a shorter text is
 * one that the longer text's sum passes on its way. */
static void make_sums(struct load_text *t, struct load_text_size *const *by_view)
{
    uint64_t head = hash_bytes(HASH_START, bytes_make(t->head, t->head_len));
    for (size_t v = 0; v < LOAD_TEXT_VARIANTS; v++) {
        const char *view = t->lines + v * LINE_BYTES;
        uint64_t sum = head;
        size_t at = 0;
        for (size_t i = 0; i < t->size_count; i++) {
            sum = hash_bytes(sum, bytes_make(view + at, by_view[i]->view_len - at));
            at = by_view[i]->view_len;
            by_view[i]->sums[v] = hash_bytes(sum, by_view[i]->tail);
        }
    }
}

void load_text_make(struct load_text *t, const char *from, const char *rcpt,
                    const uint64_t *lengths, size_t count)
{
    ASSERT(count > 0);
    size_t size = strlen(from) + strlen(rcpt) + 64;
    t->head = mem_alloc(size);
    int n = snprintf(t->head, size, "From: <%s>\r\nTo: <%s>\r\nSubject: load\r\n\r\n", from, rcpt);
    ASSERT(n > 0 && (size_t)n < size);
    t->head_len = (size_t)n;
    t->sizes = MEM_NEW_ARRAY(struct load_text_size, count);
    t->size_count = count;
    struct load_text_size **by_view = MEM_NEW_ARRAY(struct load_text_size *, count);
    for (size_t i = 0; i < count; i++) {
        size_set(&t->sizes[i], lengths[i], t->head_len);
        by_view[i] = &t->sizes[i];
    }
    qsort(by_view, count, sizeof(struct load_text_size *), compare_views);
    t->lines = make_lines(by_view[count - 1]->view_len + LOAD_TEXT_VARIANTS * LINE_BYTES);
    make_sums(t, by_view);
    mem_free(by_view);
}

void load_text_free(struct load_text *t)
{
    mem_free(t->head);
    mem_free(t->lines);
    mem_free(t->sizes);
    *t = (struct load_text){0};
}

void load_text_begin(const struct load_tag *tag, uint64_t rest, char to[LOAD_TEXT_TOP_BYTES])
{
    char line[80];
    int n =
        snprintf(line, sizeof line, "Message-ID: <%016" PRIx64 ".%012" PRIu64 "@source.test>\r\n",
                 tag->run, tag->seq);
    ASSERT(n == LOAD_TEXT_TOP_BYTES - LOAD_TAG_BYTES);
    memcpy(to, line, (size_t)n);
    load_tag_write(tag, rest, to + n);
}

uint64_t load_text_sum(const struct load_text *t, size_t size, uint64_t seq)
{
    return t->sizes[size].sums[variant_of(seq)];
}

void load_text_pieces(const struct load_text *t, size_t size, const char *top, uint64_t seq,
                      struct bytes pieces[LOAD_TEXT_PIECES])
{
    const struct load_text_size *s = &t->sizes[size];
    pieces[0] = bytes_make(top, LOAD_TEXT_TOP_BYTES);
    pieces[1] = bytes_make(t->head, t->head_len);
    pieces[2] = bytes_make(t->lines + variant_of(seq) * LINE_BYTES, s->view_len);
    pieces[3] = s->tail;
}
