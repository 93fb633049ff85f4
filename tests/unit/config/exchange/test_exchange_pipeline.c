/* Filters, loops and variables: which of the connectors that the same text has made a command is
 * played on. Three stand ready: Relay and Scan, and Front, which is disabled.
 */
#include "config/exchange/exchange_import.h"

#include <stdlib.h>

#include "exchange_rows.h"

#define THREE                                                                                      \
    "New-ReceiveConnector -Name Relay -Usage Custom -Bindings 10.0.0.1:25 -RemoteIPRanges "        \
    "10.0.0.9 -Server EX1\n"                                                                       \
    "New-ReceiveConnector -Name Scan -Usage Custom -Bindings 10.0.0.1:26 -RemoteIPRanges "         \
    "10.0.0.8 -PermissionGroups AnonymousUsers,ExchangeServers -MaxMessageSize 5MB\n"              \
    "New-ReceiveConnector -Name Front -Internet -Bindings 10.0.0.2:25 -Enabled $false\n"
/* What a condition lets through gets a comment. */
#define MARK " | Set-ReceiveConnector -Comment found\n"

static struct {
    const char *condition;
    bool relay, scan, front;
} const CONDITIONS[] = {
    {"where {$_.Name -eq \"Relay\"}", true, false, false},
    {"Where-Object {$_.name -EQ 'relay'}", true, false, false},
    {"? {$_.Name -eq \"Relay\"}", true, false, false},
    {"?{$_.Name -eq \"Relay\"}", true, false, false},
    {"where -FilterScript {$_.Name -eq \"Relay\"}", true, false, false},
    {"where {$PSItem.Name -eq \"Relay\"}", true, false, false},
    {"where {\"Relay\" -eq $_.Name}", true, false, false},
    {"where {$_.Name -ceq \"relay\" -or $_.Name -ceq \"Scan\"}", false, true, false},
    {"where {$_.Name -ne \"Relay\"}", false, true, true},
    {"where {$_.Name -like \"*a*\"}", true, true, false},
    {"where {$_.Name -like \"?c*\"}", false, true, false},
    {"where {$_.Name -notlike \"*a*\"}", false, false, true},
    {"where {$_.Name -match \"^re\"}", true, false, false},
    {"where {$_.Name -match \"relay|front\"}", true, false, true},
    {"where {$_.Name -match \"^S.*n$\"}", false, true, false},
    {"where {$_.Name -notmatch \"a\"}", false, false, true},
    {"where {$_.Bindings -match \"10\\.0\\.0\\.1:\"}", true, true, false},
    {"where {$_.Name -in \"Relay\",\"Front\"}", true, false, true},
    {"where {$_.Name -notin @('Relay','Front')}", false, true, false},
    {"where {$_.RemoteIPRanges -contains '10.0.0.9'}", true, false, false},
    {"where {$_.RemoteIPRanges -notcontains '10.0.0.9'}", false, true, true},
    {"where {$_.Identity -eq \"EX1\\Relay\"}", true, false, false},
    {"where {$_.Identity -like \"EX1\\R*\"}", true, false, false},
    {"where {$_.Enabled}", true, true, false},
    {"where {$_.Enabled -eq $true}", true, true, false},
    {"where {$_.Enabled -eq $false}", false, false, true},
    {"where {-not $_.Enabled}", false, false, true},
    {"where {!$_.Enabled}", false, false, true},
    {"where {!($_.Enabled)}", false, false, true},
    {"where Enabled", true, true, false},
    {"where Name -eq Scan", false, true, false},
    {"? Name -like *a*", true, true, false},
    {"where-object -Property Name -eq -Value Scan", false, true, false},
    {"where {$_.Enabled -and $_.Name -like \"*a*\" -and $_.Bindings -like \"*:26\"}", false, true,
     false},
    {"where {($_.Name -eq \"Relay\") -or ($_.Name -eq \"Front\")}", true, false, true},
    {"where {($_.Name -eq \"Relay\" -or $_.Name -eq \"Front\") -and $_.Enabled -eq $true}", true,
     false, false},
    {"where {$_.PermissionGroups -like \"*AnonymousUsers*\"}", false, true, true},
    {"where {$_.PermissionGroups -eq \"AnonymousUsers\"}", false, false, true},
    {"where {$_.PermissionGroups -match \"ExchangeServers\"}", false, true, false},
    {"where {$_.AuthMechanism -eq 'Tls'}", true, true, true},
    {"where {$_.MaxMessageSize -eq 5242880}", false, true, false},
    {"where {$_.MaxMessageSize -le 5MB}", false, true, false},
    {"where {$_.MaxMessageSize -gt 5MB -and $_.MaxHopCount -ge 2}", true, false, true},
    {"where {$_.Banner -eq $null}", true, true, true},
    {"where {$null -ne $_.Banner}", false, false, false},
    {"where {$_.Name -like \"*\"} | where {$_.Enabled}", true, true, false},
    {"sort Name | where {$_.Name -eq \"Scan\"}", false, true, false},
    {"where {\n  $_.Name -eq \"Scan\" -or\n  $_.Name -eq \"Front\"\n}", false, true, true},
};

