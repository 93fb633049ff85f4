/* The users file, and who may log on without it. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/conf.h"
#include "unit.h"

#define HEAD                                                                                       \
    "hostname = \"relay.test\";\n"                                                                 \
    "send_connectors = ( { name = \"Out\"; address_spaces = [ \"*\" ];\n"                          \
    "  dns_routing_enabled = false; smart_hosts = [ \"[192.0.2.7]:2526\" ]; } );\n"
#define CLIENTS(auth)                                                                              \
    "receive_connectors = ( { name = \"In\"; bindings = [ \"127.0.0.1:2525\" ];\n"                 \
    "  remote_ip_ranges = [ \"10.0.0.0/8\" ]; permission_groups = [ \"ExchangeUsers\" ];\n"        \
    "  auth_mechanism = [ " auth " ]; } );\n"
#define BASIC "\"Tls\", \"BasicAuth\", \"BasicAuthRequireTLS\""
#define USERS "users = { file = \"users\"; };\n"
#define TLS   "tls = { certificate = \"/c.pem\"; key = \"/k.pem\"; };\n"
#define ANN   "ann:$6$saltsalt$LAV5VE5Y7w1d73x1mFNspYWUpazfmwv2SoepNXNKJ/:app:*\n"

struct reports {
    char text[4096];
    unsigned faults, warnings;
};

static void take_report(void *owner, const struct conf_fault *fault)
{
    struct reports *r = owner;
    size_t len = strlen(r->text);
    snprintf(r->text + len, sizeof r->text - len, "%s: %s: %s\n", fault->where, fault->key,
             fault->text);
    if (fault->is_warning)
        r->warnings++;
    else
        r->faults++;
}

struct folder {
    char path[64], conf[96], users[96];
};

static void folder_make(struct folder *f, const char *users, mode_t mode)
{
    snprintf(f->path, sizeof f->path, "/tmp/conf-users-XXXXXX");
    CHECK(mkdtemp(f->path));
    snprintf(f->conf, sizeof f->conf, "%s/relay.conf", f->path);
    snprintf(f->users, sizeof f->users, "%s/users", f->path);
    if (!users)
        return;
    FILE *out = fopen(f->users, "w");
    CHECK(out && fputs(users, out) >= 0 && fclose(out) == 0);
    CHECK(chmod(f->users, mode) == 0);
}

static void folder_remove(const struct folder *f)
{
    (void)unlink(f->users); /* some rows make none */
    CHECK(rmdir(f->path) == 0);
}

static void test_users(void)
{
    static const struct {
        const char *name, *users, *text, *says;
        mode_t mode;
        unsigned faults, warnings;
    } rows[] = {
        {"sound", ANN, HEAD TLS USERS CLIENTS(BASIC), "", 0640, 0, 0},
        {"readable by anybody", ANN, HEAD TLS USERS CLIENTS(BASIC), "chmod o=", 0644, 1, 0},
        {"writable by anybody", ANN, HEAD TLS USERS CLIENTS(BASIC), "chmod o=", 0602, 1, 0},
        {"not there", NULL, HEAD TLS USERS CLIENTS(BASIC), "users.file: ", 0, 1, 0},
        {"a fault in it", "# x\nann:secret\n", HEAD TLS USERS CLIENTS(BASIC), "/users:2: ", 0640, 1,
         0},
        {"a number", NULL, HEAD TLS "users = { file = 7; };\n" CLIENTS("\"Tls\""),
         "a file name in quotes", 0, 1, 1},
        {"BasicAuth without users", NULL, HEAD TLS CLIENTS(BASIC), "BasicAuth needs users", 0, 1,
         0},
        {"users without BasicAuth", ANN, HEAD TLS USERS CLIENTS("\"Tls\""), "no client can use it",
         0640, 0, 1},
        {"passwords in clear", ANN, HEAD TLS USERS CLIENTS("\"Tls\", \"BasicAuth\""),
         "may travel in clear", 0640, 0, 1},
        {"TLS first, and none", ANN, HEAD USERS CLIENTS(BASIC), "no client can log on", 0640, 0, 1},
        {"what is not offered", ANN, HEAD TLS USERS CLIENTS(BASIC ", \"Integrated\""),
         "Integrated and ExchangeServer", 0640, 0, 1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct reports reports = {.faults = 0};
        struct conf *conf = NULL;
        struct ruleset *rules = NULL;
        struct folder folder;
        unit_row(rows[i].name);
        folder_make(&folder, rows[i].users, rows[i].mode);
        enum err e =
            conf_load_text(rows[i].text, folder.conf, take_report, &reports, &conf, &rules);
        CHECK((e == ERR_OK) == (rows[i].faults == 0));
        CHECK_U64(reports.faults, rows[i].faults);
        CHECK_U64(reports.warnings, rows[i].warnings);
        if (!CHECK(strstr(reports.text, rows[i].says)))
            fputs(reports.text, stderr);
        if (e == ERR_OK) {
            const struct account *ann = account_find(ruleset_accounts(rules), BYTES("ann"));
            CHECK(ann && ann->group_count == 1 && ann->sender_count == 1);
        }
        conf_free(&conf); /* the rules hold the users too */
        CHECK(!rules || account_set_count(ruleset_accounts(rules)) == 1);
        ruleset_free(&rules);
        folder_remove(&folder);
    }
}

static void test_connector_keys(void)
{
    struct reports reports = {.faults = 0};
    struct conf *conf = NULL;
    struct ruleset *rules = NULL;
    const char *text =
        HEAD "receive_connectors = ( { name = \"In\"; bindings = [ \"127.0.0.1:2525\" ];\n"
             "remote_ip_ranges = [ \"10.0.0.0/8\" ]; permission_groups = [ \"AnonymousUsers\" ];"
             "max_logon_failures = 7; auth_tarpit_interval = \"2s\"; } );\n";
    if (!CHECK(conf_load_text(text, "x.conf", take_report, &reports, &conf, &rules) == ERR_OK))
        return;
    CHECK_U64(conf->rules.receive[0].max_logon_failures, 7);
    CHECK_U64(conf->rules.receive[0].auth_tarpit_interval_ms, 2000);
    ruleset_free(&rules);
    conf_free(&conf);
}

UNIT_MAIN("config/conf_users", {"the users file", test_users},
          {"the connector's keys", test_connector_keys})
