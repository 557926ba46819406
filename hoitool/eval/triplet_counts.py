"""Triplets without a cap, ranked by counting: most of them only stand before others, and need no row and no sort.

Of dense predictions every pair and predicate is a triplet, millions where a few thousand can match. Those whose image
has such a true relation are made into rows; the rank of one is how many triplets, of all in its image or of its
predicate, have a larger score, or the same score and stand before it. What is NaN or -inf is not predicted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hoitool.data import Predictions, pair_factor, ranges
from hoitool.eval.matching import Array, Pairs


@dataclass(frozen=True)
class Counts:
    """The triplets of dense predictions: scores (P, L) as they are held, factor (P,) of each pair, offsets (I + 1,).

    A triplet is named by its place, pair * L + predicate.
    """

    scores: Array
    factor: Array
    offsets: Array

    @classmethod
    def of(cls, predictions: Predictions) -> Counts:
        """Those of predictions: a predicate's score, times those of both boxes where the data say so, in float64."""
        scores = predictions.need("scores")
        times_boxes = predictions.meta.score == "times-box-scores"
        factor = pair_factor(predictions) if times_boxes else np.ones(len(scores))
        return cls(scores, factor, predictions.pair_offsets)

    @property
    def predicates(self) -> int:
        """L."""
        return int(self.scores.shape[1])

    def of_places(self, places: Array) -> Array:
        """(n,) the scores of triplets."""
        pair, predicate = np.divmod(places, self.predicates)
        return _product(self.scores[pair, predicate], self.factor[pair])

    def in_each(self) -> Array:
        """(L,) how many triplets there are of each predicate."""
        held = (np.count_nonzero(self._column(c) > -np.inf) for c in range(self.predicates))
        return np.fromiter(held, np.int64, self.predicates)

    def ranks_in_images(self, places: Array) -> Array:
        """(n,) the rank of triplets in their images, from 0."""
        image = np.searchsorted(self.offsets, places // self.predicates, side="right") - 1
        ranks = np.empty(len(places), np.int64)
        for mine in _groups(image):
            start, stop = self.offsets[image[mine[0]] :][:2].tolist()
            held = _product(self.scores[start:stop], self.factor[start:stop, None]).reshape(-1)
            ranks[mine] = ranks_among(held, places[mine] - start * self.predicates)
        return ranks

    def ranks_in_predicates(self, places: Array) -> Array:
        """(n,) the rank of triplets among all of their predicate, from 0."""
        pair, predicate = np.divmod(places, self.predicates)
        ranks = np.empty(len(places), np.int64)
        for mine in _groups(predicate):
            ranks[mine] = ranks_among(self._column(int(predicate[mine[0]])), pair[mine])
        return ranks

    def ranks_of(self, rows: Pairs) -> Callable[[Array], list[Array]]:
        """What gives the ascending ranks of hits (n,) among rows, whose `row` is their place, in each predicate."""

        def ranks(hit: Array) -> list[Array]:
            places = rows.row[hit]
            rank, predicate = self.ranks_in_predicates(places), places % self.predicates
            return [np.sort(rank[predicate == c]) for c in range(self.predicates)]

        return ranks

    def _column(self, predicate: int) -> Array:
        return _product(self.scores[:, predicate], self.factor)


def _groups(key: Array) -> list[Array]:
    """The rows of each distinct key (n,)."""
    order = np.argsort(key, kind="stable")
    ends = np.flatnonzero(np.diff(key[order])) + 1
    return np.split(order, ends) if len(key) else []


def _product(scores: Array, factor: Array) -> Array:
    """Scores in float64, -inf where nothing is predicted."""
    with np.errstate(invalid="ignore"):
        made: Array = scores.astype(np.float64) * factor
    made[np.isnan(made)] = -np.inf
    return made


def ranks_among(scores: Array, rows: Array) -> Array:
    """(n,) how many of scores (N,) stand before some rows of them (n,): larger ones, and equal ones of earlier rows."""
    wanted = np.unique(scores[rows])
    below = np.searchsorted(wanted, scores)  # how many of the wanted are smaller than each score
    larger = len(scores) - np.cumsum(np.bincount(below, minlength=len(wanted) + 1))
    equal = np.flatnonzero(wanted[np.minimum(below, len(wanted) - 1)] == scores)
    equals = np.sort(below[equal] * len(scores) + equal)
    at = below[rows]
    earlier = np.searchsorted(equals, at * len(scores) + rows) - np.searchsorted(equals, at * len(scores))
    found: Array = larger[at] + earlier
    return found


def among_true(predictions: Predictions, counts: Counts, true: Pairs, first: Array, triplets: int) -> Pairs:
    """The predicted triplets whose image has such a true relation, by image and falling score; row: their place.

    first (P,) is the number of each pair's triplet with predicate 0; triplets: how many numbers there are
    """
    keys = np.unique(true.image.astype(np.int64) * triplets + true.label)
    base = predictions.image_of("pair").astype(np.int64) * triplets + first
    low, high = np.searchsorted(keys, base), np.searchsorted(keys, base + counts.predicates)
    pair = np.repeat(np.arange(len(base)), high - low)
    label = keys[ranges(low, high - low)] % triplets if len(keys) else pair
    places = pair * counts.predicates + label - first[pair]
    score, image = counts.of_places(places), predictions.image_of("pair")[pair]
    order = np.lexsort((-score, image))
    order = order[score[order] > -np.inf]
    return Pairs(
        image=image[order],
        label=label[order],
        boxes=predictions.boxes,
        human=predictions.pair_boxes("subject")[pair[order]],
        object=predictions.pair_boxes("object")[pair[order]],
        row=places[order],
        score=score[order],
    )
