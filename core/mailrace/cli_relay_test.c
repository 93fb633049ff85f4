/* mailrace relay-test: tries the open-relay patterns against a running relay, as a client that it
 * does not trust. The reply to RCPT decides; no message is ever sent.
 *
 * Sessions run in lockstep, several at a time: a relay that makes strangers wait for each refusal
 * makes them wait together.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/arena.h"
#include "core/ipaddr.h"
#include "core/mem.h"

#include "cli.h"
#include "relay_patterns.h"

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
    "                     one are left out\n"
    "  --foreign DOMAIN   a domain that is none of its; default ext.example\n"
    "  --name NAME        what the relay calls itself; default: the name in its greeting\n"
    "  --source IP        the address to come from\n"
    "  --parallel N       sessions at a time; default 16\n"
    "  --list             print the patterns and try nothing\n"
    "  --json             for programs; a character stands for an octet\n";

#define PARALLEL_MAX    256
#define REPLY_OCTETS    1024 /* of a reply's last line */
#define REPLY_TIMEOUT_S 60

struct relay_test {
    struct endpoint host, source;
    bool have_source, list, json;
    unsigned long parallel;
    struct relay_pattern_names names;
    char ip[IPADDR_TEXT_SIZE + 16];
    struct arena arena;
    unsigned refused, accepted, left_out, wrong;
    bool first; /* nothing was printed yet */
};

/* One pattern in one session of its own. A reply that is not 2xx ends it and is the answer. */
struct probe {
    const struct relay_pattern *pattern;
    struct bytes mail, rcpt, before, between;
    int fd;
    bool over, asked;
    const char *stage;        /* of REPLY */
    char reply[REPLY_OCTETS]; /* last line, "" when the connection ended instead */
    char in[512];             /* read, not looked at yet */
    size_t in_at, in_len;
};

/* --- Sessions --- */

