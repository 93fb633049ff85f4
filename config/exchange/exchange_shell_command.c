/* Commands and pipelines of the Exchange shell, read into struct exchange_command. */
#include "config/exchange/exchange_shell_command_private.h"

#include <strings.h>

#include "config/exchange/exchange_shell_value_private.h"
#include "core/vector.h"

/* --- Commands --- */

#define NAME_MAX_OCTETS 256

/* A name of several words without quotes: what follows belongs to it. */
static void join_words(struct exchange_cursor *cur, struct exchange_argument *out,
                       const char **text)
{
    while (!exchange_cursor_at_end(cur, false) && strlen(*text) < NAME_MAX_OCTETS &&
           (cur->t->type == EXCHANGE_TOKEN_WORD || cur->t->type == EXCHANGE_TOKEN_STRING)) {
        *text = arena_printf(&cur->im->arena, "%s %s", *text,
                             exchange_variable_expand(cur->im, cur->t->text, out));
        cur->t++;
    }
}

static bool is_name(const char *parameter)
{
    return exchange_same(parameter, "Name") || exchange_same(parameter, "Identity") ||
           exchange_same(parameter, "Comment") || exchange_same(parameter, "User");
}

static void take_argument(struct exchange_cursor *cur, struct exchange_command *c)
{
    struct exchange_argument a = {.name = cur->t->text, .where = exchange_cursor_where(cur)};
    cur->t++;
    bool glued = exchange_cursor_at_mark(cur, ":");
    cur->t += glued;
    if (!glued && exchange_is_switch(c->name, a.name)) {
        a.is_switch = true;
    } else if (!exchange_cursor_at_end(cur, true) && exchange_cursor_at_value(cur)) {
        exchange_cursor_take_values(cur, &a);
        if (a.values.count == 1 && !a.is_edit && is_name(a.name))
            join_words(cur, &a, &a.values.items[0]);
    } else {
        a.is_switch = true;
    }
    *VECTOR_ADD_IN(&cur->im->arena, c) = a;
}

static void take_positional(struct exchange_cursor *cur, struct exchange_command *c)
{
    struct exchange_argument a = {.where = exchange_cursor_where(cur)};
    exchange_cursor_take_values(cur, &a);
    const char *first = a.values.count ? a.values.items[0] : "";
    const char *text = a.values.count && !a.is_expression ? first : NULL;
    if (a.is_expression) {
        exchange_fault(cur->im, a.where, "%s in %s: its value is not known here: write it out",
                       exchange_printable(&cur->im->arena, first), c->name);
        return;
    }
    if (!text || a.values.count > 1 || c->identity) {
        exchange_fault(cur->im, a.where, "\"%s\" in %s: a parameter (-Name value) is wanted here",
                       exchange_printable(&cur->im->arena, first), c->name);
        return;
    }
    join_words(cur, &a, &text);
    c->identity = text;
}

/* Where ANYTHING: a command that is no concern of ours may have arguments of any kind. */
static void take_arguments(struct exchange_cursor *cur, struct exchange_command *c, bool anything)
{
    bool names = true;
    while (!exchange_cursor_at_end(cur, names && !c->identity && c->count == 0 &&
                                            strncasecmp(c->name, "get-", 4) == 0) &&
           !exchange_cursor_at_mark(cur, "|")) {
        names = false;
        if (cur->t->type == EXCHANGE_TOKEN_PARAMETER) {
            take_argument(cur, c);
        } else if (anything && cur->t->type == EXCHANGE_TOKEN_MARK) {
            const struct exchange_token *before = cur->t;
            exchange_cursor_skip_brackets(cur);
            cur->t += cur->t == before;
        } else if (anything) {
            cur->t++;
        } else if (exchange_cursor_at_value(cur)) {
            take_positional(cur, c);
        } else {
            exchange_fault(cur->im, exchange_cursor_where(cur), "\"%s\" in %s is not understood",
                           cur->t->text, c->name);
            cur->t++;
        }
    }
}

