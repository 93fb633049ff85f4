/* config/conf: every value reaches its place, protocol logs, faults, usage, server permissions,
 * names of TLS files, all faults in one run, ranges from a file. */
#include "config/conf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "unit.h"

/* What a loading reported, one line each. */
struct reports {
    char text[8192];
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

#define HEAD                                                                                       \
    "hostname = \"relay.test\";\n"                                                                 \
    "send_connectors = ( { name = \"Out\"; address_spaces = [ \"*\" ];\n"                          \
    "  dns_routing_enabled = false; smart_hosts = [ \"[192.0.2.7]:2526\" ]; } );\n"
#define CONNECTOR(more)                                                                            \
    "receive_connectors = ( { name = \"In\"; bindings = [ \"127.0.0.1:2525\" ];\n"                 \
    "  remote_ip_ranges = [ \"10.0.0.0/8\" ]; permission_groups = [ \"AnonymousUsers\" ];\n" more  \
    " } );\n"

static void test_every_value_reaches_its_place(void)
{
    struct reports reports = {0};
    struct conf *conf = NULL;
    struct ruleset *rules = NULL;
    const char *text =
        HEAD "runtime = { workers = 3; smart_host_threads = 2; mx_threads = 4; };\n"
             "spool = { path = \"/tmp/s\"; segment_size = \"8MB\"; inline_max = \"64KB\"; };\n"
             "queue = { message_expiration_timeout = \"1d\"; glitch_retry_count = 2;\n"
             "  max_per_domain_outbound_connections = 7; };\n"
             "log = { level = \"debug\"; format = \"json\"; };\n"
             "dns = { servers = [ \"192.0.2.53\", \"[::1]:5353\" ]; mx_port = 2525; };\n"
             "accepted_domains = ( { name = \"example.com\"; default = true; } );\n" CONNECTOR(
                 "max_message_size = \"1MB\"; max_recipients_per_message = 5;\n"
                 "tarpit_interval = \"0s\"; max_protocol_errors = \"unlimited\";\n"
                 "size_enabled = \"EnabledWithoutValue\"; pipelining_enabled = false;\n"
                 "default_domain = \"example.com\"; long_addresses_enabled = true;\n");
    if (!CHECK(conf_load_text(text, "x.conf", take_report, &reports, &conf, &rules) == ERR_OK)) {
        fputs(reports.text, stderr);
        return;
    }
    CHECK_U64(conf->workers, 3);
    CHECK_U64(conf->smart_host_threads, 2);
    CHECK_U64(conf->mx_threads, 4);
    CHECK_STR(conf->spool.path, "/tmp/s");
    CHECK_U64(conf->spool.segment_size_bytes, 8 << 20);
    CHECK_U64(conf->spool.inline_max_bytes, 64 << 10);
    CHECK_U64(conf->retry.message_expiration_timeout_ms, 86400000);
    CHECK_U64(conf->retry.glitch_retry_count, 2);
    CHECK_U64(conf->log.level, LOG_DEBUG);
    CHECK_U64(conf->log.format, LOG_FORMAT_JSON);
    CHECK_U64(conf->dns.server_count, 2);
    CHECK_U64(conf->mx_port, 2525);
    CHECK_U64(conf->rules.send[0].max_connections, 7);
    const struct receive_connector *c = &conf->rules.receive[0];
    CHECK_STR(c->name, "In");
    CHECK_U64(c->max_message_size_bytes, 1 << 20);
    CHECK_U64(c->max_recipients_per_message, 5);
    CHECK_U64(c->tarpit_interval_ms, 0);
    CHECK_U64(c->max_protocol_errors, UINT64_MAX);
    CHECK(c->size_enabled == RECEIVE_SIZE_WITHOUT_VALUE && !c->pipelining_enabled);
    CHECK_STR(c->ranges[0].text, "10.0.0.0/8");
    CHECK_STR(c->default_domain, "example.com");
    CHECK(c->long_addresses_enabled);
    CHECK_STR(ruleset_settings_of(rules)->receive[0].default_domain, "example.com");
    CHECK_U64(ruleset_bindings(rules, NULL, 0), 1);
    ruleset_free(&rules);
    conf_free(&conf);
}

static void test_protocol_logs(void)
{
    static const struct {
        const char *name, *log;
        uint64_t file, all, age_ms;
    } rows[] = {
        {"defaults", "", 10ull << 20, 250ull << 20, 30 * 86400000ull},
        {"limits",
         "protocol_max_file_size = \"2MB\"; protocol_max_directory_size = \"3MB\";"
         "protocol_max_age = \"7d\";",
         2ull << 20, 3ull << 20, 7 * 86400000ull},
        {"no limits",
         "protocol_max_directory_size = \"unlimited\"; protocol_max_age = \"unlimited\";",
         10ull << 20, UINT64_MAX, UINT64_MAX},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct reports reports = {0};
        struct conf *conf = NULL;
        struct ruleset *rules = NULL;
        char text[1024];
        unit_row(rows[i].name);
        snprintf(text, sizeof text,
                 "log = { protocol_path = \"/x\"; %s };\n"
                 "send_connectors = ( { name = \"A\"; address_spaces = [ \"*\" ]; },\n"
                 "{ name = \"B\"; address_spaces = [ \"b.test\" ];\n"
                 "protocol_logging_level = \"verbose\"; } );\n",
                 rows[i].log);
        if (!CHECK(conf_load_text(text, "x.conf", take_report, &reports, &conf, &rules) == ERR_OK))
            continue;
        CHECK_U64(conf->protocol_limits.file_bytes, rows[i].file);
        CHECK_U64(conf->protocol_limits.all_bytes, rows[i].all);
        CHECK_U64(conf->protocol_limits.age_ms, rows[i].age_ms);
        CHECK(!conf->rules.send[0].protocol_logging_verbose);
        CHECK(conf->rules.send[1].protocol_logging_verbose);
        ruleset_free(&rules);
        conf_free(&conf);
    }
}

static const struct {
    const char *name, *text;
    const char *wanted; /* in one of the lines */
} fault_rows[] = {
    {"syntax", "hostname = ;\n", "x.conf:1: "},
    {"unknown key", "hostnam = \"x\";\n", "x.conf:1: hostnam: unknown key; is \"hostname\" meant?"},
    {"unknown key in a section", "spool = {\n  pat = \"/x\";\n};\n",
     "x.conf:2: spool.pat: unknown key"},
    {"wrong type", "spool = { path = 5; };\n", "x.conf:1: spool.path: a text of"},
    {"section that is none", "spool = 5;\n", "x.conf:1: spool: a group is wanted"},
    {"size without sense", "spool = { segment_size = \"big\"; };\n", "segment_size: a size like"},
    {"size out of range", "spool = { segment_size = \"1KB\"; };\n", "from 1048576 to"},
    {"duration without unit", "queue = { message_retry_interval = 5; };\n", "a duration like"},
    {"negative number", "runtime = { workers = -1; };\n", "a whole number from 0 to 256"},
    {"level", "log = { level = \"loud\"; };\n", "one of \"error\""},
    {"resolver", "dns = { servers = [ \"nowhere\" ]; };\n", "IP or IP:PORT"},
    {"only one durability", "spool = { durability = \"none\"; };\n", "the only mode there is"},
    {"key without certificate", "tls = { key = \"/x\"; };\n", "only useful together"},
    {"domain type", "accepted_domains = ( { name = \"a.b\"; type = \"Odd\"; } );\n",
     "accepted_domains[0].type: one of"},
    {"binding", "receive_connectors = ( { name = \"A\"; bindings = [ \"25\" ]; } );\n",
     "receive_connectors[0].bindings: \"25\": IPv4:PORT"},
    {"range", CONNECTOR("") "", ""},
    {"permission without user", CONNECTOR("permissions = ( { allow = [ \"Submit\" ]; } );"),
     "permissions[0]: `user` is missing"},
    {"no such right",
     CONNECTOR("permissions = ( { user = \"Anonymous\"; allow = [ \"Fly\" ]; } );"),
     "\"Fly\" is unknown: allowed are ms-Exch-SMTP-Submit, "},
    {"require_tls without certificate", CONNECTOR("require_tls = true;"), "STARTTLS is impossible"},
    {"timeouts",
     CONNECTOR("connection_timeout = \"10s\"; connection_inactivity_timeout = \"20s\";"),
     "must be less than connection_timeout"},
    {"usage", CONNECTOR("usage = \"Relay\";"), "usage: one of \"Internet\""},
    {"usage that needs bindings",
     HEAD "receive_connectors = ( { name = \"A\"; usage = \"Internet\"; } );\n",
     "bindings: at least one is needed"},
    {"inherited open relay",
     HEAD "server_permissions = ( { user = \"Anonymous\"; allow = [ "
          "\"Accept-Any-Recipient\" ]; } );\n"
          "receive_connectors = ( { name = \"A\"; usage = \"Internet\";"
          " bindings = [ \"0.0.0.0:25\" ]; } );\n",
     "an open relay"},
    {"server permission without user",
     HEAD "server_permissions = ( { allow = [ \"Submit\" ]; } );\n",
     "server_permissions[0]: `user` is missing"},
    {"protocol log without a place", CONNECTOR("protocol_logging_level = \"verbose\";"),
     "protocol_logging_level: Verbose needs a place"},
    {"protocol logging level", CONNECTOR("protocol_logging_level = \"All\";"),
     "one of \"None\", \"Verbose\" is allowed"},
    {"send protocol log without a place",
     "send_connectors = (\n { name = \"A\"; address_spaces = [ \"*\" ];\n"
     " protocol_logging_level = \"Verbose\"; } );\n",
     "x.conf:2: protocol_logging_level: Verbose needs a place"},
    {"send protocol logging level",
     "send_connectors = ( { name = \"A\"; address_spaces = [ \"*\" ];\n"
     " protocol_logging_level = \"All\"; } );\n",
     "x.conf:2: send_connectors[0].protocol_logging_level: one of \"None\", \"Verbose\""},
    {"protocol log without room for a file",
     "log = { protocol_max_file_size = \"2MB\"; protocol_max_directory_size = \"1MB\"; };\n",
     "protocol_max_file_size is beyond protocol_max_directory_size"},
    {"protocol log of an instant", "log = { protocol_max_age = \"1s\"; };\n",
     "protocol_max_age: a duration like"},
    {"rate source", CONNECTOR("message_rate_source = \"Host\";"),
     "message_rate_source: one of \"None\""},
    {"default domain that is not ours", CONNECTOR("default_domain = \"a.test\";"),
     "default_domain: \"a.test\" is no accepted domain"},
    {"default domain among other faults",
     "accepted_domains = ( { name = \"a.test\"; } );\n" CONNECTOR(
         "default_domain = \"b.test\"; fqdn = \"a b\";"),
     "default_domain: \"b.test\" is no accepted domain"},
    {"a wildcard as default domain",
     "accepted_domains = ( { name = \"*.a.test\"; } );\n" CONNECTOR(
         "default_domain = \"*.a.test\";"),
     "default_domain: \"*.a.test\" is no host name"},
    {"fqdn", CONNECTOR("fqdn = \"mail server\";"), "fqdn: \"mail server\" is no host name"},
    {"hostname", "hostname = \"a..b\";\n", "hostname: \"a..b\" is no host name"},
    {"a banner of several lines", CONNECTOR("banner = \"220-mail\";"), "begins with \"220 \""},
    {"XORAR", CONNECTOR("orar_enabled = true;"), ""},
    {"channel binding", CONNECTOR("extended_protection_policy = \"Require\";"),
     "extended_protection_policy: only None is allowed: "},
    {"delayed acknowledgement", CONNECTOR("max_acknowledgement_delay = \"30s\";"),
     "max_acknowledgement_delay: an acknowledgement that waits for delivery is not available"},
    {"what is not to be had, switched off",
     CONNECTOR("orar_enabled = false; domain_secure_enabled = false; enable_auth_gssapi = false;"
               "extended_protection_policy = \"none\"; suppress_x_anonymous_tls = false;"
               "advertise_client_settings = false; binary_mime_enabled = false;"
               "size_enabled = \"disabled\";"),
     ""},
    {"BINARYMIME", CONNECTOR("binary_mime_enabled = true;"), ""},
    {"BINARYMIME", CONNECTOR("binary_mime_enabled = 1;"), "true or false is allowed"},
    {"no CHUNKING, so no BINARYMIME", CONNECTOR("chunking_enabled = false;"), ""},
    {"BINARYMIME without CHUNKING",
     CONNECTOR("binary_mime_enabled = true; chunking_enabled = false;"),
     "binary_mime_enabled: needs chunking_enabled: RFC 3030"},
    {"neither", CONNECTOR("binary_mime_enabled = false; chunking_enabled = false;"), ""},
    {"a key that waits for certificates", CONNECTOR("domain_secure_enabled = true;"),
     "domain_secure_enabled: only false is allowed: mutual TLS is not available in this "
     "version"},
    {"a key for a farm of servers", CONNECTOR("transport_role = \"HubTransport\";"),
     "transport_role: does not apply to a stand-alone relay"},
    {"banner", CONNECTOR("banner = \"hello\";"), "begins with \"220 \""},
    {"smart host",
     "send_connectors = ( { name = \"A\"; address_spaces = [ \"*\" ];\n"
     "dns_routing_enabled = false; smart_hosts = [ \"a b\" ]; } );\n",
     "x.conf:2: send_connectors[0].smart_hosts: \"a b\""},
    {"what this version cannot do", "admin = { listen = \"127.0.0.1:1\"; };\n",
     "not available in this version"},
};

static void test_faults(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(fault_rows); i++) {
        struct reports reports = {0};
        struct conf *conf = NULL;
        struct ruleset *rules = NULL;
        unit_row(fault_rows[i].name);
        enum err e =
            conf_load_text(fault_rows[i].text, "x.conf", take_report, &reports, &conf, &rules);
        if (!*fault_rows[i].wanted) {
            CHECK(e == ERR_OK);
            ruleset_free(&rules);
            conf_free(&conf);
            continue;
        }
        CHECK(e != ERR_OK);
        CHECK(reports.faults > 0);
        if (!CHECK(strstr(reports.text, fault_rows[i].wanted)))
            fprintf(stderr, "wanted \"%s\" in:\n%s", fault_rows[i].wanted, reports.text);
    }
}

