"""Ranks of searches against a literal oracle: ties, blocks, rows that float32 cannot tell apart, a search in itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.search import positions, spearman

from hoitool.errors import DataError
from hoitool.eval import search_ranks
from hoitool.eval.rank_correlation import sampled
from hoitool.eval.rank_correlation import spearman as fast_spearman
from hoitool.eval.search_ranks import rank, rank_among, similarities

seeds = st.integers(0, 2**32 - 1)


def whole(rng, rows, dim, high=3):
    """Rows of small whole numbers: their products are exact, and ties are common."""
    return rng.integers(-high, high, (rows, dim)).astype(np.float32)


def some_pairs(rng, left, right):
    """Distinct pairs; some queries have none."""
    chosen = np.flatnonzero(rng.random(left * right) < 0.3)
    return chosen // right, chosen % right


@pytest.fixture(params=["one block", "blocks of few cells", "float64 for all"])
def blocks(request, monkeypatch):
    """However the similarities are cut into blocks, and whoever decides."""
    if request.param != "one block":
        monkeypatch.setattr(search_ranks, "CELLS", {"blocks of few cells": 40, "float64 for all": 0}[request.param])


@pytest.mark.usefixtures("blocks")
def test_both_directions_equal_the_literal_oracle():
    @settings(deadline=None, max_examples=60, database=None)
    @given(seeds)
    def check(seed):
        rng = np.random.default_rng(seed)
        left, right = whole(rng, rng.integers(1, 12), 3), whole(rng, rng.integers(1, 15), 3)
        pairs = some_pairs(rng, len(left), len(right))
        made = rank(left, right, pairs)
        for side, sims in ((0, left @ right.T), (1, right @ left.T)):
            for query, row in enumerate(sims.tolist()):
                positives = set(pairs[1 - side][pairs[side] == query].tolist())
                expected = positions(row, positives) if positives else (0, 0)
                assert (made[side].best[query], made[side].worst[query]) == expected

    check()


@pytest.mark.usefixtures("blocks")
def test_a_search_in_itself_equals_the_literal_oracle():
    @settings(deadline=None, max_examples=60, database=None)
    @given(seeds)
    def check(seed):
        rng = np.random.default_rng(seed)
        rows = whole(rng, rng.integers(2, 12), 3)
        one, two = some_pairs(rng, len(rows), len(rows))
        one, two = one[one != two], two[one != two]
        made = rank_among(rows, (one, two))
        for query, row in enumerate((rows @ rows.T).tolist()):
            positives = set(two[one == query].tolist())
            if positives:
                assert (made.best[query], made.worst[query]) == positions(row, positives, itself=query)

    check()


def test_what_float32_cannot_tell_apart_is_decided_in_float64():
    near = 1 + 2.0**-12
    left = np.array([[near, 2.0**-12]], np.float32)
    right = np.array([[near, 0], [near, 2.0**-11], [near, 2.0**-12]], np.float32)
    assert len(set((left @ right.T).ravel().tolist())) == 1 or np.ptp(left @ right.T) < 1e-6
    made, _ = rank(left, right, (np.array([0]), np.array([2])))
    assert (made.best.tolist(), made.worst.tolist()) == ([1], [1])


def test_ranks_are_those_of_float64_products_for_random_rows():
    rng = np.random.default_rng(0)
    left, right = (rng.standard_normal((n, 48)).astype(np.float32) for n in (80, 300))
    pairs = np.arange(300) % 80, np.arange(300)
    made = rank(left, right, pairs)
    sims = left.astype(float) @ right.astype(float).T
    own = np.zeros(sims.shape, bool)
    own[pairs] = True
    best = np.where(own, sims, -np.inf).max(axis=1)
    assert made[0].best.tolist() == (sims > best[:, None]).sum(axis=1).tolist()
    assert made[1].best.tolist() == (sims > sims[pairs][None]).sum(axis=0).tolist()
    for side in made:
        assert (side.best == side.worst).all()


def test_rows_that_are_all_equal_tie_with_every_rival():
    rng = np.random.default_rng(1)
    row = rng.standard_normal(33).astype(np.float32)
    images, captions = np.tile(row, (6, 1)), np.tile(row, (30, 1))
    texts, pictures = rank(images, captions, (np.arange(30) // 5, np.arange(30)))
    assert (set(texts.best), set(texts.worst)) == ({0}, {25})
    assert (set(pictures.best), set(pictures.worst)) == ({0}, {5})


def test_rows_that_are_not_finite_are_refused():
    rows = np.ones((3, 2), np.float32)
    rows[1] = np.nan
    with pytest.raises(DataError, match="row 1 of the embeddings is not finite"):
        rank(np.ones((2, 2), np.float32), rows, (np.array([0]), np.array([0])))


def test_similarities_are_of_the_pairs_named():
    rng = np.random.default_rng(2)
    left, right = whole(rng, 5, 4), whole(rng, 6, 4)
    pairs = rng.integers(0, 5, 20), rng.integers(0, 6, 20)
    assert similarities(left, right, pairs).tolist() == (left @ right.T)[pairs].tolist()


@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=15))
def test_rank_correlation_equals_its_definition(pairs):
    one, two = np.array(pairs, float).T
    assert fast_spearman(one, two) == pytest.approx(spearman(one, two), abs=1e-12, nan_ok=True)


def test_samples_take_half_of_the_queries_and_one_row_of_each():
    rng = np.random.default_rng(3)
    query = rng.integers(0, 9, 60)
    order = np.arange(60.0)
    made = sampled(query, order, order, 50, rng)
    np.testing.assert_allclose(made, 1, atol=1e-12)
    noise = rng.random(60)
    drawn, again = (sampled(query, order, noise, 50, np.random.default_rng(4)).tolist() for _ in range(2))
    assert drawn == again
    assert len(set(drawn)) > 5
    assert sampled(np.array([1, 2, 3]), order[:3], order[:3], 9, rng).tolist() == []
