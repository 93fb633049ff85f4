/* mailrace relay-test: tries the open-relay patterns against a running relay, as a client that it
 * does not trust. The reply to RCPT decides; no message is ever sent.
 *
 * Sessions run in lockstep, several at a time: a relay that makes strangers wait for each refusal
 * makes them wait together.
 *
 * Of the whole battery three are missing that no client can try: a name for its address that
 * the name's owner did not give (69), an address mapped into IPv6, which on the wire is the plain
 * one (73), and a reload meanwhile (75). The borders of ranges (74) take --source, an address at a
 * time.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/arena.h"
#include "core/ipaddr.h"
#include "core/mem.h"

#include "mailrace/cli/cli.h"
#include "mailrace/cli/relay_probe.h"

static const char HELP[] =
    "usage: mailrace relay-test [--host IP:PORT] [--ours DOMAIN] [--source IP] [--json]\n"
    "       mailrace relay-test --list [--json]\n"
    "\n"
    "Tries the open-relay patterns against a running relay and says which pass. Run it\n"
    "from an address that may not relay. No message is sent: the reply to RCPT decides.\n"
    "Exit: 0 closed to strangers and open where it must be, 1 not so, 3 no relay answers.\n"
    "\n"
    "  --host IP:PORT     the relay; default 127.0.0.1:25\n"
    "  --ours DOMAIN      a domain that it takes mail for; without, patterns that need\n"
    "                     one are left out (as are those for STARTTLS where it offers none)\n"
    "  --foreign DOMAIN   a domain that is none of its; default ext.example\n"
    "  --name NAME        what the relay calls itself; default: the name in its greeting\n"
    "  --source IP        the address to come from\n"
    "  --parallel N       sessions at a time; default 16\n"
    "  --list             print the patterns and try nothing\n"
    "  --json             for programs; a character stands for an octet\n";

#define PARALLEL_MAX 256

struct relay_test {
    struct relay_probe_settings to;
    bool list, json;
    unsigned long parallel;
    struct relay_pattern_names names;
    char ip[IPADDR_TEXT_SIZE + 16];
    struct arena arena;
    unsigned refused, accepted, left_out, wrong;
    bool first; /* nothing was printed yet */
};

/* --- What came of it --- */

/* A JSON string: octets as U+0000 to U+00FF, so that nothing is lost. */
static void write_octets(struct bytes text)
{
    putchar('"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '"' || c == '\\')
            printf("\\%c", c);
        else if (c < 0x20 || c > 0x7e)
            printf("\\u%04x", c);
        else
            putchar(c);
    }
    putchar('"');
}

static void write_member(const char *name, struct bytes text)
{
    printf(",\"%s\":", name);
    write_octets(text);
}

static void write_pattern(struct relay_test *test, const struct relay_probe *p)
{
    printf("%s\n {\"id\":\"%s\"", test->first ? "" : ",", p->pattern->id);
    write_member("what", bytes_of(p->pattern->what));
    write_member("mail", p->mail);
    write_member("rcpt", p->rcpt);
    write_member("before", p->before);
    write_member("between", p->between);
    if (p->pattern->after_tls)
        write_member("after_tls", p->after_tls);
    if (p->pattern->beside)
        write_member("beside", p->beside);
    write_member("want", bytes_of(relay_pattern_want_name(p->pattern->want)));
    test->first = false;
}

static bool as_wanted(const struct relay_probe *p)
{
    switch (p->pattern->want) {
    case RELAY_PATTERN_ACCEPTED:
        return !p->over;
    case RELAY_PATTERN_EITHER:
        return !p->over || p->line.reply[0] == '5';
    default:
        return p->over && p->line.reply[0] == '5';
    }
}

/* Only 5xx is a refusal: who says 4xx today may say 250 tomorrow. */
static const char *verdict_of(const struct relay_probe *p)
{
    if (!p->over)
        return "accepted";
    return p->line.reply[0] == '5' ? "refused" : "undecided";
}

