"""Curves as pictures that fit a column or the width of a paper's page: PNG, SVG or PDF.

Functions take plain values. Series differ in colour (Okabe and Ito's, told apart by colour-blind people) and in dashes;
their legend stands outside of the axes, where it covers nothing. Letters of SVG are outlines, so that they look alike
everywhere; those of PDF are embedded. Pictures are the same bytes for the same values.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hoitool.data.dataset import Array
from hoitool.viz.figure import COLOURS, STYLE, plain_counts, write

WIDTHS = {"column": 3.4, "page": 6.9}  # inches, of the two-column styles of CVPR and IEEE
ON_OFF = ((5, 1.5), (1, 1), (5, 1.5, 1, 1.5), (8, 1.5), (3, 1, 1, 1, 1, 1))  # dashes, in widths of a line
DASHES: tuple[Any, ...] = ("-", *((0, each) for each in ON_OFF))
MARKERS = ("o", "s", "^", "D", "v", "P")
SERIES = len(COLOURS)  # that are told apart
ACROSS = 3  # panels beside each other
LETTER = 0.062  # inches, about, of a letter of the legend
DPI = 300
FINE = {
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "grid.linewidth": 0.4,
    "grid.color": "0.88",
    "lines.linewidth": 1.3,
    "svg.fonttype": "path",
}


@dataclass(frozen=True, eq=False)
class Series:
    """A line through (x, y), and points of their own (x, y) in pale that it sums up, where there are any."""

    name: str
    x: Array
    y: Array
    points: tuple[Array, Array] | None = None


@dataclass(frozen=True)
class Panel:
    """Series on the same axes; the title is '' where the figure has one panel that needs none."""

    title: str
    series: Sequence[Series]


@dataclass(frozen=True)
class Axes:
    """What the axes say. y is in per cent of fractions; x too, or counts on a log scale; marked: points of lines."""

    x: str
    y: str
    counts: bool = False
    marked: bool = False


def draw_curves(
    panels: Sequence[Panel], axes: Axes, paths: Sequence[Path], width: Literal["column", "page"] = "column"
) -> None:
    """Write panels beside each other, with one legend for all, into files whose suffix is one of FORMS."""
    across = min(len(panels), ACROSS if width == "page" else 1)
    down = math.ceil(len(panels) / across)
    wide = WIDTHS[width]
    names = list(dict.fromkeys(series.name for panel in panels for series in panel.series))
    columns = _legend_columns(names, wide)
    legend = 0.16 * math.ceil(len(names) / columns) if len(names) > 1 else 0.0
    high = down * min((0.72 if across == 1 else 0.85) * wide / across, 2.5) + legend

    def paint(figure: Any) -> None:
        grid = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
        for at, place in enumerate(grid.flat):
            if at >= len(panels):
                place.set_axis_off()
                continue
            _panel(place, panels[at], axes, names, 0.7 * wide / across)
            place.set_xlabel(axes.x if at + across >= len(panels) else "")
            place.set_ylabel(axes.y if at % across == 0 else "")
            place.tick_params(labelbottom=at + across >= len(panels))
        if len(names) > 1:
            _legend(figure, grid, columns, wide)

    write(paint, (wide, high), paths, {**STYLE, **FINE}, DPI)


def _panel(place: Any, panel: Panel, axes: Axes, names: Sequence[str], wide: float) -> None:
    for series in panel.series:
        i = names.index(series.name) % SERIES
        style = {"color": COLOURS[i], "linestyle": DASHES[i], "label": series.name}
        if axes.marked:
            style |= {"marker": MARKERS[i], "markersize": 3.2}
        factor = 1 if axes.counts else 100
        if series.points is not None:
            x, y = series.points
            pale: Any = {"markeredgewidth": 0, "markersize": 2.6, "alpha": 0.35, "linestyle": "none", "clip_on": False}
            place.plot(factor * x, 100 * y, marker=MARKERS[i], color=COLOURS[i], zorder=1, **pale)
        place.plot(factor * series.x, 100 * series.y, zorder=3, **style)
    place.set_title(_short(panel.title, wide))
    place.set_ylim(0, 102)
    place.grid(True)
    place.set_axisbelow(True)
    if axes.counts:
        if all(series.points is None and not np.isfinite(series.y).any() for series in panel.series):
            place.set_xlim(1, 10)  # nothing to show, and a log scale of nothing is none
        place.set_xscale("log")
        _ticks(place)
    else:
        place.set_xlim(0, 102)


def _legend_columns(names: Sequence[str], wide: float) -> int:
    """How many entries of the legend stand beside each other."""
    entry = LETTER * max((len(name) for name in names), default=1) + 0.45
    return max(1, min(len(names), int(wide / entry)))


def _legend(figure: Any, grid: Any, columns: int, wide: float) -> None:
    held: dict[str, Any] = {}
    for place in grid.flat:
        for handle, name in zip(*place.get_legend_handles_labels(), strict=True):
            held.setdefault(name, handle)
    style: Any = {"frameon": False, "handlelength": 2.6, "columnspacing": 1.2, "labelspacing": 0.25, "borderpad": 0}
    told = [_short(name, wide - 0.6) for name in held]
    figure.legend(held.values(), told, loc="outside upper left", ncols=columns, fontsize=7.5, **style)


def _short(name: str, wide: float) -> str:
    """A name that fits into so many inches, without its middle: names of runs often differ at the end."""
    most = int(wide / LETTER)
    return name if len(name) <= most else f"{name[: (most - 1) // 2]}…{name[len(name) - most // 2 :]}"


def _ticks(place: Any) -> None:
    """Powers of ten, and 2 and 5 times these where the axis is short."""
    from matplotlib.ticker import LogLocator

    low, high = place.get_xlim()
    place.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    plain_counts(place.xaxis)
