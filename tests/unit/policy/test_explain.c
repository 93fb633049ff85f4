/* policy/explain: whole text, text says, json. */
#include "policy/explain.h"

#include <ctype.h>
#include <stdlib.h>

#include "rules_fixture.h"

static const struct rules_connector connectors[] = {
    {.name = "Default",
     .bindings = {"0.0.0.0:25", "[::]:25"},
     .ranges = {"0.0.0.0-255.255.255.255", "::/0"},
     .groups = RIGHTS_GROUP_ANONYMOUS_USERS,
     .auth = TLS},
    {.name = "Application \"servers\"",
     .bindings = {"0.0.0.0:25"},
     .ranges = {"10.0.0.0/8", "192.168.1.100"},
     .groups = RIGHTS_GROUP_ANONYMOUS_USERS,
     .auth = TLS,
     .permissions = {{RIGHTS_ANONYMOUS, NULL, RIGHTS_ACCEPT_ANY_RECIPIENT, 0},
                     {RIGHTS_ANONYMOUS, NULL, 0, RIGHTS_ACCEPT_AUTHORITATIVE_DOMAIN_SENDER}}},
    {.name = "Branch",
     .bindings = {"0.0.0.0:25"},
     .ranges = {"10.1.0.0(255.255.0.0)"},
     .groups = RIGHTS_GROUP_EXCHANGE_SERVERS,
     .auth = TLS | RECEIVE_AUTH_EXTERNAL_AUTHORITATIVE},
    {.name = "Clients",
     .bindings = {"0.0.0.0:587"},
     .ranges = {"0.0.0.0/0"},
     .groups = RIGHTS_GROUP_EXCHANGE_USERS,
     .auth = TLS | RECEIVE_AUTH_BASIC | RECEIVE_AUTH_BASIC_REQUIRE_TLS,
     .permissions = {{RIGHTS_USER, "bob", RIGHTS_ACCEPT_ANY_SENDER, 0}},
     .require_tls = true},
    {.name = "TLS alone",
     .bindings = {"0.0.0.0:588"},
     .ranges = {"0.0.0.0/0"},
     .groups = RIGHTS_GROUP_EXCHANGE_USERS,
     .auth = TLS | RECEIVE_AUTH_BASIC,
     .require_tls = true},
};

static const struct address_space everything[] = {{"*", 10}};
static const struct address_space ours[] = {{"ours.example", 1}};
static const char *const hosts[] = {"gw1.example.net", "[192.0.2.7]:2526"};
static const struct send_connector sends[] = {
    RULES_SEND("Internet", everything, 1),
    {.name = "Home",
     .origin = "t.conf:95",
     .enabled = true,
     .spaces = ours,
     .space_count = 1,
     .smart_hosts = hosts,
     .smart_host_count = 2,
     .max_message_size_bytes = UINT64_MAX},
};
static const struct accepted_domain domain = {.name = "ours.example", .origin = "t.conf:80"};

static const struct rights_entry server[] = {
    {RIGHTS_USER, "dora", RIGHTS_BYPASS_MESSAGE_SIZE_LIMIT, RIGHTS_ACCEPT_HEADERS_ORGANIZATION},
};

struct question {
    const char *from, *to, *user;
    bool tls;
    const char *sender, *rcpt, *header_from;
    bool no_certificate;
};

/* What explain() wrote; the caller frees. */
static char *answer(const struct question *q, bool json, bool *accepted)
{
    struct rules r;
    rules_start(&r, connectors, ARRAY_SIZE(connectors));
    r.settings.send = sends;
    r.settings.send_count = ARRAY_SIZE(sends);
    r.settings.domains = &domain;
    r.settings.domain_count = 1;
    r.settings.server_permissions = server;
    r.settings.server_permission_count = ARRAY_SIZE(server);
    if (!CHECK(rules_build(&r) == ERR_OK))
        printf("%s", r.text);
    struct explain_query query = {.user = q->user,
                                  .certificate = !q->no_certificate,
                                  .tls = q->tls,
                                  .sender = q->sender,
                                  .rcpt = q->rcpt,
                                  .header_from = q->header_from};
    CHECK(ipaddr_parse(bytes_of(q->from), &query.from) == ERR_OK);
    if (q->to)
        CHECK(endpoint_parse(bytes_of(q->to), &query.to) == ERR_OK);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    *accepted = explain(r.set, &query, json, out);
    fclose(out);
    ruleset_free(&r.set);
    return text;
}

