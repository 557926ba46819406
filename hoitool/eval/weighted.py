"""Average precision of one class when images count several times: what resampling images needs.

A detection or a truth of an image that counts w times stands w times in the ranking, its copies one after the other,
so that a curve changes at the true positives only and the best precision of copies is that of the last. Everything is
vectorised over B weightings at once; with weights of 1 the figures are those of `curves.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.eval.curves import THRESHOLDS

Array = NDArray[Any]
Formula = Callable[[Array, Array, Array, Array, Array], Array]
LOOKED_AT = 1 << 25  # weights of detections (rows times weightings) that are looked at together
AREA, AREA_WITH_TAIL, POINTS_101 = "area", "area-with-tail", "101-points"


def weighted_class(
    image: Array, hit: Array, true_image: Array, weights: Array, formula: str
) -> tuple[Array, Array, Array]:
    """AP, final recall and number of truths (B,) of one class; AP and recall are NaN where there are no truths.

    image   (N,) of its detections, best first, hit (N,) whether each is a true positive; true_image (T,) of its truths
    weights (I, B) how often each image counts; formula: a key of FORMULAS
    """
    made = np.full((3, weights.shape[1]), np.nan)
    step = max(1, LOOKED_AT // max(1, len(image)))
    for start in range(0, weights.shape[1], step):
        block = slice(start, start + step)
        made[:, block] = _block(image, np.flatnonzero(hit), true_image, weights[:, block], formula)
    return made[0], made[1], made[2]


def _block(image: Array, hits: Array, true_image: Array, weights: Array, formula: str) -> Array:
    truths = weights[true_image].sum(axis=0, dtype=np.int64)
    if not len(hits):
        return figures(
            np.empty((0, len(truths)), np.int64), np.empty((0, len(truths)), np.int64), truths, truths, formula
        )
    ranks = sums_until(hits, image, weights)
    after = weights[image[hits[-1] + 1 :]].sum(axis=0, dtype=np.int64)
    return figures(weights[image[hits]].astype(np.int64), ranks, truths, ranks[-1] + after, formula)


def sums_until(places: Array, image: Array, weights: Array) -> Array:
    """(n, B) how many of detections (N,) of these images stand up to and at some places (n,), which ascend."""
    starts = np.concatenate([[0], places[:-1] + 1])
    above = np.add.reduceat(weights[image[: places[-1] + 1]], starts, axis=0, dtype=np.int32)
    return np.cumsum(above, axis=0, dtype=np.int64)


def figures(counts: Array, ranks: Array, truths: Array, detections: Array, formula: str) -> Array:
    """(3, B) AP, final recall and truths, the first two NaN without truths.

    counts (H, B) of the true positives, best first; ranks (H, B) of the last copy of each, from 1; detections (B,)
    """
    made = np.zeros((3, len(truths)))
    made[2] = truths
    if len(counts):
        found = np.cumsum(counts, axis=0)
        precision = np.divide(found, ranks, out=np.zeros(found.shape), where=ranks > 0)
        best = np.maximum.accumulate(precision[::-1], axis=0)[::-1]
        recall = np.divide(found, truths, out=np.zeros(found.shape), where=truths > 0)
        made[0] = FORMULAS[formula](recall, best, counts, truths, detections)
        made[1] = recall[-1]
    made[:2, truths == 0] = np.nan
    return made


def quotient(total: Array, count: Array) -> Array:
    """total / count (n,), NaN where the count is 0."""
    made: Array = np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)
    return made


def _points(thresholds: tuple[float, ...]) -> Formula:
    """The mean over recall thresholds, which ascend, of the best precision at that recall or beyond."""

    def formula(recall: Array, best: Array, counts: Array, truths: Array, detections: Array) -> Array:
        reached = np.searchsorted(thresholds, recall, side="right")
        first = np.diff(reached, axis=0, prepend=0)  # how many thresholds are reached first at each true positive
        mean: Array = (first * best).sum(axis=0) / len(thresholds)
        return mean

    return formula


def _area(recall: Array, best: Array, counts: Array, truths: Array, detections: Array) -> Array:
    """The area under the envelope of precision over recall (PASCAL VOC 2010)."""
    area: Array = (counts * best).sum(axis=0) / np.maximum(truths, 1)
    return area


def _area_with_tail(recall: Array, best: Array, counts: Array, truths: Array, detections: Array) -> Array:
    """The same, and what is never recalled with the precision of the last detection (SGTR)."""
    tail: Array = (1 - recall[-1]) * counts.sum(axis=0) / np.maximum(detections, 1)
    return _area(recall, best, counts, truths, detections) + tail


# name -> what makes AP (B,) of five things: recall and the envelope of precision at the H true positives, each (H, B);
# how often each of those counts, (H, B); truths, (B,); and detections, (B,)
FORMULAS: dict[str, Formula] = {name: _points(points) for name, points in THRESHOLDS.items()} | {
    POINTS_101: _points(tuple(np.linspace(0, 1, 101).tolist())),
    AREA: _area,
    AREA_WITH_TAIL: _area_with_tail,
}
