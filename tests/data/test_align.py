"""Predictions in the truth's order: scores of whole images go with their images, and none may lack."""

from __future__ import annotations

import numpy as np
import pytest
from builders import as_image_predictions

from hoitool.data import align, select_images
from hoitool.errors import DataError


def test_scores_of_images_go_with_their_images(small):
    found = as_image_predictions(small.test, noise=1.0)
    shuffled = select_images(found, np.random.default_rng(1).permutation(len(found)))
    back = align(shuffled, small.test)
    assert back.key.tolist() == small.test.key.tolist()
    np.testing.assert_array_equal(back.image_scores, found.image_scores, strict=True)
    np.testing.assert_array_equal(back.width, small.test.width)


def test_pairs_and_scores_of_images_are_aligned_together(small, detected):
    scores = np.random.default_rng(2).random((len(detected), detected.meta.classes)).astype(np.float32)
    both = detected.with_columns(image_scores=scores)
    back = align(select_images(both, np.arange(len(both))[::-1]), small.test)
    np.testing.assert_array_equal(back.image_scores, scores, strict=True)
    np.testing.assert_array_equal(back.score, detected.score)


def test_an_image_without_scores_is_named_and_one_without_pairs_is_empty(small, detected):
    found = as_image_predictions(small.test)
    with pytest.raises(DataError, match=rf"no scores of the image '{small.test.key[0]}' \(2 of the truth's \d+ images"):
        align(select_images(found, np.arange(2, len(found))), small.test)
    some = np.diff(detected.pair_offsets) > 0
    assert np.array_equal(align(select_images(detected, some), small.test).pair_offsets, detected.pair_offsets)
