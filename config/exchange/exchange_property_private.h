/* config/exchange/exchange_property_private.h - Exchange's parameters and properties, and the keys
 * that they are here.
 */
#ifndef CONFIG_EXCHANGE_PROPERTY_PRIVATE_H
#define CONFIG_EXCHANGE_PROPERTY_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

enum exchange_kind {
    EXCHANGE_RECEIVE = 1,
    EXCHANGE_SEND = 2,
    EXCHANGE_DOMAIN = 4,
    EXCHANGE_REWRITE = 8,
};
const char *exchange_kind_name(enum exchange_kind kind); /* "receive connector" */

enum exchange_form {
    EXCHANGE_TEXT,
    EXCHANGE_FLAG,
    EXCHANGE_COUNT,
    EXCHANGE_SIZE,
    EXCHANGE_SPAN,
    EXCHANGE_CHOICE, /* one of `more` */
    EXCHANGE_WORDS,  /* some of `more`; from here on lists ... */
    EXCHANGE_TEXTS,
    EXCHANGE_BINDINGS,
    EXCHANGE_RANGES,
    EXCHANGE_SPACES,
    EXCHANGE_HOSTS,      /* ... to here */
    EXCHANGE_SMART_AUTH, /* SmartHostAuthMechanism */
    EXCHANGE_CREDENTIAL,
    EXCHANGE_ADDRESS,  /* one IP address */
    EXCHANGE_USAGE,    /* a template: read when the connector is made */
    EXCHANGE_IDENTITY, /* says which object is meant */
    EXCHANGE_DROP,     /* never taken over; `more` says why */
    EXCHANGE_INTERNAL, /* the directory's own bookkeeping, only ever seen in an export */
};
bool exchange_form_is_list(enum exchange_form form);

struct exchange_property {
    const char *name;
    unsigned kinds; /* enum exchange_kind, as bits */
    enum exchange_form form;
    const char *key;      /* ours; it need not exist yet */
    const char *more;     /* choices "A,B,C", or the reason for EXCHANGE_DROP */
    const char *standard; /* Exchange's default where an export that shows it says nothing */
};

extern const struct exchange_property EXCHANGE_PROPERTIES[];
extern const size_t EXCHANGE_PROPERTY_COUNT;
/* The row of KIND that has NAME, whole. NULL: there is none. */
const struct exchange_property *exchange_property_find(enum exchange_kind kind, const char *name);
/* The same, or the only row that begins so. NULL; OTHER then names one of several that begin
 * so, or is NULL. */
const struct exchange_property *exchange_property_guess(enum exchange_kind kind, const char *typed,
                                                        const char **other);
/* Whether PARAMETER never takes a value of its own in COMMAND (but -Confirm:$false). */
bool exchange_is_switch(const char *command, const char *parameter);

#endif
