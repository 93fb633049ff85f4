/* config/exchange/exchange_private.h - from Exchange's commands to our keys, in three steps: a
 * reader (exchange_shell*.c, exchange_json.c) makes commands, exchange_pipeline.c and
 * exchange_apply.c play them on objects as Exchange would, exchange_emit.c writes the objects that
 * are left.
 *
 * All texts live in the import's arena.
 */
#ifndef CONFIG_EXCHANGE_PRIVATE_H
#define CONFIG_EXCHANGE_PRIVATE_H

#include "config/conf_option.h"
#include "config/exchange/exchange_import.h"

/* --- Commands --- */

struct exchange_texts {
    const char **items;
    size_t count, capacity;
};

struct exchange_argument {
    const char *name; /* as typed, without the dash */
    const char *where;
    struct exchange_texts values;
    struct exchange_texts add, remove; /* @{Add=...; Remove=...} */
    bool is_edit;
    bool is_switch;     /* stands without a value */
    bool is_expression; /* could not be evaluated; values holds its source */
};

struct exchange_command {
    const char *name; /* "New-ReceiveConnector" */
    const char *where;
    const char *identity; /* what stands without a parameter's name; NULL: nothing */
    struct exchange_argument *arguments;
    size_t count, capacity;
    bool from_export; /* every property is there, set by somebody or not */
    /* Of a filter or loop: its tokens, without the braces, up to EXCHANGE_TOKEN_END. */
    const struct exchange_token *script;
    struct exchange_targets *input; /* not a command but what stands before the first | */
};

/* --- Objects --- */

enum exchange_kind {
    EXCHANGE_RECEIVE = 1,
    EXCHANGE_SEND = 2,
    EXCHANGE_DOMAIN = 4,
    EXCHANGE_REWRITE = 8,
};

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

struct exchange_property {
    const char *name;
    unsigned kinds; /* enum exchange_kind, as bits */
    enum exchange_form form;
    const char *key;      /* ours; it need not exist yet */
    const char *more;     /* choices "A,B,C", or the reason for EXCHANGE_DROP */
    const char *standard; /* Exchange's default where an export that shows it says nothing */
};

struct exchange_setting {
    const struct exchange_property *property;
    const char *name; /* as typed */
    const char *where;
    const char *origin; /* NULL, or why it is set though nobody wrote it */
    struct exchange_texts values;
    bool from_export;
    struct exchange_setting *next;
};

struct exchange_permission {
    const char *user; /* as typed */
    const char *where;
    enum rights_principal principal;
    const char *name;                /* of user:, group:, cert: */
    rights_mask allow, deny, remove; /* remove: taken away, even where a group gives it */
    bool from_export;
    struct exchange_permission *next;
};

struct exchange_note {
    const char *where;
    const char *text;
    struct exchange_note *next;
};
struct exchange_notes {
    struct exchange_note *first, *last;
};

struct exchange_object {
    enum exchange_kind kind;
    const char *name;
    const char *server;            /* NULL: not said */
    bool created;                  /* by a command; else only ever referred to */
    struct exchange_notes sources; /* the commands that made it */
    struct exchange_notes notes;   /* what was not taken over */
    struct exchange_setting *settings;
    struct exchange_permission *permissions;
    struct exchange_object *next;
};

struct exchange_shell;

/* Where the protocol logs of what is imported go: Exchange has its own place for them, and no
 * property of a connector says which. */
#define EXCHANGE_PROTOCOL_PATH "/var/log/mailrace"

struct exchange_import {
    struct arena arena;
    const char *file;
    conf_report report;
    void *owner;
    size_t fault_count;
    size_t steps;                 /* of loops and filters, which multiply */
    struct exchange_shell *shell; /* whose variables the loops' bodies see; NULL: an export */
    size_t object_count;
    struct exchange_object *objects, *last;
    struct exchange_notes notes; /* of no object */
};

/* --- exchange_import.c: words shared by all --- */

void exchange_texts_add(struct arena *arena, struct exchange_texts *texts, const char *text);
const char *exchange_where(struct exchange_import *im, unsigned line);
/* On OBJECT (NULL: on none): reported as a warning and kept for the output. A text that begins with
 * a parameter ("-Server ...: why") tells what was not taken over, and says so. */
