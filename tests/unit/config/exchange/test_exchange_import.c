/* What an administrator pastes, command by command and value by value. */
#include "config/exchange/exchange_import.h"

#include <stdlib.h>

#include "exchange_rows.h"

static void test_usages(void)
{
    static const struct row rows[] = {
        {.name = "custom brings Tls and nobody",
         .text = CUSTOM(""),
         .wanted = {"bindings = [ \"10.0.0.1:25\" ];", "remote_ip_ranges = [ \"10.0.0.9\" ];",
                    "permission_groups = [ \"None\" ];    # usage Custom",
                    "auth_mechanism = [ \"Tls\" ];    # usage Custom"}},
        {.name = "internet takes everybody",
         .text = "New-ReceiveConnector Front -Internet -Bindings 0.0.0.0:25",
         .wanted = {"name = \"Front\"", "\"0.0.0.0-255.255.255.255\" ];    # usage Internet",
                    "[ \"AnonymousUsers\" ]", "[ \"Tls\" ]"}},
        {.name = "internal brings the port and the servers",
         .text = "New-ReceiveConnector -Name Hub -Usage Internal -RemoteIPRanges 10.0.0.0/8",
         .wanted = {"[ \"0.0.0.0:25\" ];    # usage Internal",
                    "[ \"ExchangeServers\", \"ExchangeLegacyServers\" ]",
                    "[ \"Tls\", \"ExchangeServer\" ]"}},
        {.name = "client brings 587 and the ways to log on",
         .text = "New-ReceiveConnector -Client Phones -RemoteIPRanges 0.0.0.0-255.255.255.255",
         .wanted = {"name = \"Phones\"", "\"0.0.0.0:587\"", "[ \"ExchangeUsers\" ]",
                    "#auth_mechanism = [ \"Tls\", \"BasicAuth\", \"BasicAuthRequireTLS\", "
                    "\"Integrated\" ];",
                    "        auth_mechanism = [ \"Tls\" ];    # usage Client"},
         .told =
             {"-AuthMechanism [ \"Tls\", \"BasicAuth\", \"BasicAuthRequireTLS\", \"Integrated\" ]: "
              "BasicAuth needs users"}},
        {.name = "partner",
         .text = "New-ReceiveConnector -Name P -Partner -Bindings 10.0.0.1:25 -RemoteIPRanges "
                 "192.0.2.0/24",
         .wanted = {"[ \"Partners\" ]", "[ \"Tls\" ]"}},
        {.name = "what is given overrides the usage",
         .text = "New-ReceiveConnector -Name FromInternetGateway -Server HubA -Usage Internal "
                 "-RemoteIPRanges 192.168.1.10 -AuthMechanism ExternalAuthoritative",
         .wanted = {"auth_mechanism = [ \"ExternalAuthoritative\" ];\n",
                    "permission_groups = [ \"ExchangeServers\", \"ExchangeLegacyServers\" ];",
                    "# in.ps1:1: not taken over: -Server HubA: "},
         .told = {"in.ps1:1: not taken over: -Server HubA: "}},
        {.name = "an unknown usage is told",
         .text = "New-ReceiveConnector -Name X -Usage Webmail -Bindings 10.0.0.1:25 "
                 "-RemoteIPRanges 10.0.0.9",
         .told = {"-Usage Webmail: one of Custom"}},
        {.name = "without clients it is disabled",
         .text = "New-ReceiveConnector -Name X -Usage Custom -Bindings 10.0.0.1:25",
         .wanted = {"enabled = false;", "not in the file: name the clients here"},
         .told = {"is not complete"}},
    };
    run_rows(rows, ARRAY_SIZE(rows));
}

