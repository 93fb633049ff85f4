/* From the main thread to the scheduler's, by its mailbox. */
#include "mailrace/scheduler.h"

#include "core/mem.h"

/* How many messages one connection holds in its pipeline: one on its way, one ahead. */
#define PIPELINE 2
#define JOBS_MAX 10000

struct request {
    struct mailbox_item item;
    struct sched *sched;
    struct sched_settings settings; /* texts in ARENA; of a follow only */
    struct arena arena;
};

struct sched_settings scheduler_settings(const struct conf *conf, const struct ruleset *ruleset,
                                         struct arena *arena)
{
    const struct accepted_domain *d = domain_set_default(ruleset_domains(ruleset));
    return (struct sched_settings){
        .retry = conf->retry,
        .window_max = conf->max_per_domain_outbound_connections * PIPELINE,
        .jobs_max = JOBS_MAX,
        .hostname = conf->hostname,
        .postmaster = arena_printf(arena, "postmaster@%s", d ? d->name : conf->hostname),
    };
}

static struct request *request_new(struct sched *sched, void (*run)(struct mailbox_item *item))
{
    struct request *r = MEM_NEW(struct request);
    arena_init(&r->arena, 0);
    r->sched = sched;
    r->item.run = run;
    return r;
}

static void request_free(struct request *r)
{
    arena_free(&r->arena);
    mem_free(r);
}

static void run_drain(struct mailbox_item *item)
{
    struct request *r = CONTAINER_OF(item, struct request, item);
    sched_drain(r->sched);
    request_free(r);
}

static void run_follow(struct mailbox_item *item)
{
    struct request *r = CONTAINER_OF(item, struct request, item);
    sched_settings_set(r->sched, &r->settings);
    sched_retry_all(r->sched);
    request_free(r);
}

void scheduler_drain(struct sched *sched, struct loop *loop)
{
    mailbox_send(loop_mailbox(loop), &request_new(sched, run_drain)->item);
}

void scheduler_follow(struct sched *sched, struct loop *loop, const struct conf *conf,
                      const struct ruleset *ruleset)
{
    struct request *r = request_new(sched, run_follow);
    r->settings = scheduler_settings(conf, ruleset, &r->arena);
    r->settings.hostname = arena_strdup(&r->arena, conf->hostname);
    mailbox_send(loop_mailbox(loop), &r->item);
}
