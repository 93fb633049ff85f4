/* Reads one rule of what goes wrong at the sink. */
#include "bench/load_fault_private.h"

#include <stdio.h>

#include "core/mem.h"

enum { RULE_MAX = 400, PERCENT_DECIMALS = 4 };

/* The words of a rule that are still to be read; PROBLEM once something is wrong. */
struct words {
    struct bytes rest;
    char problem[160];
};

static struct bytes peek(const struct words *w)
{
    struct bytes word, tail;
    bytes_split(bytes_trim(w->rest), ' ', &word, &tail);
    return word;
}

static struct bytes take(struct words *w)
{
    struct bytes word;
    bytes_split(bytes_trim(w->rest), ' ', &word, &w->rest);
    w->rest = bytes_trim(w->rest);
    return word;
}

static bool PRINTF_LIKE(2, 3) wrong(struct words *w, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(w->problem, sizeof w->problem, fmt, args);
    va_end(args);
    return false;
}

/* ---- values ----------------------------------------------------------------------------- */

/* "5%", "0.25%": above 0 to 100, in parts of a million. */
static bool percent(struct bytes text, uint32_t *ppm)
{
    struct bytes whole, decimals;
    uint64_t ones, parts = 0;
    bool dotted = bytes_split(bytes_sub(text, 0, text.len - 1), '.', &whole, &decimals);
    if (bytes_to_u64(whole, 100, &ones) != ERR_OK)
        return false;
    if (dotted && (decimals.len > PERCENT_DECIMALS || bytes_to_u64(decimals, 9999, &parts)))
        return false;
    for (size_t i = decimals.len; i < PERCENT_DECIMALS; i++)
        parts *= 10;
    *ppm = (uint32_t)(ones * 10000 + parts);
    return *ppm > 0 && *ppm <= LOAD_FAULT_PPM;
}

/* The odds may be left away: always. */
static bool take_odds(struct words *w, struct load_fault *f)
{
    struct bytes word = peek(w);
    f->ppm = LOAD_FAULT_PPM;
    if (!word.len || word.ptr[word.len - 1] != '%')
        return true;
    if (!percent(take(w), &f->ppm))
        return wrong(w, "\"" BYTES_FMT "\" is not above 0%% and up to 100%%", BYTES_ARG(word));
    return true;
}

struct unit {
    const char *name;
    uint64_t times;
};

/* A number with its unit, from 1 to MAX. */
static bool take_measure(struct words *w, const struct unit *units, size_t count, uint64_t max,
                         uint64_t *out)
{
    struct bytes word = take(w);
    for (size_t i = 0; i < count; i++) {
        struct bytes unit = bytes_of(units[i].name);
        uint64_t number;
        if (!bytes_ends_nocase(word, unit))
            continue;
        if (bytes_to_u64(bytes_sub(word, 0, word.len - unit.len), max, &number) != ERR_OK ||
            __builtin_mul_overflow(number, units[i].times, out) || !*out || *out > max)
            break;
        return true;
    }
    return wrong(w, "\"" BYTES_FMT "\" is no such measure, or beyond it", BYTES_ARG(word));
}

static bool take_duration(struct words *w, struct load_fault *f)
{
    static const struct unit units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    return take_measure(w, units, ARRAY_SIZE(units), 24 * 3600000, &f->number);
}

static bool take_rate(struct words *w, struct load_fault *f)
{
    static const struct unit units[] = {{"KB/s", 1024}, {"MB/s", 1048576}, {"B/s", 1}};
    return take_measure(w, units, ARRAY_SIZE(units), 1u << 30, &f->number);
}

static bool take_count(struct words *w, struct load_fault *f)
{
    struct bytes word = take(w);
    if (bytes_to_u64(word, 1000000000, &f->number) != ERR_OK || !f->number)
        return wrong(w, "\"" BYTES_FMT "\" is no number from 1", BYTES_ARG(word));
    return true;
}

static bool take_after_count(struct words *w, struct load_fault *f)
{
    if (!bytes_equal_nocase(take(w), BYTES("after")))
        return wrong(w, "\"after\" is missing");
    return take_count(w, f);
}

/* "at PHASE" */
static bool take_phase(struct words *w, struct load_fault *f)
{
    static const struct {
        const char *name;
        enum smtp_sink_phase phase;
    } phases[] = {
        {"connect", SMTP_SINK_CONNECT}, {"mail", SMTP_SINK_MAIL}, {"rcpt", SMTP_SINK_RCPT},
        {"data", SMTP_SINK_DATA},       {"dot", SMTP_SINK_DOT},
    };
    if (!bytes_equal_nocase(take(w), BYTES("at")))
        return wrong(w, "\"at\" is missing");
    struct bytes word = take(w);
    for (size_t i = 0; i < ARRAY_SIZE(phases); i++) {
        if (!bytes_equal_nocase(word, bytes_of(phases[i].name)))
            continue;
        f->phase = phases[i].phase;
        return true;
    }
    return wrong(w, "there is no phase \"" BYTES_FMT "\"", BYTES_ARG(word));
}

