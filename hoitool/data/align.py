"""Predictions brought into the order of the truth, joined by image key.

An image without pairs is one where nothing was found. Scores of a whole image have no such meaning: where predictions
have them, they must have them for every image.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hoitool.data.dataset import Dataset, Predictions, offsets_of
from hoitool.data.select import select_images
from hoitool.errors import DataError
from hoitool.labels import difference


def align(predictions: Predictions, truth: Dataset) -> Predictions:
    """Predictions with exactly the truth's images, in its order and with its sizes; images not predicted become empty.

    Raises DataError when they name an image that the truth does not have, or use another label space, or when they
    score whole images and leave some out.
    """
    differs = difference(truth.meta.labels, predictions.meta.labels.summary())
    if differs:
        raise DataError(f"predictions do not fit the truth: {differs}")
    if np.array_equal(predictions.key, truth.key):
        return predictions.with_columns(width=truth.width, height=truth.height)
    row = {key: i for i, key in enumerate(truth.key.tolist())}
    unknown = [key for key in predictions.key.tolist() if key not in row]
    if unknown:
        raise DataError(_told(unknown, predictions, truth))
    if predictions.image_scores is not None and len(predictions) < len(truth):
        raise DataError(_told_missing(predictions, truth))
    at = np.array([row[key] for key in predictions.key.tolist()], np.int64)
    if (np.diff(at) < 0).any():
        predictions = select_images(predictions, np.argsort(at))
        at = np.sort(at)
    spread: dict[str, Any] = {}
    for group in ("box", "pair"):
        counts = np.zeros(len(truth), np.int64)
        counts[at] = predictions.counts(group)
        spread[f"{group}_offsets"] = offsets_of(counts)
    images: dict[str, Any] = dict.fromkeys(predictions.columns("image")) | {"key": truth.key}
    images["image_scores"] = predictions.image_scores
    images |= {"width": truth.width, "height": truth.height}
    labels: dict[str, Any] = {"image_label": None, "image_value": None, "image_label_offsets": None}
    captions: dict[str, Any] = {"caption_id": None, "caption_text": None, "caption_offsets": None}
    return predictions.with_columns(**spread, **images, **labels, **captions)


def _told(unknown: list[str], predictions: Predictions, truth: Dataset) -> str:
    count = f"{len(unknown)} of {len(predictions)}" if len(unknown) < len(predictions) else f"all {len(unknown)}"
    told = f"predictions name image {unknown[0]!r}, which the truth does not have ({count} images are unknown)"
    mine, theirs = truth.meta.subset, predictions.meta.subset
    if mine and theirs and mine != theirs:
        return f"{told}; they are for the subset {theirs!r}, the truth is {mine!r}"
    example = f", whose names look like {truth.key[0]!r}" if len(truth) else ""
    return f"{told}; give the truth of their subset{example}"


def _told_missing(predictions: Predictions, truth: Dataset) -> str:
    scored = set(predictions.key.tolist())
    missing = [key for key in truth.key.tolist() if key not in scored]
    return (
        f"predictions have no scores of the image {missing[0]!r} ({len(missing)} of the truth's {len(truth)} images "
        "are missing); every image is ranked, so score them all, or give a truth of fewer images"
    )
