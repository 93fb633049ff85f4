/* Lines of the protocol logs: their fields, and what is escaped in them. */
#include "mailrace/protocol_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/csv_line.h"
#include "core/mem.h"

#include "mailrace/privdrop.h"

#define DATA_MAX      1024 /* octets of a line before escaping */
#define CONTEXT_MAX   300
#define CONNECTOR_MAX 64
#define FIELDS                                                                                     \
    "date-time,connector-id,session-id,sequence-number,local-endpoint,remote-endpoint,event,data," \
    "context"

struct protocol_log {
    char *path, *server;
    struct csv_log *sides[PROTOCOL_LOG_SIDES];
};

static enum err make_directory(const char *path, const char *user, struct err_detail *why)
{
    struct privdrop_user id;
    if (mkdir(path, 0750) != 0)
        return errno == EEXIST ? ERR_OK : err_set_errno(why, errno, "%s: cannot be made", path);
    if (!user || geteuid() != 0)
        return ERR_OK;
    enum err e = privdrop_lookup(user, &id, why);
    if (e == ERR_OK && chown(path, id.uid, id.gid) != 0)
        e = err_set_errno(why, errno, "%s: cannot be given to user \"%s\"", path, user);
    return e;
}

static enum err open_side(struct protocol_log *log, enum protocol_log_side side,
                          const struct csv_log_limits *limits, struct err_detail *why)
{
    static const char *const prefixes[] = {"RECV", "SEND"};
    static const char *const types[] = {"SMTP Receive Protocol Log", "SMTP Send Protocol Log"};
    struct csv_log_settings settings = {
        .prefix = prefixes[side],
        .type = types[side],
        .fields = FIELDS,
        .version = MAILRACE_VERSION,
        .path = log->path,
        .limits = *limits,
        .io = io_system,
    };
    int fd = open(log->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(why, errno, "log.protocol_path: %s: cannot be opened", log->path);
    return csv_log_new(&settings, fd, &log->sides[side], why);
}

enum err protocol_log_open(const struct protocol_log_settings *settings, struct protocol_log **out,
                           struct err_detail *why)
{
    enum err e = make_directory(settings->path, settings->user, why);
    if (e != ERR_OK)
        return e;
    struct protocol_log *log = MEM_NEW(struct protocol_log);
    log->path = mem_strdup(settings->path);
    log->server = mem_strdup(settings->server);
    for (unsigned side = 0; side < PROTOCOL_LOG_SIDES && e == ERR_OK; side++)
        e = open_side(log, (enum protocol_log_side)side, &settings->limits, why);
    if (e == ERR_OK)
        *out = log;
    else
        protocol_log_stop(&log);
    return e;
}

enum err protocol_log_start(struct protocol_log *log, struct err_detail *why)
{
    for (unsigned side = 0; side < PROTOCOL_LOG_SIDES; side++) {
        struct err_detail text = {""};
        enum err e = csv_log_start(log->sides[side], &text);
        if (e != ERR_OK)
            return err_set(why, e, "log.protocol_path: %s", text.text);
    }
    return ERR_OK;
}

void protocol_log_limit(struct protocol_log *log, const struct csv_log_limits *limits)
{
    for (unsigned side = 0; side < PROTOCOL_LOG_SIDES; side++)
        csv_log_limit(log->sides[side], limits);
}

void protocol_log_stop(struct protocol_log **log_at)
{
    struct protocol_log *log = *log_at;
    if (!log)
        return;
    for (unsigned side = 0; side < PROTOCOL_LOG_SIDES; side++)
        csv_log_free(&log->sides[side]);
    mem_free(log->path);
    mem_free(log->server);
    mem_free(log);
    *log_at = NULL;
}

static void add_text(struct csv_line *line, const char *text)
{
    csv_line_add(line, bytes_of(text), SIZE_MAX);
}

static void add_endpoint(struct csv_line *line, const struct endpoint *at)
{
    char text[ENDPOINT_TEXT_SIZE];
    add_text(line, at ? endpoint_format(at, text) : "");
}

void protocol_log_write(struct protocol_log *log, enum protocol_log_side side,
                        const struct protocol_log_line *from)
{
    struct csv_line line;
    char date[CLOCK_RFC3339_SIZE], name[CONNECTOR_MAX + 300], number[24];
    ASSERT(side < PROTOCOL_LOG_SIDES);
    line.len = line.fields = 0;
    add_text(&line, clock_rfc3339(clock_wall_ms(), date));
    snprintf(name, sizeof name, "%.255s\\" BYTES_FMT, log->server,
             BYTES_ARG(bytes_sub(from->connector, 0, CONNECTOR_MAX)));
    add_text(&line, name);
    snprintf(number, sizeof number, "%016" PRIX64, from->session_id);
    add_text(&line, number);
    snprintf(number, sizeof number, "%" PRIu64, from->sequence);
    add_text(&line, number);
    add_endpoint(&line, from->local);
    add_endpoint(&line, from->remote);
    csv_line_add(&line, bytes_make(&from->event, 1), 1);
    csv_line_add(&line, from->data, DATA_MAX);
    csv_line_add(&line, from->context, CONTEXT_MAX);
    csv_log_write(log->sides[side], csv_line_end(&line));
}
