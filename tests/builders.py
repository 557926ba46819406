"""Small data written by hand: truths and predictions from a few rows, and each protocol's kind of predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from hoitool.data import Dataset, Meta, Predictions, no_pairs, offsets_of, strings
from hoitool.labels import LabelSpace, load_labels

Row = tuple[int, Sequence[float], Sequence[float], int]


def truth_of(
    rows: Sequence[Row],
    images: int = 3,
    labels: LabelSpace | None = None,
    image_labels: Sequence[tuple[int, int]] | None = None,
    subset: str = "test",
) -> Dataset:
    """A dataset of (image, human, object, label) rows, images in order; image labels as (image, label), present."""
    space = labels or load_labels("hico")
    columns = [np.array(column) for column in zip(*rows, strict=True)] if rows else []
    image, human, obj, label = columns or (np.empty(0, int), np.empty((0, 4)), np.empty((0, 4)), np.empty(0, int))
    made = Predictions.from_pairs(
        image, human, obj, label, np.zeros(len(image)), images=names(images), labels=space, subset=subset
    )
    held = sorted(image_labels) if image_labels is not None else []
    extra = {}
    if image_labels is not None:
        extra = {
            "image_label": np.array([row[1] for row in held], np.int32),
            "image_value": np.ones(len(held), np.int8),
            "image_label_offsets": offsets_of(np.bincount([row[0] for row in held], minlength=images)),
        }
    columns_of = ("key", "boxes", "categories", "subject", "object", "label", "box_offsets", "pair_offsets")
    return Dataset(meta=Meta(space, subset=subset), **{name: getattr(made, name) for name in columns_of}, **extra)


def predictions_of(
    rows: Sequence[tuple[int, Sequence[float], Sequence[float], int, float]],
    images: int = 3,
    labels: LabelSpace | None = None,
    subset: str = "test",
) -> Predictions:
    """Predictions of (image, human, object, label, score) rows."""
    columns = [np.array(column) for column in zip(*rows, strict=True)] if rows else []
    empty = (np.empty(0, int), np.empty((0, 4)), np.empty((0, 4)), np.empty(0, int), np.empty(0))
    return Predictions.from_pairs(*(columns or empty), images=names(images), labels=labels or "hico", subset=subset)


def as_predictions(truth: Dataset) -> Predictions:
    """The truth itself as predictions, all scores 1."""
    return Predictions.from_pairs(
        truth.image_of("pair"),
        truth.boxes[truth.pair_boxes("subject")],
        truth.boxes[truth.pair_boxes("object")],
        truth.need("label"),
        np.ones(len(truth.subject)),
        images=truth.key,
        labels=truth.meta.labels,
        subset=truth.meta.subset,
    )


def names(images: int) -> np.ndarray:
    """image-0.jpg, image-1.jpg, ..."""
    return strings([f"image-{i}.jpg" for i in range(images)])


def image_truth_of(table, labels: LabelSpace | None = None, subset: str = "test") -> Dataset:
    """Image-level labels from a matrix (images, classes) of 1, -1, 0 and None or NaN for no label."""
    table = np.array(table, float)
    image, label = np.nonzero(~np.isnan(table))
    return Dataset(
        meta=Meta(labels or load_labels("hico"), subset=subset),
        key=names(len(table)),
        image_label=label.astype(np.int32),
        image_value=table[image, label].astype(np.int8),
        image_label_offsets=offsets_of(np.bincount(image, minlength=len(table))),
        **no_pairs(len(table)),
    )


def image_predictions_of(scores, labels: LabelSpace | None = None, subset: str = "test") -> Predictions:
    """Predictions of whole images from a matrix (images, classes) of scores."""
    scores = np.asarray(scores)
    columns = no_pairs(len(scores)) | {"score": np.empty(0)}
    meta = Meta(labels or load_labels("hico"), subset=subset)
    return Predictions(meta=meta, key=names(len(scores)), image_scores=scores, **columns)


def as_image_predictions(truth: Dataset, noise: float = 0.0) -> Predictions:
    """The truth's image-level labels as scores of whole images, 1 and 0, with noise."""
    scores = np.random.default_rng(0).normal(0, noise, (len(truth), truth.meta.classes))
    present = truth.image_value == 1
    scores[truth.image_of("image_label")[present], truth.image_label[present]] += 1
    made = image_predictions_of(scores, truth.meta.labels, truth.meta.subset)
    return made.with_columns(key=truth.key)


def ranks_of(scores: np.ndarray) -> np.ndarray:
    """Other numbers in the same order."""
    return np.argsort(np.argsort(scores, axis=None, kind="stable"), kind="stable").reshape(scores.shape) * 0.5 - 100


@dataclass(frozen=True)
class Kit:
    """What the contract of protocols needs of one of them, made of synthetic scenes.

    perfect     the truth itself as predictions
    imperfect   predictions of the truth that are right now and then; a detector's pairs are given too
    rescored    the same predictions with other scores in the same order
    every_image whether predictions must name every image
    """

    perfect: Callable[[Dataset], Predictions]
    imperfect: Callable[[Dataset, Predictions], Predictions]
    rescored: Callable[[Predictions], Predictions]
    every_image: bool = False


KITS = {
    "hico-det": Kit(
        perfect=as_predictions,
        imperfect=lambda truth, detected: detected,
        rescored=lambda found: found.with_columns(score=ranks_of(found.score)),
    ),
    "hico": Kit(
        perfect=as_image_predictions,
        imperfect=lambda truth, detected: as_image_predictions(truth, noise=0.5),
        rescored=lambda found: found.with_columns(image_scores=ranks_of(found.image_scores)),
        every_image=True,
    ),
}
