/* What ConvertTo-Json makes of Get-ReceiveConnector and its like: each object becomes the command
 * that would make it again. Only this file knows jansson.
 */
#include "config/exchange/exchange_json_private.h"

#include <inttypes.h>
#include <stdio.h>

#include <jansson.h>

#include "config/exchange/exchange_encoding_private.h"
#include "config/exchange/exchange_pipeline_private.h"

struct reader {
    struct exchange_importer *im;
    struct bytes text;
    size_t at;            /* of the scan for lines */
    unsigned line, depth; /* there */
    const char *where;
    bool lost; /* a value was there that could not be read */
};

#define DEPTH_MAX 8

bool exchange_json_looks_like(struct bytes text)
{
    char found[2] = {0, 0};
    for (size_t i = 0, n = 0; i < text.len && n < 2; i++)
        if (!strchr(" \t\n", text.ptr[i]))
            found[n++] = text.ptr[i];
    return (found[0] == '{' && (found[1] == '"' || found[1] == '}')) ||
           (found[0] == '[' && (found[1] == '{' || found[1] == ']'));
}

/* --- Values --- */

static void take_texts(struct reader *r, const json_t *value, unsigned depth,
                       struct exchange_texts *out);

static void add_text(struct reader *r, struct exchange_texts *out, const char *text)
{
    char *line = arena_strdup(&r->im->arena, exchange_decode(&r->im->arena, bytes_of(text)).ptr);
    for (char *c = line; *c; c++)
        if (*c == '\n')
            *c = ' ';
    exchange_texts_add(&r->im->arena, out, line);
}

/* The only text in MEMBER of OBJECT, or NULL. */
static const char *member_text(struct reader *r, const json_t *object, const char *member,
                               unsigned depth)
{
    struct exchange_texts texts = {0};
    take_texts(r, json_object_get(object, member), depth + 1, &texts);
    return texts.count == 1 ? texts.items[0] : NULL;
}

static bool take_span(struct reader *r, const json_t *object, struct exchange_texts *out)
{
    const json_t *seconds = json_object_get(object, "TotalSeconds");
    const json_t *ticks = json_object_get(object, "Ticks"); /* of 100 ns */
    if (!json_is_number(seconds) && !json_is_integer(ticks))
        return false;
    double s = json_is_number(seconds) ? json_number_value(seconds)
                                       : (double)json_integer_value(ticks) / 1e7;
    if (!(s >= 0 && s < 1e9))
        return false;
    uint64_t n = (uint64_t)s;
    add_text(r, out,
             arena_printf(&r->im->arena, "%" PRIu64 ".%02u:%02u:%02u", n / 86400,
                          (unsigned)(n / 3600 % 24), (unsigned)(n / 60 % 60), (unsigned)(n % 60)));
    return true;
}

/* {"Address": {"IPAddressToString": ...}, "Port": 25} */
static bool take_endpoint(struct reader *r, const json_t *object, unsigned depth,
                          struct exchange_texts *out)
{
    const json_t *port = json_object_get(object, "Port");
    const char *address = json_is_integer(port) ? member_text(r, object, "Address", depth) : NULL;
    if (!address)
        return false;
    bool v6 = strchr(address, ':');
    add_text(r, out,
             arena_printf(&r->im->arena, "%s%s%s:%" JSON_INTEGER_FORMAT, v6 ? "[" : "", address,
                          v6 ? "]" : "", json_integer_value(port)));
    return true;
}

/* {"Type": "SMTP", "Address": "*", "Cost": 1} */
static bool take_space(struct reader *r, const json_t *object, unsigned depth,
                       struct exchange_texts *out)
{
    const json_t *cost = json_object_get(object, "Cost");
    const char *address = json_is_integer(cost) ? member_text(r, object, "Address", depth) : NULL;
    const char *type = member_text(r, object, "Type", depth);
    if (!address)
        return false;
    add_text(r, out,
             arena_printf(&r->im->arena, "%s:%s;%" JSON_INTEGER_FORMAT, type ? type : "SMTP",
                          address, json_integer_value(cost)));
    return true;
}

/* {"LowerBound": "10.0.0.1", "UpperBound": "10.0.0.9"}, of a range that has no Expression */
static bool take_range(struct reader *r, const json_t *object, unsigned depth,
                       struct exchange_texts *out)
{
    const char *lower = NULL, *upper = NULL;
    if (!json_object_get(object, "Expression")) {
        lower = member_text(r, object, "LowerBound", depth);
        upper = member_text(r, object, "UpperBound", depth);
    }
    if (lower && upper)
        add_text(r, out,
                 strcmp(lower, upper) == 0 ? lower
                                           : arena_printf(&r->im->arena, "%s-%s", lower, upper));
    return lower && upper;
}

