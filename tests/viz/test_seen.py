"""What files say of a picture: boxes come onto it from every frame and size, and each kind of data has its lines."""

from __future__ import annotations

import numpy as np
import pytest
from builders import predictions_of, truth_of

from hoitool.data import Dataset, Meta, Predictions, no_pairs, relabel, strings, to_dense, to_frame
from hoitool.labels import load_labels
from hoitool.viz.seen import seer

HICO = load_labels("hico")
RIDE, HOLD = (HICO.interaction_index(verb, "bicycle") for verb in ("ride", "hold"))
HUMAN, BICYCLE = (10, 10, 29, 49), (5, 40, 44, 59)


@pytest.fixture
def truth():
    made = truth_of([(0, HUMAN, BICYCLE, RIDE), (0, HUMAN, BICYCLE, HOLD)], images=2)
    return made.with_columns(width=np.array([100, 50], np.int32), height=np.array([80, 50], np.int32))


@pytest.fixture
def found():
    return predictions_of([(0, HUMAN, BICYCLE, RIDE, 0.25), (0, HUMAN, BICYCLE, HOLD, 0.75)], images=2)


def test_annotations_have_no_scores_and_predictions_do(truth, found):
    seen, other = seer(truth)(0, (100, 80)), seer(found)(0, (100, 80))
    assert seen.names == other.names == ["ride bicycle", "hold bicycle"]
    assert seen.scores is None
    assert other.scores.tolist() == [0.25, 0.75]
    assert (seen.what, len(seer(truth)(1, (50, 50)).names)) == ("pairs", 0)
    assert seen.people[seen.subject].all() and not seen.people[seen.object].any()


@pytest.mark.parametrize("frame", ["inclusive", "continuous", "normalised"])
def test_boxes_of_every_frame_come_onto_the_picture_and_onto_a_smaller_copy(truth, frame):
    see = seer(to_frame(truth, frame))
    boxes, small = see(0, (100, 80)).boxes, see(0, (50, 40)).boxes
    np.testing.assert_allclose(boxes[0], [10, 10, 30, 50])
    np.testing.assert_allclose(small, boxes / 2)


def test_normalised_boxes_need_no_sizes_in_the_file(truth):
    held = to_frame(truth, "normalised").with_columns(width=None, height=None)
    np.testing.assert_allclose(seer(held)(0, (100, 80)).boxes[0], [10, 10, 30, 50])
    np.testing.assert_allclose(seer(truth.with_columns(width=None, height=None))(0, (9, 9)).boxes[0], [10, 10, 30, 50])


def test_dense_predictions_are_seen_by_their_scores(found):
    seen = seer(to_dense(found))(0, (100, 80))
    assert dict(zip(seen.names, seen.scores.tolist(), strict=True)) == {"ride bicycle": 0.25, "hold bicycle": 0.75}


def test_verbs_are_told_with_their_objects(found):
    verbs = relabel(found, "verbs")[0]
    assert seer(verbs)(0, (100, 80)).names == ["ride bicycle", "hold bicycle"]


def test_boxes_alone_are_objects_by_name(found, truth):
    scored = found.with_columns(box_scores=np.full(len(found.boxes), 0.5))
    for data in (relabel(scored, "objects")[0], relabel(truth, "objects")[0]):
        seen = seer(data)(0, (100, 80))
        assert seen.what == "objects"
        assert set(seen.names) == {"person", "bicycle"}
        assert [name == "person" for name in seen.names] == seen.people.tolist()
        assert (seen.scores is None) == (data.kind == "dataset")


def test_labels_and_captions_of_whole_pictures():
    empty = {"key": strings(["a", "b"]), **no_pairs(2)}
    labels = Dataset(
        meta=Meta(HICO), image_label=np.array([RIDE, HOLD], np.int32), image_value=np.array([1, -1], np.int8),
        image_label_offsets=np.array([0, 2, 2]), **empty,
    )  # fmt: skip
    assert (seer(labels)(0, (9, 9)).what, seer(labels)(0, (9, 9)).names) == ("labels", ["ride bicycle"])
    assert seer(labels)(1, (9, 9)).names == []
    assert seer(Dataset(meta=Meta(HICO), **empty))(0, (9, 9)).names == []
    captions = Dataset(
        meta=Meta(HICO), caption_text=strings(["A man.", "A bicycle."]), caption_id=np.array([1, 2]),
        caption_offsets=np.array([0, 1, 2]), **empty,
    )  # fmt: skip
    assert (seer(captions)(1, (9, 9)).what, seer(captions)(1, (9, 9)).names) == ("captions", ["A bicycle."])
    scored = Predictions(meta=Meta(HICO), image_scores=np.zeros((2, 600)), score=np.empty(0), **empty)
    assert seer(scored)(0, (9, 9)).scores.tolist() == [0.0] * 600