static void test_protocol_logs(void)
{
#define PLACE "log = { protocol_path = \"/var/log/mailrace\"; };\n"
#define TOLD                                                                                       \
    "log.protocol_path is set to /var/log/mailrace for the protocol logs: see that it exists"
    static const struct row rows[] = {
        {.name = "receive connector",
         .text = CUSTOM("-ProtocolLoggingLevel Verbose"),
         .wanted = {PLACE, "protocol_logging_level = \"Verbose\";", "must exist", TOLD},
         .told = {"in.ps1:1: " TOLD}},
        {.name = "send connector, changed later",
         .text = "New-SendConnector Out -AddressSpaces '*' -SmartHosts gw.example.com\n"
                 "Get-SendConnector | Set-SendConnector -ProtocolLoggingLevel verbose",
         .wanted = {PLACE, "protocol_logging_level = \"Verbose\";"},
         .told = {"in.ps1:2: " TOLD}},
        {.name = "taken back",
         .text = CUSTOM("-ProtocolLoggingLevel Verbose") "\nSet-ReceiveConnector Relay "
                                                         "-ProtocolLoggingLevel None",
         .wanted = {"protocol_logging_level = \"None\";"},
         .unwanted = {"protocol_path", "Verbose"}},
        {.name = "never spoken of",
         .text = CUSTOM(""),
         .unwanted = {"protocol_path", "protocol_logging_level"}},
        {.name = "exported at its default",
         .text = "{ \"Name\": \"Relay\", \"Bindings\": [ \"10.0.0.1:25\" ], \"RemoteIPRanges\": [ "
                 "\"10.0.0.9\" ], \"ProtocolLoggingLevel\": \"None\" }",
         .unwanted = {"protocol_path", "protocol_logging_level"}},
        {.name = "exported",
         .text = "{ \"Name\": \"Relay\", \"Bindings\": [ \"10.0.0.1:25\" ], \"RemoteIPRanges\": [ "
                 "\"10.0.0.9\" ], \"ProtocolLoggingLevel\": \"Verbose\" }",
         .wanted = {PLACE, "protocol_logging_level = \"Verbose\";"}},
        {.name = "a level that there is not",
         .text = CUSTOM("-ProtocolLoggingLevel Chatty"),
         .unwanted = {"protocol_path"},
         .told = {"-ProtocolLoggingLevel Chatty"}},
        {.name = "an alternate recipient may be named",
         .text = CUSTOM("-OrarEnabled $true"),
         .wanted = {"        orar_enabled = true;"}},
    };
    run_rows(rows, ARRAY_SIZE(rows));
}

