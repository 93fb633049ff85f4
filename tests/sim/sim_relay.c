/* A whole relay for days on a virtual clock: the real inbound and outbound with scheduler and
 * spool, clients and next hops in memory. Next hops are down at times and refuse, connections are
 * cut, the relay crashes. In the end every recipient that was answered 250 has its message, or its
 * sender has a report; and no other has.
 *
 * SEED=n, or the first argument, plays a run again.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/rand.h"
#include "net/smtp_extension.h"

#include "fake_hop.h"
#include "relay_bed.h"

#define MINUTE_MS 60000
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)
#define DESTS     8   /* d0.test to d7.test */
#define SENDER    200 /* d200.test: reports go there; it is always up */
#define RCPTS_MAX 4
#define TEXT_MAX  24000 /* beyond the inline limit */
#define STEP_MS   20000

static const char config[] =
    "hostname = \"relay.test\";\n"
    "runtime = { smart_host_threads = 1; mx_threads = 2; };\n"
    "accepted_domains = ( { name = \"relay.test\"; default = true; } );\n"
    "receive_connectors = ( { name = \"In\"; bindings = [ \"192.0.2.1:25\" ];\n"
    "    remote_ip_ranges = [ \"10.0.0.0/8\" ]; permission_groups = [ \"ExchangeServers\" ];\n"
    "    auth_mechanism = [ \"ExternalAuthoritative\" ];\n"
    "    max_inbound_connection_per_source = \"unlimited\";\n"
    "    max_inbound_connection_percentage_per_source = 100; } );\n"
    "send_connectors = (\n"
    "  { name = \"Smart\"; address_spaces = [ \"d0.test\", \"d1.test\" ];\n"
    "    dns_routing_enabled = false; smart_hosts = [ \"mx0.test\", \"mx1.test\" ]; },\n"
    "  { name = \"Internet\"; address_spaces = [ \"*\" ]; } );\n";

struct scenario {
    const char *name;
    int messages;
    unsigned down_percent, temp_percent, perm_percent;
    unsigned cut_odds, crash_odds; /* one write, one turn in so many; 0: none */
};

struct rcpt {
    int dest;
    int delivered, reported;
    bool refused; /* with 5xx by its next hop */
};

enum answer { ANSWER_NONE, ANSWER_TAKEN, ANSWER_REFUSED };

struct message {
    enum answer answer; /* NONE: the client never heard, and must reckon with both */
    size_t rcpt_count;
    struct rcpt rcpts[RCPTS_MAX];
};

struct dest {
    struct fake_hop hop;
    bool up;
    int64_t flip_at_ms;
};

/* A client with one message. */
struct sender {
    struct cds_list_head link;
    struct conn *conn;
    struct buf line;
    int number;
    size_t replies, wanted; /* read of those that the last commands bring */
    enum { SENDER_GREETING, SENDER_HELLO, SENDER_ENVELOPE, SENDER_TEXT, SENDER_OVER } state;
};

static struct {
    const struct scenario *scenario;
    struct relay_bed bed;
    struct message *messages;
    int sent;
    struct dest dests[DESTS], senders_host;
    struct cds_list_head senders;
    struct timer arrival;
    unsigned crashes, wrong;
} sim;

static bool chance(unsigned percent)
{
    return rand_below(100) < percent;
}

static void wrong(const char *what, int message, int rcpt)
{
    if (sim.wrong++ < 20)
        fprintf(stderr, "%s: message %d recipient %d: %s\n", sim.scenario->name, message, rcpt,
                what);
}

/* --- The messages --- */

static size_t make_text(int number, char to[TEXT_MAX])
{
    size_t len = (size_t)snprintf(to, TEXT_MAX, "Subject: %d\r\n\r\n", number);
    size_t total = 100 + (size_t)number * 2654435761u % (TEXT_MAX - 300);
    while (len < total)
        len +=
            (size_t)snprintf(to + len, TEXT_MAX - len, "line %zu of message %d\r\n", len, number);
    return len;
}

/* "m12r3@d4.test" */
static struct rcpt *find_rcpt(const char *text, int *number, int *index)
{
    if (sscanf(text, "m%dr%d@", number, index) != 2 || *number >= sim.sent || *number < 0 ||
        *index < 0 || (size_t)*index >= sim.messages[*number].rcpt_count)
        return NULL;
    return &sim.messages[*number].rcpts[*index];
}

/* --- Next hops --- */

static struct rcpt *rcpt_of(struct bytes address, int *number, int *index)
{
    char text[128];
    if (!bytes_to_cstr(address, text, sizeof text))
        return NULL;
    return find_rcpt(text, number, index);
}

