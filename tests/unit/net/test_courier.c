#include "net/courier.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/mem.h"
#include "net/conn.h"
#include "unit.h"

/* The courier and its scripted servers share one loop: nothing here waits for a thread. */

struct script {
    const char *banner;    /* NULL: 220 */
    bool lock_step;        /* no PIPELINING */
    bool starttls, broken; /* BROKEN: no TLS behind the 220 */
    unsigned mail_421;     /* the n-th MAIL of a connection is answered by 421 and the end */
    unsigned close_after;  /* the n-th message of a connection is answered, then it closes */
    bool close_at_dot;     /* no answer to the final dot */
    bool silent;           /* no answer to the final dot, and the connection stays */
};

struct server {
    struct loop_watch watch;
    struct endpoint at;
    char name[ENDPOINT_TEXT_SIZE];
    struct script script;
    unsigned connections, open, open_max, messages, inputs, tls;
    struct peer *peers;
};

struct peer {
    struct peer *next;
    struct server *server;
    struct conn *conn;
    struct buf in;
    unsigned mails, messages;
    bool data, closing, want_tls;
};

static struct loop *loop;
static struct tls_context *server_tls;

static void say(struct peer *p, const char *text)
{
    if (p->conn != NULL && !p->closing) {
        CHECK_U64(conn_write(p->conn, bytes_of(text)), ERR_OK);
    }
}

static void leave(struct peer *p)
{
    p->closing = true;
    conn_close_after_output(p->conn, 1000);
}

static void message_ended(struct peer *p)
{
    const struct script *s = &p->server->script;
    p->data = false;
    p->messages++;
    p->server->messages++;
    if (s->close_at_dot) {
        leave(p);
    } else if (!s->silent) {
        say(p, "250 2.0.0 taken\r\n");
    }
    if (s->close_after > 0 && p->messages >= s->close_after) {
        leave(p);
    }
}

static void on_ehlo(struct peer *p)
{
    const struct script *s = &p->server->script;
    say(p, "250-server\r\n");
    say(p, s->lock_step ? "" : "250-PIPELINING\r\n");
    say(p, s->starttls && conn_tls(p->conn) == NULL ? "250-STARTTLS\r\n" : "");
    say(p, "250 DSN\r\n");
}

static void on_mail(struct peer *p)
{
    if (++p->mails == p->server->script.mail_421) {
        say(p, "421 4.7.0 enough for one connection\r\n");
        leave(p);
    } else {
        say(p, "250 2.1.0 fine\r\n");
    }
}

static void on_recipient(struct peer *p, struct bytes line)
{
    if (bytes_starts_nocase(line, BYTES("RCPT TO:<450"))) {
        say(p, "450 4.2.1 busy\r\n");
    } else if (bytes_starts_nocase(line, BYTES("RCPT TO:<550"))) {
        say(p, "550 5.1.1 unknown\r\n");
    } else {
        say(p, "250 2.1.5 fine\r\n");
    }
}

static void on_line(struct peer *p, struct bytes line)
{
    if (p->data) {
        if (bytes_equal(line, BYTES("."))) {
            message_ended(p);
        }
    } else if (bytes_starts_nocase(line, BYTES("EHLO"))) {
        on_ehlo(p);
    } else if (bytes_starts_nocase(line, BYTES("MAIL"))) {
        on_mail(p);
    } else if (bytes_starts_nocase(line, BYTES("RCPT"))) {
        on_recipient(p, line);
    } else if (bytes_starts_nocase(line, BYTES("DATA"))) {
        p->data = true;
        say(p, "354 go\r\n");
    } else if (bytes_equal(line, BYTES("STARTTLS"))) {
        say(p, "220 go\r\n");
        p->want_tls = true;
    } else if (bytes_equal(line, BYTES("QUIT"))) {
        say(p, "221 bye\r\n");
        leave(p);
    } else {
        say(p, "250 ok\r\n");
    }
}

