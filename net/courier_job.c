/* A job's beginning and end. */
#include "net/courier_job.h"

void courier_job_start(struct courier_job *job)
{
    struct mail_attempt *attempt = job->attempt;
    job->returned = false;
    attempt->results =
        ARENA_NEW_ARRAY(job->arena, struct mail_status, job->message.envelope->rcpt_count);
    attempt->host_failed = false;
    attempt->ambiguous = false;
    attempt->dsn_passed = false;
    attempt->host[0] = '\0';
    attempt->peer = (struct endpoint){0};
}

void courier_job_finish(struct courier_job *job, const struct mail_status *status)
{
    struct mail_status *results = job->attempt->results;
    struct mail_status copy = {0};
    for (size_t i = 0; i < job->message.envelope->rcpt_count; i++) {
        if (results[i].code != 0)
            continue;
        if (copy.code == 0)
            copy = mail_status_copy(job->arena, status);
        results[i] = copy;
    }
    job->on_done(job);
}
