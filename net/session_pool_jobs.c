/* The jobs of a destination, and what is left to the end of the loop's turn. */
#include "net/session_pool_private.h"

void pool_work_soon(struct courier *c)
{
    if (!c->stopping)
        loop_defer(c->loop, &c->task);
}

void pool_changed(struct pool_destination *d)
{
    struct courier *c = d->courier;
    if (list_empty(&d->changed))
        list_add_first(&c->changed, &d->changed);
    pool_work_soon(c);
}

void pool_add_job(struct pool_destination *d, struct courier_job *job)
{
    list_add(&d->waiting, &job->link);
    d->job_count++;
    pool_changed(d);
}

static struct courier_job *pop(struct cds_list_head *jobs)
{
    struct courier_job *job = LIST_FIRST(jobs, struct courier_job, link);
    if (job)
        list_remove(&job->link);
    return job;
}

struct courier_job *pool_next_job(struct pool_session *s)
{
    struct pool_destination *d = s->destination;
    struct courier_job *job = s->taken == 0 ? pop(&d->returned) : NULL;
    if (!job)
        job = pop(&d->waiting);
    if (!job)
        return NULL;
    ASSERT(d->job_count > 0);
    d->job_count--;
    return job;
}

void pool_return_job(struct pool_session *s, struct courier_job *job)
{
    struct pool_destination *d = s->destination;
    for (size_t i = 0; i < job->message.envelope->rcpt_count; i++)
        job->attempt->results[i] = (struct mail_status){0};
    ASSERT(!job->returned);
    job->returned = true;
    list_add(&d->returned, &job->link);
    d->job_count++;
    pool_changed(d);
}

/* The newest eighth counts for as much as is needed to notice a change within a few messages. */
void pool_answered(struct pool_destination *d, const struct courier_job *job)
{
    uint64_t took_16 = 16 * (loop_now_ms(d->courier->loop) - job->taken_ms);
    d->answer_ms_16 += took_16 / 8;
    d->answer_ms_16 -= d->answer_ms_16 / 8;
}

void pool_let_any_session(struct pool_destination *d)
{
    struct courier_job *job;
    while ((job = pop(&d->returned)))
        list_add(&d->waiting, &job->link);
}

/* Jobs that come while these are being told are not touched. */
void pool_fail_jobs(struct pool_destination *d, const struct mail_status *status,
                    const struct pool_failure *failure)
{
    struct cds_list_head queues[2];
    list_take_all(&d->returned, &queues[0]);
    list_take_all(&d->waiting, &queues[1]);
    d->job_count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(queues); i++) {
        struct courier_job *job;
        while ((job = pop(&queues[i]))) {
            struct mail_attempt *attempt = job->attempt;
            attempt->host_failed = failure && !mail_status_permanent(status);
            if (failure) {
                attempt->peer = failure->at;
                (void)bytes_to_cstr(bytes_of(failure->host), attempt->host, sizeof attempt->host);
            }
            courier_job_finish(job, status);
        }
    }
}
