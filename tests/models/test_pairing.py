"""Pairs and priors against the record of the published code, and against a slow reading of the rule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoitool.models.pairing import EXPORTED, PUBLISHED, pairs, priors, suppressed

PERSON = 49


@pytest.fixture(scope="module")
def recorded(shared):
    load_file = pytest.importorskip("safetensors.numpy").load_file
    held = load_file(shared("parity/defr/hoi_detection.safetensors"))
    return {name.removeprefix("pair/"): value for name, value in held.items() if name.startswith("pair/")}


def test_pairs_and_priors_of_the_published_code(recorded):
    boxes, scores, classes = (recorded[f"in/{name}"] for name in ("boxes", "scores", "labels"))
    human, obj = pairs(boxes, scores, classes, PERSON)
    np.testing.assert_array_equal(boxes[human], recorded["out/boxes_h"])
    np.testing.assert_array_equal(boxes[obj], recorded["out/boxes_o"])
    np.testing.assert_array_equal(classes[obj], recorded["out/object_class"])
    takes = np.where(np.arange(600) < 240, np.arange(600) // 3, -1)  # the record's own table: three of each object
    made = priors(scores[human], scores[obj], classes[obj], takes)
    np.testing.assert_allclose(made, recorded["out/prior"], atol=1e-6)


def test_the_exponents_are_fields():
    made = priors(np.array([0.5]), np.array([0.25]), np.array([7]), np.array([7, 3, 7]), EXPORTED)
    np.testing.assert_allclose(made, [[[0.5**6, 0, 0.5**6]], [[0.25**3, 0, 0.25**3]]])


def covers(a, b):
    wide, high = (min(a[i + 2], b[i + 2]) - max(a[i], b[i]) for i in (0, 1))
    shared = max(wide, 0) * max(high, 0)
    union = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - shared
    return shared / union > 0.5


def slowly(boxes, scores, classes, most):
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    kept = []
    for i in order:
        if scores[i] >= 0.2 and not any(classes[i] == classes[j] and covers(boxes[j], boxes[i]) for j in kept):
            kept.append(i)
    humans = [i for i in kept if classes[i] == 0][:most]
    others = [i for i in kept if classes[i] != 0][:most]
    return [(h, o) for h in humans for o in humans + others if h != o]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 25), st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_pairs_are_those_of_the_rule_read_slowly(count, seed, most):
    rng = np.random.default_rng(seed)
    low = rng.integers(0, 12, (count, 2))
    boxes = np.concatenate([low, low + rng.integers(1, 12, (count, 2))], axis=1).astype(np.float64)
    scores, classes = rng.integers(0, 11, count) / 10, rng.integers(0, 3, count)
    rule = replace(PUBLISHED, most_humans=most, most_others=most)
    human, obj = pairs(boxes, scores, classes, 0, rule)
    assert list(zip(human.tolist(), obj.tolist(), strict=True)) == slowly(boxes, scores, classes, most)


def test_no_person_makes_no_pair():
    boxes = np.array([[0, 0, 5, 5], [10, 10, 15, 15]], np.float32)
    human, obj = pairs(boxes, np.array([0.9, 0.8]), np.array([1, 2]), 0)
    assert len(human) == len(obj) == 0
    assert priors(np.empty(0), np.empty(0), np.empty(0, int), np.arange(5)).shape == (2, 0, 5)


def test_equal_boxes_of_two_classes_both_stay():
    boxes = np.tile([0.0, 0.0, 5.0, 5.0], (3, 1))
    assert suppressed(boxes, np.array([0.5, 0.9, 0.7]), np.array([0, 1, 0]), PUBLISHED).tolist() == [1, 2]
