"""Calibration and AP against training pairs, against what can be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from builders import predictions_of, truth_of, v_coco_detector, v_coco_scenes
from hypothesis import given
from hypothesis import strategies as st

from hoitool.diagnose.causes import diagnose
from hoitool.diagnose.figures import BINS, calibration, frequency, spearman

values = st.lists(st.integers(0, 5), min_size=2, max_size=12)


def test_calibration_by_hand():
    made = calibration(np.array([0.9, 0.92, 0.1, 1.0, 0.0]), np.array([True, False, False, True, False]))
    assert (len(made.count), made.count.sum()) == (BINS, 5)
    assert made.count[[0, 1, 13, 14]].tolist() == [1, 1, 2, 1]
    assert made.precision[[0, 13, 14]].tolist() == [0, 0.5, 1]
    assert made.error == pytest.approx((0 + 0.1 + 2 * abs(0.5 - 0.91) + 0) / 5)
    assert np.isnan(made.score[5])


def test_a_perfectly_calibrated_score_has_no_error():
    score = np.repeat([0.25, 0.75], 400)
    hit = np.concatenate([np.arange(400) < 100, np.arange(400) < 300])
    assert calibration(score, hit).error == pytest.approx(0)


def test_scores_that_are_no_probabilities_have_bins_and_no_error():
    made = calibration(np.array([-3.0, 0.5, 7.0]), np.array([False, True, True]))
    assert np.isnan(made.error)
    assert (made.low[0], made.high[-1], made.count.sum()) == (-3, 7, 3)
    assert calibration(np.empty(0), np.empty(0, bool)).count.sum() == 0


@given(values, values)
def test_spearman_is_the_correlation_of_ranks(a, b):
    size = min(len(a), len(b))
    a, b = np.array(a[:size]), np.array(b[:size])
    ranks = [[sum(v < x for v in of) + sum(v == x for v in of) / 2 for x in of] for of in (a, b)]
    if len(set(a)) == 1 or len(set(b)) == 1:
        assert np.isnan(spearman(a, b))
    else:
        assert spearman(a, b) == pytest.approx(np.corrcoef(ranks)[0, 1])


def test_frequency_is_the_mean_of_ranges():
    made = frequency(np.array([0.1, 0.3, 0.5, 0.9]), np.array([0, 9, 10, 5000]))
    assert made.classes.tolist() == [2, 1, 0, 0, 0, 1]
    assert made.ap[[0, 1, 5]].tolist() == pytest.approx([0.2, 0.5, 0.9])
    assert made.high[-1] == 5000
    assert made.spearman == pytest.approx(1)
    assert frequency(np.array([0.1]), np.array([-1])) is None


def test_training_data_say_what_the_label_space_does_not():
    truth = v_coco_scenes(6)
    predictions = v_coco_detector(truth)
    assert diagnose(truth, predictions).frequency is None
    for setting, trained in (("scenario-1", 66), ("agent", 60)):
        found = diagnose(truth, predictions, setting=setting, training=v_coco_scenes(6, seed=1))
        assert found.frequency is not None
        assert found.classes.trained.sum() <= trained


def test_hico_counts_its_full_training_set():
    box = (0.0, 0.0, 9.0, 9.0)
    truth, found = truth_of([(0, box, box, 0)]), predictions_of([(0, box, box, 0, 0.5)])
    made = diagnose(truth, found)
    assert made.classes.trained.tolist() == truth.meta.labels.train_instances.tolist()
    assert diagnose(truth, found, training=truth).classes.trained.sum() == 1
