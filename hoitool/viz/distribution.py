"""The distribution of data as one figure: the long tail, pairs per image, and objects with verbs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.data.dataset import Array
from hoitool.data.distribution import FEW, NOTHING, Distribution
from hoitool.viz.figure import STYLE, check_form, plain_counts, write

SHOWN = 40  # objects and verbs in the map, the most frequent ones
DPI = 130
LARGE = {"font.size": 9, "axes.titlesize": "large", "axes.titlelocation": "center"}
WIDEST = 30  # pairs per image: more are in the last bar


def check_suffix(path: Path) -> None:
    """Raise UsageError when a path is no .png."""
    check_form(path, ("png",))


def draw(parts: Sequence[Distribution], path: Path, title: str = "") -> None:
    """Write the figure of all subsets as a PNG. Raises UsageError for another suffix."""
    check_suffix(path)
    together = _together(parts)
    rows = 0 if together is None else len(together[0])
    lower = max(3.0, 1.2 + 0.19 * rows)

    def paint(figure: Any) -> None:
        grid = figure.add_gridspec(2 if rows else 1, 2, height_ratios=[4.0, lower] if rows else [1])
        _tail_axes(figure.add_subplot(grid[0, 0]), parts)
        _image_axes(figure.add_subplot(grid[0, 1]), parts)
        if together is not None:
            _map_axes(figure, figure.add_subplot(grid[1, :]), together, parts[0].counted)
        if title:
            figure.suptitle(title, fontsize=12)

    write(paint, (12, 4.2 + (lower if rows else 0)), [path], {**STYLE, **LARGE}, DPI)


def _tail_axes(axes: Any, parts: Sequence[Distribution]) -> None:
    """How often each class occurs, from the most to the least frequent; one line per subset, on a log scale."""
    tables = [tail.table for tail in parts[0].tails]
    table = tables[0]
    for part in parts:
        counts = np.concatenate([tail.counts for tail in part.tails if tail.table == table] or [np.empty(0, int)])
        counts = np.sort(counts[counts > 0])[::-1]
        if len(counts):
            name = f"{part.subset or 'all'}: {len(counts):,} classes"
            axes.plot(np.arange(1, len(counts) + 1), counts, drawstyle="steps-mid", label=name, linewidth=1.8)
    axes.axhline(FEW, color="0.5", linewidth=0.8, linestyle="--")
    axes.set_yscale("log")
    axes.set_ylim(bottom=0.8)
    _plain_ticks(axes.yaxis)
    axes.set(title="Long tail", xlabel=f"{table}, the most frequent first", ylabel=f"{parts[0].counted} (log scale)")
    _legend(axes)


def _image_axes(axes: Any, parts: Sequence[Distribution]) -> None:
    """How many images have how many pairs, in per cent of each subset's images; bars of subsets side by side."""
    last = min(WIDEST, max((int(part.per_image.max(initial=0)) for part in parts), default=0))
    width = 0.84 / len(parts)
    for i, part in enumerate(parts):
        images = np.bincount(np.minimum(part.per_image, last), minlength=last + 1)
        share = 100 * images / max(1, len(part.per_image))
        spread = part.spread()
        name = f"{part.subset or 'all'}: mean {spread['mean']:.1f}, median {spread['median']:g}, max {spread['max']:,}"
        axes.bar(np.arange(last + 1) - 0.42 + width * (i + 0.5), share, width, label=name)
    axes.set_ylim(0, (1.08 + 0.09 * len(parts)) * max(1.0, axes.dataLim.ymax))  # room for the legend above the bars
    counted = parts[0].counted
    axes.set(title=f"{counted.capitalize()} per image", xlabel=counted, ylabel="images (%)")
    if last == WIDEST:
        ticks = list(range(0, WIDEST + 1, 5))
        axes.set_xticks(ticks, [*map(str, ticks[:-1]), f"≥{WIDEST}"])
    else:
        axes.xaxis.get_major_locator().set_params(integer=True)
    _legend(axes)


def _legend(axes: Any) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)


def _together(parts: Sequence[Distribution]) -> tuple[Array, list[str], list[str], str] | None:
    """Objects x verbs over all subsets, the most frequent ones, with their names and a title; None for nothing."""
    held = [part.together for part in parts if part.together is not None]
    total = sum(held[1:], held[0]) if held else np.zeros((0, 0), np.int64)
    if not total.any():
        return None
    rows = np.argsort(-total.sum(axis=1), kind="stable")
    columns = np.argsort(-total.sum(axis=0), kind="stable")
    rows, columns = rows[total.sum(axis=1)[rows] > 0], columns[total.sum(axis=0)[columns] > 0]
    shown = total[rows[:SHOWN]][:, columns[:SHOWN]]
    names = (*parts[0].objects, NOTHING)
    title = "Objects and verbs together"
    if len(rows) > SHOWN or len(columns) > SHOWN:
        share = 100 * shown.sum() / total.sum()
        title += (
            f": the {shown.shape[0]} most frequent of {len(rows)} objects, {shown.shape[1]} of {len(columns)} verbs "
            f"({share:.0f} % of all)"
        )
    verbs = parts[0].verbs
    return shown, [names[i] for i in rows[:SHOWN]], [verbs[i] for i in columns[:SHOWN]], title


def _map_axes(figure: Any, axes: Any, together: tuple[Array, list[str], list[str], str], counted: str) -> None:
    """The counts of objects (rows) with verbs (columns), colours on a log scale, empty cells white."""
    from matplotlib.colors import LogNorm

    shown, objects, verbs, title = together
    norm = LogNorm(vmin=1, vmax=max(2, int(shown.max())))
    picture = axes.imshow(np.ma.masked_equal(shown, 0), norm=norm, cmap="viridis_r", aspect="auto")
    axes.set_xticks(np.arange(len(verbs)), [_short(name) for name in verbs], rotation=60, ha="right")
    axes.set_xticks(np.arange(len(verbs) + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(len(objects)), [_short(name) for name in objects])
    axes.set_yticks(np.arange(len(objects) + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="0.93", linewidth=0.5)
    axes.tick_params(which="both", length=0)
    for label in axes.get_xticklabels():
        label.set_rotation_mode("anchor")
    axes.set(title=title, xlabel="verb", ylabel="object")
    bar = figure.colorbar(picture, ax=axes, label=f"{counted} (log scale)", pad=0.01, fraction=0.03, aspect=30)
    _plain_ticks(bar.ax.yaxis)


def _plain_ticks(axis: Any) -> None:
    """1, 10, 100, 1,000 on a log scale."""
    from matplotlib.ticker import LogLocator

    axis.set_major_locator(LogLocator())
    plain_counts(axis)


def _short(name: str) -> str:
    return name if len(name) <= 22 else f"{name[:21]}…"
