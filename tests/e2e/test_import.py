#!/usr/bin/env python3
"""Every command that the documents on relaying through Exchange print, pasted as it is printed, alone
or in the order of its procedure: check takes the configuration, and the relay does what the document
says it will."""

import json
import os
import subprocess

from harness import Case, MAILRACE, main

ANONYMOUS_RELAY = ('Add-ADPermission -User "NT AUTHORITY\\ANONYMOUS LOGON" '
                   '-ExtendedRights "ms-Exch-SMTP-Accept-Any-Recipient"')
RELAY_RIGHT = "ms-Exch-SMTP-Accept-Any-Recipient"

# An application server that Exchange Server 2007 relays for.
CRM_GRANT = f'    Get-ReceiveConnector "CRM Application" | {ANONYMOUS_RELAY}\n'
CRM_WIZARD = ("New-ReceiveConnector -Name 'CRM Application' -Usage Custom -Bindings 0.0.0.0:25 "
              "-RemoteIPRanges 192.168.1.0/24 -PermissionGroups AnonymousUsers\n")

# The easy way and the more secure way.
SECURED = ("New-ReceiveConnector -Name RelayConnector -usage Custom -Bindings '192.168.1.17:25' -fqdn "
           "server.domain.com -RemoteIPRanges 192.168.1.100 -server MYEXCHANGESERVER "
           "-permissiongroups ExchangeServers -AuthMechanism 'TLS, ExternalAuthoritative'\n")
ANONYMOUS = ("New-ReceiveConnector -Name RelayConnector -usage Custom -Bindings '192.168.1.17:25' "
             "-fqdn server.domain.com -RemoteIPRanges 192.168.1.100 -server MYEXCHANGESERVER "
             "-permissiongroups AnonymousUsers\n")
ANONYMOUS_GRANT = f"Get-ReceiveConnector RelayConnector | {ANONYMOUS_RELAY}\n"
SHOW = ('Get-ReceiveConnector "MyConnector" | Get-ADPermission -User "NT Authority\\AnonymousLogon"\n')

# A transcript of Exchange Server 2013, with the table that the command printed.
E15_GRANT = ("[PS] C:\\>Get-ReceiveConnector \"Relay E15MB1\" | Add-ADPermission -User 'NT AUTHORITY\\"
             "Anonymous Logon' -ExtendedRights MS-Exch-SMTP-Accept-Any-Recipient\n\n"
             "Identity             User                 Deny  Inherited\n"
             "--------             ----                 ----  ---------\n"
             "E15MB1\\Relay E15MB1  NT AUTHORITY\\ANON... False False\n\n")
E15_DEFAULT = ("New-ReceiveConnector -Name 'Default Frontend E15MB1' -Usage Internet "
               "-Bindings 0.0.0.0:25\n")
E15_WIZARD = ("New-ReceiveConnector -Name 'Relay E15MB1' -Usage Custom -Bindings 0.0.0.0:25 "
              "-RemoteIPRanges 192.168.0.181 -PermissionGroups AnonymousUsers\n")

# Mail flow through an external gateway: with a password, secured from outside, anonymously.
CREDENTIAL = "    $mycred = get-credential\n"
TO_GATEWAY_BASIC = (
    '    New-SendConnector -Name "ToInternetGateway" -AddressSpaces "*" -SmartHosts '
    '"smtpgateway1.contoso.com" -SmartHostAuthMechanism BasicAuth,BasicAuthRequireTLS '
    '-AuthenticationCredential $mycred -SourceTransportServers "HubA" -DNSRoutingEnabled $false\n')
TO_GATEWAY_SECURED = (
    '    New-SendConnector -Name "ToInternetGateway" -Usage Internal  -AddressSpaces "*" -SmartHosts '
    '"smtpgateway1.contoso.com" -SmartHostAuthMechanism ExternalAuthoritative '
    '-SourceTransportServers "HubA" -DNSRoutingEnabled $false\n')