static void report(struct relay_test *test, const struct relay_probe *p)
{
    bool good = as_wanted(p);
    if (p->no_tls) {
        test->left_out++;
        return;
    }
    test->accepted += !p->over;
    test->refused += p->over && p->line.reply[0] == '5';
    test->wrong += !good;
    const char *reply = *p->line.reply ? p->line.reply : "the connection ended";
    if (test->json) {
        write_pattern(test, p);
        printf(",\"verdict\":\"%s\",\"stage\":\"%s\"", verdict_of(p), p->stage);
        write_member("reply", bytes_of(reply));
        printf(",\"good\":%s}", good ? "true" : "false");
        return;
    }
    char shown[160], said[160];
    printf("%-5s %-6s %-9s %-30s %s\n      %s: %s\n", good ? "ok" : "WRONG", p->pattern->id,
           verdict_of(p), p->pattern->what, bytes_escape(p->rcpt, shown, sizeof shown), p->stage,
           bytes_escape(bytes_of(reply), said, sizeof said));
}

static void list_one(struct relay_test *test, const struct relay_probe *p)
{
    char mail[160], rcpt[160];
    if (test->json) {
        write_pattern(test, p);
        putchar('}');
        return;
    }
    printf("%-6s %-9s %-30s FROM:%s TO:%s\n", p->pattern->id,
           relay_pattern_want_name(p->pattern->want), p->pattern->what,
           bytes_escape(p->mail, mail, sizeof mail), bytes_escape(p->rcpt, rcpt, sizeof rcpt));
}

/* --- All of them --- */

static bool prepare(struct relay_test *test, const struct relay_pattern *pattern,
                    struct relay_probe *p)
{
    memset(p, 0, sizeof *p);
    p->pattern = pattern;
    p->line.fd = p->other.fd = -1;
    const struct {
        const char *template;
        struct bytes *to;
    } texts[] = {{pattern->mail, &p->mail},           {pattern->rcpt, &p->rcpt},
                 {pattern->before, &p->before},       {pattern->between, &p->between},
                 {pattern->after_tls, &p->after_tls}, {pattern->beside, &p->beside}};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (relay_pattern_expand(&test->arena, texts[i].template ? texts[i].template : "",
                                 &test->names, texts[i].to) != ERR_OK)
            return false;
    return true;
}

static void run_all(struct relay_test *test, struct relay_probe *probes)
{
    size_t count = 0;
    for (size_t i = 0; i < RELAY_PATTERN_COUNT; i++) {
        if (prepare(test, &RELAY_PATTERNS[i], &probes[count]))
            count++;
        else
            test->left_out++;
        bool last = i + 1 == RELAY_PATTERN_COUNT;
        if (!count || (count < test->parallel && !last))
            continue;
        if (!test->list)
            relay_probe_run(&test->to, probes, count);
        for (size_t k = 0; k < count; k++)
            test->list ? list_one(test, &probes[k]) : report(test, &probes[k]);
        count = 0;
        fflush(stdout);
    }
}

/* The first word behind the greeting's code, or 0 when no server answers. */
static bool ask_name(struct relay_test *test)
{
    struct relay_probe_line line;
    if (!relay_probe_connect(&test->to, &line)) {
        fprintf(stderr, "mailrace relay-test: no relay answers: %s\n", strerror(errno));
        return false;
    }
    bool answered = relay_probe_read(&line);
    relay_probe_leave(&line);
    if (!answered) {
        fputs("mailrace relay-test: no relay answers: it took the connection and said nothing\n",
              stderr);
        return false;
    }
    struct bytes name = bytes_from(bytes_of(line.reply), 4), rest;
    bytes_split(name, ' ', &name, &rest);
    if (!test->names.name)
        test->names.name = name.len ? arena_bytes(&test->arena, name).ptr : "relay.invalid";
    return true;
}

static void set_literal(struct relay_test *test)
{
    char text[IPADDR_TEXT_SIZE];
    bool v4 = ipaddr_is_v4(&test->to.host.addr);
    snprintf(test->ip, sizeof test->ip, "[%s%s]",
             v4 ? "" : "IPv6:", ipaddr_format(&test->to.host.addr, text));
    test->names.ip = test->ip;
}

static void begin(struct relay_test *test)
{
    char at[ENDPOINT_TEXT_SIZE];
    test->first = true;
    if (!test->json)
        return;
    fputs("{", stdout);
    if (!test->list)
        printf("\"host\":\"%s\",", endpoint_format(&test->to.host, at));
    fputs("\"patterns\":[", stdout);
}