static void on_rcpt(void *owner, struct bytes address, struct mail_status *status)
{
    int number, index;
    struct rcpt *rcpt = rcpt_of(address, &number, &index);
    (void)owner;
    if (!rcpt) {
        wrong("an unknown recipient", -1, -1);
    } else if (chance(sim.scenario->perm_percent)) {
        rcpt->refused = true;
        *status = MAIL_STATUS(550, 5, 1, 1, "Unknown user");
    } else if (chance(sim.scenario->temp_percent)) {
        *status = MAIL_STATUS(450, 4, 2, 0, "Greylisted");
    }
}

static void on_message(void *owner, const struct mail_envelope *envelope, struct bytes text,
                       struct mail_status *status)
{
    static char expected[TEXT_MAX];
    struct dest *dest = owner;
    (void)status;
    for (size_t i = 0; i < envelope->rcpt_count; i++) {
        int number, index;
        struct rcpt *rcpt = rcpt_of(envelope->rcpts[i].address, &number, &index);
        if (!rcpt)
            return;
        rcpt->delivered++;
        bool smart = rcpt->dest < 2 && dest < &sim.dests[2];
        if (!smart && dest != &sim.dests[rcpt->dest])
            wrong("at the wrong host", number, index);
        size_t len = make_text(number, expected);
        if (text.len < len || memcmp(text.ptr + text.len - len, expected, len) != 0 ||
            strncmp(text.ptr, "Received: from client.test", 26) != 0)
            wrong("the text has changed", number, index);
    }
}

/* A report reached the sender: about which recipients? */
static void on_report(void *owner, const struct mail_envelope *envelope, struct bytes text,
                      struct mail_status *status)
{
    static const char field[] = "\r\nFinal-Recipient: rfc822; ";
    char *copy = mem_zalloc(text.len + 1);
    (void)owner;
    (void)status;
    memcpy(copy, text.ptr, text.len);
    if (envelope->sender.len > 0)
        wrong("a report with a sender", -1, -1);
    for (const char *at = copy; (at = strstr(at, field));) {
        int number, index;
        at += strlen(field);
        struct rcpt *rcpt = find_rcpt(at, &number, &index);
        const char *action = strstr(at, "\r\nAction: ");
        if (!rcpt)
            wrong("a report about an unknown recipient", -1, -1);
        else if (action && strncmp(action + 10, "failed", 6) == 0)
            rcpt->reported++;
    }
    mem_free(copy);
}

static void open_dest(struct dest *dest, unsigned number)
{
    char at[40];
    snprintf(at, sizeof at, "203.0.113.%u:25", number);
    dest->hop.owner = dest;
    dest->hop.extensions = SMTP_EXTENSION_PIPELINING | SMTP_EXTENSION_ENHANCEDSTATUSCODES;
    dest->hop.on_rcpt = number == SENDER ? NULL : on_rcpt;
    dest->hop.on_message = number == SENDER ? on_report : on_message;
    fake_hop_open(&dest->hop, sim.bed.loop, at);
    dest->up = true;
}

static void flip_dests(void)
{
    unsigned percent = sim.scenario->down_percent;
    for (unsigned i = 0; percent > 0 && i < DESTS; i++) {
        struct dest *dest = &sim.dests[i];
        if (clock_wall_ms() < dest->flip_at_ms)
            continue;
        uint64_t length = 1 + rand_below(chance(80) ? 2 * HOUR_MS : 3 * DAY_MS);
        if (dest->up) {
            fake_hop_close(&dest->hop);
            dest->up = false;
        } else {
            open_dest(dest, i);
        }
        dest->flip_at_ms =
            clock_wall_ms() + (int64_t)(dest->up ? length * (100 - percent) / percent : length);
    }
}

/* --- Clients --- */

static void say(struct sender *s, struct bytes text)
{
    enum err e = conn_write(s->conn, text);
    (void)e; /* a failure ends in on_closed() */
    s->replies = 0;
}

static void say_envelope(struct sender *s)
{
    struct message *m = &sim.messages[s->number];
    char text[1000];
    size_t len = (size_t)snprintf(text, sizeof text, "MAIL FROM:<u@d%d.test>\r\n", SENDER);
    for (size_t i = 0; i < m->rcpt_count; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "RCPT TO:<m%dr%zu@d%d.test>\r\n",
                                s->number, i, m->rcpts[i].dest);
    len += (size_t)snprintf(text + len, sizeof text - len, "DATA\r\n");
    s->wanted = m->rcpt_count + 2;
    s->state = SENDER_ENVELOPE;
    say(s, bytes_make(text, len));
}

