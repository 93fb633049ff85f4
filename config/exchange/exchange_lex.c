/* Words of the Exchange shell as people paste them: typographic quotes and dashes, prompts, lines
 * that a printer or a browser has broken.
 *
 * A word ends at a blank or at one of | , ; { } ( ) and, inside @{ } or after a variable, at =.
 * A quote inside a word stands for itself between letters (don't) and quotes elsewhere.
 */
#include "config/exchange/exchange_lex_private.h"

#include "core/vector.h"

struct lexer {
    struct exchange_importer *im;
    struct bytes text;
    size_t at;
    unsigned line;
    struct {
        struct exchange_token *items;
        size_t count, capacity;
    } tokens;
    unsigned depth; /* of @{ } */
    bool first, apart, continued;
    char *word; /* room for the longest possible */
    size_t len;
};

/* --- Characters --- */

enum glyph { GLYPH_PLAIN, GLYPH_SINGLE, GLYPH_DOUBLE, GLYPH_DASH };

/* What the character at AT is, and its length. */
static enum glyph glyph_at(const struct lexer *x, size_t at, size_t *len)
{
    static const struct {
        struct bytes text;
        enum glyph glyph;
    } glyphs[] = {
        {{"'", 1}, GLYPH_SINGLE},
        {{"\"", 1}, GLYPH_DOUBLE},
        {{"-", 1}, GLYPH_DASH},
        {{"\xE2\x80\x98", 3}, GLYPH_SINGLE},
        {{"\xE2\x80\x99", 3}, GLYPH_SINGLE},
        {{"\xE2\x80\x9A", 3}, GLYPH_SINGLE},
        {{"\xE2\x80\x9B", 3}, GLYPH_SINGLE},
        {{"\xE2\x80\xB2", 3}, GLYPH_SINGLE},
        {{"\xE2\x80\x9C", 3}, GLYPH_DOUBLE},
        {{"\xE2\x80\x9D", 3}, GLYPH_DOUBLE},
        {{"\xE2\x80\x9E", 3}, GLYPH_DOUBLE},
        {{"\xE2\x80\x9F", 3}, GLYPH_DOUBLE},
        {{"\xE2\x80\xB3", 3}, GLYPH_DOUBLE},
        {{"\xE2\x80\x90", 3}, GLYPH_DASH},
        {{"\xE2\x80\x91", 3}, GLYPH_DASH},
        {{"\xE2\x80\x92", 3}, GLYPH_DASH},
        {{"\xE2\x80\x93", 3}, GLYPH_DASH},
        {{"\xE2\x80\x94", 3}, GLYPH_DASH},
        {{"\xE2\x80\x95", 3}, GLYPH_DASH},
        {{"\xE2\x88\x92", 3}, GLYPH_DASH},
    };
    *len = at < x->text.len ? 1 : 0;
    for (size_t i = 0; i < ARRAY_SIZE(glyphs); i++) {
        struct bytes here = bytes_sub(x->text, at, glyphs[i].text.len);
        if (bytes_equal(here, glyphs[i].text)) {
            *len = here.len;
            return glyphs[i].glyph;
        }
    }
    return GLYPH_PLAIN;
}

static char char_at(const struct lexer *x, size_t at)
{
    return at < x->text.len ? x->text.ptr[at] : '\0';
}

