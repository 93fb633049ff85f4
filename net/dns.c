/* Queries to libunbound: asked, timed, cancelled, and their answers put together. */
#include "net/dns.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <unbound.h>

#include "core/list.h"
#include "core/log.h"
#include "core/mem.h"
#include "net/dns_rdata.h"

#define DNS_TIMEOUT_MS 20000
/* Once one address family has answered, the other gets this much longer. */
#define DNS_SECOND_WAIT_MS 2000

#define DNS_TRUST_ANCHOR "/usr/share/dns/root.key"

enum { TYPE_A = 1, TYPE_MX = 15, TYPE_AAAA = 28, CLASS_IN = 1 };

struct dns {
    struct loop *loop;
    struct ub_ctx *ctx;
    struct loop_watch watch;
    struct cds_list_head queries;
};

/* One question to the resolver and what became of it. */
struct dns_part {
    struct dns_query *query;
    int type;
    int async_id;
    bool waiting;
    enum dns_outcome outcome;
    bool secure;
    char why[200];
    struct dns_mx *mx; /* DNS_MX_MAX of them, once there are any */
    struct ipaddr addrs[DNS_ADDR_MAX];
    size_t count;
};

struct dns_query {
    struct dns *dns;
    struct cds_list_head link;
    bool ended; /* its callback runs */
    dns_callback cb;
    void *owner;
    struct timer timer;
    size_t part_count;
    struct dns_part parts[2]; /* MX, or A and AAAA */
};

/* ---- Setting up ---- */

struct ub_option {
    const char *name, *value;
};

/* The library's defaults are for a program with one question at a time, and for a resolver that
 * chooses among many servers. We ask one or two forwarders: domains with silent servers of their
 * own must not make the library give up on the forwarder. So it forgets after 5 s what it holds
 * against a server, and waits 0.5 to 4 s for an answer, about 10 s with all retries. */
static const struct ub_option dns_options[] = {
    {"do-not-query-localhost:", "no"},
    {"outgoing-range:", "512"},
    {"num-queries-per-thread:", "1024"},
    {"outgoing-num-tcp:", "16"},
    {"msg-cache-size:", "8m"},
    {"rrset-cache-size:", "16m"},
    {"infra-host-ttl:", "5"},
    {"infra-keep-probing:", "yes"},
    {"infra-cache-min-rtt:", "500"},
    {"unknown-server-time-limit:", "1000"},
    {"unblock-lan-zones:", "yes"},
};

/* Names that the library would answer itself; what the configured servers say shall count. */
static const char *const dns_own_zones[] = {"test.", "home.arpa."};

static enum err dns_ub_failed(struct err_detail *why, const char *what, int code)
{
    return err_set(why, ERR_IO, "cannot set up the resolver: %s: %s", what, ub_strerror(code));
}

static enum err dns_set_options(struct ub_ctx *ctx, const struct ub_option *options, size_t count,
                                struct err_detail *why)
{
    for (size_t i = 0; i < count; i++) {
        int code = ub_ctx_set_option(ctx, options[i].name, options[i].value);
        if (code != 0)
            return dns_ub_failed(why, options[i].name, code);
    }
    return ERR_OK;
}

/* "192.0.2.53", "192.0.2.53:5353", "2001:db8::53" or "[2001:db8::53]:5353". */
static enum err dns_add_server(struct ub_ctx *ctx, const char *server, struct err_detail *why)
{
    char addr[IPADDR_TEXT_SIZE], text[IPADDR_TEXT_SIZE + 16];
    struct endpoint at = {.port = 53};
    if (ipaddr_parse(bytes_of(server), &at.addr) != ERR_OK &&
        endpoint_parse(bytes_of(server), &at) != ERR_OK)
        return err_set(why, ERR_SYNTAX, "\"%s\" is not the address of a DNS server", server);
    snprintf(text, sizeof text, "%s@%u", ipaddr_format(&at.addr, addr), at.port);
    int code = ub_ctx_set_fwd(ctx, text);
    return code == 0 ? ERR_OK : dns_ub_failed(why, server, code);
}

static enum err dns_set_servers(struct ub_ctx *ctx, const struct dns_settings *settings,
                                struct err_detail *why)
{
    for (size_t i = 0; i < settings->server_count; i++) {
        enum err e = dns_add_server(ctx, settings->servers[i], why);
        if (e != ERR_OK)
            return e;
    }
    if (settings->server_count == 0 && ub_ctx_resolvconf(ctx, NULL) != 0)
        LOG(LOG_WARNING, "dns_no_resolv_conf", LOG_STR("effect", "asking the root servers"));
    /* Without the file there are simply no names in it. */
    (void)ub_ctx_hosts(ctx, NULL);
    return ERR_OK;
}

