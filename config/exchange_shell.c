/* Commands of the Exchange shell.
 *
 *   statement := [ VARIABLE ( "=" | "+=" ) ] ( pipeline | values )
 *   pipeline  := command { "|" command }
 *   command   := WORD { values | PARAMETER [ ":" ] [ values ] }
 *   values    := value { "," value }
 *   value     := WORD | STRING | VARIABLE | "(" values ")" | "@(" values ")" | edit
 *   edit      := "@{" ( "Add" | "Remove" ) "=" values { ";" ... } "}"
 *
 * A statement ends with its line, unless the line cannot be complete: after | , or a parameter that
 * wants a value, or where the next line goes on with a parameter. So a command that a page has
 * broken into lines is still one.
 */
#include "config/exchange_private.h"

#include <stdio.h>

#define STAGES_MAX    16
#define VARIABLES_MAX 256
#define NESTING_MAX   16

struct variable {
    const char *name;
    struct exchange_argument value;
};

struct shell {
    struct exchange_import *im;
    const struct exchange_token *t;
    struct variable variables[VARIABLES_MAX];
    size_t variable_count;
    unsigned nesting;
};

static bool is_mark(const struct exchange_token *t, const char *mark)
{
    return t->type == EXCHANGE_TOKEN_MARK && strcmp(t->text, mark) == 0;
}

static bool at_mark(const struct shell *s, const char *mark)
{
    return is_mark(s->t, mark);
}

static const char *here(const struct shell *s)
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

/* Verb-Noun. */
static bool is_cmdlet(const struct exchange_token *t)
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

static bool starts_statement(const struct exchange_token *t)
{
    return is_cmdlet(t) ||
           (t->type == EXCHANGE_TOKEN_VARIABLE && (is_mark(t + 1, "=") || is_mark(t + 1, "+=")));
}

#define LOOK_AHEAD_MAX 32

/* A line of words before a | or a parameter can only be the rest of the command above it. */
static bool goes_on(const struct exchange_token *t)
{
    for (size_t i = 0; i < LOOK_AHEAD_MAX && (i == 0 || !t->first); i++, t++) {
        if (t->type == EXCHANGE_TOKEN_PARAMETER || is_mark(t, "|"))
            return true;
        if (t->type != EXCHANGE_TOKEN_WORD && t->type != EXCHANGE_TOKEN_STRING)
            return false;
    }
    return false;
}

/* WANTING: what came before cannot be all. */
static bool at_end(const struct shell *s, bool wanting)
{
    const struct exchange_token *t = s->t;
    if (t->type == EXCHANGE_TOKEN_END || is_mark(t, ";"))
        return true;
    if (!t->first || t->type == EXCHANGE_TOKEN_PARAMETER || is_mark(t, "|") || is_mark(t, ","))
        return false;
    return starts_statement(t) || t->apart || !(wanting || goes_on(t));
}

/* --- Values --- */

static const struct exchange_argument *find_variable(const struct shell *s, const char *name)
{
    for (size_t i = 0; i < s->variable_count; i++)
        if (strcmp(s->variables[i].name, name) == 0)
            return &s->variables[i].value;
    return NULL;
}

static void set_variable(struct shell *s, const char *name, const struct exchange_argument *value)
{
    for (size_t i = 0; i < s->variable_count; i++) {
        if (strcmp(s->variables[i].name, name) == 0) {
            s->variables[i].value = *value;
            return;
        }
    }
    if (s->variable_count < VARIABLES_MAX)
        s->variables[s->variable_count++] = (struct variable){name, *value};
    else
        exchange_fault(s->im, value->where, "$%s: more than %d variables", name, VARIABLES_MAX);
}

static void add_all(struct shell *s, struct exchange_texts *to, const struct exchange_texts *from)
{
    for (size_t i = 0; i < from->count; i++)
        exchange_texts_add(&s->im->arena, to, from->items[i]);
}

static void take_variable(struct shell *s, struct exchange_argument *out)
{
    const char *name = s->t->text;
    const struct exchange_argument *value = find_variable(s, name);
    s->t++;
    if (strcmp(name, "true") == 0 || strcmp(name, "false") == 0) {
        exchange_texts_add(&s->im->arena, &out->values, name);
    } else if (value) {
        add_all(s, &out->values, &value->values);
        add_all(s, &out->add, &value->add);
        add_all(s, &out->remove, &value->remove);
        out->is_edit = out->is_edit || value->is_edit;
        out->is_expression = out->is_expression || value->is_expression;
    } else if (strcmp(name, "null") != 0) {
        exchange_texts_add(&s->im->arena, &out->values, arena_printf(&s->im->arena, "$%s", name));
        out->is_expression = true;
    }
}

