#include "load_text.h"

#include <inttypes.h>
#include <stdio.h>

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

void load_text_init(struct load_text *t, const char *from, const char *rcpt, size_t length)
{
    size_t size = strlen(from) + strlen(rcpt) + 64;
    t->head = mem_alloc(size);
    int n = snprintf(t->head, size, "From: <%s>\r\nTo: <%s>\r\nSubject: load\r\n\r\n", from, rcpt);
    ASSERT(n > 0 && (size_t)n < size);
    t->head_len = (size_t)n;
    size_t around = LOAD_TEXT_TOP_BYTES + t->head_len + 2;
    t->view_len = length > around ? length - around : 0;
    t->tail = BYTES("\r\n");
    if (t->view_len % LINE_BYTES == 79) { /* would end in a CR, and then come CR LF */
        t->view_len--;
        t->tail = BYTES("z\r\n");
    }
    t->octets = LOAD_TEXT_TOP_BYTES + t->head_len + t->view_len + t->tail.len;
    t->lines = make_lines(t->view_len + LOAD_TEXT_VARIANTS * LINE_BYTES);
    uint64_t head = load_hash(LOAD_HASH_START, bytes_make(t->head, t->head_len));
    for (size_t i = 0; i < LOAD_TEXT_VARIANTS; i++) {
        uint64_t sum = load_hash(head, bytes_make(t->lines + i * LINE_BYTES, t->view_len));
        t->sums[i] = load_hash(sum, t->tail);
    }
}

void load_text_free(struct load_text *t)
{
    mem_free(t->head);
    mem_free(t->lines);
    *t = (struct load_text){0};
}

void load_text_top(const struct load_text *t, const struct load_tag *tag,
                   char to[LOAD_TEXT_TOP_BYTES])
{
    char line[80];
    int n =
        snprintf(line, sizeof line, "Message-ID: <%016" PRIx64 ".%012" PRIu64 "@source.test>\r\n",
                 tag->run, tag->seq);
    ASSERT(n == LOAD_TEXT_TOP_BYTES - LOAD_TAG_BYTES);
    memcpy(to, line, (size_t)n);
    load_tag_write(tag, t->sums[variant_of(tag->seq)], to + n);
}

void load_text_read(const struct load_text *t, const char *top, uint64_t seq, uint64_t at, char *to,
                    size_t len)
{
    const struct bytes pieces[] = {
        bytes_make(top, LOAD_TEXT_TOP_BYTES),
        bytes_make(t->head, t->head_len),
        bytes_make(t->lines + variant_of(seq) * LINE_BYTES, t->view_len),
        t->tail,
    };
    for (size_t i = 0; i < ARRAY_SIZE(pieces) && len; i++) {
        if (at >= pieces[i].len) {
            at -= pieces[i].len;
            continue;
        }
        struct bytes piece = bytes_sub(pieces[i], (size_t)at, len);
        memcpy(to, piece.ptr, piece.len);
        to += piece.len;
        len -= piece.len;
        at = 0;
    }
}
