/* Every row of the option table: its default, the ends of its range and what lies beyond, a wrong
 * type, and what a reload does with it. */
#include "config/conf_option.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/conf_private.h"
#include "core/mem.h"

#include "unit.h"

#define HOST "hostname = \"relay.test\";\n"

/* A row, and how its key is written in a file. */
struct row {
    const struct conf_section *section;
    const struct conf_option *option;
    const struct conf_option *list; /* of the root: the list whose element has the row; or NULL */
    const char *before, *after;     /* of "KEY = VALUE;" */
    char path[128];
};

/* What a loading said of one key. */
struct said {
    const char *path;
    unsigned faults, kept;
    char last[1024];
};

static void take_fault(void *owner, const struct conf_fault *fault)
{
    struct said *said = owner;
    size_t len = strlen(said->path);
    if (strncmp(fault->key, said->path, len) != 0)
        return;
    said->faults += !fault->is_warning;
    said->kept += fault->running ? 1 : 0;
    snprintf(said->last, sizeof said->last, "%s: %s", fault->key, fault->text);
}

/* --- Walking --- */

static void walk_section(const struct conf_section *section, const struct conf_option *list,
                         const char *before, const char *after, const char *path,
                         void (*visit)(const struct row *row))
{
    for (size_t i = 0; i < section->count; i++) {
        const struct conf_option *o = &section->options[i];
        struct row row = {section, o, list, before, after, ""};
        snprintf(row.path, sizeof row.path, "%s%s%s", path, *path ? "." : "", o->key);
        unit_row(row.path);
        if (o->type == CONF_GROUP) {
            char inner[160];
            snprintf(inner, sizeof inner, "%s = { ", o->key);
            walk_section(o->section, NULL, inner, " };", o->key, visit);
        } else {
            visit(&row);
        }
    }
}

/* All rows; those of an element of a list stand in an element that has what it must have. */
static void walk(void (*visit)(const struct row *row))
{
    static const struct {
        const char *list, *before, *after;
    } lists[] = {
        {"accepted_domains", "accepted_domains = ( { ", " } );"},
        {"address_rewrite_entries", "address_rewrite_entries = ( { ", " } );"},
        {"server_permissions", "server_permissions = ( { ", " } );"},
        {"receive_connectors", "receive_connectors = ( { ", " } );"},
        {"send_connectors", "send_connectors = ( { ", " } );"},
    };
    walk_section(&CONF_ROOT, NULL, "", "", "", visit);
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        const struct conf_option *list = conf_option_find(&CONF_ROOT, lists[i].list);
        char path[64];
        snprintf(path, sizeof path, "%s[0]", lists[i].list);
        walk_section(list->section, list, lists[i].before, lists[i].after, path, visit);
    }
}

/* Loads "KEY = VALUE;"; CONF may be NULL afterwards. */
static struct said load(const struct row *row, const char *value, struct conf **conf)
{
    struct said said = {.path = row->path};
    struct ruleset *rules = NULL;
    static char text[16384];
    snprintf(text, sizeof text, "%s%s%s = %s;%s\n",
             row->list || strcmp(row->path, "hostname") ? HOST : "", row->before, row->option->key,
             value, row->after);
    *conf = NULL;
    if (conf_load_text(text, "x.conf", take_fault, &said, conf, &rules) != ERR_OK)
        *conf = NULL;
    ruleset_free(&rules);
    return said;
}

static bool taken(const struct row *row, const char *value)
{
    struct conf *conf;
    struct said said = load(row, value, &conf);
    conf_free(&conf);
    if (said.faults)
        fprintf(stderr, "%s\n", said.last);
    return said.faults == 0;
}

static bool refused(const struct row *row, const char *value)
{
    struct conf *conf;
    struct said said = load(row, value, &conf);
    conf_free(&conf);
    return said.faults > 0;
}

/* --- Types and ranges --- */

static bool is_number(const struct conf_option *o)
{
    return o->type == CONF_NUMBER || o->type == CONF_OCTETS || o->type == CONF_DURATION;
}

static char *number_text(const struct conf_option *o, uint64_t n, char *to, size_t size)
{
    if (o->type != CONF_DURATION)
        snprintf(to, size, "%" PRIu64 "%s", n, n > INT32_MAX ? "L" : "");
    else if (n % 1000 == 0)
        snprintf(to, size, "\"%" PRIu64 "s\"", n / 1000);
    else
        snprintf(to, size, "\"%" PRIu64 "ms\"", n);
    return to;
}