static void say_text(struct sender *s)
{
    static char text[TEXT_MAX + 8];
    size_t len = make_text(s->number, text);
    memcpy(text + len, ".\r\n", 3);
    s->wanted = 1;
    s->state = SENDER_TEXT;
    say(s, bytes_make(text, len + 3));
}

/* The last reply to what was said; the relay takes all recipients or none. */
static void on_reply(struct sender *s, int code)
{
    struct message *m = &sim.messages[s->number];
    if (code >= 400) {
        m->answer = ANSWER_REFUSED;
        s->state = SENDER_OVER;
        return;
    }
    switch (s->state) {
    case SENDER_GREETING:
        s->wanted = 1;
        s->state = SENDER_HELLO;
        say(s, BYTES("EHLO client.test\r\n"));
        break;
    case SENDER_HELLO:
        say_envelope(s);
        break;
    case SENDER_ENVELOPE:
        say_text(s);
        break;
    case SENDER_TEXT:
        m->answer = ANSWER_TAKEN;
        s->state = SENDER_OVER;
        break;
    case SENDER_OVER:
        break;
    }
}

static void on_line(struct sender *s, struct bytes line)
{
    int code = line.len >= 4 ? (line.ptr[0] - '0') * 100 : 500;
    bool last = line.len < 4 || line.ptr[3] == ' ';
    if (!last || s->state == SENDER_OVER)
        return;
    s->replies++;
    if (s->replies == s->wanted || code >= 400)
        on_reply(s, code);
}

static void sender_free(struct sender *s)
{
    conn_abort(&s->conn);
    list_remove(&s->link);
    buf_free(&s->line);
    mem_free(s);
}

static size_t on_input(void *owner, struct bytes in)
{
    struct sender *s = owner;
    for (size_t i = 0; i < in.len; i++) {
        enum err e = buf_append(&s->line, bytes_make(in.ptr + i, 1));
        ASSERT(e == ERR_OK);
        if (in.ptr[i] != '\n')
            continue;
        on_line(s, buf_bytes(&s->line));
        buf_clear(&s->line);
    }
    return in.len;
}

static void on_closed(void *owner, enum err reason, const char *text)
{
    struct sender *s = owner;
    (void)reason;
    (void)text;
    s->conn = NULL;
    s->state = SENDER_OVER;
}

static void drop_senders(bool all)
{
    LIST_EACH_SAFE (s, &sim.senders, struct sender, link)
        if (all || s->state == SENDER_OVER)
            sender_free(s);
}

static void send_one(void)
{
    static const struct conn_ops ops = {.on_input = on_input, .on_closed = on_closed};
    struct endpoint from = {.port = 40000}, at;
    struct sender *s = MEM_NEW(struct sender);
    struct message *m = &sim.messages[sim.sent];
    enum err e = ipaddr_parse(BYTES("10.1.2.3"), &from.addr);
    e = e == ERR_OK ? endpoint_parse(BYTES(BED_AT), &at) : e;
    ASSERT(e == ERR_OK);
    m->rcpt_count = 1 + (size_t)rand_below(RCPTS_MAX);
    for (size_t i = 0; i < m->rcpt_count; i++)
        m->rcpts[i].dest = (int)rand_below(DESTS);
    s->number = sim.sent++;
    s->wanted = 1;
    buf_init(&s->line, SIZE_MAX);
    list_add(&sim.senders, &s->link);
    s->conn = fake_net_connect(sim.bed.loop, &from, &at, &ops, s);
}

static void on_arrival(struct timer *t)
{
    for (uint64_t n = chance(5) ? 1 + rand_below(20) : 1; n > 0; n--)
        if (sim.sent < sim.scenario->messages)
            send_one();
    uint64_t gap = (uint64_t)(3 * DAY_MS) / (uint64_t)sim.scenario->messages;
    timer_set(loop_timers(sim.bed.loop), t, clock_mono_ms() + 1 + rand_below(gap));
}

/* --- The run --- */

/* The disk goes first: in a few turns more the relay must not promise anything. */
static void crash(void)
{
    sim.crashes++;
    sim.bed.disk_dead = true;
    for (uint64_t n = rand_below(6); n > 0; n--)
        relay_bed_turn(&sim.bed);
    relay_bed_crash(&sim.bed);
}

static bool is_over(void)
{
    struct sched_stats stats;
    sched_stats_read(sim.bed.sched, &stats);
    return sim.sent >= sim.scenario->messages && list_empty(&sim.senders) && stats.messages == 0;
}