static const struct row shell_rows[] = {
    {.name = "any case, prefixes of parameters",
     .text = "new-receiveconnector -NAME Relay -us custom -bind 10.0.0.1:25 -Remote 10.0.0.9 "
             "-permission anonymoususers",
     .wanted = {"name = \"Relay\"", "\"10.0.0.1:25\"", "\"10.0.0.9\"", "\"AnonymousUsers\""}},
    {.name = "an ambiguous prefix is told",
     .text = CUSTOM("-Auth Tls"),
     .told = {"-Auth: more than one parameter begins so"}},
    {.name = "an unknown parameter is told",
     .text = CUSTOM("-Colour blue"),
     .told = {"-Colour blue: there is no such parameter here"}},
    {.name = "typographic quotes and dashes",
     .text = CUSTOM("") "Get\xE2\x80\x93ReceiveConnector \xE2\x80\x9CRelay\xE2\x80\x9D | "
                        "Add-ADPermission \xE2\x80\x93User \xE2\x80\x98NT AUTHORITY\\ANONYMOUS "
                        "LOGON\xE2\x80\x99 \xE2\x80\x93"
                        "ExtendedRights "
                        "\xE2\x80\x9Cms\xE2\x80\x93"
                        "Exch-SMTP-Accept-Any-Recipient\xE2\x80\xB3\n",
     .wanted = {AR},
     .unwanted = {"enabled = false"}},
    {.name = "Windows-1252 quotes",
     .text = "New-ReceiveConnector -Name \x93Relay\x94 -Internet -Bindings \x91"
             "10.0.0.1:25\x92",
     .wanted = {"name = \"Relay\"", "\"10.0.0.1:25\""}},
    {.name = "continued by backticks",
     .text = "New-ReceiveConnector -Name Relay `\r\n  -Usage Custom `\r\n -Bindings 10.0.0.1:25 "
             "-RemoteIPRanges 10.0.0.9\r\n",
     .wanted = {"name = \"Relay\"", "\"10.0.0.9\""}},
    {.name = "a transcript with prompts and the table it printed",
     .text = "[PS] C:\\>New-ReceiveConnector -Name \"Relay E15MB1\" -Usage Custom `\n"
             ">> -Bindings 0.0.0.0:25 -RemoteIPRanges 192.168.0.181\n\n"
             "Identity   Bindings   Enabled\n--------   --------   -------\n"
             "E15MB1\\R... {0.0.0.0:25} True\n\n"
             "[PS] C:\\>Get-ReceiveConnector \"Relay E15MB1\" | Add-ADPermission " GRANT "\n\n"
             "Identity             User                 Deny  Inherited\n"
             "--------             ----                 ----  ---------\n"
             "E15MB1\\Relay E15MB1  NT AUTHORITY\\ANON... False False\n",
     .wanted = {"name = \"Relay E15MB1\"", AR, "\"192.168.0.181\""},
     .unwanted = {"enabled = false"}},
    {.name = "lines broken by a page",
     .text = "New-ReceiveConnector -Name Relay -Usage\nCustom -Bindings '10.0.0.1:25' -\n"
             "RemoteIPRanges 10.0.0.9,\n10.0.0.10\n-PermissionGroups AnonymousUsers\n"
             "Get-ReceiveConnector Relay\n| Add-ADPermission -User \"NT AUTHORITY\\ANONYMOUS\n"
             "LOGON\" -ExtendedRights \"ms-Exch-SMTP-Accept-\nAny-Recipient\"\n",
     .wanted = {"[ \"AnonymousUsers\" ]", AR, "[ \"10.0.0.9\", \"10.0.0.10\" ]"},
     .unwanted = {"enabled = false"}},
    {.name = "an identity of several words without quotes",
     .text = "New-ReceiveConnector -Name \"connector name\" -Internet -Bindings 10.0.0.1:25\n"
             "Set-ReceiveConnector connector name -RemoteIPRanges 10.0.0.9\n"
             "Get-ReceiveConnector connector name | Add-ADPermission " GRANT,
     .wanted = {"name = \"connector name\"", AR, "[ \"10.0.0.9\" ]"}},
    {.name = "lists with blanks, in one text, in brackets",
     .text =
         CUSTOM("-PermissionGroups 'AnonymousUsers, ExchangeServers'") "Set-ReceiveConnector Relay "
                                                                       "-RemoteIPRanges 10.0.0.1 , "
                                                                       "10.0.0.2, @(\"10.0.0.3\")",
     .wanted = {"[ \"10.0.0.1\", \"10.0.0.2\", \"10.0.0.3\" ]",
                "[ \"AnonymousUsers\", \"ExchangeServers\" ]"}},
    {.name = "edits of a list",
     .text = CUSTOM("") "Set-ReceiveConnector Relay -RemoteIPRanges "
                        "@{Add=\"10.1.0.0/16\",\"10.2.0.1\"; Remove='10.0.0.9'}",
     .wanted = {"remote_ip_ranges = [ \"10.1.0.0/16\", \"10.2.0.1\" ];"}},
    {.name = "variables, and the older way to append",
     .text = "$ips = \"10.0.0.1\",\"10.0.0.2\"\n" CUSTOM(
         "") "Set-ReceiveConnector Relay -RemoteIPRanges $ips\n"
             "$rc = Get-ReceiveConnector Relay\n$rc.RemoteIPRanges += \"10.0.0.3\"\n"
             "Set-ReceiveConnector Relay -RemoteIPRanges $rc.RemoteIPRanges -Enabled $true",
     .wanted = {"[ \"10.0.0.1\", \"10.0.0.2\", \"10.0.0.3\" ]", "enabled = true"}},
    {.name = "comments, semicolons, a connector out of New in the pipeline",
     .text = "# first\n<# New-ReceiveConnector\n no #> " CUSTOM(
         "# Set-Foo") "; New-ReceiveConnector -Name B -Custom -Bindings 10.0.0.1:26 "
                      "-RemoteIPRanges "
                      "10.0.0.9 | Add-ADPermission " GRANT,
     .wanted = {"name = \"Relay\"", "name = \"B\"", AR}},
    {.name = "Server\\Name, a new name, removal",
     .text = CUSTOM("") "Set-ReceiveConnector \"EX1\\Relay\" -Name \"Relay two\" -Comment 'it''s "
                        "\"new\" \\ here'\n"
                        "New-ReceiveConnector -Name Gone -Internet -Bindings "
                        "10.0.0.1:26\nRemove-ReceiveConnector Gone -Confirm:$false",
     .wanted = {"name = \"Relay two\"", "comment = \"it's \\\"new\\\" \\\\ here\""},
     .unwanted = {"Gone"}},
    {.name = "made twice: the later counts",
     .text = CUSTOM("") CUSTOM("-PermissionGroups AnonymousUsers"),
     .wanted = {"[ \"AnonymousUsers\" ]"},
     .told = {"in.ps1:1: receive connector \"Relay\": made again at in.ps1:2"}},
    {.name = "another server's connector of that name is left out",
     .text = CUSTOM("-Server EX1") CUSTOM("-Server EX2 -PermissionGroups AnonymousUsers"),
     .unwanted = {"AnonymousUsers"},
     .told = {"of server EX2: left out"}},
    {.name = "what is not ours is told",
     .text = CUSTOM("") "Restart-Service MSExchangeTransport\nSet-TransportConfig "
                        "-MaxSendSize 50MB\nGet-ReceiveConnector Relay | fl *",
     .told = {"Restart-Service: not taken over", "Set-TransportConfig: not taken over"}},
    {.name = "text that is no command",
     .text = "To relay, use this:\n" CUSTOM(""),
     .wanted = {"name = \"Relay\"", "# in.ps1:1: not understood:"},
     .told = {"in.ps1:1: \"To\" begins no command"},
     .not_understood = true},
    {.name = "a quote that is never closed",
     .text = CUSTOM("") "New-ReceiveConnector -Name \"Oops -Usage Custom\n",
     .told = {"in.ps1:2: the quotation mark is never closed"},
     .not_understood = true},
    {.name = "nothing at all", .text = " \n", .not_understood = true},
};

