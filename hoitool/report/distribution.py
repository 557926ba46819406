"""How data are spread, as people see it on a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group, RenderableType

from hoitool.data.distribution import FEW, NOTHING, Distribution, Tail
from hoitool.report.layout import percent
from hoitool.report.terminal import grid

BINS = ((0, 0), (1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, math.inf))
BAR = 40  # characters of the largest bar


def distribution_report(parts: Sequence[Distribution], title: str, top: int = 5) -> RenderableType:
    """Counts and tails of all subsets side by side, then the images' histogram and the largest cells of each."""
    lines: list[RenderableType] = [_counts(parts, title), _tails(parts)]
    for part in parts:
        lines += [_ends(part, tail, top) for tail in part.tails if tail.counts.any() and top]
        lines.append(_histogram(part))
        if part.together is not None and part.together.any() and top:
            lines.append(_cells(part, top))
    return Group(*lines)


def _counts(parts: Sequence[Distribution], title: str) -> RenderableType:
    names = list(dict.fromkeys(name for part in parts for name in part.counts))
    heads = ["subset", *(name.replace("_", " ") for name in names)]
    rows = [[part.subset or "-", *(_count(part.counts.get(name)) for name in names)] for part in parts]
    return grid(title, heads, rows)


def _count(value: int | None) -> str:
    return "-" if value is None else f"{value:,}"


def _tails(parts: Sequence[Distribution]) -> RenderableType:
    heads = ["subset", "of", "classes", "never", f"fewer than {FEW}", "median", "max", "head 10 % has", "gini"]
    rows = []
    for part in parts:
        for tail in part.tails:
            held = tail.summary()
            share, uneven = percent(held["head_share"], 1), held["gini"]
            figures = [f"{held[name]:,}" for name in ("classes", "never", f"fewer_than_{FEW}")]
            figures += [f"{held['median']:,g}", f"{held['max']:,}", share if share == "-" else f"{share} %"]
            rows.append([part.subset or "-", tail.table, *figures, "-" if math.isnan(uneven) else f"{uneven:.2f}"])
    return grid(f"Long tail, in {_counted(parts)}", heads, rows)


def _counted(parts: Sequence[Distribution]) -> str:
    return " and ".join(dict.fromkeys(part.counted for part in parts))


def _ends(part: Distribution, tail: Tail, top: int) -> RenderableType:
    """The most and the least frequent classes; those that never occur are counted above."""
    ranked = [(name, count) for name, count in tail.ranked() if count]
    most, least = ranked[:top], ranked[top:][-top:]
    rows = [[f"{i + 1}", name, f"{count:,}"] for i, (name, count) in enumerate(most)]
    if len(ranked) > 2 * top:
        rows.append(["...", "...", "..."])
    first = len(ranked) - len(least)
    rows += [[f"{first + i + 1}", name, f"{count:,}"] for i, (name, count) in enumerate(least)]
    return grid(f"{_of(part)}{tail.table} by {part.counted}", ["rank", "class", part.counted], rows)


def _histogram(part: Distribution) -> RenderableType:
    spread = part.spread()
    held = part.histogram()
    bins = [(low, high, sum(images for n, images in held if low <= n <= high)) for low, high in BINS]
    largest = max((images for _, _, images in bins), default=0)
    rows = []
    for low, high, images in bins:
        if images:
            name = f"{low}" if low == high else f"{low}-{high}" if high < math.inf else f"{low} or more"
            rows.append([name, f"{images:,}", "█" * math.ceil(BAR * images / largest)])
    told = f"mean {spread['mean']:.2f}, median {spread['median']:g}, max {spread['max']:,}"
    return grid(f"{_of(part)}{part.counted} per image: {told}", [part.counted, "images", ""], rows)


def _cells(part: Distribution, top: int) -> RenderableType:
    rows = [[obj or NOTHING, verb, f"{count:,}"] for obj, verb, count in part.cells(2 * top)]
    return grid(f"{_of(part)}objects and verbs together", ["object", "verb", part.counted], rows)


def _of(part: Distribution) -> str:
    return f"{part.subset}: " if part.subset else ""
