/* Exchange's values in our notation. What has no notation here is said, item by item. */
#include "config/exchange/exchange_value_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct value {
    struct exchange_importer *im;
    struct exchange_object *object;
    const struct exchange_setting *setting;
};

/* Octets above 0x7F pass: names are UTF-8. */
const char *exchange_quote(struct arena *arena, const char *text)
{
    char *to = arena_alloc(arena, 2 * strlen(text) + 3);
    size_t len = 0;
    to[len++] = '"';
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            to[len++] = '\\';
        to[len++] = *text;
    }
    to[len] = '"';
    return to;
}

static const char *refuse(const struct value *v, const char *text, const char *reason)
{
    struct arena *arena = &v->im->arena;
    exchange_note(v->im, &v->object->notes, v->setting->where, "-%s %s: %s", v->setting->name,
                  exchange_printable(arena, text), reason);
    return NULL;
}

/* --- Scalars --- */

static const char *from_flag(const struct value *v, const char *text)
{
    bool yes = exchange_same(text, "true") || strcmp(text, "1") == 0;
    if (!yes && !exchange_same(text, "false") && strcmp(text, "0") != 0)
        return refuse(v, text, "$true or $false is wanted");
    return yes ? "true" : "false";
}

static const char *from_count(const struct value *v, const char *text)
{
    uint64_t number;
    if (exchange_same(text, "unlimited"))
        return "\"unlimited\"";
    if (bytes_to_u64(bytes_trim(bytes_of(text)), INT32_MAX, &number) != ERR_OK)
        return refuse(v, text, "a whole number is wanted");
    return arena_printf(&v->im->arena, "%" PRIu64, number);
}

/* "36 MB (37,748,736 bytes)": the octets in brackets are the exact ones. */
static bool exact_size(const char *text, uint64_t *octets)
{
    const char *open = strchr(text, '(');
    char digits[24];
    size_t len = 0;
    for (; open && *open && len < sizeof digits; open++)
        if (*open >= '0' && *open <= '9')
            digits[len++] = *open;
    return len && bytes_to_u64(bytes_make(digits, len), UINT64_MAX >> 1, octets) == ERR_OK;
}

static const char *from_size(const struct value *v, const char *text)
{
    static const char *const units[] = {"B", "KB", "MB", "GB"};
    uint64_t octets;
    size_t unit = 0;
    if (exchange_same(text, "unlimited"))
        return "\"unlimited\"";
    if (!exact_size(text, &octets) && conf_parse_size(bytes_of(text), &octets) != ERR_OK)
        return refuse(v, text, "a size like 36MB is wanted");
    for (; unit + 1 < ARRAY_SIZE(units) && octets && octets % 1024 == 0; unit++)
        octets /= 1024;
    return arena_printf(&v->im->arena, "\"%" PRIu64 "%s\"", octets, units[unit]);
}

/* [d.]hh:mm[:ss[.fraction]]; a bare number is days, as for any .NET TimeSpan. */
static const char *from_span(const struct value *v, const char *text)
{
    static const struct {
        uint64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    uint64_t ms, days;
    struct bytes span = bytes_trim(bytes_of(text));
    size_t dot = bytes_rfind(span, '.'), colon = bytes_rfind(span, ':');
    if (dot != BYTES_NOT_FOUND && colon != BYTES_NOT_FOUND && dot > colon)
        span = bytes_sub(span, 0, dot);
    if (bytes_to_u64(span, 10000, &days) == ERR_OK)
        ms = days * 86400000;
    else if (conf_parse_duration(span, &ms) != ERR_OK)
        return refuse(v, text, "a time span like 00:10:00 is wanted");
    size_t i = 0;
    while (ms == 0 ? i < 3 : ms % units[i].ms != 0)
        i++;
    return arena_printf(&v->im->arena, "\"%" PRIu64 "%s\"", ms / units[i].ms, units[i].unit);
}

static bool is_number(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text);
}

/* The member of the comma list CHOICES that TEXT is, in its own spelling. */
static const char *from_choice(const struct value *v, const char *text)
{
    struct bytes head, rest = bytes_of(v->setting->property->more);
    bool more = true;
    while (more) {
        more = bytes_split(rest, ',', &head, &rest);
        if (bytes_equal_nocase(head, bytes_of(text)))
            return exchange_quote(&v->im->arena, arena_bytes(&v->im->arena, head).ptr);
    }
    if (is_number(text))
        return refuse(v, text,
                      "a number does not tell: export names, with ConvertTo-Json "
                      "-EnumsAsStrings or from a remote session");
    return refuse(v, text,
                  arena_printf(&v->im->arena, "allowed are %s", v->setting->property->more));
}

/* --- Items of lists --- */

static const char *from_binding(const struct value *v, const char *text)
{
    struct endpoint endpoint;
    char to[ENDPOINT_TEXT_SIZE];
    if (endpoint_parse(bytes_of(text), &endpoint) != ERR_OK || endpoint.scope)
        return refuse(v, text, "IPv4:PORT or [IPv6]:PORT is wanted, without a zone");
    return exchange_quote(&v->im->arena, endpoint_format(&endpoint, to));
}

