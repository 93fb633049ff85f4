/* Values of the Exchange shell: words, strings with variables in them, lists, edits of lists.
 *
 *   values := value { "," value }
 *   value  := WORD | STRING | VARIABLE | "(" sum ")" | "@(" sum ")" | edit
 *   sum    := values { "+" values }          of lists only
 *   edit   := "@{" ( "Add" | "Remove" ) "=" values { ";" ... } "}"
 */
#include "config/exchange/exchange_shell_private.h"

#include <stdio.h>

#define NESTING_MAX 16

/* --- Tokens --- */

bool exchange_is_mark(const struct exchange_token *t, const char *mark)
{
    return t->type == EXCHANGE_TOKEN_MARK && strcmp(t->text, mark) == 0;
}

bool exchange_at_mark(const struct shell *s, const char *mark)
{
    return exchange_is_mark(s->t, mark);
}

const char *exchange_here(const struct shell *s)
{
    return exchange_where(s->im, s->t->line);
}

static bool at_letters(const char *text, const char *end)
{
    bool any = false;
    for (; text < end; text++, any = true) {
        char c = bytes_lower(*text);
        if (c < 'a' || c > 'z')
            return false;
    }
    return any;
}

bool exchange_is_cmdlet(const struct exchange_token *t)
{
    static const char *const verbs[] = {
        "new",    "set",   "get",   "add",   "remove",  "enable", "disable", "restart",  "start",
        "stop",   "test",  "enter", "write", "connect", "import", "export",  "update",   "out",
        "format", "where", "sort",  "read",  "foreach", "select", "measure", "convertto"};
    const char *dash = strchr(t->text, '-');
    if (t->type != EXCHANGE_TOKEN_WORD || !dash || !at_letters(dash + 1, t->text + strlen(t->text)))
        return false;
    struct bytes verb = bytes_make(t->text, (size_t)(dash - t->text));
    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        if (bytes_equal_nocase(verb, bytes_of(verbs[i])))
            return true;
    return false;
}

#define FAULTS_MAX 1000 /* each of which has read to the end of the text */

static unsigned depth_after(const struct exchange_token *t, unsigned depth)
{
    if (t->type != EXCHANGE_TOKEN_MARK)
        return depth;
    if (strchr("({", t->text[strlen(t->text) - 1]))
        return depth + 1;
    return depth && strchr(")}", t->text[0]) ? depth - 1 : depth;
}

void exchange_skip_brackets(struct shell *s)
{
    const struct exchange_token *open = s->t;
    unsigned depth = 0;
    do {
        if (s->t->type == EXCHANGE_TOKEN_END)
            break;
        depth = depth_after(s->t++, depth);
    } while (depth);
    if (!depth)
        return;
    exchange_fault(s->im, exchange_where(s->im, open->line), "the bracket %s is never closed",
                   open->text);
    if (s->im->fault_count < FAULTS_MAX)
        s->t = open + 1; /* what is behind it may be sound */
}

const struct exchange_token *exchange_tokens_copy(struct exchange_import *im,
                                                  const struct exchange_token *from,
                                                  const struct exchange_token *to)
{
    size_t count = (size_t)(to - from);
    struct exchange_token *copy = ARENA_NEW_ARRAY(&im->arena, struct exchange_token, count + 1);
    if (count)
        memcpy(copy, from, count * sizeof *copy);
    copy[count] = (struct exchange_token){
        .type = EXCHANGE_TOKEN_END, .text = "", .line = to->line, .first = true, .apart = true};
    return copy;
}

/* --- Variables --- */

/* $PSItem is $_. */
static const char *plain_name(struct exchange_import *im, const char *name)
{
    struct bytes text = bytes_of(name);
    if (!bytes_starts_nocase(text, BYTES("psitem")) || (name[6] && name[6] != '.'))
        return name;
    return arena_printf(&im->arena, "_%s", name + 6);
}

const struct exchange_variable *exchange_variable_find(const struct exchange_shell *shell,
                                                       const char *name)
{
    for (size_t i = 0; shell && i < shell->variable_count; i++)
        if (strcmp(shell->variables[i].name, name) == 0)
            return &shell->variables[i];
    return NULL;
}

static bool is_part_of(const char *name, const char *whole)
{
    size_t len = strlen(whole);
    return strncmp(name, whole, len) == 0 && (name[len] == '\0' || name[len] == '.');
}

void exchange_variable_set(struct exchange_import *im, const struct exchange_variable *value)
{
    struct exchange_shell *shell = im->shell;
    size_t kept = 0;
    for (size_t i = 0; i < shell->variable_count; i++)
        if (!is_part_of(shell->variables[i].name, value->name))
            shell->variables[kept++] = shell->variables[i];
    shell->variable_count = kept;
    if (kept < EXCHANGE_VARIABLES_MAX)
        shell->variables[shell->variable_count++] = *value;
    else
        exchange_fault(im, value->value.where, "$%s: more than %d variables", value->name,
                       EXCHANGE_VARIABLES_MAX);
}

