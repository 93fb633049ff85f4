/* The published rules: made from a configuration, counted by reference, retired by RCU. */
#include "mailrace/rules.h"

#include <string.h>

#include "core/mem.h"

struct rules_place {
    struct snapshot *published;  /* struct rules */
    uint64_t generation;         /* of the rules made last; main thread only */
    struct cds_list_head counts; /* struct connector_count; main thread only */
};

static void rules_free(struct rules *r)
{
    size_t count = ruleset_settings_of(r->ruleset)->receive_count;
    for (size_t i = 0; r->connectors && i < count; i++)
        connector_unref(&r->connectors[i]);
    mem_free(r->connectors);
    ruleset_free(&r->ruleset);
    conf_free(&r->conf);
    mem_free(r);
}

void rules_release(struct rules **rules)
{
    struct rules *r = *rules;
    *rules = NULL;
    if (!r)
        return;
    unsigned before = atomic_fetch_sub_explicit(&r->references, 1, memory_order_acq_rel);
    ASSERT(before > 0);
    if (before == 1)
        rules_free(r);
}

static void on_retired(void *object)
{
    struct rules *r = object;
    rules_release(&r);
}

struct rules_place *rules_place_new(void)
{
    struct rules_place *place = MEM_NEW(struct rules_place);
    place->published = snapshot_new(on_retired);
    list_init(&place->counts);
    return place;
}

void rules_place_free(struct rules_place **at)
{
    struct rules_place *place = *at;
    if (!place)
        return;
    snapshot_free(&place->published);
    LIST_EACH_SAFE (count, &place->counts, struct connector_count, link) {
        ASSERT(atomic_load_explicit(&count->sessions, memory_order_relaxed) == 0);
        mem_free(count);
    }
    mem_free(place);
    *at = NULL;
}

static struct connector_count *count_of(struct rules_place *place, const char *name)
{
    LIST_EACH (count, &place->counts, struct connector_count, link)
        if (strcmp(count->name, name) == 0)
            return count;
    size_t size = strlen(name) + 1;
    struct connector_count *count = mem_zalloc(sizeof *count + size);
    memcpy(count->name, name, size);
    list_add(&place->counts, &count->link);
    return count;
}

static void make_connectors(struct rules_place *place, struct rules *r, struct tls_context *tls)
{
    const struct ruleset_settings *settings = ruleset_settings_of(r->ruleset);
    r->connectors = MEM_NEW_ARRAY(struct connector *, settings->receive_count);
    for (uint32_t i = 0; i < settings->receive_count; i++) {
        const struct receive_connector *c = &settings->receive[i];
        rights_mask first = ruleset_rights(r->ruleset, i, receive_connector_first_principal(c));
        r->connectors[i] =
            connector_new(c, first, r->conf->hostname, tls, count_of(place, c->name));
    }
}

enum err rules_make(struct rules_place *place, struct conf *conf, struct ruleset *ruleset,
                    struct rules **out, struct err_detail *why)
{
    struct tls_context *tls = NULL;
    struct rules *r = MEM_NEW(struct rules);
    atomic_init(&r->references, 1);
    r->generation = ++place->generation;
    r->conf = conf;
    r->ruleset = ruleset;
    enum err e = conf->tls.certificate ? tls_context_server(&conf->tls, &tls, why) : ERR_OK;
    if (e != ERR_OK) {
        rules_release(&r);
        return e;
    }
    make_connectors(place, r, tls);
    tls_context_unref(&tls);
    *out = r;
    return ERR_OK;
}

void rules_publish(struct rules_place *place, struct rules *rules)
{
    ASSERT(rules->generation <= place->generation);
    snapshot_publish(place->published, rules);
}

const struct rules *rules_get(const struct rules_place *place)
{
    return snapshot_get(place->published);
}

struct rules *rules_hold(const struct rules_place *place)
{
    snapshot_read_begin();
    union {
        const void *published;
        struct rules *held; /* only the count is ever written */
    } rules = {.published = snapshot_get(place->published)};
    ASSERT(rules.held); /* the first were published before any thread began */
    atomic_fetch_add_explicit(&rules.held->references, 1, memory_order_relaxed);
    snapshot_read_end();
    return rules.held;
}