static bool is_letter(char c)
{
    c = bytes_lower(c);
    return (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* $name, ${name} or $(...) at AT. */
static bool is_expansion(const struct lexer *x, size_t at)
{
    char next = char_at(x, at + 1);
    return char_at(x, at) == '$' && (is_letter(next) || (next && strchr("_({", next)));
}

static size_t skip_blanks(const struct lexer *x, size_t at)
{
    while (is_blank(char_at(x, at)))
        at++;
    return at;
}

/* --- Tokens --- */

static void add_token(struct lexer *x, enum exchange_token_type type, const char *text,
                      unsigned line)
{
    *VECTOR_ADD_IN(&x->im->arena, &x->tokens) = (struct exchange_token){
        .type = type,
        .text = text,
        .line = line,
        .first = x->first && !x->continued,
        .apart = x->apart,
    };
    x->first = x->apart = x->continued = false;
}

static const char *take_word(struct lexer *x)
{
    ASSERT(x->len <= 2 * x->text.len);
    const char *text = arena_bytes(&x->im->arena, bytes_make(x->word, x->len)).ptr;
    x->len = 0;
    return text;
}

static void keep(struct lexer *x, size_t len)
{
    for (size_t i = 0; i < len; i++)
        x->word[x->len++] = x->text.ptr[x->at++];
}

/* The quoted text at AT into the word. A line break in it came from the printer: it is a blank, or
 * nothing behind a hyphen or backslash. False: it is never closed. */
static bool take_quoted(struct lexer *x, enum glyph quote)
{
    size_t len;
    (void)glyph_at(x, x->at, &len);
    x->at += len;
    while (x->at < x->text.len) {
        char c = char_at(x, x->at);
        enum glyph glyph = glyph_at(x, x->at, &len);
        if (glyph == quote) {
            size_t next;
            x->at += len;
            if (glyph_at(x, x->at, &next) != quote || next != len)
                return true;
            keep(x, next); /* doubled: itself */
        } else if (c == '`' && quote == GLYPH_DOUBLE && x->at + 1 < x->text.len) {
            x->at++;
            c = char_at(x, x->at);
            if (c == '\n')
                x->line++;
            x->word[x->len++] = c == '\n' || c == 'n' || c == 't' || c == 'r' ? ' ' : c;
            x->at++;
        } else if (c == '\n') {
            char before = x->len ? x->word[x->len - 1] : ' ';
            x->line++;
            x->at = skip_blanks(x, x->at + 1);
            if (before != '-' && before != '\\' && !is_blank(before))
                x->word[x->len++] = ' ';
        } else {
            if (quote == GLYPH_DOUBLE && is_expansion(x, x->at))
                x->word[x->len++] = EXCHANGE_EXPAND;
            keep(x, len);
        }
    }
    return false;
}

/* After the fault the line is read without its quote. */
static bool quoted_or_back(struct lexer *x, enum glyph quote)
{
    size_t at = x->at, word = x->len, len;
    unsigned line = x->line;
    if (take_quoted(x, quote))
        return true;
    exchange_fault(x->im, exchange_where(x->im, line),
                   "the quotation mark is never closed: close it, or double it where it is part of "
                   "a name");
    (void)glyph_at(x, at, &len);
    x->at = at + len;
    x->len = word;
    x->line = line;
    return false;
}

/* A hyphen ends no line: the rest of its word is on the next. */
static bool broken_at_hyphen(const struct lexer *x, size_t after)
{
    size_t end = skip_blanks(x, after);
    return char_at(x, end) == '\n' && is_letter(char_at(x, skip_blanks(x, end + 1)));
}

static bool ends_word(const struct lexer *x, bool at_equals)
{
    char c = char_at(x, x->at), next = char_at(x, x->at + 1);
    char before = x->len ? x->word[x->len - 1] : '\0';
    if (c == '(' && is_digit(before) && is_digit(next))
        return false; /* 10.2.0.0(255.255.0.0) */
    if (c == ')' && is_digit(before) && memchr(x->word, '(', x->len))
        return false;
    if (c == ';' && is_digit(next) && x->len)
        return false; /* *;10 */
    return c == '\0' || c == '\n' || is_blank(c) || strchr("|,;{}()", c) || (c == '=' && at_equals);
}

/* A bare word, or what is left of it, with all that it quotes. */
static void take_bare(struct lexer *x, bool at_equals)
{
    while (x->at < x->text.len && !ends_word(x, at_equals)) {
        size_t len, next;
        enum glyph glyph = glyph_at(x, x->at, &len);
        char before = x->len ? x->word[x->len - 1] : ' ';
        (void)glyph_at(x, x->at + len, &next);
        if (glyph == GLYPH_DASH) {
            x->word[x->len++] = '-';
            x->at += len;
            if (broken_at_hyphen(x, x->at)) {
                x->at = skip_blanks(x, skip_blanks(x, x->at) + 1);
                x->line++;
            }
        } else if (glyph == GLYPH_DOUBLE ||
                   (glyph == GLYPH_SINGLE &&
                    !(is_letter(before) && is_letter(char_at(x, x->at + len))))) {
            (void)quoted_or_back(x, glyph);
        } else if (char_at(x, x->at) == '`') {
            if (char_at(x, skip_blanks(x, x->at + 1)) == '\n' || x->at + 1 >= x->text.len)
                return;
            x->at++;
            keep(x, 1);
        } else {
            if (is_expansion(x, x->at))
                x->word[x->len++] = EXCHANGE_EXPAND;
            keep(x, len);
        }
    }
}

/* --- Lines --- */

/* "[PS] C:\>" and "PS C:\>" begin a command, ">>" goes on with one. */
static void skip_prompt(struct lexer *x)
{
    size_t at = skip_blanks(x, x->at);
    struct bytes rest = bytes_from(x->text, at);
    size_t end = bytes_find(rest, '>', 0), line = bytes_find(rest, '\n', 0);
    if (bytes_starts_nocase(rest, BYTES(">>"))) {
        x->at = at + 2;
        x->continued = true;
    } else if ((bytes_starts_nocase(rest, BYTES("[PS]")) ||
                bytes_starts_nocase(rest, BYTES("PS "))) &&
               end != BYTES_NOT_FOUND && (line == BYTES_NOT_FOUND || end < line)) {
        x->at = at + end + 1;
        x->apart = true;
    }
}

static void new_line(struct lexer *x)
{
    size_t at = skip_blanks(x, x->at + 1);
    x->at++;
    x->line++;
    x->first = true;
    if (char_at(x, at) == '\n' || at >= x->text.len) {
        x->apart = true;
        x->continued = false;
    }
    skip_prompt(x);
}

static void skip_block_comment(struct lexer *x)
{
    unsigned line = x->line;
    for (x->at += 2; x->at < x->text.len; x->at++) {
        if (char_at(x, x->at) == '#' && char_at(x, x->at + 1) == '>') {
            x->at += 2;
            return;
        }
        if (char_at(x, x->at) == '\n')
            x->line++;
    }
    exchange_fault(x->im, exchange_where(x->im, line), "the comment <# is never closed by #>");
}

/* --- One token --- */

static bool take_mark(struct lexer *x)
{
    static const char *const marks[] = {"@{", "@(", "+=", "|", ",", ";", "(", ")", "{", "}", "="};
    struct bytes rest = bytes_from(x->text, x->at);
    if (bytes_starts_nocase(rest, BYTES("$("))) { /* a bracket like any other */
        add_token(x, EXCHANGE_TOKEN_MARK, "(", x->line);
        x->at += 2;
        return true;
    }
    if (bytes_starts_nocase(rest, BYTES("!$")) || bytes_starts_nocase(rest, BYTES("!("))) {
        add_token(x, EXCHANGE_TOKEN_MARK, "!", x->line);
        x->at++;
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
        if (!bytes_starts_nocase(rest, bytes_of(marks[i])))
            continue;
        if (marks[i][strlen(marks[i]) - 1] == '{')
            x->depth++;
        else if (marks[i][0] == '}' && x->depth)
            x->depth--;
        add_token(x, EXCHANGE_TOKEN_MARK, marks[i], x->line);
        x->at += strlen(marks[i]);
        return true;
    }
    return false;
}

static void take_parameter(struct lexer *x, size_t dash)
{
    unsigned line = x->line;
    x->at += dash;
    while (is_letter(char_at(x, x->at)) || is_digit(char_at(x, x->at)) || char_at(x, x->at) == '_')
        keep(x, 1);
    add_token(x, EXCHANGE_TOKEN_PARAMETER, take_word(x), line);
    if (char_at(x, x->at) == ':') {
        x->at++;
        add_token(x, EXCHANGE_TOKEN_MARK, ":", line);
    }
}

static void take_variable(struct lexer *x)
{
    unsigned line = x->line;
    char c;
    x->at++;
    while (is_letter(c = char_at(x, x->at)) || is_digit(c) || (c && strchr("_.:", c))) {
        x->word[x->len++] = bytes_lower(c);
        x->at++;
    }
    add_token(x, EXCHANGE_TOKEN_VARIABLE, take_word(x), line);
}

static void take_token(struct lexer *x)
{
    unsigned line = x->line;
    size_t len, dash;
    enum glyph glyph = glyph_at(x, x->at, &len);
    dash = glyph == GLYPH_DASH ? len : 0;
    if (dash && broken_at_hyphen(x, x->at + dash)) {
        dash = skip_blanks(x, skip_blanks(x, x->at + dash) + 1) - x->at;
        x->line++;
    }
    if (dash && is_letter(char_at(x, x->at + dash))) {
        take_parameter(x, dash);
    } else if (char_at(x, x->at) == '$' &&
               (is_letter(char_at(x, x->at + 1)) || char_at(x, x->at + 1) == '_')) {
        take_variable(x);
    } else if (glyph == GLYPH_SINGLE || glyph == GLYPH_DOUBLE) {
        if (!quoted_or_back(x, glyph))
            return;
        take_bare(x, x->depth > 0);
        add_token(x, EXCHANGE_TOKEN_STRING, take_word(x), line);
    } else if (!take_mark(x)) {
        take_bare(x, x->depth > 0);
        if (x->len == 0 && x->at < x->text.len) /* a quote that was given back, a lone sign */
            x->at++;
        else
            add_token(x, EXCHANGE_TOKEN_WORD, take_word(x), line);
    }
}

struct exchange_token *exchange_lex(struct exchange_importer *im, struct bytes text)
{
    struct lexer x = {
        .im = im, .text = text, .line = 1, .first = true, .apart = true, .continued = false};
    x.word = arena_alloc(&im->arena, 2 * text.len + 2);
    skip_prompt(&x);
    while (x.at < text.len) {
        char c = char_at(&x, x.at);
        if (c == '\n') {
            new_line(&x);
        } else if (is_blank(c)) {
            x.at++;
        } else if (c == '<' && char_at(&x, x.at + 1) == '#') {
            skip_block_comment(&x);
        } else if (c == '#') {
            size_t end = bytes_find(text, '\n', x.at);
            x.at = end == BYTES_NOT_FOUND ? text.len : end;
        } else if (c == '`' &&
                   (char_at(&x, skip_blanks(&x, x.at + 1)) == '\n' || x.at + 1 == text.len)) {
            x.at = skip_blanks(&x, x.at + 1);
            if (x.at < text.len)
                new_line(&x);
            x.apart = false;
            x.continued = true;
        } else {
            take_token(&x);
        }
    }
    x.first = x.apart = true;
    x.continued = false;
    add_token(&x, EXCHANGE_TOKEN_END, "", x.line);
    return x.tokens.items;
}
