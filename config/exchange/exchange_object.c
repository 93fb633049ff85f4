/* The objects that the commands make: found by identity, changed property by property. */
#include "config/exchange/exchange_object_private.h"

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

struct exchange_object *exchange_object_find(struct exchange_importer *im, unsigned kinds,
                                             const char *identity)
{
    const char *server;
    const char *name = exchange_identity_name(&im->arena, identity, &server);
    EXCHANGE_OBJECTS_EACH (o, im)
        if ((o->kind & kinds) && answers_to(o, name))
            return o;
    return NULL;
}

struct exchange_object *exchange_object_new(struct exchange_importer *im, enum exchange_kind kind,
                                            const char *name, const char *where)
{
    if (im->object_count == OBJECTS_MAX) {
        exchange_fault(im, where,
                       "more than 10000 connectors, domains and entries: split the file");
        return NULL;
    }
    ASSERT(name);
    struct exchange_object *o = ARENA_NEW(&im->arena, struct exchange_object);
    o->kind = kind;
    o->name = name;
    list_init(&o->sources);
    list_init(&o->notes);
    list_init(&o->settings);
    list_init(&o->permissions);
    list_add(&im->objects, &o->link);
    im->object_count++;
    return o;
}

void exchange_object_drop(struct exchange_importer *im, struct exchange_object *object)
{
    if (list_empty(&object->link))
        return;
    list_remove(&object->link);
    ASSERT(im->object_count > 0);
    im->object_count--;
}

void exchange_object_source(struct exchange_importer *im, struct exchange_object *object,
                            const struct exchange_command *command)
{
    exchange_notes_add(&im->arena, &object->sources, command->where,
                       command->from_export ? "export" : command->name);
}

struct exchange_object *exchange_object_refer(struct exchange_importer *im, enum exchange_kind kind,
                                              const char *identity, const char *where)
{
    struct exchange_object *o = exchange_object_find(im, (unsigned)kind, identity);
    const char *server;
    if (o)
        return o;
    o = exchange_object_new(im, kind, exchange_identity_name(&im->arena, identity, &server), where);
    if (!o)
        return NULL;
    o->server = server;
    exchange_note(im, &o->notes, where,
                  "no command here makes the %s \"%s\": what it had before is not known; complete "
                  "it",
                  exchange_kind_name(kind), exchange_printable(&im->arena, o->name));
    return o;
}

/* --- Settings --- */

struct exchange_setting *exchange_setting_find(const struct exchange_object *object,
                                               const struct exchange_property *property)
{
    LIST_EACH (s, &object->settings, struct exchange_setting, link)
        if (s->property == property)
            return s;
    return NULL;
}

struct exchange_setting *exchange_setting_named(const struct exchange_object *object,
                                                const char *name)
{
    const struct exchange_property *p = exchange_property_find(object->kind, name);
    return p ? exchange_setting_find(object, p) : NULL;
}

void exchange_setting_remove(struct exchange_object *object,
                             const struct exchange_property *property)
{
    struct exchange_setting *s = exchange_setting_find(object, property);
    if (s)
        list_remove(&s->link);
}

void exchange_setting_put(struct exchange_importer *im, struct exchange_object *object,
                          const struct exchange_property *property,
                          const struct exchange_setting *value)
{
    struct exchange_setting *s = exchange_setting_find(object, property);
    ASSERT(property->kinds & (unsigned)object->kind);
    if (!s) {
        s = ARENA_NEW(&im->arena, struct exchange_setting);
        list_add_first(&object->settings, &s->link);
    }
    struct cds_list_head link = s->link;
    *s = *value;
    s->link = link;
    s->property = property;
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

/* @{Add=...; Remove=...} on what is there. */
static struct exchange_texts edited(struct exchange_importer *im, struct exchange_object *object,
                                    const struct exchange_argument *argument,
                                    const struct exchange_texts *before)
{
    struct exchange_texts to = {0};
    struct exchange_texts add = split(&im->arena, &argument->add);
    struct exchange_texts gone = split(&im->arena, &argument->remove);
    for (size_t i = 0; before && i < before->count; i++)
        if (!exchange_texts_hold(&gone, before->items[i]))
            exchange_texts_add(&im->arena, &to, before->items[i]);
    for (size_t i = 0; i < gone.count; i++)
        if (!before || !exchange_texts_hold(before, gone.items[i]))
            exchange_note(im, &object->notes, argument->where,
                          "-%s @{Remove=\"%s\"}: it is not in the list", argument->name,
                          exchange_printable(&im->arena, gone.items[i]));
    for (size_t i = 0; i < add.count; i++)
        if (!exchange_texts_hold(&to, add.items[i]))
            exchange_texts_add(&im->arena, &to, add.items[i]);
    return to;
}

static const char *shown_value(struct exchange_importer *im, const struct exchange_argument *a)
{
    const char *text = "";
    for (size_t i = 0; i < a->values.count && i < 8; i++)
        text = arena_printf(&im->arena, "%s%s%s", text, i ? "," : " ", a->values.items[i]);
    return exchange_printable(&im->arena, text);
}

static void take_value(struct exchange_importer *im, struct exchange_object *object,
                       const struct exchange_property *property,
                       const struct exchange_argument *argument, bool from_export)
{
    struct exchange_setting value = {
        .name = argument->name, .where = argument->where, .from_export = from_export};
    bool list = exchange_form_is_list(property->form) || property->form == EXCHANGE_SMART_AUTH;
    const struct exchange_setting *before = exchange_setting_find(object, property);
    if (argument->is_edit && !list) {
        exchange_note(im, &object->notes, argument->where,
                      "-%s: it is no list that @{} could change", argument->name);
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

void exchange_setting_take(struct exchange_importer *im, struct exchange_object *object,
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
            exchange_note(im, &object->notes, argument->where, "-%s%s: %s", argument->name,
                          shown_value(im, argument), property->more);
    } else if (argument->is_expression && property->form != EXCHANGE_CREDENTIAL) {
        exchange_note(im, &object->notes, argument->where,
                      "-%s%s: its value is not known here: write it out", argument->name,
                      shown_value(im, argument));
    } else {
        take_value(im, object, property, argument, from_export);
    }
}
