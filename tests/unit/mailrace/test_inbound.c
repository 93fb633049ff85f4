/* The real inbound over a network in memory: decisions, replies, what reaches the spool, what is
 * logged, limits. */
#include "mailrace/inbound.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/mem.h"

#include "relay_bed.h"
#include "unit.h"

#define CONFIG(more_of_default, more)                                                              \
    "hostname = \"relay.test\";\n"                                                                 \
    "accepted_domains = ( { name = \"ours.test\"; default = true; } );\n"                          \
    "send_connectors = ( { name = \"Out\"; address_spaces = [ \"*\" ]; } );\n"                     \
    "receive_connectors = (\n"                                                                     \
    "  { name = \"Default\"; bindings = [ \"192.0.2.1:25\" ];\n"                                   \
    "    remote_ip_ranges = [ \"198.51.100.0/24\" ];\n"                                            \
    "    permission_groups = [ \"AnonymousUsers\" ];\n" more_of_default " },\n"                    \
    "  { name = \"Apps\"; bindings = [ \"192.0.2.1:25\" ];\n"                                      \
    "    remote_ip_ranges = [ \"10.1.0.0/16\" ];\n"                                                \
    "    permission_groups = [ \"ExchangeServers\" ];\n"                                           \
    "    auth_mechanism = [ \"ExternalAuthoritative\" ];\n"                                        \
    "    auth_stamps_enabled = true; } );\n" more

#define CLIENT "198.51.100.7"
#define APP    "10.1.2.3"
#define MAIL   "EHLO c.test\r\nMAIL FROM:<a@ext.test>\r\nRCPT TO:<b@ours.test>\r\nDATA\r\n"
#define TEXT   "Subject: x\r\n\r\nHello\r\n.\r\n"

static struct relay_bed bed;

static bool holds(const char *text, const char *part)
{
    if (!strstr(text, part))
        printf("not there: %s\nin: %s\n", part, text);
    return strstr(text, part);
}

/* --- One dialogue: what the client hears last, what is kept, what the log says --- */