static enum err dns_set_validation(struct ub_ctx *ctx, bool validate, struct err_detail *why)
{
    static const struct ub_option iterator_only[] = {{"module-config:", "iterator"}};
    if (!validate)
        return dns_set_options(ctx, iterator_only, 1, why);
    if (access(DNS_TRUST_ANCHOR, R_OK) != 0) {
        LOG(LOG_WARNING, "dns_no_trust_anchor", LOG_STR("file", DNS_TRUST_ANCHOR),
            LOG_STR("effect", "no answer counts as secure"));
        return dns_set_options(ctx, iterator_only, 1, why);
    }
    int code = ub_ctx_add_ta_file(ctx, DNS_TRUST_ANCHOR);
    return code == 0 ? ERR_OK : dns_ub_failed(why, DNS_TRUST_ANCHOR, code);
}

static enum err dns_set_up(struct ub_ctx *ctx, const struct dns_settings *settings,
                           struct err_detail *why)
{
    int code = ub_ctx_debugout(ctx, NULL); /* standard error is the log's */
    if (code != 0)
        return dns_ub_failed(why, "output", code);
    enum err e = dns_set_options(ctx, dns_options, ARRAY_SIZE(dns_options), why);
    if (e == ERR_OK)
        e = dns_set_validation(ctx, settings->dnssec_validation, why);
    if (e == ERR_OK)
        e = dns_set_servers(ctx, settings, why);
    if (e == ERR_OK && (code = ub_ctx_async(ctx, 1)) != 0)
        e = dns_ub_failed(why, "thread", code);
    /* Last: from here on the library takes no more options. */
    for (size_t i = 0; e == ERR_OK && i < ARRAY_SIZE(dns_own_zones); i++)
        if ((code = ub_ctx_zone_remove(ctx, dns_own_zones[i])) != 0)
            e = dns_ub_failed(why, dns_own_zones[i], code);
    return e;
}

static void dns_on_ready(struct loop_watch *w, uint32_t events)
{
    struct dns *dns = CONTAINER_OF(w, struct dns, watch);
    (void)events;
    int code = ub_process(dns->ctx);
    if (code != 0)
        LOG(LOG_ERROR, "dns_resolver_failed", LOG_STR("why", ub_strerror(code)));
}

enum err dns_new(struct loop *loop, const struct dns_settings *settings, struct dns **out,
                 struct err_detail *why)
{
    *out = NULL;
    struct dns *dns = MEM_NEW(struct dns);
    dns->loop = loop;
    list_init(&dns->queries);
    dns->ctx = ub_ctx_create();
    enum err e = dns->ctx ? dns_set_up(dns->ctx, settings, why)
                          : err_set(why, ERR_IO, "cannot set up the resolver");
    if (e == ERR_OK) {
        dns->watch = (struct loop_watch){.fd = ub_fd(dns->ctx), .on_ready = dns_on_ready};
        e = loop_watch_add_events(loop, &dns->watch, EPOLLIN);
        if (e != ERR_OK)
            err_set(why, e, "cannot watch the resolver: %s", err_name(e));
    }
    if (e != ERR_OK) {
        ub_ctx_delete(dns->ctx);
        mem_free(dns);
        return e;
    }
    *out = dns;
    return ERR_OK;
}

/* ---- Queries ---- */

static void query_unlink(struct dns_query *q)
{
    list_remove(&q->link);
    q->ended = true;
    timer_cancel(&q->timer);
    /* The resolver forgets its questions: no part is written to any more. */
    for (size_t i = 0; i < q->part_count; i++)
        if (q->parts[i].waiting)
            (void)ub_cancel(q->dns->ctx, q->parts[i].async_id);
}

static void query_free(struct dns_query *q)
{
    for (size_t i = 0; i < q->part_count; i++)
        mem_free(q->parts[i].mx);
    mem_free(q);
}

void dns_cancel(struct dns_query **q)
{
    struct dns_query *query = *q;
    *q = NULL;
    /* From inside its own callback: it ends anyway. */
    if (!query || query->ended)
        return;
    query_unlink(query);
    query_free(query);
}

