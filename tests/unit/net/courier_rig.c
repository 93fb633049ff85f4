/* A courier, its letters, and servers that answer as a script says. */
#include "courier_rig.h"

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

#include "core/log.h"
#include "core/mem.h"

struct loop *loop;
static struct tls_context *server_tls;

static void say(struct peer *p, const char *text)
{
    if (!p->closing)
        CHECK_U64(buf_append(&p->out, bytes_of(text)), ERR_OK);
}

/* The replies to all that was read, in one write. */
static void flush(struct peer *p)
{
    if (buf_len(&p->out) > 0) {
        enum err e = conn_write(p->conn, buf_bytes(&p->out));
        CHECK(e == ERR_OK || e == ERR_CLOSED);
        buf_clear(&p->out);
    }
}

static void leave(struct peer *p)
{
    flush(p);
    p->closing = true;
    conn_close_after_output(p->conn, 1000);
}

static void message_ended(struct peer *p)
{
    const struct script *s = &p->server->script;
    p->data = false;
    p->messages++;
    p->server->messages++;
    if (s->close_at_dot)
        leave(p);
    else if (s->silent)
        p->closing = true; /* deaf and dumb from here on */
    else
        say(p, "250 2.0.0 taken\r\n");
    if (s->close_after > 0 && p->messages >= s->close_after)
        leave(p);
}

static void on_ehlo(struct peer *p)
{
    const struct script *s = &p->server->script;
    say(p, "250-server\r\n");
    say(p, s->lock_step ? "" : "250-PIPELINING\r\n");
    say(p, s->starttls && !conn_tls(p->conn) ? "250-STARTTLS\r\n" : "");
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
    if (bytes_starts_nocase(line, BYTES("RCPT TO:<450")))
        say(p, "450 4.2.1 busy\r\n");
    else if (bytes_starts_nocase(line, BYTES("RCPT TO:<550")))
        say(p, "550 5.1.1 unknown\r\n");
    else
        say(p, "250 2.1.5 fine\r\n");
}

