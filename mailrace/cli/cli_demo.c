/* mailrace demo: a whole relay with a sink behind it, from nothing. Sends itself one message, shows
 * every step of it, then stays up with a one-line summary until Ctrl-C.
 */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/mem.h"
#include "core/metrics.h"
#include "core/thread.h"
#include "bench/sink/smtp_sink.h"

#include "mailrace/cli/cli.h"
#include "mailrace/relay.h"

static const char HELP[] =
    "usage: mailrace demo [--listen IP:PORT]\n"
    "\n"
    "Starts a relay on 127.0.0.1:2525 that delivers to a sink of its own, sends one\n"
    "message through it and prints its trace, then stays up until Ctrl-C. Needs no\n"
    "configuration file and no root. Try, from another terminal:\n"
    "\n"
    "  swaks --server 127.0.0.1:2525 --from you@example.com --to friend@example.net\n"
    "\n"
    "  --listen IP:PORT  listen here instead; port 0 picks a free one\n"
    "  --once            end after the first message\n";

struct demo {
    struct smtp_sink *sink;
    char spool[64];
    const char *listen;
    bool ok, once;
    uint64_t started_ms;
    int64_t accepted_before;
    uint64_t delivered_before;
};

static uint64_t arrived(const struct demo *demo)
{
    struct smtp_sink_counts counts;
    smtp_sink_read(demo->sink, &counts);
    return counts.messages;
}

/* --- One message by hand, in plain blocking steps, every line shown --- */

struct demo_step {
    const char *send; /* NULL: only listen */
    const char *expect;
};

static const struct demo_step STEPS[] = {
    {NULL, "220"},
    {"EHLO app-server.example.com\r\n", "250"},
    {"MAIL FROM:<app@example.com>\r\n", "250"},
    {"RCPT TO:<someone@example.net>\r\n", "250"},
    {"DATA\r\n", "354"},
    {"From: app@example.com\r\nTo: someone@example.net\r\nSubject: the first message\r\n"
     "Message-ID: <first@app-server.example.com>\r\n\r\nHello from mailrace demo.\r\n.\r\n",
     "250"},
    {"QUIT\r\n", "221"},
};

static void show(const struct demo *demo, const char *who, struct bytes text)
{
    struct bytes line, rest = text;
    while (rest.len) {
        char shown[256];
        bytes_split(rest, '\n', &line, &rest);
        printf("%8" PRIu64 " ms  %-8s %s\n", clock_mono_ms() - demo->started_ms, who,
               bytes_escape(bytes_trim_end((struct bytes){line.ptr, line.len ? line.len - 1 : 0}),
                            shown, sizeof shown));
    }
}

/* Reads until the last line of a reply; false when it is not what was expected. */
static bool listen_for(const struct demo *demo, int fd, const char *expect)
{
    char text[4096];
    size_t len = 0;
    for (;;) {
        ssize_t n = recv(fd, text + len, sizeof text - len, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
        size_t line = len;
        while (line >= 2 && text[line - 2] != '\n')
            line--;
        size_t start = line >= 2 ? line - 1 : 0;
        if (text[len - 1] == '\n' && len - start >= 4 && text[start + 3] == ' ')
            break;
        if (len == sizeof text)
            return false;
    }
    show(demo, "relay:", bytes_make(text, len));
    return strncmp(text, expect, 3) == 0;
}

static bool send_first_message(const struct demo *demo, const struct endpoint *relay)
{
    struct sockaddr_storage sa;
    socklen_t len = endpoint_to_sockaddr(relay, &sa);
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&sa, len) == 0;
    for (size_t i = 0; i < ARRAY_SIZE(STEPS) && ok; i++) {
        struct bytes line = bytes_of(STEPS[i].send);
        if (line.len) {
            show(demo, "client:", line);
            ok = send(fd, line.ptr, line.len, MSG_NOSIGNAL) == (ssize_t)line.len;
        }
        ok = ok && listen_for(demo, fd, STEPS[i].expect);
    }
    if (fd >= 0)
        close(fd);
    return ok;
}

static void show_first_message(struct relay *relay, struct demo *demo)
{
    char at[ENDPOINT_TEXT_SIZE], sink_at[ENDPOINT_TEXT_SIZE];
    struct endpoint sink = smtp_sink_address(demo->sink);
    printf("mailrace demo: relay on %s, spool in %s, sink on %s\n\n",
           endpoint_format(&relay->bindings.list[0], at), demo->spool,
           endpoint_format(&sink, sink_at));
    demo->started_ms = clock_mono_ms();
    demo->ok = send_first_message(demo, &relay->bindings.list[0]);
    for (int i = 0; i < 1000 && demo->ok && arrived(demo) == 0; i++)
        usleep(5000);
    demo->ok = demo->ok && arrived(demo) > 0;
    printf("%8" PRIu64 " ms  %-8s %s\n\n", clock_mono_ms() - demo->started_ms,
           "sink:", demo->ok ? "the message has arrived" : "the message did not arrive");
    if (demo->once)
        kill(getpid(), SIGTERM);
    else
        printf("It stays up: send it mail. Ctrl-C ends it.\n");
    fflush(stdout);
}

static void on_started(struct relay *relay, void *owner)
{
    show_first_message(relay, owner);
}

