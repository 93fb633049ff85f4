/* From MX records or smart hosts to an ordered list of addresses. */
#include "net/mx.h"

#include <stdio.h>

#include "core/log.h"
#include "core/mem.h"
#include "core/rand.h"

#define MX_HOSTS_MAX 20

/* One host of the list: its name is looked up beside all others'. */
struct mx_slot {
    struct mx_resolution *r;
    char ask[256];  /* name or bare address; empty: nothing that could be looked up */
    char host[256]; /* as in the target */
    uint16_t port;
    uint16_t preference;
    struct dns_query *query;
    struct mx_resolution *by_mx; /* a smart host that has no address, only MX records */
    enum dns_outcome outcome;
    struct mx_target *targets;
    size_t target_count;
};

/* Belongs to the thread of its struct dns. */
struct mx_resolution {
    struct dns *dns;
    mx_callback cb;
    void *owner;
    char local_name[256];
    uint16_t port;
    bool allow_special;
    bool smart_hosts;
    bool done; /* its callback runs */
    char domain[256];
    struct dns_query *mx_query;
    struct mx_slot *slots;
    size_t slot_count;
    size_t waiting; /* slots without an outcome */
    bool filtered;  /* an address was refused */
    char why[200];  /* the resolver's last words about a failure */
    char text[600];
};

/* ---- Order ---- */

static void mx_swap(struct dns_mx *a, struct dns_mx *b)
{
    struct dns_mx t = *a;
    *a = *b;
    *b = t;
}

static void mx_shuffle(struct dns_mx *mx, size_t count)
{
    for (size_t i = count; i > 1; i--)
        mx_swap(&mx[i - 1], &mx[rand_below(i)]);
}

/* Stable, so that the shuffle decides among equals; there are at most DNS_MX_MAX. */
static void mx_sort(struct dns_mx *mx, size_t count)
{
    for (size_t i = 1; i < count; i++)
        for (size_t k = i; k > 0 && mx[k - 1].preference > mx[k].preference; k--)
            mx_swap(&mx[k - 1], &mx[k]);
}

static struct bytes without_final_dot(struct bytes name)
{
    return name.len > 0 && name.ptr[name.len - 1] == '.' ? bytes_sub(name, 0, name.len - 1) : name;
}

/* RFC 5321 5.1: a relay that finds itself in the list must not use it, nor any host that is no
 * closer to the destination than itself. */
size_t mx_order(struct dns_mx *mx, size_t count, const char *local_name)
{
    struct bytes own = without_final_dot(bytes_of(local_name));
    mx_shuffle(mx, count);
    mx_sort(mx, count);
    for (size_t i = 0; i < count; i++) {
        if (own.len == 0 || !bytes_equal_nocase(without_final_dot(bytes_of(mx[i].host)), own))
            continue;
        while (i > 0 && mx[i - 1].preference == mx[i].preference)
            i--;
        return i;
    }
    return count;
}

/* ---- Ending ---- */

static void mx_free(struct mx_resolution *r)
{
    for (size_t i = 0; i < r->slot_count; i++)
        mem_free(r->slots[i].targets);
    mem_free(r->slots);
    mem_free(r);
}

void mx_cancel(struct mx_resolution **r)
{
    struct mx_resolution *resolution = *r;
    *r = NULL;
    if (!resolution || resolution->done)
        return;
    dns_cancel(&resolution->mx_query);
    for (size_t i = 0; i < resolution->slot_count; i++) {
        dns_cancel(&resolution->slots[i].query);
        mx_cancel(&resolution->slots[i].by_mx);
    }
    mx_free(resolution);
}

static void mx_finish(struct mx_resolution *r, const struct mx_result *result)
{
    r->done = true;
    r->cb(r->owner, result);
    mx_free(r);
}

/* STATUS's text is a format for the name that was asked for and the reason. */
static void mx_fail(struct mx_resolution *r, struct mail_status status, const char *why)
{
    char name[300];
    bytes_escape(bytes_of(r->domain), name, sizeof name);
    snprintf(r->text, sizeof r->text, "%.*s %s%s%s", BYTES_ARG(status.text), name, *why ? ": " : "",
             why);
    status.text = bytes_of(r->text);
    mx_finish(r, &(struct mx_result){.status = status});
}