static void add_all(struct exchange_import *im, struct exchange_texts *to,
                    const struct exchange_texts *from)
{
    for (size_t i = 0; i < from->count; i++)
        exchange_texts_add(&im->arena, to, from->items[i]);
}

/* PROPERTY of all that VARIABLE holds. */
static bool take_items(struct exchange_import *im, const struct exchange_variable *variable,
                       const char *property, struct exchange_argument *out)
{
    for (size_t i = 0; variable && i < variable->items.count; i++)
        if (!exchange_item_texts(im, &variable->items.items[i], property, &out->values))
            return false;
    return variable && variable->items.count;
}

static void take_value_of(struct exchange_import *im, const struct exchange_variable *variable,
                          struct exchange_argument *out)
{
    add_all(im, &out->values, &variable->value.values);
    add_all(im, &out->add, &variable->value.add);
    add_all(im, &out->remove, &variable->value.remove);
    out->is_edit = out->is_edit || variable->value.is_edit;
    out->is_expression = out->is_expression || variable->value.is_expression;
}

/* NAME without its dollar. */
static void take_named(struct exchange_import *im, const char *name, struct exchange_argument *out)
{
    name = plain_name(im, name);
    const struct exchange_variable *variable = exchange_variable_find(im->shell, name);
    const char *dot = strchr(name, '.');
    if (strcmp(name, "true") == 0 || strcmp(name, "false") == 0) {
        exchange_texts_add(&im->arena, &out->values, name);
    } else if (strcmp(name, "null") == 0) {
        return;
    } else if (variable && variable->items.count == 0) {
        take_value_of(im, variable, out);
    } else {
        struct bytes base = bytes_make(name, dot ? (size_t)(dot - name) : strlen(name));
        const char *whole = arena_bytes(&im->arena, base).ptr;
        if (take_items(im, exchange_variable_find(im->shell, whole), dot ? dot + 1 : "", out))
            return;
        exchange_texts_add(&im->arena, &out->values, arena_printf(&im->arena, "$%s", name));
        out->is_expression = true;
    }
}

/* --- Variables in texts --- */

