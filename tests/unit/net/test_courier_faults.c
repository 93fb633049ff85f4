/* Hosts that refuse, vanish, hang up or cannot speak TLS. */
#include "courier_rig.h"

/* The second host serves when the first is deaf, or busy. */
static void test_failover(void)
{
    for (int busy = 0; busy < 2; busy++) {
        struct server bad, good;
        unit_row(busy ? "banner 554" : "refused");
        server_start(&bad, (struct script){.banner = "554 5.3.2 not today\r\n"});
        server_start(&good, (struct script){0});
        if (!busy)
            server_deafen(&bad);
        const char *const hosts[] = {bad.name, good.name};
        struct route route = route_to(hosts, 2);
        struct courier *c = courier_start(settings_of(NULL));
        for (unsigned i = 0; i < 10; i++)
            deliver(c, &letters[i], &route, "b@y");
        run_until(10);
        CHECK_U64(count_ok(letters, 10), 10);
        CHECK_U64(good.messages, 10);
        CHECK_U64(letters[0].attempt.peer.port, good.at.port);
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
    struct route route = route_to(hosts, 2);
    route.connections_max = 1; /* others would begin with the other host */
    struct courier *c = courier_start(settings_of(NULL));
    for (unsigned i = 0; i < 20; i++)
        deliver(c, &letters[i], &route, "b@y c@y");
    run_until(20);
    for (unsigned i = 0; i < 20; i++) {
        const struct mail_status *r = &letters[i].attempt.results[1];
        CHECK(letters[i].attempt.host_failed);
        CHECK(r->code == 451 && r->enhanced[1] == 4 && r->enhanced[2] == 0);
        CHECK(memmem(r->text.ptr, r->text.len, "421 4.3.2 too busy", 18));
    }
    CHECK(run_until_closed(c));
    courier_free(&c);
    letters_free(letters, 20);
    server_stop(&a);
    server_stop(&b);
}

/* C-099: a domain whose only host says that it never takes mail is believed; a smart host that
 * says so is taken for somebody's mistake, and the mail waits. */
static void test_host_takes_no_mail(void)
{
    for (int by_mx = 0; by_mx < 2; by_mx++) {
        struct server server;
        struct letter l;
        unit_row(by_mx ? "by MX" : "smart host");
        server_start(&server, (struct script){.banner = "521 5.3.2 no mail here\r\n"});
        const char *const hosts[] = {server.name};
        struct route route = route_to(hosts, 1);
        if (by_mx) {
            route.domain = "[127.0.0.1]";
            route.port = server.at.port;
        }
        struct courier *c = courier_start(settings_of(NULL));
        deliver(c, &l, &route, "b@y");
        run_until(1);
        CHECK_U64(l.attempt.results[0].code, by_mx ? 521 : 451);
        CHECK_U64(l.attempt.host_failed, !by_mx);
        courier_free(&c);
        letters_free(&l, 1);
        server_stop(&server);
    }
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
        CHECK_U64(letters[i].attempt.results[0].code, 421);
        CHECK_BYTES(letters[i].attempt.results[0].text, BYTES("enough for one connection"));
        CHECK(!letters[i].attempt.ambiguous);
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
    CHECK_U64(letters[0].attempt.results[0].code, 451);
    CHECK_U64(letters[0].attempt.results[0].enhanced[1], 4);
    CHECK_U64(letters[0].attempt.results[0].enhanced[2], 2);
    CHECK(letters[0].attempt.ambiguous);
    CHECK_U64(server.connections, 1);
    letters_free(letters, 1);
    server_stop(&server);
}

/* No answer is waited for longer than connection_inactivity_timeout allows. */
static void test_inactivity(void)
{
    struct server server;
    struct route route = route_to(NULL, 0);
    server_start(&server, (struct script){.silent = true});
    route.inactivity_timeout_ms = 50;
    send_through(&server, route, letters, 1, NULL);
    CHECK_U64(letters[0].attempt.results[0].code, 451);
    CHECK_BYTES(bytes_sub(letters[0].attempt.results[0].text, 0, 7), BYTES("Timeout"));
    CHECK(letters[0].attempt.ambiguous);
    letters_free(letters, 1);
    server_stop(&server);
}

static void test_starttls(void)
{
    static const struct {
        const char *name;
        enum route_tls tls;
        bool offered, broken;
        unsigned ok, connections, encrypted;
    } rows[] = {
        {"may, offered", ROUTE_TLS_MAY, true, false, 1, 1, 1},
        {"may, not offered", ROUTE_TLS_MAY, false, false, 1, 1, 0},
        {"may, broken: once more in clear", ROUTE_TLS_MAY, true, true, 1, 2, 0},
        {"encrypt, offered", ROUTE_TLS_ENCRYPT, true, false, 1, 1, 1},
        {"encrypt, not offered", ROUTE_TLS_ENCRYPT, false, false, 0, 1, 0},
        {"encrypt, broken: never in clear", ROUTE_TLS_ENCRYPT, true, true, 0, 1, 0},
        {"never", ROUTE_TLS_NEVER, true, false, 1, 1, 0},
    };
    struct tls_context *tls = NULL;
    struct err_detail why;
    CHECK_U64(tls_context_client(&(struct tls_settings){.minimum = "1.2"}, &tls, &why), ERR_OK);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct server server;
        unit_row(rows[i].name);
        server_start(&server,
                     (struct script){.starttls = rows[i].offered, .broken = rows[i].broken});
        struct route route = route_to(NULL, 0);
        route.tls = rows[i].tls;
        send_through(&server, route, letters, 1, tls);
        CHECK_U64(count_ok(letters, 1), rows[i].ok);
        CHECK_U64(server.connections, rows[i].connections);
        CHECK_U64(server.tls, rows[i].encrypted);
        CHECK_U64(letters[0].attempt.host_failed, !rows[i].ok);
        letters_free(letters, 1);
        server_stop(&server);
    }
    tls_context_unref(&tls);
}

AT_LOOP(test_failover)
AT_LOOP(test_all_hosts_fail)
AT_LOOP(test_host_takes_no_mail)
AT_LOOP(test_421_in_between)
AT_LOOP(test_421_at_once)
AT_LOOP(test_close_after_each)
AT_LOOP(test_ambiguous)
AT_LOOP(test_inactivity)
AT_LOOP(test_starttls)

UNIT_MAIN("net/courier faults", {"fail-over", test_failover_at_loop},
          {"all hosts fail", test_all_hosts_fail_at_loop},
          {"C-099", test_host_takes_no_mail_at_loop},
          {"421 in between", test_421_in_between_at_loop},
          {"421 at once", test_421_at_once_at_loop}, {"H-08", test_close_after_each_at_loop},
          {"ambiguous", test_ambiguous_at_loop}, {"inactivity", test_inactivity_at_loop},
          {"STARTTLS", test_starttls_at_loop}, {"clean", test_clean})
