"""Charts as SVG without colours: lines, points, bars, and estimates with their intervals.

Colours, dashes and letters come from the page's style sheet by class (`s0` to `s5` for series), so that one drawing is
right on light and on dark and in print. Series differ by dash or shape too. Sizes are in the drawing's own units, made
so that letters stay legible when it fills a phone's width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from hoitool.report.document.parts import Estimate

WIDTH, HEIGHT = 440, 300
LEFT, RIGHT, TOP, BOTTOM = 48, 22, 12, 44
MANY = 200  # points, of which more are drawn smaller
SERIES = 6  # told apart by colour and dash or shape
STEPS = (1, 2, 2.5, 5, 10)
BAR, GAP, LETTER = 16, 8, 7.0  # of bars: height, distance, width of a letter
MOST_NAME = 217.0  # width of the longest name on the left of rows


@dataclass(frozen=True)
class Axis:
    """What an axis shows, from `low` to `high`; log: by powers of ten; percent: fractions in per cent."""

    title: str
    low: float
    high: float
    log: bool = False
    percent: bool = False

    def place(self, value: float) -> float:
        """Where a value is on the axis, 0 to 1."""
        if self.log:
            value, low, high = (math.log10(v) for v in (value, self.low, self.high))
        else:
            low, high = self.low, self.high
        return (value - low) / (high - low) if high > low else 0.5

    def ticks(self) -> list[tuple[float, str]]:
        """Round values on the axis, and how they are written."""
        if self.log:
            powers = range(math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9) + 1)
            return [(10.0**power, f"{10**power:,}") for power in powers]
        step = nice_step(self.high - self.low, 5)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        factor = 100 if self.percent else 1
        return [(n * step, f"{round(n * step * factor, 10):g}") for n in range(first, last + 1)]


@dataclass(frozen=True)
class Points:
    """One series: its name and points (x, y), which may have names of their own. Those that are not finite stay out."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    names: Sequence[str] = ()


def nice_step(span: float, about: int) -> float:
    """A round step that divides a span into about so many."""
    rough = span / about if span > 0 else 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in STEPS if step * power >= rough * (1 - 1e-9))


def lines(series: Sequence[Points], x: Axis, y: Axis, diagonal: bool = False) -> str:
    """Curves through points, one class and dash per series; diagonal: the line from corner to corner below them."""
    at = _placed(x, y)
    corners = [*at(x.low, y.low), *at(x.high, y.high)]
    drawn = ['<path class="grid" d="M{:.1f} {:.1f}L{:.1f} {:.1f}"/>'.format(*corners)] if diagonal else []
    for i, each in enumerate(series):
        path = " ".join(
            f"{a:.1f},{b:.1f}"
            for a, b in (at(*point) for point in zip(each.x, each.y, strict=True) if math.isfinite(point[1]))
        )
        drawn.append(f'<polyline class="line s{i % SERIES}" points="{path}"/>')
    return _framed(x, y, drawn)


def points(series: Sequence[Points], x: Axis, y: Axis) -> str:
    """Points, one class and shape per series; those with names say them where a pointer rests."""
    at, size = _placed(x, y), 3.0 if sum(len(each.x) for each in series) <= MANY else 2.0
    drawn = []
    for i, each in enumerate(series):
        drawn.append(f'<g class="point s{i % SERIES}">')
        for nth, point in enumerate(zip(each.x, each.y, strict=True)):
            if not math.isfinite(point[1]):
                continue
            name = f"<title>{escape(each.names[nth])}</title>" if each.names else ""
            drawn.append(shape(i, *at(*point), name, size))
        drawn.append("</g>")
    return _framed(x, y, drawn)


def shape(series: int, x: float, y: float, inside: str = "", size: float = 3.0) -> str:
    """The mark of a series: disc, square, triangle, diamond, and so on again."""
    if series % 4 == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size:g}">{inside}</circle>'
    if series % 4 == 1:
        return f'<rect x="{x - size:.1f}" y="{y - size:.1f}" width="{2 * size:g}" height="{2 * size:g}">{inside}</rect>'
    corners = [(0, -1.3), (1.2, 1), (-1.2, 1)] if series % 4 == 2 else [(0, -1.4), (1.4, 0), (0, 1.4), (-1.4, 0)]
    path = " ".join(f"{x + size * a:.1f},{y + size * b:.1f}" for a, b in corners)
    return f'<polygon points="{path}">{inside}</polygon>'


def bars(rows: Sequence[tuple[str, Sequence[float]]], written: Callable[[float], str]) -> str:
    """Horizontal bars: for each row one bar per series, its value written at its end. Values may be negative."""
    series = max((len(values) for _, values in rows), default=1)
    values = [value for _, held in rows for value in held if math.isfinite(value)]
    left = _margin([name for name, _ in rows])
    right = LETTER * max((len(written(value)) for value in values), default=1) + 8
    low, high = min([0.0, *values]), max([0.0, *values]) or 1.0
    room = WIDTH - left - right - (right if low < 0 else 0)
    zero = left + (right if low < 0 else 0) + room * -low / (high - low)
    step = series * BAR + GAP
    drawn = []
    for row, (name, held) in enumerate(rows):
        top = row * step + GAP / 2
        drawn.append(_text(left - 8, top + series * BAR / 2, _short(name), "end"))
        for i, value in enumerate(held):
            if not math.isfinite(value):
                continue
            wide, middle = room * abs(value) / (high - low), top + i * BAR
            start = zero if value >= 0 else zero - wide
            drawn.append(
                f'<rect class="bar s{i % SERIES}" x="{start:.1f}" y="{middle + 1:.1f}" width="{wide:.1f}" '
                f'height="{BAR - 3}"/>'
            )
            anchor, end = ("start", zero + wide + 4) if value >= 0 else ("end", start - 4)
            drawn.append(_text(end, middle + BAR / 2 - 0.5, written(value), anchor, "value"))
    high_y = len(rows) * step
    drawn.append(f'<line class="axis" x1="{zero:.1f}" y1="0" x2="{zero:.1f}" y2="{high_y}"/>')
    return _svg(WIDTH, high_y, drawn)


