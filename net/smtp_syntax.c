/* Command lines and paths: RFC 5321 4.1.1 and 4.1.2. */
#include "net/smtp_syntax.h"

#include "net/smtp_scan_private.h"

/* More than this is no route but an attempt at us (RFC 5321 App. C: routes are not in use). */
#define ROUTE_HOPS_MAX 16

bool scan_is_atext(unsigned char c)
{
    switch (c) {
    case '!':
    case '#':
    case '$':
    case '%':
    case '&':
    case '\'':
    case '*':
    case '+':
    case '-':
    case '/':
    case '=':
    case '?':
    case '^':
    case '_':
    case '`':
    case '{':
    case '|':
    case '}':
    case '~':
        return true;
    default:
        return scan_is_alnum(c);
    }
}

static size_t scan_blanks(struct bytes text, size_t at)
{
    while (at < text.len && scan_is_blank((unsigned char)text.ptr[at]))
        at++;
    return at;
}

/* command = verb [1*WSP argument] *WSP, RFC 5321 4.1.1. A control byte has no place in any
 * command: none reaches a handler, a log or a reply from here. */
enum err smtp_syntax_command(struct bytes line, struct smtp_command *out)
{
    line = bytes_trim_end(line);
    for (size_t i = 0; i < line.len; i++) {
        unsigned char c = (unsigned char)line.ptr[i];
        if ((c < ' ' && c != '\t') || c == 0x7F)
            return ERR_SYNTAX;
    }
    size_t end = 0;
    while (end < line.len && (unsigned char)line.ptr[end] > ' ' &&
           (unsigned char)line.ptr[end] < 0x7F)
        end++;
    if (end == 0 || (end < line.len && !scan_is_blank((unsigned char)line.ptr[end])))
        return ERR_SYNTAX;
    out->verb = bytes_sub(line, 0, end);
    out->argument = bytes_from(line, scan_blanks(line, end));
    return ERR_OK;
}

/* Atom = 1*atext; with RFC 6531 3.3 any UTF-8 beyond ASCII too. */
static size_t scan_atom(struct bytes text, size_t at, bool allow_utf8)
{
    size_t start = at;
    while (at < text.len) {
        unsigned char c = (unsigned char)text.ptr[at];
        if (c < 0x80) {
            if (!scan_is_atext(c))
                break;
            at++;
            continue;
        }
        uint32_t cp;
        at = allow_utf8 ? scan_utf8(text, at, &cp) : SCAN_FAILED;
        if (at == SCAN_FAILED)
            return SCAN_FAILED;
    }
    return at > start ? at : SCAN_FAILED;
}

/* Dot-string = Atom *("." Atom) */
static size_t scan_dot_string(struct bytes text, size_t at, bool allow_utf8)
{
    for (;;) {
        at = scan_atom(text, at, allow_utf8);
        if (at == SCAN_FAILED || at == text.len || text.ptr[at] != '.')
            return at;
        at++;
    }
}

/* Quoted-string = DQUOTE *(qtextSMTP / "\" %d32-126) DQUOTE; AT is behind the opening one. */
static size_t scan_quoted(struct bytes text, size_t at, bool allow_utf8)
{
    while (at < text.len) {
        unsigned char c = (unsigned char)text.ptr[at];
        if (c == '"')
            return at + 1;
        if (c >= 0x80) {
            uint32_t cp;
            at = allow_utf8 ? scan_utf8(text, at, &cp) : SCAN_FAILED;
            if (at == SCAN_FAILED)
                return SCAN_FAILED;
            continue;
        }
        if (c == '\\') {
            at++;
            c = at < text.len ? (unsigned char)text.ptr[at] : 0;
        }
        if (c < ' ' || c > '~')
            return SCAN_FAILED;
        at++;
    }
    return SCAN_FAILED;
}

/* Local-part = Dot-string / Quoted-string; never both in one (RFC 5321 4.1.2). */
static size_t scan_local_part(struct bytes text, size_t at, bool allow_utf8)
{
    if (at < text.len && text.ptr[at] == '"')
        return scan_quoted(text, at + 1, allow_utf8);
    return scan_dot_string(text, at, allow_utf8);
}

/* Domain / address-literal. */
static size_t scan_domain(struct bytes text, size_t at, bool allow_utf8, struct smtp_path *out)
{
    out->literal = at < text.len && text.ptr[at] == '[';
    if (out->literal) {
        size_t close = bytes_find(text, ']', at);
        if (close == BYTES_NOT_FOUND)
            return SCAN_FAILED;
        out->domain = bytes_sub(text, at, close + 1 - at);
        return smtp_syntax_literal_valid(out->domain) ? close + 1 : SCAN_FAILED;
    }
    size_t end = scan_domain_run(text, at);
    struct bytes name = bytes_sub(text, at, end - at);
    out->domain = smtp_syntax_domain_bare(name);
    return smtp_syntax_domain_valid(name, allow_utf8) ? end : SCAN_FAILED;
}

/* Mailbox = Local-part "@" (Domain / address-literal). ADDRESS keeps a final dot, DOMAIN does
 * not: comparing domains must find "a.example." and "a.example" the same. */
