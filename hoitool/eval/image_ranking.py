"""Images ranked by their score for each class: the average precision of image-level labels.

Equal scores keep the order of the images; NaN comes before all other scores, as MATLAB's descending sort has it.
Source: eval_pr_score_label.m of hico_benchmark (Chao et al., ICCV 2015).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.eval.curves import average_precision

Array = NDArray[Any]
POSITIVE, NEGATIVE, LEFT_OUT = 1, 0, -1
BLOCK = 64  # classes whose scores are transposed together


@dataclass(frozen=True)
class ClassFigures:
    """Per class (K,): images that take part, AP, and the bounds of AP where the order of equal scores is open."""

    positives: Array
    negatives: Array
    ap: Array
    low: Array
    high: Array

    @classmethod
    def empty(cls, classes: int) -> ClassFigures:
        """Figures to be filled in."""
        return cls(*(np.zeros(classes, dtype) for dtype in (np.int64, np.int64, float, float, float)))


def rank_images(
    values: Array, scores: Array, settings: dict[str, Array], thresholds: str, bounds: bool
) -> dict[str, ClassFigures]:
    """The figures of every class by setting.

    values    (K, I) small non-negative integers: what the truth says of each class and image
    scores    (I, K), higher is surer
    settings  by name what each of those integers means: POSITIVE, NEGATIVE or LEFT_OUT
    bounds    whether the order of equal scores is open; low and high equal the AP where it is not
    """
    made = {name: ClassFigures.empty(len(values)) for name in settings}
    for c, held in enumerate(rankings(values, scores, settings, bounds)):
        for name, orders in held.items():
            _fill(made[name], c, {end: hits for end, (_, hits) in orders.items()}, thresholds)
    return made


def rankings(
    values: Array, scores: Array, settings: dict[str, Array], bounds: bool
) -> Iterator[dict[str, dict[str, tuple[Array, Array]]]]:
    """For each class by setting its images that take part, best first, and whether each is a positive.

    With bounds also ('_low', '_high') with negatives, and with positives first among equal scores.
    """
    for c, score in enumerate(_columns(scores)):
        order = ranked(score)
        value = values[c][order]
        held = {}
        for name, meaning in settings.items():
            part = meaning[value]
            taking = part != LEFT_OUT
            images, hits = order[taking], part[taking] == POSITIVE
            held[name] = {"": (images, hits)} | (_tied(images, hits, score[images]) if bounds else {})
        yield held


def ranked(score: Array) -> Array:
    """(I,) images by falling score (I,). Equal scores keep the order of the images; NaN comes first."""
    order = np.argsort(-score, kind="stable")
    missing = int(np.isnan(score).sum())
    return np.roll(order, missing) if missing else order


def _columns(scores: Array) -> Iterator[Array]:
    """The columns of a matrix, each contiguous."""
    for start in range(0, scores.shape[1], BLOCK):
        yield from np.ascontiguousarray(scores[:, start : start + BLOCK].T)


def _tied(images: Array, hits: Array, score: Array) -> dict[str, tuple[Array, Array]]:
    """A ranking with negatives, and with positives first among equal scores."""
    tied = score[1:] == score[:-1]
    if not tied.any():
        return {"_low": (images, hits), "_high": (images, hits)}
    group = np.concatenate([[0], np.cumsum(~tied)])
    orders = {end: np.lexsort((hits != first, group)) for end, first in (("_low", False), ("_high", True))}
    return {end: (images[order], hits[order]) for end, order in orders.items()}


def _fill(made: ClassFigures, c: int, orders: dict[str, Array], thresholds: str) -> None:
    """Figures of a class from whether each image of its rankings is a positive."""
    hits = orders[""]
    made.positives[c] = np.count_nonzero(hits)
    made.negatives[c] = len(hits) - made.positives[c]
    made.ap[c] = made.low[c] = made.high[c] = average_precision(np.flatnonzero(hits), made.positives[c], thresholds)
    for bound, end in ((made.low, "_low"), (made.high, "_high")):
        if end in orders:
            bound[c] = average_precision(np.flatnonzero(orders[end]), made.positives[c], thresholds)
