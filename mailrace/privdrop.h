/* mailrace/privdrop.h - after the ports are bound nothing of root is left. */
#ifndef MAILRACE_PRIVDROP_H
#define MAILRACE_PRIVDROP_H

#include "core/err.h"

struct privdrop_user {
    unsigned uid, gid;
};

/* Looks USER up; ERR_NOTFOUND names it. */
MUST_USE enum err privdrop_lookup(const char *user, struct privdrop_user *out,
                                  struct err_detail *why);
/* Runs as USER from now on (NULL: as before) and drops every capability, for good. Before threads
 * start. */
MUST_USE enum err privdrop(const char *user, struct err_detail *why);

#endif