static size_t scan_mailbox(struct bytes text, size_t at, bool allow_utf8, struct smtp_path *out)
{
    size_t local_end = scan_local_part(text, at, allow_utf8);
    if (local_end == SCAN_FAILED || local_end == text.len || text.ptr[local_end] != '@')
        return SCAN_FAILED;
    size_t end = scan_domain(text, local_end + 1, allow_utf8, out);
    if (end == SCAN_FAILED)
        return SCAN_FAILED;
    out->local_part = bytes_sub(text, at, local_end - at);
    out->address = bytes_sub(text, at, end - at);
    return end;
}

/* "Postmaster" without a domain, any case: RFC 5321 4.1.1.3. END is what may follow it. */
static size_t scan_postmaster(struct bytes text, size_t at, struct smtp_path *out)
{
    struct bytes word = bytes_sub(text, at, strlen("postmaster"));
    if (!bytes_equal_nocase(word, BYTES("postmaster")))
        return SCAN_FAILED;
    size_t end = at + word.len;
    if (end < text.len && text.ptr[end] != '>' && !scan_is_blank((unsigned char)text.ptr[end]))
        return SCAN_FAILED;
    *out = (struct smtp_path){.address = word, .local_part = word, .domain = BYTES_EMPTY};
    return end;
}

/* A-d-l = At-domain *("," At-domain); then ":". Behind it, or AT itself where there is none. */
static size_t scan_route(struct bytes text, size_t at, bool allow_utf8)
{
    if (at == text.len || text.ptr[at] != '@')
        return at;
    for (unsigned hops = 1; hops <= ROUTE_HOPS_MAX; hops++) {
        size_t end = scan_domain_run(text, at + 1);
        struct bytes name = bytes_sub(text, at + 1, end - at - 1);
        if (end == text.len || !smtp_syntax_domain_valid(name, allow_utf8))
            return SCAN_FAILED;
        if (text.ptr[end] == ':')
            return end + 1;
        at = end + 1;
        if (text.ptr[end] != ',' || at == text.len || text.ptr[at] != '@')
            return SCAN_FAILED;
    }
    return SCAN_FAILED;
}

/* Path = "<" [A-d-l ":"] Mailbox ">", "<>" for a sender, "<postmaster>" for a recipient. */
static size_t scan_bracketed(struct bytes text, size_t at, enum smtp_path_kind kind,
                             bool allow_utf8, struct smtp_path *out)
{
    if (kind == SMTP_PATH_SENDER && at < text.len && text.ptr[at] == '>') {
        *out = (struct smtp_path){BYTES_EMPTY, BYTES_EMPTY, BYTES_EMPTY, false};
        return at + 1;
    }
    size_t end = kind == SMTP_PATH_RECIPIENT ? scan_postmaster(text, at, out) : SCAN_FAILED;
    if (end == SCAN_FAILED) {
        at = scan_route(text, at, allow_utf8);
        end = at == SCAN_FAILED ? at : scan_mailbox(text, at, allow_utf8, out);
    }
    if (end == SCAN_FAILED || end == text.len || text.ptr[end] != '>')
        return SCAN_FAILED;
    return end + 1;
}

static size_t scan_bare(struct bytes text, size_t at, enum smtp_path_kind kind, bool allow_utf8,
                        struct smtp_path *out)
{
    size_t end = kind == SMTP_PATH_RECIPIENT ? scan_postmaster(text, at, out) : SCAN_FAILED;
    return end == SCAN_FAILED ? scan_mailbox(text, at, allow_utf8, out) : end;
}

enum err smtp_syntax_path(struct bytes argument, enum smtp_path_kind kind, bool allow_utf8,
                          size_t limit, struct smtp_path *out, struct bytes *rest)
{
    struct bytes prefix = kind == SMTP_PATH_SENDER ? BYTES("FROM:") : BYTES("TO:");
    if (!bytes_starts_nocase(argument, prefix))
        return ERR_SYNTAX;
    size_t at = scan_blanks(argument, prefix.len);
    if (at < argument.len && argument.ptr[at] == '<')
        at = scan_bracketed(argument, at + 1, kind, allow_utf8, out);
    else
        at = scan_bare(argument, at, kind, allow_utf8, out);
    if (at == SCAN_FAILED || (at < argument.len && !scan_is_blank((unsigned char)argument.ptr[at])))
        return ERR_SYNTAX;
    if (out->address.len > limit)
        return ERR_LIMIT;
    *rest = bytes_from(argument, at);
    return ERR_OK;
}

enum err smtp_syntax_local_path(struct bytes argument, enum smtp_path_kind kind, bool allow_utf8,
                                struct smtp_path *out, struct bytes *rest)
{
    struct bytes prefix = kind == SMTP_PATH_SENDER ? BYTES("FROM:") : BYTES("TO:");
    if (!bytes_starts_nocase(argument, prefix))
        return ERR_SYNTAX;
    size_t start = scan_blanks(argument, prefix.len);
    bool bracketed = start < argument.len && argument.ptr[start] == '<';
    start += bracketed;
    size_t end = scan_local_part(argument, start, allow_utf8);
    if (end == SCAN_FAILED || (bracketed && (end == argument.len || argument.ptr[end] != '>')))
        return ERR_SYNTAX;
    struct bytes local = bytes_sub(argument, start, end - start);
    end += bracketed;
    if (end < argument.len && !scan_is_blank((unsigned char)argument.ptr[end]))
        return ERR_SYNTAX;
    *out = (struct smtp_path){.address = local, .local_part = local, .domain = BYTES_EMPTY};
    *rest = bytes_from(argument, end);
    return ERR_OK;
}
