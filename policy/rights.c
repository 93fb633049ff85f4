/* Names of rights and groups, and what they add up to. */
#include "policy/rights.h"

#include <stdio.h>

/* The display names are Exchange's, never cut; the short ones are those of the information line
 * "Set Session Permissions" in its protocol log. */
static const struct {
    const char *name;
    const char *short_name;
} rights_table[RIGHTS_COUNT] = {
    {"ms-Exch-SMTP-Submit", "SMTPSubmit"},
    {"ms-Exch-SMTP-Accept-Any-Recipient", "SMTPAcceptAnyRecipient"},
    {"ms-Exch-SMTP-Accept-Any-Sender", "SMTPAcceptAnySender"},
    {"ms-Exch-SMTP-Accept-Authoritative-Domain-Sender", "SMTPAcceptAuthoritativeDomainSender"},
    {"ms-Exch-SMTP-Accept-Authentication-Flag", "SMTPAcceptAuthenticationFlag"},
    {"ms-Exch-Accept-Headers-Routing", "AcceptRoutingHeaders"},
    {"ms-Exch-Accept-Headers-Organization", "AcceptOrganizationHeaders"},
    {"ms-Exch-Accept-Headers-Forest", "AcceptForestHeaders"},
    {"ms-Exch-SMTP-Accept-Exch50", "SMTPAcceptEXCH50"},
    {"ms-Exch-Bypass-Anti-Spam", "BypassAntiSpam"},
    {"ms-Exch-Bypass-Message-Size-Limit", "BypassMessageSizeLimit"},
    {"ms-Exch-Send-Headers-Routing", "SendRoutingHeaders"},
    {"ms-Exch-Send-Headers-Organization", "SendOrganizationHeaders"},
    {"ms-Exch-Send-Headers-Forest", "SendForestHeaders"},
    {"ms-Exch-SMTP-Send-Exch50", "SMTPSendEXCH50"},
};

const char *rights_name(enum rights_right right)
{
    for (unsigned i = 0; i < RIGHTS_COUNT; i++)
        if ((unsigned)right == 1u << i)
            return rights_table[i].name;
    return "";
}

static struct bytes without_prefix(struct bytes text, struct bytes prefix)
{
    return bytes_starts_nocase(text, prefix) ? bytes_from(text, prefix.len) : text;
}

static struct bytes right_core(struct bytes text)
{
    return without_prefix(without_prefix(text, BYTES("ms-Exch-")), BYTES("SMTP-"));
}

enum err rights_parse(struct bytes text, enum rights_right *out)
{
    text = bytes_trim(text);
    struct bytes core = right_core(text);
    for (unsigned i = 0; i < RIGHTS_COUNT; i++) {
        if (bytes_equal_nocase(core, right_core(bytes_of(rights_table[i].name))) ||
            bytes_equal_nocase(text, bytes_of(rights_table[i].short_name))) {
            *out = (enum rights_right)(1u << i);
            return ERR_OK;
        }
    }
    return ERR_SYNTAX;
}

char *rights_format_short(rights_mask mask, char *to, size_t size)
{
    size_t used = 0;
    if (size > 0)
        to[0] = '\0';
    for (unsigned i = 0; i < RIGHTS_COUNT && used < size; i++) {
        if (!(mask & 1u << i))
            continue;
        int n =
            snprintf(to + used, size - used, "%s%s", used ? " " : "", rights_table[i].short_name);
        used += n > 0 ? (size_t)n : 0;
    }
    return to;
}

static const struct {
    const char *name;
    enum rights_group group;
} group_table[] = {
    {"AnonymousUsers", RIGHTS_GROUP_ANONYMOUS_USERS},
    {"ExchangeUsers", RIGHTS_GROUP_EXCHANGE_USERS},
    {"ExchangeServers", RIGHTS_GROUP_EXCHANGE_SERVERS},
    {"ExchangeLegacyServers", RIGHTS_GROUP_EXCHANGE_LEGACY_SERVERS},
    {"Partners", RIGHTS_GROUP_PARTNERS},
    {"Custom", RIGHTS_GROUP_CUSTOM},
};

enum err rights_group_parse(struct bytes text, unsigned *out)
{
    text = bytes_trim(text);
    if (bytes_equal_nocase(text, BYTES("None"))) {
        *out = 0;
        return ERR_OK;
    }
    for (size_t i = 0; i < ARRAY_SIZE(group_table); i++) {
        if (bytes_equal_nocase(text, bytes_of(group_table[i].name))) {
            *out = group_table[i].group;
            return ERR_OK;
        }
    }
    return ERR_SYNTAX;
}

const char *rights_group_name(enum rights_group group)
{
    for (size_t i = 0; i < ARRAY_SIZE(group_table); i++)
        if (group_table[i].group == group)
            return group_table[i].name;
    return "None";
}

