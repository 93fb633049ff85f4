/* Commands and pipelines of the Exchange shell, read into struct exchange_command. */
#include "config/exchange/exchange_shell_private.h"

#define LOOK_AHEAD_MAX 32

bool exchange_starts_statement(const struct exchange_token *t)
{
    return exchange_is_cmdlet(t) ||
           (t->type == EXCHANGE_TOKEN_WORD && exchange_same(t->text, "foreach") &&
            exchange_is_mark(t + 1, "(")) ||
           (t->type == EXCHANGE_TOKEN_VARIABLE &&
            (exchange_is_mark(t + 1, "=") || exchange_is_mark(t + 1, "+=") ||
             (t->first && exchange_is_mark(t + 1, "|"))));
}

/* A line of words before a | or a parameter can only be the rest of the command above it. */
static bool goes_on(const struct exchange_token *t)
{
    for (size_t i = 0; i < LOOK_AHEAD_MAX && (i == 0 || !t->first); i++, t++) {
        if (t->type == EXCHANGE_TOKEN_PARAMETER || exchange_is_mark(t, "|"))
            return true;
        if (t->type != EXCHANGE_TOKEN_WORD && t->type != EXCHANGE_TOKEN_STRING)
            return false;
    }
    return false;
}

/* WANTING: what came before cannot be all. */
bool exchange_at_end(const struct shell *s, bool wanting)
{
    const struct exchange_token *t = s->t;
    if (t->type == EXCHANGE_TOKEN_END || exchange_is_mark(t, ";"))
        return true;
    if (!t->first || t->type == EXCHANGE_TOKEN_PARAMETER || exchange_is_mark(t, "|") ||
        exchange_is_mark(t, ","))
        return false;
    return exchange_starts_statement(t) || t->apart || !(wanting || goes_on(t));
}

/* The rest of the line: what is behind it may be sound. */
void exchange_skip_statement(struct shell *s)
{
    do {
        s->t += s->t->type != EXCHANGE_TOKEN_END;
    } while (s->t->type != EXCHANGE_TOKEN_END && !s->t->first);
}

/* --- Commands --- */

static void add_argument(struct shell *s, struct exchange_command *c,
                         const struct exchange_argument *argument)
{
    if (c->count == c->capacity) {
        size_t capacity = c->capacity ? 2 * c->capacity : 16;
        struct exchange_argument *larger =
            ARENA_NEW_ARRAY(&s->im->arena, struct exchange_argument, capacity);
        if (c->count)
            memcpy(larger, c->arguments, c->count * sizeof *larger);
        c->arguments = larger;
        c->capacity = capacity;
    }
    c->arguments[c->count++] = *argument;
}

#define NAME_MAX_OCTETS 256

/* A name of several words without quotes: what follows belongs to it. */
static void join_words(struct shell *s, struct exchange_argument *out, const char **text)
{
    while (!exchange_at_end(s, false) && strlen(*text) < NAME_MAX_OCTETS &&
           (s->t->type == EXCHANGE_TOKEN_WORD || s->t->type == EXCHANGE_TOKEN_STRING)) {
        *text =
            arena_printf(&s->im->arena, "%s %s", *text, exchange_expanded(s->im, s->t->text, out));
        s->t++;
    }
}

static bool is_name(const char *parameter)
{
    return exchange_same(parameter, "Name") || exchange_same(parameter, "Identity") ||
           exchange_same(parameter, "Comment") || exchange_same(parameter, "User");
}

static void take_argument(struct shell *s, struct exchange_command *c)
{
    struct exchange_argument a = {.name = s->t->text, .where = exchange_here(s)};
    s->t++;
    bool glued = exchange_at_mark(s, ":");
    s->t += glued;
    if (!glued && exchange_is_switch(c->name, a.name)) {
        a.is_switch = true;
    } else if (!exchange_at_end(s, true) && exchange_at_value(s)) {
        exchange_take_values(s, &a);
        if (a.values.count == 1 && !a.is_edit && is_name(a.name))
            join_words(s, &a, &a.values.items[0]);
    } else {
        a.is_switch = true;
    }
    add_argument(s, c, &a);
}

static void take_positional(struct shell *s, struct exchange_command *c)
{
    struct exchange_argument a = {.where = exchange_here(s)};
    exchange_take_values(s, &a);
    const char *first = a.values.count ? a.values.items[0] : "";
    const char *text = a.values.count && !a.is_expression ? first : NULL;
    if (a.is_expression) {
        exchange_fault(s->im, a.where, "%s in %s: its value is not known here: write it out",
                       exchange_printable(&s->im->arena, first), c->name);
        return;
    }
    if (!text || a.values.count > 1 || c->identity) {
        exchange_fault(s->im, a.where, "\"%s\" in %s: a parameter (-Name value) is wanted here",
                       exchange_printable(&s->im->arena, first), c->name);
        return;
    }
    join_words(s, &a, &text);
    c->identity = text;
}

/* Where ANYTHING: a command that is no concern of ours may have arguments of any kind. */
static void take_arguments(struct shell *s, struct exchange_command *c, bool anything)
{
    bool names = true;
    while (!exchange_at_end(s, names && !c->identity && c->count == 0 &&
                                   strncasecmp(c->name, "get-", 4) == 0) &&
           !exchange_at_mark(s, "|")) {
        names = false;
        if (s->t->type == EXCHANGE_TOKEN_PARAMETER) {
            take_argument(s, c);
        } else if (anything && s->t->type == EXCHANGE_TOKEN_MARK) {
            const struct exchange_token *before = s->t;
            exchange_skip_brackets(s);
            s->t += s->t == before;
        } else if (anything) {
            s->t++;
        } else if (exchange_at_value(s)) {
            take_positional(s, c);
        } else {
            exchange_fault(s->im, exchange_here(s), "\"%s\" in %s is not understood", s->t->text,
                           c->name);
            s->t++;
        }
    }
}

