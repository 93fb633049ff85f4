/* Exchange's parameters and properties, and the keys that they are here. Which of the keys this
 * version has is looked up in its option tables: a row for one that it has not yet does no harm.
 */
#include "config/exchange/exchange_property_private.h"

#include "config/exchange/exchange_text_private.h"

#define R   EXCHANGE_RECEIVE
#define S   EXCHANGE_SEND
#define D   EXCHANGE_DOMAIN
#define RS  (R | S)
#define W   EXCHANGE_REWRITE
#define ALL (R | S | D | W)

#define ONE_MACHINE "a configuration is of one machine: this one"
#define NO_TIME     "only steers the command itself"

const struct exchange_property EXCHANGE_PROPERTIES[] = {
    {"Identity", ALL, EXCHANGE_IDENTITY, NULL, NULL, NULL},
    {"Name", RS | W, EXCHANGE_TEXT, "name", NULL, NULL},
    {"Name", D, EXCHANGE_INTERNAL, NULL, NULL, NULL},
    {"DomainName", D, EXCHANGE_TEXT, "name", NULL, NULL},
    {"DomainType", D, EXCHANGE_CHOICE, "type", "Authoritative,InternalRelay,ExternalRelay", NULL},
    {"Default", D, EXCHANGE_FLAG, "default", NULL, NULL},
    {"MakeDefault", D, EXCHANGE_FLAG, "default", NULL, NULL},
    {"MatchSubDomains", D, EXCHANGE_FLAG, "match_sub_domains", NULL, NULL},
    {"AddressBookEnabled", D, EXCHANGE_DROP, NULL, "recipients are not looked up", ""},
    {"InternalAddress", W, EXCHANGE_TEXT, "internal_address", NULL, NULL},
    {"ExternalAddress", W, EXCHANGE_TEXT, "external_address", NULL, NULL},
    {"OutboundOnly", W, EXCHANGE_FLAG, "outbound_only", NULL, NULL},
    {"ExceptionList", W, EXCHANGE_TEXTS, "exception_list", NULL, NULL},
    {"Enabled", RS, EXCHANGE_FLAG, "enabled", NULL, NULL},
    {"Comment", RS, EXCHANGE_TEXT, "comment", NULL, NULL},

    {"Usage", R, EXCHANGE_USAGE, NULL, NULL, NULL},
    {"Custom", R, EXCHANGE_USAGE, NULL, NULL, NULL},
    {"Internet", R, EXCHANGE_USAGE, NULL, NULL, NULL},
    {"Internal", R, EXCHANGE_USAGE, NULL, NULL, NULL},
    {"Client", R, EXCHANGE_USAGE, NULL, NULL, NULL},
    {"Partner", R, EXCHANGE_USAGE, NULL, NULL, NULL},
    {"Bindings", R, EXCHANGE_BINDINGS, "bindings", NULL, NULL},
    {"RemoteIPRanges", R, EXCHANGE_RANGES, "remote_ip_ranges", NULL, NULL},
    {"PermissionGroups", R, EXCHANGE_WORDS, "permission_groups",
     "None,AnonymousUsers,ExchangeUsers,ExchangeServers,ExchangeLegacyServers,Partners", NULL},
    {"AuthMechanism", R, EXCHANGE_WORDS, "auth_mechanism",
     "None,Tls,Integrated,BasicAuth,BasicAuthRequireTLS,ExchangeServer,ExternalAuthoritative",
     NULL},

    {"AddressSpaces", S, EXCHANGE_SPACES, "address_spaces", NULL, NULL},
    {"DNSRoutingEnabled", S, EXCHANGE_FLAG, "dns_routing_enabled", NULL, NULL},
    {"SmartHosts", S, EXCHANGE_HOSTS, "smart_hosts", NULL, NULL},
    {"SmartHostAuthMechanism", S, EXCHANGE_SMART_AUTH, "smart_host_auth_mechanism",
     "None,BasicAuth,BasicAuthRequireTLS,ExchangeServer,ExternalAuthoritative", NULL},
    {"AuthenticationCredential", S, EXCHANGE_CREDENTIAL, "authentication_credential", NULL, NULL},
    {"Port", S, EXCHANGE_COUNT, "port", NULL, NULL},

    {"Fqdn", RS, EXCHANGE_TEXT, "fqdn", NULL, NULL},
    {"Banner", R, EXCHANGE_TEXT, "banner", NULL, NULL},
    {"RequireTLS", RS, EXCHANGE_FLAG, "require_tls", NULL, NULL},
    {"IgnoreSTARTTLS", S, EXCHANGE_FLAG, "ignore_starttls", NULL, NULL},
    {"ForceHELO", S, EXCHANGE_FLAG, "force_helo", NULL, NULL},
    {"DomainSecureEnabled", RS, EXCHANGE_FLAG, "domain_secure_enabled", NULL, "false"},
    {"TlsCertificateName", RS, EXCHANGE_TEXT, "tls_certificate_name", NULL, NULL},
    {"TlsDomainCapabilities", R, EXCHANGE_TEXTS, "tls_domain_capabilities", NULL, NULL},
    {"TlsAuthLevel", S, EXCHANGE_CHOICE, "tls_auth_level",
     "EncryptionOnly,CertificateValidation,DomainValidation", NULL},
    {"TlsDomain", S, EXCHANGE_TEXT, "tls_domain", NULL, NULL},
    {"SuppressXAnonymousTls", R, EXCHANGE_DROP, NULL, "X-ANONYMOUSTLS is never offered", "false"},
    {"EnableAuthGSSAPI", R, EXCHANGE_FLAG, "enable_auth_gssapi", NULL, "false"},
    {"ExtendedProtectionPolicy", R, EXCHANGE_CHOICE, "extended_protection_policy",
     "None,Allow,Require", "None"},
    {"RequireEHLODomain", R, EXCHANGE_FLAG, "require_ehlo_domain", NULL, NULL},
    {"MaxMessageSize", RS, EXCHANGE_SIZE, "max_message_size", NULL, NULL},
    {"MaxHeaderSize", R, EXCHANGE_SIZE, "max_header_size", NULL, NULL},
    {"MaxHopCount", R, EXCHANGE_COUNT, "max_hop_count", NULL, NULL},
    {"MaxLocalHopCount", R, EXCHANGE_COUNT, "max_local_hop_count", NULL, NULL},
    {"MaxRecipientsPerMessage", R, EXCHANGE_COUNT, "max_recipients_per_message", NULL, NULL},
    {"MaxProtocolErrors", R, EXCHANGE_COUNT, "max_protocol_errors", NULL, NULL},
    {"MaxLogonFailures", R, EXCHANGE_COUNT, "max_logon_failures", NULL, "3"},
    {"MaxInboundConnection", R, EXCHANGE_COUNT, "max_inbound_connection", NULL, NULL},
    {"MaxInboundConnectionPerSource", R, EXCHANGE_COUNT, "max_inbound_connection_per_source", NULL,
     NULL},
    {"MaxInboundConnectionPercentagePerSource", R, EXCHANGE_COUNT,
     "max_inbound_connection_percentage_per_source", NULL, NULL},
    {"MessageRateLimit", R, EXCHANGE_COUNT, "message_rate_limit", NULL, "unlimited"},
    {"MessageRateSource", R, EXCHANGE_CHOICE, "message_rate_source", "None,IPAddress,User,All",
     "IPAddress"},
    {"ConnectionTimeout", R, EXCHANGE_SPAN, "connection_timeout", NULL, NULL},
    {"ConnectionInactivityTimeout", RS, EXCHANGE_SPAN, "connection_inactivity_timeout", NULL, NULL},
    {"TarpitInterval", R, EXCHANGE_SPAN, "tarpit_interval", NULL, NULL},
    {"AuthTarpitInterval", R, EXCHANGE_SPAN, "auth_tarpit_interval", NULL, "00:00:05"},
    {"MaxAcknowledgementDelay", R, EXCHANGE_SPAN, "max_acknowledgement_delay", NULL, "00:00:30"},
    {"ProtocolLoggingLevel", RS, EXCHANGE_CHOICE, "protocol_logging_level", "None,Verbose", "None"},
    {"SizeEnabled", R, EXCHANGE_CHOICE, "size_enabled", "Enabled,Disabled,EnabledWithoutValue",
     NULL},
    {"PipeliningEnabled", R, EXCHANGE_FLAG, "pipelining_enabled", NULL, NULL},
    {"DeliveryStatusNotificationEnabled", R, EXCHANGE_FLAG, "delivery_status_notification_enabled",
     NULL, NULL},
    {"EnhancedStatusCodesEnabled", R, EXCHANGE_FLAG, "enhanced_status_codes_enabled", NULL, NULL},
    {"EightBitMimeEnabled", R, EXCHANGE_FLAG, "eight_bit_mime_enabled", NULL, NULL},
    {"ChunkingEnabled", R, EXCHANGE_FLAG, "chunking_enabled", NULL, NULL},
    {"BinaryMimeEnabled", R, EXCHANGE_FLAG, "binary_mime_enabled", NULL, NULL},
    {"OrarEnabled", R, EXCHANGE_FLAG, "orar_enabled", NULL, "false"},
    {"LongAddressesEnabled", R, EXCHANGE_FLAG, "long_addresses_enabled", NULL, "false"},
    {"SmtpUtf8Enabled", R, EXCHANGE_FLAG, "smtp_utf8_enabled", NULL, "false"},
    /* Exchange's default lets messages with bare line ends through: only a wish written down
     * changes ours. */
    {"BareLinefeedRejectionEnabled", R, EXCHANGE_FLAG, "bare_linefeed_rejection_enabled", NULL,
     "false"},
    {"RejectReservedTopLevelRecipientDomains", R, EXCHANGE_FLAG,
     "reject_reserved_top_level_recipient_domains", NULL, "false"},
    {"RejectReservedSecondLevelRecipientDomains", R, EXCHANGE_FLAG,
     "reject_reserved_second_level_recipient_domains", NULL, "false"},
    {"RejectSingleLabelRecipientDomains", R, EXCHANGE_FLAG, "reject_single_label_recipient_domains",
     NULL, "false"},
    {"DefaultDomain", R, EXCHANGE_TEXT, "default_domain", NULL, NULL},

    {"SmtpMaxMessagesPerConnection", S, EXCHANGE_COUNT, "smtp_max_messages_per_connection", NULL,
     NULL},
    {"SourceIPAddress", S, EXCHANGE_ADDRESS, "source_ip_address", NULL, NULL},
    {"UseExternalDNSServersEnabled", S, EXCHANGE_FLAG, "use_external_dns_servers_enabled", NULL,
     "false"},
    {"ErrorPolicies", S, EXCHANGE_WORDS, "error_policies",
     "Default,DowngradeDnsFailures,DowngradeCustomFailures,UpgradeCustomFailures", "Default"},
    {"CloudServicesMailEnabled", S, EXCHANGE_FLAG, "cloud_services_mail_enabled", NULL, "false"},
    {"LinkedReceiveConnector", S, EXCHANGE_TEXT, "linked_receive_connector", NULL, NULL},
    {"Usage", S, EXCHANGE_DROP, NULL, "a send connector's rights do not depend on it here", ""},
    {"Custom", S, EXCHANGE_DROP, NULL, "a send connector's rights do not depend on it here", ""},
    {"Internet", S, EXCHANGE_DROP, NULL, "a send connector's rights do not depend on it here", ""},
    {"Internal", S, EXCHANGE_DROP, NULL, "a send connector's rights do not depend on it here", ""},
    {"Partner", S, EXCHANGE_DROP, NULL, "a send connector's rights do not depend on it here", ""},

    {"Server", R, EXCHANGE_DROP, NULL, ONE_MACHINE, ""},
    {"SourceTransportServers", S, EXCHANGE_DROP, NULL, ONE_MACHINE, ""},
    {"IsScopedConnector", S, EXCHANGE_DROP, NULL, "there are no sites here", "false"},
    {"FrontendProxyEnabled", S, EXCHANGE_DROP, NULL, "there is no front end here", "false"},
    {"TransportRole", R, EXCHANGE_DROP, NULL, "there is one role here", ""},
    {"AdvertiseClientSettings", R, EXCHANGE_DROP, NULL, "there is no web mail to show it", "false"},
    {"ServiceDiscoveryFqdn", R, EXCHANGE_DROP, NULL, "there is no service discovery here", NULL},
    {"DomainController", ALL, EXCHANGE_DROP, NULL, "there is no directory here", NULL},
    {"Force", ALL, EXCHANGE_DROP, NULL, NO_TIME, NULL},
    {"Confirm", ALL, EXCHANGE_DROP, NULL, NO_TIME, NULL},
    {"WhatIf", ALL, EXCHANGE_DROP, NULL,
     "Exchange would only have shown the command; it counts all the same", NULL},
};
const size_t EXCHANGE_PROPERTY_COUNT = ARRAY_SIZE(EXCHANGE_PROPERTIES);

