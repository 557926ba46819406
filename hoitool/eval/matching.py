"""Matching detected human-object pairs to true ones: the core that the protocols share.

A detection is compared with the truths of its image and label. It is tied to the one truth with the largest pair
overlap (the first such truth wins a tie) and matches when that overlap reaches the threshold; no second-best truth
is tried. Of the detections tied to one truth the best-scored is the true positive (the first row wins a tie), all
others are false positives. Source: VOCevaldet_bboxpair.m of HO-RCNN (Chao et al., WACV 2018).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from hoitool.boxes import Edges, pair_iou
from hoitool.data import Dataset

Array = NDArray[Any]
EXPANDED = 1 << 19  # detection-truth combinations looked at together


@dataclass(frozen=True)
class Overlap:
    """How two pairs are compared.

    edges         inclusive: a box covers x2 - x1 + 1 pixels; continuous: it is x2 - x1 wide
    origin        added to zero-based corners first, so that sums round as in the one-based original
    precision     the floating type of boxes, overlaps and scores
    single_pixel  whether an intersection one pixel wide or high counts
    """

    edges: Edges = "inclusive"
    origin: int = 1
    precision: Literal["float64", "float32"] = "float64"
    single_pixel: bool = True


@dataclass(frozen=True)
class Pairs:
    """Human-object pairs as columns: image and label (N,), rows of human and object (N,) in boxes (B, 4), score (N,).

    An object of -1 is none: such a detection is scored and matches nothing.

    `row` (N,) is each pair's place in the data it came from. Images ascend; within an image rows stand in the order
    in which ties are decided.
    """

    image: Array
    label: Array
    boxes: Array
    human: Array
    object: Array
    row: Array
    score: Array | None = None

    @classmethod
    def of(cls, data: Dataset) -> Pairs:
        """The pairs of sparse data."""
        return cls(
            data.image_of("pair"),
            data.need("label"),
            data.boxes,
            data.pair_boxes("subject"),
            data.pair_boxes("object"),
            np.arange(len(data.subject), dtype=np.int32),
            data.score,
        )

    def __len__(self) -> int:
        return len(self.image)

    def with_objects(self) -> Pairs:
        """The pairs that have an object; the others match nothing."""
        return self if (self.object >= 0).all() else self.take(np.flatnonzero(self.object >= 0))

    def take(self, rows: Array) -> Pairs:
        """Some rows, in the order given."""
        score = None if self.score is None else self.score[rows]
        return replace(
            self,
            image=self.image[rows],
            label=self.label[rows],
            human=self.human[rows],
            object=self.object[rows],
            row=self.row[rows],
            score=score,
        )

    def corners(self, rows: Array, how: Overlap) -> tuple[Array, Array]:
        """Human and object boxes (n, 4) of some rows, in the arithmetic of `how`; NaN where there is no object."""
        dtype = np.dtype(how.precision)
        human = self.boxes[self.human[rows]].astype(np.float64) + how.origin
        obj = self.boxes[self.object[rows]].astype(np.float64) + how.origin
        obj[self.object[rows] < 0] = np.nan
        return human.astype(dtype), obj.astype(dtype)


Compare = Callable[[Array, Array], Array]  # rows of truths and of detections (n,) -> their overlaps (n,)


def match(truth: Pairs, detected: Pairs, classes: int, compare: Compare, threshold: Any, strict: bool) -> Array:
    """(N,) whether each detection is a true positive.

    classes    number of labels
    compare    the overlaps of some truths with some detections, such as `pair_overlaps` gives
    threshold  overlap that matches, in the type that `compare` gives; `strict` if only a larger one does
    """
    detection, target = _tied(truth, detected, classes, compare, threshold, strict)
    assert detected.score is not None
    best_first = np.argsort(-detected.score[detection], kind="stable")
    _, first = np.unique(target[best_first], return_index=True)
    found = np.zeros(len(detected), bool)
    found[detection[best_first[first]]] = True
    return found


def _tied(
    truth: Pairs, detected: Pairs, classes: int, compare: Compare, threshold: Any, strict: bool
) -> tuple[Array, Array]:
    """The detections that match, and the truth each is tied to."""
    order, keys, starts, counts = _grouped(truth, classes)
    if not len(keys) or not len(detected):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    key = detected.image.astype(np.int64) * classes + detected.label
    group = np.minimum(np.searchsorted(keys, key), len(keys) - 1)
    candidates = np.flatnonzero(keys[group] == key)
    group = group[candidates]
    detections, targets = [], []
    for part in parts(counts[group]):
        rows, size = candidates[part], counts[group[part]]
        ends = np.cumsum(size)
        begins = ends - size
        among = order[np.arange(ends[-1]) + np.repeat(starts[group[part]] - begins, size)]
        overlap = compare(among, np.repeat(rows, size))
        best = np.maximum.reduceat(overlap, begins)
        at = first_equal(overlap, np.repeat(best, size), np.repeat(np.arange(len(rows)), size))
        matches = best > threshold if strict else best >= threshold
        detections.append(rows[matches])
        targets.append(among[at[matches]])
    return np.concatenate(detections or [candidates]), np.concatenate(targets or [candidates])


def _grouped(truth: Pairs, classes: int) -> tuple[Array, Array, Array, Array]:
    """Truths by (image, label): their stable order, the sorted keys, where each group starts, and its size."""
    key = truth.image.astype(np.int64) * classes + truth.label
    order = np.argsort(key, kind="stable")
    keys, starts, counts = np.unique(key[order], return_index=True, return_counts=True)
    return order, keys, starts, counts


def parts(sizes: Array) -> Iterator[slice]:
    """Slices of consecutive rows whose sizes add up to about EXPANDED."""
    total = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = total[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(total, before + EXPANDED, side="right")))
        yield slice(start, stop)
        start = stop


def pair_overlaps(truth: Pairs, detected: Pairs, how: Overlap) -> Compare:
    """What compares pairs by the smaller of their boxes' IoUs."""

    def compare(truths: Array, detections: Array) -> Array:
        human, obj = detected.corners(detections, how)
        true_human, true_obj = truth.corners(truths, how)
        return pair_iou(human, obj, true_human, true_obj, how.edges, how.single_pixel)

    return compare


def first_equal(values: Array, wanted: Array, segment: Array) -> Array:
    """For each segment (consecutive ids from 0) the first row whose value is the wanted one."""
    rows = np.flatnonzero(values == wanted)
    first = np.ones(len(rows), bool)
    first[1:] = segment[rows[1:]] != segment[rows[:-1]]
    return rows[first]