static void test_whole_text(void)
{
    static const struct question q = {
        .from = "10.1.2.3", .sender = "boss@ours.example", .rcpt = "<u@ext.example>"};
    bool accepted;
    char *text = answer(&q, false, &accepted);
    CHECK(accepted);
    CHECK_STR(
        text,
        "client      10.1.2.3, connecting to 0.0.0.0:25\n"
        "connector   \"Branch\" (t.conf:30)\n"
        "range       10.1.0.0(255.255.0.0) (t.conf:31): the smallest that holds the client; it is "
        "10.1.0.0/16\n"
        "also holds  0.0.0.0-255.255.255.255 (t.conf:11) of \"Default\" (t.conf:10) on 0.0.0.0:25\n"
        "also holds  10.0.0.0/8 (t.conf:21) of \"Application \"servers\"\" (t.conf:20) on "
        "0.0.0.0:25\n"
        "identity    ExternallySecuredServers\n"
        "right       ms-Exch-SMTP-Submit                               from group ExchangeServers\n"
        "right       ms-Exch-SMTP-Accept-Any-Recipient                 from group ExchangeServers\n"
        "right       ms-Exch-SMTP-Accept-Any-Sender                    from group ExchangeServers\n"
        "right       ms-Exch-SMTP-Accept-Authoritative-Domain-Sender   from group ExchangeServers\n"
        "right       ms-Exch-SMTP-Accept-Authentication-Flag           from group ExchangeServers\n"
        "right       ms-Exch-Accept-Headers-Routing                    from group ExchangeServers\n"
        "right       ms-Exch-SMTP-Accept-Exch50                        from group ExchangeServers\n"
        "right       ms-Exch-Bypass-Anti-Spam                          from group ExchangeServers\n"
        "right       ms-Exch-Bypass-Message-Size-Limit                 from group ExchangeServers\n"
        "MAIL FROM   <boss@ours.example>: accepted\n"
        "  reply     250 2.1.0 Sender OK\n"
        "  because   any sender may be used\n"
        "RCPT TO     <u@ext.example>: accepted\n"
        "  reply     250 2.1.5 Recipient OK\n"
        "  because   any recipient may be used\n"
        "route       send connector \"Internet\" (t.conf:90), address space *, cost 10\n"
        "  through   the MX hosts of ext.example\n"
        "result      accepted\n");
    free(text);
}