#define RIGHTS_SUBMIT_AND_ROUTING (RIGHTS_SUBMIT | RIGHTS_ACCEPT_HEADERS_ROUTING)
#define RIGHTS_ANY_SENDER         (RIGHTS_ACCEPT_ANY_SENDER | RIGHTS_ACCEPT_AUTHORITATIVE_DOMAIN_SENDER)
/* What Exchange gives a server it knows: all but organization and forest headers. */
#define RIGHTS_OF_SERVER                                                                           \
    (RIGHTS_SUBMIT_AND_ROUTING | RIGHTS_ACCEPT_ANY_RECIPIENT | RIGHTS_ANY_SENDER |                 \
     RIGHTS_ACCEPT_AUTHENTICATION_FLAG | RIGHTS_ACCEPT_EXCH50 | RIGHTS_BYPASS_ANTI_SPAM |          \
     RIGHTS_BYPASS_MESSAGE_SIZE_LIMIT)

/* The members and rights of a permission group are fixed. */
static const struct {
    enum rights_group group;
    enum rights_principal principal;
    rights_mask rights;
} preset_table[] = {
    {RIGHTS_GROUP_ANONYMOUS_USERS, RIGHTS_ANONYMOUS, RIGHTS_SUBMIT_AND_ROUTING | RIGHTS_ANY_SENDER},
    {RIGHTS_GROUP_EXCHANGE_USERS, RIGHTS_AUTHENTICATED_USERS,
     RIGHTS_SUBMIT_AND_ROUTING | RIGHTS_ACCEPT_ANY_RECIPIENT | RIGHTS_BYPASS_ANTI_SPAM},
    {RIGHTS_GROUP_EXCHANGE_SERVERS, RIGHTS_EXCHANGE_SERVERS,
     RIGHTS_OF_SERVER | RIGHTS_ACCEPT_HEADERS_ORGANIZATION | RIGHTS_ACCEPT_HEADERS_FOREST},
    {RIGHTS_GROUP_EXCHANGE_SERVERS, RIGHTS_EXTERNALLY_SECURED_SERVERS, RIGHTS_OF_SERVER},
    {RIGHTS_GROUP_EXCHANGE_LEGACY_SERVERS, RIGHTS_LEGACY_SERVERS, RIGHTS_OF_SERVER},
    {RIGHTS_GROUP_PARTNERS, RIGHTS_PARTNER_SERVERS, RIGHTS_SUBMIT_AND_ROUTING},
};

rights_mask rights_of_groups(unsigned groups, enum rights_principal principal)
{
    rights_mask mask = 0;
    for (size_t i = 0; i < ARRAY_SIZE(preset_table); i++)
        if ((groups & preset_table[i].group) && preset_table[i].principal == principal)
            mask |= preset_table[i].rights;
    return mask;
}

/* Names compare as ASCII without case. */
static bool identity_matches(const struct rights_identity *who, const struct rights_entry *entry)
{
    if (who->principal != entry->principal)
        return false;
    if (who->principal < RIGHTS_PRINCIPAL_COUNT)
        return true;
    return who->name && entry->name &&
           bytes_equal_nocase(bytes_of(who->name), bytes_of(entry->name));
}

void rights_each_source(const struct rights_acl *acl, const struct rights_identity *who,
                        size_t count, void (*each)(void *owner, const struct rights_source *source),
                        void *owner)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t g = 0; g < ARRAY_SIZE(preset_table); g++) {
            if (!(acl->groups & preset_table[g].group) ||
                preset_table[g].principal != who[i].principal)
                continue;
            each(owner, &(struct rights_source){.group = preset_table[g].group,
                                                .allow = preset_table[g].rights});
        }
        for (size_t j = 0; j < acl->entry_count; j++) {
            const struct rights_entry *e = &acl->entries[j];
            if (identity_matches(&who[i], e))
                each(owner,
                     &(struct rights_source){.entry = e, .allow = e->allow, .deny = e->deny});
        }
    }
}

struct sum {
    rights_mask allow, deny;
};

static void add_source(void *owner, const struct rights_source *source)
{
    struct sum *sum = owner;
    sum->allow |= source->allow;
    sum->deny |= source->deny;
}

rights_mask rights_evaluate(const struct rights_acl *own, const struct rights_acl *inherited,
                            const struct rights_identity *who, size_t count)
{
    struct sum said = {0}, before = {0};
    rights_each_source(own, who, count, add_source, &said);
    if (inherited)
        rights_each_source(inherited, who, count, add_source, &before);
    rights_mask mask = (said.allow | (before.allow & ~before.deny)) & ~said.deny;
    ASSERT(mask >> RIGHTS_COUNT == 0);
    return mask;
}

rights_mask rights_compile(unsigned groups, const struct rights_entry *entries, size_t count,
                           const struct rights_entry *inherited, size_t inherited_count,
                           enum rights_principal principal, const char *name)
{
    struct rights_acl own = {groups, entries, count};
    struct rights_acl parent = {0, inherited, inherited_count};
    struct rights_identity who = {principal, name};
    return rights_evaluate(&own, &parent, &who, 1);
}
