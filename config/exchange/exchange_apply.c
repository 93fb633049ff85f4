/* The commands as Exchange would play them: New makes, Set changes, Get chooses for the next in the
 * pipeline, Remove drops.
 */
#include "config/exchange/exchange_apply_private.h"

#include "config/exchange/exchange_pattern_private.h"
#include "config/exchange/exchange_usage_private.h"

static void take_arguments(struct exchange_importer *im, struct exchange_object *object,
                           const struct exchange_command *c)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct exchange_argument *a = &c->items[i];
        const char *other = NULL;
        const struct exchange_property *p =
            c->from_export ? exchange_property_find(object->kind, a->name)
                           : exchange_property_guess(object->kind, a->name, &other);
        if (p)
            exchange_setting_take(im, object, p, a, c->from_export);
        else if (other)
            exchange_note(im, &object->notes, a->where,
                          "-%s: more than one parameter begins so: -%s ...?",
                          exchange_printable(&im->arena, a->name), other);
        else
            exchange_note(
                im, &object->notes, a->where, "-%s%s%s: there is no such parameter here",
                exchange_printable(&im->arena, a->name), a->values.count ? " " : "",
                exchange_printable(&im->arena, a->values.count ? a->values.items[0] : ""));
    }
}

/* --- New --- */

static const char *new_name(struct exchange_importer *im, enum exchange_kind kind,
                            const struct exchange_command *c, const char **server)
{
    const char *text = exchange_argument_text(c, "Name", 2);
    if (!text)
        text = c->identity;
    if (!text && kind == EXCHANGE_DOMAIN)
        text = exchange_argument_text(c, "DomainName", 7);
    *server = NULL;
    if (!text)
        return NULL;
    const char *name = exchange_identity_name(&im->arena, text, server);
    const char *said = kind == EXCHANGE_RECEIVE ? exchange_argument_text(c, "Server", 3) : NULL;
    if (said)
        *server = said;
    return *name ? name : NULL;
}

/* False: the one at hand is of another server and is left out. */
static bool replace_earlier(struct exchange_importer *im, enum exchange_kind kind,
                            const struct exchange_command *c, const char *name, const char *server)
{
    struct exchange_object *earlier = exchange_object_find(im, (unsigned)kind, name);
    if (!earlier)
        return true;
    if (earlier->created && server && earlier->server && !exchange_same(server, earlier->server)) {
        exchange_note(im, NULL, c->where,
                      "%s \"%s\" of server %s: left out, the one of %s is here already; import one "
                      "server's connectors at a time",
                      exchange_kind_name(kind), exchange_printable(&im->arena, name),
                      exchange_printable(&im->arena, server),
                      exchange_printable(&im->arena, earlier->server));
        return false;
    }
    const struct exchange_note *first = LIST_FIRST(&earlier->sources, struct exchange_note, link);
    exchange_note(im, NULL, first ? first->where : c->where,
                  "%s \"%s\": made again at %s, which replaces it", exchange_kind_name(kind),
                  exchange_printable(&im->arena, name), c->where);
    exchange_object_drop(im, earlier);
    return true;
}

static void put_text(struct exchange_importer *im, struct exchange_object *object,
                     const char *property, const char *text, const char *where)
{
    struct exchange_setting value = {.name = property, .where = where};
    exchange_texts_add(&im->arena, &value.values, text);
    exchange_setting_put(im, object, exchange_property_find(object->kind, property), &value);
}

static void command_new(struct exchange_importer *im, enum exchange_kind kind,
                        const struct exchange_command *c, struct exchange_targets *targets)
{
    const char *server;
    const char *name = new_name(im, kind, c, &server);
    if (!name) {
        exchange_fault(im, c->where, "%s: -Name is missing", c->name);
        return;
    }
    if (!replace_earlier(im, kind, c, name, server))
        return;
    struct exchange_object *o = exchange_object_new(im, kind, name, c->where);
    if (!o)
        return;
    o->created = true;
    o->server = server;
    exchange_object_source(im, o, c);
    if (kind == EXCHANGE_RECEIVE && !c->from_export)
        exchange_usage_apply(im, o, c);
    take_arguments(im, o, c);
    if (kind != EXCHANGE_DOMAIN)
        put_text(im, o, "Name", name, c->where);
    else if (!exchange_setting_named(o, "DomainName"))
        put_text(im, o, "DomainName", name, c->where);
    targets->count = 0;
    exchange_targets_add(im, targets, (struct exchange_item){.object = o});
}

/* --- Get, Set, Remove --- */

static const char *identity_of(const struct exchange_command *c)
{
    const char *text = exchange_argument_text(c, "Identity", 1);
    return text ? text : c->identity;
}

static void refer(struct exchange_importer *im, enum exchange_kind kind, const char *identity,
                  const char *where, struct exchange_targets *targets)
{
    struct exchange_object *o = exchange_object_refer(im, kind, identity, where);
    if (o)
        exchange_targets_add(im, targets, (struct exchange_item){.object = o});
}

/* A connector that names no server is of the server that is meant. */
static bool is_of_server(const struct exchange_object *o, const char *server)
{
    return !server || !o->server || exchange_same(o->server, server);
}

