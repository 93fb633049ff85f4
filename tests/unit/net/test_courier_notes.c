/* What a protocol log gets to hear of a courier's connections. */
#include "courier_rig.h"

#include "fake_dns.h"

/* Each note as "EVENT data|context", each connection behind "--"; the port of its other end as
 * PORT, where it has one. */
struct notes {
    char text[65536];
    size_t len;
    uint64_t session_id, next;
    bool local;
    unsigned connections, port;
};
static struct notes notes;

static void keep(const char *text, size_t len)
{
    if (CHECK(len <= sizeof notes.text - 1 - notes.len)) {
        memcpy(notes.text + notes.len, text, len);
        notes.len += len;
        notes.text[notes.len] = '\0';
    }
}

static void on_note(void *owner, const struct courier_note *note)
{
    CHECK(owner == &notes);
    CHECK_STR(note->connector, "Test");
    if (note->sequence == 0) {
        CHECK(note->session_id != notes.session_id);
        notes.session_id = note->session_id;
        notes.next = 0;
        notes.local = false;
        notes.connections++;
        notes.port = note->remote ? note->remote->port : 0;
        keep("--\n", 3);
    }
    CHECK_U64(note->session_id, notes.session_id);
    CHECK_U64(note->sequence, notes.next++);
    CHECK_U64(note->remote ? note->remote->port : 0, notes.port);
    notes.local |= note->event == '+';
    CHECK(!note->local == !notes.local);
    CHECK(!note->local || (note->local->port != 0 && note->local->port != notes.port));
    keep(&note->event, 1);
    keep(" ", 1);
    keep(note->data.ptr, note->data.len);
    keep("|", 1);
    keep(note->context.ptr, note->context.len);
    keep("\n", 1);
}

static struct courier_settings noted(struct tls_context *tls)
{
    struct courier_settings settings = settings_of(tls);
    settings.on_note = on_note;
    settings.owner = &notes;
    memset(&notes, 0, sizeof notes);
    return settings;
}

static void deliver_numbered(struct courier *c, struct letter *l, const struct route *route,
                             const char *rcpts, uint64_t id)
{
    deliver(c, l, route, rcpts);
    l->job.id = id;
    l->job.message_id = BYTES("<1@x.example>");
}

#define CONNECTED "--\n* |attempting to connect\n+ |\n"
#define OPENED                                                                                     \
    CONNECTED "< 220 server|\n> EHLO courier.example|\n< 250-server|\n< 250-PIPELINING|\n"         \
              "< 250 DSN|\n"
#define SENDING(id)                                                                                \
    "* |sending message with RecordId " id " and InternetMessageId <1@x.example>\n"                \
    "> MAIL FROM:<a@x.example>|\n"

/* Commands and replies, in the order in which they went and came; nothing of the text. */
static void test_session(void)
{
    struct server server;
    server_start(&server, (struct script){0});
    const char *const hosts[] = {server.name};
    struct route route = route_to(hosts, 1);
    route.protocol_logged = true;
    route.connections_max = 1;
    route.messages_max = 2;
    struct courier *c = courier_start(noted(NULL));
    deliver_numbered(c, &letters[0], &route, "b@y 550@y", 17);
    deliver_numbered(c, &letters[1], &route, "c@y", 18);
    run_until(2);
    run_until_closed(c);
    CHECK_STR(
        notes.text,
        OPENED SENDING(
            "17") "> RCPT TO:<b@y>|\n> RCPT TO:<550@y>|\n> DATA|\n"
                  "< 250 2.1.0 fine|\n< 250 2.1.5 fine|\n< 550 5.1.1 unknown|\n< 354 go|\n" SENDING(
                      "18") "> RCPT TO:<c@y>|\n> DATA|\n"
                            "< 250 2.0.0 taken|\n< 250 2.1.0 fine|\n< 250 2.1.5 fine|\n< 354 go|\n"
                            "> QUIT|\n< 250 2.0.0 taken|\n< 221 bye|\n- |Local\n");
    courier_free(&c);
    letters_free(letters, 2);
    server_stop(&server);
}

static void test_off(void)
{
    struct server server;
    server_start(&server, (struct script){0});
    const char *const hosts[] = {server.name};
    struct route route = route_to(hosts, 1);
    struct courier *c = courier_start(noted(NULL));
    deliver(c, &letters[0], &route, "b@y");
    run_until(1);
    courier_free(&c);
    CHECK_STR(notes.text, "");
    /* Wanted by the route, and by nobody else. */
    route.protocol_logged = true;
    c = courier_start(settings_of(NULL));
    deliver(c, &letters[1], &route, "b@y");
    run_until(1);
    courier_free(&c);
    CHECK_U64(letters[1].attempt.results[0].code, 250);
    letters_free(letters, 2);
    server_stop(&server);
}

