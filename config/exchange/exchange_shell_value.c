/* Values of the Exchange shell: words, strings with variables in them, lists, edits of lists.
 *
 *   values := value { "," value }
 *   value  := WORD | STRING | VARIABLE | "(" sum ")" | "@(" sum ")" | edit
 *   sum    := values { "+" values }          of lists only
 *   edit   := "@{" ( "Add" | "Remove" ) "=" values { ";" ... } "}"
 */
#include "config/exchange/exchange_shell_value_private.h"

#include <strings.h>

#define NESTING_MAX 16

static void take_bracket_as_text(struct exchange_cursor *cur, const struct exchange_token *open,
                                 struct exchange_argument *out)
{
    cur->t = open;
    exchange_cursor_skip_brackets(cur);
    exchange_texts_add(&cur->im->arena, &out->values,
                       arena_printf(&cur->im->arena, "(%s ...)", open[1].text));
    out->is_expression = true;
}

static bool at_member(const struct exchange_token *t)
{
    return t->type == EXCHANGE_TOKEN_WORD && t->text[0] == '.' && t->text[1];
}

/* (Get-ReceiveConnector Relay).RemoteIPRanges */
static bool take_query(struct exchange_cursor *cur, struct exchange_argument *out)
{
    const struct exchange_token *open = cur->t;
    struct exchange_targets items = {0};
    if (!exchange_token_is_ours(open + 1) || strncasecmp(open[1].text, "get-", 4) != 0)
        return false;
    exchange_cursor_skip_brackets(cur);
    if (!exchange_token_is_mark(cur->t - 1, ")")) {
        out->is_expression = true;
        return true;
    }
    struct exchange_cursor source = {cur->im, exchange_tokens_copy(cur->im, open + 1, cur->t - 1),
                                     cur->nesting + 1};
    cur->im->shell->query(&source, &items);
    const char *property = at_member(cur->t) ? cur->t->text + 1 : "";
    cur->t += *property != '\0';
    for (size_t i = 0; i < items.count; i++)
        if (!exchange_item_texts(cur->im, &items.items[i], property, &out->values))
            out->is_expression = true;
    if (items.count == 0 || source.t->type != EXCHANGE_TOKEN_END)
        out->is_expression = true;
    return true;
}

/* Of texts it would be one text, of numbers a number: only where the left side is a list for sure.
 */
static bool at_list_sum(const struct exchange_cursor *cur, const struct exchange_token *first)
{
    bool list = exchange_token_is_mark(first, "@(") || at_member(cur->t - 1) ||
                (first->type == EXCHANGE_TOKEN_VARIABLE && strchr(first->text, '.'));
    return list && cur->t->type == EXCHANGE_TOKEN_WORD && strcmp(cur->t->text, "+") == 0;
}

static void take_brackets(struct exchange_cursor *cur, struct exchange_argument *out)
{
    if (cur->nesting < NESTING_MAX && take_query(cur, out))
        return;
    const struct exchange_token *open = cur->t++, *first = cur->t;
    bool plain = cur->nesting < NESTING_MAX && !exchange_token_is_cmdlet(cur->t);
    if (plain && !exchange_cursor_at_mark(cur, ")")) {
        cur->nesting++;
        exchange_cursor_take_values(cur, out);
        while (at_list_sum(cur, first)) {
            cur->t++;
            exchange_cursor_take_values(cur, out);
        }
        cur->nesting--;
    }
    if (plain && exchange_cursor_at_mark(cur, ")")) {
        cur->t++;
        return;
    }
    take_bracket_as_text(cur, open, out);
}

static bool take_edit_part(struct exchange_cursor *cur, struct exchange_argument *out)
{
    bool add = exchange_same(cur->t->text, "Add");
    struct exchange_argument part = {0};
    if ((!add && !exchange_same(cur->t->text, "Remove")) ||
        !exchange_token_is_mark(cur->t + 1, "="))
        return false;
    cur->t += 2;
    exchange_cursor_take_values(cur, &part);
    exchange_texts_append(&cur->im->arena, add ? &out->add : &out->remove, &part.values);
    out->is_expression = out->is_expression || part.is_expression || part.is_edit;
    while (exchange_cursor_at_mark(cur, ";"))
        cur->t++;
    return true;
}

static void take_edit(struct exchange_cursor *cur, struct exchange_argument *out)
{
    const struct exchange_token *open = cur->t++;
    out->is_edit = true;
    while (!exchange_cursor_at_mark(cur, "}") && take_edit_part(cur, out))
        ;
    if (exchange_cursor_at_mark(cur, "}")) {
        cur->t++;
        return;
    }
    cur->t = open;
    exchange_cursor_skip_brackets(cur);
    out->is_expression = true;
}

void exchange_cursor_take_values(struct exchange_cursor *cur, struct exchange_argument *out)
{
    while (exchange_cursor_at_value(cur)) {
        if (exchange_cursor_at_mark(cur, "@{")) {
            take_edit(cur, out);
        } else if (cur->t->type == EXCHANGE_TOKEN_MARK) {
            take_brackets(cur, out);
        } else if (cur->t->type == EXCHANGE_TOKEN_VARIABLE) {
            exchange_variable_take(cur->im, cur->t->text, out);
            cur->t++;
        } else {
            exchange_texts_add(&cur->im->arena, &out->values,
                               exchange_variable_expand(cur->im, cur->t->text, out));
            cur->t++;
        }
        if (!exchange_cursor_at_mark(cur, ","))
            return;
        cur->t++;
    }
}

struct exchange_targets *exchange_cursor_take_input(struct exchange_cursor *cur)
{
    struct exchange_targets *targets = ARENA_NEW(&cur->im->arena, struct exchange_targets);
    const char *where = exchange_cursor_where(cur);
    struct exchange_argument a = {.where = where};
    const struct exchange_variable *v = cur->t->type == EXCHANGE_TOKEN_VARIABLE
                                            ? exchange_variable_find(cur->im->shell, cur->t->text)
                                            : NULL;
    if (v && v->items.count && !exchange_token_is_mark(cur->t + 1, ",")) {
        cur->t++;
        *targets = v->items;
        return targets;
    }
    exchange_cursor_take_values(cur, &a);
    if (a.is_expression || a.is_edit)
        exchange_fault(
            cur->im, where, "%s: its value is not known here: write it out",
            exchange_printable(&cur->im->arena, a.values.count ? a.values.items[0] : ""));
    for (size_t i = 0; i < a.values.count && !a.is_expression; i++)
        exchange_targets_add(cur->im, targets, (struct exchange_item){.text = a.values.items[i]});
    return targets;
}