static void choose(struct exchange_importer *im, enum exchange_kind kind,
                   const struct exchange_command *c, struct exchange_targets *targets)
{
    const char *identity = identity_of(c), *server;
    const char *said = kind == EXCHANGE_RECEIVE ? exchange_argument_text(c, "Server", 3) : NULL;
    if (identity && !strchr(identity, '*')) {
        refer(im, kind, identity, c->where, targets);
        return;
    }
    const char *pattern = exchange_pattern_identity(
        &im->arena, identity ? exchange_identity_name(&im->arena, identity, &server) : "*");
    EXCHANGE_OBJECTS_EACH (o, im)
        if (o->kind == kind && exchange_pattern_holds(pattern, o->name, false) &&
            is_of_server(o, said))
            exchange_targets_add(im, targets, (struct exchange_item){.object = o});
    targets->kind = kind;
}

void exchange_note_none(struct exchange_importer *im, const struct exchange_command *command,
                        const struct exchange_targets *targets)
{
    if (targets->count == 0)
        exchange_note(im, NULL, command->where, "%s: no %s of this file is meant: nothing changes",
                      command->name, exchange_kind_name(targets->kind));
}

/* What came through the pipe, of KIND: a text is the identity of one. */
static void take_piped(struct exchange_importer *im, enum exchange_kind kind,
                       const struct exchange_command *c, struct exchange_targets *targets)
{
    struct exchange_targets out = {.piped = true};
    for (size_t i = 0; i < targets->count; i++) {
        const struct exchange_item *item = &targets->items[i];
        if (!item->object)
            refer(im, kind, item->text, c->where, &out);
        else if (!item->permission && item->object->kind == kind)
            exchange_targets_add(im, &out, *item);
        else
            exchange_fault(im, c->where, "%s: %s is none of its objects", c->name,
                           exchange_item_shown(im, item));
    }
    *targets = out;
}

static bool is_looked_at(enum exchange_kind kind, const struct exchange_argument *a)
{
    struct bytes name = bytes_of(a->name);
    return bytes_starts_nocase(BYTES("Identity"), name) ||
           (kind == EXCHANGE_RECEIVE && name.len >= 3 &&
            bytes_starts_nocase(BYTES("Server"), name));
}

static void command_get(struct exchange_importer *im, enum exchange_kind kind,
                        const struct exchange_command *c, struct exchange_targets *targets)
{
    if (targets->piped && !identity_of(c)) {
        take_piped(im, kind, c, targets);
    } else {
        *targets = (struct exchange_targets){.piped = true};
        choose(im, kind, c, targets);
    }
    for (size_t i = 0; i < c->count; i++)
        if (!is_looked_at(kind, &c->items[i]))
            exchange_note(im, NULL, c->items[i].where, "%s -%s: not looked at", c->name,
                          exchange_printable(&im->arena, c->items[i].name));
}

static void take_targets(struct exchange_importer *im, enum exchange_kind kind,
                         const struct exchange_command *c, struct exchange_targets *targets)
{
    if (targets->piped && !identity_of(c)) {
        take_piped(im, kind, c, targets);
        return;
    }
    *targets = (struct exchange_targets){0};
    if (identity_of(c)) {
        choose(im, kind, c, targets);
        exchange_note_none(im, c, targets);
    } else {
        exchange_fault(im, c->where, "%s: which %s? -Identity is missing", c->name,
                       exchange_kind_name(kind));
    }
}

/* There is one default domain: the last that was said to be. */
static void keep_one_default(struct exchange_importer *im, const struct exchange_object *object)
{
    static const char *const names[] = {"Default", "MakeDefault"};
    EXCHANGE_OBJECTS_EACH (o, im)
        for (size_t i = 0; o->kind == EXCHANGE_DOMAIN && i < ARRAY_SIZE(names); i++) {
            const struct exchange_setting *s = exchange_setting_named(o, names[i]);
            if (s && o != object)
                exchange_setting_remove(o, s->property);
        }
}

static void command_set(struct exchange_importer *im, enum exchange_kind kind,
                        const struct exchange_command *c, struct exchange_targets *targets)
{
    take_targets(im, kind, c, targets);
    for (size_t i = 0; i < targets->count; i++) {
        struct exchange_object *o = targets->items[i].object;
        exchange_object_source(im, o, c);
        if (exchange_argument_find(c, "MakeDefault", 2))
            keep_one_default(im, o);
        take_arguments(im, o, c);
        const struct exchange_setting *name = exchange_setting_named(o, "Name");
        if (name && name->values.count)
            o->name = name->values.items[0];
    }
}

static void command_remove(struct exchange_importer *im, enum exchange_kind kind,
                           const struct exchange_command *c, struct exchange_targets *targets)
{
    const char *identity = identity_of(c);
    if (!targets->piped && identity && !exchange_object_find(im, (unsigned)kind, identity)) {
        exchange_note(im, NULL, c->where, "%s \"%s\": nothing here has made it", c->name,
                      exchange_printable(&im->arena, identity));
        return;
    }
    take_targets(im, kind, c, targets);
    for (size_t i = 0; i < targets->count; i++)
        exchange_object_drop(im, targets->items[i].object);
    targets->count = 0;
}

void exchange_apply(struct exchange_importer *im, enum exchange_verb verb, enum exchange_kind kind,
                    const struct exchange_command *command, struct exchange_targets *targets)
{
    static void (*const commands[])(struct exchange_importer * im, enum exchange_kind kind,
                                    const struct exchange_command *c,
                                    struct exchange_targets *targets) = {
        [EXCHANGE_NEW] = command_new,
        [EXCHANGE_SET] = command_set,
        [EXCHANGE_GET] = command_get,
        [EXCHANGE_REMOVE] = command_remove,
    };
    commands[verb](im, kind, command, targets);
    targets->piped = true;
}
