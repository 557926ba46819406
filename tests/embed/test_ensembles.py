"""Averages of ensembles: a slow oracle, properties, rows without a direction."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoitool.embed.ensembles import average, unit
from hoitool.errors import DataError, UsageError


def slow(rows, group, normalise):
    """Row by row, in Python's numbers."""
    found = []
    for g in range(max(group) + 1):
        members = [[x / math.hypot(*row) for x in row] for row, of in zip(rows, group, strict=True) if of == g]
        mean = [math.fsum(column) / len(members) for column in zip(*members, strict=True)]
        found.append([x / math.hypot(*mean) for x in mean] if normalise else mean)
    return found


@given(seed=st.integers(0, 2**32 - 1), groups=st.integers(1, 5), extra=st.integers(0, 9), normalise=st.booleans())
def test_equals_the_slow_way(seed, groups, extra, normalise):
    rng = np.random.default_rng(seed)
    group = rng.permutation([*range(groups), *rng.integers(0, groups, extra)])
    rows = rng.normal(size=(len(group), 4)) + 0.1
    expected = slow(rows.tolist(), group.tolist(), normalise)
    np.testing.assert_allclose(average(rows, group, normalise), expected, atol=1e-12)


@given(seed=st.integers(0, 2**32 - 1))
def test_the_length_and_the_order_of_rows_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    rows, group = rng.normal(size=(6, 3)) + 2, np.array([0, 0, 1, 1, 1, 2])
    expected = average(rows, group)
    np.testing.assert_allclose(average(rows * rng.uniform(1e-3, 1e3, (6, 1)), group), expected, atol=1e-12)
    order = rng.permutation(6)
    np.testing.assert_allclose(average(rows[order], group[order]), expected, atol=1e-12)


def test_one_row_each_is_the_row_normalised():
    rows = np.array([[3.0, 4.0], [0.0, -2.0]], np.float32)
    found = average(rows, np.array([1, 0]))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array([[0.0, -1.0], [0.6, 0.8]], np.float32))


def test_the_mean_alone_is_shorter():
    rows = np.array([[1.0, 0.0], [0.0, 5.0]])
    np.testing.assert_array_equal(average(rows, np.array([0, 0]), normalise=False), [[0.5, 0.5]])


@pytest.mark.parametrize("size", [1e-300, 1e300, 5e-324])
def test_extreme_lengths_do_not_overflow(size):
    np.testing.assert_allclose(unit(np.array([[size, 0.0]]), "row"), [[1.0, 0.0]])


def test_no_rows_make_no_groups():
    assert average(np.empty((0, 3), np.float32), np.empty(0, np.int64)).shape == (0, 3)


@pytest.mark.parametrize(
    ("rows", "group", "told"),
    [
        ([[1.0, 0.0], [0.0, 0.0]], [0, 0], "^row 1 of 2 is zero, so it has no direction"),
        ([[1.0, np.nan]], [0], "row 0 of 1 holds a number that is not finite"),
        ([[1.0, np.inf]], [0], "row 0 of 1 holds a number that is not finite"),
        ([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]], [0, 1, 1], "the mean of ensemble 1 of 2 is zero"),
    ],
)
def test_what_has_no_direction_is_refused(rows, group, told):
    with pytest.raises(DataError, match=told):
        average(np.array(rows), np.array(group))


@pytest.mark.parametrize(
    ("shape", "group", "told"),
    [
        ((2, 3), [0], r"came \(2, 3\) and \(1,\)"),
        ((2,), [0, 0], r"rows \(N, d\)"),
        ((2, 3), [0, 2], "group 1 of 3 has no row"),
        ((2, 3), [0, -1], "numbered from 0, came -1"),
    ],
)
def test_groups_that_do_not_fit_are_refused(shape, group, told):
    with pytest.raises(UsageError, match=told):
        average(np.ones(shape), np.array(group))
