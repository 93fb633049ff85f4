/* mailrace run: the relay in the foreground. The main thread reads signals and reloads. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

#ifdef MAILRACE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "core/log.h"
#include "core/thread.h"

#include "mailrace/cli/cli.h"
#include "mailrace/relay.h"
#include "mailrace/reload.h"

#define DRAIN_MS 30000

static const char HELP[] =
    "usage: mailrace run -c FILE\n"
    "\n"
    "Runs the relay in the foreground. SIGHUP reads FILE again (a faulty file changes\n"
    "nothing); SIGTERM and SIGINT end it: open sessions get 421, deliveries under way\n"
    "finish, at most 30 seconds.\n"
    "\n"
    "  -c, --config FILE  the configuration\n";

/* Tells the service manager, where there is one. */
static void notify(const char *state)
{
#ifdef MAILRACE_SYSTEMD
    if (sd_notify(0, state) < 0)
        LOG(LOG_WARNING, "notify_failed", LOG_STR("state", state));
#else
    (void)state;
#endif
}

static int open_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

/* One signal, or 0 when a second has passed. */
static int next_signal(int fd, int wait_ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct signalfd_siginfo info;
    if (poll(&p, 1, wait_ms) <= 0)
        return 0;
    return read(fd, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

static void on_hangup(struct relay *relay)
{
    notify("RELOADING=1");
    if (relay->file && reload(relay) != ERR_OK)
        LOG(LOG_WARNING, "reload_failed",
            LOG_STR("advice", "mailrace check -c FILE prints every fault"));
    notify("READY=1");
}

static void serve(struct relay *relay, int signals, void (*on_second)(struct relay *, void *),
                  void *owner)
{
    for (;;) {
        int signal = next_signal(signals, on_second ? 1000 : -1);
        if (signal == SIGHUP)
            on_hangup(relay);
        else if (signal == SIGTERM || signal == SIGINT)
            return;
        else if (on_second)
            on_second(relay, owner);
    }
}

int cli_serve(struct conf *conf, struct ruleset *rules, void (*on_started)(struct relay *, void *),
              void (*on_second)(struct relay *, void *), void *owner)
{
    struct relay *relay = NULL;
    struct err_detail why = {""};
    int signals = open_signals();
    if (signals < 0) {
        perror("mailrace: signalfd");
        return CLI_FAILED;
    }
    if (relay_start(conf, rules, &relay, &why) != ERR_OK) {
        fprintf(stderr, "mailrace: %s\n", why.text);
        close(signals);
        return CLI_FAILED;
    }
    notify("READY=1");
    LOG(LOG_INFO, "started", LOG_STR("version", MAILRACE_VERSION));
    if (on_started)
        on_started(relay, owner);
    serve(relay, signals, on_second, owner);
    notify("STOPPING=1");
    LOG(LOG_INFO, "stopping");
    relay_stop(&relay, DRAIN_MS);
    LOG(LOG_INFO, "stopped");
    close(signals);
    return CLI_DONE;
}

int cli_run(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    const char *file = NULL;
    int opt;
    while ((opt = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (opt) {
        case 'c':
            file = optarg;
            break;
        case 'h':
            fputs(HELP, stdout);
            return CLI_DONE;
        default:
            return cli_usage("run", "an option is wrong");
        }
    }
    if (!file || optind != argc)
        return cli_usage("run", "name one configuration file with -c");
    thread_main_init();
    struct ruleset *rules = NULL;
    struct conf *conf = cli_load(file, false, &rules);
    int exit_code = conf ? cli_serve(conf, rules, NULL, NULL, NULL) : CLI_FAILED;
    thread_main_exit();
    return exit_code;
}