static const struct {
    const char *name;
    struct question q;
    bool accepted;
    const char *says[5];
    const char *not_says;
} text_rows[] = {
    {"relay by entry",
     {.from = "192.168.1.100", .sender = "a@x.example", .rcpt = "u@y.example"},
     true,
     {"\"Application \"servers\"\" (t.conf:20)",
      "ms-Exch-SMTP-Accept-Any-Recipient                 from the permissions entry for "
      "Anonymous",
      "denied      ms-Exch-SMTP-Accept-Authoritative-Domain-Sender   denied by the permissions "
      "entry for Anonymous"},
     "right       ms-Exch-SMTP-Accept-Authoritative"},
    {"inherited",
     {.from = "10.9.9.9", .to = "10.0.0.1:587", .user = "dora", .tls = true},
     true,
     {"ms-Exch-Bypass-Message-Size-Limit                 from the inherited "
      "server_permissions entry for user:dora",
      "denied      ms-Exch-Accept-Headers-Organization               denied by the inherited "
      "server_permissions entry for user:dora"},
     NULL},
    {"no relay",
     {.from = "172.16.0.1", .sender = "a@x.example", .rcpt = "u@y.example"},
     false,
     {"\"Default\"", "RCPT TO     <u@y.example>: REFUSED",
      "550 5.7.1 Unable to relay (after tarpit_interval)",
      "missing   ms-Exch-SMTP-Accept-Any-Recipient", "result      REFUSED"},
     "also holds"},
    {"recipient alone asks MAIL too",
     {.from = "172.16.0.1", .rcpt = "u@ours.example"},
     true,
     {"MAIL FROM   <> (no sender given): accepted", "RCPT TO     <u@ours.example>: accepted",
      "send connector \"Home\" (t.conf:95), address space ours.example, cost 1",
      "smart host gw1.example.net, [192.0.2.7]:2526"},
     "REFUSED"},
    {"postmaster",
     {.from = "172.16.0.1", .rcpt = "postmaster"},
     true,
     {"RFC 5321 4.5.1", "send connector \"Home\""},
     NULL},
    {"spoofed sender",
     {.from = "192.168.1.100", .sender = "boss@ours.example"},
     false,
     {"Anonymous client does not have permissions to send as this sender",
      "missing   ms-Exch-SMTP-Accept-Authoritative-Domain-Sender"},
     "RCPT TO"},
    {"only the connector",
     {.from = "2001:db8::7"},
     true,
     {"connecting to [::]:25", "range       ::/0 (t.conf:12)"},
     "MAIL FROM"},
    {"no connector",
     {.from = "2001:db8::7", .to = "[::1]:587"},
     false,
     {"connector   none", "421 4.3.2 Service not available", "result      REFUSED"},
     "identity"},
    {"user without TLS",
     {.from = "172.16.0.1", .to = "192.0.2.1:587", .user = "bob"},
     false,
     {"530 5.7.0 Must issue a STARTTLS command first",
      "504 5.7.4 Unrecognized authentication type: AUTH needs TLS first", "identity    Anonymous",
      "right       none"},
     NULL},
    {"TLS without a certificate",
     {.from = "172.16.0.1", .tls = true, .no_certificate = true},
     false,
     {"STARTTLS is not offered: there is no tls.certificate", "result      REFUSED"},
     NULL},
    {"AUTH is refused with all else before TLS",
     {.from = "172.16.0.1", .to = "192.0.2.1:588", .user = "bob"},
     false,
     {"530 5.7.0 Must issue a STARTTLS command first", "identity    Anonymous"},
     "504 5.7.4"},
    {"anonymous where users belong",
     {.from = "172.16.0.1", .to = "192.0.2.1:587", .tls = true, .sender = "a@x.example"},
     false,
     {"530 5.7.1 Client was not authenticated", "missing   ms-Exch-SMTP-Submit"},
     "STARTTLS"},
    {"user by name",
     {.from = "172.16.0.1",
      .to = "192.0.2.1:587",
      .user = "bob",
      .tls = true,
      .sender = "a@x.example",
      .rcpt = "u@y.example"},
     true,
     {"identity    user:bob, AuthenticatedUsers", "from the permissions entry for user:bob",
      "from group ExchangeUsers"},
     "REFUSED"},
    {"another user",
     {.from = "172.16.0.1",
      .to = "192.0.2.1:587",
      .user = "eve",
      .tls = true,
      .sender = "a@x.example"},
     false,
     {"550 5.7.1 Client does not have permissions to send as this sender",
      "missing   ms-Exch-SMTP-Accept-Any-Sender"},
     "user:bob"},
    {"AUTH where there is none",
     {.from = "172.16.0.1", .user = "bob"},
     false,
     {"auth_mechanism has no BasicAuth"},
     NULL},
    {"source route is dropped",
     {.from = "172.16.0.1", .rcpt = "<@x.example:u@ours.example>"},
     true,
     {"RCPT TO     <u@ours.example>: accepted"},
     NULL},
    {"the header's sender",
     {.from = "10.2.0.1", .sender = "a@x.example", .header_from = "boss@ours.example"},
     false,
     {"MAIL FROM   <a@x.example>: accepted", "header From <boss@ours.example>: REFUSED",
      "550 5.7.1 Anonymous client does not have permissions to send as this sender",
      "missing   ms-Exch-SMTP-Accept-Authoritative-Domain-Sender"},
     NULL},
    {"the header's sender where nobody minds",
     {.from = "172.16.0.1", .header_from = "boss@ours.example"},
     true,
     {"header From <boss@ours.example>: accepted"},
     "MAIL FROM"},
    {"control characters are escaped",
     {.from = "172.16.0.1", .sender = "a\x1b[2J@x.example"},
     true,
     {"<a\\x1b[2J@x.example>"},
     "\x1b"},
};

static void test_text_says(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(text_rows); i++) {
        bool accepted, good = true;
        unit_row(text_rows[i].name);
        char *text = answer(&text_rows[i].q, false, &accepted);
        CHECK(accepted == text_rows[i].accepted);
        for (size_t k = 0; k < 5 && text_rows[i].says[k]; k++)
            good = CHECK(strstr(text, text_rows[i].says[k])) && good;
        if (text_rows[i].not_says)
            good = CHECK(!strstr(text, text_rows[i].not_says)) && good;
        if (!good)
            printf("%s", text);
        free(text);
    }
}

/* --- JSON: well-formed by RFC 8259, checked by a reader that knows nothing else --- */

static const char *json_value(const char *p, int depth);

static const char *json_string(const char *p)
{
    if (*p++ != '"')
        return NULL;
    for (; *p != '"'; p++) {
        if ((unsigned char)*p < 0x20)
            return NULL;
        if (*p != '\\')
            continue;
        p++;
        if (*p == 'u') {
            for (int i = 0; i < 4; i++)
                if (!isxdigit((unsigned char)*++p))
                    return NULL;
        } else if (!*p || !strchr("\"\\/bfnrt", *p)) {
            return NULL;
        }
    }
    return p + 1;
}

