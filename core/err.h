/* core/err.h - how our functions say that the world did not cooperate.
 *
 * Three kinds of failure, never mixed: our own mistake is an ASSERT(), on in every build and
 * never on bytes from a peer or a disk; the world's is an enum err; the fate of a mail is a
 * struct mail_status (core/mail.h), which is data.
 */
#ifndef CORE_ERR_H
#define CORE_ERR_H

#include <stdarg.h>
#include <stdbool.h>

#define MUST_USE              __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, arg) __attribute__((format(printf, fmt, arg)))

enum err {
    ERR_OK = 0,
    ERR_AGAIN,    /* nothing to do now; try when readiness is reported */
    ERR_CLOSED,   /* the other side has gone */
    ERR_SYNTAX,   /* malformed input */
    ERR_LIMIT,    /* a configured maximum was met */
    ERR_NOTFOUND, /* no such thing */
    ERR_EXISTS,   /* it is there already, or another process holds it */
    ERR_DENIED,   /* permission, ownership or mode forbids it */
    ERR_NOSPACE,  /* disk or quota is full */
    ERR_CORRUPT,  /* stored bytes fail their validity rules */
    ERR_IO,       /* the kernel reported an input or output error */
    ERR_TIMEOUT,  /* a deadline passed */
    ERR_SHUTDOWN, /* this part is stopping and takes nothing new */
};

/* Text for a human beside an enum err: names the thing, the place and what to do.
 * Callers own it, usually on the stack; functions that take a `why` accept NULL. */
struct err_detail {
    char text[512];
};

/* "no space", "corrupt", ...: static text. Any thread. */
const char *err_name(enum err e);

/* Fills WHY (if any) and returns E, so that a failure is one line: return err_set(why, ERR_X, ...).
 */
enum err err_set(struct err_detail *why, enum err e, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The enum err for an errno value. ENOSPC, EDQUOT and EFBIG give ERR_NOSPACE; unknown ERR_IO. */
enum err err_from_errno(int errnum);

/* err_set() with ": <strerror>" appended and the kind taken from ERRNUM. */
enum err err_set_errno(struct err_detail *why, int errnum, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Prints the broken assumption to stderr and aborts. */
__attribute__((noreturn)) void err_assert_failed(const char *expr, const char *file, int line);

#define ASSERT(expr) ((expr) ? (void)0 : err_assert_failed(#expr, __FILE__, __LINE__))

/* The struct of TYPE with its MEMBER at PTR. */
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#endif