/* A block in braces, or the condition of a filter without them. NULL after a fault. */
const struct exchange_token *exchange_take_script(struct shell *s, const char *name, bool bare)
{
    const struct exchange_token *from = s->t;
    bool block = exchange_at_mark(s, "{");
    if (block)
        exchange_skip_brackets(s);
    else
        while (bare && !exchange_at_end(s, false) && !exchange_at_mark(s, "|"))
            s->t++;
    const struct exchange_token *to = s->t;
    if (block && exchange_is_mark(to - 1, "}") && to - from > 2)
        return exchange_tokens_copy(s->im, from + 1, to - 1);
    if (!block && to > from)
        return exchange_tokens_copy(s->im, from, to);
    s->t = from;
    exchange_skip_statement(s);
    exchange_fault(s->im, exchange_where(s->im, from->line), "%s: { and } around %s are wanted",
                   name, bare ? "a condition" : "commands");
    return NULL;
}

/* Of a filter or loop; whatever stands behind the block would be dropped. */
static void take_script_argument(struct shell *s, struct exchange_command *c, bool filter)
{
    if (s->t->type == EXCHANGE_TOKEN_PARAMETER && exchange_is_mark(s->t + 1, "{") &&
        bytes_starts_nocase(bytes_of(filter ? "FilterScript" : "Process"), bytes_of(s->t->text)))
        s->t++;
    c->script = exchange_take_script(s, c->name, filter);
    if (c->script && !exchange_at_end(s, false) && !exchange_at_mark(s, "|")) {
        exchange_fault(s->im, exchange_here(s), "\"%s\" behind the block of %s is not understood",
                       exchange_printable(&s->im->arena, s->t->text), c->name);
        c->script = NULL;
        while (!exchange_at_end(s, false) && !exchange_at_mark(s, "|"))
            s->t++;
    }
}

bool exchange_is_ours(const struct exchange_token *t)
{
    static const char *const nouns[] = {"ReceiveConnector", "SendConnector", "AcceptedDomain",
                                        "AddressRewriteEntry", "ADPermission"};
    const char *dash = exchange_is_cmdlet(t) ? strchr(t->text, '-') : NULL;
    for (size_t i = 0; dash && i < ARRAY_SIZE(nouns); i++)
        if (exchange_same(dash + 1, nouns[i]))
            return true;
    return false;
}

/* False: it could not be understood, and neither can the pipeline. */
static bool take_command(struct shell *s, struct exchange_command *c)
{
    bool ours = exchange_is_ours(s->t);
    *c = (struct exchange_command){.name = exchange_printable(&s->im->arena, s->t->text),
                                   .where = exchange_here(s)};
    s->t++;
    if (exchange_is_filter(c->name) || exchange_is_loop(c->name)) {
        take_script_argument(s, c, exchange_is_filter(c->name));
        return c->script != NULL;
    }
    take_arguments(s, c, !ours);
    return true;
}

/* "a", $ips | ...: what stands before the first |. */
struct exchange_targets *exchange_take_input(struct shell *s)
{
    struct exchange_targets *targets = ARENA_NEW(&s->im->arena, struct exchange_targets);
    const char *where = exchange_here(s);
    struct exchange_argument a = {.where = where};
    const struct exchange_variable *v = s->t->type == EXCHANGE_TOKEN_VARIABLE
                                            ? exchange_variable_find(s->im->shell, s->t->text)
                                            : NULL;
    if (v && v->items.count && !exchange_is_mark(s->t + 1, ",")) {
        s->t++;
        *targets = v->items;
        return targets;
    }
    exchange_take_values(s, &a);
    if (a.is_expression || a.is_edit)
        exchange_fault(s->im, where, "%s: its value is not known here: write it out",
                       exchange_printable(&s->im->arena, a.values.count ? a.values.items[0] : ""));
    for (size_t i = 0; i < a.values.count && !a.is_expression; i++)
        exchange_targets_add(s->im, targets, (struct exchange_item){.text = a.values.items[i]});
    return targets;
}

/* 0: there is nothing to play; why was told. */
size_t exchange_take_pipeline(struct shell *s, struct exchange_command stages[EXCHANGE_STAGES_MAX])
{
    size_t count = 0;
    bool sound = true;
    if (s->t->type != EXCHANGE_TOKEN_WORD) {
        size_t faults = s->im->fault_count;
        stages[count++] = (struct exchange_command){.name = "", .where = exchange_here(s)};
        stages[0].input = exchange_take_input(s);
        sound = faults == s->im->fault_count;
        s->t += exchange_at_mark(s, "|");
    }
    while (s->t->type == EXCHANGE_TOKEN_WORD || count > 0) {
        if (count == EXCHANGE_STAGES_MAX || s->t->type != EXCHANGE_TOKEN_WORD) {
            exchange_fault(s->im, exchange_here(s), "a command is wanted behind the |");
            if (s->t->type != EXCHANGE_TOKEN_END && !s->t->first)
                exchange_skip_statement(s);
            return sound ? count : 0;
        }
        sound = take_command(s, &stages[count++]) && sound;
        if (!exchange_at_mark(s, "|"))
            break;
        s->t++;
    }
    return sound ? count : 0;
}
