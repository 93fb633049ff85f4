/* Names of rights and groups, and what they add up to. */
#include "policy/rights.h"

#include <stdio.h>

const struct choice RIGHTS[] = {
    {"ms-Exch-SMTP-Submit", RIGHTS_SUBMIT},
    {"ms-Exch-SMTP-Accept-Any-Recipient", RIGHTS_ACCEPT_ANY_RECIPIENT},
    {"ms-Exch-SMTP-Accept-Any-Sender", RIGHTS_ACCEPT_ANY_SENDER},
    {"ms-Exch-SMTP-Accept-Authoritative-Domain-Sender", RIGHTS_ACCEPT_AUTHORITATIVE_DOMAIN_SENDER},
    {"ms-Exch-SMTP-Accept-Authentication-Flag", RIGHTS_ACCEPT_AUTHENTICATION_FLAG},
    {"ms-Exch-Accept-Headers-Routing", RIGHTS_ACCEPT_HEADERS_ROUTING},
    {"ms-Exch-Accept-Headers-Organization", RIGHTS_ACCEPT_HEADERS_ORGANIZATION},
    {"ms-Exch-Accept-Headers-Forest", RIGHTS_ACCEPT_HEADERS_FOREST},
    {"ms-Exch-SMTP-Accept-Exch50", RIGHTS_ACCEPT_EXCH50},
    {"ms-Exch-Bypass-Anti-Spam", RIGHTS_BYPASS_ANTI_SPAM},
    {"ms-Exch-Bypass-Message-Size-Limit", RIGHTS_BYPASS_MESSAGE_SIZE_LIMIT},
    {"ms-Exch-Send-Headers-Routing", RIGHTS_SEND_HEADERS_ROUTING},
    {"ms-Exch-Send-Headers-Organization", RIGHTS_SEND_HEADERS_ORGANIZATION},
    {"ms-Exch-Send-Headers-Forest", RIGHTS_SEND_HEADERS_FOREST},
    {"ms-Exch-SMTP-Send-Exch50", RIGHTS_SEND_EXCH50},
    {NULL, 0},
};
_Static_assert(ARRAY_SIZE(RIGHTS) == RIGHTS_COUNT + 1, "every right has a name");

/* As the information line "Set Session Permissions" of Exchange's protocol log has them; in the
 * order of RIGHTS. */
static const char *const short_names[RIGHTS_COUNT] = {
    "SMTPSubmit",
    "SMTPAcceptAnyRecipient",
    "SMTPAcceptAnySender",
    "SMTPAcceptAuthoritativeDomainSender",
    "SMTPAcceptAuthenticationFlag",
    "AcceptRoutingHeaders",
    "AcceptOrganizationHeaders",
    "AcceptForestHeaders",
    "SMTPAcceptEXCH50",
    "BypassAntiSpam",
    "BypassMessageSizeLimit",
    "SendRoutingHeaders",
    "SendOrganizationHeaders",
    "SendForestHeaders",
    "SMTPSendEXCH50",
};

const char *rights_name(enum rights_right right)
{
    const char *name = choice_name(RIGHTS, (uint32_t)right);
    return name ? name : "";
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
        if (bytes_equal_nocase(core, right_core(bytes_of(RIGHTS[i].name))) ||
            bytes_equal_nocase(text, bytes_of(short_names[i]))) {
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
        int n = snprintf(to + used, size - used, "%s%s", used ? " " : "", short_names[i]);
        used += n > 0 ? (size_t)n : 0;
    }
    return to;
}

const struct choice RIGHTS_GROUPS[] = {
    {"Custom", RIGHTS_GROUP_CUSTOM},
    {"None", 0},
    {"AnonymousUsers", RIGHTS_GROUP_ANONYMOUS_USERS},
    {"ExchangeUsers", RIGHTS_GROUP_EXCHANGE_USERS},
    {"ExchangeServers", RIGHTS_GROUP_EXCHANGE_SERVERS},
    {"ExchangeLegacyServers", RIGHTS_GROUP_EXCHANGE_LEGACY_SERVERS},
    {"Partners", RIGHTS_GROUP_PARTNERS},
    {NULL, 0},
};

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
