"""The scored triplets of predictions that a protocol of relations looks at: the best of a pair, then of an image.

A triplet's score is that of its predicate, times those of both boxes where the data say so, in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.data import Predictions, pair_factor

Array = NDArray[Any]
BLOCK = 1 << 15  # pairs whose scores are looked at together


@dataclass(frozen=True)
class Best:
    """Triplets (n,) by image and falling score: the row of the pair, the predicate and the score."""

    pair: Array
    predicate: Array
    score: Array


def best_triplets(predictions: Predictions, of_pair: int | None, of_image: int | None, above: float) -> Best:
    """The triplets of predictions that count, the earlier pair and predicate first where scores are equal.

    of_pair   how many best predicates of each pair count, None: all; the predictions must be dense otherwise
    of_image  how many best triplets of an image count, None: all
    above     the score that counts no more
    """
    if not predictions.dense:
        predicate, score = predictions.need("label")[:, None], predictions.need("score")[:, None].astype(np.float64)
    elif of_pair is not None:
        predicate, score = best_predicates(predictions.need("scores"), of_pair)
    else:
        score = predictions.need("scores").astype(np.float64)
        predicate = np.broadcast_to(np.arange(score.shape[1]), score.shape)
    if predictions.meta.score == "times-box-scores":
        with np.errstate(invalid="ignore"):
            score *= pair_factor(predictions)[:, None]
    score[np.isnan(score)] = -np.inf
    rows = best_rows(score.reshape(-1), predictions.pair_offsets * score.shape[1], of_image)
    rows = rows[score.reshape(-1)[rows] > above]
    pair, column = np.divmod(rows, score.shape[1])
    return Best(pair, predicate[pair, column], score[pair, column])


def best_predicates(scores: Array, most: int) -> tuple[Array, Array]:
    """(P, most) the best predicates of scores (P, L) and their scores in float64; the earlier one wins a tie.

    Where fewer are predicted (NaN: not) the others have the score -inf.
    """
    labels, best = np.empty((len(scores), most), np.int64), np.empty((len(scores), most))
    for start in range(0, len(scores), BLOCK):
        part = scores[start : start + BLOCK]
        left, rows = np.where(np.isnan(part), -np.inf, part), np.arange(len(part))
        for k in range(most):
            top = left.argmax(axis=1)
            labels[start : start + BLOCK, k], best[start : start + BLOCK, k] = top, left[rows, top]
            left[rows, top] = -np.inf
    return labels, best


def best_rows(score: Array, offsets: Array, most: int | None) -> Array:
    """Rows of scores (n,) by image (offsets) and falling score, the `most` best of each; the earlier row wins a tie."""
    held = []
    for start, stop in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        mine = score[start:stop]
        rows = np.arange(len(mine))
        if most is not None and len(mine) > most:
            rows = np.flatnonzero(mine >= np.partition(mine, len(mine) - most)[len(mine) - most])
        held.append(start + rows[np.argsort(-mine[rows], kind="stable")][:most])
    return np.concatenate(held) if held else np.empty(0, np.int64)