static void end(const struct relay_test *test)
{
    if (test->json && test->list)
        puts("\n]}");
    else if (test->json)
        printf("\n],\"refused\":%u,\"accepted\":%u,\"left_out\":%u,\"wrong\":%u}\n", test->refused,
               test->accepted, test->left_out, test->wrong);
    else if (!test->list)
        printf("%u refused, %u accepted, %u left out for want of --ours or STARTTLS; %u wrong\n",
               test->refused, test->accepted, test->left_out, test->wrong);
}

static int relay_test(struct relay_test *test)
{
    set_literal(test);
    if (test->list && !test->names.name)
        test->names.name = "relay.test";
    if (test->list && !test->names.ours)
        test->names.ours = "ours.example";
    if (!test->list && !ask_name(test))
        return CLI_NO_RELAY;
    struct relay_probe *probes = MEM_NEW_ARRAY(struct relay_probe, test->parallel);
    begin(test);
    run_all(test, probes);
    end(test);
    mem_free(probes);
    return test->wrong ? CLI_FAILED : CLI_DONE;
}

/* --- Options --- */

enum { HELPED = -1 };

static int parse_option(struct relay_test *test, int opt, const char *value)
{
    uint64_t number;
    switch (opt) {
    case 'H':
        return endpoint_parse(bytes_of(value), &test->to.host) == ERR_OK && test->to.host.port
                   ? CLI_DONE
                   : cli_usage("relay-test", "--host %s: not IP:PORT or [IPv6]:PORT", value);
    case 's':
        test->to.have_source = true;
        return ipaddr_parse(bytes_of(value), &test->to.source.addr) == ERR_OK
                   ? CLI_DONE
                   : cli_usage("relay-test", "--source %s: not an IP address", value);
    case 'o':
        test->names.ours = value;
        return CLI_DONE;
    case 'f':
        test->names.foreign = value;
        return CLI_DONE;
    case 'n':
        test->names.name = value;
        return CLI_DONE;
    case 'p':
        if (bytes_to_u64(bytes_of(value), PARALLEL_MAX, &number) != ERR_OK || number == 0)
            return cli_usage("relay-test", "--parallel %s: 1 to %d", value, PARALLEL_MAX);
        test->parallel = (unsigned long)number;
        return CLI_DONE;
    case 'l':
        test->list = true;
        return CLI_DONE;
    case 'j':
        test->json = true;
        return CLI_DONE;
    case 'h':
        fputs(HELP, stdout);
        return HELPED;
    default:
        return cli_usage("relay-test", "an option is wrong");
    }
}

int cli_relay_test(int argc, char **argv)
{
    static const struct option options[] = {
        {"host", required_argument, NULL, 'H'},    {"ours", required_argument, NULL, 'o'},
        {"foreign", required_argument, NULL, 'f'}, {"name", required_argument, NULL, 'n'},
        {"source", required_argument, NULL, 's'},  {"parallel", required_argument, NULL, 'p'},
        {"list", no_argument, NULL, 'l'},          {"json", no_argument, NULL, 'j'},
        {"help", no_argument, NULL, 'h'},          {0},
    };
    struct relay_test test = {.parallel = 16, .names.foreign = "ext.example"};
    int opt;
    if (endpoint_parse(BYTES("127.0.0.1:25"), &test.to.host) != ERR_OK)
        return CLI_FAILED;
    while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        int bad = parse_option(&test, opt, optarg);
        if (bad)
            return bad == HELPED ? CLI_DONE : bad;
    }
    if (optind != argc)
        return cli_usage("relay-test", "it takes no argument");
    if (test.to.have_source &&
        ipaddr_is_v4(&test.to.source.addr) != ipaddr_is_v4(&test.to.host.addr))
        return cli_usage("relay-test", "--source and --host are of different families");
    arena_init(&test.arena, 0);
    test.to.arena = &test.arena;
    /* A pattern works with any server: no certificate is looked at. */
    if (tls_context_client(&(struct tls_settings){.minimum = "1.2"}, &test.to.tls, NULL) != ERR_OK)
        test.to.tls = NULL;
    (void)signal(SIGPIPE, SIG_IGN); /* a peer may hang up while TLS is writing */
    int exit_code = relay_test(&test);
    tls_context_unref(&test.to.tls);
    arena_free(&test.arena);
    return exit_code;
}