/* The comment stands in the connectors that are meant and in no other. */
static void test_conditions(void)
{
    static const char *const names[] = {"Relay", "Scan", "Front"};
    for (size_t i = 0; i < ARRAY_SIZE(CONDITIONS); i++) {
        const bool wanted[] = {CONDITIONS[i].relay, CONDITIONS[i].scan, CONDITIONS[i].front};
        struct notes notes = {.faults = 0};
        char text[2048], *out = NULL;
        size_t size = 0;
        unit_row(CONDITIONS[i].condition);
        snprintf(text, sizeof text, THREE "Get-ReceiveConnector | %s" MARK,
                 CONDITIONS[i].condition);
        FILE *to = open_memstream(&out, &size);
        CHECK(exchange_import(bytes_of(text), "in.ps1", take_note, &notes, to) == ERR_OK);
        fclose(to);
        for (size_t j = 0; j < ARRAY_SIZE(names); j++) {
            char name[32];
            snprintf(name, sizeof name, "name = \"%s\"", names[j]);
            const char *at = strstr(out, name), *end = at ? strstr(at, "\n    }") : NULL;
            const char *comment = at ? strstr(at, "comment = \"found\"") : NULL;
            if (!CHECK(at && end && (comment && comment < end) == wanted[j]))
                fprintf(stderr, "%s: %s\n%s", CONDITIONS[i].condition, names[j], notes.text);
        }
        if (!wanted[0] && !wanted[1] && !wanted[2])
            CHECK(strstr(notes.text, "of 3 that come none is meant"));
        free(out);
    }
}

/* What cannot be told is an error that names the line, the text and what to write instead, and
 * nothing behind it is played. */