def estimates(rows: Sequence[tuple[str, Sequence[Estimate]]], title: str) -> str:
    """For each row one mark per series with its interval, on an axis in per cent from or to 0."""
    ends = [v for _, held in rows for e in held for v in (e.value, e.low, e.high) if math.isfinite(v)] or [0.0]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    spare = 0.05 * (high - low) or 0.01
    axis = Axis(title, low - spare if low < 0 else low, high + spare if high > 0 else high, percent=True)
    series = max((len(held) for _, held in rows), default=1)
    left, step = _margin([name for name, _ in rows]), series * BAR * 0.8 + GAP
    foot = len(rows) * step

    def at(value: float) -> float:
        return left + (WIDTH - left - RIGHT) * axis.place(value)

    drawn = []
    for value, label in axis.ticks():
        drawn.append(f'<line class="grid" x1="{at(value):.1f}" y1="0" x2="{at(value):.1f}" y2="{foot:g}"/>')
        drawn.append(_text(at(value), foot + 14, label, "middle"))
    drawn.append(f'<line class="axis" x1="{at(0):.1f}" y1="0" x2="{at(0):.1f}" y2="{foot:g}"/>')
    for row, (name, held) in enumerate(rows):
        drawn.append(_text(left - 8, (row + 0.5) * step, _short(name), "end"))
        for i, each in enumerate(held):
            drawn.append(_estimate(i, each, at, row * step + GAP / 2 + (i + 0.5) * BAR * 0.8))
    drawn.append(_text((left + WIDTH - RIGHT) / 2, foot + 32, title, "middle"))
    return _svg(WIDTH, foot + 40, drawn)


def _estimate(series: int, each: Estimate, at: Callable[[float], float], y: float) -> str:
    """A mark and its whisker at a height."""
    if not math.isfinite(each.value):
        return ""
    mark = f'<g class="point s{series % SERIES}">{shape(series, at(each.value), y, size=4)}</g>'
    if each.certain:
        return mark
    a, b = at(each.low), at(each.high)
    ends = f"M{a:.1f} {y:.1f}H{b:.1f}M{a:.1f} {y - 4:.1f}v8M{b:.1f} {y - 4:.1f}v8"
    return f'<path class="whisker s{series % SERIES}" d="{ends}"/>{mark}'


def swatch(series: int, kind: str) -> str:
    """The sign of a series in a legend: kind line, point or bar."""
    inside = {
        "line": f'<line class="line s{series % SERIES}" x1="0" y1="6" x2="26" y2="6"/>',
        "point": f'<g class="point s{series % SERIES}">{shape(series, 13, 6, size=4)}</g>',
        "bar": f'<rect class="bar s{series % SERIES}" x="4" y="1" width="18" height="10"/>',
    }[kind]
    return f'<svg viewBox="0 0 26 12" width="26" height="12" aria-hidden="true" focusable="false">{inside}</svg>'


def _placed(x: Axis, y: Axis) -> Callable[[float, float], tuple[float, float]]:
    """What puts a value of both axes onto the drawing."""

    def at(a: float, b: float) -> tuple[float, float]:
        wide, high = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        return LEFT + wide * x.place(a), TOP + high * (1 - y.place(b))

    return at


def _framed(x: Axis, y: Axis, inside: Sequence[str]) -> str:
    """A drawing with its axes, their grid and titles."""
    at = _placed(x, y)
    drawn = []
    for value, label in x.ticks():
        place = at(value, y.low)[0]
        drawn.append(f'<line class="grid" x1="{place:.1f}" y1="{TOP}" x2="{place:.1f}" y2="{HEIGHT - BOTTOM}"/>')
        drawn.append(_text(place, HEIGHT - BOTTOM + 14, label, "middle"))
    for value, label in y.ticks():
        place = at(x.low, value)[1]
        drawn.append(f'<line class="grid" x1="{LEFT}" y1="{place:.1f}" x2="{WIDTH - RIGHT}" y2="{place:.1f}"/>')
        drawn.append(_text(LEFT - 6, place, label, "end"))
    drawn.append(f'<path class="axis" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"/>')
    drawn.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x.title, "middle"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    drawn.append(
        f'<text transform="translate(12 {middle:g}) rotate(-90)" text-anchor="middle" dy=".32em">'
        f"{escape(y.title)}</text>"
    )
    return _svg(WIDTH, HEIGHT, [*drawn, *inside])


def _margin(names: Sequence[str]) -> float:
    """Room for names on the left of rows."""
    return min(MOST_NAME, LETTER * max(map(len, names), default=1)) + 12


def _short(name: str) -> str:
    most = int(MOST_NAME / LETTER)
    return name if len(name) <= most else f"{name[: most - 1]}…"


def _text(x: float, y: float, text: str, anchor: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{x:.1f}" y="{y:.1f}" dy=".32em" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(width: float, height: float, inside: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {width:g} {height:g}" role="img">{"".join(inside)}</svg>'
