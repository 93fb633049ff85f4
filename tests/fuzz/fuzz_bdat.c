/* BDAT text: nothing is taken away, nothing ends it, and the cuts between chunks do not show. */
#include "fuzz_split.h"

#include "net/smtp_data.h"

static struct fuzz_text wanted, got;

static unsigned bdat_run(struct bytes in, bool normalize, enum fuzz_cut cut, struct fuzz_text *text)
{
    struct smtp_data_reader r = {.normalize = normalize};
    struct fuzz_split split = fuzz_split_make(in, cut);
    struct bytes chunk;
    struct bytes piece;

    text->len = 0;
    while (fuzz_split_next(&split, &chunk)) {
        unsigned idle = 0;
        for (size_t done = 0; done < chunk.len;) {
            size_t used;
            smtp_bdat_read(&r, bytes_from(chunk, done), &used, &piece);
            MUST_HOLD(used <= chunk.len - done);
            idle = used > 0 ? 0 : idle + 1;
            MUST_HOLD(idle <= 1);
            fuzz_text_add(text, piece);
            done += used;
        }
    }
    smtp_bdat_end(&r, &piece);
    fuzz_text_add(text, piece);
    MUST_HOLD(r.octets == text->len);
    return r.notes;
}

/* The notes, from the text as a whole. */
static unsigned model_notes(struct bytes in)
{
    unsigned notes = 0;
    size_t line = 0;
    bool final_crlf = in.len == 0;

    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        bool behind_cr = i > 0 && in.ptr[i - 1] == '\r';
        bool before_lf = i + 1 < in.len && in.ptr[i + 1] == '\n';
        final_crlf = c == '\n' && behind_cr;
        notes |= c == '\n' && !behind_cr ? SMTP_DATA_BARE_LF : 0u;
        notes |= c == '\r' && !before_lf ? SMTP_DATA_BARE_CR : 0u;
        notes |= c == '\0' ? SMTP_DATA_NUL : 0u;
        notes |= (unsigned char)c >= 0x80 ? SMTP_DATA_8BIT : 0u;
        notes |= c == '.' && (i == 0 || in.ptr[i - 1] == '\n') ? SMTP_DATA_DOT_LINE : 0u;
        line = final_crlf ? 0 : line + !(c == '\r' && before_lf);
        notes |= line > 998 ? SMTP_DATA_LONG_LINE : 0u;
    }
    return notes | (final_crlf ? 0u : SMTP_DATA_NO_FINAL_CRLF);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_make((const char *)data, size);

    if (size > FUZZ_TEXT_MAX / 4)
        return 0;
    for (unsigned normalize = 0; normalize < 2; normalize++) {
        unsigned notes = bdat_run(in, normalize, FUZZ_OCTETS, &wanted);
        for (unsigned cut = 0; cut < FUZZ_CUTS; cut++) {
            MUST_HOLD(bdat_run(in, normalize, (enum fuzz_cut)cut, &got) == notes);
            MUST_HOLD(bytes_equal(fuzz_text_bytes(&wanted), fuzz_text_bytes(&got)));
        }
        if (normalize)
            continue;
        MUST_HOLD(bytes_equal(fuzz_text_bytes(&got), in));
        MUST_HOLD(notes == model_notes(in));
    }
    return 0;
}
