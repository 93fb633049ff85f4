/* The condition of a Where-Object.
 *
 *   condition := WORD [ comparison ] | any             Name -like "Relay*"
 *   any       := term { ( "-and" | "-or" | "-xor" ) term }    all three bind alike
 *   term      := ( "-not" | "!" ) term | "(" any ")" | values [ comparison ]
 *   comparison := operator values
 *
 * A list holds a comparison if one of its members does. Of patterns there are those of -like (* and
 * ?), and of -match what says the same: literal text, . .* ^ $ \. and |.
 */
#include "config/exchange/exchange_filter_private.h"

#include "config/conf.h"
#include "config/exchange/exchange_pattern_private.h"
#include "config/exchange/exchange_shell_value_private.h"

#define NESTING_MAX 32

struct filter {
    struct exchange_cursor cur;
    const struct exchange_item *item; /* NULL: only the form counts */
    unsigned depth;
    bool failed;
};

enum operation {
    OPERATION_EQUAL,
    OPERATION_GREATER,
    OPERATION_LESS,
    OPERATION_LIKE,
    OPERATION_MATCH,
    OPERATION_CONTAINS,
    OPERATION_IN
};

struct comparison {
    const char *name;
    enum operation operation;
    bool negated;
};

static const struct comparison COMPARISONS[] = {
    {"gt", OPERATION_GREATER, false},
    {"le", OPERATION_GREATER, true},
    {"lt", OPERATION_LESS, false},
    {"ge", OPERATION_LESS, true},
    {"eq", OPERATION_EQUAL, false},
    {"ne", OPERATION_EQUAL, true},
    {"like", OPERATION_LIKE, false},
    {"notlike", OPERATION_LIKE, true},
    {"match", OPERATION_MATCH, false},
    {"notmatch", OPERATION_MATCH, true},
    {"contains", OPERATION_CONTAINS, false},
    {"notcontains", OPERATION_CONTAINS, true},
    {"in", OPERATION_IN, false},
    {"notin", OPERATION_IN, true},
};

#define WRITE_INSTEAD "write one command for each connector, with its name"

static bool fail(struct filter *f, const char *what)
{
    if (!f->failed)
        exchange_fault(f->cur.im, exchange_cursor_where(&f->cur),
                       "%s \"%s%s\" in the condition of a filter is not understood; compare with "
                       "-eq, -ne, -like or a plain -match, or " WRITE_INSTEAD,
                       what, f->cur.t->type == EXCHANGE_TOKEN_PARAMETER ? "-" : "",
                       f->cur.t->type == EXCHANGE_TOKEN_END
                           ? "}"
                           : exchange_printable(&f->cur.im->arena, f->cur.t->text));
    f->failed = true;
    return false;
}

/* -ieq is -eq; -ceq minds the case. */
static const struct comparison *find_comparison(const char *name, bool *exact)
{
    *exact = false;
    for (size_t i = 0; i < ARRAY_SIZE(COMPARISONS); i++)
        if (exchange_same(COMPARISONS[i].name, name))
            return &COMPARISONS[i];
    *exact = bytes_lower(name[0]) == 'c';
    for (size_t i = 0; (*exact || bytes_lower(name[0]) == 'i') && i < ARRAY_SIZE(COMPARISONS); i++)
        if (exchange_same(COMPARISONS[i].name, name + 1))
            return &COMPARISONS[i];
    return NULL;
}

/* --- Comparing --- */

/* "EX1\Relay" and "Relay" may be the same connector: the server is not always said. */
static const char *without_server(const char *text, const char *other)
{
    const char *slash = strrchr(text, '\\');
    return slash && !strchr(other, '\\') ? slash + 1 : text;
}

static bool same_size(const char *a, const char *b)
{
    uint64_t octets[2];
    return conf_parse_size(bytes_of(a), &octets[0]) == ERR_OK &&
           conf_parse_size(bytes_of(b), &octets[1]) == ERR_OK && octets[0] == octets[1];
}

static bool texts_equal(const char *a, const char *b, bool exact)
{
    const char *left = without_server(a, b), *right = without_server(b, a);
    return (exact ? strcmp(left, right) == 0 : exchange_same(left, right)) || same_size(a, b);
}

static bool any_equal(const struct exchange_texts *list, const char *text, bool exact, bool wanted)
{
    for (size_t i = 0; i < list->count; i++)
        if (texts_equal(list->items[i], text, exact) == wanted)
            return true;
    return false;
}

