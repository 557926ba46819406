"""What a teacher is sure of as a dataset: image labels 1 where a label's probability reaches a threshold.

The probability is sigmoid(logit). What lies below is unsaid, neither absent nor uncertain. An image of which nothing is
sure enough is left out: losses that take what is unsaid for absent would learn that nothing is in it. Boxes, pairs and
labels that the images came with are not taken along, so that a student sees the teacher's labels alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from hoitool.data import Dataset, Meta, concat, no_pairs, offsets_of, select_images
from hoitool.data.dataset import Array
from hoitool.errors import DataError, UsageError

EXTRA = "pseudo_labels"  # the key in meta.extras
PICTURES = "pictures"  # in it: the folder of the images' pictures
KEPT = ("key", "file_name", "width", "height", "subset")


def as_dataset(parts: Iterable[tuple[Dataset, Array]], threshold: float, provenance: dict[str, Any]) -> Dataset:
    """Images with the labels (of their label_kind) that a teacher gives them.

    parts       images and their logits (I, K), one row per image in order, one column per label; as many as there are
    threshold   probability, above 0 and below 1
    provenance  what made the logits: model, SHA-256 of its checkpoint; stands in meta.extras with threshold and counts
    Raises UsageError for another threshold, DataError for logits of another shape or that are not numbers, and where no
    label reaches the threshold.
    """
    least, most, count = np.full(1, cut(threshold)), -math.inf, 0  # float64, and so is the comparison
    kept: list[tuple[Dataset, Array, Array]] = []
    for images, logits in parts:
        _require_numbers(images, logits)
        sure = np.greater_equal(logits, least)
        place, label = np.nonzero(sure)
        rows, counts = np.unique(place, return_counts=True)
        kept.append((select_images(_bare(images), rows), label, counts))
        most, count = max(most, float(logits.max(initial=-700.0))), count + len(images)
    if not sum(len(label) for _, label, _ in kept):
        best = 1 / (1 + math.exp(-most))
        raise DataError(f"no label of {count:,} images reaches {threshold:g}, the best has {best:.3g}; lower it")
    images, label = concat([part for part, _, _ in kept]), np.concatenate([label for _, label, _ in kept])
    return images.with_columns(
        meta=_meta(images, threshold, provenance, count, label),
        image_label=label.astype(np.int32),
        image_value=np.ones(len(label), np.int8),
        image_label_offsets=offsets_of(np.concatenate([counts for _, _, counts in kept])),
    )


def _bare(images: Dataset) -> Dataset:
    """The images alone."""
    meta = replace(images.meta, box_frame="continuous", score="final", extras={})
    return Dataset(meta=meta, **{name: getattr(images, name) for name in KEPT}, **no_pairs(len(images)))


def cut(threshold: float) -> float:
    """The logit whose sigmoid a threshold is. Raises UsageError unless it lies between 0 and 1."""
    if not 0 < threshold < 1:
        raise UsageError(f"a threshold of {threshold:g}, expected a probability above 0 and below 1")
    return math.log(threshold) - math.log1p(-threshold)


def _meta(images: Dataset, threshold: float, provenance: dict[str, Any], seen: int, label: Array) -> Meta:
    counts = {
        "images": len(images),
        "left_out": seen - len(images),
        "labels": len(label),
        "classes": len(np.unique(label)),
    }
    return replace(images.meta, extras={EXTRA: provenance | {"threshold": threshold, "counts": counts}})


def _require_numbers(images: Dataset, logits: Array) -> None:
    expected = (len(images), images.meta.classes)
    if logits.shape != expected:
        raise DataError(f"logits have shape {list(logits.shape)}, expected {list(expected)} (images, labels)")
    wrong = np.isnan(logits).any(axis=1)
    if wrong.any():
        raise DataError(f"image {images.key[int(wrong.argmax())]!r}: a logit is NaN, expected a number")