static void run_days(void)
{
    while (clock_wall_ms() < BED_START_MS + 9 * (int64_t)DAY_MS) {
        bool any = relay_bed_turn(&sim.bed);
        drop_senders(false);
        if (any && sim.scenario->crash_odds && rand_below(sim.scenario->crash_odds) == 0)
            crash();
        if (any)
            continue;
        if (is_over())
            break;
        flip_dests();
        uint64_t next = timer_wheel_next(loop_timers(sim.bed.loop)), now = clock_mono_ms();
        clock_virtual_advance(next <= now ? 1 : next - now < STEP_MS ? next - now : STEP_MS);
    }
}

/* --- The reckoning --- */

static void check_rcpt(int number, int index)
{
    const struct message *m = &sim.messages[number];
    const struct rcpt *r = &m->rcpts[index];
    bool exact = sim.scenario->cut_odds == 0 && sim.scenario->crash_odds == 0;
    if (m->answer == ANSWER_REFUSED && (r->delivered || r->reported))
        wrong("refused, and handled all the same", number, index);
    if (m->answer == ANSWER_NONE && exact)
        wrong("the client was not answered", number, index);
    if (m->answer != ANSWER_TAKEN)
        return;
    if (r->delivered == 0 && r->reported == 0)
        wrong("lost", number, index);
    if (exact && r->delivered + r->reported != 1)
        wrong("delivered or reported twice", number, index);
    if (exact && r->refused && r->delivered)
        wrong("refused and delivered", number, index);
}

static void check_all(void)
{
    struct sched_stats stats;
    struct spool_stats spool;
    uint64_t taken = 0;
    sched_stats_read(sim.bed.sched, &stats);
    spool_stats_read(sim.bed.spool, &spool);
    if (stats.messages != 0 || spool.live_messages != 0)
        wrong("something is left", (int)stats.messages, (int)spool.live_messages);
    for (int i = 0; i < sim.sent; i++) {
        taken += sim.messages[i].answer == ANSWER_TAKEN;
        for (size_t r = 0; r < sim.messages[i].rcpt_count; r++)
            check_rcpt(i, (int)r);
    }
    if (taken * 2 < (uint64_t)sim.sent)
        wrong("hardly anything was taken", (int)taken, -1);
    printf("%-30s %5d messages %5" PRIu64 " taken %4u crashes %3u wrong\n", sim.scenario->name,
           sim.sent, taken, sim.crashes, sim.wrong);
}

static const struct scenario scenarios[] = {
    {.name = "a calm world", .messages = 300},
    {.name = "every answer", .messages = 300, .temp_percent = 30, .perm_percent = 15},
    {.name = "dead next hops", .messages = 300, .down_percent = 40, .perm_percent = 5},
    {.name = "cut connections", .messages = 300, .cut_odds = 60, .temp_percent = 10},
    {.name = "crashes", .messages = 300, .crash_odds = 40, .temp_percent = 10, .perm_percent = 5},
    {.name = "all of it",
     .messages = 400,
     .down_percent = 20,
     .temp_percent = 20,
     .perm_percent = 10,
     .cut_odds = 200,
     .crash_odds = 200},
};

static bool run(const struct scenario *scenario, uint64_t seed)
{
    memset(&sim, 0, sizeof sim);
    sim.scenario = scenario;
    sim.messages = MEM_NEW_ARRAY(struct message, (size_t)scenario->messages);
    list_init(&sim.senders);
    rand_seed(seed);
    relay_bed_start(&sim.bed, config, true);
    for (unsigned i = 0; i < DESTS; i++)
        open_dest(&sim.dests[i], i);
    open_dest(&sim.senders_host, SENDER);
    fake_net_cuts(scenario->cut_odds);
    sim.arrival.on_due = on_arrival;
    timer_set(loop_timers(sim.bed.loop), &sim.arrival, clock_mono_ms() + 1);
    run_days();
    check_all();
    timer_cancel(&sim.arrival);
    drop_senders(true);
    for (unsigned i = 0; i < DESTS; i++)
        fake_hop_close(&sim.dests[i].hop);
    fake_hop_close(&sim.senders_host.hop);
    relay_bed_stop(&sim.bed);
    mem_free(sim.messages);
    return sim.wrong == 0;
}

int main(int argc, char **argv)
{
    const char *text = argc > 1 ? argv[1] : getenv("SEED");
    uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
    int passed = 0, failed = 0;
    printf("SEED=%" PRIu64 "\n", seed);
    for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++)
        *(run(&scenarios[i], seed + i) ? &passed : &failed) += 1;
    printf("%d passed, %d failed\n", passed, failed);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
