/* Accepted domains, and who exists in an authoritative one: that file is read when its key is, line
 * by line by policy/recipient_set.h. */
#include <stddef.h>

#include "config/conf_private.h"
#include "core/mem.h"

static const struct conf_file_rules RULES = {.size_max = RECIPIENT_SET_TEXT_MAX,
                                             .size_max_text = "512 MB"};

struct domain_draft {
    struct accepted_domain d; /* first: it is what is kept */
    const char *recipients_file;
};

struct recipients_reading {
    struct conf_reading *r;
    const char *path; /* of the key */
};

static void report_line(void *owner, const char *where, const char *text)
{
    struct recipients_reading *reading = owner;
    conf_fault(reading->r, where, reading->path, "%s", text);
}

void conf_read_recipients(struct conf_reading *r, const struct conf_value *value, const char *path,
                          void *target)
{
    struct domain_draft *draft = target;
    struct recipients_reading reading = {r, path};
    const char *name = draft->recipients_file;
    size_t len = 0;
    char *text = conf_file_read(r, value->where, path, name, &RULES, &len);
    if (text && recipient_set_parse(bytes_make(text, len), name, report_line, &reading,
                                    &draft->d.recipients))
        r->faulty = true;
    mem_free(text);
}

void conf_free_recipients(struct conf *conf)
{
    for (size_t i = 0; i < conf->rules.domain_count; i++) {
        struct recipient_set *recipients = conf->rules.domains[i].recipients;
        recipient_set_unref(&recipients);
    }
}

#define AT(member) CONF_AT(struct domain_draft, member)
static const struct conf_option OPTIONS[] = {
    {.key = "name",
     .type = CONF_TEXT,
     AT(d.name),
     .min = 1,
     .max = 256,
     .required = true,
     .standard = "",
     .help = "contoso.com, or *.contoso.com"},
    {.key = "type",
     .type = CONF_CHOICE,
     AT(d.type),
     .choices = DOMAIN_TYPES,
     .standard = "Authoritative",
     .help = "where its mailboxes are"},
    {.key = "default",
     .type = CONF_FLAG,
     AT(d.is_default),
     .standard = "false",
     .help = "gives postmaster its domain"},
    {.key = "match_sub_domains",
     .type = CONF_FLAG,
     AT(d.match_subdomains),
     .standard = "false",
     .help = "its subdomains too"},
    {.key = "recipients_file",
     .type = CONF_FILE,
     AT(recipients_file),
     .min = 1,
     .max = 4000,
     .standard = "",
     .help = "Authoritative only: its recipients, an address or a local part a line, # comments; "
             "550 5.1.1 to all others; relative to this file",
     .then = conf_read_recipients},
};

static void domain_start(struct conf_reading *r, const struct conf_value *group, void *element)
{
    (void)r;
    ((struct domain_draft *)element)->d.origin = group->where;
}

const struct conf_section CONF_DOMAIN = {
    .name = "accepted_domains[]",
    .options = OPTIONS,
    .count = ARRAY_SIZE(OPTIONS),
    .size = sizeof(struct domain_draft),
    .kept = sizeof(struct accepted_domain),
    .start = domain_start,
};
