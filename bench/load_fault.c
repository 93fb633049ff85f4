/* Draws which rule strikes, and where in a session it strikes. */
#include "bench/load_fault_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/mem.h"
#include "policy/source_table.h"

const char LOAD_FAULTS_HELP[] =
    "A rule, P% of the time (always, when P% is left away):\n"
    "  refuse [P%]             the connection is reset as soon as it is there\n"
    "  blackhole [P%]          it stays open without a word\n"
    "  slow-banner [P%] TIME   the greeting comes so much later: 500ms, 30s, 5m\n"
    "  slow-read [P%] RATE     it is read no faster: 10KB/s\n"
    "  cap N                   connections of one address; those beyond get 421\n"
    "  421 after N             messages of one connection; the next gets 421\n"
    "  reply [P%] at PHASE [domain=NAME] CODE [X.Y.Z] TEXT\n"
    "                          PHASE: connect, mail, rcpt, data or dot (the end of the text);\n"
    "                          NAME: the recipient's, at mail the sender's; *.NAME: below it;\n"
    "                          \\n in TEXT ends a line\n"
    "  reply [P%] at PHASE [domain=NAME] [provider=NAME] [cause=NAME]\n"
    "                          one of those that such servers give; see the manual page\n"
    "  drop [P%] at PHASE [domain=NAME]\n"
    "                          the connection is closed instead of a reply\n"
    "  tls-fail [P%] [454]     it is closed behind the 220 to STARTTLS; or STARTTLS gets 454\n"
    "  close-after-dot [P%] [domain=NAME]\n"
    "                          the message is taken, and the connection closed without a reply\n";

enum { SOURCES = 1 << 16, RULES_MAX = 256 };

struct load_faults {
    uint64_t seed;
    struct load_fault *rules[RULES_MAX];
    size_t count;
    atomic_uint_fast64_t connections;
    struct source_table *sources; /* NULL until a rule counts them */
};

struct load_faults *load_faults_new(void)
{
    return MEM_NEW(struct load_faults);
}

void load_faults_free(struct load_faults **faults)
{
    struct load_faults *f = *faults;
    if (!f)
        return;
    for (size_t i = 0; i < f->count; i++)
        load_fault_free(f->rules[i]);
    source_table_free(&f->sources);
    mem_free(f);
    *faults = NULL;
}

void load_faults_seed(struct load_faults *f, uint64_t seed)
{
    f->seed = seed;
}

enum err load_faults_add(struct load_faults *f, struct bytes rule, struct err_detail *why)
{
    if (f->count == RULES_MAX)
        return err_set(why, ERR_LIMIT, "there are more than %d faults", RULES_MAX);
    struct load_fault *fault = load_fault_parse(rule, why);
    if (!fault)
        return ERR_SYNTAX;
    if (fault->kind == LOAD_FAULT_CAP && !f->sources)
        f->sources = source_table_new(SOURCES);
    f->rules[f->count++] = fault;
    return ERR_OK;
}

enum err load_faults_read(struct load_faults *f, const char *path, struct err_detail *why)
{
    char line[1024];
    struct err_detail reason;
    enum err e = ERR_OK;
    FILE *file = fopen(path, "re");
    if (!file)
        return err_set_errno(why, errno, "%s", path);
    for (unsigned long number = 1; e == ERR_OK && fgets(line, sizeof line, file); number++) {
        struct bytes text = bytes_of(line);
        while (text.len && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r'))
            text.len--;
        text = bytes_trim(text);
        if (!text.len || text.ptr[0] == '#')
            continue;
        e = load_faults_add(f, text, &reason);
        if (e != ERR_OK)
            e = err_set(why, e, "%.100s:%lu: %.380s", path, number, reason.text);
    }
    if (e == ERR_OK && ferror(file))
        e = err_set_errno(why, errno, "%s", path);
    fclose(file);
    return e;
}

size_t load_faults_count(const struct load_faults *f)
{
    return f->count;
}

bool load_faults_want_tls(const struct load_faults *f)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->rules[i]->kind == LOAD_FAULT_TLS)
            return true;
    return false;
}

uint64_t load_faults_hits(const struct load_faults *f, size_t rule)
{
    return atomic_load_explicit(&f->rules[rule]->hits, memory_order_relaxed);
}

