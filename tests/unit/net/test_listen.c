/* net/listen: accept, many, stop_inside, shared_port, errors, shortage. */
#include "net/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"

#include "unit.h"

enum { ACCEPTED_MAX = 256 };

struct fixture {
    struct loop *loop;
    struct listener *listener;
    struct endpoint at; /* where clients go */
    unsigned accepted;
    int fds[ACCEPTED_MAX];
    struct endpoint peer, local; /* of the last */
    bool stop_at_first;
};

static void fixture_accept(void *owner, int fd, const struct endpoint *peer,
                           const struct endpoint *local)
{
    struct fixture *f = owner;

    CHECK(f->accepted < ACCEPTED_MAX);
    f->fds[f->accepted++] = fd;
    f->peer = *peer;
    f->local = *local;
    if (f->stop_at_first)
        listener_stop(&f->listener);
}

static void fixture_open(struct fixture *f, const char *at)
{
    struct err_detail why = {""};
    struct endpoint where;
    int fd;

    *f = (struct fixture){0};
    CHECK(loop_new(&f->loop, NULL) == ERR_OK);
    CHECK(endpoint_parse(bytes_of(at), &where) == ERR_OK);
    CHECK(listen_open(&where, &fd, &why) == ERR_OK);
    CHECK_STR(why.text, "");
    f->at = listen_address(fd);
    CHECK(f->at.port != 0 && ipaddr_equal(&f->at.addr, &where.addr));
    f->listener = listener_start(f->loop, fd, fixture_accept, f);
}

static void fixture_close(struct fixture *f)
{
    listener_stop(&f->listener);
    CHECK(!f->listener);
    for (unsigned i = 0; i < f->accepted; i++)
        (void)close(f->fds[i]);
    loop_free(&f->loop);
}

static int client_open(const struct endpoint *to)
{
    struct sockaddr_storage sa;
    socklen_t len = endpoint_to_sockaddr(to, &sa);
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&sa, len) == 0);
    return fd;
}