FROM_GATEWAY_SECURED = (
    '    New-ReceiveConnector -Name "FromInternetGateway" -Server HubA -Usage Internal '
    '-RemoteIPRanges 192.168.1.10 -AuthMechanism ExternalAuthoritative\n')
TO_GATEWAY_ANONYMOUS = (
    '    New-SendConnector -Name "ToInternetGateway" -Usage Internet -AddressSpaces "*" -SmartHosts '
    '"smtpgateway1.contoso.com" -SmartHostAuthMechanism None -SourceTransportServers "HubA" '
    '-DNSRoutingEnabled $false\n')
FROM_GATEWAY_ANONYMOUS = (
    '    New-ReceiveConnector -Name "FromInternetGateway" -Server HubA -Usage Custom -PermissionGroups '
    'AnonymousUsers -Bindings 10.2.3.4:25 -RemoteIpRanges 192.168.5.77\n')
FROM_GATEWAY_GRANT = (
    '    Get-ReceiveConnector "FromInternetGateway" | Add-ADPermission -User "NT AUTHORITY\\ANONYMOUS '
    'LOGON" -ExtendedRights "Ms-Exch-SMTP-Accept-Any-Recipient"\n')
NAMED_GRANT = FROM_GATEWAY_GRANT.replace("FromInternetGateway", "Receive Connector Name")

# Quotes as a word processor prints them, a name of two words without any.
TYPOGRAPHIC_GRANT = (
    "Get-ReceiveConnector connector name | Add-ADPermission -User \u201cNT AUTHORITY\\ANONYMOUS "
    "LOGON\u201d -ExtendedRights \u201cms-Exch-SMTP-Accept-Any-Recipient\u201d\n")
TYPOGRAPHIC_WIZARD = ("New-ReceiveConnector -Name 'connector name' -Usage Custom -Bindings 0.0.0.0:25 "
                      "-RemoteIPRanges 192.168.1.30 -PermissionGroups AnonymousUsers\n")

EVERY_COMMAND = [CRM_GRANT, SECURED, ANONYMOUS, ANONYMOUS_GRANT, SHOW, E15_GRANT, CREDENTIAL,
                 TO_GATEWAY_BASIC, TO_GATEWAY_SECURED, FROM_GATEWAY_SECURED, NAMED_GRANT,
                 TO_GATEWAY_ANONYMOUS, FROM_GATEWAY_ANONYMOUS, FROM_GATEWAY_GRANT,
                 TYPOGRAPHIC_GRANT]


