"""Dense predictions and verbs as interactions, against slow literal code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import predictions_of
from hypothesis import given, settings
from strategies import DEMO, assert_same, predictions

from hoitool.data import to_interactions, validate
from hoitool.errors import DataError

A, B = (0.0, 0, 9, 9), (10.0, 10, 19, 29)


def literal(data):
    """(image, subject, object, label, score) of every row that is expected, one number at a time."""
    labels, rows = data.meta.labels, []
    for image in range(len(data)):
        boxes = range(data.box_offsets[image], data.box_offsets[image + 1])
        for pair in range(data.pair_offsets[image], data.pair_offsets[image + 1]):
            subject, obj = int(data.subject[pair]), int(data.object[pair])
            factor = 1.0
            if data.meta.score == "times-box-scores":
                factor = float(data.box_scores[boxes[subject]]) * (
                    float(data.box_scores[boxes[obj]]) if obj >= 0 else 1
                )
            for label in range(len(labels)):
                if not data.dense and data.meta.label_kind == "interactions" and label != data.label[pair]:
                    continue
                if data.dense or data.meta.label_kind == "verbs":
                    if labels.interaction_objects[label] != data.categories[boxes[obj]]:
                        continue
                    column = labels.interaction_verbs[label] if data.meta.label_kind == "verbs" else label
                    if not data.dense and column != data.label[pair]:
                        continue
                score = data.scores[pair, column] if data.dense else data.score[pair]
                if not np.isnan(score):
                    rows.append((image, subject, obj, label, float(score) * factor))
    return rows


def rows_of(data):
    return list(
        zip(
            *(v.tolist() for v in (data.image_of("pair"), data.subject, data.object, data.label, data.score)),
            strict=True,
        )
    )


def assert_is_literal(data):
    made, expected = to_interactions(data), literal(data)
    rows = rows_of(made)
    assert [row[:4] for row in rows] == [row[:4] for row in expected]
    np.testing.assert_array_equal([row[4] for row in rows], [row[4] for row in expected])
    assert (made.meta.label_kind, made.meta.score, made.dense) == ("interactions", "final", False)
    assert np.array_equal(made.boxes, data.boxes)


# -inf and inf are fine scores, but 0 times inf is none


def _of_people(data) -> bool:
    return data.meta.label_kind not in ("predicates", "objects")


finite = {"known_objects": True, "labels": DEMO, "image_scores": False, "image_labels": False}


@settings(deadline=None, max_examples=50)
@given(predictions(dense=True, score="final", **finite).filter(_of_people))
def test_a_dense_pair_becomes_a_row_for_each_interaction_of_its_object(data):
    assert_is_literal(data)
    validate(to_interactions(data))


@settings(deadline=None, max_examples=40)
@given(predictions(dense=True, box_scores=True, score="times-box-scores", **finite).filter(_of_people))
def test_box_scores_are_multiplied_in(data):
    assert_is_literal(data.with_columns(scores=np.clip(data.scores, -10, 10)))


@settings(deadline=None, max_examples=40)
@given(predictions(dense=False, label_kind="interactions", labels=DEMO, box_scores=True, score="times-box-scores"))
def test_sparse_interactions_only_get_their_final_scores(data):
    data = data.with_columns(score=np.clip(data.score, -10, 10))
    assert_is_literal(data)
    assert to_interactions(data).score.dtype == np.float64


@settings(deadline=None, max_examples=30)
@given(predictions(dense=False, label_kind="interactions", score="final"))
def test_final_sparse_interactions_stay_as_they_are(data):
    assert_same(to_interactions(data), data)


@settings(deadline=None, max_examples=30)
@given(predictions(label_kind="verbs", known_objects=True, image_scores=True, image_labels=True, dense=True))
def test_what_is_said_of_whole_images_still_fits_afterwards(data):
    validate(to_interactions(data))


def dense(category: int, scores, label_kind="verbs", **columns):
    """One pair over the demo label space whose object is of a class."""
    made = predictions_of([(1, A, B, 0, 0.0)], images=3, labels=DEMO)
    made = made.with_columns(replace(made.meta, label_kind=label_kind))
    categories = np.array([DEMO.person, category], np.int32)
    return made.with_columns(label=None, score=None, scores=np.atleast_2d(scores), categories=categories, **columns)


@pytest.mark.parametrize("obj", DEMO.objects)
def test_verb_scores_give_the_interactions_of_those_verbs_in_label_order(obj):
    category = DEMO.object_index(obj)
    made = to_interactions(dense(category, np.arange(len(DEMO.verbs)) / 100))
    expected = np.flatnonzero(DEMO.interaction_objects == category)
    assert made.label.tolist() == expected.tolist()
    assert made.score.tolist() == [DEMO.interaction_verbs[label] / 100 for label in expected]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_final_scores_keep_their_precision(dtype):
    assert to_interactions(dense(0, np.ones(len(DEMO.verbs), dtype))).score.dtype == dtype


def test_nan_gives_no_row():
    scores = np.full(len(DEMO.verbs), np.nan)
    horse = DEMO.object_index("horse")
    assert len(to_interactions(dense(horse, scores)).subject) == 0
    scores[DEMO.verb_index("ride")] = 0.25
    made = to_interactions(dense(horse, scores))
    assert made.label.tolist() == [DEMO.interaction_index("ride", "horse")]
    assert made.score.tolist() == [0.25]
    assert made.pair_offsets.tolist() == [0, 0, 1, 1]


def test_box_scores_of_both_boxes_count():
    made = dense(0, np.ones(len(DEMO.verbs), np.float32), box_scores=np.array([0.5, 0.25], np.float32))
    made = to_interactions(made.with_columns(replace(made.meta, score="times-box-scores")))
    assert set(made.score.tolist()) == {0.125}
    assert made.score.dtype == np.float64


@pytest.mark.parametrize("label_kind", ["verbs", "interactions"])
@pytest.mark.parametrize("missing", ["class", "object"])
def test_an_unknown_object_cannot_be_expanded(label_kind, missing):
    width = len(DEMO.verbs) if label_kind == "verbs" else len(DEMO)
    data = dense(0, np.ones(width), label_kind)
    if missing == "class":
        data = data.with_columns(categories=np.array([DEMO.person, -1], np.int32))
    else:
        data = data.with_columns(object=np.array([-1], np.int32))
    with pytest.raises(DataError, match=r"^image 'image-1\.jpg', pair 0: the object has no class"):
        to_interactions(data)


@settings(deadline=None, max_examples=40)
@given(predictions(dense=False, label_kind="verbs", score="final", known_objects=True, labels=DEMO))
def test_sparse_verbs_become_interactions_where_there_are_such(data):
    obj = data.categories[data.pair_boxes("object")] if len(data.boxes) else np.empty(0, int)
    if (DEMO.matrix[obj, data.label] >= 0).all():
        assert_is_literal(data)
        validate(to_interactions(data))
    else:
        with pytest.raises(DataError, match=r"no interaction '\w+' with that object in 'demo'"):
            to_interactions(data)


def test_a_sparse_verb_of_an_interaction_is_found():
    made = predictions_of([(0, A, B, DEMO.interaction_index("ride", "horse"), 0.5)], labels=DEMO)
    verbs = made.with_columns(
        replace(made.meta, label_kind="verbs"), label=np.array([DEMO.verb_index("ride")], np.int32)
    )
    assert to_interactions(verbs).label.tolist() == made.label.tolist()
    validate(to_interactions(verbs.with_columns(image_scores=np.zeros((3, len(DEMO.verbs))))))


@pytest.mark.parametrize("label_kind", ["verbs", "interactions"])
def test_no_pairs_stay_no_pairs(label_kind):
    width = len(DEMO.verbs) if label_kind == "verbs" else len(DEMO)
    nothing = predictions_of([], labels=DEMO)
    nothing = nothing.with_columns(
        replace(nothing.meta, label_kind=label_kind), label=None, score=None, scores=np.empty((0, width))
    )
    made = to_interactions(nothing)
    assert (len(made), len(made.subject)) == (3, 0)
    validate(made)