static void check_range(const struct row *row)
{
    const struct conf_option *o = row->option;
    uint64_t beyond = o->max + (o->type == CONF_DURATION ? 1000 : 1); /* "ms" do not reach so far */
    char text[64];
    CHECK(o->max >= o->min && o->max > 0);
    CHECK(taken(row, number_text(o, o->min, text, sizeof text)));
    CHECK(taken(row, number_text(o, o->max, text, sizeof text)));
    if (o->min)
        CHECK(refused(row, number_text(o, o->min - 1, text, sizeof text)));
    CHECK(refused(row, number_text(o, beyond, text, sizeof text)));
    CHECK(refused(row, "\"unlimited\"") != o->unlimited);
}

static void check_text(const struct row *row)
{
    const struct conf_option *o = row->option;
    static char text[8300];
    if (o->max > 8000 || strcmp(o->key, "hostname") == 0)
        return;
    snprintf(text, sizeof text, "\"%0*d\"", (int)o->max + 1, 0);
    CHECK(refused(row, text));
    if (o->min)
        CHECK(refused(row, "\"\""));
    CHECK(refused(row, "\"two\\nlines\""));
}

static void check_choices(const struct row *row)
{
    const struct conf_option *o = row->option;
    char text[128];
    for (const struct choice *c = o->choices; c->name; c++) {
        snprintf(text, sizeof text, o->type == CONF_BITS ? "[ \"%s\" ]" : "\"%s\"", c->name);
        CHECK(taken(row, text));
    }
    CHECK(refused(row, o->type == CONF_BITS ? "[ \"none such\" ]" : "\"none such\""));
}

static void check_type(const struct row *row)
{
    const struct conf_option *o = row->option;
    CHECK(*o->help);
    CHECK(o->standard);
    if (o->type == CONF_REMOVED) {
        CHECK(taken(row, "5"));
        CHECK(taken(row, "\"x\""));
        return;
    }
    CHECK(refused(row, o->type == CONF_FLAG ? "1" : "true") || o->type == CONF_FLAG ||
          (o->type == CONF_UNAVAILABLE && strcmp(o->standard, "true") == 0));
    CHECK(refused(row, "{ }"));
    CHECK(refused(row, "1.5"));
    if (is_number(o))
        check_range(row);
    else if (o->choices)
        check_choices(row);
    else if (o->type == CONF_TEXT)
        check_text(row);
}

static void test_types_and_ranges(void)
{
    walk(check_type);
}

/* --- Defaults --- */

static const void *place(const struct row *row, const struct conf *conf)
{
    const char *base = (const char *)conf;
    if (row->list)
        base = *(const char *const *)(const void *)(base + row->list->offset);
    return base + row->option->offset;
}

static bool same(const struct row *row, const struct conf *a, const struct conf *b)
{
    const struct conf_option *o = row->option;
    if (o->type != CONF_TEXT && o->type != CONF_FILE)
        return memcmp(place(row, a), place(row, b), o->size) == 0;
    const char *left = *(const char *const *)place(row, a);
    const char *right = *(const char *const *)place(row, b);
    return left && right ? strcmp(left, right) == 0 : left == right;
}

/* The elements that one needs to be loaded without a fault. */
static const char *required(const struct row *row)
{
    if (!row->list)
        return "";
    if (strcmp(row->list->key, "receive_connectors") == 0) {
        return "name = \"A\"; bindings = [ \"127.0.0.1:1\" ]; remote_ip_ranges = [ \"10.0.0.1\" "
               "]; ";
    }
    if (strcmp(row->list->key, "send_connectors") == 0)
        return "name = \"A\"; address_spaces = [ \"*\" ]; ";
    if (strcmp(row->list->key, "accepted_domains") == 0)
        return "name = \"a.test\"; ";
    if (strcmp(row->list->key, "server_permissions") == 0)
        return "user = \"Anonymous\"; ";
    return "name = \"A\"; internal_address = \"a.test\"; external_address = \"b.test\"; ";
}

static struct conf *conf_of(const char *text)
{
    struct said said = {.path = ""};
    struct conf *conf = NULL;
    struct ruleset *rules = NULL;
    if (!CHECK(conf_load_text(text, "x.conf", take_fault, &said, &conf, &rules) == ERR_OK))
        fprintf(stderr, "%s\n%s", said.last, text);
    ruleset_free(&rules);
    return conf;
}

