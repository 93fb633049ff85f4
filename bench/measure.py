"""What is started to measure one scenario: sink, relay and source; and what they cost."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time

PATIENCE_S = 120
PEACE_S = 0.2  # between two looks at the relay
LOG_READ_BYTES = 16 << 20
RECIPIENT = "b@dst.test"

CONFIG = """
hostname = "relay.test";
spool = {{ path = "{folder}/spool"; min_free = "64MB"; }};
log = {{ level = "info"; }};
{relay}
receive_connectors = (
  {{ name = "Bench"; bindings = [ "127.0.0.1:0" ]; remote_ip_ranges = [ "127.0.0.0/8" ];
    permission_groups = [ "AnonymousUsers" ]; {connector}
    max_inbound_connection_per_source = "unlimited"; max_inbound_connection_percentage_per_source = 100;
    permissions = ( {{ user = "Anonymous"; allow = [ "ms-Exch-SMTP-Accept-Any-Recipient" ]; }} ); }}{more}
);
send_connectors = ( {{ name = "Out"; address_spaces = [ "*" ]; dns_routing_enabled = false;
  smart_hosts = [ "[127.0.0.1]:{port}" ]; smtp_max_messages_per_connection = 1000; }} );
"""


class Failed(Exception):
    """A measurement did not come to its end; the text says why."""


def spool_folder():
    return tempfile.mkdtemp(prefix="mailrace-bench-", dir=os.environ.get("TMPDIR", "/var/tmp"))


def write(path, text):
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    os.chmod(path, 0o644)


def make_certificate(folder):
    """Signed by itself."""
    try:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{folder}/key.pem", "-out",
                        f"{folder}/certificate.pem", "-days", "30", "-subj", "/CN=relay.test"],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    except (OSError, subprocess.CalledProcessError) as why:
        raise Failed(f"openssl makes no certificate: {why}") from None
    return f'tls = {{ certificate = "{folder}/certificate.pem"; key = "{folder}/key.pem"; }};'


def other_connectors(count, ranges):
    """COUNT of them with RANGES networks of 10.0.0.0/8 each: none holds the source."""
    made = []
    for number in range(count):
        networks = [number * ranges + n for n in range(ranges)]
        listed = ", ".join(f'"10.{n >> 12 & 255}.{n >> 4 & 255}.{(n & 15) << 4}/28"' for n in networks)
        made.append(f',\n  {{ name = "C{number}"; bindings = [ "127.0.0.1:0" ]; '
                    f'remote_ip_ranges = [ {listed} ]; permission_groups = [ "AnonymousUsers" ]; }}')
    return "".join(made)


def configuration(scenario, folder, sink_port):
    relay = scenario.relay.replace("@FOLDER@", folder) + "\n"
    if scenario.certificate:
        relay += make_certificate(folder) + "\n"
    if scenario.recipients:
        local, domain = RECIPIENT.split("@")
        names = "".join(f"user{n}@{domain}\n" for n in range(scenario.recipients - 1))
        write(f"{folder}/recipients", names + f"{local}@{domain}\n")
        relay += (f'accepted_domains = ( {{ name = "{domain}"; type = "Authoritative"; '
                  f'recipients_file = "{folder}/recipients"; }} );\n')
    return CONFIG.format(folder=folder, port=sink_port, relay=relay, connector=scenario.connector,
                         more=other_connectors(scenario.connectors, scenario.ranges))


def stop(process):
    if process.poll() is None:
        process.terminate()
    try:
        return process.communicate(timeout=PATIENCE_S)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


class Sink:
    def __init__(self, load, options=()):
        self.process = subprocess.Popen([load, "sink", "--listen", "127.0.0.1:0", "--quiet", *options],
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for line in self.process.stdout:
            found = re.search(r"listening on 127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                return
        raise Failed("the sink did not start")

    def stop(self):
        """How many messages came."""
        found = re.search(r"taken: (\d+)", stop(self.process))
        return int(found.group(1)) if found else 0


class Relay:
    def __init__(self, build, config, folder):
        self.log, self.read_to, self.delivered = f"{folder}/log", 0, 0
        write(f"{folder}/relay.conf", config)
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([f"{build}/bin/mailrace", "run", "-c", f"{folder}/relay.conf"],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self.port = self._wait_port()
        except BaseException:
            stop(self.process)
            raise

    def _wait_port(self):
        deadline = time.monotonic() + PATIENCE_S
        text = ""
        while time.monotonic() < deadline:
            text += self._more()
            found = re.search(r"listening at=\S*:(\d+)\s", text)
            if found and re.search(r"\bstarted\b", text):
                return int(found.group(1))
            if self.process.poll() is not None:
                raise Failed(f"the relay ended: {text[-400:]}")
            time.sleep(0.02)
        raise Failed("the relay did not start")

    def _more(self):
        """What the log has more than at the last call, whole lines. They count what is delivered: the
        sink tells only once a second."""
        with open(self.log, "rb") as log:
            log.seek(self.read_to)
            text = log.read(LOG_READ_BYTES)
        text = text[:text.rfind(b"\n") + 1]
        self.read_to += len(text)
        self.delivered += text.count(b" message_delivered ")
        return text.decode(errors="replace")

    def keep_up(self):
        """Reads the log to its end."""
        while self._more():
            pass

    def wait_delivered(self, count):
        deadline, seen = time.monotonic() + PATIENCE_S, 0
        while self.delivered < count:
            self.keep_up()
            if self.delivered > seen:
                deadline, seen = time.monotonic() + PATIENCE_S, self.delivered
            elif self.process.poll() is not None:
                raise Failed("the relay ended")
            elif time.monotonic() > deadline:
                raise Failed(f"{count - seen} messages were not delivered")
            else:
                time.sleep(0.005)

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mib(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) / 1024

    def stop(self):
        stop(self.process)


def source(load, port, scenario, messages, rate, look=None):
    """Runs it to its end; LOOK is called now and then meanwhile. Its JSON."""
    args = [load, "source", "--to", f"127.0.0.1:{port}", "--messages", str(messages), "--length",
            str(scenario.octets), "--sessions", str(min(scenario.sessions, messages)), "--rcpt", RECIPIENT,
            "--json", *scenario.source]
    args += ["--rate", str(max(int(rate), 1))] if rate else []
    process = subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)
    try:
        while look:
            look()
            try:
                process.wait(PEACE_S)
                break
            except subprocess.TimeoutExpired:
                pass
        out, error = process.communicate()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    result = json.loads(out) if process.returncode in (0, 1) and out.strip() else {}
    if result.get("accepted") != messages:
        why = error.strip() if "accepted" in result else result.get("no_result", error.strip())
        raise Failed(f"{result.get('accepted', 0)} of {messages} messages were accepted: {why[-200:]}")
    return result


def straight(build, scenario, messages):
    """Messages a second from source to sink, no relay between."""
    load = f"{build}/bin/mailrace-load"
    sink = Sink(load, scenario.sink)
    try:
        return source(load, sink.port, scenario, messages, None)["per_second"]
    finally:
        sink.stop()


def growth(samples):
    """Last tenth to second tenth: what is allocated once is there by then."""
    tenth = len(samples) // 10
    return max(samples[-tenth:]) / max(samples[tenth:2 * tenth]) if tenth else None


def through(sink, relay, load, scenario, messages, rate):
    samples = []

    def look():
        samples.append(relay.resident_mib())
        if scenario.long:  # else it is little: no CPU is taken from what is measured
            relay.keep_up()
    cpu, began = relay.cpu_seconds(), time.monotonic()
    result = source(load, relay.port, scenario, messages, rate, look)
    relay.wait_delivered(messages)
    seconds = time.monotonic() - began
    latency, dot = result["latency_us"], result["ack_us"]
    return {"messages": messages, "accepted": result["per_second"], "relayed": messages / seconds,
            "cpu_us": (relay.cpu_seconds() - cpu) / messages * 1e6,
            "rss_mib": max(samples + [relay.resident_mib()]), "rss_growth": growth(samples),
            "p50": latency["p50"] / 1000, "p99": latency["p99"] / 1000, "dot_p50": dot["p50"] / 1000,
            "dot_p99": dot["p99"] / 1000, "rate": rate}


def relayed(build, scenario, messages, rate=None, load=None):
    """One measurement with a fresh relay on an empty spool: a figure a name. LOAD: the load program, when
    not that of the build."""
    load = load or f"{build}/bin/mailrace-load"
    folder = spool_folder()
    sink = relay = None
    try:
        sink = Sink(load)
        relay = Relay(build, configuration(scenario, folder, sink.port), folder)
        figures = through(sink, relay, load, scenario, messages, rate)
        relay.stop()
        taken, sink = sink.stop(), None
        if taken != messages:
            raise Failed(f"{taken} of {messages} messages arrived")
        return figures
    finally:
        if relay:
            relay.stop()
        if sink:
            sink.stop()
        shutil.rmtree(folder, ignore_errors=True)