void dns_free(struct dns **dns)
{
    struct dns *d = *dns;
    if (!d)
        return;
    LIST_EACH_SAFE (q, &d->queries, struct dns_query, link)
        dns_cancel(&q);
    loop_watch_remove(d->loop, &d->watch);
    ub_ctx_delete(d->ctx);
    mem_free(d);
    *dns = NULL;
}

/* IPv4 first, then in turn: a host with broken IPv6 costs no wait, and neither family crowds the
 * other out of the list. */
static size_t join_addrs(const struct dns_part *v4, const struct dns_part *v6,
                         struct ipaddr out[DNS_ADDR_MAX])
{
    size_t n = 0;
    for (size_t i = 0; n < DNS_ADDR_MAX && (i < v4->count || i < v6->count); i++) {
        if (i < v4->count)
            out[n++] = v4->addrs[i];
        if (i < v6->count && n < DNS_ADDR_MAX)
            out[n++] = v6->addrs[i];
    }
    return n;
}

/* Which part speaks for both: an address found, else a doubt, else that the name is there. */
static const struct dns_part *query_speaker(const struct dns_query *q)
{
    static const int weight[] = {
        [DNS_FOUND] = 3, [DNS_TEMPORARY] = 2, [DNS_NO_DATA] = 1, [DNS_NO_NAME] = 0};
    const struct dns_part *speaker = &q->parts[0];
    for (size_t i = 1; i < q->part_count; i++)
        if (weight[q->parts[i].outcome] > weight[speaker->outcome])
            speaker = &q->parts[i];
    return speaker;
}

/* The only place where a callback is called; the query ends here. */
static void query_finish(struct dns_query *q)
{
    struct ipaddr addrs[DNS_ADDR_MAX];
    const struct dns_part *speaker = query_speaker(q);
    struct dns_answer answer = {
        .outcome = speaker->outcome, .secure = true, .why = speaker->why, .addrs = addrs};
    query_unlink(q);
    for (size_t i = 0; i < q->part_count; i++)
        if (q->parts[i].outcome == answer.outcome)
            answer.secure = answer.secure && q->parts[i].secure;
    if (q->part_count == 2) {
        answer.addr_count = join_addrs(&q->parts[0], &q->parts[1], addrs);
    } else {
        answer.mx = speaker->mx;
        answer.mx_count = speaker->count;
    }
    q->cb(q->owner, &answer);
    query_free(q);
}

static void part_set(struct dns_part *part, enum dns_outcome outcome, const char *why)
{
    part->outcome = outcome;
    snprintf(part->why, sizeof part->why, "%s", why);
}

static void query_on_due(struct timer *t)
{
    struct dns_query *q = CONTAINER_OF(t, struct dns_query, timer);
    for (size_t i = 0; i < q->part_count; i++)
        if (q->parts[i].waiting)
            part_set(&q->parts[i], DNS_TEMPORARY, "no answer from the DNS in time");
    query_finish(q);
}

/* ---- Answers ---- */

static const char *rcode_text(int rcode)
{
    static const char *const texts[] = {
        [1] = "the DNS server could not read the question",
        [2] = "the DNS server failed",
        [4] = "the DNS server does not know this kind of question",
        [5] = "the DNS server refused",
    };
    if (rcode >= 0 && (size_t)rcode < ARRAY_SIZE(texts) && texts[rcode])
        return texts[rcode];
    return "the DNS answered with an error";
}

static enum err part_take_record(struct dns_part *part, struct bytes rdata)
{
    struct dns_mx mx;
    enum err e;
    if (part->type == TYPE_MX) {
        if ((e = dns_parse_mx(rdata, &mx)) == ERR_OK)
            part->count = dns_mx_insert(part->mx, part->count, &mx);
        return e;
    }
    if (part->count == DNS_ADDR_MAX)
        return ERR_OK;
    e = dns_parse_addr(rdata, part->type == TYPE_AAAA, &part->addrs[part->count]);
    if (e == ERR_OK)
        part->count++;
    return e;
}

/* Malformed records are left out. When nothing remains it is a temporary failure: the records
 * are there, so that "no MX" would be a lie that sends mail astray. */
