"""Scores of whole images to figures, by hoitool.eval: there is no other evaluator.

A truth without labels of whole images gets those of its pairs, as HICO's images have theirs; the result says so.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hoitool.data import Dataset
from hoitool.data.dataset import Array
from hoitool.errors import DataError
from hoitool.eval import Result, score
from hoitool.predict.recognition import image_predictions
from hoitool.train.defr.images import image_labels


def evaluated(truth: Dataset, scores: Array, protocol: str = "hico", variant: str | None = None) -> Result:
    """The result of scores (I, K) of the truth's images. Raises DataError for scores of another shape or NaN."""
    missing = int(np.isnan(scores).any(1).sum()) if scores.ndim == 2 else 0
    if missing:
        raise DataError(f"scores of {missing} of {len(scores)} images are not numbers; training has diverged")
    noted = truth
    if truth.image_label is None:
        offsets, label, value = image_labels(truth, "pairs")
        noted = truth.with_columns(image_label=label, image_value=value, image_label_offsets=offsets)
    result = score(noted, image_predictions(noted, scores, noted.meta), protocol, variant)
    if noted is truth:
        return result
    return replace(
        result, notes=(*result.notes, "the truth has no labels of whole images: those of its pairs stand in")
    )


def figures(result: Result) -> dict[str, float]:
    """mAP as a fraction by split, of the first setting: full, and few@1, few@5 and few@10 in HICO's label space."""
    return {split: result.mean(split) for split in result.splits}


def figure_names(truth: Dataset, protocol: str, variant: str | None) -> list[str]:
    """The names of the figures that an evaluation on a truth gives, without a model."""
    return list(figures(evaluated(truth, np.zeros((len(truth), truth.meta.classes), np.float32), protocol, variant)))
