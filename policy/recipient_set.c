/* A recipients file as a set. It may name millions: eight octets a place, and no pointer. */
#include "policy/recipient_set.h"

#include <stdatomic.h>
#include <stdio.h>

#include "core/hash.h"
#include "core/mail.h"
#include "core/mem.h"

#define FAULTS_TOLD_MAX    20
#define ADDRESS_OCTETS_MAX 571 /* what a session takes: 315 local + @ + 255 domain */

/* A place of the open hash table: where the address lies in TEXT; a length of 0 is an empty one. */
struct slot {
    uint32_t at;
    uint16_t len;
    bool anywhere; /* a local part alone */
};

struct recipient_set {
    atomic_uint references;
    char *text; /* the addresses in lower case, end to end */
    size_t text_len;
    struct slot *slots;
    size_t slot_mask, count;
};

/* LOCAL@DOMAIN, or LOCAL alone where DOMAIN is empty. The administrator writes the names; a peer
 * can only ask. */
static uint64_t hash_of(struct bytes local, struct bytes domain)
{
    uint64_t hash = hash_bytes_nocase(HASH_START, local);
    if (domain.len)
        hash = hash_bytes_nocase(hash_octet(hash, '@'), domain);
    return hash_mix(hash);
}

static bool slot_holds(const struct recipient_set *set, const struct slot *slot, struct bytes local,
                       struct bytes domain)
{
    struct bytes kept = {set->text + slot->at, slot->len};
    if (slot->anywhere != (domain.len == 0))
        return false;
    if (slot->anywhere)
        return bytes_equal_nocase(kept, local);
    return kept.len == local.len + 1 + domain.len && kept.ptr[local.len] == '@' &&
           bytes_equal_nocase(bytes_sub(kept, 0, local.len), local) &&
           bytes_equal_nocase(bytes_from(kept, local.len + 1), domain);
}

static struct slot *slot_of(const struct recipient_set *set, struct bytes local,
                            struct bytes domain)
{
    size_t at = (size_t)hash_of(local, domain) & set->slot_mask;
    for (;; at = (at + 1) & set->slot_mask) {
        struct slot *slot = &set->slots[at];
        if (slot->len == 0 || slot_holds(set, slot, local, domain))
            return slot;
    }
}

/* --- Reading --- */

struct reading {
    struct recipient_set *set;
    const char *file;
    size_t line, faults;
    recipient_report report;
    void *owner;
};

static void refuse_line(struct reading *r, const char *fault, struct bytes line)
{
    char shown[128], text[256], where[512];
    r->faults++;
    if (!r->report || r->faults > FAULTS_TOLD_MAX)
        return;
    snprintf(where, sizeof where, "%s:%zu", r->file, r->line);
    snprintf(text, sizeof text, "\"%s\": %s%s", bytes_escape(line, shown, sizeof shown), fault,
             r->faults == FAULTS_TOLD_MAX ? " (further faults of this file are not shown)" : "");
    r->report(r->owner, where, text);
}

static struct bytes without_comment(struct bytes line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.ptr[i] == '#' && (i == 0 || line.ptr[i - 1] == ' ' || line.ptr[i - 1] == '\t'))
            return bytes_sub(line, 0, i);
    return line;
}

static bool printable(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] <= ' ' || text.ptr[i] == 0x7f)
            return false;
    return true;
}

/* Split as the session splits a path: a local part in quotes may hold an @. */
static void split(struct bytes address, struct bytes *local, struct bytes *domain)
{
    *domain = mail_domain(address);
    *local = domain->len ? mail_local_part(address) : address;
}

static void take_line(struct reading *r, struct bytes line)
{
    struct recipient_set *set = r->set;
    struct bytes local, domain;
    split(line, &local, &domain);
    if (line.len > ADDRESS_OCTETS_MAX)
        refuse_line(r, "longer than any address", line);
    else if (!printable(line) || local.len == 0 || line.ptr[line.len - 1] == '@')
        refuse_line(r, "an address or a local part is wanted, one a line", line);
    if (r->faults)
        return;
    struct slot *slot = slot_of(set, local, domain);
    if (slot->len)
        return;
    *slot = (struct slot){(uint32_t)set->text_len, (uint16_t)line.len, domain.len == 0};
    for (size_t i = 0; i < line.len; i++)
        set->text[set->text_len++] = bytes_lower(line.ptr[i]);
    set->count++;
    ASSERT(set->count <= set->slot_mask); /* a search ends at a free place */
}

static size_t count_lines(struct bytes text)
{
    size_t lines = 1;
    for (size_t at = bytes_find(text, '\n', 0); at != BYTES_NOT_FOUND;
         at = bytes_find(text, '\n', at + 1))
        lines++;
    return lines;
}

static struct recipient_set *set_new(struct bytes text)
{
    struct recipient_set *set = MEM_NEW(struct recipient_set);
    size_t slots = 4, lines = count_lines(text);
    while (slots < 2 * lines)
        slots *= 2;
    atomic_init(&set->references, 1);
    set->text = mem_alloc(text.len + 1);
    set->slots = MEM_NEW_ARRAY(struct slot, slots);
    set->slot_mask = slots - 1;
    return set;
}

enum err recipient_set_parse(struct bytes text, const char *file, recipient_report report,
                             void *owner, struct recipient_set **out)
{
    *out = NULL;
    if (text.len > RECIPIENT_SET_TEXT_MAX)
        return ERR_LIMIT;
    struct reading r = {.set = set_new(text), .file = file, .report = report, .owner = owner};
    while (text.len) {
        struct bytes line;
        bytes_split(text, '\n', &line, &text);
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        r.line++;
        line = bytes_trim(without_comment(line));
        if (line.len)
            take_line(&r, line);
    }
    *out = r.set;
    if (r.faults)
        recipient_set_unref(out);
    return r.faults ? ERR_SYNTAX : ERR_OK;
}

struct recipient_set *recipient_set_ref(struct recipient_set *set)
{
    if (set)
        atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
    return set;
}

void recipient_set_unref(struct recipient_set **at)
{
    struct recipient_set *set = *at;
    *at = NULL;
    if (!set || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) != 1)
        return;
    mem_free(set->text);
    mem_free(set->slots);
    mem_free(set);
}

/* --- Asking --- */

size_t recipient_set_count(const struct recipient_set *set)
{
    return set ? set->count : 0;
}

bool recipient_set_has(const struct recipient_set *set, struct bytes local, struct bytes domain)
{
    if (domain.len && domain.ptr[domain.len - 1] == '.')
        domain.len--;
    if (local.len == 0)
        return false;
    return slot_of(set, local, BYTES_EMPTY)->len > 0 ||
           (domain.len > 0 && slot_of(set, local, domain)->len > 0);
}
