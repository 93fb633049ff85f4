/* A session on a real socket, the client at its other end, and an owner that answers. */
#include "smtp_service_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define EXTENSIONS                                                                                 \
    (SMTP_EXTENSION_SIZE | SMTP_EXTENSION_PIPELINING | SMTP_EXTENSION_DSN |                        \
     SMTP_EXTENSION_ENHANCEDSTATUSCODES | SMTP_EXTENSION_STARTTLS | SMTP_EXTENSION_8BITMIME |      \
     SMTP_EXTENSION_BINARYMIME | SMTP_EXTENSION_CHUNKING)
#define RAW "220 relay.example ESMTP"

struct service_rig rig;

static enum smtp_server_verdict answer(enum question q, struct mail_status *status)
{
    rig.waiting = *status;
    return rig.later == q ? SMTP_SERVER_LATER : SMTP_SERVER_ANSWERED;
}

static enum smtp_server_verdict on_mail(void *owner, const struct mail_envelope *envelope,
                                        struct mail_status *status)
{
    (void)owner, (void)envelope;
    rig.mails++;
    if (rig.abort_in_mail)
        smtp_service_abort(rig.service);
    if (rig.shutdown_in_mail)
        smtp_service_shutdown(rig.service);
    return answer(QUESTION_MAIL, status);
}

static enum smtp_server_verdict on_rcpt(void *owner, const struct mail_rcpt *rcpt,
                                        struct bytes domain, struct mail_status *status)
{
    (void)owner, (void)rcpt, (void)domain, (void)status;
    return SMTP_SERVER_ANSWERED;
}

static enum smtp_server_verdict on_begin(void *owner, struct mail_status *status)
{
    (void)owner, (void)status;
    return SMTP_SERVER_ANSWERED;
}

static bool on_text(void *owner, struct bytes text, struct mail_status *status)
{
    (void)owner, (void)status;
    rig.octets += text.len;
    return true;
}

static enum smtp_server_verdict on_end(void *owner, struct mail_status *status)
{
    (void)owner;
    rig.commits++;
    return answer(QUESTION_END, status);
}

static void on_abort(void *owner)
{
    (void)owner;
    CHECK_U64(rig.closed, 0);
    rig.aborts++;
}

static void on_tls(void *owner)
{
    (void)owner;
    CHECK(smtp_server_facts(smtp_service_session(rig.service))->tls->version[0] == 'T');
    rig.tls_started++;
}

static void on_closed(void *owner, enum err reason, const char *text)
{
    (void)owner, (void)text;
    rig.closed++;
    rig.reason = reason;
    rig.helo_seen_at_close = smtp_server_facts(smtp_service_session(rig.service))->helo.len > 0;
}

const struct smtp_server_ops service_ops = {on_mail, on_rcpt, on_begin, on_text, on_end, on_abort,
                                            NULL,    on_tls,  NULL,     NULL,    NULL,   NULL};

/* Two ends of a TCP connection over loopback. */
static void connect_pair(int *server, int *client)
{
    struct sockaddr_storage sa;
    struct endpoint at;
    CHECK(endpoint_parse(BYTES("127.0.0.1:0"), &at) == ERR_OK);
    socklen_t len = endpoint_to_sockaddr(&at, &sa);
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(listening, (struct sockaddr *)&sa, len) == 0 && listen(listening, 1) == 0);
    CHECK(getsockname(listening, (struct sockaddr *)&sa, &len) == 0);
    *client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(connect(*client, (struct sockaddr *)&sa, len) == 0);
    *server = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    CHECK(*server >= 0 && fcntl(*client, F_SETFL, O_NONBLOCK) == 0);
    CHECK(close(listening) == 0);
}

void service_new(void)
{
    clock_virtual_start(1000, 1700000000000);
    rig = (struct service_rig){.settings = {.fqdn = BYTES("relay.example"),
                                            .banner = BYTES_EMPTY,
                                            .extensions = EXTENSIONS,
                                            .message_size_max = 1 << 30,
                                            .rcpts_max = 100,
                                            .protocol_errors_max = 5,
                                            .address_max = 571,
                                            .inactivity_timeout_ms = 300000,
                                            .connection_timeout_ms = 600000}};
    CHECK(loop_new(&rig.loop, NULL) == ERR_OK);
}

void service_start(const struct mail_status *refusal)
{
    struct smtp_server_facts facts = {.session_id = 1};
    int server;
    connect_pair(&server, &rig.client);
    rig.service = smtp_service_start(rig.loop, server, &rig.settings, &facts, rig.tls, refusal,
                                     &service_ops, NULL, on_closed);
}

void service_done(void)
{
    if (!rig.closed)
        smtp_service_abort(rig.service);
    CHECK_U64(rig.closed, 1);
    if (rig.client >= 0)
        CHECK(close(rig.client) == 0);
    while (loop_turn(rig.loop, 0))
        continue;
    loop_free(&rig.loop);
    tls_context_unref(&rig.tls);
    clock_virtual_end();
}

static void read_client(void)
{
    ssize_t n;
    while (rig.client >= 0 && (n = recv(rig.client, rig.got + rig.got_len,
                                        sizeof rig.got - 1 - rig.got_len, 0)) >= 0) {
        rig.eof = rig.eof || n == 0;
        if (n == 0)
            break;
        rig.got_len += (size_t)n;
    }
    rig.got[rig.got_len] = '\0';
}

unsigned service_turn(unsigned lines)
{
    unsigned patience = lines ? 1000 : 20; /* without LINES: until all is quiet */
    unsigned seen = 0;
    for (unsigned idle = 0; idle < patience; idle++) {
        seen = 0;
        while (loop_turn(rig.loop, 0))
            idle = 0;
        read_client();
        for (size_t i = 0; i < rig.got_len; i++)
            seen += rig.got[i] == '\n';
        if ((lines && seen >= lines) || (rig.eof && rig.closed))
            break;
        if (rig.client >= 0)
            (void)poll(&(struct pollfd){.fd = rig.client, .events = POLLIN}, 1, rig.eof ? 1 : 3);
    }
    return seen;
}

void service_forget(void)
{
    rig.got_len = 0;
    rig.got[0] = '\0';
}

void service_send(const char *text)
{
    CHECK(send(rig.client, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

void service_say(const char *text, unsigned lines, const char *starts)
{
    service_forget();
    service_send(text);
    CHECK(service_turn(lines) >= lines);
    if (!CHECK(bytes_starts_nocase(bytes_of(rig.got), bytes_of(starts))))
        fprintf(stderr, "  got: %s\n", rig.got);
}

void service_hello(void)
{
    service_turn(1);
    CHECK(bytes_starts_nocase(bytes_of(rig.got), BYTES(RAW)));
    service_say("HELO client.example\r\n", 1, "250 relay.example Hello ");
}

void service_ehlo(void)
{
    service_turn(1);
    service_say("EHLO client.example\r\n", rig.tls ? 9 : 8, "250-relay.example Hello ");
}
