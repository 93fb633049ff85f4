/* What libconfig has read, as values in our arena: the only file that knows libconfig. */
#include <libconfig.h>

#include "config/conf_private.h"

static const char *origin(struct conf_reading *r, const config_setting_t *s, const char *file)
{
    const char *included = config_setting_source_file(s);
    return arena_printf(r->arena, "%s:%u", included ? included : file,
                        config_setting_source_line(s));
}

#define DEPTH_MAX 16

static bool take(struct conf_reading *r, const config_setting_t *s, const char *file,
                 unsigned depth, struct conf_value *out)
{
    const char *name = config_setting_name(s);
    out->name = name ? arena_strdup(r->arena, name) : NULL;
    out->where = origin(r, s, file);
    switch (config_setting_type(s)) {
    case CONFIG_TYPE_STRING:
        out->type = CONF_VALUE_TEXT;
        out->text = arena_strdup(r->arena, config_setting_get_string(s));
        return true;
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        out->type = CONF_VALUE_NUMBER;
        out->number = config_setting_get_int64(s);
        return true;
    case CONFIG_TYPE_BOOL:
        out->type = CONF_VALUE_FLAG;
        out->flag = config_setting_get_bool(s);
        return true;
    case CONFIG_TYPE_FLOAT:
        out->type = CONF_VALUE_REAL;
        return true;
    default:
        break;
    }
    if (depth == DEPTH_MAX) {
        conf_fault(r, out->where, name ? name : "", "nested too deeply");
        return false;
    }
    out->type = config_setting_is_group(s) ? CONF_VALUE_GROUP : CONF_VALUE_LIST;
    int length = config_setting_length(s);
    out->count = length > 0 ? (size_t)length : 0;
    out->items = ARENA_NEW_ARRAY(r->arena, struct conf_value, out->count);
    for (size_t i = 0; i < out->count; i++)
        if (!take(r, config_setting_get_elem(s, (unsigned)i), file, depth + 1, &out->items[i]))
            return false;
    return true;
}

enum err conf_read_tree(struct conf_reading *r, const char *text, const char *file,
                        struct conf_value *root)
{
    config_t config;
    config_init(&config);
    config_set_include_dir(&config, r->directory);
    bool ok = config_read_string(&config, text) == CONFIG_TRUE;
    if (!ok) {
        const char *included = config_error_file(&config);
        conf_fault(
            r,
            arena_printf(r->arena, "%s:%d", included ? included : file, config_error_line(&config)),
            "", "%s", config_error_text(&config));
    } else {
        ok = take(r, config_root_setting(&config), file, 0, root);
    }
    config_destroy(&config);
    return ok ? ERR_OK : ERR_SYNTAX;
}
