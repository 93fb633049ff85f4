/* Threads of clients that behave badly, and what they have counted. */
#include "bench/load_bad.h"

#include <inttypes.h>

#include "core/mem.h"

#include "bench/load_bad_private.h"

static const struct {
    const char *name, *json, *text;
} KINDS[LOAD_BAD_KINDS] = {
    [LOAD_BAD_SLOW] = {"slow", "slow", "slow"},
    [LOAD_BAD_BARE_LF] = {"bare-lf", "bare_lf", "bare LF"},
    [LOAD_BAD_EARLY_TALK] = {"early-talk", "early_talk", "early talk"},
    [LOAD_BAD_HALF_CLOSE] = {"half-close", "half_close", "half close"},
};

static bool add_kind(struct bytes name, unsigned *kinds)
{
    for (unsigned i = 0; i < LOAD_BAD_KINDS; i++)
        if (bytes_equal(name, bytes_of(KINDS[i].name))) {
            *kinds |= 1u << i;
            return true;
        }
    return false;
}

enum err load_bad_parse_kinds(struct bytes text, unsigned *kinds)
{
    struct bytes name, rest = text;
    bool more;
    *kinds = 0;
    do {
        more = bytes_split(rest, ',', &name, &rest);
        if (!add_kind(name, kinds))
            return ERR_SYNTAX;
    } while (more);
    return ERR_OK;
}

static void thread_run(void *arg)
{
    struct load_bad *bad = arg;
    for (unsigned long i = 0; i < bad->settings.sessions; i++)
        load_bad_session_prepare(&bad->sessions[i], bad, i);
    loop_run(bad->loop);
    for (unsigned long i = 0; i < bad->settings.sessions; i++)
        load_bad_session_stop(&bad->sessions[i]);
}

static void bad_free(struct load_bad **bad)
{
    loop_free(&(*bad)->loop);
    arena_free(&(*bad)->arena);
    mem_free((*bad)->sessions);
    mem_free(*bad);
    *bad = NULL;
}

enum err load_bad_start(const struct load_bad_settings *settings, struct load_bad **out,
                        struct err_detail *why)
{
    ASSERT(settings->kinds && settings->sessions);
    struct load_bad *bad = MEM_NEW(struct load_bad);
    bad->settings = *settings;
    arena_init(&bad->arena, 0);
    bad->commands[LOAD_BAD_HELLO] = BYTES("EHLO bad.test\r\n");
    bad->commands[LOAD_BAD_MAIL] =
        bytes_of(arena_printf(&bad->arena, "MAIL FROM:<%s>\r\n", settings->from));
    bad->commands[LOAD_BAD_RCPT] =
        bytes_of(arena_printf(&bad->arena, "RCPT TO:<%s>\r\n", settings->rcpt));
    bad->commands[LOAD_BAD_DATA] = BYTES("DATA\r\n");
    bad->sessions = MEM_NEW_ARRAY(struct load_bad_session, settings->sessions);
    enum err e = loop_new(&bad->loop, why);
    if (e == ERR_OK)
        e = thread_start(&bad->thread, "bad", thread_run, bad, why);
    if (e != ERR_OK)
        bad_free(&bad);
    *out = bad;
    return e;
}

void load_bad_stop(struct load_bad **bad, struct load_bad_totals *totals)
{
    *totals = (struct load_bad_totals){0};
    if (!*bad)
        return;
    loop_stop((*bad)->loop);
    thread_join(&(*bad)->thread);
    totals->kinds = (*bad)->settings.kinds;
    totals->sessions = (*bad)->settings.sessions;
    memcpy(totals->counts, (*bad)->counts, sizeof totals->counts);
    bad_free(bad);
}

/* --- Totals --- */

static void print_counts(const struct load_bad_counts *c, FILE *to, bool json)
{
    const struct {
        const char *name;
        uint64_t count;
    } rows[] = {
        {"connections", c->connections}, {"refused", c->refused}, {"served", c->served},
        {"accepted", c->accepted},       {"failed", c->failed},   {"open", c->open},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        fprintf(to, json ? "%s\"%s\": %" PRIu64 : "%s%s %" PRIu64, i ? ", " : "", rows[i].name,
                rows[i].count);
}

static struct load_bad_counts sum_of(const struct load_bad_totals *t)
{
    struct load_bad_counts sum = {0};
    for (unsigned i = 0; i < LOAD_BAD_KINDS; i++) {
        const struct load_bad_counts *c = &t->counts[i];
        sum.connections += c->connections;
        sum.refused += c->refused;
        sum.served += c->served;
        sum.accepted += c->accepted;
        sum.failed += c->failed;
        sum.open += c->open;
    }
    return sum;
}

void load_bad_print(const struct load_bad_totals *t, FILE *to, bool json)
{
    struct load_bad_counts sum = sum_of(t);
    fprintf(to, json ? "{\"sessions\": %lu, " : "bad clients: sessions %lu, ", t->sessions);
    print_counts(&sum, to, json);
    for (unsigned i = 0; i < LOAD_BAD_KINDS; i++) {
        if (!(t->kinds >> i & 1))
            continue;
        fprintf(to, json ? ", \"%s\": {" : "\n  %s: ", json ? KINDS[i].json : KINDS[i].text);
        print_counts(&t->counts[i], to, json);
        fputs(json ? "}" : "", to);
    }
    if (!json && (t->kinds >> LOAD_BAD_BARE_LF & 1))
        fprintf(to, "\nbare LF accepted: %" PRIu64, t->counts[LOAD_BAD_BARE_LF].accepted);
    fputs(json ? "}" : "\n", to);
}
