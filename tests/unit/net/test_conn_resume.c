/* net/conn resume: certificates are made, resumed, another server, a broken connection, in
 * clear, certificates are removed. */
#include "net/conn.h"

#include <unistd.h>

#include "conn_rig.h"
#include "tls_rig.h"

static struct tls_files files;

/* One connection of our client with our server, and how it ended. */
struct visit {
    struct conn_rig server, client;
};

/* SESSION is offered, if any. The server then says a word, behind which a ticket is in. */
static void visit_open(struct visit *v, struct tls_context *server, struct tls_context *client,
                       const struct tls_session *session)
{
    int fds[2];

    conn_rig_prepare(&v->server);
    conn_rig_prepare(&v->client);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    v->server.c = conn_accepted(v->server.loop, fds[0], &conn_rig_ops, &v->server);
    v->client.c = conn_accepted(v->server.loop, fds[1], &conn_rig_ops, &v->client);
    CHECK(conn_start_tls(v->server.c, server, NULL) == ERR_OK);
    CHECK(conn_start_tls(v->client.c, client, NULL) == ERR_OK);
    if (session)
        conn_tls_resume(v->client.c, session);
    CHECK(!conn_tls_session(v->client.c));
    conn_rig_settle(&v->server);
    CHECK(v->server.handshakes == 1 && v->client.handshakes == 1);
    CHECK(conn_rig_write(&v->server, BYTES("x")) == ERR_OK);
    conn_rig_settle(&v->server);
    CHECK_U64(buf_len(&v->client.got), 1);
}

/* POLITE: with close_notify; else OpenSSL withdraws the connection's session. */
static void visit_close(struct visit *v, bool polite)
{
    if (polite) {
        conn_close_after_output(v->client.c, 1000);
        conn_rig_settle(&v->server);
        CHECK(v->client.closed == 1);
    }
    conn_abort(&v->client.c);
    conn_abort(&v->server.c);
    conn_rig_close(&v->client);
    conn_rig_close(&v->server);
}

static void test_resumed(void)
{
    struct tls_context *server = tls_rig_server(&files, "1.2"), *client = tls_rig_client();
    struct tls_session *session = NULL;

    for (unsigned i = 0; i < 4; i++) {
        struct visit v;
        struct tls_session *newest;

        visit_open(&v, server, client, session);
        CHECK(conn_tls(v.client.c)->resumed == (i > 0));
        CHECK(conn_tls(v.server.c)->resumed == (i > 0));
        newest = conn_tls_session(v.client.c);
        CHECK(newest);
        tls_session_free(&session);
        session = newest;
        visit_close(&v, true);
    }
    tls_session_free(&session);
    CHECK(!session);
    tls_session_free(&session);
    tls_context_unref(&server);
    tls_context_unref(&client);
}

/* The offer is turned down, and it is a handshake like any other. */
static void test_another_server(void)
{
    struct tls_context *one = tls_rig_server(&files, "1.2"), *other = tls_rig_server(&files, "1.2");
    struct tls_context *client = tls_rig_client();
    struct tls_session *session;
    struct visit v;

    visit_open(&v, one, client, NULL);
    session = conn_tls_session(v.client.c);
    visit_close(&v, true);
    visit_open(&v, other, client, session);
    CHECK(!conn_tls(v.client.c)->resumed && !conn_tls(v.server.c)->resumed);
    visit_close(&v, true);
    tls_session_free(&session);
    tls_context_unref(&one);
    tls_context_unref(&other);
    tls_context_unref(&client);
}

/* RFC 8446 6.1: without close_notify it may have been cut off; its session is not offered. */
static void test_a_broken_connection(void)
{
    struct tls_context *server = tls_rig_server(&files, "1.2"), *client = tls_rig_client();
    struct tls_session *session;
    struct visit v;

    visit_open(&v, server, client, NULL);
    session = conn_tls_session(v.client.c);
    CHECK(session);
    visit_close(&v, false);
    visit_open(&v, server, client, session);
    CHECK(!conn_tls(v.client.c)->resumed);
    visit_close(&v, true);
    tls_session_free(&session);
    tls_context_unref(&server);
    tls_context_unref(&client);
}

static void test_in_clear(void)
{
    struct conn_rig r;

    conn_rig_open(&r);
    CHECK(!conn_tls_session(r.c));
    conn_rig_close(&r);
}

static void test_files(void)
{
    tls_files_make(&files);
    CHECK(access(files.key, R_OK) == 0);
}

static void test_files_end(void)
{
    tls_files_remove(&files);
    CHECK(access(files.dir, F_OK) != 0);
}

UNIT_MAIN("net/conn resume", {"certificates are made", test_files}, {"resumed", test_resumed},
          {"another server", test_another_server},
          {"a broken connection", test_a_broken_connection}, {"in clear", test_in_clear},
          {"certificates are removed", test_files_end})
