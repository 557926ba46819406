"""A comparison as pictures: differences with their intervals, and AP of classes against that of another system.

Functions take plain values, in per cent. Pictures are the same bytes for the same values. Systems differ in
their marks too, and what is more than noise is filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.data.dataset import Array
from hoitool.viz.figure import COLOURS, write

SHAPES = ("o", "s", "^", "D", "v", "P")
GREY = "0.55"
LONGEST = 28  # letters of a class's name
NAMED = 5  # classes at each end that have their names
ROOM = 0.35  # of the height of one side of the line, that the other has at least


@dataclass(frozen=True, eq=False)
class Differences:
    """A system's differences (N,) from the first, the ends of their intervals, and which are more than noise."""

    name: str
    value: Array
    low: Array
    high: Array
    sure: Array


@dataclass(frozen=True, eq=False)
class Classes:
    """AP of classes (K,) in the first system and in another, their truths, and whether they moved more than noise."""

    name: str
    names: Sequence[str]
    truths: Array
    first: Array
    other: Array
    sure: Array


def draw_differences(rows: Sequence[str], systems: Sequence[Differences], first: str, paths: Sequence[Path]) -> None:
    """The differences of each row, one mark for each system, with the line where there is none."""

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        step = 0.7 / len(systems)
        axes.axvline(0, color="0.3", linewidth=0.8)
        for i, held in enumerate(systems):
            colour = COLOURS[i % len(COLOURS)]
            at = np.arange(len(rows)) + (i - (len(systems) - 1) / 2) * step
            axes.hlines(at, held.low, held.high, color=colour, linewidth=1.4)
            for sure, face in ((True, colour), (False, "white")):
                some = held.sure == sure
                style = {"marker": SHAPES[i % len(SHAPES)], "color": face, "edgecolor": colour, "zorder": 3, "s": 24}
                axes.scatter(held.value[some], at[some], **style)
            axes.plot([], [], SHAPES[i % len(SHAPES)], color=colour, label=held.name)
        axes.set_yticks(np.arange(len(rows)), rows)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        what = f"{systems[0].name} less {first}" if len(systems) == 1 else f"difference from {first}"
        axes.set(xlabel=f"{what} (points); hollow: inside the noise")
        if len(systems) > 1:
            figure.legend(loc="outside upper left", frameon=False, ncols=3)

    height = 0.75 + len(rows) * max(0.26, 0.15 * len(systems)) + 0.25 * (len(systems) > 1)
    write(paint, (5.2, height), paths)


def draw_classes(systems: Sequence[Classes], first: str, paths: Sequence[Path]) -> None:
    """For each system the classes' AP against that of the first, and the differences from the largest gain on."""

    def paint(figure: Any) -> None:
        grid = figure.subplots(len(systems), 2, squeeze=False, width_ratios=[1, 1.5])
        for (left, right), held in zip(grid, systems, strict=True):
            _scatter(left, held, first)
            _waterfall(right, held)

    write(paint, (7.2, 3.2 * len(systems)), paths)


def _scatter(axes: Any, held: Classes, first: str) -> None:
    axes.plot([0, 100], [0, 100], color="0.3", linewidth=0.8)
    size = 3 + 2.5 * np.log2(1 + held.truths)
    for sure, colour in ((False, GREY), (True, COLOURS[0])):
        some = held.sure == sure
        style = {"s": size[some], "facecolor": colour if sure else "none", "edgecolor": colour, "alpha": 0.75}
        axes.scatter(held.first[some], held.other[some], linewidth=0.6, **style)
    axes.set(xlim=(-3, 103), ylim=(-3, 103), xlabel=f"AP of {first} (%)", ylabel=f"AP of {held.name} (%)")
    axes.set_aspect("equal")
    axes.set_title("classes; filled: more than noise")


def _waterfall(axes: Any, held: Classes) -> None:
    """The differences in order; the names of the classes at both ends."""
    difference = held.other - held.first
    some = np.flatnonzero(~np.isnan(difference))
    order = some[np.argsort(-difference[some], kind="stable")]
    place = np.arange(len(order))
    colours = np.where(held.sure[order], COLOURS[0], "0.75")
    axes.bar(place, difference[order], 1.0, color=colours)
    axes.axhline(0, color="0.3", linewidth=0.8)
    axes.set(xlabel="classes, largest gain first", ylabel="AP gained (points)")
    axes.set_title(f"{held.name}: {(difference[some] > 0).sum()} classes up, {(difference[some] < 0).sum()} down")
    high, low = max(difference[some].max(initial=0), 0.1), max(-difference[some].min(initial=0), 0.1)
    axes.set_ylim(-1.05 * max(low, ROOM * high), 1.05 * max(high, ROOM * low))
    up, down = order[difference[order] > 0][:NAMED], order[difference[order] < 0][-NAMED:]
    corners = ((up, "gained most:", 0.98, 0.97, "right", "top"), (down, "lost most:", 0.02, 0.03, "left", "bottom"))
    for rows, head, x, y, across, along in corners:
        text = "\n".join([head, *(_short(held.names[i]) for i in (rows if along == "top" else rows[::-1]))])
        axes.text(x, y, text if len(rows) else "", ha=across, va=along, transform=axes.transAxes, fontsize=6.5)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