static void test_shell(void)
{
    run_rows(shell_rows, ARRAY_SIZE(shell_rows));
}

static void test_values(void)
{
    static const struct row rows[] = {
        {.name = "sizes and spans",
         .text = CUSTOM("-MaxMessageSize 25MB -MaxHeaderSize 131072 -ConnectionTimeout 00:15:00 "
                        "-ConnectionInactivityTimeout 0.00:02:30 -TarpitInterval 00:00:00 "
                        "-MaxProtocolErrors unlimited -MaxHopCount 60"),
         .wanted = {"max_message_size = \"25MB\"", "max_header_size = \"128KB\"",
                    "connection_timeout = \"15m\"", "connection_inactivity_timeout = \"150s\"",
                    "tarpit_interval = \"0s\"", "max_protocol_errors = \"unlimited\"",
                    "max_hop_count = 60"}},
        {.name = "out of range: a comment and the reason",
         .text = CUSTOM("-MaxHopCount 9999 -MaxMessageSize 12 -SizeEnabled sometimes"),
         .wanted = {"#max_hop_count = 9999;", "#max_message_size = \"12B\";"},
         .told = {"-MaxHopCount 9999: a whole number from 1 to 500", "-SizeEnabled sometimes"}},
        {.name = "flags",
         .text = CUSTOM("-ChunkingEnabled $false -BinaryMimeEnabled $false "
                        "-RequireEHLODomain:$true -Enabled $false "
                        "-PipeliningEnabled 0 -EightBitMimeEnabled maybe"),
         .wanted = {"chunking_enabled = false", "binary_mime_enabled = false",
                    "require_ehlo_domain = true", "enabled = false", "pipelining_enabled = false"},
         .told = {"-EightBitMimeEnabled maybe: $true or $false is wanted"}},
        {.name = "ranges in every form, one of them wrong",
         .text = CUSTOM("") "Set-ReceiveConnector Relay -RemoteIPRanges 10.0.0.1-10.0.0.5,"
                            "10.2.0.0(255.255.0.0),10.3.0.0/16,fd00::/64,10.0.0.300 -Bindings "
                            "10.0.0.1:25,[::1]:25",
         .wanted = {"\"10.0.0.1-10.0.0.5\", \"10.2.0.0(255.255.0.0)\", \"10.3.0.0/16\", "
                    "\"fd00::/64\" ]",
                    "[ \"10.0.0.1:25\", \"[::1]:25\" ]"},
         .told = {"-RemoteIPRanges 10.0.0.300: "}},
        {.name = "a parameter whose value is not known",
         .text = CUSTOM("-Fqdn $name -Banner (Get-Banner)"),
         .unwanted = {"fqdn = ", "banner = "},
         .told = {"-Fqdn $name: its value is not known", "-Banner"}},
        {.name = "a domain, made the default",
         .text = "New-AcceptedDomain -Name Contoso -DomainName contoso.com -DomainType "
                 "authoritative\nNew-AcceptedDomain -Name Sub -DomainName *.branch.example "
                 "-DomainType InternalRelay\nSet-AcceptedDomain Contoso -MakeDefault $true",
         .wanted = {"name = \"contoso.com\"", "type = \"Authoritative\"", "default = true",
                    "name = \"*.branch.example\"", "type = \"InternalRelay\""}},
    };
    run_rows(rows, ARRAY_SIZE(rows));
}