/* Written as the administrator wrote it. */
static const char *from_range(const struct value *v, const char *text)
{
    struct iprange range;
    struct err_detail why = {""};
    struct arena *arena = &v->im->arena;
    char *plain = arena_strdup(arena, text);
    const char *dash = strstr(text, "\xE2\x80");
    if (dash && dash[2] >= '\x90' && dash[2] <= '\x95')
        plain = arena_printf(arena, "%.*s-%s", (int)(dash - text), text, dash + 3);
    if (iprange_parse(bytes_of(plain), false, &range, &why) != ERR_OK)
        return refuse(v, text, arena_strdup(arena, why.text));
    return exchange_quote(arena, plain);
}

static const char *from_space(const struct value *v, const char *text)
{
    struct err_detail why = {""};
    struct bytes space;
    struct arena *arena = &v->im->arena;
    unsigned cost;
    if (address_space_parse(bytes_of(text), &space, &cost, &why) != ERR_OK)
        return refuse(v, text, arena_strdup(arena, why.text));
    const char *plain = arena_bytes(arena, space).ptr;
    return exchange_quote(arena, cost == 1 ? plain : arena_printf(arena, "%s;%u", plain, cost));
}

/* Exchange shows addresses in brackets and takes them without. */
static const char *from_host(const struct value *v, const char *text)
{
    struct ipaddr addr;
    struct arena *arena = &v->im->arena;
    if (ipaddr_parse(bytes_of(text), &addr) == ERR_OK)
        text = arena_printf(arena, "[%s]", text);
    return exchange_quote(arena, text);
}

static const char *from_address(const struct value *v, const char *text)
{
    struct ipaddr addr;
    if (ipaddr_parse(bytes_of(text), &addr) != ERR_OK)
        return refuse(v, text, "an IP address is wanted");
    return exchange_quote(&v->im->arena, text);
}

/* --- Settings --- */

static const char *from_item(const struct value *v, const char *text)
{
    switch (v->setting->property->form) {
    case EXCHANGE_FLAG:
        return from_flag(v, text);
    case EXCHANGE_COUNT:
        return from_count(v, text);
    case EXCHANGE_SIZE:
        return from_size(v, text);
    case EXCHANGE_SPAN:
        return from_span(v, text);
    case EXCHANGE_CHOICE:
    case EXCHANGE_WORDS:
        return from_choice(v, text);
    case EXCHANGE_BINDINGS:
        return from_binding(v, text);
    case EXCHANGE_RANGES:
        return from_range(v, text);
    case EXCHANGE_SPACES:
        return from_space(v, text);
    case EXCHANGE_HOSTS:
        return from_host(v, text);
    case EXCHANGE_ADDRESS:
        return from_address(v, text);
    default:
        return exchange_quote(&v->im->arena, text);
    }
}

/* "Custom" in an export of PermissionGroups only says that there is more than groups. */
static bool is_custom_marker(const struct value *v, const char *text)
{
    if (strcmp(v->setting->property->name, "PermissionGroups") != 0 ||
        !exchange_same(text, "Custom"))
        return false;
    exchange_note(v->im, &v->object->notes, v->setting->where,
                  "-PermissionGroups Custom: it stands for single permissions: import the output "
                  "of Get-ADPermission | ConvertTo-Json as well");
    return true;
}

#define LINE_MAX_OCTETS 90

static const char *from_list(const struct value *v)
{
    char *text = NULL;
    size_t size = 0, items = 0, column = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return refuse(v, "", "no memory");
    fputs("[", out);
    for (size_t i = 0; i < v->setting->values.count; i++) {
        const char *item = v->setting->values.items[i];
        if (is_custom_marker(v, item))
            continue;
        const char *ours = from_item(v, item);
        if (!ours)
            continue;
        bool wrap = items && column + strlen(ours) > LINE_MAX_OCTETS;
        fprintf(out, "%s%s%s", items ? "," : "", wrap ? "\n            " : " ", ours);
        column = (wrap ? 0 : column) + strlen(ours) + 2;
        items++;
    }
    fputs(" ]", out);
    const char *list = fclose(out) == 0 ? arena_strdup(&v->im->arena, text) : NULL;
    free(text); /* open_memstream's own */
    return items || v->setting->values.count == 0 ? list : NULL;
}

const char *exchange_value_format(struct exchange_importer *im, struct exchange_object *object,
                                  const struct exchange_setting *setting)
{
    struct value v = {im, object, setting};
    if (exchange_form_is_list(setting->property->form))
        return from_list(&v);
    if (setting->values.count == 0)
        return NULL;
    if (setting->values.count > 1) {
        exchange_note(im, &object->notes, setting->where, "-%s: one value is wanted",
                      setting->name);
        return NULL;
    }
    return from_item(&v, setting->values.items[0]);
}
