"""Spearman's rank correlation, over all pairs and over samples of half of the queries.

The correlation of ranks, where equal values have the mean of their ranks. Source: Spearman, 1904; the samples are those
that Parekh et al. (Crisscrossed Captions, EACL 2021) describe.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def spearman(one: Array, two: Array) -> float:
    """The rank correlation of two columns (N,); NaN where one is constant, or of less than two rows."""
    return _of_codes(*(np.unique(values, return_inverse=True)[1] for values in (one, two)))


def sampled(query: Array, one: Array, two: Array, samples: int, rng: np.random.Generator) -> Array:
    """(S,) correlations of one and two (N,), each over half of the queries and one row of each of them.

    query  (N,) the query that a row belongs to. Half is rounded down; queries and rows are drawn evenly.
    Samples that have no correlation are left out: S is less than `samples` then.
    """
    order = np.argsort(query, kind="stable")
    start, count = np.unique(query[order], return_index=True, return_counts=True)[1:]
    codes = [np.unique(values, return_inverse=True)[1] for values in (one, two)]
    made = np.empty(samples)
    for i in range(samples):
        drawn = rng.permutation(len(start))[: len(start) // 2]
        rows = order[start[drawn] + (rng.random(len(drawn)) * count[drawn]).astype(np.int64)]
        made[i] = _of_codes(codes[0][rows], codes[1][rows])
    return made[~np.isnan(made)]


def _of_codes(one: Array, two: Array) -> float:
    """The correlation of columns that are given by the places of their values among all values, from 0."""
    if len(one) < 2:
        return math.nan
    x, y = (ranks - ranks.mean() for ranks in (_ranks(one), _ranks(two)))
    spread = math.sqrt(float((x * x).sum()) * float((y * y).sum()))
    return float((x * y).sum()) / spread if spread else math.nan


def _ranks(code: Array) -> Array:
    """(N,) ranks from 1 of values given by their places among all values; equal ones have the mean of their ranks."""
    count = np.bincount(code)
    return (np.cumsum(count) - (count - 1) / 2)[code]
