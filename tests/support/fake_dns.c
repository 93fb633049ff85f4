/* A name server on a socket of its own that answers from a table. */
#include "fake_dns.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/mem.h"

#define MESSAGE_MAX 16384

enum { HEADER_BYTES = 12, CLASS_IN = 1 };

struct fake_dns {
    const struct fake_dns_row *rows;
    size_t count;
    int fd;
    pthread_t thread;
    atomic_bool stopping;
    atomic_uint questions;
    char address[32];
    struct sockaddr_in at;
};

struct message {
    uint8_t data[MESSAGE_MAX];
    size_t len;
};

static void put(struct message *m, const void *from, size_t len)
{
    if (len > sizeof m->data - m->len)
        abort();
    memcpy(m->data + m->len, from, len);
    m->len += len;
}

static void put_u8(struct message *m, unsigned n)
{
    uint8_t octet = (uint8_t)n;
    put(m, &octet, 1);
}

static void put_u16(struct message *m, unsigned n)
{
    put_u8(m, n >> 8);
    put_u8(m, n & 0xff);
}

static void set_u16(struct message *m, size_t at, unsigned n)
{
    m->data[at] = (uint8_t)(n >> 8);
    m->data[at + 1] = (uint8_t)n;
}

static void put_name(struct message *m, const char *name)
{
    while (*name && strcmp(name, ".") != 0) {
        size_t len = strcspn(name, ".");
        put_u8(m, (unsigned)len);
        put(m, name, len);
        name += len + (name[len] == '.');
    }
    put_u8(m, 0);
}

static void put_hex(struct message *m, const char *hex)
{
    for (; hex[0] && hex[1]; hex += 2) {
        char octet[3] = {hex[0], hex[1], '\0'};
        put_u8(m, (unsigned)strtoul(octet, NULL, 16));
    }
}

static void put_record_data(struct message *m, uint16_t type, const char *text)
{
    uint8_t addr[16];
    char *host;
    if (*text == '#') {
        put_hex(m, text + 1);
    } else if (type == FAKE_MX) {
        put_u16(m, (unsigned)strtoul(text, &host, 10));
        put_name(m, host + 1);
    } else {
        int family = type == FAKE_A ? AF_INET : AF_INET6;
        if (inet_pton(family, text, addr) != 1)
            abort();
        put(m, addr, type == FAKE_A ? 4 : 16);
    }
}

/* RFC 1035 4.1.3; the owner's name points to the question. */
static void put_record(struct message *m, uint16_t type, const char *text)
{
    put_u16(m, 0xc000 | HEADER_BYTES);
    put_u16(m, type);
    put_u16(m, CLASS_IN);
    put_u16(m, 0);
    put_u16(m, 300);
    size_t length_at = m->len;
    put_u16(m, 0);
    put_record_data(m, type, text);
    set_u16(m, length_at, (unsigned)(m->len - length_at - 2));
}

static unsigned put_records(struct message *m, const struct fake_dns_row *row)
{
    unsigned count = 0;
    char *copy = mem_strdup(row->records), *rest = NULL;
    for (char *text = strtok_r(copy, " ", &rest); text; text = strtok_r(NULL, " ", &rest)) {
        put_record(m, row->type, text);
        count++;
    }
    mem_free(copy);
    return count;
}

/* The name and type of the only question; false if QUERY is not one we understand. */
static bool read_question(const struct message *query, char name[256], uint16_t *type, size_t *end)
{
    size_t at = HEADER_BYTES, len = 0;
    while (at < query->len && query->data[at] != 0) {
        size_t label = query->data[at];
        if (label > 63 || label >= query->len - at || len + label + 1 > 255)
            return false;
        memcpy(name + len, query->data + at + 1, label);
        len += label;
        name[len++] = '.';
        at += label + 1;
    }
    if (query->len < at + 5 || len == 0)
        return false;
    name[len - 1] = '\0';
    *type = (uint16_t)(query->data[at + 1] << 8 | query->data[at + 2]);
    *end = at + 5;
    return true;
}

static const struct fake_dns_row *find_row(const struct fake_dns *server, const char *name,
                                           uint16_t type, bool *known)
{
    *known = false;
    for (size_t i = 0; i < server->count; i++) {
        if (strcasecmp(server->rows[i].name, name) != 0)
            continue;
        *known = true;
        if (server->rows[i].type == type)
            return &server->rows[i];
    }
    return NULL;
}

