/* One value by its row of the option table: type, range, place. */
#include <inttypes.h>
#include <stdio.h>

#include "config/conf_private.h"

static struct bytes text_of(const struct conf_value *v)
{
    return bytes_of(v->type == CONF_VALUE_TEXT ? v->text : "");
}

/* --- Numbers --- */

static void refuse_number(struct conf_reading *r, const struct conf_option *o,
                          const struct conf_value *v, const char *path)
{
    const char *unlimited = o->unlimited ? " or \"unlimited\"" : "";
    if (o->type == CONF_OCTETS) {
        conf_fault(r, v->where, path,
                   "a size like \"64KB\" or \"36MB\" from %" PRIu64 " to %" PRIu64
                   " octets%s is allowed",
                   o->min, o->max, unlimited);
    } else if (o->type == CONF_DURATION) {
        conf_fault(r, v->where, path,
                   "a duration like \"30s\", \"5m\", \"4h\", \"2d\" or \"dd.hh:mm:ss\" from "
                   "%" PRIu64 " to %" PRIu64 " s%s is allowed",
                   o->min / 1000, o->max / 1000, unlimited);
    } else {
        conf_fault(r, v->where, path, "a whole number from %" PRIu64 " to %" PRIu64 "%s is allowed",
                   o->min, o->max, unlimited);
    }
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
    if (o->type == CONF_OCTETS)
        return conf_parse_size(bytes_of(v->text), number) == ERR_OK;
    return o->type == CONF_DURATION && conf_parse_duration(bytes_of(v->text), number) == ERR_OK;
}

static void store_number(const struct conf_option *o, uint64_t number, void *place)
{
    switch (o->size) {
    case 1:
        *(uint8_t *)place = (uint8_t)number;
        break;
    case 2:
        *(uint16_t *)place = (uint16_t)number;
        break;
    case 4:
        *(uint32_t *)place = (uint32_t)number;
        break;
    default:
        ASSERT(o->size == 8);
        *(uint64_t *)place = number;
        break;
    }
}

static bool take_number(struct conf_reading *r, const struct conf_option *o,
                        const struct conf_value *v, const char *path, void *place)
{
    uint64_t number = 0;
    if (!read_number(o, v, &number) ||
        (number != UINT64_MAX && (number < o->min || number > o->max))) {
        refuse_number(r, o, v, path);
        return false;
    }
    store_number(o, number, place);
    return true;
}

/* --- Texts and choices --- */

static bool refuse_choice(struct conf_reading *r, const struct conf_option *o,
                          const struct conf_value *v, const char *path)
{
    char names[512];
    bool several = o->choices[1].name;
    const char *reason = several ? o->refusal : o->help;
    conf_fault(r, v->where, path, "%s%s is allowed%s%s", several ? "one of " : "only ",
               choice_list(o->choices, "\"", names, sizeof names), reason ? ": " : "",
               reason ? reason : "");
    return false;
}

static bool take_choice(struct conf_reading *r, const struct conf_option *o,
                        const struct conf_value *v, const char *path, void *place)
{
    const struct choice *choice = choice_find(o->choices, text_of(v));
    if (!choice)
        return refuse_choice(r, o, v, path);
    if (o->type == CONF_TEXT)
        *(const char **)place = choice->name;
    else
        store_number(o, choice->value, place);
    return true;
}

static bool take_text(struct conf_reading *r, const struct conf_option *o,
                      const struct conf_value *v, const char *path, void *place)
{
    size_t len = v->type == CONF_VALUE_TEXT ? strlen(v->text) : 0;
    bool clean = v->type == CONF_VALUE_TEXT;
    for (size_t i = 0; i < len; i++)
        clean = clean && (unsigned char)v->text[i] >= ' ' && v->text[i] != 0x7f;
    if ((!clean || len < o->min) && o->type == CONF_FILE) {
        conf_fault(r, v->where, path, "a file name in quotes is allowed");
        return false;
    }
    if (!clean || len < o->min || len > o->max) {
        conf_fault(r, v->where, path,
                   "a text of %" PRIu64 " to %" PRIu64 " characters on one line is allowed", o->min,
                   o->max);
        return false;
    }
    *(const char **)place = o->type == CONF_FILE ? conf_file_name(r, v->text) : v->text;
    return true;
}

/* --- Lists of texts --- */

static bool are_texts(struct conf_reading *r, const struct conf_value *v, const char *path)
{
    bool ok = v->type == CONF_VALUE_LIST;
    for (size_t i = 0; ok && i < v->count; i++)
        ok = v->items[i].type == CONF_VALUE_TEXT;
    if (!ok)
        conf_fault(r, v->where, path, "a list of texts is wanted: [ \"...\", \"...\" ]");
    return ok;
}

