/* Logging on: the password goes to the auth pool, and with its answer the session becomes somebody
 * else. Everything here runs on the session's worker; only the job in between is the pool's.
 */
#include <inttypes.h>
#include <stdio.h>

#include "core/loop.h"
#include "core/mem.h"
#include "policy/auth_throttle.h"

#include "mailrace/auth_pool.h"
#include "mailrace/inbound_private.h"
#include "mailrace/relay.h"
#include "mailrace/worker.h"

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
    return &smtp_server_facts(smtp_service_session(in->service))->client.addr;
}

static void log_logon(const struct inbound *in, struct bytes user)
{
    const struct smtp_server_facts *facts = smtp_server_facts(smtp_service_session(in->service));
    char session[17], rights[512];
    snprintf(session, sizeof session, "%016" PRIX64, facts->session_id);
    LOG(LOG_INFO, "logon", LOG_STR("session", session), LOG_ENDPOINT("client", &facts->client),
        LOG_BYTES("connector", in->connector->name), LOG_STR("tls", facts->tls ? "yes" : "no"),
        LOG_BYTES("user", user),
        LOG_STR("rights", rights_format_short(in->connector->rights, rights, sizeof rights)));
}

/* EVENT: logon_failed, or logon_refused where the password was not even looked at. */
static void log_no_logon(const struct inbound *in, const char *event, struct bytes user,
                         const struct mail_status *status, const char *reason)
{
    const struct smtp_server_facts *facts = smtp_server_facts(smtp_service_session(in->service));
    char session[17], reply[256];
    snprintf(session, sizeof session, "%016" PRIX64, facts->session_id);
    LOG_ALWAYS(LOG_INFO, event, LOG_STR("session", session), LOG_ENDPOINT("client", &facts->client),
               LOG_BYTES("connector", in->connector->name),
               LOG_BYTES("range", in->connector->range), LOG_STR("tls", facts->tls ? "yes" : "no"),
               LOG_STR("verb", "AUTH"), LOG_BYTES("user", user),
               LOG_STR("reply", mail_status_format(status, reply, sizeof reply)),
               LOG_STR("reason", reason));
}

/* --- Who may be whom --- */

bool inbound_may_send_as(const struct inbound *in, const struct ruleset *rules, struct bytes sender)
{
    struct bytes user = smtp_server_facts(smtp_service_session(in->service))->user;
    const struct account *account = user.len ? account_find(ruleset_accounts(rules), user) : NULL;
    return account && !account->locked && account_may_send_as(account, sender);
}

void inbound_identity_reset(struct inbound *in)
{
    struct inbound_connector *c = in->connector;
    if (c->rights == c->first_rights && c->principal == c->first_principal)
        return;
    c->rights = c->first_rights;
    c->principal = c->first_principal;
    inbound_limits_follow(in);
}

/* Rights are those of the rules as they are now, on the connector that once took the client; what
 * he had as Anonymous is lost. False: the account or the connector is gone meanwhile. */
static bool become(struct inbound *in, struct bytes user)
{
    rights_mask rights = 0;
    uint32_t index;
    snapshot_read_begin();
    const struct ruleset *rules = relay_rules_get(worker_relay(in->worker))->rules;
    const struct account *account = account_find(ruleset_accounts(rules), user);
    bool found =
        account && !account->locked && ruleset_connector_find(rules, in->connector->name, &index);
    if (found)
        rights = ruleset_rights_of_user(rules, index, account);
    snapshot_read_end();
    if (!found)
        return false;
    in->connector->rights = rights;
    in->connector->principal = RIGHTS_AUTHENTICATED_USERS;
    inbound_limits_follow(in);
    return true;
}

/* --- The answer --- */

static void accept_logon(struct inbound *in, struct bytes user)
{
    struct mail_status status = MAIL_STATUS(235, 2, 7, 0, "Authentication successful");
    if (become(in, user)) {
        inbound_protocol_rights(in);
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
    struct loop *loop = worker_loop(in->worker);
    auth_throttle_failed(worker_auth_throttle(in->worker), client_of(in), user, loop_now_ms(loop));
    metrics_add(inbound_counters.failed_logons, 1);
    log_no_logon(in, "logon_failed", user, &status, reason);
    in->tarpitted = status;
    if (in->connector->auth_tarpit_ms) {
        inbound_protocol_tarpit(in, in->connector->auth_tarpit_ms);
        timer_set(loop_timers(loop), &in->tarpit,
                  loop_now_ms(loop) + in->connector->auth_tarpit_ms);
    } else {
        smtp_service_answer(in->service, &status);
    }
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

void inbound_logon_abandon(struct inbound *in)
{
    if (!in->logon)
        return;
    in->logon->in = NULL;
    atomic_store_explicit(&in->logon->job.abandoned, true, memory_order_relaxed);
    in->logon = NULL;
}

/* --- The question --- */

static void find_hash(struct inbound_logon *logon, const struct relay *relay)
{
    snapshot_read_begin();
    const struct account_set *accounts = ruleset_accounts(relay_rules_get(relay)->rules);
    struct account_trial trial = account_trial_of(accounts, user_of(logon));
    logon->known = trial.account != NULL;
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
    struct relay *relay = worker_relay(in->worker);
    struct loop *loop = worker_loop(in->worker);
    if (!auth_throttle_allows(worker_auth_throttle(in->worker), client_of(in), user,
                              loop_now_ms(loop)))
        return not_now(in, user, "too many failed logons from this source or of this user", status);
    struct inbound_logon *logon = MEM_NEW(struct inbound_logon);
    logon->in = in;
    ASSERT(user.len <= sizeof logon->user && password.len < sizeof logon->job.password);
    logon->user_len = user.len;
    memcpy(logon->user, user.ptr, user.len);
    memcpy(logon->job.password, password.ptr, password.len);
    logon->job.reply_to = loop_mailbox(loop);
    logon->job.on_done = on_done;
    find_hash(logon, relay);
    if (!auth_pool_submit(relay->auth_pool, &logon->job)) {
        explicit_bzero(logon, sizeof *logon);
        mem_free(logon);
        return not_now(in, user, "too many logons wait for their check", status);
    }
    in->logon = logon;
    return SMTP_SERVER_LATER;
}
