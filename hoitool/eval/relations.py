"""Matching relation triplets (subject class, predicate, object class) to true ones: what protocols of relations share.

A detection is compared with the true relations of its image and triplet, of which there are few, so all such
combinations are made at once. Two overlaps decide: of a relation the smaller of its two boxes' IoUs, of a phrase the
IoU of the boxes that enclose subject and object. Rows of `Pairs` have a triplet as their label here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hoitool.boxes import iou
from hoitool.data import Dataset, ranges
from hoitool.eval.matching import Array, Overlap, Pairs, first_equal
from hoitool.eval.suppression import PairSuppression, suppress


@dataclass(frozen=True)
class Triplets:
    """The triplets that occur, as columns (T,): classes of subject and object, and predicate."""

    subject: Array
    predicate: Array
    object: Array

    def __len__(self) -> int:
        return len(self.predicate)


def triplet_rows(data: Dataset, pair: Array, predicate: Array) -> Array:
    """(n, 3) subject class, predicate and object class of rows of pairs, all of which have an object."""
    subject, obj = data.pair_boxes("subject")[pair], data.pair_boxes("object")[pair]
    return np.stack([data.categories[subject], predicate, data.categories[obj]], axis=1).astype(np.int64)


def numbered(true: Array, detected: Array) -> tuple[Triplets, Array, Array]:
    """The triplets of true (n, 3) and detected (m, 3) rows, and the number (n,), (m,) of each row's triplet."""
    rows = np.concatenate([true, detected]) + 1  # an unknown class is -1
    _, predicates, objects = rows.max(axis=0, initial=0) + 1
    code = (rows[:, 0] * predicates + rows[:, 1]) * objects + rows[:, 2]
    codes, number = np.unique(code, return_inverse=True)
    first, obj = np.divmod(codes, objects)
    subject, predicate = np.divmod(first, predicates)
    return Triplets(subject - 1, predicate - 1, obj - 1), number[: len(true)], number[len(true) :]


@dataclass(frozen=True)
class Candidates:
    """All (true, detected) rows of one image and triplet, by detected row, then true row, with both overlaps (n,).

    found says which true relations have both boxes overlapped enough for R@K, by `min_iou`.
    """

    true: Array
    detected: Array
    relation: Array
    phrase: Array

    def nearest(self, overlap: Array, min_iou: float, strict: bool, detections: int) -> Array:
        """(detections,) the true row that each detection overlaps most (the first of equals), -1: none enough."""
        target = np.full(detections, -1, np.int64)
        if not len(overlap):
            return target
        starts = np.flatnonzero(np.diff(self.detected, prepend=-1))
        best = np.maximum.reduceat(overlap, starts)
        segment = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(overlap)))
        at = first_equal(overlap, best[segment], segment)
        least = overlap.dtype.type(min_iou)
        enough = best > least if strict else best >= least
        target[self.detected[at[enough]]] = self.true[at[enough]]
        return target


def candidates(true: Pairs, detected: Pairs, how: Overlap) -> Candidates:
    """The detections that share image and triplet with a true relation, with each such relation."""
    triplets = 1 + max(int(true.label.max(initial=0)), int(detected.label.max(initial=0)))
    keys = true.image.astype(np.int64) * triplets + true.label
    order = np.argsort(keys, kind="stable")
    wanted = detected.image.astype(np.int64) * triplets + detected.label
    low, high = (np.searchsorted(keys[order], wanted, side) for side in ("left", "right"))
    rows = np.repeat(np.arange(len(detected)), high - low)
    truths = order[ranges(low, high - low)]
    (subject, obj), (true_subject, true_object) = detected.corners(rows, how), true.corners(truths, how)
    relation = np.minimum(_iou(subject, true_subject, how), _iou(obj, true_object, how))
    phrase = _iou(enclosing(subject, obj), enclosing(true_subject, true_object), how)
    return Candidates(truths, rows, relation, phrase)


def enclosing(a: Array, b: Array) -> Array:
    """(n, 4) the boxes around both of a (n, 4) and b (n, 4)."""
    return np.concatenate([np.minimum(a[:, :2], b[:, :2]), np.maximum(a[:, 2:], b[:, 2:])], axis=1)


def suppress_phrases(detected: Pairs, threshold: float, how: Overlap) -> Array:
    """Rows that survive greedy NMS of their phrases within image and triplet, by image and falling score."""
    subject, obj = detected.corners(np.arange(len(detected)), how)
    rows = np.arange(len(detected))
    phrases = replace(detected, boxes=enclosing(subject, obj), human=rows, object=rows)
    return suppress(phrases, PairSuppression(threshold, human_power=1.0, object_power=0.0), replace(how, origin=0))


def best_rows(score: Array, offsets: Array, most: int | None) -> Array:
    """Rows of scores (n,) by image (offsets) and falling score, the `most` best of each; the earlier row wins a tie."""
    held = []
    for start, stop in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        mine = score[start:stop]
        rows = np.arange(len(mine))
        if most is not None and len(mine) > most:
            rows = np.flatnonzero(mine >= np.partition(mine, len(mine) - most)[len(mine) - most])
        held.append(start + rows[np.argsort(-mine[rows], kind="stable")][:most])
    return np.concatenate(held) if held else np.empty(0, np.int64)


def _iou(a: Array, b: Array, how: Overlap) -> Array:
    return iou(a, b, how.edges, how.single_pixel)
