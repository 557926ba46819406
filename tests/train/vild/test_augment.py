"""Boxes stay on what they are of, however a picture is varied."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from hypothesis import given
from hypothesis import strategies as st

from hoitool.predict.vild.squares import fitted
from hoitool.train.vild.augment import varied
from hoitool.train.vild.settings import Augment

SIDE = 128


def picture(wide, high, box):
    """Black with one white box."""
    made = np.zeros((high, wide, 3), np.uint8)
    x1, y1, x2, y2 = box
    made[y1:y2, x1:x2] = 255
    return made


@given(st.integers(40, 200), st.integers(40, 200), st.integers(0, 2**16), st.sampled_from([(0.5, 0.5), (1, 1), (1, 2)]))
def test_a_box_is_where_its_pixels_are(wide, high, seed, scale):
    numbers = np.random.default_rng(seed)
    x1, y1 = (int(numbers.integers(0, length - 20)) for length in (wide, high))
    box = (x1, y1, x1 + int(numbers.integers(12, 20)), y1 + int(numbers.integers(12, 20)))
    made = varied(picture(wide, high, box), Augment(flip=0.5, scale=scale), SIDE, numbers)
    boxes, kept = made.boxes(np.array([box], np.float64))
    bright = made.pixels[..., 0] > 127
    assert made.pixels.shape == (SIDE, SIDE, 3)
    assert not bright[made.size[0] :].any()
    assert not bright[:, made.size[1] :].any()
    if not len(kept):
        assert bright.sum() <= 2 * SIDE
        return
    lines, columns = (np.flatnonzero(bright.any(axis=axis)) for axis in (1, 0))
    if len(lines) and len(columns):
        seen = [columns[0], lines[0], columns[-1] + 1, lines[-1] + 1]
        np.testing.assert_allclose(boxes[0], seen, atol=1.5)


def test_a_picture_as_it_is_fills_the_square_by_its_longer_side():
    pixels = np.random.default_rng(0).integers(0, 256, (60, 100, 3), dtype=np.uint8)
    made = varied(pixels, Augment(flip=0.0, scale=(1.0, 1.0)), SIDE, np.random.default_rng(0))
    plain = fitted(pixels, SIDE)
    assert made.size == plain.size == (77, 128)
    assert np.array_equal(made.pixels, plain.pixels)
    assert made.scale == plain.scale[::-1]


def test_boxes_that_are_cut_away_go():
    pixels = np.zeros((100, 100, 3), np.uint8)
    made = varied(pixels, Augment(flip=0.0, scale=(2.0, 2.0)), 64, np.random.default_rng(3))
    left, top = (held / 1.28 for held in made.corner)
    inside, outside = [left + 10, top + 10, left + 20, top + 20], [left - 5, top, left + 0.5, top + 9]
    boxes, kept = made.boxes(np.array([outside, inside]))
    assert kept.tolist() == [1]
    np.testing.assert_allclose(boxes, [[12.8, 12.8, 25.6, 25.6]], rtol=1e-5)
