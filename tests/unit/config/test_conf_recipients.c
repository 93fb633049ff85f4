/* The file of a domain's recipients, and the permissions of a next hop. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/conf.h"
#include "unit.h"

#define HEAD "hostname = \"relay.test\";\n"
#define SEND(more)                                                                                 \
    "send_connectors = ( { name = \"Out\"; address_spaces = [ \"*\" ]; " more "\n"                 \
    "  dns_routing_enabled = false; smart_hosts = [ \"[192.0.2.7]:2526\" ]; } );\n"
#define DOMAIN(more) "accepted_domains = ( { name = \"ours.test\";\n" more " } );\n"
#define LISTED       DOMAIN("recipients_file = \"names\";")

struct reports {
    char text[4096];
    unsigned faults;
};

static void take_report(void *owner, const struct conf_fault *fault)
{
    struct reports *r = owner;
    size_t len = strlen(r->text);
    snprintf(r->text + len, sizeof r->text - len, "%s: %s: %s\n", fault->where, fault->key,
             fault->text);
    r->faults += !fault->is_warning;
}

static const struct row {
    const char *name, *names /* NULL: no file */, *text, *says;
    unsigned faults;
    rights_mask send_rights;
} rows[] = {
    {"a file", "anna\n# b\nberta@ours.test\n", HEAD SEND("") LISTED, "", 0,
     RIGHTS_SEND_HEADERS_ROUTING},
    {"not there", NULL, HEAD SEND("") LISTED,
     "relay.conf:5: accepted_domains[0].recipients_file: ", 1, 0},
    {"a folder", NULL, HEAD SEND("") DOMAIN("recipients_file = \".\";"), "not a plain file", 1, 0},
    {"no name", NULL, HEAD SEND("") DOMAIN("recipients_file = 1;"), "a file name in quotes", 1, 0},
    {"a faulty line", "anna\nno body\n", HEAD SEND("") LISTED, "/names:2: accepted_domains[0]", 1,
     0},
    {"a next hop that sees all", NULL,
     HEAD SEND("permissions = ( { user = \"Anonymous\"; "
               "allow = [ \"Send-Headers-Organization\", \"ms-Exch-Send-Headers-Forest\" ]; } );"),
     "", 0,
     RIGHTS_SEND_HEADERS_ROUTING | RIGHTS_SEND_HEADERS_ORGANIZATION | RIGHTS_SEND_HEADERS_FOREST},
    {"a next hop that sees nothing", NULL,
     HEAD SEND("permissions = ( { user = \"Anonymous\"; "
               "deny = [ \"Send-Headers-Routing\" ]; } );"),
     "", 0, 0},
    {"an externally secured one", NULL,
     HEAD SEND("smart_host_auth_mechanism = \"ExternalAuthoritative\";"), "", 0,
     RIGHTS_SEND_HEADERS_ROUTING | RIGHTS_SEND_EXCH50},
    {"rights of a client", NULL,
     HEAD SEND("permissions = ( { user = \"Anonymous\"; allow = [ \"SMTP-Submit\" ]; } );"),
     "relay.conf:2: send_connectors[0].permissions: only ms-Exch-Send-Headers-Routing", 1, 0},
};

static void check_row(const struct row *row, const char *folder)
{
    char file[96], names[96];
    struct reports r = {.faults = 0};
    struct conf *conf = NULL;
    struct ruleset *rules = NULL;
    snprintf(file, sizeof file, "%s/relay.conf", folder);
    snprintf(names, sizeof names, "%s/names", folder);
    if (row->names) {
        FILE *out = fopen(names, "w");
        CHECK(out && fputs(row->names, out) >= 0 && fclose(out) == 0);
    }
    enum err e = conf_load_text(row->text, file, take_report, &r, &conf, &rules);
    CHECK_U64(e, row->faults ? ERR_SYNTAX : ERR_OK);
    CHECK_U64(r.faults, row->faults);
    if (!CHECK(strstr(r.text, row->says)))
        printf("%s", r.text);
    if (e == ERR_OK) {
        CHECK_U64(send_connector_rights(&conf->rules.send[0]), row->send_rights);
        const struct accepted_domain *d =
            domain_set_find(ruleset_domains(rules), BYTES("ours.test"));
        CHECK_U64(d ? recipient_set_count(d->recipients) : 0, row->names ? 2 : 0);
        conf_free(&conf); /* the rules live on */
        CHECK(!d || recipient_set_has(d->recipients, BYTES("ANNA"), BYTES("ours.test")));
        ruleset_free(&rules);
    }
    if (row->names)
        CHECK(unlink(names) == 0);
}

static void test_rows(void)
{
    char folder[] = "/tmp/conf-recipients-XXXXXX";
    if (!CHECK(mkdtemp(folder)))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        unit_row(rows[i].name);
        check_row(&rows[i], folder);
    }
    CHECK(rmdir(folder) == 0);
}

UNIT_MAIN("config/conf_recipients", {"rows", test_rows})