/* What `usage` sets, and that the connector's own keys come on top in any order. */
static void test_usage(void)
{
    static const struct {
        const char *name, *keys;
        unsigned groups, auth;
        const char *binding, *range, *range6; /* the first ones */
    } rows[] = {
        {"Internet", "usage = \"Internet\"; bindings = [ \"0.0.0.0:25\", \"[::]:25\" ];",
         RIGHTS_GROUP_ANONYMOUS_USERS, RECEIVE_AUTH_TLS, "0.0.0.0:25", "0.0.0.0-255.255.255.255",
         "::/0"},
        {"Internet with its own ranges",
         "remote_ip_ranges = [ \"10.0.0.1\" ]; usage = \"Internet\"; bindings = [ \"0.0.0.0:25\" "
         "];",
         RIGHTS_GROUP_ANONYMOUS_USERS, RECEIVE_AUTH_TLS, "0.0.0.0:25", "10.0.0.1", NULL},
        {"Internal", "usage = \"internal\"; remote_ip_ranges = [ \"10.0.0.1\" ];",
         RIGHTS_GROUP_EXCHANGE_SERVERS | RIGHTS_GROUP_EXCHANGE_LEGACY_SERVERS, RECEIVE_AUTH_TLS,
         "0.0.0.0:25", "10.0.0.1", NULL},
        {"Internal, externally secured",
         "auth_mechanism = [ \"ExternalAuthoritative\" ]; bindings = [ \"10.0.0.9:2525\" ];"
         "usage = \"Internal\"; remote_ip_ranges = [ \"10.0.0.1\" ];",
         RIGHTS_GROUP_EXCHANGE_SERVERS | RIGHTS_GROUP_EXCHANGE_LEGACY_SERVERS,
         RECEIVE_AUTH_EXTERNAL_AUTHORITATIVE, "10.0.0.9:2525", "10.0.0.1", NULL},
        {"Client without logging on",
         "auth_mechanism = [ \"Tls\" ]; usage = \"Client\"; remote_ip_ranges = [ \"10.0.0.1\" ];",
         RIGHTS_GROUP_EXCHANGE_USERS, RECEIVE_AUTH_TLS, "0.0.0.0:587", "10.0.0.1", NULL},
        {"Partner",
         "usage = \"Partner\"; bindings = [ \"0.0.0.0:25\" ]; remote_ip_ranges = [ \"10.0.0.1\" ];",
         RIGHTS_GROUP_PARTNERS, RECEIVE_AUTH_TLS, "0.0.0.0:25", "10.0.0.1", NULL},
        {"Custom",
         "usage = \"Custom\"; bindings = [ \"0.0.0.0:25\" ]; remote_ip_ranges = [ \"10.0.0.1\" ];",
         0, RECEIVE_AUTH_TLS, "0.0.0.0:25", "10.0.0.1", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct reports reports = {0};
        struct conf *conf = NULL;
        struct ruleset *rules = NULL;
        char text[1024], at[ENDPOINT_TEXT_SIZE];
        unit_row(rows[i].name);
        snprintf(text, sizeof text, HEAD "receive_connectors = ( { name = \"A\"; %s } );\n",
                 rows[i].keys);
        if (!CHECK(conf_load_text(text, "x.conf", take_report, &reports, &conf, &rules) ==
                   ERR_OK)) {
            fputs(reports.text, stderr);
            continue;
        }
        const struct receive_connector *c = &conf->rules.receive[0];
        CHECK_U64(c->permission_groups, rows[i].groups);
        CHECK_U64(c->auth_mechanism, rows[i].auth);
        CHECK_STR(endpoint_format(&c->bindings[0], at), rows[i].binding);
        CHECK_STR(c->ranges[0].text, rows[i].range);
        CHECK_U64(c->range_count, rows[i].range6 ? 2 : 1);
        if (rows[i].range6 && c->range_count == 2)
            CHECK_STR(c->ranges[1].text, rows[i].range6);
        ruleset_free(&rules);
        conf_free(&conf);
    }
}

/* What the whole server grants reaches a connector that says nothing of it. */
static void test_server_permissions(void)
{
    struct reports reports = {0};
    struct conf *conf = NULL;
    struct ruleset *rules = NULL;
    const char *text =
        HEAD "server_permissions = ( { user = \"Anonymous\";\n"
             "  allow = [ \"Accept-Any-Recipient\" ]; deny = [ \"Accept-Any-Sender\" ]; } "
             ");\n" CONNECTOR(
                 "message_rate_source = \"user\"; reject_single_label_recipient_domains = true;");
    if (!CHECK(conf_load_text(text, "x.conf", take_report, &reports, &conf, &rules) == ERR_OK)) {
        fputs(reports.text, stderr);
        return;
    }
    rights_mask rights = ruleset_rights(rules, 0, RIGHTS_ANONYMOUS);
    CHECK(rights & RIGHTS_ACCEPT_ANY_RECIPIENT);
    CHECK(rights & RIGHTS_ACCEPT_ANY_SENDER); /* the group allows it explicitly */
    CHECK_U64(conf->rules.receive[0].message_rate_source, RECEIVE_RATE_USER);
    CHECK_U64(receive_connector_rejected_domains(&conf->rules.receive[0]), 4);
    ruleset_free(&rules);
    conf_free(&conf);
}

/* Where the file lies, not where the program was started. */
static void test_names_of_tls_files(void)
{
    static const struct {
        const char *file, *wanted_certificate, *wanted_trust;
    } rows[] = {
        {"/etc/mailrace/relay.conf", "/etc/mailrace/tls/cert.pem", "/etc/mailrace/ca.pem"},
        {"/relay.conf", "/tls/cert.pem", "/ca.pem"},
        {"relay.conf", "./tls/cert.pem", "./ca.pem"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct reports reports = {0};
        struct conf *conf = NULL;
        struct ruleset *rules = NULL;
        unit_row(rows[i].file);
        if (!CHECK(conf_load_text(HEAD "tls = { certificate = \"tls/cert.pem\";\n"
                                       "  key = \"/k.pem\"; trust_file = \"ca.pem\"; };\n",
                                  rows[i].file, take_report, &reports, &conf, &rules) == ERR_OK))
            continue;
        CHECK_STR(conf->tls.certificate, rows[i].wanted_certificate);
        CHECK_STR(conf->tls.key, "/k.pem");
        CHECK_STR(conf->tls.trust_file, rows[i].wanted_trust);
        ruleset_free(&rules);
        conf_free(&conf);
        unit_row("an empty trust_file is the system's");
        if (CHECK(conf_load_text(HEAD "tls = { trust_file = \"\"; };\n", rows[i].file, take_report,
                                 &reports, &conf, &rules) == ERR_OK))
            CHECK_STR(conf->tls.trust_file, "");
        ruleset_free(&rules);
        conf_free(&conf);
    }
}

static void test_all_faults_in_one_run(void)
{
    struct reports reports = {0};
    struct conf *conf = NULL;
    struct ruleset *rules = NULL;
    const char *text = "hostnam = \"x\";\n"
                       "spool = { pth = \"/x\"; min_free = \"much\"; };\n"
                       "log = { level = \"loud\"; };\n";
    CHECK(conf_load_text(text, "x.conf", take_report, &reports, &conf, &rules) != ERR_OK);
    CHECK_U64(reports.faults, 4);
}

static void test_ranges_from_a_file(void)
{
    char folder[] = "/tmp/mailrace-conf-XXXXXX", conf_file[64], ranges_file[64];
    struct reports reports = {0};
    struct conf *conf = NULL;
    struct ruleset *rules = NULL;
    if (!CHECK(mkdtemp(folder)))
        return;
    snprintf(conf_file, sizeof conf_file, "%s/relay.conf", folder);
    snprintf(ranges_file, sizeof ranges_file, "%s/hosts.txt", folder);
    FILE *out = fopen(ranges_file, "w");
    fputs("# printers\n192.0.2.1\n\n  192.0.2.2   # second floor\n198.51.100.0/24\n", out);
    fclose(out);
    out = fopen(conf_file, "w");
    fputs(HEAD CONNECTOR("remote_ip_ranges_file = \"hosts.txt\";"), out);
    fclose(out);
    if (CHECK(conf_load(conf_file, take_report, &reports, &conf, &rules) == ERR_OK)) {
        const struct receive_connector *c = &conf->rules.receive[0];
        CHECK_U64(c->range_count, 4);
        CHECK_STR(c->ranges[2].text, "192.0.2.2");
        CHECK_STR(c->ranges[2].origin, "hosts.txt:4");
        ruleset_free(&rules);
        conf_free(&conf);
    } else {
        fputs(reports.text, stderr);
    }
    unlink(conf_file);
    unlink(ranges_file);
    rmdir(folder);
}

UNIT_MAIN("config/conf", {"every value reaches its place", test_every_value_reaches_its_place},
          {"protocol logs", test_protocol_logs}, {"faults", test_faults}, {"usage", test_usage},
          {"server permissions", test_server_permissions},
          {"names of TLS files", test_names_of_tls_files},
          {"all faults in one run", test_all_faults_in_one_run},
          {"ranges from a file", test_ranges_from_a_file})
