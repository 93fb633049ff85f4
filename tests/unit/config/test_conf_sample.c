/* The sample configuration of 0.1.0, kept in tests/data: it is read without a word, as then. */
#include <stdio.h>

#include "config/conf.h"
#include "unit.h"

#define SAMPLE "tests/data/config-0.1.0/mailrace.conf"

static char *read_sample(char *to, size_t size)
{
    FILE *in = fopen(SAMPLE, "r");
    if (!CHECK(in))
        return NULL;
    size_t len = fread(to, 1, size - 1, in);
    to[len] = '\0';
    fclose(in);
    return CHECK(len > 0 && len < size - 1) ? to : NULL;
}

static void count_report(void *owner, const struct conf_fault *fault)
{
    unsigned *reports = owner;
    (*reports)++;
    fprintf(stderr, "%s: %s: %s\n", fault->where, fault->key, fault->text);
}

static void check_receive(const struct receive_connector *c)
{
    CHECK_STR(c[0].name, "Default");
    CHECK_U64(c[0].binding_count, 2);
    CHECK_U64(c[0].range_count, 2);
    CHECK_U64(c[0].permission_groups, RIGHTS_GROUP_ANONYMOUS_USERS);
    CHECK_U64(c[0].auth_mechanism, RECEIVE_AUTH_TLS);
    CHECK_U64(c[0].max_message_size_bytes, 37748736);
    CHECK_U64(c[0].max_inbound_connection_per_source, 20);
    CHECK_STR(c[1].name, "Application servers");
    CHECK_U64(c[1].range_count, 3);
    CHECK_U64(c[1].permission_count, 1);
    CHECK_U64(c[1].permissions[0].allow, RIGHTS_ACCEPT_ANY_RECIPIENT);
    CHECK_U64(c[1].max_inbound_connection_per_source, 200);
    CHECK_U64(c[1].max_inbound_connection_percentage_per_source, 100);
    CHECK_STR(c[2].name, "From gateway");
    CHECK_U64(c[2].auth_mechanism, RECEIVE_AUTH_EXTERNAL_AUTHORITATIVE);
    CHECK_U64(c[2].permission_groups, RIGHTS_GROUP_EXCHANGE_SERVERS);
}

static void check_send(const struct send_connector *c)
{
    CHECK_STR(c[0].name, "To our mail servers");
    CHECK_STR(c[0].spaces[0].space, "--");
    CHECK(!c[0].dns_routing_enabled);
    CHECK_U64(c[0].smart_host_count, 2);
    CHECK_STR(c[0].smart_hosts[1], "[192.168.1.11]");
    CHECK_U64(c[0].max_connections, 20);
    CHECK_STR(c[1].name, "To the Internet");
    CHECK_STR(c[1].spaces[0].space, "*");
    CHECK(c[1].dns_routing_enabled);
    CHECK_U64(c[1].smtp_max_messages_per_connection, 20);
}

static void test_sample(void)
{
    static char text[64 * 1024];
    unsigned reports = 0;
    struct conf *conf = NULL;
    struct ruleset *rules = NULL;
    if (!read_sample(text, sizeof text) ||
        !CHECK(conf_load_text(text, SAMPLE, count_report, &reports, &conf, &rules) == ERR_OK))
        return;
    CHECK_U64(reports, 0);
    CHECK_STR(conf->spool.path, "/var/spool/mailrace");
    CHECK_U64(conf->spool.min_free_bytes, 256 << 20);
    CHECK_U64(conf->spool.segment_size_bytes, 32 << 20);
    CHECK_U64(conf->retry.message_expiration_timeout_ms, 2 * 86400000);
    CHECK_U64(conf->retry.delay_notification_timeout_ms, 4 * 3600000);
    CHECK_U64(conf->retry.message_retry_interval_ms, 300000);
    CHECK_U64(conf->log.level, LOG_INFO);
    CHECK_U64(conf->log.format, LOG_FORMAT_TEXT);
    CHECK_U64(conf->rules.domain_count, 1);
    CHECK_U64(conf->rules.domains[0].type, DOMAIN_INTERNAL_RELAY);
    CHECK(conf->rules.domains[0].is_default);
    if (CHECK(conf->rules.receive_count == 3))
        check_receive(conf->rules.receive);
    if (CHECK(conf->rules.send_count == 2))
        check_send(conf->rules.send);
    ruleset_free(&rules);
    conf_free(&conf);
}

UNIT_MAIN("config/conf_sample", {"the sample configuration of 0.1.0", test_sample})
