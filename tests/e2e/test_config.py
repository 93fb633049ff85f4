#!/usr/bin/env python3
"""Configuration at the command line: every fault is shown with its file and line and nothing starts;
`explain` says what would happen; what stands in the way of a start is named."""

import fcntl
import json
import os
import re
import socket
import stat
import subprocess
import unittest

from harness import MAILRACE, ROOT, Case, config, main, smart_host

# Each: name, faulty text (the line with the fault ends in "# here"), what is said about it.
RECEIVE = """hostname = "relay.test";
receive_connectors = ( { name = "In"; bindings = [ "127.0.0.1:2525" ]; remote_ip_ranges = [ "10.0.0.0/8" ];
  permission_groups = [ "AnonymousUsers" ];
  %s
} );
"""
FAULTS = [
    ("unknown key", 'hostname = "a.test";\nhostnme = "x";  # here\n', r"hostnme: unknown key.*hostname"),
    ("unknown key in a group", 'spool = {\n  pth = "/x";  # here\n};\n', r"spool\.pth: unknown key"),
    ("unknown key in a connector", RECEIVE % "tarpit = 5;  # here", r"receive_connectors\[0\]\.tarpit"),
    ("duplicate key", 'hostname = "a.test";\nhostname = "b.test";  # here\n', r"duplicate"),
    ("syntax", 'hostname = "a.test";\nspool = { path = ;  # here\n', r"syntax error"),
    ("wrong type", "hostname = 5;  # here\n", r"hostname: a text"),
    ("text for a number", 'runtime = {\n  workers = "many";  # here\n};\n', r"runtime\.workers"),
    ("number for a flag", RECEIVE % "require_tls = 1;  # here", r"require_tls: true or false"),
    ("text for a list", RECEIVE % 'auth_mechanism = "Tls";  # here', r"auth_mechanism: a list"),
    ("group for a list", "receive_connectors = { };  # here\n", r"receive_connectors: a list of groups"),
    ("too large", "runtime = {\n  workers = 100000;  # here\n};\n", r"runtime\.workers: .* 0 to 256"),
    ("negative", "runtime = {\n  workers = -1;  # here\n};\n", r"runtime\.workers"),
    ("duration without unit", "queue = {\n  message_retry_interval = 300;  # here\n};\n",
     r"message_retry_interval: a duration"),
    ("duration too short", 'queue = {\n  message_retry_interval = "1ms";  # here\n};\n',
     r"message_retry_interval: a duration"),
    ("size", RECEIVE % 'max_message_size = "1KB";  # here', r"max_message_size: a size"),
    ("bad binding", RECEIVE.replace('"127.0.0.1:2525" ];', '"127.0.0.1" ];  # here\n') % "", r"bindings: \"127\.0\.0\.1\""),
    ("bad range", RECEIVE.replace('"10.0.0.0/8" ];', '"10.0.0.300" ];  # here\n') % "",
     r"remote_ip_ranges: .*10\.0\.0\.300"),
    ("range upside down", RECEIVE.replace('"10.0.0.0/8" ];', '"10.0.0.9-10.0.0.1" ];  # here\n') % "",
     r"remote_ip_ranges: .*10\.0\.0\.9-10\.0\.0\.1"),
    ("unknown group", RECEIVE % 'auth_mechanism = [ "Tsl" ];  # here', r'"Tsl" is unknown'),
    ("unknown right", RECEIVE % 'permissions = ( { user = "Anonymous"; allow = [ "Accept-Everything" ]; } );  # here',
     r'"Accept-Everything" is unknown: allowed are'),
    ("unknown principal", RECEIVE % 'permissions = ( { user = "Nobody"; } );  # here', r"Anonymous"),
    ("bad banner", RECEIVE % 'banner = "hello";  # here', r"banner: .*220"),
    ("ranges file that is not there", RECEIVE % 'remote_ip_ranges_file = "absent.txt";  # here',
     r"absent\.txt"),
    ("durability", 'spool = {\n  durability = "none";  # here\n};\n', r'only "fsync" is allowed'),
    ("log level", 'log = {\n  level = "loud";  # here\n};\n', r'log\.level'),
    ("dns server", 'dns = {\n  servers = [ "ns.test" ];  # here\n};\n', r'ns\.test'),
    ("smart host", 'send_connectors = ( { name = "O"; address_spaces = [ "*" ]; dns_routing_enabled = false;\n'
     '  smart_hosts = [ "gw:99999" ];  # here\n} );\n', r'gw:99999'),
    ("domain type", 'accepted_domains = ( { name = "a.test";\n type = "Mine";  # here\n} );\n', r"InternalRelay"),
]

RELAY_RIGHT = 'permissions = ( { user = "Anonymous"; allow = [ "ms-Exch-SMTP-Accept-Any-Recipient" ]; } );'


