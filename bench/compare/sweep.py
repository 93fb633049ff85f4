"""Throughput over the number of sessions, and latency over the offered rate: what the plots show."""

import json
import subprocess
import time

import relays
from group import launch
from smtp import FROM, PATIENCE_S, TO, Failed

SESSIONS = (1, 2, 5, 10, 20, 50, 100, 200)
SHARES = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95)  # of what a relay accepts in a closed loop
RATE_SESSIONS, RATE_SECONDS = 50, 3
POINT_SECONDS, POINT_SECONDS_MAX = 1.5, 10  # of one point of throughput: wanted, and borne
HELD_SHARE = 0.9  # of the offered rate; below that the figure is of another rate


def by_sessions(comparison, scenario_of):
    """{relay: [[sessions, relayed a second], ...]}; SCENARIO_OF makes one of a number of sessions."""
    found = {name: [] for name in comparison.relays}
    rates = {name: comparison.rate_of(name) for name in comparison.relays}
    for sessions in SESSIONS:
        for name, relay in comparison.relays.items():
            if not rates[name]:
                continue
            if sessions / rates[name] > POINT_SECONDS_MAX:
                comparison.say(f"{name}: too slow for {sessions} sessions and more")
                rates[name] = None
                continue
            try:
                messages = max(int(rates[name] * POINT_SECONDS), sessions, 10)
                rates[name] = comparison.transfer(relay, scenario_of(sessions), messages)["relayed"]
                found[name].append([sessions, rates[name]])
            except Failed as why:
                comparison.say(f"{sessions} sessions, {name}: {why}")
                comparison.restart(relay)
                rates[name] = None
    return found


class Late(Failed):
    """The generator did not keep its own times: a figure would be the machine's, not the relay's."""


def offer(relay, rate):
    """The open-loop generator's own account: smtp-source has none."""
    args = [f"{relays.BUILD}/bin/mailrace-load", "source", "--to", f"127.0.0.1:{relay.port}", "--rate",
            str(rate), "--poisson", "--seconds", str(RATE_SECONDS), "--sessions", str(RATE_SESSIONS),
            "--length", "4096", "--from", FROM, "--rcpt", TO, "--json"]
    process = launch(args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        out, error = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        raise Failed(f"the source had not ended after {PATIENCE_S} s") from None
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    try:
        result = json.loads(out)
    except ValueError:
        raise Failed(f"the source: {error.strip()[-200:]}") from None
    if not result.get("accepted"):
        if "generator_late" in out:
            raise Late("the generator itself was late")
        raise Failed("nothing was accepted")
    return result


def one_rate(comparison, relay, rate):
    first = comparison.sink.taken()
    result = offer(relay, rate)
    comparison.sink.wait(first + result["accepted"], time.monotonic())
    return {"rate": rate, "accepted": result["per_second"], "p50": result["ack_us"]["p50"] / 1000,
            "p99": result["ack_us"]["p99"] / 1000}


def by_rate(comparison):
    """{relay: [{"rate", "accepted", "p50", "p99"}, ...]}"""
    found = {}
    for name, relay in comparison.relays.items():
        found[name] = []
        most = comparison.rate_of(name, "accepted")
        for rate in [max(int(most * share), 1) for share in SHARES] if most else []:
            try:
                entry = one_rate(comparison, relay, rate)
            except Failed as why:
                comparison.say(f"{rate} messages/s offered, {name}: {why}")
                if isinstance(why, Late):
                    comparison.sink.wait_quiet()
                    continue
                comparison.restart(relay)
                break
            if entry["accepted"] < HELD_SHARE * rate:
                break
            found[name].append(entry)
    return found