class Import(Case):
    def run_import(self, text, code=0):
        done = subprocess.run([MAILRACE, "import", "-"], input=text.encode(), capture_output=True,
                              check=False, timeout=60)
        self.assertEqual(done.returncode, code, done.stderr.decode())
        self.notes = done.stderr.decode()
        return done.stdout.decode()

    def convert(self, text):
        """The file with what TEXT stands for, with a spool of our own; check has taken it."""
        config = self.run_import(text)
        file = os.path.join(self.folder, "imported.conf")
        with open(file, "w", encoding="utf-8") as out:
            out.write(f'spool = {{ path = "{self.folder}/spool"; }};\n{config}')
        os.chmod(file, 0o644)
        done = subprocess.run([MAILRACE, "check", "-c", file], capture_output=True, check=False,
                              timeout=60)
        self.assertEqual(done.returncode, 0, f"{text}\n{config}\n{done.stderr.decode()}")
        self.config = config
        return file

    def explain(self, file, client, to, sender="app@contoso.com", rcpt="somebody@far.example"):
        done = subprocess.run([MAILRACE, "explain", "-c", file, "--from", client, "--to", to,
                               "--sender", sender, "--rcpt", rcpt, "--json"],
                              capture_output=True, check=False, timeout=60)
        said = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0 if said["accepted"] else 1)
        return said

    def rights(self, said):
        return {right["name"] for right in said["rights"]}

    def test_every_command_alone(self):
        for text in EVERY_COMMAND:
            with self.subTest(command=text.strip()):
                self.convert(text)

    def test_all_of_them_behind_each_other(self):
        file = self.convert("\n".join(EVERY_COMMAND))
        self.assertIn("made again at", self.notes)
        said = self.explain(file, "192.168.5.77", "10.2.3.4:25")
        self.assertEqual(said["connector"]["name"], "FromInternetGateway")

    def test_unknown_connector_is_complete_once_the_wizard_made_it(self):
        for grant, wizard, name, client in (
                (CRM_GRANT, CRM_WIZARD, "CRM Application", "192.168.1.5"),
                (TYPOGRAPHIC_GRANT, TYPOGRAPHIC_WIZARD, "connector name", "192.168.1.30")):
            with self.subTest(connector=name):
                self.convert(grant)
                self.assertIn("enabled = false;", self.config)
                self.assertIn("complete it", self.notes)
                before = self.explain(self.convert(wizard), client, "127.0.0.1:25")
                self.assertEqual(before["rcpt"]["reply"], "550 5.7.1 Unable to relay")
                said = self.explain(self.convert(wizard + grant), client, "127.0.0.1:25")
                self.assertEqual(said["connector"]["name"], name)
                self.assertTrue(said["rcpt"]["accepted"])

    def test_externally_secured_relays_anything_of_any_size(self):
        file = self.convert(SECURED)
        said = self.explain(file, "192.168.1.100", "192.168.1.17:25")
        self.assertEqual(said["connector"]["name"], "RelayConnector")
        self.assertEqual(said["identity"], ["ExternallySecuredServers"])
        self.assertTrue(said["rcpt"]["accepted"])
        self.assertLessEqual({RELAY_RIGHT, "ms-Exch-Bypass-Message-Size-Limit",
                              "ms-Exch-Bypass-Anti-Spam", "ms-Exch-SMTP-Accept-Any-Sender",
                              "ms-Exch-SMTP-Accept-Authentication-Flag"}, self.rights(said))
        self.assertIn('fqdn = "server.domain.com";', self.config)
        self.assertIn("not taken over: -server MYEXCHANGESERVER", self.notes)

    def test_anonymous_is_refused_until_the_permission_is_granted(self):
        said = self.explain(self.convert(ANONYMOUS), "192.168.1.100", "192.168.1.17:25")
        self.assertTrue(said["mail"]["accepted"])
        self.assertEqual(said["rcpt"]["reply"], "550 5.7.1 Unable to relay")
        said = self.explain(self.convert(ANONYMOUS + ANONYMOUS_GRANT), "192.168.1.100",
                            "192.168.1.17:25")
        self.assertTrue(said["rcpt"]["accepted"])
        self.assertEqual(said["identity"], ["Anonymous"])
        self.assertNotIn("ms-Exch-Bypass-Message-Size-Limit", self.rights(said))
        self.assertNotIn("ms-Exch-Bypass-Anti-Spam", self.rights(said))

    def test_most_specific_connector_relays_and_the_other_does_not(self):
        file = self.convert(E15_DEFAULT + E15_WIZARD + E15_GRANT)
        here = "192.168.0.5:25"
        said = self.explain(file, "192.168.0.181", here)
        self.assertEqual(said["connector"]["name"], "Relay E15MB1")
        self.assertTrue(said["rcpt"]["accepted"])
        said = self.explain(file, "192.168.0.180", here)
        self.assertEqual(said["connector"]["name"], "Default Frontend E15MB1")
        self.assertEqual(said["rcpt"]["reply"], "550 5.7.1 Unable to relay")

    def test_gateway_with_password(self):
        self.convert(CREDENTIAL + TO_GATEWAY_BASIC)
        self.assertIn('#smart_host_auth_mechanism = "BasicAuthRequireTLS";', self.config)
        self.assertIn("#authentication_credential = {", self.config)
        self.assertIn("require_tls = true;", self.config)
        self.assertIn("the user and the password are not in the file", self.notes)

    def test_gateway_externally_secured(self):
        file = self.convert(TO_GATEWAY_SECURED + FROM_GATEWAY_SECURED)
        said = self.explain(file, "192.168.1.10", "192.168.1.1:25")
        self.assertEqual(said["connector"]["name"], "FromInternetGateway")
        self.assertEqual(said["identity"], ["ExternallySecuredServers"])
        self.assertTrue(said["accepted"])
        self.assertEqual(said["route"]["connector"]["name"], "ToInternetGateway")
        self.assertIn('smart_hosts = [ "smtpgateway1.contoso.com" ];', self.config)
        self.assertIn('smart_host_auth_mechanism = "ExternalAuthoritative";', self.config)

    def test_gateway_anonymous(self):
        without = self.convert(TO_GATEWAY_ANONYMOUS + FROM_GATEWAY_ANONYMOUS)
        said = self.explain(without, "192.168.5.77", "10.2.3.4:25")
        self.assertEqual(said["rcpt"]["reply"], "550 5.7.1 Unable to relay")
        file = self.convert(TO_GATEWAY_ANONYMOUS + FROM_GATEWAY_ANONYMOUS + FROM_GATEWAY_GRANT)
        said = self.explain(file, "192.168.5.77", "10.2.3.4:25")
        self.assertEqual(said["connector"]["name"], "FromInternetGateway")
        self.assertEqual(said["range"]["text"], "192.168.5.77")
        self.assertTrue(said["accepted"])
        self.assertEqual(said["route"]["connector"]["name"], "ToInternetGateway")
        self.assertIn('smart_host_auth_mechanism = "None";', self.config)

    def test_imported_connector_relays_for_real(self):
        next_hop = self.sink()
        commands = (
            "New-ReceiveConnector -Name Relay -Usage Custom -Bindings 127.0.0.1:0 -RemoteIPRanges "
            "127.0.0.2 -PermissionGroups AnonymousUsers -TarpitInterval 00:00:00\n"
            f"Get-ReceiveConnector Relay | {ANONYMOUS_RELAY}\n"
            "New-ReceiveConnector -Name Others -Usage Custom -Bindings 127.0.0.1:0 -RemoteIPRanges "
            "127.0.0.0/8 -PermissionGroups AnonymousUsers -TarpitInterval 00:00:00\n"
            f"New-SendConnector -Name Out -AddressSpaces '*' -SmartHosts '{next_hop.host}'\n")
        self.convert(commands)
        relay = self.relay(f'hostname = "relay.test";\nspool = {{ path = "{self.spool}"; }};\n'
                           + self.config)
        replies = {}
        for source in ("127.0.0.2", "127.0.0.3"):
            d = self.dialogue(relay.port(), source=source)
            d.read()
            replies[source] = [d.say(line) for line in (
                "HELO app", "MAIL FROM:<app@contoso.com>", "RCPT TO:<somebody@far.example>")]
            if source == "127.0.0.2":
                d.say("DATA")
                self.assertRegex(d.say("Subject: imported\r\n\r\nHello\r\n."), "^250 2.6.0 ")
        self.assertEqual(replies["127.0.0.2"][2], "250 2.1.5 Recipient OK")
        self.assertEqual(replies["127.0.0.3"][2], "550 5.7.1 Unable to relay")
        self.assertEqual(next_hop.wait(1)[0]["rcpts"], [b"somebody@far.example"])

    def test_protocol_logging(self):
        """The connector that Exchange makes by itself logs what is said."""
        self.convert(E15_DEFAULT + "Set-ReceiveConnector 'Default Frontend E15MB1' -ProtocolLoggingLevel Verbose\n"
                     + TO_GATEWAY_ANONYMOUS)
        self.assertIn('log = { protocol_path = "/var/log/mailrace"; };', self.config)
        self.assertEqual(self.config.count('protocol_logging_level = "Verbose";'), 1)
        self.assertIn("see that it exists", self.notes)
        place = os.path.join(self.folder, "protocol")
        text = self.config.replace("/var/log/mailrace", place).replace("0.0.0.0:25", "127.0.0.1:0")
        relay = self.relay(f'hostname = "relay.test";\nspool = {{ path = "{self.spool}"; }};\n' + text)
        d = self.dialogue(relay.port())
        d.read()
        d.say("QUIT")
        relay.stop()
        files = [f for f in os.listdir(place) if f.startswith("RECV")]
        self.assertEqual(len(files), 1)
        with open(os.path.join(place, files[0]), encoding="utf-8") as log:
            self.assertIn(",<,QUIT,", log.read())

    def test_nobody_outside_sends_as_us(self):
        """The pipeline that takes a right away which a permission group has given."""
        domain = "New-AcceptedDomain -Name contoso.com -DomainName contoso.com -DomainType Authoritative\n"
        recipe = ('Get-ReceiveConnector "Default Frontend E15MB1" | Get-ADPermission -User "NT '
                  'AUTHORITY\\Anonymous Logon" | where {$_.ExtendedRights -like '
                  '"ms-exch-smtp-accept-authoritative-domain-sender"} | Remove-ADPermission\n')
        ask = ("192.0.2.1", "127.0.0.1:25", "ceo@contoso.com", "somebody@contoso.com")
        self.assertTrue(self.explain(self.convert(domain + E15_DEFAULT), *ask)["accepted"])
        said = self.explain(self.convert(domain + E15_DEFAULT + recipe), *ask)
        self.assertFalse(said["mail"]["accepted"])
        self.assertEqual(said["mail"]["reply"],
                         "550 5.7.1 Anonymous client does not have permissions to send as this sender")

    def test_filter_and_loop_choose_connectors(self):
        """The hosts of a list join the connectors that a condition chooses, and no others."""
        file = self.convert(
            E15_DEFAULT + E15_WIZARD + E15_GRANT + "$hosts = '192.168.0.182', '192.168.0.183'\n"
            "foreach ($h in $hosts) {\n  Get-ReceiveConnector | where {$_.Name -like 'Relay*' -and "
            "$_.Enabled -eq $true} | % { Set-ReceiveConnector $_.Identity -RemoteIPRanges "
            "($_.RemoteIPRanges + $h) }\n}\n")
        for client, relays in (("192.168.0.181", True), ("192.168.0.182", True),
                               ("192.168.0.183", True), ("192.168.0.184", False)):
            with self.subTest(client=client):
                said = self.explain(file, client, "192.168.0.5:25")
                self.assertEqual(said["accepted"], relays)

    def test_utf16_file_with_address_rewriting(self):
        """As > writes it in Windows PowerShell, and by name."""
        text = ("New-AddressRewriteEntry -Name Corp -InternalAddress int.contoso.com -ExternalAddress "
                "contoso.com\r\nGet-AddressRewriteEntry | where Name -eq Corp | "
                "Set-AddressRewriteEntry -OutboundOnly $true\r\n")
        script = os.path.join(self.folder, "script.ps1")
        with open(script, "wb") as out:
            out.write(b"\xff\xfe" + (E15_DEFAULT + text).encode("utf-16-le"))
        done = subprocess.run([MAILRACE, "import", script], capture_output=True, check=False,
                              timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertIn(b'internal_address = "int.contoso.com";', done.stdout)
        self.assertIn(b"outbound_only = true;", done.stdout)
        self.assertEqual(self.convert(E15_DEFAULT + text) and self.config.replace("standard input", ""),
                         done.stdout.decode().replace(script, ""))

    def test_what_is_not_understood(self):
        config = self.run_import("Please relay for us.\n" + SECURED, code=1)
        self.assertIn('name = "RelayConnector";', config)
        self.assertIn("standard input:1: not understood: ", self.notes)

    def test_usage(self):
        for args in ([], ["a", "b"], ["--colour"]):
            done = subprocess.run([MAILRACE, "import", *args], capture_output=True, check=False,
                                  timeout=60)
            self.assertEqual(done.returncode, 2, args)
        done = subprocess.run([MAILRACE, "import", "/nowhere/at/all"], capture_output=True,
                              check=False, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"/nowhere/at/all: cannot be opened", done.stderr)


if __name__ == "__main__":
    main()
