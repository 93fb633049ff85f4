/* How many sessions a burst is spread over: few where answers come at once, all where they do not.
 */
#include "courier_rig.h"

enum { WARM = 40, BURST = 16 };

static unsigned sent;

static void burst(struct courier *c, const struct route *route, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        deliver(c, &letters[sent++], route, "b@y");
}

/* Two sessions, open and without work, and a destination that has been quick for a while. */
static struct courier *start(struct server *server, struct route *route)
{
    static const char *hosts[1];
    server_start(server, (struct script){0});
    hosts[0] = server->name;
    *route = route_to(hosts, 1);
    route->messages_max = 0;
    route->connections_max = 8;
    struct courier *c = courier_start(settings_of(NULL));
    sent = 0;
    burst(c, route, 8);
    run_until(sent);
    CHECK_U64(server->connections, 8);
    for (unsigned i = 0; i < WARM; i++) {
        burst(c, route, 1);
        run_until(sent);
    }
    return c;
}

static void test_burst_to_the_quick(void)
{
    struct server server;
    struct route route;
    struct courier *c = start(&server, &route);
    unsigned inputs = UINT32_MAX;
    /* On a machine that stands still for a moment the destination is not quick: not every time. */
    for (unsigned i = 0; i < 50 && inputs > BURST + 4; i++) {
        unsigned before = server.inputs;
        burst(c, &route, BURST);
        run_until(sent);
        inputs = server.inputs - before;
    }
    /* One for each text with the next envelope, and one more for the first of each session. */
    CHECK(inputs <= BURST + 4);
    courier_free(&c);
    CHECK_U64(count_ok(letters, sent), sent);
    letters_free(letters, sent);
    server_stop(&server);
}

/* The answer to a text does not come: what was left to that session goes to the others. */
static void test_patience_ends(void)
{
    struct server server;
    struct route route;
    struct courier *c = start(&server, &route);
    unsigned before = server.messages, done = done_count;
    uint64_t end = clock_mono_ms() + 10000;
    server.script.silent = true;
    burst(c, &route, 8);
    while (server.messages == before && clock_mono_ms() < end)
        loop_turn(loop, 100);
    unsigned stuck = server.messages - before;
    server.script.silent = false;
    /* Each silent session keeps the one that it had and the one whose envelope went out with it. */
    run_until(done + 8 - 2 * stuck);
    CHECK(stuck < 4);
    courier_free(&c);
    letters_free(letters, sent);
    server_stop(&server);
}

static void test_burst_to_the_unknown(void)
{
    struct server server;
    static const char *hosts[1];
    server_start(&server, (struct script){0});
    hosts[0] = server.name;
    struct route route = route_to(hosts, 1);
    struct courier *c = courier_start(settings_of(NULL));
    sent = 0;
    burst(c, &route, 4);
    run_until(4);
    CHECK_U64(server.connections, 4);
    courier_free(&c);
    letters_free(letters, 4);
    server_stop(&server);
}

AT_LOOP(test_burst_to_the_quick)
AT_LOOP(test_patience_ends)
AT_LOOP(test_burst_to_the_unknown)

UNIT_MAIN("net/courier pace", {"a burst to the quick", test_burst_to_the_quick_at_loop},
          {"patience ends", test_patience_ends_at_loop},
          {"a burst to the unknown", test_burst_to_the_unknown_at_loop}, {"clean", test_clean})
