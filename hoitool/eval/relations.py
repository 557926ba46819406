"""Matching relation triplets (subject class, predicate, object class) to true ones: what protocols of relations share.

A detection is compared with the true relations of its image and triplet, of which there are few, so all such
combinations are made at once. Two overlaps decide: of a relation the smaller of its two boxes' IoUs, of a phrase the
IoU of the boxes that enclose subject and object. Rows of `Pairs` have a triplet as their label here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hoitool.boxes import iou
from hoitool.data import Dataset, Predictions, offsets_of, ranges, select_pairs, to_dense
from hoitool.errors import DataError
from hoitool.eval.matching import Array, Overlap, Pairs, first_equal
from hoitool.eval.suppression import PairSuppression, suppress
from hoitool.eval.triplets import best_triplets


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


def require_predicates(truth: Dataset, predictions: Predictions, protocol: str) -> None:
    """Raise DataError unless both hold predicates, the true ones between boxes with classes."""
    if truth.meta.label_kind != "predicates" or truth.dense:
        raise DataError(f"{truth!r} holds {truth.meta.label_kind}; {protocol} is scored against true predicates")
    if predictions.meta.label_kind != "predicates":
        raise DataError(f"{predictions!r} holds {predictions.meta.label_kind}, expected predicates")
    if (truth.object < 0).any() or (_class_pairs(truth) < 0).any():
        raise DataError(f"{truth!r} has relations without an object or a class, expected triplets")


def relations(
    truth: Dataset,
    predictions: Predictions,
    of_pair: int | None,
    of_image: int | None,
    above: float,
    notes: list[str],
) -> tuple[Triplets, Pairs, Pairs]:
    """The triplets that occur, and the true and the predicted relations that count, with triplets as their labels.

    Predicted ones are those of `best_triplets`, by image and falling score; their row is their rank in the image, from
    0. Both data are of the same images. What a reader should know of them is added to the notes.
    """
    predictions = with_objects(truth, predictions, notes)
    if of_pair is not None:
        if not predictions.dense and 0 < 2 * len(predictions.subject) == len(predictions.boxes):
            notes.append(
                "every predicted relation has two boxes of its own, so that each counts as a pair of its own: "
                f"what is said of the best {of_pair} of a pair's predicates leaves nothing out"
            )
        predictions = to_dense(predictions)
    best = best_triplets(predictions, of_pair, of_image, above)
    image = predictions.image_of("pair")[best.pair]
    triplets, true, first = numbered(truth, predictions)
    starts = offsets_of(np.bincount(image, minlength=len(truth)))
    detected = Pairs(
        image=image,
        label=first[best.pair] + best.predicate,
        boxes=predictions.boxes,
        human=predictions.pair_boxes("subject")[best.pair],
        object=predictions.pair_boxes("object")[best.pair],
        row=np.arange(len(image)) - starts[image],
        score=best.score,
    )
    return triplets, true, detected


def with_objects(truth: Dataset, predictions: Predictions, notes: list[str]) -> Predictions:
    """The predicted pairs that have an object; the notes say what is left out, and of what there is nothing."""
    alone = predictions.object < 0
    if alone.any():
        notes.append(f"{int(alone.sum()):,} of the predicted pairs have no object and are not scored")
        predictions = select_pairs(predictions, ~alone)
    if not len(predictions.subject):
        notes.append("there are no predictions, so every figure is 0")
    if not len(truth.subject):
        notes.append("there are no true relations, so every figure is 0")
    return predictions


def numbered(truth: Dataset, predictions: Dataset) -> tuple[Triplets, Pairs, Array]:
    """The triplets that occur, the true relations with them as labels, and (P,) the first of each predicted pair's.

    The first is that with predicate 0. Every pair has an object.
    """
    held = np.concatenate([_class_pairs(truth), _class_pairs(predictions)]) + 1  # an unknown class is -1
    objects = int(held.max(initial=0)) + 1
    codes, place = np.unique(held[:, 0] * objects + held[:, 1], return_inverse=True)
    classes = np.stack(np.divmod(codes, objects), axis=1) - 1
    first = place * truth.meta.classes
    true = replace(Pairs.of(truth), label=first[: len(truth.subject)] + truth.need("label"))
    return Triplets(classes, truth.meta.classes), true, first[len(truth.subject) :]


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


def first_ranks(true: Pairs, detected: Pairs, near: Candidates, min_iou: float) -> Array:
    """(n,) the rank in the image (the row) of the first detection that finds each true relation, else a huge one.

    It finds it where both boxes overlap by min_iou or more; one detection may find several.
    """
    rank = np.full(len(true), np.iinfo(np.int64).max)
    enough = near.relation >= near.relation.dtype.type(min_iou)
    np.minimum.at(rank, near.true[enough], detected.row[near.detected[enough]])
    return rank


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
