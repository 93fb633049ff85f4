/* Commands of the Exchange shell.
 *
 *   statement := VARIABLE ( "=" | "+=" ) ( pipeline | values ) | pipeline
 *              | "foreach" "(" VARIABLE "in" ( pipeline | values ) ")" "{" { statement } "}"
 *   pipeline  := ( command | values ) { "|" ( command | filter | loop ) }
 *   command   := WORD { values | PARAMETER [ ":" ] [ values ] }
 *   filter    := ( "where" | "?" | ... ) ( "{" condition "}" | condition )     exchange_filter.c
 *   loop      := ( "foreach" | "%" | ... ) "{" { statement } "}"
 *
 * A statement ends with its line, unless the line cannot be complete: after | , or a parameter that
 * wants a value, or where the next line goes on with a parameter. So a command that a page has
 * broken into lines is still one.
 */
#include "config/exchange/exchange_shell_private.h"

#include <strings.h>

#include "config/exchange/exchange_pipeline_private.h"
#include "config/exchange/exchange_shell_command_private.h"
#include "config/exchange/exchange_shell_value_private.h"

#define LOOPS_MAX      8 /* within each other */
#define LOOK_AHEAD_MAX 32

/* OUT NULL: what comes out is not wanted. */
static void query(struct exchange_cursor *cur, struct exchange_targets *out)
{
    struct exchange_command stages[EXCHANGE_STAGES_MAX];
    size_t count = exchange_cursor_take_pipeline(cur, stages);
    if (count)
        exchange_pipeline_play(cur->im, stages, count, out);
}

static void run(struct exchange_importer *im, const struct exchange_token *script,
                const char *variable, const struct exchange_item *item);

/* --- Statements --- */

/* Connectors that a variable stands for; one that no command here makes stays a name until it is
 * used. */
static void assign_pipeline(struct exchange_cursor *cur, struct exchange_variable *v)
{
    struct exchange_command stages[EXCHANGE_STAGES_MAX];
    struct arena *arena = &cur->im->arena;
    bool get = strncasecmp(cur->t->text, "get-", 4) == 0, ours = exchange_token_is_ours(cur->t);
    exchange_texts_add(arena, &v->value.values,
                       arena_printf(arena, "$%s (%s)", v->name, cur->t->text));
    v->value.is_expression = true;
    size_t count = exchange_cursor_take_pipeline(cur, stages);
    if (!count || (get && !ours))
        return;
    const char *identity = stages[0].identity;
    if (get && count == 1 && identity && !strpbrk(identity, "*?") &&
        !exchange_object_find(cur->im, ~0u, identity)) {
        v->value.values.items[0] = identity;
        v->value.is_expression = false;
        return;
    }
    exchange_pipeline_play(cur->im, stages, count, &v->items);
}

/* $ranges = "10.0.0.1", "10.0.0.2"; $rc.RemoteIPRanges += "10.0.0.3": the latter is an Add where it
 * is used. $mycred = Get-Credential stays unknown, and is said to be where it is used. */
static void take_assignment(struct exchange_cursor *cur)
{
    struct exchange_variable v = {.name = cur->t->text};
    bool append = exchange_token_is_mark(cur->t + 1, "+=");
    v.value = (struct exchange_argument){.name = v.name, .where = exchange_cursor_where(cur)};
    cur->t += 2;
    if (exchange_token_is_cmdlet(cur->t)) {
        assign_pipeline(cur, &v);
    } else {
        exchange_cursor_take_values(cur, &v.value);
        if (!exchange_cursor_at_end(cur, false)) {
            v.value.is_expression = true;
            exchange_cursor_skip_statement(cur);
        }
    }
    const struct exchange_variable *before = exchange_variable_find(cur->im->shell, v.name);
    if (append) {
        struct exchange_argument sum =
            before ? before->value : (struct exchange_argument){.name = v.name};
        sum.where = v.value.where;
        sum.is_expression = sum.is_expression || v.value.is_expression;
        sum.is_edit = sum.is_edit || !before;
        exchange_texts_append(&cur->im->arena, sum.is_edit ? &sum.add : &sum.values,
                              &v.value.values);
        v.value = sum;
    }
    exchange_variable_set(cur->im, &v);
}

/* The table that a command printed in a transcript: a line of dashes under its heads. */
static bool skip_printed_table(struct exchange_cursor *cur)
{
    const struct exchange_token *t = cur->t + 1;
    while (t->type == EXCHANGE_TOKEN_WORD && !t->first && t - cur->t < LOOK_AHEAD_MAX)
        t++;
    if (t->type != EXCHANGE_TOKEN_WORD || !t->first || strspn(t->text, "-") != strlen(t->text) ||
        strlen(t->text) < 2)
        return false;
    do {
        t++;
    } while (t->type != EXCHANGE_TOKEN_END && !t->apart && !exchange_token_starts_statement(t));
    cur->t = t;
    return true;
}

