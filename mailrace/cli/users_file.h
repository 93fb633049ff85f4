/* mailrace/cli/users_file.h - changes one line of a users file and leaves the others, comments
 * too, as they are. One writer at a time; a reader sees the old file or the new one.
 */
#ifndef MAILRACE_CLI_USERS_FILE_H
#define MAILRACE_CLI_USERS_FILE_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/err.h"
#include "policy/account.h"

struct users_file {
    const char *path;
    int folder; /* locked until closed */
    bool exists;
    struct buf text;
};

/* Reads it, or begins an empty one. Keeps other writers out until users_file_close(). */
MUST_USE enum err users_file_open(const char *path, struct users_file *out, struct err_detail *why);
/* LINE (no LF; empty: none) takes the place of NAME's line, or comes last. */
void users_file_replace(struct users_file *f, struct bytes name, struct bytes line);
/* Durable when it returns; mode and owner stay, a new file gets 0640. */
MUST_USE enum err users_file_write(struct users_file *f, struct err_detail *why);
void users_file_close(struct users_file *f);

#endif
