/* Faults that show only when several keys are seen together. */
#include "config/conf_private.h"
#include "net/smtp_syntax.h"

/* Are there users to log on, and would their passwords be safe? */
static void check_logon(struct conf_reading *r, const struct conf *c,
                        const struct receive_connector *x)
{
    bool tls_first = x->require_tls || (x->auth_mechanism & RECEIVE_AUTH_BASIC_REQUIRE_TLS);
    if (!(x->auth_mechanism & RECEIVE_AUTH_BASIC))
        return;
    if (!c->users_file)
        conf_fault(r, x->origin, "auth_mechanism",
                   "BasicAuth needs users: set users = { file = \"...\"; } and add them with "
                   "`mailrace user add`");
    if (!tls_first)
        conf_warn(r, x->origin, "auth_mechanism",
                  "BasicAuth without BasicAuthRequireTLS: passwords may travel in clear");
    else if (!c->tls.certificate)
        conf_warn(r, x->origin, "auth_mechanism",
                  "BasicAuthRequireTLS without tls.certificate and tls.key: no client can log on");
}

static void check_protocol_log(struct conf_reading *r, const struct conf *c, const char *origin,
                               bool verbose)
{
    if (verbose && !c->protocol_path)
        conf_fault(r, origin, "protocol_logging_level",
                   "Verbose needs a place to write to: set log = { protocol_path = \"DIR\"; }");
}

/* It stands in greetings, EHLO and Received, where peers hold it to the grammar (RFC 5321 4.1.2).
 */
static void check_name(struct conf_reading *r, const char *where, const char *key, const char *name)
{
    char shown[100];
    if (name && !smtp_syntax_helo_valid(bytes_of(name)))
        conf_fault(r, where, key, "\"%s\" is no host name: mail.example.com is allowed",
                   bytes_escape(bytes_of(name), shown, sizeof shown));
}

/* STARTTLS where it is asked for needs a certificate. */
static void check_starttls(struct conf_reading *r, const struct conf *c,
                           const struct receive_connector *x)
{
    const unsigned tls =
        RECEIVE_AUTH_TLS | RECEIVE_AUTH_BASIC_REQUIRE_TLS; /* the latter: check_logon() */
    if (c->tls.certificate)
        return;
    if (x->require_tls) {
        conf_fault(r, x->origin, "require_tls",
                   "STARTTLS is impossible without tls.certificate and tls.key: no client could "
                   "send");
    } else if (x->auth_mechanism_written && (x->auth_mechanism & tls) == RECEIVE_AUTH_TLS) {
        conf_warn(r, x->origin, "auth_mechanism",
                  "STARTTLS is asked for and cannot be offered: tls.certificate and tls.key are "
                  "not set");
    }
}

static void check_receive(struct conf_reading *r, const struct conf *c,
                          const struct receive_connector *x)
{
    check_name(r, x->origin, "fqdn", x->fqdn);
    check_name(r, x->origin, "default_domain", x->default_domain);
    if (x->connection_inactivity_timeout_ms >= x->connection_timeout_ms) {
        conf_fault(r, x->origin, "connection_inactivity_timeout",
                   "must be less than connection_timeout");
    }
    check_starttls(r, c, x);
    check_protocol_log(r, c, x->origin, x->protocol_logging_verbose);
    check_logon(r, c, x);
}

static void check_send(struct conf_reading *r, const struct conf *c, const struct send_connector *x)
{
    check_name(r, x->origin, "fqdn", x->fqdn);
    check_protocol_log(r, c, x->origin, x->protocol_logging_verbose);
}

static void check_settings(struct conf_reading *r, const struct conf *c)
{
    const struct retry_settings *q = &c->retry;
    if (!c->tls.certificate != !c->tls.key)
        conf_fault(r, c->file, "tls", "certificate and key are only useful together");
    if (q->delay_notification_timeout_ms > q->message_expiration_timeout_ms) {
        conf_warn(r, c->file, "queue",
                  "delay_notification_timeout is beyond message_expiration_timeout: no sender is "
                  "told of a delay");
    }
    if (c->protocol_limits.file_bytes > c->protocol_limits.all_bytes) {
        conf_fault(r, c->file, "log",
                   "protocol_max_file_size is beyond protocol_max_directory_size");
    }
}

/* What spans connectors is checked by ruleset_build(). */
void conf_check(struct conf_reading *r, const struct conf *c)
{
    check_settings(r, c);
    check_name(r, c->file, "hostname", c->hostname);
    if (c->rules.receive_count == 0)
        conf_warn(r, c->file, "receive_connectors", "there are none: no client can bring mail");
    for (size_t i = 0; i < c->rules.receive_count; i++)
        check_receive(r, c, &c->rules.receive[i]);
    for (size_t i = 0; i < c->rules.send_count; i++)
        check_send(r, c, &c->rules.send[i]);
}
