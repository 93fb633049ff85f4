/* What a reload does with rows that only a restart changes. */
#include <inttypes.h>
#include <stdio.h>

#include "config/conf_private.h"

struct keeping {
    struct conf_reading *r;
    const struct conf *running;
    struct conf *fresh;
};

static const void *place(const struct conf *c, size_t offset)
{
    return (const char *)c + offset;
}

static const char *text_at(const struct conf *c, const struct conf_option *o)
{
    const char *text = *(const char *const *)place(c, o->offset);
    return text ? text : "";
}

static uint64_t number_at(const struct conf *c, const struct conf_option *o)
{
    uint64_t number = 0;
    memcpy(&number, place(c, o->offset), o->size); /* little-endian or as large */
    return number;
}

/* --- Values as text: what differs is what reads differently --- */

static const char *list_text(struct arena *arena, const struct conf *c, const struct conf_option *o)
{
    const char *const *items = *(const char *const *const *)place(c, o->offset);
    size_t count = *(const size_t *)place(c, o->count_offset);
    const char *text = "";
    ASSERT(o->element->size == sizeof(const char *)); /* no other list waits for a restart */
    for (size_t i = 0; i < count; i++)
        text = arena_printf(arena, "%s%s%s", text, i ? ", " : "", items[i]);
    return text;
}

static const char *value_text(struct arena *arena, const struct conf *c,
                              const struct conf_option *o)
{
    switch (o->type) {
    case CONF_TEXT:
    case CONF_FILE:
        return text_at(c, o);
    case CONF_FLAG:
        return *(const bool *)place(c, o->offset) ? "true" : "false";
    case CONF_LIST:
        return list_text(arena, c, o);
    case CONF_DURATION:
        return arena_printf(arena, "%" PRIu64 "ms", number_at(c, o));
    case CONF_NUMBER:
    case CONF_OCTETS:
        return arena_printf(arena, "%" PRIu64, number_at(c, o));
    default:
        ASSERT(false); /* a type that no restart row has */
        return "";
    }
}

/* --- Old values into the new configuration --- */

static void copy_list(const struct keeping *k, const struct conf_option *o)
{
    const char *const *from = *(const char *const *const *)place(k->running, o->offset);
    size_t count = *(const size_t *)place(k->running, o->count_offset);
    const char **to = ARENA_NEW_ARRAY(&k->fresh->arena, const char *, count);
    for (size_t i = 0; i < count; i++)
        to[i] = arena_strdup(&k->fresh->arena, from[i]);
    memcpy((char *)k->fresh + o->offset, &to, sizeof to);
    memcpy((char *)k->fresh + o->count_offset, &count, sizeof count);
}

static void copy_value(const struct keeping *k, const struct conf_option *o)
{
    const char *text = NULL;
    memcpy((char *)k->fresh + o->offset, place(k->running, o->offset), o->size);
    if (o->type == CONF_LIST) {
        copy_list(k, o);
    } else if (o->type == CONF_TEXT || o->type == CONF_FILE) {
        if (*(const char *const *)place(k->running, o->offset))
            text = arena_strdup(&k->fresh->arena, text_at(k->running, o));
        memcpy((char *)k->fresh + o->offset, &text, sizeof text);
    }
}

static void keep_row(const struct keeping *k, const struct conf_option *o, const char *key)
{
    struct arena *arena = &k->fresh->arena;
    const char *old = value_text(arena, k->running, o), *new_one = value_text(arena, k->fresh, o);
    if (strcmp(old, new_one) == 0)
        return;
    copy_value(k, o);
    if (k->r->report)
        k->r->report(k->r->owner, &(struct conf_fault){k->fresh->file, key, new_one, true, old});
}

static void keep_section(const struct keeping *k, const struct conf_section *section)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct conf_option *o = &section->options[i];
        if (o->type == CONF_GROUP) {
            keep_section(k, o->section);
        } else if (o->reload == CONF_RESTART) {
            const char *key =
                *section->name ? arena_printf(k->r->arena, "%s.%s", section->name, o->key) : o->key;
            keep_row(k, o, key);
        }
    }
}

void conf_keep(struct conf_reading *r, const struct conf *running, struct conf *fresh)
{
    const struct keeping k = {r, running, fresh};
    keep_section(&k, &CONF_ROOT);
}
