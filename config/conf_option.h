/* config/conf_option.h - the option table: one row gives a key its type, place, range, default,
 * reload class and documentation.
 */
#ifndef CONFIG_CONF_OPTION_H
#define CONFIG_CONF_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf_reading;
struct conf_value;

enum conf_option_type {
    CONF_TEXT,
    CONF_FLAG,
    CONF_COUNT,    /* uint64_t */
    CONF_UINT,     /* unsigned */
    CONF_U32,      /* uint32_t */
    CONF_PORT,     /* uint16_t */
    CONF_SIZE,     /* uint64_t, octets */
    CONF_DURATION, /* uint64_t, ms */
    CONF_GROUP,    /* a section of its own */
    CONF_CUSTOM,
};

enum conf_reload { CONF_LIVE, CONF_RESTART };

struct conf_option;
/* Puts VALUE into TARGET (the section's struct); reports what is wrong with it. */
typedef void (*conf_custom)(struct conf_reading *r, const struct conf_option *option,
                            const struct conf_value *value, const char *path, void *target);

struct conf_section;
struct conf_option {
    const char *key;
    enum conf_option_type type;
    size_t offset;
    uint64_t min, max;
    bool unlimited; /* "unlimited" is allowed: UINT64_MAX */
    enum conf_reload reload;
    const char *standard; /* default, as one would write it; "" none */
    const char *help;
    conf_custom custom;
    const struct conf_section *section; /* CONF_GROUP, and for the reference page of lists */
};

struct conf_section {
    const char *name; /* "receive_connectors[]" */
    const struct conf_option *options;
    size_t count;
};

/* A key that is known and cannot be honoured, but for its default: its help says why. A setting
 * that is silently without effect would be worse than a refusal. */
void conf_refuse(struct conf_reading *r, const struct conf_option *option,
                 const struct conf_value *value, const char *path, void *target);

extern const struct conf_section CONF_ROOT, CONF_RECEIVE, CONF_SEND, CONF_DOMAIN, CONF_PERMISSION,
    CONF_SERVER_PERMISSION, CONF_REWRITE;

#endif
