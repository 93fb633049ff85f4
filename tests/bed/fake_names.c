/* Names in memory, in the place of net/dns.h: by the rule that fake_net.h states. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/list.h"
#include "core/mem.h"
#include "net/dns.h"

struct dns {
    struct loop *loop;
    struct cds_list_head queries;
};

struct dns_query {
    struct cds_list_head link;
    struct dns *dns;
    struct loop_task task;
    dns_callback callback;
    void *owner;
    bool mx;
    char name[256];
};

enum err dns_new(struct loop *loop, const struct dns_settings *settings, struct dns **out,
                 struct err_detail *why)
{
    (void)settings;
    (void)why;
    *out = MEM_NEW(struct dns);
    (*out)->loop = loop;
    list_init(&(*out)->queries);
    return ERR_OK;
}

void dns_cancel(struct dns_query **query)
{
    struct dns_query *q = *query;
    *query = NULL;
    if (!q)
        return;
    loop_task_cancel(q->dns->loop, &q->task);
    list_remove(&q->link);
    mem_free(q);
}

void dns_free(struct dns **dns)
{
    if (*dns) {
        LIST_EACH_SAFE (q, &(*dns)->queries, struct dns_query, link) {
            struct dns_query *query = q;
            dns_cancel(&query);
        }
    }
    mem_free(*dns);
    *dns = NULL;
}

/* "d7.test" with the prefix "d", say: 7. */
static bool numbered(const char *name, const char *prefix, unsigned *number)
{
    size_t len = strlen(prefix);
    char *end = NULL;
    if (strncmp(name, prefix, len) != 0)
        return false;
    *number = (unsigned)strtoul(name + len, &end, 10);
    return end > name + len && strcmp(end, ".test") == 0 && *number < 256;
}

static void answer(struct loop_task *task)
{
    struct dns_query *q = CONTAINER_OF(task, struct dns_query, task);
    struct dns_answer a = {.outcome = DNS_NO_NAME, .why = "there is no such name"};
    struct dns_mx mx = {.preference = 10};
    struct ipaddr addr;
    unsigned number;
    char text[32];
    if (q->mx && numbered(q->name, "d", &number)) {
        snprintf(mx.host, sizeof mx.host, "mx%u.test", number);
        a = (struct dns_answer){.outcome = DNS_FOUND, .mx = &mx, .mx_count = 1};
    } else if (!q->mx && ipaddr_parse(bytes_of(q->name), &addr) == ERR_OK) {
        a = (struct dns_answer){.outcome = DNS_FOUND, .addrs = &addr, .addr_count = 1};
    } else if (!q->mx && numbered(q->name, "mx", &number)) {
        snprintf(text, sizeof text, "203.0.113.%u", number);
        bool parsed = ipaddr_parse(bytes_of(text), &addr) == ERR_OK;
        ASSERT(parsed);
        a = (struct dns_answer){.outcome = DNS_FOUND, .addrs = &addr, .addr_count = 1};
    }
    dns_callback callback = q->callback;
    void *owner = q->owner;
    list_remove(&q->link);
    mem_free(q);
    callback(owner, &a);
}

static struct dns_query *look_up(struct dns *dns, const char *name, bool mx, dns_callback callback,
                                 void *owner)
{
    struct dns_query *q = MEM_NEW(struct dns_query);
    q->dns = dns;
    q->task.run = answer;
    q->callback = callback;
    q->owner = owner;
    q->mx = mx;
    snprintf(q->name, sizeof q->name, "%s", name);
    list_add(&dns->queries, &q->link);
    loop_defer(dns->loop, &q->task);
    return q;
}

struct dns_query *dns_lookup_mx(struct dns *dns, const char *domain, dns_callback callback,
                                void *owner)
{
    return look_up(dns, domain, true, callback, owner);
}

struct dns_query *dns_lookup_addrs(struct dns *dns, const char *host, dns_callback callback,
                                   void *owner)
{
    return look_up(dns, host, false, callback, owner);
}
