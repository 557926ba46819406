"""Matching detected boxes to true ones of their image and class: the core of the protocols of detection.

Detections choose in the order of their scores. COCO and LVIS: the free true box that overlaps most (the later one wins
a tie), which then is taken; one that finds none may lie on a crowd, which ignores any number of them. PASCAL VOC: the
box that overlaps most, free or not (the earlier one wins a tie); if it is taken the detection is false, if it is
ignored (difficult) so is the detection. What is ignored is neither true nor false.
Overlaps are float64 from x, y, width, height as the source wrote them (COCO) or from inclusive corners (VOC).
Source: Lin et al., ECCV 2014, cocoeval.py and maskApi.c; Gupta et al., CVPR 2019; Everingham et al., IJCV 2010.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.boxes import Edges, extents, iou
from hoitool.data.dataset import offsets_of, ranges

Array = NDArray[Any]
EXPANDED = 1 << 19  # detection-truth combinations looked at together
NEARLY = 1e-6  # overlaps this little below the least that matters are computed exactly
ONE = 1 - 1e-10  # what an overlap of 1 is taken for


@dataclass(frozen=True)
class Boxes:
    """Boxes as columns: image and label (N,), corners (N, 4) float64, ignored (N,); images ascend."""

    image: Array
    label: Array
    corners: Array
    ignored: Array

    def __len__(self) -> int:
        return len(self.image)

    def take(self, rows: Array) -> Boxes:
        """Some boxes, in the order given."""
        return Boxes(self.image[rows], self.label[rows], self.corners[rows], self.ignored[rows])


@dataclass(frozen=True)
class Near:
    """Detections and true boxes (n,) of one image and class with their overlaps, best choices of a detection first."""

    detected: Array
    true: Array
    overlap: Array

    def take(self, rows: Array) -> Near:
        """Some of them, in the order given."""
        return Near(self.detected[rows], self.true[rows], self.overlap[rows])


@dataclass(frozen=True)
class Matched:
    """Rows of detections that are true positives, and of those that are ignored, at one threshold; ascending."""

    hits: Array
    ignored: Array


def near(true: Boxes, detected: Boxes, least: float, edges: Edges, later: bool) -> Near:
    """The detections and true boxes of the same image and label that overlap by `least` or more.

    detected  in the order of their scores within an image and label; later: which of equal overlaps comes first
    """
    classes = 1 + max(int(boxes.label.max(initial=0)) for boxes in (true, detected))
    keys = true.image.astype(np.int64) * classes + true.label
    order = np.argsort(keys, kind="stable")
    starts = np.append(_starts(keys[order]), len(order))
    known = keys[order][starts[:-1]]
    wanted = detected.image.astype(np.int64) * classes + detected.label
    at = np.minimum(np.searchsorted(known, wanted), max(len(known) - 1, 0))
    same = known[at] == wanted if len(known) else np.zeros(len(wanted), bool)
    first, counts = starts[at], np.where(same, np.diff(starts)[at] if len(known) else 0, 0)
    areas = _written(true.corners) if edges == "continuous" else None
    found: list[Near] = []
    rows = np.flatnonzero(counts)
    ends = np.cumsum(counts[rows])
    parts = np.searchsorted(ends, np.arange(EXPANDED, int(ends[-1]) if len(ends) else 0, EXPANDED))
    for part in np.split(rows, np.unique(parts)):
        others = order[ranges(first[part], counts[part])]
        found.append(_overlapping(true, detected, np.repeat(part, counts[part]), others, least, areas))
    made = Near(*(np.concatenate([getattr(each, name) for each in found]) for name in ("detected", "true", "overlap")))
    return made.take(np.lexsort((-made.true if later else made.true, -made.overlap, made.detected)))


def _overlapping(true: Boxes, detected: Boxes, mine: Array, other: Array, least: float, areas: Array | None) -> Near:
    """Those of some detections `mine` and true boxes `other` (n,) that overlap by `least` or more.

    areas  (T,) of the true boxes where they are continuous, None where they are inclusive
    """
    a, b = detected.corners[mine], true.corners[other]
    if areas is None:
        overlap = iou(a, b, "inclusive")
    else:
        crowd, of_true = true.ignored[other], areas[other]
        maybe = np.flatnonzero(_iou(a, b, _products(a), of_true, crowd) >= least - NEARLY)
        mine, other, a, b = mine[maybe], other[maybe], a[maybe], b[maybe]
        overlap = _iou(a, b, _written(a), of_true[maybe], crowd[maybe])
    kept = overlap >= least
    return Near(mine[kept], other[kept], overlap[kept])


def _iou(a: Array, b: Array, area: Array, of_true: Array, crowd: Array) -> Array:
    """(n,) overlaps of continuous boxes with these areas; of a crowd the share of the detection that lies in it."""
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    width, height = (high - low).T
    inter = width * height
    union = np.where(crowd, area, area + of_true - inter)
    made: Array = np.divide(inter, union, out=np.zeros_like(inter), where=(width > 0) & (height > 0))
    return made


def _products(boxes: Array) -> Array:
    made: Array = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return made


def _written(boxes: Array) -> Array:
    """(n,) areas of boxes from the width and height that their source wrote."""
    width, height = extents(boxes)
    made: Array = width * height
    return made


def match(pairs: Near, true: Boxes, threshold: float, strict: bool, second_choice: bool) -> Matched:
    """True positives and ignored detections among pairs in the order that `near` gives.

    strict         only a larger overlap than the threshold matches
    second_choice  whether a detection whose best true box is taken tries the next one, and regular boxes first
    """
    bound = min(threshold, ONE)
    pairs = pairs.take(np.flatnonzero(pairs.overlap > bound if strict else pairs.overlap >= bound))
    if not second_choice:
        pairs = pairs.take(_starts(pairs.detected))
    of_ignored = true.ignored[pairs.true]
    regular = pairs.take(np.flatnonzero(~of_ignored))
    hits = _claims(regular.detected, regular.true, len(true))
    ignored = pairs.detected[of_ignored]
    ignored = ignored[_starts(ignored)]
    return Matched(hits, ignored[~np.isin(ignored, hits, assume_unique=True)])


def _claims(chooser: Array, choice: Array, choices: int) -> Array:
    """The choosers (ascending) that get one of their choices, where a lower number goes before a higher one.

    chooser, choice  (n,) by chooser, best choices first. All choose at once; who is not the first in line for what he
    wants goes on to his next choice: that ends as if they had chosen one after the other.
    """
    start = _starts(chooser)
    end = np.append(start[1:], len(chooser))
    at = start.copy()
    first = np.full(choices, len(start))  # the chooser that is first in line
    waiting = np.arange(len(start))
    while len(waiting):
        wanted = choice[at[waiting]]
        before = first[wanted]
        np.minimum.at(first, wanted, waiting)
        won = first[wanted] == waiting
        waiting = np.concatenate([waiting[~won], before[won & (before < len(start))]])
        at[waiting] += 1
        waiting = waiting[at[waiting] < end[waiting]]
    made: Array = chooser[start][np.sort(first[first < len(start)])]
    return made


def _starts(values: Array) -> Array:
    """Where the runs of equal values (n,) begin."""
    if not len(values):
        return np.empty(0, np.int64)
    return np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))


def best_of_groups(group: Array, score: Array, groups: int, most: int) -> Array:
    """(N,) whether a detection is one of the `most` best of its group (N,); the earlier one wins a tie."""
    counts = np.bincount(group, minlength=groups)
    kept = np.ones(len(group), bool)
    rows = np.flatnonzero(counts[group] > most)
    order = rows[np.lexsort((-score[rows], group[rows]))]
    starts = offsets_of(np.bincount(group[order], minlength=groups))
    kept[order] = np.arange(len(order)) - starts[group[order]] < most
    return kept


def ranks(hits: Array, gone: Array, starts: Array) -> list[Array]:
    """For each class the 0-based ranks of its true positives among the detections that count, ascending.

    hits, gone  places (ascending) in a ranking of all classes, of true positives and of what is ignored
    starts      (K + 1,) where each class begins in it
    """
    before = np.searchsorted(gone, starts[:-1])
    bounds = np.searchsorted(hits, starts)
    counted = hits - np.searchsorted(gone, hits)
    return [counted[a:b] - starts[k] + before[k] for k, (a, b) in enumerate(pairwise(bounds.tolist()))]
