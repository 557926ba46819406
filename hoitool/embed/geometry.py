"""How embeddings lie: which are nearest to each other, and whether they fill their space or a narrow cone of it.

Everything is of directions: rows are divided by their lengths first. The mean cosine is the anisotropy of Ethayarajh
(EMNLP 2019), who estimates it from random pairs; here it is over all distinct pairs, exactly: with unit rows u, the sum
over i != j of u_i u_j is |sum u|^2 - N. Its standard error is the jackknife's over rows (Efron and Stein, Annals of
Statistics 1981), since pairs that share a row are not independent. The participation ratio of the eigenvalues l of the
covariance, (sum l)^2 / sum l^2, says in how many dimensions the rows spread: d for a ball, 1 for a line.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np

from hoitool.data.dataset import Array
from hoitool.embed.ensembles import unit
from hoitool.errors import UsageError

BLOCK = 2**22  # cosines at a time
DECIMALS = 12  # of a cosine: copies of a row tie, in whatever order a product was summed
ROUNDING = 1e-28  # variance of unit rows that is nothing but rounding


@dataclass(frozen=True)
class Isotropy:
    """What the directions of rows have in common.

    rows, dim      of what; mean_cosine: over all pairs of two different rows, -1 .. 1, near 0 where they fill the space
    standard_error of mean_cosine, for the population that the rows are a sample of; NaN below 3 rows
    dimensions     participation ratio of the covariance of the unit rows, 0 where all are one
    """

    rows: int
    dim: int
    mean_cosine: float
    standard_error: float
    dimensions: float

    def to_json(self) -> dict[str, float]:
        """JSON-ready values."""
        return asdict(self)


def neighbours(vectors: Array, k: int = 5) -> tuple[Array, Array]:
    """(N, k) places of the rows nearest to each row by cosine, nearest first, and (N, k) float64 these cosines.

    vectors (N, d). A row is not its own neighbour; of equal cosines (to 12 decimals) the lower place comes first; k is
    at most N - 1. Memory is N k and a block of cosines, never N^2. Raises DataError, naming the row, for one that is
    zero or not finite, UsageError for fewer than 2 rows or no neighbours.
    """
    rows = _directions(vectors)
    count = len(rows)
    k = min(k, count - 1)
    if k < 1:
        raise UsageError(f"expected a number of neighbours above 0, came {k}")
    places, cosines = np.empty((count, k), np.int64), np.empty((count, k))
    step = max(1, BLOCK // count)
    for first in range(0, count, step):
        block = np.round(rows[first : first + step] @ rows.T, DECIMALS)
        at = np.arange(len(block))
        block[at, first + at] = -np.inf
        places[first : first + step] = found = _largest(block, k)
        cosines[first : first + step] = np.take_along_axis(block, found, axis=1)
    return places, cosines


def isotropy(vectors: Array) -> Isotropy:
    """The mean cosine of all pairs of rows (N, d), in O(N d), and the dimensions that they spread in.

    Raises DataError, naming the row, for one that is zero or not finite, UsageError for fewer than 2 rows.
    """
    rows = _directions(vectors)
    count, dim = rows.shape
    total = rows.sum(axis=0)
    mean_cosine = float((total @ total - count) / (count * (count - 1)))
    return Isotropy(count, dim, mean_cosine, _jackknife(rows, total), participation(rows - total / count))


def _jackknife(rows: Array, total: Array) -> float:
    """The standard error of the mean cosine of unit rows (N, d) by their sum (d,): each row in turn is left out."""
    count = len(rows)
    if count < 3:
        return math.nan
    left = total - rows
    means = (np.einsum("nd,nd->n", left, left) - (count - 1)) / ((count - 1) * (count - 2))
    return math.sqrt((count - 1) * float(means.var()))


def participation(centred: Array) -> float:
    """(sum l)^2 / sum l^2 of the eigenvalues l of the covariance of rows (N, d) whose mean is zero."""
    product = centred.T @ centred if centred.shape[1] <= len(centred) else centred @ centred.T
    spread = float(np.trace(product))
    return spread**2 / float((product**2).sum()) if spread > ROUNDING * len(centred) else 0.0


def _directions(vectors: Array) -> Array:
    if vectors.ndim != 2 or len(vectors) < 2:
        raise UsageError(f"expected at least 2 rows (N, d), came an array {vectors.shape}")
    return unit(vectors, "row")


def _largest(values: Array, k: int) -> Array:
    """(B, k) places of the k largest of each row (B, N), the largest first, of equal ones the lower place."""
    bounds = -np.partition(-values, k - 1, axis=1)[:, k - 1]
    held = [np.flatnonzero(row >= bound) for row, bound in zip(values, bounds, strict=True)]
    return np.stack([at[np.argsort(-row[at], kind="stable")[:k]] for row, at in zip(values, held, strict=True)])