class Files(Case):
    def write(self, text, name="relay.conf", mode=0o644):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        os.chmod(path, mode)
        return path


class Check(Files):
    def check(self, text, code=1):
        return self.run_program([MAILRACE, "check", "-c", self.write(text)], code=code)

    def refused_at(self, text, pattern):
        """The fault is reported at the line that says "# here", by check and by run."""
        path = self.write(text)
        line = 1 + text[:text.index("# here")].count("\n")
        for command in ("check", "run"):
            output = self.run_program([MAILRACE, command, "-c", path], code=1)
            self.assertRegex(output, rf"(?m)^{re.escape(path)}:{line}: .*{pattern}")
            self.assertNotIn(" started", output)
            self.assertNotIn(" listening ", output)

    def test_every_fault_has_its_line(self):
        for name, text, pattern in FAULTS:
            with self.subTest(name):
                self.refused_at(text, pattern)

    def test_all_faults_in_one_run(self):
        output = self.check((RECEIVE % 'max_hop_count = 9999; oops = true;').replace('"relay.test"', "5")
                            + 'rubbish = 1;\nruntime = { workers = 1000; };\n')
        for line, word in ((1, "hostname"), (4, "max_hop_count"), (4, "oops"), (6, "rubbish"),
                           (7, "workers")):
            self.assertRegex(output, rf"(?m)relay\.conf:{line}: .*{word}")

    def test_faults_in_a_ranges_file_have_its_line(self):
        self.write("10.0.0.1\n# comment\n10.0.0.2-10.0.0.9 # fine\n\n10.0.0.256\n", "hosts.txt")
        output = self.check(RECEIVE % 'remote_ip_ranges_file = "hosts.txt";')
        self.assertRegex(output, r"(?m)hosts\.txt:5: .*10\.0\.0\.256")
        self.assertEqual([l for l in output.splitlines() if "warning" not in l and ":5:" not in l], [])

    def two(self, first, second, more=""):
        connector = ('{ name = "%s"; bindings = [ "127.0.0.1:2525" ]; remote_ip_ranges = [ "%s" ];\n'
                     ' permission_groups = [ "AnonymousUsers" ]; %s }')
        return "receive_connectors = (\n" + connector % ("First", first, "") + ",\n" + \
            connector % ("Second", second, more) + ");\n"

    def test_overlap_names_both_ranges(self):
        output = self.check(self.two("10.0.0.1-10.0.0.20", "10.0.0.10-10.0.0.30"))
        for word in ("10.0.0.1-10.0.0.20", "10.0.0.10-10.0.0.30", "First", "Second"):
            self.assertIn(word, output)

    def test_equal_ranges_are_refused_and_nested_ones_are_not(self):
        self.check(self.two("10.0.0.0/8", "10.0.0.0-10.255.255.255"))
        self.check(self.two("10.0.0.0/8", "10.1.0.0/16"), code=0)

    def test_duplicate_name(self):
        text = self.two("10.0.0.0/8", "10.1.0.0/16").replace("Second", "First")
        self.assertRegex(self.check(text), r"First")

    def test_open_relay_is_refused(self):
        for ranges in ('"0.0.0.0/0"', '"0.0.0.0-255.255.255.255"', '"::/0"'):
            text = (RECEIVE % RELAY_RIGHT).replace('"10.0.0.0/8"', ranges)
            self.assertRegex(self.check(text), r"(?i)open_relay")
            self.check(text.replace(RELAY_RIGHT, RELAY_RIGHT + " open_relay = true;"), code=0)
        self.check(RECEIVE % RELAY_RIGHT, code=0)

    def test_contradictions(self):
        for text in (
            RECEIVE % 'auth_mechanism = [ "None", "Tls" ];',
            RECEIVE % 'auth_mechanism = [ "ExternalAuthoritative", "BasicAuth" ];',
            RECEIVE % 'require_tls = true;',
            RECEIVE % 'connection_timeout = "1m"; connection_inactivity_timeout = "5m";',
            'send_connectors = ( { name = "O"; address_spaces = [ "*" ]; require_tls = true; '
            'ignore_starttls = true; } );\n',
            'send_connectors = ( { name = "O"; address_spaces = [ "*" ]; dns_routing_enabled = false; } );\n',
            'tls = { certificate = "/etc/cert.pem"; };\n',
        ):
            with self.subTest(text):
                self.assertRegex(self.check(text), r"(?m)^\S*relay\.conf(:\d+)?: ")

    def test_a_bare_network_address_is_warned_about(self):
        output = self.check((RECEIVE % "").replace("10.0.0.0/8", "192.168.1.0"), code=0)
        self.assertRegex(output, r"relay\.conf:\d+: warning: .*192\.168\.1\.0")

    # --- The file itself ---

    def test_file_that_others_may_write(self):
        path = self.write(RECEIVE % "", mode=0o666)
        for command in ("check", "run"):
            self.assertRegex(self.run_program([MAILRACE, command, "-c", path], code=1),
                             rf"{re.escape(path)}: .*chmod")

    def test_file_that_is_not_there_or_no_file(self):
        absent = os.path.join(self.folder, "absent.conf")
        self.assertIn(absent, self.run_program([MAILRACE, "check", "-c", absent], code=1))
        self.assertIn(self.folder, self.run_program([MAILRACE, "check", "-c", self.folder], code=1))

    def test_sample_configuration_is_sound(self):
        sample = os.path.join(ROOT, "packaging", "mailrace.conf")
        path = self.write(open(sample, encoding="utf-8").read())
        output = self.run_program([MAILRACE, "check", "-c", path])
        self.assertIn("sound", output)
        self.assertNotIn("warning", output)

    def test_reference_page_is_the_programs_own(self):
        with open(os.path.join(ROOT, "docs", "configuration.md"), encoding="utf-8") as page:
            self.assertEqual(page.read(), self.run_program([MAILRACE, "check", "--reference"]))

    # --- Usage ---

    def test_help(self):
        self.assertIn("usage: mailrace", self.run_program([MAILRACE, "--help"]))
        for command in ("run", "check", "explain", "demo"):
            self.assertIn(f"usage: mailrace {command}", self.run_program([MAILRACE, command, "--help"]))

    def test_usage_errors(self):
        path = self.write(RECEIVE % "")
        for args in ([], ["fly"], ["run"], ["run", "-c"], ["run", "--nonsense"], ["check"],
                     ["check", "-c", path, "more"], ["explain", "-c", path], ["explain", "--from", "::1"],
                     ["explain", "-c", path, "--from", "localhost"],
                     ["explain", "-c", path, "--from", "::1", "--to", "25"], ["demo", "--listen", "x"]):
            with self.subTest(args):
                self.assertTrue(self.run_program([MAILRACE, *args], code=2).strip())


