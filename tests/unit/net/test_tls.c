/* net/tls: begin, server_errors, client_errors, versions, ciphers, alpn, server_name,
 * resumption, renegotiation, context_goes_first, end. */
#include "net/tls.h"

#include <openssl/err.h>
#include <string.h>
#include <unistd.h>

#include "core/loop.h"
#include "net/conn.h"

#include "tls_rig.h"

static struct tls_files files;

static void test_server_errors(void)
{
    const struct {
        const char *name, *cert, *key, *minimum;
        enum err wanted;
        const char *says[2];
    } rows[] = {
        {"good", files.cert, files.key, "1.2", ERR_OK, {"", ""}},
        {"default minimum", files.cert, files.key, NULL, ERR_OK, {"", ""}},
        {"no certificate", NULL, files.key, "1.2", ERR_NOTFOUND, {"certificate", ""}},
        {"no key", files.cert, NULL, "1.2", ERR_NOTFOUND, {"private key", ""}},
        {"certificate missing",
         files.missing,
         files.key,
         "1.2",
         ERR_NOTFOUND,
         {files.missing, "No such file"}},
        {"key missing",
         files.cert,
         files.missing,
         "1.2",
         ERR_NOTFOUND,
         {files.missing, "No such file"}},
        {"certificate is garbage",
         files.garbage,
         files.key,
         "1.2",
         ERR_SYNTAX,
         {files.garbage, "no start line"}},
        {"key is garbage", files.cert, files.garbage, "1.2", ERR_SYNTAX, {files.garbage, ""}},
        {"key of another certificate",
         files.cert,
         files.other_key,
         "1.2",
         ERR_SYNTAX,
         {files.other_key, "key values mismatch"}},
        {"key with a passphrase",
         files.cert,
         files.locked_key,
         "1.2",
         ERR_SYNTAX,
         {files.locked_key, "passphrase"}},
        {"minimum too low", files.cert, files.key, "1.1", ERR_SYNTAX, {"1.1", ""}},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct tls_settings settings = {
            .certificate = rows[i].cert, .key = rows[i].key, .minimum = rows[i].minimum};
        struct tls_context *ctx = NULL;
        struct err_detail why = {""};

        unit_row(rows[i].name);
        CHECK_U64(tls_context_server(&settings, &ctx, &why), rows[i].wanted);
        CHECK(!ctx == (rows[i].wanted != ERR_OK));
        CHECK(strstr(why.text, rows[i].says[0]));
        CHECK(strstr(why.text, rows[i].says[1]));
        tls_context_unref(&ctx);
        CHECK(!ctx);
    }
}

static void test_client_errors(void)
{
    const struct {
        const char *name, *trust;
        enum err wanted;
    } rows[] = {
        {"the system's", NULL, ERR_OK},         {"empty", "", ERR_OK},
        {"a file", files.cert, ERR_OK},         {"missing", files.missing, ERR_NOTFOUND},
        {"garbage", files.garbage, ERR_SYNTAX},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct tls_settings settings = {.minimum = "1.2", .trust_file = rows[i].trust};
        struct tls_context *ctx = NULL;
        struct err_detail why = {""};

        unit_row(rows[i].name);
        CHECK_U64(tls_context_client(&settings, &ctx, &why), rows[i].wanted);
        CHECK(rows[i].wanted == ERR_OK || strstr(why.text, rows[i].trust));
        tls_context_unref(&ctx);
    }
}

struct side {
    struct conn *c;
    unsigned handshakes, failures, closed;
    struct tls_info info;
};

static size_t side_input(void *owner, struct bytes in)
{
    (void)owner;
    return in.len;
}

static void side_handshake(void *owner, bool ok)
{
    struct side *s = owner;

    s->handshakes += ok;
    s->failures += !ok;
    if (ok)
        s->info = *conn_tls(s->c);
}

static void side_closed(void *owner, enum err reason, const char *text)
{
    struct side *s = owner;

    (void)reason;
    (void)text;
    s->closed++;
    s->c = NULL;
}

static const struct conn_ops side_ops = {
    .on_input = side_input, .on_handshake = side_handshake, .on_closed = side_closed};

