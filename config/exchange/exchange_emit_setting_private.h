/* config/exchange/exchange_emit_setting_private.h - the lines of one object in the configuration.
 */
#ifndef CONFIG_EXCHANGE_EMIT_SETTING_PRIVATE_H
#define CONFIG_EXCHANGE_EMIT_SETTING_PRIVATE_H

#include <stdio.h>

#include "config/exchange/exchange_object_private.h"

struct exchange_emitter {
    struct exchange_importer *im;
    struct exchange_object *object;
    FILE *out;
};

/* COMMENT: NULL or why it is there. */
void exchange_emit_key(const struct exchange_emitter *e, const char *key, const char *value,
                       const char *comment);
/* A value may have lines of its own. */
void exchange_emit_commented_key(const struct exchange_emitter *e, const char *key,
                                 const char *value);
/* Live, or as a comment with the reason. True: live. */
bool exchange_emit_checked(const struct exchange_emitter *e, const struct exchange_setting *s,
                           const char *key, const char *value);
/* What only differs from our default in how it is written says nothing. */
bool exchange_emit_is_standard(const struct exchange_emitter *e, const char *key,
                               const char *value);
/* False: the object has not got it. */
bool exchange_emit_setting(const struct exchange_emitter *e, const struct exchange_setting *s);
bool exchange_emit_named(const struct exchange_emitter *e, const char *property);
/* All that have a line for themselves. */
void exchange_emit_settings(const struct exchange_emitter *e);

#endif