static void test_permissions(void)
{
    static const struct row rows[] = {
        {.name = "deny, several rights, a user",
         .text = CUSTOM(
             "-PermissionGroups AnonymousUsers") "Add-ADPermission Relay -User Anonymous "
                                                 "-ExtendedRights Submit,ms-Exch-Bypass-Anti-Spam\n"
                                                 "Add-ADPermission -Identity \"EX1\\Relay\" -User "
                                                 "'CONTOSO\\app' -ExtendedRights "
                                                 "ms-Exch-SMTP-Accept-Any-Sender -Deny",
         .wanted = {"{ user = \"Anonymous\"; allow = [ \"ms-Exch-SMTP-Submit\", "
                    "\"ms-Exch-Bypass-Anti-Spam\" ]; }",
                    "{ user = \"user:app\"; deny = [ \"ms-Exch-SMTP-Accept-Any-Sender\" ]; }"},
         .told = {"user CONTOSO\\app: taken as \"user:app\""}},
        {.name = "removed again",
         .text = CUSTOM("") "Get-ReceiveConnector Relay | Add-ADPermission " GRANT
                            "\nGet-ReceiveConnector Relay | Remove-ADPermission " GRANT,
         .unwanted = {"permissions = ("}},
        {.name = "removed from what a group gives",
         .text = CUSTOM(
             "-PermissionGroups AnonymousUsers") "Get-ReceiveConnector Relay | Remove-ADPermission "
                                                 "-User Anonymous -ExtendedRights "
                                                 "ms-Exch-SMTP-Accept-Authoritative-Domain-Sender",
         .wanted = {"{ user = \"Anonymous\"; deny = [ "
                    "\"ms-Exch-SMTP-Accept-Authoritative-Domain-Sender\" ]; }"}},
        {.name = "an unknown right, an unknown connector",
         .text = "Get-ReceiveConnector \"CRM Application\" | Add-ADPermission -User Anonymous "
                 "-ExtendedRights ms-Exch-SMTP-Accept-Any-Recipient,ms-Exch-Fly",
         .wanted = {"name = \"CRM Application\"", AR, "enabled = false"},
         .told = {"no command here makes the receive connector \"CRM Application\"",
                  "-ExtendedRights ms-Exch-Fly: there is no such right"}},
        {.name = "never an open relay by itself",
         .text = "New-ReceiveConnector -Name Front -Internet -Bindings 0.0.0.0:25 | "
                 "Add-ADPermission " GRANT,
         .unwanted = {AR},
         .told = {"it makes an open relay"}},
        {.name = "what check refuses is told at once",
         .text = CUSTOM("") "New-ReceiveConnector -Name B -Custom -Bindings 10.0.0.1:25 "
                            "-RemoteIPRanges 10.0.0.9",
         .wanted = {"# `mailrace check` still refuses this:"},
         .told = {"the configuration needs your hand"},
         .check_refuses = true},
    };
    run_rows(rows, ARRAY_SIZE(rows));
}