struct meeting {
    struct loop *loop;
    struct side side;
    struct raw_tls raw;
    struct tls_context *ctx;
};

/* Our side takes CTX over and is server unless SERVER_NAME says whom it looks for. */
static void meeting_open(struct meeting *m, struct tls_context *ctx, const char *server_name)
{
    int fds[2];

    *m = (struct meeting){.ctx = ctx};
    CHECK(loop_new(&m->loop, NULL) == ERR_OK);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    raw_tls_open(&m->raw, fds[1], server_name ? &files : NULL);
    m->side.c = conn_accepted(m->loop, fds[0], &side_ops, &m->side);
    CHECK(conn_start_tls(m->side.c, ctx, server_name) == ERR_OK);
}

/* 1 when both agree; else what OpenSSL said. */
static int meeting_shake(struct meeting *m)
{
    int done = 0;

    for (int i = 0; i < 20 && done != 1; i++) {
        loop_turn(m->loop, 0);
        done = SSL_do_handshake(m->raw.ssl);
    }
    for (int i = 0; i < 5; i++)
        loop_turn(m->loop, 0);
    return done;
}

static void meeting_close(struct meeting *m)
{
    conn_abort(&m->side.c);
    raw_tls_close(&m->raw);
    tls_context_unref(&m->ctx);
    loop_free(&m->loop);
}

