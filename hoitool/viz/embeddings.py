"""Embeddings as a picture: their rows on a plane, by PCA and by t-SNE, coloured by what they are of.

PCA keeps large distances and shows how much of the variance it keeps; t-SNE (van der Maaten and Hinton, JMLR 2008)
keeps neighbours, and neither the sizes of groups nor the distances between them mean anything there. Pictures are the
same bytes for the same rows and seed. Colours: Okabe and Ito's, told apart by colour-blind people.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from hoitool.data.dataset import Array
from hoitool.errors import UsageError
from hoitool.lookup import unknown_name
from hoitool.viz.figure import COLOURS, STYLE, USUAL, check_form, write

METHODS = {"pca": "PCA", "tsne": "t-SNE"}
FEWEST = 5  # rows that make a map
PERPLEXITY = 30.0
DPI = 150
FRAMED = {
    "font.size": 9,
    "axes.titlesize": "large",
    "axes.titlelocation": "center",
    "axes.spines.top": True,
    "axes.spines.right": True,
}
LINE = 60  # letters of the title above a panel
SHAPES = ("o", "^")
REST = "#B8B8B8"
TOGETHER = 0.05  # of a map's width: points of one name that are as near to their middle keep together
GAPS = (4, 9)  # printer's points from a point to its name: near, or farther where others are in the way
SIDES = ((1, 1), (1, 0), (1, -1), (0, 1), (0, -1), (-1, 1), (-1, 0), (-1, -1))  # of a point, the best first
WRITTEN = 150  # points that have their names beside them, at most
SHOWN = len(COLOURS) * len(SHAPES)  # groups with a colour and shape of their own


@dataclass(frozen=True, eq=False)
class Points:
    """What the N rows of a map are.

    group   (N,) index into groups, -1 = none; by: what groups are (object, verb), empty for one colour
    hollow  (N,) bool: which are drawn hollow; hollow_means: what that says
    names   N names that are written beside the points, or none at all; one that several points have is written once,
            in their middle, where they keep together, and '' nowhere
    """

    group: Array
    groups: Sequence[str]
    by: str
    hollow: Array
    hollow_means: str = ""
    names: Sequence[str] = ()


def check_suffix(path: Path) -> None:
    """Raise UsageError when a path is neither .png nor .svg."""
    check_form(path, USUAL)


def project(vectors: Array, method: str, seed: int = 0) -> Array:
    """(N, 2) float64: rows (N, d) on a plane, by `pca` or `tsne`.

    pca   the first two principal components, each with the sign that makes its largest loading positive
    tsne  of cosine distances, from those components, with perplexity 30 or (N - 1) / 3; only it uses the seed
    Raises UsageError for fewer than 5 rows and another method.
    """
    if method not in METHODS:
        raise unknown_name("map of embeddings", method, METHODS)
    if len(vectors) < FEWEST:
        raise UsageError(f"a map needs at least {FEWEST} rows, came {len(vectors)}")
    plane = _components(vectors)
    return plane if method == "pca" else _tsne(vectors, plane, seed)


def kept(vectors: Array, plane: Array) -> float:
    """The share (0 .. 1) of the variance of rows (N, d) that their principal components (N, 2) have."""
    total = vectors.var(axis=0, dtype=np.float64).sum()
    return float(plane.var(axis=0).sum() / total) if total > 0 else 1.0


def _components(vectors: Array) -> Array:
    wide = vectors.astype(np.float64)
    left, size, loadings = np.linalg.svd(wide - wide.mean(axis=0), full_matrices=False)
    largest = np.take_along_axis(loadings, np.abs(loadings).argmax(axis=1)[:, None], axis=1)[:, 0]
    plane = left * size * np.where(largest < 0, -1.0, 1.0)
    return np.pad(plane[:, :2], ((0, 0), (0, max(0, 2 - plane.shape[1]))))


def _tsne(vectors: Array, plane: Array, seed: int) -> Array:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    start = 1e-4 * plane / (plane[:, 0].std() or 1.0)  # as small as the method's authors begin
    method = TSNE(
        perplexity=min(PERPLEXITY, (len(vectors) - 1) / 3),
        metric="cosine",
        init=start.astype(np.float32),
        random_state=seed,
    )
    with threadpool_limits(1):  # threads add in any order, and the map follows the last bits
        return np.asarray(method.fit_transform(vectors.astype(np.float32)), np.float64)


def draw(maps: Mapping[str, Array], points: Points, paths: Sequence[Path], title: str = "") -> None:
    """Write a figure with a panel for each map, title -> (N, 2), as PNG or SVG. UsageError for another suffix."""
    for path in paths:
        check_suffix(path)
    side = 8.0 if points.names else 5.6

    def paint(figure: Any) -> None:
        panels = figure.subplots(1, len(maps), squeeze=False)[0]
        for axes, (name, plane) in zip(panels, maps.items(), strict=True):
            _panel(axes, name, plane, points)
        handles, names = panels[0].get_legend_handles_labels()
        if handles:
            place = "outside right upper" if points.by else "outside lower center"
            told: Any = {"loc": place, "title": points.by or None, "frameon": False, "alignment": "left"}
            figure.legend(handles, names, **told)
        if title:
            lines = textwrap.fill(title, LINE * len(maps))
            figure.suptitle(lines, x=0.01, horizontalalignment="left", fontsize=11)
        figure.draw_without_rendering()  # places all else, so that names know what they would cover
        for axes, plane in zip(panels, maps.values(), strict=True):
            write_names(axes, plane, points.names)

    write(paint, (side * len(maps) + (1.8 if points.by else 0), side + 0.3), paths, {**STYLE, **FRAMED}, DPI)


def _panel(axes: Any, name: str, plane: Array, points: Points) -> None:
    """One map: the groups that have no colour of their own below, then the most frequent ones."""
    shown = frequent(points)
    style: dict[str, Any] = {"s": _size(len(plane)), "linewidths": 0.8}
    for i, group in enumerate(shown):
        own = {"edgecolors": COLOURS[i % len(COLOURS)], "marker": SHAPES[i // len(COLOURS)], "zorder": 3}
        _scatter(axes, plane, points.group == group, points.hollow, points.groups[group], style | own)
    rest = ~np.isin(points.group, shown)
    others = np.unique(points.group[rest & (points.group >= 0)]).tolist()
    told = f"{len(others)} others" if others else "none"
    style |= {"edgecolors": REST if points.by else COLOURS[0], "marker": "o"}
    _scatter(axes, plane, rest, points.hollow, told if points.by else "_", style)
    if points.hollow.any():
        axes.scatter([], [], facecolors="none", **style | {"edgecolors": "0.3"}, label=f"hollow: {points.hollow_means}")
    axes.set(title=name, xticks=[], yticks=[])
    axes.margins(0.1 if points.names else 0.05)
    axes.set_aspect("equal", adjustable="datalim")
    for spine in axes.spines.values():
        spine.set_color("0.8")


def _size(points: int) -> float:
    """The area of a marker, so that many do not cover each other."""
    return 26 if points <= WRITTEN else 15 if points <= 1000 else 6


def write_names(axes: Any, plane: Array, names: Sequence[str]) -> None:
    """Each name beside the middle of its points, where it covers least of other names and of points."""
    at = axes.transData.transform(plane)
    edges, pixels = axes.get_window_extent().extents, axes.figure.dpi / 72  # in a printer's point
    style: dict[str, Any] = {"textcoords": "offset points", "fontsize": 6.5, "color": "0.2", "zorder": 4}
    taken: list[Array] = []
    for name, place in middles(plane, names):
        text = axes.annotate(name, plane[place], (0, 0), **style)
        box = text.get_window_extent().extents
        sides = [(gap * pixels, x, y) for gap in GAPS for x, y in SIDES]
        boxes = [_beside(at[place], box[2:] - box[:2], *side) for side in sides]
        best = boxes[int(np.argmin([_cost(each, taken, edges, at) for each in boxes]))]
        text.set_position(tuple(((best - box)[:2] / pixels).tolist()))
        taken.append(best)


def _beside(point: Array, size: Array, gap: float, x: int, y: int) -> Array:
    """(4,) x1 y1 x2 y2 of a box of this size on the side (x, y) of a point."""
    corner = point + np.array([x, y]) * (size / 2 + gap) - size / 2
    return np.concatenate([corner, corner + size])


def _cost(box: Array, taken: Sequence[Array], edges: Array, points: Array) -> float:
    """What is wrong with a name's place, in pixels: outside of the map, over names (worse), over points (a little)."""
    names = sum(_overlap(box, other) for other in taken)
    outside = float(np.prod(box[2:] - box[:2])) - _overlap(box, edges)
    inside = ((points > box[:2]) & (points < box[2:])).all(axis=1).sum()
    return 4.0 * names + outside + 2.0 * float(inside)


