"""What was measured, as one table for people; and the bars."""

import statistics
from dataclasses import dataclass


@dataclass
class Bar:
    scenario: str
    what: str  # "relayed", "cpu_us", "syscalls", "memory_mib"
    than: str  # a relay, or None: the bar is a figure
    least: float = None
    most: float = None


BARS = [
    Bar("kept", "relayed", "haproxy", least=1.2),
    Bar("kept", "relayed", "postfix", least=15),
    Bar("kept", "relayed", "straight", least=0.7),
    Bar("reconnect", "relayed", "haproxy", least=1.15),
    Bar("reconnect", "relayed", "postfix", least=5.5),
    Bar("64k", "relayed", "haproxy", least=1.0),
    Bar("64k", "relayed", "postfix", least=4),
    Bar("1m", "relayed", "postfix", least=3),
    Bar("one", "relayed", "postfix", least=2),
    Bar("kept", "cpu_us", None, most=85),
    Bar("kept", "syscalls", None, most=14),
    Bar("kept", "memory_mib", None, most=64),
]
OURS = "mailrace"


def spread(values, digits=0):
    """median (least to most)"""
    if not values:
        return "-"
    text = f"{statistics.median(values):.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):.{digits}f}-{max(values):.{digits}f})"


def ratios(ours, theirs):
    """Of each round: what else the machine did then slowed both."""
    return [a / b for a, b in zip(ours, theirs) if a is not None and b]


def values(results, scenario, relay, what):
    rounds = results["scenarios"].get(scenario, {}).get(relay, {}).get("rounds", [])
    return [entry.get(what) if entry else None for entry in rounds]


def known(numbers):
    return [number for number in numbers if number is not None]


def judge(results, bars=tuple(BARS)):
    """(bar, figure or None, met or None) for each."""
    for bar in bars:
        ours = values(results, bar.scenario, OURS, bar.what)
        if bar.what == "syscalls":
            ours = known([results.get("calls", {}).get(OURS, {}).get("syscalls")])
        if bar.than:
            ours = ratios(ours, values(results, bar.scenario, bar.than, bar.what))
        ours = known(ours)
        figure = statistics.median(ours) if ours else None
        met = None
        if ours:
            met = figure >= bar.least if bar.least is not None else figure <= bar.most
        yield bar, figure, met


def markdown_row(cells):
    return "| " + " | ".join(cells) + " |"


def scenario_table(results, key):
    entry = results["scenarios"][key]
    lines = [f"### {results['titles'][key]}", "",
             markdown_row(["relay", "relayed/s", "of straight", "of haproxy", "of postfix", "accepted/s",
                           "CPU us", "memory MiB"]),
             "|---|" + "---:|" * 7]
    for relay, data in entry.items():
        rate = values(results, key, relay, "relayed")
        cells = [relay, spread(known(rate))]
        cells += [spread(ratios(rate, values(results, key, other, "relayed")), 2)
                  for other in ("straight", "haproxy", "postfix")]
        cells += [spread(known(values(results, key, relay, what)), digits)
                  for what, digits in (("accepted", 0), ("cpu_us", 1), ("memory_mib", 1))]
        lines.append(markdown_row(cells))
        lines += [f"| | {why} | | | | | | |" for why in data.get("failed", [])]
    return lines + [""]


def relay_table(results):
    lines = [markdown_row(["relay", "version", "keeps mail in", "syncs a message",
                           "files opened O_SYNC, a message", "system calls a message"]),
             "|---|---|---|---:|---:|---:|"]
    for name, about in results["relays"].items():
        calls = results.get("calls", {}).get(name, {})
        cells = [f"{calls[what]:.2f}" if what in calls else "-" for what in ("syncs", "o_sync", "syscalls")]
        lines.append(markdown_row([name, about["version"], about["keeps"], *cells]))
    lines += [markdown_row([name, f"SKIPPED: {why}", "", "", "", ""])
              for name, why in results["skipped"].items()]
    return lines + [""]


def bar_table(results):
    lines = [markdown_row(["bar", "wanted", "measured", ""]), "|---|---:|---:|---|"]
    for bar, figure, met in judge(results):
        what = {"relayed": "relayed", "cpu_us": "CPU us a message", "syscalls": "system calls a message",
                "memory_mib": "memory, MiB"}[bar.what] + (f" / {bar.than}" if bar.than else "")
        wanted = f"at least {bar.least:g}" if bar.least is not None else f"at most {bar.most:g}"
        verdict = {None: "not measured", True: "met", False: "**MISSED**"}[met]
        lines.append(markdown_row([f"{results['titles'].get(bar.scenario, bar.scenario)}: {what}", wanted,
                                   "-" if figure is None else f"{figure:.2f}", verdict]))
    return lines + [""]


def markdown(results):
    lines = ["# Relays side by side", "", results["machine"], "", *relay_table(results)]
    for key in results["scenarios"]:
        lines += scenario_table(results, key)
    lines += ["Median of the rounds, least and most in brackets; ratios are those of each round.", "",
              "## Bars", "", *bar_table(results)]
    for title, file in results.get("plots", {}).items():
        lines += [f"![{title}]({file})", ""]
    lines += ["## Configurations", ""]
    for name, files in results.get("configurations", {}).items():
        for file, text in files.items():
            lines += [f"### {name}: {file}", "", "```", text.rstrip("\n"), "```", ""]
    return "\n".join(lines)
