"""Where in the ranking of a pool the best positive of a query stands: by counting, block by block, without a sort.

Similarity is the dot product. A block of similarities is made in float32 and only says which items certainly stand
before the best positive, or certainly after it; the few between are computed in float64. Its errors are bounded by
those of a sum of products in any order (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), so a rank
is that of float64 arithmetic. What float64 cannot tell apart is a tie, on every machine: a rank has two bounds.
Memory is a block of similarities, whatever the size of the pool; one pass ranks both sides of a relation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hoitool.errors import DataError

Array = NDArray[Any]
CELLS = 2**22  # similarities of a block, and numbers that are gathered at once
ROWS = 255  # of a block: its columns are counted in uint8
DEPTH = 256  # numbers of a row that are summed at once: the error of a similarity grows with it
TERMS = 8  # roundings of a similarity besides those of its sum


@dataclass(frozen=True, eq=False)
class Ranks:
    """Per query (Q,) int64: how many items of the pool stand before its best positive, 0 = none.

    best   items that are more similar than it
    worst  and those that are as similar as it, without other positives
    """

    best: Array
    worst: Array

    def __getitem__(self, queries: Any) -> Ranks:
        """The ranks of some queries."""
        return Ranks(self.best[queries], self.worst[queries])


@dataclass(frozen=True, eq=False)
class _Side:
    """The queries of one direction. axis: 0 where they are the rows of a block, 1 where they are its columns.

    positive        (Q,) float64 similarity of the best positive, infinite without one
    coarse, fine    (Q,) how far from it a similarity in float32, in float64 may be and still be equal
    """

    axis: int
    positive: Array
    coarse: Array
    fine: Array
    before: Array = field(init=False)
    tied: Array = field(init=False)

    def __post_init__(self) -> None:
        for name in ("before", "tied"):
            object.__setattr__(self, name, np.zeros(len(self.positive), np.int64))

    def compare(self, block: Array, start: int, slack: Array) -> tuple[slice, Array, Array]:
        """The queries of a block of rows from `start` on, which of it is above their positives, and what is near."""
        queries = slice(start, start + len(block)) if self.axis == 0 else slice(None)
        low, high = (
            np.expand_dims(self.positive[queries] + by, 1 - self.axis).astype(block.dtype, copy=False)
            for by in (-slack[queries], slack[queries])
        )
        above = block > high
        near = block >= low
        near ^= above
        return queries, above, near

    @property
    def ranks(self) -> Ranks:
        """The ranks, once all blocks are counted."""
        return Ranks(self.before, self.before + self.tied)


def rank(left: Array, right: Array, pairs: tuple[Array, Array]) -> tuple[Ranks, Ranks]:
    """Ranks of left (L, D) among right (R, D), and of right among left; a query without a positive has rank 0.

    pairs  the positives: places in left (P,) and in right (P,), each pair once
    Raises DataError for rows that are not finite.
    """
    sides = _side(0, left, right, pairs), _side(1, right, left, pairs[::-1])
    _scan(left, right, pairs, sides)
    return sides[0].ranks, sides[1].ranks


def rank_among(rows: Array, pairs: tuple[Array, Array]) -> Ranks:
    """Ranks of rows (N, D) as queries among all of them, where a row has similarity 0 with itself.

    pairs  the positives: queries (P,) and items (P,), each pair once, none with itself
    """
    side = _side(0, rows, rows, pairs)
    itself = np.arange(len(rows))
    _scan(rows, rows, (np.append(pairs[0], itself), np.append(pairs[1], itself)), (side,))
    side.before[...] += side.positive + side.fine < 0
    side.tied[...] += np.abs(side.positive) <= side.fine
    return side.ranks


def similarities(left: Array, right: Array, pairs: tuple[Array, Array]) -> Array:
    """(P,) float64 dot products of rows of left and of right, by their places."""
    made = np.empty(len(pairs[0]))
    step = max(1, CELLS // max(1, left.shape[1]))
    for start in range(0, len(made), step):
        some = slice(start, start + step)
        one, two = left[pairs[0][some]].astype(np.float64), right[pairs[1][some]].astype(np.float64)
        np.einsum("ij,ij->i", one, two, out=made[some])
    return made


def _side(axis: int, queries: Array, pool: Array, pairs: tuple[Array, Array]) -> _Side:
    positive = np.full(len(queries), -np.inf)
    np.maximum.at(positive, pairs[0], similarities(queries, pool, pairs))
    positive[positive == -np.inf] = np.inf
    reach = _lengths(queries) * _lengths(pool).max(initial=0)
    dim = queries.shape[1]
    coarse = 1.01 * (min(dim, DEPTH) + dim // DEPTH + TERMS) * np.finfo(np.float32).eps / 2 * reach
    fine = 2 * 1.01 * (dim + TERMS) * np.finfo(np.float64).eps / 2 * reach
    return _Side(axis, positive, coarse + 1e-37, fine)


def _lengths(rows: Array) -> Array:
    """(N,) lengths of rows, not below the true ones. Raises DataError for one that is not finite."""
    lengths: Array = 1.01 * np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    wrong = np.flatnonzero(~np.isfinite(lengths))
    if len(wrong):
        raise DataError(f"row {wrong[0]} of the embeddings is not finite ({len(wrong)} of {len(rows)} are)")
    return lengths


def _scan(left: Array, right: Array, skipped: tuple[Array, Array], sides: Sequence[_Side]) -> None:
    """Count, for each side, the pairs of left and right that are not skipped."""
    rows = min(ROWS, max(1, CELLS // max(1, len(right))))
    order = np.argsort(skipped[0], kind="stable")
    skipped_left, skipped_right = skipped[0][order], skipped[1][order]
    single, turned = left.astype(np.float32, copy=False), right.astype(np.float32, copy=False).T
    for start in range(0, len(left), rows):
        stop = min(start + rows, len(left))
        some = slice(*np.searchsorted(skipped_left, (start, stop)))
        out = skipped_left[some] - start, skipped_right[some]
        block = _product(single[start:stop], turned)
        block[out] = -np.inf
        for side in sides:
            queries, above, near = side.compare(block, start, side.coarse)
            open_cells = np.flatnonzero(near)
            if open_cells.size * left.shape[1] <= CELLS:
                side.before[queries] += _sums(above, side.axis)
                _decide(left, right, side, start, open_cells)
                continue
            exact = left[start:stop].astype(np.float64) @ right.astype(np.float64).T  # rows that hardly differ
            exact[out] = -np.inf
            queries, above, tied = side.compare(exact, start, side.fine)
            side.before[queries] += _sums(above, side.axis)
            side.tied[queries] += _sums(tied, side.axis)


def _product(rows: Array, turned: Array) -> Array:
    """rows (n, D) @ turned (D, N), a part of D after the other, so that errors stay small."""
    made: Array = rows[:, :DEPTH] @ turned[:DEPTH]
    for start in range(DEPTH, len(turned), DEPTH):
        made += rows[:, start : start + DEPTH] @ turned[start : start + DEPTH]
    return made


def _decide(left: Array, right: Array, side: _Side, start: int, cells: Array) -> None:
    """Count pairs by their similarity in float64; `cells` are their places in the block of rows from `start` on."""
    rows, columns = np.divmod(cells, len(right))
    rows += start
    query = (rows, columns)[side.axis]
    ahead = similarities(left, right, (rows, columns)) - side.positive[query]
    np.add.at(side.before, query[ahead > side.fine[query]], 1)
    np.add.at(side.tied, query[np.abs(ahead) <= side.fine[query]], 1)


def _sums(held: Array, axis: int) -> Array:
    """How many cells of each row (axis 0) or column (axis 1) of a block of at most ROWS rows are true."""
    made: Array = np.count_nonzero(held, axis=1) if axis == 0 else held.view(np.uint8).sum(axis=0, dtype=np.uint8)
    return made
