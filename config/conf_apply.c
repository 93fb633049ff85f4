/* One row of the option table at a time: type, range, place. */
#include "config/conf_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

static void report(struct conf_reading *r, const struct conf_fault *fault)
{
    if (!fault->is_warning)
        r->faulty = true;
    if (r->report)
        r->report(r->owner, fault);
}

#define REPORT(warning)                                                                            \
    do {                                                                                           \
        char text_[1024];                                                                          \
        va_list args_;                                                                             \
        va_start(args_, fmt);                                                                      \
        vsnprintf(text_, sizeof text_, fmt, args_);                                                \
        va_end(args_);                                                                             \
        report(r, &(struct conf_fault){where, key, text_, (warning)});                             \
    } while (0)

void conf_fault(struct conf_reading *r, const char *where, const char *key, const char *fmt, ...)
{
    REPORT(false);
}

void conf_warn(struct conf_reading *r, const char *where, const char *key, const char *fmt, ...)
{
    REPORT(true);
}

void conf_refuse(struct conf_reading *r, const struct conf_option *option,
                 const struct conf_value *value, const char *path, void *target)
{
    (void)target;
    bool as_it_is = value->type == CONF_VALUE_FLAG
                        ? strcmp(option->standard, value->flag ? "true" : "false") == 0
                        : value->type == CONF_VALUE_TEXT && *option->standard &&
                              strcasecmp(option->standard, value->text) == 0;
    if (!as_it_is)
        conf_fault(r, value->where, path, "%s%s%s%s", *option->standard ? "only " : "",
                   option->standard, *option->standard ? " is allowed: " : "", option->help);
}

bool conf_texts(struct conf_reading *r, const struct conf_value *value, const char *path)
{
    bool ok = value->type == CONF_VALUE_LIST;
    for (size_t i = 0; ok && i < value->count; i++)
        ok = value->items[i].type == CONF_VALUE_TEXT;
    if (!ok)
        conf_fault(r, value->where, path, "a list of texts is wanted: [ \"...\", \"...\" ]");
    return ok;
}

void *conf_take_list(struct conf_reading *r, const struct conf_value *value, const char *path,
                     const struct conf_list *list, size_t *count)
{
    *count = 0;
    if (value->type != CONF_VALUE_LIST) {
        conf_fault(r, value->where, path, "a list of groups is wanted: ( { ... }, { ... } )");
        return NULL;
    }
    char *elements = arena_alloc_array(r->arena, list->size, value->count);
    for (size_t i = 0; i < value->count; i++) {
        void *element = elements + i * list->size;
        const char *at = arena_printf(r->arena, "%s[%zu]", path, i);
        if (list->start)
            list->start(r, &value->items[i], element);
        conf_apply(r, list->section, &value->items[i], at, element);
        if (list->end)
            list->end(r, &value->items[i], at, element);
    }
    *count = value->count;
    return elements;
}

/* --- Numbers --- */

static void refuse_number(struct conf_reading *r, const struct conf_option *o,
                          const struct conf_value *v, const char *path)
{
    const char *unlimited = o->unlimited ? " or \"unlimited\"" : "";
    if (o->type == CONF_SIZE)
        conf_fault(r, v->where, path,
                   "a size like \"64KB\" or \"36MB\" from %" PRIu64 " to %" PRIu64
                   " octets%s is allowed",
                   o->min, o->max, unlimited);
    else if (o->type == CONF_DURATION)
        conf_fault(
            r, v->where, path,
            "a duration like \"30s\", \"5m\", \"4h\", \"2d\" or \"dd.hh:mm:ss\" from %" PRIu64
            " to %" PRIu64 " s%s is allowed",
            o->min / 1000, o->max / 1000, unlimited);
    else
        conf_fault(r, v->where, path, "a whole number from %" PRIu64 " to %" PRIu64 "%s is allowed",
                   o->min, o->max, unlimited);
}

/* A size may be a bare number of octets; a duration always has its unit. */
static bool read_number(const struct conf_option *o, const struct conf_value *v, uint64_t *number)
{
    if (v->type == CONF_VALUE_NUMBER) {
        *number = (uint64_t)v->number;
        return v->number >= 0 && o->type != CONF_DURATION;
    }
    if (v->type != CONF_VALUE_TEXT)
        return false;
    if (o->unlimited && bytes_equal_nocase(bytes_of(v->text), BYTES("unlimited"))) {
        *number = UINT64_MAX;
        return true;
    }
    if (o->type == CONF_SIZE)
        return conf_parse_size(bytes_of(v->text), number) == ERR_OK;
    return o->type == CONF_DURATION && conf_parse_duration(bytes_of(v->text), number) == ERR_OK;
}

static void take_number(struct conf_reading *r, const struct conf_option *o,
                        const struct conf_value *v, const char *path, void *place)
{
    uint64_t number = 0;
    if (!read_number(o, v, &number) ||
        (number != UINT64_MAX && (number < o->min || number > o->max))) {
        refuse_number(r, o, v, path);
        return;
    }
    switch (o->type) {
    case CONF_UINT:
        *(unsigned *)place = (unsigned)number;
        break;
    case CONF_U32:
        *(uint32_t *)place = (uint32_t)number;
        break;
    case CONF_PORT:
        *(uint16_t *)place = (uint16_t)number;
        break;
    default:
        *(uint64_t *)place = number;
        break;
    }
}