/* The same address twice would only be tried twice. */
static bool mx_known(const struct mx_target *targets, size_t count, const struct mx_target *t)
{
    for (size_t i = 0; i < count; i++)
        if (endpoint_equal(&targets[i].at, &t->at))
            return true;
    return false;
}

static size_t mx_collect(const struct mx_resolution *r, struct mx_target targets[MX_TARGETS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < r->slot_count; i++) {
        const struct mx_slot *slot = &r->slots[i];
        for (size_t k = 0; k < slot->target_count && n < MX_TARGETS_MAX; k++)
            if (!mx_known(targets, n, &slot->targets[k]))
                targets[n++] = slot->targets[k];
    }
    return n;
}

/* Nothing to try. A doubt about one host is a doubt about all: temporary. A smart host that does
 * not exist is a slip in the configuration or the local DNS: mail waits until it is mended. */
static void mx_fail_without_target(struct mx_resolution *r)
{
    bool temporary = false;
    for (size_t i = 0; i < r->slot_count; i++)
        temporary = temporary || r->slots[i].outcome == DNS_TEMPORARY;
    if (temporary)
        mx_fail(r, MAIL_STATUS(451, 4, 4, 3, "DNS lookup failed for the mail servers of"), r->why);
    else if (r->smart_hosts)
        mx_fail(r, MAIL_STATUS(451, 4, 4, 4, "Smart host not found:"), r->why);
    else if (r->filtered)
        mx_fail(r, MAIL_STATUS(550, 5, 4, 4, "No mail server with a public address for"), "");
    else
        mx_fail(r, MAIL_STATUS(550, 5, 4, 4, "No mail server with an address for"), r->why);
}

static void mx_complete(struct mx_resolution *r)
{
    struct mx_target targets[MX_TARGETS_MAX];
    size_t count = mx_collect(r, targets);
    if (count == 0) {
        mx_fail_without_target(r);
        return;
    }
    struct mx_result result = {
        .status = MAIL_STATUS(250, 2, 0, 0, "Resolved"), .targets = targets, .target_count = count};
    mx_finish(r, &result);
}

/* ---- Hosts ---- */

static void slot_done(struct mx_slot *slot)
{
    if (--slot->r->waiting == 0)
        mx_complete(slot->r);
}

/* RFC 6890: a domain's records must not lead a relay to itself or into its own network. */
static bool slot_refuses(struct mx_slot *slot, const struct ipaddr *addr)
{
    struct mx_resolution *r = slot->r;
    if (r->smart_hosts || r->allow_special || !ipaddr_is_special(addr))
        return false;
    r->filtered = true;
    LOG(LOG_WARNING, "mx_address_refused", LOG_STR("domain", r->domain),
        LOG_STR("host", slot->host), LOG_IP("address", addr));
    return true;
}

static void slot_take_addrs(struct mx_slot *slot, const struct dns_answer *answer)
{
    slot->targets = MEM_NEW_ARRAY(struct mx_target, answer->addr_count);
    for (size_t i = 0; i < answer->addr_count; i++) {
        struct mx_target *t = &slot->targets[slot->target_count];
        if (slot_refuses(slot, &answer->addrs[i]))
            continue;
        t->at = (struct endpoint){.addr = answer->addrs[i], .port = slot->port};
        t->preference = slot->preference;
        memcpy(t->host, slot->host, sizeof t->host);
        slot->target_count++;
    }
}

/* A smart host's MX has been followed. */
static void slot_on_mx(void *owner, const struct mx_result *result)
{
    struct mx_slot *slot = owner;
    slot->by_mx = NULL;
    slot->outcome = mail_status_ok(&result->status)          ? DNS_FOUND
                    : mail_status_permanent(&result->status) ? DNS_NO_DATA
                                                             : DNS_TEMPORARY;
    if (slot->outcome != DNS_FOUND)
        bytes_to_cstr(result->status.text, slot->r->why, sizeof slot->r->why);
    slot->targets = MEM_NEW_ARRAY(struct mx_target, result->target_count);
    for (size_t i = 0; i < result->target_count; i++) {
        slot->targets[i] = result->targets[i];
        slot->targets[i].preference = slot->preference;
    }
    slot->target_count = result->target_count;
    slot_done(slot);
}