/* .NET objects say what they are in a member of their own; the first that is there counts. */
static void take_object(struct reader *r, const json_t *object, unsigned depth,
                        struct exchange_texts *out)
{
    static const char *const members[] = {
        "Expression", "IPAddressToString", "Address", "Domain", "RawIdentity", "value", "Value",
        "Name"};
    const json_t *unlimited = json_object_get(object, "IsUnlimited");
    if (json_is_true(unlimited)) {
        add_text(r, out, "unlimited");
        return;
    }
    if (take_span(r, object, out) || take_endpoint(r, object, depth, out) ||
        take_space(r, object, depth, out) || take_range(r, object, depth, out))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        const json_t *member = json_object_get(object, members[i]);
        if (!member || json_is_null(member))
            continue;
        take_texts(r, member, depth + 1, out);
        return;
    }
    r->lost = true;
}

static void take_texts(struct reader *r, const json_t *value, unsigned depth,
                       struct exchange_texts *out)
{
    const json_t *item;
    size_t i;
    if (!value || depth > DEPTH_MAX) {
        r->lost = r->lost || value;
        return;
    }
    if (json_is_string(value)) {
        if (json_string_length(value))
            add_text(r, out, json_string_value(value));
    } else if (json_is_integer(value)) {
        add_text(r, out,
                 arena_printf(&r->im->arena, "%" JSON_INTEGER_FORMAT, json_integer_value(value)));
    } else if (json_is_real(value)) {
        add_text(r, out, arena_printf(&r->im->arena, "%.17g", json_real_value(value)));
    } else if (json_is_boolean(value)) {
        add_text(r, out, json_is_true(value) ? "true" : "false");
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, item) take_texts(r, item, depth + 1, out);
    } else if (json_is_object(value)) {
        take_object(r, value, depth, out);
    }
}

/* --- Objects --- */