#define GATEWAY "New-SendConnector -Name Out -AddressSpaces '*' -SmartHosts gw.contoso.com "

static void test_send(void)
{
    static const struct row rows[] = {
        {.name = "smart hosts, without authentication",
         .text = "New-SendConnector -Name Out -Usage Internet -AddressSpaces \"SMTP:*;10\", "
                 "contoso.com -SmartHosts gw.contoso.com,192.0.2.7,[2001:db8::7] "
                 "-SmartHostAuthMechanism None -Port 2525 -SourceTransportServers HubA "
                 "-DNSRoutingEnabled $false",
         .wanted = {"address_spaces = [ \"*;10\", \"contoso.com\" ]",
                    "smart_hosts = [ \"gw.contoso.com\", \"[192.0.2.7]\", \"[2001:db8::7]\" ]",
                    "smart_host_auth_mechanism = \"None\"", "port = 2525",
                    "dns_routing_enabled = false"},
         .told = {"-SourceTransportServers HubA: ", "-Usage Internet: "}},
        {.name = "externally secured",
         .text = GATEWAY "-SmartHostAuthMechanism ExternalAuthoritative",
         .wanted = {"smart_host_auth_mechanism = \"ExternalAuthoritative\"",
                    "dns_routing_enabled = false;    # smart hosts are given"}},
        {.name = "a password is nobody's to guess",
         .text = "$mycred = get-credential\n" GATEWAY
                 "-SmartHostAuthMechanism BasicAuth,BasicAuthRequireTLS "
                 "-AuthenticationCredential $mycred",
         .wanted = {"#smart_host_auth_mechanism = \"BasicAuthRequireTLS\";",
                    "#authentication_credential = { user = \"...\"; password_file = "
                    "\"/etc/mailrace/out.secret\"; };",
                    "require_tls = true;"},
         .told = {"the user and the password are not in the file"}},
        {.name = "by MX",
         .text =
             "New-SendConnector Mx -AddressSpaces *;5 -DNSRoutingEnabled $true -RequireTLS $true",
         .wanted = {"address_spaces = [ \"*;5\" ]", "dns_routing_enabled = true",
                    "require_tls = true"}},
    };
    run_rows(rows, ARRAY_SIZE(rows));
}

