"""What boxes cut out: against a literal oracle, one number after the other, and for any box inside the picture."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hoitool.embed.crops import CropRule, continuous, cut, masked, union

FRAMES = ("inclusive", "continuous", "normalised")


def side(first, last, frame, size, context, min_side):
    """One axis of the rule in the module's words, in exact numbers."""
    low, high = sorted((Fraction(first), Fraction(last)))
    if frame == "inclusive":
        high += 1
    if frame == "normalised":
        low, high = low * size, high * size
    middle, half = (low + high) / 2, (high - low) / 2 * Fraction(context)
    edges = [min(max(edge, Fraction(0)), Fraction(size)) for edge in (middle - half, middle + half)]
    low, high = (round(edge) for edge in edges)  # half to even
    least = min(min_side, size)
    if high - low < least:
        low = (low + high - least) // 2
        low = min(max(low, 0), size - least)
        high = low + least
    return low, high


def slow(box, frame, width, height, context, min_side):
    left, right = side(box[0], box[2], frame, width, context, min_side)
    top, bottom = side(box[1], box[3], frame, height, context, min_side)
    return [left, top, right, bottom]


EIGHTHS = st.integers(-400, 900).map(lambda n: n / 8)  # so that the arithmetic of floats is exact
UNITS = st.integers(-32, 96).map(lambda n: n / 64)


@given(data=st.data(), frame=st.sampled_from(FRAMES), context=st.sampled_from([0.5, 1.0, 1.5, 2.0]))
def test_equals_the_slow_way(data, frame, context):
    number = UNITS if frame == "normalised" else EIGHTHS
    boxes = data.draw(st.lists(st.tuples(number, number, number, number), min_size=1, max_size=5))
    width, height = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 70))
    min_side = data.draw(st.integers(1, 90))
    for dtype in (np.float32, np.float64):
        found = cut(np.array(boxes, dtype), frame, width, height, context, min_side)
        assert found.dtype == np.int64
        assert found.tolist() == [slow(box, frame, width, height, context, min_side) for box in boxes]


FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(
    boxes=st.lists(st.tuples(FINITE, FINITE, FINITE, FINITE), max_size=4),
    frame=st.sampled_from(FRAMES),
    width=st.integers(1, 4000),
    height=st.integers(1, 4000),
    context=st.floats(0.1, 8),
    min_side=st.integers(1, 5000),
)
def test_is_always_a_part_of_the_picture(boxes, frame, width, height, context, min_side):
    found = cut(np.array(boxes, np.float64).reshape(-1, 4), frame, width, height, context, min_side)
    left, top, right, bottom = found.T
    assert (left >= 0).all() and (top >= 0).all() and (right <= width).all() and (bottom <= height).all()
    assert (right - left >= min(min_side, width)).all() and (bottom - top >= min(min_side, height)).all()


@pytest.mark.parametrize(
    ("box", "frame", "context", "min_side", "expected"),
    [
        ((2, 3, 5, 7), "continuous", 1, 1, [2, 3, 5, 7]),
        ((2, 3, 5, 7), "inclusive", 1, 1, [2, 3, 6, 8]),
        ((5, 7, 2, 3), "inclusive", 1, 1, [2, 3, 6, 8]),  # swapped corners
        ((0.1, 0.25, 0.5, 0.5), "normalised", 1, 1, [2, 5, 10, 10]),
        ((4, 4, 8, 8), "continuous", 1.5, 1, [3, 3, 9, 9]),
        ((0, 0, 8, 8), "continuous", 1.5, 1, [0, 0, 10, 10]),
        ((2.5, 3.5, 7.5, 8.5), "continuous", 1, 1, [2, 4, 8, 8]),  # half to even
        ((0, 0, 1, 20), "continuous", 1, 4, [0, 0, 4, 20]),  # at the left border
        ((19, 0, 20, 20), "continuous", 1, 4, [16, 0, 20, 20]),  # at the right border
        ((30, 5, 40, 6), "continuous", 1, 1, [19, 5, 20, 6]),  # outside: one column of the picture
        ((-9, -9, -3, -3), "continuous", 2, 2, [0, 0, 2, 2]),
        ((5, 5, 5, 5), "continuous", 1, 1, [4, 4, 5, 5]),  # no area
        ((5, 5, 6, 6), "continuous", 1, 99, [0, 0, 20, 20]),
    ],
)
def test_cases_by_hand(box, frame, context, min_side, expected):
    assert cut(np.array([box]), frame, 20, 20, context, min_side).tolist() == [expected]


def test_no_boxes():
    assert cut(np.empty((0, 4), np.float32), "inclusive", 5, 5, 1.5).shape == (0, 4)
    assert continuous(np.empty((0, 4), np.float32), "inclusive", 5, 5).dtype == np.float64


def test_unions_are_around_both_whatever_their_corners():
    one, other = np.array([[0, 1, 2, 3], [9, 9, 4, 4]]), np.array([[5, 0, 6, 2], [6, 6, 10, 5]])
    assert union(one, other).tolist() == [[0, 0, 6, 3], [4, 4, 10, 9]]


def test_masked_keeps_the_boxes_and_nothing_else():
    pixels = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
    found = np.asarray(masked(Image.fromarray(pixels), np.array([[0, 0, 3, 2], [-2, 4, 4, 9]]), (255, 1, 2)))
    kept = np.zeros((6, 8), bool)
    kept[0:2, 0:3] = kept[4:6, 0:4] = True
    np.testing.assert_array_equal(found, np.where(kept[..., None], pixels, np.array([255, 1, 2], np.uint8)))


def test_what_the_manifest_says():
    assert CropRule((1.0, 1.5), 3).to_json() == {"contexts": [1.0, 1.5], "min_side": 3, "rounding": "nearest"}
