/* Remote IP ranges of a receive connector: from the configuration, and from a file of their own. */
#include "config/conf_private.h"
#include "core/mem.h"
#include "core/vector.h"

static const struct conf_file_rules RULES = {
    .size_max = UINT64_C(256) << 20, .size_max_text = "256 MB", .not_writable = true};

void conf_ranges_add(struct conf_reading *r, struct conf_ranges *ranges, bool classful,
                     const char *text, const char *where, const char *key)
{
    struct err_detail why = {""};
    struct iprange range;
    if (iprange_parse(bytes_of(text), classful, &range, &why) == ERR_OK)
        *VECTOR_ADD(ranges) = (struct receive_connector_range){range, text, where};
    else
        conf_fault(r, where, key, "%s", why.text);
}

void conf_ranges_read(struct conf_reading *r, struct conf_ranges *ranges, bool classful,
                      const struct conf_value *value, const char *key)
{
    size_t len = 0;
    char *text = conf_file_read(r, value->where, key, conf_file_name(r, value->text), &RULES, &len);
    struct bytes rest = bytes_make(text, len), line, comment;
    for (unsigned number = 1; text && rest.len; number++) {
        bytes_split(rest, '\n', &line, &rest);
        bytes_split(line, '#', &line, &comment);
        while (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        line = arena_bytes(r->arena, bytes_trim(line));
        const char *where = arena_printf(r->arena, "%s:%u", value->text, number);
        if (bytes_find(line, '\0', 0) != BYTES_NOT_FOUND)
            conf_fault(r, where, key, "holds a NUL byte");
        else if (line.len)
            conf_ranges_add(r, ranges, classful, line.ptr, where, key);
    }
    mem_free(text);
}