static const char *json_list(const char *p, char end, int depth)
{
    if (*++p == end)
        return p + 1;
    for (;; p++) {
        if (end == '}') {
            p = json_string(p);
            if (!p || *p++ != ':')
                return NULL;
        }
        p = json_value(p, depth - 1);
        if (!p || (*p != ',' && *p != end))
            return NULL;
        if (*p == end)
            return p + 1;
    }
}

static const char *json_value(const char *p, int depth)
{
    static const char *const words[] = {"true", "false", "null"};
    if (depth == 0)
        return NULL;
    if (*p == '{' || *p == '[')
        return json_list(p, *p == '{' ? '}' : ']', depth);
    if (*p == '"')
        return json_string(p);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strncmp(p, words[i], strlen(words[i])) == 0)
            return p + strlen(words[i]);
    const char *start = p;
    while (isdigit((unsigned char)*p))
        p++;
    return p > start ? p : NULL;
}

static const struct {
    const char *name;
    struct question q;
    bool accepted;
    const char *says[5];
} json_rows[] = {
    {"accepted",
     {.from = "10.1.2.3", .sender = "boss@ours.example", .rcpt = "u@ext.example"},
     true,
     {"\"connector\":{\"name\":\"Branch\",\"origin\":\"t.conf:30\"}",
      "\"range\":\"10.1.0.0/16\",\"text\":\"10.1.0.0(255.255.0.0)\",\"origin\":\"t.conf:31\"",
      "\"name\":\"Application \\\"servers\\\"\"", "\"group\":\"ExchangeServers\"", "\"mx\":true"}},
    {"refused",
     {.from = "172.16.0.1", .sender = "a@x.example", .rcpt = "u@y.example"},
     false,
     {"\"reply\":\"550 5.7.1 Unable to relay\"", "\"tarpit\":true",
      "\"missing\":[\"ms-Exch-SMTP-Accept-Any-Recipient\"]", "\"also\":[]"}},
    {"inherited",
     {.from = "10.9.9.9", .to = "10.0.0.1:587", .user = "dora", .tls = true},
     true,
     {"{\"inherited\":true,\"entry\":\"user:dora\"}"}},
    {"denied",
     {.from = "192.168.1.100"},
     true,
     {"\"denied\":[{\"name\":\"ms-Exch-SMTP-Accept-Authoritative-Domain-Sender\",\"by\":[{"
      "\"entry\":\"Anonymous\"}]}]"}},
    {"smart hosts",
     {.from = "172.16.0.1", .rcpt = "u@ours.example"},
     true,
     {"\"smart_hosts\":[\"gw1.example.net\",\"[192.0.2.7]:2526\"]"}},
    {"no connector",
     {.from = "2001:db8::7", .to = "[::1]:587", .rcpt = "u@ours.example"},
     false,
     {"\"connector\":null,\"range\":null", "\"notes\":[\"421 4.3.2"}},
    {"hostile text",
     {.from = "172.16.0.1",
      .user = "a\"b\\",
      .sender = "\x01\"\\\x7f\n@x.example",
      .rcpt = "b\xC3\xBC\xC3\xFF\xE2\x82@ours.example"},
     false,
     {"\\u0001\\\"\\\\\\u007f\\u000a@x.example",
      "b\xC3\xBC\\ufffd\\ufffd\\ufffd\\ufffd@ours.example"}},
    {"user",
     {.from = "172.16.0.1", .to = "192.0.2.1:587", .user = "bob", .tls = true},
     true,
     {"\"identity\":[\"AuthenticatedUsers\",\"user:bob\"]", "\"tls\":true"}},
};

static void test_json(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(json_rows); i++) {
        bool accepted, good = true;
        unit_row(json_rows[i].name);
        char *text = answer(&json_rows[i].q, true, &accepted);
        CHECK(accepted == json_rows[i].accepted);
        CHECK(strstr(text, accepted ? "\"accepted\":true}\n" : "\"accepted\":false}\n"));
        const char *end = json_value(text, 10);
        good = CHECK(end && strcmp(end, "\n") == 0);
        for (size_t k = 0; k < 5 && json_rows[i].says[k]; k++)
            good = CHECK(strstr(text, json_rows[i].says[k])) && good;
        if (!good)
            printf("%s", text);
        free(text);
    }
}

UNIT_MAIN("policy/explain", {"whole text", test_whole_text}, {"text says", test_text_says},
          {"json", test_json})