static int open_session(const struct relay_test *test)
{
    const struct timeval patience = {.tv_sec = REPLY_TIMEOUT_S};
    struct sockaddr_storage to, from;
    socklen_t to_len = endpoint_to_sockaddr(&test->host, &to);
    socklen_t from_len = endpoint_to_sockaddr(&test->source, &from);
    int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
        (test->have_source && bind(fd, (struct sockaddr *)&from, from_len) != 0) ||
        connect(fd, (struct sockaddr *)&to, to_len) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

/* RFC 5321 4.2.1: "NNN-" goes on, "NNN " is the last line. */
static bool is_last_line(const char *line, size_t len)
{
    return len < 4 || line[3] != '-';
}

static bool next_octet(struct probe *p, char *c)
{
    if (p->in_at == p->in_len) {
        ssize_t n = recv(p->fd, p->in, sizeof p->in, 0);
        if (n <= 0)
            return false;
        p->in_at = 0;
        p->in_len = (size_t)n;
    }
    *c = p->in[p->in_at++];
    return true;
}

/* Reads a whole reply and keeps its last line. */
static bool read_reply(struct probe *p)
{
    size_t len = 0;
    char c;
    while (next_octet(p, &c)) {
        if (c != '\n') {
            if (c != '\r' && len < sizeof p->reply - 1)
                p->reply[len++] = c;
            continue;
        }
        p->reply[len] = '\0';
        if (is_last_line(p->reply, len))
            return true;
        len = 0;
    }
    p->reply[0] = '\0';
    return false;
}

/* The same step of every session of a batch: first all speak, then all listen. */
static void step(struct probe *probes, size_t count, const char *stage,
                 struct bytes (*line)(struct relay_test *, const struct probe *),
                 struct relay_test *test)
{
    for (size_t i = 0; i < count; i++) {
        struct probe *p = &probes[i];
        if (p->over)
            continue;
        p->stage = stage;
        struct bytes text = line ? line(test, p) : BYTES_EMPTY;
        if (text.len && send(p->fd, text.ptr, text.len, MSG_NOSIGNAL) != (ssize_t)text.len) {
            p->over = true;
            p->reply[0] = '\0';
        }
    }
    for (size_t i = 0; i < count; i++)
        if (!probes[i].over && (!read_reply(&probes[i]) || probes[i].reply[0] != '2'))
            probes[i].over = true;
}

static struct bytes ehlo_line(struct relay_test *test, const struct probe *p)
{
    (void)p;
    (void)test;
    return BYTES("EHLO relay-test.invalid\r\n");
}

/* PREFIX, what may hold any octet, CRLF. */
static struct bytes command(struct relay_test *test, const char *prefix, struct bytes argument)
{
    size_t before = strlen(prefix), len = before + argument.len + 2;
    char *text = arena_alloc(&test->arena, len);
    memcpy(text, prefix, before);
    memcpy(text + before, argument.ptr, argument.len);
    memcpy(text + len - 2, "\r\n", 2);
    return bytes_make(text, len);
}

static struct bytes mail_line(struct relay_test *test, const struct probe *p)
{
    return command(test, "MAIL FROM:", p->mail);
}

static struct bytes rcpt_line(struct relay_test *test, const struct probe *p)
{
    return command(test, "RCPT TO:", p->rcpt);
}

/* Forgets what was accepted, whatever comes back. */
static void leave(struct probe *p)
{
    static const char quit[] = "RSET\r\nQUIT\r\n";
    if (p->fd < 0)
        return;
    if (send(p->fd, quit, sizeof quit - 1, MSG_NOSIGNAL) > 0)
        shutdown(p->fd, SHUT_WR);
    for (char rest[512]; recv(p->fd, rest, sizeof rest, 0) > 0;)
        ;
    close(p->fd);
}

/* Says the lines of every session of a batch one by one, and does not mind the answers. */
static void set_scene(struct probe *probes, size_t count, bool between, struct relay_test *test)
{
    struct bytes *rest = MEM_NEW_ARRAY(struct bytes, count);
    for (size_t i = 0; i < count; i++)
        rest[i] = between ? probes[i].between : probes[i].before;
    for (bool any = true; any;) {
        any = false;
        for (size_t i = 0; i < count; i++) {
            struct probe *p = &probes[i];
            struct bytes line;
            p->asked = !p->over && rest[i].len > 0;
            if (!p->asked)
                continue;
            any = true;
            p->stage = "scene";
            bytes_split(rest[i], '\n', &line, &rest[i]);
            line = command(test, "", line);
            p->over = send(p->fd, line.ptr, line.len, MSG_NOSIGNAL) != (ssize_t)line.len;
        }
        for (size_t i = 0; i < count; i++)
            if (probes[i].asked && !probes[i].over)
                probes[i].over = !read_reply(&probes[i]);
    }
    mem_free(rest);
}

static void run_batch(struct relay_test *test, struct probe *probes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        probes[i].fd = open_session(test);
        probes[i].over = probes[i].fd < 0;
        probes[i].stage = "connect";
    }
    step(probes, count, "greeting", NULL, test);
    step(probes, count, "EHLO", ehlo_line, test);
    set_scene(probes, count, false, test);
    step(probes, count, "MAIL", mail_line, test);
    set_scene(probes, count, true, test);
    step(probes, count, "RCPT", rcpt_line, test);
    for (size_t i = 0; i < count; i++)
        leave(&probes[i]);
}

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

static void write_pattern(struct relay_test *test, const struct probe *p)
{
    printf("%s\n {\"id\":\"%s\"", test->first ? "" : ",", p->pattern->id);
    write_member("what", bytes_of(p->pattern->what));
    write_member("mail", p->mail);
    write_member("rcpt", p->rcpt);
    write_member("before", p->before);
    write_member("between", p->between);
    write_member("want", bytes_of(relay_pattern_want_name(p->pattern->want)));
    test->first = false;
}

static bool as_wanted(const struct probe *p)
{
    switch (p->pattern->want) {
    case RELAY_PATTERN_ACCEPTED:
        return !p->over;
    case RELAY_PATTERN_EITHER:
        return !p->over || p->reply[0] == '5';
    default:
        return p->over && p->reply[0] == '5';
    }
}

