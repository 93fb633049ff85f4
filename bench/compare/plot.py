"""Line charts as SVG: no library beyond the standard one, readable where a browser or a viewer shows it."""

import math
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 860, 500
LEFT, RIGHT, TOP, BOTTOM = 86, 170, 52, 64
COLOURS = {"straight": "#7f7f7f", "haproxy": "#1f77b4", "mailrace": "#d62728", "postfix": "#2ca02c",
           "opensmtpd": "#e6a100", "exim": "#9467bd", "haraka": "#8c564b"}
SPARE = ("#17becf", "#e377c2", "#bcbd22", "#3b3b3b")
MARKS = ("circle", "square", "diamond", "triangle")


@dataclass
class Axis:
    title: str
    log: bool = False
    low: float = 0
    high: float = 1
    ticks: list = field(default_factory=list)

    def fit(self, values):
        """Borders and ticks that hold VALUES; a linear axis begins at 0."""
        if self.log:
            self._fit_log([value for value in values if value > 0] or [1])
        else:
            self._fit_linear(max(values, default=1) or 1)

    def _fit_log(self, values):
        wanted = [digit * 10.0 ** power for power in range(-9, 13) for digit in (1, 2, 5)]
        self.low = max([tick for tick in wanted if tick <= min(values) * 1.0001])
        self.high = min([tick for tick in wanted if tick >= max(values) * 0.9999])
        if self.low == self.high:
            self.high *= 2
        self.ticks = [tick for tick in wanted if self.low * 0.999 <= tick <= self.high * 1.001]
        if len(self.ticks) > 11:
            self.ticks = [tick for tick in self.ticks if round(math.log10(tick), 6) % 1 == 0]

    def _fit_linear(self, most):
        power = 10.0 ** math.floor(math.log10(most))
        step = next(power * part for part in (0.1, 0.2, 0.5, 1, 2) if most / (power * part) <= 8)
        self.high = math.ceil(most / step - 1e-9) * step
        self.ticks = [step * n for n in range(round(self.high / step) + 1)]

    def place(self, value):
        """0 to 1 along the axis."""
        if not self.log:
            return (value - self.low) / (self.high - self.low)
        return math.log(value / self.low) / math.log(self.high / self.low)


def label(value):
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if value >= 1e4 else f"{value:g}"


def mark(shape, x, y, colour):
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>'
    if shape == "square":
        return f'<rect x="{x - 3.2:.1f}" y="{y - 3.2:.1f}" width="6.4" height="6.4" fill="{colour}"/>'
    points = {"diamond": ((0, -4.5), (4.5, 0), (0, 4.5), (-4.5, 0)),
              "triangle": ((0, -4.5), (4.2, 3.5), (-4.2, 3.5))}[shape]
    listed = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in points)
    return f'<polygon points="{listed}" fill="{colour}"/>'


def text(x, y, what, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(what)}</text>'


class Chart:
    def __init__(self, title, x_axis, y_axis):
        self.title, self.x, self.y = title, x_axis, y_axis
        self.series = []

    def add(self, name, points):
        """POINTS: (x, y), left to right; on a logarithmic axis those above 0 count."""
        kept = [(x, y) for x, y in points if (x > 0 or not self.x.log) and (y > 0 or not self.y.log)]
        if kept:
            self.series.append((name, kept))

    def _at(self, x, y):
        return (LEFT + self.x.place(x) * (WIDTH - LEFT - RIGHT),
                HEIGHT - BOTTOM - self.y.place(y) * (HEIGHT - TOP - BOTTOM))

    def _frame(self):
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        yield text(LEFT, 28, self.title, 'font-size="17" font-weight="bold"')
        for tick in self.x.ticks:
            x = self._at(tick, self.y.low)[0]
            yield f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" stroke="#e3e3e3"/>'
            yield text(x, bottom + 20, label(tick), 'text-anchor="middle"')
        for tick in self.y.ticks:
            y = self._at(self.x.low, tick)[1]
            yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="#e3e3e3"/>'
            yield text(LEFT - 9, y + 4.5, label(tick), 'text-anchor="end"')
        yield (f'<rect x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{bottom - TOP}" fill="none" '
               'stroke="#333"/>')
        yield text((LEFT + right) / 2, HEIGHT - 16, self.x.title, 'text-anchor="middle"')
        middle = (TOP + bottom) / 2
        yield text(22, middle, self.y.title, f'text-anchor="middle" transform="rotate(-90 22 {middle:.1f})"')

    def _line(self, number, name, points):
        colour = COLOURS.get(name) or SPARE[number % len(SPARE)]
        shape = MARKS[number % len(MARKS)]
        placed = [self._at(x, y) for x, y in points]
        listed = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        yield f'<polyline points="{listed}" fill="none" stroke="{colour}" stroke-width="2.2"/>'
        yield from (mark(shape, x, y, colour) for x, y in placed)
        x, y = WIDTH - RIGHT + 18, TOP + 14 + 24 * number
        yield f'<line x1="{x}" y1="{y}" x2="{x + 28}" y2="{y}" stroke="{colour}" stroke-width="2.2"/>'
        yield mark(shape, x + 14, y, colour)
        yield text(x + 36, y + 4.5, name)

    def svg(self):
        self.x.fit([x for _, points in self.series for x, _ in points])
        self.y.fit([y for _, points in self.series for _, y in points])
        lines = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
                 f'height="{HEIGHT}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif" font-size="13">',
                 f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>', *self._frame()]
        for number, (name, points) in enumerate(self.series):
            lines += self._line(number, name, points)
        return "\n".join(lines + ["</svg>", ""])


# --- What a comparison is drawn as ---

def sessions_chart(sweep):
    """{relay: [[sessions, relayed a second], ...]}"""
    chart = Chart("Relayed messages of 4 KiB a second, by sessions kept open",
                  Axis("sessions (logarithmic)", log=True), Axis("messages a second (logarithmic)", log=True))
    for name, points in sweep.items():
        chart.add(name, points)
    return chart.svg()


def latency_chart(sweep, percentile):
    """{relay: [{"rate": ..., "p50": ms, "p99": ms}, ...]}"""
    title = {"p50": "median", "p99": "99th percentile"}[percentile]
    chart = Chart(f"Final dot to 250, {title}, by offered rate (open loop)",
                  Axis("messages of 4 KiB offered a second (logarithmic)", log=True),
                  Axis("milliseconds (logarithmic)", log=True))
    for name, points in sweep.items():
        chart.add(name, [(point["rate"], point[percentile]) for point in points])
    return chart.svg()


def write_all(results, folder):
    """{title: file} of what there is to draw."""
    sweeps = results.get("sweeps", {})
    drawn = {}
    if sweeps.get("sessions"):
        drawn["throughput by sessions"] = ("sessions.svg", sessions_chart(sweeps["sessions"]))
    if sweeps.get("rates"):
        for percentile in ("p50", "p99"):
            drawn[f"{percentile} by offered rate"] = (f"latency-{percentile}.svg",
                                                      latency_chart(sweeps["rates"], percentile))
    for name, content in drawn.values():
        with open(f"{folder}/{name}", "w", encoding="utf-8") as out:
            out.write(content)
    return {title: name for title, (name, _) in drawn.items()}
