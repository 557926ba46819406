"""Average precision of ranked detections, class by class.

Only true positives move the curve: with the k-th of them at rank r (from 1), recall is k / truths and precision k / r.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# The 11 recall thresholds, by how they come about. They differ in the last bit of .6 and .7 (and .3), which matters
# where recall is exactly a tenth. Source: docs/protocols/hico-det.md.
THRESHOLDS: dict[str, tuple[float, ...]] = {
    "start-plus-steps": tuple(k * 0.1 for k in range(11)),  # MATLAB's `for t = 0:0.1:1`, numpy.arange(0, 1.1, 0.1)
    "symmetric": tuple(k * 0.1 if k <= 5 else 1 - (10 - k) * 0.1 for k in range(11)),  # torch.linspace, 0:0.1:1
    "literal": tuple(k / 10 for k in range(11)),
}


@dataclass(frozen=True)
class Ranking:
    """Detections by class and falling score: row numbers `order`, those of class c in starts[c]:starts[c + 1]."""

    order: Array
    starts: Array

    @classmethod
    def of(cls, label: Array, score: Array, classes: int) -> Ranking:
        """Rank detections by score (N,) within their label (N,). Equal scores keep their order; NaN comes last."""
        small = label.astype(np.int16) if classes < 2**15 else label  # NumPy sorts 16-bit integers by radix
        order = np.argsort(small, kind="stable")
        starts = np.zeros(classes + 1, np.int64)
        np.cumsum(np.bincount(label, minlength=classes), out=starts[1:])
        for rows in map(slice, starts[:-1], starts[1:]):
            mine = order[rows]
            order[rows] = mine[np.argsort(-score[mine], kind="stable")]
        return cls(order, starts)

    def __iter__(self) -> Iterator[Array]:
        """The rows of each class, best first."""
        for rows in map(slice, self.starts[:-1], self.starts[1:]):
            yield self.order[rows]


@dataclass(frozen=True)
class ClassCurves:
    """Per class (K,): detections, true positives, AP and final recall."""

    detections: Array
    true_positives: Array
    ap: Array
    recall: Array


def evaluate_classes(
    ranked: Iterator[Array], hit: Array, truths: Array, thresholds: str, keep: Array | None
) -> ClassCurves:
    """AP and recall of every class.

    ranked  for each class its rows, best first; hit (N,) whether a row is a true positive; truths (K,)
    keep    (N,) rows that take part, None for all
    A class without detections has AP 0 and recall 0; one without truths AP 0, and recall NaN if it has detections.
    """
    made = ClassCurves(*(np.zeros(len(truths), dtype) for dtype in (np.int64, np.int64, float, float)))
    for c, rows in enumerate(ranked):
        if keep is not None:
            rows = rows[keep[rows]]
        ranks = np.flatnonzero(hit[rows])
        made.detections[c], made.true_positives[c] = len(rows), len(ranks)
        if len(rows):
            made.ap[c] = average_precision(ranks, int(truths[c]), thresholds)
            made.recall[c] = len(ranks) / truths[c] if truths[c] else np.nan
    return made


def average_precision(ranks: Array, truths: int, thresholds: str) -> float:
    """Mean over 11 recall thresholds of the best precision at that recall or beyond.

    ranks  0-based, ascending, of the true positives; truths  the number of true pairs (0 gives 0).
    """
    if not len(ranks) or not truths:
        return 0.0
    found = np.arange(1, len(ranks) + 1)
    best = np.maximum.accumulate((found / (ranks + 1))[::-1])[::-1]
    reached = np.searchsorted(found / truths, THRESHOLDS[thresholds])
    total = 0.0
    for at in reached.tolist():  # the official running sum, term by term
        total += (float(best[at]) if at < len(best) else 0.0) / 11
    return total


def area_under_curve(ranks: Array, detections: int, truths: int, tail: bool = False) -> float:
    """The area under the curve of precision, made monotone, over recall (PASCAL VOC 2010).

    ranks  as above, of `detections`; tail: recall that is never reached counts with the precision of the last
    detection, as SGTR's integral has it, which takes each step of recall with the precision before it.
    """
    if not detections or not truths:
        return 0.0
    precision = np.arange(1, len(ranks) + 1) / (ranks + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    rest = (1 - len(ranks) / truths) * len(ranks) / detections if tail else 0.0
    return float(best.sum()) / truths + rest


def tied_orders(ranked: Iterator[Array], hit: Array, score: Array, hits_first: bool) -> Iterator[Array]:
    """The same ranking with true positives first, or last, among equal scores: the bounds of an unstable sort."""
    for rows in ranked:
        yield rows[np.lexsort((hit[rows] != hits_first, -score[rows]))]
