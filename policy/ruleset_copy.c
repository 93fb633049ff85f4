/* The deep copy of the settings: a ruleset outlives the file it was read from. */
#include "policy/ruleset_settings_private.h"

static const char *copy_text(struct arena *arena, const char *text)
{
    return text ? arena_strdup(arena, text) : NULL;
}

static const void *copy_array(struct arena *arena, const void *from, size_t size, size_t count)
{
    if (count == 0)
        return NULL;
    void *to = arena_alloc_array(arena, size, count);
    memcpy(to, from, size * count);
    return to;
}

static const struct rights_entry *copy_permissions(struct arena *arena,
                                                   const struct rights_entry *from, size_t count)
{
    struct rights_entry *to = ARENA_NEW_ARRAY(arena, struct rights_entry, count);
    for (size_t i = 0; i < count; i++) {
        to[i] = from[i];
        to[i].name = copy_text(arena, from[i].name);
    }
    return to;
}

static void copy_receive(struct arena *arena, const struct receive_connector *from,
                         struct receive_connector *to)
{
    receive_connector_copy(arena, from, to);
    to->origin = ruleset_text(to->origin);
    to->binding_count = from->binding_count;
    to->bindings = copy_array(arena, from->bindings, sizeof *from->bindings, from->binding_count);
    struct receive_connector_range *ranges =
        ARENA_NEW_ARRAY(arena, struct receive_connector_range, from->range_count);
    for (size_t i = 0; i < from->range_count; i++) {
        ranges[i].range = from->ranges[i].range;
        ranges[i].text = copy_text(arena, ruleset_text(from->ranges[i].text));
        ranges[i].origin = copy_text(arena, ruleset_text(from->ranges[i].origin));
    }
    to->ranges = ranges;
    to->range_count = from->range_count;
    to->permissions = copy_permissions(arena, from->permissions, from->permission_count);
    to->permission_count = from->permission_count;
}

static void copy_send(struct arena *arena, const struct send_connector *from,
                      struct send_connector *to)
{
    *to = *from;
    to->name = copy_text(arena, from->name);
    to->origin = copy_text(arena, ruleset_text(from->origin));
    to->comment = copy_text(arena, from->comment);
    to->fqdn = copy_text(arena, from->fqdn);
    struct address_space *spaces = ARENA_NEW_ARRAY(arena, struct address_space, from->space_count);
    for (size_t i = 0; i < from->space_count; i++) {
        spaces[i].space = copy_text(arena, from->spaces[i].space);
        spaces[i].cost = from->spaces[i].cost;
    }
    to->spaces = spaces;
    const char **hosts = ARENA_NEW_ARRAY(arena, const char *, from->smart_host_count);
    for (size_t i = 0; i < from->smart_host_count; i++)
        hosts[i] = copy_text(arena, from->smart_hosts[i]);
    to->smart_hosts = hosts;
    to->permissions = copy_permissions(arena, from->permissions, from->permission_count);
}

static const struct rewrite_entry *copy_rewrites(struct arena *arena,
                                                 const struct rewrite_entry *from, size_t count)
{
    struct rewrite_entry *to = ARENA_NEW_ARRAY(arena, struct rewrite_entry, count);
    for (size_t i = 0; i < count; i++) {
        const char **exceptions = ARENA_NEW_ARRAY(arena, const char *, from[i].exception_count);
        for (size_t j = 0; j < from[i].exception_count; j++)
            exceptions[j] = copy_text(arena, from[i].exceptions[j]);
        to[i] = from[i];
        to[i].name = copy_text(arena, from[i].name);
        to[i].origin = copy_text(arena, ruleset_text(from[i].origin));
        to[i].internal_address = copy_text(arena, from[i].internal_address);
        to[i].external_address = copy_text(arena, from[i].external_address);
        to[i].exceptions = exceptions;
    }
    return to;
}

void ruleset_copy_settings(struct arena *arena, const struct ruleset_settings *from,
                           struct ruleset_settings *to)
{
    struct receive_connector *receive =
        ARENA_NEW_ARRAY(arena, struct receive_connector, from->receive_count);
    for (size_t i = 0; i < from->receive_count; i++)
        copy_receive(arena, &from->receive[i], &receive[i]);
    struct send_connector *send = ARENA_NEW_ARRAY(arena, struct send_connector, from->send_count);
    for (size_t i = 0; i < from->send_count; i++)
        copy_send(arena, &from->send[i], &send[i]);
    struct accepted_domain *domains =
        ARENA_NEW_ARRAY(arena, struct accepted_domain, from->domain_count);
    for (size_t i = 0; i < from->domain_count; i++) {
        domains[i] = from->domains[i];
        domains[i].name = copy_text(arena, from->domains[i].name);
        domains[i].origin = copy_text(arena, ruleset_text(from->domains[i].origin));
        domains[i].recipients = recipient_set_ref(from->domains[i].recipients);
    }
    *to = (struct ruleset_settings){
        .hostname = copy_text(arena, ruleset_text(from->hostname)),
        .receive = receive,
        .receive_count = from->receive_count,
        .send = send,
        .send_count = from->send_count,
        .domains = domains,
        .domain_count = from->domain_count,
        .rewrites = copy_rewrites(arena, from->rewrites, from->rewrite_count),
        .rewrite_count = from->rewrite_count,
        .server_permissions =
            copy_permissions(arena, from->server_permissions, from->server_permission_count),
        .server_permission_count = from->server_permission_count,
        .accounts = account_set_ref(from->accounts),
    };
}
