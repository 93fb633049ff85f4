/* Holds the dialogue of a row: at once, later, octet by octet. */
#include "smtp_server_statements.h"

char *repeat(char c, size_t count)
{
    char *text = mem_zalloc(count + 1);
    memset(text, c, count);
    return text;
}

void say_long(struct rig *r, const char *before, char fill, size_t count, const char *after,
              const char *reply)
{
    char *middle = repeat(fill, count);
    struct buf line;
    buf_init(&line, 1 << 20);
    CHECK(buf_printf(&line, "%s%s%s", before, middle, after) == ERR_OK);
    rig_send(r, buf_bytes(&line));
    rig_expect(r, reply);
    buf_free(&line);
    mem_free(middle);
}

static void row_steps(const struct row *row, struct rig *r,
                      size_t (*send)(struct rig *, struct bytes))
{
    rig_start(r);
    for (const struct step *step = row->steps; step->send; step++) {
        unit_row(step->send);
        send(r, bytes_of(step->send));
        if (!rig_expect(r, step->reply))
            break;
    }
}

static void row_once(const struct row *row, bool later, size_t (*send)(struct rig *, struct bytes))
{
    struct rig *r = rig_new();
    r->later = later;
    if (row->run)
        row->run(r);
    else
        row_steps(row, r, send);
    unit_row("");
    CHECK(!r->s || row->closed == (smtp_server_want(r->s) == SMTP_SERVER_WANT_CLOSE));
    CHECK_U64(r->commits, row->commits);
    if (row->message)
        CHECK_BYTES(buf_bytes(&r->text), bytes_of(row->message));
    smtp_server_free(&r->s);
    CHECK_U64(r->aborts, row->aborts);
    rig_done(r);
}

void statement_run(const struct row *rows, size_t count)
{
    bool found = false;
    for (const struct row *row = rows; row < rows + count; row++) {
        if (strcmp(row->name, unit_test_name()) != 0)
            continue;
        found = true;
        row_once(row, false, rig_send);
        if (row->run)
            continue;
        row_once(row, true, rig_send);
        if (!row->one_block)
            row_once(row, true, rig_send_bytewise);
    }
    CHECK(found);
}