static void on_second(struct relay *relay, void *owner)
{
    struct demo *demo = owner;
    int64_t accepted = metrics_read(metrics_counter("mailrace_messages_accepted_total", ""));
    uint64_t delivered = arrived(demo);
    struct sched_stats queue;
    sched_stats_read(relay->sched, &queue);
    printf("%s%" PRIi64 " accepted (%" PRIi64 "/s), %" PRIu64 " delivered (%" PRIu64 "/s), %" PRIu64
           " queued, %" PRIuFAST64 " sessions%s",
           isatty(STDOUT_FILENO) ? "\r" : "", accepted, accepted - demo->accepted_before, delivered,
           delivered - demo->delivered_before, queue.messages, atomic_load(&relay->sessions),
           isatty(STDOUT_FILENO) ? "   " : "\n");
    demo->accepted_before = accepted;
    demo->delivered_before = delivered;
    fflush(stdout);
}

/* --- Around it --- */

static char *configuration(const struct demo *demo)
{
    char sink_at[ENDPOINT_TEXT_SIZE], *text = NULL;
    struct endpoint sink = smtp_sink_address(demo->sink);
    endpoint_format(&sink, sink_at);
    unsigned port = sink.port;
    int n = asprintf(&text,
                     "hostname = \"demo.mailrace.example\";\n"
                     "spool = { path = \"%s\"; };\n"
                     "log = { level = \"warning\"; };\n"
                     "accepted_domains = ( { name = \"example.com\"; default = true; } );\n"
                     "receive_connectors = ( { name = \"Demo\"; bindings = [ \"%s\" ];\n"
                     "  remote_ip_ranges = [ \"127.0.0.0/8\", \"::1\" ];\n"
                     "  permission_groups = [ \"AnonymousUsers\" ];\n"
                     "  max_inbound_connection_per_source = \"unlimited\";\n"
                     "  max_inbound_connection_percentage_per_source = 100;\n"
                     "  permissions = ( { user = \"Anonymous\";\n"
                     "    allow = [ \"ms-Exch-SMTP-Accept-Any-Recipient\" ]; } ); } );\n"
                     "send_connectors = ( { name = \"Sink\"; address_spaces = [ \"*\" ];\n"
                     "  dns_routing_enabled = false; smart_hosts = [ \"[127.0.0.1]:%u\" ]; } );\n",
                     demo->spool, demo->listen, port);
    return n < 0 ? NULL : text;
}

static void print_fault(void *owner, const struct conf_fault *fault)
{
    (void)owner;
    if (!fault->is_warning)
        fprintf(stderr, "mailrace demo: %s: %s: %s\n", fault->where, fault->key, fault->text);
}

/* The spool is two levels of plain files that we made. */
static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char name[512];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (unlink(name) != 0 && errno == EISDIR)
            remove_tree(name);
    }
    if (dir)
        closedir(dir);
    if (rmdir(path) != 0 && errno != ENOENT)
        fprintf(stderr, "mailrace demo: %s: cannot be removed: %s\n", path, strerror(errno));
}

static int demo_run(struct demo *demo)
{
    struct err_detail why = {""};
    struct conf *conf = NULL;
    struct ruleset *rules = NULL;
    struct endpoint any = {.addr = {{[10] = 0xff, 0xff, 127, 0, 0, 1}}};
    if (smtp_sink_start(&any, 1, &demo->sink, &why) != ERR_OK) {
        fprintf(stderr, "mailrace demo: %s\n", why.text);
        return CLI_FAILED;
    }
    char *text = configuration(demo);
    enum err e = text ? conf_load_text(text, "demo", print_fault, NULL, &conf, &rules) : ERR_LIMIT;
    free(text);
    if (e != ERR_OK)
        return CLI_FAILED;
    int exit_code = cli_serve(conf, rules, on_started, demo->once ? NULL : on_second, demo);
    return demo->ok ? exit_code : CLI_FAILED;
}

int cli_demo(int argc, char **argv)
{
    static const struct option options[] = {
        {"listen", required_argument, NULL, 'l'},
        {"once", no_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct demo demo = {.listen = "127.0.0.1:2525"};
    int opt;
    while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (opt) {
        case 'l':
            demo.listen = optarg;
            break;
        case 'o':
            demo.once = true;
            break;
        case 'h':
            fputs(HELP, stdout);
            return CLI_DONE;
        default:
            return cli_usage("demo", "an option is wrong");
        }
    }
    if (optind != argc)
        return cli_usage("demo", "it takes no argument");
    struct endpoint at;
    if (endpoint_parse(bytes_of(demo.listen), &at) != ERR_OK)
        return cli_usage("demo", "--listen %s: not IP:PORT", demo.listen);
    const char *tmp = getenv("TMPDIR");
    snprintf(demo.spool, sizeof demo.spool, "%s/mailrace-demo-XXXXXX",
             tmp && strlen(tmp) < 32 ? tmp : "/tmp");
    if (!mkdtemp(demo.spool)) {
        fprintf(stderr, "mailrace demo: %s: %s\n", demo.spool, strerror(errno));
        return CLI_FAILED;
    }
    thread_main_init();
    int exit_code = demo_run(&demo);
    smtp_sink_stop(&demo.sink);
    thread_main_exit();
    remove_tree(demo.spool);
    return exit_code;
}