void exchange_note(struct exchange_import *im, struct exchange_object *object, const char *where,
                   const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Not understood. */
void exchange_fault(struct exchange_import *im, const char *where, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
void exchange_notes_add(struct arena *arena, struct exchange_notes *notes, const char *where,
                        const char *text);
/* TEXT on one line of a terminal or comment: at most 200 octets, no control characters. */
const char *exchange_printable(struct arena *arena, const char *text);
bool exchange_same(const char *a, const char *b); /* ASCII without case */

/* --- exchange_encoding.c --- */

/* UTF-8 with "\n" ends of line and no control characters but tab, out of UTF-8, UTF-16 with its
 * mark, or Windows-1252. */
struct bytes exchange_decode(struct arena *arena, struct bytes text);

/* --- exchange_lex.c --- */

enum exchange_token_type {
    EXCHANGE_TOKEN_END,
    EXCHANGE_TOKEN_WORD,
    EXCHANGE_TOKEN_STRING,
    EXCHANGE_TOKEN_PARAMETER, /* text without the dash */
    EXCHANGE_TOKEN_VARIABLE,  /* text without the dollar, in lower case */
    EXCHANGE_TOKEN_MARK,      /* text is one of | , ; = += ( ) { } @( @{ : ! */
};

/* Stands before a $ that begins a variable within a word or a string; nothing else contains it. */
#define EXCHANGE_EXPAND '\x01'

struct exchange_token {
    enum exchange_token_type type;
    const char *text;
    unsigned line;
    bool first; /* on its line, the line before not being continued */
    bool apart; /* an empty line or a prompt stands before it */
};

/* The tokens of TEXT (decoded), ending with EXCHANGE_TOKEN_END. */
struct exchange_token *exchange_lex(struct exchange_import *im, struct bytes text);

/* --- readers --- */

void exchange_shell_read(struct exchange_import *im, struct bytes text);
/* Plays SCRIPT with VARIABLE standing for ITEM. */
struct exchange_item;
void exchange_shell_run(struct exchange_import *im, const struct exchange_token *script,
                        const char *variable, const struct exchange_item *item);
/* Whether SCRIPT, the condition of a Where-Object, holds for ITEM. ITEM NULL: only whether it can
 * be understood. False after a fault too. */
bool exchange_filter_holds(struct exchange_import *im, const struct exchange_token *script,
                           const struct exchange_item *item);
/* Counts N more steps; false after the fault: there are too many. */
bool exchange_step(struct exchange_import *im, size_t n, const char *where);
void exchange_json_read(struct exchange_import *im, struct bytes text);
bool exchange_json_looks_like(struct bytes text);

/* --- exchange_property.c --- */

extern const struct exchange_property EXCHANGE_PROPERTIES[];
extern const size_t EXCHANGE_PROPERTY_COUNT;
/* The row of KIND that NAME means: whole, or as a prefix that no other shares. NULL; OTHER then
 * names one of those that share it, or is NULL. */
const struct exchange_property *exchange_property_find(enum exchange_kind kind, const char *name,
                                                       bool prefix, const char **other);
bool exchange_is_switch(const char *command, const char *parameter);
bool exchange_form_is_list(enum exchange_form form);
/* Whether our version has KEY for objects of KIND; STANDARD gets its default. */
bool exchange_key_known(enum exchange_kind kind, const char *key, const char **standard);

/* --- exchange_item.c, exchange_object.c, exchange_permission.c --- */

/* What goes through a pipeline: an object, one permission of it, or a text. */
struct exchange_item {
    struct exchange_object *object;
    const struct exchange_permission *permission; /* of OBJECT: one right, allowed or denied */
    const char *text;
};

struct exchange_targets {
    struct exchange_item *items;
    size_t count, capacity;
    bool piped;              /* a command before this one in the pipeline has said which */
    enum exchange_kind kind; /* that a Get asked for; else 0 */
};

void exchange_targets_add(struct exchange_import *im, struct exchange_targets *targets,
                          struct exchange_item item);
/* How a message names it. */
const char *exchange_item_shown(struct exchange_import *im, const struct exchange_item *item);
/* Adds the texts that PROPERTY ("": the item itself) has; false: nobody here knows. */
bool exchange_item_texts(struct exchange_import *im, const struct exchange_item *item,
                         const char *property, struct exchange_texts *out);

/* --- exchange_apply.c --- */

enum exchange_role { EXCHANGE_OTHER, EXCHANGE_CHOOSES, EXCHANGE_CHANGES };
/* Of what makes, changes, removes or gets an object. */
enum exchange_role exchange_command_role(const char *name);
/* One that has a role. */
void exchange_command_play(struct exchange_import *im, const struct exchange_command *command,
                           struct exchange_targets *targets);
/* Tells it when COMMAND has chosen none. */
void exchange_note_none(struct exchange_import *im, const struct exchange_command *command,
                        const struct exchange_targets *targets);

/* --- exchange_pipeline.c --- */

/* Plays COUNT commands that are joined by pipes. OUT, if somebody takes it, gets what comes out of
 * the last. */
void exchange_apply(struct exchange_import *im, const struct exchange_command *commands,
                    size_t count, struct exchange_targets *out);
/* What COMMAND changes by itself, were it played. */
bool exchange_command_changes(const char *command);
bool exchange_is_filter(const char *command);
bool exchange_is_loop(const char *command);
/* "Server\Name", a distinguished name, or a plain name; SERVER may become NULL. */
const char *exchange_identity_name(struct arena *arena, const char *identity, const char **server);
struct exchange_object *exchange_object_find(struct exchange_import *im, unsigned kinds,
                                             const char *identity);
/* NULL: too many. */
struct exchange_object *exchange_object_new(struct exchange_import *im, enum exchange_kind kind,
                                            const char *name);
/* The object of that identity; when no command has made it, one that is marked so. NULL: too many.
 */
struct exchange_object *exchange_object_refer(struct exchange_import *im, enum exchange_kind kind,
                                              const char *identity, const char *where);
const char *exchange_kind_name(enum exchange_kind kind);
void exchange_object_drop(struct exchange_import *im, struct exchange_object *object);
struct exchange_setting *exchange_setting_find(const struct exchange_object *object,
                                               const struct exchange_property *property);
struct exchange_setting *exchange_setting_named(const struct exchange_object *object,
                                                const char *name);
void exchange_setting_put(struct exchange_import *im, struct exchange_object *object,
                          const struct exchange_property *property,
                          const struct exchange_setting *value);
void exchange_setting_remove(struct exchange_object *object,
                             const struct exchange_property *property);
/* One argument that sets a property of OBJECT. */
void exchange_setting_take(struct exchange_import *im, struct exchange_object *object,
                           const struct exchange_property *property,
                           const struct exchange_argument *argument, bool from_export);
/* The template of a new receive connector. */
void exchange_usage_apply(struct exchange_import *im, struct exchange_object *object,
                          const struct exchange_command *command);
void exchange_permission_apply(struct exchange_import *im, const struct exchange_command *command,
                               struct exchange_targets *targets, bool is_remove);
/* Get-ADPermission: TARGETS become their permissions, or are found by COMMAND's identity. */
void exchange_permission_list(struct exchange_import *im, const struct exchange_command *command,
                              struct exchange_targets *targets);
unsigned exchange_groups_of(const struct exchange_object *object); /* enum rights_group, as bits */
const struct exchange_argument *exchange_argument_find(const struct exchange_command *command,
                                                       const char *name, size_t shortest);

/* --- exchange_value.c --- */

/* What SETTING is in our file: the text after "KEY = ". NULL: nothing of it could be taken over,
 * and that was noted. */
const char *exchange_value_format(struct exchange_import *im, struct exchange_object *object,
                                  const struct exchange_setting *setting);
/* TEXT in quotes, as libconfig wants it. */
const char *exchange_quote(struct arena *arena, const char *text);
/* Whether `mailrace check` of this version takes KEY = VALUE on an object of KIND; else WHY. */
bool exchange_value_accepted(enum exchange_kind kind, const char *key, const char *value,
                             struct err_detail *why);

/* --- exchange_emit.c --- */

void exchange_emit(struct exchange_import *im, FILE *out);

#endif
