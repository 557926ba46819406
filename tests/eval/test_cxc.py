"""Crisscrossed Captions against what the reference code gave, and a literal oracle."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.search import cxc_positives, figures, positions, spearman
from searches import embedded, ratings

from hoitool.data.ratings import Ratings, places
from hoitool.eval import explained, from_json, variants
from hoitool.eval.cxc import VARIANTS, evaluate, rated_similarities, searches
from hoitool.eval.embedded import from_arrays
from hoitool.eval.rank_correlation import spearman as rank_correlation

SEARCHES = {"image-to-text": "i2t", "text-to-image": "t2i", "text-to-text": "t2t", "image-to-image": "i2i"}


def recorded(shared):
    """The recorded embeddings and ratings."""
    held = np.load(shared("oracles/cxc/inputs_small.npz"))
    kinds = {
        "sts": ("sts_a", "sts_b", "sts_score", "sts_cocaption"),
        "sis": ("sis_a", "sis_b", "sis_score", None),
        "sits": ("sits_cap", "sits_img", "sits_score", "sits_original"),
    }
    rated = {
        kind: Ratings(held[a], held[b], held[c], held[d] if d else np.zeros(len(held[c]), bool))
        for kind, (a, b, c, d) in kinds.items()
    }
    return from_arrays(held["img_emb"], held["cap_emb"]), rated


@pytest.mark.parametrize(("variant", "which"), [("official", "symmetric"), ("directed", "directed")])
def test_recalls_are_those_of_the_reference(shared, variant, which):
    expected = json.loads(shared("oracles/cxc/expected_small.json").read_text())
    result = evaluate(*recorded(shared), variant)
    for row in result.rows[:4]:
        short = SEARCHES[row.setting]
        theirs = expected[short if short in expected else f"{short}_{which}"]
        for k in (1, 5, 10):
            assert row.metrics[f"R@{k}"] == pytest.approx(theirs[f"r{k}"] / 100, abs=1e-12)
        assert row.classes == theirs.get("n_queries", row.classes)


def test_ranks_across_are_those_of_the_reference(shared):
    expected = np.load(shared("oracles/cxc/expected_small_ranks.npz"))
    found = searches(*recorded(shared), VARIANTS["official"])
    assert found["image-to-text"][1].best.tolist() == expected["i2t"].tolist()
    assert found["text-to-image"][1].best.tolist() == expected["t2i"].tolist()


def test_correlations_are_those_of_scipy_on_the_recorded_samples(shared):
    expected = json.loads(shared("oracles/cxc/expected_small.json").read_text())["correlation"]
    rows = np.load(shared("oracles/cxc/bootstrap_rows_small.npz"))
    held, rated = recorded(shared)
    result = evaluate(held, rated)
    for row in result.rows[4:]:
        theirs = expected[row.setting.upper()]
        assert row.metrics["spearman"] == pytest.approx(theirs["spearman_all_pairs"], abs=1e-12)
        assert row.metrics["spearman_mean"] == pytest.approx(theirs["bootstrap_mean"], abs=0.03)
        assert row.classes == theirs["n_pairs"]
        each = rated[row.setting]
        similarity = rated_similarities(held, row.setting, each)
        for sample, value in zip(rows[f"{row.setting.upper()}_row_index"], theirs["bootstrap_values"], strict=True):
            assert rank_correlation(similarity[sample], each.score[sample]) == pytest.approx(value, abs=1e-12)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from(list(VARIANTS)))
def test_every_search_equals_the_literal_oracle(seed, variant):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 4, 6)
    held = embedded(counts, int(rng.integers(99)), near=0.5)
    images, captions = len(counts), int(counts.sum())
    rated = {
        "sts": ratings(rng, captions, captions, 20),
        "sis": ratings(rng, images, images, 12),
        "sits": ratings(rng, captions, images, 20),
    }
    rule = VARIANTS[variant]
    rows = {row.setting: row for row in evaluate(held, rated, variant).rows}
    sides = {"image": held.images.astype(float), "text": held.captions.astype(float)}
    kinds = {"image-to-text": "sits", "text-to-image": "sits", "text-to-text": "sts", "image-to-image": "sis"}
    for setting, kind in kinds.items():
        query, pool = setting.split("-to-")
        each = rated[kind]
        columns = each.first.tolist(), each.second.tolist(), each.score.tolist()
        least = rule.image if kind == "sis" else rule.text
        positives = cxc_positives(setting, held.image.tolist(), columns, least, rule.symmetric)
        sims = sides[query] @ sides[pool].T
        ranks = [
            positions(sims[q].tolist(), held_by, itself=q if query == pool else None)[0]
            for q, held_by in sorted(positives.items())
        ]
        if ranks:
            assert rows[setting].metrics == pytest.approx(figures(ranks), abs=1e-12)
        assert rows[setting].classes == len(ranks)
    for kind, each in rated.items():
        expected = spearman(rated_similarities(held, kind, each).tolist(), each.score.tolist())
        assert rows[kind].metrics["spearman"] == pytest.approx(expected, abs=1e-12)


def test_queries_without_a_positive_are_left_out_and_counted():
    held = embedded([2] * 5)
    rng = np.random.default_rng(0)
    low = {kind: ratings(rng, 5, 5, 9) for kind in ("sts", "sis", "sits")}
    low["sis"] = Ratings(np.arange(4), np.arange(1, 5), np.array([5, 0, 0, 0.0]), np.zeros(4, bool))
    result = evaluate(held, low)
    assert [row.classes for row in result.rows if row.setting == "image-to-image"] == [2]
    assert any(note == "image-to-image: 3 of 5 queries have no positive and are left out" for note in result.notes)
    assert int((result.per_class["setting"] == "image-to-image").sum()) == 2
    directed = evaluate(held, low, "directed")
    assert [row.classes for row in directed.rows if row.setting == "image-to-image"] == [1]


def test_a_search_without_queries_has_no_figures_and_no_bounds_of_them():
    held = embedded([2] * 5)
    none = Ratings(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, bool))
    result = evaluate(held, dict.fromkeys(("sts", "sis", "sits"), none))
    row = next(row for row in result.rows if row.setting == "image-to-image")
    assert (row.classes, set(row.metrics)) == (0, {"R@1", "R@5", "R@10", "mR", "medR", "meanR"})
    assert np.isnan(list(row.metrics.values())).all()


def test_a_query_takes_a_rank_of_its_own_where_everything_else_is_unlike_it():
    held = from_arrays(np.array([[1, 0], [-1, 0], [-1, 0.5], [0, -1]], np.float32), np.ones((4, 2), np.float32))
    nothing = Ratings(np.arange(4), np.arange(4), np.arange(4.0), np.zeros(4, bool))
    sis = Ratings(np.array([0]), np.array([1]), np.array([5.0]), np.zeros(1, bool))
    sis_all = Ratings(
        np.append(sis.first, [1, 2, 3]),
        np.append(sis.second, [1, 2, 3]),
        np.append(sis.score, [0.0] * 3),
        np.zeros(4, bool),
    )
    found = searches(held, {"sts": nothing, "sis": sis_all, "sits": nothing}, VARIANTS["directed"])
    assert found["image-to-image"][1].best[0] == 2  # image 3, which is at right angles, is tied with the query itself


def test_the_envelope_comes_back_and_the_signature_names_every_field(shared):
    for name in variants("cxc"):
        result = evaluate(*recorded(shared), name)
        assert from_json(result.to_json(), "here").rows == result.rows
        assert result.signature.startswith(f"cxc/{name}|")
        assert all(f"|{field['name']}:" in result.signature for field in explained("cxc")["fields"])


def test_places_of_ids():
    assert places(np.array([7, 3, 9, 5]), np.array([5, 7, 3])).tolist() == [1, 2, -1, 0]
    assert places(np.array([1]), np.zeros(0, int)).tolist() == [-1]