/* What is written as the table says is what comes without a word. */
static void check_default(const struct row *row)
{
    const struct conf_option *o = row->option;
    bool quoted = o->type == CONF_TEXT || o->type == CONF_OCTETS || o->type == CONF_DURATION ||
                  o->type == CONF_CHOICE || o->type == CONF_PARSED ||
                  strcmp(o->standard, "unlimited") == 0;
    char text[1024];
    if (!*o->standard || o->computed || o->type >= CONF_LIST ||
        (row->list && o->offset + o->size > (row->section->kept ? row->section->kept : SIZE_MAX)))
        return;
    snprintf(text, sizeof text, HOST "%s%s%s\n", row->before, required(row), row->after);
    struct conf *silent = conf_of(text);
    snprintf(text, sizeof text, HOST "%s%s%s = %s%s%s;%s\n", row->before, required(row), o->key,
             quoted ? "\"" : "", o->standard, quoted ? "\"" : "", row->after);
    struct conf *written = conf_of(text);
    if (silent && written)
        CHECK(same(row, silent, written));
    conf_free(&silent);
    conf_free(&written);
}

static void test_defaults(void)
{
    walk(check_default);
}

/* Exchange's figures, so that the table itself cannot drift. */
static void test_exchange_defaults(void)
{
    struct conf *conf =
        conf_of(HOST "receive_connectors = ( { name = \"A\"; bindings = [ \"127.0.0.1:1\" ];\n"
                     "  remote_ip_ranges = [ \"10.0.0.1\" ]; } );\n"
                     "send_connectors = ( { name = \"A\"; address_spaces = [ \"*\" ]; } );\n");
    if (!conf)
        return;
    const struct receive_connector *c = &conf->rules.receive[0];
    CHECK(c->enabled && c->bare_linefeed_rejection_enabled && !c->require_tls);
    CHECK_U64(c->size_enabled, RECEIVE_SIZE_ENABLED);
    CHECK(c->pipelining_enabled && c->chunking_enabled && !c->require_ehlo_domain &&
          !c->open_relay);
    CHECK_U64(c->auth_mechanism, RECEIVE_AUTH_TLS);
    CHECK_U64(c->max_message_size_bytes, 37748736);
    CHECK_U64(c->max_header_size_bytes, 262144);
    CHECK_U64(c->max_recipients_per_message, 200);
    CHECK_U64(c->max_protocol_errors, 5);
    CHECK_U64(c->max_hop_count, 30);
    CHECK_U64(c->max_local_hop_count, 8);
    CHECK_U64(c->max_inbound_connection, 5000);
    CHECK_U64(c->max_inbound_connection_per_source, 20);
    CHECK_U64(c->message_rate_limit, RECEIVE_CONNECTOR_UNLIMITED);
    CHECK_U64(c->connection_timeout_ms, 600000);
    CHECK_U64(c->connection_inactivity_timeout_ms, 300000);
    CHECK_U64(c->tarpit_interval_ms, 5000);
    const struct send_connector *s = &conf->rules.send[0];
    CHECK(s->enabled && s->dns_routing_enabled && !s->require_tls && !s->force_helo);
    CHECK_U64(s->port, 25);
    CHECK_U64(s->smtp_max_messages_per_connection, 20);
    CHECK_U64(s->connection_inactivity_timeout_ms, 600000);
    CHECK_U64(s->max_message_size_bytes, UINT64_MAX); /* the receive connector bounds it: ADR 9 */
    CHECK_U64(s->max_connections, 20);
    CHECK(ipaddr_equal(&s->source_ip_address, &IPADDR_V4_ANY));
    CHECK_U64(conf->retry.glitch_retry_count, 4);
    CHECK_U64(conf->retry.message_expiration_timeout_ms, 2 * 86400000);
    CHECK_U64(conf->protocol_limits.file_bytes, 10 << 20);
    CHECK_U64(conf->protocol_limits.all_bytes, 250 << 20);
    CHECK_U64(conf->protocol_limits.age_ms, 30 * 86400000ull);
    conf_free(&conf);
}

/* --- Reload --- */

static struct {
    char folder[32], file[64];
} disk;

static void write_file(const char *text)
{
    FILE *out = fopen(disk.file, "w");
    CHECK(out && fputs(text, out) >= 0 && fclose(out) == 0);
}

