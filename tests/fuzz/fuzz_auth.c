/* AUTH's text: base64 in buffers of exactly the size that is promised, PLAIN's message, and a whole
 * exchange of LOGIN; what comes out is what went in, or nothing. */
#include <stdlib.h>

#include "fuzz_split.h"

#include "net/smtp_auth.h"

/* A buffer of SIZE octets, none more: the sanitizer sees the first one beyond. */
static char *exact(size_t size)
{
    char *to = malloc(size ? size : 1);
    MUST_HOLD(to);
    return to;
}

static void check_usable(const struct smtp_auth_credentials *c)
{
    MUST_HOLD(c->user.len > 0 && c->user.len <= SMTP_AUTH_USER_MAX);
    MUST_HOLD(c->password.len > 0 && c->password.len <= SMTP_AUTH_PASSWORD_MAX);
    MUST_HOLD(bytes_find(c->user, '\0', 0) == BYTES_NOT_FOUND);
    MUST_HOLD(bytes_find(c->password, '\n', 0) == BYTES_NOT_FOUND);
    MUST_HOLD(bytes_find(c->password, '\r', 0) == BYTES_NOT_FOUND);
}

static void check_plain(struct bytes message)
{
    struct smtp_auth_credentials c;
    enum err e = smtp_auth_plain(message, &c);

    MUST_HOLD(e == ERR_OK || e == ERR_SYNTAX || e == ERR_DENIED);
    if (e != ERR_OK)
        return;
    check_usable(&c);
    fuzz_within(c.user, message);
    fuzz_within(c.password, message);
    size_t on_behalf = message.len - c.user.len - c.password.len - 2;
    MUST_HOLD(on_behalf == 0 || on_behalf == c.user.len);
}

/* What can be read has one spelling only. */
static void check_decoded(struct bytes in)
{
    char *plain = exact(SMTP_AUTH_DECODED_MAX(in.len));
    size_t len = 0;

    if (smtp_auth_decode(in, plain, &len) == ERR_OK) {
        char *coded = exact((len + 2) / 3 * 4);
        MUST_HOLD(len <= SMTP_AUTH_DECODED_MAX(in.len));
        size_t coded_len = smtp_auth_encode(bytes_make(plain, len), coded);
        MUST_HOLD(bytes_equal(bytes_make(coded, coded_len), in));
        check_plain(bytes_make(plain, len));
        free(coded);
    }
    free(plain);
}

static void check_encoded(struct bytes in)
{
    size_t groups = (in.len + 2) / 3, len = 0;
    char *coded = exact(groups * 4), *plain = exact(groups * 3);

    MUST_HOLD(smtp_auth_encode(in, coded) == groups * 4);
    MUST_HOLD(smtp_auth_decode(bytes_make(coded, groups * 4), plain, &len) == ERR_OK);
    MUST_HOLD(bytes_equal(bytes_make(plain, len), in));
    free(plain);
    free(coded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_make((const char *)data, size), name, secret;

    check_decoded(in);
    check_encoded(in);
    check_plain(in);
    bytes_split(in, '\n', &name, &secret);
    struct smtp_auth_credentials login = {name, secret};
    if (smtp_auth_usable(&login))
        check_usable(&login);
    struct bytes shown = smtp_auth_mechanism_shown(in);
    MUST_HOLD(shown.len == 0 || bytes_equal(shown, BYTES("(hidden)")) ||
              bytes_equal_nocase(shown, in));
    return 0;
}
