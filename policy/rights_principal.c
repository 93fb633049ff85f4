/* The names of principals: ours, Exchange's, and those of localized systems. */
#include "policy/rights.h"

static const char *const names[RIGHTS_PRINCIPAL_COUNT] = {
    [RIGHTS_ANONYMOUS] = "Anonymous",
    [RIGHTS_AUTHENTICATED_USERS] = "AuthenticatedUsers",
    [RIGHTS_EXTERNALLY_SECURED_SERVERS] = "ExternallySecuredServers",
    [RIGHTS_EXCHANGE_SERVERS] = "ExchangeServers",
    [RIGHTS_PARTNER_SERVERS] = "PartnerServers",
    [RIGHTS_LEGACY_SERVERS] = "LegacyServers",
};

const char *rights_principal_name(enum rights_principal principal)
{
    switch (principal) {
    case RIGHTS_USER:
        return "user";
    case RIGHTS_GROUP:
        return "group";
    case RIGHTS_CERTIFICATE:
        return "cert";
    default:
        return (unsigned)principal < RIGHTS_PRINCIPAL_COUNT ? names[principal] : "";
    }
}

/* AUTHORITY: what may stand before the backslash. NULL: any (a domain's name) or none; "": nothing
 * may. Blanks do not count on either side: people type "NT Authority\AnonymousLogon". */
static const struct {
    const char *authority;
    const char *account;
    enum rights_principal principal;
} spellings[] = {
    {"", "Anonymous", RIGHTS_ANONYMOUS},
    {"", "AnonymousLogon", RIGHTS_ANONYMOUS},
    {"NTAUTHORITY", "Anonymous", RIGHTS_ANONYMOUS},
    {"NTAUTHORITY", "AnonymousLogon", RIGHTS_ANONYMOUS},
    {"NT-AUTORIT\xC3\x84T", "ANONYMOUS-ANMELDUNG", RIGHTS_ANONYMOUS},
    {"NT-AUTORIT\xC3\xA4T", "ANONYMOUS-ANMELDUNG", RIGHTS_ANONYMOUS},
    {"", "AuthenticatedUsers", RIGHTS_AUTHENTICATED_USERS},
    {"NTAUTHORITY", "AuthenticatedUsers", RIGHTS_AUTHENTICATED_USERS},
    {"NT-AUTORIT\xC3\x84T", "AuthentifizierteBenutzer", RIGHTS_AUTHENTICATED_USERS},
    {"NT-AUTORIT\xC3\xA4T", "AuthentifizierteBenutzer", RIGHTS_AUTHENTICATED_USERS},
    {"", "ExternallySecuredServers", RIGHTS_EXTERNALLY_SECURED_SERVERS},
    {"MSExchange", "ExternallySecuredServers", RIGHTS_EXTERNALLY_SECURED_SERVERS},
    {"MSExchange", "HubTransportServers", RIGHTS_EXCHANGE_SERVERS},
    {"MSExchange", "EdgeTransportServers", RIGHTS_EXCHANGE_SERVERS},
    {NULL, "ExchangeServers", RIGHTS_EXCHANGE_SERVERS},
    {"", "PartnerServers", RIGHTS_PARTNER_SERVERS},
    {"MSExchange", "PartnerServers", RIGHTS_PARTNER_SERVERS},
    {"", "LegacyServers", RIGHTS_LEGACY_SERVERS},
    {"MSExchange", "LegacyExchangeServers", RIGHTS_LEGACY_SERVERS},
    {NULL, "ExchangeLegacyInterop", RIGHTS_LEGACY_SERVERS},
};

static bool equal_without_blanks(struct bytes text, const char *word)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == ' ' || text.ptr[i] == '\t')
            continue;
        if (!*word || bytes_lower(text.ptr[i]) != bytes_lower(*word))
            return false;
        word++;
    }
    return !*word;
}

static bool parse_named(struct bytes text, enum rights_principal *out, struct bytes *name)
{
    static const enum rights_principal kinds[] = {RIGHTS_USER, RIGHTS_GROUP, RIGHTS_CERTIFICATE};
    struct bytes kind, rest;
    if (!bytes_split(text, ':', &kind, &rest))
        return false;
    kind = bytes_trim(kind);
    rest = bytes_trim(rest);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (bytes_equal_nocase(kind, bytes_of(rights_principal_name(kinds[i]))) && rest.len > 0) {
            *out = kinds[i];
            *name = rest;
            return true;
        }
    }
    return false;
}

enum err rights_principal_parse(struct bytes text, enum rights_principal *out, struct bytes *name)
{
    text = bytes_trim(text);
    *name = BYTES_EMPTY;
    if (parse_named(text, out, name))
        return ERR_OK;
    size_t slash = bytes_rfind(text, '\\');
    bool has_authority = slash != BYTES_NOT_FOUND;
    struct bytes authority = has_authority ? bytes_sub(text, 0, slash) : BYTES_EMPTY;
    struct bytes account = has_authority ? bytes_from(text, slash + 1) : text;
    for (size_t i = 0; i < ARRAY_SIZE(spellings); i++) {
        const char *wanted = spellings[i].authority;
        if (equal_without_blanks(account, spellings[i].account) &&
            (!wanted || equal_without_blanks(authority, wanted)) &&
            (!wanted || has_authority == (*wanted != '\0'))) {
            *out = spellings[i].principal;
            return ERR_OK;
        }
    }
    return ERR_SYNTAX;
}