static bool find_bit(const struct conf_option *o, struct bytes name, uint32_t *bit)
{
    if (o->find)
        return o->find(name, bit) == ERR_OK;
    const struct choice *choice = choice_find(o->choices, name);
    *bit = choice ? choice->value : 0;
    return choice;
}

static bool take_bits(struct conf_reading *r, const struct conf_option *o,
                      const struct conf_value *v, const char *path, void *place)
{
    uint32_t bits = 0;
    size_t before = r->faults;
    bool none = false;
    if (!are_texts(r, v, path))
        return false;
    for (size_t i = 0; i < v->count; i++) {
        uint32_t bit = 0;
        char names[1024];
        if (!find_bit(o, bytes_of(v->items[i].text), &bit)) {
            conf_fault(r, v->items[i].where, path, "\"%s\" is unknown: allowed are %s",
                       v->items[i].text, choice_list(o->choices, "", names, sizeof names));
        }
        none = none || bit == 0;
        bits |= bit;
    }
    if (none && v->count > 1 && r->faults == before)
        conf_fault(r, v->where, path, "\"None\" stands alone");
    if (r->faults != before)
        return false;
    store_number(o, bits, place);
    return true;
}

static bool parse_element(struct conf_reading *r, const struct conf_element *element,
                          const struct conf_value *v, const char *path, void *to)
{
    struct err_detail why = {""};
    const char *text = v->type == CONF_VALUE_TEXT ? v->text : "";
    if (element->parse(r, text, to, &why) == ERR_OK)
        return true;
    if (!element->allowed)
        conf_fault(r, v->where, path, "%s", why.text);
    else if (v->type == CONF_VALUE_TEXT)
        conf_fault(r, v->where, path, "\"%s\": %s", text, element->allowed);
    else
        conf_fault(r, v->where, path, "%s", element->allowed);
    return false;
}

static bool take_list(struct conf_reading *r, const struct conf_option *o,
                      const struct conf_value *v, const char *path, void *target)
{
    if (!are_texts(r, v, path))
        return false;
    if (!o->element)
        return true;
    size_t size = o->element->size, good = 0;
    char *array = arena_alloc_array(r->arena, size, v->count);
    for (size_t i = 0; i < v->count; i++)
        if (parse_element(r, o->element, &v->items[i], path, array + good * size))
            good++;
    memcpy((char *)target + o->offset, &array, sizeof array);
    *(size_t *)(void *)((char *)target + o->count_offset) = good;
    return good == v->count;
}

/* --- The rest --- */

static bool take_flag(struct conf_reading *r, const struct conf_value *v, const char *path,
                      void *place)
{
    if (v->type != CONF_VALUE_FLAG) {
        conf_fault(r, v->where, path, "true or false is allowed");
        return false;
    }
    *(bool *)place = v->flag;
    return true;
}

static bool take_unavailable(struct conf_reading *r, const struct conf_option *o,
                             const struct conf_value *v, const char *path)
{
    const char *standard = o->standard;
    bool as_it_is = v->type == CONF_VALUE_FLAG
                        ? strcmp(standard, v->flag ? "true" : "false") == 0
                        : *standard && bytes_equal_nocase(text_of(v), bytes_of(standard));
    if (!as_it_is) {
        conf_fault(r, v->where, path, "%s%s%s%s", *standard ? "only " : "", standard,
                   *standard ? " is allowed: " : "", o->help);
    }
    return as_it_is;
}

static bool take(struct conf_reading *r, const struct conf_option *o, const struct conf_value *v,
                 const char *path, void *target)
{
    void *place = (char *)target + o->offset;
    switch (o->type) {
    case CONF_TEXT:
    case CONF_FILE:
        return o->choices ? take_choice(r, o, v, path, place) : take_text(r, o, v, path, place);
    case CONF_FLAG:
        return take_flag(r, v, path, place);
    case CONF_NUMBER:
    case CONF_OCTETS:
    case CONF_DURATION:
        return take_number(r, o, v, path, place);
    case CONF_CHOICE:
        return take_choice(r, o, v, path, place);
    case CONF_BITS:
        return take_bits(r, o, v, path, place);
    case CONF_PARSED:
        return parse_element(r, o->element, v, path, place);
    case CONF_LIST:
        return take_list(r, o, v, path, target);
    case CONF_UNAVAILABLE:
        return take_unavailable(r, o, v, path);
    case CONF_REMOVED:
        conf_warn(r, v->where, path, "this key is no more, and has no effect: %s", o->help);
        return true;
    case CONF_SECTIONS:
    case CONF_GROUP:
        break; /* conf_apply() */
    }
    ASSERT(false); /* a type without a reader */
    return false;
}

void conf_take(struct conf_reading *r, const struct conf_option *o, const struct conf_value *value,
               const char *path, void *target)
{
    if (take(r, o, value, path, target) && o->then)
        o->then(r, value, path, target);
}