/* Nothing ($null) and an empty text are the same to a configuration. */
static bool is_nothing(const struct exchange_texts *t)
{
    return t->count == 0 || (t->count == 1 && !*t->items[0]);
}

static bool equal_holds(const struct exchange_texts *left, const struct exchange_texts *right,
                        bool exact, bool negated)
{
    if (is_nothing(left) || is_nothing(right))
        return (is_nothing(left) && is_nothing(right)) != negated;
    return any_equal(left, right->items[0], exact, !negated);
}

static bool patterns_hold(const struct exchange_texts *patterns, const struct exchange_texts *texts,
                          bool exact, bool wanted)
{
    if (texts->count == 0) {
        for (size_t i = 0; i < patterns->count; i++)
            if (exchange_pattern_holds(patterns->items[i], "", exact))
                return wanted;
        return !wanted;
    }
    for (size_t i = 0; i < texts->count; i++) {
        bool holds = false;
        for (size_t j = 0; j < patterns->count; j++)
            holds |= exchange_pattern_holds(without_server(patterns->items[j], texts->items[i]),
                                            texts->items[i], exact);
        if (holds == wanted)
            return true;
    }
    return false;
}

/* False, and *SIMPLE too: the pattern is none that can be told here. */
static bool pattern_compare(struct exchange_importer *im, enum operation operation,
                            const struct exchange_texts *left, const struct exchange_texts *right,
                            bool exact, bool negated, bool *simple)
{
    struct exchange_texts one = {0};
    const char *text = right->count ? right->items[0] : "";
    const struct exchange_texts *patterns = &one;
    if (operation == OPERATION_LIKE)
        exchange_texts_add(&im->arena, &one, exchange_pattern_like(&im->arena, text));
    else
        patterns = exchange_pattern_match(&im->arena, text);
    *simple = patterns && patterns->items[0];
    return *simple && patterns_hold(patterns, left, exact, !negated);
}

/* Of sizes and counts. False, and *SIMPLE too: one of them is neither. */
static bool order_compare(const struct comparison *o, const struct exchange_texts *left,
                          const struct exchange_texts *right, bool *simple)
{
    uint64_t a, b;
    *simple = right->count == 1 && conf_parse_size(bytes_of(right->items[0]), &b) == ERR_OK;
    for (size_t i = 0; i < left->count && *simple; i++) {
        *simple = conf_parse_size(bytes_of(left->items[i]), &a) == ERR_OK;
        if (*simple && (o->operation == OPERATION_GREATER ? a > b : a < b) != o->negated)
            return true;
    }
    return false;
}

static bool compare(struct filter *f, const struct comparison *o, bool exact,
                    const struct exchange_texts *left, const struct exchange_texts *right)
{
    bool simple = true, holds = false;
    switch (o->operation) {
    case OPERATION_EQUAL:
        holds = equal_holds(left, right, exact, o->negated);
        break;
    case OPERATION_CONTAINS:
        holds = (right->count && any_equal(left, right->items[0], exact, true)) != o->negated;
        break;
    case OPERATION_IN:
        holds = (left->count && any_equal(right, left->items[0], exact, true)) != o->negated;
        break;
    case OPERATION_GREATER:
    case OPERATION_LESS:
        holds = f->item && order_compare(o, left, right, &simple);
        break;
    default:
        holds = pattern_compare(f->cur.im, o->operation, left, right, exact, o->negated, &simple);
    }
    if (!simple) {
        f->cur.t--; /* it was the last of the values */
        return fail(f, o->operation == OPERATION_LIKE || o->operation == OPERATION_MATCH
                           ? "the pattern"
                           : "the number");
    }
    return holds;
}

/* --- Reading --- */

static bool take_any(struct filter *f);

/* $true is true, $false and nothing are not; of a text whether there is one. */
static bool is_truth(const struct exchange_texts *t)
{
    return t->count > 1 || (t->count == 1 && *t->items[0] && !exchange_same(t->items[0], "false"));
}

static bool take_comparison(struct filter *f, const struct exchange_texts *left)
{
    bool exact;
    const struct comparison *o =
        f->cur.t->type == EXCHANGE_TOKEN_PARAMETER ? find_comparison(f->cur.t->text, &exact) : NULL;
    struct exchange_argument right = {0};
    if (!o)
        return is_truth(left);
    f->cur.t++;
    f->cur.t +=
        f->cur.t->type == EXCHANGE_TOKEN_PARAMETER && exchange_same(f->cur.t->text, "Value");
    if (!exchange_cursor_at_value(&f->cur))
        return fail(f, "a value is wanted:");
    const struct exchange_token *at = f->cur.t;
    exchange_cursor_take_values(&f->cur, &right);
    if (f->item && (right.is_expression || right.is_edit)) {
        f->cur.t = at;
        return fail(f, "the value");
    }
    return compare(f, o, exact, left, &right.values);
}

