/* Many messages over few connections, and the life of those. */
#include "courier_rig.h"

static void test_many(void)
{
    struct server server;
    server_start(&server, (struct script){0});
    struct route route = route_to(NULL, 0);
    route.messages_max = 100;
    send_through(&server, route, letters, 1000, NULL);
    CHECK_U64(count_ok(letters, 1000), 1000);
    CHECK_U64(server.messages, 1000);
    CHECK(server.open_max <= 4 && server.connections >= 10);
    CHECK_STR(letters[999].attempt.host, "[127.0.0.1]");
    CHECK_U64(letters[999].attempt.peer.port, server.at.port);
    CHECK(letters[999].attempt.dsn_passed);
    letters_free(letters, 1000);
    server_stop(&server);
}

/* One write and one read a message: the server's reads are counted. */
static void test_one_write_a_message(void)
{
    struct server server;
    server_start(&server, (struct script){0});
    struct route route = route_to(NULL, 0);
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
    struct route route = route_to(hosts, 1);
    struct courier *c = courier_start(settings_of(NULL));
    deliver(c, &l, &route, "b@y 450@y 550@y d@y");
    run_until(1);
    CHECK_U64(l.attempt.results[0].code, 250);
    CHECK_U64(l.attempt.results[1].code, 450);
    CHECK_U64(l.attempt.results[2].code, 550);
    CHECK_U64(l.attempt.results[3].code, 250);
    CHECK_U64(l.attempt.results[1].enhanced[1], 2);
    CHECK_BYTES(l.attempt.results[2].text, BYTES("unknown"));
    CHECK(!l.attempt.host_failed && !l.attempt.ambiguous);
    courier_free(&c);
    letters_free(&l, 1);
    server_stop(&server);
}

/* Each new connection begins one host further on. */
static void test_round_robin(void)
{
    struct server a, b;
    server_start(&a, (struct script){0});
    server_start(&b, (struct script){0});
    const char *const hosts[] = {a.name, b.name};
    struct route route = route_to(hosts, 2);
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

/* A connection that the server closed while it was open without work is no failure. */
static void test_stale(void)
{
    struct server server;
    server_start(&server, (struct script){0});
    const char *const hosts[] = {server.name};
    struct route route = route_to(hosts, 1);
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
    struct route route = route_to(hosts, 1);
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
    CHECK_U64(routes_held, 0); /* the destination is forgotten too */
    courier_free(&c);
    letters_free(letters, 1);
    server_stop(&server);
}

/* Ended in the middle: every job hears of it, the ones that may have arrived as such. */
static void test_free_under_way(void)
{
    struct server server;
    server_start(&server, (struct script){.silent = true});
    const char *const hosts[] = {server.name};
    struct route route = route_to(hosts, 1);
    struct courier *c = courier_start(settings_of(NULL));
    for (unsigned i = 0; i < 30; i++)
        deliver(c, &letters[i], &route, "b@y");
    uint64_t end = clock_mono_ms() + 10000;
    while (server.messages < 4 && clock_mono_ms() < end)
        loop_turn(loop, 100);
    courier_free(&c);
    CHECK_U64(done_count, 30);
    unsigned ambiguous = 0;
    for (unsigned i = 0; i < 30; i++) {
        CHECK_U64(letters[i].attempt.results[0].enhanced[1], 3);
        ambiguous += letters[i].attempt.ambiguous;
    }
    CHECK_U64(ambiguous, 4);
    letters_free(letters, 30);
    server_stop(&server);
}

AT_LOOP(test_many)
AT_LOOP(test_one_write_a_message)
AT_LOOP(test_lock_step)
AT_LOOP(test_partial)
AT_LOOP(test_round_robin)
AT_LOOP(test_stale)
AT_LOOP(test_reuse_and_idle)
AT_LOOP(test_free_under_way)

UNIT_MAIN("net/courier", {"1,000 messages", test_many_at_loop},
          {"one write a message", test_one_write_a_message_at_loop},
          {"lock-step", test_lock_step_at_loop}, {"C-086", test_partial_at_loop},
          {"round robin", test_round_robin_at_loop}, {"stale", test_stale_at_loop},
          {"reuse and idle", test_reuse_and_idle_at_loop},
          {"free under way", test_free_under_way_at_loop}, {"clean", test_clean})
