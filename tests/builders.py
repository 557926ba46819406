"""Small data written by hand: truths and predictions from a few rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hoitool.data import Dataset, Meta, Predictions, offsets_of, strings
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