static size_t peer_input(void *owner, struct bytes in)
{
    struct peer *p = owner;
    p->server->inputs++;
    if (p->want_tls && p->server->script.broken) {
        say(p, "this is not TLS at all\r\n");
        leave(p);
    }
    CHECK_U64(buf_append(&p->in, in), ERR_OK);
    struct bytes rest = buf_bytes(&p->in);
    size_t lf;
    while (!p->closing && (lf = bytes_find(rest, '\n', 0)) != BYTES_NOT_FOUND) {
        on_line(p, bytes_trim_end(bytes_sub(rest, 0, lf > 0 ? lf - 1 : 0)));
        rest = bytes_from(rest, lf + 1);
    }
    buf_consume(&p->in, buf_len(&p->in) - rest.len);
    if (p->want_tls && !p->server->script.broken && conn_tls(p->conn) == NULL) {
        p->want_tls = false;
        CHECK_U64(conn_start_tls(p->conn, server_tls, NULL), ERR_OK);
        p->server->tls++;
    }
    return in.len;
}

static void peer_closed(void *owner, enum err reason, const char *text)
{
    struct peer *p = owner;
    (void)reason;
    (void)text;
    p->conn = NULL;
    p->server->open--;
}

static const struct conn_ops PEER_OPS = {.on_input = peer_input, .on_closed = peer_closed};

static void server_ready(struct loop_watch *w, uint32_t events)
{
    struct server *server = CONTAINER_OF(w, struct server, watch);
    (void)events;
    int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    struct peer *p = MEM_NEW(struct peer);
    p->server = server;
    p->next = server->peers;
    server->peers = p;
    buf_init(&p->in, 1 << 20);
    p->conn = conn_accepted(loop, fd, &PEER_OPS, p);
    server->connections++;
    server->open++;
    server->open_max = server->open > server->open_max ? server->open : server->open_max;
    if (server->script.banner != NULL) {
        say(p, server->script.banner);
        leave(p);
    } else {
        say(p, "220 server\r\n");
    }
}

static void server_start(struct server *s, struct script script)
{
    *s = (struct server){.script = script};
    struct sockaddr_storage sa;
    socklen_t len;
    CHECK_U64(endpoint_parse(BYTES("127.0.0.1:0"), &s->at), ERR_OK);
    len = endpoint_to_sockaddr(&s->at, &sa);
    s->watch.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    CHECK(bind(s->watch.fd, (struct sockaddr *)&sa, len) == 0 && listen(s->watch.fd, 64) == 0);
    CHECK(getsockname(s->watch.fd, (struct sockaddr *)&sa, &len) == 0);
    endpoint_from_sockaddr((struct sockaddr *)&sa, &s->at);
    snprintf(s->name, sizeof s->name, "[127.0.0.1]:%u", s->at.port);
    s->watch.on_ready = server_ready;
    CHECK_U64(loop_watch_add_events(loop, &s->watch, EPOLLIN), ERR_OK);
}

/* Nobody listens there any more. */
static void server_deafen(struct server *s)
{
    if (s->watch.fd >= 0) {
        loop_watch_remove(loop, &s->watch);
        close(s->watch.fd);
        s->watch.fd = -1;
    }
}

static void server_hang_up(struct server *s)
{
    for (struct peer *p = s->peers; p != NULL; p = p->next) {
        if (p->conn != NULL) {
            conn_abort(&p->conn);
            s->open--;
        }
    }
}

static void server_stop(struct server *s)
{
    server_deafen(s);
    server_hang_up(s);
    while (s->peers != NULL) {
        struct peer *p = s->peers;
        s->peers = p->next;
        buf_free(&p->in);
        mem_free(p);
    }
}

/* -------------------------------------------------------------------------------------- jobs */

struct letter {
    struct courier_job job;
    struct arena arena;
    struct mail_envelope envelope;
    struct mail_rcpt rcpts[4];
    unsigned done;
};

static const char TEXT[] = "Subject: x\r\n\r\nhello\r\n";
static unsigned done_count;
static bool inside_deliver;

static bool letter_read(struct smtp_client_message *m, uint64_t at, char *to, size_t len)
{
    (void)m;
    memcpy(to, TEXT + at, len);
    return true;
}

