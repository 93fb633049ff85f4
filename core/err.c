/* Names of errors, and the text that goes with one. */
#include "core/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *err_name(enum err e)
{
    switch (e) {
    case ERR_OK:
        return "ok";
    case ERR_AGAIN:
        return "not ready";
    case ERR_CLOSED:
        return "closed";
    case ERR_SYNTAX:
        return "malformed";
    case ERR_LIMIT:
        return "limit exceeded";
    case ERR_NOTFOUND:
        return "not found";
    case ERR_EXISTS:
        return "exists already";
    case ERR_DENIED:
        return "denied";
    case ERR_NOSPACE:
        return "no space";
    case ERR_CORRUPT:
        return "corrupt";
    case ERR_IO:
        return "input or output error";
    case ERR_TIMEOUT:
        return "timed out";
    case ERR_SHUTDOWN:
        return "shutting down";
    }
    return "unknown error";
}

enum err err_set(struct err_detail *why, enum err e, const char *fmt, ...)
{
    if (!why)
        return e;
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(why->text, sizeof why->text, fmt, args) < 0)
        why->text[0] = '\0';
    va_end(args);
    return e;
}

enum err err_from_errno(int errnum)
{
    switch (errnum) {
    case 0:
        return ERR_OK;
    case EAGAIN:
#if EWOULDBLOCK != EAGAIN
    case EWOULDBLOCK:
#endif
        return ERR_AGAIN;
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED:
        return ERR_CLOSED;
    case ENOENT:
    case ENOTDIR:
        return ERR_NOTFOUND;
    case EEXIST:
    case EADDRINUSE:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
    case ELOOP:
        return ERR_DENIED;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return ERR_NOSPACE;
    case EMFILE:
    case ENFILE:
    case ENAMETOOLONG:
        return ERR_LIMIT;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    default:
        return ERR_IO;
    }
}

enum err err_set_errno(struct err_detail *why, int errnum, const char *fmt, ...)
{
    if (!why)
        return err_from_errno(errnum);
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(why->text, sizeof why->text, fmt, args);
    va_end(args);
    size_t at = n < 0 ? 0 : (size_t)n;
    if (at >= sizeof why->text)
        at = sizeof why->text - 1;
    char buf[128];
    snprintf(why->text + at, sizeof why->text - at, ": %s", strerror_r(errnum, buf, sizeof buf));
    return err_from_errno(errnum);
}

void err_assert_failed(const char *expr, const char *file, int line)
{
    fprintf(stderr, "%s:%d: broken assumption: %s\n", file, line, expr);
    abort();
}