static const char *command_for(const json_t *object)
{
    static const struct {
        const char *members[2];
        const char *command;
    } kinds[] = {
        {{"ExtendedRights", "User"}, "Add-ADPermission"},
        {{"RemoteIPRanges", NULL}, "New-ReceiveConnector"},
        {{"Bindings", NULL}, "New-ReceiveConnector"},
        {{"AddressSpaces", NULL}, "New-SendConnector"},
        {{"SmartHosts", NULL}, "New-SendConnector"},
        {{"DomainType", NULL}, "New-AcceptedDomain"},
        {{"DomainName", NULL}, "New-AcceptedDomain"},
        {{"InternalAddress", "ExternalAddress"}, "New-AddressRewriteEntry"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (json_object_get(object, kinds[i].members[0]) &&
            (!kinds[i].members[1] || json_object_get(object, kinds[i].members[1])))
            return kinds[i].command;
    return NULL;
}

/* What the directory keeps about the object itself. */
static bool is_bookkeeping(const char *key)
{
    static const char *const keys[] = {
        "AdminDisplayName",
        "ExchangeVersion",
        "DistinguishedName",
        "Guid",
        "ObjectCategory",
        "ObjectClass",
        "WhenChanged",
        "WhenCreated",
        "WhenChangedUTC",
        "WhenCreatedUTC",
        "OrganizationId",
        "OriginatingServer",
        "IsValid",
        "ObjectState",
        "PSComputerName",
        "RunspaceId",
        "PSShowComputerName",
        "Id",
        "ExchangeObjectId",
        "Identity",
        "HomeMTA",
        "HomeMtaServerId",
        "SourceRoutingGroup",
        "ConnectedDomains",
        "IsSmtpConnector",
        "ConnectorType",
        "IsZeroTouch",
        "LegacyExchangeDN",
        "ObjectId",
        "OrganizationalUnitRoot",
        "FederatedOrganizationLink",
        "MailFlowPartner",
        "IsDeletedWhileInUse",
        "VirtualTagName",
        "AllowedObjectClasses",
        "SmartHostsString",
    };
    return exchange_is_one_of(key, keys, ARRAY_SIZE(keys));
}

static void add_argument(struct reader *r, struct exchange_command *c, const char *key,
                         const json_t *value)
{
    struct exchange_argument a = {.name = exchange_printable(&r->im->arena, key),
                                  .where = r->where};
    r->lost = false;
    take_texts(r, value, 0, &a.values);
    const char *only = a.values.count == 1 ? a.values.items[0] : NULL;
    bool empty = a.values.count == 0 || (only && exchange_same(only, "false"));
    enum exchange_kind kind = strstr(c->name, "Send")      ? EXCHANGE_SEND
                              : strstr(c->name, "Domain")  ? EXCHANGE_DOMAIN
                              : strstr(c->name, "Rewrite") ? EXCHANGE_REWRITE
                                                           : EXCHANGE_RECEIVE;
    const struct exchange_property *p = exchange_property_find(kind, key);
    if (r->lost && p && p->form != EXCHANGE_DROP && p->form != EXCHANGE_INTERNAL) {
        exchange_note(r->im, NULL, r->where,
                      "-%s: the export does not hold its value: use ConvertTo-Json -Depth 5, or "
                      "write it out",
                      p->name);
        return;
    }
    /* A property that is not known here and not set is not missed. */
    if (empty && strcmp(c->name, "Add-ADPermission") != 0 && !p)
        return;
    ASSERT(c->count < c->capacity);
    c->items[c->count++] = a;
}

static void take_command(struct reader *r, const json_t *object)
{
    const char *name = command_for(object), *key;
    json_t *value;
    if (!name) {
        exchange_fault(r->im, r->where,
                       "neither a receive connector nor a send connector, an accepted domain, an "
                       "address rewrite entry or a permission: export Get-ReceiveConnector | "
                       "ConvertTo-Json -Depth 4");
        return;
    }
    struct exchange_command c = {.name = name, .where = r->where, .from_export = true};
    bool permission = strcmp(name, "Add-ADPermission") == 0;
    c.capacity = json_object_size(object) + 1;
    c.items = ARENA_NEW_ARRAY(&r->im->arena, struct exchange_argument, c.capacity);
    json_object_foreach((json_t *)object, key, value)
    {
        if (permission || !is_bookkeeping(key))
            add_argument(r, &c, key, value);
    }
    if (!permission)
        c.identity = member_text(r, object, "Identity", 0);
    exchange_pipeline_play(r->im, &c, 1, NULL);
}

/* --- The text --- */

static void skip_string(struct reader *r, size_t end)
{
    for (r->at++; r->at < end && r->text.ptr[r->at] != '"'; r->at++)
        if (r->text.ptr[r->at] == '\\')
            r->at++;
}

/* jansson keeps no lines of values: the next object DEPTH brackets deep is looked for in the text,
 * which is known to be sound up to END. */
static void find_object(struct reader *r, unsigned depth, size_t end)
{
    for (; r->at < end; r->at++) {
        char c = r->text.ptr[r->at];
        if (c == '{' && r->depth == depth)
            break;
        if (c == '"')
            skip_string(r, end);
        else if (c == '{' || c == '[')
            r->depth++;
        else if (c == '}' || c == ']')
            r->depth--;
        else if (c == '\n')
            r->line++;
    }
    r->where = exchange_where(r->im, r->line);
    if (r->at < end) {
        r->depth++;
        r->at++;
    }
}

static void take_value(struct reader *r, const json_t *value, size_t end)
{
    const json_t *item;
    size_t i;
    if (json_is_object(value)) {
        find_object(r, 0, end);
        take_command(r, value);
        return;
    }
    json_array_foreach(value, i, item)
    {
        if (json_is_object(item)) {
            find_object(r, 1, end);
            take_command(r, item);
        } else {
            exchange_fault(r->im, r->where, "entry %zu is no object", i + 1);
        }
    }
}

/* One export behind the other in a file is fine. */
void exchange_json_read(struct exchange_importer *im, struct bytes text)
{
    struct reader r = {.im = im, .text = text, .line = 1, .where = exchange_where(im, 1)};
    size_t start = 0;
    while (start < text.len) {
        struct bytes rest = bytes_from(text, start);
        size_t blank = 0;
        while (blank < rest.len && strchr(" \t\n", rest.ptr[blank]))
            blank++;
        if (blank == rest.len)
            return;
        json_error_t error;
        json_t *value = json_loadb(rest.ptr, rest.len, JSON_DISABLE_EOF_CHECK, &error);
        if (!value) {
            exchange_fault(im, exchange_where(im, r.line + (unsigned)(error.line - 1)),
                           "no sound JSON: %s", error.text);
            return;
        }
        size_t end = start + (size_t)error.position;
        take_value(&r, value, end);
        json_decref(value);
        find_object(&r, UINT32_MAX, end);
        start = end;
        r.at = end;
        r.depth = 0;
    }
}
