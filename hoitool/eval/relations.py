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
    """Triplets by number: that of the class pair that occurs, times the predicates there are, plus the predicate.

    classes     (C, 2) the pairs of subject class and object class that occur in the truth or the predictions
    predicates  how many there are in the label space
    """

    classes: Array
    predicates: int

    def subject(self, number: Array) -> Array:
        """(n,) the subject class of triplets."""
        found: Array = self.classes[number // self.predicates, 0]
        return found

    def object(self, number: Array) -> Array:
        """(n,) the object class of triplets."""
        found: Array = self.classes[number // self.predicates, 1]
        return found

    def predicate(self, number: Array) -> Array:
        """(n,) the predicate of triplets."""
        found: Array = number % self.predicates
        return found


def numbered(truth: Dataset, predictions: Dataset) -> tuple[Triplets, Array, Array]:
    """The triplets of true and predicted pairs, and the first number (P,) of each pair's: that with predicate 0.

    Every pair has an object.
    """
    held = np.concatenate([_class_pairs(truth), _class_pairs(predictions)]) + 1  # an unknown class is -1
    objects = int(held.max(initial=0)) + 1
    codes, place = np.unique(held[:, 0] * objects + held[:, 1], return_inverse=True)
    classes = np.stack(np.divmod(codes, objects), axis=1) - 1
    first = place * truth.meta.classes
    return Triplets(classes, truth.meta.classes), first[: len(truth.subject)], first[len(truth.subject) :]


def _class_pairs(data: Dataset) -> Array:
    sides = [data.categories[data.pair_boxes(side)] for side in ("subject", "object")]
    return np.stack(sides, axis=1).astype(np.int64)


@dataclass(frozen=True)
class Candidates:
    """All (true, detected) rows of one image and triplet, by detected row, then true row, with both overlaps (n,)."""

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


def _iou(a: Array, b: Array, how: Overlap) -> Array:
    return iou(a, b, how.edges, how.single_pixel)