static void spoil(struct message *m, enum fake_dns_fault fault)
{
    switch (fault) {
    case FAKE_SOUND:
    case FAKE_SILENT:
        break;
    case FAKE_GARBAGE:
        memset(m->data, 0xff, m->len);
        break;
    case FAKE_HEADER_ONLY:
        m->len = HEADER_BYTES;
        break;
    case FAKE_COUNT_TOO_BIG:
        set_u16(m, 6, 65535);
        break;
    case FAKE_CUT_SHORT:
        m->len -= 3;
        break;
    case FAKE_OTHER_NAME:
        m->data[HEADER_BYTES + 1] ^= 1;
        break;
    case FAKE_OTHER_ID:
        m->data[0] ^= 1;
        break;
    }
}

/* False: no answer. */
static bool make_answer(const struct fake_dns *server, const struct message *query,
                        struct message *m)
{
    enum { QR_RD_RA = 0x8180 };
    char name[256];
    uint16_t type;
    size_t end;
    bool known;
    if (!read_question(query, name, &type, &end))
        return false;
    const struct fake_dns_row *row = find_row(server, name, type, &known);
    m->len = 0;
    put(m, query->data, end);
    set_u16(m, 2, QR_RD_RA | (unsigned)(row ? row->rcode : known ? FAKE_NOERROR : FAKE_NXDOMAIN));
    set_u16(m, 6, row && row->records ? put_records(m, row) : 0);
    set_u16(m, 8, 0);
    set_u16(m, 10, 0); /* the question's EDNS record is not answered */
    if (row)
        spoil(m, row->fault);
    return !row || row->fault != FAKE_SILENT;
}

static void *serve(void *arg)
{
    struct fake_dns *server = arg;
    struct message *query = MEM_NEW(struct message), *answer = MEM_NEW(struct message);
    while (!atomic_load(&server->stopping)) {
        struct sockaddr_storage from;
        socklen_t from_len = sizeof from;
        ssize_t n = recvfrom(server->fd, query->data, sizeof query->data, 0,
                             (struct sockaddr *)&from, &from_len);
        if (n < HEADER_BYTES)
            continue;
        query->len = (size_t)n;
        /* A resolver that has gone meanwhile is no concern of ours. */
        if (make_answer(server, query, answer))
            (void)sendto(server->fd, answer->data, answer->len, 0, (struct sockaddr *)&from,
                         from_len);
        atomic_fetch_add(&server->questions, 1);
    }
    mem_free(query);
    mem_free(answer);
    return NULL;
}

static bool fake_dns_open(struct fake_dns *server)
{
    socklen_t len = sizeof server->at;
    server->at =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return server->fd >= 0 &&
           bind(server->fd, (struct sockaddr *)&server->at, sizeof server->at) == 0 &&
           getsockname(server->fd, (struct sockaddr *)&server->at, &len) == 0;
}

struct fake_dns *fake_dns_start(const struct fake_dns_row *rows, size_t count)
{
    struct fake_dns *server = MEM_NEW(struct fake_dns);
    server->rows = rows;
    server->count = count;
    if (!fake_dns_open(server) || pthread_create(&server->thread, NULL, serve, server) != 0) {
        if (server->fd >= 0)
            close(server->fd);
        mem_free(server);
        return NULL;
    }
    snprintf(server->address, sizeof server->address, "127.0.0.1:%u", ntohs(server->at.sin_port));
    return server;
}

void fake_dns_stop(struct fake_dns **server)
{
    struct fake_dns *s = *server;
    if (!s)
        return;
    /* An empty datagram to itself ends the wait for a question. */
    atomic_store(&s->stopping, true);
    if (sendto(s->fd, "", 0, 0, (struct sockaddr *)&s->at, sizeof s->at) < 0)
        abort();
    pthread_join(s->thread, NULL);
    close(s->fd);
    mem_free(s);
    *server = NULL;
}

const char *fake_dns_address(const struct fake_dns *server)
{
    return server->address;
}

unsigned fake_dns_questions(const struct fake_dns *server)
{
    return atomic_load(&server->questions);
}
