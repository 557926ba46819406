"""Which rows of an image are of the same person and object.

By equal boxes: subject and object have the same corners and category; no object equals no object. By overlap: the same
categories, and both boxes' IoU at least 0.5, as for a match in HICO-DET's protocol. HICO-DET's official file
draws the boxes anew for each interaction, so that there hardly two rows have equal boxes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hoitool.boxes import Edges, iou
from hoitool.data import Dataset, ranges
from hoitool.data.dataset import Array

MIN_IOU = 0.5
PART = 2_000_000  # comparisons at a time


def same_pair(data: Dataset) -> Array:
    """(P,) a number for each person and object, the same for rows with equal boxes."""
    box = _numbered([data.image_of("box"), data.categories, *data.boxes.T])
    sides = [data.pair_boxes(side) for side in ("subject", "object")]
    held = [np.where(rows < 0, -1, box[rows]) if len(box) else rows for rows in sides]
    return _numbered([data.image_of("pair"), *held])


def _numbered(columns: list[Array]) -> Array:
    """(n,) a number for each row of columns (n,), the same for equal rows."""
    order = np.lexsort(columns)
    differs = np.zeros(len(order), bool)
    for column in columns:
        ordered = column[order]
        differs[1:] |= ordered[1:] != ordered[:-1]
    made = np.empty(len(order), np.int64)
    made[order] = np.cumsum(differs)
    return made


def with_equal(data: Dataset, rows: Array) -> Array:
    """(P,) the rows of a mask (P,) and those with equal boxes."""
    pair = same_pair(data)
    tainted = np.zeros(len(pair), bool)
    tainted[pair[rows]] = True
    return tainted[pair]


def with_overlapping(data: Dataset, rows: Array) -> Array:
    """(P,) the rows of a mask (P,), those with equal boxes and those that overlap one of the mask."""
    made = with_equal(data, rows)
    edges: Edges = "inclusive" if data.meta.box_frame == "inclusive" else "continuous"
    for mine, other in _together(data, np.flatnonzero(rows)):
        same = np.ones(len(mine), bool)
        for side in ("subject", "object"):
            same &= _overlap(data, data.pair_boxes(side), mine, other, edges)
        made[other[same]] = True
    return made


def _together(data: Dataset, rows: Array) -> Iterator[tuple[Array, Array]]:
    """Each of the rows with every row of its image: two arrays of rows, a part at a time."""
    image = data.image_of("pair")[rows]
    start, counts = data.pair_offsets[image], data.counts("pair")[image]
    part = np.cumsum(counts) // PART
    for number in np.unique(part):
        chosen = part == number
        yield np.repeat(rows[chosen], counts[chosen]), ranges(start[chosen], counts[chosen])


def _overlap(data: Dataset, box: Array, mine: Array, other: Array, edges: Edges) -> Array:
    """(n,) whether the boxes of two rows are of one category and overlap; none overlaps none."""
    a, b = box[mine], box[other]
    both = (a >= 0) & (b >= 0)
    made = (a < 0) & (b < 0)
    a, b = a[both], b[both]
    boxes = data.boxes.astype(np.float64, copy=False)
    made[both] = (data.categories[a] == data.categories[b]) & (iou(boxes[a], boxes[b], edges) >= MIN_IOU)
    found: Array = made
    return found
