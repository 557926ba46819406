"""Detections that are true or false by how much overlap is asked for: the curves of all classes at several thresholds.

What counts as neither (ignored boxes) differs between thresholds too. Ranks among the detections that images bring
are summed once for all thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.eval.weighted import figures, sums_until

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Thresholds:
    """Detections (N,) class by class and best first, and the truths that count (T,).

    starts      (K + 1,) where each class begins; image (N,) of each detection
    hits, gone  for each threshold the places of true positives, and of detections that do not count; ascending
    formula     how AP comes of it, a key of `weighted.FORMULAS` that does not look at the number of detections
    """

    starts: Array
    image: Array
    hits: tuple[Array, ...]
    gone: tuple[Array, ...]
    true_image: Array
    true_class: Array
    formula: str

    def weighted(self, weights: Array) -> tuple[Array, Array]:
        """AP and final recall (thresholds, K, B) when images count `weights` (I, B) times; NaN without truths."""
        order = np.argsort(self.true_class, kind="stable")
        ends = np.cumsum(np.bincount(self.true_class, minlength=len(self.starts) - 1))
        made = np.empty((2, len(self.hits), len(ends), weights.shape[1]))
        for k, true in enumerate(np.split(self.true_image[order], ends[:-1])):
            truths = weights[true].sum(axis=0, dtype=np.int64)
            made[:, :, k] = self._class(k, truths, weights) if len(true) else np.nan
        return made[0], made[1]

    def _class(self, number: int, truths: Array, weights: Array) -> Array:
        """(2, thresholds, B) AP and recall of one class."""
        start, stop = self.starts[number : number + 2].tolist()
        image = self.image[start:stop]
        hits, gone = ([_within(places, start, stop) for places in each] for each in (self.hits, self.gone))
        made = np.zeros((2, len(hits), len(truths)))
        made[:, :, truths == 0] = np.nan
        places = np.unique(np.concatenate(hits))
        if len(places):
            sums = sums_until(places, image, weights)
            for t, (mine, left_out) in enumerate(zip(hits, gone, strict=True)):
                ranks = sums[np.searchsorted(places, mine)] - _before(mine, left_out, image, weights)
                counts = weights[image[mine]].astype(np.int64)
                made[:, t] = figures(counts, ranks, truths, truths, self.formula)[:2]
        return made


def _within(places: Array, start: int, stop: int) -> Array:
    """Those of some places, which ascend, from start to stop, counted from start."""
    first, last = np.searchsorted(places, [start, stop])
    made: Array = places[first:last] - start
    return made


def _before(places: Array, others: Array, image: Array, weights: Array) -> Array:
    """(n, B) how many of the detections at other places stand before each place (n,)."""
    sums = np.zeros((len(others) + 1, weights.shape[1]), np.int64)
    np.cumsum(weights[image[others]], axis=0, out=sums[1:])
    made: Array = sums[np.searchsorted(others, places)]
    return made
