"""Scenarios as they stand in scenarios/*.scenario; their form is told in scenarios/README."""

import operator
import os
import re
import shlex
from dataclasses import dataclass, field

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "scenarios")
FIGURES = ("relayed", "accepted", "ratio", "cpu_us", "rss_mib", "rss_growth", "p50", "p99", "dot_p50",
           "dot_p99")


class Bad(Exception):
    """A scenario's file is wrong; the text says where and why."""


@dataclass
class Bar:
    figure: str
    sign: str
    bound: float

    def met(self, value):
        return {">=": operator.ge, "<=": operator.le}[self.sign](value, self.bound)


@dataclass
class Scenario:
    name: str
    title: str = ""
    octets: int = 4096
    sessions: int = 50
    source: list = field(default_factory=list)
    sink: list = field(default_factory=list)
    messages: float = 1.0
    relay: str = ""
    connector: str = ""
    connectors: int = 0
    ranges: int = 100
    recipients: int = 0
    certificate: bool = False
    rate_of: tuple = None  # (scenario, factor)
    straight: bool = True
    long: bool = False
    bar: list = field(default_factory=list)
    against: str = None


def yes_or_no(text):
    return {"yes": True, "no": False}[text]


def rate_of(text):
    name, factor = text.split()
    return name, float(factor)


def bars(text):
    found = []
    for line in text.split("\n"):
        figure, sign, bound = line.split()
        if figure not in FIGURES or sign not in (">=", "<="):
            raise ValueError(line)
        found.append(Bar(figure, sign, float(bound)))
    return found


KEYS = {"title": str, "octets": int, "sessions": int, "source": shlex.split, "sink": shlex.split,
        "messages": float, "relay": str, "connector": str, "connectors": int, "ranges": int,
        "recipients": int, "certificate": yes_or_no, "rate_of": rate_of, "straight": yes_or_no,
        "long": yes_or_no, "bar": bars, "against": str}


def parse(name, text):
    values = {}
    key = None
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = re.fullmatch(r"(\w+)\s*=\s*(.*?)\s*", line)
        if line[0].isspace() and key:
            values[key] += "\n" + line.strip()
        elif found and found.group(1) in KEYS and found.group(1) not in values:
            key = found.group(1)
            values[key] = found.group(2)
        else:
            raise Bad(f"{name}.scenario:{number}: {line!r} is not understood")
    scenario = Scenario(name, title=name)
    for key, value in values.items():
        try:
            setattr(scenario, key, KEYS[key](value))
        except (ValueError, KeyError):
            raise Bad(f"{name}.scenario: {key} = {value!r} is not understood") from None
    if min(scenario.octets, scenario.sessions) < 1 or scenario.messages <= 0:
        raise Bad(f"{name}.scenario: octets, sessions and messages must be above 0")
    return scenario


def read(path):
    name = re.sub(r"^\d+-", "", os.path.basename(path).removesuffix(".scenario"))
    with open(path, encoding="utf-8") as text:
        return parse(name, text.read())


def read_all(folder=FOLDER):
    """{name: scenario}, in the order of the files. What a scenario refers to must come before it."""
    found = {}
    for file in sorted(file for file in os.listdir(folder) if file.endswith(".scenario")):
        scenario = read(os.path.join(folder, file))
        for needed in needs(scenario):
            if needed not in found:
                raise Bad(f"{file}: {needed} is not a scenario that comes before it")
        found[scenario.name] = scenario
    return found


def needs(scenario):
    """Names of those whose figures it is measured with."""
    return [name for name in (scenario.rate_of and scenario.rate_of[0], scenario.against) if name]