/* "NAME=value"; empty when the next word is another. */
static struct bytes take_named(struct words *w, struct bytes name)
{
    if (!bytes_starts_nocase(peek(w), name))
        return BYTES_EMPTY;
    return bytes_from(take(w), name.len);
}

static bool take_domain(struct words *w, struct load_fault *f)
{
    bool given = bytes_starts_nocase(peek(w), BYTES("domain="));
    f->domain = take_named(w, BYTES("domain="));
    if (given && !f->domain.len)
        return wrong(w, "the domain is empty");
    if (given && f->phase == SMTP_SINK_CONNECT)
        return wrong(w, "no domain is known at connect");
    return true;
}

/* ---- replies ---------------------------------------------------------------------------- */

/* "4.2.1" for a 4xx */
static bool enhanced_code(struct bytes text, struct mail_status *status)
{
    struct bytes part;
    for (unsigned i = 0; i < 3; i++) {
        uint64_t number;
        if (bytes_split(text, '.', &part, &text) != (i < 2) ||
            bytes_to_u64(part, 999, &number) != ERR_OK)
            return false;
        status->enhanced[i] = (uint16_t)number;
    }
    return status->enhanced[0] == status->code / 100;
}

/* CODE [X.Y.Z] TEXT; "\n" in TEXT, both characters, ends a line. */
static bool take_written_reply(struct words *w, struct load_fault *f)
{
    struct mail_status status = {.code = 0};
    struct bytes word = take(w);
    uint64_t code;
    if (bytes_to_u64(word, 599, &code) != ERR_OK || code < 400)
        return wrong(w, "\"" BYTES_FMT "\" is no code from 400 to 599", BYTES_ARG(word));
    status.code = (uint16_t)code;
    if (enhanced_code(peek(w), &status))
        (void)take(w);
    else
        memset(status.enhanced, 0, sizeof status.enhanced);
    if (!w->rest.len)
        return wrong(w, "the text of the reply is missing");
    char *text = mem_alloc(w->rest.len);
    size_t len = 0;
    for (size_t i = 0; i < w->rest.len; i++) {
        bool end = w->rest.ptr[i] == '\\' && i + 1 < w->rest.len && w->rest.ptr[i + 1] == 'n';
        text[len++] = end ? '\n' : w->rest.ptr[i];
        i += end;
    }
    status.text = bytes_make(text, len);
    f->said = MEM_NEW(struct load_fault_said);
    f->said_count = 1;
    load_fault_say(f->said, f->phase, &status);
    mem_free(text);
    w->rest = BYTES_EMPTY;
    return true;
}

static bool take_reply(struct words *w, struct load_fault *f)
{
    char names[256];
    struct bytes provider = take_named(w, BYTES("provider="));
    struct bytes cause = take_named(w, BYTES("cause="));
    if (!provider.len && !cause.len)
        return take_written_reply(w, f);
    if (!provider.len)
        provider = BYTES("any");
    load_fault_providers(names, sizeof names);
    if (!load_fault_provider_known(provider))
        return wrong(w, "provider is one of %s", names);
    if (!load_fault_cause_known(cause))
        return wrong(w, "cause is one of %s", LOAD_FAULT_CAUSES);
    if (!load_fault_said_by(f, provider, cause))
        return wrong(w, "that one says no such thing at this phase");
    return true;
}

static bool take_phase_reply(struct words *w, struct load_fault *f)
{
    return take_phase(w, f) && take_domain(w, f) && take_reply(w, f);
}

static bool take_drop(struct words *w, struct load_fault *f)
{
    return take_phase(w, f) && take_domain(w, f);
}

static const struct mail_status NO_TLS =
    MAIL_STATUS_INIT(454, 4, 7, 0, "TLS not available due to temporary reason");
static const struct mail_status TOO_MANY_MESSAGES =
    MAIL_STATUS_INIT(421, 4, 7, 0, "Too many messages on this connection, try again later");
static const struct mail_status TOO_MANY_CONNECTIONS =
    MAIL_STATUS_INIT(421, 4, 7, 0, "Too many connections from your address, try again later");

static void say_one(struct load_fault *f, const struct mail_status *status)
{
    f->said = MEM_NEW(struct load_fault_said);
    f->said_count = 1;
    load_fault_say(f->said, f->phase, status);
}

static bool take_tls(struct words *w, struct load_fault *f)
{
    if (!bytes_equal(peek(w), BYTES("454")))
        return true;
    (void)take(w);
    say_one(f, &NO_TLS);
    return true;
}

static bool take_after(struct words *w, struct load_fault *f)
{
    say_one(f, &TOO_MANY_MESSAGES);
    return take_after_count(w, f);
}

static bool take_cap(struct words *w, struct load_fault *f)
{
    say_one(f, &TOO_MANY_CONNECTIONS);
    return take_count(w, f);
}

/* ---- rules ------------------------------------------------------------------------------ */

