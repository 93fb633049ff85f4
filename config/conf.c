#include "config/conf_private.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/thread.h"
#include "net/smtp_syntax.h"

#define FILE_BYTES_MAX (256u << 20)

/* --- The file --- */

static enum err check_file(struct conf_reading *r, const char *file, const struct stat *st)
{
    if (!S_ISREG(st->st_mode)) {
        conf_fault(r, file, "", "not a plain file");
        return ERR_DENIED;
    }
    if (st->st_mode & S_IWOTH) {
        conf_fault(r, file, "", "anybody may write to it: chmod o-w it first");
        return ERR_DENIED;
    }
    if (st->st_uid != 0 && st->st_uid != geteuid()) {
        conf_fault(r, file, "",
                   "it belongs to somebody else (uid %u): chown it to root or to yourself",
                   (unsigned)st->st_uid);
        return ERR_DENIED;
    }
    if (st->st_size > FILE_BYTES_MAX) {
        conf_fault(r, file, "", "larger than 256 MB");
        return ERR_LIMIT;
    }
    return ERR_OK;
}

static char *read_all(struct conf_reading *r, const char *file)
{
    struct stat st;
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO holds nobody up */
    if (fd < 0 || fstat(fd, &st) != 0) {
        conf_fault(r, file, "", "cannot be opened: %s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    char *text = NULL;
    if (check_file(r, file, &st) == ERR_OK) {
        size_t size = (size_t)st.st_size, len = 0;
        ssize_t n = 1;
        text = mem_alloc(size + 1);
        while (len < size && (n = read(fd, text + len, size - len)) > 0)
            len += (size_t)n;
        text[len] = '\0';
        if (n < 0 || strlen(text) != len) {
            conf_fault(r, file, "", n < 0 ? "cannot be read" : "holds a NUL byte");
            mem_free(text);
            text = NULL;
        }
    }
    close(fd);
    return text;
}

/* --- Settings --- */

const char *conf_default_hostname(struct arena *arena)
{
    char name[256] = "localhost";
    if (gethostname(name, sizeof name - 1) != 0 || strchr(name, '.'))
        return arena_strdup(arena, name);
    struct addrinfo hints = {.ai_flags = AI_CANONNAME, .ai_socktype = SOCK_STREAM}, *found = NULL;
    const char *fqdn = name;
    if (getaddrinfo(name, NULL, &hints, &found) == 0 && found && found->ai_canonname)
        fqdn = found->ai_canonname;
    char *copy = arena_strdup(arena, fqdn);
    if (found)
        freeaddrinfo(found);
    return copy;
}

static void set_defaults(struct conf *c)
{
    c->batch_scheduling = true;
    c->max_connection_rate_per_minute = UINT64_MAX;
    c->max_per_domain_outbound_connections = 20;
    c->log.level = LOG_INFO;
    csv_log_limits_defaults(&c->protocol_limits);
    c->tls.minimum = "1.2";
    c->dns.dnssec_validation = true;
    c->mx_port = 25;
    spool_settings_defaults(&c->spool);
    if (!c->spool.path)
        c->spool.path = "/var/spool/mailrace";
    retry_settings_defaults(&c->retry);
}

static void complete(struct conf *c)
{
    unsigned cpus = thread_cpu_count();
    unsigned quarter = (cpus + 3) / 4;
    c->workers = c->workers ? c->workers : cpus;
    c->smart_host_threads = c->smart_host_threads ? c->smart_host_threads : quarter;
    c->mx_threads = c->mx_threads ? c->mx_threads : quarter;
    if (!c->hostname)
        c->hostname = conf_default_hostname(&c->arena);
    struct send_connector *send =
        ARENA_NEW_ARRAY(&c->arena, struct send_connector, c->rules.send_count);
    for (size_t i = 0; i < c->rules.send_count; i++) {
        send[i] = c->rules.send[i];
        if (send[i].max_connections == 0)
            send[i].max_connections = c->max_per_domain_outbound_connections;
    }
    c->rules.send = send;
    c->rules.hostname = c->hostname;
}

/* Who would log on, and would his password be safe? */
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
                  "BasicAuthRequireTLS without tls.certificate and tls.key: nobody can log on");
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

/* A file's name as all others are taken: relative to where the configuration lies, wherever the
 * program was started. */
static const char *beside(const struct conf_reading *r, const char *name)
{
    bool as_it_is = !name || !*name || *name == '/';
    return as_it_is ? name : arena_printf(r->arena, "%s/%s", r->directory, name);
}

/* What concerns several keys of one part; what spans connectors is ruleset_build()'s. */
static void check_whole(struct conf_reading *r, const struct conf *c)
{
    const struct retry_settings *q = &c->retry;
    if (!c->tls.certificate != !c->tls.key)
        conf_fault(r, c->file, "tls", "certificate and key are only useful together");
    if (q->delay_notification_timeout_ms > q->message_expiration_timeout_ms)
        conf_warn(r, c->file, "queue",
                  "delay_notification_timeout is beyond message_expiration_timeout: nobody is told "
                  "of a delay");
    if (c->rules.receive_count == 0)
        conf_warn(r, c->file, "receive_connectors", "there are none: nobody can bring mail");
    check_name(r, c->file, "hostname", c->hostname);
    for (size_t i = 0; i < c->rules.send_count; i++)
        check_name(r, c->rules.send[i].origin, "fqdn", c->rules.send[i].fqdn);
    for (size_t i = 0; i < c->rules.receive_count; i++) {
        const struct receive_connector *x = &c->rules.receive[i];
        check_name(r, x->origin, "fqdn", x->fqdn);
        check_name(r, x->origin, "default_domain", x->default_domain);
        if (x->connection_inactivity_timeout_ms >= x->connection_timeout_ms)
            conf_fault(r, x->origin, "connection_inactivity_timeout",
                       "must be less than connection_timeout");
        const unsigned tls =
            RECEIVE_AUTH_TLS | RECEIVE_AUTH_BASIC_REQUIRE_TLS; /* the latter: conf_users.c */
        if (x->auth_mechanism_written && (x->auth_mechanism & tls) == RECEIVE_AUTH_TLS &&
            !x->require_tls && !c->tls.certificate)
            conf_warn(
                r, x->origin, "auth_mechanism",
                "STARTTLS is asked for and cannot be offered: tls.certificate and tls.key are "
                "not set");
        if (x->require_tls && !c->tls.certificate)
            conf_fault(
                r, x->origin, "require_tls",
                "STARTTLS is impossible without tls.certificate and tls.key: nobody could send");
        check_protocol_log(r, c, x->origin, x->protocol_logging_verbose);
        check_logon(r, c, x);
    }
    for (size_t i = 0; i < c->rules.send_count; i++)
        check_protocol_log(r, c, c->rules.send[i].origin,
                           c->rules.send[i].protocol_logging_verbose);
    if (c->protocol_limits.file_bytes > c->protocol_limits.all_bytes)
        conf_fault(r, c->file, "log",
                   "protocol_max_file_size is beyond protocol_max_directory_size");
}

static void report_rule(void *owner, const struct ruleset_fault *fault)
{
    struct conf_reading *r = owner;
    if (fault->is_warning)
        conf_warn(r, fault->where, "", "%s", fault->text);
    else
        conf_fault(r, fault->where, "", "%s", fault->text);
}

static enum err load(struct conf_reading *r, const char *text, struct conf *c,
                     struct ruleset **rules)
{
    struct conf_value root = {0};
    if (conf_read_tree(r, text, c->file, &root) != ERR_OK)
        return ERR_SYNTAX;
    set_defaults(c);
    conf_apply(r, &CONF_ROOT, &root, "", c);
    complete(c);
    c->tls.certificate = beside(r, c->tls.certificate);
    c->tls.key = beside(r, c->tls.key);
    c->tls.trust_file = beside(r, c->tls.trust_file);
    check_whole(r, c);
    if (r->certificates)
        conf_check_tls(r, c);
    /* With faults in it already the rules are still checked, so that one run shows all of them. */
    enum err e = ruleset_build(&c->rules, report_rule, r, rules);
    if (e == ERR_OK && r->faulty) {
        ruleset_free(rules);
        e = ERR_SYNTAX;
    }
    return e;
}

static enum err load_text(const char *text, const char *file, const struct conf_reading *how,
                          struct conf **conf, struct ruleset **rules)
{
    struct conf *c = MEM_NEW(struct conf);
    arena_init(&c->arena, 16 * 1024);
    c->file = arena_strdup(&c->arena, file);
    const char *slash = strrchr(c->file, '/');
    struct conf_reading r = {
        .arena = &c->arena,
        .report = how->report,
        .owner = how->owner,
        .certificates = how->certificates,
        .directory =
            slash ? arena_bytes(&c->arena, bytes_make(c->file, (size_t)(slash - c->file))).ptr
                  : ".",
    };
    enum err e = load(&r, text, c, rules);
    if (e == ERR_OK)
        *conf = c;
    else
        conf_free(&c);
    return e;
}

enum err conf_load_text(const char *text, const char *file, conf_report report, void *owner,
                        struct conf **conf, struct ruleset **rules)
{
    struct conf_reading how = {.report = report, .owner = owner};
    return load_text(text, file, &how, conf, rules);
}

enum err conf_load(const char *file, conf_report report, void *owner, struct conf **conf,
                   struct ruleset **rules)
{
    struct arena arena;
    arena_init(&arena, 0);
    struct conf_reading r = {
        .arena = &arena, .report = report, .owner = owner, .certificates = true};
    char *text = read_all(&r, file);
    enum err e = text ? load_text(text, file, &r, conf, rules) : ERR_IO;
    mem_free(text);
    arena_free(&arena);
    return e;
}

void conf_free(struct conf **conf)
{
    struct conf *c = *conf;
    if (!c)
        return;
    account_set_unref(&c->rules.accounts);
    conf_free_recipients(c);
    arena_free(&c->arena);
    mem_free(c);
    *conf = NULL;
}
