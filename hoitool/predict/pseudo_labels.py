"""What a teacher is sure of as a dataset: image labels 1 where a label's probability reaches a threshold.

The probability is sigmoid(logit). What lies below is unsaid, neither absent nor uncertain. An image of which nothing is
sure enough is left out: losses that take what is unsaid for absent would learn that nothing is in it. Boxes, pairs and
labels that the images came with are not taken along, so that a student sees the teacher's labels alone.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from hoitool.data import Dataset, Meta, no_pairs, offsets_of
from hoitool.data.dataset import Array
from hoitool.errors import DataError, UsageError

EXTRA = "pseudo_labels"  # the key in meta.extras
PICTURES = "pictures"  # in it: the folder of the images' pictures
KEPT = ("key", "file_name", "width", "height", "subset")


def as_dataset(images: Dataset, logits: Array, threshold: float, provenance: dict[str, Any]) -> Dataset:
    """Images with the labels (of their label_kind) that a teacher gives them.

    logits      (I, K), one row per image in order, one column per label
    threshold   probability, above 0 and below 1
    provenance  what made the logits: model, SHA-256 of its checkpoint; stands in meta.extras with threshold and counts
    Raises UsageError for another threshold, DataError for logits of another shape or that are not numbers, and where no
    label reaches the threshold.
    """
    _require_numbers(images, logits)
    least = np.full(1, cut(threshold))  # float64, and so is the comparison
    sure: Array = logits >= least
    chosen: Array = np.asarray(sure.any(axis=1))
    if not chosen.any():
        best = 1 / (1 + math.exp(-float(logits.max(initial=-700.0))))
        raise DataError(f"no label of {len(images):,} images reaches {threshold:g}, the best has {best:.3g}; lower it")
    place, label = np.nonzero(sure[chosen])
    held = {name: getattr(images, name) for name in KEPT if getattr(images, name) is not None}
    return Dataset(
        meta=_meta(images, threshold, provenance, chosen, label),
        **{name: column[chosen] for name, column in held.items()},
        **no_pairs(int(chosen.sum())),
        image_label=label.astype(np.int32),
        image_value=np.ones(len(label), np.int8),
        image_label_offsets=offsets_of(np.bincount(place)),
    )


def cut(threshold: float) -> float:
    """The logit whose sigmoid a threshold is. Raises UsageError unless it lies between 0 and 1."""
    if not 0 < threshold < 1:
        raise UsageError(f"a threshold of {threshold:g}, expected a probability above 0 and below 1")
    return math.log(threshold) - math.log1p(-threshold)


def _meta(images: Dataset, threshold: float, provenance: dict[str, Any], chosen: Array, label: Array) -> Meta:
    counts = {
        "images": int(chosen.sum()),
        "left_out": int((~chosen).sum()),
        "labels": len(label),
        "classes": len(np.unique(label)),
    }
    told = provenance | {"threshold": threshold, "counts": counts}
    return replace(images.meta, box_frame="continuous", score="final", extras={EXTRA: told})


def _require_numbers(images: Dataset, logits: Array) -> None:
    expected = (len(images), images.meta.classes)
    if logits.shape != expected:
        raise DataError(f"logits have shape {list(logits.shape)}, expected {list(expected)} (images, labels)")
    wrong = np.isnan(logits).any(axis=1)
    if wrong.any():
        raise DataError(f"image {images.key[int(wrong.argmax())]!r}: a logit is NaN, expected a number")