static void take_text(struct conf_reading *r, const struct conf_option *o,
                      const struct conf_value *v, const char *path, void *place)
{
    size_t len = v->type == CONF_VALUE_TEXT ? strlen(v->text) : 0;
    bool clean = v->type == CONF_VALUE_TEXT;
    for (size_t i = 0; i < len; i++)
        clean = clean && (unsigned char)v->text[i] >= ' ' && v->text[i] != 0x7f;
    if (!clean || len < o->min || len > o->max)
        conf_fault(r, v->where, path,
                   "a text of %" PRIu64 " to %" PRIu64 " characters on one line is allowed", o->min,
                   o->max);
    else
        *(const char **)place = v->text;
}

static void take_option(struct conf_reading *r, const struct conf_option *o,
                        const struct conf_value *v, const char *path, void *target)
{
    void *place = (char *)target + o->offset;
    switch (o->type) {
    case CONF_GROUP:
        conf_apply(r, o->section, v, path, target);
        break;
    case CONF_CUSTOM:
        o->custom(r, o, v, path, target);
        break;
    case CONF_TEXT:
        take_text(r, o, v, path, place);
        break;
    case CONF_FLAG:
        if (v->type == CONF_VALUE_FLAG)
            *(bool *)place = v->flag;
        else
            conf_fault(r, v->where, path, "true or false is allowed");
        break;
    default:
        take_number(r, o, v, path, place);
        break;
    }
}

/* --- Sections --- */

static const struct conf_option *find_option(const struct conf_section *section, const char *key)
{
    for (size_t i = 0; i < section->count; i++)
        if (strcmp(section->options[i].key, key) == 0)
            return &section->options[i];
    return NULL;
}

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

void conf_apply(struct conf_reading *r, const struct conf_section *section,
                const struct conf_value *group, const char *path, void *target)
{
    if (group->type != CONF_VALUE_GROUP) {
        conf_fault(r, group->where, path, "a group is wanted: { key = value; ... }");
        return;
    }
    for (size_t i = 0; i < group->count; i++) {
        const struct conf_value *v = &group->items[i];
        const struct conf_option *o = find_option(section, v->name);
        const char *at = *path ? arena_printf(r->arena, "%s.%s", path, v->name)
                               : arena_strdup(r->arena, v->name);
        if (o) {
            take_option(r, o, v, at, target);
            continue;
        }
        const char *meant = suggestion(section, v->name);
        conf_fault(r, v->where, at, "unknown key%s%s%s", meant ? "; is \"" : "", meant ? meant : "",
                   meant ? "\" meant?" : "");
    }
}

/* --- The reference page --- */

static const char *type_name(const struct conf_option *o)
{
    static const char *const names[] = {
        [CONF_TEXT] = "text",   [CONF_FLAG] = "true/false",   [CONF_COUNT] = "number",
        [CONF_UINT] = "number", [CONF_U32] = "number",        [CONF_PORT] = "port",
        [CONF_SIZE] = "size",   [CONF_DURATION] = "duration", [CONF_GROUP] = "group",
        [CONF_CUSTOM] = "",
    };
    return names[o->type];
}

static void write_range(const struct conf_option *o, FILE *out)
{
    if (o->type == CONF_DURATION)
        fprintf(out, "%" PRIu64 " s to %" PRIu64 " s", o->min / 1000, o->max / 1000);
    else if (o->type == CONF_SIZE || (o->max && o->type != CONF_TEXT))
        fprintf(out, "%" PRIu64 " to %" PRIu64, o->min, o->max);
    if (o->unlimited)
        fputs(" or unlimited", out);
}

static void write_section(const struct conf_section *section, FILE *out)
{
    fprintf(out,
            "\n## %s\n\n| key | type | default | allowed | change | meaning "
            "|\n|---|---|---|---|---|---|\n",
            *section->name ? section->name : "Top level");
    for (size_t i = 0; i < section->count; i++) {
        const struct conf_option *o = &section->options[i];
        if (o->type == CONF_GROUP)
            continue;
        fprintf(out, "| `%s` | %s | %s | ", o->key, type_name(o), o->standard ? o->standard : "");
        write_range(o, out);
        fprintf(out, " | %s | %s |\n", o->reload == CONF_RESTART ? "restart" : "reload", o->help);
    }
    for (size_t i = 0; i < section->count; i++)
        if (section->options[i].section)
            write_section(section->options[i].section, out);
}

void conf_write_reference(FILE *out)
{
    fputs("# Configuration reference\n\n"
          "Written by `mailrace check --reference` from the option table; do not edit.\n"
          "Sizes: `64KB`, `36MB`. Durations: `30s`, `5m`, `4h`, `2d` or `dd.hh:mm:ss`.\n"
          "\"reload\": effective at SIGHUP; \"restart\": at the next start.\n",
          out);
    write_section(&CONF_ROOT, out);
}
