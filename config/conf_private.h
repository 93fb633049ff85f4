/* config/conf_private.h - between the file and the settings: values as they were written, and
 * who reads them by the option table (config/conf_option.h). Only conf_read.c knows libconfig.
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
};

/* Reports KEY at WHERE. A fault makes the reading fail; a warning does not. */
void conf_fault(struct conf_reading *r, const char *where, const char *key, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
void conf_warn(struct conf_reading *r, const char *where, const char *key, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/* Reads TEXT (libconfig) into a tree in the reading's arena; ERR_SYNTAX was reported. */
MUST_USE enum err conf_read_tree(struct conf_reading *r, const char *text, const char *file,
                                 struct conf_value *root);

/* Every member of GROUP by its row; unknown keys are faults. PATH: "receive_connectors[1]". */
void conf_apply(struct conf_reading *r, const struct conf_section *section,
                const struct conf_value *group, const char *path, void *target);
/* All texts of a list (a single text counts as a list of one); false was reported. */
bool conf_texts(struct conf_reading *r, const struct conf_value *value, const char *path);

/* A list of groups: each becomes an element of SIZE octets, prepared by START and checked by END
 * (either may be NULL). */
struct conf_list {
    const struct conf_section *section;
    size_t size;
    void (*start)(struct conf_reading *r, const struct conf_value *group, void *element);
    void (*end)(struct conf_reading *r, const struct conf_value *group, const char *path,
                void *element);
};
/* The elements, in the arena. */
void *conf_take_list(struct conf_reading *r, const struct conf_value *value, const char *path,
                     const struct conf_list *list, size_t *count);

/* conf_users.c */
void conf_take_users_file(struct conf_reading *r, const struct conf_option *option,
                          const struct conf_value *value, const char *path, void *target);

/* conf_recipients.c: of one accepted domain */
void conf_take_recipients_file(struct conf_reading *r, const struct conf_option *option,
                               const struct conf_value *value, const char *path, void *target);
void conf_free_recipients(struct conf *conf);

/* conf_usage.c: what a receive connector starts from. */
struct conf_usage {
    const char *name;
    unsigned permission_groups, auth_mechanism;
    const char *binding; /* unless it has its own; NULL: it needs some */
    bool all_ranges;     /* the same of its ranges */
};
/* The `usage` among GROUP's keys; NULL: none, or a wrong one. */
const struct conf_usage *conf_usage_of(const struct conf_value *group);
void conf_take_usage(struct conf_reading *r, const struct conf_option *option,
                     const struct conf_value *value, const char *path, void *target);

/* A connector's `permissions`, of either direction. */
const struct rights_entry *conf_read_permissions(struct conf_reading *r,
                                                 const struct conf_value *value, const char *path,
                                                 size_t *count);

/* A connector's `protocol_logging_level`, of either direction. */
bool conf_read_verbose(struct conf_reading *r, const struct conf_value *value, const char *path);

/* conf_tls.c: reads the certificate and its key, as starting the relay would. */
void conf_check_tls(struct conf_reading *r, const struct conf *c);

/* conf_connectors.c, conf_send.c */
void conf_take_receive(struct conf_reading *r, const struct conf_option *option,
                       const struct conf_value *value, const char *path, void *target);
void conf_take_send(struct conf_reading *r, const struct conf_option *option,
                    const struct conf_value *value, const char *path, void *target);
void conf_take_domains(struct conf_reading *r, const struct conf_option *option,
                       const struct conf_value *value, const char *path, void *target);
/* conf_rewrite.c */
void conf_take_rewrites(struct conf_reading *r, const struct conf_option *option,
                        const struct conf_value *value, const char *path, void *target);

#endif