static void test_versions(void)
{
    static const struct {
        const char *name, *minimum;
        int client_max;
        const char *version; /* NULL: refused */
    } rows[] = {
        {"newest", "1.2", TLS1_3_VERSION, "TLSv1.3"},
        {"1.2 where it is enough", "1.2", TLS1_2_VERSION, "TLSv1.2"},
        {"1.2 where it is not", "1.3", TLS1_2_VERSION, NULL},
        {"1.3 alone", "1.3", TLS1_3_VERSION, "TLSv1.3"},
        {"1.1", "1.2", TLS1_1_VERSION, NULL},
        {"1.0", "1.2", TLS1_VERSION, NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        bool wanted = rows[i].version;
        struct meeting m;

        unit_row(rows[i].name);
        meeting_open(&m, tls_rig_server(&files, rows[i].minimum), NULL);
        CHECK(SSL_set_max_proto_version(m.raw.ssl, rows[i].client_max) == 1);
        CHECK((meeting_shake(&m) == 1) == wanted);
        CHECK_U64(m.side.handshakes, wanted);
        CHECK_U64(m.side.failures, !wanted);
        CHECK_U64(m.side.closed, !wanted);
        if (wanted) {
            CHECK_STR(m.side.info.version, rows[i].version);
            CHECK_STR(m.side.info.cipher, SSL_get_cipher_name(m.raw.ssl));
            CHECK(m.side.info.bits >= 128 && !m.side.info.resumed);
        }
        meeting_close(&m);
    }
}

static void test_ciphers(void)
{
    static const struct {
        const char *name, *list;
        bool wanted;
    } rows[] = {
        {"forward secrecy", "ECDHE-ECDSA-AES128-GCM-SHA256", true},
        {"anonymous", "aNULL:@SECLEVEL=0", false},
        {"none", "eNULL:@SECLEVEL=0", false},
        {"RSA key transport", "AES128-GCM-SHA256", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct meeting m;

        unit_row(rows[i].name);
        meeting_open(&m, tls_rig_server(&files, "1.2"), NULL);
        (void)SSL_set_max_proto_version(m.raw.ssl, TLS1_2_VERSION);
        CHECK(SSL_set_cipher_list(m.raw.ssl, rows[i].list) == 1);
        CHECK((meeting_shake(&m) == 1) == rows[i].wanted);
        CHECK_U64(m.side.handshakes, rows[i].wanted);
        meeting_close(&m);
    }
}

/* T-12 */
static void test_alpn(void)
{
    static const struct {
        const char *name, *list;
        unsigned len;
        bool wanted;
    } rows[] = {
        {"none", NULL, 0, true},
        {"http", "\x08http/1.1\x02h2", 12, false},
        {"ours among others", "\x02h2\x04smtp", 8, true},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct meeting m;

        unit_row(rows[i].name);
        meeting_open(&m, tls_rig_server(&files, "1.2"), NULL);
        if (rows[i].list)
            CHECK(SSL_set_alpn_protos(m.raw.ssl, (const unsigned char *)rows[i].list,
                                      rows[i].len) == 0);
        ERR_clear_error();
        CHECK((meeting_shake(&m) == 1) == rows[i].wanted);
        if (!rows[i].wanted)
            CHECK_U64(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
        CHECK_U64(m.side.handshakes, rows[i].wanted);
        meeting_close(&m);
    }
}

static void test_server_name(void)
{
    static const struct {
        const char *name, *sent; /* NULL: none */
    } rows[] = {
        {"mx.example", "mx.example"}, {"mx.example.", "mx.example"}, {"192.0.2.1", NULL},
        {"2001:db8::1", NULL},        {"[192.0.2.1]", NULL},         {"", NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct meeting m;

        unit_row(rows[i].name);
        meeting_open(&m, tls_rig_client(), rows[i].name);
        CHECK(meeting_shake(&m) == 1);
        CHECK_STR(SSL_get_servername(m.raw.ssl, TLSEXT_NAMETYPE_host_name), rows[i].sent);
        CHECK_U64(m.side.handshakes, 1); /* self-signed, and nobody asks */
        meeting_close(&m);
    }
}

static void test_resumption(void)
{
    struct tls_context *ctx = tls_rig_server(&files, "1.2");
    SSL_SESSION *session = NULL;

    for (int i = 0; i < 2; i++) {
        struct meeting m;
        char byte;

        meeting_open(&m, tls_context_ref(ctx), NULL);
        if (session)
            CHECK(SSL_set_session(m.raw.ssl, session) == 1);
        CHECK(meeting_shake(&m) == 1);
        CHECK(m.side.info.resumed == (i == 1));
        (void)SSL_read(m.raw.ssl, &byte, 1); /* takes the ticket */
        SSL_SESSION_free(session);
        session = SSL_get1_session(m.raw.ssl);
        SSL_set_shutdown(m.raw.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        CHECK(SSL_SESSION_get_max_early_data(session) == 0);
        meeting_close(&m);
    }
    SSL_SESSION_free(session);
    tls_context_unref(&ctx);
    CHECK(!ctx);
}

/* T-10: the wish is refused, and no second handshake takes place. */
static void test_renegotiation(void)
{
    struct meeting m;

    meeting_open(&m, tls_rig_server(&files, "1.2"), NULL);
    CHECK(SSL_set_max_proto_version(m.raw.ssl, TLS1_2_VERSION) == 1);
    CHECK(meeting_shake(&m) == 1);
    CHECK(SSL_renegotiate(m.raw.ssl) == 1);
    CHECK(meeting_shake(&m) != 1);
    CHECK(!SSL_is_init_finished(m.raw.ssl));
    CHECK_U64(m.side.handshakes, 1);
    meeting_close(&m);
}

/* A session keeps what it started with. */
static void test_context_goes_first(void)
{
    struct meeting m;

    meeting_open(&m, tls_rig_server(&files, "1.2"), NULL);
    tls_context_unref(&m.ctx);
    CHECK(meeting_shake(&m) == 1);
    CHECK_U64(m.side.handshakes, 1);
    meeting_close(&m);
}

static void test_begin(void)
{
    tls_files_make(&files);
    CHECK(access(files.key, R_OK) == 0);
}

static void test_end(void)
{
    tls_files_remove(&files);
    CHECK(access(files.dir, F_OK) != 0);
}

UNIT_MAIN("net/tls", {"begin", test_begin}, {"server_errors", test_server_errors},
          {"client_errors", test_client_errors}, {"versions", test_versions},
          {"ciphers", test_ciphers}, {"alpn", test_alpn}, {"server_name", test_server_name},
          {"resumption", test_resumption}, {"renegotiation", test_renegotiation},
          {"context_goes_first", test_context_goes_first}, {"end", test_end})
