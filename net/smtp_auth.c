/* Base64, PLAIN and LOGIN: pure functions on what AUTH carries. */
#include "net/smtp_auth.h"

enum smtp_auth_mechanism smtp_auth_mechanism_parse(struct bytes name)
{
    if (bytes_equal_nocase(name, BYTES("PLAIN")))
        return SMTP_AUTH_PLAIN;
    return bytes_equal_nocase(name, BYTES("LOGIN")) ? SMTP_AUTH_LOGIN : SMTP_AUTH_NONE;
}

struct bytes smtp_auth_mechanism_shown(struct bytes name)
{
    static const char *const known[] = {
        "PLAIN",      "LOGIN",    "CRAM-MD5",      "DIGEST-MD5",  "NTLM",         "GSSAPI",
        "GSS-SPNEGO", "EXTERNAL", "SCRAM-SHA-256", "SCRAM-SHA-1", "XOAUTH2",      "OAUTHBEARER",
        "ANONYMOUS",  "OTP",      "SKEY",          "KERBEROS_V4", "SCRAM-SHA-512"};
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (bytes_equal_nocase(name, bytes_of(known[i])))
            return bytes_of(known[i]);
    return name.len ? BYTES("(hidden)") : BYTES_EMPTY;
}

/* ---- base64: RFC 4648 4 ------------------------------------------------------------------ */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* Four digits of which the last PADDING are "="; false where one is none, or bits are left over. */
static bool group_decode(const char *digits, unsigned padding, char *to)
{
    unsigned bits = 0;
    for (unsigned i = 0; i < 4; i++) {
        int value = i < 4 - padding ? digit_value(digits[i]) : 0;
        if (value < 0)
            return false;
        bits = bits << 6 | (unsigned)value;
    }
    for (unsigned i = 0; i < 3 - padding; i++)
        to[i] = (char)(unsigned char)(bits >> (16 - 8 * i) & 0xff);
    return (bits & ((1u << (8 * padding)) - 1)) == 0;
}

enum err smtp_auth_decode(struct bytes text, char *to, size_t *len)
{
    unsigned padding = 0;
    *len = 0;
    if (text.len % 4 != 0)
        return ERR_SYNTAX;
    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
        padding++;
    for (size_t at = 0; at < text.len; at += 4) {
        unsigned here = at + 4 == text.len ? padding : 0;
        if (!group_decode(text.ptr + at, here, to + *len))
            return ERR_SYNTAX;
        *len += 3 - here;
    }
    return ERR_OK;
}

size_t smtp_auth_encode(struct bytes text, char *to)
{
    size_t len = 0;
    for (size_t at = 0; at < text.len; at += 3) {
        size_t here = text.len - at < 3 ? text.len - at : 3;
        unsigned bits = 0;
        for (size_t i = 0; i < 3; i++)
            bits = bits << 8 | (i < here ? (unsigned char)text.ptr[at + i] : 0);
        for (size_t i = 0; i < 4; i++)
            to[len++] = i <= here ? alphabet[bits >> (18 - 6 * i) & 0x3f] : '=';
    }
    return len;
}

/* ---- SASL -------------------------------------------------------------------------------- */

static bool has_control(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
            return true;
    return false;
}

bool smtp_auth_usable(const struct smtp_auth_credentials *c)
{
    return c->user.len > 0 && c->user.len <= SMTP_AUTH_USER_MAX && c->password.len > 0 &&
           c->password.len <= SMTP_AUTH_PASSWORD_MAX && !has_control(c->user) &&
           !has_control(c->password);
}

enum err smtp_auth_plain(struct bytes message, struct smtp_auth_credentials *out)
{
    struct bytes on_behalf, rest;
    if (!bytes_split(message, '\0', &on_behalf, &rest) ||
        !bytes_split(rest, '\0', &out->user, &out->password) || out->user.len == 0 ||
        bytes_find(out->password, '\0', 0) != BYTES_NOT_FOUND)
        return ERR_SYNTAX;
    if (on_behalf.len && !bytes_equal(on_behalf, out->user))
        return ERR_DENIED;
    return smtp_auth_usable(out) ? ERR_OK : ERR_DENIED;
}
