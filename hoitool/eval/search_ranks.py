"""Where in the ranking of a pool the best positive of a query stands: by counting, block by block, without a sort.

Similarity is the dot product. A block of similarities is made in float32 and only says which items certainly stand
before the best positive, or certainly after it; the few between are computed in float64. Its errors are bounded by
those of a sum of products in any order (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1), so a rank
is that of float64 arithmetic. What float64 cannot tell apart is a tie, on every machine: a rank has two bounds.
Memory is a block of similarities, whatever the size of the pool; one pass ranks both sides of a relation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
    """The queries of one direction, and what is counted for them.

    positive        (Q,) float64 similarity of the best positive, infinite without one
    coarse, fine    (Q,) how far from it a similarity in float32, in float64 may be and still be equal
    before, tied    (Q,) items above the best positive, and equal to it
    """

    positive: Array
    coarse: Array
    fine: Array
    before: Array
    tied: Array

    def compare(self, block: Array, axis: int, queries: slice, slack: Array) -> tuple[Array, Array]:
        """Which cells of a block, whose rows (axis 0) or columns are queries, are above their positives, or near."""
        low, high = (
            np.expand_dims(self.positive[queries] + by, 1 - axis).astype(block.dtype, copy=False)
            for by in (-slack[queries], slack[queries])
        )
        above = block > high
        near = block >= low
        near ^= above
        return above, near

    @property
    def ranks(self) -> Ranks:
        """The ranks, once all blocks are counted."""
        return Ranks(self.before, self.before + self.tied)


def rank(left: Array, right: Array, pairs: tuple[Array, Array]) -> tuple[Ranks, Ranks]:
    """Ranks of left (L, D) among right (R, D), and of right among left; a query without a positive has rank 0.

    pairs  the positives: places in left (P,) and in right (P,), each pair once
    Raises DataError for rows that are not finite.
    """
    rows, columns = _side(left, right, pairs), _side(right, left, pairs[::-1])
    single, turned = _singles(left, right)
    for start, stop in _blocks(left, right):
        block = _product(single[start:stop], turned)
        for axis, side in enumerate((rows, columns)):
            _count(side, axis, block, (left[start:stop], start), (right, 0))
    return rows.ranks, columns.ranks


def rank_among(rows: Array, pairs: tuple[Array, Array]) -> Ranks:
    """Ranks of rows (N, D) as queries among all of them, where a row has similarity 0 with itself.

    pairs  the positives: queries (P,) and items (P,), each pair once, none with itself
    """
    side = _side(rows, rows, pairs)
    single, turned = _singles(rows, rows)
    for start, stop in _blocks(rows, rows):  # each similarity is made once: of a row with those from its block on
        block = _product(single[start:stop], turned[:, start:])
        mine, later = (rows[start:stop], start), (rows[stop:], stop)
        own, width = block[:, : stop - start].copy(), stop - start
        np.fill_diagonal(own, -np.inf)
        _count(side, 0, own, mine, mine)
        for axis in (0, 1):
            _count(side, axis, block[:, width:], mine, later)
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


def _side(queries: Array, pool: Array, pairs: tuple[Array, Array]) -> _Side:
    own = similarities(queries, pool, pairs)
    positive = np.full(len(queries), -np.inf)
    np.maximum.at(positive, pairs[0], own)
    positive[positive == -np.inf] = np.inf
    reach = _lengths(queries) * _lengths(pool).max(initial=0)
    dim = queries.shape[1]
    coarse = 1.01 * (min(dim, DEPTH) + dim // DEPTH + TERMS) * np.finfo(np.float32).eps / 2 * reach
    fine = 2 * 1.01 * (dim + TERMS) * np.finfo(np.float64).eps / 2 * reach
    equal = pairs[0][own >= positive[pairs[0]] - fine[pairs[0]]]  # positives, which are no rivals
    tied = -np.bincount(equal, minlength=len(queries))
    return _Side(positive, coarse + 1e-37, fine, np.zeros(len(queries), np.int64), tied)


def _lengths(rows: Array) -> Array:
    """(N,) lengths of rows, not below the true ones. Raises DataError for one that is not finite."""
    lengths: Array = 1.01 * np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    wrong = np.flatnonzero(~np.isfinite(lengths))
    if len(wrong):
        raise DataError(f"row {wrong[0]} of the embeddings is not finite ({len(wrong)} of {len(rows)} are)")
    return lengths


def _blocks(left: Array, right: Array) -> Iterator[tuple[int, int]]:
    """Rows of left whose similarities with right are made at once."""
    rows = min(ROWS, max(1, CELLS // max(1, len(right))))
    for start in range(0, len(left), rows):
        yield start, min(start + rows, len(left))


def _singles(left: Array, right: Array) -> tuple[Array, Array]:
    """left (L, D) and right turned (D, R), in float32."""
    return left.astype(np.float32, copy=False), right.astype(np.float32, copy=False).T


def _product(rows: Array, turned: Array) -> Array:
    """rows (n, D) @ turned (D, N), a part of D after the other, so that errors stay small."""
    made: Array = rows[:, :DEPTH] @ turned[:DEPTH]
    for start in range(DEPTH, len(turned), DEPTH):
        made += rows[:, start : start + DEPTH] @ turned[start : start + DEPTH]
    return made


def _count(side: _Side, axis: int, block: Array, rows: tuple[Array, int], columns: tuple[Array, int]) -> None:
    """Count a block of float32 similarities of rows and columns, each given with the place of its first in its side.

    axis  0 where the rows are queries, 1 where the columns are. A cell of -inf does not count.
    """
    first = (rows, columns)[axis][1]
    queries = slice(first, first + block.shape[axis])
    above, near = side.compare(block, axis, queries, side.coarse)
    cells = np.flatnonzero(near)
    if cells.size * rows[0].shape[1] > CELLS:  # rows that hardly differ
        exact = rows[0].astype(np.float64) @ columns[0].astype(np.float64).T
        exact[np.isneginf(block)] = -np.inf
        above, near = side.compare(exact, axis, queries, side.fine)
        side.tied[queries] += _sums(near, axis)
    else:
        pairs = np.divmod(cells, max(1, block.shape[1]))
        query = first + pairs[axis]
        ahead = similarities(rows[0], columns[0], pairs) - side.positive[query]
        np.add.at(side.before, query[ahead > side.fine[query]], 1)
        np.add.at(side.tied, query[np.abs(ahead) <= side.fine[query]], 1)
    side.before[queries] += _sums(above, axis)


def _sums(held: Array, axis: int) -> Array:
    """How many cells of each row (axis 0) or column (axis 1) of a block of at most ROWS rows are true."""
    made: Array = np.count_nonzero(held, axis=1) if axis == 0 else held.view(np.uint8).sum(axis=0, dtype=np.uint8)
    return made