static void slot_on_addrs(void *owner, const struct dns_answer *answer)
{
    struct mx_slot *slot = owner;
    struct mx_resolution *r = slot->r;
    slot->query = NULL;
    slot->outcome = answer->outcome;
    if (answer->outcome == DNS_FOUND)
        slot_take_addrs(slot, answer);
    else
        snprintf(r->why, sizeof r->why, "%s", answer->why);
    if (r->smart_hosts && answer->outcome == DNS_NO_DATA) {
        struct mx_settings settings = {r->local_name, slot->port, true};
        slot->by_mx = mx_resolve_domain(r->dns, &settings, slot->ask, slot_on_mx, slot);
        return;
    }
    slot_done(slot);
}

static struct mx_slot *slot_add(struct mx_resolution *r, uint16_t preference)
{
    struct mx_slot *slot = &r->slots[r->slot_count++];
    slot->r = r;
    slot->port = r->port;
    slot->preference = preference;
    return slot;
}

static void slot_set_addr(struct mx_slot *slot, const struct ipaddr *addr)
{
    char text[IPADDR_TEXT_SIZE];
    ipaddr_format(addr, text);
    snprintf(slot->ask, sizeof slot->ask, "%s", text);
    snprintf(slot->host, sizeof slot->host, "[%s]", text);
}

static void slot_set_name(struct mx_slot *slot, struct bytes name)
{
    struct ipaddr addr;
    bool fits = bytes_to_cstr(without_final_dot(name), slot->host, sizeof slot->host);
    /* An MX names a host (RFC 5321 5.1); one that "names" an address names none. */
    if (fits && ipaddr_parse(name, &addr) != ERR_OK)
        memcpy(slot->ask, slot->host, sizeof slot->ask);
}

/* All at once. No answer comes before this returns: the resolver never answers inside a call. */
static void mx_ask_slots(struct mx_resolution *r)
{
    r->waiting = r->slot_count;
    for (size_t i = 0; i < r->slot_count; i++)
        r->slots[i].query = dns_lookup_addrs(r->dns, r->slots[i].ask, slot_on_addrs, &r->slots[i]);
}

static struct mx_resolution *mx_new(struct dns *dns, const struct mx_settings *settings,
                                    mx_callback cb, void *owner)
{
    struct mx_resolution *r = MEM_NEW(struct mx_resolution);
    r->dns = dns;
    r->cb = cb;
    r->owner = owner;
    r->port = settings->port;
    r->allow_special = settings->allow_special_targets;
    bytes_to_cstr(bytes_of(settings->local_name), r->local_name, sizeof r->local_name);
    return r;
}

/* ---- A domain ---- */

/* RFC 7505: a lone "." says that the domain takes no mail; beside others it says nothing. */
static size_t mx_drop_null(struct dns_mx *mx, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (mx[i].host[0] != '\0')
            mx[kept++] = mx[i];
    return kept;
}

/* Takes the ordered list, or says that it names no host but us. */
static void mx_use_list(struct mx_resolution *r, struct dns_mx *mx, size_t count)
{
    count = mx_order(mx, count, r->local_name);
    if (count == 0) {
        mx_fail(r, MAIL_STATUS(550, 5, 4, 6, "Mail loops back to this host for"), "");
        return;
    }
    if (count > MX_HOSTS_MAX)
        count = MX_HOSTS_MAX;
    r->slots = MEM_NEW_ARRAY(struct mx_slot, count);
    for (size_t i = 0; i < count; i++)
        slot_set_name(slot_add(r, mx[i].preference), bytes_of(mx[i].host));
    mx_ask_slots(r);
}

static void mx_on_list(struct mx_resolution *r, const struct dns_answer *answer)
{
    struct dns_mx mx[DNS_MX_MAX];
    size_t count = answer->mx_count < DNS_MX_MAX ? answer->mx_count : DNS_MX_MAX;
    memcpy(mx, answer->mx, count * sizeof *mx);
    size_t kept = mx_drop_null(mx, count);
    if (kept == 0) {
        mx_fail(r, MAIL_STATUS(556, 5, 1, 10, "No mail is accepted (null MX) by"), "");
        return;
    }
    if (kept < count)
        LOG(LOG_WARNING, "mx_null_among_others", LOG_STR("domain", r->domain));
    mx_use_list(r, mx, kept);
}

