/* The end of data: every way to cut the input gives the same text, notes and end, and what a plain
 * reading of the rules says. What is stuffed for sending comes back as it was. */
#include "fuzz_split.h"

#include "net/smtp_data.h"

static struct fuzz_text wanted, got, wire, back;

struct verdict {
    bool ended;
    size_t end;
    unsigned notes;
    uint64_t octets;
};

static struct verdict data_run(struct bytes in, bool normalize, enum fuzz_cut cut,
                               struct fuzz_text *text)
{
    struct smtp_data_reader r = {.normalize = normalize};
    struct verdict v = {0};
    struct fuzz_split split = fuzz_split_make(in, cut);
    struct bytes block;

    text->len = 0;
    while (!v.ended && fuzz_split_next(&split, &block)) {
        size_t done = 0;
        unsigned idle = 0;
        while (!v.ended && done < block.len) {
            size_t used;
            struct bytes piece;
            v.ended = smtp_data_read(&r, bytes_from(block, done), &used, &piece);
            MUST_HOLD(used <= block.len - done);
            idle = used > 0 ? 0 : idle + 1;
            MUST_HOLD(idle <= 1);
            fuzz_text_add(text, piece);
            done += used;
        }
        v.end += done;
    }
    v.notes = r.notes;
    v.octets = r.octets;
    return v;
}

/* RFC 5321 4.5.2, said in the plainest way: the end is the first "." CRLF at a line start, where a
 * line starts at the beginning and behind CRLF. */
static bool end_find(struct bytes in, size_t *end)
{
    for (size_t at = 0; at + 3 <= in.len; at++) {
        bool line_start = at == 0 || (at >= 2 && in.ptr[at - 2] == '\r' && in.ptr[at - 1] == '\n');
        if (line_start && memcmp(in.ptr + at, ".\r\n", 3) == 0) {
            *end = at + 3;
            return true;
        }
    }
    return false;
}

static void model_text(struct bytes in, struct fuzz_text *text)
{
    text->len = 0;
    for (size_t at = 0; at < in.len; at++) {
        bool line_start = at == 0 || (at >= 2 && in.ptr[at - 2] == '\r' && in.ptr[at - 1] == '\n');
        if (!(line_start && in.ptr[at] == '.'))
            fuzz_text_add(text, bytes_sub(in, at, 1));
    }
}

static void model_check(struct bytes in, const struct verdict *v)
{
    size_t end;

    MUST_HOLD(end_find(in, &end) == v->ended);
    if (!v->ended)
        return;
    MUST_HOLD(end == v->end);
    model_text(bytes_sub(in, 0, end - 3), &wanted);
    MUST_HOLD(bytes_equal(fuzz_text_bytes(&wanted), fuzz_text_bytes(&got)));
}

static void normal_check(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        MUST_HOLD(text.ptr[i] != '\n' || (i > 0 && text.ptr[i - 1] == '\r'));
        MUST_HOLD(text.ptr[i] != '\r' || i + 1 == text.len || text.ptr[i + 1] == '\n');
    }
}

/* Sends TEXT, which has no bare CR or LF, and reads it again. */
static void round_trip(struct bytes text, bool dot_line)
{
    static char room[2 * FUZZ_TEXT_MAX];
    struct smtp_data_writer w = {0};
    struct fuzz_split split = fuzz_split_make(text, FUZZ_RANDOM);
    struct bytes block;
    size_t end;

    wire.len = 0;
    while (fuzz_split_next(&split, &block)) {
        size_t len = smtp_data_stuff(&w, block, room);
        MUST_HOLD(len >= block.len && len <= 2 * block.len);
        fuzz_text_add(&wire, bytes_make(room, len));
    }
    MUST_HOLD(dot_line == (wire.len != text.len));
    bool ends = text.len == 0 || text.ptr[text.len - 1] == '\n';
    fuzz_text_add(&wire, ends ? BYTES(".\r\n") : BYTES("\r\n.\r\n"));
    MUST_HOLD(end_find(fuzz_text_bytes(&wire), &end) && end == wire.len);
    struct verdict v = data_run(fuzz_text_bytes(&wire), false, FUZZ_WHOLE, &back);
    MUST_HOLD(v.ended && v.end == wire.len);
    MUST_HOLD((v.notes & (SMTP_DATA_BARE_CR | SMTP_DATA_BARE_LF)) == 0);
    MUST_HOLD(back.len >= text.len && back.len <= text.len + 2);
    MUST_HOLD(bytes_equal(bytes_sub(fuzz_text_bytes(&back), 0, text.len), text));
    MUST_HOLD(back.len == text.len || memcmp(back.data + back.len - 2, "\r\n", 2) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_make((const char *)data, size);

    if (size > FUZZ_TEXT_MAX / 4)
        return 0;
    for (unsigned normalize = 0; normalize < 2; normalize++) {
        struct verdict v = data_run(in, normalize, FUZZ_OCTETS, &wanted);
        for (unsigned cut = 0; cut < FUZZ_CUTS; cut++) {
            struct verdict other = data_run(in, normalize, (enum fuzz_cut)cut, &got);
            MUST_HOLD(v.ended == other.ended && v.end == other.end && v.notes == other.notes);
            MUST_HOLD(v.octets == other.octets && v.octets == got.len);
            MUST_HOLD(bytes_equal(fuzz_text_bytes(&wanted), fuzz_text_bytes(&got)));
        }
        if (!normalize) {
            model_check(in, &v);
            continue;
        }
        MUST_HOLD(end_find(in, &(size_t){0}) == v.ended);
        normal_check(fuzz_text_bytes(&got));
        round_trip(fuzz_text_bytes(&got), v.notes & SMTP_DATA_DOT_LINE);
    }
    return 0;
}