/* Only 5xx is a refusal: who says 4xx today may say 250 tomorrow. */
static const char *verdict_of(const struct probe *p)
{
    if (!p->over)
        return "accepted";
    return p->reply[0] == '5' ? "refused" : "undecided";
}

static void report(struct relay_test *test, const struct probe *p)
{
    bool good = as_wanted(p);
    test->accepted += !p->over;
    test->refused += p->over && p->reply[0] == '5';
    test->wrong += !good;
    const char *reply = *p->reply ? p->reply : "the connection ended";
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

static void list_one(struct relay_test *test, const struct probe *p)
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

static bool prepare(struct relay_test *test, const struct relay_pattern *pattern, struct probe *p)
{
    memset(p, 0, sizeof *p);
    p->pattern = pattern;
    p->fd = -1;
    const struct {
        const char *template;
        struct bytes *to;
    } texts[] = {{pattern->mail, &p->mail},
                 {pattern->rcpt, &p->rcpt},
                 {pattern->before, &p->before},
                 {pattern->between, &p->between}};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (relay_pattern_expand(&test->arena, texts[i].template ? texts[i].template : "",
                                 &test->names, texts[i].to) != ERR_OK)
            return false;
    return true;
}

static void run_all(struct relay_test *test, struct probe *probes)
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
            run_batch(test, probes, count);
        for (size_t k = 0; k < count; k++)
            test->list ? list_one(test, &probes[k]) : report(test, &probes[k]);
        count = 0;
        fflush(stdout);
    }
}

/* The first word behind the greeting's code, or 0 when nobody answers. */
static bool ask_name(struct relay_test *test)
{
    struct probe p = {.fd = open_session(test)};
    if (p.fd < 0) {
        fprintf(stderr, "mailrace relay-test: no relay answers: %s\n", strerror(errno));
        return false;
    }
    bool answered = read_reply(&p);
    leave(&p);
    if (!answered) {
        fputs("mailrace relay-test: no relay answers: it took the connection and said nothing\n",
              stderr);
        return false;
    }
    struct bytes name = bytes_from(bytes_of(p.reply), 4), rest;
    bytes_split(name, ' ', &name, &rest);
    if (!test->names.name)
        test->names.name = name.len ? arena_bytes(&test->arena, name).ptr : "relay.invalid";
    return true;
}

static void set_literal(struct relay_test *test)
{
    char text[IPADDR_TEXT_SIZE];
    bool v4 = ipaddr_is_v4(&test->host.addr);
    snprintf(test->ip, sizeof test->ip, "[%s%s]",
             v4 ? "" : "IPv6:", ipaddr_format(&test->host.addr, text));
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
        printf("\"host\":\"%s\",", endpoint_format(&test->host, at));
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
        printf("%u refused, %u accepted, %u left out for want of --ours; %u wrong\n", test->refused,
               test->accepted, test->left_out, test->wrong);
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
    struct probe *probes = MEM_NEW_ARRAY(struct probe, test->parallel);
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
        return endpoint_parse(bytes_of(value), &test->host) == ERR_OK && test->host.port
                   ? CLI_DONE
                   : cli_usage("relay-test", "--host %s: not IP:PORT or [IPv6]:PORT", value);
    case 's':
        test->have_source = true;
        return ipaddr_parse(bytes_of(value), &test->source.addr) == ERR_OK
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
    if (endpoint_parse(BYTES("127.0.0.1:25"), &test.host) != ERR_OK)
        return CLI_FAILED;
    while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        int bad = parse_option(&test, opt, optarg);
        if (bad)
            return bad == HELPED ? CLI_DONE : bad;
    }
    if (optind != argc)
        return cli_usage("relay-test", "it takes no argument");
    if (test.have_source && ipaddr_is_v4(&test.source.addr) != ipaddr_is_v4(&test.host.addr))
        return cli_usage("relay-test", "--source and --host are of different families");
    arena_init(&test.arena, 0);
    int exit_code = relay_test(&test);
    arena_free(&test.arena);
    return exit_code;
}
