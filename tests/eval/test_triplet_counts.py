"""Ranks by counting are those of a stable sort, and scores by them those of the way that lists every triplet."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_relations import drawn, found_of, truth_of

from hoitool.data import offsets_of
from hoitool.eval import open_images_vrd, score
from hoitool.eval.triplet_counts import Counts, ranks_among

FEW = st.sampled_from([-np.inf, -1.0, 0.0, 0.25, 0.25000000000000006, 1.0, np.inf])


@given(st.lists(FEW, min_size=1, max_size=30), st.data())
def test_the_rank_is_the_place_in_a_stable_sort(values, data):
    scores = np.array(values)
    rows = np.array(data.draw(st.lists(st.integers(0, len(values) - 1), min_size=1, max_size=10)))
    place = np.argsort(np.argsort(-scores, kind="stable"), kind="stable")
    assert ranks_among(scores, rows).tolist() == place[rows].tolist()


@given(st.integers(0, 2**32 - 1))
def test_ranks_in_images_and_in_predicates(seed):
    rng = np.random.default_rng(seed)
    offsets = offsets_of([3, 0, 4, 1])
    scores = rng.choice([np.nan, 0.0, 0.5, 0.75], (8, 3)).astype(np.float32)
    counts = Counts(scores, rng.choice([1.0, 0.5], 8), offsets)
    full = np.where(np.isnan(scores), -np.inf, scores * counts.factor[:, None])
    places = rng.permutation(24)[:7]
    assert counts.in_each().tolist() == (full > -np.inf).sum(axis=0).tolist()
    assert counts.of_places(places).tolist() == full.reshape(-1)[places].tolist()
    for place, in_image, in_predicate in zip(
        places, counts.ranks_in_images(places), counts.ranks_in_predicates(places), strict=True
    ):
        pair, predicate = divmod(int(place), 3)
        image = int(np.searchsorted(offsets, pair, side="right")) - 1
        held = full[offsets[image] : offsets[image + 1]].reshape(-1)
        own = int(place) - 3 * int(offsets[image])
        assert in_image == (held > held[own]).sum() + (held[:own] == held[own]).sum()
        column = full[:, predicate]
        assert in_predicate == (column > column[pair]).sum() + (column[:pair] == column[pair]).sum()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.integers(0, 30), st.booleans())
def test_counting_and_listing_give_the_same_result(seed, relations, pairs, labelled):
    """With equal scores, predicates that are not predicted, pairs without an object and verified labels."""
    truth, found = drawn(seed, 3, relations, pairs) if relations else ([], drawn(seed, 3, 1, pairs)[1])
    rng = np.random.default_rng(seed)
    truth, found = truth_of(truth, 3), found_of(found, 3)
    some = rng.choice([np.nan, 0.25, 0.5, 0.5, 1.0], found.scores.shape)
    alone = np.where(rng.random(len(found.object)) < 0.1, -1, found.object).astype(np.int32)
    found = found.with_columns(scores=some, object=alone)
    if labelled:
        values = {"image_label": np.array([0, 1, 0], np.int32), "image_value": np.array([1, -1, 1], np.int8)}
        truth = truth.with_columns(**values, image_label_offsets=offsets_of([2, 0, 1]))
    came = score(truth, found, "open-images-vrd", "oid-challenge")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(open_images_vrd.RelationRule, "uncapped", False)
        expected = score(truth, found, "open-images-vrd", "oid-challenge")
    assert came.rows == expected.rows
    assert came.inputs == expected.inputs
    assert came.notes == expected.notes
    for name, values in came.per_class.items():
        assert values.tolist() == expected.per_class[name].tolist(), name


def test_only_the_challenge_is_ranked_by_counting():
    assert [name for name, rule in open_images_vrd.VARIANTS.items() if rule.uncapped] == ["oid-challenge"]
    assert not replace(open_images_vrd.VARIANTS["oid-challenge"], max_triplets=100).uncapped