/* A changed route counts for connections that are made from then on. */
static void test_changed_route(void)
{
    struct server server;
    server_start(&server, (struct script){0});
    const char *const hosts[] = {server.name};
    struct route silent = route_to(hosts, 1), logged = route_to(hosts, 1);
    silent.messages_max = logged.messages_max = 2;
    silent.connections_max = logged.connections_max = 1;
    logged.protocol_logged = true;
    struct courier *c = courier_start(noted(NULL));
    deliver(c, &letters[0], &silent, "b@y");
    run_until(1);
    deliver(c, &letters[1], &logged, "c@y"); /* the second of the connection that is open */
    run_until(2);
    CHECK_U64(notes.connections, 0);
    deliver(c, &letters[2], &logged, "d@y");
    run_until(3);
    CHECK_U64(notes.connections, 1);
    deliver(c, &letters[3], &silent, "e@y");
    run_until(4);
    CHECK(strstr(notes.text, "e@y"));
    deliver(c, &letters[4], &silent, "f@y");
    run_until(5);
    CHECK_U64(notes.connections, 1);
    CHECK(!strstr(notes.text, "b@y") && !strstr(notes.text, "c@y"));
    CHECK(strstr(notes.text, "d@y") && !strstr(notes.text, "f@y"));
    CHECK_U64(server.connections, 3);
    courier_free(&c);
    letters_free(letters, 5);
    server_stop(&server);
}

static const struct end_row {
    const char *name;
    struct script script;
    const char *wanted;
} end_rows[] = {
    {"refused at once", {.banner = "554 5.3.2 no\r\n"}, CONNECTED "< 554 5.3.2 no|\n- |Local\n"},
    {"no SMTP at all",
     {.banner = "hello\t\x1b[2J\r\n"},
     CONNECTED "< hello\t\x1b[2J|\n* |Malformed reply while waiting for the greeting\n- |Local\n"},
    {"a line without CR",
     {.banner = "220 x\n"},
     CONNECTED "* |Malformed reply while waiting for the greeting\n- |Local\n"},
    {"connection lost",
     {.close_at_dot = true},
     OPENED "> MAIL FROM:<a@x.example>|\n> RCPT TO:<b@y>|\n> DATA|\n< 250 2.1.0 fine|\n"
            "< 250 2.1.5 fine|\n< 354 go|\n* |Connection lost while waiting for the reply to the "
            "whole message (it may arrive twice): closed by the peer\n- |Remote\n"},
    {"421",
     {.mail_421 = 1},
     OPENED "> MAIL FROM:<a@x.example>|\n> RCPT TO:<b@y>|\n> DATA|\n"
            "< 421 4.7.0 enough for one connection|\n- |Local\n"},
};

static void test_ends(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(end_rows); i++) {
        struct server server;
        unit_row(end_rows[i].name);
        server_start(&server, end_rows[i].script);
        const char *const hosts[] = {server.name};
        struct route route = route_to(hosts, 1);
        route.protocol_logged = true;
        struct courier *c = courier_start(noted(NULL));
        deliver(c, &letters[0], &route, "b@y");
        run_until(1);
        run_until_closed(c);
        CHECK_STR(notes.text, end_rows[i].wanted);
        courier_free(&c);
        letters_free(letters, 1);
        server_stop(&server);
    }
}

static void test_cannot_connect(void)
{
    struct server closed, server;
    server_start(&closed, (struct script){0});
    server_start(&server, (struct script){0});
    server_deafen(&closed);
    const char *const hosts[] = {closed.name, server.name};
    struct route route = route_to(hosts, 2);
    route.protocol_logged = true;
    struct courier *c = courier_start(noted(NULL));
    deliver(c, &letters[0], &route, "b@y");
    run_until(1);
    CHECK_U64(letters[0].attempt.results[0].code, 250);
    CHECK_U64(notes.connections, 2);
    static const char refused[] =
        "--\n* |attempting to connect\n* |Failed to connect: Connection refused\n" OPENED;
    CHECK_BYTES(bytes_sub(bytes_of(notes.text), 0, sizeof refused - 1), BYTES(refused));
    courier_free(&c);
    CHECK(bytes_ends_nocase(bytes_of(notes.text), BYTES("\n- |Local\n")));
    letters_free(letters, 1);
    server_stop(&closed);
    server_stop(&server);
}