static const struct kind_row {
    const char *name;
    enum load_fault_kind kind;
    enum smtp_sink_phase phase;
    bool odds; /* may begin with P% */
    bool (*take)(struct words *w, struct load_fault *f);
    const char *form;
} KINDS[] = {
    {"refuse", LOAD_FAULT_REFUSE, SMTP_SINK_CONNECT, true, NULL, "refuse [P%]"},
    {"blackhole", LOAD_FAULT_BLACKHOLE, SMTP_SINK_CONNECT, true, NULL, "blackhole [P%]"},
    {"slow-banner", LOAD_FAULT_SLOW_BANNER, SMTP_SINK_CONNECT, true, take_duration,
     "slow-banner [P%] TIME, with ms, s, m or h, up to 24h"},
    {"slow-read", LOAD_FAULT_SLOW_READ, SMTP_SINK_CONNECT, true, take_rate,
     "slow-read [P%] RATE, in B/s, KB/s or MB/s, up to 1024MB/s"},
    {"cap", LOAD_FAULT_CAP, SMTP_SINK_CONNECT, false, take_cap, "cap CONNECTIONS"},
    {"421", LOAD_FAULT_AFTER, SMTP_SINK_MAIL, false, take_after, "421 after MESSAGES"},
    {"reply", LOAD_FAULT_REPLY, SMTP_SINK_MAIL, true, take_phase_reply,
     "reply [P%] at connect|mail|rcpt|data|dot [domain=NAME] CODE [X.Y.Z] TEXT, or in place of the "
     "reply provider=NAME and cause=NAME, or one of them"},
    {"drop", LOAD_FAULT_DROP, SMTP_SINK_MAIL, true, take_drop,
     "drop [P%] at connect|mail|rcpt|data|dot [domain=NAME]"},
    {"tls-fail", LOAD_FAULT_TLS, SMTP_SINK_STARTTLS, true, take_tls, "tls-fail [P%] [454]"},
    {"close-after-dot", LOAD_FAULT_CLOSE_AFTER_DOT, SMTP_SINK_DOT, true, take_domain,
     "close-after-dot [P%] [domain=NAME]"},
};

static const struct kind_row *kind_find(struct bytes name)
{
    for (size_t i = 0; i < ARRAY_SIZE(KINDS); i++)
        if (bytes_equal_nocase(name, bytes_of(KINDS[i].name)))
            return &KINDS[i];
    return NULL;
}

static void explain_unknown(struct bytes rule, struct err_detail *why)
{
    char names[160] = "";
    size_t used = 0;
    for (size_t i = 0; i < ARRAY_SIZE(KINDS); i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                                 KINDS[i].name);
    ASSERT(used < sizeof names);
    (void)err_set(why, ERR_SYNTAX, "fault \"%.100s\" begins with none of %s", rule.ptr, names);
}

static bool rule_text_valid(struct bytes rule, struct err_detail *why)
{
    char shown[100];
    bool printable = true;
    for (size_t i = 0; i < rule.len; i++)
        printable = printable && (unsigned char)rule.ptr[i] >= ' ' && rule.ptr[i] < 0x7f;
    if (printable && rule.len <= RULE_MAX)
        return true;
    (void)err_set(why, ERR_SYNTAX, "fault \"%s\" is longer than %d characters, or not all ASCII",
                  bytes_escape(bytes_sub(rule, 0, 40), shown, sizeof shown), RULE_MAX);
    return false;
}

static bool parse(struct load_fault *f, struct bytes text, struct err_detail *why)
{
    struct words w = {.rest = text};
    const struct kind_row *row = kind_find(take(&w));
    if (!row) {
        explain_unknown(text, why);
        return false;
    }
    f->kind = row->kind;
    f->phase = row->phase;
    f->ppm = LOAD_FAULT_PPM;
    bool ok = (!row->odds || take_odds(&w, f)) && (!row->take || row->take(&w, f));
    if (ok && w.rest.len)
        ok = wrong(&w, "\"%.60s\" is too much", w.rest.ptr);
    if (!ok)
        (void)err_set(why, ERR_SYNTAX, "fault \"%.120s\": %s; wanted: %s", f->text, w.problem,
                      row->form);
    return ok;
}

struct load_fault *load_fault_parse(struct bytes rule, struct err_detail *why)
{
    struct bytes text = bytes_trim(rule);
    if (!rule_text_valid(text, why))
        return NULL;
    struct load_fault *f = MEM_NEW(struct load_fault);
    f->domain = BYTES_EMPTY;
    f->text = mem_alloc(text.len + 1);
    memcpy(f->text, text.ptr, text.len);
    f->text[text.len] = '\0';
    if (!parse(f, bytes_make(f->text, text.len), why))
        load_fault_free(f), f = NULL;
    return f;
}

void load_fault_free(struct load_fault *f)
{
    for (size_t i = 0; i < f->said_count; i++)
        mem_free(f->said[i].memory);
    mem_free(f->said);
    mem_free(f->text);
    mem_free(f);
}