static const struct row json_rows[] = {
    {.name = "an export of a remote session",
     .text = "[\n "
             "{\"Name\":\"Relay\",\"Identity\":\"EX1\\\\Relay\",\"Bindings\":[\"0.0.0.0:25\"],\n"
             "  \"RemoteIPRanges\":[\"10.0.0.0/8\",\"192.0.2.1\"],\"AuthMechanism\":\"Tls, "
             "ExternalAuthoritative\",\"PermissionGroups\":\"AnonymousUsers, ExchangeServers, "
             "Custom\",\n"
             "  \"MaxMessageSize\":\"25 MB (26,214,400 bytes)\",\"MaxHeaderSize\":\"256 KB "
             "(262,144 bytes)\",\"ConnectionTimeout\":\"00:20:00\",\"Enabled\":true,\"Guid\":"
             "\"x\",\"BareLinefeedRejectionEnabled\":false,\"Banner\":null,\"Odd\":false}\n]",
     .wanted = {"name = \"Relay\"", "[ \"10.0.0.0/8\", \"192.0.2.1\" ]",
                "[ \"Tls\", \"ExternalAuthoritative\" ]",
                "[ \"AnonymousUsers\", \"ExchangeServers\" ]", "max_message_size = \"25MB\"",
                "connection_timeout = \"20m\"", "# export at in.ps1:2"},
     .unwanted = {"max_header_size", "enabled", "bare_linefeed", "Odd", "Guid"},
     .told = {"in.ps1:2: not taken over: -PermissionGroups Custom"}},
    {.name = "objects of .NET",
     .text = "{\"Name\":\"Relay\",\"Bindings\":[{\"Address\":{\"IPAddressToString\":\"10.0.0.1\"},"
             "\"Port\":25}],\"RemoteIPRanges\":[{\"Expression\":\"10.0.0.9\"}],"
             "\"PermissionGroups\":[\"AnonymousUsers\"],\"ConnectionTimeout\":{\"TotalSeconds\":"
             "900.0},\"TarpitInterval\":{\"Ticks\":70000000},\"MaxInboundConnection\":"
             "{\"IsUnlimited\":true},\"AuthMechanism\":1}",
     .wanted = {"[ \"10.0.0.1:25\" ]", "[ \"10.0.0.9\" ]", "connection_timeout = \"15m\"",
                "tarpit_interval = \"7s\"", "max_inbound_connection = \"unlimited\""},
     .told = {"-AuthMechanism 1: a number does not tell"}},
    {.name = "send connector, domain and permission, one export behind the other",
     .text = "{\"Name\":\"Out\",\"AddressSpaces\":[{\"Type\":\"SMTP\",\"Address\":\"*\",\"Cost\":3}"
             "],"
             "\"SmartHosts\":[\"[192.0.2.7]\"],\"DNSRoutingEnabled\":false}\n"
             "{\"DomainName\":{\"Domain\":\"contoso.com\"},\"Name\":\"Contoso\",\"DomainType\":"
             "\"InternalRelay\",\"Default\":true}\n"
             "{\"Name\":\"Relay\",\"Bindings\":[\"10.0.0.1:25\"],\"RemoteIPRanges\":"
             "[\"10.0.0.9\"],\"PermissionGroups\":\"AnonymousUsers\"}\n"
             "[{\"Identity\":\"EX1\\\\Relay\",\"User\":{\"RawIdentity\":\"NT "
             "AUTHORITY\\\\ANONYMOUS "
             "LOGON\"},\"ExtendedRights\":[{\"RawIdentity\":\"ms-Exch-SMTP-Accept-Any-Recipient\"},"
             "{\"RawIdentity\":\"ms-Exch-SMTP-Submit\"}],\"Deny\":false,\"IsInherited\":false}]",
     .wanted = {"[ \"*;3\" ]", "[ \"[192.0.2.7]\" ]", "name = \"contoso.com\"",
                "type = \"InternalRelay\"", "default = true", AR}},
    {.name = "one object, lists of one that are no lists, sizes and numbers as they come",
     .text = "{\"Name\":\"Relay\",\"Bindings\":\"[::]:25\",\"RemoteIPRanges\":\"10.0.0.0/8\","
             "\"PermissionGroups\":\"AnonymousUsers\",\"AuthMechanism\":[\"Tls\"],"
             "\"MaxMessageSize\":\"36 MB (37,748,736 bytes)\",\"MaxHeaderSize\":"
             "{\"IsUnlimited\":false,\"Value\":\"128 KB (131,072 bytes)\"},"
             "\"MaxHopCount\":\"60\",\"MaxProtocolErrors\":\"Unlimited\","
             "\"ConnectionTimeout\":{\"Days\":0,\"Hours\":0,\"Minutes\":12,\"Ticks\":"
             "7200000000},\"ConnectionInactivityTimeout\":\"00:07:00\",\"ChunkingEnabled\":"
             "\"False\"}",
     .wanted = {"[ \"[::]:25\" ]", "[ \"10.0.0.0/8\" ]", "max_header_size = \"128KB\"",
                "max_hop_count = 60", "max_protocol_errors = \"unlimited\"",
                "connection_timeout = \"12m\"", "connection_inactivity_timeout = \"7m\"",
                "chunking_enabled = false"},
     .unwanted = {"max_message_size"}},
    {.name = "ranges and addresses as whole objects",
     .text = "{\"Name\":\"Relay\",\"Bindings\":[{\"Address\":{\"Address\":0,\"AddressFamily\":2,"
             "\"ScopeId\":null,\"IPAddressToString\":\"0.0.0.0\"},\"AddressFamily\":2,\"Port\":"
             "25},{\"Address\":\"::1\",\"Port\":26}],\"RemoteIPRanges\":[{\"LowerBound\":"
             "{\"IPAddressToString\":\"10.0.0.1\"},\"UpperBound\":{\"IPAddressToString\":"
             "\"10.0.0.9\"},\"RangeFormat\":3},{\"LowerBound\":\"fd00::1\",\"UpperBound\":"
             "\"fd00::1\"},{\"LowerBound\":\"10.1.0.0\",\"UpperBound\":\"10.1.255.255\","
             "\"Expression\":\"10.1.0.0/16\"}],\"PermissionGroups\":[\"AnonymousUsers\","
             "\"ExchangeServers\"]}",
     .wanted = {"[ \"0.0.0.0:25\", \"[::1]:26\" ]",
                "[ \"10.0.0.1-10.0.0.9\", \"fd00::1\", \"10.1.0.0/16\" ]",
                "[ \"AnonymousUsers\", \"ExchangeServers\" ]"}},
    {.name = "a value that the export has lost is told",
     .text = "{\"Name\":\"Relay\",\"Bindings\":[\"10.0.0.1:25\"],\"RemoteIPRanges\":"
             "[\"10.0.0.9\"],\"MaxMessageSize\":{},\"Banner\":{\"Length\":3},\"Guid\":{},"
             "\"PermissionGroups\":1}",
     .told = {"-MaxMessageSize: the export does not hold its value", "-Banner: the export",
              "-PermissionGroups 1: a number does not tell: export names"}},
    {.name = "neither of them",
     .text = "[{\"Colour\":\"blue\"},\n 7]",
     .told = {"in.ps1:1: neither a receive connector", "entry 2 is no object"},
     .not_understood = true},
    {.name = "broken",
     .text = "[{\"Name\":\"Relay\",\n\"Bindings\":",
     .told = {"in.ps1:2: no sound JSON"},
     .not_understood = true},
};