static void not_known(struct filter *f, const char *property, const char *where)
{
    if (!f->failed)
        exchange_fault(f->cur.im, where, "%s of %s: what it is, is not known here: " WRITE_INSTEAD,
                       exchange_printable(&f->cur.im->arena, property),
                       exchange_item_shown(f->cur.im, f->item));
    f->failed = true;
}

static bool take_operand(struct filter *f)
{
    struct exchange_argument left = {0};
    const char *name = f->cur.t->text, *where = exchange_cursor_where(&f->cur);
    if (!exchange_cursor_at_value(&f->cur))
        return fail(f, "the part");
    exchange_cursor_take_values(&f->cur, &left);
    if (f->item && (left.is_expression || left.is_edit)) {
        not_known(f, arena_printf(&f->cur.im->arena, "$%s", name), where);
        return false;
    }
    return take_comparison(f, &left.values);
}

static bool take_term(struct filter *f)
{
    bool holds;
    if (f->failed || f->depth == NESTING_MAX)
        return fail(f, "the part");
    f->depth++;
    if (exchange_cursor_at_mark(&f->cur, "!") ||
        (f->cur.t->type == EXCHANGE_TOKEN_WORD && strcmp(f->cur.t->text, "!") == 0) ||
        (f->cur.t->type == EXCHANGE_TOKEN_PARAMETER && exchange_same(f->cur.t->text, "not"))) {
        f->cur.t++;
        holds = !take_term(f);
    } else if (exchange_cursor_at_mark(&f->cur, "(")) {
        f->cur.t++;
        holds = take_any(f);
        if (!exchange_cursor_at_mark(&f->cur, ")"))
            holds = fail(f, "before a ) is missing:");
        else
            f->cur.t++;
    } else {
        holds = take_operand(f);
    }
    f->depth--;
    return holds && !f->failed;
}

static bool take_any(struct filter *f)
{
    bool holds = take_term(f);
    while (!f->failed && f->cur.t->type == EXCHANGE_TOKEN_PARAMETER) {
        const char *joint = f->cur.t->text;
        bool both = exchange_same(joint, "and"), either = exchange_same(joint, "xor");
        if (!both && !either && !exchange_same(joint, "or"))
            break;
        f->cur.t++;
        bool next = take_term(f);
        holds = both ? holds && next : either ? holds != next : holds || next;
    }
    return holds;
}

/* Name -eq "Relay": the property's bare name, and no more than one comparison. */
static bool take_bare(struct filter *f)
{
    struct exchange_texts left = {0};
    const char *property = f->cur.t->text, *where = exchange_cursor_where(&f->cur);
    f->cur.t++;
    if (f->item && !exchange_item_texts(f->cur.im, f->item, property, &left)) {
        not_known(f, property, where);
        return false;
    }
    return take_comparison(f, &left);
}

static bool take_condition(struct filter *f)
{
    if (f->cur.t->type == EXCHANGE_TOKEN_PARAMETER && exchange_same(f->cur.t->text, "Property"))
        f->cur.t++;
    bool bare = f->cur.t->type == EXCHANGE_TOKEN_WORD && strcmp(f->cur.t->text, "!") != 0;
    bool holds = bare ? take_bare(f) : take_any(f);
    if (!f->failed && f->cur.t->type != EXCHANGE_TOKEN_END)
        return fail(f, "the part");
    return holds && !f->failed;
}

bool exchange_filter_holds(struct exchange_importer *im, const struct exchange_token *script,
                           const struct exchange_item *item)
{
    struct filter f = {.cur = {.im = im, .t = script}, .item = item};
    struct exchange_variable v = {.name = "_", .value.where = exchange_cursor_where(&f.cur)};
    const struct exchange_variable *found = exchange_variable_find(im->shell, "_");
    struct exchange_variable before = found ? *found : v;
    if (item)
        exchange_targets_add(im, &v.items, *item);
    exchange_variable_set(im, &v);
    bool holds = take_condition(&f);
    before.value.is_expression = before.value.is_expression || !found;
    exchange_variable_set(im, &before);
    return holds;
}
