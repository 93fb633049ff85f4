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

#define LOOPS_MAX      8 /* within each other */
#define LOOK_AHEAD_MAX 32

/* --- Statements --- */

/* Connectors that a variable stands for; one that no command here makes stays a name until it is
 * used. */
static void assign_pipeline(struct shell *s, struct exchange_variable *v)
{
    struct exchange_command stages[EXCHANGE_STAGES_MAX];
    struct arena *arena = &s->im->arena;
    bool get = strncasecmp(s->t->text, "get-", 4) == 0, ours = exchange_is_ours(s->t);
    exchange_texts_add(arena, &v->value.values,
                       arena_printf(arena, "$%s (%s)", v->name, s->t->text));
    v->value.is_expression = true;
    size_t count = exchange_take_pipeline(s, stages);
    if (!count || (get && !ours))
        return;
    const char *identity = stages[0].identity;
    if (get && count == 1 && identity && !strpbrk(identity, "*?") &&
        !exchange_object_find(s->im, ~0u, identity)) {
        v->value.values.items[0] = identity;
        v->value.is_expression = false;
        return;
    }
    exchange_apply(s->im, stages, count, &v->items);
}

/* $ranges = "10.0.0.1", "10.0.0.2"; $rc.RemoteIPRanges += "10.0.0.3": the latter is an Add where it
 * is used. $mycred = Get-Credential stays unknown, and is said to be where it is used. */
static void take_assignment(struct shell *s)
{
    struct exchange_variable v = {.name = s->t->text};
    bool append = exchange_is_mark(s->t + 1, "+=");
    v.value = (struct exchange_argument){.name = v.name, .where = exchange_here(s)};
    s->t += 2;
    if (exchange_is_cmdlet(s->t)) {
        assign_pipeline(s, &v);
    } else {
        exchange_take_values(s, &v.value);
        if (!exchange_at_end(s, false)) {
            v.value.is_expression = true;
            exchange_skip_statement(s);
        }
    }
    const struct exchange_variable *before = exchange_variable_find(s->im->shell, v.name);
    if (append) {
        struct exchange_argument sum =
            before ? before->value : (struct exchange_argument){.name = v.name};
        struct exchange_texts *to;
        sum.where = v.value.where;
        sum.is_expression = sum.is_expression || v.value.is_expression;
        sum.is_edit = sum.is_edit || !before;
        to = sum.is_edit ? &sum.add : &sum.values;
        for (size_t i = 0; i < v.value.values.count; i++)
            exchange_texts_add(&s->im->arena, to, v.value.values.items[i]);
        v.value = sum;
    }
    exchange_variable_set(s->im, &v);
}

/* The table that a command printed in a transcript: a line of dashes under its heads. */
static bool skip_printed_table(struct shell *s)
{
    const struct exchange_token *t = s->t + 1;
    while (t->type == EXCHANGE_TOKEN_WORD && !t->first && t - s->t < LOOK_AHEAD_MAX)
        t++;
    if (t->type != EXCHANGE_TOKEN_WORD || !t->first || strspn(t->text, "-") != strlen(t->text) ||
        strlen(t->text) < 2)
        return false;
    do {
        t++;
    } while (t->type != EXCHANGE_TOKEN_END && !t->apart && !exchange_starts_statement(t));
    s->t = t;
    return true;
}

/* foreach ($c in ...) { ... } */
static void take_foreach(struct shell *s)
{
    const char *where = exchange_here(s);
    const struct exchange_token *open = ++s->t;
    exchange_skip_brackets(s);
    const struct exchange_token *close = s->t - 1, *variable = open + 1, *script;
    if (!exchange_is_mark(close, ")") || close - open < 4 ||
        variable->type != EXCHANGE_TOKEN_VARIABLE || strchr(variable->text, '.') ||
        !exchange_same(variable[1].text, "in")) {
        exchange_fault(s->im, where, "foreach: ($variable in ...) { commands } is wanted");
        s->t = open;
        exchange_skip_statement(s);
        return;
    }
    struct shell source = {.im = s->im, .t = exchange_tokens_copy(s->im, open + 3, close)};
    struct exchange_targets targets = {0};
    struct exchange_command stages[EXCHANGE_STAGES_MAX];
    script = exchange_take_script(s, "foreach", false);
    size_t faults = s->im->fault_count;
    if (exchange_is_cmdlet(source.t)) {
        size_t count = exchange_take_pipeline(&source, stages);
        if (count)
            exchange_apply(s->im, stages, count, &targets);
    } else {
        targets = *exchange_take_input(&source);
    }
    if (source.t->type != EXCHANGE_TOKEN_END && faults == s->im->fault_count)
        exchange_fault(s->im, where, "foreach: \"%s\" is not understood", source.t->text);
    for (size_t i = 0; script && i < targets.count && faults == s->im->fault_count; i++)
        exchange_shell_run(s->im, script, variable->text, &targets.items[i]);
}