static void test_dialogues(void)
{
    static const struct {
        const char *name, *from, *config, *says, *hears;
        size_t kept;
        const char *logged;
    } rows[] = {
        {"a message", CLIENT, NULL, MAIL TEXT, "250 2.6.0 ", 1, "message_accepted id="},
        {"two in one session", CLIENT, NULL,
         MAIL TEXT "MAIL FROM:<>\r\nRCPT TO:<c@ours.test>\r\nDATA\r\n" TEXT, "250 2.6.0 ", 2,
         "connector=Default from=a@ext.test to=b@ours.test rcpts=1"},
        {"no relaying for the outside", CLIENT, "tarpit_interval = \"0s\";",
         "EHLO c\r\nMAIL FROM:<a@ext.test>\r\nRCPT TO:<b@else.test>\r\n",
         "550 5.7.1 Unable to relay", 0, "missing=ms-Exch-SMTP-Accept-Any-Recipient"},
        {"relaying for a trusted server", APP, NULL,
         "EHLO c\r\nMAIL FROM:<a@ours.test>\r\nRCPT TO:<b@else.test>\r\nDATA\r\n" TEXT,
         "250 2.6.0 ", 1, "connector=Apps"},
        {"a hop too many", CLIENT, "max_hop_count = 1;",
         MAIL "Received: x\r\nReceived: y\r\nReceived: z\r\n\r\n.\r\n",
         "554 5.4.6 Hop count exceeded", 0, "reason=max_hop_count"},
        {"our own hops", CLIENT, "max_local_hop_count = 1;",
         MAIL "Received: from a by relay.test; x\r\nReceived: from b by relay.test; y\r\n"
              "Subject: x\r\n\r\n.\r\n",
         "554 5.4.6 Hop count exceeded", 0, "reason=max_local_hop_count"},
        {"a header too large", CLIENT, "max_header_size = 20;",
         MAIL "Subject: abcdefghijklmnopqrstuvwxyz\r\n\r\n.\r\n", "552 5.3.4 Header size exceeds",
         0, "reason=max_header_size"},
        {"a recipient too many", CLIENT, "max_recipients_per_message = 1;",
         "EHLO c\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@ours.test>\r\nRCPT TO:<c@ours.test>\r\n",
         "452 4.5.3 ", 0, "verb=RCPT argument="},
        {"a size beyond the limit", CLIENT, "max_message_size = 65536;",
         "EHLO c\r\nMAIL FROM:<a@x.test> SIZE=65537\r\n", "552 5.3.4 ", 0, "command_refused"},
        {"the same for a trusted server", APP, NULL,
         "EHLO c\r\nMAIL FROM:<a@x.test> SIZE=99999999\r\n", "250 2.1.0 Sender OK", 0, ""},
        {"a message a minute", CLIENT, "message_rate_limit = 1;",
         MAIL TEXT "MAIL FROM:<a@x.test>\r\n", "421 4.4.2 Message submission rate", 1,
         "reason=message_rate_limit"},
        {"postmaster is ours", CLIENT, NULL,
         "EHLO c\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<postmaster>\r\nDATA\r\n" TEXT, "250 2.6.0 ", 1,
         "to=postmaster@ours.test"},
        {"broken off in the text", CLIENT, NULL, MAIL "Subject: x\r\n", "354 ", 0, ""},
        {"no such thing", CLIENT, NULL, "EHLO c\r\nTURN\r\n", "502 5.5.1 ", 0, "verb=TURN"},
        {"a reserved domain", CLIENT,
         "reject_reserved_top_level_recipient_domains = true; tarpit_interval = \"0s\";",
         "EHLO c\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@ours.test>\r\n", "550 5.1.4 ", 0,
         "verb=RCPT argument=b@ours.test"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct bed_client client;
        char config[4000];
        unit_row(rows[i].name);
        snprintf(config, sizeof config, CONFIG("%s", ""), rows[i].config ? rows[i].config : "");
        relay_bed_start(&bed, config, false);
        bed_connect(&bed, &client, rows[i].from);
        const char *heard = bed_say(&client, rows[i].says);
        const char *last = strlen(heard) > 2 ? heard + strlen(heard) - 2 : heard;
        while (last > heard && last[-1] != '\n')
            last--;
        if (!CHECK(strncmp(last, rows[i].hears, strlen(rows[i].hears)) == 0))
            printf("%s", heard);
        CHECK_U64(bed.kept_count, rows[i].kept);
        CHECK(holds(relay_bed_log(&bed), rows[i].logged));
        bed_leave(&client);
        CHECK_U64(atomic_load(&bed.sessions), 0);
        relay_bed_stop(&bed);
    }
}

/* --- What is kept --- */

static void test_kept(void)
{
    struct bed_client client;
    relay_bed_start(&bed, CONFIG("", ""), false);
    bed_connect(&bed, &client, CLIENT);
    bed_say(&client, MAIL "X-MS-Exchange-Organization-SCL: -1\r\n" TEXT);
    bed_leave(&client);
    if (CHECK_U64(bed.kept_count, 1)) {
        const struct bed_mail *m = &bed.kept[0];
        CHECK_STR(m->sender, "a@ext.test");
        CHECK_STR(m->rcpts, "b@ours.test ");
        CHECK(strncmp(m->text,
                      "Received: from c.test ([198.51.100.7])\r\n\tby relay.test with ESMTP",
                      65) == 0);
        CHECK(holds(m->text, "\r\nSubject: x\r\n\r\nHello\r\n"));
        CHECK(!strstr(m->text, "X-MS-Exchange")); /* the header firewall of anonymous clients */
    }
    relay_bed_stop(&bed);
}

static void test_stamps(void)
{
    struct bed_client client;
    relay_bed_start(&bed, CONFIG("auth_stamps_enabled = true;", ""), false);
    bed_connect(&bed, &client, CLIENT);
    bed_say(&client, MAIL TEXT);
    bed_leave(&client);
    if (CHECK_U64(bed.kept_count, 1)) {
        CHECK(holds(bed.kept[0].text, "X-MS-Exchange-Organization-AuthAs: Anonymous\r\n"
                                      "X-MS-Exchange-Organization-AuthSource: relay.test\r\n"));
    }
    relay_bed_stop(&bed);
}

/* Larger than the inline limit: a file of its own. */
static void test_large(void)
{
    struct bed_client client;
    size_t size = 100 * 1024;
    char *text = mem_alloc(size + 1);
    for (size_t i = 0; i < size; i++)
        text[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'a';
    text[size] = '\0';
    relay_bed_start(&bed, CONFIG("", ""), false);
    bed_connect(&bed, &client, CLIENT);
    bed_say(&client, MAIL "Subject: x\r\n\r\n");
    bed_say(&client, text);
    CHECK(holds(bed_say(&client, ".\r\n"), "250 2.6.0 "));
    if (CHECK_U64(bed.kept_count, 1))
        CHECK(holds(bed.kept[0].text, text));
    bed_leave(&client);
    relay_bed_stop(&bed);
    mem_free(text);
}

/* --- The disk --- */

static void test_disk_fails(void)
{
    struct bed_client client;
    relay_bed_start(&bed, CONFIG("", ""), false);
    bed_connect(&bed, &client, CLIENT);
    CHECK(holds(bed_say(&client, MAIL), "354 "));
    bed.disk_dead = true;
    const char *heard = bed_say(&client, TEXT);
    /* Neither 250 nor 4xx would be true where not even a note could be written. */
    CHECK(heard[0] == '\0' || strncmp(heard, "451 ", 4) == 0);
    CHECK(heard[0] || !client.conn);
    CHECK_U64(bed.kept_count, 0);
    CHECK(heard[0] || holds(relay_bed_log(&bed), "message_unanswered id="));
    bed_leave(&client);
    bed.disk_dead = false;
    relay_bed_crash(&bed);
    CHECK_U64(bed.kept_count, 0);
    relay_bed_stop(&bed);
}

/* The client goes while its message is on its way to the disk: it is durable, and nobody hears so.
 */
static void test_gone_while_committing(void)
{
    struct bed_client client;
    relay_bed_start(&bed, CONFIG("", ""), false);
    bed_connect(&bed, &client, CLIENT);
    bed_say(&client, MAIL);
    CHECK(conn_write(client.conn, BYTES(TEXT)) == ERR_OK);
    loop_turn(bed.loop, 0); /* handed to the spool, not written yet */
    conn_abort(&client.conn);
    loop_turn(bed.loop, 0);
    CHECK_U64(atomic_load(&bed.sessions), 1); /* it waits for the answer of its commit */
    relay_bed_settle(&bed);
    CHECK_U64(atomic_load(&bed.sessions), 0);
    CHECK_U64(bed.kept_count, 1);
    bed_leave(&client);
    relay_bed_stop(&bed);
}

/* A shutdown in the middle of a commit: first 250, then 421. */
static void test_shutdown(void)
{
    struct bed_client busy, idle;
    relay_bed_start(&bed, CONFIG("", ""), false);
    bed_connect(&bed, &busy, CLIENT);
    bed_connect(&bed, &idle, CLIENT);
    bed_say(&idle, "EHLO c\r\n");
    bed_say(&busy, MAIL);
    CHECK(conn_write(busy.conn, BYTES(TEXT)) == ERR_OK);
    loop_turn(bed.loop, 0);
    inbound_shutdown_all(&bed.in);
    CHECK(holds(bed_say(&idle, ""), "421 4.3.2 "));
    const char *heard = bed_say(&busy, "");
    CHECK(strncmp(heard, "250 2.6.0 ", 10) == 0);
    CHECK(holds(heard, "\r\n421 4.3.2 "));
    CHECK_U64(bed.kept_count, 1);
    CHECK_U64(atomic_load(&bed.sessions), 0);
    bed_leave(&busy);
    bed_leave(&idle);
    relay_bed_stop(&bed);
}

/* --- Limits on connections --- */

static void test_connection_limits(void)
{
    static const struct {
        const char *name, *config, *top;
        unsigned allowed; /* of one source; the next is refused */
        const char *hears, *limit;
    } rows[] = {
        {"in all",
         "max_inbound_connection = 2; max_inbound_connection_percentage_per_source = 100;", "", 2,
         "421 4.3.2 The maximum number of concurrent connections",
         "limit=max_inbound_connection value=2"},
        {"of one source", "max_inbound_connection_per_source = 3;", "", 3,
         "421 4.3.2 The maximum number of concurrent server connections has exceeded a per-source",
         "limit=max_inbound_connection_per_source value=3"},
        {"a share of what is free",
         "max_inbound_connection = 10; max_inbound_connection_percentage_per_source = 40;", "", 4,
         "421 4.3.2 The maximum number of concurrent server connections has exceeded a per-source",
         "limit=max_inbound_connection_percentage_per_source value=4"},
        {"a minute", "", "runtime = { max_connection_rate_per_minute = 2; };", 2,
         "421 4.3.2 The maximum number of concurrent connections",
         "limit=max_connection_rate_per_minute value=2"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct bed_client clients[6];
        char config[4000];
        unit_row(rows[i].name);
        snprintf(config, sizeof config, CONFIG("%s", "%s"), rows[i].config, rows[i].top);
        relay_bed_start(&bed, config, false);
        relay_bed_wait(&bed, 60000); /* the minute's share has come together */
        for (unsigned k = 0; k <= rows[i].allowed; k++) {
            bed_connect(&bed, &clients[k], CLIENT);
            const char *heard = bed_say(&clients[k], "");
            CHECK(strncmp(heard, k < rows[i].allowed ? "220 relay.test" : rows[i].hears,
                          strlen(k < rows[i].allowed ? "220 relay.test" : rows[i].hears)) == 0);
        }
        CHECK(holds(relay_bed_log(&bed), rows[i].limit));
        for (unsigned k = 0; k <= rows[i].allowed; k++)
            bed_leave(&clients[k]);
        CHECK_U64(atomic_load(&bed.sessions), 0);
        relay_bed_stop(&bed);
    }
}

/* --- Time --- */

static void test_tarpit(void)
{
    struct bed_client client;
    relay_bed_start(&bed, CONFIG("", ""), false);
    bed_connect(&bed, &client, CLIENT);
    bed_say(&client, "EHLO c\r\nMAIL FROM:<a@ext.test>\r\n");
    int64_t began_ms = clock_wall_ms();
    const char *heard = bed_say(&client, "RCPT TO:<b@else.test>\r\n");
    CHECK_STR(heard, "");
    while (!*heard && clock_wall_ms() < began_ms + 60000) {
        relay_bed_wait(&bed, 1000);
        heard = bed_say(&client, "");
    }
    CHECK(strncmp(heard, "550 5.7.1 Unable to relay", 25) == 0);
    CHECK_U64(clock_wall_ms() - began_ms >= 5000, true); /* tarpit_interval */
    CHECK_U64(clock_wall_ms() - began_ms <= 6000, true);
    bed_leave(&client);
    relay_bed_stop(&bed);
}

/* --- Reload in the middle of a session --- */

static void test_reload(void)
{
    struct bed_client client;
    relay_bed_start(&bed, CONFIG("", ""), false);
    bed_connect(&bed, &client, CLIENT);
    CHECK(holds(bed_say(&client, "EHLO c\r\nMAIL FROM:<a@x.test>\r\n"), "250 2.1.0"));
    relay_bed_publish(&bed, "hostname = \"new.test\";\n"
                            "receive_connectors = ( { name = \"Other\"; bindings = [ "
                            "\"192.0.2.1:25\" ]; remote_ip_ranges = [ \"10.0.0.0/8\" ]; } );\n"
                            "accepted_domains = ( { name = \"ours.test\"; } );\n");
    /* The transaction keeps its rights; no connector takes this client any more for the next. */
    CHECK(holds(bed_say(&client, "RCPT TO:<b@ours.test>\r\nDATA\r\n" TEXT), "250 2.6.0"));
    CHECK(holds(bed_say(&client, "MAIL FROM:<a@x.test>\r\n"), "530 5.7.1 "));
    /* The block that the session holds outlives its rules. */
    CHECK(holds(relay_bed_log(&bed), "connector=Default range=198.51.100.0/24 verb=MAIL"));
    bed_leave(&client);
    relay_bed_stop(&bed);
}

UNIT_MAIN("mailrace/inbound", {"dialogues", test_dialogues}, {"kept", test_kept},
          {"stamps", test_stamps}, {"large", test_large}, {"disk fails", test_disk_fails},
          {"gone while committing", test_gone_while_committing}, {"shutdown", test_shutdown},
          {"connection limits", test_connection_limits}, {"tarpit", test_tarpit},
          {"reload", test_reload})
