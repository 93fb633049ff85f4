/* config/conf_private.h - between the file and the settings: values as they were written, and one
 * reading of them by the option table (config/conf_option.h). Only conf_read.c knows libconfig.
 */
#ifndef CONFIG_CONF_PRIVATE_H
#define CONFIG_CONF_PRIVATE_H

#include "config/conf.h"
#include "config/conf_option.h"

enum conf_value_type {
    CONF_VALUE_TEXT,
    CONF_VALUE_NUMBER,
    CONF_VALUE_REAL,
    CONF_VALUE_FLAG,
    CONF_VALUE_LIST,  /* ( ... ) or [ ... ] */
    CONF_VALUE_GROUP, /* { ... } */
};

struct conf_value {
    enum conf_value_type type;
    const char *name;  /* key, NULL in a list */
    const char *where; /* "relay.conf:31" */
    const char *text;
    int64_t number;
    bool flag;
    struct conf_value *items; /* of a list or group */
    size_t count;
};

/* One reading: where faults go and what has been found. */
struct conf_reading {
    struct arena *arena;
    conf_report report;
    void *owner;
    const char *directory; /* of the file: relative names start here */
    bool certificates;     /* look at them too */
    bool faulty;
    size_t faults;
};

/* --- conf_fault.c --- */

/* Reports KEY at WHERE. A fault makes the reading fail; a warning does not. */
void conf_fault(struct conf_reading *r, const char *where, const char *key, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
void conf_warn(struct conf_reading *r, const char *where, const char *key, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* --- conf_read.c --- */

/* Reads TEXT (libconfig) into a tree in the reading's arena; ERR_SYNTAX was reported. */
MUST_USE enum err conf_read_tree(struct conf_reading *r, const char *text, const char *file,
                                 struct conf_value *root);

/* --- conf_file.c: files that the configuration names, and itself --- */

/* NAME as all file names are taken: relative to where the configuration lies. NULL and "" stay. */
const char *conf_file_name(const struct conf_reading *r, const char *name);
struct conf_file_rules { /* what a file must be to be read */
    uint64_t size_max;
    const char *size_max_text; /* "256 MB" */
    bool not_writable;         /* by others: it says who is let in */
    bool not_readable;         /* by others: it holds secrets */
    bool owned;                /* by root or by us */
};
/* The whole file with a NUL behind it, to be freed; NULL was reported about KEY at WHERE. */
char *conf_file_read(struct conf_reading *r, const char *where, const char *key, const char *name,
                     const struct conf_file_rules *rules, size_t *len);

/* --- conf_take.c, conf_apply.c --- */

/* VALUE by its row, which is no group and no list of groups, into TARGET, the section's struct; a
 * fault leaves it as it was. */
void conf_take(struct conf_reading *r, const struct conf_option *o, const struct conf_value *value,
               const char *path, void *target);
/* Every row's default into TARGET. */
void conf_apply_defaults(struct conf_reading *r, const struct conf_section *section, void *target);
/* Every member of GROUP by its row; unknown keys are faults. PATH: "receive_connectors[1]". */
void conf_apply(struct conf_reading *r, const struct conf_section *section,
                const struct conf_value *group, const char *path, void *target);
/* --- conf_keep.c --- */

/* What only a restart changes: FRESH gets RUNNING's values back, and each that differs is
 * reported. */
void conf_keep(struct conf_reading *r, const struct conf *running, struct conf *fresh);

/* --- conf_check.c, conf_tls.c: what concerns several keys --- */

void conf_check(struct conf_reading *r, const struct conf *c);
/* Reads the certificate and its key, as starting the relay would. */
void conf_check_tls(struct conf_reading *r, const struct conf *c);

/* --- What a row's `then` does --- */

void conf_read_users(struct conf_reading *r, const struct conf_value *value, const char *path,
                     void *target); /* conf_users.c; TARGET: struct conf */
void conf_read_recipients(struct conf_reading *r, const struct conf_value *value, const char *path,
                          void *target); /* conf_domains.c; TARGET: struct accepted_domain */
void conf_free_recipients(struct conf *conf);

/* --- conf_usage.c: what a receive connector starts from --- */

enum conf_usage_name {
    CONF_USAGE_CUSTOM,
    CONF_USAGE_INTERNET,
    CONF_USAGE_INTERNAL,
    CONF_USAGE_CLIENT,
    CONF_USAGE_PARTNER
};
struct conf_usage {
    unsigned permission_groups, auth_mechanism;
    const char *binding; /* unless it has its own; NULL: it needs some */
    bool all_ranges;     /* the same of its ranges */
};
extern const struct choice CONF_USAGES[];
/* The `usage` among GROUP's keys; NULL: none, or a wrong one. */
const struct conf_usage *conf_usage_of(const struct conf_value *group);

/* --- conf_ranges.c --- */

struct conf_ranges {
    struct receive_connector_range *items;
    size_t count, capacity;
};
/* One range of WHERE, KEY naming it in faults. CLASSFUL: classful_masks. */
void conf_ranges_add(struct conf_reading *r, struct conf_ranges *ranges, bool classful,
                     const char *text, const char *where, const char *key);
/* All lines of the file that VALUE names. */
void conf_ranges_read(struct conf_reading *r, struct conf_ranges *ranges, bool classful,
                      const struct conf_value *value, const char *key);

/* --- Choices and elements that several sections share --- */

extern const struct choice CONF_PROTOCOL_LEVELS[]; /* bool: protocol_logging_verbose */

#endif