/* RFC 5321 5.1: only a domain that certainly has no MX is its own mail exchanger. */
static void mx_on_answer(void *owner, const struct dns_answer *answer)
{
    struct mx_resolution *r = owner;
    struct dns_mx implicit = {.preference = 0};
    r->mx_query = NULL;
    switch (answer->outcome) {
    case DNS_FOUND:
        mx_on_list(r, answer);
        break;
    case DNS_NO_DATA:
        bytes_to_cstr(without_final_dot(bytes_of(r->domain)), implicit.host, sizeof implicit.host);
        mx_use_list(r, &implicit, 1);
        break;
    case DNS_NO_NAME:
        mx_fail(r, MAIL_STATUS(550, 5, 1, 2, "Domain not found:"), answer->why);
        break;
    case DNS_TEMPORARY:
        mx_fail(r, MAIL_STATUS(451, 4, 4, 3, "DNS lookup failed for"), answer->why);
        break;
    }
}

/* The inside of "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 4.1.3). */
static bool literal_parse(struct bytes inside, struct ipaddr *out)
{
    struct bytes tag = BYTES("IPv6:");
    if (bytes_starts_nocase(inside, tag))
        inside = bytes_from(inside, tag.len);
    return ipaddr_parse(inside, out) == ERR_OK;
}

struct mx_resolution *mx_resolve_domain(struct dns *dns, const struct mx_settings *settings,
                                        const char *domain, mx_callback cb, void *owner)
{
    struct mx_resolution *r = mx_new(dns, settings, cb, owner);
    struct bytes text = bytes_of(domain);
    struct ipaddr addr;
    bytes_to_cstr(text, r->domain, sizeof r->domain);
    if (text.len > 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']' &&
        literal_parse(bytes_sub(text, 1, text.len - 2), &addr)) {
        r->slots = MEM_NEW(struct mx_slot);
        slot_set_addr(slot_add(r, 0), &addr);
        mx_ask_slots(r);
    } else {
        r->mx_query = dns_lookup_mx(dns, domain, mx_on_answer, r);
    }
    return r;
}

/* ---- Smart hosts ---- */

static bool port_parse(struct bytes text, uint16_t *out)
{
    uint64_t port;
    if (bytes_to_u64(text, UINT16_MAX, &port) != ERR_OK || port == 0)
        return false;
    *out = (uint16_t)port;
    return true;
}

/* What cannot be read stays without a name to ask for, and so is not found. */
static void slot_set_smart_host(struct mx_slot *slot, struct bytes text)
{
    struct bytes host = text, port = BYTES_EMPTY;
    struct ipaddr addr;
    size_t colon = bytes_rfind(text, ':');
    bool ends_literal = text.len > 0 && text.ptr[text.len - 1] == ']';
    bytes_to_cstr(text, slot->host, sizeof slot->host);
    if (ipaddr_parse(text, &addr) == ERR_OK) {
        slot_set_addr(slot, &addr);
        return;
    }
    if (colon != BYTES_NOT_FOUND && !ends_literal) {
        host = bytes_sub(text, 0, colon);
        port = bytes_from(text, colon + 1);
        if (!port_parse(port, &slot->port))
            return;
    }
    bool literal = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (literal_parse(literal ? bytes_sub(host, 1, host.len - 2) : host, &addr))
        slot_set_addr(slot, &addr);
    else if (!literal)
        slot_set_name(slot, host);
}

struct mx_resolution *mx_resolve_smart_hosts(struct dns *dns, const struct mx_settings *settings,
                                             const char *const *hosts, size_t count, size_t first,
                                             mx_callback cb, void *owner)
{
    ASSERT(count > 0);
    struct mx_resolution *r = mx_new(dns, settings, cb, owner);
    size_t used = count < MX_HOSTS_MAX ? count : MX_HOSTS_MAX;
    r->smart_hosts = true;
    bytes_to_cstr(bytes_of(hosts[first % count]), r->domain, sizeof r->domain);
    r->slots = MEM_NEW_ARRAY(struct mx_slot, used);
    for (size_t i = 0; i < used; i++)
        slot_set_smart_host(slot_add(r, (uint16_t)i), bytes_of(hosts[(first % count + i) % count]));
    mx_ask_slots(r);
    return r;
}
