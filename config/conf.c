/* Loads a configuration: text to tree to settings, completed, checked, and built into rules. */
#include "config/conf.h"

#include <netdb.h>
#include <unistd.h>

#include "config/conf_private.h"
#include "core/mem.h"
#include "core/thread.h"

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

/* What the table tells in words: from the machine. */
static void complete(struct conf *c)
{
    unsigned cpus = thread_cpu_count();
    unsigned quarter = (cpus + 3) / 4;
    c->workers = c->workers ? c->workers : cpus;
    c->smart_host_threads = c->smart_host_threads ? c->smart_host_threads : quarter;
    c->mx_threads = c->mx_threads ? c->mx_threads : quarter;
    if (!c->hostname)
        c->hostname = conf_default_hostname(&c->arena);
}

/* What the table tells in words: from other keys. */
static void derive(struct conf *c)
{
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

static void report_rule(void *owner, const struct ruleset_fault *fault)
{
    struct conf_reading *r = owner;
    if (fault->is_warning)
        conf_warn(r, fault->where, "", "%s", fault->text);
    else
        conf_fault(r, fault->where, "", "%s", fault->text);
}

static enum err load(struct conf_reading *r, const char *text, const struct conf *running,
                     struct conf *c, struct ruleset **rules)
{
    struct conf_value root = {0};
    if (conf_read_tree(r, text, c->file, &root) != ERR_OK)
        return ERR_SYNTAX;
    conf_apply_defaults(r, &CONF_ROOT, c);
    conf_apply(r, &CONF_ROOT, &root, "", c);
    complete(c);
    conf_check(r, c); /* of the file, whatever of it waits for a restart */
    if (running && !r->faulty)
        conf_keep(r, running, c);
    derive(c);
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

static enum err load_text(const char *text, const char *file, const struct conf *running,
                          const struct conf_reading *how, struct conf **conf,
                          struct ruleset **rules)
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
    enum err e = load(&r, text, running, c, rules);
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
    return load_text(text, file, NULL, &how, conf, rules);
}

static const struct conf_file_rules RULES = {.size_max = UINT64_C(256) << 20,
                                             .size_max_text = "256 MB",
                                             .not_writable = true,
                                             .owned = true};

static enum err load_file(const char *file, const struct conf *running, conf_report report,
                          void *owner, struct conf **conf, struct ruleset **rules)
{
    struct arena arena;
    size_t len = 0;
    enum err e = ERR_IO;
    arena_init(&arena, 0);
    struct conf_reading r = {
        .arena = &arena, .report = report, .owner = owner, .certificates = true, .directory = "."};
    char *text = conf_file_read(&r, file, "", file, &RULES, &len);
    if (text && strlen(text) != len)
        conf_fault(&r, file, "", "holds a NUL byte");
    else if (text)
        e = load_text(text, file, running, &r, conf, rules);
    mem_free(text);
    arena_free(&arena);
    return e;
}

enum err conf_load(const char *file, conf_report report, void *owner, struct conf **conf,
                   struct ruleset **rules)
{
    return load_file(file, NULL, report, owner, conf, rules);
}

enum err conf_reload(const struct conf *running, conf_report report, void *owner,
                     struct conf **conf, struct ruleset **rules)
{
    return load_file(running->file, running, report, owner, conf, rules);
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