/* A pipeline out of values. */
static bool at_input(const struct shell *s)
{
    struct shell ahead = *s;
    struct exchange_argument a = {0};
    bool value = s->t->type == EXCHANGE_TOKEN_VARIABLE || s->t->type == EXCHANGE_TOKEN_STRING ||
                 exchange_at_mark(s, "(") || exchange_at_mark(s, "@(");
    if (value)
        exchange_take_values(&ahead, &a);
    return value && exchange_at_mark(&ahead, "|");
}

static void take_statement(struct shell *s)
{
    struct exchange_command stages[EXCHANGE_STAGES_MAX];
    if (exchange_at_mark(s, ";") || (s->t->type == EXCHANGE_TOKEN_WORD && skip_printed_table(s))) {
        s->t += exchange_at_mark(s, ";");
    } else if (exchange_is_cmdlet(s->t) || at_input(s)) {
        size_t count = exchange_take_pipeline(s, stages);
        if (count)
            exchange_apply(s->im, stages, count, NULL);
    } else if (s->t->type == EXCHANGE_TOKEN_VARIABLE && exchange_starts_statement(s->t)) {
        take_assignment(s);
    } else if (exchange_starts_statement(s->t)) {
        take_foreach(s);
    } else {
        exchange_fault(s->im, exchange_here(s),
                       "\"%s\" begins no command: one like New-ReceiveConnector is wanted; make "
                       "other text a # comment",
                       exchange_printable(&s->im->arena, s->t->text));
        exchange_skip_statement(s);
    }
}

/* What $_ was before an inner loop, or what it is outside of any. */
static void restore(struct exchange_import *im, const char *variable,
                    const struct exchange_variable *before)
{
    struct exchange_variable unknown = {.name = variable, .value.is_expression = true};
    exchange_texts_add(&im->arena, &unknown.value.values,
                       arena_printf(&im->arena, "$%s", variable));
    exchange_variable_set(im, before ? before : &unknown);
}

void exchange_shell_run(struct exchange_import *im, const struct exchange_token *script,
                        const char *variable, const struct exchange_item *item)
{
    struct exchange_variable v = {.name = variable};
    struct shell s = {.im = im, .t = script};
    size_t tokens = 1;
    while (script[tokens - 1].type != EXCHANGE_TOKEN_END)
        tokens++;
    v.value.where = exchange_here(&s);
    if (im->shell->nesting == LOOPS_MAX) {
        exchange_fault(im, v.value.where, "more than %d loops within each other", LOOPS_MAX);
        return;
    }
    if (!exchange_step(im, tokens, v.value.where))
        return;
    size_t faults = im->fault_count;
    const struct exchange_variable *found = exchange_variable_find(im->shell, variable);
    struct exchange_variable before = found ? *found : v;
    exchange_targets_add(im, &v.items, *item);
    exchange_variable_set(im, &v);
    im->shell->nesting++;
    while (s.t->type != EXCHANGE_TOKEN_END && faults == im->fault_count)
        take_statement(&s);
    im->shell->nesting--;
    restore(im, variable, found ? &before : NULL);
    if (faults != im->fault_count)
        exchange_note(im, NULL, v.value.where, "the loop was left at this fault, with %s",
                      exchange_item_shown(im, item));
}

void exchange_shell_read(struct exchange_import *im, struct bytes text)
{
    struct shell s = {.im = im};
    im->shell = ARENA_NEW(&im->arena, struct exchange_shell);
    s.t = exchange_lex(im, text);
    if (s.t->type == EXCHANGE_TOKEN_END)
        exchange_fault(im, exchange_where(im, 1), "there is no command in it");
    while (s.t->type != EXCHANGE_TOKEN_END)
        take_statement(&s);
}
