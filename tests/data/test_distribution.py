"""How pairs are spread: figures counted by hand, and by a literal loop on random data."""

from __future__ import annotations

import json
import math
from collections import Counter

import numpy as np
import pytest
from builders import predictions_of, truth_of
from hypothesis import given, settings
from strategies import datasets, either

from hoitool.data.distribution import Tail, distribution, gini
from hoitool.labels import load_labels

HICO = load_labels("hico")
A, B = (0.0, 0, 9, 9), (10.0, 10, 19, 29)
RIDE, HOLD = (HICO.interaction_index(verb, "bicycle") for verb in ("ride", "hold"))
FEED = HICO.interaction_index("feed", "dog")


def test_counts_tails_and_cells_of_a_few_pairs():
    held = distribution(truth_of([(0, A, B, RIDE), (0, A, B, RIDE), (2, A, B, HOLD), (2, B, A, FEED)]))
    assert held.counts == {
        "images": 3,
        "images_without_pairs": 1,
        "boxes": 8,
        "pairs": 4,
        "pairs_without_object": 0,
        "classes": 600,
        "classes_with_pairs": 3,
    }
    interactions, verbs, objects = held.tails
    assert interactions.ranked()[:4] == [
        *(("ride bicycle", 2), ("hold bicycle", 1), ("feed dog", 1)),
        (HICO.interaction_name(0), 0),
    ]
    assert [verbs.ranked()[i] for i in range(3)] == [("ride", 2), ("feed", 1), ("hold", 1)]
    assert objects.ranked()[:2] == [("bicycle", 3), ("dog", 1)]
    assert held.cells() == [("bicycle", "ride", 2), ("bicycle", "hold", 1), ("dog", "feed", 1)]
    assert held.cells(1) == [("bicycle", "ride", 2)]
    assert held.histogram() == [(0, 1), (2, 2)]
    assert held.spread() == {"mean": 4 / 3, "median": 2.0, "max": 2}


def test_the_figures_of_a_tail():
    tail = Tail("verbs", tuple("abcdefghij"), np.array([60, 20, 10, 9, 1, 0, 0, 0, 0, 0]))
    assert tail.summary() == {
        "classes": 10,
        "never": 5,
        "fewer_than_10": 7,
        "max": 60,
        "median": 0.5,
        "head_share": 0.6,
        "gini": pytest.approx(0.758),
    }
    nothing = Tail("verbs", ("a", "b"), np.zeros(2, int)).summary()
    assert math.isnan(nothing["gini"])
    assert math.isnan(nothing["head_share"])


def test_gini_is_the_mean_difference_by_twice_the_mean():
    counts = np.array([0, 3, 3, 8, 21])
    literal = np.abs(counts[:, None] - counts[None]).mean() / (2 * counts.mean())
    assert gini(counts) == pytest.approx(literal)
    assert gini(np.full(7, 4)) == 0


def test_pairs_without_an_object_have_their_own_row():
    data = truth_of([(0, A, B, RIDE)]).with_columns(object=np.array([-1], np.int32))
    held = distribution(data)
    assert held.cells() == [(None, "ride", 1)]
    assert held.counts["pairs_without_object"] == 1


def test_data_with_image_labels_only_are_counted_by_them():
    held = distribution(truth_of([], image_labels=[(0, RIDE), (0, HOLD), (2, RIDE)]))
    assert held.counted == "image labels"
    assert held.tails[0].ranked()[0] == ("ride bicycle", 2)
    assert held.histogram() == [(0, 1), (1, 1), (2, 1)]
    assert held.cells() == [("bicycle", "ride", 2), ("bicycle", "hold", 1)]


def test_dense_predictions_have_objects_but_no_labels():
    data = predictions_of([(0, A, B, RIDE, 0.5)]).with_columns(label=None, score=None, scores=np.zeros((1, 600)))
    held = distribution(data)
    assert [tail.table for tail in held.tails] == ["objects"]
    assert (held.together, held.cells()) == (None, [])
    assert held.tails[0].ranked()[0] == ("bicycle", 1)


@settings(deadline=None, max_examples=60)
@given(datasets(least_images=1))
def test_verbs_and_objects_are_those_of_a_literal_count(data):
    held = distribution(data)
    if held.counted != "pairs":
        return
    if data.meta.label_kind == "agents+roles":
        assert [tail.table for tail in held.tails] == ["objects"]
        return
    labels, cells, interactions = data.meta.labels, Counter(), Counter()
    for pair, box in enumerate(data.pair_boxes("object")):
        label = int(data.label[pair])
        verb = int(labels.interaction_verbs[label]) if data.meta.label_kind == "interactions" else label
        category = int(data.categories[box]) if box >= 0 else -1
        if box < 0 or category >= 0:
            cells[labels.objects[category] if box >= 0 else None, labels.verbs[verb]] += 1
            known = int(labels.matrix[category, verb])
            if data.meta.label_kind == "verbs" and known >= 0:
                interactions[labels.interaction_name(known)] += 1
        if data.meta.label_kind == "interactions":
            interactions[labels.interaction_name(label)] += 1
    assert {(obj, verb): count for obj, verb, count in held.cells()} == cells
    tails = {tail.table: tail for tail in held.tails}
    assert ("interactions" in tails) == (data.meta.label_kind != "predicates")
    if "interactions" in tails:
        assert dict(row for row in tails["interactions"].ranked() if row[1]) == interactions
    assert sum(images for _, images in held.histogram()) == len(data)


@settings(deadline=None, max_examples=60)
@given(either())
def test_any_data_have_a_distribution_that_is_json(data):
    made = distribution(data).to_json()
    assert json.loads(json.dumps(made))["counts"]["images"] == len(data)
    for tail in made["tails"].values():
        counts = [count for _, count in tail["counts"]]
        assert counts == sorted(counts, reverse=True)
        assert len(counts) == tail["classes"]