/* A value that differs from the running one; NULL: this row is about more than a value. */
static const char *other_value(const struct row *row, const struct conf *running, char *to,
                               size_t size)
{
    const struct conf_option *o = row->option;
    uint64_t now = 0;
    if (is_number(o)) {
        memcpy(&now, place(row, running), o->size);
        uint64_t step = o->type == CONF_DURATION ? 1000 : 1;
        return number_text(o, now < o->max ? now + step : o->min, to, size);
    }
    if (o->type == CONF_FLAG)
        return *(const bool *)place(row, running) ? "false" : "true";
    if (o->choices && o->choices[1].name && (o->type == CONF_CHOICE || o->type == CONF_TEXT)) {
        for (const struct choice *c = o->choices; c->name; c++) {
            if (strcmp(c->name, o->standard) != 0) {
                snprintf(to, size, "\"%s\"", c->name);
                return to;
            }
        }
    }
    if (o->type == CONF_LIST)
        return "[ \"192.0.2.53\" ]";
    return o->type == CONF_TEXT && !o->choices ? "\"other.test\"" : NULL;
}

static void check_reload(const struct row *row)
{
    struct said said = {.path = row->path};
    struct conf *running = NULL, *fresh = NULL;
    struct ruleset *rules = NULL;
    char text[1024], value[128];
    if (row->list || row->option->type >= CONF_SECTIONS)
        return;
    write_file(HOST);
    CHECK(conf_load(disk.file, NULL, NULL, &running, &rules) == ERR_OK);
    ruleset_free(&rules);
    const char *other = other_value(row, running, value, sizeof value);
    snprintf(text, sizeof text, "%s%s%s = %s;%s\n", strcmp(row->path, "hostname") ? HOST : "",
             row->before, row->option->key, other ? other : "", row->after);
    if (other) {
        write_file(text);
        bool ok = conf_reload(running, take_fault, &said, &fresh, &rules) == ERR_OK;
        if (!CHECK(ok))
            fprintf(stderr, "%s\n", said.last);
        ruleset_free(&rules);
        bool restart = row->option->reload == CONF_RESTART;
        CHECK_U64(said.kept, restart);
        if (ok && row->option->type != CONF_LIST)
            CHECK(same(row, running, fresh) == restart);
        if (ok && row->option->type == CONF_LIST)
            CHECK_U64(fresh->dns.server_count, restart ? 0 : 1);
        /* The same file again: nothing differs. */
        struct said again = {.path = row->path};
        struct conf *same_again = NULL;
        write_file(HOST);
        CHECK(conf_reload(running, take_fault, &again, &same_again, &rules) == ERR_OK);
        ruleset_free(&rules);
        CHECK_U64(again.kept, 0);
        conf_free(&same_again);
    } else {
        CHECK(row->option->reload == CONF_LIVE);
    }
    conf_free(&fresh);
    conf_free(&running);
}

static void test_reload(void)
{
    snprintf(disk.folder, sizeof disk.folder, "/tmp/mailrace-conf-XXXXXX");
    if (!CHECK(mkdtemp(disk.folder)))
        return;
    snprintf(disk.file, sizeof disk.file, "%s/relay.conf", disk.folder);
    walk(check_reload);
    unlink(disk.file);
    rmdir(disk.folder);
}

/* --- The reference page shows type, default and choices of every key --- */

static char *page;

static void check_reference(const struct row *row)
{
    char head[128];
    snprintf(head, sizeof head, "\n| `%s` | ", row->option->key);
    const char *at = strstr(page, head);
    for (; at; at = strstr(at + 1, head)) {
        struct bytes rest = bytes_of(at + strlen(head)), type, standard, allowed;
        bytes_split(rest, '|', &type, &rest);
        bytes_split(rest, '|', &standard, &rest);
        bytes_split(rest, '|', &allowed, &rest);
        CHECK(bytes_trim(type).len > 0);
        CHECK(bytes_trim(standard).len > 0);
        if (row->option->choices &&
            bytes_equal(bytes_trim(standard), bytes_of(row->option->standard)))
            CHECK(bytes_trim(allowed).len > 0);
    }
    CHECK(strstr(page, head));
}

static void test_reference(void)
{
    size_t size = 0;
    FILE *out = open_memstream(&page, &size);
    conf_write_reference(out);
    fclose(out);
    walk(check_reference);
    free(page);
}

UNIT_MAIN("config/conf_option", {"types and ranges", test_types_and_ranges},
          {"defaults", test_defaults}, {"Exchange's defaults", test_exchange_defaults},
          {"reload", test_reload}, {"reference", test_reference})