static void test_json(void)
{
    run_rows(json_rows, ARRAY_SIZE(json_rows));
}

/* What the several versions of PowerShell write, of commands and of exports. */
static void test_encodings(void)
{
    static const struct {
        const char *name, *mark;
        unsigned octets; /* a character */
        bool big_endian;
    } rows[] = {
        {"UTF-8 with its mark", "\xEF\xBB\xBF", 1, false},
        {"UTF-16, little-endian", "\xFF\xFE", 2, false},
        {"UTF-16, big-endian", "\xFE\xFF", 2, true},
    };
    static const char *const texts[] = {
        CUSTOM(""), "[{\"Name\":\"Relay\",\"Bindings\":\"10.0.0.1:25\",\r\n\"RemoteIPRanges\":"
                    "\"10.0.0.9\"}]\r\n"};
    for (size_t i = 0; i < ARRAY_SIZE(rows) * ARRAY_SIZE(texts); i++) {
        const char *text = texts[i % ARRAY_SIZE(texts)];
        char coded[1024], *out = NULL;
        size_t octets = rows[i / ARRAY_SIZE(texts)].octets, size = 0;
        size_t len = strlen(rows[i / ARRAY_SIZE(texts)].mark);
        struct notes notes = {.faults = 0};
        unit_row(rows[i / ARRAY_SIZE(texts)].name);
        memset(coded, 0, sizeof coded);
        memcpy(coded, rows[i / ARRAY_SIZE(texts)].mark, len);
        for (; *text; text++, len += octets)
            coded[len + (rows[i / ARRAY_SIZE(texts)].big_endian ? 1 : 0)] = *text;
        FILE *to = open_memstream(&out, &size);
        CHECK(exchange_import(bytes_make(coded, len), "in.ps1", take_note, &notes, to) == ERR_OK);
        fclose(to);
        CHECK(strstr(out, "name = \"Relay\""));
        CHECK(strstr(out, "[ \"10.0.0.9\" ]"));
        free(out);
    }
}

UNIT_MAIN("config/exchange/exchange_import", {"usages", test_usages},
          {"protocol logs", test_protocol_logs}, {"shell", test_shell}, {"values", test_values},
          {"permissions", test_permissions}, {"send", test_send}, {"json", test_json},
          {"encodings", test_encodings})