/* A block in braces, or the condition of a filter without them. NULL after a fault. */
const struct exchange_token *exchange_cursor_take_script(struct exchange_cursor *cur,
                                                         const char *name, bool bare)
{
    const struct exchange_token *from = cur->t;
    bool block = exchange_cursor_at_mark(cur, "{");
    if (block)
        exchange_cursor_skip_brackets(cur);
    else
        while (bare && !exchange_cursor_at_end(cur, false) && !exchange_cursor_at_mark(cur, "|"))
            cur->t++;
    const struct exchange_token *to = cur->t;
    if (block && exchange_token_is_mark(to - 1, "}") && to - from > 2)
        return exchange_tokens_copy(cur->im, from + 1, to - 1);
    if (!block && to > from)
        return exchange_tokens_copy(cur->im, from, to);
    cur->t = from;
    exchange_cursor_skip_statement(cur);
    exchange_fault(cur->im, exchange_where(cur->im, from->line), "%s: { and } around %s are wanted",
                   name, bare ? "a condition" : "commands");
    return NULL;
}

/* Of a filter or loop; what stands behind the block would be dropped. */
static void take_script_argument(struct exchange_cursor *cur, struct exchange_command *c,
                                 bool filter)
{
    if (cur->t->type == EXCHANGE_TOKEN_PARAMETER && exchange_token_is_mark(cur->t + 1, "{") &&
        bytes_starts_nocase(bytes_of(filter ? "FilterScript" : "Process"), bytes_of(cur->t->text)))
        cur->t++;
    c->script = exchange_cursor_take_script(cur, c->name, filter);
    if (c->script && !exchange_cursor_at_end(cur, false) && !exchange_cursor_at_mark(cur, "|")) {
        exchange_fault(cur->im, exchange_cursor_where(cur),
                       "\"%s\" behind the block of %s is not understood",
                       exchange_printable(&cur->im->arena, cur->t->text), c->name);
        c->script = NULL;
        while (!exchange_cursor_at_end(cur, false) && !exchange_cursor_at_mark(cur, "|"))
            cur->t++;
    }
}

/* False: it could not be understood, and neither can the pipeline. */
static bool take_command(struct exchange_cursor *cur, struct exchange_command *c)
{
    bool ours = exchange_token_is_ours(cur->t);
    *c = (struct exchange_command){.name = exchange_printable(&cur->im->arena, cur->t->text),
                                   .where = exchange_cursor_where(cur)};
    cur->t++;
    if (exchange_command_is_filter(c->name) || exchange_command_is_loop(c->name)) {
        take_script_argument(cur, c, exchange_command_is_filter(c->name));
        return c->script;
    }
    take_arguments(cur, c, !ours);
    return true;
}

/* 0: there is nothing to play; why was told. */
size_t exchange_cursor_take_pipeline(struct exchange_cursor *cur,
                                     struct exchange_command stages[EXCHANGE_STAGES_MAX])
{
    size_t count = 0;
    bool sound = true;
    if (cur->t->type != EXCHANGE_TOKEN_WORD) {
        size_t faults = cur->im->fault_count;
        stages[count++] =
            (struct exchange_command){.name = "", .where = exchange_cursor_where(cur)};
        stages[0].input = exchange_cursor_take_input(cur);
        sound = faults == cur->im->fault_count;
        cur->t += exchange_cursor_at_mark(cur, "|");
    }
    while (cur->t->type == EXCHANGE_TOKEN_WORD || count > 0) {
        if (count == EXCHANGE_STAGES_MAX || cur->t->type != EXCHANGE_TOKEN_WORD) {
            exchange_fault(cur->im, exchange_cursor_where(cur), "a command is wanted behind the |");
            if (cur->t->type != EXCHANGE_TOKEN_END && !cur->t->first)
                exchange_cursor_skip_statement(cur);
            return sound ? count : 0;
        }
        sound = take_command(cur, &stages[count++]) && sound;
        if (!exchange_cursor_at_mark(cur, "|"))
            break;
        cur->t++;
    }
    return sound ? count : 0;
}
