"""Curves of precision and recall from a ledger: of one class, in the mean over classes, and recall over how many
detections of each image are looked at.

Precision is that of protocols: at each recall the best precision at that recall or beyond, and 0 where the recall is
never reached; what AP is computed from. A class without truths has no curve of its own, and counts as 0 in means that
the protocol takes over it too. The mean of a mean curve at a protocol's recall thresholds is its mAP, to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hoitool.data.dataset import Array
from hoitool.eval.ledger import Ranked

GRID = np.linspace(0.0, 1.0, 101)  # recalls
COUNTS = (1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000)  # detections of an image


@dataclass(frozen=True, eq=False)
class Curve:
    """The curve of one class at its true positives (H,), the best first: it changes nowhere else.

    recall, precision  (H,) up to and with each true positive; best: (H,) the best precision there or beyond
    score              (H,) of the true positives; detections, truths: how many the class has
    """

    name: str
    recall: Array
    precision: Array
    best: Array
    score: Array
    detections: int
    truths: int

    def at(self, recall: Array) -> Array:
        """The best precision (n,) at recalls (n,) or beyond, 0 where they are never reached."""
        padded: Array = np.append(self.best, 0.0)
        return padded[np.searchsorted(self.recall, recall)]

    def steps(self) -> tuple[Array, Array]:
        """Recalls and best precisions that drawn as a line are the curve, from recall 0 down to 0 at its end."""
        if not len(self.recall):
            return np.zeros(1), np.zeros(1)
        changes = np.flatnonzero(np.append(np.diff(self.best) != 0, True))
        ends, best = self.recall[changes], self.best[changes]
        recall = np.concatenate([[0.0], np.repeat(ends, 2)])
        return recall, np.concatenate([np.repeat(best, 2), [0.0]])


def pr_curve(ranked: Ranked, number: int) -> Curve:
    """The curve of class `number` of a ranking."""
    rows = ranked.of_class(number)
    ranks, truths = np.flatnonzero(ranked.hit[rows]), int(ranked.truths[number])
    found = np.arange(1, len(ranks) + 1)
    precision = found / (ranks + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    recall = found / truths if truths else np.empty(0)
    return Curve(
        str(ranked.names[number]),
        recall,
        precision[: len(recall)],
        best[: len(recall)],
        ranked.score[rows][ranks][: len(recall)],
        rows.stop - rows.start,
        truths,
    )


def mean_curve(ranked: Ranked, among: Array, grid: Array = GRID) -> Array:
    """The mean over classes `among` (K,) bool of the best precision (n,) at recalls `grid` (n,) or beyond."""
    numbers = np.flatnonzero(among).tolist()
    total = np.zeros(len(grid))
    for number in numbers:
        total += pr_curve(ranked, number).at(grid)
    return total / len(numbers) if numbers else np.full(len(grid), np.nan)


def recall_curve(ranked: Ranked, among: Array, counts: Sequence[int] = COUNTS) -> Array:
    """The mean recall (n,) over the classes `among` that have truths, of the `counts` (n,) best detections of an image.

    An image's detections of all classes are ranked together by score; the earlier in the ranking wins a tie.
    """
    place = _places(ranked.image, ranked.score)
    of = np.repeat(np.arange(len(ranked.names)), np.diff(ranked.starts))
    taken = among & (ranked.truths > 0)
    found = np.stack([np.bincount(of[ranked.hit & (place < n)], minlength=len(ranked.names)) for n in counts])
    recall = found[:, taken] / ranked.truths[taken]
    return recall.mean(axis=1) if taken.any() else np.full(len(counts), np.nan)


def _places(image: Array, score: Array) -> Array:
    """(N,) how many detections of the same image are before each."""
    order = np.lexsort((-score, image))
    held = image[order]
    first = np.append(True, held[1:] != held[:-1])[: len(held)]
    starts = np.flatnonzero(first)
    place = np.empty(len(held), np.int64)
    place[order] = np.arange(len(held)) - np.repeat(starts, np.diff(np.append(starts, len(held))))
    return place
