/* The real outbound, from the scheduler's word to a next hop's answers and what comes of them. */
#include "mailrace/outbound.h"

#include <stdio.h>

#include "core/clock.h"
#include "core/mem.h"
#include "net/smtp_extension.h"

#include "fake_hop.h"
#include "relay_bed.h"
#include "unit.h"

#define CONFIG(more_of_send, more)                                                                 \
    "hostname = \"relay.test\";\n"                                                                 \
    "runtime = { smart_host_threads = 2; mx_threads = 2; };\n"                                     \
    "accepted_domains = ( { name = \"ours.test\"; default = true; } );\n"                          \
    "receive_connectors = ( { name = \"In\"; bindings = [ \"192.0.2.1:25\" ];\n"                   \
    "    remote_ip_ranges = [ \"10.0.0.0/8\" ]; permission_groups = [ \"ExchangeServers\" ];\n"    \
    "    auth_mechanism = [ \"ExternalAuthoritative\" ]; } );\n"                                   \
    "send_connectors = ( { name = \"Smart\"; address_spaces = [ \"smart.test\" ];\n"               \
    "    dns_routing_enabled = false; smart_hosts = [ \"mx200.test\" ];\n" more_of_send            \
    " }, { name = \"Internet\"; address_spaces = [ \"*\" ]; } );\n" more

static struct relay_bed bed;

struct hop_log { /* what a next hop took */
    struct fake_hop hop;
    char rcpts[512]; /* a blank behind each, a bar behind each message */
    char sender[128], text[8192];
    unsigned messages;
    uint16_t refuse; /* what recipients that begin with 'x' are told */
};

static void on_rcpt(void *owner, struct bytes address, struct mail_status *status)
{
    struct hop_log *log = owner;
    if (log->refuse && address.ptr[0] == 'x')
        *status = log->refuse < 500 ? MAIL_STATUS(450, 4, 2, 1, "Later")
                                    : MAIL_STATUS(550, 5, 1, 1, "Unknown user");
}

static void on_message(void *owner, const struct mail_envelope *envelope, struct bytes text,
                       struct mail_status *status)
{
    struct hop_log *log = owner;
    size_t len = strlen(log->rcpts);
    (void)status;
    log->messages++;
    for (size_t i = 0; i < envelope->rcpt_count; i++)
        len += (size_t)snprintf(log->rcpts + len, sizeof log->rcpts - len, BYTES_FMT " ",
                                BYTES_ARG(envelope->rcpts[i].address));
    snprintf(log->rcpts + len, sizeof log->rcpts - len, "|");
    CHECK(bytes_to_cstr(envelope->sender, log->sender, sizeof log->sender));
    CHECK(bytes_to_cstr(text, log->text, sizeof log->text));
}

static void open_hop(struct hop_log *log, const char *at)
{
    memset(log, 0, sizeof *log);
    log->hop.on_rcpt = on_rcpt;
    log->hop.on_message = on_message;
    log->hop.owner = log;
    log->hop.extensions = SMTP_EXTENSION_PIPELINING | SMTP_EXTENSION_ENHANCEDSTATUSCODES;
    fake_hop_open(&log->hop, bed.loop, at);
}

static void send_mail(const char *sender, const char *rcpts, const char *header)
{
    struct bed_client client;
    char says[2000];
    snprintf(says, sizeof says, "EHLO c\r\nMAIL FROM:<%s>\r\n%sDATA\r\n%s\r\nHello\r\n.\r\n",
             sender, rcpts, header);
    bed_connect(&bed, &client, "10.1.2.3");
    CHECK(strstr(bed_say(&client, says), "\r\n250 2.6.0 "));
    bed_leave(&client);
}

static void pass(uint64_t ms)
{
    for (uint64_t end = clock_mono_ms() + ms; clock_mono_ms() < end;)
        relay_bed_wait(&bed, 10000);
}

static uint64_t waiting(void)
{
    struct sched_stats stats;
    sched_stats_read(bed.sched, &stats);
    return stats.messages;
}

static void test_ways(void)
{
    struct hop_log smart, mx;
    relay_bed_start(&bed, CONFIG("", ""), true);
    open_hop(&smart, "203.0.113.200:25");
    open_hop(&mx, "203.0.113.7:25");
    send_mail("a@ours.test", "RCPT TO:<b@smart.test>\r\nRCPT TO:<c@d7.test>\r\n", "Subject: x\r\n");
    CHECK_STR(smart.rcpts, "b@smart.test |");
    CHECK_STR(mx.rcpts, "c@d7.test |");
    CHECK_STR(mx.sender, "a@ours.test");
    CHECK(strncmp(mx.text, "Received: from c ([10.1.2.3])", 29) == 0);
    CHECK(strstr(mx.text, "\r\nSubject: x\r\n\r\nHello\r\n"));
    CHECK_U64(waiting(), 0);
    fake_hop_close(&smart.hop);
    fake_hop_close(&mx.hop);
    relay_bed_stop(&bed);
}

/* Fields of our organization are for our own servers. */
static void test_header_firewall(void)
{
    struct hop_log smart;
    relay_bed_start(&bed, CONFIG("", ""), true);
    open_hop(&smart, "203.0.113.200:25");
    send_mail("a@ours.test", "RCPT TO:<b@smart.test>\r\n",
              "X-MS-Exchange-Organization-SCL: 1\r\nSubject: x\r\n");
    CHECK_U64(smart.messages, 1);
    CHECK(strstr(smart.text, "Subject: x\r\n") && !strstr(smart.text, "X-MS-Exchange"));
    fake_hop_close(&smart.hop);
    relay_bed_stop(&bed);
}

