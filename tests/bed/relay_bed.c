/* A relay in one thread: what mailrace/relay.c makes, over a network and a clock of the test's. */
#include "relay_bed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/conf.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/rand.h"
#include "policy/auth_throttle.h"
#include "policy/source_table.h"

#include "plain_route.h"
#include "queue_settings.h"

#define MUST(expr)                                                                                 \
    do {                                                                                           \
        if (!(expr)) {                                                                             \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #expr);                             \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* --- A disk without power now and then --- */

static bool dead(struct io *io)
{
    errno = EIO;
    return CONTAINER_OF(io, struct relay_bed, io)->disk_dead;
}

static ssize_t bed_pwritev(struct io *io, int fd, const struct iovec *iov, int count, off_t at)
{
    return dead(io) ? -1 : pwritev(fd, iov, count, at);
}

/* What was written stays: a crash here ends the process, not the machine. */
static int bed_sync(struct io *io, int fd)
{
    (void)fd;
    return dead(io) ? -1 : 0;
}

static int bed_unlinkat(struct io *io, int dirfd, const char *name, int flags)
{
    return dead(io) ? -1 : unlinkat(dirfd, name, flags);
}

static int bed_renameat(struct io *io, int olddir, const char *old, int newdir, const char *name)
{
    return dead(io) ? -1 : renameat(olddir, old, newdir, name);
}

/* --- Instead of delivery: what the spool has of each message --- */

static struct route *keep_route(void *owner, struct bytes domain, uint64_t octets,
                                struct mail_status *status)
{
    (void)owner;
    (void)domain;
    (void)octets;
    (void)status;
    return plain_route_new(BYTES("kept"));
}

static char *text_of(struct bytes b)
{
    char *text = mem_zalloc(b.len + 1);
    if (b.len)
        memcpy(text, b.ptr, b.len);
    return text;
}

static void keep(struct relay_bed *bed, const struct spool_message *m)
{
    struct buf rcpts;
    buf_init(&rcpts, SIZE_MAX);
    for (size_t i = 0; i < m->envelope.rcpt_count; i++)
        MUST(buf_printf(&rcpts, BYTES_FMT " ", BYTES_ARG(m->envelope.rcpts[i].address)) == ERR_OK);
    bed->kept = mem_realloc(bed->kept, (bed->kept_count + 1) * sizeof *bed->kept);
    struct bed_mail *mail = &bed->kept[bed->kept_count++];
    mail->id = m->ref.id;
    mail->sender = text_of(m->envelope.sender);
    mail->rcpts = text_of(buf_bytes(&rcpts));
    mail->text = mem_zalloc((size_t)m->meta.octets + 1);
    MUST(spool_read_text(m, 0, mail->text, (size_t)m->meta.octets) == ERR_OK);
    buf_free(&rcpts);
}

static void keep_deliver(void *owner, struct sched_job *job)
{
    struct relay_bed *bed = owner;
    struct spool_message m;
    struct err_detail why;
    MUST(spool_read(bed->spool, &job->ref, &job->arena, &m, &why) == ERR_OK);
    keep(bed, &m);
    spool_message_close(&m);
    struct mail_attempt *attempt = &job->attempt;
    attempt->results = ARENA_NEW_ARRAY(&job->arena, struct mail_status, attempt->rcpt_count);
    for (size_t i = 0; i < attempt->rcpt_count; i++)
        attempt->results[i] = MAIL_STATUS(250, 2, 0, 0, "Kept");
    sched_finished(bed->sched, job);
}

static const struct sched_ops keep_ops = {keep_route, keep_deliver};

void relay_bed_forget(struct relay_bed *bed)
{
    for (size_t i = 0; i < bed->kept_count; i++) {
        mem_free(bed->kept[i].sender);
        mem_free(bed->kept[i].rcpts);
        mem_free(bed->kept[i].text);
    }
    mem_free(bed->kept);
    bed->kept = NULL;
    bed->kept_count = 0;
}

/* --- Life --- */

static void print_fault(void *owner, const struct conf_fault *fault)
{
    (void)owner;
    if (!fault->is_warning)
        fprintf(stderr, "%s: %s: %s\n", fault->where, fault->key, fault->text);
}

void relay_bed_publish(struct relay_bed *bed, const char *config)
{
    struct conf *conf = NULL;
    struct ruleset *ruleset = NULL;
    struct rules *rules = NULL;
    struct err_detail why;
    MUST(conf_load_text(config, "bed.conf", print_fault, NULL, &conf, &ruleset) == ERR_OK);
    MUST(rules_make(bed->rules, conf, ruleset, &rules, &why) == ERR_OK);
    rules_publish(bed->rules, rules);
}

static void on_recovered(void *owner, const struct spool_message *m,
                         const struct spool_outcome *outcome)
{
    struct relay_bed *bed = owner;
    sched_submit(bed->sched, &m->ref, &m->envelope, &m->meta, outcome);
}

static void on_accept(void *owner, int fd, const struct endpoint *peer,
                      const struct endpoint *local)
{
    struct relay_bed *bed = owner;
    inbound_accept(&bed->in, fd, peer, local);
}

static void start_delivery(struct relay_bed *bed)
{
    struct rules *rules = rules_hold(bed->rules);
    struct err_detail why;
    bed->out = (struct outbound_services){.rules = bed->rules, .spool = bed->spool};
    MUST(outbound_new(&bed->out, rules->conf, &bed->outbound, &why) == ERR_OK);
    rules_release(&rules);
}

static void open_spool(struct relay_bed *bed)
{
    struct err_detail why;
    struct spool_settings settings = TEST_SPOOL_SETTINGS;
    char path[TEMP_DIR_SIZE + 8];
    snprintf(path, sizeof path, "%s/spool", bed->dir);
    settings.path = path;
    settings.segment_size_bytes = 1 << 20;
    settings.inline_max_bytes = 16 * 1024;
    settings.min_free_bytes = 0;
    if (spool_open(&settings, &bed->io, &bed->spool, &why) != ERR_OK) {
        fprintf(stderr, "%s\n", why.text);
        abort();
    }
}

static void come_alive(struct relay_bed *bed)
{
    struct endpoint at;
    struct sched_settings settings = {.retry = TEST_RETRY_SETTINGS,
                                      .window_max = 20,
                                      .jobs_max = 200,
                                      .hostname = "relay.test",
                                      .postmaster = "postmaster@relay.test"};
    open_spool(bed);
    if (bed->delivers)
        start_delivery(bed);
    bed->sched =
        sched_new(bed->loop, &settings, bed->spool, bed->delivers ? &OUTBOUND_SCHED_OPS : &keep_ops,
                  bed->delivers ? (void *)bed->outbound : (void *)bed);
    bed->out.sched = bed->sched;
    bed->in = (struct inbound_services){
        .rules = bed->rules,
        .spool = bed->spool,
        .sched = bed->sched,
        .sources = bed->sources,
        .auth_pool = bed->auth_pool,
        .sessions_in_all = &bed->sessions,
        .workers = 1,
        .loop = bed->loop,
        .throttle = auth_throttle_new(),
    };
    list_init(&bed->in.sessions);
    spool_each_recovered(bed->spool, on_recovered, bed);
    MUST(endpoint_parse(BYTES(BED_AT), &at) == ERR_OK);
    fake_net_listen(&at, on_accept, bed);
}

static void die(struct relay_bed *bed)
{
    struct endpoint at;
    MUST(endpoint_parse(BYTES(BED_AT), &at) == ERR_OK);
    fake_net_unlisten(&at);
    inbound_abort_all(&bed->in);
    sched_drain(bed->sched);
    if (bed->outbound) {
        outbound_turn(bed->outbound); /* jobs that it was given reach their couriers */
        outbound_stop(bed->outbound);
    }
    while (loop_turn(bed->loop, 0) || spool_step(bed->spool))
        continue;
    MUST(list_empty(&bed->in.sessions) && atomic_load(&bed->sessions) == 0);
    sched_free(&bed->sched);
    outbound_free(&bed->outbound);
    while (loop_turn(bed->loop, 0) || spool_step(bed->spool))
        continue;
    spool_free(&bed->spool);
    auth_throttle_free(&bed->in.throttle);
}

void relay_bed_start(struct relay_bed *bed, const char *config, bool delivers)
{
    struct err_detail why;
    struct log_settings log = {.level = LOG_INFO};
    memset(bed, 0, sizeof *bed);
    temp_dir_new(bed->dir);
    fake_net_reset();
    clock_virtual_start(1000, BED_START_MS);
    bed->io = *io_system;
    bed->io.pwritev = bed_pwritev;
    bed->io.fdatasync = bed->io.fsync = bed_sync;
    bed->io.unlinkat = bed_unlinkat;
    bed->io.renameat = bed_renameat;
    bed->delivers = delivers;
    bed->log_fd = memfd_create("log", MFD_CLOEXEC);
    MUST(bed->log_fd >= 0);
    log_configure(&log);
    log_redirect(bed->log_fd);
    inbound_init();
    MUST(loop_new(&bed->loop, &why) == ERR_OK);
    bed->sources = source_table_new(1024);
    MUST(auth_pool_new(1, &bed->auth_pool, &why) == ERR_OK);
    bed->rules = rules_place_new();
    relay_bed_publish(bed, config);
    come_alive(bed);
}

void relay_bed_stop(struct relay_bed *bed)
{
    die(bed);
    loop_free(&bed->loop);
    auth_pool_free(&bed->auth_pool);
    source_table_free(&bed->sources);
    rules_place_free(&bed->rules);
    relay_bed_forget(bed);
    log_redirect(STDERR_FILENO);
    close(bed->log_fd);
    clock_virtual_end();
    temp_dir_remove(bed->dir);
}

void relay_bed_crash(struct relay_bed *bed)
{
    bed->disk_dead = true;
    die(bed);
    bed->disk_dead = false;
    come_alive(bed);
}

bool relay_bed_turn(struct relay_bed *bed)
{
    bool any = loop_turn(bed->loop, 0);
    any = spool_step(bed->spool) || any;
    return (bed->outbound && outbound_turn(bed->outbound)) || any;
}

void relay_bed_settle(struct relay_bed *bed)
{
    while (relay_bed_turn(bed))
        continue;
}

void relay_bed_wait(struct relay_bed *bed, uint64_t ms)
{
    uint64_t next = timer_wheel_next(loop_timers(bed->loop)), now = clock_mono_ms();
    uint64_t due = next > now && next - now < ms ? next - now : ms;
    clock_virtual_advance(next != TIMER_NEVER && next <= now ? 1 : due);
    relay_bed_settle(bed);
}

const char *relay_bed_log(struct relay_bed *bed)
{
    static char text[65536];
    ssize_t len = pread(bed->log_fd, text, sizeof text - 1, 0);
    MUST(len >= 0);
    text[len] = '\0';
    MUST(ftruncate(bed->log_fd, 0) == 0 && lseek(bed->log_fd, 0, SEEK_SET) == 0);
    return text;
}

/* --- A client --- */

static size_t on_input(void *owner, struct bytes in)
{
    struct bed_client *client = owner;
    MUST(buf_append(&client->heard, in) == ERR_OK);
    return in.len;
}

static void on_closed(void *owner, enum err reason, const char *text)
{
    struct bed_client *client = owner;
    (void)reason;
    (void)text;
    client->conn = NULL;
}

static const struct conn_ops client_ops = {.on_input = on_input, .on_closed = on_closed};

void bed_connect(struct relay_bed *bed, struct bed_client *client, const char *from)
{
    struct endpoint peer = {.port = 40000}, at;
    MUST(ipaddr_parse(bytes_of(from), &peer.addr) == ERR_OK);
    MUST(endpoint_parse(BYTES(BED_AT), &at) == ERR_OK);
    memset(client, 0, sizeof *client);
    buf_init(&client->heard, SIZE_MAX);
    client->bed = bed;
    client->conn = fake_net_connect(bed->loop, &peer, &at, &client_ops, client);
    relay_bed_settle(bed);
}

static void say(struct bed_client *client, struct bytes text)
{
    if (client->conn && text.len && conn_write(client->conn, text) != ERR_OK)
        conn_abort(&client->conn);
    relay_bed_settle(client->bed);
}

static const char *heard(struct bed_client *client)
{
    bool whole = bytes_to_cstr(buf_bytes(&client->heard), client->text, sizeof client->text);
    MUST(whole);
    buf_clear(&client->heard);
    return client->text;
}

const char *bed_say_bytes(struct bed_client *client, struct bytes text)
{
    say(client, text);
    return heard(client);
}

const char *bed_say(struct bed_client *client, const char *text)
{
    static const char data[] = "\r\nDATA\r\n";
    for (const char *at; (at = strstr(text, data)); text = at + strlen(data))
        say(client, bytes_make(text, (size_t)(at - text) + strlen(data)));
    say(client, bytes_of(text));
    return heard(client);
}

void bed_leave(struct bed_client *client)
{
    conn_abort(&client->conn);
    relay_bed_settle(client->bed);
    buf_free(&client->heard);
}