/* foreach ($c in ...) { ... } */
static void take_foreach(struct exchange_cursor *cur)
{
    const char *where = exchange_cursor_where(cur);
    const struct exchange_token *open = ++cur->t;
    exchange_cursor_skip_brackets(cur);
    const struct exchange_token *close = cur->t - 1, *variable = open + 1, *script;
    if (!exchange_token_is_mark(close, ")") || close - open < 4 ||
        variable->type != EXCHANGE_TOKEN_VARIABLE || strchr(variable->text, '.') ||
        !exchange_same(variable[1].text, "in")) {
        exchange_fault(cur->im, where, "foreach: ($variable in ...) { commands } is wanted");
        cur->t = open;
        exchange_cursor_skip_statement(cur);
        return;
    }
    struct exchange_cursor source = {.im = cur->im,
                                     .t = exchange_tokens_copy(cur->im, open + 3, close)};
    struct exchange_targets targets = {0};
    script = exchange_cursor_take_script(cur, "foreach", false);
    size_t faults = cur->im->fault_count;
    if (exchange_token_is_cmdlet(source.t))
        query(&source, &targets);
    else
        targets = *exchange_cursor_take_input(&source);
    if (source.t->type != EXCHANGE_TOKEN_END && faults == cur->im->fault_count)
        exchange_fault(cur->im, where, "foreach: \"%s\" is not understood", source.t->text);
    for (size_t i = 0; script && i < targets.count && faults == cur->im->fault_count; i++)
        run(cur->im, script, variable->text, &targets.items[i]);
}

/* A pipeline out of values. */
static bool at_input(const struct exchange_cursor *cur)
{
    struct exchange_cursor ahead = *cur;
    struct exchange_argument a = {0};
    bool value = cur->t->type == EXCHANGE_TOKEN_VARIABLE || cur->t->type == EXCHANGE_TOKEN_STRING ||
                 exchange_cursor_at_mark(cur, "(") || exchange_cursor_at_mark(cur, "@(");
    if (value)
        exchange_cursor_take_values(&ahead, &a);
    return value && exchange_cursor_at_mark(&ahead, "|");
}

static void take_statement(struct exchange_cursor *cur)
{
    if (exchange_cursor_at_mark(cur, ";") ||
        (cur->t->type == EXCHANGE_TOKEN_WORD && skip_printed_table(cur))) {
        cur->t += exchange_cursor_at_mark(cur, ";");
    } else if (exchange_token_is_cmdlet(cur->t) || at_input(cur)) {
        query(cur, NULL);
    } else if (cur->t->type == EXCHANGE_TOKEN_VARIABLE && exchange_token_starts_statement(cur->t)) {
        take_assignment(cur);
    } else if (exchange_token_starts_statement(cur->t)) {
        take_foreach(cur);
    } else {
        exchange_fault(cur->im, exchange_cursor_where(cur),
                       "\"%s\" begins no command: one like New-ReceiveConnector is wanted; make "
                       "other text a # comment",
                       exchange_printable(&cur->im->arena, cur->t->text));
        exchange_cursor_skip_statement(cur);
    }
}

/* What $_ was before an inner loop, or what it is outside of any. */
static void restore(struct exchange_importer *im, const char *variable,
                    const struct exchange_variable *before)
{
    struct exchange_variable unknown = {.name = variable, .value.is_expression = true};
    exchange_texts_add(&im->arena, &unknown.value.values,
                       arena_printf(&im->arena, "$%s", variable));
    exchange_variable_set(im, before ? before : &unknown);
}

static void run(struct exchange_importer *im, const struct exchange_token *script,
                const char *variable, const struct exchange_item *item)
{
    struct exchange_variable v = {.name = variable};
    struct exchange_cursor cur = {.im = im, .t = script};
    v.value.where = exchange_cursor_where(&cur);
    if (im->shell->nesting == LOOPS_MAX) {
        exchange_fault(im, v.value.where, "more than %d loops within each other", LOOPS_MAX);
        return;
    }
    if (!exchange_step(im, exchange_tokens_count(script), v.value.where))
        return;
    size_t faults = im->fault_count;
    const struct exchange_variable *found = exchange_variable_find(im->shell, variable);
    struct exchange_variable before = found ? *found : v;
    exchange_targets_add(im, &v.items, *item);
    exchange_variable_set(im, &v);
    im->shell->nesting++;
    while (cur.t->type != EXCHANGE_TOKEN_END && faults == im->fault_count)
        take_statement(&cur);
    im->shell->nesting--;
    restore(im, variable, found ? &before : NULL);
    if (faults != im->fault_count)
        exchange_note(im, NULL, v.value.where, "the loop was left at this fault, with %s",
                      exchange_item_shown(im, item));
}

void exchange_shell_read(struct exchange_importer *im, struct bytes text)
{
    struct exchange_cursor cur = {.im = im};
    im->shell = ARENA_NEW(&im->arena, struct exchange_shell);
    im->shell->query = query;
    im->shell->run = run;
    cur.t = exchange_lex(im, text);
    if (cur.t->type == EXCHANGE_TOKEN_END)
        exchange_fault(im, exchange_where(im, 1), "there is no command in it");
    while (cur.t->type != EXCHANGE_TOKEN_END)
        take_statement(&cur);
}