/* Past the bracket that closes the one at hand; what is inside cannot be evaluated. */
static void skip_brackets(struct shell *s)
{
    unsigned depth = 0;
    do {
        if (s->t->type == EXCHANGE_TOKEN_MARK && strchr("({", s->t->text[strlen(s->t->text) - 1]))
            depth++;
        else if ((at_mark(s, ")") || at_mark(s, "}")) && depth)
            depth--;
        if (s->t->type == EXCHANGE_TOKEN_END)
            return;
        s->t++;
    } while (depth);
}

static void take_values(struct shell *s, struct exchange_argument *out);

static void take_brackets(struct shell *s, struct exchange_argument *out)
{
    const struct exchange_token *open = s->t++;
    bool plain = s->nesting < NESTING_MAX && !is_cmdlet(s->t);
    if (plain && !at_mark(s, ")")) {
        s->nesting++;
        take_values(s, out);
        s->nesting--;
    }
    if (plain && at_mark(s, ")")) {
        s->t++;
        return;
    }
    s->t = open;
    skip_brackets(s);
    exchange_texts_add(&s->im->arena, &out->values,
                       arena_printf(&s->im->arena, "(%s ...)", open[1].text));
    out->is_expression = true;
}

static bool take_edit_part(struct shell *s, struct exchange_argument *out)
{
    bool add = exchange_same(s->t->text, "Add");
    struct exchange_argument part = {0};
    if ((!add && !exchange_same(s->t->text, "Remove")) || !is_mark(s->t + 1, "="))
        return false;
    s->t += 2;
    take_values(s, &part);
    add_all(s, add ? &out->add : &out->remove, &part.values);
    out->is_expression = out->is_expression || part.is_expression || part.is_edit;
    while (at_mark(s, ";"))
        s->t++;
    return true;
}

static void take_edit(struct shell *s, struct exchange_argument *out)
{
    const struct exchange_token *open = s->t++;
    out->is_edit = true;
    while (!at_mark(s, "}") && take_edit_part(s, out))
        ;
    if (at_mark(s, "}")) {
        s->t++;
        return;
    }
    s->t = open;
    skip_brackets(s);
    out->is_expression = true;
}

static bool at_value(const struct shell *s)
{
    return s->t->type == EXCHANGE_TOKEN_WORD || s->t->type == EXCHANGE_TOKEN_STRING ||
           s->t->type == EXCHANGE_TOKEN_VARIABLE || at_mark(s, "(") || at_mark(s, "@(") ||
           at_mark(s, "@{");
}