static void test_accept(void)
{
    static const struct {
        const char *name, *at, *to;
    } rows[] = {
        {"one address", "127.0.0.1:0", "127.0.0.1"},
        {"all of IPv4", "0.0.0.0:0", "127.0.0.3"},
        {"one IPv6 address", "[::1]:0", "::1"},
        {"all of IPv6", "[::]:0", "::1"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct fixture f;
        struct endpoint to, client_local;
        socklen_t len = sizeof(int);
        int client, nodelay = 0;

        unit_row(rows[i].name);
        fixture_open(&f, rows[i].at);
        to.port = f.at.port;
        to.scope = 0;
        CHECK(ipaddr_parse(bytes_of(rows[i].to), &to.addr) == ERR_OK);
        client = client_open(&to);
        client_local = listen_address(client);
        while (f.accepted == 0)
            loop_turn(f.loop, 1000);
        CHECK(endpoint_equal(&f.local, &to));
        CHECK(endpoint_equal(&f.peer, &client_local));
        CHECK(fcntl(f.fds[0], F_GETFL) & O_NONBLOCK);
        CHECK(fcntl(f.fds[0], F_GETFD) & FD_CLOEXEC);
        CHECK(getsockopt(f.fds[0], IPPROTO_TCP, TCP_NODELAY, &nodelay, &len) == 0 && nodelay);
        (void)close(client);
        fixture_close(&f);
    }
}

/* More than one batch, and connections that are gone before they are accepted. */
static void test_many(void)
{
    struct fixture f;
    int clients[150];

    fixture_open(&f, "127.0.0.1:0");
    for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
        clients[i] = client_open(&f.at);
    (void)close(clients[0]);
    clients[0] = -1;
    CHECK(loop_turn(f.loop, 1000));
    CHECK_U64(f.accepted, 64); /* then others have their turn */
    while (f.accepted < ARRAY_SIZE(clients))
        CHECK(loop_turn(f.loop, 1000));
    for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
        if (clients[i] >= 0)
            (void)close(clients[i]);
    fixture_close(&f);
}

static void test_stop_inside(void)
{
    struct fixture f;
    int one, two;

    fixture_open(&f, "127.0.0.1:0");
    f.stop_at_first = true;
    one = client_open(&f.at);
    two = client_open(&f.at);
    while (f.accepted == 0)
        loop_turn(f.loop, 1000);
    CHECK(!loop_turn(f.loop, 0));
    CHECK_U64(f.accepted, 1);
    CHECK(!f.listener);
    (void)close(one);
    (void)close(two);
    fixture_close(&f);
}

static void test_shared_port(void)
{
    struct fixture f, g;
    char at[ENDPOINT_TEXT_SIZE];
    int clients[40];

    fixture_open(&f, "127.0.0.1:0");
    fixture_open(&g, endpoint_format(&f.at, at)); /* another worker's */
    CHECK(endpoint_equal(&f.at, &g.at));
    for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
        clients[i] = client_open(&f.at);
    while (f.accepted + g.accepted < ARRAY_SIZE(clients)) {
        loop_turn(f.loop, 0);
        loop_turn(g.loop, 0);
    }
    CHECK(f.accepted > 0 && g.accepted > 0); /* the odds against are 1 to 2^39 */
    for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
        (void)close(clients[i]);
    fixture_close(&f);
    fixture_close(&g);
}

static void test_errors(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), fd = 0;
    struct err_detail why = {""};
    struct endpoint at;
    char text[ENDPOINT_TEXT_SIZE];

    CHECK(bind(taken, (struct sockaddr *)&sa, sizeof sa) == 0 && listen(taken, 1) == 0);
    at = listen_address(taken);
    CHECK(listen_open(&at, &fd, &why) == ERR_EXISTS);
    CHECK(fd == -1);
    CHECK(strstr(why.text, endpoint_format(&at, text)));
    CHECK(strstr(why.text, "Address already in use"));
    (void)close(taken);

    CHECK(endpoint_parse(BYTES("192.0.2.1:0"), &at) == ERR_OK);
    CHECK(listen_open(&at, &fd, &why) != ERR_OK && fd == -1);
    CHECK(strstr(why.text, "192.0.2.1"));
}

/* No descriptor is left: the first waiting client is told, and the rest waits for a second. */
static void test_shortage(void)
{
    struct rlimit before, low;
    struct fixture f;
    int clients[3], highest, devnull = open("/dev/null", O_WRONLY | O_CLOEXEC);
    char got[64];
    ssize_t n;

    log_redirect(devnull);
    clock_virtual_start(1000, 0);
    fixture_open(&f, "127.0.0.1:0");
    for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
        clients[i] = client_open(&f.at);
    /* The limit is on the number of a new descriptor: none below it is free. */
    highest = dup(clients[0]);
    (void)close(highest);
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    low = before;
    low.rlim_cur = (rlim_t)highest;
    CHECK(setrlimit(RLIMIT_NOFILE, &low) == 0);
    CHECK(loop_turn(f.loop, 1000));
    CHECK(!loop_turn(f.loop, 0)); /* it does not spin */
    CHECK_U64(f.accepted, 0);
    n = recv(clients[0], got, sizeof got - 1, 0);
    got[n > 0 ? n : 0] = '\0';
    CHECK_STR(got, "421 4.3.2 Too many connections\r\n");
    CHECK(recv(clients[0], got, 1, 0) == 0);
    CHECK(recv(clients[1], got, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);

    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    clock_virtual_advance(999);
    CHECK(!loop_turn(f.loop, 0));
    clock_virtual_advance(1);
    while (f.accepted < 2)
        CHECK(loop_turn(f.loop, 0));
    for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
        (void)close(clients[i]);
    fixture_close(&f);
    clock_virtual_end();
    log_redirect(STDERR_FILENO);
    (void)close(devnull);
}

UNIT_MAIN("net/listen", {"accept", test_accept}, {"many", test_many},
          {"stop_inside", test_stop_inside}, {"shared_port", test_shared_port},
          {"errors", test_errors}, {"shortage", test_shortage})
