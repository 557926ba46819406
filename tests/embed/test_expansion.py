"""Vocabulary expansion: the product of two softmaxes, against one written out, and its properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hoitool.embed.expansion import product_scores
from hoitool.errors import DataError, UsageError


def slow(region, vocabulary, temperature):
    """Probabilities of one region over one vocabulary, in Python's numbers."""
    dot = [sum(x * y for x, y in zip(region, text, strict=True)) for text in vocabulary]
    cosines = [d / math.hypot(*region) / math.hypot(*text) for d, text in zip(dot, vocabulary, strict=True)]
    logits = [cosine / temperature for cosine in cosines]
    powers = [math.exp(logit - max(logits)) for logit in logits]
    return [power / math.fsum(powers) for power in powers]


@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(*[st.integers(1, 4)] * 3),
    temperature=st.sampled_from([0.01, 0.07, 1.0]),
)
def test_equals_the_formula_written_out(seed, shape, temperature):
    rng = np.random.default_rng(seed)
    regions, classes, attributes = (rng.normal(size=(n, 5)) for n in shape)
    found = product_scores(regions, classes, attributes, temperature)
    assert found.shape == shape and found.dtype == np.float32
    for n, region in enumerate(regions.tolist()):
        p, q = slow(region, classes.tolist(), temperature), slow(region, attributes.tolist(), temperature)
        np.testing.assert_allclose(found[n], np.outer(p, q), rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=(1, 2), dtype=np.float64), 1, rtol=1e-5)


def test_a_worked_example():
    """Classes at cosines 1 and 0, attributes at cosine 0.6 both, temperature 1: softmaxes e/(e+1) and 1/2."""
    regions = np.array([[2.0, 0.0]])
    classes, attributes = np.array([[5.0, 0.0], [0.0, 1.0]]), np.array([[3.0, 4.0], [3.0, -4.0]])
    first = math.e / (math.e + 1)
    expected = [[[first / 2] * 2, [(1 - first) / 2] * 2]]
    np.testing.assert_allclose(product_scores(regions, classes, attributes, 1.0), expected, rtol=1e-6)


@given(seed=st.integers(0, 2**32 - 1))
def test_lengths_do_not_matter_and_the_best_combination_is_the_best_of_each(seed):
    rng = np.random.default_rng(seed)
    regions, classes, attributes = (rng.normal(size=(n, 6)) for n in (3, 4, 2))
    found = product_scores(regions, classes, attributes)
    np.testing.assert_allclose(found, product_scores(regions * 7, classes * 0.1, attributes * 3), rtol=1e-4)
    best = found.reshape(3, -1).argmax(axis=1)
    np.testing.assert_array_equal(best // 2, found.sum(axis=2).argmax(axis=1))
    np.testing.assert_array_equal(best % 2, found.sum(axis=1).argmax(axis=1))


def test_a_small_temperature_does_not_overflow():
    found = product_scores(np.eye(2), np.eye(2), np.eye(2), 1e-6)
    np.testing.assert_array_equal(found, [[[1, 0], [0, 0]], [[0, 0], [0, 1]]])


def test_no_regions_have_no_scores():
    assert product_scores(np.empty((0, 2)), np.eye(2), np.eye(2)).shape == (0, 2, 2)


@pytest.mark.parametrize(
    ("shapes", "temperature", "told"),
    [
        (((1, 2), (1, 3), (1, 2)), 0.01, r"with one d, came \(1, 2\), \(1, 3\), \(1, 2\)"),
        (((2,), (1, 2), (1, 2)), 0.01, "with one d"),
        (((1, 2), (0, 2), (1, 2)), 0.01, "at least one class and one attribute, came 0 and 1"),
        (((1, 2), (1, 2), (1, 2)), 0.0, "temperature 0.0: expected a positive number"),
        (((1, 2), (1, 2), (1, 2)), math.nan, "temperature nan"),
    ],
)
def test_what_does_not_fit_is_refused(shapes, temperature, told):
    with pytest.raises(UsageError, match=told):
        product_scores(*(np.ones(shape) for shape in shapes), temperature)


def test_a_zero_row_is_named():
    with pytest.raises(DataError, match="class 1 of 2 is zero"):
        product_scores(np.eye(2), np.array([[1.0, 0.0], [0.0, 0.0]]), np.eye(2))
