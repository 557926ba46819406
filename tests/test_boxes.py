"""Box algebra against slow, literal scalar code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hoitool.boxes import area, extents, iou, pair_iou, sizes, swapped

EDGES = ("inclusive", "continuous")
coordinate = st.integers(-3, 12) | st.floats(-3, 12, width=32)
box = st.tuples(coordinate, coordinate, coordinate, coordinate)
whole_box = st.tuples(*[st.integers(-3, 12)] * 4)
edges_of = st.sampled_from(EDGES)


def literal_iou(a, b, edges, single_pixel=True):
    """One box against one box, in Python numbers, statement by statement as VOCevaldet_bboxpair.m."""
    one = 1.0 if edges == "inclusive" else 0.0
    width = min(a[2], b[2]) - max(a[0], b[0]) + one
    height = min(a[3], b[3]) - max(a[1], b[1]) + one
    if width <= 0 or height <= 0:
        return 0.0
    if not single_pixel and (width <= one or height <= one):
        return 0.0
    area_a = (a[2] - a[0] + one) * (a[3] - a[1] + one)
    area_b = (b[2] - b[0] + one) * (b[3] - b[1] + one)
    union = area_a + area_b - width * height
    return width * height / union if union else float("nan")


def ordered(corners):
    x1, y1, x2, y2 = corners
    return (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(box, box), min_size=1, max_size=8), edges_of, st.booleans())
def test_iou_is_the_literal_one(pairs, edges, single_pixel):
    ordered_pairs = [(ordered(a), ordered(b)) for a, b in pairs]
    a, b = (np.array(side, float) for side in zip(*ordered_pairs, strict=True))
    expected = [literal_iou(x, y, edges, single_pixel) for x, y in ordered_pairs]
    np.testing.assert_allclose(iou(a, b, edges, single_pixel), expected, rtol=1e-12, atol=0)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(whole_box, whole_box), min_size=1, max_size=8), edges_of, st.booleans())
def test_iou_of_any_integer_corners_is_exactly_the_literal_one(pairs, edges, single_pixel):
    a, b = (np.array(side, float) for side in zip(*pairs, strict=True))
    expected = [literal_iou(x, y, edges, single_pixel) for x, y in pairs]
    np.testing.assert_array_equal(iou(a, b, edges, single_pixel), expected)


@settings(deadline=None, max_examples=40)
@given(box, edges_of)
def test_sizes_and_area_are_the_literal_ones(corners, edges):
    x1, y1, x2, y2 = (float(v) for v in corners)
    one = 1.0 if edges == "inclusive" else 0.0
    width, height = sizes(np.array([corners], float), edges)
    assert (width[0], height[0]) == (x2 - x1 + one, y2 - y1 + one)
    assert area(np.array([corners], float), edges)[0] == (x2 - x1 + one) * (y2 - y1 + one)


@settings(deadline=None, max_examples=40)
@given(whole_box, whole_box, edges_of)
def test_iou_is_symmetric_and_between_0_and_1(a, b, edges):
    a, b = np.array(ordered(a), float), np.array(ordered(b), float)
    there, back = iou(a, b, edges), iou(b, a, edges)
    assert there == back
    assert 0 <= there <= 1


@settings(deadline=None, max_examples=40)
@given(whole_box, st.sampled_from(["float32", "float64"]))
def test_a_box_overlaps_itself_entirely(corners, dtype):
    made = np.array(ordered(corners), dtype)
    assert iou(made, made, "inclusive") == 1
    if (made[2:] > made[:2]).all():
        assert iou(made, made, "continuous") == 1
    else:
        assert iou(made, made, "continuous") == 0  # a line has no inside


@settings(deadline=None, max_examples=40)
@given(whole_box, whole_box, edges_of)
def test_swapped_corners_overlap_nothing(a, b, edges):
    made = np.array(a, float)
    if swapped(made):
        assert iou(made, np.array(b, float), edges) == 0
        assert iou(np.array(b, float), made, edges) == 0
    assert swapped(made) == (a[2] < a[0] or a[3] < a[1])


@pytest.mark.parametrize(
    ("edges", "single_pixel", "expected"),
    [("inclusive", True, 1 / 31), ("inclusive", False, 0), ("continuous", True, 0), ("continuous", False, 0)],
)
def test_boxes_that_share_one_pixel(edges, single_pixel, expected):
    a, b = np.array([0.0, 0, 3, 3]), np.array([3.0, 3, 6, 6])
    assert iou(a, b, edges, single_pixel) == pytest.approx(expected)


def test_a_strip_of_one_pixel_counts_only_with_single_pixel():
    a, b = np.array([0.0, 0, 3, 3]), np.array([3.0, 0, 6, 3])
    assert iou(a, b, "inclusive") == pytest.approx(4 / 28)
    assert iou(a, b, "inclusive", single_pixel=False) == 0


@pytest.mark.parametrize("edges", EDGES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_dtype_of_the_boxes_stays(edges, dtype):
    made = np.array([[0, 0, 9, 9], [1, 1, 4, 7]], dtype)
    for value in (
        *sizes(made, edges),
        area(made, edges),
        iou(made, made[::-1], edges),
        pair_iou(made, made, made, made, edges),
    ):
        assert value.dtype == dtype


def test_float32_divides_in_float32():
    a, b = np.array([0, 0, 2, 0], np.float32), np.array([0, 0, 0, 0], np.float32)
    assert float(iou(a, b, "inclusive")) == float(np.float32(1) / np.float32(3))
    assert float(iou(a, b, "inclusive")) != 1 / 3


def test_shapes_broadcast():
    rng = np.random.default_rng(0)
    a, b = (np.sort(rng.integers(0, 30, (n, 2, 2)), axis=1).reshape(n, 4).astype(float) for n in (3, 5))
    grid = iou(a[:, None], b[None], "inclusive")
    assert grid.shape == (3, 5)
    for i in range(3):
        for j in range(5):
            assert grid[i, j] == literal_iou(a[i], b[j], "inclusive")
    assert iou(a[:0], a[:0], "inclusive").shape == (0,)


@settings(deadline=None, max_examples=40)
@given(st.tuples(*[whole_box] * 4), edges_of, st.booleans())
def test_pairs_overlap_as_their_worse_boxes_do(four, edges, single_pixel):
    human_a, object_a, human_b, object_b = four
    expected = min(
        literal_iou(human_a, human_b, edges, single_pixel), literal_iou(object_a, object_b, edges, single_pixel)
    )
    assert pair_iou(*(np.array(b, float) for b in four), edges, single_pixel) == expected


# widths and heights as their source wrote them


decimal = st.integers(0, 10**6).map(lambda n: n / 100)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(decimal, decimal, decimal, decimal), min_size=1, max_size=20))
def test_extents_give_two_decimals_back_to_the_last_bit(rows):
    x, y, w, h = np.array(rows).T
    width, height = extents(np.stack([x, y, x + w, y + h], axis=1))
    np.testing.assert_array_equal(width, w)
    np.testing.assert_array_equal(height, h)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(*[st.floats(-1e4, 1e4)] * 4), min_size=1, max_size=20))
def test_extents_of_any_box_are_its_size_up_to_rounding(rows):
    boxes = np.array(rows)
    width, height = extents(boxes)
    np.testing.assert_allclose(width, boxes[:, 2] - boxes[:, 0], rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(height, boxes[:, 3] - boxes[:, 1], rtol=1e-9, atol=1e-11)


def test_plain_subtraction_gets_many_widths_wrong_and_extents_none():
    rng = np.random.default_rng(0)
    x, w = np.round(rng.uniform(0, 600, (2, 3000)), 2)
    boxes = np.stack([x, x, x + w, x + w], axis=1)
    assert (boxes[:, 2] - boxes[:, 0] != w).mean() > 0.4
    assert (extents(boxes)[0] == w).all()


def test_extents_of_swapped_infinite_single_and_no_boxes():
    width, height = extents(np.array([[5.0, 7.0, 1.5, 2.0], [0.0, 0.0, np.inf, np.nan]]))
    assert width.tolist() == [-3.5, np.inf]
    assert height[0] == -5
    assert np.isnan(height[1])
    assert [value.shape for value in extents(np.empty((0, 4)))] == [(0,), (0,)]
    assert [value.dtype for value in extents(np.zeros((1, 4), np.float32))] == [np.float64] * 2


@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
def test_extents_give_the_corner_back_where_any_number_does(low, width):
    high = low + width
    made = extents(np.array([[low, 0, high, 0]]))[0][0]
    assert low + made == high


def test_extents_of_a_corner_that_no_width_gives_are_the_difference():
    low, high = -9.3, 1e-20
    assert extents(np.array([[low, 0, high, 0]]))[0][0] == high - low
