/* The objects that the commands make: found by identity, changed property by property. */
#include "config/exchange/exchange_private.h"

#define OBJECTS_MAX 10000

/* "CN=Relay,CN=SMTP Receive Connectors,...": the first part names it. */
static const char *distinguished(struct arena *arena, struct bytes identity)
{
    size_t comma = bytes_find(identity, ',', 0);
    return arena_bytes(arena, bytes_trim(bytes_sub(identity, 3, comma - 3))).ptr;
}

const char *exchange_identity_name(struct arena *arena, const char *identity, const char **server)
{
    struct bytes text = bytes_trim(bytes_of(identity));
    *server = NULL;
    if (bytes_starts_nocase(text, BYTES("CN=")) && bytes_find(text, ',', 0) != BYTES_NOT_FOUND)
        return distinguished(arena, text);
    size_t slash = bytes_rfind(text, '\\');
    if (slash == BYTES_NOT_FOUND || slash + 1 == text.len)
        return arena_bytes(arena, text).ptr;
    if (slash > 0)
        *server = arena_bytes(arena, bytes_sub(text, 0, slash)).ptr;
    return arena_bytes(arena, bytes_trim(bytes_from(text, slash + 1))).ptr;
}

/* An accepted domain answers to its name and to its domain. */
static bool answers_to(const struct exchange_object *o, const char *name)
{
    if (exchange_same(o->name, name))
        return true;
    const struct exchange_setting *domain =
        o->kind == EXCHANGE_DOMAIN ? exchange_setting_named(o, "DomainName") : NULL;
    return domain && domain->values.count && exchange_same(domain->values.items[0], name);
}

struct exchange_object *exchange_object_find(struct exchange_import *im, unsigned kinds,
                                             const char *identity)
{
    const char *server;
    const char *name = exchange_identity_name(&im->arena, identity, &server);
    for (struct exchange_object *o = im->objects; o; o = o->next)
        if ((o->kind & kinds) && answers_to(o, name))
            return o;
    return NULL;
}

struct exchange_object *exchange_object_new(struct exchange_import *im, enum exchange_kind kind,
                                            const char *name)
{
    if (im->object_count == OBJECTS_MAX)
        return NULL;
    struct exchange_object *o = ARENA_NEW(&im->arena, struct exchange_object);
    o->kind = kind;
    o->name = name;
    if (im->last)
        im->last->next = o;
    else
        im->objects = o;
    im->last = o;
    im->object_count++;
    return o;
}

void exchange_object_drop(struct exchange_import *im, struct exchange_object *object)
{
    struct exchange_object **at = &im->objects, *before = NULL;
    while (*at && *at != object) {
        before = *at;
        at = &(*at)->next;
    }
    if (!*at)
        return;
    *at = object->next;
    if (im->last == object)
        im->last = before;
    im->object_count--;
}

const char *exchange_kind_name(enum exchange_kind kind)
{
    return kind == EXCHANGE_RECEIVE  ? "receive connector"
           : kind == EXCHANGE_SEND   ? "send connector"
           : kind == EXCHANGE_DOMAIN ? "accepted domain"
                                     : "address rewrite entry";
}

/* An object that another command is about though none in the file has made it. */
struct exchange_object *exchange_object_refer(struct exchange_import *im, enum exchange_kind kind,
                                              const char *identity, const char *where)
{
    struct exchange_object *o = exchange_object_find(im, (unsigned)kind, identity);
    const char *server;
    if (o)
        return o;
    o = exchange_object_new(im, kind, exchange_identity_name(&im->arena, identity, &server));
    if (!o) {
        exchange_fault(im, where,
                       "more than 10000 connectors, domains and entries: split the file");
        return NULL;
    }
    o->server = server;
    exchange_note(im, o, where,
                  "no command here makes the %s \"%s\": what it had before is not known; complete "
                  "it",
                  exchange_kind_name(kind), exchange_printable(&im->arena, o->name));
    return o;
}

/* --- Settings --- */

struct exchange_setting *exchange_setting_find(const struct exchange_object *object,
                                               const struct exchange_property *property)
{
    for (struct exchange_setting *s = object->settings; s; s = s->next)
        if (s->property == property)
            return s;
    return NULL;
}

struct exchange_setting *exchange_setting_named(const struct exchange_object *object,
                                                const char *name)
{
    const char *other;
    const struct exchange_property *p = exchange_property_find(object->kind, name, false, &other);
    return p ? exchange_setting_find(object, p) : NULL;
}

void exchange_setting_remove(struct exchange_object *object,
                             const struct exchange_property *property)
{
    for (struct exchange_setting **at = &object->settings; *at; at = &(*at)->next) {
        if ((*at)->property == property) {
            *at = (*at)->next;
            return;
        }
    }
}