static void on_line(struct peer *p, struct bytes line)
{
    if (p->data) {
        if (bytes_equal(line, BYTES(".")))
            message_ended(p);
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
    flush(p);
    if (p->want_tls && !p->server->script.broken && !conn_tls(p->conn)) {
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
    if (fd < 0)
        return;
    struct peer *p = MEM_NEW(struct peer);
    p->server = server;
    p->next = server->peers;
    server->peers = p;
    buf_init(&p->in, 1 << 20);
    buf_init(&p->out, 1 << 20);
    p->conn = conn_accepted(loop, fd, &PEER_OPS, p);
    server->connections++;
    server->open++;
    server->open_max = server->open > server->open_max ? server->open : server->open_max;
    if (server->script.banner) {
        say(p, server->script.banner);
        leave(p);
    } else {
        say(p, "220 server\r\n");
        flush(p);
    }
}

void server_start(struct server *s, struct script script)
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

void server_deafen(struct server *s)
{
    if (s->watch.fd >= 0) {
        loop_watch_remove(loop, &s->watch);
        close(s->watch.fd);
        s->watch.fd = -1;
    }
}

void server_hang_up(struct server *s)
{
    for (struct peer *p = s->peers; p; p = p->next) {
        if (p->conn) {
            conn_abort(&p->conn);
            s->open--;
        }
    }
}

void server_stop(struct server *s)
{
    server_deafen(s);
    server_hang_up(s);
    while (s->peers) {
        struct peer *p = s->peers;
        s->peers = p->next;
        buf_free(&p->in);
        buf_free(&p->out);
        mem_free(p);
    }
}

static const char TEXT[] = "Subject: x\r\n\r\nhello\r\n";
unsigned done_count;
static bool inside_deliver;

static bool letter_read(struct smtp_client_message *m, uint64_t at, char *to, size_t len)
{
    (void)m;
    memcpy(to, TEXT + at, len);
    return true;
}

unsigned routes_held;

static void route_free(struct route *route)
{
    mem_free(route);
    routes_held--;
}

static struct route *route_copy(const struct route *from)
{
    struct route *route = MEM_NEW(struct route);
    *route = *from;
    atomic_init(&route->refs, 1);
    route->release = route_free;
    routes_held++;
    return route;
}

static void on_done(struct courier_job *job)
{
    struct letter *l = CONTAINER_OF(job, struct letter, job);
    CHECK(!inside_deliver);
    CHECK_U64(l->done++, 0);
    for (size_t i = 0; i < l->envelope.rcpt_count; i++)
        CHECK(job->attempt->results[i].code >= 200);
    done_count++;
    route_unref(&job->route);
}

void deliver(struct courier *c, struct letter *l, const struct route *route, const char *rcpts)
{
    *l = (struct letter){0};
    arena_init(&l->arena, 512);
    l->envelope.sender = BYTES("a@x.example");
    l->envelope.rcpts = l->rcpts;
    struct bytes rest = bytes_of(rcpts);
    while (rest.len > 0)
        (void)bytes_split(rest, ' ', &l->rcpts[l->envelope.rcpt_count++].address, &rest);
    l->job.message = (struct smtp_client_message){
        .envelope = &l->envelope, .octets = sizeof TEXT - 1, .read = letter_read};
    l->job.route = route_copy(route);
    l->job.attempt = &l->attempt;
    l->job.arena = &l->arena;
    l->job.on_done = on_done;
    inside_deliver = true;
    courier_deliver(c, &l->job);
    inside_deliver = false;
}

void letters_free(struct letter *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        CHECK_U64(list[i].done, 1);
        arena_free(&list[i].arena);
    }
}

bool run_until(unsigned count)
{
    uint64_t end = clock_mono_ms() + 10000;
    while (done_count < count && clock_mono_ms() < end)
        loop_turn(loop, 100);
    return CHECK_U64(done_count, count);
}

bool run_until_closed(struct courier *c)
{
    uint64_t end = clock_mono_ms() + 10000;
    while (courier_connections(c) > 0 && clock_mono_ms() < end)
        loop_turn(loop, 100);
    return CHECK_U64(courier_connections(c), 0);
}

struct courier_settings settings_of(struct tls_context *tls)
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

struct courier *courier_start(struct courier_settings settings)
{
    struct courier *c = NULL;
    struct err_detail why;
    done_count = 0;
    CHECK_U64(courier_new(loop, &settings, &c, &why), ERR_OK);
    return c;
}

struct route route_to(const char *const *hosts, size_t count)
{
    return (struct route){
        .connection_key = "smtp:test",
        .connector = "Test",
        .smart_hosts = hosts,
        .smart_host_count = count,
        .source = IPADDR_V4_ANY,
        .tls = ROUTE_TLS_NEVER,
        .messages_max = 20,
        .connections_max = 4,
    };
}

void send_through(struct server *server, struct route route, struct letter *list, unsigned count,
                  struct tls_context *tls)
{
    const char *const hosts[] = {server->name};
    struct courier *c = courier_start(settings_of(tls));
    route.smart_hosts = hosts;
    route.smart_host_count = 1;
    for (unsigned i = 0; i < count; i++)
        deliver(c, &list[i], &route, "b@y.example");
    run_until(count);
    courier_free(&c);
    CHECK(!c);
}

unsigned count_ok(const struct letter *list, unsigned count)
{
    unsigned ok = 0;
    for (unsigned i = 0; i < count; i++)
        ok += list[i].done == 1 && list[i].attempt.results[0].code == 250;
    return ok;
}

struct letter letters[1000];

static void write_pem(const char *path, EVP_PKEY *key, X509 *certificate)
{
    FILE *f = fopen(path, "w");
    ASSERT(f);
    ASSERT(!key || PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1);
    ASSERT(!certificate || PEM_write_X509(f, certificate) == 1);
    ASSERT(fclose(f) == 0);
}

/* A certificate that nobody vouches for, as most mail servers have. */
static void make_server_tls(void)
{
    char dir[] = "/tmp/test_courier_XXXXXX";
    ASSERT(mkdtemp(dir));
    char cert_path[64], key_path[64];
    snprintf(cert_path, sizeof cert_path, "%s/cert.pem", dir);
    snprintf(key_path, sizeof key_path, "%s/key.pem", dir);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    ASSERT(key && x);
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
    if (e != ERR_OK)
        fprintf(stderr, "%s\n", why.text);
    ASSERT(e == ERR_OK);
    X509_free(x);
    EVP_PKEY_free(key);
    ASSERT(unlink(cert_path) == 0 && unlink(key_path) == 0 && rmdir(dir) == 0);
}

static int log_sink = -1;

void at_loop(void (*test)(void))
{
    struct err_detail why;
    if (log_sink < 0) {
        log_sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
        log_redirect(log_sink);
        make_server_tls();
    }
    CHECK_U64(loop_new(&loop, &why), ERR_OK);
    test();
    CHECK_U64(routes_held, 0);
    loop_free(&loop);
}

void test_clean(void)
{
    tls_context_unref(&server_tls);
    CHECK(!server_tls);
    CHECK(close(log_sink) == 0);
}
