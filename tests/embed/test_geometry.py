"""Nearest neighbours and isotropy: slow oracles, symmetries, memory in blocks, rows without a direction."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoitool.embed import geometry
from hoitool.embed.geometry import isotropy, neighbours
from hoitool.errors import DataError, UsageError

seeds = st.integers(0, 2**32 - 1)


def cosine(a, b):
    return math.fsum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


def slow_neighbours(rows, k):
    """Every pair in Python's numbers, sorted."""
    made = []
    for i, row in enumerate(rows):
        found = [(-round(cosine(row, other), 12), j) for j, other in enumerate(rows) if j != i]
        made.append([(j, -negative) for negative, j in sorted(found)[:k]])
    return made


@given(seed=seeds, count=st.integers(2, 12), k=st.integers(1, 14), copies=st.booleans())
def test_neighbours_are_those_of_the_slow_way(seed, count, k, copies):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count, 4))
    if copies:
        rows = rows[rng.integers(0, count, count)]
    expected = slow_neighbours(rows.tolist(), k)
    places, cosines = neighbours(rows, k)
    assert places.shape == cosines.shape == (count, min(k, count - 1))
    assert places.tolist() == [[j for j, _ in row] for row in expected]
    np.testing.assert_allclose(cosines, [[c for _, c in row] for row in expected], atol=1e-11)


@given(seed=seeds, count=st.integers(2, 12))
def test_isotropy_is_that_of_the_slow_way(seed, count):
    rows = np.random.default_rng(seed).normal(size=(count, 3)) + 0.5
    pairs = [cosine(a, b) for i, a in enumerate(rows.tolist()) for b in rows.tolist()[:i]]
    units = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(np.cov(units.T))
    found = isotropy(rows)
    assert (found.rows, found.dim) == (count, 3)
    assert found.mean_cosine == pytest.approx(math.fsum(pairs) / len(pairs), abs=1e-12)
    assert found.dimensions == pytest.approx(values.sum() ** 2 / (values**2).sum())


@given(seed=seeds, count=st.integers(3, 9))
def test_the_standard_error_is_that_of_leaving_out_each_row(seed, count):
    rows = np.random.default_rng(seed).normal(size=(count, 3)) + 0.5
    means = [isotropy(np.delete(rows, i, axis=0)).mean_cosine for i in range(count)]
    expected = math.sqrt((count - 1) / count * math.fsum((mean - math.fsum(means) / count) ** 2 for mean in means))
    assert isotropy(rows).standard_error == pytest.approx(expected, abs=1e-9)


def test_two_rows_have_no_standard_error():
    assert math.isnan(isotropy(np.eye(2)).standard_error)


@given(seed=seeds)
def test_the_order_of_rows_only_renames_them(seed):
    rng = np.random.default_rng(seed)
    rows, order = rng.normal(size=(9, 5)), rng.permutation(9)
    places, cosines = neighbours(rows, 3)
    moved, same = neighbours(rows[order], 3)
    np.testing.assert_array_equal(order[moved], places[order])
    np.testing.assert_allclose(same, cosines[order], atol=1e-11)
    assert isotropy(rows[order]).mean_cosine == pytest.approx(isotropy(rows).mean_cosine, abs=1e-12)


@given(seed=seeds)
def test_rotations_and_lengths_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(9, 5))
    turn, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    turned = rng.uniform(0.1, 10, (9, 1)) * rows @ turn
    for one, other in zip(neighbours(rows, 3), neighbours(turned, 3), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-11)
    one, other = isotropy(rows), isotropy(turned)
    assert one.mean_cosine == pytest.approx(other.mean_cosine, abs=1e-12)
    assert one.dimensions == pytest.approx(other.dimensions)


def test_blocks_do_not_show(monkeypatch):
    rows = np.random.default_rng(1).normal(size=(50, 6))
    whole = neighbours(rows, 4)
    monkeypatch.setattr(geometry, "BLOCK", 7 * 50)
    for one, other in zip(whole, neighbours(rows, 4), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_copies_tie_and_the_lower_place_comes_first(dtype):
    rows = np.tile(np.array([[0.3, 0.7, -0.2]], dtype), (6, 1))
    places, cosines = neighbours(rows, 3)
    assert places.tolist() == [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2], [0, 1, 2], [0, 1, 2]]
    assert (cosines == 1).all()


def test_known_figures():
    axes = isotropy(np.concatenate([np.eye(4), -np.eye(4)]))  # each axis both ways: one of 7 partners is opposite
    assert axes.mean_cosine == pytest.approx(-1 / 7)
    assert axes.dimensions == pytest.approx(4)
    assert isotropy(np.eye(4)).mean_cosine == 0
    assert isotropy(np.eye(3, 50)).dimensions == pytest.approx(2)  # fewer rows than dimensions: N - 1 at most
    assert isotropy(np.array([[1.0, 1], [-1, -1], [2, 2]])).dimensions == pytest.approx(1)
    same = isotropy(np.full((9, 3), 0.1))
    assert (same.mean_cosine, same.dimensions) == (pytest.approx(1), 0)


@pytest.mark.parametrize("call", [neighbours, isotropy])
@pytest.mark.parametrize(("wrong", "told"), [(0.0, "row 2 of 4 is zero"), (np.nan, "row 2 of 4 holds a number that")])
def test_a_row_without_a_direction_is_named(call, wrong, told):
    rows = np.ones((4, 3))
    rows[2] = wrong
    with pytest.raises(DataError, match=told):
        call(rows)


@pytest.mark.parametrize("call", [neighbours, isotropy])
@pytest.mark.parametrize("shape", [(1, 3), (0, 3), (3,)])
def test_too_few_rows_are_refused(call, shape):
    with pytest.raises(UsageError, match=r"expected at least 2 rows"):
        call(np.ones(shape))


def test_no_neighbours_are_refused():
    with pytest.raises(UsageError, match="neighbours above 0, came 0"):
        neighbours(np.ones((3, 2)), 0)