class Explain(Files):
    def setUp(self):
        super().setUp()
        self.path = self.write(config(
            "/nonexistent", bindings='"127.0.0.1:2525"', ranges='"0.0.0.0/0"',
            relay_hosts='"192.168.1.100", "10.0.0.0/8"', domains='{ name = "ours.test"; }',
            send=smart_host("[192.0.2.7]:2526")))

    def explain(self, *args, code=0):
        return self.run_program([MAILRACE, "explain", "-c", self.path, *args], code=code)

    def test_accepted(self):
        output = self.explain("--from", "10.1.2.3", "--sender", "a@x.test", "--rcpt", "b@ext.test")
        for word in ("Relay", "10.0.0.0/8", "Default", "0.0.0.0/0", "Accept-Any-Recipient", "Out"):
            self.assertIn(word, output)

    def test_refused_names_the_missing_right(self):
        output = self.explain("--from", "11.1.2.3", "--sender", "a@x.test", "--rcpt", "b@ext.test", code=1)
        self.assertIn("550 5.7.1 Unable to relay", output)
        self.assertIn("Accept-Any-Recipient", output)

    def test_accepted_domain(self):
        self.explain("--from", "11.1.2.3", "--sender", "a@x.test", "--rcpt", "b@ours.test")

    def test_no_connector(self):
        output = self.explain("--from", "2001:db8::1", code=1)
        self.assertIn("421", output)

    def test_json(self):
        accepted = json.loads(self.explain("--from", "10.1.2.3", "--rcpt", "b@ext.test", "--sender",
                                           "a@x.test", "--json"))
        refused = json.loads(self.explain("--from", "11.1.2.3", "--rcpt", "b@ext.test", "--sender",
                                          "a@x.test", "--json", code=1))
        self.assertIsInstance(accepted, dict)
        self.assertIn("Relay", json.dumps(accepted))
        self.assertIn("Default", json.dumps(refused))
        self.assertIn("5.7.1", json.dumps(refused))

    def test_json_with_hostile_text(self):
        said = self.explain("--from", "11.1.2.3", "--sender", 'a"\\\x01<@x.test', "--rcpt", 'ü"b@ext.test',
                            "--json", code=None)
        json.loads(said)


