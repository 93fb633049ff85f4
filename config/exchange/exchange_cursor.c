/* Where a script is read: what stands at hand, and past what does not count. */
#include "config/exchange/exchange_cursor_private.h"

#include "config/exchange/exchange_text_private.h"

#define LOOK_AHEAD_MAX 32

bool exchange_token_is_mark(const struct exchange_token *t, const char *mark)
{
    return t->type == EXCHANGE_TOKEN_MARK && strcmp(t->text, mark) == 0;
}

size_t exchange_tokens_count(const struct exchange_token *script)
{
    size_t count = 1;
    while (script[count - 1].type != EXCHANGE_TOKEN_END)
        count++;
    return count;
}

bool exchange_cursor_at_mark(const struct exchange_cursor *cur, const char *mark)
{
    return exchange_token_is_mark(cur->t, mark);
}

const char *exchange_cursor_where(const struct exchange_cursor *cur)
{
    return exchange_where(cur->im, cur->t->line);
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

bool exchange_token_is_cmdlet(const struct exchange_token *t)
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

void exchange_cursor_skip_brackets(struct exchange_cursor *cur)
{
    const struct exchange_token *open = cur->t;
    unsigned depth = 0;
    do {
        if (cur->t->type == EXCHANGE_TOKEN_END)
            break;
        depth = depth_after(cur->t++, depth);
    } while (depth);
    if (!depth)
        return;
    exchange_fault(cur->im, exchange_where(cur->im, open->line), "the bracket %s is never closed",
                   open->text);
    if (cur->im->fault_count < FAULTS_MAX)
        cur->t = open + 1; /* what is behind it may be sound */
}

const struct exchange_token *exchange_tokens_copy(struct exchange_importer *im,
                                                  const struct exchange_token *from,
                                                  const struct exchange_token *to)
{
    ASSERT(from <= to);
    size_t count = (size_t)(to - from);
    struct exchange_token *copy = ARENA_NEW_ARRAY(&im->arena, struct exchange_token, count + 1);
    if (count)
        memcpy(copy, from, count * sizeof *copy);
    copy[count] = (struct exchange_token){
        .type = EXCHANGE_TOKEN_END, .text = "", .line = to->line, .first = true, .apart = true};
    return copy;
}

bool exchange_token_is_ours(const struct exchange_token *t)
{
    static const char *const nouns[] = {"ReceiveConnector", "SendConnector", "AcceptedDomain",
                                        "AddressRewriteEntry", "ADPermission"};
    const char *dash = exchange_token_is_cmdlet(t) ? strchr(t->text, '-') : NULL;
    for (size_t i = 0; dash && i < ARRAY_SIZE(nouns); i++)
        if (exchange_same(dash + 1, nouns[i]))
            return true;
    return false;
}

bool exchange_cursor_at_value(const struct exchange_cursor *cur)
{
    return cur->t->type == EXCHANGE_TOKEN_WORD || cur->t->type == EXCHANGE_TOKEN_STRING ||
           cur->t->type == EXCHANGE_TOKEN_VARIABLE || exchange_cursor_at_mark(cur, "(") ||
           exchange_cursor_at_mark(cur, "@(") || exchange_cursor_at_mark(cur, "@{");
}

bool exchange_token_starts_statement(const struct exchange_token *t)
{
    return exchange_token_is_cmdlet(t) ||
           (t->type == EXCHANGE_TOKEN_WORD && exchange_same(t->text, "foreach") &&
            exchange_token_is_mark(t + 1, "(")) ||
           (t->type == EXCHANGE_TOKEN_VARIABLE &&
            (exchange_token_is_mark(t + 1, "=") || exchange_token_is_mark(t + 1, "+=") ||
             (t->first && exchange_token_is_mark(t + 1, "|"))));
}

/* A line of words before a | or a parameter can only be the rest of the command above it. */
static bool goes_on(const struct exchange_token *t)
{
    for (size_t i = 0; i < LOOK_AHEAD_MAX && (i == 0 || !t->first); i++, t++) {
        if (t->type == EXCHANGE_TOKEN_PARAMETER || exchange_token_is_mark(t, "|"))
            return true;
        if (t->type != EXCHANGE_TOKEN_WORD && t->type != EXCHANGE_TOKEN_STRING)
            return false;
    }
    return false;
}

/* WANTING: what came before cannot be all. */
bool exchange_cursor_at_end(const struct exchange_cursor *cur, bool wanting)
{
    const struct exchange_token *t = cur->t;
    if (t->type == EXCHANGE_TOKEN_END || exchange_token_is_mark(t, ";"))
        return true;
    if (!t->first || t->type == EXCHANGE_TOKEN_PARAMETER || exchange_token_is_mark(t, "|") ||
        exchange_token_is_mark(t, ","))
        return false;
    return exchange_token_starts_statement(t) || t->apart || !(wanting || goes_on(t));
}

/* The rest of the line: what is behind it may be sound. */
void exchange_cursor_skip_statement(struct exchange_cursor *cur)
{
    do {
        cur->t += cur->t->type != EXCHANGE_TOKEN_END;
    } while (cur->t->type != EXCHANGE_TOKEN_END && !cur->t->first);
}