static bool is_name_octet(char c)
{
    c = bytes_lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

/* TEXT begins with a dollar: "$name", "${name}", "$($name.property)". NULL: none of them; else its
 * end, and NAME. */
static const char *take_reference(struct exchange_import *im, const char *text, const char **name)
{
    const char *from = text + 1, *end;
    char close = *from == '{' ? '}' : *from == '(' ? ')' : '\0';
    from += close != '\0';
    from += close == ')' && *from == EXCHANGE_EXPAND;
    if (close == ')' && *from++ != '$')
        return NULL;
    for (end = from; is_name_octet(*end) || (close == ')' && *end == '.' && end > from); end++)
        ;
    if (end == from || (close && *end != close))
        return NULL;
    char *copy = arena_printf(&im->arena, "%.*s", (int)(end - from), from);
    for (char *c = copy; *c; c++)
        *c = bytes_lower(*c);
    *name = copy;
    return end + (close != '\0');
}

static const char *joined(struct exchange_import *im, const struct exchange_texts *texts)
{
    const char *text = "";
    for (size_t i = 0; i < texts->count; i++)
        text = arena_printf(&im->arena, "%s%s%s", text, i ? " " : "", texts->items[i]);
    return text;
}

const char *exchange_expanded(struct exchange_import *im, const char *text,
                              struct exchange_argument *out)
{
    const char *at, *name, *end;
    const char *done = "";
    while ((at = strchr(text, EXCHANGE_EXPAND))) {
        struct exchange_argument value = {0};
        end = at[1] == '$' ? take_reference(im, at + 1, &name) : NULL;
        if (end) {
            take_named(im, name, &value);
            out->is_expression = out->is_expression || value.is_expression || value.is_edit;
        } else {
            end = at + 1;
            out->is_expression = out->is_expression || (end[0] == '$' && end[1] == '(');
        }
        done = arena_printf(&im->arena, "%s%.*s%s", done, (int)(at - text), text,
                            joined(im, &value.values));
        text = end;
    }
    return *done ? arena_printf(&im->arena, "%s%s", done, text) : text;
}

/* --- Values --- */

static void take_bracket_as_text(struct shell *s, const struct exchange_token *open,
                                 struct exchange_argument *out)
{
    s->t = open;
    exchange_skip_brackets(s);
    exchange_texts_add(&s->im->arena, &out->values,
                       arena_printf(&s->im->arena, "(%s ...)", open[1].text));
    out->is_expression = true;
}

static bool at_member(const struct exchange_token *t)
{
    return t->type == EXCHANGE_TOKEN_WORD && t->text[0] == '.' && t->text[1];
}

/* (Get-ReceiveConnector Relay).RemoteIPRanges */
static bool take_query(struct shell *s, struct exchange_argument *out)
{
    const struct exchange_token *open = s->t;
    struct exchange_command stages[EXCHANGE_STAGES_MAX];
    struct exchange_targets items = {0};
    if (!exchange_is_ours(open + 1) || strncasecmp(open[1].text, "get-", 4) != 0)
        return false;
    exchange_skip_brackets(s);
    if (!exchange_is_mark(s->t - 1, ")")) {
        out->is_expression = true;
        return true;
    }
    struct shell source = {s->im, exchange_tokens_copy(s->im, open + 1, s->t - 1), s->nesting + 1};
    size_t count = exchange_take_pipeline(&source, stages);
    if (count)
        exchange_apply(s->im, stages, count, &items);
    const char *property = at_member(s->t) ? s->t->text + 1 : "";
    s->t += *property != '\0';
    for (size_t i = 0; i < items.count; i++)
        if (!exchange_item_texts(s->im, &items.items[i], property, &out->values))
            out->is_expression = true;
    if (items.count == 0 || source.t->type != EXCHANGE_TOKEN_END)
        out->is_expression = true;
    return true;
}

/* Of texts it would be one text, of numbers a number: only where the left side is a list for sure.
 */
static bool at_list_sum(const struct shell *s, const struct exchange_token *first)
{
    bool list = exchange_is_mark(first, "@(") || at_member(s->t - 1) ||
                (first->type == EXCHANGE_TOKEN_VARIABLE && strchr(first->text, '.'));
    return list && s->t->type == EXCHANGE_TOKEN_WORD && strcmp(s->t->text, "+") == 0;
}

static void take_brackets(struct shell *s, struct exchange_argument *out)
{
    if (s->nesting < NESTING_MAX && take_query(s, out))
        return;
    const struct exchange_token *open = s->t++, *first = s->t;
    bool plain = s->nesting < NESTING_MAX && !exchange_is_cmdlet(s->t);
    if (plain && !exchange_at_mark(s, ")")) {
        s->nesting++;
        exchange_take_values(s, out);
        while (at_list_sum(s, first)) {
            s->t++;
            exchange_take_values(s, out);
        }
        s->nesting--;
    }
    if (plain && exchange_at_mark(s, ")")) {
        s->t++;
        return;
    }
    take_bracket_as_text(s, open, out);
}

static bool take_edit_part(struct shell *s, struct exchange_argument *out)
{
    bool add = exchange_same(s->t->text, "Add");
    struct exchange_argument part = {0};
    if ((!add && !exchange_same(s->t->text, "Remove")) || !exchange_is_mark(s->t + 1, "="))
        return false;
    s->t += 2;
    exchange_take_values(s, &part);
    add_all(s->im, add ? &out->add : &out->remove, &part.values);
    out->is_expression = out->is_expression || part.is_expression || part.is_edit;
    while (exchange_at_mark(s, ";"))
        s->t++;
    return true;
}

static void take_edit(struct shell *s, struct exchange_argument *out)
{
    const struct exchange_token *open = s->t++;
    out->is_edit = true;
    while (!exchange_at_mark(s, "}") && take_edit_part(s, out))
        ;
    if (exchange_at_mark(s, "}")) {
        s->t++;
        return;
    }
    s->t = open;
    exchange_skip_brackets(s);
    out->is_expression = true;
}

bool exchange_at_value(const struct shell *s)
{
    return s->t->type == EXCHANGE_TOKEN_WORD || s->t->type == EXCHANGE_TOKEN_STRING ||
           s->t->type == EXCHANGE_TOKEN_VARIABLE || exchange_at_mark(s, "(") ||
           exchange_at_mark(s, "@(") || exchange_at_mark(s, "@{");
}

void exchange_take_values(struct shell *s, struct exchange_argument *out)
{
    while (exchange_at_value(s)) {
        if (exchange_at_mark(s, "@{")) {
            take_edit(s, out);
        } else if (s->t->type == EXCHANGE_TOKEN_MARK) {
            take_brackets(s, out);
        } else if (s->t->type == EXCHANGE_TOKEN_VARIABLE) {
            take_named(s->im, s->t->text, out);
            s->t++;
        } else {
            exchange_texts_add(&s->im->arena, &out->values,
                               exchange_expanded(s->im, s->t->text, out));
            s->t++;
        }
        if (!exchange_at_mark(s, ","))
            return;
        s->t++;
    }
}
