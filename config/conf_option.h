/* config/conf_option.h - the option table. One row is all there is to know of a key: type, place,
 * range or choices, default, what a reload does with it, and its documentation. conf_apply() reads
 * by it, a reload compares by it, and docs/configuration.md is written from it.
 */
#ifndef CONFIG_CONF_OPTION_H
#define CONFIG_CONF_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/choice.h"
#include "core/err.h"

struct conf_reading;
struct conf_section;
struct conf_value;

enum conf_type {
    CONF_TEXT,     /* const char *: MIN to MAX printable octets on one line, or one of CHOICES */
    CONF_FILE,     /* the same; a relative name starts where the configuration file lies */
    CONF_FLAG,     /* bool */
    CONF_NUMBER,   /* an unsigned integer of any SIZE, like the three that follow */
    CONF_OCTETS,   /* "64KB" */
    CONF_DURATION, /* "5m"; held in ms */
    CONF_CHOICE,   /* one of CHOICES */
    CONF_BITS,     /* any of CHOICES, in a list; one with the value 0 stands alone */
    CONF_PARSED,   /* one text that ELEMENT reads */
    CONF_LIST,     /* an array in the arena of texts that ELEMENT reads; COUNT_OFFSET: how many */
    CONF_SECTIONS, /* an array of groups, each read by SECTION; the same */
    CONF_GROUP,    /* a group that SECTION reads, into the same struct */
    CONF_UNAVAILABLE, /* known, and nothing but its default can be had: HELP says why. A setting
                       * that is silently without effect would be worse than a refusal */
    CONF_REMOVED,     /* of an earlier version: a warning; HELP says what took its place */
};

/* What a changed value does at a reload: it is in force, or the one that runs stays in force until
 * the next start, and a warning says so. */
enum conf_reload { CONF_LIVE, CONF_RESTART };

/* How a text turns into an object of SIZE octets at TO; a failure leaves it as it was. */
struct conf_element {
    const char *type;    /* "address and port" */
    const char *allowed; /* "IPv4:PORT or [IPv6]:PORT is allowed"; NULL: the parser says it */
    size_t size;
    enum err (*parse)(struct conf_reading *r, const char *text, void *to, struct err_detail *why);
};

struct conf_option {
    const char *key;
    enum conf_type type;
    size_t offset, size; /* of the member in the section's struct */
    uint64_t min, max;
    bool unlimited; /* "unlimited" is allowed: all bits set */
    bool required;
    bool computed;        /* STANDARD is told in words: zeros, until conf.c completes them */
    const char *standard; /* default, as one would write it; "": none */
    const char *help;
    enum conf_reload reload;
    const struct choice *choices;
    const char *refusal; /* said of what is not among CHOICES; NULL: nothing more */
    enum err (*find)(struct bytes name, uint32_t *value); /* CONF_BITS: more spellings of CHOICES */
    const struct conf_element *element;                   /* NULL: the texts as they are */
    const struct conf_section *section;
    size_t count_offset;
    /* Called once the file's value (not the default) was taken without a fault; may be NULL. */
    void (*then)(struct conf_reading *r, const struct conf_value *value, const char *path,
                 void *target);
};

struct conf_section {
    const char *name; /* "receive_connectors[]" */
    const struct conf_option *options;
    size_t count;
    /* Of CONF_SECTIONS: */
    size_t size; /* of one struct while it is read */
    size_t kept; /* of its first octets, which the array holds; 0: all */
    /* After the defaults and before the group's own keys; after them. Both may be NULL. */
    void (*start)(struct conf_reading *r, const struct conf_value *group, void *element);
    void (*end)(struct conf_reading *r, const struct conf_value *group, const char *path,
                void *element);
};

/* A row's place: CONF_AT(struct conf, spool.path). */
#define CONF_AT(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)
/* The same of an array and its count. */
#define CONF_ARRAY_AT(type, member, number)                                                        \
    CONF_AT(type, member), .count_offset = offsetof(type, number)

/* NULL: there is no such key. */
const struct conf_option *conf_option_find(const struct conf_section *section, const char *key);

extern const struct conf_section CONF_ROOT, CONF_RECEIVE, CONF_SEND, CONF_DOMAIN, CONF_PERMISSION,
    CONF_SERVER_PERMISSION, CONF_REWRITE;

#endif