static void on_done(struct courier_job *job)
{
    struct letter *l = CONTAINER_OF(job, struct letter, job);
    CHECK(!inside_deliver);
    CHECK_U64(l->done++, 0);
    for (size_t i = 0; i < l->envelope.rcpt_count; i++) {
        CHECK(job->results[i].code >= 200);
    }
    done_count++;
}

static void deliver(struct courier *c, struct letter *l, const struct courier_route *route,
                    const char *rcpts)
{
    *l = (struct letter){0};
    arena_init(&l->arena, 512);
    l->envelope.sender = BYTES("a@x.example");
    l->envelope.rcpts = l->rcpts;
    struct bytes rest = bytes_of(rcpts);
    while (rest.len > 0) {
        (void)bytes_split(rest, ' ', &l->rcpts[l->envelope.rcpt_count++].address, &rest);
    }
    l->job.message = (struct smtp_client_message){
        .envelope = &l->envelope, .octets = sizeof TEXT - 1, .read = letter_read};
    l->job.route = route;
    l->job.arena = &l->arena;
    l->job.on_done = on_done;
    inside_deliver = true;
    courier_deliver(c, &l->job);
    inside_deliver = false;
}

static void letters_free(struct letter *letters, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CHECK_U64(letters[i].done, 1);
        arena_free(&letters[i].arena);
    }
}

/* The loop runs until COUNT letters are done, or for ten seconds. */
static bool run_until(unsigned count)
{
    uint64_t end = clock_mono_ms() + 10000;
    while (done_count < count && clock_mono_ms() < end) {
        loop_turn(loop, 100);
    }
    return CHECK_U64(done_count, count);
}

static bool run_until_closed(struct courier *c)
{
    uint64_t end = clock_mono_ms() + 10000;
    while (courier_connections(c) > 0 && clock_mono_ms() < end) {
        loop_turn(loop, 100);
    }
    return CHECK_U64(courier_connections(c), 0);
}

static struct courier_settings settings_of(struct tls_context *tls)
{
    static const struct dns_settings dns = {0};
    return (struct courier_settings){
        .helo = "courier.example",
        .dns = &dns,
        .tls = tls,
        .connect_timeout_ms = 5000,
        .idle_timeout_ms = 60000,
        .allow_special_targets = true,
    };
}

static struct courier *courier_start(struct courier_settings settings)
{
    struct courier *c = NULL;
    struct err_detail why;
    done_count = 0;
    CHECK_U64(courier_new(loop, &settings, &c, &why), ERR_OK);
    return c;
}

static struct courier_route route_to(const char *const *hosts, size_t count)
{
    return (struct courier_route){
        .key = "smtp:test",
        .connector = "Test",
        .smart_hosts = hosts,
        .smart_host_count = count,
        .source = IPADDR_V4_ANY,
        .tls = SMTP_CLIENT_TLS_NEVER,
        .messages_max = 20,
        .connections_max = 4,
    };
}

/* COUNT letters through one server of the given kind; the caller looks at what came of them. */
static void send_through(struct server *server, struct courier_route route, struct letter *letters,
                         unsigned count, struct tls_context *tls)
{
    const char *const hosts[] = {server->name};
    struct courier *c = courier_start(settings_of(tls));
    route.smart_hosts = hosts;
    route.smart_host_count = 1;
    for (unsigned i = 0; i < count; i++) {
        deliver(c, &letters[i], &route, "b@y.example");
    }
    run_until(count);
    courier_free(&c);
    CHECK(c == NULL);
}

static unsigned count_ok(const struct letter *letters, unsigned count)
{
    unsigned ok = 0;
    for (unsigned i = 0; i < count; i++) {
        ok += letters[i].done == 1 && letters[i].job.results[0].code == 250;
    }
    return ok;
}

static struct letter letters[1000];

/* ------------------------------------------------------------------------------------- tests */