static void take_values(struct shell *s, struct exchange_argument *out)
{
    while (at_value(s)) {
        if (at_mark(s, "@{")) {
            take_edit(s, out);
        } else if (s->t->type == EXCHANGE_TOKEN_MARK) {
            take_brackets(s, out);
        } else if (s->t->type == EXCHANGE_TOKEN_VARIABLE) {
            take_variable(s, out);
        } else {
            exchange_texts_add(&s->im->arena, &out->values, s->t->text);
            s->t++;
        }
        if (!at_mark(s, ","))
            return;
        s->t++;
    }
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
static void join_words(struct shell *s, const char **text)
{
    while (!at_end(s, false) && strlen(*text) < NAME_MAX_OCTETS &&
           (s->t->type == EXCHANGE_TOKEN_WORD || s->t->type == EXCHANGE_TOKEN_STRING)) {
        *text = arena_printf(&s->im->arena, "%s %s", *text, s->t->text);
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
    struct exchange_argument a = {.name = s->t->text, .where = here(s)};
    s->t++;
    bool glued = at_mark(s, ":");
    s->t += glued;
    if (!glued && exchange_is_switch(c->name, a.name)) {
        a.is_switch = true;
    } else if (!at_end(s, true) && at_value(s)) {
        take_values(s, &a);
        if (a.values.count == 1 && !a.is_edit && is_name(a.name))
            join_words(s, &a.values.items[0]);
    } else {
        a.is_switch = true;
    }
    add_argument(s, c, &a);
}

static void take_positional(struct shell *s, struct exchange_command *c)
{
    struct exchange_argument a = {.where = here(s)};
    take_values(s, &a);
    const char *text = a.values.count && !a.is_expression ? a.values.items[0] : NULL;
    if (!text || a.values.count > 1 || c->identity) {
        exchange_fault(s->im, a.where, "\"%s\" in %s: a parameter (-Name value) is wanted here",
                       exchange_printable(&s->im->arena, a.values.count ? a.values.items[0] : ""),
                       c->name);
        return;
    }
    join_words(s, &text);
    c->identity = text;
}

/* Where ANYTHING: a command that is no concern of ours may have arguments of any kind. */
static void take_command(struct shell *s, struct exchange_command *c, bool anything)
{
    *c = (struct exchange_command){.name = exchange_printable(&s->im->arena, s->t->text),
                                   .where = here(s)};
    bool names = true;
    s->t++;
    while (!at_end(s, names && !c->identity && c->count == 0 &&
                          strncasecmp(c->name, "get-", 4) == 0) &&
           !at_mark(s, "|")) {
        names = false;
        if (s->t->type == EXCHANGE_TOKEN_PARAMETER) {
            take_argument(s, c);
        } else if (anything && s->t->type == EXCHANGE_TOKEN_MARK) {
            const struct exchange_token *before = s->t;
            skip_brackets(s);
            s->t += s->t == before;
        } else if (anything) {
            s->t++;
        } else if (at_value(s)) {
            take_positional(s, c);
        } else {
            exchange_fault(s->im, here(s), "\"%s\" in %s is not understood", s->t->text, c->name);
            s->t++;
        }
    }
}

static void skip_statement(struct shell *s)
{
    do {
        s->t++;
    } while (s->t->type != EXCHANGE_TOKEN_END && !s->t->first);
}

static bool is_ours(const struct exchange_token *t)
{
    static const char *const nouns[] = {"ReceiveConnector", "SendConnector", "AcceptedDomain",
                                        "ADPermission"};
    const char *dash = is_cmdlet(t) ? strchr(t->text, '-') : NULL;
    for (size_t i = 0; dash && i < ARRAY_SIZE(nouns); i++)
        if (exchange_same(dash + 1, nouns[i]))
            return true;
    return false;
}

static size_t take_pipeline(struct shell *s, struct exchange_command stages[STAGES_MAX])
{
    size_t count = 0;
    while (s->t->type == EXCHANGE_TOKEN_WORD || count > 0) {
        if (count == STAGES_MAX || s->t->type != EXCHANGE_TOKEN_WORD) {
            exchange_fault(s->im, here(s), "a command is wanted behind the |");
            if (s->t->type != EXCHANGE_TOKEN_END && !s->t->first)
                skip_statement(s);
            return count;
        }
        take_command(s, &stages[count], !is_ours(s->t));
        count++;
        if (!at_mark(s, "|"))
            break;
        s->t++;
    }
    return count;
}

/* --- Statements --- */

/* $ranges = "10.0.0.1", "10.0.0.2"; $rc.RemoteIPRanges += "10.0.0.3": the latter is an Add where it
 * is used. $mycred = Get-Credential stays unknown, and is said to be where it is used. */
static void take_assignment(struct shell *s)
{
    const char *name = s->t->text;
    struct exchange_argument value = {.name = name, .where = here(s)};
    bool append = is_mark(s->t + 1, "+=");
    s->t += 2;
    if (is_cmdlet(s->t)) {
        struct exchange_command stages[STAGES_MAX];
        exchange_texts_add(&s->im->arena, &value.values,
                           arena_printf(&s->im->arena, "$%s (%s)", name, s->t->text));
        value.is_expression = true;
        size_t count = take_pipeline(s, stages);
        if (count && strncasecmp(stages[0].name, "get-", 4) != 0)
            exchange_apply(s->im, stages, count);
    } else {
        take_values(s, &value);
        if (!at_end(s, false)) {
            value.is_expression = true;
            skip_statement(s);
        }
    }
    const struct exchange_argument *before = find_variable(s, name);
    if (append) {
        struct exchange_argument sum = before ? *before : (struct exchange_argument){.name = name};
        sum.where = value.where;
        sum.is_edit = sum.is_edit || !before;
        add_all(s, sum.is_edit ? &sum.add : &sum.values, &value.values);
        value = sum;
    }
    set_variable(s, name, &value);
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
    } while (t->type != EXCHANGE_TOKEN_END && !t->apart && !starts_statement(t));
    s->t = t;
    return true;
}

static void take_statement(struct shell *s)
{
    struct exchange_command stages[STAGES_MAX];
    if (at_mark(s, ";") || (s->t->type == EXCHANGE_TOKEN_WORD && skip_printed_table(s))) {
        s->t += at_mark(s, ";");
    } else if (s->t->type == EXCHANGE_TOKEN_VARIABLE && starts_statement(s->t)) {
        take_assignment(s);
    } else if (is_cmdlet(s->t)) {
        size_t count = take_pipeline(s, stages);
        exchange_apply(s->im, stages, count);
    } else {
        exchange_fault(s->im, here(s),
                       "\"%s\" begins no command: one like New-ReceiveConnector is wanted; make "
                       "other text a # comment",
                       exchange_printable(&s->im->arena, s->t->text));
        skip_statement(s);
    }
}

void exchange_shell_read(struct exchange_import *im, struct bytes text)
{
    struct shell *s = ARENA_NEW(&im->arena, struct shell);
    s->im = im;
    s->t = exchange_lex(im, text);
    if (s->t->type == EXCHANGE_TOKEN_END)
        exchange_fault(im, exchange_where(im, 1), "there is no command in it");
    while (s->t->type != EXCHANGE_TOKEN_END)
        take_statement(s);
}