void exchange_setting_put(struct exchange_import *im, struct exchange_object *object,
                          const struct exchange_property *property,
                          const struct exchange_setting *value)
{
    struct exchange_setting *s = exchange_setting_find(object, property),
                            *next = s ? s->next : NULL;
    if (!s) {
        s = ARENA_NEW(&im->arena, struct exchange_setting);
        next = object->settings;
        object->settings = s;
    }
    *s = *value;
    s->property = property;
    s->next = next;
}

/* One text may hold a whole list: 'Tls, ExternalAuthoritative'. */
static void add_split(struct arena *arena, struct exchange_texts *to, const char *text)
{
    struct bytes head, rest = bytes_of(text);
    bool more = true;
    while (more) {
        more = bytes_split(rest, ',', &head, &rest);
        head = bytes_trim(head);
        if (head.len)
            exchange_texts_add(arena, to, arena_bytes(arena, head).ptr);
    }
}

static struct exchange_texts split(struct arena *arena, const struct exchange_texts *from)
{
    struct exchange_texts to = {0};
    for (size_t i = 0; i < from->count; i++)
        add_split(arena, &to, from->items[i]);
    return to;
}

static bool holds(const struct exchange_texts *texts, const char *text)
{
    for (size_t i = 0; i < texts->count; i++)
        if (exchange_same(texts->items[i], text))
            return true;
    return false;
}

/* @{Add=...; Remove=...} on what is there. */
static struct exchange_texts edited(struct exchange_import *im, struct exchange_object *object,
                                    const struct exchange_argument *argument,
                                    const struct exchange_texts *before)
{
    struct exchange_texts to = {0};
    struct exchange_texts add = split(&im->arena, &argument->add);
    struct exchange_texts gone = split(&im->arena, &argument->remove);
    for (size_t i = 0; before && i < before->count; i++)
        if (!holds(&gone, before->items[i]))
            exchange_texts_add(&im->arena, &to, before->items[i]);
    for (size_t i = 0; i < gone.count; i++)
        if (!before || !holds(before, gone.items[i]))
            exchange_note(im, object, argument->where,
                          "-%s @{Remove=\"%s\"}: it is not in the list", argument->name,
                          exchange_printable(&im->arena, gone.items[i]));
    for (size_t i = 0; i < add.count; i++)
        if (!holds(&to, add.items[i]))
            exchange_texts_add(&im->arena, &to, add.items[i]);
    return to;
}

static const char *shown_value(struct exchange_import *im, const struct exchange_argument *a)
{
    const char *text = "";
    for (size_t i = 0; i < a->values.count && i < 8; i++)
        text = arena_printf(&im->arena, "%s%s%s", text, i ? "," : " ", a->values.items[i]);
    return exchange_printable(&im->arena, text);
}

static void take_value(struct exchange_import *im, struct exchange_object *object,
                       const struct exchange_property *property,
                       const struct exchange_argument *argument, bool from_export)
{
    struct exchange_setting value = {
        .name = argument->name, .where = argument->where, .from_export = from_export};
    bool list = exchange_form_is_list(property->form) || property->form == EXCHANGE_SMART_AUTH;
    const struct exchange_setting *before = exchange_setting_find(object, property);
    if (argument->is_edit && !list) {
        exchange_note(im, object, argument->where, "-%s: it is no list that @{} could change",
                      argument->name);
        return;
    }
    if (argument->is_edit)
        value.values = edited(im, object, argument, before ? &before->values : NULL);
    else if (list)
        value.values = split(&im->arena, &argument->values);
    else if (argument->is_switch)
        exchange_texts_add(&im->arena, &value.values, "true");
    else
        value.values = argument->values;
    if (value.values.count == 0 && !list) /* $null: the default */
        exchange_setting_remove(object, property);
    else
        exchange_setting_put(im, object, property, &value);
}

void exchange_setting_take(struct exchange_import *im, struct exchange_object *object,
                           const struct exchange_property *property,
                           const struct exchange_argument *argument, bool from_export)
{
    bool silent = from_export && property->standard &&
                  (!*property->standard || argument->values.count == 0 ||
                   exchange_same(argument->values.items[0], property->standard));
    if (property->form == EXCHANGE_IDENTITY || property->form == EXCHANGE_USAGE ||
        property->form == EXCHANGE_INTERNAL || silent)
        return;
    if (property->form == EXCHANGE_DROP) {
        if (!from_export || argument->values.count)
            exchange_note(im, object, argument->where, "-%s%s: %s", argument->name,
                          shown_value(im, argument), property->more);
    } else if (argument->is_expression && property->form != EXCHANGE_CREDENTIAL) {
        exchange_note(im, object, argument->where,
                      "-%s%s: its value is not known here: write it out", argument->name,
                      shown_value(im, argument));
    } else {
        take_value(im, object, property, argument, from_export);
    }
}