def _overlap(one: Array, other: Array) -> float:
    sides = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    return float(sides[0] * sides[1]) if (sides > 0).all() else 0.0


def middles(plane: Array, names: Sequence[str]) -> list[tuple[str, int]]:
    """Each name that is written and the point (N, 2) where: the nearest to the median of its points, most points first.

    Names of several points that do not keep together are left out: their middle says nothing.
    """
    held: dict[str, list[int]] = {}
    for i, name in enumerate(names):
        if name:
            held.setdefault(name, []).append(i)
    width, made = np.ptp(plane, axis=0).max(), []
    for name in sorted(held, key=lambda name: -len(held[name])):
        away = np.linalg.norm(plane[held[name]] - np.median(plane[held[name]], axis=0), axis=1)
        if len(away) == 1 or np.median(away) < TOGETHER * width:
            made.append((name, held[name][int(away.argmin())]))
    return made


def _scatter(axes: Any, plane: Array, mine: Array, hollow: Array, label: str, style: dict[str, Any]) -> None:
    """The points of one group, some of them hollow, as one legend entry."""
    if not mine.any():
        return
    from matplotlib.colors import to_rgba

    colour = to_rgba(style["edgecolors"])
    faces = [(1.0, 1.0, 1.0, 0.0) if empty else colour for empty in hollow[mine].tolist()]
    axes.scatter(*plane[mine].T, facecolors=faces, **style)
    axes.scatter([], [], facecolors=[colour], label=label, **style)


def frequent(points: Points) -> list[int]:
    """The groups that get a colour: those with most points that are not hollow, at most 12, the first first."""
    if not points.by:
        return []
    counts = np.bincount(points.group[(points.group >= 0) & ~points.hollow], minlength=len(points.groups))
    order = (int(group) for group in np.argsort(-counts, kind="stable") if counts[group])
    return list(islice(order, SHOWN))