static void test_many(void)
{
    struct server server;
    server_start(&server, (struct script){0});
    struct courier_route route = route_to(NULL, 0);
    route.messages_max = 100;
    send_through(&server, route, letters, 1000, NULL);
    CHECK_U64(count_ok(letters, 1000), 1000);
    CHECK_U64(server.messages, 1000);
    CHECK(server.open_max <= 4 && server.connections >= 10);
    CHECK_STR(letters[999].job.host, "[127.0.0.1]");
    CHECK_U64(letters[999].job.peer.port, server.at.port);
    CHECK(letters[999].job.dsn_passed);
    letters_free(letters, 1000);
    server_stop(&server);
}

/* One write and one read a message: the server's reads are counted. */
static void test_one_write_a_message(void)
{
    struct server server;
    server_start(&server, (struct script){0});
    struct courier_route route = route_to(NULL, 0);
    route.messages_max = 0;
    route.connections_max = 1;
    send_through(&server, route, letters, 500, NULL);
    CHECK_U64(count_ok(letters, 500), 500);
    CHECK_U64(server.connections, 1);
    CHECK(server.inputs <= 500 + 5);
    letters_free(letters, 500);
    server_stop(&server);
}

static void test_lock_step(void)
{
    struct server server;
    server_start(&server, (struct script){.lock_step = true});
    send_through(&server, route_to(NULL, 0), letters, 100, NULL);
    CHECK_U64(count_ok(letters, 100), 100);
    letters_free(letters, 100);
    server_stop(&server);
}

/* C-086: each recipient has its own fate. */
static void test_partial(void)
{
    struct server server;
    struct letter l;
    server_start(&server, (struct script){0});
    const char *const hosts[] = {server.name};
    struct courier_route route = route_to(hosts, 1);
    struct courier *c = courier_start(settings_of(NULL));
    deliver(c, &l, &route, "b@y 450@y 550@y d@y");
    run_until(1);
    CHECK_U64(l.job.results[0].code, 250);
    CHECK_U64(l.job.results[1].code, 450);
    CHECK_U64(l.job.results[2].code, 550);
    CHECK_U64(l.job.results[3].code, 250);
    CHECK_U64(l.job.results[1].enhanced[1], 2);
    CHECK_BYTES(l.job.results[2].text, BYTES("unknown"));
    CHECK(!l.job.host_failed && !l.job.ambiguous);
    courier_free(&c);
    letters_free(&l, 1);
    server_stop(&server);
}

/* The second host serves when the first is deaf, or busy. */
static void test_failover(void)
{
    for (int busy = 0; busy < 2; busy++) {
        struct server bad, good;
        unit_row(busy ? "banner 554" : "refused");
        server_start(&bad, (struct script){.banner = "554 5.3.2 not today\r\n"});
        server_start(&good, (struct script){0});
        if (!busy) {
            server_deafen(&bad);
        }
        const char *const hosts[] = {bad.name, good.name};
        struct courier_route route = route_to(hosts, 2);
        struct courier *c = courier_start(settings_of(NULL));
        for (unsigned i = 0; i < 10; i++) {
            deliver(c, &letters[i], &route, "b@y");
        }
        run_until(10);
        CHECK_U64(count_ok(letters, 10), 10);
        CHECK_U64(good.messages, 10);
        CHECK_U64(letters[0].job.peer.port, good.at.port);
        courier_free(&c);
        letters_free(letters, 10);
        server_stop(&bad);
        server_stop(&good);
    }
}

static void test_all_hosts_fail(void)
{
    struct server a, b;
    server_start(&a, (struct script){.banner = "421 4.3.2 too busy\r\n"});
    server_start(&b, (struct script){.banner = "554 5.3.2 not today\r\n"});
    const char *const hosts[] = {a.name, b.name};
    struct courier_route route = route_to(hosts, 2);
    route.connections_max = 1; /* the others would begin with the other host */
    struct courier *c = courier_start(settings_of(NULL));
    for (unsigned i = 0; i < 20; i++) {
        deliver(c, &letters[i], &route, "b@y c@y");
    }
    run_until(20);
    for (unsigned i = 0; i < 20; i++) {
        const struct mail_status *r = &letters[i].job.results[1];
        CHECK(letters[i].job.host_failed);
        CHECK(r->code == 451 && r->enhanced[1] == 4 && r->enhanced[2] == 0);
        CHECK(memmem(r->text.ptr, r->text.len, "421 4.3.2 too busy", 18) != NULL);
    }
    CHECK(run_until_closed(c));
    courier_free(&c);
    letters_free(letters, 20);
    server_stop(&a);
    server_stop(&b);
}

