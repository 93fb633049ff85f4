/* Logging on: the password goes to the auth pool, and its answer gives the session another
 * identity. Everything here runs on the session's worker; only the job in between is the pool's.
 */
#include "mailrace/inbound_session_private.h"

#include "core/log.h"
#include "core/loop.h"
#include "core/mem.h"
#include "policy/auth_throttle.h"

#include "mailrace/auth_pool.h"

/* One attempt. It outlives its session when the client does not wait. */
struct inbound_logon {
    struct auth_job job;
    struct inbound *in; /* NULL: the session has gone */
    bool known;         /* an account that may log on */
    const char *reason; /* why not */
    size_t user_len;
    char user[SMTP_AUTH_USER_MAX];
};

static struct bytes user_of(const struct inbound_logon *logon)
{
    return bytes_make(logon->user, logon->user_len);
}

static const struct ipaddr *client_of(const struct inbound *in)
{
    return &inbound_facts(in)->client.addr;
}

static void log_logon(const struct inbound *in, struct bytes user)
{
    const struct smtp_server_facts *facts = inbound_facts(in);
    char session[INBOUND_SESSION_TEXT], rights[512];
    LOG(LOG_INFO, "logon", LOG_STR("session", inbound_session_text(facts->session_id, session)),
        LOG_ENDPOINT("client", &facts->client), LOG_BYTES("connector", in->connector->name),
        LOG_STR("tls", facts->tls ? "yes" : "no"), LOG_BYTES("user", user),
        LOG_STR("rights", rights_format_short(in->identity.rights, rights, sizeof rights)));
}

/* EVENT: logon_failed, or logon_refused where the password was not even looked at. */
static void log_no_logon(const struct inbound *in, const char *event, struct bytes user,
                         const struct mail_status *status, const char *reason)
{
    const struct smtp_server_facts *facts = inbound_facts(in);
    char session[INBOUND_SESSION_TEXT], reply[256];
    LOG_ALWAYS(LOG_INFO, event,
               LOG_STR("session", inbound_session_text(facts->session_id, session)),
               LOG_ENDPOINT("client", &facts->client), LOG_BYTES("connector", in->connector->name),
               LOG_STR("range", in->range), LOG_STR("tls", facts->tls ? "yes" : "no"),
               LOG_STR("verb", "AUTH"), LOG_BYTES("user", user),
               LOG_STR("reply", mail_status_format(status, reply, sizeof reply)),
               LOG_STR("reason", reason));
}

/* --- The answer --- */

static void accept_logon(struct inbound *in, struct bytes user)
{
    struct mail_status status = MAIL_STATUS(235, 2, 7, 0, "Authentication successful");
    if (inbound_rights_logon(in, user)) {
        metrics_add(inbound_counters.logons, 1);
        log_logon(in, user);
    } else {
        status = MAIL_STATUS(454, 4, 7, 0, "Temporary authentication failure");
        log_no_logon(in, "logon_failed", user, &status, "the rules have changed meanwhile");
    }
    smtp_service_answer(in->service, &status);
}

static void refuse_logon(struct inbound *in, struct bytes user, const char *reason)
{
    const struct mail_status status = MAIL_STATUS(535, 5, 7, 3, "Authentication unsuccessful");
    auth_throttle_failed(in->services->throttle, client_of(in), user,
                         loop_now_ms(in->services->loop));
    metrics_add(inbound_counters.failed_logons, 1);
    log_no_logon(in, "logon_failed", user, &status, reason);
    if (!inbound_tarpit(in, in->connector->settings.auth_tarpit_interval_ms, &status))
        smtp_service_answer(in->service, &status);
}

static void on_done(struct auth_job *job)
{
    struct inbound_logon *logon = CONTAINER_OF(job, struct inbound_logon, job);
    struct inbound *in = logon->in;
    if (in) {
        in->logon = NULL;
        if (logon->known && job->matches)
            accept_logon(in, user_of(logon));
        else
            refuse_logon(in, user_of(logon), logon->known ? "wrong password" : logon->reason);
    }
    mem_free(logon);
}

void inbound_auth_abandon(struct inbound *in)
{
    if (!in->logon)
        return;
    in->logon->in = NULL;
    atomic_store_explicit(&in->logon->job.abandoned, true, memory_order_relaxed);
    in->logon = NULL;
}

/* --- The question --- */

static void find_hash(struct inbound_logon *logon, const struct rules_place *rules)
{
    snapshot_read_begin();
    const struct account_set *accounts = ruleset_accounts(rules_get(rules)->ruleset);
    struct account_trial trial = account_trial_of(accounts, user_of(logon));
    logon->known = trial.account;
    logon->reason = trial.reason;
    bool whole = bytes_to_cstr(bytes_of(trial.hash), logon->job.hash, sizeof logon->job.hash);
    snapshot_read_end();
    ASSERT(whole); /* the users file was checked */
}

static enum smtp_server_verdict not_now(struct inbound *in, struct bytes user, const char *reason,
                                        struct mail_status *status)
{
    *status = MAIL_STATUS(454, 4, 7, 0, "Temporary authentication failure");
    metrics_add(inbound_counters.refused, 1);
    log_no_logon(in, "logon_refused", user, status, reason);
    return SMTP_SERVER_ANSWERED;
}

enum smtp_server_verdict inbound_on_auth(void *owner, struct bytes user, struct bytes password,
                                         struct mail_status *status)
{
    struct inbound *in = owner;
    struct inbound_services *services = in->services;
    struct loop *loop = services->loop;
    ASSERT(!in->logon);
    if (!auth_throttle_allows(services->throttle, client_of(in), user, loop_now_ms(loop)))
        return not_now(in, user, "too many failed logons from this source or of this user", status);
    struct inbound_logon *logon = MEM_NEW(struct inbound_logon);
    logon->in = in;
    ASSERT(user.len <= sizeof logon->user && password.len < sizeof logon->job.password);
    logon->user_len = user.len;
    memcpy(logon->user, user.ptr, user.len);
    memcpy(logon->job.password, password.ptr, password.len);
    logon->job.reply_to = loop_mailbox(loop);
    logon->job.on_done = on_done;
    find_hash(logon, services->rules);
    if (!auth_pool_submit(services->auth_pool, &logon->job)) {
        explicit_bzero(logon, sizeof *logon);
        mem_free(logon);
        return not_now(in, user, "too many logons wait for their check", status);
    }
    in->logon = logon;
    return SMTP_SERVER_LATER;
}