class Start(Files):
    """What stands in the way of a start is named, and nothing runs."""

    def fails(self, *words, text=None):
        output = self.run_program([MAILRACE, "run", "-c", self.write(text or config(self.spool))], code=1)
        for word in words:
            self.assertIn(word, output)
        self.assertNotIn(" started ", output)
        return output

    def test_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as held:
            at = "127.0.0.1:%d" % held.getsockname()[1]
            self.fails(at, "in use", text=config(self.spool, bindings=f'"{at}"'))
        self.assertFalse(os.path.exists(os.path.join(self.spool, "segments")))

    def test_port_of_another_relay(self):
        first = self.relay(config(self.spool))
        at = f"127.0.0.1:{first.port()}"
        text = config(self.spool + "2", bindings=f'"{at}"')
        self.fails(at, "in use", text=text)

    def test_spool_of_another_relay(self):
        self.relay(config(self.spool))
        self.fails(self.spool, "in use")

    def test_spool_locked_by_a_stranger(self):
        self.relay(config(self.spool)).stop()
        with open(os.path.join(self.spool, "lock"), "r+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX)
            except OSError:
                pass
            self.fails(self.spool, "in use")

    def test_spool_is_a_file(self):
        with open(self.spool, "w", encoding="utf-8"):
            pass
        self.fails(self.spool)

    def test_spool_is_a_symbolic_link(self):
        os.mkdir(self.spool + ".real", 0o700)
        os.symlink(self.spool + ".real", self.spool)
        self.fails(self.spool, "symbolic link")
        self.assertEqual(os.listdir(self.spool + ".real"), [])

    def test_spool_that_others_may_write(self):
        os.mkdir(self.spool)
        for mode in (0o777, 0o770, 0o702):
            os.chmod(self.spool, mode)
            self.fails(self.spool, "0700")

    def test_spool_in_a_place_that_everybody_may_write(self):
        place = os.path.join(self.folder, "public")
        os.mkdir(place)
        os.chmod(place, 0o777)
        self.fails(place, text=config(os.path.join(place, "spool")))

    def test_spool_that_we_may_not_write(self):
        # Root, too, has given up its capabilities by then.
        os.mkdir(self.spool, 0o700)
        os.chmod(self.spool, 0o500)
        self.addCleanup(os.chmod, self.spool, 0o700)
        self.fails(self.spool)

    def test_spool_without_a_place(self):
        self.fails("absent", text=config(os.path.join(self.folder, "absent", "spool")))

    @unittest.skipUnless(os.geteuid() == 0, "only root can give a directory away")
    def test_spool_of_somebody_else(self):
        os.mkdir(self.spool)
        os.chmod(self.spool, 0o755)
        os.chown(self.spool, 65534, 65534)
        self.fails(self.spool, "65534")

    def test_spool_is_made_for_us_alone(self):
        self.relay(config(self.spool))
        for path, folders, files in os.walk(self.spool):
            for name in [path] + [os.path.join(path, f) for f in folders + files]:
                self.assertEqual(stat.S_IMODE(os.lstat(name).st_mode) & 0o077, 0, name)

    @unittest.skipUnless(os.geteuid() == 0, "only root becomes somebody else")
    def test_user_that_is_not_there(self):
        self.fails("no-such-user", text=config(self.spool, extra='user = "no-such-user";'))

    @unittest.skipUnless(os.geteuid() == 0, "only root becomes somebody else")
    def test_root_becomes_the_user_and_keeps_nothing(self):
        os.mkdir(self.spool, 0o700)
        os.chown(self.spool, 65534, 65534)
        relay = self.relay(config(self.spool, extra='user = "nobody";'))
        for task in os.listdir(f"/proc/{relay.process.pid}/task"):
            with open(f"/proc/{relay.process.pid}/task/{task}/status", encoding="ascii") as f:
                status = f.read()
            self.assertRegex(status, r"(?m)^Uid:\t65534\t65534\t65534\t65534$")
            self.assertRegex(status, r"(?m)^Groups:\s*$")
            for kind in ("Inh", "Prm", "Eff"):
                self.assertRegex(status, rf"(?m)^Cap{kind}:\t0+$")
            self.assertRegex(status, r"(?m)^NoNewPrivs:\t1$")

    @unittest.skipUnless(os.geteuid() == 0, "only root has capabilities to drop")
    def test_root_without_user_is_warned_and_drops_every_capability(self):
        relay = self.relay(config(self.spool))
        self.assertTrue(relay.events("running_as_root"))
        with open(f"/proc/{relay.process.pid}/status", encoding="ascii") as status:
            self.assertRegex(status.read(), r"(?m)^CapEff:\t0+$")

    def test_certificate_that_cannot_be_read(self):
        self.fails("absent.pem", text=config(
            self.spool, extra=f'tls = {{ certificate = "{self.folder}/absent.pem"; '
                              f'key = "{self.folder}/absent.key"; }};'))

    def test_signals_before_everything_is_up(self):
        """SIGTERM at any moment of the start ends it cleanly."""
        for _ in range(5):
            process = subprocess.Popen([MAILRACE, "run", "-c", self.write(config(self.spool))],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE)
            self.addCleanup(process.stderr.close)
            process.stderr.readline()  # the first word it says
            process.terminate()
            self.assertEqual(process.wait(60), 0)


if __name__ == "__main__":
    main()
