"""What a format can hold, and data brought into it: what is lost is counted, what is there comes back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import predictions_of, truth_of, v_coco_predictions, v_coco_truth
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import DEMO, assert_same, datasets

from hoitool.convert.fit import Holds, fit, implied_classes, in_pairs, require_held
from hoitool.data import concat, validate
from hoitool.errors import DataError, UsageError

HUMAN, CUP = (0, 0, 9, 9), (5, 5, 8, 8)
EVERYTHING = Holds(
    label_kinds=("interactions", "verbs"),
    optional=frozenset({"file_name", "width", "image_scores", "image_label", "caption_id", "box_scores", "annotated",
                        "crowd", "box_ids"}),
    precise=True,
    objectless=True,
    lonely_boxes=True,
    unknown_objects=True,
)  # fmt: skip


def annotations(**fixed) -> st.SearchStrategy:
    """Random annotations of one subset, of interactions or verbs."""
    return st.sampled_from(["interactions", "verbs"]).flatmap(
        lambda kind: datasets(label_kind=kind, subsets=False, **fixed)
    )


@settings(deadline=None, max_examples=60)
@given(annotations(file_names=False))
def test_what_holds_everything_loses_nothing(data):
    fitted = fit([data], EVERYTHING)
    assert not fitted.lost
    assert_same(fitted.parts[0], data)


@settings(deadline=None, max_examples=60)
@given(annotations(), st.sampled_from([Holds(), replace(EVERYTHING, lonely_boxes=False, objectless=False)]))
def test_fitted_data_are_valid_and_lose_nothing_more(data, holds):
    once = fit([data], holds)
    validate(once.parts[0])
    again = fit(once.parts, holds)
    assert not again.lost
    assert_same(again.parts[0], once.parts[0])


def test_the_other_kind_of_data_is_refused():
    with pytest.raises(UsageError, match="the format holds annotations, the data are predictions"):
        fit([predictions_of([])], Holds())
    with pytest.raises(UsageError, match="the format holds predictions, the data are annotations"):
        fit([truth_of([])], Holds("predictions"))


def test_losses_are_counted_by_reason():
    truth = truth_of([(0, HUMAN, CUP, 5), (1, HUMAN, CUP, 6)], image_labels=[(0, 5), (1, 6), (2, 7)])
    data = truth.with_columns(
        file_name=truth.key[::-1].copy(),
        width=np.array([5, 0, 7], np.int32),
        height=np.array([5, 0, 0], np.int32),
        crowd=np.array([True, False, False, False]),
        annotated=np.zeros(4, bool),
        box_ids=np.arange(4),
        object=np.array([1, -1], np.int32),
    )
    fitted = fit([data], Holds())
    assert fitted.lost == {
        "pairs without an object": 1,
        "boxes in no pair": 2,
        "file names that differ from the images' keys": 2,
        "image sizes": 2,
        "labels of whole images": 3,
        "marks of boxes as crowds": 1,
        "ids of boxes": 2,
    }
    assert set(fitted.parts[0].columns()) == {"key", "boxes", "categories", "subject", "object", "label"}


def test_images_without_a_pair_go_where_a_format_has_no_place_for_them():
    truth = truth_of([(1, HUMAN, CUP, 5)])
    assert not fit([truth], Holds()).lost
    fitted = fit([truth], Holds(empty_images=False))
    assert fitted.lost == {"images without a pair": 2}
    assert fitted.parts[0].key.tolist() == ["image-1.jpg"]


def test_boxes_without_a_class_go_with_their_pairs():
    truth = truth_of([(0, HUMAN, CUP, 5), (0, CUP, HUMAN, 6)])
    data = truth.with_columns(categories=np.where(np.arange(len(truth.boxes)) == 1, -1, truth.categories).astype("i4"))
    fitted = fit([data], Holds(lonely_boxes=True))
    assert fitted.lost == {"boxes without a class, with their pairs": 1}
    assert fitted.parts[0].label.tolist() == [6]


def test_corners_become_what_x_plus_width_gives_back():
    truth = v_coco_truth()
    holds = replace(EVERYTHING, extents=True, box_frame="continuous")
    assert not fit([truth], holds).lost
    odd = truth.with_columns(boxes=truth.boxes + np.array([0, 0, 1e-13, 0]))
    fitted = fit([odd], holds)
    assert fitted.lost.keys() <= {"last bits of the corners of boxes"}
    assert not fit(fitted.parts, holds).lost


def test_other_frames_and_kinds_of_labels_are_turned():
    truth = v_coco_truth()
    fitted = fit([truth], replace(EVERYTHING, label_kinds=("interactions",), box_frame="inclusive"))
    assert fitted.parts[0].meta.box_frame == "inclusive"
    np.testing.assert_array_equal(fitted.parts[0].boxes, truth.boxes - [0, 0, 1, 1])
    assert fitted.parts[0].meta.label_kind == "interactions"
    with pytest.raises(UsageError):
        fit([truth], Holds(label_kinds=("agents+roles",)))


def test_columns_that_a_format_always_has_are_filled_in():
    truth = truth_of([(0, HUMAN, CUP, 5)])
    always = frozenset({"file_name", "width", "annotated", "crowd", "box_ids", "image_label"})
    fitted = fit([truth], Holds(always=always))
    (part,) = fitted.parts
    assert not fitted.lost
    assert part.file_name.tolist() == part.key.tolist()
    assert part.width.tolist() == part.height.tolist() == [0, 0, 0]
    assert not part.annotated.any()
    assert part.box_ids.tolist() == [1, 2]
    assert len(part.image_label) == 0
    validate(part)


def test_ids_are_numbered_above_those_of_all_parts():
    one = truth_of([(0, HUMAN, CUP, 5)]).with_columns(box_ids=np.array([7, 40]))
    other = truth_of([(0, HUMAN, CUP, 5), (1, HUMAN, CUP, 5)], subset="train")
    parts = fit([one, other], Holds(always=frozenset({"box_ids"}))).parts
    assert [part.box_ids.tolist() for part in parts] == [[7, 40], [41, 42, 43, 44]]


def test_parts_of_several_subsets_are_taken_apart():
    both = concat([truth_of([(0, HUMAN, CUP, 5)], subset="train"), truth_of([], images=2, subset="test")])
    fitted = fit([both], Holds())
    assert [part.meta.subset for part in fitted.parts] == ["train", "test"]
    assert [part.subset for part in fitted.parts] == [None, None]
    with pytest.raises(UsageError):
        fit([both], Holds(one_subset=True))


def test_dense_predictions_become_rows_where_a_format_has_no_place_for_them():
    found = v_coco_predictions(v_coco_truth())
    holds = Holds("predictions", ("agents+roles",), objectless=True, unknown_objects=True, lonely_boxes=True)
    (part,) = fit([found], holds).parts
    assert not part.dense
    assert len(part.score) == int((~np.isnan(found.scores)).sum())
    assert fit([found], replace(holds, dense=True)).parts[0].dense


def test_numbers_are_float64_where_text_holds_them():
    found = predictions_of([(0, HUMAN, CUP, 5, 0.1)])
    found = found.with_columns(boxes=found.boxes.astype("f4"), score=found.score.astype("f4"))
    holds = Holds("predictions")
    (part,) = fit([found], holds).parts
    assert part.boxes.dtype == part.score.dtype == np.float64
    assert fit([found], replace(holds, precise=True)).parts[0].score.dtype == np.float32


def test_a_writer_refuses_what_would_be_lost_and_says_all_of_it():
    truth = truth_of([(0, HUMAN, CUP, 5)]).with_columns(box_ids=np.arange(2), crowd=np.ones(2, bool))
    with pytest.raises(DataError, match=r"^some JSON cannot hold 2 marks of boxes as crowds, 2 ids of boxes$"):
        require_held([truth], Holds(), "some JSON")
    assert len(require_held([truth_of([(0, HUMAN, CUP, 5)])], Holds(), "some JSON")) == 1


def test_boxes_in_pairs():
    truth = v_coco_truth()
    assert in_pairs(truth).tolist() == [True, True, False, False, True, True, True, True, False]


def test_implied_classes_give_each_pair_two_boxes_of_its_own():
    labels = DEMO
    truth = truth_of([(0, HUMAN, CUP, 3), (0, HUMAN, CUP, 4)], labels=labels)
    shared = truth.with_columns(
        subject=np.array([0, 0], np.int32),
        object=np.array([1, 1], np.int32),
        boxes=truth.boxes[:2],
        categories=np.array([labels.person, -1], np.int32),
        box_offsets=np.array([0, 2, 2, 2]),
    )
    made, lost = implied_classes(shared)
    validate(made)
    assert made.subject.tolist() == [0, 2]
    assert made.object.tolist() == [1, 3]
    expected = labels.interaction_objects[[3, 4]].tolist()
    assert made.categories.tolist() == [labels.person, expected[0], labels.person, expected[1]]
    assert lost == {
        "classes of boxes other than their interaction's": 2,
        "pairs with an object whose interaction has none": 0,
    }
