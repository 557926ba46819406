"""A diagnosis as pictures: causes with what they cost, calibration, AP against training pairs.

Functions take plain values, so that they draw the diagnoses of any program. Pictures are the same bytes for the same
values. False positives and missed pairs differ in hatching too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.data.dataset import Array
from hoitool.viz.figure import COLOURS, plain_counts, write

BLUE, ORANGE = COLOURS[:2]


def draw_causes(
    names: Sequence[str], counts: Sequence[int], gains: Sequence[float], missed: int, paths: Sequence[Path]
) -> None:
    """How often each cause occurs, and the mAP (fraction) its repair gains. The last `missed` are of missed pairs."""

    def paint(figure: Any) -> None:
        left, right = figure.subplots(1, 2, sharey=True)
        place = np.arange(len(names))
        shown = [0.0 if math.isnan(gain) else 100 * gain for gain in gains]
        _bars(left, place, [float(count) for count in counts], missed, "{:,.0f}")
        _bars(right, place, shown, missed, "{:+.2f}")
        left.set_yticks(place, [_told(name) for name in names])
        left.set_ylim(len(names) - 0.5, -0.5)
        left.set(title="errors", xlabel="false positives; hatched: missed pairs")
        right.set(title="mAP gained if repaired", xlabel="points")
        for axes in (left, right):
            axes.tick_params(axis="y", length=0)
            axes.locator_params(axis="x", nbins=4)
        plain_counts(left.xaxis)

    write(paint, (6.9, 0.4 + 0.26 * len(names) + 0.5), paths)


def draw_calibration(
    low: Array, high: Array, count: Array, precision: Array, error: float, paths: Sequence[Path]
) -> None:
    """The share of true positives in each bin of scores (B,) over the number of its detections, on a log scale."""

    def paint(figure: Any) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        width, middle = high - low, (low + high) / 2
        upper.bar(middle, np.nan_to_num(precision), width * 0.94, color=BLUE)
        if not math.isnan(error):
            upper.plot([0, 1], [0, 1], color="0.3", linewidth=1, linestyle="--", label="as sure as right")
            upper.legend(frameon=False, loc="upper left")
            upper.set_ylim(0, 1)
        told = "scores are no probabilities" if math.isnan(error) else f"expected calibration error {100 * error:.2f} %"
        upper.set(title=told, ylabel="true positives (share)")
        lower.set_yscale("log")
        lower.set_ylim(0.8, 2 * max(count.max(initial=0), 1))
        lower.bar(middle[count > 0], count[count > 0], width[count > 0] * 0.94, color="0.45")
        plain_counts(lower.yaxis)
        lower.set(xlabel="score", ylabel="detections")

    write(paint, (3.4, 3.6), paths)


def draw_frequency(
    trained: Array, ap: Array, low: Array, high: Array, means: Array, spearman: float, paths: Sequence[Path]
) -> None:
    """AP (K,) of classes against their training pairs, on a log scale, and the means of bins (B,), bounds included."""

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        axes.plot(np.maximum(trained, 0.7), 100 * ap, ".", color=BLUE, markersize=4, alpha=0.5, label="a class")
        for i in np.flatnonzero(~np.isnan(means)):
            ends = [max(low[i], 0.7), high[i] + 1]
            name = "mean of a range" if i == np.flatnonzero(~np.isnan(means))[0] else None
            axes.plot(ends, [100 * means[i]] * 2, color=ORANGE, linewidth=2.5, solid_capstyle="butt", label=name)
        axes.set_xscale("log")
        plain_counts(axes.xaxis)
        told = "" if math.isnan(spearman) else f"rank correlation {spearman:.2f}"
        axes.set(title=told, xlabel="training pairs (log scale; none at the left end)", ylabel="AP (%)")
        axes.set_ylim(-2, 102)
        axes.legend(frameon=False, loc="best", handlelength=1.4)

    write(paint, (3.4, 2.8), paths)


def _told(name: str) -> str:
    return name.replace("-", " ")


def _bars(axes: Any, place: Array, values: list[float], missed: int, form: str) -> None:
    first = len(values) - missed
    for rows, colour, hatch in ((slice(0, first), BLUE, ""), (slice(first, None), ORANGE, "////")):
        axes.barh(place[rows], values[rows], 0.72, color=colour, hatch=hatch, edgecolor="white", linewidth=0)
    for at, value in zip(place.tolist(), values, strict=True):
        axes.annotate(form.format(value), (value, at), (3, 0), textcoords="offset points", va="center", fontsize=7)
    axes.set_xlim(0, 1.22 * max([*values, 1e-9]))