static void print_quoted(const char *text)
{
    for (; *text; text++)
        printf(*text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
}

void load_faults_print(const struct load_faults *f, bool json)
{
    if (json)
        printf(", \"seed\": %" PRIu64 ", \"faults\": [", f->seed);
    for (size_t i = 0; i < f->count; i++) {
        uint64_t hits = load_faults_hits(f, i);
        if (!json) {
            printf("fault: %s: %" PRIu64 "\n", f->rules[i]->text, hits);
            continue;
        }
        printf("%s{\"rule\": \"", i ? ", " : "");
        print_quoted(f->rules[i]->text);
        printf("\", \"hits\": %" PRIu64 "}", hits);
    }
    if (json)
        putchar(']');
}

/* ---- draws ------------------------------------------------------------------------------ */

/* splitmix64's mixing step: every bit of Z moves every bit of what comes out. */
static uint64_t mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t draw(const struct load_fault_session *s, size_t rule, enum smtp_sink_phase phase)
{
    uint64_t z = mix(s->faults->seed ^ mix(rule + 1));
    z = mix(z ^ s->connection);
    z = mix(z ^ s->message);
    return mix(z ^ (s->rcpt << 8 | (uint64_t)phase));
}

/* ---- decisions -------------------------------------------------------------------------- */

void load_fault_open(struct load_faults *f, struct load_fault_session *s)
{
    *s = (struct load_fault_session){.faults = f, .source = SOURCE_TABLE_NONE};
    s->connection = atomic_fetch_add_explicit(&f->connections, 1, memory_order_relaxed) + 1;
}

void load_fault_close(struct load_fault_session *s)
{
    if (s->faults->sources)
        source_table_leave(s->faults->sources, s->source);
}

static bool domain_is(struct bytes wanted, struct bytes domain)
{
    if (bytes_starts_nocase(wanted, BYTES("*.")))
        return domain.len > wanted.len - 1 && bytes_ends_nocase(domain, bytes_from(wanted, 1));
    return !wanted.len || bytes_equal_nocase(wanted, domain);
}

static bool strikes(const struct load_fault_session *s, size_t rule,
                    const struct smtp_sink_question *question)
{
    const struct load_fault *f = s->faults->rules[rule];
    if (f->phase != question->phase || !domain_is(f->domain, question->domain))
        return false;
    switch (f->kind) {
    case LOAD_FAULT_CAP:
        return source_table_sessions(s->faults->sources, s->source) > f->number;
    case LOAD_FAULT_AFTER:
        return s->taken >= f->number;
    default:
        return f->ppm == LOAD_FAULT_PPM || draw(s, rule, f->phase) % LOAD_FAULT_PPM < f->ppm;
    }
}

static void say(const struct load_fault_session *s, size_t rule, struct smtp_sink_answer *answer)
{
    const struct load_fault *f = s->faults->rules[rule];
    const struct load_fault_said *said = &f->said[mix(draw(s, rule, f->phase)) % f->said_count];
    answer->move = SMTP_SINK_REPLY;
    answer->status = said->status;
    answer->lines_before = said->lines_before;
}

/* True: that was it; false: it goes on with the next rule. */
static bool strike(const struct load_fault_session *s, size_t rule, struct smtp_sink_answer *answer)
{
    struct load_fault *f = s->faults->rules[rule];
    bool last = true;
    if (f->kind == LOAD_FAULT_SLOW_BANNER) {
        answer->delay_ms = f->number;
        last = false;
    } else if (f->kind == LOAD_FAULT_SLOW_READ) {
        answer->bytes_per_s = f->number;
        last = false;
    } else if (f->said_count) {
        say(s, rule, answer);
    } else if (f->kind == LOAD_FAULT_BLACKHOLE) {
        answer->move = SMTP_SINK_SILENCE;
    } else if (f->kind == LOAD_FAULT_REFUSE) {
        answer->move = SMTP_SINK_RESET;
    } else if (f->kind == LOAD_FAULT_CLOSE_AFTER_DOT) {
        answer->move = SMTP_SINK_TAKE_AND_CLOSE;
    } else {
        answer->move = SMTP_SINK_CLOSE;
    }
    atomic_fetch_add_explicit(&f->hits, 1, memory_order_relaxed);
    return last;
}

static void count_question(struct load_fault_session *s, const struct smtp_sink_question *question)
{
    if (question->phase == SMTP_SINK_CONNECT && s->faults->sources) {
        s->source = source_table_enter(s->faults->sources, 0, &question->client->addr, UINT64_MAX);
    } else if (question->phase == SMTP_SINK_MAIL) {
        s->message++;
        s->rcpt = 0;
    } else if (question->phase == SMTP_SINK_RCPT) {
        s->rcpt++;
    }
}

void load_fault_decide(struct load_fault_session *s, const struct smtp_sink_question *question,
                       struct smtp_sink_answer *answer)
{
    bool decided = false;
    count_question(s, question);
    for (size_t i = 0; i < s->faults->count && !decided; i++)
        if (strikes(s, i, question))
            decided = strike(s, i, answer);
    if (question->phase == SMTP_SINK_DOT &&
        (answer->move == SMTP_SINK_GO_ON || answer->move == SMTP_SINK_TAKE_AND_CLOSE))
        s->taken++;
}
