"""Scores of whole images are scored by hoitool.eval, and by nothing else."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from builders import as_image_predictions, image_truth_of, truth_of

from hoitool.errors import DataError
from hoitool.eval import score
from hoitool.train.defr.evaluate import evaluated, figures

A, B = (0.0, 0, 9, 9), (10.0, 10, 19, 29)


def noted(images=12, seed=0):
    rng = np.random.default_rng(seed)
    return image_truth_of(rng.choice([1, 0, -1, np.nan], (images, 600), p=[0.2, 0.1, 0.3, 0.4]))


@pytest.mark.parametrize("variant", [None, "defr"])
def test_the_figures_are_those_of_the_protocol(variant):
    truth = noted()
    predicted = as_image_predictions(truth, noise=1.0)
    made = evaluated(truth, predicted.image_scores, variant=variant)
    expected = score(truth, predicted, "hico", variant)
    assert made.envelope() == expected.envelope()
    assert figures(made) == {split: expected.mean(split) for split in ("full", "few@1", "few@5", "few@10")}


def test_perfect_scores_are_one():
    truth = noted()
    assert figures(evaluated(truth, as_image_predictions(truth).image_scores))["full"] == pytest.approx(1)


def test_a_truth_of_pairs_has_the_labels_of_its_pairs():
    truth = truth_of([(0, A, B, 7), (1, A, B, 9), (1, A, B, 7)])
    scores = np.zeros((3, 600))
    scores[[0, 1, 1], [7, 9, 7]] = 1
    made = evaluated(truth, scores)
    assert figures(made)["full"] == pytest.approx(1)
    assert any("those of its pairs stand in" in note for note in made.notes)


def test_scores_that_are_none_are_refused():
    truth = noted()
    with pytest.raises(DataError, match=r"scores of images are \(3, 600\), expected \(12, 600\)"):
        evaluated(truth, np.zeros((3, 600)))
    bad = np.zeros((12, 600))
    bad[4, 5] = np.nan
    with pytest.raises(DataError, match="scores of 1 of 12 images are not numbers"):
        evaluated(truth, bad)