static void part_take_data(struct dns_part *part, const struct ub_result *result)
{
    if (part->type == TYPE_MX)
        part->mx = MEM_NEW_ARRAY(struct dns_mx, DNS_MX_MAX);
    for (size_t i = 0; result->data[i]; i++) {
        size_t len = result->len[i] > 0 ? (size_t)result->len[i] : 0;
        if (part_take_record(part, bytes_make(result->data[i], len)) != ERR_OK)
            LOG(LOG_WARNING, "dns_record_malformed", LOG_STR("name", result->qname),
                LOG_I64("type", part->type));
    }
    if (part->count > 0)
        part_set(part, DNS_FOUND, "");
    else
        part_set(part, DNS_TEMPORARY, "malformed DNS answer");
}

static void part_take_result(struct dns_part *part, int code, const struct ub_result *result)
{
    if (code != 0 || !result) {
        part_set(part, DNS_TEMPORARY, ub_strerror(code));
        return;
    }
    part->secure = result->secure != 0;
    if (result->bogus) {
        part_set(part, DNS_TEMPORARY, "DNSSEC validation failed");
        if (result->why_bogus)
            part_set(part, DNS_TEMPORARY, result->why_bogus);
    } else if (result->nxdomain) {
        part_set(part, DNS_NO_NAME, "no such domain");
    } else if (result->rcode != 0) {
        part_set(part, DNS_TEMPORARY, rcode_text(result->rcode));
    } else if (!result->havedata || !result->data) {
        part_set(part, DNS_NO_DATA, "no such record");
    } else {
        part_take_data(part, result);
    }
}

/* On the loop, from ub_process(). */
static void part_on_result(void *data, int code, struct ub_result *result)
{
    struct dns_part *part = data;
    struct dns_query *q = part->query;
    bool waiting = false;
    part->waiting = false;
    part_take_result(part, code, result);
    ub_resolve_free(result);
    for (size_t i = 0; i < q->part_count; i++)
        waiting = waiting || q->parts[i].waiting;
    if (!waiting) {
        query_finish(q);
    } else if (part->outcome == DNS_FOUND) {
        uint64_t until = loop_now_ms(q->dns->loop) + DNS_SECOND_WAIT_MS;
        if (until < q->timer.due_ms)
            timer_set(loop_timers(q->dns->loop), &q->timer, until);
    }
}

/* ---- Asking ---- */

static struct dns_query *query_new(struct dns *dns, size_t part_count, dns_callback cb, void *owner)
{
    struct dns_query *q = MEM_NEW(struct dns_query);
    q->dns = dns;
    q->cb = cb;
    q->owner = owner;
    q->part_count = part_count;
    q->timer.on_due = query_on_due;
    for (size_t i = 0; i < part_count; i++)
        q->parts[i].query = q;
    list_add(&dns->queries, &q->link);
    return q;
}

static void part_ask(struct dns_part *part, int type, const char *name)
{
    part->type = type;
    if (!dns_name_valid(bytes_of(name))) {
        part_set(part, DNS_NO_NAME, "not a domain name");
        return;
    }
    int code = ub_resolve_async(part->query->dns->ctx, name, type, CLASS_IN, part, part_on_result,
                                &part->async_id);
    part->waiting = code == 0;
    if (code != 0)
        part_set(part, DNS_TEMPORARY, ub_strerror(code));
}

/* What needs no waiting is answered by the timer too, so that no callback ever runs inside the
 * call that asks. */
static struct dns_query *query_start(struct dns_query *q)
{
    uint64_t due = loop_now_ms(q->dns->loop);
    for (size_t i = 0; i < q->part_count; i++)
        if (q->parts[i].waiting)
            due = loop_now_ms(q->dns->loop) + DNS_TIMEOUT_MS;
    timer_set(loop_timers(q->dns->loop), &q->timer, due);
    return q;
}

struct dns_query *dns_lookup_mx(struct dns *dns, const char *domain, dns_callback cb, void *owner)
{
    struct dns_query *q = query_new(dns, 1, cb, owner);
    part_ask(&q->parts[0], TYPE_MX, domain);
    return query_start(q);
}

struct dns_query *dns_lookup_addrs(struct dns *dns, const char *host, dns_callback cb, void *owner)
{
    struct dns_query *q = query_new(dns, 2, cb, owner);
    if (ipaddr_parse(bytes_of(host), &q->parts[0].addrs[0]) == ERR_OK) {
        q->parts[0].count = 1;
        part_set(&q->parts[0], DNS_FOUND, "");
        part_set(&q->parts[1], DNS_NO_DATA, "");
    } else {
        part_ask(&q->parts[0], TYPE_A, host);
        part_ask(&q->parts[1], TYPE_AAAA, host);
    }
    return query_start(q);
}
