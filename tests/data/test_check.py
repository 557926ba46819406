"""Every rule of the format, broken once: the message names the image and the row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders import predictions_of, truth_of
from hypothesis import given, settings
from strategies import either

from hoitool.data import Dataset, Predictions, offsets_of, strings, swapped_boxes, validate
from hoitool.errors import DataError

A, B = (0.0, 0, 9, 9), (10.0, 10, 19, 29)
ROWS = [(0, A, B, 3), (2, A, B, 18), (2, B, A, 7)]


def truth() -> Dataset:
    """Image 0 has one pair, image 1 none, image 2 two; boxes 0 to 1 and 2 to 5; one image label each."""
    return truth_of(ROWS, image_labels=[(0, 3), (1, 4), (2, 18)])


def predicted() -> Predictions:
    return predictions_of([(*row, 0.5) for row in ROWS])


def dense(width: int = 600) -> Predictions:
    return predicted().with_columns(label=None, score=None, scores=np.zeros((3, width)))


def changed(data, name: str, row, value, **more):
    column = getattr(data, name).copy()
    column[row] = value
    return data.with_columns(**{name: column}, **more)


@settings(deadline=None, max_examples=60)
@given(either())
def test_valid_data_pass(data):
    validate(data)


def test_the_data_that_are_broken_below_are_valid_before():
    for data in (truth(), predicted(), dense()):
        validate(data)


BROKEN = {
    "key twice": (
        lambda: changed(truth(), "key", 2, "image-0.jpg"),
        "image 'image-0.jpg' stands twice, in rows 0 and 2; one row per image is expected",
    ),
    "offsets too short": (
        lambda: truth().with_columns(box_offsets=np.array([0, 2, 6])),
        "box_offsets do not divide rows among 3 images",
    ),
    "offsets not from 0": (
        lambda: truth().with_columns(pair_offsets=np.array([1, 1, 1, 3])),
        "pair_offsets do not divide rows among 3 images",
    ),
    "offsets that fall": (
        lambda: truth().with_columns(image_label_offsets=np.array([0, 2, 1, 3])),
        "image_label_offsets do not divide rows among 3 images",
    ),
    "column too short": (
        lambda: truth().with_columns(categories=np.zeros(5, np.int32)),
        "column 'categories' has 5 rows, expected 6",
    ),
    "image column too long": (
        lambda: truth().with_columns(width=np.ones(4, np.int32)),
        "column 'width' has 4 rows, expected 3",
    ),
    "column without offsets": (
        lambda: truth().with_columns(caption_text=strings(["a"])),
        "column 'caption_text' without caption_offsets",
    ),
    "box of five": (
        lambda: truth().with_columns(boxes=np.zeros((6, 5))),
        "column 'boxes' has shape [6, 5], expected [n, 4]",
    ),
    "flat boxes": (
        lambda: truth().with_columns(boxes=np.zeros(6)),
        "column 'boxes' has shape [6], expected [n, 4]",
    ),
    "flat dense scores": (
        lambda: dense().with_columns(scores=np.zeros(3)),
        "column 'scores' has shape [3], expected [n, L]",
    ),
    "box not finite": (
        lambda: changed(truth(), "boxes", (3, 2), np.nan),
        "image 'image-2.jpg', box 1: a box is 10 10 nan 29, expected finite numbers",
    ),
    "box infinite": (
        lambda: changed(truth(), "boxes", (0, 0), -np.inf),
        "image 'image-0.jpg', box 0: a box is -inf 0 9 9, expected finite numbers",
    ),
    "category too large": (
        lambda: changed(truth(), "categories", 5, 80),
        "image 'image-2.jpg', box 3: a category is 80, expected -1..79",
    ),
    "category too small": (
        lambda: changed(truth(), "categories", 1, -2),
        "image 'image-0.jpg', box 1: a category is -2, expected -1..79",
    ),
    "label too large": (
        lambda: changed(truth(), "label", 2, 600),
        "image 'image-2.jpg', pair 1: a label is 600, expected 0..599 (interactions)",
    ),
    "label negative": (
        lambda: changed(truth(), "label", 0, -1),
        "image 'image-0.jpg', pair 0: a label is -1, expected 0..599 (interactions)",
    ),
    "verb too large": (
        lambda: changed(truth(), "label", 1, 117, meta=replace(truth().meta, label_kind="verbs")),
        "image 'image-2.jpg', pair 0: a label is 117, expected 0..116 (verbs)",
    ),
    "image label too large": (
        lambda: changed(truth(), "image_label", 1, 600),
        "image 'image-1.jpg', image_label 0: a label is 600, expected 0..599 (interactions)",
    ),
    "image label of no value": (
        lambda: changed(truth(), "image_value", 2, 2),
        "image 'image-2.jpg', image_label 0: an image label's value is 2, expected 1, -1 or 0",
    ),
    "neither labels nor scores": (
        lambda: truth().with_columns(label=None),
        "pairs have neither labels (sparse) nor rows of scores (dense)",
    ),
    "dense scores too narrow": (
        lambda: dense(117),
        "column 'scores' has 117 values a row, expected 600 (interactions)",
    ),
    "image scores too wide": (
        lambda: predicted().with_columns(image_scores=np.zeros((3, 601), np.float32)),
        "column 'image_scores' has 601 values a row, expected 600 (interactions)",
    ),
    "subject beyond its image": (
        lambda: changed(truth(), "subject", 0, 2),
        "image 'image-0.jpg', pair 0: subject 2 is not among the image's 2 boxes",
    ),
    "no subject": (
        lambda: changed(truth(), "subject", 1, -1),
        "image 'image-2.jpg', pair 0: subject -1 is not among the image's 4 boxes",
    ),
    "object beyond its image": (
        lambda: changed(truth(), "object", 2, 4),
        "image 'image-2.jpg', pair 1: object 4 is not among the image's 4 boxes",
    ),
    "object below -1": (
        lambda: changed(truth(), "object", 2, -2),
        "image 'image-2.jpg', pair 1: object -2 is not among the image's 4 boxes",
    ),
    "score not a number": (
        lambda: changed(predicted(), "score", 2, np.nan),
        "image 'image-2.jpg', pair 1: a score is NaN, expected a number (higher is surer)",
    ),
    "predictions without scores": (
        lambda: predicted().with_columns(score=None),
        "predictions without scores",
    ),
    "box score not a number": (
        lambda: predicted().with_columns(
            replace(predicted().meta, score="times-box-scores"), box_scores=np.array([1, 1, 1, np.nan, 1, 1])
        ),
        "image 'image-2.jpg', box 1: a box score is NaN, expected a number (higher is surer)",
    ),
    "box scores needed": (
        lambda: predicted().with_columns(replace(predicted().meta, score="times-box-scores")),
        "scores are to be multiplied by box scores, but there is no column 'box_scores'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_told_exactly(rule):
    make, told = BROKEN[rule]
    with pytest.raises(DataError) as caught:
        validate(make())
    assert str(caught.value) == told


def test_an_object_of_minus_1_is_none():
    validate(changed(truth(), "object", 0, -1))


@pytest.mark.parametrize("score", [np.inf, -np.inf, -1.0])
def test_any_score_but_nan_passes(score):
    validate(changed(predicted(), "score", 0, score))


def test_nan_in_dense_scores_means_not_predicted():
    validate(changed(dense(), "scores", (0, 0), np.nan))


def test_recognition_scores_alone_are_predictions():
    nothing = predictions_of([]).with_columns(score=None, image_scores=np.zeros((3, 600)))
    validate(nothing)
    with pytest.raises(DataError, match="predictions without scores"):
        validate(nothing.with_columns(image_scores=None))


def test_swapped_corners_pass_and_are_counted():
    boxes = truth().boxes.copy()
    boxes[0], boxes[3], boxes[4] = (9, 0, 0, 9), (0, 9, 9, 0), (5, 5, 5, 5)
    data = truth().with_columns(boxes=boxes)
    validate(data)
    assert swapped_boxes(data) == 2


@pytest.mark.parametrize("chunk", [1, 2, 4, 100])
def test_looking_in_chunks_changes_nothing(monkeypatch, chunk):
    monkeypatch.setattr("hoitool.data.check.CHUNK", chunk)
    boxes = truth().boxes.copy()
    boxes[[1, 4]] = boxes[[1, 4]][:, [2, 3, 0, 1]]
    assert swapped_boxes(truth().with_columns(boxes=boxes)) == 2
    boxes[4, 1] = np.nan
    with pytest.raises(DataError, match=r"image 'image-2\.jpg', box 2: a box is"):
        validate(truth().with_columns(boxes=boxes))


def test_images_without_rows_do_not_shift_the_image_that_is_named():
    data = truth_of([(3, A, B, 0)], images=6)
    assert offsets_of([0, 0, 0, 1, 0, 0]).tolist() == data.pair_offsets.tolist()
    with pytest.raises(DataError, match=r"^image 'image-3\.jpg', pair 0: a label is 999"):
        validate(changed(data, "label", 0, 999))