/* Each new connection begins one host further on. */
static void test_round_robin(void)
{
    struct server a, b;
    server_start(&a, (struct script){0});
    server_start(&b, (struct script){0});
    const char *const hosts[] = {a.name, b.name};
    struct courier_route route = route_to(hosts, 2);
    struct courier *c = courier_start(settings_of(NULL));
    route.messages_max = 1;
    for (unsigned i = 0; i < 10; i++) {
        deliver(c, &letters[i], &route, "b@y");
        run_until(i + 1);
    }
    CHECK_U64(a.messages, 5);
    CHECK_U64(b.messages, 5);
    courier_free(&c);
    letters_free(letters, 10);
    server_stop(&a);
    server_stop(&b);
}

/* 421 in the middle of a connection's work: what was not yet looked at goes to another one. */
static void test_421_in_between(void)
{
    struct server server;
    server_start(&server, (struct script){.mail_421 = 4});
    send_through(&server, route_to(NULL, 0), letters, 50, NULL);
    CHECK_U64(count_ok(letters, 50), 50);
    CHECK(server.connections > 10);
    letters_free(letters, 50);
    server_stop(&server);
}

static void test_421_at_once(void)
{
    struct server server;
    server_start(&server, (struct script){.mail_421 = 1});
    send_through(&server, route_to(NULL, 0), letters, 3, NULL);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_U64(letters[i].job.results[0].code, 421);
        CHECK_BYTES(letters[i].job.results[0].text, BYTES("enough for one connection"));
        CHECK(!letters[i].job.ambiguous);
    }
    letters_free(letters, 3);
    server_stop(&server);
}

/* H-08: a server that closes after each message costs connections, not messages. */
static void test_close_after_each(void)
{
    struct server server;
    server_start(&server, (struct script){.close_after = 1});
    send_through(&server, route_to(NULL, 0), letters, 30, NULL);
    CHECK_U64(count_ok(letters, 30), 30);
    CHECK_U64(server.messages, 30);
    letters_free(letters, 30);
    server_stop(&server);
}

static void test_ambiguous(void)
{
    struct server server;
    server_start(&server, (struct script){.close_at_dot = true});
    send_through(&server, route_to(NULL, 0), letters, 1, NULL);
    CHECK_U64(letters[0].job.results[0].code, 451);
    CHECK_U64(letters[0].job.results[0].enhanced[1], 4);
    CHECK_U64(letters[0].job.results[0].enhanced[2], 2);
    CHECK(letters[0].job.ambiguous);
    CHECK_U64(server.connections, 1);
    letters_free(letters, 1);
    server_stop(&server);
}

/* A connection that the server closed while it was open without work is no failure. */
static void test_stale(void)
{
    struct server server;
    server_start(&server, (struct script){0});
    const char *const hosts[] = {server.name};
    struct courier_route route = route_to(hosts, 1);
    struct courier *c = courier_start(settings_of(NULL));
    for (unsigned i = 0; i < 5; i++) {
        deliver(c, &letters[i], &route, "b@y");
        run_until(i + 1);
        server_hang_up(&server);
    }
    CHECK_U64(count_ok(letters, 5), 5);
    CHECK_U64(server.connections, 5);
    courier_free(&c);
    letters_free(letters, 5);
    server_stop(&server);
}

