"""What data hold, in numbers."""

from __future__ import annotations

import numpy as np
from builders import predictions_of, truth_of
from hypothesis import given, settings
from strategies import datasets

from hoitool.data import class_counts, statistics, strings

A, B, SWAPPED = (0.0, 0, 9, 9), (10.0, 10, 19, 29), (9.0, 9, 0, 0)
ROWS = [(0, A, B, 3), (2, A, SWAPPED, 18), (2, B, A, 18)]


def test_statistics_of_annotations_are_the_counted_ones():
    assert statistics(truth_of(ROWS, image_labels=[(0, 3), (1, 4)])) == {
        "images": 3,
        "images_without_pairs": 1,
        "boxes": 6,
        "boxes_with_swapped_corners": 1,
        "pairs": 3,
        "pairs_per_image_mean": 1.0,
        "pairs_per_image_max": 2,
        "classes": 600,
        "classes_with_pairs": 2,
        "rare_classes": 138,
        "image_labels_present": 2,
        "image_labels_absent": 0,
        "image_labels_uncertain": 0,
    }


def test_captions_are_counted_where_there_are_some():
    said = {
        "caption_id": np.arange(2),
        "caption_text": strings(["a man", "cup"]),
        "caption_offsets": np.array([0, 2]),
    }
    assert statistics(truth_of([], images=1).with_columns(**said))["captions"] == 2


def test_statistics_of_predictions_have_the_range_of_scores():
    told = statistics(predictions_of([(*row, score) for row, score in zip(ROWS, (0.5, -1.0, 0.25), strict=True)]))
    assert (told["score_min"], told["score_max"]) == (-1.0, 0.5)
    assert "image_labels_present" not in told


def test_statistics_of_dense_predictions_leave_out_what_is_not_predicted():
    scores = np.full((3, 600), np.nan)
    scores[1, 7], scores[2, 9] = 0.125, 0.75
    data = predictions_of([(*row, 0.0) for row in ROWS]).with_columns(label=None, score=None, scores=scores)
    told = statistics(data)
    assert (told["score_min"], told["score_max"]) == (0.125, 0.75)
    assert "classes" not in told


def test_dense_predictions_of_nothing_have_statistics():
    scores = np.full((3, 600), np.nan)
    data = predictions_of([(*row, 0.0) for row in ROWS]).with_columns(label=None, score=None, scores=scores)
    assert statistics(data)["pairs"] == 3


def test_no_images_have_statistics():
    told = statistics(truth_of([], images=0))
    assert (told["images"], told["pairs_per_image_mean"], told["pairs_per_image_max"]) == (0, 0.0, 0)
    assert "score_min" not in statistics(predictions_of([], images=0))


@settings(deadline=None, max_examples=30)
@given(datasets())
def test_class_counts_are_the_literal_ones(data):
    labels = data.label.tolist()
    assert class_counts(data).tolist() == [labels.count(k) for k in range(data.meta.classes)]
    assert (
        sum(statistics(data)[f"image_labels_{name}"] for name in ("present", "absent", "uncertain"))
        == len(data.image_label)
        if data.image_label is not None
        else "image_labels_present" not in statistics(data)
    )
