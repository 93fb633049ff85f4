/* The reference page, row by row of the option table. */
#include <inttypes.h>

#include "config/conf_private.h"

static const char *type_name(const struct conf_option *o)
{
    static const char *const names[] = {
        [CONF_TEXT] = "text",        [CONF_FILE] = "file",       [CONF_FLAG] = "true/false",
        [CONF_NUMBER] = "number",    [CONF_OCTETS] = "size",     [CONF_DURATION] = "duration",
        [CONF_CHOICE] = "one of",    [CONF_BITS] = "any of",     [CONF_PARSED] = "",
        [CONF_LIST] = "list",        [CONF_SECTIONS] = "groups", [CONF_GROUP] = "group",
        [CONF_UNAVAILABLE] = "none", [CONF_REMOVED] = "removed",
    };
    if (o->type == CONF_TEXT && o->choices)
        return "one of";
    return o->type == CONF_PARSED ? o->element->type : names[o->type];
}

static void write_type(const struct conf_option *o, FILE *out)
{
    fputs(type_name(o), out);
    if (o->type == CONF_LIST)
        fprintf(out, " of %s", o->element ? o->element->type : "text");
}

static void write_allowed(const struct conf_option *o, FILE *out)
{
    char names[1024];
    if (o->choices)
        fputs(choice_list(o->choices, "", names, sizeof names), out);
    else if (o->type == CONF_FLAG)
        fputs("true, false", out);
    else if (o->type == CONF_DURATION)
        fprintf(out, "%" PRIu64 " s to %" PRIu64 " s", o->min / 1000, o->max / 1000);
    else if (o->type == CONF_OCTETS || o->type == CONF_NUMBER)
        fprintf(out, "%" PRIu64 " to %" PRIu64, o->min, o->max);
    else if (o->type == CONF_UNAVAILABLE)
        fputs(*o->standard ? o->standard : "nothing", out);
    else if (o->type == CONF_SECTIONS)
        fprintf(out, "%s", o->section->name);
    else if (o->type == CONF_TEXT || o->type == CONF_FILE)
        fprintf(out, "%" PRIu64 " to %" PRIu64 " octets", o->min, o->max);
    if (o->unlimited)
        fputs(" or unlimited", out);
}

static void write_row(const struct conf_option *o, FILE *out)
{
    fprintf(out, "| `%s` | ", o->key);
    write_type(o, out);
    fprintf(out, " | %s | ", *o->standard ? o->standard : o->required ? "required" : "none");
    write_allowed(o, out);
    fprintf(out, " | %s | %s |\n", o->reload == CONF_RESTART ? "restart" : "reload", o->help);
}

static void write_section(const struct conf_section *section, FILE *out)
{
    fprintf(out,
            "\n## %s\n\n| key | type | default | allowed | change | meaning "
            "|\n|---|---|---|---|---|---|\n",
            *section->name ? section->name : "Top level");
    for (size_t i = 0; i < section->count; i++)
        if (section->options[i].type != CONF_GROUP)
            write_row(&section->options[i], out);
    for (size_t i = 0; i < section->count; i++)
        if (section->options[i].section)
            write_section(section->options[i].section, out);
}

void conf_write_reference(FILE *out)
{
    fputs("# Configuration reference\n\n"
          "Written by `mailrace check --reference` from the option table; do not edit.\n"
          "Sizes: `64KB`, `36MB`. Durations: `30s`, `5m`, `4h`, `2d` or `dd.hh:mm:ss`.\n"
          "\"reload\": effective at SIGHUP; \"restart\": at the next start, until when the value\n"
          "that runs stays in force everywhere. A key that was removed is a warning, no error.\n",
          out);
    write_section(&CONF_ROOT, out);
}