static void test_no_address(void)
{
    static const struct fake_dns_row rows[] = {{"broken.test", FAKE_MX, FAKE_SERVFAIL, NULL, 0}};
    struct fake_dns *server = fake_dns_start(rows, ARRAY_SIZE(rows));
    if (!CHECK(server))
        return;
    const char *const servers[] = {fake_dns_address(server)};
    struct dns_settings dns = {.servers = servers, .server_count = 1};
    struct courier_settings settings = noted(NULL);
    settings.dns = &dns;
    struct route route = route_to(NULL, 0);
    route.domain = "broken.test";
    route.protocol_logged = true;
    struct courier *c = courier_start(settings);
    deliver(c, &letters[0], &route, "b@broken.test");
    run_until(1);
    CHECK_U64(notes.connections, 1);
    CHECK(bytes_starts_nocase(bytes_of(notes.text), BYTES("--\n* |")));
    CHECK(memmem(notes.text, notes.len, letters[0].attempt.results[0].text.ptr,
                 letters[0].attempt.results[0].text.len));
    courier_free(&c);
    letters_free(letters, 1);
    fake_dns_stop(&server);
}

static void test_tls(void)
{
    static const struct {
        const char *name;
        enum route_tls tls;
        struct script script;
        const char *wanted[4];
    } rows[] = {
        {"taken",
         ROUTE_TLS_MAY,
         {.starttls = true},
         {"> STARTTLS|\n< 220 go|\n* TLSv1.3 TLS_", "|TLS negotiated\n> EHLO courier.example|\n"}},
        {"broken, then in clear",
         ROUTE_TLS_MAY,
         {.starttls = true, .broken = true},
         {"> STARTTLS|\n< 220 go|\n* |", "TLS", "\n- |", "\n--\n* |attempting to connect\n+ |\n"}},
        {"required, not offered",
         ROUTE_TLS_ENCRYPT,
         {0},
         {"* |TLS is required and cannot be had from this host\n- |Local\n"}},
    };
    struct tls_context *tls = NULL;
    struct err_detail why;
    CHECK_U64(tls_context_client(&(struct tls_settings){.minimum = "1.2"}, &tls, &why), ERR_OK);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct server server;
        unit_row(rows[i].name);
        server_start(&server, rows[i].script);
        const char *const hosts[] = {server.name};
        struct route route = route_to(hosts, 1);
        route.protocol_logged = true;
        route.tls = rows[i].tls;
        struct courier *c = courier_start(noted(tls));
        deliver(c, &letters[0], &route, "b@y");
        run_until(1);
        const char *at = notes.text;
        for (size_t k = 0; k < ARRAY_SIZE(rows[i].wanted) && rows[i].wanted[k]; k++) {
            at = at ? strstr(at, rows[i].wanted[k]) : NULL;
            CHECK(at);
        }
        courier_free(&c);
        letters_free(letters, 1);
        server_stop(&server);
    }
    tls_context_unref(&tls);
}

/* Closed by the other end while it was open without work. */
static void test_stale(void)
{
    struct server server;
    server_start(&server, (struct script){0});
    const char *const hosts[] = {server.name};
    struct route route = route_to(hosts, 1);
    route.protocol_logged = true;
    struct courier *c = courier_start(noted(NULL));
    deliver(c, &letters[0], &route, "b@y");
    run_until(1);
    server_hang_up(&server);
    deliver(c, &letters[1], &route, "c@y");
    run_until(2);
    CHECK_U64(notes.connections, 2);
    CHECK(strstr(notes.text, "* |Connection lost while open without work: "));
    CHECK(strstr(notes.text, "\n- |Remote\n" OPENED));
    courier_free(&c);
    letters_free(letters, 2);
    server_stop(&server);
}

AT_LOOP(test_session)
AT_LOOP(test_off)
AT_LOOP(test_changed_route)
AT_LOOP(test_ends)
AT_LOOP(test_cannot_connect)
AT_LOOP(test_no_address)
AT_LOOP(test_tls)
AT_LOOP(test_stale)

UNIT_MAIN("net/courier notes", {"a session", test_session_at_loop}, {"off", test_off_at_loop},
          {"a changed route", test_changed_route_at_loop}, {"ends", test_ends_at_loop},
          {"no connection", test_cannot_connect_at_loop}, {"no address", test_no_address_at_loop},
          {"TLS", test_tls_at_loop}, {"stale", test_stale_at_loop}, {"clean", test_clean})