const struct exchange_property *exchange_property_find(enum exchange_kind kind, const char *name)
{
    for (size_t i = 0; i < EXCHANGE_PROPERTY_COUNT; i++) {
        const struct exchange_property *p = &EXCHANGE_PROPERTIES[i];
        if ((p->kinds & (unsigned)kind) && exchange_same(p->name, name))
            return p;
    }
    return NULL;
}

const struct exchange_property *exchange_property_guess(enum exchange_kind kind, const char *typed,
                                                        const char **other)
{
    const struct exchange_property *found = exchange_property_find(kind, typed);
    *other = NULL;
    if (found)
        return found;
    for (size_t i = 0; *typed && i < EXCHANGE_PROPERTY_COUNT; i++) {
        const struct exchange_property *p = &EXCHANGE_PROPERTIES[i];
        if (!(p->kinds & (unsigned)kind) ||
            !bytes_starts_nocase(bytes_of(p->name), bytes_of(typed)))
            continue;
        if (found) {
            *other = p->name;
            return NULL;
        }
        found = p;
    }
    return found;
}

const char *exchange_kind_name(enum exchange_kind kind)
{
    return kind == EXCHANGE_RECEIVE  ? "receive connector"
           : kind == EXCHANGE_SEND   ? "send connector"
           : kind == EXCHANGE_DOMAIN ? "accepted domain"
                                     : "address rewrite entry";
}

bool exchange_is_switch(const char *command, const char *parameter)
{
    static const char *const always[] = {"WhatIf", "Confirm", "Force", "Deny"};
    static const char *const usages[] = {"Custom", "Internet", "Internal", "Client", "Partner"};
    struct bytes typed = bytes_of(parameter);
    for (size_t i = 0; i < ARRAY_SIZE(always); i++)
        if (typed.len >= 3 && bytes_starts_nocase(bytes_of(always[i]), typed))
            return true;
    for (size_t i = 0; i < ARRAY_SIZE(usages); i++)
        if (typed.len >= 2 && strncasecmp(command, "new-", 4) == 0 &&
            bytes_equal_nocase(bytes_of(usages[i]), typed))
            return true;
    return false;
}

bool exchange_form_is_list(enum exchange_form form)
{
    return form >= EXCHANGE_WORDS && form <= EXCHANGE_HOSTS;
}
