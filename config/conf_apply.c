/* A group by its section's table: every row's default, then the keys that are written. */
#include <stdio.h>

#include "config/conf_private.h"

const struct conf_option *conf_option_find(const struct conf_section *section, const char *key)
{
    for (size_t i = 0; i < section->count; i++)
        if (strcmp(section->options[i].key, key) == 0)
            return &section->options[i];
    return NULL;
}

/* --- Defaults: what the table says, read as if it stood in the file --- */

/* All texts in quotes, of "[ \"Tls\" ]". */
static void split_texts(struct conf_reading *r, const char *list, struct conf_value *out)
{
    struct bytes rest = bytes_of(list), text;
    out->type = CONF_VALUE_LIST;
    out->items = ARENA_NEW_ARRAY(r->arena, struct conf_value, strlen(list) / 2 + 1);
    while (bytes_split(rest, '"', &text, &rest) && bytes_split(rest, '"', &text, &rest)) {
        out->items[out->count++] = (struct conf_value){
            .type = CONF_VALUE_TEXT, .where = "", .text = arena_bytes(r->arena, text).ptr};
    }
}

static struct conf_value standard_value(struct conf_reading *r, const struct conf_option *o)
{
    struct conf_value v = {.type = CONF_VALUE_TEXT, .name = o->key, .where = "option table"};
    uint64_t number;
    v.text = o->standard;
    if (o->type == CONF_FLAG) {
        v.type = CONF_VALUE_FLAG;
        v.flag = strcmp(o->standard, "true") == 0;
    } else if (o->type == CONF_NUMBER &&
               bytes_to_u64(bytes_of(o->standard), INT64_MAX, &number) == ERR_OK) {
        v.type = CONF_VALUE_NUMBER;
        v.number = (int64_t)number;
    } else if (o->type == CONF_BITS || o->type == CONF_LIST) {
        split_texts(r, o->standard, &v);
    }
    return v;
}

static bool has_standard(const struct conf_option *o)
{
    return *o->standard && !o->computed && o->type != CONF_SECTIONS &&
           o->type != CONF_UNAVAILABLE && o->type != CONF_REMOVED;
}

void conf_apply_defaults(struct conf_reading *r, const struct conf_section *section, void *target)
{
    size_t before = r->faults;
    for (size_t i = 0; i < section->count; i++) {
        struct conf_option row = section->options[i];
        if (row.type == CONF_GROUP) {
            conf_apply_defaults(r, row.section, target);
        } else if (has_standard(&row)) {
            const struct conf_value v = standard_value(r, &row);
            row.then = NULL;
            conf_take(r, &row, &v, row.key, target);
        }
    }
    ASSERT(r->faults == before);
}

/* --- What is written --- */

static size_t distance(const char *a, const char *b)
{
    size_t row[65], la = strlen(a), lb = strlen(b);
    if (la > 64 || lb > 64)
        return SIZE_MAX;
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t change = corner + (a[i - 1] != b[j - 1]);
            size_t best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            corner = row[j];
            row[j] = change < best ? change : best;
        }
    }
    return row[lb];
}

/* The known key that is meant, if one is close enough. */
static const char *suggestion(const struct conf_section *section, const char *key)
{
    const char *best = NULL;
    size_t least = 4;
    for (size_t i = 0; i < section->count; i++) {
        size_t d = distance(key, section->options[i].key);
        if (d < least) {
            least = d;
            best = section->options[i].key;
        }
    }
    return best;
}

static void refuse_unknown(struct conf_reading *r, const struct conf_section *section,
                           const struct conf_value *v, const char *path)
{
    const char *meant = suggestion(section, v->name);
    conf_fault(r, v->where, path, "unknown key%s%s%s", meant ? "; is \"" : "", meant ? meant : "",
               meant ? "\" meant?" : "");
}

/* --- Lists of groups --- */

static void require(struct conf_reading *r, const struct conf_section *section,
                    const struct conf_value *group, const char *path)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct conf_option *o = &section->options[i];
        bool written = !o->required;
        for (size_t k = 0; !written && group->type == CONF_VALUE_GROUP && k < group->count; k++)
            written = strcmp(group->items[k].name, o->key) == 0;
        if (!written)
            conf_fault(r, group->where, path, "`%s` is missing", o->key);
    }
}

static void apply_element(struct conf_reading *r, const struct conf_section *section,
                          const struct conf_value *group, const char *path, void *element)
{
    conf_apply_defaults(r, section, element);
    if (section->start)
        section->start(r, group, element);
    conf_apply(r, section, group, path, element);
    require(r, section, group, path);
    if (section->end)
        section->end(r, group, path, element);
}

static void *apply_list(struct conf_reading *r, const struct conf_section *section,
                        const struct conf_value *list, const char *path, size_t *count)
{
    *count = 0;
    if (list->type != CONF_VALUE_LIST) {
        conf_fault(r, list->where, path, "a list of groups is wanted: ( { ... }, { ... } )");
        return NULL;
    }
    size_t kept = section->kept ? section->kept : section->size;
    char *array = arena_alloc_array(r->arena, kept, list->count);
    for (size_t i = 0; i < list->count; i++) {
        void *element = arena_alloc(r->arena, section->size);
        apply_element(r, section, &list->items[i], arena_printf(r->arena, "%s[%zu]", path, i),
                      element);
        memcpy(array + i * kept, element, kept);
    }
    *count = list->count;
    return array;
}

static void apply_sections(struct conf_reading *r, const struct conf_option *o,
                           const struct conf_value *v, const char *path, void *target)
{
    size_t before = r->faults, count = 0;
    void *array = apply_list(r, o->section, v, path, &count);
    memcpy((char *)target + o->offset, &array, sizeof array);
    *(size_t *)(void *)((char *)target + o->count_offset) = count;
    if (r->faults == before && o->then)
        o->then(r, v, path, target);
}

static void apply_row(struct conf_reading *r, const struct conf_option *o,
                      const struct conf_value *v, const char *path, void *target)
{
    if (o->type == CONF_GROUP)
        conf_apply(r, o->section, v, path, target);
    else if (o->type == CONF_SECTIONS)
        apply_sections(r, o, v, path, target);
    else
        conf_take(r, o, v, path, target);
}

/* --- Groups --- */

void conf_apply(struct conf_reading *r, const struct conf_section *section,
                const struct conf_value *group, const char *path, void *target)
{
    if (group->type != CONF_VALUE_GROUP) {
        conf_fault(r, group->where, path, "a group is wanted: { key = value; ... }");
        return;
    }
    for (size_t i = 0; i < group->count; i++) {
        const struct conf_value *v = &group->items[i];
        const struct conf_option *o = conf_option_find(section, v->name);
        const char *at = *path ? arena_printf(r->arena, "%s.%s", path, v->name)
                               : arena_strdup(r->arena, v->name);
        if (o)
            apply_row(r, o, v, at, target);
        else
            refuse_unknown(r, section, v, at);
    }
}