static void test_rewrite(void)
{
    struct hop_log smart;
    relay_bed_start(&bed,
                    CONFIG("", "address_rewrite_entries = ( { name = \"R\"; internal_address = "
                               "\"ours.test\"; external_address = \"seen.test\"; } );"),
                    true);
    open_hop(&smart, "203.0.113.200:25");
    send_mail("a@ours.test", "RCPT TO:<b@smart.test>\r\n", "From: <a@ours.test>\r\n");
    CHECK_STR(smart.sender, "a@seen.test");
    CHECK(strstr(smart.text, "From: <a@seen.test>\r\n"));
    fake_hop_close(&smart.hop);
    relay_bed_stop(&bed);
}

/* One recipient is told 4xx: it alone is tried again, after the interval. */
static void test_later(void)
{
    struct hop_log smart;
    relay_bed_start(&bed, CONFIG("", ""), true);
    open_hop(&smart, "203.0.113.200:25");
    smart.refuse = 450;
    send_mail("a@d9.test", "RCPT TO:<b@smart.test>\r\nRCPT TO:<x@smart.test>\r\n", "");
    CHECK_STR(smart.rcpts, "b@smart.test |");
    CHECK_U64(waiting(), 1);
    smart.refuse = 0;
    pass(4 * 60000);
    CHECK_STR(smart.rcpts, "b@smart.test |");
    pass(2 * 60000);
    CHECK_STR(smart.rcpts, "b@smart.test |x@smart.test |");
    CHECK_U64(waiting(), 0);
    fake_hop_close(&smart.hop);
    relay_bed_stop(&bed);
}

/* 5xx: the sender gets a report, by the same ways. */
static void test_report(void)
{
    struct hop_log smart, sender;
    relay_bed_start(&bed, CONFIG("", ""), true);
    open_hop(&smart, "203.0.113.200:25");
    open_hop(&sender, "203.0.113.9:25");
    smart.refuse = 550;
    send_mail("a@d9.test", "RCPT TO:<b@smart.test>\r\nRCPT TO:<x@smart.test>\r\n", "");
    CHECK_STR(smart.rcpts, "b@smart.test |");
    CHECK_STR(sender.rcpts, "a@d9.test |");
    CHECK_STR(sender.sender, "");
    CHECK(strstr(sender.text, "\r\nFinal-Recipient: rfc822; x@smart.test\r\n"));
    CHECK(strstr(sender.text, "\r\nStatus: 5.1.1\r\n"));
    CHECK(!strstr(sender.text, "Final-Recipient: rfc822; b@smart.test"));
    CHECK_U64(waiting(), 0);
    fake_hop_close(&smart.hop);
    fake_hop_close(&sender.hop);
    relay_bed_stop(&bed);
}

/* A next hop that does not answer, then does; and a crash in between. */
static void test_down_and_crash(void)
{
    struct hop_log smart;
    relay_bed_start(&bed, CONFIG("", ""), true);
    send_mail("a@ours.test", "RCPT TO:<b@smart.test>\r\n", "Subject: x\r\n");
    CHECK_U64(waiting(), 1);
    relay_bed_crash(&bed);
    relay_bed_settle(&bed);
    CHECK_U64(waiting(), 1);
    open_hop(&smart, "203.0.113.200:25");
    pass(2 * 60000);
    CHECK_STR(smart.rcpts, "b@smart.test |");
    CHECK_U64(waiting(), 0);
    fake_hop_close(&smart.hop);
    relay_bed_stop(&bed);
}

/* A message larger than a send connector takes goes by the next one. */
static void test_too_big(void)
{
    struct hop_log smart, sender;
    relay_bed_start(&bed, CONFIG("max_message_size = 65536;", ""), true);
    open_hop(&smart, "203.0.113.200:25");
    open_hop(&sender, "203.0.113.9:25");
    char *header = mem_zalloc(70001);
    struct bed_client client;
    for (size_t i = 0; i < 70000; i++)
        header[i] = "abcdefgh\r\n"[i % 10];
    bed_connect(&bed, &client, "10.1.2.3");
    bed_say(&client, "EHLO c\r\nMAIL FROM:<a@d9.test>\r\nRCPT TO:<b@smart.test>\r\nDATA\r\n\r\n");
    bed_say(&client, header);
    CHECK(strncmp(bed_say(&client, ".\r\n"), "250 2.6.0 ", 10) == 0);
    bed_leave(&client);
    mem_free(header);
    CHECK_U64(smart.messages, 0);
    CHECK(strstr(sender.text, "\r\nStatus: 5.1.2\r\n")); /* there is no such domain */
    fake_hop_close(&smart.hop);
    fake_hop_close(&sender.hop);
    relay_bed_stop(&bed);
}

UNIT_MAIN("mailrace/outbound", {"ways", test_ways}, {"header firewall", test_header_firewall},
          {"rewrite", test_rewrite}, {"later", test_later}, {"report", test_report},
          {"down and crash", test_down_and_crash}, {"too big", test_too_big})
