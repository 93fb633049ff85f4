/* The variables of a script: what they hold, and texts with variables in them. */
#include "config/exchange/exchange_variable_private.h"

/* $PSItem is $_. */
static const char *plain_name(struct exchange_importer *im, const char *name)
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

void exchange_variable_set(struct exchange_importer *im, const struct exchange_variable *value)
{
    struct exchange_shell *shell = im->shell;
    size_t kept = 0;
    ASSERT(shell);
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

/* PROPERTY of all that VARIABLE holds. */
static bool take_items(struct exchange_importer *im, const struct exchange_variable *variable,
                       const char *property, struct exchange_argument *out)
{
    for (size_t i = 0; variable && i < variable->items.count; i++)
        if (!exchange_item_texts(im, &variable->items.items[i], property, &out->values))
            return false;
    return variable && variable->items.count;
}

static void take_value_of(struct exchange_importer *im, const struct exchange_variable *variable,
                          struct exchange_argument *out)
{
    exchange_texts_append(&im->arena, &out->values, &variable->value.values);
    exchange_texts_append(&im->arena, &out->add, &variable->value.add);
    exchange_texts_append(&im->arena, &out->remove, &variable->value.remove);
    out->is_edit = out->is_edit || variable->value.is_edit;
    out->is_expression = out->is_expression || variable->value.is_expression;
}

void exchange_variable_take(struct exchange_importer *im, const char *name,
                            struct exchange_argument *out)
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
static const char *take_reference(struct exchange_importer *im, const char *text, const char **name)
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

const char *exchange_variable_expand(struct exchange_importer *im, const char *text,
                                     struct exchange_argument *out)
{
    const char *at, *name, *end;
    const char *done = "";
    while ((at = strchr(text, EXCHANGE_EXPAND))) {
        struct exchange_argument value = {0};
        end = at[1] == '$' ? take_reference(im, at + 1, &name) : NULL;
        if (end) {
            exchange_variable_take(im, name, &value);
            out->is_expression = out->is_expression || value.is_expression || value.is_edit;
        } else {
            end = at + 1;
            out->is_expression = out->is_expression || (end[0] == '$' && end[1] == '(');
        }
        done = arena_printf(&im->arena, "%s%.*s%s", done, (int)(at - text), text,
                            exchange_texts_joined(&im->arena, &value.values, " "));
        text = end;
    }
    return *done ? arena_printf(&im->arena, "%s%s", done, text) : text;
}