static void test_reuse_and_idle(void)
{
    struct server server;
    server_start(&server, (struct script){0});
    const char *const hosts[] = {server.name};
    struct courier_route route = route_to(hosts, 1);
    struct courier_settings settings = settings_of(NULL);
    struct courier *c = courier_start(settings);
    for (unsigned i = 0; i < 10; i++) {
        deliver(c, &letters[i], &route, "b@y");
        run_until(i + 1);
    }
    CHECK_U64(server.connections, 1);
    CHECK_U64(courier_connections(c), 1);
    courier_free(&c);
    settings.idle_timeout_ms = 20;
    c = courier_start(settings);
    letters_free(letters, 10);
    deliver(c, &letters[0], &route, "b@y");
    run_until(1);
    CHECK(run_until_closed(c));
    CHECK(courier_drain(c));
    courier_free(&c);
    letters_free(letters, 1);
    server_stop(&server);
}

static void test_drain(void)
{
    struct server server;
    server_start(&server, (struct script){0});
    const char *const hosts[] = {server.name};
    struct courier_route route = route_to(hosts, 1);
    struct courier *c = courier_start(settings_of(NULL));
    deliver(c, &letters[0], &route, "b@y");
    run_until(1);
    CHECK(!courier_drain(c));
    CHECK(run_until_closed(c));
    deliver(c, &letters[1], &route, "b@y");
    run_until(2);
    CHECK_U64(letters[1].job.results[0].code, 451);
    CHECK_U64(letters[1].job.results[0].enhanced[1], 3);
    CHECK(courier_drain(c));
    courier_free(&c);
    letters_free(letters, 2);
    server_stop(&server);
}

/* Ended in the middle: every job hears of it, the ones that may have arrived as such. */
static void test_free_under_way(void)
{
    struct server server;
    server_start(&server, (struct script){.silent = true});
    const char *const hosts[] = {server.name};
    struct courier_route route = route_to(hosts, 1);
    struct courier *c = courier_start(settings_of(NULL));
    for (unsigned i = 0; i < 30; i++) {
        deliver(c, &letters[i], &route, "b@y");
    }
    uint64_t end = clock_mono_ms() + 10000;
    while (server.messages < 4 && clock_mono_ms() < end) {
        loop_turn(loop, 100);
    }
    courier_free(&c);
    CHECK_U64(done_count, 30);
    unsigned ambiguous = 0;
    for (unsigned i = 0; i < 30; i++) {
        CHECK_U64(letters[i].job.results[0].enhanced[1], 3);
        ambiguous += letters[i].job.ambiguous;
    }
    CHECK_U64(ambiguous, 4);
    letters_free(letters, 30);
    server_stop(&server);
}

static void test_starttls(void)
{
    static const struct {
        const char *name;
        enum smtp_client_tls tls;
        bool offered, broken;
        unsigned ok, connections, encrypted;
    } rows[] = {
        {"may, offered", SMTP_CLIENT_TLS_MAY, true, false, 1, 1, 1},
        {"may, not offered", SMTP_CLIENT_TLS_MAY, false, false, 1, 1, 0},
        {"may, broken: once more in clear", SMTP_CLIENT_TLS_MAY, true, true, 1, 2, 0},
        {"encrypt, offered", SMTP_CLIENT_TLS_ENCRYPT, true, false, 1, 1, 1},
        {"encrypt, not offered", SMTP_CLIENT_TLS_ENCRYPT, false, false, 0, 1, 0},
        {"encrypt, broken: never in clear", SMTP_CLIENT_TLS_ENCRYPT, true, true, 0, 1, 0},
        {"never", SMTP_CLIENT_TLS_NEVER, true, false, 1, 1, 0},
    };
    struct tls_context *tls = NULL;
    struct err_detail why;
    CHECK_U64(tls_context_client(&(struct tls_settings){.minimum = "1.2"}, &tls, &why), ERR_OK);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct server server;
        unit_row(rows[i].name);
        server_start(&server,
                     (struct script){.starttls = rows[i].offered, .broken = rows[i].broken});
        struct courier_route route = route_to(NULL, 0);
        route.tls = rows[i].tls;
        send_through(&server, route, letters, 1, tls);
        CHECK_U64(count_ok(letters, 1), rows[i].ok);
        CHECK_U64(server.connections, rows[i].connections);
        CHECK_U64(server.tls, rows[i].encrypted);
        CHECK_U64(letters[0].job.host_failed, !rows[i].ok);
        letters_free(letters, 1);
        server_stop(&server);
    }
    tls_context_unref(&tls);
}