static void test_not_understood(void)
{
    static const struct {
        const char *condition, *told;
    } rows[] = {
        {"where {$_.Name -gt 'A'}", "in.ps1:4: the number \"A\""},
        {"where {$_.Name -is 'A'}", "in.ps1:4: the part \"-is\""},
        {"where {$_.Name -match '[RS].*'}", "the pattern \"[RS].*\""},
        {"where {$_.Name -match 'Relay+'}", "the pattern \"Relay+\""},
        {"where {$_.Name -like '[a-z]*'}", "the pattern \"[a-z]*\""},
        {"where {$_.Name.Length -eq 5}", "$_.name.length of receive connector \"Relay\""},
        {"where {$_.Colour -eq 'blue'}", "$_.colour of receive connector \"Relay\""},
        {"where {$_.Name -eq $wanted}", "the value \"wanted\""},
        {"where {$_.Name -eq}", "a value is wanted: \"}\""},
        {"where {($_.Name -eq 'Relay'}", "in.ps1:4: "},
        {"where {$_.Name -eq 'Relay'", "the bracket { is never closed"},
        {"where {}", "{ and } around a condition are wanted"},
        {"where {$_.Name -eq 'Relay'} -Verbose", "\"Verbose\" behind the block"},
        {"select -First 1", "select: what it passes on to Set-ReceiveConnector is not known"},
        {"% Name", "{ and } around commands are wanted"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[2048];
        snprintf(text, sizeof text, THREE "Get-ReceiveConnector | %s" MARK, rows[i].condition);
        const struct row row = {.name = rows[i].condition,
                                .text = text,
                                .unwanted = {"comment ="},
                                .told = {rows[i].told, "in.ps1:4: "},
                                .not_understood = true};
        run_row(&row);
    }
}

static const struct row loop_rows[] = {
    {.name = "$_ is the connector",
     .text = THREE "Get-ReceiveConnector R* | ForEach-Object { Set-ReceiveConnector $_ "
                   "-Comment one }\nGet-ReceiveConnector Scan | % { Set-ReceiveConnector "
                   "$_.Identity -Comment two }\nGet-ReceiveConnector Front | foreach { "
                   "Set-ReceiveConnector -Identity $_.Name -Comment three }",
     .wanted = {"comment = \"one\"", "comment = \"two\"", "comment = \"three\""}},
    {.name = "several commands, on several lines",
     .text = THREE "Get-ReceiveConnector | where {$_.Name -ne 'Front'} | % {\n"
                   "  Set-ReceiveConnector $_ -Comment \"it is $($_.Name), $_\"\n"
                   "  Get-ReceiveConnector $_.Identity | Add-ADPermission -User Anonymous "
                   "-ExtendedRights ms-Exch-SMTP-Submit; Set-ReceiveConnector $_ -Banner "
                   "'220 x'\n}\n",
     .wanted = {"comment = \"it is Relay, EX1\\\\Relay\"", "comment = \"it is Scan, Scan\"",
                "{ user = \"Anonymous\"; allow = [ \"ms-Exch-SMTP-Submit\" ]; }",
                "banner = \"220 x\""},
     .unwanted = {"Front, Front"}},
    {.name = "$_ at the head of a pipeline, of a nested loop, and again after it",
     .text = THREE "Get-ReceiveConnector Relay | % { Get-ReceiveConnector Scan | % { $_ | "
                   "Set-ReceiveConnector -Comment inner }; $_ | Set-ReceiveConnector -Comment "
                   "outer }",
     .wanted = {"comment = \"inner\"", "comment = \"outer\""}},
    {.name = "a list grows",
     .text = THREE "Get-ReceiveConnector Relay | % { Set-ReceiveConnector $_ -RemoteIPRanges "
                   "($_.RemoteIPRanges + '10.0.0.77') }\nGet-ReceiveConnector Scan | % { "
                   "$_.RemoteIPRanges += '10.0.0.88'; Set-ReceiveConnector $_ -RemoteIPRanges "
                   "$_.RemoteIPRanges }",
     .wanted = {"[ \"10.0.0.9\", \"10.0.0.77\" ]", "[ \"10.0.0.8\", \"10.0.0.88\" ]"}},
    {.name = "a list out of a query",
     .text = THREE "Set-ReceiveConnector Relay -RemoteIPRanges ((Get-ReceiveConnector "
                   "Relay).RemoteIPRanges + '10.0.0.77','10.0.0.78')\nSet-ReceiveConnector "
                   "Scan -Comment (Get-ReceiveConnector Relay).Name",
     .wanted = {"[ \"10.0.0.9\", \"10.0.0.77\", \"10.0.0.78\" ]", "comment = \"Relay\""}},
    {.name = "a copy grows in a loop",
     .text = THREE "$rc = Get-ReceiveConnector Relay\n'10.0.0.77','10.0.0.78' | foreach "
                   "{$rc.RemoteIPRanges += \"$_\"}\nSet-ReceiveConnector Relay "
                   "-RemoteIPRanges $rc.RemoteIPRanges",
     .wanted = {"[ \"10.0.0.9\", \"10.0.0.77\", \"10.0.0.78\" ]"}},
    {.name = "a copy that grows by a file that is not here",
     .text = THREE "$rc = Get-ReceiveConnector Relay\nGet-Content .\\ips.txt | foreach "
                   "{$rc.RemoteIPRanges += \"$_\"}",
     .told = {"in.ps1:5: Get-Content: what it passes on to foreach is not known here: write the "
              "file's lines in its place"},
     .not_understood = true},
    {.name = "a bracket that is never closed hides nothing",
     .text = THREE "Set-ReceiveConnector Relay -Comment (Get-ReceiveConnector Scan\n"
                   "Set-ReceiveConnector Scan -Comment (Get-Date\nforeach ($c in Relay { \n"
                   "Get-ReceiveConnector | % { Set-ReceiveConnector $_ -Comment x\n"
                   "Set-ReceiveConnector Front -Comment last",
     .wanted = {"comment = \"last\""},
     .told = {"in.ps1:4: the bracket ( is never", "in.ps1:5: the bracket ( is never",
              "in.ps1:6: the bracket ( is never", "in.ps1:7: the bracket { is never"},
     .not_understood = true},
    {.name = "over texts",
     .text = THREE "'10.0.0.77','10.0.0.78' | % { Set-ReceiveConnector Relay -RemoteIPRanges "
                   "@{Add=$_} }\n$more = '10.0.0.79', '10.0.0.80'\nforeach ($ip in $more) {\n "
                   "Set-ReceiveConnector Scan -RemoteIPRanges @{Add=\"$ip\"}\n}",
     .wanted = {"[ \"10.0.0.9\", \"10.0.0.77\", \"10.0.0.78\" ]",
                "[ \"10.0.0.8\", \"10.0.0.79\", \"10.0.0.80\" ]"}},
    {.name = "made in a loop",
     .text = "$sites = 'A','B'\n$sites | where {$_ -ne 'B'} | % { New-ReceiveConnector -Name "
             "\"Relay $_\" -Custom -Bindings 10.0.0.1:25 -RemoteIPRanges 10.0.0.9 }",
     .wanted = {"name = \"Relay A\""},
     .unwanted = {"Relay B"}},
    {.name = "foreach over connectors",
     .text = THREE "foreach ($c in Get-ReceiveConnector) { if }\n",
     .told = {"\"if\" begins no command", "the loop was left at this fault, with receive "
                                          "connector \"Relay\""},
     .not_understood = true},
    {.name = "foreach over a variable with connectors",
     .text = THREE "$all = Get-ReceiveConnector | where {$_.Enabled}\nforeach ($c in $all) { "
                   "Set-ReceiveConnector $c.Name -Comment \"${c}\" }\n$all | "
                   "Set-ReceiveConnector -Banner '220 x'",
     .wanted = {"comment = \"EX1\\\\Relay\"", "comment = \"Scan\"", "banner = \"220 x\""}},
    {.name = "a variable with one connector",
     .text = THREE "$rc = Get-ReceiveConnector Relay\nSet-ReceiveConnector $rc -Comment "
                   "\"was $($rc.RemoteIPRanges)\" -Fqdn \"$($rc.Name).example\"",
     .wanted = {"comment = \"was 10.0.0.9\"", "fqdn = \"Relay.example\""}},
    {.name = "a variable with one that nothing here makes",
     .text = "$rc = Get-ReceiveConnector Gone\nSet-ReceiveConnector $rc -Comment x",
     .wanted = {"name = \"Gone\"", "comment = \"x\""},
     .told = {"no command here makes the receive connector \"Gone\""}},
    {.name = "a filter for a name that nothing here makes",
     .text = "Get-SendConnector | where {$_.Name -eq \"Out\"} | Set-SendConnector -Port 2525\n"
             "Get-ReceiveConnector | ? Identity -eq 'EX1\\CRM' | Set-ReceiveConnector -Comment x\n"
             "Get-ReceiveConnector | ? Name -like 'No*' | Set-ReceiveConnector -Comment y\n",
     .wanted = {"name = \"Out\"", "port = 2525", "name = \"CRM\"", "comment = \"x\""},
     .unwanted = {"comment = \"y\""},
     .told = {"no command here makes the send connector \"Out\"",
              "no command here makes the receive connector \"CRM\"",
              "in.ps1:3: ?: of 1 that come none is meant"}},
    {.name = "single quotes and a backtick keep the dollar",
     .text = THREE "Get-ReceiveConnector Relay | % { Set-ReceiveConnector $_ -Comment '$_' "
                   "-Banner \"220 `$_\" }",
     .wanted = {"comment = \"$_\"", "banner = \"220 $_\""}},
    {.name = "identities through the pipe",
     .text = THREE "'Relay','Scan' | Get-ReceiveConnector | Set-ReceiveConnector -Comment got",
     .wanted = {"comment = \"got\""}},
    {.name = "a server's",
     .text = THREE "Get-ReceiveConnector -Server EX2 | Set-ReceiveConnector -Comment ex2",
     .wanted = {"comment = \"ex2\""}},
    {.name = "what only shows",
     .text = THREE "Get-ReceiveConnector | where {$_.Colour -gt 3} | fl\nGet-ReceiveConnector "
                   "| % { Write-Host $_.Name }",
     .told = {"in.ps1:4: Get-ReceiveConnector: it only shows", "in.ps1:4: where: not taken over",
              "in.ps1:5: %: not taken over"}},
    {.name = "from a file that is not here",
     .text = THREE "Get-Content ips.txt | % { Set-ReceiveConnector Relay -RemoteIPRanges "
                   "@{Add=$_} }",
     .told = {"Get-Content: what it passes on to % is not known here"},
     .not_understood = true},
    {.name = "$_ where there is none",
     .text = THREE "Set-ReceiveConnector $_ -Comment x",
     .told = {"$_ in Set-ReceiveConnector: its value is not known here: write it out"},
     .not_understood = true},
    {.name = "send connectors and domains",
     .text = "New-SendConnector -Name A -AddressSpaces contoso.com -SmartHosts gw.contoso.com\n"
             "New-SendConnector -Name B -AddressSpaces '*' -DNSRoutingEnabled $true\n"
             "New-AcceptedDomain -Name C -DomainName contoso.com -DomainType Authoritative\n"
             "Get-SendConnector | where {$_.AddressSpaces -like '*contoso*'} | "
             "Set-SendConnector -Port 2525\n"
             "Get-AcceptedDomain | ? {$_.DomainName -eq 'contoso.com'} | % { "
             "Set-AcceptedDomain $_ -DomainType InternalRelay }\n"
             "Get-AcceptedDomain *toso.* | Set-AcceptedDomain -MakeDefault $true\n"
             "Get-AcceptedDomain C* | Set-AcceptedDomain -MatchSubDomains $true\n",
     .wanted = {"port = 2525", "type = \"InternalRelay\"", "match_sub_domains = true"},
     .told = {"no accepted domain of this file is meant"}},
};

static void test_loops(void)
{
    run_rows(loop_rows, ARRAY_SIZE(loop_rows));
}

#define ENTRY "{ user = \"Anonymous\"; "

/* Get-ADPermission shows what groups give as well, and what it shows can be removed. */
static void test_permissions(void)
{
    static const struct row rows[] = {
        {.name = "nobody outside may send as us",
         .text = THREE "Get-ReceiveConnector Scan | Get-ADPermission -User \"NT "
                       "AUTHORITY\\Anonymous Logon\" | where {$_.ExtendedRights -like "
                       "\"ms-exch-smtp-accept-authoritative-domain-sender\"} | "
                       "Remove-ADPermission -Confirm:$false",
         .wanted = {ENTRY "deny = [ \"ms-Exch-SMTP-Accept-Authoritative-Domain-Sender\" ]; }"}},
        {.name = "what was added",
         .text = THREE "Add-ADPermission Relay -User Anonymous -ExtendedRights "
                       "ms-Exch-SMTP-Submit,ms-Exch-Bypass-Anti-Spam\nGet-ADPermission Relay | "
                       "where {($_.Deny -eq $false) -and ($_.IsInherited -eq $false) -and $_.User "
                       "-like '*ANONYMOUS*' -and $_.ExtendedRights -like '*Anti-Spam'} | "
                       "Remove-ADPermission",
         .wanted = {ENTRY "allow = [ \"ms-Exch-SMTP-Submit\" ]; }"}},
        {.name = "what was denied",
         .text = THREE "Add-ADPermission Relay -User 'CONTOSO\\app' -ExtendedRights "
                       "ms-Exch-SMTP-Submit -Deny\nGet-ADPermission Relay -User 'CONTOSO\\app' | "
                       "? {$_.Deny} | Remove-ADPermission",
         .unwanted = {"permissions = ("}},
        {.name = "another's are left alone",
         .text = THREE "Add-ADPermission Relay -User Anonymous -ExtendedRights "
                       "ms-Exch-SMTP-Submit\nGet-ADPermission Relay -User 'CONTOSO\\app' | "
                       "Remove-ADPermission",
         .wanted = {ENTRY "allow = [ \"ms-Exch-SMTP-Submit\" ]; }"},
         .told = {"there is no such permission here"}},
        {.name = "the standard view",
         .text = THREE "Get-ADPermission Relay | where {($_.Deny -eq $false) -and ($_.IsInherited "
                       "-eq $false)} | ft User,ExtendedRights",
         .told = {"Get-ADPermission: not taken over"}},
        {.name = "copied",
         .text = THREE "Get-ADPermission Scan | Add-ADPermission Relay",
         .told = {"permissions that are copied are not understood"},
         .not_understood = true},
        {.name = "a domain has none",
         .text = THREE "New-AcceptedDomain contoso.com\nGet-AcceptedDomain | Add-ADPermission "
                       "-User Anonymous -ExtendedRights ms-Exch-SMTP-Submit",
         .told = {"accepted domain \"contoso.com\" has no permissions"},
         .not_understood = true},
    };
    run_rows(rows, ARRAY_SIZE(rows));
}

#define NEW_ENTRY                                                                                  \
    "New-AddressRewriteEntry -Name \"Users of A\" -InternalAddress a.contoso.com "                 \
    "-ExternalAddress contoso.com\n"

static void test_rewriting(void)
{
    static const struct row rows[] = {
        {.name = "a domain",
         .text = NEW_ENTRY,
         .wanted = {"address_rewrite_entries = (", "name = \"Users of A\"",
                    "internal_address = \"a.contoso.com\"", "external_address = \"contoso.com\""},
         .unwanted = {"outbound_only"}},
        {.name = "an address",
         .text = "New-AddressRewriteEntry -Name One -InternalAddress joe@a.contoso.com "
                 "-ExternalAddress support@contoso.com",
         .wanted = {"\"joe@a.contoso.com\"", "\"support@contoso.com\""}},
        {.name = "all subdomains with exceptions",
         .text = "New-AddressRewriteEntry -Name Sub -InternalAddress *.contoso.com "
                 "-ExternalAddress contoso.com -OutboundOnly $true -ExceptionList "
                 "hr.contoso.com,\"legal.contoso.com\"",
         .wanted = {"\"*.contoso.com\"", "outbound_only = true",
                    "exception_list = [ \"hr.contoso.com\", \"legal.contoso.com\" ]"}},
        {.name = "changed and removed",
         .text = NEW_ENTRY "New-AddressRewriteEntry -Name Two -InternalAddress b.contoso.com "
                           "-ExternalAddress contoso.org\nGet-AddressRewriteEntry 'Users of A' | "
                           "Set-AddressRewriteEntry -OutboundOnly $true -ExternalAddress "
                           "contoso.net\nGet-AddressRewriteEntry | where {$_.InternalAddress -like "
                           "'b.*'} | Remove-AddressRewriteEntry -Confirm:$false",
         .wanted = {"outbound_only = true", "\"contoso.net\""},
         .unwanted = {"\"Two\"", "b.contoso.com"}},
        {.name = "without an address",
         .text = "New-AddressRewriteEntry -Name X -InternalAddress a.contoso.com",
         .unwanted = {"address_rewrite_entries"},
         .told = {"address rewrite entry \"X\": left out: -InternalAddress and -ExternalAddress"}},
        {.name = "what check refuses is told",
         .text = "New-AddressRewriteEntry -Name X -InternalAddress *.contoso.com -ExternalAddress "
                 "contoso.com",
         .told = {"the configuration needs your hand"},
         .check_refuses = true},
        {.name = "an export",
         .text = "{\"Name\":\"A\",\"InternalAddress\":\"a.contoso.com\",\"ExternalAddress\":"
                 "\"contoso.com\",\"OutboundOnly\":true,\"ExceptionList\":[],\"Guid\":\"x\"}",
         .wanted = {"name = \"A\"", "outbound_only = true", "\"a.contoso.com\""}},
    };
    run_rows(rows, ARRAY_SIZE(rows));
}

/* Loops multiply: they end in an error, soon. */
static void test_too_much(void)
{
    char text[4096] = "";
    size_t len = 0;
    struct row row = {.name = "loops within loops",
                      .text = text,
                      .told = {"take more than 1000000 steps"},
                      .not_understood = true};
    len += (size_t)snprintf(text, sizeof text, "$all = 'a'");
    for (int i = 0; i < 60; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, ",'a'");
    snprintf(text + len, sizeof text - len,
             "\n$all | %% { $all | %% { $all | %% { $all | %% { Set-ReceiveConnector R -Comment x "
             "} } } }\n");
    run_row(&row);
    row = (struct row){.name = "loops too deep",
                       .text = text,
                       .told = {"more than 8 loops within each other"},
                       .not_understood = true};
    len = 0;
    for (int i = 0; i < 12; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "'a' | %% { ");
    len += (size_t)snprintf(text + len, sizeof text - len, "Set-ReceiveConnector R -Comment x");
    for (int i = 0; i < 12; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, " }");
    run_row(&row);
}

UNIT_MAIN("config/exchange/exchange_pipeline", {"conditions", test_conditions},
          {"conditions that are not understood", test_not_understood}, {"loops", test_loops},
          {"permissions", test_permissions}, {"address rewriting", test_rewriting},
          {"too much", test_too_much})
