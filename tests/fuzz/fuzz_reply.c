/* Replies of a hostile server, and the text of one written as a reply of ours. */
#include "fuzz_split.h"

#include "core/buf.h"
#include "net/smtp_reply.h"

/* What one way to cut the input gave: each reply, and how it went on. */
struct history {
    struct fuzz_text text, raw;
    size_t total;
    enum err last;
};
static struct history whole, cut_up;

static void history_add(struct history *h, const struct mail_status *s)
{
    MUST_HOLD(s->code >= 200 && s->code <= 599);
    MUST_HOLD(s->enhanced[0] == 0 || s->enhanced[0] == s->code / 100);
    MUST_HOLD(s->enhanced[1] <= 999 && s->enhanced[2] <= 999);
    MUST_HOLD(s->text.len <= SMTP_REPLY_TEXT_MAX);
    for (size_t i = 0; i < s->text.len; i++)
        MUST_HOLD(s->text.ptr[i] >= ' ' && s->text.ptr[i] < 0x7F);
    fuzz_text_add(&h->text, bytes_make((const char *)&s->code, sizeof s->code));
    fuzz_text_add(&h->text, bytes_make((const char *)s->enhanced, sizeof s->enhanced));
    fuzz_text_add(&h->text, s->text);
    fuzz_text_add(&h->text, BYTES("|"));
}

static void on_raw_line(void *owner, struct bytes line)
{
    struct history *h = owner;
    fuzz_text_add(&h->raw, line);
    fuzz_text_add(&h->raw, BYTES("\r\n"));
}

static void read_all(struct bytes in, enum fuzz_cut cut, struct history *h)
{
    static struct smtp_reply_parser parser;
    struct fuzz_split split = fuzz_split_make(in, cut);
    struct bytes block;

    memset(&parser, 0, sizeof parser);
    parser.on_raw_line = on_raw_line;
    parser.owner = h;
    h->text.len = h->raw.len = 0;
    h->total = 0;
    h->last = ERR_AGAIN;
    while ((h->last == ERR_OK || h->last == ERR_AGAIN) && fuzz_split_next(&split, &block)) {
        while (block.len > 0 && (h->last == ERR_OK || h->last == ERR_AGAIN)) {
            struct mail_status status = {0};
            size_t used;
            h->last = smtp_reply_read(&parser, block, &used, &status);
            MUST_HOLD(used <= block.len);
            if (h->last == ERR_OK)
                history_add(h, &status);
            MUST_HOLD(h->last != ERR_AGAIN || used == block.len);
            h->total += used;
            block = bytes_from(block, used);
        }
    }
}

static void write_check(struct bytes text, bool enhanced)
{
    static struct smtp_reply_parser parser;
    struct mail_status status = {550, {5, 7, 1}, text};
    struct mail_status back;
    struct buf out;
    size_t used;
    size_t line_start = 0;

    buf_init(&out, SIZE_MAX / 2);
    MUST_HOLD(smtp_reply_write(&out, &status, enhanced) == ERR_OK);
    struct bytes wire = buf_bytes(&out);
    for (size_t i = 0; i < wire.len; i++) {
        char c = wire.ptr[i];
        MUST_HOLD(c == '\r' || c == '\n' || (c >= ' ' && c < 0x7F));
        MUST_HOLD((c == '\r') == (i + 1 < wire.len && wire.ptr[i + 1] == '\n'));
        if (c == '\n') {
            MUST_HOLD(i + 1 - line_start <= 512);
            line_start = i + 1;
        }
    }
    MUST_HOLD(line_start == wire.len);
    memset(&parser, 0, sizeof parser);
    enum err err = smtp_reply_read(&parser, wire, &used, &back);
    MUST_HOLD(err == ERR_OK || (err == ERR_LIMIT && wire.len > 65536));
    MUST_HOLD(err != ERR_OK || (used == wire.len && back.code == 550));
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_make((const char *)data, size);

    if (size > FUZZ_TEXT_MAX / 16)
        return 0;
    read_all(in, FUZZ_OCTETS, &whole);
    for (unsigned cut = 0; cut < FUZZ_CUTS; cut++) {
        read_all(in, (enum fuzz_cut)cut, &cut_up);
        MUST_HOLD(whole.last == cut_up.last);
        MUST_HOLD(whole.last == ERR_LIMIT || whole.total == cut_up.total);
        MUST_HOLD(bytes_equal(fuzz_text_bytes(&whole.text), fuzz_text_bytes(&cut_up.text)));
        MUST_HOLD(bytes_equal(fuzz_text_bytes(&whole.raw), fuzz_text_bytes(&cut_up.raw)));
        /* Raw lines are the input, octet by octet, as far as it was taken. */
        MUST_HOLD(whole.raw.len <= size && memcmp(whole.raw.data, in.ptr, whole.raw.len) == 0);
    }
    write_check(in, true);
    write_check(in, false);
    return 0;
}