/* -------------------------------------------------------------------------------- preparation */

static void write_pem(const char *path, EVP_PKEY *key, X509 *certificate)
{
    FILE *f = fopen(path, "w");
    ASSERT(f != NULL);
    ASSERT(key == NULL || PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1);
    ASSERT(certificate == NULL || PEM_write_X509(f, certificate) == 1);
    ASSERT(fclose(f) == 0);
}

/* A certificate that nobody vouches for, as most mail servers have. */
static void make_server_tls(void)
{
    char dir[] = "/tmp/test_courier_XXXXXX";
    ASSERT(mkdtemp(dir) != NULL);
    char cert_path[64], key_path[64];
    snprintf(cert_path, sizeof cert_path, "%s/cert.pem", dir);
    snprintf(key_path, sizeof key_path, "%s/key.pem", dir);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    ASSERT(key != NULL && x != NULL);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"test.example", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    ASSERT(X509_sign(x, key, EVP_sha256()) > 0);
    write_pem(cert_path, NULL, x);
    write_pem(key_path, key, NULL);
    ASSERT(chmod(key_path, 0600) == 0);
    struct err_detail why = {""};
    enum err e = tls_context_server(
        &(struct tls_settings){.certificate = cert_path, .key = key_path, .minimum = "1.2"},
        &server_tls, &why);
    if (e != ERR_OK) {
        fprintf(stderr, "%s\n", why.text);
    }
    ASSERT(e == ERR_OK);
    X509_free(x);
    EVP_PKEY_free(key);
    ASSERT(unlink(cert_path) == 0 && unlink(key_path) == 0 && rmdir(dir) == 0);
}

static int log_sink = -1;

static void at_loop(void (*test)(void))
{
    struct err_detail why;
    if (log_sink < 0) {
        log_sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
        log_redirect(log_sink);
        make_server_tls();
    }
    CHECK_U64(loop_new(&loop, &why), ERR_OK);
    test();
    loop_free(&loop);
}

#define AT_LOOP(name)                                                                              \
    static void name##_at_loop(void)                                                               \
    {                                                                                              \
        at_loop(name);                                                                             \
    }
AT_LOOP(test_many)
AT_LOOP(test_one_write_a_message)
AT_LOOP(test_lock_step)
AT_LOOP(test_partial)
AT_LOOP(test_failover)
AT_LOOP(test_all_hosts_fail)
AT_LOOP(test_round_robin)
AT_LOOP(test_421_in_between)
AT_LOOP(test_421_at_once)
AT_LOOP(test_close_after_each)
AT_LOOP(test_ambiguous)
AT_LOOP(test_stale)
AT_LOOP(test_reuse_and_idle)
AT_LOOP(test_drain)
AT_LOOP(test_free_under_way)
AT_LOOP(test_starttls)

static void test_clean(void)
{
    tls_context_unref(&server_tls);
    CHECK(server_tls == NULL);
    CHECK(close(log_sink) == 0);
}

UNIT_MAIN("net/courier", {"1,000 messages", test_many_at_loop},
          {"one write a message", test_one_write_a_message_at_loop},
          {"lock-step", test_lock_step_at_loop}, {"C-086", test_partial_at_loop},
          {"fail-over", test_failover_at_loop}, {"all hosts fail", test_all_hosts_fail_at_loop},
          {"round robin", test_round_robin_at_loop},
          {"421 in between", test_421_in_between_at_loop},
          {"421 at once", test_421_at_once_at_loop}, {"H-08", test_close_after_each_at_loop},
          {"ambiguous", test_ambiguous_at_loop}, {"stale", test_stale_at_loop},
          {"reuse and idle", test_reuse_and_idle_at_loop}, {"drain", test_drain_at_loop},
          {"free under way", test_free_under_way_at_loop}, {"STARTTLS", test_starttls_at_loop},
          {"clean", test_clean})
