/* config/exchange/exchange_object_private.h - the objects that the commands make, with their
 * settings and permissions, as Exchange would hold them.
 */
#ifndef CONFIG_EXCHANGE_OBJECT_PRIVATE_H
#define CONFIG_EXCHANGE_OBJECT_PRIVATE_H

#include "config/exchange/exchange_command_private.h"
#include "config/exchange/exchange_note_private.h"
#include "policy/rights.h"

struct exchange_setting {
    struct cds_list_head link;
    const struct exchange_property *property;
    const char *name; /* as typed */
    const char *where;
    const char *origin; /* NULL, or why it is set though it was not written */
    struct exchange_texts values;
    bool from_export;
};

struct exchange_permission {
    struct cds_list_head link;
    const char *user; /* as typed */
    const char *where;
    enum rights_principal principal;
    const char *name;                /* of user:, group:, cert: */
    rights_mask allow, deny, remove; /* remove: taken away, even where a group gives it */
    bool from_export;
};

struct exchange_object {
    struct cds_list_head link;
    enum exchange_kind kind;
    const char *name;
    const char *server;               /* NULL: not said */
    bool created;                     /* by a command; else only ever referred to */
    struct cds_list_head sources;     /* struct exchange_note: the commands that made it */
    struct cds_list_head notes;       /* struct exchange_note: what was not taken over */
    struct cds_list_head settings;    /* struct exchange_setting */
    struct cds_list_head permissions; /* struct exchange_permission */
};
#define EXCHANGE_OBJECTS_EACH(object, im)                                                          \
    LIST_EACH (object, &(im)->objects, struct exchange_object, link)
#define EXCHANGE_PERMISSIONS_EACH(permission, object)                                              \
    LIST_EACH (permission, &(object)->permissions, struct exchange_permission, link)

/* "Server\Name", a distinguished name, or a plain name; SERVER may get NULL. */
const char *exchange_identity_name(struct arena *arena, const char *identity, const char **server);
struct exchange_object *exchange_object_find(struct exchange_importer *im, unsigned kinds,
                                             const char *identity);
/* NULL after a fault: too many. */
struct exchange_object *exchange_object_new(struct exchange_importer *im, enum exchange_kind kind,
                                            const char *name, const char *where);
/* The object of that identity; when no command has made it, one that is marked so. NULL after a
 * fault: too many. */
struct exchange_object *exchange_object_refer(struct exchange_importer *im, enum exchange_kind kind,
                                              const char *identity, const char *where);
/* One that is gone already does no harm. */
void exchange_object_drop(struct exchange_importer *im, struct exchange_object *object);
/* COMMAND had a part in making OBJECT. */
void exchange_object_source(struct exchange_importer *im, struct exchange_object *object,
                            const struct exchange_command *command);

struct exchange_setting *exchange_setting_find(const struct exchange_object *object,
                                               const struct exchange_property *property);
struct exchange_setting *exchange_setting_named(const struct exchange_object *object,
                                                const char *name);
void exchange_setting_put(struct exchange_importer *im, struct exchange_object *object,
                          const struct exchange_property *property,
                          const struct exchange_setting *value);
void exchange_setting_remove(struct exchange_object *object,
                             const struct exchange_property *property);
/* One argument that sets a property of OBJECT. */
void exchange_setting_take(struct exchange_importer *im, struct exchange_object *object,
                           const struct exchange_property *property,
                           const struct exchange_argument *argument, bool from_export);

#endif
